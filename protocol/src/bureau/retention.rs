//! Ends at retention: what is announced, ended and destroyed once a document's time is over, and what an officer holds back.
//!
//! None of it can be taken back, so all of it asks for a corroborated clock and, above [`crate::limits::CUTS_PER_DAY`] documents a day, for a
//! person's word (`retention confirm`): cuts, ends and purges share that number. The owner destroys its own copy only once every holder was
//! told of the end, or a person says so. Of what was destroyed a **tombstone** stays for ever: nobody's copy brings it back.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Capability;
use minicbor::{Decode, Encode};

use super::Bureau;
use super::rows::{RowError, Summary, read, write};
use super::turn::Turn;
use crate::access::log::{EndKind, RecordKind};
use crate::agreement::{Category, Pair};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId};
use crate::ledger::{Deed, Says};
use crate::limits;
use crate::retention::{Stage, days, keep_until, stage};
use crate::step::Table;
use crate::time::{DAY_S, MonoMillis, WallSeconds};
use crate::view::{Refused, RefusedKind, RetentionDocumentView, View};

/// First bytes of keys of [`Table::Retention`].
const TOMB: u8 = 0;
const HOLD: u8 = 1;
/// Documents dealt with in one turn.
const SLICE: usize = 64;
/// Documents looked at in one turn: a question to an agreement in memory each, a millisecond together.
const LOOK_SLICE: usize = 1_024;
/// Between two slices, milliseconds: links and people have their turn.
const SLICE_REST_MS: u64 = 250;
/// Documents named in one answer.
const SHOWN: usize = 1_000;

/// What stays of a document that was destroyed here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct TombRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    owner: BureauId,
    #[n(2)]
    at: WallSeconds,
}

/// What an officer holds back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct HoldRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    officer: CertificateId,
    #[n(2)]
    at: WallSeconds,
    #[n(3)]
    reason: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Retention {
    tombs: BTreeMap<DocumentId, TombRow>,
    holds: BTreeMap<DocumentId, HoldRow>,
    /// What is dealt with next, and what waits for a person's word.
    due: BTreeSet<DocumentId>,
    waiting: BTreeSet<DocumentId>,
    /// What a person confirmed.
    confirmed: BTreeSet<DocumentId>,
    next_look: MonoMillis,
    /// Where the look that is under way goes on.
    looking: Option<DocumentId>,
    /// Documents of each owner destroyed on a day. Only in memory: a restart begins a new share.
    erased_today: BTreeMap<BureauId, (u64, u64)>,
    /// When the next slice is due, while there is one.
    next_slice: Option<MonoMillis>,
    /// Whether what was destroyed before this start was destroyed for good.
    begun: bool,
}

fn key(first: u8, document: &DocumentId) -> Vec<u8> {
    [&[first], document.0.as_slice()].concat()
}

