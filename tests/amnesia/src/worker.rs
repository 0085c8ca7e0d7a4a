//! A process on a machine: started, listened to line by line, and killed in time.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::Failed;
use crate::lab::Machine;

/// A worker that says nothing for so long hangs. Machines that test are slow and busy.
const SILENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether the power is still on.
const LOOK: Duration = Duration::from_millis(5);
/// Lines that may wait to be read.
const LINES_MAX: usize = 1024;

/// What a worker said until it ended.
#[derive(Debug, Default)]
pub struct Told {
    /// Its lines.
    pub lines: Vec<String>,
    /// Whether it fell silent and had to be killed, with the power on.
    pub hung: bool,
}

impl Told {
    /// Lines that begin with a word, without it.
    pub fn after<'a>(&'a self, word: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
    }

    /// The last number said after a word.
    pub fn number(&self, word: &str) -> Option<u64> {
        self.after(word).next_back()?.split(' ').next()?.parse().ok()
    }
}

/// Starts this program as a worker and listens until it ends; kills it as soon as the power goes or it falls silent.
///
/// # Errors
/// When it cannot be started.
pub fn run<S: AsRef<OsStr>>(machine: &Machine, arguments: impl IntoIterator<Item = S>) -> Result<Told, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut worker = Killed(command.spawn()?);
    let lines = listen(worker.0.stdout.take().ok_or("no pipe")?);
    let mut told = Told::default();
    let mut silent = Duration::ZERO;
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                told.lines.push(line);
                silent = Duration::ZERO;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(told),
            Err(RecvTimeoutError::Timeout) => {
                silent += LOOK;
                told.hung |= silent >= SILENCE;
                if told.hung || machine.disk().is_off() {
                    // What it said before still comes out of the pipe.
                    worker.kill();
                }
            }
        }
    }
}

fn listen(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// A process that does not outlive us.
pub struct Killed(pub Child);

impl Killed {
    /// SIGKILL, and it is gone on return.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a worker does first: it is killed when the lab ends, however that ends.
pub fn go_with_the_lab() {
    // A system that does not know this only lets it live a little longer: its disk is gone.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// What a worker itself does with a line: out at once, so that nothing it said is lost with it.
///
/// # Errors
/// When nobody listens any more.
pub fn say(line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
