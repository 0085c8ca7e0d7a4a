//! Grants of further bureaus: at once where everybody who wrote has agreed, else as an order that waits for the consents it needs.
//!
//! ```text
//! ordered --everyone agreed--------------------------------> record
//!    |----anchor, ask each contributor--> waiting --all in--> record, the officer is told
//!                                            |--one said no--> refused
//!                                            |--time over----> lapsed
//! ```
//! Whoever wrote is asked from the log as it stands after an anchor: what is settled then is what the newcomer will see. Who is first heard of
//! while the order waits is not asked by itself (an ask needs the officer's seal): the order then waits until it is given again.

use std::collections::BTreeMap;

use super::*;
use crate::access::check::to_be_asked;
use crate::access::log::{Grantee, Order, OrderAct, RecordKind};
use crate::family::verified;
use crate::input::GrantTerms;
use crate::view::ReceiverView;

/// An order that waits, as stored.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct PendingRow {
    #[n(0)]
    pub version: u8,
    #[n(1)]
    pub document: DocumentId,
    /// The officer's sealed order.
    #[n(2)]
    pub order: Bytes,
    #[n(3)]
    pub recipient_name: String,
    #[n(4)]
    pub lapses: WallSeconds,
    /// The ask onward it answers.
    #[n(5)]
    pub ask: Option<StatementId>,
    /// The asks for consent it waits for.
    #[n(6)]
    pub asks: Vec<StatementId>,
    /// How it ended, and when.
    #[n(7)]
    pub outcome: Option<Outcome>,
    #[n(8)]
    pub ended: Option<WallSeconds>,
}

/// How an order that waited ended. Numbers are part of the storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum Outcome {
    #[n(1)]
    Made,
    #[n(2)]
    Refused,
    #[n(3)]
    Lapsed,
}

impl Outcome {
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Made => "grant_made",
            Outcome::Refused => "grant_refused",
            Outcome::Lapsed => "grant_lapsed",
        }
    }
}

/// An order that waits, with what it orders.
#[derive(Debug)]
pub(super) struct Pending {
    pub row: PendingRow,
    pub grantee: Grantee,
    pub officer: CertificateId,
    pub at: WallSeconds,
}

impl Pending {
    pub fn of_row(network: &NetworkId, row: PendingRow) -> Result<Self, RowError> {
        let bad = |why: String| RowError { table: "onward", why };
        let order: Verified<Order> = verified(network, &row.order.0).map_err(|e| bad(e.to_string()))?;
        let body = order.body();
        let grantee = match &body.act {
            OrderAct::Grant(grantees) => grantees.first().cloned(),
            _ => None,
        };
        let grantee = grantee.ok_or_else(|| bad("an order of something else".into()))?;
        Ok(Self { grantee, officer: body.officer, at: body.at, row })
    }
    pub fn is_open(&self) -> bool {
        self.row.outcome.is_none()
    }
}

/// A grant an officer orders.
struct Wish {
    document: DocumentId,
    grantee: Grantee,
    recipient_name: String,
    purpose: String,
    answer_by: WallSeconds,
    ask: Option<StatementId>,
    clause: String,
}

/// Whose word a grant needs, and how far it is.
struct Needed {
    /// Consents at hand, with the asks they answer.
    given: BTreeMap<BureauId, (StatementId, Bytes)>,
    /// Asks under way.
    asked: BTreeMap<BureauId, StatementId>,
    /// Nobody asked them yet.
    unasked: Vec<BureauId>,
}

impl Needed {
    fn is_complete(&self) -> bool {
        self.asked.is_empty() && self.unasked.is_empty()
    }
}

