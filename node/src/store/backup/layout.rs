//! The bytes of a backup: a header, then parts, each with its own check; the last part states all checks under the file's key.
//!
//! ```text
//! header   "ACCBACKP" ‖ version u16 ‖ backup id (16) ‖ store id (16) ‖ day u32 ‖ recovery day u32 ‖ made u64 ‖ batches u64 ‖ length of the file u64
//!          ‖ parts u32 ‖ checksum (16)
//! part     kind u8 ‖ number u64 ‖ length u64 ‖ bytes ‖ check (32)
//! kinds    1 wrap for the paper key · 2 kit, sealed · 3 journal file `number` · 4 manifest, sealed; in this order, journal files from 1 on
//! kit      version u16 ‖ keyring length u64 ‖ keyring ‖ count u32 ‖ (name length u16 ‖ name ‖ length u32 ‖ bytes)..
//! manifest version u16 ‖ state (112) ‖ documents u64 ‖ count u32 ‖ check of every part before (32)..
//! ```
//! Numbers are big-endian. A check is keyed by nothing: it finds damage without a key, and names the part. The manifest makes it proof.

use zeroize::Zeroizing;

use super::{BackupError, Kit};
use crate::store::bytes::Reader;
use crate::store::place::State;

/// Version of the format. A newer one is refused with its number.
pub const BACKUP_VERSION: u16 = 1;
/// Bytes of the header; this layout up to the checksum stays in later versions.
pub const HEADER: usize = 94;
/// Bytes of a part before its content, and of the check after it.
pub const HEAD: u64 = 17;
pub const CHECK: u64 = 32;
const MAGIC: [u8; 8] = *b"ACCBACKP";
/// Longest wrap for the paper key: that of a key file.
pub const WRAP_BYTES_MAX: u64 = 128 << 10;
/// Longest kit: a keyring of 16 million documents and the key files.
pub const KIT_BYTES_MAX: u64 = (1 << 30) + (64 << 20);
/// Longest manifest: of a million journal files.
pub const MANIFEST_BYTES_MAX: u64 = 33 << 20;
/// Files in a kit, and the longest of them.
pub const KIT_FILES_MAX: u32 = 4_096;
pub const KIT_FILE_BYTES_MAX: u64 = 256 << 10;

/// What a backup says of itself to everybody who has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Drawn for this backup.
    pub id: [u8; 16],
    /// The store it was made of.
    pub store: [u8; 16],
    /// Days since 1970 of its key.
    pub day: u32,
    /// Days since 1970 when the recovery key that opens it was printed.
    pub recovery_day: u32,
    /// When it was made, Unix seconds.
    pub made: u64,
    /// The last batch in it.
    pub batches: u64,
    /// Length of the whole file.
    pub total: u64,
    /// Number of parts.
    pub parts: u32,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&BACKUP_VERSION.to_be_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.day.to_be_bytes());
        out.extend_from_slice(&self.recovery_day.to_be_bytes());
        for number in [self.made, self.batches, self.total] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.parts.to_be_bytes());
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..16]);
        out.try_into().expect("the fields above are 78 bytes and the checksum 16")
    }

    /// Reads the beginning of a file; `bytes` may be less than a header if the file is shorter.
    ///
    /// # Errors
    /// [`BackupError::Foreign`], [`BackupError::Truncated`], [`BackupError::Damaged`], [`BackupError::Newer`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let magic = &bytes[..bytes.len().min(MAGIC.len())];
        if magic.is_empty() || !MAGIC.starts_with(magic) {
            return Err(BackupError::Foreign);
        }
        let garbled = || BackupError::damaged(0, "garbled header");
        let Some(bytes) = bytes.get(..HEADER) else {
            return Err(BackupError::Truncated { have: bytes.len() as u64, want: HEADER as u64 });
        };
        let (body, check) = bytes.split_last_chunk::<16>().ok_or_else(garbled)?;
        if blake3::hash(body).as_bytes()[..16] != check[..] {
            return Err(garbled());
        }
        let mut from = Reader(&body[MAGIC.len()..]);
        let version = from.u16().ok_or_else(garbled)?;
        if version > BACKUP_VERSION {
            return Err(BackupError::Newer { found: version, known: BACKUP_VERSION });
        }
        let fields = |from: &mut Reader<'_>| {
            let header = Self {
                id: from.array()?,
                store: from.array()?,
                day: from.u32()?,
                recovery_day: from.u32()?,
                made: from.u64()?,
                batches: from.u64()?,
                total: from.u64()?,
                parts: from.u32()?,
            };
            from.end()?;
            Some(header)
        };
        fields(&mut from).filter(|header| version == BACKUP_VERSION && header.parts >= 4).ok_or_else(garbled)
    }
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Wrap = 1,
    Kit = 2,
    Journal = 3,
    Manifest = 4,
}

