//! One bureau of the lab: its folder, its process, and the command line as a person would use it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use accord_node::client::Client;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::Failed;
use crate::lab::Machine;
use crate::worker::Killed;

/// Under this name this program is `accord`.
pub const NAME: &str = "accord";
/// Pause between two looks.
pub const LOOK: Duration = Duration::from_millis(10);
/// Looks until something awaited counts as failed: 90 seconds.
const LOOKS_MAX: u32 = 9_000;
const OFFICER: &str = "值班一";
/// The passphrases are this and whose it is: no two may be the same.
const PASSPHRASE: &str = "horse battery staple";
/// Lines of the log that are told of a daemon that ended.
const LOG_LINES: usize = 6;

/// How a start ended.
pub enum Started {
    /// It answers.
    Up(Killed),
    /// It ended; the last lines of its log.
    Ended(String),
}

impl Started {
    /// Where it must come up.
    ///
    /// # Errors
    /// When it did not.
    pub fn up(self, when: &str) -> Result<Killed, Failed> {
        match self {
            Self::Up(running) => Ok(running),
            Self::Ended(log) => Err(format!("the daemon does not start ({when}): {log}").into()),
        }
    }
}

/// A bureau.
pub struct Bureau {
    name: String,
    data: PathBuf,
    pass: PathBuf,
    log: PathBuf,
    card: PathBuf,
    checking_code: String,
}

impl Bureau {
    /// Founds it in `data`; passphrases, log and card lie in `folder`, which forgets nothing.
    ///
    /// # Errors
    /// What `init` says.
    pub fn found(folder: &Path, data: &Path, name: &str) -> Result<Self, Failed> {
        let pass = folder.join("pass");
        for of in ["node", "root", "officer"] {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(pass.with_extension(of))?;
            writeln!(file, "{PASSPHRASE} {of}")?;
        }
        let (log, card) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.card")));
        let mut bureau = Self { name: name.to_owned(), data: data.to_owned(), pass, log, card, checking_code: String::new() };
        let listen = format!("127.0.0.1:{}", free_port()?);
        let recovery = folder.join(format!("{name}.recovery"));
        let [node, root, officer] = ["node", "root", "officer"].map(|of| bureau.pass(of));
        let recovery = recovery.display().to_string();
        let founded = bureau.json(&[
            "init",
            "--unit-code",
            "330100-01",
            "--name",
            name,
            "--network",
            "amnesia",
            "--officer",
            OFFICER,
            "--phone",
            "000-0000000",
            "--listen",
            &listen,
            "--address",
            &listen,
            "--passphrase-file",
            &node,
            "--root-passphrase-file",
            &root,
            "--officer-passphrase-file",
            &officer,
            "--recovery-out",
            &recovery,
        ])?;
        bureau.checking_code = founded["checking_code"].as_str().ok_or("init without a checking code")?.to_owned();
        Ok(bureau)
    }

    /// Starts the daemon and waits until it answers, ends, or the power of its machine goes.
    ///
    /// # Errors
    /// When it neither answers nor ends in time.
    pub fn start(&self, machine: Option<&Machine>) -> Result<Started, Failed> {
        let log = File::create(&self.log)?;
        let mut command = self.command(&["--json", "run", "--passphrase-file"]);
        command.arg(self.pass("node")).stdout(log.try_clone()?).stderr(log);
        let mut running = Killed(command.spawn()?);
        let client = self.client()?;
        for _ in 0..LOOKS_MAX {
            if client.get::<Value>("/v1/status").is_ok() {
                return Ok(Started::Up(running));
            }
            if running.0.try_wait()?.is_some() || machine.is_some_and(|machine| machine.disk().is_off()) {
                return Ok(Started::Ended(self.last_words()));
            }
            std::thread::sleep(LOOK);
        }
        running.kill();
        Err(format!("the daemon of {} does not answer: {}", self.name, self.last_words()).into())
    }

