//! Key files: secrets on disk, under a passphrase or under the paper recovery key.
//!
//! ```text
//! "ACCORDKF" (8) ‖ version 1 (1) ‖ method (1) ‖ memory KiB (4) ‖ passes (4) ‖ lanes (1) ‖ salt (16) ‖ nonce (24) ‖ length (4)     63 bytes
//! ciphertext and tag (length bytes) ‖ checksum: BLAKE3-256 of everything before (32)
//! ```
//! Numbers are big-endian. Method 1: the key is Argon2id v1.3 (RFC 9106) of passphrase and salt, 32 bytes. Method 2: the key is BLAKE3 in
//! derive-key mode, context `accord key wrap v1`, over the 32-byte wrapping key ‖ salt, and memory, passes and lanes are zero. Cipher:
//! XChaCha20-Poly1305, additional data = the 63 header bytes. The checksum tells a damaged file from a wrong passphrase; it protects nothing.
//!
//! Salt and nonce are arguments and must be fresh random bytes for every file written. Bounds: [`SECRET_BYTES_MAX`], [`KdfParams`].

use crate::digits::{group_value, read_digits};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// First bytes of every key file.
const MAGIC: &[u8; 8] = b"ACCORDKF";
const VERSION: u8 = 1;
const BY_PASSPHRASE: u8 = 1;
const BY_KEY: u8 = 2;
const HEADER_BYTES: usize = 63;
const TAG_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 32;

/// What a passphrase costs to try. Bounded before use, so that a made-up file cannot ask for all memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB, 8 to 524,288 (512 MiB); default 65,536 (64 MiB).
    pub memory_kib: u32,
    /// Passes over it, 1 to 16; default 3.
    pub passes: u32,
    /// Lanes, 1 to 4; default 1.
    pub lanes: u8,
}

impl KdfParams {
    /// The cheapest there is: for tests, never for keys that matter.
    pub const WEAKEST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    fn check(&self) -> Result<(), KeyFileError> {
        let lanes_fit = (1..=4).contains(&self.lanes) && self.memory_kib >= 8 * u32::from(self.lanes);
        if lanes_fit && (8..=524_288).contains(&self.memory_kib) && (1..=16).contains(&self.passes) {
            Ok(())
        } else {
            Err(KeyFileError::Params { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes })
        }
    }
}

impl Default for KdfParams {
    /// The second recommendation of RFC 9106 §4 (64 MiB, 3 passes), with one lane: it is computed on one core.
    fn default() -> Self {
        Self { memory_kib: 65_536, passes: 3, lanes: 1 }
    }
}

/// Why a key file was not written or opened.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum KeyFileError {
    /// It does not begin like one.
    #[error("not a key file")]
    NotAKeyFile,
    /// Written by a newer version.
    #[error("key file of version {0}, this version reads 1")]
    Version(u8),
    /// Cut short or changed: use a copy.
    #[error("the key file is damaged")]
    Damaged,
    /// The file is whole; the passphrase does not open it.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The file is whole; the wrapping key does not open it.
    #[error("wrong recovery key")]
    WrongKey,
    /// It is opened by a passphrase where a key was given, or the other way round.
    #[error("the key file is sealed by {0}")]
    OtherMethod(&'static str),
    /// Cost out of bounds.
    #[error("passphrase cost of {memory_kib} KiB, {passes} passes, {lanes} lanes is out of bounds")]
    Params {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u8,
    },
    /// Over [`SECRET_BYTES_MAX`].
    #[error("secret of {0} bytes, at most 65536")]
    TooLong(usize),
    /// The machine could not compute the passphrase key, for want of memory.
    #[error("the passphrase key cannot be computed: {0}")]
    Kdf(String),
}

/// Seals `plaintext` under a passphrase, as the bytes of a key file.
///
/// # Errors
/// [`KeyFileError::Params`], [`KeyFileError::TooLong`] or [`KeyFileError::Kdf`].
pub fn seal_secret(
    plaintext: &[u8],
    passphrase: &str,
    salt: &[u8; 16],
    nonce: &[u8; 24],
    params: &KdfParams,
) -> Result<Vec<u8>, KeyFileError> {
    let key = passphrase_key(passphrase, salt, params)?;
    seal(plaintext, &key, &Header { method: BY_PASSPHRASE, params: *params, salt: *salt, nonce: *nonce })
}

