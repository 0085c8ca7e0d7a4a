//! Logs that branched: which heads are open, which branch grants, what a newer appointment set aside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Log, RecordKind, Subject, cuts_of};
use crate::agreement::Verb;
use crate::id::{BureauId, RecordId};
use crate::limits;
use crate::time::WallSeconds;

/// A bureau that was let in on a branch which the healed log does not go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostGrant {
    /// Who was let in there.
    pub bureau: BureauId,
    /// What it might do there.
    pub verb: Verb,
    /// When the log was healed, by its registrar's word.
    pub healed: WallSeconds,
}

/// What follows from the tree of records, once it is one. Derived anew whenever a branch or a `continue` comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Forked {
    /// Counting records nothing counting rests on.
    heads: BTreeSet<RecordId>,
    /// Where grants count: the way to the one head, or what all heads have in common.
    granting: BTreeSet<RecordId>,
    aside: BTreeSet<RecordId>,
    /// Records of an older epoch that come from elsewhere are set aside.
    ruling_epoch: Option<u32>,
}

impl Forked {
    pub(super) fn heads(&self) -> Vec<RecordId> {
        self.heads.iter().copied().collect()
    }
    pub(super) fn is_open(&self) -> bool {
        self.heads.len() > 1
    }
    pub(super) fn grants(&self, id: &RecordId) -> bool {
        self.granting.contains(id)
    }
    pub(super) fn is_aside(&self, id: &RecordId) -> bool {
        self.aside.contains(id)
    }
    /// Notes a record that only extends the tree. Whoever branches or heals derives anew afterwards.
    pub(super) fn extend(&mut self, id: RecordId, entry: &Entry) -> Extension {
        // What descends from the ruling record has its epoch at least, so this comes from a branch that was set aside, or is a new one.
        if self.ruling_epoch.is_some_and(|ruling| entry.epoch < ruling) {
            self.aside.insert(id);
            return Extension::Aside;
        }
        let previous = entry.previous.expect("only the genesis has none");
        if !self.heads.remove(&previous) {
            return Extension::Branches;
        }
        self.heads.insert(id);
        if self.heads.len() == 1 {
            self.granting.insert(id);
        }
        Extension::Extends
    }
}

/// What a further record does to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// It follows a head.
    Extends,
    /// It follows what is no head.
    Branches,
    /// It counts for nothing.
    Aside,
}

impl Log {
    /// Derives what the tree of records says, and the rights everywhere.
    pub(super) fn rederive(&mut self) {
        let mut forked = Forked::default();
        if let Some((ruling, epoch)) = self.ruling() {
            forked.ruling_epoch = Some(epoch);
            forked.aside = self.set_aside(ruling, epoch);
        }
        let counts = |id: &RecordId| !forked.aside.contains(id);
        let mut heads: BTreeSet<RecordId> = self.entries.keys().copied().filter(counts).collect();
        for (_, entry) in self.entries.iter().filter(|(id, _)| counts(id)) {
            for parent in entry.parents() {
                heads.remove(&parent);
            }
        }
        let mut ways = heads.iter().map(|head| self.way(*head));
        forked.granting = ways.next().unwrap_or_default();
        for way in ways {
            forked.granting.retain(|id| way.contains(id));
        }
        forked.heads = heads;
        self.forked = Some(forked);
        let counting: Vec<_> = self.entries.iter().filter(|(id, _)| !self.is_aside(id)).collect();
        let cuts = counting.iter().flat_map(|(id, entry)| cuts_of(**id, entry)).collect();
        let ended = |entry: &Entry| if let Some(RecordKind::End(kind, _)) = entry.kind() { Some(*kind) } else { None };
        let ends = counting.iter().filter_map(|(id, entry)| Some((self.place(id, entry), ended(entry)?))).collect();
        (self.cuts, self.ends) = (cuts, ends);
        let mut ids: Vec<(u32, RecordId)> = self.entries.iter().map(|(id, entry)| (entry.height, *id)).collect();
        ids.sort_unstable();
        for (_, id) in ids.into_iter().skip(1) {
            let rights = self.rights_after(id, &self.entries[&id]);
            self.entries.get_mut(&id).expect("taken from the map").rights = rights;
        }
    }

    /// The `continue` that sets others aside: of the newest epoch, then of the highest index, then the lowest id.
    fn ruling(&self) -> Option<(RecordId, u32)> {
        let ruling = self.entries.iter().filter(|(_, entry)| matches!(entry.kind(), Some(RecordKind::Continue(_, true, _))));
        let ruling = ruling.max_by_key(|(id, entry)| (entry.epoch, entry.index, std::cmp::Reverse(**id)));
        ruling.map(|(id, entry)| (*id, entry.epoch))
    }

