//! What happens to a disk: a torn end, a garbled middle, an index that is gone or lies, no room.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::harness::*;

/// The last journal file of a bureau that is stopped.
fn journal(bureau: &Bureau) -> PathBuf {
    let files = std::fs::read_dir(bureau.data.join("store/journal")).expect("a journal");
    files.map(|entry| entry.expect("readable").path()).max().expect("one file at least")
}

/// A bureau with some drafts; what it shows of each.
fn filled(dir: &Path) -> (Bureau, Vec<(String, Value)>) {
    let bureau = Bureau::open(dir, "甲县公安局");
    let drafts: Vec<String> = (0..6)
        .map(|n| {
            let made = bureau.json(&["bulletin", "new", "--text", &format!("第{n}份\n\n内容{n}。"), "--category", "CRIM.SERIES"]);
            made["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let shown = drafts.into_iter().map(|id| (id.clone(), bureau.document(&id).expect("just made"))).collect();
    (bureau, shown)
}

fn all_there(bureau: &Bureau, shown: &[(String, Value)]) {
    for (id, before) in shown {
        let now = bureau.document(id).unwrap_or_else(|| panic!("{id} is gone"));
        assert_eq!((&now["content_hash"], &now["heads"]), (&before["content_hash"], &before["heads"]));
    }
}

fn store_verb(bureau: &Bureau, verb: &str) -> Ran {
    let pass = bureau.pass("node");
    bureau.cli(&["--json", "--yes", "store", verb, "--passphrase-file", pass.to_str().expect("plain path")])
}

#[test]
fn the_store_is_compacted_by_the_node_that_runs_and_by_hand_when_none_does() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, shown) = filled(dir.path());
    let compacted = |a: &Bureau, dry_run: bool| {
        let pass = a.pass("node");
        let mut line = vec!["--json", "store", "compact", "--passphrase-file", pass.to_str().expect("plain path")];
        line.extend(dry_run.then_some("--dry-run"));
        let ran = a.cli(&line);
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str::<Value>(ran.out.trim()).expect("one object")
    };
    // A journal of one file, which is the last: there is nothing to rewrite, and both ways say so alike.
    let running = compacted(&a, false);
    assert_eq!(
        (&running["files"], &running["rewritten"], &running["damage"]),
        (&Value::from(0), &Value::from(0), &Value::from(Vec::<Value>::new()))
    );
    assert_eq!(compacted(&a, true)["dry_run"], true);
    a.kill();
    assert_eq!(compacted(&a, false), running);
    a.start();
    all_there(&a, &shown);
}

/// Names and lengths of a bureau's journal files.
fn journal_files(bureau: &Bureau) -> Vec<(String, u64)> {
    let files = std::fs::read_dir(bureau.data.join("store/journal")).expect("a journal");
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        // One that is renamed meanwhile is there under its other name.
        Some((entry.file_name().into_string().expect("plain"), entry.metadata().ok()?.len()))
    };
    files.filter_map(file).collect()
}

