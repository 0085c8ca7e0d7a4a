//! `accord-sim`: random counties, many at once, with every invariant watched. The last line is one JSON object.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use accord_sim::chaos::Options;
use accord_sim::fault::{Fault, Faults};
use accord_sim::figures::Figures;
use accord_sim::runner::{self, Outcome};

const USAGE: &str = "\
usage: accord-sim [--seeds N] [--seed S] [--days D | --hours H] [--hostile NAME,..] [--without FAULT,..]
                  [--resume FILE] [--shrink] [--keep-going] [--threads N] [--trace] [--json]
  --seeds N        how many worlds, default 1
  --seed S         first seed, default 1
  --days D         virtual days of each world, default 1; --hours H for parts of days
  --hostile LIST   only these hostile members; `list` names them
  --without LIST   leave these kinds of trouble out
  --resume FILE    note finished seeds there; what is noted is not run again
  --shrink         make the first failing seed smaller by turning faults off one by one
  --keep-going     do not stop at the first failing seed
  --trace          print the whole trace of a failing seed
  --json           nothing but the last line";

struct Wish {
    seeds: u64,
    first: u64,
    hours: u64,
    hostile: Vec<String>,
    faults: Faults,
    resume: Option<String>,
    shrink: bool,
    keep_going: bool,
    threads: usize,
    trace: bool,
    json: bool,
}

fn wish(mut args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut wish = Wish {
        seeds: 1,
        first: 1,
        hours: 24,
        hostile: Vec::new(),
        faults: Faults::all(),
        resume: None,
        shrink: false,
        keep_going: false,
        threads,
        trace: false,
        json: false,
    };
    let list = |text: String| -> Vec<String> { text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect() };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{arg}: {text} is no number"));
        match arg.as_str() {
            "--seeds" => wish.seeds = number(value()?)?,
            "--seed" => wish.first = number(value()?)?,
            "--days" => wish.hours = number(value()?)?.saturating_mul(24),
            "--hours" => wish.hours = number(value()?)?,
            "--threads" => wish.threads = usize::try_from(number(value()?)?).unwrap_or(1).max(1),
            "--hostile" => wish.hostile = list(value()?),
            "--without" => {
                for word in list(value()?) {
                    let fault = Fault::from_word(&word).ok_or_else(|| {
                        let known: Vec<&str> = Fault::ALL.into_iter().map(Fault::word).collect();
                        format!("{word} is no kind of trouble; known: {}", known.join(", "))
                    })?;
                    wish.faults = wish.faults.without(fault);
                }
            }
            "--resume" => wish.resume = Some(value()?),
            "--shrink" => wish.shrink = true,
            "--keep-going" => wish.keep_going = true,
            "--trace" => wish.trace = true,
            "--json" => wish.json = true,
            "--help" | "-h" => return Err(USAGE.to_owned()),
            other => return Err(format!("{other} is not known\n{USAGE}")),
        }
    }
    Ok(wish)
}

fn main() -> ExitCode {
    match wish(std::env::args().skip(1)) {
        Ok(wish) => match run(&wish) {
            Ok(code) => code,
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "{why}");
                ExitCode::from(4)
            }
        },
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::from(2)
        }
    }
}

/// Seeds a file of an earlier run says are done, with the numbers it summed up.
fn done_before(path: &str, hours: u64) -> Result<BTreeSet<u64>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(format!("{path}: {error}")),
    };
    let mut done = BTreeSet::new();
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["held", seed, of, ..] if of.parse() == Ok(hours) => drop(done.insert(seed.parse().map_err(|_| format!("{path}: {line}"))?)),
            ["held" | "failed", ..] | [] => {}
            _ => return Err(format!("{path} is no file of this program: {line}")),
        }
    }
    Ok(done)
}

fn run(wish: &Wish) -> Result<ExitCode, String> {
    runner::be_quiet();
    let begun = Instant::now();
    let done = wish.resume.as_deref().map_or(Ok(BTreeSet::new()), |path| done_before(path, wish.hours))?;
    let all = wish.first..wish.first.saturating_add(wish.seeds);
    let already = all.clone().filter(|seed| done.contains(seed)).count() as u64;
    let seeds: Vec<u64> = all.filter(|seed| !done.contains(seed)).collect();
    let mut notes = match &wish.resume {
        Some(path) => {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            Some(file.map_err(|error| format!("{path}: {error}"))?)
        }
        None => None,
    };
    let options =
        |seed: u64| Options { seed, hours: wish.hours, faults: wish.faults, hostile: wish.hostile.clone() };
    let mut sum = Figures::default();
    let mut failing: Vec<Outcome> = Vec::new();
    let mut count = 0_u64;
    let mut told = Instant::now();
    runner::many(&seeds, wish.threads, options, |outcome| {
        count += 1;
        sum.merge(&outcome.figures);
        let word = if outcome.violation.is_some() { "failed" } else { "held" };
        if let Some(file) = &mut notes {
            let _ = writeln!(file, "{word} {} {}", outcome.seed, wish.hours);
        }
        if let Some(why) = &outcome.violation {
            let text = if wish.trace { why.clone() } else { runner::gist(why) };
            let _ = writeln!(std::io::stderr(), "seed {} failed: {text}", outcome.seed);
            failing.push(outcome);
        }
        if !wish.json && told.elapsed().as_secs() >= 5 {
            told = Instant::now();
            let ratio = sum.virtual_ms as f64 / 1_000.0 / begun.elapsed().as_secs_f64();
            let _ = writeln!(std::io::stderr(), "{count} of {} seeds, {} failed, {ratio:.0} times real time", seeds.len(), failing.len());
        }
        failing.is_empty() || wish.keep_going
    });
    failing.sort_by_key(|outcome| outcome.seed);
    if let Some(first) = failing.first().filter(|_| wish.shrink) {
        let small = runner::shrink(&options(first.seed), |line| drop(writeln!(std::io::stderr(), "{line}")));
        let left: Vec<&str> = small.faults.iter().map(Fault::word).collect();
        let gone: Vec<&str> = Fault::ALL.into_iter().filter(|f| !small.faults.has(*f)).map(Fault::word).collect();
        let _ = writeln!(std::io::stderr(), "smallest: {} hours with {}", small.hours, left.join(", "));
        let _ = writeln!(std::io::stderr(), "repeat: accord-sim --seed {} --hours {} --without {} --trace", small.seed, small.hours, gone.join(","));
    }
    let wall = begun.elapsed().as_secs_f64();
    let seconds = sum.virtual_ms as f64 / 1_000.0;
    let failed = failing.first().map_or_else(|| "null".to_owned(), |outcome| outcome.seed.to_string());
    let line = format!(
        "{{\"seeds\":{count},\"seeds_before\":{already},\"sim_hours\":{:.1},\"violations\":{},\"failing_seed\":{failed},\"wall_seconds\":{wall:.1},\"ratio\":{:.0},\"steps\":{},\"messages\":{},\"bytes\":{},\"rounds_most\":{},{}}}",
        seconds / 3_600.0,
        failing.len(),
        seconds / wall.max(0.001),
        sum.steps,
        sum.frames,
        sum.bytes,
        sum.rounds_most,
        sum.groups_json(),
    );
    let _ = writeln!(std::io::stdout(), "{}", line.replace(",}", "}"));
    Ok(if failing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
