//! The API over a real Unix socket, with a core that answers by hand.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use accord_keys::id::{BureauId, CertificateId, NetworkId, PublicKey, TransportKey};
use accord_keys::keyfile::KdfParams;
use accord_protocol::view::{CardView, EventView, OfficerView, Refused, RefusedKind, View};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::server::{Socket, serve};
use super::*;
use crate::client::Client;
use crate::driver::Clock;
use crate::failure::Failure;
use crate::handle::Ask;
use crate::invite::Invite;
use accord_protocol::input::Command;

/// A daemon without core and network.
struct Fake {
    dir: tempfile::TempDir,
    stop: watch::Sender<bool>,
    events: broadcast::Sender<EventView>,
    runtime: tokio::runtime::Runtime,
}

impl Fake {
    /// Serves; `core` answers every command as (person, dry run, command).
    fn start(demo: bool, core: impl FnMut(Option<String>, bool, Command) -> Result<View, Refused> + Send + 'static) -> Self {
        Self::with_members(demo, Box::new(Vec::new), core)
    }

    /// As [`Fake::start`], in a bureau of these certificates.
    fn with_members(
        demo: bool,
        members: Members,
        mut core: impl FnMut(Option<String>, bool, Command) -> Result<View, Refused> + Send + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("an event loop");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (handle, mut asks, events) = Handle::new(Clock::start());
        let (stop, stops) = watch::channel(false);
        let (swarm, _) = mpsc::channel(1);
        let config = Config { api_header_seconds: 1, api_connections_max: 4, ..Config::default() };
        let keys = KeyFolder::create(dir.path(), KdfParams::WEAKEST).expect("a new folder");
        let (_, known) = tokio::sync::watch::channel(Arc::new(accord_keys::directory::Directory::new(NetworkId::named("test"))));
        let secret = accord_keys::secret::HpkeSecret::from_seed([5; 32]);
        let desk = crate::bundle::Desk::new(dir.path().join("bundles"), NetworkId::named("test"), secret, TransportKey([2; 32]), known)
            .expect("a folder");
        let app = App::new(Inner {
            handle,
            backup_keys: Arc::new(BackupDoor::new(&keys, &[0; 32])),
            keys,
            backups: Arc::new(tokio::sync::Semaphore::new(1)),
            attempts: Attempts::default(),
            unpacks: Arc::new(tokio::sync::Semaphore::new(accord_protocol::limits::BUNDLES_AT_ONCE)),
            bundles: Arc::new(desk),
            passphrases: tokio::sync::Semaphore::new(1),
            logins: tokio::sync::Mutex::new(()),
            members,
            swarm,
            traffic: Arc::default(),
            ports: Arc::default(),
            config: config.clone(),
            data: dir.path().to_path_buf(),
            network: NetworkId::named("test"),
            bureau: BureauId([1; 32]),
            transport: TransportKey([2; 32]),
            demo,
            stop: stops.clone(),
        });
        runtime.spawn(async move {
            while let Some(ask) = asks.recv().await {
                match ask {
                    Ask::Command { person, dry_run, command, reply } => drop(reply.send(core(person, dry_run, *command))),
                    Ask::Account { .. } | Ask::Snapshot { .. } | Ask::Compact { .. } | Ask::Bundle { .. } => {
                        unreachable!("no test of the routes reads a store")
                    }
                    Ask::Dump { reply } => drop(reply.send(vec![vec![0, 255], b"x".to_vec()])),
                }
            }
        });
        let guard = runtime.enter();
        let socket = Socket::bind(&config.socket(dir.path()), dir.path()).expect("a free path");
        drop(guard);
        runtime.spawn(async move { serve(socket, router(app), &config, stops).await });
        Self { dir, stop, events, runtime }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("run/api.sock")
    }

    fn client(&self) -> Client {
        Client::new(self.path()).expect("an event loop")
    }
}

fn done(id: &str) -> Result<View, Refused> {
    Ok(View::Done { id: Some(id.to_owned()) })
}

fn code<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    answer.expect_err("refused").code
}

