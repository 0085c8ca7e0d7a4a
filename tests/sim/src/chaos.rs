//! A county at random: people who agree, write, grant and cut while links break, processes crash and clocks lie.

use accord_protocol::access::log::Kind;
use accord_protocol::agreement::{Category, Direction, Tlp, Verb};
use accord_protocol::id::DocumentId;
use accord_protocol::input::Command;
use accord_protocol::view::View;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::oracle::{in_force, pacts};
use crate::people::{grant, terms};
use crate::world::{Weather, World};

const CATEGORIES: [&str; 8] = ["CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "FIRE.HAZ", "FIRE.HAZ", "TRAF"];

/// How wild a run is.
#[derive(Clone, Copy, Debug)]
pub struct Wild {
    /// Actions.
    pub actions: u32,
    /// Bureaus.
    pub bureaus: usize,
    /// Laptops.
    pub laptops: usize,
}

/// A whole run: found, act under faults, heal, check.
pub fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    let wild =
        Wild { actions: world.rng.random_range(40..100), bureaus: world.rng.random_range(3..=4), laptops: world.rng.random_range(1..=2) };
    world.settle_county(&wild);
    let storm = world.rng.random_bool(0.8);
    if storm {
        world.weather = Weather {
            delay: (1, *[20, 800, 20_000].choose(&mut world.rng).expect("three")),
            queue: *[0, 50, 3_000].choose(&mut world.rng).expect("three"),
            crash: *[0, 20, 150].choose(&mut world.rng).expect("three"),
            batch: world.rng.random_range(1..=16),
            replay: *[0, 2_000].choose(&mut world.rng).expect("two"),
        };
    }
    for step in 0..wild.actions {
        world.act();
        let pause = if world.rng.random_bool(0.6) { world.rng.random_range(0..3_000) } else { world.rng.random_range(0..300_000) };
        world.run(pause);
        if step % 8 == 7 {
            world.check_documents();
            let n = world.rng.random_range(0..world.nodes.len());
            world.check_mirror(n);
        }
    }
    world.heal();
    world.check_healed();
    if std::env::var("ACCORD_SIM_STOP").is_ok() {
        let s = format!(
            "frames {:?} turns {} crashes {} judged {} acked {} promised {} docs {} given {}",
            world.frames,
            world.turns,
            world.crashes,
            world.oracle.judged,
            world.oracle.acknowledged,
            world.oracle.promised.len(),
            world.oracle.documents.len(),
            world.oracle.given.len()
        );
        world.fail(&s);
    }
    world
}

impl World {
    fn settle_county(&mut self, wild: &Wild) {
        let names = ["甲局", "乙局", "丙局", "丁局"];
        for name in names.iter().take(wild.bureaus) {
            self.bureau(name);
        }
        for a in 0..wild.bureaus {
            self.nodes[a].clock_off = self.rng.random_range(-20..20);
            for b in a + 1..wild.bureaus {
                let checked = self.rng.random_bool(0.95);
                self.introduce(a, b, checked);
            }
        }
        self.run(5_000);
        for a in 0..wild.bureaus {
            for b in a + 1..wild.bureaus {
                if self.rng.random_bool(0.85) {
                    self.offer_something(a, b);
                }
            }
        }
        self.run(5_000);
        for n in 0..wild.bureaus {
            self.answer_offers(n);
        }
        for laptop in 0..wild.laptops {
            let home = self.rng.random_range(0..wild.bureaus);
            self.laptop(home, &format!("笔记本{laptop}"));
        }
        self.run(10_000);
    }

    fn one_node(&mut self) -> usize {
        self.rng.random_range(0..self.nodes.len())
    }

    fn home_node(&mut self) -> usize {
        let homes: Vec<usize> = (0..self.nodes.len()).filter(|n| !self.nodes[*n].laptop).collect();
        *homes.choose(&mut self.rng).expect("a world has nodes")
    }

