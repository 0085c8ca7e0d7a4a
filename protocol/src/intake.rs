//! The one door: which changes of a document are admitted, as a pure function of segments, certificates by hash, records and rules version.
//!
//! A change is admitted iff it is well formed, its deps are admitted, the record it cites is known and not older than what its deps cite,
//! the log up to there grants its writer the verb, no cut covers it and its writer has no fork at or below it: **or** it is well formed and
//! in the causal past of an anchor. Verdicts are *malformed* (bytes and causal past, for ever), *waiting* (an input is missing) and
//! *outside* (by the records; may change). Order, batching and duplication of what is learnt make no difference to the outcome.

mod held;
mod reentry;
mod shown;
mod why;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use accord_keys::certificate::MemberCertificate;
use accord_keys::directory::Directory;
use accord_keys::seal::{Sealed, Verified};
use accord_keys::time::WallSeconds;
use thiserror::Error;

use crate::access::Facts;
use crate::access::audience::Opening;
use crate::access::log::{Cut, Genesis, Kind, Learned, Life, Log, Place, Record, RecordError, RecordKind, Rights};
use crate::act::{Act, ActKind};
use crate::agreement::Verb;
use crate::content::{CannotShow, Content};
use crate::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, NetworkId, RecordId};
use crate::rules::{self, ActorId, ChangeHash, Group, Index, Verdict};
use crate::segment::{self, CheckedSegment, Segment, Tip};
use shown::Shown;

pub use held::HeldAct;
pub use reentry::Reentry;
pub use shown::{Done, Job};
pub use why::{Held, Missing, Standing};

/// Segments and records kept aside in memory while an input is missing; more are dropped and asked for again. Back-pressure.
const WAITING_MAX: usize = 256;
/// Bytes of content of the segments kept aside. Back-pressure.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Place of an anchor. Of two anchors the lower counts first.
type Order = Place;

/// What learning a segment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Every position was known.
    Known,
    /// It added positions: keep it.
    New,
    /// Something before it is missing; it is kept aside, and comes by [`DocState::take_fresh`] once it has a place.
    Waiting,
    /// A change in it is malformed in its causal past. What stands before it counts, and so does the proof of who signed it.
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

/// A part of a document as stored: a tag byte, when it was learnt here (Unix seconds, u64 BE), then its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Sealed genesis.
    Genesis(Vec<u8>),
    /// Sealed record.
    Record(Vec<u8>),
    /// Segment.
    Segment(Vec<u8>),
    /// What opens one commitment of a hidden audience.
    Opening(Vec<u8>),
}

/// Tags from here on are followed by the time of learning; the first version of the store kept the tags below, without it.
const TIMED: u8 = 3;
/// An opening; it came later and always carries the time.
const OPENING: u8 = 2 * TIMED;

impl Item {
    /// The item as stored.
    pub fn to_stored(&self, learnt: WallSeconds) -> Vec<u8> {
        let (tag, bytes) = match self {
            Item::Genesis(bytes) => (TIMED, bytes),
            Item::Record(bytes) => (TIMED + 1, bytes),
            Item::Segment(bytes) => (TIMED + 2, bytes),
            Item::Opening(bytes) => (OPENING, bytes),
        };
        let mut out = Vec::with_capacity(bytes.len() + 9);
        out.push(tag);
        out.extend_from_slice(&learnt.0.to_be_bytes());
        out.extend_from_slice(bytes);
        out
    }
    /// Reads what [`Item::to_stored`] wrote, or the first version of the store.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let rest = if *tag < TIMED { rest } else { rest.get(8..)? };
        match tag % TIMED {
            _ if *tag == OPENING => Some(Item::Opening(rest.to_vec())),
            _ if *tag > OPENING => None,
            0 => Some(Item::Genesis(rest.to_vec())),
            1 => Some(Item::Record(rest.to_vec())),
            _ => Some(Item::Segment(rest.to_vec())),
        }
    }
    /// Its own bytes, as they travel.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Item::Genesis(bytes) | Item::Record(bytes) | Item::Segment(bytes) | Item::Opening(bytes) => bytes,
        }
    }
    /// When a stored item was learnt here; `None` for those of the first version of the store.
    pub fn learnt(bytes: &[u8]) -> Option<WallSeconds> {
        let (tag, rest) = bytes.split_first()?;
        let time = rest.first_chunk::<8>().filter(|_| *tag >= TIMED)?;
        Some(WallSeconds(u64::from_be_bytes(*time)))
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
    /// The first anchor that contains it.
    anchor: Option<Order>,
}

/// A stored segment with its sequence.
#[derive(Clone, Debug)]
struct Kept {
    seq: u64,
    segment: Arc<Segment>,
    hashes: Arc<[ChangeHash]>,
}

