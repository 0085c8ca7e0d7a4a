//! `accord-bench`: what accord costs, each figure beside the physical limit of the same machine in the same run.
//!
//! ## Usage
//! `cargo run --release -p accord-bench -- SCENARIO.. [--json] [--quick] [--repeats N] [--dir FOLDER]` with scenarios `latency`, `publish`,
//! `rules`, `wire`, `journal`, or `all`. `docs/BENCHMARKS.md` explains the figures.

#![allow(clippy::disallowed_methods, reason = "measuring is reading the clock")]

mod county;
mod figures;
mod journal;
mod latency;
mod limits;
mod machine;
mod policy;
mod publish;
mod rules;
mod wire;
mod workload;
mod world;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use figures::Table;
use machine::Machine;

/// Whatever went wrong: a benchmark stops at the first failure.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One scenario.
type Scenario = (&'static str, fn(&Plan) -> Result<Table, Failed>);

const SCENARIOS: [Scenario; 6] = [
    ("journal", journal::measure),
    ("rules", rules::measure),
    ("wire", wire::measure),
    ("publish", publish::measure),
    ("latency", latency::measure),
    ("policy", policy::measure),
];

const USAGE: &str = "usage: accord-bench SCENARIO.. [--json] [--quick] [--repeats N] [--dir FOLDER]
scenarios: latency publish rules wire journal policy all";

/// How much is measured, and where.
struct Plan {
    quick: bool,
    repeats: Option<usize>,
    dir: PathBuf,
}

impl Plan {
    /// `full`, or with `--quick` only so many that everything is walked through once.
    fn count<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How often a measurement is repeated.
    fn repeats(&self, full: usize) -> usize {
        self.repeats.unwrap_or(self.count(full, 1)).max(1)
    }

    /// A new folder on the measured disk.
    fn folder(&self) -> Result<tempfile::TempDir, Failed> {
        Ok(tempfile::Builder::new().prefix("accord-bench-").tempdir_in(&self.dir)?)
    }
}

/// Prints a line.
fn say(text: &str) -> Result<(), Failed> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        // What the scenarios start as processes of their own.
        ["node", data, listen] => county::run_node(data, listen),
        ["fill", dir, shape, batches] => journal::run_fill(dir, shape, batches),
        _ => run(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            let _ = writeln!(std::io::stderr().lock(), "accord-bench: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Failed> {
    let mut plan = Plan { quick: false, repeats: None, dir: std::env::temp_dir() };
    let mut json = false;
    let mut wanted: Vec<&str> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => json = true,
            "--quick" => plan.quick = true,
            "--repeats" => plan.repeats = Some(words.next().ok_or(USAGE)?.parse()?),
            "--dir" => plan.dir = PathBuf::from(words.next().ok_or(USAGE)?),
            "all" => wanted.extend(SCENARIOS.iter().map(|(name, _)| name)),
            name if SCENARIOS.iter().any(|(known, _)| *known == name) => wanted.push(name),
            _ => return Err(USAGE.into()),
        }
    }
    if wanted.is_empty() {
        return Err(USAGE.into());
    }
    let machine = Machine::look(&plan.dir);
    for warning in machine.warnings() {
        writeln!(std::io::stderr().lock(), "warning: {warning}")?;
    }
    if !json {
        say(&format!("{}\n", machine.text()))?;
    }
    for (name, measure) in SCENARIOS {
        if wanted.contains(&name) {
            let table = measure(&plan).map_err(|failed| format!("{name}: {failed}"))?;
            let text = if json { serde_json::to_string(&serde_json::json!({ "machine": machine, "table": table }))? } else { table.text() };
            say(&text)?;
        }
    }
    Ok(())
}
