//! What is held: well formed, not admitted, and waiting for the owner; and whose work no anchor settled yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{Actor, DocState, Held};
use crate::access::log::FrontierLine;
use crate::act::Act;
use crate::id::{BureauId, CertificateId, DocumentId, RecordId};
use crate::rules::{ActorId, ChangeHash, ChangeMeta};

/// One act that is held.
#[derive(Clone, Debug)]
pub struct HeldAct {
    /// The document.
    pub document: DocumentId,
    /// The act.
    pub act: Act,
    /// Its change.
    pub change: ChangeHash,
    /// Certificate of its writer.
    pub certificate: CertificateId,
    /// Bureau of its writer.
    pub bureau: BureauId,
    /// The first record that takes it out; `None` when it only builds on what is held, or its writer signed twice.
    pub since: Option<RecordId>,
    /// Why.
    pub why: Held,
    /// The wrapper by which it counts nevertheless.
    pub reentered: Option<ChangeHash>,
}

impl DocState {
    /// Every act that is held, oldest first.
    pub fn held_acts(&self) -> Vec<HeldAct> {
        let mut out = Vec::new();
        let reentered = self.reentered();
        for meta in self.unadmitted_metas() {
            let Some(actor) = self.actors.get(&meta.actor) else { continue };
            let Some(parsed) = self.raw.get(&meta.hash).and_then(|raw| crate::rules::parse(raw).ok()) else { continue };
            let since = self.taken_by(meta, actor);
            let why = self.why_held(&meta.hash, meta.seq, &meta.actor, actor);
            out.extend(parsed.acts().filter_map(|bytes| Act::from_bytes(bytes).ok()).map(|act| HeldAct {
                document: self.id(),
                why,
                act,
                change: meta.hash,
                certificate: actor.certificate,
                bureau: actor.member.bureau,
                since,
                reentered: reentered.get(&meta.hash).copied(),
            }));
        }
        out
    }

    /// The record that takes a held change out: the first cut that covers it, or the end.
    fn taken_by(&self, meta: &ChangeMeta, actor: &Actor) -> Option<RecordId> {
        let cuts = self.log.cuts().iter().filter(|cut| self.covers(cut, &meta.actor, actor, meta.seq)).map(|cut| cut.record);
        let all = cuts.chain(self.log.ended().map(|(record, _)| record));
        all.filter_map(|record| self.log.order_of(&record)).min().map(|(_, _, record)| record)
    }

    /// How many changes are held and were not entered again.
    pub fn waiting(&self) -> u64 {
        let reentered = if self.held() == 0 { BTreeMap::new() } else { self.reentered() };
        self.unadmitted_metas().into_iter().filter(|meta| !reentered.contains_key(&meta.hash)).count() as u64
    }

    fn unadmitted_metas(&self) -> Vec<&ChangeMeta> {
        if self.held() == 0 {
            return Vec::new();
        }
        self.index.iter().filter(|meta| !self.admitted.contains(&meta.hash)).collect()
    }

    /// The newest held changes that an officer may let in at once: nothing held builds on them, and no writer of theirs signed twice.
    pub fn held_tips(&self) -> BTreeSet<ChangeHash> {
        let fine = |meta: &&ChangeMeta| {
            let fork = self.actors.get(&meta.actor).and_then(|actor| actor.fork_at);
            fork.is_none_or(|fork| meta.seq < fork)
        };
        let mut stands: BTreeSet<ChangeHash> = self.admitted.clone();
        let mut tips = BTreeSet::new();
        for meta in self.unadmitted_metas().into_iter().filter(fine) {
            if meta.deps.iter().all(|dep| stands.contains(dep)) {
                stands.insert(meta.hash);
                tips.insert(meta.hash);
                for dep in &meta.deps {
                    tips.remove(dep);
                }
            }
        }
        tips
    }

    /// Changes whose hash begins with these hex digits.
    pub fn changes_like(&self, prefix: &str) -> Vec<ChangeHash> {
        self.index.iter().map(|meta| meta.hash).filter(|hash| hash.to_string().starts_with(prefix)).collect()
    }
    /// Whether a change is in the past of another, or is it.
    pub fn is_before(&self, older: &ChangeHash, newer: &ChangeHash) -> bool {
        self.index.is_ancestor(older, newer)
    }
    /// Of these changes those in nobody else's past among them.
    pub fn tips_of(&self, changes: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let before = |one: &ChangeHash| changes.iter().any(|other| other != one && self.index.is_ancestor(one, other));
        changes.iter().filter(|one| !before(one)).copied().collect()
    }

    /// Writers with admitted work no anchor settled who may write on: with their certificate and bureau.
    pub fn unsettled_writers(&self) -> BTreeMap<ActorId, (CertificateId, BureauId)> {
        let unsettled = usize::try_from(self.unsettled()).unwrap_or(usize::MAX);
        let open = |meta: &&ChangeMeta| {
            self.admitted.contains(&meta.hash) && self.status.get(&meta.hash).is_none_or(|status| status.anchor.is_none())
        };
        // They are among the newest, so the walk back ends soon.
        let newest = self.index.iter().rev().filter(open).take(unsettled);
        let writers: BTreeSet<ActorId> = newest.map(|meta| meta.actor).collect();
        let mut out = BTreeMap::new();
        for id in writers {
            let Some(actor) = self.actors.get(&id) else { continue };
            let next = actor.positions.keys().next_back().map_or(1, |n| n + 1);
            if !self.is_cut(&id, actor, next) {
                out.insert(id, (actor.certificate, actor.member.bureau));
            }
        }
        out
    }

    /// The frontier of a cut made now of everyone these certificates belong to: what is admitted stays, or if `strict` what is settled.
    pub fn frontier_of(&self, strict: bool, covers: impl Fn(&CertificateId) -> bool) -> Vec<FrontierLine> {
        let stands = if strict { self.settled_frontier() } else { self.frontier() };
        let lines = stands.into_iter().filter(|(_, (_, _, certificate))| covers(certificate));
        lines.map(|(actor, (position, attestation, _))| FrontierLine { actor, position, attestation }).collect()
    }
}
