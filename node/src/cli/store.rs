//! `accord store`: the journal is read through, or mended, while no daemon runs; it is compacted, running or not; and after a restore an officer
//! says what is missing.

use std::path::PathBuf;

use accord_keys::keyfile::KdfParams;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::progress::Bar;
use super::sending::{Ask, act_and_tell};
use super::{Context, ask};
use crate::api::store::report_json;
use crate::daemon::failures;
use crate::failure::{Failure, Kind};
use crate::keystore::KeyFolder;
use crate::store::{Damage, LostBatches, LostPart, Options, Progress, RepairReport, Stage, Store, StoreKey, VerifyReport};

/// How often a round that this process does itself is looked after, milliseconds.
const OFFLINE_STEP_MS: u64 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum StoreVerb {
    Verify {
        #[command(flatten)]
        opening: Opening,
    },
    Repair {
        #[command(flatten)]
        opening: Opening,
    },
    Compact {
        #[command(flatten)]
        opening: Opening,
    },
    Confirm {
        #[arg(long, value_name = "TEXT")]
        missing: String,
        #[arg(long, conflicts_with = "pair")]
        alone: bool,
        #[arg(long, value_name = "NAME")]
        pair: Option<String>,
    },
}

// What opens the node's keys.
#[derive(Debug, Args)]
pub(super) struct Opening {
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(super) fn run(verb: StoreVerb, cx: &Context) -> Result<(), Failure> {
    let (repairing, opening) = match verb {
        StoreVerb::Verify { opening } => (false, opening),
        StoreVerb::Repair { opening } => (true, opening),
        StoreVerb::Compact { opening } => return compact(&opening, cx),
        StoreVerb::Confirm { missing, alone, pair } => {
            let effect = if pair.is_some() { "store.confirm_pair_effect" } else { "store.confirm_effect" };
            cx.out.note(cx.words.say(effect));
            let body = json!({ "missing": missing, "alone": alone, "pair": pair });
            return act_and_tell(cx, "/v1/store/confirm", &body, Ask::Always, Some(cx.words.say("store.confirmed")));
        }
    };
    let data = cx.data()?;
    let dir = data.join("store");
    let folder = KeyFolder::open(&data, KdfParams::default())?;
    if repairing {
        cx.no_dry_run()?;
        cx.out.note(cx.words.say("store.repair_effect"));
        ask::confirm(cx)?;
    }
    let passphrase = ask::passphrase(cx, opening.passphrase_file.as_deref(), cx.words.say("prompt.node_passphrase"))?;
    let key = StoreKey::new(folder.read_node(&passphrase)?.store);
    let mut bar = Bar::new(cx, if repairing { cx.words.say("store.repairing") } else { cx.words.say("store.verifying") });
    let mut progress = |progress: Progress| bar.to(progress);
    if repairing {
        let report = Store::repair(&dir, &key, &mut progress).map_err(|error| failures::store(&dir, error))?;
        bar.end();
        cx.out.result(&repaired_json(&report), &repaired(&report, cx));
        return Ok(());
    }
    let report = Store::verify(&dir, &key, &mut progress).map_err(|error| failures::store(&dir, error))?;
    bar.end();
    cx.out.result(&verified_json(&report), &verified(&report, cx));
    match report.damage.len() {
        0 => Ok(()),
        count => Err(Failure::refused("store_damaged").with("count", count)),
    }
}

/// Asks the daemon for a round; without one opens the store and does it here.
fn compact(opening: &Opening, cx: &Context) -> Result<(), Failure> {
    let dry = cx.globals.dry_run;
    let mut bar = Bar::new(cx, cx.words.say(if dry { "store.compact_looking" } else { "store.compacting" }));
    let mut waiting = false;
    let mut show = |done: u64, total: u64, waits: bool| {
        if waits && !std::mem::replace(&mut waiting, waits) {
            cx.out.note(cx.words.say("store.compact_waiting"));
        }
        bar.to(Progress { stage: Stage::Compact, done, total, items: 0 });
    };
    let path = if dry { "/v1/store/compact?dry_run=true" } else { "/v1/store/compact" };
    let (mut held, mut report) = (Vec::new(), None);
    let asked = cx.client()?.fetch(path, |bytes| {
        held.extend_from_slice(bytes);
        while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            let line: Value =
                serde_json::from_slice(&line).map_err(|error| Failure::fault("daemon_answer").with("path", path).because(error))?;
            let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(0);
            match line.get("end") {
                Some(end) => report = Some(end.clone()),
                None => show(number("done"), number("total"), line.get("waiting").and_then(Value::as_bool).unwrap_or(false)),
            }
        }
        Ok(())
    });
    let report = match asked {
        // Nobody answers: the store is there to be opened, or says that somebody else has it.
        Err(failure) if failure.kind == Kind::Unreachable && failure.code == "daemon_not_running" => {
            let data = cx.data()?;
            let dir = data.join("store");
            let folder = KeyFolder::open(&data, KdfParams::default())?;
            let passphrase = ask::passphrase(cx, opening.passphrase_file.as_deref(), cx.words.say("prompt.node_passphrase"))?;
            let key = StoreKey::new(folder.read_node(&passphrase)?.store);
            let failed = |error| failures::store(&dir, error);
            let options = Options { compact_pause_ms: 0, ..Options::default() };
            let (mut store, _) = Store::open_with(&dir, &key, &options, &mut |_| {}).map_err(failed)?;
            store.compact_begin(dry).map_err(failed)?;
            let report = loop {
                let progress = store.compact_step().map_err(failed)?;
                if progress.ended {
                    break progress.report;
                }
                show(progress.done, progress.total, progress.waiting);
                std::thread::sleep(std::time::Duration::from_millis(OFFLINE_STEP_MS));
            };
            store.close().map_err(failed)?;
            report_json(&report)
        }
        other => other.and_then(|()| report.ok_or_else(|| Failure::unreachable("stopping")))?,
    };
    bar.end();
    let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let damage = report.get("damage").and_then(Value::as_array).cloned().unwrap_or_default();
    let (before, after) = (number("bytes_before"), number("bytes_after"));
    let said = match (number("rewritten"), dry) {
        (0, _) => "store.compact_nothing",
        (_, true) => "store.compact_foreseen",
        (_, false) => "store.compacted",
    };
    let told = cx.words.fill(
        said,
        &[
            ("files", &number("files")),
            ("rewritten", &number("rewritten")),
            ("records", &number("records")),
            ("before", &before),
            ("after", &after),
            ("freed", &before.saturating_sub(after)),
        ],
    );
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let place = |value: &Value| value.get("offset").and_then(Value::as_u64).unwrap_or(0);
    let named = damage.iter().map(|found| {
        cx.words.fill(
            "store.damaged",
            &[("file", &text(found, "file")), ("offset", &place(found)), ("what", &cx.words.detail(&text(found, "what")))],
        )
    });
    let lines: Vec<String> = std::iter::once(told).chain(named).collect();
    cx.out.result(&report, &lines.join("\n"));
    if !damage.is_empty() {
        return Err(Failure::refused("store_damaged").with("count", damage.len()));
    }
    match number("bytes_missing") {
        0 => Ok(()),
        needed => Err(Failure::refused("compact_no_room").with("needed", needed)),
    }
}

