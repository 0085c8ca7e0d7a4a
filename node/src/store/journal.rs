//! The journal: append-only files that are the truth of this node. One frame is one durable batch.
//!
//! Appending is one write and one `fdatasync`. Reading walks frames in order and stops at the first byte that is not what was made durable:
//! a *torn tail* when nothing valid follows in the last file, *damage* in every other case.
//!
//! The last file may end in zeros, room for the frames to come: a sync over bytes that are there already need not make a new length and new blocks
//! durable with them, and takes half the time. Every file before it ends with its last frame.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::batch::{Batch, Record, chain_start};
use super::cipher::{StoreKey, Subkey};
use super::disk::Disk;
use super::error::{StoreError, is_full};
use super::frame::{self, HEAD, HEADER, Head, Header, JOURNAL_VERSION};
use super::place::{Place, Span};
use super::table::{Stretches, Table};

/// Keys the journal is sealed under.
#[derive(Clone)]
pub struct JournalKeys {
    /// This store's id, drawn when it was made.
    pub store: [u8; 16],
    /// Record lists.
    pub frame: Subkey,
    /// Large values that belong to no document.
    pub value: Subkey,
    /// File headers.
    pub header: Subkey,
    /// Tables of what moved, in files that compaction wrote.
    pub table: Subkey,
}

impl JournalKeys {
    /// The journal's keys under a store key. File headers are keyed without the store id, which they carry.
    pub fn derive(key: &StoreKey, store: [u8; 16]) -> Self {
        Self {
            store,
            frame: Subkey::derive("accord store v1 journal frame", key.expose(), &store),
            value: Subkey::derive("accord store v1 journal value", key.expose(), &store),
            header: Subkey::derive("accord store v1 journal header", key.expose(), &[0; 16]),
            table: Subkey::derive("accord store v1 journal table", key.expose(), &store),
        }
    }
}

/// Name of a journal file.
pub fn file_name(number: u64) -> String {
    format!("journal/{number:08}.journal")
}

/// Where compaction writes the successor of a file.
pub fn next_name(number: u64) -> String {
    format!("{}.next", file_name(number))
}

/// Numbers of the journal files there are, ascending.
pub fn file_numbers(disk: &dyn Disk) -> Result<Vec<u64>, StoreError> {
    let names = disk.list("journal").map_err(StoreError::io("listing", "journal"))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".journal")?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The writing end.
pub struct Journal {
    disk: Arc<dyn Disk>,
    keys: JournalKeys,
    file_max: u64,
    head: Place,
    /// Up to here the last file may reach, as far as anybody knows what of its length is durable: behind `head` it holds zeros. No room is behind
    /// `head` only where the length was synced.
    room: u64,
    bytes: u64,
    /// As `bytes`, but compaction takes nothing off: what has been written since some moment is counted by it.
    grown: u64,
    /// The last file is of another version and is not continued.
    outdated: bool,
    /// A file that found no room was removed again, and that is not durable yet.
    leftover: bool,
    /// Tables of the files that were read from; `None` for a file as first written.
    tables: Mutex<BTreeMap<u64, Option<Arc<Table>>>>,
    /// Held by whoever reads files by name in other threads: no file is replaced meanwhile.
    readers: Arc<()>,
}

/// Sees the number of a part among those asked for, and its sealed bytes.
pub type PartVisitor<'a> = dyn FnMut(usize, &[u8]) -> Result<(), StoreError> + 'a;

/// Keeps every journal file in its place for as long as it lives.
#[derive(Clone)]
pub struct Reading {
    _held: Arc<()>,
}

impl Journal {
    /// Makes the first file of a new store.
    pub fn create(disk: Arc<dyn Disk>, keys: JournalKeys, file_max: u64) -> Result<Self, StoreError> {
        let head = Place { file: 1, start: 0, end: HEADER as u64, seq: 0, chain: chain_start(&keys.store) };
        let journal = Self::assembled(disk, keys, file_max, head, HEADER as u64, false);
        journal.start_file(1).map_err(StoreError::io("making", &file_name(1)))?;
        Ok(journal)
    }

