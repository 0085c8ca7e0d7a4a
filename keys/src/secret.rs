//! Secret keys, and the one way a signature is made and checked.
//!
//! Ed25519 (RFC 8032) only, and only [`verify_strict`]: libraries disagree about crafted keys and signatures, and two honest nodes that
//! disagree about one signature would disagree about a document for ever. The rule is normative and has vectors
//! (`vectors/ed25519-edge.json`). Secrets are zeroized when dropped and print nothing.

use crate::id::{HpkeKey, PublicKey};
use ed25519_dalek::Verifier;
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// An Ed25519 signature: R ‖ S (RFC 8032 §5.1.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Reads exactly 64 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 64]>::try_from(bytes).ok().map(Self)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}{:02x}{:02x})", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// Why a signer did not sign.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SignError {
    /// The token or card that holds the key is absent or locked.
    #[error("the key {0:?} is not available: {1}")]
    Unavailable(PublicKey, String),
}

/// Something that signs with one key: a key in memory, a token, a card.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs `message` with plain Ed25519 (RFC 8032 §5.1, no context, no prehash).
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;
}

/// An Ed25519 secret key in memory. Zeroized when dropped; prints only its public half.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032 §5.1.5). The seed must come from a good source of randomness; this crate has none.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let key = Self(ed25519_dalek::SigningKey::from_bytes(&seed));
        seed.zeroize();
        key
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The seed, for a key file only.
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl Signer for SecretKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        use ed25519_dalek::Signer as _;
        Ok(Signature(self.0.sign(message).to_bytes()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

/// An X25519 secret key (RFC 7748) bundles are opened with. Zeroized when dropped.
pub struct HpkeSecret(x25519_dalek::StaticSecret);

impl HpkeSecret {
    /// The key of 32 random bytes (clamped at use).
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let key = Self(x25519_dalek::StaticSecret::from(seed));
        seed.zeroize();
        key
    }

    /// The public half.
    pub fn public(&self) -> HpkeKey {
        HpkeKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }

    /// The shared secret with `other`; `None` when `other` has small order, so that the result would be known to everyone.
    pub fn agree(&self, other: &HpkeKey) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(other.0));
        shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
    }

    /// The seed, for a key file only.
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl fmt::Debug for HpkeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HpkeSecret(of {:?})", self.public())
    }
}

/// Checks a signature: the only verification in accord, except the key exchange of libp2p.
///
/// True iff `key` is the canonical encoding (y < p) of a point that is not of small order, S < ℓ, R decodes to a point that is not of small
/// order, and the bytes of R equal the canonical encoding of \[S\]B − \[k\]A (no cofactor). Never batched.
pub fn verify_strict(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    #[cfg(feature = "memo")]
    return crate::memo::verdict(&[b"signature", &key.0, &signature.0, message], || verify_now(key, message, signature));
    #[cfg(not(feature = "memo"))]
    verify_now(key, message, signature)
}

/// What the library's `verify_strict` decides, in two thirds of its time: it takes R out of its bytes, which costs as much as the equation, to see
/// that it is a point and not of small order. Where the equation holds, R is the canonical encoding of a point, so its bytes tell.
fn verify_now(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    thread_local! {
        /// Taking a key out of its bytes costs a sixth of a check.
        static READ: Lately<ed25519_dalek::VerifyingKey> = const { Lately::new() };
    }
    if has_small_order(&signature.0) {
        return false;
    }
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    let known = READ.with(|read| read.get(&key.0));
    let Some(read) = known.or_else(|| read_key(&key.0).filter(|key| !key.is_weak())) else { return false };
    #[expect(
        clippy::disallowed_methods,
        reason = "with both checks for small order made above it decides what the strict one does, and refuses an S out of range"
    )]
    let holds = read.verify(message, &signature).is_ok();
    // Only a key that signed something makes others be forgotten.
    if holds && known.is_none() {
        READ.with(|lately| lately.keep(key.0, read));
    }
    holds
}

/// The five y of the eight points whose order divides 8, as they are encoded with a sign bit of 0: 0, 1, -1 and two of order 8.
const SMALL_ORDER_Y: [[u8; 32]; 5] = {
    let mut all = [[0; 32]; 5];
    all[1][0] = 1;
    all[2] = [0xff; 32];
    (all[2][0], all[2][31]) = (0xec, 0x7f);
    all[3] = *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
    all[4] = *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05";
    all
};

/// Whether R, the first half of a signature, canonically encodes a point of small order, with either sign.
fn has_small_order(signature: &[u8; 64]) -> bool {
    let &r = signature.first_chunk::<32>().expect("half of it");
    let y = |at: usize| if at == 31 { r[31] & 0x7f } else { r[at] };
    SMALL_ORDER_Y.iter().any(|small| small.iter().enumerate().all(|(at, byte)| *byte == y(at)))
}

/// The point of a key, in its one encoding.
fn read_key(bytes: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    y_is_canonical(bytes).then(|| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()).flatten()
}

