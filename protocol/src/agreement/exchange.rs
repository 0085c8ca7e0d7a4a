//! How an agreement comes to stand: offer, accept, conclude.
//!
//! Three statements of different type. An **offer** holds the terms, sealed by an officer of the offerer; it expires. An **accept** names
//! the offer by its id, which is the hash of the very bytes the offerer sealed: so both sides seal the same bytes. **Conclude**, by the
//! offerer's registrar, spends the version number; without it nothing is in force. What stands is a pure function of the statements and
//! now. Where two offers of one version were concluded, the lower bureau's stands if they crossed, and only what both grant if one bureau
//! concluded twice.

use std::collections::BTreeMap;

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use super::{Category, Giver, Pair, Terms, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, Nonce, StatementId};

/// Accepts kept beside the first while an offer is not concluded. Back-pressure: the acceptor's officers need one.
const FURTHER_ACCEPTS_MAX: usize = 15;

/// Terms offered by one bureau to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// Who offers; its officer seals this.
    #[n(0)]
    pub offerer: BureauId,
    /// Who may accept.
    #[n(1)]
    pub acceptor: BureauId,
    /// From 1; one more than the version it follows.
    #[n(2)]
    pub version: u32,
    /// The version it follows.
    #[n(3)]
    pub previous: Option<AgreementId>,
    /// The terms.
    #[n(4)]
    pub terms: Terms,
    /// When it was sealed, by its officer's clock.
    #[n(5)]
    pub at: WallSeconds,
    /// Not to be accepted after this.
    #[n(6)]
    pub expires: WallSeconds,
    /// The sealing officer.
    #[n(7)]
    pub officer: CertificateId,
    /// Makes equal offers differ.
    #[n(8)]
    pub nonce: Nonce,
}

impl Statement for Offer {
    const TYPE: StatementType = StatementType::Offer;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("offer", what));
        if self.offerer == self.acceptor {
            return bad("an agreement needs two bureaus");
        }
        if self.version == 0 || (self.version == 1) != self.previous.is_none() {
            return bad("version 1 follows nothing, every other version names the one it follows");
        }
        if self.expires <= self.at {
            return bad("the offer expires before it is made");
        }
        self.terms.validate().map_err(|error| Malformed::new("terms", error.to_string()))
    }
}

/// The other side seals the same terms by naming the offer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Accept {
    /// The offer.
    #[n(0)]
    pub offer: AgreementId,
    /// The sealing officer.
    #[n(1)]
    pub officer: CertificateId,
    /// When, by the officer's clock.
    #[n(2)]
    pub at: WallSeconds,
}
impl Statement for Accept {
    const TYPE: StatementType = StatementType::Accept;
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// The offerer's registrar spends the version number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Conclude {
    /// The offer.
    #[n(0)]
    pub offer: AgreementId,
    /// The accept statement.
    #[n(1)]
    pub accept: StatementId,
    /// The offerer's registrar.
    #[n(2)]
    pub registrar: CertificateId,
    /// Its epoch.
    #[n(3)]
    pub epoch: u32,
    /// When, by the registrar's clock.
    #[n(4)]
    pub at: WallSeconds,
}
impl Statement for Conclude {
    const TYPE: StatementType = StatementType::Conclude;
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// No, with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Decline {
    /// The offer.
    #[n(0)]
    pub offer: AgreementId,
    /// The sealing officer.
    #[n(1)]
    pub officer: CertificateId,
    /// At most 500 bytes.
    #[n(2)]
    pub reason: String,
    /// When, by the officer's clock.
    #[n(3)]
    pub at: WallSeconds,
}
impl Statement for Decline {
    const TYPE: StatementType = StatementType::Decline;
    fn validate(&self) -> Result<(), Malformed> {
        if self.reason.len() > 500 || self.reason.chars().any(char::is_control) {
            return Err(Malformed::new("reason", "longer than 500 bytes or with control characters"));
        }
        Ok(())
    }
}

/// A verified statement of the exchange.
#[derive(Clone, Debug)]
pub enum AgreementStatement {
    /// See [`Offer`].
    Offer(Verified<Offer>),
    /// See [`Accept`].
    Accept(Verified<Accept>),
    /// See [`Conclude`].
    Conclude(Verified<Conclude>),
    /// See [`Decline`].
    Decline(Verified<Decline>),
}

