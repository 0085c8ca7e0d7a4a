//! Signed runs of one writer's changes: the unit of transfer, storage and admission.
//!
//! An **actor** is one life of one certificate in one document; its id is inside every Automerge hash, so nobody's run can be claimed. The
//! **attestation** A_n chains change hash and cited record to everything before; one signature over the last attestation of a segment
//! covers all of it. A segment may end in **links** (hash and citation without content), so a prefix keeps its proof when the rest must not
//! travel. Checking a segment needs no state: [`check`] parses each change by [`crate::rules`], recomputes the chain and verifies one
//! signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use accord_keys::certificate::MemberCertificate;
use accord_keys::seal;
use accord_keys::seal::SealError;
use accord_keys::secret::{Signature, Signer};
use minicbor::{Decode, Encode};
use thiserror::Error;

pub use crate::access::log::Life;
use crate::id::{Bytes, CertificateId, Digest, DocumentId, NetworkId, RecordId};
use crate::limits;
use crate::rules::{self, ActorId, ChangeHash, ParsedChange};

/// The actor id of a certificate's life in a document: first 16 bytes of BLAKE3("accord actor v1" ‖ certificate ‖ document ‖ life).
pub fn actor_id(certificate: &CertificateId, document: &DocumentId, life: &Life) -> ActorId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"accord actor v1");
    hasher.update(&certificate.0);
    hasher.update(&document.0);
    hasher.update(&life.0);
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ActorId(id)
}

/// A_n = BLAKE3("accord attestation v1" ‖ document ‖ certificate ‖ life ‖ n (u64 BE) ‖ change hash ‖ cited record ‖ A_{n-1}); A_0 is zero.
pub fn attest(
    document: &DocumentId,
    certificate: &CertificateId,
    life: &Life,
    position: u64,
    change: &ChangeHash,
    cited: &RecordId,
    previous: &Digest,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"accord attestation v1");
    hasher.update(&document.0);
    hasher.update(&certificate.0);
    hasher.update(&life.0);
    hasher.update(&position.to_be_bytes());
    hasher.update(&change.0);
    hasher.update(&cited.0);
    hasher.update(&previous.0);
    Digest(*hasher.finalize().as_bytes())
}

/// A position without its content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Link {
    /// The change.
    #[n(0)]
    pub change: ChangeHash,
    /// The record it cites.
    #[n(1)]
    pub cited: RecordId,
}

/// A run of positions that cite one record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CitedRun {
    /// How many positions, at least 1.
    #[n(0)]
    pub count: u32,
    /// The record.
    #[n(1)]
    pub record: RecordId,
}

/// A run of one actor's changes as it travels and is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Segment {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The writer's certificate.
    #[n(1)]
    pub certificate: CertificateId,
    /// The writer's life in this document.
    #[n(2)]
    pub life: Life,
    /// Position of the first change, from 1; equal to its Automerge sequence number.
    #[n(3)]
    pub from: u64,
    /// Attestation before `from`; zero when `from` is 1.
    #[n(4)]
    pub before: Digest,
    /// Raw change chunks, in order.
    #[n(5)]
    pub changes: Vec<Bytes>,
    /// Cited records of the changes, in runs.
    #[n(6)]
    pub cited: Vec<CitedRun>,
    /// Positions after the changes, without content.
    #[n(7)]
    pub links: Vec<Link>,
    /// Signature over the attestation of the last position.
    #[n(8)]
    pub signature: Bytes,
}

/// Why a segment is malformed: the same everywhere, for ever.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SegmentError {
    /// Not the deterministic encoding of a segment.
    #[error("segment is not canonical")]
    Encoding,
    /// Outside a verdict bound.
    #[error("segment bound broken: {0}")]
    Bound(&'static str),
    /// Citation runs do not add up to the changes.
    #[error("citation runs do not match the changes")]
    Citations,
    /// A change is not acceptable by itself.
    #[error("change {position} is malformed: {why}")]
    Change {
        /// Its position.
        position: u64,
        /// The rule broken.
        why: String,
    },
    /// A change of another actor, or out of sequence.
    #[error("change {position} is not the writer's change of that position")]
    Position {
        /// The position expected.
        position: u64,
    },
    /// The signature is not the writer's over the last attestation.
    #[error("signature does not fit")]
    Signature,
    /// `before` must be zero exactly when `from` is 1.
    #[error("attestation before the segment does not fit its first position")]
    Before,
}

