//! Connection attempts by place: the behaviour that keeps a flood from starving partners.
//!
//! Before the handshake only the IP address is known. A place is the exact address of a partner we know, or the /24 (IPv6: /64) of
//! anyone else, over one transport; each has its own bucket, so strangers can use up neither the attempts of partners nor all pending
//! connections. UDP senders can lie about their address before the handshake, TCP senders cannot: hence one place for each transport.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        dummy,
    },
};
use thiserror::Error;
use tokio::time::Instant;

use super::{
    Over, addresses,
    limits::{ATTEMPTS_BURST, ATTEMPTS_PER_SECOND, PENDING_PER_PLACE_MAX, PENDING_STRANGERS_MAX, PLACES_MAX},
};

/// This place tries too often, or too many strangers are trying at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many connection attempts")]
pub(super) struct TooManyAttempts;

/// A budget that refills with time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(burst: f64, now: Instant) -> Self {
        Self { tokens: burst, at: now }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, per_second: f64, burst: f64, now: Instant) -> bool {
        self.refill(per_second, burst, now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    fn refill(&mut self, per_second: f64, burst: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * per_second).min(burst);
        self.at = now;
    }
}

/// The behaviour. Second in order, after the allow-list.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    known: BTreeSet<IpAddr>,
    places: HashMap<Place, Bucket>,
    pending: HashMap<ConnectionId, Place>,
}

/// Where attempts are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    ip: IpAddr,
    over: Over,
    /// A partner is known by this address.
    known: bool,
}

impl Attempts {
    /// Replaces the addresses partners are known by.
    pub(super) fn set_known(&mut self, known: BTreeSet<IpAddr>) {
        self.known = known;
    }

    fn place(&self, ip: IpAddr, over: Over) -> Place {
        let known = self.known.contains(&ip);
        Place { ip: if known { ip } else { neighbourhood(ip) }, over, known }
    }

    /// Whether one more attempt from `place` may start its handshake.
    fn admit(&mut self, place: Place, now: Instant) -> bool {
        if self.pending.values().filter(|pending| **pending == place).count() >= PENDING_PER_PLACE_MAX
            || !place.known && self.pending.values().filter(|pending| !pending.known).count() >= PENDING_STRANGERS_MAX
        {
            return false;
        }
        if !self.places.contains_key(&place) && self.places.len() >= PLACES_MAX {
            self.places.retain(|_, bucket| {
                bucket.refill(ATTEMPTS_PER_SECOND, ATTEMPTS_BURST, now);
                bucket.tokens < ATTEMPTS_BURST
            });
            // Partners always find a place; their number is bounded by the allow-list.
            if self.places.len() >= PLACES_MAX && !place.known {
                return false;
            }
        }
        self.places.entry(place).or_insert_with(|| Bucket::full(ATTEMPTS_BURST, now)).take(ATTEMPTS_PER_SECOND, ATTEMPTS_BURST, now)
    }
}

impl NetworkBehaviour for Attempts {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(&mut self, id: ConnectionId, _: &Multiaddr, remote: &Multiaddr) -> Result<(), ConnectionDenied> {
        let Some((socket, over)) = addresses::place(remote) else { return Err(ConnectionDenied::new(TooManyAttempts)) };
        let place = self.place(socket.ip(), over);
        if !self.admit(place, Instant::now()) {
            return Err(ConnectionDenied::new(TooManyAttempts));
        }
        self.pending.insert(id, place);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&id);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.pending.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// The network a stranger counts with.
fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn admitted(attempts: &mut Attempts, from: &str, now: Instant) -> usize {
        let place = attempts.place(ip(from), Over::Tcp);
        (0..1000).filter(|_| attempts.admit(place, now)).count()
    }

    #[test]
    fn strangers_of_one_network_share_twenty_attempts_and_five_a_second() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        assert_eq!(admitted(&mut attempts, "192.0.2.1", start), 20);
        assert_eq!(admitted(&mut attempts, "192.0.2.200", start), 0, "same /24");
        assert_eq!(admitted(&mut attempts, "198.51.100.1", start), 20, "another network");
        assert_eq!(admitted(&mut attempts, "192.0.2.7", start + Duration::from_secs(2)), 10);
        assert_eq!(admitted(&mut attempts, "2001:db8::1", start), 20);
        assert_eq!(admitted(&mut attempts, "2001:db8::ffff", start), 0, "same /64");
    }

    #[test]
    fn a_flood_from_its_network_leaves_a_partner_its_own_attempts() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        attempts.set_known(BTreeSet::from([ip("192.0.2.9")]));
        assert_eq!(admitted(&mut attempts, "192.0.2.1", start), 20);
        assert_eq!(admitted(&mut attempts, "192.0.2.9", start), 20);
    }

    #[test]
    fn the_table_of_places_stays_bounded_and_partners_still_get_in() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        attempts.set_known(BTreeSet::from([ip("203.0.113.1")]));
        for number in 0..100_000u32 {
            let place = attempts.place(IpAddr::V4(Ipv4Addr::from(number << 8)), Over::Quic);
            attempts.admit(place, start);
        }
        assert_eq!(attempts.places.len(), PLACES_MAX);
        assert_eq!(admitted(&mut attempts, "198.51.100.1", start), 0, "a full table keeps strangers outside");
        assert_eq!(admitted(&mut attempts, "203.0.113.1", start), 20);
        assert_eq!(admitted(&mut attempts, "198.51.100.1", start + Duration::from_secs(1)), 20, "room again once buckets refilled");
    }

    #[test]
    fn handshakes_under_way_are_bounded_for_each_place_and_for_all_strangers() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        attempts.set_known(BTreeSet::from([ip("203.0.113.1")]));
        let mut begin = |from: &str, over| {
            let place = attempts.place(ip(from), over);
            let admitted = attempts.admit(place, start);
            if admitted {
                attempts.pending.insert(ConnectionId::new_unchecked(attempts.pending.len()), place);
            }
            admitted
        };
        let begun = (0..100).filter(|_| begin("192.0.2.1", Over::Quic)).count();
        assert_eq!(begun, PENDING_PER_PLACE_MAX);
        let begun: usize = (0..100u8).filter(|network| begin(&format!("198.51.{network}.1"), Over::Quic)).count();
        assert_eq!(begun, PENDING_STRANGERS_MAX - PENDING_PER_PLACE_MAX);
        let begun = (0..100).filter(|_| begin("203.0.113.1", Over::Quic)).count();
        assert_eq!(begun, PENDING_PER_PLACE_MAX, "room is left for partners");
        assert!(!begin("192.0.2.1", Over::Tcp), "no room is left for strangers");
        assert!(begin("203.0.113.1", Over::Tcp), "lies over UDP do not close TCP to a partner");
    }
}
