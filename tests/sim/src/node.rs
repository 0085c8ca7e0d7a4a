//! One device: the real core behind an imitation of the driver's loop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use accord_keys::directory::Directory;
use accord_keys::secret::SecretKey;
use accord_protocol::bureau::{Bureau, Identity};
use accord_protocol::id::{BureauId, CertificateId, DocumentId, TransportKey};
use accord_protocol::input::{CommandId, Input, LinkId};
use accord_protocol::step::{AllowedPeer, Gates, Send, Step, Write};
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::{Refused, View};

use crate::disk::Disk;
use crate::standing::Papers;

/// An officer of this device and the key that comes with a login.
#[derive(Clone)]
pub struct Officer {
    /// Name.
    pub name: String,
    /// Certificate of the key in use.
    pub certificate: CertificateId,
    /// The key.
    pub key: Arc<SecretKey>,
}

/// Everything one turn caused, each frame with the epoch it was permitted under.
#[derive(Default)]
pub struct Outcome {
    /// One atomic batch.
    pub writes: Vec<Write>,
    /// Frames with their permit's epoch.
    pub sends: Vec<(Send, u64)>,
    /// Answers.
    pub answers: Vec<(CommandId, Result<View, Refused>)>,
    /// The allow-list, if it changed.
    pub allow: Option<Vec<AllowedPeer>>,
    /// Links to close.
    pub close: Vec<LinkId>,
    /// Bodies to load.
    pub wants: Vec<DocumentId>,
    /// Verifiers need a new directory.
    pub directory_changed: bool,
    /// Epoch after the turn.
    pub gates: Gates,
}

impl Outcome {
    /// Whether nothing came of it.
    pub fn is_idle(&self) -> bool {
        self.writes.is_empty() && self.sends.is_empty() && self.answers.is_empty() && self.close.is_empty() && self.wants.is_empty()
    }
    fn take(&mut self, step: Step) {
        self.writes.extend(step.writes);
        self.sends.extend(step.sends.into_iter().map(|send| (step.gates.of(send.link), send)).map(|(permit, send)| (send, permit)));
        self.answers.extend(step.answers);
        if step.allow.is_some() {
            self.allow = step.allow;
        }
        self.close.extend(step.close);
        self.wants.extend(step.wants);
        self.directory_changed |= step.directory_changed;
        self.gates = step.gates;
    }
}

/// How a device differs from this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It speaks a wire version before all of ours only.
    Older,
    /// It speaks a wire version after ours only.
    Newer,
    /// It speaks the oldest wire version that we still speak, says so in its hello, and lets message types pass that the first builds did not
    /// have.
    Deaf,
}

impl Skew {
    /// The wire version it says it speaks, if another than ours.
    pub fn version(self) -> Option<u8> {
        match self {
            Skew::Older => Some(accord_protocol::wire::OLDEST - 1),
            Skew::Newer => Some(accord_protocol::wire::VERSION + 1),
            Skew::Deaf => None,
        }
    }
}

/// What a hostile device keeps to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swallows {
    /// No statement leaves it.
    Statements,
    /// No document leaves it.
    Documents,
    /// Documents that come are acknowledged and thrown away.
    Incoming,
}

