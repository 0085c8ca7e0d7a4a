//! A first sync of a few hundred documents, with both daemons killed in the middle of it: what people are told goes up, and ends at all of it.

use serde_json::{Value, json};

use super::harness::*;

/// Documents of the first sync.
const MANY: u64 = 600;

/// What a node tells of one direction with its one partner.
fn told(bureau: &Bureau, direction: &str) -> Option<Value> {
    let view: Value = bureau.client().get("/v1/progress").ok()?;
    view["rows"].as_array()?.iter().find_map(|row| row.get(direction).cloned())
}

fn documents(view: &Value) -> u64 {
    view["documents"].as_u64().expect("a number")
}

/// Waits until so many documents came; answers how many it was told of last, and that it is never fewer than before.
fn reaches(bureau: &Bureau, at_least: u64, mut before: u64) -> u64 {
    until(&format!("{} holds {at_least}", bureau.name), || {
        let view = told(bureau, "receiving")?;
        let now = documents(&view);
        assert!(now >= before, "{now} after {before}: {view}");
        assert!(now <= view["of"].as_u64().expect("a number"), "{view}");
        before = now;
        (now >= at_least).then_some(now)
    })
}

#[test]
fn a_first_sync_killed_in_the_middle_goes_on_where_it_stopped_and_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    b.stop();
    let client = a.client();
    for n in 0..MANY {
        let text = format!("第 {n} 起案件的情况如下。{}", "现场勘查记录。".repeat(30));
        let body = json!({"title": format!("案件 {n}"), "text": text, "category": "CRIM.SERIES", "with": [b.name]});
        client.post::<Value>("/v1/cases", &body, false).expect("opened");
    }
    b.start();
    let seen = reaches(&b, 100, 0);
    assert!(seen < MANY, "it was over before it could be interrupted");
    b.kill();
    let waits = until("the other side notices", || told(&a, "sending").filter(|view| view["state"] == "interrupted"));
    assert_eq!((waits["of"].as_u64(), waits.get("seconds_left")), (Some(MANY), None));
    b.start();
    // What was told was on disk.
    let again = told(&b, "receiving").expect("it is remembered");
    assert!(documents(&again) >= seen, "{again} after {seen}");
    let seen = reaches(&b, seen + 100, documents(&again));
    let gone = told(&a, "sending").map_or(0, |view| documents(&view));
    a.kill();
    a.start();
    let kept = told(&a, "sending").map_or(MANY, |view| documents(&view));
    assert!(kept >= gone, "{kept} after {gone}");
    // A person waits for the rest; a program reads a line a second.
    let watched = b.cli(&["--json", "status", "--watch"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let mut before = seen;
    let mut last = Value::Null;
    for line in watched.out.lines() {
        let view: Value = serde_json::from_str(line).expect("a view a line");
        for row in view["rows"].as_array().expect("rows") {
            let Some(view) = row.get("receiving") else { continue };
            assert!(documents(view) >= before, "{view} after {before}");
            before = documents(view);
            last = view.clone();
        }
    }
    assert_eq!(
        (last["state"].as_str(), last["documents"].as_u64(), last["of"].as_u64()),
        (Some("complete"), Some(MANY), Some(MANY)),
        "{last}"
    );
    let there = until("everything is acknowledged", || told(&a, "sending").filter(|view| view["state"] == "complete"));
    assert_eq!((documents(&there), there["of"].as_u64()), (MANY, Some(MANY)));
    assert_eq!(b.json(&["case", "list"])["documents"].as_array().expect("a list").len() as u64, MANY);
    let shown = b.cli(&["--lang", "en", "partner", "show", &a.name]);
    assert!(shown.out.contains(&format!("{MANY} of {MANY} documents (100 %)")), "{}", shown.out);
    // A slow machine anchors meanwhile: there may be more events than one page holds.
    let (mut since, mut ends) = (0, 0);
    loop {
        let page = b.json(&["events", "--since", &since.to_string()]);
        let events = page["events"].as_array().expect("events");
        ends += events.iter().filter(|event| event["kind"] == "caught_up").count();
        let Some(last) = events.last() else { break };
        since = last["position"].as_u64().expect("a position");
    }
    assert!(ends >= 1);
    a.stop();
    b.stop();
}
