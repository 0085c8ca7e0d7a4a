//! Seals: the only place where a statement is signed and the only place where a signature is believed.
//!
//! A statement is deterministic CBOR; a seal is one or more detached COSE_Sign1 over it, one per signer. What is signed also covers the
//! statement type and the network, so a seal cannot be carried over to another kind of statement or another network.
//!
//! ```text
//! bytes --from_bytes--> Sealed<T> --verify--> Verified<T> --Directory--> entitled signer
//!         shape, bounds            signatures               who signed may sign this
//! ```
//!
//! [`Sealed`] is parsed and nothing more. [`Verified`] says that every signature on it is good, not that its signers may say this: that
//! question belongs to [`crate::directory`]. Bounds: [`PAYLOAD_BYTES_MAX`], [`SIGNERS_MAX`]. Source: RFC 9052 §4, RFC 8949 §4.2.

use crate::canon::{self, CanonError};
use crate::cose::{self, CoseError};
use crate::id::{NetworkId, PublicKey, StatementId};
use crate::secret::{SignError, Signature, Signer, verify_strict};
use crate::types::StatementType;
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// Longest payload, in bytes. A verdict: the same on every node, for ever.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Most signers of one statement. A verdict.
pub const SIGNERS_MAX: usize = 16;
/// Longest sealed statement: payload, signers (32-byte key, 75-byte COSE_Sign1 and their CBOR heads, rounded up) and the frame around them.
pub const STATEMENT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + SIGNERS_MAX * 128 + 16;

/// A rule of a statement type that a statement breaks. Decided by its bytes alone, so every node decides alike.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{field} {rule}")]
pub struct Malformed {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it; never the content of a case.
    pub rule: String,
}

impl Malformed {
    /// A broken rule of `field`.
    pub fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }

    /// `Ok` when `holds`, else the broken rule.
    ///
    /// # Errors
    /// [`Malformed`] when `holds` is false.
    pub fn unless(holds: bool, field: &'static str, rule: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(field, rule)) }
    }
}

/// Something that can be sealed.
pub trait Statement: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + Clone {
    /// Its number in the register.
    const TYPE: StatementType;

    /// Checks everything that follows from the statement's own bytes.
    ///
    /// # Errors
    /// [`Malformed`] naming the first broken rule.
    fn validate(&self) -> Result<(), Malformed>;

    /// The network the body names, where it names one; it must be the one the seal is bound to.
    fn network(&self) -> Option<&NetworkId> {
        None
    }
}

