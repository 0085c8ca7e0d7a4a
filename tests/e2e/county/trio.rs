//! Three bureaus that all have agreements with each other, with clocks that can be set; and what auditors and officers read of them.

use std::path::Path;

use serde_json::Value;

use super::clocks::WallClock;
use super::harness::*;

/// A day, seconds.
pub const DAY: i64 = 86_400;

/// `甲`, `乙` and `丙`, each with a clock of its own.
pub struct Trio {
    pub a: Bureau,
    pub b: Bureau,
    pub c: Bureau,
    clocks: [WallClock; 3],
}

impl Trio {
    /// Agreements of every pair in force; the one between the first two ends after `days_ab` of grace and `for_ab` seconds.
    pub fn open(dir: &Path, for_ab: u64, days_ab: u32) -> Self {
        let mut bureaus = ["甲县公安局", "乙县公安局", "丙县公安局"].map(|name| Bureau::found(dir, name, Plan::default()));
        let clocks = [0, 1, 2].map(|at| WallClock::of(&mut bureaus[at]));
        for bureau in &mut bureaus {
            bureau.start();
            bureau.login();
        }
        let [a, b, c] = bureaus;
        for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
            one.knows(other);
            other.knows(one);
        }
        let long = terms(now() + 90 * 86_400, GRANTS);
        agree(&a, &c, &long);
        agree(&b, &c, &long);
        agree(&a, &b, &terms(now() + for_ab, GRANTS).replace("grace_days = 30", &format!("grace_days = {days_ab}")));
        // From now on the third bureau's pass names the second.
        until("the pass was shown", || {
            let heard = journal(&b, &["--kind", "pass_heard"]);
            heard.iter().any(|line| line["partner_name"] == c.name.as_str()).then_some(())
        });
        Self { a, b, c, clocks }
    }

    /// Sets how far the clocks of these bureaus (0, 1, 2) are off, and has an officer confirm it where the daemon runs.
    pub fn set_clock(&mut self, which: &[usize], offset: i64) {
        for at in which {
            self.clocks[*at].set(offset);
            let bureau = [&mut self.a, &mut self.b, &mut self.c].into_iter().nth(*at).expect("three");
            if bureau.is_up() {
                confirm_clock(bureau);
            }
        }
    }
}

/// An officer says that the clock is right.
pub fn confirm_clock(bureau: &Bureau) {
    until(&format!("the clock of {} is believed", bureau.name), || {
        let told = bureau.cli(&["--json", "clock", "correct", "--yes"]);
        let status = bureau.status();
        assert!(told.code == 0 || told.problem_code() == "clock_not_held", "{told:?}");
        (status["clock"] == "good" && status["clock_corroborated"] == true).then_some(())
    });
}

/// Lines of a bureau's account, oldest first.
pub fn journal(bureau: &Bureau, filters: &[&str]) -> Vec<Value> {
    let done = bureau.cli(&[&["--json", "journal", "export"], filters].concat());
    assert_eq!(done.code, 0, "{}: {filters:?}: {done:?}", bureau.name);
    done.out.lines().map(|line| serde_json::from_str(line).expect("one object in a line")).collect()
}

/// Kinds of the records of a document's access log, oldest first.
pub fn records(bureau: &Bureau, id: &str) -> Vec<String> {
    let list = bureau.json(&["access", "list", id]);
    let records = list["records"].as_array().expect("a list");
    records.iter().map(|record| record["kind"].as_str().expect("a word").to_owned()).collect()
}

/// Whether a bureau shows an entry with this text.
pub fn shows(bureau: &Bureau, id: &str, text: &str) -> bool {
    bureau.document(id).is_some_and(|view| view["entries"].to_string().contains(text))
}

/// Writes an entry.
pub fn note(bureau: &Bureau, id: &str, text: &str) {
    bureau.json(&["case", "note", id, "--text", text]);
}

/// Opens a case with others; returns when all hold it.
pub fn case_with(owner: &Bureau, others: &[&Bureau]) -> String {
    let names: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
    let with = names.join(",");
    let line = ["case", "open", "--text", "串案\n\n情况如下。", "--category", "CRIM.SERIES", "--with", &with, "--yes"];
    let id = owner.json(&line)["id"].as_str().expect("an id").to_owned();
    for other in others {
        other.receives(&id);
    }
    id
}

/// Publishes to several; its id.
pub fn published(from: &Bureau, text: &str, to: &[&Bureau], more: &[&str]) -> String {
    let names: Vec<&str> = to.iter().map(|other| other.name.as_str()).collect();
    let names = names.join(",");
    let line = ["bulletin", "publish", "--text", text, "--category", "CRIM.SERIES", "--to", &names, "--yes"];
    let sent = from.json(&[&line[..], more].concat());
    sent["id"].as_str().expect("an id").to_owned()
}

/// Something else goes the same way after all that could have gone before it: what did not come by then was not sent.
pub fn goes_through(from: &Bureau, to: &Bureau, text: &str) {
    let id = from.publishes(text, &to.name);
    to.receives(&id);
}

/// The answer of `access explain`, and why for the way by which `from` would hand the document on.
pub fn explained(at: &Bureau, id: &str, about: &Bureau, from: &Bureau) -> (String, String) {
    let view = at.json(&["access", "explain", id, &about.name]);
    let ways = view["ways"].as_array().cloned().unwrap_or_default();
    let way = ways.iter().find(|way| way["from_name"] == from.name.as_str() && way["verb"] == "read");
    let why = way.map(|way| way["why"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
    (view["answer"].as_str().unwrap_or_default().to_owned(), why)
}

/// How a bureau's newest agreement with another stands.
pub fn standing_with(bureau: &Bureau, other: &Bureau) -> String {
    let list = bureau.json(&["partner", "show", &other.name]);
    list["partners"][0]["standing"].as_str().unwrap_or_default().to_owned()
}
