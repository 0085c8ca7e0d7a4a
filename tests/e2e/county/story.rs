//! The good days: the demo, and one bureau's life from `init` to `logout` on the command line.

use serde_json::Value;

use super::harness::*;

#[test]
fn the_demo_keeps_its_promises_and_its_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let keep = dir.path().join("kept");
    let mut command = accord();
    command.args(["demo", "--json", "--keep"]).arg(&keep);
    let done = ran(command);
    assert_eq!(done.code, 0, "{done:?}");
    let last: Value = serde_json::from_str(done.out.lines().last().expect("a line")).expect("one object");
    let number = |name: &str| last[name].as_u64().unwrap_or_else(|| panic!("{name} in {last}"));
    assert_eq!((number("bureaus"), number("laptops"), number("leaked_bytes"), number("lost")), (3, 1, 0, 0));
    assert_eq!(last["converged"], true);
    assert!(number("documents") >= 5 && number("changes") > number("documents") && number("acknowledged") >= 50, "{last}");
    assert!(last["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    for node in ["a", "b", "c", "laptop"] {
        assert!(keep.join(node).join("store/journal").is_dir(), "{node} was not kept");
        let log = std::fs::read_to_string(keep.join(node).join("log")).expect("a log");
        assert!(!log.contains("panicked"), "{log}");
    }
    let mut again = accord();
    again.args(["demo", "--json", "--keep"]).arg(&keep);
    let refused = ran(again);
    assert_eq!((refused.code, refused.problem_code().as_str()), (2, "folder_not_empty"));
}

#[test]
fn a_bureau_lives_a_day_on_the_command_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    a.refused(&["status"], 3, "daemon_not_running");
    a.json(&["config", "check"]);
    a.json(&["config", "show"]);
    a.start();
    a.refused(&["case", "open", "--text", "x", "--category", "TRAF", "--with", "乙县公安局"], 1, "not_logged_in");
    a.login();
    let mut b = Bureau::open(dir.path(), "乙县公安局");
    assert_eq!(a.json(&["whoami"])["officers"][0]["name"], OFFICER);

    // Cards, with the code read out on the phone.
    a.knows(&b);
    b.knows(&a);
    a.connected(&b.name);
    for finding in a.json(&["partner", "test", &b.name]).as_array().expect("findings") {
        assert!(finding["ok"] == true || finding["check"] == "agreement", "{finding}");
    }
}
