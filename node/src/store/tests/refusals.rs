//! What a store refuses, and what it tells the person in front of it.

use std::os::unix::fs::PermissionsExt;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::memory::{Fault, MemoryDisk, Survives};
use super::model::Model;
use super::power::{setting, start};
use super::*;

fn made(dir: &Path) {
    let mut store = Store::create_with(dir, &key(), &small()).expect("create");
    store.commit(&[item(1, 1, b"one"), put(Table::Local, b"k", b"v")]).expect("commit");
    store.close().expect("close");
}

#[test]
fn the_wrong_key_is_told_apart_from_damage() {
    let (_temporary, dir) = folder();
    made(&dir);
    let wrong = StoreKey::new([8; 32]);
    assert!(matches!(Store::open_with(&dir, &wrong, &small(), &mut |_| {}), Err(StoreError::WrongKey)));
    assert!(matches!(Store::verify(&dir, &wrong, &mut |_| {}), Err(StoreError::WrongKey)));
    assert!(matches!(Store::repair(&dir, &wrong, &mut |_| {}), Err(StoreError::WrongKey)));
    open(&dir).expect("nothing was harmed");
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let (_temporary, dir) = folder();
    made(&dir);
    let (first, _) = open(&dir).expect("open");
    assert!(matches!(open(&dir), Err(StoreError::Locked { .. })));
    assert!(matches!(Store::verify(&dir, &key(), &mut |_| {}), Err(StoreError::Locked { .. })));
    drop(first);
    open(&dir).expect("open");
}

#[test]
fn a_folder_others_may_enter_is_refused_and_new_ones_are_closed() {
    let (_temporary, dir) = folder();
    made(&dir);
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("journal")), mode(&dir.join("index"))), (0o700, 0o700, 0o700));
    for file in ["keyring", "keyring.copy", "lock", "clean", "reserve", "journal/00000001.journal"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    for (file, opened) in [("keyring", 0o640), ("journal/00000001.journal", 0o604), ("", 0o750), ("index", 0o701)] {
        let path = dir.join(file);
        let before = mode(&path);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(opened)).expect("chmod");
        assert!(matches!(open(&dir), Err(StoreError::OpenModes { found, .. }) if found == opened), "{file}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(before)).expect("chmod");
    }
    open(&dir).expect("open");
}

#[test]
fn no_store_an_existing_store_and_a_half_made_one_are_told_apart() {
    let (_temporary, dir) = folder();
    assert!(matches!(open(&dir), Err(StoreError::NotFound { .. })));
    made(&dir);
    assert!(matches!(Store::create_with(&dir, &key(), &small()), Err(StoreError::Exists { .. })));
    std::fs::remove_file(dir.join("keyring")).expect("remove");
    std::fs::remove_file(dir.join("keyring.copy")).expect("remove");
    assert!(matches!(open(&dir), Err(StoreError::Damaged(_))), "a journal without keys was a store once");
    assert!(matches!(Store::create_with(&dir, &key(), &small()), Err(StoreError::Exists { .. })), "and is not written over");
}

#[test]
fn newer_formats_and_foreign_files_are_refused_plainly() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let disk = Arc::new(MemoryDisk::default());
    drop(recover::create(setting(&disk, &index, 1), &key()).expect("create"));
    let rehash = |content: &mut Vec<u8>| {
        let body = content.len() - 16;
        let check = blake3::hash(&content[..body]);
        content[body..].copy_from_slice(&check.as_bytes()[..16]);
    };
    let journal = "journal/00000001.journal";
    for (name, file) in [(journal, journal), (keyring::FILE, keyring::FILE)] {
        let disk = Arc::new(disk.copy());
        if name == keyring::FILE {
            disk.lose(keyring::COPY);
        }
        disk.tamper(name, |content| {
            content[9] = 9;
            rehash(content);
        });
        let newest = if name == journal { frame::REWRITTEN_VERSION } else { keyring::KEYRING_VERSION };
        match start(&disk, &index, 1) {
            Err(StoreError::Newer { file: found, found: 9, known }) => assert_eq!((found.as_str(), known), (file, newest)),
            other => panic!("{name}: {:?}", other.map(|(_, report)| report)),
        }
    }
    let other = Arc::new(MemoryDisk::default());
    drop(recover::create(setting(&other, &temporary.path().join("other"), 1), &key()).expect("create"));
    disk.tamper(journal, |content| *content = other.bytes(journal));
    assert!(matches!(start(&disk, &index, 1), Err(StoreError::WrongKey)), "a journal of another store under the same key");
}