#[test]
fn every_route_reaches_its_command_with_person_dry_run_and_values() {
    let fake = Fake::start(false, |person, dry_run, command| {
        let words = match command {
            Command::Status => "status".to_owned(),
            Command::OfficerAdd { name, seats, capabilities } => format!("officer {name} {seats:?} {capabilities:?}"),
            Command::OfficerReset { name } => format!("reset {name}"),
            Command::Install { bytes } => format!("install {bytes:?}"),
            Command::CertRenew { name } => format!("renew {name}"),
            Command::SetContact { addresses, phone } => format!("contact {addresses:?} {phone}"),
            Command::PartnerAdd { checking_code, alias, .. } => format!("partner {checking_code:?} {alias:?}"),
            Command::PartnerSet { partner, alias, address } => format!("set {partner} {alias:?} {address:?}"),
            Command::AgreementOffer { partner, terms } => format!("offer {partner} {} {}", terms.title, terms.grants.len()),
            Command::AgreementDecline { id, reason } => format!("decline {id} {reason}"),
            Command::AgreementRenew { id, from, to } => format!("renew {id} {from:?} {to:?}"),
            Command::AgreementAmend { id, terms } => format!("amend {id} {}", terms.annex.is_some_and(|annex| annex.emergency_clause)),
            Command::AgreementSuspend { id, categories, reason } => format!("suspend {id} {categories:?} {reason}"),
            Command::AgreementResume { id, notices } => format!("resume {id} {notices}"),
            Command::AgreementEnd { id, ends, reason } => format!("end {id} {ends:?} {reason}"),
            Command::AgreementDiff { before, after } => format!("diff {before} {after}"),
            Command::BulletinNew(draft) => format!("draft {} {}", draft.title, draft.category),
            Command::BulletinPublish { draft, text, to, .. } => format!("publish {draft:?} {} {to:?}", text.is_some()),
            Command::CaseOpen { draft, with, continues } => format!("case {} {with:?} {continues:?}", draft.title),
            Command::CaseNote { id, kind, text } => format!("note {id} {kind} {text}"),
            Command::AccessGrant { id, partner, verb, terms } => {
                format!("grant {id} {partner} {verb} {:?} {:?}", terms.until, terms.fourth)
            }
            Command::OnwardAsk(wish) => format!("onward {} {} {} {:?}", wish.id, wish.recipient, wish.urgency, wish.answer_by),
            Command::OnwardGrant { id, verb, terms } => format!("onward grant {id} {verb:?} {:?} {:?}", terms.tlp, terms.fourth),
            Command::OnwardRefuse { id, reason } => format!("onward refuse {id} {reason}"),
            Command::OnwardConsent { id } => format!("onward consent {id}"),
            Command::OnwardShow { id } => format!("onward show {id}"),
            Command::AccessCut { id, subject, strict } => format!("cut {id} {subject} {strict}"),
            Command::Events { after, limit } => format!("events {after} {limit}"),
            Command::BulletinList(page) => format!("bulletins {:?} {:?}", page.before, page.limit),
            Command::CaseList(page) => format!("cases {:?} {:?}", page.before, page.limit),
            Command::ClockCorrect { confirm } => format!("clock {confirm}"),
            Command::Lock { name } => format!("lock {name:?}"),
            _ => "another".to_owned(),
        };
        done(&format!("{}{}{words}", person.unwrap_or_default(), if dry_run { " dry " } else { " " }))
    });
    let client = fake.client().acting_as(Some("李/liaison"));
    let get = |path: &str| match client.get::<View>(path).expect(path) {
        View::Done { id } => id.unwrap_or_default(),
        other => format!("{other:?}"),
    };
    let post = |path: &str, body: Value, dry_run: bool| match client.post::<View>(path, &body, dry_run).expect(path) {
        View::Done { id } => id.unwrap_or_default(),
        other => format!("{other:?}"),
    };
    assert_eq!(get("/v1/status"), "李/liaison status");
    assert_eq!(get("/v1/agreements/7c1e/diff/90ab"), "李/liaison diff 7c1e 90ab");
    assert_eq!(get("/v1/onward/7c1e"), "李/liaison onward show 7c1e");
    assert_eq!(get("/v1/events?after=7&limit=9"), "李/liaison events 7 9");
    assert_eq!(get("/v1/bulletins"), "李/liaison bulletins None None");
    assert_eq!(get("/v1/cases?limit=9&before=7"), "李/liaison cases Some(7) Some(9)");
    for bad in ["after=1", "before=x", "limit=-1", "limit=1&limit=2&before=3&before=4", "page=2"] {
        let refused = client.get::<View>(&format!("/v1/cases?{bad}")).expect_err(bad);
        assert_eq!(refused.code, "bad_query", "{bad}");
    }
    let text = json!({"title": "盗窃", "text": "甲", "category": "CRIM.SERIES"});
    for (path, body, expect) in [
        ("/v1/officers", json!({"name": "王", "seats": ["duty"], "capabilities": ["create"]}), "officer 王 [\"duty\"] [\"create\"]"),
        ("/v1/officers/%E7%8E%8B/reset", json!({}), "reset 王"),
        ("/v1/statements", json!({"bytes": "00ff"}), "install [0, 255]"),
        ("/v1/certificates/node/renew", json!({}), "renew node"),
        ("/v1/card", json!({"addresses": ["10.0.0.1:7400"], "phone": "110"}), "contact [\"10.0.0.1:7400\"] 110"),
        ("/v1/partners", json!({"card": "x", "checking_code": "12345"}), "partner Some(\"12345\") None"),
        ("/v1/partners/lake", json!({"alias": "湖"}), "set lake Some(\"湖\") None"),
        ("/v1/agreements/7c1e/decline", json!({"reason": "no"}), "decline 7c1e no"),
        ("/v1/agreements/7c1e/renew", json!({"to": 9}), "renew 7c1e None WallSeconds(9)"),
        ("/v1/agreements/7c1e/suspend", json!({"categories": ["TRAF"], "reason": "no"}), "suspend 7c1e [\"TRAF\"] no"),
        ("/v1/agreements/7c1e/resume", json!({}), "resume 7c1e false"),
        ("/v1/agreements/7c1e/end", json!({"ends": 9, "reason": "no"}), "end 7c1e Some(WallSeconds(9)) no"),
        ("/v1/drafts", text.clone(), "draft 盗窃 CRIM.SERIES"),
        ("/v1/bulletins", json!({"text": text, "to": ["lake"]}), "publish None true [\"lake\"]"),
        (
            "/v1/documents/7c1e/onward",
            json!({"recipient": "lake", "verb": "read", "purpose": "x", "urgency": "flash", "answer_by": 9}),
            "onward 7c1e lake flash Some(WallSeconds(9))",
        ),
        ("/v1/onward/7c1e/grant", json!({"tlp": "AMBER", "fourth_party": true}), "onward grant 7c1e None Some(\"AMBER\") Some(true)"),
        ("/v1/onward/7c1e/refuse", json!({"reason": "harm"}), "onward refuse 7c1e harm"),
        ("/v1/onward/7c1e/consent", json!({}), "onward consent 7c1e"),
        ("/v1/cases/7c1e/entries", json!({"kind": "note", "text": "甲"}), "note 7c1e note 甲"),
        ("/v1/documents/7c1e/grants", json!({"partner": "lake", "verb": "read"}), "grant 7c1e lake read None None"),
        ("/v1/documents/7c1e/cuts", json!({"subject": "lake", "strict": true}), "cut 7c1e lake true"),
        ("/v1/clock", json!({"confirm": true}), "clock true"),
        ("/v1/logout", json!({}), "lock None"),
    ] {
        assert_eq!(post(path, body, true), format!("李/liaison dry {expect}"), "{path}");
    }
    let grant = json!({"direction": "both", "category": "TRAF", "verbs": ["read"], "tlp_ceiling": "AMBER", "onward": "none"});
    let offer = json!({"partner": "lake", "terms": {"title": "协作", "from": 1, "to": 2, "grace_days": 30, "grants": [grant]}});
    assert_eq!(post("/v1/agreements", offer.clone(), false), "李/liaison offer lake 协作 1");
    let mut terms = offer["terms"].clone();
    terms["annex"] = json!({"emergency_clause": true, "responses": [{"urgency": "flash", "sign_minutes": 15, "answer_minutes": 120}]});
    assert_eq!(post("/v1/agreements/7c1e/amend", json!({ "terms": terms }), false), "李/liaison amend 7c1e true");
}

