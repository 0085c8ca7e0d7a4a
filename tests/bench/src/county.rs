//! Two real daemons as processes of their own, with an agreement: founded, started and asked as people do.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use accord_node::client::{Client, escape};
use accord_node::daemon::{self, InitPlan, RunPlan};
use accord_node::swarm::TrafficView;
use accord_protocol::view::{AgreementView, EventView, StatusView, View};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Failed;
use crate::offline::{Filled, Offline};
use crate::workload::CHANGES;

/// Passphrase of every key: the stores hold nothing real.
pub const PASSPHRASE: &str = "bench only, nothing real";
/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long moving all documents may take.
pub const LONG: Duration = Duration::from_secs(1_800);
/// Pause between two looks while setting up. Nothing is measured then.
const LOOK: Duration = Duration::from_millis(10);
/// No event for so long: there are none left.
const QUIET: Duration = Duration::from_millis(500);
/// Events that may wait to be looked at.
const EVENTS_MAX: usize = 65_536;

/// Over what the two talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// QUIC.
    Quic,
    /// TCP, TLS, yamux.
    Tcp,
}

impl Over {
    /// The word in the tables.
    pub fn word(self) -> &'static str {
        match self {
            Over::Quic => "QUIC",
            Over::Tcp => "TCP",
        }
    }
}

/// One daemon.
pub struct Daemon {
    /// What it calls itself.
    pub name: String,
    /// Its data folder.
    pub data: PathBuf,
    listen: String,
    child: Option<Child>,
    client: Client,
}

/// Two daemons with an agreement in force.
pub struct Pair {
    /// The one that writes.
    pub a: Daemon,
    /// The one that receives.
    pub b: Daemon,
    /// Changes each document is filled with.
    pub changes: usize,
}

/// What the hidden command `node DATA LISTEN` does: the daemon, until SIGTERM.
///
/// # Errors
/// What the daemon says.
pub fn run_node(data: &str, listen: &str) -> Result<(), Failed> {
    accord_node::allocator::bound();
    let data = PathBuf::from(data);
    let plan = RunPlan { passphrase_file: Some(data.join("passphrase")), data, listen: vec![listen.to_owned()], ..RunPlan::default() };
    daemon::run(plan).map_err(|failure| failure.to_string().into())
}

impl Daemon {
    /// One that was founded in `dir` before and is stopped.
    ///
    /// # Errors
    /// When there is no event loop to be had.
    pub fn founded(dir: &Path, name: &str, unit_code: &str, port: u16) -> Result<Self, Failed> {
        let data = dir.join(unit_code);
        let client = Client::new(data.join("run").join("api.sock"))?;
        Ok(Self { name: name.to_owned(), data, listen: format!("/ip4/127.0.0.1/tcp/{port}"), child: None, client })
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.listen.split('/').rev().find_map(|part| part.parse().ok()).unwrap_or(0)
    }

    /// Founds a bureau and starts it. Others reach it at `contact`, or where it listens.
    ///
    /// # Errors
    /// When a step fails.
    pub fn found(dir: &Path, name: &str, over: Over, unit_code: &str, contact: impl FnOnce(u16) -> Option<u16>) -> Result<Self, Failed> {
        let port = free_port()?;
        let reached = contact(port).unwrap_or(port);
        let data = dir.join(unit_code);
        let place = |port: u16| match over {
            Over::Quic => format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
            Over::Tcp => format!("/ip4/127.0.0.1/tcp/{port}"),
        };
        let listen = place(port);
        let secret = || Zeroizing::new(PASSPHRASE.to_owned());
        daemon::init(InitPlan {
            data: data.clone(),
            network: "bench".to_owned(),
            unit_code: unit_code.to_owned(),
            name: name.to_owned(),
            addresses: vec![place(reached)],
            listen: vec![listen.clone()],
            phone: "000-0000000".to_owned(),
            officer: "officer".to_owned(),
            node_passphrase: secret(),
            root_passphrase: secret(),
            officer_passphrase: Some(secret()),
        })?;
        accord_node::keystore::write_private(&data.join("passphrase"), PASSPHRASE.as_bytes())?;
        let client = Client::new(data.join("run").join("api.sock"))?;
        let mut daemon = Self { name: name.to_owned(), data, listen, child: None, client };
        daemon.start()?;
        Ok(daemon)
    }

