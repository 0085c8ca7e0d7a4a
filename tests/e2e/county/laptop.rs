//! A field laptop: its code, its days without a network, and officers whose keys are made anew.

use accord_node::demo::wire::Cable;
use serde_json::Value;

use super::harness::*;

/// What `device join` says to a code.
fn join(laptop: &Bureau, code: &str) -> Ran {
    let (node, officer) = (laptop.pass("node"), laptop.pass("officer"));
    laptop.cli(&[
        "--json",
        "device",
        "join",
        code,
        "--passphrase-file",
        node.to_str().expect("plain path"),
        "--officer-passphrase-file",
        officer.to_str().expect("plain path"),
    ])
}

/// A code that lets nobody in leaves no folder behind.
pub fn join_refused(laptop: &Bureau, code: &str, expect: &str) {
    let done = join(laptop, code);
    assert_eq!(done.problem_code(), expect, "{done:?}");
    assert!([1, 2].contains(&done.code), "{done:?}");
    assert!(!laptop.data.exists(), "a refused laptop left a data folder");
}

#[test]
fn a_laptop_joins_once_writes_without_a_network_and_comes_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let port = free_port();
    let cable = Cable::lay(std::net::SocketAddr::from(([127, 0, 0, 1], port))).expect("a cable");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan { card_address: Some(cable.address()), ..Plan::default() });
    a.listen = format!("127.0.0.1:{port}");
    a.run_args = vec!["--listen".to_owned(), a.listen.clone()];
    a.start();
    a.login();
    let b = Bureau::open(dir.path(), "乙县公安局");
    a.knows(&b);
    b.knows(&a);
    b.json(&["partner", "set", &a.name, "--address", &a.listen]);
    agree(&a, &b, &terms(now() + 86_400 * 90, GRANTS));
    let case = case(&a, &b);

    let mut laptop = Bureau::laptop(dir.path(), "外勤笔记本");
    let code = a.json(&["device", "invite", "--for", OFFICER])["code"].as_str().expect("a code").to_owned();
    join_refused(&laptop, "一个口令", "invitation_invalid");
    let letter = code.chars().nth(40).expect("a letter");
    let slip: String = code.chars().enumerate().map(|(at, c)| if at == 40 { if letter == 'A' { 'B' } else { 'A' } } else { c }).collect();
    if slip != code {
        join_refused(&laptop, &slip, "invitation_invalid");
    }
    let joined = join(&laptop, &code);
    assert_eq!(joined.code, 0, "{joined:?}");
    assert_eq!((joined.json()["name"].as_str(), joined.json()["officer"].as_str()), (Some(a.name.as_str()), Some(OFFICER)));
    join_refused(&Bureau::laptop(dir.path(), "第二台"), &code, "invitation_expired");
    laptop.start();
    laptop.login();
    same(&case, &[&a, &b, &laptop]);
    let devices = a.json(&["device", "list"]);
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(2), "{devices}");

    until("its node has told it everything", || (laptop.status()["reading"]["home"] == true).then_some(()));
    assert_eq!(a.status()["reading"], Value::Null, "a node never locks");

    cable.pull();
    until("the laptop is gone", || {
        let status = a.status();
        status["devices"].as_array()?.iter().all(|device| device["here"] == true || device["connected"] == false).then_some(())
    });
    for n in 0..5 {
        laptop.json(&["case", "note", &case, "--text", &format!("外勤记录{n}。")]);
        a.json(&["case", "note", &case, "--text", &format!("内勤记录{n}。")]);
    }
    // Off for the night, without a network in between.
    laptop.kill();
    laptop.start();
    assert!(laptop.document(&case).expect("it holds it").to_string().contains("外勤记录4。"));
    assert!(!a.document(&case).expect("it holds it").to_string().contains("外勤记录"));
    let reading = laptop.status()["reading"].clone();
    assert_eq!((&reading["home"], &reading["locked"]), (&false.into(), &0.into()));
    // Thirty whole days are left within the second of the last contact only.
    assert!(reading["days_left"] == 29 || reading["days_left"] == 30, "it still knows since when: {reading}");
    cable.plug();
    same(&case, &[&a, &b, &laptop]);
    let shown = b.document(&case).expect("it holds it").to_string();
    for n in 0..5 {
        assert!(shown.contains(&format!("外勤记录{n}。")) && shown.contains(&format!("内勤记录{n}。")), "{n}");
    }
    laptop.stop();
}

#[test]
fn an_officer_is_added_logs_in_is_reset_and_logs_in_anew() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let a = Bureau::open(dir.path(), "甲县公安局");
    a.json(&["officer", "add", "值班二", "--seat", "值班室", "--can", "create,write"]);
    a.refused(&["officer", "add", "值班二"], 1, "officer_exists");
    a.refused(&["officer", "add", "值班三", "--can", "fly"], 2, "unknown_capability");
    let (first, second) = (private(&a.file("first"), "first horse battery"), private(&a.file("second"), "second horse battery"));
    let login = |pass: &std::path::Path| a.cli(&["--json", "login", "值班二", "--passphrase-file", pass.to_str().expect("plain path")]);
    assert_eq!(login(&first).code, 0);
    a.json(&["logout", "值班二"]);
    assert_eq!((login(&second).code, login(&second).problem_code().as_str()), (1, "wrong_passphrase"));
    assert_eq!(login(&first).code, 0);
    a.refused(&["--as", OFFICER, "officer", "reset", "值班二"], 2, "not_a_terminal");
    a.json(&["--as", OFFICER, "officer", "reset", "值班二", "--yes"]);
    let officer = |name: &str| a.json(&["officer", "show", name])["officers"][0].clone();
    assert_eq!(officer("值班二")["logged_in"], false, "the old key acts no more");
    assert_eq!(officer("值班二")["state"], "awaiting_login");
    assert_eq!(login(&second).code, 0);
    assert_eq!(officer("值班二")["state"], "good");
    let draft = ["bulletin", "new", "--text", "值班二起草", "--category", "CRIM.SERIES"];
    a.refused(&draft, 1, "which_officer");
    a.json(&[&["--as", "值班二/值班室"], &draft[..]].concat());
    a.refused(&[&["--as", "值班二/不存在"], &draft[..]].concat(), 1, "no_such_seat");
    // The renewed certificate keeps the passphrase.
    let before = officer("值班二")["certificate"].clone();
    a.json(&["--as", OFFICER, "cert", "renew", "值班二"]);
    assert_ne!(officer("值班二")["certificate"], before);
    a.json(&["logout", "值班二"]);
    assert_eq!(login(&second).code, 0);
}
