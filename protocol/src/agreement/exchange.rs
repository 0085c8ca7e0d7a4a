//! How an agreement comes to stand: offer, accept, conclude.
//!
//! Three statements of different type. An **offer** holds the terms, sealed by an officer of the offerer; it expires. An **accept** names
//! the offer by its id, which is the hash of the very bytes the offerer sealed: so both sides seal the same bytes. **Conclude**, by the
//! offerer's registrar, spends the version number; without it nothing is in force. A day's emergency agreement needs no conclusion and
//! spends no number. What stands is decided in [`super::book`].

use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::Terms;
use super::lifecycle::{Notice, Resume, Suspend};
use crate::family::family;
use crate::id::{AgreementId, BureauId, CertificateId, Nonce, StatementId};

pub use super::book::{AgreementBook, Clause, Entry};
pub use super::lifecycle::Standing;

/// Terms offered by one bureau to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// Who offers; its officer seals this.
    #[n(0)]
    pub offerer: BureauId,
    /// Who may accept.
    #[n(1)]
    pub acceptor: BureauId,
    /// From 1; one more than the version it follows. 0 in an emergency agreement, which stands beside the versions.
    #[n(2)]
    pub version: u32,
    /// The version it follows.
    #[n(3)]
    pub previous: Option<AgreementId>,
    /// The terms.
    #[n(4)]
    pub terms: Terms,
    /// When it was sealed, by its officer's clock.
    #[n(5)]
    pub at: WallSeconds,
    /// Not to be accepted after this.
    #[n(6)]
    pub expires: WallSeconds,
    /// The sealing officer.
    #[n(7)]
    pub officer: CertificateId,
    /// Makes equal offers differ.
    #[n(8)]
    pub nonce: Nonce,
}

impl Statement for Offer {
    const TYPE: StatementType = StatementType::Offer;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("offer", what));
        if self.offerer == self.acceptor {
            return bad("an agreement needs two bureaus");
        }
        if (self.version == 0) != self.terms.is_emergency() {
            return bad("an emergency agreement, and nothing else, has version 0");
        }
        if (self.version <= 1) != self.previous.is_none() {
            return bad("version 1 follows nothing, every other version names the one it follows");
        }
        if self.expires <= self.at {
            return bad("the offer expires before it is made");
        }
        self.terms.validate().map_err(|error| Malformed::new("terms", error.to_string()))
    }
}

/// The other side seals the same bytes by naming the offer, or the resume.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Accept {
    /// The offer, or the resume.
    #[n(0)]
    pub offer: AgreementId,
    /// The sealing officer.
    #[n(1)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(2)]
    pub at: WallSeconds,
}
impl Statement for Accept {
    const TYPE: StatementType = StatementType::Accept;
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// The offerer's registrar spends the version number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Conclude {
    /// The offer.
    #[n(0)]
    pub offer: AgreementId,
    /// The accept statement.
    #[n(1)]
    pub accept: StatementId,
    /// The offerer's registrar.
    #[n(2)]
    pub registrar: CertificateId,
    /// Its epoch.
    #[n(3)]
    pub epoch: u32,
    /// When, by the registrar's clock.
    #[n(4)]
    pub at: WallSeconds,
}
impl Statement for Conclude {
    const TYPE: StatementType = StatementType::Conclude;
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// No, with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Decline {
    /// The offer.
    #[n(0)]
    pub offer: AgreementId,
    /// The sealing officer.
    #[n(1)]
    pub officer: CertificateId,
    /// At most 500 bytes.
    #[n(2)]
    pub reason: String,
    /// When, by the officer's clock.
    #[n(3)]
    pub at: WallSeconds,
}
impl Statement for Decline {
    const TYPE: StatementType = StatementType::Decline;
    fn validate(&self) -> Result<(), Malformed> {
        if self.reason.len() > 500 || self.reason.chars().any(char::is_control) {
            return Err(Malformed::new("reason", "longer than 500 bytes or with control characters"));
        }
        Ok(())
    }
}

