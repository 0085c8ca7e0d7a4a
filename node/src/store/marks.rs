//! Two small files that say how the last run ended.
//!
//! `lock` is held while a store is open; it also notes, without sync, the boot it runs under and the last acknowledged batch. `clean` is
//! written durably at a clean stop and removed at start. Both only ever add caution or speed: losing them loses nothing.

use super::bytes::Reader;
use super::cipher::{StoreKey, Subkey};
use super::disk::Disk;
use super::error::StoreError;
use super::journal::fatal;
use super::place::State;

/// Name of the lock.
pub const LOCK: &str = "lock";
/// Name of the clean-stop marker.
pub const CLEAN: &str = "clean";
const CLEAN_NEXT: &str = "clean.next";

/// The key both are authenticated under.
pub fn key(key: &StoreKey, store: &[u8; 16]) -> Subkey {
    Subkey::derive("accord store v1 marks", key.expose(), store)
}

/// What the lock file notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The boot under which the index was last known good; zeros if not known.
    pub boot: [u8; 16],
    /// The last acknowledged batch.
    pub seq: u64,
}

impl Note {
    /// Reads the note; `None` if there is none or it is garbled.
    pub fn read(disk: &dyn Disk, key: &Subkey) -> Option<Self> {
        let bytes = disk.read_all(LOCK, 4096).ok()??;
        let (body, tag) = bytes.get(..32)?.split_at(24);
        let mut from = Reader(body);
        let note = Self { boot: from.array()?, seq: from.u64()? };
        (key.tag(&[b"note", body])[..8] == *tag).then_some(note)
    }

    /// Writes the note, best effort: it is a witness, not a promise.
    pub fn write(&self, disk: &dyn Disk, key: &Subkey) {
        if let Err(error) = self.try_write(disk, key) {
            tracing::debug!(%error, "the lock note was not written");
        }
    }

    /// As [`Note::write`], where something is taken away because the note says it too.
    pub fn try_write(&self, disk: &dyn Disk, key: &Subkey) -> std::io::Result<()> {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.boot);
        bytes[16..24].copy_from_slice(&self.seq.to_be_bytes());
        let tag = key.tag(&[b"note", &bytes[..24]]);
        bytes[24..].copy_from_slice(&tag[..8]);
        disk.write_at(LOCK, 0, &bytes)
    }
}

/// The clean-stop marker's state; `None` if there is none or it is garbled.
pub fn read_clean(disk: &dyn Disk, key: &Subkey) -> Option<State> {
    let bytes = disk.read_all(CLEAN, 4096).ok()??;
    let (body, tag) = bytes.split_last_chunk::<16>()?;
    if key.tag(&[b"clean", body])[..16] != *tag {
        return None;
    }
    let mut from = Reader(body);
    let state = State::decode(&mut from)?;
    from.end().map(|()| state)
}

/// The last batch that the note or the clean-stop marker knows to have been acknowledged; 0 if neither says.
pub fn witness(disk: &dyn Disk, key: &Subkey) -> u64 {
    let noted = Note::read(disk, key).map_or(0, |note| note.seq);
    noted.max(read_clean(disk, key).map_or(0, |state| state.place.seq))
}

/// Says durably that the index stands at `state` and was synced.
pub fn write_clean(disk: &dyn Disk, key: &Subkey, state: &State) -> Result<(), StoreError> {
    let mut bytes = state.encode();
    let tag = key.tag(&[b"clean", &bytes]);
    bytes.extend_from_slice(&tag[..16]);
    disk.replace(CLEAN, CLEAN_NEXT, &bytes).map_err(|error| fatal("writing", CLEAN, &error))
}

/// Takes the marker away before the index changes.
pub fn remove_clean(disk: &dyn Disk) -> Result<(), StoreError> {
    let step = || {
        if disk.len(CLEAN)?.is_some() {
            disk.remove(CLEAN)?;
            disk.sync_dir("")?;
        }
        Ok(())
    };
    step().map_err(|error| fatal("removing", CLEAN, &error))
}

/// The id of this boot as 16 bytes; `None` where the system does not tell.
pub fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    blake3::hash(text.trim().as_bytes()).as_bytes()[..16].try_into().ok()
}
