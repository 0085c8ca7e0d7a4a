//! Judges all mutants that cargo-mutants lists with one build. How it is called: `tests/mutants/run`.
#![expect(clippy::disallowed_methods, reason = "how long a test takes decides when it is run")]

mod judge;
mod list;
mod reviewed;
mod scratch;
mod splice;

use judge::{Killers, Outcome};
use list::Mutant;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What can go wrong; told as it is.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

struct Args {
    root: PathBuf,
    base: PathBuf,
    only: regex::Regex,
    known: bool,
    quick: Option<f64>,
    tests: Option<String>,
    build: bool,
}

fn args() -> Result<Args, Fault> {
    let mut found = Args {
        root: std::env::current_dir()?,
        base: PathBuf::from("target/mutants-once"),
        only: regex::Regex::new("")?,
        known: false,
        quick: None,
        tests: None,
        build: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        let mut value = || given.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--only" => found.only = regex::Regex::new(&value()?)?,
            "--known" => found.known = true,
            "--quick" => found.quick = Some(value()?.parse()?),
            "--tests" => found.tests = Some(regex::Regex::new(&value()?)?.to_string()),
            "--build" => found.build = true,
            "--base" => found.base = PathBuf::from(value()?),
            other => return Err(format!("{other} is no argument of this").into()),
        }
    }
    found.base = std::path::absolute(&found.base)?;
    Ok(found)
}

fn main() -> ExitCode {
    match args().and_then(|args| work(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(4)
        }
    }
}

fn work(args: &Args) -> Result<bool, Fault> {
    let all = list::list(&args.root)?;
    std::fs::create_dir_all(&args.base)?;
    let stamp = stamp(&args.root)?;
    let built = scratch::build(&args.root, &args.base.join("tree"), &args.base.join("out"), &all)?;
    if args.build {
        return Ok(true);
    }
    let some = regex::Regex::new(args.tests.as_deref().unwrap_or_default())?;
    let mut reach = judge::reach(&built.programs, &slow(&args.root)?, &some, &args.base, &stamp)?;
    eprintln!("{} tests, {:.0} s one after the other", reach.tests.len(), reach.tests.iter().map(|test| test.seconds).sum::<f64>());
    let mut slowest: Vec<&judge::Test> = reach.tests.iter().collect();
    slowest.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    let table: String = slowest.iter().map(|test| format!("{:.2} {}\n", test.seconds, test.name)).collect();
    std::fs::write(args.base.join("tests.txt"), table)?;

    if let Some(quick) = args.quick {
        reach.without_those_over(quick);
    }

    let chosen: Vec<&Mutant> = all.iter().filter(|mutant| args.only.is_match(&mutant.name)).collect();
    let names = nths(&all);
    let store = args.base.join("outcomes");
    // What was missed with few tests is not known to be missed with all.
    let stamp = match (args.quick, &args.tests) {
        (None, None) => stamp,
        (quick, some) => format!("{stamp} {quick:?} {some:?}"),
    };
    let known = outcomes(&store, &stamp, args.known);
    let reviewed = reviewed::read(&args.root.join("tests/mutants/equivalents.txt"))?;
    let results = judged(&chosen, &built, &reach, &known, &names, &store, &stamp)?;
    report(args, &chosen, &built, &results, &names, &reviewed)
}

/// Which of those with the same key a mutant is, from 1.
fn nths(all: &[Mutant]) -> BTreeMap<u32, (String, String, String, usize)> {
    let mut counts: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    let number = |mutant: &Mutant| {
        let key = mutant.key();
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        (mutant.id, (key.0, key.1, key.2, *count))
    };
    let mut sorted: Vec<&Mutant> = all.iter().collect();
    sorted.sort_by(|one, other| (&one.file, one.start).cmp(&(&other.file, other.start)));
    sorted.into_iter().map(number).collect()
}

/// The tests that the configuration of cargo-mutants leaves out.
fn slow(root: &Path) -> Result<regex::Regex, Fault> {
    let text = std::fs::read_to_string(root.join(".cargo/mutants.toml"))?;
    let inside = text.split_once("not test(/").and_then(|(_, rest)| rest.split_once("/)")).map(|(inside, _)| inside);
    Ok(regex::Regex::new(inside.ok_or(".cargo/mutants.toml names no tests to leave out")?)?)
}

/// What the outcomes hang on: all sources of the two crates and their tests.
fn stamp(root: &Path) -> Result<String, Fault> {
    let asked = std::process::Command::new("sh")
        .args(["-c", "find keys protocol .cargo/mutants.toml tests/mutants/src -type f | LC_ALL=C sort | xargs cat | sha256sum"])
        .current_dir(root)
        .output()?;
    Ok(String::from_utf8(asked.stdout)?.chars().take(16).collect())
}

type Name = (String, String, String, usize);

/// What is known from before: all of the same sources, and with `known` what was noticed in others.
fn outcomes(store: &Path, stamp: &str, known: bool) -> BTreeMap<Name, (Outcome, String)> {
    let text = std::fs::read_to_string(store).unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let [from, file, description, excerpt, nth, outcome, test] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let (Some(outcome), Ok(nth)) = (Outcome::from_word(outcome), nth.parse()) else { continue };
        let name = (file.to_owned(), description.to_owned(), excerpt.to_owned(), nth);
        let same = from.split(' ').next() == stamp.split(' ').next();
        if from == stamp || ((known || same) && outcome.is_noticed()) {
            found.insert(name, (outcome, test.to_owned()));
        }
    }
    found
}

