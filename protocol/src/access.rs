//! Who may hold, read and write a document: decided in one place, by the same pure function for sender, receiver and every later hop.
//!
//! Two questions meet here. The document's access log says which bureaus the owner let in ([`log`]); the agreement between the two nodes of
//! a link says whether the category may cross it at all ([`crate::agreement::exchange`]). Both must say yes. Admission of changes is another
//! matter and lives in [`crate::intake`]: it reads the log alone.

pub mod log;

use accord_keys::time::WallSeconds;
use thiserror::Error;

use crate::agreement::book::Lack;
use crate::agreement::exchange::{AgreementBook, Clause};
use crate::agreement::{Category, Pair, Tlp, Verb};
use crate::id::{BureauId, DocumentId, RecordId, StatementId};
use log::Rights;

/// What a decision needs to know of a document.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The document.
    pub document: DocumentId,
    /// Its owner.
    pub owner: BureauId,
    /// Its category.
    pub category: Category,
    /// Its traffic light.
    pub tlp: Tlp,
    /// Rights at the head of its log, as known here.
    pub rights: &'a Rights,
}

/// Why not. Complete for our own account; the partner hears one byte.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The owner's log does not name the receiver for the verb.
    #[error("the access log of {document:?} does not give {bureau:?} {verb:?}")]
    NotInLog {
        /// The document.
        document: DocumentId,
        /// Who asked.
        bureau: BureauId,
        /// For what.
        verb: Verb,
    },
    /// No agreement is in force between the two nodes of the link.
    #[error("no agreement between {one:?} and {other:?} is in force")]
    NoAgreement {
        /// One side.
        one: BureauId,
        /// The other.
        other: BureauId,
    },
    /// One side suspended it.
    #[error("sharing between {one:?} and {other:?} is suspended by {by:?}")]
    Suspended {
        /// One side.
        one: BureauId,
        /// The other.
        other: BureauId,
        /// The suspension.
        by: StatementId,
    },
    /// The agreement in force has no clause for it.
    #[error("the agreement between {giver:?} and {receiver:?} does not grant {verb:?} on {} up to {}", .category.code(), .tlp.word())]
    NotGranted {
        /// Who would give.
        giver: BureauId,
        /// Who would receive.
        receiver: BureauId,
        /// Category asked for.
        category: Category,
        /// Traffic light of the document.
        tlp: Tlp,
        /// Verb asked for.
        verb: Verb,
    },
    /// A third bureau's document: only its owner hands it out until relay passes are supported.
    #[error("document {document:?} belongs to a third bureau and no relay pass was shown")]
    NoPass {
        /// The document.
        document: DocumentId,
    },
}

impl Refusal {
    /// The stable word for accounts and views.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::NotInLog { .. } => "not_in_log",
            Refusal::NoAgreement { .. } => "no_agreement",
            Refusal::Suspended { .. } => "suspended",
            Refusal::NotGranted { .. } => "not_granted",
            Refusal::NoPass { .. } => "no_pass",
        }
    }
}

/// The only key to sending or taking a document over a link. Bound to document, receiver and policy epoch; made by [`check`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    document: DocumentId,
    to: BureauId,
    epoch: u64,
    clause: Option<Clause>,
    whole: bool,
}

impl Permit {
    /// The document it is for.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// The receiver it is for.
    pub fn to(&self) -> BureauId {
        self.to
    }
    /// The policy epoch it was given under.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
    /// The agreement clause it rests on; none between devices of one bureau and towards the owner.
    pub fn clause(&self) -> Option<Clause> {
        self.clause
    }
    /// Whether held work travels too: to the owner and to our own devices.
    pub fn whole(&self) -> bool {
        self.whole
    }
}

/// Whether a document may go from a node of `from` to a node of `to`. Sender and receiver ask the same question of the same facts.
///
/// # Errors
/// [`Refusal`]: the first thing that is missing.
pub fn check(
    book: &AgreementBook,
    facts: &Facts<'_>,
    from: BureauId,
    to: BureauId,
    now: WallSeconds,
    epoch: u64,
) -> Result<Permit, Refusal> {
    let permit = |clause, whole| Permit { document: facts.document, to, epoch, clause, whole };
    if from == to {
        return Ok(permit(None, true));
    }
    let lacks = |lack, giver, receiver| match lack {
        Lack::NotInForce(_) => Refusal::NoAgreement { one: from, other: to },
        Lack::Suspended(by) => Refusal::Suspended { one: from, other: to, by },
        Lack::Excluded(_) | Lack::NotGranted(_) => {
            Refusal::NotGranted { giver, receiver, category: facts.category, tlp: facts.tlp, verb: Verb::Read }
        }
    };
    let state = book.state(Pair::of(from, to), now);
    if let Err(lack @ (Lack::NotInForce(_) | Lack::Suspended(_))) = state.carries(facts.category) {
        return Err(lacks(lack, from, to));
    }
    if facts.owner == from {
        let held = facts.rights.bureaus.get(&to).map(|held| held.verb);
        let Some(verb) = held.filter(|verb| verb.includes(Verb::Read)) else {
            return Err(Refusal::NotInLog { document: facts.document, bureau: to, verb: Verb::Read });
        };
        // The log may have given append under an agreement that now gives read only: then read is what crosses.
        let clause = state.clause(&from, facts.category, facts.tlp, verb, now);
        let clause = clause.or_else(|_| state.clause(&from, facts.category, facts.tlp, Verb::Read, now));
        return Ok(permit(Some(clause.map_err(|lack| lacks(lack, from, to))?), false));
    }
    if facts.owner == to {
        // Work on the owner's document goes home to it as long as the two speak at all; the owner's registrar decides what it is worth.
        return Ok(permit(None, true));
    }
    Err(Refusal::NoPass { document: facts.document })
}

/// The right to tell a bureau that its access was taken away: the log up to its own cut. Nothing after it and no content; it needs no
/// agreement, since without being told the other side could not even hold back what it writes from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    document: DocumentId,
    to: BureauId,
    cut: RecordId,
}

impl Parting {
    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// Who is told.
    pub fn to(&self) -> BureauId {
        self.to
    }
    /// The last record it may be told.
    pub fn cut(&self) -> RecordId {
        self.cut
    }
}

/// Whether `from`, the owner, has to tell `to` of its cut.
pub fn parting(facts: &Facts<'_>, from: BureauId, to: BureauId) -> Option<Parting> {
    let gone = facts.owner == from && from != to && !facts.rights.bureaus.contains_key(&to);
    let cut = facts.rights.parted.get(&to).filter(|_| gone)?;
    Some(Parting { document: facts.document, to, cut: *cut })
}

/// Whether the owner could let `to` in with `verb` today: for `--dry-run` and before a genesis or grant is sealed.
///
/// # Errors
/// [`Refusal`]: no agreement in force, or no clause for it.
pub fn may_grant(
    book: &AgreementBook,
    owner: BureauId,
    to: BureauId,
    category: Category,
    tlp: Tlp,
    verb: Verb,
    now: WallSeconds,
) -> Result<Clause, Refusal> {
    book.grant(owner, to, category, tlp, verb, now).map_err(|lack| match lack {
        Lack::NotInForce(_) => Refusal::NoAgreement { one: owner, other: to },
        Lack::Suspended(by) => Refusal::Suspended { one: owner, other: to, by },
        Lack::Excluded(_) | Lack::NotGranted(_) => Refusal::NotGranted { giver: owner, receiver: to, category, tlp, verb },
    })
}
