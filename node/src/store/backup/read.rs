//! Reading a backup: checking every byte of it without a key, opening it with one, and making a store of it again.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use accord_protocol::step::Write;

use super::layout::{self, CHECK, HEAD, HEADER, Header, Kind, Manifest, Outline, Part};
use super::{BackupError, Kit};
use crate::store::cipher::{StoreKey, Subkey};
use crate::store::disk::{Disk, LockGuard};
use crate::store::error::StoreError;
use crate::store::journal::{self, JournalKeys};
use crate::store::keyring::{self, Keyring};
use crate::store::options::{OpenReport, Options, Progress, Setting, Stage};
use crate::store::place::State;
use crate::store::survey::{self, VerifyReport};
use crate::store::{Store, recover};

/// Content is read in pieces of this size.
const PIECE: u64 = 1 << 20;

/// Where a backup lies.
pub trait Source: Send + Sync {
    /// Its length.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;
    /// Reads up to `into.len()` bytes; fewer only at the end.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Source for std::fs::File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

fn exactly(source: &dyn Source, at: u64, into: &mut [u8]) -> Result<(), BackupError> {
    let read = source.read(at, into).map_err(BackupError::io("reading"))?;
    if read < into.len() {
        // It was long enough when its length was asked for.
        return Err(BackupError::Truncated { have: at + read as u64, want: at + into.len() as u64 });
    }
    Ok(())
}

/// Reads every byte and checks it, without a key.
///
/// # Errors
/// [`BackupError::Foreign`], [`BackupError::Newer`], [`BackupError::Truncated`], [`BackupError::Damaged`], [`BackupError::Io`].
pub fn examine(source: &dyn Source, progress: &mut dyn FnMut(Progress)) -> Result<Outline, BackupError> {
    let have = source.size().map_err(BackupError::io("measuring"))?;
    let mut bytes = vec![0; HEADER.min(usize::try_from(have).unwrap_or(HEADER))];
    exactly(source, 0, &mut bytes)?;
    let header = Header::parse(&bytes)?;
    if have < header.total {
        return Err(BackupError::Truncated { have, want: header.total });
    }
    if have > header.total {
        return Err(BackupError::damaged(header.total, "bytes after the end"));
    }
    let raw = header.encode();
    let mut at = HEADER as u64;
    let mut parts: Vec<Part> = Vec::new();
    let mut wrap = Vec::new();
    for position in 0..header.parts {
        let begins = at;
        let garbled = |what: &str| BackupError::damaged(begins, what);
        // Lengths are compared with what is left before anything is read or taken.
        let left = have.checked_sub(at + HEAD + CHECK).ok_or_else(|| garbled("garbled part"))?;
        let mut head = [0; HEAD as usize];
        exactly(source, at, &mut head)?;
        let (number, len) = (u64::from_be_bytes(slice(&head[1..9])), u64::from_be_bytes(slice(&head[9..])));
        let (kind, expected, most) = match position {
            0 => (Kind::Wrap, 0, layout::WRAP_BYTES_MAX),
            1 => (Kind::Kit, 0, layout::KIT_BYTES_MAX),
            _ if position + 1 == header.parts => (Kind::Manifest, 0, layout::MANIFEST_BYTES_MAX),
            _ => (Kind::Journal, u64::from(position) - 1, u64::MAX),
        };
        if head[0] != kind as u8 || number != expected || len > left.min(most) {
            return Err(garbled("garbled part"));
        }
        at += HEAD;
        let content = at;
        let mut hasher = layout::check(&raw, &head);
        let mut piece = vec![0; len.min(PIECE) as usize];
        while at < content + len {
            piece.truncate((content + len - at).min(PIECE) as usize);
            exactly(source, at, &mut piece)?;
            hasher.update(&piece);
            if kind == Kind::Wrap {
                wrap.extend_from_slice(&piece);
            }
            at += piece.len() as u64;
            progress(Progress { stage: Stage::Backup, done: at, total: have, items: 0 });
        }
        let mut check = [0; CHECK as usize];
        exactly(source, at, &mut check)?;
        if *hasher.finalize().as_bytes() != check {
            return Err(garbled("the check of this part does not fit"));
        }
        at += CHECK;
        parts.push(Part { kind, number, at: content, len, check });
    }
    if at != have {
        return Err(BackupError::damaged(at, "bytes after the last part"));
    }
    Ok(Outline { header, wrap, parts })
}

fn slice(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

/// A backup that was opened: what it states is authentic.
pub struct Backup<'a> {
    source: &'a dyn Source,
    outline: Outline,
    state: State,
    documents: u64,
    keyring: Vec<u8>,
    kit: Kit,
    key: &'a StoreKey,
    store: [u8; 16],
}

impl std::fmt::Debug for Backup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("batches", &self.state.place.seq).finish_non_exhaustive()
    }
}