#[test]
fn the_room_of_what_was_erased_comes_back_while_the_node_serves_though_it_was_killed_at_it() {
    const LEN: usize = 31_000_000;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut shown) = filled(dir.path());
    // So much that a journal file is closed, and about half of it is erased.
    let (holder, _) = shown.remove(0);
    let names = ["一.bin", "二.bin", "三.bin"];
    for name in names {
        let path = a.file(name);
        let mut bytes = vec![0; LEN];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        std::fs::write(&path, bytes).expect("written");
        a.json(&["file", "add", &holder, path.to_str().expect("plain path")]);
    }
    // A node looks for dead files by itself when it starts, when nothing is dead yet, and as its journal grows.
    a.stop();
    a.start();
    a.login();
    for name in &names[1..] {
        a.json(&["access", "erase", &holder, name, "--yes"]);
    }
    let is_next = |(name, _): &(String, u64)| name.ends_with(".next");
    let lengths = |a: &Bureau| journal_files(a).into_iter().filter(|file| !is_next(file)).map(|(_, len)| len).collect::<Vec<_>>();
    let before = lengths(&a).iter().sum::<u64>();
    assert!(before > 3 * LEN as u64 && lengths(&a).len() == 2, "{:?}", journal_files(&a));
    let compact = |a: &Bureau, more: &[&str]| {
        let pass = a.pass("node");
        let line = ["--json", "store", "compact", "--passphrase-file", pass.to_str().expect("plain path")];
        a.command(&[&line, more].concat())
    };
    let foreseen = ran(compact(&a, &["--dry-run"])).json();
    assert_eq!((&foreseen["files"], &foreseen["dry_run"]), (&1.into(), &true.into()), "{foreseen}");

    // Killed while the successor of the file is being written: that is taken away, and everything is there.
    let asked = compact(&a, &[]);
    let asking = std::thread::spawn(move || ran(asked));
    until("a file is being rewritten", || journal_files(&a).iter().any(is_next).then_some(()));
    a.kill();
    assert_ne!(asking.join().expect("no panic").code, 0, "nobody says that it was done");
    a.start();
    assert!(!journal_files(&a).iter().any(is_next));
    all_there(&a, &shown);

    // Not killed: drafts are made all the while.
    a.login();
    let asked = compact(&a, &[]);
    let asking = std::thread::spawn(move || ran(asked));
    let (mut made, mut beside) = (0, 0);
    while !asking.is_finished() {
        let rewriting = journal_files(&a).iter().any(is_next);
        let draft = a.json(&["bulletin", "new", "--text", &format!("其间第{made}份"), "--category", "CRIM.SERIES"]);
        let id = draft["id"].as_str().expect("an id").to_owned();
        shown.push((id.clone(), a.document(&id).expect("just made")));
        made += 1;
        beside += u32::from(rewriting && journal_files(&a).iter().any(is_next));
    }
    let done = asking.join().expect("no panic");
    // A node that starts looks for dead files by itself too: whichever came first has rewritten it.
    assert_eq!(done.code, 0, "{done:?}");
    let asked_for = done.json()["rewritten"] == 1;
    assert!(made > 0 && (beside > 0 || !asked_for), "it served while it rewrote: {made}, {beside}");
    let after = lengths(&a).iter().sum::<u64>();
    assert!(after < before - 30_000_000, "{before} bytes before, {after} after");
    all_there(&a, &shown);
    // What was rewritten is what a start finds, with an index and without.
    for index in [true, false] {
        a.kill();
        if !index {
            std::fs::remove_dir_all(a.data.join("store/index")).expect("there");
        }
        a.start();
        all_there(&a, &shown);
    }
    a.stop();
    assert_eq!(store_verb(&a, "verify").code, 0);
}

#[test]
fn a_torn_end_of_the_journal_is_cut_and_what_was_acknowledged_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, shown) = filled(dir.path());
    a.kill();
    let file = journal(&a);
    // The last file of a node that was killed ends in room for the batches to come. A batch may end in zeros of its own, 16 at most.
    let zeros = |bytes: &[u8]| bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let written = || {
        let mut bytes = std::fs::read(&file).expect("readable");
        let room = zeros(&bytes);
        bytes.truncate(bytes.len() - room.saturating_sub(16));
        (bytes, room)
    };
    let (_, room) = written();
    assert!(room > 100_000, "{room}");

    // Half a batch after the last, with and without such room: what a power cut leaves of a write nobody was told about.
    for room in [room, 0] {
        let (whole, _) = written();
        let mut torn = whole.clone();
        torn.extend_from_slice(&whole[whole.len() - 200..whole.len() - 60]);
        torn.resize(torn.len() + room, 0);
        std::fs::write(&file, &torn).expect("written");
        a.start();
        all_there(&a, &shown);
        a.kill();
        assert!(written().0.starts_with(&whole[..whole.len() - zeros(&whole)]), "what was acknowledged is as it was");
    }

    // Noise after the last batch.
    let (mut noisy, _) = written();
    let len = noisy.len();
    noisy.extend((0..300_u16).map(|n| (n * 37 % 251 + 1) as u8));
    std::fs::write(&file, &noisy).expect("written");
    a.start();
    all_there(&a, &shown);
    a.login();
    a.json(&["bulletin", "new", "--text", "之后的一份", "--category", "CRIM.SERIES"]);
    a.stop();
    let (now, room) = written();
    assert!(now.len() > len && room <= 16, "a clean stop gives the room back: {} bytes, {room} of them zeros", now.len());
    assert_eq!(store_verb(&a, "verify").code, 0);
}

