//! Backups: the store of one moment and no other, damage of every kind told, and never half a file under the whole one's name.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use zeroize::Zeroizing;

use super::super::backup::{self, BackupError, Header, Kit, Label, Landing, Source};
use super::memory::{Fault, MemoryDisk, Survives};
use super::model::Model;
use super::power::setting;
use super::*;

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn read(&self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let from = (offset as usize).min(self.0.len());
        let len = into.len().min(self.0.len() - from);
        into[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }
}

const FILE_KEY: [u8; 32] = [5; 32];

fn label() -> Label {
    Label {
        id: [9; 16],
        day: 20_000,
        key: Zeroizing::new(FILE_KEY),
        recovery_day: 19_000,
        wrap: b"a key file".to_vec(),
        made: 1_728_000_000,
    }
}

fn kit() -> Kit {
    Kit(vec![("keys/node.keys".to_owned(), Zeroizing::new(b"sealed".to_vec())), ("accord.toml".to_owned(), Zeroizing::new(Vec::new()))])
}

pub fn written(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    let done = store.snapshot().expect("open").write(&label(), &kit(), &mut |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    });
    done.expect("written");
    out
}

/// A store of several journal files, with a document purged.
fn filled(index: &Path) -> (Arc<MemoryDisk>, Store, Model) {
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, index, 1), &key()).expect("create");
    let mut model = Model::default();
    for seq in 1..=12 {
        let number = (seq % 4) as u8;
        let batch = vec![item(number, seq, &[seq as u8; 700]), put(Table::Local, &[seq as u8], &seq.to_be_bytes())];
        store.commit(&batch).expect("commit");
        model.commit(&batch);
    }
    store.purge_documents(&[document(2)]).expect("purged");
    model.purge(&document(2));
    (disk, store, model)
}

fn opened<'a>(source: &'a Bytes<'_>, key: &'a StoreKey) -> Result<backup::Backup<'a>, BackupError> {
    let outline = backup::examine(source, &mut |_| {})?;
    backup::open(source, outline, &FILE_KEY, key)
}

/// The store that a backup becomes, on a disk in memory.
pub fn restored(bytes: &[u8], writes: &[Write]) -> Model {
    let (temporary, source, key) = (scratch(), Bytes(bytes), key());
    let backup = opened(&source, &key).expect("opens");
    let report = backup.verify(&mut |_| {}).expect("reads to its end");
    assert_eq!(report.damage, vec![]);
    let disk = Arc::new(MemoryDisk::default());
    let setting = setting(&disk, &temporary.path().join("index"), 1);
    backup.restore_on(setting.clone(), writes, &mut |_| {}).expect("restored");
    let (store, report) = recover::open(setting, &key, recover::Mode::Start, &mut |_| {}).expect("opens");
    assert_eq!(report.torn_tail_bytes, 0);
    let mut model = Model::of(&store);
    for write in writes {
        model.tables.retain(|(table, key), _| !matches!(write, Write::Put { table: of, key: at, .. } if (of, at) == (table, key)));
    }
    model
}

#[test]
fn a_backup_holds_the_moment_it_was_begun_at_whatever_is_written_meanwhile() {
    let temporary = scratch();
    let (_, mut store, model) = filled(&temporary.path().join("index"));
    let snapshot = store.snapshot().expect("open");
    let mut out = Vec::new();
    let mut seq = 100;
    let mut later = model.clone();
    let done = snapshot.write(&label(), &kit(), &mut |bytes| {
        // Entries, a new document, and the destruction of one that is in the backup.
        seq += 1;
        let batch = [item((seq % 50) as u8 + 10, seq, &[1; 900]), put(Table::Local, b"later", &seq.to_be_bytes())];
        store.commit(&batch).expect("commit");
        later.commit(&batch);
        if seq == 105 {
            store.purge_documents(&[document(1)]).expect("purged");
            later.purge(&document(1));
        }
        out.extend_from_slice(bytes);
        Ok(())
    });
    done.expect("written");
    assert!(seq > 110 && Model::of(&store) == later, "the store went on");
    assert_eq!(restored(&out, &[put(Table::Local, b"suspect", &[1])]), model);
    assert!(restored(&written(&store), &[]) == later, "and the next one holds the later moment");
}

