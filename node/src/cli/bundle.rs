//! `accord bundle`: what a partner or our own laptop is to have, as a file on a stick.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use accord_protocol::bundle::{OWN_DEVICES, UnpackedView};
use accord_protocol::limits::BUNDLE_FILE_BYTES_MAX;
use clap::Subcommand;
use serde_json::{Value, json};

use super::init::new_file;
use super::progress::Bar;
use super::{Context, render};
use crate::client::escape;
use crate::failure::Failure;
use crate::keystore::random;
use crate::store::{rename_new, sync_around};

/// How a bundle's name ends.
const ENDING: &str = "bundle";
/// Names tried in a folder that has bundles of the same day.
const NAMES_MAX: u32 = 10_000;
/// Refusals shown one by one.
const SHOWN_MAX: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum BundleVerb {
    Pack {
        #[arg(long = "for", id = "to", value_name = "NAME")]
        to: String,
        #[arg(long, value_name = "DIR|FILE", default_value = ".", hide_default_value = true)]
        out: PathBuf,
        #[arg(long)]
        all: bool,
    },
    Unpack {
        #[arg(value_name = "FILE|DIR")]
        path: PathBuf,
    },
    Show {
        #[arg(value_name = "FILE|DIR")]
        path: PathBuf,
    },
}

pub(super) fn run(verb: BundleVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        BundleVerb::Pack { to, out, all } => pack(cx, &to, &out, all),
        BundleVerb::Unpack { path } => unpack(cx, &path, cx.globals.dry_run),
        BundleVerb::Show { path } => {
            cx.no_dry_run()?;
            unpack(cx, &path, true)
        }
    }
}

/// Reads the lines of a long answer: progress goes to the bar, the end is answered.
struct Lines<'a> {
    bar: &'a mut Bar,
    held: Vec<u8>,
    end: Option<Result<Value, Failure>>,
}

impl<'a> Lines<'a> {
    fn new(bar: &'a mut Bar) -> Self {
        Self { bar, held: Vec::new(), end: None }
    }
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.held.extend_from_slice(bytes);
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.held.drain(..=end).collect();
            let bad = |error| Failure::fault("daemon_answer").with("path", "/v1/bundles").because(error);
            let mut line: Value = serde_json::from_slice(&line).map_err(bad)?;
            let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(0);
            let (done, total) = (number("done"), number("total"));
            if let Some(problem) = line.get_mut("problem") {
                let problem: crate::failure::Problem = serde_json::from_value(problem.take()).map_err(bad)?;
                self.end = Some(Err(problem.into()));
            } else if let Some(end) = line.get_mut("end") {
                self.end = Some(Ok(end.take()));
            } else {
                self.bar.at(done, total);
            }
        }
        Ok(())
    }
    fn end(self) -> Result<Value, Failure> {
        self.end.unwrap_or_else(|| Err(Failure::unreachable("stopping")))
    }
}

// ---- pack ----

fn pack(cx: &Context, to: &str, out: &Path, all: bool) -> Result<(), Failure> {
    let dry = cx.globals.dry_run;
    // Before anything is packed: where it is to go.
    let folder = out.is_dir();
    let file = if folder || dry { None } else { Some(new_file(out)?) };
    let client = cx.client()?;
    let mut bar = Bar::new(cx, cx.words.say("bundle.packing"));
    let mut lines = Lines::new(&mut bar);
    client.follow("/v1/bundles", &json!({ "for": to, "all": all }), dry, |bytes| lines.take(bytes))?;
    let mut packed = lines.end()?;
    bar.end();
    let text = |name: &str| packed.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| packed.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (id, bureau, name) = (text("id"), text("to"), text("name"));
    let (documents, bytes, devices) = (number("documents"), number("bytes"), number("devices"));
    if dry {
        let told = cx.words.fill("bundle.would", &[("name", &name), ("documents", &documents), ("bytes", &bytes), ("devices", &devices)]);
        cx.out.result(&packed, &told);
        return Ok(());
    }
    let path = match file {
        Some(file) => file,
        None => free_name(out, &bureau)?,
    };
    land(&client, &id, &path)?;
    packed["file"] = json!(path.display().to_string());
    let values: [(&str, &dyn std::fmt::Display); 4] =
        [("name", &name), ("documents", &documents), ("bytes", &bytes), ("file", &path.display())];
    let told = [cx.words.fill("bundle.packed", &values), cx.words.fill("bundle.packed_next", &values)].join("\n");
    cx.out.result(&packed, &told);
    Ok(())
}

