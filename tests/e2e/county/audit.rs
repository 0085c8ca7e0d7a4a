//! What an auditor sees, and what everybody can check without us.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::harness::*;
use super::trio::{journal, note};

const AUDITOR: &str = "审计员";
const AUDITOR_PASS: &str = "auditor horse bridle";

/// A bureau with a thread, a partner and an auditor.
fn audited(dir: &Path) -> (Bureau, Bureau, String) {
    let (a, b) = pair(dir);
    let thread = case(&a, &b);
    note(&b, &thread, "嫌疑人着红衣。");
    until("at the owner", || a.document(&thread).filter(|view| view.to_string().contains("红衣")));
    a.json(&["officer", "add", AUDITOR, "--can", "audit", "--seat", "督察"]);
    let pass = private(&a.file("auditor.pass"), AUDITOR_PASS);
    a.json(&["login", AUDITOR, "--passphrase-file", pass.to_str().expect("plain path")]);
    (a, b, thread)
}

#[test]
fn an_auditor_reads_the_account_and_nothing_else_and_finds_every_denial_in_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b, thread) = audited(dir.path());
    let other =
        a.json(&["--as", OFFICER, "bulletin", "publish", "--text", "黑色轿车", "--category", "CRIM.SERIES", "--to", &b.name, "--yes"]);
    b.receives(other["id"].as_str().expect("an id"));
    // Whoever may only audit is refused everything else, whether it shows or makes something.
    for line in [
        &["bulletin", "list"][..],
        &["bulletin", "show", &thread],
        &["case", "list"],
        &["case", "show", &thread],
        &["inbox"],
        &["events", "--since", "0"],
        &["access", "list", &thread],
        &["access", "explain", &thread, &b.name],
    ] {
        a.refused(&[&["--as", AUDITOR], line].concat(), 1, "auditor_reads_accounts");
    }
    let proof = a.file("stolen.proof");
    let proof = proof.to_str().expect("plain path");
    a.refused(&["--as", AUDITOR, "proof", "export", &thread, "--out", proof], 1, "auditor_reads_accounts");
    for line in [
        &["bulletin", "new", "--text", "x", "--category", "TRAF"][..],
        &["case", "note", &thread, "--text", "x"],
        &["access", "cut", &thread, &b.name, "--yes"],
        &["officer", "add", "某人"],
    ] {
        a.refused(&[&["--as", AUDITOR], line].concat(), 1, "not_allowed");
    }
    // Also when nobody says who asks, and no other officer is there.
    a.json(&["logout", OFFICER]);
    a.refused(&["bulletin", "show", &thread], 1, "auditor_reads_accounts");

    // By document, partner, person, kind, time; never content.
    let all = journal(&a, &[]);
    let text: String = all.iter().map(Value::to_string).collect();
    for word in ["红衣", "串案", "情况如下", "黑色轿车"] {
        assert!(!text.contains(word), "the account quotes content: {word}");
    }
    let count = |lines: &[Value], of: &dyn Fn(&Value) -> bool| lines.iter().filter(|line| of(line)).count();
    let is = |name: &'static str, value: &str| {
        let value = value.to_owned();
        move |line: &Value| line[name] == value.as_str()
    };
    let last_batch = all.last().and_then(|line| line["batch"].as_u64());
    let same = |filters: &[&str], of: &dyn Fn(&Value) -> bool| {
        // The node goes on writing: what came after `all` was read is not compared.
        let mut some = journal(&a, filters);
        some.retain(|line| line["batch"].as_u64() <= last_batch);
        assert!(!some.is_empty() && some.iter().all(of), "{filters:?}: {some:?}");
        assert_eq!(some.len(), count(&all, of), "{filters:?} leaves something out");
    };
    same(&["--document", &thread], &is("document", &thread));
    same(&["--partner", &b.name], &is("partner_name", &b.name));
    same(&["--person", OFFICER], &is("person", OFFICER));
    same(&["--kind", "sent,delivered"], &|line| line["kind"] == "sent" || line["kind"] == "delivered");
    same(&["--kind", "sent", "--document", &thread], &|line| line["kind"] == "sent" && line["document"] == thread.as_str());
    let (first, last) = (all[0]["at"].as_u64().expect("a time"), all[all.len() - 1]["at"].as_u64().expect("a time"));
    assert!(first < last);
    let after = journal(&a, &["--since", &stamp(last + 3_600)]);
    assert!(after.is_empty(), "{after:?}");
    let until = journal(&a, &["--until", &stamp(first)]);
    assert!(until.iter().all(|line| line["at"].as_u64() <= Some(first)) && until.len() < all.len(), "{until:?}");

    // Every attempt that was refused is there, with who tried what.
    let denied = journal(&a, &["--kind", "refused", "--person", AUDITOR]);
    // `refused` above runs each line in JSON, in Chinese and in English.
    let tried = |code: &str| count(&denied, &is("detail", code));
    assert_eq!((tried("auditor_reads_accounts"), tried("not_allowed")), (10 * 3, 4 * 3), "{denied:?}");
    assert!(count(&denied, &is("document", &thread)) >= 15, "{denied:?}");
    // And so is every reading of the account itself.
    let read = journal(&a, &["--kind", "journal_read", "--person", AUDITOR]);
    assert!(read.len() >= 10, "{read:?}");
    // Whoever may not audit does not read it.
    a.json(&["logout"]);
    a.refused(&["journal", "export"], 1, "not_logged_in");
    a.refused(&["journal", "anchor"], 1, "not_logged_in");
}

