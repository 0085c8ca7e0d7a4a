//! A compact: one common text and a roster of bureaus, whose pairs sign ordinary agreements that name it.
//!
//! In law and in code a compact stays a set of bilateral agreements: its statement convinces nobody of anything, only what both of a pair
//! sealed does. The common terms read alike from both sides, so two members that offer them at the same time sealed the same bytes.
//! [`Compact::place`] is the one answer to whether terms stand under a compact, and whether they are its text or a deviation of one pair.

use std::collections::BTreeMap;

use accord_keys::armour::{self, ArmourError};
use accord_keys::canon;
use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::text::{TEXT_BYTES_MAX, check_text};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::book::signed_by_officer;
use super::{Pair, Terms};
use crate::id::{BureauId, Bytes, CertificateId, CompactId, Nonce};
use crate::limits;

/// Between which lines a compact's file is found in a letter.
const LABEL: &str = "COMPACT";

/// One bureau of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Member {
    /// The bureau.
    #[n(0)]
    pub bureau: BureauId,
    /// What its card calls it, as the initiator checked that card; at most 96 bytes. Shown only where no card of our own says it.
    #[n(1)]
    pub name: String,
}

/// One version of a compact's common text.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Compact {
    /// Who wrote it down; its officer seals this. On the roster itself.
    #[n(0)]
    pub initiator: BureauId,
    /// From 1.
    #[n(1)]
    pub version: u32,
    /// The version it amends.
    #[n(2)]
    pub previous: Option<CompactId>,
    /// What people call it and address it by; at most [`limits::COMPACT_NAME_BYTES_MAX`], without comma, slash and colon.
    #[n(3)]
    pub name: String,
    /// The common terms: title, hash of the paper text, common end date, grants, annex. They read alike from both sides.
    #[n(4)]
    pub terms: Terms,
    /// 2..=[`limits::ROSTER_MAX`], ascending by bureau, each once.
    #[n(5)]
    pub roster: Vec<Member>,
    /// The sealing officer.
    #[n(6)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(7)]
    pub at: WallSeconds,
    /// Makes equal texts differ.
    #[n(8)]
    pub nonce: Nonce,
}

impl Statement for Compact {
    const TYPE: StatementType = StatementType::Compact;
    fn validate(&self) -> Result<(), Malformed> {
        let unless = |holds: bool, what: &str| Malformed::unless(holds, "compact", what);
        unless(self.version > 0 && (self.version == 1) == self.previous.is_none(), "version 1 amends nothing, every other names one")?;
        check_text("name", &self.name, limits::COMPACT_NAME_BYTES_MAX)?;
        unless(!self.name.contains([',', '/', ':']), "a name holds no comma, slash or colon")?;
        unless((2..=limits::ROSTER_MAX).contains(&self.roster.len()), "a roster has 2 to 128 bureaus")?;
        unless(self.roster.windows(2).all(|pair| pair[0].bureau < pair[1].bureau), "the roster is out of order or repeats a bureau")?;
        unless(self.holds(&self.initiator), "whoever writes a compact stands on its roster")?;
        self.roster.iter().try_for_each(|member| check_text("roster", &member.name, TEXT_BYTES_MAX))?;
        unless(!self.terms.is_emergency(), "a compact is no emergency agreement")?;
        unless(self.terms.compact().is_none() && self.terms.lifts().is_empty(), "common terms name no compact and lift nothing")?;
        unless(self.terms == self.terms.mirrored(), "common terms must read alike from both sides")?;
        // As its pairs will seal them, so that what passes here can be signed by everybody.
        let sealed = self.pair_terms(CompactId([0; 32]));
        sealed.validate().map_err(|error| Malformed::new("terms", error.to_string()))
    }
}

/// How terms stand under a compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The common text and nothing else.
    Common,
    /// The pair agreed something of its own: still under the compact.
    Deviates,
}

/// Why terms are not under a compact.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotUnder {
    /// They name none.
    #[error("the agreement names no compact")]
    NamesNone,
    /// They name one that is not known here.
    #[error("compact {0} is not known here")]
    Unknown(CompactId),
    /// They name another.
    #[error("the agreement names compact {0}")]
    Another(CompactId),
    /// One of the two is not on the roster.
    #[error("not both bureaus are on the roster")]
    OffRoster,
    /// The paper text is another one.
    #[error("the hash of the text differs from the common text's")]
    Text,
    /// They would outlive the compact.
    #[error("it ends after the common end date (Unix time {})", .0.0)]
    EndsLater(WallSeconds),
}

impl Compact {
    /// Whether a bureau is on the roster.
    pub fn holds(&self, bureau: &BureauId) -> bool {
        self.roster.binary_search_by(|member| member.bureau.cmp(bureau)).is_ok()
    }

    /// What the roster calls a bureau.
    pub fn name_of(&self, bureau: &BureauId) -> Option<&str> {
        let at = self.roster.binary_search_by(|member| member.bureau.cmp(bureau)).ok()?;
        Some(&self.roster[at].name)
    }

    /// The common terms as every pair seals them; `id` is this compact's own.
    pub fn pair_terms(&self, id: CompactId) -> Terms {
        let mut terms = self.terms.clone();
        terms.annex.get_or_insert_default().compact = Some(id);
        terms
    }

