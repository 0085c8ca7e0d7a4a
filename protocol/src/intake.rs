//! The one door: which changes of a document are admitted, as a pure function of segments, certificates by hash, records and rules version.
//!
//! A change is admitted iff it is well formed, its deps are admitted, the record it cites is known and not older than what its deps cite,
//! the log up to there grants its writer the verb, no cut covers it and its writer has no fork at or below it: **or** it is well formed and
//! in the causal past of an anchor. Verdicts are *malformed* (bytes and causal past, for ever), *waiting* (an input is missing) and
//! *outside* (by the records; may change). Order, batching and duplication of what is learnt make no difference to the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::certificate::MemberCertificate;
use accord_keys::directory::Directory;
use accord_keys::seal::{Sealed, Verified};
use accord_keys::time::WallSeconds;
use thiserror::Error;

use crate::access::log::{Genesis, Kind, Learned, Life, Log, Record, RecordError};
use crate::act::Act;
use crate::agreement::Verb;
use crate::content::{CannotShow, Content};
use crate::id::{BureauId, CertificateId, Digest, DocumentId, RecordId};
use crate::rules::{ActorId, ChangeHash, Group, Index, Verdict};
use crate::segment::{self, CheckedSegment, Segment, Tip};

/// Segments kept aside in memory while an input is missing; more are dropped and asked for again.
const WAITING_MAX: usize = 256;

/// What learning a segment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Every position was known.
    Known,
    /// It added positions: keep it.
    New,
    /// Something before it is missing; it is kept aside.
    Waiting,
    /// A change in it is malformed in its causal past; nothing new stands before it.
    Malformed(String),
}

/// Why a stored item cannot be read back.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The store gave no genesis first.
    #[error("document {0:?} has no genesis in the store")]
    NoGenesis(DocumentId),
    /// An item no longer passes the checks it passed before it was written.
    #[error("stored item {seq} of document {document:?} is unreadable: {why}")]
    Item {
        /// The document.
        document: DocumentId,
        /// Its sequence.
        seq: u64,
        /// What failed.
        why: String,
    },
}

/// A part of a document as stored: a tag byte, then its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Sealed genesis.
    Genesis(Vec<u8>),
    /// Sealed record.
    Record(Vec<u8>),
    /// Segment.
    Segment(Vec<u8>),
}

impl Item {
    /// Tag byte and bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, bytes) = match self {
            Item::Genesis(bytes) => (0, bytes),
            Item::Record(bytes) => (1, bytes),
            Item::Segment(bytes) => (2, bytes),
        };
        let mut out = Vec::with_capacity(bytes.len() + 1);
        out.push(tag);
        out.extend_from_slice(bytes);
        out
    }
    /// Reads what [`Item::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match tag {
            0 => Some(Item::Genesis(rest.to_vec())),
            1 => Some(Item::Record(rest.to_vec())),
            2 => Some(Item::Segment(rest.to_vec())),
            _ => None,
        }
    }
}

/// One position in an actor's tree of attestations.
#[derive(Clone, Debug)]
struct Placed {
    change: ChangeHash,
    cited: RecordId,
    attestation: Digest,
}