impl Bureau {
    /// Lets another bureau in, under our own agreement with it.
    pub(in crate::bureau) fn access_grant(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        (id, partner, verb): (&str, &str, &str),
        terms: &GrantTerms,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let bureau = self.resolve_partner(partner)?;
        let verb = verb_of(verb)?;
        let (category, tlp) = self.grantable(&document, verb)?;
        let clause = match access::may_grant(&self.book, self.identity.bureau, bureau, category, tlp, verb, turn.effective) {
            Ok(clause) => clause,
            Err(refusal) => {
                let receivers = vec![self.receiver(&bureau, false, refusal.word(), "")];
                if dry_run {
                    return Ok(View::Sending(SendingView { id: document.to_string(), dry_run, receivers, ..SendingView::default() }));
                }
                refuse_partial(&receivers)?;
                unreachable!("a receiver that will not receive is refused");
            }
        };
        let mut grantee = Grantee::plain(bureau, verb, Some(clause.agreement));
        self.limit(turn, &mut grantee, terms, tlp)?;
        let wish = Wish {
            document,
            grantee,
            recipient_name: self.name_of(&bureau),
            purpose: purpose_of(&terms.purpose)?,
            answer_by: self.answer_by(turn, terms.answer_by)?,
            ask: None,
            clause: format!("{}#{}", clause.agreement.short(), clause.line),
        };
        self.grant_or_ask(turn, &by, dry_run, wish)
    }

    /// Lets a third bureau in by way of the reader that asked.
    pub(in crate::bureau) fn onward_grant(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        verb: Option<&str>,
        terms: &GrantTerms,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let id = self.ask_to_answer(id, |kept| kept.is_open(turn.stamp), turn.stamp)?;
        let kept = &self.onward.asks[&id];
        self.asker_speaks(turn, kept)?;
        if !kept.is_onward() {
            return Err(refused("consent_answers_it").with("id", id.short()));
        }
        let (wanted, via) = (kept.wanted(), kept.row.partner);
        let (document, recipient) = (wanted.document, wanted.recipient);
        let (recipient_name, asked) = (wanted.recipient_name.to_owned(), wanted.verb);
        // What the asker told us is for us: those who wrote hear of it only what our officer says.
        let purpose = purpose_of(&terms.purpose)?;
        let verb = verb.map_or(Ok(asked), verb_of)?;
        if !asked.includes(verb) {
            return Err(Refused::new(RefusedKind::Misuse, "more_than_asked").with("verb", asked.word()));
        }
        let (_, tlp) = self.grantable(&document, verb)?;
        let summary = self.documents.here(&document);
        let facts = summary.facts();
        if facts.rights.still_holds(&recipient, turn.effective).is_some() {
            return Err(refused("already_holds").with("name", recipient_name));
        }
        // What stood when it was asked may have ended meanwhile.
        access::may_ask(&self.book, &facts, via, turn.effective).map_err(|refusal| self.may_not_ask(&refusal, &via))?;
        let mut grantee =
            Grantee { via: Some(via), tlp: Some(tlp), no_fourth: true, ask: Some(id), ..Grantee::plain(recipient, verb, None) };
        self.limit(turn, &mut grantee, terms, tlp)?;
        let answer_by = self.answer_by(turn, terms.answer_by)?;
        let clause = id.short();
        self.grant_or_ask(turn, &by, dry_run, Wish { document, grantee, recipient_name, purpose, answer_by, ask: Some(id), clause })
    }

    /// A document of ours that further bureaus may be let into with this verb: its category and traffic light.
    fn grantable(&self, document: &DocumentId, verb: Verb) -> Result<(crate::agreement::Category, Tlp), Refused> {
        let state = self.owned(document)?;
        let genesis = state.log().genesis().body();
        if !genesis.kind.allows(verb) {
            return Err(refused("kind_forbids").with("kind", genesis.kind.word()));
        }
        // A record names whom it lets in, to every reader: a bulletin with a hidden audience is published anew instead.
        if state.log().is_hidden() {
            return Err(refused("hidden_audience").with("id", document.short()));
        }
        Ok((genesis.category, state.log().tlp()))
    }

