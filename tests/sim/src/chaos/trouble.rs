//! Trouble among the acts of a day: partitions, restarts, clocks, restored disks, devices that run twice.

use accord_protocol::input::Command;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Plan;
use crate::fault::Fault;
use crate::world::World;

/// Seconds a clock may be off: minutes, days, ten years; half the time it is set right.
const CLOCKS: [i64; 14] =
    [0, 0, 0, 0, -3, 300, -300, 3_600, -3_600, 2 * 86_400, -2 * 86_400, 400 * 86_400, 3_650 * 86_400, -3_650 * 86_400];

impl World {
    /// One kind of trouble that this day may have; false when the day has none.
    pub(super) fn trouble(&mut self, plan: &Plan) -> bool {
        let kinds: Vec<Fault> = plan.faults.iter().filter(|kind| !matches!(kind, Fault::Hostile | Fault::Skew)).collect();
        let Some(kind) = kinds.choose(&mut self.rng).copied() else { return false };
        match kind {
            Fault::Partition => self.part_or_join(),
            Fault::Seldom => self.meet_or_leave(plan),
            Fault::Restart => {
                let n = self.one_node();
                self.figures.count("faults", "restart");
                self.restart(n);
            }
            Fault::Clock => self.set_a_clock(),
            Fault::Reset => self.reset_an_officer(),
            Fault::Restore => self.restore_a_disk(),
            Fault::Clone => self.clone_a_laptop(),
            Fault::Homes => self.put_a_home_back(),
            Fault::Registrar if plan.homes => return self.double_a_registrar(),
            _ => return false,
        }
        true
    }

    fn part_or_join(&mut self) {
        if self.rng.random_bool(0.4) {
            for (a, b) in self.parted.iter().copied().collect::<Vec<_>>() {
                if self.rng.random_bool(0.7) {
                    self.join_again(a, b);
                }
            }
            return;
        }
        let (a, b) = (self.one_node(), self.one_node());
        if a == b {
            return;
        }
        self.figures.count("faults", "partition");
        match self.rng.random_range(0..4) {
            0 => self.cut(a, b),
            1 => {
                // One node from everybody.
                for other in 0..self.nodes.len() {
                    if other != a {
                        self.part(a, other);
                    }
                }
            }
            _ => self.part(a, b),
        }
    }

    /// Laptops that are seldom at home come and go.
    fn meet_or_leave(&mut self, plan: &Plan) {
        let Some(laptop) = plan.seldom.choose(&mut self.rng).copied() else { return };
        let bureau = self.nodes[laptop].bureau;
        let at_home = self.rng.random_bool(0.4);
        for home in self.nodes_of(&bureau) {
            if home != laptop {
                if at_home { self.join_again(laptop, home) } else { self.part(laptop, home) }
            }
        }
        self.figures.count("faults", "seldom");
    }

    fn set_a_clock(&mut self) {
        let n = self.one_node();
        let far = *CLOCKS.choose(&mut self.rng).expect("fourteen");
        self.note(|world| format!("the clock of {} is off by {far}", world.nodes[n].name));
        self.nodes[n].clock_off = far;
        self.figures.count("faults", "clock");
        if self.rng.random_bool(0.2) {
            let confirm = self.rng.random_bool(0.3) && far.abs() < 86_400;
            let _ = self.ask(n, Command::ClockCorrect { confirm });
        }
    }

    fn reset_an_officer(&mut self) {
        let n = self.home_node();
        if self.nodes[n].is_up() && self.weather.crash == 0 && self.ask(n, Command::OfficerReset { name: "值班员".into() }).is_ok() {
            self.figures.count("faults", "reset");
            self.nodes[n].officers.clear();
            self.log_in(n, "值班员");
        }
    }

    /// A laptop's disk is copied, or put back to the copy made earlier.
    fn restore_a_disk(&mut self) {
        let devices: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].laptop).collect();
        let Some(n) = devices.choose(&mut self.rng).copied() else { return };
        if self.nodes[n].backup.is_none() {
            self.back_up(n);
            return;
        }
        self.figures.count("faults", "restore");
        self.restore(n);
    }

    fn clone_a_laptop(&mut self) {
        let laptops: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].laptop && self.nodes[*n].is_up()).collect();
        let clones = self.nodes.iter().filter(|node| node.cloned_from.is_some()).count();
        let Some(n) = laptops.choose(&mut self.rng).copied().filter(|_| clones < 2) else { return };
        self.figures.count("faults", "clone");
        self.clone_device(n);
    }

    /// A home node's disk is copied, or put back to the copy made earlier: as a restore that says so, or as a snapshot that says nothing.
    fn put_a_home_back(&mut self) {
        let homes: Vec<usize> = (0..self.nodes.len()).filter(|n| !self.nodes[*n].laptop && self.nodes[*n].cloned_from.is_none()).collect();
        let Some(n) = homes.choose(&mut self.later).copied() else { return };
        if self.nodes[n].backup.is_none() {
            self.back_up(n);
            return;
        }
        let says_so = self.later.random_bool(0.5);
        self.figures.count("faults", if says_so { "home-restored" } else { "home-snapshot" });
        self.put_back(n, says_so);
    }

    /// A registrar runs twice, on another machine that notices or on a copy that does not. False when enough do.
    fn double_a_registrar(&mut self) -> bool {
        let twins = self.nodes.iter().filter(|node| node.cloned_from.is_some() && !node.laptop).count();
        if twins > 0 {
            return false;
        }
        let homes: Vec<usize> = (0..self.nodes.len()).filter(|n| !self.nodes[*n].laptop && self.nodes[*n].is_up()).collect();
        let Some(n) = homes.choose(&mut self.later).copied() else { return false };
        let notices = self.later.random_bool(0.5);
        self.figures.count("faults", if notices { "registrar-doubled-known" } else { "registrar-doubled" });
        self.double(n, notices);
        true
    }

    /// A hostile member does one thing.
    pub(super) fn mischief(&mut self, plan: &Plan) {
        let n = *plan.hostile.choose(&mut self.rng).expect("asked only with hostile members");
        self.mischief_by(n, &plan.personalities);
    }
}
