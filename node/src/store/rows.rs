//! What the records of a batch mean for the index. The same function serves commits and rebuilds, so both give the same rows.

use accord_protocol::id::DocumentId;
use accord_protocol::step::{Table, Write};

use super::batch::{self, Blob, Record};
use super::bytes::{Reader, put_number};
use super::cipher::Subkey;
use super::error::StoreError;
use super::frame::HEAD;
use super::index::{self, Index, RowKeys, Rows, Unusable};
use super::place::Span;

const INLINE: u8 = 0;
const IN_JOURNAL: u8 = 1;
const ONE: u8 = 2;
const TOGETHER: u8 = 3;

/// The row a write sets or removes: its table and key.
pub fn written(write: &Write) -> Option<(u8, &[u8])> {
    match write {
        Write::Put { table, key, .. } => Some((*table as u8, key)),
        Write::Item { .. } | Write::Account(_) => None,
    }
}

/// A table's row.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// The value itself.
    Inline(Vec<u8>),
    /// Where it stands in the journal.
    InJournal(Span),
}

/// A document's items that one batch brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where they stand in the journal.
    pub span: Span,
    /// The first one's sequence.
    pub first: u64,
    /// The last one's.
    pub last: u64,
    /// Whether it is a single item of a journal of version 1.
    one: bool,
}

impl Extent {
    /// Reads an item's row.
    pub fn read(key: &[u8], row: &[u8]) -> Option<Self> {
        let last = index::last_seq(key)?;
        let mut from = Reader(row);
        let one = match from.u8()? {
            ONE => true,
            TOGETHER => false,
            _ => return None,
        };
        let span = read_span(&mut from)?;
        let first = if one { last } else { last.checked_sub(from.number()?)? };
        from.end().map(|()| Self { span, first, last, one })
    }

    /// The items in their sealed bytes, those above `after`.
    pub fn open(&self, document: &DocumentId, key: &Subkey, sealed: &[u8], after: u64) -> Option<Vec<(u64, Vec<u8>)>> {
        if self.one {
            return batch::open_blob(key, &batch::item_bound(document, self.last), sealed, None).map(|body| vec![(self.last, body)]);
        }
        let content = batch::open_blob(key, &batch::items_bound(document, self.first, self.last), sealed, None)?;
        let items = batch::split_items(&content, self.first, self.last)?;
        Some(items.into_iter().filter(|(seq, _)| *seq > after).map(|(seq, body)| (seq, body.to_vec())).collect())
    }
}

/// The document whose key seals a table's value, if it is about one.
pub fn owner(table: u8, key: &[u8]) -> Option<DocumentId> {
    (table == Table::Documents as u8).then(|| DocumentId::from_slice(key)).flatten()
}

/// Reads a table's row into its key and value.
pub fn read(row: &[u8]) -> Option<(Vec<u8>, Value)> {
    let mut from = Reader(row);
    let (form, len) = (from.u8()?, from.u8()?);
    let key = from.bytes(len.into())?.to_vec();
    let value = match form {
        INLINE => Value::Inline(from.0.to_vec()),
        IN_JOURNAL => Value::InJournal(read_span(&mut from)?),
        _ => return None,
    };
    Some((key, value))
}

fn read_span(from: &mut Reader<'_>) -> Option<Span> {
    Some(Span { file: from.number()?, offset: from.number()?, len: u32::try_from(from.number()?).ok()? })
}

fn put_span(out: &mut Vec<u8>, span: &Span) {
    put_number(out, span.file);
    put_number(out, span.offset);
    put_number(out, span.len.into());
}

fn row(form: u8, key: &[u8]) -> Vec<u8> {
    // Keys of tables are at most 128 bytes long.
    [&[form, key.len() as u8][..], key].concat()
}

/// Where in the journal a row's value or items stand, if they do: file and offset as first written.
pub fn place(key: &[u8], row: &[u8]) -> Option<(u64, u64)> {
    let span = match *row.first()? {
        INLINE => return None,
        IN_JOURNAL => match read(row)?.1 {
            Value::InJournal(span) => span,
            Value::Inline(_) => return None,
        },
        _ => Extent::read(key, row)?.span,
    };
    Some((span.file, span.offset))
}

/// The row that a record in a frame first written at `start` of journal file `file` sets, if it sets one: while the index has this very row, the
/// record lives.
pub fn set_by(record: &Record, file: u64, start: u64, keys: &RowKeys) -> Option<(Vec<u8>, Vec<u8>)> {
    let span = |blob: &Blob| Span { file, offset: start + HEAD as u64 + u64::from(blob.offset), len: blob.len };
    match record {
        Record::Put { table, key, value } => {
            let mut row = row(INLINE, key);
            row.extend_from_slice(value);
            Some((keys.put(*table, key), row))
        }
        Record::PutBlob { table, key, blob } => {
            let mut row = row(IN_JOURNAL, key);
            put_span(&mut row, &span(blob));
            Some((keys.put(*table, key), row))
        }
        Record::Item { document, seq, blob } => {
            let mut row = vec![ONE];
            put_span(&mut row, &span(blob));
            Some((keys.items(document, *seq), row))
        }
        Record::Items { document, first, last, blob } => {
            let mut row = vec![TOGETHER];
            put_span(&mut row, &span(blob));
            put_number(&mut row, last.saturating_sub(*first));
            Some((keys.items(document, *last), row))
        }
        _ => None,
    }
}

/// The rows that the records of a frame first written at `start` of journal file `file` set and remove.
pub fn of(records: &[Record], file: u64, start: u64, index: &Index) -> Result<Rows, Unusable> {
    let keys = index.keys();
    let mut rows = Rows::new();
    for record in records {
        if let Some((key, row)) = set_by(record, file, start, keys) {
            rows.insert(key, Some(row));
            continue;
        }
        match record {
            Record::Remove { table, key } | Record::LostPut { table, key } => rows.insert(keys.put(*table, key), None),
            Record::Lost { document, seq } => rows.insert(keys.items(document, *seq), None),
            Record::Purge { document } => {
                let prefix = keys.document(document);
                let mut gone: Vec<Vec<u8>> = rows.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
                let walked = index.walk(&prefix, &prefix, &mut |key, _| {
                    gone.push(key.to_vec());
                    Ok::<_, StoreError>(true)
                })?;
                walked.map_err(|error| Unusable(error.to_string()))?;
                rows.extend(gone.into_iter().map(|key| (key, None)));
                rows.insert(keys.put(Table::Documents as u8, document.as_bytes()), None)
            }
            _ => None,
        };
    }
    Ok(rows)
}
