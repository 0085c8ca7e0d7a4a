//! The one door: which changes of a document are admitted, as a pure function of segments, certificates by hash, records and rules version.
//!
//! A change is admitted iff it is well formed, its deps are admitted, the record it cites is known and not older than what its deps cite,
//! the log up to there grants its writer the verb, no cut covers it and its writer has no fork at or below it: **or** it is well formed and
//! in the causal past of an anchor. Verdicts are *malformed* (bytes and causal past, for ever), *waiting* (an input is missing) and
//! *outside* (by the records; may change). Order, batching and duplication of what is learnt make no difference to the outcome.

mod admit;
mod asked;
mod attached;
mod held;
mod kept;
mod place;
mod receipted;
mod reentry;
mod shown;
mod stored;
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
use crate::id::{BureauId, CertificateId, Digest, DocumentId, NetworkId, Nonce, RecordId, StatementId};
use crate::receipt::NodeReceipt;
use crate::rules::{self, ActorId, ChangeHash, Group, Index, Verdict};
use crate::segment::{self, CheckedSegment, Segment, Tip};
use shown::Shown;

pub use held::HeldAct;
pub use receipted::Receipted;
pub use reentry::Reentry;
pub use shown::{Done, Job};
pub use stored::{Part, Sendable, Stored};
pub use why::{Held, Missing, Standing};

/// Segments and records kept aside in memory while an input is missing; more are dropped and asked for again. Back-pressure.
const WAITING_MAX: usize = 256;
/// Bytes of content of the segments kept aside. Back-pressure.
const WAITING_BYTES_MAX: usize = 16 << 20;

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
    /// Sealed receipt of one of the owner's nodes; among its own devices only.
    Receipt(Vec<u8>),
}

/// Tags from here on are followed by the time of learning; the first version of the store kept genesis, record and segment as 0, 1 and 2, without it.
const TIMED: u8 = GENESIS;
const GENESIS: u8 = 3;
const RECORD: u8 = 4;
const SEGMENT: u8 = 5;
const OPENING: u8 = 6;
const RECEIPT: u8 = 7;

