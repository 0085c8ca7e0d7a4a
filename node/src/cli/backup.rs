//! `accord backup`: one file that a node can be made of again; checking it, and making the node of it.

use std::path::{Path, PathBuf};

use accord_keys::keyfile::{KdfParams, RecoveryKey};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::init::new_file;
use super::progress::Bar;
use super::{Context, ask, render};
use crate::config::Config;
use crate::daemon::failures;
use crate::daemon::restore::{self, Examined, Inside, Opener};
use crate::failure::{Failure, Kind};
use crate::keystore::backup_keys::DAY_S;
use crate::keystore::{KeyFolder, random};
use crate::store::backup::{Header, Landing};
use crate::store::{Progress, Stage};

#[derive(Debug, Subcommand)]
pub(super) enum BackupVerb {
    Create {
        file: PathBuf,
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    Verify {
        file: PathBuf,
        #[command(flatten)]
        by: By,
    },
    Restore {
        file: PathBuf,
        #[command(flatten)]
        by: By,
    },
}

// What opens a backup.
#[derive(Debug, Args)]
pub(super) struct By {
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "passphrase_file"])]
    recovery_key_file: Option<PathBuf>,
    #[arg(long, conflicts_with_all = ["recovery_key_file", "keys", "passphrase_file"])]
    recovery_key: bool,
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl By {
    /// What was named; `None` if nothing was. Without `--keys` a passphrase is that of the data folder's own keys.
    fn opener(&self, cx: &Context) -> Result<Option<Opener>, Failure> {
        if self.recovery_key || self.recovery_key_file.is_some() {
            return recovery_key(cx, self.recovery_key_file.as_deref()).map(|paper| Some(Opener::Paper(paper)));
        }
        if self.keys.is_none() && self.passphrase_file.is_none() {
            return Ok(None);
        }
        let folder = match &self.keys {
            Some(folder) => folder.clone(),
            None => cx.data()?.join("keys"),
        };
        let passphrase = ask::passphrase(cx, self.passphrase_file.as_deref(), cx.words.say("prompt.node_passphrase"))?;
        Ok(Some(Opener::Keys { folder, passphrase }))
    }
}

/// The key on paper, from a file only its owner reads, or typed.
fn recovery_key(cx: &Context, file: Option<&Path>) -> Result<RecoveryKey, Failure> {
    let typed = ask::passphrase(cx, file, cx.words.say("prompt.recovery_key"))?;
    RecoveryKey::from_groups(&typed).map_err(|error| Failure::misuse("bad_recovery_key").because(error))
}

pub(super) fn run(verb: BackupVerb, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    match verb {
        BackupVerb::Create { file, passphrase_file } => create(cx, &file, passphrase_file.as_deref()),
        BackupVerb::Verify { file, by } => verify(cx, &file, &by),
        BackupVerb::Restore { file, by } => restored(cx, &file, &by),
    }
}

fn create(cx: &Context, file: &Path, passphrase_file: Option<&Path>) -> Result<(), Failure> {
    let path = new_file(file)?;
    let failed = |error| failures::backup(&path, error);
    let mut landing = Landing::begin(&path, &random()?).map_err(failed)?;
    let mut bar = Bar::new(cx, cx.words.say("backup.creating"));
    let mut show = |landing: &Landing| {
        let (done, total) = landing.progress();
        bar.to(Progress { stage: Stage::Backup, done, total, items: 0 });
    };
    let fetched = cx.client()?.fetch("/v1/backup", |bytes| {
        landing.take(bytes).map_err(failed)?;
        show(&landing);
        Ok(())
    });
    match fetched {
        // Nobody answers: the store is there to be opened, or says that somebody else has it.
        Err(failure) if failure.kind == Kind::Unreachable && failure.code == "daemon_not_running" => {
            let data = cx.data()?;
            let keys = KeyFolder::open(&data, KdfParams::default())?;
            let passphrase = ask::passphrase(cx, passphrase_file, cx.words.say("prompt.node_passphrase"))?;
            let (store, maker) = restore::stopped(&data, &keys, &passphrase, &mut |_| {})?;
            let snapshot = store.snapshot().map_err(|error| failures::store(&data.join("store"), error))?;
            let written = maker.write(&snapshot, &mut |bytes| {
                landing.take(bytes)?;
                show(&landing);
                Ok(())
            });
            store.close().map_err(|error| failures::store(&data.join("store"), error))?;
            written.map_err(failed)?;
        }
        other => other?,
    }
    let outline = landing.finish().map_err(failed)?;
    bar.end();
    let header = outline.header;
    // A configuration that cannot be read is told elsewhere; the date is only told.
    let keep = Config::load(&cx.data()?).unwrap_or_default().backup_keep_days;
    let until = (u64::from(header.day) + keep + 1) * DAY_S;
    let mut value = header_json(&path, &header);
    value["keys_until"] = json!(until);
    let told = cx.words.fill(
        "backup.created",
        &[
            ("file", &path.display()),
            ("bytes", &header.total),
            ("batches", &header.batches),
            ("printed", &day(header.recovery_day)),
            ("until", &render::time(until)),
        ],
    );
    cx.out.result(&value, &told);
    Ok(())
}

