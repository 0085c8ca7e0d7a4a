//! The loop that owns the core: gather, decide, commit, send — always in that order.
//!
//! Nothing is answered, sent or told before it is on disk. Many inputs share one turn and so one disk sync. The network takes commands even
//! while nobody takes its events, so the driver may wait for it and no two queues wait for each other.
//!
//! A disk without room is no end: nothing of the turn was written, so the core is built anew from what is on disk, those whose act was not
//! written are told `disk_full`, and the links are closed (partners dial again, later and later). Then the loop *rests*: it does nothing by
//! itself until there is room again or [`REST_MS`] are over, and takes one thing a turn, so that who only reads is answered from what is on
//! disk. Any other failure of the store ends the process; a new start reads what is really there.

mod inventory;
mod shared;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use accord_keys::directory::Directory;
use accord_keys::id::CertificateId;
use accord_keys::secret::Signer;
use accord_keys::time::WallSeconds;
use accord_protocol::bundle::Answer;
use accord_protocol::bureau::{Bureau, Identity, OpenError};
use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::intake::{DocState, Done, LoadError};
use accord_protocol::limits;
use accord_protocol::step::{AllowedPeer, Gates, Send, Step, Write};
use accord_protocol::time::{MonoMillis, Now};
use accord_protocol::view::{EventView, Refused, RefusedKind, View};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::handle::{Ask, BundleReply, Compact, stopped};
use crate::store::{Store, StoreError};
use crate::swarm::{self, Gate, OutFrame, SwarmCommand};
use crate::verify::Stalled;
use inventory::{Keeping, Written};
pub use shared::Shared;

/// Inputs from the network that wait for the driver, checked and taken apart: each takes some ten times its bytes.
pub const INPUTS_MAX: usize = 64;
/// A turn ends early when it has so much to write, bytes: one commit stays well under a second on a slow disk.
const TURN_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most that is handed out of a demonstration's store, bytes; longer pieces beyond it are left out.
const DUMP_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Even without anything to do the core is asked so often, milliseconds: time itself ends agreements.
const IDLE_MS_MAX: u64 = 60_000;

/// After a turn that could not be written nothing is done unasked for so long, milliseconds.
const REST_MS: u64 = 30_000;
/// A rest on a full disk ends early when there is room, looked for so often, milliseconds.
const PROBE_MS: u64 = 5_000;
/// A command that wrote nothing is asked again of the core built anew, at most so often.
const RETRIES_MAX: u8 = 2;

/// Inputs of all links that wait for a document to be read back; above it the network waits.
const STALLED_MAX: usize = 1_024;
/// Of those, inputs of one link; above it that link waits, and no other.
const STALLED_OF_LINK_MAX: usize = 32;
/// Computed documents that wait for the loop; a thread with another waits.
const RESULTS_MAX: usize = 16;

/// The daemon's only clock. Monotonic time counts from the start of the process and does not stop while the machine sleeps.
#[derive(Clone, Debug)]
pub struct Clock {
    start_ms: u64,
}

/// Milliseconds since the machine started, time asleep included: an agreement ends for a laptop whose lid is closed, too.
fn uptime_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000)
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Self {
        Self { start_ms: uptime_ms() }
    }

    /// Uptime and the wall clock as the system states it.
    #[expect(clippy::disallowed_methods, reason = "the one clock read of the daemon")]
    pub fn now(&self) -> Now {
        let mono = uptime_ms().saturating_sub(self.start_ms);
        // A wall clock before 1970 reads as 1970: the core's floor then applies.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: MonoMillis(mono), wall: WallSeconds(wall) }
    }
}

/// Why the driver ended without being asked to.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The store cannot be trusted any more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is on disk is no state of a bureau.
    #[error("the state on disk cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The system has no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The network task ended.
    #[error("the network task ended")]
    SwarmGone,
}

/// What the driver is given to work with.
pub struct Parts {
    /// Who we are.
    pub identity: Identity,
    /// The open store.
    pub store: Shared,
    /// The clock.
    pub clock: Clock,
    /// Commands.
    pub asks: mpsc::Receiver<Ask>,
    /// Checked messages and link events, in order per link.
    pub inputs: mpsc::Receiver<Input>,
    /// Links of which no more inputs are to come for now.
    pub stalled: watch::Sender<Stalled>,
    /// The network.
    pub swarm: mpsc::Sender<SwarmCommand>,
    /// Events for whoever listens.
    pub events: broadcast::Sender<EventView>,
    /// The directory the verifying workers use.
    pub directory: watch::Sender<Arc<Directory>>,
    /// Turns true when the daemon stops.
    pub stop: watch::Receiver<bool>,
    /// Most inputs in one turn.
    pub inputs_per_turn_max: usize,
}

