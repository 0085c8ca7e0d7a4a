//! What the registrar takes away by itself: cuts after a revocation and after an agreement's grace time.
//!
//! It does so lazily: a revocation is carried into a document only where its subject has work no anchor settled, and an ended agreement
//! only where the partner may write and a third bureau reads. A cut cannot be taken back, so it asks for a corroborated clock, and above
//! [`limits::CUTS_PER_DAY`] documents a day for a person's word (`access confirm`). Until then the document is not anchored where that
//! would settle the work of a stolen key. A turn examines [`SLICE`] documents at most, so that the end of an agreement over ten thousand of
//! them holds up nobody.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Issuer;
use accord_keys::revocation::{RevocationClass, RevocationTarget};

use super::Bureau;
use super::documents::Line;
use super::turn::Turn;
use crate::access::log::{RecordKind, Subject};
use crate::agreement::Pair;
use crate::agreement::Verb;
use crate::agreement::lifecycle::Standing;
use crate::id::{BureauId, Bytes, CertificateId, DocumentId};
use crate::intake::DocState;
use crate::limits;
use crate::step::Table;
use crate::time::{DAY_S, MonoMillis, WallSeconds};

/// Documents examined in one turn.
const SLICE: usize = 64;
/// Between two slices, milliseconds: others are heard in between.
const PAUSE_MS: u64 = 20;

/// What is to be cut, what waits, and how much was cut today.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    due: BTreeSet<DocumentId>,
    waiting: BTreeMap<DocumentId, WallSeconds>,
    /// Cuts a person confirmed that were not made yet.
    confirmed: u64,
    day: u64,
    today: u64,
    made: bool,
    /// Whether what happened before this start was looked at.
    begun: bool,
}

impl Cuts {
    /// As stored: what waits, and the day's count.
    pub(super) fn open(rows: Vec<(DocumentId, WallSeconds)>, today: Option<(u64, u64)>) -> Self {
        let (day, today) = today.unwrap_or_default();
        Self { waiting: rows.into_iter().collect(), day, today, ..Self::default() }
    }
    /// Since when the oldest waits, and how many.
    pub(super) fn waiting(&self) -> Option<(WallSeconds, usize)> {
        Some((*self.waiting.values().min()?, self.waiting.len()))
    }
}

/// One cut the registrar would make.
struct Needed {
    subject: Subject,
    strict: bool,
}

impl Bureau {
    /// Has a document of ours examined soon.
    fn examine(&mut self, document: DocumentId) {
        if !self.cuts.waiting.contains_key(&document) {
            self.cuts.due.insert(document);
        }
    }

    /// A revocation was learnt: documents with unsettled work are examined.
    pub(super) fn revocation_came(&mut self) {
        let own = self.identity.bureau;
        let open = self.documents.open().filter(|line| line.owner == own && line.settled < line.changes);
        let open: Vec<DocumentId> = open.map(|line| line.document).collect();
        open.into_iter().for_each(|document| self.examine(document));
    }

    /// Agreements stand differently: documents a partner may still write, though its agreement ran out with all its grace, are examined.
    pub(super) fn lapses_came(&mut self, turn: &Turn) {
        let own = self.identity.bureau;
        let partners: Vec<BureauId> = self.partners.keys().copied().collect();
        let lapsed: Vec<BureauId> = partners.into_iter().filter(|partner| self.has_lapsed(turn, partner)).collect();
        if lapsed.is_empty() {
            return;
        }
        let writes = |line: &Line<'_>, partner: &BureauId| line.holder(partner).is_some_and(|held| held.verb == Verb::Append);
        let ours = self.documents.values().filter(|line| line.owner == own);
        let written = ours.filter(|line| lapsed.iter().any(|partner| writes(line, partner)));
        let meant = written.filter(|line| line.summary().rights.bureaus.len() > 1);
        let meant: Vec<DocumentId> = meant.map(|summary| summary.document).collect();
        meant.into_iter().for_each(|document| self.examine(document));
    }