#[test]
fn a_daemon_bounds_what_the_allocator_keeps_unless_somebody_chose_for_themselves() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::open(dir.path(), "甲县公安局");
    let set = |a: &Bureau| {
        let environment = std::fs::read(format!("/proc/{}/environ", a.pid())).expect("our child");
        let lines = String::from_utf8_lossy(&environment).into_owned();
        lines.split('\0').filter(|line| line.starts_with("MALLOC_")).map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let those = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(set(&a), those(&["MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=1048576", "MALLOC_TRIM_THRESHOLD_=4194304"]));
    a.stop();
    a.wrapper = ["env", "MALLOC_ARENA_MAX=5"].map(str::to_owned).to_vec();
    a.start();
    assert_eq!(set(&a), those(&["MALLOC_ARENA_MAX=5"]));
}

#[test]
fn an_acknowledged_batch_cut_off_or_garbled_is_told_and_never_passed_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, shown) = filled(dir.path());
    a.stop();
    let file = journal(&a);
    let whole = std::fs::read(&file).expect("readable");

    // A record in the middle.
    let mut garbled = whole.clone();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 0x20;
    std::fs::write(&file, &garbled).expect("written");
    // The index vouches for nothing the journal does not hold.
    let _ = std::fs::remove_file(a.data.join("store/clean"));
    let _ = std::fs::remove_dir_all(a.data.join("store/index"));
    let problem = a.start_refused(4, "journal_damaged");
    assert!(problem["params"]["file"].as_str().is_some_and(|name| name.contains("journal")), "{problem}");
    let verified = store_verb(&a, "verify");
    assert_eq!((verified.code, verified.problem_code().as_str()), (1, "store_damaged"), "{verified:?}");
    let report: Value = serde_json::from_str(verified.out.trim()).expect("a report");
    let damage = report["damage"].as_array().expect("a list");
    assert!(!damage.is_empty() && damage[0]["offset"].as_u64().is_some_and(|at| at <= middle as u64), "{report}");

    let repaired = store_verb(&a, "repair");
    assert_eq!(repaired.code, 0, "{repaired:?}");
    let report = repaired.json();
    let lost = report["lost_batches"].as_array().map_or(0, Vec::len) + report["lost_parts"].as_array().map_or(0, Vec::len);
    assert!(lost > 0, "what is lost is listed: {report}");
    assert_eq!(store_verb(&a, "verify").code, 0);
    a.start();
    let there = shown.iter().filter(|(id, _)| a.document(id).is_some()).count();
    assert!(there >= shown.len() - 1, "one garbled batch costs what stood in it: {there} of {}", shown.len());
    a.login();
    a.json(&["bulletin", "new", "--text", "修复之后", "--category", "CRIM.SERIES"]);
    a.stop();

    // The end, after a clean stop: then the last batch was acknowledged.
    std::fs::write(&file, &whole).expect("written");
    drop(a);
    let (mut a, _) = filled(&dir.path().join("again"));
    a.stop();
    let file = journal(&a);
    let whole = std::fs::read(&file).expect("readable");
    std::fs::write(&file, &whole[..whole.len() - 30]).expect("written");
    a.start_refused(4, "journal_damaged");
    std::fs::write(&file, &whole).expect("written");
    a.start();
}

