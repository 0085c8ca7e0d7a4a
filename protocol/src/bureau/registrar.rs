//! What the registrar's machine signs by itself: adopt and anchor (and conclude, in `pacts`).
//!
//! Anchors come after [`limits::ANCHOR_AFTER_CHANGES`], [`limits::ANCHOR_IDLE_MS`] of idle time, and within ten seconds of another bureau's
//! act, at most [`limits::ANCHORS_PER_MINUTE`] a minute.

use std::collections::BTreeSet;

use accord_keys::seal::Sealed;

use super::Bureau;
use super::turn::Turn;
use crate::access::log::{Record, RecordKind};
use crate::id::{BureauId, DocumentId, RecordId, StatementId};
use crate::intake::{DocState, Item};
use crate::limits;
use crate::rules::ChangeHash;
use crate::segment::CheckedSegment;
use crate::step::Table;
use crate::time::{DAY_S, MonoMillis, WallSeconds};

impl Bureau {
    /// Our registrar epoch, if this device is the registrar now.
    pub(super) fn registrar_epoch(&self) -> Option<u32> {
        if self.memory.forbids_records(!self.partners.is_empty()) {
            return None;
        }
        let (epoch, certificate) = self.directory.registrar(&self.identity.bureau)?;
        let same_key = certificate == self.identity.certificate
            || self.directory.certificate(&certificate).is_some_and(|c| c.body().key == self.own_certificate().key);
        (same_key && !self.directory.is_frozen(&self.identity.bureau)).then_some(epoch)
    }

    /// The certificate and appointment our records name.
    pub(super) fn registrar_evidence(&self) -> Option<(crate::id::CertificateId, StatementId)> {
        let (epoch, certificate) = self.directory.registrar(&self.identity.bureau)?;
        self.registrar_epoch()?;
        let record = self.directory.bureau(&self.identity.bureau)?;
        let appointment = record.appointments().find(|a| a.body().epoch == epoch && a.body().registrar == certificate)?;
        Some((certificate, appointment.id()))
    }

    /// At start, and once a store is trusted again: documents with unsettled changes get an anchor in time, and logs that forked are healed.
    pub(super) fn schedule_all(&mut self, mono: MonoMillis) {
        if self.registrar_epoch().is_none() {
            return;
        }
        let own = self.identity.bureau;
        let due = mono.plus(limits::ANCHOR_ACT_MS);
        let unsettled = self.documents.open().filter(|line| line.owner == own && !line.ended);
        self.anchor_due = unsettled.map(|line| (line.document, due)).collect();
    }

    /// Plans an anchor after a document changed.
    pub(super) fn schedule_anchor(&mut self, turn: &Turn, document: DocumentId) {
        if self.registrar_epoch().is_none() {
            return;
        }
        let Some(state) = self.bodies.get(&document) else { return };
        if state.owner() != self.identity.bureau {
            return;
        }
        if state.log().ended().is_some() || !self.adopts_by_itself(state) {
            self.anchor_due.remove(&document);
            return;
        }
        self.note_revoked_work(document);
        let state = &self.bodies[&document];
        let now = turn.now.mono;
        let due = if is_torn(state) {
            self.anchor_due.get(&document).copied().unwrap_or(MonoMillis(u64::MAX)).min(now.plus(limits::ANCHOR_ACT_MS))
        } else if state.adopted_number().is_none() || state.unsettled() >= limits::ANCHOR_AFTER_CHANGES {
            now
        } else if !state.receipted(&self.directory, turn.stamp).tips.is_empty() {
            self.anchor_due.get(&document).copied().unwrap_or(MonoMillis(u64::MAX)).min(now.plus(limits::ANCHOR_ACT_MS))
        } else if state.unsettled() == 0 {
            self.anchor_due.remove(&document);
            return;
        } else if state.has_unsettled_foreign() && self.may_hasten(turn, document) {
            self.anchor_due.get(&document).copied().unwrap_or(MonoMillis(u64::MAX)).min(now.plus(limits::ANCHOR_ACT_MS))
        } else {
            let soon = self.anchor_due.get(&document).copied().filter(|at| *at <= now.plus(limits::ANCHOR_ACT_MS));
            soon.unwrap_or(now.plus(limits::ANCHOR_IDLE_MS))
        };
        self.anchor_due.insert(document, due);
    }

    /// Does what is due; asks for bodies it lacks.
    pub(super) fn registrar_duties(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let due: Vec<DocumentId> = self.anchor_due.iter().filter(|(_, at)| **at <= now).map(|(d, _)| *d).take(64).collect();
        for document in due {
            if !self.bodies.contains_key(&document) {
                if self.cannot_load.contains_key(&document) {
                    self.anchor_due.remove(&document);
                } else {
                    self.want(turn, document);
                }
                continue;
            }
            let recent = self.anchored_at.entry(document).or_default();
            while recent.front().is_some_and(|at| at.plus(60_000) <= now) {
                recent.pop_front();
            }
            if recent.len() >= limits::ANCHORS_PER_MINUTE {
                let again = recent.front().expect("not empty").plus(60_000);
                self.anchor_due.insert(document, again);
                continue;
            }
            recent.push_back(now);
            self.anchor_due.remove(&document);
            self.anchor(turn, document);
        }
        // Very many may be anchored within a minute: they are not looked through at every one of them.
        if now >= self.anchored_looked.plus(1_000) {
            self.anchored_looked = now;
            self.anchored_at.retain(|_, recent| recent.back().is_some_and(|at| at.plus(60_000) > now));
        }
    }

