//! What the pages for newcomers show is taken at its word: their command lines parse, and the files they start from can be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::FromArgMatches;

use super::bulletin::BulletinVerb;
use super::case::CaseVerb;
use super::output::Output;
use super::{Context, Globals, Line, Verb, help};
use crate::words::{Lang, Words};
use crate::{terms, text_input};

const PAGES: [&str; 3] = ["README.md", "README.zh-CN.md", "docs/OPERATIONS.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lines of `accord` in fenced blocks, without what is said about them.
fn commands(page: &str) -> Vec<&str> {
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or(line).trim());
    lines.filter_map(|line| line.find("accord ").filter(|at| *at == 0 || line.starts_with("sudo -u accord ")).map(|_| line)).collect()
}

#[test]
fn every_command_line_of_the_pages_parses_and_every_draft_they_show_is_whole() {
    let words = Words::of(Lang::En);
    let cx = Context { globals: Globals::default(), words, out: Output::of_process(words, true, true) };
    for name in PAGES {
        let text = page(name);
        let lines = commands(&text);
        let mut drafts = 0;
        for line in &lines {
            let words_typed = line.strip_prefix("sudo -u accord ").unwrap_or(line).split_whitespace();
            let matches =
                help::translated(words).try_get_matches_from(words_typed).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
            let parsed = Line::from_arg_matches(&matches).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
            let mut draft = match parsed.verb {
                Some(Verb::Bulletin(BulletinVerb::Publish { draft, .. }) | Verb::Case(CaseVerb::Open { draft, .. })) => draft,
                _ => continue,
            };
            draft.text.file = draft.text.file.map(|file| root().join(file));
            draft.read(&cx).unwrap_or_else(|failure| panic!("{name}: {line}: {failure} {:?}", failure.params));
            drafts += 1;
        }
        assert!(lines.len() >= 2, "{name}: the scan saw only {lines:?}");
        assert!(drafts >= 3 || !name.starts_with("README"), "{name}: the scan saw only {drafts} drafts");
    }
}

#[test]
fn every_example_file_that_the_pages_name_or_the_folder_holds_can_be_read() {
    let mut files = BTreeSet::new();
    for name in PAGES {
        let text = page(name);
        let named = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "/._-".contains(letter)));
        files.extend(named.filter(|word| word.starts_with("examples/")).map(|word| root().join(word.trim_end_matches(['.', '/']))));
    }
    assert!(files.contains(&root().join("examples/agreement.toml")), "{files:?}");
    for folder in ["examples", "examples/texts"] {
        let held = std::fs::read_dir(root().join(folder)).expect("readable").map(|entry| entry.expect("readable").path());
        files.extend(held.filter(|path| !path.ends_with("Cargo.toml")));
    }
    let (mut agreements, mut texts) = (0, 0);
    for file in files {
        let shown = file.display();
        assert!(file.exists(), "{shown} is not there");
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if end == "toml" || end == "md" || end == "txt" {
            let text = text_input::read(&file).unwrap_or_else(|failure| panic!("{shown}: {failure} {:?}", failure.params)).text;
            if end == "toml" {
                terms::read(&text).unwrap_or_else(|failure| panic!("{shown}: {failure} {:?}", failure.params));
                agreements += 1;
            } else {
                text_input::title_of(&text).unwrap_or_else(|failure| panic!("{shown}: {failure} {:?}", failure.params));
                texts += 1;
            }
        }
    }
    assert!(agreements >= 1 && texts >= 10, "{agreements} agreements, {texts} texts");
}
