//! Clocks that jump, and things that end with time. The daemon's wall clock is moved by a small preloaded library (`clock.c`).

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use super::harness::*;

const YEAR: i64 = 365 * 86_400;

/// The wall clock of one daemon.
pub struct WallClock(std::fs::File);

impl WallClock {
    /// Gives a bureau that does not run yet a clock of its own.
    pub fn of(bureau: &mut Bureau) -> Self {
        let (library, path) = (bureau.file("clock.so"), bureau.file("clock"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/county/clock.c");
        let built = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().expect("a C compiler");
        assert!(built.success());
        let file = std::fs::File::options().create_new(true).write(true).open(&path).expect("a file");
        file.write_all_at(&0_i64.to_le_bytes(), 0).expect("written");
        bureau.env =
            vec![("LD_PRELOAD".to_owned(), library.display().to_string()), ("ACCORD_TEST_CLOCK".to_owned(), path.display().to_string())];
        Self(file)
    }

    /// Sets how far it is off, seconds.
    pub fn set(&self, offset: i64) {
        self.0.write_all_at(&offset.to_le_bytes(), 0).expect("written");
    }
}

/// A pair whose clocks can be set, with an agreement until `to`.
fn pair_with_clocks(dir: &Path, to: u64) -> (Bureau, Bureau, WallClock, WallClock) {
    let mut bureaus = ["甲县公安局", "乙县公安局"].map(|name| Bureau::found(dir, name, Plan::default()));
    let clocks = [0, 1].map(|at| WallClock::of(&mut bureaus[at]));
    for bureau in &mut bureaus {
        bureau.start();
        bureau.login();
    }
    let ([a, b], [clock_a, clock_b]) = (bureaus, clocks);
    a.knows(&b);
    b.knows(&a);
    agree(&a, &b, &terms(to, GRANTS));
    (a, b, clock_a, clock_b)
}

#[test]
fn a_clock_ten_years_off_denies_while_it_lasts_and_everything_flows_when_it_is_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, b, clock, _b) = pair_with_clocks(dir.path(), now() + 90 * 86_400);
    let publish = ["bulletin", "publish", "--text", "钟差", "--category", "CRIM.SERIES", "--to", &b.name, "--yes"];
    a.refused(&["clock", "correct", "--yes"], 1, "clock_not_held");

    clock.set(10 * YEAR);
    assert_eq!(a.status()["clock"], "held");
    a.refused(&publish, 1, "receiver_not_entitled");
    assert!(a.json(&["inbox"])["items"].as_array().is_some_and(|items| items.iter().any(|item| item["kind"] == "clock")));
    let doctor = a.cli(&["--json", "doctor"]);
    assert!(
        doctor.code == 1 && doctor.json().as_array().is_some_and(|f| f.iter().any(|one| one["check"] == "clock" && one["ok"] == false))
    );
    // An officer says it is wrong: it stays denied, and asks nobody any more.
    a.json(&["clock", "correct", "--undo", "--yes"]);
    assert!(a.json(&["inbox"])["items"].as_array().is_some_and(|items| items.iter().all(|item| item["kind"] != "clock")));
    a.refused(&publish, 1, "receiver_not_entitled");
    // Also across a power cut.
    a.kill();
    a.start();
    a.login();
    assert_eq!(a.status()["clock"], "held");
    a.refused(&publish, 1, "receiver_not_entitled");

    clock.set(0);
    until("the clock is back", || (a.status()["clock"] == "good").then_some(()));
    let id = a.publishes("钟已对时", &b.name);
    b.receives(&id);

    // Ten years back: time is not taken back, what is in force stays in force, stamps do not go backwards.
    clock.set(-10 * YEAR);
    assert_eq!(a.status()["clock"], "behind");
    let before = now();
    let id = a.publishes("钟慢了", &b.name);
    let shown = b.receives(&id);
    assert!(shown["line"]["created"].as_u64().is_some_and(|at| at + 600 > before), "{}", shown["line"]);
    a.kill();
    a.start();
    a.login();
    assert_eq!(a.status()["clock"], "behind");
    let id = a.publishes("重启之后", &b.name);
    b.receives(&id);
    clock.set(0);
    until("the clock is back", || (a.status()["clock"] == "good").then_some(()));

    // A jump that is right is confirmed by an officer.
    clock.set(2 * 3_600);
    assert_eq!(a.status()["clock"], "held");
    a.json(&["clock", "correct", "--yes"]);
    assert_eq!(a.status()["clock"], "good");
    let id = a.publishes("确认之后", &b.name);
    b.receives(&id);
    assert_eq!(b.json(&["bulletin", "list"])["documents"].as_array().map(Vec::len), Some(4), "nothing refused was sent");
}

#[test]
fn an_agreement_that_ended_lets_nothing_new_out_and_a_new_one_does() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b, clock_a, clock_b) = pair_with_clocks(dir.path(), now() + 400);
    let case = case(&a, &b);
    // Nine minutes pass: less than counts as a jump.
    clock_a.set(540);
    clock_b.set(540);
    until("expired", || (standing_of(&a) == "expired" && standing_of(&b) == "expired").then_some(()));
    for (from, to) in [(&a, &b), (&b, &a)] {
        let line = ["bulletin", "publish", "--text", "过期", "--category", "CRIM.SERIES", "--to", &to.name, "--yes"];
        from.refused(&line, 1, "receiver_not_entitled");
    }
    a.json(&["case", "note", &case, "--text", "届满之后。"]);
    agree(&a, &b, &terms(now() + 86_400, &[("TRAF", "read", "AMBER")]));
    let sent = a.json(&["bulletin", "publish", "--text", "新协议", "--category", "TRAF", "--to", &b.name, "--yes"]);
    b.receives(sent["id"].as_str().expect("an id"));
    let seen = b.document(&case).expect("what was given stays");
    assert!(!seen.to_string().contains("届满之后。"), "written after the end, sent without a clause that allows it");
    // The category comes back, and with it what was written meanwhile.
    agree(&a, &b, &terms(now() + 86_400, GRANTS));
    until("the entry arrives", || b.document(&case).filter(|view| view.to_string().contains("届满之后。")));
}

fn standing_of(bureau: &Bureau) -> String {
    let list = bureau.json(&["partner", "list"]);
    list["partners"][0]["standing"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_invitation_a_quarter_of_an_hour_old_lets_nobody_in() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    let clock = WallClock::of(&mut a);
    a.start();
    a.login();
    let code = a.json(&["device", "invite", "--for", OFFICER])["code"].as_str().expect("a code").to_owned();
    for minutes in [8, 16] {
        clock.set(minutes * 60);
        assert_eq!(a.status()["clock"], "good");
        // Steps of eight minutes are small ones only while somebody says in between that the time is right.
        if minutes == 8 {
            a.json(&["clock", "correct", "--yes"]);
        }
    }
    let laptop = Bureau::laptop(dir.path(), "笔记本");
    super::laptop::join_refused(&laptop, &code, "invitation_expired");
}
