//! What each side of a pair states to the other: one chain of sealed lines per direction, the ledger of the pair.
//!
//! A registrar writes a line behind its last one and names it, so a chain only grows and a second line for one place is proof of a fault of
//! its writer. Lines say what arrived here (receipts, with the access record known then), what was erased or frozen on demand, how often
//! something was refused, once a day what was counted, with a digest of our journal that tells nothing today and cannot be exchanged
//! tomorrow; and they countersign such a day of the other side. How many lines of a pair a node holds is part of its memory in cursors.

mod chain;
mod marks;

use accord_keys::certificate::MemberKind;
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::id::{BureauId, CertificateId, Digest, DocumentId, RecordId, StatementId};
use crate::limits;
use crate::time::WallSeconds;

pub use chain::{AtRest, Chain, ChainRow, Read};

/// One line of what one bureau states to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Line {
    /// Who states.
    #[n(0)]
    pub from: BureauId,
    /// To whom.
    #[n(1)]
    pub to: BureauId,
    /// Its place in the chain, from 1.
    #[n(2)]
    pub n: u64,
    /// Id of the line before; zeros for the first.
    #[n(3)]
    pub previous: Digest,
    /// What is stated.
    #[n(4)]
    pub says: Says,
    /// When, by the writer's clock.
    #[n(5)]
    pub at: WallSeconds,
    /// The registrar that seals it.
    #[n(6)]
    pub certificate: CertificateId,
}

/// What a line states.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Says {
    /// These are durable here.
    #[n(1)]
    Receipts(#[n(0)] Vec<ReceiptLine>),
    /// Done as asked with a document that is taken away.
    #[n(2)]
    Attestation {
        /// The document; or, where only parts of it are taken away, the record that erases them: their ids are of one kind.
        #[n(0)]
        document: DocumentId,
        /// What was done.
        #[n(1)]
        what: Deed,
    },
    /// Refusals towards the reader since the line before of this kind.
    #[n(3)]
    Denials {
        /// How many.
        #[n(0)]
        count: u64,
        /// References of the last of them, as both sides logged them; at most [`limits::DENIAL_REFERENCES_MAX`].
        #[n(1)]
        references: Vec<u64>,
    },
    /// A day is over.
    #[n(4)]
    Daily(#[n(0)] Daily),
    /// A day of the other side was received in its place.
    #[n(5)]
    Countersign {
        /// The line that stated it.
        #[n(0)]
        line: StatementId,
    },
}

impl Says {
    /// The stable word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Receipts(_) => "receipts",
            Self::Attestation { .. } => "attestation",
            Self::Denials { .. } => "denials",
            Self::Daily(_) => "daily",
            Self::Countersign { .. } => "countersign",
        }
    }
}

/// One document that is durable at the writer of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptLine {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// H(document, log heads, admitted tips) here.
    #[n(1)]
    pub entry: Digest,
    /// Newest access record known here.
    #[n(2)]
    pub head: RecordId,
    /// When it was taken, by the writer's clock.
    #[n(3)]
    pub at: WallSeconds,
}

/// What was done with a document that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Deed {
    /// Content and keys are gone.
    #[n(1)]
    Erased,
    /// Kept, shown to nobody.
    #[n(2)]
    Frozen,
}

/// What one side counted on one day in China.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Daily {
    /// Days since 1970-01-01 at +08:00.
    #[n(0)]
    pub day: u32,
    /// Documents first given to the other side, by kind number ascending.
    #[n(1)]
    pub given: Vec<KindCount>,
    /// Documents first taken from the other side, by kind number ascending.
    #[n(2)]
    pub taken: Vec<KindCount>,
    /// Digest over the head of the writer's journal, for this reader alone.
    #[n(3)]
    pub journal: Digest,
}

/// How many of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct KindCount {
    /// Number of the document kind.
    #[n(0)]
    pub kind: u8,
    /// How many.
    #[n(1)]
    pub count: u64,
}

