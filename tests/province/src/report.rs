//! What a day came to, in figures, and what follows from them for a country.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::counts::Device;
use crate::graph::Rank;
use crate::run::{Arrival, Day, Plan};

/// Counties of the country, DESIGN §1.
pub const COUNTIES: usize = 2_844;

/// Middle, high and highest of many.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// Of these; all zero when there are none.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * all.len() as f64).ceil() as usize;
            rounded(all.get(rank.saturating_sub(1)).copied().unwrap_or(0.0))
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// How soon urgent bulletins of one rank came.
#[derive(Clone, Debug, Serialize)]
pub struct Reach {
    /// Bulletins times entitled bureaus.
    pub deliveries: usize,
    /// Seconds to bureaus that were up, whose writer stayed up.
    pub up_s: Spread,
    /// Seconds after their return to those that were down.
    pub returned_s: Spread,
    /// How many were down.
    pub returned: usize,
    /// Seconds where the writer went down before.
    pub writer_fell_s: Spread,
    /// How many that were.
    pub writer_fell: usize,
}

/// What a device of one rank needs in a day.
#[derive(Clone, Debug, Serialize)]
pub struct Needs {
    /// Bureaus of this rank.
    pub bureaus: usize,
    /// Partners.
    pub partners: Spread,
    /// MB of frames sent, before the stream is compressed.
    pub mb_out: Spread,
    /// MB of frames received.
    pub mb_in: Spread,
    /// Processor seconds of core and checks.
    pub cpu_s: Spread,
    /// Thousands of commits.
    pub commits_k: Spread,
    /// MB committed.
    pub mb_stored: Spread,
}

/// The arithmetic for a whole country: what grows with the number of counties and what does not.
#[derive(Clone, Debug, Serialize)]
pub struct Country {
    /// Counties.
    pub counties: usize,
    /// Agreements if everybody has as many as here.
    pub agreements: usize,
    /// What all send in a day, GB.
    pub gb_a_day: f64,
    /// What one county sends in a day, MB: its partners decide, not the country.
    pub mb_a_county: f64,
    /// Median MB a county stores in a year at this traffic.
    pub gb_stored_a_year: f64,
    /// Partners one core could serve with this traffic, if frames and commits were all it did.
    pub partners_a_core: usize,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bureaus.
    pub bureaus: usize,
    /// Agreements.
    pub agreements: usize,
    /// Virtual hours.
    pub hours: u64,
    /// Seed.
    pub seed: u64,
    /// Documents and notes people wrote.
    pub documents: usize,
    /// Notes in threads.
    pub notes: usize,
    /// Entitled bureaus that never got an urgent bulletin.
    pub missing: usize,
    /// Acts refused, by code; `down` is where power had failed.
    pub refused: BTreeMap<String, usize>,
    /// By rank of the writer.
    pub urgent: BTreeMap<&'static str, Reach>,
    /// By rank.
    pub needs: BTreeMap<&'static str, Needs>,
    /// The arithmetic.
    pub country: Country,
}

fn reach(all: &[Arrival], rank: Rank) -> Reach {
    let of = |which: &dyn Fn(&Arrival) -> bool| -> Vec<f64> {
        all.iter().filter(|one| one.rank == rank && which(one)).map(|one| one.seconds).collect()
    };
    let returned = of(&|one| one.was_down);
    let fell = of(&|one| !one.was_down && one.writer_fell);
    Reach {
        deliveries: of(&|_| true).len(),
        up_s: Spread::of(of(&|one| !one.was_down && !one.writer_fell)),
        returned: returned.len(),
        returned_s: Spread::of(returned),
        writer_fell: fell.len(),
        writer_fell_s: Spread::of(fell),
    }
}

fn needs(day: &Day, rank: Rank) -> Needs {
    let of_rank: Vec<usize> = (0..day.graph.places.len()).filter(|n| day.graph.places[*n].rank == rank).collect();
    let spread = |what: &dyn Fn(&Device) -> f64| Spread::of(of_rank.iter().filter_map(|n| day.counts.devices.get(*n)).map(what).collect());
    Needs {
        bureaus: of_rank.len(),
        partners: Spread::of(of_rank.iter().map(|n| day.graph.partners(*n).len() as f64).collect()),
        mb_out: spread(&|device| device.bytes_out as f64 / 1e6),
        mb_in: spread(&|device| device.bytes_in as f64 / 1e6),
        cpu_s: spread(&|device| device.cpu_s),
        commits_k: spread(&|device| device.commits as f64 / 1e3),
        mb_stored: spread(&|device| device.stored as f64 / 1e6),
    }
}

