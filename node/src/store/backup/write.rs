//! Making a backup: what the store was at one batch, read by another thread while the store goes on.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::layout::{self, CHECK, HEAD, HEADER, Header, Kind, Manifest};
use super::{BackupError, Kit};
use crate::store::cipher::{NONCE, Random, Subkey, TAG};
use crate::store::disk::Disk;
use crate::store::error::StoreError;
use crate::store::journal::{self, Reading};
use crate::store::keyring::Keyring;
use crate::store::place::State;

/// Content is handed on in pieces of this size.
const PIECE: u64 = 1 << 20;

/// The store as it stood when this was taken. Cheap to make but for the keys; nothing is read yet. While it lives compaction
/// replaces no file.
pub struct Snapshot {
    disk: Arc<dyn Disk>,
    keyring: Keyring,
    state: State,
    /// Nothing is added to the file it ends in, so all of it belongs to the backup.
    closed: bool,
    _reading: Reading,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("batches", &self.state.place.seq).finish_non_exhaustive()
    }
}

/// What a backup is made under.
pub struct Label {
    /// Drawn for this backup.
    pub id: [u8; 16],
    /// Days since 1970 of its key.
    pub day: u32,
    /// The key of this file.
    pub key: Zeroizing<[u8; 32]>,
    /// Days since 1970 when the recovery key was printed.
    pub recovery_day: u32,
    /// The wrap that the recovery key opens.
    pub wrap: Vec<u8>,
    /// Now, Unix seconds.
    pub made: u64,
}

impl Snapshot {
    pub(in crate::store) fn new(disk: Arc<dyn Disk>, keyring: Keyring, state: State, closed: bool, reading: Reading) -> Self {
        Self { disk, keyring, state, closed, _reading: reading }
    }

    /// Hands the whole file to `sink`, piece by piece; the first piece is the header, which says how much will come.
    ///
    /// # Errors
    /// What `sink` answers; [`BackupError::Store`] when the journal cannot be read.
    pub fn write(&self, label: &Label, kit: &Kit, sink: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>) -> Result<(), BackupError> {
        let mut random = Random::default();
        let key = Subkey::new(*label.key);
        let mut keyring = self.keyring.clone();
        keyring.through = self.state.place;
        let plain = layout::encode_kit(&keyring.to_bytes(&mut random)?, kit)?;
        let files = self.files()?;
        let sealed = |len: usize| (NONCE + len + TAG) as u64;
        let lens = [label.wrap.len() as u64, sealed(plain.len())].into_iter().chain(files.iter().map(|(_, len)| *len));
        let before: Vec<u64> = lens.collect();
        let last = sealed(Manifest::len(before.len()));
        let content: u64 = before.iter().sum::<u64>() + last;
        let header = Header {
            id: label.id,
            store: keyring.store,
            day: label.day,
            recovery_day: label.recovery_day,
            made: label.made,
            batches: self.state.place.seq,
            total: HEADER as u64 + content + (before.len() as u64 + 1) * (HEAD + CHECK),
            parts: u32::try_from(before.len() + 1).expect("a journal of a few billion files does not exist"),
        }
        .encode();
        sink(&header)?;
        let mut out = Parts { header: &header, sink, checks: Vec::new() };
        out.whole(Kind::Wrap, &label.wrap)?;
        let mut kit = Vec::with_capacity(plain.len() + NONCE + TAG);
        key.seal(random.take()?, &layout::bound(&header, Kind::Kit), &[&plain], &mut kit);
        drop(plain);
        out.whole(Kind::Kit, &kit)?;
        drop(kit);
        for (number, len) in files {
            out.file(&*self.disk, number, len)?;
        }
        let manifest =
            Manifest { state: self.state, documents: self.keyring.documents().count() as u64, checks: out.checks.clone() }.encode();
        let mut sealed = Vec::with_capacity(manifest.len() + NONCE + TAG);
        key.seal(random.take()?, &layout::bound(&header, Kind::Manifest), &[&manifest], &mut sealed);
        out.whole(Kind::Manifest, &sealed)
    }

    /// Journal files and how much of each is in the backup. What was appended since is not.
    fn files(&self) -> Result<Vec<(u64, u64)>, BackupError> {
        let end = self.state.place;
        let mut files = Vec::new();
        for number in 1..=end.file {
            let name = journal::file_name(number);
            let len = self.disk.len(&name).map_err(StoreError::io("measuring", &name))?;
            let len = len.ok_or_else(|| StoreError::damaged(&name, 0, "journal file missing"))?;
            files.push((number, if number == end.file && !self.closed { end.end } else { len }));
        }
        Ok(files)
    }
}

struct Parts<'a> {
    header: &'a [u8; HEADER],
    sink: &'a mut dyn FnMut(&[u8]) -> Result<(), BackupError>,
    checks: Vec<[u8; 32]>,
}

impl Parts<'_> {
    fn whole(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), BackupError> {
        let head = layout::head(kind, 0, bytes.len() as u64);
        let mut check = layout::check(self.header, &head);
        (self.sink)(&head)?;
        for piece in bytes.chunks(PIECE as usize) {
            check.update(piece);
            (self.sink)(piece)?;
        }
        self.end(check)
    }

    fn file(&mut self, disk: &dyn Disk, number: u64, len: u64) -> Result<(), BackupError> {
        let name = journal::file_name(number);
        let head = layout::head(Kind::Journal, number, len);
        let mut check = layout::check(self.header, &head);
        (self.sink)(&head)?;
        let mut at = 0;
        while at < len {
            let mut piece = vec![0; (len - at).min(PIECE) as usize];
            let read = disk.read_at(&name, at, &mut piece).map_err(StoreError::io("reading", &name))?;
            if read < piece.len() {
                return Err(StoreError::damaged(&name, at, "file ends before what was durable").into());
            }
            check.update(&piece);
            (self.sink)(&piece)?;
            at += piece.len() as u64;
        }
        self.end(check)
    }

    fn end(&mut self, check: blake3::Hasher) -> Result<(), BackupError> {
        let check = *check.finalize().as_bytes();
        self.checks.push(check);
        (self.sink)(&check)
    }
}
