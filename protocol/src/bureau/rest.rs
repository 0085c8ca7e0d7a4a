//! Documents at rest: when an inventory of them is due, and how it takes the place of what lies in memory.

use std::sync::Arc;

use super::Bureau;
use super::documents::{InMemory, Leaving, Sheets, Taking};
use super::rows::RowError;
use crate::limits;

impl Bureau {
    /// Whether so much changed since the last inventory that one is due: so many rows that memory should not hold them, or a share of all.
    pub fn inventory_due(&self) -> bool {
        self.documents.recent() >= limits::INVENTORY_ROWS.max(self.documents.len() / limits::INVENTORY_SHARE)
    }

    /// Rows of documents that lie in memory, and documents in all.
    pub fn documents_at_hand(&self) -> (usize, usize) {
        (self.documents.recent(), self.documents.len())
    }

    /// Begins an inventory of all documents as they are on disk, so between two turns; `None` while one is being taken, and when nothing changed
    /// since the last, unless that is of no use any more and is to be written `anew`. What is answered is written by whoever keeps it
    /// ([`Taking::write`]).
    pub fn take_inventory(&mut self, anew: bool) -> Option<Taking> {
        self.documents.take_inventory(anew)
    }

    /// The inventory that was begun lies safely where it can be read.
    ///
    /// # Errors
    /// [`RowError`] if it does not read; then it is as if it had not been begun.
    pub fn rest_on(&mut self, head: &[u8], sheets: Arc<dyn Sheets>) -> Result<Leaving, RowError> {
        self.documents.rest_on(head, sheets)
    }

    /// The inventory that was begun will not come: there was no room for it.
    pub fn inventory_failed(&mut self) {
        self.documents.inventory_failed();
    }

    /// The inventory that was begun could not be made of what is here: then what is here is not believed either
    /// ([`Bureau::is_inventory_broken`]).
    pub fn inventory_wrong(&mut self) {
        self.documents.inventory_wrong();
    }

    /// Whether the inventory cannot be read any more. What was decided since may rest on less than what is on disk: nothing of it may be written
    /// or sent, and the node must begin anew without it.
    pub fn is_inventory_broken(&self) -> bool {
        self.documents.is_broken()
    }

    /// Takes an inventory at once and keeps it in memory: for those who have no disk, and for tests.
    pub fn rest_in_memory(&mut self) {
        let Some(taking) = self.take_inventory(false) else { return };
        let mut sheets = Vec::new();
        let head = taking.write(&mut |sheet| {
            sheets.push(Arc::from(sheet));
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(head) = head;
        if head.is_none_or(|head| self.rest_on(&head, Arc::new(InMemory(sheets))).is_err()) {
            self.inventory_failed();
        }
    }
}
