//! `--dry-run` on everything that sends: every verb of the command line is walked, each with what it sends or why it sends nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use clap::{CommandFactory, FromArgMatches};

use super::output::Output;
use super::{Line, help, run};
use crate::words::{Lang, Words};

/// A line of every verb that changes something the daemon keeps or sends. `FILE`, `TERMS`, `COMPACT` and `CARD` stand for files.
const SENDS: &[&str] = &[
    "clock correct",
    "store confirm --missing nothing",
    "root confirm --code 12345",
    "officer add LI --seat liaison --can create",
    "officer reset LI",
    "cert renew LI",
    "device invite --for LI",
    "card set --address node.example:4600",
    "partner add CARD --unchecked",
    "partner set beiling --alias north",
    "agreement offer TERMS --to beiling",
    "agreement accept 7c1e0a11",
    "agreement decline 7c1e0a11 --reason too-wide",
    "agreement renew 7c1e0a11 --to 2028-11-30",
    "agreement amend 7c1e0a11 TERMS",
    "agreement suspend 7c1e0a11 --reason inquiry",
    "agreement resume 7c1e0a11",
    "agreement end 7c1e0a11 --reason reorganisation",
    "compact new COMPACT",
    "compact amend River-compact COMPACT",
    "compact import FILE",
    "compact sign River-compact",
    "compact deviate River-compact beiling TERMS",
    "bulletin new --text x --title t --category CRIM.MODUS",
    "bulletin publish --text x --title t --category CRIM.MODUS --to beiling",
    "bundle pack --for beiling",
    "bundle unpack FILE",
    "case open --text x --title t --category CRIM.SERIES --with beiling",
    "case continue 3f9a12cd --text x --title t --with beiling",
    "case note 3f9a12cd --text x",
    "access grant 3f9a12cd yunhu",
    "access cut 3f9a12cd yunhu",
    "access admit 3f9a12cd",
    "access void 3f9a12cd 77c1e0 --reason why",
    "access erase 3f9a12cd 77c1e0",
    "file add 3f9a12cd FILE",
    "access reclassify 3f9a12cd red",
    "access end 3f9a12cd",
    "access adopt 3f9a12cd",
    "access disown 3f9a12cd",
    "access confirm",
    "held reenter 3f9a12cd",
    "held admit 3f9a12cd",
    "hold place 3f9a12cd --reason court",
    "hold lift 3f9a12cd",
    "retention confirm 3f9a12cd",
    "onward ask 3f9a12cd yunhu --purpose same-series",
    "onward grant 77c1e0aa",
    "onward refuse 77c1e0aa --reason harm",
    "onward consent 77c1e0aa",
];

/// Verbs that only read, that concern this machine alone, or that refuse `--dry-run` because there is nothing to foresee. The last four of
/// `root` hand a finished paper in by one function that passes `--dry-run` on; without keys there is nothing to hand in.
const SENDS_NOTHING: &[&str] = &[
    "init",
    "demo",
    "run",
    "device join",
    "backup create",
    "backup verify",
    "backup restore",
    "store verify",
    "store compact",
    "store repair",
    "ledger show",
    "ledger diff",
    "config check",
    "config show",
    "status",
    "doctor",
    "login",
    "logout",
    "whoami",
    "officer list",
    "officer show",
    "device list",
    "device show",
    "card show",
    "card export",
    "partner test",
    "partner list",
    "partner show",
    "agreement template",
    "agreement diff",
    "agreement print",
    "agreement list",
    "agreement show",
    "compact template",
    "compact export",
    "compact status",
    "compact list",
    "bulletin list",
    "bulletin show",
    "bundle show",
    "case list",
    "case show",
    "access list",
    "file get",
    "file list",
    "access explain",
    "access pending",
    "held list",
    "held show",
    "hold list",
    "retention list",
    "onward list",
    "onward show",
    "proof export",
    "proof verify",
    "journal export",
    "journal anchor",
    "inbox",
    "events",
    "completion",
    "root list",
    "root rotate",
    "root sign",
    "root appoint",
    "root clock-reset",
];

fn leaves(command: &clap::Command, path: &str, out: &mut BTreeSet<String>) {
    if command.get_subcommands().next().is_none() {
        out.insert(path.to_owned());
    }
    for verb in command.get_subcommands() {
        let at = if path.is_empty() { verb.get_name().to_owned() } else { format!("{path} {}", verb.get_name()) };
        leaves(verb, &at, out);
    }
}

/// A daemon that answers "done" to everything and tells what it was asked.
fn serve(data: &Path) -> Receiver<String> {
    let folder = data.join("run");
    std::fs::create_dir_all(&folder).expect("a folder");
    let listener = UnixListener::bind(folder.join("api.sock")).expect("a free socket");
    let (told, asked) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut first, mut length) = (String::new(), 0);
            if reader.read_line(&mut first).is_err() || first.is_empty() {
                continue;
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a header");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let card = r#"{"view":"card","bureau":"b","name":"n","checking_code":"c","addresses":[],"phone":"p","text":"t"}"#;
            let view = match first.split(' ').nth(1).and_then(|path| path.split('?').next()) {
                Some("/v1/card") if first.starts_with("GET") => card,
                Some("/v1/devices") if first.starts_with("GET") => r#"{"view":"devices","devices":[]}"#,
                _ => r#"{"view":"done","id":null}"#,
            };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(format!("{head}{view}").as_bytes());
            if told.send(first.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    asked
}

#[test]
fn every_verb_that_sends_foresees_under_dry_run_and_none_sends_after_all() {
    let mut all = BTreeSet::new();
    leaves(&Line::command(), "", &mut all);
    let starts = |line: &str, verb: &str| line == verb || line.starts_with(&format!("{verb} "));
    let unsaid: Vec<&String> =
        all.iter().filter(|verb| !SENDS_NOTHING.contains(&verb.as_str()) && !SENDS.iter().any(|line| starts(line, verb))).collect();
    assert!(unsaid.is_empty(), "say of each new verb whether it sends: {unsaid:?}");
    assert!(SENDS_NOTHING.iter().all(|verb| all.contains(*verb)), "a verb in the table that is none");

    let dir = tempfile::tempdir().expect("a temporary folder");
    let asked = serve(dir.path());
    let words = Words::of(Lang::En);
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let terms = file("terms.toml", &crate::terms::template(Lang::En, 1_796_054_400));
    let compact = file("compact.toml", &crate::terms::compact_template(Lang::En, 1_796_054_400));
    let (card, text) = (file("card.txt", "card"), file("compact.txt", "text"));
    let mut silent = Vec::new();
    for line in SENDS {
        let data = format!("--data={}", dir.path().display());
        let typed = line.split(' ').map(|word| match word {
            "TERMS" => terms.clone(),
            "COMPACT" => compact.clone(),
            "CARD" => card.clone(),
            "FILE" => text.clone(),
            word => word.to_owned(),
        });
        let line: Vec<String> =
            ["accord".to_owned(), data, "--dry-run".into(), "--json".into(), "--lang=en".into()].into_iter().chain(typed).collect();
        let matches = help::translated(words).try_get_matches_from(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let parsed = Line::from_arg_matches(&matches).expect("parses");
        let done = run(parsed, words, Output::of_process(words, true, true));
        let posts: Vec<String> = asked.try_iter().filter(|first| first.starts_with("POST ")).collect();
        for post in &posts {
            assert!(post.contains("dry_run=true"), "{line:?} sends after all: {post}");
        }
        if posts.is_empty() {
            silent.push((line, done.err()));
        }
    }
    assert!(silent.is_empty(), "these foresee nothing: {silent:#?}");
}
