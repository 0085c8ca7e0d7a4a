//! Relay passes: one partner of a bureau may hand its documents to another while the bureau itself cannot.
//!
//! A pass is sealed by the issuer's registrar, given to its holder, and shown by the holder to the bureaus it names. What the holder may
//! have by it follows from the pass and the documents' logs alone; nobody needs to read the issuer's agreements. It lives at most seven
//! days and is not renewed while the agreement is not in force, so that a suspension reaches third bureaus by silence.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::agreement::{Category, Tlp, Verb};
use crate::id::{BureauId, CertificateId, Nonce, StatementId};
use crate::limits;

/// What a pass covers of one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct PassLine {
    /// Of what category.
    #[n(0)]
    pub category: Category,
    /// `Read` or `Append`.
    #[n(1)]
    pub verb: Verb,
    /// Nothing stricter than this.
    #[n(2)]
    pub tlp_ceiling: Tlp,
}

/// Lets one partner hand the issuer's documents to another. Sealed by the issuer's registrar.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayPass {
    /// Whose documents.
    #[n(0)]
    pub issuer: BureauId,
    /// The sealing registrar.
    #[n(1)]
    pub registrar: CertificateId,
    /// The appointment it acts under.
    #[n(2)]
    pub appointment: StatementId,
    /// Who may be handed them.
    #[n(3)]
    pub holder: BureauId,
    /// What: ascending and unique by category and verb.
    #[n(4)]
    pub lines: Vec<PassLine>,
    /// By whom: ascending, unique, without issuer and holder. Empty: by nobody; it still says that the two are on terms.
    #[n(5)]
    pub shown_to: Vec<BureauId>,
    /// From when (inclusive).
    #[n(6)]
    pub from: WallSeconds,
    /// Until when (exclusive); at most seven days after `from`.
    #[n(7)]
    pub until: WallSeconds,
    /// Makes equal passes differ.
    #[n(8)]
    pub nonce: Nonce,
}

impl Statement for RelayPass {
    const TYPE: StatementType = StatementType::RelayPass;
    fn validate(&self) -> Result<(), Malformed> {
        let rule = |holds: bool, what: &'static str| Malformed::unless(holds, "relay pass", what);
        rule(self.issuer != self.holder, "needs two bureaus")?;
        rule(!self.lines.is_empty() && self.lines.len() <= limits::PASS_LINES_MAX, "lines missing or above their bound")?;
        let ordered = self.lines.windows(2).all(|pair| (pair[0].category, pair[0].verb) < (pair[1].category, pair[1].verb));
        rule(ordered, "lines must be ascending and unique")?;
        rule(self.lines.iter().all(|line| matches!(line.verb, Verb::Read | Verb::Append)), "verbs are read and append")?;
        rule(self.shown_to.len() <= limits::PASS_SHOWN_MAX, "shown to too many")?;
        rule(self.shown_to.windows(2).all(|pair| pair[0] < pair[1]), "bureaus it is shown to must be ascending and unique")?;
        rule(!self.shown_to.contains(&self.issuer) && !self.shown_to.contains(&self.holder), "is not shown to issuer or holder")?;
        rule(self.from < self.until && self.until.0 - self.from.0 <= limits::PASS_LIFE_S_MAX, "lives for up to seven days")
    }
}

impl RelayPass {
    /// Whether it runs at `now`.
    pub fn runs(&self, now: WallSeconds) -> bool {
        self.from <= now && now < self.until
    }
    /// Whether it covers reading a document of this category and traffic light.
    pub fn covers(&self, category: Category, tlp: Tlp) -> bool {
        self.lines.iter().any(|line| line.category == category && line.verb.includes(Verb::Read) && tlp <= line.tlp_ceiling)
    }
    /// Whether it names a bureau to be shown to.
    pub fn names(&self, bureau: &BureauId) -> bool {
        self.shown_to.binary_search(bureau).is_ok()
    }
}

