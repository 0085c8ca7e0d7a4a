//! Agreements by our officers and by the machine: offer, accept, decline, conclude.

use std::collections::BTreeSet;

use accord_keys::certificate::{Capability, Issuer};
use accord_keys::seal::{Sealed, Statement};

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::agreement::exchange::{Accept, AgreementStatement, Conclude, Decline, Entry, ExchangeError, Offer, Standing};
use crate::agreement::{Pair, Terms};
use crate::id::{AgreementId, BureauId, Bytes, CertificateId, StatementId};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::view::{Refused, RefusedKind, View};
use crate::wire::Message;

impl Bureau {
    pub(super) fn agreement_offer(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        partner: &str,
        terms: Terms,
    ) -> Result<View, Refused> {
        let bureau = self.resolve_partner(partner)?;
        let by = self.acting(turn, person, capability(&terms))?;
        self.offer_terms(turn, &by, dry_run, bureau, terms)
    }

    /// Refuses to offer the same again while it waits for an answer: the partner would find two of it.
    fn not_offered_yet(&self, turn: &Turn, pair: Pair, terms: &Terms) -> Result<(), Refused> {
        let own = self.identity.bureau;
        let stands = self.book.entries_of(pair).find(|entry| {
            let offer = entry.offer.body();
            offer.offerer == own && offer.terms == *terms && self.book.standing(&entry.id(), turn.effective) == Some(Standing::Offered)
        });
        stands.map_or(Ok(()), |entry| {
            let (id, name) = (entry.id().short(), self.name_of(&pair.other(&own)));
            Err(Refused::new(RefusedKind::Refused, "offer_stands").with("id", id).with("name", name))
        })
    }

    /// Seals terms as our next offer to a partner.
    pub(super) fn offer_terms(
        &mut self,
        turn: &mut Turn,
        by: &Unlocked,
        dry_run: bool,
        bureau: BureauId,
        mut terms: Terms,
    ) -> Result<View, Refused> {
        // A laptop knows agreements of its bureau without the cards of its partners.
        let unknown = || Refused::new(RefusedKind::NotFound, "unknown_partner").with("name", self.name_of(&bureau));
        if !self.partners.get(&bureau).ok_or_else(unknown)?.checked {
            return Err(Refused::new(RefusedKind::Refused, "unchecked_card").with("name", self.name_of(&bureau)));
        }
        let pair = Pair::of(self.identity.bureau, bureau);
        self.list_what_it_lifts(turn, pair, &mut terms);
        terms.validate().map_err(|e| Refused::new(RefusedKind::Misuse, "bad_terms").with("why", e))?;
        self.keeps_to_compact(bureau, &terms)?;
        if terms.to <= turn.stamp {
            return Err(Refused::new(RefusedKind::Misuse, "terms_already_over"));
        }
        self.not_offered_yet(turn, pair, &terms)?;
        let (version, previous, expires) = match terms.is_emergency() {
            true => (0, None, terms.to),
            false => {
                let previous = self.book.newest_concluded(pair).map(Entry::id);
                let open_s = if terms.compact().is_some() { limits::COMPACT_OFFER_EXPIRES_S } else { limits::OFFER_EXPIRES_S };
                (self.book.newest_version(pair) + 1, previous, turn.stamp.plus(open_s))
            }
        };
        let offer = Offer {
            offerer: self.identity.bureau,
            acceptor: bureau,
            version,
            previous,
            terms,
            at: turn.stamp,
            expires,
            officer: by.certificate,
            nonce: turn.nonce(),
        };
        let statement = self.sealed(by, offer)?;
        let id = statement.offer();
        if dry_run {
            let mut then = self.book.clone();
            then.learn(&self.directory, statement).map_err(not_taken)?;
            return Ok(View::Effects(self.effects_of_terms(turn, "offer", &then, id)));
        }
        self.learn_agreement(turn, statement).map_err(not_taken)?;
        self.account(turn, "agreement_offer", None, Some(bureau), Some(by.certificate), &id.short());
        self.event(turn, "agreement", None, Some(bureau), "offered");
        self.show_agreement(turn, &id.to_string())
    }

    pub(super) fn agreement_accept(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, id: &str) -> Result<View, Refused> {
        let id = self.answerable(turn, id)?;
        let offer = self.book.get(&id).expect("resolved above").offer.body();
        let by = self.acting(turn, person, capability(&offer.terms))?;
        self.accept_offer(turn, &by, dry_run, id)
    }

