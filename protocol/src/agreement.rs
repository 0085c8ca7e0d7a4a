//! What two bureaus agreed: grants by direction, category, verb, traffic-light ceiling and validity.
//!
//! An agreement *is* the access policy between its two parties. It is bilateral, versioned and expiring; both seal the same bytes. This
//! module holds the terms; [`exchange`] how they come to stand; [`crate::access`] is the only reader of grants.
//! Default deny: an empty list means nobody, an unknown word means no.

pub mod exchange;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::id::BureauId;
use accord_keys::time::WallSeconds;

/// Traffic light of a document (TLP 2.0), mildest first. The order is the order of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Tlp {
    /// 公开
    #[n(0)]
    Clear,
    /// 协作体内
    #[n(1)]
    Green,
    /// 本单位及所属
    #[n(2)]
    Amber,
    /// 仅承办部门
    #[n(3)]
    AmberStrict,
    /// 仅指定人员
    #[n(4)]
    Red,
}

impl Tlp {
    /// The standard's word.
    pub const fn word(self) -> &'static str {
        match self {
            Tlp::Clear => "CLEAR",
            Tlp::Green => "GREEN",
            Tlp::Amber => "AMBER",
            Tlp::AmberStrict => "AMBER+STRICT",
            Tlp::Red => "RED",
        }
    }
    /// Reads the standard's word, with or without `TLP:`, any case.
    pub fn from_word(word: &str) -> Option<Self> {
        let upper = word.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("TLP:").unwrap_or(&upper).to_owned();
        [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red].into_iter().find(|tlp| tlp.word() == bare)
    }
}

macro_rules! categories {
    ($($number:literal $name:ident $code:literal $default:ident;)*) => {
        /// Business category: the key of grants. Closed list; a code outside it is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum Category { $(
            #[doc = $code]
            #[n($number)] $name,
        )* }
        impl Category {
            /// Every category, in number order.
            pub const ALL: &'static [Category] = &[$(Category::$name),*];
            /// The code people use, for instance `CRIM.SERIES`.
            pub const fn code(self) -> &'static str { match self { $(Category::$name => $code),* } }
            /// The traffic light a document of this category gets when its author names none.
            pub const fn default_tlp(self) -> Tlp { match self { $(Category::$name => Tlp::$default),* } }
        }
    };
}
categories! {
    1 CrimSeries "CRIM.SERIES" AmberStrict;
    2 CrimCheck "CRIM.CHECK" AmberStrict;
    3 CrimWanted "CRIM.WANTED" Amber;
    4 CrimModus "CRIM.MODUS" Green;
    5 CrimProp "CRIM.PROP" Amber;
    6 PersMissing "PERS.MISSING" Amber;
    7 Traf "TRAF" Amber;
    8 FireHaz "FIRE.HAZ" Green;
    9 FireAid "FIRE.AID" Amber;
    10 ForceAid "FORCE.AID" AmberStrict;
    11 EventSafety "EVENT.SAFETY" Amber;
    12 Env "ENV" Green;
    13 Mkt "MKT" Amber;
    14 Analysis "ANALYSIS" Amber;
    15 Admin "ADMIN" Amber;
}
impl Category {
    /// Reads a code, any case.
    pub fn from_code(code: &str) -> Option<Self> {
        let upper = code.trim().to_ascii_uppercase();
        Self::ALL.iter().copied().find(|category| category.code() == upper)
    }
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Verb {
    /// Hold and read.
    #[n(0)]
    Read,
    /// Add entries; implies read.
    #[n(1)]
    Append,
    /// Send requests of this category.
    #[n(2)]
    Request,
}

impl Verb {
    /// The word people use.
    pub const fn word(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Append => "append",
            Verb::Request => "request",
        }
    }
    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Verb::Read, Verb::Append, Verb::Request].into_iter().find(|verb| verb.word() == word.trim())
    }
    /// Whether holding this verb includes `wanted`: append implies read, nothing else implies anything.
    pub fn includes(self, wanted: Verb) -> bool {
        self == wanted || (self == Verb::Append && wanted == Verb::Read)
    }
}

