//! Where the parts of a rewritten journal file stand now: a sealed table at its end.
//!
//! A file that compaction wrote is shorter than it was, yet every place noted elsewhere (index, checkpoint, keyring, marker of a clean stop)
//! stays that of the first writing. The table says for each *stretch* of bytes that stayed where it stood and where it stands. A lookup reads
//! one chunk of it. It holds nothing that the frames do not: reading them in order gives it again, which is what a repair does.
//!
//! ```text
//! chunks     sealed(table key, file header ‖ number u32, stretches): up to 128 × (was ‖ now ‖ length), numbers of seven bits a byte,
//!            `was` and `now` less the end of the stretch before in the same chunk
//! directory  sealed(table key, file header ‖ FFFFFFFF, version u16 ‖ end of all frames as first written u64 ‖ end of the frames u64 ‖ count u32 ‖
//!            (`was` of the chunk's first stretch u64 ‖ offset u64 ‖ length u32)..)
//! tail       "ACCTABLE" ‖ offset of the directory u64 ‖ its length u32 ‖ checksum over header and these 20 bytes (16)
//! ```

use super::batch::Batch;
use super::bytes::{Reader, put_number};
use super::cipher::{Random, Subkey};
use super::disk::Disk;
use super::error::StoreError;
use super::frame::{FRAME_MAX, HEAD, HEADER, Head, Header};
use super::journal;

const MAGIC: [u8; 8] = *b"ACCTABLE";
const TABLE_VERSION: u16 = 1;
/// Bytes of the tail.
const TAIL: usize = 36;
/// Stretches in a chunk: about 1 KiB to open for a lookup. A directory in memory has 20 bytes for each chunk: some 16 KB for a file of 64 MiB.
const CHUNK_STRETCHES: usize = 128;
/// A longer chunk or directory is not believed: the latter has 20 bytes for each chunk.
const SEALED_MAX: u32 = 16 << 20;
const DIRECTORY: u32 = u32::MAX;

/// Bytes that moved together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Offset when first written.
    pub was: u64,
    /// Offset now.
    pub now: u64,
    /// Length in bytes.
    pub len: u64,
}

/// The stretches of a file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretches {
    list: Vec<Stretch>,
    was_end: u64,
    now_end: u64,
}

impl Stretches {
    /// Of a file without frames yet.
    pub fn new() -> Self {
        Self { list: Vec::new(), was_end: HEADER as u64, now_end: HEADER as u64 }
    }

    /// Enters the next frame of the file as it is now.
    pub fn frame(&mut self, head: &Head, batch: &Batch) {
        let (was, now) = (self.was_end, self.now_end);
        if batch.was.is_some() {
            self.add(Stretch { was, now, len: HEAD as u64 });
            for blob in batch.records.iter().filter_map(|record| record.blob()) {
                let at = |offset: u32| HEAD as u64 + u64::from(offset);
                self.add(Stretch { was: was + at(blob.offset), now: now + at(blob.at), len: blob.len.into() });
            }
        } else {
            self.add(Stretch { was, now, len: head.total() });
        }
        self.was_end = was + head.was(batch);
        self.now_end = now + head.total();
    }

    fn add(&mut self, next: Stretch) {
        match self.list.last_mut() {
            Some(last) if last.was + last.len == next.was && last.now + last.len == next.now => last.len += next.len,
            _ => self.list.push(next),
        }
    }

    /// Where the frames end now.
    pub fn now_end(&self) -> u64 {
        self.now_end
    }

    /// Adds the table behind the frames of the file `name`, which has this header.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn append(&self, disk: &dyn Disk, name: &str, header: &[u8], key: &Subkey, random: &mut Random) -> Result<(), StoreError> {
        let mut offset = self.now_end;
        let mut put = |bytes: &[u8]| {
            offset += bytes.len() as u64;
            disk.append(name, bytes).map(|()| offset).map_err(StoreError::io("writing", name))
        };
        let mut directory = Vec::with_capacity(64);
        directory.extend_from_slice(&TABLE_VERSION.to_be_bytes());
        directory.extend_from_slice(&self.was_end.to_be_bytes());
        directory.extend_from_slice(&self.now_end.to_be_bytes());
        directory.extend_from_slice(&(self.list.len().div_ceil(CHUNK_STRETCHES) as u32).to_be_bytes());
        let mut at = self.now_end;
        for (number, chunk) in self.list.chunks(CHUNK_STRETCHES).enumerate() {
            let mut plain = Vec::with_capacity(CHUNK_STRETCHES * 8);
            let (mut was, mut now) = (0, 0);
            for stretch in chunk {
                put_number(&mut plain, stretch.was - was);
                put_number(&mut plain, stretch.now - now);
                put_number(&mut plain, stretch.len);
                (was, now) = (stretch.was + stretch.len, stretch.now + stretch.len);
            }
            let mut sealed = Vec::new();
            key.seal(random.take()?, &bound(header, number as u32), &[&plain], &mut sealed);
            directory.extend_from_slice(&chunk[0].was.to_be_bytes());
            directory.extend_from_slice(&at.to_be_bytes());
            directory.extend_from_slice(&(sealed.len() as u32).to_be_bytes());
            at = put(&sealed)?;
        }
        let mut sealed = Vec::new();
        key.seal(random.take()?, &bound(header, DIRECTORY), &[&directory], &mut sealed);
        let len = sealed.len() as u32;
        put(&sealed)?;
        put(&tail(header, at, len))?;
        Ok(())
    }
}

fn bound(header: &[u8], number: u32) -> Vec<u8> {
    [header, &number.to_be_bytes()].concat()
}

