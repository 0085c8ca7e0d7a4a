//! Whether a store lives where it lived last: on this machine, and as the only copy that went on.
//!
//! At every start a fresh mark is written into the store and beside it. A store that was put back alone brings back an older mark; one that
//! was carried to another machine meets another machine id. Neither proves that anything is missing, but both are reason enough to ask those
//! who remember before anything is given out.

use std::path::Path;

use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::step::{Table, Write};

use super::failures;
use crate::failure::Failure;
use crate::keystore;
use crate::store::{Store, StoreError};

/// Beside the store, in the data folder: the marks of the last two starts, in hex.
const FILE: &str = "keys/last-start";
/// Rows of the local table: the mark of the last start, the machine it was on.
const START: &[u8] = b"start";
const MACHINE: &[u8] = b"machine";
/// Bytes of a mark.
const MARK: usize = 16;

/// Compares where the store was with where it is, notes a suspicion in it, and leaves the marks of this start.
///
/// # Errors
/// What reading or writing store and file say, `store_no_room` among it where there is something to note; `no_randomness` without a source of it.
pub(super) fn settle(data: &Path, store: &mut Store) -> Result<Option<Suspicion>, Failure> {
    settle_on(data, store, machine())
}

fn settle_on(data: &Path, store: &mut Store, machine: Option<[u8; 32]>) -> Result<Option<Suspicion>, Failure> {
    let failed = |error| failures::store(&data.join("store"), error);
    let file = data.join(FILE);
    let beside = std::fs::read_to_string(&file).unwrap_or_default();
    let within = store.get(Table::Local, START).map_err(failed)?;
    let lived_on = store.get(Table::Local, MACHINE).map_err(failed)?;
    let known = |mark: &[u8]| beside.lines().any(|line| line == hex(mark));
    let suspicion = if lived_on.as_deref().zip(machine.as_ref()).is_some_and(|(before, now)| before != now) {
        Some(Suspicion::Cloned)
    } else if within.as_deref().is_some_and(|mark| !known(mark)) {
        Some(Suspicion::Restored)
    } else {
        None
    };
    let fresh: [u8; MARK] = keystore::random()?;
    let beside = |marks: &[String]| keystore::write_private(&file, format!("{}\n", marks.join("\n")).as_bytes());
    let put = |key: &[u8], value: Vec<u8>| Write::Put { table: Table::Local, key: key.to_vec(), value: Some(value) };
    let mut writes = vec![put(START, fresh.to_vec())];
    writes.extend(machine.map(|machine| put(MACHINE, machine.to_vec())));
    writes.extend(suspicion.map(note_suspicion));
    // At home the file comes first, with both marks: whatever a crash leaves in the store is one of them. A suspicion comes first into the
    // store, in the batch that makes it at home here: a crash then only raises it again.
    if suspicion.is_none() {
        beside(&within.iter().map(|mark| hex(mark)).chain([hex(&fresh)]).collect::<Vec<_>>())?;
    }
    match store.commit(&writes) {
        // A full disk is told elsewhere. What was there stays, and the next start compares again. A suspicion that is not in the store is
        // none: the core reads it there, so without room for it nothing starts.
        Err(StoreError::Full { .. }) if suspicion.is_none() => return Ok(None),
        other => other.map_err(failed)?,
    }
    if suspicion.is_some() {
        beside(&[hex(&fresh)])?;
    }
    Ok(suspicion)
}

/// What makes a store that comes out of a backup say so at its first start: the suspicion, and no mark of the place it was made at.
pub(super) fn restored() -> Vec<Write> {
    let away = |key: &[u8]| Write::Put { table: Table::Local, key: key.to_vec(), value: None };
    vec![note_suspicion(Suspicion::Restored), away(START), away(MACHINE)]
}

/// What the system calls this machine, as a digest that tells nothing else; `None` where it has no such name.
fn machine() -> Option<[u8; 32]> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    (!id.is_empty()).then(|| blake3::derive_key("accord machine v1", id.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, StoreKey};

    fn start(data: &Path, machine: [u8; 32]) -> Option<Suspicion> {
        let mut open = Store::open(&data.join("store"), &StoreKey::new([1; 32]), &mut |_| {}).expect("a store").0;
        let found = settle_on(data, &mut open, Some(machine)).expect("settles");
        open.close().expect("closed");
        found
    }

    fn copy(from: &Path, to: &Path) {
        keystore::make_folder(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("readable") {
            let entry = entry.expect("readable");
            let at = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &at);
            } else {
                std::fs::copy(entry.path(), at).expect("copied");
            }
        }
    }

    /// As [`start`], on a disk that has no room as far as the store is concerned.
    fn start_full(data: &Path, machine: [u8; 32]) -> Result<Option<Suspicion>, Failure> {
        let options = Options { low_water_bytes: 1 << 60, ..Options::default() };
        let mut open = Store::open_with(&data.join("store"), &StoreKey::new([1; 32]), &options, &mut |_| {}).expect("a store").0;
        let found = settle_on(data, &mut open, Some(machine));
        open.close().expect("closed");
        found
    }

    #[test]
    fn a_store_put_back_on_a_full_disk_does_not_start_before_its_suspicion_is_in_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        keystore::make_folder(&data.join("keys")).expect("made");
        Store::create(&data.join("store"), &StoreKey::new([1; 32])).expect("made").close().expect("closed");
        start(&data, [7; 32]);
        assert!(matches!(start_full(&data, [7; 32]), Ok(None)), "at home a full disk still starts");
        copy(&data.join("store"), &dir.path().join("backup"));
        start(&data, [7; 32]);
        start(&data, [7; 32]);
        std::fs::remove_dir_all(data.join("store")).expect("gone");
        copy(&dir.path().join("backup"), &data.join("store"));
        for machine in [7, 8] {
            let refused = start_full(&data, [machine; 32]).expect_err("what it suspects is nowhere");
            assert_eq!(refused.code, "store_no_room", "machine {machine}");
        }
        assert_eq!(start(&data, [7; 32]), Some(Suspicion::Restored), "with room it is noted");
        assert_eq!(start(&data, [7; 32]), None);
    }

    #[test]
    fn a_store_put_back_or_carried_elsewhere_is_noticed_once_and_a_restart_is_not() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        keystore::make_folder(&data.join("keys")).expect("made");
        Store::create(&data.join("store"), &StoreKey::new([1; 32])).expect("made").close().expect("closed");
        assert_eq!([start(&data, [7; 32]), start(&data, [7; 32]), start(&data, [7; 32])], [None; 3], "at home");
        copy(&data.join("store"), &dir.path().join("backup"));
        start(&data, [7; 32]);
        start(&data, [7; 32]);
        std::fs::remove_dir_all(data.join("store")).expect("gone");
        copy(&dir.path().join("backup"), &data.join("store"));
        assert_eq!(start(&data, [7; 32]), Some(Suspicion::Restored));
        assert_eq!(start(&data, [7; 32]), None, "it is noted in the store; the place is known again");
        assert_eq!(start(&data, [8; 32]), Some(Suspicion::Cloned), "another machine");
        std::fs::remove_file(data.join(FILE)).expect("gone");
        assert_eq!(start(&data, [8; 32]), Some(Suspicion::Restored), "a store that came without what lay beside it");
    }
}
