//! Messages between nodes: one version byte, one type byte, a canonical CBOR body.
//!
//! [`check`] turns received bytes into a [`Checked`] message: sizes before allocation, every seal verified, every segment parsed, chained and
//! signature-checked. It needs only a snapshot of the directory and runs off the core thread; the core takes nothing else.

use accord_keys::appointment::Appointment;
use accord_keys::canon;
use accord_keys::certificate::MemberCertificate;
use accord_keys::clock_reset::ClockReset;
use accord_keys::contact::Contact;
use accord_keys::directory::{Directory, DirectoryError};
use accord_keys::revocation::Revocation;
use accord_keys::root::RootStatement;
use accord_keys::seal::{self, Statement, Verified};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::access::audience::Opening;
use crate::access::consent::OnwardStatement;
use crate::access::log::{Genesis, Record};
use crate::access::pass::RelayPass;
use crate::agreement::compact::Compact;
use crate::agreement::exchange::AgreementStatement;
use crate::equality::sketch::SYMBOL_BYTES;
use crate::family::{family, verified};
use crate::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, HpkeKey, NetworkId, Nonce, PublicKey, RootId, TransportKey};
use crate::ledger::Line;
use crate::limits;
use crate::part;
use crate::receipt::NodeReceipt;
use crate::segment::{self, CheckedSegment, EncodedSegment, Segment};

mod bodies;
mod check;
mod terse;

use bodies::{
    AheadBody, CursorMessage, DeclinedBody, DiffersBody, EqualityBody, List, NamedBody, Number, RefusalBody, SymbolsBody, TipsBody,
    WantBody,
};
pub use check::{Checked, CheckedPush, IdentityStatement, IncomingSegment, agreement_statement, check, compact, relay_pass};

/// Highest wire version of this build. New in version 3 are terse pushes, in version 4 symbols, differences and what they name, in version 5 how much is
/// still to come, in version 6 marks, in version 7 receipts in pushes between devices of one bureau, in version 8 erasable parts; every other message is as in version 2.
pub const VERSION: u8 = 8;
/// First wire version in which a push may hold receipts of nodes.
pub const RECEIPTS_SINCE: u8 = 7;
/// First wire version in which erasable parts are asked for and given.
pub const PARTS_SINCE: u8 = 8;
/// Lowest wire version of this build: a node that was not updated yet is still spoken with.
pub const OLDEST: u8 = 2;

/// Why a partner hears no. One value for "unknown, not entitled, purged", so a question reveals nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// Unknown, not entitled or purged: never told apart.
    #[n(0)]
    No,
    /// The link does not speak this protocol version or network.
    #[n(1)]
    Incompatible,
    /// The certificate does not stand (unknown, expired, revoked) or its bureau is frozen.
    #[n(2)]
    Certificate,
    /// A rule of the protocol was broken on this link.
    #[n(3)]
    Protocol,
    /// Not now: full or busy.
    #[n(4)]
    Busy,
    /// A statement type or kind this build does not yet support.
    #[n(5)]
    NotYetSupported,
}

/// First message of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// The network.
    #[n(0)]
    pub network: NetworkId,
    /// The sender's bureau.
    #[n(1)]
    pub bureau: BureauId,
    /// The sender's device certificate; its transport key is the link's.
    #[n(2)]
    pub certificate: CertificateId,
    /// The sender's wall clock: corroboration, never a verdict.
    #[n(3)]
    pub wall: WallSeconds,
    /// The cursor the receiver gave the sender last; opaque to the sender.
    #[n(4)]
    pub cursor: Option<Bytes>,
    /// Root head of the sender's bureau and, as the sender knows it, of the receiver's.
    #[n(5)]
    pub own_root: RootId,
    /// See `own_root`.
    #[n(6)]
    pub your_root: Option<RootId>,
    /// Sealed statements of the sender's bureau in an order that can be learnt from scratch: roots, certificates of its nodes, appointments,
    /// revocations.
    #[n(7)]
    pub statements: Vec<Bytes>,
    /// Highest wire version the sender speaks; the lower of both is used.
    #[n(8)]
    pub version: u8,
    /// How much of the pair's ledger the sender holds; not between devices of one bureau.
    #[n(9)]
    pub ledger: Option<LedgerCounts>,
}