/// One writer's life in the document.
#[derive(Clone, Debug)]
struct Actor {
    certificate: CertificateId,
    member: Arc<MemberCertificate>,
    life: Life,
    positions: BTreeMap<u64, Vec<Placed>>,
    fork_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Status {
    admitted: bool,
    /// Index and id of the first anchor that contains it.
    anchor: Option<(u32, RecordId)>,
}

/// A stored segment with its sequence.
#[derive(Clone, Debug)]
struct Kept {
    seq: u64,
    segment: Arc<Segment>,
    hashes: Arc<[ChangeHash]>,
}

/// One act with who made it and whether it is settled.
#[derive(Clone, Debug)]
pub struct ShownAct {
    /// The act.
    pub act: Act,
    /// Its change.
    pub change: ChangeHash,
    /// Certificate of its writer.
    pub certificate: CertificateId,
    /// Bureau of its writer.
    pub bureau: BureauId,
    /// Whether an anchor contains it.
    pub settled: bool,
}

/// All state of one document: log, well-formed changes, verdicts.
pub struct DocState {
    log: Log,
    index: Index,
    actors: BTreeMap<ActorId, Actor>,
    status: BTreeMap<ChangeHash, Status>,
    admitted: BTreeSet<ChangeHash>,
    settled: u64,
    raw: BTreeMap<ChangeHash, Arc<[u8]>>,
    waiting_segments: Vec<CheckedSegment>,
    waiting_records: Vec<Verified<Record>>,
    /// What waited and was taken in since [`DocState::take_late`]: to be stored, since only memory had it.
    late: Vec<Item>,
    anchor_tips_missing: BTreeSet<ChangeHash>,
    segments: Vec<Kept>,
    statements: Vec<(u64, Item)>,
    newest_seq: u64,
    content: Option<Content>,
}

impl std::fmt::Debug for DocState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DocState({:?}, {} changes, {} admitted)", self.log.document(), self.index.len(), self.admitted.len())
    }
}

impl DocState {
    /// The document that holds only its genesis.
    ///
    /// # Errors
    /// [`RecordError`] when the genesis itself does not stand.
    pub fn new(directory: &Directory, genesis: Verified<Genesis>) -> Result<Self, RecordError> {
        let log = Log::new(directory, genesis)?;
        let body = log.genesis().body();
        let founder = segment::actor_id(&body.creator, &log.document(), &body.life);
        let index = Index::with_founder(Group(body.owner.0), founder);
        Ok(Self {
            log,
            index,
            actors: BTreeMap::new(),
            status: BTreeMap::new(),
            admitted: BTreeSet::new(),
            settled: 0,
            raw: BTreeMap::new(),
            waiting_segments: Vec::new(),
            waiting_records: Vec::new(),
            late: Vec::new(),
            anchor_tips_missing: BTreeSet::new(),
            segments: Vec::new(),
            statements: Vec::new(),
            newest_seq: 0,
            content: None,
        })
    }

    /// Reads a document back from its stored items, in sequence order.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not give what was written.
    pub fn load(directory: &Directory, document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Result<Self, LoadError> {
        let mut state: Option<Self> = None;
        for (seq, bytes) in items {
            let fail = |why: String| LoadError::Item { document, seq, why };
            let item = Item::from_bytes(&bytes).ok_or_else(|| fail("unknown tag".into()))?;
            match (&item, &mut state) {
                (Item::Genesis(bytes), None) => {
                    let sealed = Sealed::<Genesis>::from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
                    let genesis = sealed.verify(directory.network()).map_err(|e| fail(e.to_string()))?;
                    if genesis.id().0 != document.0 {
                        return Err(fail("genesis of another document".into()));
                    }
                    let mut fresh = Self::new(directory, genesis).map_err(|e| fail(e.to_string()))?;
                    fresh.keep_statement(seq, item);
                    state = Some(fresh);
                }
                (Item::Genesis(_), Some(_)) => {}
                (_, None) => return Err(LoadError::NoGenesis(document)),
                (Item::Record(bytes), Some(state)) => {
                    let sealed = Sealed::<Record>::from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
                    let record = sealed.verify(directory.network()).map_err(|e| fail(e.to_string()))?;
                    match state.learn_record(directory, record) {
                        // What it waits for stands further on.
                        Ok(_) | Err(RecordError::Waiting(_)) => {}
                        Err(error) => return Err(fail(error.to_string())),
                    }
                    state.keep_statement(seq, item);
                }
                (Item::Segment(bytes), Some(state)) => {
                    let segment = segment::decode(bytes).map_err(|e| fail(e.to_string()))?;
                    let checked = segment::check_stored(segment).map_err(|e| fail(e.to_string()))?;
                    state.learn_segment(directory, checked.clone());
                    state.keep_segment(seq, &checked);
                }
            }
        }
        let mut state = state.ok_or(LoadError::NoGenesis(document))?;
        // Everything that was read back is on disk already.
        state.late.clear();
        Ok(state)
    }

    /// Items that waited in memory for something before them and stand now; the caller stores them.
    pub fn take_late(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.late)
    }

