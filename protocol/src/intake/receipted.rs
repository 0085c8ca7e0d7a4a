//! What a node of the owner had taken in before it heard of a cut: the registrar lets it in by itself, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::directory::{CertStanding, Directory};
use accord_keys::revocation::RevocationClass;
use accord_keys::seal::Verified;
use accord_keys::time::WallSeconds;

use super::DocState;
use crate::access::log::Cut;
use crate::id::{BureauId, CertificateId, RecordId, StatementId};
use crate::limits;
use crate::receipt::{NodeReceipt, is_by_node_of};
use crate::rules::ChangeHash;

/// Held work that nodes of the owner had taken in before the cuts that hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipted {
    /// An anchor that names these lets it in, and nothing else that is held.
    pub tips: BTreeSet<ChangeHash>,
    /// The nodes whose receipts say so.
    pub nodes: BTreeSet<CertificateId>,
    /// Whose work it is.
    pub writers: BTreeSet<BureauId>,
}

/// Of receipts: the node, the newest record it knew, and the cuts they pass by.
type Alike = (CertificateId, RecordId, BTreeSet<RecordId>);

impl DocState {
    /// Takes in a receipt of one of the owner's nodes; `false` when it is none, was known, tells nothing any more, or there are too many.
    pub fn learn_receipt(&mut self, directory: &Directory, receipt: &Verified<NodeReceipt>) -> bool {
        let new = receipt.body().document == self.id()
            && is_by_node_of(directory, &self.owner(), receipt)
            && !self.receipts.contains_key(&receipt.id())
            && !self.is_spent(directory, receipt.body())
            && self.has_room_for_receipt(directory, &receipt.body().certificate);
        if new {
            self.receipts.insert(receipt.id(), receipt.body().clone());
        }
        new
    }

    /// Whether a receipt tells nothing any more: all it names is settled, or its node is revoked.
    fn is_spent(&self, directory: &Directory, receipt: &NodeReceipt) -> bool {
        let is_settled = |tip: &ChangeHash| self.status.get(tip).is_some_and(|status| status.anchor.is_some());
        receipt.tips.iter().all(is_settled) || directory.revoked(&receipt.certificate).is_some()
    }

    /// Whether one more receipt of a node finds room: no node takes the others' share, and what tells nothing any more makes room.
    fn has_room_for_receipt(&mut self, directory: &Directory, node: &CertificateId) -> bool {
        let has_room = |receipts: &BTreeMap<StatementId, NodeReceipt>| {
            receipts.len() < limits::NODE_RECEIPTS_MAX
                && (receipts.len() < limits::NODE_RECEIPTS_OF_ONE_MAX
                    || receipts.values().filter(|receipt| receipt.certificate == *node).count() < limits::NODE_RECEIPTS_OF_ONE_MAX)
        };
        if !has_room(&self.receipts) {
            let mut receipts = std::mem::take(&mut self.receipts);
            receipts.retain(|_, receipt| !self.is_spent(directory, receipt));
            self.receipts = receipts;
        }
        has_room(&self.receipts)
    }

    /// What a receipt of just these changes names: those of them that count here, of other bureaus' writers nobody revoked, without the others' past.
    pub fn receipt_tips(&self, directory: &Directory, changes: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let owner = self.owner();
        let good = |hash: &&ChangeHash| {
            let writer = self.index.get(hash).and_then(|meta| self.actors.get(&meta.actor));
            self.admitted.contains(*hash)
                && writer.is_some_and(|writer| writer.member.bureau != owner && directory.revoked(&writer.certificate).is_none())
        };
        self.index.tips(&changes.iter().filter(good).copied().collect())
    }

    /// What the registrar lets in by itself at `now`: held work that a node of its own, still good, had receipted under a record from before the cuts
    /// that hold it. It would have counted there: same rule, without those cuts. Never behind a strict cut, never of a key called compromised, never
    /// of who signed twice, and not for ever. Everything else waits for an officer.
    pub fn receipted(&self, directory: &Directory, now: WallSeconds) -> Receipted {
        let mut out = Receipted::default();
        if self.held() == 0 || self.log.is_forked() || self.log.ended().is_some() {
            return out;
        }
        let mut stands: BTreeSet<ChangeHash> = BTreeSet::new();
        for ((certificate, head, passed), tips) in self.receipts_alike(directory, now) {
            let known = |record: &RecordId| self.log.not_older(&head, record);
            let past = self.index.causal_past_until(&tips, |meta| self.admitted.contains(&meta.hash) || stands.contains(&meta.hash));
            let mut came = BTreeSet::new();
            for meta in past {
                let Some(writer) = self.actors.get(&meta.actor) else { continue };
                let counts = |dep: &ChangeHash| self.admitted.contains(dep) || stands.contains(dep) || came.contains(dep);
                if directory.revoked(&writer.certificate) != Some(RevocationClass::Compromised)
                    && self.stands(meta, counts, known, |cut| !passed.contains(&cut.record))
                {
                    came.insert(meta.hash);
                    out.writers.insert(writer.member.bureau);
                }
            }
            if !came.is_empty() {
                out.nodes.insert(certificate);
                stands.extend(came);
            }
        }
        out.tips = self.index.tips(&stands).into_iter().take(limits::ADMIT_TIPS_MAX).collect();
        out
    }

    /// The tips of all receipts of one good node that knew the same record and pass by the same cuts: their past is walked once, for whoever
    /// brings many small pieces gets a receipt for each. One that passes by no cut tells nothing. A cut of long ago is passed by no more.
    fn receipts_alike(&self, directory: &Directory, now: WallSeconds) -> BTreeMap<Alike, Vec<ChangeHash>> {
        let mut alike: BTreeMap<Alike, Vec<ChangeHash>> = BTreeMap::new();
        let at = |cut: &Cut| self.log.get(&cut.record).and_then(|entry| entry.record.as_ref()).map(|record| record.body().at);
        let in_use = |at: &WallSeconds| now < at.plus(limits::RECEIPTED_WAITS_S);
        let cuts: Vec<(RecordId, WallSeconds)> =
            self.log.cuts().iter().filter(|cut| !cut.strict).filter_map(|cut| Some((cut.record, at(cut).filter(in_use)?))).collect();
        if cuts.is_empty() {
            return alike;
        }
        let mut good: BTreeMap<CertificateId, bool> = BTreeMap::new();
        for receipt in self.receipts.values() {
            let is_good = || directory.standing(&receipt.certificate, now) == CertStanding::Good;
            if !*good.entry(receipt.certificate).or_insert_with(is_good) || self.log.get(&receipt.head).is_none() {
                continue;
            }
            // It came as soon after the cut as a node may go without hearing its registrar, and the node had not heard of it.
            let passes_by =
                |(cut, at): &&(RecordId, WallSeconds)| receipt.at <= at.plus(limits::IN_TOUCH_S) && !self.log.not_older(&receipt.head, cut);
            let passed: BTreeSet<RecordId> = cuts.iter().filter(passes_by).map(|(cut, _)| *cut).collect();
            if !passed.is_empty() {
                alike.entry((receipt.certificate, receipt.head, passed)).or_default().extend(&receipt.tips);
            }
        }
        alike
    }
}
