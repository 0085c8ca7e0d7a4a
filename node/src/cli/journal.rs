//! `accord journal`: the account of this node, for auditors.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use accord_keys::keyfile::KdfParams;
use accord_protocol::bureau::AccountLine;
use accord_protocol::view::CountersignedView;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::moment;
use super::{Context, ask, render};
use crate::client::escape;
use crate::daemon::failures;
use crate::failure::Failure;
use crate::journal_lines::{self, Filter, Line, Names, row};
use crate::keystore::KeyFolder;
use crate::store::{Store, StoreKey};

#[derive(Debug, Subcommand)]
pub(super) enum JournalVerb {
    Export(Box<Export>),
    Anchor,
}

// Filters and the way out.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[arg(long, value_name = "DOC")]
    document: Option<String>,
    #[arg(long)]
    person: Option<String>,
    #[arg(long)]
    partner: Option<String>,
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long, value_name = "KIND,KIND")]
    kind: Option<String>,
    #[arg(long, default_value = "csv", value_parser = ["csv", "json"], hide_possible_values = true, hide_default_value = true)]
    format: String,
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long)]
    offline: bool,
    #[arg(long, value_name = "FILE", requires = "offline")]
    passphrase_file: Option<PathBuf>,
}

pub(super) fn run(verb: JournalVerb, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    match verb {
        JournalVerb::Export(export) => run_export(&export, cx),
        JournalVerb::Anchor => anchor(cx),
    }
}

/// Where lines go: a file of its own, or standard output.
struct Sheet<'a> {
    out: Box<dyn Write>,
    csv: bool,
    count: u64,
    cx: &'a Context,
    failed: Option<std::io::Error>,
}

impl<'a> Sheet<'a> {
    fn open(export: &Export, cx: &'a Context) -> Result<Self, Failure> {
        let out: Box<dyn Write> = match &export.out {
            None => Box::new(BufWriter::new(std::io::stdout())),
            Some(path) => Box::new(BufWriter::new(create(path)?)),
        };
        let mut sheet = Self { out, csv: export.format == "csv" && !cx.out.json(), count: 0, cx, failed: None };
        if sheet.csv {
            // WPS and Excel take a file without this mark for another encoding.
            sheet.write("\u{feff}");
            let head = ["batch", "time", "kind", "what", "document", "number", "partner", "name", "certificate", "person", "detail"];
            sheet.write(&row(head.map(|column| cx.words.find(&format!("journal_column.{column}")).unwrap_or(column))));
        }
        Ok(sheet)
    }

    fn line(&mut self, line: &Line) {
        self.count += 1;
        let text = if self.csv {
            let (batch, time, what) = (line.batch.to_string(), render::time_exact(line.at), self.cx.words.term("account", &line.kind));
            row([
                batch.as_str(),
                &time,
                &line.kind,
                &what,
                &line.document,
                &line.number,
                &line.partner,
                &line.partner_name,
                &line.certificate,
                &line.person,
                &line.detail,
            ])
        } else {
            format!("{}\n", json!(line))
        };
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).err();
        }
    }

    fn end(mut self, export: &Export) -> Result<(), Failure> {
        let name = export.out.as_ref().map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
        let flushed = self.failed.take().map_or_else(|| self.out.flush(), Err);
        flushed.map_err(|error| Failure::misuse("file_not_written").with("path", &name).because(error))?;
        if export.out.is_some() {
            self.cx.out.note(&self.cx.words.fill("journal.exported", &[("count", &self.count), ("file", &name)]));
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    let name = path.display().to_string();
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::misuse("file_exists").with("path", &name),
        _ => Failure::misuse("file_not_written").with("path", &name).because(error),
    })
}

