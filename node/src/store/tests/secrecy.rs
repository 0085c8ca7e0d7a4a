//! Nothing readable lies on the disk, and what was purged opens under nothing that is left.

use super::inventory;
use super::memory::MemoryDisk;
use super::model::Model;
use super::power::{setting, start};
use super::*;

const CANARY: &[u8] = b"canary 4711 in a case note";

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files(&path, found) } else { found.push((path.clone(), std::fs::read(&path).expect("read"))) }
    }
}

#[test]
fn no_content_no_key_and_no_id_lies_readable_on_the_disk() {
    let (_temporary, dir) = folder();
    let mut store = Store::create_with(&dir, &key(), &small()).expect("create");
    let id = DocumentId(*b"a document id of exactly 32 byte");
    store
        .commit(&[
            Write::Item { document: id, seq: 1, body: CANARY.to_vec() },
            put(Table::Documents, id.as_bytes(), CANARY),
            put(Table::Partners, CANARY, CANARY),
            put(Table::Statements, b"large", &CANARY.repeat(300)),
            Write::Account(CANARY.to_vec()),
        ])
        .expect("commit");
    let mut seen = 0;
    store.dump_plaintext(&mut |bytes| seen += usize::from(contains(bytes, CANARY))).expect("dump");
    assert_eq!(seen, 6, "the dump shows every place it was written to");
    let document_key = store.keyring.get(&id).expect("key").expose().to_vec();
    store.finish_background(true).expect("settled");
    store.begin_settling(true);
    store.finish_background(true).expect("checkpoint");
    inventory::take(&mut store).expect("inventory");
    store.close().expect("close");
    let mut found = Vec::new();
    files(&dir, &mut found);
    assert!(found.len() > 7 && found.iter().any(|(path, _)| path.ends_with("checkpoint")));
    for (path, bytes) in found {
        for secret in [CANARY, id.as_bytes(), &document_key, &KEY] {
            assert!(!contains(&bytes, secret), "{} holds a secret", path.display());
        }
    }
}

#[test]
fn a_purged_document_is_gone_for_the_store_and_for_a_thief_with_the_store_key() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &index, 1), &key()).expect("create");
    let kept = vec![item(2, 2, b"stays"), put(Table::Documents, &[2; 32], b"stays too")];
    store.commit(&[item(1, 1, CANARY), put(Table::Documents, &[1; 32], CANARY)]).expect("commit");
    store.commit(&kept).expect("commit");
    let old_keyring = disk.bytes(keyring::FILE);
    let head = store.head();
    store.purge_documents(&[document(1), document(77)]).expect("purge");
    assert_ne!(store.head(), head, "the purge is on the chain");
    let mut model = Model::default();
    model.commit(&kept);
    model.purged.insert(document(1));
    assert_eq!(Model::of(&store), model);
    store.dump_plaintext(&mut |bytes| assert!(!contains(bytes, CANARY))).expect("dump");
    assert!(matches!(store.commit(&[item(1, 9, b"back")]), Err(StoreError::Purged(found)) if found == document(1)));
    assert!(matches!(store.commit(&[put(Table::Documents, &[1; 32], b"back")]), Err(StoreError::Purged(_))));
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").purged, 2);
    store.commit(&[item(3, 10, b"new after the purge")]).expect("commit");
    model.commit(&[item(3, 10, b"new after the purge")]);
    drop(store);
    let (store, _) = start(&disk, &index, 2).expect("start");
    assert_eq!(Model::of(&store), model, "also after a rebuild from the whole journal");
    assert!(!disk.any_block(|bytes| contains(bytes, &old_keyring[34..])), "the old keyring was overwritten where it lay");
}
