//! Compaction takes away what is dead and nothing else: not a value, not a place, not a link of the chain.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::backup::{restored, written};
use super::damage::{frames, mends, verify};
use super::memory::{MemoryDisk, Survives};
use super::model::Model;
use super::power::{setting, start};
use super::*;

/// One whole round.
pub fn round(store: &mut Store) -> Result<CompactReport, StoreError> {
    store.compact_begin(false)?;
    loop {
        let progress = store.compact_step()?;
        assert!(!progress.waiting, "nobody reads");
        if progress.ended {
            return Ok(progress.report);
        }
    }
}

fn version(disk: &MemoryDisk, number: u64) -> u8 {
    disk.bytes(&journal::file_name(number))[9]
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Batches that overwrite, over several files; the last one is in a file of its own and removes what the others overwrote.
fn overwritten() -> Vec<Vec<Write>> {
    let mut batches: Vec<Vec<Write>> = (1..=24_u64)
        .map(|seq| {
            let number = (seq % 4) as u8;
            vec![
                item(number, seq, &[seq as u8; 300]),
                put(Table::Local, b"again", &[seq as u8; 400]),
                put(Table::Documents, &[number; 32], &[seq as u8; 200]),
                put(Table::Partners, &[seq as u8], &[seq as u8; 40]),
                Write::Account(vec![seq as u8; 30]),
            ]
        })
        .collect();
    // What superseded is not lost where a test loses what was superseded.
    let mut last = vec![remove(Table::Local, b"again"), put(Table::Statements, b"large", &[1; 6000])];
    last.extend((0..4).map(|number| put(Table::Documents, &[number; 32], b"last")));
    batches.push(last);
    batches.push(vec![put(Table::Local, b"last", b"1")]);
    batches
}

fn filled(index: &Path, batches: &[Vec<Write>]) -> (Arc<MemoryDisk>, Store, Model) {
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, index, 1), &key()).expect("create");
    let mut model = Model::default();
    for batch in batches {
        store.commit(batch).expect("commit");
        model.commit(batch);
    }
    (disk, store, model)
}

#[test]
fn what_is_dead_goes_and_every_value_place_and_chain_head_stays() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut store, mut model) = filled(&index, &overwritten());
    let before = (store.head(), store.batches(), store.sequence());
    let mut heads = Vec::new();
    store
        .walk(&mut |met| {
            heads.push((met.place, met.batch.after));
            Ok(true)
        })
        .expect("walk");
    let report = round(&mut store).expect("compact");
    assert!(report.rewritten > 2 && report.files == report.seen, "{report:?}");
    assert!(report.after < report.before * 3 / 4, "{report:?}");
    assert_eq!((store.head(), store.batches(), store.sequence()), before);
    assert_eq!(Model::of(&store), model, "read at the places noted before");
    let mut after = Vec::new();
    store
        .walk(&mut |met| {
            after.push((met.place, met.batch.after));
            Ok(true)
        })
        .expect("walk");
    assert_eq!(after, heads, "every batch at its place, with its chain head");
    let found = store.verify_open(&mut |_| {}).expect("verify");
    assert_eq!((found.damage, found.reduced), (vec![], report.records));
    assert_eq!((version(&disk, 1), version(&disk, store.state.place.file)), (3, 2));
    assert_eq!(round(&mut store).expect("compact").rewritten, 0, "nothing dead is left");
    // Killed: the tail is read again; then a power cut: everything is, and once more without a checkpoint.
    drop(store);
    let (store, _) = start(&disk, &index, 1).expect("start");
    assert_eq!(Model::of(&store), model);
    drop(store);
    let (store, _) = start(&disk, &temporary.path().join("b"), 2).expect("start");
    assert_eq!(Model::of(&store), model);
    drop(store);
    disk.lose("checkpoint");
    let (mut store, report) = start(&disk, &temporary.path().join("c"), 3).expect("start");
    assert!(matches!(report.index, IndexState::Rebuilt { from_checkpoint: false, .. }) && report.replayed == before.1, "{report:?}");
    assert_eq!(Model::of(&store), model, "a rebuild from rewritten files gives the same rows");
    let batch = vec![item(1, store.sequence() + 1, b"new"), put(Table::Documents, &[1; 32], b"new")];
    store.commit(&batch).expect("commit");
    model.commit(&batch);
    round(&mut store).expect("compact");
    assert_eq!(Model::of(&store), model, "a file is rewritten more than once");
    store.close().expect("close");
    assert_eq!(verify(&disk, &index).damage, vec![]);
}