/// Lines of a pair's ledger, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LedgerCounts {
    /// Of the sender of this.
    #[n(0)]
    pub mine: u64,
    /// Of its reader.
    #[n(1)]
    pub yours: u64,
}

/// Part of a document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Push {
    /// Numbers the pushes of one link and direction, from 1; acknowledged by it.
    #[n(0)]
    pub mark: u64,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// Sealed certificates and what they rest on, in an order that can be learnt.
    #[n(2)]
    pub evidence: Vec<Bytes>,
    /// Sealed genesis, if the receiver may lack it.
    #[n(3)]
    pub genesis: Option<Bytes>,
    /// Sealed records, in log order.
    #[n(4)]
    pub records: Vec<Bytes>,
    /// Segments, causally closed over what went before.
    #[n(5)]
    pub segments: Vec<Bytes>,
    /// What to give back in the next hello, once this and all before it is durable.
    #[n(6)]
    pub cursor: Option<Bytes>,
    /// What opens commitments of a hidden audience: to a partner its own only.
    #[n(7)]
    pub openings: Option<Vec<Opening>>,
    /// Sealed receipts of the owner's nodes: among its own devices only.
    #[n(8)]
    pub receipts: Option<Vec<Bytes>>,
}

/// A [`Push`] with its segments terse.
#[derive(Encode, Decode)]
#[cbor(map)]
struct TersePush {
    /// Without segments.
    #[n(0)]
    push: Push,
    /// The layout is that of `terse`.
    #[n(1)]
    segments: Bytes,
}

impl Push {
    /// A push that brings nothing yet.
    pub fn empty(mark: u64, document: DocumentId) -> Self {
        Self {
            mark,
            document,
            evidence: Vec::new(),
            genesis: None,
            records: Vec::new(),
            segments: Vec::new(),
            cursor: None,
            openings: None,
            receipts: None,
        }
    }

    /// The message's bytes with these segments instead of its own, which are none: terse where the reader speaks that and it is shorter.
    pub(crate) fn encode_with(mut self, segments: Vec<Segment>, version: u8) -> Vec<u8> {
        debug_assert!(self.segments.is_empty(), "its segments are those given");
        // A canonical segment is longer than its changes and its signature.
        let at_least = |segment: &Segment| segment.changes.iter().map(|raw| raw.0.len()).sum::<usize>() + 64;
        if version >= 3
            && !segments.is_empty()
            && let Some(form) = terse::write(&self.document, &segments)
            && form.len() < segments.iter().map(at_least).sum()
        {
            let terse = TersePush { push: self, segments: Bytes(form) };
            let bytes = terse.encode();
            if bytes.len() <= limits::FRAME_BYTES_MAX {
                return bytes;
            }
            self = terse.push;
        }
        self.segments = segments.iter().map(|segment| Bytes(canon::encode(segment))).collect();
        Message::Push(self).encode()
    }

    fn terse(&self) -> Option<Vec<u8>> {
        let segments: Vec<Segment> = self.segments.iter().map(|bytes| segment::decode(&bytes.0).ok()).collect::<Option<_>>()?;
        let segments = Bytes(terse::write(&self.document, &segments)?);
        if segments.0.len() >= self.segments.iter().map(|segment| segment.0.len()).sum() {
            return None;
        }
        let bytes = TersePush { push: Push { segments: Vec::new(), ..self.clone() }, segments }.encode();
        (bytes.len() <= limits::FRAME_BYTES_MAX).then_some(bytes)
    }
}