    /// Seals an offer made to us that waits for an answer.
    pub(super) fn accept_offer(&mut self, turn: &mut Turn, by: &Unlocked, dry_run: bool, id: AgreementId) -> Result<View, Refused> {
        let offer = self.book.get(&id).expect("the caller found it in the book").offer.body();
        let offerer = offer.offerer;
        self.keeps_to_compact(offerer, &offer.terms)?;
        if !self.partners.get(&offerer).is_some_and(|row| row.checked) {
            return Err(Refused::new(RefusedKind::Refused, "unchecked_card").with("name", self.name_of(&offerer)));
        }
        if dry_run {
            return Ok(View::Effects(self.effects_of_terms(turn, "accept", &self.book, id)));
        }
        let accept = self.sealed(by, Accept { offer: id, officer: by.certificate, at: turn.stamp })?;
        self.learn_agreement(turn, accept).map_err(not_taken)?;
        self.account(turn, "agreement_accept", None, Some(offerer), Some(by.certificate), &id.short());
        self.event(turn, "agreement", None, Some(offerer), "accepted");
        self.show_agreement(turn, &id.to_string())
    }

    pub(super) fn agreement_decline(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        reason: String,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let id = self.answerable(turn, id)?;
        let offerer = self.book.get(&id).expect("resolved above").offer.body().offerer;
        if dry_run {
            return self.show_agreement(turn, &id.to_string());
        }
        let decline = Decline { offer: id, officer: by.certificate, reason, at: turn.stamp };
        decline.validate().map_err(|e| Refused::new(RefusedKind::Misuse, "bad_reason").with("why", e))?;
        let decline = self.sealed(&by, decline)?;
        self.learn_agreement(turn, decline).map_err(not_taken)?;
        self.account(turn, "agreement_decline", None, Some(offerer), Some(by.certificate), &id.short());
        self.event(turn, "agreement", None, Some(offerer), "declined");
        self.show_agreement(turn, &id.to_string())
    }

    /// An offer made to us that still waits for an answer.
    fn answerable(&self, turn: &Turn, id: &str) -> Result<AgreementId, Refused> {
        let id = self.resolve_agreement(id)?;
        let entry = self.book.get(&id).expect("resolved above");
        if entry.offer.body().acceptor != self.identity.bureau {
            return Err(Refused::new(RefusedKind::Refused, "own_offer").with("id", id.short()));
        }
        match self.book.standing(&id, turn.stamp) {
            Some(Standing::Offered) => Ok(id),
            Some(other) => Err(Refused::new(RefusedKind::Refused, "not_open").with("id", id.short()).with("standing", other.word())),
            None => Err(Refused::new(RefusedKind::NotFound, "unknown_agreement").with("id", id.short())),
        }
    }

    /// Seals a statement with an officer's key; it is then taken in by the same door as a foreign one.
    pub(super) fn sealed<T: Statement>(&self, by: &Unlocked, body: T) -> Result<AgreementStatement, Refused> {
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", why);
        let sealed = Sealed::seal(&self.identity.network, body, &[by.signer.as_ref()]).map_err(|e| fault(e.to_string()))?;
        crate::wire::agreement_statement(&self.identity.network, &sealed.to_bytes()).map_err(|e| fault(e.to_string()))
    }

    /// Takes in one statement of the exchange from anywhere; new ones are stored and passed to those it concerns.
    pub(super) fn learn_agreement(&mut self, turn: &mut Turn, statement: AgreementStatement) -> Result<bool, ExchangeError> {
        let bytes = statement.to_bytes();
        let (id, offer, made) = (statement.id(), statement.offer(), statement.at());
        let officer = statement.officer();
        let partner = self.book.pair_of(&statement).map(|pair| pair.other(&self.identity.bureau));
        let policy = partner.map(|partner| self.policy_digest(&partner, turn));
        if !self.book.learn(&self.directory, statement)? {
            return Ok(false);
        }
        let partner = partner.expect("what the book takes names a pair it knows");
        turn.put(Table::Agreements, &id.0, bytes.clone());
        self.count_statement(turn, partner, made);
        self.note_learnt(turn, id);
        self.tell_agreement(turn, partner, officer, &bytes);
        for due in self.due_after(partner, offer) {
            self.conclude_if_due(turn, due);
        }
        if Some(self.policy_digest(&partner, turn)) != policy {
            self.policy_changed(turn, Some(partner));
            for recipient in self.let_in_by_us(&partner) {
                self.compare_anew(turn, Some(recipient));
            }
        }
        self.next_policy = self.next_policy_change(turn.effective);
        self.passes_dirty = true;
        self.plan_warnings(turn.effective);
        Ok(true)
    }

    /// The offers a statement about `offer` may have made ready to conclude: that one, and ours that it crossed.
    fn due_after(&self, partner: BureauId, offer: AgreementId) -> Vec<AgreementId> {
        let pair = Pair::of(self.identity.bureau, partner);
        let crossed = |entry: &&Entry| entry.id() != offer && entry.conclude.is_none() && entry.offer.body().terms.compact().is_some();
        std::iter::once(offer).chain(self.book.entries_of(pair).filter(crossed).map(Entry::id)).collect()
    }

