//! What bureaus do in a day, and which of them are down when.

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::graph::{Graph, Rank};

/// Documents a county writes in a day: 5,000 a year, DOMAIN §8.
pub const DOCUMENTS_OF_A_COUNTY: usize = 14;
/// Documents a hub writes in a day, DOMAIN §8.
pub const DOCUMENTS_OF_A_HUB: usize = 65;
/// Of so many documents one is a case thread, the others are bulletins.
const BULLETINS_PER_THREAD: usize = 3;
/// Notes in a thread, by all who take part.
pub const NOTES: usize = 19;
/// Urgent bulletins from each rank in a day.
pub const URGENT: usize = 40;
/// Hours after its opening in which the notes of a thread are written.
const THREAD_HOURS: f64 = 8.0;
/// Hours a device is up and down on average: five in a hundred are down.
const UP_DOWN_HOURS: (f64, f64) = (38.0, 2.0);
const HOUR_MS: f64 = 3_600_000.0;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A bulletin for all partners; an urgent one is watched.
    Bulletin {
        /// Whose.
        from: usize,
        /// Whether it is one of those whose way is measured.
        urgent: bool,
    },
    /// A thread with some partners.
    Open {
        /// Number of the thread in this run.
        thread: usize,
        /// Whose.
        from: usize,
        /// With whom.
        with: Vec<usize>,
    },
    /// A note in a thread.
    Note {
        /// Which.
        thread: usize,
        /// By whom.
        by: usize,
    },
    /// Power fails.
    Down(usize),
    /// Power is back.
    Up(usize),
}

/// Everything that happens within so many hours, in order; times are milliseconds from the beginning.
pub fn day(graph: &Graph, hours: u64, dice: &mut SmallRng) -> Vec<(u64, Act)> {
    let mut out = Vec::new();
    let share = hours as f64 / 24.0;
    let mut threads = 0;
    for (n, place) in graph.places.iter().enumerate() {
        let a_day = if place.rank == Rank::County { DOCUMENTS_OF_A_COUNTY } else { DOCUMENTS_OF_A_HUB };
        for _ in 0..(a_day as f64 * share).round() as usize {
            let at = working_hour(hours, dice);
            if dice.random_range(0..=BULLETINS_PER_THREAD) > 0 {
                out.push((at, Act::Bulletin { from: n, urgent: false }));
                continue;
            }
            let partners = graph.partners(n);
            let with: Vec<usize> = partners.choose_multiple(dice, 2).copied().collect();
            for _ in 0..NOTES {
                let by = if dice.random_bool(0.5) { n } else { *with.choose(dice).unwrap_or(&n) };
                let later = at + (dice.random::<f64>() * THREAD_HOURS * share * HOUR_MS) as u64 + 1;
                out.push((later, Act::Note { thread: threads, by }));
            }
            out.push((at, Act::Open { thread: threads, from: n, with }));
            threads += 1;
        }
        outages(n, hours, dice, &mut out);
    }
    for rank in [Rank::County, Rank::Hub, Rank::Capital] {
        let of_rank: Vec<usize> = (0..graph.places.len()).filter(|n| graph.places[*n].rank == rank).collect();
        for _ in 0..(URGENT as f64 * share).ceil() as usize {
            let Some(from) = of_rank.choose(dice) else { continue };
            // At any hour: what is urgent does not wait for the office to open.
            out.push((dice.random_range(0..hours * HOUR_MS as u64), Act::Bulletin { from: *from, urgent: true }));
        }
    }
    out.retain(|(at, _)| *at < hours * HOUR_MS as u64);
    out.sort_by_key(|(at, _)| *at);
    out
}

/// Four of five things happen in the twelve hours in the middle.
fn working_hour(hours: u64, dice: &mut SmallRng) -> u64 {
    let part = if dice.random_bool(0.8) { dice.random_range(0.25..0.75) } else { dice.random_range(0.0..1.0) };
    (part * hours as f64 * HOUR_MS) as u64
}

fn outages(n: usize, hours: u64, dice: &mut SmallRng, out: &mut Vec<(u64, Act)>) {
    let end = hours as f64;
    let lasts = |mean: f64, dice: &mut SmallRng| -mean * (1.0 - dice.random::<f64>()).ln();
    let (up, down) = UP_DOWN_HOURS;
    let mut at = 0.0;
    let mut is_up = !dice.random_bool(down / (up + down));
    if !is_up {
        out.push((0, Act::Down(n)));
    }
    loop {
        at += lasts(if is_up { up } else { down }, dice);
        if at >= end {
            break;
        }
        is_up = !is_up;
        out.push(((at * HOUR_MS) as u64, if is_up { Act::Up(n) } else { Act::Down(n) }));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn five_in_a_hundred_are_down_on_average() {
        let graph = Graph::draw(120, &mut SmallRng::seed_from_u64(1));
        let all = day(&graph, 240, &mut SmallRng::seed_from_u64(2));
        let mut down = std::collections::BTreeMap::new();
        let mut lost = 0;
        for (at, act) in &all {
            match act {
                Act::Down(n) => drop(down.insert(*n, *at)),
                Act::Up(n) => lost += at - down.remove(n).unwrap_or(*at),
                _ => {}
            }
        }
        lost += down.values().map(|at| (240.0 * HOUR_MS) as u64 - at).sum::<u64>();
        let share = lost as f64 / (120.0 * 240.0 * HOUR_MS);
        assert!((0.035..0.065).contains(&share), "{share}");
        assert!(all.windows(2).all(|two| two[0].0 <= two[1].0));
    }
}
