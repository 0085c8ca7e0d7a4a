//! The owner is down, and its partners hand each other what it meant for both: for as long as a pass lives, and no longer.

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
    let handed: Vec<_> = journal(&county.b, &["--kind", "sent", "--document", &open]);
    assert!(handed.len() == 1 && handed[0]["detail"].as_str().is_some_and(|detail| detail.starts_with("pass ")), "{handed:?}");
    assert_eq!(handed[0]["partner_name"], county.c.name.as_str());
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
    assert!(journal(&county.b, &["--kind", "sent", "--document", &later]).is_empty());

    // The owner is back and gives it out itself.
    county.set_clock(&[0], 8 * DAY);
    county.a.start();
    county.a.login();
    county.c.receives(&later);
    county.c.receives(&hidden);
}