#[test]
fn refusals_keep_kind_code_and_values_and_wrong_requests_say_what_is_wrong() {
    let fake = Fake::start(false, |_, _, command| match command {
        Command::PartnerShow { .. } => {
            Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("candidate", "a").with("candidate", "b"))
        }
        Command::DocumentShow { .. } => Err(Refused::new(RefusedKind::NotFound, "not_found")),
        _ => done("x"),
    });
    let client = fake.client();
    let several = client.get::<View>("/v1/partners/x").expect_err("ambiguous");
    assert_eq!((several.code.as_str(), several.param("candidate")), ("ambiguous_name", Some("a, b")));
    assert_eq!(code(client.get::<View>("/v1/documents/x")), "not_found");
    assert_eq!(code(client.get::<View>("/v1/nothing")), "no_route");
    assert_eq!(code(client.post::<View>("/v1/status", &json!({}), false)), "no_route");
    assert_eq!(code(client.get::<View>("/v1/status?who=me")), "bad_query");
    assert_eq!(code(client.get::<View>("/v1/events?after=-1")), "bad_query");
    assert_eq!(code(client.get::<View>("/v1/status?after=1")), "bad_query");
    assert_eq!(code(client.get::<View>("/v1/journal?kind=sent,rumour")), "unknown_account_kind");
    assert_eq!(code(client.post::<View>("/v1/clock", &json!({"confirm": 1}), false)), "bad_body");
    assert_eq!(code(client.post::<View>("/v1/clock", &json!({"confirm": true, "x": 1}), false)), "bad_body");
    assert_eq!(code(client.post::<View>("/v1/statements", &json!({"bytes": "0g"}), false)), "bad_body");
    let long = json!({"title": "x", "text": "x".repeat(10 * 1024 * 1024), "category": "TRAF"});
    assert_eq!(code(client.post::<View>("/v1/drafts", &long, false)), "body_too_large");
    assert_eq!(code(client.get::<View>("/v1/demo/dump")), "no_route", "no such route outside a demonstration");
}