#[test]
fn what_is_appended_to_the_same_file_right_after_the_snapshot_is_not_in_the_backup() {
    let temporary = scratch();
    let (_, mut store, mut model) = filled(&temporary.path().join("index"));
    // Several batches fit into one journal file, so most of these rounds end in the middle of one.
    for seq in 50..56 {
        let batch = [put(Table::Local, b"before", &[seq])];
        store.commit(&batch).expect("commit");
        model.commit(&batch);
        let snapshot = store.snapshot().expect("open");
        let after = [put(Table::Local, b"after", &[seq])];
        store.commit(&after).expect("commit");
        let mut out = Vec::new();
        let done = snapshot.write(&label(), &kit(), &mut |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        });
        done.expect("written");
        assert_eq!(restored(&out, &[]), model, "round {seq}");
        model.commit(&after);
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_told_and_nothing_panics() {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    for seq in 1..=4 {
        store.commit(&[item(seq as u8, seq, &[seq as u8; 40]), put(Table::Local, &[seq as u8], b"x")]).expect("commit");
    }
    let whole = written(&store);
    let key = key();
    opened(&Bytes(&whole), &key).expect("whole").verify(&mut |_| {}).expect("whole");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = backup::examine(&Bytes(&flipped), &mut |_| {}).expect_err("a flipped byte");
        match error {
            BackupError::Foreign => assert!(at < 8, "byte {at}"),
            BackupError::Damaged { at: found, .. } => assert!(found <= at as u64, "byte {at} told at {found}"),
            other => panic!("byte {at}: {other}"),
        }
    }
    for len in 0..whole.len() {
        match backup::examine(&Bytes(&whole[..len]), &mut |_| {}) {
            Err(BackupError::Foreign) => assert_eq!(len, 0),
            Err(BackupError::Truncated { have, want }) => assert!(have == len as u64 && want > have, "cut at {len}"),
            other => panic!("cut at {len}: {other:?}"),
        }
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(matches!(backup::examine(&Bytes(&longer), &mut |_| {}), Err(BackupError::Damaged { .. })));
}

/// The file with the checks of header and parts made to fit again: what somebody without the key can do.
fn forged(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    let sum = blake3::hash(&bytes[..78]);
    bytes[78..94].copy_from_slice(&sum.as_bytes()[..16]);
    let header = bytes[..94].to_vec();
    let mut at = 94;
    while at + 49 <= bytes.len() {
        let len = u64::from_be_bytes(bytes[at + 9..at + 17].try_into().expect("eight bytes")) as usize;
        let Some(end) = at.checked_add(17 + len).filter(|end| end + 32 <= bytes.len()) else { break };
        let mut hasher = blake3::Hasher::new_derive_key("accord backup v1 part");
        hasher.update(&header).update(&bytes[at..end]);
        bytes[end..end + 32].copy_from_slice(hasher.finalize().as_bytes());
        at = end + 32;
    }
    bytes
}

#[test]
fn what_was_changed_by_somebody_who_mended_the_checks_does_not_open() {
    let temporary = scratch();
    let (_, store, _) = filled(&temporary.path().join("index"));
    let whole = written(&store);
    let key = key();
    assert_eq!(forged(&whole, |_| {}), whole, "the checks are those of the format");
    let middle = whole.len() / 2;
    // The journal, the wrap, the date, the last byte of the manifest.
    for at in [middle, 94 + 17, 46, whole.len() - 33] {
        let bytes = forged(&whole, |bytes| bytes[at] ^= 1);
        let source = Bytes(&bytes);
        let error = opened(&source, &key).err().unwrap_or_else(|| panic!("byte {at} was changed and it opens"));
        assert!(matches!(error, BackupError::Damaged { .. } | BackupError::WrongKey), "byte {at}: {error}");
    }
    // Lengths and counts that promise too much.
    for (at, value) in [(74, 0xff), (94 + 9, 0x7f), (94 + 10, 0x7f), (66, 0x7f)] {
        let bytes = forged(&whole, |bytes| bytes[at] = value);
        let error = backup::examine(&Bytes(&bytes), &mut |_| {}).expect_err("a promise nobody keeps");
        assert!(matches!(error, BackupError::Damaged { .. } | BackupError::Truncated { .. }), "byte {at}: {error}");
    }
    let newer = forged(&whole, |bytes| bytes[9] = 2);
    assert!(matches!(backup::examine(&Bytes(&newer), &mut |_| {}), Err(BackupError::Newer { found: 2, known: 1 })));
    let source = Bytes(&whole);
    let outline = backup::examine(&source, &mut |_| {}).expect("whole");
    assert!(matches!(backup::open(&source, outline.clone(), &[6; 32], &key), Err(BackupError::WrongKey)), "another day's key");
    assert!(matches!(backup::open(&source, outline, &FILE_KEY, &StoreKey::new([8; 32])), Err(BackupError::WrongKey)), "another store");
}

#[test]
fn a_backup_without_its_file_key_keeps_closed_what_the_store_key_would_open() {
    let temporary = scratch();
    let (_, store, _) = filled(&temporary.path().join("index"));
    let whole = written(&store);
    // The keyring as it lies on the disk opens under the store key; in the file no byte of it stands open.
    let ring = b"ACCKEYRG";
    assert!(!whole.windows(ring.len()).any(|window| window == ring));
    // What was purged before is in no later backup, whoever has all keys.
    let key = key();
    let source = Bytes(&whole);
    let report = opened(&source, &key).expect("opens").verify(&mut |_| {}).expect("whole");
    assert_eq!((report.purged, report.items), (3, 9));
}

#[test]
fn whatever_operation_fails_no_half_backup_bears_the_name_of_a_whole_one() {
    let temporary = scratch();
    let (_, store, _) = filled(&temporary.path().join("index"));
    let whole = written(&store);
    let land = |disk: &Arc<MemoryDisk>| -> Result<(), BackupError> {
        let mut landing = Landing::begin_on(disk.clone(), "a.backup", &[9; 16])?;
        for piece in whole.chunks(1_500) {
            landing.take(piece)?;
        }
        landing.finish().map(|_| ())
    };
    let disk = Arc::new(MemoryDisk::default());
    land(&disk).expect("without a fault");
    assert!(disk.bytes("a.backup") == whole);
    assert!(matches!(land(&disk), Err(BackupError::Exists)), "never over a file that is there");
    let operations = disk.operations();
    assert!(operations > 8, "{operations}");
    let mut seen = [0; 2];
    for at in 1..=operations {
        for fault in [Fault::Error, Fault::NoRoom, Fault::Short, Fault::Cut, Fault::CutAfter] {
            let disk = Arc::new(MemoryDisk::failing(at, fault));
            let landed = land(&disk);
            for (seed, survives) in [Survives::Nothing, Survives::Everything, Survives::Parts, Survives::Parts].into_iter().enumerate() {
                let context = format!("{fault:?} at operation {at}, {survives:?}, seed {seed}\n{}", disk.log());
                let image = disk.image(survives, &mut SmallRng::seed_from_u64(at * 10 + seed as u64));
                let there = image.len("a.backup").expect("readable").is_some();
                assert!(!there || image.bytes("a.backup") == whole, "{context}");
                assert!(there || landed.is_err(), "said to be done and not there: {context}");
                seen[usize::from(there)] += 1;
                // The next try clears away what this one left, and nothing of it is taken for a backup.
                for name in image.list("").expect("readable").iter().filter(|name| *name != "a.backup" && name.ends_with(".part")) {
                    let left = image.bytes(name);
                    assert!(left == whole || backup::examine(&Bytes(&left), &mut |_| {}).is_err(), "{name}: {context}");
                }
                let again = Arc::new(image);
                match land(&again) {
                    Ok(()) | Err(BackupError::Exists) => {}
                    Err(error) => panic!("trying again: {error}: {context}"),
                }
                assert_eq!(again.list("").expect("readable"), ["a.backup"], "{context}");
            }
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "both ends were met: {seen:?}");
}

#[test]
fn a_disk_without_room_is_told_before_much_is_written() {
    let temporary = scratch();
    let (_, store, _) = filled(&temporary.path().join("index"));
    let whole = written(&store);
    let disk = Arc::new(MemoryDisk::with_capacity(whole.len() as u64 + 1_000));
    let mut landing = Landing::begin_on(disk.clone(), "a.backup", &[9; 16]).expect("a free name");
    assert!(matches!(landing.take(&whole), Err(BackupError::NoRoom { .. })));
    drop(landing);
    assert_eq!((disk.used(), disk.list("").expect("readable").len()), (0, 0));
    let mut landing = Landing::begin_on(Arc::new(MemoryDisk::default()), "a.backup", &[9; 16]).expect("a free name");
    landing.take(&whole[..whole.len() - 1]).expect("room");
    assert!(matches!(landing.finish(), Err(BackupError::Truncated { .. })), "a stream that broke off");
}

#[test]
fn whatever_operation_of_a_restore_fails_no_store_comes_of_it_that_is_not_whole() {
    let temporary = scratch();
    let (_, store, model) = filled(&temporary.path().join("index"));
    let whole = written(&store);
    let key = key();
    let flag = [put(Table::Local, b"suspect", &[1])];
    let restore = |disk: &Arc<MemoryDisk>, index: &Path| {
        let source = Bytes(&whole);
        let backup = opened(&source, &key).expect("opens");
        backup.restore_on(setting(disk, index, 1), &flag, &mut |_| {}).map(|_| ())
    };
    let disk = Arc::new(MemoryDisk::default());
    restore(&disk, &temporary.path().join("whole")).expect("without a fault");
    let operations = disk.operations();
    for at in 1..=operations {
        for fault in [Fault::Error, Fault::Cut, Fault::CutAfter] {
            let temporary = scratch();
            let disk = Arc::new(MemoryDisk::failing(at, fault));
            let context = format!("{fault:?} at operation {at}");
            let done = restore(&disk, &temporary.path().join("index"));
            let image = Arc::new(disk.image(Survives::Parts, &mut SmallRng::seed_from_u64(at)));
            let opened = recover::open(setting(&image, &temporary.path().join("again"), 9), &key, recover::Mode::Start, &mut |_| {});
            match opened {
                // Whoever moves such a folder into place by hand has all of the journal; the flag is the last batch.
                Ok((store, _)) => {
                    let mut found = Model::of(&store);
                    let flagged = found.tables.remove(&(Table::Local, b"suspect".to_vec())).is_some();
                    assert_eq!(found, model, "{context}");
                    assert!(flagged || done.is_err(), "{context}: done and not flagged");
                }
                Err(StoreError::NotFound { .. } | StoreError::Damaged(_)) => assert!(done.is_err(), "{context}: done and not there"),
                Err(error) => panic!("{context}: {error}"),
            }
        }
    }
}

#[test]
fn the_bytes_of_a_header_and_of_a_part_never_change() {
    let header =
        Header { id: [9; 16], store: [3; 16], day: 20_000, recovery_day: 19_000, made: 1_728_000_000, batches: 7, total: 1_234, parts: 5 };
    let bytes = header.encode();
    assert_eq!(hex::encode(&bytes[..10]), "4143434241434b500001");
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), "f2a841baf13bcf7854c0cebb74da951f95daa6a043ce85d48f13e8ec0b3117d3");
    assert_eq!(Header::parse(&bytes).expect("parse"), header);
}