    /// Starts the process and logs its officer in.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> Result<(), Failed> {
        self.spawn()?;
        self.answering(PATIENCE)?;
        self.login()
    }

    /// Starts the process and lets nobody in.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn spawn(&mut self) -> Result<(), Failed> {
        let log = File::options().create(true).append(true).open(self.data.join("log"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("node").arg(&self.data).arg(&self.listen);
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?);
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn answering(&self, patience: Duration) -> Result<(), Failed> {
        until_within("a daemon to answer", patience, || Ok(self.client.get::<View>("/v1/whoami").is_ok()))
    }

    /// Logs its officer in.
    ///
    /// # Errors
    /// The refusal.
    pub fn login(&self) -> Result<(), Failed> {
        self.client.post::<View>("/v1/login", &json!({ "name": "officer", "passphrase": PASSPHRASE }), false)?;
        Ok(())
    }

    /// Ends it with SIGTERM and waits.
    ///
    /// # Errors
    /// When it did not end well.
    pub fn stop(&mut self) -> Result<(), Failed> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(process) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name).into()) }
    }

    /// Number of its process.
    pub fn process(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// A further client of its API.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn client(&self) -> Result<Client, Failed> {
        Ok(Client::new(self.client.socket())?)
    }

    /// Bytes of its journal files.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub fn journal_bytes(&self) -> Result<u64, Failed> {
        journal_bytes(&self.data.join("store").join("journal"))
    }

    /// Its events from now on. A thread follows the stream and notes when each came.
    ///
    /// # Errors
    /// When the stream cannot be opened.
    pub fn events(&self) -> Result<Events, Failed> {
        let client = self.client()?;
        let (out, events) = sync_channel(EVENTS_MAX);
        std::thread::spawn(move || {
            // Ends when the daemon stops or nobody looks any more.
            let _ = client.stream("/v1/events/stream?after=0", |data| {
                let came = Instant::now();
                Ok(serde_json::from_str::<EventView>(data).is_ok_and(|event| out.send((came, event)).is_ok()))
            });
        });
        Ok(Events { events, aside: VecDeque::new() })
    }

    /// Bytes and frames over its links since its start.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn traffic(&self) -> Result<TrafficView, Failed> {
        Ok(self.client.get("/v1/traffic")?)
    }

    /// What it holds.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<StatusView, Failed> {
        match self.get("/v1/status")? {
            View::Status(status) => Ok(status),
            other => Err(format!("expected a status, found {other:?}").into()),
        }
    }

    /// When its newest link came up, as its log says: seconds of the day, UTC.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn link_up_at(&self) -> Result<Option<f64>, Failed> {
        let log = std::fs::read_to_string(self.data.join("log"))?;
        Ok(log.lines().rev().find(|line| line.contains("link up")).and_then(second_of_day))
    }

    /// Asks.
    ///
    /// # Errors
    /// The refusal.
    pub fn get(&self, path: &str) -> Result<View, Failed> {
        Ok(self.client.get(path)?)
    }

    /// Tells.
    ///
    /// # Errors
    /// The refusal.
    pub fn post(&self, path: &str, body: &Value) -> Result<View, Failed> {
        Ok(self.client.post(path, body, false)?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A stream of events with the moment each was read.
pub struct Events {
    events: Receiver<(Instant, EventView)>,
    aside: VecDeque<(Instant, EventView)>,
}

impl Events {
    /// Waits for the next event of `kind` about `document`; others are kept for later questions.
    ///
    /// # Errors
    /// When none comes.
    pub fn next(&mut self, kind: &str, document: &str) -> Result<Instant, Failed> {
        let fits = |event: &EventView| event.kind == kind && event.document == document;
        if let Some(at) = self.aside.iter().position(|(_, event)| fits(event)) {
            return Ok(self.aside.remove(at).ok_or("an event that was there")?.0);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let (came, event) = self.receive(until.saturating_duration_since(Instant::now()))?;
            if fits(&event) {
                return Ok(came);
            }
            self.aside.push_back((came, event));
        }
    }

    fn receive(&self, patience: Duration) -> Result<(Instant, EventView), Failed> {
        self.events.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => "an awaited event did not come".into(),
            RecvTimeoutError::Disconnected => "the event stream ended".into(),
        })
    }

    /// Waits until nothing comes any more, and forgets it all.
    pub fn settle(&mut self) {
        while self.events.recv_timeout(QUIET).is_ok() {}
        self.aside.clear();
    }

    /// Forgets everything that came so far.
    pub fn forget(&mut self) {
        while self.events.try_recv().is_ok() {}
        self.aside.clear();
    }
}

impl Pair {
    /// Founds two bureaus in `dir`, starts them, exchanges cards and signs an agreement.
    ///
    /// # Errors
    /// When a step fails.
    pub fn agreed(dir: &Path, over: Over) -> Result<Self, Failed> {
        let a = Daemon::found(dir, "河东县公安局", over, "330101", |_| None)?;
        let b = Daemon::found(dir, "河西县消防大队", over, "330102", |_| None)?;
        Self::agree(a, b)
    }

