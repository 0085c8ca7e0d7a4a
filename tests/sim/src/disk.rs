//! A disk that keeps what was committed and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use accord_keys::seal::peek_type;
use accord_keys::types::StatementType;
use accord_protocol::id::{DocumentId, NetworkId};
use accord_protocol::limits;
use accord_protocol::step::{Table, Write};

use crate::standing::{self, Papers};

/// Committed rows and items of one node.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    items: BTreeMap<DocumentId, BTreeMap<u64, Vec<u8>>>,
    last_seq: u64,
    accounts: Vec<Vec<u8>>,
    /// The agreement statements as [`crate::standing`] reads them, until the next is stored.
    papers: OnceLock<Arc<Papers>>,
}

impl Disk {
    /// How this disk's bureau stands with others.
    pub fn papers(&self, network: &NetworkId) -> Arc<Papers> {
        self.papers.get_or_init(|| Arc::new(standing::papers(self, network))).clone()
    }

    /// Applies one atomic batch.
    ///
    /// # Errors
    /// A sentence when the batch breaks a promise of the store: bounds, order of sequence, or statements that would go backwards.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        for write in writes {
            match write {
                Write::Put { table, key, value } => self.put(*table, key, value.as_ref())?,
                Write::Item { document, seq, body } => {
                    if *seq <= self.last_seq {
                        return Err(format!("item {seq} of {document:?} after item {}", self.last_seq));
                    }
                    if body.len() > 1 << 20 {
                        return Err(format!("item of {} bytes", body.len()));
                    }
                    self.last_seq = *seq;
                    self.items.entry(*document).or_default().insert(*seq, body.clone());
                }
                Write::Account(line) => self.accounts.push(line.clone()),
            }
        }
        Ok(())
    }

    fn put(&mut self, table: Table, key: &[u8], value: Option<&Vec<u8>>) -> Result<(), String> {
        if key.len() > 128 || value.is_some_and(|v| v.len() > limits::ROW_BYTES_MAX) {
            return Err(format!("row of {table:?} out of bounds"));
        }
        let at = (table, key.to_vec());
        let lasting = match table {
            Table::Agreements => true,
            // Only where a bureau is reached is replaced; who it is, what it revoked and whom it appointed stays.
            Table::Statements => self.rows.get(&at).is_some_and(|old| peek_type(old) != Some(StatementType::Contact.number())),
            Table::Documents => value.is_none(),
            _ => false,
        };
        if lasting && self.rows.get(&at).is_some_and(|old| value != Some(old)) && (table != Table::Documents || value.is_none()) {
            return Err(format!("a row of {table:?} was removed or rewritten"));
        }
        if table == Table::Agreements {
            self.papers = OnceLock::new();
        }
        match value {
            Some(value) => drop(self.rows.insert(at, value.clone())),
            None => drop(self.rows.remove(&at)),
        }
        Ok(())
    }

    /// All rows, for opening a node.
    pub fn rows(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        self.rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone())).collect()
    }
    /// The rows of one table.
    pub fn table(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows
            .range((table, Vec::new())..)
            .take_while(move |((t, _), _)| *t == table)
            .map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }
    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(&(table, key.to_vec())).map(Vec::as_slice)
    }
    /// The items of a document in sequence order.
    pub fn items(&self, document: &DocumentId) -> Vec<(u64, Vec<u8>)> {
        self.items.get(document).map(|all| all.iter().map(|(seq, body)| (*seq, body.clone())).collect()).unwrap_or_default()
    }
    /// How many items a document has.
    pub fn item_count(&self, document: &DocumentId) -> usize {
        self.items.get(document).map_or(0, BTreeMap::len)
    }
    /// Documents with items.
    pub fn documents(&self) -> impl Iterator<Item = &DocumentId> {
        self.items.keys()
    }
    /// Every byte of every row (with its table) and item, for the last search for leaks.
    pub fn pieces(&self) -> impl Iterator<Item = (Option<Table>, &[u8])> {
        let rows = self.rows.iter().map(|((table, _), value)| (Some(*table), value.as_slice()));
        rows.chain(self.items.values().flat_map(|all| all.values().map(|body| (None, body.as_slice()))))
    }
    /// The highest sequence of an item.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }
    /// Lines of the auditors' account, oldest first.
    pub fn accounts(&self) -> &[Vec<u8>] {
        &self.accounts
    }
}
