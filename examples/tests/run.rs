//! Every example runs unaided to a good end and prints its result.

use std::process::Command;

fn check(program: &str, printed: &[&str]) {
    let out = Command::new(program).env_remove("SSLKEYLOGFILE").output().expect("the program starts");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{program}:\n{text}\n{}", String::from_utf8_lossy(&out.stderr));
    for part in printed {
        assert!(text.contains(part), "{program} did not print \"{part}\":\n{text}");
    }
}

#[test]
fn embed_core_converges_without_network_or_disk() {
    check(env!("CARGO_BIN_EXE_embed_core"), &["agreement   in_force", "converged   true"]);
}

#[test]
fn verify_seal_accepts_the_export_and_refuses_altered_ones() {
    check(env!("CARGO_BIN_EXE_verify_seal"), &["verified      Bulletin of FIRE.HAZ", "altered messages, another key, another network"]);
}

#[test]
fn two_bureaus_deliver_a_bulletin_over_loopback() {
    check(env!("CARGO_BIN_EXE_two_bureaus"), &["in force", "delivered", "converged   true"]);
}
