//! Which tests reach which mutant, and whether one of them notices it.

use crate::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A mutant may ask for this much address space, in bytes: what eats memory dies, and not the machine.
const MEMORY: u64 = 6 << 30;
/// No run of tests is cut off before this many seconds.
const SECONDS_MIN: f64 = 10.0;
/// Nor before it took so many times what it takes with no mutant on.
const TIMES: f64 = 10.0;
/// Runs of tests at once.
pub const WORKERS: usize = 2;

/// One test.
#[derive(Clone)]
pub struct Test {
    /// Which of the programs.
    pub program: usize,
    /// Its name there.
    pub name: String,
    /// How long it took alone, in seconds.
    pub seconds: f64,
}

/// What became of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A test failed.
    Caught,
    /// A test did not end in time.
    Timeout,
    /// All tests that reach it passed.
    Missed,
    /// No test reaches it.
    Unreached,
}

impl Outcome {
    /// Its word in the files.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Caught => "caught",
            Outcome::Timeout => "timeout",
            Outcome::Missed => "missed",
            Outcome::Unreached => "unreached",
        }
    }
    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Outcome::Caught, Outcome::Timeout, Outcome::Missed, Outcome::Unreached].into_iter().find(|outcome| outcome.word() == word)
    }
    /// Whether a test noticed.
    pub const fn is_noticed(self) -> bool {
        matches!(self, Outcome::Caught | Outcome::Timeout)
    }
}

/// The tests, and by mutant which of them reach it.
pub struct Reach {
    /// All tests.
    pub tests: Vec<Test>,
    /// By mutant, indices into `tests`.
    pub by_mutant: BTreeMap<u32, Vec<usize>>,
}

impl Reach {
    /// Leaves out the tests that take longer.
    pub fn without_those_over(&mut self, seconds: f64) {
        let tests = &self.tests;
        for reaching in self.by_mutant.values_mut() {
            reaching.retain(|test| tests[*test].seconds <= seconds);
        }
    }

    /// A line for each test: program, seconds, name, and the mutants it reaches.
    fn to_text(&self) -> String {
        let mut ids = vec![String::new(); self.tests.len()];
        for (id, tests) in &self.by_mutant {
            tests.iter().for_each(|test| ids[*test].push_str(&format!(" {id}")));
        }
        self.tests.iter().zip(ids).map(|(test, ids)| format!("\n{} {:.3} {}{ids}", test.program, test.seconds, test.name)).collect()
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut reach = Reach { tests: Vec::new(), by_mutant: BTreeMap::new() };
        for line in text.lines().skip(1) {
            let mut words = line.split(' ');
            let (program, seconds) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let at = reach.tests.len();
            reach.tests.push(Test { program, seconds, name: words.next()?.to_owned() });
            for id in words {
                reach.by_mutant.entry(id.parse().ok()?).or_default().push(at);
            }
        }
        Some(reach)
    }
}

enum Ended {
    Passed,
    Failed(String),
    Late(String),
}

fn run(program: &Path, tests: &[&str], seconds: f64, settings: &[(&str, String)]) -> Result<Ended, Fault> {
    let output = Command::new("timeout")
        .args(["--signal=KILL", &format!("{seconds:.1}"), "prlimit", &format!("--as={MEMORY}"), "--core=0"])
        .arg(program)
        .args(["--test-threads=1", "--exact"])
        .args(tests)
        .current_dir(program.ancestors().nth(4).expect("a test program lies deep in the target directory").join("tree/protocol"))
        .env("RUST_BACKTRACE", "0")
        .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(Ended::Passed);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = said.lines().filter_map(|line| line.strip_prefix("test ")).find(|line| !line.contains("... ok") && line.contains(" ... "));
    let name = failed.and_then(|line| line.split(" ... ").next()).unwrap_or_default().to_owned();
    Ok(if matches!(output.status.code(), Some(124 | 137) | None) { Ended::Late(name) } else { Ended::Failed(name) })
}