/// The loop. Runs on a thread of its own, because commits block.
pub struct Driver {
    bureau: Bureau,
    parts: Parts,
    /// What gated frames are compared with at hand-off: as of the last turn, and of each link that was sent such.
    gates: Gates,
    numbers: BTreeMap<LinkId, Arc<AtomicU64>>,
    pending: VecDeque<Work>,
    replies: BTreeMap<CommandId, oneshot::Sender<Result<View, Refused>>>,
    bundles: BTreeMap<CommandId, BundleReply>,
    command_last: u64,
    wake_at: Option<MonoMillis>,
    links: BTreeSet<LinkId>,
    /// Officers' keys in use, to unlock them again when the core is built anew.
    unlocked: BTreeMap<String, (CertificateId, Arc<dyn Signer>)>,
    /// Steps the core has taken that the next turn begins with.
    carried: Option<Turn>,
    rest: Option<Rest>,
    /// Whether it was said that nothing can be written; said again only after something was.
    told: bool,
    /// Commands asked again, and how often.
    retries: BTreeMap<CommandId, u8>,
    aside: Aside,
    keeping: Keeping,
}

/// What other threads compute for the core, and what waits for it. Long documents hold up whoever asks for them, and nobody else.
struct Aside {
    /// Goes up when the core is built anew: what was begun for the old one is dropped.
    era: u64,
    done: mpsc::Sender<(u64, Finished)>,
    results: mpsc::Receiver<(u64, Finished)>,
    /// Documents being read back.
    reading: BTreeSet<DocumentId>,
    /// Commands by the document they wait for.
    commands: BTreeMap<DocumentId, Vec<Work>>,
    /// Links whose next input needs a document that is being read back, with that input and all that came after it.
    links: BTreeMap<LinkId, (DocumentId, VecDeque<Work>)>,
}

/// What another thread has computed.
#[expect(clippy::large_enum_variant, reason = "few, and moved once")]
enum Finished {
    Loaded(DocumentId, Result<DocState, LoadError>),
    Content(DocumentId, Done),
    Inventory(Written),
}

impl Aside {
    fn new() -> Self {
        let (done, results) = mpsc::channel(RESULTS_MAX);
        Self { era: 0, done, results, reading: BTreeSet::new(), commands: BTreeMap::new(), links: BTreeMap::new() }
    }
    fn start(&self, job: impl FnOnce() -> Finished + std::marker::Send + 'static) {
        let (done, era) = (self.done.clone(), self.era);
        tokio::task::spawn_blocking(move || {
            // Nobody listening any more: the daemon stops.
            let _ = done.blocking_send((era, job()));
        });
    }
    fn stalled(&self) -> usize {
        self.links.values().map(|(_, inputs)| inputs.len()).sum()
    }
}

/// Why nothing is done unasked.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: MonoMillis,
    /// When to look next whether there is room, and how many bytes were missing; `None` when room is not what was missing.
    probe: Option<(MonoMillis, u64)>,
}

/// One thing gathered.
#[expect(clippy::large_enum_variant, reason = "nearly all are inputs, and they are moved once")]
enum Work {
    Input(Input),
    Dump(oneshot::Sender<Vec<Vec<u8>>>),
    Finished(Finished),
}

/// Everything one turn caused, with the number of its link's gate each frame was permitted under.
#[derive(Default)]
struct Turn {
    writes: Vec<Write>,
    /// Documents whose keys go once the writes are on disk.
    purges: Vec<DocumentId>,
    bytes: usize,
    sends: Vec<(Send, u64)>,
    answers: Vec<(CommandId, Result<View, Refused>)>,
    bundles: Vec<(CommandId, Result<Answer, Refused>)>,
    /// The commands as they were asked.
    asked: Vec<Work>,
    /// Commands that wrote something: they fail when the disk is full.
    writers: Vec<CommandId>,
    unlocks: Vec<(CommandId, Change)>,
    events: Vec<EventView>,
    allow: Option<Vec<AllowedPeer>>,
    close: Vec<LinkId>,
    wants: Vec<DocumentId>,
    directory_changed: bool,
    gates: Gates,
}