/// Why a statement was not sealed, read or believed.
#[derive(Debug, Error, PartialEq)]
pub enum SealError {
    /// A number that was never assigned: made by a newer version, or not ours.
    #[error("statement type {0:#06x} is unknown")]
    UnknownType(u16),
    /// A reserved number whose layout is not fixed yet.
    #[error("statements of type {0} are not supported yet")]
    NotYetSupported(StatementType),
    /// A statement of another type than the one expected here.
    #[error("statement of type {found}, expected {expected}")]
    Type {
        /// The type asked for.
        expected: StatementType,
        /// The type found.
        found: StatementType,
    },
    /// Over [`PAYLOAD_BYTES_MAX`] or [`STATEMENT_BYTES_MAX`].
    #[error("statement of {found} bytes, at most {most}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// Over [`SIGNERS_MAX`].
    #[error("{0} signers, at most 16")]
    TooManySigners(u64),
    /// Nobody signed.
    #[error("no signer")]
    NoSigner,
    /// Signers not strictly ascending by key.
    #[error("signers not in ascending order of their keys, each once")]
    SignerOrder,
    /// The CBOR around or inside the payload.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// One signer's COSE_Sign1.
    #[error(transparent)]
    Cose(#[from] CoseError),
    /// A rule of the statement's type.
    #[error("malformed {kind}: {source}")]
    Malformed {
        /// The type whose rule it is.
        kind: StatementType,
        /// The rule.
        source: Malformed,
    },
    /// The body names another network than the one asked about.
    #[error("statement of network {found:?}, expected {expected:?}")]
    Network {
        /// The network asked about.
        expected: NetworkId,
        /// The network named.
        found: NetworkId,
    },
    /// A signer's key is not a canonical point of prime order.
    #[error("the key {0:?} cannot be used for seals")]
    UnusableKey(PublicKey),
    /// A signature that does not hold.
    #[error("the seal of {0:?} does not hold")]
    BadSignature(PublicKey),
    /// Two copies that were to be joined have different payloads.
    #[error("the two copies state different things")]
    OtherPayload,
    /// Two copies that were to be joined carry different signatures of one key; at least one of them is bad.
    #[error("the two copies carry different seals of {0:?}")]
    OtherSignature(PublicKey),
    /// The signer could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A statement with seals on it, read but not verified. [`Sealed::claimed`] reads what it claims.
#[derive(Clone, PartialEq)]
pub struct Sealed<T> {
    body: T,
    payload: Vec<u8>,
    signatures: BTreeMap<PublicKey, Signature>,
}

impl<T: Statement> Sealed<T> {
    /// Seals `body` with every one of `signers`.
    ///
    /// # Errors
    /// [`SealError`] when the body breaks a rule of its type, is too long, names another network, or a signer fails.
    pub fn seal(network: &NetworkId, body: T, signers: &[&dyn Signer]) -> Result<Self, SealError> {
        check_type(T::TYPE.number(), T::TYPE)?;
        check_body(&body)?;
        check_network(&body, network)?;
        let payload = canon::encode(&body);
        check_length(payload.len(), PAYLOAD_BYTES_MAX)?;
        let mut sealed = Self { body, payload, signatures: BTreeMap::new() };
        for signer in signers {
            sealed.add(network, *signer)?;
        }
        if sealed.signatures.is_empty() { Err(SealError::NoSigner) } else { Ok(sealed) }
    }

    /// Reads a sealed statement: shape, bounds, deterministic form, the rules of its type. Signatures are not checked.
    ///
    /// # Errors
    /// [`SealError`] naming what is wrong. Never panics, never allocates more than a small multiple of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        check_length(bytes.len(), STATEMENT_BYTES_MAX)?;
        let mut d = Decoder::new(bytes);
        if d.array().map_err(shape)? != Some(3) {
            return Err(shape(minicbor::decode::Error::message("a statement is an array of three")).into());
        }
        check_type(d.u16().map_err(shape)?, T::TYPE)?;
        let payload = d.bytes().map_err(shape)?;
        check_length(payload.len(), PAYLOAD_BYTES_MAX)?;
        let signatures = read_signatures(&mut d)?;
        let body = Self::read_body(payload)?;
        let sealed = Self { body, payload: payload.to_vec(), signatures };
        if sealed.to_bytes() != bytes {
            return Err(CanonError::NotCanonical.into());
        }
        Ok(sealed)
    }

    /// Reads an export: one COSE_Sign1 with the payload attached. COSE carries no key here (the headers hold the algorithm only), so the
    /// caller says whose seal it is.
    ///
    /// # Errors
    /// [`SealError`] as for [`Sealed::from_bytes`].
    pub fn from_cose(bytes: &[u8], signer: PublicKey) -> Result<Self, SealError> {
        check_length(bytes.len(), STATEMENT_BYTES_MAX)?;
        let (payload, signature) = cose::read_attached(bytes)?;
        check_length(payload.len(), PAYLOAD_BYTES_MAX)?;
        Ok(Self { body: Self::read_body(payload)?, payload: payload.to_vec(), signatures: BTreeMap::from([(signer, signature)]) })
    }

    /// Adds one more seal; the same key twice is one seal. The new signature is verified at once, so that a faulty token is found here.
    ///
    /// # Errors
    /// [`SealError`] when there are too many signers, the signer fails, or its signature does not hold.
    pub fn add(&mut self, network: &NetworkId, signer: &dyn Signer) -> Result<(), SealError> {
        check_network(&self.body, network)?;
        let key = signer.public();
        if !self.signatures.contains_key(&key) && self.signatures.len() >= SIGNERS_MAX {
            return Err(SealError::TooManySigners(SIGNERS_MAX as u64 + 1));
        }
        let message = cose::to_be_signed(T::TYPE, network, &self.payload);
        let signature = signer.sign(&message)?;
        check_signature(&key, &message, &signature)?;
        self.signatures.insert(key, signature);
        Ok(())
    }

    /// Joins the seals of two copies of one statement.
    ///
    /// # Errors
    /// [`SealError::OtherPayload`], [`SealError::OtherSignature`] or [`SealError::TooManySigners`]; `self` is then unchanged.
    pub fn merge(&mut self, other: Self) -> Result<(), SealError> {
        if self.payload != other.payload {
            return Err(SealError::OtherPayload);
        }
        let mut joined = self.signatures.clone();
        for (key, signature) in other.signatures {
            if *joined.entry(key).or_insert(signature) != signature {
                return Err(SealError::OtherSignature(key));
            }
        }
        if joined.len() > SIGNERS_MAX {
            return Err(SealError::TooManySigners(joined.len() as u64));
        }
        self.signatures = joined;
        Ok(())
    }

    /// Believes the statement if every seal on it holds and there is at least one.
    ///
    /// # Errors
    /// [`SealError::UnusableKey`], [`SealError::BadSignature`], [`SealError::NoSigner`] or [`SealError::Network`].
    pub fn verify(self, network: &NetworkId) -> Result<Verified<T>, SealError> {
        check_network(&self.body, network)?;
        if self.signatures.is_empty() {
            return Err(SealError::NoSigner);
        }
        let message = cose::to_be_signed(T::TYPE, network, &self.payload);
        for (key, signature) in &self.signatures {
            check_signature(key, &message, signature)?;
        }
        let id = self.id(network);
        Ok(Verified { sealed: self, id, network: *network })
    }

    /// Believes a statement that was verified before it went into our own store, which authenticates every byte it gives back. No seal is
    /// checked again; forbidden (`clippy.toml`) but where items and lines of that store are read.
    ///
    /// # Errors
    /// [`SealError::NoSigner`] or [`SealError::Network`].
    pub fn believe_stored(self, network: &NetworkId) -> Result<Verified<T>, SealError> {
        check_network(&self.body, network)?;
        if self.signatures.is_empty() {
            return Err(SealError::NoSigner);
        }
        let id = self.id(network);
        Ok(Verified { sealed: self, id, network: *network })
    }

    /// The bytes on disk and wire: CBOR `[type, payload, [[public key, COSE_Sign1], ..]]`, signers ascending.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(self.payload.len() + 16 + self.signatures.len() * 112));
        e.array(3)
            .and_then(|e| e.u16(T::TYPE.number()))
            .and_then(|e| e.bytes(&self.payload))
            .and_then(|e| e.array(self.signatures.len() as u64))
            .expect("writing to a Vec cannot fail");
        for (key, signature) in &self.signatures {
            e.array(2)
                .and_then(|e| e.bytes(&key.0))
                .and_then(|e| e.bytes(&cose::write(None, signature)))
                .expect("writing to a Vec cannot fail");
        }
        e.into_writer()
    }

