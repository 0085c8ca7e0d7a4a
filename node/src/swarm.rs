//! The links to partners' nodes: dial, listen, carry frames.
//!
//! The swarm knows transport keys and bytes. It never reads a frame and never decides who is a partner: the driver gives it the list of
//! keys ([`SwarmCommand::Allow`]) and whatever is not on it is refused before it gets a stream.
//!
//! ```text
//! Allow --dial or be dialled--> Up --Frame, Frame, ...--> Down --pause with jitter--> dialled again
//! ```
//!
//! One connection carries one link, a link carries frames of at most [`limits::FRAME_BYTES_MAX`] bytes in order. QUIC is tried first, TCP
//! with TLS and yamux beside it a moment later. Of two connections between one pair one stays, the same one on both sides. Nothing here
//! waits for a partner without a bound (`limits`), and no partner can make another wait: each link has its own task and queue. The
//! wire format is in `docs/PROTOCOL.md`.

#![expect(clippy::disallowed_methods, reason = "pauses and time limits of connections: they may delay, they decide nothing")]

mod addresses;
mod behaviour;
mod bucket;
mod codec;
mod hub;
pub mod limits;
mod link;
mod mux;
mod packing;
mod redial;
#[cfg(test)]
mod tests;
mod traffic;
mod transport;

use std::{
    ffi::OsStr,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use accord_keys::id::TransportKey;
use libp2p::identity;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

pub use addresses::{AddressError, check_address, check_listen, port_of};
pub use codec::Garbage;
pub use limits::Limits;
pub use traffic::{Traffic, TrafficView};

/// One link, unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The transport a link runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Over {
    /// QUIC version 1 (RFC 9000) over UDP.
    Quic,
    /// TCP with TLS 1.3 and yamux.
    Tcp,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TCP",
        })
    }
}

/// A key that may connect, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedPeer {
    /// The key it must prove.
    pub transport: TransportKey,
    /// `host:port` or multiaddrs; at most [`limits::ADDRESSES_PER_PEER_MAX`] are used.
    pub addresses: Vec<String>,
    /// Whether we dial it, again and again, while there is no link.
    pub dial: bool,
}

/// Closes when the policy a frame was permitted under changes.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The link's number in force (policy and what was made stale for it alone), shared with whoever raises it.
    pub epoch: Arc<AtomicU64>,
    /// That number when the permit was given.
    pub permit_epoch: u64,
}

impl Gate {
    /// Whether the permit still holds.
    pub fn is_open(&self) -> bool {
        self.epoch.load(Ordering::Acquire) == self.permit_epoch
    }
}

/// A frame to send. `Debug` shows its length only.
#[derive(Clone)]
pub struct OutFrame {
    /// 1 to [`limits::FRAME_BYTES_MAX`] bytes; others are dropped and reported. Compressed on the wire where that helps.
    pub bytes: Vec<u8>,
    /// Asked at hand-off to the transport: closed means the frame is dropped and reported.
    pub gate: Option<Gate>,
}

impl fmt::Debug for OutFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutFrame({} bytes{})", self.bytes.len(), if self.gate.is_some() { ", gated" } else { "" })
    }
}

/// What the driver asks of the swarm.
#[derive(Debug)]
pub enum SwarmCommand {
    /// Replaces the whole list of keys: links to keys no longer on it end at once, new ones with `dial` are dialled.
    Allow(Vec<AllowedPeer>),
    /// Queues a frame. A link that is already down swallows it; its [`SwarmEvent::Down`] is on its way.
    Send {
        /// Over which link.
        link: LinkId,
        /// What.
        frame: OutFrame,
    },
    /// Sends what is queued, says goodbye and ends the link, within [`Limits::close_flush`].
    Close {
        /// Which link.
        link: LinkId,
        /// What the partner's [`DownReason::ClosedByPartner`] will hold: below [`bye::DUPLICATE`], given a meaning by the session.
        reason: u8,
    },
    /// Dials this key now instead of at the end of its pause, and starts pauses afresh.
    Wake(TransportKey),
    /// Dials an address once and says what came of it. Disturbs no link; the key must be allowed.
    Probe {
        /// The key expected there.
        transport: TransportKey,
        /// `host:port` or a multiaddr.
        address: String,
        /// Gets the answer within about three handshake times.
        reply: oneshot::Sender<ProbeOutcome>,
    },
    /// Ends all links in order, within [`Limits::close_flush`], then the swarm. Dropping all senders does the same.
    Stop,
}

