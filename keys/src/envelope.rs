//! A file sealed to some X25519 keys, written and read as a stream: what a bundle lies in.
//!
//! ```text
//! "ACCORDBL" ‖ version u16 ‖ number of keys u16 ‖ file id (16) ‖ for each key: encapsulated key (32) ‖ wrapped file key (48)
//! ‖ chunks: ChaCha20-Poly1305 of at most 65,536 bytes each; nonce = 000000 ‖ counter u64 ‖ last (0 or 1)
//! ```
//! Nothing in the clear says for whom it is: a reader tries each wrapped key. Numbers are big-endian. The file key is wrapped by HPKE
//! ([`crate::hpke`]) with `info` = context ‖ network id and `aad` = the first 28 bytes; the chunks' key is derived from it and the digest of the whole header.
//! So a header of one file and chunks of another, a chunk left out, moved, repeated or cut, and anything behind the last chunk are found. Who
//! sealed it is not told by any of this: a statement inside does.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hpke;
use crate::id::{HpkeKey, NetworkId};
use crate::secret::HpkeSecret;

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"ACCORDBL";
/// The version written and read here.
pub const VERSION: u16 = 1;
/// Plaintext bytes of every chunk but the last.
pub const CHUNK: usize = 64 * 1024;
/// Bytes before the wrapped keys.
pub const HEAD: usize = 28;
/// Keys one file is sealed to, at most. A verdict.
pub const RECIPIENTS_MAX: usize = 256;

const TAG: usize = hpke::TAG_BYTES;
const WRAPPED: usize = hpke::ENCAPSULATED_BYTES + 32 + TAG;
const CONTEXT: &[u8] = b"accord bundle key v1";

/// Why bytes are no file that opens here.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeError {
    /// It begins otherwise, or ends before it began.
    #[error("not a bundle")]
    Foreign,
    /// Made by a newer program.
    #[error("version {0} of bundles is not known here")]
    Newer(u16),
    /// None of its keys is wrapped to ours in this network.
    #[error("sealed to others")]
    NotForUs,
    /// It ends where more should come.
    #[error("cut short in chunk {0}")]
    Truncated(u64),
    /// Not what was written.
    #[error("damaged in chunk {0}")]
    Damaged(u64),
    /// No recipient, too many, or one whose key no secret can be agreed with.
    #[error("cannot be sealed to these keys")]
    Recipients,
}

/// Randomness of one file: each byte of it fresh.
pub struct Dice {
    /// Tells files apart.
    pub file: [u8; 16],
    /// The key of the file.
    pub key: Zeroizing<[u8; 32]>,
    /// One ephemeral key for each recipient.
    pub ephemeral: Vec<Zeroizing<[u8; 32]>>,
}

fn info(network: &NetworkId) -> Vec<u8> {
    [CONTEXT, &network.0].concat()
}