    /// Records of an older epoch that are neither on the way to the ruling one nor rest on it.
    fn set_aside(&self, ruling: RecordId, epoch: u32) -> BTreeSet<RecordId> {
        let way = self.way(ruling);
        let older = self.entries.iter().filter(|(id, entry)| entry.epoch < epoch && !way.contains(id));
        // Nothing of an older epoch rests on it: such a record is malformed.
        older.map(|(id, _)| *id).collect()
    }

    /// The records from the genesis to this one.
    fn way(&self, to: RecordId) -> BTreeSet<RecordId> {
        let mut way = BTreeSet::new();
        let mut at = Some(to);
        while let Some(id) = at {
            way.insert(id);
            at = self.entries[&id].previous;
        }
        way
    }

    /// What the branches a `continue` does not go on with took away, in log order.
    pub(super) fn taken_elsewhere(&self, entry: &Entry) -> Vec<(RecordId, &RecordKind)> {
        let Some(previous) = entry.previous else { return Vec::new() };
        let way = self.way(previous);
        let mut found = BTreeMap::new();
        let mut open: Vec<RecordId> = entry.parents().skip(1).collect();
        while let Some(id) = open.pop() {
            if way.contains(&id) || self.is_aside(&id) {
                continue;
            }
            let other = &self.entries[&id];
            let Some(kind) = other.kind() else { continue };
            if found.insert((other.index, id), kind).is_none() {
                open.extend(other.parents());
            }
        }
        found.into_iter().map(|((_, id), kind)| (id, kind)).collect()
    }

    /// Grants on the branches a `continue` left that count nowhere: since the fork nobody gave them again, and no record those branches did not
    /// know took them away. One for each bureau, of the latest healing. What a newer appointment set aside is no grant of ours.
    pub fn lost_grants(&self) -> Vec<LostGrant> {
        if self.forked.is_none() {
            return Vec::new(); // It never branched.
        }
        let now = self.rights();
        let mut lost: BTreeMap<BureauId, LostGrant> = BTreeMap::new();
        let healings =
            self.entries.iter().filter(|(id, entry)| !self.is_aside(id) && matches!(entry.kind(), Some(RecordKind::Continue(..))));
        for (_, entry) in healings {
            let healed = entry.record.as_ref().map_or(WallSeconds(0), |record| record.body().at);
            let left: BTreeSet<RecordId> = entry.parents().skip(1).flat_map(|head| self.way(head)).collect();
            let mut given: BTreeMap<BureauId, Verb> = BTreeMap::new();
            for (_, kind) in self.taken_elsewhere(entry) {
                given.extend(kind.grantees().iter().map(|grantee| (grantee.bureau, grantee.verb)));
                match kind {
                    RecordKind::Cut(Subject::Bureau(bureau), ..) => drop(given.remove(bureau)),
                    RecordKind::Reclassify(_, narrowed, _) => given.retain(|bureau, _| !narrowed.contains(bureau)),
                    RecordKind::End(..) => given.clear(),
                    _ => {}
                }
            }
            for (bureau, verb) in given {
                let stands = now.bureaus.get(&bureau).is_some_and(|held| held.verb.includes(verb));
                let decided = now.parted(&bureau).is_some_and(|record| !left.contains(&record));
                if !stands && !decided && lost.get(&bureau).is_none_or(|other| other.healed <= healed) {
                    lost.insert(bureau, LostGrant { bureau, verb, healed });
                }
            }
        }
        lost.into_values().take(limits::LOST_GRANTS_MAX).collect()
    }

    /// Whether one of these records is before another of them, by whatever way.
    pub(super) fn is_nested(&self, records: &[RecordId]) -> bool {
        let lowest = records.iter().filter_map(|id| self.entries.get(id)).map(|entry| entry.height).min().unwrap_or(0);
        let parents = |id: &RecordId| self.entries.get(id).into_iter().flat_map(Entry::parents).collect::<Vec<_>>();
        let mut open: Vec<RecordId> = records.iter().flat_map(parents).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if records.binary_search(&id).is_ok() {
                return true;
            }
            if self.entries.get(&id).is_some_and(|entry| entry.height > lowest) && seen.insert(id) {
                open.extend(parents(&id));
            }
        }
        false
    }
}