impl Retention {
    /// Reads the table back.
    ///
    /// # Errors
    /// [`RowError`] for a row that is none.
    pub fn open(rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, RowError> {
        let mut out = Self::default();
        for (key, value) in rows {
            let bad = || RowError { table: "retention", why: "key".to_owned() };
            let (first, id) = key.split_first().ok_or_else(bad)?;
            let document = DocumentId(id.try_into().map_err(|_| bad())?);
            match *first {
                TOMB => drop(out.tombs.insert(document, read("retention", &value)?)),
                HOLD => drop(out.holds.insert(document, read("retention", &value)?)),
                _ => return Err(bad()),
            }
        }
        Ok(out)
    }
    /// The documents that were destroyed here.
    pub fn erased(&self) -> impl Iterator<Item = &DocumentId> {
        self.tombs.keys()
    }

    /// Whether a document was destroyed here.
    pub fn is_erased(&self, document: &DocumentId) -> bool {
        self.tombs.contains_key(document)
    }
    /// Destroyed documents whose ids begin so, with when.
    pub fn erased_like(&self, prefix: &str) -> Option<(DocumentId, WallSeconds)> {
        self.tombs.iter().find(|(id, _)| id.to_string().starts_with(prefix)).map(|(id, row)| (*id, row.at))
    }
    /// How many wait for a person's word.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl Bureau {
    /// When a document's time is over: asks the agreements with its holders.
    fn keeps_until(&self, turn: &Turn, summary: &Summary, known: &mut BTreeMap<(BureauId, Category), Option<u32>>) -> WallSeconds {
        let own = self.identity.bureau;
        let holders: Vec<BureauId> =
            if summary.owner == own { summary.rights.bureaus.keys().copied().collect() } else { vec![summary.owner] };
        let agreed = holders.into_iter().map(|holder| {
            *known.entry((holder, summary.category)).or_insert_with(|| {
                let pair = Pair::of(own, holder);
                let state = self.book.state(pair, turn.effective);
                let entry = state.current.first().copied().or_else(|| self.book.newest_concluded(pair))?;
                let annex = entry.offer.body().terms.annex.as_ref()?;
                annex.retention.iter().find(|line| line.category == summary.category).map(|line| line.days)
            })
        });
        let days = days(summary.category, agreed.collect::<Vec<_>>());
        keep_until(summary.newest_record, days)
    }

    fn stage_of(&self, turn: &Turn, summary: &Summary, known: &mut BTreeMap<(BureauId, Category), Option<u32>>) -> (Stage, WallSeconds) {
        let until = self.keeps_until(turn, summary, known);
        if summary.ended && summary.ended_at.is_none() {
            return (Stage::Kept, until); // disowned: evidence, not retention
        }
        match stage(until, summary.ended_at, turn.effective) {
            // When the time of another bureau's document is over is that bureau's to say.
            Stage::Due if summary.owner != self.identity.bureau => (Stage::Announced, until),
            stage => (stage, until),
        }
    }

    /// Whether every bureau that was given a document heard that it ended.
    fn all_told(&self, summary: &Summary) -> bool {
        summary.owner != self.identity.bureau || summary.given.keys().all(|bureau| self.is_delivered(summary, bureau))
    }

    /// Looks through all documents once an hour, and deals with what is due, a slice of both at a time.
    pub(super) fn retention_duties(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.retention.begun, true) {
            // The process may have ended between noting a tombstone and destroying the key.
            turn.step.purges.extend(self.retention.tombs.keys().copied());
        }
        if turn.now.mono >= self.retention.next_look {
            self.retention.next_look = turn.now.mono.plus(limits::RETENTION_LOOK_MS);
            self.retention.looking = Some(DocumentId([0; 32]));
        }
        if self.retention.next_slice.is_some_and(|at| turn.now.mono < at) {
            return;
        }
        self.look_for_due(turn);
        let slice: Vec<DocumentId> = self.retention.due.iter().take(SLICE).copied().collect();
        for document in slice {
            self.retain(turn, document);
        }
        let more = self.retention.looking.is_some() || !self.retention.due.is_empty();
        self.retention.next_slice = more.then(|| turn.now.mono.plus(SLICE_REST_MS));
    }

    /// Goes on with the look through all documents, one slice of them.
    fn look_for_due(&mut self, turn: &Turn) {
        let Some(from) = self.retention.looking else { return };
        let mut known = BTreeMap::new();
        let mut due = Vec::new();
        let mut slice = self.documents.range(from..);
        for line in slice.by_ref().take(LOOK_SLICE) {
            let (stage, _) = self.stage_of(turn, &line.summary(), &mut known);
            let ours = line.owner == self.identity.bureau && self.registrar_epoch().is_some();
            if stage == Stage::Erasable || (stage == Stage::Due && ours) {
                due.push(line.document);
            }
        }
        self.retention.looking = slice.next().map(|line| line.document);
        self.retention.due.extend(due);
    }

    /// When the next slice of the look, or of what it found, is due.
    pub(super) fn retention_wake(&self) -> Option<MonoMillis> {
        self.retention.next_slice
    }

    fn retain(&mut self, turn: &mut Turn, document: DocumentId) {
        let Some(summary) = self.documents.get(&document).filter(|_| !self.retention.holds.contains_key(&document)) else {
            self.retention.due.remove(&document);
            self.retention.waiting.remove(&document);
            return;
        };
        let said = self.retention.confirmed.contains(&document);
        let (stage, _) = self.stage_of(turn, &summary, &mut BTreeMap::new());
        let told = self.all_told(&summary);
        // An end is a record upon the log: the log has to be here.
        if stage == Stage::Due && !self.bodies.contains_key(&document) && !self.cannot_load.contains_key(&document) {
            return self.want(turn, document);
        }
        let may = match stage {
            Stage::Due | Stage::Erasable if said => true,
            // The slowest holder is waited for: it could not be told by what is no longer here.
            Stage::Erasable if !told => false,
            Stage::Erasable if summary.owner != self.identity.bureau => {
                let owner = summary.owner;
                self.may_erase_for(turn, owner)
            }
            Stage::Due | Stage::Erasable => self.may_do(turn),
            Stage::Kept | Stage::Announced | Stage::Ended => {
                self.retention.due.remove(&document);
                return;
            }
        };
        if !may {
            self.retention.due.remove(&document);
            if self.retention.waiting.insert(document) && self.retention.waiting.len() == 1 {
                self.event(turn, "retention_waits", Some(document), None, "");
            }
            return;
        }
        if stage == Stage::Erasable {
            self.erase(turn, document);
        } else {
            self.end_at_retention(turn, document);
        }
        self.retention.due.remove(&document);
        self.retention.waiting.remove(&document);
        self.retention.confirmed.remove(&document);
    }