fn cipher(file_key: &[u8], header: &[u8]) -> ChaCha20Poly1305 {
    let material = Zeroizing::new([file_key, blake3::hash(header).as_bytes()].concat());
    let key = Zeroizing::new(blake3::derive_key("accord bundle payload v1", &material));
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn nonce(counter: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::from(nonce)
}

/// Writes one file.
pub struct Sealer {
    cipher: ChaCha20Poly1305,
    counter: u64,
    waiting: Zeroizing<Vec<u8>>,
}

impl Sealer {
    /// Begins a file for these keys; answers its header, which is its first bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::Recipients`].
    pub fn begin(network: &NetworkId, recipients: &[HpkeKey], dice: Dice) -> Result<(Self, Vec<u8>), EnvelopeError> {
        let count = u16::try_from(recipients.len()).map_err(|_| EnvelopeError::Recipients)?;
        if count == 0 || recipients.len() > RECIPIENTS_MAX || dice.ephemeral.len() != recipients.len() {
            return Err(EnvelopeError::Recipients);
        }
        let head = [&MAGIC[..], &VERSION.to_be_bytes(), &count.to_be_bytes(), &dice.file].concat();
        let mut header = head.clone();
        for (recipient, ephemeral) in recipients.iter().zip(&dice.ephemeral) {
            let wrapped = hpke::seal(recipient, &HpkeSecret::from_seed(**ephemeral), &info(network), &head, &dice.key[..]);
            let (encapsulated, wrapped) = wrapped.ok_or(EnvelopeError::Recipients)?;
            header.extend_from_slice(&encapsulated);
            header.extend_from_slice(&wrapped);
        }
        let cipher = cipher(&dice.key[..], &header);
        Ok((Self { cipher, counter: 0, waiting: Zeroizing::new(Vec::with_capacity(CHUNK)) }, header))
    }

    /// Takes the next bytes of the plaintext; answers what goes into the file.
    pub fn take(&mut self, mut plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while !plain.is_empty() {
            // A full chunk is kept until more comes: only then it is not the last.
            if self.waiting.len() == CHUNK {
                self.chunk(false, &mut out);
            }
            let some = plain.len().min(CHUNK - self.waiting.len());
            self.waiting.extend_from_slice(&plain[..some]);
            plain = &plain[some..];
        }
        out
    }

    /// The end of the file.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.chunk(true, &mut out);
        out
    }

    fn chunk(&mut self, last: bool, out: &mut Vec<u8>) {
        let sealed = self.cipher.encrypt(&nonce(self.counter, last), self.waiting.as_slice()).expect("a chunk can be encrypted");
        out.extend_from_slice(&sealed);
        self.counter += 1;
        self.waiting.clear();
    }
}

/// Bytes of the whole header, by its first [`HEAD`] bytes.
///
/// # Errors
/// [`EnvelopeError::Foreign`], [`EnvelopeError::Newer`].
pub fn header_bytes(head: &[u8; HEAD]) -> Result<usize, EnvelopeError> {
    let (magic, rest) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(EnvelopeError::Foreign);
    }
    match u16::from_be_bytes([rest[0], rest[1]]) {
        VERSION => {}
        0 => return Err(EnvelopeError::Foreign),
        newer => return Err(EnvelopeError::Newer(newer)),
    }
    let count = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    if count == 0 || count > RECIPIENTS_MAX { Err(EnvelopeError::Foreign) } else { Ok(HEAD + count * WRAPPED) }
}

/// The file's id, by its first bytes.
pub fn file_id(head: &[u8; HEAD]) -> [u8; 16] {
    head[HEAD - 16..].try_into().expect("sixteen of them")
}

/// Reads one file. Holds at most two chunks of it.
pub struct Opener {
    cipher: ChaCha20Poly1305,
    counter: u64,
    waiting: Vec<u8>,
}

impl Opener {
    /// Begins with the whole header.
    ///
    /// # Errors
    /// [`EnvelopeError::Foreign`], [`EnvelopeError::Newer`], [`EnvelopeError::NotForUs`].
    pub fn begin(network: &NetworkId, secret: &HpkeSecret, header: &[u8]) -> Result<Self, EnvelopeError> {
        let head: &[u8; HEAD] = header.first_chunk().ok_or(EnvelopeError::Foreign)?;
        if header_bytes(head)? != header.len() {
            return Err(EnvelopeError::Foreign);
        }
        let info = info(network);
        let key = header[HEAD..].chunks_exact(WRAPPED).find_map(|wrapped| {
            let (encapsulated, sealed) = wrapped.split_first_chunk()?;
            hpke::open(secret, encapsulated, &info, head, sealed)
        });
        let key = key.ok_or(EnvelopeError::NotForUs)?;
        Ok(Self { cipher: cipher(&key, header), counter: 0, waiting: Vec::new() })
    }

