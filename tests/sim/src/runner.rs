//! Many seeds over both cores, what they found, and how to make a failing one smaller.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::chaos::{self, Options};
use crate::fault::Fault;
use crate::figures::Figures;

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Its numbers, if it held.
    pub figures: Figures,
    /// What was violated, with the trace before it.
    pub violation: Option<String>,
}

/// Runs one world; a violation and a panic of the core come back alike.
pub fn one(options: &Options) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| chaos::run(options).figures)) {
        Ok(figures) => Outcome { seed: options.seed, figures, violation: None },
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let why = text.unwrap_or_else(|| "a panic without words".to_owned());
            let place = PLACE.take().filter(|_| !why.contains(", seed "));
            let why = place.map_or(why.clone(), |place| format!("I12: a panic at {place}: {why}"));
            Outcome { seed: options.seed, figures: Figures::default(), violation: Some(why) }
        }
    }
}

/// Runs worlds on so many threads, each outcome given to `tell` as it comes; `tell` answers whether to go on.
pub fn many<T: Sync>(seeds: &[T], threads: usize, options: impl Fn(&T) -> Options + Sync, tell: impl FnMut(Outcome) -> bool + Send) {
    let (next, stop, tell) = (Mutex::new(seeds.iter()), AtomicBool::new(false), Mutex::new(tell));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(seed) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
                    let outcome = one(&options(seed));
                    if !tell.lock().unwrap_or_else(PoisonError::into_inner)(outcome) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// The first line of a violation that says what was broken.
pub fn gist(violation: &str) -> String {
    let line = violation.lines().find(|line| line.contains(", seed ")).or_else(|| violation.lines().next()).unwrap_or_default();
    line.chars().take(400).collect()
}

/// Whether a violation is of this invariant.
pub fn names(violation: &str, invariant: &str) -> bool {
    let gist = gist(violation);
    let said = gist.split_once(", seed ").and_then(|(_, rest)| rest.split_once(": ")).map_or(gist.as_str(), |(_, said)| said);
    said.split(':').next() == Some(invariant)
}

/// Turns kinds of trouble off, one by one, and shortens the day, as long as the seed still fails. Answers the smallest that does.
pub fn shrink(failing: &Options, mut tell: impl FnMut(&str)) -> Options {
    let mut best = failing.clone();
    for fault in Fault::ALL {
        let smaller = Options { faults: best.faults.without(fault), ..best.clone() };
        if smaller.faults == best.faults {
            continue;
        }
        match one(&smaller).violation {
            Some(why) => {
                tell(&format!("fails without {}: {}", fault.word(), gist(&why)));
                best = smaller;
            }
            None => tell(&format!("holds without {}", fault.word())),
        }
    }
    while best.hours > 1 {
        let shorter = Options { hours: best.hours / 2, ..best.clone() };
        if one(&shorter).violation.is_none() {
            break;
        }
        tell(&format!("fails within {} hours", shorter.hours));
        best = shorter;
    }
    best
}

thread_local! {
    /// Where this thread last panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The panic hook says nothing: violations are told by whoever asked, with the place.
pub fn be_quiet() {
    std::panic::set_hook(Box::new(|info| PLACE.set(info.location().map(ToString::to_string))));
}
