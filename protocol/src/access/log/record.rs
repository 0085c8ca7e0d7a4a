//! Records after the genesis: what the owner's registrar states about a document.

use accord_keys::certificate::{Issuer, MemberCertificate};
use accord_keys::seal::{Malformed, Sealed, Statement};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::genesis::Grantee;
use super::order::{Order, OrderAct, is_listed};
use crate::access::consent::Consent;
use crate::agreement::{Tlp, Verb};
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

/// Why a document ends. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum EndKind {
    /// Its time of keeping is over.
    #[n(1)]
    Retention,
    /// The owner never meant it, or means it no longer.
    #[n(2)]
    Disown,
}

impl EndKind {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            EndKind::Retention => "retention",
            EndKind::Disown => "disown",
        }
    }
}

/// What a record does. An `order` is the bytes of an officer's sealed [`Order`]; empty where the machine states something by itself.
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
    /// Takes verbs from a subject beyond a frontier. The order is empty where the registrar cuts by itself: after a revocation, an end.
    #[n(4)]
    Cut(#[n(0)] Subject, #[n(1)] Vec<Verb>, #[n(2)] Vec<FrontierLine>, #[n(3)] bool, #[n(4)] Bytes),
    /// The acts of these changes count no more; reason and order.
    #[n(5)]
    Void(#[n(0)] Vec<ChangeHash>, #[n(1)] String, #[n(2)] Bytes),
    /// A stricter traffic light; the bureaus named may not hold the document under it and lose it with this record. Order.
    #[n(6)]
    Reclassify(#[n(0)] Tlp, #[n(1)] Vec<BureauId>, #[n(2)] Bytes),
    /// These erasable parts are removed everywhere; history, signatures and proofs stay. Order.
    #[n(7)]
    Erase(#[n(0)] Vec<Digest>, #[n(1)] Bytes),
    /// Nothing counts after this; the id stays for ever. The order is empty only where the time of keeping is over.
    #[n(8)]
    End(#[n(0)] EndKind, #[n(1)] Bytes),
    /// An anchor an officer ordered: it also lets in what is held in the past of its tips.
    #[n(9)]
    Admit(#[n(0)] Vec<ChangeHash>, #[n(1)] Bytes),
    /// After a fork: names all heads; the record before it is the one that goes on. `true` says that the key behind the others is in other
    /// hands, so that what they took away counts no more: that takes an order and a newer appointment. Else the order is empty.
    #[n(10)]
    Continue(#[n(0)] Vec<RecordId>, #[n(1)] bool, #[n(2)] Bytes),
    /// Lets bureaus in with the consent of those who wrote before; order and sealed consents, these ascending by bytes.
    #[n(11)]
    GrantWith(#[n(0)] Vec<Grantee>, #[n(1)] Bytes, #[n(2)] Vec<Bytes>),
}

impl RecordKind {
    /// Who it lets in.
    pub fn grantees(&self) -> &[Grantee] {
        match self {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => grantees,
            _ => &[],
        }
    }
    /// The sealed consents it embeds.
    pub fn sealed_consents(&self) -> &[Bytes] {
        if let RecordKind::GrantWith(_, _, consents) = self { consents } else { &[] }
    }
    /// The consents it embeds, as claimed.
    pub fn consents(&self) -> Vec<Consent> {
        let read = |bytes: &Bytes| Sealed::<Consent>::from_bytes(&bytes.0).ok().map(|sealed| sealed.claimed().clone());
        self.sealed_consents().iter().filter_map(read).collect()
    }
    /// The stable word.
    pub const fn word(&self) -> &'static str {
        match self {
            RecordKind::Adopt(..) => "adopt",
            RecordKind::Anchor(_) => "anchor",
            RecordKind::Grant(..) | RecordKind::GrantWith(..) => "grant",
            RecordKind::Cut(..) => "cut",
            RecordKind::Void(..) => "void",
            RecordKind::Reclassify(..) => "reclassify",
            RecordKind::Erase(..) => "erase",
            RecordKind::End(..) => "end",
            RecordKind::Admit(..) => "admit",
            RecordKind::Continue(..) => "continue",
        }
    }
    /// The embedded order's bytes; `None` where the kind never has one or the machine states it by itself.
    pub fn order(&self) -> Option<&Bytes> {
        let order = match self {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => return None,
            RecordKind::Grant(_, order)
            | RecordKind::GrantWith(_, order, _)
            | RecordKind::Cut(_, _, _, _, order)
            | RecordKind::Void(_, _, order)
            | RecordKind::Reclassify(_, _, order)
            | RecordKind::Erase(_, order)
            | RecordKind::End(_, order)
            | RecordKind::Admit(_, order)
            | RecordKind::Continue(_, _, order) => order,
        };
        (!order.0.is_empty()).then_some(order)
    }
    /// What an order must say to support this record; `None` for what needs none.
    pub fn ordered_act(&self) -> Option<OrderAct> {
        Some(match self {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => return None,
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => OrderAct::Grant(grantees.clone()),
            RecordKind::Cut(subject, verbs, _, strict, _) => OrderAct::Cut(subject.clone(), verbs.clone(), *strict),
            RecordKind::Void(changes, reason, _) => OrderAct::Void(changes.clone(), reason.clone()),
            RecordKind::Reclassify(tlp, narrowed, _) => OrderAct::Reclassify(*tlp, narrowed.clone()),
            RecordKind::Erase(blobs, _) => OrderAct::Erase(blobs.clone()),
            RecordKind::End(kind, _) => OrderAct::End(*kind),
            RecordKind::Admit(tips, _) => OrderAct::Admit(tips.clone()),
            RecordKind::Continue(heads, _, _) => OrderAct::Continue(heads.clone()),
        })
    }
    /// Whether rules version 2 lets the registrar's machine state it without an order.
    pub const fn may_be_machine_made(&self) -> bool {
        matches!(
            self,
            RecordKind::Adopt(..)
                | RecordKind::Anchor(_)
                | RecordKind::Cut(..)
                | RecordKind::End(EndKind::Retention, _)
                | RecordKind::Continue(_, false, _)
        )
    }
    /// Whether rules version 1 knows it.
    pub const fn is_first(&self) -> bool {
        matches!(self, RecordKind::Adopt(..) | RecordKind::Anchor(_) | RecordKind::Grant(..) | RecordKind::Cut(..))
    }
    /// Whether it may use the last places of a log: it takes away, or heals.
    const fn is_reserved_for(&self) -> bool {
        matches!(self, RecordKind::Cut(..) | RecordKind::Void(..) | RecordKind::Erase(..) | RecordKind::End(..) | RecordKind::Continue(..))
    }
    /// The officer whose sealed order it embeds, as claimed.
    pub fn ordering_officer(&self) -> Option<CertificateId> {
        Sealed::<Order>::from_bytes(&self.order()?.0).ok().map(|sealed| sealed.claimed().officer)
    }
    /// Every officer whose word it embeds: who ordered, who consented, as claimed.
    pub fn officers(&self) -> impl Iterator<Item = CertificateId> {
        self.ordering_officer().into_iter().chain(self.consents().into_iter().map(|consent| consent.officer))
    }
    /// The tips it settles.
    pub fn anchors(&self) -> &[ChangeHash] {
        match self {
            RecordKind::Adopt(_, tips) | RecordKind::Anchor(tips) | RecordKind::Admit(tips, _) => tips,
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
        if self.index >= limits::RECORDS_MAX - limits::RECORDS_RESERVED && !self.kind.is_reserved_for() {
            return bad("the last records of a log are for taking access away and for healing");
        }
        let first = matches!(self.kind, RecordKind::Adopt(..) | RecordKind::End(EndKind::Disown, _));
        if self.index == 1 && !first {
            return bad("record 1 is adopt, or end by disowning");
        }
        match &self.kind {
            RecordKind::Adopt(number, tips) => {
                if self.index != 1 {
                    return bad("adopt is record 1");
                }
                if number.is_empty() || number.len() > 120 || number.chars().any(char::is_control) {
                    return bad("number must have 1 to 120 bytes and no control characters");
                }
                if !is_listed(tips, 0, limits::TIPS_MAX) {
                    return bad("tips must be ascending, unique and bounded");
                }
            }
            RecordKind::Anchor(tips) | RecordKind::Admit(tips, _) => {
                let most = if matches!(self.kind, RecordKind::Anchor(_)) { limits::TIPS_MAX } else { limits::ADMIT_TIPS_MAX };
                if !is_listed(tips, 1, most) {
                    return bad("tips must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                if let RecordKind::GrantWith(_, _, consents) = &self.kind
                    && !is_listed(consents, 1, limits::CONSENTS_MAX)
                {
                    return bad("consents must be present, ascending, unique and bounded");
                }
                if grantees.is_empty() || grantees.len() > limits::AUDIENCE_MAX || !grantees.windows(2).all(|p| p[0].bureau < p[1].bureau) {
                    return bad("grantees must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Cut(_, verbs, frontier, _, _) => {
                if !is_listed(verbs, 1, 3) {
                    return bad("verbs must be present, ascending and unique");
                }
                if frontier.len() > limits::FRONTIER_MAX || !frontier.windows(2).all(|pair| pair[0].actor < pair[1].actor) {
                    return bad("frontier must be ascending, unique and bounded");
                }
            }
            // What the order says is bounded there, and the record says the same as it.
            RecordKind::Void(changes, reason, _) => {
                if !is_listed(changes, 1, limits::VOIDS_MAX) || reason.is_empty() || reason.len() > limits::REASON_BYTES_MAX {
                    return bad("changes and reason must be present and bounded");
                }
            }
            RecordKind::Reclassify(_, narrowed, _) => {
                if !is_listed(narrowed, 0, limits::AUDIENCE_MAX) {
                    return bad("narrowed bureaus must be ascending, unique and bounded");
                }
            }
            RecordKind::Erase(blobs, _) => {
                if !is_listed(blobs, 1, limits::ERASED_MAX) {
                    return bad("erased parts must be present, ascending, unique and bounded");
                }
            }
            RecordKind::End(..) => {}
            RecordKind::Continue(heads, compromised, order) => {
                if !is_listed(heads, 2, limits::LOG_HEADS_MAX) || heads.binary_search(&self.previous).is_err() {
                    return bad("it names at least two heads, ascending and unique, among them the one that goes on");
                }
                if *compromised == order.0.is_empty() {
                    return bad("an order stands exactly where a key is called compromised");
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
