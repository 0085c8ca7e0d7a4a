//! Backups: one file that holds a consistent durable prefix of the journal and what opens it, made while the store goes on.
//!
//! The journal goes as it lies on the disk, as ciphertext. The keyring and the node's sealed key files are sealed under the file's own key,
//! which comes from the key of its day ([`crate::keystore::backup_keys`]); so a backup whose day was forgotten keeps its documents closed
//! to whoever has the store key and the file. The wrap for the paper recovery key travels in the file. `docs/STORAGE.md` has the format.

mod landing;
mod layout;
mod read;
mod write;

use std::io;

use thiserror::Error;
use zeroize::Zeroizing;

use super::error::{Damage, StoreError};

pub use landing::Landing;
pub use layout::{BACKUP_VERSION, Header, Outline, is_ours};
pub use read::{Backup, Source, examine, open};
pub use write::{Label, Snapshot};

/// What a node needs beside its store, as it lies in the data folder: names relative to it, and contents that are sealed already.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kit(pub Vec<(String, Zeroizing<Vec<u8>>)>);

/// Why a backup was not made or not read.
#[derive(Debug, Error)]
pub enum BackupError {
    /// It does not begin like one.
    #[error("not a backup of accord")]
    Foreign,
    /// Made by a newer accord.
    #[error("backup of format {found}, this program knows up to {known}; install the newer accord")]
    Newer {
        /// Version found.
        found: u16,
        /// Highest version known here.
        known: u16,
    },
    /// It ends early: a copy that was cut short, or one never finished.
    #[error("the backup ends after {have} of {want} bytes")]
    Truncated {
        /// Bytes there.
        have: u64,
        /// Bytes there should be; as many as are known of.
        want: u64,
    },
    /// Bytes are not as they were written.
    #[error("the backup is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the damaged part begins.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// The file is whole; this key is not its key.
    #[error("this key does not open the backup")]
    WrongKey,
    /// No room for it.
    #[error("{needed} bytes are needed and {free} are free")]
    NoRoom {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A file of that name is there.
    #[error("a file of that name exists")]
    Exists,
    /// Whoever was to take the bytes went away.
    #[error("nobody takes the backup any more")]
    Gone,
    /// The store could not be read or made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused.
    #[error("{action} the backup: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl BackupError {
    fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    fn damaged(at: u64, what: impl Into<String>) -> Self {
        Self::Damaged { at, what: what.into() }
    }
}

impl From<Damage> for BackupError {
    fn from(damage: Damage) -> Self {
        Self::damaged(damage.offset, format!("{}: {}", damage.file, damage.what))
    }
}