/// Runs each test alone, of those that `some` fits, with no mutant on. What it finds is kept for the same sources.
pub fn reach(
    programs: &[(String, PathBuf)],
    skipped: &regex::Regex,
    some: &regex::Regex,
    scratch: &Path,
    stamp: &str,
) -> Result<Reach, Fault> {
    let (kept, settings) = (scratch.join("reach"), format!("{stamp} {skipped} {some};"));
    if let Some(reach) = std::fs::read_to_string(&kept).ok().and_then(|text| Reach::from_text(text.strip_prefix(settings.as_str())?)) {
        return Ok(reach);
    }
    let mut tests = Vec::new();
    for (at, (_, program)) in programs.iter().enumerate() {
        let names = |more: &[&str]| -> Result<BTreeSet<String>, Fault> {
            let listed = Command::new(program).args(["--list", "--format", "terse"]).args(more).output()?;
            Ok(String::from_utf8(listed.stdout)?.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
        };
        let ignored = names(&["--ignored"])?;
        let wanted = names(&[])?.into_iter().filter(|name| !ignored.contains(name) && !skipped.is_match(name) && some.is_match(name));
        tests.extend(wanted.map(|name| Test { program: at, name, seconds: 0.0 }));
    }
    let total = tests.len();
    let next = AtomicUsize::new(0);
    let met: Mutex<Vec<(usize, f64, Vec<u32>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (tests, next, met) = (&tests, &next, &met);
                let file = scratch.join(format!("met.{worker}"));
                scope.spawn(move || -> Result<(), String> {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(test) = tests.get(at) else { return Ok(()) };
                        std::fs::write(&file, "").map_err(|error| error.to_string())?;
                        let began = Instant::now();
                        let settings = [("ACCORD_MUTANTS_MET", file.display().to_string())];
                        let ended = run(&programs[test.program].1, &[&test.name], 600.0, &settings).map_err(|error| error.to_string())?;
                        let took = began.elapsed().as_secs_f64();
                        if !matches!(ended, Ended::Passed) {
                            return Err(format!("{} fails with no mutant on", test.name));
                        }
                        let ids = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
                        let ids = ids.lines().filter_map(|id| id.parse().ok()).collect();
                        met.lock().expect("no worker panics").push((at, took, ids));
                        if at % 100 == 99 {
                            eprintln!("{} of {total} tests run", at + 1);
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let mut by_mutant: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, took, ids) in met.into_inner().expect("no worker panics") {
        tests[at].seconds = took;
        for id in ids {
            by_mutant.entry(id).or_default().push(at);
        }
    }
    let reach = Reach { tests, by_mutant };
    std::fs::write(kept, settings + &reach.to_text())?;
    Ok(reach)
}

/// Who noticed how many mutants so far: by function and test.
pub type Killers = Mutex<BTreeMap<(String, usize), usize>>;

/// Runs the tests that reach a mutant, those that noticed others of the same function first, then in order of time, until one fails.
pub fn judge(
    programs: &[(String, PathBuf)],
    reach: &Reach,
    killers: &Killers,
    function: &str,
    id: u32,
) -> Result<(Outcome, String), Fault> {
    let Some(reaching) = reach.by_mutant.get(&id) else { return Ok((Outcome::Unreached, String::new())) };
    let mut order: Vec<(usize, usize)> = {
        let known = killers.lock().expect("no worker panics");
        reaching.iter().map(|test| (known.get(&(function.to_owned(), *test)).copied().unwrap_or(0), *test)).collect()
    };
    let seconds = |test: usize| reach.tests[test].seconds;
    // A cheap killer goes before a dear one.
    order.sort_by(|(kills, test), (other_kills, other)| {
        let weight = |kills: usize, test: usize| seconds(test) / (1.0 + 20.0 * kills as f64);
        weight(*kills, *test).total_cmp(&weight(*other_kills, *other))
    });
    let mut order = order.into_iter().map(|(_, test)| test).peekable();
    let mut share = 0.3;
    while let Some(first) = order.next() {
        let mut batch = vec![first];
        let mut sum = seconds(first);
        while let Some(more) =
            order.next_if(|test| reach.tests[*test].program == reach.tests[first].program && sum + seconds(*test) <= share)
        {
            sum += seconds(more);
            batch.push(more);
        }
        share = (share * 1.5_f64).min(6.0);
        let names: Vec<&str> = batch.iter().map(|test| reach.tests[*test].name.as_str()).collect();
        let settings = [("ACCORD_MUTANT", id.to_string())];
        let ended = run(&programs[reach.tests[first].program].1, &names, SECONDS_MIN.max(TIMES * sum), &settings)?;
        let (outcome, name) = match ended {
            Ended::Passed => continue,
            Ended::Failed(name) => (Outcome::Caught, name),
            Ended::Late(name) => (Outcome::Timeout, name),
        };
        if let Some(test) = batch.iter().find(|test| reach.tests[**test].name == name) {
            *killers.lock().expect("no worker panics").entry((function.to_owned(), *test)).or_default() += 1;
        }
        return Ok((outcome, name));
    }
    Ok((Outcome::Missed, String::new()))
}
