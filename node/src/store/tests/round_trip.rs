//! What goes in comes out, after every kind of stop.

use super::model::Model;
use super::*;

fn sample() -> Vec<Vec<Write>> {
    vec![
        vec![put(Table::Partners, b"b", b"card"), item(1, 1, b"genesis"), Write::Account(b"opened".to_vec())],
        vec![put(Table::Partners, b"b", b"card 2"), put(Table::Partners, b"a", b""), item(2, 3, b"other"), item(1, 4, b"record")],
        vec![remove(Table::Partners, b"a"), put(Table::Documents, &[1; 32], b"title"), put(Table::Statements, b"s", &[9; 60_000])],
        vec![item(1, 9, &[5; 100_000]), put(Table::Local, b"", b"empty key"), put(Table::Local, &[3; 128], b"long key")],
    ]
}

#[test]
fn a_store_reads_back_what_was_committed_before_and_after_a_clean_stop() {
    let (_temporary, dir) = folder();
    let mut store = Store::create_with(&dir, &key(), &small()).expect("create");
    let mut model = Model::default();
    for batch in sample() {
        store.commit(&batch).expect("commit");
        model.commit(&batch);
        assert_eq!(Model::of(&store), model);
    }
    assert_eq!((store.sequence(), store.batches()), (9, 4));
    let head = store.head();
    store.close().expect("close");
    let (store, report) = open(&dir).expect("open");
    assert_eq!(report.index, IndexState::Trusted, "a clean stop is believed");
    assert_eq!((report.torn_tail_bytes, report.batches), (0, store.batches()));
    assert_eq!(Model::of(&store), model);
    assert_eq!(store.items(&document(1), 4).expect("items"), vec![(9, vec![5; 100_000])], "only what comes after");
    assert_ne!(head, [0; 32]);
}

#[test]
fn a_store_dropped_without_a_stop_is_whole_under_the_same_boot() {
    let (_temporary, dir) = folder();
    let mut store = Store::create_with(&dir, &key(), &small()).expect("create");
    let mut model = Model::default();
    for round in 0..6 {
        for number in 0..20 {
            let seq = round * 20 + number + 1;
            let batch = vec![item((number % 3) as u8, seq, &[round as u8; 300]), put(Table::Local, &[number as u8], &seq.to_be_bytes())];
            store.commit(&batch).expect("commit");
            model.commit(&batch);
        }
        drop(store);
        let (opened, report) = open(&dir).expect("open");
        assert_eq!(report.index, IndexState::Trusted);
        assert_eq!(Model::of(&opened), model, "round {round}");
        store = opened;
    }
    assert!(store.size().checkpoint > 0, "checkpoints were written on the way");
    assert!(journal::file_numbers(&*store.setting.disk).expect("list").len() > 3, "journal files were rotated");
}

#[test]
fn checkpoints_in_the_background_hold_nothing_up_and_serve_a_rebuild() {
    let (_temporary, dir) = folder();
    let options = Options { background: true, ..small() };
    let mut store = Store::create_with(&dir, &key(), &options).expect("create");
    let mut model = Model::default();
    for seq in 1..=400 {
        // Document 3 is purged half-way.
        let number = if seq > 200 && seq % 9 == 3 { 10 } else { (seq % 9) as u8 };
        let batch = vec![item(number, seq, &[seq as u8; 300]), put(Table::Local, &[(seq % 50) as u8], &seq.to_be_bytes())];
        store.commit(&batch).expect("commit");
        model.commit(&batch);
        if seq == 200 {
            store.purge_documents(&[document(3)]).expect("purge");
            model.purge(&document(3));
        }
        if seq % 20 == 0 {
            assert_eq!(Model::of(&store), model, "also while rows settle, at {seq}");
        }
    }
    store.finish_background(true).expect("checkpoint");
    store.commit(&[Write::Account(b"last".to_vec())]).expect("commit");
    model.commit(&[Write::Account(b"last".to_vec())]);
    drop(store);
    std::fs::remove_dir_all(dir.join("index")).expect("remove");
    let (store, report) = open(&dir).expect("open");
    assert!(matches!(report.index, IndexState::Rebuilt { from_checkpoint: true, .. }), "{report:?}");
    assert!(report.replayed < report.batches, "{report:?}");
    assert_eq!(Model::of(&store), model);
}

#[test]
fn a_clean_stop_leaves_the_next_start_no_long_way_from_the_keyring() {
    let (_temporary, dir) = folder();
    let mut store = Store::create_with(&dir, &key(), &small()).expect("create");
    store.commit(&[item(1, 1, b"the only key")]).expect("commit");
    (0..400).for_each(|n| store.commit(&[Write::Account(format!("a line for auditors, {n:0100}").into_bytes())]).expect("commit"));
    let far = store.batches() - store.keyring.through.seq;
    assert!(far > 300, "the keyring is not written while no key comes in: {far}");
    store.close().expect("close");
    let (store, _) = open(&dir).expect("open");
    assert_eq!(store.batches() - store.keyring.through.seq, 0);
    // Stopped again at once, it is not written again.
    let written = std::fs::metadata(dir.join("keyring")).expect("there").modified().expect("a time");
    store.close().expect("close");
    assert_eq!(std::fs::metadata(dir.join("keyring")).expect("there").modified().expect("a time"), written);
}

