//! The book of a bureau's own pairs: what was stated, and what of it stands at a moment.
//!
//! [`AgreementBook::learn`] (`learn`) checks who said what; [`AgreementBook::state`] (`state`) is the one calculation of what a pair's
//! agreements come to, a pure function of the statements and now. Suspension and notice outrank every version. Where two offers of one version were concluded,
//! the lower bureau's stands if they crossed, and only what both grant if one bureau concluded twice. An end never revives what was
//! replaced.

mod learn;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::time::WallSeconds;
use accord_keys::certificate::Capability;
use accord_keys::seal::Verified;

use super::exchange::{Accept, AgreementStatement, Conclude, Decline, ExchangeError, Offer};
use super::lifecycle::{Notice, Resume, Suspend};
use super::{Giver, Pair};
use crate::id::{AgreementId, BureauId, CertificateId, StatementId};

pub(in crate::agreement) use learn::signed_by_officer;
pub use state::{Clause, Lack, PairState};

/// Accepts kept beside the first while an offer is not concluded. Back-pressure: the acceptor's officers need one.
const FURTHER_ACCEPTS_MAX: usize = 15;

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
    /// Whether both sides sealed it for good: a concluded version, or an accepted emergency agreement.
    pub fn is_sealed_by_both(&self) -> bool {
        self.conclude.is_some() || self.is_emergency() && self.accept.is_some()
    }
    /// One of the accepts known, by its id.
    pub fn accept_by_id(&self, id: &StatementId) -> Option<&Verified<Accept>> {
        self.accept.iter().chain(self.further.values()).find(|accept| accept.id() == *id)
    }
    /// Whether it is a day's emergency agreement.
    pub fn is_emergency(&self) -> bool {
        self.offer.body().version == 0
    }
    /// Which capability its officers need.
    fn capability(&self) -> Capability {
        if self.is_emergency() { Capability::Command } else { Capability::SignAgreement }
    }
    fn has_begun(&self, now: WallSeconds) -> bool {
        self.offer.body().terms.from <= now
    }
    fn role(&self, giver: &BureauId) -> Giver {
        if self.offer.body().offerer == *giver { Giver::Offerer } else { Giver::Acceptor }
    }
}

/// A resume and whether the other side accepted it.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// The proposal.
    pub resume: Verified<Resume>,
    /// The other side's seal; it counts from then on.
    pub accept: Option<Verified<Accept>>,
}

/// What was stated within one pair.
#[derive(Clone, Debug, Default)]
struct PairBook {
    entries: BTreeSet<AgreementId>,
    suspensions: BTreeMap<StatementId, Verified<Suspend>>,
    notices: BTreeMap<StatementId, Verified<Notice>>,
    resumes: BTreeMap<StatementId, Resumption>,
}

/// All agreement statements a bureau knows of its own pairs.
#[derive(Clone, Debug)]
pub struct AgreementBook {
    own: BureauId,
    entries: BTreeMap<AgreementId, Entry>,
    pairs: BTreeMap<Pair, PairBook>,
    resumes: BTreeMap<StatementId, Pair>,
    changes: u64,
    /// Only in a copy that answers "what if": taken as sealed by both, taken as lifted.
    assumed: BTreeSet<AgreementId>,
    assumed_lifted: BTreeSet<StatementId>,
}

impl AgreementBook {
    /// How often something was learnt: what was worked out by this book stands as long as it stays the same.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// An empty book of the bureau `own`.
    pub fn new(own: BureauId) -> Self {
        Self {
            own,
            entries: BTreeMap::new(),
            pairs: BTreeMap::new(),
            resumes: BTreeMap::new(),
            changes: 0,
            assumed: BTreeSet::new(),
            assumed_lifted: BTreeSet::new(),
        }
    }

    /// This book if both sides had sealed an offer it holds: what an act would change is read from it before anything is sealed.
    #[must_use]
    pub fn if_sealed_by_both(&self, id: AgreementId) -> Self {
        let mut out = self.clone();
        out.assumed.insert(id);
        out
    }

