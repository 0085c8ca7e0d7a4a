//! Rewriting one journal file without what is dead, in a thread of its own.
//!
//! A record is dead when it belongs to a purged document, when it is a document's key that both files of the keyring hold, or when the index no
//! longer has the row that it set. The first two are the keyring's to say. The last is asked of the settled pages, which stand behind every batch
//! of the file: what is dead to them was superseded by a durable batch and stays dead. Since the index is never the truth, its pages were counted
//! right before, a row it has may not be older than the record, and items of documents are not asked of it at all. The successor is written beside the file, read back, compared with it record by record, and synced; whoever owns the journal puts it in
//! its place. Nothing here changes the file itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use accord_protocol::id::DocumentId;

use super::batch::{self, Batch, DEAD_BYTES, Record};
use super::cipher::Random;
use super::disk::Disk;
use super::error::{StoreError, is_full};
use super::frame::{self, HEADER, Header, REWRITTEN_VERSION};
use super::index::{RowKeys, Unusable};
use super::journal::{self, FileReader, JournalKeys, Parts, fatal};
use super::pages::Pages;
use super::rows;
use super::table::Stretches;

/// Rows asked of the index together, in the order of its pages.
const ASKED_MAX: usize = 1 << 16;
/// Between two pauses, and written in one piece.
const PIECE: u64 = 1 << 20;

/// What the thread and who waits for it share.
#[derive(Debug, Default)]
pub struct Watch {
    /// Set to end it early.
    pub stop: AtomicBool,
    /// Bytes of the file read so far; every file is read three times at most.
    pub done: AtomicU64,
}

/// One file to look at.
pub struct Job {
    pub disk: Arc<dyn Disk>,
    pub keys: JournalKeys,
    pub pages: Pages,
    pub rows: RowKeys,
    /// Number of the file: not the last one.
    pub number: u64,
    /// Both files of the keyring hold the document keys up to this batch.
    pub kept: u64,
    /// Documents that were purged.
    pub purged: Arc<BTreeSet<DocumentId>>,
    /// The file stays when less of it is dead. Percent; 0: it goes if anything in it is dead.
    pub least_percent: u64,
    /// Only look.
    pub dry: bool,
    /// Bytes to stay free on the disk.
    pub margin: u64,
    /// Rest after every MiB.
    pub pause: Duration,
    pub watch: Arc<Watch>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Number of the file.
    pub number: u64,
    /// Its length.
    pub bytes: u64,
    /// About the length of its successor; exactly, once that is written.
    pub after: u64,
    /// Records that are dead and not yet reduced to their digests.
    pub dead: u64,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file stays as it is.
    Stays,
    /// The successor is written, compared and synced.
    Written,
    /// There is no room for the successor.
    NoRoom,
    /// It was told to stop.
    Stopped,
}

/// Which records of a file are dead, by their position in it.
struct Verdicts {
    dead: Vec<bool>,
}

/// A row to be looked up.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    key: Vec<u8>,
    /// Of the row that keeps the record alive.
    hash: [u8; 16],
    /// The record's place, as first written.
    place: (u64, u64),
    /// Its number in the file.
    position: usize,
    size: u64,
}

/// A row that was found.
struct Found {
    key: Vec<u8>,
    hash: [u8; 16],
    place: Option<(u64, u64)>,
}