fn run_export(export: &Export, cx: &Context) -> Result<(), Failure> {
    let since = export.since.as_deref().map(|text| moment(text, false)).transpose()?;
    let until = export.until.as_deref().map(|text| moment(text, true)).transpose()?;
    if export.offline {
        return offline(export, since, until, cx);
    }
    let mut path = "/v1/journal".to_owned();
    let numbers = [("since", since), ("until", until)].map(|(name, at)| (name, at.map(|at| at.to_string())));
    let texts = [("document", &export.document), ("partner", &export.partner), ("person", &export.person), ("kind", &export.kind)];
    for (name, value) in texts.map(|(name, value)| (name, value.clone())).into_iter().chain(numbers) {
        if let Some(value) = value {
            path.push(if path.contains('?') { '&' } else { '?' });
            path += &format!("{name}={}", escape(&value));
        }
    }
    let client = cx.client()?;
    let mut sheet: Option<Sheet<'_>> = None;
    let mut failed = None;
    let mut whole = false;
    let mut bar = super::progress::Bar::new(cx, cx.words.say("journal.reading"));
    client.lines(&path, |text| {
        if failed.is_some() {
            return;
        }
        // Nothing is made before the daemon said yes.
        let sheet = match &mut sheet {
            Some(sheet) => sheet,
            None => match Sheet::open(export, cx) {
                Ok(opened) => sheet.insert(opened),
                Err(failure) => {
                    failed = Some(failure);
                    return;
                }
            },
        };
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value.get("total").is_some() => bar.at(number(&value, "done"), number(&value, "total")),
            Ok(value) if value.get("end").is_some() => whole = number(&value, "end") == sheet.count,
            Ok(value) => match Line::deserialize(value) {
                Ok(line) => sheet.line(&line),
                Err(error) => failed = Some(Failure::fault("daemon_answer").with("path", "/v1/journal").because(error)),
            },
            Err(error) => failed = Some(Failure::fault("daemon_answer").with("path", "/v1/journal").because(error)),
        }
    })?;
    bar.end();
    if let Some(failure) = failed {
        return Err(failure);
    }
    match sheet {
        Some(sheet) if whole => sheet.end(export),
        _ => Err(Failure::fault("journal_not_whole")),
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// Reads the store itself, with the node's passphrase, while no daemon runs. Names are not known then: filters take ids.
fn offline(export: &Export, since: Option<u64>, until: Option<u64>, cx: &Context) -> Result<(), Failure> {
    // Before a passphrase is asked for.
    let kinds = export.kind.as_deref().map(journal_lines::kinds).transpose()?.unwrap_or_default();
    let data = cx.data()?;
    let dir = data.join("store");
    let folder = KeyFolder::open(&data, KdfParams::default())?;
    let passphrase = ask::passphrase(cx, export.passphrase_file.as_deref(), cx.words.say("prompt.node_passphrase"))?;
    let key = StoreKey::new(folder.read_node(&passphrase)?.store);
    let mut bar = super::progress::Bar::new(cx, cx.words.say("journal.reading"));
    let (store, _) =
        Store::open(&dir, &key, &mut |progress| bar.at(progress.done, progress.total)).map_err(|error| failures::store(&dir, error))?;
    let filter = Filter {
        document: export.document.clone().unwrap_or_default(),
        partner: export.partner.clone().unwrap_or_default(),
        certificates: export.person.iter().cloned().collect(),
        kinds,
        since: since.unwrap_or(0),
        until: until.unwrap_or(0),
    };
    let mut sheet = Sheet::open(export, cx)?;
    let names = Names::default();
    let account = store.account().map_err(|error| failures::store(&dir, error))?;
    let total = account.batches();
    let walked = account.read(&mut |batch, bytes| {
        bar.at(batch, total);
        if let Some(line) = bytes.and_then(AccountLine::from_bytes).filter(|line| filter.wants(line)) {
            sheet.line(&names.line(batch, line));
        }
        true
    });
    bar.end();
    walked.and_then(|()| store.close()).map_err(|error| failures::store(&dir, error))?;
    sheet.end(export)
}

/// The head of the journal as a page to print and sign.
fn anchor(cx: &Context) -> Result<(), Failure> {
    let head: Value = cx.client()?.get("/v1/journal/head")?;
    let text = |name: &str| head.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let digest = text("head");
    let groups: Vec<&str> = (0..digest.len()).step_by(8).filter_map(|at| digest.get(at..at + 8)).collect();
    let sealed: Vec<CountersignedView> = head.get("countersigned").and_then(|list| Vec::deserialize(list).ok()).unwrap_or_default();
    let seals = if sealed.is_empty() {
        cx.words.say("journal.no_countersignature").to_owned()
    } else {
        let line = |one: &CountersignedView| {
            let at = render::time_exact(one.at);
            cx.words.fill(
                "journal.countersigned",
                &[("name", &one.name), ("day", &one.day), ("journal", &one.journal), ("time", &at), ("id", &one.countersign)],
            )
        };
        sealed.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let page = cx.words.fill(
        "journal.anchor",
        &[
            ("name", &text("name")),
            ("bureau", &text("bureau")),
            ("time", &render::time_exact(number(&head, "at"))),
            ("batches", &number(&head, "batches")),
            ("seals", &seals),
            ("head", &groups.chunks(4).map(|row| row.join(" ")).collect::<Vec<_>>().join("\n    ")),
        ],
    );
    cx.out.result(&head, &page);
    Ok(())
}
