//! What a node of ours that is not the registrar took in, stated at once; and the registrar lets it in where it cut without having heard of it.

use std::collections::BTreeSet;

use accord_keys::certificate::MemberKind;
use accord_keys::seal::Sealed;

use super::Bureau;
use super::turn::Turn;
use crate::id::{BureauId, DocumentId};
use crate::intake::{Item, Receipted};
use crate::limits;
use crate::receipt::NodeReceipt;
use crate::rules::ChangeHash;

impl Bureau {
    /// A partner brought these changes of a document of ours. A node that is not the registrar receipts them for its own house, in the same step in
    /// which it keeps them. A store that was put back gives none: what it knows of the log may be old.
    pub(super) fn receipt_as_node(&mut self, turn: &mut Turn, from: BureauId, document: DocumentId, changes: &BTreeSet<ChangeHash>) {
        let Some((_, registrar)) = self.directory.registrar(&self.identity.bureau).filter(|_| !changes.is_empty()) else { return };
        let sibling = self.own_certificate().kind == MemberKind::Node && !self.same_key(&registrar);
        if !sibling || !self.in_touch(turn.effective) || self.memory.forbids_records(!self.partners.is_empty()) {
            return;
        }
        let Some(state) = self.bodies.get(&document).filter(|state| !state.log().is_forked()) else { return };
        let (head, certificate) = (state.log().head(), self.identity.certificate);
        let tips: Vec<ChangeHash> = state.receipt_tips(&self.directory, changes).into_iter().collect();
        for tips in tips.chunks(limits::RECEIPT_TIPS_MAX) {
            let receipt = NodeReceipt { document, from, head, tips: tips.to_vec(), at: turn.stamp, certificate };
            let Ok(sealed) = self.seal(receipt) else { return };
            let bytes = sealed.to_bytes();
            let Ok(verified) = Sealed::verify(sealed, &self.identity.network) else { return };
            if self.bodies.get_mut(&document).is_some_and(|state| state.learn_receipt(&self.directory, &verified)) {
                self.store_item(turn, document, Item::Receipt(bytes));
            }
        }
    }

    /// What the registrar lets in now by itself; what it may not today it looks at again.
    pub(super) fn receipted_now(&mut self, turn: &mut Turn, document: DocumentId) -> Receipted {
        let Some(state) = self.bodies.get(&document) else { return Receipted::default() };
        let receipted = state.receipted(&self.directory, turn.stamp);
        if receipted.tips.is_empty() || self.may_do(turn) {
            return receipted;
        }
        self.anchor_due.insert(document, turn.now.mono.plus(limits::RECEIPTED_AGAIN_MS));
        Receipted::default()
    }

    /// People hear that held work counts without their order, and by whose word.
    pub(super) fn note_let_in(&mut self, turn: &mut Turn, document: DocumentId, receipted: &Receipted) {
        for writer in receipted.writers.iter().filter(|_| !receipted.tips.is_empty()) {
            self.event(turn, "receipted_let_in", Some(document), Some(*writer), "");
            for node in &receipted.nodes {
                self.account(turn, "receipted_let_in", Some(document), Some(*writer), Some(*node), "");
            }
        }
    }
}
