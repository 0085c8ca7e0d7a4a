//! The book of a bureau's own pairs: what was stated, and what of it stands at a moment.
//!
//! [`AgreementBook::learn`] checks who said what; [`AgreementBook::state`] is the one calculation of what a pair's agreements come to, a
//! pure function of the statements and now. Suspension and notice outrank every version. Where two offers of one version were concluded,
//! the lower bureau's stands if they crossed, and only what both grant if one bureau concluded twice. An end never revives what was
//! replaced.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Statement, Verified};
use accord_keys::time::WallSeconds;

use super::exchange::{Accept, AgreementStatement, Conclude, Decline, ExchangeError, Offer};
use super::lifecycle::{LinkMode, Notice, Resume, Standing, Suspend};
use super::{Category, Giver, Pair, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, StatementId};
use crate::limits;

/// Accepts kept beside the first while an offer is not concluded. Back-pressure: the acceptor's officers need one.
const FURTHER_ACCEPTS_MAX: usize = 15;

const DAY_S: u64 = 24 * 3_600;

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

/// A grant line an access decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The agreement.
    pub agreement: AgreementId,
    /// Grant line, counted from 1.
    pub line: usize,
}

/// Why the agreements of a pair do not give something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nothing is in force; how the pair stands, if it ever had an agreement.
    NotInForce(Option<Standing>),
    /// Suspended, by this statement.
    Suspended(StatementId),
    /// This agreement excludes the category.
    Excluded(AgreementId),
    /// What is in force (this, first of all) has no line for it.
    NotGranted(AgreementId),
}

/// How much of a running version counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Every line.
    All,
    /// Within grace, by the emergency clause: aid lines only.
    Aid,
    /// None.
    Nothing,
}

/// What the agreements of a pair come to at one moment.
#[derive(Clone, Debug)]
pub struct PairState<'a> {
    /// How the pair's version line stands; none when no version has begun.
    pub standing: Option<Standing>,
    /// The version that counts, begun and not replaced: one entry, or several where one bureau concluded it more than once.
    pub current: Vec<&'a Entry>,
    /// Emergency agreements running now.
    pub emergencies: Vec<&'a Entry>,
    /// Suspensions nobody lifted.
    pub suspensions: Vec<&'a Verified<Suspend>>,
    /// Notices nobody withdrew.
    pub notices: Vec<&'a Verified<Notice>>,
    /// When the current version ends: by its terms or by notice, whichever is first.
    pub ends: Option<WallSeconds>,
    /// When grace is over and winding down begins.
    pub winds_down: Option<WallSeconds>,
    reach: Reach,
}

