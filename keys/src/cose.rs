//! COSE_Sign1 (RFC 9052 §4.2) in the one shape accord reads and writes.
//!
//! `18([h'a10127', {}, payload or nil, signature])`: the protected header holds the algorithm and nothing else (`{1: -8}`, EdDSA), the
//! unprotected map is empty. The unprotected map is not signed, so anything in it would give one statement two byte forms.

use crate::id::NetworkId;
use crate::secret::Signature;
use crate::types::StatementType;
use minicbor::data::{Int, Tag, Type};
use minicbor::{Decoder, Encoder};
use thiserror::Error;

/// CBOR tag of COSE_Sign1.
const TAG: u64 = 18;
/// `{1: -8}`: algorithm EdDSA (RFC 9053 §2.2), deterministic.
pub const PROTECTED: [u8; 3] = [0xa1, 0x01, 0x27];
/// EdDSA in the COSE algorithm register.
const EDDSA: i64 = -8;
/// Label of the algorithm header.
const ALGORITHM: i64 = 1;

/// Why bytes are not a COSE_Sign1 that accord accepts.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CoseError {
    /// Not a tagged COSE_Sign1 of four elements.
    #[error("not a tagged COSE_Sign1: {0}")]
    Shape(String),
    /// The protected header names another algorithm.
    #[error("signature algorithm {0} is unknown, expected -8 (EdDSA)")]
    Algorithm(String),
    /// The protected header holds more or less than the algorithm.
    #[error("the protected header must hold the algorithm and nothing else")]
    Protected,
    /// The unprotected map, which no signature covers, is not empty.
    #[error("the unprotected header must be empty")]
    Unprotected,
    /// The payload is attached where it must be detached, or the other way round.
    #[error("payload {found}, expected {expected}")]
    Payload {
        /// What the place asks for.
        expected: &'static str,
        /// What was there.
        found: &'static str,
    },
    /// Not 64 bytes.
    #[error("signature of {0} bytes, expected 64")]
    SignatureLength(usize),
    /// Readable, but not in its deterministic encoding, or with bytes behind it.
    #[error("COSE_Sign1 not in its deterministic encoding")]
    NotCanonical,
}

/// The external data every seal covers: `"accord" ‖ type (u16 BE) ‖ network id (32)`, 40 bytes.
pub fn external_aad(kind: StatementType, network: &NetworkId) -> [u8; 40] {
    let mut aad = [0u8; 40];
    aad[..6].copy_from_slice(b"accord");
    aad[6..8].copy_from_slice(&kind.number().to_be_bytes());
    aad[8..].copy_from_slice(network.as_bytes());
    aad
}

/// The bytes that are signed: the Sig_structure of RFC 9052 §4.4, `["Signature1", protected, external_aad, payload]`.
pub fn to_be_signed(kind: StatementType, network: &NetworkId, payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(payload.len() + 72));
    e.array(4)
        .and_then(|e| e.str("Signature1"))
        .and_then(|e| e.bytes(&PROTECTED))
        .and_then(|e| e.bytes(&external_aad(kind, network)))
        .and_then(|e| e.bytes(payload))
        .expect("writing to a Vec cannot fail");
    e.into_writer()
}

/// Writes a COSE_Sign1; `payload` is `None` for the detached form.
pub fn write(payload: Option<&[u8]>, signature: &Signature) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(payload.map_or(0, <[u8]>::len) + 80));
    e.tag(Tag::new(TAG))
        .and_then(|e| e.array(4))
        .and_then(|e| e.bytes(&PROTECTED))
        .and_then(|e| e.map(0))
        .and_then(|e| match payload {
            Some(payload) => e.bytes(payload),
            None => e.null(),
        })
        .and_then(|e| e.bytes(&signature.0))
        .expect("writing to a Vec cannot fail");
    e.into_writer()
}

/// Reads a COSE_Sign1 with detached payload.
///
/// # Errors
/// [`CoseError`] for anything but the one accepted form.
pub fn read_detached(bytes: &[u8]) -> Result<Signature, CoseError> {
    match read(bytes)? {
        (None, signature) => Ok(signature),
        (Some(_), _) => Err(CoseError::Payload { expected: "detached", found: "attached" }),
    }
}

