//! The scratch copy of the tree with all mutants in it, and its one build.
//!
//! What the compiler refuses is taken out, mutant by mutant, until it takes the rest. Refused for what the text says (types, names) means that cargo-mutants
//! would find it unviable too; refused for where the switch stands (constants, nameless types) means that cargo-mutants has to judge it.

use crate::Fault;
use crate::list::Mutant;
use crate::splice::{Spliced, splice};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The tests of the tree with all mutants that compile, and those that do not.
pub struct Built {
    /// The test programs: a word for each, and where it is.
    pub programs: Vec<(String, PathBuf)>,
    /// What no compiler takes.
    pub unviable: BTreeSet<u32>,
    /// What only cargo-mutants can judge, and why.
    pub left: BTreeMap<u32, String>,
}

/// Copies every file that git knows or would add, and removes what is there no more; what did not change keeps its time.
fn copy(root: &Path, tree: &Path, ours: &BTreeSet<String>) -> Result<(), Fault> {
    let asked = Command::new("git").args(["ls-files", "-co", "--exclude-standard", "-z"]).current_dir(root).output()?;
    let wanted: BTreeSet<String> =
        String::from_utf8(asked.stdout)?.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    for name in &wanted {
        let from = root.join(name);
        if ours.contains(name) || !from.is_file() {
            continue;
        }
        write(&tree.join(name), &std::fs::read(from)?)?;
    }
    for name in Command::new("find").args([".", "-type", "f", "-print0"]).current_dir(tree).output()?.stdout.split(|byte| *byte == 0) {
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches("./");
        if !name.is_empty() && !ours.contains(name) && !root.join(name).is_file() {
            std::fs::remove_file(tree.join(name))?;
        }
    }
    Ok(())
}

fn write(to: &Path, bytes: &[u8]) -> Result<(), Fault> {
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(to.parent().expect("a file is in a directory"))?;
    Ok(std::fs::write(to, bytes)?)
}

/// Makes the copy at `tree` and builds it.
pub fn build(root: &Path, tree: &Path, target: &Path, mutants: &[Mutant]) -> Result<Built, Fault> {
    std::fs::create_dir_all(tree)?;
    let mut files: BTreeMap<String, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        files.entry(mutant.file.clone()).or_default().push(mutant);
    }
    let (lib, switch) = ("protocol/src/lib.rs", "protocol/src/switch.rs");
    copy(root, tree, &files.keys().cloned().chain([lib.to_owned(), switch.to_owned()]).collect())?;
    let plain = std::fs::read_to_string(root.join(lib))?;
    let plain = plain.replacen("\npub mod ", "\n#![allow(warnings)]\nmod switch;\nuse switch::mutant;\npub mod ", 1);
    write(&tree.join(lib), plain.as_bytes())?;
    write(&tree.join(switch), include_bytes!("switch.rs"))?;

    let mut unviable = BTreeSet::new();
    let mut left: BTreeMap<u32, String> = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for round in 1.. {
        let dropped: BTreeSet<u32> = unviable.iter().chain(left.keys()).copied().collect();
        let mut spliced = BTreeMap::new();
        for (file, mutants) in &files {
            let made = splice(&std::fs::read_to_string(root.join(file))?, mutants, &dropped, &kept)?;
            write(&tree.join(file), made.text.as_bytes())?;
            unviable.extend(made.unviable.iter().copied());
            left.extend(made.left.iter().map(|(id, why)| (*id, (*why).to_owned())));
            spliced.insert(file.clone(), made);
        }
        eprintln!(
            "round {round}: {} unviable, {} left to cargo-mutants, {} in",
            unviable.len(),
            left.len(),
            mutants.len() - unviable.len() - left.len()
        );
        let checked = cargo(tree, target, &["check", "-p", "accord-protocol", "--lib"])?;
        let mut told = checked;
        if told.errors.is_empty() {
            told = cargo(tree, target, &["test", "-p", "accord-protocol", "--lib", "--test", "core", "--no-run"])?;
            if told.errors.is_empty() {
                return Ok(Built { programs: told.programs, unviable, left });
            }
        }
        let before = (unviable.len(), left.len(), kept.len());
        for error in &told.errors {
            blame(error, &spliced, &mut unviable, &mut left, &mut kept);
        }
        if before == (unviable.len(), left.len(), kept.len()) {
            let said: Vec<&str> = told.errors.iter().filter_map(|error| error["rendered"].as_str()).take(3).collect();
            return Err(format!("these errors belong to no mutant:\n{}", said.join("\n")).into());
        }
    }
    unreachable!("the rounds end")
}

