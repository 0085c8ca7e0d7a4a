//! The world: virtual time, connections that delay, break and come back, processes that crash and start again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use accord_protocol::id::{BureauId, DocumentId, NetworkId};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::step::Table;
use accord_protocol::time::MonoMillis;
use accord_protocol::view::{DocumentView, Refused, RefusedKind, View};
use accord_protocol::wire;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::figures::Figures;
use crate::node::{Node, Outcome};
use crate::oracle::Oracle;
use crate::watch::Watch;
use crate::world::meter::{Meter, Service};

pub mod meter;
mod network;

/// Wall time at which every world begins: 2030-01-01.
pub const BASE_WALL: u64 = 1_893_456_000;

/// A deliberate fault of the driver, to show that the suite notices: `ACCORD_SIM_FAULT=tells` or `gate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverFault {
    /// None.
    #[default]
    Sound,
    /// Sends and answers before it commits.
    TellsBeforeCommit,
    /// Never compares the policy epoch at hand-off.
    IgnoresGate,
}

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest and longest way of a frame, milliseconds.
    pub delay: (u64, u64),
    /// Longest wait in the sender's queue before hand-off, milliseconds.
    pub queue: u64,
    /// Crash chance per turn, in ten thousandths.
    pub crash: u32,
    /// Inputs per turn at most.
    pub batch: usize,
    /// Chance that a new link begins with a frame of an older one, in ten thousandths.
    pub replay: u32,
    /// Chance that a connection dies with a frame, in ten thousandths.
    pub drop: u32,
    /// Chance that a frame arrives twice, in ten thousandths.
    pub duplicate: u32,
    /// Chance that a frame overtakes the one before it, in ten thousandths.
    pub reorder: u32,
    /// Chance that a packet is lost and sent once more, in ten thousandths: the frame takes another round trip.
    pub loss: u32,
    /// Every connection has one way time, drawn evenly; else each frame draws its own and most connections are quick.
    pub steady: bool,
}

/// A quiet day.
pub const CALM: Weather =
    Weather { delay: (1, 5), queue: 0, crash: 0, batch: 8, replay: 0, drop: 0, duplicate: 0, reorder: 0, loss: 0, steady: false };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The swarm of one end takes the next frame of its queue.
    HandOff(u64, usize),
    /// The next frame reaches the other end.
    Arrive(u64, usize),
    /// A node asked to be woken.
    Wake(usize),
    /// Nodes that may connect and do not, try.
    Dial,
    /// A crashed node starts.
    Boot(usize),
}

enum Queued {
    Frame { bytes: Vec<u8>, permit: Option<u64> },
    Close,
}

enum OnWire {
    Frame(Vec<u8>),
    /// Not what the sender's core said.
    Forged(Vec<u8>),
    Down,
}

struct Connection {
    ends: [usize; 2],
    links: [LinkId; 2],
    /// Whether this end still believes in the connection.
    up: [bool; 2],
    queue: [VecDeque<Queued>; 2],
    wire: [VecDeque<OnWire>; 2],
    arrives: [u64; 2],
    /// Shortest and longest way of a frame, milliseconds: drawn for each connection.
    delay: (u64, u64),
    since: u64,
}