    /// Continues after `head`, where all files together hold `bytes`, and the last one nothing but zeros behind it.
    ///
    /// # Errors
    /// When the last file's header does not read.
    pub fn resume(disk: Arc<dyn Disk>, keys: JournalKeys, file_max: u64, head: Place, bytes: u64) -> Result<Self, StoreError> {
        let mut file = FileReader::open(&*disk, head.file)?;
        let header = file.as_mut().map(|file| file.header(&keys)).transpose()?.flatten();
        let len = file.map(|file| file.len());
        let outdated = header.is_some_and(|header| header.version != JOURNAL_VERSION);
        let mut journal = Self::assembled(disk, keys, file_max, head, bytes, outdated);
        // What compaction wrote ends in a table, and its length was synced.
        if let Some(len) = len.filter(|_| !header.is_some_and(|header| header.is_rewritten())) {
            journal.bytes = bytes.saturating_sub(len.saturating_sub(head.end));
            journal.grown = journal.bytes;
            // An earlier process may have cut it and not known whether that is durable.
            journal.room = len.max(head.end + 1);
        }
        Ok(journal)
    }

    fn assembled(disk: Arc<dyn Disk>, keys: JournalKeys, file_max: u64, head: Place, bytes: u64, outdated: bool) -> Self {
        Self {
            disk,
            keys,
            file_max,
            head,
            room: head.end,
            bytes,
            grown: bytes,
            outdated,
            leftover: false,
            tables: Mutex::default(),
            readers: Arc::default(),
        }
    }

    /// The last frame.
    pub fn head(&self) -> Place {
        self.head
    }

    /// Length of all files together, without the room at the end.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Length of all files when the store was opened and everything written since: never goes down.
    pub fn grown(&self) -> u64 {
        self.grown
    }

    /// Whether nothing is added to a file any more.
    pub fn is_closed(&self, number: u64) -> bool {
        number < self.head.file || self.outdated
    }

    /// Keeps every file in its place while another thread reads.
    pub fn reading(&self) -> Reading {
        Reading { _held: self.readers.clone() }
    }

    /// Whether another thread reads.
    pub fn is_read(&self) -> bool {
        Arc::strong_count(&self.readers) > 1
    }

