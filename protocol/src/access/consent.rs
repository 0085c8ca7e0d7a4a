//! Asking onward, and the consent of those who wrote.
//!
//! A holder that wants a third bureau to have a document asks its owner ([`OnwardAsk`]); the owner answers with a record that lets the third
//! bureau in by way of the asker, or with [`OnwardRefuse`]. Where other bureaus wrote before the third one came, the owner first asks each
//! of them ([`ConsentAsk`]); each answers with a sealed [`Consent`], which the record embeds, or refuses. Silence is a no.
//!
//! Asks and answers travel over the link of the two bureaus concerned and nowhere else; only consents travel on, inside the record.

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, SealError, Sealed, Statement, Verified};
use accord_keys::text::check_text;
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::log::RecordError;
use crate::agreement::annex::Urgency;
use crate::agreement::{Tlp, Verb};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, Nonce, StatementId};
use crate::limits;

/// A holder asks the owner to let a third bureau in. Sealed by an officer of the asker with `invite`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OnwardAsk {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Who asks, and by way of whom it would go.
    #[n(1)]
    pub via: BureauId,
    /// For whom.
    #[n(2)]
    pub recipient: BureauId,
    /// The recipient's name as the asker knows it: a claim.
    #[n(3)]
    pub recipient_name: String,
    /// `Read` or `Append`.
    #[n(4)]
    pub verb: Verb,
    /// What for, 1 to 500 bytes.
    #[n(5)]
    pub purpose: String,
    /// How soon.
    #[n(6)]
    pub urgency: Urgency,
    /// Without an answer by then the ask has lapsed.
    #[n(7)]
    pub answer_by: WallSeconds,
    /// The asking officer.
    #[n(8)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(9)]
    pub at: WallSeconds,
    /// Makes equal asks differ.
    #[n(10)]
    pub nonce: Nonce,
}

/// The owner asks a bureau that wrote whether a further one may read it. Sealed by the owner's officer who orders the grant.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ConsentAsk {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Who is asked.
    #[n(1)]
    pub contributor: BureauId,
    /// For whom.
    #[n(2)]
    pub recipient: BureauId,
    /// The recipient's name as the owner knows it: a claim.
    #[n(3)]
    pub recipient_name: String,
    /// `Read` or `Append`.
    #[n(4)]
    pub verb: Verb,
    /// Up to what.
    #[n(5)]
    pub tlp: Tlp,
    /// Until when; none: as long as the grant stands.
    #[n(6)]
    pub until: Option<WallSeconds>,
    /// What for, at most 500 bytes.
    #[n(7)]
    pub purpose: String,
    /// The ordering officer of the owner.
    #[n(8)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(9)]
    pub at: WallSeconds,
    /// Makes equal asks differ.
    #[n(10)]
    pub nonce: Nonce,
}

/// No, to an [`OnwardAsk`] or a [`ConsentAsk`]. Sealed by an officer of the asked bureau with `order`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OnwardRefuse {
    /// The ask.
    #[n(0)]
    pub ask: StatementId,
    /// The refusing officer.
    #[n(1)]
    pub officer: CertificateId,
    /// Why, at most 500 bytes.
    #[n(2)]
    pub reason: String,
    /// When, by the officer's clock.
    #[n(3)]
    pub at: WallSeconds,
}

/// A bureau that wrote in a document agrees that a further one gets it. Sealed by its officer with `order`; embedded in the grant.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Consent {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Who consents.
    #[n(1)]
    pub contributor: BureauId,
    /// For whom.
    #[n(2)]
    pub recipient: BureauId,
    /// The strongest verb it consents to.
    #[n(3)]
    pub verb: Verb,
    /// Up to what.
    #[n(4)]
    pub tlp: Tlp,
    /// Until when; none: as long as the grant stands.
    #[n(5)]
    pub until: Option<WallSeconds>,
    /// The consenting officer.
    #[n(6)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(7)]
    pub at: WallSeconds,
    /// Makes equal consents differ.
    #[n(8)]
    pub nonce: Nonce,
}

fn plain(field: &'static str, text: &str) -> Result<(), Malformed> {
    let good = text.len() <= limits::PURPOSE_BYTES_MAX && crate::act::is_plain(text);
    Malformed::unless(good, field, "must have at most 500 bytes and no control characters")
}
fn verb(verb: Verb) -> Result<(), Malformed> {
    Malformed::unless(matches!(verb, Verb::Read | Verb::Append), "verb", "is read or append")
}

impl Statement for OnwardAsk {
    const TYPE: StatementType = StatementType::OnwardAsk;
    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.via != self.recipient, "recipient", "is the asker")?;
        verb(self.verb)?;
        check_text("recipient_name", &self.recipient_name, 96)?;
        plain("purpose", &self.purpose)?;
        Malformed::unless(!self.purpose.trim().is_empty(), "purpose", "is empty")?;
        Malformed::unless(self.at < self.answer_by, "answer_by", "must be later than at")
    }
}
impl Statement for ConsentAsk {
    const TYPE: StatementType = StatementType::ConsentAsk;
    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.contributor != self.recipient, "recipient", "is the contributor")?;
        verb(self.verb)?;
        check_text("recipient_name", &self.recipient_name, 96)?;
        plain("purpose", &self.purpose)
    }
}
impl Statement for OnwardRefuse {
    const TYPE: StatementType = StatementType::OnwardRefuse;
    fn validate(&self) -> Result<(), Malformed> {
        plain("reason", &self.reason)
    }
}
impl Statement for Consent {
    const TYPE: StatementType = StatementType::Consent;
    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.contributor != self.recipient, "recipient", "is the contributor")?;
        verb(self.verb)
    }
}

