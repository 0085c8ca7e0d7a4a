//! The records of one durable batch and the hash chain over them.
//!
//! A batch is a sealed list of records plus *blobs*: parts sealed on their own, under a document's key, so that destroying that key
//! destroys them while the digests in the list keep the chain whole. The chain runs over BLAKE3(salt ‖ record); the salt of a blob lies
//! inside the blob, so a digest left behind confirms no guess. Compaction reduces what is dead to its digest ([`reduce`]).

use accord_protocol::id::DocumentId;
use zeroize::Zeroizing;

use super::bytes::{Reader, put_number};
use super::cipher::{NONCE, Random, SALT, Subkey, TAG};
use super::error::StoreError;

/// Version of the record list inside a frame. Version 1 stated sums over the index, which are passed over.
pub const BATCH_VERSION: u16 = 2;
/// Version of a record list that compaction wrote: some records are only digests, and the blobs that stayed stand end to end.
pub const REDUCED_VERSION: u16 = 3;
/// Bytes of the sums of version 1.
const SUMS: usize = 40;
/// Bytes of a document key wrapped under the keyring key.
pub const WRAPPED: usize = NONCE + 32 + TAG;

/// A part sealed on its own, relative to the frame's blob area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Offset in the blob area of the frame as first written: places noted elsewhere are made of it.
    pub offset: u32,
    /// Offset in the blob area of the frame as it is now.
    pub at: u32,
    /// Length with nonce, salt and tag.
    pub len: u32,
    /// BLAKE3(salt ‖ record).
    pub digest: [u8; 32],
}

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A small value of a table.
    Put { table: u8, key: Vec<u8>, value: Vec<u8> },
    /// A value removed.
    Remove { table: u8, key: Vec<u8> },
    /// A value kept as a blob: large, or about a document (then under its key).
    PutBlob { table: u8, key: Vec<u8>, blob: Blob },
    /// A part of a document, sealed by itself: in journals of version 1.
    Item { document: DocumentId, seq: u64, blob: Blob },
    /// All parts of a document in this batch, or as many as are sealed together.
    Items { document: DocumentId, first: u64, last: u64, blob: Blob },
    /// A line for auditors.
    Account(Vec<u8>),
    /// A new document's key, wrapped under the keyring key of that epoch.
    Key { document: DocumentId, epoch: u64, wrapped: [u8; WRAPPED] },
    /// The document's key is to be destroyed.
    Purge { document: DocumentId },
    /// An index checkpoint was written: the batch it stands for and the BLAKE3 of the file.
    Checkpoint { through: u64, digest: [u8; 32] },
    /// Items up to `seq` whose blob was found damaged by a repair; their row is gone.
    Lost { document: DocumentId, seq: u64 },
    /// A value whose blob was found damaged by a repair; its row is gone.
    LostPut { table: u8, key: Vec<u8> },
    /// Stands for batches `from..=to` that a repair could not read. Alone in its frame, which has sequence `to` and states the chain anew.
    Gap { from: u64, to: u64 },
    /// A record that was dead when its file was rewritten: only its digest is left, so that the chain stays whole.
    Dead { digest: [u8; 32] },
}

/// A decoded batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Highest item sequence after this batch.
    pub item_seq: u64,
    /// Chain head before.
    pub before: [u8; 32],
    /// Chain head after.
    pub after: [u8; 32],
    /// The records in order.
    pub records: Vec<Record>,
    /// Length of the whole frame as first written, if compaction wrote this one.
    pub was: Option<u32>,
}

/// What a record list begins with, after its version.
struct Opening {
    was: Option<u32>,
    item_seq: u64,
    before: [u8; 32],
    after: [u8; 32],
    count: u32,
    stand: Stand,
}

/// How blobs stand in their area.
enum Stand {
    /// Where their records say.
    AsWritten,
    /// End to end; the next one here.
    EndToEnd(u32),
}

impl Stand {
    fn of(&mut self, offset: u32, len: u32) -> Option<u32> {
        match self {
            Self::AsWritten => Some(offset),
            Self::EndToEnd(next) => {
                let at = *next;
                *next = next.checked_add(len)?;
                Some(at)
            }
        }
    }
}