#[test]
fn writes_beyond_the_bounds_are_refused_whole() {
    let (_temporary, dir) = folder();
    let mut store = Store::create_with(&dir, &key(), &small()).expect("create");
    store.commit(&[item(1, 5, b"five")]).expect("commit");
    let before = Model::of(&store);
    let refused: [(&str, Vec<Write>); 7] = [
        ("key", vec![put(Table::Local, &[0; 129], b"")]),
        ("value", vec![put(Table::Local, b"", &[0; VALUE_BYTES_MAX + 1])]),
        ("item", vec![item(1, 6, &vec![0; ITEM_BYTES_MAX + 1])]),
        ("line", vec![Write::Account(vec![0; ACCOUNT_BYTES_MAX + 1])]),
        ("same sequence", vec![put(Table::Local, b"a", b"b"), item(1, 5, b"again")]),
        ("falling sequence", vec![item(1, 7, b"seven"), item(1, 6, b"six")]),
        ("batch", (6..46).map(|seq| item(1, seq, &vec![0; ITEM_BYTES_MAX])).collect()),
    ];
    for (what, batch) in refused {
        assert!(matches!(store.commit(&batch), Err(StoreError::Refused { .. })), "{what}");
        assert_eq!(Model::of(&store), before, "{what}");
    }
    store.commit(&[]).expect("nothing is nothing");
    assert_eq!(store.batches(), 1);
    store.commit(&[item(1, 6, &vec![1; ITEM_BYTES_MAX]), put(Table::Local, b"", &[0; VALUE_BYTES_MAX])]).expect("the bounds themselves");
}

#[test]
fn a_full_disk_reads_and_records_and_writes_again_when_there_is_room() {
    let temporary = scratch();
    let options = small();
    let disk = Arc::new(MemoryDisk::with_capacity(400 << 10));
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    let mut model = Model::default();
    let mut seq = 0;
    let refusal = loop {
        seq += 1;
        let batch = vec![item(1, seq, &[seq as u8; 3000]), put(Table::Local, b"last", &seq.to_be_bytes())];
        match store.commit(&batch) {
            Ok(()) => model.commit(&batch),
            Err(error) => break error,
        }
        assert!(seq < 1000, "the disk fills up");
    };
    assert!(matches!(refusal, StoreError::Full { .. }), "{refusal}");
    assert!(store.is_full());
    assert_eq!(Model::of(&store), model);
    assert!(model.items[&document(1)].len() > 20);
    // Others fill the rest of the disk.
    let used = disk.used();
    disk.set_capacity(used);
    let mut lines = 0;
    while store.commit(&[Write::Account(vec![1; 1000])]).is_ok() {
        model.commit(&[Write::Account(vec![1; 1000])]);
        lines += 1;
        assert!(lines < 1000, "the reserve ends");
    }
    assert!(lines as u64 > options.reserve_bytes / 1000 / 2, "the reserve holds {lines} lines");
    assert_eq!(Model::of(&store), model, "reading goes on");
    assert!(matches!(store.commit(&[put(Table::Local, b"x", b"y")]), Err(StoreError::Full { .. })));
    disk.set_capacity(disk.used());
    store.close().expect("a full disk is no failure of a stop");
    let (mut store, _) = start(&disk, &temporary.path().join("index"), 1).expect("a full disk starts");
    assert_eq!(Model::of(&store), model);
    assert!(store.is_full());
    disk.set_capacity(2 << 20);
    let batch = vec![item(1, seq, b"room again")];
    store.commit(&batch).expect("commit");
    model.commit(&batch);
    assert!(!store.is_full());
    assert_eq!(store.size().reserve, options.reserve_bytes, "the reserve is whole again");
    assert_eq!(Model::of(&store), model);
}

/// A frame is written as it is: no zeros behind it that may find no room where it finds some.
fn without_room_ahead(mut setting: Setting) -> Setting {
    setting.options.ahead_bytes = 0;
    setting
}