/// Opens a key file with its passphrase.
///
/// # Errors
/// [`KeyFileError`]; a damaged file is told apart from a wrong passphrase.
pub fn open_secret(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (header, ciphertext) = Header::read(bytes)?;
    if header.method != BY_PASSPHRASE {
        return Err(KeyFileError::OtherMethod("a recovery key"));
    }
    let key = passphrase_key(passphrase, &header.salt, &header.params)?;
    open(&header, ciphertext, &key).ok_or(KeyFileError::WrongPassphrase)
}

/// Seals `plaintext` under a 32-byte key, for instance a [`RecoveryKey`]'s.
///
/// # Errors
/// [`KeyFileError::TooLong`].
pub fn wrap_secret(plaintext: &[u8], key: &[u8; 32], salt: &[u8; 16], nonce: &[u8; 24]) -> Result<Vec<u8>, KeyFileError> {
    let params = KdfParams { memory_kib: 0, passes: 0, lanes: 0 };
    seal(plaintext, &wrapping_key(key, salt), &Header { method: BY_KEY, params, salt: *salt, nonce: *nonce })
}

/// Opens a key file with the 32-byte key it is wrapped under.
///
/// # Errors
/// [`KeyFileError`]; a damaged file is told apart from a wrong key.
pub fn unwrap_secret(bytes: &[u8], key: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (header, ciphertext) = Header::read(bytes)?;
    if header.method != BY_KEY {
        return Err(KeyFileError::OtherMethod("a passphrase"));
    }
    open(&header, ciphertext, &wrapping_key(key, &header.salt)).ok_or(KeyFileError::WrongKey)
}

/// Groups of a printed recovery key: sixteen for the key and one to check them.
const RECOVERY_GROUPS: usize = 17;

/// The paper recovery key: 32 random bytes, printed as seventeen groups of five digits.
///
/// Groups 1 to 16 are the key's 16-bit big-endian words (so none exceeds 65535); group 17 is the first eight bytes of BLAKE3-256 of the
/// key, big-endian, modulo 100,000.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryKey([u8; 32]);

/// Why typed groups are not a recovery key.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum RecoveryKeyError {
    /// Letters or signs among the digits.
    #[error("a recovery key has digits only")]
    NotDigits,
    /// Too few or too many digits.
    #[error("a recovery key has 85 digits, found {0}")]
    Length(usize),
    /// A group no recovery key has.
    #[error("group {0} cannot be right")]
    Group(usize),
    /// The check group does not match the others.
    #[error("the last group does not match the others: one of them is wrong")]
    Check,
}

