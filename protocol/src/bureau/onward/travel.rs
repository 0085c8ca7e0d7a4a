//! Asks and answers on links: what is told at greetings, what is taken in, what a grant that comes says about them.
//!
//! What is late, unknown, not the sender's to say or above its share is left out with a line in the account; it never ends a link, since the
//! other side may know more or less than we do, and it is answered with nothing, since silence tells nothing.

use super::*;
use crate::access::log::RecordKind;
use crate::bureau::links::Mode;
use crate::input::LinkId;
use crate::wire::Message;

impl Bureau {
    /// Completes and ends what waits, and tells every partner linked what is new for it. Costs nothing while nothing changed.
    pub(in crate::bureau) fn onward_duties(&mut self, turn: &mut Turn) {
        if !self.onward.dirty && self.onward.due.is_none_or(|at| turn.stamp < at) {
            return;
        }
        self.onward.dirty = false;
        self.complete_grants(turn);
        self.forget_asks(turn);
        let now = turn.stamp;
        let lapses = self.onward.asks.values().map(|kept| kept.row.lapses).chain(self.onward.pending.values().map(|p| p.row.lapses));
        let kept = [0, limits::ONWARD_LAPSED_KEPT_S, limits::ONWARD_KEPT_S];
        let lapses = lapses.flat_map(|at| kept.map(|after| at.plus(after))).filter(|at| *at > now).min();
        let open = self.onward.asks.values().any(|kept| now < kept.row.lapses && kept.row.record.is_none());
        self.onward.due = lapses.into_iter().chain(open.then(|| now.plus(limits::ONWARD_AGAIN_S))).min();
        let own = self.identity.bureau;
        for id in self.live_links(|peer| peer != own) {
            self.tell_asks(turn, id);
        }
    }

    /// Rows of what lapsed or was answered long ago go.
    fn forget_asks(&mut self, turn: &mut Turn) {
        let now = turn.stamp;
        let old = |lapses: WallSeconds| now >= lapses.plus(limits::ONWARD_KEPT_S);
        // What nobody answered is of no use to anybody soon after: a partner can send many of them.
        let unanswered = |kept: &Kept| kept.word(now) == "lapsed" && now >= kept.row.lapses.plus(limits::ONWARD_LAPSED_KEPT_S);
        let gone = |kept: &Kept| old(kept.row.lapses) || unanswered(kept);
        let asks: Vec<StatementId> = self.onward.asks.iter().filter(|(_, kept)| gone(kept)).map(|(id, _)| *id).collect();
        for id in asks {
            self.onward.asks.remove(&id);
            turn.remove(Table::Onward, &key(ASK, &id));
        }
        let orders: Vec<StatementId> = self.onward.pending.iter().filter(|(_, p)| old(p.row.lapses)).map(|(id, _)| *id).collect();
        for id in orders {
            self.onward.pending.remove(&id);
            turn.remove(Table::Onward, &key(PENDING, &id));
        }
    }

    /// Sends on one link our asks that wait for an answer and our answers that may not have arrived, once a session each.
    pub(in crate::bureau) fn tell_asks(&mut self, turn: &mut Turn, id: LinkId) {
        // What was told and left out there for a passing reason, as a share used up, gets through the next time.
        if let Some(link) = self.links.get_mut(&id)
            && turn.now.mono >= link.told_since.plus(limits::ONWARD_AGAIN_S * 1_000)
        {
            link.told_since = turn.now.mono;
            link.told.clear();
        }
        let link = &self.links[&id];
        let Some(peer) = link.bureau() else { return };
        if self.mode(turn, link) != Mode::Full || self.silence(&peer).is_some() {
            return;
        }
        let now = turn.stamp;
        let mut due: Vec<(StatementId, CertificateId, Bytes)> = Vec::new();
        for (ask, kept) in self.onward.asks.with(&peer).filter(|(_, kept)| now < kept.row.lapses) {
            // Each names a document: where its category does not cross, nothing about it does.
            if self.crosses(turn, &peer, &kept.wanted().document).is_err() {
                continue;
            }
            if !kept.row.theirs && kept.is_open(now) {
                due.push((*ask, kept.ask.officer(), kept.row.ask.clone()));
                // The asker's own consent comes behind its ask.
                due.extend(kept.consent.as_ref().map(|c| (c.id(), c.body().officer, Bytes(c.sealed().to_bytes()))));
            } else if kept.row.theirs && kept.row.record.is_none() {
                due.extend(kept.refusal.as_ref().map(|r| (r.id(), r.body().officer, Bytes(r.sealed().to_bytes()))));
                // A no takes back a consent that no record holds yet.
                let answer = kept.consent.as_ref().filter(|_| !kept.is_onward() && kept.refusal.is_none());
                due.extend(answer.map(|c| (c.id(), c.body().officer, Bytes(c.sealed().to_bytes()))));
            }
        }
        due.retain(|(statement, officer, _)| !self.links[&id].told.contains(statement) && self.still_speaks(turn, officer));
        if due.is_empty() {
            return;
        }
        let evidence = self.with_grounds(due.iter().map(|(_, officer, _)| *officer), Some(peer), &self.links[&id].evidence);
        self.send_evidence(turn, id, evidence);
        for page in due.chunks(limits::ONWARD_PAGE) {
            let items = page.iter().map(|(.., bytes)| bytes.clone()).collect();
            // An ask names a document: gated like the document.
            self.send(turn, id, &Message::Onward(items), true);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.told.extend(due.into_iter().map(|(statement, ..)| statement));
        }
    }

