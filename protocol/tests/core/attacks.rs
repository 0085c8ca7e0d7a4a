//! `docs/ATTACKS.md` names a test for every attack on the design: the names are tests, and no entry is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace").to_owned()
}

/// Every function behind `#[test]`, or inside a `proptest!`, of the workspace.
fn tests(folder: &Path, out: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                tests(&path, out);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[") {
                    marked |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
                } else if let Some(name) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                    if marked {
                        out.extend(name.split('(').next().map(str::to_owned));
                    }
                    marked = false;
                }
            }
        }
    }
}

#[test]
fn every_attack_names_tests_that_exist() {
    let table = std::fs::read_to_string(top().join("docs/ATTACKS.md")).expect("the table is there");
    let mut known = BTreeSet::new();
    for folder in ["keys", "protocol", "node", "tests"] {
        tests(&top().join(folder), &mut known);
    }
    let mut entries = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (entry, cited) = (cells[0], cells[cells.len() - 1]);
        if entry.is_empty() || entry.starts_with('-') {
            continue;
        }
        entries.insert(entry.to_owned());
        let names: Vec<&str> = cited.split('`').skip(1).step_by(2).collect();
        wrong.extend(
            names.iter().filter(|name| name.contains('_') && !known.contains(**name)).map(|name| format!("{entry}: no test {name}")),
        );
        if !names.iter().any(|name| name.contains('_')) && !cited.contains("**open**") {
            wrong.push(format!("{entry}: neither a test nor open"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all = [("F", 11), ("S", 30), ("M", 12)].into_iter().flat_map(|(kind, most)| (1..=most).map(move |n| format!("{kind}{n}")));
    assert_eq!(entries, all.collect(), "every entry of the catalogue has its line");
}