/// Why a pass is not kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PassError {
    /// It is no matter of this bureau: neither issuer, holder nor named.
    #[error("the pass of {0:?} does not concern this bureau")]
    NotOurs(BureauId),
    /// Who brought it has no reason to: it is neither its holder nor, where that is us, its issuer or whom it names.
    #[error("a pass is shown by its holder, and to its holder by its issuer or whom it names")]
    Messenger,
    /// The registrar's certificate or its appointment is not known: it may be once they are.
    #[error("the registrar of {0:?} is not known")]
    UnknownRegistrar(BureauId),
    /// Not sealed by the registrar of the appointment it names, or that one is no longer the registrar.
    #[error("not sealed by the registrar of {0:?}")]
    WrongRegistrar(BureauId),
    /// It has ended, and so has every older one.
    #[error("the pass has ended")]
    Over,
    /// More passes than are kept.
    #[error("more passes than are kept")]
    Full,
}

/// Why no pass serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassFault {
    /// None is known.
    None,
    /// The newest has ended, or not begun.
    Expired(StatementId),
    /// It does not name the sender.
    NotNamed(StatementId),
    /// It has no line for such a document.
    NotGranted(StatementId),
}

/// How much a book of passes takes in. Back-pressure: what is refused may come again once there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Issuers one holder shows passes of.
    pub issuers: usize,
    /// Pairs of issuer and holder in all.
    pub pairs: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { issuers: limits::PASS_ISSUERS_MAX, pairs: limits::PASS_PAIRS_MAX }
    }
}

/// The passes a bureau issued, holds or was shown: of each issuer and holder the newest few.
#[derive(Clone, Debug)]
pub struct PassBook {
    own: BureauId,
    room: Room,
    /// By holder, then issuer.
    passes: BTreeMap<(BureauId, BureauId), Vec<Verified<RelayPass>>>,
    /// What was replaced or has ended, newest first: nobody goes by it, and whoever asks about a past time is answered by it.
    past: BTreeMap<(BureauId, BureauId), Vec<Verified<RelayPass>>>,
    changes: u64,
}

/// Of one issuer's passes for one holder, newest first, those that count at `now`, and those that were replaced.
fn counting(all: Vec<Verified<RelayPass>>, now: WallSeconds) -> (Vec<Verified<RelayPass>>, Vec<Verified<RelayPass>>) {
    // A bureau that a newer pass does not name goes by the newest that does: it was shown no other.
    let mut named = BTreeSet::new();
    let mut newest = true;
    all.into_iter().partition(|pass| {
        let body = pass.body();
        // One that has not begun, as after a clock was ahead for a while, replaces none yet.
        if body.from > now {
            return true;
        }
        // The newest stays even if it names nobody: it says how holder and issuer stand.
        let names = body.shown_to.iter().filter(|bureau| named.insert(**bureau)).count() > 0;
        std::mem::take(&mut newest) || names
    })
}

fn key(issuer: &BureauId, holder: &BureauId) -> (BureauId, BureauId) {
    (*holder, *issuer)
}

fn newest_first(passes: &mut [Verified<RelayPass>]) {
    passes.sort_by_key(|pass| std::cmp::Reverse((pass.body().from, pass.body().until, pass.id())));
}

impl PassBook {
    /// An empty book of the bureau `own`.
    pub fn new(own: BureauId) -> Self {
        Self::with_room(own, Room::default())
    }

    /// An empty book of the bureau `own` that takes in so much.
    pub fn with_room(own: BureauId, room: Room) -> Self {
        Self { own, room, passes: BTreeMap::new(), past: BTreeMap::new(), changes: 0 }
    }

