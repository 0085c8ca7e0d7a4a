//! How everything else asks the core: one command in, one answer out, and the events as they happen.
//!
//! A [`Handle`] is cheap to clone. Commands wait in a bounded queue; an answer comes only after what it speaks of is on disk.

use accord_protocol::bundle;
use accord_protocol::input::Command;
use accord_protocol::view::{EventView, Refused, View};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::driver::Clock;
use crate::failure::Failure;
use crate::store::backup::Snapshot;
use crate::store::{Account, CompactProgress};

/// Commands that wait for the driver; more callers wait their turn.
pub const COMMANDS_MAX: usize = 256;
/// Events a slow listener may lag behind before it must page through `Events` again.
pub const EVENTS_LAG_MAX: usize = 4_096;

/// Where the answer to a step of a bundle goes.
pub type BundleReply = oneshot::Sender<Result<bundle::Answer, Refused>>;

/// One thing asked of the driver.
pub enum Ask {
    /// A command for the core.
    Command {
        /// Whose unlocked key acts.
        person: Option<String>,
        /// Say what would happen only.
        dry_run: bool,
        /// What is asked.
        command: Box<Command>,
        /// Where the answer goes; a caller that left is no error.
        reply: oneshot::Sender<Result<View, Refused>>,
    },
    /// A step of packing or unpacking a bundle.
    Bundle {
        /// In whose name.
        person: Option<String>,
        /// What is asked.
        ask: Box<bundle::Ask>,
        /// Where the answer goes.
        reply: BundleReply,
    },
    /// The account as it stands on disk.
    Account {
        /// Where the reader goes.
        reply: oneshot::Sender<Account>,
    },
    /// The store as it stands on disk, for a backup.
    Snapshot {
        /// Where it goes.
        reply: oneshot::Sender<Snapshot>,
    },
    /// A round of compaction.
    Compact {
        /// What about it.
        what: Compact,
        /// How far it is; `None` when one is under way already.
        reply: oneshot::Sender<Option<CompactProgress>>,
    },
    /// Everything the store holds, decrypted: for `accord demo` only.
    Dump {
        /// Where the pieces go.
        reply: oneshot::Sender<Vec<Vec<u8>>>,
    },
}

/// What is asked about a round of compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compact {
    /// Begin one.
    Begin {
        /// Only look.
        dry: bool,
    },
    /// Go on and say how far it is.
    Step,
    /// End it after the file it is at.
    Leave,
}

/// Waits until the daemon is told to stop, or whoever would tell is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The way to the driver.
#[derive(Clone)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    events: broadcast::Sender<EventView>,
    clock: Clock,
}

impl Handle {
    /// A handle and the driver's ends of it.
    pub fn new(clock: Clock) -> (Self, mpsc::Receiver<Ask>, broadcast::Sender<EventView>) {
        let (asks, inbox) = mpsc::channel(COMMANDS_MAX);
        let (events, _) = broadcast::channel(EVENTS_LAG_MAX);
        (Self { asks, events: events.clone(), clock }, inbox, events)
    }

    /// Asks the core, and waits until what it answers is durable.
    ///
    /// # Errors
    /// The core's refusal, or `stopping` when the daemon is on its way down.
    pub async fn ask(&self, person: Option<String>, dry_run: bool, command: Command) -> Result<View, Failure> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Command { person, dry_run, command: Box::new(command), reply };
        self.asks.send(ask).await.map_err(|_| Failure::unreachable("stopping"))?;
        answer.await.map_err(|_| Failure::unreachable("stopping"))?.map_err(Failure::from)
    }

    /// A step of packing or unpacking, and its answer once it is durable.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn bundle(&self, person: Option<String>, ask: bundle::Ask) -> Result<bundle::Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Bundle { person, ask: Box::new(ask), reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        Self::bundle_answer(answer).await
    }

    /// As [`Handle::bundle`], where several share a turn: answered by [`Handle::bundle_answer`], in order for one document.
    ///
    /// # Errors
    /// `stopping` when the daemon is on its way down.
    pub async fn bundle_later(&self, ask: bundle::Ask) -> Result<oneshot::Receiver<Result<bundle::Answer, Refused>>, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Bundle { person: None, ask: Box::new(ask), reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        Ok(answer)
    }

    /// The answer to [`Handle::bundle_later`].
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn bundle_answer(answer: oneshot::Receiver<Result<bundle::Answer, Refused>>) -> Result<bundle::Answer, Failure> {
        answer.await.map_err(|_| Failure::unreachable("stopping"))?.map_err(Failure::from)
    }

    /// Asks in nobody's name.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn command(&self, command: Command) -> Result<View, Failure> {
        self.ask(None, false, command).await
    }

    /// The account as it stands on disk; whether somebody may read it is the core's question.
    ///
    /// # Errors
    /// `stopping` when the daemon is on its way down.
    pub async fn account(&self) -> Result<Account, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Account { reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        answer.await.map_err(|_| Failure::unreachable("stopping"))
    }

    /// The store as it stands on disk, for a backup.
    ///
    /// # Errors
    /// `stopping` when the daemon is on its way down.
    pub async fn snapshot(&self) -> Result<Snapshot, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Snapshot { reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        answer.await.map_err(|_| Failure::unreachable("stopping"))
    }

    /// Begins a round of compaction, to be driven by [`Handle::compact_step`]; `None` when one is under way already.
    ///
    /// # Errors
    /// `stopping` when the daemon is on its way down.
    pub async fn compact_begin(&self, dry: bool) -> Result<Option<CompactProgress>, Failure> {
        self.compact(Compact::Begin { dry }).await
    }

    /// Takes the round a step on.
    ///
    /// # Errors
    /// As [`Handle::compact_begin`].
    pub async fn compact_step(&self) -> Result<CompactProgress, Failure> {
        self.compact(Compact::Step).await.map(Option::unwrap_or_default)
    }

    /// Ends the round after the file it is at.
    ///
    /// # Errors
    /// As [`Handle::compact_begin`].
    pub async fn compact_leave(&self) -> Result<(), Failure> {
        self.compact(Compact::Leave).await.map(|_| ())
    }

    async fn compact(&self, what: Compact) -> Result<Option<CompactProgress>, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Compact { what, reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        answer.await.map_err(|_| Failure::unreachable("stopping"))
    }

    /// Everything the store holds, decrypted.
    ///
    /// # Errors
    /// `stopping` when the daemon is on its way down.
    pub async fn dump(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Dump { reply }).await.map_err(|_| Failure::unreachable("stopping"))?;
        answer.await.map_err(|_| Failure::unreachable("stopping"))
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<EventView> {
        self.events.subscribe()
    }

    /// The daemon's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}
