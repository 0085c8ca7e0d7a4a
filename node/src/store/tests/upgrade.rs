//! A store that an earlier version left (the files in `v1`) opens, with everything in it, and goes on in the format of today.

use std::os::unix::fs::PermissionsExt;

use super::compact;
use super::model::Model;
use super::*;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make");
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o700)).expect("chmod");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).expect("copy");
            std::fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).expect("chmod");
        }
    }
}

/// What the earlier version wrote, stopped cleanly.
fn old() -> (tempfile::TempDir, PathBuf, Model) {
    let (temporary, dir) = folder();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/v1"), &dir);
    let mut model = Model::default();
    model.commit(&[item(1, 1, b"genesis"), item(1, 2, b"record"), put(Table::Documents, &[1; 32], b"title")]);
    model.commit(&[Write::Account(b"opened".to_vec()), item(2, 3, b"other"), item(1, 4, b"segment"), put(Table::Partners, b"a", b"card")]);
    model.commit(&[put(Table::Statements, b"large", &[9; 5000]), item(2, 8, b"last")]);
    model.purged.insert(document(3));
    (temporary, dir, model)
}

/// With room left in the file that the earlier version wrote last.
fn open(dir: &Path) -> Result<(Store, OpenReport), StoreError> {
    Store::open_with(dir, &key(), &Options { file_bytes: 1 << 20, ..small() }, &mut |_| {})
}

#[test]
fn a_store_of_the_first_version_opens_whole_and_goes_on_in_a_file_of_its_own() {
    let (_temporary, dir, mut model) = old();
    let before = std::fs::read(dir.join("journal/00000005.journal")).expect("read");
    let (mut store, report) = open(&dir).expect("open");
    match &report.index {
        IndexState::Rebuilt { reason, from_checkpoint: false } => assert!(reason.contains("older format"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((Model::of(&store), store.sequence()), (model.clone(), 8));
    let batch = vec![item(1, 9, b"new"), item(4, 10, b"also new"), put(Table::Partners, b"a", b"card 2")];
    store.commit(&batch).expect("commit");
    model.commit(&batch);
    assert_eq!(Model::of(&store), model);
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    store.close().expect("close");
    assert_eq!(std::fs::read(dir.join("journal/00000005.journal")).expect("read"), before, "what it left is not touched");
    let version = |number| std::fs::read(dir.join(journal::file_name(number))).expect("read")[9];
    assert_eq!((version(5), version(6)), (1, 2), "the earlier program refuses the new file instead of calling it damaged");
    let (store, report) = open(&dir).expect("open");
    assert_eq!((report.index, Model::of(&store)), (IndexState::Trusted, model.clone()));
    drop(store);
    std::fs::remove_dir_all(dir.join("index")).expect("remove");
    assert_eq!(Model::of(&open(&dir).expect("open").0), model, "a rebuild reads both formats");
}

#[test]
fn damage_in_a_store_of_the_first_version_is_found_and_mended() {
    let (_temporary, dir, mut model) = old();
    let file = dir.join("journal/00000001.journal");
    let mut bytes = std::fs::read(&file).expect("read");
    // The first item, right behind the frame's head.
    bytes[frame::HEADER + frame::HEAD + 30] ^= 1;
    std::fs::write(&file, bytes).expect("write");
    let report = Store::repair(&dir, &key(), &mut |_| {}).expect("repair");
    assert_eq!(report.lost_parts, vec![LostPart::Items { document: document(1), first: 1, last: 1 }]);
    let (store, _) = open(&dir).expect("open");
    model.items.get_mut(&document(1)).expect("there").remove(&1);
    let found = Model::of(&store);
    assert_eq!(found.items, model.items);
}

#[test]
fn files_of_the_first_version_are_rewritten_like_any_other() {
    let (_temporary, dir, mut model) = old();
    let mut store = open(&dir).expect("open").0;
    let batch = vec![put(Table::Documents, &[1; 32], b"another title"), put(Table::Statements, b"large", &[8; 5000])];
    store.commit(&batch).expect("commit");
    model.commit(&batch);
    store.purge_documents(&[document(2)]).expect("purge");
    model.purge(&document(2));
    let head = store.head();
    let report = compact::round(&mut store).expect("compact");
    assert!(report.rewritten > 1 && report.after < report.before, "{report:?}");
    assert_eq!((Model::of(&store), store.head()), (model.clone(), head));
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    store.close().expect("close");
    std::fs::remove_dir_all(dir.join("index")).expect("remove");
    std::fs::remove_file(dir.join("checkpoint")).ok();
    assert_eq!(Model::of(&open(&dir).expect("open").0), model, "a rebuild reads all three formats");
}
