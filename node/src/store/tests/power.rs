//! Power cuts and failing operations at every place: what was acknowledged is there, and nothing is called damage that is none.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::compact;
use super::inventory;
use super::memory::{Fault, MemoryDisk, Survives};
use super::model::Model;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Write>),
    Purge(u8),
    /// Closed journal files are rewritten without what is dead.
    Compact,
    /// An inventory of the documents is written.
    Inventory,
    /// A clean stop and a start under a new boot.
    Restart,
    /// The process is killed and started again.
    Kill,
}

/// Files rotate, checkpoints and keyrings are written, a document is purged, the store is stopped and killed.
fn story() -> Vec<Step> {
    let mut seq = 0;
    let mut batch = |size: usize, number: u8| {
        seq += 1;
        let mut writes = vec![item(number, seq, &vec![number; size]), put(Table::Local, &[number], &seq.to_be_bytes())];
        if seq.is_multiple_of(3) {
            writes.push(put(Table::Documents, &[number; 32], format!("summary {seq}").as_bytes()));
            writes.push(Write::Account(format!("line {seq}").into_bytes()));
        }
        if seq.is_multiple_of(5) {
            writes.push(remove(Table::Local, &[number.wrapping_sub(1)]));
            writes.push(put(Table::Statements, b"large", &vec![seq as u8; 5000]));
        }
        Step::Commit(writes)
    };
    let mut steps =
        vec![batch(10, 1), batch(700, 2), batch(1500, 1), batch(10, 3), Step::Kill, batch(2000, 2), batch(900, 4), Step::Purge(2)];
    steps.extend([
        batch(30, 5),
        Step::Inventory,
        batch(4000, 1),
        Step::Restart,
        batch(100, 1),
        Step::Compact,
        batch(1200, 5),
        batch(6000, 6),
        Step::Inventory,
        Step::Purge(6),
        batch(50, 7),
        Step::Inventory,
    ]);
    steps.push(Step::Commit(vec![Write::Account(b"alone".to_vec())]));
    steps.push(Step::Restart);
    steps.push(batch(80, 1));
    steps.push(Step::Compact);
    steps.push(batch(80, 1));
    steps
}

pub fn setting(disk: &Arc<MemoryDisk>, index: &Path, boot: u8) -> Setting {
    Setting { disk: disk.clone(), dir: PathBuf::from("memory"), index: index.to_owned(), boot: Some([boot; 16]), options: small() }
}

pub fn start(disk: &Arc<MemoryDisk>, index: &Path, boot: u8) -> Result<(Store, OpenReport), StoreError> {
    recover::open(setting(disk, index, boot), &key(), recover::Mode::Start, &mut |_| {})
}

struct Outcome {
    /// Everything acknowledged.
    acknowledged: Model,
    /// With what was under way when the disk failed.
    possible: Option<Model>,
}

/// Plays the story until the disk fails for good. `None` if the store was never made.
fn play(disk: &Arc<MemoryDisk>, index: &Path, context: &str) -> Option<Outcome> {
    play_steps(&story(), disk, index, context)
}

fn play_steps(steps: &[Step], disk: &Arc<MemoryDisk>, index: &Path, context: &str) -> Option<Outcome> {
    let mut store = recover::create(setting(disk, index, 1), &key()).ok()?;
    let mut model = Model::default();
    let mut boot = 1;
    for step in steps {
        let mut after = model.clone();
        let result = match step {
            Step::Commit(writes) => {
                after.commit(writes);
                store.commit(writes)
            }
            Step::Purge(number) => {
                if model.items.contains_key(&document(*number)) {
                    after.purge(&document(*number));
                }
                store.purge_documents(&[document(*number)])
            }
            Step::Compact => compact::round(&mut store).map(|_| ()),
            // Whether it succeeds is nobody's concern but its own.
            Step::Inventory => {
                let _ = inventory::take(&mut store);
                Ok(())
            }
            Step::Kill | Step::Restart => {
                let stopped = match step {
                    Step::Kill => {
                        drop(store);
                        Ok(())
                    }
                    _ => {
                        boot += 1;
                        store.close()
                    }
                };
                match stopped.and_then(|()| start(disk, index, boot)) {
                    Ok((opened, _)) => store = opened,
                    Err(StoreError::Fatal(_) | StoreError::Io { .. } | StoreError::Full { .. }) => {
                        return Some(Outcome { acknowledged: model, possible: None });
                    }
                    Err(error) => panic!("{context}: starting again: {error}"),
                }
                continue;
            }
        };
        match result {
            Ok(()) => model = after,
            Err(StoreError::Full { .. }) if matches!(step, Step::Purge(_)) => {
                let now = Model::of(&store);
                assert!(now == model || now == after, "{context}: a purge without room is begun or not");
                model = now;
            }
            Err(StoreError::Full { .. }) => assert_eq!(Model::of(&store), model, "{context}: a refused batch leaves nothing"),
            Err(StoreError::Fatal(_)) => {
                let again = store.commit(&[Write::Account(b"again".to_vec())]);
                assert!(matches!(again, Err(StoreError::Fatal(_))), "{context}: a stopped store takes nothing more, got {again:?}");
                assert!(store.get(Table::Local, b"x").is_err(), "{context}: nor answers");
                return Some(Outcome { acknowledged: model, possible: Some(after) });
            }
            Err(error) => panic!("{context}: {step:?}: {error}"),
        }
    }
    Some(Outcome { acknowledged: model, possible: None })
}

