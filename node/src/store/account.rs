//! Reading the account while the store goes on: a view of the journal up to one batch, for another thread.

use std::sync::Arc;

use super::batch::Record;
use super::disk::Disk;
use super::error::StoreError;
use super::journal::{self, JournalKeys, Reading};
use super::place::Place;

/// The journal as it stood when this was taken. Cheap to make; nothing is read yet. While it lives compaction replaces no file.
#[derive(Clone)]
pub struct Account {
    disk: Arc<dyn Disk>,
    keys: JournalKeys,
    end: Place,
    _reading: Reading,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("batches", &self.end.seq).finish_non_exhaustive()
    }
}

impl Account {
    pub(super) fn new(disk: Arc<dyn Disk>, keys: JournalKeys, end: Place, reading: Reading) -> Self {
        Self { disk, keys, end, _reading: reading }
    }

    /// Number of the last batch.
    pub fn batches(&self) -> u64 {
        self.end.seq
    }

    /// The chain head after it: commits to every batch ever written.
    pub fn head(&self) -> [u8; 32] {
        self.end.chain
    }

    /// The lines for auditors, oldest first, each with the number of its batch; `None` once for every batch without any. Ends early when
    /// `each` answers false. Reads the whole journal.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where durable bytes are gone or changed, [`StoreError::Io`].
    pub fn read(&self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> Result<(), StoreError> {
        if self.end.seq == 0 {
            return Ok(());
        }
        let walked = journal::scan(&*self.disk, &self.keys, journal::beginning(&self.keys), &mut |met| {
            let seq = met.place.seq;
            let mut lines = met.batch.records.iter().filter_map(|record| match record {
                Record::Account(line) => Some(line),
                _ => None,
            });
            let mut some = false;
            let on = lines.all(|line| {
                some = true;
                each(seq, Some(line))
            });
            Ok(on && (some || each(seq, None)) && seq < self.end.seq)
        });
        walked.map(|_| ())
    }
}
