//! The transports: QUIC, and TCP with TLS 1.3 and yamux. Both prove the Ed25519 key of either side before anything else is said.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, OrTransport, timeout::TransportTimeout},
        upgrade::Version,
    },
    identity::Keypair,
    quic, tcp, tls,
};

use super::{
    Over, SwarmError,
    limits::{Limits, QUIC_CONNECTION_WINDOW_BYTES, QUIC_STREAM_WINDOW_BYTES, STREAMS_MAX},
    mux::Yamux,
};

/// A QUIC connection on which nothing was heard for this long, in milliseconds, is dead. Three times [`QUIC_KEEP_ALIVE_SECONDS`].
const QUIC_IDLE_MS: u32 = 45_000;
/// Pause before QUIC's own keep-alive.
const QUIC_KEEP_ALIVE_SECONDS: u64 = 15;
/// Ports tried until one is free for both transports.
const PORT_TRIES: usize = 16;

/// Everything needed to dial and to listen.
///
/// # Errors
/// No transport is switched on, or TLS cannot be set up.
pub(super) fn build(keypair: &Keypair, enabled: &[Over], limits: &Limits) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SwarmError> {
    let quic = enabled.contains(&Over::Quic).then(|| build_quic(keypair, limits));
    let tcp = enabled.contains(&Over::Tcp).then(|| build_tcp(keypair, limits)).transpose()?;
    match (quic, tcp) {
        (Some(quic), Some(tcp)) => Ok(OrTransport::new(quic, tcp).map(|either, _| either.into_inner()).boxed()),
        (Some(only), None) | (None, Some(only)) => Ok(only),
        (None, None) => Err(SwarmError::NoTransport),
    }
}

fn build_quic(keypair: &Keypair, limits: &Limits) -> Boxed<(PeerId, StreamMuxerBox)> {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = limits.handshake;
    config.max_idle_timeout = QUIC_IDLE_MS;
    config.keep_alive_interval = std::time::Duration::from_secs(QUIC_KEEP_ALIVE_SECONDS);
    config.max_concurrent_stream_limit = u32::try_from(STREAMS_MAX).expect("a small constant");
    config.max_stream_data = QUIC_STREAM_WINDOW_BYTES;
    config.max_connection_data = QUIC_CONNECTION_WINDOW_BYTES;
    let transport = quic::tokio::Transport::new(config).map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    TransportTimeout::new(transport, limits.handshake).boxed()
}

fn build_tcp(keypair: &Keypair, limits: &Limits) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SwarmError> {
    let security = tls::Config::new(keypair).map_err(|error| SwarmError::Tls(error.to_string()))?;
    Ok(tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(security)
        .multiplex(Yamux)
        .timeout(limits.handshake)
        .boxed())
}

/// Makes sure that nobody listens at `socket` over any of `wanted`, and fills in a port that is free for all of them if it is 0.
///
/// libp2p shares TCP ports, so a second daemon on the same port would not fail but take half of the connections.
///
/// # Errors
/// The address is in use, or not one of this machine.
pub(super) fn claim(socket: SocketAddr, wanted: &[Over]) -> Result<SocketAddr, SwarmError> {
    let mut tries = if socket.port() == 0 && wanted.len() > 1 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match claim_once(socket, wanted) {
            Err(SwarmError::AddressInUse { .. }) if tries > 0 => {}
            done => return done,
        }
    }
}

fn claim_once(mut socket: SocketAddr, wanted: &[Over]) -> Result<SocketAddr, SwarmError> {
    // Both are held until both are found free.
    let mut udp = None;
    let mut tcp = None;
    for over in wanted {
        let bound = match over {
            Over::Quic => UdpSocket::bind(socket).and_then(|bound| udp.insert(bound).local_addr()),
            Over::Tcp => TcpListener::bind(socket).and_then(|bound| tcp.insert(bound).local_addr()),
        };
        socket = bound.map_err(|error| listen_error(socket, *over, error))?;
    }
    Ok(socket)
}

/// What a failed attempt to listen means.
pub(super) fn listen_error(socket: SocketAddr, over: Over, source: io::Error) -> SwarmError {
    if source.kind() == io::ErrorKind::AddrInUse {
        SwarmError::AddressInUse { address: socket.to_string(), over }
    } else {
        SwarmError::Listen { address: socket.to_string(), over, source }
    }
}