    /// Sets the limits an officer wished for.
    fn limit(&self, turn: &Turn, grantee: &mut Grantee, terms: &GrantTerms, tlp: Tlp) -> Result<(), Refused> {
        if let Some(word) = &terms.tlp {
            let ceiling = Tlp::from_word(word).ok_or_else(|| unknown("tlp", word))?;
            if ceiling < tlp {
                return Err(refused("ceiling_below").with("tlp", tlp.word()));
            }
            grantee.tlp = Some(ceiling);
        }
        if let Some(until) = terms.until {
            if until <= turn.effective {
                return Err(Refused::new(RefusedKind::Misuse, "until_is_over"));
            }
            grantee.until = Some(until);
        }
        if let Some(fourth) = terms.fourth {
            grantee.no_fourth = !fourth;
        }
        Ok(())
    }

    fn grant_or_ask(&mut self, turn: &mut Turn, by: &Unlocked, dry_run: bool, wish: Wish) -> Result<View, Refused> {
        let document = wish.document;
        if dry_run {
            return self.grant_or_wait(turn, by, dry_run, wish);
        }
        self.settle_all(turn, &document)?;
        let reopened = self.reopen_equal(turn, &document, &wish.grantee);
        let done = self.grant_or_wait(turn, by, dry_run, wish);
        // Those that no order names now stay closed.
        self.close_asks(turn, &reopened, true);
        done
    }

    /// Asks of ours that an order withdrawn since closed before their time run on: an equal ask would not be heard where a consent to the
    /// first lies ready, and two consents for one recipient are a blank cheque. Not after a cut of the recipient, and not after a no.
    fn reopen_equal(&mut self, turn: &mut Turn, document: &DocumentId, grantee: &Grantee) -> Vec<StatementId> {
        let Some(state) = self.bodies.get(document) else { return Vec::new() };
        let (log, now) = (state.log(), turn.stamp);
        let head = log.head();
        let cut = log.rights().parted(&grantee.bureau).and_then(|cut| Some(log.get(&cut)?.record.as_ref()?.body().at));
        let mut equal = Vec::new();
        for contributor in state.contributors().keys() {
            for (id, kept) in self.onward.asks.with(contributor) {
                let OnwardStatement::ConsentAsk(ask) = &kept.ask else { continue };
                let (body, until) = (ask.body(), ask.body().lapses());
                let spent = kept.consent.as_ref().is_some_and(|consent| log.is_spent(&consent.id(), &head));
                let about = !kept.row.theirs && body.document == *document && body.recipient == grantee.bureau;
                let closed = kept.row.lapses <= now && now < until && kept.row.record.is_none() && kept.refusal.is_none() && !spent;
                let lasts = body.until.is_none_or(|until| grantee.until.is_some_and(|end| end <= until));
                let enough = body.verb.includes(grantee.verb) && log.tlp() <= body.tlp && lasts;
                if about && closed && enough && cut.is_none_or(|at| at <= kept.row.heard) && self.still_speaks(turn, &body.officer) {
                    equal.push((*id, until));
                }
            }
        }
        for (id, until) in &equal {
            if let Some(kept) = self.onward.asks.get_mut(id) {
                kept.row.lapses = *until;
            }
            self.store_ask(turn, id);
        }
        equal.into_iter().map(|(id, _)| id).collect()
    }

    fn grant_or_wait(&mut self, turn: &mut Turn, by: &Unlocked, dry_run: bool, wish: Wish) -> Result<View, Refused> {
        let document = wish.document;
        let visible_entries = self.bodies.get_mut(&document).and_then(|state| state.acts().ok()).map_or(0, |acts| acts.len() as u64);
        let needed = self.consents_needed(turn, &document, &wish.grantee, dry_run);
        let state = self.owned(&document)?;
        let rules = state.log().genesis().body().rules;
        let consents = needed.given.len() + needed.asked.len() + needed.unasked.len();
        if rules < 2 && (consents > 0 || !wish.grantee.is_plain()) {
            return Err(refused("older_rules").with("id", document.short()));
        }
        if consents > limits::CONSENTS_MAX {
            return Err(refused("too_many_contributors").with("most", limits::CONSENTS_MAX));
        }
        let complete = needed.is_complete();
        let mut receiver = self.receiver(&wish.grantee.bureau, complete, if complete { "ok" } else { "needs_consent" }, &wish.clause);
        receiver.name.clone_from(&wish.recipient_name);
        let asked = self.asked_views(turn, &document, needed.asked.keys().chain(&needed.unasked));
        let mut view = SendingView {
            id: document.to_string(),
            number: self.documents.get(&document).map(|s| s.number.clone()).unwrap_or_default(),
            dry_run,
            receivers: vec![receiver],
            visible_entries,
            asked,
            ..SendingView::default()
        };
        if dry_run {
            view.number.clear();
            return Ok(View::Sending(view));
        }
        let order = self.order(turn, by, document, OrderAct::Grant(vec![wish.grantee.clone()]))?;
        let recipient = wish.grantee.bureau;
        let mut kept = None;
        if complete {
            self.write_grant(turn, document, (wish.grantee, order), needed, wish.ask)?;
        } else {
            let waits = self.wait_for(turn, by, wish, order, needed)?;
            view.pending = waits.to_string();
            kept = Some(waits);
        }
        // It takes the place of an earlier one only once it stands itself.
        self.drop_pending(turn, |id, pending| Some(*id) != kept && pending.row.document == document && pending.grantee.bureau == recipient);
        Ok(View::Sending(view))
    }