    /// Whether documents of this one's category cross between us and a partner now.
    fn crosses(&self, turn: &Turn, peer: &BureauId, document: &DocumentId) -> Result<(), String> {
        let summary = self.documents.line(document).ok_or("no such document")?;
        access::carries(&self.book, self.identity.bureau, *peer, summary.category, turn.effective)
            .map_err(|refusal| format!("{} {}", refusal.word(), refusal.cites()))
    }

    /// Whether an officer's seal on an ask or an answer still counts where no record holds it: one revoked since, or under a disputed root,
    /// says nothing any more. One whose certificate merely ended said it while it was good.
    pub(super) fn still_speaks(&self, turn: &Turn, officer: &CertificateId) -> bool {
        use accord_keys::directory::CertStanding::{Disputed, Revoked, Unknown};
        !matches!(self.directory.standing(officer, turn.stamp), Revoked(_) | Disputed | Unknown)
    }

    /// Asks and answers that came over a link.
    pub(in crate::bureau) fn onward_came(&mut self, turn: &mut Turn, id: LinkId, statements: Vec<OnwardStatement>) {
        let Some(from) = self.links.get(&id).and_then(|link| link.bureau()) else { return };
        if from == self.identity.bureau {
            return; // Our own devices have nothing to ask us.
        }
        for statement in statements {
            let what = statement.id();
            if let Err(why) = self.hear(turn, from, statement)
                && !self.is_noise(turn, id)
            {
                self.account(turn, "refused_onward", None, Some(from), None, &format!("{} {why}", what.short()));
            }
        }
    }

    fn hear(&mut self, turn: &mut Turn, from: BureauId, statement: OnwardStatement) -> Result<(), String> {
        if self.onward.asks.contains_key(&statement.id()) {
            return Ok(());
        }
        statement.sealed_for(&self.directory, from).map_err(|e| e.to_string())?;
        if !self.still_speaks(turn, &statement.officer()) {
            return Err("sealed by a revoked officer".into());
        }
        match statement {
            OnwardStatement::Ask(ask) => self.hear_ask(turn, from, ask),
            OnwardStatement::ConsentAsk(ask) => self.hear_consent_ask(turn, from, ask),
            OnwardStatement::Consent(consent) => self.hear_consent(turn, from, consent),
            OnwardStatement::Refuse(refusal) => self.hear_refusal(turn, from, refusal),
        }
    }

    fn hear_ask(&mut self, turn: &mut Turn, from: BureauId, ask: Verified<OnwardAsk>) -> Result<(), String> {
        let body = ask.body();
        let (document, recipient) = (body.document, body.recipient);
        if body.via != from {
            return Err("another bureau's ask".into());
        }
        if turn.stamp >= body.answer_by {
            return Err("too late".into());
        }
        if self.registrar_epoch().is_none() {
            return Err("not the registrar".into());
        }
        let own = self.identity.bureau;
        let summary = self.documents.get(&document).filter(|summary| summary.owner == own && !summary.ended);
        let summary = summary.ok_or("no document of ours")?;
        let facts = summary.facts();
        access::may_ask(&self.book, &facts, from, turn.effective).map_err(|refusal| format!("{} {}", refusal.word(), refusal.cites()))?;
        if recipient == own || !facts.kind.allows(body.verb) || facts.rights.still_holds(&recipient, turn.effective).is_some() {
            return Err("nothing to grant".into());
        }
        self.has_room_for_ask(turn, from)?;
        let lapses = body.answer_by.min(turn.stamp.plus(limits::ONWARD_KEPT_S));
        let said = format!("{} {}", ask.id().short(), recipient.short());
        self.keep_ask(turn, OnwardStatement::Ask(ask), from, true, lapses);
        self.account(turn, "onward_ask_heard", Some(document), Some(from), None, &said);
        self.event(turn, "onward", Some(document), Some(from), "ask_came");
        Ok(())
    }

