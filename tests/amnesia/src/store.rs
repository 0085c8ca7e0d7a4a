//! Our store under the same cuts: batches, purges, compaction and clean stops, one process after the other on one disk.

use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::disk::Disk;
use crate::lab::{Lab, Machine};
use crate::plan;
use crate::survives::Survives;
use crate::tally::Tally;
use crate::worker::{self, Told};
use crate::{Failed, Plan};

mod work;

pub use work::work;

/// Batches written at most between two cuts.
const BATCHES_MAX: u64 = 120;
/// The cut comes at the latest after so many operations.
const OPERATIONS_MAX: u64 = 260;
/// Batches before a disk turns deaf.
const BEFORE: u64 = 5;

/// What a store acknowledged so far.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    batches: u64,
    /// The last batch whose purge, too, was acknowledged.
    purged: u64,
    /// Of both, how many.
    count: u64,
}

/// What was found wrong in one seed.
#[derive(Debug, Default)]
struct Wrong {
    lost: u64,
    damage: u64,
    why: Vec<String>,
}

/// Plays one seed.
///
/// # Errors
/// When the lab fails, not when the store does.
pub fn play(lab: &mut Lab, plan: &Plan, seed: u64, tally: &mut Tally) -> Result<String, Failed> {
    let mut dice = SmallRng::seed_from_u64(seed ^ 0x5702e);
    let survives = if plan.torn { Survives::Parts } else { Survives::Synced };
    let mut acknowledged = Acknowledged::default();
    let mut wrong = Wrong::default();
    let mut machine = lab.switch_on(Disk::new())?;
    if plan.deaf {
        machine = deafened(lab, machine, seed, &mut acknowledged)?;
    }
    let (cuts, kills) = (tally.cuts, tally.kills);
    for round in 0..plan.rounds {
        if dice.random_range(0..4) == 0 {
            // The process alone dies: what it left in the page cache is there for the next one, under the same boot.
            let told = run(&machine, seed, acknowledged, BATCHES_MAX, Some(dice.random_range(1..30)))?;
            judge(&told, &machine, &mut acknowledged, &mut wrong);
            tally.kills += 1;
        }
        machine.disk().cut_after(dice.random_range(0..OPERATIONS_MAX));
        let told = run(&machine, seed, acknowledged, BATCHES_MAX, None)?;
        judge(&told, &machine, &mut acknowledged, &mut wrong);
        tally.cuts += 1;
        let remembered: Vec<String> = machine.disk().remembered().map(str::to_owned).collect();
        machine = lab.switch_on(machine.cut(survives, &mut dice))?;
        let before = wrong.why.len();
        let told = run(&machine, seed, acknowledged, 0, None)?;
        judge(&told, &machine, &mut acknowledged, &mut wrong);
        if wrong.why.len() > before {
            wrong.why.push(format!("round {round}; the last operations before the cut:\n  {}", remembered.join("\n  ")));
            break;
        }
        if plan.deaf {
            machine.disk().turn_deaf();
        }
    }
    if plan.control {
        tally.deaf_acknowledged += acknowledged.count;
        tally.deaf_lost += wrong.lost;
        return Ok(format!("on a deaf disk our store lost {} of {} acknowledged", wrong.lost, acknowledged.count));
    }
    tally.store_acknowledged += acknowledged.count;
    tally.store_lost += wrong.lost;
    tally.damage += wrong.damage;
    if !wrong.why.is_empty() {
        tally.fail(seed);
    }
    let (cuts, kills) = (tally.cuts - cuts, tally.kills - kills);
    let why = wrong.why.iter().map(|why| format!("\n{why}")).collect::<String>();
    Ok(format!("store lost {} of {} acknowledged, {cuts} cuts, {kills} kills{why}", wrong.lost, acknowledged.count))
}

/// A store that is made and durable, and from then on a disk that lies.
fn deafened(lab: &mut Lab, machine: Machine, seed: u64, acknowledged: &mut Acknowledged) -> Result<Machine, Failed> {
    let told = run(&machine, seed, *acknowledged, BEFORE, None)?;
    judge(&told, &machine, acknowledged, &mut Wrong::default());
    machine.disk().settle();
    let machine = lab.switch_on(machine.cut(Survives::Synced, &mut SmallRng::seed_from_u64(seed)))?;
    machine.disk().turn_deaf();
    Ok(machine)
}

fn run(machine: &Machine, seed: u64, acknowledged: Acknowledged, batches: u64, die_after: Option<u64>) -> Result<Told, Failed> {
    let dir = machine.at().join("store");
    let numbers = [seed, acknowledged.batches, batches, die_after.unwrap_or(0)];
    worker::run(machine, [String::from("store"), dir.display().to_string()].into_iter().chain(numbers.map(|number| number.to_string())))
}

/// Compares what a worker found with what was acknowledged, then takes in what it had acknowledged itself.
fn judge(told: &Told, machine: &Machine, acknowledged: &mut Acknowledged, wrong: &mut Wrong) {
    let off = machine.disk().is_off();
    for failed in told.after("failed") {
        // A store that fails because the power went is right to.
        if !off {
            wrong.damage += 1;
            wrong.lost += acknowledged.count.max(1);
            wrong.why.push(format!("after {} batches: {failed}", acknowledged.batches));
        }
    }
    if told.hung {
        wrong.damage += 1;
        wrong.why.push("it hung".to_owned());
    }
    if let Some(found) = told.after("has").next() {
        let mut numbers = found.split(' ').map(|number| number.parse::<u64>().unwrap_or(0));
        let (batches, purged) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let missing = acknowledged.batches.saturating_sub(batches) + u64::from(purged < acknowledged.purged);
        if missing > 0 {
            wrong.lost += missing;
            wrong.why.push(format!("{batches} batches and purge {purged} of {acknowledged:?}"));
        }
        if batches > acknowledged.batches + 1 {
            wrong.lost += 1;
            wrong.why.push(format!("{batches} batches, more than were ever begun: {acknowledged:?}"));
        }
        // One that was under way may have become durable without a word.
        acknowledged.batches = batches;
        acknowledged.purged = acknowledged.purged.max(purged);
    }
    for difference in told.after("wrong") {
        wrong.lost += 1;
        wrong.why.push(difference.to_owned());
    }
    acknowledged.count += told.after("batch").count() as u64 + told.after("purged").count() as u64;
    acknowledged.batches = told.number("batch").unwrap_or(acknowledged.batches);
    acknowledged.purged = told.number("purged").unwrap_or(acknowledged.purged);
}

/// The worker's arguments: DIR SEED ACKNOWLEDGED BATCHES DIE-AFTER.
///
/// # Errors
/// As [`work`].
pub fn work_with(dir: &str, numbers: [&str; 4]) -> Result<(), Failed> {
    worker::go_with_the_lab();
    let [seed, acknowledged, batches, die_after] = numbers.map(plan::number);
    work(Path::new(dir), seed?, acknowledged?, batches?, die_after?)
}