/// A name that says nothing but for whom and when: `accord-<beginning of the bureau's id>-<day>-<n>.bundle`.
fn free_name(folder: &Path, bureau: &str) -> Result<PathBuf, Failure> {
    let folder =
        std::path::absolute(folder).map_err(|error| Failure::misuse("file_not_written").with("path", folder.display()).because(error))?;
    let day = today().replace('-', "");
    let short: String = bureau.chars().take(8).collect();
    let names = (1..NAMES_MAX).map(|n| folder.join(format!("accord-{short}-{day}-{n}.{ENDING}")));
    names.into_iter().find(|path| !path.exists()).ok_or_else(|| Failure::misuse("file_exists").with("path", folder.display()))
}

#[expect(clippy::disallowed_methods, reason = "a file's name says the day its maker reads on the wall")]
fn today() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    render::time(seconds).chars().take(10).collect()
}

/// Puts the file in its place: whole and durable, or not at all, and never over another.
fn land(client: &crate::client::Client, id: &str, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::misuse("file_not_written").with("path", path.display()).because(error);
    let unique: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = path.with_extension(format!("{unique}.part"));
    let landed = (|| {
        let mut file = File::options().write(true).create_new(true).open(&part).map_err(failed)?;
        client.fetch(&format!("/v1/bundles/{}/file", escape(id)), |bytes| file.write_all(bytes).map_err(failed))?;
        file.sync_all().map_err(failed)?;
        rename_new(&part, path).map_err(failed)?;
        sync_around(path).map_err(failed)
    })();
    if landed.is_err() {
        // Half of it is of no use to anybody; what cannot be removed says what it is by its name.
        let _ = std::fs::remove_file(&part);
    }
    landed
}

// ---- unpack ----

fn unpack(cx: &Context, path: &Path, dry: bool) -> Result<(), Failure> {
    let unread = |error: std::io::Error| Failure::misuse("file_unreadable").with("path", path.display()).because(error);
    if !std::fs::metadata(path).map_err(unread)?.is_dir() {
        let (value, told) = one(cx, path, dry)?;
        cx.out.result(&value, &told);
        return Ok(());
    }
    let (mut files, mut ignored) = (Vec::new(), 0_u64);
    for entry in std::fs::read_dir(path).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let bundle = entry.path().extension().is_some_and(|ending| ending == ENDING) && entry.file_type().is_ok_and(|kind| kind.is_file());
        if bundle {
            files.push(entry.path());
        } else {
            ignored += 1;
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::not_found("bundle_none").with("path", path.display()));
    }
    let (mut values, mut lines, mut not_for_us, mut refused) = (Vec::new(), Vec::new(), 0_u64, None);
    for file in &files {
        match one(cx, file, dry) {
            Ok((value, told)) => {
                values.push(value);
                lines.push(told);
            }
            // A stick goes round several bureaus.
            Err(failure) if failure.code == "bundle_not_for_us" || failure.code == "bundle_of_this_device" => not_for_us += 1,
            Err(failure) if failure.kind == crate::failure::Kind::Unreachable => return Err(failure),
            Err(failure) => {
                let told = cx.words.sentences(&failure);
                lines.push(cx.words.fill("bundle.not_taken", &[("file", &file.display()), ("why", &told.error)]));
                values.push(json!({ "file": file.display().to_string(), "refused": failure.code }));
                refused.get_or_insert(failure);
            }
        }
    }
    if not_for_us + ignored > 0 {
        lines.push(cx.words.fill("bundle.others", &[("others", &not_for_us), ("ignored", &ignored)]));
    }
    cx.out.result(&json!({ "bundles": values, "not_for_us": not_for_us, "ignored": ignored }), &lines.join("\n"));
    refused.map_or(Ok(()), Err)
}

