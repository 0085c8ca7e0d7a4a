//! A store that is nothing but maps: what every real one must look like.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub tables: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub items: BTreeMap<DocumentId, BTreeMap<u64, Vec<u8>>>,
    pub accounts: Vec<Vec<u8>>,
    pub purged: BTreeSet<DocumentId>,
}

impl Model {
    pub fn commit(&mut self, writes: &[Write]) {
        for write in writes.iter().cloned() {
            match write {
                Write::Put { table, key, value: Some(value) } => drop(self.tables.insert((table, key), value)),
                Write::Put { table, key, value: None } => drop(self.tables.remove(&(table, key))),
                Write::Item { document, seq, body } => drop(self.items.entry(document).or_default().insert(seq, body)),
                Write::Account(line) => self.accounts.push(line),
            }
        }
    }

    pub fn purge(&mut self, document: &DocumentId) {
        self.items.remove(document);
        self.tables.remove(&(Table::Documents, document.as_bytes().to_vec()));
        self.purged.insert(*document);
    }

    /// Everything a store says it holds.
    pub fn of(store: &Store) -> Self {
        let mut model = Self::default();
        for table in Table::ALL {
            for (key, value) in store.scan(table).expect("scan") {
                assert_eq!(store.get(table, &key).expect("get").as_ref(), Some(&value), "get and scan agree");
                model.tables.insert((table, key), value);
            }
        }
        for document in store.document_ids().expect("document ids") {
            let items = store.items(&document, 0).expect("items");
            assert!(items.is_sorted_by_key(|(seq, _)| *seq), "items come in order");
            model.items.insert(document, items.into_iter().collect());
        }
        let mut accounts = Vec::new();
        store
            .accounts(&mut |_, line| {
                accounts.push(line.to_vec());
                true
            })
            .expect("accounts");
        model.accounts = accounts;
        model.purged = (*store.keyring.purged()).clone();
        model
    }
}

/// Short, for a failing test to print: lengths instead of contents.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ((table, key), value) in &self.tables {
            write!(f, "{table:?} {:02x?} {}+{:?}; ", &key[..key.len().min(3)], value.len(), value.last())?;
        }
        for (document, items) in &self.items {
            let items: Vec<_> = items.iter().map(|(seq, body)| (*seq, body.len())).collect();
            write!(f, "{}: {items:?}; ", document.short())?;
        }
        write!(f, "{} lines; purged {:?}", self.accounts.len(), self.purged)
    }
}
