//! Index checkpoints: the index's rows in one encrypted, sorted file, so that a rebuild reads the tail of the journal and not all of it.
//!
//! A checkpoint is written of settled pages while recent rows gather in memory. It counts only once the journal records its digest.
//!
//! ```text
//! "ACCCHECK" ‖ version u16 ‖ store id (16) ‖ chunks: (length u32 ‖ last u8 ‖ sealed)..
//! first chunk: state (112); the others: (key length u16 ‖ key ‖ value length u32 ‖ value)..; chunk n is bound to the header, n and last
//! ```

use super::bytes::Reader;
use super::cipher::{Random, Subkey};
use super::disk::Disk;
use super::error::StoreError;
use super::index::{Index, Rows, Unusable};
use super::journal::{self, JournalKeys, fatal};
use super::pages::Pages;
use super::place::{State, Tally};

/// The checkpoint the journal records.
pub const FILE: &str = "checkpoint";
/// A checkpoint not yet recorded.
pub const NEXT: &str = "checkpoint.next";
/// Version of the format.
pub const CHECKPOINT_VERSION: u16 = 2;
const MAGIC: [u8; 8] = *b"ACCCHECK";
const HEADER: usize = 26;
/// Rows are sealed in chunks of about this size.
const CHUNK: usize = 256 << 10;
/// A longer chunk is not believed.
const CHUNK_MAX: u32 = 1 << 20;

fn header(store: &[u8; 16]) -> Vec<u8> {
    [&MAGIC[..], &CHECKPOINT_VERSION.to_be_bytes(), store].concat()
}

fn bound(header: &[u8], number: u64, last: bool) -> Vec<u8> {
    [header, &number.to_be_bytes(), &[u8::from(last)]].concat()
}

/// A written checkpoint: which batch it stands for and its digest.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The batch.
    pub through: u64,
    /// BLAKE3 of the file.
    pub digest: [u8; 32],
}

/// Writes and syncs [`NEXT`]. `Ok(None)` when the disk has no room for it.
pub fn write(disk: &dyn Disk, pages: &Pages, state: &State, key: &Subkey, store: &[u8; 16]) -> Result<Option<Written>, StoreError> {
    match write_file(disk, pages, state, key, store) {
        Ok(digest) => Ok(Some(Written { through: state.place.seq, digest })),
        Err(StoreError::Io { source, .. }) if super::error::is_full(&source) => {
            disk.remove_if_there(NEXT).map_err(|error| fatal("removing", NEXT, &error))?;
            Ok(None)
        }
        Err(StoreError::Io { action, source, .. }) => Err(fatal(action, NEXT, &source)),
        Err(error) => Err(error),
    }
}

fn write_file(disk: &dyn Disk, pages: &Pages, state: &State, key: &Subkey, store: &[u8; 16]) -> Result<[u8; 32], StoreError> {
    disk.remove_if_there(NEXT).map_err(StoreError::io("removing", NEXT))?;
    disk.create(NEXT).map_err(StoreError::io("making", NEXT))?;
    let header = header(store);
    let mut random = Random::default();
    let mut hasher = blake3::Hasher::new();
    let mut number = 0;
    let put = |bytes: &[u8], hasher: &mut blake3::Hasher| {
        hasher.update(bytes);
        disk.append(NEXT, bytes).map_err(StoreError::io("writing", NEXT))
    };
    put(&header, &mut hasher)?;
    let mut chunk_out = |plain: &[u8], last: bool, hasher: &mut blake3::Hasher| {
        let mut out = vec![0; 4];
        out.push(u8::from(last));
        key.seal(random.take()?, &bound(&header, number, last), &[plain], &mut out);
        let len = (out.len() - 5) as u32;
        out[..4].copy_from_slice(&len.to_be_bytes());
        number += 1;
        put(&out, hasher)
    };
    chunk_out(&state.encode(), false, &mut hasher)?;
    let mut chunk = Vec::with_capacity(CHUNK + 8192);
    pages
        .rows(&mut |row, value| {
            chunk.extend_from_slice(&(row.len() as u16).to_be_bytes());
            chunk.extend_from_slice(row);
            chunk.extend_from_slice(&(value.len() as u32).to_be_bytes());
            chunk.extend_from_slice(value);
            if chunk.len() >= CHUNK {
                chunk_out(&chunk, false, &mut hasher)?;
                chunk.clear();
            }
            Ok(())
        })
        .map_err(Unusable::fatal)??;
    chunk_out(&chunk, true, &mut hasher)?;
    disk.sync_data(NEXT).map_err(StoreError::io("syncing", NEXT))?;
    disk.sync_dir("").map_err(StoreError::io("syncing", ""))?;
    Ok(*hasher.finalize().as_bytes())
}

