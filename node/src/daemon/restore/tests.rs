use std::os::unix::fs::PermissionsExt as _;

use super::super::tests::plan;
use super::*;
use crate::daemon;
use crate::store::backup::Landing;

/// A bureau, its key on paper, and a backup of it made while it was stopped.
fn backed_up(dir: &Path) -> (PathBuf, RecoveryKey, PathBuf) {
    backed_up_with(dir, &[])
}

/// The same, where somebody had put more files among the officers' keys.
fn backed_up_with(dir: &Path, stray: &[&str]) -> (PathBuf, RecoveryKey, PathBuf) {
    let data = dir.join("node");
    let sheet = daemon::init(plan(&data)).expect("founded");
    let paper = RecoveryKey::from_groups(&sheet.recovery_key).expect("as printed");
    for name in stray {
        std::fs::write(data.join("keys/officers").join(name), b"a copy").expect("written");
    }
    let keys = KeyFolder::open(&data, KdfParams::default()).expect("just made");
    let (store, maker) = stopped(&data, &keys, "correct horse", &mut |_| {}).expect("it can be backed up");
    let file = dir.join("a.backup");
    let mut landing = Landing::begin(&file, &[1; 16]).expect("a free name");
    let snapshot = store.snapshot().expect("open");
    maker.write(&snapshot, &mut |bytes| landing.take(bytes)).expect("written");
    landing.finish().expect("whole");
    store.close().expect("closed");
    (data, paper, file)
}

fn code<T>(result: Result<T, Failure>) -> String {
    result.err().map_or_else(|| "ok".to_owned(), |failure| failure.code)
}

fn by_keys(data: &Path) -> Opener {
    Opener::Keys { folder: data.join("keys"), passphrase: Zeroizing::new("correct horse".to_owned()) }
}

#[test]
fn a_backup_opens_with_paper_or_keys_and_becomes_the_same_node_that_says_it_is_restored() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, paper, file) = backed_up(dir.path());
    let node = KeyFolder::open(&data, KdfParams::default()).and_then(|keys| keys.read_node("correct horse")).expect("its keys");
    let bytes = std::fs::read(&file).expect("readable");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    for secret in [&node.signing, &node.store, &node.cursor, &node.transport] {
        assert!(!bytes.windows(32).any(|window| window == secret), "a secret lies open in the backup");
    }
    assert!(verify(&file, None, &mut |_| {}).expect("whole").opened.is_none());
    let mut found = Vec::new();
    for (name, opener) in [("paper", Opener::Paper(paper)), ("keys", by_keys(&data))] {
        let seen = verify(&file, Some(&opener), &mut |_| {}).expect("opens").opened.expect("opened");
        assert_eq!(seen.report.damage, vec![]);
        let again = dir.path().join(name);
        let inside = restore(&file, &again, &opener, &mut |_| {}).expect("restored");
        assert_eq!((inside.head, inside.documents), (seen.head, seen.documents));
        let keys = KeyFolder::open(&again, KdfParams::default()).expect("a node");
        assert!(keys.read_node("correct horse").expect("the passphrase of then") == node);
        assert!(!again.join("keys/root.key").exists(), "the root key is not for a backup");
        for name in ["accord.toml", "keys/recovery.wrap"] {
            assert_eq!(std::fs::read(again.join(name)).expect(name), std::fs::read(data.join(name)).expect(name));
        }
        let officers = |data: &Path| std::fs::read_dir(data.join("keys/officers")).expect("there").count();
        assert_eq!((officers(&again), officers(&again) > 0), (officers(&data), true));
        let (store, _) = Store::open(&again.join("store"), &StoreKey::new(node.store), &mut |_| {}).expect("a store");
        assert_eq!(
            store.get(accord_protocol::step::Table::Local, b"suspect").expect("readable"),
            Some(vec![1]),
            "it says so from the first start"
        );
        found.push(store.batches());
        drop(store);
        // The restored node can be backed up in its turn, and the same paper opens that.
        assert!(BackupRing::open(&keys, &node.store).expect("whole").is_some());
        assert_eq!(code(restore(&file, &again, &opener, &mut |_| {})), "data_exists");
    }
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_stray_file_among_the_officers_keys_does_not_spoil_a_backup() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let stray = ["abc_old.key", "abc (1).key", "abc.2026.key", "旧.key", ".key", "note.txt"];
    let (data, paper, file) = backed_up_with(dir.path(), &stray);
    let again = dir.path().join("again");
    restore(&file, &again, &Opener::Paper(paper), &mut |_| {}).expect("restored");
    let officers = |data: &Path| {
        let entries = std::fs::read_dir(data.join("keys/officers")).expect("there");
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("plain")).collect::<std::collections::BTreeSet<_>>()
    };
    let mut kept = officers(&data);
    assert!(stray.iter().all(|name| kept.remove(*name)), "they were there");
    assert_eq!(officers(&again), kept, "what accord named came back, and nothing else");
}

#[test]
fn what_is_wrong_with_a_backup_is_told_apart_and_leaves_no_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, paper, file) = backed_up(dir.path());
    let whole = std::fs::read(&file).expect("readable");
    let other = dir.path().join("other");
    let check = |bytes: &[u8], opener: &Opener, expect: &str| {
        let changed = dir.path().join("changed");
        std::fs::write(&changed, bytes).expect("written");
        assert_eq!(code(verify(&changed, Some(opener), &mut |_| {})), expect);
        assert_eq!(code(restore(&changed, &other, opener, &mut |_| {})), expect);
        let left: Vec<_> = std::fs::read_dir(dir.path()).expect("there").map(|entry| entry.expect("readable").file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("other")), "{expect} leaves {left:?}");
    };
    let opener = Opener::Paper(paper);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    check(&flipped, &opener, "backup_damaged");
    check(&whole[..middle], &opener, "backup_truncated");
    check(b"PK\x03\x04 something else", &opener, "backup_foreign");
    let mut newer = whole.clone();
    newer[9] = 2;
    let sum = blake3::hash(&newer[..78]);
    newer[78..94].copy_from_slice(&sum.as_bytes()[..16]);
    check(&newer, &opener, "backup_newer");
    check(&whole, &Opener::Paper(RecoveryKey::from_bytes([3; 32])), "backup_key");
    assert_eq!(code(verify(&dir.path().join("absent"), None, &mut |_| {})), "file_not_found");

    // Another node's keys, and keys that forgot the day.
    let stranger = dir.path().join("stranger");
    daemon::init(plan(&stranger)).expect("founded");
    check(&whole, &by_keys(&stranger), "backup_key");
    let keys = KeyFolder::open(&data, KdfParams::default()).expect("there");
    let node = keys.read_node("correct horse").expect("its keys");
    let ring = BackupRing::open(&keys, &node.store).expect("whole").expect("there");
    assert!(ring.forget_before(ring.first_day() + 1).expect("written"));
    check(&whole, &by_keys(&data), "backup_expired");
    assert_eq!(code(verify(&file, Some(&opener), &mut |_| {})), "ok", "the paper still opens it");
}