fn check(disk: MemoryDisk, outcome: &Outcome, same_boot: Option<&Path>, context: &str) {
    let disk = Arc::new(disk);
    let temporary = scratch();
    let index = temporary.path().join("index");
    let opened = match same_boot {
        Some(index) => start(&disk, index, 3),
        None => start(&disk, &index, 9),
    };
    let (mut store, report) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = Model::of(&store);
    let fits = found == outcome.acknowledged || outcome.possible.as_ref() == Some(&found);
    assert!(fits, "{context}: {report:?}\nfound {found:?}\nacknowledged {:?}", outcome.acknowledged);
    inventory::agrees(&store, context);
    let verified = store.verify_open(&mut |_| {}).expect("verify");
    assert_eq!(verified.damage, vec![], "{context}");
    // And what came after the failure survives the next power cut, with all before it.
    store.commit(&[put(Table::Local, b"after", b"1")]).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = Model::of(&store);
    drop(store);
    let disk = Arc::new(disk.image(Survives::Nothing, &mut SmallRng::seed_from_u64(0)));
    let (store, _) = start(&disk, &temporary.path().join("again"), 10).unwrap_or_else(|error| panic!("{context}, then cut: {error}"));
    assert_eq!(Model::of(&store), found, "{context}, then cut");
}