#[test]
fn a_round_that_only_looks_tells_what_a_real_one_would_do_and_changes_nothing() {
    let temporary = scratch();
    let (disk, mut store, _) = filled(&temporary.path().join("index"), &overwritten());
    store.save_keyring().expect("saved");
    let files: Vec<Vec<u8>> = (1..store.state.place.file).map(|number| disk.bytes(&journal::file_name(number))).collect();
    store.compact_begin(true).expect("begin");
    let looked = loop {
        let progress = store.compact_step().expect("step");
        if progress.ended {
            break progress.report;
        }
    };
    for (number, bytes) in files.iter().enumerate() {
        assert!(disk.bytes(&journal::file_name(number as u64 + 1)) == *bytes, "file {number} as it was");
    }
    let done = round(&mut store).expect("compact");
    assert_eq!((looked.files, looked.rewritten, looked.records, looked.before), (done.files, done.rewritten, done.records, done.before));
    assert!(looked.after.abs_diff(done.after) < done.files * 400, "about right: {looked:?} {done:?}");
}

#[test]
fn nothing_of_a_purged_document_is_left_in_any_file() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut store, mut model) = filled(&index, &overwritten());
    // What there is of it: its sealed parts and its wrapped key, byte for byte.
    let mut parts: Vec<Vec<u8>> = Vec::new();
    store
        .walk(&mut |met| {
            for record in &met.batch.records {
                match record {
                    Record::Key { document: of, wrapped, .. } if *of == document(2) => parts.push(wrapped.to_vec()),
                    Record::Items { document: of, blob, .. } if *of == document(2) => {
                        let bytes = disk.bytes(&journal::file_name(met.place.file));
                        let from = met.place.start as usize + frame::HEAD + blob.offset as usize;
                        parts.push(bytes[from..from + blob.len as usize].to_vec());
                    }
                    _ => {}
                }
            }
            Ok(true)
        })
        .expect("walk");
    assert!(parts.len() > 5, "{}", parts.len());
    let document_key = store.keyring.get(&document(2)).expect("key").expose().to_vec();
    store.purge_documents(&[document(2)]).expect("purge");
    model.purge(&document(2));
    store.commit(&[put(Table::Statements, b"more", &[2; 6000])]).expect("commit");
    model.commit(&[put(Table::Statements, b"more", &[2; 6000])]);
    let any = |parts: &[Vec<u8>]| {
        let names: Vec<String> = ["", "journal"]
            .iter()
            .flat_map(|folder| {
                let names = disk.list(folder).expect("list");
                names.into_iter().map(move |name| if folder.is_empty() { name } else { format!("{folder}/{name}") })
            })
            .collect();
        names.iter().filter(|name| parts.iter().any(|part| contains(&disk.bytes(name), part))).count()
    };
    // The wrapped key lies inside a sealed record list, so only the store can see it.
    let wrapped = |store: &Store| {
        let mut found = 0;
        store
            .walk(&mut |met| {
                found += met
                    .batch
                    .records
                    .iter()
                    .filter(|record| matches!(record, Record::Key { document: of, .. } if *of == document(2)))
                    .count();
                Ok(true)
            })
            .expect("walk");
        found
    };
    assert!(any(&parts) > 0 && wrapped(&store) == 1, "purged, its ciphertext and wrapped key are still there");
    let head = store.head();
    round(&mut store).expect("compact");
    assert_eq!((any(&parts), wrapped(&store)), (0, 0), "compacted, they are not");
    assert!(any(&[document_key]) == 0 && store.head() == head);
    assert_eq!(Model::of(&store), model);
    let found = store.verify_open(&mut |_| {}).expect("verify");
    assert_eq!((found.damage, found.purged), (vec![], 0));
    drop(store);
    disk.lose("checkpoint");
    let (mut store, _) = start(&disk, &temporary.path().join("again"), 2).expect("start");
    assert_eq!(Model::of(&store), model, "also after a rebuild");
    assert!(matches!(store.commit(&[item(2, 99, b"back")]), Err(StoreError::Purged(_))));
}

