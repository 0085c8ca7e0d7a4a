//! Which placed changes count: the log, cuts and forks decide; what an anchor has in its past counts whatever they say.

use super::*;
use crate::rules::ChangeMeta;

impl DocState {
    /// Admission of everything from scratch: after a cut, a fork, or an anchor beside a fork.
    pub(super) fn recompute(&mut self) {
        self.status.clear();
        let before = std::mem::take(&mut self.admitted);
        self.settled = 0;
        self.contributors.clear();
        self.first_aside.clear();
        self.missing_tips.clear();
        let anchors: Vec<RecordId> = self.log.in_order().into_iter().map(|((_, _, id), _)| id).collect();
        for id in anchors {
            self.settle(id);
        }
        self.admit_more();
        if !before.is_subset(&self.admitted) {
            self.shown.forget();
        }
    }

    /// Marks the causal past of one anchor with the first anchor that contains it.
    ///
    /// Without forks the outcome does not depend on the order of calls. With forks anchors may contradict each other; then they must be
    /// taken in log order, and of two that name different changes for one position the earlier stands.
    pub(super) fn settle(&mut self, id: RecordId) {
        let Some(order) = self.log.order_of(&id) else { return };
        let Some(record) = self.log.get(&id).and_then(|entry| entry.record.as_ref()) else { return };
        let mut newly: Vec<ChangeHash> = Vec::new();
        let mut quoting: Vec<ChangeHash> = Vec::new();
        let may_contradict = self.has_fork();
        for tip in record.body().kind.anchors() {
            if !self.index.contains(tip) {
                self.missing_tips.entry(*tip).or_default().insert(order);
                continue;
            }
            if let Some(waited) = self.missing_tips.get_mut(tip) {
                waited.remove(&order);
                if waited.is_empty() {
                    self.missing_tips.remove(tip);
                }
            }
            let status = &self.status;
            let anchored = |hash: &ChangeHash| status.get(hash).and_then(|s| s.anchor);
            let past: Vec<(ChangeHash, ActorId, u64)> = self
                .index
                .causal_past_until(&[*tip], |meta| anchored(&meta.hash).is_some_and(|first| first <= order))
                .into_iter()
                .map(|meta| (meta.hash, meta.actor, meta.seq))
                .collect();
            let contradicts = |(hash, actor, seq): &(ChangeHash, ActorId, u64)| {
                self.index.changes_at(actor, *seq).iter().any(|other| other != hash && anchored(other).is_some())
            };
            if may_contradict && past.iter().any(contradicts) {
                continue;
            }
            let owner = self.log.genesis().body().owner;
            // A branch of the log comes after what goes on, whatever its indices: who wrote before it wrote from there on. Each change is walked again for
            // a lower index alone.
            let mut wrote: Vec<(ChangeHash, ActorId)> = past.iter().map(|(hash, actor, _)| (*hash, *actor)).collect();
            if order.0 {
                let first_aside = &self.first_aside;
                let lower = |meta: &ChangeMeta| first_aside.get(&meta.hash).is_some_and(|first| *first <= order.1);
                let again: Vec<_> = self.index.causal_past_until(&[*tip], lower).into_iter().map(|meta| (meta.hash, meta.actor)).collect();
                self.first_aside.extend(again.iter().map(|(hash, _)| (*hash, order.1)));
                wrote.extend(again);
            }
            for (hash, actor) in wrote {
                if let Some(bureau) = self.actors.get(&actor).map(|actor| actor.member.bureau).filter(|bureau| *bureau != owner) {
                    let first = self.contributors.entry(bureau).or_insert(order.1);
                    *first = order.1.min(*first);
                }
                if self.quotes.contains_key(&hash) {
                    quoting.push(hash);
                }
            }
            for (hash, ..) in past {
                let status = self.status.entry(hash).or_default();
                self.settled += u64::from(status.anchor.is_none());
                status.anchor = Some(order);
                if !status.admitted {
                    status.admitted = true;
                    newly.push(hash);
                }
            }
        }
        for hash in quoting {
            self.note_quoted_contributors(&hash, order.1);
        }
        for hash in newly {
            self.admit(hash);
        }
    }