#[test]
fn whatever_operation_fails_what_was_acknowledged_is_there_and_nothing_is_called_damage() {
    let temporary = scratch();
    let whole = Arc::new(MemoryDisk::default());
    let outcome = play(&whole, &temporary.path().join("index"), "without a fault").expect("made");
    check(whole.copy(), &outcome, None, "without a fault");
    let operations = whole.operations();
    assert!(operations > 150, "the story is long enough to be worth it, {operations} operations");
    for at in 1..=operations {
        for fault in [Fault::Error, Fault::NoRoom, Fault::Short, Fault::Cut, Fault::CutAfter] {
            let temporary = scratch();
            let index = temporary.path().join("index");
            let disk = Arc::new(MemoryDisk::failing(at, fault));
            let seed = at * 10 + fault as u64;
            let context = format!("{fault:?} at operation {at}, seed {seed}");
            let Some(outcome) = play(&disk, &index, &context) else { continue };
            let context = format!("{context}\n{}", disk.log());
            let mut random = SmallRng::seed_from_u64(seed);
            match fault {
                // Not a power cut: the system's cache lives on.
                Fault::Error | Fault::NoRoom | Fault::Short => check(disk.copy(), &outcome, Some(&index), &context),
                Fault::Cut | Fault::CutAfter => {
                    let survives = [Survives::Nothing, Survives::Everything, Survives::Parts, Survives::Parts];
                    for survives in survives {
                        check(disk.image(survives, &mut random), &outcome, None, &format!("{context}\n{survives:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn every_prefix_of_an_unsynced_batch_opens_as_if_it_had_never_been_or_as_whole() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    let mut model = Model::default();
    let first = vec![item(1, 1, b"first"), put(Table::Local, b"a", b"1")];
    store.commit(&first).expect("commit");
    model.commit(&first);
    let synced = store.journal.head().end as usize;
    let second = vec![item(1, 2, b"second"), item(2, 3, b"new document"), put(Table::Local, b"a", b"2")];
    let before = disk.copy();
    store.commit(&second).expect("commit");
    let whole = disk.bytes("journal/00000001.journal")[..store.journal.head().end as usize].to_vec();
    let mut random = SmallRng::seed_from_u64(1);
    for cut in synced..=whole.len() {
        // Written into room that was durable before, or making the file longer.
        for (garble, room) in [(false, true), (true, true), (false, false), (true, false)] {
            let image = before.image(Survives::Everything, &mut random);
            let mut tail = whole[synced..cut].to_vec();
            if garble {
                if tail.len() < 2 || cut % 3 != 0 {
                    continue;
                }
                let middle = tail.len() / 2;
                tail[middle] ^= 0x10;
            }
            image.tamper("journal/00000001.journal", |content| {
                if !room {
                    content.truncate(synced);
                }
                content.resize(content.len().max(cut), 0);
                content[synced..cut].copy_from_slice(&tail);
            });
            let image = Arc::new(image);
            let index = temporary.path().join(format!("index{cut}{garble}{room}"));
            let (opened, report) = start(&image, &index, 2).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let mut expected = model.clone();
            let came_whole = !garble && whole[cut..].iter().all(|byte| room && *byte == 0);
            if came_whole {
                expected.commit(&second);
            }
            assert_eq!(Model::of(&opened), expected, "cut at {cut} of {}: {report:?}", whole.len());
            let torn = if came_whole { 0 } else { tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1) };
            assert_eq!(report.torn_tail_bytes, torn as u64);
            assert_eq!(
                image.bytes("journal/00000001.journal").len() as u64,
                opened.journal.head().end,
                "nothing stays behind the last batch"
            );
            drop(opened);
            std::fs::remove_dir_all(index).expect("remove");
        }
    }
}

/// One of the few things that happen to a store; `seq` keeps item sequences rising.
fn letter(number: usize, seq: u64) -> Step {
    match number {
        0 => Step::Commit(vec![item(3, seq, b"small"), put(Table::Local, b"a", &seq.to_be_bytes())]),
        // Longer than a journal file: the next batch begins another.
        1 => Step::Commit(vec![item(2, seq, &[seq as u8; 4_500]), put(Table::Documents, &[2; 32], b"summary")]),
        2 => Step::Commit(vec![remove(Table::Local, b"a"), Write::Account(b"line".to_vec())]),
        3 => Step::Purge(1),
        4 => Step::Kill,
        5 => Step::Compact,
        6 => Step::Inventory,
        _ => Step::Restart,
    }
}

/// Every run of a few steps there is, with the power cut at every operation of the last one: the earlier ones are cut in shorter runs.
/// Two steps by default; `ACCORD_WORKLOAD_STEPS=3` for the long run.
#[test]
fn after_every_short_run_of_steps_a_power_cut_anywhere_costs_nothing_acknowledged() {
    const LETTERS: usize = 8;
    let length = std::env::var("ACCORD_WORKLOAD_STEPS").ok().map_or(2, |text| text.parse().expect("a number"));
    let mut cuts = 0;
    for run in 0..LETTERS.pow(length) {
        let word: Vec<usize> = (0..length).map(|place| run / LETTERS.pow(place) % LETTERS).collect();
        // Something to purge and to reopen is always there.
        let mut steps = vec![Step::Commit(vec![item(1, 1, b"first"), put(Table::Local, b"b", b"1")])];
        steps.extend(word.iter().enumerate().map(|(place, number)| letter(*number, place as u64 + 2)));
        let operations = |steps: &[Step]| {
            let temporary = scratch();
            let disk = Arc::new(MemoryDisk::default());
            play_steps(steps, &disk, &temporary.path().join("index"), "without a fault").expect("made");
            disk.operations()
        };
        let (before, all) = (operations(&steps[..steps.len() - 1]), operations(&steps));
        for at in before + 1..=all {
            let temporary = scratch();
            let disk = Arc::new(MemoryDisk::failing(at, Fault::Cut));
            let context = format!("steps {word:?}, cut at operation {at} of {all}");
            let outcome = play_steps(&steps, &disk, &temporary.path().join("index"), &context).expect("made");
            let mut random = SmallRng::seed_from_u64(at);
            for survives in [Survives::Nothing, Survives::Everything, Survives::Parts] {
                check(disk.image(survives, &mut random), &outcome, None, &format!("{context}\n{survives:?}\n{}", disk.log()));
                cuts += 1;
            }
        }
    }
    assert!(cuts > 300, "{cuts} cuts");
}
