//! What an agreement says beside its grants: kind, notice, emergency clause, excluded categories, and the annexes people work by.
//!
//! Everything here stands in one optional field of the terms, so terms without it read and hash as they always did. Kind, notice,
//! emergency clause, excluded categories, compact and lifts decide what stands ([`super::lifecycle`]); the rest is sealed for people and
//! for the faces: seats, phones, response times, pairings, articles.

use accord_keys::text::check_text;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::{Category, Terms};
use crate::id::{CompactId, Digest, StatementId};
use crate::limits;

/// Whether an agreement belongs to the pair's line of versions or stands beside it for a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Form {
    /// A version of the pair's agreement.
    #[default]
    #[n(0)]
    Ordinary,
    /// By two duty commanders, at most 24 hours, aid categories only; in force from its accept, beside the versions.
    #[n(1)]
    Emergency,
}

/// How pressing a matter is; the key of response times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Urgency {
    /// 特提
    #[n(0)]
    Flash,
    /// 特急
    #[n(1)]
    Urgent,
    /// 加急
    #[n(2)]
    Priority,
    /// 平急
    #[n(3)]
    Routine,
}

impl Urgency {
    /// Every urgency, most pressing first.
    pub const ALL: [Urgency; 4] = [Urgency::Flash, Urgency::Urgent, Urgency::Priority, Urgency::Routine];
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Urgency::Flash => "flash",
            Urgency::Urgent => "urgent",
            Urgency::Priority => "priority",
            Urgency::Routine => "routine",
        }
    }
    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.word() == word.trim())
    }
}

/// One of the two parties, as the offer numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Side {
    /// The offering bureau.
    #[n(0)]
    Offerer,
    /// The accepting bureau.
    #[n(1)]
    Acceptor,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Side::Offerer => Side::Acceptor,
            Side::Acceptor => Side::Offerer,
        }
    }
}

/// Within what time a matter is signed for and answered, minutes from delivery at the receiver's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Response {
    /// Of this urgency.
    #[n(0)]
    pub urgency: Urgency,
    /// Signed for, 1..=[`limits::RESPONSE_MINUTES_MAX`].
    #[n(1)]
    pub sign_minutes: u32,
    /// Answered, at least `sign_minutes`.
    #[n(2)]
    pub answer_minutes: u32,
}

/// Which seat speaks for a side, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Liaison {
    /// Of which side.
    #[n(0)]
    pub side: Side,
    /// For one category; absent: for all.
    #[n(1)]
    pub category: Option<Category>,
    /// The seat, for instance `liaison`.
    #[n(2)]
    pub seat: String,
    /// Who stands in.
    #[n(3)]
    pub deputy: Option<String>,
    /// 24-hour phone.
    #[n(4)]
    pub phone: String,
    /// Whether this seat may order by phone; the number above is the one to call back.
    #[n(5)]
    pub may_order: bool,
}

/// Two units that work with each other directly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Pairing {
    /// The offerer's unit.
    #[n(0)]
    pub offerer_unit: String,
    /// The acceptor's unit.
    #[n(1)]
    pub acceptor_unit: String,
}

/// Units of both sides that form one working area.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cluster {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// 1..=64 units.
    #[n(1)]
    pub units: Vec<String>,
}

/// How long what was received of a category may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Retention {
    /// The category.
    #[n(0)]
    pub category: Category,
    /// Days, 1..=3,660.
    #[n(1)]
    pub days: u32,
}

/// Who heads each side; for the signature block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heads {
    /// Head of the offerer.
    #[n(0)]
    pub offerer: String,
    /// Head of the acceptor.
    #[n(1)]
    pub acceptor: String,
}

/// A further article in plain words: data protection, disputes, costs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Article {
    /// Its heading, 1..=200 bytes.
    #[n(0)]
    pub title: String,
    /// Its text, 1..=4,000 bytes; line feeds allowed.
    #[n(1)]
    pub text: String,
}