fn tail(header: &[u8], at: u64, len: u32) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&at.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    let check = blake3::Hasher::new().update(header).update(&out).finalize();
    out.extend_from_slice(&check.as_bytes()[..16]);
    out
}

/// A chunk of a table: its first stretch, where it lies and its length.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    was: u64,
    at: u64,
    len: u32,
}

/// The table of one file, as far as its directory.
#[derive(Debug)]
pub struct Table {
    name: String,
    header: Vec<u8>,
    was_end: u64,
    now_end: u64,
    chunks: Vec<Chunk>,
}

impl Table {
    /// Reads the directory of a file with this header; inside, what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(disk: &dyn Disk, name: &str, keys: &journal::JournalKeys, header: &Header) -> Result<Result<Self, String>, StoreError> {
        let header = header.encode(&keys.header);
        let reading = || StoreError::io("reading", name);
        let len = disk.len(name).map_err(reading())?.unwrap_or(0);
        let garbled = || Ok(Err("the table of what moved is garbled".to_owned()));
        let Some(start) = len.checked_sub(TAIL as u64) else { return garbled() };
        let mut bytes = vec![0; TAIL];
        let read = disk.read_at(name, start, &mut bytes).map_err(reading())?;
        let mut from = Reader(&bytes[..read]);
        let (Some(MAGIC), Some(at), Some(size)) = (from.array(), from.u64(), from.u32()) else { return garbled() };
        if bytes[..read] != tail(&header, at, size)[..] || size > SEALED_MAX || at.checked_add(size.into()) != Some(start) {
            return garbled();
        }
        let mut sealed = vec![0; size as usize];
        let read = disk.read_at(name, at, &mut sealed).map_err(reading())?;
        let Some(plain) = keys.table.open(&bound(&header, DIRECTORY), &sealed[..read]) else { return garbled() };
        let mut from = Reader(&plain);
        match from.u16() {
            Some(TABLE_VERSION) => {}
            found => return Ok(Err(format!("table version {found:?}, expected {TABLE_VERSION}"))),
        }
        let fields = |from: &mut Reader<'_>| {
            let (was_end, now_end) = (from.u64()?, from.u64()?);
            let mut chunks = Vec::new();
            for _ in 0..from.u32()? {
                let chunk = Chunk { was: from.u64()?, at: from.u64()?, len: from.u32()? };
                (chunk.len <= SEALED_MAX && chunk.at.checked_add(chunk.len.into())? <= at).then_some(())?;
                chunks.push(chunk);
            }
            from.end()?;
            (now_end <= at && chunks.is_sorted_by_key(|chunk| chunk.was)).then_some((was_end, now_end, chunks))
        };
        let Some((was_end, now_end, chunks)) = fields(&mut from) else { return garbled() };
        Ok(Ok(Self { name: name.to_owned(), header, was_end, now_end, chunks }))
    }

    /// Where the frames end now.
    pub fn now_end(&self) -> u64 {
        self.now_end
    }

    /// Where `len` bytes stand now that stood at `was`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the table does not read or says nothing of them, [`StoreError::Io`].
    pub fn now(&self, disk: &dyn Disk, key: &Subkey, was: u64, len: u64) -> Result<u64, StoreError> {
        if was == self.was_end && len == 0 {
            return Ok(self.now_end);
        }
        let number = self.chunks.partition_point(|chunk| chunk.was <= was).checked_sub(1);
        if let Some(number) = number {
            let list = self.chunk(disk, key, number)?;
            let before = list.partition_point(|stretch| stretch.was <= was).checked_sub(1);
            if let Some(stretch) = before.and_then(|before| list.get(before))
                && was.checked_add(len).is_some_and(|end| end <= stretch.was + stretch.len)
            {
                return Ok(stretch.now + (was - stretch.was));
            }
        }
        Err(StoreError::damaged(&self.name, self.now_end, format!("the bytes first written at {was} are no longer there")))
    }

    fn chunk(&self, disk: &dyn Disk, key: &Subkey, number: usize) -> Result<Vec<Stretch>, StoreError> {
        let chunk = self.chunks[number];
        let damaged = || StoreError::damaged(&self.name, chunk.at, "a part of the table of what moved is garbled");
        let mut sealed = vec![0; chunk.len as usize];
        let read = disk.read_at(&self.name, chunk.at, &mut sealed).map_err(StoreError::io("reading", &self.name))?;
        let plain = key.open(&bound(&self.header, number as u32), &sealed[..read]).ok_or_else(damaged)?;
        let mut from = Reader(&plain);
        let (mut was, mut now) = (0_u64, 0_u64);
        let mut list = Vec::new();
        while from.end().is_none() {
            let next = |from: &mut Reader<'_>| {
                let stretch = Stretch { was: was.checked_add(from.number()?)?, now: now.checked_add(from.number()?)?, len: from.number()? };
                // Whatever it says, sums of what is read here cannot overflow.
                (stretch.was.max(stretch.now) < u64::MAX / 4 && stretch.len < u64::MAX / 4).then_some(stretch)
            };
            let stretch = next(&mut from).ok_or_else(damaged)?;
            (was, now) = (stretch.was + stretch.len, stretch.now + stretch.len);
            list.push(stretch);
        }
        Ok(list)
    }

    /// The whole table.
    ///
    /// # Errors
    /// As [`Table::now`].
    pub fn stretches(&self, disk: &dyn Disk, key: &Subkey) -> Result<Stretches, StoreError> {
        let mut list = Vec::new();
        for number in 0..self.chunks.len() {
            list.extend(self.chunk(disk, key, number)?);
        }
        Ok(Stretches { list, was_end: self.was_end, now_end: self.now_end })
    }
}

const _: () = assert!(FRAME_MAX < u32::MAX as u64, "a frame's first length is noted in four bytes");
