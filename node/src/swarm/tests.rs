//! The swarm on real sockets of the loopback interface: event-driven, time-outs only bound failures.

mod hostile;
mod streams;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{Mutex, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use accord_keys::id::TransportKey;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::*;
use hostile::Hostile;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_listed_gets_no_stream() {
    let (mut one, mut two) = (Node::start(1, SwarmConfig::default()).await, Node::start(2, SwarmConfig::default()).await);
    two.allow(&[AllowedPeer { transport: key(3), addresses: Vec::new(), dial: false }]).await;
    one.allow(&[two.listed(true)]).await;
    let refused = two
        .expect("refused", |event| match event {
            SwarmEvent::Refused { transport, reason, .. } => Some((transport, reason)),
            SwarmEvent::Up { .. } | SwarmEvent::Frame { .. } => panic!("{event:?} from an unlisted key"),
            _ => None,
        })
        .await;
    assert_eq!(refused, (Some(one.key), RefusedReason::NotListed));
    let problem = one
        .expect("failed dial", |event| match event {
            SwarmEvent::DialFailed { error, .. } => Some(error),
            SwarmEvent::Up { .. } => panic!("a link to a node that does not list us"),
            _ => None,
        })
        .await;
    assert_eq!(problem, DialProblem::NotListed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_closes_its_own_link_and_no_other() {
    let (mut one, from_one, mut two, _) = pair(SwarmConfig::default()).await;
    two.allow(&[one.listed(false), AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("zeros compress");
    let framed = |flag: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).expect("a short body").to_be_bytes();
        [&length[..], &[flag], body].concat()
    };
    let cases = [
        (framed(0, b"fine")[..4].iter().chain(&[9, 1]).copied().collect(), Garbage::UnknownFlag(9)),
        (vec![0xff, 0xff, 0xff, 0xff, 0, 1], Garbage::Oversized { length: u32::MAX }),
        (vec![0, 4, 0, 1, 1, 1], Garbage::Oversized { length: 256 * 1024 + 1 }),
        (framed(1, &bomb), Garbage::BadCompression),
        (framed(1, b"no zstd frame"), Garbage::BadCompression),
        (framed(2, b"two"), Garbage::MisshapenBye { length: 3 }),
    ];
    for (number, (bytes, garbage)) in cases.into_iter().enumerate() {
        let over = if number % 2 == 0 { Over::Quic } else { Over::Tcp };
        let hostile = Hostile::connect(9, &two.address, over).await;
        let mut stream = hostile.open("/accord/1").await;
        hostile::write(&mut stream, &bytes).await;
        let (link, _) = two.up().await;
        assert_eq!(two.down(link).await, DownReason::Garbage(garbage), "{over}");
        // It was told so.
        assert_eq!(hostile::read_to_end(&mut stream).await, [0, 0, 0, 1, 2, bye::GARBAGE]);
        one.send(from_one, b"still here").await;
        assert_eq!(two.frame().await, b"still here");
    }
    assert!(one.events.try_recv().is_err(), "the honest link noticed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_control_stream_closes_the_link() {
    for over in [Over::Quic, Over::Tcp] {
        let mut two = Node::start(2, SwarmConfig::default()).await;
        two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
        let hostile = Hostile::connect(9, &two.address, over).await;
        let _first = hostile.open("/accord/1").await;
        let (link, _) = two.up().await;
        // The node may close before its answer arrives.
        let _second = hostile.ask("/accord/1").await;
        assert_eq!(two.down(link).await, DownReason::Garbage(Garbage::SecondStream));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_opened_and_left_alone_do_not_keep_a_connection() {
    let limits = Limits { first_frame: Duration::from_millis(400), ..Limits::default() };
    let mut two = Node::start(2, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let hostile = Hostile::connect(9, &two.address, Over::Quic).await;
    let mut idle = Vec::new();
    for _ in 0..limits::STREAMS_MAX {
        let mut stream = hostile.open_raw().await;
        // A stream exists once something was written on it.
        hostile::write(&mut stream, b"\x13").await;
        idle.push(stream);
    }
    hostile.closed().await;
    assert!(two.events.try_recv().is_err(), "no link, no event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_stall_at_any_point_are_closed_with_their_reason() {
    let limits = Limits {
        first_frame: Duration::from_millis(800),
        progress_window: Duration::from_millis(300),
        silence: Duration::from_millis(600),
        ..Limits::default()
    };
    let mut two = Node::start(2, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let empty = [0, 0, 0, 0, 0];
    let frame = [0, 0, 0, 1, 0, 7];
    let cases: [(Vec<u8>, DownReason); 6] = [
        (Vec::new(), DownReason::NoFirstFrame),
        (empty.to_vec(), DownReason::NoFirstFrame),
        (vec![0, 0], DownReason::TooSlow),
        (vec![0, 0, 1, 0, 0, 1, 2, 3], DownReason::TooSlow),
        (frame.to_vec(), DownReason::Silent),
        ([&frame[..], &empty.repeat(200)].concat(), DownReason::Flood),
    ];
    for (number, (bytes, reason)) in cases.into_iter().enumerate() {
        let over = if number % 2 == 0 { Over::Tcp } else { Over::Quic };
        let hostile = Hostile::connect(9, &two.address, over).await;
        let mut stream = hostile.open("/accord/1").await;
        hostile::write(&mut stream, &bytes).await;
        let (link, _) = two.up().await;
        assert_eq!(two.down(link).await, reason, "after {bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_with_nothing_to_say_says_so() {
    let limits = Limits { keep_alive: Duration::from_millis(50), ..Limits::default() };
    let mut two = Node::start(2, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let hostile = Hostile::connect(9, &two.address, Over::Tcp).await;
    let mut stream = hostile.open("/accord/1").await;
    assert_eq!(hostile::read_exactly(&mut stream, 15).await, [0; 15]);
    two.up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_at_once_keep_exactly_one_link() {
    for round in 0..4u8 {
        let config = if round % 2 == 0 { SwarmConfig::default() } else { only(Over::Tcp) };
        let mut nodes = [Node::start(10 + 2 * round, config.clone()).await, Node::start(11 + 2 * round, config).await];
        let listed = [nodes[0].listed(true), nodes[1].listed(true)];
        tokio::join!(nodes[0].allow(&listed[1..]), nodes[1].allow(&listed[..1]));
        // Both chatter on whatever link they have until hundreds of frames went both ways, then both stop and tell their story.
        let [one, two] = &mut nodes;
        let (first, second) = tokio::join!(chatter(one, 300), chatter(two, 300));
        let low = if one.key < two.key { &first } else { &second };
        for story in [&first, &second] {
            assert_eq!(story.open.len(), 1, "{:?}", story.ended);
            assert!(story.ended.len() <= 1, "no flapping: {:?}", story.ended);
            if !story.ended.is_empty() {
                assert_eq!(low.open.values().next(), Some(&true), "the one dialled by the lower key stays");
            }
        }
        assert_ne!(first.open.values().next(), second.open.values().next(), "one link has two ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_is_refused_or_takes_over_by_rule() {
    // The partner's key both ways round, each with a fresh link and with one that has settled.
    let (a, b) = (1, 2);
    let (low, high) = if key(a) < key(b) { (a, b) } else { (b, a) };
    for (ours, theirs, settled, takes_over) in
        [(low, high, false, false), (high, low, false, true), (low, high, true, true), (high, low, true, true)]
    {
        let settle = if settled { Duration::ZERO } else { Duration::from_secs(3600) };
        let limits = Limits { settled: settle, ..Limits::default() };
        let mut one = Node::start(ours, SwarmConfig { limits, ..SwarmConfig::default() }).await;
        let mut two = Node::start(theirs, SwarmConfig::default()).await;
        two.allow(&[one.listed(false)]).await;
        one.allow(&[two.listed(true)]).await;
        let (dialled, _) = one.up().await;
        let (accepted, _) = two.up().await;
        // The partner's key dials us while we are linked by our own dial.
        let hostile = Hostile::connect(theirs, &one.address, Over::Tcp).await;
        let mut stream = hostile.open("/accord/1").await;
        if takes_over {
            assert_eq!(one.down(dialled).await, DownReason::Replaced);
            assert_eq!(two.down(accepted).await, DownReason::ClosedByPartner(bye::DUPLICATE));
            let outgoing = one
                .expect("up", |event| match event {
                    SwarmEvent::Up { outgoing, .. } => Some(outgoing),
                    _ => None,
                })
                .await;
            assert!(!outgoing);
            hostile::write(&mut stream, &[0, 0, 0, 1, 0, 7]).await;
            assert_eq!(one.frame().await, [7]);
        } else {
            assert_eq!(hostile::read_to_end(&mut stream).await, [0, 0, 0, 1, 2, bye::DUPLICATE]);
            one.send(dialled, b"unmoved").await;
            assert_eq!(two.frame().await, b"unmoved");
            assert!(one.events.try_recv().is_err(), "the refused one is not even mentioned");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_and_comes_back_is_linked_again_at_its_second_dial() {
    let (a, b) = (1, 2);
    let (low, high) = if key(a) < key(b) { (a, b) } else { (b, a) };
    // The link will not settle, and nothing tells that its other end is gone: the lower key dialled it and would keep it.
    let limits = Limits { settled: Duration::from_secs(3_600), ..Limits::default() };
    let mut one = Node::start(low, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    let mut killed = Node::start(high, SwarmConfig::default()).await;
    killed.allow(&[one.listed(false)]).await;
    one.allow(&[killed.listed(true)]).await;
    let (dialled, _) = one.up().await;
    killed.up().await;
    // A further failure would wait for an hour.
    let limits = Limits { redial_first: Duration::from_millis(100), ..Limits::default() };
    let mut back = Node::start(high, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    back.allow(&[one.listed(true)]).await;
    let (refused, _) = back.up().await;
    assert_eq!(back.down(refused).await, DownReason::ClosedByPartner(bye::DUPLICATE));
    assert_eq!(one.down(dialled).await, DownReason::Replaced);
    let (link, _) = back.up().await;
    let (taken, _) = one.up().await;
    back.send(link, b"back").await;
    assert_eq!(one.frame().await, b"back");
    one.send(taken, b"welcome").await;
    assert_eq!(back.frame().await, b"welcome");
}

/// What one node saw of its links.
#[derive(Default)]
struct Story {
    /// Links that stand, and whether they were dialled here.
    open: BTreeMap<LinkId, bool>,
    ended: Vec<DownReason>,
}

/// Answers every frame, beginning with one of its own on each new link, until it has seen `frames`.
async fn chatter(node: &mut Node, frames: usize) -> Story {
    let mut story = Story::default();
    let mut seen = 0;
    while seen < frames {
        match node.next().await {
            SwarmEvent::Up { link, outgoing, .. } => {
                story.open.insert(link, outgoing);
                node.send(link, b"tick").await;
            }
            SwarmEvent::Down { link, reason } => {
                assert!(story.open.remove(&link).is_some(), "down without up");
                story.ended.push(reason);
            }
            SwarmEvent::Frame { link, bytes } => {
                assert!(story.open.contains_key(&link), "a frame outside the life of its link");
                seen += 1;
                node.send(link, &bytes).await;
            }
            _ => {}
        }
    }
    story
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_one_node_is_counted_as_what_comes_to_the_other() {
    for over in [Over::Quic, Over::Tcp] {
        let traffic: Arc<Traffic> = Arc::default();
        let (one, link, mut two, _) = pair(SwarmConfig { traffic: traffic.clone(), ..only(over) }).await;
        one.send(link, &noise(1, 60_000)).await;
        one.send(link, &[7; 60_000]).await;
        two.frame().await;
        two.frame().await;
        let counted = traffic.view();
        assert_eq!((counted.frames_out, counted.frames_in), (2, 2));
        assert_eq!(counted.bytes_out, counted.bytes_in);
        assert!((60_000..62_000).contains(&counted.bytes_out), "compressed, with headers: {counted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_whose_gate_has_closed_is_dropped_and_reported() {
    let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let tapped = seen.clone();
    let tap: Tap = Arc::new(move |_, frame| tapped.lock().expect("no panic while held").push(frame.to_vec()));
    let (mut one, link, mut two, _) = pair(SwarmConfig { tap: Some(tap), ..SwarmConfig::default() }).await;
    let epoch = Arc::new(AtomicU64::new(7));
    let gated = |permit_epoch, bytes: &[u8]| {
        let gate = Some(Gate { epoch: epoch.clone(), permit_epoch });
        SwarmCommand::Send { link, frame: OutFrame { bytes: bytes.to_vec(), gate } }
    };
    one.command(gated(7, b"open")).await;
    for _ in 0..10 {
        one.command(gated(6, b"stale")).await;
    }
    one.send(link, b"ungated").await;
    assert_eq!(two.frame().await, b"open");
    assert_eq!(two.frame().await, b"ungated");
    assert_eq!(dropped(&mut one, 10).await, 10);
    assert_eq!(*seen.lock().expect("no panic while held"), [b"open".to_vec(), b"ungated".to_vec()], "the tap sees what leaves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_still_waiting_for_a_slow_partner_are_dropped_when_the_policy_changes() {
    for over in [Over::Quic, Over::Tcp] {
        let handed = Arc::new(AtomicUsize::new(0));
        let counter = handed.clone();
        let tap: Tap = Arc::new(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let (mut one, link, mut two, _) = pair(SwarmConfig { tap: Some(tap), ..only(over) }).await;
        let epoch = Arc::new(AtomicU64::new(1));
        // 12 MB that do not compress, to a partner whose driver takes no events.
        let frames = 200;
        for number in 0..frames {
            let gate = Some(Gate { epoch: epoch.clone(), permit_epoch: 1 });
            one.command(SwarmCommand::Send { link, frame: OutFrame { bytes: noise(number, 60_000), gate } }).await;
        }
        // The partner's queue of events fills; from then on frames wait here. Raise the epoch once one that must be waiting is queued.
        epoch.store(2, Ordering::Release);
        one.send(link, b"last").await;
        let mut arrived = 0;
        loop {
            if two.frame().await == b"last" {
                break;
            }
            arrived += 1;
        }
        // What came may be here before the tap there has counted it. One more that is dropped is reported after that.
        let gate = Some(Gate { epoch: epoch.clone(), permit_epoch: 1 });
        one.command(SwarmCommand::Send { link, frame: OutFrame { bytes: b"after".to_vec(), gate } }).await;
        let lost = dropped(&mut one, frames + 1 - arrived).await - 1;
        assert_eq!(arrived + lost, frames, "{over}: every frame either arrived or was reported");
        assert_eq!(handed.load(Ordering::SeqCst), usize::try_from(arrived).expect("few") + 1, "{over}: no other frame left");
        assert!(lost > 0, "{over}: some were still waiting");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_dropped_is_reported_before_anybody_can_answer_what_went_after_it() {
    for over in [Over::Quic, Over::Tcp] {
        let (mut one, link, mut two, back) = pair(only(over)).await;
        let epoch = Arc::new(AtomicU64::new(7));
        for _ in 0..10 {
            let gate = Some(Gate { epoch: epoch.clone(), permit_epoch: 6 });
            one.command(SwarmCommand::Send { link, frame: OutFrame { bytes: b"stale".to_vec(), gate } }).await;
        }
        one.send(link, b"question").await;
        // There is always more behind it, so that the link never comes to rest.
        for number in 0..200 {
            one.send(link, &noise(number, 60_000)).await;
        }
        assert_eq!(two.frame().await, b"question");
        two.send(back, b"answer").await;
        let mut lost = 0;
        loop {
            match one.next().await {
                SwarmEvent::Dropped { frames, .. } => lost += frames,
                SwarmEvent::Frame { bytes, .. } if bytes == b"answer" => break,
                _ => {}
            }
        }
        assert_eq!(lost, 10, "{over}: known by then");
    }
}

/// Collects reports of dropped frames until there are `frames`.
async fn dropped(node: &mut Node, frames: u64) -> u64 {
    let mut sum = 0;
    while sum < frames {
        sum += node
            .expect("dropped", |event| match event {
                SwarmEvent::Dropped { frames, .. } => Some(frames),
                _ => None,
            })
            .await;
    }
    sum
}

/// Bytes that do not compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_named() {
    for config in [only(Over::Quic), only(Over::Tcp), SwarmConfig::default()] {
        let one = Node::start(1, config.clone()).await;
        let again = SwarmConfig { listen: vec![one.address.clone()], ..config };
        let error = start(again, &[2; 32]).await.expect_err("the address is taken");
        assert!(matches!(&error, SwarmError::AddressInUse { address, .. } if *address == one.address), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_address_families_may_share_a_port() {
    let port = Node::start(1, SwarmConfig::default()).await.address.rsplit_once(':').expect("host:port").1.to_owned();
    let mut listen = vec![format!("0.0.0.0:{port}")];
    // Machines without IPv6 still run the other half.
    if std::net::UdpSocket::bind("[::1]:0").is_ok() {
        listen.push(format!("[::]:{port}"));
    }
    within("the port", async {
        // The first node lets go of it a moment after it was dropped.
        while let Err(error) = start(SwarmConfig { listen: listen.clone(), ..SwarmConfig::default() }, &[2; 32]).await {
            assert!(matches!(error, SwarmError::AddressInUse { .. }), "{error}");
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_with_its_reason() {
    let refused = async |config| start(config, &[1; 32]).await.expect_err("a wrong configuration");
    let listen = |text: &str| SwarmConfig { listen: vec![text.to_owned()], ..SwarmConfig::default() };
    assert!(matches!(refused(listen("localhost:4711")).await, SwarmError::Address(AddressError::NameToListen(_))));
    assert!(matches!(refused(listen("4711")).await, SwarmError::Address(AddressError::Malformed(_))));
    // 192.0.2.0/24 is for documentation (RFC 5737), so it is no address of this machine.
    assert!(matches!(refused(listen("192.0.2.1:4711")).await, SwarmError::Listen { .. }));
    let off = SwarmConfig { quic: false, ..listen("/ip4/127.0.0.1/udp/0/quic-v1") };
    assert!(matches!(refused(off).await, SwarmError::Address(AddressError::TransportOff(_))));
    assert!(matches!(refused(SwarmConfig { quic: false, tcp: false, ..SwarmConfig::default() }).await, SwarmError::NoTransport));
}

#[test]
fn a_key_log_variable_of_any_value_prevents_the_start() {
    assert!(refuse_key_log(None).is_ok());
    for value in ["", "/tmp/keys"] {
        assert!(matches!(refuse_key_log(Some(OsStr::new(value))), Err(SwarmError::KeyLog)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_taken_off_the_list_loses_its_link_at_once() {
    let (mut one, from_one, mut two, from_two) = pair(SwarmConfig::default()).await;
    let mut three = Node::start(3, SwarmConfig::default()).await;
    two.allow(&[one.listed(false), three.listed(false)]).await;
    three.allow(&[two.listed(true)]).await;
    let (from_three, _) = three.up().await;
    two.up().await;
    two.allow(&[three.listed(false)]).await;
    assert_eq!(two.down(from_two).await, DownReason::NotAllowed);
    assert!(matches!(one.down(from_one).await, DownReason::Lost(_)));
    // It dials again and is not let in.
    let problem = one
        .expect("failed dial", |event| match event {
            SwarmEvent::DialFailed { error, .. } => Some(error),
            SwarmEvent::Up { .. } => panic!("let in again"),
            _ => None,
        })
        .await;
    assert_eq!(problem, DialProblem::NotListed);
    three.send(from_three, b"unmoved").await;
    assert_eq!(two.frame().await, b"unmoved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_tell_what_is_wrong() {
    let limits = Limits { handshake: Duration::from_millis(1500), ..Limits::default() };
    let config = SwarmConfig { limits, ..SwarmConfig::default() };
    let (mut one, from_one, mut two, _) = pair(config.clone()).await;
    let three = Node::start(3, config.clone()).await;
    let unlisted = Node::start(4, config).await;
    let known = |node: &Node| AllowedPeer { transport: node.key, addresses: Vec::new(), dial: false };
    one.allow(&[known(&two), known(&three), known(&unlisted)]).await;
    three.allow(&[known(&one)]).await;

    let port = |address: &str| address.parse::<SocketAddr>().expect("host:port").port();
    for over in [Over::Quic, Over::Tcp] {
        let address = addresses::multiaddr(three.address.parse().expect("host:port"), over).to_string();
        let outcome = one.probe(three.key, &address).await;
        assert!(
            matches!(&outcome, ProbeOutcome::Reached { address, over: found, .. } if *address == three.address && *found == over),
            "{outcome:?}"
        );
    }
    let check = async |key, address: &str, expect| assert_eq!(one.probe(key, address).await, ProbeOutcome::Failed(expect), "{address}");
    check(unlisted.key, &unlisted.address, DialProblem::NotListed).await;
    check(two.key, &three.address, DialProblem::WrongIdentity { found: Some(three.key) }).await;
    check(two.key, &one.address, DialProblem::WrongIdentity { found: Some(one.key) }).await;
    check(key(5), &three.address, DialProblem::NotAllowedHere).await;
    check(two.key, "nowhere", DialProblem::Address(AddressError::Malformed("nowhere".to_owned()))).await;
    // Bound, never answering: packets vanish.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound");
    check(two.key, &format!("/ip4/127.0.0.1/udp/{}/quic-v1", address.port()), DialProblem::TimedOut).await;
    // Nobody listens: the system says so.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let outcome = one.probe(two.key, &format!("/ip4/127.0.0.1/tcp/{}", closed.port())).await;
    assert!(matches!(&outcome, ProbeOutcome::Failed(DialProblem::Unreachable(cause)) if cause.contains("refused")), "{outcome:?}");
    let outcome = one.probe(two.key, &format!("no-such-name.invalid:{}", port(&two.address))).await;
    assert!(matches!(&outcome, ProbeOutcome::Failed(DialProblem::Address(AddressError::Unresolved { .. }))), "{outcome:?}");

    // A probe of a linked partner leaves the link alone.
    assert!(matches!(one.probe(two.key, &two.address).await, ProbeOutcome::Reached { .. }));
    one.send(from_one, b"same link").await;
    assert_eq!(two.frame().await, b"same link");
    assert!(one.events.try_recv().is_err() && two.events.try_recv().is_err(), "probes make no events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_takes_nothing_costs_a_bounded_amount_and_delays_nobody() {
    let limits = Limits { queue_bytes_max: 4 << 20, ..Limits::default() };
    let handed = Arc::new(AtomicUsize::new(0));
    let counter = handed.clone();
    let tap: Tap = Arc::new(move |to, frame| {
        if *to == key(2) {
            counter.fetch_add(frame.len(), Ordering::SeqCst);
        }
    });
    // The second node's driver takes no events from here on.
    let (mut one, to_slow, slow, _) = pair(SwarmConfig { limits, tap: Some(tap), ..SwarmConfig::default() }).await;
    let mut quick = Node::start(3, SwarmConfig::default()).await;
    quick.allow(&[one.listed(false)]).await;
    one.allow(&[slow.listed(false), quick.listed(true)]).await;
    let (to_quick, _) = one.up().await;
    let (from_quick, _) = quick.up().await;

    let mut worst = Duration::ZERO;
    // No frame is like one before it: a stream would say those again with next to nothing.
    let mut numbers = 0u64..;
    let reason = 'flood: loop {
        for number in numbers.by_ref().take(20) {
            one.send(to_slow, &noise(number, 50_000)).await;
        }
        let asked = Instant::now();
        one.send(to_quick, b"ping").await;
        assert_eq!(quick.frame().await, b"ping");
        quick.send(from_quick, b"pong").await;
        loop {
            match one.next().await {
                SwarmEvent::Frame { .. } => break,
                SwarmEvent::Down { link, reason } if link == to_slow => break 'flood reason,
                _ => {}
            }
        }
        worst = worst.max(asked.elapsed());
    };
    assert!(matches!(reason, DownReason::Overflow { queued } if (4 << 20..5 << 20).contains(&queued)), "{reason:?}");
    // Events of the slow node, its read-ahead and windows, and what the kernel keeps.
    let bound = 64 * 50_000 + (limits::QUIC_STREAM_WINDOW_BYTES as usize) + (4 << 20);
    assert!(handed.load(Ordering::SeqCst) < bound, "{} bytes went to a node that takes none", handed.load(Ordering::SeqCst));
    assert!(worst < Duration::from_secs(1), "the quick partner waited {worst:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_comes_back_is_dialled_again() {
    let (mut one, from_one, two, _) = pair(SwarmConfig::default()).await;
    two.command(SwarmCommand::Stop).await;
    assert_eq!(one.down(from_one).await, DownReason::ClosedByPartner(bye::STOPPING));
    let address = two.address.clone();
    let Node { mut events, .. } = two;
    // All sockets are free once the swarm is gone.
    while within("end of the swarm", events.recv()).await.is_some() {}
    let config = SwarmConfig { listen: vec![address], ..SwarmConfig::default() };
    let (commands, mut events) = within("the port again", async {
        loop {
            match start(config.clone(), &[2; 32]).await {
                Ok(started) => break started,
                Err(SwarmError::AddressInUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    commands.send(SwarmCommand::Allow(vec![one.listed(false)])).await.expect("the swarm runs");
    one.up().await;
    let back = within("up", async {
        loop {
            if let Some(SwarmEvent::Up { outgoing, .. }) = events.recv().await {
                break outgoing;
            }
        }
    })
    .await;
    assert!(!back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waking_a_partner_dials_without_waiting() {
    let limits = Limits { redial_first: Duration::from_secs(3600), redial_max: Duration::from_secs(3600), ..Limits::default() };
    let mut one = Node::start(1, SwarmConfig { limits, ..SwarmConfig::default() }).await;
    let mut two = Node::start(2, SwarmConfig::default()).await;
    one.allow(&[two.listed(true)]).await;
    one.expect("failed dial", |event| matches!(event, SwarmEvent::DialFailed { .. }).then_some(())).await;
    two.allow(&[one.listed(false)]).await;
    one.command(SwarmCommand::Wake(two.key)).await;
    one.up().await;
    two.up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_sends_what_is_queued() {
    for over in [Over::Quic, Over::Tcp] {
        let (mut one, from_one, mut two, from_two) = pair(only(over)).await;
        for number in 0..50 {
            one.send(from_one, &noise(number, 60_000)).await;
        }
        one.command(SwarmCommand::Stop).await;
        for number in 0..50 {
            assert_eq!(two.frame().await, noise(number, 60_000));
        }
        assert_eq!(two.down(from_two).await, DownReason::ClosedByPartner(bye::STOPPING));
        assert_eq!(one.down(from_one).await, DownReason::Stopped);
        assert!(within("end", one.events.recv()).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_wrong_size_are_not_sent() {
    let (mut one, from_one, mut two, _) = pair(SwarmConfig::default()).await;
    one.send(from_one, &[]).await;
    one.send(from_one, &vec![0; limits::FRAME_BYTES_MAX + 1]).await;
    one.send(from_one, b"right").await;
    assert_eq!(dropped(&mut one, 2).await, 2);
    assert_eq!(two.frame().await, b"right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_does_not_keep_a_partner_out() {
    let mut two = Node::start(2, SwarmConfig::default()).await;
    let mut one = Node::start(1, SwarmConfig::default()).await;
    two.allow(&[one.listed(false)]).await;
    let target: SocketAddr = two.address.parse().expect("host:port");
    // From many networks: connections that never say a word.
    let mut strangers = Vec::new();
    for number in 0..200u8 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 1 + number, 1], 0))).expect("loopback is a whole /8 here");
        strangers.push(within("connect", socket.connect(target)).await.expect("the kernel accepts"));
    }
    one.allow(&[AllowedPeer { addresses: vec![addresses::multiaddr(target, Over::Tcp).to_string()], ..two.listed(true) }]).await;
    let refused = two
        .expect("refused", |event| match event {
            SwarmEvent::Refused { reason, transport, .. } => Some((reason, transport)),
            _ => None,
        })
        .await;
    assert_eq!(refused, (RefusedReason::TooManyAttempts, None));
    one.up().await;
    two.up().await;
}

/// Prints figures: `cargo test -p accord-node figures -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "figures are for people")]
async fn figures() {
    for over in [Over::Quic, Over::Tcp] {
        let limits = Limits { frames_per_second: 1e9, frames_burst: 1e9, ..Limits::default() };
        let (mut one, from_one, mut two, from_two) = pair(SwarmConfig { limits, ..only(over) }).await;
        let echo = tokio::spawn(async move {
            while let Some(event) = two.events.recv().await {
                if let SwarmEvent::Frame { bytes, .. } = event {
                    two.send(from_two, &bytes).await;
                }
            }
        });
        for size in [100, 10_000] {
            let frame = noise(1, size);
            let mut times = Vec::new();
            for _ in 0..5_000 {
                let asked = Instant::now();
                one.send(from_one, &frame).await;
                one.frame().await;
                times.push(asked.elapsed());
            }
            times.sort();
            eprintln!("{over} echo of {size} bytes: p50 {:?} p99 {:?}", times[2_500], times[4_950]);
        }
        for size in [100usize, 1_000, 60_000] {
            let frame = noise(2, size);
            let rounds = (64 << 20) / size.max(1_000);
            let started = Instant::now();
            let (mut sent, mut back) = (0, 0);
            while back < rounds {
                while sent < rounds && (sent - back) * (size + 64) < 4 << 20 {
                    one.send(from_one, &frame).await;
                    sent += 1;
                }
                one.frame().await;
                back += 1;
            }
            let seconds = started.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "figures are rounded")]
            let (rate, bytes) = (rounds as f64 / seconds, (rounds * size) as f64 / seconds / 1e6);
            eprintln!("{over} both ways, {size} bytes: {rate:.0} frames/s, {bytes:.1} MB/s");
        }
        echo.abort();
    }
}