/// See the module.
pub struct World {
    /// Seed it was made from.
    pub seed: u64,
    /// Virtual time, milliseconds.
    pub now: u64,
    /// Dice of people and tests.
    pub rng: SmallRng,
    /// Dice of networks and processes.
    pub net: SmallRng,
    /// Dice of what came to the simulation after its first seeds were kept: a world without that draws nothing else.
    pub later: SmallRng,
    /// Whether some home node was put back or doubled: officers are asked to rule.
    pub shaken: bool,
    /// Dice of the life of agreements, where they have one.
    pub life: Option<SmallRng>,
    /// Dice that say when a cheat is one of those that came later, where they may come.
    pub newer: Option<SmallRng>,
    /// The network all statements are bound to.
    pub network: NetworkId,
    /// Devices.
    pub nodes: Vec<Node>,
    /// How the network behaves now.
    pub weather: Weather,
    /// Pairs of nodes that cannot reach each other.
    pub parted: BTreeSet<(usize, usize)>,
    /// What judges the core.
    pub oracle: Oracle,
    /// What watches bounds, accounts and secrets.
    pub watch: Watch,
    /// The last hello of each way.
    pub hellos: BTreeMap<(usize, usize), Vec<u8>>,
    /// A deliberate fault.
    pub fault: DriverFault,
    /// Numbers of this world.
    pub figures: Figures,
    /// Turns taken.
    pub turns: u64,
    /// Crash whoever takes the turn of this number: before its commit (`true`) or after it.
    pub crash_at: Option<(u64, bool)>,
    /// Every frame handed over: from, to, bytes. Only kept when asked for by [`World::keep_said`].
    pub said: Vec<(usize, usize, Vec<u8>)>,
    /// Whether `said` is kept.
    pub keep_said: bool,
    /// Whether the oracle and the watch judge what happens. A world that only measures does without: they cost more than the core.
    pub judged: bool,
    /// Who counts, in a world that measures.
    pub meter: Option<Box<dyn Meter>>,
    /// How long work takes; nothing takes any time where this is `None`.
    pub service: Option<Service>,
    /// Until when each device is busy, microseconds.
    busy: BTreeMap<usize, u64>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    serial: u64,
    connections: BTreeMap<u64, Connection>,
    answers: BTreeMap<(usize, CommandId), Result<View, Refused>>,
    /// Turns that wrote, sent, answered or closed something.
    effects: u64,
    /// Whether a trace is kept. A run without one is the same run: a failing seed is simply run again.
    pub tracing: bool,
    trace: VecDeque<String>,
    old_frames: BTreeMap<(usize, usize), Vec<Vec<u8>>>,
    wake_planned: BTreeMap<usize, u64>,
    dial_planned: u64,
    /// Wake-ups of a node without any effect, and since when they are counted.
    idle_wakes: BTreeMap<usize, (u64, u32)>,
    /// Pairs that could not stay connected: when they are tried again, and after which wait.
    dial_again: BTreeMap<(usize, usize), (u64, u64)>,
}

