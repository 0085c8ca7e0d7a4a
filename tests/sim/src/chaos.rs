//! A county for a day: people who agree, write, grant and cut while links break, processes crash, clocks lie and some members cheat.
//!
//! Two phases. In the first everything that must never happen is watched at every step, whatever the faults do. Then all faults end, hostile
//! members fall silent, and within [`ROUNDS`] sync rounds everyone entitled must hold the same.

mod acts;
mod county;
mod pacts;
mod trouble;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use accord_protocol::access::log::{RecordKind, Subject};

use crate::fault::{Fault, Faults};
use crate::world::{CALM, Weather, World};

/// Sync rounds within which a healed world has to come to rest.
pub const ROUNDS: u64 = 200;
/// A sync round: everyone had time to dial, greet, push, be quiet and compare, milliseconds.
pub const ROUND_MS: u64 = 10_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// After so many rounds it is looked whether the world is at rest; the last look must find it so.
const LOOKS: [u64; 4] = [4, 12, 60, ROUNDS];

/// What a run is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Everything else follows from it.
    pub seed: u64,
    /// Virtual hours of the first phase.
    pub hours: u64,
    /// Kinds of trouble that may come.
    pub faults: Faults,
    /// Only these hostile members, by name; all of them when empty.
    pub hostile: Vec<String>,
    /// Whether a trace is kept for the report of a violation.
    pub trace: bool,
}

impl Options {
    /// One day of this seed with every kind of trouble.
    pub fn day(seed: u64) -> Self {
        Self { seed, hours: 24, faults: Faults::all(), hostile: Vec::new(), trace: false }
    }
}

/// What the dice decided for one world.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bureaus.
    pub bureaus: usize,
    /// Laptops.
    pub laptops: usize,
    /// Weather of the first phase.
    pub weather: Weather,
    /// Kinds of trouble among the acts.
    pub faults: Faults,
    /// Nodes that cheat.
    pub hostile: Vec<usize>,
    /// Laptops that meet their home node rarely.
    pub seldom: Vec<usize>,
    /// The names of hostile members that may act; all when empty.
    pub personalities: Vec<String>,
    /// After so many hours nobody acts for so many days.
    pub stretch: Option<(u64, u64)>,
    /// Whether home nodes may be put back or doubled at all.
    pub homes: bool,
}

/// A whole run: found, act under faults, heal, check.
pub fn run(options: &Options) -> World {
    let mut world = World::new(options.seed);
    world.tracing = options.trace;
    let mut plan = draw(&mut world, options);
    world.settle_county(&plan);
    world.choose_members(&mut plan);
    world.weather = plan.weather;
    let begun = world.now;
    let mut end = begun + options.hours * 3_600_000;
    let mut step = 0_u32;
    while world.now < end {
        if let Some((_, days)) = plan.stretch.take_if(|(hour, _)| world.now >= begun + *hour * 3_600_000) {
            world.let_days_pass(days);
            end += days * DAY_MS;
        }
        world.act(&plan);
        if world.shaken && step.is_multiple_of(4) {
            world.officers_rule(false);
        }
        let pause = world.pause().min(end.saturating_sub(world.now));
        world.run(pause);
        world.check_touched();
        step += 1;
        if step % 16 == 15 {
            world.check_documents();
            world.count_standings();
            let n = world.rng.random_range(0..world.nodes.len());
            world.check_mirror(n);
        }
    }
    world.heal_in_rounds();
    world.check_healed();
    world.check_orders();
    for _ in 0..4 {
        world.check_packing();
    }
    world.count_lapses();
    world.figures.add("checks", "accounted", world.watch.accounted);
    world.figures.add("checks", "frames-judged", world.oracle.judged);
    world.figures.add("checks", "acknowledged", world.oracle.acknowledged);
    world.figures.virtual_ms = world.now;
    world.figures.steps = world.turns;
    world
}