impl<'a> PairState<'a> {
    /// The unlifted suspension of everything, if there is one; the lowest id of several.
    pub fn suspended_whole(&self) -> Option<StatementId> {
        self.suspensions.iter().find(|s| s.body().categories.is_none()).map(|s| s.id())
    }
    /// The unlifted suspension that stops a category; the lowest id of several.
    pub fn suspended(&self, category: Category) -> Option<StatementId> {
        self.suspensions.iter().find(|s| s.body().covers(category)).map(|s| s.id())
    }
    /// How a link of the pair is run.
    pub fn link_mode(&self) -> LinkMode {
        let some = self.reach != Reach::Nothing || !self.emergencies.is_empty();
        if some && self.suspended_whole().is_none() { LinkMode::Full } else { LinkMode::Restricted }
    }
    /// Whether only the emergency clause keeps aid going.
    pub fn is_aid_only(&self) -> bool {
        self.reach == Reach::Aid
    }
    /// The running version, if it covers the category at all.
    fn running(&self, category: Category) -> &[&'a Entry] {
        match self.reach {
            Reach::All => &self.current,
            Reach::Aid if category.is_aid() => &self.current,
            Reach::Aid | Reach::Nothing => &[],
        }
    }
    /// Whether a category crosses between the two at all, in either direction.
    ///
    /// # Errors
    /// [`Lack`]: what is missing.
    pub fn carries(&self, category: Category) -> Result<(), Lack> {
        if let Some(by) = self.suspended(category) {
            return Err(Lack::Suspended(by));
        }
        let running = self.running(category);
        if let Some(excluding) = running.iter().find(|entry| entry.offer.body().terms.excludes(category)) {
            return Err(Lack::Excluded(excluding.id()));
        }
        let emergency = self.emergencies.iter().any(|e| e.offer.body().terms.grants.iter().any(|grant| grant.category == category));
        if running.is_empty() && !emergency { Err(Lack::NotInForce(self.standing)) } else { Ok(()) }
    }
    /// The clause under which `giver` gives the verb.
    ///
    /// # Errors
    /// [`Lack`]: what is missing.
    pub fn clause(&self, giver: &BureauId, category: Category, tlp: Tlp, verb: Verb, now: WallSeconds) -> Result<Clause, Lack> {
        let running = self.running(category);
        let carried = self.carries(category);
        if let Err(Lack::Suspended(by)) = carried {
            return Err(Lack::Suspended(by));
        }
        let line = |entry: &Entry| {
            let line = entry.offer.body().terms.grants(entry.role(giver), category, tlp, verb, now)?;
            Some(Clause { agreement: entry.id(), line: line + 1 })
        };
        // Where one version was concluded twice, every one of them must grant it.
        if let Some(clauses) = running.iter().map(|entry| line(entry)).collect::<Option<Vec<Clause>>>()
            && let Some(first) = clauses.first()
        {
            return Ok(*first);
        }
        if let Some(clause) = self.emergencies.iter().find_map(|entry| line(entry)) {
            return Ok(clause);
        }
        carried?;
        let spoken = running.first().or(self.emergencies.first()).map(|entry| entry.id());
        Err(spoken.map_or(Lack::NotInForce(self.standing), Lack::NotGranted))
    }
}

/// All agreement statements a bureau knows of its own pairs.
#[derive(Clone, Debug)]
pub struct AgreementBook {
    own: BureauId,
    entries: BTreeMap<AgreementId, Entry>,
    pairs: BTreeMap<Pair, PairBook>,
    resumes: BTreeMap<StatementId, Pair>,
    /// Only in a copy that answers "what if": taken as sealed by both, taken as lifted.
    assumed: BTreeSet<AgreementId>,
    assumed_lifted: BTreeSet<StatementId>,
}