#[test]
fn an_index_that_is_gone_garbled_emptied_or_old_is_made_anew_from_the_journal() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut a, mut shown) = filled(dir.path());
    let index = a.data.join("store/index");
    let old = a.file("old-index");
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp").success());
    };
    let mut round = |what: &str, harm: &dyn Fn()| {
        a.stop();
        harm();
        a.start();
        all_there(&a, &shown);
        a.login();
        let made = a.json(&["bulletin", "new", "--text", what, "--category", "CRIM.SERIES"]);
        let id = made["id"].as_str().expect("an id").to_owned();
        shown.push((id.clone(), a.document(&id).expect("just made")));
    };
    round("留底", &|| copy(&index, &old));
    round("没有", &|| std::fs::remove_dir_all(&index).expect("there"));
    round("损坏", &|| {
        for entry in std::fs::read_dir(&index).expect("there").flatten().filter(|entry| entry.path().is_file()) {
            let mut bytes = std::fs::read(entry.path()).expect("readable");
            bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
            std::fs::write(entry.path(), bytes).expect("written");
        }
    });
    round("清空", &|| {
        std::fs::remove_dir_all(&index).expect("there");
        std::fs::create_dir(&index).expect("made");
        std::fs::set_permissions(&index, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("ours");
    });
    round("截短", &|| {
        for entry in std::fs::read_dir(&index).expect("there").flatten().filter(|entry| entry.path().is_file()) {
            std::fs::File::options().write(true).open(entry.path()).and_then(|file| file.set_len(10)).expect("cut");
        }
    });
    round("陈旧", &|| copy(&old, &index));
    a.stop();
    assert_eq!(store_verb(&a, "verify").code, 0);
}

#[test]
fn a_full_disk_refuses_writes_keeps_reading_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut a = Bureau::found(dir.path(), "甲县公安局", Plan::default());
    // The daemon lives on a small disk of its own; the socket stays where the command line looks for it.
    let disk = a.file("disk");
    std::fs::create_dir(&disk).expect("a mount point");
    let settings = std::fs::read_to_string(a.data.join("accord.toml")).expect("readable");
    let socket = a.data.join("run/api.sock");
    let moved: String = settings
        .lines()
        .map(|line| match line.trim_start().trim_start_matches("# ").starts_with("socket =") {
            true => format!("socket = {:?}\n", socket.display().to_string()),
            false => format!("{line}\n"),
        })
        .collect();
    assert!(moved.contains(&socket.display().to_string()), "{settings}");
    std::fs::write(a.data.join("accord.toml"), moved).expect("written");
    let script = format!(
        "mount -t tmpfs -o size=160m,mode=700 tmpfs '{disk}' && cp -a '{data}' '{disk}/data' && exec \"$@\"",
        disk = disk.display(),
        data = a.data.display()
    );
    a.wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    a.run_args = vec!["--data".to_owned(), disk.join("data").display().to_string()];
    a.start();
    a.login();
    let draft = |text: &str| a.cli(&["--json", "bulletin", "new", "--text", text, "--category", "CRIM.SERIES"]);
    let before = draft("有空间").json()["id"].as_str().expect("an id").to_owned();

    let filler = PathBuf::from(format!("/proc/{}/root{}/filler", a.pid(), disk.display()));
    let mut full = std::fs::File::create(&filler).expect("the daemon's disk, seen through its process");
    let block = vec![0xA5; 1 << 20];
    while std::io::Write::write_all(&mut full, &block).is_ok() {}
    drop(full);
    let refused = draft("没有空间");
    assert_eq!((refused.code, refused.problem_code().as_str()), (4, "disk_full"), "{refused:?}");
    a.refused(&["bulletin", "new", "--text", "没有空间", "--category", "CRIM.SERIES"], 4, "disk_full");
    assert_eq!(a.status()["documents"], 1, "reading goes on, and nothing half made is shown");
    assert!(a.document(&before).is_some());
    let doctor = a.cli(&["--json", "doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(
        doctor
            .json()
            .as_array()
            .is_some_and(|found| found.iter().any(|one| one["check"] == "disk" && one["ok"] == false && one["hint"] != ""))
    );

    std::fs::remove_file(&filler).expect("there");
    let after = until("room again", || Some(draft("又有空间")).filter(|done| done.code == 0));
    assert_eq!(a.status()["documents"], 2);
    assert!(a.document(after.json()["id"].as_str().expect("an id")).is_some());
    assert!(a.runs());
    a.stop();
}