    fn others(&mut self, n: usize) -> Vec<usize> {
        let bureau = self.nodes[n].bureau;
        let mut out: Vec<usize> = (0..self.nodes.len()).filter(|m| !self.nodes[*m].laptop && self.nodes[*m].bureau != bureau).collect();
        while out.len() > 1 && self.rng.random_bool(0.5) {
            let gone = self.rng.random_range(0..out.len());
            out.swap_remove(gone);
        }
        out
    }

    /// Mostly those the device has an agreement with.
    fn receivers(&mut self, n: usize) -> Vec<usize> {
        let all = self.others(n);
        if self.rng.random_bool(0.1) {
            return all;
        }
        let pacts = pacts(&self.nodes[n]);
        let now = self.wall();
        let own = self.nodes[n].bureau;
        let agreed = |m: &usize| !in_force(&pacts, own, self.nodes[*m].bureau, now).is_empty();
        let some: Vec<usize> = all.iter().copied().filter(agreed).collect();
        if !some.is_empty() {
            return some;
        }
        (0..self.nodes.len()).filter(|m| !self.nodes[*m].laptop && agreed(m)).take(1).collect()
    }

    fn offer_something(&mut self, a: usize, b: usize) {
        let from = self.wall().saturating_sub(self.rng.random_range(0..60)) + u64::from(self.rng.random_bool(0.2)) * 90;
        let seconds = *[120, 1_800, 3_600, 30 * 86_400, 30 * 86_400, 30 * 86_400].choose(&mut self.rng).expect("six");
        let direction =
            *[Direction::Both, Direction::Both, Direction::OffererGives, Direction::AcceptorGives].choose(&mut self.rng).expect("four");
        let ceiling = *[Tlp::AmberStrict, Tlp::AmberStrict, Tlp::Green].choose(&mut self.rng).expect("three");
        let verb = *[Verb::Append, Verb::Append, Verb::Read].choose(&mut self.rng).expect("three");
        let mut grants = vec![grant(direction, Category::CrimSeries, &[verb], ceiling)];
        if self.rng.random_bool(0.6) {
            grants.push(grant(Direction::Both, Category::FireHaz, &[Verb::Append], Tlp::AmberStrict));
        }
        let _ = self.offer(a, b, terms(from, seconds, grants));
    }

    fn answer_offers(&mut self, n: usize) {
        if !self.nodes[n].is_up() {
            return;
        }
        let Ok(View::Agreements { agreements }) = self.ask(n, Command::AgreementList) else { return };
        for open in agreements.into_iter().filter(|a| a.standing == "offered_to_us") {
            let command = if self.rng.random_bool(0.9) {
                Command::AgreementAccept { id: open.id }
            } else {
                Command::AgreementDecline { id: open.id, reason: "条款不合".into() }
            };
            let _ = self.ask(n, command);
        }
    }

    fn held_case(&mut self, n: usize) -> Option<DocumentId> {
        let cases: Vec<DocumentId> = self
            .oracle
            .documents
            .iter()
            .filter(|(_, (_, kind))| *kind == Kind::Case)
            .map(|(id, _)| *id)
            .filter(|id| self.holds(n, id))
            .collect();
        cases.choose(&mut self.rng).copied()
    }

    fn owned(&mut self, n: usize) -> Option<DocumentId> {
        let bureau = self.nodes[n].bureau;
        let own: Vec<DocumentId> = self
            .oracle
            .documents
            .iter()
            .filter(|(_, (owner, _))| *owner == bureau)
            .map(|(id, _)| *id)
            .filter(|id| self.holds(n, id))
            .collect();
        own.choose(&mut self.rng).copied()
    }

