//! What a connection may do: nothing before the allow-list, then one control stream.
//!
//! The fields of [`Node`] are asked in order and the first denial ends it, so a key that is not listed never gets a stream handler.
//! The dialler opens the control stream, the other side accepts exactly one. A probe negotiates its own protocol and nothing else, so
//! that testing an address never disturbs a link.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    allow_block_list::{self, AllowedPeers},
    connection_limits::{self, ConnectionLimits},
    core::{
        Endpoint, UpgradeInfo,
        transport::PortUse,
        upgrade::{InboundUpgrade, OutboundUpgrade},
    },
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::time::{Sleep, sleep};

use super::{
    bucket::Attempts,
    limits::{CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, ESTABLISHED_IN_MAX, PENDING_IN_MAX, PENDING_OUT_MAX},
};

/// The control stream of a link, version 1.
pub(super) const CONTROL: StreamProtocol = StreamProtocol::new("/accord/1");
/// The control stream of a link, version 2: frames may be pieces of a stream.
pub(super) const CONTROL_STREAMED: StreamProtocol = StreamProtocol::new("/accord/2");
/// Proves that the other side lists us and speaks version 1; carries nothing.
pub(super) const PROBE: StreamProtocol = StreamProtocol::new("/accord/probe/1");

/// All behaviours, in the order in which they may deny.
#[derive(NetworkBehaviour)]
pub(super) struct Node {
    /// Only keys of the allow-list get any further.
    pub(super) allowed: allow_block_list::Behaviour<AllowedPeers>,
    /// Attempts by place.
    pub(super) attempts: Attempts,
    /// Connections in all.
    limits: connection_limits::Behaviour,
    /// The control stream.
    pub(super) control: Control,
}

impl Node {
    /// Nobody is allowed yet. A connection without a control stream is closed after `stream_within`.
    pub(super) fn new(stream_within: Duration) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_IN_MAX))
            .with_max_pending_outgoing(Some(PENDING_OUT_MAX))
            .with_max_established_incoming(Some(ESTABLISHED_IN_MAX))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
            .with_max_established(Some(CONNECTIONS_MAX));
        Self {
            allowed: allow_block_list::Behaviour::default(),
            attempts: Attempts::default(),
            limits: connection_limits::Behaviour::new(limits),
            control: Control { stream_within, probes: HashSet::new(), events: VecDeque::new() },
        }
    }
}

/// What became of a connection.
#[derive(Debug)]
pub(super) enum ControlEvent {
    /// Its control stream stands.
    Opened { peer: PeerId, connection: ConnectionId, remote: Multiaddr, outgoing: bool, stream: Box<Stream>, streams: bool },
    /// The other side answered our probe.
    Probed { connection: ConnectionId, remote: Multiaddr },
    /// It has no control stream in time, or the other side speaks another version.
    NoStream { connection: ConnectionId },
    /// The other side opened a second control stream.
    SecondStream { connection: ConnectionId },
}

/// The behaviour that negotiates control streams.
pub(super) struct Control {
    stream_within: Duration,
    probes: HashSet<ConnectionId>,
    events: VecDeque<ToSwarm<ControlEvent, Infallible>>,
}

impl Control {
    /// Makes the connection a coming dial opens a probe.
    pub(super) fn probe(&mut self, connection: ConnectionId) {
        self.probes.insert(connection);
    }

    /// The dial of a probe has ended without a connection.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.probes.remove(&connection);
    }
}

