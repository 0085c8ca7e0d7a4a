//! The layout of a proof file.
//!
//! ```text
//! "ACCORDPF" ‖ version (1 byte) ‖ body (deterministic CBOR) ‖ BLAKE3-256 of everything before
//! ```
//! The last part finds accidents, not attacks: what the body says is sealed.

use accord_keys::canon;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::id::{Bytes, DocumentId, NetworkId};
use crate::limits;

/// First bytes of every proof file.
pub const MAGIC: &[u8; 8] = b"ACCORDPF";
/// Newest version of the layout: 2 has receipts, 3 has openings of a hidden audience. A proof is written as the oldest version that says the same.
pub const VERSION: u8 = 3;
/// Magic and version.
const HEAD: usize = MAGIC.len() + 1;
/// The digest at the end.
const TAIL: usize = 32;

/// Why a file proves nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// Not a proof file at all.
    #[error("not a proof file")]
    NotAProof,
    /// Another version of the layout.
    #[error("a proof of version {0}, this build reads version {VERSION}")]
    Version(u8),
    /// Longer than [`limits::PROOF_BYTES_MAX`].
    #[error("a proof of {0} bytes is above the bound of {most}", most = limits::PROOF_BYTES_MAX)]
    TooLong(usize),
    /// Cut short or changed on the way.
    #[error("the file is damaged: its digest does not fit")]
    Damaged,
    /// The body is not the deterministic encoding of one.
    #[error("the body is not canonical: {0}")]
    Body(String),
    /// One part does not stand.
    #[error("{part} {at} does not stand: {why}")]
    Part {
        /// `statement`, `agreement`, `record`, `segment`, `genesis`, `receipt`, `opening`.
        part: &'static str,
        /// Which one, from 1.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Something that a part names is not in the file.
    #[error("the file is not whole: {0}")]
    NotWhole(String),
    /// Rivals for a root version or an appointment: who speaks for the bureau is disputed.
    #[error("rival roots or appointments of bureau {0} are in the file")]
    Disputed(String),
    /// Automerge cannot show what was admitted.
    #[error("the content cannot be shown: {0}")]
    CannotShow(String),
}

/// Everything in a proof, in the bytes that were sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProofFile {
    /// The network every seal is bound to.
    #[n(0)]
    pub network: NetworkId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// Sealed roots, certificates, revocations and appointments, in an order in which an empty directory learns them. Of members only those
    /// that the rest names, and their issuers.
    #[n(2)]
    pub statements: Vec<Bytes>,
    /// Sealed statements of the agreements the log relied on, in an order in which an empty book learns them; empty when they are named by
    /// hash only.
    #[n(3)]
    pub agreements: Vec<Bytes>,
    /// The sealed genesis.
    #[n(4)]
    pub genesis: Bytes,
    /// Sealed records by their place in the log, orders and consents inside.
    #[n(5)]
    pub records: Vec<Bytes>,
    /// Segments, in an order in which each finds its place at once.
    #[n(6)]
    pub segments: Vec<Bytes>,
    /// Sealed lines of pair ledgers that say who had received the document, by bureau and place; absent: none (version 1). A line stands for a
    /// batch and may name other documents by their ids: such lines are left out unless everything was asked for.
    #[n(7)]
    pub receipts: Option<Vec<Bytes>>,
    /// What opens places of a hidden audience, ascending by bytes; absent: none. Whoever exports gives what it knows, so a reader its own
    /// place and the owner all of them, and only where everything was asked for.
    #[n(8)]
    pub openings: Option<Vec<Bytes>>,
}

impl ProofFile {
    /// The oldest version that has what it holds.
    fn version(&self) -> u8 {
        match (&self.receipts, &self.openings) {
            (_, Some(_)) => 3,
            (Some(_), None) => 2,
            (None, None) => 1,
        }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`ProofError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProofError> {
        let mut out = MAGIC.to_vec();
        out.push(self.version());
        out.extend(canon::encode(self));
        let digest = blake3::hash(&out);
        out.extend_from_slice(digest.as_bytes());
        if out.len() > limits::PROOF_BYTES_MAX { Err(ProofError::TooLong(out.len())) } else { Ok(out) }
    }

    /// Reads a file; nothing in it is verified yet.
    ///
    /// # Errors
    /// [`ProofError`] for what is no whole proof file of this version. Never allocates more than a small multiple of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > limits::PROOF_BYTES_MAX {
            return Err(ProofError::TooLong(bytes.len()));
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(ProofError::NotAProof)?;
        let version = *rest.first().ok_or(ProofError::NotAProof)?;
        if !(1..=VERSION).contains(&version) {
            return Err(ProofError::Version(version));
        }
        let end = bytes.len().checked_sub(TAIL).filter(|end| *end > HEAD).ok_or(ProofError::Damaged)?;
        let (covered, digest) = bytes.split_at(end);
        if blake3::hash(covered).as_bytes().as_slice() != digest {
            return Err(ProofError::Damaged);
        }
        let file: Self = canon::decode(&covered[HEAD..]).map_err(|error| ProofError::Body(error.to_string()))?;
        let empty = [&file.receipts, &file.openings].into_iter().flatten().any(Vec::is_empty);
        if empty || file.version() != version {
            return Err(ProofError::Body("version 1 has neither receipts nor openings, 2 has receipts, 3 has openings".to_owned()));
        }
        Ok(file)
    }
}
