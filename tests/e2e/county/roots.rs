//! The root at work: a second key, a new version that needs two, a registrar and a node certificate signed away from the node.

use super::harness::*;

#[test]
fn root_keys_sign_on_paper_and_partners_follow() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = pair(dir.path());
    let root_key = a.data.join("keys/root.key");
    let (second, paper) = (a.file("second.key"), a.file("paper"));
    let path = |path: &std::path::Path| path.to_str().expect("plain path").to_owned();
    let pass = path(&a.pass("root"));
    let made = a.json(&["root", "rotate", "--make-key", &path(&second), "--passphrase-file", &pass]);
    let public = made["public_key"].as_str().expect("a key").to_owned();

    let code_before = a.json(&["card", "show"])["checking_code"].clone();
    a.refused(&["root", "rotate"], 2, "nothing_to_set");
    a.refused(&["root", "rotate", "--threshold", "3", "--out", &path(&paper), "--yes"], 2, "threshold_too_high");
    a.json(&["root", "rotate", "--add", &public, "--threshold", "2", "--out", &path(&paper), "--yes"]);
    a.refused(&["root", "sign", &path(&paper), "--install", "--yes"], 1, "seals_missing");
    let sign = |key: &std::path::Path| a.json(&["root", "sign", &path(&paper), "--key", &path(key), "--passphrase-file", &pass, "--yes"]);
    sign(&root_key);
    a.refused(&["root", "sign", &path(&paper), "--install", "--yes"], 1, "seals_missing");
    sign(&second);
    let mut garbled = std::fs::read_to_string(&paper).expect("readable");
    let at = garbled.len() / 2;
    garbled.replace_range(at..=at, if garbled[at..].starts_with('A') { "B" } else { "A" });
    std::fs::write(a.file("garbled"), &garbled).expect("written");
    a.refused(&["root", "sign", &path(&a.file("garbled")), "--install", "--yes"], 2, "paper_damaged");
    a.json(&["root", "sign", &path(&paper), "--install", "--yes"]);
    assert_eq!(a.status()["root_version"], 2);
    let code = a.json(&["card", "show"])["checking_code"].clone();
    assert_ne!(code, code_before, "a new root version is read out anew");
    until("the partner follows", || (b.json(&["partner", "show", &a.name])["partners"][0]["checking_code"] == code).then_some(()));
    // Work goes on under the new root.
    let id = a.publishes("换根之后", &b.name);
    b.receives(&id);

    // One key is not enough any more.
    let node = a.status()["certificate"].as_str().expect("a certificate").to_owned();
    a.refused(&["root", "appoint", &node[..12], "--key", &path(&root_key), "--passphrase-file", &pass, "--yes"], 2, "out_missing");
    for (line, what) in [(vec!["root", "appoint", &node[..12]], "appointment"), (vec!["cert", "renew"], "certificate")] {
        let _ = std::fs::remove_file(&paper);
        let paper_path = path(&paper);
        let mut words = line.clone();
        words.extend(["--out", &paper_path, "--yes"]);
        a.json(&words);
        let shown = a.json(&["root", "sign", &path(&paper), "--dry-run"]);
        assert_eq!((shown["kind"].as_str(), shown["missing"].as_u64()), (Some(what), Some(2)), "{shown}");
        sign(&root_key);
        sign(&second);
        a.json(&["root", "sign", &path(&paper), "--install", "--yes"]);
    }
    let status = a.status();
    assert_eq!(status["registrar"], true);
    let id = a.publishes("任命与续期之后", &b.name);
    b.receives(&id);
}
