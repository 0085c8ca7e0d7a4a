//! What a store does behind its commits: rows settle in the index, a checkpoint and the keyring are written, the pages are counted. One thread at a
//! time, which the store waits for.

use std::thread::JoinHandle;

use super::Store;
use super::cipher::Random;
use super::error::StoreError;
use super::index::{RECENT_ROWS_MAX, Unusable};
use super::place::State;
use super::{checkpoint, recover};

/// What a thread of the store has done.
pub enum Done {
    /// Every page of the index is there.
    Counted,
    /// Recent rows are in the pages, and a checkpoint was written if one was due and found room.
    Settled(State, Option<checkpoint::Written>),
}

/// A thread at work on the index, which is waited for: it holds the index open, and a store opened again must not meet it.
#[derive(Default)]
pub struct Background(pub Option<JoinHandle<Result<Done, StoreError>>>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread that works on the index panicked");
        }
    }
}

impl Store {
    /// What is due after a commit: letting rows settle, writing keyring and checkpoint.
    pub(super) fn keep_house(&mut self) -> Result<(), StoreError> {
        let now = self.journal.grown();
        let options = self.setting.options;
        if self.keyring.is_dirty() && now.saturating_sub(self.keyring_at) > options.keyring_bytes.max(8 * self.keyring.bytes()) {
            match self.save_keyring() {
                Ok(()) | Err(StoreError::Full { .. }) => self.keyring_at = now,
                Err(error) => return Err(error),
            }
        }
        let checkpoint = now - self.checkpoint_at > options.checkpoint_bytes.max(2 * self.index.bytes()) && self.written.is_none();
        if checkpoint || now - self.flushed_at > options.flush_bytes || self.index.recent() >= RECENT_ROWS_MAX {
            // Recent rows must not pile up without end behind a slow disk.
            let late = !options.background || self.index.recent() >= 4 * RECENT_ROWS_MAX;
            self.finish_background(late)?;
            if self.writing.0.is_none() {
                // One that was just finished lies where the next would be written, until a batch records it.
                self.begin_settling(checkpoint && self.written.is_none());
                self.finish_background(!options.background)?;
            }
        }
        self.compact_by_itself()
    }

    pub(super) fn save_keyring(&mut self) -> Result<(), StoreError> {
        let saved = self.keyring.save(&*self.setting.disk, self.state.place, &mut self.random);
        self.keyring_at = self.journal.grown();
        self.note_failure(saved)
    }

    /// Lets a thread move recent rows into the pages, and with `checkpoint` copy these afterwards. None may be at work yet.
    pub(super) fn begin_settling(&mut self, checkpoint: bool) {
        let now = self.journal.grown();
        let Some((rows, state)) = self.index.begin_settling() else { return };
        self.flushed_at = now;
        self.compacting.counted = false;
        if checkpoint {
            self.checkpoint_at = now;
        }
        let (disk, pages) = (self.setting.disk.clone(), self.index.pages().clone());
        let (key, store) = (self.checkpoint_key.clone(), self.keyring.store);
        self.writing.0 = Some(std::thread::spawn(move || {
            let state = pages.settle(&rows, &state, &mut Random::default()).map_err(Unusable::fatal)?;
            let written = if checkpoint { checkpoint::write(&*disk, &pages, &state, &key, &store)? } else { None };
            Ok(Done::Settled(state, written))
        }));
    }

    /// Lets a thread look whether every page of the index is there. None may be at work yet.
    pub(super) fn begin_counting(&mut self) {
        let pages = self.index.pages().clone();
        self.writing.0 = Some(std::thread::spawn(move || {
            let stated = pages.state().and_then(|state| state.ok_or_else(|| Unusable("no state row".to_owned())));
            let counted = stated.and_then(|state| recover::same(&pages.recount(&mut |_| {})?, &state.tally));
            counted.map(|()| Done::Counted).map_err(|why| {
                pages.condemn();
                why.fatal()
            })
        }));
    }

    /// Takes over what the thread at work has done, if there is one and it is through (or `wait`).
    pub(super) fn finish_background(&mut self, wait: bool) -> Result<(), StoreError> {
        let Some(handle) = self.writing.0.take_if(|handle| wait || handle.is_finished()) else { return Ok(()) };
        let done = handle.join().unwrap_or_else(|_| Err(StoreError::Fatal("working on the index: panicked".to_owned())));
        match self.note_failure(done)? {
            Done::Counted => self.compacting.counted = true,
            Done::Settled(state, written) => {
                self.index.settled(&state);
                if written.is_some() {
                    self.written = written;
                }
            }
        }
        Ok(())
    }
}
