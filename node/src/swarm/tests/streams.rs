//! Bursts as streams between real nodes, and what is said to nodes that do not speak them.

use super::*;

/// A page of text like every other but for its number.
fn page(n: u64) -> Vec<u8> {
    let mut out = format!("第{n}号通报。城关镇东门市场一辆电动自行车被盗，车锁遭液压钳剪断。").repeat(12).into_bytes();
    out.extend_from_slice(&noise(n, 40));
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_with_dropped_frames_in_it_arrives_and_costs_less_than_its_frames_alone() {
    for over in [Over::Quic, Over::Tcp] {
        let traffic: Arc<Traffic> = Arc::default();
        let (one, link, mut two, _) = pair(SwarmConfig { traffic: traffic.clone(), ..only(over) }).await;
        let epoch = Arc::new(AtomicU64::new(2));
        let mut alone = 0;
        for n in 0..60 {
            if n % 7 == 6 {
                let gate = Some(Gate { epoch: epoch.clone(), permit_epoch: 1 });
                one.command(SwarmCommand::Send { link, frame: OutFrame { bytes: page(1_000 + n), gate } }).await;
            }
            one.send(link, &page(n)).await;
            alone += frame_on_wire(&page(n)).len() as u64;
        }
        for n in 0..60 {
            assert_eq!(two.frame().await, page(n), "{over}");
        }
        let went = traffic.view().bytes_out;
        assert!(went * 4 < alone * 3, "{over}: {went} bytes, {alone} alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_the_first_version_of_the_control_stream_gets_no_pieces_and_may_send_none() {
    let mut two = Node::start(2, SwarmConfig::default()).await;
    two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let older = Hostile::connect(9, &two.address, Over::Tcp).await;
    let mut stream = older.open("/accord/1").await;
    hostile::write(&mut stream, &[0, 0, 0, 1, 0, 7]).await;
    let (link, _) = two.up().await;
    assert_eq!(two.frame().await, [7]);
    for n in 0..8 {
        two.send(link, &page(n)).await;
    }
    for n in 0..8 {
        let head = hostile::read_exactly(&mut stream, 5).await;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        assert_eq!(head[4], 1, "a frame by itself");
        let body = hostile::read_exactly(&mut stream, length).await;
        assert_eq!(codec::decompress(&body), Ok(page(n)));
    }
    hostile::write(&mut stream, &[0, 0, 0, 4, 3, 0, 0, 1, 9]).await;
    assert_eq!(two.down(link).await, DownReason::Garbage(Garbage::UnknownFlag(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_that_goes_on_with_nothing_ends_the_link() {
    let mut two = Node::start(2, SwarmConfig::default()).await;
    two.allow(&[AllowedPeer { transport: key(9), addresses: Vec::new(), dial: false }]).await;
    let hostile = Hostile::connect(9, &two.address, Over::Quic).await;
    let mut stream = hostile.open("/accord/2").await;
    hostile::write(&mut stream, &[0, 0, 0, 4, 4, 0, 0, 1, 9]).await;
    let (link, _) = two.up().await;
    assert_eq!(two.down(link).await, DownReason::Garbage(Garbage::BadCompression));
}
