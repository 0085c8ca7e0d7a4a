//! One bureau as a test runs it: a folder, a process, and the command line as the only way to talk to it.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use accord_node::client::Client;
use serde_json::Value;

/// Passphrase of the node's keys.
pub const NODE_PASS: &str = "node horse battery";
/// Passphrase of the root key.
pub const ROOT_PASS: &str = "root horse staple";
/// Passphrase of the officer's key.
pub const OFFICER_PASS: &str = "officer horse tack";
/// The officer of every bureau.
pub const OFFICER: &str = "值班一";
/// After this, something awaited counts as failed, seconds. Machines that test are slow and busy.
pub const WAIT_S: u64 = 90;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// What one run of the program did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The JSON of standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem object, the last line of standard error.
    pub fn problem(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("no problem object: {error}: {self:?}"))
    }

    /// The stable code of the problem object.
    pub fn problem_code(&self) -> String {
        self.problem()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The program, without anything of this machine's environment that it listens to.
pub fn accord() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accord"));
    for name in ["ACCORD_DATA", "XDG_DATA_HOME", "SSLKEYLOGFILE", "CREDENTIALS_DIRECTORY", "RUST_LOG", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.env("LANG", "C").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn ran(mut command: Command) -> Ran {
    let output = command.output().expect("the program starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Looks until there is an answer; fails after [`WAIT_S`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(WAIT_S), "it did not come about within {WAIT_S} s: {what}");
        sleep(LOOK);
    }
}

/// A port of loopback free for TCP and UDP. Taken from below the range the system hands out itself, so that no dial takes it meanwhile.
pub fn free_port() -> u16 {
    for _ in 0..256 {
        let port = 10_000 + u16::try_from(random() % 20_000).expect("below 20,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// A number nobody chose.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    u64::from_le_bytes(bytes)
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A file only we may read.
pub fn private(path: &Path, text: &str) -> PathBuf {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("ours");
    path.to_path_buf()
}

/// The files of `examples/texts`.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/texts").join(name)
}

/// Terms with these grant lines, in force from an hour ago.
pub fn terms(to: u64, grants: &[(&str, &str, &str)]) -> String {
    let stamp = |at: u64| {
        let out = ran({
            let mut date = Command::new("date");
            date.args(["-u", "-d", &format!("@{at}"), "+%Y-%m-%dT%H:%M:%SZ"]);
            date
        });
        out.out.trim().to_owned()
    };
    let mut text = format!("title = \"协作协议\"\nfrom = {}\nto = {}\ngrace_days = 30\n", stamp(now() - 3_600), stamp(to));
    for (category, verb, ceiling) in grants {
        text += &format!(
            "[[grants]]\ndirection = \"both\"\ncategory = \"{category}\"\nverbs = [\"{verb}\"]\ntlp_ceiling = \"{ceiling}\"\nonward = \"none\"\n"
        );
    }
    text
}

/// What most tests agree on.
pub const GRANTS: &[(&str, &str, &str)] =
    &[("CRIM.SERIES", "append", "AMBER+STRICT"), ("TRAF", "read", "AMBER"), ("FIRE.HAZ", "read", "GREEN")];

/// How a bureau is founded where a test wants it otherwise.
pub struct Plan {
    pub network: &'static str,
    /// What the card says, instead of the listen address.
    pub card_address: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { network: "county-test", card_address: None }
    }
}

/// One bureau, or one laptop.
pub struct Bureau {
    pub name: String,
    pub data: PathBuf,
    pub listen: String,
    pub checking_code: String,
    /// Put into the daemon's environment at the next start.
    pub env: Vec<(String, String)>,
    /// Instead of the program itself: a program that ends in running `"$@"`.
    pub wrapper: Vec<String>,
    /// More arguments of `run`, for instance `--listen`.
    pub run_args: Vec<String>,
    child: Option<Child>,
    folder: PathBuf,
}

impl Bureau {
    /// Founds it; nothing runs yet.
    pub fn found(dir: &Path, name: &str, plan: Plan) -> Self {
        let folder = dir.join(name);
        std::fs::create_dir_all(&folder).expect("a folder of its own");
        let listen = format!("127.0.0.1:{}", free_port());
        let mut bureau = Self::at(folder, name, &listen);
        let mut init = bureau.command(&["init", "--json", "--unit-code", "330100-01", "--name", name, "--network", plan.network]);
        init.args(["--officer", OFFICER, "--phone", "000-0000000", "--listen", &listen]);
        init.arg("--address").arg(plan.card_address.as_deref().unwrap_or(&listen));
        init.arg("--passphrase-file").arg(bureau.pass("node")).arg("--root-passphrase-file").arg(bureau.pass("root"));
        init.arg("--officer-passphrase-file").arg(bureau.pass("officer")).arg("--recovery-out").arg(bureau.file("recovery"));
        let done = ran(init);
        assert_eq!(done.code, 0, "{done:?}");
        bureau.checking_code = done.json()["checking_code"].as_str().expect("a code").to_owned();
        bureau
    }

    /// A laptop's folder; nothing has joined yet.
    pub fn laptop(dir: &Path, name: &str) -> Self {
        let folder = dir.join(name);
        std::fs::create_dir_all(&folder).expect("a folder of its own");
        Self::at(folder, name, "")
    }

    fn at(folder: PathBuf, name: &str, listen: &str) -> Self {
        private(&folder.join("node.pass"), NODE_PASS);
        private(&folder.join("root.pass"), ROOT_PASS);
        private(&folder.join("officer.pass"), OFFICER_PASS);
        Self {
            name: name.to_owned(),
            data: folder.join("data"),
            listen: listen.to_owned(),
            checking_code: String::new(),
            env: Vec::new(),
            wrapper: Vec::new(),
            run_args: Vec::new(),
            child: None,
            folder,
        }
    }

    /// A passphrase file: `node`, `root` or `officer`.
    pub fn pass(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.pass"))
    }

    /// A path beside the data folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One command, to be run when the caller likes.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = accord();
        command.arg("--data").arg(&self.data).args(args);
        command
    }

    /// Runs one command as a script would.
    pub fn cli(&self, args: &[&str]) -> Ran {
        ran(self.command(args))
    }

    /// Runs one command with `--json`; it succeeds and what it says parses.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut line = vec!["--json"];
        line.extend(args);
        let done = self.cli(&line);
        assert_eq!(done.code, 0, "{}: {args:?}: {done:?}", self.name);
        done.json()
    }

    /// Runs one command that must fail with this exit code and stable code, and say a next step in both languages.
    pub fn refused(&self, args: &[&str], exit: i32, code: &str) -> Value {
        let mut line = vec!["--json"];
        line.extend(args);
        let done = self.cli(&line);
        assert_eq!((done.code, done.problem_code().as_str()), (exit, code), "{}: {args:?}: {done:?}", self.name);
        for (lang, next) in [("zh", "下一步："), ("en", "next: ")] {
            let mut line = vec!["--lang", lang];
            line.extend(args);
            let told = self.cli(&line);
            assert_eq!(told.code, exit, "{}: {args:?}: {told:?}", self.name);
            let hint = told.err.lines().filter_map(|line| line.strip_prefix(next)).any(|hint| !hint.trim().is_empty());
            assert!(hint, "no next step in {lang}: {args:?}: {}", told.err);
        }
        done.problem()
    }

    fn run_command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => accord(),
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(env!("CARGO_BIN_EXE_accord")).stdin(Stdio::null()).env_remove("SSLKEYLOGFILE").env("LANG", "C");
                command
            }
        };
        if !self.run_args.iter().any(|arg| arg == "--data") {
            command.arg("--data").arg(&self.data);
        }
        command.arg("--json").arg("run").args(&self.run_args);
        if !self.run_args.iter().any(|arg| arg == "--passphrase-file") {
            command.arg("--passphrase-file").arg(self.pass("node"));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.file("log")).expect("a log");
        let mut command = self.run_command();
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("the daemon starts"));
        let begun = Instant::now();
        let client = self.client();
        while client.get::<Value>("/v1/status").is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("our child"));
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.name, self.log());
            assert!(begun.elapsed() < Duration::from_secs(WAIT_S), "{} does not answer\n{}", self.name, self.log());
            sleep(LOOK);
        }
    }

    /// Starts the daemon where it must not start; answers what it said. A daemon that runs after all is ended and counts as failure.
    pub fn start_refused(&self, exit: i32, code: &str) -> Value {
        let mut command = self.run_command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the daemon starts");
        let begun = Instant::now();
        while child.try_wait().expect("our child").is_none() {
            if begun.elapsed() > Duration::from_secs(WAIT_S) {
                child.kill().expect("our child");
                panic!("{} started although it must not ({code})", self.name);
            }
            sleep(LOOK);
        }
        let output = child.wait_with_output().expect("our child");
        let done =
            Ran { code: output.status.code().unwrap_or(-1), out: String::new(), err: String::from_utf8_lossy(&output.stderr).into_owned() };
        let mut log = File::options().create(true).append(true).open(self.file("log")).expect("a log");
        log.write_all(done.err.as_bytes()).expect("written");
        assert_eq!((done.code, done.problem_code().as_str()), (exit, code), "{}: {done:?}", self.name);
        // The same for a person.
        let words = accord_node::words::Words::of(accord_node::words::Lang::En);
        let failure = accord_node::failure::Failure::from(
            serde_json::from_value::<accord_node::failure::Problem>(done.problem()).expect("a problem object"),
        );
        assert!(words.sentences(&failure).hint.is_some_and(|hint| !hint.trim().is_empty()), "{code} has no next step");
        done.problem()
    }

    /// Founded, started, its officer logged in.
    pub fn open(dir: &Path, name: &str) -> Self {
        let mut bureau = Self::found(dir, name, Plan::default());
        bureau.start();
        bureau.login();
        bureau
    }

    pub fn login(&self) {
        let pass = self.pass("officer");
        self.json(&["login", OFFICER, "--passphrase-file", pass.to_str().expect("plain path")]);
    }

    pub fn client(&self) -> Client {
        Client::new(self.data.join("run/api.sock")).expect("an event loop")
    }

    /// SIGKILL and nothing else.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    /// SIGTERM; it ends well.
    pub fn stop(&mut self) {
        let code = self.stop_with_code();
        assert_eq!(code, 0, "{}\n{}", self.name, self.log());
    }

    /// SIGTERM; answers the exit code.
    pub fn stop_with_code(&mut self) -> i32 {
        let mut child = self.child.take().expect("it runs");
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our child");
        child.wait().expect("our child").code().unwrap_or(-1)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it was started and not stopped or killed since.
    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("our child").is_none())
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file("log")).unwrap_or_default()).into_owned()
    }

    pub fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// What it shows of a document, if it holds it.
    pub fn document(&self, id: &str) -> Option<Value> {
        let done = self.cli(&["--json", "bulletin", "show", id]);
        match done.code {
            0 => Some(done.json()),
            1 => None,
            _ => panic!("{}: {done:?}", self.name),
        }
    }

    /// Waits until it shows a document with content.
    pub fn receives(&self, id: &str) -> Value {
        until(&format!("{} receives {id}", self.name), || {
            self.document(id).filter(|view| view["heads"].as_array().is_some_and(|heads| !heads.is_empty()))
        })
    }

    /// Takes in the card of another bureau with its checking code.
    pub fn knows(&self, other: &Bureau) {
        let card = other.file("card");
        other.json(&["card", "export", card.to_str().expect("plain path")]);
        self.json(&["partner", "add", card.to_str().expect("plain path"), "--code", &other.checking_code]);
    }

    /// Publishes a text; its id.
    pub fn publishes(&self, text: &str, to: &str) -> String {
        let sent = self.json(&["bulletin", "publish", "--text", text, "--category", "CRIM.SERIES", "--to", to, "--yes"]);
        sent["id"].as_str().expect("an id").to_owned()
    }

    /// Waits for a link with `other`.
    pub fn connected(&self, other: &str) {
        until(&format!("{} is connected to {other}", self.name), || {
            (self.json(&["partner", "show", other])["partners"][0]["connected"] == true).then_some(())
        });
    }
}

