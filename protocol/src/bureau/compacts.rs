//! Compacts: writing one down, signing all pairs in one act, how the pairs stand, and whom `compact:NAME` means.
//!
//! A compact gives nobody anything. Every question of access is asked of the pair's own agreement; the compact only says what its officers
//! sign together and by which name they address each other.

mod carried;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Capability;
use accord_keys::seal::{Sealed, Statement};

use super::show::{PREFIX_MIN, one};
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::agreement::compact::{Compact, CompactError, CompactFile, Member, NotUnder, Place};
use crate::agreement::exchange::Entry;
use crate::agreement::{Pair, Terms};
use crate::id::{AgreementId, BureauId, CompactId};
use crate::input::CompactDraft;
use crate::view::{CompactView, EffectsView, Refused, RefusedKind, View};
use crate::wire::{self, IdentityStatement};

/// How an audience names a compact.
pub(super) const ADDRESS: &str = "compact:";

/// What one act of signing does for one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Offer,
    Accept(AgreementId),
    /// Nothing, and why.
    Leave(&'static str),
}

impl Next {
    const fn word(self) -> &'static str {
        match self {
            Next::Offer => "to_offer",
            Next::Accept(_) => "to_accept",
            Next::Leave(word) => word,
        }
    }
}

/// Whom `compact:NAME` means, and who stands on the roster beside them.
pub(super) struct Addressed {
    pub members: Vec<BureauId>,
    /// With the name to show: from our own card, else as the compact has it.
    pub others: Vec<(BureauId, String)>,
}

fn misuse(code: &str) -> Refused {
    Refused::new(RefusedKind::Misuse, code)
}

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

impl Bureau {
    /// Writes down a compact, or the next version of one: sealed by our officer, kept, and sent to those on the roster.
    pub(super) fn compact_new(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        draft: CompactDraft,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let before = match &draft.previous {
            None => None,
            Some(word) => Some(self.resolve_compact(word, false)?),
        };
        let old = before.and_then(|id| self.compacts.get(&id)).cloned();
        let own = self.identity.bureau;
        let mut roster: BTreeMap<BureauId, String> = BTreeMap::from([(own, self.name_of(&own))]);
        if let Some(old) = old.as_ref().filter(|_| draft.roster.is_empty()) {
            roster.extend(old.roster.iter().map(|member| (member.bureau, member.name.clone())));
        }
        for word in &draft.roster {
            let bureau = self.resolve_partner(word)?;
            // Who is put on a roster by an impostor's card would be named to everybody.
            if !self.partners[&bureau].checked {
                return Err(refused("unchecked_card").with("name", self.name_of(&bureau)));
            }
            roster.insert(bureau, self.name_of(&bureau));
        }
        let name = match &old {
            Some(old) if draft.name.trim().is_empty() => old.name.clone(),
            _ => draft.name.trim().to_owned(),
        };
        let family = before.map(|id| self.compacts.family(&id));
        if self.families_of_ours(&name).into_iter().any(|other| Some(other) != family) {
            return Err(refused("compact_name_taken").with("name", name));
        }
        let compact = Compact {
            initiator: own,
            version: old.as_ref().map_or(1, |old| old.version.saturating_add(1)),
            previous: before,
            name,
            terms: draft.terms,
            roster: roster.into_iter().map(|(bureau, name)| Member { bureau, name }).collect(),
            officer: by.certificate,
            at: turn.stamp,
            nonce: turn.nonce(),
        };
        compact.validate().map_err(|e| misuse("bad_compact").with("why", e))?;
        if compact.terms.to <= turn.stamp {
            return Err(misuse("terms_already_over"));
        }
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", why);
        let sealed = Sealed::seal(&self.identity.network, compact, &[by.signer.as_ref()]).map_err(|e| fault(e.to_string()))?;
        let verified = sealed.verify(&self.identity.network).map_err(|e| fault(e.to_string()))?;
        let id = CompactId(verified.id().0);
        if dry_run {
            return Ok(View::Compact(Box::new(CompactView { dry_run, ..self.compact_view(turn, id, verified.body()) })));
        }
        self.learn_compact(turn, verified).map_err(not_kept)?;
        self.account(turn, "compact_new", None, None, Some(by.certificate), &id.short());
        self.event(turn, "compact", None, Some(own), "made");
        self.compact_status(turn, &id.to_string(), true)
    }

