//! Real daemons in one process: real stores, real QUIC and TCP on loopback, real sockets.

use std::path::PathBuf;
use std::thread::JoinHandle;

use accord_protocol::view::View;
use serde_json::json;

use super::super::tests::plan;
use super::super::{InitPlan, init, mark_demo};
use super::*;
use crate::client::Client;

/// One running node.
struct Node {
    data: PathBuf,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Node {
    /// Starts the daemon of a data folder and waits until it answers.
    fn start(data: &Path) -> Self {
        let (stop, stops) = oneshot::channel();
        let plan = RunPlan { data: data.to_path_buf(), passphrase_file: Some(passphrase_file(data)), ..RunPlan::default() };
        let thread = std::thread::spawn(move || {
            run_until(plan, async {
                let _ = stops.await;
                Ok(())
            })
        });
        let node = Self { data: data.to_path_buf(), stop, thread };
        for _ in 0..3_000 {
            if node.client().get::<View>("/v1/status").is_ok() {
                return node;
            }
            assert!(!node.thread.is_finished(), "the daemon ended: {:?}", node.thread.join());
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("the daemon of {} does not answer", data.display());
    }

    fn client(&self) -> Client {
        Client::new(self.data.join("run/api.sock")).expect("an event loop")
    }

    fn get(&self, path: &str) -> View {
        self.client().get(path).unwrap_or_else(|failure| panic!("{path}: {failure}: {}", failure.chain()))
    }

    fn post(&self, path: &str, body: serde_json::Value) -> View {
        self.client().post(path, &body, false).unwrap_or_else(|failure| panic!("{path}: {failure}: {}", failure.chain()))
    }

    fn login(&self) {
        self.post("/v1/login", json!({"name": "值班一", "passphrase": "stapled horse"}));
    }

    fn stop(self) -> Result<(), Failure> {
        let _ = self.stop.send(());
        self.thread.join().expect("the daemon did not panic")
    }
}

fn passphrase_file(data: &Path) -> PathBuf {
    let path = data.with_extension("pass");
    crate::keystore::write_private(&path, b"correct horse\n").expect("written");
    path
}

/// A bureau that listens on a free port of loopback and says so on its card.
fn found(data: &Path, name: &str) -> super::super::StartSheet {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let address = format!("127.0.0.1:{port}");
    let founding = InitPlan { name: name.to_owned(), addresses: vec![address.clone()], listen: vec![address], ..plan(data) };
    init(founding).unwrap_or_else(|failure| panic!("{failure}: {}", failure.chain()))
}

/// Asks again until the answer is right; the swarm and the core have timers, so this is bounded by time and not by tries.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6_000 {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("it did not come about within a minute: {what}");
}

#[test]
fn a_node_starts_answers_stops_cleanly_and_starts_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    let sheet = found(&data, "河东县公安局");
    let node = Node::start(&data);
    let View::Status(status) = node.get("/v1/status") else { panic!("a status") };
    assert_eq!((status.bureau, status.name.as_str(), status.registrar), (sheet.bureau.clone(), "河东县公安局", true));
    let View::Card(card) = node.get("/v1/card") else { panic!("a card") };
    assert_eq!(card.checking_code, sheet.checking_code);
    node.login();
    let second = run_until(
        RunPlan { data: data.clone(), passphrase_file: Some(passphrase_file(&data)), ..RunPlan::default() },
        std::future::ready(Ok(())),
    );
    assert_eq!(second.expect_err("one daemon a store").code, "store_in_use");
    node.stop().expect("a clean stop");
    assert!(!data.join("run/api.sock").exists());

    let node = Node::start(&data);
    let View::Officers { officers } = node.get("/v1/officers") else { panic!("officers") };
    assert_eq!((officers.len(), officers[0].logged_in, officers[0].certificate.len()), (1, false, 64));
    node.login();
    let found: Vec<serde_json::Value> = node.client().get("/v1/doctor").expect("findings");
    let bad: Vec<_> = found.iter().filter(|finding| finding["ok"] == json!(false)).collect();
    assert!(bad.is_empty(), "{bad:?}");
    node.stop().expect("a clean stop");
}

