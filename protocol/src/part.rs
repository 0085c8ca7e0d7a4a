//! Erasable parts: what stands beside a document's history, so that it can be removed everywhere while history, signatures and proofs stay whole.
//!
//! A **part** is 32 random bytes before its content, named by BLAKE3 over both: the name tells nothing of the content, also to whoever guesses
//! it. A **file** is a manifest part, which holds name, type, size and the names of its pieces, and the pieces, each a part. History holds the
//! name of the manifest in an act ([`crate::act::ActKind::Attached`]) and nothing else.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::act::is_plain;
use crate::id::{Bytes, Digest};
use crate::limits;

/// Random bytes before the content of a part.
pub const SALT_BYTES: usize = 32;
/// A manifest's version.
const VERSION: u8 = 1;

/// The part that holds this content.
pub fn part(salt: &[u8; SALT_BYTES], content: &[u8]) -> Vec<u8> {
    [salt.as_slice(), content].concat()
}

/// What a part is called.
pub fn name(part: &[u8]) -> Digest {
    Digest(*blake3::hash(part).as_bytes())
}

/// The content of a part.
pub fn content(part: &[u8]) -> &[u8] {
    part.get(SALT_BYTES..).unwrap_or_default()
}

/// What a file is, and which parts it is made of.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// 1.
    #[n(0)]
    version: u8,
    /// For people: never a path, see [`safe_name`].
    #[n(1)]
    pub name: String,
    /// Media type as its author states it; nothing is done by it.
    #[n(2)]
    pub media: String,
    /// Bytes of all pieces.
    #[n(3)]
    pub size: u64,
    /// Names of the pieces in order, 32 bytes each; every piece but the last holds [`limits::PIECE_BYTES`].
    #[n(4)]
    pieces: Bytes,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Manifest({} bytes)", self.size)
    }
}

/// Why a part is no manifest.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no manifest: {0}")]
pub struct NoManifest(pub &'static str);

impl Manifest {
    /// A file of these pieces.
    ///
    /// # Errors
    /// [`NoManifest`] naming the bound.
    pub fn new(name: String, media: String, size: u64, pieces: &[Digest]) -> Result<Self, NoManifest> {
        let pieces = Bytes(pieces.iter().flat_map(|piece| piece.0).collect());
        let manifest = Self { version: VERSION, name, media, size, pieces };
        manifest.validate()?;
        Ok(manifest)
    }
    /// Reads the content of a part.
    ///
    /// # Errors
    /// [`NoManifest`]: whoever made it, nothing of the file can be shown.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoManifest> {
        let manifest: Self = accord_keys::canon::decode(bytes).map_err(|_| NoManifest("not canonical"))?;
        manifest.validate()?;
        Ok(manifest)
    }
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        accord_keys::canon::encode(self)
    }
    /// The names of its pieces, in order.
    pub fn pieces(&self) -> Vec<Digest> {
        digests(&self.pieces.0)
    }
    /// Bytes the content of a piece must have.
    pub fn piece_len(&self, at: usize) -> usize {
        piece_len(self.size, at)
    }

    fn validate(&self) -> Result<(), NoManifest> {
        if self.version != VERSION {
            return Err(NoManifest("version"));
        }
        if check_name(&self.name).is_err() {
            return Err(NoManifest("name"));
        }
        if !is_media(&self.media) {
            return Err(NoManifest("media type"));
        }
        let pieces = self.pieces();
        if !self.pieces.0.len().is_multiple_of(32) || pieces.len() > limits::PIECES_MAX {
            return Err(NoManifest("pieces"));
        }
        if self.size.div_ceil(limits::PIECE_BYTES as u64) != pieces.len() as u64 {
            return Err(NoManifest("size"));
        }
        if pieces.iter().collect::<BTreeSet<_>>().len() != pieces.len() {
            return Err(NoManifest("a piece twice"));
        }
        Ok(())
    }
}

/// Bytes the content of piece `at` of a file of `size` bytes has.
pub fn piece_len(size: u64, at: usize) -> usize {
    let before = (at as u64).saturating_mul(limits::PIECE_BYTES as u64);
    usize::try_from(size.saturating_sub(before)).unwrap_or(usize::MAX).min(limits::PIECE_BYTES)
}

/// Digests that stand end to end.
pub fn digests(bytes: &[u8]) -> Vec<Digest> {
    bytes.as_chunks::<32>().0.iter().map(|one| Digest(*one)).collect()
}

/// Whether a name may be shown to people: one plain line, bounded.
///
/// # Errors
/// What is wrong, as a stable word.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        return Err("empty");
    }
    if name.len() > limits::FILE_NAME_BYTES_MAX {
        return Err("too_long");
    }
    // What reorders or hides characters would show another ending than the file has.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    if !is_plain(name) || name.chars().any(hidden) {
        return Err("not_plain");
    }
    Ok(())
}