/// What a command does to the list of unlocked keys once it succeeded.
enum Change {
    Unlock(String, CertificateId, Arc<dyn Signer>),
    Lock(Option<String>),
}

impl Turn {
    fn take(&mut self, step: Step, command: Option<CommandId>) {
        if !step.writes.is_empty() {
            self.writers.extend(command);
        }
        self.bytes += step.writes.iter().map(write_bytes).sum::<usize>();
        self.writes.extend(step.writes);
        self.purges.extend(step.purges);
        self.sends.extend(step.sends.into_iter().map(|send| (step.gates.of(send.link), send)).map(|(permit, send)| (send, permit)));
        self.answers.extend(step.answers);
        self.bundles.extend(step.bundles);
        self.events.extend(step.events);
        if step.allow.is_some() {
            self.allow = step.allow;
        }
        self.close.extend(step.close);
        self.wants.extend(step.wants);
        self.directory_changed |= step.directory_changed;
        self.gates = step.gates;
    }
}

fn write_bytes(write: &Write) -> usize {
    match write {
        Write::Put { key, value, .. } => key.len() + value.as_ref().map_or(0, Vec::len),
        Write::Item { body, .. } => body.len(),
        Write::Account(line) => line.len(),
    }
}

impl Driver {
    /// Opens the core from what is on disk.
    ///
    /// # Errors
    /// [`DriverError`] when the store cannot be read or holds no state of a bureau.
    pub fn open(parts: Parts) -> Result<Self, DriverError> {
        let (bureau, keeping) = inventory::open_bureau(&parts)?;
        let _ = parts.directory.send(bureau.directory());
        let gates = bureau.gates();
        Ok(Self {
            bureau,
            parts,
            gates,
            numbers: BTreeMap::new(),
            pending: VecDeque::from([Work::Input(Input::Wake)]),
            replies: BTreeMap::new(),
            bundles: BTreeMap::new(),
            command_last: 0,
            wake_at: None,
            links: BTreeSet::new(),
            unlocked: BTreeMap::new(),
            carried: None,
            rest: None,
            told: false,
            retries: BTreeMap::new(),
            aside: Aside::new(),
            keeping,
        })
    }