    /// Puts the whole, synced successor of a file in its place.
    ///
    /// # Errors
    /// [`StoreError::Fatal`].
    pub fn replace(&mut self, number: u64) -> Result<(), StoreError> {
        let (name, next) = (file_name(number), next_name(number));
        let mut step = || {
            let (before, after) = (self.disk.len(&name)?.unwrap_or(0), self.disk.len(&next)?.unwrap_or(0));
            self.disk.rename(&next, &name)?;
            self.disk.sync_dir("journal")?;
            self.bytes = self.bytes.saturating_sub(before) + after;
            Ok(())
        };
        let done = step().map_err(|error| fatal("replacing", &name, &error));
        self.tables().remove(&number);
        done
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Option<Arc<Table>>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a sealed part by the place it was first written to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not there, [`StoreError::Io`].
    pub fn read(&self, span: &Span) -> Result<Vec<u8>, StoreError> {
        read_span(&*self.disk, &self.placed(span)?)
    }

    /// Reads sealed parts that lie one after the other: those close together with one call of the system.
    ///
    /// # Errors
    /// As [`Journal::read`], and what `each` answers, which sees the number of the part and its bytes.
    pub fn read_each(&self, spans: &[Span], each: &mut PartVisitor<'_>) -> Result<(), StoreError> {
        let placed = spans.iter().map(|span| self.placed(span)).collect::<Result<Vec<_>, _>>()?;
        let mut at = 0;
        while let Some(first) = placed.get(at) {
            let near = placed[at..].windows(2).take_while(|two| two[0].is_near(&two[1]) && two[1].is_within(first)).count();
            let (group, last) = (&placed[at..=at + near], placed[at + near]);
            // Where it cannot be had at once, one by one says of which part.
            let whole = Span { len: u32::try_from(last.offset - first.offset).unwrap_or(u32::MAX).saturating_add(last.len), ..*first };
            let together = if near > 0 { read_span(&*self.disk, &whole).ok() } else { None };
            for (number, span) in group.iter().enumerate() {
                match &together {
                    Some(bytes) => {
                        let from = usize::try_from(span.offset - first.offset).expect("within one read");
                        each(at + number, &bytes[from..from + span.len as usize])?;
                    }
                    None => each(at + number, &read_span(&*self.disk, span)?)?,
                }
            }
            at += near + 1;
        }
        Ok(())
    }

    /// Where a part lies now.
    fn placed(&self, span: &Span) -> Result<Span, StoreError> {
        let known = if !self.is_closed(span.file) { Some(None) } else { self.tables().get(&span.file).cloned() };
        let table = match known {
            Some(table) => table,
            None => {
                let table = FileReader::open(&*self.disk, span.file)?.map_or(Ok(None), |mut file| file.table(&self.keys))?.map(Arc::new);
                self.tables().insert(span.file, table.clone());
                table
            }
        };
        let offset = table.map_or(Ok(span.offset), |table| table.now(&*self.disk, &self.keys.table, span.offset, span.len.into()))?;
        Ok(Span { offset, ..*span })
    }

    /// The keys it is sealed under.
    pub fn keys(&self) -> &JournalKeys {
        &self.keys
    }

    /// Where a frame of `len` bytes would go: begins a new file if the current one is long enough.
    ///
    /// # Errors
    /// [`StoreError::Full`] without a trace, [`StoreError::Fatal`] if the disk failed.
    pub fn make_room(&mut self, len: u64) -> Result<(u64, u64), StoreError> {
        if self.leftover {
            self.settle_removal(len)?;
        }
        if self.outdated || self.head.end > HEADER as u64 && self.head.end + len > self.file_max {
            match self.give_room_back() {
                Err(error) if is_full(&error) => return Err(StoreError::Full { free: 0, needed: len }),
                other => other.map_err(|error| fatal("cutting", &file_name(self.head.file), &error))?,
            }
            let next = self.head.file + 1;
            if let Err(error) = self.start_file(next) {
                let name = file_name(next);
                if !is_full(&error) {
                    return Err(fatal("starting", &name, &error));
                }
                if self.disk.len(&name).map_err(|error| fatal("measuring", &name, &error))?.is_some() {
                    self.disk.remove(&name).map_err(|error| fatal("removing", &name, &error))?;
                    self.leftover = true;
                    self.settle_removal(len)?;
                }
                return Err(StoreError::Full { free: 0, needed: len });
            }
            self.bytes += HEADER as u64;
            self.grown += HEADER as u64;
            self.outdated = false;
            self.head = Place { file: next, start: 0, end: HEADER as u64, ..self.head };
            self.room = self.head.end;
        }
        Ok((self.head.file, self.head.end))
    }

    /// Makes one frame durable. Where the file has no room for it, zeros for `ahead` bytes of later ones are written along, unless it is so long itself
    /// that they would be much of the work and of little use. On [`StoreError::Full`] the journal is as it was.
    ///
    /// # Errors
    /// [`StoreError::Full`], or [`StoreError::Fatal`] after which this value must not be used any more.
    pub fn append(&mut self, frame: &[u8], ahead: u64, seq: u64, chain: [u8; 32]) -> Result<Place, StoreError> {
        let name = file_name(self.head.file);
        let start = self.head.end;
        let end = start + frame.len() as u64;
        let ahead = if frame.len() as u64 > ahead / 4 { end } else { end.saturating_add(ahead).min(self.file_max).max(end) };
        // No room for the zeros may yet be room for the frame.
        let written = self.write(&name, frame, start, ahead).or_else(|error| {
            if !is_full(&error) || self.room <= end {
                return Err(error);
            }
            self.disk.truncate(&name, start)?;
            self.room = start;
            self.write(&name, frame, start, end)
        });
        if let Err(error) = written {
            if !is_full(&error) {
                return Err(fatal("writing", &name, &error));
            }
            let cut = self.disk.truncate(&name, start).and_then(|()| self.disk.sync_data(&name));
            match cut {
                Ok(()) => self.room = start,
                // What is behind `start` on the disk is a torn end, and the next frame goes over it. Only a batch that is refused here and stands whole in
                // front of zeros would come back at the next start.
                Err(error) if is_full(&error) && !self.stands(&name, frame, start)? => self.room = self.room.max(end),
                Err(error) => return Err(fatal("cutting", &name, &error)),
            }
            return Err(StoreError::Full { free: 0, needed: frame.len() as u64 });
        }
        self.disk.sync_data(&name).map_err(|error| fatal("syncing", &name, &error))?;
        self.bytes += frame.len() as u64;
        self.grown += frame.len() as u64;
        self.head = Place { file: self.head.file, start, end: start + frame.len() as u64, seq, chain };
        Ok(self.head)
    }

    fn stands(&self, name: &str, frame: &[u8], start: u64) -> Result<bool, StoreError> {
        let mut there = vec![0; frame.len()];
        let read = self.disk.read_at(name, start, &mut there).map_err(|error| fatal("reading", name, &error))?;
        Ok(there[..read] == *frame)
    }

    /// Writes a frame where the last one ended; where it makes the file longer, with zeros behind it up to `ahead`.
    fn write(&mut self, name: &str, frame: &[u8], start: u64, ahead: u64) -> std::io::Result<()> {
        let end = start + frame.len() as u64;
        // Also what does not come through whole may make it longer.
        let grows = end > self.room;
        self.room = self.room.max(if grows { ahead } else { end });
        if !grows || ahead == end {
            return self.disk.write_at(name, start, frame);
        }
        let mut whole = frame.to_vec();
        whole.resize(usize::try_from(ahead - start).map_err(std::io::Error::other)?, 0);
        self.disk.write_at(name, start, &whole)
    }

    /// Cuts the zeros off the end of the last file, durably: nothing more is added to it for now.
    pub fn give_room_back(&mut self) -> std::io::Result<()> {
        if self.room > self.head.end {
            let name = file_name(self.head.file);
            self.disk.truncate(&name, self.head.end)?;
            self.disk.sync_data(&name)?;
            self.room = self.head.end;
        }
        Ok(())
    }

    /// Makes the removal of a half-made file durable: what is written next goes elsewhere, and must not meet the old header again after a power
    /// cut. Until then nothing is written.
    fn settle_removal(&mut self, len: u64) -> Result<(), StoreError> {
        match self.disk.sync_dir("journal") {
            Err(error) if is_full(&error) => Err(StoreError::Full { free: 0, needed: len }),
            other => {
                other.map_err(|error| fatal("removing", "journal", &error))?;
                self.leftover = false;
                Ok(())
            }
        }
    }

    fn start_file(&self, number: u64) -> std::io::Result<()> {
        let name = file_name(number);
        let header =
            Header { version: JOURNAL_VERSION, store: self.keys.store, file: number, first: self.head.seq + 1, chain: self.head.chain };
        self.disk.create(&name)?;
        self.disk.append(&name, &header.encode(&self.keys.header))?;
        self.disk.sync_data(&name)?;
        self.disk.sync_dir("journal")
    }
}

/// The error after which the store refuses everything.
pub fn fatal(action: &str, file: &str, error: &std::io::Error) -> StoreError {
    StoreError::Fatal(format!("{action} {file}: {error}"))
}

/// Reads a sealed part where it stands now.
fn read_span(disk: &dyn Disk, span: &Span) -> Result<Vec<u8>, StoreError> {
    let name = file_name(span.file);
    if u64::from(span.len) > frame::FRAME_MAX {
        return Err(StoreError::damaged(&name, span.offset, format!("a part of {} bytes", span.len)));
    }
    let mut bytes = vec![0; span.len as usize];
    let read = disk.read_at(&name, span.offset, &mut bytes).map_err(StoreError::io("reading", &name))?;
    if read < bytes.len() {
        return Err(StoreError::damaged(&name, span.offset, "file ends inside a part"));
    }
    Ok(bytes)
}

/// One journal file, read through a window.
pub struct FileReader<'a> {
    disk: &'a dyn Disk,
    name: String,
    len: u64,
    window: Vec<u8>,
    at: u64,
}

