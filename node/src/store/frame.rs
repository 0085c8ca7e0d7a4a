//! Frames and file headers of the journal: what makes a torn write visible and a bit flip plain.
//!
//! ```text
//! frame   marker "ACFR" ‖ sealed length u32 ‖ blob length u32 ‖ sequence u64 ‖ head check (8) ‖ blobs ‖ sealed record list ‖ checksum (16)
//! header  "ACCJOURN" ‖ version u16 ‖ store id (16) ‖ file number u64 ‖ first sequence u64 ‖ chain head before (32) ‖ key check (16) ‖ checksum (16)
//! ```
//! All numbers big-endian. The head check tells a garbled length from a garbled body, so a reader knows where the next frame begins.

use zeroize::Zeroizing;

use super::batch::Batch;
use super::bytes::Reader;
use super::cipher::{NONCE, Subkey, TAG};
use super::error::StoreError;

/// First bytes of every frame.
pub const MARKER: [u8; 4] = *b"ACFR";
/// Bytes of a frame's head.
pub const HEAD: usize = 28;
/// Bytes of a frame's checksum.
pub const CHECK: usize = 16;
/// Longest frame in bytes; a longer one is never written and never believed.
pub const FRAME_MAX: u64 = 48 << 20;
/// Bytes of a file header.
pub const HEADER: usize = 106;
/// Version of a journal file that is written to. Files of version 1 hold batches of version 1 and are read, never continued.
pub const JOURNAL_VERSION: u16 = 2;
/// Version of a file that compaction wrote: it ends in a table of what moved, and nothing is ever added to it.
pub const REWRITTEN_VERSION: u16 = 3;
const HEADER_MAGIC: [u8; 8] = *b"ACCJOURN";

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of the sealed record list.
    pub sealed: u32,
    /// Length of the blobs.
    pub blobs: u32,
    /// Sequence of the batch.
    pub seq: u64,
}

fn short_hash<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut out = [0; N];
    hasher.finalize_xof().fill(&mut out);
    out
}

impl Head {
    fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[..4].copy_from_slice(&MARKER);
        out[4..8].copy_from_slice(&self.sealed.to_be_bytes());
        out[8..12].copy_from_slice(&self.blobs.to_be_bytes());
        out[12..20].copy_from_slice(&self.seq.to_be_bytes());
        let check: [u8; 8] = short_hash(&[&out[..20]]);
        out[20..].copy_from_slice(&check);
        out
    }

    /// Reads a head and checks it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD)?;
        let mut from = Reader(bytes.strip_prefix(&MARKER)?);
        let head = Self { sealed: from.u32()?, blobs: from.u32()?, seq: from.u64()? };
        (from.array() == Some(short_hash::<8>(&[&bytes[..20]])) && head.total() <= FRAME_MAX).then_some(head)
    }

    /// Length the frame had when first written, for one whose record list says it moved.
    pub fn was(&self, batch: &Batch) -> u64 {
        batch.was.map_or_else(|| self.total(), u64::from)
    }

    /// Length of the whole frame.
    pub fn total(&self) -> u64 {
        HEAD as u64 + u64::from(self.sealed) + u64::from(self.blobs) + CHECK as u64
    }
}

/// A whole frame.
pub fn seal(key: &Subkey, seq: u64, nonce: [u8; NONCE], plain: &[u8], blobs: &[u8]) -> Vec<u8> {
    // The caller bounds both parts to FRAME_MAX together.
    let head = Head { sealed: (plain.len() + NONCE + TAG) as u32, blobs: blobs.len() as u32, seq }.encode();
    let mut frame = Vec::with_capacity(HEAD + blobs.len() + plain.len() + NONCE + TAG + CHECK);
    frame.extend_from_slice(&head);
    frame.extend_from_slice(blobs);
    key.seal(nonce, &head, &[plain], &mut frame);
    let check: [u8; CHECK] = short_hash(&[&frame]);
    frame.extend_from_slice(&check);
    frame
}

/// A frame's checksum, for a frame whose other bytes are to be kept as they are.
pub fn recheck(frame: &mut [u8]) {
    let body = frame.len().saturating_sub(CHECK);
    let check: [u8; CHECK] = short_hash(&[&frame[..body]]);
    frame[body..].copy_from_slice(&check);
}

/// Whether the checksum of a whole frame fits.
pub fn intact(frame: &[u8]) -> bool {
    frame.split_last_chunk::<CHECK>().is_some_and(|(body, check)| *check == short_hash::<CHECK>(&[body]))
}

/// Opens the record list of a whole frame, whatever its checksum says.
pub fn open(key: &Subkey, frame: &[u8]) -> Result<(Head, Batch), String> {
    let (head, plain) = unseal(key, frame)?;
    Ok((head, Batch::decode(&plain, head.seq)?))
}

/// As [`open`], to the bytes of the record list.
pub fn unseal(key: &Subkey, frame: &[u8]) -> Result<(Head, Zeroizing<Vec<u8>>), String> {
    let head = Head::parse(frame).ok_or("garbled frame head")?;
    if head.total() != frame.len() as u64 {
        return Err("frame cut short".to_owned());
    }
    let sealed = &frame[HEAD + head.blobs as usize..frame.len() - CHECK];
    let plain = key.open(&frame[..HEAD], sealed).ok_or("record list does not open under the store's key")?;
    Ok((head, plain))
}

/// A journal file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the file's format; [`REWRITTEN_VERSION`] where compaction wrote it.
    pub version: u16,
    /// Store the file belongs to.
    pub store: [u8; 16],
    /// Number of the file, from 1.
    pub file: u64,
    /// Sequence of its first frame.
    pub first: u64,
    /// Chain head before its first frame.
    pub chain: [u8; 32],
}

impl Header {
    /// Whether compaction wrote the file.
    pub fn is_rewritten(&self) -> bool {
        self.version == REWRITTEN_VERSION
    }

    /// The header's bytes.
    pub fn encode(&self, key: &Subkey) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&HEADER_MAGIC);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.file.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.chain);
        let tag = key.tag(&[&out]);
        out.extend_from_slice(&tag[..16]);
        let check: [u8; 16] = short_hash(&[&out]);
        out.extend_from_slice(&check);
        out
    }

    /// Reads and checks a header. `Ok(None)` if it is garbled or cut short.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a later format, [`StoreError::WrongKey`] for a header made under another key.
    pub fn parse(key: &Subkey, name: &str, bytes: &[u8]) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = bytes.get(..HEADER) else { return Ok(None) };
        let Some((body, check)) = bytes.split_last_chunk::<16>() else { return Ok(None) };
        if *check != short_hash::<16>(&[body]) {
            return Ok(None);
        }
        let mut from = Reader(body);
        let fields = |from: &mut Reader<'_>| {
            let (magic, version) = (from.array::<8>()?, from.u16()?);
            let header = Self { version, store: from.array()?, file: from.u64()?, first: from.u64()?, chain: from.array()? };
            Some((magic, version, header))
        };
        match fields(&mut from) {
            Some((HEADER_MAGIC, version, _)) if version > REWRITTEN_VERSION => {
                Err(StoreError::Newer { file: name.to_owned(), found: version, known: REWRITTEN_VERSION })
            }
            Some((HEADER_MAGIC, 1.., header)) => {
                let (signed, tag) = body.split_at(body.len() - 16);
                if key.tag(&[signed])[..16] == *tag { Ok(Some(header)) } else { Err(StoreError::WrongKey) }
            }
            _ => Ok(None),
        }
    }
}