    /// Settles everything admitted: whose word a newcomer needs follows from what is settled before it comes.
    fn settle_all(&mut self, turn: &mut Turn, document: &DocumentId) -> Result<(), Refused> {
        self.owned(document)?;
        // An anchor names a bounded number of tips: few documents need a second one.
        for _ in 0..4 {
            let open = self.bodies.get(document).is_some_and(|state| state.adopted_number().is_none() || state.unsettled() > 0);
            if !open || !self.anchor(turn, *document) {
                break;
            }
        }
        let unsettled = self.bodies.get(document).is_some_and(DocState::has_unsettled_foreign);
        if unsettled { Err(refused("unsettled_entries").with("id", document.short())) } else { Ok(()) }
    }

    /// Whose word letting a bureau in needs. Ahead of time what is not settled yet counts as settled.
    fn consents_needed(&self, turn: &Turn, document: &DocumentId, grantee: &Grantee, ahead: bool) -> Needed {
        let mut out = Needed { given: BTreeMap::new(), asked: BTreeMap::new(), unasked: Vec::new() };
        let Some(state) = self.bodies.get(document) else { return out };
        let rights = state.log().rights();
        let head = state.log().head();
        let next = state.log().get(&head).map_or(0, |entry| entry.index + 1);
        let mut contributors = state.contributors().clone();
        if ahead {
            for bureau in self.unsettled_partners(document) {
                contributors.entry(bureau).or_insert(next.saturating_sub(1));
            }
        }
        let facts = access::Facts { contributors: &contributors, ..state.facts(&rights) };
        let before = rights.still_holds(&grantee.bureau, turn.stamp);
        let had = before.map(|held| held.consents_for(grantee.verb)).unwrap_or_default();
        let came = before.map_or(next, |held| held.came);
        for contributor in to_be_asked(&facts, &grantee.bureau, came) {
            if had.get(&contributor).is_some_and(|consent| consent.covers(facts.tlp, turn.effective)) {
                continue;
            }
            match self.word_of(turn, document, &contributor, grantee, facts.tlp, |id| state.log().is_spent(id, &head)) {
                Some((ask, Some(consent))) => drop(out.given.insert(contributor, (ask, consent))),
                Some((ask, None)) => drop(out.asked.insert(contributor, ask)),
                None => out.unasked.push(contributor),
            }
        }
        out
    }