    /// One signer's seal as a standalone COSE_Sign1 with the payload attached, for readers that know COSE and not accord. The external
    /// data of [`cose::external_aad`] still applies. `None` when there are not that many signers (counted from 0, ascending by key).
    pub fn export_cose(&self, signer: usize) -> Option<Vec<u8>> {
        self.signatures.values().nth(signer).map(|signature| cose::write(Some(&self.payload), signature))
    }

    /// The statement's id: BLAKE3-256(type u16 BE ‖ network id ‖ payload). Seals are outside, so adding one leaves the id alone.
    pub fn id(&self, network: &NetworkId) -> StatementId {
        statement_id(T::TYPE, network, &self.payload)
    }

    /// What the statement claims. Nobody has checked who says so.
    pub fn claimed(&self) -> &T {
        &self.body
    }

    /// The payload: the deterministic CBOR of the body.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The keys that signed, or claim to have, ascending.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.signatures.keys()
    }

    /// Reads a payload and applies the rules of its type.
    fn read_body(payload: &[u8]) -> Result<T, SealError> {
        let body: T = canon::decode(payload)?;
        check_body(&body)?;
        Ok(body)
    }
}

impl<T: Statement> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({}, {} bytes, {} signers)", T::TYPE.name(), self.payload.len(), self.signatures.len())
    }
}

/// A statement on which every seal holds. Only [`Sealed::verify`] makes one, and [`Sealed::believe_stored`] of what it made once.
#[derive(Clone, PartialEq)]
pub struct Verified<T> {
    sealed: Sealed<T>,
    id: StatementId,
    network: NetworkId,
}

impl<T: Statement> Verified<T> {
    /// What is stated.
    pub fn body(&self) -> &T {
        &self.sealed.body
    }

    /// The statement's id.
    pub fn id(&self) -> StatementId {
        self.id
    }