    /// Settles everything admitted in a document; adopts it first if nobody did, and heals its log if it forked. `true` when a record was
    /// written.
    pub(super) fn anchor(&mut self, turn: &mut Turn, document: DocumentId) -> bool {
        let Some(state) = self.bodies.get(&document) else { return false };
        if state.log().ended().is_some() || !self.adopts_by_itself(state) {
            return false;
        }
        if is_torn(state) {
            return self.heal_log(turn, document);
        }
        if state.adopted_number().is_none() {
            return self.adopt(turn, document);
        }
        // What a stolen key wrote must not be settled before it is cut.
        if !self.cut_needed(turn, document) {
            return false;
        }
        let receipted = self.receipted_now(turn, document);
        let Some(state) = self.bodies.get(&document) else { return false };
        let mut tips: BTreeSet<ChangeHash> = state.tips().into_iter().take(limits::TIPS_MAX - receipted.tips.len()).collect();
        if (state.unsettled() == 0 && receipted.tips.is_empty()) || tips.is_empty() {
            return false;
        }
        tips.extend(&receipted.tips);
        self.count_hastened(turn, document);
        let written = self.write_record(turn, document, RecordKind::Anchor(tips.into_iter().collect()));
        if written {
            self.note_let_in(turn, document, &receipted);
        }
        written
    }

    /// Confirms a document and gives it its number.
    pub(super) fn adopt(&mut self, turn: &mut Turn, document: DocumentId) -> bool {
        let Some(state) = self.bodies.get(&document) else { return false };
        let tips: Vec<ChangeHash> = state.tips().into_iter().take(limits::TIPS_MAX).collect();
        let number = self.official_number(turn);
        let written = self.write_record(turn, document, RecordKind::Adopt(number, tips));
        if written {
            self.next_number += 1;
            turn.put(Table::Local, b"number", self.next_number.to_be_bytes().to_vec());
        }
        written
    }

    /// Whether the machine may confirm a document: not one whose creator was revoked, which may have been made with a stolen key.
    fn adopts_by_itself(&self, state: &DocState) -> bool {
        state.adopted_number().is_some() || self.directory.revoked(&state.log().genesis().body().creator).is_none()
    }

    /// Names all heads of our own forked log, restored or written by two, so that it goes on. Of two that do so at once both write the same.
    fn heal_log(&mut self, turn: &mut Turn, document: DocumentId) -> bool {
        let Some(state) = self.bodies.get(&document) else { return false };
        let log = state.log();
        let head = log.head();
        let mut heads: Vec<RecordId> = log.heads().into_iter().filter(|id| *id != head).take(limits::LOG_HEADS_MAX - 1).collect();
        heads.push(head);
        heads.sort_unstable();
        let stamped = heads.iter().filter_map(|id| Some(log.get(id)?.record.as_ref()?.body().at)).max();
        let kind = RecordKind::Continue(heads, false, crate::id::Bytes(Vec::new()));
        let written = self.write_record_at(turn, document, kind, stamped.unwrap_or(turn.stamp));
        if written {
            self.event(turn, "log_healed", Some(document), Some(self.identity.bureau), "");
            self.policy_changed(turn, None);
        }
        written
    }

    /// Bureaus whose unsettled work a document holds, without ours.
    pub(super) fn unsettled_partners(&self, document: &DocumentId) -> BTreeSet<BureauId> {
        let own = self.identity.bureau;
        let Some(state) = self.bodies.get(document) else { return BTreeSet::new() };
        state.unsettled_writers().into_values().map(|(_, bureau)| bureau).filter(|bureau| *bureau != own).collect()
    }

    /// Whether a partner with unsettled work here has not used up what it may hasten today.
    fn may_hasten(&self, turn: &Turn, document: DocumentId) -> bool {
        let day = turn.stamp.0 / DAY_S;
        let used = |bureau: &BureauId| self.hastened.get(bureau).filter(|(on, _)| *on == day).map_or(0, |(_, count)| *count);
        self.unsettled_partners(&document).iter().any(|bureau| used(bureau) < limits::ANCHORS_HASTENED_PER_DAY)
    }

    fn count_hastened(&mut self, turn: &Turn, document: DocumentId) {
        let day = turn.stamp.0 / DAY_S;
        for bureau in self.unsettled_partners(&document) {
            let (on, count) = self.hastened.entry(bureau).or_default();
            if *on != day {
                (*on, *count) = (day, 0);
            }
            *count = count.saturating_add(1);
        }
    }