/// Which way a grant line runs. The offerer and the acceptor are named in the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Direction {
    /// The offering bureau gives.
    #[n(0)]
    OffererGives,
    /// The accepting bureau gives.
    #[n(1)]
    AcceptorGives,
    /// Both give.
    #[n(2)]
    Both,
}

/// Whether a receiver may ask to pass documents on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Onward {
    /// Never.
    #[n(0)]
    None,
    /// The owner is asked each time.
    #[n(1)]
    Ask,
}

/// One grant line.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Which way.
    #[n(0)]
    pub direction: Direction,
    /// Of what category.
    #[n(1)]
    pub category: Category,
    /// What it allows: 1..=3 verbs, ascending, unique.
    #[n(2)]
    pub verbs: Vec<Verb>,
    /// Nothing stricter than this is covered.
    #[n(3)]
    pub tlp_ceiling: Tlp,
    /// Ends before the agreement does.
    #[n(4)]
    pub until: Option<WallSeconds>,
    /// Passing on.
    #[n(5)]
    pub onward: Onward,
    /// Most days a laptop keeps it readable offline.
    #[n(6)]
    pub offline_days_max: Option<u32>,
    /// Most subjects in one document.
    #[n(7)]
    pub subjects_max: Option<u32>,
}

/// The terms both sides seal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Terms {
    /// Title, 1..=200 bytes.
    #[n(0)]
    pub title: String,
    /// BLAKE3 of the text on paper, if there is one.
    #[n(1)]
    pub text_hash: Option<crate::id::Digest>,
    /// In force from (inclusive).
    #[n(2)]
    pub from: WallSeconds,
    /// In force until (exclusive); at most three years after `from`.
    #[n(3)]
    pub to: WallSeconds,
    /// 1..=128 grant lines.
    #[n(4)]
    pub grants: Vec<Grant>,
    /// Days after the end before late writes are cut, 0..=90.
    #[n(5)]
    pub grace_days: u32,
}

/// Why terms cannot be sealed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TermsError {
    /// Title empty, too long or with control characters.
    #[error("the title must have 1 to 200 bytes and no control characters")]
    Title,
    /// `to` is not after `from`.
    #[error("the agreement ends before it begins")]
    Validity,
    /// Longer than three years.
    #[error("the agreement runs for more than three years")]
    TooLong,
    /// No grant lines: nobody would get anything.
    #[error("the agreement grants nothing")]
    NoGrants,
    /// More than 128 lines.
    #[error("more than 128 grant lines")]
    TooManyGrants,
    /// A line without verbs, or with verbs repeated or out of order.
    #[error("grant line {line}: verbs missing, repeated or out of order")]
    Verbs {
        /// Counted from 1.
        line: usize,
    },
    /// A line that outlives its agreement.
    #[error("grant line {line} ends after the agreement")]
    GrantTooLong {
        /// Counted from 1.
        line: usize,
    },
    /// Grace above 90 days.
    #[error("more than 90 days of grace")]
    Grace,
}

impl Terms {
    /// Longest validity, seconds.
    pub const VALIDITY_S_MAX: u64 = 3 * 366 * 24 * 3_600;

    /// Checks every bound; what passes can be sealed and evaluated.
    ///
    /// # Errors
    /// The first [`TermsError`] found.
    pub fn validate(&self) -> Result<(), TermsError> {
        if self.title.is_empty() || self.title.len() > 200 || self.title.chars().any(char::is_control) {
            return Err(TermsError::Title);
        }
        if self.to <= self.from {
            return Err(TermsError::Validity);
        }
        if self.to.0 - self.from.0 > Self::VALIDITY_S_MAX {
            return Err(TermsError::TooLong);
        }
        if self.grants.is_empty() {
            return Err(TermsError::NoGrants);
        }
        if self.grants.len() > 128 {
            return Err(TermsError::TooManyGrants);
        }
        if self.grace_days > 90 {
            return Err(TermsError::Grace);
        }
        for (at, grant) in self.grants.iter().enumerate() {
            let line = at + 1;
            if grant.verbs.is_empty() || !grant.verbs.windows(2).all(|pair| pair[0] < pair[1]) {
                return Err(TermsError::Verbs { line });
            }
            if grant.until.is_some_and(|until| until > self.to) {
                return Err(TermsError::GrantTooLong { line });
            }
        }
        Ok(())
    }

