//! Backups as a whole node: what of a data folder goes into one, who may open it, and the folder it becomes again.

use std::fs::File;
use std::path::{Path, PathBuf};

use accord_keys::keyfile::{KdfParams, RecoveryKey};
use zeroize::Zeroizing;

use super::{Building, failures, whereabouts};
use crate::config::Config;
use crate::driver::Clock;
use crate::failure::Failure;
use crate::keystore::backup_keys::{BackupKeys, BackupRing, day_of};
use crate::keystore::{KeyFolder, make_folder, random, write_private};
use crate::store::backup::{self, BackupError, Header, Kit, Label, Outline, Snapshot};
use crate::store::{Progress, Store, StoreKey, VerifyReport};

/// What a running or stopped node needs to label a backup.
pub struct Maker {
    label: Label,
    kit: Kit,
}

impl Maker {
    /// Gathers what goes beside the journal. `unix` is now.
    ///
    /// # Errors
    /// `backup_no_keys` for a node without a recovery key; what reading the key files says.
    pub fn gather(data: &Path, keys: &KeyFolder, ring: Option<&BackupRing>, unix: u64) -> Result<Self, Failure> {
        let none = || Failure::misuse("backup_no_keys");
        let (ring, wrap) = (ring.ok_or_else(none)?, keys.recovery_wrap()?.ok_or_else(none)?);
        // A clock behind the first day there is a key for is off; that day's key will do.
        let day = day_of(unix).max(ring.first_day());
        let chain = ring.on(day).ok_or_else(|| Failure::refused("backup_clock"))?;
        let mut files = keys.sealed_files()?;
        let config = Config::path(data);
        match std::fs::read(&config) {
            Ok(bytes) => files.push(("accord.toml".to_owned(), Zeroizing::new(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::misuse("file_unreadable").with("path", config.display()).because(error)),
        }
        let id = random()?;
        let label = Label { id, day, key: chain.file_key(&id), recovery_day: ring.printed(), wrap, made: unix };
        Ok(Self { label, kit: Kit(files) })
    }

    /// Writes the backup to `sink`.
    ///
    /// # Errors
    /// As [`Snapshot::write`].
    pub fn write(&self, snapshot: &Snapshot, sink: &mut dyn FnMut(&[u8]) -> Result<(), BackupError>) -> Result<(), BackupError> {
        snapshot.write(&self.label, &self.kit, sink)
    }
}

/// Takes a snapshot of a node that is stopped. The store is opened for it, and closed again.
///
/// # Errors
/// `store_in_use` where a daemon runs after all, and what opening the store says.
pub fn stopped(data: &Path, keys: &KeyFolder, passphrase: &str, progress: &mut dyn FnMut(Progress)) -> Result<(Store, Maker), Failure> {
    let dir = data.join("store");
    let node = keys.read_node(passphrase)?;
    let ring = BackupRing::open(keys, &node.store)?;
    let maker = Maker::gather(data, keys, ring.as_ref(), Clock::start().now().wall.0)?;
    let (store, _) = Store::open(&dir, &StoreKey::new(node.store), progress).map_err(|error| failures::store(&dir, error))?;
    Ok((store, maker))
}

/// Who opens a backup.
pub enum Opener {
    /// The key on paper.
    Paper(RecoveryKey),
    /// A copy of the node's key folder and its passphrase.
    Keys {
        /// The folder.
        folder: PathBuf,
        /// What opens it.
        passphrase: Zeroizing<String>,
    },
}

/// The keys somebody has to a backup.
struct Opened {
    store: StoreKey,
    /// The chain from the day of the backup on.
    chain: BackupKeys,
}

fn unlock(file: &Path, outline: &Outline, opener: &Opener) -> Result<Opened, Failure> {
    let header = &outline.header;
    let (store, chain) = match opener {
        Opener::Paper(paper) => {
            let recovery = KeyFolder::open_recovery(&outline.wrap, paper, file)?;
            let chain = recovery.backup().cloned().ok_or_else(|| Failure::misuse("backup_no_keys"))?;
            (StoreKey::new(recovery.store), chain)
        }
        Opener::Keys { folder, passphrase } => {
            let folder = KeyFolder::elsewhere(folder, KdfParams::default())?;
            let node = folder.read_node(passphrase)?;
            let chain = folder.read_backup_keys(&node.store)?.ok_or_else(|| Failure::misuse("backup_no_keys"))?;
            (StoreKey::new(node.store), chain)
        }
    };
    let expired =
        || Failure::refused("backup_expired").with("path", file.display()).with("day", header.day).with("first", chain.first_day());
    let chain = chain.on(header.day).ok_or_else(expired)?;
    Ok(Opened { store, chain })
}

/// What looking at a backup found.
#[derive(Debug)]
pub struct Examined {
    /// What it says of itself.
    pub header: Header,
    /// Bytes of journal in it.
    pub journal_bytes: u64,
    /// What a key showed; `None` without one.
    pub opened: Option<Inside>,
}

/// What is in a backup.
#[derive(Debug)]
pub struct Inside {
    /// Documents with a key.
    pub documents: u64,
    /// Highest item sequence.
    pub sequence: u64,
    /// Chain head after the last batch.
    pub head: [u8; 32],
    /// What reading the journal in it to the end found.
    pub report: VerifyReport,
}

/// Checks a backup without restoring it: all of its bytes, and with somebody's keys also that all of it opens.
///
/// # Errors
/// `backup_foreign`, `backup_newer`, `backup_truncated`, `backup_damaged`, `backup_key`, `backup_expired`, `file_unreadable`.
pub fn verify(file: &Path, opener: Option<&Opener>, progress: &mut dyn FnMut(Progress)) -> Result<Examined, Failure> {
    let failed = |error| failures::backup(file, error);
    let source = open(file)?;
    let outline = backup::examine(&source, progress).map_err(failed)?;
    let (header, journal_bytes) = (outline.header, outline.journal_bytes());
    let opened = match opener {
        None => None,
        Some(opener) => {
            let keys = unlock(file, &outline, opener)?;
            let key = keys.chain.file_key(&header.id);
            let backup = backup::open(&source, outline, &key, &keys.store).map_err(failed)?;
            let report = backup.verify(progress).map_err(failed)?;
            Some(Inside { documents: backup.documents(), sequence: backup.sequence(), head: backup.head(), report })
        }
    };
    Ok(Examined { header, journal_bytes, opened })
}

/// Makes the data folder `data`, which must be absent or empty, of a backup. The node it becomes catches up and writes no record until an officer
/// confirmed its store.
///
/// # Errors
/// As [`verify`]; `data_exists`, `store_no_room`, a failed write. After any of them there is no data folder.
pub fn restore(file: &Path, data: &Path, opener: &Opener, progress: &mut dyn FnMut(Progress)) -> Result<Inside, Failure> {
    super::keep_memory_private();
    // Told before a long reading begins; made sure of again at the end.
    let building = Building::begin(data, None)?;
    match build(file, &building.at, opener, progress) {
        Ok(inside) => building.finish().map(|()| inside),
        Err(failure) => {
            building.abandon();
            Err(failure)
        }
    }
}

fn build(file: &Path, at: &Path, opener: &Opener, progress: &mut dyn FnMut(Progress)) -> Result<Inside, Failure> {
    let failed = |error| failures::backup(file, error);
    let source = open(file)?;
    let outline = backup::examine(&source, progress).map_err(failed)?;
    let (header, wrap) = (outline.header, outline.wrap.clone());
    let keys = unlock(file, &outline, opener)?;
    let key = keys.chain.file_key(&header.id);
    let backup = backup::open(&source, outline, &key, &keys.store).map_err(failed)?;
    let report = backup.verify(progress).map_err(failed)?;
    if let Some(damage) = report.damage.first() {
        return Err(failed(damage.clone().into()));
    }
    let (needed, free) = (backup.restore_bytes(), free_bytes(at)?);
    if free < needed {
        return Err(failed(BackupError::NoRoom { free, needed }));
    }
    make_folder(&at.join("keys"))?;
    make_folder(&at.join("keys/officers"))?;
    for (name, bytes) in &backup.kit().0 {
        write_private(&at.join(name), bytes)?;
    }
    write_private(&at.join("keys/recovery.wrap"), &wrap)?;
    let folder = KeyFolder::elsewhere(&at.join("keys"), KdfParams::default())?;
    folder.write_backup_keys(&keys.chain, keys.store.expose())?;
    backup.restore(&at.join("store"), &whereabouts::restored(), progress).map_err(failed)?;
    Ok(Inside { documents: backup.documents(), sequence: backup.sequence(), head: backup.head(), report })
}

fn open(file: &Path) -> Result<File, Failure> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::misuse("file_not_found").with("path", file.display()),
        _ => Failure::misuse("file_unreadable").with("path", file.display()).because(error),
    };
    let open = File::open(file).map_err(unreadable)?;
    if !open.metadata().map_err(unreadable)?.is_file() {
        return Err(Failure::misuse("file_unreadable").with("path", file.display()));
    }
    Ok(open)
}

fn free_bytes(at: &Path) -> Result<u64, Failure> {
    let stat = rustix::fs::statvfs(at).map_err(|error| Failure::misuse("file_unreadable").with("path", at.display()).because(error))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests;