/// Everything an agreement says beside title, validity and grants.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Annex {
    /// Number in the two bureaus' files; may be empty, at most 120 bytes.
    #[n(0)]
    pub number: String,
    /// Version of the pair's line, or a day's emergency agreement.
    #[n(1)]
    pub form: Form,
    /// Days between notice and end, 30..=365; 0 in an emergency agreement.
    #[n(2)]
    pub notice_days: u32,
    /// Aid lines go on through the grace time after the end.
    #[n(3)]
    pub emergency_clause: bool,
    /// Never shared under this agreement, whatever the grants say; ascending, unique.
    #[n(4)]
    pub excluded: Vec<Category>,
    /// Response times, ascending by urgency, each once.
    #[n(5)]
    pub responses: Vec<Response>,
    /// At most 64.
    #[n(6)]
    pub liaisons: Vec<Liaison>,
    /// At most 256, ascending, unique.
    #[n(7)]
    pub pairings: Vec<Pairing>,
    /// At most 16.
    #[n(8)]
    pub clusters: Vec<Cluster>,
    /// Ascending by category, each once.
    #[n(9)]
    pub retention: Vec<Retention>,
    /// The heads of both sides.
    #[n(10)]
    pub heads: Option<Heads>,
    /// At most 32.
    #[n(11)]
    pub articles: Vec<Article>,
    /// BLAKE3 of the calendar table by which due times are counted.
    #[n(12)]
    pub calendar: Option<Digest>,
    /// The compact this pair's agreement belongs to.
    #[n(13)]
    pub compact: Option<CompactId>,
    /// Suspensions and notices that end when this version begins; what is not listed stands. Ascending, unique.
    #[n(14)]
    pub lifts: Vec<StatementId>,
}

impl Default for Annex {
    /// An ordinary agreement with nothing in its annexes and the shortest notice.
    fn default() -> Self {
        Self {
            number: String::new(),
            form: Form::Ordinary,
            notice_days: limits::NOTICE_DAYS_MIN,
            emergency_clause: false,
            excluded: Vec::new(),
            responses: Vec::new(),
            liaisons: Vec::new(),
            pairings: Vec::new(),
            clusters: Vec::new(),
            retention: Vec::new(),
            heads: None,
            articles: Vec::new(),
            calendar: None,
            compact: None,
            lifts: Vec::new(),
        }
    }
}

/// Why an annex cannot be sealed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnnexError {
    /// A text is empty, too long or holds what is not plain text.
    #[error("{what} {rule}")]
    Text {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        rule: String,
    },
    /// A number outside its bounds.
    #[error("{what}: {found} is not within {least} to {most}")]
    Number {
        /// Which one.
        what: &'static str,
        /// As found.
        found: u32,
        /// The least allowed.
        least: u32,
        /// The most allowed.
        most: u32,
    },
    /// A list that is too long, out of order or repeats itself.
    #[error("{what}: too many, out of order or repeated")]
    List {
        /// Which one.
        what: &'static str,
    },
    /// An emergency agreement that is not one.
    #[error("an emergency agreement {0}")]
    Emergency(&'static str),
}