fn verified(report: &VerifyReport, cx: &Context) -> String {
    let mut lines = Vec::new();
    if report.damage.is_empty() {
        lines.push(cx.words.fill("store.verified", &[("batches", &report.batches), ("bytes", &report.bytes), ("items", &report.items)]));
    }
    if report.torn_tail_bytes > 0 {
        lines.push(cx.words.fill("store.torn_tail", &[("bytes", &report.torn_tail_bytes)]));
    }
    lines.extend(report.damage.iter().map(|damage| damaged(damage, cx)));
    lines.join("\n")
}

fn repaired(report: &RepairReport, cx: &Context) -> String {
    let mut lines: Vec<String> = report.damage.iter().map(|damage| damaged(damage, cx)).collect();
    let lost = |lost: &LostBatches| cx.words.fill("store.lost_batches", &[("first", &lost.first), ("last", &lost.last)]);
    lines.extend(report.lost_batches.iter().map(lost));
    if !report.lost_parts.is_empty() {
        lines.push(cx.words.fill("store.lost_parts", &[("count", &report.lost_parts.len())]));
    }
    for file in &report.set_aside {
        lines.push(cx.words.fill("store.set_aside", &[("file", file)]));
    }
    lines.push(cx.words.fill("store.repaired", &[("batches", &report.open.batches)]));
    lines.join("\n")
}

fn damaged(damage: &Damage, cx: &Context) -> String {
    cx.words.fill("store.damaged", &[("file", &damage.file), ("offset", &damage.offset), ("what", &cx.words.detail(&damage.what))])
}

fn damage_json(damage: &[Damage]) -> Vec<Value> {
    damage.iter().map(|found| json!({ "file": found.file, "offset": found.offset, "what": found.what })).collect()
}

fn verified_json(report: &VerifyReport) -> Value {
    json!({
        "batches": report.batches,
        "items": report.items,
        "purged": report.purged,
        "reduced": report.reduced,
        "bytes": report.bytes,
        "torn_tail_bytes": report.torn_tail_bytes,
        "damage": damage_json(&report.damage),
    })
}

fn repaired_json(report: &RepairReport) -> Value {
    let batches: Vec<Value> = report.lost_batches.iter().map(|lost| json!({ "first": lost.first, "last": lost.last })).collect();
    let parts: Vec<Value> = report.lost_parts.iter().map(part_json).collect();
    json!({
        "damage": damage_json(&report.damage),
        "lost_batches": batches,
        "lost_parts": parts,
        "set_aside": report.set_aside,
        "batches": report.open.batches,
    })
}

