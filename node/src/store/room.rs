//! Room on the disk: what a batch needs beside it, and the reserve that is given up for auditors' lines when there is none.

use super::Store;
use super::error::{StoreError, is_full};
use super::journal::fatal;

/// The file that keeps room for auditors' lines on a full disk.
pub const RESERVE: &str = "reserve";
/// The reserve is given up in steps of this size.
const RESERVE_STEP: u64 = 1 << 20;

impl Store {
    pub(super) fn free(&self) -> Result<u64, StoreError> {
        self.setting.disk.free_space().map_err(StoreError::io("measuring the disk of", "store"))
    }

    /// Refuses early what would fill the disk, so that the index keeps room to breathe.
    pub(super) fn ensure_space(&mut self, bytes: u64, accounts: bool) -> Result<(), StoreError> {
        let options = self.setting.options;
        let free = self.free()?;
        let ample = free >= options.low_water_bytes + options.reserve_bytes + bytes + options.ahead_bytes;
        self.ahead = if ample { options.ahead_bytes } else { 0 };
        if accounts {
            if free < bytes {
                self.full = true;
                let given = self.give_up_reserve(bytes);
                self.note_failure(given)?;
            }
            return Ok(());
        }
        let missing = options.reserve_bytes.saturating_sub(self.reserve);
        let needed = options.low_water_bytes + missing + bytes;
        if free < needed {
            self.full = true;
            return Err(StoreError::Full { free, needed });
        }
        if missing > 0 {
            match self.setting.disk.allocate(RESERVE, options.reserve_bytes) {
                Ok(()) => self.reserve = options.reserve_bytes,
                Err(error) if is_full(&error) => {
                    self.full = true;
                    return Err(StoreError::Full { free, needed });
                }
                Err(error) => return self.note_failure(Err(fatal("refilling", RESERVE, &error))),
            }
        }
        self.full = false;
        Ok(())
    }

    /// Frees part of the reserve; false when it is used up.
    pub(super) fn give_up_reserve(&mut self, needed: u64) -> Result<bool, StoreError> {
        if self.reserve == 0 {
            return Ok(false);
        }
        let left = self.reserve.saturating_sub(needed.max(RESERVE_STEP));
        self.setting.disk.truncate(RESERVE, left).map_err(|error| fatal("cutting", RESERVE, &error))?;
        self.reserve = left;
        Ok(true)
    }
}