    fn hear_consent_ask(&mut self, turn: &mut Turn, from: BureauId, ask: Verified<ConsentAsk>) -> Result<(), String> {
        let body = ask.body();
        let (document, own) = (body.document, self.identity.bureau);
        if body.contributor != own || body.recipient == own {
            return Err("asks another bureau".into());
        }
        if turn.stamp >= body.lapses() {
            return Err("too late".into());
        }
        if self.registrar_epoch().is_none() {
            return Err("not the registrar".into());
        }
        // Whether we wrote there the anchor may say that is still on its way: the person who answers sees how many entries are ours.
        let theirs = self.documents.line(&document).is_some_and(|line| line.owner == from && line.foreign);
        if !theirs {
            return Err("no document of theirs that others wrote in".into());
        }
        self.crosses(turn, &from, &document)?;
        self.make_place(turn, from, body)?;
        self.has_room_for_ask(turn, from)?;
        let lapses = body.lapses().min(turn.stamp.plus(limits::ONWARD_ANSWER_S_MAX));
        let said = format!("{} {}", ask.id().short(), body.recipient.short());
        self.keep_ask(turn, OnwardStatement::ConsentAsk(ask), from, true, lapses);
        self.account(turn, "consent_ask_heard", Some(document), Some(from), None, &said);
        self.event(turn, "onward", Some(document), Some(from), "consent_ask_came");
        Ok(())
    }

    /// A second ask of one owner about one recipient: it takes the place of one that is still open, and is not heard where a consent lies
    /// ready that covers it. Two consents for one recipient are a blank cheque.
    fn make_place(&mut self, turn: &mut Turn, from: BureauId, body: &ConsentAsk) -> Result<(), String> {
        let now = turn.stamp;
        let same = |kept: &Kept| {
            let wanted = kept.wanted();
            kept.row.partner == from
                && kept.row.theirs
                && !kept.is_onward()
                && wanted.document == body.document
                && wanted.recipient == body.recipient
                && kept.row.record.is_none()
                && now < kept.row.lapses
        };
        // What was said before the recipient was cut serves for nothing any more.
        let log = self.bodies.get(&body.document).map(DocState::log);
        let cut = log.and_then(|log| Some(log.get(&log.rights().parted(&body.recipient)?)?.record.as_ref()?.body().at));
        let covers = |kept: &Kept| {
            kept.refusal.is_none()
                && cut.is_none_or(|cut| kept.consent.as_ref().is_none_or(|consent| cut <= consent.body().at))
                && kept.consent.as_ref().is_some_and(|consent| {
                    let given = consent.body();
                    let lasts = given.until.is_none_or(|until| body.until.is_some_and(|asked| asked <= until));
                    given.verb.includes(body.verb) && body.tlp <= given.tlp && lasts
                })
        };
        if self.onward.asks.with(&from).any(|(_, kept)| same(kept) && covers(kept)) {
            return Err("consented already".into());
        }
        let open: Vec<StatementId> =
            self.onward.asks.with(&from).filter(|(_, kept)| same(kept) && kept.is_open(now)).map(|(id, _)| *id).collect();
        for id in open {
            if let Some(kept) = self.onward.asks.get_mut(&id) {
                kept.row.lapses = now;
            }
            self.store_ask(turn, &id);
        }
        Ok(())
    }