/// What the recorded checkpoint stands for, as far as its first chunk opens. Only for deciding when to write the next.
pub fn peek(disk: &dyn Disk, key: &Subkey, store: &[u8; 16]) -> Option<State> {
    let mut head = [0; HEADER + 5];
    disk.read_at(FILE, 0, &mut head).ok()?;
    let size = Reader(&head[HEADER..]).u32().filter(|size| *size <= CHUNK_MAX)?;
    let mut sealed = vec![0; size as usize];
    disk.read_at(FILE, head.len() as u64, &mut sealed).ok()?;
    let plain = key.open(&bound(&header(store), 0, false), &sealed)?;
    State::decode(&mut Reader(&plain))
}

/// Loads a checkpoint into an empty index. The digest is to be looked for in the journal before the result is believed.
pub fn load(
    disk: &dyn Disk,
    name: &str,
    index: &mut Index,
    key: &Subkey,
    keys: &JournalKeys,
    progress: &mut dyn FnMut(u64),
) -> Result<(State, [u8; 32]), Unusable> {
    let wrong = |what: &str| Unusable(format!("{name}: {what}"));
    let len = disk.len(name).map_err(|error| wrong(&error.to_string()))?.ok_or_else(|| wrong("not there"))?;
    let mut at = 0;
    let mut hasher = blake3::Hasher::new();
    let next = |bytes: usize, at: &mut u64, hasher: &mut blake3::Hasher| {
        let mut out = vec![0; bytes];
        let read = disk.read_at(name, *at, &mut out).map_err(|error| wrong(&error.to_string()))?;
        *at += read as u64;
        hasher.update(&out);
        if read == bytes { Ok(out) } else { Err(wrong("cut short")) }
    };
    let header = header(&keys.store);
    // Interrupted, it stands at the beginning of the journal.
    let beginning = State { place: journal::beginning(keys), tally: Tally::default(), item_seq: 0 };
    if next(HEADER, &mut at, &mut hasher)? != header {
        return Err(wrong("another header"));
    }
    let mut random = Random::default();
    let (mut state, mut number) = (None, 0);
    loop {
        let head = next(5, &mut at, &mut hasher)?;
        let mut from = Reader(&head);
        let (size, last) = from.u32().zip(from.u8()).ok_or_else(|| wrong("cut short"))?;
        if size > CHUNK_MAX || at + u64::from(size) > len {
            return Err(wrong("garbled chunk length"));
        }
        let sealed = next(size as usize, &mut at, &mut hasher)?;
        let plain = key.open(&bound(&header, number, last == 1), &sealed).ok_or_else(|| wrong("garbled chunk"))?;
        number += 1;
        let mut from = Reader(&plain);
        if state.is_none() {
            state = Some(State::decode(&mut from).ok_or_else(|| wrong("garbled state"))?);
        }
        let mut rows = Rows::new();
        while from.end().is_none() {
            let row = |from: &mut Reader<'_>| {
                let len = from.u16()?;
                let key = from.bytes(len.into())?.to_vec();
                let len = from.u32()?;
                Some((key, from.bytes(len as usize)?.to_vec()))
            };
            let (key, value) = row(&mut from).ok_or_else(|| wrong("garbled row"))?;
            rows.insert(key, Some(value));
        }
        progress(at);
        index.stand_at(&rows, &beginning, &mut random)?;
        if last == 1 {
            break;
        }
    }
    if at != len {
        return Err(wrong("bytes after the last chunk"));
    }
    Ok((state.ok_or_else(|| wrong("no state"))?, *hasher.finalize().as_bytes()))
}
