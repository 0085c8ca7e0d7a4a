//! Documents at rest: when an inventory of them is due, and how it takes the place of what lies in memory.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::Bureau;
use super::documents::{self, InMemory, Leaving, Sheets};
use super::ledger::{PairRow, Standing};
use super::rows::{RowError, read, write};
use crate::id::Bytes;
use crate::limits;

/// What is written of [`RestRow`]. To be raised with every change to a chain's row; what is in the rows of documents has a number of its own.
const FORM: u32 = 1;

/// The head of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct RestRow {
    #[n(0)]
    form: u32,
    /// The head of the documents' sheets.
    #[n(1)]
    pub documents: Bytes,
    /// The ledger with each partner: rows of their own, which only a start reads.
    #[n(2)]
    pairs: Bytes,
}

impl RestRow {
    pub fn read(head: &[u8]) -> Result<Self, RowError> {
        let row: Self = read("inventory", head)?;
        match row.form {
            FORM => Ok(row),
            form => Err(RowError { table: "inventory", why: format!("of form {form}") }),
        }
    }

    pub fn pairs(&self) -> Result<Vec<PairRow>, RowError> {
        read("inventory", &self.pairs.0)
    }
}

/// An inventory being taken: documents and ledgers as they stood at one moment, to be written by another thread.
pub struct Taking {
    documents: documents::Taking,
    ledgers: Standing,
}

impl Taking {
    /// Writes it: sheet after sheet, then answers the head. `put` is handed the sheets in their order.
    ///
    /// # Errors
    /// What `put` answers; `None` when the inventory before does not read any more.
    pub fn write<E>(&self, put: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<Option<Vec<u8>>, E> {
        let Some(pairs) = self.ledgers.rows() else { return Ok(None) };
        let documents = self.documents.write(put)?;
        Ok(documents.map(|documents| write(&RestRow { form: FORM, documents: Bytes(documents), pairs: Bytes(write(&pairs)) })))
    }
}

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
        if self.ledgers.is_unstored() {
            return None;
        }
        let documents = self.documents.take_inventory(anew)?;
        Some(Taking { documents, ledgers: self.ledgers.standing() })
    }

    /// The inventory that was begun lies safely where it can be read.
    ///
    /// # Errors
    /// [`RowError`] if it does not read; then it is as if it had not been begun.
    pub fn rest_on(&mut self, head: &[u8], sheets: Arc<dyn Sheets>) -> Result<Leaving, RowError> {
        match RestRow::read(head) {
            Ok(row) => self.documents.rest_on(&row.documents.0, sheets),
            Err(error) => {
                self.documents.inventory_failed();
                Err(error)
            }
        }
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
        self.ledgers.rest_in_memory();
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
