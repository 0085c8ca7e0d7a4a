//! The index's pages: rows in key order, packed into values of some 3 KiB, so that a million documents are ten thousand values of sled
//! and not millions. The one home of sled.
//!
//! A page covers the keys from its own up to its *end*, which it states: a lookup that finds a hole between two pages knows that sled lost
//! one. Every page is sealed; the state row holds the sum over all pages and is written in the same step of sled as the pages it counts.
//! sled 0.34.7 may lose, tear or panic after a power cut, so every call is guarded (see `recover` for what is believed).
//!
//! ```text
//! "P" ‖ first key it covers → sealed(end length u8 (FF: no end) ‖ end ‖ rows: (shared u8 ‖ rest u8 ‖ rest of the key ‖ length u16 ‖ value)..)
//! "S" → sealed(version u16 ‖ state (112))
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bytes::Reader;
use super::cipher::{Random, StoreKey, Subkey};
use super::error::StoreError;
use super::index::{Rows, Unusable};
use super::place::{State, Tally};

/// Bytes of pages that sled keeps in memory; its own default is 1 GiB. The index of a million documents takes 107 MB, and what is not here the system's own
/// cache has.
const CACHE_BYTES: u64 = 8 << 20;
/// An index is rebuilt at start when it takes more than this and [`BLOAT_PAGE_BYTES`] per page; measured need is about 7 KiB per page.
const BLOAT_FREE_BYTES: u64 = 256 << 20;
/// See [`BLOAT_FREE_BYTES`].
const BLOAT_PAGE_BYTES: u64 = 32 << 10;
/// A page with more bytes of rows is cut.
const PAGE_MAX: usize = 4096;
/// What a cut aims at.
pub const PAGE_FILL: usize = 3072;
/// Pages that change in one step of sled: larger steps cost it memory out of proportion.
const STEP_PAGES: usize = 64;
/// Version of the pages.
const PAGES_VERSION: u16 = 1;
const PAGE: u8 = b'P';
const STATE_KEY: &[u8] = b"S";
/// The state row of the index that had one row for each item.
const OLD_STATE_KEY: &[u8] = &[0xFF];
const NO_END: u8 = 0xFF;

/// Runs sled code, turning its errors and panics into a reason.
fn guarded<T>(what: &str, run: impl FnOnce() -> sled::Result<T>) -> Result<T, Unusable> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Unusable(format!("{what}: {error}"))),
        Err(_) => Err(Unusable(format!("{what}: sled panicked"))),
    }
}

/// One page, unsealed.
pub struct Page {
    lo: Vec<u8>,
    plain: Vec<u8>,
}

impl Page {
    /// The first key it no longer covers; `None` on the last page.
    pub fn end(&self) -> Result<Option<&[u8]>, Unusable> {
        let mut from = Reader(&self.plain);
        let end = match from.u8() {
            Some(NO_END) => Some(None),
            Some(len) => from.bytes(len.into()).map(Some),
            None => None,
        };
        end.ok_or_else(garbled)
    }