/// One part of a file that was examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub kind: Kind,
    pub number: u64,
    /// Where its content begins.
    pub at: u64,
    pub len: u64,
    pub check: [u8; 32],
}

/// The head of a part.
pub fn head(kind: Kind, number: u64, len: u64) -> [u8; HEAD as usize] {
    let mut out = [0; HEAD as usize];
    out[0] = kind as u8;
    out[1..9].copy_from_slice(&number.to_be_bytes());
    out[9..].copy_from_slice(&len.to_be_bytes());
    out
}

/// Begins the check of a part; its content is to follow. A part of another backup does not fit.
pub fn check(header: &[u8; HEADER], head: &[u8; HEAD as usize]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key("accord backup v1 part");
    hasher.update(header).update(head);
    hasher
}

/// What the sealed parts are bound to.
pub fn bound(header: &[u8; HEADER], kind: Kind) -> Vec<u8> {
    [&header[..], &[kind as u8]].concat()
}

/// A backup whose every byte was checked, without a key.
#[derive(Clone, Debug)]
pub struct Outline {
    /// What it says of itself.
    pub header: Header,
    /// The wrap that the paper recovery key opens: a key file.
    pub wrap: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

impl Outline {
    /// Bytes of journal in it.
    pub fn journal_bytes(&self) -> u64 {
        self.journal().map(|part| part.len).sum()
    }

    pub(super) fn journal(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.kind == Kind::Journal)
    }

    pub(super) fn part(&self, kind: Kind) -> Result<&Part, BackupError> {
        self.parts.iter().find(|part| part.kind == kind).ok_or_else(|| BackupError::damaged(0, "a part is missing"))
    }
}

/// What the manifest states.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    pub state: State,
    pub documents: u64,
    pub checks: Vec<[u8; 32]>,
}

impl Manifest {
    /// Bytes of a manifest of so many parts before it.
    pub fn len(checks: usize) -> usize {
        2 + 112 + 8 + 4 + 32 * checks
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::len(self.checks.len()));
        out.extend_from_slice(&BACKUP_VERSION.to_be_bytes());
        out.extend_from_slice(&self.state.encode());
        out.extend_from_slice(&self.documents.to_be_bytes());
        out.extend_from_slice(&(self.checks.len() as u32).to_be_bytes());
        self.checks.iter().for_each(|check| out.extend_from_slice(check));
        out
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.u16()? != BACKUP_VERSION {
            return None;
        }
        let (state, documents, count) = (State::decode(&mut from)?, from.u64()?, from.u32()?);
        let mut checks = Vec::new();
        for _ in 0..count {
            checks.push(from.array()?);
        }
        from.end()?;
        Some(Self { state, documents, checks })
    }
}

