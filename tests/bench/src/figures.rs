//! Figures: a row is one thing measured several times; ratios are taken within each repeat, because the machine changes between repeats.

use serde::Serialize;

/// One thing measured.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured, in words.
    pub what: String,
    /// Unit of the figures.
    pub unit: &'static str,
    /// Median over the repeats.
    pub median: f64,
    /// Smallest repeat.
    pub min: f64,
    /// Largest repeat.
    pub max: f64,
    /// How many repeats.
    pub repeats: usize,
}

/// The rows of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Which scenario.
    pub scenario: &'static str,
    /// How it was measured, one sentence each.
    pub notes: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub fn new(scenario: &'static str) -> Self {
        Self { scenario, ..Self::default() }
    }

    /// Adds what was measured once per repeat.
    pub fn row(&mut self, what: impl Into<String>, unit: &'static str, repeats: &[f64]) {
        let mut sorted = repeats.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return };
        self.rows.push(Row { what: what.into(), unit, median: quantile(&sorted, 0.5), min: *min, max: *max, repeats: sorted.len() });
    }

    /// Adds `over / under`, repeat by repeat.
    pub fn ratio(&mut self, what: impl Into<String>, over: &[f64], under: &[f64]) {
        let ratios: Vec<f64> = over.iter().zip(under).filter(|(_, under)| **under > 0.0).map(|(over, under)| over / under).collect();
        self.row(what, "x", &ratios);
    }

    /// Adds a sentence on the method.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The table for a person.
    pub fn text(&self) -> String {
        let mut out = format!("## {}\n", self.scenario);
        for note in &self.notes {
            out.push_str(&format!("{note}\n"));
        }
        out.push_str("\n| what | median | min | max | unit |\n|---|---:|---:|---:|---|\n");
        for row in &self.rows {
            out.push_str(&format!("| {} | {} | {} | {} | {} |\n", row.what, short(row.median), short(row.min), short(row.max), row.unit));
        }
        out
    }
}

/// The value below which a share of the sorted values lies (nearest rank); 0 of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// Sorts and gives p50 and p99.
pub fn p50_p99(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5), quantile(&values, 0.99))
}

/// Three significant digits, thousands with separators.
pub fn short(value: f64) -> String {
    if value >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let check = |values: &[f64], share: f64, expect: f64| assert_eq!(quantile(values, share), expect, "{values:?} {share}");
        check(&[], 0.5, 0.0);
        check(&[7.0], 0.99, 7.0);
        check(&[1.0, 2.0, 3.0], 0.5, 2.0);
        check(&[1.0, 2.0, 3.0, 4.0], 0.5, 2.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, 0.99, 99.0);
        check(&hundred, 1.0, 100.0);
    }

    #[test]
    fn ratios_are_taken_within_a_repeat() {
        let mut table = Table::new("test");
        table.ratio("r", &[2.0, 40.0, 6.0], &[1.0, 10.0, 2.0]);
        assert_eq!((table.rows[0].median, table.rows[0].min, table.rows[0].max), (3.0, 2.0, 4.0));
    }

    #[test]
    fn figures_are_short() {
        let check = |value: f64, expect: &str| assert_eq!(short(value), expect);
        check(1_234_567.0, "1,234,567");
        check(123.4, "123");
        check(12.34, "12.3");
        check(1.234, "1.23");
    }
}
