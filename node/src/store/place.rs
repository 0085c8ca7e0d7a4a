//! Places in the journal and the state of the index at a place.

use super::bytes::Reader;

/// One frame of the journal, or (with `seq` 0) the start of a journal without frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the journal file.
    pub file: u64,
    /// Offset of the frame's first byte.
    pub start: u64,
    /// Offset of the first byte after the frame.
    pub end: u64,
    /// Sequence of the batch.
    pub seq: u64,
    /// Chain head after the batch.
    pub chain: [u8; 32],
}

/// Bytes of an encoded [`Place`].
pub const PLACE: usize = 64;

impl Place {
    /// Fixed-width form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.file, self.start, self.end, self.seq] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.chain);
    }

    /// Reads [`Place::encode`].
    pub fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { file: from.u64()?, start: from.u64()?, end: from.u64()?, seq: from.u64()?, chain: from.array()? })
    }
}

/// A run of bytes in a journal file that is sealed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of the journal file.
    pub file: u64,
    /// Offset of the first byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u32,
}

/// Between parts that are read at once lie no more bytes than these: about what a call of the system takes.
const NEAR: u64 = 8 << 10;
/// No more bytes than these are read at once.
const AT_ONCE: u64 = 256 << 10;

impl Span {
    /// Whether another begins in the same file behind this one, and soon.
    pub fn is_near(&self, next: &Self) -> bool {
        let end = self.offset.checked_add(self.len.into());
        self.file == next.file && end.and_then(|end| next.offset.checked_sub(end)).is_some_and(|apart| apart <= NEAR)
    }

    /// Whether this one ends where it may be read at once with an earlier one.
    pub fn is_within(&self, first: &Self) -> bool {
        let end = self.offset.checked_add(self.len.into());
        end.and_then(|end| end.checked_sub(first.offset)).is_some_and(|bytes| bytes <= AT_ONCE)
    }
}

/// How many pages the index has and the sum of their hashes: equal tallies mean equal pages, short of a broken hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of pages.
    pub rows: u64,
    /// Four sums, modulo 2^64 each, over the quarters of the pages' BLAKE3 hashes.
    pub sum: [u64; 4],
}

impl Tally {
    fn quarters(key: &[u8], value: &[u8]) -> [u64; 4] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_be_bytes()).update(key).update(value);
        let hash = hasher.finalize();
        let mut rest = Reader(hash.as_bytes());
        [(); 4].map(|()| rest.u64().expect("a hash has four quarters of eight bytes"))
    }

    /// Counts a page in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        for (sum, quarter) in self.sum.iter_mut().zip(Self::quarters(key, value)) {
            *sum = sum.wrapping_add(quarter);
        }
    }

    /// Counts a page out.
    pub fn take(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        for (sum, quarter) in self.sum.iter_mut().zip(Self::quarters(key, value)) {
            *sum = sum.wrapping_sub(quarter);
        }
    }

    /// Fixed-width form, 40 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rows.to_be_bytes());
        self.sum.iter().for_each(|part| out.extend_from_slice(&part.to_be_bytes()));
    }

    /// Reads [`Tally::encode`].
    pub fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { rows: from.u64()?, sum: [from.u64()?, from.u64()?, from.u64()?, from.u64()?] })
    }
}

/// Everything the store knows about itself after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The batch.
    pub place: Place,
    /// The pages of the index, once they have settled at it.
    pub tally: Tally,
    /// Highest item sequence so far.
    pub item_seq: u64,
}

impl State {
    /// Fixed-width form, 112 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PLACE + 48);
        self.place.encode(&mut out);
        self.tally.encode(&mut out);
        out.extend_from_slice(&self.item_seq.to_be_bytes());
        out
    }

    /// Reads [`State::encode`].
    pub fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { place: Place::decode(from)?, tally: Tally::decode(from)?, item_seq: from.u64()? })
    }
}
