//! The control: plain sled, `insert` and `flush`, nothing else. A lab on which it lost nothing would prove nothing.

use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

use crate::disk::Disk;
use crate::lab::Lab;
use crate::survives::Survives;
use crate::tally::Tally;
use crate::{Failed, worker};

/// Keys that are there, synced and closed, before anything is cut.
const BEFORE: u64 = 20;
/// Keys written at most until the cut.
const KEYS_MAX: u64 = 400;
/// The cut comes at the latest after so many operations.
const OPERATIONS_MAX: u64 = 120;

/// Plays one seed.
///
/// # Errors
/// When the lab fails, not when sled does.
pub fn play(lab: &mut Lab, seed: u64, torn: bool, tally: &mut Tally) -> Result<String, Failed> {
    let survives = if torn { Survives::Parts } else { Survives::Synced };
    let strict = cut_once(lab, seed, survives)?;
    tally.sled_acknowledged += strict.acknowledged;
    tally.sled_lost += strict.lost;
    let in_place = cut_once(lab, seed, Survives::BytesInPlace)?;
    tally.sled_in_place_acknowledged += in_place.acknowledged;
    tally.sled_in_place_lost += in_place.lost;
    for outcome in [&strict, &in_place] {
        tally.sled_settled_lost += outcome.settled_lost;
        tally.sled_unopened += u64::from(!outcome.opens);
        tally.cuts += 1;
    }
    Ok(format!("sled lost {strict}; where bytes in place arrive {in_place}"))
}

/// What came of one cut.
struct Outcome {
    acknowledged: u64,
    lost: u64,
    /// Keys lost that had been durable long before.
    settled_lost: u64,
    opens: bool,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} acknowledged", self.lost, self.acknowledged)?;
        if self.settled_lost > 0 {
            write!(f, " and {} of {BEFORE} settled before", self.settled_lost)?;
        }
        f.write_str(if self.opens { "" } else { ", did not open" })
    }
}

fn cut_once(lab: &mut Lab, seed: u64, survives: Survives) -> Result<Outcome, Failed> {
    let mut dice = SmallRng::seed_from_u64(seed);
    let machine = lab.switch_on(Disk::new())?;
    let dir = machine.at().join("sled");
    let work = |from: u64, to: u64| ["sled".to_owned(), dir.display().to_string(), seed.to_string(), from.to_string(), to.to_string()];
    let made = worker::run(&machine, work(0, BEFORE))?;
    if made.number("key") != Some(BEFORE) {
        return Err(format!("sled did not begin: {:?}", made.lines).into());
    }
    // So that only what `flush` itself does is on trial: names and everything else are durable.
    machine.disk().settle();
    machine.disk().cut_after(dice.random_range(2..OPERATIONS_MAX));
    let told = worker::run(&machine, work(BEFORE, KEYS_MAX))?;
    let acknowledged = told.number("key").unwrap_or(BEFORE);
    let machine = lab.switch_on(machine.cut(survives, &mut dice))?;
    let found = worker::run(&machine, work(acknowledged, acknowledged))?;
    let acknowledged = acknowledged - BEFORE;
    let there = |word| found.number(word).unwrap_or(0);
    Ok(Outcome {
        acknowledged,
        lost: acknowledged - there("since").min(acknowledged),
        settled_lost: BEFORE - there("settled").min(BEFORE),
        opens: found.number("since").is_some(),
    })
}

/// What the worker `sled DIR SEED FROM TO` does: counts how many of the first FROM keys are there, then writes up to TO, one flush each.
///
/// # Errors
/// When sled fails.
pub fn work(dir: &Path, seed: u64, from: u64, to: u64) -> Result<(), Failed> {
    let db = sled::open(dir)?;
    for (word, keys) in [("settled", 0..from.min(BEFORE)), ("since", BEFORE..from)] {
        let mut there = 0;
        for key in keys {
            there += u64::from(db.get(key.to_be_bytes())?.is_some_and(|found| found == value(seed, key)));
        }
        worker::say(&format!("{word} {there}"))?;
    }
    for key in from..to {
        db.insert(key.to_be_bytes(), value(seed, key))?;
        db.flush()?;
        worker::say(&format!("key {}", key + 1))?;
    }
    Ok(())
}

fn value(seed: u64, key: u64) -> Vec<u8> {
    let mut dice = SmallRng::seed_from_u64(seed << 32 | key);
    let mut bytes = vec![0; dice.random_range(10..16_000)];
    dice.fill_bytes(&mut bytes);
    bytes
}