    /// This book if both sides had agreed to lift these.
    #[must_use]
    pub fn if_lifted(&self, lifts: impl IntoIterator<Item = StatementId>) -> Self {
        let mut out = self.clone();
        out.assumed_lifted.extend(lifts);
        out
    }

    fn entry_mut(&mut self, id: &AgreementId) -> Result<&mut Entry, ExchangeError> {
        self.entries.get_mut(id).ok_or(ExchangeError::UnknownOffer(*id))
    }

    /// What the offerer's registrar may conclude an offer with: its first accept, or an equal offer of the other side under the same compact.
    pub fn accepted_by(&self, id: &AgreementId) -> Option<StatementId> {
        let entry = self.entries.get(id)?;
        let crossing = || {
            let pair = self.pairs.get(&entry.pair())?;
            // A no to either of the two is no to what they would have come to.
            let open = |other: &&AgreementId| self.entries[*other].decline.is_none() && self.crosses(entry, other);
            pair.entries.iter().filter(|_| entry.decline.is_none()).find(open).map(|other| StatementId(other.0))
        };
        entry.accept.as_ref().map(Verified::id).or_else(crossing)
    }

    /// Whether an offer was concluded with an equal one of the other side though one of the two was declined: that binds nobody. It depends on
    /// what was said, not on the order in which it was heard; the version number stays spent, so that nothing older comes back.
    pub fn is_void(&self, entry: &Entry) -> bool {
        let crossed = entry.conclude.as_ref().and_then(|conclude| self.entries.get(&AgreementId(conclude.body().accept.0)));
        crossed.is_some_and(|other| entry.decline.is_some() || other.decline.is_some())
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
        for book in self.pairs.values() {
            out.extend(book.suspensions.values().cloned().map(AgreementStatement::Suspend));
            out.extend(book.notices.values().cloned().map(AgreementStatement::Notice));
            for resumption in book.resumes.values() {
                out.push(AgreementStatement::Resume(resumption.resume.clone()));
                out.extend(resumption.accept.clone().map(AgreementStatement::Accept));
            }
        }
        out
    }

    /// Every offer of a pair.
    pub fn entries_of(&self, pair: Pair) -> impl Iterator<Item = &Entry> {
        self.pairs.get(&pair).into_iter().flat_map(|book| &book.entries).filter_map(|id| self.entries.get(id))
    }

