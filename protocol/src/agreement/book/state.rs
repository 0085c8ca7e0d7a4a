//! What the agreements of a pair come to at a moment: the one calculation everything else reads.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::seal::Verified;
use accord_keys::time::WallSeconds;

use super::{AgreementBook, Entry, PairBook};
use crate::agreement::lifecycle::{LinkMode, Notice, Standing, Suspend};
use crate::agreement::{Category, Pair, Terms, Tlp, Verb};
use crate::id::{AgreementId, BureauId, StatementId};
use crate::limits;
use crate::time::DAY_S;

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

impl AgreementBook {
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
            if entries.iter().any(|entry| !self.is_void(entry)) {
                entries.retain(|entry| !self.is_void(entry));
            }
            let lowest = entries.iter().map(|entry| entry.offer.body().offerer).min();
            entries.retain(|entry| Some(entry.offer.body().offerer) == lowest);
        }
        let mut lifted = lifted(book, versions.values().filter(|entries| !entries.iter().any(|entry| self.is_void(entry))), now);
        lifted.extend(&self.assumed_lifted);
        state.suspensions = book.suspensions.values().filter(|s| !lifted.contains(&s.id())).collect();
        state.notices = book.notices.values().filter(|s| !lifted.contains(&s.id())).collect();
        // A newer version that has begun replaces an older one even after the newer one ended.
        let current = versions.into_values().rev().find(|entries| entries.iter().any(|entry| entry.has_begun(now)));
        state.current = current.unwrap_or_default();
        // A void one replaces and gives nothing.
        state.current.retain(|entry| !self.is_void(entry));
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
        if self.is_void(entry) {
            return Some(Standing::Declined);
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
}

impl PairState<'_> {
    /// Standing and reach of the current version, by its terms and the notices given.
    fn settle(&mut self, now: WallSeconds) {
        let terms = || self.current.iter().map(|entry| &entry.offer.body().terms);
        let grace = |t: &Terms| t.to.plus(u64::from(t.grace_days) * DAY_S);
        let (Some(from), Some(to), Some(over)) = (terms().map(|t| t.from).max(), terms().map(|t| t.to).min(), terms().map(grace).min())
        else {
            return;
        };
        let noticed = self.notices.iter().map(|notice| notice.body().ends).min();
        let winds_down = noticed.map_or(over, |at| at.min(over));
        let whole = self.suspended_whole().is_some();
        let aid = terms().all(Terms::has_emergency_clause);
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
fn lifted<'a>(book: &PairBook, versions: impl Iterator<Item = &'a Vec<&'a Entry>>, now: WallSeconds) -> BTreeSet<StatementId> {
    let accepted = book.resumes.values().filter(|resumption| resumption.accept.is_some());
    let mut out: BTreeSet<StatementId> = accepted.flat_map(|resumption| resumption.resume.body().lifts.iter().copied()).collect();
    for entries in versions {
        let Some((first, others)) = entries.split_first() else { continue };
        if entries.iter().all(|entry| entry.has_begun(now)) {
            let agreed = |id: &&StatementId| others.iter().all(|other| other.offer.body().terms.lifts().contains(id));
            out.extend(first.offer.body().terms.lifts().iter().filter(agreed).copied());
        }
    }
    out
}
