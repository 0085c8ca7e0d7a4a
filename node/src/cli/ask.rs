//! What a person is asked for: a yes, a passphrase, a text.
//!
//! Passphrases come from a terminal or from a file only its owner can read; never from the command line or the environment, where other
//! users of the machine can see them.

use std::fs::Permissions;
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::Context;
use crate::failure::Failure;
use crate::keystore::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, check_passphrase, check_private};
use crate::text_input::{self, Text};

// Where a text comes from.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TextArgs {
    #[arg(short = 'f', long, value_name = "FILE|-")]
    pub(super) file: Option<PathBuf>,
    #[arg(long, conflicts_with = "file", value_name = "TEXT")]
    pub(super) text: Option<String>,
}

impl TextArgs {
    /// The text: from the file, the argument, or the person's editor.
    pub(super) fn read(&self, cx: &Context) -> Result<Text, Failure> {
        let text = match (&self.file, &self.text) {
            (Some(path), _) => {
                let text = text_input::read(path)?;
                if text.encoding != "UTF-8" {
                    cx.out.note(&cx.words.fill("bulletin.converted", &[("file", &path.display()), ("encoding", &text.encoding)]));
                }
                text
            }
            (None, Some(text)) => text_input::decode(text.as_bytes())?,
            (None, None) if cx.out.person() => text_input::decode(&edited(cx)?)?,
            (None, None) => return Err(Failure::misuse("text_missing")),
        };
        Ok(text)
    }
}

/// What the person wrote in `$VISUAL`, `$EDITOR` or vi. The file lies in the data folder, mode 0600, and is gone afterwards.
fn edited(cx: &Context) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::misuse("editor_failed").because(error);
    let folder = cx.data()?;
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("text-").suffix(".md").permissions(Permissions::from_mode(0o600));
    let file = if folder.is_dir() { builder.tempfile_in(folder) } else { builder.tempfile() }.map_err(failed)?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program).args(words).arg(file.path()).status().map_err(failed)?;
    if !status.success() {
        return Err(Failure::refused("cancelled"));
    }
    // Editors replace files: read by path, not through the old handle.
    let mut bytes = Vec::new();
    std::fs::File::open(file.path())
        .and_then(|open| open.take(text_input::RAW_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

/// A time as typed; a bare day ends with its last second when `whole_day`.
pub(super) fn moment(text: &str, whole_day: bool) -> Result<u64, Failure> {
    crate::terms::moment(text, whole_day)
        .ok_or_else(|| Failure::misuse("bad_time").with("found", text.chars().take(40).collect::<String>()))
}

/// Asks for a yes. `--yes` answers it; without a terminal it must be there.
pub(super) fn confirm(cx: &Context) -> Result<(), Failure> {
    if cx.globals.yes {
        return Ok(());
    }
    if !cx.out.person() {
        return Err(Failure::misuse("not_a_terminal"));
    }
    let answer = line(cx.words.say("prompt.confirm"))?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes" | "是") { Ok(()) } else { Err(Failure::refused("cancelled")) }
}

/// Asks for one line; end of input counts as an empty one.
pub(super) fn line(prompt: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::misuse("not_a_terminal").because(error);
    let mut err = std::io::stderr().lock();
    write!(err, "{prompt} ").and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().take(4_096).read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().to_owned())
}

/// An existing passphrase: from `file`, else typed.
pub(super) fn passphrase(cx: &Context, file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(path) => passphrase_from(path),
        None if cx.out.person() => typed(prompt),
        None => Err(Failure::misuse("passphrase_missing")),
    }
}

/// A passphrase for a key about to be made: typed twice, or from `file`.
pub(super) fn new_passphrase(cx: &Context, file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if file.is_some() || !cx.out.person() {
        let passphrase = passphrase(cx, file, prompt)?;
        check_passphrase(&passphrase)?;
        return Ok(passphrase);
    }
    loop {
        let first = typed(prompt)?;
        if check_passphrase(&first).is_err() {
            cx.out.note(&cx.words.fill("prompt.passphrase_short", &[("min", &PASSPHRASE_CHARS_MIN)]));
        } else if *typed(cx.words.say("prompt.passphrase_again"))? == *first {
            return Ok(first);
        } else {
            cx.out.note(cx.words.say("prompt.passphrase_differs"));
        }
    }
}

fn typed(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| Failure::misuse("not_a_terminal").because(error))?;
    let typed = Zeroizing::new(typed);
    if typed.is_empty() { Err(Failure::refused("cancelled")) } else { Ok(typed) }
}

/// The first line of a file that nobody but its owner can read.
fn passphrase_from(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let name = path.display();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::misuse("file_not_found").with("path", name.to_string()),
        _ => Failure::misuse("file_unreadable").with("path", name.to_string()).because(error),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    check_private(path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 1));
    file.take(PASSPHRASE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let bad = || Failure::misuse("passphrase_file_bad").with("path", name.to_string()).with("max", PASSPHRASE_BYTES_MAX);
    if bytes.len() > PASSPHRASE_BYTES_MAX {
        return Err(bad());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    let first = text.strip_prefix('\u{feff}').unwrap_or(text).lines().next().unwrap_or_default();
    if first.is_empty() { Err(bad()) } else { Ok(Zeroizing::new(first.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], mode: u32, expect: Result<&str, &str>) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), content).expect("it can be written");
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).expect("it is ours");
        let found = passphrase_from(file.path());
        match (&found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found.as_str(), expect),
            (Err(failure), Err(code)) => assert_eq!(failure.code, code),
            _ => panic!("{content:?} {mode:o}: {:?} instead of {expect:?}", found.map_err(|failure| failure.code)),
        }
    }

    #[test]
    fn a_passphrase_file_counts_only_when_nobody_else_can_read_it() {
        check("山高月小 水落石出\n".as_bytes(), 0o600, Ok("山高月小 水落石出"));
        check(b"\xef\xbb\xbfcorrect horse\r\nsecond line", 0o400, Ok("correct horse"));
        check(b"correct horse", 0o640, Err("key_file_open"));
        check(b"correct horse", 0o604, Err("key_file_open"));
    }

    #[test]
    fn a_passphrase_file_must_hold_one() {
        check(b"", 0o600, Err("passphrase_file_bad"));
        check(b"\nsecond", 0o600, Err("passphrase_file_bad"));
        check(b"\xff\xfe", 0o600, Err("passphrase_file_bad"));
        check(&[b'a'; PASSPHRASE_BYTES_MAX + 1], 0o600, Err("passphrase_file_bad"));
    }
}
