//! Files beside documents: attached on one machine, fetched on another, and erased so that neither folder holds a byte of them.

use std::path::PathBuf;

use accord_keys::keyfile::KdfParams;
use accord_node::keystore::KeyFolder;
use accord_node::store::{Store, StoreKey};
use serde_json::Value;

use super::harness::*;

/// Content nobody else has.
fn content(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    getrandom::fill(&mut out).expect("the system has randomness");
    out
}

/// Whether a stopped bureau's store can still give any of these bytes: everything that its keys open is looked through.
fn holds(bureau: &Bureau, needles: &[&[u8]]) -> bool {
    let keys = KeyFolder::open(&bureau.data, KdfParams::default()).and_then(|folder| folder.read_node(NODE_PASS)).expect("its keys");
    let (store, _) = Store::open(&bureau.data.join("store"), &StoreKey::new(keys.store), &mut |_| {}).expect("opens");
    let mut found = false;
    let mut look = |bytes: &[u8]| found |= needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == *needle));
    store.dump_plaintext(&mut look).expect("reads");
    store.close().expect("closes");
    found
}

/// As [`holds`], for five places of a longer content.
fn opens(bureau: &Bureau, content: &[u8]) -> bool {
    let step = content.len() / 5;
    holds(bureau, &(0..5).map(|n| &content[n * step..n * step + 24]).collect::<Vec<_>>())
}

/// Whether any file under a folder holds any of these bytes as they are.
fn lies_in(folder: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            return lies_in(&path, needle);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    })
}

fn listed(bureau: &Bureau, case: &str) -> Vec<Value> {
    bureau.json(&["file", "list", case])["files"].as_array().cloned().unwrap_or_default()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("plain path")
}

#[test]
fn a_file_of_three_megabytes_comes_across_and_is_erased_on_both_sides() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut b) = pair(dir.path());
    let case = case(&a, &b);
    let bytes = content(3_000_000);
    let from: PathBuf = a.file("现场照片.jpg");
    std::fs::write(&from, &bytes).expect("written");
    let foreseen = a.json(&["file", "add", &case, text(&from), "--dry-run"]);
    assert_eq!((&foreseen["dry_run"], &foreseen["receivers"][0]["will_receive"]), (&true.into(), &true.into()), "{foreseen}");
    assert!(listed(&a, &case).is_empty(), "a dry run attaches nothing");
    let sent = a.json(&["file", "add", &case, text(&from)]);
    let id = sent["file"].as_str().expect("an id").to_owned();
    // A second one stays.
    let other = a.file("kept.txt");
    std::fs::write(&other, b"stays where it is").expect("written");
    b.json(&["file", "add", &case, text(&other), "--name", "../../etc/x"]);
    let there = |bureau: &Bureau, state: &str| {
        until(&format!("{}: {state}", bureau.name), || {
            listed(bureau, &case).into_iter().find(|file| file["id"] == id.as_str() && file["state"] == state)
        })
    };
    let seen = there(&b, "here");
    assert_eq!((&seen["name"], &seen["media"], &seen["size"]), (&"现场照片.jpg".into(), &"image/jpeg".into(), &3_000_000.into()));
    let to = b.file("out.jpg");
    let got = b.json(&["file", "get", &case, "现场照片.jpg", "--out", text(&to)]);
    assert_eq!(got["bytes"], 3_000_000);
    assert!(std::fs::read(&to).expect("written") == bytes, "byte for byte");
    b.refused(&["file", "get", &case, &id[..10], "--out", text(&to)], 2, "file_exists");
    // What it is called is no path.
    let folder = a.file("folder");
    std::fs::create_dir(&folder).expect("a folder");
    until("the other file comes", || listed(&a, &case).into_iter().find(|file| file["name"] == "../../etc/x" && file["state"] == "here"));
    a.json(&["file", "get", &case, "../../etc/x", "--out", text(&folder)]);
    let names: Vec<String> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("one").file_name().into_string().expect("plain")).collect();
    assert_eq!(names, ["_.._etc_x"]);
    // For people: what there is, in both languages.
    for lang in ["zh", "en"] {
        let shown = b.cli(&["--lang", lang, "case", "show", &case]);
        assert!(shown.code == 0 && shown.out.contains("现场照片.jpg") && shown.out.contains("3.0 MB"), "{shown:?}");
        assert!(b.cli(&["--lang", lang, "file", "list", &case]).out.contains("现场照片.jpg"));
    }
    // What has no next step is refused with one.
    let large = a.file("large.bin");
    std::fs::File::create(&large).and_then(|file| file.set_len(accord_protocol::limits::FILE_BYTES_MAX + 1)).expect("a long file");
    a.refused(&["file", "add", &case, text(&large)], 2, "file_too_large");
    a.refused(&["file", "add", &case, "/nowhere"], 2, "file_not_found");
    a.refused(&["file", "get", &case, "nothing.jpg"], 1, "unknown_file");
    b.refused(&["access", "erase", &case, &id, "--yes"], 1, "not_the_owner");

    // It outlives a crash, and both stores can give it.
    b.kill();
    b.start();
    b.login();
    for bureau in [&mut a, &mut b] {
        bureau.stop();
        assert!(opens(bureau, &bytes), "{}", bureau.name);
        assert!(!lies_in(&bureau.data, &bytes[..24]), "{}: encrypted from the first byte", bureau.name);
        bureau.start();
        bureau.login();
    }
    a.refused(&["access", "erase", &case, &id], 2, "not_a_terminal");
    a.json(&["access", "erase", &case, "现场照片.jpg", "--yes"]);
    there(&b, "erased");
    let attested = until("the partner says so", || {
        let file = listed(&a, &case).into_iter().find(|file| file["id"] == id.as_str())?;
        (file["attested"]["attested"] == 1).then_some(file)
    });
    assert_eq!((&attested["attested"]["of"], &attested["name"], &attested["state"]), (&1.into(), &"".into(), &"erased".into()));
    b.refused(&["file", "get", &case, &id], 1, "file_erased");
    let view = same(&case, &[&a, &b]);
    assert!(!view.is_empty());
    let proof = a.file("case.proof");
    a.json(&["proof", "export", &case, "--out", text(&proof)]);
    let stated = a.json(&["proof", "verify", text(&proof)]);
    let erased = stated["records"].as_array().into_iter().flatten().find(|record| record["kind"] == "erase").expect("a record");
    assert_eq!(erased["blobs"].as_array().map(Vec::len), Some(24), "the manifest and 23 pieces");
    for bureau in [&mut a, &mut b] {
        bureau.stop();
        assert!(!opens(bureau, &bytes), "{}: nothing opens it any more", bureau.name);
        assert!(holds(bureau, &[b"stays where it is"]), "{}: and the other one stays", bureau.name);
        let pass = bureau.pass("node");
        let verified = bureau.cli(&["--json", "store", "verify", "--passphrase-file", text(&pass)]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}
