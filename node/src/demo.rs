//! `accord demo`: three bureaus and a field laptop as separate processes on loopback, told as a story and checked at the end.
//!
//! Nothing is played: every node is this same program with its own keys, encrypted store and sockets; what is shown at the end are the
//! nodes' own answers, the decrypted journals, and a tap of every plaintext frame. The tap works only in stores that the demo made.

#![expect(clippy::disallowed_methods, reason = "the demo stands outside the daemon and tells a person how long things took")]

mod checks;
mod county;
mod story;
pub mod wire;

use std::path::PathBuf;

use serde::Serialize;

use crate::failure::Failure;
use crate::words::Words;

/// What the demo is asked to do.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// Keep the data here; otherwise a temporary folder is removed at the end.
    pub keep: Option<PathBuf>,
    /// Leave the nodes running until Ctrl-C.
    pub stay: bool,
    /// Sentences.
    pub words: Words,
}

/// What the demo found; printed as the last line with `--json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Bureaus that took part.
    pub bureaus: u64,
    /// Laptops that took part.
    pub laptops: u64,
    /// Distinct documents.
    pub documents: u64,
    /// Admitted changes in them.
    pub changes: u64,
    /// Everyone entitled shows the same heads and text of every document.
    pub converged: bool,
    /// Bytes of documents between A and B found in C's journal or in frames sent to C.
    pub leaked_bytes: u64,
    /// Writes a node acknowledged.
    pub acknowledged: u64,
    /// Acknowledged writes that are missing at the end.
    pub lost: u64,
    /// Wall time of the whole demo.
    pub seconds: f64,
}

impl Outcome {
    /// Whether every condition held.
    pub fn passed(&self) -> bool {
        self.converged && self.leaked_bytes == 0 && self.lost == 0 && self.acknowledged > 0
    }
}

/// Who tells the story: the terminal, or nobody.
pub trait Narrator {
    /// One line of the story.
    fn line(&mut self, text: &str);
    /// Progress of something slow; `done == total` ends it.
    fn progress(&mut self, label: &str, done: u64, total: u64);
    /// Blocks until the person ends it (`--stay`).
    fn wait_for_end(&mut self);
}

/// Runs the demo.
///
/// # Errors
/// A step that could not be carried out; conditions that do not hold are in the [`Outcome`].
pub fn run(plan: &DemoPlan, narrator: &mut dyn Narrator) -> Result<Outcome, Failure> {
    let started = jiff::Timestamp::now();
    let (folder, temporary) = match &plan.keep {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|e| Failure::misuse("folder_unwritable").with("path", path.display()).because(e))?;
            if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(Failure::misuse("folder_not_empty").with("path", path.display()));
            }
            (std::path::absolute(path).unwrap_or_else(|_| path.clone()), None)
        }
        None => {
            let dir = tempfile::Builder::new().prefix("accord-demo-").tempdir();
            let dir = dir.map_err(|e| Failure::fault("no_temporary_folder").because(e))?;
            (dir.path().to_path_buf(), Some(dir))
        }
    };
    let result = story::tell(plan, &folder, narrator);
    let seconds = started.until(jiff::Timestamp::now()).map_or(0.0, |span| span.total(jiff::Unit::Second).unwrap_or(0.0));
    let result = result.map(|outcome| Outcome { seconds: (seconds * 1_000.0).round() / 1_000.0, ..outcome });
    let failed = result.as_ref().map_or(true, |outcome| !outcome.passed());
    let words = &plan.words;
    match temporary {
        Some(dir) if failed => {
            narrator.line(&words.fill("demo.failed", &[("path", &dir.keep().display())]));
        }
        Some(dir) => {
            drop(dir);
            narrator.line(words.say("demo.removed"));
        }
        None if failed => narrator.line(&words.fill("demo.failed", &[("path", &folder.display())])),
        None => narrator.line(&words.fill("demo.kept", &[("path", &folder.display())])),
    }
    result
}
