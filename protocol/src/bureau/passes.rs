//! Relay passes: our registrar gives one to each partner, we show ours to the bureaus they name, and keep what others show us.
//!
//! A pass is renewed when less than half its life is left and only while the agreement is in force: whoever is suspended simply gets no new
//! one. Whoever learns a pass compares views anew with the bureau it opens the way to; nothing is sent on the word of a pass alone.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::MemberKind;
use accord_keys::seal::{Sealed, Verified};

use super::Bureau;
use super::links::{Link, Peer};
use super::people::begins;
use super::turn::Turn;
use crate::access::pass::{PassBook, PassError, PassLine, RelayPass};
use crate::access::{Ask, Contact, Facts, Ground, Permit, Refusal};
use crate::agreement::lifecycle::LinkMode;
use crate::agreement::{Direction, Pair, Tlp, Verb};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, StatementId};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::time::{MonoMillis, WallSeconds};
use crate::wire::Message;

/// How often passes may be issued and shown within a while. Signing a compact of dozens of bureaus brings agreements into force one by one;
/// without this every one of them would have every pass of both bureaus issued and shown anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    since: MonoMillis,
    taken: u32,
}

impl Rounds {
    pub fn new(now: MonoMillis) -> Self {
        Self { since: now, taken: 0 }
    }
    fn take(&mut self, now: MonoMillis) -> bool {
        if now >= self.pause() {
            *self = Self::new(now);
        }
        let some = self.taken < limits::PASS_ROUNDS_MAX;
        self.taken += u32::from(some);
        some
    }
    /// When the next while begins.
    pub fn pause(&self) -> MonoMillis {
        self.since.plus(limits::PASS_PAUSE_MS)
    }
}

/// Passes change by time, and newer ones take away what older ones gave: when that is looked at next, with whom views were compared for it, and with
/// whom that is due.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    looked: WallSeconds,
    next: Option<WallSeconds>,
    compared: BTreeMap<BureauId, MonoMillis>,
    due: BTreeSet<BureauId>,
}

impl Changes {
    /// What changed since a time is yet to be looked at.
    pub fn since(looked: WallSeconds, passes: &PassBook) -> Self {
        Self { looked, next: passes.next_change(looked), compared: BTreeMap::new(), due: BTreeSet::new() }
    }
    /// When something is due next.
    pub fn next_wake(&self, now: MonoMillis, effective: WallSeconds) -> Option<MonoMillis> {
        let next = self.next.map(|at| now.plus(at.0.saturating_sub(effective.0).saturating_mul(1_000).clamp(1_000, 3_600_000)));
        let due = self.due.iter().filter_map(|bureau| self.compared.get(bureau)).map(|at| at.plus(limits::PASS_COMPARED_EVERY_MS)).min();
        next.into_iter().chain(due).min()
    }
}

impl Bureau {
    /// Passes began or ended. Views are compared anew with those concerned and nobody else: whoever issues a pass chooses its times.
    pub(super) fn passes_passed(&mut self, turn: &mut Turn) {
        let now = turn.effective;
        if now < self.pass_changes.looked {
            self.pass_changes = Changes::since(now, &self.passes);
        }
        let rest = |at: &MonoMillis| turn.now.mono < at.plus(limits::PASS_COMPARED_EVERY_MS);
        if self.pass_changes.compared.values().any(|at| !rest(at)) {
            self.pass_changes.compared.retain(|_, at| rest(at));
            let due = std::mem::take(&mut self.pass_changes.due);
            self.compare_by_passes(turn, due);
        }
        if self.pass_changes.next.is_none_or(|at| now < at) {
            return;
        }
        let own = self.identity.bureau;
        let mut concerned = BTreeSet::new();
        let mut ways = BTreeSet::new();
        for pass in self.passes.changed(self.pass_changes.looked, now) {
            if pass.holder == own {
                // A pass of ours opens their way to us; what we send rests on it where we let somebody in.
                concerned.extend(pass.shown_to.iter().copied());
                ways.extend(self.let_in_by_us(&pass.issuer).into_iter().map(|to| (to, pass.issuer)));
            } else {
                ways.insert((pass.holder, pass.issuer));
            }
        }
        self.pass_changes.looked = now;
        self.pass_changes.next = self.passes.next_change(now);
        self.write_floor(turn);
        self.passes_dirty = true;
        self.onward.dirty = true;
        concerned.extend(ways.iter().map(|(to, _)| *to));
        self.make_stale(turn, &ways);
        self.compare_by_passes(turn, concerned);
    }