impl Opening {
    fn read(from: &mut Reader<'_>) -> Result<Self, String> {
        let version = from.u16();
        let fields = |from: &mut Reader<'_>| {
            let (was, stand) = match version {
                Some(REDUCED_VERSION) => (Some(from.u32()?), Stand::EndToEnd(0)),
                _ => (None, Stand::AsWritten),
            };
            Some(Self { was, item_seq: from.u64()?, before: from.array()?, after: from.array()?, count: from.u32()?, stand })
        };
        match version {
            Some(1) => drop(from.bytes(SUMS)),
            Some(BATCH_VERSION | REDUCED_VERSION) => {}
            found => return Err(format!("batch version {found:?}, expected at most {REDUCED_VERSION}")),
        }
        fields(from).ok_or_else(|| "records of an unknown shape".to_owned())
    }
}

impl Batch {
    /// Reads a record list and checks that its records lead from `before` to `after`.
    pub fn decode(plain: &[u8], seq: u64) -> Result<Self, String> {
        let mut from = Reader(plain);
        let opening = Opening::read(&mut from)?;
        let batch = Self::fields(&mut from, opening, seq).ok_or("records of an unknown shape")?;
        let gap = matches!(batch.0.records[..], [Record::Gap { .. }]);
        if gap || batch.1 == batch.0.after { Ok(batch.0) } else { Err("records do not lead to the stated chain head".to_owned()) }
    }

    fn fields(from: &mut Reader<'_>, opening: Opening, seq: u64) -> Option<(Self, [u8; 32])> {
        let Opening { was, item_seq, before, after, count, mut stand } = opening;
        let mut chain = Chain::begin(&before, seq);
        let mut records = Vec::new();
        for _ in 0..count {
            let (record, digest) = Record::decode(from, &mut stand)?;
            chain.add(&digest);
            records.push(record);
        }
        from.end()?;
        Some((Self { item_seq, before, after, records, was }, chain.end()))
    }
}

/// What stays of a frame without its dead records.
pub struct Reduced {
    /// Records in it, dead ones too.
    pub count: usize,
    /// To be sealed as the frame's record list; `None` when nothing goes and the frame stays as it is.
    pub plain: Option<Zeroizing<Vec<u8>>>,
    /// Stretches of the blob area that stay: offset now and length.
    pub blobs: Vec<(u32, u32)>,
}

/// Reduces the record list of a frame of `total` bytes: records that `dead` names by their position become their digests. `None` for a list that
/// does not decode.
pub fn reduce(plain: &[u8], total: u32, dead: &mut dyn FnMut(usize) -> bool) -> Option<Reduced> {
    let mut from = Reader(plain);
    let Opening { was, item_seq, before, after, count, mut stand } = Opening::read(&mut from).ok()?;
    let mut out = Zeroizing::new(Vec::with_capacity(plain.len() + 4));
    out.extend_from_slice(&REDUCED_VERSION.to_be_bytes());
    out.extend_from_slice(&was.unwrap_or(total).to_be_bytes());
    out.extend_from_slice(&item_seq.to_be_bytes());
    out.extend_from_slice(&before);
    out.extend_from_slice(&after);
    out.extend_from_slice(&count.to_be_bytes());
    let count = count as usize;
    let (mut blobs, mut goes) = (Vec::new(), false);
    for position in 0..count {
        let start = from.0;
        let (record, digest) = Record::decode(&mut from, &mut stand)?;
        if dead(position) {
            goes = true;
            out.push(DEAD);
            out.extend_from_slice(&digest);
            continue;
        }
        out.extend_from_slice(&start[..start.len() - from.0.len()]);
        blobs.extend(record.blob().map(|blob| (blob.at, blob.len)));
    }
    from.end()?;
    Some(Reduced { count, plain: goes.then_some(out), blobs })
}

struct Chain(blake3::Hasher);

impl Chain {
    fn begin(before: &[u8; 32], seq: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("accord store v1 chain");
        hasher.update(before).update(&seq.to_be_bytes());
        Self(hasher)
    }

    fn add(&mut self, digest: &[u8; 32]) {
        self.0.update(digest);
    }