fn part_json(part: &LostPart) -> Value {
    match part {
        LostPart::Items { document, first, last } => json!({ "document": document.to_string(), "sequence": first, "last": last }),
        LostPart::Value { table, .. } => json!({ "table": format!("{table:?}").to_lowercase() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use accord_keys::id::{BureauId, CertificateId, NetworkId};
    use accord_protocol::step::{Table, Write};

    use super::*;
    use crate::cli::{Globals, Output};
    use crate::keystore::NodeKeys;
    use crate::words::{Lang, Words};

    /// A data folder with a key file and a store of a few batches.
    fn data() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let keys = NodeKeys {
            version: 1,
            network: NetworkId::named("test"),
            bureau: BureauId([7; 32]),
            certificate: CertificateId([8; 32]),
            signing: [1; 32],
            transport: [2; 32],
            hpke: [3; 32],
            store: [4; 32],
            cursor: [5; 32],
        };
        let folder = KeyFolder::create(dir.path(), KdfParams::WEAKEST).expect("a new folder");
        folder.write_node(&keys, "correct horse").expect("a writable folder");
        let mut store = Store::create(&dir.path().join("store"), &StoreKey::new([4; 32])).expect("a new store");
        for batch in 0..8_u8 {
            let put = Write::Put { table: Table::Local, key: vec![batch], value: Some(vec![batch; 2_000]) };
            store.commit(&[put]).expect("room for a few batches");
        }
        store.close().expect("a clean stop");
        let pass = dir.path().join("pass");
        std::fs::write(&pass, "correct horse\n").expect("written");
        std::fs::set_permissions(&pass, PermissionsExt::from_mode(0o600)).expect("ours");
        (dir, pass)
    }

    fn check(data: &std::path::Path, pass: &std::path::Path, repair: bool, expect: &str) {
        let words = Words::of(Lang::En);
        let globals = Globals { data: Some(data.to_path_buf()), yes: true, json: true, ..Globals::default() };
        let cx = Context { globals, words, out: Output::of_process(words, true, true) };
        let opening = Opening { passphrase_file: Some(pass.to_path_buf()) };
        let verb = if repair { StoreVerb::Repair { opening } } else { StoreVerb::Verify { opening } };
        assert_eq!(run(verb, &cx).map_or_else(|failure| failure.code, |()| "ok".to_owned()), expect);
    }

    #[test]
    fn a_whole_store_verifies_a_garbled_one_does_not_and_repair_mends_it() {
        let (dir, pass) = data();
        check(dir.path(), &pass, false, "ok");
        let journal = std::fs::read_dir(dir.path().join("store/journal")).expect("journal files");
        let file = journal.map(|entry| entry.expect("readable").path()).min().expect("one file at least");
        let mut bytes = std::fs::read(&file).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        std::fs::write(&file, bytes).expect("written");
        check(dir.path(), &pass, false, "store_damaged");
        check(dir.path(), &pass, true, "ok");
        check(dir.path(), &pass, false, "ok");
    }

    #[test]
    fn a_stopped_store_is_compacted_here_and_without_its_passphrase_it_is_not() {
        let (dir, pass) = data();
        let compacts = |dry_run: bool| {
            let words = Words::of(Lang::En);
            let globals = Globals { data: Some(dir.path().to_path_buf()), dry_run, json: true, ..Globals::default() };
            let cx = Context { globals, words, out: Output::of_process(words, true, true) };
            let opening = Opening { passphrase_file: Some(pass.clone()) };
            run(StoreVerb::Compact { opening }, &cx).map_or_else(|failure| failure.code, |()| "ok".to_owned())
        };
        // Over several files, each value written anew.
        let open = || {
            let options = Options { file_bytes: 8 << 10, compact_percent: 0, ..Options::default() };
            Store::open_with(&dir.path().join("store"), &StoreKey::new([4; 32]), &options, &mut |_| {}).expect("opens").0
        };
        let mut store = open();
        for batch in 0..60_u8 {
            let put = Write::Put { table: Table::Local, key: vec![batch % 8], value: Some(vec![batch; 2_000]) };
            store.commit(&[put]).expect("room for a few batches");
        }
        let before = store.size().journal;
        store.close().expect("a clean stop");
        assert_eq!(compacts(true), "ok");
        let store = open();
        assert_eq!(store.size().journal, before, "only looked at");
        store.close().expect("a clean stop");
        assert_eq!(compacts(false), "ok");
        let store = open();
        assert!(store.size().journal < before / 2, "{} of {before}", store.size().journal);
        assert_eq!(store.get(Table::Local, &[3]).expect("reads"), Some(vec![59; 2_000]));
        store.close().expect("a clean stop");
        check(dir.path(), &pass, false, "ok");
        std::fs::write(&pass, "wrong horse!\n").expect("written");
        assert_eq!(compacts(false), "wrong_passphrase");
    }

    #[test]
    fn a_wrong_passphrase_or_an_empty_folder_is_told_before_anything_is_touched() {
        let (dir, pass) = data();
        std::fs::write(&pass, "wrong horse!\n").expect("written");
        check(dir.path(), &pass, false, "wrong_passphrase");
        let empty = tempfile::tempdir().expect("a temporary folder");
        check(empty.path(), &pass, false, "not_initialised");
        check(empty.path(), &pass, true, "not_initialised");
    }
}