    /// Whether the machine may destroy one more document of another bureau today. Each owner has a share of its own: none uses up what cuts need.
    fn may_erase_for(&mut self, turn: &Turn, owner: BureauId) -> bool {
        let day = turn.stamp.0 / DAY_S;
        let (since, count) = self.retention.erased_today.entry(owner).or_insert((day, 0));
        if *since != day {
            (*since, *count) = (day, 0);
        }
        let may = self.clock.is_corroborated(turn.now) && *count < limits::CUTS_PER_DAY;
        *count += u64::from(may);
        may
    }

    /// Ends a document of ours whose time is over: what is admitted is settled first.
    fn end_at_retention(&mut self, turn: &mut Turn, document: DocumentId) {
        let Some(state) = self.bodies.get(&document) else { return };
        // The first rules know no end, and a log that forked is healed first.
        if state.log().genesis().body().rules < 2 || state.log().ended().is_some() {
            return;
        }
        self.anchor(turn, document);
        if self.write_record(turn, document, RecordKind::End(EndKind::Retention, Bytes(Vec::new()))) {
            self.policy_changed(turn, None);
        }
    }

    /// Destroys what is here of a document: its key goes once this turn is on disk. The tombstone stays.
    fn erase(&mut self, turn: &mut Turn, document: DocumentId) {
        let Some(summary) = self.documents.remove(&document) else { return };
        self.view_loses(turn, &summary);
        let row = TombRow { version: 1, owner: summary.owner, at: turn.stamp };
        turn.put(Table::Retention, &key(TOMB, &document), write(&row));
        turn.remove(Table::Documents, &document.0);
        turn.remove(Table::Held, &document.0);
        self.retention.tombs.insert(document, row);
        turn.step.purges.push(document);
        self.destroy_files(turn, document);
        self.bodies.remove(&document);
        self.shelf.remove(&document);
        self.cited.remove(&document);
        self.to_send.remove(&document);
        self.loading.remove(&document);
        self.used.retain(|used| *used != document);
        self.anchor_due.remove(&document);
        self.cannot_load.remove(&document);
        self.account(turn, "erased", Some(document), Some(summary.owner), None, "retention");
        self.event(turn, "erased", Some(document), Some(summary.owner), "");
        if summary.owner != self.identity.bureau {
            self.attest_deed(turn, summary.owner, document, Deed::Erased);
        }
    }

    /// States to an owner what was done here with what it took away; `false` where it cannot be stated.
    pub(super) fn attest_deed(&mut self, turn: &mut Turn, owner: BureauId, document: DocumentId, what: Deed) -> bool {
        self.registrar_epoch().is_some()
            && self.partners.contains_key(&owner)
            && self.state_line(turn, owner, Says::Attestation { document, what })
    }

    fn retention_view(
        &self,
        turn: &Turn,
        summary: &Summary,
        known: &mut BTreeMap<(BureauId, Category), Option<u32>>,
    ) -> RetentionDocumentView {
        let (stage, until) = self.stage_of(turn, summary, known);
        let hold = self.retention.holds.get(&summary.document);
        RetentionDocumentView {
            line: self.line(summary),
            stage: stage.word().to_owned(),
            until: until.0,
            waits: self.retention.waiting.contains(&summary.document),
            hold: hold.map(|hold| hold.reason.clone()).unwrap_or_default(),
            hold_by: hold.map(|hold| self.person_of(&hold.officer)).unwrap_or_default(),
            hold_at: hold.map_or(0, |hold| hold.at.0),
        }
    }

