//! A third bureau by consent only: three real nodes, of which the first and the last know nothing of each other.

use serde_json::{Value, json};

use super::harness::*;

/// Waits until a bureau's inbox holds an item of this kind; its id.
fn waits(bureau: &Bureau, kind: &str) -> String {
    until(&format!("{}: {kind}", bureau.name), || {
        let inbox = bureau.json(&["inbox"]);
        let item = inbox["items"].as_array()?.iter().find(|item| item["kind"] == kind)?;
        item["id"].as_str().map(str::to_owned)
    })
}

fn says(bureau: &Bureau, id: &str, text: &str) -> bool {
    bureau.document(id).is_some_and(|view| view.to_string().contains(text))
}

/// Something else went the same way and arrived: what was sent before it would have arrived too.
fn caught_up(from: &Bureau, to: &Bureau) {
    let id = from.publishes("此后的通报\n\n内容。", &to.name);
    to.receives(&id);
}

#[test]
fn a_third_bureau_gets_it_by_consent_only_and_loses_it_at_the_time_and_by_the_cut() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, mut b, c) =
        (Bureau::open(dir.path(), "甲县公安局"), Bureau::open(dir.path(), "乙县公安局"), Bureau::open(dir.path(), "丙县公安局"));
    for (one, other) in [(&a, &b), (&b, &a), (&b, &c), (&c, &b)] {
        one.knows(other);
    }
    let usual = terms(now() + 86_400 * 90, GRANTS);
    agree(&a, &b, &usual.replace("onward = \"none\"", "onward = \"ask\""));
    agree(&b, &c, &usual);

    let id = case(&a, &b);
    b.json(&["case", "note", &id, "--text", "乙方补充。"]);
    until("both wrote", || says(&a, &id, "乙方补充。").then_some(()));
    caught_up(&b, &c);
    assert!(c.document(&id).is_none(), "nobody asked");

    // Asked, with what will happen said before; the owner's daemon is told and the third bureau gets nothing by it.
    let ask = ["onward", "ask", &id, &c.name, "--purpose", "同一系列案件", "--urgency", "priority"];
    let foreseen = b.json(&[&ask[..], &["--dry-run"]].concat());
    assert_eq!((&foreseen["dry_run"], &foreseen["receivers"][0]["name"]), (&true.into(), &a.name.as_str().into()), "{foreseen}");
    a.refused(&[&["onward", "ask", &id, &b.name][..], &["--purpose", "x"]].concat(), 1, "own_document");
    b.json(&ask);
    let asked = waits(&a, "onward_ask");
    let shown = a.json(&["onward", "show", &asked[..10]]);
    assert_eq!((&shown["asks"][0]["recipient_name"], &shown["asks"][0]["recipient_claimed"]), (&c.name.as_str().into(), &true.into()));
    caught_up(&b, &c);
    assert!(c.document(&id).is_none(), "an ask gives nothing");

    // A no in one word reaches the asker, also over its restart; a yes for a time.
    a.refused(&["onward", "refuse", &asked, "--reason", "because"], 2, "unknown_ground");
    b.stop();
    a.json(&["onward", "refuse", &asked, "--reason", "harm"]);
    b.start();
    b.login();
    until("the no arrives", || (b.json(&["onward", "show", &asked])["asks"][0]["reason"] == "harm").then_some(()));
    b.json(&ask);
    let asked = waits(&a, "onward_ask");
    let foreseen = a.json(&["onward", "grant", &asked, "--dry-run"]);
    assert_eq!((&foreseen["receivers"][0]["will_receive"], &foreseen["asked"]), (&true.into(), &json!([])), "{foreseen}");
    a.refused(&["onward", "grant", &asked], 2, "not_a_terminal");
    let ends = now() + 30;
    a.client().post::<Value>(&format!("/v1/onward/{asked}/grant"), &json!({ "until": ends }), false).expect("granted");
    let view = c.receives(&id);
    assert!(view.to_string().contains("乙方补充。"));
    let why = b.json(&["access", "explain", &id, &c.name]);
    assert_eq!(why["answer"], "yes", "{why}");
    assert!(["via", "onward_ask"].iter().all(|kind| why.to_string().contains(&format!("\"{kind}\""))), "{why}");
    until("its time is over", || (now() > ends + 1).then_some(()));
    a.json(&["case", "note", &id, "--text", "到期之后。"]);
    until("the reader has it", || says(&b, &id, "到期之后。").then_some(()));
    caught_up(&b, &c);
    assert!(c.document(&id).is_some() && !says(&c, &id, "到期之后。"), "its time was over");

    // Asked and granted again without an end, then cut.
    b.json(&ask);
    let asked = waits(&a, "onward_ask");
    a.json(&["onward", "grant", &asked, "--yes"]);
    until("all of it", || says(&c, &id, "到期之后。").then_some(()));
    let holders = a.json(&["access", "list", &id]);
    let third = holders["holders"].as_array().and_then(|list| list.iter().find(|holder| holder["via_name"] == b.name.as_str()));
    let third = third.and_then(|holder| holder["bureau"].as_str()).expect("by way of the reader").to_owned();
    a.json(&["access", "cut", &id, &third[..12], "--yes"]);
    until("it hears of its cut", || {
        c.json(&["access", "list", &id])["holders"]
            .as_array()
            .and_then(|list| list.iter().all(|h| h["bureau"] != third.as_str()).then_some(()))
    });
    a.json(&["case", "note", &id, "--text", "截止之后。"]);
    until("the reader has that too", || says(&b, &id, "截止之后。").then_some(()));
    caught_up(&b, &c);
    assert!(!says(&c, &id, "截止之后。"), "its access was cut");

    // What lies around, in both languages.
    for (bureau, words) in [(&a, &["onward", "list"][..]), (&b, &["onward", "list"]), (&a, &["access", "pending"]), (&c, &["status"])] {
        for lang in ["zh", "en"] {
            let done = bureau.cli(&[&["--lang", lang][..], words].concat());
            assert!(done.code == 0 && !done.out.trim().is_empty(), "{done:?}");
        }
    }
}

#[test]
fn a_grant_waits_for_who_wrote_and_is_made_when_it_consents() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = pair(dir.path());
    let c = Bureau::open(dir.path(), "丙县公安局");
    a.knows(&c);
    c.knows(&a);
    agree(&a, &c, &terms(now() + 86_400 * 90, GRANTS));
    let id = case(&a, &b);
    b.json(&["case", "note", &id, "--text", "乙方补充。"]);
    until("both wrote", || says(&a, &id, "乙方补充。").then_some(()));
    let sent = a.json(&["access", "grant", &id, &c.name, "--purpose", "并案", "--yes"]);
    assert_eq!((&sent["receivers"][0]["why"], &sent["asked"][0]["name"]), (&"needs_consent".into(), &b.name.as_str().into()), "{sent}");
    assert_eq!(a.json(&["access", "pending"])["pending"][0]["state"], "waiting");
    let asked = waits(&b, "consent_ask");
    caught_up(&a, &c);
    assert!(c.document(&id).is_none());
    let foreseen = b.json(&["onward", "consent", &asked, "--dry-run"]);
    assert_eq!(foreseen["visible_entries"], 1, "{foreseen}");
    b.json(&["onward", "consent", &asked, "--yes"]);
    c.receives(&id);
    assert!(says(&c, &id, "乙方补充。"));
    waits(&a, "grant_made");
    assert_eq!(b.status()["alarms"], json!([]));
}