/// Read at least this much at once.
const WINDOW: usize = 1 << 20;

impl<'a> FileReader<'a> {
    /// Opens a file by number; `None` if it is not there.
    pub fn open(disk: &'a dyn Disk, number: u64) -> Result<Option<Self>, StoreError> {
        let name = file_name(number);
        let len = disk.len(&name).map_err(StoreError::io("measuring", &name))?;
        Ok(len.map(|len| Self { disk, name, len, window: Vec::new(), at: 0 }))
    }

    /// As [`FileReader::open`], a file of any name that is there.
    pub fn named(disk: &'a dyn Disk, name: &str) -> Result<Self, StoreError> {
        let len = disk.len(name).map_err(StoreError::io("measuring", name))?;
        Ok(Self { disk, name: name.to_owned(), len: len.unwrap_or(0), window: Vec::new(), at: 0 })
    }

    /// Its length.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Up to `len` bytes from `offset`; fewer only at the end.
    pub fn bytes(&mut self, offset: u64, len: u64) -> Result<&[u8], StoreError> {
        let end = offset.saturating_add(len).min(self.len);
        let offset = offset.min(end);
        if offset < self.at || end > self.at + self.window.len() as u64 {
            let want = ((end - offset) as usize).max(WINDOW).min((self.len - offset) as usize);
            self.window.resize(want, 0);
            let read = self.disk.read_at(&self.name, offset, &mut self.window).map_err(StoreError::io("reading", &self.name))?;
            self.window.truncate(read);
            self.at = offset;
        }
        let from = (offset - self.at) as usize;
        let to = ((end - self.at) as usize).min(self.window.len());
        Ok(&self.window[from.min(to)..to])
    }