#[test]
fn compacted_the_journal_is_at_most_a_third_longer_than_what_lives() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let options = Options { file_bytes: 32 << 10, flush_bytes: 64 << 10, checkpoint_bytes: 1 << 20, ..small() };
    let setting = Setting { options, ..setting(&disk, &temporary.path().join("index"), 1) };
    let mut store = recover::create(setting, &key()).expect("create");
    let mut model = Model::default();
    for turn in 0..6_u64 {
        for first in (0..120_u8).step_by(10) {
            let mut batch = Vec::new();
            for number in first..first + 10 {
                batch.push(put(Table::Partners, &[number], &[turn as u8; 3_000]));
                batch.push(put(Table::Documents, &[number; 32], &[turn as u8; 500]));
                batch.push(item(number, turn * 120 + u64::from(number) + 1, &[number; 700]));
            }
            store.commit(&batch).expect("commit");
            model.commit(&batch);
        }
    }
    let live: usize = model.tables.values().map(Vec::len).sum::<usize>()
        + model.items.values().flat_map(|items| items.values()).map(Vec::len).sum::<usize>();
    let before = store.size().journal as f64 / live as f64;
    round(&mut store).expect("compact");
    let after = store.size().journal as f64 / live as f64;
    assert!(before > 3.0 && after <= 1.3, "{before:.2} before, {after:.2} after, of {live} bytes that live");
    assert_eq!(Model::of(&store), model);
}

#[test]
fn a_file_is_not_replaced_under_a_reader_and_a_backup_begun_before_is_whole() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut store, mut model) = filled(&index, &overwritten());
    let (snapshot, account) = (store.snapshot().expect("open"), store.account().expect("open"));
    store.compact_begin(false).expect("begin");
    let step = |store: &mut Store| store.compact_step().expect("step");
    assert!(step(&mut store).waiting && !step(&mut store).ended);
    assert_eq!((version(&disk, 1), disk.len(&journal::next_name(1)).expect("len").is_some()), (2, true));
    drop(snapshot);
    assert!(step(&mut store).waiting, "the other one still reads");
    store.commit(&[put(Table::Local, b"meanwhile", b"1")]).expect("the store goes on");
    model.commit(&[put(Table::Local, b"meanwhile", b"1")]);
    let mut lines = 0;
    account
        .read(&mut |_, line| {
            lines += u64::from(line.is_some());
            true
        })
        .expect("read");
    assert_eq!(lines, 24);
    drop(account);
    while !step(&mut store).ended {}
    assert_eq!(version(&disk, 1), 3);
    assert!(restored(&written(&store), &[]) == model, "a backup of rewritten files restores to the same store");
    // Killed while one waits: what is left of it is taken away.
    store.commit(&[put(Table::Partners, &[3], &[0; 5000]), put(Table::Local, b"x", &[1; 3000])]).expect("commit");
    store.commit(&[put(Table::Partners, &[4], &[0; 5000]), put(Table::Local, b"x", &[2; 3000])]).expect("commit");
    let reader = store.account().expect("open");
    store.compact_begin(false).expect("begin");
    assert!(step(&mut store).waiting);
    let left = |disk: &MemoryDisk| disk.list("journal").expect("list").iter().filter(|name| name.ends_with(".next")).count();
    assert_eq!(left(&disk), 1);
    let model = Model::of(&store);
    drop((store, reader));
    let (store, _) = start(&disk, &index, 1).expect("start");
    assert_eq!((left(&disk), Model::of(&store) == model), (0, true));
}