impl NetworkBehaviour for Control {
    type ConnectionHandler = Handler;
    type ToSwarm = ControlEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(Role::Accept, remote.clone(), self.stream_within))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let role = if self.probes.remove(&connection) { Role::Probe } else { Role::Open };
        Ok(Handler::new(role, remote.clone(), self.stream_within))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let close = !matches!(event.outcome, Outcome::Opened(..));
        let remote = event.remote;
        let event = match event.outcome {
            Outcome::Opened(stream, streams) => {
                ControlEvent::Opened { peer, connection, remote, outgoing: event.outgoing, stream, streams }
            }
            Outcome::Probed => ControlEvent::Probed { connection, remote },
            Outcome::NoStream => ControlEvent::NoStream { connection },
            Outcome::SecondStream => ControlEvent::SecondStream { connection },
        };
        self.events.push_back(ToSwarm::GenerateEvent(event));
        if close {
            self.events.push_back(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::One(connection) });
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Filled only by `on_connection_handler_event`, after which the swarm polls again.
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Our part in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The other side dialled: it opens the stream.
    Accept,
    /// We dialled for a link.
    Open,
    /// We dialled to see whether it works.
    Probe,
}

/// What a handler tells its behaviour.
#[derive(Debug)]
pub(super) struct HandlerEvent {
    remote: Multiaddr,
    outgoing: bool,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// And whether its version has streams.
    Opened(Box<Stream>, bool),
    Probed,
    NoStream,
    SecondStream,
}

/// One connection until its control stream stands.
pub(super) struct Handler {
    role: Role,
    remote: Multiaddr,
    requested: bool,
    settled: bool,
    deadline: Pin<Box<Sleep>>,
    stream_within: Duration,
    outcomes: VecDeque<Outcome>,
}

impl Handler {
    fn new(role: Role, remote: Multiaddr, stream_within: Duration) -> Self {
        let deadline = Box::pin(sleep(stream_within));
        Self { role, remote, requested: false, settled: false, deadline, stream_within, outcomes: VecDeque::new() }
    }

    fn settle(&mut self, outcome: Outcome) {
        if !self.settled {
            self.settled = true;
            self.outcomes.push_back(outcome);
        } else if matches!(outcome, Outcome::Opened(..)) && self.outcomes.len() < 2 {
            self.outcomes.push_back(Outcome::SecondStream);
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = HandlerEvent;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        // A dialler accepts no streams; the accepting side goes on offering, so that a second stream is seen and punished.
        let offer = if self.role == Role::Accept { Offer(vec![CONTROL_STREAMED, CONTROL, PROBE]) } else { Offer(Vec::new()) };
        SubstreamProtocol::new(offer, ()).with_timeout(self.stream_within)
    }

    fn connection_keep_alive(&self) -> bool {
        // Afterwards the stream itself keeps the connection.
        !self.settled
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, (), HandlerEvent>> {
        if let Some(outcome) = self.outcomes.pop_front() {
            let event = HandlerEvent { remote: self.remote.clone(), outgoing: self.role != Role::Accept, outcome };
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        let protocol = match self.role {
            Role::Accept => None,
            // The first that the other side speaks is taken.
            Role::Open => Some(vec![CONTROL_STREAMED, CONTROL]),
            Role::Probe => Some(vec![PROBE]),
        };
        if let Some(protocols) = protocol
            && !self.requested
        {
            self.requested = true;
            let protocol = SubstreamProtocol::new(Offer(protocols), ()).with_timeout(self.stream_within);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if !self.settled && self.deadline.as_mut().poll(cx).is_ready() {
            self.settle(Outcome::NoStream);
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            // A prober closes the connection itself; until then its connection waits like any other without a stream.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (protocol, stream), .. }) if protocol != PROBE => {
                self.settle(Outcome::Opened(Box::new(stream), protocol == CONTROL_STREAMED));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (protocol, stream), .. }) => {
                let streams = protocol == CONTROL_STREAMED;
                self.settle(if protocol == PROBE { Outcome::Probed } else { Outcome::Opened(Box::new(stream), streams) });
            }
            // An I/O error here is the connection ending, which is reported as such.
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) if !matches!(error, StreamUpgradeError::Io(_)) => {
                self.settle(Outcome::NoStream);
            }
            _ => {}
        }
    }
}

/// Protocols offered or asked for; the stream comes back with the one agreed on.
#[derive(Debug, Clone)]
pub(super) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
