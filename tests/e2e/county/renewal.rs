//! An agreement runs out and is renewed late, within its grace time.

use super::harness::*;
use super::trio::{DAY, Trio, explained, goes_through, note, records, shows, standing_with};

#[test]
fn a_late_renewal_resumes_everything_without_new_grants() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut county = Trio::open(dir.path(), 400, 30);
    let thread = case(&county.a, &county.b);
    let bulletin = county.a.publishes("届满之前", &county.b.name);
    county.b.receives(&bulletin);
    note(&county.b, &thread, "乙方在期内。");
    until("it settles", || (shows(&county.a, &thread, "乙方在期内。") && records(&county.a, &thread).len() >= 3).then_some(()));
    let before = records(&county.a, &thread);

    // Twenty days after the end.
    county.set_clock(&[0, 1, 2], 20 * DAY);
    let Trio { a, b, c, .. } = &county;
    until("expired", || (standing_with(a, b) == "expired" && standing_with(b, a) == "expired").then_some(()));
    note(a, &thread, "甲方在宽限期。");
    note(b, &thread, "乙方在宽限期。");
    for (from, to) in [(a, b), (b, a)] {
        let line = ["bulletin", "publish", "--text", "过期", "--category", "CRIM.SERIES", "--to", &to.name, "--yes"];
        from.refused(&line, 1, "receiver_not_entitled");
    }
    // Others are not concerned.
    goes_through(a, c, "与丙照常");
    goes_through(c, b, "丙与乙照常");
    // Nothing crosses, nothing is cut; who wrote keeps what it wrote and sees it.
    assert!(shows(a, &thread, "甲方在宽限期。") && !shows(b, &thread, "甲方在宽限期。"));
    assert!(shows(b, &thread, "乙方在宽限期。") && !shows(a, &thread, "乙方在宽限期。"));
    assert_eq!(records(a, &thread).iter().filter(|kind| *kind == "cut").count(), 0);
    assert_eq!(explained(a, &thread, b, a), ("no".to_owned(), "expired".to_owned()));
    let deliveries = b.document(&thread).expect("kept")["deliveries"].clone();
    assert_eq!(deliveries[0]["delivered"], false, "{deliveries}");

    let old = a.json(&["partner", "show", &b.name])["partners"][0]["agreement"].as_str().expect("an id").to_owned();
    let to = format!("@{}", now() + 120 * 86_400);
    let to = ran({
        let mut date = std::process::Command::new("date");
        date.args(["-u", "-d", &to, "+%Y-%m-%d"]);
        date
    });
    a.json(&["agreement", "renew", &old, "--to", to.out.trim(), "--yes"]);
    let offer = standing(b, "offered_to_us");
    b.json(&["agreement", "accept", &offer, "--yes"]);
    until("in force again", || (standing_with(a, b) == "in_force" && standing_with(b, a) == "in_force").then_some(()));
    until("both entries at both", || {
        [a, b].iter().all(|bureau| shows(bureau, &thread, "甲方在宽限期。") && shows(bureau, &thread, "乙方在宽限期。")).then_some(())
    });
    same(&thread, &[a, b]);
    goes_through(a, b, "续签之后");
    let after = records(a, &thread);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after[before.len()..].iter().all(|kind| kind == "anchor"), "no grant was needed: {after:?}");
    assert_eq!(explained(a, &thread, b, a), ("yes".to_owned(), "ok".to_owned()));
}
