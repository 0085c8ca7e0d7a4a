//! Who speaks to our port without being a partner, and a partner's key that speaks nonsense.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use accord_keys::id::TransportKey;
use accord_keys::keyfile::KdfParams;
use accord_node::keystore::KeyFolder;
use accord_node::swarm::{self, AllowedPeer, OutFrame, SwarmCommand, SwarmConfig, SwarmEvent};

use super::harness::*;

/// Dials `address` with the transport key of `seed`, sends `frames`, and says whether a link came up and how it ended.
fn dial(seed: &[u8; 32], to: TransportKey, address: &str, frames: Vec<Vec<u8>>) -> (bool, bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("an event loop");
    let done = runtime.block_on(async {
        let (commands, mut events) = swarm::start(SwarmConfig::default(), seed).await.expect("a swarm that only dials");
        let peer = AllowedPeer { transport: to, addresses: vec![address.to_owned()], dial: true };
        commands.send(SwarmCommand::Allow(vec![peer])).await.expect("it runs");
        let (mut up, mut down) = (false, false);
        let talk = async {
            while let Some(event) = events.recv().await {
                match event {
                    SwarmEvent::Up { link, .. } => {
                        up = true;
                        for bytes in &frames {
                            let frame = OutFrame { bytes: bytes.clone(), gate: None };
                            commands.send(SwarmCommand::Send { link, frame }).await.expect("it runs");
                        }
                    }
                    SwarmEvent::Down { .. } => {
                        down = true;
                        break;
                    }
                    SwarmEvent::DialFailed { .. } => break,
                    _ => {}
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), talk).await;
        (up, down)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

fn transport_of(bureau: &Bureau) -> TransportKey {
    let devices = bureau.json(&["device", "list"]);
    TransportKey::from_hex(devices["devices"][0]["transport"].as_str().expect("a key")).expect("hex")
}

#[test]
fn strangers_and_noise_at_the_port_get_nothing_and_disturb_nobody() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = pair(dir.path());
    a.connected(&b.name);

    // A key that nobody listed.
    let (up, _) = dial(&[0x5a; 32], transport_of(&a), &a.listen, vec![b"hello".to_vec()]);
    assert!(!up, "a key that is not listed got a link");
    until("the refusal is in the log", || a.log().contains("NotListed").then_some(()));

    // Noise over TCP: HTTP, TLS that breaks off, zeros, and a connection that says nothing.
    let noises: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        &[0; 4_096],
        b"/multistream/1.0.0\n",
        b"\x13/multistream/1.0.0\n\xff\xff\xff\xff",
    ];
    for noise in noises {
        let mut stream = TcpStream::connect(&a.listen).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        let _ = stream.write_all(noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.take(65_536).read_to_end(&mut answer);
        assert!(answer.len() < 4_096, "noise was answered with {} bytes", answer.len());
    }
    let _silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&a.listen).expect("it listens")).collect();

    // Noise over UDP: no QUIC, and long headers that look like it.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mut seed = random();
    for size in [1, 20, 200, 1_200, 1_400, 1_200, 1_200, 1_200] {
        for first in [0x00, 0x40, 0xc0, 0xff] {
            let mut packet: Vec<u8> = (0..size)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect();
            packet[0] = first;
            if size > 6 && first >= 0xc0 {
                packet[1..6].copy_from_slice(&[0, 0, 0, 1, 8]);
            }
            socket.send_to(&packet, &a.listen).expect("sent");
        }
    }
    let id = a.publishes("照常往来", &b.name);
    b.receives(&id);
    assert_eq!(a.json(&["partner", "show", &b.name])["partners"][0]["connected"], true);
}

#[test]
fn a_partners_key_that_speaks_nonsense_loses_its_link_and_nothing_else_happens() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, mut b) = pair(dir.path());
    let case = case(&a, &b);
    let before = same(&case, &[&a, &b]);
    // The partner's machine was taken over: its key now speaks whatever somebody likes.
    b.stop();
    let keys = KeyFolder::open(&b.data, KdfParams::default()).expect("its keys").read_node(NODE_PASS).expect("its passphrase");
    let mut noise: Vec<Vec<u8>> = vec![vec![0xff; 40], vec![0], vec![0x9f; 60_000], b"{\"hello\":1}".to_vec()];
    // What begins like a message: version and kind, then garbage of every first byte.
    noise.extend((0..=255_u8).map(|kind| [&[1, kind][..], &[0xa5; 300]].concat()));
    for frame in noise.iter().step_by(64) {
        let (up, down) = dial(&keys.transport, transport_of(&a), &a.listen, vec![frame.clone()]);
        assert!(up, "a listed key gets a link");
        assert!(down, "a link that carried garbage stays up");
    }
    let (up, _) = dial(&keys.transport, transport_of(&a), &a.listen, noise.clone());
    assert!(up);
    assert_eq!(a.document(&case).expect("still there")["content_hash"], before.as_str());
    // Its owner comes back: all goes on.
    b.start();
    b.login();
    b.json(&["case", "note", &case, "--text", "恢复之后。"]);
    until("the entry arrives", || a.document(&case).filter(|view| view.to_string().contains("恢复之后。")));
    same(&case, &[&a, &b]);
}

#[test]
fn a_partner_that_cannot_be_reached_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, mut b) = pair(dir.path());
    b.stop();
    until("the link is down", || (a.json(&["partner", "show", &b.name])["partners"][0]["connected"] == false).then_some(()));
    let doctor = a.cli(&["--json", "doctor"]);
    assert_eq!((doctor.code, doctor.problem_code().as_str()), (1, "doctor_found"), "{doctor:?}");
    let found = doctor.json();
    let partner = found.as_array().expect("findings").iter().find(|one| one["check"] == "partner").expect("one for the partner");
    assert!(partner["ok"] == false && partner["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{partner}");
    assert!(partner["detail"].as_str().is_some_and(|detail| detail.contains(&b.name) && detail.contains(&b.listen)), "{partner}");
    assert_eq!(a.cli(&["--json", "partner", "test", &b.name]).code, 1);
    // Somebody else at that address is told apart from nobody.
    let stranger = Bureau::open(dir.path(), "过路公安局");
    a.json(&["partner", "set", &b.name, "--address", &stranger.listen]);
    let test = a.cli(&["--json", "partner", "test", &b.name]);
    assert_eq!(test.code, 1);
    assert!(
        test.json().as_array().is_some_and(|found| found.iter().any(|one| one["check"] == "identity" && one["ok"] == false)),
        "{test:?}"
    );
    // What is written meanwhile waits, and goes when the partner is back.
    a.json(&["partner", "set", &b.name, "--address", &b.listen]);
    let id = a.publishes("等你回来", &b.name);
    b.start();
    b.receives(&id);
}
