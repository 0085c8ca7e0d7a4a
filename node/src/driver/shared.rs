//! The store as the loop and the core have it: the core reads back lines of pair ledgers, which it does not keep.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use accord_protocol::bureau::Lines;
use accord_protocol::step::Table;

use crate::store::{Store, StoreError};

/// A store that is held by the loop and the core it drives. Both are of one thread: nobody ever waits for it.
#[derive(Clone)]
pub struct Shared {
    store: Arc<Mutex<Store>>,
    /// Why the store stopped while the core read.
    stopped: Arc<OnceLock<String>>,
}

impl From<Store> for Shared {
    fn from(store: Store) -> Self {
        Self { store: Arc::new(Mutex::new(store)), stopped: Arc::default() }
    }
}

impl Shared {
    /// The store. The core must not be asked for anything while somebody holds it.
    pub fn hold(&self) -> MutexGuard<'_, Store> {
        // Whoever panicked with it was the loop itself, which is no more.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the store stopped while the core read from it, if it did: then the process must end.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    /// The store, once no core has it any more.
    pub fn into_store(self) -> Option<Store> {
        Arc::into_inner(self.store).map(|store| store.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lines for Shared {
    fn line(&self, key: &[u8]) -> Option<Vec<u8>> {
        let read = self.hold().get(Table::Ledger, key);
        match read {
            Ok(line) => line,
            Err(StoreError::Fatal(why)) => {
                drop(self.stopped.set(why));
                None
            }
            // One line of many: whoever asked does without.
            Err(error) => {
                tracing::error!(%error, "a line of a pair ledger cannot be read; run `accord store verify`");
                None
            }
        }
    }
}