impl TersePush {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![3, TERSE];
        out.extend_from_slice(&canon::encode(self));
        out
    }

    fn spelt_out(self) -> Option<(Push, Vec<EncodedSegment>)> {
        if !self.push.segments.is_empty() {
            return None;
        }
        let segments = terse::read(&self.push.document, &self.segments.0)?;
        Some((self.push, segments))
    }
}

/// One line of a tips exchange.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TipLine {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// H(document, log heads, admitted tips).
    #[n(1)]
    pub entry: Digest,
}

/// A message as encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// See [`Hello`].
    Hello(Hello),
    /// Sealed statements of any bureau, learnable in order.
    Statements(Vec<Bytes>),
    /// Offers, accepts, declines, conclusions of this pair.
    Agreements(Vec<Bytes>),
    /// Compacts whose roster names both ends; before the agreements that name them.
    Compacts(Vec<Bytes>),
    /// Lines of the pair's ledger, of either direction, each after the one before.
    Ledger(Vec<Bytes>),
    /// See [`Push`].
    Push(Push),
    /// What to give back in the next hello: what the sender of this knows of itself now.
    Cursor(Bytes),
    /// Everything up to this mark is durable at the sender of this message.
    Ack(u64),
    /// Asks to be told that everything said so far that is no push was dealt with.
    Mark(u64),
    /// The answer to a mark.
    Heard(u64),
    /// Sum and count of the view, at a quiet moment.
    Equality {
        /// Additive keyed sum.
        sum: Digest,
        /// Documents in it.
        count: u64,
        /// Hash over the agreement versions in force for the pair: sums are compared only under equal agreements.
        policy: Digest,
    },
    /// A page of the view; `last` ends it.
    Tips {
        /// At most [`limits::TIPS_PAGE`] lines.
        lines: Vec<TipLine>,
        /// No more pages follow.
        last: bool,
    },
    /// Coded symbols of the view ([`crate::equality::sketch`]): those behind the ones that were sent under this nonce.
    Symbols {
        /// Of the repair; drawn by the sender of symbols.
        nonce: Nonce,
        /// How many were sent before.
        from: u32,
        /// At most [`limits::SYMBOLS_MAX`] together with those before.
        symbols: Bytes,
    },
    /// The answer to symbols.
    Differs {
        /// See [`Message::Symbols`].
        nonce: Nonce,
        /// More are needed: so many in all. Otherwise `items` are what only the sender of the symbols holds.
        wanted: Option<u32>,
        /// Eight bytes each.
        items: Bytes,
    },
    /// Documents of the receiver's bureau which the sender counts in the view, and of which the receiver holds nothing or something else.
    Named(Vec<DocumentId>),
    /// Of a longer row of documents so many are still to come behind this: for people who wait, and for nothing else.
    Ahead {
        /// Pushes of so many documents follow; none: the row is over.
        documents: u64,
        /// So many there are in all, with those the reader acknowledged on earlier links.
        of: u64,
    },
    /// Asks for parts of one file of a document: what is missing here, as often as it is.
    PartsWanted(PartsWanted),
    /// One part that was asked for.
    Part(Part),
    /// The no to a part that was asked for: unknown, not entitled, not here, erased; never told apart.
    NoPart(NoPart),
    /// Send this document from its beginning: something before what came is missing here.
    Want(DocumentId),
    /// This document is left out of both sums: a local no.
    Declined {
        /// The document.
        document: DocumentId,
        /// All the sender hears.
        reason: Reason,
        /// A random reference both sides log.
        reference: u64,
    },
    /// The link ends or does not begin.
    Refusal {
        /// All the partner hears.
        reason: Reason,
        /// A random reference both sides log.
        reference: u64,
    },
    /// Relay passes: from their issuer to the holder, and from the holder to bureaus they name.
    Passes(Vec<Bytes>),
    /// Asks onward, asks for consent, and answers to both, of this pair.
    Onward(Vec<Bytes>),
    /// A laptop asks to be enrolled, over the transport key of its invitation.
    Join(Join),
    /// The answer to [`Join`].
    Welcome(Welcome),
}

