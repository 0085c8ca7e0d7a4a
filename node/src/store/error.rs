//! What the store says when it cannot do what it was asked, and what to do next.

use std::io;
use std::path::PathBuf;

use accord_protocol::id::DocumentId;
use thiserror::Error;

/// A place in the store's files that does not hold what was once made durable there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// File name inside the store folder, for instance `journal/00000003.journal`.
    pub file: String,
    /// Byte offset of the first bad byte or of the frame that holds it.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no store in that folder.
    #[error("no store in {}; `accord init` makes one", dir.display())]
    NotFound {
        /// The folder looked at.
        dir: PathBuf,
    },
    /// A store is there already; it is never overwritten.
    #[error("a store exists already in {}", dir.display())]
    Exists {
        /// The folder looked at.
        dir: PathBuf,
    },
    /// Another process has this store open.
    #[error("the store in {} is in use by another process; stop that one first", dir.display())]
    Locked {
        /// The folder looked at.
        dir: PathBuf,
    },
    /// Others than the owner could read or write the store.
    #[error("{} has mode {found:04o}, expected {expected:04o} or stricter; correct it with chmod", path.display())]
    OpenModes {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
        /// The widest permission bits accepted.
        expected: u32,
    },
    /// The key does not open this store.
    #[error("this key does not open the store: wrong passphrase, or the store of another node")]
    WrongKey,
    /// Written by a newer accord.
    #[error("{file} has format version {found}, this program knows up to {known}; install the newer accord")]
    Newer {
        /// File name inside the store folder.
        file: String,
        /// Version found.
        found: u16,
        /// Highest version known here.
        known: u16,
    },
    /// Durable bytes are gone or changed. Nothing was altered; the store does not start until it was repaired.
    #[error("the store is damaged: {0}; look with `accord store verify`, then run `accord store repair`")]
    Damaged(Damage),
    /// A repair was begun and not finished: what it took out may not be on record yet. Nothing was altered.
    #[error("a repair of the store in {} was cut short; run `accord store repair` again, until then it does not start", dir.display())]
    RepairCutShort {
        /// The folder looked at.
        dir: PathBuf,
    },
    /// No room. Nothing of the batch is visible; reading goes on, and lines for auditors go to the reserve.
    #[error("the disk is full: {free} bytes free, {needed} needed; nothing was written; free some space, writing resumes by itself")]
    Full {
        /// Bytes free on the disk, without the reserve.
        free: u64,
        /// Bytes needed to accept this batch.
        needed: u64,
    },
    /// A write breaks a bound or an order of the store: a mistake of the caller. Nothing was written.
    #[error("write {position} of the batch refused: {what}")]
    Refused {
        /// Its index in the batch.
        position: usize,
        /// The bound or order.
        what: &'static str,
    },
    /// The document was purged; its id is never written again.
    #[error("document {} was purged and takes no more writes", .0.short())]
    Purged(DocumentId),
    /// The disk could not be trusted any more (a failed write or sync). The process must end; a new start reads what is really there.
    #[error("the disk failed and the store stopped: {0}; restart accord, and check the disk if this repeats")]
    Fatal(String),
    /// Reading or preparing failed in the operating system.
    #[error("{action} {file}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// File name inside the store folder.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io { action, file, source }
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged(Damage { file: file.to_owned(), offset, what: what.into() })
    }
}

/// Whether the system says that there is no room (or no quota) left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
