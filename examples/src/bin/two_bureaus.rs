//! Two whole nodes through the library: real keys, encrypted stores and QUIC on loopback, in temporary folders of this one process.
//!
//! They exchange cards, sign an agreement, one publishes a bulletin out of a file, and the other's answer is printed.
//!
//! ## Usage
//! `cargo run -p accord-examples --bin two_bureaus`

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use accord_node::client::Client;
use accord_node::daemon::{self, InitPlan, RunPlan};
use accord_node::failure::Failure;
use accord_node::{keystore, text_input};
use accord_protocol::view::{EventView, View};
use serde_json::json;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "an example, nothing real";
const OFFICER: &str = "值班员";
/// Looks at the API while a node starts: at most so many, a tenth of a second apart.
const LOOKS_MAX: u32 = 300;

/// A node that runs in threads of this process.
struct Node {
    name: &'static str,
    api: Client,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), Failure>>,
}

impl Node {
    fn start(dir: &Path, name: &'static str, unit_code: &str) -> Result<Self, Box<dyn Error>> {
        let data = dir.join(unit_code);
        let listen = format!("127.0.0.1:{}", free_port()?);
        let secret = || Zeroizing::new(PASSPHRASE.to_owned());
        let sheet = daemon::init(InitPlan {
            data: data.clone(),
            network: "example".to_owned(),
            unit_code: unit_code.to_owned(),
            name: name.to_owned(),
            addresses: vec![listen.clone()],
            listen: vec![listen],
            phone: "0000-0000000".to_owned(),
            officer: OFFICER.to_owned(),
            node_passphrase: secret(),
            root_passphrase: secret(),
            officer_passphrase: Some(secret()),
        })?;
        println!("founded     {name}, checking code {} ..", &sheet.checking_code[..11]);
        let passphrase_file = data.join("passphrase");
        keystore::write_private(&passphrase_file, PASSPHRASE.as_bytes())?;
        let api = Client::new(data.join("run").join("api.sock"))?;
        let (stop, stopped) = oneshot::channel();
        let ended = std::thread::spawn(move || {
            let plan = RunPlan { data, passphrase_file: Some(passphrase_file), ..RunPlan::default() };
            daemon::run_until(plan, async {
                // Whether told to stop or left alone: it ends.
                let _ = stopped.await;
                Ok(())
            })
        });
        for _ in 0..LOOKS_MAX {
            if api.get::<View>("/v1/status").is_ok() || ended.is_finished() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        api.post::<View>("/v1/login", &json!({ "name": OFFICER, "passphrase": PASSPHRASE }), false)?;
        Ok(Self { name, api, stop, ended })
    }

    /// The first event after a position, as soon as there is one.
    fn event_after(&self, position: u64) -> Result<EventView, Box<dyn Error>> {
        let mut found = None;
        self.api.stream(&format!("/v1/events/stream?after={position}"), |data| {
            found = Some(serde_json::from_str(data));
            Ok(false)
        })?;
        Ok(found.ok_or("the stream ended")??)
    }

    /// Looks again after every event until `look` finds what it looks for.
    fn wait_until(&self, mut look: impl FnMut(&Client, Option<&EventView>) -> Result<bool, Failure>) -> Result<(), Box<dyn Error>> {
        let mut last: Option<EventView> = None;
        while !look(&self.api, last.as_ref())? {
            last = Some(self.event_after(last.map_or(0, |event| event.position))?);
        }
        Ok(())
    }

    fn wait_for_standing(&self, agreement: &str, standing: &str) -> Result<(), Box<dyn Error>> {
        self.wait_until(|api, _| match api.get("/v1/agreements")? {
            View::Agreements { agreements } => Ok(agreements.iter().any(|a| a.id == agreement && a.standing == standing)),
            _ => Ok(false),
        })
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        let _ = self.stop.send(());
        Ok(self.ended.join().map_err(|_| "a node panicked")??)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let north = Node::start(dir.path(), "北岭县公安局", "990102")?;
    let lake = Node::start(dir.path(), "云湖县消防救援大队", "990103")?;

    for (reader, owner) in [(&north, &lake), (&lake, &north)] {
        let View::Card(card) = owner.api.get("/v1/card")? else { return Err("no card".into()) };
        reader.api.post::<View>("/v1/partners", &json!({ "card": card.text, "checking_code": card.checking_code }), false)?;
    }

    let View::Status(status) = north.api.get("/v1/status")? else { return Err("no status".into()) };
    let terms = json!({
        "title": "火灾隐患抄告协议", "from": status.now, "to": status.now + 365 * 86_400, "grace_days": 30,
        "grants": [{ "direction": "we_give", "category": "FIRE.HAZ", "verbs": ["read"], "tlp_ceiling": "AMBER", "onward": "none" }],
    });
    let offered = north.api.post("/v1/agreements", &json!({ "partner": lake.name, "terms": terms }), false)?;
    let View::Agreements { agreements } = offered else { return Err("no offer".into()) };
    let agreement = agreements.first().ok_or("no offer")?.id.clone();
    lake.wait_for_standing(&agreement, "offered_to_us")?;
    lake.api.post::<View>(&format!("/v1/agreements/{agreement}/accept"), &json!({}), false)?;
    north.wait_for_standing(&agreement, "in_force")?;
    println!("agreement   {} in force", &agreement[..8]);

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("texts").join("fire-hazard.md");
    let text = text_input::read(&file)?.text;
    let bulletin = json!({ "title": text_input::title_of(&text)?, "text": text, "category": "FIRE.HAZ", "subkind": "hazard" });
    let View::Sending(sent) = north.api.post("/v1/bulletins", &json!({ "text": bulletin, "to": [lake.name] }), false)? else {
        return Err("nothing was sent".into());
    };
    north.wait_until(|_, event| Ok(event.is_some_and(|e| e.kind == "delivered" && e.document == sent.id)))?;
    println!("delivered   {} to {}", sent.number, lake.name);

    let path = format!("/v1/documents/{}", sent.id);
    let (View::Document(ours), View::Document(theirs)) = (north.api.get(&path)?, lake.api.get(&path)?) else {
        return Err("no document".into());
    };
    println!("shown there {} ({} characters)", theirs.line.title, theirs.text.chars().count());
    if ours.content_hash != theirs.content_hash {
        return Err("the two show different documents".into());
    }
    println!("converged   true");
    lake.stop()?;
    north.stop()
}

fn free_port() -> Result<u16, Box<dyn Error>> {
    for _ in 0..64 {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}
