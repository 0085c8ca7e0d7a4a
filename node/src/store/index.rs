//! The index: where things stand in the journal, in sled. Never the truth; the one home of sled.
//!
//! Rows are `key → sealed value`. A key is a table number or the item mark, a keyed hash, and for items their sequence: a thief of the disk
//! learns how many rows each table has and which sequences belong to one unnamed document, nothing else. sled 0.34.7 may lose, tear or
//! panic after a power cut, so every call is guarded and nothing here is believed before it was counted (see `recover`).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use accord_protocol::id::DocumentId;

use super::bytes::Reader;
use super::cipher::{Random, StoreKey, Subkey};
use super::error::StoreError;
use super::place::{State, Tally};

/// sled's own default is 1 GiB.
const CACHE_BYTES: u64 = 64 << 20;
/// An index is rebuilt at start when it takes more than this and [`BLOAT_ROW_BYTES`] per row; measured need is about 400 bytes per row.
const BLOAT_FREE_BYTES: u64 = 256 << 20;
/// See [`BLOAT_FREE_BYTES`].
const BLOAT_ROW_BYTES: u64 = 2048;
/// First byte of the keys of items. Tables have lower numbers.
const ITEM: u8 = 0xF0;
/// The row that says which batch the index stands at.
const STATE_KEY: &[u8] = &[0xFF];

/// Rows a batch changes; `None` removes.
pub type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Sees a row's key and value; answers whether to go on.
pub type Visitor<'a> = dyn FnMut(&[u8], Vec<u8>) -> Result<bool, StoreError> + 'a;

/// Why the index cannot be used. It is rebuilt then, never repaired.
#[derive(Debug)]
pub struct Unusable(pub String);

impl Unusable {
    /// As the error that stops a running store; at the next start the index is rebuilt.
    pub fn fatal(self) -> StoreError {
        StoreError::Fatal(format!("index: {}", self.0))
    }
}

/// Makes row keys.
#[derive(Clone)]
pub struct RowKeys(Subkey);

impl RowKeys {
    /// The key of a table's row.
    pub fn put(&self, table: u8, key: &[u8]) -> Vec<u8> {
        [&[table][..], &self.0.tag(&[&[table], key])[..16]].concat()
    }

    /// What the keys of all items of a document begin with.
    pub fn document(&self, document: &DocumentId) -> Vec<u8> {
        [&[ITEM][..], &self.0.tag(&[&[ITEM], document.as_bytes()])[..16]].concat()
    }

    /// The key of an item.
    pub fn item(&self, document: &DocumentId, seq: u64) -> Vec<u8> {
        let mut key = self.document(document);
        key.extend_from_slice(&seq.to_be_bytes());
        key
    }
}

/// The sequence in an item's row key.
pub fn item_seq(row_key: &[u8]) -> Option<u64> {
    row_key.last_chunk().map(|seq| u64::from_be_bytes(*seq))
}

/// The open index.
#[derive(Clone)]
pub struct Index {
    db: sled::Db,
    path: PathBuf,
    seal: Subkey,
    keys: RowKeys,
    state: Option<State>,
}

/// Runs sled code, turning its errors and panics into a reason.
fn guarded<T>(what: &str, run: impl FnOnce() -> sled::Result<T>) -> Result<T, Unusable> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Unusable(format!("{what}: {error}"))),
        Err(_) => Err(Unusable(format!("{what}: sled panicked"))),
    }
}

