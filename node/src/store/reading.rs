//! Reading rows and items back: places from the index, bytes from the journal, keys from the keyring.

use std::sync::mpsc::sync_channel;

use accord_protocol::id::DocumentId;
use accord_protocol::step::Table;

use super::cipher::Subkey;
use super::error::StoreError;
use super::index::Unusable;
use super::journal::Journal;
use super::keyring::Keyring;
use super::place::Span;
use super::rows::{self, Value};
use super::{Row, Store, batch, journal};

/// Rows of a table whose values are read from the journal in one go: some 25 MiB of places.
const READ_AT_ONCE: usize = 1 << 18;
/// Rows opened in one go, at most so many and about so many bytes, and how many such the thread that reads ahead may be ahead.
const OPENED_AT_ONCE: usize = if cfg!(debug_assertions) { 3 } else { 1 << 11 };
const OPENED_BYTES: u64 = 1 << 20;
const OPENED_AHEAD: usize = 2;

/// Rows to be opened in one go, one lot after the other.
fn lots(mut rest: &[(Span, Vec<u8>)]) -> impl Iterator<Item = &[(Span, Vec<u8>)]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(span, _): &&(Span, Vec<u8>)| {
            let before = bytes;
            bytes += u64::from(span.len);
            before < OPENED_BYTES
        };
        let count = rest.iter().take(OPENED_AT_ONCE).take_while(fits).count();
        let lot = rest.split_off(..count)?;
        (!lot.is_empty()).then_some(lot)
    })
}

impl Store {
    /// A table's value.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] once the store stopped, [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.usable()?;
        let row_key = self.index.keys().put(table as u8, key);
        match self.index.get(&row_key).map_err(Unusable::fatal)? {
            Some(row) => self.value(table as u8, &row).map(|(_, value)| Some(value)),
            None => Ok(None),
        }
    }

    /// All of a table, by key.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan(&self, table: Table) -> Result<Vec<Row>, StoreError> {
        let mut all = Vec::new();
        self.each(table, &mut |key, value| {
            all.push((key, value));
            Ok(())
        })?;
        all.sort();
        Ok(all)
    }

    /// Hands over the rows of a table one by one, in no order that means anything: so that they need not all lie in memory.
    ///
    /// # Errors
    /// As [`Store::get`], and what `take` answers.
    pub fn each<E: From<StoreError>>(&self, table: Table, take: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.usable()?;
        let (mut refused, mut far) = (None, Vec::new());
        let walked = self.index.walk(&[table as u8], &[table as u8], &mut |_, row| {
            match rows::read(&row).ok_or_else(|| Unusable("garbled table row".to_owned()).fatal())? {
                (key, Value::Inline(value)) => refused = take(key, value).err(),
                (key, Value::InJournal(span)) => far.push((span, key)),
            }
            if far.len() >= READ_AT_ONCE {
                refused = self.each_far(table, &mut far, take).err();
            }
            Ok(refused.is_none())
        });
        walked.map_err(Unusable::fatal)??;
        refused.map_or_else(|| self.each_far(table, &mut far, take), Err)
    }

    /// Hands over rows whose values lie in the journal, in the order in which they lie there: a disk that is not read yet gives them at its pace, not
    /// at that of a seek for each. Of many rows another thread reads and opens the next while `take` makes something of these.
    fn each_far<E: From<StoreError>>(
        &self,
        table: Table,
        far: &mut Vec<(Span, Vec<u8>)>,
        take: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        far.sort_unstable_by_key(|(span, _)| (span.file, span.offset));
        let far = std::mem::take(far);
        let opener = self.opener();
        let mut take_all = |rows: Vec<Row>| rows.into_iter().try_for_each(|(key, value)| take(key, value));
        std::thread::scope(|scope| {
            let (give, got) = sync_channel(OPENED_AHEAD);
            let ahead = || {
                // Whoever takes them may have had enough.
                let _ = lots(&far).try_for_each(|lot| give.send(opener.values(table as u8, lot)));
                drop(give);
            };
            let many = far.len() > OPENED_AT_ONCE;
            if many && std::thread::Builder::new().name("rows".to_owned()).spawn_scoped(scope, ahead).is_ok() {
                return got.into_iter().try_for_each(|rows| take_all(rows?));
            }
            // Few, or no thread to be had.
            lots(&far).try_for_each(|lot| take_all(opener.values(table as u8, lot)?))
        })
    }

    /// The items of a document with a sequence above `after`, in order.
    ///
    /// # Errors
    /// As [`Store::get`]; [`StoreError::Damaged`] names the place of an item that does not open.
    pub fn items(&self, document: &DocumentId, after: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.usable()?;
        let mut items = Vec::new();
        let (Some(key), Some(first)) = (self.keyring.get(document), after.checked_add(1)) else { return Ok(items) };
        let prefix = self.index.keys().document(document);
        let walked = self.index.walk(&prefix, &self.index.keys().items(document, first), &mut |row_key, row| {
            let extent = rows::Extent::read(row_key, &row).ok_or_else(|| Unusable("garbled item row".to_owned()).fatal())?;
            let sealed = self.journal.read(&extent.span)?;
            let opened = extent.open(document, key, &sealed, after).ok_or_else(|| {
                let what = format!("items {} to {} do not open", extent.first, extent.last);
                StoreError::damaged(&journal::file_name(extent.span.file), extent.span.offset, what)
            })?;
            items.extend(opened);
            Ok(true)
        });
        walked.map_err(Unusable::fatal)??;
        Ok(items)
    }

    /// Every document that has items here, by id.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn document_ids(&self) -> Result<Vec<DocumentId>, StoreError> {
        self.usable()?;
        let mut ids = Vec::new();
        for document in self.keyring.documents() {
            let prefix = self.index.keys().document(document);
            let mut any = false;
            let walked = self.index.walk(&prefix, &prefix, &mut |_, _| {
                any = true;
                Ok(false)
            });
            walked.map_err(Unusable::fatal)??;
            if any {
                ids.push(*document);
            }
        }
        Ok(ids)
    }

    pub(super) fn blob_key(&self, table: u8, key: &[u8]) -> Option<&Subkey> {
        self.opener().key(table, key)
    }

    fn value(&self, table: u8, row: &[u8]) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let (key, value) = rows::read(row).ok_or_else(|| Unusable("garbled table row".to_owned()).fatal())?;
        let span = match value {
            Value::Inline(value) => return Ok((key, value)),
            Value::InJournal(span) => span,
        };
        let value = self.opener().value(table, &key, &span)?;
        Ok((key, value))
    }

    fn opener(&self) -> Opener<'_> {
        Opener { journal: &self.journal, keyring: &self.keyring }
    }
}