#[test]
fn any_flipped_byte_of_a_rewritten_file_is_noticed_and_mended_its_table_included() {
    let temporary = scratch();
    let batches = overwritten();
    let (disk, mut store, _) = filled(&temporary.path().join("index"), &batches);
    round(&mut store).expect("compact");
    let last = store.state.place.file;
    store.close().expect("close");
    let seed = 5;
    let mut random = SmallRng::seed_from_u64(seed);
    let rewritten: Vec<u64> = (1..last).filter(|number| version(&disk, *number) == 3).collect();
    let (mut tables, mut kept) = (0, 0);
    for turn in 0..60 {
        let number = rewritten[random.random_range(0..rewritten.len())];
        let name = journal::file_name(number);
        let broken = Arc::new(disk.copy());
        let (len, end) = (broken.bytes(&name).len(), frames(&broken, number).last().expect("frames").1 as usize);
        // Every other one in the table.
        let at = if turn % 2 == 0 { random.random_range(end..len) } else { random.random_range(0..len) };
        broken.tamper(&name, |content| content[at] ^= 1 << random.random_range(0..8));
        let report = mends(&broken, &batches, &format!("seed {seed}, turn {turn}, {name} byte {at} of {len}"));
        assert!(!report.damage.is_empty());
        if at >= end {
            tables += 1;
            kept += usize::from(report.lost_batches.is_empty() && report.lost_parts.is_empty());
        }
    }
    assert!(tables >= 30 && kept == tables, "a table is made again from the frames: {kept} of {tables}");
}

#[test]
fn a_file_that_does_not_read_is_left_alone_and_named() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut store, _) = filled(&index, &overwritten());
    let (from, _) = frames(&disk, 2)[1];
    disk.tamper("journal/00000002.journal", |content| content[from as usize + frame::HEAD + 5] ^= 1);
    let before = disk.bytes("journal/00000002.journal");
    let report = round(&mut store).expect("compact");
    assert_eq!(report.damage.len(), 1);
    assert_eq!((report.damage[0].file.as_str(), report.damage[0].offset), ("journal/00000002.journal", from));
    assert!(disk.bytes("journal/00000002.journal") == before && report.rewritten > 1, "the others are rewritten");
    drop(store);
    assert_eq!(verify(&disk, &index).damage.len(), 2, "the bad frame, and what is missing after it");
}

#[test]
fn without_room_the_files_stay_and_writing_goes_on() {
    let temporary = scratch();
    let (disk, mut store, model) = filled(&temporary.path().join("index"), &overwritten());
    disk.set_capacity(disk.used() + (64 << 10) + 300);
    let used = disk.used();
    let report = round(&mut store).expect("compact");
    assert!(report.no_room.is_some() && report.rewritten == 0 && report.after == report.before, "{report:?}");
    assert!(disk.used() <= used + 2_000, "nothing half-made is left");
    disk.set_capacity(1 << 30);
    assert!(round(&mut store).expect("compact").rewritten > 2);
    assert_eq!(Model::of(&store), model);
}

#[test]
fn enough_of_a_file_dead_it_is_rewritten_without_being_asked_for() {
    let temporary = scratch();
    let mut most = Vec::new();
    for (compact_percent, background) in [(0, false), (25, false), (25, true)] {
        let options = Options { compact_percent, background, ..small() };
        let dir = temporary.path().join(format!("index{compact_percent}{background}"));
        let disk = Arc::new(MemoryDisk::default());
        let mut store = recover::create(Setting { options, ..setting(&disk, &dir, 1) }, &key()).expect("create");
        let mut model = Model::default();
        let mut size = 0;
        for seq in 1..=1_500_u64 {
            let batch = vec![put(Table::Local, &[(seq % 3) as u8], &[seq as u8; 600]), item((seq % 5) as u8, seq, b"stays")];
            store.commit(&batch).expect("commit");
            model.commit(&batch);
            size = size.max(store.size().journal);
        }
        most.push(size);
        drop(store);
        let (store, _) = start(&disk, &dir, 1).expect("start");
        assert_eq!(Model::of(&store), model);
        assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    }
    // Of some 900 bytes of a batch some 350 stay, for the chain and the item. In the background it depends on the machine how soon.
    assert!(most[1] < most[0] * 2 / 3 && most[2] < most[0], "{most:?} bytes at most");
}

