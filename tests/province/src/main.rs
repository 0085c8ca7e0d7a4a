//! `accord-province`: a province of bureaus in virtual time, with the real core, for a day of traffic. docs/SCALE.md holds the results.

mod counts;
mod graph;
mod plot;
mod report;
mod run;
mod traffic;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::report::Report;
use crate::run::Plan;

fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").default_value(default).value_parser(value_parser!(u64).range(1..100_000)).help(help)
    };
    Command::new("accord-province")
        .about("A province of bureaus in virtual time: bytes, processor time, and how soon everybody has an urgent bulletin")
        .arg(number("bureaus", "120", "Bureaus; at least 20"))
        .arg(number("hours", "24", "Virtual hours of traffic; two more follow for those who were down"))
        .arg(number("seed", "1", "Everything follows from it"))
        .arg(
            Arg::new("plots")
                .long("plots")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Write plots (SVG) into this folder, which exists"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Only one JSON object, as the last line"))
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or(1);
    let plan = Plan { bureaus: (number("bureaus") as usize).clamp(20, 2_000), hours: number("hours"), seed: number("seed") };
    let json = matches.get_flag("json");
    let day = run::day(plan, |line| {
        if !json {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    });
    let report = Report::of(&day, plan);
    if let Some(dir) = matches.get_one::<PathBuf>("plots")
        && let Err(why) = plot::write(&day, dir)
    {
        let _ = writeln!(std::io::stderr(), "plots in {}: {why}", dir.display());
        return ExitCode::from(4);
    }
    let out = if json { serde_json::to_string(&report).unwrap_or_default() } else { report.text() };
    let _ = writeln!(std::io::stdout(), "{out}");
    // Nobody who was entitled may be left without.
    if day.missing == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
