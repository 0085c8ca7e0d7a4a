//! Documents read from our own store to be sent as they are, without their bodies: a bounded row, oldest out first.

use std::collections::{BTreeMap, VecDeque};

use crate::id::DocumentId;
use crate::intake::Sendable;
use crate::limits;

/// What waits to be sent.
#[derive(Debug, Default)]
pub(in crate::bureau) struct Shelf {
    documents: BTreeMap<DocumentId, Sendable>,
    order: VecDeque<DocumentId>,
    bytes: usize,
}

impl Shelf {
    /// Puts a document there.
    pub fn put(&mut self, document: DocumentId, sendable: Sendable) {
        self.remove(&document);
        self.bytes += sendable.bytes();
        self.documents.insert(document, sendable);
        self.order.push_back(document);
    }
    /// What is too much falls off, the oldest first: called when everybody who waited had a turn.
    pub fn trim(&mut self) {
        while self.documents.len() > limits::SHELF_DOCUMENTS_MAX || (self.bytes > limits::SHELF_BYTES_MAX && self.documents.len() > 1) {
            let Some(oldest) = self.order.front().copied() else { break };
            self.remove(&oldest);
        }
    }
    /// What is there of a document.
    pub fn get(&self, document: &DocumentId) -> Option<&Sendable> {
        self.documents.get(document)
    }
    /// Whether a document is there.
    pub fn holds(&self, document: &DocumentId) -> bool {
        self.documents.contains_key(document)
    }
    /// Takes a document away: something of it changed.
    pub fn remove(&mut self, document: &DocumentId) {
        if let Some(gone) = self.documents.remove(document) {
            self.bytes -= gone.bytes();
            self.order.retain(|other| other != document);
        }
    }
    /// Takes everything away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