    fn hear_consent(&mut self, turn: &mut Turn, from: BureauId, consent: Verified<Consent>) -> Result<(), String> {
        let body = consent.body();
        if body.contributor != from {
            return Err("another bureau's consent".into());
        }
        self.crosses(turn, &from, &body.document)?;
        let now = turn.stamp;
        let answers = |kept: &Kept| {
            let wanted = kept.wanted();
            if body.ask.is_some_and(|ask| ask != kept.ask.id()) {
                return false;
            }
            // It serves for what was asked: no less of it, no shorter.
            let enough = body.verb.includes(wanted.verb)
                && wanted.tlp.is_none_or(|tlp| tlp <= body.tlp)
                && body.until.is_none_or(|until| wanted.until.is_some_and(|asked| asked <= until));
            kept.row.partner == from
                && kept.row.theirs == kept.is_onward()
                && wanted.document == body.document
                && wanted.recipient == body.recipient
                && kept.consent.is_none()
                && kept.is_open(now)
                && enough
        };
        let known = |kept: &Kept| kept.consent.as_ref().is_some_and(|known| known.id() == consent.id());
        if self.onward.asks.with(&from).any(|(_, kept)| known(kept)) {
            return Ok(());
        }
        let ask = self.onward.asks.with(&from).find(|(_, kept)| answers(kept)).map(|(id, _)| *id).ok_or("answers nothing that is open")?;
        let (document, said) = (body.document, format!("{} {}", ask.short(), body.recipient.short()));
        self.keep_answer(turn, &ask, OnwardStatement::Consent(consent));
        self.account(turn, "consent_heard", Some(document), Some(from), None, &said);
        self.event(turn, "onward", Some(document), Some(from), "consent_came");
        Ok(())
    }

    fn hear_refusal(&mut self, turn: &mut Turn, from: BureauId, refusal: Verified<OnwardRefuse>) -> Result<(), String> {
        let id = refusal.body().ask;
        let kept = self.onward.asks.get(&id).filter(|kept| kept.row.partner == from && !kept.row.theirs).ok_or("answers no ask of ours")?;
        if kept.refusal.as_ref().is_some_and(|known| known.id() == refusal.id()) {
            return Ok(());
        }
        if !kept.takes_a_no(turn.stamp) {
            return Err("answers nothing that is open".into());
        }
        let document = kept.wanted().document;
        // What the other side says in words stays in its statement: the account holds only the words we know.
        let ground = GROUNDS.into_iter().find(|ground| *ground == refusal.body().reason).unwrap_or("other");
        self.keep_answer(turn, &id, OnwardStatement::Refuse(refusal));
        self.account(turn, "refused_by_partner_onward", Some(document), Some(from), None, &format!("{} {ground}", id.short()));
        self.event(turn, "onward", Some(document), Some(from), "refusal_came");
        Ok(())
    }

    /// Whether one more ask of a partner is taken: each waits for a person.
    fn has_room_for_ask(&mut self, turn: &mut Turn, from: BureauId) -> Result<(), String> {
        if self.onward.open_with(&from, true, turn.stamp) >= limits::ONWARD_OPEN_MAX || !self.quota(turn, from).take_ask() {
            return Err("more asks than a partner's share".into());
        }
        Ok(())
    }