    /// Takes in one verified record. `Waiting` records are kept aside and taken in when what they wait for comes.
    ///
    /// # Errors
    /// [`RecordError`] for malformed records and missing evidence.
    pub fn learn_record(&mut self, directory: &Directory, record: Verified<Record>) -> Result<Learned, RecordError> {
        let learned = match self.log.learn(directory, record.clone()) {
            Err(RecordError::Waiting(previous)) => {
                if self.waiting_records.len() < WAITING_MAX {
                    self.waiting_records.push(record);
                }
                return Err(RecordError::Waiting(previous));
            }
            other => other?,
        };
        let mut worst = learned;
        if learned != Learned::Known {
            while let Some(at) = self.waiting_records.iter().position(|r| self.log.get(&r.body().previous).is_some()) {
                let next = self.waiting_records.swap_remove(at);
                let bytes = next.sealed().to_bytes();
                match self.log.learn(directory, next) {
                    Ok(Learned::Known) | Err(_) => {}
                    Ok(learned) => {
                        self.late.push(Item::Record(bytes));
                        if learned == Learned::TakesAway {
                            worst = Learned::TakesAway;
                        }
                    }
                }
            }
            if worst == Learned::TakesAway {
                self.recompute();
            } else {
                self.settle_and_admit(true);
            }
        }
        Ok(worst)
    }

    /// Takes in one checked segment. Where only its beginning stands the outcome is `New` and the rest is kept aside.
    pub fn learn_segment(&mut self, directory: &Directory, segment: CheckedSegment) -> Intake {
        let (outcome, rest_waits) = self.place(directory, &segment);
        let news = outcome == Intake::New;
        if rest_waits && self.waiting_segments.len() < WAITING_MAX {
            self.waiting_segments.push(segment);
        }
        // What waited may stand now; each success may free another.
        let mut again = news && !self.waiting_segments.is_empty();
        while again {
            again = false;
            for segment in std::mem::take(&mut self.waiting_segments) {
                let (outcome, rest_waits) = self.place(directory, &segment);
                if outcome == Intake::New {
                    again = true;
                    self.late.push(Item::Segment(segment.to_bytes()));
                }
                if rest_waits {
                    self.waiting_segments.push(segment);
                }
            }
        }
        outcome
    }

    /// Segments kept aside while something before them is missing.
    pub fn waiting(&self) -> usize {
        self.waiting_segments.len()
    }

