//! The lab on a real mount. Needs root and `/dev/fuse`, so it is run by name: `cargo test -p accord-amnesia -- --ignored`.

use std::process::Command;

use serde_json::Value;

/// Runs the lab; its exit code and its last line.
fn lab(arguments: &[&str]) -> (Option<i32>, Value) {
    let done = Command::new(env!("CARGO_BIN_EXE_accord-amnesia")).args(arguments).arg("--json").output().expect("the lab starts");
    let out = String::from_utf8(done.stdout).expect("text");
    let told = out.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (done.status.code(), told.unwrap_or_else(|| panic!("no object: {}", String::from_utf8_lossy(&done.stderr))))
}

fn count(told: &Value, name: &str) -> u64 {
    told[name].as_u64().unwrap_or_else(|| panic!("no {name}: {told}"))
}

#[test]
#[ignore = "needs root and /dev/fuse"]
fn plain_sled_loses_what_its_flush_answered_for() {
    let (code, told) = lab(&["--only", "sled", "--seeds", "5"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(count(&told, "sled_lost") > 0 && count(&told, "sled_in_place_lost") > 0, "{told}");
}

#[test]
#[ignore = "needs root and /dev/fuse"]
fn our_store_and_the_daemon_lose_nothing_acknowledged() {
    for torn in [&[][..], &["--torn"]] {
        let (code, told) = lab(&[&["--seeds", "3", "--rounds", "2"], torn].concat());
        assert_eq!(code, Some(0), "{told}");
        for part in ["store", "daemon"] {
            assert!(count(&told, &format!("{part}_acknowledged")) > 0, "{told}");
            assert_eq!(count(&told, &format!("{part}_lost")), 0, "{told}");
        }
        assert_eq!((count(&told, "damage"), &told["failing_seed"]), (0, &Value::Null), "{told}");
    }
}

#[test]
#[ignore = "needs root and /dev/fuse"]
fn on_a_disk_that_ignores_syncs_store_and_daemon_are_seen_losing() {
    for part in ["store", "daemon"] {
        let (code, told) = lab(&["--deaf", "--only", part, "--seeds", "2"]);
        assert_eq!(code, Some(1), "{told}");
        assert!(count(&told, &format!("{part}_lost")) > 0, "{told}");
    }
}
