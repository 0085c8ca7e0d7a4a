//! Addresses as people write them: `host:port`, or the same spelled out as a multiaddr.
//!
//! `host:port` means QUIC and TCP on that port. Names are resolved by the system, once for each dial. Only this file and the
//! configuration decide where we connect to: nothing is learnt from the network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use accord_keys::id::TransportKey;
use libp2p::{Multiaddr, PeerId, identity, multiaddr::Protocol};
use thiserror::Error;

use super::Over;

/// Addresses a name may resolve to; the rest is ignored.
const RESOLVED_MAX: usize = 8;
/// Longest address we read, in bytes. The longest domain name has 253.
const ADDRESS_BYTES_MAX: usize = 512;

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither `host:port` nor a multiaddr for QUIC or TCP.
    #[error("address {0:?} is neither host:port nor a multiaddr such as /ip4/192.0.2.1/udp/4711/quic-v1 or /ip4/192.0.2.1/tcp/4711")]
    Malformed(String),
    /// We listen on addresses, not names.
    #[error("listen address {0:?} is a name, expected an IP address of this machine")]
    NameToListen(String),
    /// The multiaddr names another key than the one expected there.
    #[error("address {0:?} names another key than the one expected")]
    OtherKey(String),
    /// Nothing can be reached at port 0 or an unspecified address.
    #[error("address {0:?} cannot be dialled")]
    NotDialable(String),
    /// Both transports, or the only one this address allows, are switched off.
    #[error("address {0:?} needs a transport that is switched off")]
    TransportOff(String),
    /// The name has no address.
    #[error("name {name:?} does not resolve: {cause}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the system says.
        cause: String,
    },
}

/// One parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: Host,
    port: u16,
    /// The only transport wanted; both if absent.
    over: Option<Over>,
    key: Option<PeerId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Address {
    /// The IP address, if it is spelled out.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }

    /// Whether the address wants this transport or leaves the choice to us.
    pub(super) fn wants(&self, over: Over) -> bool {
        self.over.is_none_or(|only| only == over)
    }

    /// Where to listen.
    ///
    /// # Errors
    /// The address is a name.
    pub(super) fn listen_socket(&self) -> Result<SocketAddr, AddressError> {
        self.ip().map(|ip| SocketAddr::new(ip, self.port)).ok_or_else(|| AddressError::NameToListen(self.to_string()))
    }

    /// Whether somebody elsewhere could dial it as it is written, whatever a name resolves to.
    fn is_definite(&self) -> bool {
        self.port != 0 && self.ip().is_none_or(|ip| !ip.is_unspecified())
    }

    /// What to dial for `peer`, over the transports that are switched on.
    ///
    /// # Errors
    /// A name that does not resolve, an address nobody can be reached at, another key in the address, no transport left.
    pub(super) async fn dial_targets(&self, peer: &PeerId, enabled: &[Over]) -> Result<Vec<Multiaddr>, AddressError> {
        if self.key.is_some_and(|key| key != *peer) {
            return Err(AddressError::OtherKey(self.to_string()));
        }
        let wanted: Vec<Over> = enabled.iter().copied().filter(|over| self.wants(*over)).collect();
        if wanted.is_empty() {
            return Err(AddressError::TransportOff(self.to_string()));
        }
        let ips = match &self.host {
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => resolve(name, self.port).await?,
        };
        if self.port == 0 || ips.iter().any(IpAddr::is_unspecified) {
            return Err(AddressError::NotDialable(self.to_string()));
        }
        Ok(ips.iter().flat_map(|ip| wanted.iter().map(|over| multiaddr(SocketAddr::new(*ip, self.port), *over))).collect())
    }
}

/// Whether others can use an address as it is written: on a card, or as the place where a partner is.
///
/// # Errors
/// It is none, or one nobody can be reached at.
pub fn check_address(text: &str) -> Result<(), AddressError> {
    let address: Address = text.parse()?;
    if address.is_definite() { Ok(()) } else { Err(AddressError::NotDialable(address.to_string())) }
}

