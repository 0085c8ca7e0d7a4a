//! HPKE (RFC 9180) in base mode, one message for each key: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
//!
//! What a file key is wrapped with ([`crate::envelope`]). The ephemeral key is an argument, since this crate has no randomness: 32 fresh bytes for
//! each call, never used again. Checked against the RFC's own vectors (A.2.1).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::HpkeKey;
use crate::secret::HpkeSecret;

/// Bytes of an encapsulated key.
pub const ENCAPSULATED_BYTES: usize = 32;
/// Bytes a sealed message is longer than its plaintext.
pub const TAG_BYTES: usize = 16;

const KEM: &[u8] = b"KEM\x00\x20";
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x03";

fn extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> Zeroizing<[u8; 32]> {
    let ikm = Zeroizing::new([b"HPKE-v1", suite, label, ikm].concat());
    let (key, _) = Hkdf::<Sha256>::extract(Some(salt), &ikm);
    Zeroizing::new(key.into())
}

fn expand<const N: usize>(suite: &[u8], key: &[u8; 32], label: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let length = u16::try_from(N).expect("a few dozen bytes").to_be_bytes();
    let mut out = Zeroizing::new([0; N]);
    let hkdf = Hkdf::<Sha256>::from_prk(key).expect("32 bytes are a key of SHA-256");
    hkdf.expand(&[&length[..], b"HPKE-v1", suite, label, info].concat(), &mut out[..])
        .expect("a few dozen bytes are no more than may be asked for");
    out
}

/// Key and nonce of the first message of a context (RFC 9180 §4.1 and §5.1, mode base).
fn schedule(shared: &[u8; 32], encapsulated: &[u8; 32], recipient: &HpkeKey, info: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 12]>) {
    let key = extract(KEM, b"", b"eae_prk", shared);
    let secret = expand::<32>(KEM, &key, b"shared_secret", &[&encapsulated[..], &recipient.0].concat());
    let context = [&[0][..], &extract(SUITE, b"", b"psk_id_hash", b"")[..], &extract(SUITE, b"", b"info_hash", info)[..]].concat();
    let secret = extract(SUITE, &secret[..], b"secret", b"");
    (expand(SUITE, &secret, b"key", &context), expand(SUITE, &secret, b"base_nonce", &context))
}

/// Seals one message to a key. `None` for a key of small order, with which the secret would be known to everyone.
pub fn seal(
    recipient: &HpkeKey,
    ephemeral: &HpkeSecret,
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
) -> Option<([u8; ENCAPSULATED_BYTES], Vec<u8>)> {
    let encapsulated = ephemeral.public().0;
    let shared = ephemeral.agree(recipient)?;
    let (key, nonce) = schedule(&shared, &encapsulated, recipient, info);
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    let sealed = cipher.encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad }).expect("a short plaintext can be encrypted");
    Some((encapsulated, sealed))
}

/// Opens what was sealed to a key; `None` if it was sealed to another, or is not what was sealed.
pub fn open(
    secret: &HpkeSecret,
    encapsulated: &[u8; ENCAPSULATED_BYTES],
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let shared = secret.agree(&HpkeKey(*encapsulated))?;
    let (key, nonce) = schedule(&shared, encapsulated, &secret.public(), info);
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad }).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).expect("hex").try_into().expect("its length")
    }

    /// RFC 9180, A.2.1: base setup, and A.2.1.1: the message of sequence 0.
    #[test]
    fn it_is_the_hpke_of_the_rfc() {
        let ephemeral = HpkeSecret::from_seed(bytes("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"));
        let secret = HpkeSecret::from_seed(bytes("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"));
        assert_eq!(secret.public().0, bytes("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"));
        let info = hex::decode("4f6465206f6e2061204772656369616e2055726e").expect("hex");
        let plain = b"Beauty is truth, truth beauty";
        let (encapsulated, sealed) = seal(&secret.public(), &ephemeral, &info, b"Count-0", plain).expect("a good key");
        assert_eq!(encapsulated, bytes("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"));
        let expect = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28";
        assert_eq!(hex::encode(&sealed), expect);
        assert_eq!(open(&secret, &encapsulated, &info, b"Count-0", &sealed).expect("opens").as_slice(), plain);
        let (key, nonce) = schedule(&secret.agree(&ephemeral.public()).expect("agree"), &encapsulated, &secret.public(), &info);
        assert_eq!(*key, bytes("ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"));
        assert_eq!(*nonce, bytes("5c4d98150661b848853b547f"));
    }

    #[test]
    fn another_key_info_or_context_opens_nothing_and_small_order_seals_nothing() {
        let (ephemeral, secret, other) = (HpkeSecret::from_seed([1; 32]), HpkeSecret::from_seed([2; 32]), HpkeSecret::from_seed([3; 32]));
        let (encapsulated, sealed) = seal(&secret.public(), &ephemeral, b"i", b"a", b"key").expect("a good key");
        assert!(open(&secret, &encapsulated, b"i", b"a", &sealed).is_some());
        assert!(open(&other, &encapsulated, b"i", b"a", &sealed).is_none());
        assert!(open(&secret, &other.public().0, b"i", b"a", &sealed).is_none());
        assert!(open(&secret, &encapsulated, b"j", b"a", &sealed).is_none());
        assert!(open(&secret, &encapsulated, b"i", b"b", &sealed).is_none());
        assert!(seal(&HpkeKey([0; 32]), &ephemeral, b"i", b"a", b"key").is_none());
        assert!(open(&secret, &[0; 32], b"i", b"a", &sealed).is_none());
    }
}