    /// Seals a record behind the log's head and takes it in.
    pub(super) fn write_record(&mut self, turn: &mut Turn, document: DocumentId, kind: RecordKind) -> bool {
        self.write_record_at(turn, document, kind, turn.stamp)
    }

    fn write_record_at(&mut self, turn: &mut Turn, document: DocumentId, kind: RecordKind, at: WallSeconds) -> bool {
        let Some((registrar, appointment)) = self.registrar_evidence() else { return false };
        let Some(state) = self.bodies.get_mut(&document) else { return false };
        let head = state.log().head();
        let index = state.log().get(&head).expect("the head stands").index + 1;
        let word = kind.word();
        let said = kind.clone();
        let record = Record { document, index, previous: head, registrar, appointment, kind, at };
        let Ok(sealed) = Sealed::seal(&self.identity.network, record, &[self.identity.signer.as_ref()]) else { return false };
        let bytes = sealed.to_bytes();
        let Ok(verified) = sealed.verify(&self.identity.network) else { return false };
        let held_before = state.held();
        let unadmitted = state.unadmitted();
        if state.learn_record(&self.directory, verified).is_err() {
            return false;
        }
        self.store_item(turn, document, Item::Record(bytes));
        if held_before > 0 {
            self.restore_admitted(turn, document, &unadmitted);
        }
        self.account_record(turn, document, &said, registrar);
        self.touched(turn, document, word);
        true
    }

    /// Segments that were held and are admitted now get a new sequence, so that readers who passed them receive them.
    pub(super) fn restore_admitted(&mut self, turn: &mut Turn, document: DocumentId, before: &std::collections::BTreeSet<ChangeHash>) {
        let Some(state) = self.bodies.get(&document) else { return };
        let now_in = before.iter().filter(|hash| state.admitted().contains(*hash)).copied().collect();
        for bytes in state.segments_with(&now_in) {
            self.store_item(turn, document, Item::Segment(bytes));
        }
    }

    /// `机关〔year〕n号`.
    fn official_number(&self, turn: &Turn) -> String {
        let name = self.directory.bureau(&self.identity.bureau).map(|b| b.name().to_owned()).unwrap_or_default();
        let short: String = name.chars().take(12).collect();
        format!("{short}〔{}〕{}号", year_of(turn.stamp), self.next_number + 1)
    }

    /// Appends an item of a held document under the next sequence.
    pub(super) fn store_item(&mut self, turn: &mut Turn, document: DocumentId, item: Item) -> u64 {
        self.sequence += 1;
        let seq = self.sequence;
        self.shelf.remove(&document);
        turn.step.writes.push(crate::step::Write::Item { document, seq, body: item.to_stored(turn.stamp) });
        if let Some(state) = self.bodies.get_mut(&document) {
            state.keep_learnt(seq, turn.stamp);
            match item {
                Item::Segment(bytes) => state.keep_segment_bytes(seq, &bytes),
                other => state.keep_statement(seq, other),
            }
        }
        seq
    }

    /// As [`Bureau::store_item`] of a segment that was checked: it is neither encoded nor read again.
    pub(super) fn store_segment(&mut self, turn: &mut Turn, document: DocumentId, checked: &CheckedSegment) -> u64 {
        self.sequence += 1;
        let seq = self.sequence;
        self.shelf.remove(&document);
        let body = Item::Segment(checked.to_bytes()).to_stored(turn.stamp);
        turn.step.writes.push(crate::step::Write::Item { document, seq, body });
        if let Some(state) = self.bodies.get_mut(&document) {
            state.keep_learnt(seq, turn.stamp);
            state.keep_segment(seq, checked);
        }
        seq
    }

    /// The record after which a local change is written: the head we know.
    pub(super) fn cited(&self, document: &DocumentId) -> Option<RecordId> {
        self.bodies.get(document).map(|state| state.log().head())
    }
}

/// Whether a document's log branched, under rules that let it be healed.
fn is_torn(state: &DocState) -> bool {
    state.log().is_forked() && state.log().genesis().body().rules > 1
}

/// Civil year in UTC+8 of a Unix time (days-to-civil after Howard Hinnant's public description of the proleptic Gregorian calendar).
fn year_of(at: WallSeconds) -> u64 {
    let days = (at.0 + 8 * 3_600) / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    year_of_era + era * 400 + u64::from(month >= 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_begins_at_midnight_in_the_counties() {
        assert_eq!(year_of(WallSeconds(0)), 1970);
        assert_eq!(year_of(WallSeconds(1_767_196_799)), 2025, "2025-12-31 23:59:59 +08:00");
        assert_eq!(year_of(WallSeconds(1_767_196_800)), 2026, "2026-01-01 00:00:00 +08:00");
        assert_eq!(year_of(WallSeconds(1_709_164_800)), 2024, "leap day");
    }
}