/// What the swarm tells the driver. `Debug` shows lengths, never content.
#[derive(Clone, PartialEq, Eq)]
pub enum SwarmEvent {
    /// We can be reached here: once for each transport and interface.
    Listening {
        /// `host:port`.
        address: String,
        /// The transport.
        over: Over,
    },
    /// A link stands. The first event of its life.
    Up {
        /// Which link.
        link: LinkId,
        /// The key the partner proved.
        transport: TransportKey,
        /// We dialled.
        outgoing: bool,
        /// The partner's `host:port`.
        address: String,
        /// The transport.
        over: Over,
    },
    /// A link has ended. The last event of its life.
    Down {
        /// Which link.
        link: LinkId,
        /// Why.
        reason: DownReason,
    },
    /// A frame arrived.
    Frame {
        /// Over which link.
        link: LinkId,
        /// 1 to [`limits::FRAME_BYTES_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// Frames were not sent because their gate had closed, or because they were empty or too long.
    Dropped {
        /// On which link.
        link: LinkId,
        /// How many since the last such event.
        frames: u64,
    },
    /// Somebody was not let in. Rare: of a flood one a second is reported.
    Refused {
        /// From where, `host:port`.
        address: String,
        /// The key, if it got so far as to prove one.
        transport: Option<TransportKey>,
        /// Why.
        reason: RefusedReason,
        /// How many refusals before this one were not reported.
        unreported: u64,
    },
    /// A dial came to nothing; the next one follows after a pause.
    DialFailed {
        /// Whom we tried to reach.
        transport: TransportKey,
        /// The addresses tried, as configured, separated by commas.
        address: String,
        /// What went wrong.
        error: DialProblem,
    },
}

impl fmt::Debug for SwarmEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { address, over } => write!(f, "Listening({address} {over})"),
            Self::Up { link, transport, outgoing, address, over } => {
                write!(f, "Up({} {} {address} {over} {})", link.0, transport.short(), if *outgoing { "outgoing" } else { "incoming" })
            }
            Self::Down { link, reason } => write!(f, "Down({} {reason:?})", link.0),
            Self::Frame { link, bytes } => write!(f, "Frame({} {} bytes)", link.0, bytes.len()),
            Self::Dropped { link, frames } => write!(f, "Dropped({} {frames} frames)", link.0),
            Self::Refused { address, transport, reason, unreported } => {
                write!(f, "Refused({address} {} {reason:?} and {unreported} before)", transport.map_or("?".to_owned(), |key| key.short()))
            }
            Self::DialFailed { transport, address, error } => write!(f, "DialFailed({} {address} {error:?})", transport.short()),
        }
    }
}

