//! What the worker of the store does: opens it, compares it with what the seed says it must hold, and goes on writing.
//!
//! Every batch is a function of seed and number, so a reader knows what must be there from the number of the last one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use accord_node::store::{Options, Store, StoreError, StoreKey};
use accord_protocol::id::DocumentId;
use accord_protocol::step::{Table, Write};
use rand::rngs::SmallRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

use crate::Failed;
use crate::worker::say;

/// Batches that write into one document.
const PER_DOCUMENT: u64 = 4;
/// After every so many batches a document is purged, closed files are compacted, the store is closed and opened.
const PURGE_EVERY: u64 = 16;
const COMPACT_EVERY: u64 = 20;
const REOPEN_EVERY: u64 = 30;
/// Item sequences a batch may use.
const ITEMS_MAX: u64 = 4;

/// Opens, says `has BATCHES PURGED` and what is `wrong`, then writes so many batches more and says `batch N` and `purged N` for each that is
/// acknowledged. With `die_after` it kills itself after so many.
///
/// # Errors
/// When nobody listens; what the store fails at is said.
pub fn work(dir: &Path, seed: u64, acknowledged: u64, batches: u64, die_after: u64) -> Result<(), Failed> {
    match write(dir, seed, acknowledged, batches, die_after) {
        Err(failed) if failed.is::<StoreError>() => Ok(say(&format!("failed {failed}"))?),
        other => other,
    }
}

fn write(dir: &Path, seed: u64, acknowledged: u64, batches: u64, die_after: u64) -> Result<(), Failed> {
    let mut store = open(dir, seed, acknowledged)?;
    let found = last(&store)?;
    let purged = compare(&store, seed, found)?;
    // The power may have gone between a batch and its purge: then that comes first.
    let first = if batches > 0 && found > 0 && found.is_multiple_of(PURGE_EVERY) && !purged { found } else { found + 1 };
    for number in first..=found + batches {
        if number > found {
            store.commit(&batch(seed, number))?;
            say(&format!("batch {number}"))?;
        }
        if number.is_multiple_of(PURGE_EVERY) {
            store.purge_documents(&[document(seed, purged_after(number))])?;
            say(&format!("purged {number}"))?;
        }
        if number.is_multiple_of(COMPACT_EVERY) {
            store.compact_begin(false)?;
            while !store.compact_step()?.ended {
                std::thread::yield_now();
            }
        }
        if number.is_multiple_of(REOPEN_EVERY) {
            store.close()?;
            store = open(dir, seed, number)?;
        }
        if number == found + die_after {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
        }
    }
    Ok(store.close()?)
}

fn open(dir: &Path, seed: u64, acknowledged: u64) -> Result<Store, StoreError> {
    let (key, options) = (StoreKey::new([7; 32]), options(seed));
    match Store::open_with(dir, &key, &options, &mut |_| {}) {
        // The cut came before there was one.
        Err(StoreError::NotFound { .. }) if acknowledged == 0 => Store::create_with(dir, &key, &options),
        opened => opened.map(|(store, _)| store),
    }
}

/// Small bounds, so that files, checkpoints and keyrings change often; every fourth seed those of a real node.
fn options(seed: u64) -> Options {
    match seed % 4 {
        0 => Options::default(),
        _ => Options {
            file_bytes: 48 << 10,
            checkpoint_bytes: 160 << 10,
            checkpoint_at_close_bytes: 64 << 10,
            flush_bytes: 24 << 10,
            keyring_bytes: 32 << 10,
            reserve_bytes: 1 << 20,
            low_water_bytes: 1 << 20,
            compact_pause_ms: 0,
            background: seed % 4 > 1,
            ..Options::default()
        },
    }
}

