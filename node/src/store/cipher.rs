//! Encryption at rest: XChaCha20-Poly1305 under subkeys of the store key, fresh random nonces, and randomness to draw them from.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::StoreError;

/// Bytes of a nonce, drawn at random for every sealing.
pub const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub const TAG: usize = 16;
/// Bytes of the salt that keeps digests of short records from being guessed.
pub const SALT: usize = 16;

/// The key of a whole store. Kept outside the store folder, sealed by passphrase, TPM or paper.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// The key with these bytes, which must be uniformly random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new random key.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the system has no randomness.
    pub fn generate() -> Result<Self, StoreError> {
        Ok(Self(Random::default().take()?))
    }

    /// The bytes, for sealing them in a key file.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// A key for one purpose.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Subkey([u8; 32]);

impl Subkey {
    /// The subkey of `parent` for one purpose in one store.
    pub fn derive(purpose: &str, parent: &[u8; 32], store: &[u8; 16]) -> Self {
        let mut material = Zeroizing::new([0; 48]);
        material[..32].copy_from_slice(parent);
        material[32..].copy_from_slice(store);
        Self(blake3::derive_key(purpose, &*material))
    }

    /// A key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for wrapping this key under another.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Appends `nonce ‖ ciphertext ‖ tag` of `plain` to `out`.
    pub fn seal(&self, nonce: [u8; NONCE], bound: &[u8], plain: &[&[u8]], out: &mut Vec<u8>) {
        out.extend_from_slice(&nonce);
        let start = out.len();
        plain.iter().for_each(|part| out.extend_from_slice(part));
        let tag = XChaCha20Poly1305::new(&self.0.into())
            .encrypt_inout_detached(&nonce.into(), bound, (&mut out[start..]).into())
            .expect("every bound of the store lies far below the cipher's 256 GiB");
        out.extend_from_slice(&tag);
    }

    /// Opens what [`Subkey::seal`] wrote; `None` when a byte of it, of `bound` or of the key differs.
    pub fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (cipher, tag) = rest.split_last_chunk::<TAG>()?;
        let mut plain = Zeroizing::new(cipher.to_vec());
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt_inout_detached(&(*nonce).into(), bound, plain.as_mut_slice().into(), &(*tag).into())
            .ok()?;
        Some(plain)
    }

    /// A keyed hash, for names that must tell nothing.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        *hasher.finalize().as_bytes()
    }
}

/// Randomness of the operating system, drawn in blocks so that a batch costs one call.
#[derive(Default)]
pub struct Random {
    pool: Zeroizing<Vec<u8>>,
}

impl Random {
    /// `N` fresh random bytes, never handed out again.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the system has no randomness.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        if self.pool.len() < N {
            self.pool.resize(N.max(4096), 0);
            getrandom::fill(&mut self.pool).map_err(|error| StoreError::Io {
                action: "drawing randomness for",
                file: "store".to_owned(),
                source: std::io::Error::other(error.to_string()),
            })?;
        }
        let rest = self.pool.len() - N;
        let taken = <[u8; N]>::try_from(&self.pool[rest..]).expect("N bytes were split off");
        self.pool[rest..].zeroize();
        self.pool.truncate(rest);
        Ok(taken)
    }
}