/// Goodbyes the transport itself sends. Those below [`bye::DUPLICATE`] belong to the session.
pub mod bye {
    /// Another connection between the same two keys stays.
    pub const DUPLICATE: u8 = 0x80;
    /// The node is stopping.
    pub const STOPPING: u8 = 0x81;
    /// You broke the frame format.
    pub const GARBAGE: u8 = 0x82;
    /// You were silent, or began a frame and did not go on.
    pub const TOO_SLOW: u8 = 0x83;
    /// You sent empty frames without end.
    pub const FLOOD: u8 = 0x84;
    /// You did not take what waits for you.
    pub const OVERFLOW: u8 = 0x85;
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DownReason {
    /// The driver asked for it, with this goodbye.
    #[error("closed here with reason {0}")]
    ClosedHere(u8),
    /// The partner said goodbye: below [`bye::DUPLICATE`] its session's reason, else one of [`bye`].
    #[error("closed by the partner with reason {0}")]
    ClosedByPartner(u8),
    /// The connection broke or was closed without a goodbye.
    #[error("connection lost: {0}")]
    Lost(String),
    /// Another connection between the same two keys took over.
    #[error("replaced by another connection to the same partner")]
    Replaced,
    /// The key is no longer on the list.
    #[error("no longer allowed")]
    NotAllowed,
    /// The partner broke the frame format.
    #[error("garbage: {0}")]
    Garbage(Garbage),
    /// No frame with content within [`Limits::first_frame`].
    #[error("no first frame")]
    NoFirstFrame,
    /// A frame begun did not go on, see [`Limits::progress_window`].
    #[error("a frame arrived too slowly")]
    TooSlow,
    /// Nothing, not even an empty frame, within [`Limits::silence`].
    #[error("silent")]
    Silent,
    /// Empty frames without end.
    #[error("flood of empty frames")]
    Flood,
    /// More than [`Limits::queue_bytes_max`] wait to go out.
    #[error("{queued} bytes wait for the partner")]
    Overflow {
        /// Bytes that waited.
        queued: usize,
    },
    /// The partner accepted no byte within [`Limits::write_stall`].
    #[error("the partner takes nothing")]
    Stalled,
    /// The swarm stops.
    #[error("the node is stopping")]
    Stopped,
    /// A bug of ours ended the task of this link.
    #[error("internal error on this link")]
    Fault,
}

impl DownReason {
    /// What the partner is told; nothing where there is nobody to tell or it is none of its business.
    fn bye(&self) -> Option<u8> {
        match self {
            Self::Garbage(_) => Some(bye::GARBAGE),
            Self::NoFirstFrame | Self::TooSlow | Self::Silent => Some(bye::TOO_SLOW),
            Self::Flood => Some(bye::FLOOD),
            Self::Overflow { .. } | Self::Stalled => Some(bye::OVERFLOW),
            Self::Replaced => Some(bye::DUPLICATE),
            Self::Stopped => Some(bye::STOPPING),
            Self::ClosedHere(reason) => Some(*reason),
            Self::ClosedByPartner(_) | Self::Lost(_) | Self::NotAllowed | Self::Fault => None,
        }
    }
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReason {
    /// Its key is not on the list.
    NotListed,
    /// Too many attempts from its place.
    TooManyAttempts,
    /// Too many connections, in all or to this key.
    TooManyConnections,
}

/// Why a dial came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DialProblem {
    /// The address, or each of them, is unusable.
    #[error("{0}")]
    Address(AddressError),
    /// Reached nobody.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Somebody else answers there.
    #[error("another key answers there: {}", found.map_or("not an Ed25519 key".to_owned(), |key| key.to_string()))]
    WrongIdentity {
        /// The key that answered, if it is one of ours in kind.
        found: Option<TransportKey>,
    },
    /// The right key answered and closed the connection: we are not on its list, or it has no room.
    #[error("reached, but not let in: not on the other side's list, or it has no room")]
    NotListed,
    /// The right key answered, but speaks another version.
    #[error("reached, but it does not speak this version")]
    OtherVersion,
    /// Nobody answered in time.
    #[error("timed out")]
    TimedOut,
    /// The key is not on our own list.
    #[error("not on our own list")]
    NotAllowedHere,
    /// The key is not a valid Ed25519 key.
    #[error("not a valid transport key")]
    InvalidKey,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The right key answers there and lets us in.
    Reached {
        /// `host:port` that answered.
        address: String,
        /// The transport that answered first.
        over: Over,
        /// From the start of the dial to the answer.
        after: Duration,
    },
    /// It does not work.
    Failed(DialProblem),
}

/// Called with the partner's key and every plaintext frame at the moment it is handed to the transport.
pub type Tap = Arc<dyn Fn(&TransportKey, &[u8]) + Send + Sync>;

/// How to start the swarm.
#[derive(Clone)]
pub struct SwarmConfig {
    /// Where to listen: `ip:port` for both transports, or multiaddrs for one. Port 0 takes a free one, the same for both. Never chosen
    /// for the operator: an empty list only dials.
    pub listen: Vec<String>,
    /// Use QUIC. Default yes.
    pub quic: bool,
    /// Use TCP. Default yes.
    pub tcp: bool,
    /// Bounds.
    pub limits: Limits,
    /// Watches what leaves: for tests and demonstrations of what does not.
    pub tap: Option<Tap>,
    /// Where bytes and frames are counted.
    pub traffic: Arc<Traffic>,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self { listen: Vec::new(), quic: true, tcp: true, limits: Limits::default(), tap: None, traffic: Arc::default() }
    }
}