impl AgreementStatement {
    /// Its id.
    pub fn id(&self) -> StatementId {
        match self {
            Self::Offer(s) => s.id(),
            Self::Accept(s) => s.id(),
            Self::Conclude(s) => s.id(),
            Self::Decline(s) => s.id(),
        }
    }
    /// Its sealed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Offer(s) => s.sealed().to_bytes(),
            Self::Accept(s) => s.sealed().to_bytes(),
            Self::Conclude(s) => s.sealed().to_bytes(),
            Self::Decline(s) => s.sealed().to_bytes(),
        }
    }
    /// When it was sealed, by its sealer's clock.
    pub fn at(&self) -> WallSeconds {
        match self {
            Self::Offer(s) => s.body().at,
            Self::Accept(s) => s.body().at,
            Self::Conclude(s) => s.body().at,
            Self::Decline(s) => s.body().at,
        }
    }
    /// The officer who sealed it; none for a conclusion, which is the registrar's.
    pub fn officer(&self) -> Option<CertificateId> {
        match self {
            Self::Offer(s) => Some(s.body().officer),
            Self::Accept(s) => Some(s.body().officer),
            Self::Decline(s) => Some(s.body().officer),
            Self::Conclude(_) => None,
        }
    }
    /// The offer it is or speaks of.
    pub fn offer(&self) -> AgreementId {
        match self {
            Self::Offer(s) => AgreementId(s.id().0),
            Self::Accept(s) => s.body().offer,
            Self::Conclude(s) => s.body().offer,
            Self::Decline(s) => s.body().offer,
        }
    }
}

/// Why a statement of the exchange is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExchangeError {
    /// It speaks of an offer we do not hold.
    #[error("offer {0} is not known here")]
    UnknownOffer(AgreementId),
    /// The sealing certificate is unknown, of another bureau, or may not sign agreements.
    #[error("the statement is not sealed by an officer of {0} who may sign agreements")]
    WrongSigner(BureauId),
    /// Not sealed by the registrar of the epoch it names.
    #[error("the conclusion is not sealed by the registrar of {0}")]
    WrongRegistrar(BureauId),
    /// A conclusion without its accept.
    #[error("the accept {0} is not known here")]
    UnknownAccept(StatementId),
    /// It follows a version that is not the pair's newest.
    #[error("version {found} does not follow version {newest}")]
    WrongVersion {
        /// What it claims.
        found: u32,
        /// The newest concluded version.
        newest: u32,
    },
    /// It names as the version it follows what is not the concluded version before it.
    #[error("agreement {0} is not the concluded version before this one")]
    WrongPrevious(AgreementId),
    /// Neither party is this bureau.
    #[error("the agreement is between other bureaus")]
    NotOurs,
}

/// What an offer has become.
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
    /// In force.
    InForce,
    /// Past its end.
    Expired,
    /// A later version, or the lower bureau's crossing offer, stands instead.
    Superseded,
}

impl Standing {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Offered => "offered",
            Standing::Lapsed => "lapsed",
            Standing::Declined => "declined",
            Standing::Accepted => "accepted",
            Standing::NotYet => "not_yet",
            Standing::InForce => "in_force",
            Standing::Expired => "expired",
            Standing::Superseded => "superseded",
        }
    }
}

/// One offer with what came of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The offer.
    pub offer: Verified<Offer>,
    /// The accept it was concluded with; before, the first one known.
    pub accept: Option<Verified<Accept>>,
    /// Further accepts of the same offer: which one counts is for the conclusion to say.
    further: BTreeMap<StatementId, Verified<Accept>>,
    /// Its conclusion.
    pub conclude: Option<Verified<Conclude>>,
    /// A decline.
    pub decline: Option<Verified<Decline>>,
}

impl Entry {
    /// The agreement's id: that of its offer.
    pub fn id(&self) -> AgreementId {
        AgreementId(self.offer.id().0)
    }
    /// The pair it binds.
    pub fn pair(&self) -> Pair {
        Pair::of(self.offer.body().offerer, self.offer.body().acceptor)
    }
}

/// A grant line an access decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The agreement.
    pub agreement: AgreementId,
    /// Grant line, counted from 1.
    pub line: usize,
}

/// All agreement statements a bureau knows of its own pairs.
#[derive(Clone, Debug)]
pub struct AgreementBook {
    own: BureauId,
    entries: BTreeMap<AgreementId, Entry>,
}

impl AgreementBook {
    /// An empty book of the bureau `own`.
    pub fn new(own: BureauId) -> Self {
        Self { own, entries: BTreeMap::new() }
    }