/// Errors that come from the switch around a mutant, or from where it stands, and not from what it says.
const OURS: &[&str] = &[
    "E0015", "E0282", "E0283", "E0373", "E0381", "E0382", "E0499", "E0502", "E0503", "E0505", "E0506", "E0515", "E0597", "E0658", "E0716",
];

/// Finds which mutants an error is about.
fn blame(
    error: &Value,
    spliced: &BTreeMap<String, Spliced>,
    unviable: &mut BTreeSet<u32>,
    left: &mut BTreeMap<u32, String>,
    kept: &mut BTreeSet<String>,
) {
    let code = error["code"]["code"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    let mut spans: Vec<&Value> = error["spans"].as_array().into_iter().flatten().collect();
    spans.sort_by_key(|span| !span["is_primary"].as_bool().unwrap_or(false));
    let place = |span: &Value| {
        let at = |name: &str| span[name].as_u64().and_then(|at| usize::try_from(at).ok());
        Some((spliced.get(span["file_name"].as_str()?)?, at("byte_start")?, at("byte_end")?))
    };
    for span in &spans {
        let Some((file, start, end)) = place(span) else { continue };
        let region =
            file.regions.iter().filter(|(region, _)| region.start <= start && end <= region.end).min_by_key(|(region, _)| region.len());
        if let Some((_, id)) = region {
            if OURS.contains(&code) {
                left.insert(*id, format!("{code} {message}"));
            } else {
                unviable.insert(*id);
            }
            return;
        }
    }
    if code == "E0015" {
        // `cannot call non-const associated function `Kind::allows` in constants`: it stays constant.
        let called = message.split('`').nth(1).unwrap_or_default().rsplit("::").next().unwrap_or_default();
        if spliced.values().any(|file| file.freed.contains_key(called)) {
            kept.insert(called.to_owned());
            return;
        }
    }
    for span in &spans {
        let Some((file, start, end)) = place(span) else { continue };
        let site = file.sites.iter().filter(|(site, _)| site.start <= start && end <= site.end).min_by_key(|(site, _)| site.len());
        if let Some((_, ids)) = site {
            // Of the values of a nameless type one says what all items are: `empty()` says nothing.
            let says = |id: &u32| file.regions.iter().any(|(region, of)| of == id && !file.text[region.clone()].ends_with("::empty()"));
            let some: Vec<u32> = ids.iter().copied().filter(says).collect();
            let ids = if some.is_empty() { ids } else { &some };
            left.extend(ids.iter().map(|id| (*id, format!("{code} {message}"))));
            return;
        }
    }
}

struct Told {
    errors: Vec<Value>,
    programs: Vec<(String, PathBuf)>,
}

fn cargo(tree: &Path, target: &Path, args: &[&str]) -> Result<Told, Fault> {
    let run = Command::new("cargo")
        .args(args)
        .args(["--locked", "--profile", "mutants", "--message-format", "json"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        // Built once and run thousands of times.
        .env("CARGO_PROFILE_MUTANTS_OPT_LEVEL", "1")
        .stderr(Stdio::piped())
        .output()?;
    let mut told = Told { errors: Vec::new(), programs: Vec::new() };
    for line in run.stdout.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
        if line["reason"] == "compiler-message" && line["message"]["level"] == "error" {
            told.errors.push(line["message"].clone());
        }
        if let Some(path) = line["executable"].as_str().filter(|_| line["profile"]["test"] == true) {
            let kind = if line["target"]["kind"][0] == "lib" { "lib" } else { line["target"]["name"].as_str().unwrap_or_default() };
            told.programs.push((kind.to_owned(), PathBuf::from(path)));
        }
    }
    if !run.status.success() && told.errors.is_empty() {
        return Err(format!("cargo: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(told)
}