    /// How often what is kept changed: what was worked out by this book stands as long as it stays the same.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes in one verified pass brought by `messenger` (`None`: out of our own store or by our own devices). `Ok(false)` when it was
    /// known or is older than those kept.
    ///
    /// # Errors
    /// [`PassError`]; the book is unchanged.
    pub fn learn(
        &mut self,
        directory: &Directory,
        pass: Verified<RelayPass>,
        messenger: Option<BureauId>,
        now: WallSeconds,
    ) -> Result<bool, PassError> {
        let body = pass.body();
        // A holder shows its passes to whom they name. To the holder it is given by its issuer, or said back by whoever was shown it: it may
        // have lost it. Nobody else has a reason to bring one, and whoever invents bureaus none to speak for them.
        let may_bring = |by: BureauId| if body.holder == self.own { by == body.issuer || body.names(&by) } else { by == body.holder };
        if messenger.is_some_and(|by| !may_bring(by)) {
            return Err(PassError::Messenger);
        }
        if body.issuer != self.own && body.holder != self.own && !body.names(&self.own) {
            return Err(PassError::NotOurs(body.issuer));
        }
        // One that has ended is learnt as long as an older one, which it replaced, could still run.
        if now >= body.from.plus(limits::PASS_LIFE_S_MAX) {
            return Err(PassError::Over);
        }
        sealed_by_registrar(directory, &pass)?;
        let key = key(&body.issuer, &body.holder);
        // For what we issue ourselves there is always room.
        if body.issuer != self.own
            && !self.passes.contains_key(&key)
            && (self.pairs_of(&body.holder).count() >= self.room.issuers || self.passes.len() >= self.room.pairs)
        {
            return Err(PassError::Full);
        }
        // One laid aside is judged anew: what replaced it may not count by now, as after a clock that was ahead for a while.
        let laid_aside = self.past.get_mut(&key).is_some_and(|past| {
            let before = past.len();
            past.retain(|old| old.id() != pass.id());
            past.len() < before
        });
        let kept = self.passes.entry(key).or_default();
        if kept.iter().any(|old| old.id() == pass.id()) {
            return Ok(false);
        }
        let id = pass.id();
        let before: Vec<StatementId> = kept.iter().map(Verified::id).collect();
        kept.push(pass);
        newest_first(kept);
        let (mut count, mut replaced) = counting(std::mem::take(kept), now);
        replaced.extend(count.drain(limits::PASSES_KEPT.min(count.len())..));
        let counts = count.iter().any(|pass| pass.id() == id);
        *kept = count;
        if !kept.iter().map(Verified::id).eq(before) {
            self.changes += 1;
        }
        if !counts && !laid_aside {
            replaced.retain(|pass| pass.id() != id);
        }
        self.lay_aside(key, replaced);
        Ok(counts)
    }

    fn lay_aside(&mut self, key: (BureauId, BureauId), passes: Vec<Verified<RelayPass>>) {
        if passes.is_empty() || (!self.past.contains_key(&key) && self.past.len() >= self.room.pairs) {
            return;
        }
        let past = self.past.entry(key).or_default();
        past.extend(passes);
        newest_first(past);
        past.truncate(limits::PASSES_PAST_MAX);
    }

    /// Tells what counts now from what was replaced: after the passes were read back in any order.
    pub fn settle(&mut self, now: WallSeconds) {
        self.changes += 1;
        let keys: Vec<(BureauId, BureauId)> = self.passes.keys().copied().collect();
        for key in keys {
            let Some(all) = self.passes.remove(&key) else { continue };
            let (count, replaced) = counting(all, now);
            self.passes.insert(key, count);
            self.lay_aside(key, replaced);
        }
    }

