//! The mutants, as cargo-mutants lists them: what is mutated is its choice alone.

use crate::Fault;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// One mutant of cargo-mutants.
pub struct Mutant {
    /// The number of its switch, from 1.
    pub id: u32,
    /// Its name in cargo-mutants: `file:line:column: description`.
    pub name: String,
    /// The file, from the root of the tree.
    pub file: String,
    /// cargo-mutants' word for what kind of change it is.
    pub genre: String,
    /// What takes the place of the span.
    pub replacement: String,
    /// Where in the file, in bytes.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// The line of source it begins in, trimmed.
    pub excerpt: String,
}

impl Mutant {
    /// What is changed, without the place: `replace == with != in Verb::from_word`.
    pub fn description(&self) -> &str {
        self.name.splitn(4, ':').nth(3).unwrap_or(&self.name).trim_start()
    }
    /// What stays the same when lines are added above: file, description and line of source.
    pub fn key(&self) -> (String, String, String) {
        (self.file.clone(), self.description().to_owned(), self.excerpt.clone())
    }
}

/// Asks cargo-mutants for all mutants of `root`'s rule functions.
pub fn list(root: &Path) -> Result<Vec<Mutant>, Fault> {
    let asked = Command::new("cargo").args(["mutants", "-p", "accord-protocol", "--list", "--json"]).current_dir(root).output()?;
    if !asked.status.success() {
        return Err(format!("cargo mutants --list: {}", String::from_utf8_lossy(&asked.stderr)).into());
    }
    let listed: Vec<Value> = serde_json::from_slice(&asked.stdout)?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (at, one) in listed.iter().enumerate() {
        let file = text(&one["file"])?;
        if !texts.contains_key(&file) {
            texts.insert(file.clone(), std::fs::read_to_string(root.join(&file))?);
        }
        let source = &texts[&file];
        let (start, excerpt) = place(source, &one["span"]["start"])?;
        let (end, _) = place(source, &one["span"]["end"])?;
        found.push(Mutant {
            id: u32::try_from(at + 1)?,
            name: text(&one["name"])?,
            genre: text(&one["genre"])?,
            replacement: text(&one["replacement"])?,
            file,
            start,
            end,
            excerpt,
        });
    }
    Ok(found)
}

fn text(value: &Value) -> Result<String, Fault> {
    Ok(value.as_str().ok_or("cargo-mutants lists in another form than version 27")?.to_owned())
}

/// Line and column (from 1, in characters) as a byte, and that line.
fn place(source: &str, at: &Value) -> Result<(usize, String), Fault> {
    let number = |name: &str| at[name].as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    let (line, column) = number("line").zip(number("column")).ok_or("a span without line and column")?;
    let before: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let this = source[before..].split('\n').next().unwrap_or_default();
    let within = this.char_indices().nth(column - 1).map_or(this.len(), |(byte, _)| byte);
    Ok((before + within, this.trim().to_owned()))
}
