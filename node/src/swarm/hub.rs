//! The task that owns the libp2p swarm: who is allowed, who is dialled when, which link stays.
//!
//! It never waits for the driver or for a partner: events it cannot deliver at once wait in a bounded outbox, frames go to the queue of
//! their link. Everything slow is in the tasks of the links.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use accord_keys::id::TransportKey;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, TransportError, allow_block_list, connection_limits,
    identity::Keypair,
    swarm::{
        self, ConnectionDenied, ConnectionId, DialError, ListenError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{self, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    AllowedPeer, DialProblem, DownReason, LinkId, OutFrame, Over, ProbeOutcome, RefusedReason, SwarmCommand, SwarmConfig, SwarmError,
    SwarmEvent, Tap, Traffic,
    addresses::{self, Address, AddressError},
    behaviour::{ControlEvent, Node, NodeEvent},
    bucket::{Bucket, TooManyAttempts},
    bye,
    codec::Garbage,
    limits::{ADDRESSES_PER_PEER_MAX, FRAME_BYTES_MAX, Limits, PENDING_OUT_MAX},
    link::{Ended, Ending, Link, Queued},
    plain,
    redial::{Backoff, Standing, replaces},
    transport,
};

/// The hub's own events that wait while the driver's queue is full. Refusals and failed dials beyond it are forgotten.
const OUTBOX_MAX: usize = 1024;
/// Frames that wait on one link, beside the bound in bytes.
const FRAMES_MAX: usize = 65_536;
/// Addresses of one partner learnt from its own connections.
const LEARNT_IPS_MAX: usize = 8;
/// Refusals reported at once; then one a second.
const REFUSED_BURST: f64 = 8.0;
/// A connection nobody uses any more goes after this.
const IDLE: Duration = Duration::from_secs(1);
/// What the end of everything may take beyond [`Limits::close_flush`].
const STOP_MARGIN: Duration = Duration::from_millis(500);

/// The task's state.
pub(super) struct Hub {
    swarm: Swarm<Node>,
    ours: TransportKey,
    enabled: Vec<Over>,
    limits: Arc<Limits>,
    tap: Option<Tap>,
    traffic: Arc<Traffic>,
    commands: mpsc::Receiver<SwarmCommand>,
    events: mpsc::Sender<SwarmEvent>,
    outbox: mpsc::Sender<SwarmEvent>,
    peers: BTreeMap<TransportKey, Peer>,
    links: BTreeMap<LinkId, Entry>,
    link_tasks: JoinSet<Ended>,
    tasks: HashMap<task::Id, LinkId>,
    dials: HashMap<ConnectionId, Dial>,
    resolving: JoinSet<Resolved>,
    next_link: u64,
    queued_everywhere: Arc<AtomicUsize>,
    refusals: Bucket,
    unreported: u64,
}

/// A key on the list.
struct Peer {
    allowed: AllowedPeer,
    peer_id: PeerId,
    addresses: Vec<Result<Address, AddressError>>,
    learnt: VecDeque<IpAddr>,
    link: Option<LinkId>,
    /// The link in whose favour a connection the partner dialled was refused.
    told_of: Option<LinkId>,
    dialling: bool,
    next_dial: Option<Instant>,
    backoff: Backoff,
}

impl Peer {
    /// Whether a dial should be planned.
    fn wants_dial(&self) -> bool {
        self.allowed.dial && !self.addresses.is_empty() && self.link.is_none() && !self.dialling
    }
}

/// A link with a running task.
struct Entry {
    peer: TransportKey,
    connection: ConnectionId,
    outgoing: bool,
    since: Instant,
    frames: mpsc::Sender<OutFrame>,
    queued: Queued,
    ending: Option<oneshot::Sender<Ending>>,
    done: Option<oneshot::Receiver<()>>,
}

impl Entry {
    fn end(&mut self, ending: Ending) {
        if let Some(sender) = self.ending.take() {
            // A task that is already over needs no telling.
            let _ = sender.send(ending);
        }
    }
}

/// A dial under way.
struct Dial {
    purpose: Purpose,
    started: Instant,
}

/// A dial whose addresses are known: at least one target, or the reason why there is none.
struct Resolved {
    purpose: Purpose,
    started: Instant,
    targets: Result<Vec<Multiaddr>, AddressError>,
}

/// Why we dial.
enum Purpose {
    Link(TransportKey),
    Probe(TransportKey, oneshot::Sender<ProbeOutcome>),
}

impl Hub {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// See [`super::start`].
    pub(super) fn new(
        config: SwarmConfig,
        keypair: &Keypair,
        commands: mpsc::Receiver<SwarmCommand>,
        events: mpsc::Sender<SwarmEvent>,
    ) -> Result<Self, SwarmError> {
        let enabled: Vec<Over> =
            [(Over::Quic, config.quic), (Over::Tcp, config.tcp)].into_iter().filter_map(|(over, on)| on.then_some(over)).collect();
        let peer_id = keypair.public().to_peer_id();
        let ours = addresses::transport_key(&peer_id).ok_or(SwarmError::Seed)?;
        let transport = transport::build(keypair, &enabled, &config.limits)?;
        let settings = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE)
            .with_smart_dial()
            .with_max_negotiating_inbound_streams(4);
        let mut swarm = Swarm::new(transport, Node::new(config.limits.first_frame), peer_id, settings);
        // All are claimed before the first one is taken: `[::]` and `0.0.0.0` with one port must not look like each other's enemies.
        let claimed = config.listen.iter().map(|text| claim(text, &enabled)).collect::<Result<Vec<_>, _>>()?;
        for (socket, wanted) in claimed {
            for over in wanted {
                listen(&mut swarm, socket, over)?;
            }
        }
        let (outbox, waiting) = mpsc::channel(OUTBOX_MAX);
        tokio::spawn(forward(waiting, events.clone()));
        Ok(Self {
            swarm,
            ours,
            enabled,
            refusals: Bucket::full(REFUSED_BURST, Instant::now()),
            limits: Arc::new(config.limits),
            tap: config.tap,
            traffic: config.traffic,
            commands,
            events,
            outbox,
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            link_tasks: JoinSet::new(),
            tasks: HashMap::new(),
            dials: HashMap::new(),
            resolving: JoinSet::new(),
            next_link: 1,
            queued_everywhere: Arc::default(),
            unreported: 0,
        })
    }

    /// Runs until told to stop, or until nobody gives commands or takes events any more.
    pub(super) async fn run(mut self) {
        loop {
            self.dial_what_is_due();
            let wake = self.next_wake();
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(SwarmCommand::Stop) => break,
                    Some(command) => self.on_command(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(ended) = self.link_tasks.join_next_with_id(), if !self.link_tasks.is_empty() => self.on_ended(ended),
                Some(resolved) = self.resolving.join_next(), if !self.resolving.is_empty() => self.on_resolved(resolved),
                () = self.events.closed() => break,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        self.stop().await;
    }

    /// Ends all links in order.
    async fn stop(mut self) {
        for entry in self.links.values_mut() {
            entry.end(Ending::InOrder { bye: bye::STOPPING, reason: DownReason::Stopped });
        }
        let by = Instant::now() + self.limits.close_flush + STOP_MARGIN;
        let ended = async {
            loop {
                tokio::select! {
                    ended = self.link_tasks.join_next() => if ended.is_none() { break },
                    // Connections go on carrying goodbyes.
                    _ = self.swarm.select_next_some() => {}
                }
            }
        };
        // Whoever is not ready by then is cut off by the drop of everything.
        let _ = timeout_at(by, ended).await;
    }

    fn on_command(&mut self, command: SwarmCommand) {
        match command {
            SwarmCommand::Allow(peers) => self.allow(peers),
            SwarmCommand::Send { link, frame } => self.send(link, frame),
            SwarmCommand::Close { link, reason } => {
                self.end(link, Ending::InOrder { bye: reason, reason: DownReason::ClosedHere(reason) });
            }
            SwarmCommand::Wake(transport) => {
                if let Some(peer) = self.peers.get_mut(&transport) {
                    peer.backoff = Backoff::default();
                    if peer.wants_dial() {
                        peer.next_dial = Some(Instant::now());
                    }
                }
            }
            SwarmCommand::Probe { transport, address, reply } => self.probe(transport, &address, reply),
            // Handled where commands are taken.
            SwarmCommand::Stop => {}
        }
    }

    fn allow(&mut self, wanted: Vec<AllowedPeer>) {
        let mut wanted: BTreeMap<TransportKey, AllowedPeer> = wanted.into_iter().map(|peer| (peer.transport, peer)).collect();
        wanted.remove(&self.ours);
        let gone: Vec<TransportKey> = self.peers.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in gone {
            self.disallow(&key);
        }
        for (key, allowed) in wanted {
            let addresses = allowed.addresses.iter().take(ADDRESSES_PER_PEER_MAX).map(|text| text.parse()).collect();
            if let Some(peer) = self.peers.get_mut(&key) {
                if peer.allowed.addresses != allowed.addresses {
                    peer.backoff = Backoff::default();
                    peer.next_dial = None;
                }
                peer.addresses = addresses;
                peer.allowed = allowed;
                if !peer.wants_dial() {
                    peer.next_dial = None;
                } else if peer.next_dial.is_none() {
                    peer.next_dial = Some(Instant::now());
                }
            } else if let Some(peer_id) = addresses::peer_id(&key) {
                self.swarm.behaviour_mut().allowed.allow_peer(peer_id);
                let mut peer = Peer {
                    allowed,
                    peer_id,
                    addresses,
                    learnt: VecDeque::new(),
                    link: None,
                    told_of: None,
                    dialling: false,
                    next_dial: None,
                    backoff: Backoff::default(),
                };
                if peer.wants_dial() {
                    peer.next_dial = Some(Instant::now());
                }
                self.peers.insert(key, peer);
            } else {
                self.report(SwarmEvent::DialFailed {
                    transport: key,
                    address: allowed.addresses.join(","),
                    error: DialProblem::InvalidKey,
                });
            }
        }
        self.refresh_known();
    }

    fn disallow(&mut self, key: &TransportKey) {
        let Some(peer) = self.peers.remove(key) else { return };
        // Also those that wait for another one to end.
        for entry in self.links.values_mut().filter(|entry| entry.peer == *key) {
            entry.end(Ending::AtOnce { bye: None, reason: DownReason::NotAllowed });
        }
        // Closes its connections too.
        self.swarm.behaviour_mut().allowed.disallow_peer(peer.peer_id);
    }

    /// Tells the attempt buckets the addresses of partners.
    fn refresh_known(&mut self) {
        let mut known = BTreeSet::new();
        for peer in self.peers.values() {
            known.extend(peer.addresses.iter().flatten().filter_map(Address::ip));
            known.extend(&peer.learnt);
        }
        self.swarm.behaviour_mut().attempts.set_known(known);
    }

    fn send(&mut self, link: LinkId, frame: OutFrame) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if frame.bytes.is_empty() || frame.bytes.len() > FRAME_BYTES_MAX {
            tracing::error!(link = link.0, bytes = frame.bytes.len(), "frame outside 1..={FRAME_BYTES_MAX} bytes dropped");
            self.report(SwarmEvent::Dropped { link, frames: 1 });
            return;
        }
        if entry.ending.is_none() {
            return;
        }
        entry.queued.add(&frame);
        let here = entry.queued.here.load(Ordering::Relaxed);
        let full = entry.frames.try_send(frame).is_err_and(|error| matches!(error, mpsc::error::TrySendError::Full(_)));
        if full || here > self.limits.queue_bytes_max {
            entry.end(Ending::AtOnce { bye: Some(bye::OVERFLOW), reason: DownReason::Overflow { queued: here } });
        } else if self.queued_everywhere.load(Ordering::Relaxed) > self.limits.queue_bytes_total_max
            && let Some(fullest) = self.links.values_mut().max_by_key(|entry| entry.queued.here.load(Ordering::Relaxed))
        {
            let queued = fullest.queued.here.load(Ordering::Relaxed);
            fullest.end(Ending::AtOnce { bye: Some(bye::OVERFLOW), reason: DownReason::Overflow { queued } });
        }
    }

    fn end(&mut self, link: LinkId, ending: Ending) {
        if let Some(entry) = self.links.get_mut(&link) {
            entry.end(ending);
        }
    }

    fn probe(&mut self, transport: TransportKey, address: &str, reply: oneshot::Sender<ProbeOutcome>) {
        let refuse = |reply: oneshot::Sender<ProbeOutcome>, problem| {
            // Whoever asked has gone: nobody to tell.
            let _ = reply.send(ProbeOutcome::Failed(problem));
        };
        let Some(peer) = self.peers.get(&transport) else { return refuse(reply, DialProblem::NotAllowedHere) };
        match address.parse() {
            Ok(parsed) => self.resolve(Purpose::Probe(transport, reply), peer.peer_id, vec![Ok(parsed)]),
            Err(error) => refuse(reply, DialProblem::Address(error)),
        }
    }

    fn resolve(&mut self, purpose: Purpose, peer: PeerId, addresses: Vec<Result<Address, AddressError>>) {
        let (enabled, started, within) = (self.enabled.clone(), Instant::now(), self.limits.handshake);
        self.resolving.spawn(async move {
            let (mut targets, mut problem) = (Vec::new(), None);
            for address in addresses {
                let found = match address {
                    Ok(address) => match timeout_at(started + within, address.dial_targets(&peer, &enabled)).await {
                        Ok(found) => found,
                        Err(_) => Err(AddressError::Unresolved { name: address.to_string(), cause: "timed out".to_owned() }),
                    },
                    Err(error) => Err(error),
                };
                match found {
                    Ok(found) => targets.extend(found),
                    Err(error) => problem = Some(error),
                }
            }
            let targets = match problem {
                Some(problem) if targets.is_empty() => Err(problem),
                _ => Ok(targets),
            };
            Resolved { purpose, started, targets }
        });
    }

    fn on_resolved(&mut self, resolved: Result<Resolved, task::JoinError>) {
        let Ok(Resolved { purpose, started, targets }) = resolved else { return };
        let key = match &purpose {
            Purpose::Link(key) | Purpose::Probe(key, _) => *key,
        };
        let targets = match targets {
            Ok(targets) => targets,
            Err(error) => return self.dial_failed(purpose, DialProblem::Address(error)),
        };
        let Some(peer) = self.peers.get(&key) else { return self.dial_failed(purpose, DialProblem::NotAllowedHere) };
        // A new port for each dial: libp2p would else reuse the socket of a listener, which reaches only what its interface reaches.
        let options = DialOpts::peer_id(peer.peer_id).condition(PeerCondition::Always).addresses(targets);
        let options = options.allocate_new_port().build();
        let connection = options.connection_id();
        if matches!(purpose, Purpose::Probe(..)) {
            self.swarm.behaviour_mut().control.probe(connection);
        }
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, Dial { purpose, started });
            }
            Err(error) => {
                self.swarm.behaviour_mut().control.forget(connection);
                let problem = self.problem(&error, started);
                self.dial_failed(purpose, problem);
            }
        }
    }

    /// Starts the dials whose time has come, as far as there is room.
    fn dial_what_is_due(&mut self) {
        let now = Instant::now();
        while self.has_room_to_dial() {
            let due =
                self.peers.iter_mut().filter(|(_, peer)| peer.next_dial.is_some_and(|at| at <= now)).min_by_key(|(_, peer)| peer.next_dial);
            let Some((key, peer)) = due else { return };
            peer.next_dial = None;
            peer.dialling = true;
            let (key, peer_id, addresses) = (*key, peer.peer_id, peer.addresses.clone());
            self.resolve(Purpose::Link(key), peer_id, addresses);
        }
    }

    fn has_room_to_dial(&self) -> bool {
        self.dials.len() + self.resolving.len() < PENDING_OUT_MAX as usize
    }

    fn next_wake(&self) -> Option<Instant> {
        if self.has_room_to_dial() { self.peers.values().filter_map(|peer| peer.next_dial).min() } else { None }
    }

    fn dial_failed(&mut self, purpose: Purpose, problem: DialProblem) {
        match purpose {
            Purpose::Probe(_, reply) => {
                // Whoever asked has gone: nobody to tell.
                let _ = reply.send(ProbeOutcome::Failed(problem));
            }
            Purpose::Link(key) => {
                let Some(peer) = self.peers.get_mut(&key) else { return };
                peer.dialling = false;
                let address = peer.allowed.addresses.join(",");
                self.plan_dial(&key, false);
                self.report(SwarmEvent::DialFailed { transport: key, address, error: problem });
            }
        }
    }

    /// Plans the next dial of a key without a link; `duplicate`: the partner thinks that there is one.
    fn plan_dial(&mut self, key: &TransportKey, duplicate: bool) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.wants_dial() {
            // Without randomness the pause is the whole one: late, but never a stampede of our own making.
            let random = getrandom::u64().unwrap_or(u64::MAX);
            let pause = if duplicate {
                peer.backoff.after_duplicate(self.limits.redial_first, self.limits.redial_max, random)
            } else {
                peer.backoff.pause(self.limits.redial_first, self.limits.redial_max, random)
            };
            peer.next_dial = Some(Instant::now() + pause);
        }
    }

    fn on_swarm_event(&mut self, event: swarm::SwarmEvent<NodeEvent>) {
        match event {
            swarm::SwarmEvent::Behaviour(NodeEvent::Control(event)) => self.on_control(event),
            swarm::SwarmEvent::NewListenAddr { address, .. } => {
                if let Some((socket, over)) = addresses::place(&address) {
                    self.report(SwarmEvent::Listening { address: socket.to_string(), over });
                }
            }
            swarm::SwarmEvent::ListenerClosed { reason, .. } => tracing::error!(?reason, "a listener has closed"),
            swarm::SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener had an error"),
            swarm::SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.swarm.behaviour_mut().control.forget(connection_id);
                if let Some(Dial { purpose, started }) = self.dials.remove(&connection_id) {
                    let problem = self.problem(&error, started);
                    self.dial_failed(purpose, problem);
                }
            }
            swarm::SwarmEvent::ConnectionClosed { connection_id, .. } => {
                // Proven, then closed before it answered us.
                if let Some(Dial { purpose, .. }) = self.dials.remove(&connection_id) {
                    self.dial_failed(purpose, DialProblem::NotListed);
                }
            }
            swarm::SwarmEvent::IncomingConnectionError { send_back_addr, error: ListenError::Denied { cause }, peer_id, .. } => {
                self.on_refused(&send_back_addr, peer_id, &cause);
            }
            _ => {}
        }
    }

    fn on_refused(&mut self, from: &Multiaddr, peer: Option<PeerId>, cause: &ConnectionDenied) {
        let reason = if cause.downcast_ref::<allow_block_list::NotAllowed>().is_some() {
            RefusedReason::NotListed
        } else if cause.downcast_ref::<TooManyAttempts>().is_some() {
            RefusedReason::TooManyAttempts
        } else {
            RefusedReason::TooManyConnections
        };
        if !self.refusals.take(1.0, REFUSED_BURST, Instant::now()) {
            self.unreported = self.unreported.saturating_add(1);
            return;
        }
        let address = addresses::place(from).map_or_else(|| from.to_string(), |(socket, _)| socket.to_string());
        let transport = peer.as_ref().and_then(addresses::transport_key);
        let unreported = std::mem::take(&mut self.unreported);
        self.report(SwarmEvent::Refused { address, transport, reason, unreported });
    }

    fn on_control(&mut self, event: ControlEvent) {
        match event {
            ControlEvent::Opened { peer, connection, remote, outgoing, stream, streams } => {
                if let Some(Dial { purpose: Purpose::Link(key), .. }) = self.dials.remove(&connection)
                    && let Some(peer) = self.peers.get_mut(&key)
                {
                    peer.dialling = false;
                }
                match addresses::transport_key(&peer) {
                    Some(key) if self.peers.contains_key(&key) => self.opened(key, connection, &remote, outgoing, (stream, streams)),
                    // Taken off the list while the stream was negotiated.
                    _ => {
                        self.swarm.close_connection(connection);
                    }
                }
            }
            ControlEvent::Probed { connection, remote } => {
                if let Some(Dial { purpose: Purpose::Probe(_, reply), started }) = self.dials.remove(&connection)
                    && let Some((socket, over)) = addresses::place(&remote)
                {
                    // Whoever asked has gone: nobody to tell.
                    let _ = reply.send(ProbeOutcome::Reached { address: socket.to_string(), over, after: started.elapsed() });
                }
            }
            ControlEvent::NoStream { connection } => {
                if let Some(Dial { purpose, .. }) = self.dials.remove(&connection) {
                    self.dial_failed(purpose, DialProblem::OtherVersion);
                }
            }
            ControlEvent::SecondStream { connection } => {
                if let Some(entry) = self.links.values_mut().find(|entry| entry.connection == connection) {
                    entry.end(Ending::AtOnce { bye: None, reason: DownReason::Garbage(Garbage::SecondStream) });
                }
            }
        }
    }

    /// A control stream stands: decide whether it becomes the link of its key.
    fn opened(&mut self, key: TransportKey, connection: ConnectionId, remote: &Multiaddr, outgoing: bool, stream: (Box<Stream>, bool)) {
        let Some((socket, over)) = addresses::place(remote) else { return };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if !peer.learnt.contains(&socket.ip()) {
            peer.learnt.truncate(LEARNT_IPS_MAX - 1);
            peer.learnt.push_front(socket.ip());
        }
        let standing = peer.link.and_then(|id| self.links.get(&id)).filter(|entry| entry.ending.is_some());
        let stays = standing.is_none_or(|entry| {
            let settled = entry.since.elapsed() >= self.limits.settled;
            let told = peer.told_of.is_some() && peer.told_of == peer.link;
            replaces(&self.ours, &key, Standing { outgoing: entry.outgoing, settled, told }, outgoing)
        });
        let old = if stays { peer.link } else { None };
        if !stays && !outgoing {
            peer.told_of = peer.link;
        }
        let id = LinkId(self.next_link);
        self.next_link += 1;
        if stays {
            peer.link = Some(id);
            peer.next_dial = None;
        }
        // One that was already told to end keeps its own reason; the new link waits for it all the same.
        let after = old.and_then(|old| self.links.get_mut(&old)).and_then(|old| {
            old.end(Ending::AtOnce { bye: Some(bye::DUPLICATE), reason: DownReason::Replaced });
            old.done.take()
        });
        let (frames, frames_in) = mpsc::channel(FRAMES_MAX);
        let (ending, ending_in) = oneshot::channel();
        let (done, done_out) = oneshot::channel();
        let queued = Queued { here: Arc::default(), everywhere: self.queued_everywhere.clone() };
        let mut entry = Entry {
            peer: key,
            connection,
            outgoing,
            since: Instant::now(),
            frames,
            queued: queued.clone(),
            ending: Some(ending),
            done: Some(done_out),
        };
        if !stays {
            // Told before it starts, such a link says goodbye and is never announced.
            entry.end(Ending::AtOnce { bye: Some(bye::DUPLICATE), reason: DownReason::Replaced });
        }
        let link = Link {
            id,
            peer: key,
            outgoing,
            address: socket.to_string(),
            over,
            stream: stream.0,
            streams: stream.1,
            frames: frames_in,
            queued,
            ending: ending_in,
            after,
            done,
            events: self.events.clone(),
            limits: self.limits.clone(),
            tap: self.tap.clone(),
            traffic: Arc::clone(&self.traffic),
        };
        let task = self.link_tasks.spawn(link.run());
        self.tasks.insert(task.id(), id);
        self.links.insert(id, entry);
        self.refresh_known();
    }

    fn on_ended(&mut self, ended: Result<(task::Id, Ended), task::JoinError>) {
        let (id, useful, duplicate) = match ended {
            Ok((task, ended)) => {
                self.tasks.remove(&task);
                (ended.link, ended.useful, ended.duplicate)
            }
            Err(error) => {
                let Some(link) = self.tasks.remove(&error.id()) else { return };
                tracing::error!(link = link.0, %error, "the task of a link failed");
                let events = self.events.clone();
                // The end of a link is never forgotten.
                tokio::spawn(async move { events.send(SwarmEvent::Down { link, reason: DownReason::Fault }).await });
                (link, false, false)
            }
        };
        let Some(entry) = self.links.remove(&id) else { return };
        self.swarm.close_connection(entry.connection);
        if let Some(peer) = self.peers.get_mut(&entry.peer) {
            if useful {
                peer.backoff = Backoff::default();
            }
            if peer.link == Some(id) {
                peer.link = None;
                self.plan_dial(&entry.peer, duplicate);
            }
        }
    }

    /// Tells the driver without waiting for it.
    fn report(&self, event: SwarmEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.outbox.try_send(event) {
            tracing::warn!(?event, "the driver takes no events, this one is forgotten");
        }
    }

    /// What a failed dial means to a person.
    fn problem(&self, error: &DialError, started: Instant) -> DialProblem {
        match error {
            DialError::WrongPeerId { obtained, .. } => DialProblem::WrongIdentity { found: addresses::transport_key(obtained) },
            // libp2p leaves out our own listen addresses, and targets are never empty.
            DialError::LocalPeerId { .. } | DialError::NoAddresses => DialProblem::WrongIdentity { found: Some(self.ours) },
            DialError::Denied { cause } if cause.downcast_ref::<allow_block_list::NotAllowed>().is_some() => DialProblem::NotAllowedHere,
            DialError::Denied { cause } if cause.downcast_ref::<connection_limits::Exceeded>().is_some() => {
                DialProblem::Unreachable("too many connections here".to_owned())
            }
            DialError::Transport(errors) => {
                let known = errors.iter().find_map(|(_, error)| match error {
                    TransportError::Other(error) => definite(error),
                    TransportError::MultiaddrNotSupported(_) => None,
                });
                match known {
                    Some(known) => DialProblem::Unreachable(plain(&known)),
                    None if started.elapsed() >= self.limits.handshake => DialProblem::TimedOut,
                    None => DialProblem::Unreachable(plain(&errors.iter().map(|(_, error)| chain(error)).collect::<Vec<_>>().join("; "))),
                }
            }
            other => DialProblem::Unreachable(plain(&other.to_string())),
        }
    }
}

