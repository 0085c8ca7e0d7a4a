//! `accord-sim`: random counties, many at once, with every invariant watched. The last line is one JSON object.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use accord_sim::chaos::Options;
use accord_sim::fault::{Fault, Faults};
use accord_sim::figures::Figures;
use accord_sim::hostile::personality;
use accord_sim::runner::{self, Outcome};

const USAGE: &str = "\
usage: accord-sim [--seeds N] [--seed S] [--days D | --hours H] [--hostile NAME,..] [--without FAULT,..]
                  [--resume FILE] [--shrink] [--keep-going] [--until WORD] [--threads N] [--trace] [--json]
  --seeds N        how many worlds, default 1
  --seed S         first seed, default 1
  --days D         virtual days of each world, default 1; --hours H for parts of days
  --hostile LIST   only these hostile members; `list` names them
  --without LIST   leave these kinds of trouble out
  --resume FILE    note finished seeds there; what is noted is not run again
  --shrink         make the first failing seed smaller by turning faults off one by one
  --keep-going     do not stop at the first failing seed
  --until WORD     stop at the first violation that begins so, an invariant say, and not before
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
    until: Option<String>,
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
        until: None,
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
            "--hostile" => {
                for name in list(value()?) {
                    if !personality::all().any(|one| one.name == name) {
                        let known: Vec<String> = personality::all().map(|p| format!("{:<20} {:?} {}", p.name, p.lines, p.about)).collect();
                        return Err(format!("{name} is no hostile member; known:\n{}", known.join("\n")));
                    }
                    wish.hostile.push(name);
                }
            }
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
            "--until" => wish.until = Some(value()?),
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

/// What earlier runs left in a file: seeds that held, and their numbers.
#[derive(Default)]
struct Before {
    seeds: BTreeSet<u64>,
    figures: Figures,
    wall_ms: u64,
}

/// Reads such a file: lines `held SEED HOURS VIRTUAL_MS STEPS MESSAGES BYTES`, `failed SEED HOURS`, `wall MILLISECONDS`.
fn before(path: &str, wish: &Wish) -> Result<Before, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Before::default()),
        Err(error) => return Err(format!("{path}: {error}")),
    };
    let mut out = Before::default();
    let mine = wish.first..wish.first.saturating_add(wish.seeds);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let kind = words.next();
        let numbers: Option<Vec<u64>> = words.map(|word| word.parse().ok()).collect();
        match (kind, numbers.as_deref()) {
            (Some("held"), Some([seed, hours, virtual_ms, steps, frames, bytes])) => {
                if *hours == wish.hours && mine.contains(seed) && out.seeds.insert(*seed) {
                    let more = Figures { virtual_ms: *virtual_ms, steps: *steps, frames: *frames, bytes: *bytes, ..Figures::default() };
                    out.figures.merge(&more);
                }
            }
            (Some("wall"), Some([ms])) => out.wall_ms += ms,
            (Some("failed"), Some([_, _])) | (None, _) => {}
            _ => return Err(format!("{path} is no file of this program: {line}")),
        }
    }
    Ok(out)
}

/// The wall clock of this machine: only for figures.
#[expect(clippy::disallowed_methods, reason = "how long a run took is no input of any world")]
fn instant() -> Instant {
    Instant::now()
}

fn run(wish: &Wish) -> Result<ExitCode, String> {
    runner::be_quiet();
    let begun = instant();
    let earlier = wish.resume.as_deref().map_or(Ok(Before::default()), |path| before(path, wish))?;
    let all = wish.first..wish.first.saturating_add(wish.seeds);
    let seeds: Vec<u64> = all.filter(|seed| !earlier.seeds.contains(seed)).collect();
    let mut notes = match &wish.resume {
        Some(path) => {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            Some(file.map_err(|error| format!("{path}: {error}"))?)
        }
        None => None,
    };
    let options = |seed: u64| Options { seed, hours: wish.hours, faults: wish.faults, hostile: wish.hostile.clone(), trace: wish.trace };
    let mut sum = Figures::default();
    let mut failing: Vec<Outcome> = Vec::new();
    let mut count = 0_u64;
    let mut told = instant();
    let mut done = false;
    runner::many(
        &seeds,
        wish.threads,
        |seed| options(*seed),
        |outcome| {
            count += 1;
            sum.merge(&outcome.figures);
            let (seed, f) = (outcome.seed, &outcome.figures);
            let line = match &outcome.violation {
                Some(_) => format!("failed {seed} {}", wish.hours),
                None => format!("held {seed} {} {} {} {} {}", wish.hours, f.virtual_ms, f.steps, f.frames, f.bytes),
            };
            if let Some(file) = &mut notes {
                let _ = writeln!(file, "{line}");
            }
            if let Some(why) = &outcome.violation {
                let text = if wish.trace { why.clone() } else { runner::gist(why) };
                let _ = writeln!(std::io::stderr(), "seed {} failed: {text}", outcome.seed);
                done |= match &wish.until {
                    Some(word) => runner::names(why, word),
                    None => !wish.keep_going,
                };
                failing.push(outcome);
            }
            if !wish.json && told.elapsed().as_secs() >= 5 {
                told = instant();
                let ratio = sum.virtual_ms as f64 / 1_000.0 / begun.elapsed().as_secs_f64();
                let _ =
                    writeln!(std::io::stderr(), "{count} of {} seeds, {} failed, {ratio:.0} times real time", seeds.len(), failing.len());
            }
            !done
        },
    );
    failing.sort_by_key(|outcome| outcome.seed);
    if let Some(first) = failing.first().filter(|_| wish.shrink) {
        let small = runner::shrink(&options(first.seed), |line| drop(writeln!(std::io::stderr(), "{line}")));
        let left: Vec<&str> = small.faults.iter().map(Fault::word).collect();
        let gone: Vec<&str> = Fault::ALL.into_iter().filter(|f| !small.faults.has(*f)).map(Fault::word).collect();
        let _ = writeln!(std::io::stderr(), "smallest: {} hours with {}", small.hours, left.join(", "));
        let _ = writeln!(
            std::io::stderr(),
            "repeat: accord-sim --seed {} --hours {} --without {} --trace",
            small.seed,
            small.hours,
            gone.join(",")
        );
    }
    let now = begun.elapsed().as_secs_f64();
    if let Some(file) = &mut notes {
        let _ = writeln!(file, "wall {:.0}", now * 1_000.0);
    }
    let wall = now + earlier.wall_ms as f64 / 1_000.0;
    sum.merge(&earlier.figures);
    let seconds = sum.virtual_ms as f64 / 1_000.0;
    let failed = failing.first().map_or_else(|| "null".to_owned(), |outcome| outcome.seed.to_string());
    let members = [
        ("seeds", (count + earlier.seeds.len() as u64).to_string()),
        ("sim_hours", format!("{:.1}", seconds / 3_600.0)),
        ("violations", failing.len().to_string()),
        ("failing_seed", failed),
        ("seeds_in_this_call", count.to_string()),
        ("wall_seconds", format!("{wall:.1}")),
        ("ratio", format!("{:.0}", seconds / wall.max(0.001))),
        ("steps", sum.steps.to_string()),
        ("messages", sum.frames.to_string()),
        ("bytes", sum.bytes.to_string()),
        ("rounds_most", sum.rounds_most.to_string()),
    ];
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let groups = sum.groups_json();
    let comma = if groups.is_empty() { "" } else { "," };
    let line = format!("{{{}{comma}{groups}}}", members.join(","));
    let _ = writeln!(std::io::stdout(), "{}", line);
    Ok(if failing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
