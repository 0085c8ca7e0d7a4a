//! What one input caused: what must be on disk, then what is sent, told and woken for.

use crate::id::DocumentId;

/// A keyed table of the store. Numbers are part of the storage format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Sealed statements by id: roots, certificates, revocations, appointments.
    Statements = 1,
    /// Document summaries by document id.
    Documents = 2,
    /// Partner cards, aliases and what was checked, by bureau id.
    Partners = 3,
    /// Cursors partners and siblings gave us, by their certificate.
    Cursors = 4,
    /// Agreement statements by id.
    Agreements = 5,
    /// Pending officers and invitations.
    Officers = 6,
    /// This store's own facts: index id, clock floor, counters.
    Local = 7,
    /// Content-free notes on held work.
    Held = 8,
    /// Devices of our own bureau.
    Devices = 9,
    /// How far each partner acknowledged, by bureau id.
    Acknowledged = 10,
}

impl Table {
    /// Every table, in number order.
    pub const ALL: [Table; 10] = [
        Table::Statements,
        Table::Documents,
        Table::Partners,
        Table::Cursors,
        Table::Agreements,
        Table::Officers,
        Table::Local,
        Table::Held,
        Table::Devices,
        Table::Acknowledged,
    ];

    /// The table with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }
}

/// One thing a step asks the disk to keep. All writes of a step are one atomic batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets (or with `None` removes) a keyed value; the last one wins.
    Put {
        /// Which table.
        table: Table,
        /// At most 128 bytes.
        key: Vec<u8>,
        /// At most 64 KiB.
        value: Option<Vec<u8>>,
    },
    /// Appends a part of a document: genesis, record or segment. Stored under the document's own key.
    Item {
        /// The document it belongs to.
        document: DocumentId,
        /// Store-wide sequence, strictly increasing from 1.
        seq: u64,
        /// At most 1 MiB.
        body: Vec<u8>,
    },
    /// One line of the account that auditors read; only in the journal.
    Account(Vec<u8>),
}
