//! An inventory says what the tables say, or it is not believed.

use accord_protocol::bureau::Sheets;

use super::super::inventory::Inventory;
use super::memory::MemoryDisk;
use super::power::{setting, start};
use super::*;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// An inventory as the core might write it: a sheet for each document, the ids in the head.
pub fn take(store: &mut Store) -> Result<InventoryFile, StoreError> {
    let rows = store.scan(Table::Documents)?;
    let mut writer = store.inventory_writer()?;
    rows.iter().try_for_each(|(_, value)| writer.put(value))?;
    let file = writer.finish(&rows.iter().flat_map(|(key, _)| key.clone()).collect::<Vec<u8>>())?;
    store.inventory_stands(&file);
    Ok(file)
}

/// The documents an inventory and what came since make together.
fn read(store: &Store, inventory: &Inventory) -> Option<Rows> {
    let sheet = |(number, key): (usize, &[u8])| Some((key.to_vec(), inventory.sheets.sheet(number as u32)?.to_vec()));
    let mut rows: Rows = inventory.head.chunks(32).enumerate().map(sheet).collect::<Option<_>>()?;
    for document in &inventory.since {
        match store.get(Table::Documents, &document.0).expect("readable") {
            Some(value) => drop(rows.insert(document.0.to_vec(), value)),
            None => drop(rows.remove(document.0.as_slice())),
        }
    }
    Some(rows)
}

/// Whether there is an inventory that is believed; what it says must be what the table says.
pub fn agrees(store: &Store, context: &str) -> bool {
    let Some(inventory) = store.inventory().expect("whatever is wrong with it is no error") else { return false };
    let rows = read(store, &inventory).unwrap_or_else(|| panic!("{context}: a sheet of an inventory that was believed does not read"));
    assert_eq!(rows, store.scan(Table::Documents).expect("readable").into_iter().collect::<Rows>(), "{context}: inventory and table");
    true
}

fn row(number: u8, text: &str) -> Write {
    put(Table::Documents, &[number; 32], text.as_bytes())
}

fn begun() -> (tempfile::TempDir, Arc<MemoryDisk>, Store) {
    let temporary = scratch();
    let disk = Arc::new(MemoryDisk::default());
    let mut store = recover::create(setting(&disk, &temporary.path().join("index"), 1), &key()).expect("create");
    store.commit(&[row(1, "one"), row(2, "two"), row(3, "three")]).expect("commit");
    (temporary, disk, store)
}

fn again(disk: &Arc<MemoryDisk>, temporary: &tempfile::TempDir, store: Store) -> Store {
    drop(store);
    start(disk, &temporary.path().join("index"), 1).expect("start").0
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list("").expect("list").into_iter().filter(|name| name.starts_with("inventory")).collect()
}

#[test]
fn of_what_was_written_since_the_journal_tells() {
    let (temporary, disk, mut store) = begun();
    assert!(!agrees(&store, "none yet"));
    take(&mut store).expect("written");
    let since =
        |store: &Store| store.inventory().expect("no error").expect("believed").since.into_iter().map(|id| id.0[0]).collect::<Vec<_>>();
    assert_eq!(since(&store), [0; 0]);
    store.commit(&[row(2, "two again"), row(4, "four"), item(1, 9, b"no row")]).expect("commit");
    store.commit(&[remove(Table::Documents, &[3; 32]), put(Table::Local, &[5; 32], b"of another table")]).expect("commit");
    assert_eq!(since(&store), [2, 3, 4]);
    assert!(agrees(&store, "running"));
    let store = again(&disk, &temporary, store);
    assert!(agrees(&store, "started again"));
    assert_eq!(since(&store), [2, 3, 4]);
    store.close().expect("closed");
    let (store, _) = start(&disk, &temporary.path().join("index"), 2).expect("start");
    assert!(agrees(&store, "after a clean stop"));
    assert!(store.size().inventory > 300);
}

#[test]
fn a_newer_one_takes_the_place_of_the_one_before_and_what_is_unfinished_goes() {
    let (temporary, disk, mut store) = begun();
    let first = take(&mut store).expect("written");
    store.commit(&[row(4, "four")]).expect("commit");
    take(&mut store).expect("written");
    assert_eq!(names(&disk).len(), 1);
    assert!(first.sheet(0).is_none(), "the older one is gone");
    let mut unfinished = store.inventory_writer().expect("begun");
    unfinished.put(&vec![7; 2 << 20]).expect("written");
    assert_eq!(names(&disk).len(), 2);
    let store = again(&disk, &temporary, store);
    assert!(agrees(&store, "started again"));
    assert_eq!(names(&disk).len(), 1, "half of one is not kept");
}

#[test]
fn a_purge_makes_it_unreadable_for_who_starts_next_and_for_a_thief_with_the_store_key() {
    let (temporary, disk, mut store) = begun();
    let file = take(&mut store).expect("written");
    assert!(store.is_inventory_of_now(&file));
    let mut seen = 0;
    store.dump_plaintext(&mut |piece| seen += usize::from(piece == b"two")).expect("dump");
    assert_eq!(seen, 2, "the row and the inventory say so");
    store.purge_documents(&[document(2)]).expect("purged");
    assert!(!store.is_inventory_of_now(&file));
    assert_eq!(file.sheet(1).as_deref(), Some(b"two".as_slice()), "who has it open has its key");
    let whole = disk.bytes(&names(&disk)[0]);
    store.dump_plaintext(&mut |piece| assert_ne!(piece, b"two")).expect("dump");
    let store = again(&disk, &temporary, store);
    assert!(!agrees(&store, "after a purge"));
    assert_eq!(names(&disk), [""; 0], "what opens under no key is no use");
    // Nor when somebody puts it back.
    disk.create("inventory-0000000000000001").expect("made");
    disk.append("inventory-0000000000000001", &whole).expect("written");
    assert!(!agrees(&store, "put back"));
}