fn country(day: &Day, plan: Plan) -> Country {
    let days = plan.hours as f64 / 24.0;
    let scale = COUNTIES as f64 / day.graph.places.len() as f64;
    let sent: u64 = day.counts.devices.iter().map(|device| device.bytes_out).sum();
    let county = needs(day, Rank::County);
    // Seconds of one core that each partner of a device costs in a day: processor of the core and checks, and a commit's share on disk is no core.
    let per_partner: Vec<f64> =
        day.counts.devices.iter().enumerate().map(|(n, device)| device.cpu_s / days / day.graph.partners(n).len().max(1) as f64).collect();
    let a_partner = Spread::of(per_partner).p50.max(0.001);
    Country {
        counties: COUNTIES,
        agreements: (day.graph.pairs.len() as f64 * scale) as usize,
        gb_a_day: rounded(sent as f64 / days * scale / 1e9),
        mb_a_county: rounded(county.mb_out.p50 / days),
        gb_stored_a_year: rounded(county.mb_stored.p50 / days * 365.0 / 1e3),
        partners_a_core: (24.0 * 3_600.0 / a_partner) as usize,
    }
}

impl Report {
    /// Of a day.
    pub fn of(day: &Day, plan: Plan) -> Self {
        let ranks = [Rank::County, Rank::Hub, Rank::Capital];
        Self {
            bureaus: day.graph.places.len(),
            agreements: day.graph.pairs.len(),
            hours: plan.hours,
            seed: plan.seed,
            documents: day.documents,
            notes: day.notes,
            missing: day.missing,
            refused: day.refused.clone(),
            urgent: ranks.map(|rank| (rank.word(), reach(&day.arrivals, rank))).into(),
            needs: ranks.map(|rank| (rank.word(), needs(day, rank))).into(),
            country: country(day, plan),
        }
    }

    /// For a person, as the tables of docs/SCALE.md.
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} bureaus, {} agreements, {} hours, seed {}: {} documents, {} notes, {} entitled bureaus without an urgent bulletin\n\n",
            self.bureaus, self.agreements, self.hours, self.seed, self.documents, self.notes, self.missing
        );
        out += "| urgent bulletin of a | deliveries | p50 s | p99 s | max s | down: p50 s after return | p99 s | writer fell: p50 s | p99 s |\n";
        out += "|---|---|---|---|---|---|---|---|---|\n";
        for (rank, r) in &self.urgent {
            let (up, back, fell) = (r.up_s, r.returned_s, r.writer_fell_s);
            out += &format!(
                "| {rank} | {} | {} | {} | {} | {} ({}) | {} | {} ({}) | {} |\n",
                r.deliveries, up.p50, up.p99, up.max, back.p50, r.returned, back.p99, fell.p50, r.writer_fell, fell.p99
            );
        }
        out += "\n| a day of a | bureaus | partners | MB out | MB in | CPU s | commits, thousands | MB stored |\n|---|---|---|---|---|---|---|---|\n";
        for (rank, n) in &self.needs {
            let two = |spread: Spread| format!("{:.1} (max {:.1})", spread.p50, spread.max);
            out += &format!(
                "| {rank} | {} | {} | {} | {} | {} | {} | {} |\n",
                n.bureaus,
                two(n.partners),
                two(n.mb_out),
                two(n.mb_in),
                two(n.cpu_s),
                two(n.commits_k),
                two(n.mb_stored)
            );
        }
        let c = &self.country;
        out += &format!(
            "\n{} counties: {} agreements, {} GB a day in all, {} MB a day and {} GB of store a year at a county, one core serves {} partners\n",
            c.counties, c.agreements, c.gb_a_day, c.mb_a_county, c.gb_stored_a_year, c.partners_a_core
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_hundred() {
        let spread = Spread::of((1..=100).map(f64::from).collect());
        assert_eq!((spread.p50, spread.p99, spread.max), (50.0, 99.0, 100.0));
        assert_eq!(Spread::of(Vec::new()).max, 0.0);
    }
}