/// What of a consent counts for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Consented {
    /// Up to what.
    #[n(0)]
    pub tlp: Tlp,
    /// Until when.
    #[n(1)]
    pub until: Option<WallSeconds>,
}

impl Consented {
    /// Whether it serves for a document at this traffic light, now.
    pub fn covers(&self, tlp: Tlp, now: WallSeconds) -> bool {
        tlp <= self.tlp && self.until.is_none_or(|until| now < until)
    }
    /// The wider of two: what the contributor agreed to at any time.
    #[must_use]
    pub fn wider(self, other: Self) -> Self {
        let until = self.until.zip(other.until).map(|(one, other)| one.max(other));
        Self { tlp: self.tlp.max(other.tlp), until }
    }
}

/// A verified statement of this family.
#[derive(Clone, Debug)]
pub enum OnwardStatement {
    /// See [`OnwardAsk`].
    Ask(Verified<OnwardAsk>),
    /// See [`ConsentAsk`].
    ConsentAsk(Verified<ConsentAsk>),
    /// See [`Consent`].
    Consent(Verified<Consent>),
    /// See [`OnwardRefuse`].
    Refuse(Verified<OnwardRefuse>),
}

/// Why a statement of this family is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OnwardError {
    /// The officer's certificate is not known; it may be once it came.
    #[error("the certificate {0:?} is not known")]
    UnknownOfficer(CertificateId),
    /// Not sealed by an officer of the bureau that may say so.
    #[error("not sealed by an officer of {0:?} who may say so")]
    WrongSigner(BureauId),
}

impl OnwardStatement {
    /// Reads and verifies one.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn from_bytes(network: &crate::id::NetworkId, bytes: &[u8]) -> Result<Self, SealError> {
        fn one<T: Statement>(network: &crate::id::NetworkId, bytes: &[u8]) -> Result<Verified<T>, SealError> {
            Sealed::<T>::from_bytes(bytes)?.verify(network)
        }
        let number = accord_keys::seal::peek_type(bytes).unwrap_or(0);
        match StatementType::from_number(number) {
            Some(StatementType::OnwardAsk) => one(network, bytes).map(Self::Ask),
            Some(StatementType::ConsentAsk) => one(network, bytes).map(Self::ConsentAsk),
            Some(StatementType::Consent) => one(network, bytes).map(Self::Consent),
            Some(StatementType::OnwardRefuse) => one(network, bytes).map(Self::Refuse),
            Some(other) if other.is_draft() => Err(SealError::NotYetSupported(other)),
            Some(found) => Err(SealError::Type { expected: StatementType::OnwardAsk, found }),
            None => Err(SealError::UnknownType(number)),
        }
    }
    /// Its id.
    pub fn id(&self) -> StatementId {
        match self {
            Self::Ask(s) => s.id(),
            Self::ConsentAsk(s) => s.id(),
            Self::Consent(s) => s.id(),
            Self::Refuse(s) => s.id(),
        }
    }
    /// Its sealed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ask(s) => s.sealed().to_bytes(),
            Self::ConsentAsk(s) => s.sealed().to_bytes(),
            Self::Consent(s) => s.sealed().to_bytes(),
            Self::Refuse(s) => s.sealed().to_bytes(),
        }
    }
    /// The officer who sealed it, as claimed.
    pub fn officer(&self) -> CertificateId {
        match self {
            Self::Ask(s) => s.body().officer,
            Self::ConsentAsk(s) => s.body().officer,
            Self::Consent(s) => s.body().officer,
            Self::Refuse(s) => s.body().officer,
        }
    }
    /// Whether an officer of `bureau` with the right capability sealed it.
    ///
    /// # Errors
    /// [`OnwardError`].
    pub fn sealed_for(&self, directory: &Directory, bureau: BureauId) -> Result<(), OnwardError> {
        match self {
            Self::Ask(s) => by_officer(directory, s, s.body().officer, bureau, Capability::Invite),
            Self::ConsentAsk(s) => by_officer(directory, s, s.body().officer, bureau, Capability::Order),
            Self::Consent(s) => by_officer(directory, s, s.body().officer, bureau, Capability::Order),
            Self::Refuse(s) => by_officer(directory, s, s.body().officer, bureau, Capability::Order),
        }
    }
}

fn by_officer<T: Statement>(
    directory: &Directory,
    statement: &Verified<T>,
    officer: CertificateId,
    bureau: BureauId,
    needed: Capability,
) -> Result<(), OnwardError> {
    let certificate = directory.certificate(&officer).ok_or(OnwardError::UnknownOfficer(officer))?.body();
    let may = certificate.bureau == bureau && certificate.may(needed) && statement.is_sealed_by_only(&certificate.key);
    if may { Ok(()) } else { Err(OnwardError::WrongSigner(bureau)) }
}

/// Verifies a consent as a record embeds it: for this document, sealed by an officer of the contributor who may.
///
/// # Errors
/// [`RecordError`].
pub fn embedded(directory: &Directory, document: DocumentId, bytes: &Bytes) -> Result<Consent, RecordError> {
    let sealed = Sealed::<Consent>::from_bytes(&bytes.0).map_err(|_| RecordError::Malformed("embedded consent is unreadable"))?;
    let consent = sealed.verify(directory.network()).map_err(|_| RecordError::Malformed("embedded consent's seal is wrong"))?;
    let body = consent.body();
    if body.document != document {
        return Err(RecordError::Malformed("embedded consent is for another document"));
    }
    match by_officer(directory, &consent, body.officer, body.contributor, Capability::Order) {
        Ok(()) => Ok(body.clone()),
        Err(OnwardError::UnknownOfficer(_)) => Err(RecordError::MissingEvidence("consenting officer's certificate")),
        Err(OnwardError::WrongSigner(_)) => Err(RecordError::Malformed("embedded consent is not by an officer who may consent")),
    }
}