#[test]
fn the_socket_is_private_and_a_silent_client_is_dropped() {
    let fake = Fake::start(false, |_, _, _| done("x"));
    let mode = |path: &Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!((mode(&fake.path()), mode(fake.path().parent().expect("a folder"))), (0o600, 0o700));
    // As many silent clients as there is room for; the bound on the request head frees their places.
    let mut silent: Vec<UnixStream> = (0..4).map(|_| UnixStream::connect(fake.path()).expect("there is room")).collect();
    silent[0].write_all(b"GET /v1/sta").expect("half a head");
    fake.client().get::<View>("/v1/status").expect("served once a place is free");
    let mut rest = Vec::new();
    silent[0].read_to_end(&mut rest).expect("closed by the daemon");
}

#[test]
fn a_stale_socket_is_replaced_and_a_stopped_daemon_takes_its_socket_away() {
    let fake = Fake::start(false, |_, _, _| done("x"));
    let path = fake.path();
    fake.stop.send(true).expect("the server listens");
    let Fake { runtime, dir, .. } = fake;
    runtime.block_on(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    });
    // What a killed daemon leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a leftover"));
    let _guard = runtime.enter();
    Socket::bind(&path, dir.path()).expect("the leftover is replaced");
    drop(dir);
}

/// A core that knows one officer, and the certificates it gave.
#[derive(Default)]
struct Officers {
    members: Vec<Member>,
    awaiting: bool,
    dir: std::path::PathBuf,
}

impl Officers {
    fn issue(&mut self, key: PublicKey) -> CertificateId {
        let certificate = CertificateId([10 + u8::try_from(self.members.len()).expect("a few"); 32]);
        self.members.push(Member { certificate, key, revoked: false });
        certificate
    }