    /// Whether terms of a pair stand under this compact, whose id is `id`. Who of the two offered them makes no difference.
    ///
    /// # Errors
    /// [`NotUnder`]: what is in the way.
    pub fn place(&self, id: CompactId, pair: Pair, terms: &Terms) -> Result<Place, NotUnder> {
        match terms.compact() {
            None => return Err(NotUnder::NamesNone),
            Some(other) if other != id => return Err(NotUnder::Another(other)),
            Some(_) => {}
        }
        if !(self.holds(&pair.low) && self.holds(&pair.high)) {
            return Err(NotUnder::OffRoster);
        }
        if terms.text_hash != self.terms.text_hash {
            return Err(NotUnder::Text);
        }
        if terms.to > self.terms.to {
            return Err(NotUnder::EndsLater(self.terms.to));
        }
        // What a version lifts concerns the pair's own suspensions and notices, never the text.
        let mut bare = terms.clone();
        if let Some(annex) = &mut bare.annex {
            annex.lifts.clear();
        }
        Ok(if bare == self.pair_terms(id) { Place::Common } else { Place::Deviates })
    }
}

/// Why a compact is not kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompactError {
    /// Not sealed by an officer of its initiator who may sign agreements, as far as is known here.
    #[error("the compact is not sealed by an officer of {0} who may sign agreements")]
    WrongSigner(BureauId),
    /// We are not on its roster: no matter of ours.
    #[error("this bureau is not on the roster")]
    NotOurs,
    /// Too many are kept already.
    #[error("more than {0} compacts are kept")]
    Full(usize),
}

/// The compacts a bureau stands in.
#[derive(Clone, Debug)]
pub struct CompactBook {
    own: BureauId,
    all: BTreeMap<CompactId, Verified<Compact>>,
}

impl CompactBook {
    /// None yet, of the bureau `own`.
    pub fn new(own: BureauId) -> Self {
        Self { own, all: BTreeMap::new() }
    }

    /// Takes in one; `Ok(false)` when it was known. Who sealed it is checked here.
    ///
    /// # Errors
    /// [`CompactError`]; the book is unchanged.
    pub fn learn(&mut self, directory: &Directory, compact: Verified<Compact>) -> Result<bool, CompactError> {
        let id = CompactId(compact.id().0);
        if self.all.contains_key(&id) {
            return Ok(false);
        }
        let body = compact.body();
        if !body.holds(&self.own) {
            return Err(CompactError::NotOurs);
        }
        signed_by_officer(directory, &compact, body.officer, body.initiator, Capability::SignAgreement)
            .map_err(|_| CompactError::WrongSigner(body.initiator))?;
        if self.all.len() >= limits::COMPACTS_MAX {
            return Err(CompactError::Full(limits::COMPACTS_MAX));
        }
        self.all.insert(id, compact);
        Ok(true)
    }

    /// One by id.
    pub fn get(&self, id: &CompactId) -> Option<&Compact> {
        self.all.get(id).map(Verified::body)
    }

    /// One by id, as sealed.
    pub fn sealed(&self, id: &CompactId) -> Option<&Verified<Compact>> {
        self.all.get(id)
    }

    /// Every version of every compact.
    pub fn all(&self) -> impl Iterator<Item = (CompactId, &Compact)> {
        self.all.iter().map(|(id, compact)| (*id, compact.body()))
    }

    /// What holds the versions of one compact together: the first of them, as far back as is known here.
    pub fn family(&self, id: &CompactId) -> CompactId {
        let mut at = *id;
        // A statement names only what was sealed before it, so this ends.
        while let Some(previous) = self.get(&at).and_then(|compact| compact.previous) {
            at = previous;
        }
        at
    }

    /// Every version of a compact, oldest first.
    pub fn versions(&self, family: &CompactId) -> Vec<(CompactId, &Compact)> {
        let mut out: Vec<_> = self.all().filter(|(id, _)| self.family(id) == *family).collect();
        out.sort_by_key(|(id, compact)| (compact.version, *id));
        out
    }

    /// The compact under which terms of a pair stand.
    ///
    /// # Errors
    /// [`NotUnder`]: what is in the way.
    pub fn under(&self, pair: Pair, terms: &Terms) -> Result<(CompactId, Place), NotUnder> {
        let id = terms.compact().ok_or(NotUnder::NamesNone)?;
        let place = self.get(&id).ok_or(NotUnder::Unknown(id))?.place(id, pair, terms)?;
        Ok((id, place))
    }
}

/// A compact as a file to be carried or mailed: the sealed statement and the sealed statements that show who sealed it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CompactFile {
    /// The sealed compact.
    #[n(0)]
    pub compact: Bytes,
    /// Roots of the initiator, its officer's certificate and that one's issuer, in an order that can be learnt; at most
    /// [`limits::EVIDENCE_MAX`].
    #[n(1)]
    pub evidence: Vec<Bytes>,
}

/// Why a text is no compact's file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// No armour of this kind, or a damaged one.
    #[error(transparent)]
    Armour(#[from] ArmourError),
    /// The bytes inside are not the canonical encoding of a file.
    #[error("not the form of a compact's file: {0}")]
    Form(String),
}

impl CompactFile {
    /// The text to be mailed.
    pub fn to_text(&self) -> String {
        armour::wrap(LABEL, &canon::encode(self))
    }

    /// Finds the file in a text; nothing in it is verified yet.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn from_text(text: &str) -> Result<Self, FileError> {
        let bytes = armour::unwrap(LABEL, text, limits::COMPACT_FILE_BYTES_MAX)?;
        let file: Self = canon::decode(&bytes).map_err(|error| FileError::Form(error.to_string()))?;
        if file.evidence.len() > limits::EVIDENCE_MAX {
            return Err(FileError::Form("too much evidence".to_owned()));
        }
        Ok(file)
    }
}