fn one(cx: &Context, path: &Path, dry: bool) -> Result<(Value, String), Failure> {
    let unread = |error: std::io::Error| Failure::misuse("file_unreadable").with("path", path.display()).because(error);
    let facts = std::fs::metadata(path).map_err(unread)?;
    if !facts.is_file() {
        return Err(Failure::misuse("file_unreadable").with("path", path.display()));
    }
    // Whatever it states: nothing of it is read.
    if facts.len() > BUNDLE_FILE_BYTES_MAX {
        return Err(Failure::refused("bundle_too_large").with("most", BUNDLE_FILE_BYTES_MAX));
    }
    let mut bar = Bar::new(cx, cx.words.say(if dry { "bundle.looking" } else { "bundle.unpacking" }));
    let mut lines = Lines::new(&mut bar);
    let file = File::open(path).map_err(unread)?;
    cx.client()?.upload("/v1/bundles/unpack", file, facts.len(), dry, |bytes| lines.take(bytes))?;
    let mut value = lines.end()?;
    bar.end();
    value["file"] = json!(path.display().to_string());
    let created = render::time(value.get("created").and_then(Value::as_u64).unwrap_or(0));
    if dry {
        let documents = value.get("documents").and_then(Value::as_u64).unwrap_or(0);
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let id: String = text("bureau").chars().take(12).collect();
        let from = if text("name").is_empty() { id } else { format!("{} ({id})", text("name")) };
        let told =
            cx.words.fill("bundle.shown", &[("file", &path.display()), ("from", &from), ("created", &created), ("documents", &documents)]);
        return Ok((value, told));
    }
    let view: UnpackedView = serde_json::from_value(value.clone())
        .map_err(|error| Failure::fault("daemon_answer").with("path", "/v1/bundles/unpack").because(error))?;
    let told = told(cx, &view, &created);
    Ok((value, told))
}

fn told(cx: &Context, view: &UnpackedView, created: &str) -> String {
    let back_to = if view.own { OWN_DEVICES } else { view.name.as_str() };
    let values: [(&str, &dyn std::fmt::Display); 9] = [
        ("name", &view.name),
        ("created", &created),
        ("new", &view.new),
        ("changed", &view.changed),
        ("known", &view.known),
        ("refused", &view.refused_count),
        ("erased", &view.erased),
        ("statements", &view.statements),
        ("back_to", &back_to),
    ];
    let nothing = view.new + view.changed + view.statements == 0;
    let mut lines = vec![cx.words.fill(if nothing { "bundle.nothing_new" } else { "bundle.unpacked" }, &values)];
    if view.statements > 0 {
        lines.push(cx.words.fill("bundle.statements", &values));
    }
    if view.refused_count > 0 {
        lines.push(cx.words.fill("bundle.refused", &values));
        let shown = view.refused.iter().take(SHOWN_MAX);
        lines
            .extend(shown.map(|refused| format!("  {}  {}", refused.document.chars().take(12).collect::<String>(), why(cx, &refused.why))));
    }
    if view.erased > 0 {
        lines.push(cx.words.fill("bundle.erased", &values));
    }
    if view.noted {
        lines.push(cx.words.fill("bundle.return", &values));
    }
    lines.join("\n")
}

/// A reason in the reader's language: the account's word, without what it cites.
fn why(cx: &Context, why: &str) -> String {
    let word = why.split(' ').next().unwrap_or_default();
    cx.words.find(&format!("why.{word}")).map_or_else(|| cx.words.detail(why), str::to_owned)
}
