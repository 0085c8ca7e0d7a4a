//! What a node of the owner had taken in before it heard of a cut: the registrar lets it in by itself, and nothing else.

use std::collections::BTreeSet;

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

impl DocState {
    /// Takes in a receipt of one of the owner's nodes; `false` when it is none, was known, or there are too many.
    pub fn learn_receipt(&mut self, directory: &Directory, receipt: &Verified<NodeReceipt>) -> bool {
        let new = receipt.body().document == self.id()
            && is_by_node_of(directory, &self.owner(), receipt)
            && self.receipts.len() < limits::NODE_RECEIPTS_MAX
            && !self.receipts.contains_key(&receipt.id());
        if new {
            self.receipts.insert(receipt.id(), receipt.body().clone());
        }
        new
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
        for receipt in self.receipts.values() {
            if self.log.get(&receipt.head).is_none() || directory.standing(&receipt.certificate, now) != CertStanding::Good {
                continue;
            }
            let known = |record: &RecordId| self.log.not_older(&receipt.head, record);
            let passes_by = |cut: &Cut| !cut.strict && !known(&cut.record) && self.is_in_time(cut, receipt, now);
            let past =
                self.index.causal_past_until(&receipt.tips, |meta| self.admitted.contains(&meta.hash) || stands.contains(&meta.hash));
            let mut came = BTreeSet::new();
            for meta in past {
                let Some(writer) = self.actors.get(&meta.actor) else { continue };
                let counts = |dep: &ChangeHash| self.admitted.contains(dep) || stands.contains(dep) || came.contains(dep);
                if directory.revoked(&writer.certificate) != Some(RevocationClass::Compromised)
                    && self.stands(meta, counts, known, |cut| !passes_by(cut))
                {
                    came.insert(meta.hash);
                    out.writers.insert(writer.member.bureau);
                }
            }
            if !came.is_empty() {
                out.nodes.insert(receipt.certificate);
                stands.extend(came);
            }
        }
        out.tips = self.index.tips(&stands).into_iter().take(limits::ADMIT_TIPS_MAX).collect();
        out
    }

    /// Whether a receipt came as soon after a cut as a node may go without hearing its registrar, and is used while that is not long ago.
    fn is_in_time(&self, cut: &Cut, receipt: &NodeReceipt, now: WallSeconds) -> bool {
        let at = self.log.get(&cut.record).and_then(|entry| entry.record.as_ref()).map(|record| record.body().at);
        at.is_some_and(|at| receipt.at <= at.plus(limits::IN_TOUCH_S) && now < at.plus(limits::RECEIPTED_WAITS_S))
    }
}