/// See [`Message::PartsWanted`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PartsWanted {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The file: its manifest.
    #[n(1)]
    pub file: Digest,
    /// The manifest or pieces it names; at most [`limits::PARTS_WANTED_PAGE`].
    #[n(2)]
    pub parts: Vec<Digest>,
}

/// See [`Message::Part`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Part {
    /// Counts with those of pushes, and is acknowledged like them.
    #[n(0)]
    pub mark: u64,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The file.
    #[n(2)]
    pub file: Digest,
    /// What the bytes are called.
    #[n(3)]
    pub part: Digest,
    /// See [`crate::part`].
    #[n(4)]
    pub bytes: Bytes,
}

/// See [`Message::NoPart`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NoPart {
    /// As asked.
    #[n(0)]
    pub document: DocumentId,
    /// As asked.
    #[n(1)]
    pub file: Digest,
    /// As asked.
    #[n(2)]
    pub part: Digest,
}

/// A laptop's keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Join {
    /// The device's signing key.
    #[n(0)]
    pub device: PublicKey,
    /// Its transport key from now on.
    #[n(1)]
    pub transport: TransportKey,
    /// Its key for bundles.
    #[n(2)]
    pub hpke: HpkeKey,
    /// The key of the officer who carries it.
    #[n(3)]
    pub officer: PublicKey,
}

/// A laptop's certificates and what they rest on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// Sealed statements of the bureau, learnable in order, the two new certificates among them.
    #[n(0)]
    pub statements: Vec<Bytes>,
    /// The device's certificate.
    #[n(1)]
    pub device: CertificateId,
    /// The officer's certificate for this laptop.
    #[n(2)]
    pub officer: CertificateId,
    /// The officer's name, for `login`.
    #[n(3)]
    pub officer_name: String,
    /// Where the home node is reached.
    #[n(4)]
    pub addresses: Vec<String>,
}

const HELLO: u8 = 1;
const STATEMENTS: u8 = 2;
const AGREEMENTS: u8 = 3;
const PUSH: u8 = 4;
const ACK: u8 = 5;
const EQUALITY: u8 = 6;
const TIPS: u8 = 7;
const DECLINED: u8 = 8;
const REFUSAL: u8 = 9;
const JOIN: u8 = 10;
const WELCOME: u8 = 11;
const WANT: u8 = 12;
const CURSOR: u8 = 15;
const PASSES: u8 = 13;
const ONWARD: u8 = 14;
const LEDGER: u8 = 16;
const COMPACTS: u8 = 17;
/// A push whose segments are terse: the only type of version 3.
const TERSE: u8 = 18;
const SYMBOLS: u8 = 19;
const DIFFERS: u8 = 20;
const NAMED: u8 = 21;
const AHEAD: u8 = 22;
const MARK: u8 = 23;
const HEARD: u8 = 24;
const PARTS_WANTED: u8 = 25;
const PART: u8 = 26;
const NO_PART: u8 = 27;

/// The version byte of a message: that of the first version that knew its type.
fn version_of(kind: u8) -> u8 {
    match kind {
        TERSE => 3,
        SYMBOLS | DIFFERS | NAMED => 4,
        AHEAD => 5,
        MARK | HEARD => 6,
        PARTS_WANTED | PART | NO_PART => PARTS_SINCE,
        _ => OLDEST,
    }
}

/// Whether a message we made makes sense where nobody answers it.
pub(crate) fn is_for_bundles(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(&(STATEMENTS | AGREEMENTS | COMPACTS | LEDGER | PUSH | TERSE | PASSES | ONWARD)))
}

/// Whether a message we made asks for a document from its beginning.
pub(crate) fn asks_anew(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&WANT)
}