    fn answer(&mut self, command: Command) -> Result<View, Refused> {
        match command {
            Command::OfficerFind { name } if name == "王" => {
                let good = self.members.iter().rev().filter(|member| !member.revoked).map(|member| member.certificate.to_string());
                let certificates: Vec<String> = good.collect();
                let certificate = self.members.last().map(|member| member.certificate.to_string()).unwrap_or_default();
                let state = if self.awaiting { "awaiting_login" } else { "good" }.to_owned();
                Ok(View::Officers { officers: vec![OfficerView { name, certificate, certificates, state, ..OfficerView::default() }] })
            }
            Command::OfficerFind { name } => Err(Refused::new(RefusedKind::NotFound, "not_found").with("found", name)),
            Command::OfficerEnrol { .. } if !self.awaiting => Err(Refused::new(RefusedKind::Refused, "officer_has_key")),
            Command::OfficerEnrol { key, .. } => {
                let folder = self.dir.join("keys/officers");
                let pending = std::fs::read_dir(folder)
                    .expect("it exists")
                    .filter(|entry| entry.as_ref().expect("readable").file_name().to_string_lossy().starts_with("pending-"));
                assert_eq!(pending.count(), 1, "the key is on disk before its certificate");
                self.awaiting = false;
                done(&self.issue(key).to_string())
            }
            Command::OfficerReset { .. } => {
                self.members.iter_mut().for_each(|member| member.revoked = true);
                self.awaiting = true;
                done("王")
            }
            Command::CertRenew { .. } => {
                let key = self.members.last().expect("one at least").key;
                done(&self.issue(key).to_string())
            }
            Command::Unlock { signer, certificate, .. } => {
                let member = self.members.iter().find(|member| member.certificate == certificate).expect("a known certificate");
                assert_eq!((signer.public(), member.revoked), (member.key, false));
                done(&certificate.to_string())
            }
            _ => done("another"),
        }
    }
}

/// A daemon whose core knows one officer who never logged in.
fn officers() -> (Fake, Arc<std::sync::Mutex<Officers>>) {
    let officers = Arc::new(std::sync::Mutex::new(Officers { awaiting: true, ..Officers::default() }));
    let (core, members) = (Arc::clone(&officers), Arc::clone(&officers));
    let members: Members = Box::new(move || members.lock().expect("no panic holds it").members.clone());
    let fake = Fake::with_members(false, members, move |_, _, command| core.lock().expect("no panic holds it").answer(command));
    officers.lock().expect("no panic holds it").dir = fake.dir.path().to_path_buf();
    (fake, officers)
}

/// Logs 王 in; the certificate that was unlocked, or the code of the failure.
fn login(client: &Client, passphrase: &str) -> String {
    match client.post::<View>("/v1/login", &json!({"name": "王", "passphrase": passphrase}), false) {
        Ok(View::Done { id }) => id.expect("the certificate"),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => failure.code,
    }
}

fn id(byte: u8) -> String {
    CertificateId([byte; 32]).to_string()
}

#[test]
fn the_first_login_makes_the_key_before_it_asks_for_a_certificate_and_unlocks_last() {
    let (fake, _officers) = officers();
    let client = fake.client();
    assert_eq!(code(client.post::<View>("/v1/login", &json!({"name": "王", "passphrase": "correct horse"}), true)), "bad_query");
    assert_eq!(login(&client, "short"), "weak_passphrase");
    assert_eq!(login(&client, "correct horse"), id(10));
    assert_eq!(login(&client, "wrong horse"), "wrong_passphrase");
    assert_eq!(login(&client, "correct horse"), id(10));
    for _ in 0..5 {
        assert_eq!(login(&client, "wrong horse"), "wrong_passphrase");
    }
    assert_eq!(login(&client, "correct horse"), "too_many_attempts");
    assert_eq!(code(client.post::<View>("/v1/login", &json!({"name": "李", "passphrase": "correct horse"}), false)), "not_found");
}

#[test]
fn a_laptop_or_a_renewal_does_not_lock_an_officer_out_at_home() {
    let (fake, officers) = officers();
    let client = fake.client();
    assert_eq!(login(&client, "correct horse"), id(10));
    officers.lock().expect("no panic").issue(PublicKey([7; 32]));
    assert_eq!(login(&client, "correct horse"), id(10), "the laptop's key is not here");
    officers.lock().expect("no panic").members.swap(0, 1);
    client.post::<View>("/v1/certificates/王/renew", &json!({}), false).expect("renewed");
    assert_eq!(login(&client, "correct horse"), id(12), "the new certificate has the old key");
    assert_eq!(login(&client, "wrong horse"), "wrong_passphrase");
}