    /// The network its seals are bound to.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The keys that signed, ascending; at least one.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.sealed.signers()
    }

    /// True iff `key` and nobody else signed.
    pub fn is_sealed_by_only(&self, key: &PublicKey) -> bool {
        self.sealed.signatures.len() == 1 && self.sealed.signatures.contains_key(key)
    }

    /// The sealed form, to send on or keep.
    pub fn sealed(&self) -> &Sealed<T> {
        &self.sealed
    }
}

impl<T: Statement> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({}, {})", T::TYPE.name(), self.id.short())
    }
}

/// BLAKE3-256(type u16 BE ‖ network id ‖ payload).
pub fn statement_id(kind: StatementType, network: &NetworkId, payload: &[u8]) -> StatementId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&kind.number().to_be_bytes()).update(network.as_bytes()).update(payload);
    StatementId(*hasher.finalize().as_bytes())
}

/// The type number a sealed statement starts with, to choose the `T` of [`Sealed::from_bytes`]; `None` when it starts otherwise.
pub fn peek_type(bytes: &[u8]) -> Option<u16> {
    let mut d = Decoder::new(bytes);
    matches!(d.array(), Ok(Some(3))).then(|| d.u16().ok()).flatten()
}

/// Signs the attestation a segment ends in: the Sig_structure of type `SegmentTip` whose payload is those 32 bytes.
///
/// # Errors
/// [`SealError`] when the signer fails or its signature does not hold.
pub fn sign_tip(network: &NetworkId, signer: &dyn Signer, tip: &[u8; 32]) -> Result<Signature, SealError> {
    let message = cose::to_be_signed(StatementType::SegmentTip, network, tip);
    let signature = signer.sign(&message)?;
    // A faulty token is found here. That the key is usable was checked when its certificate was read.
    let key = signer.public();
    if verify_strict(&key, &message, &signature) { Ok(signature) } else { Err(SealError::BadSignature(key)) }
}

/// Checks the signature under a segment's last attestation. `key` must come from a certificate, which checked that it is usable.
pub fn verify_tip(network: &NetworkId, key: &PublicKey, tip: &[u8; 32], signature: &Signature) -> bool {
    verify_strict(key, &cose::to_be_signed(StatementType::SegmentTip, network, tip), signature)
}

/// The signer list of a sealed statement: at most [`SIGNERS_MAX`], strictly ascending, at least one.
fn read_signatures(d: &mut Decoder<'_>) -> Result<BTreeMap<PublicKey, Signature>, SealError> {
    let count = d.array().map_err(shape)?.ok_or(CanonError::NotCanonical)?;
    if count > SIGNERS_MAX as u64 {
        return Err(SealError::TooManySigners(count));
    }
    let mut signatures = BTreeMap::new();
    for _ in 0..count {
        if d.array().map_err(shape)? != Some(2) {
            return Err(shape(minicbor::decode::Error::message("a seal is an array of two")).into());
        }
        let key: PublicKey = d.decode().map_err(shape)?;
        let signature = cose::read_detached(d.bytes().map_err(shape)?)?;
        if signatures.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(SealError::SignerOrder);
        }
        signatures.insert(key, signature);
    }
    if signatures.is_empty() { Err(SealError::NoSigner) } else { Ok(signatures) }
}