/// See the module.
pub struct Node {
    /// What it keeps to itself.
    pub swallows: Option<Swallows>,
    /// Number of this instance: a cloned device has the same certificate and another number.
    pub instance: usize,
    /// How it differs from this build.
    pub skew: Option<Skew>,
    /// Breaks the rules on purpose; nothing is promised to it.
    pub hostile: bool,
    /// An older copy of its disk, with the officers' key files that lay beside it.
    pub backup: Option<(Disk, Vec<Officer>)>,
    /// The device it is a second copy of.
    pub cloned_from: Option<usize>,
    /// Taken out of service; it is not started again.
    pub retired: bool,
    /// For people.
    pub name: String,
    /// Its bureau.
    pub bureau: BureauId,
    /// Whether it is a laptop.
    pub laptop: bool,
    /// Who it is.
    pub identity: Identity,
    /// The root key of its bureau, where the bureau was founded on it.
    pub root: Option<Arc<SecretKey>>,
    /// Its transport key.
    pub transport: TransportKey,
    /// Its disk.
    pub disk: Disk,
    /// The core while the process runs.
    pub core: Option<Bureau>,
    /// Officers who log in at every start.
    pub officers: Vec<Officer>,
    /// Seconds its wall clock is off.
    pub clock_off: i64,
    /// What it was when the node last read its clock: a jump is not known to it before its next step.
    pub clock_seen: i64,
    /// Its store was put back or doubled, it knows so, and no officer has stated what is missing: no record and nothing to partners.
    pub unconfirmed: bool,
    /// When the process started, world milliseconds.
    pub booted: u64,
    /// Inputs not yet handled.
    pub inbox: VecDeque<Input>,
    /// When it wants to be woken, world milliseconds.
    pub wake_at: Option<u64>,
    /// What its gates compare with.
    pub gates: Gates,
    /// Snapshot of the verifiers.
    pub directory: Option<Arc<Directory>>,
    /// Who may connect.
    pub allow: Vec<AllowedPeer>,
    /// Its links and the connections they are.
    pub links: BTreeMap<LinkId, u64>,
    /// Next link number.
    pub next_link: u64,
    /// Next command number.
    pub next_command: u64,
    /// Starts so far.
    pub starts: u64,
}

impl Node {
    /// Both clocks of this device at a world time.
    pub fn clocks(&self, world_ms: u64, base_wall: u64) -> Now {
        let wall = (base_wall + world_ms / 1_000).saturating_add_signed(self.clock_off);
        Now { mono: MonoMillis(world_ms.saturating_sub(self.booted)), wall: WallSeconds(wall) }
    }

    /// How its bureau stands with others, by its disk.
    pub fn papers(&self) -> Arc<Papers> {
        self.disk.papers(&self.identity.network)
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// Opens the core from what is on disk.
    ///
    /// # Errors
    /// What the core says.
    pub fn boot(&mut self, world_ms: u64, base_wall: u64) -> Result<(), String> {
        self.booted = world_ms;
        self.starts += 1;
        let now = self.clocks(world_ms, base_wall);
        let core = Bureau::open(now, self.identity.clone(), self.disk.rows()).map_err(|e| format!("{} does not open: {e}", self.name))?;
        self.gates = core.gates();
        self.directory = Some(core.directory());
        self.allow = core.allowed();
        self.core = Some(core);
        self.inbox = VecDeque::from([Input::Wake]);
        self.wake_at = None;
        Ok(())
    }

    /// Handles up to `most` inputs as one turn. Nothing is committed or told yet.
    ///
    /// # Errors
    /// When a body on disk cannot be read back.
    pub fn decide(&mut self, most: usize, now: Now, mut seed: impl FnMut() -> [u8; 32]) -> Result<Outcome, String> {
        let mut outcome = Outcome { gates: self.gates.clone(), ..Outcome::default() };
        let Some(core) = self.core.as_mut() else { return Ok(outcome) };
        for _ in 0..most {
            let Some(input) = self.inbox.pop_front() else { break };
            for document in core.needs(&input) {
                core.hold(document, self.disk.items(&document)).map_err(|e| format!("{}: {e}", self.name))?;
            }
            let step = core.handle(now, seed(), input);
            self.wake_at = step.wake_at.map(|at| self.booted + at.0);
            outcome.take(step);
        }
        Ok(outcome)
    }

    /// Loads what the core asked for.
    ///
    /// # Errors
    /// When a body on disk cannot be read back.
    pub fn load(&mut self, wants: &[DocumentId]) -> Result<(), String> {
        let Some(core) = self.core.as_mut() else { return Ok(()) };
        for document in wants {
            core.hold_wanted(*document, self.disk.items(document)).map_err(|e| format!("{}: {e}", self.name))?;
        }
        if !wants.is_empty() {
            self.inbox.push_back(Input::Wake);
        }
        Ok(())
    }
}
