//! The index: where things stand in the journal. Never the truth.
//!
//! What a batch changes is kept in memory first, as *recent* rows, and settles into the pages of sled in the background, so that a commit
//! costs no work of sled; after a crash the tail of the journal gives the recent rows again. A document has one row for each batch that
//! touched it. Keys are a table number or the item mark, a keyed hash, and for items their last sequence.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use accord_protocol::id::DocumentId;

use super::cipher::{Random, StoreKey, Subkey};
use super::error::StoreError;
use super::pages::{self, Pages};
use super::place::State;

/// First byte of the keys of items. Tables have lower numbers.
const ITEM: u8 = 0xF0;
/// Recent rows are settled at the latest when there are this many.
pub const RECENT_ROWS_MAX: usize = 1 << 16;

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

    /// The key of a document's items up to `last` that one batch brought.
    pub fn items(&self, document: &DocumentId, last: u64) -> Vec<u8> {
        let mut key = self.document(document);
        key.extend_from_slice(&last.to_be_bytes());
        key
    }
}

/// The sequence in an item's row key.
pub fn last_seq(row_key: &[u8]) -> Option<u64> {
    row_key.last_chunk().map(|seq| u64::from_be_bytes(*seq))
}

/// The open index.
pub struct Index {
    pages: Pages,
    keys: RowKeys,
    /// Where it stands with its recent rows.
    state: Option<State>,
    recent: Rows,
    /// Rows that are settling right now.
    settling: Option<Arc<Rows>>,
    settled_pages: u64,
}

impl Index {
    /// Opens the folder, making it if it is not there. [`Index::state`] is `None` when it holds nothing believable.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(path: &Path, key: &StoreKey, store: &[u8; 16]) -> Result<Self, Unusable> {
        let pages = Pages::open(path, key, store)?;
        let state = pages.state()?;
        let keys = RowKeys(Subkey::derive("accord store v1 index key", key.expose(), store));
        let settled_pages = state.map_or(0, |state| state.tally.rows);
        Ok(Self { pages, keys, state, recent: Rows::new(), settling: None, settled_pages })
    }

    /// Makes row keys.
    pub fn keys(&self) -> &RowKeys {
        &self.keys
    }

    /// Its pages, for a thread that settles, counts or copies them.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The batch the index stands at.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// How many rows are to settle next.
    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    /// A row's value.
    ///
    /// # Errors
    /// Why the index cannot be used any more.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unusable> {
        let layers = [Some(&self.recent), self.settling.as_deref()];
        if let Some(found) = layers.into_iter().flatten().find_map(|rows| rows.get(key)) {
            return Ok(found.clone());
        }
        self.trusting(|| {
            let mut found = None;
            self.pages.find(key)?.rows(&mut |row, value| {
                if row == key {
                    found = Some(value.to_vec());
                }
                row < key
            })?;
            Ok(found)
        })
    }

    /// Visits rows whose key begins with `prefix`, from `from` on, in key order, until `each` answers false.
    ///
    /// # Errors
    /// Why the index cannot be used any more; inside, what `each` answers.
    pub fn walk(&self, prefix: &[u8], from: &[u8], each: &mut Visitor<'_>) -> Result<Result<(), StoreError>, Unusable> {
        let mut over: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for rows in [self.settling.as_deref(), Some(&self.recent)].into_iter().flatten() {
            let rows = rows.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
            over.extend(rows.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.as_slice(), value.as_deref())));
        }
        let mut over = over.into_iter().peekable();
        let mut at = from.to_vec();
        loop {
            let (mut found, mut beyond, mut end) = (Vec::new(), false, None);
            self.trusting(|| {
                let page = self.pages.find(&at)?;
                page.rows(&mut |key, value| {
                    beyond = key >= at.as_slice() && !key.starts_with(prefix);
                    if key >= at.as_slice() && !beyond {
                        found.push((key.to_vec(), value.to_vec()));
                    }
                    !beyond
                })?;
                end = page.end()?.map(<[u8]>::to_vec);
                Ok(())
            })?;
            let mut tell = |key: &[u8], value: Vec<u8>| match each(key, value) {
                Ok(true) => None,
                Ok(false) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            for (key, value) in found {
                while let Some((key, value)) = over.next_if(|(over, _)| *over < key.as_slice()) {
                    if let Some(done) = value.and_then(|value| tell(key, value.to_vec())) {
                        return Ok(done);
                    }
                }
                let value = match over.next_if(|(over, _)| *over == key.as_slice()) {
                    Some((_, newer)) => newer.map(<[u8]>::to_vec),
                    None => Some(value),
                };
                if let Some(done) = value.and_then(|value| tell(&key, value)) {
                    return Ok(done);
                }
            }
            match end {
                Some(end) if !beyond && (end.starts_with(prefix) || end.as_slice() < prefix) => at = end,
                _ => {
                    let mut rest = over.filter_map(|(key, value)| tell(key, value?.to_vec()));
                    return Ok(rest.next().unwrap_or(Ok(())));
                }
            }
        }
    }

    /// Takes in what a durable batch changed.
    pub fn take(&mut self, rows: Rows, state: State) {
        self.recent.extend(rows);
        self.state = Some(state);
    }

    /// Hands out the recent rows to be settled by [`Pages::settle`], and where they lead. To be ended with [`Index::settled`].
    pub fn begin_settling(&mut self) -> Option<(Arc<Rows>, State)> {
        let state = self.state.filter(|_| self.settling.is_none())?;
        let rows = Arc::new(std::mem::take(&mut self.recent));
        self.settling = Some(rows.clone());
        Some((rows, state))
    }

    /// What was handed out is in the pages, which now stand at `state`.
    pub fn settled(&mut self, state: &State) {
        self.settling = None;
        self.settled_pages = state.tally.rows;
    }

    /// About how many bytes its rows have: what a checkpoint takes.
    pub fn bytes(&self) -> u64 {
        self.settled_pages.saturating_mul(pages::PAGE_FILL as u64)
    }

    /// Settles the recent rows right here.
    ///
    /// # Errors
    /// Why the index cannot be used any more.
    pub fn settle(&mut self, random: &mut Random) -> Result<(), Unusable> {
        if let Some((rows, state)) = self.begin_settling() {
            let settled = self.pages.settle(&rows, &state, random)?;
            self.settled(&settled);
            self.state = Some(settled);
        }
        Ok(())
    }

    /// Stands at `state` without rows that say so: while it is empty or loaded from a checkpoint.
    ///
    /// # Errors
    /// Why the index cannot be used.
    pub fn stand_at(&mut self, rows: &Rows, state: &State, random: &mut Random) -> Result<(), Unusable> {
        let settled = self.pages.settle(rows, state, random)?;
        self.settled(&settled);
        self.state = Some(settled);
        Ok(())
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.pages.size()
    }

    /// Settles what is recent, closes and syncs, so that the index survives a power cut; answers where it stands.
    ///
    /// # Errors
    /// [`StoreError::Fatal`].
    pub fn close(mut self, random: &mut Random) -> Result<Option<State>, StoreError> {
        self.settle(random).map_err(Unusable::fatal)?;
        self.pages.close().map(|()| self.state)
    }

    /// An index that contradicts itself is not believed at the next start either.
    fn trusting<T>(&self, run: impl FnOnce() -> Result<T, Unusable>) -> Result<T, Unusable> {
        let result = run();
        if result.is_err() {
            self.pages.condemn();
        }
        result
    }
}
