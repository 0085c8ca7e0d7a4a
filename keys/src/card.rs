//! Cards: how one bureau is introduced to another.
//!
//! A card holds a bureau's roots, its registrar, the certificates of its nodes and of the officers who sealed something on it, and where its
//! node is reached. Everything on it is sealed; that it is *this* bureau's card only the checking code read out on the phone can say. A card
//! travels as armoured text ([`crate::armour`], label `CARD`) over the CBOR map `{0: roots, 1: certificates, 2: appointments, 3: contact}`,
//! each a list of sealed statements as byte strings. Bounds: [`CARD_BYTES_MAX`], [`CARD_STATEMENTS_MAX`].

use crate::appointment::Appointment;
use crate::armour::{self, ArmourError};
use crate::canon::{self, CanonError};
use crate::certificate::MemberCertificate;
use crate::code::CheckingCode;
use crate::contact::Contact;
use crate::directory::{Directory, DirectoryError, Learned};
use crate::id::{BureauId, CertificateId, NetworkId, RootId};
use crate::root::RootStatement;
use crate::seal::{SealError, Sealed, Statement, Verified};
use minicbor::bytes::ByteVec;
use thiserror::Error;

/// Longest card, in bytes before base64.
pub const CARD_BYTES_MAX: usize = 512 * 1024;
/// Most statements of one kind on a card.
pub const CARD_STATEMENTS_MAX: usize = 256;
/// The armour's label.
const LABEL: &str = "CARD";

/// Why a card is not read or not believed.
#[derive(Debug, Error, PartialEq)]
pub enum CardError {
    /// No card in this text.
    #[error("not a card: the line `-----BEGIN ACCORD CARD-----` is missing")]
    NotACard,
    /// The text was changed or cut on its way: ask for it again.
    #[error("the card is damaged: {0}")]
    Damaged(&'static str),
    /// Over [`CARD_BYTES_MAX`].
    #[error("the card is longer than {CARD_BYTES_MAX} bytes")]
    TooLong,
    /// The checksum is right, but what it covers is not the layout of a card.
    #[error("the card is not of a form this version reads: {0}")]
    Form(#[from] CanonError),
    /// Over [`CARD_STATEMENTS_MAX`].
    #[error("the card holds more than {CARD_STATEMENTS_MAX} {0}")]
    TooMany(&'static str),
    /// Something a card needs is not on it.
    #[error("the card holds no {0}")]
    Lacks(&'static str),
    /// A seal on it does not hold, or a statement is malformed.
    #[error("a {what} on the card: {source}")]
    Seal {
        /// Which kind of statement.
        what: &'static str,
        /// What is wrong with it.
        source: SealError,
    },
    /// A statement on it is not by someone entitled to it.
    #[error("a {what} on the card: {source}")]
    Directory {
        /// Which kind of statement.
        what: &'static str,
        /// What is wrong with it.
        source: DirectoryError,
    },
    /// Statements of more than one bureau.
    #[error("the card speaks of more than one bureau")]
    MixedBureaus,
    /// Rival roots or appointments on one card.
    #[error("the card holds rival statements of its bureau")]
    Rivals,
    /// The contact is not sealed by the node it names.
    #[error("the contact on the card is not sealed by its node")]
    Contact,
}

/// A bureau's card, read but not verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Root versions, from 1 to the head.
    pub roots: Vec<Sealed<RootStatement>>,
    /// Certificates: nodes, their issuers, and officers who sealed something.
    pub certificates: Vec<Sealed<MemberCertificate>>,
    /// Registrars.
    pub appointments: Vec<Sealed<Appointment>>,
    /// Where the node is reached.
    pub contact: Sealed<Contact>,
}

/// The layout inside the armour.
#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct Layout {
    #[n(0)]
    roots: Vec<ByteVec>,
    #[n(1)]
    certificates: Vec<ByteVec>,
    #[n(2)]
    appointments: Vec<ByteVec>,
    #[n(3)]
    contact: ByteVec,
}

impl Card {
    /// Reads a card out of a text, which may have a letter around it.
    ///
    /// # Errors
    /// [`CardError`]: "not a card" apart from "damaged" apart from a form this version does not read.
    pub fn from_text(text: &str) -> Result<Self, CardError> {
        let bytes = armour::unwrap(LABEL, text, CARD_BYTES_MAX).map_err(|error| match error {
            ArmourError::Missing(_) => CardError::NotACard,
            ArmourError::Damaged { what, .. } => CardError::Damaged(what),
            ArmourError::TooLong { .. } => CardError::TooLong,
        })?;
        Self::from_bytes(&bytes)
    }

    /// The card as armoured text.
    pub fn to_text(&self) -> String {
        armour::wrap(LABEL, &self.to_bytes())
    }

    /// Reads the bytes inside the armour.
    ///
    /// # Errors
    /// [`CardError`] when they are no card's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() > CARD_BYTES_MAX {
            return Err(CardError::TooLong);
        }
        let layout: Layout = canon::decode(bytes)?;
        Ok(Self {
            roots: read_all("root", &layout.roots)?,
            certificates: read_all("certificate", &layout.certificates)?,
            appointments: read_all("appointment", &layout.appointments)?,
            contact: read("contact", &layout.contact)?,
        })
    }

