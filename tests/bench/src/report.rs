//! What a scenario reached beside its peers: one JSON object in a fixed form, and the same as a table for a person.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::figures::{quantile, short};

/// Named figures, each measured once per run.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<(String, Vec<f64>)>);

impl Figures {
    /// Adds one run's figure.
    pub fn note(&mut self, name: &str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name.to_owned(), vec![value])),
        }
    }

    /// Adds all figures of another.
    pub fn take(&mut self, other: &Figures) {
        for (name, values) in &other.0 {
            values.iter().for_each(|value| self.note(name, *value));
        }
    }

    /// The runs of a figure, in order.
    fn of(&self, name: &str) -> &[f64] {
        self.0.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values)
    }

    /// Median of a figure; `None` where there is none.
    pub fn median(&self, name: &str) -> Option<f64> {
        let mut sorted = self.of(name).to_vec();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
    }

    fn summed(&self) -> Vec<(&str, [f64; 3])> {
        let sum = |(name, values): &(String, Vec<f64>)| -> Option<(usize, [f64; 3])> {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let at = self.0.iter().position(|(known, _)| known == name)?;
            Some((at, [quantile(&sorted, 0.5), *sorted.first()?, *sorted.last()?]))
        };
        self.0.iter().filter_map(sum).map(|(at, three)| (self.0[at].0.as_str(), three)).collect()
    }

    fn json(&self) -> Value {
        let mut out = Map::new();
        for (name, [median, min, max]) in self.summed() {
            // Counts are whole; times and ratios keep what means something.
            let figure = |value: f64| if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) };
            out.insert(name.to_owned(), figure(median));
            out.insert(format!("{name}_min"), figure(min));
            out.insert(format!("{name}_max"), figure(max));
        }
        Value::Object(out)
    }
}

/// The result of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Which.
    pub scenario: String,
    /// How many documents, or items, it was about.
    pub documents: u64,
    /// Ours.
    pub ours: Figures,
    /// Those beside us, in the same run on the same work.
    pub peers: BTreeMap<String, Figures>,
    /// What the machine allows.
    pub limits: Figures,
    /// What must be reached is a ratio of two of these.
    pub ratios: Figures,
    /// How it was measured, one sentence each.
    pub notes: Vec<String>,
    /// How often.
    pub runs: u64,
}

impl Report {
    /// An empty one.
    pub fn new(scenario: &str, documents: usize) -> Self {
        Self { scenario: scenario.to_owned(), documents: documents as u64, ..Self::default() }
    }

    /// A peer's figures, to be added to.
    pub fn peer(&mut self, name: &str) -> &mut Figures {
        self.peers.entry(name.to_owned()).or_default()
    }

    /// Adds a sentence on the method.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// One object, in the order of its fields as documented in `docs/BENCHMARKS.md`.
    pub fn json(&self) -> String {
        let peers: Map<String, Value> = self.peers.iter().map(|(name, figures)| (name.clone(), figures.json())).collect();
        json!({
            "scenario": self.scenario, "documents": self.documents, "runs": self.runs, "ours": self.ours.json(), "peers": peers,
            "limits": self.limits.json(), "ratios": self.ratios.json(),
        })
        .to_string()
    }

    /// The table for a person.
    pub fn text(&self) -> String {
        let mut out = format!("## {} ({} documents, {} run(s))\n", self.scenario, self.documents, self.runs);
        for note in &self.notes {
            out.push_str(&format!("{note}\n"));
        }
        out.push_str("\n| who | what | median | min | max |\n|---|---|---:|---:|---:|\n");
        let peers = self.peers.iter().map(|(name, figures)| (name.as_str(), figures));
        let all = [("ours", &self.ours)].into_iter().chain(peers).chain([("limit", &self.limits), ("ratio", &self.ratios)]);
        for (who, figures) in all {
            for (what, [median, min, max]) in figures.summed() {
                out.push_str(&format!("| {who} | {what} | {} | {} | {} |\n", short(median), short(min), short(max)));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_median_and_spread_of_everything_in_one_object() {
        let mut report = Report::new("first-sync", 10);
        for value in [3.0, 1.5, 2.0] {
            report.ours.note("seconds", value);
        }
        report.runs = 3;
        report.peer("samod").note("seconds", 9.0);
        let told: Value = serde_json::from_str(&report.json()).expect("one object");
        assert_eq!(told["ours"], json!({ "seconds": 2, "seconds_min": 1.5, "seconds_max": 3 }));
        assert_eq!((&told["peers"]["samod"]["seconds"], &told["documents"]), (&json!(9), &json!(10)));
        assert!(report.text().contains("| ours | seconds | 2.00 | 1.50 | 3.00 |"));
    }
}