#[test]
fn a_store_may_move_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
}

/// Documents' rows whose values lie in the journal: some close together, some far apart, some in other files.
fn scattered(dir: &Path) -> (Store, Model) {
    let mut store = Store::create_with(dir, &key(), &small()).expect("create");
    let mut model = Model::default();
    for number in 0..60_u8 {
        let apart = if number % 7 == 0 { 12_000 } else { usize::from(number) };
        let batch = vec![put(Table::Documents, &[number; 32], &[number; 90]), item(number, u64::from(number) + 1, &vec![number; apart])];
        store.commit(&batch).expect("commit");
        model.commit(&batch);
    }
    (store, model)
}

#[test]
fn rows_are_read_in_one_go_as_they_are_one_by_one() {
    let (_temporary, dir) = folder();
    let (store, model) = scattered(&dir);
    assert_eq!(Model::of(&store), model);
    // Whoever has had enough gets no more, and nobody waits.
    let mut seen = 0;
    let refused = store.each(Table::Documents, &mut |_, _| {
        seen += 1;
        if seen < 10 { Ok(()) } else { Err(StoreError::Fatal("enough".to_owned())) }
    });
    assert!(matches!(refused, Err(StoreError::Fatal(why)) if why == "enough"));
    assert_eq!(seen, 10);
}

#[test]
fn of_rows_read_in_one_go_the_one_that_is_damaged_is_named() {
    let (_temporary, dir) = folder();
    let (store, _) = scattered(&dir);
    let (hit, row) = store.scan(Table::Documents).expect("scan").swap_remove(33);
    let stored = store.index.get(&store.index.keys().put(Table::Documents as u8, &hit)).expect("index").expect("a row");
    let (file, offset) = rows::place(&hit, &stored).expect("it lies in the journal");
    let name = journal::file_name(file);
    let mut byte = [0];
    let disk = &store.setting.disk;
    disk.read_at(&name, offset + 30, &mut byte).expect("read");
    disk.write_at(&name, offset + 30, &[byte[0] ^ 1]).expect("write");
    let one = store.get(Table::Documents, &hit).expect_err("damaged").to_string();
    assert_eq!(store.scan(Table::Documents).expect_err("damaged").to_string(), one);
    assert!(one.contains(&name), "{one}");
    disk.write_at(&name, offset + 30, &byte).expect("write");
    assert_eq!(store.get(Table::Documents, &hit).expect("whole again"), Some(row));
    // The end of the file is gone: what lies before it is read.
    let cut = disk.len(&name).expect("len").expect("there");
    disk.truncate(&name, offset + 3).expect("truncate");
    let mut read = 0;
    let refused = store.each(Table::Documents, &mut |_, _| {
        read += 1;
        Ok::<_, StoreError>(())
    });
    let refused = refused.expect_err("cut").to_string();
    assert!(refused.contains("file ends inside a part") && read > 0, "{refused} after {read}");
    assert!(cut > offset);
}

#[test]
fn of_a_row_that_one_batch_writes_again_and_again_the_last_is_there_and_the_others_take_no_room() {
    let value = |n: u8| vec![n; 3_000];
    let written = |writes: &[Write]| {
        let (_temporary, dir) = folder();
        let mut store = Store::create_with(&dir, &key(), &small()).expect("created");
        store.commit(&[put(Table::Documents, &[1; 32], &value(9)), put(Table::Partners, b"b", b"0")]).expect("committed");
        let before = store.grown();
        store.commit(writes).expect("committed");
        let grown = store.grown() - before;
        drop(store);
        let store = open(&dir).expect("opened").0;
        let rows = [store.get(Table::Documents, &[1; 32]).expect("read"), store.get(Table::Partners, b"b").expect("read")];
        let last = store.items(&document(1), 0).expect("read");
        (grown, rows, last)
    };
    let (many, rows, items) = written(&[
        put(Table::Documents, &[1; 32], &value(1)),
        put(Table::Partners, b"b", b"1"),
        item(1, 1, b"between"),
        remove(Table::Documents, &[1; 32]),
        put(Table::Documents, &[1; 32], &value(2)),
        remove(Table::Partners, b"b"),
    ]);
    assert_eq!(rows, [Some(value(2)), None]);
    assert_eq!(items, [(1, b"between".to_vec())]);
    let (once, ..) = written(&[item(1, 1, b"between"), put(Table::Documents, &[1; 32], &value(2)), remove(Table::Partners, b"b")]);
    assert_eq!(many, once);
}
