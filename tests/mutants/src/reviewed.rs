//! The reviewed list of mutants that change nothing: `tests/mutants/equivalents.txt`.
//!
//! Three lines each: `file: description` as cargo-mutants prints it without line and column (and ` #2` behind it for the second such of one
//! line), `at:` the line of source, `because:` the reason. What begins with `#` is a comment.

use crate::{Fault, Name};
use std::collections::BTreeSet;
use std::path::Path;

/// Reads the list. Without a reason nothing is reviewed.
pub fn read(path: &Path) -> Result<BTreeSet<Name>, Fault> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = BTreeSet::new();
    while let Some(head) = lines.next() {
        let at = lines.next().and_then(|line| line.strip_prefix("at: ")).ok_or(format!("{head}: no `at:` line"))?;
        lines.next().and_then(|line| line.strip_prefix("because: ")).ok_or(format!("{head}: no `because:` line"))?;
        let (file, description) = head.split_once(": ").ok_or(format!("{head}: no `file: description`"))?;
        let (description, nth) = match description.rsplit_once(" #").and_then(|(name, nth)| Some((name, nth.parse().ok()?))) {
            Some((name, nth)) => (name, nth),
            None => (description, 1),
        };
        found.insert((file.to_owned(), description.to_owned(), at.to_owned(), nth));
    }
    Ok(found)
}