/// One position of a checked segment.
#[derive(Clone, Debug)]
pub struct Position {
    /// From 1.
    pub n: u64,
    /// The change.
    pub change: ChangeHash,
    /// The record it cites.
    pub cited: RecordId,
    /// A_n.
    pub attestation: Digest,
    /// A_{n-1}.
    pub previous: Digest,
}

/// A segment whose changes passed the decoder, whose chain was recomputed and whose signature is its certificate's. Only [`check`] makes one.
#[derive(Clone, Debug)]
pub struct CheckedSegment {
    segment: Arc<Segment>,
    /// The canonical encoding it was read from; without it, it was made here.
    encoded: Option<Arc<[u8]>>,
    actor: ActorId,
    positions: Vec<Position>,
    parsed: Vec<ParsedChange>,
}

impl CheckedSegment {
    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
    /// The segment, to be kept without a copy of its changes.
    pub fn shared(&self) -> Arc<Segment> {
        Arc::clone(&self.segment)
    }
    /// Its actor.
    pub fn actor(&self) -> ActorId {
        self.actor
    }
    /// Every position, changes first, then links.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }
    /// The parsed changes, in position order.
    pub fn parsed(&self) -> &[ParsedChange] {
        &self.parsed
    }
    /// The last position.
    pub fn to(&self) -> u64 {
        self.positions.last().expect("a checked segment has a position").n
    }
    /// Bytes of its changes.
    pub fn content_bytes(&self) -> usize {
        self.segment.changes.iter().map(|change| change.0.len()).sum()
    }
    /// Its bytes: those it was read from, which were proven canonical then, or else encoded now.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encoded.as_ref().map_or_else(|| accord_keys::canon::encode(self.segment.as_ref()), |bytes| bytes.to_vec())
    }
}

/// A segment with the canonical bytes it was read from. Only [`EncodedSegment::read`] and the writer of those bytes make one.
#[derive(Clone, Debug)]
pub struct EncodedSegment {
    segment: Segment,
    bytes: Arc<[u8]>,
}

impl EncodedSegment {
    /// Reads one; nothing is verified yet.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn read(bytes: &[u8]) -> Result<Self, SegmentError> {
        Ok(Self { segment: decode(bytes)?, bytes: Arc::from(bytes) })
    }
    /// Encodes one: what is encoded here reads back as itself.
    ///
    /// # Errors
    /// [`SegmentError::Bound`] when it is longer than a segment may be.
    pub(crate) fn write(segment: Segment) -> Result<Self, SegmentError> {
        let bytes = accord_keys::canon::encode(&segment);
        if bytes.len() > limits::SEGMENT_ENCODED_MAX {
            return Err(SegmentError::Bound("bytes"));
        }
        Ok(Self { segment, bytes: Arc::from(bytes) })
    }
    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
    /// Its canonical encoding.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// [`check`] of it; the checked segment keeps its bytes.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(self, network: &NetworkId, certificate: &MemberCertificate) -> Result<CheckedSegment, SegmentError> {
        let mut checked = check(network, certificate, self.segment)?;
        checked.encoded = Some(self.bytes);
        Ok(checked)
    }
}

/// Decodes a segment; nothing is verified yet.
///
/// # Errors
/// [`SegmentError::Encoding`].
pub fn decode(bytes: &[u8]) -> Result<Segment, SegmentError> {
    if bytes.len() > limits::SEGMENT_ENCODED_MAX {
        return Err(SegmentError::Bound("bytes"));
    }
    accord_keys::canon::decode(bytes).map_err(|_| SegmentError::Encoding)
}

/// [`decode`] without asking whether the encoding is the canonical one: only for segments read back from our own authenticated store, for
/// which that was asked before the write.
pub(crate) fn decode_stored(bytes: &[u8]) -> Result<Segment, SegmentError> {
    minicbor::decode(bytes).map_err(|_| SegmentError::Encoding)
}

/// Segments that travel together, with those of one writer that follow each other made one; lives of `apart` are left as they are.
pub(crate) fn joined(segments: Vec<Arc<Segment>>, apart: impl Fn(&ActorId) -> bool) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::with_capacity(segments.len());
    let mut last: BTreeMap<ActorId, usize> = BTreeMap::new();
    for segment in segments {
        let actor = actor_id(&segment.certificate, &segment.document, &segment.life);
        if apart(&actor) {
            out.push(Arc::unwrap_or_clone(segment));
        } else if !last.get(&actor).is_some_and(|at| out[*at].join(&segment)) {
            last.insert(actor, out.len());
            out.push(Arc::unwrap_or_clone(segment));
        }
    }
    out
}