impl AgreementBook {
    /// An empty book of the bureau `own`.
    pub fn new(own: BureauId) -> Self {
        Self {
            own,
            entries: BTreeMap::new(),
            pairs: BTreeMap::new(),
            resumes: BTreeMap::new(),
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

    /// Takes in one verified statement; `Ok(false)` when it was known. Authority is checked here: who sealed it, in which capability.
    ///
    /// # Errors
    /// [`ExchangeError`]; the book is unchanged.
    pub fn learn(&mut self, directory: &Directory, statement: AgreementStatement) -> Result<bool, ExchangeError> {
        match statement {
            AgreementStatement::Offer(offer) => self.learn_offer(directory, offer),
            AgreementStatement::Accept(accept) => self.learn_accept(directory, accept),
            AgreementStatement::Decline(decline) => {
                let entry = self.entry_mut(&decline.body().offer)?;
                signed_by_officer(directory, &decline, decline.body().officer, entry.offer.body().acceptor, entry.capability())?;
                if entry.decline.is_some() {
                    return Ok(false);
                }
                entry.decline = Some(decline);
                Ok(true)
            }
            AgreementStatement::Conclude(conclude) => self.learn_conclude(directory, conclude),
            AgreementStatement::Suspend(suspend) => {
                let body = suspend.body();
                let pair = self.sealed_pair(&body.agreement, &body.by)?;
                signed_by_officer(directory, &suspend, body.officer, body.by, Capability::Suspend)?;
                Ok(self.pairs.entry(pair).or_default().suspensions.insert(suspend.id(), suspend).is_none())
            }
            AgreementStatement::Notice(notice) => {
                let body = notice.body();
                let pair = self.sealed_pair(&body.agreement, &body.by)?;
                signed_by_officer(directory, &notice, body.officer, body.by, Capability::SignAgreement)?;
                let days = self.entries[&body.agreement].offer.body().terms.notice_days();
                if body.ends < body.at.plus(u64::from(days) * DAY_S) {
                    return Err(ExchangeError::NoticeTooShort(days));
                }
                Ok(self.pairs.entry(pair).or_default().notices.insert(notice.id(), notice).is_none())
            }
            AgreementStatement::Resume(resume) => {
                let body = resume.body();
                let pair = self.sealed_pair(&body.agreement, &body.by)?;
                signed_by_officer(directory, &resume, body.officer, body.by, Capability::SignAgreement)?;
                let id = resume.id();
                if self.resumes.contains_key(&id) {
                    return Ok(false);
                }
                self.resumes.insert(id, pair);
                self.pairs.entry(pair).or_default().resumes.insert(id, Resumption { resume, accept: None });
                Ok(true)
            }
        }
    }

    fn entry_mut(&mut self, id: &AgreementId) -> Result<&mut Entry, ExchangeError> {
        self.entries.get_mut(id).ok_or(ExchangeError::UnknownOffer(*id))
    }

    /// The pair of an agreement both sealed and to which `by` is a party.
    fn sealed_pair(&self, id: &AgreementId, by: &BureauId) -> Result<Pair, ExchangeError> {
        let entry = self.entries.get(id).ok_or(ExchangeError::UnknownOffer(*id))?;
        if !entry.pair().holds(by) {
            return Err(ExchangeError::WrongSigner(*by));
        }
        if entry.is_sealed_by_both() { Ok(entry.pair()) } else { Err(ExchangeError::NotConcluded(*id)) }
    }

    fn learn_offer(&mut self, directory: &Directory, offer: Verified<Offer>) -> Result<bool, ExchangeError> {
        let body = offer.body();
        let id = AgreementId(offer.id().0);
        let pair = Pair::of(body.offerer, body.acceptor);
        if !pair.holds(&self.own) {
            return Err(ExchangeError::NotOurs);
        }
        if self.entries.contains_key(&id) {
            return Ok(false);
        }
        let entry = Entry { offer, accept: None, further: BTreeMap::new(), conclude: None, decline: None };
        let body = entry.offer.body();
        signed_by_officer(directory, &entry.offer, body.officer, body.offerer, entry.capability())?;
        let newest = self.newest_version(pair);
        if body.version > newest.saturating_add(1) {
            return Err(ExchangeError::WrongVersion { found: body.version, newest });
        }
        if let Some(previous) = body.previous {
            let follows = self.entries.get(&previous).is_some_and(|before| {
                before.conclude.is_some() && before.pair() == pair && before.offer.body().version + 1 == body.version
            });
            if !follows {
                return Err(ExchangeError::WrongPrevious(previous));
            }
        }
        self.entries.insert(id, entry);
        self.pairs.entry(pair).or_default().entries.insert(id);
        Ok(true)
    }

    fn learn_accept(&mut self, directory: &Directory, accept: Verified<Accept>) -> Result<bool, ExchangeError> {
        let named = accept.body().offer;
        if let Some(pair) = self.resumes.get(&StatementId(named.0)).copied() {
            let resumption = self.pairs.get_mut(&pair).and_then(|book| book.resumes.get_mut(&StatementId(named.0)));
            let resumption = resumption.expect("listed resumes stand in their pair");
            let other = pair.other(&resumption.resume.body().by);
            signed_by_officer(directory, &accept, accept.body().officer, other, Capability::SignAgreement)?;
            if resumption.accept.is_some() {
                return Ok(false);
            }
            resumption.accept = Some(accept);
            return Ok(true);
        }
        let entry = self.entry_mut(&named)?;
        signed_by_officer(directory, &accept, accept.body().officer, entry.offer.body().acceptor, entry.capability())?;
        match &entry.accept {
            None => entry.accept = Some(accept),
            Some(first) if first.id() == accept.id() || entry.further.contains_key(&accept.id()) => return Ok(false),
            Some(_) if entry.is_sealed_by_both() || entry.further.len() >= FURTHER_ACCEPTS_MAX => return Ok(false),
            Some(_) => {
                entry.further.insert(accept.id(), accept);
            }
        }
        Ok(true)
    }

    fn learn_conclude(&mut self, directory: &Directory, conclude: Verified<Conclude>) -> Result<bool, ExchangeError> {
        let named = conclude.body();
        let entry = self.entries.get(&named.offer).ok_or(ExchangeError::UnknownOffer(named.offer))?;
        let offerer = entry.offer.body().offerer;
        if entry.is_emergency() {
            return Err(ExchangeError::NothingToConclude(named.offer));
        }
        // Evidence by hash: a rival appointment learnt later changes nothing about what was concluded before.
        let appointed = directory
            .bureau(&offerer)
            .is_some_and(|bureau| bureau.appointments().any(|a| a.body().epoch == named.epoch && a.body().registrar == named.registrar));
        let sealed_by_it =
            appointed && directory.certificate(&named.registrar).is_some_and(|c| conclude.signers().any(|key| *key == c.body().key));
        if !sealed_by_it {
            return Err(ExchangeError::WrongRegistrar(offerer));
        }
        if entry.conclude.is_some() {
            return Ok(false);
        }
        let accepted = named.accept;
        let crossed = self.crosses(entry, &AgreementId(accepted.0));
        let entry = self.entry_mut(&named.offer)?;
        if !crossed && entry.accept.as_ref().map(Verified::id) != Some(accepted) {
            let accept = entry.further.remove(&accepted).ok_or(ExchangeError::UnknownAccept(accepted))?;
            entry.accept = Some(accept);
        }
        entry.further.clear();
        entry.conclude = Some(conclude);
        Ok(true)
    }

    /// Whether the other side offered the very same under one compact: two equal offers that crossed are each other's accept, since both
    /// sides sealed the same text, roles apart.
    fn crosses(&self, entry: &Entry, other: &AgreementId) -> bool {
        let one = entry.offer.body();
        self.entries.get(other).is_some_and(|other| {
            let other = other.offer.body();
            one.terms.compact().is_some()
                && (one.offerer, one.acceptor) == (other.acceptor, other.offerer)
                && (one.version, one.previous) == (other.version, other.previous)
                && one.terms == other.terms.mirrored()
        })
    }

    /// What the offerer's registrar may conclude an offer with: its first accept, or an equal offer of the other side under the same compact.
    pub fn accepted_by(&self, id: &AgreementId) -> Option<StatementId> {
        let entry = self.entries.get(id)?;
        let crossing = || {
            let pair = self.pairs.get(&entry.pair())?;
            pair.entries.iter().find(|other| self.crosses(entry, other)).map(|other| StatementId(other.0))
        };
        entry.accept.as_ref().map(Verified::id).or_else(crossing)
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

    /// The concluded version a new offer of the pair has to follow: of several the lower bureau's, then the lowest id.
    pub fn newest_concluded(&self, pair: Pair) -> Option<&Entry> {
        let version = self.newest_version(pair);
        let newest = self.concluded(pair).filter(|entry| entry.offer.body().version == version);
        newest.min_by_key(|entry| (entry.offer.body().offerer, entry.id()))
    }

    /// What the agreements of a pair come to at `now`.
    pub fn state(&self, pair: Pair, now: WallSeconds) -> PairState<'_> {
        let mut state = PairState {
            standing: None,
            current: Vec::new(),
            emergencies: Vec::new(),
            suspensions: Vec::new(),
            notices: Vec::new(),
            ends: None,
            winds_down: None,
            reach: Reach::Nothing,
        };
        let Some(book) = self.pairs.get(&pair) else { return state };
        let mut versions: BTreeMap<u32, Vec<&Entry>> = BTreeMap::new();
        for entry in self.entries_of(pair) {
            let sealed = entry.is_sealed_by_both() || self.assumed.contains(&entry.id());
            if sealed && !entry.is_emergency() {
                versions.entry(entry.offer.body().version).or_default().push(entry);
            } else if sealed && entry.has_begun(now) && now < entry.offer.body().terms.to {
                state.emergencies.push(entry);
            }
        }
        // Of crossing offers the lower bureau's stands, also if both were concluded.
        for entries in versions.values_mut() {
            let lowest = entries.iter().map(|entry| entry.offer.body().offerer).min();
            entries.retain(|entry| Some(entry.offer.body().offerer) == lowest);
        }
        let mut lifted = lifted(book, &versions, now);
        lifted.extend(&self.assumed_lifted);
        state.suspensions = book.suspensions.values().filter(|s| !lifted.contains(&s.id())).collect();
        state.notices = book.notices.values().filter(|s| !lifted.contains(&s.id())).collect();
        // A newer version that has begun replaces an older one even after the newer one ended.
        let current = versions.into_values().rev().find(|entries| entries.iter().any(|entry| entry.has_begun(now)));
        state.current = current.unwrap_or_default();
        state.settle(now);
        if state.suspended_whole().is_some() {
            state.reach = Reach::Nothing;
            state.emergencies.clear();
        }
        state
    }

    /// What an offer has become at `now`.
    pub fn standing(&self, id: &AgreementId, now: WallSeconds) -> Option<Standing> {
        let entry = self.entries.get(id)?;
        let offer = entry.offer.body();
        if !entry.is_sealed_by_both() {
            return Some(match (&entry.decline, &entry.accept) {
                (Some(_), None) => Standing::Declined,
                (_, Some(_)) => Standing::Accepted,
                (None, None) if now >= offer.expires => Standing::Lapsed,
                (None, None) => Standing::Offered,
            });
        }
        if !entry.has_begun(now) {
            return Some(Standing::NotYet);
        }
        let state = self.state(entry.pair(), now);
        if entry.is_emergency() {
            return Some(match () {
                () if now >= offer.terms.to => Standing::Ended,
                () if state.suspended_whole().is_some() => Standing::Suspended,
                () => Standing::InForce,
            });
        }
        if state.current.iter().any(|current| current.id() == *id) { state.standing } else { Some(Standing::Superseded) }
    }

    /// The version of a pair in force at `now`: empty, one, or (one bureau concluded one version twice) several, of which only the
    /// intersection counts: in what they grant and in when they run. Emergency agreements and clauses stand beside it.
    pub fn in_force(&self, pair: Pair, now: WallSeconds) -> Vec<&Entry> {
        let state = self.state(pair, now);
        if state.reach == Reach::All { state.current } else { Vec::new() }
    }

    /// How a link of the pair is run at `now`.
    pub fn link_mode(&self, pair: Pair, now: WallSeconds) -> LinkMode {
        self.state(pair, now).link_mode()
    }

    /// The clause under which `giver` gives `receiver` the verb.
    ///
    /// # Errors
    /// [`Lack`]: what is missing.
    pub fn grant(
        &self,
        giver: BureauId,
        receiver: BureauId,
        category: Category,
        tlp: Tlp,
        verb: Verb,
        now: WallSeconds,
    ) -> Result<Clause, Lack> {
        self.state(Pair::of(giver, receiver), now).clause(&giver, category, tlp, verb, now)
    }

    /// The clause under which `giver` gives `receiver` the verb; `None` when nothing in force grants it.
    pub fn clause(
        &self,
        giver: BureauId,
        receiver: BureauId,
        category: Category,
        tlp: Tlp,
        verb: Verb,
        now: WallSeconds,
    ) -> Option<Clause> {
        self.grant(giver, receiver, category, tlp, verb, now).ok()
    }

    /// What decides what a pair shares at `now`, as one digest: both sides compare views only under equal ones.
    pub fn policy(&self, pair: Pair, now: WallSeconds) -> crate::id::Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord pair policy v1");
        let state = self.state(pair, now);
        let counts = if state.reach == Reach::All { state.current.as_slice() } else { &[] };
        for entry in counts {
            hasher.update(&entry.id().0);
        }
        let mut part = |mark: u8, ids: Vec<[u8; 32]>| {
            for id in ids {
                hasher.update(&[mark]);
                hasher.update(&id);
            }
        };
        let aid = if state.is_aid_only() { state.current.as_slice() } else { &[] };
        part(1, aid.iter().map(|entry| entry.id().0).collect());
        part(2, state.emergencies.iter().map(|entry| entry.id().0).collect());
        part(3, state.suspensions.iter().map(|s| s.id().0).collect());
        crate::id::Digest(*hasher.finalize().as_bytes())
    }

    /// When what stands next changes by time alone: beginnings, ends, grace, winding down, expiring grants and offers after `now`.
    pub fn next_change(&self, now: WallSeconds) -> Option<WallSeconds> {
        let of_offers = self.entries.values().flat_map(|entry| {
            let offer = entry.offer.body();
            let grace = offer.terms.to.plus(u64::from(offer.terms.grace_days) * DAY_S);
            [offer.terms.from, offer.terms.to, offer.expires, grace, grace.plus(limits::WINDING_DOWN_S)]
                .into_iter()
                .chain(offer.terms.grants.iter().filter_map(|grant| grant.until))
        });
        let of_notices = self.pairs.values().flat_map(|book| book.notices.values()).flat_map(|notice| {
            let ends = notice.body().ends;
            [ends, ends.plus(limits::WINDING_DOWN_S)]
        });
        of_offers.chain(of_notices).filter(|at| *at > now).min()
    }

    fn concluded(&self, pair: Pair) -> impl Iterator<Item = &Entry> {
        self.entries_of(pair).filter(|entry| entry.conclude.is_some())
    }
}

impl PairState<'_> {
    /// Standing and reach of the current version, by its terms and the notices given.
    fn settle(&mut self, now: WallSeconds) {
        let terms = || self.current.iter().map(|entry| &entry.offer.body().terms);
        let grace = |t: &super::Terms| t.to.plus(u64::from(t.grace_days) * DAY_S);
        let (Some(from), Some(to), Some(over)) = (terms().map(|t| t.from).max(), terms().map(|t| t.to).min(), terms().map(grace).min())
        else {
            return;
        };
        let noticed = self.notices.iter().map(|notice| notice.body().ends).min();
        let winds_down = noticed.map_or(over, |at| at.min(over));
        let whole = self.suspended_whole().is_some();
        let aid = terms().all(super::Terms::has_emergency_clause);
        self.ends = Some(noticed.map_or(to, |at| at.min(to)));
        self.winds_down = Some(winds_down);
        let standing = match () {
            () if now < from => Standing::NotYet,
            () if now >= winds_down.plus(limits::WINDING_DOWN_S) => Standing::Ended,
            () if now >= winds_down => Standing::WindingDown,
            () if whole => Standing::Suspended,
            () if now >= to => Standing::Expired,
            () if noticed.is_some() => Standing::UnderNotice,
            () => Standing::InForce,
        };
        self.standing = Some(standing);
        self.reach = match standing {
            Standing::InForce | Standing::UnderNotice => Reach::All,
            Standing::Expired if aid => Reach::Aid,
            _ => Reach::Nothing,
        };
    }
}