    /// Some bureaus may have less than before of what others issued: what of that is on its way to them, and nothing else, is made stale.
    fn make_stale(&mut self, turn: &mut Turn, ways: &BTreeSet<(BureauId, BureauId)>) {
        self.bundles.took_away();
        let (now, documents) = (turn.now.mono, &self.documents);
        let mut stale = false;
        for link in self.links.values_mut() {
            let issuers: BTreeSet<&BureauId> = ways.iter().filter(|(to, _)| link.is_with(to)).map(|(_, issuer)| issuer).collect();
            let theirs = |id: &DocumentId| documents.line(id).is_none_or(|line| issuers.contains(&line.owner));
            if !issuers.is_empty() && link.may_speak_of_some(now, theirs) {
                link.make_stale();
                stale = true;
            }
        }
        if stale {
            self.write_floor(turn);
        }
    }

    /// Passes opened or closed a way to some bureaus: views are compared anew with them. Who issues or shows a pass chooses how often that happens and
    /// whom it names, and each costs a look through all documents: at once, and then once within a while.
    fn compare_by_passes(&mut self, turn: &mut Turn, bureaus: impl IntoIterator<Item = BureauId>) {
        for bureau in bureaus {
            if !self.links.values().any(|link| link.is_with(&bureau)) {
                continue;
            }
            let rests = |at: &MonoMillis| turn.now.mono < at.plus(limits::PASS_COMPARED_EVERY_MS);
            if self.pass_changes.compared.get(&bureau).is_some_and(rests) {
                self.pass_changes.due.insert(bureau);
            } else {
                self.pass_changes.compared.insert(bureau, turn.now.mono);
                self.pass_changes.due.remove(&bureau);
                self.compare_anew_by(turn, bureau);
            }
        }
    }