#[test]
fn a_node_whose_backup_keys_are_damaged_runs_and_says_so_when_a_backup_is_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    found(&data, "河东县公安局");
    let whole = std::fs::read(data.join("keys/backup.keys")).expect("init made it");
    crate::keystore::write_private(&data.join("keys/backup.keys"), &[0; 200]).expect("overwritten");
    let node = Node::start(&data);
    let refused = node.client().fetch("/v1/backup", |_| Ok(())).expect_err("nothing to seal it under");
    let path = data.join("keys/backup.keys").display().to_string();
    assert_eq!((refused.code.as_str(), refused.param("path")), ("backup_keys_damaged", Some(path.as_str())));
    node.login();
    let bad = |node: &Node| -> Vec<String> {
        let found: Vec<serde_json::Value> = node.client().get("/v1/doctor").expect("findings");
        let bad = found.iter().filter(|finding| finding["ok"] == json!(false));
        bad.map(|finding| finding["code"].to_string()).filter(|code| code.contains("keys")).collect()
    };
    assert_eq!(bad(&node), ["\"keys_backup\""], "doctor names it");
    crate::keystore::write_private(&data.join("keys/backup.keys"), &whole).expect("put back from a copy");
    assert_eq!(bad(&node), Vec::<String>::new());
    node.client().fetch("/v1/backup", |_| Ok(())).expect("used as soon as it is whole");
    node.stop().expect("a clean stop");
}

#[test]
fn backup_keys_that_others_may_read_are_refused_each_time_they_are_used_and_only_then() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    found(&data, "河东县公安局");
    let mode = |mode: u32| {
        std::fs::set_permissions(data.join("keys/backup.keys"), std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode(0o644);
    let node = Node::start(&data);
    let back_up = |node: &Node| node.client().fetch("/v1/backup", |_| Ok(())).err().map(|failure| failure.code);
    assert_eq!(back_up(&node).as_deref(), Some("key_file_open"));
    mode(0o600);
    assert_eq!(back_up(&node), None, "what the refusal said to do was done");
    mode(0o644);
    assert_eq!(back_up(&node).as_deref(), Some("key_file_open"), "also of a file that was read before");
    node.stop().expect("a clean stop");
}

#[test]
fn wrong_passphrase_open_file_tap_and_taken_port_each_end_the_start_with_their_reason() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    found(&data, "河东县公安局");
    let pass = passphrase_file(&data);
    let check = |change: &dyn Fn(&mut RunPlan), expect: &str| {
        let mut plan = RunPlan { data: data.clone(), passphrase_file: Some(pass.clone()), ..RunPlan::default() };
        change(&mut plan);
        let failure = run_until(plan, std::future::ready(Ok(()))).expect_err(expect);
        assert_eq!((failure.code.as_str(), failure.kind.exit_code() <= 2), (expect, true), "{failure}: {}", failure.chain());
    };
    check(&|plan| plan.data = dir.path().join("nothing"), "not_initialised");
    check(&|plan| plan.tap = Some(dir.path().join("tap")), "tap_refused");
    let wrong = dir.path().join("wrong");
    crate::keystore::write_private(&wrong, b"wrong horse").expect("written");
    check(&|plan| plan.passphrase_file = Some(wrong.clone()), "wrong_passphrase");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    check(&|plan| plan.listen = vec![address.clone()], "address_in_use");
    check(&|plan| plan.listen = vec!["nowhere".to_owned()], "listen_invalid");
    std::fs::write(data.join("accord.toml"), "lisen = []").expect("written");
    check(&|_| {}, "config_unknown_key");
    std::fs::write(data.join("accord.toml"), "").expect("written");
    mark_demo(&data).expect("marked");
    let plan = RunPlan { data: data.clone(), passphrase_file: Some(pass.clone()), tap: Some(dir.path().join("tap")), ..RunPlan::default() };
    run_until(plan, std::future::ready(Ok(()))).expect("a demonstration's store may be tapped");
}