    /// Visits its rows in key order until `each` answers false.
    pub fn rows(&self, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), Unusable> {
        let mut from = Reader(&self.plain);
        let end = from.u8().filter(|len| *len != NO_END).unwrap_or(0);
        from.bytes(end.into()).ok_or_else(garbled)?;
        let mut key = Vec::with_capacity(32);
        while from.end().is_none() {
            let row = |from: &mut Reader<'_>, key: &mut Vec<u8>| {
                let (shared, rest) = (from.u8()?, from.u8()?);
                if usize::from(shared) > key.len() {
                    return None;
                }
                key.truncate(shared.into());
                key.extend_from_slice(from.bytes(rest.into())?);
                let len = from.u16()?;
                Some(len)
            };
            let len = row(&mut from, &mut key).ok_or_else(garbled)?;
            let value = from.bytes(len.into()).ok_or_else(garbled)?;
            if !each(&key, value) {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn garbled() -> Unusable {
    Unusable("garbled page".to_owned())
}

type Row<'a> = (&'a [u8], &'a [u8]);

/// Sees a row's key and value.
pub type RowVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

fn size(row: &Row<'_>) -> usize {
    4 + row.0.len() + row.1.len()
}

fn encode(end: Option<&[u8]>, rows: &[Row<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + rows.iter().map(size).sum::<usize>());
    match end {
        None => out.push(NO_END),
        Some(end) => {
            out.push(end.len() as u8);
            out.extend_from_slice(end);
        }
    }
    let mut before: &[u8] = &[];
    for (key, value) in rows {
        let shared = before.iter().zip(*key).take_while(|(a, b)| a == b).count();
        out.push(shared as u8);
        out.push((key.len() - shared) as u8);
        out.extend_from_slice(&key[shared..]);
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
        before = key;
    }
    out
}

/// The pages in sled.
#[derive(Clone)]
pub struct Pages {
    db: sled::Db,
    path: PathBuf,
    seal: Subkey,
}

impl Pages {
    /// Opens the folder, making it if it is not there.
    ///
    /// # Errors
    /// Why sled did not.
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
        Ok(Self { db, path: path.to_owned(), seal })
    }

    /// The batch the pages stand at; `None` when there is nothing believable.
    ///
    /// # Errors
    /// The reason, also for an index of another version.
    pub fn state(&self) -> Result<Option<State>, Unusable> {
        let Some(sealed) = guarded("reading", || self.db.get(STATE_KEY))? else {
            return match guarded("reading", || self.db.contains_key(OLD_STATE_KEY))? {
                true => Err(Unusable("the index has the older format with a row for each item".to_owned())),
                false => Ok(None),
            };
        };
        let plain = self.unseal(STATE_KEY, &sealed)?;
        let mut from = Reader(&plain);
        match from.u16() {
            Some(PAGES_VERSION) => State::decode(&mut from).map(Some).ok_or_else(|| Unusable("garbled state row".to_owned())),
            found => Err(Unusable(format!("index version {found:?}, expected {PAGES_VERSION}"))),
        }
    }

    /// The page that covers a key.
    ///
    /// # Errors
    /// The reason, also when that page is lost.
    pub fn find(&self, key: &[u8]) -> Result<Page, Unusable> {
        let to = [&[PAGE], key].concat();
        let found = guarded("reading", || self.db.range(..=to).next_back().transpose())?;
        let lost = || Unusable("a page of the index is lost".to_owned());
        let (row, sealed) = found.ok_or_else(lost)?;
        let plain = self.unseal(&row, &sealed)?;
        let lo = row.strip_prefix(&[PAGE]).ok_or_else(lost)?.to_vec();
        let page = Page { lo, plain };
        match page.end()? {
            Some(end) if end <= key => Err(lost()),
            _ => Ok(page),
        }
    }

    /// Makes changes and moves to `state`, in small steps of sled. Whenever it is interrupted, the pages are those of the state before
    /// with some of the changes, and the sum fits; making the same changes again ends in the same rows.
    ///
    /// # Errors
    /// The reason; the index is not to be used any more then.
    pub fn settle(&self, rows: &Rows, state: &State, random: &mut Random) -> Result<State, Unusable> {
        let before = self.state()?;
        let mut tally = before.map(|state| state.tally).unwrap_or_default();
        let mut step = Step { pages: self, batch: sled::Batch::default(), changed: 0, random };
        if before.is_none() {
            step.put(&[], &encode(None, &[]), &mut tally)?;
            step.apply(&State { place: state.place, tally, item_seq: state.item_seq })?;
        }
        let between = before.unwrap_or(*state);
        let mut rows = rows.iter().peekable();
        while let Some((first, _)) = rows.peek() {
            let page = self.find(first)?;
            let end = page.end()?;
            let mut old: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            page.rows(&mut |key, value| {
                old.push((key.to_vec(), value.to_vec()));
                true
            })?;
            let mut merged: Vec<Row<'_>> = Vec::with_capacity(old.len());
            let mut olds = old.iter().peekable();
            while let Some((key, value)) = rows.next_if(|(key, _)| end.is_none_or(|end| key.as_slice() < end)) {
                while let Some((old, value)) = olds.next_if(|(old, _)| old < key) {
                    merged.push((old, value));
                }
                olds.next_if(|(old, _)| old == key);
                if let Some(value) = value {
                    merged.push((key, value));
                }
            }
            merged.extend(olds.map(|(key, value)| (key.as_slice(), value.as_slice())));
            tally.take(&page.lo, &page.plain);
            let total: usize = merged.iter().map(size).sum();
            let parts = if total > PAGE_MAX { total.div_ceil(PAGE_FILL) } else { 1 };
            let (target, mut lo, mut rest) = (total.div_ceil(parts), page.lo.as_slice(), &merged[..]);
            loop {
                let mut bytes = 0;
                let count = rest.iter().take_while(|row| {
                    let fits = bytes < target;
                    bytes += size(row);
                    fits
                });
                let (now, later) = rest.split_at(count.count());
                let until = later.first().map(|(key, _)| *key);
                step.put(lo, &encode(until.or(end), now), &mut tally)?;
                let Some(next) = until else { break };
                (lo, rest) = (next, later);
            }
            if step.changed >= STEP_PAGES {
                step.apply(&State { tally, ..between })?;
            }
        }
        let settled = State { tally, ..*state };
        step.apply(&settled)?;
        guarded("flushing", || self.db.flush())?;
        Ok(settled)
    }

    /// Visits every row in key order.
    ///
    /// # Errors
    /// Why the index cannot be used; inside, what `each` answers.
    pub fn rows(&self, each: &mut RowVisitor<'_>) -> Result<Result<(), StoreError>, Unusable> {
        let mut at = Vec::new();
        loop {
            let page = self.find(&at)?;
            let mut result = Ok(());
            page.rows(&mut |key, value| {
                result = each(key, value);
                result.is_ok()
            })?;
            match (result, page.end()?) {
                (Ok(()), Some(end)) => at = end.to_vec(),
                (result, _) => return Ok(result),
            }
        }
    }

    /// Counts and sums all pages, and looks that none is missing between two others.
    ///
    /// # Errors
    /// The reason.
    pub fn recount(&self, progress: &mut dyn FnMut(u64)) -> Result<Tally, Unusable> {
        let mut tally = Tally::default();
        let mut at = Vec::new();
        loop {
            let page = self.find(&at)?;
            tally.add(&page.lo, &page.plain);
            if tally.rows.is_multiple_of(256) {
                progress(tally.rows);
            }
            match page.end()? {
                Some(end) => at = end.to_vec(),
                None => return Ok(tally),
            }
        }
    }

    /// Makes the next start rebuild the index.
    pub fn condemn(&self) {
        let done = guarded("condemning", || {
            self.db.remove(STATE_KEY)?;
            self.db.flush()
        });
        if let Err(Unusable(why)) = done {
            tracing::warn!(why, "an index that is not to be believed could not be marked as such; remove the index folder");
        }
    }

    /// Whether the folder is far larger than its pages need: sled 0.34 does not always give space back.
    pub fn is_bloated(&self, state: &State) -> bool {
        self.size() > BLOAT_FREE_BYTES.saturating_add(state.tally.rows.saturating_mul(BLOAT_PAGE_BYTES))
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        guarded("measuring", || self.db.size_on_disk()).unwrap_or(0)
    }

    /// Closes and syncs every file, so that the index survives a power cut after a clean stop.
    ///
    /// # Errors
    /// [`StoreError::Fatal`].
    pub fn close(self) -> Result<(), StoreError> {
        guarded("flushing", || self.db.flush()).map_err(Unusable::fatal)?;
        let path = self.path.clone();
        guarded("closing", move || {
            drop(self);
            Ok(())
        })
        .map_err(Unusable::fatal)?;
        sync_tree(&path).map_err(|error| StoreError::Fatal(format!("syncing the index: {error}")))
    }

    /// Loses a page as sled may after a power cut.
    #[cfg(test)]
    pub fn lose(&self, key: &[u8]) {
        let page = self.find(key).unwrap_or_else(|Unusable(why)| panic!("{why}"));
        self.db.remove([&[PAGE], page.lo.as_slice()].concat()).expect("the page can be removed");
        self.db.flush().expect("and stays so");
    }

    /// Sets a page back to when it had no rows, as sled may after a power cut: sealed as it should be.
    #[cfg(test)]
    pub fn set_back(&self, key: &[u8], random: &mut Random) {
        let mut run = || {
            let page = self.find(key)?;
            let mut step = Step { pages: self, batch: sled::Batch::default(), changed: 0, random };
            step.put(&page.lo, &encode(page.end()?, &[]), &mut Tally::default())?;
            guarded("writing", || self.db.apply_batch(step.batch))
        };
        let done: Result<(), Unusable> = run();
        done.unwrap_or_else(|Unusable(why)| panic!("{why}"));
    }

    fn unseal(&self, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unusable> {
        let mut plain = self.seal.open(row, sealed).ok_or_else(garbled)?;
        Ok(std::mem::take(&mut *plain))
    }
}

struct Step<'a> {
    pages: &'a Pages,
    batch: sled::Batch,
    changed: usize,
    random: &'a mut Random,
}

impl Step<'_> {
    fn put(&mut self, lo: &[u8], plain: &[u8], tally: &mut Tally) -> Result<(), Unusable> {
        tally.add(lo, plain);
        self.changed += 1;
        self.insert([&[PAGE], lo].concat(), plain)
    }

    fn insert(&mut self, row: Vec<u8>, plain: &[u8]) -> Result<(), Unusable> {
        let mut out = Vec::with_capacity(40 + plain.len());
        let nonce = self.random.take().map_err(|error| Unusable(error.to_string()))?;
        self.pages.seal.seal(nonce, &row, &[plain], &mut out);
        self.batch.insert(row, out);
        Ok(())
    }

    fn apply(&mut self, state: &State) -> Result<(), Unusable> {
        let plain = [&PAGES_VERSION.to_be_bytes()[..], &state.encode()].concat();
        self.insert(STATE_KEY.to_vec(), &plain)?;
        self.changed = 0;
        let batch = std::mem::take(&mut self.batch);
        guarded("writing", || self.pages.db.apply_batch(batch))
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
///
/// # Errors
/// [`StoreError::Io`].
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