    /// What a segment adds, and whether its rest waits for something missing.
    fn place(&mut self, directory: &Directory, checked: &CheckedSegment) -> (Intake, bool) {
        let segment = checked.segment();
        if segment.document != self.log.document() {
            return (Intake::Malformed("segment of another document".into()), false);
        }
        let Some(member) = directory.certificate(&segment.certificate) else { return (Intake::Waiting, true) };
        let group = Group(member.body().bureau.0);
        let actor_id = checked.actor();
        let mut forked = false;
        let mut added = false;
        let mut outcome = None;
        let mut fresh = Vec::new();
        for (at, position) in checked.positions().iter().enumerate() {
            let known_before = position.n == 1
                || self
                    .actors
                    .get(&actor_id)
                    .and_then(|actor| actor.positions.get(&(position.n - 1)))
                    .is_some_and(|all| all.iter().any(|placed| placed.attestation == position.previous));
            if !known_before {
                outcome = Some(Intake::Waiting);
                break;
            }
            if let (Some(change), Some(raw)) = (checked.parsed().get(at), segment.changes.get(at)) {
                if !self.index.contains(&position.change) {
                    match self.index.check(change, group) {
                        Ok(passed) => {
                            self.index.insert(passed);
                            self.raw.insert(position.change, Arc::from(raw.0.as_slice()));
                            fresh.push(position.change);
                        }
                        Err(Verdict::Waiting(_)) => {
                            outcome = Some(Intake::Waiting);
                            break;
                        }
                        Err(Verdict::Malformed(why)) => {
                            outcome = Some(Intake::Malformed(why.to_string()));
                            break;
                        }
                    }
                }
            }
            let actor = self.actors.entry(actor_id).or_insert_with(|| Actor {
                certificate: segment.certificate,
                member: Arc::new(member.body().clone()),
                life: segment.life,
                positions: BTreeMap::new(),
                fork_at: None,
            });
            let here = actor.positions.entry(position.n).or_default();
            if here.iter().all(|placed| placed.attestation != position.attestation) {
                here.push(Placed { change: position.change, cited: position.cited, attestation: position.attestation });
                added = true;
                if here.len() > 1 {
                    actor.fork_at = Some(actor.fork_at.map_or(position.n, |old| old.min(position.n)));
                    forked = true;
                }
            }
        }
        let content_came = !fresh.is_empty();
        if forked {
            self.recompute();
        } else if added || content_came {
            let anchored = fresh.iter().any(|hash| self.anchor_tips_missing.contains(hash));
            self.settle_and_admit(anchored);
        }
        let rest_waits = outcome == Some(Intake::Waiting);
        let outcome = match outcome {
            // A prefix that stood is worth keeping even if the rest waits or is malformed.
            Some(_) if added || content_came => Intake::New,
            Some(stopped) => stopped,
            None if added || content_came => Intake::New,
            None => Intake::Known,
        };
        (outcome, rest_waits)
    }

    /// Takes in what is new, if that gives what a start from scratch would give; else starts from scratch.
    fn settle_and_admit(&mut self, anchors: bool) {
        if anchors && !self.settle_anchors() {
            return self.recompute();
        }
        self.admit_more();
    }

    /// Admission of everything from scratch: after a cut, a fork or a contradiction.
    fn recompute(&mut self) {
        self.status.clear();
        let before = std::mem::take(&mut self.admitted);
        self.settled = 0;
        self.settle_anchors();
        self.admit_more();
        if !before.is_subset(&self.admitted) {
            self.content = None;
        }
    }

    /// Marks the causal past of every anchor. Anchors count in log order; where two contradict, the earlier stands. False when something
    /// that an earlier anchor contains was marked by a later one before: tips of anchors may come in any order, so the marks must be made
    /// anew.
    fn settle_anchors(&mut self) -> bool {
        self.anchor_tips_missing.clear();
        let mut in_order = true;
        let mut newly: Vec<ChangeHash> = Vec::new();
        for (record_id, entry) in self.log.entries() {
            let Some(record) = &entry.record else { continue };
            let mark = (entry.index, record_id);
            for tip in record.body().kind.anchors() {
                if !self.index.contains(tip) {
                    self.anchor_tips_missing.insert(*tip);
                    continue;
                }
                let status = &self.status;
                let marked = |hash: &ChangeHash| status.get(hash).and_then(|s| s.anchor);
                let past: Vec<(ChangeHash, ActorId, u64)> = self
                    .index
                    .causal_past_until(&[*tip], |meta| {
                        let known = marked(&meta.hash);
                        in_order &= known.is_none_or(|known| known <= mark);
                        known.is_some()
                    })
                    .into_iter()
                    .map(|meta| (meta.hash, meta.actor, meta.seq))
                    .collect();
                let contradicts = past.iter().any(|(hash, actor, seq)| {
                    let rivals = self.index.changes_at(actor, *seq);
                    rivals.iter().filter(|other| *other != hash).filter_map(marked).any(|known| {
                        in_order &= known <= mark;
                        true
                    })
                });
                if contradicts {
                    continue;
                }
                for (hash, _, _) in past {
                    let status = self.status.entry(hash).or_default();
                    status.anchor = Some(mark);
                    if !status.admitted {
                        status.admitted = true;
                        newly.push(hash);
                    }
                    self.settled += 1;
                }
            }
        }
        for hash in newly {
            self.admit(hash);
        }
        in_order
    }