    /// Takes the next bytes of the file; adds to `plain` what they open to.
    ///
    /// # Errors
    /// [`EnvelopeError::Damaged`].
    pub fn take(&mut self, mut sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        while !sealed.is_empty() {
            if self.waiting.len() == CHUNK + TAG {
                self.chunk(false, plain)?;
            }
            let some = sealed.len().min(CHUNK + TAG - self.waiting.len());
            self.waiting.extend_from_slice(&sealed[..some]);
            sealed = &sealed[some..];
        }
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`EnvelopeError::Truncated`], [`EnvelopeError::Damaged`].
    pub fn finish(mut self, plain: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        let (at, length) = (self.counter, self.waiting.len());
        // Only a file of nothing ends in an empty chunk: else there would be two ways to write one plaintext.
        if length < TAG || (length == TAG && at > 0) {
            return Err(EnvelopeError::Truncated(at));
        }
        if self.chunk(true, plain).is_ok() {
            return Ok(());
        }
        // Whole, and yet not the last: the file was cut between two chunks.
        let whole = length == CHUNK + TAG && self.cipher.decrypt(&nonce(at, false), self.waiting.as_slice()).is_ok();
        Err(if whole { EnvelopeError::Truncated(at + 1) } else { EnvelopeError::Damaged(at) })
    }

    fn chunk(&mut self, last: bool, plain: &mut Vec<u8>) -> Result<(), EnvelopeError> {
        let opened = self.cipher.decrypt(&nonce(self.counter, last), self.waiting.as_slice());
        let opened = Zeroizing::new(opened.map_err(|_| EnvelopeError::Damaged(self.counter))?);
        plain.extend_from_slice(&opened);
        self.counter += 1;
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> NetworkId {
        NetworkId::named("test")
    }

    fn dice(n: u8, recipients: usize) -> Dice {
        let ephemeral = (0..recipients).map(|at| Zeroizing::new([n + 1 + u8::try_from(at).expect("few"); 32])).collect();
        Dice { file: [n; 16], key: Zeroizing::new([n; 32]), ephemeral }
    }

    fn sealed(n: u8, recipients: &[HpkeKey], plain: &[u8], piece: usize) -> (usize, Vec<u8>) {
        let (mut sealer, mut file) = Sealer::begin(&network(), recipients, dice(n, recipients.len())).expect("seals");
        let header = file.len();
        for piece in plain.chunks(piece) {
            file.extend(sealer.take(piece));
        }
        file.extend(sealer.finish());
        (header, file)
    }

    fn opened(secret: &HpkeSecret, file: &[u8], piece: usize) -> Result<Vec<u8>, EnvelopeError> {
        let head: &[u8; HEAD] = file.first_chunk().ok_or(EnvelopeError::Foreign)?;
        let (header, body) = file.split_at_checked(header_bytes(head)?).ok_or(EnvelopeError::Foreign)?;
        let mut opener = Opener::begin(&network(), secret, header)?;
        let mut plain = Vec::new();
        for piece in body.chunks(piece) {
            opener.take(piece, &mut plain)?;
        }
        opener.finish(&mut plain).map(|()| plain)
    }

    fn secret(n: u8) -> HpkeSecret {
        HpkeSecret::from_seed([n; 32])
    }

    /// Three chunks, the last of them short.
    fn three() -> Vec<u8> {
        (0..2 * CHUNK + 77).map(|at| u8::try_from(at % 251).expect("small")).collect()
    }

    #[test]
    fn every_recipient_opens_it_in_whatever_pieces_it_comes_and_nobody_else() {
        let (one, two, other) = (secret(1), secret(2), secret(3));
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 77] {
            let plain = &three()[..length];
            let (_, file) = sealed(9, &[one.public(), two.public()], plain, 1_000);
            assert_eq!(sealed(9, &[one.public(), two.public()], plain, 100_000).1, file, "however it was written");
            for secret in [&one, &two] {
                assert_eq!(opened(secret, &file, 777).as_deref(), Ok(plain), "{length} bytes");
            }
            assert_eq!(opened(&other, &file, 777), Err(EnvelopeError::NotForUs));
        }
    }