impl RecoveryKey {
    /// The key of 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key for [`wrap_secret`] and [`unwrap_secret`].
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The groups to print.
    pub fn to_groups(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(RECOVERY_GROUPS * 6));
        for pair in self.0.chunks_exact(2) {
            text.push_str(&format!("{:05} ", u16::from_be_bytes([pair[0], pair[1]])));
        }
        text.push_str(&format!("{:05}", self.check_group()));
        text
    }

    /// Reads typed groups; spacing and digit width do not matter.
    ///
    /// # Errors
    /// [`RecoveryKeyError`] naming the group where that is known.
    pub fn from_groups(text: &str) -> Result<Self, RecoveryKeyError> {
        let digits = Zeroizing::new(read_digits(text).ok_or(RecoveryKeyError::NotDigits)?);
        if digits.len() != RECOVERY_GROUPS * 5 {
            return Err(RecoveryKeyError::Length(digits.len()));
        }
        let mut key = Self([0; 32]);
        for (place, (word, group)) in key.0.chunks_exact_mut(2).zip(digits.chunks(5)).enumerate() {
            let value = u16::try_from(group_value(group)).map_err(|_| RecoveryKeyError::Group(place + 1))?;
            word.copy_from_slice(&value.to_be_bytes());
        }
        if group_value(&digits[(RECOVERY_GROUPS - 1) * 5..]) == key.check_group() { Ok(key) } else { Err(RecoveryKeyError::Check) }
    }

    fn check_group(&self) -> u32 {
        let hash = blake3::hash(&self.0);
        let number = hash.as_bytes()[..8].iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        u32::try_from(number % 100_000).expect("less than 100,000")
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

/// Everything before the ciphertext but its length.
struct Header {
    method: u8,
    params: KdfParams,
    salt: [u8; 16],
    nonce: [u8; 24],
}

impl Header {
    fn write(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + length as usize + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, self.method]);
        bytes.extend_from_slice(&self.params.memory_kib.to_be_bytes());
        bytes.extend_from_slice(&self.params.passes.to_be_bytes());
        bytes.push(self.params.lanes);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Checks magic, version, length, checksum and cost, in this order; gives the header and the ciphertext.
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), KeyFileError> {
        if !bytes.starts_with(MAGIC) {
            return Err(KeyFileError::NotAKeyFile);
        }
        if let Some(version) = bytes.get(MAGIC.len()).filter(|version| **version != VERSION) {
            return Err(KeyFileError::Version(*version));
        }
        if bytes.len() > HEADER_BYTES + SECRET_BYTES_MAX + TAG_BYTES + CHECKSUM_BYTES {
            return Err(KeyFileError::TooLong(bytes.len()));
        }
        let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(KeyFileError::Damaged)?;
        let (head, ciphertext) = covered.split_at_checked(HEADER_BYTES).ok_or(KeyFileError::Damaged)?;
        if blake3::hash(covered).as_bytes() != checksum {
            return Err(KeyFileError::Damaged);
        }
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header = Self {
            method: head[9],
            params: KdfParams { memory_kib: number(10), passes: number(14), lanes: head[18] },
            salt: head[19..35].try_into().map_err(|_| KeyFileError::Damaged)?,
            nonce: head[35..59].try_into().map_err(|_| KeyFileError::Damaged)?,
        };
        if number(59) as usize != ciphertext.len() || ciphertext.len() < TAG_BYTES {
            return Err(KeyFileError::Damaged);
        }
        match header.method {
            BY_PASSPHRASE => header.params.check()?,
            BY_KEY => {}
            _ => return Err(KeyFileError::OtherMethod("a method this version does not know")),
        }
        Ok((header, ciphertext))
    }
}

fn seal(plaintext: &[u8], key: &Zeroizing<[u8; 32]>, header: &Header) -> Result<Vec<u8>, KeyFileError> {
    if plaintext.len() > SECRET_BYTES_MAX {
        return Err(KeyFileError::TooLong(plaintext.len()));
    }
    let length = u32::try_from(plaintext.len() + TAG_BYTES).expect("bounded just above");
    let mut bytes = header.write(length);
    let ciphertext = XChaCha20Poly1305::new((&**key).into())
        .encrypt(&XNonce::from(header.nonce), Payload { msg: plaintext, aad: &bytes })
        .expect("64 KiB are far below the cipher's limit");
    bytes.extend_from_slice(&ciphertext);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    Ok(bytes)
}

fn open(header: &Header, ciphertext: &[u8], key: &Zeroizing<[u8; 32]>) -> Option<Zeroizing<Vec<u8>>> {
    let aad = header.write(u32::try_from(ciphertext.len()).ok()?);
    let cipher = XChaCha20Poly1305::new((&**key).into());
    cipher.decrypt(&XNonce::from(header.nonce), Payload { msg: ciphertext, aad: &aad }).ok().map(Zeroizing::new)
}

fn passphrase_key(passphrase: &str, salt: &[u8; 16], params: &KdfParams) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    params.check()?;
    let fault = |error: argon2::Error| KeyFileError::Kdf(error.to_string());
    let cost = argon2::Params::new(params.memory_kib, params.passes, u32::from(params.lanes), Some(32)).map_err(fault)?;
    let mut key = Zeroizing::new([0u8; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cost)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(fault)?;
    Ok(key)
}