/// Why received bytes are no message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// Shorter than version and type.
    #[error("message of {0} bytes has no header")]
    Short(usize),
    /// Another version.
    #[error("wire version {0} is not {OLDEST} to {VERSION}, or does not know this type")]
    Version(u8),
    /// Unknown type.
    #[error("message type {0} is not known")]
    Type(u8),
    /// Above the bound of its type.
    #[error("message type {kind} of {found} bytes is above {bound}")]
    Size {
        /// Its type.
        kind: u8,
        /// Its size.
        found: usize,
        /// The bound.
        bound: usize,
    },
    /// The body is not the canonical encoding of its type.
    #[error("message type {kind}: {why}")]
    Body {
        /// Its type.
        kind: u8,
        /// What the decoder says.
        why: String,
    },
    /// More entries than the bound.
    #[error("message type {0}: too many entries")]
    Entries(u8),
    /// A seal inside does not verify.
    #[error("seal: {0}")]
    Seal(String),
    /// Terse segments that do not read back.
    #[error("terse segments do not read back")]
    Terse,
    /// A segment inside is malformed.
    #[error("segment: {0}")]
    Segment(String),
}

impl Message {
    /// The message's bytes for a node that speaks `version`: pushes are terse where it can read that and it makes them shorter.
    pub fn encode_for(&self, version: u8) -> Vec<u8> {
        match self {
            Message::Push(push) if version >= 3 && !push.segments.is_empty() => push.terse().unwrap_or_else(|| self.encode()),
            _ => self.encode(),
        }
    }