    fn has_lapsed(&self, turn: &Turn, partner: &BureauId) -> bool {
        let newest = self.book.newest_concluded(Pair::of(self.identity.bureau, *partner));
        let standing = newest.and_then(|entry| self.book.standing(&entry.id(), turn.effective));
        matches!(standing, Some(Standing::WindingDown | Standing::Ended))
    }

    /// A document of ours changed: whether somebody revoked has unsettled work in it.
    pub(super) fn note_revoked_work(&mut self, document: DocumentId) {
        let Some(state) = self.bodies.get(&document) else { return };
        if state.unsettled_writers().values().any(|(certificate, _)| self.directory.revoked(certificate).is_some()) {
            self.examine(document);
        }
    }

    /// Makes the cuts that are due, a slice of them; asks for bodies it lacks.
    pub(super) fn cut_duties(&mut self, turn: &mut Turn) {
        if self.registrar_epoch().is_none() {
            return;
        }
        if !std::mem::replace(&mut self.cuts.begun, true) {
            self.revocation_came();
            self.lapses_came(turn);
        }
        self.retry_cuts(turn);
        let slice: Vec<DocumentId> = self.cuts.due.iter().take(SLICE).copied().collect();
        for document in slice {
            if self.bodies.contains_key(&document) {
                self.cuts.due.remove(&document);
                self.cut_needed(turn, document);
            } else if self.cannot_load.contains_key(&document) {
                self.cuts.due.remove(&document);
            } else {
                self.want(turn, document);
            }
        }
    }

    /// When the next slice is taken.
    pub(super) fn cuts_wake(&self, now: MonoMillis) -> Option<MonoMillis> {
        let ready = self.cuts.due.iter().take(SLICE).any(|document| self.bodies.contains_key(document));
        (ready && self.registrar_epoch().is_some()).then(|| now.plus(PAUSE_MS))
    }

    /// Makes the cuts a document needs. `false` when some of a stolen key must wait: then nothing of it may be settled.
    pub(super) fn cut_needed(&mut self, turn: &mut Turn, document: DocumentId) -> bool {
        let Some(state) = self.bodies.get(&document) else { return false };
        if state.log().genesis().body().rules < 2 || state.log().ended().is_some() || state.log().is_forked() {
            return true;
        }
        let needed = self.needed(turn, state);
        if needed.is_empty() {
            if self.cuts.waiting.remove(&document).is_some() {
                turn.remove(Table::Held, &document.0);
            }
            return true;
        }
        if !self.may_cut(turn) {
            if self.cuts.waiting.insert(document, turn.stamp).is_none() {
                turn.put(Table::Held, &document.0, turn.stamp.0.to_be_bytes().to_vec());
                self.event(turn, "cuts_wait", Some(document), None, "");
            }
            return !needed.iter().any(|cut| cut.strict);
        }
        for Needed { subject, strict } in needed {
            let Some(state) = self.bodies.get(&document) else { return false };
            let directory = &self.directory;
            let frontier = state.frontier_of(strict, |id| directory.certificate(id).is_some_and(|c| subject.covers(id, c.body())));
            let verbs = vec![Verb::Read, Verb::Append];
            self.write_record(turn, document, RecordKind::Cut(subject, verbs, frontier, strict, Bytes(Vec::new())));
        }
        if self.cuts.waiting.remove(&document).is_some() {
            turn.remove(Table::Held, &document.0);
        }
        self.cuts.made = true;
        true
    }

    /// Whether cuts were made since this was last asked: then agreements and links look anew, once for a whole slice.
    pub(super) fn cuts_made(&mut self) -> bool {
        std::mem::take(&mut self.cuts.made)
    }