/// The number of the last batch that is there.
fn last(store: &Store) -> Result<u64, StoreError> {
    let row = store.get(Table::Local, b"last")?;
    Ok(row.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Which document is purged after a batch: one that nothing writes to any more.
fn purged_after(number: u64) -> u64 {
    number / PER_DOCUMENT - 2
}

fn document(seed: u64, group: u64) -> DocumentId {
    let mut id = [0; 32];
    SmallRng::seed_from_u64(seed << 32 | group).fill_bytes(&mut id);
    DocumentId(id)
}

/// A batch as its number says.
fn batch(seed: u64, number: u64) -> Vec<Write> {
    let mut dice = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9) ^ number);
    let mut some = |most: usize| {
        let mut bytes = vec![0; dice.random_range(1..most)];
        dice.fill_bytes(&mut bytes);
        bytes
    };
    let put = |table, key: &[u8], value| Write::Put { table, key: key.to_vec(), value: Some(value) };
    let document = document(seed, number / PER_DOCUMENT);
    let items = 1 + u64::from(some(2_000)[0]) % ITEMS_MAX;
    let long = if number.is_multiple_of(7) { 40_000 } else { 1_500 };
    let mut writes: Vec<Write> =
        (0..items).map(|item| Write::Item { document, seq: number * ITEMS_MAX + item, body: some(long) }).collect();
    writes.push(put(Table::Local, b"last", number.to_be_bytes().to_vec()));
    writes.push(put(Table::Documents, &document.0, some(300)));
    writes.push(put(Table::Partners, &[(number % 13) as u8], some(200)));
    if number.is_multiple_of(5) {
        writes.push(Write::Put { table: Table::Partners, key: vec![(number % 11) as u8], value: None });
        writes.push(put(Table::Statements, b"large", some(9_000)));
    }
    writes.push(Write::Account(format!("line {number}").into_bytes()));
    writes
}

/// All that a store must hold after a batch.
#[derive(Default)]
struct Expected {
    tables: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    lines: Vec<Vec<u8>>,
    purged: BTreeSet<DocumentId>,
}

impl Expected {
    fn after(seed: u64, last: u64) -> Self {
        let mut expected = Self::default();
        for number in 1..=last {
            for write in batch(seed, number) {
                match write {
                    Write::Put { table, key, value: Some(value) } => drop(expected.tables.insert((table, key), value)),
                    Write::Put { table, key, value: None } => drop(expected.tables.remove(&(table, key))),
                    Write::Item { document, seq, body } => expected.items.entry(document).or_default().push((seq, body)),
                    Write::Account(line) => expected.lines.push(line),
                }
            }
            if number.is_multiple_of(PURGE_EVERY) && number < last {
                expected.purge(&document(seed, purged_after(number)));
            }
        }
        expected
    }

    fn purge(&mut self, document: &DocumentId) {
        self.items.remove(document);
        self.tables.remove(&(Table::Documents, document.0.to_vec()));
        self.purged.insert(*document);
    }
}

/// Says `has BATCHES PURGED`, and whatever is there otherwise than it must be; answers whether the last purge that was due was done.
fn compare(store: &Store, seed: u64, last: u64) -> Result<bool, Failed> {
    let mut expected = Expected::after(seed, last);
    let mut purged = last / PURGE_EVERY * PURGE_EVERY;
    if last > 0 && purged == last {
        // The purge after the very last batch is there or not.
        let document = document(seed, purged_after(last));
        if store.items(&document, 0)?.is_empty() {
            expected.purge(&document);
        } else {
            purged -= PURGE_EVERY;
        }
    }
    say(&format!("has {last} {purged}"))?;
    let mut tables = BTreeMap::new();
    for table in Table::ALL {
        tables.extend(store.scan(table)?.into_iter().map(|(key, value)| ((table, key), value)));
    }
    if tables != expected.tables {
        say(&format!("wrong rows after batch {last}"))?;
    }
    for (document, items) in &expected.items {
        if store.items(document, 0)? != *items {
            say(&format!("wrong items of {} after batch {last}", document.short()))?;
        }
    }
    for document in &expected.purged {
        if !store.items(document, 0)?.is_empty() {
            say(&format!("wrong purged document {} is back", document.short()))?;
        }
    }
    let mut lines = Vec::new();
    store.accounts(&mut |_, line| {
        lines.push(line.to_vec());
        true
    })?;
    if lines != expected.lines {
        say(&format!("wrong lines for auditors after batch {last}"))?;
    }
    let verified = store.verify_open(&mut |_| {})?;
    if let Some(damage) = verified.damage.first() {
        say(&format!("failed the store calls something damage: {damage}"))?;
    }
    Ok(last - purged < PURGE_EVERY)
}