/// Whether this machine could listen at an address: an IP address, of one transport or both.
///
/// # Errors
/// It is none, or a name.
pub fn check_listen(text: &str) -> Result<(), AddressError> {
    text.parse::<Address>()?.listen_socket().map(drop)
}

/// The port an address names.
pub fn port_of(text: &str) -> Option<u16> {
    text.parse::<Address>().ok().map(|address| address.port)
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.chars().take(64).collect());
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(malformed());
        }
        if text.starts_with('/') {
            return text.parse().ok().and_then(|address| from_multiaddr(&address)).ok_or_else(malformed);
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self { host: Host::Ip(socket.ip()), port: socket.port(), over: None, key: None });
        }
        let (name, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        if !is_name(name) {
            return Err(malformed());
        }
        Ok(Self { host: Host::Name(name.to_owned()), port, over: None, key: None })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// The multiaddr of one transport at one place.
pub(super) fn multiaddr(socket: SocketAddr, over: Over) -> Multiaddr {
    let address = Multiaddr::from(socket.ip());
    match over {
        Over::Quic => address.with(Protocol::Udp(socket.port())).with(Protocol::QuicV1),
        Over::Tcp => address.with(Protocol::Tcp(socket.port())),
    }
}

/// Socket address and transport of a multiaddr the transports reported.
pub(super) fn place(address: &Multiaddr) -> Option<(SocketAddr, Over)> {
    let parsed = from_multiaddr(address)?;
    Some((SocketAddr::new(parsed.ip()?, parsed.port), parsed.over?))
}

/// The libp2p name of a transport key.
///
/// Returns `None` for 32 bytes that are no Ed25519 point.
pub(super) fn peer_id(key: &TransportKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The transport key behind a libp2p name.
///
/// Returns `None` for every kind of key but Ed25519, whose names contain them whole.
pub(super) fn transport_key(peer: &PeerId) -> Option<TransportKey> {
    let key = identity::PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(TransportKey(key.try_into_ed25519().ok()?.to_bytes()))
}

/// An IPv4 address wrapped into IPv6 is the IPv4 address.
fn unmap(ip: Ipv6Addr) -> IpAddr {
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), |ip: Ipv4Addr| IpAddr::V4(ip))
}

/// Whether it may be the name of a machine. None ends in a number (RFC 3696 section 2): what does is an IP address with a slip in it.
fn is_name(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_')
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn from_multiaddr(address: &Multiaddr) -> Option<Address> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => Host::Ip(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Host::Ip(unmap(ip)),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) if is_name(&name) => Host::Name(name.into_owned()),
        _ => return None,
    };
    let (port, over) = match parts.next()? {
        Protocol::Udp(port) => match parts.next()? {
            Protocol::QuicV1 => (port, Over::Quic),
            _ => return None,
        },
        Protocol::Tcp(port) => (port, Over::Tcp),
        _ => return None,
    };
    let key = match parts.next() {
        None => None,
        Some(Protocol::P2p(key)) => Some(key),
        Some(_) => return None,
    };
    parts.next().is_none().then_some(Address { host, port, over: Some(over), key })
}