#[test]
fn only_what_an_earlier_try_left_is_cleared_away() {
    let disk = Arc::new(MemoryDisk::default());
    let names =
        ["a.backup.0123456789abcdef.part", "a.backup.zip.part", "a.backup.0123456789ABCDEF.part", "a.backup.0123456789abcdef0.part"];
    for name in names {
        disk.create(name).expect("made");
    }
    drop(Landing::begin_on(disk.clone(), "a.backup", &[1; 16]).expect("a free name"));
    assert_eq!(names.map(|name| disk.len(name).expect("readable").is_some()), [false, true, true, true]);
}

#[test]
fn a_backup_that_came_into_the_place_meanwhile_is_not_written_over() {
    let (temporary, dir) = folder();
    let store = Store::create_with(&dir, &key(), &small()).expect("create");
    let bytes = written(&store);
    let file = temporary.path().join("a.backup");
    let mut landing = Landing::begin(&file, &[1; 16]).expect("a free name");
    landing.take(&bytes).expect("room");
    std::fs::write(&file, b"another's").expect("written");
    assert!(matches!(landing.finish(), Err(BackupError::Exists)));
    assert_eq!(std::fs::read(&file).expect("there"), b"another's");
    let left = std::fs::read_dir(temporary.path()).expect("there").count();
    assert_eq!(left, 2, "the store, and the other's file");
    // The system itself says so, not a look taken before.
    let disk = disk::RealDisk::new(temporary.path());
    disk.create("one").expect("made");
    assert_eq!(disk.rename_new("one", "a.backup").expect_err("it is there").kind(), std::io::ErrorKind::AlreadyExists);
    disk.rename_new("one", "two").expect("a free name");
    assert_eq!((disk.len("one").expect("readable"), disk.len("two").expect("readable")), (None, Some(0)));
}