    /// The offerer's registrar concludes an accepted offer by itself: the officers of both sides have sealed it already.
    fn conclude_if_due(&mut self, turn: &mut Turn, offer: AgreementId) {
        let Some(epoch) = self.registrar_epoch() else { return };
        let Some(entry) = self.book.get(&offer) else { return };
        let body = entry.offer.body();
        if body.offerer != self.identity.bureau || entry.conclude.is_some() || entry.is_emergency() {
            return;
        }
        let Some(accept) = self.book.accepted_by(&offer) else { return };
        // Of two equal offers that crossed the lower bureau's is concluded.
        if entry.accept.is_none() && body.offerer > body.acceptor {
            return;
        }
        // Our officers offered until then, and not against a no.
        if turn.stamp >= body.expires || entry.decline.is_some() {
            return;
        }
        // A version number is spent once: a second accepted offer of the same version stays accepted and is superseded by the first.
        if body.version != self.book.newest_version(entry.pair()) + 1 {
            return;
        }
        let partner = body.acceptor;
        // What we concluded may be lost here and known there: it comes back first, or there are two.
        if self.silence(&partner).is_some() {
            return;
        }
        let conclude = Conclude { offer, accept, registrar: self.identity.certificate, epoch, at: turn.stamp };
        let Ok(sealed) = Sealed::seal(&self.identity.network, conclude, &[self.identity.signer.as_ref()]) else { return };
        let Ok(statement) = crate::wire::agreement_statement(&self.identity.network, &sealed.to_bytes()) else { return };
        if self.learn_agreement(turn, statement) == Ok(true) {
            self.account(turn, "agreement_concluded", None, Some(partner), None, &offer.short());
            self.event(turn, "agreement", None, Some(partner), "concluded");
        }
    }

    /// Concludes what was accepted while it could not be concluded: the store was in doubt, the pair silent, or another node the registrar. Only
    /// with who is there to hear it: told long after the offer ended a conclusion is late.
    pub(super) fn conclude_duties(&mut self, turn: &mut Turn) {
        if !std::mem::take(&mut self.conclude_dirty) {
            return;
        }
        let own = self.identity.bureau;
        let is_open = |entry: &&Entry| entry.offer.body().offerer == own && entry.conclude.is_none() && entry.decline.is_none();
        let open: Vec<_> = self.book.entries().filter(is_open).map(|entry| (entry.id(), entry.offer.body().acceptor)).collect();
        for (offer, partner) in open {
            if !self.live_links(|peer| peer == partner).is_empty() {
                self.conclude_if_due(turn, offer);
            }
        }
    }

    /// What a partner's or sibling's link brought.
    pub(super) fn agreements_came(&mut self, turn: &mut Turn, link: LinkId, from: BureauId, statements: Vec<AgreementStatement>) -> bool {
        let mut clean = true;
        for statement in statements {
            let what = statement.word();
            // A partner speaks of its own pair with us only; our own devices of all.
            let concerns = self.book.pair_of(&statement);
            let own = self.identity.bureau;
            if from != own && concerns != Some(Pair::of(own, from)) {
                clean = false;
                continue;
            }
            if from != own && self.is_stale(turn, &from, &statement) {
                self.agreement_refused(turn, link, from, "too late or too many");
                clean = false;
                continue;
            }
            match self.learn_agreement(turn, statement) {
                Ok(true) => {
                    self.account(turn, "agreement_heard", None, Some(from), None, what);
                    self.event(turn, "agreement", None, Some(from), what);
                }
                Ok(false) => {}
                Err(error) => {
                    self.agreement_refused(turn, link, from, &error.to_string());
                    clean = false;
                }
            }
        }
        clean
    }

    fn agreement_refused(&mut self, turn: &mut Turn, link: LinkId, from: BureauId, why: &str) {
        if !self.is_noise(turn, link) {
            self.account(turn, "agreement_refused", None, Some(from), None, why);
        }
    }