    /// The header.
    pub fn header(&mut self, keys: &JournalKeys) -> Result<Option<Header>, StoreError> {
        let name = self.name.clone();
        Header::parse(&keys.header, &name, self.bytes(0, HEADER as u64)?)
    }

    /// What moved in it; `None` for a file as first written.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a table that does not read.
    pub fn table(&mut self, keys: &JournalKeys) -> Result<Option<Table>, StoreError> {
        match self.header(keys)? {
            Some(header) if header.is_rewritten() => {
                let table = Table::open(self.disk, &self.name, keys, &header)?;
                table.map(Some).map_err(|what| StoreError::damaged(&self.name, self.len, what))
            }
            _ => Ok(None),
        }
    }

    /// The record list of the frame at `offset`, unsealed, and the blobs; or what is wrong with it.
    pub fn parts(&mut self, keys: &JournalKeys, offset: u64) -> Result<Result<Parts, String>, StoreError> {
        let Some(head) = Head::parse(self.bytes(offset, HEAD as u64)?) else { return Ok(Err("garbled frame head".to_owned())) };
        let bytes = self.bytes(offset, head.total())?;
        if !frame::intact(bytes) {
            return Ok(Err("frame checksum does not fit".to_owned()));
        }
        let opened = frame::unseal(&keys.frame, bytes);
        Ok(opened.map(|(head, plain)| Parts { head, plain, blobs: bytes[HEAD..HEAD + head.blobs as usize].to_vec() }))
    }