impl Drop for Bureau {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = self.log();
        if std::thread::panicking() {
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            eprintln!("---- last lines of {} ----", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        } else {
            assert!(!log.contains("panicked"), "{} panicked:\n{log}", self.name);
        }
    }
}

/// Offers terms and accepts them; returns when both say "in force". Answers the agreement's id.
pub fn agree(one: &Bureau, other: &Bureau, terms: &str) -> String {
    let file = one.file("terms.toml");
    std::fs::write(&file, terms).expect("written");
    one.json(&["agreement", "offer", file.to_str().expect("plain path"), "--to", &other.name, "--yes"]);
    let id = standing(other, "offered_to_us");
    other.json(&["agreement", "accept", &id, "--yes"]);
    standing(one, "in_force");
    standing(other, "in_force")
}

/// Waits until an agreement of this standing is listed; its id.
pub fn standing(bureau: &Bureau, standing: &str) -> String {
    until(&format!("{}: {standing}", bureau.name), || {
        let list = bureau.json(&["agreement", "list"]);
        let found = list["agreements"].as_array()?.iter().find(|agreement| agreement["standing"] == standing)?;
        found["id"].as_str().map(str::to_owned)
    })
}

/// Two bureaus, `甲` and `乙`, with an agreement in force.
pub fn pair(dir: &Path) -> (Bureau, Bureau) {
    let (a, b) = (Bureau::open(dir, "甲县公安局"), Bureau::open(dir, "乙县公安局"));
    a.knows(&b);
    b.knows(&a);
    agree(&a, &b, &terms(now() + 86_400 * 90, GRANTS));
    (a, b)
}

/// A case both write; returns when both hold it.
pub fn case(a: &Bureau, b: &Bureau) -> String {
    let opened = a.json(&["case", "open", "--text", "串案\n\n情况如下。", "--category", "CRIM.SERIES", "--with", &b.name, "--yes"]);
    let id = opened["id"].as_str().expect("an id").to_owned();
    b.receives(&id);
    id
}

/// Waits until all show the same heads, text and entries of a document; the content hash.
pub fn same(id: &str, bureaus: &[&Bureau]) -> String {
    until(&format!("all show the same of {id}"), || {
        let shown: Option<Vec<Value>> = bureaus.iter().map(|bureau| bureau.document(id)).collect();
        let shown = shown?;
        let first = shown[0]["content_hash"].as_str()?.to_owned();
        shown.iter().all(|view| view["content_hash"] == first.as_str() && view["heads"] == shown[0]["heads"]).then_some(first)
    })
}