fn check_signature(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SealError> {
    if !key.is_usable() {
        return Err(SealError::UnusableKey(*key));
    }
    if !verify_strict(key, message, signature) {
        return Err(SealError::BadSignature(*key));
    }
    Ok(())
}

fn check_type(number: u16, expected: StatementType) -> Result<(), SealError> {
    let found = StatementType::from_number(number).ok_or(SealError::UnknownType(number))?;
    if found.is_draft() {
        return Err(SealError::NotYetSupported(found));
    }
    if found != expected {
        return Err(SealError::Type { expected, found });
    }
    Ok(())
}

fn check_body<T: Statement>(body: &T) -> Result<(), SealError> {
    body.validate().map_err(|source| SealError::Malformed { kind: T::TYPE, source })
}

fn check_network<T: Statement>(body: &T, network: &NetworkId) -> Result<(), SealError> {
    match body.network() {
        Some(found) if found != network => Err(SealError::Network { expected: *network, found: *found }),
        _ => Ok(()),
    }
}

fn check_length(found: usize, most: usize) -> Result<(), SealError> {
    if found > most { Err(SealError::TooLong { found, most }) } else { Ok(()) }
}

fn shape(error: minicbor::decode::Error) -> CanonError {
    CanonError::Shape { at: error.position().unwrap_or(0), what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Contact;
    use crate::revocation::Revocation;
    use crate::samples;

    fn sealed() -> Sealed<Contact> {
        samples::seal(samples::contact(), &[1, 2])
    }

    fn check(bytes: &[u8], expect: &str) {
        let error = Sealed::<Contact>::from_bytes(bytes).expect_err("bad bytes").to_string();
        assert!(error.contains(expect), "{error}, expected: {expect}");
    }

    /// `[type, payload, signers]` put together by hand.
    fn assemble(kind: u16, payload: &[u8], seals: &[(PublicKey, Vec<u8>)]) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        e.array(3).and_then(|e| e.u16(kind)).and_then(|e| e.bytes(payload)).and_then(|e| e.array(seals.len() as u64)).expect("Vec");
        for (key, cose) in seals {
            e.array(2).and_then(|e| e.bytes(&key.0)).and_then(|e| e.bytes(cose)).expect("Vec");
        }
        e.into_writer()
    }

    #[test]
    fn what_is_sealed_reads_back_and_verifies() {
        let bytes = sealed().to_bytes();
        assert_eq!(peek_type(&bytes), Some(0x0105));
        let read = Sealed::<Contact>::from_bytes(&bytes).expect("reads");
        assert_eq!(read, sealed());
        let verified = read.verify(&samples::network()).expect("verifies");
        assert_eq!(verified.body(), &samples::contact());
        assert_eq!(verified.signers().len(), 2);
        assert_eq!(verified.id(), sealed().id(&samples::network()));
    }

    #[test]
    fn a_seal_means_nothing_as_another_type_or_in_another_network() {
        let sealed = sealed();
        let other = NetworkId::named("other");
        assert!(matches!(sealed.clone().verify(&other), Err(SealError::BadSignature(_))));
        assert_ne!(sealed.id(&other), sealed.id(&samples::network()));
        assert!(matches!(Sealed::<Revocation>::from_bytes(&sealed.to_bytes()), Err(SealError::Type { .. })));
        let signature = sealed.signatures.values().next().copied().expect("signed");
        let key = *sealed.signers().next().expect("signed");
        let message = cose::to_be_signed(StatementType::Revocation, &samples::network(), sealed.payload());
        assert!(!verify_strict(&key, &message, &signature));
    }

    #[test]
    fn adding_a_seal_leaves_the_id_alone_and_copies_join() {
        let network = samples::network();
        let mut one = samples::seal(samples::contact(), &[1]);
        let two = samples::seal(samples::contact(), &[2]);
        assert_eq!(one.id(&network), two.id(&network));
        one.merge(two.clone()).expect("same payload");
        assert_eq!(one, sealed());
        one.add(&network, &samples::key(2)).expect("the same key twice is one seal");
        assert_eq!(one, sealed());
        let mut forged = two.clone();
        forged.signatures.values_mut().for_each(|signature| signature.0[0] ^= 1);
        assert!(matches!(one.merge(forged), Err(SealError::OtherSignature(_))));
        let other = samples::seal(Contact { phone: String::new(), ..samples::contact() }, &[3]);
        assert_eq!(one.merge(other), Err(SealError::OtherPayload));
    }

    #[test]
    fn there_are_at_most_sixteen_signers_and_at_least_one() {
        let network = samples::network();
        let all: Vec<u8> = (1..=16).collect();
        let mut full = samples::seal(samples::contact(), &all);
        assert!(Sealed::<Contact>::from_bytes(&full.to_bytes()).is_ok());
        assert_eq!(full.add(&network, &samples::key(17)), Err(SealError::TooManySigners(17)));
        assert_eq!(full.merge(samples::seal(samples::contact(), &[17])), Err(SealError::TooManySigners(17)));
        assert_eq!(Sealed::seal(&network, samples::contact(), &[]), Err(SealError::NoSigner));
        check(&assemble(0x0105, sealed().payload(), &[]), "no signer");
        let mut huge = assemble(0x0105, sealed().payload(), &[]);
        huge.pop();
        huge.extend_from_slice(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        check(&huge, "signers, at most 16");
    }

    #[test]
    fn every_other_byte_form_is_refused() {
        let network = samples::network();
        let sealed = sealed();
        let seals: Vec<_> = sealed.signatures.iter().map(|(key, signature)| (*key, cose::write(None, signature))).collect();
        let payload = sealed.payload();
        assert_eq!(assemble(0x0105, payload, &seals), sealed.to_bytes());
        check(&assemble(0x0199, payload, &seals), "type 0x0199 is unknown");
        check(&assemble(0x0107, payload, &seals), "Succession (0x0107) are not supported yet");
        check(&assemble(0x0103, payload, &seals), "Revocation (0x0103), expected Contact (0x0105)");
        check(&assemble(0x0105, payload, &[seals[1].clone(), seals[0].clone()]), "ascending");
        check(&assemble(0x0105, payload, &[seals[0].clone(), seals[0].clone()]), "ascending");
        check(&assemble(0x0105, &[payload, &[0]].concat(), &seals), "1 bytes after the value");
        check(&[sealed.to_bytes(), vec![0]].concat(), "deterministic");
        check(&vec![0; STATEMENT_BYTES_MAX + 1], "at most");
        check(b"", "not the expected CBOR shape");
        let attached = sealed.export_cose(0).expect("one signer");
        check(&assemble(0x0105, payload, &[(seals[0].0, attached.clone())]), "payload attached, expected detached");
        let mut unprotected = attached;
        assert_eq!(unprotected[6], 0xa0);
        unprotected.splice(6..7, [0xa1, 0x04, 0x41, 0x01]);
        assert_eq!(
            Sealed::<Contact>::from_cose(&unprotected, seals[0].0),
            Err(SealError::Cose(CoseError::Unprotected)),
            "bytes no signature covers"
        );
        let unknown_field = minicbor::to_vec(std::collections::BTreeMap::from([(9u8, 1u8)])).expect("Vec");
        check(&assemble(0x0105, &unknown_field, &seals), "missing value");
        let long = Contact { addresses: vec!["a".repeat(257)], ..samples::contact() };
        check(&assemble(0x0105, &canon::encode(&long), &seals), "malformed Contact (0x0105): addresses has 257 bytes");
        assert!(matches!(Sealed::seal(&network, long, &[&samples::key(1)]), Err(SealError::Malformed { .. })));
    }

    #[test]
    fn an_export_is_verified_on_its_own() {
        let network = samples::network();
        let sealed = sealed();
        let keys: Vec<_> = sealed.signers().copied().collect();
        let export = sealed.export_cose(0).expect("two signers");
        let read = Sealed::<Contact>::from_cose(&export, keys[0]).expect("reads");
        assert_eq!(read.verify(&network).expect("verifies").body(), &samples::contact());
        let other_key = Sealed::<Contact>::from_cose(&export, keys[1]).expect("reads");
        assert_eq!(other_key.verify(&network), Err(SealError::BadSignature(keys[1])));
        assert_eq!(sealed.export_cose(2), None);
    }

    #[test]
    fn a_tip_is_bound_to_key_network_and_attestation() {
        let network = samples::network();
        let key = samples::key(1);
        let signature = sign_tip(&network, &key, &[9; 32]).expect("signs");
        assert!(verify_tip(&network, &key.public(), &[9; 32], &signature));
        assert!(!verify_tip(&network, &key.public(), &[8; 32], &signature));
        assert!(!verify_tip(&network, &samples::key(2).public(), &[9; 32], &signature));
        assert!(!verify_tip(&NetworkId::named("other"), &key.public(), &[9; 32], &signature));
    }

    #[test]
    fn a_body_of_another_network_is_neither_sealed_nor_believed() {
        let other = NetworkId::named("other");
        let root = samples::root_statement();
        assert!(matches!(Sealed::seal(&other, root, &[&samples::key(1)]), Err(SealError::Network { .. })));
        assert!(matches!(samples::seal(samples::root_statement(), &[1]).verify(&other), Err(SealError::Network { .. })));
    }

    /// A token that answers with a signature of something else.
    struct FaultyToken;

    impl Signer for FaultyToken {
        fn public(&self) -> PublicKey {
            samples::key(1).public()
        }

        fn sign(&self, _: &[u8]) -> Result<Signature, SignError> {
            samples::key(1).sign(b"something else")
        }
    }

    #[test]
    fn a_faulty_token_is_found_when_it_signs() {
        let bad = Err(SealError::BadSignature(samples::key(1).public()));
        assert_eq!(Sealed::seal(&samples::network(), samples::contact(), &[&FaultyToken]), bad);
    }
}