/// Opens an examined backup with its own key and the store's.
///
/// # Errors
/// [`BackupError::WrongKey`]; [`BackupError::Damaged`] for a file put together by somebody without the key.
pub fn open<'a>(source: &'a dyn Source, outline: Outline, file_key: &[u8; 32], key: &'a StoreKey) -> Result<Backup<'a>, BackupError> {
    let header = outline.header.encode();
    let under = Subkey::new(*file_key);
    let part = |kind: Kind| -> Result<_, BackupError> {
        let part = *outline.part(kind)?;
        let mut sealed = vec![0; usize::try_from(part.len).map_err(|_| BackupError::damaged(part.at, "part too long"))?];
        exactly(source, part.at, &mut sealed)?;
        // All checks fit, so what does not open was sealed under another key.
        Ok((part, under.open(&layout::bound(&header, kind), &sealed).ok_or(BackupError::WrongKey)?))
    };
    let (at, plain) = part(Kind::Manifest)?;
    let manifest = Manifest::decode(&plain).ok_or_else(|| BackupError::damaged(at.at, "garbled manifest"))?;
    let found = outline.parts.iter().filter(|part| part.kind != Kind::Manifest);
    if !found.map(|part| &part.check).eq(&manifest.checks) || manifest.state.place.seq != outline.header.batches {
        return Err(BackupError::damaged(at.at, "the parts are not those the manifest states"));
    }
    let (at, plain) = part(Kind::Kit)?;
    let (keyring, kit) = layout::decode_kit(&plain).ok_or_else(|| BackupError::damaged(at.at, "garbled kit"))?;
    let store = match Keyring::from_bytes(&keyring, key) {
        Ok(ring) if ring.store == outline.header.store => ring.store,
        Ok(_) | Err(StoreError::WrongKey) => return Err(BackupError::WrongKey),
        Err(error) => return Err(error.into()),
    };
    Ok(Backup { source, state: manifest.state, documents: manifest.documents, outline, keyring, kit, key, store })
}