    /// Documents whose time is over or soon will be, and everything that is held back; the oldest first.
    pub(super) fn retention_list(&self, turn: &Turn, person: Option<&str>) -> View {
        let mut known = BTreeMap::new();
        let mut listed = self.listed(turn, person);
        let all = self.documents.values().filter_map(|summary| {
            let summary = summary.summary();
            let line = self.line_seen(&summary, listed(&summary))?;
            Some(RetentionDocumentView { line, ..self.retention_view(turn, &summary, &mut known) })
        });
        let mut documents: Vec<_> = all.filter(|one| one.stage != Stage::Kept.word() || !one.hold.is_empty()).collect();
        documents.sort_by_key(|one| one.until);
        documents.truncate(SHOWN);
        View::Retention { documents }
    }

    /// A person's word for ending or destroying: of the documents named, or of everything that waits.
    pub(super) fn retention_confirm(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        named: &[String],
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let mut known = BTreeMap::new();
        let mut wanted: BTreeSet<DocumentId> = BTreeSet::new();
        for word in named {
            let document = self.resolve_document(word)?;
            let (stage, until) = self.stage_of(turn, &self.documents.here(&document), &mut known);
            if !matches!(stage, Stage::Due | Stage::Erasable) {
                let (id, word) = (document.short(), stage.word());
                return Err(Refused::new(RefusedKind::Refused, "retention_not_due")
                    .with("id", id)
                    .with("stage", word)
                    .with("until", until.0));
            }
            if self.retention.holds.contains_key(&document) {
                return Err(Refused::new(RefusedKind::Refused, "is_on_hold").with("id", document.short()));
            }
            wanted.insert(document);
        }
        if named.is_empty() {
            wanted.clone_from(&self.retention.waiting);
        }
        if wanted.is_empty() {
            return Err(Refused::new(RefusedKind::Refused, "nothing_waits"));
        }
        let shown = wanted.iter().filter_map(|document| self.documents.get(document)).take(SHOWN);
        let documents = shown.map(|summary| self.retention_view(turn, &summary, &mut known)).collect();
        if !dry_run {
            self.account(turn, "retention_confirmed", None, None, Some(by.certificate), &wanted.len().to_string());
            for document in wanted {
                self.retention.waiting.remove(&document);
                self.retention.confirmed.insert(document);
                self.retention.due.insert(document);
            }
            self.retention.next_slice = None;
        }
        Ok(View::Retention { documents })
    }

    /// Stops ending and destroying of one document.
    pub(super) fn hold_place(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        reason: &str,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > limits::REASON_BYTES_MAX || !crate::act::is_plain(&reason) || reason.contains('\n') {
            return Err(Refused::new(RefusedKind::Misuse, "bad_hold_reason").with("most", limits::REASON_BYTES_MAX));
        }
        if self.retention.holds.contains_key(&document) {
            return Err(Refused::new(RefusedKind::Refused, "is_on_hold").with("id", document.short()));
        }
        let row = HoldRow { version: 1, officer: by.certificate, at: turn.stamp, reason };
        if !dry_run {
            turn.put(Table::Retention, &key(HOLD, &document), write(&row));
            self.account(turn, "hold_place", Some(document), None, Some(by.certificate), "");
            let ended = self.documents.line(&document).filter(|line| line.ended).map(|line| line.owner);
            if let Some(owner) = ended.filter(|owner| *owner != self.identity.bureau) {
                self.attest_deed(turn, owner, document, Deed::Frozen);
            }
        }
        let before = self.retention.holds.insert(document, row);
        let view = self.retention_view(turn, &self.documents.here(&document), &mut BTreeMap::new());
        if dry_run {
            self.retention.holds.remove(&document);
            debug_assert!(before.is_none(), "refused above");
        }
        Ok(View::Retention { documents: vec![view] })
    }

    /// Lets the time of one document run on.
    pub(super) fn hold_lift(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, id: &str) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Order)?;
        let document = self.resolve_document(id)?;
        if !self.retention.holds.contains_key(&document) {
            return Err(Refused::new(RefusedKind::Refused, "not_on_hold").with("id", document.short()));
        }
        if !dry_run {
            self.retention.holds.remove(&document);
            turn.remove(Table::Retention, &key(HOLD, &document));
            self.account(turn, "hold_lift", Some(document), None, Some(by.certificate), "");
            self.retention.next_look = turn.now.mono;
        }
        let view = self.retention_view(turn, &self.documents.here(&document), &mut BTreeMap::new());
        Ok(View::Retention { documents: vec![view] })
    }
}