/// Checks a segment against the certificate it names: bounds, each change by itself, the attestation chain, the signature.
///
/// # Errors
/// [`SegmentError`]: malformed, for everyone and for ever.
pub fn check(network: &NetworkId, certificate: &MemberCertificate, segment: Segment) -> Result<CheckedSegment, SegmentError> {
    let signature = <[u8; 64]>::try_from(segment.signature.0.as_slice()).map_err(|_| SegmentError::Signature)?;
    let checked = check_chain(segment, rules::parse)?;
    let tip = checked.positions.last().expect("a checked segment has a position").attestation;
    if !seal::verify_tip(network, &certificate.key, &tip.0, &Signature(signature)) {
        return Err(SegmentError::Signature);
    }
    Ok(checked)
}

/// [`check`] without the signature and without asking whether the changes are in canonical form: only for segments read back from our own
/// authenticated store, where [`check`] stood before the write.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_stored(segment: Segment) -> Result<CheckedSegment, SegmentError> {
    check_chain(segment, rules::parse_again)
}

fn check_chain(segment: Segment, parse: fn(&[u8]) -> Result<ParsedChange, rules::Malformed>) -> Result<CheckedSegment, SegmentError> {
    let total = segment.changes.len() + segment.links.len();
    if segment.changes.is_empty() || total > limits::SEGMENT_POSITIONS_MAX {
        return Err(SegmentError::Bound("positions"));
    }
    if segment.changes.iter().map(|change| change.0.len()).sum::<usize>() > limits::SEGMENT_BYTES_MAX {
        return Err(SegmentError::Bound("bytes"));
    }
    if segment.from == 0 || segment.from.checked_add(total as u64).is_none() {
        return Err(SegmentError::Bound("from"));
    }
    if (segment.from == 1) != (segment.before == Digest([0; 32])) {
        return Err(SegmentError::Before);
    }
    let cited = expand(&segment.cited, segment.changes.len())?;
    let actor = actor_id(&segment.certificate, &segment.document, &segment.life);
    let mut parsed = Vec::with_capacity(segment.changes.len());
    let mut steps: Vec<(ChangeHash, RecordId)> = Vec::with_capacity(total);
    for (at, (raw, record)) in segment.changes.iter().zip(cited).enumerate() {
        let position = segment.from + at as u64;
        let change = parse(&raw.0).map_err(|error| SegmentError::Change { position, why: error.to_string() })?;
        if change.actor() != actor || change.seq() != position {
            return Err(SegmentError::Position { position });
        }
        steps.push((change.hash(), record));
        parsed.push(change);
    }
    steps.extend(segment.links.iter().map(|link| (link.change, link.cited)));
    let mut previous = segment.before;
    let mut positions = Vec::with_capacity(total);
    for (at, (change, cited)) in steps.into_iter().enumerate() {
        let n = segment.from + at as u64;
        let attestation = attest(&segment.document, &segment.certificate, &segment.life, n, &change, &cited, &previous);
        positions.push(Position { n, change, cited, attestation, previous });
        previous = attestation;
    }
    Ok(CheckedSegment { segment: Arc::new(segment), encoded: None, actor, positions, parsed })
}

fn expand(runs: &[CitedRun], changes: usize) -> Result<Vec<RecordId>, SegmentError> {
    let mut out = Vec::with_capacity(changes);
    let mut last = None;
    for run in runs {
        let count = run.count as usize;
        if count == 0 || last == Some(run.record) || out.len() + count > changes {
            return Err(SegmentError::Citations);
        }
        out.extend(std::iter::repeat_n(run.record, count));
        last = Some(run.record);
    }
    if out.len() == changes { Ok(out) } else { Err(SegmentError::Citations) }
}

/// What a writer continues: its actor's tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Last position; 0 before the first.
    pub n: u64,
    /// A_n; zero before the first.
    pub attestation: Digest,
}