    /// Runs until told to stop; then hands back the store, to be closed.
    ///
    /// # Errors
    /// [`DriverError`]: the process must end.
    pub async fn run(mut self) -> Result<Store, DriverError> {
        self.tell(SwarmCommand::Allow(self.bureau.allowed().into_iter().map(to_swarm).collect())).await?;
        while self.gather().await? {
            let now = self.parts.clock.now();
            if self.rest.is_none() && self.wake_at.is_some_and(|at| at <= now.mono) {
                self.wake_at = None;
                self.pending.push_back(Work::Input(Input::Wake));
            }
            let turn = self.decide(now)?;
            if let Some(why) = self.parts.store.stopped() {
                return Err(StoreError::Fatal(why.to_owned()).into());
            }
            if self.bureau.is_inventory_broken() {
                self.without_inventory(turn).await?;
                continue;
            }
            match self.commit(&turn.writes) {
                Ok(()) => {
                    self.purge(&turn.purges)?;
                    // Lines for auditors go through on a full disk, too.
                    if turn.writes.iter().any(|write| !matches!(write, Write::Account(_))) {
                        if std::mem::take(&mut self.told) {
                            tracing::info!("writing works again");
                        }
                        if self.rest.take().is_some() {
                            self.pending.push_back(Work::Input(Input::Wake));
                        }
                    }
                    self.dispatch(turn).await?;
                    self.keep_inventory(now)?;
                }
                Err(StoreError::Full { free, needed }) => {
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::error!(free, needed, "disk full: nothing can be written until there is room; free some space");
                    }
                    let full = Refused::new(RefusedKind::Fault, "disk_full").with("free", free).with("needed", needed);
                    self.rest =
                        Some(Rest { until: MonoMillis(now.mono.0 + REST_MS), probe: Some((MonoMillis(now.mono.0 + PROBE_MS), needed)) });
                    self.start_over(turn, &full).await?;
                }
                // Our own mistake, found before anything was written. No partner's message may end the process again and again.
                Err(error @ (StoreError::Refused { .. } | StoreError::Purged(_))) => {
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::error!(%error, "the store refused a turn: nothing of it was written; please report this");
                    }
                    self.rest = Some(Rest { until: MonoMillis(now.mono.0 + REST_MS), probe: None });
                    self.start_over(turn, &Refused::new(RefusedKind::Fault, "internal").with("cause", error)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let last = self.bureau.stopping(self.parts.clock.now());
        if self.bureau.is_inventory_broken() {
            self.parts.store.hold().drop_inventories();
            return self.into_store();
        }
        match self.commit(&last.writes) {
            Ok(()) => self.last_inventory().await?,
            Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.into_store()
    }

    fn into_store(self) -> Result<Store, DriverError> {
        let Self { bureau, parts, .. } = self;
        drop(bureau);
        parts.store.into_store().ok_or_else(|| StoreError::Fatal("somebody else still reads the store".to_owned()).into())
    }

    /// Waits until there is something to do; false when the daemon stops.
    async fn gather(&mut self) -> Result<bool, DriverError> {
        while self.pending.is_empty() {
            if self.rested() {
                self.pending.push_back(Work::Input(Input::Wake));
                break;
            }
            let now = self.parts.clock.now().mono.0;
            let next = match &self.rest {
                Some(rest) => Some(rest.probe.map_or(rest.until, |(at, _)| at.min(rest.until))),
                None => self.wake_at,
            };
            // One more than what is left of a millisecond, so that it is over afterwards.
            let wait_ms = next.map_or(IDLE_MS_MAX, |at| (at.0 + 1).saturating_sub(now).min(IDLE_MS_MAX));
            tokio::select! {
                biased;
                () = stopped(&mut self.parts.stop) => return Ok(false),
                Some(ask) = self.parts.asks.recv() => self.accept(ask),
                Some((era, finished)) = self.aside.results.recv() => {
                    if era == self.aside.era {
                        self.pending.push_back(Work::Finished(finished));
                    }
                }
                Some(input) = self.parts.inputs.recv(), if self.aside.stalled() < STALLED_MAX => self.pending.push_back(Work::Input(input)),
                () = self.parts.swarm.closed() => return Err(DriverError::SwarmGone),
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {
                    if self.rest.is_none() {
                        self.pending.push_back(Work::Input(Input::Wake));
                    }
                }
            }
        }
        if *self.parts.stop.borrow() {
            return Ok(false);
        }
        // Whatever else is there shares this turn; commands and network take turns, so neither starves.
        while self.pending.len() < self.parts.inputs_per_turn_max {
            let ask = self.parts.asks.try_recv().ok();
            let room = self.aside.stalled() + self.pending.len() < STALLED_MAX.max(self.parts.inputs_per_turn_max);
            let input = if room { self.parts.inputs.try_recv().ok() } else { None };
            if ask.is_none() && input.is_none() {
                break;
            }
            if let Some(ask) = ask {
                self.accept(ask);
            }
            self.pending.extend(input.map(Work::Input));
        }
        Ok(true)
    }

    /// Whether a rest has just ended: its time is over, or there is room again.
    fn rested(&mut self) -> bool {
        let now = self.parts.clock.now().mono;
        let Some(rest) = &mut self.rest else { return false };
        let room = match &mut rest.probe {
            Some((at, needed)) if *at <= now => {
                *at = MonoMillis(now.0 + PROBE_MS);
                self.parts.store.hold().free_bytes().is_ok_and(|free| free >= *needed)
            }
            _ => false,
        };
        let over = room || rest.until <= now;
        if over {
            self.rest = None;
        }
        over
    }

    fn accept(&mut self, ask: Ask) {
        match ask {
            Ask::Command { person, dry_run, command, reply } => {
                self.command_last += 1;
                let id = CommandId(self.command_last);
                self.replies.insert(id, reply);
                self.pending.push_back(Work::Input(Input::Command { id, person, dry_run, command: *command }));
            }
            Ask::Bundle { person, ask, reply } => {
                self.command_last += 1;
                let id = CommandId(self.command_last);
                self.bundles.insert(id, reply);
                self.pending.push_back(Work::Input(Input::Bundle { id, person, ask }));
            }
            Ask::Account { reply } => {
                // A caller that left is no error; a store that stopped ends the process at its next commit.
                let account = self.parts.store.hold().account();
                if let Ok(account) = account {
                    let _ = reply.send(account);
                }
            }
            Ask::Snapshot { reply } => {
                let snapshot = self.parts.store.hold().snapshot();
                if let Ok(snapshot) = snapshot {
                    let _ = reply.send(snapshot);
                }
            }
            Ask::Compact { what, reply } => {
                let mut store = self.parts.store.hold();
                let progress = match what {
                    Compact::Begin { .. } if store.is_compacting() => Ok(None),
                    Compact::Begin { dry } => store.compact_begin(dry).and_then(|()| store.compact_step()).map(Some),
                    Compact::Step => store.compact_step().map(Some),
                    Compact::Leave => Ok(store.compact_leave()),
                };
                // A store that stopped ends the process at its next commit.
                match progress {
                    Ok(progress) => drop(reply.send(progress)),
                    Err(error) => tracing::error!(%error, "compaction ends early"),
                }
            }
            Ask::Dump { reply } => self.pending.push_back(Work::Dump(reply)),
        }
    }

    fn decide(&mut self, now: Now) -> Result<Turn, DriverError> {
        let mut turn = self.carried.take().unwrap_or_else(|| Turn { gates: self.gates.clone(), ..Turn::default() });
        let head = self.parts.store.hold().head();
        self.bureau.journal_head(head);
        let most = if self.rest.is_some() { 1 } else { self.parts.inputs_per_turn_max };
        let mut count = 0;
        while turn.bytes < TURN_BYTES_MAX && count < most {
            count += 1;
            match self.pending.pop_front() {
                Some(Work::Finished(finished)) => self.finished(finished),
                Some(Work::Input(input)) => {
                    let Some(input) = self.ready(input)? else { continue };
                    let command = self.note(&input, &mut turn);
                    if let Input::Command { id, person, dry_run, command } = &input {
                        let (person, command) = (person.clone(), command.clone());
                        turn.asked.push(Work::Input(Input::Command { id: *id, person, dry_run: *dry_run, command }));
                    }
                    let step = self.bureau.handle(now, seed()?, input);
                    self.wake_at = step.wake_at;
                    turn.take(step, command);
                }
                Some(Work::Dump(reply)) => {
                    let mut pieces = Vec::new();
                    let mut room = DUMP_BYTES_MAX;
                    let dumped = self.parts.store.hold().dump_plaintext(&mut |piece| {
                        if let Some(left) = room.checked_sub(piece.len()) {
                            room = left;
                            pieces.push(piece.to_vec());
                        }
                    });
                    match dumped {
                        Err(error @ (StoreError::Damaged(_) | StoreError::Io { .. })) => tracing::error!(%error, "the dump ends early"),
                        other => other?,
                    }
                    let _ = reply.send(pieces);
                }
                None => break,
            }
        }
        Ok(turn)
    }

    /// An input whose document is at hand; otherwise it is put aside until another thread has read or computed it.
    fn ready(&mut self, input: Input) -> Result<Option<Input>, DriverError> {
        let link = input.link();
        if let Some((_, waiting)) = link.and_then(|link| self.aside.links.get_mut(&link)) {
            waiting.push_back(Work::Input(input));
            if waiting.len() >= STALLED_OF_LINK_MAX {
                self.parts.stalled.send_if_modified(|links| link.is_some_and(|link| links.insert(link)));
            }
            return Ok(None);
        }
        // What was loaded may tell what else is needed: how files are called tells which of them is meant.
        let mut needs = self.bureau.needs(&input);
        let mut before = Vec::new();
        while !needs.is_empty() && needs != before {
            for document in &needs {
                if self.load(*document, false)? {
                    continue;
                }
                match link {
                    Some(link) => drop(self.aside.links.insert(link, (*document, VecDeque::from([Work::Input(input)])))),
                    None => self.aside.commands.entry(*document).or_default().push(Work::Input(input)),
                }
                return Ok(None);
            }
            before = std::mem::replace(&mut needs, self.bureau.needs(&input));
        }
        if let Some(document) = self.bureau.content_first(&input) {
            if let Some(job) = self.bureau.content_job(&document) {
                self.aside.start(move || Finished::Content(document, job.run()));
            }
            self.aside.commands.entry(document).or_default().push(Work::Input(input));
            return Ok(None);
        }
        Ok(Some(input))
    }

    /// Gives the core what another thread computed, and lets what waited for it go on.
    fn finished(&mut self, finished: Finished) {
        let document = match finished {
            Finished::Loaded(document, outcome) => {
                self.aside.reading.remove(&document);
                if let Err(error) = self.bureau.loaded(document, outcome) {
                    unreadable(&document, &error.to_string());
                }
                document
            }
            Finished::Content(document, done) => {
                self.bureau.content_done(&document, done);
                document
            }
            Finished::Inventory(written) => return self.inventory_written(written),
        };
        let links: Vec<LinkId> = self.aside.links.iter().filter(|(_, (waits, _))| *waits == document).map(|(link, _)| *link).collect();
        let mut again: Vec<Work> = self.aside.commands.remove(&document).unwrap_or_default();
        self.go_on(&links);
        again.extend(links.into_iter().filter_map(|link| self.aside.links.remove(&link)).flat_map(|(_, inputs)| inputs));
        again.push(Work::Input(Input::Wake));
        for work in again.into_iter().rev() {
            self.pending.push_front(work);
        }
    }

    /// Inputs of these links wait no more.
    fn go_on(&self, links: &[LinkId]) {
        self.parts.stalled.send_if_modified(|stalled| links.iter().filter(|link| stalled.remove(link)).count() > 0);
    }

    /// Gives the core a document, as it asked for it or with its body; false while another thread reads it. One that cannot be read back is no reason to stop: it stays listed and `store verify` names it.
    fn load(&mut self, document: DocumentId, wanted: bool) -> Result<bool, StoreError> {
        if self.aside.reading.contains(&document) {
            return Ok(false);
        }
        let items = self.parts.store.hold().items(&document, 0);
        let why = match items {
            Ok(items) if items.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > limits::LOAD_AT_ONCE_BYTES_MAX => {
                let job = self.bureau.load_job(document, items);
                self.aside.reading.insert(document);
                self.aside.start(move || Finished::Loaded(document, job.run()));
                return Ok(false);
            }
            Ok(items) => match if wanted { self.bureau.hold_wanted(document, items) } else { self.bureau.hold(document, items) } {
                Ok(()) => return Ok(true),
                Err(error) => error.to_string(),
            },
            Err(error @ (StoreError::Damaged(_) | StoreError::Io { .. })) => {
                self.bureau.cannot_hold(document, error.to_string());
                error.to_string()
            }
            Err(error) => return Err(error),
        };
        unreadable(&document, &why);
        Ok(true)
    }

    /// Remembers what the loop itself must know of an input; answers the command's id.
    fn note(&mut self, input: &Input, turn: &mut Turn) -> Option<CommandId> {
        match input {
            Input::LinkUp { link, .. } => {
                self.links.insert(*link);
                None
            }
            Input::LinkDown { link } => {
                self.links.remove(link);
                // What still lies in its queue may be sent before it closes, and nobody asks the core any more: it goes no further.
                if let Some(number) = self.numbers.remove(link) {
                    number.store(u64::MAX, Ordering::Release);
                }
                None
            }
            Input::Command { id, command, dry_run, .. } => {
                match command {
                    Command::Unlock { name, certificate, signer } if !dry_run => {
                        turn.unlocks.push((*id, Change::Unlock(name.clone(), *certificate, Arc::clone(signer))));
                    }
                    Command::Lock { name } if !dry_run => turn.unlocks.push((*id, Change::Lock(name.clone()))),
                    _ => {}
                }
                Some(*id)
            }
            Input::FrameDropped { .. } | Input::Message { .. } | Input::Garbage { .. } | Input::Bundle { .. } | Input::Wake => None,
        }
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.parts.store.hold().commit(writes)?;
        self.bureau.committed();
        Ok(())
    }

    /// Destroys keys of documents whose tombstones are on disk. Without room for it the next start does it.
    fn purge(&mut self, documents: &[DocumentId]) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let purged = self.parts.store.hold().purge_documents(documents);
        match purged {
            Err(StoreError::Full { free, needed }) => {
                tracing::error!(free, needed, "disk full: documents whose time is over are destroyed after the next start");
                Ok(())
            }
            other => other,
        }
    }

    /// Everything of the turn is on disk: now it may be heard.
    async fn dispatch(&mut self, turn: Turn) -> Result<(), DriverError> {
        // Before anything of this turn is handed over: frames permitted under an older policy are stale from here on.
        if turn.gates != self.gates {
            for (link, number) in &self.numbers {
                number.store(turn.gates.of(*link), Ordering::Release);
            }
            self.gates.clone_from(&turn.gates);
        }
        if turn.directory_changed {
            let _ = self.parts.directory.send(self.bureau.directory());
        }
        if let Some(allow) = turn.allow {
            self.tell(SwarmCommand::Allow(allow.into_iter().map(to_swarm).collect())).await?;
        }
        for (send, permit) in turn.sends {
            // It went down within this very turn: nobody would ever take its number away again.
            if !self.links.contains(&send.link) {
                continue;
            }
            let gate = send.gated.then(|| {
                let number = self.numbers.entry(send.link).or_insert_with(|| Arc::new(AtomicU64::new(turn.gates.of(send.link))));
                Gate { epoch: Arc::clone(number), permit_epoch: permit }
            });
            let frame = OutFrame { bytes: send.bytes, gate };
            self.tell(SwarmCommand::Send { link: swarm::LinkId(send.link.0), frame }).await?;
        }
        for link in turn.close {
            self.tell(SwarmCommand::Close { link: swarm::LinkId(link.0), reason: 0 }).await?;
        }
        for (id, change) in turn.unlocks {
            if turn.answers.iter().any(|(answered, answer)| *answered == id && answer.is_ok()) {
                match change {
                    Change::Unlock(name, certificate, signer) => drop(self.unlocked.insert(name, (certificate, signer))),
                    Change::Lock(Some(name)) => drop(self.unlocked.remove(&name)),
                    Change::Lock(None) => self.unlocked.clear(),
                }
            }
        }
        for (id, answer) in turn.answers {
            self.answer(id, answer);
        }
        for (id, answer) in turn.bundles {
            if let Some(reply) = self.bundles.remove(&id) {
                let _ = reply.send(answer);
            }
        }
        if !turn.wants.is_empty() {
            let wants: BTreeSet<DocumentId> = turn.wants.into_iter().collect();
            let mut here = false;
            for document in wants {
                here |= self.load(document, true)?;
            }
            if here && self.rest.is_none() {
                self.pending.push_back(Work::Input(Input::Wake));
            }
        }
        for event in turn.events {
            // Nobody listening is fine: events are read again from the core by position.
            let _ = self.parts.events.send(event);
        }
        Ok(())
    }

    async fn tell(&self, command: SwarmCommand) -> Result<(), DriverError> {
        self.parts.swarm.send(command).await.map_err(|_| DriverError::SwarmGone)
    }

    fn answer(&mut self, id: CommandId, answer: Result<View, Refused>) {
        self.retries.remove(&id);
        if let Some(reply) = self.replies.remove(&id) {
            let _ = reply.send(answer);
        }
    }

    /// Forgets what was decided but not written, by reading the state again. Whose act was to be written hears `why`; who wrote nothing is
    /// asked again, of the core as it now is.
    async fn start_over(&mut self, turn: Turn, why: &Refused) -> Result<(), DriverError> {
        let clock = self.bureau.clock();
        let (bureau, keeping) = inventory::open_bureau(&self.parts)?;
        (self.bureau, self.keeping) = (bureau, keeping.after(&self.keeping));
        self.bureau.keep_clock(clock);
        self.wake_at = None;
        // Frames of the links being closed were permitted by decisions that never were.
        for number in std::mem::take(&mut self.numbers).into_values() {
            number.store(u64::MAX, Ordering::Release);
        }
        self.gates = self.bureau.gates();
        let _ = self.parts.directory.send(self.bureau.directory());
        self.tell(SwarmCommand::Allow(self.bureau.allowed().into_iter().map(to_swarm).collect())).await?;
        // The new core knows of no bundle: whoever packs or unpacks begins anew.
        for (_, reply) in std::mem::take(&mut self.bundles) {
            let _ = reply.send(Err(why.clone()));
        }
        // What the links said and still waits belongs to conversations the new core does not know; those not yet begun end with the others.
        let mut links = std::mem::take(&mut self.links);
        self.pending.retain(|work| match work {
            Work::Input(Input::LinkUp { link, .. }) => {
                links.insert(*link);
                false
            }
            work => matches!(work, Work::Dump(_) | Work::Input(Input::Command { .. })),
        });
        // Jobs begun for the old core are dropped when they end; commands that waited for them are asked of the new one.
        let era = self.aside.era + 1;
        let aside = std::mem::replace(&mut self.aside, Aside { era, ..Aside::new() });
        self.pending.extend(aside.commands.into_values().flatten());
        let waited: Vec<LinkId> = aside.links.into_keys().collect();
        self.go_on(&waited);
        links.extend(waited);
        for link in links {
            self.tell(SwarmCommand::Close { link: swarm::LinkId(link.0), reason: 0 }).await?;
        }
        self.unlock_again()?;
        self.ask_again(turn, why);
        Ok(())
    }

    /// The keys in use stay in use. That they do is no news for auditors; whatever else the core does on the way begins the next turn.
    fn unlock_again(&mut self) -> Result<(), DriverError> {
        let mut carried = Turn { gates: self.gates.clone(), ..Turn::default() };
        for (name, (certificate, signer)) in self.unlocked.clone() {
            self.command_last += 1;
            let command = Command::Unlock { name: name.clone(), certificate, signer };
            let input = Input::Command { id: CommandId(self.command_last), person: None, dry_run: false, command };
            let mut step = self.bureau.handle(self.parts.clock.now(), seed()?, input);
            step.writes.retain(|write| !matches!(write, Write::Account(_)));
            if step.answers.drain(..).any(|(_, answer)| answer.is_err()) {
                self.unlocked.remove(&name);
            }
            carried.take(step, None);
        }
        self.carried = Some(carried);
        Ok(())
    }

    fn ask_again(&mut self, turn: Turn, why: &Refused) {
        let mut asked: BTreeMap<CommandId, Work> = BTreeMap::new();
        for work in turn.asked {
            if let Work::Input(Input::Command { id, .. }) = &work {
                asked.insert(*id, work);
            }
        }
        let mut again = Vec::new();
        for (id, answer) in turn.answers {
            let Some(work) = asked.remove(&id) else { continue };
            let Work::Input(Input::Command { command, dry_run, .. }) = &work else { continue };
            let reads = *dry_run || only_reads(command);
            let retries = self.retries.entry(id).or_default();
            if turn.writers.contains(&id) && !reads {
                self.answer(id, Err(why.clone()));
            } else if *retries < RETRIES_MAX {
                *retries += 1;
                again.push(work);
            } else {
                // Asked by itself of a core just read from disk, and still its turn has something to write: the core's own housekeeping.
                self.answer(id, answer);
            }
        }
        for work in again.into_iter().rev() {
            self.pending.push_front(work);
        }
    }
}

fn unreadable(document: &DocumentId, why: &str) {
    tracing::error!(doc = %document.short(), why, "a document on disk cannot be read back; run `accord store verify`");
}

/// Whether a command changes nothing. What its step writes is then the core's own housekeeping.
fn only_reads(command: &Command) -> bool {
    matches!(
        command,
        Command::Status
            | Command::WhoAmI
            | Command::OfficerFind { .. }
            | Command::OfficerList
            | Command::OwnStatements
            | Command::DeviceList
            | Command::CardShow
            | Command::PartnerList
            | Command::Progress
            | Command::PartnerShow { .. }
            | Command::AgreementList
            | Command::AgreementShow { .. }
            | Command::AgreementDiff { .. }
            | Command::BulletinList(_)
            | Command::CaseList(_)
            | Command::DocumentShow { .. }
            | Command::FileList { .. }
            | Command::FileRead { .. }
            | Command::HeldList
            | Command::HeldShow { .. }
            | Command::RetentionList
            | Command::RootList
            | Command::AccessList { .. }
            | Command::AccessExplain { .. }
            | Command::JournalRead { .. }
            | Command::ProofExport { .. }
            | Command::LedgerShow { .. }
            | Command::LedgerDiff { .. }
            | Command::Inbox
            | Command::Events { .. }
    )
}

fn seed() -> Result<[u8; 32], DriverError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| DriverError::Randomness)?;
    Ok(seed)
}

fn to_swarm(peer: AllowedPeer) -> swarm::AllowedPeer {
    swarm::AllowedPeer { transport: peer.transport, addresses: peer.addresses, dial: peer.dial }
}

#[cfg(test)]
mod tests;