    /// Takes in one verified statement; `Ok(false)` when it was known. Authority is checked here: who sealed it, in which capability.
    ///
    /// # Errors
    /// [`ExchangeError`]; the book is unchanged.
    pub fn learn(&mut self, directory: &Directory, statement: AgreementStatement) -> Result<bool, ExchangeError> {
        let offer_id = statement.offer();
        match statement {
            AgreementStatement::Offer(offer) => {
                let body = offer.body();
                if body.offerer != self.own && body.acceptor != self.own {
                    return Err(ExchangeError::NotOurs);
                }
                if self.entries.contains_key(&offer_id) {
                    return Ok(false);
                }
                signed_by_officer(directory, &offer, body.officer, body.offerer)?;
                let newest = self.newest_version(Pair::of(body.offerer, body.acceptor));
                if body.version > newest.saturating_add(1) {
                    return Err(ExchangeError::WrongVersion { found: body.version, newest });
                }
                if let Some(previous) = body.previous {
                    let follows = self.entries.get(&previous).is_some_and(|before| {
                        before.conclude.is_some()
                            && before.pair() == Pair::of(body.offerer, body.acceptor)
                            && before.offer.body().version + 1 == body.version
                    });
                    if !follows {
                        return Err(ExchangeError::WrongPrevious(previous));
                    }
                }
                self.entries.insert(offer_id, Entry { offer, accept: None, further: BTreeMap::new(), conclude: None, decline: None });
                Ok(true)
            }
            AgreementStatement::Accept(accept) => {
                let entry = self.entries.get_mut(&offer_id).ok_or(ExchangeError::UnknownOffer(offer_id))?;
                signed_by_officer(directory, &accept, accept.body().officer, entry.offer.body().acceptor)?;
                match &entry.accept {
                    None => entry.accept = Some(accept),
                    Some(first) if first.id() == accept.id() || entry.further.contains_key(&accept.id()) => return Ok(false),
                    Some(_) if entry.conclude.is_some() || entry.further.len() >= FURTHER_ACCEPTS_MAX => return Ok(false),
                    Some(_) => {
                        entry.further.insert(accept.id(), accept);
                    }
                }
                Ok(true)
            }
            AgreementStatement::Decline(decline) => {
                let entry = self.entries.get_mut(&offer_id).ok_or(ExchangeError::UnknownOffer(offer_id))?;
                signed_by_officer(directory, &decline, decline.body().officer, entry.offer.body().acceptor)?;
                if entry.decline.is_some() {
                    return Ok(false);
                }
                entry.decline = Some(decline);
                Ok(true)
            }
            AgreementStatement::Conclude(conclude) => {
                let entry = self.entries.get_mut(&offer_id).ok_or(ExchangeError::UnknownOffer(offer_id))?;
                let offerer = entry.offer.body().offerer;
                // Evidence by hash: a rival appointment learnt later changes nothing about what was concluded before.
                let named = conclude.body();
                let appointed = directory.bureau(&offerer).is_some_and(|bureau| {
                    bureau.appointments().any(|a| a.body().epoch == named.epoch && a.body().registrar == named.registrar)
                });
                let sealed_by_it = appointed
                    && directory
                        .certificate(&conclude.body().registrar)
                        .is_some_and(|c| conclude.signers().any(|key| *key == c.body().key));
                if !sealed_by_it {
                    return Err(ExchangeError::WrongRegistrar(offerer));
                }
                if entry.conclude.is_some() {
                    return Ok(false);
                }
                let named = conclude.body().accept;
                if entry.accept.as_ref().map(Verified::id) != Some(named) {
                    let accept = entry.further.remove(&named).ok_or(ExchangeError::UnknownAccept(named))?;
                    entry.accept = Some(accept);
                }
                entry.further.clear();
                entry.conclude = Some(conclude);
                Ok(true)
            }
        }
    }