    /// The frame at `offset`, or what is wrong with it.
    pub fn frame(&mut self, keys: &JournalKeys, offset: u64) -> Result<Result<(Head, Batch, u64), String>, StoreError> {
        let Some(head) = Head::parse(self.bytes(offset, HEAD as u64)?) else { return Ok(Err("garbled frame head".to_owned())) };
        let total = head.total();
        let bytes = self.bytes(offset, total)?;
        if (bytes.len() as u64) < total {
            return Ok(Err("frame cut short".to_owned()));
        }
        if !frame::intact(bytes) {
            return Ok(Err("frame checksum does not fit".to_owned()));
        }
        Ok(frame::open(&keys.frame, bytes).map(|(head, batch)| (head, batch, total)))
    }

    /// Where the bytes from an offset on end that are not the zeros of room for later frames; the offset itself if there are no others.
    pub fn written_end(&mut self, from: u64) -> Result<u64, StoreError> {
        let (mut at, mut end) = (from, from);
        loop {
            let chunk = self.bytes(at, WINDOW as u64)?;
            if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            match chunk.len() {
                0 => return Ok(end),
                read => at += read as u64,
            }
        }
    }

    /// The first offset at or after `from` where a whole valid frame with a sequence above `above` stands.
    pub fn next_valid(&mut self, keys: &JournalKeys, from: u64, above: u64) -> Result<Option<u64>, StoreError> {
        let mut at = from;
        while at + HEAD as u64 <= self.len {
            let chunk = self.bytes(at, WINDOW as u64)?;
            let found = chunk.windows(frame::MARKER.len()).position(|window| window == frame::MARKER);
            let Some(skip) = found else {
                at += (chunk.len().saturating_sub(frame::MARKER.len() - 1)).max(1) as u64;
                continue;
            };
            at += skip as u64;
            if self.frame(keys, at)?.is_ok_and(|(head, ..)| head.seq > above) {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }
}

/// The two parts of a frame.
pub struct Parts {
    /// Its head.
    pub head: Head,
    /// The record list.
    pub plain: Zeroizing<Vec<u8>>,
    /// The blobs.
    pub blobs: Vec<u8>,
}

/// Reads the frames of a file in order up to `end` and says where each part stood and stands.
///
/// # Errors
/// [`StoreError::Damaged`] for what is no frame.
pub fn stretches(file: &mut FileReader<'_>, keys: &JournalKeys, end: u64) -> Result<Stretches, StoreError> {
    let mut stretches = Stretches::new();
    while stretches.now_end() < end {
        match file.frame(keys, stretches.now_end())? {
            Ok((head, batch, _)) => stretches.frame(&head, &batch),
            Err(what) => return Err(StoreError::damaged(&file.name, stretches.now_end(), what)),
        }
    }
    Ok(stretches)
}

/// One frame met by [`scan`].
pub struct Met {
    /// Where it stands.
    pub place: Place,
    /// What it holds.
    pub batch: Batch,
}

/// The incomplete end of the last journal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Number of the file.
    pub file: u64,
    /// Where the incomplete part begins; 0 if the whole file is to go.
    pub offset: u64,
    /// Its length, without zeros at its end.
    pub bytes: u64,
}

/// How a scan ended.
#[derive(Debug)]
pub struct ScanEnd {
    /// The last whole frame, or where the scan began.
    pub head: Place,
    /// What stands after it, if anything does but zeros.
    pub torn: Option<TornTail>,
}

/// The very beginning of a store's journal.
pub fn beginning(keys: &JournalKeys) -> Place {
    Place { file: 1, start: 0, end: HEADER as u64, seq: 0, chain: chain_start(&keys.store) }
}

/// Walks all frames after `from`, until `each` answers false.
///
/// # Errors
/// [`StoreError::Damaged`] for anything but a torn tail, and whatever `each` answers.
pub fn scan(
    disk: &dyn Disk,
    keys: &JournalKeys,
    from: Place,
    each: &mut dyn FnMut(&Met) -> Result<bool, StoreError>,
) -> Result<ScanEnd, StoreError> {
    let numbers = file_numbers(disk)?;
    let last = numbers.last().copied().unwrap_or(0);
    let mut head = from;
    for number in from.file..=last.max(from.file) {
        let name = file_name(number);
        let Some(mut file) = FileReader::open(disk, number)? else {
            return Err(StoreError::damaged(&name, 0, "journal file missing"));
        };
        let is_last = number >= last;
        match file.header(keys)? {
            Some(header) if header.store != keys.store => return Err(StoreError::WrongKey),
            Some(header)
                if header.file != number || (number != from.file && (header.first, header.chain) != (head.seq + 1, head.chain)) =>
            {
                return Err(StoreError::damaged(&name, 0, "header of another place in the journal"));
            }
            Some(_) => {}
            None if is_last && number != from.file && file.next_valid(keys, 0, head.seq)?.is_none() => {
                let torn = TornTail { file: number, offset: 0, bytes: file.written_end(0)? };
                return Ok(ScanEnd { head, torn: Some(torn) });
            }
            None => return Err(StoreError::damaged(&name, 0, "garbled file header")),
        }
        // Offset when first written, and now.
        let mut was = if number == from.file { from.end } else { HEADER as u64 };
        let table = file.table(keys)?;
        let (mut at, end) = match &table {
            Some(table) => (table.now(disk, &keys.table, was, 0)?, table.now_end()),
            None => (was, file.len()),
        };
        if end < at {
            return Err(StoreError::damaged(&name, end, format!("file ends before byte {at}, which was durable")));
        }
        // Nothing is ever added to a file that compaction wrote.
        let may_be_torn = is_last && table.is_none();
        while at < end {
            let wrong = match file.frame(keys, at)? {
                Ok((frame_head, batch, total)) => match follows(&head, &frame_head, &batch) {
                    Ok(()) => {
                        let stood = was + frame_head.was(&batch);
                        head = Place { file: number, start: was, end: stood, seq: frame_head.seq, chain: batch.after };
                        (was, at) = (stood, at + total);
                        if !each(&Met { place: head, batch })? {
                            return Ok(ScanEnd { head, torn: None });
                        }
                        continue;
                    }
                    // A whole frame of ours in the wrong place is no torn write.
                    Err(wrong) => return Err(StoreError::damaged(&name, at, wrong)),
                },
                Err(wrong) => wrong,
            };
            if !may_be_torn {
                return Err(StoreError::damaged(&name, at, wrong));
            }
            if let Some(next) = file.next_valid(keys, at + 1, head.seq)? {
                return Err(StoreError::damaged(&name, at, format!("{wrong}, yet a whole frame follows at byte {next}")));
            }
            let bytes = file.written_end(at)? - at;
            let torn = (bytes > 0).then_some(TornTail { file: number, offset: at, bytes });
            // The next batch goes where the torn one stood, also when that is the first of its file.
            head = in_file(head, number);
            return Ok(ScanEnd { head, torn });
        }
        head = in_file(head, number);
    }
    Ok(ScanEnd { head, torn: None })
}

/// The same batch as the last, seen from the beginning of a later file that has no frame yet.
fn in_file(head: Place, number: u64) -> Place {
    if head.file == number { head } else { Place { file: number, start: 0, end: HEADER as u64, ..head } }
}

fn follows(head: &Place, frame: &Head, batch: &Batch) -> Result<(), String> {
    if batch.before != head.chain {
        return Err("frame of another chain".to_owned());
    }
    let expected = match batch.records[..] {
        [Record::Gap { from, .. }] => from,
        _ => frame.seq,
    };
    if expected != head.seq + 1 {
        return Err(format!("batch {} where batch {} belongs", frame.seq, head.seq + 1));
    }
    Ok(())
}
