//! What this node knows, on disk: a journal that is the truth and an index that can be rebuilt from it.
//!
//! [`Store::commit`] makes one batch durable with one `fdatasync`; what it returned `Ok` for survives power loss. Everything is encrypted
//! from the first byte; parts of a document lie under that document's own key, which [`Store::purge_documents`] destroys. The store
//! understands none of the bytes it keeps. `docs/STORAGE.md` has the format, what a failure looks like and what to do then.
//!
//! One process opens a store at a time. After [`StoreError::Fatal`] the process must end: a new start reads what is really on the disk.

mod account;
pub mod backup;
mod batch;
mod bytes;
mod checkpoint;
mod cipher;
mod compact;
mod disk;
mod error;
mod frame;
mod housekeeping;
mod index;
mod inventory;
mod journal;
mod keyring;
mod marks;
mod options;
mod pages;
mod place;
mod reading;
mod recover;
mod repair;
mod rewrite;
mod room;
mod rows;
mod survey;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use accord_protocol::id::DocumentId;
use accord_protocol::step::{Table, Write};

pub use account::Account;
pub use cipher::StoreKey;
pub use compact::{CompactProgress, CompactReport};
pub(crate) use disk::{make_folders, rename_new, sync_around};
pub use error::{Damage, StoreError};
pub use inventory::{Inventory, InventoryFile, InventoryWriter};
pub use options::{IndexState, OpenReport, Options, Progress, Stage, StoreSize};
pub use repair::{LostBatches, RepairReport};
pub use survey::{LostPart, VerifyReport};

use batch::{Draft, Record};
use cipher::{Random, Subkey};
use disk::{Disk, LockGuard, RealDisk};
pub(crate) use error::is_full;
use housekeeping::Background;
use index::{Index, Unusable};
use journal::{Journal, fatal};
use keyring::Keyring;
use marks::Note;
use options::Setting;
use place::{State, Tally};

/// Longest key of a table in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest value of a table in bytes.
pub const VALUE_BYTES_MAX: usize = accord_protocol::limits::ROW_BYTES_MAX;
/// Longest item in bytes.
pub const ITEM_BYTES_MAX: usize = 1 << 20;
/// Longest line for auditors in bytes.
pub const ACCOUNT_BYTES_MAX: usize = 64 << 10;
/// Bytes one batch may hold in all.
pub const BATCH_BYTES_MAX: u64 = 32 << 20;
/// Longer values stay in the journal and only their place is indexed: sled handles large values badly.
const INLINE_BYTES_MAX: usize = 4 << 10;
/// Items of a document are sealed together up to this many bytes: what one reader has to open, and one flipped bit to destroy.
const TOGETHER_BYTES_MAX: usize = 256 << 10;
/// What a frame and a record of it may add to the bytes they hold.
const FRAME_EXTRA: u64 = 512;
const RECORD_EXTRA: u64 = 256;

/// A key of a table and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An open store.
pub struct Store {
    setting: Setting,
    journal: Journal,
    keyring: Keyring,
    index: Index,
    state: State,
    marks: Subkey,
    checkpoint_key: Subkey,
    random: Random,
    /// Journal length when recent rows last began to settle, the index was checkpointed, and the keyring written.
    flushed_at: u64,
    checkpoint_at: u64,
    keyring_at: u64,
    writing: Background,
    compacting: compact::Compacting,
    written: Option<checkpoint::Written>,
    reserve: u64,
    /// Zeros that a batch may write behind itself: none where room is short, which belongs to what has to be said.
    ahead: u64,
    full: bool,
    failed: Option<String>,
    _lock: LockGuard,
}

impl Store {
    /// Makes a new store in `dir`, which is made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one, [`StoreError::Full`] if the reserve finds no room, [`StoreError::Io`].
    pub fn create(dir: &Path, key: &StoreKey) -> Result<Self, StoreError> {
        Self::create_with(dir, key, &Options::default())
    }

