//! Power cuts under load: what a node acknowledged is there afterwards, at the node and at its partner.
//!
//! The checker stands outside: it remembers every entry whose acknowledgement it got and asks the nodes for each by its marker.
//! 15 rounds by default; `ACCORD_KILL_ROUNDS=100` for the long run, `ACCORD_KILL_SEED=N` repeats one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::*;

/// Rounds that write into one case before the next is opened: a thread has dozens of entries, not thousands.
const ROUNDS_PER_CASE: u64 = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// A small generator: the moments must be repeatable, not good.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Markers of a document that stand in what a bureau shows.
fn missing(bureau: &Bureau, case: &str, acknowledged: &BTreeSet<String>) -> Vec<String> {
    let text = bureau.document(case).map(|view| view["entries"].to_string()).unwrap_or_default();
    acknowledged.iter().filter(|marker| !text.contains(marker.as_str())).cloned().collect()
}

#[test]
fn no_acknowledged_entry_is_lost_however_often_the_power_is_cut() {
    let rounds = number("ACCORD_KILL_ROUNDS").unwrap_or(15);
    let seed = number("ACCORD_KILL_SEED").unwrap_or_else(|| random() | 1);
    eprintln!("power cuts: ACCORD_KILL_ROUNDS={rounds} ACCORD_KILL_SEED={seed}");
    let mut dice = Dice(seed | 1);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    let mut cases: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut starts: Vec<Duration> = Vec::new();
    for round in 0..rounds {
        if round % ROUNDS_PER_CASE == 0 {
            cases.push((case(&a, &b), BTreeSet::new()));
        }
        let (case, acknowledged) = cases.last_mut().expect("opened above");
        let (alone, both) = (dice.roll(3) > 0, dice.roll(3) == 0);
        let after = Duration::from_millis(30 + dice.roll(600));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Two writers, so that commits carry more than one entry.
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (client, stop, path) = (b.client(), &stop, format!("/v1/cases/{case}/entries"));
                    scope.spawn(move || {
                        let mut told = Vec::new();
                        for n in 0.. {
                            let marker = format!("暗记{round}-{writer}-{n}。");
                            let body = json!({"kind": "note", "text": marker});
                            if stop.load(Ordering::SeqCst) || client.post::<Value>(&path, &body, false).is_err() {
                                break;
                            }
                            told.push(marker);
                        }
                        told
                    })
                })
                .collect();
            sleep(after);
            if both && !alone {
                a.kill();
            }
            b.kill();
            stop.store(true, Ordering::SeqCst);
            for writer in writers {
                acknowledged.extend(writer.join().expect("a writer does not panic"));
            }
        });
        if both && alone {
            a.kill();
        }
        let begun = Instant::now();
        b.start();
        starts.push(begun.elapsed());
        if both {
            a.start();
            a.login();
        }
        let lost = missing(&b, case, acknowledged);
        assert!(
            lost.is_empty(),
            "seed {seed}, round {round}: {} of {} acknowledged entries are gone: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
        b.login();
    }
    for (case, acknowledged) in &cases {
        same(case, &[&a, &b]);
        for bureau in [&a, &b] {
            let lost = missing(bureau, case, acknowledged);
            assert!(lost.is_empty(), "seed {seed}: {} does not show {lost:?}", bureau.name);
        }
    }
    a.stop();
    b.stop();
    starts.sort();
    let at = |share: usize| starts[(starts.len() * share / 100).min(starts.len() - 1)].as_millis();
    let total: usize = cases.iter().map(|(_, acknowledged)| acknowledged.len()).sum();
    assert!(total as u64 >= rounds, "hardly anything was written: {total}");
    eprintln!("power cuts: rounds={rounds} acknowledged={total} lost=0 restart_p50_ms={} restart_p99_ms={}", at(50), at(99));
}
