//! Which index is believed, and that every other one is rebuilt without asking.

use super::memory::MemoryDisk;
use super::model::Model;
use super::power::{setting, start};
use super::*;

struct World {
    _temporary: tempfile::TempDir,
    disk: Arc<MemoryDisk>,
    index: PathBuf,
    model: Model,
}

fn batch(seq: u64) -> Vec<Write> {
    vec![item((seq % 5) as u8, seq, &[seq as u8; 200]), put(Table::Partners, &[(seq % 7) as u8], &seq.to_be_bytes())]
}

impl World {
    /// Forty batches; then a clean stop or none.
    fn new(clean: bool) -> Self {
        let temporary = scratch();
        let index = temporary.path().join("index");
        let disk = Arc::new(MemoryDisk::default());
        let mut store = recover::create(setting(&disk, &index, 1), &key()).expect("create");
        let mut model = Model::default();
        for seq in 1..=40 {
            store.commit(&batch(seq)).expect("commit");
            model.commit(&batch(seq));
        }
        if clean {
            store.close().expect("close");
        }
        Self { _temporary: temporary, disk, index, model }
    }

    fn db(&self) -> PathBuf {
        self.index.join("db")
    }

    /// Starts under a boot; the content is right whatever the index was.
    fn check(&self, boot: u8, expected: Result<(), &str>) -> OpenReport {
        let (store, report) = start(&self.disk, &self.index, boot).expect("start");
        match (&report.index, expected) {
            (IndexState::Trusted, Ok(())) => {}
            (IndexState::Rebuilt { reason, .. }, Err(part)) => assert!(reason.contains(part), "{reason:?} names {part:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(Model::of(&store), self.model);
        report
    }
}

#[test]
fn a_clean_stop_is_believed_once_under_any_boot() {
    let world = World::new(true);
    let report = world.check(2, Ok(()));
    assert_eq!(report.replayed, 0);
    world.check(3, Err("not stopped cleanly"));
}

#[test]
fn a_killed_process_is_believed_under_the_same_boot_only() {
    let world = World::new(false);
    world.check(1, Ok(()));
    world.check(1, Ok(()));
    world.check(2, Err("not stopped cleanly"));
}

#[test]
fn a_missing_index_is_rebuilt() {
    let world = World::new(true);
    std::fs::remove_dir_all(&world.index).expect("remove");
    world.check(1, Err("missing"));
    world.check(1, Ok(()));
}

#[test]
fn an_index_that_opens_empty_is_rebuilt() {
    let world = World::new(true);
    std::fs::remove_dir_all(&world.index).expect("remove");
    std::fs::create_dir(&world.index).expect("make");
    world.check(1, Err("opened empty"));
}

#[test]
fn a_garbled_or_cut_index_is_rebuilt_whatever_sled_makes_of_it() {
    let len = std::fs::metadata(World::new(true).db()).expect("metadata").len();
    assert!(len > 4096);
    for cut in [0, 1, 100, 4096, len / 2, len - 1] {
        let world = World::new(true);
        std::fs::OpenOptions::new().write(true).open(world.db()).and_then(|file| file.set_len(cut)).expect("cut");
        let (store, _) = start(&world.disk, &world.index, 1).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(Model::of(&store), world.model, "cut at {cut}");
    }
    for part in 0..12 {
        let world = World::new(true);
        let mut content = std::fs::read(world.db()).expect("read");
        let from = part * (content.len() / 12);
        let to = (from + 64).min(content.len());
        content[from..to].iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::write(world.db(), content).expect("write");
        let (store, report) = start(&world.disk, &world.index, 1).unwrap_or_else(|error| panic!("garbled at {from}: {error}"));
        assert_eq!(Model::of(&store), world.model, "garbled at {from}: {report:?}");
    }
}

#[test]
fn a_snapshot_that_a_crash_interrupted_is_swept_away() {
    let world = World::new(true);
    std::fs::write(world.index.join("snap.0000000000000A00.generating"), b"half").expect("write");
    world.check(1, Ok(()));
}

#[test]
fn an_index_behind_its_own_position_is_rebuilt() {
    // A page is gone while the state row says it is there: what a power cut does to sled.
    let world = World::new(false);
    {
        let store = Keyring::load(&*world.disk, &key()).expect("load").expect("keyring").store;
        let index = Index::open(&world.index, &key(), &store).expect("open");
        index.pages().lose(&index.keys().put(Table::Partners as u8, &[3]));
    }
    world.check(1, Err("lost"));
}

#[test]
fn a_page_that_sled_shows_as_it_once_was_is_noticed_by_the_sum() {
    let world = World::new(true);
    {
        let store = Keyring::load(&*world.disk, &key()).expect("load").expect("keyring").store;
        let index = Index::open(&world.index, &key(), &store).expect("open");
        index.pages().set_back(&index.keys().put(Table::Partners as u8, &[3]), &mut Random::default());
    }
    world.check(1, Err("lost or changed pages"));
}

#[test]
fn a_page_lost_in_an_index_too_large_to_be_counted_at_start_stops_the_store_and_the_next_start_rebuilds() {
    let world = World::new(true);
    let setting = || {
        let mut setting = setting(&world.disk, &world.index, 1);
        setting.options.background = true;
        setting.options.count_at_once_pages = 0;
        setting
    };
    let open = || recover::open(setting(), &key(), recover::Mode::Start, &mut |_| {}).expect("open");
    let (mut store, report) = open();
    assert_eq!(report.index, IndexState::Trusted);
    store.finish_background(true).expect("every page is there");
    store.close().expect("close");
    {
        let store = Keyring::load(&*world.disk, &key()).expect("load").expect("keyring").store;
        let index = Index::open(&world.index, &key(), &store).expect("open");
        // The last page: what is before it still looks whole.
        index.pages().lose(&[0xFE]);
    }
    let (mut store, report) = open();
    assert_eq!(report.index, IndexState::Trusted, "nobody has looked yet");
    assert!(matches!(store.finish_background(true), Err(StoreError::Fatal(why)) if why.contains("lost")));
    assert!(matches!(store.commit(&batch(41)), Err(StoreError::Fatal(_))), "the store has stopped");
    drop(store);
    let (store, report) = open();
    assert!(matches!(report.index, IndexState::Rebuilt { .. }), "{report:?}");
    assert_eq!(Model::of(&store), world.model);
}

#[test]
fn an_index_older_than_a_clean_stop_is_rebuilt_and_one_merely_behind_catches_up() {
    let world = World::new(false);
    let old = world.index.with_extension("old");
    copy(&world.index, &old);
    let (mut store, _) = start(&world.disk, &world.index, 1).expect("start");
    store.commit(&batch(41)).expect("commit");
    store.close().expect("close");
    let mut world = world;
    world.model.commit(&batch(41));
    std::fs::remove_dir_all(&world.index).expect("remove");
    copy(&old, &world.index);
    // Under another boot nobody knows what else is old.
    let (store, report) = start(&world.disk, &world.index, 2).expect("start");
    assert!(matches!(report.index, IndexState::Rebuilt { .. }), "{report:?}");
    assert_eq!(Model::of(&store), world.model);
    drop(store);
    std::fs::remove_dir_all(&world.index).expect("remove");
    copy(&old, &world.index);
    let report = world.check(2, Ok(()));
    assert!((1..=12).contains(&report.replayed), "the last batches, perhaps one for a checkpoint: {report:?}");
}

#[test]
fn a_checkpoint_spares_the_beginning_and_a_false_one_is_not_used() {
    let world = World::new(false);
    let report = world.check(2, Err("not stopped cleanly"));
    assert!(matches!(report.index, IndexState::Rebuilt { from_checkpoint: true, .. }), "{report:?}");
    assert!(report.replayed < 40, "{report:?}");
    world.disk.tamper("checkpoint", |content| {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    });
    let report = world.check(3, Err("not stopped cleanly"));
    assert!(matches!(report.index, IndexState::Rebuilt { from_checkpoint: false, .. }), "{report:?}");
    assert_eq!(report.replayed, 40);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("make");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("entry");
        match entry.file_type().expect("type").is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copy")),
        }
    }
}