    /// A conclusion long after its offer expired, or one more open offer than a pair needs. Of a store that was put back nothing says whether
    /// a conclusion is late or was forgotten: both sealed it, so it is taken. So is one that this device or an officer whose key is used here sealed,
    /// in time, as another self of ours: a copy, or what there was before the store was put back.
    fn is_stale(&self, turn: &Turn, from: &BureauId, statement: &AgreementStatement) -> bool {
        match statement {
            AgreementStatement::Conclude(conclude) => {
                let late = |id: &AgreementId| {
                    self.book.get(id).is_some_and(|entry| turn.stamp >= entry.offer.body().expires.plus(limits::CONCLUDE_GRACE_S))
                };
                // Of two offers that crossed the other one was our seal, and it was given for as long as it says.
                let body = conclude.body();
                let forgotten = self.memory.is_catching() || self.is_in_doubt(from);
                let ours = self.same_key(&body.registrar) || self.accept_came_back(&body.offer, &body.accept);
                !(forgotten || ours)
                    && self.book.get(&body.offer).is_some_and(|entry| entry.conclude.is_none())
                    && (late(&body.offer) || late(&AgreementId(body.accept.0)))
            }
            AgreementStatement::Offer(offer) => {
                let by = offer.body().offerer;
                let pair = Pair::of(by, offer.body().acceptor);
                let open = |entry: &&Entry| {
                    entry.offer.body().offerer == by
                        && !entry.is_sealed_by_both()
                        && entry.decline.is_none()
                        && turn.stamp < entry.offer.body().expires
                };
                self.book.get(&AgreementId(offer.id().0)).is_none()
                    && self.book.entries_of(pair).filter(open).count() >= limits::OPEN_OFFERS_MAX
            }
            AgreementStatement::Suspend(suspend) => {
                let Some(pair) = self.book.pair_of(statement) else { return false };
                let state = self.book.state(pair, turn.effective);
                let standing = state.suspensions.iter().filter(|s| s.body().by == suspend.body().by).count();
                self.book.suspension(pair, &suspend.id()).is_none() && standing >= limits::STOPS_STANDING_MAX
            }
            AgreementStatement::Notice(notice) => {
                let Some(pair) = self.book.pair_of(statement) else { return false };
                let state = self.book.state(pair, turn.effective);
                let standing = state.notices.iter().filter(|s| s.body().by == notice.body().by).count();
                self.book.notice(pair, &notice.id()).is_none() && standing >= limits::STOPS_STANDING_MAX
            }
            AgreementStatement::Resume(resume) => {
                let Some(pair) = self.book.pair_of(statement) else { return false };
                let by = resume.body().by;
                let open = self.book.resumes_of(pair).filter(|r| r.accept.is_none() && r.resume.body().by == by).count();
                self.book.resume(&resume.id()).is_none() && open >= limits::OPEN_RESUMES_MAX
            }
            _ => false,
        }
    }

    /// Whether an officer whose key is used on this device accepted an offer, and this store heard so only when nobody could any more.
    fn accept_came_back(&self, offer: &AgreementId, accept: &StatementId) -> bool {
        let heard = self.learnt.get(accept).map(|row| row.at);
        self.book.get(offer).zip(heard).is_some_and(|(entry, heard)| {
            let officer = entry.accept_by_id(accept).map(|said| said.body().officer);
            let here = officer.is_some_and(|officer| self.memory.is_used_here(&officer) && self.directory.revoked(&officer).is_none());
            here && heard >= entry.offer.body().expires
        })
    }

    fn tell_agreement(&mut self, turn: &mut Turn, partner: BureauId, officer: Option<CertificateId>, bytes: &[u8]) {
        let own = self.identity.bureau;
        let evidence = self.agreement_evidence(officer);
        let message = Message::Agreements(vec![Bytes(bytes.to_vec())]);
        for link in self.live_links(|peer| peer == partner || peer == own) {
            if !evidence.is_empty() {
                self.send(turn, link, &Message::Statements(evidence.clone()), false);
            }
            // At once, since it may end what goes on; and once more behind what waits, since it may rest on that.
            self.send(turn, link, &message, false);
            if self.links.get(&link).is_some_and(super::links::Link::has_dues) {
                self.say(link, &message, false);
            }
        }
    }

    /// Certificates of officers who sealed agreement statements, with their issuers: without them a partner cannot tell who signed.
    pub(super) fn agreement_evidence(&self, officers: impl IntoIterator<Item = CertificateId>) -> Vec<Bytes> {
        let mut ids: Vec<StatementId> = Vec::new();
        for officer in officers {
            if let Some(Issuer::Member(issuer)) = self.directory.certificate(&officer).map(|c| c.body().issuer) {
                ids.push(StatementId(issuer.0));
            }
            ids.push(StatementId(officer.0));
        }
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        ids.iter().filter_map(|id| self.directory.statement_bytes(id)).map(Bytes).collect()
    }
}

/// Which capability an officer needs to seal these terms.
pub(super) fn capability(terms: &Terms) -> Capability {
    if terms.is_emergency() { Capability::Command } else { Capability::SignAgreement }
}

pub(super) fn not_taken(why: ExchangeError) -> Refused {
    Refused::new(RefusedKind::Refused, "statement_not_taken").with("why", why)
}