#[test]
fn any_changed_byte_and_any_cut_is_noticed_before_it_tells_anything() {
    let (_temporary, disk, mut store) = begun();
    take(&mut store).expect("written");
    let name = names(&disk)[0].clone();
    let whole = disk.bytes(&name);
    let table: Rows = store.scan(Table::Documents).expect("readable").into_iter().collect();
    let put_back = |bytes: &[u8]| {
        disk.remove_if_there(&name).expect("removed");
        disk.create(&name).expect("made");
        disk.append(&name, bytes).expect("written");
    };
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        put_back(&changed);
        let read = store.inventory().expect("no error").and_then(|inventory| read(&store, &inventory));
        assert_eq!(read, None, "byte {at}");
        put_back(&whole[..at]);
        assert!(store.inventory().expect("no error").is_none(), "cut at {at}");
    }
    put_back(&whole);
    let read = store.inventory().expect("no error").and_then(|inventory| read(&store, &inventory));
    assert_eq!(read, Some(table));
}

#[test]
fn neither_an_older_sheet_nor_an_older_inventory_brings_back_what_was() {
    let (temporary, disk, mut store) = begun();
    let first = take(&mut store).expect("written");
    let (old_name, old) = (names(&disk)[0].clone(), disk.bytes(&names(&disk)[0]));
    store.commit(&[row(1, "eno")]).expect("commit");
    take(&mut store).expect("written");
    let name = names(&disk)[0].clone();
    let new = disk.bytes(&name);
    // The first sheet of the older one in the place of that of the newer, which is as long.
    let sheet = 42..usize::try_from(first.bytes()).expect("small") / 3;
    disk.tamper(&name, |content| content[sheet.clone()].copy_from_slice(&old[sheet.clone()]));
    let inventory = store.inventory().expect("no error").expect("its tail is whole");
    assert!(inventory.sheets.sheet(0).is_none());
    // The older one alone: what it says is older, and the journal tells what came since.
    disk.tamper(&name, |content| *content = new);
    disk.remove(&name).expect("removed");
    disk.create(&old_name).expect("made");
    disk.append(&old_name, &old).expect("written");
    let store = again(&disk, &temporary, store);
    assert!(agrees(&store, "the older one"));
    // One of another store.
    let (_other_temporary, other_disk, mut other) = begun();
    take(&mut other).expect("written");
    let foreign = other_disk.bytes(&names(&other_disk)[0]);
    disk.tamper(&old_name, |content| *content = foreign);
    assert!(!agrees(&store, "of another store"));
}

#[test]
fn one_of_batches_the_journal_does_not_have_is_not_believed() {
    let (temporary, disk, mut store) = begun();
    let before = disk.copy();
    store.commit(&[row(1, "later")]).expect("commit");
    take(&mut store).expect("written");
    let bytes = disk.bytes(&names(&disk)[0]);
    let before = Arc::new(before);
    before.create("inventory-0000000000000009").expect("made");
    before.append("inventory-0000000000000009", &bytes).expect("written");
    drop(store);
    let (mut store, _) = start(&before, &temporary.path().join("other"), 5).expect("start");
    assert!(!agrees(&store, "ahead of the journal"));
    // The same number of batches, and another history.
    store.commit(&[row(1, "otherwise")]).expect("commit");
    before.create("inventory-0000000000000009").expect("made");
    before.append("inventory-0000000000000009", &bytes).expect("written");
    assert!(!agrees(&store, "another history"));
    store.commit(&[row(1, "and on")]).expect("commit");
    before.create("inventory-0000000000000009").expect("made");
    before.append("inventory-0000000000000009", &bytes).expect("written");
    assert!(!agrees(&store, "another history, and more of it"));
}

#[test]
fn one_from_before_something_was_found_lost_is_not_believed() {
    let (_temporary, disk, mut store) = begun();
    store.commit(&[put(Table::Local, b"index", &[1; 16])]).expect("commit");
    take(&mut store).expect("written");
    assert!(agrees(&store, "as it was"));
    // As a repair does that lost something, wherever in the journal that lay.
    store.mark_restored().expect("noted");
    assert!(!agrees(&store, "from before"));
    assert_eq!(names(&disk), [""; 0]);
}

#[test]
fn two_that_are_written_at_once_do_not_meet() {
    let (_temporary, disk, mut store) = begun();
    let mut one = store.inventory_writer().expect("begun");
    one.put(&vec![1; 2 << 20]).expect("written");
    store.commit(&[row(4, "four")]).expect("commit");
    let mut other = store.inventory_writer().expect("begun");
    other.put(&vec![2; 2 << 20]).expect("written");
    one.put(b"one").expect("written");
    let (one, other) = (one.finish(b"").expect("written"), other.finish(b"").expect("written"));
    assert_eq!((one.sheet(1).as_deref(), one.sheet(0).map(|sheet| sheet[7])), (Some(b"one".as_slice()), Some(1)));
    assert_eq!(other.sheet(0).map(|sheet| sheet[7]), Some(2));
    assert_eq!(names(&disk).len(), 2);
}

#[test]
fn without_room_there_is_none_and_nothing_else_is_lost() {
    let (_temporary, disk, mut store) = begun();
    take(&mut store).expect("written");
    disk.set_capacity(disk.used() + 10);
    store.commit(&[row(1, "x")]).ok();
    let error = take(&mut store).err().expect("no room");
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    disk.set_capacity(u64::MAX);
    assert!(agrees(&store, "the one before stands"));
    assert_eq!(names(&disk).len(), 1);
    store.commit(&[row(1, "y")]).expect("the store goes on");
}
