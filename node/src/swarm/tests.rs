//! The swarm on real sockets of the loopback interface: event-driven, time-outs only bound failures.

use std::{future::Future, time::Duration};

use accord_keys::id::TransportKey;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::*;

/// No step of these tests takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| panic!("{what}: nothing within {PATIENCE:?}"))
}

/// One swarm and what it has said.
struct Node {
    key: TransportKey,
    commands: mpsc::Sender<SwarmCommand>,
    events: mpsc::Receiver<SwarmEvent>,
    /// `host:port`, the same for both transports.
    address: String,
}

impl Node {
    async fn start(seed: u8, config: SwarmConfig) -> Self {
        let transports = usize::from(config.quic) + usize::from(config.tcp);
        let config = SwarmConfig { listen: vec!["127.0.0.1:0".to_owned()], ..config };
        let (commands, events) = start(config, &[seed; 32]).await.expect("a free port on loopback");
        let mut node = Self { key: key(seed), commands, events, address: String::new() };
        for _ in 0..transports {
            node.address = node
                .expect("listening", |event| match event {
                    SwarmEvent::Listening { address, .. } => Some(address),
                    _ => None,
                })
                .await;
        }
        node
    }

    async fn command(&self, command: SwarmCommand) {
        within("command", self.commands.send(command)).await.expect("the swarm runs");
    }

    async fn allow(&self, peers: &[AllowedPeer]) {
        self.command(SwarmCommand::Allow(peers.to_vec())).await;
    }

    async fn send(&self, link: LinkId, bytes: &[u8]) {
        self.command(SwarmCommand::Send { link, frame: OutFrame { bytes: bytes.to_vec(), gate: None } }).await;
    }

    async fn next(&mut self) -> SwarmEvent {
        within("event", self.events.recv()).await.expect("the swarm runs")
    }

    /// Skips events until one fits.
    async fn expect<T>(&mut self, what: &str, fits: impl Fn(SwarmEvent) -> Option<T>) -> T {
        within(what, async {
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("{what}: the swarm has stopped"));
                if let Some(found) = fits(event) {
                    return found;
                }
            }
        })
        .await
    }

    async fn up(&mut self) -> (LinkId, Over) {
        self.expect("up", |event| match event {
            SwarmEvent::Up { link, over, .. } => Some((link, over)),
            _ => None,
        })
        .await
    }

    async fn down(&mut self, link: LinkId) -> DownReason {
        self.expect("down", |event| match event {
            SwarmEvent::Down { link: ended, reason } if ended == link => Some(reason),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self) -> Vec<u8> {
        self.expect("frame", |event| match event {
            SwarmEvent::Frame { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }

    async fn probe(&self, transport: TransportKey, address: &str) -> ProbeOutcome {
        let (reply, answer) = oneshot::channel();
        self.command(SwarmCommand::Probe { transport, address: address.to_owned(), reply }).await;
        within("probe", answer).await.expect("every probe is answered")
    }

    /// How others list this node.
    fn listed(&self, dial: bool) -> AllowedPeer {
        AllowedPeer { transport: self.key, addresses: vec![self.address.clone()], dial }
    }
}

fn key(seed: u8) -> TransportKey {
    transport_key(&[seed; 32]).expect("32 bytes are a seed")
}

/// Two linked nodes; the first has dialled.
async fn pair(config: SwarmConfig) -> (Node, LinkId, Node, LinkId) {
    let (mut one, mut two) = (Node::start(1, config.clone()).await, Node::start(2, config).await);
    two.allow(&[one.listed(false)]).await;
    one.allow(&[two.listed(true)]).await;
    let (from_one, _) = one.up().await;
    let (from_two, _) = two.up().await;
    (one, from_one, two, from_two)
}

fn only(over: Over) -> SwarmConfig {
    SwarmConfig { quic: over == Over::Quic, tcp: over == Over::Tcp, ..SwarmConfig::default() }
}

async fn exchange(over: Over) {
    let (mut one, from_one, mut two, from_two) = pair(only(over)).await;
    for frame in [b"hello".to_vec(), vec![7; limits::FRAME_BYTES_MAX], (0..=255).cycle().take(100_000).collect()] {
        one.send(from_one, &frame).await;
        assert_eq!(two.frame().await, frame);
        two.send(from_two, &frame).await;
        assert_eq!(one.frame().await, frame);
    }
    one.command(SwarmCommand::Close { link: from_one, reason: 17 }).await;
    assert_eq!(one.down(from_one).await, DownReason::ClosedHere(17));
    assert_eq!(two.down(from_two).await, DownReason::ClosedByPartner(17));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_exchange_frames_over_quic() {
    exchange(Over::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_exchange_frames_over_tcp_when_quic_is_off() {
    exchange(Over::Tcp).await;
}