#[test]
fn an_address_no_partner_could_dial_never_gets_onto_a_card() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    for wrong in ["10.20.30.40", "node.example", "0.0.0.0:4600", "http://node.example:4600"] {
        let plan = InitPlan { addresses: vec!["10.20.30.40:4600".to_owned(), wrong.to_owned()], ..plan(&data) };
        let failure = init(plan).expect_err(wrong);
        assert_eq!((failure.code.as_str(), failure.param("found")), ("address_invalid", Some(wrong)));
        let told = crate::words::Words::of(crate::words::Lang::En).sentences(&failure);
        assert!(told.hint.is_some_and(|hint| hint.contains("10.20.30.40:4600")), "an example is given");
        assert!(!data.exists());
    }
    found(&data, "河东县公安局");
    let node = Node::start(&data);
    node.login();
    let set = |path: &str, body| node.client().post::<View>(path, &body, false).map(drop).map_err(|failure| failure.code);
    assert_eq!(set("/v1/card", json!({"addresses": ["10.20.30.40"], "phone": ""})), Err("address_invalid".to_owned()));
    assert_eq!(set("/v1/partners/x", json!({"address": "10.20.30.40"})), Err("address_invalid".to_owned()), "before anybody is looked for");
    let View::Card(card) = node.get("/v1/card") else { panic!("a card") };
    assert!(card.addresses.iter().all(|address| address.starts_with("127.0.0.1:")), "{card:?}");
    node.stop().expect("stops");
}

#[test]
fn two_bureaus_agree_and_a_published_bulletin_arrives() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let nodes: Vec<(Node, super::super::StartSheet)> = [("a", "河东县公安局"), ("b", "河西县公安局")]
        .into_iter()
        .map(|(folder, name)| {
            let data = dir.path().join(folder);
            let sheet = found(&data, name);
            let node = Node::start(&data);
            node.login();
            (node, sheet)
        })
        .collect();
    let [(a, sheet_a), (b, sheet_b)] = <[_; 2]>::try_from(nodes).unwrap_or_else(|_| panic!("two nodes"));
    let card = |node: &Node| match node.get("/v1/card") {
        View::Card(card) => card.text,
        other => panic!("{other:?}"),
    };
    a.post("/v1/partners", json!({"card": card(&b), "checking_code": sheet_b.checking_code, "alias": "west"}));
    b.post("/v1/partners", json!({"card": card(&a), "checking_code": sheet_a.checking_code, "alias": "east"}));
    let connected = |node: &Node| match node.get("/v1/partners") {
        View::Partners { partners } => partners.first().is_some_and(|partner| partner.connected).then_some(()),
        other => panic!("{other:?}"),
    };
    until("connected", || connected(&a));
    until("connected", || connected(&b));

    let now = Clock::start().now().wall.0;
    let grant = json!({"direction": "both", "category": "CRIM.SERIES", "verbs": ["read", "append"], "tlp_ceiling": "AMBER+STRICT", "onward": "none"});
    let terms = json!({"title": "协作协议", "from": now - 3_600, "to": now + 86_400 * 30, "grace_days": 30, "grants": [grant]});
    a.post("/v1/agreements", json!({"partner": "west", "terms": terms}));
    let offer = until("the offer arrives", || match b.get("/v1/agreements") {
        View::Agreements { agreements } => agreements.first().map(|agreement| agreement.id.clone()),
        other => panic!("{other:?}"),
    });
    b.post(&format!("/v1/agreements/{offer}/accept"), json!({}));
    for node in [&a, &b] {
        until("in force", || match node.get("/v1/agreements") {
            View::Agreements { agreements } => agreements.iter().any(|agreement| agreement.standing == "in_force").then_some(()),
            other => panic!("{other:?}"),
        });
    }
    let text = json!({"title": "系列盗窃", "text": "城东连续三起。", "category": "CRIM.SERIES", "subkind": "series"});
    a.post("/v1/bulletins", json!({"text": text, "to": ["west"]}));
    let line = until("the bulletin arrives", || match b.get("/v1/bulletins") {
        View::Documents { documents, .. } => documents.first().cloned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(line.title, "系列盗窃");
    let View::Document(document) = b.get(&format!("/v1/documents/{}", line.id)) else { panic!("a document") };
    assert!(!document.cannot_show);

    // B restarts and still shows it.
    let data = b.data.clone();
    b.stop().expect("a clean stop");
    let b = Node::start(&data);
    let View::Document(again) = b.get(&format!("/v1/documents/{}", line.id)) else { panic!("a document") };
    assert_eq!((again.heads, again.content_hash), (document.heads, document.content_hash));
    a.stop().expect("a clean stop");
    b.stop().expect("a clean stop");
}

#[test]
fn a_laptop_joins_with_its_code_once_and_gets_what_its_bureau_holds() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (home_data, laptop_data) = (dir.path().join("home"), dir.path().join("laptop"));
    let sheet = found(&home_data, "河东县公安局");
    let home = Node::start(&home_data);
    home.login();
    let text = json!({"title": "草稿", "text": "仅本单位。", "category": "CRIM.SERIES", "subkind": "series"});
    home.post("/v1/drafts", text);
    let invitation: serde_json::Value = home.client().post("/v1/devices", &json!({"officer": "值班一"}), false).expect("invited");
    let code = invitation["code"].as_str().expect("a code").to_owned();
    let joining = |data: &Path| super::super::JoinPlan {
        data: data.to_path_buf(),
        code: zeroize::Zeroizing::new(code.clone()),
        node_passphrase: zeroize::Zeroizing::new("correct horse".to_owned()),
        officer_passphrase: zeroize::Zeroizing::new("laptop horse".to_owned()),
        listen: Vec::new(),
    };
    let joined = super::super::join(joining(&laptop_data)).unwrap_or_else(|failure| panic!("{failure}: {}", failure.chain()));
    assert_eq!((joined.bureau, joined.name.as_str(), joined.officer.as_str()), (sheet.bureau, "河东县公安局", "值班一"));

    let laptop = Node::start(&laptop_data);
    laptop.post("/v1/login", json!({"name": "值班一", "passphrase": "laptop horse"}));
    until("the draft arrives", || match laptop.get("/v1/bulletins") {
        View::Documents { documents, .. } => documents.first().map(|line| assert_eq!(line.title, "草稿")),
        other => panic!("{other:?}"),
    });
    until("both hold the same", || match (home.get("/v1/status"), laptop.get("/v1/status")) {
        (View::Status(one), View::Status(other)) => (one.content_sum == other.content_sum && one.documents == 1).then_some(()),
        other => panic!("{other:?}"),
    });
    laptop.stop().expect("a clean stop");
    let again = super::super::join(joining(&dir.path().join("thief"))).expect_err("the code was used");
    assert_eq!(again.code, "invitation_expired", "{again}");
    assert!(!dir.path().join("thief").exists());
    home.stop().expect("a clean stop");
}

