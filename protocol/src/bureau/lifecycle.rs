//! What our officers do with an agreement that stands: renew, amend, suspend, resume, end.

use std::collections::BTreeSet;

use accord_keys::certificate::Capability;
use accord_keys::seal::Statement;

use super::Bureau;
use super::pact_views::diff_view;
use super::pacts::{capability, not_taken};
use super::turn::Turn;
use crate::agreement::book::Resumption;
use crate::agreement::diff;
use crate::agreement::exchange::{Accept, AgreementBook, AgreementStatement, Entry, Standing};
use crate::agreement::lifecycle::{Notice, Resume, Suspend};
use crate::agreement::{Category, Giver, Pair, Terms};
use crate::id::{AgreementId, BureauId, StatementId};
use crate::time::{DAY_S, WallSeconds};
use crate::view::{EffectsView, Refused, RefusedKind, View};

impl Bureau {
    pub(super) fn agreement_renew(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        from: Option<WallSeconds>,
        to: WallSeconds,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let (_, entry) = self.sealed_agreement(id)?;
        let partner = entry.pair().other(&self.identity.bureau);
        let old = &entry.offer.body().terms;
        let mut terms = if self.our_role(entry) == Giver::Offerer { old.clone() } else { old.mirrored() };
        terms.from = from.unwrap_or_else(|| old.to.max(turn.stamp));
        terms.to = to;
        self.offer_terms(turn, &by, dry_run, partner, without_lifts(terms))
    }