#[test]
fn a_round_does_not_tell_of_a_file_that_was_being_rewritten_by_itself_when_it_began() {
    let temporary = scratch();
    let options = Options { compact_percent: 1, ..small() };
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(Setting { options, ..setting(&disk, &temporary.path().join("index"), 1) }, &key()).expect("create");
    // Somebody reads, so the first file that is rewritten by itself waits.
    let reader = store.account().expect("open");
    let mut seq = 0;
    while disk.list("journal").expect("list").iter().all(|name| !name.ends_with(".next")) {
        seq += 1;
        store.commit(&[put(Table::Local, b"again", &[seq as u8; 900])]).expect("commit");
        assert!(seq < 1_000, "one is rewritten");
    }
    store.compact_begin(false).expect("begin");
    assert!(store.compact_step().expect("step").waiting);
    // Batches go on, and collect what is ready while a round is asked for.
    drop(reader);
    store.commit(&[put(Table::Local, b"meanwhile", b"1")]).expect("commit");
    let report = loop {
        let progress = store.compact_step().expect("step");
        if progress.ended {
            break progress.report;
        }
    };
    assert_eq!((report.seen, report.files), (report.files, report.files), "{report:?}");
    assert_eq!(report.rewritten, 0, "that one needs it no more: {report:?}");
    let closed = (1..=report.files).map(|number| recover::len(&*disk, number).expect("len")).sum::<u64>();
    assert_eq!((report.before, report.after), (closed, closed), "{report:?}");
}

#[test]
fn an_index_that_lies_stops_the_store_before_anything_is_thrown_away() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let (disk, mut store, model) = filled(&index, &overwritten());
    store.compact_begin(true).expect("begin");
    while !store.compact_step().expect("step").ended {}
    // As sled may show a page after a cut: empty, sealed as it should be. Every record in it would look dead.
    store.index.pages().set_back(&store.index.keys().put(Table::Partners as u8, &[3]), &mut Random::default());
    let before = disk.copy();
    assert!(matches!(round(&mut store), Err(StoreError::Fatal(why)) if why.contains("lost or changed pages")));
    assert!(matches!(store.commit(&[put(Table::Local, b"x", b"1")]), Err(StoreError::Fatal(_))));
    for number in journal::file_numbers(&*disk).expect("list") {
        let name = journal::file_name(number);
        assert!(disk.bytes(&name) == before.bytes(&name), "{name} as it was");
    }
    drop(store);
    let (mut store, report) = start(&disk, &index, 1).expect("start");
    assert!(matches!(report.index, IndexState::Rebuilt { .. }), "{report:?}");
    assert!(round(&mut store).expect("compact").rewritten > 2);
    assert_eq!(Model::of(&store), model);
}

#[test]
fn a_row_older_than_the_journal_stops_the_store_though_its_pages_add_up() {
    let temporary = scratch();
    let (_disk, mut store, _) = filled(&temporary.path().join("index"), &overwritten());
    store.compact_begin(true).expect("begin");
    while !store.compact_step().expect("step").ended {}
    // The row of the first writing where that of the last belongs, as an index gone wrong in a way that its sum does not show.
    let mut first = None;
    let keys = store.index.keys().clone();
    store
        .walk(&mut |met| {
            let about =
                |record: &&Record| matches!(record, Record::PutBlob { table, key, .. } if *table == Table::Documents as u8 && key[0] == 1);
            first = met.batch.records.iter().find(about).and_then(|record| rows::set_by(record, met.place.file, met.place.start, &keys));
            Ok(first.is_none())
        })
        .expect("walk");
    let (key, row) = first.expect("it was written");
    let state = store.index.pages().state().expect("state").expect("settled");
    store.index.pages().settle(&[(key, Some(row))].into(), &state, &mut Random::default()).expect("settled");
    assert!(matches!(round(&mut store), Err(StoreError::Fatal(why)) if why.contains("older than the journal")));
}

#[test]
fn of_one_value_written_again_and_again_only_the_last_of_a_file_stays() {
    let temporary = scratch();
    let batches: Vec<Vec<Write>> = (0..40).map(|_| vec![put(Table::Local, b"same", &[7; 500])]).collect();
    let (_disk, mut store, model) = filled(&temporary.path().join("index"), &batches);
    round(&mut store).expect("compact");
    let last = store.state.place.file;
    let mut count = std::collections::BTreeMap::new();
    store
        .walk(&mut |met| {
            let full = met.batch.records.iter().filter(|record| matches!(record, Record::Put { .. })).count();
            *count.entry(met.place.file).or_insert(0) += full;
            Ok(met.place.file < last)
        })
        .expect("walk");
    count.remove(&last);
    assert!(count.len() > 3 && count.values().all(|full| *full == 1), "{count:?}");
    assert_eq!(Model::of(&store), model);
}