/// Reads a COSE_Sign1 with attached payload, as exports carry it.
///
/// # Errors
/// [`CoseError`] for anything but the one accepted form.
pub fn read_attached(bytes: &[u8]) -> Result<(&[u8], Signature), CoseError> {
    match read(bytes)? {
        (Some(payload), signature) => Ok((payload, signature)),
        (None, _) => Err(CoseError::Payload { expected: "attached", found: "detached" }),
    }
}

/// Reads either form. The fields are read one by one only to name the fault; what decides is that the same bytes come out again.
fn read(bytes: &[u8]) -> Result<(Option<&[u8]>, Signature), CoseError> {
    let shape = |error: minicbor::decode::Error| CoseError::Shape(error.to_string());
    let mut d = Decoder::new(bytes);
    let tag = d.tag().map_err(shape)?;
    if tag != Tag::new(TAG) {
        return Err(CoseError::Shape(format!("tag {}, expected {TAG}", tag.as_u64())));
    }
    if d.array().map_err(shape)? != Some(4) {
        return Err(CoseError::Shape("not an array of four".to_owned()));
    }
    check_protected(d.bytes().map_err(shape)?)?;
    if d.map().map_err(shape)? != Some(0) {
        return Err(CoseError::Unprotected);
    }
    let payload = match d.datatype().map_err(shape)? {
        Type::Null => d.null().map(|()| None),
        _ => d.bytes().map(Some),
    }
    .map_err(shape)?;
    let raw = d.bytes().map_err(shape)?;
    let signature = Signature::from_slice(raw).ok_or(CoseError::SignatureLength(raw.len()))?;
    if write(payload, &signature) != bytes {
        return Err(CoseError::NotCanonical);
    }
    Ok((payload, signature))
}

/// Accepts `{1: -8}` and names what is wrong with anything else.
fn check_protected(bytes: &[u8]) -> Result<(), CoseError> {
    if bytes == PROTECTED {
        return Ok(());
    }
    let mut d = Decoder::new(bytes);
    if matches!(d.map(), Ok(Some(1))) && d.int().ok() == Some(Int::from(ALGORITHM)) {
        return match d.int() {
            Ok(algorithm) if algorithm == Int::from(EDDSA) => Err(CoseError::Protected),
            Ok(algorithm) => Err(CoseError::Algorithm(algorithm.to_string())),
            Err(_) => Err(CoseError::Algorithm("(not a number)".to_owned())),
        };
    }
    Err(CoseError::Protected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: &CoseError) {
        assert_eq!(read(bytes).as_ref(), Err(expect), "{}", hex::encode(bytes));
    }

    /// Puts a COSE_Sign1 together from raw parts.
    fn assemble(protected: &str, unprotected: &str, payload: &str) -> Vec<u8> {
        hex::decode(format!("d284{protected}{unprotected}{payload}5840{}", "11".repeat(64))).expect("hex")
    }

    #[test]
    fn the_one_accepted_form_reads_back() {
        let signature = Signature([0x11; 64]);
        assert_eq!(read_detached(&assemble("43a10127", "a0", "f6")), Ok(signature));
        assert_eq!(read_attached(&assemble("43a10127", "a0", "4161")), Ok((&b"a"[..], signature)));
        assert_eq!(write(None, &signature), assemble("43a10127", "a0", "f6"));
    }

    #[test]
    fn every_other_form_is_refused_by_name() {
        check(&assemble("43a10127", "a1044101", "f6"), &CoseError::Unprotected);
        check(&assemble("43a10126", "a0", "f6"), &CoseError::Algorithm("-7".to_owned()));
        check(&assemble("46a20127044101", "a0", "f6"), &CoseError::Protected);
        check(&assemble("40", "a0", "f6"), &CoseError::Protected);
        check(&assemble("44a1013807", "a0", "f6"), &CoseError::Protected);
        check(&assemble("43a10127", "a0", "580161"), &CoseError::NotCanonical);
        let mut trailing = assemble("43a10127", "a0", "f6");
        trailing.push(0);
        check(&trailing, &CoseError::NotCanonical);
        assert!(matches!(read(&assemble("43a10127", "a0", "f6")[1..]), Err(CoseError::Shape(_))), "untagged");
        assert!(matches!(read_detached(&assemble("43a10127", "a0", "4161")), Err(CoseError::Payload { .. })));
    }
}