    fn admit(&mut self, hash: ChangeHash) {
        if self.admitted.insert(hash) {
            let applied = match (&mut self.content, self.raw.get(&hash)) {
                (None, _) => true,
                // Deps may be missing from the cache when an anchor admits many at once: then it is rebuilt when next shown.
                (Some(content), Some(raw)) => content.apply([raw.as_ref()]).is_ok(),
                (Some(_), None) => false,
            };
            if !applied {
                self.content = None;
            }
        }
    }

    /// Admits what can be admitted among the well-formed changes that are not.
    fn admit_more(&mut self) {
        if self.admitted.len() == self.index.len() {
            return;
        }
        // Newest first until a run of admitted ones would make the scan longer than needed is not sound with holds in the past; the index
        // iterates in causal order, and holds are rare, so one pass over what is not admitted settles it.
        let pending: Vec<ChangeHash> = self.index.iter().rev().take_while_pending(&self.admitted, self.index.len() - self.admitted.len());
        for hash in pending.into_iter().rev() {
            if self.admissible(&hash) {
                self.status.entry(hash).or_default().admitted = true;
                self.admit(hash);
            }
        }
    }

    fn admissible(&self, hash: &ChangeHash) -> bool {
        let Some(meta) = self.index.get(hash) else { return false };
        let Some(actor) = self.actors.get(&meta.actor) else { return false };
        if actor.fork_at.is_some_and(|fork| fork <= meta.seq) {
            return false;
        }
        let Some(placed) = actor.positions.get(&meta.seq).and_then(|all| all.iter().find(|placed| placed.change == *hash)) else {
            return false;
        };
        let Some(cited) = self.log.get(&placed.cited) else { return false };
        if !meta.deps.iter().all(|dep| self.admitted.contains(dep)) {
            return false;
        }
        let not_older = meta.deps.iter().all(|dep| match self.cited_by(dep) {
            Some(record) => self.not_older(&placed.cited, cited.index, &record),
            None => false,
        });
        let owner = &self.log.genesis().body().owner;
        not_older
            && cited.rights.allow(owner, &actor.certificate, &actor.member, Verb::Append)
            && !self.is_cut(&meta.actor, actor, meta.seq)
    }

    fn cited_by(&self, change: &ChangeHash) -> Option<RecordId> {
        let meta = self.index.get(change)?;
        let all = self.actors.get(&meta.actor)?.positions.get(&meta.seq)?;
        all.iter().find(|placed| placed.change == *change).map(|placed| placed.cited)
    }

    fn not_older(&self, newer: &RecordId, newer_index: u32, older: &RecordId) -> bool {
        if newer == older {
            return true;
        }
        let Some(entry) = self.log.get(older) else { return false };
        if self.log.is_forked() { self.log.descends(newer, older) } else { entry.index <= newer_index }
    }

    fn is_cut(&self, id: &ActorId, actor: &Actor, position: u64) -> bool {
        self.log.cuts().iter().any(|cut| {
            let takes_writing = cut.verbs.iter().any(|verb| matches!(verb, Verb::Append | Verb::Read));
            if !takes_writing || !cut.subject.covers(&actor.certificate, &actor.member) {
                return false;
            }
            if position <= cut.frontier.get(id).copied().unwrap_or(0) {
                return false;
            }
            // A life that begins under a later grant is another life: the cut does not know it.
            let begins_later = actor.positions.get(&1).is_some_and(|first| {
                first.len() == 1 && first[0].cited != cut.record && self.log.descends(&first[0].cited, &cut.record)
                    || first.iter().any(|placed| placed.cited == cut.record)
            });
            !begins_later
        })
    }

    // ---- what is stored ----