    fn end(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// The chain head of a store that has no batch yet.
pub fn chain_start(store: &[u8; 16]) -> [u8; 32] {
    blake3::derive_key("accord store v1 chain start", store)
}

fn digest(salt: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(salt);
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

/// What a blob is bound to: everything of its record but the content.
pub fn item_bound(document: &DocumentId, seq: u64) -> Vec<u8> {
    [&[4][..], document.as_bytes(), &seq.to_be_bytes()].concat()
}

/// As [`item_bound`], for parts of a document that are sealed together.
pub fn items_bound(document: &DocumentId, first: u64, last: u64) -> Vec<u8> {
    [&[12][..], document.as_bytes(), &first.to_be_bytes(), &last.to_be_bytes()].concat()
}

/// The items in an opened blob of [`Record::Items`], in order; `None` if they are not what the record says.
pub fn split_items(content: &[u8], first: u64, last: u64) -> Option<Vec<(u64, &[u8])>> {
    let mut from = Reader(content);
    let mut items: Vec<(u64, &[u8])> = Vec::new();
    while from.end().is_none() {
        let step = from.number()?;
        let seq = match items.last() {
            None => first.checked_add(step)?,
            Some((before, _)) => before.checked_add(step).filter(|seq| seq > before)?,
        };
        let len = usize::try_from(from.number()?).ok()?;
        items.push((seq, from.bytes(len)?));
    }
    (items.first()?.0 == first && items.last()?.0 == last).then_some(items)
}

/// As [`item_bound`], for a table's value.
pub fn put_bound(table: u8, key: &[u8]) -> Vec<u8> {
    [&[3, table][..], &(key.len() as u16).to_be_bytes(), key].concat()
}

/// Opens a blob; with `expected` also compares its digest.
pub fn open_blob(key: &Subkey, bound: &[u8], sealed: &[u8], expected: Option<&[u8; 32]>) -> Option<Vec<u8>> {
    let mut plain = key.open(bound, sealed)?;
    let (salt, content) = plain.split_at_checked(SALT)?;
    if expected.is_some_and(|expected| digest(salt, &[bound, content]) != *expected) {
        return None;
    }
    let mut plain = std::mem::take(&mut *plain);
    plain.drain(..SALT);
    Some(plain)
}

/// Kind of a record that is only its digest.
const DEAD: u8 = 13;
/// Bytes of such a record.
pub const DEAD_BYTES: u64 = 33;

impl Record {
    /// Its part sealed on its own.
    pub fn blob(&self) -> Option<&Blob> {
        match self {
            Self::PutBlob { blob, .. } | Self::Item { blob, .. } | Self::Items { blob, .. } => Some(blob),
            _ => None,
        }
    }

    /// Whether it says the same as another, wherever its blob stands now.
    pub fn same(&self, other: &Self) -> bool {
        let mut bodies = [Vec::new(), Vec::new()];
        self.body(&mut bodies[0]);
        other.body(&mut bodies[1]);
        self.kind() == other.kind() && bodies[0] == bodies[1]
    }

    /// Bytes it takes in its frame.
    pub fn size(&self) -> u64 {
        let mut body = Vec::new();
        self.body(&mut body);
        1 + body.len() as u64 + self.blob().map_or(SALT as u64, |blob| blob.len.into())
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Put { .. } => 1,
            Self::Remove { .. } => 2,
            Self::PutBlob { .. } => 3,
            Self::Item { .. } => 4,
            Self::Account(_) => 5,
            Self::Key { .. } => 6,
            Self::Purge { .. } => 7,
            Self::Checkpoint { .. } => 8,
            Self::Lost { .. } => 9,
            Self::LostPut { .. } => 10,
            Self::Gap { .. } => 11,
            Self::Items { .. } => 12,
            Self::Dead { .. } => DEAD,
        }
    }

    /// Everything of a record that is not a blob, after its kind.
    fn body(&self, out: &mut Vec<u8>) {
        let keyed = |out: &mut Vec<u8>, table: u8, key: &[u8]| {
            out.push(table);
            out.extend_from_slice(&(key.len() as u16).to_be_bytes());
            out.extend_from_slice(key);
        };
        let sized = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        let place = |out: &mut Vec<u8>, blob: &Blob| {
            out.extend_from_slice(&blob.offset.to_be_bytes());
            out.extend_from_slice(&blob.len.to_be_bytes());
            out.extend_from_slice(&blob.digest);
        };
        match self {
            Self::Put { table, key, value } => {
                keyed(out, *table, key);
                sized(out, value);
            }
            Self::Remove { table, key } | Self::LostPut { table, key } => keyed(out, *table, key),
            Self::PutBlob { table, key, blob } => {
                keyed(out, *table, key);
                place(out, blob);
            }
            Self::Item { document, seq, blob } => {
                out.extend_from_slice(document.as_bytes());
                out.extend_from_slice(&seq.to_be_bytes());
                place(out, blob);
            }
            Self::Items { document, first, last, blob } => {
                out.extend_from_slice(document.as_bytes());
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&last.to_be_bytes());
                place(out, blob);
            }
            Self::Account(line) => sized(out, line),
            Self::Key { document, epoch, wrapped } => {
                out.extend_from_slice(document.as_bytes());
                out.extend_from_slice(&epoch.to_be_bytes());
                out.extend_from_slice(wrapped);
            }
            Self::Purge { document } => out.extend_from_slice(document.as_bytes()),
            Self::Checkpoint { through, digest } => {
                out.extend_from_slice(&through.to_be_bytes());
                out.extend_from_slice(digest);
            }
            Self::Lost { document, seq } => {
                out.extend_from_slice(document.as_bytes());
                out.extend_from_slice(&seq.to_be_bytes());
            }
            Self::Gap { from, to } => {
                out.extend_from_slice(&from.to_be_bytes());
                out.extend_from_slice(&to.to_be_bytes());
            }
            Self::Dead { digest } => out.extend_from_slice(digest),
        }
    }

    fn decode(from: &mut Reader<'_>, stand: &mut Stand) -> Option<(Self, [u8; 32])> {
        fn key(from: &mut Reader<'_>) -> Option<Vec<u8>> {
            let len = from.u16()?;
            Some(from.bytes(len.into())?.to_vec())
        }
        fn sized(from: &mut Reader<'_>) -> Option<Vec<u8>> {
            let len = from.u32()?;
            Some(from.bytes(len as usize)?.to_vec())
        }
        fn document(from: &mut Reader<'_>) -> Option<DocumentId> {
            from.array().map(DocumentId)
        }
        let reduced = matches!(stand, Stand::EndToEnd(_));
        let mut blob = |from: &mut Reader<'_>| {
            let (offset, len) = (from.u32()?, from.u32()?);
            Some(Blob { offset, at: stand.of(offset, len)?, len, digest: from.array()? })
        };
        let kind = from.u8()?;
        let start = from.0;
        let record = match kind {
            1 => Self::Put { table: from.u8()?, key: key(from)?, value: sized(from)? },
            2 => Self::Remove { table: from.u8()?, key: key(from)? },
            3 => Self::PutBlob { table: from.u8()?, key: key(from)?, blob: blob(from)? },
            4 => Self::Item { document: document(from)?, seq: from.u64()?, blob: blob(from)? },
            5 => Self::Account(sized(from)?),
            6 => Self::Key { document: document(from)?, epoch: from.u64()?, wrapped: from.array()? },
            7 => Self::Purge { document: document(from)? },
            8 => Self::Checkpoint { through: from.u64()?, digest: from.array()? },
            9 => Self::Lost { document: document(from)?, seq: from.u64()? },
            10 => Self::LostPut { table: from.u8()?, key: key(from)? },
            11 => Self::Gap { from: from.u64()?, to: from.u64()? },
            12 => Self::Items { document: document(from)?, first: from.u64()?, last: from.u64()?, blob: blob(from)? },
            DEAD if reduced => {
                let digest = from.array()?;
                return Some((Self::Dead { digest }, digest));
            }
            _ => return None,
        };
        let body = &start[..start.len() - from.0.len()];
        let digest = match &record {
            Self::PutBlob { blob, .. } | Self::Item { blob, .. } | Self::Items { blob, .. } => blob.digest,
            _ => digest(from.bytes(SALT)?, &[&[kind], body]),
        };
        Some((record, digest))
    }
}