    /// The first grant line (counted from 0) under which `giver` gives `verb` on documents of `category` at `tlp`, at `now`. Validity of
    /// the agreement itself is the caller's question ([`exchange::Standing`]).
    pub fn grants(&self, giver: Giver, category: Category, tlp: Tlp, verb: Verb, now: WallSeconds) -> Option<usize> {
        self.grants.iter().position(|grant| {
            grant.category == category
                && grant.verbs.iter().any(|held| held.includes(verb))
                && tlp <= grant.tlp_ceiling
                && grant.until.is_none_or(|until| now < until)
                && matches!(
                    (grant.direction, giver),
                    (Direction::Both, _) | (Direction::OffererGives, Giver::Offerer) | (Direction::AcceptorGives, Giver::Acceptor)
                )
        })
    }
}

/// Who gives, as the offer numbers its parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// The offerer.
    Offerer,
    /// The acceptor.
    Acceptor,
}

/// A pair of bureaus in a fixed order, so both sides name it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The lower id.
    pub low: BureauId,
    /// The higher id.
    pub high: BureauId,
}

impl Pair {
    /// The pair of two bureaus, in either order.
    pub fn of(one: BureauId, other: BureauId) -> Self {
        Self { low: one.min(other), high: one.max(other) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(grants: Vec<Grant>) -> Terms {
        Terms { title: "协作".into(), text_hash: None, from: WallSeconds(100), to: WallSeconds(200), grants, grace_days: 30 }
    }
    fn grant(direction: Direction, verbs: &[Verb], tlp_ceiling: Tlp) -> Grant {
        Grant {
            direction,
            category: Category::CrimSeries,
            verbs: verbs.to_vec(),
            tlp_ceiling,
            until: None,
            onward: Onward::None,
            offline_days_max: None,
            subjects_max: None,
        }
    }

    #[test]
    fn an_agreement_without_grants_is_refused() {
        assert_eq!(terms(vec![]).validate(), Err(TermsError::NoGrants));
    }

    #[test]
    fn a_grant_covers_its_direction_category_verbs_and_ceiling_only() {
        let terms = terms(vec![grant(Direction::OffererGives, &[Verb::Append], Tlp::Amber)]);
        let now = WallSeconds(150);
        let ask = |giver, category, tlp, verb| terms.grants(giver, category, tlp, verb, now);
        assert_eq!(ask(Giver::Offerer, Category::CrimSeries, Tlp::Amber, Verb::Read), Some(0), "append implies read");
        assert_eq!(ask(Giver::Acceptor, Category::CrimSeries, Tlp::Amber, Verb::Read), None, "the other direction");
        assert_eq!(ask(Giver::Offerer, Category::Traf, Tlp::Amber, Verb::Read), None, "another category");
        assert_eq!(ask(Giver::Offerer, Category::CrimSeries, Tlp::AmberStrict, Verb::Read), None, "above the ceiling");
        assert_eq!(ask(Giver::Offerer, Category::CrimSeries, Tlp::Amber, Verb::Request), None, "request is not implied");
    }

    #[test]
    fn codes_and_words_read_back() {
        for category in Category::ALL {
            assert_eq!(Category::from_code(category.code()), Some(*category));
        }
        assert_eq!(Category::from_code("CRIM.NOPE"), None);
        assert_eq!(Tlp::from_word("tlp:amber+strict"), Some(Tlp::AmberStrict));
    }
}