    /// One offer by id.
    pub fn get(&self, id: &AgreementId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Every offer known.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Every statement of every pair, in no order that matters: [`AgreementBook::learn`] takes them again in the order they came.
    pub fn statements(&self) -> Vec<AgreementStatement> {
        let mut out = Vec::new();
        for entry in self.entries.values() {
            out.push(AgreementStatement::Offer(entry.offer.clone()));
            out.extend(entry.accept.iter().chain(entry.further.values()).cloned().map(AgreementStatement::Accept));
            out.extend(entry.decline.clone().map(AgreementStatement::Decline));
            out.extend(entry.conclude.clone().map(AgreementStatement::Conclude));
        }
        out
    }

    /// Statements to show a partner at the start of a session, oldest version first, at most `limit` offers.
    pub fn statements_with(&self, partner: BureauId, limit: usize) -> Vec<Vec<u8>> {
        let pair = Pair::of(self.own, partner);
        let mut entries: Vec<&Entry> = self.entries.values().filter(|entry| entry.pair() == pair).collect();
        entries.sort_by_key(|entry| (entry.offer.body().version, entry.offer.body().at, entry.id()));
        // What was concluded is always shown; the bound is for open offers.
        let open = entries.iter().filter(|entry| entry.conclude.is_none()).count();
        let mut skip = open.saturating_sub(limit);
        let mut out = Vec::new();
        for entry in entries {
            if entry.conclude.is_none() && skip > 0 {
                skip -= 1;
                continue;
            }
            out.push(entry.offer.sealed().to_bytes());
            out.extend(entry.accept.iter().chain(entry.further.values()).map(|s| s.sealed().to_bytes()));
            out.extend(entry.decline.iter().map(|s| s.sealed().to_bytes()));
            out.extend(entry.conclude.iter().map(|s| s.sealed().to_bytes()));
        }
        out
    }

    /// The newest concluded version of a pair; 0 when there is none.
    pub fn newest_version(&self, pair: Pair) -> u32 {
        self.concluded(pair).map(|entry| entry.offer.body().version).max().unwrap_or(0)
    }

    /// What an offer has become at `now`.
    pub fn standing(&self, id: &AgreementId, now: WallSeconds) -> Option<Standing> {
        let entry = self.entries.get(id)?;
        let offer = entry.offer.body();
        if entry.conclude.is_none() {
            return Some(match (&entry.decline, &entry.accept) {
                (Some(_), None) => Standing::Declined,
                (_, Some(_)) => Standing::Accepted,
                (None, None) if now >= offer.expires => Standing::Lapsed,
                (None, None) => Standing::Offered,
            });
        }
        if now >= offer.terms.to {
            return Some(Standing::Expired);
        }
        if now < offer.terms.from {
            return Some(Standing::NotYet);
        }
        let stands = self.in_force(entry.pair(), now).iter().any(|current| current.id() == *id);
        Some(if stands { Standing::InForce } else { Standing::Superseded })
    }

    /// The version of a pair in force at `now`: empty, one, or (one bureau concluded one version twice) several, of which only the
    /// intersection counts: in what they grant and in when they run.
    pub fn in_force(&self, pair: Pair, now: WallSeconds) -> Vec<&Entry> {
        let running = |entry: &&Entry| entry.offer.body().terms.from <= now && now < entry.offer.body().terms.to;
        let begun = |entry: &&Entry| entry.offer.body().terms.from <= now;
        // A newer version that has begun replaces an older one even after the newer one ended: an end never revives what it replaced.
        let Some(version) = self.concluded(pair).filter(begun).map(|entry| entry.offer.body().version).max() else {
            return Vec::new();
        };
        let of_version: Vec<&Entry> = self.concluded(pair).filter(|entry| entry.offer.body().version == version).collect();
        let lowest = of_version.iter().map(|entry| entry.offer.body().offerer).min();
        let standing: Vec<&Entry> = of_version.into_iter().filter(|entry| Some(entry.offer.body().offerer) == lowest).collect();
        if standing.iter().all(running) { standing } else { Vec::new() }
    }

    /// The clause under which `giver` gives `receiver` the verb; `None` when nothing in force grants it. Where one version was concluded
    /// twice, every one of them must grant it.
    pub fn clause(
        &self,
        giver: BureauId,
        receiver: BureauId,
        category: Category,
        tlp: Tlp,
        verb: Verb,
        now: WallSeconds,
    ) -> Option<Clause> {
        let current = self.in_force(Pair::of(giver, receiver), now);
        let mut first = None;
        for entry in &current {
            let role = if entry.offer.body().offerer == giver { Giver::Offerer } else { Giver::Acceptor };
            let line = entry.offer.body().terms.grants(role, category, tlp, verb, now)?;
            first.get_or_insert(Clause { agreement: entry.id(), line: line + 1 });
        }
        first
    }

    /// When what stands next changes by time alone: ends, beginnings, expiring grants and offers after `now`.
    pub fn next_change(&self, now: WallSeconds) -> Option<WallSeconds> {
        self.entries
            .values()
            .flat_map(|entry| {
                let offer = entry.offer.body();
                [Some(offer.terms.from), Some(offer.terms.to), Some(offer.expires)]
                    .into_iter()
                    .chain(offer.terms.grants.iter().map(|grant| grant.until))
                    .flatten()
                    .collect::<Vec<_>>()
            })
            .filter(|at| *at > now)
            .min()
    }

    fn concluded(&self, pair: Pair) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.pair() == pair && entry.conclude.is_some())
    }
}

fn signed_by_officer<T: Statement>(
    directory: &Directory,
    statement: &Verified<T>,
    officer: CertificateId,
    bureau: BureauId,
) -> Result<(), ExchangeError> {
    let certificate = directory.certificate(&officer).ok_or(ExchangeError::WrongSigner(bureau))?.body();
    let may = certificate.bureau == bureau
        && certificate.capabilities.contains(&Capability::SignAgreement)
        && statement.signers().any(|key| *key == certificate.key);
    if may { Ok(()) } else { Err(ExchangeError::WrongSigner(bureau)) }
}