fn judged(
    chosen: &[&Mutant],
    built: &scratch::Built,
    reach: &judge::Reach,
    known: &BTreeMap<Name, (Outcome, String)>,
    names: &BTreeMap<u32, Name>,
    store: &Path,
    stamp: &str,
) -> Result<BTreeMap<u32, (Outcome, String)>, Fault> {
    let mut todo: Vec<&&Mutant> =
        chosen.iter().filter(|one| !built.unviable.contains(&one.id) && !built.left.contains_key(&one.id)).collect();
    // What decides who gets something comes first.
    todo.sort_by_key(|one| ["/access", "/agreement", "/intake"].iter().position(|part| one.file.contains(part)).unwrap_or(9));
    let file = Mutex::new(std::fs::File::options().create(true).append(true).open(store)?);
    let results = Mutex::new(BTreeMap::new());
    let (next, killers, total) = (AtomicUsize::new(0), Killers::default(), todo.len());
    std::thread::scope(|scope| {
        let work = || -> Result<(), String> {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(mutant) = todo.get(at) else { return Ok(()) };
                let name = &names[&mutant.id];
                let function = format!("{} {}", mutant.file, mutant.description().rsplit(" in ").next().unwrap_or_default());
                let result = match known.get(name) {
                    Some(result) => result.clone(),
                    None => {
                        let result =
                            judge::judge(&built.programs, reach, &killers, &function, mutant.id).map_err(|fault| fault.to_string())?;
                        if !result.0.is_noticed() {
                            eprintln!("{}: {}", result.0.word(), mutant.name);
                        }
                        let line = format!("{stamp}\t{}\t{}\t{}\t{}\t{}\t{}\n", name.0, name.1, name.2, name.3, result.0.word(), result.1);
                        file.lock().expect("no worker panics").write_all(line.as_bytes()).map_err(|fault| fault.to_string())?;
                        result
                    }
                };
                results.lock().expect("no worker panics").insert(mutant.id, result);
                if at % 100 == 99 {
                    eprintln!("{} of {total} mutants judged", at + 1);
                }
            }
        };
        let workers: Vec<_> = (0..judge::WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(results.into_inner().expect("no worker panics"))
}

#[derive(Default)]
struct Row {
    caught: usize,
    timeout: usize,
    equivalent: usize,
    survived: usize,
    unviable: usize,
    left: usize,
}

fn report(
    args: &Args,
    chosen: &[&Mutant],
    built: &scratch::Built,
    results: &BTreeMap<u32, (Outcome, String)>,
    names: &BTreeMap<u32, Name>,
    reviewed: &BTreeSet<Name>,
) -> Result<bool, Fault> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let (mut survivors, mut stale, mut late, mut listed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for mutant in chosen {
        let row = rows.entry(mutant.file.as_str()).or_default();
        let is_reviewed = reviewed.contains(&names[&mutant.id]);
        let outcome = results.get(&mutant.id).map(|(outcome, _)| *outcome);
        match outcome {
            None if built.unviable.contains(&mutant.id) => row.unviable += 1,
            None => row.left += 1,
            Some(Outcome::Caught) => row.caught += 1,
            Some(Outcome::Timeout) => row.timeout += 1,
            Some(_) if is_reviewed => row.equivalent += 1,
            Some(_) => row.survived += 1,
        }
        match outcome {
            Some(Outcome::Timeout) => late.push(mutant.name.clone()),
            Some(outcome @ (Outcome::Missed | Outcome::Unreached)) if !is_reviewed => survivors.push((outcome, *mutant)),
            Some(_) | None => {}
        }
        if is_reviewed && outcome.is_none_or(Outcome::is_noticed) {
            stale.push(mutant.name.clone());
        }
        listed.push(json!({ "name": mutant.name, "genre": mutant.genre, "outcome": outcome.map_or(
            if built.unviable.contains(&mutant.id) { "unviable" } else { "left" }, Outcome::word),
            "test": results.get(&mutant.id).map(|(_, test)| test), "why": built.left.get(&mutant.id) }));
    }
    std::fs::write(args.base.join("result.json"), serde_json::to_vec_pretty(&listed)?)?;
    let mut all = Row::default();
    println!("{:44} {:>6} {:>7} {:>10} {:>8} {:>8} {:>5}", "file", "caught", "timeout", "equivalent", "survived", "unviable", "left");
    for (file, row) in &rows {
        println!("{file:44} {:6} {:7} {:10} {:8} {:8} {:5}", row.caught, row.timeout, row.equivalent, row.survived, row.unviable, row.left);
        all.caught += row.caught;
        all.timeout += row.timeout;
        all.equivalent += row.equivalent;
        all.survived += row.survived;
        all.unviable += row.unviable;
        all.left += row.left;
    }
    for (outcome, mutant) in &survivors {
        println!("{}: {}\n    at: {}", outcome.word(), mutant.name, mutant.excerpt);
    }
    for name in &stale {
        println!("in equivalents.txt, and yet noticed or not judged: {name}");
    }
    let present: BTreeSet<&Name> = names.values().collect();
    let gone: Vec<&Name> = reviewed.iter().filter(|name| !present.contains(name)).collect();
    for (file, description, excerpt, _) in &gone {
        println!("in equivalents.txt, and there no more: {file}: {description}, at: {excerpt}");
    }
    // What only cargo-mutants can judge, by file, line and column.
    let left: Vec<String> = chosen.iter().filter(|one| built.left.contains_key(&one.id)).map(|one| one.name.clone()).collect();
    std::fs::write(args.base.join("left.txt"), left.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    std::fs::write(args.base.join("late.txt"), late.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    let good = survivors.is_empty() && stale.is_empty() && gone.is_empty();
    println!(
        "{}",
        json!({ "mutants": chosen.len(), "caught": all.caught, "timeout": all.timeout, "equivalent": all.equivalent, "survived": all.survived,
            "unviable": all.unviable, "left": all.left, "stale": stale.len() + gone.len(), "good": good })
    );
    Ok(good)
}