    /// What this node decides by.
    pub(super) fn ground(&self, turn: &Turn) -> Ground<'_> {
        Ground { own: self.identity.bureau, book: &self.book, passes: &self.passes, in_touch: self.in_touch(turn.effective) }
    }

    /// The one check, asked by this node now.
    pub(super) fn may_go(&self, turn: &Turn, facts: &Facts<'_>, from: BureauId, to: BureauId) -> Result<Permit, Refusal> {
        let ask = Ask { facts, from, to, now: turn.effective, epoch: self.policy_epoch };
        crate::access::check(&self.ground(turn), &ask)
    }

    /// Whether this device heard its registrar lately enough to send to partners; the registrar always has.
    pub(super) fn in_touch(&self, now: WallSeconds) -> bool {
        let Some((_, registrar)) = self.directory.registrar(&self.identity.bureau) else { return true };
        self.same_key(&registrar)
            || self
                .links
                .values()
                .any(|link| !link.is_bundle() && link.certificate().is_some_and(|peer| self.is_registrar_key(&peer, &registrar)))
            || self.registrar_heard.is_some_and(|at| now < at.plus(limits::IN_TOUCH_S))
    }

    pub(super) fn same_key(&self, other: &CertificateId) -> bool {
        *other == self.identity.certificate
            || self.directory.certificate(other).is_some_and(|certificate| certificate.body().key == self.own_certificate().key)
    }

    pub(super) fn is_registrar_key(&self, peer: &CertificateId, registrar: &CertificateId) -> bool {
        let key = |id: &CertificateId| self.directory.certificate(id).map(|certificate| certificate.body().key);
        peer == registrar || (key(peer).is_some() && key(peer) == key(registrar))
    }

    /// How this device stands to its registrar: what a laptop may still show hangs on it.
    ///
    /// A hello is not enough, as it is for sending to partners: it comes before anything was learnt of what the registrar knows, and whoever
    /// holds a lost laptop could let in the hello and nothing behind it, for ever. What counts is that the registrar went on to documents: by then all
    /// that goes first on a link (roots, revocations, agreements, suspensions) has come. A laptop that was told of its own revocation shows nothing more,
    /// however long its link stays.
    pub(super) fn contact(&self) -> Contact {
        if !self.is_laptop() {
            return Contact::Home;
        }
        if self.directory.revoked(&self.identity.certificate).is_some() {
            return Contact::Revoked(self.identity.certificate);
        }
        let registrar = self.directory.registrar(&self.identity.bureau).map(|(_, registrar)| registrar);
        let told = |link: &Link| {
            let with = |registrar: &CertificateId| link.certificate().is_some_and(|peer| self.is_registrar_key(&peer, registrar));
            link.is_told() && registrar.as_ref().is_some_and(with)
        };
        if registrar.is_some_and(|registrar| self.same_key(&registrar)) || self.links.values().any(told) {
            return Contact::Home;
        }
        // One that was never told counts from its certificate: its bureau had it in hand then.
        Contact::Away(self.registrar_told.unwrap_or(self.own_certificate().not_before))
    }

    pub(super) fn is_laptop(&self) -> bool {
        self.own_certificate().kind == MemberKind::Laptop
    }

    /// A device of our own goes on to documents: it has said what goes before them.
    pub(super) fn own_device_told(&mut self, turn: &mut Turn, id: LinkId) {
        if self.links.get_mut(&id).is_some_and(Link::becomes_told) {
            self.note_at_home(turn);
        }
    }

    /// A laptop notes that its registrar is with it: at contact, with every floor while it stays, and when it goes. The time is the corroborated one,
    /// which a wild wall clock does not carry ahead, and is written with the floor, so that neither is older than the other after a crash.
    pub(super) fn note_at_home(&mut self, turn: &mut Turn) {
        if self.is_laptop() && self.contact() == Contact::Home {
            self.note_told(turn, turn.stamp);
        }
    }

    /// A laptop was told everything by its registrar as of a time: now, or when what it was brought was made. Never goes back.
    pub(super) fn note_told(&mut self, turn: &mut Turn, at: WallSeconds) {
        let at = at.min(turn.stamp);
        if self.registrar_told.is_none_or(|told| told <= at) {
            self.registrar_told = Some(at);
            turn.put(Table::Local, b"registrar_told", at.0.to_be_bytes().to_vec());
            self.write_floor(turn);
        }
    }

    /// The floor went down: what was noted by the poisoned one is not believed beyond it.
    pub(super) fn told_by_a_poisoned_clock(&mut self, turn: &mut Turn) {
        if self.registrar_told.is_some_and(|told| told > turn.stamp) {
            self.registrar_told = None;
            self.note_told(turn, turn.stamp);
        }
        self.heard_by_a_poisoned_clock(turn);
        if self.registrar_heard.is_some_and(|heard| heard > turn.stamp) {
            self.registrar_heard = Some(turn.stamp);
            turn.put(Table::Local, b"registrar_heard", turn.stamp.0.to_be_bytes().to_vec());
            self.next_policy = self.next_policy_change(turn.effective);
        }
    }

    /// Notes that a device of our own spoke with us: contact with the registrar is what lets us send to partners.
    pub(super) fn heard_own(&mut self, turn: &mut Turn, peer: &CertificateId) {
        let Some((_, registrar)) = self.directory.registrar(&self.identity.bureau) else { return };
        if self.is_registrar_key(peer, &registrar) {
            // Not by a wild wall clock: it would keep us in touch for as long as it was ahead.
            self.registrar_heard = Some(turn.stamp);
            turn.put(Table::Local, b"registrar_heard", turn.stamp.0.to_be_bytes().to_vec());
            self.next_policy = self.next_policy_change(turn.effective);
        }
    }

    /// When what may leave next changes by time alone.
    pub(super) fn next_policy_change(&self, now: WallSeconds) -> Option<WallSeconds> {
        let touch = self.registrar_heard.map(|at| at.plus(limits::IN_TOUCH_S)).filter(|at| *at > now);
        [self.book.next_change(now), touch].into_iter().flatten().min()
    }

    /// Issues what is due and shows on every live link what is new there. Costs nothing while nothing changed.
    pub(super) fn pass_duties(&mut self, turn: &mut Turn) {
        if !self.passes_dirty && self.next_pass.is_none_or(|at| turn.effective < at) {
            return;
        }
        if !self.pass_rounds.take(turn.now.mono) {
            return; // Still dirty: at the next pause everything is done at once.
        }
        self.passes_dirty = false;
        for gone in self.passes.forget_ended(turn.effective) {
            turn.remove(Table::Passes, &gone.0);
            self.forget_learnt(turn, &gone);
        }
        self.issue_passes(turn);
        let own = self.identity.bureau;
        let renewals = self.passes.all().filter(|pass| pass.body().issuer == own).map(|pass| pass.body().until);
        let renew = renewals.map(|until| WallSeconds(until.0.saturating_sub(limits::PASS_RENEW_S))).filter(|at| *at > turn.effective);
        self.next_pass = renew.min();
        let live: Vec<LinkId> = self.live_links(|_| true);
        for id in live {
            self.show_passes(turn, id);
        }
    }

    fn issue_passes(&mut self, turn: &mut Turn) {
        let Some((registrar, appointment)) = self.registrar_evidence() else { return };
        let own = self.identity.bureau;
        let now = turn.effective;
        let full = |partner: &&BureauId| self.book.link_mode(Pair::of(own, **partner), now) == LinkMode::Full;
        let in_force: Vec<BureauId> = self.partners.keys().filter(full).copied().collect();
        for holder in &in_force {
            // Whom we may have suspended and forgot it gets none.
            if self.silence(holder).is_some() {
                continue;
            }
            let shown_to: Vec<BureauId> = in_force.iter().filter(|other| *other != holder).take(limits::PASS_SHOWN_MAX).copied().collect();
            let (lines, ends) = self.pass_lines(holder, now);
            let after = self.passes.newest_begins(&own, holder, now).map(|from| from.plus(1));
            let from = after.map_or(begins(now), |after| after.max(begins(now)));
            let until = ends.min(WallSeconds(from.0 + limits::PASS_LIFE_S_MAX));
            if lines.is_empty() || until <= now {
                continue;
            }
            let serves = self.passes.newest(&own, holder, now).is_some_and(|pass| {
                let body = pass.body();
                let longer = until > body.until && body.until.0 - now.0 < limits::PASS_RENEW_S;
                body.lines == lines && body.shown_to == shown_to && body.registrar == registrar && !longer
            });
            if serves {
                continue;
            }
            let pass =
                RelayPass { issuer: own, registrar, appointment, holder: *holder, lines, shown_to, from, until, nonce: turn.nonce() };
            let Ok(sealed) = Sealed::seal(&self.identity.network, pass, &[self.identity.signer.as_ref()]) else { continue };
            let Ok(verified) = sealed.verify(&self.identity.network) else { continue };
            let id = verified.id();
            if self.learn_pass(turn, verified, None) == Ok(true) {
                self.account(turn, "pass_issued", None, Some(*holder), None, &id.short());
            }
        }
    }

    /// What our agreement gives a partner, as lines of a pass, and when the first of it ends.
    fn pass_lines(&self, holder: &BureauId, now: WallSeconds) -> (Vec<PassLine>, WallSeconds) {
        let own = self.identity.bureau;
        let mut wanted = BTreeSet::new();
        let mut ends = WallSeconds(u64::MAX);
        for entry in self.book.in_force(Pair::of(own, *holder), now) {
            let offer = entry.offer.body();
            ends = ends.min(offer.terms.to);
            for grant in &offer.terms.grants {
                let ours = match grant.direction {
                    Direction::Both => true,
                    Direction::OffererGives => offer.offerer == own,
                    Direction::AcceptorGives => offer.acceptor == own,
                };
                if ours && grant.until.is_none_or(|until| now < until) {
                    wanted.insert(grant.category);
                    ends = ends.min(grant.until.unwrap_or(ends));
                }
            }
        }
        let mut lines = Vec::new();
        for category in wanted {
            for verb in [Verb::Read, Verb::Append] {
                let ceilings = [Tlp::Red, Tlp::AmberStrict, Tlp::Amber, Tlp::Green, Tlp::Clear];
                let granted = |tlp: &Tlp| self.book.clause(own, *holder, category, *tlp, verb, now).is_some();
                if let Some(tlp_ceiling) = ceilings.into_iter().find(granted) {
                    lines.push(PassLine { category, verb, tlp_ceiling });
                }
            }
        }
        lines.truncate(limits::PASS_LINES_MAX);
        (lines, ends)
    }

    /// Passes that came over a link. What cannot be judged yet or is no matter of ours is left; it is shown again at a meeting on another day.
    pub(super) fn passes_came(&mut self, turn: &mut Turn, id: LinkId, passes: Vec<Verified<RelayPass>>) {
        let Some(from) = self.links.get(&id).and_then(super::links::Link::bureau) else { return };
        let own = from == self.identity.bureau;
        for pass in passes {
            let (issuer, holder, statement) = (pass.body().issuer, pass.body().holder, pass.id());
            match self.learn_pass(turn, pass, (!own).then_some(from)) {
                Ok(true) => {
                    self.account(turn, "pass_heard", None, Some(holder), None, &format!("{} of {}", statement.short(), issuer.short()))
                }
                Ok(false) => {}
                Err(why) if !own && !self.is_noise(turn, id) => {
                    self.account(turn, "pass_refused", None, Some(from), None, &why.to_string());
                }
                Err(_) => {}
            }
        }
    }

    /// Bureaus that came by way of us to documents of this owner: what they get through us depends on how we stand with it.
    pub(super) fn let_in_by_us(&self, owner: &BureauId) -> BTreeSet<BureauId> {
        let own = self.identity.bureau;
        let mut by_us = BTreeSet::new();
        for line in self.documents.values().filter(|line| line.owner == *owner) {
            let held = &line.summary().rights.bureaus;
            by_us.extend(held.iter().filter(|(_, held)| held.via == Some(own)).map(|(bureau, _)| *bureau));
        }
        by_us
    }

    fn learn_pass(&mut self, turn: &mut Turn, pass: Verified<RelayPass>, messenger: Option<BureauId>) -> Result<bool, PassError> {
        let (id, bytes) = (pass.id(), pass.sealed().to_bytes());
        let own = self.identity.bureau;
        let body = pass.body();
        let (issuer, holder, from, until) = (body.issuer, body.holder, body.from, body.until);
        // Only partners of ours give us passes: nobody says back others.
        if messenger.is_some() && holder == own && !self.partners.contains_key(&issuer) {
            return Err(PassError::NotOurs(issuer));
        }
        if messenger.is_some_and(|partner| {
            !self.quota(turn, partner).has_room_for_pass(bytes.len(), Some(&issuer).filter(|issuer| **issuer != partner))
        }) {
            return Err(PassError::Full);
        }
        let before = self.passes.ids(&issuer, &holder);
        // The way opens between the holder and those the pass names: we are one of the two, or only the issuer.
        let mut opens: Vec<BureauId> = if body.holder == own {
            body.shown_to.clone()
        } else if body.issuer == own {
            Vec::new()
        } else {
            vec![body.holder]
        };
        let had_word = self.passes.newest(&issuer, &holder, turn.effective).is_some();
        let could =
            self.passes.newest_for(&issuer, &holder, &own, turn.effective).map(|pass| pass.body().lines.clone()).unwrap_or_default();
        if !self.passes.learn(&self.directory, pass, messenger, turn.effective)? {
            return Ok(false);
        }
        if let Some(partner) = messenger {
            self.quota(turn, partner).count_pass(bytes.len(), Some(issuer).filter(|issuer| *issuer != partner));
        }
        if holder == own && !had_word {
            opens.extend(self.let_in_by_us(&issuer));
        }
        turn.put(Table::Passes, &id.0, bytes);
        self.note_learnt(turn, id);
        let kept = self.passes.ids(&issuer, &holder);
        for dropped in before.into_iter().filter(|old| !kept.contains(old)) {
            turn.remove(Table::Passes, &dropped.0);
            self.forget_learnt(turn, &dropped);
        }
        self.passes_dirty = true;
        let next = [from, until].into_iter().filter(|at| *at > turn.effective).min();
        self.pass_changes.next = self.pass_changes.next.into_iter().chain(next).min();
        // What waits to go to the holder by the pass that was replaced must not go by it.
        let can = self.passes.newest_for(&issuer, &holder, &own, turn.effective).map(|pass| pass.body());
        let still = |line: &PassLine| {
            can.is_some_and(|can| {
                can.lines.iter().any(|l| (l.category, l.verb) == (line.category, line.verb) && line.tlp_ceiling <= l.tlp_ceiling)
            })
        };
        if !could.iter().all(still) {
            // What was replaced stays replaced, also after a restart with a clock set back.
            self.write_floor(turn);
            self.onward.dirty = true;
            self.make_stale(turn, &BTreeSet::from([(holder, issuer)]));
            opens.push(holder);
        }
        self.compare_by_passes(turn, opens);
        Ok(true)
    }

    /// The two ends of a link count by different passes or agreements: the other side may have lost those that it showed us once, as a
    /// restored store does. They are said back, once on each link.
    pub(super) fn show_passes_back(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.show_back) else { return };
        link.show_back = true;
        // It may have lost what its cursor says it had.
        link.show_anew();
        // The other end says back what it knows once it hears by what we count.
        link.busy(turn.now.mono);
        self.show_passes(turn, id);
    }

    /// Sends on one link the passes its other end is to have and was not sent: its own, and those of ours that name it.
    pub(super) fn show_passes(&mut self, turn: &mut Turn, id: LinkId) {
        let link = &self.links[&id];
        let Some(peer) = link.bureau() else { return };
        // What they rest on may wait to be said: they are looked for again once it was.
        if link.has_dues() || self.mode(turn, link) != super::links::Mode::Full || self.silence(&peer).is_some() {
            return;
        }
        let own = self.identity.bureau;
        let due: Vec<(StatementId, BureauId, CertificateId, Bytes)> = self
            .passes_for(turn, link, peer)
            .filter(|pass| !link.shown.contains(&pass.id()))
            .map(|pass| (pass.id(), pass.body().issuer, pass.body().registrar, Bytes(pass.sealed().to_bytes())))
            .collect();
        if due.is_empty() {
            return;
        }
        self.send_passes(turn, id, own, peer, due);
    }

    /// The passes the other end of a link is to have of us.
    fn passes_for<'a>(&'a self, turn: &'a Turn, link: &'a Link, peer: BureauId) -> impl Iterator<Item = &'a Verified<RelayPass>> {
        let own = self.identity.bureau;
        let now = turn.effective;
        // Its other end is to have passes of its own and of ours; a sibling has them all.
        let candidates: Vec<&Verified<RelayPass>> =
            if peer == own { self.passes.all().collect() } else { self.passes.held_by(&own).chain(self.passes.held_by(&peer)).collect() };
        candidates.into_iter().filter(move |pass| {
            let body = pass.body();
            let newest = self.passes.newest(&body.issuer, &body.holder, now).is_some_and(|newest| newest.id() == pass.id());
            let is = |found: Option<&Verified<RelayPass>>| found.is_some_and(|found| found.id() == pass.id());
            let given = newest && (peer == own || (body.issuer == own && body.holder == peer));
            let shown = body.holder == own && is(self.passes.last_word(&body.issuer, &own, &peer, now));
            // A sibling shows the same to the same.
            let sibling = peer == own && body.shown_to.iter().any(|to| is(self.passes.last_word(&body.issuer, &body.holder, to, now)));
            // Its own pass that it showed us once and may have lost since: said back when the two of us count differently.
            let back = link.show_back && body.holder == peer && is(self.passes.last_word(&body.issuer, &peer, &own, now));
            given || shown || sibling || back
        })
    }

    /// What tells the passes a partner is to have of us today from any others, if all of them went on this link or were known to have gone before. Of
    /// a day, since what somebody had no room for, or could not judge yet, is shown again on the next.
    pub(super) fn passes_shown(&self, turn: &Turn, id: LinkId, peer: &Peer) -> Option<u64> {
        let link = self.links.get(&id).filter(|_| peer.bureau() != self.identity.bureau)?;
        let ids: BTreeSet<StatementId> = self.passes_for(turn, link, peer.bureau()).map(Verified::id).collect();
        ids.is_subset(&link.shown).then(|| passes_of_a_day(turn.effective, &ids))
    }

    /// A partner returned a cursor that says which passes it had: if they are those it is to have, they went.
    pub(super) fn passes_had(&mut self, turn: &Turn, id: LinkId, peer: &Peer, had: Option<u64>) {
        let ids: BTreeSet<StatementId> = self.passes_for(turn, &self.links[&id], peer.bureau()).map(Verified::id).collect();
        if had == Some(passes_of_a_day(turn.effective, &ids))
            && let Some(link) = self.links.get_mut(&id)
        {
            link.had_passes(had, ids);
        }
    }

    fn send_passes(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        own: BureauId,
        peer: BureauId,
        due: Vec<(StatementId, BureauId, CertificateId, Bytes)>,
    ) {
        let mut evidence = Vec::new();
        for (_, issuer, registrar, _) in &due {
            if *issuer != own && *issuer != peer {
                let given: BTreeSet<StatementId> =
                    self.links[&id].evidence.iter().copied().chain(evidence.iter().map(|(id, _): &(StatementId, Bytes)| *id)).collect();
                evidence.extend(self.with_grounds([*registrar], Some(peer), &given));
                let appointments = self.directory.bureau(issuer).into_iter().flat_map(|record| record.appointments().map(Verified::id));
                evidence.extend(
                    appointments.filter(|id| !given.contains(id)).filter_map(|id| Some((id, Bytes(self.directory.statement_bytes(&id)?)))),
                );
            }
        }
        self.send_evidence(turn, id, evidence);
        for page in due.chunks(limits::PASSES_PAGE) {
            let items = page.iter().map(|(_, _, _, bytes)| bytes.clone()).collect();
            self.say(id, &Message::Passes(items), true);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.shown.extend(due.into_iter().map(|(id, ..)| id));
        }
        self.send_dues(turn, id);
    }
}

/// The first eight bytes of a digest: nobody but us seals or opens what holds it.
fn passes_of_a_day(now: WallSeconds, ids: &BTreeSet<StatementId>) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("accord passes shown v1");
    hasher.update(&(now.0 / (24 * 3_600)).to_be_bytes());
    for id in ids {
        hasher.update(&id.0);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}