/// Seals changes into one segment, all citing `cited`.
///
/// # Errors
/// When the signer cannot sign.
#[expect(clippy::too_many_arguments, reason = "what is signed is exactly this list")]
pub fn seal_changes(
    network: &NetworkId,
    signer: &dyn Signer,
    document: DocumentId,
    certificate: CertificateId,
    life: Life,
    tip: Tip,
    changes: Vec<Vec<u8>>,
    hashes: &[ChangeHash],
    cited: RecordId,
) -> Result<Segment, SealError> {
    let mut previous = tip.attestation;
    for (at, hash) in hashes.iter().enumerate() {
        previous = attest(&document, &certificate, &life, tip.n + 1 + at as u64, hash, &cited, &previous);
    }
    let signature = seal::sign_tip(network, signer, &previous.0)?;
    let runs = vec![CitedRun { count: u32::try_from(changes.len()).expect("bounded by the writer"), record: cited }];
    Ok(Segment {
        document,
        certificate,
        life,
        from: tip.n + 1,
        before: tip.attestation,
        changes: changes.into_iter().map(Bytes).collect(),
        cited: runs,
        links: Vec::new(),
        signature: Bytes(signature.0.to_vec()),
    })
}

impl Segment {
    /// About how many bytes its encoding has, at most a few too many: what pages are cut by.
    pub(crate) fn about_bytes(&self) -> usize {
        let changes: usize = self.changes.iter().map(|change| change.0.len() + 5).sum();
        changes + self.cited.len() * 44 + self.links.len() * 76 + 240
    }

    /// Takes in the segment that follows in the same life of the same writer; `false` when it does not follow or both would be more than one
    /// segment of ours holds. Whether its attestations go on from this one's last is for the caller to know.
    pub fn join(&mut self, next: &Segment) -> bool {
        let size =
            |of: &Segment| of.changes.iter().map(|change| change.0.len() + 4).sum::<usize>() + (of.cited.len() + 2 * of.links.len()) * 40;
        let follows = self.links.is_empty()
            && (self.document, self.certificate, self.life) == (next.document, next.certificate, next.life)
            && self.from.checked_add(self.changes.len() as u64) == Some(next.from);
        let positions = self.changes.len() + next.changes.len() + next.links.len();
        if !follows || positions > limits::SEGMENT_POSITIONS_MAX || size(self) + size(next) > limits::SEGMENT_BYTES_TARGET {
            return false;
        }
        self.changes.extend_from_slice(&next.changes);
        for run in &next.cited {
            match self.cited.last_mut() {
                Some(last) if last.record == run.record => last.count += run.count,
                _ => self.cited.push(run.clone()),
            }
        }
        self.links.clone_from(&next.links);
        self.signature.clone_from(&next.signature);
        true
    }

    /// One position of the segment with its content and the rest as links: all that its writer's signature needs to prove that one change.
    /// `None` when it has no such position.
    pub fn only(&self, position: u64) -> Option<Segment> {
        let checked = check_stored(self.clone()).ok()?;
        let at = usize::try_from(position.checked_sub(self.from)?).ok().filter(|at| *at < self.changes.len())?;
        let here = checked.positions.get(at)?;
        let rest = checked.positions[at + 1..].iter().map(|later| Link { change: later.change, cited: later.cited });
        Some(Segment {
            from: here.n,
            before: here.previous,
            changes: vec![self.changes[at].clone()],
            cited: vec![CitedRun { count: 1, record: here.cited }],
            links: rest.collect(),
            ..self.clone()
        })
    }

    /// The same segment with content only up to position `last`; the rest becomes links, so the signature still proves the prefix.
    /// `None` when nothing would remain or nothing would change.
    pub fn shortened(&self, last: u64, hashes: &[ChangeHash]) -> Option<Segment> {
        let keep = usize::try_from(last.checked_sub(self.from)?.checked_add(1)?).ok()?;
        if keep >= self.changes.len() {
            return None;
        }
        let cited = expand(&self.cited, self.changes.len()).ok()?;
        let mut short = self.clone();
        short.changes.truncate(keep);
        let tail = hashes.iter().zip(&cited).skip(keep).map(|(change, record)| Link { change: *change, cited: *record });
        short.links = tail.chain(self.links.iter().cloned()).collect();
        short.cited.clear();
        for record in cited.into_iter().take(keep) {
            match short.cited.last_mut() {
                Some(run) if run.record == record => run.count += 1,
                _ => short.cited.push(CitedRun { count: 1, record }),
            }
        }
        Some(short)
    }
}