#[test]
fn room_for_later_batches_that_is_not_there_keeps_no_batch_out() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    let mut model = Model::default();
    let mut commit = |store: &mut Store, seq: u64, bytes: usize| {
        let batch = vec![item(1, seq, &vec![seq as u8; bytes])];
        store.commit(&batch).expect("there is room for it");
        model.commit(&batch);
        let len = disk.bytes("journal/00000001.journal").len() as u64;
        (len - store.journal.head().end, model.clone())
    };
    // The zeros behind a frame are half written when the disk is full.
    disk.plan(disk.operations() + 1, Fault::NoRoom);
    assert_eq!(commit(&mut store, 1, 300).0, 0, "what was half written is taken away");
    let rooms: Vec<u64> = (2..8).map(|seq| commit(&mut store, seq, 10).0).collect();
    assert!(rooms[0] > 0 && rooms.windows(2).all(|two| two[1] < two[0]), "made and used: {rooms:?}");
    let (_, model) = commit(&mut store, 8, 10);
    assert_eq!(Model::of(&store), model);
    let image = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(1)));
    let (again, report) = start(&image, &temporary.path().join("image"), 2).expect("nothing is damaged");
    assert_eq!((Model::of(&again), report.torn_tail_bytes), (model, 0));
    store.close().expect("close");
    let (end, len) = (again.journal.head().end, disk.bytes("journal/00000001.journal").len() as u64);
    assert_eq!(len, end, "a closed store keeps no room");
}

#[test]
fn what_a_write_without_room_left_is_taken_back_durably() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(without_room_ahead(setting(&disk, &temporary.path().join("index"), 1)), &key()).expect("create");
    let ends = |wanted: [&str; 2]| {
        let log = disk.log();
        let last: Vec<&str> = log.lines().rev().take(2).map(|line| line.split_once(' ').expect("number and deed").1).collect();
        assert_eq!([last[1], last[0]], wanted, "{log}");
    };
    let refused = |store: &mut Store, after: u64, batch: &[Write]| {
        disk.plan(disk.operations() + after, Fault::NoRoom);
        let refusal = store.commit(batch);
        assert!(matches!(refusal, Err(StoreError::Full { .. })), "{refusal:?}");
    };
    refused(&mut store, 1, &[item(1, 1, &[1; 3000])]);
    ends(["truncate journal/00000001.journal", "sync_data journal/00000001.journal"]);
    store.commit(&[item(1, 1, &[1; 3000])]).expect("there is room again");
    // The next batch wants a new file, whose header finds no room.
    refused(&mut store, 2, &[item(1, 2, &[2; 2000])]);
    ends(["remove journal/00000002.journal", "sync_dir journal"]);
    store.commit(&[item(1, 2, &[2; 200])]).expect("a smaller one goes into the file there is");
}

#[test]
fn a_batch_that_is_refused_where_not_even_cutting_has_room_stays_refused_and_stops_nothing() {
    for bytes in [300, 1500] {
        let temporary = scratch();
        let disk = Arc::new(MemoryDisk::default());
        let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
        let first = vec![item(1, 1, b"first")];
        store.commit(&first).expect("commit");
        let mut model = Model::default();
        model.commit(&first);
        disk.let_cuts_lack_room(true);
        disk.plan(disk.operations() + 1, Fault::NoRoom);
        let refusal = store.commit(&[item(1, 2, &vec![2; bytes])]);
        assert!(matches!(refusal, Err(StoreError::Full { .. })), "{bytes}: {refusal:?}");
        // Whoever starts now finds what there was before, though nothing can be cut.
        let image = Arc::new(disk.image(Survives::Everything, &mut SmallRng::seed_from_u64(1)));
        image.let_cuts_lack_room(true);
        let (mut again, _) = start(&image, &temporary.path().join("image"), 2).unwrap_or_else(|error| panic!("{bytes}: {error}"));
        assert_eq!(Model::of(&again), model, "{bytes}");
        let next = vec![item(1, 2, b"next")];
        again.commit(&next).expect("there is room");
        image.let_cuts_lack_room(false);
        store.commit(&next).expect("there is room again");
        model.commit(&next);
        for disk in [&disk, &image] {
            disk.let_cuts_lack_room(false);
            let image = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(1)));
            let (again, _) = start(&image, &scratch().path().join("index"), 3).unwrap_or_else(|error| panic!("{bytes}: {error}"));
            assert_eq!(Model::of(&again), model, "{bytes}");
        }
    }
}