/// What was worked out for the keys that came last, on one thread: so many, so that nobody's bytes can make it grow.
struct Lately<T>(std::cell::RefCell<std::collections::VecDeque<([u8; 32], T)>>);

impl<T: Copy> Lately<T> {
    const KEPT: usize = 128;

    const fn new() -> Self {
        Self(std::cell::RefCell::new(std::collections::VecDeque::new()))
    }

    fn get(&self, key: &[u8; 32]) -> Option<T> {
        self.0.borrow().iter().find(|(other, _)| other == key).map(|(_, known)| *known)
    }

    fn keep(&self, key: [u8; 32], known: T) {
        let mut all = self.0.borrow_mut();
        all.truncate(Self::KEPT - 1);
        all.push_front((key, known));
    }
}

impl PublicKey {
    /// True iff statements may name and use this key: the canonical encoding of a point of prime order.
    ///
    /// Stricter than [`verify_strict`], which lets some signatures of *mixed-order* keys pass; every honest key is of prime order. Checked
    /// once, when a key enters through a root statement, a certificate or a seal.
    pub fn is_usable(&self) -> bool {
        point_is_usable(&self.0)
    }
}

/// Whether `bytes` are the canonical encoding of an Edwards point of prime order.
pub(crate) fn point_is_usable(bytes: &[u8; 32]) -> bool {
    #[cfg(feature = "memo")]
    return crate::memo::verdict(&[b"point", bytes], || is_usable_now(bytes));
    #[cfg(not(feature = "memo"))]
    is_proven_lately(bytes)
}

/// [`is_usable_now`], not worked out again for the keys that seals came with last: a registrar's key stands on every record, and the proof
/// costs as much as a signature. Only keys that passed are kept.
#[cfg(not(feature = "memo"))]
fn is_proven_lately(bytes: &[u8; 32]) -> bool {
    thread_local! {
        static PROVEN: Lately<()> = const { Lately::new() };
    }
    let known = PROVEN.with(|proven| proven.get(bytes)).is_some();
    let usable = known || is_usable_now(bytes);
    if usable && !known {
        PROVEN.with(|proven| proven.keep(*bytes, ()));
    }
    usable
}

fn is_usable_now(bytes: &[u8; 32]) -> bool {
    read_key(bytes).is_some_and(|key| !key.is_weak() && key.to_edwards().is_torsion_free())
}

/// Whether an X25519 key is of large order: with a small-order key the shared secret is zero for everyone.
pub(crate) fn hpke_is_usable(key: &HpkeKey) -> bool {
    #[cfg(feature = "memo")]
    return crate::memo::verdict(&[b"hpke", &key.0], || hpke_is_usable_now(key));
    #[cfg(not(feature = "memo"))]
    hpke_is_usable_now(key)
}

fn hpke_is_usable_now(key: &HpkeKey) -> bool {
    x25519_dalek::x25519([0x40; 32], key.0) != [0u8; 32]
}