fn stamp(at: u64) -> String {
    let mut date = Command::new("date");
    date.args(["-u", "-d", &format!("@{at}"), "+%Y-%m-%dT%H:%M:%SZ"]);
    ran(date).out.trim().to_owned()
}

#[test]
fn the_head_of_the_journal_is_printed_and_moves_with_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, b, thread) = audited(dir.path());
    a.json(&["logout", OFFICER]);
    let head = |bureau: &Bureau| bureau.json(&["journal", "anchor"]);
    let first = head(&a);
    assert_eq!((first["name"].as_str(), first["head"].as_str().map(str::len)), (Some(a.name.as_str()), Some(64)), "{first}");
    note(&b, &thread, "又一条。");
    until("at the owner", || {
        let lines = journal(&a, &["--kind", "admitted"]);
        (lines.len() >= 2).then_some(())
    });
    let second = head(&a);
    assert_ne!(first["head"], second["head"]);
    assert!(second["batches"].as_u64() > first["batches"].as_u64());
    // On paper in both languages, in groups a person can compare.
    for (lang, word) in [("zh", "留痕日志"), ("en", "journal")] {
        let page = a.cli(&["--lang", lang, "journal", "anchor"]);
        assert_eq!(page.code, 0, "{page:?}");
        assert!(page.out.contains(word) && page.out.contains(&a.name), "{}", page.out);
    }
    // The account also opens without the daemon, by the node's passphrase, and says the same.
    let online = journal(&a, &["--kind", "sent,delivered,admitted"]);
    a.stop();
    let pass = a.pass("node");
    let offline = journal(&a, &["--kind", "sent,delivered,admitted", "--offline", "--passphrase-file", pass.to_str().expect("plain path")]);
    let bare = |lines: &[Value]| -> Vec<[Value; 5]> {
        lines.iter().map(|line| ["batch", "at", "kind", "document", "partner"].map(|name| line[name].clone())).collect()
    };
    let offline = bare(&offline);
    assert_eq!(offline[..online.len()], bare(&online)[..]);
}

/// Python with what the independent verifier imports: that of `tests/interop/run` if it was made, else the system's.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop-venv/bin/python");
    [venv, PathBuf::from("python3")].into_iter().find(|python| {
        let mut probe = Command::new(python);
        probe.args(["-c", "import blake3, cbor2, cryptography"]);
        probe.output().is_ok_and(|done| done.status.success())
    })
}

#[test]
fn a_proof_says_the_same_to_our_verifier_and_to_one_that_shares_no_line_with_us() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = pair(dir.path());
    let thread = case(&a, &b);
    note(&a, &thread, "甲方走访。");
    note(&b, &thread, "乙方调取监控。");
    until("both at the owner", || a.document(&thread).filter(|view| view["entries"].as_array().is_some_and(|e| e.len() == 3)));
    let entries = a.document(&thread).expect("ours")["entries"].clone();
    let change = |text: &str| {
        let found = entries.as_array().expect("entries").iter().find(|entry| entry["text"] == text);
        found.expect("written")["change"].as_str().expect("a hash").to_owned()
    };
    a.json(&["access", "void", &thread, &change("乙方调取监控。"), "--reason", "认错人", "--yes"]);
    a.json(&["access", "cut", &thread, &b.name, "--yes"]);
    let python = python();
    if python.is_none() {
        eprintln!("proof: no Python with blake3, cbor2 and cryptography here: run tests/interop/run once; only our own verifier is asked");
    }
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify_proof/verify.py");
    for full in [false, true] {
        let file = a.file(if full { "full.proof" } else { "plain.proof" });
        let path = file.to_str().expect("plain path");
        let mut line = vec!["proof", "export", &thread, "--out", path];
        if full {
            line.push("--full");
        }
        let written = a.json(&line);
        assert_eq!(written["document"], thread.as_str());
        // Anybody, without a node, a key or a network.
        let ours = ran({
            let mut command = accord();
            command.args(["--json", "proof", "verify", path]);
            command
        });
        assert_eq!(ours.code, 0, "{ours:?}");
        let stated = ours.json();
        assert_eq!(stated["entry"], written["entry"]);
        let said = stated.to_string();
        for word in ["甲方走访。", "乙方调取监控。", "认错人"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        let Some(python) = &python else { continue };
        let verify = |path: &str| {
            let mut command = Command::new(python);
            command.arg(&foreign).arg(path);
            ran(command)
        };
        let theirs = verify(path);
        assert_eq!((theirs.code, theirs.out.trim()), (0, ours.out.trim()), "{}", theirs.err);

        // One bit anywhere: neither is convinced.
        let whole = std::fs::read(&file).expect("written");
        for share in [1, 3, 5, 7, 9] {
            let mut bent = whole.clone();
            let at = bent.len() * share / 10;
            bent[at] ^= 0x10;
            let file = a.file("bent.proof");
            std::fs::write(&file, &bent).expect("written");
            let path = file.to_str().expect("plain path");
            let ours = ran({
                let mut command = accord();
                command.args(["--json", "proof", "verify", path]);
                command
            });
            assert!([1, 2].contains(&ours.code), "bent at {at} of {}: {ours:?}", bent.len());
            let theirs = verify(path);
            assert_eq!(theirs.code, 1, "bent at {at} of {}: {theirs:?}", bent.len());
        }
    }
}