    /// What records that came mean for our asks and our consents, and whether one let a bureau in that our consent was needed for.
    pub(in crate::bureau) fn note_grants(&mut self, turn: &mut Turn, document: DocumentId, came: &[RecordId]) {
        let own = self.identity.bureau;
        let Some(state) = self.bodies.get(&document).filter(|state| state.owner() != own && !came.is_empty()) else { return };
        let kind = |id: &RecordId| Some(state.log().get(id)?.record.as_ref()?.body().kind.clone());
        let grants: Vec<(RecordId, RecordKind)> =
            came.iter().filter_map(|id| Some((*id, kind(id)?))).filter(|(_, kind)| !kind.grantees().is_empty()).collect();
        let mut answered: Vec<(StatementId, RecordId)> = Vec::new();
        for (record, kind) in &grants {
            let asks = kind.grantees().iter().filter_map(|grantee| grantee.ask);
            answered.extend(asks.map(|ask| (ask, *record)));
            let embedded = kind.sealed_consents();
            let ours = self.onward.asks.iter().filter(|(_, kept)| {
                kept.wanted().document == document && kept.row.consent.as_ref().is_some_and(|consent| embedded.contains(consent))
            });
            answered.extend(ours.map(|(id, _)| (*id, *record)));
        }
        answered
            .retain(|(id, _)| self.onward.asks.get(id).is_some_and(|kept| kept.wanted().document == document && kept.row.record.is_none()));
        // At each of these grants, since a cut behind one hides it; and at the head, since what settles our part may come later.
        let mut without: BTreeMap<RecordId, BTreeSet<BureauId>> = BTreeMap::new();
        if state.contributors().contains_key(&own) {
            let log = state.log();
            let light = |record: &RecordId| log.get(record).map_or_else(|| log.tlp(), crate::access::log::Entry::tlp);
            let then = grants.iter().filter_map(|(record, _)| Some(std::sync::Arc::clone(&log.get(record)?.rights)));
            for rights in then.chain([log.rights()]) {
                for (bureau, record) in access::let_in_without(&state.facts(&rights), &own, light) {
                    without.entry(record).or_default().insert(bureau);
                }
            }
        }
        // An owner that lets a bureau in before it anchors what we wrote settles it later: what we handed to it before, citing an older record
        // than the grant, it had. Asked of the records that came alone: later ones do not make an older one worse.
        let owner = state.owner();
        if let Some(cited) = state.first_cited_by(&own, self.had_by(&owner)) {
            let mut wrote = state.contributors().clone();
            wrote.entry(own).and_modify(|settled| *settled = cited.min(*settled)).or_insert(cited);
            let log = state.log();
            for (record, entry) in grants.iter().filter_map(|(record, _)| Some((record, log.get(record)?))) {
                let facts = access::Facts { contributors: &wrote, ..state.facts(&entry.rights) };
                let by_it = access::let_in_without(&facts, &own, |_| entry.tlp()).into_iter().filter(|(_, by)| by == record);
                for (bureau, record) in by_it {
                    without.entry(record).or_default().insert(bureau);
                }
            }
        }
        for (id, record) in answered {
            let partner = self.onward.asks[&id].row.partner;
            let was_open = self.onward.asks[&id].is_onward() && !self.onward.asks[&id].row.theirs;
            self.keep_record(turn, &id, record);
            if was_open {
                self.event(turn, "onward", Some(document), Some(partner), "granted");
            }
        }
        self.alarm(turn, document, owner, without);
    }

    /// Up to which sequence of ours some node of a bureau had everything before it wrote what comes now. What it merely acknowledged since
    /// may have crossed with that.
    fn had_by(&self, bureau: &BureauId) -> u64 {
        self.links.values().filter(|link| link.is_with(bureau)).map(crate::bureau::links::Link::had).max().unwrap_or(0)
    }

    /// Keeps one alarm for each record that passed our consent over, and says so once for all that came together. An owner that writes such
    /// records by the thousand gets no more than its share: the rest is in its log, sealed by it.
    fn alarm(&mut self, turn: &mut Turn, document: DocumentId, owner: BureauId, without: BTreeMap<RecordId, BTreeSet<BureauId>>) {
        let known = |record: &RecordId| {
            let all = (document, *record, BureauId([0; 32]))..=(document, *record, BureauId([255; 32]));
            self.onward.without.range(all).next().is_some()
        };
        let new: Vec<(RecordId, BureauId)> =
            without.iter().filter(|(record, _)| !known(record)).filter_map(|(record, who)| Some((*record, *who.first()?))).collect();
        let of_owner = |document: &DocumentId| self.documents.line(document).is_some_and(|line| line.owner == owner);
        let kept = self.onward.without.keys().filter(|(document, ..)| of_owner(document)).count();
        let room = limits::ALARMS_PER_OWNER_MAX.saturating_sub(kept);
        let above = new.len().saturating_sub(room) as u64;
        if self.onward.more.get(&(owner, document)).map_or(0, |(count, _)| *count) < above {
            self.onward.more.insert((owner, document), (above, turn.stamp));
            let row = [above.to_be_bytes(), turn.stamp.0.to_be_bytes()].concat();
            turn.put(Table::Onward, &[&[MORE], owner.0.as_slice(), &document.0].concat(), row);
        }
        let Some((record, bureau)) = new.first().copied().filter(|_| room > 0) else { return };
        for (record, bureau) in new.iter().take(room) {
            self.onward.without.insert((document, *record, *bureau), turn.stamp);
            let row = [&[WITHOUT], document.0.as_slice(), &record.0, &bureau.0].concat();
            turn.put(Table::Onward, &row, turn.stamp.0.to_be_bytes().to_vec());
        }
        let whom: BTreeSet<BureauId> = new.iter().flat_map(|(record, _)| &without[record]).copied().collect();
        let said = format!("{} {} {}", record.short(), new.len(), whom.len());
        self.account(turn, "grant_without_consent", Some(document), Some(bureau), None, &said);
        self.event(turn, "grant_without_consent", Some(document), Some(bureau), &said);
    }
}