/// A batch being put together.
pub struct Draft {
    seq: u64,
    before: [u8; 32],
    chain: Chain,
    count: u32,
    list: Vec<u8>,
    blobs: Vec<u8>,
    records: Vec<Record>,
}

impl Draft {
    /// Batch `seq` after chain head `before`.
    pub fn new(seq: u64, before: [u8; 32]) -> Self {
        Self { seq, before, chain: Chain::begin(&before, seq), count: 0, list: Vec::new(), blobs: Vec::new(), records: Vec::new() }
    }

    /// Sequence of this batch.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What was put in so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Adds a record without a blob.
    pub fn push(&mut self, record: Record, random: &mut Random) -> Result<(), StoreError> {
        let salt: [u8; SALT] = random.take()?;
        self.list.push(record.kind());
        let start = self.list.len();
        record.body(&mut self.list);
        let digest = digest(&salt, &[&[record.kind()], &self.list[start..]]);
        self.list.extend_from_slice(&salt);
        self.enter(record, &digest);
        Ok(())
    }

    /// Adds parts of one document, in the order of their sequences and at least one, sealed together under its key.
    pub fn items(&mut self, document: DocumentId, parts: &[(u64, &[u8])], key: &Subkey, random: &mut Random) -> Result<(), StoreError> {
        let (Some((first, _)), Some((last, _))) = (parts.first(), parts.last()) else { return Ok(()) };
        let mut content = Zeroizing::new(Vec::with_capacity(parts.iter().map(|(_, body)| body.len() + 8).sum()));
        let mut before = *first;
        for (seq, body) in parts {
            put_number(&mut content, seq - before);
            put_number(&mut content, body.len() as u64);
            content.extend_from_slice(body);
            before = *seq;
        }
        let blob = self.blob(&items_bound(&document, *first, *last), &content, key, random)?;
        self.push_blob(Record::Items { document, first: *first, last: *last, blob });
        Ok(())
    }