fn verify(cx: &Context, file: &Path, by: &By) -> Result<(), Failure> {
    let opener = by.opener(cx)?;
    let mut bar = Bar::new(cx, cx.words.say("backup.verifying"));
    let Examined { header, journal_bytes, opened } = restore::verify(file, opener.as_ref(), &mut |progress| bar.to(progress))?;
    bar.end();
    let mut value = header_json(file, &header);
    value["journal_bytes"] = json!(journal_bytes);
    let mut lines = vec![cx.words.fill(
        "backup.whole",
        &[
            ("made", &render::time(header.made)),
            ("bytes", &header.total),
            ("batches", &header.batches),
            ("printed", &day(header.recovery_day)),
        ],
    )];
    let mut damage = 0;
    match &opened {
        None => lines.push(cx.words.say("backup.not_opened").to_owned()),
        Some(inside) => {
            value["opened"] = json!(true);
            inside_json(&mut value, inside);
            lines.push(inside_words(cx, inside));
            damage = inside.report.damage.len();
        }
    }
    cx.out.result(&value, &lines.join("\n"));
    match damage {
        0 => Ok(()),
        count => Err(Failure::refused("backup_of_damage").with("count", count).with("path", file.display())),
    }
}

fn restored(cx: &Context, file: &Path, by: &By) -> Result<(), Failure> {
    let data = cx.data()?;
    let opener = match by.opener(cx)? {
        Some(opener) => opener,
        None => Opener::Paper(recovery_key(cx, None)?),
    };
    let mut bar = Bar::new(cx, cx.words.say("backup.restoring"));
    let inside = restore::restore(file, &data, &opener, &mut |progress| bar.to(progress))?;
    bar.end();
    let mut value = json!({ "data": data.display().to_string(), "state": "catching_up" });
    inside_json(&mut value, &inside);
    let lines = [
        cx.words.fill("backup.restored", &[("path", &data.display())]),
        inside_words(cx, &inside),
        cx.words.fill("backup.next", &[("path", &data.display())]),
    ];
    cx.out.result(&value, &lines.join("\n"));
    Ok(())
}

fn day(number: u32) -> String {
    render::time(u64::from(number) * DAY_S).chars().take(10).collect()
}

fn header_json(file: &Path, header: &Header) -> Value {
    json!({
        "file": file.display().to_string(),
        "made": header.made,
        "bytes": header.total,
        "batches": header.batches,
        "recovery_key_of": u64::from(header.recovery_day) * DAY_S,
        "key_day": u64::from(header.day) * DAY_S,
        "opened": false,
    })
}

fn inside_json(value: &mut Value, inside: &Inside) {
    let head: String = inside.head.iter().map(|byte| format!("{byte:02x}")).collect();
    value["documents"] = json!(inside.documents);
    value["items"] = json!(inside.report.items);
    value["sequence"] = json!(inside.sequence);
    value["head"] = json!(head);
    let damage = inside.report.damage.iter().map(|found| json!({ "file": found.file, "offset": found.offset, "what": found.what }));
    value["damage"] = damage.collect();
}

fn inside_words(cx: &Context, inside: &Inside) -> String {
    cx.words
        .fill("backup.inside", &[("documents", &inside.documents), ("items", &inside.report.items), ("batches", &inside.report.batches)])
}