    /// An ask that a contributor answered, or may still answer, so that it serves for a grant: with its consent once it is there.
    fn word_of(
        &self,
        turn: &Turn,
        document: &DocumentId,
        contributor: &BureauId,
        grantee: &Grantee,
        tlp: Tlp,
        is_spent: impl Fn(&StatementId) -> bool,
    ) -> Option<(StatementId, Option<Bytes>)> {
        let about = |kept: &&Kept| {
            let wanted = kept.wanted();
            kept.row.partner == *contributor
                && kept.row.theirs == kept.is_onward()
                && wanted.document == *document
                && wanted.recipient == grantee.bureau
        };
        let log = self.bodies.get(document).map(DocState::log);
        let cut_at = log.and_then(|log| {
            let cut = log.rights().parted(&grantee.bureau)?;
            Some(log.get(&cut)?.record.as_ref()?.body().at)
        });
        let serves = |kept: &Kept| {
            let body = kept.consent.as_ref()?.body();
            // Nobody's word for ever: it serves while its ask runs or the order that waits for it, and not for who was cut since.
            let named = || self.onward.pending.values().any(|p| p.is_open() && p.row.asks.contains(&kept.ask.id()));
            let in_time = (turn.stamp < kept.row.lapses || named()) && cut_at.is_none_or(|at| at <= kept.row.heard);
            if kept.refusal.is_some() || !in_time || !self.still_speaks(turn, &body.officer) {
                return None;
            }
            let lasts = body.until.is_none_or(|until| turn.effective < until);
            let good = body.verb.includes(grantee.verb) && tlp <= body.tlp && lasts && !is_spent(&kept.consent.as_ref()?.id());
            kept.row.consent.clone().filter(|_| good)
        };
        let candidates = || self.onward.asks.with(contributor).filter(|(_, kept)| about(kept));
        let given = candidates().find_map(|(id, kept)| Some((*id, Some(serves(kept)?))));
        given.or_else(|| {
            let will_serve = |kept: &Kept| {
                let wanted = kept.wanted();
                let lasts = wanted.until.is_none_or(|until| grantee.until.is_some_and(|end| end <= until));
                !kept.is_onward() && wanted.verb.includes(grantee.verb) && wanted.tlp.is_some_and(|up_to| tlp <= up_to) && lasts
            };
            candidates().find(|(_, kept)| kept.is_open(turn.stamp) && will_serve(kept)).map(|(id, _)| (*id, None))
        })
    }

    /// Keeps an order and asks those who were not asked yet.
    fn wait_for(&mut self, turn: &mut Turn, by: &Unlocked, wish: Wish, order: Bytes, needed: Needed) -> Result<StatementId, Refused> {
        let document = wish.document;
        let up_to = wish.grantee.tlp.unwrap_or_else(|| self.bodies[&document].log().tlp());
        let mut asks: Vec<StatementId> = needed.given.values().map(|(ask, _)| *ask).chain(needed.asked.values().copied()).collect();
        let mut sealed = Vec::new();
        for contributor in needed.unasked {
            if self.onward.open_with(&contributor, false, turn.stamp) >= limits::ONWARD_OPEN_MAX {
                return Err(refused("too_many_asks").with("name", self.name_of(&contributor)).with("most", limits::ONWARD_OPEN_MAX));
            }
            let ask = ConsentAsk {
                document,
                contributor,
                recipient: wish.grantee.bureau,
                recipient_name: wish.recipient_name.clone(),
                verb: wish.grantee.verb,
                tlp: up_to,
                until: wish.grantee.until,
                purpose: wish.purpose.clone(),
                officer: by.certificate,
                at: turn.stamp,
                nonce: turn.nonce(),
                answer_by: Some(wish.answer_by),
            };
            sealed.push((contributor, self.seal_onward(by, ask)?));
        }
        for (contributor, ask) in sealed {
            let id = ask.id();
            asks.push(id);
            self.keep_ask(turn, ask, contributor, false, wish.answer_by);
            let said = format!("{} {}", id.short(), wish.grantee.bureau.short());
            self.account(turn, "consent_asked", Some(document), Some(contributor), Some(by.certificate), &said);
        }
        let row = PendingRow {
            version: 1,
            document,
            order,
            recipient_name: wish.recipient_name,
            lapses: wish.answer_by,
            ask: wish.ask,
            asks,
            outcome: None,
            ended: None,
        };
        let order: Verified<Order> = verified(&self.identity.network, &row.order.0).expect("sealed just now");
        let id = order.id();
        let pending = Pending { grantee: wish.grantee, officer: by.certificate, at: turn.stamp, row };
        let recipient = pending.grantee.bureau;
        self.onward.pending.insert(id, pending);
        self.store_pending(turn, &id);
        self.account(turn, "grant_waits", Some(document), Some(recipient), Some(by.certificate), &id.short());
        self.event(turn, "onward", Some(document), Some(recipient), "grant_waits");
        Ok(id)
    }