    /// Lays aside what has ended; answers the ids that nothing is kept of any more.
    pub fn forget_ended(&mut self, now: WallSeconds) -> Vec<StatementId> {
        // The newest ended one stays for as long as a pass lives: a refusal then says "ended" and not "none".
        let old = |pass: &Verified<RelayPass>| now.0 >= pass.body().until.0.saturating_add(limits::PASS_LIFE_S_MAX);
        let mut gone = Vec::new();
        let keys: Vec<(BureauId, BureauId)> = self.passes.keys().copied().collect();
        for key in keys {
            let Some(all) = self.passes.remove(&key) else { continue };
            let (ended, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(old);
            if !kept.is_empty() {
                self.passes.insert(key, kept);
            }
            if !ended.is_empty() {
                self.changes += 1;
                let mut before: Vec<StatementId> = ended.iter().map(Verified::id).collect();
                before.extend(self.past.get(&key).into_iter().flatten().map(Verified::id));
                self.lay_aside(key, ended);
                let stays = self.ids(&key.1, &key.0);
                gone.extend(before.into_iter().filter(|id| !stays.contains(id)));
            }
        }
        gone
    }

    /// A pass of `issuer` by which `sender` may hand such a document to `holder` at `now`.
    ///
    /// # Errors
    /// [`PassFault`]: what the best candidate lacks.
    pub fn find(
        &self,
        issuer: &BureauId,
        holder: &BureauId,
        sender: &BureauId,
        category: Category,
        tlp: Tlp,
        now: WallSeconds,
    ) -> Result<StatementId, PassFault> {
        let kept = self.passes.get(&key(issuer, holder)).ok_or(PassFault::None)?;
        // The newest that has begun and names the sender decides: one that grants less replaces one that granted more, also while that
        // still runs. One that does not name it the sender was never shown: it goes by the one it knows until that ends, and so does the
        // holder, or the two would count different views.
        let begun = || kept.iter().filter(|pass| pass.body().from <= now);
        let named = begun().find(|pass| pass.body().names(sender));
        let pass = named.or(begun().next()).or(kept.first()).ok_or(PassFault::None)?;
        let (id, body) = (pass.id(), pass.body());
        if !body.runs(now) {
            Err(PassFault::Expired(id))
        } else if !body.names(sender) {
            Err(PassFault::NotNamed(id))
        } else if !body.covers(category, tlp) {
            Err(PassFault::NotGranted(id))
        } else {
            Ok(id)
        }
    }

    /// The book with only the passes of which `known` says yes, also those replaced since: as it was before the others came.
    #[must_use]
    pub fn where_known(&self, known: impl Fn(&StatementId) -> bool) -> Self {
        let mut out = Self::with_room(self.own, self.room);
        for (key, pass) in self.passes.iter().chain(&self.past).flat_map(|(key, all)| all.iter().map(move |pass| (*key, pass))) {
            if known(&pass.id()) {
                out.passes.entry(key).or_default().push(pass.clone());
            }
        }
        out.passes.values_mut().for_each(|kept| newest_first(kept));
        out
    }
    /// The passes kept of one issuer and holder, those that were replaced too.
    pub fn ids(&self, issuer: &BureauId, holder: &BureauId) -> Vec<StatementId> {
        let key = key(issuer, holder);
        self.passes.get(&key).into_iter().chain(self.past.get(&key)).flatten().map(Verified::id).collect()
    }
    /// The newest pass that counts, or ended lately, of one issuer and holder.
    pub fn last(&self, issuer: &BureauId, holder: &BureauId) -> Option<StatementId> {
        self.passes.get(&key(issuer, holder))?.first().map(Verified::id)
    }
    /// Every pass kept, without those replaced.
    pub fn all(&self) -> impl Iterator<Item = &Verified<RelayPass>> {
        self.passes.values().flatten()
    }
    /// The newest running pass from `issuer` to `holder`.
    pub fn newest(&self, issuer: &BureauId, holder: &BureauId, now: WallSeconds) -> Option<&Verified<RelayPass>> {
        self.passes.get(&key(issuer, holder))?.iter().find(|pass| pass.body().from <= now).filter(|pass| pass.body().runs(now))
    }
    /// From when the newest pass from `issuer` to `holder` that has begun runs: what replaces it must run from later on, since of two that
    /// run from the same second nobody could say which one came second.
    pub fn newest_begins(&self, issuer: &BureauId, holder: &BureauId, now: WallSeconds) -> Option<WallSeconds> {
        self.passes.get(&key(issuer, holder))?.iter().map(|pass| pass.body().from).find(|from| *from <= now)
    }
    /// The newest running pass from `issuer` to `holder` that names a bureau.
    pub fn newest_for(&self, issuer: &BureauId, holder: &BureauId, named: &BureauId, now: WallSeconds) -> Option<&Verified<RelayPass>> {
        let mut begun = self.passes.get(&key(issuer, holder))?.iter().filter(|pass| pass.body().from <= now);
        begun.find(|pass| pass.body().names(named)).filter(|pass| pass.body().runs(now))
    }
    /// What the holder last said to a bureau of its passes from `issuer`: the newest that names it, also one that has ended, as long as
    /// an older one could still run. Whoever missed it would go by the older one.
    pub fn last_word(&self, issuer: &BureauId, holder: &BureauId, named: &BureauId, now: WallSeconds) -> Option<&Verified<RelayPass>> {
        let mut begun = self.passes.get(&key(issuer, holder))?.iter().filter(|pass| pass.body().from <= now);
        begun.find(|pass| pass.body().names(named)).filter(|pass| now < pass.body().from.plus(limits::PASS_LIFE_S_MAX))
    }
    /// The newest running passes that let documents cross between two bureaus, either way: what both must know before they compare.
    pub fn between(&self, one: &BureauId, other: &BureauId, now: WallSeconds) -> BTreeSet<StatementId> {
        let ways = [(one, other), (other, one)].into_iter();
        let newest = ways.flat_map(|(holder, named)| {
            self.pairs_of(holder).filter_map(move |((_, issuer), _)| self.newest_for(issuer, holder, named, now).map(Verified::id))
        });
        newest.collect()
    }
    fn pairs_of(&self, holder: &BureauId) -> impl Iterator<Item = (&(BureauId, BureauId), &Vec<Verified<RelayPass>>)> {
        self.passes.range((*holder, BureauId([0; 32]))..=(*holder, BureauId([0xff; 32])))
    }
    /// The passes of one holder, without those replaced.
    pub fn held_by(&self, holder: &BureauId) -> impl Iterator<Item = &Verified<RelayPass>> {
        self.pairs_of(holder).flat_map(|(_, kept)| kept)
    }
    /// The passes that began or ended after `since`, up to `now`.
    pub fn changed(&self, since: WallSeconds, now: WallSeconds) -> impl Iterator<Item = &RelayPass> {
        let within = move |at: WallSeconds| since < at && at <= now;
        self.all().map(Verified::body).filter(move |body| within(body.from) || within(body.until))
    }
    /// When what runs next changes by time alone.
    pub fn next_change(&self, now: WallSeconds) -> Option<WallSeconds> {
        self.all().flat_map(|pass| [pass.body().from, pass.body().until]).filter(|at| *at > now).min()
    }
}

/// Sealed by the registrar in office of the issuer. Unlike a record, which is evidence for ever, a pass is a permission of today: a
/// registrar that was replaced or revoked gives none.
fn sealed_by_registrar(directory: &Directory, pass: &Verified<RelayPass>) -> Result<(), PassError> {
    let body = pass.body();
    let certificate = directory.certificate(&body.registrar).ok_or(PassError::UnknownRegistrar(body.issuer))?.body();
    let appointment = directory
        .bureau(&body.issuer)
        .and_then(|bureau| bureau.appointments().find(|appointment| appointment.id() == body.appointment))
        .ok_or(PassError::UnknownRegistrar(body.issuer))?;
    let in_office = directory.registrar(&body.issuer).is_none_or(|(epoch, _)| epoch == appointment.body().epoch);
    let right = in_office
        && appointment.body().registrar == body.registrar
        && certificate.bureau == body.issuer
        && directory.revoked(&body.registrar).is_none()
        && !directory.is_frozen(&body.issuer)
        && pass.is_sealed_by_only(&certificate.key);
    if right { Ok(()) } else { Err(PassError::WrongRegistrar(body.issuer)) }
}