#[test]
fn a_key_that_the_keyring_files_do_not_hold_yet_stays_in_the_journal() {
    let temporary = scratch();
    let index = temporary.path().join("index");
    let disk = Arc::new(MemoryDisk::default());
    // The keyring is not written for a long time, while files are rewritten.
    let options = Options { compact_percent: 1, keyring_bytes: 1 << 30, ..small() };
    let setting = Setting { options, ..setting(&disk, &index, 1) };
    let mut store = recover::create(setting.clone(), &key()).expect("create");
    let mut model = Model::default();
    for seq in 1..=60_u64 {
        let batch = vec![item((seq % 30) as u8, seq, &[seq as u8; 100]), put(Table::Local, b"again", &[seq as u8; 900])];
        store.commit(&batch).expect("commit");
        model.commit(&batch);
    }
    assert!(store.keyring.is_dirty() && version(&disk, 1) == 3, "rewritten before its keys were in the keyring's files");
    drop(store);
    let (store, _) = recover::open(setting, &key(), recover::Mode::Start, &mut |_| {}).expect("open");
    assert_eq!(Model::of(&store), model);
}

#[test]
fn what_is_written_and_purged_while_a_thread_rewrites_is_there_afterwards() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let options = Options { background: true, ..small() };
    let setting = Setting { options, ..setting(&disk, &temporary.path().join("index"), 1) };
    let mut store = recover::create(setting.clone(), &key()).expect("create");
    let mut model = Model::default();
    let mut seq = 0;
    let mut write = |store: &mut Store, model: &mut Model| {
        seq += 1;
        let number = (seq % 40) as u8 + u8::from(seq > 400) * 40;
        let batch = vec![item(number, seq, &[seq as u8; 200]), put(Table::Local, &[number % 7], &[seq as u8; 300])];
        let batch = [batch, vec![put(Table::Documents, &[number; 32], &[seq as u8; 200])]].concat();
        store.commit(&batch).expect("commit");
        model.commit(&batch);
    };
    for _ in 0..400 {
        write(&mut store, &mut model);
    }
    let (mut rounds, mut steps) = (0, 0_u64);
    while rounds < 4 {
        store.compact_begin(false).expect("begin");
        loop {
            steps += 1;
            // Some of it while a file is being read, some between two.
            if steps % 3 == 0 && store.sequence() < 700 {
                write(&mut store, &mut model);
            }
            if steps % 50 == 7 && steps / 50 < 40 {
                let gone = document((steps / 50) as u8);
                store.purge_documents(&[gone]).expect("purge");
                if model.items.contains_key(&gone) {
                    model.purge(&gone);
                }
            }
            let progress = store.compact_step().expect("step");
            assert!(progress.done <= progress.total, "{progress:?}");
            if progress.ended {
                break;
            }
            std::thread::yield_now();
        }
        rounds += 1;
    }
    assert!(model.purged.len() > 1, "{} purged in {steps} steps", model.purged.len());
    assert_eq!(Model::of(&store), model);
    assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    // Killed while a thread is at work.
    store.compact_begin(false).expect("begin");
    for _ in 0..5 {
        store.compact_step().expect("step");
    }
    drop(store);
    let (store, _) = recover::open(Setting { boot: Some([7; 16]), ..setting }, &key(), recover::Mode::Start, &mut |_| {}).expect("open");
    assert_eq!(Model::of(&store), model);
}

#[test]
fn power_lost_right_after_the_rename_opens_either_file_alike() {
    let temporary = scratch();
    let (disk, mut store, model) = filled(&temporary.path().join("index"), &overwritten());
    let before = disk.copy();
    round(&mut store).expect("compact");
    drop(store);
    // Any mix of files before and after is the same store.
    let seed = 3;
    let mut random = SmallRng::seed_from_u64(seed);
    for turn in 0..12 {
        let mixed = Arc::new(disk.image(Survives::Everything, &mut random));
        let files = journal::file_numbers(&*disk).expect("list");
        for number in &files[..files.len() - 1] {
            if random.random() {
                let name = journal::file_name(*number);
                mixed.tamper(&name, |content| *content = before.bytes(&name));
            }
        }
        let (store, _) = start(&mixed, &temporary.path().join(format!("mixed{turn}")), 4).expect("start");
        assert_eq!(Model::of(&store), model, "seed {seed}, turn {turn}");
        assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    }
}