#[test]
fn a_renewed_certificate_logs_in_with_the_same_passphrase() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("a");
    found(&data, "河东县公安局");
    let node = Node::start(&data);
    node.login();
    let certificate = || match node.get("/v1/officers") {
        View::Officers { officers } => officers[0].certificate.clone(),
        other => panic!("{other:?}"),
    };
    let before = certificate();
    node.post("/v1/certificates/%E5%80%BC%E7%8F%AD%E4%B8%80/renew", json!({}));
    assert_ne!(certificate(), before);
    node.post("/v1/logout", json!({}));
    node.login();
    node.stop().expect("a clean stop");
}

#[test]
fn what_accord_toml_leaves_open_stays_on_the_card() {
    let check = |addresses: &[&str], phone: &str, expect: Option<(&[&str], &str)>| {
        let text = |list: &[&str]| list.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>();
        let config = Config { contact_addresses: text(addresses), contact_phone: phone.to_owned(), ..Config::default() };
        let card = CardView { addresses: text(&["10.0.0.1:7400"]), phone: "0571-1".to_owned(), ..CardView::default() };
        match (contact_to_state(&config, &card), expect) {
            (None, None) => {}
            (Some(Command::SetContact { addresses, phone }), Some((expect, number))) => {
                assert_eq!((addresses, phone.as_str()), (text(expect), number));
            }
            (found, expect) => panic!("{addresses:?} {phone}: states {} instead of {expect:?}", found.is_some()),
        }
    };
    check(&[], "0571-2", Some((&["10.0.0.1:7400"], "0571-2")));
    check(&["10.0.0.2:7400"], "", Some((&["10.0.0.2:7400"], "0571-1")));
    check(&["10.0.0.2:7400"], "0571-2", Some((&["10.0.0.2:7400"], "0571-2")));
    check(&[], "", None);
    check(&[], "0571-1", None);
    check(&["10.0.0.1:7400"], "0571-1", None);
}