    fn write_grant(
        &mut self,
        turn: &mut Turn,
        document: DocumentId,
        (grantee, order): (Grantee, Bytes),
        needed: Needed,
        ask: Option<StatementId>,
    ) -> Result<RecordId, Refused> {
        let mut consents: Vec<Bytes> = needed.given.values().map(|(_, consent)| consent.clone()).collect();
        consents.sort();
        let kind = match consents.is_empty() {
            true => RecordKind::Grant(vec![grantee], order),
            false => RecordKind::GrantWith(vec![grantee], order, consents),
        };
        self.record(turn, document, kind)?;
        let record = self.cited(&document).expect("a record was written just now");
        for (id, _) in needed.given.values() {
            // What came along with an ask onward is spent with it, be it answered by this grant or not.
            self.keep_record(turn, id, record);
        }
        if let Some(ask) = ask {
            self.keep_record(turn, &ask, record);
        }
        Ok(record)
    }

    /// Carries out orders whose consents are all in; ends those that were refused or whose time is over.
    pub(super) fn complete_grants(&mut self, turn: &mut Turn) {
        if self.registrar_epoch().is_none() {
            return;
        }
        let open: Vec<StatementId> = self.onward.pending.iter().filter(|(_, p)| p.is_open()).map(|(id, _)| *id).collect();
        for id in open {
            let pending = &self.onward.pending[&id];
            let asks = || pending.row.asks.iter().filter_map(|ask| self.onward.asks.get(ask));
            let document = pending.row.document;
            let gone = self.directory.standing(&pending.officer, turn.stamp) != accord_keys::directory::CertStanding::Good;
            if asks().any(|kept| kept.refusal.is_some()) {
                self.end_pending(turn, &id, Outcome::Refused);
            } else if turn.stamp >= pending.row.lapses || gone || self.documents.line(&document).is_none_or(|line| line.ended) {
                self.end_pending(turn, &id, Outcome::Lapsed);
            } else if asks().all(|kept| kept.consent.is_some()) {
                if self.bodies.contains_key(&document) {
                    self.try_to_complete(turn, &id);
                } else if !self.cannot_load.contains_key(&document) {
                    self.want(turn, document);
                    self.onward.dirty = true;
                }
            }
        }
    }

    fn try_to_complete(&mut self, turn: &mut Turn, id: &StatementId) {
        let pending = &self.onward.pending[id];
        let (document, grantee) = (pending.row.document, pending.grantee.clone());
        let (order, ask) = (pending.row.order.clone(), pending.row.ask);
        if ask.and_then(|ask| self.onward.asks.get(&ask)).is_some_and(|kept| self.asker_speaks(turn, kept).is_err()) {
            return;
        }
        if self.settle_all(turn, &document).is_err() || !self.still_grantable(turn, &document, &grantee) {
            return;
        }
        let needed = self.consents_needed(turn, &document, &grantee, false);
        if needed.is_complete() && self.write_grant(turn, document, (grantee, order), needed, ask).is_ok() {
            self.end_pending(turn, id, Outcome::Made);
        }
    }

    /// Whether what an order rested on when it was sealed still stands.
    fn still_grantable(&self, turn: &Turn, document: &DocumentId, grantee: &Grantee) -> bool {
        let summary = self.documents.here(document);
        let facts = summary.facts();
        match grantee.via {
            Some(via) => access::may_ask(&self.book, &facts, via, turn.effective).is_ok(),
            None => {
                let own = self.identity.bureau;
                access::may_grant(&self.book, own, grantee.bureau, facts.category, facts.tlp, grantee.verb, turn.effective).is_ok()
            }
        }
    }