/// y < p = 2^255 − 19, the sign bit left aside. (The two points with x = 0 have small order, so their sign bit needs no rule.)
///
/// Only y = 0 to 18 have a second encoding, and none of those points has prime order, so honest keys never meet this rule and no vector can
/// hold a signature that it alone refuses. It keeps [`verify_strict`] equal to libraries that refuse such keys while decoding.
fn y_is_canonical(bytes: &[u8; 32]) -> bool {
    let high = bytes[31] & 0x7f;
    high != 0x7f || bytes[1..31].iter().any(|byte| *byte != 0xff) || bytes[0] < 0xed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_and_key_only() {
        let key = SecretKey::from_seed([1; 32]);
        let other = SecretKey::from_seed([2; 32]);
        let signature = key.sign(b"one").expect("a key in memory signs");
        assert!(verify_strict(&key.public(), b"one", &signature));
        assert!(!verify_strict(&key.public(), b"two", &signature));
        assert!(!verify_strict(&other.public(), b"one", &signature));
    }

    #[test]
    fn a_key_that_was_read_before_decides_as_it_did() {
        // More keys than are remembered, in turn and again, with signatures of theirs, of others and of nobody between them.
        let keys: Vec<SecretKey> = (1..=150).map(|seed| SecretKey::from_seed([seed; 32])).collect();
        for round in 0..3 {
            for (at, key) in keys.iter().enumerate() {
                let signature = key.sign(b"one").expect("a key in memory signs");
                let other = &keys[(at + 1) % keys.len()];
                assert!(verify_strict(&key.public(), b"one", &signature), "{round} {at}");
                assert!(!verify_strict(&key.public(), b"two", &signature), "{round} {at}");
                assert!(!verify_strict(&other.public(), b"one", &signature), "{round} {at}");
                let mut bent = signature;
                bent.0[at % 64] ^= 1;
                assert!(!verify_strict(&key.public(), b"one", &bent), "{round} {at}");
            }
            // The second encoding of a point, and no point at all.
            for bytes in [[0xff; 32], [0xed; 32]] {
                assert!(!verify_strict(&PublicKey(bytes), b"one", &keys[0].sign(b"one").expect("signs")));
            }
        }
    }

    /// Keys, signatures and verdicts, the same with every arithmetic of the curve library (`tests/backends/run`).
    #[test]
    fn so_many_signatures_are_what_they_were() {
        let mut all = blake3::Hasher::new();
        for n in 0..400_u32 {
            let key = SecretKey::from_seed(*blake3::hash(&n.to_be_bytes()).as_bytes());
            let message = vec![n as u8; n as usize];
            let signature = key.sign(&message).expect("a key in memory signs");
            assert!(verify_strict(&key.public(), &message, &signature) && key.public().is_usable(), "{n}");
            let (mut bent, mut other) = (signature, key.public());
            bent.0[n as usize % 64] ^= 1 << (n % 8);
            other.0[n as usize % 32] ^= 1 << (n % 8);
            assert!(!verify_strict(&key.public(), &message, &bent) && !verify_strict(&other, &message, &signature), "{n}");
            all.update(&key.public().0).update(&signature.0).update(&[u8::from(other.is_usable())]);
        }
        assert_eq!(all.finalize().to_hex().as_str(), "73834e43af6fc33dc7a8129d0f4d0d639f42a59cef1ca93fa6ff604d0b627dfd");
    }

    /// The library's own strict check, on everything crafted and on crafted things bent.
    #[test]
    fn every_verdict_is_that_of_the_library() {
        let strictly = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
            read_key(key).is_some_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
        };
        let vectors = crate::vectors::crafted_signatures();
        let (mut held, mut asked) = (0, 0);
        let mut ask = |key: [u8; 32], message: &[u8], signature: [u8; 64]| {
            let strict = strictly(&key, message, &signature);
            assert_eq!(
                verify_now(&PublicKey(key), message, &Signature(signature)),
                strict,
                "{} {}",
                hex::encode(key),
                hex::encode(signature)
            );
            (held, asked) = (held + usize::from(strict), asked + 1);
        };
        for (key, message, signature) in &vectors {
            ask(*key, message, *signature);
            for bit in 0..512 {
                let mut bent = *signature;
                bent[bit / 8] ^= 1 << (bit % 8);
                ask(*key, message, bent);
            }
            // Halves of one with keys and halves of others.
            for (other, _, halves) in &vectors {
                let mixed = |first: &[u8; 64], last: &[u8; 64]| [&first[..32], &last[32..]].concat().try_into().expect("two halves");
                ask(*other, message, *signature);
                ask(*key, message, mixed(signature, halves));
                ask(*key, message, mixed(halves, signature));
            }
        }
        assert!(held >= 3 && asked > 20_000, "{held} of {asked}");
    }

    #[test]
    fn the_points_of_small_order_are_those_the_library_finds_weak() {
        let mut found = 0;
        for y in SMALL_ORDER_Y {
            for sign in [0, 0x80] {
                let mut bytes = y;
                bytes[31] |= sign;
                let read = ed25519_dalek::VerifyingKey::from_bytes(&bytes).expect("a point");
                assert!(read.is_weak() && has_small_order(&[bytes, [1; 32]].concat().try_into().expect("64 bytes")));
                // The library reads x = 0 with either sign bit; only one of the two is what it writes.
                found += usize::from(read.to_edwards().compress().0 == bytes);
            }
        }
        assert_eq!(found, 8, "all there are");
    }

    #[test]
    fn secrets_print_nothing() {
        let key = SecretKey::from_seed([0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
        let hpke = HpkeSecret::from_seed([0xab; 32]);
        assert!(!format!("{hpke:?}").contains("abab"));
    }

    #[test]
    fn keys_of_small_order_are_unusable() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert!(!PublicKey(identity).is_usable());
        assert!(!PublicKey([0; 32]).is_usable(), "a point of order 4");
        for round in 0..3 {
            // Again and after others: what was proven lately is said the same.
            for seed in 1..=140 {
                assert!(SecretKey::from_seed([seed; 32]).public().is_usable(), "{round} {seed}");
            }
            // Twice in a row: what failed is not remembered as proven.
            for _ in 0..2 {
                assert!(!PublicKey(identity).is_usable() && !PublicKey([0; 32]).is_usable());
            }
        }
        assert!(!hpke_is_usable(&HpkeKey([0; 32])));
        let hpke = HpkeSecret::from_seed([3; 32]);
        assert!(hpke_is_usable(&hpke.public()));
        assert!(hpke.agree(&HpkeKey([0; 32])).is_none());
    }

    #[test]
    fn two_sides_agree_on_one_secret() {
        let (one, two) = (HpkeSecret::from_seed([3; 32]), HpkeSecret::from_seed([4; 32]));
        assert_eq!(one.agree(&two.public()), two.agree(&one.public()));
    }
}