async fn resolve(name: &str, port: u16) -> Result<Vec<IpAddr>, AddressError> {
    let unresolved = |cause: String| AddressError::Unresolved { name: name.to_owned(), cause };
    let found = tokio::net::lookup_host((name, port)).await.map_err(|error| unresolved(error.to_string()))?;
    let mut ips = Vec::new();
    for socket in found {
        if ips.len() < RESOLVED_MAX && !ips.contains(&socket.ip()) {
            ips.push(socket.ip());
        }
    }
    if ips.is_empty() { Err(unresolved("no address".to_owned())) } else { Ok(ips) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Over; 2] = [Over::Quic, Over::Tcp];

    fn targets(text: &str, enabled: &[Over]) -> Result<Vec<String>, AddressError> {
        let peer = peer_id(&key()).expect("a valid key");
        let address: Address = text.parse()?;
        let found = futures::executor::block_on(address.dial_targets(&peer, enabled))?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    fn key() -> TransportKey {
        let keypair = identity::Keypair::ed25519_from_bytes([7; 32]).expect("32 bytes are a seed");
        transport_key(&keypair.public().to_peer_id()).expect("an Ed25519 key")
    }

    #[test]
    fn host_and_port_mean_quic_first_and_tcp_second() {
        let check = |text: &str, expect: &[&str]| assert_eq!(targets(text, &BOTH).expect(text), expect);
        check("192.0.2.1:4711", &["/ip4/192.0.2.1/udp/4711/quic-v1", "/ip4/192.0.2.1/tcp/4711"]);
        check("[2001:db8::1]:4711", &["/ip6/2001:db8::1/udp/4711/quic-v1", "/ip6/2001:db8::1/tcp/4711"]);
        check("/ip4/192.0.2.1/tcp/4711", &["/ip4/192.0.2.1/tcp/4711"]);
        check("/ip6/::ffff:192.0.2.1/udp/9/quic-v1", &["/ip4/192.0.2.1/udp/9/quic-v1"]);
        assert_eq!(targets("192.0.2.1:4711", &[Over::Tcp]).expect("TCP is left"), ["/ip4/192.0.2.1/tcp/4711"]);
    }

    #[test]
    fn for_a_card_an_address_says_where_and_on_which_port() {
        for text in
            ["10.20.30.40:4600", "[2001:db8::1]:4600", "node.example:4600", "/ip4/192.0.2.1/udp/4711/quic-v1", "/ip4/192.0.2.1/tcp/4711"]
        {
            assert_eq!(check_address(text), Ok(()), "{text}");
        }
        for text in
            ["10.20.30.40", "node.example", "node.example:", "http://node.example:4600", "县公安局:4600", "256.1.1.1:4600", ":4600", ""]
        {
            assert!(matches!(check_address(text), Err(AddressError::Malformed(_))), "{text}");
        }
        for text in ["0.0.0.0:4600", "[::]:4600", "10.20.30.40:0"] {
            assert!(matches!(check_address(text), Err(AddressError::NotDialable(_))), "{text}");
        }
    }

    #[test]
    fn a_place_to_listen_at_is_an_address_of_this_machine() {
        for text in ["0.0.0.0:4600", "[::]:0", "/ip4/127.0.0.1/udp/4600/quic-v1"] {
            assert_eq!(check_listen(text), Ok(()), "{text}");
        }
        for text in ["nowhere", "0.0.0.0", "256.1.1.1:4600"] {
            assert!(matches!(check_listen(text), Err(AddressError::Malformed(_))), "{text}");
        }
        assert!(matches!(check_listen("node.example:4600"), Err(AddressError::NameToListen(_))));
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_its_reason() {
        let check = |text: &str| assert_eq!(targets(text, &BOTH), Err(AddressError::Malformed(text.chars().take(64).collect())));
        for text in ["", "4711", "host", "host:", "host:70000", ":1", "a b:1", "/ip4/192.0.2.1", "/ip4/192.0.2.1/udp/1", "/unix/x"] {
            check(text);
        }
        check("/ip4/192.0.2.1/tcp/1/ws");
        check(&"x".repeat(600));
        assert_eq!(targets("192.0.2.1:0", &BOTH), Err(AddressError::NotDialable("192.0.2.1:0".to_owned())));
        assert_eq!(targets("0.0.0.0:1", &BOTH), Err(AddressError::NotDialable("0.0.0.0:1".to_owned())));
        assert!(matches!(targets("/ip4/192.0.2.1/tcp/1", &[Over::Quic]), Err(AddressError::TransportOff(_))));
        let stranger = identity::Keypair::ed25519_from_bytes([8; 32]).expect("32 bytes are a seed").public().to_peer_id();
        assert!(matches!(targets(&format!("/ip4/192.0.2.1/tcp/1/p2p/{stranger}"), &BOTH), Err(AddressError::OtherKey(_))));
    }

    #[test]
    fn a_transport_key_and_its_libp2p_name_lead_to_each_other() {
        let peer = peer_id(&key()).expect("a valid key");
        assert_eq!(transport_key(&peer), Some(key()));
        assert_eq!(transport_key(&PeerId::random()), None);
        // y = 2 is on no point of the curve.
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert_eq!(peer_id(&TransportKey(bytes)), None);
    }
}
