//! Opening the core from the inventory and what came since, and taking a new inventory when much did: between turns, written by another thread.
//!
//! Nothing waits for an inventory and nothing is lost without one. If the disk has no room for it, rows stay in memory a while longer; if it does
//! not read any more, what was decided on it is dropped and the core is built anew from all rows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use accord_protocol::bureau::{Bureau, OpenError, Opening, Taking};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::time::{MonoMillis, Now};
use accord_protocol::view::{Refused, RefusedKind};

use super::{Driver, DriverError, Finished, Parts, Turn, Work};
use crate::store::{Inventory, InventoryFile, InventoryWriter, StoreError};

/// A new one is taken when the journal grew by so much since the last, bytes: that is what a start after a crash reads.
const GROWN_BYTES: u64 = 256 << 20;
/// And by so many times what the inventory takes itself.
const GROWN_SHARE: u64 = 4;
/// After a purge, which makes the last one unreadable for the next start, and after one that found no room: not sooner than so long after the last
/// was begun, milliseconds.
const AGAIN_MS: u64 = 600_000;
/// At a clean stop one is taken if so many rows changed, as a part of those that make one due: what the next start would read one by one.
const STOP_SHARE: usize = 64;

/// What a thread answers that wrote an inventory: its head and file, or none if the one before does not read any more.
pub type Written = Result<Option<(Vec<u8>, Arc<InventoryFile>)>, StoreError>;

/// What the loop knows of inventories.
#[derive(Default)]
pub struct Keeping {
    /// The one the core rests on.
    file: Option<Arc<InventoryFile>>,
    /// One is being written.
    busy: bool,
    /// When the last was begun, and how long the journal was then.
    begun: Option<MonoMillis>,
    grown: u64,
    /// The last one failed.
    failed: bool,
}

/// Writes one. A panic is an error like any other: whoever waits for the answer gets one.
fn write(taking: &Taking, writer: InventoryWriter) -> Written {
    let written = std::panic::catch_unwind(AssertUnwindSafe(|| try_write(taking, writer)));
    written.unwrap_or_else(|_| Err(StoreError::Fatal("writing the inventory panicked".to_owned())))
}

