//! Every scenario runs to its end and gives figures; with counts too small to mean anything.

use std::process::Command;

fn check(scenario: &str, rows: &[&str]) {
    let out = Command::new(env!("CARGO_BIN_EXE_accord-bench")).args([scenario, "--quick", "--json"]).output().expect("the program starts");
    assert!(out.status.success(), "{scenario}: {}", String::from_utf8_lossy(&out.stderr));
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    assert!(told["machine"]["cores"].as_u64() > Some(0));
    let found: Vec<&str> = told["table"]["rows"].as_array().expect("rows").iter().filter_map(|row| row["what"].as_str()).collect();
    for row in rows {
        assert!(found.iter().any(|what| what.contains(row)), "{scenario} has no row \"{row}\": {found:?}");
    }
    let figures = told["table"]["rows"].as_array().expect("rows").iter();
    assert!(figures.filter(|row| row["median"].as_f64().is_none_or(|figure| figure.is_nan())).count() == 0);
}

#[test]
fn journal_stands_beside_a_bare_append() {
    check("journal", &["Store::commit", "limit: bare append", "ours / bare", "after SIGKILL"]);
}

#[test]
fn rules_stand_beside_automerge_and_a_signature() {
    check("rules", &["single: both", "joined: both", "limit: automerge Change::from_bytes", "limit: one ed25519"]);
}

#[test]
fn wire_stands_beside_raw_changes_and_save() {
    check("wire", &["push on the wire / raw change", "sum of Automerge save()"]);
}

#[test]
fn publish_and_latency_run_real_daemons() {
    check("publish", &["1 client(s): published / bare", "16 client(s): delivered"]);
    check("latency", &["QUIC: visible at B, p99", "TCP: delivered, p99", "limit: 2 syncs + 1 round trip", "one thread: last / first"]);
}

#[test]
fn an_unknown_scenario_is_told_how_to_ask() {
    let out = Command::new(env!("CARGO_BIN_EXE_accord-bench")).arg("everything").output().expect("the program starts");
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("usage"));
}
