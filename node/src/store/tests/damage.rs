//! Damage is told apart from a torn end, refuses the start, and is repaired without dropping anything in silence.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::memory::MemoryDisk;
use super::model::Model;
use super::power::{setting, start};
use super::*;

pub fn verify(disk: &Arc<MemoryDisk>, index: &Path) -> VerifyReport {
    repair::verify(&setting(disk, index, 2), &key(), &mut |_| {}).expect("verify")
}

fn mend(disk: &Arc<MemoryDisk>, index: &Path) -> Result<RepairReport, StoreError> {
    repair::repair(&setting(disk, index, 2), &key(), &mut |_| {})
}

/// Twenty batches over several files, cleanly stopped.
fn filled(index: &Path) -> (Arc<MemoryDisk>, Vec<Vec<Write>>) {
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, index, 1), &key()).expect("create");
    let mut batches = Vec::new();
    for seq in 1..=20 {
        let number = (seq % 4) as u8;
        let mut batch = vec![item(number, seq, &[seq as u8; 400]), put(Table::Local, &[seq as u8], &seq.to_be_bytes())];
        if seq == 7 {
            batch.push(put(Table::Statements, b"large", &[7; 6000]));
        }
        store.commit(&batch).expect("commit");
        batches.push(batch);
    }
    store.close().expect("close");
    (disk, batches)
}

/// The frames of a journal file as (start, end), read with the store's own reader.
pub fn frames(disk: &MemoryDisk, number: u64) -> Vec<(u64, u64)> {
    let store = Keyring::load(disk, &key()).expect("keyring").expect("keyring").store;
    let keys = journal::JournalKeys::derive(&key(), store);
    let mut file = journal::FileReader::open(disk, number).expect("read").expect("there");
    let mut at = frame::HEADER as u64;
    let mut found = Vec::new();
    while let Ok((_, _, len)) = file.frame(&keys, at).expect("read") {
        found.push((at, at + len));
        at += len;
    }
    found
}

fn refuses(disk: &Arc<MemoryDisk>, index: &Path, context: &str) -> Damage {
    match start(disk, index, 3) {
        Err(StoreError::Damaged(damage)) => damage,
        other => panic!("{context}: expected damage, got {:?}", other.map(|(_, report)| report)),
    }
}

/// After a repair the store starts, verifies clean, and misses exactly what the report names.
pub fn mends(disk: &Arc<MemoryDisk>, batches: &[Vec<Write>], context: &str) -> RepairReport {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let found = verify(disk, &index);
    assert_ne!(found.damage, vec![], "{context}: verify sees it");
    let report = mend(disk, &index).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(report.damage, found.damage, "{context}: repair and verify agree");
    let (mut store, opened) = start(disk, &index, 2).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(opened.torn_tail_bytes, 0);
    let mut model = Model::default();
    for (position, batch) in batches.iter().enumerate() {
        let seq = position as u64 + 1;
        if !report.lost_batches.iter().any(|lost| (lost.first..=lost.last).contains(&seq)) {
            model.commit(batch);
        }
    }
    for part in &report.lost_parts {
        match part {
            LostPart::Items { document, first, last } => {
                model.items.entry(*document).or_default().retain(|seq, _| !(first..=last).contains(&seq))
            }
            LostPart::Value { table, key } => drop(model.tables.remove(&(*table, key.clone()))),
        }
    }
    model.items.retain(|_, items| !items.is_empty());
    let restored = store.get(Table::Local, b"restored").expect("readable");
    if report.lost_batches.is_empty() && report.lost_parts.is_empty() {
        assert_eq!(restored, None, "{context}: nothing was lost");
    } else {
        assert_eq!(restored, Some(1_u64.to_be_bytes().to_vec()), "{context}: that something was lost is on record");
        let id = store.get(Table::Local, b"index").expect("readable").expect("a new index id");
        assert_eq!(id.len(), 16);
        model.commit(&[put(Table::Local, b"restored", &1_u64.to_be_bytes()), put(Table::Local, b"index", &id)]);
    }
    assert_eq!(Model::of(&store), model, "{context}: {report:?}");
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![], "{context}");
    store.commit(&[item(9, store.sequence() + 100, b"life goes on")]).expect("commit");
    store.close().expect("close");
    assert_eq!(verify(disk, &index).damage, vec![], "{context}: and stays whole");
    report
}