fn draw(world: &mut World, options: &Options) -> Plan {
    let dice = &mut world.rng;
    let some = |dice: &mut rand::rngs::SmallRng, fault: Fault, chance: f64| {
        // Drawn in any case, so that switching one kind off leaves the others as they were.
        let drawn = dice.random_bool(chance);
        drawn && options.faults.has(fault)
    };
    let bureaus = *[3, 3, 3, 4, 4, 4, 5, 6, 8, 12].choose(dice).expect("ten");
    let laptops = dice.random_range(0..=6_usize).min(dice.random_range(0..=6));
    let delay = *[20, 800, 20_000, 600_000, 3 * 3_600_000].choose(dice).expect("five");
    let queue = *[50, 3_000, 60_000].choose(dice).expect("three");
    let crash = *[5, 20, 150].choose(dice).expect("three");
    let drop = *[10, 100, 1_000, 3_000].choose(dice).expect("four");
    let weather = Weather {
        delay: (1, if some(dice, Fault::Delay, 0.7) { delay } else { 20 }),
        queue: if some(dice, Fault::Queue, 0.6) { queue } else { 0 },
        crash: if some(dice, Fault::Crash, 0.6) { crash } else { 0 },
        batch: dice.random_range(1..=16),
        replay: if some(dice, Fault::Replay, 0.5) { 2_000 } else { 0 },
        drop: if some(dice, Fault::Drop, 0.5) { drop } else { 0 },
        duplicate: if some(dice, Fault::Duplicate, 0.25) { 500 } else { 0 },
        reorder: if some(dice, Fault::Reorder, 0.15) { 300 } else { 0 },
        loss: 0,
        steady: false,
    };
    let kinds = [Fault::Partition, Fault::Restart, Fault::Clock, Fault::Restore, Fault::Clone, Fault::Registrar, Fault::Skew, Fault::Reset];
    let chances = [0.8, 0.7, 0.6, 0.3, 0.15, 0.15, 0.2, 0.4];
    let mut faults = Faults::default();
    for (kind, chance) in kinds.into_iter().zip(chances) {
        if some(dice, kind, chance) {
            faults = faults.with(kind);
        }
    }
    let cheated = some(dice, Fault::Hostile, 0.45);
    if cheated || (!options.hostile.is_empty() && options.faults.has(Fault::Hostile)) {
        faults = faults.with(Fault::Hostile);
    }
    if some(dice, Fault::Seldom, 0.5) {
        faults = faults.with(Fault::Seldom);
    }
    // One day in seven is quiet: what is wrong then is wrong without any excuse.
    let quiet = dice.random_bool(0.14) && options.hostile.is_empty();
    let (weather, faults) = if quiet { (CALM, Faults::default()) } else { (weather, faults) };
    let stretch = draw_life(world, options);
    world.newer = options.faults.has(Fault::Newcomers).then(|| SmallRng::seed_from_u64(options.seed ^ 0x6e65_7765_7200_0000));
    let homes = options.faults.has(Fault::Homes);
    let put_back = world.later.random_bool(0.25) && homes && !quiet;
    let faults = if put_back { faults.with(Fault::Homes) } else { faults };
    Plan {
        bureaus,
        laptops,
        weather,
        faults,
        hostile: Vec::new(),
        seldom: Vec::new(),
        personalities: options.hostile.clone(),
        stretch,
        homes,
    }
}

/// Whether agreements have a life in this world; then, sometimes, days pass in which nobody acts: grace and notices run out.
fn draw_life(world: &mut World, options: &Options) -> Option<(u64, u64)> {
    if !(world.later.random_bool(0.6) && options.faults.has(Fault::Lifecycle)) {
        return None;
    }
    let mut life = SmallRng::from_rng(&mut world.later);
    let days = *[1, 3, 8, 33].choose(&mut life).expect("four");
    let stretch = life.random_bool(0.3).then(|| (life.random_range(6..20), days));
    world.life = Some(life);
    stretch
}

impl World {
    /// Between two acts: bursts, minutes, and long stretches in which nothing happens.
    fn pause(&mut self) -> u64 {
        match self.rng.random_range(0..10) {
            0..5 => self.rng.random_range(0..3_000),
            5..8 => self.rng.random_range(0..300_000),
            _ => self.rng.random_range(0..5_400_000),
        }
    }

    /// Days in which nobody acts, in good weather: clocks, partitions and cheats stay as they are.
    fn let_days_pass(&mut self, days: u64) {
        self.figures.add("agreements", "days-passed", days);
        self.note(|_| format!("{days} days pass"));
        let weather = std::mem::replace(&mut self.weather, CALM);
        for _ in 0..days {
            self.run(DAY_MS);
            self.check_touched();
        }
        self.count_standings();
        self.weather = weather;
    }

    /// Notes what registrars cut by themselves after the end of an agreement.
    fn count_lapses(&mut self) {
        let mut cuts = std::collections::BTreeSet::new();
        for node in &self.nodes {
            for document in node.disk.documents() {
                let Some(log) = crate::oracle::log_of(node, document) else { continue };
                let by_machine =
                    |kind: &RecordKind| matches!(kind, RecordKind::Cut(Subject::Bureau(_), _, _, _, order) if order.0.is_empty());
                cuts.extend(log.records.into_iter().filter(|(_, record)| by_machine(&record.kind)).map(|(id, _)| id));
            }
        }
        self.figures.add("agreements", "cut-by-lapse", cuts.len() as u64);
    }

    /// Ends all faults and gives the world its rounds; notes how many it needed.
    pub fn heal_in_rounds(&mut self) {
        self.end_faults();
        let mut done = 0;
        for look in LOOKS {
            self.run((look - done) * ROUND_MS);
            done = look;
            if self.shaken {
                self.officers_rule(true);
                continue;
            }
            if self.at_rest().is_ok() {
                self.figures.rounds_most = self.figures.rounds_most.max(look);
                break;
            }
        }
        // What is at rest stays at rest.
        self.run((ROUNDS - done) * ROUND_MS + 60_000);
    }
}
