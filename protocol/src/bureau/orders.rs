//! Further orders of our officers about a document: letting in held work, voiding acts, a stricter traffic light, ending, adopting.
//!
//! All of them are carried out by the registrar and answer a dry run with who keeps the document, who loses it and how many acts are
//! concerned.

use std::collections::BTreeSet;

use accord_keys::certificate::Capability;

use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::log::{EndKind, OrderAct, RecordKind};
use crate::access::{self};
use crate::agreement::{Tlp, Verb};
use crate::id::{BureauId, DocumentId};
use crate::limits;
use crate::rules::ChangeHash;
use crate::view::{ReceiverView, Refused, RefusedKind, SendingView, View};

/// Fewest hex digits a change may be shortened to.
const PREFIX_MIN: usize = 4;

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

impl Bureau {
    /// A document of ours under rules that know the record, and who orders.
    pub(super) fn ordering(&self, turn: &Turn, person: Option<&str>, id: &str) -> Result<(Unlocked, DocumentId), Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let state = self.owned(&document)?;
        if state.log().genesis().body().rules < 2 {
            return Err(refused("older_rules").with("id", document.short()));
        }
        if state.log().ended().is_some() {
            return Err(refused("has_ended").with("id", document.short()));
        }
        Ok((by, document))
    }

    /// The acts an order speaks of, by the first digits of their changes.
    pub(super) fn named_changes(&self, document: &DocumentId, words: &[String]) -> Result<BTreeSet<ChangeHash>, Refused> {
        let state = self.body(document)?;
        let mut out = BTreeSet::new();
        for word in words {
            let prefix = word.trim().to_ascii_lowercase();
            let found = if prefix.len() >= PREFIX_MIN { state.changes_like(&prefix) } else { Vec::new() };
            match found.as_slice() {
                [one] => drop(out.insert(*one)),
                [] => {
                    let name: String = word.chars().take(80).collect();
                    return Err(Refused::new(RefusedKind::NotFound, "unknown_act").with("name", name));
                }
                many => {
                    let candidates: Vec<String> = many.iter().take(10).map(ToString::to_string).collect();
                    return Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("candidates", candidates.join(", ")));
                }
            }
        }
        Ok(out)
    }

    pub(super) fn foreseen(document: DocumentId, receivers: Vec<ReceiverView>, acts: usize) -> View {
        let view =
            SendingView { id: document.to_string(), dry_run: true, receivers, visible_entries: acts as u64, ..SendingView::default() };
        View::Sending(view)
    }

    pub(super) fn ordered(&self, document: DocumentId, receivers: Vec<ReceiverView>, acts: usize) -> View {
        match self.sent(document, receivers) {
            View::Sending(view) => View::Sending(SendingView { visible_entries: acts as u64, ..view }),
            other => other,
        }
    }

    /// Lets in held work: all of it that nobody signed twice, or the changes named with what they build on.
    pub(super) fn access_admit(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        acts: &[String],
    ) -> Result<View, Refused> {
        let (by, document) = self.ordering(turn, person, id)?;
        let named = self.named_changes(&document, acts)?;
        let state = self.body(&document)?;
        let held = state.unadmitted();
        let tips = if named.is_empty() { state.held_tips() } else { state.tips_of(&named) };
        if tips.is_disjoint(&held) {
            return Err(refused("nothing_held").with("id", document.short()));
        }
        let tips: Vec<ChangeHash> = tips.into_iter().take(limits::ADMIT_TIPS_MAX).collect();
        let count = state.held_acts().iter().filter(|act| tips.iter().any(|tip| state.is_before(&act.change, tip))).count();
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(Self::foreseen(document, receivers, count));
        }
        let order = self.order(turn, &by, document, OrderAct::Admit(tips.clone()))?;
        self.record(turn, document, RecordKind::Admit(tips, order))?;
        Ok(self.ordered(document, receivers, count))
    }

    /// Says that acts count no more; they stay readable as void, with the reason.
    pub(super) fn access_void(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        acts: &[String],
        reason: &str,
    ) -> Result<View, Refused> {
        let (by, document) = self.ordering(turn, person, id)?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > limits::REASON_BYTES_MAX || !crate::act::is_plain(&reason) || reason.contains('\n') {
            return Err(Refused::new(RefusedKind::Misuse, "bad_void_reason").with("most", limits::REASON_BYTES_MAX));
        }
        let changes: Vec<ChangeHash> = self.named_changes(&document, acts)?.into_iter().collect();
        if changes.is_empty() || changes.len() > limits::VOIDS_MAX {
            return Err(Refused::new(RefusedKind::Misuse, "acts_to_void").with("most", limits::VOIDS_MAX));
        }
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(Self::foreseen(document, receivers, changes.len()));
        }
        let count = changes.len();
        let order = self.order(turn, &by, document, OrderAct::Void(changes.clone(), reason.clone()))?;
        self.record(turn, document, RecordKind::Void(changes, reason, order))?;
        Ok(self.ordered(document, receivers, count))
    }

    /// Raises the traffic light. Whoever's agreement does not reach it loses the document in the same record.
    pub(super) fn access_reclassify(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        tlp: &str,
    ) -> Result<View, Refused> {
        let (by, document) = self.ordering(turn, person, id)?;
        let tlp = Tlp::from_word(tlp)
            .ok_or_else(|| Refused::new(RefusedKind::Misuse, "unknown_tlp").with("tlp", tlp.chars().take(40).collect::<String>()))?;
        let state = self.body(&document)?;
        if tlp <= state.log().tlp() {
            return Err(refused("tlp_not_raised").with("tlp", state.log().tlp().word()));
        }
        let category = state.log().genesis().body().category;
        let rights = state.log().rights();
        let mut receivers = Vec::new();
        let mut narrowed: Vec<BureauId> = Vec::new();
        for (bureau, held) in &rights.bureaus {
            let reaches = held.tlp.is_none_or(|ceiling| tlp <= ceiling);
            match access::may_grant(&self.book, self.identity.bureau, *bureau, category, tlp, Verb::Read, turn.effective) {
                Ok(clause) if reaches => {
                    receivers.push(self.receiver(bureau, true, "ok", &format!("{}#{}", clause.agreement.short(), clause.line)));
                }
                other => {
                    receivers.push(self.receiver(bureau, false, other.err().map_or("not_granted", |refusal| refusal.word()), ""));
                    narrowed.push(*bureau);
                }
            }
        }
        if dry_run {
            return Ok(Self::foreseen(document, receivers, 0));
        }
        // What the narrowed wrote so far and is admitted stays: it is settled first.
        self.anchor(turn, document);
        let order = self.order(turn, &by, document, OrderAct::Reclassify(tlp, narrowed.clone()))?;
        self.record(turn, document, RecordKind::Reclassify(tlp, narrowed, order))?;
        self.policy_changed(turn, None);
        Ok(self.ordered(document, receivers, 0))
    }

    /// Ends a document: its time of keeping is over, or we disown it. What is admitted is settled first, unless it is disowned.
    pub(super) fn access_end(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        disown: bool,
    ) -> Result<View, Refused> {
        let (by, document) = self.ordering(turn, person, id)?;
        let holders: Vec<BureauId> = self.body(&document)?.log().rights().bureaus.keys().copied().collect();
        let receivers: Vec<ReceiverView> = holders.iter().map(|bureau| self.receiver(bureau, false, "document_ended", "")).collect();
        if dry_run {
            return Ok(Self::foreseen(document, receivers, 0));
        }
        let kind = if disown { EndKind::Disown } else { EndKind::Retention };
        if !disown {
            self.anchor(turn, document);
        }
        let order = self.order(turn, &by, document, OrderAct::End(kind))?;
        let record = RecordKind::End(kind, order);
        // What nobody adopted is disowned as record 1: it never was ours.
        if disown {
            self.write(turn, document, record)?;
        } else {
            self.record(turn, document, record)?;
        }
        self.policy_changed(turn, None);
        Ok(self.ordered(document, receivers, 0))
    }

    /// Confirms a document the registrar does not adopt by itself: its creator was revoked meanwhile.
    pub(super) fn access_adopt(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, id: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let state = self.owned(&document)?;
        if state.adopted_number().is_some() {
            return Err(refused("is_adopted").with("id", document.short()));
        }
        if state.log().ended().is_some() {
            return Err(refused("has_ended").with("id", document.short()));
        }
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(Self::foreseen(document, receivers, 0));
        }
        self.account(turn, "adopt_ordered", Some(document), None, Some(by.certificate), "");
        if !self.adopt(turn, document) {
            return Err(Refused::new(RefusedKind::Fault, "record_not_taken").with("id", document.short()));
        }
        Ok(self.ordered(document, receivers, 0))
    }

    /// Lets the registrar carry out the cuts that wait for a person's word.
    pub(super) fn access_confirm(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        if self.registrar_epoch().is_none() {
            return Err(refused("not_the_registrar"));
        }
        if self.waiting_cuts() == 0 {
            return Err(refused("no_cuts_wait"));
        }
        let count = self.waiting_cuts();
        let foreseen = SendingView { dry_run, visible_entries: count as u64, ..SendingView::default() };
        if !dry_run {
            self.account(turn, "cuts_confirmed", None, None, Some(by.certificate), &count.to_string());
            self.confirm_cuts(turn);
        }
        Ok(View::Sending(foreseen))
    }

    fn write(&mut self, turn: &mut Turn, document: DocumentId, kind: RecordKind) -> Result<(), Refused> {
        let written = self.write_record(turn, document, kind);
        if written { Ok(()) } else { Err(Refused::new(RefusedKind::Fault, "record_not_taken").with("id", document.short())) }
    }
}