impl Index {
    /// Opens the folder, making it if it is not there. [`Index::state`] is `None` when it holds nothing believable.
    pub fn open(path: &Path, key: &StoreKey, store: &[u8; 16]) -> Result<Self, Unusable> {
        let io = |error: std::io::Error| Unusable(format!("{}: {error}", path.display()));
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(path).map_err(io)?;
        for entry in std::fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            // A snapshot a crash interrupted; sled would fail on it.
            if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
                std::fs::remove_file(entry.path()).map_err(io)?;
            }
        }
        let config = sled::Config::default().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut tries = 0;
        let db = loop {
            match guarded("opening", || config.open()) {
                Ok(db) => break db,
                // A store of this process that was just closed lets go of sled's lock a moment later.
                Err(reason) if reason.0.contains("acquire lock") && tries < 200 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(reason) => return Err(reason),
            }
        };
        let seal = Subkey::derive("accord store v1 index row", key.expose(), store);
        let keys = RowKeys(Subkey::derive("accord store v1 index key", key.expose(), store));
        let mut index = Self { db, path: path.to_owned(), seal, keys, state: None };
        index.state = match index.get(STATE_KEY)? {
            Some(row) => Some(State::decode(&mut Reader(&row)).ok_or_else(|| Unusable("garbled state row".to_owned()))?),
            None => None,
        };
        Ok(index)
    }

    /// Makes row keys.
    pub fn keys(&self) -> &RowKeys {
        &self.keys
    }

    /// The batch the index stands at.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// A row's value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unusable> {
        guarded("reading", || self.db.get(key))?.map(|sealed| self.unseal(key, &sealed)).transpose()
    }

    /// Visits rows whose key begins with `prefix`, from `from` on, in key order, until `each` answers false.
    pub fn walk(&self, prefix: &[u8], from: &[u8], each: &mut Visitor<'_>) -> Result<Result<(), StoreError>, Unusable> {
        let mut rows = guarded("reading", || Ok(self.db.range(from.to_vec()..)))?;
        loop {
            let Some((key, sealed)) = guarded("reading", || rows.next().transpose())? else { return Ok(Ok(())) };
            if !key.starts_with(prefix) {
                return Ok(Ok(()));
            }
            if key == STATE_KEY {
                continue;
            }
            match each(&key, self.unseal(&key, &sealed)?) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Counts and sums all rows.
    pub fn recount(&self, progress: &mut dyn FnMut(u64)) -> Result<Tally, Unusable> {
        let mut tally = Tally::default();
        let counted = self.walk(&[], &[], &mut |key, value| {
            tally.add(key, &value);
            if tally.rows.is_multiple_of(4096) {
                progress(tally.rows);
            }
            Ok(true)
        })?;
        counted.map(|()| tally).map_err(|error| Unusable(error.to_string()))
    }

    /// What the tally will be after these changes. In a live commit items are new, as their sequences only rise; in a rebuild from a
    /// checkpoint they may be there already.
    pub fn tally_after(&self, rows: &Rows, live: bool) -> Result<Tally, Unusable> {
        let mut tally = self.state.map(|state| state.tally).unwrap_or_default();
        for (key, value) in rows {
            let new = live && value.is_some() && key.first() == Some(&ITEM);
            if !new && let Some(old) = self.get(key)? {
                tally.take(key, &old);
            }
            if let Some(new) = value {
                tally.add(key, new);
            }
        }
        Ok(tally)
    }

    /// Makes changes and moves to `state`, in one step of sled.
    pub fn apply(&mut self, rows: &Rows, state: &State, random: &mut Random) -> Result<(), StoreError> {
        let mut batch = self.sealed(rows, random)?;
        batch.insert(STATE_KEY, self.seal(STATE_KEY, &state.encode(), random)?);
        guarded("writing", || self.db.apply_batch(batch)).map_err(Unusable::fatal)?;
        self.state = Some(*state);
        Ok(())
    }

    /// Adds rows without saying where the index stands: while a checkpoint is loaded.
    pub fn load(&mut self, rows: &Rows, random: &mut Random) -> Result<(), StoreError> {
        let batch = self.sealed(rows, random)?;
        guarded("writing", || self.db.apply_batch(batch)).map_err(Unusable::fatal)
    }

    /// Hands what is buffered to the operating system. Not durable against power loss: sled does not do that.
    pub fn flush(&self) -> Result<(), Unusable> {
        guarded("flushing", || self.db.flush()).map(|_| ())
    }

    /// Whether the folder is far larger than its rows need: sled 0.34 does not give space back.
    pub fn is_bloated(&self) -> bool {
        let rows = self.state.map_or(0, |state| state.tally.rows);
        self.size() > BLOAT_FREE_BYTES.saturating_add(rows.saturating_mul(BLOAT_ROW_BYTES))
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        guarded("measuring", || self.db.size_on_disk()).unwrap_or(0)
    }

    /// Flushes, closes and syncs every file, so that the index survives a power cut after a clean stop.
    pub fn close(self) -> Result<(), StoreError> {
        self.flush().map_err(Unusable::fatal)?;
        let path = self.path.clone();
        guarded("closing", move || {
            drop(self);
            Ok(())
        })
        .map_err(Unusable::fatal)?;
        sync_tree(&path).map_err(|error| StoreError::Fatal(format!("syncing the index: {error}")))
    }

    /// Loses a row as sled may after a power cut.
    #[cfg(test)]
    pub fn remove_behind_its_back(&self, key: &[u8]) {
        self.db.remove(key).expect("the row can be removed");
        self.db.flush().expect("and stays so");
    }

    fn sealed(&self, rows: &Rows, random: &mut Random) -> Result<sled::Batch, StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key.as_slice(), self.seal(key, value, random)?),
                None => batch.remove(key.as_slice()),
            }
        }
        Ok(batch)
    }

    fn seal(&self, key: &[u8], value: &[u8], random: &mut Random) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::with_capacity(40 + value.len());
        self.seal.seal(random.take()?, key, &[value], &mut out);
        Ok(out)
    }

    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unusable> {
        let mut plain = self.seal.open(key, sealed).ok_or_else(|| Unusable("garbled row".to_owned()))?;
        Ok(std::mem::take(&mut *plain))
    }
}

fn sync_tree(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            std::fs::File::open(entry.path())?.sync_all()?;
        }
    }
    std::fs::File::open(folder)?.sync_all()
}

/// Removes the index folder, or with `keep` moves it aside for a look at what went wrong.
pub fn discard(path: &Path, keep: bool) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { action: "clearing", file: "index".to_owned(), source };
    let aside = path.with_extension("broken");
    if !path.exists() {
        return Ok(());
    }
    if !keep {
        return std::fs::remove_dir_all(path).map_err(io);
    }
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(io)?;
    }
    std::fs::rename(path, &aside).map_err(io)
}
