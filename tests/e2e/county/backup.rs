//! A node burns and is made again of its backup.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::harness::*;
use super::trio::{journal, note, records, shows};

/// A path as an argument.
fn text(path: &std::path::Path) -> String {
    path.to_str().expect("plain path").to_owned()
}

#[test]
fn a_node_that_burned_comes_back_from_its_backup_by_the_paper_key_keeps_still_and_loses_nothing_its_partner_has() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    let thread = case(&a, &b);
    note(&a, &thread, "备份之前。");
    let file = a.file("a.backup");

    // The backup is made while entries are written.
    let stop = AtomicBool::new(false);
    let (made, told) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (client, path) = (a.client(), format!("/v1/cases/{thread}/entries"));
            let mut told = Vec::new();
            for n in 0.. {
                if stop.load(Ordering::SeqCst) && n > 2 {
                    break;
                }
                let marker = format!("暗记{n}。");
                client.post::<Value>(&path, &json!({"kind": "note", "text": marker}), false).expect("writing goes on");
                told.push(marker);
            }
            told
        });
        let made = a.json(&["backup", "create", &text(&file)]);
        stop.store(true, Ordering::SeqCst);
        (made, writer.join().expect("the writer"))
    });
    assert_eq!(made["bytes"].as_u64(), std::fs::metadata(&file).ok().map(|facts| facts.len()), "{made}");
    a.refused(&["backup", "create", &text(&file)], 2, "file_exists");
    let lines = journal(&a, &["--kind", "backup"]);
    assert!(lines.len() == 1, "a backup is no secret: {lines:?}");

    // Whole, and with any of its keys it opens to the end.
    let (paper, pass) = (a.file("recovery"), a.pass("node"));
    let seen = a.json(&["backup", "verify", &text(&file)]);
    assert_eq!((&seen["opened"], &seen["batches"]), (&json!(false), &made["batches"]), "{seen}");
    for (flag, key) in [("--recovery-key-file", &paper), ("--passphrase-file", &pass)] {
        let seen = a.json(&["backup", "verify", &text(&file), flag, &text(key)]);
        assert!(seen["opened"] == true && seen["documents"].as_u64() >= Some(1) && seen["damage"] == json!([]), "{seen}");
    }
    let bytes = std::fs::read(&file).expect("readable");
    let broken = a.file("broken");
    std::fs::write(&broken, &bytes[..bytes.len() - 5]).expect("written");
    a.refused(&["backup", "verify", &text(&broken)], 1, "backup_truncated");
    a.refused(&["backup", "verify", &text(&a.file("card"))], 1, "backup_foreign");
    a.refused(&["backup", "verify", &text(&file), "--recovery-key-file", &text(&b.file("recovery"))], 1, "backup_key");

    // What only the partner has afterwards.
    note(&a, &thread, "备份之后。");
    let lost = a.publishes("备份之后的通报", &b.name);
    b.receives(&lost);
    until("all is at the partner", || (shows(&b, &thread, "备份之后。") && told.iter().all(|one| shows(&b, &thread, one))).then_some(()));
    let before = records(&a, &thread);
    a.kill();
    b.stop();
    let (from, by) = (text(&file), text(&paper));
    let restore = ["backup", "restore", &from, "--recovery-key-file", &by];
    a.refused(&restore, 2, "data_exists");
    std::fs::remove_dir_all(&a.data).expect("it burned");
    let again = a.json(&restore);
    assert!(again["state"] == "catching_up" && again["documents"].as_u64() >= Some(1), "{again}");

    // It knows by itself, before anybody could tell.
    a.start();
    a.login();
    assert_eq!(a.status()["catching_up"], json!(["restored"]));
    assert!(shows(&a, &thread, "备份之前。") && !shows(&a, &thread, "备份之后。"));
    a.refused(&["access", "grant", &thread, &b.name, "--yes"], 1, "not_the_registrar");
    note(&a, &thread, "恢复之时。");
    a.stop();
    a.start();
    a.login();
    assert_eq!(a.status()["catching_up"], json!(["restored"]), "a restart is no confirmation");
    a.refused(&["store", "confirm", "--missing", "无", "--yes"], 1, "partners_not_heard_yet");
    b.start();
    b.login();
    until("the lost entries are back", || {
        (shows(&a, &thread, "备份之后。") && told.iter().all(|one| shows(&a, &thread, one))).then_some(())
    });
    a.receives(&lost);
    assert!(!shows(&b, &thread, "恢复之时。"), "something went out of a store that may be an older one");
    assert!(records(&a, &thread).starts_with(&before[..1]), "no record was written over");
    until("the partner was heard", || {
        let done = a.cli(&["--json", "store", "confirm", "--missing", "备份之后半天", "--yes"]);
        assert!(done.code == 0 || done.problem_code() == "partners_not_heard_yet", "{done:?}");
        (done.code == 0).then_some(())
    });
    assert_eq!(a.status()["catching_up"], json!([]));
    until("what was written meanwhile goes out", || shows(&b, &thread, "恢复之时。").then_some(()));
    note(&b, &thread, "乙方之后。");
    note(&a, &thread, "甲方之后。");
    until("both at both", || {
        [&a, &b].iter().all(|bureau| shows(bureau, &thread, "乙方之后。") && shows(bureau, &thread, "甲方之后。")).then_some(())
    });
    same(&thread, &[&a, &b]);
    same(&lost, &[&a, &b]);
    for bureau in [&a, &b] {
        let events = bureau.json(&["events", "--since", "0"]);
        assert!(events["events"].as_array().is_some_and(|events| events.iter().all(|event| event["kind"] != "fork")), "{events}");
    }
}

#[test]
fn a_stopped_node_is_backed_up_with_its_passphrase_and_comes_back_by_a_copy_of_its_keys() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::open(dir.path(), "甲县公安局");
    let made = a.json(&["bulletin", "new", "--text", "一份草稿\n\n内容。", "--category", "CRIM.SERIES"]);
    let draft = made["id"].as_str().expect("an id").to_owned();
    a.stop();
    let (file, pass) = (a.file("a.backup"), a.pass("node"));
    let create = a.cli(&["--json", "backup", "create", &text(&file), "--passphrase-file", &text(&pass)]);
    assert_eq!(create.code, 0, "{create:?}");
    let progress = create.err.lines().filter(|line| line.starts_with("{\"progress\":")).count();
    assert!(progress >= 2, "a program is told how far it is: {create:?}");
    let safe = a.file("safe");
    assert!(std::process::Command::new("cp").arg("-a").arg(a.data.join("keys")).arg(&safe).status().expect("cp").success());
    std::fs::remove_dir_all(&a.data).expect("it burned");
    a.json(&["backup", "restore", &text(&file), "--keys", &text(&safe), "--passphrase-file", &text(&pass)]);
    a.start();
    a.login();
    assert_eq!(a.status()["catching_up"], json!(["restored"]));
    assert!(a.document(&draft).is_some());
    let verified = a.cli(&["--json", "backup", "verify", &text(&file), "--passphrase-file", &text(&pass)]);
    assert_eq!(verified.code, 0, "the restored keys open it: {verified:?}");
}