    pub(super) fn agreement_amend(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        terms: Terms,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, capability(&terms))?;
        let (id, entry) = self.sealed_agreement(id)?;
        let pair = entry.pair();
        if self.book.newest_concluded(pair).is_none_or(|newest| newest.id() != id) {
            return Err(Refused::new(RefusedKind::Refused, "not_newest_version").with("id", id.short()));
        }
        self.offer_terms(turn, &by, dry_run, pair.other(&self.identity.bureau), without_lifts(terms))
    }

    pub(super) fn agreement_suspend(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        categories: &[String],
        reason: String,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Suspend)?;
        let (id, entry) = self.sealed_agreement(id)?;
        let pair = entry.pair();
        let mut listed = BTreeSet::new();
        for code in categories {
            let unknown =
                || Refused::new(RefusedKind::Misuse, "unknown_category").with("category", code.chars().take(40).collect::<String>());
            listed.insert(Category::from_code(code).ok_or_else(unknown)?);
        }
        let suspend = Suspend {
            agreement: id,
            by: self.identity.bureau,
            categories: (!listed.is_empty()).then(|| listed.into_iter().collect()),
            reason,
            officer: by.certificate,
            at: turn.stamp,
            nonce: turn.nonce(),
        };
        suspend.validate().map_err(|e| Refused::new(RefusedKind::Misuse, "bad_reason").with("why", e))?;
        let statement = self.sealed(&by, suspend)?;
        if dry_run {
            let then = self.book_with(&statement)?;
            return Ok(View::Effects(self.effects_of_stop(turn, "suspend", pair, id, &then, turn.effective)));
        }
        self.stated(turn, by.certificate, pair, "agreement_suspend", "suspended", statement)?;
        self.show_agreement(turn, &id.to_string())
    }

    pub(super) fn agreement_resume(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        word: &str,
        notices: bool,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let own = self.identity.bureau;
        if let Some((open, pair, agreement)) = self.resume_to_accept(turn, word, notices)? {
            let lifts = self.book.resume(&open).expect("found above").1.resume.body().lifts.clone();
            if let Some(unknown) = lifts.iter().find(|id| self.is_unknown(pair, id)) {
                return Err(Refused::new(RefusedKind::Refused, "lifts_unknown").with("id", unknown.short()));
            }
            if dry_run {
                return Ok(View::Effects(self.effects_of_resume(turn, pair, agreement, &lifts, false)));
            }
            let accept = self.sealed(&by, Accept { offer: AgreementId(open.0), officer: by.certificate, at: turn.stamp })?;
            self.stated(turn, by.certificate, pair, "agreement_resume_accepted", "resumed", accept)?;
            return self.show_agreement(turn, &agreement.to_string());
        }
        let (id, entry) = self.sealed_agreement(word)?;
        let pair = entry.pair();
        let lifts = self.standing_stops(pair, turn.effective, notices);
        if lifts.is_empty() {
            return Err(Refused::new(RefusedKind::Refused, "nothing_to_resume").with("id", id.short()));
        }
        if dry_run {
            return Ok(View::Effects(self.effects_of_resume(turn, pair, id, &lifts, true)));
        }
        let same = |r: &&Resumption| r.accept.is_none() && r.resume.body().by == own && r.resume.body().lifts == lifts;
        if self.book.resumes_of(pair).any(|r| same(&r)) {
            return Err(Refused::new(RefusedKind::Refused, "resume_already_open").with("name", self.name_of(&pair.other(&own))));
        }
        let resume = Resume { agreement: id, by: own, lifts, officer: by.certificate, at: turn.stamp, nonce: turn.nonce() };
        let statement = self.sealed(&by, resume)?;
        self.stated(turn, by.certificate, pair, "agreement_resume", "resume_offered", statement)?;
        self.show_agreement(turn, &id.to_string())
    }

    pub(super) fn agreement_end(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        ends: Option<WallSeconds>,
        reason: String,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let (id, entry) = self.sealed_agreement(id)?;
        let pair = entry.pair();
        let days = entry.offer.body().terms.notice_days();
        let soonest = turn.stamp.plus(u64::from(days) * DAY_S);
        let ends = ends.unwrap_or(soonest);
        if ends < soonest {
            return Err(Refused::new(RefusedKind::Refused, "notice_too_short").with("days", days).with("soonest", soonest.0));
        }
        if entry.is_emergency() {
            return Err(Refused::new(RefusedKind::Refused, "emergency_ends_itself").with("id", id.short()));
        }
        let notice = Notice { agreement: id, by: self.identity.bureau, ends, reason, officer: by.certificate, at: turn.stamp };
        notice.validate().map_err(|e| Refused::new(RefusedKind::Misuse, "bad_reason").with("why", e))?;
        let statement = self.sealed(&by, notice)?;
        if dry_run {
            let then = self.book_with(&statement)?;
            return Ok(View::Effects(self.effects_of_stop(turn, "end", pair, id, &then, ends.max(turn.effective))));
        }
        self.stated(turn, by.certificate, pair, "agreement_notice", "notice", statement)?;
        self.show_agreement(turn, &id.to_string())
    }

    /// An agreement of ours that both sides sealed.
    fn sealed_agreement(&self, word: &str) -> Result<(AgreementId, &Entry), Refused> {
        let id = self.resolve_agreement(word)?;
        let entry = self.book.get(&id).expect("resolved above");
        if entry.is_sealed_by_both() {
            return Ok((id, entry));
        }
        Err(Refused::new(RefusedKind::Refused, "not_concluded").with("id", id.short()))
    }

    /// Takes in a statement of our own and says so.
    fn stated(
        &mut self,
        turn: &mut Turn,
        officer: crate::id::CertificateId,
        pair: Pair,
        account: &str,
        event: &str,
        statement: AgreementStatement,
    ) -> Result<(), Refused> {
        let partner = pair.other(&self.identity.bureau);
        let id = statement.id().short();
        self.learn_agreement(turn, statement).map_err(not_taken)?;
        self.account(turn, account, None, Some(partner), Some(officer), &id);
        self.event(turn, "agreement", None, Some(partner), event);
        Ok(())
    }

    fn book_with(&self, statement: &AgreementStatement) -> Result<AgreementBook, Refused> {
        let mut then = self.book.clone();
        then.learn(&self.directory, statement.clone()).map_err(not_taken)?;
        Ok(then)
    }

    /// Suspensions of a pair that stand, with notices if wanted, ascending.
    fn standing_stops(&self, pair: Pair, now: WallSeconds, notices: bool) -> Vec<StatementId> {
        let state = self.book.state(pair, now);
        let mut out: Vec<StatementId> = state.suspensions.iter().map(|s| s.id()).collect();
        if notices {
            out.extend(state.notices.iter().map(|s| s.id()));
        }
        out.sort_unstable();
        out
    }

    fn is_unknown(&self, pair: Pair, id: &StatementId) -> bool {
        self.book.suspension(pair, id).is_none() && self.book.notice(pair, id).is_none()
    }

    /// The partner's open resume a word means: by its own id, or by the agreement when it lifts all that stands.
    fn resume_to_accept(&self, turn: &Turn, word: &str, notices: bool) -> Result<Option<(StatementId, Pair, AgreementId)>, Refused> {
        let own = self.identity.bureau;
        let lower = word.trim().to_ascii_lowercase();
        let theirs = |r: &&Resumption| r.accept.is_none() && r.resume.body().by != own;
        let found = |pair: Pair, r: &Resumption| (r.resume.id(), pair, r.resume.body().agreement);
        if lower.len() >= 4 {
            let named = |r: &&Resumption| r.resume.id().to_string().starts_with(&lower);
            let by_id: Vec<_> = self
                .book
                .pairs()
                .flat_map(|pair| self.book.resumes_of(pair).filter(theirs).filter(named).map(move |r| found(pair, r)))
                .collect();
            match by_id.as_slice() {
                [] => {}
                [one] => return Ok(Some(*one)),
                many => {
                    let ids: Vec<String> = many.iter().take(10).map(|(id, _, _)| id.short()).collect();
                    return Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("candidates", ids.join(", ")));
                }
            }
        }
        let (_, entry) = self.sealed_agreement(word)?;
        let pair = entry.pair();
        let standing = self.standing_stops(pair, turn.effective, notices);
        let all = |r: &&Resumption| !standing.is_empty() && standing.iter().all(|id| r.resume.body().lifts.contains(id));
        Ok(self.book.resumes_of(pair).filter(theirs).find(all).map(|r| found(pair, r)))
    }

    /// Lists in new terms what they end: notices that stand, and after the end of an agreement suspensions too. What is not listed stands.
    pub(super) fn list_what_it_lifts(&self, turn: &Turn, pair: Pair, terms: &mut Terms) {
        if terms.is_emergency() || !terms.lifts().is_empty() {
            return;
        }
        let over = self.book.state(pair, turn.effective).standing.is_some_and(|s| matches!(s, Standing::WindingDown | Standing::Ended));
        let state = self.book.state(pair, turn.effective);
        let mut lifts: Vec<StatementId> = state.notices.iter().map(|s| s.id()).collect();
        if over {
            lifts.extend(state.suspensions.iter().map(|s| s.id()));
        }
        lifts.sort_unstable();
        if !lifts.is_empty() {
            terms.annex.get_or_insert_default().lifts = lifts;
        }
    }

    /// Effects of terms once both sealed them, at the moment they begin. `book` holds their offer.
    pub(super) fn effects_of_terms(&self, turn: &Turn, act: &str, book: &AgreementBook, id: AgreementId) -> EffectsView {
        let entry = book.get(&id).expect("the caller's book holds it");
        let (pair, terms) = (entry.pair(), &entry.offer.body().terms);
        let partner = pair.other(&self.identity.bureau);
        let at = terms.from.max(turn.effective);
        let then = book.if_sealed_by_both(id);
        let current = self.book.state(pair, turn.effective).current.first().copied();
        let changes = current.filter(|_| !terms.is_emergency()).map(|current| {
            let found = diff::diff((&current.offer.body().terms, self.our_role(current)), (terms, self.our_role(entry)));
            diff_view(found, current.id().to_string(), id.to_string())
        });
        EffectsView {
            agreement: if act == "offer" { String::new() } else { id.to_string() },
            needs_partner: act == "offer",
            lifts: terms.lifts().iter().map(|stop| self.stop_view(pair, stop)).collect(),
            stands: self.stands(&then, pair, at),
            terms: changes,
            ..self.effects(act, partner, &then, at)
        }
    }

    fn effects_of_stop(
        &self,
        turn: &Turn,
        act: &str,
        pair: Pair,
        agreement: AgreementId,
        then: &AgreementBook,
        at: WallSeconds,
    ) -> EffectsView {
        let partner: BureauId = pair.other(&self.identity.bureau);
        EffectsView {
            agreement: agreement.to_string(),
            stands: self.stops_of(pair, turn.effective),
            ..self.effects(act, partner, then, at)
        }
    }

    fn effects_of_resume(
        &self,
        turn: &Turn,
        pair: Pair,
        agreement: AgreementId,
        lifts: &[StatementId],
        needs_partner: bool,
    ) -> EffectsView {
        let then = self.book.if_lifted(lifts.iter().copied());
        EffectsView {
            agreement: agreement.to_string(),
            needs_partner,
            lifts: lifts.iter().map(|stop| self.stop_view(pair, stop)).collect(),
            stands: self.stands(&then, pair, turn.effective),
            ..self.effects("resume", pair.other(&self.identity.bureau), &then, turn.effective)
        }
    }

    /// What of the pair's suspensions and notices stands in a book that is not ours yet.
    fn stands(&self, then: &AgreementBook, pair: Pair, at: WallSeconds) -> Vec<crate::view::StopView> {
        let state = then.state(pair, at);
        let ids = state.suspensions.iter().map(|s| s.id()).chain(state.notices.iter().map(|s| s.id()));
        ids.map(|id| self.stop_view(pair, &id)).collect()
    }
}

/// The same terms without the list of what an earlier version lifted: that is done.
fn without_lifts(mut terms: Terms) -> Terms {
    if let Some(annex) = &mut terms.annex {
        annex.lifts.clear();
    }
    terms
}
