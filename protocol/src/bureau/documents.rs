//! The summaries of all documents here, and what they come to in sum: kept in step with each change, so that nobody walks over a million
//! documents to say how many there are.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::rows::Summary;
use crate::id::{BureauId, Digest, DocumentId};

/// See the module. Reads like the tree map it is; changes go through its own functions.
#[derive(Default)]
pub struct Documents {
    rows: BTreeMap<DocumentId, Summary>,
    owned: BTreeMap<BureauId, u64>,
    changes: u64,
    sum: [u8; 32],
}

impl Documents {
    /// As they were read. The map is taken as it is: built at once it is full, filled line by line it would stay half empty.
    pub fn of(rows: BTreeMap<DocumentId, Summary>) -> Self {
        let mut out = Self { rows, ..Self::default() };
        for summary in out.rows.values() {
            Self::count(&mut out.owned, &mut out.changes, &mut out.sum, summary);
        }
        out
    }

    fn count(owned: &mut BTreeMap<BureauId, u64>, changes: &mut u64, sum: &mut [u8; 32], summary: &Summary) {
        *owned.entry(summary.owner).or_default() += 1;
        *changes += summary.changes;
        toggle(sum, &summary.entry);
    }

    fn discount(&mut self, summary: &Summary) {
        if let Some(owned) = self.owned.get_mut(&summary.owner) {
            *owned = owned.saturating_sub(1);
        }
        self.changes = self.changes.saturating_sub(summary.changes);
        toggle(&mut self.sum, &summary.entry);
    }

    /// Puts a summary in the place of the one before.
    pub fn insert(&mut self, document: DocumentId, summary: Summary) {
        Self::count(&mut self.owned, &mut self.changes, &mut self.sum, &summary);
        if let Some(before) = self.rows.insert(document, summary) {
            self.discount(&before);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, document: &DocumentId) -> Option<Summary> {
        let gone = self.rows.remove(document)?;
        self.discount(&gone);
        Some(gone)
    }

    /// Notes that a bureau acknowledged something of a document. The changed summary, unless that was known, or the document is not here.
    pub fn note_given(&mut self, document: &DocumentId, bureau: BureauId) -> Option<&Summary> {
        let summary = self.rows.get_mut(document).filter(|summary| !summary.given.contains(&bureau))?;
        summary.given.insert(bureau, ());
        Some(summary)
    }

    /// How many documents of a bureau are here.
    pub fn owned_by(&self, bureau: &BureauId) -> u64 {
        self.owned.get(bureau).copied().unwrap_or(0)
    }

    /// Changes of all documents.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The view entries of all documents, each exclusive-or'ed: two nodes that hold the same show the same.
    pub fn sum(&self) -> Digest {
        Digest(self.sum)
    }
}

impl Deref for Documents {
    type Target = BTreeMap<DocumentId, Summary>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

fn toggle(sum: &mut [u8; 32], entry: &Digest) {
    for (byte, other) in sum.iter_mut().zip(entry.0) {
        *byte ^= other;
    }
}
