//! The owner is down, and its partners hand each other what it meant for both: for as long as a pass lives, and no longer.

use serde_json::Value;

use super::harness::Bureau;
use super::trio::{DAY, Trio, confirm_clock, explained, goes_through, journal, published};

#[test]
fn partners_heal_each_other_by_a_living_pass_only_and_only_with_open_documents() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut county = Trio::open(dir.path(), 60 * 86_400, 30);
    county.c.stop();
    let open = published(&county.a, "公开范围", &[&county.b, &county.c], &["--open"]);
    let hidden = published(&county.a, "隐去范围", &[&county.b, &county.c], &[]);
    county.b.receives(&open);
    county.b.receives(&hidden);
    county.a.stop();

    // The pass names the second bureau, so the third gets from it what the owner could not bring.
    county.c.start();
    county.c.login();
    county.c.receives(&open);
    goes_through(&county.b, &county.c, "乙方自己的");
    assert!(county.c.document(&hidden).is_none(), "a hidden audience is known to its owner only");
    // Where a link was replaced by another it may go twice, and home to its owner too.
    let third = county.c.name.clone();
    let handed_on = |bureau: &Bureau, id: &str| {
        let lines = journal(bureau, &["--kind", "sent", "--document", id]).into_iter();
        lines.filter(|line| line["partner_name"] == third.as_str()).collect::<Vec<_>>()
    };
    let handed = handed_on(&county.b, &open);
    let by_pass = |line: &Value| line["detail"].as_str().is_some_and(|detail| detail.starts_with("pass "));
    assert!(!handed.is_empty() && handed.iter().all(by_pass), "{handed:?}");
    assert_eq!(explained(&county.b, &open, &county.c, &county.b), ("yes".to_owned(), "ok".to_owned()));

    // Another one, and eight days in which nobody renews a pass.
    county.c.stop();
    county.a.start();
    county.a.login();
    let later = published(&county.a, "其后的", &[&county.b, &county.c], &["--open"]);
    county.b.receives(&later);
    county.a.stop();
    county.set_clock(&[1, 2], 8 * DAY);
    county.c.start();
    county.c.login();
    confirm_clock(&county.c);
    goes_through(&county.b, &county.c, "乙方八天之后的");
    assert!(county.c.document(&later).is_none(), "handed on after the pass had ended");
    assert_eq!(explained(&county.b, &later, &county.c, &county.b).1, "pass_expired");
    let handed = handed_on(&county.b, &later);
    assert!(handed.is_empty(), "{handed:?}");

    // The owner is back and gives it out itself.
    county.set_clock(&[0], 8 * DAY);
    county.a.start();
    county.a.login();
    county.c.receives(&later);
    county.c.receives(&hidden);
}
