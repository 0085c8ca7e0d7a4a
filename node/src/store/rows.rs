//! What the records of a batch mean for the index. The same function serves commits and rebuilds, so both give the same rows.

use accord_protocol::id::DocumentId;
use accord_protocol::step::Table;

use super::batch::{Blob, Record};
use super::bytes::Reader;
use super::error::StoreError;
use super::frame::HEAD;
use super::index::{Index, Rows, Unusable};
use super::place::Span;

const INLINE: u8 = 0;
const IN_JOURNAL: u8 = 1;

/// A table's row.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// The value itself.
    Inline(Vec<u8>),
    /// Where it stands in the journal.
    InJournal(Span),
}

/// The document whose key seals a table's value, if it is about one.
pub fn owner(table: u8, key: &[u8]) -> Option<DocumentId> {
    (table == Table::Documents as u8).then(|| DocumentId::from_slice(key)).flatten()
}

/// Reads a table's row into its key and value.
pub fn read(row: &[u8]) -> Option<(Vec<u8>, Value)> {
    let mut from = Reader(row);
    let (form, len) = (from.u8()?, from.u16()?);
    let key = from.bytes(len.into())?.to_vec();
    let value = match form {
        INLINE => Value::Inline(from.0.to_vec()),
        IN_JOURNAL => Value::InJournal(Span::decode(&mut from)?),
        _ => return None,
    };
    Some((key, value))
}

fn row(form: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[form][..], &(key.len() as u16).to_be_bytes(), key, value].concat()
}

/// The rows that the records of a frame at `start` of journal file `file` set and remove.
pub fn of(records: &[Record], file: u64, start: u64, index: &Index) -> Result<Rows, Unusable> {
    let keys = index.keys();
    let span = |blob: &Blob| Span { file, offset: start + HEAD as u64 + u64::from(blob.offset), len: blob.len }.encode();
    let mut rows = Rows::new();
    for record in records {
        match record {
            Record::Put { table, key, value } => rows.insert(keys.put(*table, key), Some(row(INLINE, key, value))),
            Record::PutBlob { table, key, blob } => rows.insert(keys.put(*table, key), Some(row(IN_JOURNAL, key, &span(blob)))),
            Record::Remove { table, key } | Record::LostPut { table, key } => rows.insert(keys.put(*table, key), None),
            Record::Item { document, seq, blob } => rows.insert(keys.item(document, *seq), Some(span(blob).to_vec())),
            Record::Lost { document, seq } => rows.insert(keys.item(document, *seq), None),
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
            Record::Account(_) | Record::Key { .. } | Record::Checkpoint { .. } | Record::Gap { .. } => None,
        };
    }
    Ok(rows)
}