    pub(super) fn admit(&mut self, hash: ChangeHash) {
        if self.admitted.insert(hash) {
            self.shown.admitted(hash);
        }
    }

    /// Admits what can be admitted among the well-formed changes that are not.
    pub(super) fn admit_more(&mut self) {
        if self.admitted.len() == self.index.len() {
            return;
        }
        // Newest first until a run of admitted ones would make the scan longer than needed is not sound with holds in the past; the index
        // iterates in causal order, and holds are rare, so one pass over what is not admitted settles it.
        let pending: Vec<ChangeHash> = self.index.iter().rev().take_while_pending(&self.admitted, self.index.len() - self.admitted.len());
        for hash in pending.into_iter().rev() {
            if self.admissible(&hash) {
                self.status.entry(hash).or_default().admitted = true;
                self.admit(hash);
            }
        }
    }

    pub(super) fn admissible(&self, hash: &ChangeHash) -> bool {
        self.index.get(hash).is_some_and(|meta| self.stands(meta, |dep| self.admitted.contains(dep), |_| true, |_| true))
    }

    /// The rule: whether a change counts by what its past gives, over changes that count, under records it may cite, with the cuts that bind it.
    pub(super) fn stands(
        &self,
        meta: &ChangeMeta,
        counts: impl Fn(&ChangeHash) -> bool,
        may_cite: impl Fn(&RecordId) -> bool,
        binds: impl Fn(&Cut) -> bool,
    ) -> bool {
        let Some(actor) = self.actors.get(&meta.actor) else { return false };
        if actor.fork_at.is_some_and(|fork| fork <= meta.seq) {
            return false;
        }
        let Some(placed) = actor.positions.get(&meta.seq).and_then(|all| all.iter().find(|placed| placed.change == meta.hash)) else {
            return false;
        };
        let Some(cited) = self.log.get(&placed.cited).filter(|_| may_cite(&placed.cited)) else { return false };
        if !meta.deps.iter().all(counts) {
            return false;
        }
        // Once a document has ended only what was settled counts.
        if self.log.ended().is_some() {
            return false;
        }
        let not_older = meta.deps.iter().all(|dep| self.citations(dep).any(|record| self.log.not_older(&placed.cited, &record)));
        let owner = &self.log.genesis().body().owner;
        not_older
            && cited.rights.allow(owner, &actor.certificate, &actor.member, Verb::Append)
            && !self.log.cuts().iter().any(|cut| binds(cut) && self.covers(cut, &meta.actor, actor, meta.seq))
    }

    /// The records a change cites: one, or several where its writer attested one change twice; then any of them will do for others.
    pub(super) fn citations(&self, change: &ChangeHash) -> impl Iterator<Item = RecordId> {
        let meta = self.index.get(change);
        let all = meta.and_then(|meta| self.actors.get(&meta.actor)?.positions.get(&meta.seq));
        all.into_iter().flatten().filter(|placed| placed.change == *change).map(|placed| placed.cited)
    }

    pub(super) fn is_cut(&self, id: &ActorId, actor: &Actor, position: u64) -> bool {
        self.log.cuts().iter().any(|cut| self.covers(cut, id, actor, position))
    }

    /// Whether this cut covers a position of a writer's life.
    pub(super) fn covers(&self, cut: &Cut, id: &ActorId, actor: &Actor, position: u64) -> bool {
        let takes_writing = cut.verbs.iter().any(|verb| matches!(verb, Verb::Append | Verb::Read));
        if !takes_writing || !cut.subject.covers(&actor.certificate, &actor.member) {
            return false;
        }
        if position <= cut.frontier.get(id).copied().unwrap_or(0) {
            return false;
        }
        // A life that begins under a later record is another life: the cut does not know it, and the rights there decide.
        let first = actor.positions.get(&1).map_or(&[][..], Vec::as_slice);
        let begins_later = first.iter().any(|placed| self.log.descends(&placed.cited, &cut.record));
        !begins_later
    }
}
