//! The good days: the demo, and one bureau's life from `init` to `logout` on the command line.

use serde_json::Value;

use super::harness::*;

#[test]
fn the_demo_keeps_its_promises_and_its_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let keep = dir.path().join("kept");
    let mut command = accord();
    command.args(["demo", "--json", "--keep"]).arg(&keep);
    let done = ran(command);
    assert_eq!(done.code, 0, "{done:?}");
    let last: Value = serde_json::from_str(done.out.lines().last().expect("a line")).expect("one object");
    let number = |name: &str| last[name].as_u64().unwrap_or_else(|| panic!("{name} in {last}"));
    assert_eq!((number("bureaus"), number("laptops"), number("leaked_bytes"), number("lost")), (3, 1, 0, 0));
    assert_eq!(last["converged"], true);
    assert!(number("documents") >= 5 && number("changes") > number("documents") && number("acknowledged") >= 50, "{last}");
    assert!(last["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    for node in ["a", "b", "c", "laptop"] {
        assert!(keep.join(node).join("store/journal").is_dir(), "{node} was not kept");
        let log = std::fs::read_to_string(keep.join(node).join("log")).expect("a log");
        assert!(!log.contains("panicked"), "{log}");
    }
    let mut again = accord();
    again.args(["demo", "--json", "--keep"]).arg(&keep);
    let refused = ran(again);
    assert_eq!((refused.code, refused.problem_code().as_str()), (2, "folder_not_empty"));
}