    /// SIGTERM; it ends well, and `store verify` finds nothing.
    ///
    /// # Errors
    /// When one of the two does not hold.
    pub fn stop_and_verify(&self, mut running: Killed) -> Result<(), Failed> {
        let pid = rustix::process::Pid::from_child(&running.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let mut looks = 0;
        let ended = loop {
            match running.0.try_wait()? {
                Some(ended) => break ended,
                None if looks == LOOKS_MAX => return Err("the daemon does not stop".into()),
                None => looks += 1,
            }
            std::thread::sleep(LOOK);
        };
        if !ended.success() {
            return Err(format!("the daemon ended with {ended}: {}", self.last_words()).into());
        }
        let report = self.json(&["store", "verify", "--passphrase-file", &self.pass("node")])?;
        match report["damage"].as_array() {
            Some(damage) if damage.is_empty() => Ok(()),
            _ => Err(format!("store verify: {report}").into()),
        }
    }

    /// Logs the officer in.
    ///
    /// # Errors
    /// What the daemon says.
    pub fn login(&self) -> Result<(), Failed> {
        let login = || self.json(&["login", OFFICER, "--passphrase-file", &self.pass("officer")]).map(drop);
        // A machine that stood still for minutes lets the command run into its time limit while the daemon is well: then it is asked once more.
        login().or_else(|failed| if failed.to_string().contains("daemon_silent") { login() } else { Err(failed) })
    }

    /// Takes in the card of another bureau.
    ///
    /// # Errors
    /// What either daemon says.
    pub fn knows(&self, other: &Self) -> Result<(), Failed> {
        let card = other.card.display().to_string();
        other.json(&["card", "export", &card])?;
        self.json(&["partner", "add", &card, "--code", &other.checking_code]).map(drop)
    }

    /// Makes an agreement with another bureau; in force with both on return.
    ///
    /// # Errors
    /// What either daemon says, or that it takes too long.
    pub fn agree(&self, other: &Self, grants: &str) -> Result<(), Failed> {
        let terms = self.card.with_extension("terms.toml");
        let (from, to) = (date("-1 hour")?, date("+90 days")?);
        std::fs::write(&terms, format!("title = \"协作协议\"\nfrom = {from}\nto = {to}\n{grants}"))?;
        self.json(&["agreement", "offer", &terms.display().to_string(), "--to", &other.name, "--yes"])?;
        let id = other.standing("offered_to_us")?;
        other.json(&["agreement", "accept", &id, "--yes"])?;
        other.standing("in_force")?;
        self.standing("in_force").map(drop)
    }

    /// Runs one command; the object it prints last.
    ///
    /// # Errors
    /// What it says when it does not end well.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, Failed> {
        let mut command = self.command(&["--json", "--yes"]);
        let done = command.args(arguments).output()?;
        if !done.status.success() {
            return Err(format!("{}: {arguments:?}: {}", self.name, String::from_utf8_lossy(&done.stderr)).into());
        }
        let out = String::from_utf8_lossy(&done.stdout);
        Ok(serde_json::from_str(out.lines().last().unwrap_or_default())?)
    }

    /// A client of its daemon.
    ///
    /// # Errors
    /// When the system refuses an event loop.
    pub fn client(&self) -> Result<Client, Failed> {
        Client::new(self.data.join("run/api.sock")).map_err(|failure| failure.to_string().into())
    }

    /// Waits until an agreement of this standing is listed; its id.
    fn standing(&self, standing: &str) -> Result<String, Failed> {
        for _ in 0..LOOKS_MAX {
            let list = self.json(&["agreement", "list"])?;
            let found = list["agreements"].as_array().and_then(|all| all.iter().find(|agreement| agreement["standing"] == standing));
            if let Some(id) = found.and_then(|agreement| agreement["id"].as_str()) {
                return Ok(id.to_owned());
            }
            std::thread::sleep(LOOK);
        }
        Err(format!("{}: no agreement is {standing}", self.name).into())
    }

    /// The program, without anything of this machine's environment that it listens to.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        for name in ["ACCORD_DATA", "XDG_DATA_HOME", "SSLKEYLOGFILE", "CREDENTIALS_DIRECTORY", "RUST_LOG", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command.arg0(NAME).env("LANG", "C").stdin(Stdio::null()).arg("--data").arg(&self.data).args(arguments);
        command
    }

    /// A passphrase file: `node`, `root` or `officer`.
    fn pass(&self, of: &str) -> String {
        self.pass.with_extension(of).display().to_string()
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ")
    }
}

/// A moment as terms write it.
fn date(when: &str) -> Result<String, Failed> {
    let done = Command::new("date").args(["-u", "-d", when, "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

/// A port of loopback free for TCP and UDP, from below the range the system hands out itself.
fn free_port() -> Result<u16, Failed> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    let mut dice = SmallRng::seed_from_u64(u64::from_le_bytes(bytes));
    let mut ports = (0..256).map(|_| dice.random_range(10_000..30_000));
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).ok_or_else(|| "no free port".into())
}