impl Annex {
    /// Checks every bound, together with the terms it stands in.
    ///
    /// # Errors
    /// The first [`AnnexError`] found.
    pub fn validate(&self, terms: &Terms) -> Result<(), AnnexError> {
        if !self.number.is_empty() {
            plain("number", &self.number, 120)?;
        }
        match self.form {
            Form::Ordinary => within("notice days", self.notice_days, limits::NOTICE_DAYS_MIN, 365)?,
            Form::Emergency => self.validate_emergency(terms)?,
        }
        ascending("excluded categories", &self.excluded, Category::ALL.len())?;
        ascending("lifts", &self.lifts, limits::LIFTS_MAX)?;
        ascending("pairings", &self.pairings, limits::PAIRINGS_MAX)?;
        let urgencies: Vec<Urgency> = self.responses.iter().map(|r| r.urgency).collect();
        ascending("response times", &urgencies, Urgency::ALL.len())?;
        for response in &self.responses {
            within("minutes to sign", response.sign_minutes, 1, limits::RESPONSE_MINUTES_MAX)?;
            within("minutes to answer", response.answer_minutes, response.sign_minutes, limits::RESPONSE_MINUTES_MAX)?;
        }
        at_most("liaisons", &self.liaisons, limits::LIAISONS_MAX)?;
        for liaison in &self.liaisons {
            plain("seat", &liaison.seat, 120)?;
            plain("phone", &liaison.phone, 120)?;
            liaison.deputy.as_ref().map_or(Ok(()), |deputy| plain("deputy", deputy, 120))?;
        }
        for pairing in &self.pairings {
            plain("unit", &pairing.offerer_unit, 120)?;
            plain("unit", &pairing.acceptor_unit, 120)?;
        }
        at_most("clusters", &self.clusters, limits::CLUSTERS_MAX)?;
        for cluster in &self.clusters {
            plain("cluster", &cluster.name, 120)?;
            within("units of a cluster", u32::try_from(cluster.units.len()).unwrap_or(u32::MAX), 1, 64)?;
            cluster.units.iter().try_for_each(|unit| plain("unit", unit, 120))?;
        }
        let kept: Vec<Category> = self.retention.iter().map(|r| r.category).collect();
        ascending("retention", &kept, Category::ALL.len())?;
        self.retention.iter().try_for_each(|r| within("days of retention", r.days, 1, 3_660))?;
        if let Some(heads) = &self.heads {
            plain("head", &heads.offerer, 120)?;
            plain("head", &heads.acceptor, 120)?;
        }
        at_most("articles", &self.articles, limits::ARTICLES_MAX)?;
        for article in &self.articles {
            plain("heading", &article.title, 200)?;
            // Paragraphs are plain texts of their own; an empty line between them is none.
            if article.text.len() > 4_000 {
                return Err(AnnexError::Text { what: "article", rule: "has more than 4000 bytes".to_owned() });
            }
            let mut paragraphs = article.text.split('\n').filter(|p| !p.is_empty()).peekable();
            if paragraphs.peek().is_none() {
                return Err(AnnexError::Text { what: "article", rule: "is empty".to_owned() });
            }
            paragraphs.try_for_each(|paragraph| plain("article", paragraph, 4_000))?;
        }
        Ok(())
    }

    fn validate_emergency(&self, terms: &Terms) -> Result<(), AnnexError> {
        let unless = |holds: bool, why| if holds { Ok(()) } else { Err(AnnexError::Emergency(why)) };
        unless(terms.to.0.saturating_sub(terms.from.0) <= limits::EMERGENCY_S_MAX, "lasts at most 24 hours")?;
        unless(terms.grants.iter().all(|grant| grant.category.is_aid()), "grants aid categories only")?;
        unless(self.notice_days == 0 && terms.grace_days == 0, "has no notice and no grace")?;
        unless(!self.emergency_clause && self.compact.is_none() && self.lifts.is_empty(), "lifts nothing and belongs to nothing")
    }

    /// The same annex seen from the other side: who is offerer and who acceptor changed places.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut out = self.clone();
        for liaison in &mut out.liaisons {
            liaison.side = liaison.side.other();
        }
        for pairing in &mut out.pairings {
            std::mem::swap(&mut pairing.offerer_unit, &mut pairing.acceptor_unit);
        }
        out.pairings.sort();
        if let Some(heads) = &mut out.heads {
            std::mem::swap(&mut heads.offerer, &mut heads.acceptor);
        }
        out
    }
}

fn plain(what: &'static str, text: &str, bytes_max: usize) -> Result<(), AnnexError> {
    check_text(what, text, bytes_max).map_err(|bad| AnnexError::Text { what, rule: bad.rule })
}

fn within(what: &'static str, found: u32, least: u32, most: u32) -> Result<(), AnnexError> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(AnnexError::Number { what, found, least, most }) }
}

fn at_most<T>(what: &'static str, list: &[T], most: usize) -> Result<(), AnnexError> {
    if list.len() <= most { Ok(()) } else { Err(AnnexError::List { what }) }
}

fn ascending<T: Ord>(what: &'static str, list: &[T], most: usize) -> Result<(), AnnexError> {
    at_most(what, list, most)?;
    if list.windows(2).all(|pair| pair[0] < pair[1]) { Ok(()) } else { Err(AnnexError::List { what }) }
}
