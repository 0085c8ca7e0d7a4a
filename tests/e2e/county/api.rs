//! The API's edges: a client that sends too much, too slowly, or comes back for the rest of the events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::*;

/// Sends raw bytes to the API; what came back until it closed, or until `within`.
fn raw(bureau: &Bureau, bytes: &[u8], within: Duration) -> String {
    let mut stream = UnixStream::connect(bureau.data.join("run/api.sock")).expect("it listens");
    stream.set_read_timeout(Some(within)).expect("set");
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_client_that_sends_nonsense_too_much_or_nothing_is_told_or_dropped() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    let settings = a.data.join("accord.toml");
    let text = std::fs::read_to_string(&settings).expect("readable");
    let quick: String = text
        .lines()
        .map(|line| {
            if line.trim_start().trim_start_matches("# ").starts_with("header_seconds") {
                "header_seconds = 1\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    assert!(quick.contains("\nheader_seconds = 1\n"), "{text}");
    std::fs::write(&settings, quick).expect("written");
    a.start();
    let long = Duration::from_secs(20);
    let check = |request: String, status: &str, code: &str| {
        let answer = raw(&a, request.as_bytes(), long);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code), "{request:.80}: {answer}");
    };
    check("GET /v1/nowhere HTTP/1.1\r\nhost: accord\r\nconnection: close\r\n\r\n".into(), "404", "no_route");
    check("GET /v1/status?colour=red HTTP/1.1\r\nhost: accord\r\nconnection: close\r\n\r\n".into(), "422", "bad_query");
    // Only the owner of the socket can connect, so no name in `host` opens anything and none is refused.
    check("GET /v1/status HTTP/1.1\r\nhost: elsewhere.example\r\nconnection: close\r\n\r\n".into(), "200", "\"view\":\"status\"");
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
    check(
        format!("POST /v1/officers HTTP/1.1\r\nhost: accord\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()),
        "413",
        "body_too_large",
    );
    check(format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000)), "431", "");
    check("NONSENSE\r\n\r\n".into(), "400", "");
    check("POST /v1/officers HTTP/1.1\r\nhost: accord\r\ncontent-length: 3\r\nconnection: close\r\n\r\n{{{".into(), "422", "bad_body");

    // Half a head, then silence: the connection ends, and meanwhile others are served.
    let begun = Instant::now();
    let mut slow = UnixStream::connect(a.data.join("run/api.sock")).expect("it listens");
    slow.write_all(b"GET /v1/status HTTP/1.1\r\nhost: acc").expect("sent");
    a.status();
    slow.set_read_timeout(Some(long)).expect("set");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("closed by the daemon");
    assert!(begun.elapsed() < Duration::from_secs(15), "a slow head was borne for {:?}", begun.elapsed());
    // As many silent connections as there is room for: they pass, and then everybody is served again.
    let _silent: Vec<UnixStream> = (0..64).map(|_| UnixStream::connect(a.data.join("run/api.sock")).expect("it listens")).collect();
    a.status();
}

#[test]
fn events_go_on_where_a_reader_left_off() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::open(dir.path(), "甲县公安局");
    let draft = |n: u32| a.json(&["bulletin", "new", "--text", &format!("第{n}份"), "--category", "CRIM.SERIES"]);
    (0..3).for_each(|n| drop(draft(n)));
    let page = |since: u64| a.json(&["events", "--since", &since.to_string()])["events"].as_array().expect("a list").clone();
    let position = |event: &Value| event["position"].as_u64().expect("a position");
    let all = page(0);
    let positions: Vec<u64> = all.iter().map(position).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "{positions:?}");
    let middle = positions[positions.len() / 2];
    assert_eq!(page(middle), all.iter().filter(|event| position(event) > middle).cloned().collect::<Vec<_>>());

    // A reader that follows, is gone for a while, and comes back.
    let follow = |since: u64, upto: u64| {
        let mut command = accord();
        command.arg("--data").arg(&a.data).args(["--json", "events", "--watch", "--since", &since.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut seen = Vec::new();
        for line in lines {
            let event: Value = serde_json::from_str(&line.expect("UTF-8")).expect("an event");
            seen.push(position(&event));
            if position(&event) >= upto {
                break;
            }
        }
        child.kill().and_then(|()| child.wait()).expect("our child");
        seen
    };
    let last = *positions.last().expect("some");
    assert_eq!(follow(0, last), positions);
    (3..6).for_each(|n| drop(draft(n)));
    let later: Vec<u64> = page(last).iter().map(position).collect();
    assert!(!later.is_empty());
    assert_eq!(follow(last, *later.last().expect("some")), later);
    // Positions are the same after a restart.
    let before = page(0);
    a.stop();
    a.start();
    let after = a.json(&["events", "--since", "0"])["events"].as_array().expect("a list").clone();
    assert_eq!(after[..before.len()], before[..]);
}
