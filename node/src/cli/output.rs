//! Where words go: results to standard output, notes and failures to standard error; colour only on a terminal.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use accord_protocol::view::View;
use serde::Serialize;

use super::render;
use crate::failure::{Failure, Problem};
use crate::store::sync_around;
use crate::words::Words;

/// How this process talks.
#[derive(Clone, Debug)]
pub(super) struct Output {
    words: Words,
    json: bool,
    quiet: bool,
    /// Both input and error output are a terminal: a person can be asked.
    person: bool,
    colour: bool,
}

impl Output {
    pub(super) fn of_process(words: Words, json: bool, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { words, json, quiet, person: terminal && std::io::stdin().is_terminal(), colour }
    }

    pub(super) fn set(&mut self, json: bool, quiet: bool) {
        self.json = json;
        self.quiet = quiet;
    }

    /// Whether somebody can be asked.
    pub(super) fn person(&self) -> bool {
        self.person && !self.json
    }

    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// A result: the view as JSON, or as the catalogue tells it.
    pub(super) fn view(&self, view: &View) {
        if self.json {
            self.object(view);
        } else {
            self.text(&render::view(view, &self.words));
        }
    }

    /// A result that is a list: a table even when it holds one line.
    pub(super) fn list(&self, view: &View) {
        if self.json {
            self.object(view);
        } else {
            self.text(&render::list(view, &self.words));
        }
    }

    /// A result that is no view: `value` for programs, `text` for people.
    pub(super) fn result(&self, value: &impl Serialize, text: &str) {
        if self.json {
            self.object(value);
        } else {
            self.text(text);
        }
    }

    /// A result that must arrive before anything else happens.
    ///
    /// # Errors
    /// `file_not_written` when it could not be written out.
    pub(super) fn told(&self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        let json = self.json.then(|| serde_json::to_string(value).expect("views are strings, numbers and lists"));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json.as_deref().unwrap_or(text).trim_end_matches('\n'))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::misuse("file_not_written").with("path", "stdout").because(error))
    }

    /// One JSON object on a line of its own.
    pub(super) fn object(&self, value: &impl Serialize) {
        let line = serde_json::to_string(value).expect("views are strings, numbers and lists");
        self.text(&line);
    }

    /// Text as it is, with a line end.
    pub(super) fn text(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that went away (`accord ... | head`) is no failure of ours.
        let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    }

    /// Something worth knowing on the way; for people only.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
        }
    }

    /// A failure: three lines for people, one problem object with `--json`.
    pub(super) fn failure(&self, failure: &Failure) {
        let told = self.words.sentences(failure);
        let mut err = std::io::stderr().lock();
        if self.json {
            let line = serde_json::to_string(&Problem::of(failure, told.error, told.hint)).expect("problems are strings and numbers");
            let _ = writeln!(err, "{line}");
            return;
        }
        let paint = |text: String, style: &str| if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text };
        let _ = writeln!(err, "{}", paint(self.words.fill("error_line.error", &[("text", &told.error)]), "1;31"));
        if let Some(cause) = told.cause {
            let _ = writeln!(err, "{}", self.words.fill("error_line.cause", &[("text", &cause)]));
        }
        if let Some(hint) = told.hint {
            let _ = writeln!(err, "{}", paint(self.words.fill("error_line.next", &[("text", &hint)]), "36"));
        }
    }
}

/// Writes a file somebody asked for, in place of one that is there. When this returns well, the file and its name are on the disk.
///
/// # Errors
/// `file_not_written`.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        // A pipe has nothing to sync.
        if !file.metadata()?.is_file() {
            return Ok(());
        }
        file.sync_all()?;
        sync_around(path)
    };
    write().map_err(|error: std::io::Error| Failure::misuse("file_not_written").with("path", path.display()).because(error))
}