/// Suspensions and notices lifted by an accepted resume, or by a version that has begun; of one concluded more than once, by all of them.
fn lifted(book: &PairBook, versions: &BTreeMap<u32, Vec<&Entry>>, now: WallSeconds) -> BTreeSet<StatementId> {
    let accepted = book.resumes.values().filter(|resumption| resumption.accept.is_some());
    let mut out: BTreeSet<StatementId> = accepted.flat_map(|resumption| resumption.resume.body().lifts.iter().copied()).collect();
    for entries in versions.values() {
        let Some((first, others)) = entries.split_first() else { continue };
        if entries.iter().all(|entry| entry.has_begun(now)) {
            let agreed = |id: &&StatementId| others.iter().all(|other| other.offer.body().terms.lifts().contains(id));
            out.extend(first.offer.body().terms.lifts().iter().filter(agreed).copied());
        }
    }
    out
}

fn signed_by_officer<T: Statement>(
    directory: &Directory,
    statement: &Verified<T>,
    officer: CertificateId,
    bureau: BureauId,
    needed: Capability,
) -> Result<(), ExchangeError> {
    let certificate = directory.certificate(&officer).ok_or(ExchangeError::WrongSigner(bureau))?.body();
    let may = certificate.bureau == bureau
        && certificate.capabilities.contains(&needed)
        && statement.signers().any(|key| *key == certificate.key);
    if may { Ok(()) } else { Err(ExchangeError::WrongSigner(bureau)) }
}
