//! Sharing is suspended while thousands of documents are on their way.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::*;
use super::trio::{journal, note, shows, standing_with};

/// Documents that are to go. Enough that people can act while they go.
const DOCUMENTS: usize = 2_000;
/// What the receiver has when the sender acts.
const FIRST: u64 = 100;

fn documents(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().map(|line| line["document"].as_str().expect("an id").to_owned()).collect()
}

fn held(bureau: &Bureau) -> u64 {
    let status: Value = bureau.client().get("/v1/status").expect("it runs");
    status["documents"].as_u64().expect("a number")
}

#[test]
fn a_suspension_stops_a_large_transfer_in_the_middle_and_a_resume_by_both_goes_on_from_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    let thread = case(&a, &b);
    b.stop();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (client, to) = (a.client(), b.name.clone());
            scope.spawn(move || {
                for n in 0..DOCUMENTS / 4 {
                    let text =
                        json!({ "title": format!("通报 {writer}-{n}"), "text": "内容。", "category": "CRIM.SERIES", "subkind": "notice" });
                    client.post::<Value>("/v1/bulletins", &json!({ "text": text, "to": [to] }), false).expect("published");
                }
            });
        }
    });
    let all = DOCUMENTS as u64 + 1;
    assert_eq!(held(&a), all);

    b.start();
    until("the transfer runs", || (held(&b) > FIRST).then_some(()));
    let agreement = a.json(&["agreement", "list"])["agreements"][0]["id"].as_str().expect("an id").to_owned();
    let stop = json!({ "categories": [], "reason": "泄密嫌疑，先停后查" });
    a.client().post::<Value>(&format!("/v1/agreements/{agreement}/suspend"), &stop, false).expect("suspended");
    // The word goes the way of the documents, behind the last of them.
    until("the partner hears of it", || (standing_with(&b, &a) == "suspended").then_some(()));
    let some = held(&b);
    assert!(some > FIRST && some < all, "it was to be suspended in the middle: {some} of {all}");

    // The account says what arrived, and no more.
    b.login();
    let received = documents(&journal(&b, &["--kind", "received"]));
    assert_eq!(received.len() as u64, some);
    let delivered = |a: &Bureau| documents(&journal(a, &["--kind", "delivered", "--partner", "乙县公安局"]));
    until("every answer is noted", || (delivered(&a).len() >= received.len()).then_some(()));
    assert!(delivered(&a) == received, "{} noted, {} received", delivered(&a).len(), received.len());

    // Nothing more, whatever happens: new work, a new link, a restart of either.
    note(&a, &thread, "停止之后。");
    let refused = ["bulletin", "publish", "--text", "停后", "--category", "CRIM.SERIES", "--to", &b.name, "--yes"];
    a.refused(&refused, 1, "receiver_not_entitled");
    for restarted in [true, false] {
        let bureau = if restarted { &mut b } else { &mut a };
        bureau.stop();
        bureau.start();
        bureau.login();
        a.connected(&b.name);
        b.connected(&a.name);
    }
    // The partner says so too, by its receipts, which a suspended link still carries.
    until("the receipts", || {
        let ledger = a.json(&["ledger", "show", &b.name]);
        let lines = ledger["lines"].as_array().expect("lines").iter().filter(|line| line["says"] == "receipts" && line["ours"] == false);
        let words: String = lines.map(|line| line["words"].as_str().expect("words").to_owned() + "\n").collect();
        let receipted = received.iter().filter(|id| words.contains(&id[..8])).count();
        (receipted == received.len()).then_some(())
    });
    assert_eq!(held(&b), some);
    assert!(!shows(&b, &thread, "停止之后。"));
    let sent_before = journal(&a, &["--kind", "sent"]).len();

    // One side alone resumes nothing.
    a.json(&["agreement", "resume", &agreement, "--yes"]);
    until("the offer to resume", || {
        let items = b.json(&["inbox"])["items"].clone();
        items.as_array()?.iter().any(|item| item["kind"] == "resume").then_some(())
    });
    assert_eq!((standing_with(&a, &b).as_str(), standing_with(&b, &a).as_str()), ("suspended", "suspended"));
    assert_eq!(held(&b), some);
    b.json(&["agreement", "resume", &agreement, "--yes"]);
    until("everything arrives", || (held(&b) == all).then_some(()));
    until("and is accounted for", || (delivered(&a).len() as u64 == all).then_some(()));
    until("the entry too", || shows(&b, &thread, "停止之后。").then_some(()));
    let sent = journal(&a, &["--kind", "sent"]);
    let anew = documents(&sent[sent_before..]);
    let twice = anew.iter().filter(|id| received.contains(*id) && **id != thread).count();
    eprintln!("suspension: {some} of {all} delivered before, {} sent after, {twice} of them a second time", anew.len());
    assert_eq!(journal(&b, &["--kind", "received"]).len() as u64, all, "nothing came twice");
    let stopped: Vec<u64> = sent.iter().map(|line| line["batch"].as_u64().expect("a number")).collect();
    let range = |kind: &str| journal(&a, &["--kind", kind])[0]["batch"].as_u64().expect("a number");
    let (from, to) = (range("agreement_suspend"), range("agreement_resume"));
    assert_eq!(stopped.iter().filter(|batch| **batch > from && **batch < to).count(), 0, "sent while suspended");
}