    /// The message's bytes, as every version reads them.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Message::Hello(body) => (HELLO, canon::encode(body)),
            Message::Statements(items) => (STATEMENTS, canon::encode(&List { items: items.clone() })),
            Message::Agreements(items) => (AGREEMENTS, canon::encode(&List { items: items.clone() })),
            Message::Compacts(items) => (COMPACTS, canon::encode(&List { items: items.clone() })),
            Message::Ledger(items) => (LEDGER, canon::encode(&List { items: items.clone() })),
            Message::Push(body) => (PUSH, canon::encode(body)),
            Message::Ack(value) => (ACK, canon::encode(&Number { value: *value })),
            Message::Mark(value) => (MARK, canon::encode(&Number { value: *value })),
            Message::Heard(value) => (HEARD, canon::encode(&Number { value: *value })),
            Message::Equality { sum, count, policy } => {
                (EQUALITY, canon::encode(&EqualityBody { sum: *sum, count: *count, policy: *policy }))
            }
            Message::Tips { lines, last } => (TIPS, canon::encode(&TipsBody { lines: lines.clone(), last: *last })),
            Message::Symbols { nonce, from, symbols } => {
                (SYMBOLS, canon::encode(&SymbolsBody { nonce: *nonce, from: *from, symbols: symbols.clone() }))
            }
            Message::Differs { nonce, wanted, items } => {
                (DIFFERS, canon::encode(&DiffersBody { nonce: *nonce, wanted: *wanted, items: items.clone() }))
            }
            Message::Named(documents) => (NAMED, canon::encode(&NamedBody { documents: documents.clone() })),
            Message::Ahead { documents, of } => (AHEAD, canon::encode(&AheadBody { documents: *documents, of: *of })),
            Message::Declined { document, reason, reference } => {
                (DECLINED, canon::encode(&DeclinedBody { document: *document, reason: *reason, reference: *reference }))
            }
            Message::Refusal { reason, reference } => (REFUSAL, canon::encode(&RefusalBody { reason: *reason, reference: *reference })),
            Message::Cursor(cursor) => (CURSOR, canon::encode(&CursorMessage { cursor: cursor.clone() })),
            Message::Passes(items) => (PASSES, canon::encode(&List { items: items.clone() })),
            Message::Onward(items) => (ONWARD, canon::encode(&List { items: items.clone() })),
            Message::PartsWanted(body) => (PARTS_WANTED, canon::encode(body)),
            Message::Part(body) => (PART, canon::encode(body)),
            Message::NoPart(body) => (NO_PART, canon::encode(body)),
            Message::Want(document) => (WANT, canon::encode(&WantBody { document: *document })),
            Message::Join(body) => (JOIN, canon::encode(body)),
            Message::Welcome(body) => (WELCOME, canon::encode(body)),
        };
        let mut out = Vec::with_capacity(body.len() + 2);
        out.extend_from_slice(&[version_of(kind), kind]);
        out.extend_from_slice(&body);
        out
    }

    /// Reads a message; nothing in it is verified.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut message, spelt_out) = Self::decode_apart(bytes)?;
        if let Message::Push(push) = &mut message {
            push.segments.extend(spelt_out.iter().map(|segment| Bytes(segment.bytes().to_vec())));
        }
        Ok(message)
    }

    /// As [`Message::decode`], with the segments of a terse push apart, as they were put together.
    fn decode_apart(bytes: &[u8]) -> Result<(Self, Vec<EncodedSegment>), WireError> {
        let mut spelt_out = Vec::new();
        let [version, kind, body @ ..] = bytes else { return Err(WireError::Short(bytes.len())) };
        let (version, kind) = (*version, *kind);
        if version != version_of(kind) {
            return Err(WireError::Version(version));
        }
        let bound = match kind {
            TERSE | PUSH | HELLO | STATEMENTS | WELCOME | PASSES | ONWARD | LEDGER | COMPACTS | SYMBOLS | DIFFERS | PART => {
                limits::FRAME_BYTES_MAX
            }
            PARTS_WANTED | NO_PART | AGREEMENTS | ACK | MARK | HEARD | EQUALITY | TIPS | DECLINED | REFUSAL | JOIN | WANT | CURSOR
            | NAMED | AHEAD => limits::CONTROL_BYTES_MAX,
            other => return Err(WireError::Type(other)),
        };
        if bytes.len() > bound {
            return Err(WireError::Size { kind, found: bytes.len(), bound });
        }
        let why = |error: canon::CanonError| WireError::Body { kind, why: error.to_string() };
        let entries = |count: usize, most: usize| if count > most { Err(WireError::Entries(kind)) } else { Ok(()) };
        let message = match kind {
            HELLO => {
                let hello: Hello = canon::decode(body).map_err(why)?;
                entries(hello.statements.len(), 1_024)?;
                Message::Hello(hello)
            }
            STATEMENTS => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), 1_024)?;
                Message::Statements(list.items)
            }
            AGREEMENTS => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), 4 * limits::AGREEMENT_STATEMENTS_MAX)?;
                Message::Agreements(list.items)
            }
            COMPACTS => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), limits::COMPACTS_PAGE)?;
                Message::Compacts(list.items)
            }
            PASSES => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), limits::PASSES_PAGE)?;
                Message::Passes(list.items)
            }
            ONWARD => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), limits::ONWARD_PAGE)?;
                Message::Onward(list.items)
            }
            LEDGER => {
                let list: List = canon::decode(body).map_err(why)?;
                entries(list.items.len(), limits::LINES_PER_MESSAGE)?;
                Message::Ledger(list.items)
            }
            PUSH | TERSE => {
                let push: Push = if kind == PUSH {
                    canon::decode(body).map_err(why)?
                } else {
                    let terse: TersePush = canon::decode(body).map_err(why)?;
                    let (push, segments) = terse.spelt_out().ok_or(WireError::Terse)?;
                    spelt_out = segments;
                    push
                };
                entries(push.openings.as_ref().map_or(0, Vec::len), limits::HIDDEN_MAX)?;
                entries(push.receipts.as_ref().map_or(0, Vec::len), limits::RECEIPTS_PER_PUSH)?;
                entries(push.evidence.len(), limits::EVIDENCE_MAX)?;
                entries(push.records.len(), 1_024)?;
                entries(push.segments.len() + spelt_out.len(), 1_024)?;
                Message::Push(push)
            }
            ACK => Message::Ack(canon::decode::<Number>(body).map_err(why)?.value),
            MARK => Message::Mark(canon::decode::<Number>(body).map_err(why)?.value),
            HEARD => Message::Heard(canon::decode::<Number>(body).map_err(why)?.value),
            EQUALITY => {
                let body: EqualityBody = canon::decode(body).map_err(why)?;
                Message::Equality { sum: body.sum, count: body.count, policy: body.policy }
            }
            TIPS => {
                let body: TipsBody = canon::decode(body).map_err(why)?;
                entries(body.lines.len(), limits::TIPS_PAGE)?;
                Message::Tips { lines: body.lines, last: body.last }
            }
            SYMBOLS => {
                let body: SymbolsBody = canon::decode(body).map_err(why)?;
                let count = body.symbols.0.len() / SYMBOL_BYTES;
                entries(count.saturating_add(body.from as usize), limits::SYMBOLS_MAX)?;
                if count == 0 || !body.symbols.0.len().is_multiple_of(SYMBOL_BYTES) {
                    return Err(WireError::Body { kind, why: "no whole symbols".to_owned() });
                }
                Message::Symbols { nonce: body.nonce, from: body.from, symbols: body.symbols }
            }
            DIFFERS => {
                let body: DiffersBody = canon::decode(body).map_err(why)?;
                entries(body.items.0.len() / 8, limits::SYMBOLS_MAX)?;
                entries(body.wanted.map_or(0, |wanted| wanted as usize), limits::SYMBOLS_MAX)?;
                if !body.items.0.len().is_multiple_of(8) || (body.wanted.is_some() && !body.items.0.is_empty()) {
                    return Err(WireError::Body { kind, why: "neither items nor a wish".to_owned() });
                }
                Message::Differs { nonce: body.nonce, wanted: body.wanted, items: body.items }
            }
            NAMED => {
                let body: NamedBody = canon::decode(body).map_err(why)?;
                entries(body.documents.len(), limits::NAMED_PAGE)?;
                Message::Named(body.documents)
            }
            PARTS_WANTED => {
                let body: PartsWanted = canon::decode(body).map_err(why)?;
                entries(body.parts.len(), limits::PARTS_WANTED_PAGE)?;
                Message::PartsWanted(body)
            }
            PART => {
                let body: Part = canon::decode(body).map_err(why)?;
                if !(part::SALT_BYTES..=limits::PART_BYTES_MAX).contains(&body.bytes.0.len()) {
                    return Err(WireError::Body { kind, why: "no part has so many bytes".to_owned() });
                }
                Message::Part(body)
            }
            NO_PART => Message::NoPart(canon::decode(body).map_err(why)?),
            AHEAD => {
                let body: AheadBody = canon::decode(body).map_err(why)?;
                if body.documents > body.of {
                    return Err(WireError::Body { kind, why: "more to come than there is".to_owned() });
                }
                if body.of > limits::AHEAD_DOCUMENTS_MAX {
                    return Err(WireError::Body { kind, why: "more documents than a node can hold".to_owned() });
                }
                Message::Ahead { documents: body.documents, of: body.of }
            }
            DECLINED => {
                let body: DeclinedBody = canon::decode(body).map_err(why)?;
                Message::Declined { document: body.document, reason: body.reason, reference: body.reference }
            }
            REFUSAL => {
                let body: RefusalBody = canon::decode(body).map_err(why)?;
                Message::Refusal { reason: body.reason, reference: body.reference }
            }
            WANT => Message::Want(canon::decode::<WantBody>(body).map_err(why)?.document),
            CURSOR => Message::Cursor(canon::decode::<CursorMessage>(body).map_err(why)?.cursor),
            JOIN => Message::Join(canon::decode(body).map_err(why)?),
            _ => {
                let welcome: Welcome = canon::decode(body).map_err(why)?;
                entries(welcome.statements.len(), 1_024)?;
                Message::Welcome(welcome)
            }
        };
        Ok((message, spelt_out))
    }
}