    /// Two founded bureaus exchange cards and sign an agreement.
    ///
    /// # Errors
    /// When a step fails.
    pub fn agree(a: Daemon, b: Daemon) -> Result<Self, Failed> {
        for (reader, owner) in [(&a, &b), (&b, &a)] {
            let View::Card(card) = owner.get("/v1/card")? else { return Err("no card".into()) };
            reader.post("/v1/partners", &json!({ "card": card.text, "checking_code": card.checking_code }))?;
        }
        let View::Status(status) = a.get("/v1/status")? else { return Err("no status".into()) };
        let both = |category: &str, verb: &str| json!({ "direction": "both", "category": category, "verbs": [verb], "tlp_ceiling": "RED", "onward": "none" });
        let terms = json!({
            "title": "协作协议", "from": status.now, "to": status.now + 365 * 86_400, "grace_days": 30,
            "grants": [both("CRIM.SERIES", "append"), both("FIRE.HAZ", "read")],
        });
        let View::Agreements { agreements } = a.post("/v1/agreements", &json!({ "partner": b.name, "terms": terms }))? else {
            return Err("no agreement".into());
        };
        let id = agreements.first().ok_or("no agreement")?.id.clone();
        let stands = |daemon: &Daemon, standing: &str| match daemon.get("/v1/agreements")? {
            View::Agreements { agreements } => Ok(agreements.iter().any(|a: &AgreementView| a.id == id && a.standing == standing)),
            _ => Err("no agreements".into()),
        };
        until("the offer to arrive", || stands(&b, "offered_to_us"))?;
        b.post(&format!("/v1/agreements/{}/accept", escape(&id)), &json!({}))?;
        until("the agreement to be in force", || Ok(stands(&a, "in_force")? && stands(&b, "in_force")?))?;
        Ok(Self { a, b, changes: CHANGES })
    }

    /// Lets the writer's officers write `count` documents, see [`Offline::fill`]. Both are stopped then.
    ///
    /// # Errors
    /// When a step fails.
    pub fn fill(&mut self, count: usize, kept: usize) -> Result<Filled, Failed> {
        for name in ["first", "second"] {
            self.a.post("/v1/officers", &json!({ "name": name, "seats": ["liaison"], "capabilities": ["create", "write"] }))?;
        }
        let invited: Value = self.a.client.post("/v1/devices", &json!({ "officer": "officer" }), false)?;
        let code = invited["code"].as_str().ok_or("no code")?;
        self.a.stop()?;
        self.b.stop()?;
        Offline::open(&self.a.data)?.fill(code, count, kept, self.changes)
    }

    /// Stops both.
    ///
    /// # Errors
    /// When one did not end well.
    pub fn stop(mut self) -> Result<(), Failed> {
        self.a.stop()?;
        self.b.stop()
    }
}

/// The id of the document that an answer speaks of.
///
/// # Errors
/// When it speaks of none.
pub fn sent(view: View) -> Result<String, Failed> {
    match view {
        View::Sending(sending) if !sending.id.is_empty() => Ok(sending.id),
        other => Err(format!("expected a sent document, found {other:?}").into()),
    }
}

/// Bytes of the journal files in a folder, without the room that the last one keeps for batches to come.
///
/// # Errors
/// When it cannot be read.
pub fn journal_bytes(dir: &Path) -> Result<u64, Failed> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        files.push((entry.path(), entry.metadata()?.len()));
    }
    files.sort();
    let bytes: u64 = files.iter().map(|(_, len)| len).sum();
    let Some((last, len)) = files.last() else { return Ok(0) };
    let mut end = vec![0; usize::try_from((*len).min(2 << 20))?];
    let from = len - end.len() as u64;
    let read = File::open(last)?.read_at(&mut end, from)?;
    Ok(bytes - end[..read].iter().rev().take_while(|byte| **byte == 0).count() as u64)
}

/// Seconds of the day at the beginning of a log line.
fn second_of_day(line: &str) -> Option<f64> {
    let time = line.split_once('T')?.1.split_once('Z')?.0;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(hours * 3_600.0 + minutes * 60.0 + seconds)
}

/// Seconds of the day, UTC, now: what [`Daemon::link_up_at`] is compared with.
pub fn day_now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    since % 86_400.0
}

/// Seconds between two moments of a day; the later one may be in the next.
pub fn day_between(earlier: f64, later: f64) -> f64 {
    if later < earlier { later + 86_400.0 - earlier } else { later - earlier }
}

/// A port nobody uses now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, Failed> {
    for _ in 0..64 {
        let tcp = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let port = tcp.local_addr()?.port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}

fn until(what: &str, look: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    until_within(what, PATIENCE, look)
}

/// Looks again and again until it is so.
///
/// # Errors
/// When it is not so in time, or a look fails.
pub fn until_within(what: &str, patience: Duration, mut look: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if look()? {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("waited in vain for {what}").into())
}
