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
use crate::family::{family, verified};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, Nonce, StatementId};
use crate::limits;

/// Declares statements as tables: number on the wire, field, type, meaning.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident { $($number:tt $field:ident: $kind:ty = $meaning:literal,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
            #[cbor(map)]
            pub struct $name {
                $(#[doc = $meaning] #[n($number)] pub $field: $kind,)+
            }
        )+
    };
}

statements! {
    /// A holder asks the owner to let a third bureau in. Sealed by an officer of the asker with `invite`.
    OnwardAsk {
        0 document: DocumentId = "The document.",
        1 via: BureauId = "Who asks, and by way of whom it would go.",
        2 recipient: BureauId = "For whom.",
        3 recipient_name: String = "The recipient's name as the asker knows it: a claim.",
        4 verb: Verb = "`Read` or `Append`.",
        5 purpose: String = "What for, 1 to 500 bytes.",
        6 urgency: Urgency = "How soon.",
        7 answer_by: WallSeconds = "Without an answer by then the ask has lapsed.",
        8 officer: CertificateId = "The asking officer.",
        9 at: WallSeconds = "When, by the officer's clock.",
        10 nonce: Nonce = "Makes equal asks differ.",
    }
    /// The owner asks a bureau that wrote whether a further one may read it. Sealed by the owner's officer who orders the grant.
    ConsentAsk {
        0 document: DocumentId = "The document.",
        1 contributor: BureauId = "Who is asked.",
        2 recipient: BureauId = "For whom.",
        3 recipient_name: String = "The recipient's name as the owner knows it: a claim.",
        4 verb: Verb = "`Read` or `Append`.",
        5 tlp: Tlp = "Up to what.",
        6 until: Option<WallSeconds> = "Until when; none: as long as the grant stands.",
        7 purpose: String = "What for, at most 500 bytes.",
        8 officer: CertificateId = "The ordering officer of the owner.",
        9 at: WallSeconds = "When, by the officer's clock.",
        10 nonce: Nonce = "Makes equal asks differ.",
        11 answer_by: Option<WallSeconds> = "Without an answer by then the ask has lapsed; none: after [`limits::ONWARD_ANSWER_S`].",
    }
    /// No, to an [`OnwardAsk`] or a [`ConsentAsk`]. Sealed by an officer of the asked bureau with `order`.
    OnwardRefuse {
        0 ask: StatementId = "The ask.",
        1 officer: CertificateId = "The refusing officer.",
        2 reason: String = "Why, at most 500 bytes.",
        3 at: WallSeconds = "When, by the officer's clock.",
    }
    /// A bureau that wrote in a document agrees that a further one gets it. Sealed by its officer with `order`; embedded in the grant.
    Consent {
        0 document: DocumentId = "The document.",
        1 contributor: BureauId = "Who consents.",
        2 recipient: BureauId = "For whom.",
        3 verb: Verb = "The strongest verb it consents to.",
        4 tlp: Tlp = "Up to what.",
        5 until: Option<WallSeconds> = "Until when; none: as long as the grant stands.",
        6 officer: CertificateId = "The consenting officer.",
        7 at: WallSeconds = "When, by the officer's clock.",
        8 nonce: Nonce = "Makes equal consents differ.",
        9 ask: Option<StatementId> = "The ask it answers, or came along with; the asker takes it for no other. Older ones name none.",
    }
}

/// Why the asked says no: one word, by the grounds of refusal that offices know. Anything more is for the telephone.
pub const GROUNDS: [&str; 8] =
    ["incomplete", "not_competent", "disproportionate", "harm", "withheld", "restricted", "forbidden", "not_held"];

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
        plain("purpose", &self.purpose)?;
        let lapses = self.answer_by.is_none_or(|by| self.at < by && by.0 - self.at.0 <= limits::ONWARD_ANSWER_S_MAX);
        Malformed::unless(lapses, "answer_by", "must be later than at, by thirty days at most")
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

impl ConsentAsk {
    /// When it lapses without an answer.
    pub fn lapses(&self) -> WallSeconds {
        self.answer_by.unwrap_or_else(|| self.at.plus(limits::ONWARD_ANSWER_S))
    }
}

impl Consented {
    /// Whether it serves for a document at this traffic light, now.
    pub fn covers(&self, tlp: Tlp, now: WallSeconds) -> bool {
        tlp <= self.tlp && self.until.is_none_or(|until| now < until)
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

family!(OnwardStatement: Ask, ConsentAsk, Consent, Refuse);

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
        let number = accord_keys::seal::peek_type(bytes).unwrap_or(0);
        match StatementType::from_number(number) {
            Some(StatementType::OnwardAsk) => verified(network, bytes).map(Self::Ask),
            Some(StatementType::ConsentAsk) => verified(network, bytes).map(Self::ConsentAsk),
            Some(StatementType::Consent) => verified(network, bytes).map(Self::Consent),
            Some(StatementType::OnwardRefuse) => verified(network, bytes).map(Self::Refuse),
            Some(other) if other.is_draft() => Err(SealError::NotYetSupported(other)),
            Some(found) => Err(SealError::Type { expected: StatementType::OnwardAsk, found }),
            None => Err(SealError::UnknownType(number)),
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
pub fn embedded(directory: &Directory, document: DocumentId, bytes: &Bytes) -> Result<Verified<Consent>, RecordError> {
    let sealed = Sealed::<Consent>::from_bytes(&bytes.0).map_err(|_| RecordError::Malformed("embedded consent is unreadable"))?;
    let consent = sealed.verify(directory.network()).map_err(|_| RecordError::Malformed("embedded consent's seal is wrong"))?;
    let body = consent.body();
    if body.document != document {
        return Err(RecordError::Malformed("embedded consent is for another document"));
    }
    match by_officer(directory, &consent, body.officer, body.contributor, Capability::Order) {
        Ok(()) => Ok(consent),
        Err(OnwardError::UnknownOfficer(_)) => Err(RecordError::MissingEvidence("consenting officer's certificate")),
        Err(OnwardError::WrongSigner(_)) => Err(RecordError::Malformed("embedded consent is not by an officer who may consent")),
    }
}
