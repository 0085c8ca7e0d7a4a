//! Records after the genesis: what the owner's registrar states about a document.

use accord_keys::certificate::{Issuer, MemberCertificate};
use accord_keys::seal::{Malformed, Sealed, Statement};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::genesis::Grantee;
use super::order::Order;
use crate::agreement::Verb;
use crate::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, PublicKey, RecordId, RootId, StatementId};
use crate::limits;
use crate::rules::{ActorId, ChangeHash};

/// Whom a cut takes access from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(flat)]
pub enum Subject {
    /// A whole bureau.
    #[n(0)]
    Bureau(#[n(0)] BureauId),
    /// One signing key.
    #[n(1)]
    Key(#[n(0)] PublicKey),
    /// One certificate.
    #[n(2)]
    Certificate(#[n(0)] CertificateId),
    /// A seat of a bureau.
    #[n(3)]
    Seat(#[n(0)] BureauId, #[n(1)] String),
    /// A unit of a bureau.
    #[n(4)]
    Unit(#[n(0)] BureauId, #[n(1)] String),
    /// Everything an issuer issued.
    #[n(5)]
    Issuer(#[n(0)] CertificateId),
    /// Everything issued under one root version.
    #[n(6)]
    Root(#[n(0)] RootId),
}

impl Subject {
    /// Whether the holder of this certificate is meant.
    pub fn covers(&self, id: &CertificateId, certificate: &MemberCertificate) -> bool {
        match self {
            Subject::Bureau(bureau) => certificate.bureau == *bureau,
            Subject::Key(key) => certificate.key == *key,
            Subject::Certificate(cut) => id == cut,
            Subject::Seat(bureau, seat) => certificate.bureau == *bureau && certificate.seats.contains(seat),
            Subject::Unit(bureau, unit) => certificate.bureau == *bureau && certificate.unit == *unit,
            Subject::Issuer(issuer) => certificate.issuer == Issuer::Member(*issuer),
            Subject::Root(root) => certificate.issuer == Issuer::Root(*root),
        }
    }
    /// Stable word for accounts and views.
    pub const fn word(&self) -> &'static str {
        match self {
            Subject::Bureau(_) => "bureau",
            Subject::Key(_) => "key",
            Subject::Certificate(_) => "certificate",
            Subject::Seat(..) => "seat",
            Subject::Unit(..) => "unit",
            Subject::Issuer(_) => "issuer",
            Subject::Root(_) => "root",
        }
    }
}

/// One line of a frontier: the newest position of an actor that a cut leaves standing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct FrontierLine {
    /// The actor.
    #[n(0)]
    pub actor: ActorId,
    /// Position, from 1.
    #[n(1)]
    pub position: u64,
    /// Attestation at that position.
    #[n(2)]
    pub attestation: Digest,
}

/// What a record does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum RecordKind {
    /// The owner confirms the document: first anchor, official number.
    #[n(1)]
    Adopt(#[n(0)] String, #[n(1)] Vec<ChangeHash>),
    /// Settles everything in the causal past of these tips.
    #[n(2)]
    Anchor(#[n(0)] Vec<ChangeHash>),
    /// Lets bureaus in; embeds the officer's order.
    #[n(3)]
    Grant(#[n(0)] Vec<Grantee>, #[n(1)] Bytes),
    /// Takes verbs from a subject beyond a frontier; embeds the officer's order.
    #[n(4)]
    Cut(#[n(0)] Subject, #[n(1)] Vec<Verb>, #[n(2)] Vec<FrontierLine>, #[n(3)] bool, #[n(4)] Bytes),
}

impl RecordKind {
    /// The stable word.
    pub const fn word(&self) -> &'static str {
        match self {
            RecordKind::Adopt(..) => "adopt",
            RecordKind::Anchor(_) => "anchor",
            RecordKind::Grant(..) => "grant",
            RecordKind::Cut(..) => "cut",
        }
    }
    /// The officer whose sealed order it embeds, as claimed.
    pub fn ordering_officer(&self) -> Option<CertificateId> {
        match self {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => None,
            RecordKind::Grant(_, order) | RecordKind::Cut(_, _, _, _, order) => {
                Sealed::<Order>::from_bytes(&order.0).ok().map(|sealed| sealed.claimed().officer)
            }
        }
    }
    /// The tips it settles.
    pub fn anchors(&self) -> &[ChangeHash] {
        match self {
            RecordKind::Adopt(_, tips) | RecordKind::Anchor(tips) => tips,
            _ => &[],
        }
    }
}

/// A record after the genesis, sealed by the owner's registrar.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Place in the log, from 1.
    #[n(1)]
    pub index: u32,
    /// The record before it; record 0 is the genesis and has the document's own 32 bytes.
    #[n(2)]
    pub previous: RecordId,
    /// The sealing registrar.
    #[n(3)]
    pub registrar: CertificateId,
    /// The appointment it acts under: evidence by hash, so a later rival changes nothing here.
    #[n(4)]
    pub appointment: StatementId,
    /// What it does.
    #[n(5)]
    pub kind: RecordKind,
    /// When, by the registrar's clock.
    #[n(6)]
    pub at: WallSeconds,
}

impl Statement for Record {
    const TYPE: StatementType = StatementType::Record;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("record", what));
        if self.index == 0 || self.index >= limits::RECORDS_MAX {
            return bad("record index outside its bound");
        }
        let taking_away = matches!(self.kind, RecordKind::Cut(..));
        if self.index >= limits::RECORDS_MAX - limits::RECORDS_RESERVED && !taking_away {
            return bad("the last records of a log are for taking access away");
        }
        let ascending = |tips: &[ChangeHash]| tips.windows(2).all(|pair| pair[0] < pair[1]);
        match &self.kind {
            RecordKind::Adopt(number, tips) => {
                if self.index != 1 {
                    return bad("adopt is record 1");
                }
                if number.is_empty() || number.len() > 120 || number.chars().any(char::is_control) {
                    return bad("number must have 1 to 120 bytes and no control characters");
                }
                if tips.len() > limits::TIPS_MAX || !ascending(tips) {
                    return bad("tips must be ascending, unique and bounded");
                }
            }
            RecordKind::Anchor(tips) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if tips.is_empty() || tips.len() > limits::TIPS_MAX || !ascending(tips) {
                    return bad("tips must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Grant(grantees, _) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if grantees.is_empty() || grantees.len() > limits::AUDIENCE_MAX || !grantees.windows(2).all(|p| p[0].bureau < p[1].bureau) {
                    return bad("grantees must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Cut(_, verbs, frontier, _, _) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if verbs.is_empty() || !verbs.windows(2).all(|pair| pair[0] < pair[1]) {
                    return bad("verbs must be present, ascending and unique");
                }
                if frontier.len() > limits::FRONTIER_MAX || !frontier.windows(2).all(|pair| pair[0].actor < pair[1].actor) {
                    return bad("frontier must be ascending, unique and bounded");
                }
            }
        }
        Ok(())
    }
}

/// Why a record is not part of a log, now or ever.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// Never: the record itself is wrong.
    #[error("record is malformed: {0}")]
    Malformed(&'static str),
    /// Not yet: the record before it is missing.
    #[error("record {0} before it is missing")]
    Waiting(RecordId),
    /// Not yet: a certificate or appointment it names is missing.
    #[error("evidence named by the record is missing: {0}")]
    MissingEvidence(&'static str),
}
