//! Agreements by our officers and by the machine: offer, accept, decline, conclude.

use std::collections::BTreeSet;

use accord_keys::certificate::{Capability, Issuer};
use accord_keys::seal::{Sealed, Statement};

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::agreement::exchange::{Accept, AgreementStatement, Conclude, Decline, Entry, Offer, Standing};
use crate::agreement::{Pair, Terms};
use crate::id::{AgreementId, BureauId, Bytes, CertificateId, StatementId};
use crate::limits;
use crate::step::Table;
use crate::view::{Refused, RefusedKind, SendingView, View};
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
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let bureau = self.resolve_partner(partner)?;
        if !self.partners[&bureau].checked {
            return Err(Refused::new(RefusedKind::Refused, "unchecked_card").with("name", self.name_of(&bureau)));
        }
        terms.validate().map_err(|e| Refused::new(RefusedKind::Misuse, "bad_terms").with("why", e))?;
        if terms.to <= turn.stamp {
            return Err(Refused::new(RefusedKind::Misuse, "terms_already_over"));
        }
        let pair = Pair::of(self.identity.bureau, bureau);
        let version = self.book.newest_version(pair) + 1;
        let previous = self.book.newest_concluded(pair).map(Entry::id);
        let offer = Offer {
            offerer: self.identity.bureau,
            acceptor: bureau,
            version,
            previous,
            terms,
            at: turn.stamp,
            expires: turn.stamp.plus(limits::OFFER_EXPIRES_S),
            officer: by.certificate,
            nonce: turn.nonce(),
        };
        if dry_run {
            return Ok(View::Sending(SendingView {
                dry_run: true,
                receivers: vec![self.receiver(&bureau, true, "ok", "")],
                ..SendingView::default()
            }));
        }
        let id = self.state(turn, &by, offer)?;
        self.account(turn, "agreement_offer", None, Some(bureau), Some(by.certificate), &id.short());
        self.event(turn, "agreement", None, Some(bureau), "offered");
        self.show_agreement(turn, &id.to_string())
    }

    pub(super) fn agreement_accept(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, id: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let id = self.answerable(turn, id)?;
        let offerer = self.book.get(&id).expect("resolved above").offer.body().offerer;
        if !self.partners.get(&offerer).is_some_and(|row| row.checked) {
            return Err(Refused::new(RefusedKind::Refused, "unchecked_card").with("name", self.name_of(&offerer)));
        }
        if dry_run {
            return self.show_agreement(turn, &id.to_string());
        }
        let accept = Accept { offer: id, officer: by.certificate, at: turn.stamp };
        self.state(turn, &by, accept)?;
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
        self.state(turn, &by, decline)?;
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

    /// Seals a statement with an officer's key and takes it in by the same door as a foreign one.
    fn state<T: Statement>(&mut self, turn: &mut Turn, by: &Unlocked, body: T) -> Result<crate::id::StatementId, Refused> {
        let sealed = Sealed::seal(&self.identity.network, body, &[by.signer.as_ref()])
            .map_err(|e| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", e))?;
        let statement = crate::wire::agreement_statement(&self.identity.network, &sealed.to_bytes())
            .map_err(|e| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", e))?;
        let id = statement.id();
        self.learn_agreement(turn, statement).map_err(|e| Refused::new(RefusedKind::Refused, "statement_not_taken").with("why", e))?;
        Ok(id)
    }

    /// Takes in one statement of the exchange from anywhere; new ones are stored and passed to those it concerns.
    pub(super) fn learn_agreement(
        &mut self,
        turn: &mut Turn,
        statement: AgreementStatement,
    ) -> Result<bool, crate::agreement::exchange::ExchangeError> {
        let bytes = statement.to_bytes();
        let (id, offer) = (statement.id(), statement.offer());
        let officer = statement.officer();
        let partner = self.book.pair_of(&statement).map(|pair| pair.other(&self.identity.bureau));
        let policy = partner.map(|partner| self.policy_digest(&partner, turn));
        if !self.book.learn(&self.directory, statement)? {
            return Ok(false);
        }
        let partner = partner.expect("what the book takes names a pair it knows");
        turn.put(Table::Agreements, &id.0, bytes.clone());
        self.count_statement(turn, partner);
        self.note_learnt(turn, id);
        self.tell_agreement(turn, partner, officer, &bytes);
        self.conclude_if_due(turn, offer);
        if Some(self.policy_digest(&partner, turn)) != policy {
            self.policy_changed(turn, Some(partner));
        }
        self.next_policy = self.next_policy_change(turn.effective);
        self.passes_dirty = true;
        Ok(true)
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
        // Our officers offered until then, and not against a no.
        if turn.stamp >= body.expires || entry.decline.is_some() {
            return;
        }
        // A version number is spent once: a second accepted offer of the same version stays accepted and is superseded by the first.
        if body.version != self.book.newest_version(entry.pair()) + 1 {
            return;
        }
        let partner = body.acceptor;
        let conclude = Conclude { offer, accept, registrar: self.identity.certificate, epoch, at: turn.stamp };
        let Ok(sealed) = Sealed::seal(&self.identity.network, conclude, &[self.identity.signer.as_ref()]) else { return };
        let Ok(statement) = crate::wire::agreement_statement(&self.identity.network, &sealed.to_bytes()) else { return };
        if self.learn_agreement(turn, statement) == Ok(true) {
            self.account(turn, "agreement_concluded", None, Some(partner), None, &offer.short());
            self.event(turn, "agreement", None, Some(partner), "concluded");
        }
    }

    /// What a partner's or sibling's link brought.
    pub(super) fn agreements_came(&mut self, turn: &mut Turn, from: BureauId, statements: Vec<AgreementStatement>) -> bool {
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
            if from != own && self.is_stale(turn, &statement) {
                self.account(turn, "agreement_refused", None, Some(from), None, "too late or too many");
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
                    self.account(turn, "agreement_refused", None, Some(from), None, &error.to_string());
                    clean = false;
                }
            }
        }
        clean
    }

    /// A conclusion long after its offer expired, or one more open offer than a pair needs.
    fn is_stale(&self, turn: &Turn, statement: &AgreementStatement) -> bool {
        match statement {
            AgreementStatement::Conclude(conclude) => self
                .book
                .get(&conclude.body().offer)
                .is_some_and(|entry| entry.conclude.is_none() && turn.stamp >= entry.offer.body().expires.plus(limits::CONCLUDE_GRACE_S)),
            AgreementStatement::Offer(offer) => {
                let by = offer.body().offerer;
                let open = |entry: &&crate::agreement::exchange::Entry| {
                    entry.offer.body().offerer == by
                        && entry.conclude.is_none()
                        && entry.decline.is_none()
                        && turn.stamp < entry.offer.body().expires
                };
                self.book.get(&AgreementId(offer.id().0)).is_none() && self.book.entries().filter(open).count() >= limits::OPEN_OFFERS_MAX
            }
            _ => false,
        }
    }

    fn tell_agreement(&mut self, turn: &mut Turn, partner: BureauId, officer: Option<CertificateId>, bytes: &[u8]) {
        let own = self.identity.bureau;
        let evidence = self.agreement_evidence(officer);
        let message = Message::Agreements(vec![Bytes(bytes.to_vec())]);
        for link in self.live_links(|peer| peer == partner || peer == own) {
            if !evidence.is_empty() {
                self.send(turn, link, &Message::Statements(evidence.clone()), false);
            }
            self.send(turn, link, &message, false);
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