    /// As [`Store::create`], with other bounds.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with(dir: &Path, key: &StoreKey, options: &Options) -> Result<Self, StoreError> {
        recover::create(Setting::real(dir, options), key)
    }

    /// Opens a store: reads the tail of the journal, cuts a torn end, and rebuilds the index unless it can be trusted.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Locked`], [`StoreError::OpenModes`], [`StoreError::WrongKey`], [`StoreError::Newer`];
    /// [`StoreError::Damaged`] when durable bytes are gone or changed, in which case nothing was altered.
    pub fn open(dir: &Path, key: &StoreKey, progress: &mut dyn FnMut(Progress)) -> Result<(Self, OpenReport), StoreError> {
        Self::open_with(dir, key, &Options::default(), progress)
    }

    /// As [`Store::open`], with other bounds.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(
        dir: &Path,
        key: &StoreKey,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, OpenReport), StoreError> {
        recover::open(Setting::real(dir, options), key, recover::Mode::Start, progress)
    }

    /// Reads every byte of a closed store and says what is not as it was made durable. Changes nothing.
    ///
    /// # Errors
    /// As [`Store::open`], except that damage to the journal is reported, not an error.
    pub fn verify(dir: &Path, key: &StoreKey, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
        repair::verify(&Setting::real(dir, &Options::default()), key, progress)
    }

    /// As [`Store::verify`], for the store that is open here.
    ///
    /// # Errors
    /// As [`Store::get`], except that damage to the journal is reported, not an error.
    pub fn verify_open(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
        self.usable()?;
        let mut keyring = self.keyring.clone();
        let survey = survey::take(&*self.setting.disk, self.journal.keys(), &mut keyring, self.state.place.seq, progress)?;
        Ok(survey.report)
    }

    /// Makes a damaged store usable again: keeps everything readable, copies what is not to `.damaged` files, rebuilds the index, and lists
    /// what is lost so that it can be fetched from partners. A store without damage is only given a new index.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::Damaged`] if no copy of the keyring can be read, without which nothing can.
    pub fn repair(dir: &Path, key: &StoreKey, progress: &mut dyn FnMut(Progress)) -> Result<RepairReport, StoreError> {
        repair::repair(&Setting::real(dir, &Options::default()), key, progress)
    }

    /// Makes one batch durable: all of it, or on an error none of it, with one `fdatasync`. An empty batch does nothing.
    ///
    /// # Errors
    /// [`StoreError::Refused`], [`StoreError::Purged`] for what may not be written; [`StoreError::Full`] when there is no room (batches of
    /// [`Write::Account`] alone may use the reserve); [`StoreError::Fatal`] when the disk failed: whether the batch is there shows at the
    /// next start.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.usable()?;
        if writes.is_empty() {
            return Ok(());
        }
        let bytes = self.check(writes)?;
        let accounts = writes.iter().all(|write| matches!(write, Write::Account(_)));
        self.ensure_space(bytes, accounts)?;
        let mut draft = self.draft()?;
        let mut fresh: BTreeMap<DocumentId, Subkey> = BTreeMap::new();
        let mut item_seq = self.state.item_seq;
        let Self { keyring, random, journal, .. } = self;
        let mut key_of = |document: DocumentId, draft: &mut Draft, random: &mut Random| -> Result<Subkey, StoreError> {
            if let Some(key) = keyring.get(&document).or_else(|| fresh.get(&document)) {
                return Ok(key.clone());
            }
            let (key, record) = keyring.draw(document, random)?;
            draft.push(record, random)?;
            fresh.insert(document, key.clone());
            Ok(key)
        };
        let mut items: BTreeMap<DocumentId, Vec<(u64, &[u8])>> = BTreeMap::new();
        // Inputs that share a batch may each write a row anew: only what it comes to is there afterwards.
        let last: BTreeMap<_, usize> = writes.iter().enumerate().filter_map(|(at, write)| Some((rows::written(write)?, at))).collect();
        for (at, write) in writes.iter().enumerate() {
            if rows::written(write).is_some_and(|row| last[&row] != at) {
                continue;
            }
            match write {
                Write::Put { table, key, value: None } => {
                    draft.push(Record::Remove { table: *table as u8, key: key.clone() }, random)?;
                }
                Write::Put { table, key, value: Some(value) } => match rows::owner(*table as u8, key) {
                    Some(document) => {
                        let under = key_of(document, &mut draft, random)?;
                        draft.put_blob(*table as u8, key, value, &under, random)?;
                    }
                    None if value.len() > INLINE_BYTES_MAX => {
                        draft.put_blob(*table as u8, key, value, &journal.keys().value, random)?;
                    }
                    None => draft.push(Record::Put { table: *table as u8, key: key.clone(), value: value.clone() }, random)?,
                },
                Write::Item { document, seq, body } => {
                    items.entry(*document).or_default().push((*seq, body));
                    item_seq = *seq;
                }
                Write::Account(line) => draft.push(Record::Account(line.clone()), random)?,
            }
        }
        for (document, parts) in items {
            let under = key_of(document, &mut draft, random)?;
            let mut rest = &parts[..];
            while !rest.is_empty() {
                let mut bytes = 0;
                let fit = rest.iter().take_while(|(_, body)| {
                    bytes += body.len();
                    bytes <= TOGETHER_BYTES_MAX
                });
                let (now, later) = rest.split_at(fit.count().max(1));
                draft.items(document, now, &under, random)?;
                rest = later;
            }
        }
        self.record(draft, item_seq, accounts)?;
        self.keep_house()
    }

    /// Destroys all that was stored of these documents: their keys are forgotten, the keyring key is drawn anew and the old keyring
    /// overwritten. The ciphertext stays in the journal and opens under nothing; the hash chain stays whole. Their ids are never written again.
    /// Unknown documents are passed over.
    ///
    /// # Errors
    /// As [`Store::commit`]. After an error the purge is either not begun or finished at the next start.
    pub fn purge_documents(&mut self, documents: &[DocumentId]) -> Result<(), StoreError> {
        self.usable()?;
        let known: Vec<_> = documents.iter().filter(|document| self.keyring.get(document).is_some()).collect();
        if known.is_empty() {
            return Ok(());
        }
        self.ensure_space(known.len() as u64 * RECORD_EXTRA + self.keyring.bytes(), false)?;
        self.finish_background(true)?;
        let mut draft = self.draft()?;
        for document in known {
            draft.push(Record::Purge { document: *document }, &mut self.random)?;
        }
        self.record(draft, self.state.item_seq, false)?;
        self.save_keyring()
    }

    /// The lines for auditors, oldest first, each with the number of its batch, until `each` answers false. Reads the whole journal.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn accounts(&self, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), StoreError> {
        self.walk(&mut |met| {
            let lines = met.batch.records.iter().filter_map(|record| match record {
                Record::Account(line) => Some(line),
                _ => None,
            });
            Ok(lines.into_iter().all(|line| each(met.place.seq, line)))
        })
    }

    /// The account as it stands now, to be read by another thread while this one goes on.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] once the store stopped.
    pub fn account(&self) -> Result<Account, StoreError> {
        self.usable()?;
        Ok(Account::new(self.setting.disk.clone(), self.journal.keys().clone(), self.state.place, self.journal.reading()))
    }

    /// The store as it stands now, for a backup that another thread makes while this one goes on.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] once the store stopped.
    pub fn snapshot(&self) -> Result<backup::Snapshot, StoreError> {
        self.usable()?;
        Ok(backup::Snapshot::new(
            self.setting.disk.clone(),
            self.keyring.clone(),
            self.state,
            self.journal.is_closed(self.state.place.file),
            self.journal.reading(),
        ))
    }

    /// Hands out everything that can still be decrypted: keys and values of tables, items, auditors' lines, inventories. For looking whether
    /// something is in this store at all. Reads the whole journal.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn dump_plaintext(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        self.dump_inventories(each);
        self.walk(&mut |met| {
            for record in &met.batch.records {
                let (key, bound, blob) = match record {
                    Record::Put { key, value, .. } => {
                        each(key);
                        each(value);
                        continue;
                    }
                    Record::Account(line) => {
                        each(line);
                        continue;
                    }
                    Record::PutBlob { table, key, blob } => {
                        each(key);
                        (self.blob_key(*table, key), batch::put_bound(*table, key), blob)
                    }
                    Record::Item { document, seq, blob } => (self.keyring.get(document), batch::item_bound(document, *seq), blob),
                    Record::Items { document, first, last, blob } => {
                        (self.keyring.get(document), batch::items_bound(document, *first, *last), blob)
                    }
                    _ => continue,
                };
                let offset = met.place.start + frame::HEAD as u64 + u64::from(blob.offset);
                let sealed = self.journal.read(&place::Span { file: met.place.file, offset, len: blob.len })?;
                if let Some(plain) = key.and_then(|key| batch::open_blob(key, &bound, &sealed, Some(&blob.digest))) {
                    each(&plain);
                }
            }
            Ok(true)
        })
    }

    /// Highest item sequence, 0 if there is none.
    pub fn sequence(&self) -> u64 {
        self.state.item_seq
    }

    /// Number of the last batch, 0 if there is none.
    pub fn batches(&self) -> u64 {
        self.state.place.seq
    }

    /// The chain head: commits to every batch ever written, also those since purged.
    pub fn head(&self) -> [u8; 32] {
        self.state.place.chain
    }

    /// Whether the disk is full: reading and [`Write::Account`] still work.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes an ordinary user may still write to the disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        self.free()
    }

    /// Bytes on disk by part.
    pub fn size(&self) -> StoreSize {
        let len = |name| self.setting.disk.len(name).ok().flatten().unwrap_or(0);
        StoreSize {
            journal: self.journal.bytes(),
            index: self.index.size(),
            checkpoint: len(checkpoint::FILE) + len(checkpoint::NEXT),
            keyring: len(keyring::FILE),
            inventory: self.inventory_bytes(),
            reserve: self.reserve,
        }
    }

    /// Stops cleanly: writes the keyring, syncs the index and leaves the marker that lets the next start trust it. On a full disk some of
    /// it finds no room; that is no failure, the next start only takes longer.
    ///
    /// # Errors
    /// [`StoreError::Fatal`]; nothing acknowledged is lost by it either.
    pub fn close(self) -> Result<(), StoreError> {
        self.usable()?;
        let full = self.full || self.free().is_ok_and(|free| free < self.setting.options.low_water_bytes);
        match self.shut() {
            Err(error) if full => {
                tracing::warn!(%error, "the disk is full: the store was closed without its mark of a clean stop, the next start takes longer");
                Ok(())
            }
            other => other,
        }
    }

    fn shut(mut self) -> Result<(), StoreError> {
        self.compacting.stop();
        self.finish_background(true)?;
        if self.written.is_none() && self.journal.grown() - self.checkpoint_at > self.setting.options.checkpoint_at_close_bytes {
            self.begin_settling(true);
            self.finish_background(true)?;
        }
        if self.written.is_some() {
            let draft = self.draft()?;
            match self.record(draft, self.state.item_seq, false) {
                Ok(()) | Err(StoreError::Full { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // A start reads the journal from where the keyring ends: one that is far behind costs it more than writing one costs now.
        let behind = self.journal.grown().saturating_sub(self.keyring_at);
        if self.keyring.is_dirty() || behind > self.setting.options.keyring_bytes.max(self.keyring.bytes()) {
            match self.save_keyring() {
                Ok(()) | Err(StoreError::Full { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let Self { setting, mut journal, index, marks, mut random, .. } = self;
        match journal.give_room_back() {
            // Then nothing says that the stop was clean, and the next start looks for itself.
            Err(error) if is_full(&error) => return index.close(&mut random).map(drop),
            other => other.map_err(|error| fatal("cutting", "journal", &error))?,
        }
        match index.close(&mut random)? {
            Some(state) => marks::write_clean(&*setting.disk, &marks, &state),
            None => Ok(()),
        }
    }

    /// After a repair: says durably which parts are gone and what the index now adds up to.
    fn restate(&mut self, lost: &[LostPart]) -> Result<(), StoreError> {
        const PER_BATCH: usize = 10_000;
        let mut rest = lost;
        loop {
            let (now, later) = rest.split_at(rest.len().min(PER_BATCH));
            let mut draft = self.draft()?;
            for part in now {
                draft.push(part.record(), &mut self.random)?;
            }
            self.record(draft, self.state.item_seq, false)?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// After a repair that lost something: what this node wrote may be gone here and known elsewhere. Counts that in the `restored` row of
    /// [`Table::Local`] and draws a new `index` id, so that partners and siblings do not take up old cursors.
    fn mark_restored(&mut self) -> Result<(), StoreError> {
        let before = self.get(Table::Local, b"restored")?.and_then(|value| <[u8; 8]>::try_from(value).ok()).map_or(0, u64::from_be_bytes);
        let id: [u8; 16] = self.random.take()?;
        let put = |key: &[u8], value: Vec<u8>| Write::Put { table: Table::Local, key: key.to_vec(), value: Some(value) };
        self.commit(&[put(b"restored", before.saturating_add(1).to_be_bytes().to_vec()), put(b"index", id.to_vec())])
    }

    fn usable(&self) -> Result<(), StoreError> {
        self.failed.as_ref().map_or(Ok(()), |reason| Err(StoreError::Fatal(reason.clone())))
    }

    /// Remembers a fatal error, so that everything after it is refused.
    fn note_failure<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Fatal(reason)) = &result {
            self.failed.get_or_insert_with(|| reason.clone());
        }
        result
    }

    /// Checks bounds and orders; answers how many bytes the batch takes at most.
    fn check(&self, writes: &[Write]) -> Result<u64, StoreError> {
        let mut last = self.state.item_seq;
        let mut bytes = FRAME_EXTRA;
        for (position, write) in writes.iter().enumerate() {
            let refuse = |what| Err(StoreError::Refused { position, what });
            let len = match write {
                Write::Put { key, .. } if key.len() > KEY_BYTES_MAX => return refuse("key longer than 128 bytes"),
                Write::Put { value: Some(value), .. } if value.len() > VALUE_BYTES_MAX => return refuse("value longer than 1 MiB"),
                Write::Put { table, key, value } => {
                    if let (Some(document), Some(_)) = (rows::owner(*table as u8, key), value)
                        && self.keyring.is_purged(&document)
                    {
                        return Err(StoreError::Purged(document));
                    }
                    key.len() + value.as_ref().map_or(0, Vec::len)
                }
                Write::Item { body, .. } if body.len() > ITEM_BYTES_MAX => return refuse("item longer than 1 MiB"),
                Write::Item { seq, .. } if *seq <= last => return refuse("item sequence not above the one before"),
                Write::Item { document, .. } if self.keyring.is_purged(document) => return Err(StoreError::Purged(*document)),
                Write::Item { seq, body, .. } => {
                    last = *seq;
                    body.len()
                }
                Write::Account(line) if line.len() > ACCOUNT_BYTES_MAX => return refuse("line for auditors longer than 64 KiB"),
                Write::Account(line) => line.len(),
            };
            bytes += len as u64 + RECORD_EXTRA;
            if bytes > BATCH_BYTES_MAX {
                return refuse("batch larger than 32 MiB");
            }
        }
        Ok(bytes)
    }

    /// The next batch, beginning with what the store itself has to record.
    fn draft(&mut self) -> Result<Draft, StoreError> {
        self.finish_background(false)?;
        let mut draft = Draft::new(self.state.place.seq + 1, self.state.place.chain);
        if let Some(written) = self.written {
            let record = Record::Checkpoint { through: written.through, digest: written.digest };
            draft.push(record, &mut self.random)?;
        }
        Ok(draft)
    }

    /// Makes a batch durable, then visible.
    fn record(&mut self, draft: Draft, item_seq: u64, accounts: bool) -> Result<(), StoreError> {
        let after = draft.after();
        let result = self.record_as(draft, item_seq, after, accounts);
        self.note_failure(result)
    }

    fn record_as(&mut self, draft: Draft, item_seq: u64, after: [u8; 32], accounts: bool) -> Result<(), StoreError> {
        loop {
            match self.try_record(&draft, item_seq, after) {
                // The system knows no quota or reservation of ours, so a full disk can also show here.
                Err(StoreError::Full { needed, .. }) => {
                    self.full = true;
                    if !(accounts && self.give_up_reserve(needed)?) {
                        return Err(StoreError::Full { free: self.free()?, needed });
                    }
                }
                other => return other,
            }
        }
    }

    fn try_record(&mut self, draft: &Draft, item_seq: u64, after: [u8; 32]) -> Result<(), StoreError> {
        let disk = self.setting.disk.clone();
        let (file, start) = self.journal.make_room(draft.size() + FRAME_EXTRA)?;
        let rows = rows::of(draft.records(), file, start, &self.index).map_err(Unusable::fatal)?;
        let (plain, blobs) = draft.finish(item_seq, &after);
        let frame = frame::seal(&self.journal.keys().frame, draft.seq(), self.random.take()?, &plain, blobs);
        let place = self.journal.append(&frame, self.ahead, draft.seq(), after)?;
        // Durable from here on.
        let state = State { place, tally: Tally::default(), item_seq };
        for record in draft.records() {
            self.keyring.replay(record).map_err(StoreError::Fatal)?;
        }
        self.index.take(rows, state);
        self.state = state;
        Note { boot: self.setting.boot.unwrap_or_default(), seq: place.seq }.write(&*disk, &self.marks);
        if let Some(written) = self.written.take() {
            disk.rename(checkpoint::NEXT, checkpoint::FILE)
                .and_then(|()| disk.sync_dir(""))
                .map_err(|error| fatal("renaming", checkpoint::NEXT, &error))?;
            tracing::debug!(through = written.through, "index checkpoint recorded");
        }
        Ok(())
    }

    fn walk(&self, each: &mut dyn FnMut(&journal::Met) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        self.usable()?;
        let keys = self.journal.keys();
        journal::scan(&*self.setting.disk, keys, journal::beginning(keys), each).map(|_| ())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("batches", &self.batches()).field("full", &self.full).finish_non_exhaustive()
    }
}

/// The folder's path and how the store treats it, gathered for tests that bring their own disk.
fn real(dir: &Path) -> (Arc<dyn Disk>, PathBuf) {
    (Arc::new(RealDisk::new(dir)), dir.join("index"))
}