fn wrapping_key(key: &[u8; 32], salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key("accord key wrap v1");
    hasher.update(key).update(salt);
    Zeroizing::new(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [5; 16];
    const NONCE: [u8; 24] = [6; 24];

    fn file() -> Vec<u8> {
        seal_secret(b"seed", "correct horse", &SALT, &NONCE, &KdfParams::WEAKEST).expect("seals")
    }

    /// Changes the file and makes its checksum right again.
    fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = file();
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        change(&mut bytes);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    fn check(bytes: &[u8], expect: &KeyFileError) {
        assert_eq!(open_secret(bytes, "correct horse").as_ref().err(), Some(expect));
    }

    #[test]
    fn a_secret_opens_with_its_passphrase_only() {
        assert_eq!(open_secret(&file(), "correct horse").expect("opens").as_slice(), b"seed");
        assert_eq!(open_secret(&file(), "correct hors"), Err(KeyFileError::WrongPassphrase));
        assert_eq!(unwrap_secret(&file(), &[1; 32]), Err(KeyFileError::OtherMethod("a passphrase")));
        assert!(!file().windows(4).any(|bytes| bytes == b"seed"));
    }

    #[test]
    fn a_damaged_file_is_told_apart_from_a_wrong_passphrase() {
        for place in 0..file().len() {
            let mut bytes = file();
            bytes[place] ^= 1;
            let error = open_secret(&bytes, "correct horse").expect_err("a changed file");
            assert!(matches!(error, KeyFileError::NotAKeyFile | KeyFileError::Version(_) | KeyFileError::Damaged), "byte {place}: {error}");
            let cut = open_secret(&file()[..place], "correct horse").expect_err("a cut file");
            assert!(matches!(cut, KeyFileError::NotAKeyFile | KeyFileError::Damaged), "cut at {place}: {cut}");
        }
        check(b"something else", &KeyFileError::NotAKeyFile);
    }

    #[test]
    fn forged_headers_open_nothing_and_ask_for_nothing() {
        check(&forged(|bytes| bytes[8] = 2), &KeyFileError::Version(2));
        check(&forged(|bytes| bytes[9] = 3), &KeyFileError::OtherMethod("a method this version does not know"));
        check(&forged(|bytes| bytes[10] = 0xff), &KeyFileError::Params { memory_kib: 0xff00_0008, passes: 1, lanes: 1 });
        check(&forged(|bytes| bytes[17] = 17), &KeyFileError::Params { memory_kib: 8, passes: 17, lanes: 1 });
        check(&forged(|bytes| bytes[18] = 0), &KeyFileError::Params { memory_kib: 8, passes: 1, lanes: 0 });
        check(&forged(|bytes| bytes[13] = 9), &KeyFileError::WrongPassphrase);
        check(&forged(|bytes| bytes[62] = 9), &KeyFileError::Damaged);
        check(&forged(|bytes| bytes[63] ^= 1), &KeyFileError::WrongPassphrase);
        assert!(seal_secret(&[0; SECRET_BYTES_MAX + 1], "x", &SALT, &NONCE, &KdfParams::WEAKEST).is_err());
        assert_eq!(KdfParams::default().check(), Ok(()));
    }

    #[test]
    fn the_paper_key_opens_what_it_wraps() {
        let paper = RecoveryKey::from_bytes([0x5a; 32]);
        let wrapped = wrap_secret(b"store key", paper.expose(), &SALT, &NONCE).expect("wraps");
        let typed = RecoveryKey::from_groups(&paper.to_groups()).expect("reads");
        assert_eq!(unwrap_secret(&wrapped, typed.expose()).expect("opens").as_slice(), b"store key");
        assert_eq!(unwrap_secret(&wrapped, &[1; 32]), Err(KeyFileError::WrongKey));
        assert_eq!(open_secret(&wrapped, "x"), Err(KeyFileError::OtherMethod("a recovery key")));
    }

    #[test]
    fn a_mistyped_paper_key_is_noticed() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8 * 8);
        let groups = RecoveryKey::from_bytes(bytes).to_groups();
        assert_eq!(groups.split(' ').count(), 17);
        assert_eq!(RecoveryKey::from_groups(&groups.replace(' ', "－")).expect("reads").expose(), &bytes);
        assert_eq!(RecoveryKey::from_groups("12"), Err(RecoveryKeyError::Length(2)));
        assert_eq!(RecoveryKey::from_groups("none"), Err(RecoveryKeyError::NotDigits));
        assert_eq!(RecoveryKey::from_groups(&groups.replacen("00008", "99999", 1)), Err(RecoveryKeyError::Group(1)));
        let mut all: Vec<&str> = groups.split(' ').collect();
        all.swap(2, 3);
        assert_eq!(RecoveryKey::from_groups(&all.join(" ")), Err(RecoveryKeyError::Check), "two groups swapped");
    }
}