    /// Notes a genesis or record as stored under `seq`.
    pub fn keep_statement(&mut self, seq: u64, item: Item) {
        self.statements.push((seq, item));
        self.newest_seq = self.newest_seq.max(seq);
    }
    /// Notes a segment as stored under `seq`.
    pub fn keep_segment(&mut self, seq: u64, checked: &CheckedSegment) {
        let hashes = checked.positions().iter().map(|position| position.change).collect();
        self.segments.push(Kept { seq, segment: Arc::new(checked.segment().clone()), hashes });
        self.newest_seq = self.newest_seq.max(seq);
    }
    /// As [`DocState::keep_segment`], from bytes this document took in before.
    pub fn keep_segment_bytes(&mut self, seq: u64, bytes: &[u8]) {
        if let Ok(checked) = segment::decode(bytes).and_then(segment::check_stored) {
            self.keep_segment(seq, &checked);
        }
    }
    /// Sequence of the newest stored item.
    pub fn newest_seq(&self) -> u64 {
        self.newest_seq
    }

    /// Items stored after `after`, in sequence order, as they may travel. `all` gives segments whole (to the owner and to our own devices);
    /// otherwise a segment is cut back to what is admitted and left out when nothing of it is.
    pub fn items_after(&self, after: u64, all: bool) -> Vec<(u64, Item)> {
        let mut out: Vec<(u64, Item)> = self.statements.iter().filter(|(seq, _)| *seq > after).cloned().collect();
        for kept in self.segments.iter().filter(|kept| kept.seq > after) {
            let content = kept.segment.changes.len();
            let stands = kept.hashes.iter().take(content).take_while(|hash| self.admitted.contains(hash)).count();
            let segment = if all || stands == content {
                Some(accord_keys::canon::encode(kept.segment.as_ref()))
            } else if stands == 0 {
                None
            } else {
                let last = kept.segment.from + stands as u64 - 1;
                kept.segment.shortened(last, &kept.hashes).map(|short| accord_keys::canon::encode(&short))
            };
            out.extend(segment.map(|bytes| (kept.seq, Item::Segment(bytes))));
        }
        out.sort_by_key(|(seq, _)| *seq);
        out
    }

    /// Stored segments that hold any of these changes: sent again under a new sequence when an anchor lets them in late.
    pub fn segments_with(&self, changes: &BTreeSet<ChangeHash>) -> Vec<Vec<u8>> {
        self.segments
            .iter()
            .filter(|kept| kept.hashes.iter().take(kept.segment.changes.len()).any(|hash| changes.contains(hash)))
            .map(|kept| accord_keys::canon::encode(kept.segment.as_ref()))
            .collect()
    }

    /// Every certificate the document's items name: evidence a receiver needs.
    pub fn certificates(&self) -> BTreeSet<CertificateId> {
        let mut out: BTreeSet<CertificateId> = self.actors.values().map(|actor| actor.certificate).collect();
        out.insert(self.log.genesis().body().creator);
        for (_, entry) in self.log.entries() {
            let Some(record) = &entry.record else { continue };
            out.insert(record.body().registrar);
            if let Some(officer) = record.body().kind.ordering_officer() {
                out.insert(officer);
            }
        }
        out
    }

    // ---- what is read ----

