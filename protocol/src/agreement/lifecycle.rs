//! What stops, resumes and ends an agreement once it stands: suspension, resumption, notice.
//!
//! A **suspension** is one side's word alone, whole or for some categories; it holds for the pair, whatever version comes after, until it is
//! lifted by name. A **resume** lists what it lifts and counts once the other side accepted it, by the same statement that accepts an
//! offer; everything unlisted stands, so a suspension that crossed it on the way is not lost. A **notice** is one side's word too and ends
//! the agreement at a time at least as far ahead as agreed. All three outrank whatever was granted at the same time.

use accord_keys::seal::{Malformed, Statement};
use accord_keys::text::check_text;
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};

use super::Category;
use crate::id::{AgreementId, BureauId, CertificateId, Nonce, StatementId};
use crate::limits;

pub use crate::limits::STOP_REASON_BYTES_MAX;

/// Stops sharing between two bureaus, at once, by the word of one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Suspend {
    /// The version in mind; what is suspended is the pair.
    #[n(0)]
    pub agreement: AgreementId,
    /// Whose word this is; its officer with `suspend` seals it.
    #[n(1)]
    pub by: BureauId,
    /// Only these, 1..=15, ascending, unique; absent: everything.
    #[n(2)]
    pub categories: Option<Vec<Category>>,
    /// Goes to the partner; 1..=[`STOP_REASON_BYTES_MAX`] bytes.
    #[n(3)]
    pub reason: String,
    /// The sealing officer.
    #[n(4)]
    pub officer: CertificateId,
    /// When, by the officer's clock; it counts from its receipt, not from here.
    #[n(5)]
    pub at: WallSeconds,
    /// Makes equal suspensions differ: one lifted is not another.
    #[n(6)]
    pub nonce: Nonce,
}

impl Statement for Suspend {
    const TYPE: StatementType = StatementType::Suspend;
    fn validate(&self) -> Result<(), Malformed> {
        if let Some(categories) = &self.categories {
            let ascending = categories.windows(2).all(|pair| pair[0] < pair[1]);
            Malformed::unless(!categories.is_empty() && ascending, "categories", "none, repeated or out of order")?;
        }
        check_text("reason", &self.reason, STOP_REASON_BYTES_MAX)
    }
}

impl Suspend {
    /// Whether it stops this category.
    pub fn covers(&self, category: Category) -> bool {
        self.categories.as_ref().is_none_or(|categories| categories.contains(&category))
    }
}

/// Lifts suspensions and withdraws notices by name, once the other side accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Resume {
    /// The version in mind; what is resumed is the pair.
    #[n(0)]
    pub agreement: AgreementId,
    /// Who proposes it; its officer with `sign-agreement` seals it.
    #[n(1)]
    pub by: BureauId,
    /// Suspensions and notices, 1..=[`limits::LIFTS_MAX`], ascending, unique. What is not listed stands.
    #[n(2)]
    pub lifts: Vec<StatementId>,
    /// The sealing officer.
    #[n(3)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(4)]
    pub at: WallSeconds,
    /// Makes equal proposals differ.
    #[n(5)]
    pub nonce: Nonce,
}

impl Statement for Resume {
    const TYPE: StatementType = StatementType::Resume;
    fn validate(&self) -> Result<(), Malformed> {
        let listed = (1..=limits::LIFTS_MAX).contains(&self.lifts.len());
        Malformed::unless(
            listed && self.lifts.windows(2).all(|pair| pair[0] < pair[1]),
            "lifts",
            "none, too many, repeated or out of order",
        )
    }
}

/// Ends the agreement of a pair at a time, by the word of one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Notice {
    /// The version it ends; later versions that do not lift it end with it.
    #[n(0)]
    pub agreement: AgreementId,
    /// Whose word this is; its officer with `sign-agreement` seals it.
    #[n(1)]
    pub by: BureauId,
    /// In force until (exclusive); at least the agreed days after `at`.
    #[n(2)]
    pub ends: WallSeconds,
    /// Goes to the partner; 1..=[`STOP_REASON_BYTES_MAX`] bytes.
    #[n(3)]
    pub reason: String,
    /// The sealing officer.
    #[n(4)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(5)]
    pub at: WallSeconds,
}

impl Statement for Notice {
    const TYPE: StatementType = StatementType::Notice;
    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.at < self.ends, "notice", "ends before it is given")?;
        check_text("reason", &self.reason, STOP_REASON_BYTES_MAX)
    }
}

/// How a link between two bureaus is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkMode {
    /// An agreement is in force: documents may cross, each by its own permit.
    Full,
    /// None is: roots and revocations, the agreement exchange, own cut records, held work to its owner, attestations, ledger.
    Restricted,
}

/// What an offer, and a pair's agreement, has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Waits for an answer.
    Offered,
    /// Nobody answered in time.
    Lapsed,
    /// Declined.
    Declined,
    /// Accepted, not yet concluded.
    Accepted,
    /// Concluded, begins later.
    NotYet,
    /// In force; single categories may be suspended.
    InForce,
    /// Wholly suspended by one side or both.
    Suspended,
    /// In force until the end that was given notice of.
    UnderNotice,
    /// Past its end, within the grace time: nothing goes out, nothing is cut, a renewal resumes everything.
    Expired,
    /// Past grace or notice: what is owed is attested.
    WindingDown,
    /// Over.
    Ended,
    /// A later version, or the lower bureau's crossing offer, stands instead.
    Superseded,
}

impl Standing {
    /// Every standing, in order.
    pub const ALL: [Standing; 12] = [
        Standing::Offered,
        Standing::Lapsed,
        Standing::Declined,
        Standing::Accepted,
        Standing::NotYet,
        Standing::InForce,
        Standing::Suspended,
        Standing::UnderNotice,
        Standing::Expired,
        Standing::WindingDown,
        Standing::Ended,
        Standing::Superseded,
    ];

    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Offered => "offered",
            Standing::Lapsed => "lapsed",
            Standing::Declined => "declined",
            Standing::Accepted => "accepted",
            Standing::NotYet => "not_yet",
            Standing::InForce => "in_force",
            Standing::Suspended => "suspended",
            Standing::UnderNotice => "under_notice",
            Standing::Expired => "expired",
            Standing::WindingDown => "winding_down",
            Standing::Ended => "ended",
            Standing::Superseded => "superseded",
        }
    }
    /// Whether documents may cross under it.
    pub const fn is_in_force(self) -> bool {
        matches!(self, Standing::InForce | Standing::UnderNotice)
    }
}
