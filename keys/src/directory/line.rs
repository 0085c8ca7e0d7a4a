//! The line of a bureau's root versions: which of them stand, and which people decided against.
//!
//! Everybody who links asks for it, and a bureau may state a thousand versions: it is derived when one is learnt, never when asked.

use crate::id::{BureauId, RootId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Version 1 to the head.
    order: Vec<RootId>,
    /// The same, to ask whether one is among them.
    on: BTreeSet<RootId>,
    /// What branches off the line below the head.
    rejected: BTreeSet<RootId>,
    /// The versions that name a version as the one before.
    followers: BTreeMap<RootId, BTreeSet<RootId>>,
}

/// The root versions that stand otherwise than before.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// That came onto the line or left it.
    pub line: BTreeSet<RootId>,
    /// That people decided against, or decide against no more.
    pub rejected: BTreeSet<RootId>,
}

impl Line {
    pub fn new(bureau: BureauId) -> Self {
        let first = RootId::from(bureau);
        Self { order: vec![first], on: BTreeSet::from([first]), rejected: BTreeSet::new(), followers: BTreeMap::new() }
    }

    /// Version 1 to the head.
    pub fn order(&self) -> &[RootId] {
        &self.order
    }

    pub fn head(&self) -> RootId {
        *self.order.last().expect("a line begins with version 1")
    }

    /// Whether a root version is version 1, the head, or between them.
    pub fn contains(&self, root: &RootId) -> bool {
        super::steps::count();
        self.on.contains(root)
    }

    /// Whether people decided against a root version: it branches off the line below the head. What branches off at the head is undecided.
    pub fn is_rejected(&self, root: &RootId) -> bool {
        super::steps::count();
        self.rejected.contains(root)
    }

    /// The root versions that name `root` as the one before, ascending by id.
    pub fn followers(&self, root: &RootId) -> impl ExactSizeIterator<Item = RootId> {
        static NONE: BTreeSet<RootId> = BTreeSet::new();
        self.followers.get(root).unwrap_or(&NONE).iter().copied()
    }

    /// Takes in a root version that follows a known one.
    pub fn add(&mut self, root: RootId, previous: RootId, confirmed: &BTreeSet<RootId>) -> Changed {
        let rivals = self.followers.entry(previous).or_default();
        rivals.insert(root);
        if rivals.len() == 1 && previous == self.head() {
            self.order.push(root);
            self.on.insert(root);
            return Changed { line: BTreeSet::from([root]), ..Changed::default() };
        }
        self.derive(confirmed)
    }

    /// Walks from version 1 to the first dispute. Follows a fork only where people confirmed exactly one side.
    pub fn derive(&mut self, confirmed: &BTreeSet<RootId>) -> Changed {
        let mut order = vec![self.order[0]];
        let mut branches = Vec::new();
        while let Some(next) = self.next(order.last().expect("begins with version 1"), confirmed) {
            super::steps::count();
            branches.extend(self.followers(order.last().expect("begins with version 1")).filter(|other| *other != next));
            order.push(next);
        }
        let mut rejected = BTreeSet::new();
        while let Some(root) = branches.pop() {
            super::steps::count();
            rejected.insert(root);
            branches.extend(self.followers(&root));
        }
        let on: BTreeSet<RootId> = order.iter().copied().collect();
        let changed = Changed {
            line: on.symmetric_difference(&self.on).copied().collect(),
            rejected: rejected.symmetric_difference(&self.rejected).copied().collect(),
        };
        (self.order, self.on, self.rejected) = (order, on, rejected);
        changed
    }

    fn next(&self, head: &RootId, confirmed: &BTreeSet<RootId>) -> Option<RootId> {
        super::only(self.followers(head)).or_else(|| super::only(self.followers(head).filter(|it| confirmed.contains(it))))
    }
}