    fn needed(&self, turn: &Turn, state: &DocState) -> Vec<Needed> {
        let mut out: BTreeMap<Subject, bool> = BTreeMap::new();
        for (certificate, _) in state.unsettled_writers().into_values() {
            if let Some(class) = self.directory.revoked(&certificate) {
                let strict = class == RevocationClass::Compromised;
                *out.entry(self.subject_of(&certificate)).or_default() |= strict;
            }
        }
        let rights = state.log().rights();
        if rights.bureaus.len() > 1 {
            let writing = rights.bureaus.iter().filter(|(_, held)| held.verb == Verb::Append).map(|(bureau, _)| *bureau);
            out.extend(writing.filter(|bureau| self.has_lapsed(turn, bureau)).map(|bureau| (Subject::Bureau(bureau), false)));
        }
        out.into_iter().map(|(subject, strict)| Needed { subject, strict }).collect()
    }

    /// The widest subject a certificate's revocation names without hitting what stays good.
    fn subject_of(&self, certificate: &CertificateId) -> Subject {
        let one = Subject::Certificate(*certificate);
        let Some(body) = self.directory.certificate(certificate).map(|c| c.body()) else { return one };
        let Some(record) = self.directory.bureau(&body.bureau) else { return one };
        let meant = record.revocations().find_map(|revocation| match &revocation.body().target {
            RevocationTarget::Key(key) if *key == body.key => Some(Subject::Key(*key)),
            RevocationTarget::Issuer { certificate, good } if good.is_empty() && body.issuer == Issuer::Member(*certificate) => {
                Some(Subject::Issuer(*certificate))
            }
            RevocationTarget::Root { root, good } if good.is_empty() && body.issuer == Issuer::Root(*root) => Some(Subject::Root(*root)),
            _ => None,
        });
        meant.unwrap_or(one)
    }

    /// Whether one more document may be cut without a person's word; counts it.
    fn may_cut(&mut self, turn: &mut Turn) -> bool {
        if self.cuts.confirmed > 0 {
            self.cuts.confirmed -= 1;
            return true;
        }
        self.may_do(turn)
    }

    /// Whether the machine may do one more thing today that cannot be taken back: cuts, ends and purges together. Counts it.
    pub(super) fn may_do(&mut self, turn: &mut Turn) -> bool {
        let day = turn.stamp.0 / DAY_S;
        if day > self.cuts.day {
            (self.cuts.day, self.cuts.today) = (day, 0);
        }
        if !self.clock.is_corroborated(turn.now) || self.cuts.today >= limits::CUTS_PER_DAY {
            return false;
        }
        self.cuts.today += 1;
        let mut row = day.to_be_bytes().to_vec();
        row.extend_from_slice(&self.cuts.today.to_be_bytes());
        turn.put(Table::Local, b"cuts", row);
        true
    }

    /// How many documents wait for a person's word.
    pub(super) fn waiting_cuts(&self) -> usize {
        self.cuts.waiting.len()
    }

    /// A person gave it.
    pub(super) fn confirm_cuts(&mut self, turn: &mut Turn) {
        let waiting = std::mem::take(&mut self.cuts.waiting);
        self.cuts.confirmed += waiting.len() as u64;
        for document in waiting.into_keys() {
            turn.remove(Table::Held, &document.0);
            self.cuts.due.insert(document);
        }
    }

    /// The clock was corroborated, or a day passed: what waits is tried again.
    fn retry_cuts(&mut self, turn: &Turn) {
        let another_day = turn.stamp.0 / DAY_S > self.cuts.day;
        let again = self.clock.is_corroborated(turn.now) && (another_day || self.cuts.today < limits::CUTS_PER_DAY);
        if !self.cuts.waiting.is_empty() && again {
            let room = if another_day { limits::CUTS_PER_DAY } else { limits::CUTS_PER_DAY - self.cuts.today };
            let tried: Vec<DocumentId> = self.cuts.waiting.keys().take(usize::try_from(room).unwrap_or(usize::MAX)).copied().collect();
            self.cuts.due.extend(tried);
        }
    }
}
