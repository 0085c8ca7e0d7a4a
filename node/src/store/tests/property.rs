//! Any history of commits, purges, stops and kills looks like the model.

use proptest::prelude::*;

use super::compact;
use super::memory::MemoryDisk;
use super::model::Model;
use super::power::{setting, start};
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<Small>),
    Purge(u8),
    Compact,
    /// A repair of a store that needs none: only the index is made anew.
    Mend,
    Stop,
    Kill,
    /// The machine restarts without a clean stop.
    PowerCut,
}

#[derive(Clone, Debug)]
enum Small {
    Put(u8, u8, Option<u16>),
    Item(u8, u16),
    Account(u8),
}

fn small_write() -> impl Strategy<Value = Small> {
    prop_oneof![
        (0..10u8, 0..6u8, proptest::option::of(0..6000u16)).prop_map(|(table, key, len)| Small::Put(table, key, len)),
        (0..5u8, 0..3000u16).prop_map(|(document, len)| Small::Item(document, len)),
        any::<u8>().prop_map(Small::Account),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => proptest::collection::vec(small_write(), 1..6).prop_map(Op::Commit),
        1 => (0..5u8).prop_map(Op::Purge),
        2 => Just(Op::Compact),
        1 => Just(Op::Mend),
        1 => Just(Op::Stop),
        1 => Just(Op::Kill),
        1 => Just(Op::PowerCut),
    ]
}

fn writes(small: &[Small], seq: &mut u64, model: &Model) -> Vec<Write> {
    let dead = |number: u8| model.purged.contains(&document(number));
    let mut out = Vec::new();
    for write in small {
        match *write {
            Small::Put(table, key, len) => {
                let table = Table::ALL[table as usize];
                // In the table of documents keys are mostly ids.
                let name = if table == Table::Documents && key < 5 { vec![key; 32] } else { vec![key; 3] };
                if len.is_some() && table == Table::Documents && key < 5 && dead(key) {
                    continue;
                }
                out.push(Write::Put { table, key: name, value: len.map(|len| vec![len as u8; len.into()]) });
            }
            Small::Item(number, _) if dead(number) => {}
            Small::Item(number, len) => {
                *seq += 1 + u64::from(len % 3);
                out.push(item(number, *seq, &vec![number; len.into()]));
            }
            Small::Account(byte) => out.push(Write::Account(vec![byte; 40])),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_store_looks_like_maps_after_any_history(history in proptest::collection::vec(op(), 1..40)) {
        let temporary = scratch();
        let index = temporary.path().join("index");
        let disk = Arc::new(MemoryDisk::default());
        let mut boot = 1;
        let mut seq = 0;
        let mut model = Model::default();
        let mut store = recover::create(setting(&disk, &index, boot), &key()).expect("create");
        for op in history {
            match op {
                Op::Commit(small) => {
                    let batch = writes(&small, &mut seq, &model);
                    store.commit(&batch).expect("commit");
                    model.commit(&batch);
                    continue;
                }
                Op::Purge(number) => {
                    let known = store.keyring.get(&document(number)).is_some();
                    store.purge_documents(&[document(number)]).expect("purge");
                    if known {
                        model.purge(&document(number));
                    }
                }
                Op::Compact => {
                    let before = (store.head(), store.batches(), store.size().journal);
                    let report = compact::round(&mut store).expect("compact");
                    prop_assert_eq!((store.head(), store.batches()), (before.0, before.1), "the chain stays");
                    prop_assert_eq!(store.size().journal, report.after + before.2 - report.before);
                    let again = compact::round(&mut store).expect("compact");
                    prop_assert_eq!((again.rewritten, again.records), (0, 0), "what was rewritten holds nothing dead");
                }
                Op::Mend => {
                    store.close().expect("close");
                    let report = repair::repair(&setting(&disk, &index, boot), &key(), &mut |_| {}).expect("repair");
                    prop_assert_eq!((report.damage, report.lost_batches, report.lost_parts), (vec![], vec![], vec![]));
                    store = start(&disk, &index, boot).expect("open").0;
                }
                Op::Stop => {
                    store.close().expect("close");
                    boot += 1;
                    let (opened, report) = start(&disk, &index, boot).expect("open");
                    prop_assert_eq!(report.index, IndexState::Trusted);
                    store = opened;
                }
                Op::Kill => {
                    drop(store);
                    let (opened, report) = start(&disk, &index, boot).expect("open");
                    prop_assert_eq!(report.index, IndexState::Trusted);
                    store = opened;
                }
                Op::PowerCut => {
                    drop(store);
                    boot += 1;
                    store = start(&disk, &index, boot).expect("open").0;
                }
            }
            prop_assert_eq!(Model::of(&store), model.clone());
            prop_assert_eq!(store.sequence(), seq);
        }
        prop_assert_eq!(store.verify_open(&mut |_| {}).expect("verify").damage, vec![]);
    }
}
