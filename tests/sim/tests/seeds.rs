//! Random counties by seed, a simulated day each. `ACCORD_SIM_SEED=LINE` (a line of the
//! corpus or only a seed) repeats one with its whole trace; `ACCORD_SIM_SEEDS=from..to` runs others.

use accord_sim::chaos::{self, Options};
use accord_sim::fault::{Fault, Faults};
use accord_sim::runner;

/// Seeds of the test command.
const SEEDS: std::ops::Range<u64> = 1..301;

/// Worlds by line: a seed, and kinds of trouble to be left out (those that came to the simulation later).
fn worlds(text: &str) -> Vec<Options> {
    let lines = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (seed, without) = line.split_once(" without ").unwrap_or((line, ""));
            let seed = seed.trim().parse().expect("a line begins with a seed");
            let kinds = without.split(',').map(str::trim).filter(|word| !word.is_empty());
            let kinds = kinds.map(|word| Fault::from_word(word).expect("a kind of trouble"));
            Options { faults: kinds.fold(Faults::all(), Faults::without), ..Options::day(seed) }
        })
        .collect()
}

/// Worlds that once failed; each is run for ever.
fn failed_once() -> Vec<Options> {
    worlds(include_str!("../corpus.txt"))
}

/// Worlds that fail today and are not mended yet, each with what is wrong in `open.txt`: they are left out here, and run by naming them. One
/// leaves the list when it holds, and none may join it but by a commit that says why.
fn open() -> Vec<Options> {
    worlds(include_str!("../open.txt"))
}

fn range(text: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

#[test]
fn random_counties_keep_every_promise() {
    if let Ok(line) = std::env::var("ACCORD_SIM_SEED") {
        worlds(&line).into_iter().for_each(|options| drop(chaos::run(&Options { trace: true, ..options })));
        return;
    }
    let range = std::env::var("ACCORD_SIM_SEEDS").ok().and_then(|v| range(&v)).unwrap_or(SEEDS);
    let mut seeds = failed_once();
    seeds.extend(range.map(Options::day));
    let open = open();
    seeds.retain(|options| !open.contains(options));
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut report = Vec::new();
    runner::many(&seeds, threads, Options::clone, |outcome| {
        if let Some(why) = outcome.violation {
            let from = why.lines().skip_while(|line| !line.contains(", seed ")).collect::<Vec<_>>().join("\n");
            report.push(format!("--- seed {}\n{}", outcome.seed, if from.is_empty() { why } else { from }));
        }
        true
    });
    assert!(report.is_empty(), "{} of {} seeds failed\n{}", report.len(), seeds.len(), report.join("\n"));
}

/// The patches of `breaks/` fit the tree as it is: each hunk's old lines stand in their file, together and once.
#[test]
fn the_deliberate_breaks_fit_the_code_they_break() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let mut seen = 0;
    let mut stale = Vec::new();
    for entry in std::fs::read_dir(here.join("breaks")).expect("the folder of breaks") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "patch") {
            continue;
        }
        let patch = std::fs::read_to_string(&path).expect("a patch is text");
        let mut lines = patch.lines().skip_while(|line| !line.starts_with("--- ")).peekable();
        let (mut file, mut text) = (String::new(), String::new());
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("+++ b/") {
                name.clone_into(&mut file);
                text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
            } else if line.starts_with("@@ ") {
                let mut old = String::new();
                while let Some(line) = lines.next_if(|line| !line.starts_with("@@ ") && !line.starts_with("--- ")) {
                    if let Some(kept) = line.strip_prefix([' ', '-']).or(line.is_empty().then_some("")) {
                        old += kept;
                        old.push('\n');
                    }
                }
                seen += 1;
                if text.matches(&old).count() != 1 {
                    stale.push(format!("{} in {file}", path.file_name().expect("a file").to_string_lossy()));
                }
            }
        }
    }
    assert!(seen > 20, "{seen} hunks found");
    assert!(stale.is_empty(), "{stale:#?}");
}