/// Brings the hub's own events to the driver. A task of its own, so that they keep their turn among those of the links.
async fn forward(mut waiting: mpsc::Receiver<SwarmEvent>, events: mpsc::Sender<SwarmEvent>) {
    while let Some(event) = waiting.recv().await {
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Where one configured address listens, over which transports, with a port.
fn claim(text: &str, enabled: &[Over]) -> Result<(SocketAddr, Vec<Over>), SwarmError> {
    let address: Address = text.parse()?;
    let wanted: Vec<Over> = enabled.iter().copied().filter(|over| address.wants(*over)).collect();
    if wanted.is_empty() {
        return Err(AddressError::TransportOff(text.to_owned()).into());
    }
    Ok((transport::claim(address.listen_socket()?, &wanted)?, wanted))
}

fn listen(swarm: &mut Swarm<Node>, socket: SocketAddr, over: Over) -> Result<(), SwarmError> {
    match swarm.listen_on(addresses::multiaddr(socket, over)) {
        Ok(_) => Ok(()),
        Err(TransportError::Other(source)) => Err(transport::listen_error(socket, over, source)),
        Err(TransportError::MultiaddrNotSupported(address)) => {
            Err(transport::listen_error(socket, over, io::Error::other(format!("{address} is not supported"))))
        }
    }
}

/// What the system said, if it said so itself: refused, no route and the like.
fn definite(error: &io::Error) -> Option<String> {
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = inner {
        let io = error.downcast_ref::<io::Error>();
        if let Some(io) = io
            && io.raw_os_error().is_some()
        {
            return Some(io.to_string());
        }
        inner = match io.and_then(|io| io.get_ref()) {
            Some(boxed) => Some(boxed),
            None => error.source(),
        };
    }
    None
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text = format!("{text}: {error}");
        inner = error.source();
    }
    text
}
