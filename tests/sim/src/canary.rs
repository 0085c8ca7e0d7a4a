//! Canaries: byte strings that betray a document wherever they show up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use accord_protocol::id::DocumentId;

/// What every text of a world carries, followed by twelve hex digits of its own.
pub const MARK: &[u8] = b"CANARY";
/// Bytes of a mark in a text.
pub const MARK_BYTES: usize = 18;

/// Finds which documents a run of bytes speaks of. A mark that a person put into two documents (a draft and what was published of it) belongs
/// to both.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    by_prefix: HashMap<[u8; 8], Vec<Vec<u8>>>,
    owners: BTreeMap<Vec<u8>, BTreeSet<DocumentId>>,
}

impl Canaries {
    /// Takes in one byte string of at least eight bytes that only this document has.
    pub fn add(&mut self, bytes: &[u8], document: DocumentId) {
        let Some(prefix) = bytes.first_chunk::<8>() else { return };
        let owners = self.owners.entry(bytes.to_vec()).or_default();
        if owners.is_empty() {
            self.by_prefix.entry(*prefix).or_default().push(bytes.to_vec());
        }
        owners.insert(document);
    }

    /// Takes in the marks of every text in `bytes`.
    pub fn add_marks(&mut self, bytes: &[u8], document: DocumentId) {
        for at in 0..bytes.len().saturating_sub(MARK_BYTES - 1) {
            if bytes[at..].starts_with(MARK) {
                self.add(&bytes[at..at + MARK_BYTES], document);
            }
        }
    }

    /// What `bytes` betrays: for each canary in them the documents it belongs to.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&BTreeSet<DocumentId>> {
        let mut out = BTreeSet::new();
        for at in 0..bytes.len().saturating_sub(7) {
            let prefix: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
            for canary in self.by_prefix.get(&prefix).into_iter().flatten() {
                if bytes[at..].starts_with(canary) {
                    out.extend(self.owners.get(canary));
                }
            }
        }
        out
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.owners.len()
    }
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}
