//! Which change of each actor is the newest in a causal past: a persistent map that shares what did not change.
//!
//! Actors and changes are the index's own small numbers. A change with one dependency costs one path of a 16-way tree, however many actors
//! wrote before; merging two clocks touches only what differs.

use std::sync::Arc;

const WIDTH: u32 = 16;
const NONE: u32 = u32::MAX;

/// A map from actor number to change number.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// How many levels of inner nodes stand above the leaves.
    height: u32,
    root: Option<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Arc<[u32; WIDTH as usize]>),
    Inner(Arc<[Option<Node>; WIDTH as usize]>),
}

impl Clock {
    /// The newest change of `actor`, if it wrote any.
    pub(super) fn get(&self, actor: u32) -> Option<u32> {
        if !self.covers(actor) {
            return None;
        }
        let mut node = self.root.as_ref()?;
        let mut height = self.height;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf[slot(actor, 0)]).filter(|change| *change != NONE),
                Node::Inner(inner) => node = inner[slot(actor, height)].as_ref()?,
            }
            height -= 1;
        }
    }

    /// This clock with `actor` at `change`.
    pub(super) fn with(&self, actor: u32, change: u32) -> Self {
        let mut clock = self.clone();
        while !clock.covers(actor) {
            clock = clock.raised();
        }
        clock.root = Some(with(clock.root.as_ref(), clock.height, actor, change));
        clock
    }

    /// Both clocks in one. Where both have a change of an actor and they differ, `pick` says which is newer, or fails.
    pub(super) fn merged<E>(&self, other: &Self, pick: &mut impl FnMut(u32, u32) -> Result<u32, E>) -> Result<Self, E> {
        let height = self.height.max(other.height);
        let (mut left, mut right) = (self.clone(), other.clone());
        while left.height < height {
            left = left.raised();
        }
        while right.height < height {
            right = right.raised();
        }
        Ok(Self { height, root: merged(left.root.as_ref(), right.root.as_ref(), pick)? })
    }

    fn covers(&self, actor: u32) -> bool {
        u64::from(actor) < u64::from(WIDTH) << (4 * self.height)
    }

    fn raised(self) -> Self {
        let root = self.root.map(|root| {
            let mut inner: [Option<Node>; WIDTH as usize] = Default::default();
            inner[0] = Some(root);
            Node::Inner(Arc::new(inner))
        });
        Self { height: self.height + 1, root }
    }
}

fn slot(actor: u32, height: u32) -> usize {
    ((u64::from(actor) >> (4 * height)) % u64::from(WIDTH)) as usize
}

fn with(node: Option<&Node>, height: u32, actor: u32, change: u32) -> Node {
    match node {
        Some(Node::Leaf(leaf)) => {
            let mut leaf = **leaf;
            leaf[slot(actor, 0)] = change;
            Node::Leaf(Arc::new(leaf))
        }
        Some(Node::Inner(inner)) => {
            let mut inner = (**inner).clone();
            let place = slot(actor, height);
            inner[place] = Some(with(inner[place].as_ref(), height - 1, actor, change));
            Node::Inner(Arc::new(inner))
        }
        None if height == 0 => {
            let mut leaf = [NONE; WIDTH as usize];
            leaf[slot(actor, 0)] = change;
            Node::Leaf(Arc::new(leaf))
        }
        None => {
            let mut inner: [Option<Node>; WIDTH as usize] = Default::default();
            inner[slot(actor, height)] = Some(with(None, height - 1, actor, change));
            Node::Inner(Arc::new(inner))
        }
    }
}

fn merged<E>(left: Option<&Node>, right: Option<&Node>, pick: &mut impl FnMut(u32, u32) -> Result<u32, E>) -> Result<Option<Node>, E> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (one, None) | (None, one) => return Ok(one.cloned()),
    };
    match (left, right) {
        (Node::Leaf(a), Node::Leaf(b)) => {
            if Arc::ptr_eq(a, b) {
                return Ok(Some(left.clone()));
            }
            let mut out = **a;
            for (mine, theirs) in out.iter_mut().zip(b.iter()) {
                if *mine == NONE {
                    *mine = *theirs;
                } else if *theirs != NONE && *mine != *theirs {
                    *mine = pick(*mine, *theirs)?;
                }
            }
            // Reuse what is equal, so that clocks keep sharing.
            Ok(Some(if out == **a {
                left.clone()
            } else if out == **b {
                right.clone()
            } else {
                Node::Leaf(Arc::new(out))
            }))
        }
        (Node::Inner(a), Node::Inner(b)) => {
            if Arc::ptr_eq(a, b) {
                return Ok(Some(left.clone()));
            }
            let mut out: [Option<Node>; WIDTH as usize] = Default::default();
            for (place, (mine, theirs)) in out.iter_mut().zip(a.iter().zip(b.iter())) {
                *place = merged(mine.as_ref(), theirs.as_ref(), pick)?;
            }
            Ok(Some(if same(&out, a) {
                left.clone()
            } else if same(&out, b) {
                right.clone()
            } else {
                Node::Inner(Arc::new(out))
            }))
        }
        _ => unreachable!("both trees were raised to one height"),
    }
}

fn same(left: &[Option<Node>; WIDTH as usize], right: &[Option<Node>; WIDTH as usize]) -> bool {
    left.iter().zip(right).all(|pair| match pair {
        (None, None) => true,
        (Some(Node::Leaf(a)), Some(Node::Leaf(b))) => Arc::ptr_eq(a, b),
        (Some(Node::Inner(a)), Some(Node::Inner(b))) => Arc::ptr_eq(a, b),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn clock(entries: &BTreeMap<u32, u32>) -> Clock {
        entries.iter().fold(Clock::default(), |clock, (actor, change)| clock.with(*actor, *change))
    }

    proptest! {
        #[test]
        fn a_clock_is_a_map_and_merging_takes_the_newer(
            left in proptest::collection::btree_map(0u32..5000, 0u32..100, 0..60),
            right in proptest::collection::btree_map(0u32..300, 0u32..100, 0..60),
        ) {
            let (a, b) = (clock(&left), clock(&right));
            let merged = a.merged(&b, &mut |x, y| Ok::<_, ()>(x.max(y))).expect("never fails");
            for actor in 0..5100 {
                prop_assert_eq!(a.get(actor), left.get(&actor).copied());
                let newer = left.get(&actor).copied().max(right.get(&actor).copied());
                prop_assert_eq!(merged.get(actor), newer, "actor {}", actor);
            }
        }
    }

    #[test]
    fn a_conflict_that_cannot_be_picked_fails_the_merge() {
        let a = Clock::default().with(40, 1);
        let b = Clock::default().with(40, 2);
        assert_eq!(a.merged(&b, &mut |x, y| Err((x, y))).err(), Some((1, 2)));
    }

    #[test]
    fn merging_with_a_part_of_itself_is_the_whole_that_stood_there_before() {
        // Far apart and few, so that nodes of every height have empty places.
        let older = clock(&(0..40).map(|actor| (actor, 1)).collect());
        let newer = older.with(7, 2).with(305, 2).with(600, 3);
        assert!(older.height < newer.height);
        let newer_of = &mut |x: u32, y: u32| Ok::<_, ()>(x.max(y));
        for merged in [older.merged(&newer, newer_of), newer.merged(&older, newer_of)] {
            let root = merged.expect("never fails").root;
            let (Some(Node::Inner(merged)), Some(Node::Inner(newer))) = (&root, &newer.root) else { panic!("more actors than a leaf has") };
            assert!(Arc::ptr_eq(merged, newer), "nothing is made anew");
        }
    }
}