#[test]
fn a_garbled_batch_in_the_middle_refuses_the_start_and_is_set_aside_by_repair() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, batches) = filled(&index);
    let (start_of, end_of) = frames(&disk, 2)[1];
    let before = disk.bytes("journal/00000002.journal");
    // The head: the whole batch is gone.
    disk.tamper("journal/00000002.journal", |content| content[start_of as usize + 5] ^= 1);
    // The index is believed after the clean stop, so the start reads no old batches; reading everything finds it.
    assert_eq!(verify(&disk, &index).damage.len(), 2, "the bad frame, and what is missing after it");
    std::fs::remove_dir_all(&index).expect("remove");
    disk.lose("checkpoint");
    let damage = refuses(&disk, &index, "rebuild");
    assert_eq!((damage.file.as_str(), damage.offset), ("journal/00000002.journal", start_of));
    assert!(StoreError::Damaged(damage).to_string().contains("accord store repair"), "the next step is named");
    let report = mends(&disk, &batches, "garbled head");
    assert_eq!(report.lost_batches.len(), 1);
    assert_eq!(report.lost_batches[0].first, report.lost_batches[0].last);
    assert_eq!(report.set_aside, vec!["journal/00000002.journal.damaged"]);
    let aside = disk.bytes("journal/00000002.journal.damaged");
    assert_eq!(aside.len(), before.len(), "the file as it was found, byte for byte but the one");
    assert_eq!(aside[end_of as usize..], before[end_of as usize..]);
}

#[test]
fn a_garbled_item_loses_that_item_and_nothing_else() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, batches) = filled(&index);
    let (start_of, _) = frames(&disk, 2)[1];
    disk.tamper("journal/00000002.journal", |content| content[start_of as usize + frame::HEAD + 60] ^= 1);
    let (store, _) = start(&disk, &index, 5).expect("the index is believed");
    let documents = store.document_ids().expect("ids");
    let broken = documents.iter().filter(|document| matches!(store.items(document, 0), Err(StoreError::Damaged(_)))).count();
    assert_eq!(broken, 1, "reading it says so, it is not skipped");
    drop(store);
    let report = mends(&disk, &batches, "garbled item");
    assert_eq!((report.lost_batches.len(), report.lost_parts.len()), (0, 1));
    assert!(matches!(report.lost_parts[0], LostPart::Items { .. }));
}

#[test]
fn any_single_flipped_byte_is_noticed_and_repaired() {
    let temporary = scratch();
    let (disk, batches) = filled(&temporary.path().join("index"));
    let seed = 11;
    let mut random = SmallRng::seed_from_u64(seed);
    let files = journal::file_numbers(&*disk).expect("list");
    for _ in 0..60 {
        let disk = Arc::new(disk.copy());
        let name = journal::file_name(files[random.random_range(0..files.len())]);
        let at = random.random_range(0..disk.bytes(&name).len());
        disk.tamper(&name, |content| content[at] ^= 1 << random.random_range(0..8));
        mends(&disk, &batches, &format!("seed {seed}, {name} at {at}"));
    }
}

#[test]
fn lost_files_and_a_lost_acknowledged_end_are_damage() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, batches) = filled(&index);
    let last = *journal::file_numbers(&*disk).expect("list").last().expect("files");
    for number in [1, 2, last] {
        let disk = Arc::new(disk.copy());
        disk.lose(&journal::file_name(number));
        refuses(&disk, &temporary.path().join(format!("index{number}")), "file lost");
        let report = mends(&disk, &batches, &format!("file {number} lost"));
        assert_ne!(report.lost_batches, vec![]);
    }
    let (start_of, end_of) = *frames(&disk, last).last().expect("a frame");
    for cut in [start_of, start_of + 1, end_of - 1] {
        let disk = Arc::new(disk.copy());
        disk.tamper(&journal::file_name(last), |content| content.truncate(cut as usize));
        let damage = refuses(&disk, &temporary.path().join("other"), "acknowledged end lost");
        assert!(damage.what.contains("acknowledged"), "{damage}");
        let report = mends(&disk, &batches, &format!("end cut at {cut}"));
        assert_eq!(report.lost_batches.len(), 1);
        assert_eq!(report.lost_batches[0].items_up_to, None, "nobody knows what else was given out");
    }
}