impl fmt::Debug for SwarmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwarmConfig")
            .field("listen", &self.listen)
            .field("quic", &self.quic)
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

/// Why the swarm does not start.
#[derive(Debug, Error)]
pub enum SwarmError {
    /// `SSLKEYLOGFILE` is set: the TLS library would write every session key to that file.
    #[error("environment variable SSLKEYLOGFILE is set: it would disclose the keys of every connection; unset it")]
    KeyLog,
    /// Both transports are switched off.
    #[error("both QUIC and TCP are switched off")]
    NoTransport,
    /// A listen address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Another program, or another daemon, listens there.
    #[error("address {address} is in use by another program ({over})")]
    AddressInUse {
        /// The address.
        address: String,
        /// The transport that found it taken.
        over: Over,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {address} ({over}): {source}")]
    Listen {
        /// The address.
        address: String,
        /// The transport.
        over: Over,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The seed is no key.
    #[error("the transport seed is not a valid key")]
    Seed,
}

/// A frame as it goes onto the control stream: header and body, compressed where that saves an eighth. For measuring what a message costs.
///
/// # Panics
/// When `frame` is longer than [`limits::FRAME_BYTES_MAX`].
pub fn frame_on_wire(frame: &[u8]) -> Vec<u8> {
    assert!(frame.len() <= limits::FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
    let mut out = Vec::new();
    codec::encode(frame, &mut out);
    out
}

/// What the frames of one direction of a link become on the control stream: for measuring.
pub struct OnWire(packing::Packer);

impl OnWire {
    /// Between nodes of this version.
    pub fn begin() -> Self {
        Self(packing::Packer::new(true))
    }
    /// Bytes of the next frame.
    ///
    /// # Panics
    /// When it is longer than a frame may be.
    pub fn frame(&mut self, frame: &[u8]) -> usize {
        assert!(frame.len() <= limits::FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        let mut out = Vec::new();
        self.0.encode(frame, &mut out);
        out.len()
    }
    /// Nothing was said for a while; bytes of saying so.
    pub fn rest(&mut self) -> usize {
        let mut out = Vec::new();
        self.0.rest(&mut out);
        out.len()
    }
}

/// Starts listening and the task that owns all links. Must run inside a tokio runtime.
///
/// Both channels are bounded. The driver may wait on either without a deadlock: commands are taken even while events are not.
///
/// # Errors
/// `SSLKEYLOGFILE` is set, a listen address is wrong or taken, or no transport is left.
pub async fn start(
    config: SwarmConfig,
    transport_seed: &[u8; 32],
) -> Result<(mpsc::Sender<SwarmCommand>, mpsc::Receiver<SwarmEvent>), SwarmError> {
    refuse_key_log(std::env::var_os("SSLKEYLOGFILE").as_deref())?;
    let keypair = identity::Keypair::ed25519_from_bytes(*transport_seed).map_err(|_| SwarmError::Seed)?;
    let (commands, commands_in) = mpsc::channel(config.limits.commands_max);
    let (events, events_out) = mpsc::channel(config.limits.events_max);
    let hub = hub::Hub::new(config, &keypair, commands_in, events)?;
    tokio::spawn(hub.run());
    Ok((commands, events_out))
}

/// The public half of a transport seed.
///
/// # Errors
/// The seed is not a valid key.
pub fn transport_key(transport_seed: &[u8; 32]) -> Result<TransportKey, SwarmError> {
    let keypair = identity::Keypair::ed25519_from_bytes(*transport_seed).map_err(|_| SwarmError::Seed)?;
    addresses::transport_key(&keypair.public().to_peer_id()).ok_or(SwarmError::Seed)
}

/// Text of an error, which may hold words a partner chose: one line, no control characters, at most 200 characters.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

/// libp2p writes the keys of every TLS and QUIC session to the file this variable names, so it must not be set, whatever its value.
fn refuse_key_log(value: Option<&OsStr>) -> Result<(), SwarmError> {
    match value {
        None => Ok(()),
        Some(_) => Err(SwarmError::KeyLog),
    }
}