/// A segment on its way in.
struct Run<'a> {
    checked: &'a CheckedSegment,
    group: Group,
    /// Its first change that has no place yet.
    next: usize,
    placed: bool,
    stopped: Option<Intake>,
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
    /// The record that says it counts no more.
    pub voided: Option<RecordId>,
    /// Who entered it again, where its author's own change is held.
    pub reentered: Option<Reentry>,
}

/// All state of one document: log, well-formed changes, verdicts.
pub struct DocState {
    log: Log,
    index: Index,
    actors: BTreeMap<ActorId, Actor>,
    status: BTreeMap<ChangeHash, Status>,
    admitted: BTreeSet<ChangeHash>,
    settled: u64,
    /// Bureaus other than the owner, with the index of the first record that settled something of theirs.
    contributors: BTreeMap<BureauId, u32>,
    raw: BTreeMap<ChangeHash, Arc<[u8]>>,
    /// What changes quote, and changes that quote somebody unknown.
    quotes: BTreeMap<ChangeHash, Vec<reentry::Quoted>>,
    quotes_waiting: BTreeSet<ChangeHash>,
    waiting_segments: Vec<CheckedSegment>,
    waiting_records: BTreeMap<RecordId, Verified<Record>>,
    /// What found its place without the caller hearing so at the time.
    fresh: Vec<Item>,
    /// Tips of anchors that are not here, with the anchors that name them.
    missing_tips: BTreeMap<ChangeHash, BTreeSet<Order>>,
    segments: Vec<Kept>,
    statements: Vec<(u64, Item)>,
    /// When the items stored under these sequences were learnt here.
    learnt: BTreeMap<u64, WallSeconds>,
    newest_seq: u64,
    shown: Shown,
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
            contributors: BTreeMap::new(),
            raw: BTreeMap::new(),
            quotes: BTreeMap::new(),
            quotes_waiting: BTreeSet::new(),
            waiting_segments: Vec::new(),
            waiting_records: BTreeMap::new(),
            fresh: Vec::new(),
            missing_tips: BTreeMap::new(),
            segments: Vec::new(),
            statements: Vec::new(),
            learnt: BTreeMap::new(),
            newest_seq: 0,
            shown: Shown::default(),
        })
    }

    /// Reads a document back from its stored items, in sequence order.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not give what was written.
    pub fn load(directory: &Directory, document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Result<Self, LoadError> {
        let mut state: Option<Self> = None;
        let mut learnt = BTreeMap::new();
        let mut segments = Vec::new();
        for (seq, bytes) in items {
            learnt.extend(Item::learnt(&bytes).map(|at| (seq, at)));
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
                    state.learn_record(directory, record).map_err(|e| fail(e.to_string()))?;
                    state.keep_statement(seq, item);
                }
                (Item::Opening(bytes), Some(state)) => {
                    let opening = Opening::from_bytes(bytes).ok_or_else(|| fail("unreadable opening".into()))?;
                    state.learn_opening(&opening);
                    state.keep_statement(seq, item);
                }
                (Item::Segment(bytes), Some(state)) => {
                    let segment = segment::decode(bytes).map_err(|e| fail(e.to_string()))?;
                    let checked = segment::check_stored(segment).map_err(|e| fail(e.to_string()))?;
                    state.keep_segment(seq, &checked);
                    segments.push(checked);
                }
            }
        }
        let mut state = state.ok_or(LoadError::NoGenesis(document))?;
        state.learn_segments(directory, segments);
        state.learnt = learnt;
        state.fresh.clear(); // whatever found a place late is in the store already
        Ok(state)
    }

    /// Takes in one verified record. Records that wait for the one before them are kept aside and taken in when it comes; then
    /// [`DocState::take_fresh`] gives them.
    ///
    /// # Errors
    /// [`RecordError`] for malformed records and missing evidence.
    pub fn learn_record(&mut self, directory: &Directory, record: Verified<Record>) -> Result<Learned, RecordError> {
        let id = RecordId(record.id().0);
        let learned = match self.log.learn(directory, record.clone()) {
            Err(error @ RecordError::Waiting(_)) => {
                if self.waiting_records.len() < WAITING_MAX {
                    self.waiting_records.insert(id, record);
                }
                return Err(error);
            }
            other => other?,
        };
        if learned == Learned::Known {
            return Ok(learned);
        }
        let mut worst = learned;
        let mut came = vec![id];
        while let Some((next, record)) = self.next_record() {
            let bytes = record.sealed().to_bytes();
            match self.log.learn(directory, record) {
                Ok(learned) => {
                    came.push(next);
                    self.fresh.push(Item::Record(bytes));
                    if learned == Learned::TakesAway {
                        worst = learned;
                    }
                }
                // Evidence may come later and the sender is asked again; a malformed record never will be good.
                Err(_) => continue,
            }
        }
        let anchors =
            came.iter().any(|id| self.log.get(id).and_then(|e| e.record.as_ref()).is_some_and(|r| !r.body().kind.anchors().is_empty()));
        if worst == Learned::TakesAway || (anchors && self.has_fork()) {
            self.recompute();
        } else {
            for id in came {
                self.settle(id);
            }
            self.admit_more();
        }
        Ok(worst)
    }

    /// Takes in what opens one commitment of a hidden audience; `false` when it was known or opens none.
    pub fn learn_opening(&mut self, opening: &Opening) -> bool {
        self.log.learn_opening(opening)
    }

    /// A record kept aside whose predecessor stands now.
    fn next_record(&mut self) -> Option<(RecordId, Verified<Record>)> {
        let ready = |record: &Verified<Record>| {
            let heads = if let RecordKind::Continue(heads, ..) = &record.body().kind { heads.as_slice() } else { &[] };
            self.log.get(&record.body().previous).is_some() && heads.iter().all(|head| self.log.get(head).is_some())
        };
        let id = *self.waiting_records.iter().find(|(_, record)| ready(record))?.0;
        self.waiting_records.remove_entry(&id)
    }

    /// Takes in one checked segment.
    pub fn learn_segment(&mut self, directory: &Directory, segment: CheckedSegment) -> Intake {
        self.learn_segments(directory, vec![segment]).pop().expect("one answer for one segment")
    }

    /// Takes in checked segments that came together, of whatever writers: each change finds its place as soon as what it rests on has one,
    /// so runs of writers who answered each other need no order among them. Costs what the changes cost, however they are interleaved.
    /// Answers in the order of the segments.
    pub fn learn_segments(&mut self, directory: &Directory, segments: Vec<CheckedSegment>) -> Vec<Intake> {
        let placed = self.place(directory, &segments);
        let any = placed.iter().any(|(_, placed)| *placed);
        let mut outcomes = Vec::with_capacity(segments.len());
        for (segment, (outcome, placed)) in segments.into_iter().zip(placed) {
            if placed && outcome != Intake::New {
                self.fresh.push(Item::Segment(segment.to_bytes()));
            }
            if outcome == Intake::Waiting {
                self.set_aside(segment);
            }
            outcomes.push(outcome);
        }
        if any {
            self.retry(directory);
        }
        outcomes
    }

    /// Tries again what was kept aside: after something found a place, and when certificates became known.
    pub fn retry(&mut self, directory: &Directory) {
        self.retry_quotes(directory);
        // One pass finds all that can be found, except where a certificate or an attestation before was missing: then the next one does.
        while !self.waiting_segments.is_empty() {
            let waiting = std::mem::take(&mut self.waiting_segments);
            let outcomes = self.place(directory, &waiting);
            let progress = outcomes.iter().any(|(_, placed)| *placed);
            for (segment, (outcome, placed)) in waiting.into_iter().zip(outcomes) {
                if placed {
                    self.fresh.push(Item::Segment(segment.to_bytes()));
                }
                if outcome == Intake::Waiting {
                    self.waiting_segments.push(segment);
                }
            }
            if !progress {
                break;
            }
        }
    }

    /// Segments and records that found their place although [`DocState::learn_segment`] or [`DocState::learn_record`] answered something
    /// else when they came: they are to be kept too. A segment may come twice: when its attestations and when its content found a place.
    pub fn take_fresh(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.fresh)
    }

    fn set_aside(&mut self, segment: CheckedSegment) {
        let same = |other: &CheckedSegment| other.segment() == segment.segment();
        let bytes: usize = self.waiting_segments.iter().chain([&segment]).map(CheckedSegment::content_bytes).sum();
        if self.waiting_segments.len() < WAITING_MAX && bytes <= WAITING_BYTES_MAX && !self.waiting_segments.iter().any(same) {
            self.waiting_segments.push(segment);
        }
    }

    /// Finds places for the attestations and the content of segments; says of each too whether any was found.
    ///
    /// Attestations count wherever their chain connects, with content or without: they are the proof of who signed what, and the same
    /// whether the content came whole, cut back to links, too early or malformed.
    fn place(&mut self, directory: &Directory, segments: &[CheckedSegment]) -> Vec<(Intake, bool)> {
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(segments.len());
        let mut forked = false;
        for checked in segments {
            runs.push(self.place_attestations(directory, checked, &mut forked));
        }
        let fresh = self.place_content(directory, &mut runs);
        let settles: BTreeSet<Order> = fresh.iter().filter_map(|hash| self.missing_tips.get(hash)).flatten().copied().collect();
        if forked || (!settles.is_empty() && self.has_fork()) {
            self.recompute();
        } else if !fresh.is_empty() || runs.iter().any(|run| run.placed) {
            for (_, _, record) in settles {
                self.settle(record);
            }
            self.admit_more();
        }
        let outcome = |run: Run<'_>| (run.stopped.unwrap_or(if run.placed { Intake::New } else { Intake::Known }), run.placed);
        runs.into_iter().map(outcome).collect()
    }

    /// Finds places for a segment's attestations. Where one before them is missing its content waits too.
    fn place_attestations<'a>(&mut self, directory: &Directory, checked: &'a CheckedSegment, forked: &mut bool) -> Run<'a> {
        let segment = checked.segment();
        let mut run = Run { checked, group: Group([0; 32]), next: 0, placed: false, stopped: None };
        if segment.document != self.log.document() {
            run.stopped = Some(Intake::Malformed("segment of another document".into()));
            return run;
        }
        let Some(member) = directory.certificate(&segment.certificate) else {
            run.stopped = Some(Intake::Waiting);
            return run;
        };
        run.group = Group(member.body().bureau.0);
        let actor_id = checked.actor();
        for position in checked.positions() {
            let known_before = position.n == 1
                || self
                    .actors
                    .get(&actor_id)
                    .and_then(|actor| actor.positions.get(&(position.n - 1)))
                    .is_some_and(|all| all.iter().any(|placed| placed.attestation == position.previous));
            if !known_before {
                run.stopped = Some(Intake::Waiting);
                return run;
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
                run.placed = true;
                if here.len() > 1 {
                    actor.fork_at = Some(actor.fork_at.map_or(position.n, |old| old.min(position.n)));
                    *forked = true;
                }
            }
        }
        run
    }

    /// Finds places for the content of segments, each change after what it rests on; answers the changes that found one.
    fn place_content(&mut self, directory: &Directory, runs: &mut [Run<'_>]) -> Vec<ChangeHash> {
        let mut fresh = Vec::new();
        let mut ready: VecDeque<usize> = (0..runs.len()).filter(|at| runs[*at].stopped.is_none()).collect();
        let mut waits: BTreeMap<ChangeHash, Vec<usize>> = BTreeMap::new();
        while let Some(at) = ready.pop_front() {
            let run = &mut runs[at];
            while let Some((change, raw)) = run.checked.parsed().get(run.next).zip(run.checked.segment().changes.get(run.next)) {
                let hash = change.hash();
                if !self.index.contains(&hash) {
                    match self.index.check(change, run.group) {
                        Ok(passed) => {
                            self.index.insert(passed);
                            self.raw.insert(hash, Arc::from(raw.0.as_slice()));
                            self.note_quotes(directory, &hash, change);
                            fresh.push(hash);
                            run.placed = true;
                            ready.extend(waits.remove(&hash).into_iter().flatten());
                        }
                        Err(Verdict::Waiting(missing)) => {
                            let first = missing.first().copied().expect("what waits misses something");
                            waits.entry(first).or_default().push(at);
                            break;
                        }
                        Err(Verdict::Malformed(why)) => {
                            run.stopped = Some(Intake::Malformed(why.to_string()));
                            break;
                        }
                    }
                }
                run.next += 1;
            }
        }
        for at in waits.into_values().flatten() {
            runs[at].stopped = Some(Intake::Waiting);
        }
        fresh
    }

    fn has_fork(&self) -> bool {
        self.actors.values().any(|actor| actor.fork_at.is_some())
    }

    /// Admission of everything from scratch: after a cut, a fork, or an anchor beside a fork.
    fn recompute(&mut self) {
        self.status.clear();
        let before = std::mem::take(&mut self.admitted);
        self.settled = 0;
        self.contributors.clear();
        self.missing_tips.clear();
        let anchors: Vec<RecordId> = self.log.in_order().into_iter().map(|((_, _, id), _)| id).collect();
        for id in anchors {
            self.settle(id);
        }
        self.admit_more();
        if !before.is_subset(&self.admitted) {
            self.shown.forget();
        }
    }

    /// Marks the causal past of one anchor with the first anchor that contains it.
    ///
    /// Without forks the outcome does not depend on the order of calls. With forks anchors may contradict each other; then they must be
    /// taken in log order, and of two that name different changes for one position the earlier stands.
    fn settle(&mut self, id: RecordId) {
        let Some(order) = self.log.order_of(&id) else { return };
        let Some(record) = self.log.get(&id).and_then(|entry| entry.record.as_ref()) else { return };
        let mut newly: Vec<ChangeHash> = Vec::new();
        let mut quoting: Vec<ChangeHash> = Vec::new();
        let may_contradict = self.has_fork();
        for tip in record.body().kind.anchors() {
            if !self.index.contains(tip) {
                self.missing_tips.entry(*tip).or_default().insert(order);
                continue;
            }
            if let Some(waited) = self.missing_tips.get_mut(tip) {
                waited.remove(&order);
                if waited.is_empty() {
                    self.missing_tips.remove(tip);
                }
            }
            let status = &self.status;
            let anchored = |hash: &ChangeHash| status.get(hash).and_then(|s| s.anchor);
            let past: Vec<(ChangeHash, ActorId, u64)> = self
                .index
                .causal_past_until(&[*tip], |meta| anchored(&meta.hash).is_some_and(|first| first <= order))
                .into_iter()
                .map(|meta| (meta.hash, meta.actor, meta.seq))
                .collect();
            let contradicts = |(hash, actor, seq): &(ChangeHash, ActorId, u64)| {
                self.index.changes_at(actor, *seq).iter().any(|other| other != hash && anchored(other).is_some())
            };
            if may_contradict && past.iter().any(contradicts) {
                continue;
            }
            let owner = self.log.genesis().body().owner;
            for (hash, actor, _) in past {
                if let Some(bureau) = self.actors.get(&actor).map(|actor| actor.member.bureau).filter(|bureau| *bureau != owner) {
                    let first = self.contributors.entry(bureau).or_insert(order.1);
                    *first = order.1.min(*first);
                }
                if self.quotes.contains_key(&hash) {
                    quoting.push(hash);
                }
                let status = self.status.entry(hash).or_default();
                self.settled += u64::from(status.anchor.is_none());
                status.anchor = Some(order);
                if !status.admitted {
                    status.admitted = true;
                    newly.push(hash);
                }
            }
        }
        for hash in quoting {
            self.note_quoted_contributors(&hash, order);
        }
        for hash in newly {
            self.admit(hash);
        }
    }

    fn admit(&mut self, hash: ChangeHash) {
        if self.admitted.insert(hash) {
            self.shown.admitted(hash);
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
        // Once a document has ended only what was settled counts.
        if self.log.ended().is_some() {
            return false;
        }
        let not_older = meta.deps.iter().all(|dep| self.citations(dep).any(|record| self.log.not_older(&placed.cited, &record)));
        let owner = &self.log.genesis().body().owner;
        not_older
            && cited.rights.allow(owner, &actor.certificate, &actor.member, Verb::Append)
            && !self.is_cut(&meta.actor, actor, meta.seq)
    }

    /// The records a change cites: one, or several where its writer attested one change twice; then any of them will do for others.
    fn citations(&self, change: &ChangeHash) -> impl Iterator<Item = RecordId> {
        let meta = self.index.get(change);
        let all = meta.and_then(|meta| self.actors.get(&meta.actor)?.positions.get(&meta.seq));
        all.into_iter().flatten().filter(|placed| placed.change == *change).map(|placed| placed.cited)
    }

    fn is_cut(&self, id: &ActorId, actor: &Actor, position: u64) -> bool {
        self.log.cuts().iter().any(|cut| self.covers(cut, id, actor, position))
    }

    /// Whether this cut covers a position of a writer's life.
    fn covers(&self, cut: &Cut, id: &ActorId, actor: &Actor, position: u64) -> bool {
        let takes_writing = cut.verbs.iter().any(|verb| matches!(verb, Verb::Append | Verb::Read));
        if !takes_writing || !cut.subject.covers(&actor.certificate, &actor.member) {
            return false;
        }
        if position <= cut.frontier.get(id).copied().unwrap_or(0) {
            return false;
        }
        // A life that begins under a later record is another life: the cut does not know it, and the rights there decide.
        let first = actor.positions.get(&1).map_or(&[][..], Vec::as_slice);
        let begins_later = first.iter().any(|placed| self.log.descends(&placed.cited, &cut.record));
        !begins_later
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
    /// As [`DocState::keep_segment`], from bytes this document took in before: they were checked then, and are not parsed again.
    pub fn keep_segment_bytes(&mut self, seq: u64, bytes: &[u8]) {
        if let Ok(segment) = segment::decode(bytes) {
            let hashes = segment.changes.iter().map(|raw| rules::hash_of_chunk(&raw.0)).chain(segment.links.iter().map(|link| link.change));
            self.segments.push(Kept { seq, hashes: hashes.collect(), segment: Arc::new(segment) });
            self.newest_seq = self.newest_seq.max(seq);
        }
    }
    /// Notes when the item stored under `seq` was learnt here.
    pub fn keep_learnt(&mut self, seq: u64, at: WallSeconds) {
        self.learnt.insert(seq, at);
    }
    /// Genesis and records in the order in which they were stored, with the time they were learnt here; items that the first version of the
    /// store kept have none.
    pub fn learnt_records(&self, network: &NetworkId) -> Vec<(RecordId, Option<WallSeconds>)> {
        let id = |item: &Item| match item {
            Item::Genesis(_) => Some(self.log.genesis_id()),
            Item::Record(bytes) => Sealed::<Record>::from_bytes(bytes).ok().map(|sealed| RecordId(sealed.id(network).0)),
            Item::Segment(_) | Item::Opening(_) => None,
        };
        self.statements.iter().filter_map(|(seq, item)| Some((id(item)?, self.learnt.get(seq).copied()))).collect()
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
            // Two segments for one position are the proof of a fork; whoever reads the document needs it to come to the same decision.
            let proof = !all && self.proves_fork(&kept.segment);
            let segment = if all || proof || stands == content {
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

    /// Segments that travel together, with those of one writer that follow each other made one: the last signature covers all before it, so
    /// whoever takes them in verifies one for each writer instead of one for each sitting. What was signed is the same. A writer with two
    /// changes for one position is left as it is.
    pub fn joined(&self, segments: Vec<Bytes>) -> Vec<Bytes> {
        let mut out: Vec<(Bytes, Option<Segment>)> = Vec::with_capacity(segments.len());
        let mut last: BTreeMap<ActorId, usize> = BTreeMap::new();
        for bytes in segments {
            let Ok(segment) = segment::decode(&bytes.0) else {
                out.push((bytes, None));
                continue;
            };
            let actor = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            if self.actors.get(&actor).is_none_or(|actor| actor.fork_at.is_some()) {
                out.push((bytes, None));
                continue;
            }
            let before = last.get(&actor).and_then(|at| out[*at].1.as_mut());
            if !before.is_some_and(|before| before.join(&segment)) {
                last.insert(actor, out.len());
                out.push((bytes, Some(segment)));
            }
        }
        let encode = |(bytes, segment): (Bytes, Option<Segment>)| segment.map_or(bytes, |s| Bytes(accord_keys::canon::encode(&s)));
        out.into_iter().map(encode).collect()
    }

    /// Segments of a bureau's own writers that hold something not admitted, whole and in sequence order: offered to the owner where nothing
    /// else may go.
    pub fn held_by(&self, bureau: &BureauId) -> Vec<(u64, Item)> {
        let by_them = |segment: &Segment| {
            let id = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            self.actors.get(&id).is_some_and(|actor| actor.member.bureau == *bureau)
        };
        let held = |kept: &&Kept| {
            let content = kept.hashes.iter().take(kept.segment.changes.len());
            by_them(&kept.segment) && content.clone().any(|hash| !self.admitted.contains(hash))
        };
        let mut out: Vec<(u64, Item)> = self
            .segments
            .iter()
            .filter(held)
            .map(|kept| (kept.seq, Item::Segment(accord_keys::canon::encode(kept.segment.as_ref()))))
            .collect();
        out.sort_by_key(|(seq, _)| *seq);
        out
    }

    /// Whether a segment holds the position at which its writer forked.
    fn proves_fork(&self, segment: &Segment) -> bool {
        let id = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
        let fork = self.actors.get(&id).and_then(|actor| actor.fork_at);
        let last = segment.from + (segment.changes.len() + segment.links.len()) as u64 - 1;
        fork.is_some_and(|fork| (segment.from..=last).contains(&fork))
    }

    /// Stored segments that hold any of these changes: sent again under a new sequence when an anchor lets them in late.
    pub fn segments_with(&self, changes: &BTreeSet<ChangeHash>) -> Vec<Vec<u8>> {
        self.segments
            .iter()
            .filter(|kept| kept.hashes.iter().take(kept.segment.changes.len()).any(|hash| changes.contains(hash)))
            .map(|kept| accord_keys::canon::encode(kept.segment.as_ref()))
            .collect()
    }

    /// Every certificate named by the items that travel: evidence a receiver needs. With `all` also those behind held work.
    pub fn certificates(&self, all: bool) -> BTreeSet<CertificateId> {
        let travels = |actor: &&Actor| all || actor.fork_at.is_some() || self.has_admitted(actor);
        let mut out: BTreeSet<CertificateId> = self.actors.values().filter(travels).map(|actor| actor.certificate).collect();
        out.insert(self.log.genesis().body().creator);
        out.extend(self.quoted_certificates(|hash| all || self.admitted.contains(hash)));
        for (_, entry) in self.log.entries() {
            let Some(record) = &entry.record else { continue };
            out.insert(record.body().registrar);
            out.extend(record.body().kind.officers());
        }
        out
    }

    /// Of [`DocState::certificates`] those that whoever got the items up to `after` was given with them.
    pub fn certificates_until(&self, after: u64, all: bool) -> BTreeSet<CertificateId> {
        let went = |kept: &&Kept| kept.seq <= after && (all || kept.hashes.iter().any(|hash| self.admitted.contains(hash)));
        let mut out: BTreeSet<CertificateId> = self.segments.iter().filter(went).map(|kept| kept.segment.certificate).collect();
        if !self.quotes.is_empty() {
            let held: BTreeSet<ChangeHash> = self.segments.iter().filter(went).flat_map(|kept| kept.hashes.iter().copied()).collect();
            out.extend(self.quoted_certificates(|hash| held.contains(hash)));
        }
        if self.statements.iter().all(|(seq, _)| *seq <= after) {
            out.insert(self.log.genesis().body().creator);
            for record in self.log.entries().into_iter().filter_map(|(_, entry)| entry.record.as_ref()) {
                out.insert(record.body().registrar);
                out.extend(record.body().kind.officers());
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
            Some(RecordKind::Adopt(number, _)) => Some(number.clone()),
            _ => None,
        })
    }
    /// Admitted changes that no admitted change depends on.
    pub fn tips(&self) -> BTreeSet<ChangeHash> {
        if self.admitted.len() == self.index.len() { self.index.heads().clone() } else { self.index.tips(&self.admitted) }
    }
    /// The first anchor that contains a change, by log order; `None` while it is not settled.
    pub fn first_anchor(&self, change: &ChangeHash) -> Option<RecordId> {
        self.status.get(change)?.anchor.map(|(_, _, record)| record)
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
        let owner = Group(self.owner().0);
        // They are among the newest, so the walk back ends soon.
        let unsettled =
            self.index.iter().rev().filter(|meta| {
                self.admitted.contains(&meta.hash) && self.status.get(&meta.hash).is_none_or(|status| status.anchor.is_none())
            });
        unsettled.take(usize::try_from(self.unsettled()).unwrap_or(usize::MAX)).any(|meta| meta.group != owner)
    }
    /// What the document was founded with, once its founding change is admitted. Read from that change alone: equal wherever it is held.
    pub fn opening(&self) -> Option<Act> {
        let founding = self.index.iter().find(|meta| meta.deps.is_empty() && self.admitted.contains(&meta.hash))?;
        let change = crate::rules::parse(self.raw.get(&founding.hash)?).ok()?;
        let mut acts = change.acts().filter_map(|bytes| Act::from_bytes(bytes).ok());
        acts.find(|act| matches!(act.kind, ActKind::Draft | ActKind::Publish | ActKind::Open))
    }
    /// Bureaus other than the owner that wrote here, with the index of the first record that settled something of theirs: a function of log
    /// and changes, equal wherever both are held.
    pub fn contributors(&self) -> &BTreeMap<BureauId, u32> {
        &self.contributors
    }
    /// The lowest index of the records that a bureau's work here cites, of what is stored up to a sequence: what it knew of when it wrote.
    pub fn first_cited_by(&self, bureau: &BureauId, until: u64) -> Option<u32> {
        let by = |segment: &Segment| {
            let actor = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            self.actors.get(&actor).is_some_and(|actor| actor.member.bureau == *bureau)
        };
        let kept = self.segments.iter().filter(|kept| kept.seq <= until && by(&kept.segment));
        let cited = kept.flat_map(|kept| &kept.segment.cited).filter_map(|run| self.log.get(&run.record));
        cited.map(|entry| entry.index).min()
    }
    /// What an access decision needs, with rights taken from [`Log::rights`].
    pub fn facts<'a>(&'a self, rights: &'a Rights) -> Facts<'a> {
        let genesis = self.log.genesis().body();
        Facts {
            document: self.log.document(),
            owner: genesis.owner,
            kind: genesis.kind,
            category: genesis.category,
            tlp: self.log.tlp(),
            rights,
            hidden: self.log.is_hidden(),
            contributors: &self.contributors,
        }
    }
    /// Whether a bureau other than the owner wrote here.
    pub fn has_foreign(&self) -> bool {
        let owner = self.owner();
        self.actors.values().any(|actor| actor.member.bureau != owner && self.has_admitted(actor)) || self.quotes_other(&[owner])
    }
    fn has_admitted(&self, actor: &Actor) -> bool {
        actor.positions.values().flatten().any(|placed| self.admitted.contains(&placed.change))
    }
    /// Whether a bureau other than the owner and `reader` wrote here: what a reader gets beyond the owner's words and its own.
    pub fn has_foreign_to(&self, reader: &BureauId) -> bool {
        let owner = self.owner();
        self.actors.values().any(|actor| actor.member.bureau != owner && actor.member.bureau != *reader)
            || self.quotes_other(&[owner, *reader])
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
    /// A life of a certificate in this document that can still write and whose first segment was stored after `after`.
    pub fn living(&self, certificate: &CertificateId, after: u64) -> Option<Life> {
        let begun_after = |life: &Life| {
            let mut first = self.segments.iter().filter(|kept| kept.segment.certificate == *certificate && kept.segment.life == *life);
            first.find(|kept| kept.segment.from == 1).is_some_and(|kept| kept.seq > after)
        };
        self.actors
            .values()
            .filter(|actor| actor.certificate == *certificate)
            .map(|actor| actor.life)
            .find(|life| (after == 0 || begun_after(life)) && self.writing_tip(certificate, life).is_some())
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
        let (index, admitted, raw) = (&self.index, &self.admitted, &self.raw);
        self.shown.catch_up(|missing| in_causal_order(index, admitted, raw, missing))
    }
    /// How many changes would be computed to read the content now; `None` while a [`Job`] is out.
    pub fn content_debt(&self) -> Option<usize> {
        self.shown.debt(self.admitted.len())
    }
    /// What catching up takes, to be computed elsewhere and given back by [`DocState::content_done`].
    pub fn content_job(&mut self) -> Job {
        let (index, admitted, raw) = (&self.index, &self.admitted, &self.raw);
        self.shown.job(|missing| in_causal_order(index, admitted, raw, missing))
    }
    /// Takes a computed job back.
    ///
    /// # Errors
    /// [`CannotShow`]: a local failure; the admitted set stands.
    pub fn content_done(&mut self, done: Done) -> Result<(), CannotShow> {
        self.shown.finish(done)
    }
    /// Takes the admitted content out, for a local edit; it goes back by [`DocState::set_content`] if the edit was taken in.
    ///
    /// # Errors
    /// [`CannotShow`].
    pub fn take_content(&mut self) -> Result<Content, CannotShow> {
        self.content()?;
        self.shown.take().ok_or(CannotShow::Dropped)
    }
    /// Gives the cache a content that already holds a local edit.
    pub fn set_content(&mut self, content: Content) {
        self.shown.set(content);
    }
    /// Drops the cache.
    pub fn forget_content(&mut self) {
        self.shown.forget();
    }

    /// Acts in settled order: (first anchor that contains them, signed time, hash), unanchored ones last; each uuid once.
    ///
    /// # Errors
    /// [`CannotShow`].
    pub fn acts(&mut self) -> Result<Vec<ShownAct>, CannotShow> {
        let placed = self.content()?.acts()?;
        let voided = self.log.voided();
        let mut out = Vec::new();
        for act in placed {
            let changes = self.index.change_of_op(act.counter, &act.actor);
            let Some(change) = changes.into_iter().find(|hash| self.admitted.contains(hash)) else { continue };
            let Ok(parsed) = Act::from_bytes(&act.bytes) else { continue };
            let Some(meta) = self.index.get(&change) else { continue };
            let Some(actor) = self.actors.get(&meta.actor) else { continue };
            let anchor = self.status.get(&change).and_then(|s| s.anchor);
            let place = anchor.unwrap_or((true, u32::MAX, RecordId([0xff; 32])));
            if parsed.kind == ActKind::Reentered {
                let Some((quoted, acts)) = self.quoted_acts(&change, &parsed) else { continue };
                let reentered = Some(Reentry { change, certificate: actor.certificate, bureau: actor.member.bureau });
                let voided = voided.get(&quoted.change).or_else(|| voided.get(&change)).copied();
                out.extend(acts.into_iter().map(|act| {
                    let (change, certificate, bureau) = (quoted.change, quoted.certificate, quoted.bureau);
                    let order = (place, act.signed_at, change);
                    (order, ShownAct { act, change, certificate, bureau, settled: anchor.is_some(), voided, reentered })
                }));
                continue;
            }
            out.push((
                (place, parsed.signed_at, change),
                ShownAct {
                    act: parsed,
                    change,
                    certificate: actor.certificate,
                    bureau: actor.member.bureau,
                    settled: anchor.is_some(),
                    voided: voided.get(&change).copied(),
                    reentered: None,
                },
            ));
        }
        out.sort_by_key(|(order, _)| *order);
        let mut seen = BTreeSet::new();
        Ok(out.into_iter().map(|(_, shown)| shown).filter(|shown| seen.insert((shown.certificate, shown.act.uuid))).collect())
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

/// Raw admitted changes in causal order: those asked for, or all.
fn in_causal_order(
    index: &Index,
    admitted: &BTreeSet<ChangeHash>,
    raw: &BTreeMap<ChangeHash, Arc<[u8]>>,
    missing: Option<&BTreeSet<ChangeHash>>,
) -> Vec<Arc<[u8]>> {
    let wanted = missing.unwrap_or(admitted);
    // What is missing is mostly among the newest.
    let mut found: Vec<Arc<[u8]>> = Vec::with_capacity(wanted.len());
    for meta in index.iter().rev() {
        if found.len() == wanted.len() {
            break;
        }
        if wanted.contains(&meta.hash) {
            found.extend(raw.get(&meta.hash).cloned());
        }
    }
    found.reverse();
    found
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