    #[test]
    fn a_cut_at_any_chunk_and_beside_it_is_found() {
        let one = secret(1);
        let (header, file) = sealed(9, &[one.public()], &three(), 5_000);
        let chunk = CHUNK + TAG;
        for cut in [header, header + 1, header + chunk, header + chunk + 1, header + 2 * chunk, header + 2 * chunk + 5, file.len() - 1] {
            let found = opened(&one, &file[..cut], 4_096).expect_err("cut");
            assert!(matches!(found, EnvelopeError::Truncated(_) | EnvelopeError::Damaged(_)), "at {cut}: {found}");
        }
        for (cut, at) in [(header, 0), (header + chunk, 1), (header + 2 * chunk, 2)] {
            assert_eq!(opened(&one, &file[..cut], 4_096), Err(EnvelopeError::Truncated(at)), "between chunks it is known to be a cut");
        }
        for short in [0, 7, HEAD - 1, HEAD, header - 1] {
            assert_eq!(opened(&one, &file[..short], 4_096), Err(EnvelopeError::Foreign));
        }
    }

    #[test]
    fn moved_repeated_spliced_and_altered_chunks_are_found() {
        let one = secret(1);
        let (header, file) = sealed(9, &[one.public()], &three(), 5_000);
        let (_, other) = sealed(40, &[one.public()], &three(), 5_000);
        let chunk = CHUNK + TAG;
        let part = |of: &[u8], n: usize| of[header + n * chunk..of.len().min(header + (n + 1) * chunk)].to_vec();
        let put = |parts: &[Vec<u8>]| [vec![file[..header].to_vec()], parts.to_vec()].concat().concat();
        assert_eq!(opened(&one, &put(&[part(&file, 0), part(&file, 1), part(&file, 2)]), 999), Ok(three()));
        let refused = [
            put(&[part(&file, 1), part(&file, 0), part(&file, 2)]),
            put(&[part(&file, 0), part(&file, 2)]),
            put(&[part(&file, 0), part(&file, 1), part(&file, 1), part(&file, 2)]),
            put(&[part(&file, 0), part(&other, 1), part(&file, 2)]),
            put(&[part(&other, 0), part(&other, 1), part(&other, 2)]),
            put(&[part(&file, 0), part(&file, 1), part(&file, 2), vec![0]]),
            put(&[part(&file, 0), part(&file, 1), part(&file, 2), part(&file, 2)]),
        ];
        for (case, file) in refused.iter().enumerate() {
            assert!(matches!(opened(&one, file, 999), Err(EnvelopeError::Damaged(_))), "case {case}");
        }
        for at in [8, 9, 10, 11, 12, 27, 28, 60, 107, header, header + 70_000, file.len() - 1] {
            let mut flipped = file.clone();
            flipped[at] ^= 4;
            assert!(opened(&one, &flipped, 999).is_err(), "bit in byte {at}");
        }
    }

    #[test]
    fn what_is_no_bundle_or_a_newer_one_is_told_apart() {
        let one = secret(1);
        let (_, mut file) = sealed(9, &[one.public()], b"x", 10);
        assert_eq!(opened(&one, &[0; 4_096], 99), Err(EnvelopeError::Foreign));
        file[8..10].copy_from_slice(&2_u16.to_be_bytes());
        assert_eq!(opened(&one, &file, 99), Err(EnvelopeError::Newer(2)));
        let other = NetworkId::named("other");
        let (_, file) = sealed(9, &[one.public()], b"x", 10);
        assert_eq!(Opener::begin(&other, &one, &file[..HEAD + WRAPPED]).err(), Some(EnvelopeError::NotForUs), "another network");
        assert!(Sealer::begin(&network(), &[], dice(9, 0)).is_err() && Sealer::begin(&network(), &[HpkeKey([0; 32])], dice(9, 1)).is_err());
    }
}
