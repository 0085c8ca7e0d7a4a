//! What the store promises, tried on a real folder and on a disk that loses power.

mod backup;
mod compact;
mod damage;
mod inventory;
mod memory;
mod model;
mod power;
mod property;
mod refusals;
mod round_trip;
mod secrecy;
mod trust;
mod upgrade;
mod vectors;

use super::*;

pub const KEY: [u8; 32] = [7; 32];

pub fn key() -> StoreKey {
    StoreKey::new(KEY)
}

pub fn document(number: u8) -> DocumentId {
    DocumentId([number; 32])
}

pub fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
    Write::Put { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

pub fn remove(table: Table, key: &[u8]) -> Write {
    Write::Put { table, key: key.to_vec(), value: None }
}

pub fn item(number: u8, seq: u64, body: &[u8]) -> Write {
    Write::Item { document: document(number), seq, body: body.to_vec() }
}

/// Small bounds, so that files rotate and checkpoints come early.
pub fn small() -> Options {
    Options {
        file_bytes: 4 << 10,
        ahead_bytes: 4 << 10,
        checkpoint_bytes: 16 << 10,
        checkpoint_at_close_bytes: 8 << 10,
        flush_bytes: 2 << 10,
        keyring_bytes: 4 << 10,
        reserve_bytes: 64 << 10,
        low_water_bytes: 64 << 10,
        compact_percent: 0,
        compact_pause_ms: 0,
        background: false,
        count_at_once_pages: 4096,
    }
}

pub fn open(dir: &Path) -> Result<(Store, OpenReport), StoreError> {
    Store::open_with(dir, &key(), &small(), &mut |_| {})
}

/// A temporary folder in memory where the machine has such: the index of a test need not survive anything.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder can be made")
}

/// A folder inside a temporary one, as the store makes it itself.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let dir = temporary.path().join("store");
    (temporary, dir)
}
