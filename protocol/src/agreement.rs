//! What two bureaus agreed: grants by direction, category, verb, traffic-light ceiling and validity.
//!
//! An agreement *is* the access policy between its two parties. It is bilateral, versioned and expiring; both seal the same bytes. This
//! module holds the terms; [`annex`] what they say beside grants; [`exchange`] how they come to stand; [`lifecycle`] what stops, resumes and
//! ends them; [`book`] what stands at a moment; [`compact`] one text for many pairs; [`crate::access`] is the only reader of grants.
//! Default deny: an empty list means nobody, an unknown word means no.

pub mod annex;
pub mod book;
pub mod compact;
pub mod diff;
pub mod exchange;
pub mod lifecycle;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::id::{BureauId, CompactId, StatementId};
use crate::limits;
use accord_keys::text::check_text;
use accord_keys::time::WallSeconds;
use annex::{Annex, AnnexError, Form};

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
    /// Whether it is about helping out: what an emergency clause or emergency agreement may carry.
    pub const fn is_aid(self) -> bool {
        matches!(self, Category::FireAid | Category::ForceAid)
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

impl Direction {
    /// The same line with offerer and acceptor changed places.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Direction::OffererGives => Direction::AcceptorGives,
            Direction::AcceptorGives => Direction::OffererGives,
            Direction::Both => Direction::Both,
        }
    }
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
    /// Units of the receiver that may read; none named: its whole bureau. 1..=64, ascending, unique.
    #[n(8)]
    pub units: Option<Vec<String>>,
    /// Seats of the receiver that may read; none named: every seat. 1..=64, ascending, unique.
    #[n(9)]
    pub seats: Option<Vec<String>>,
}

impl Grant {
    /// Whether a member of the receiver with this unit and these seats is meant. What crosses a link is for the bureau; within the
    /// bureau its own node asks this.
    pub fn is_for(&self, unit: &str, seats: &[String]) -> bool {
        self.units.as_ref().is_none_or(|units| units.iter().any(|named| named == unit))
            && self.seats.as_ref().is_none_or(|named| named.iter().any(|seat| seats.contains(seat)))
    }
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
    /// Everything else that was agreed.
    #[n(6)]
    pub annex: Option<Box<Annex>>,
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
    /// Units or seats of a line: an empty list, too many, out of order, or no plain texts.
    #[error("grant line {line}: units or seats empty, repeated, out of order or not plain")]
    Narrowed {
        /// Counted from 1.
        line: usize,
    },
    /// The annex.
    #[error(transparent)]
    Annex(#[from] AnnexError),
    /// Too long to travel in one message with others.
    #[error("terms of {found} bytes, at most {most}")]
    Size {
        /// As found.
        found: usize,
        /// [`limits::TERMS_BYTES_MAX`].
        most: usize,
    },
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
            let plain = |names: &Vec<String>| {
                (1..=64).contains(&names.len())
                    && names.windows(2).all(|pair| pair[0] < pair[1])
                    && names.iter().all(|name| check_text("name", name, 120).is_ok())
            };
            if ![&grant.units, &grant.seats].into_iter().flatten().all(plain) {
                return Err(TermsError::Narrowed { line });
            }
        }
        if let Some(annex) = &self.annex {
            annex.validate(self)?;
            let found = accord_keys::canon::encode(self).len();
            if found > limits::TERMS_BYTES_MAX {
                return Err(TermsError::Size { found, most: limits::TERMS_BYTES_MAX });
            }
        }
        Ok(())
    }

    /// Whether these are the terms of a day's emergency agreement.
    pub fn is_emergency(&self) -> bool {
        self.annex.as_ref().is_some_and(|annex| annex.form == Form::Emergency)
    }
    /// Whether a category is never shared under these terms.
    pub fn excludes(&self, category: Category) -> bool {
        self.annex.as_ref().is_some_and(|annex| annex.excluded.contains(&category))
    }
    /// Whether aid lines go on through the grace time.
    pub fn has_emergency_clause(&self) -> bool {
        self.annex.as_ref().is_some_and(|annex| annex.emergency_clause)
    }
    /// Days between notice and end.
    pub fn notice_days(&self) -> u32 {
        self.annex.as_ref().map_or(limits::NOTICE_DAYS_MIN, |annex| annex.notice_days)
    }
    /// Suspensions and notices these terms end when they begin.
    pub fn lifts(&self) -> &[StatementId] {
        self.annex.as_ref().map_or(&[], |annex| &annex.lifts)
    }
    /// The compact they belong to.
    pub fn compact(&self) -> Option<CompactId> {
        self.annex.as_ref().and_then(|annex| annex.compact)
    }
    /// The same terms as the other side would offer them.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut out = self.clone();
        for grant in &mut out.grants {
            grant.direction = grant.direction.mirrored();
        }
        out.annex = self.annex.as_ref().map(|annex| Box::new(annex.mirrored()));
        out
    }

    /// The first grant line (counted from 0) under which `giver` gives `verb` on documents of `category` at `tlp`, at `now`. Validity of
    /// the agreement itself is the caller's question ([`exchange::Standing`]).
    pub fn grants(&self, giver: Giver, category: Category, tlp: Tlp, verb: Verb, now: WallSeconds) -> Option<usize> {
        self.lines(giver, category, tlp, verb, now).next()
    }

    /// Every grant line (counted from 0) that gives so much, in order.
    pub fn lines(&self, giver: Giver, category: Category, tlp: Tlp, verb: Verb, now: WallSeconds) -> impl Iterator<Item = usize> {
        let excluded = self.excludes(category);
        self.grants.iter().enumerate().filter_map(move |(at, grant)| {
            let gives = !excluded
                && grant.category == category
                && grant.verbs.iter().any(|held| held.includes(verb))
                && tlp <= grant.tlp_ceiling
                && grant.until.is_none_or(|until| now < until)
                && matches!(
                    (grant.direction, giver),
                    (Direction::Both, _) | (Direction::OffererGives, Giver::Offerer) | (Direction::AcceptorGives, Giver::Acceptor)
                );
            gives.then_some(at)
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
    /// Whether a bureau is one of the two.
    pub fn holds(&self, bureau: &BureauId) -> bool {
        self.low == *bureau || self.high == *bureau
    }
    /// The one of the two that `bureau` is not.
    pub fn other(&self, bureau: &BureauId) -> BureauId {
        if self.low == *bureau { self.high } else { self.low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(grants: Vec<Grant>) -> Terms {
        Terms { title: "协作".into(), text_hash: None, from: WallSeconds(100), to: WallSeconds(200), grants, grace_days: 30, annex: None }
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
            units: None,
            seats: None,
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
