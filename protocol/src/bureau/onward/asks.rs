//! Asks by id, and by whom they are with: a partner's asks are looked through without those of all others. Partners feed these rows.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::ops::Index;

use super::Kept;
use crate::id::{BureauId, StatementId};

/// See the module. Whom an ask is with never changes.
#[derive(Debug, Default)]
pub(super) struct Asks {
    by_id: BTreeMap<StatementId, Kept>,
    by_partner: BTreeMap<BureauId, BTreeSet<StatementId>>,
}

impl Asks {
    pub fn insert(&mut self, id: StatementId, kept: Kept) {
        self.by_partner.entry(kept.row.partner).or_default().insert(id);
        if let Some(old) = self.by_id.insert(id, kept) {
            debug_assert_eq!(old.row.partner, self.by_id[&id].row.partner, "an ask stays with whom it was made");
        }
    }
    pub fn remove(&mut self, id: &StatementId) {
        let Some(kept) = self.by_id.remove(id) else { return };
        if let Some(theirs) = self.by_partner.get_mut(&kept.row.partner) {
            theirs.remove(id);
            if theirs.is_empty() {
                self.by_partner.remove(&kept.row.partner);
            }
        }
    }
    pub fn get(&self, id: &StatementId) -> Option<&Kept> {
        self.by_id.get(id)
    }
    pub fn get_mut(&mut self, id: &StatementId) -> Option<&mut Kept> {
        self.by_id.get_mut(id)
    }
    pub fn contains_key(&self, id: &StatementId) -> bool {
        self.by_id.contains_key(id)
    }
    pub fn keys(&self) -> btree_map::Keys<'_, StatementId, Kept> {
        self.by_id.keys()
    }
    pub fn values(&self) -> btree_map::Values<'_, StatementId, Kept> {
        self.by_id.values()
    }
    pub fn iter(&self) -> btree_map::Iter<'_, StatementId, Kept> {
        self.by_id.iter()
    }
    /// All asks with one partner, by id.
    pub fn with(&self, partner: &BureauId) -> impl Iterator<Item = (&StatementId, &Kept)> {
        self.by_partner.get(partner).into_iter().flatten().filter_map(|id| self.by_id.get_key_value(id))
    }
}

impl Index<&StatementId> for Asks {
    type Output = Kept;
    fn index(&self, id: &StatementId) -> &Kept {
        &self.by_id[id]
    }
}
