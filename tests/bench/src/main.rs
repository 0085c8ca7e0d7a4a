//! `accord-bench`: what accord costs, each figure beside the physical limit of the same machine in the same run.
//!
//! ## Usage
//! `cargo run --release -p accord-bench -- SCENARIO.. [--docs N] [--changes N] [--json] [--quick] [--repeats N] [--full-peers] [--dir FOLDER] [--keep | --kept FOLDER]`; without a
//! scenario it says which there are. Beside a peer: `first-sync`, `reconnect`, `latency`, `admit`,
//! `store`, `compact`, `fanout`, `repair`, `memory`, `thread`. Beside the limits of the machine alone: `delivery`, `publish`, `rules`,
//! `wire`, `journal`, `policy`. `docs/BENCHMARKS.md` explains the figures.

#![allow(clippy::disallowed_methods, reason = "measuring is reading the clock")]

mod admit;
mod county;
mod delivery;
mod documents;
mod fanout;
mod figures;
mod first_sync;
mod journal;
mod latency;
mod limits;
mod machine;
mod memory;
mod offline;
mod policy;
mod publish;
mod reconnect;
mod relay;
mod repair;
mod report;
mod rules;
mod samod_peer;
mod sinks;
mod stores;
mod sync_peer;
mod thread;
mod wire;
mod workload;
mod world;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use figures::Table;
use machine::Machine;
use report::Report;

/// Whatever went wrong: a benchmark stops at the first failure.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One scenario.
type Scenario = (&'static str, Measure);

/// What it gives: ours beside peers, or rows beside the limits of the machine.
enum Measure {
    Beside(fn(&Plan) -> Result<Report, Failed>),
    Alone(fn(&Plan) -> Result<Table, Failed>),
}

const SCENARIOS: [Scenario; 16] = [
    ("journal", Measure::Alone(journal::measure)),
    ("rules", Measure::Alone(rules::measure)),
    ("wire", Measure::Alone(wire::measure)),
    ("publish", Measure::Alone(publish::measure)),
    ("delivery", Measure::Alone(delivery::measure)),
    ("policy", Measure::Alone(policy::measure)),
    ("first-sync", Measure::Beside(first_sync::measure)),
    ("reconnect", Measure::Beside(reconnect::measure)),
    ("admit", Measure::Beside(admit::measure)),
    ("store", Measure::Beside(stores::measure)),
    ("compact", Measure::Beside(stores::compact::measure)),
    ("latency", Measure::Beside(latency::measure)),
    ("fanout", Measure::Beside(fanout::measure)),
    ("repair", Measure::Beside(repair::measure)),
    ("thread", Measure::Beside(thread::measure)),
    ("memory", Measure::Beside(memory::measure)),
];

const USAGE: &str = "usage: accord-bench SCENARIO.. [--docs N] [--changes N] [--json] [--quick] [--repeats N] [--peer-docs N | --full-peers] [--dir FOLDER] [--keep | --kept FOLDER]";

fn usage() -> Failed {
    let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    format!("{USAGE}\nscenarios: {} all", names.join(" ")).into()
}

/// How much is measured, and where.
struct Plan {
    quick: bool,
    repeats: Option<usize>,
    dir: PathBuf,
    /// `--docs`.
    docs: Option<usize>,
    /// `--peer-docs`: most documents a peer is given whose cost grows faster than their number.
    peer_docs: Option<usize>,
    /// `--changes`: of each document that is there before a measurement; 20 unless asked otherwise.
    changes: Option<usize>,
    /// `--full-peers`: every peer is given everything, however long it takes.
    full_peers: bool,
    /// `--keep`: what `reconnect` filled stays where it lies, to be measured again.
    keep: bool,
    /// `--kept`: where a run with `--keep` left it.
    kept: Option<PathBuf>,
}

impl Plan {
    /// `full`, or with `--quick` only so many that everything is walked through once.
    fn count<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How many documents: as asked, else `full`, or with `--quick` `quick`.
    fn documents(&self, full: usize, quick: usize) -> usize {
        self.docs.unwrap_or(self.count(full, quick)).max(1)
    }

    /// How many changes each document has that is there before a measurement.
    fn changes(&self) -> usize {
        self.changes.unwrap_or(workload::CHANGES)
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

/// Seconds since a moment.
fn seconds(begun: std::time::Instant) -> f64 {
    begun.elapsed().as_secs_f64()
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
        ["fill-store", dir, documents] => stores::run_fill(dir, documents),
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
    let mut plan = Plan {
        quick: false,
        repeats: None,
        dir: std::env::temp_dir(),
        docs: None,
        changes: None,
        peer_docs: None,
        full_peers: false,
        keep: false,
        kept: None,
    };
    let mut json = false;
    let mut wanted: Vec<&str> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => json = true,
            "--quick" => plan.quick = true,
            "--full-peers" => plan.full_peers = true,
            "--repeats" => plan.repeats = Some(number(words.next())?),
            "--docs" => plan.docs = Some(number(words.next())?),
            "--changes" => plan.changes = Some(number(words.next())?.max(1)),
            "--peer-docs" => plan.peer_docs = Some(number(words.next())?),
            "--dir" => plan.dir = PathBuf::from(words.next().ok_or_else(usage)?),
            "--keep" => plan.keep = true,
            "--kept" => plan.kept = Some(PathBuf::from(words.next().ok_or_else(usage)?)),
            "all" => wanted.extend(SCENARIOS.iter().map(|(name, _)| name)),
            name if SCENARIOS.iter().any(|(known, _)| *known == name) => wanted.push(name),
            _ => return Err(usage()),
        }
    }
    if wanted.is_empty() {
        return Err(usage());
    }
    let machine = Machine::look(&plan.dir);
    for warning in machine.warnings() {
        writeln!(std::io::stderr().lock(), "warning: {warning}")?;
    }
    if !json {
        say(&format!("{}\n", machine.text()))?;
    }
    for (name, measure) in SCENARIOS {
        if !wanted.contains(&name) {
            continue;
        }
        let failed = |failed: Failed| format!("{name}: {failed}");
        match measure {
            Measure::Alone(measure) => {
                let table = measure(&plan).map_err(failed)?;
                let text = if json { serde_json::json!({ "machine": machine, "table": table }).to_string() } else { table.text() };
                say(&text)?;
            }
            Measure::Beside(measure) => {
                let report = measure(&plan).map_err(failed)?;
                say(&if json { report.json() } else { report.text() })?;
            }
        }
    }
    Ok(())
}

fn number(word: Option<&&str>) -> Result<usize, Failed> {
    word.and_then(|word| word.parse().ok()).ok_or_else(usage)
}