    /// Every pair something was stated in.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.pairs.keys().copied()
    }

    /// Every resume of a pair.
    pub fn resumes_of(&self, pair: Pair) -> impl Iterator<Item = &Resumption> {
        self.pairs.get(&pair).into_iter().flat_map(|book| book.resumes.values())
    }

    /// One resume, with its pair.
    pub fn resume(&self, id: &StatementId) -> Option<(Pair, &Resumption)> {
        let pair = *self.resumes.get(id)?;
        Some((pair, self.pairs.get(&pair)?.resumes.get(id)?))
    }

    /// One suspension of a pair, lifted or not.
    pub fn suspension(&self, pair: Pair, id: &StatementId) -> Option<&Verified<Suspend>> {
        self.pairs.get(&pair)?.suspensions.get(id)
    }

    /// One notice of a pair, withdrawn or not.
    pub fn notice(&self, pair: Pair, id: &StatementId) -> Option<&Verified<Notice>> {
        self.pairs.get(&pair)?.notices.get(id)
    }

    /// Which pair a statement speaks of, as far as what it names is known here.
    pub fn pair_of(&self, statement: &AgreementStatement) -> Option<Pair> {
        match statement {
            AgreementStatement::Offer(offer) => Some(Pair::of(offer.body().offerer, offer.body().acceptor)),
            other => {
                let named = other.offer();
                self.entries.get(&named).map(Entry::pair).or_else(|| self.resumes.get(&StatementId(named.0)).copied())
            }
        }
    }

    /// Statements to show a partner at the start of a session, oldest version first, at most `limit` offers.
    pub fn statements_with(&self, partner: BureauId, limit: usize) -> Vec<Vec<u8>> {
        let pair = Pair::of(self.own, partner);
        let mut entries: Vec<&Entry> = self.entries_of(pair).collect();
        entries.sort_by_key(|entry| (entry.offer.body().version, entry.offer.body().at, entry.id()));
        // What both sealed is always shown; the bound is for open offers.
        let open = entries.iter().filter(|entry| !entry.is_sealed_by_both()).count();
        let mut skip = open.saturating_sub(limit);
        let mut out = Vec::new();
        // Within one version conclusions go last: one may name an equal offer that crossed it as its accept.
        for of_version in entries.chunk_by(|one, other| one.offer.body().version == other.offer.body().version) {
            for entry in of_version {
                if !entry.is_sealed_by_both() && skip > 0 && !self.is_cited(entry) {
                    skip -= 1;
                    continue;
                }
                out.push(entry.offer.sealed().to_bytes());
                out.extend(entry.accept.iter().chain(entry.further.values()).map(|s| s.sealed().to_bytes()));
                out.extend(entry.decline.iter().map(|s| s.sealed().to_bytes()));
            }
            out.extend(of_version.iter().filter_map(|entry| entry.conclude.as_ref()).map(|s| s.sealed().to_bytes()));
        }
        if let Some(book) = self.pairs.get(&pair) {
            out.extend(book.suspensions.values().map(|s| s.sealed().to_bytes()));
            out.extend(book.notices.values().map(|s| s.sealed().to_bytes()));
            for resumption in book.resumes.values() {
                out.push(resumption.resume.sealed().to_bytes());
                out.extend(resumption.accept.iter().map(|s| s.sealed().to_bytes()));
            }
        }
        out
    }

    /// Whether a conclusion of the pair names this open offer as its accept.
    fn is_cited(&self, entry: &Entry) -> bool {
        let cited = StatementId(entry.id().0);
        entry.offer.body().terms.compact().is_some()
            && self.entries_of(entry.pair()).any(|other| other.conclude.as_ref().is_some_and(|c| c.body().accept == cited))
    }

    /// Certificates of the officers who sealed anything in a pair, in no particular order, with repeats.
    pub fn officers_of(&self, pair: Pair) -> Vec<CertificateId> {
        let mut out = Vec::new();
        for entry in self.entries_of(pair) {
            out.push(entry.offer.body().officer);
            out.extend(entry.accept.iter().chain(entry.further.values()).map(|s| s.body().officer));
            out.extend(entry.decline.as_ref().map(|s| s.body().officer));
        }
        if let Some(book) = self.pairs.get(&pair) {
            out.extend(book.suspensions.values().map(|s| s.body().officer));
            out.extend(book.notices.values().map(|s| s.body().officer));
            for resumption in book.resumes.values() {
                out.push(resumption.resume.body().officer);
                out.extend(resumption.accept.as_ref().map(|s| s.body().officer));
            }
        }
        out
    }

    /// The newest concluded version of a pair; 0 when there is none.
    pub fn newest_version(&self, pair: Pair) -> u32 {
        self.concluded(pair).map(|entry| entry.offer.body().version).max().unwrap_or(0)
    }

    /// The concluded version a new offer of the pair has to follow: of several one that binds, the lower bureau's, then the lowest id.
    pub fn newest_concluded(&self, pair: Pair) -> Option<&Entry> {
        let version = self.newest_version(pair);
        let newest = self.concluded(pair).filter(|entry| entry.offer.body().version == version);
        newest.min_by_key(|entry| (self.is_void(entry), entry.offer.body().offerer, entry.id()))
    }

    fn concluded(&self, pair: Pair) -> impl Iterator<Item = &Entry> {
        self.entries_of(pair).filter(|entry| entry.conclude.is_some())
    }
}