enum Broken {
    Stopped,
    NoRoom,
    Failed(StoreError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Job {
    /// Looks at the file, and writes its successor if that is worth it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Io`] when the file does not read: it stays. [`StoreError::Fatal`] when the disk failed in writing.
    pub fn run(&self) -> Result<(Weighed, Outcome), StoreError> {
        let mut weighed = Weighed { number: self.number, ..Weighed::default() };
        let outcome = match self.rewrite(&mut weighed) {
            Ok(outcome) => outcome,
            Err(Broken::Stopped) => Outcome::Stopped,
            Err(Broken::NoRoom) => Outcome::NoRoom,
            Err(Broken::Failed(error)) => {
                self.remove_next()?;
                return Err(error);
            }
        };
        if outcome != Outcome::Written {
            self.remove_next()?;
        }
        Ok((weighed, outcome))
    }

    fn remove_next(&self) -> Result<(), StoreError> {
        let next = journal::next_name(self.number);
        self.disk.remove_if_there(&next).map_err(|error| fatal("removing", &next, &error))
    }

    fn rewrite(&self, weighed: &mut Weighed) -> Result<Outcome, Broken> {
        let name = journal::file_name(self.number);
        let mut file = FileReader::open(&*self.disk, self.number)?.ok_or_else(|| StoreError::damaged(&name, 0, "journal file missing"))?;
        weighed.bytes = file.len();
        weighed.after = file.len();
        // Rows of the file that have not settled yet are not in the pages, and their records would look dead.
        let settled = self.pages.state().map_err(Unusable::fatal)?;
        if settled.is_none_or(|state| state.place.file <= self.number) {
            return Ok(Outcome::Stays);
        }
        let header = file.header(&self.keys)?.ok_or_else(|| StoreError::damaged(&name, 0, "garbled file header"))?;
        let end = file.table(&self.keys)?.map_or(file.len(), |table| table.now_end());
        let verdicts = self.weigh(&mut file, end, weighed)?;
        let gone = weighed.bytes.saturating_sub(weighed.after);
        if weighed.dead == 0 || gone * 100 < weighed.bytes * self.least_percent || self.dry {
            return Ok(Outcome::Stays);
        }
        let free = self.disk.free_space().map_err(StoreError::io("measuring the disk of", "store"))?;
        if free < weighed.after.saturating_add(self.margin) {
            return Err(Broken::NoRoom);
        }
        let header = Header { version: REWRITTEN_VERSION, ..header }.encode(&self.keys.header);
        self.write(&mut file, end, &header, &verdicts)?;
        let stretches = self.compare(&mut file, end, &verdicts)?;
        self.finish(&header, &stretches)?;
        weighed.after = self.disk.len(&journal::next_name(self.number)).map_err(StoreError::io("measuring", &name))?.unwrap_or(0);
        Ok(Outcome::Written)
    }

    /// Rests now and then, and ends if told to.
    fn went(&self, bytes: u64) -> Result<(), Broken> {
        let before = self.watch.done.fetch_add(bytes, Ordering::Relaxed);
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(Broken::Stopped);
        }
        if before / PIECE != (before + bytes) / PIECE && !self.pause.is_zero() {
            std::thread::sleep(self.pause);
        }
        Ok(())
    }

    /// Which records are dead, and how long the file would be without them.
    fn weigh(&self, file: &mut FileReader<'_>, end: u64, weighed: &mut Weighed) -> Result<Verdicts, Broken> {
        let (mut was, mut at) = (HEADER as u64, HEADER as u64);
        let mut dead: Vec<bool> = Vec::new();
        let mut asked: Vec<Asked> = Vec::new();
        // Values that the index has just so: of several in this file only the last is needed.
        let mut same: Vec<(Vec<u8>, usize, u64)> = Vec::new();
        let mut gain = 0;
        while at < end {
            let (head, batch, total) = frame_at(file, &self.keys, self.number, at)?;
            for record in &batch.records {
                let (position, size) = (dead.len(), record.size());
                // What is no longer than its digest stays.
                let goes = size > DEAD_BYTES && self.is_known_dead(record, head.seq);
                dead.push(goes);
                if goes {
                    gain += size - DEAD_BYTES;
                } else if size > DEAD_BYTES
                    && matches!(record, Record::Put { .. } | Record::PutBlob { .. })
                    && let Some((key, row)) = rows::set_by(record, self.number, was, &self.rows)
                {
                    let place = rows::place(&key, &row).unwrap_or((self.number, was));
                    asked.push(Asked { hash: hash(&row), key, place, position, size });
                }
            }
            if asked.len() >= ASKED_MAX {
                gain += self.ask(&mut asked, &mut dead, &mut same)?;
            }
            was += head.was(&batch);
            at += total;
            self.went(total)?;
        }
        gain += self.ask(&mut asked, &mut dead, &mut same)?;
        same.sort_unstable();
        for pair in same.windows(2) {
            if pair[0].0 == pair[1].0 {
                dead[pair[0].1] = true;
                gain += pair[0].2 - DEAD_BYTES;
            }
        }
        weighed.dead = dead.iter().filter(|dead| **dead).count() as u64;
        weighed.after = weighed.bytes.saturating_sub(gain);
        Ok(Verdicts { dead })
    }

    /// Whether the keyring says that a record is dead.
    fn is_known_dead(&self, record: &Record, seq: u64) -> bool {
        let document = match record {
            Record::Key { document, .. } if seq > self.kept => *document,
            Record::Key { .. } => return true,
            Record::Item { document, .. } | Record::Items { document, .. } => *document,
            Record::PutBlob { table, key, .. } => match rows::owner(*table, key) {
                Some(document) => document,
                None => return false,
            },
            _ => return false,
        };
        self.purged.contains(&document)
    }

    /// Looks rows up in the order of the index's pages; answers how many bytes go.
    fn ask(&self, asked: &mut Vec<Asked>, dead: &mut [bool], same: &mut Vec<(Vec<u8>, usize, u64)>) -> Result<u64, Broken> {
        asked.sort_unstable();
        let mut page: Vec<Found> = Vec::new();
        let mut page_end: Option<Vec<u8>> = Some(Vec::new());
        let mut gain = 0;
        for Asked { key, hash: expected, place, position, size } in asked.drain(..) {
            if page_end.as_ref().is_some_and(|end| *end <= key) {
                let found = self.pages.find(&key).map_err(Unusable::fatal)?;
                page.clear();
                found
                    .rows(&mut |key, row| {
                        page.push(Found { key: key.to_vec(), hash: hash(row), place: rows::place(key, row) });
                        true
                    })
                    .map_err(Unusable::fatal)?;
                page_end = found.end().map_err(Unusable::fatal)?.map(<[u8]>::to_vec);
            }
            let found = page.binary_search_by(|row| row.key.cmp(&key)).ok().map(|at| &page[at]);
            if found.and_then(|row| row.place).is_some_and(|found| found < place) {
                self.pages.condemn();
                return Err(Unusable("a row is older than the journal".to_owned()).fatal().into());
            }
            if found.is_some_and(|row| row.hash == expected) {
                same.push((key, position, size));
            } else {
                dead[position] = true;
                gain += size - DEAD_BYTES;
            }
        }
        Ok(gain)
    }

    /// Writes the successor's frames.
    fn write(&self, file: &mut FileReader<'_>, end: u64, header: &[u8], verdicts: &Verdicts) -> Result<(), Broken> {
        let next = journal::next_name(self.number);
        self.remove_next()?;
        self.disk.create(&next).map_err(|error| self.unwritten(&error))?;
        let mut random = Random::default();
        let mut out = header.to_vec();
        let (mut at, mut position) = (HEADER as u64, 0);
        while at < end {
            let Parts { head, plain, blobs } = parts_at(file, &self.keys, self.number, at)?;
            let total = head.total();
            // A frame is far shorter than 4 GiB.
            let reduced = batch::reduce(&plain, total as u32, &mut |record| verdicts.dead.get(position + record) == Some(&true));
            let reduced = reduced.ok_or_else(|| self.changed(at))?;
            match &reduced.plain {
                None => out.extend_from_slice(file.bytes(at, total)?),
                Some(plain) => {
                    let mut kept = Vec::with_capacity(blobs.len());
                    for (at, len) in &reduced.blobs {
                        let blob = blobs.get(*at as usize..*at as usize + *len as usize);
                        kept.extend_from_slice(blob.ok_or_else(|| self.changed(u64::from(*at)))?);
                    }
                    out.extend_from_slice(&frame::seal(&self.keys.frame, head.seq, random.take()?, plain, &kept));
                }
            }
            position += reduced.count;
            at += total;
            if out.len() as u64 >= PIECE || at >= end {
                self.disk.append(&next, &out).map_err(|error| self.unwritten(&error))?;
                // Piece by piece, so that no commit has to wait for all of it.
                self.disk.sync_data(&next).map_err(|error| self.unwritten(&error))?;
                out.clear();
            }
            self.went(total)?;
        }
        Ok(())
    }

    /// Reads the successor's frames back and compares them with the file's, record by record.
    fn compare(&self, file: &mut FileReader<'_>, end: u64, verdicts: &Verdicts) -> Result<Stretches, Broken> {
        let next = journal::next_name(self.number);
        let mut written = FileReader::named(&*self.disk, &next)?;
        let mut stretches = Stretches::new();
        let (mut at, mut position) = (HEADER as u64, 0);
        while at < end {
            let old = parts_at(file, &self.keys, self.number, at)?;
            let new = written.parts(&self.keys, stretches.now_end())?.map_err(|_| self.differs(at))?;
            let decode = |parts: &Parts| Batch::decode(&parts.plain, parts.head.seq).map_err(|_| self.differs(at));
            let (was, now) = (decode(&old)?, decode(&new)?);
            let stated = |head: &frame::Head, batch: &Batch| {
                (head.seq, head.was(batch), batch.item_seq, batch.before, batch.after, batch.records.len())
            };
            if stated(&old.head, &was) != stated(&new.head, &now) {
                return Err(self.differs(at).into());
            }
            for (number, (before, after)) in was.records.iter().zip(&now.records).enumerate() {
                let dead = verdicts.dead.get(position + number) == Some(&true);
                let equal = match (before.blob(), after.blob()) {
                    _ if dead => matches!(after, Record::Dead { .. }),
                    (Some(old_blob), Some(new_blob)) => {
                        let sealed = |parts: &Parts, blob: &batch::Blob| {
                            let from = blob.at as usize;
                            parts.blobs.get(from..from + blob.len as usize).map(<[u8]>::to_vec)
                        };
                        let bytes = sealed(&old, old_blob);
                        before.same(after) && bytes.is_some() && bytes == sealed(&new, new_blob)
                    }
                    _ => before == after,
                };
                if !equal {
                    return Err(self.differs(at).into());
                }
            }
            position += was.records.len();
            stretches.frame(&new.head, &now);
            at += old.head.total();
            self.went(old.head.total())?;
        }
        if written.len() != stretches.now_end() {
            return Err(self.differs(at).into());
        }
        Ok(stretches)
    }

    /// Adds the table, syncs, and reads the table back.
    fn finish(&self, header: &[u8], stretches: &Stretches) -> Result<(), Broken> {
        let next = journal::next_name(self.number);
        let mut random = Random::default();
        stretches.append(&*self.disk, &next, header, &self.keys.table, &mut random).map_err(|error| match error {
            StoreError::Io { source, .. } => self.unwritten(&source),
            error => Broken::Failed(error),
        })?;
        self.disk.sync_data(&next).map_err(|error| self.unwritten(&error))?;
        let mut written = FileReader::named(&*self.disk, &next)?;
        let table = written.table(&self.keys)?.ok_or_else(|| self.differs(0))?;
        if table.stretches(&*self.disk, &self.keys.table)? != *stretches {
            return Err(self.differs(stretches.now_end()).into());
        }
        Ok(())
    }

    /// A disk that lacks room is no failure; one that does not write is.
    fn unwritten(&self, error: &std::io::Error) -> Broken {
        if is_full(error) { Broken::NoRoom } else { Broken::Failed(fatal("writing", &journal::next_name(self.number), error)) }
    }

    fn changed(&self, at: u64) -> StoreError {
        StoreError::damaged(&journal::file_name(self.number), at, "the file changed while it was rewritten")
    }

    /// The disk does not give back what was written: whatever else it does is not to be believed either.
    fn differs(&self, at: u64) -> StoreError {
        StoreError::Fatal(format!(
            "{} does not read back as it was written (from byte {at} of the file before)",
            journal::next_name(self.number)
        ))
    }
}

fn hash(row: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(row).as_bytes()[..16]);
    out
}

fn frame_at(file: &mut FileReader<'_>, keys: &JournalKeys, number: u64, at: u64) -> Result<(frame::Head, Batch, u64), StoreError> {
    file.frame(keys, at)?.map_err(|what| StoreError::damaged(&journal::file_name(number), at, what))
}

fn parts_at(file: &mut FileReader<'_>, keys: &JournalKeys, number: u64, at: u64) -> Result<Parts, StoreError> {
    file.parts(keys, at)?.map_err(|what| StoreError::damaged(&journal::file_name(number), at, what))
}
