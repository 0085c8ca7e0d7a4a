//! The store as the loop and the core have it: the core reads back lines of pair ledgers, which it does not keep.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accord_protocol::bureau::Lines;
use accord_protocol::step::Table;

use crate::store::Store;

/// A store that is held by the loop and the core it drives. Both are of one thread: nobody ever waits for it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Store>>);

impl From<Store> for Shared {
    fn from(store: Store) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }
}

impl Shared {
    /// The store. The core must not be asked for anything while somebody holds it.
    pub fn hold(&self) -> MutexGuard<'_, Store> {
        // Whoever panicked with it was the loop itself, which is no more.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, once no core has it any more.
    pub fn into_store(self) -> Option<Store> {
        Arc::into_inner(self.0).map(|store| store.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lines for Shared {
    fn line(&self, key: &[u8]) -> Option<Vec<u8>> {
        let read = self.hold().get(Table::Ledger, key);
        // One line of many: whoever asked does without, and `store verify` names it.
        read.inspect_err(|error| tracing::error!(%error, "a line of a pair ledger cannot be read; run `accord store verify`")).ok()?
    }
}
