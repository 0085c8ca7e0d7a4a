//! What a node of the owner had taken in before it heard of a cut: the registrar lets it in by itself, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::directory::{CertStanding, Directory};
use accord_keys::revocation::RevocationClass;
use accord_keys::seal::Verified;
use accord_keys::time::WallSeconds;

use super::DocState;
use crate::access::log::Cut;
use crate::id::{BureauId, CertificateId, RecordId};
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
    /// Takes in a receipt of one of the owner's nodes; `false` when it is none, was known, or there are too many.
    pub fn learn_receipt(&mut self, directory: &Directory, receipt: &Verified<NodeReceipt>) -> bool {
        let body = receipt.body();
        let new =
            body.document == self.id() && is_by_node_of(directory, &self.owner(), receipt) && !self.receipts.contains_key(&receipt.id());
        if !new {
            return false;
        }
        // What tells nothing now is taken where there is room, since a later word may let it tell something again, and makes none.
        if !self.has_room_for_receipt(&body.certificate) && !self.is_spent(directory, body) {
            let mut receipts = std::mem::take(&mut self.receipts);
            receipts.retain(|_, receipt| !self.is_spent(directory, receipt));
            self.receipts = receipts;
        }
        let has_room = self.has_room_for_receipt(&body.certificate);
        if has_room {
            self.receipts.insert(receipt.id(), body.clone());
        }
        has_room
    }

    /// Whether a receipt tells nothing now: all it names is settled, or its node is revoked.
    fn is_spent(&self, directory: &Directory, receipt: &NodeReceipt) -> bool {
        receipt.tips.iter().all(|tip| self.is_settled(tip)) || directory.revoked(&receipt.certificate).is_some()
    }

    fn is_settled(&self, change: &ChangeHash) -> bool {
        self.status.get(change).is_some_and(|status| status.anchor.is_some())
    }

    /// Whether one more receipt of a node finds room: no node takes the others' share.
    fn has_room_for_receipt(&self, node: &CertificateId) -> bool {
        let all = self.receipts.len();
        let of_node = || self.receipts.values().filter(|receipt| receipt.certificate == *node).count();
        all < limits::NODE_RECEIPTS_MAX && (all < limits::NODE_RECEIPTS_OF_ONE_MAX || of_node() < limits::NODE_RECEIPTS_OF_ONE_MAX)
    }

    /// What a receipt of just these changes names: those of them that count here and are not settled, of other bureaus' writers nobody revoked,
    /// without the others' past.
    pub fn receipt_tips(&self, directory: &Directory, changes: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let owner = self.owner();
        let good = |hash: &&ChangeHash| {
            let writer = self.index.get(hash).and_then(|meta| self.actors.get(&meta.actor));
            self.admitted.contains(*hash)
                && !self.is_settled(hash)
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