#[test]
fn a_lost_end_is_noticed_by_the_mark_of_a_clean_stop_alone() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut batches) = filled(&index);
    // A batch without a new document: the keyring is not written after it, and says nothing of it.
    let (mut store, _) = start(&disk, &index, 1).expect("start");
    batches.resize(store.batches() as usize, Vec::new());
    let batch = vec![item(1, 30, b"the last")];
    store.commit(&batch).expect("commit");
    batches.push(batch);
    store.close().expect("close");
    // The note in the lock is garbled and the index is gone: both may happen, and neither is the journal.
    disk.tamper(marks::LOCK, |content| content.fill(0));
    let last = *journal::file_numbers(&*disk).expect("list").last().expect("files");
    let (start_of, _) = *frames(&disk, last).last().expect("a frame");
    disk.tamper(&journal::file_name(last), |content| content.truncate(start_of as usize));
    let (repaired, full) = (Arc::new(disk.copy()), Arc::new(disk.copy()));
    // On a full disk the first start may not find room to note what it takes the mark away for.
    let writes = full.operations()..full.operations() + 8;
    let noted = writes.clone().find(|at| {
        let trial = Arc::new(full.copy());
        trial.plan(at + 1, memory::Fault::NoRoom);
        let _ = start(&trial, &scratch().path().join("index"), 3);
        trial.log().contains(&format!("{} write_at lock", at + 1))
    });
    full.plan(noted.expect("the note is written") + 1, memory::Fault::NoRoom);
    let unsynced = Arc::new(disk.copy());
    for disk in [&disk, &full, &unsynced] {
        disk.let_syncs_lack_room(Arc::ptr_eq(disk, &unsynced));
        for name in ["once", "and the mark has gone with the first start"] {
            let index = scratch();
            let damage = refuses(disk, &index.path().join("index"), name);
            assert!(damage.what.contains("acknowledged"), "{name}: {damage}");
            disk.let_syncs_lack_room(false);
        }
    }
    for disk in [repaired, disk, full] {
        assert_eq!(mends(&disk, &batches, "end lost after a clean stop").lost_batches.len(), 1);
    }
}

#[test]
fn garbage_after_the_last_batch_is_a_torn_end_until_a_batch_follows_it() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, batches) = filled(&index);
    let last = *journal::file_numbers(&*disk).expect("list").last().expect("files");
    let name = journal::file_name(last);
    let (start_of, end_of) = *frames(&disk, last).last().expect("a frame");
    let whole = disk.bytes(&name);
    let mut model = Model::default();
    batches.iter().for_each(|batch| model.commit(batch));
    for garbage in [vec![0; 700], vec![0xff; 3], b"ACFR and more".to_vec(), whole[start_of as usize..end_of as usize - 1].to_vec()] {
        let disk = Arc::new(disk.copy());
        disk.tamper(&name, |content| content.extend_from_slice(&garbage));
        let index = scratch();
        let (store, report) = start(&disk, &index.path().join("index"), 3).expect("a torn end is no damage");
        // Zeros at the end are room for later batches.
        let torn = garbage.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        assert_eq!(report.torn_tail_bytes, torn as u64);
        assert_eq!(Model::of(&store), model);
        assert_eq!(disk.bytes(&name), whole, "it was cut off");
    }
    disk.tamper(&name, |content| {
        let frame = content[start_of as usize..].to_vec();
        content.extend_from_slice(b"garbage");
        content.extend_from_slice(&frame);
    });
    let (_, report) = start(&disk, &temporary.path().join("index2"), 3).expect("an old frame again is no later batch");
    assert!(report.torn_tail_bytes > 7);
}

#[test]
fn one_bad_copy_of_the_keyring_is_healed_and_two_are_damage() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, batches) = filled(&index);
    let mut model = Model::default();
    batches.iter().for_each(|batch| model.commit(batch));
    for name in [keyring::FILE, keyring::COPY] {
        let disk = Arc::new(disk.copy());
        disk.tamper(name, |content| content[100] ^= 1);
        assert_eq!(verify(&disk, &index).damage.len(), 1);
        let (store, _) = start(&disk, &temporary.path().join(name), 3).expect("the other copy is whole");
        assert_eq!(Model::of(&store), model);
        drop(store);
        assert_eq!(verify(&disk, &index).damage, vec![], "and the bad one was written anew");
    }
    for name in [keyring::FILE, keyring::COPY] {
        disk.tamper(name, |content| content[100] ^= 1);
    }
    refuses(&disk, &index, "no keyring");
    assert!(matches!(mend(&disk, &index), Err(StoreError::Damaged(_))), "without keys there is nothing to repair with");
}

/// Journal files and keyring: what a store is made of, without what may be deleted.
fn truth(disk: &MemoryDisk) -> Vec<Vec<u8>> {
    let files = journal::file_numbers(disk).expect("list").into_iter().map(journal::file_name);
    files.chain([keyring::FILE.to_owned(), keyring::COPY.to_owned()]).map(|name| disk.bytes(&name)).collect()
}