    /// The bytes inside the armour.
    pub fn to_bytes(&self) -> Vec<u8> {
        canon::encode(&Layout {
            roots: write_all(&self.roots),
            certificates: write_all(&self.certificates),
            appointments: write_all(&self.appointments),
            contact: ByteVec::from(self.contact.to_bytes()),
        })
    }

    /// Checks every seal, that each is by someone entitled to it, that all speak of one bureau without rivals, and that the contact is the
    /// node's own. Whether it is the bureau one means, only its checking code says.
    ///
    /// # Errors
    /// [`CardError`] naming the statement at fault.
    pub fn verify(&self, network: &NetworkId) -> Result<VerifiedCard, CardError> {
        let card = VerifiedCard {
            roots: verify_all("root", &self.roots, network)?,
            certificates: verify_all("certificate", &self.certificates, network)?,
            appointments: verify_all("appointment", &self.appointments, network)?,
            contact: verify("contact", &self.contact, network)?,
        };
        if card.roots.is_empty() {
            return Err(CardError::Lacks("root"));
        }
        let mut directory = Directory::new(*network);
        card.learn_into(&mut directory)?;
        if directory.bureaus().count() != 1 {
            return Err(CardError::MixedBureaus);
        }
        if directory.is_frozen(&card.bureau()) {
            return Err(CardError::Rivals);
        }
        let contact = card.contact.body();
        let node = directory.certificate(&contact.certificate).ok_or(CardError::Lacks("certificate of the node"))?.body();
        if node.transport.is_none() || contact.bureau != card.bureau() || !card.contact.is_sealed_by_only(&node.key) {
            return Err(CardError::Contact);
        }
        Ok(card)
    }
}

/// A card on which every statement is sealed by someone entitled to it. Only [`Card::verify`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedCard {
    roots: Vec<Verified<RootStatement>>,
    certificates: Vec<Verified<MemberCertificate>>,
    appointments: Vec<Verified<Appointment>>,
    contact: Verified<Contact>,
}

impl VerifiedCard {
    /// The bureau.
    pub fn bureau(&self) -> BureauId {
        BureauId::from(self.roots.iter().find(|root| root.body().version == 1).expect("verified with its version 1").root_id())
    }

    /// The newest root version on the card.
    pub fn root_head(&self) -> RootId {
        self.head().root_id()
    }

    /// What the bureau calls itself.
    pub fn name(&self) -> &str {
        &self.head().body().name
    }

    /// The unit code the bureau states.
    pub fn unit_code(&self) -> &str {
        &self.head().body().unit_code
    }

    /// The code two officers read to each other.
    pub fn checking_code(&self) -> CheckingCode {
        CheckingCode::of(&self.bureau(), &self.root_head())
    }

    /// The certificate of the node the contact speaks of.
    pub fn node(&self) -> CertificateId {
        self.contact.body().certificate
    }

    /// Where the node is reached.
    pub fn contact(&self) -> &Verified<Contact> {
        &self.contact
    }

    /// Root versions as on the card.
    pub fn roots(&self) -> &[Verified<RootStatement>] {
        &self.roots
    }

    /// Certificates as on the card.
    pub fn certificates(&self) -> &[Verified<MemberCertificate>] {
        &self.certificates
    }

    /// Appointments as on the card.
    pub fn appointments(&self) -> &[Verified<Appointment>] {
        &self.appointments
    }