    /// Takes in a compact that was carried here as a file.
    pub(super) fn compact_import(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, text: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let file = CompactFile::from_text(text).map_err(|e| misuse("not_a_compact").with("why", e))?;
        let foreign = |why: String| refused("foreign_compact").with("why", why);
        let network = self.identity.network;
        let compact = wire::compact(&network, &file.compact.0).map_err(|e| foreign(e.to_string()))?;
        let mut evidence = Vec::new();
        for bytes in &file.evidence {
            match IdentityStatement::from_bytes(&network, &bytes.0).map_err(|e| foreign(e.to_string()))? {
                kept @ (IdentityStatement::Root(_) | IdentityStatement::Certificate(_)) => evidence.push(kept),
                _ => return Err(foreign("it brings statements that are no evidence".to_owned())),
            }
        }
        let id = CompactId(compact.id().0);
        let initiator = compact.body().initiator;
        if dry_run {
            return Ok(View::Compact(Box::new(CompactView { dry_run, ..self.compact_view(turn, id, compact.body()) })));
        }
        if !compact.body().holds(&self.identity.bureau) {
            return Err(not_kept(CompactError::NotOurs));
        }
        for statement in evidence {
            self.learn_identity(turn, statement).map_err(|e| foreign(e.to_string()))?;
        }
        if self.learn_compact(turn, compact).map_err(not_kept)? {
            self.account(turn, "compact_import", None, Some(initiator), Some(by.certificate), &id.short());
            self.event(turn, "compact", None, Some(initiator), "heard");
        }
        self.compact_status(turn, &id.to_string(), false)
    }

    /// One act for all our pairs: offers what was not offered, accepts what was offered alike, leaves what needs a look of its own. Done
    /// twice, it does only what became possible since.
    pub(super) fn compact_sign(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, word: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let id = self.resolve_compact(word, true)?;
        let compact = self.compacts.get(&id).expect("resolved above").clone();
        if compact.terms.to <= turn.stamp {
            return Err(refused("compact_over").with("name", &compact.name));
        }
        let plan: Vec<(BureauId, Next)> =
            self.others_of(&compact).map(|bureau| (bureau, self.next_of(turn, id, &compact, &bureau))).collect();
        let mut done: BTreeMap<BureauId, String> = BTreeMap::new();
        let mut effects: BTreeMap<BureauId, EffectsView> = BTreeMap::new();
        if !dry_run {
            let asked: BTreeSet<BureauId> = plan.iter().filter(|(_, next)| *next == Next::Offer).map(|(bureau, _)| *bureau).collect();
            self.tell_compact(turn, id, &asked);
        }
        for (bureau, next) in plan {
            match self.sign_pair(turn, &by, dry_run, (id, &compact), bureau, next) {
                Ok(Some(View::Effects(found))) => drop(effects.insert(bureau, found)),
                Ok(Some(_)) => drop(done.insert(bureau, if next == Next::Offer { "offered" } else { "accepted" }.to_owned())),
                Ok(None) => {}
                // One pair that cannot be signed is no reason to leave the others.
                Err(why) => drop(done.insert(bureau, why.code)),
            }
        }
        if !dry_run {
            let count = |what: &str| done.values().filter(|word| *word == what).count();
            let detail = format!("{} offered {} accepted {}", id.short(), count("offered"), count("accepted"));
            self.account(turn, "compact_sign", None, None, Some(by.certificate), &detail);
            self.event(turn, "compact", None, Some(compact.initiator), "signed");
        }
        let mut view = self.compact_view(turn, id, &compact);
        view.dry_run = dry_run;
        for pair in &mut view.pairs {
            let Some(bureau) = BureauId::from_hex(&pair.bureau) else { continue };
            pair.done = done.remove(&bureau).unwrap_or_default();
            pair.effects = effects.remove(&bureau);
        }
        Ok(View::Compact(Box::new(view)))
    }

