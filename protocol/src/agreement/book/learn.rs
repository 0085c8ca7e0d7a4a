//! Who said what: every statement of a pair is checked here before it counts.

use std::collections::BTreeMap;

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Statement, Verified};

use super::{AgreementBook, Entry, FURTHER_ACCEPTS_MAX, Resumption};
use crate::agreement::Pair;
use crate::agreement::exchange::{Accept, AgreementStatement, Conclude, ExchangeError, Offer};
use crate::id::{AgreementId, BureauId, CertificateId, StatementId};
use crate::time::DAY_S;

impl AgreementBook {
    /// Takes in one verified statement; `Ok(false)` when it was known. Authority is checked here: who sealed it, in which capability.
    ///
    /// # Errors
    /// [`ExchangeError`]; the book is unchanged.
    pub fn learn(&mut self, directory: &Directory, statement: AgreementStatement) -> Result<bool, ExchangeError> {
        let learnt = self.learn_any(directory, statement)?;
        self.changes += u64::from(learnt);
        Ok(learnt)
    }

    fn learn_any(&mut self, directory: &Directory, statement: AgreementStatement) -> Result<bool, ExchangeError> {
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
    pub(super) fn crosses(&self, entry: &Entry, other: &AgreementId) -> bool {
        let one = entry.offer.body();
        self.entries.get(other).is_some_and(|other| {
            let other = other.offer.body();
            one.terms.compact().is_some()
                // Each was sealed while the other could still be accepted.
                && one.at < other.expires
                && other.at < one.expires
                && (one.offerer, one.acceptor) == (other.acceptor, other.offerer)
                && (one.version, one.previous) == (other.version, other.previous)
                && one.terms == other.terms.mirrored()
        })
    }
}

/// Whether an officer of the bureau who has the capability sealed a statement.
pub(in crate::agreement) fn signed_by_officer<T: Statement>(
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
