//! Every scenario runs to its end and gives figures; with counts too small to mean anything.

use std::process::Command;

fn run(scenario: &str) -> serde_json::Value {
    let out = Command::new(env!("CARGO_BIN_EXE_accord-bench")).args([scenario, "--quick", "--json"]).output().expect("the program starts");
    assert!(out.status.success(), "{scenario}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("text");
    serde_json::from_str(text.lines().last().expect("a last line")).expect("one JSON object")
}

fn check(scenario: &str, rows: &[&str]) {
    let told = run(scenario);
    assert!(told["machine"]["cores"].as_u64() > Some(0));
    let found: Vec<&str> = told["table"]["rows"].as_array().expect("rows").iter().filter_map(|row| row["what"].as_str()).collect();
    for row in rows {
        assert!(found.iter().any(|what| what.contains(row)), "{scenario} has no row \"{row}\": {found:?}");
    }
    let figures = told["table"]["rows"].as_array().expect("rows").iter();
    assert!(figures.filter(|row| row["median"].as_f64().is_none_or(|figure| figure.is_nan())).count() == 0);
}

/// A scenario beside peers: all `ours`, `peers` and `ratios` named are there, each with its spread.
fn beside(scenario: &str, ours: &[&str], peers: &[&str], ratios: &[&str]) {
    let told = run(scenario);
    assert_eq!(told["scenario"], scenario);
    assert!(told["documents"].as_u64() > Some(0) && told["runs"].as_u64() > Some(0));
    let has = |object: &serde_json::Value, name: &str| {
        for part in [name.to_owned(), format!("{name}_min"), format!("{name}_max")] {
            assert!(object[&part].as_f64().is_some_and(f64::is_finite), "{scenario} has no {part}: {told}");
        }
    };
    ours.iter().for_each(|name| has(&told["ours"], name));
    ratios.iter().for_each(|name| has(&told["ratios"], name));
    for peer in peers {
        assert!(told["peers"][peer].as_object().is_some_and(|figures| !figures.is_empty()), "{scenario} has no {peer}: {told}");
    }
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
fn publish_and_delivery_run_real_daemons() {
    check("publish", &["1 client(s): published / bare", "16 client(s): delivered"]);
    check("delivery", &["QUIC: visible at B, p99", "TCP: delivered, p99", "limit: 2 syncs + 1 round trip", "one thread: last / first"]);
}

#[test]
fn moving_documents_between_daemons_stands_beside_samod_and_automerge() {
    let ratios = ["documents_per_s_vs_samod", "documents_per_s_vs_automerge_sync", "bytes_vs_save"];
    beside("first-sync", &["seconds", "cpu_seconds", "bytes_out", "bytes_in", "rss_mb"], &["samod", "automerge_sync"], &ratios);
    let ours = ["seconds", "bytes_out", "bytes_in", "bytes_beyond", "round_trips"];
    beside("reconnect", &ours, &["samod", "automerge_sync"], &["seconds_vs_samod", "bytes_vs_automerge_sync"]);
    beside("latency", &["p50_ms", "p99_ms"], &["samod"], &["p50_vs_samod"]);
    beside("memory", &["rss_mb", "first_sync_rss_mb"], &["samod"], &[]);
}

#[test]
fn what_runs_in_one_process_stands_beside_its_peers() {
    beside("admit", &["runs_changes_per_s"], &["verify_strict"], &["changes_per_s_vs_verify_strict", "scaling"]);
    let peers = ["sled_fdatasync", "redb", "sqlite_wal_full"];
    beside("store", &["batches_per_s", "read_p50_us", "reopen_ms"], &peers, &["batches_per_s_vs_bare", "disk_vs_live"]);
    beside(
        "compact",
        &["seconds", "disk_after", "p99_ms_during"],
        &["redb", "sqlite_wal_full"],
        &["seconds_vs_bare", "p99_during_vs_before"],
    );
    beside("repair", &["bytes", "round_trips"], &["negentropy"], &["bytes_vs_negentropy"]);
    beside(
        "thread",
        &["cold_seconds", "merge_warm_seconds"],
        &["automerge_load"],
        &["cold_vs_automerge_load", "merge_warm_vs_automerge_load"],
    );
}

#[test]
fn a_hub_serves_partners_of_which_one_is_stalled() {
    beside(
        "fanout",
        &["p99_ms_1", "cpu_ms_per_partner_3", "p99_ms_one_stalled_3"],
        &[],
        &["cpu_per_partner_vs_single_3", "p99_one_stalled_vs_none_3"],
    );
}

#[test]
fn an_unknown_scenario_is_told_how_to_ask() {
    let out = Command::new(env!("CARGO_BIN_EXE_accord-bench")).arg("everything").output().expect("the program starts");
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("usage"));
}
