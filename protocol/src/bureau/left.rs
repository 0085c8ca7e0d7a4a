//! What walks passed over on the terms of their moment though it concerns the other bureau: its own documents, and ours in which it is let in.
//!
//! ```text
//! walk passes it --> noted --> a link compares, once the terms are better: forgotten
//!                          --> a bundle brings it whole, once it may go --> the bundle's cursor comes back: forgotten
//! ```
//! On a link the comparison finds what differs. Nobody compares by stick, and no walk comes there again: so it is remembered by document. What one
//! cursor tells of is behind every walk that passed it, so how far a device got says nothing of these.

use std::collections::{BTreeMap, BTreeSet};

use super::Bureau;
use super::links::Peer;
use super::turn::Turn;
use crate::access::{Permit, Scope};
use crate::id::{BureauId, DocumentId};
use crate::limits;
use crate::step::Table;

/// Before the id of a bureau and of a document: a walk passed it over. The value is our sequence when a bundle last brought it, 0 when none did.
const LEFT: &[u8] = b"left-of:";
/// Stands for every document: more were passed over than are remembered one by one.
const EVERY: DocumentId = DocumentId([0; 32]);

/// Documents passed over, by bureau: with our sequence at the end of the bundle that brought it since, 0 for none.
pub(super) type Left = BTreeMap<BureauId, BTreeMap<DocumentId, u64>>;

fn key(bureau: &BureauId, document: &DocumentId) -> Vec<u8> {
    [LEFT, &bureau.0, &document.0].concat()
}

/// As the rows of a store say.
pub(super) fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>) -> Left {
    let mut found = Left::new();
    for (key, value) in local {
        let Some((bureau, document)) = key.strip_prefix(LEFT).and_then(|rest| rest.split_first_chunk::<32>()) else { continue };
        let (Ok(document), Ok(value)) = (<[u8; 32]>::try_from(document), <[u8; 8]>::try_from(value.as_slice())) else { continue };
        found.entry(BureauId(*bureau)).or_default().insert(DocumentId(document), u64::from_be_bytes(value));
    }
    found
}

impl Bureau {
    /// Whether a document is a matter between us and a bureau whatever the terms of now: its own, or ours in which it is let in.
    pub(super) fn concerns(&self, bureau: &BureauId, document: &DocumentId) -> bool {
        self.documents.line(document).is_some_and(|line| {
            let ours = || line.owner == self.identity.bureau && line.holder(bureau).is_some();
            line.owner == *bureau || ours()
        })
    }

    /// Whether by a permit a bureau is given all of a document that it is to have: of ours what is admitted, of its own everything.
    fn is_all(&self, document: &DocumentId, permit: Option<&Permit>) -> bool {
        let ours = || self.documents.line(document).is_some_and(|line| line.owner == self.identity.bureau);
        permit.is_some_and(|permit| permit.whole() || (permit.scope() != Scope::Held && ours()))
    }

    fn goes_fully(&self, turn: &Turn, peer: &Peer, document: &DocumentId) -> bool {
        self.is_all(document, self.may_send(turn, peer, document).ok().as_ref())
    }

    /// Whether a walk that goes by this permit, or by none, leaves something behind that its other end is to have.
    pub(super) fn leaves_behind(&self, peer: &Peer, document: &DocumentId, permit: Option<&Permit>) -> bool {
        peer.bureau() != self.identity.bureau && !self.is_all(document, permit) && self.concerns(&peer.bureau(), document)
    }

    /// A walk passed a document over on the terms of now.
    pub(super) fn note_passed(&mut self, turn: &mut Turn, bureau: BureauId, document: DocumentId) {
        let left = self.left.entry(bureau).or_default();
        let document = if left.len() < limits::LEFT_NOTED_MAX || left.contains_key(&document) { document } else { EVERY };
        if left.insert(document, 0) != Some(0) {
            turn.put(Table::Local, &key(&bureau, &document), 0_u64.to_be_bytes().to_vec());
        }
    }

    /// Of what was passed over, what may go now; none where that is everything.
    pub(super) fn left_to(&self, turn: &Turn, peer: &Peer) -> Option<BTreeSet<DocumentId>> {
        let Some(left) = self.left.get(&peer.bureau()) else { return Some(BTreeSet::new()) };
        if left.contains_key(&EVERY) {
            return None;
        }
        Some(left.keys().filter(|document| self.goes_fully(turn, peer, document)).copied().collect())
    }

    /// A bundle was sealed that ends at this sequence of ours and holds these; and passed over others.
    pub(super) fn left_packed(
        &mut self,
        turn: &mut Turn,
        bureau: BureauId,
        brought: Option<&BTreeSet<DocumentId>>,
        passed: BTreeSet<DocumentId>,
        end: u64,
    ) {
        let left = self.left.entry(bureau).or_default();
        let these: Vec<DocumentId> = match brought {
            None => left.keys().copied().collect(),
            Some(brought) => brought.iter().filter(|document| left.contains_key(*document)).copied().collect(),
        };
        for document in these {
            left.insert(document, end);
            turn.put(Table::Local, &key(&bureau, &document), end.to_be_bytes().to_vec());
        }
        for document in passed {
            self.note_passed(turn, bureau, document);
        }
        self.left.retain(|_, left| !left.is_empty());
    }

    /// A device of a bureau returned what a bundle gave it, which ended at this sequence of ours: what it brought has arrived.
    pub(super) fn left_arrived(&mut self, turn: &mut Turn, bureau: &BureauId, end: u64) {
        self.forget_left(turn, bureau, |_, brought| brought != 0 && brought <= end);
    }

    /// Both hold the same of all that may go: what was passed over and may go now is there. What was destroyed here goes no more.
    pub(super) fn left_compared(&mut self, turn: &mut Turn, peer: &Peer) {
        let Some(left) = self.left.get(&peer.bureau()) else { return };
        let gone = |document: &DocumentId| *document != EVERY && !self.documents.contains_key(document);
        let is_there = |document: &&DocumentId| gone(document) || self.goes_fully(turn, peer, document);
        let there: BTreeSet<DocumentId> = left.keys().filter(is_there).copied().collect();
        self.forget_left(turn, &peer.bureau(), |document, _| there.contains(document));
    }

    fn forget_left(&mut self, turn: &mut Turn, bureau: &BureauId, is_over: impl Fn(&DocumentId, u64) -> bool) {
        let Some(left) = self.left.get_mut(bureau) else { return };
        left.retain(|document, brought| {
            let over = is_over(document, *brought);
            if over {
                turn.remove(Table::Local, &key(bureau, document));
            }
            !over
        });
        if left.is_empty() {
            self.left.remove(bureau);
        }
    }
}