    /// Adds a value sealed on its own.
    pub fn put_blob(&mut self, table: u8, key: &[u8], value: &[u8], under: &Subkey, random: &mut Random) -> Result<(), StoreError> {
        let blob = self.blob(&put_bound(table, key), value, under, random)?;
        self.push_blob(Record::PutBlob { table, key: key.to_vec(), blob });
        Ok(())
    }

    fn blob(&mut self, bound: &[u8], content: &[u8], key: &Subkey, random: &mut Random) -> Result<Blob, StoreError> {
        let salt: [u8; SALT] = random.take()?;
        let offset = self.blobs.len();
        key.seal(random.take()?, bound, &[&salt, content], &mut self.blobs);
        let len = self.blobs.len() - offset;
        // The caller bounds a batch to far less than 4 GiB.
        Ok(Blob { offset: offset as u32, at: offset as u32, len: len as u32, digest: digest(&salt, &[bound, content]) })
    }

    fn push_blob(&mut self, record: Record) {
        self.list.push(record.kind());
        record.body(&mut self.list);
        let (Record::Items { blob, .. } | Record::PutBlob { blob, .. }) = &record else { return };
        let digest = blob.digest;
        self.enter(record, &digest);
    }

    fn enter(&mut self, record: Record, digest: &[u8; 32]) {
        self.chain.add(digest);
        self.count += 1;
        self.records.push(record);
    }

    /// Chain head after this batch.
    pub fn after(&self) -> [u8; 32] {
        self.chain.end()
    }

    /// The record list to be sealed and the blobs. `after` differs from [`Draft::after`] only for a gap.
    pub fn finish(&self, item_seq: u64, after: &[u8; 32]) -> (Zeroizing<Vec<u8>>, &[u8]) {
        let mut plain = Zeroizing::new(Vec::with_capacity(78 + self.list.len()));
        plain.extend_from_slice(&BATCH_VERSION.to_be_bytes());
        plain.extend_from_slice(&item_seq.to_be_bytes());
        plain.extend_from_slice(&self.before);
        plain.extend_from_slice(after);
        plain.extend_from_slice(&self.count.to_be_bytes());
        plain.extend_from_slice(&self.list);
        (plain, &self.blobs)
    }

    /// Bytes the frame will hold, without its own head and seals.
    pub fn size(&self) -> u64 {
        (self.list.len() + self.blobs.len()) as u64
    }
}