    /// Teaches a directory everything on the card. [`Learned::New`] when anything was new.
    ///
    /// # Errors
    /// [`CardError::Directory`] when the directory refuses something; what came before stays learnt.
    pub fn learn_into(&self, directory: &mut Directory) -> Result<Learned, CardError> {
        let mut roots: Vec<_> = self.roots.iter().collect();
        roots.sort_by_key(|root| root.body().version);
        let mut news = Learned::Known;
        let mut note = |what, learned: Result<Learned, DirectoryError>| match learned {
            Ok(Learned::New) => {
                news = Learned::New;
                Ok(())
            }
            Ok(Learned::Known) => Ok(()),
            Err(source) => Err(CardError::Directory { what, source }),
        };
        for root in roots {
            note("root", directory.learn_root(root.clone()))?;
        }
        let (by_member, by_root): (Vec<_>, Vec<_>) =
            self.certificates.iter().partition(|it| matches!(it.body().issuer, crate::certificate::Issuer::Member(_)));
        for certificate in by_root.into_iter().chain(by_member) {
            note("certificate", directory.learn_certificate(certificate.clone()))?;
        }
        for appointment in &self.appointments {
            note("appointment", directory.learn_appointment(appointment.clone()))?;
        }
        Ok(news)
    }

    fn head(&self) -> &Verified<RootStatement> {
        self.roots.iter().max_by_key(|root| root.body().version).expect("verified with at least one root")
    }
}

fn read<T: Statement>(what: &'static str, bytes: &[u8]) -> Result<Sealed<T>, CardError> {
    Sealed::from_bytes(bytes).map_err(|source| CardError::Seal { what, source })
}

fn read_all<T: Statement>(what: &'static str, all: &[ByteVec]) -> Result<Vec<Sealed<T>>, CardError> {
    if all.len() > CARD_STATEMENTS_MAX {
        return Err(CardError::TooMany(what));
    }
    all.iter().map(|bytes| read(what, bytes)).collect()
}

fn write_all<T: Statement>(all: &[Sealed<T>]) -> Vec<ByteVec> {
    all.iter().map(|sealed| ByteVec::from(sealed.to_bytes())).collect()
}

fn verify<T: Statement>(what: &'static str, sealed: &Sealed<T>, network: &NetworkId) -> Result<Verified<T>, CardError> {
    sealed.clone().verify(network).map_err(|source| CardError::Seal { what, source })
}

fn verify_all<T: Statement>(what: &'static str, all: &[Sealed<T>], network: &NetworkId) -> Result<Vec<Verified<T>>, CardError> {
    all.iter().map(|sealed| verify(what, sealed, network)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(change: impl FnOnce(&mut Card), expect: &str) {
        let mut card = samples::card();
        change(&mut card);
        let text = card.verify(&samples::network()).expect_err("a bad card").to_string();
        assert!(text.contains(expect), "{text}");
    }

    #[test]
    fn a_card_travels_as_text_and_speaks_for_one_bureau() {
        let card = samples::card();
        let text = card.to_text();
        let read = Card::from_text(&format!("Dear colleague\n{text}\n")).expect("reads");
        assert_eq!(read, card);
        let verified = read.verify(&samples::network()).expect("verifies");
        assert_eq!(verified.name(), "Northfork Police");
        assert_eq!(verified.checking_code(), CheckingCode::of(&verified.bureau(), &verified.root_head()));
        let mut directory = Directory::new(samples::network());
        assert_eq!(verified.learn_into(&mut directory), Ok(Learned::New));
        assert_eq!(verified.learn_into(&mut directory), Ok(Learned::Known));
        assert_eq!(directory.registrar(&verified.bureau()), Some((1, verified.node())));
    }

    #[test]
    fn damaged_and_foreign_texts_are_told_apart() {
        assert_eq!(Card::from_text("nothing here"), Err(CardError::NotACard));
        let text = samples::card().to_text();
        let spot = text.find('\n').expect("lines") + 20;
        let mut damaged = text.clone().into_bytes();
        damaged[spot] = if damaged[spot] == b'A' { b'B' } else { b'A' };
        assert_eq!(Card::from_text(std::str::from_utf8(&damaged).expect("ascii")), Err(CardError::Damaged("the checksum does not match")));
        assert!(matches!(Card::from_text(&text[..text.len() / 2]), Err(CardError::Damaged(_))));
        assert!(matches!(Card::from_text(&armour::wrap(LABEL, b"\x01")), Err(CardError::Form(_))));
    }

    #[test]
    fn a_card_whose_parts_do_not_belong_together_is_refused() {
        check(|card| card.roots.clear(), "no root");
        check(|card| card.certificates.clear(), "appointment on the card: certificate");
        check(|card| card.appointments[0] = samples::seal(samples::appointment(), &[1, 2]), "not known");
        check(|card| card.roots.push(samples::seal(samples::root_of(&[4], 1), &[4])), "more than one bureau");
        let mut contact = samples::card().contact.claimed().clone();
        contact.phone = "0000-119".to_owned();
        check(|card| card.contact = samples::seal(contact, &[1]), "not sealed by its node");
        let other = NetworkId::named("other");
        assert!(samples::card().verify(&other).is_err(), "a card of another network");
    }
}