fn try_write(taking: &Taking, mut writer: InventoryWriter) -> Written {
    match taking.write(&mut |sheet| writer.put(sheet)) {
        Ok(Some(head)) => {
            let file = writer.finish(&head)?;
            Ok(Some((head, Arc::new(file))))
        }
        Ok(None) => {
            writer.give_up();
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Driver {
    /// Begins an inventory if one is due.
    pub(super) fn keep_inventory(&mut self, now: Now) -> Result<(), DriverError> {
        let keeping = &self.keeping;
        if keeping.busy {
            return Ok(());
        }
        let store = self.parts.store.hold();
        let rested = keeping.begun.is_none_or(|at| now.mono.0.saturating_sub(at.0) >= AGAIN_MS);
        let lost = keeping.file.as_ref().is_some_and(|file| rested && !store.is_inventory_of_now(file));
        let long = keeping.file.as_ref().is_some_and(|file| {
            let grown = store.grown().saturating_sub(keeping.grown);
            grown > GROWN_BYTES.max(GROWN_SHARE * file.bytes())
        });
        drop(store);
        let due = lost || ((self.bureau.inventory_due() || long) && (rested || !keeping.failed));
        if due { self.begin_inventory(now, lost) } else { Ok(()) }
    }

    fn begin_inventory(&mut self, now: Now, anew: bool) -> Result<(), DriverError> {
        let Some((taking, writer)) = self.taking(anew)? else { return Ok(()) };
        self.keeping.busy = true;
        self.keeping.begun = Some(now.mono);
        self.keeping.grown = self.parts.store.hold().grown();
        self.aside.start(move || Finished::Inventory(write(&taking, writer)));
        Ok(())
    }

    fn taking(&mut self, anew: bool) -> Result<Option<(Taking, InventoryWriter)>, DriverError> {
        let Some(taking) = self.bureau.take_inventory(anew) else { return Ok(None) };
        let writer = self.parts.store.hold().inventory_writer();
        match writer {
            Ok(writer) => Ok(Some((taking, writer))),
            Err(error @ StoreError::Fatal(_)) => Err(error.into()),
            Err(error) => {
                self.inventory_failed(&error.to_string());
                Ok(None)
            }
        }
    }

    /// The core rests on what was written.
    pub(super) fn inventory_written(&mut self, written: Written) {
        self.keeping.busy = false;
        match written {
            Ok(Some((head, file))) => match self.bureau.rest_on(&head, file.clone()) {
                Ok(leaving) => {
                    self.parts.store.hold().inventory_stands(&file);
                    tracing::debug!(bytes = file.bytes(), "an inventory of the documents was written");
                    (self.keeping.file, self.keeping.failed) = (Some(file), false);
                    tokio::task::spawn_blocking(move || drop(leaving));
                }
                Err(error) => self.inventory_failed(&error.to_string()),
            },
            // Then the turn after this one begins anew, from all rows.
            Ok(None) => {
                self.keeping.failed = true;
                self.bureau.inventory_wrong();
            }
            Err(error) => self.inventory_failed(&error.to_string()),
        }
    }

    fn inventory_failed(&mut self, why: &str) {
        tracing::warn!(why, "an inventory of the documents was not written: more memory is needed, and the next start takes longer");
        self.keeping.failed = true;
        self.bureau.inventory_failed();
    }

    /// The inventory cannot be read any more: the turn that met it is dropped, and the core is built anew from all rows.
    pub(super) async fn without_inventory(&mut self, turn: Turn) -> Result<(), DriverError> {
        tracing::error!("the inventory of the documents cannot be read any more: all documents are read again; look at the disk");
        self.parts.store.hold().drop_inventories();
        // Not again at once: what broke it may break the next.
        self.keeping.failed = true;
        let why = Refused::new(RefusedKind::Fault, "internal").with("cause", "a part of the index did not read; ask again");
        self.start_over(turn, &why).await
    }

    /// Before a clean stop: what changed need not be read one by one at the next start.
    pub(super) async fn last_inventory(&mut self) -> Result<(), DriverError> {
        // What the core has decided and nobody has written is in no inventory.
        if self.carried.is_none() {
            self.written_before_stop().await;
            if !self.bureau.is_inventory_broken() {
                self.take_before_stop().await?;
            }
        }
        if self.bureau.is_inventory_broken() {
            self.parts.store.hold().drop_inventories();
        }
        Ok(())
    }

    /// Waits for one that is being written.
    async fn written_before_stop(&mut self) {
        while self.keeping.busy {
            let at_hand = self.pending.iter().position(|work| matches!(work, Work::Finished(Finished::Inventory(_))));
            let finished = match at_hand.and_then(|at| self.pending.remove(at)) {
                Some(Work::Finished(finished)) => Some(finished),
                _ => self.aside.results.recv().await.and_then(|(era, finished)| (era == self.aside.era).then_some(finished)),
            };
            if let Some(Finished::Inventory(written)) = finished {
                self.inventory_written(written);
            }
        }
    }

    async fn take_before_stop(&mut self) -> Result<(), DriverError> {
        let (recent, all) = self.bureau.documents_at_hand();
        let lost = self.keeping.file.as_ref().is_some_and(|file| !self.parts.store.hold().is_inventory_of_now(file));
        let due = limits::INVENTORY_ROWS.max(all / limits::INVENTORY_SHARE);
        let many = recent >= due.div_ceil(STOP_SHARE);
        if all < limits::INVENTORY_ROWS || (!lost && !many) {
            return Ok(());
        }
        let Some((taking, writer)) = self.taking(lost)? else { return Ok(()) };
        if let Ok(written) = tokio::task::spawn_blocking(move || write(&taking, writer)).await {
            self.inventory_written(written);
        }
        Ok(())
    }
}

impl Keeping {
    /// Whether the core rests on one.
    #[cfg(test)]
    pub(super) fn is_resting(&self) -> bool {
        self.file.is_some()
    }

    /// For a core that was built anew. A thread that still writes for the old one writes to a file of its own, and its answer is not heard.
    pub(super) fn after(self, before: &Self) -> Self {
        Self { begun: before.begun, failed: before.failed, ..self }
    }
}

/// The core as the store has it: from the inventory and what was written since, or without one from all rows.
pub fn open_bureau(parts: &Parts) -> Result<(Bureau, Keeping), DriverError> {
    let inventory = parts.store.hold().inventory()?;
    if let Some(inventory) = inventory {
        match opened_since(parts, &inventory) {
            Ok(bureau) if !bureau.is_inventory_broken() => {
                let keeping = Keeping { file: Some(inventory.sheets), grown: inventory.grown, ..Keeping::default() };
                return Ok((bureau, keeping));
            }
            Ok(_) => tracing::error!("the inventory does not read: all documents and ledgers are read; look at the disk"),
            // Whatever is wrong with the store itself is met again with all rows.
            Err(error) => tracing::info!(%error, "the inventory was not used: all documents and ledgers are read"),
        }
        parts.store.hold().drop_inventories();
    }
    let mut opening = Opening::new(parts.identity.network).keeping(Arc::new(parts.store.clone()));
    // As many as there are documents: never all of them as rows at once.
    for table in AT_REST {
        parts.store.hold().each(table, &mut |key, value| {
            opening.take(table, key, value).map_err(OpenError::from)?;
            Ok::<_, DriverError>(())
        })?;
    }
    Ok((opened(parts, opening)?, Keeping::default()))
}

/// The core from an inventory and what was written since.
fn opened_since(parts: &Parts, inventory: &Inventory) -> Result<Bureau, DriverError> {
    let opening = Opening::since(parts.identity.network, &inventory.head, inventory.sheets.clone()).map_err(OpenError::from)?;
    let mut opening = opening.keeping(Arc::new(parts.store.clone()));
    let store = parts.store.hold();
    for document in &inventory.since {
        match store.get(Table::Documents, &document.0)? {
            Some(row) => opening.take(Table::Documents, document.0.to_vec(), row).map_err(OpenError::from)?,
            None => opening.gone(document),
        }
    }
    for key in &inventory.ledger_since {
        if let Some(row) = store.get(Table::Ledger, key)? {
            opening.take(Table::Ledger, key.clone(), row).map_err(OpenError::from)?;
        }
    }
    drop(store);
    opened(parts, opening)
}

/// Tables whose rows an inventory has.
const AT_REST: [Table; 2] = [Table::Documents, Table::Ledger];

fn opened(parts: &Parts, mut opening: Opening) -> Result<Bureau, DriverError> {
    let store = parts.store.hold();
    for table in Table::ALL.into_iter().filter(|table| !AT_REST.contains(table)) {
        for (key, value) in store.scan(table)? {
            opening.take(table, key, value).map_err(OpenError::from)?;
        }
    }
    let sequence = store.sequence();
    drop(store);
    let mut bureau = Bureau::opened(parts.clock.now(), parts.identity.clone(), opening)?;
    bureau.raise_sequence(sequence);
    Ok(bureau)
}
