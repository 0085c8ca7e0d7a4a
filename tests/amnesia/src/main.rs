//! `accord-amnesia`: a file system that forgets what was not synced, and what plain sled, our store and the real daemon lose on it.
//!
//! `cargo run --release -p accord-amnesia -- [--seeds N] [--seed S] [--rounds N] [--torn] [--deaf] [--only PART] [--json]`, as root. README.md
//! beside this package says what is modelled, what is shown and what is not.

mod content;
mod control;
mod daemon;
mod disk;
mod file;
mod lab;
mod mount;
mod plan;
mod store;
mod survives;
mod tally;
mod worker;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use lab::Lab;
use plan::{Part, Plan};
use tally::Tally;

/// Whatever the lab itself fails at.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Seeds on which a deaf disk must show that the lab sees a loss.
const CONTROL_SEEDS: u64 = 3;

fn main() -> ExitCode {
    // Under this name it is the program itself, so that the daemon on trial is the one of this very build.
    if std::env::args_os().next().is_some_and(|name| name == daemon::NAME) {
        worker::go_with_the_lab();
        return accord_node::cli::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["sled", dir, seed, from, to] => sled_work(dir, [seed, from, to]),
        ["store", dir, seed, acknowledged, batches, die_after] => store::work_with(dir, [seed, acknowledged, batches, die_after]),
        _ => {
            let plan = Plan::from_arguments();
            return match run(&plan) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::from(1),
                Err(failed) => {
                    let _ = writeln!(std::io::stderr(), "accord-amnesia: {failed}");
                    ExitCode::from(2)
                }
            };
        }
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sled_work(dir: &str, numbers: [&str; 3]) -> Result<(), Failed> {
    worker::go_with_the_lab();
    let [seed, from, to] = numbers.map(plan::number);
    control::work(Path::new(dir), seed?, from?, to?)
}

/// Plays everything; answers whether all that must hold holds and all that must be lost was lost.
fn run(plan: &Plan) -> Result<bool, Failed> {
    let mut lab = Lab::set_up()?;
    let mut tally = Tally { seeds: plan.seeds, ..Tally::default() };
    let tell = |line: &str| {
        let _ = writeln!(std::io::stderr(), "{line}");
    };
    let mut seen = true;
    if plan.tries(Part::Sled) {
        for seed in plan.all() {
            tell(&format!("seed {seed}: {}", control::play(&mut lab, seed, plan.torn, &mut tally)?));
        }
        if tally.sled_lost == 0 {
            tell("plain sled lost nothing: the control failed, and nothing else here proves anything");
            seen = false;
        }
    }
    if plan.tries(Part::Store) {
        if !plan.deaf {
            let control = Plan { deaf: true, control: true, torn: false, rounds: 1, ..plan.clone() };
            for seed in plan.all().take(CONTROL_SEEDS as usize) {
                tell(&format!("seed {seed}: {}", store::play(&mut lab, &control, seed, &mut tally)?));
            }
            if tally.deaf_lost == 0 {
                tell("nothing was lost on a disk that ignores syncs: the control failed, and nothing else here proves anything");
                seen = false;
            }
        }
        for seed in plan.all() {
            tell(&format!("seed {seed}: {}", store::play(&mut lab, plan, seed, &mut tally)?));
        }
    }
    if plan.tries(Part::Daemon) {
        match daemon::County::found(&mut lab) {
            Ok(county) => {
                tally.daemon_acknowledged += daemon::FOUNDED;
                for seed in plan.all() {
                    tell(&format!("seed {seed}: {}", county.play(&mut lab, plan, seed, &mut tally)?));
                }
            }
            Err(failed) => {
                tell(&format!("what was founded is not there after a power cut: {failed}"));
                tally.daemon_lost += 1;
                tally.fail(plan.seed);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    if plan.json {
        writeln!(out, "{}", serde_json::to_string(&tally)?)?;
    } else {
        writeln!(out, "{}", serde_json::to_string_pretty(&tally)?)?;
    }
    Ok(seen && tally.holds())
}