impl World {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            now: 0,
            rng: SmallRng::seed_from_u64(seed),
            net: SmallRng::seed_from_u64(seed ^ 0x6e65_7477_6f72_6b00),
            later: SmallRng::seed_from_u64(seed ^ 0x6c61_7465_7200_0000),
            shaken: false,
            life: None,
            newer: None,
            network: NetworkId::named("sim"),
            nodes: Vec::new(),
            weather: CALM,
            parted: BTreeSet::new(),
            oracle: Oracle::default(),
            watch: Watch::default(),
            hellos: BTreeMap::new(),
            fault: match std::env::var("ACCORD_SIM_FAULT").as_deref() {
                Ok("tells") => DriverFault::TellsBeforeCommit,
                Ok("gate") => DriverFault::IgnoresGate,
                _ => DriverFault::Sound,
            },
            figures: Figures::default(),
            turns: 0,
            crash_at: None,
            said: Vec::new(),
            keep_said: false,
            judged: true,
            meter: None,
            service: None,
            busy: BTreeMap::new(),
            events: BinaryHeap::new(),
            serial: 0,
            connections: BTreeMap::new(),
            answers: BTreeMap::new(),
            effects: 0,
            tracing: true,
            trace: VecDeque::new(),
            old_frames: BTreeMap::new(),
            wake_planned: BTreeMap::new(),
            dial_planned: 0,
            idle_wakes: BTreeMap::new(),
            dial_again: BTreeMap::new(),
        };
        world.plan_dial(100);
        world
    }

    /// Ends the test with everything needed to see it again.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, why: &str) -> ! {
        let trace: Vec<&str> = self.trace.iter().map(String::as_str).collect();
        panic!(
            "{}\n{} ms, seed {}: {why}\nrepeat: cargo run --release -p accord-sim -- --seed {} --trace",
            trace.join("\n"),
            self.now,
            self.seed,
            self.seed
        );
    }

    /// Notes a line for the trace of a failure.
    pub fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if !self.tracing {
            return;
        }
        let line = line(self);
        if self.trace.len() == 20_000 {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>9} {line}", self.now));
    }

    fn plan(&mut self, after: u64, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((self.now + after, self.serial, event)));
    }

    /// 32 bytes from the dice.
    pub fn draw32(&mut self) -> [u8; 32] {
        self.rng.random()
    }

    // ---- time ----

    /// Lets virtual time pass.
    pub fn run(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > until {
                break;
            }
            self.events.pop();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = until;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::HandOff(id, end) => self.hand_off(id, end),
            Event::Arrive(id, end) => self.arrive(id, end),
            Event::Wake(node) => {
                if self.wake_planned.get(&node) == Some(&self.now) {
                    self.wake_planned.remove(&node);
                }
                if self.nodes[node].is_up() && self.nodes[node].wake_at.is_some_and(|at| at <= self.now) {
                    self.nodes[node].wake_at = None;
                    self.nodes[node].inbox.push_back(Input::Wake);
                    let before = self.effects;
                    self.work(node);
                    self.watch_rest(node, before);
                } else {
                    self.plan_wake(node);
                }
            }
            Event::Dial => {
                if self.dial_planned == self.now {
                    self.dial();
                }
            }
            Event::Boot(node) => {
                if !self.nodes[node].is_up() {
                    self.boot(node);
                }
            }
        }
    }

    /// I12: a node that asks to be woken has something to do then; one that spins burns a core for nothing.
    fn watch_rest(&mut self, node: usize, before: u64) {
        let (since, idle) = self.idle_wakes.entry(node).or_insert((self.now, 0));
        if self.effects != before || self.now > *since + 60_000 {
            (*since, *idle) = (self.now, 0);
        }
        *idle += 1;
        if *idle > 300 {
            let why = format!("I12: {} wakes again and again and does nothing", self.nodes[node].name);
            self.fail(&why);
        }
    }

    // ---- turns ----

    /// Takes turns until the inbox of a node is empty or it crashed.
    pub fn work(&mut self, n: usize) {
        let mut rounds = 0;
        while self.nodes[n].is_up() && !self.nodes[n].inbox.is_empty() {
            self.turn(n);
            rounds += 1;
            if rounds > 5_000 {
                self.fail("a node does not come to rest");
            }
        }
        self.plan_wake(n);
    }

    fn plan_wake(&mut self, n: usize) {
        let Some(at) = self.nodes[n].wake_at.filter(|_| self.nodes[n].is_up()) else { return };
        let at = at.max(self.now + 1);
        if self.wake_planned.get(&n).is_none_or(|planned| *planned > at || *planned < self.now) {
            self.wake_planned.insert(n, at);
            self.plan(at - self.now, Event::Wake(n));
        }
    }

    fn turn(&mut self, n: usize) {
        self.turns += 1;
        self.nodes[n].clock_seen = self.nodes[n].clock_off;
        let batch = self.net.random_range(1..=self.weather.batch);
        let crash = self.weather.crash > 0 && self.net.random_range(0..10_000) < self.weather.crash;
        let before_commit = self.net.random_bool(0.5);
        let (crash, before_commit) = match self.crash_at {
            Some((turn, before)) if turn == self.turns => (true, before),
            _ => (crash, before_commit),
        };
        let now = self.nodes[n].clocks(self.now, BASE_WALL);
        let mut dice = SmallRng::seed_from_u64(self.net.random());
        self.begins();
        let mut outcome = match self.nodes[n].decide(batch, now, || dice.random()) {
            Ok(outcome) => outcome,
            Err(why) => self.fail(&why),
        };
        self.worked(n);
        self.effects += u64::from(!outcome.is_idle());
        if self.fault == DriverFault::TellsBeforeCommit {
            let writes = std::mem::take(&mut outcome.writes);
            self.dispatch(n, outcome);
            if crash && before_commit {
                return self.crash(n);
            }
            return self.commit(n, &writes);
        }
        if crash && before_commit {
            return self.crash(n);
        }
        let writes = std::mem::take(&mut outcome.writes);
        self.commit(n, &writes);
        if crash {
            return self.crash(n);
        }
        self.dispatch(n, outcome);
    }

    fn commit(&mut self, n: usize, writes: &[accord_protocol::step::Write]) {
        if let Err(why) = self.nodes[n].disk.commit(writes) {
            let why = format!("I8: {}: {why}", self.nodes[n].name);
            self.fail(&why);
        }
        if let Some(core) = self.nodes[n].core.as_mut() {
            core.committed();
            // Rows of documents leave memory at any time, and nobody may see a difference.
            if writes.len() % 4 == 1 {
                core.rest_in_memory();
            }
        }
        self.stored(n, writes);
        if !self.judged {
            return;
        }
        self.oracle.committed(&self.nodes[n], writes);
        if let Err(why) = self.watch.committed(&self.nodes[n], writes, self.now) {
            self.fail(&why);
        }
        for line in crate::watch::refusals(writes) {
            self.note(|world| format!("{} notes {line}", world.nodes[n].name));
        }
    }

    /// Commits and tells what a turn caused.
    pub fn finish(&mut self, n: usize, mut outcome: Outcome) {
        let writes = std::mem::take(&mut outcome.writes);
        self.commit(n, &writes);
        self.dispatch(n, outcome);
    }

    fn dispatch(&mut self, n: usize, outcome: Outcome) {
        self.nodes[n].gates = outcome.gates;
        if outcome.directory_changed {
            self.nodes[n].directory = self.nodes[n].core.as_ref().map(|core| core.directory());
        }
        if let Some(allow) = outcome.allow {
            self.nodes[n].allow = allow;
            self.drop_disallowed(n);
            self.plan_dial(500);
        }
        for (send, epoch) in outcome.sends {
            let Some(id) = self.nodes[n].links.get(&send.link).copied() else { continue };
            let end = self.end_of(id, n);
            let frame = Queued::Frame { bytes: send.bytes, permit: send.gated.then_some(epoch) };
            self.enqueue(id, end, frame);
        }
        for link in outcome.close {
            let Some(id) = self.nodes[n].links.get(&link).copied() else { continue };
            let end = self.end_of(id, n);
            self.enqueue(id, end, Queued::Close);
        }
        for (id, answer) in outcome.answers {
            if self.judged {
                self.oracle.answered(&self.nodes[n], &answer);
            }
            self.answers.insert((n, id), answer);
        }
        if let Err(why) = self.nodes[n].load(&outcome.wants) {
            self.fail(&why);
        }
        self.oracle_verdict();
    }

    // ---- measuring ----

    fn begins(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.begins();
        }
    }

    fn worked(&mut self, n: usize) {
        if let Some(meter) = &mut self.meter {
            meter.worked(n);
        }
    }

    /// Keeps a device busy for some time, behind what it does already; answers until when, microseconds.
    fn occupy(&mut self, n: usize, micros: u64) -> u64 {
        let until = self.busy.get(&n).copied().unwrap_or(0).max(self.now * 1_000) + micros;
        self.busy.insert(n, until);
        until
    }

    fn stored(&mut self, n: usize, writes: &[accord_protocol::step::Write]) {
        let commit = self.service.filter(|_| !writes.is_empty()).map_or(0, |service| service.commit_us);
        let at = self.occupy(n, commit);
        if let Some(meter) = &mut self.meter {
            meter.stored(n, at, writes);
        }
    }

    fn oracle_verdict(&mut self) {
        if let Some(why) = self.oracle.verdict.take() {
            self.fail(&why);
        }
    }

    // ---- processes ----

    /// Loses everything not committed; starts again within a minute.
    pub fn crash(&mut self, n: usize) {
        if !self.nodes[n].is_up() {
            return;
        }
        self.figures.count("faults", "crash");
        self.note(|world| format!("{} crashes", world.nodes[n].name));
        self.stop(n);
        let wait = self.net.random_range(10..60_000);
        self.plan(wait, Event::Boot(n));
    }

    /// Ends a process as a power cut does; it stays down until somebody starts it.
    pub fn stop(&mut self, n: usize) {
        self.nodes[n].core = None;
        self.nodes[n].inbox.clear();
        self.nodes[n].wake_at = None;
        let links = std::mem::take(&mut self.nodes[n].links);
        for id in links.into_values() {
            let end = self.end_of(id, n);
            self.hang_up(id, end);
        }
    }

    /// Starts a node from its disk; its officers log in again.
    pub fn boot(&mut self, n: usize) {
        if self.nodes[n].retired {
            return;
        }
        self.note(|world| format!("{} starts", world.nodes[n].name));
        let now = self.now;
        if let Err(why) = self.nodes[n].boot(now, BASE_WALL) {
            self.fail(&why);
        }
        self.plan_dial(500);
        for officer in self.nodes[n].officers.clone() {
            let command = Command::Unlock { name: officer.name, certificate: officer.certificate, signer: officer.key };
            // Refused after a reset: that officer simply stays logged out.
            let _ = self.order(n, command);
        }
        self.work(n);
    }

    /// Stops and starts a node at once.
    pub fn restart(&mut self, n: usize) {
        self.crash(n);
        if !self.nodes[n].is_up() {
            self.boot(n);
        }
    }

    // ---- commands ----

    /// Puts a command into the inbox.
    pub fn order(&mut self, n: usize, command: Command) -> CommandId {
        self.nodes[n].next_command += 1;
        let id = CommandId(self.nodes[n].next_command);
        self.nodes[n].inbox.push_back(Input::Command { id, person: None, dry_run: false, command });
        id
    }

    /// Gives a command and waits for the answer; `None` when the node is down or crashed before it answered.
    pub fn try_ask(&mut self, n: usize, command: Command) -> Option<Result<View, Refused>> {
        if !self.nodes[n].is_up() {
            return None;
        }
        let id = self.order(n, command);
        self.work(n);
        self.answers.remove(&(n, id))
    }

    /// Gives a command. While nothing crashes a node that is down is started first; else its silence is a refusal with code `silent`.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&mut self, n: usize, command: Command) -> Result<View, Refused> {
        if self.nodes[n].retired {
            return Err(Refused::new(RefusedKind::Fault, "silent"));
        }
        if !self.nodes[n].is_up() && self.weather.crash == 0 && self.crash_at.is_none_or(|(turn, _)| turn < self.turns) {
            self.boot(n);
        }
        match self.try_ask(n, command) {
            Some(answer) => answer,
            None if self.weather.crash > 0 || self.crash_at.is_some() => Err(Refused::new(RefusedKind::Fault, "silent")),
            None => self.fail("a command was not answered"),
        }
    }

    /// A document as a node shows it; `None` where it does not hold it.
    pub fn show(&mut self, n: usize, document: &DocumentId) -> Option<DocumentView> {
        match self.ask(n, Command::DocumentShow { id: document.to_string() }) {
            Ok(View::Document(view)) => Some(view),
            _ => None,
        }
    }

    // ---- looking ----

    /// Documents any disk knows.
    pub fn documents(&self) -> BTreeSet<DocumentId> {
        self.documents_of(|_| true)
    }

    /// Ids of every document some node still in use holds: what only a withdrawn copy of a device ever had went with it.
    pub fn documents_in_use(&self) -> BTreeSet<DocumentId> {
        self.documents_of(|node| !node.retired)
    }

    fn documents_of(&self, which: impl Fn(&Node) -> bool) -> BTreeSet<DocumentId> {
        let rows = self.nodes.iter().filter(|node| which(node)).flat_map(|node| node.disk.table(Table::Documents));
        rows.filter_map(|(key, _)| DocumentId::from_slice(key)).collect()
    }

    /// Whether a node lists a document.
    pub fn holds(&self, n: usize, document: &DocumentId) -> bool {
        self.nodes[n].disk.get(Table::Documents, &document.0).is_some()
    }

    /// Nodes of a bureau.
    pub fn nodes_of(&self, bureau: &BureauId) -> Vec<usize> {
        (0..self.nodes.len()).filter(|n| self.nodes[*n].bureau == *bureau).collect()
    }

    /// Uptime of a node.
    pub fn uptime(&self, n: usize) -> MonoMillis {
        self.nodes[n].clocks(self.now, BASE_WALL).mono
    }
}