#[test]
fn a_repair_that_finds_no_room_takes_no_working_store_out_of_service() {
    for old_frame in [false, true] {
        let (mut untouched, mut begun) = (0, 0);
        for at in 0.. {
            let temporary = scratch();
            let index = temporary.path().join("index");
            let (disk, _) = filled(&index);
            if old_frame {
                // Far behind what a start reads.
                let (start_of, _) = frames(&disk, 2)[1];
                disk.tamper("journal/00000002.journal", |content| content[start_of as usize + 5] ^= 1);
            } else {
                disk.tamper(keyring::COPY, |content| content[100] ^= 1);
            }
            let context = format!("old frame {old_frame}, no room at {at}");
            if at == 0 {
                start(&disk, &index, 3).expect("it works in spite of the damage");
                continue;
            }
            let (before, first) = (truth(&disk), disk.operations());
            disk.plan(first + at, memory::Fault::NoRoom);
            let Err(error) = mend(&disk, &index) else {
                // Syncing and removing need no room.
                if disk.operations() - first < at {
                    break;
                }
                continue;
            };
            let left = disk.list("journal").expect("list").into_iter().find(|name| name.ends_with(".repaired"));
            assert_eq!(left, None, "{context}: it takes room that is wanted");
            let as_before = truth(&disk) == before;
            if as_before {
                untouched += 1;
                // Overwriting a keyring where its blocks lie needs no room but where the file system copies on write, and is not tried twice.
                let overwritten = !old_frame && matches!(error, StoreError::Fatal(_));
                assert!(overwritten || matches!(error, StoreError::Full { .. }), "{context}: the disk did not fail, it is full: {error}");
            }
            match start(&disk, &index, 3) {
                Ok((store, _)) => assert!(as_before || !old_frame || store.get(Table::Local, b"restored").expect("readable").is_some()),
                Err(StoreError::RepairCutShort { .. }) if old_frame && !as_before => begun += 1,
                Err(error) => panic!("{context}: it started before the repair and does not now: {error}"),
            }
            mend(&disk, &index).unwrap_or_else(|error| panic!("{context}: {error}"));
            let (store, _) = start(&disk, &index, 3).unwrap_or_else(|error| panic!("{context}: {error}"));
            let restored = store.get(Table::Local, b"restored").expect("readable").is_some();
            assert_eq!(restored, old_frame, "{context}: whether something was lost");
        }
        assert!(untouched > 1, "it failed before it changed anything: {untouched}");
        assert_eq!(begun > 0, old_frame, "it failed while the loss was not on record yet: {begun}");
    }
}

#[test]
fn a_repair_cut_short_is_run_again() {
    use rand::SeedableRng;
    let temporary = scratch();
    let (whole, batches) = filled(&temporary.path().join("index"));
    let (start_of, _) = frames(&whole, 2)[1];
    whole.tamper("journal/00000002.journal", |content| content[start_of as usize + 5] ^= 1);
    let trial = Arc::new(whole.copy());
    mend(&trial, &temporary.path().join("trial")).expect("repair");
    let operations = trial.operations() - whole.operations();
    assert!(operations > 10);
    for at in 1..=operations {
        let disk = Arc::new(whole.copy());
        disk.plan(whole.operations() + at, memory::Fault::Cut);
        let index = scratch();
        mend(&disk, &index.path().join("index")).expect_err("power went");
        let image = Arc::new(disk.image(memory::Survives::Parts, &mut SmallRng::seed_from_u64(at)));
        // Power is back, and whoever starts the node does not know of the repair.
        let (unknowing, index) = (Arc::new(image.copy()), scratch());
        let under_way = image.len("repairing").expect("readable").is_some();
        match start(&unknowing, &index.path().join("index"), 2) {
            Ok((store, _)) => {
                assert!(!under_way, "cut at {at}: a store whose repair is not finished opens");
                let restored = store.get(Table::Local, b"restored").expect("readable");
                let untouched = image.bytes("journal/00000002.journal") == whole.bytes("journal/00000002.journal");
                assert!(restored.is_some() || untouched, "cut at {at}: it opens and does not know that something is lost");
            }
            Err(error) => assert!(error.to_string().contains("accord store repair"), "cut at {at}: {error}"),
        }
        if under_way {
            assert!(!verify(&image, &index.path().join("other")).damage.is_empty(), "cut at {at}: verify finds nothing");
        }
        let index = scratch();
        let again = mend(&image, &index.path().join("index")).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        let (store, _) = start(&image, &index.path().join("index"), 2).expect("start");
        let mut model = Model::default();
        let lost = 20 - Model::of(&store).items.values().map(|items| items.len()).sum::<usize>();
        assert_eq!(lost, 1, "cut at {at}: {again:?}");
        assert!(store.get(Table::Local, b"restored").expect("readable").is_some(), "cut at {at}: the loss is on record");
        batches.iter().for_each(|batch| model.commit(batch));
        assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![], "cut at {at}");
    }
}