#[test]
fn after_a_reset_the_old_key_file_is_gone_and_the_next_login_is_a_first_one() {
    let (fake, officers) = officers();
    let client = fake.client();
    assert_eq!(login(&client, "correct horse"), id(10));
    client.post::<View>("/v1/officers/王/reset", &json!({}), false).expect("reset");
    let folder = fake.dir.path().join("keys/officers");
    assert_eq!(std::fs::read_dir(&folder).expect("it exists").count(), 0, "a revoked key has no file");
    assert_eq!(login(&client, "another horse"), id(11));
    assert_eq!(login(&client, "correct horse"), "wrong_passphrase");
    let officers = officers.lock().expect("no panic");
    assert_ne!(officers.members[0].key, officers.members[1].key);
}

#[test]
fn two_first_logins_at_once_make_one_key() {
    let (fake, officers) = officers();
    let threads = [(); 3].map(|()| {
        let client = fake.client();
        std::thread::spawn(move || login(&client, "correct horse"))
    });
    assert_eq!(threads.map(|thread| thread.join().expect("no panic")), [id(10), id(10), id(10)]);
    assert_eq!(officers.lock().expect("no panic").members.len(), 1);
}

#[test]
fn a_socket_replaces_nothing_but_a_socket_nobody_listens_at() {
    let fake = Fake::start(false, |_, _, _| done("x"));
    let data = fake.dir.path();
    let _guard = fake.runtime.enter();
    let bind = |path: &str| Socket::bind(&data.join(path), data).map(|_| ()).map_err(|failure| failure.code);
    std::fs::write(data.join("run/diary"), b"dear").expect("written");
    let refused = Err("socket_unusable".to_owned());
    for path in ["run/diary", "run/api.sock", "keys/a.sock", "store/a.sock", "run/../keys/officers/a.sock", "store/x/a.sock"] {
        assert_eq!(bind(path), refused, "{path}");
    }
    assert_eq!(std::fs::read(data.join("run/diary")).expect("untouched"), b"dear");
    assert!(!data.join("store").exists() && fake.path().exists());
    assert_eq!(bind("run/other.sock"), Ok(()));
    assert!(!data.join("run/other.sock").exists(), "its own file goes with it");
}

#[test]
fn a_stop_is_heard_while_silent_clients_hold_every_place() {
    let fake = Fake::start(false, |_, _, _| done("x"));
    fake.client().get::<View>("/v1/status").expect("it serves");
    // A body that never comes is borne longer than this test: the places stay taken.
    let silent: Vec<UnixStream> = (0..4)
        .map(|_| {
            let mut stream = UnixStream::connect(fake.path()).expect("there is room");
            stream.write_all(b"POST /v1/clock HTTP/1.1\r\nhost: accord\r\ncontent-length: 10\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    fake.stop.send(true).expect("the server listens");
    let path = fake.path();
    let stopped = async {
        while path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    fake.runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(10), stopped).await }).expect("it stops");
    drop(silent);
}

#[test]
fn a_too_large_body_is_413_and_a_wrong_one_is_not_quoted() {
    let fake = Fake::start(false, |_, _, _| done("x"));
    let raw = |body: &str| {
        let mut stream = UnixStream::connect(fake.path()).expect("it listens");
        let head = format!("POST /v1/clock HTTP/1.1\r\nhost: accord\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("answered");
        text
    };
    let long = raw(&format!("\"{}\"", "x".repeat(1024 * 1024)));
    assert!(long.starts_with("HTTP/1.1 413 ") && long.contains("\"status\":413"), "{long}");
    let wrong = raw(r#"{"confirm": "the witness lives at the mill"}"#);
    assert!(wrong.starts_with("HTTP/1.1 422 ") && wrong.contains("line 1 column"), "{wrong}");
    assert!(!wrong.contains("witness") && !wrong.contains("mill"), "{wrong}");
}

#[test]
fn a_stream_from_now_on_that_lags_tells_nothing_of_before() {
    let event = |position| EventView { position, kind: "clock".to_owned(), ..EventView::default() };
    let most = crate::handle::EVENTS_LAG_MAX as u64;
    let last = 500 + most + 10;
    let (fake, began) = (
        Fake::start(false, move |_, _, command| match command {
            Command::Events { after, limit } => Ok(View::Events { events: (after + 1..=last).take(limit).map(event).collect() }),
            _ => done("another"),
        }),
        std::sync::Barrier::new(2),
    );
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            began.wait();
            while fake.events.receiver_count() == 0 {
                std::thread::yield_now();
            }
            // Faster than anyone can listen, more than are held for a listener.
            for position in 501..=last {
                let _ = fake.events.send(event(position));
            }
        });
        began.wait();
        fake.client()
            .stream("/v1/events/stream", |data| {
                let event: EventView = serde_json::from_str(data).expect("an event");
                seen.push(event.position);
                Ok(event.position < last)
            })
            .expect("the stream runs");
    });
    assert_eq!(seen, (501..=last).collect::<Vec<_>>());
}