#[test]
fn a_bureau_lives_a_day_on_the_command_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    a.refused(&["status"], 3, "daemon_not_running");
    a.json(&["config", "check"]);
    a.json(&["config", "show"]);
    a.start();
    a.refused(&["case", "open", "--text", "x", "--category", "TRAF", "--with", "乙县公安局"], 1, "not_logged_in");
    a.login();
    let mut b = Bureau::open(dir.path(), "乙县公安局");
    assert_eq!(a.json(&["whoami"])["officers"][0]["name"], OFFICER);

    // Cards, with the code read out on the phone.
    a.knows(&b);
    b.knows(&a);
    a.connected(&b.name);

    // An agreement from a file.
    assert!(a.json(&["agreement", "template"])["template"].as_str().is_some_and(|text| text.contains("[[grants]]")));
    let agreement = agree(&a, &b, &terms(now() + 86_400 * 90, GRANTS));
    assert_eq!(b.json(&["agreement", "show", &agreement[..8]])["agreements"][0]["version"], 1);
    assert!(a.json(&["partner", "test", &b.name]).as_array().is_some_and(|found| found.iter().all(|one| one["ok"] == true)));

    // Bulletins out of the files that offices have: GB18030, with a byte order mark, with CRLF.
    for (file, category, word) in
        [("hit-and-run-vehicle.txt", "TRAF", "车"), ("fire-hazard.md", "FIRE.HAZ", "消防"), ("flood-warning.txt", "FIRE.HAZ", "水")]
    {
        let path = example(file);
        let line = ["bulletin", "publish", "-f", path.to_str().expect("plain path"), "--category", category, "--to", &b.name];
        let before = a.status()["documents"].as_u64();
        let foreseen = a.json(&[&line[..], &["--dry-run"]].concat());
        assert_eq!((&foreseen["dry_run"], &foreseen["receivers"][0]["will_receive"]), (&true.into(), &true.into()), "{foreseen}");
        assert_eq!(a.status()["documents"].as_u64(), before, "a dry run makes nothing");
        let sent = a.json(&[&line[..], &["--yes"]].concat());
        let id = sent["id"].as_str().expect("an id");
        let shown = b.receives(id);
        let text = shown["text"].as_str().expect("text");
        assert!(text.contains(word) && !text.contains(['\r', '\u{feff}', '\u{fffd}']), "{file}: {text}");
        assert_eq!(shown["line"]["owner_name"], a.name.as_str());
        same(id, &[&a, &b]);
    }
    let draft = a.json(&["bulletin", "new", "--text", "草稿\n\n待核。", "--category", "CRIM.SERIES"]);
    let draft = draft["id"].as_str().expect("an id").to_owned();
    let published = a.json(&["bulletin", "publish", &draft[..12], "--to", &b.name, "--yes"]);
    b.receives(published["id"].as_str().expect("an id"));
    assert!(b.document(&draft).is_none(), "a draft stays in its bureau");

    // A case both write.
    let case = case(&a, &b);
    a.json(&["case", "note", &case, "--text", "甲方走访。"]);
    b.json(&["case", "note", &case, "--text", "乙方调取监控。", "--kind", "finding"]);
    until("both entries on both sides", || {
        [&a, &b]
            .iter()
            .all(|bureau| bureau.document(&case).is_some_and(|view| view["entries"].as_array().is_some_and(|e| e.len() >= 3)))
            .then_some(())
    });
    same(&case, &[&a, &b]);

    // Access: seen, ended, given back.
    let holders = a.json(&["access", "list", &case]);
    assert!(holders["holders"].as_array().is_some_and(|list| list.iter().any(|holder| holder["name"] == b.name.as_str())), "{holders}");
    a.refused(&["access", "cut", &case, &b.name], 2, "not_a_terminal");
    a.json(&["access", "cut", &case, &b.name, "--yes"]);
    a.json(&["case", "note", &case, "--text", "截止之后。"]);
    let other = a.publishes("截止之后的通报", &b.name);
    b.receives(&other);
    let seen = b.document(&case).expect("what was given stays");
    assert!(!seen.to_string().contains("截止之后。"), "an entry reached a bureau after its access was cut");
    a.json(&["access", "grant", &case, &b.name, "--verb", "append", "--yes"]);
    until("the entry arrives with the new grant", || b.document(&case).filter(|view| view.to_string().contains("截止之后。")));

    // What lies around: every reading command in both languages, and as JSON.
    let reading: &[&[&str]] = &[
        &[],
        &["status"],
        &["whoami"],
        &["inbox"],
        &["events", "--since", "0"],
        &["officer", "list"],
        &["officer", "show", OFFICER],
        &["device", "list"],
        &["card", "show"],
        &["partner", "list"],
        &["partner", "show", &b.name],
        &["agreement", "list"],
        &["agreement", "show", &agreement],
        &["bulletin", "list"],
        &["bulletin", "show", &other],
        &["case", "list"],
        &["case", "show", &case],
        &["access", "list", &case],
        &["doctor"],
        &["completion", "bash"],
    ];
    for line in reading {
        a.json(line);
        for lang in ["zh", "en"] {
            let told = a.cli(&[&["--lang", lang], *line].concat());
            assert_eq!(told.code, 0, "{line:?}: {told:?}");
            assert!(
                !told.out.trim().is_empty() && !told.out.contains(['{', '}']) || line == &["completion", "bash"],
                "{line:?}: {}",
                told.out
            );
        }
    }
    let findings = a.json(&["doctor"]);
    for check in ["disk", "keys", "ports", "clock", "partner"] {
        assert!(
            findings.as_array().is_some_and(|found| found.iter().any(|one| one["check"] == check && one["ok"] == true)),
            "{check}: {findings}"
        );
    }
    assert!(b.json(&["inbox"])["items"].as_array().is_some_and(|items| !items.is_empty()));

    // Words that do not exist, things that do not exist.
    a.refused(&["bulletn"], 2, "usage_unknown_verb");
    a.refused(&["bulletin", "show", "ffffffffffff"], 1, "unknown_document");
    a.refused(&["partner", "show", "丙县"], 1, "unknown_partner");

    a.json(&["logout"]);
    a.refused(&["case", "note", &case, "--text", "x"], 1, "not_logged_in");
    a.stop();
    b.stop();
    a.refused(&["inbox"], 3, "daemon_not_running");
}

#[test]
fn a_long_thread_is_read_back_beside_the_loop_and_still_goes_both_ways() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    let id = case(&a, &b);
    // More changes than are shown, and more bytes than are read back, inside the loop.
    let note = "走访记录。".repeat(120);
    for bureau in [&a, &b] {
        let client = bureau.client();
        for at in 0..160 {
            let entry = serde_json::json!({ "kind": "note", "text": format!("{at} {note}") });
            client.post::<Value>(&format!("/v1/cases/{id}/entries"), &entry, false).expect("written");
        }
    }
    let before = same(&id, &[&a, &b]);
    for bureau in [&mut a, &mut b] {
        bureau.stop();
        bureau.start();
        bureau.login();
    }
    // Both have only what is on disk: the first to write and the one that hears of it read the thread back, people look meanwhile.
    std::thread::scope(|scope| {
        scope.spawn(|| a.json(&["case", "note", &id, "--text", "复核。"]));
        for _ in 0..4 {
            scope.spawn(|| assert!(b.document(&id).is_some_and(|shown| shown["cannot_show"] == false)));
            scope.spawn(|| assert!(b.status()["documents"].as_u64().is_some()));
        }
    });
    until("the entry at both", || (same(&id, &[&a, &b]) != before).then_some(()));
}