#[test]
fn a_cut_that_did_not_get_through_is_made_up_for_before_another_file_follows() {
    for closes in [false, true] {
        let temporary = scratch();
        let disk = Arc::new(MemoryDisk::default());
        let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
        store.commit(&[item(1, 1, &[1; 300])]).expect("commit");
        assert!(disk.bytes("journal/00000001.journal").len() as u64 > store.journal.head().end, "there is room to cut off");
        let disk = if closes {
            disk.let_syncs_lack_room(true);
            store.close().expect("a full disk is no failed one");
            disk
        } else {
            drop(store);
            let image = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(1)));
            image.let_syncs_lack_room(true);
            image
        };
        let opened = start(&disk, &temporary.path().join("again"), 1);
        disk.let_syncs_lack_room(false);
        let (mut store, _) = match opened {
            Ok(opened) => opened,
            Err(StoreError::Full { .. }) => start(&disk, &temporary.path().join("again"), 1).expect("there is room again"),
            Err(error) => panic!("closes {closes}: {error}"),
        };
        // Straight into a new file.
        store.commit(&[item(1, 2, &[2; 4000])]).expect("commit");
        assert_eq!(store.journal.head().file, 2, "closes {closes}");
        let image = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(1)));
        let (store, report) = start(&image, &temporary.path().join("image"), 2).unwrap_or_else(|error| panic!("closes {closes}: {error}"));
        assert_eq!((report.batches, store.items(&document(1), 0).expect("readable").len()), (2, 2), "closes {closes}");
    }
}

#[test]
fn a_file_that_found_no_room_to_be_made_is_a_full_disk_and_not_a_failed_one() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    store.commit(&[item(1, 1, b"one"), put(Table::Local, b"k", b"v")]).expect("commit");
    let (mut full, mut without) = (0, 0);
    for at in 1..=12 {
        let lacking = Arc::new(disk.copy());
        lacking.plan(lacking.operations() + at, Fault::NoRoom);
        match store.keyring.clone().save(&*lacking, store.state.place, &mut Random::default()) {
            Ok(()) => {}
            Err(StoreError::Full { .. }) => full += 1,
            Err(error) => panic!("keyring, {at}: {error}\n{}", lacking.log()),
        }
        let lacking = Arc::new(disk.copy());
        lacking.plan(lacking.operations() + at, Fault::NoRoom);
        match checkpoint::write(&*lacking, store.index.pages(), &store.state, &store.checkpoint_key, &store.keyring.store) {
            Ok(written) => without += u32::from(written.is_none()),
            Err(error) => panic!("checkpoint, {at}: {error}\n{}", lacking.log()),
        }
    }
    assert!(full >= 4 && without >= 2, "files that were not made or not filled: {full}, {without}");
}

#[test]
fn a_sync_that_finds_no_room_on_the_way_out_of_a_full_disk_is_no_failed_disk() {
    let temporary = scratch();
    for rotates in [false, true] {
        let disk = Arc::new(MemoryDisk::default());
        let index = temporary.path().join(format!("index{rotates}"));
        let mut store = recover::create(without_room_ahead(setting(&disk, &index, 1)), &key()).expect("create");
        store.commit(&[item(1, 1, &[1; 900])]).expect("commit");
        let batch = vec![item(1, 2, &vec![2; if rotates { 4000 } else { 500 }])];
        if !rotates {
            // The frame is half written, is cut off again, and the cut does not get through.
            disk.plan(disk.operations() + 1, Fault::NoRoom);
        }
        disk.let_syncs_lack_room(true);
        for attempt in 0..if rotates { 2 } else { 1 } {
            let refusal = store.commit(&batch);
            assert!(matches!(refusal, Err(StoreError::Full { .. })), "rotates {rotates}, attempt {attempt}: {refusal:?}");
        }
        disk.let_syncs_lack_room(false);
        store.commit(&[item(1, 2, b"fits where the other did not")]).expect("there is room again");
        store.commit(&[item(1, 3, &[3; 4000])]).expect("and in a new file");
        let image = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(1)));
        let (store, report) = start(&image, &scratch().path().join("index"), 2).expect("nothing is damaged");
        assert_eq!((report.batches, store.items(&document(1), 0).expect("readable").len()), (3, 3), "rotates {rotates}");
    }
}
