//! Bounds a store is opened with, and what opening it tells.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::marks;

/// Bounds of a store. The defaults are meant for a node and a laptop alike; tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A journal file longer than this is followed by a new one. Bytes; default 64 MiB.
    pub file_bytes: u64,
    /// Where a batch makes the journal file longer, zeros for so many bytes of later batches are written along: their syncs need not make a new length
    /// durable. Bytes, 0: none; default 1 MiB.
    pub ahead_bytes: u64,
    /// An index checkpoint is written when the journal grew by this much since the last. Bytes; default 256 MiB.
    pub checkpoint_bytes: u64,
    /// As `checkpoint_bytes`, at a clean stop. Bytes; default 64 MiB.
    pub checkpoint_at_close_bytes: u64,
    /// Recent rows settle in the index when the journal grew by this much: what a killed process reads again. Bytes; default 32 MiB.
    pub flush_bytes: u64,
    /// The keyring file is written when the journal grew by this much and holds new keys. Bytes; default 32 MiB.
    pub keyring_bytes: u64,
    /// Room kept for auditors' lines on a full disk. Bytes; default 64 MiB.
    pub reserve_bytes: u64,
    /// Other batches are refused when less than this would stay free beside the reserve. Bytes; default 32 MiB.
    pub low_water_bytes: u64,
    /// An index of at most so many pages is counted before the store opens, a larger one while it serves. Pages of some 3 KiB; default 1,024.
    pub count_at_once_pages: u64,
    /// A closed journal file is rewritten by itself when so much of it is dead. Percent, 0: never; default 25.
    pub compact_percent: u64,
    /// Compaction rests so long after every MiB it read or wrote by itself, so that serving does not wait for the disk. Milliseconds; default 50.
    pub compact_pause_ms: u64,
    /// Whether rows settle, checkpoints are written, files are rewritten and a large index is counted in the background. Default true.
    pub background: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            ahead_bytes: 1 << 20,
            checkpoint_bytes: 256 << 20,
            checkpoint_at_close_bytes: 64 << 20,
            flush_bytes: 32 << 20,
            keyring_bytes: 32 << 20,
            reserve_bytes: 64 << 20,
            low_water_bytes: 32 << 20,
            count_at_once_pages: 1024,
            compact_percent: 25,
            compact_pause_ms: 50,
            background: true,
        }
    }
}

/// What long work is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Counting the pages of the index.
    Index,
    /// Loading an index checkpoint; in bytes.
    Checkpoint,
    /// Reading the journal; in bytes.
    Journal,
    /// Rewriting journal files without what is dead; in bytes.
    Compact,
    /// Reading or writing a backup; in bytes.
    Backup,
}

/// How far long work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Units done.
    pub done: u64,
    /// Units in all, 0 if not known.
    pub total: u64,
    /// Items of documents met so far; 0 where none are looked at.
    pub items: u64,
}

/// Whether the index was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It stood where the journal says, and every page was counted or, in a large index, is being counted in the background.
    Trusted,
    /// It was rebuilt from the journal.
    Rebuilt {
        /// Why it was not believed.
        reason: String,
        /// Whether a checkpoint spared reading the journal from its beginning.
        from_checkpoint: bool,
    },
}

/// What opening a store found.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// Batches in the journal.
    pub batches: u64,
    /// Of these, applied to the index just now.
    pub replayed: u64,
    /// Whether the index was believed.
    pub index: IndexState,
    /// Bytes of an unfinished, never acknowledged batch that were cut off the end of the journal.
    pub torn_tail_bytes: u64,
    /// Time taken.
    pub seconds: f64,
}

/// Bytes on disk by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// All journal files.
    pub journal: u64,
    /// The index, as sled counts it.
    pub index: u64,
    /// Index checkpoints.
    pub checkpoint: u64,
    /// The keyring.
    pub keyring: u64,
    /// Inventories of the documents.
    pub inventory: u64,
    /// What is left of the reserve.
    pub reserve: u64,
}

impl StoreSize {
    /// All parts together.
    pub fn total(&self) -> u64 {
        self.journal + self.index + self.checkpoint + self.keyring + self.inventory + self.reserve
    }
}

/// Where a store lies and under what bounds.
#[derive(Clone)]
pub(super) struct Setting {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub index: PathBuf,
    pub boot: Option<[u8; 16]>,
    pub options: Options,
}

impl Setting {
    pub fn real(dir: &Path, options: &Options) -> Self {
        let (disk, index) = super::real(dir);
        Self { disk, dir: dir.to_owned(), index, boot: marks::boot_id(), options: *options }
    }
}