/// A kit with the keyring, as it is sealed.
///
/// # Errors
/// [`BackupError::Io`] for more or longer files than a kit holds, and for a name that [`decode_kit`] would pass over.
pub fn encode_kit(keyring: &[u8], kit: &Kit) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let len = kit.0.iter().map(|(name, bytes)| name.len() + bytes.len() + 6).sum::<usize>() + keyring.len() + 14;
    let mut out = Zeroizing::new(Vec::with_capacity(len + 64));
    out.extend_from_slice(&BACKUP_VERSION.to_be_bytes());
    out.extend_from_slice(&(keyring.len() as u64).to_be_bytes());
    out.extend_from_slice(keyring);
    let count = u32::try_from(kit.0.len()).ok().filter(|count| *count <= KIT_FILES_MAX);
    let too_much = || BackupError::Io { action: "gathering the key files for", source: std::io::ErrorKind::FileTooLarge.into() };
    out.extend_from_slice(&count.ok_or_else(too_much)?.to_be_bytes());
    for (name, bytes) in &kit.0 {
        if !is_ours(name) {
            return Err(BackupError::Io { action: "gathering the key files for", source: std::io::ErrorKind::InvalidFilename.into() });
        }
        let short = u16::try_from(name.len()).ok().filter(|_| bytes.len() as u64 <= KIT_FILE_BYTES_MAX).ok_or_else(too_much)?;
        out.extend_from_slice(&short.to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

/// Reads [`encode_kit`]: the keyring, and the files. Names are only those a data folder has; nothing else is ever written by a restore. A file
/// of another name, as somebody may once have put it among the keys, is passed over: it must not cost the backup.
pub fn decode_kit(plain: &[u8]) -> Option<(Vec<u8>, Kit)> {
    let mut from = Reader(plain);
    if from.u16()? != BACKUP_VERSION {
        return None;
    }
    let len = usize::try_from(from.u64()?).ok()?;
    let keyring = from.bytes(len)?.to_vec();
    let count = from.u32().filter(|count| *count <= KIT_FILES_MAX)?;
    let mut files = Vec::new();
    for _ in 0..count {
        let len = from.u16()?;
        let name = std::str::from_utf8(from.bytes(len.into())?).ok().filter(|name| is_ours(name));
        let len = from.u32()?;
        let bytes = from.bytes(len as usize)?;
        files.extend(name.map(|name| (name.to_owned(), Zeroizing::new(bytes.to_vec()))));
    }
    from.end()?;
    Some((keyring, Kit(files)))
}

/// Whether a kit takes a file of this name, relative to the data folder.
pub fn is_ours(name: &str) -> bool {
    let officer = name.strip_prefix("keys/officers/").and_then(|name| name.strip_suffix(".key"));
    let plain = |name: &str| !name.is_empty() && name.len() <= 80 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    matches!(name, "accord.toml" | "keys/node.keys") || officer.is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kit(names: &[&str]) -> Kit {
        Kit(names.iter().map(|name| ((*name).to_owned(), Zeroizing::new(name.as_bytes().to_vec()))).collect())
    }

    #[test]
    fn a_kit_takes_only_names_of_a_data_folder_and_passes_over_others_in_one_made_earlier() {
        let good = ["accord.toml", "keys/node.keys", "keys/officers/0a1b.key", "keys/officers/pending-0a1b.key"];
        let whole = encode_kit(b"ring", &kit(&good)).expect("names of a data folder");
        assert_eq!(decode_kit(&whole), Some((b"ring".to_vec(), kit(&good))));
        for bad in ["keys/officers/a b.key", "keys/officers/.key", "keys/officers/../node.key", "keys/root.key", "keys/officers/旧.key", ""]
        {
            assert!(encode_kit(b"ring", &kit(&[good[0], bad])).is_err(), "{bad}");
            // As it was sealed when any name was taken.
            let mut earlier = encode_kit(b"ring", &kit(&good[..1])).expect("written").to_vec();
            earlier[14 + 3] = 2;
            earlier.extend_from_slice(&(bad.len() as u16).to_be_bytes());
            earlier.extend_from_slice(bad.as_bytes());
            earlier.extend_from_slice(&3_u32.to_be_bytes());
            earlier.extend_from_slice(b"old");
            assert_eq!(decode_kit(&earlier), Some((b"ring".to_vec(), kit(&good[..1]))), "{bad}");
        }
    }
}