    fn sign_pair(
        &mut self,
        turn: &mut Turn,
        by: &Unlocked,
        dry_run: bool,
        (id, compact): (CompactId, &Compact),
        bureau: BureauId,
        next: Next,
    ) -> Result<Option<View>, Refused> {
        match next {
            Next::Leave(_) => Ok(None),
            Next::Offer => self.offer_terms(turn, by, dry_run, bureau, compact.pair_terms(id)).map(Some),
            Next::Accept(offer) => self.accept_offer(turn, by, dry_run, offer).map(Some),
        }
    }

    /// Offers one member terms of the pair's own under the compact: the pair's annex.
    pub(super) fn compact_deviate(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        word: &str,
        partner: &str,
        mut terms: Terms,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::SignAgreement)?;
        let id = self.resolve_compact(word, true)?;
        let bureau = self.resolve_partner(partner)?;
        let common = &self.compacts.get(&id).expect("resolved above").terms;
        terms.text_hash = common.text_hash;
        terms.annex.get_or_insert_default().compact = Some(id);
        // What is refused tells nobody anything; what is offered comes behind the compact it names.
        let foreseen = self.offer_terms(turn, &by, true, bureau, terms.clone())?;
        if dry_run {
            return Ok(foreseen);
        }
        self.tell_compact(turn, id, &BTreeSet::from([bureau]));
        self.offer_terms(turn, &by, false, bureau, terms)
    }

    /// A compact by name or by id. A name means the newest version our officers wrote or signed; where a newer one waits and the word is to be
    /// sealed (`exactly`), the id must say which: whoever stands on a roster can write an amendment.
    fn resolve_compact(&self, word: &str, exactly: bool) -> Result<CompactId, Refused> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let mut matching: Vec<CompactId> = Vec::new();
        let ours = self.families_of_ours(word);
        // What is to be sealed must be meant exactly; otherwise a name that somebody else uses too means ours.
        for family in if exactly || ours.is_empty() { self.families_named(word) } else { ours } {
            let versions = self.compacts.versions(&family);
            let signed = versions.iter().rev().find(|(id, compact)| self.is_of_ours(id, compact));
            match signed.filter(|_| !exactly) {
                Some((id, _)) => matching.push(*id),
                None => matching.extend(
                    versions
                        .iter()
                        .filter(|(_, compact)| signed.is_none_or(|(_, ours)| compact.version >= ours.version))
                        .map(|(id, _)| *id),
                ),
            }
        }
        if matching.is_empty() && lower.len() >= PREFIX_MIN {
            matching = self.compacts.all().map(|(id, _)| id).filter(|id| id.to_string().starts_with(&lower)).collect();
        }
        one(matching, "unknown_compact", word, |id| {
            let by = self.compacts.get(id).map(|compact| self.name_of(&compact.initiator)).unwrap_or_default();
            format!("{} v{} {by}", id.short(), self.compacts.get(id).map_or(0, |compact| compact.version))
        })
    }

    fn families_named(&self, name: &str) -> BTreeSet<CompactId> {
        self.compacts.all().filter(|(_, compact)| compact.name == name).map(|(id, _)| self.compacts.family(&id)).collect()
    }

    /// As [`Self::families_named`], by the names of versions that our officers wrote or signed: the names others gave bind nobody here.
    fn families_of_ours(&self, name: &str) -> BTreeSet<CompactId> {
        let named = self.compacts.all().filter(|(id, compact)| compact.name == name && self.is_of_ours(id, compact));
        named.map(|(id, _)| self.compacts.family(&id)).collect()
    }

    fn is_of_ours(&self, id: &CompactId, compact: &Compact) -> bool {
        compact.initiator == self.identity.bureau || self.we_signed(id)
    }

    /// Whom `compact:NAME` means: exactly those with whom our own pair is in force under it, in whatever version. A roster is a claim of its
    /// writer, and membership nobody can claim.
    pub(super) fn addressed(&self, turn: &Turn, word: &str) -> Result<Addressed, Refused> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let mut families = self.families_of_ours(word);
        if families.is_empty() && lower.len() >= PREFIX_MIN {
            let by_id = self.compacts.all().map(|(id, _)| id).filter(|id| id.to_string().starts_with(&lower));
            families = by_id.map(|id| self.compacts.family(&id)).collect();
        }
        let known = !families.is_empty();
        let mut found: Vec<(CompactId, Vec<BureauId>)> =
            families.into_iter().map(|family| (family, self.members(turn, &family))).filter(|(_, members)| !members.is_empty()).collect();
        if known && found.is_empty() {
            return Err(refused("nobody_in_compact").with("name", word.chars().take(80).collect::<String>()));
        }
        let family = one(found.iter().map(|(family, _)| *family).collect(), "unknown_compact", word, |id| id.short())?;
        found.retain(|(id, _)| *id == family);
        let members = found.into_iter().flat_map(|(_, members)| members).collect::<Vec<_>>();
        let mut others: BTreeMap<BureauId, String> = BTreeMap::new();
        for (_, compact) in self.compacts.versions(&family) {
            let outside = self.others_of(compact).filter(|bureau| !members.contains(bureau));
            others.extend(outside.map(|bureau| (bureau, self.member_name(compact, &bureau))));
        }
        let others = others.into_iter().collect();
        Ok(Addressed { members, others })
    }

    fn members(&self, turn: &Turn, family: &CompactId) -> Vec<BureauId> {
        let own = self.identity.bureau;
        let is_under = |bureau: &&BureauId| {
            let pair = Pair::of(own, **bureau);
            let running = self.book.in_force(pair, turn.effective);
            !running.is_empty() && running.iter().all(|entry| self.under(entry).is_ok_and(|(id, _)| self.compacts.family(&id) == *family))
        };
        self.partners.keys().filter(is_under).copied().collect()
    }

    fn under(&self, entry: &Entry) -> Result<(CompactId, Place), NotUnder> {
        self.compacts.under(entry.pair(), &entry.offer.body().terms)
    }

    /// Refuses terms that name a compact and are not under it: before our seal goes on them.
    pub(super) fn keeps_to_compact(&self, partner: BureauId, terms: &Terms) -> Result<(), Refused> {
        if terms.compact().is_none() {
            return Ok(());
        }
        let under = self.compacts.under(Pair::of(self.identity.bureau, partner), terms);
        under.map(|_| ()).map_err(|why| refused("not_under_compact").with("name", self.name_of(&partner)).with("why", why))
    }

    fn others_of<'a>(&self, compact: &'a Compact) -> impl Iterator<Item = BureauId> + use<'a> {
        let own = self.identity.bureau;
        compact.roster.iter().map(|member| member.bureau).filter(move |bureau| *bureau != own)
    }

    /// What signing does for one pair.
    fn next_of(&self, turn: &Turn, id: CompactId, compact: &Compact, bureau: &BureauId) -> Next {
        match self.partners.get(bureau) {
            None => return Next::Leave("no_card"),
            Some(row) if !row.checked => return Next::Leave("unchecked_card"),
            Some(_) => {}
        }
        let own = self.identity.bureau;
        let pair = Pair::of(own, *bureau);
        let newest = self.book.newest_concluded(pair);
        if let Some((signed, _)) = newest.filter(|entry| !self.book.is_void(entry)).and_then(|entry| self.under(entry).ok()) {
            let version = self.compacts.get(&signed).map_or(0, |compact| compact.version);
            if signed == id {
                return Next::Leave("signed");
            }
            // A pair that moved on does not go back.
            if self.compacts.family(&signed) == self.compacts.family(&id) && version >= compact.version {
                return Next::Leave("newer_signed");
            }
        }
        let (version, previous) = (self.book.newest_version(pair) + 1, newest.map(Entry::id));
        let on_the_way = |entry: &&Entry| {
            let offer = entry.offer.body();
            let next = (offer.version, offer.previous) == (version, previous) && entry.conclude.is_none();
            next && offer.terms.compact() == Some(id) && (turn.stamp < offer.expires || entry.accept.is_some())
        };
        let entries: Vec<&Entry> = self.book.entries_of(pair).filter(on_the_way).collect();
        if entries.iter().any(|entry| entry.accept.is_some()) {
            return Next::Leave("accepted");
        }
        let (ours, theirs): (Vec<&Entry>, Vec<&Entry>) = entries.into_iter().partition(|entry| entry.offer.body().offerer == own);
        let open = |entry: &&&Entry| entry.decline.is_none();
        // Only the common text, and only with what we would lift ourselves, is signed without a look of its own.
        let mut expected = compact.pair_terms(id);
        self.list_what_it_lifts(turn, pair, &mut expected);
        let common = |entry: &&&Entry| entry.offer.body().terms == expected || entry.offer.body().terms == expected.mirrored();
        if let Some(offer) = theirs.iter().filter(open).find(common) {
            let crossed = ours.iter().any(|ours| self.book.accepted_by(&ours.id()).is_some());
            return if crossed { Next::Leave("offered") } else { Next::Accept(offer.id()) };
        }
        if ours.iter().filter(open).any(|entry| self.under(entry).is_ok_and(|(_, place)| place == Place::Deviates)) {
            return Next::Leave("deviation_by_us");
        }
        if theirs.iter().any(|entry| entry.decline.is_none()) {
            return Next::Leave("deviation_to_us");
        }
        match ours.first() {
            None => Next::Offer,
            Some(_) if ours.iter().any(|entry| entry.decline.is_none()) => Next::Leave("offered"),
            Some(_) => Next::Leave("declined"),
        }
    }

    /// Whether an offer made to us is taken care of by signing its compact.
    pub(super) fn is_for_signing(&self, turn: &Turn, entry: &Entry) -> bool {
        let Ok((id, Place::Common)) = self.under(entry) else { return false };
        let compact = self.compacts.get(&id).expect("it is under it");
        self.next_of(turn, id, compact, &entry.offer.body().offerer) == Next::Accept(entry.id())
    }

    /// Compacts that an officer's act would carry on: id, name, initiator, when sealed.
    pub(super) fn compacts_to_sign(&self, turn: &Turn) -> Vec<(CompactId, String, BureauId, u64)> {
        let mut out = Vec::new();
        for (id, compact) in self.compacts.all() {
            let replaced = self.compacts.all().any(|(_, other)| other.previous == Some(id));
            let due = |bureau: BureauId| matches!(self.next_of(turn, id, compact, &bureau), Next::Offer | Next::Accept(_));
            if !replaced && turn.stamp < compact.terms.to && self.others_of(compact).any(due) {
                out.push((id, compact.name.clone(), compact.initiator, compact.at.0));
            }
        }
        out
    }

    fn we_signed(&self, id: &CompactId) -> bool {
        let own = self.identity.bureau;
        let named = |entry: &&Entry| entry.offer.body().terms.compact() == Some(*id);
        self.book.entries().filter(named).any(|entry| entry.offer.body().offerer == own || entry.accept.is_some())
    }
}

fn not_kept(why: CompactError) -> Refused {
    refused("compact_not_kept").with("why", why)
}