    /// The access log.
    pub fn log(&self) -> &Log {
        &self.log
    }
    /// The document.
    pub fn id(&self) -> DocumentId {
        self.log.document()
    }
    /// Its owner.
    pub fn owner(&self) -> BureauId {
        self.log.genesis().body().owner
    }
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.log.genesis().body().kind
    }
    /// Admitted changes.
    pub fn admitted(&self) -> &BTreeSet<ChangeHash> {
        &self.admitted
    }
    /// Well-formed changes that are not admitted.
    pub fn unadmitted(&self) -> BTreeSet<ChangeHash> {
        if self.held() == 0 {
            return BTreeSet::new();
        }
        self.index.iter().map(|meta| meta.hash).filter(|hash| !self.admitted.contains(hash)).collect()
    }
    /// How many changes an anchor settled.
    pub fn settled(&self) -> u64 {
        self.settled
    }
    /// Well-formed changes that are not admitted.
    pub fn held(&self) -> u64 {
        (self.index.len() - self.admitted.len()) as u64
    }
    /// Whether record 1 adopted it.
    pub fn adopted_number(&self) -> Option<String> {
        self.log.entries().iter().find_map(|(_, entry)| match entry.record.as_ref().map(|r| &r.body().kind) {
            Some(crate::access::log::RecordKind::Adopt(number, _)) => Some(number.clone()),
            _ => None,
        })
    }
    /// Admitted changes that no admitted change depends on.
    pub fn tips(&self) -> BTreeSet<ChangeHash> {
        if self.admitted.len() == self.index.len() { self.index.heads().clone() } else { self.index.tips(&self.admitted) }
    }
    /// Actors with two attestations for one position.
    pub fn forked_actors(&self) -> Vec<(ActorId, CertificateId, u64)> {
        self.actors.iter().filter_map(|(id, actor)| actor.fork_at.map(|at| (*id, actor.certificate, at))).collect()
    }
    /// Admitted changes no anchor contains.
    pub fn unsettled(&self) -> u64 {
        self.admitted.len() as u64 - self.settled
    }
    /// Admitted changes no anchor contains, of bureaus other than the owner.
    pub fn has_unsettled_foreign(&self) -> bool {
        let owner = self.owner();
        self.unsettled() > 0
            && self.admitted.iter().any(|hash| {
                self.status.get(hash).is_none_or(|s| s.anchor.is_none())
                    && self.index.get(hash).is_some_and(|meta| meta.group != Group(owner.0))
            })
    }
    /// Whether a bureau other than the owner wrote here.
    pub fn has_foreign(&self) -> bool {
        let owner = self.owner();
        self.actors.values().any(|actor| actor.member.bureau != owner)
    }
    /// The newest settled position of each actor: the frontier of a strict cut.
    pub fn settled_frontier(&self) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        self.frontier_where(|hash| self.status.get(hash).is_some_and(|s| s.anchor.is_some()))
    }
    /// The newest admitted position of each actor: the frontier of a cut made now.
    pub fn frontier(&self) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        self.frontier_where(|hash| self.admitted.contains(hash))
    }
    fn frontier_where(&self, stands: impl Fn(&ChangeHash) -> bool) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        let mut out = BTreeMap::new();
        for (id, actor) in &self.actors {
            for (n, all) in actor.positions.iter().rev() {
                if let Some(placed) = all.iter().find(|placed| stands(&placed.change)) {
                    out.insert(*id, (*n, placed.attestation, actor.certificate));
                    break;
                }
            }
        }
        out
    }
    /// The certificate behind an actor.
    pub fn actor_certificate(&self, actor: &ActorId) -> Option<(CertificateId, &MemberCertificate)> {
        self.actors.get(actor).map(|a| (a.certificate, a.member.as_ref()))
    }
    /// Where a certificate's life stands: its tip, or `None` if it cannot go on (cut, forked or held) and a new life is needed.
    pub fn writing_tip(&self, certificate: &CertificateId, life: &Life) -> Option<Tip> {
        let id = segment::actor_id(certificate, &self.log.document(), life);
        let Some(actor) = self.actors.get(&id) else { return Some(Tip { n: 0, attestation: Digest([0; 32]) }) };
        let (n, all) = actor.positions.iter().next_back()?;
        let [placed] = all.as_slice() else { return None };
        let alive = actor.fork_at.is_none() && self.admitted.contains(&placed.change) && !self.is_cut(&id, actor, n + 1);
        alive.then_some(Tip { n: *n, attestation: placed.attestation })
    }
    /// The newest life of a certificate in this document that can still write.
    pub fn living(&self, certificate: &CertificateId) -> Option<Life> {
        self.actors
            .values()
            .filter(|actor| actor.certificate == *certificate)
            .map(|actor| actor.life)
            .find(|life| self.writing_tip(certificate, life).is_some())
    }
    /// H(document, log head, admitted tips): equal wherever the same is held.
    pub fn entry(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord view entry v1");
        hasher.update(&self.log.document().0);
        for head in self.log.heads() {
            hasher.update(&head.0);
        }
        hasher.update(&[0xff]);
        for tip in self.tips() {
            hasher.update(&tip.0);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The admitted content, from the cache or replayed.
    ///
    /// # Errors
    /// [`CannotShow`]: a local failure; the admitted set stands.
    pub fn content(&mut self) -> Result<&mut Content, CannotShow> {
        if self.content.is_none() {
            let raw: Vec<&[u8]> = self
                .index
                .iter()
                .filter(|meta| self.admitted.contains(&meta.hash))
                .filter_map(|meta| self.raw.get(&meta.hash).map(AsRef::as_ref))
                .collect();
            self.content = Some(Content::replay(raw)?);
        }
        Ok(self.content.as_mut().expect("filled above"))
    }
    /// Takes the admitted content out, for a local edit; it goes back by [`DocState::set_content`] if the edit was taken in.
    ///
    /// # Errors
    /// [`CannotShow`].
    pub fn take_content(&mut self) -> Result<Content, CannotShow> {
        self.content()?;
        Ok(self.content.take().expect("filled above"))
    }
    /// Gives the cache a content that already holds a local edit.
    pub fn set_content(&mut self, content: Content) {
        self.content = Some(content);
    }
    /// Drops the cache.
    pub fn forget_content(&mut self) {
        self.content = None;
    }

    /// Acts in settled order: (first anchor that contains them, signed time, hash), unanchored ones last; each uuid once.
    ///
    /// # Errors
    /// [`CannotShow`].
    pub fn acts(&mut self) -> Result<Vec<ShownAct>, CannotShow> {
        let placed = self.content()?.acts()?;
        let mut out = Vec::new();
        for act in placed {
            let changes = self.index.change_of_op(act.counter, &act.actor);
            let Some(change) = changes.into_iter().find(|hash| self.admitted.contains(hash)) else { continue };
            let Ok(parsed) = Act::from_bytes(&act.bytes) else { continue };
            let Some(meta) = self.index.get(&change) else { continue };
            let Some(actor) = self.actors.get(&meta.actor) else { continue };
            let anchor = self.status.get(&change).and_then(|s| s.anchor);
            out.push((
                (anchor.map_or((u32::MAX, RecordId([0xff; 32])), |a| a), parsed.signed_at, change),
                ShownAct { act: parsed, change, certificate: actor.certificate, bureau: actor.member.bureau, settled: anchor.is_some() },
            ));
        }
        out.sort_by_key(|(order, _)| *order);
        let mut seen = BTreeSet::new();
        Ok(out.into_iter().map(|(_, shown)| shown).filter(|shown| seen.insert(shown.act.uuid)).collect())
    }
    /// The shared text.
    ///
    /// # Errors
    /// [`CannotShow`].
    pub fn text(&mut self) -> Result<String, CannotShow> {
        self.content()?.text()
    }
    /// Sealing time of the genesis, a claim.
    pub fn created(&self) -> WallSeconds {
        self.log.genesis().body().at
    }
}

/// Walks back over the newest changes until every pending one was seen.
trait PendingScan {
    fn take_while_pending(self, admitted: &BTreeSet<ChangeHash>, pending: usize) -> Vec<ChangeHash>;
}
impl<'a, I: Iterator<Item = &'a crate::rules::ChangeMeta>> PendingScan for I {
    fn take_while_pending(self, admitted: &BTreeSet<ChangeHash>, pending: usize) -> Vec<ChangeHash> {
        let mut out = Vec::with_capacity(pending);
        for meta in self {
            if out.len() == pending {
                break;
            }
            if !admitted.contains(&meta.hash) {
                out.push(meta.hash);
            }
        }
        out
    }
}