    /// One thing happens.
    pub fn act(&mut self) {
        match self.rng.random_range(0..100) {
            0..12 => {
                let n = self.one_node();
                let to = self.receivers(n);
                let category = *CATEGORIES.choose(&mut self.rng).expect("eight");
                let done = self.publish(n, &to, category).map(drop).map_err(|r| r.code);
                self.note(format!("{} publishes to {to:?}: {done:?}", self.nodes[n].name));
            }
            12..24 => {
                let n = self.one_node();
                let with = self.receivers(n);
                let category = *CATEGORIES.choose(&mut self.rng).expect("eight");
                let done = self.open_case(n, &with, category).map(drop).map_err(|r| r.code);
                self.note(format!("{} opens a case with {with:?}: {done:?}", self.nodes[n].name));
            }
            24..56 => {
                for _ in 0..self.rng.random_range(1..6) {
                    let n = self.one_node();
                    let Some(case) = self.held_case(n) else { continue };
                    let done = self.write_note(n, &case).map(drop).map_err(|r| r.code);
                    self.note(format!("{} writes in {case:?}: {done:?}", self.nodes[n].name));
                }
            }
            56..61 => {
                let n = self.home_node();
                let Some(document) = self.owned(n) else { return };
                for other in self.receivers(n) {
                    let verb = if self.rng.random_bool(0.7) { "append" } else { "read" };
                    let done = self.grant_access(n, &document, other, verb).map_err(|r| r.code);
                    self.note(format!("{} grants {document:?} to {}: {done:?}", self.nodes[n].name, self.nodes[other].name));
                }
            }
            61..66 => {
                let n = self.home_node();
                let Some(document) = self.owned(n) else { return };
                let whom = self.others(n);
                let whom = *whom.choose(&mut self.rng).expect("others are never empty");
                let strict = self.rng.random_bool(0.3);
                let done = self.cut_access(n, &document, whom, strict).map_err(|r| r.code);
                self.note(format!("{} cuts {} from {document:?} strict {strict}: {done:?}", self.nodes[n].name, self.nodes[whom].name));
            }
            66..72 => {
                let a = self.home_node();
                let b = *self.others(a).choose(&mut self.rng).expect("others are never empty");
                self.offer_something(a, b);
                self.note(format!("{} offers to {}", self.nodes[a].name, self.nodes[b].name));
            }
            72..78 => {
                let n = self.one_node();
                self.answer_offers(n);
            }
            78..84 => {
                let (a, b) = (self.one_node(), self.one_node());
                if a != b {
                    if self.rng.random_bool(0.5) { self.part(a, b) } else { self.cut(a, b) }
                }
            }
            84..89 => {
                let pairs: Vec<(usize, usize)> = self.parted.iter().copied().collect();
                for (a, b) in pairs {
                    self.join_again(a, b);
                }
            }
            89..93 => {
                let n = self.one_node();
                self.restart(n);
            }
            93..97 => {
                let n = self.one_node();
                let far =
                    *[0, 0, -3, 300, -300, 3_600, -3_600, 2 * 86_400, -2 * 86_400, 3_650 * 86_400].choose(&mut self.rng).expect("ten");
                self.note(format!("the clock of {} is off by {far}", self.nodes[n].name));
                self.nodes[n].clock_off = far;
            }
            97..98 => {
                let n = self.home_node();
                if self.nodes[n].is_up() && self.weather.crash == 0 && self.ask(n, Command::OfficerReset { name: "值班员".into() }).is_ok()
                {
                    self.nodes[n].officers.clear();
                    self.log_in(n, "值班员");
                }
            }
            _ => {
                let n = self.one_node();
                let (draft, mark) = self.draft("CRIM.SERIES");
                if let Ok(View::Sending(view)) = self.ask(n, Command::BulletinNew(draft)) {
                    let document = DocumentId::from_hex(&view.id).unwrap_or_else(|| self.fail("an id is hex"));
                    self.oracle.promise(&self.nodes[n], document, &mark);
                    let to = self.receivers(n).into_iter().map(|m| self.name(m)).collect();
                    let _ = self.ask(n, Command::BulletinPublish { draft: Some(view.id), text: None, to });
                }
            }
        }
    }
}