/// A verified statement of the exchange.
#[derive(Clone, Debug)]
pub enum AgreementStatement {
    /// See [`Offer`].
    Offer(Verified<Offer>),
    /// See [`Accept`].
    Accept(Verified<Accept>),
    /// See [`Conclude`].
    Conclude(Verified<Conclude>),
    /// See [`Decline`].
    Decline(Verified<Decline>),
    /// See [`Suspend`].
    Suspend(Verified<Suspend>),
    /// See [`Resume`].
    Resume(Verified<Resume>),
    /// See [`Notice`].
    Notice(Verified<Notice>),
}

family!(AgreementStatement: Offer, Accept, Conclude, Decline, Suspend, Resume, Notice);

impl AgreementStatement {
    /// When it was sealed, by its sealer's clock.
    pub fn at(&self) -> WallSeconds {
        match self {
            Self::Offer(s) => s.body().at,
            Self::Accept(s) => s.body().at,
            Self::Conclude(s) => s.body().at,
            Self::Decline(s) => s.body().at,
            Self::Suspend(s) => s.body().at,
            Self::Resume(s) => s.body().at,
            Self::Notice(s) => s.body().at,
        }
    }
    /// The officer who sealed it; none for a conclusion, which is the registrar's.
    pub fn officer(&self) -> Option<CertificateId> {
        match self {
            Self::Offer(s) => Some(s.body().officer),
            Self::Accept(s) => Some(s.body().officer),
            Self::Decline(s) => Some(s.body().officer),
            Self::Suspend(s) => Some(s.body().officer),
            Self::Resume(s) => Some(s.body().officer),
            Self::Notice(s) => Some(s.body().officer),
            Self::Conclude(_) => None,
        }
    }
    /// The offer it is or speaks of; of an accept of a resume, that resume.
    pub fn offer(&self) -> AgreementId {
        match self {
            Self::Offer(s) => AgreementId(s.id().0),
            Self::Accept(s) => s.body().offer,
            Self::Conclude(s) => s.body().offer,
            Self::Decline(s) => s.body().offer,
            Self::Suspend(s) => s.body().agreement,
            Self::Resume(s) => s.body().agreement,
            Self::Notice(s) => s.body().agreement,
        }
    }
    /// The stable word for accounts and events.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Offer(_) => "offered",
            Self::Accept(_) => "accepted",
            Self::Conclude(_) => "concluded",
            Self::Decline(_) => "declined",
            Self::Suspend(_) => "suspended",
            Self::Resume(_) => "resume_offered",
            Self::Notice(_) => "notice",
        }
    }
}

/// Why a statement of the exchange is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExchangeError {
    /// It speaks of an offer we do not hold.
    #[error("offer {0} is not known here")]
    UnknownOffer(AgreementId),
    /// The sealing certificate is unknown, of another bureau, or lacks the capability.
    #[error("the statement is not sealed by an officer of {0} who may say so")]
    WrongSigner(BureauId),
    /// Not sealed by the registrar of the epoch it names.
    #[error("the conclusion is not sealed by the registrar of {0}")]
    WrongRegistrar(BureauId),
    /// A conclusion without its accept.
    #[error("the accept {0} is not known here")]
    UnknownAccept(StatementId),
    /// It follows a version that is not the pair's newest.
    #[error("version {found} does not follow version {newest}")]
    WrongVersion {
        /// What it claims.
        found: u32,
        /// The newest concluded version.
        newest: u32,
    },
    /// It names as the version it follows what is not the concluded version before it.
    #[error("agreement {0} is not the concluded version before this one")]
    WrongPrevious(AgreementId),
    /// An emergency agreement is in force from its accept.
    #[error("agreement {0} is not one to conclude")]
    NothingToConclude(AgreementId),
    /// What was never sealed by both can neither be suspended, resumed nor ended.
    #[error("agreement {0} was never concluded")]
    NotConcluded(AgreementId),
    /// It ends sooner than was agreed.
    #[error("the notice ends the agreement in less than the {0} days agreed")]
    NoticeTooShort(u32),
    /// Neither party is this bureau.
    #[error("the agreement is between other bureaus")]
    NotOurs,
}