#[test]
fn names_that_no_officer_has_push_out_nobodys_count() {
    let (fake, _officers) = officers();
    let client = fake.client();
    assert_eq!(login(&client, "correct horse"), id(10));
    for _ in 0..5 {
        assert_eq!(login(&client, "wrong horse"), "wrong_passphrase");
    }
    for number in 0..1_030 {
        let body = json!({"name": format!("无此人 {number}"), "passphrase": "wrong horse"});
        assert_eq!(code(client.post::<View>("/v1/login", &body, false)), "not_found");
    }
    assert_eq!(login(&client, "correct horse"), "too_many_attempts", "the sixth attempt still waits");
}

#[test]
fn an_invitation_carries_the_key_the_core_was_told() {
    let told = Arc::new(std::sync::Mutex::new(None));
    let note = Arc::clone(&told);
    let fake = Fake::start(false, move |_, _, command| match command {
        Command::CardShow => Ok(View::Card(CardView { addresses: vec!["10.0.0.1:7400".to_owned()], ..CardView::default() })),
        Command::DeviceInvite { transport, .. } => {
            *note.lock().expect("no panic holds it") = Some(transport);
            done("")
        }
        _ => done("another"),
    });
    let answer: Value = fake.client().post("/v1/devices", &json!({"officer": "王"}), false).expect("invited");
    let invite = Invite::parse(answer["code"].as_str().expect("a code")).expect("the code reads back");
    let transport = crate::swarm::transport_key(&invite.transport_seed()).expect("a key");
    assert_eq!(*told.lock().expect("no panic holds it"), Some(transport));
    assert_eq!((invite.home, invite.address.as_str()), (TransportKey([2; 32]), "10.0.0.1:7400"));
    assert!(answer["expires"].as_u64().expect("a time") > 1_700_000_000);
}

#[test]
fn a_stream_taken_up_again_gives_every_event_once_and_in_order() {
    let event = |position| EventView { position, kind: "clock".to_owned(), ..EventView::default() };
    let fake = Fake::start(false, move |_, _, command| match command {
        Command::Events { after, limit } => Ok(View::Events { events: (after + 1..=1_500).take(limit.min(700)).map(event).collect() }),
        _ => done("another"),
    });
    let client = fake.client();
    let live = fake.events.clone();
    let mut seen = Vec::new();
    client
        .stream("/v1/events/stream?after=10", |data| {
            let event: EventView = serde_json::from_str(data).expect("an event");
            seen.push(event.position);
            if event.position == 1_500 {
                // Live ones, one of them already seen.
                for position in [1_500, 1_501, 1_502] {
                    let _ = live.send(EventView { position, ..EventView::default() });
                }
            }
            Ok(event.position < 1_502)
        })
        .expect("the stream runs");
    assert_eq!(seen, (11..=1_502).collect::<Vec<_>>());
}

#[test]
fn the_dump_of_a_demonstration_is_one_piece_a_line() {
    let fake = Fake::start(true, |_, _, _| done("x"));
    let mut stream = UnixStream::connect(fake.path()).expect("it listens");
    stream.write_all(b"GET /v1/demo/dump HTTP/1.1\r\nhost: accord\r\nconnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answered");
    assert!(text.ends_with("\r\n\r\n00ff\n78\n"), "{text}");
}