impl Backup<'_> {
    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.outline.header
    }

    /// Documents with a key in it.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Highest item sequence in it.
    pub fn sequence(&self) -> u64 {
        self.state.item_seq
    }

    /// The chain head after its last batch.
    pub fn head(&self) -> [u8; 32] {
        self.state.place.chain
    }

    /// The node's sealed files.
    pub fn kit(&self) -> &Kit {
        &self.kit
    }

    /// Reads the journal in it to the end, with every sealed part.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] for what does not open or does not follow, which then was in the store already.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, BackupError> {
        let mut ring = Keyring::from_bytes(&self.keyring, self.key)?;
        let keys = JournalKeys::derive(self.key, self.store);
        let disk = Inside { source: self.source, outline: &self.outline };
        let survey = survey::take(&disk, &keys, &mut ring, self.state.place.seq, progress)?;
        let end = (survey.seq, survey.chain) == (self.state.place.seq, self.state.place.chain) && survey.report.torn_tail_bytes == 0;
        if !end && survey.report.damage.is_empty() {
            return Err(BackupError::damaged(0, "the journal does not end where the manifest says"));
        }
        Ok(survey.report)
    }

    /// Bytes a restore needs on the disk.
    pub fn restore_bytes(&self) -> u64 {
        let options = Options::default();
        // The index of small rows is below the journal; a first index checkpoint may be as long again.
        2 * self.outline.journal_bytes() + 2 * self.keyring.len() as u64 + options.reserve_bytes + options.low_water_bytes
    }

    /// Makes a store of it in the folder `dir`, which is made, and commits `writes` as its first new batch.
    ///
    /// # Errors
    /// [`BackupError::Store`]; [`BackupError::Damaged`] when bytes changed since they were examined.
    pub fn restore(&self, dir: &Path, writes: &[Write], progress: &mut dyn FnMut(Progress)) -> Result<OpenReport, BackupError> {
        self.restore_on(Setting::real(dir, &Options::default()), writes, progress)
    }

    pub(in crate::store) fn restore_on(
        &self,
        setting: Setting,
        writes: &[Write],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<OpenReport, BackupError> {
        let disk = &*setting.disk;
        disk.create_dir("").and_then(|()| disk.sync_home()).map_err(StoreError::io("making", "store"))?;
        disk.create_dir("journal").map_err(StoreError::io("making", "journal"))?;
        let raw = self.outline.header.encode();
        let (mut done, total) = (0, self.outline.journal_bytes());
        for part in self.outline.journal() {
            let name = journal::file_name(part.number);
            disk.create(&name).map_err(StoreError::io("making", &name))?;
            let mut hasher = layout::check(&raw, &layout::head(part.kind, part.number, part.len));
            let mut at = 0;
            while at < part.len {
                let mut piece = vec![0; (part.len - at).min(PIECE) as usize];
                exactly(self.source, part.at + at, &mut piece)?;
                hasher.update(&piece);
                disk.append(&name, &piece).map_err(StoreError::io("writing", &name))?;
                at += piece.len() as u64;
                done += piece.len() as u64;
                progress(Progress { stage: Stage::Backup, done, total, items: 0 });
            }
            if *hasher.finalize().as_bytes() != part.check {
                return Err(BackupError::damaged(part.at, "the file changed while it was read"));
            }
            disk.sync_data(&name).map_err(StoreError::io("syncing", &name))?;
        }
        disk.sync_dir("journal").map_err(StoreError::io("syncing", "journal"))?;
        // Without a keyring there is no store, so it comes last.
        for name in [keyring::COPY, keyring::FILE] {
            disk.replace(name, keyring::NEXT, &self.keyring).map_err(StoreError::io("writing", name))?;
        }
        let (mut store, report): (Store, _) = recover::open(setting.clone(), self.key, recover::Mode::Start, progress)?;
        if (store.batches(), store.head()) != (self.state.place.seq, self.state.place.chain) {
            return Err(BackupError::damaged(0, "the restored journal does not end where the manifest says"));
        }
        store.commit(writes)?;
        store.close()?;
        Ok(report)
    }
}

/// The journal inside a backup, as a disk that can only be read.
struct Inside<'a> {
    source: &'a dyn Source,
    outline: &'a Outline,
}

impl Inside<'_> {
    fn part(&self, name: &str) -> Option<&Part> {
        self.outline.journal().find(|part| journal::file_name(part.number) == name)
    }

    fn no<T>() -> io::Result<T> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Disk for Inside<'_> {
    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let part = self.part(name).ok_or(io::ErrorKind::NotFound)?;
        let left = part.len.saturating_sub(offset).min(into.len() as u64) as usize;
        self.source.read(part.at + offset, &mut into[..left])
    }
    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let names = self.outline.journal().map(|part| journal::file_name(part.number));
        Ok(names.filter_map(|file| Some(file.strip_prefix(name)?.strip_prefix('/')?.to_owned())).collect())
    }
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.part(name).map(|part| part.len))
    }
    fn free_space(&self) -> io::Result<u64> {
        Ok(0)
    }
    fn lock(&self, _: &str) -> Result<LockGuard, StoreError> {
        Ok(Box::new(()))
    }
    fn check_modes(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn append(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Self::no()
    }
    fn write_at(&self, _: &str, _: u64, _: &[u8]) -> io::Result<()> {
        Self::no()
    }
    fn sync_data(&self, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn truncate(&self, _: &str, _: u64) -> io::Result<()> {
        Self::no()
    }
    fn allocate(&self, _: &str, _: u64) -> io::Result<()> {
        Self::no()
    }
    fn create(&self, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn create_dir(&self, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn rename_new(&self, _: &str, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Self::no()
    }
    fn sync_home(&self) -> io::Result<()> {
        Self::no()
    }
}