/// What it takes to read values that lie in the journal, also from another thread.
#[derive(Clone, Copy)]
struct Opener<'a> {
    journal: &'a Journal,
    keyring: &'a Keyring,
}

impl<'a> Opener<'a> {
    /// The key a row's value is sealed under.
    fn key(self, table: u8, key: &[u8]) -> Option<&'a Subkey> {
        match rows::owner(table, key) {
            Some(document) => self.keyring.get(&document),
            None => Some(&self.journal.keys().value),
        }
    }

    fn opened(self, table: u8, key: &[u8], span: &Span, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let opened = self.key(table, key).and_then(|under| batch::open_blob(under, &batch::put_bound(table, key), sealed, None));
        opened.ok_or_else(|| {
            StoreError::damaged(&journal::file_name(span.file), span.offset, format!("a value of table {table} does not open"))
        })
    }

    fn value(self, table: u8, key: &[u8], span: &Span) -> Result<Vec<u8>, StoreError> {
        self.opened(table, key, span, &self.journal.read(span)?)
    }

    /// Of rows in the order in which their values lie in the journal: their keys and values.
    fn values(self, table: u8, far: &[(Span, Vec<u8>)]) -> Result<Vec<Row>, StoreError> {
        let spans: Vec<Span> = far.iter().map(|(span, _)| *span).collect();
        let mut rows = Vec::with_capacity(far.len());
        self.journal.read_each(&spans, &mut |at, sealed| {
            let (span, key) = &far[at];
            rows.push((key.clone(), self.opened(table, key, span, sealed)?));
            Ok(())
        })?;
        Ok(rows)
    }
}