/// The inventories of the documents at rest of a bureau.
fn inventories(bureau: &Bureau) -> Vec<PathBuf> {
    let files = std::fs::read_dir(bureau.data.join("store")).expect("a store").map(|entry| entry.expect("readable").path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("inventory-"))).collect()
}

/// What a bureau lists, by id.
fn listed(bureau: &Bureau) -> Vec<(String, String, String)> {
    let listed = bureau.json(&["bulletin", "list"]);
    let text = |line: &Value, name: &str| line[name].as_str().expect("a text").to_owned();
    let lines = listed["documents"].as_array().expect("a list").iter();
    let mut lines: Vec<_> = lines.map(|line| (text(line, "id"), text(line, "number"), text(line, "title"))).collect();
    lines.sort();
    lines
}

fn publish(a: &Bureau, b: &Bureau, numbers: std::ops::Range<usize>) {
    let ids: Vec<String> = numbers.map(|n| a.publishes(&format!("第{n}份\n\n内容{n}。"), &b.name)).collect();
    ids.iter().for_each(|id| drop(b.receives(id)));
}

#[test]
fn documents_at_rest_are_all_there_whatever_became_of_their_inventory() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (a, mut b) = pair(dir.path());
    publish(&a, &b, 0..40);
    until("an inventory is written", || inventories(&b).first().cloned());
    let all = listed(&b);
    assert_eq!(all.len(), 40);
    // Killed: the journal says what came after it.
    b.kill();
    b.start();
    assert_eq!(listed(&b), all);
    b.stop();
    let older = inventories(&b).remove(0);
    let old = std::fs::read(&older).expect("readable");
    b.start();
    publish(&a, &b, 40..60);
    let all = listed(&b);
    assert_eq!(all.len(), 60);
    type Harm = fn(&Path, &[u8]);
    let harms: [(&str, Harm); 4] = [
        ("gone", |path, _| std::fs::remove_file(path).expect("removed")),
        ("cut short", |path, bytes| std::fs::write(path, &bytes[..bytes.len() * 2 / 3]).expect("written")),
        ("garbled", |path, bytes| {
            let garbled: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at % 1_000 == 999 { byte ^ 4 } else { *byte }).collect();
            std::fs::write(path, garbled).expect("written");
        }),
        ("zeros", |path, bytes| std::fs::write(path, vec![0; bytes.len()]).expect("written")),
    ];
    for (how, harm) in harms {
        b.stop();
        let path = inventories(&b).pop().unwrap_or_else(|| panic!("a clean stop leaves one, before it is {how}"));
        harm(&path, &std::fs::read(&path).expect("readable"));
        b.start();
        assert_eq!(listed(&b), all, "{how}");
    }
    // An older one in the place of all newer ones brings nothing back.
    b.stop();
    inventories(&b).iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    private(&older, "");
    std::fs::write(&older, &old).expect("written");
    b.start();
    assert_eq!(listed(&b), all);
    // And both sides still agree on what they hold, and go on.
    let next = a.publishes("之后\n\n之后的内容。", &b.name);
    b.receives(&next);
    assert_eq!(listed(&b).len(), 61);
    let status = b.status();
    assert_eq!(status["partners"][0]["divergent"], false, "{status}");
}
