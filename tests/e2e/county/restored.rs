//! The registrar's data folder is put back as it was days ago.

use std::path::Path;
use std::process::Command;

use super::harness::*;
use super::trio::{Trio, case_with, goes_through, journal, note, records, shows, standing_with};

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

#[test]
fn a_restored_registrar_keeps_still_until_its_partners_told_it_and_an_officer_ruled_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let Trio { mut a, b, mut c, .. } = Trio::open(dir.path(), 60 * 86_400, 30);
    let thread = case_with(&a, &[&b, &c]);
    let between_two = case_with(&a, &[&c]);
    note(&a, &thread, "备份之前。");
    note(&a, &between_two, "给丙。");
    until("at the third bureau", || shows(&c, &between_two, "给丙。").then_some(()));
    until("at the partner", || shows(&b, &thread, "备份之前。").then_some(()));
    a.stop();
    let backup = a.file("backup");
    copy(&a.data, &backup);

    // What the copy does not know: an entry, a bulletin, and a no.
    a.start();
    a.login();
    note(&a, &thread, "备份之后。");
    let lost = a.publishes("备份之后的通报", &b.name);
    b.receives(&lost);
    until("at the partner", || shows(&b, &thread, "备份之后。").then_some(()));
    let agreement = a.json(&["partner", "show", &c.name])["partners"][0]["agreement"].as_str().expect("an id").to_owned();
    a.json(&["agreement", "suspend", &agreement, "--reason", "核查", "--yes"]);
    until("suspended", || (standing_with(&c, &a) == "suspended").then_some(()));
    a.stop();
    c.stop();
    copy(&backup, &a.data);

    a.start();
    a.login();
    until("a partner's cursor knows more", || (a.status()["catching_up"][0] == "restored").then_some(()));
    assert_eq!(standing_with(&a, &c), "in_force", "the copy knows nothing of the suspension");
    assert_eq!(a.json(&["partner", "show", &b.name])["partners"][0]["silent"], "catching_up");
    let before = records(&a, &thread);
    a.refused(&["access", "grant", &thread, &b.name, "--yes"], 1, "not_the_registrar");
    note(&a, &thread, "恢复之时。");
    // What is lost comes back all the same; nothing goes out and nothing is recorded.
    until("the lost entry is back", || shows(&a, &thread, "备份之后。").then_some(()));
    a.receives(&lost);
    goes_through(&b, &a, "乙方照常给甲");
    assert!(!shows(&b, &thread, "恢复之时。"), "something went out of a store that may be an older one");
    let told = records(&a, &thread);
    assert!(told.starts_with(&before), "{told:?}");
    let refused = a.refused(&["store", "confirm", "--missing", "无", "--yes"], 1, "partners_not_heard_yet");
    assert!(refused["params"]["seconds"].as_str().is_some_and(|seconds| seconds != "0"), "{refused}");

    // The other partner returns its cursor, and with it the no.
    c.start();
    c.login();
    until("the suspension is back", || (standing_with(&a, &c) == "suspended").then_some(()));
    a.json(&["store", "confirm", "--missing", "备份之后一个上午", "--yes"]);
    assert_eq!(a.status()["catching_up"].as_array().map(Vec::len), Some(0));
    until("what was written meanwhile goes out", || shows(&b, &thread, "恢复之时。").then_some(()));
    note(&b, &thread, "乙方之后。");
    note(&a, &between_two, "不给丙。");
    note(&a, &thread, "甲方之后。");
    until("both at both", || {
        [&a, &b].iter().all(|bureau| shows(bureau, &thread, "乙方之后。") && shows(bureau, &thread, "甲方之后。")).then_some(())
    });
    same(&thread, &[&a, &b]);
    for word in ["备份之前。", "备份之后。", "恢复之时。"] {
        assert!(shows(&a, &thread, word) && shows(&b, &thread, word), "{word} is lost");
    }
    same(&lost, &[&a, &b]);
    goes_through(&a, &b, "一切照常");
    // Two lives of one key, and no position signed twice.
    for bureau in [&a, &b] {
        let events = bureau.json(&["events", "--since", "0"]);
        assert!(events["events"].as_array().is_some_and(|events| events.iter().all(|event| event["kind"] != "fork")), "{events}");
    }
    let line = ["bulletin", "publish", "--text", "给丙", "--category", "CRIM.SERIES", "--to", &c.name, "--yes"];
    a.refused(&line, 1, "receiver_not_entitled");
    // By the hand of the second bureau, until the pass that the third one holds ends: the suspension shows in that none follows it.
    until("by way of the second", || shows(&c, &thread, "甲方之后。").then_some(()));
    assert!(!shows(&c, &between_two, "不给丙。"), "a no that the copy had forgotten was passed over");
    let stated = journal(&a, &["--kind", "store_confirm"]);
    assert!(stated.len() == 1 && stated[0]["detail"] == "备份之后一个上午" && stated[0]["person"] == OFFICER, "{stated:?}");
}