    fn end_pending(&mut self, turn: &mut Turn, id: &StatementId, outcome: Outcome) {
        let Some(pending) = self.onward.pending.get_mut(id) else { return };
        (pending.row.outcome, pending.row.ended) = (Some(outcome), Some(turn.stamp));
        let (document, recipient, officer) = (pending.row.document, pending.grantee.bureau, pending.officer);
        let asks = pending.row.asks.clone();
        self.store_pending(turn, id);
        self.close_asks(turn, &asks, false);
        self.account(turn, outcome.word(), Some(document), Some(recipient), Some(officer), &id.short());
        self.event(turn, "onward", Some(document), Some(recipient), outcome.word());
    }

    /// Forgets orders that wait: another one, a cut or a no takes their place.
    pub(super) fn drop_pending(&mut self, turn: &mut Turn, which: impl Fn(&StatementId, &Pending) -> bool) -> usize {
        let gone: Vec<StatementId> = self.onward.pending.iter().filter(|(id, p)| p.is_open() && which(id, p)).map(|(id, _)| *id).collect();
        for id in &gone {
            let pending = self.onward.pending.remove(id);
            turn.remove(Table::Onward, &key(PENDING, id));
            self.close_asks(turn, &pending.map(|pending| pending.row.asks).unwrap_or_default(), true);
        }
        gone.len()
    }

    /// Asks of ours that no open order waits for any more are told no longer, and what still comes in answer serves for nothing. A consent
    /// already given serves for another order until its ask lapses, unless the order was withdrawn.
    fn close_asks(&mut self, turn: &mut Turn, asks: &[StatementId], withdrawn: bool) {
        let named: BTreeSet<StatementId> =
            self.onward.pending.values().filter(|p| p.is_open()).flat_map(|p| p.row.asks.iter().copied()).collect();
        for id in asks.iter().filter(|id| !named.contains(*id)) {
            let Some(kept) = self.onward.asks.get_mut(id).filter(|kept| !kept.is_onward() && !kept.row.theirs) else { continue };
            let over = kept.row.record.is_some() || kept.row.lapses <= turn.stamp;
            if !over && (withdrawn || kept.consent.is_none()) {
                kept.row.lapses = turn.stamp;
                self.store_ask(turn, id);
            }
        }
    }

    /// Forgets orders that would let a bureau in, or another one by way of it.
    pub(in crate::bureau) fn withdraw_grants(&mut self, turn: &mut Turn, document: DocumentId, bureau: BureauId) -> usize {
        self.drop_pending(turn, |_, pending| {
            pending.row.document == document && (pending.grantee.bureau == bureau || pending.grantee.via == Some(bureau))
        })
    }

    /// Ends every order that waits: the store was put back, and what took them back since is not known here.
    pub(in crate::bureau) fn lapse_orders(&mut self, turn: &mut Turn) {
        let open: Vec<StatementId> = self.onward.pending.iter().filter(|(_, p)| p.is_open()).map(|(id, _)| *id).collect();
        for id in open {
            self.end_pending(turn, &id, Outcome::Lapsed);
        }
    }

    /// Whether an order waits that would let a bureau in.
    pub(in crate::bureau) fn grant_waits(&self, document: &DocumentId, recipient: &BureauId) -> bool {
        self.onward.pending.values().any(|p| p.is_open() && p.row.document == *document && p.grantee.bureau == *recipient)
    }

    fn store_pending(&mut self, turn: &mut Turn, id: &StatementId) {
        if let Some(pending) = self.onward.pending.get(id) {
            turn.put(Table::Onward, &key(PENDING, id), write(&pending.row));
        }
        self.onward.dirty = true;
    }

    /// Contributors as lines of a dry run: who will be asked, and whom the ask cannot reach.
    fn asked_views<'a>(&self, turn: &Turn, document: &DocumentId, asked: impl Iterator<Item = &'a BureauId>) -> Vec<ReceiverView> {
        let category = self.documents.here(document).category;
        let one = |bureau: &BureauId| match access::carries(&self.book, self.identity.bureau, *bureau, category, turn.effective) {
            Ok(()) => self.receiver(bureau, true, "ok", ""),
            Err(refusal) => self.receiver(bureau, false, refusal.word(), &refusal.cites()),
        };
        asked.map(one).collect()
    }
}
