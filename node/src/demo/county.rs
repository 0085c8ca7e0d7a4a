//! One node of the demo: a process, its folder, a client of its API.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use accord_protocol::view::{DocumentView, StatusView, View};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::daemon::{self, InitPlan, JoinPlan, StartSheet};
use crate::failure::Failure;

/// Passphrase of every key in the demo: its stores hold nothing real.
const PASSPHRASE: &str = "demo only, nothing real";
/// How long a node may take to answer after its start.
const READY_S: u64 = 60;
/// Pause between two looks at something awaited.
const LOOK_MS: u64 = 20;

/// A node of the demo.
pub struct Node {
    /// What people call it.
    pub name: String,
    /// Its officer.
    pub officer: String,
    /// Its data folder.
    pub data: PathBuf,
    /// Where it listens, `host:port`.
    pub listen: String,
    /// Its transport key, hex.
    pub transport: String,
    child: Option<Child>,
    client: Client,
}

/// A free port of loopback, for TCP and UDP alike.
pub fn free_port() -> Result<u16, Failure> {
    let fault = |e: std::io::Error| Failure::fault("no_free_port").because(e);
    for _ in 0..64 {
        let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(fault)?;
        let port = tcp.local_addr().map_err(fault)?.port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::fault("no_free_port"))
}

/// Looks until `look` answers, at most `seconds`.
pub fn until<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
    let looks = seconds * 1_000 / LOOK_MS;
    for _ in 0..looks {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(LOOK_MS));
    }
    Err(Failure::fault("demo_timeout").with("what", what).with("seconds", seconds))
}

impl Node {
    /// Founds a bureau and marks its store as a demonstration's. `reached_at` is what its card says.
    pub fn found(
        folder: &Path,
        name: &str,
        officer: &str,
        unit_code: &str,
        reached_at: &str,
        listen: &str,
    ) -> Result<(Self, StartSheet), Failure> {
        let data = folder.to_path_buf();
        let secret = || Zeroizing::new(PASSPHRASE.to_owned());
        let sheet = daemon::init(InitPlan {
            data: data.clone(),
            network: "accord-demo".to_owned(),
            unit_code: unit_code.to_owned(),
            name: name.to_owned(),
            addresses: vec![reached_at.to_owned()],
            listen: vec![listen.to_owned()],
            phone: "000-0000000".to_owned(),
            officer: officer.to_owned(),
            node_passphrase: secret(),
            root_passphrase: secret(),
            officer_passphrase: Some(secret()),
        })?;
        daemon::mark_demo(&data)?;
        let node = Self::at(data, name, officer, listen, sheet.transport.clone())?;
        Ok((node, sheet))
    }

    /// Joins a laptop by its one-time code.
    pub fn join(folder: &Path, name: &str, officer: &str, code: &str) -> Result<Self, Failure> {
        let secret = || Zeroizing::new(PASSPHRASE.to_owned());
        daemon::join(JoinPlan {
            data: folder.to_path_buf(),
            code: Zeroizing::new(code.to_owned()),
            node_passphrase: secret(),
            officer_passphrase: secret(),
            listen: Vec::new(),
        })?;
        daemon::mark_demo(folder)?;
        Self::at(folder.to_path_buf(), name, officer, "", String::new())
    }

    fn at(data: PathBuf, name: &str, officer: &str, listen: &str, transport: String) -> Result<Self, Failure> {
        crate::keystore::write_private(&data.join("passphrase"), PASSPHRASE.as_bytes())?;
        let client = Client::new(data.join("run").join("api.sock"))?;
        Ok(Self { name: name.to_owned(), officer: officer.to_owned(), listen: listen.to_owned(), transport, data, child: None, client })
    }

    /// Starts the process and waits until it answers; then its officer logs in.
    pub fn start(&mut self) -> Result<(), Failure> {
        let fault = |e: std::io::Error| Failure::fault("cannot_start").because(e);
        let program = std::env::current_exe().map_err(fault)?;
        let log = File::options().create(true).append(true).open(self.data.join("log")).map_err(fault)?;
        let mut command = Command::new(program);
        command.arg("--data").arg(&self.data).arg("run").arg("--passphrase-file").arg(self.data.join("passphrase"));
        command.arg("--tap").arg(self.data.join("tap"));
        if !self.listen.is_empty() {
            command.arg("--listen").arg(&self.listen);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(fault)?).stderr(log);
        self.child = Some(command.spawn().map_err(fault)?);
        let (name, data) = (self.name.clone(), self.data.clone());
        until(&name, READY_S, || {
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(Failure::fault("node_ended")
                    .with("name", &name)
                    .with("status", status)
                    .with("log", data.join("log").display()));
            }
            Ok(self.client.get::<View>("/v1/status").ok())
        })?;
        let body = json!({ "name": self.officer, "passphrase": PASSPHRASE });
        self.client.post::<View>("/v1/login", &body, false)?;
        Ok(())
    }

    /// Ends the process as a power cut would: SIGKILL, no goodbye.
    pub fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).map_err(|e| Failure::fault("cannot_stop").because(e))?;
        }
        Ok(())
    }

    /// Ends the process with SIGTERM and waits for its clean stop.
    pub fn stop(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let fault = |e: std::io::Error| Failure::fault("cannot_stop").because(e);
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| fault(e.into()))?;
        }
        let status = child.wait().map_err(fault)?;
        if status.success() { Ok(()) } else { Err(Failure::fault("node_ended").with("name", &self.name).with("status", status)) }
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Asks its API.
    pub fn get(&self, path: &str) -> Result<View, Failure> {
        self.client.get(path)
    }
    /// Tells its API.
    pub fn post(&self, path: &str, body: &Value) -> Result<View, Failure> {
        self.client.post(path, body, false)
    }
    /// A one-time code for a laptop.
    pub fn invite(&self, officer: &str) -> Result<String, Failure> {
        let answer: Value = self.client.post("/v1/devices", &json!({ "officer": officer }), false)?;
        answer["code"].as_str().map(str::to_owned).ok_or_else(|| Failure::fault("daemon_answer").with("path", "/v1/devices"))
    }
    /// Its status.
    pub fn status(&self) -> Result<StatusView, Failure> {
        match self.get("/v1/status")? {
            View::Status(status) => Ok(status),
            _ => Err(Failure::fault("daemon_answer").with("path", "/v1/status")),
        }
    }
    /// One document, if it holds it.
    pub fn document(&self, id: &str) -> Result<Option<DocumentView>, Failure> {
        match self.get(&format!("/v1/documents/{id}")) {
            Ok(View::Document(view)) => Ok(Some(view)),
            Ok(_) => Err(Failure::fault("daemon_answer").with("path", "/v1/documents")),
            Err(failure) if failure.kind == crate::failure::Kind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
    /// Every decrypted piece of its journal.
    pub fn journal(&self, mut each: impl FnMut(Vec<u8>)) -> Result<(), Failure> {
        self.client.lines("/v1/demo/dump", |line| {
            if let Some(bytes) = super::checks::from_hex(line.trim()) {
                each(bytes);
            }
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
