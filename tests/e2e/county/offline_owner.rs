//! An agreement ends while the owner of what was shared is away.

use super::harness::*;
use super::trio::{DAY, Trio, confirm_clock, goes_through, note, records, shows, standing_with};

#[test]
fn partners_go_by_standing_and_passes_while_the_owner_is_away_and_it_cuts_once_grace_is_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut county = Trio::open(dir.path(), 400, 1);
    let thread = super::trio::case_with(&county.a, &[&county.b, &county.c]);
    let private = case(&county.a, &county.b);
    county.a.stop();

    // Nine minutes pass: the agreement of the first two is over, their partner's is not.
    county.set_clock(&[1, 2], 540);
    let Trio { a, b, c, .. } = &mut county;
    until("expired", || (standing_with(b, a) == "expired").then_some(()));
    note(c, &thread, "丙方照常。");
    note(b, &thread, "乙方在届满之后。");
    // The third bureau's pass lives and names the second; the second's ended with its agreement.
    until("by pass", || shows(c, &thread, "乙方在届满之后。").then_some(()));
    note(c, &thread, "丙方续写。");
    goes_through(c, b, "丙与乙照常");
    assert!(!shows(b, &thread, "丙方照常。") && !shows(b, &thread, "丙方续写。"), "handed on without a pass");
    b.stop();
    c.stop();

    // The owner is back within grace: nothing is taken away.
    county.set_clock(&[0], 540);
    county.a.start();
    county.a.login();
    confirm_clock(&county.a);
    assert_eq!(standing_with(&county.a, &county.b), "expired");
    note(&county.a, &thread, "甲方回来了。");
    assert_eq!(records(&county.a, &thread).iter().filter(|kind| *kind == "cut").count(), 0, "within grace");

    // Grace is over: cut where the partner may write and a third bureau reads, and only there.
    county.set_clock(&[0], 3 * DAY);
    until("the cut", || records(&county.a, &thread).iter().any(|kind| kind == "cut").then_some(()));
    assert_eq!(records(&county.a, &private).iter().filter(|kind| *kind == "cut").count(), 0, "nobody else reads it");
    county.set_clock(&[1, 2], 3 * DAY);
    for bureau in [&mut county.b, &mut county.c] {
        bureau.start();
        bureau.login();
        confirm_clock(bureau);
    }
    let Trio { a, b, c, .. } = &county;
    // What the third bureau wrote counts; what the second wrote behind the cut is held, and what rests on it, at the owner and at the third
    // bureau alike.
    until("the third bureau's entry", || shows(a, &thread, "丙方照常。").then_some(()));
    until("held at the owner", || a.document(&thread).filter(|view| view["held"]["count"] == 2));
    same(&thread, &[a, c]);
    for bureau in [a, c] {
        assert!(!shows(bureau, &thread, "乙方在届满之后。") && !shows(bureau, &thread, "丙方续写。"));
    }
    assert_eq!(c.document(&thread).expect("held")["held"]["entries"][0]["text"], "丙方续写。", "its author sees that it waits");
    // Its author hears of its own cut over the restricted link, and of nothing else.
    let told = until("told of its own cut", || b.document(&thread).filter(|view| view["held"]["count"] == 1));
    assert_eq!(told["held"]["waiting_for"], a.name.as_str());
    assert!(!shows(b, &thread, "甲方回来了。") && !shows(b, &thread, "丙方照常。"));

    // The owner's officer lets it in.
    a.json(&["access", "admit", &thread, "--yes"]);
    until("let in everywhere", || {
        let all = |bureau| shows(bureau, &thread, "乙方在届满之后。") && shows(bureau, &thread, "丙方续写。");
        (all(a) && all(c)).then_some(())
    });
    same(&thread, &[a, c]);
    goes_through(c, b, "丙与乙仍照常");
    assert!(!shows(b, &thread, "甲方回来了。") && !shows(b, &thread, "丙方照常。"));
}