impl Item {
    /// The item as stored.
    pub fn to_stored(&self, learnt: WallSeconds) -> Vec<u8> {
        let (tag, bytes) = match self {
            Item::Genesis(bytes) => (GENESIS, bytes),
            Item::Record(bytes) => (RECORD, bytes),
            Item::Segment(bytes) => (SEGMENT, bytes),
            Item::Opening(bytes) => (OPENING, bytes),
            Item::Receipt(bytes) => (RECEIPT, bytes),
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
        match *tag {
            0 | GENESIS => Some(Item::Genesis(rest.to_vec())),
            1 | RECORD => Some(Item::Record(rest.to_vec())),
            2 | SEGMENT => Some(Item::Segment(rest.to_vec())),
            OPENING => Some(Item::Opening(rest.to_vec())),
            RECEIPT => Some(Item::Receipt(rest.to_vec())),
            _ => None,
        }
    }
    /// Its own bytes, as they travel.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Item::Genesis(bytes) | Item::Record(bytes) | Item::Segment(bytes) | Item::Opening(bytes) | Item::Receipt(bytes) => bytes,
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
    /// What anchors on branches of the log have in their past, with the lowest index of those anchors.
    first_aside: BTreeMap<ChangeHash, u32>,
    raw: BTreeMap<ChangeHash, Arc<[u8]>>,
    /// Bytes of all of `raw`.
    raw_bytes: usize,
    /// What the founding changes found, read when they found their place.
    founding: BTreeMap<ChangeHash, Option<Act>>,
    /// What changes quote, and changes that quote somebody unknown.
    quotes: BTreeMap<ChangeHash, Vec<reentry::Quoted>>,
    quotes_waiting: BTreeMap<CertificateId, BTreeSet<ChangeHash>>,
    /// Files that changes attach; through a quote under the wrapper's uuid.
    attached: BTreeMap<ChangeHash, Vec<(Option<Nonce>, Digest)>>,
    waiting_segments: Vec<Arc<CheckedSegment>>,
    waiting_records: BTreeMap<RecordId, Verified<Record>>,
    /// What found its place without the caller hearing so at the time.
    fresh: Vec<Item>,
    /// Tips of anchors that are not here, with the anchors that name them.
    missing_tips: BTreeMap<ChangeHash, BTreeSet<Order>>,
    segments: Vec<Kept>,
    statements: Vec<(u64, Item)>,
    /// What nodes of the owner held before its registrar did.
    receipts: BTreeMap<StatementId, NodeReceipt>,
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
            first_aside: BTreeMap::new(),
            raw: BTreeMap::new(),
            raw_bytes: 0,
            founding: BTreeMap::new(),
            quotes: BTreeMap::new(),
            quotes_waiting: BTreeMap::new(),
            attached: BTreeMap::new(),
            waiting_segments: Vec::new(),
            waiting_records: BTreeMap::new(),
            fresh: Vec::new(),
            missing_tips: BTreeMap::new(),
            segments: Vec::new(),
            statements: Vec::new(),
            receipts: BTreeMap::new(),
            learnt: BTreeMap::new(),
            newest_seq: 0,
            shown: Shown::default(),
        })
    }

    /// Reads a document back from its stored items. What they hold was verified before it was stored: no seal is checked again, but the
    /// rules, on which the verdicts rest, are.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not give what was written.
    pub fn load(directory: &Directory, stored: Stored) -> Result<Self, LoadError> {
        let Stored { document, items } = stored;
        let mut state: Option<Self> = None;
        let mut learnt = BTreeMap::new();
        let (mut segments, mut receipts) = (Vec::new(), Vec::new());
        for (seq, bytes) in items {
            learnt.extend(Item::learnt(&bytes).map(|at| (seq, at)));
            let fail = |why: String| LoadError::Item { document, seq, why };
            let item = Item::from_bytes(&bytes).ok_or_else(|| fail("unknown tag".into()))?;
            match (&item, &mut state) {
                (Item::Genesis(bytes), None) => {
                    let sealed = Sealed::<Genesis>::from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
                    let genesis = stored::believe(sealed, directory.network()).map_err(|e| fail(e.to_string()))?;
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
                    let record = stored::believe(sealed, directory.network()).map_err(|e| fail(e.to_string()))?;
                    state.learn_record(directory, record).map_err(|e| fail(e.to_string()))?;
                    state.keep_statement(seq, item);
                }
                (Item::Opening(bytes), Some(state)) => {
                    let opening = Opening::from_bytes(bytes).ok_or_else(|| fail("unreadable opening".into()))?;
                    state.learn_opening(&opening);
                    state.keep_statement(seq, item);
                }
                (Item::Receipt(bytes), Some(state)) => {
                    let sealed = Sealed::<NodeReceipt>::from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
                    let receipt = stored::believe(sealed, directory.network()).map_err(|e| fail(e.to_string()))?;
                    receipts.push(receipt);
                    state.keep_statement(seq, item);
                }
                (Item::Segment(bytes), Some(state)) => {
                    let segment = segment::decode_stored(bytes).map_err(|e| fail(e.to_string()))?;
                    let checked = segment::check_stored(segment).map_err(|e| fail(e.to_string()))?;
                    state.keep_segment(seq, &checked);
                    segments.push(checked);
                }
            }
        }
        let mut state = state.ok_or(LoadError::NoGenesis(document))?;
        state.learn_segments(directory, segments);
        // What it names tells whether a receipt still says something.
        for receipt in &receipts {
            state.learn_receipt(directory, receipt);
        }
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
        let segments: Vec<Arc<CheckedSegment>> = segments.into_iter().map(Arc::new).collect();
        self.learn_shared(directory, &segments)
    }

    /// As [`DocState::learn_segments`], of segments the caller goes on to keep.
    pub fn learn_shared(&mut self, directory: &Directory, segments: &[Arc<CheckedSegment>]) -> Vec<Intake> {
        let placed = self.place(directory, segments);
        let any = placed.iter().any(|(_, placed)| *placed);
        let mut outcomes = Vec::with_capacity(segments.len());
        for (segment, (outcome, placed)) in segments.iter().zip(placed) {
            if placed && outcome != Intake::New {
                self.fresh.push(Item::Segment(segment.to_bytes()));
            }
            if outcome == Intake::Waiting {
                self.set_aside(Arc::clone(segment));
            }
            // What nobody may ever bring is not asked for: the proof is all there is to have of it.
            outcomes.push(if outcome == Intake::Waiting && self.is_behind_fork(segment) { Intake::Known } else { outcome });
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