impl Statement for Line {
    const TYPE: StatementType = StatementType::PairLine;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.from != self.to, "to", "is who states")?;
        Malformed::unless(self.n >= 1, "n", "is 0, the first is 1")?;
        Malformed::unless((self.n == 1) == (self.previous == Digest([0; 32])), "previous", "is zeros for the first line and no other")?;
        match &self.says {
            Says::Receipts(lines) => {
                Malformed::unless(!lines.is_empty() && lines.len() <= limits::RECEIPTS_PER_LINE_MAX, "receipts", "1 to 128")?;
                Malformed::unless(
                    lines.windows(2).all(|pair| pair[0].document < pair[1].document),
                    "receipts",
                    "must be strictly ascending",
                )
            }
            Says::Denials { references, .. } => {
                Malformed::unless(references.len() <= limits::DENIAL_REFERENCES_MAX, "references", "lists more than 16")
            }
            Says::Daily(daily) => {
                let ascending = |list: &[KindCount]| list.len() <= 64 && list.windows(2).all(|pair| pair[0].kind < pair[1].kind);
                Malformed::unless(
                    ascending(&daily.given) && ascending(&daily.taken),
                    "counts",
                    "must be strictly ascending by kind, at most 64",
                )
            }
            Says::Attestation { .. } | Says::Countersign { .. } => Ok(()),
        }
    }
}

/// Why a line has no place.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LineError {
    /// Waiting: the writer's certificate or appointment is not known.
    #[error("the writer of the line is not known")]
    UnknownWriter,
    /// Not the registrar of the bureau that states.
    #[error("not sealed by a registrar of the bureau that states it")]
    NotTheRegistrar,
    /// Waiting: the line before is not held.
    #[error("a line before it is missing")]
    Gap,
    /// Names another line before than the one held.
    #[error("does not continue the chain held")]
    Loose,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the newest now.
    New,
    /// It was held.
    Known,
    /// Another line is held in its place: its writer contradicts itself. Both are proof; the chain goes on with the first.
    Fork,
}

/// Whether a registrar of the bureau that states it sealed a line: one that was ever appointed, by the key of its certificate alone.
///
/// # Errors
/// [`LineError::UnknownWriter`], [`LineError::NotTheRegistrar`].
pub fn check_writer(directory: &Directory, line: &Verified<Line>) -> Result<(), LineError> {
    let body = line.body();
    let certificate = directory.certificate(&body.certificate).ok_or(LineError::UnknownWriter)?.body();
    let appointed = directory.bureau(&body.from).is_some_and(|record| {
        record.appointments().any(|appointment| {
            let registrar = appointment.body().registrar;
            registrar == body.certificate || directory.certificate(&registrar).is_some_and(|other| other.body().key == certificate.key)
        })
    });
    if certificate.bureau != body.from || certificate.kind != MemberKind::Node || !line.is_sealed_by_only(&certificate.key) {
        return Err(LineError::NotTheRegistrar);
    }
    if appointed { Ok(()) } else { Err(LineError::UnknownWriter) }
}

/// The day in China a time falls on: days since 1970-01-01 at +08:00.
pub fn day_of(at: WallSeconds) -> u32 {
    u32::try_from(at.0.saturating_add(8 * 3_600) / 86_400).unwrap_or(u32::MAX)
}

/// A day, as [`day_of`] counts them, as `YYYY-MM-DD`. Civil from days after Howard Hinnant's public description.
pub fn date_of(day: u32) -> String {
    let days = u64::from(day) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, date) = (if shifted < 10 { shifted + 3 } else { shifted - 9 }, of_year - (153 * shifted + 2) / 5 + 1);
    format!("{:04}-{month:02}-{date:02}", era * 400 + year_of_era + u64::from(month <= 2))
}

/// The first second of a month `YYYY-MM` in China and of the one after it; `None` for anything else. Days from civil after Howard Hinnant's
/// public description of the proleptic Gregorian calendar.
pub fn month(text: &str) -> Option<(WallSeconds, WallSeconds)> {
    let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    let (year, month) = (year.parse::<u64>().ok()?, month.parse::<u64>().ok()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let begins = |year: u64, month: u64| {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
        WallSeconds((days.saturating_sub(719_468) * 86_400).saturating_sub(8 * 3_600))
    };
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some((begins(year, month), begins(next.0, next.1)))
}