/// Whether a media type is written like one, or empty.
pub fn is_media(media: &str) -> bool {
    media.len() <= limits::MEDIA_BYTES_MAX
        && media.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'+' | b'-' | b'_'))
}

/// Names that mean a device to Windows, whatever ending they have.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A name under which a file may be put into a folder, of any system: whatever its author called it, the outcome is one ordinary visible name, and
/// `fallback` (which must be one) where nothing is left of it.
pub fn safe_name(shown: &str, fallback: &str) -> String {
    let plain = shown.chars().map(|c| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        c if check_name(c.encode_utf8(&mut [0; 4])).is_err() && c != ' ' => '_',
        c => c,
    });
    let mut name: String = plain.collect();
    // Hidden on Unix; cut off by Windows.
    name = name.trim_start_matches(['.', ' ', '~', '-']).trim_end_matches(['.', ' ']).to_owned();
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        let mut rest = stem.strip_prefix(prefix).unwrap_or_default().chars();
        matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    if RESERVED.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        name.insert(0, '_');
    }
    if name.len() > limits::SAFE_NAME_BYTES_MAX {
        // The ending says what opens it, so it stays.
        let ending = name.rfind('.').map(|at| name[at..].to_owned()).filter(|ending| ending.len() <= 16).unwrap_or_default();
        let mut most = limits::SAFE_NAME_BYTES_MAX - ending.len();
        while !name.is_char_boundary(most) {
            most -= 1;
        }
        name.truncate(most);
        name = format!("{}{ending}", name.trim_end_matches(['.', ' ']));
    }
    if name.is_empty() { fallback.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Digest = Digest([1; 32]);
    const TWO: Digest = Digest([2; 32]);

    fn manifest(size: u64, pieces: &[Digest]) -> Result<Manifest, NoManifest> {
        Manifest::new("照片.jpg".into(), "image/jpeg".into(), size, pieces)
    }

    #[test]
    fn a_manifest_reads_back_and_says_how_long_each_piece_is() {
        let long = limits::PIECE_BYTES as u64 + 5;
        let whole = manifest(long, &[ONE, TWO]).expect("in bounds");
        assert_eq!(Manifest::from_bytes(&whole.to_bytes()), Ok(whole.clone()));
        assert_eq!((whole.piece_len(0), whole.piece_len(1), whole.piece_len(2)), (limits::PIECE_BYTES, 5, 0));
        assert_eq!(whole.pieces(), [ONE, TWO]);
        assert!(manifest(0, &[]).is_ok(), "an empty file has no piece");
    }

    #[test]
    fn a_manifest_out_of_bounds_is_none() {
        let long = limits::PIECE_BYTES as u64 + 5;
        assert_eq!(manifest(long, &[ONE]), Err(NoManifest("size")));
        assert_eq!(manifest(long, &[ONE, ONE]), Err(NoManifest("a piece twice")));
        assert_eq!(manifest(u64::MAX, &[ONE]), Err(NoManifest("size")));
        let named = |name: &str| Manifest::new(name.into(), String::new(), 5, &[ONE]);
        for name in ["", " ", "a\nb", "a\u{0}", "photo\u{202e}gpj.exe", "a\u{200f}b", &"n".repeat(limits::FILE_NAME_BYTES_MAX + 1)] {
            assert_eq!(named(name), Err(NoManifest("name")), "{name:?}");
        }
        assert!(named("../../etc/x").is_ok(), "display text only: it is never a path");
        assert_eq!(Manifest::new("a".into(), "text/html; x".into(), 5, &[ONE]), Err(NoManifest("media type")));
        let most: Vec<Digest> = (0..=limits::PIECES_MAX).map(|n| name(&n.to_be_bytes())).collect();
        assert!(manifest(limits::FILE_BYTES_MAX, &most[1..]).is_ok());
        assert_eq!(manifest(limits::FILE_BYTES_MAX + 1, &most), Err(NoManifest("pieces")));
        let newer = Manifest { version: 2, ..manifest(5, &[ONE]).expect("in bounds") };
        assert_eq!(Manifest::from_bytes(&newer.to_bytes()), Err(NoManifest("version")));
    }

    #[test]
    fn the_name_of_a_part_tells_nothing_of_its_content() {
        let (one, other) = (part(&[1; 32], b"same"), part(&[2; 32], b"same"));
        assert_ne!(name(&one), name(&other));
        assert_eq!((content(&one), content(b"short")), (b"same".as_slice(), b"".as_slice()));
    }
}