/// One line about a frame, for traces.
fn describe(network: &NetworkId, bytes: &[u8]) -> String {
    match wire::Message::decode(bytes) {
        Ok(wire::Message::Hello(hello)) => format!("hello {:?} cursor {}", hello.certificate, hello.cursor.is_some()),
        Ok(wire::Message::Statements(items)) => {
            let named: Vec<String> = items.iter().map(|item| name_statement(network, &item.0)).collect();
            format!("statements {}", named.join(", "))
        }
        Ok(wire::Message::Agreements(items)) => format!("{} agreement statements", items.len()),
        Ok(wire::Message::Push(push)) => format!(
            "push {} of {:?}: genesis {} records {} segments {} evidence {} cursor {}",
            push.mark,
            push.document,
            push.genesis.is_some(),
            push.records.len(),
            push.segments.len(),
            push.evidence.len(),
            push.cursor.is_some()
        ),
        Ok(wire::Message::Welcome(_)) => "welcome".to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("garbage: {error}"),
    }
}

/// Kind and beginning of the id of a statement about identities.
fn name_statement(network: &NetworkId, bytes: &[u8]) -> String {
    use wire::IdentityStatement as S;
    let (kind, id) = match S::from_bytes(network, bytes) {
        Ok(S::Root(s)) => ("root", s.id()),
        Ok(S::Certificate(s)) => ("certificate", s.id()),
        Ok(S::Revocation(s)) => ("revocation", s.id()),
        Ok(S::Appointment(s)) => ("appointment", s.id()),
        Ok(S::ClockReset(s)) => ("clock reset", s.id()),
        Ok(S::Contact(s)) => ("contact", s.id()),
        Err(_) => return "garbled".to_owned(),
    };
    format!("{kind} {}", id.short())
}
