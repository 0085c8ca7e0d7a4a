//! Every well-formed change of one document, admitted or not, and what its causal past contains.
//!
//! Changes of one actor form a tree, since each but the first has the actor's previous change among its direct dependencies; in any causal
//! past that merges no fork they form one chain. So a past is known by the newest change of each actor in it (`clock.rs`), and an operation
//! is found by walking one chain with jump pointers: checking a change costs the logarithm of the document, not the document.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::{Op, OpRef};
use super::clock::Clock;
use super::{ActorId, ChangeHash, Group, Malformed, OPS_MAX, ParsedChange, Verdict};

/// Counters of the two objects every founding change makes.
pub(super) const ACTS_COUNTER: u32 = 1;
pub(super) const TEXT_COUNTER: u32 = 2;
const NONE: u32 = u32::MAX;

/// What is known of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMeta {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its author's actor id.
    pub actor: ActorId,
    /// Its place among its actor's changes, from 1.
    pub seq: u64,
    /// Counter of its first operation.
    pub start_op: u64,
    /// Counter of its last operation; `start_op - 1` for a fold. The highest of its causal past.
    pub max_op: u64,
    /// Its direct dependencies, strictly ascending.
    pub deps: Vec<ChangeHash>,
    /// The bureau of its writer.
    pub group: Group,
    /// Length of its raw bytes.
    pub size: usize,
    /// How many of its operations insert acts.
    pub acts: usize,
}

/// Every well-formed change of one document: its place, operation ranges and clock.
///
/// Forks included: two changes of one (actor, seq) may both stand in it, but no change that has both in its past.
#[derive(Clone, Debug)]
pub struct Index {
    owner: Group,
    founder: Option<ActorId>,
    /// In the order of insertion, which is a causal order.
    nodes: Vec<Node>,
    by_hash: BTreeMap<ChangeHash, u32>,
    actors: BTreeMap<ActorId, u32>,
    /// (actor, seq, change) of every change.
    by_seq: BTreeSet<(u32, u32, u32)>,
    /// (actor, first counter, change) of every change with operations.
    by_counter: BTreeSet<(u32, u32, u32)>,
    /// Actors with two changes of one sequence number.
    forked: BTreeSet<u32>,
    /// Changes no other change depends on.
    heads: BTreeSet<ChangeHash>,
}

/// A change that passed [`Index::check`] and may be inserted. Only the check makes it.
#[derive(Clone, Debug)]
pub struct Checked {
    meta: ChangeMeta,
    deps: Vec<u32>,
    past: Clock,
    previous: u32,
    founding: u32,
    kinds: Box<[(u32, Kind)]>,
}

#[derive(Clone, Debug)]
struct Node {
    meta: ChangeMeta,
    actor: u32,
    deps: Box<[u32]>,
    /// The newest change of every actor in its causal past, itself included.
    clock: Clock,
    /// Its actor's previous change, or [`NONE`].
    previous: u32,
    /// An older change of its actor's chain; itself for the first.
    jump: u32,
    /// The founding change it goes back to.
    founding: u32,
    /// Runs of operations of one kind, by offset of their first.
    kinds: Box<[(u32, Kind)]>,
}

/// What an operation leaves behind that later ones may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Act,
    Char,
    Deletion,
}

impl Index {
    /// An empty index of a document owned by `owner`; any of its writers may found it.
    pub fn new(owner: Group) -> Self {
        Self {
            owner,
            founder: None,
            nodes: Vec::new(),
            by_hash: BTreeMap::new(),
            actors: BTreeMap::new(),
            by_seq: BTreeSet::new(),
            by_counter: BTreeSet::new(),
            forked: BTreeSet::new(),
            heads: BTreeSet::new(),
        }
    }

    /// As [`Index::new`], but only `founder` may found the document: no second founding change by another writer is well formed.
    pub fn with_founder(owner: Group, founder: ActorId) -> Self {
        Self { founder: Some(founder), ..Self::new(owner) }
    }

    /// Judges a change written by a member of `writer` in its causal past.
    ///
    /// A pure function of the change, its causal past and the bureaus of the writers in it. A change already inserted passes again.
    ///
    /// # Errors
    /// [`Verdict::Waiting`] with the dependencies that are missing, else [`Verdict::Malformed`] with the first rule broken.
    pub fn check(&self, change: &ParsedChange, writer: Group) -> Result<Checked, Verdict> {
        let deps = self.known_deps(change)?;
        let founding = self.founding_of(change, &deps, writer)?;
        let past = self.past_of(&deps)?;
        let expected = deps.iter().map(|dep| self.node(*dep).meta.max_op).max().unwrap_or(0) + 1;
        if change.start_op() != expected {
            return Err(Malformed::StartOpGap { expected, found: change.start_op() }.into());
        }
        let previous = self.own_previous(change, &deps, &past)?;
        let kinds = Scan { index: self, change, writer, past: &past, founding, previous, table: self.actor_table(change) }.run()?;
        let meta = ChangeMeta {
            hash: change.hash(),
            actor: change.actor(),
            seq: change.seq(),
            start_op: change.start_op(),
            max_op: change.max_op(),
            deps: change.deps().to_vec(),
            group: writer,
            size: change.size(),
            acts: change.acts().count(),
        };
        Ok(Checked { meta, deps, past, previous, founding, kinds })
    }

    /// Takes in a change that passed [`Index::check`] of this index. Inserting one twice changes nothing.
    ///
    /// # Panics
    /// If `checked` comes from another index that knows other changes.
    pub fn insert(&mut self, checked: Checked) {
        let Checked { meta, deps, past, previous, founding, kinds } = checked;
        if self.by_hash.contains_key(&meta.hash) {
            return;
        }
        let same_index =
            meta.deps.iter().zip(&deps).all(|(hash, dep)| self.nodes.get(*dep as usize).is_some_and(|node| node.meta.hash == *hash));
        assert!(same_index, "a change is inserted where it was checked");
        let number = u32::try_from(self.nodes.len()).expect("2^32 changes do not fit in memory");
        let next_actor = u32::try_from(self.actors.len()).expect("fewer actors than changes");
        let actor = *self.actors.entry(meta.actor).or_insert(next_actor);
        let seq = u32::try_from(meta.seq).expect("parse bounds it below 2^31");
        let start = u32::try_from(meta.start_op).expect("parse bounds it below 2^31");
        self.by_hash.insert(meta.hash, number);
        if self.has_change_at(actor, seq) {
            self.forked.insert(actor);
        }
        self.by_seq.insert((actor, seq, number));
        if meta.max_op >= meta.start_op {
            self.by_counter.insert((actor, start, number));
        }
        for dep in &meta.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(meta.hash);
        let founding = if founding == NONE { number } else { founding };
        let jump = self.jump_from(previous, number);
        let clock = past.with(actor, number);
        self.nodes.push(Node { meta, actor, deps: deps.into(), clock, previous, jump, founding, kinds });
    }

    /// What is known of a change.
    pub fn get(&self, hash: &ChangeHash) -> Option<&ChangeMeta> {
        self.number(hash).map(|number| &self.node(number).meta)
    }

    /// Whether a change stands in the index.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// How many changes stand in the index.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no change stands in the index.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every change in the order of insertion, which is a causal order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ChangeMeta> + ExactSizeIterator {
        self.nodes.iter().map(|node| &node.meta)
    }

    /// The bureau that owns the document.
    pub fn owner(&self) -> Group {
        self.owner
    }

    /// Changes no other change of the index depends on.
    pub fn heads(&self) -> &BTreeSet<ChangeHash> {
        &self.heads
    }

    /// Whether `older` is in the causal past of `newer`; every change is in its own. False if either is unknown.
    pub fn is_ancestor(&self, older: &ChangeHash, newer: &ChangeHash) -> bool {
        let (Some(older), Some(newer)) = (self.number(older), self.number(newer)) else { return false };
        self.contains_in_past(&self.node(newer).clock, older)
    }

    /// The changes of a set that no other change of the set depends on directly: its tips, if the set contains the past of its changes.
    /// Unknown changes are left out.
    pub fn tips(&self, closed: &BTreeSet<ChangeHash>) -> BTreeSet<ChangeHash> {
        let mut tips: BTreeSet<ChangeHash> = closed.iter().filter(|hash| self.contains(hash)).copied().collect();
        for hash in closed {
            for dep in self.get(hash).map_or(&[][..], |meta| &meta.deps) {
                tips.remove(dep);
            }
        }
        tips
    }

    /// The changes of any set that are in no other's causal past. Costs the square of the set; unknown changes are left out.
    pub fn newest(&self, set: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let known: BTreeSet<ChangeHash> = set.iter().filter(|hash| self.contains(hash)).copied().collect();
        known.iter().filter(|hash| !known.iter().any(|other| other != *hash && self.is_ancestor(hash, other))).copied().collect()
    }

    /// The causal past of some changes, themselves included, in a causal order. Unknown ones are left out.
    pub fn causal_past(&self, of: &[ChangeHash]) -> Vec<&ChangeMeta> {
        self.causal_past_until(of, |_| false)
    }

    /// As [`Index::causal_past`], without the changes for which `known` holds and without what is only reached through them.
    pub fn causal_past_until(&self, of: &[ChangeHash], mut known: impl FnMut(&ChangeMeta) -> bool) -> Vec<&ChangeMeta> {
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        let mut open: Vec<u32> = of.iter().filter_map(|hash| self.number(hash)).collect();
        while let Some(number) = open.pop() {
            let node = self.node(number);
            if seen.contains(&number) || known(&node.meta) {
                continue;
            }
            seen.insert(number);
            open.extend_from_slice(&node.deps);
        }
        seen.into_iter().map(|number| &self.node(number).meta).collect()
    }

    /// Every change of `actor` whose operations include `counter`: one, or several where the actor forked.
    pub fn change_of_op(&self, counter: u64, actor: &ActorId) -> Vec<ChangeHash> {
        let (Some(actor), Ok(counter)) = (self.actors.get(actor), u32::try_from(counter)) else { return Vec::new() };
        // What starts so many counters before has its last operation before it.
        let from = counter.saturating_sub(OPS_MAX as u32);
        let mut found = Vec::new();
        for (_, _, number) in self.by_counter.range((*actor, from, 0)..=(*actor, counter, NONE)).rev() {
            let node = self.node(*number);
            if u64::from(counter) <= node.meta.max_op {
                found.push(node.meta.hash);
            }
            // In a chain ranges do not overlap, so the nearest one decides; only a forked actor needs the rest.
            if !self.forked.contains(actor) {
                break;
            }
        }
        found.sort_unstable();
        found
    }

    /// Every change of `actor` at `seq`: more than one is equivocation.
    pub fn changes_at(&self, actor: &ActorId, seq: u64) -> Vec<ChangeHash> {
        let (Some(actor), Ok(seq)) = (self.actors.get(actor), u32::try_from(seq)) else { return Vec::new() };
        let range = self.by_seq.range((*actor, seq, 0)..=(*actor, seq, NONE));
        range.map(|(_, _, number)| self.node(*number).meta.hash).collect()
    }

    /// Every change of `actor`, by sequence number.
    pub fn changes_of(&self, actor: &ActorId) -> impl Iterator<Item = &ChangeMeta> {
        let actor = self.actors.get(actor).copied();
        let range = actor.map(|actor| self.by_seq.range((actor, 0, 0)..=(actor, NONE, NONE)));
        range.into_iter().flatten().map(|(_, _, number)| &self.node(*number).meta)
    }

    /// The newest change of `actor` in the causal past of `newer`, itself included.
    pub fn newest_of(&self, actor: &ActorId, newer: &ChangeHash) -> Option<&ChangeMeta> {
        let actor = self.actors.get(actor)?;
        let number = self.node(self.number(newer)?).clock.get(*actor)?;
        Some(&self.node(number).meta)
    }

    /// Every actor that wrote a change of the index.
    pub fn actors(&self) -> impl Iterator<Item = &ActorId> {
        self.actors.keys()
    }

    fn number(&self, hash: &ChangeHash) -> Option<u32> {
        self.by_hash.get(hash).copied()
    }

    fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    fn known_deps(&self, change: &ParsedChange) -> Result<Vec<u32>, Verdict> {
        let mut missing = Vec::new();
        let mut deps = Vec::with_capacity(change.deps().len());
        for dep in change.deps() {
            match self.number(dep) {
                Some(number) => deps.push(number),
                None => missing.push(*dep),
            }
        }
        if missing.is_empty() { Ok(deps) } else { Err(Verdict::Waiting(missing)) }
    }

    /// The founding change all deps go back to; [`NONE`] for a founding change itself.
    fn founding_of(&self, change: &ParsedChange, deps: &[u32], writer: Group) -> Result<u32, Malformed> {
        let Some((first, rest)) = deps.split_first() else {
            let entitled = writer == self.owner && self.founder.is_none_or(|founder| founder == change.actor());
            return if entitled { Ok(NONE) } else { Err(Malformed::WrongFounder) };
        };
        let founding = self.node(*first).founding;
        if rest.iter().all(|dep| self.node(*dep).founding == founding) { Ok(founding) } else { Err(Malformed::TwoFoundings) }
    }

    /// The merged clocks of the deps; a fork that would be merged is refused.
    fn past_of(&self, deps: &[u32]) -> Result<Clock, Malformed> {
        let mut past = Clock::default();
        for dep in deps {
            past = past.merged(&self.node(*dep).clock, &mut |left, right| self.newer_of(left, right))?;
        }
        Ok(past)
    }

    /// Of two changes of one actor the one that has the other in its chain.
    fn newer_of(&self, left: u32, right: u32) -> Result<u32, Malformed> {
        let (older, newer) = if self.node(left).meta.seq <= self.node(right).meta.seq { (left, right) } else { (right, left) };
        if self.in_chain(older, newer) { Ok(newer) } else { Err(Malformed::MergesFork { actor: self.node(left).meta.actor }) }
    }

    fn in_chain(&self, older: u32, newer: u32) -> bool {
        let seq = self.node(older).meta.seq;
        self.walk_back(newer, |meta| meta.seq > seq).is_some_and(|(at, _)| at == older)
    }

    /// The newest change of a chain that is no longer `beyond`, and the steps it took to get there. `beyond` holds from some change on.
    fn walk_back(&self, newest: u32, beyond: impl Fn(&ChangeMeta) -> bool) -> Option<(u32, usize)> {
        let (mut at, mut steps) = (newest, 0);
        while beyond(&self.node(at).meta) {
            let node = self.node(at);
            // The first of a chain jumps to itself: before it there is nothing.
            if node.previous == NONE {
                return None;
            }
            at = if beyond(&self.node(node.jump).meta) { node.jump } else { node.previous };
            steps += 1;
        }
        Some((at, steps))
    }

    fn contains_in_past(&self, past: &Clock, change: u32) -> bool {
        past.get(self.node(change).actor).is_some_and(|newest| self.in_chain(change, newest))
    }

    /// The actor's last change in the past: the change must follow it and name it directly.
    fn own_previous(&self, change: &ParsedChange, deps: &[u32], past: &Clock) -> Result<u32, Malformed> {
        let last = self.actors.get(&change.actor()).and_then(|actor| past.get(*actor));
        let expected = last.map_or(0, |last| self.node(last).meta.seq) + 1;
        if change.seq() != expected {
            return Err(Malformed::SeqGap { expected, found: change.seq() });
        }
        match last {
            None => Ok(NONE),
            Some(last) if deps.contains(&last) => Ok(last),
            Some(_) => Err(Malformed::OwnPrevious),
        }
    }

    /// The index's numbers for the change's actor table; [`NONE`] for actors that never wrote.
    fn actor_table(&self, change: &ParsedChange) -> Vec<u32> {
        let actors = std::iter::once(&change.draft.actor).chain(&change.draft.others);
        actors.map(|actor| self.actors.get(actor).copied().unwrap_or(NONE)).collect()
    }

    /// The change of the chain that ends in `newest` whose operations include `counter`.
    fn find_in_chain(&self, newest: u32, counter: u32) -> Option<u32> {
        let counter = u64::from(counter);
        let (at, _) = self.walk_back(newest, |meta| meta.start_op > counter)?;
        (counter <= self.node(at).meta.max_op).then_some(at)
    }

    /// A jump pointer that keeps every walk along a chain logarithmic (skew-binary: Myers 1983).
    fn jump_from(&self, previous: u32, own: u32) -> u32 {
        if previous == NONE {
            return own;
        }
        let seq = |number: u32| self.node(number).meta.seq;
        let jump = self.node(previous).jump;
        let second = self.node(jump).jump;
        if seq(previous) - seq(jump) == seq(jump) - seq(second) { second } else { previous }
    }

    fn has_change_at(&self, actor: u32, seq: u32) -> bool {
        self.by_seq.range((actor, seq, 0)..=(actor, seq, NONE)).next().is_some()
    }
}

/// One pass over the operations of a change.
struct Scan<'a> {
    index: &'a Index,
    change: &'a ParsedChange,
    writer: Group,
    past: &'a Clock,
    founding: u32,
    previous: u32,
    table: Vec<u32>,
}

impl Scan<'_> {
    /// The kinds of the operations, if every one is allowed.
    fn run(&self) -> Result<Box<[(u32, Kind)]>, Malformed> {
        let ops = &self.change.draft.ops;
        let mut kinds: Vec<(u32, Kind)> = Vec::new();
        let mut deleted: Vec<(OpRef, usize)> = Vec::new();
        let mut near = NONE;
        for (op, offset) in ops.iter().zip(0u32..) {
            let kind = match op {
                Op::MakeActs | Op::MakeText => Kind::Object,
                Op::InsertAct { list, after, .. } => {
                    self.object(*list, ACTS_COUNTER, offset)?;
                    self.after(*after, Kind::Act, offset, &kinds, &mut near)?;
                    Kind::Act
                }
                Op::InsertChar { text, after, .. } => {
                    self.object(*text, TEXT_COUNTER, offset)?;
                    self.after(*after, Kind::Char, offset, &kinds, &mut near)?;
                    Kind::Char
                }
                Op::Delete { text, element } => {
                    self.object(*text, TEXT_COUNTER, offset)?;
                    let group = self.element(*element, Kind::Char, offset, &kinds, &mut near)?;
                    if self.writer != self.index.owner && self.writer != group {
                        return Err(Malformed::NotOwnText { op: offset as usize });
                    }
                    deleted.push((*element, offset as usize));
                    Kind::Deletion
                }
            };
            if kinds.last().is_none_or(|(_, last)| *last != kind) {
                kinds.push((offset, kind));
            }
        }
        deleted.sort_unstable();
        if let Some(pair) = deleted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Malformed::DeletedTwice { op: pair[1].1 });
        }
        Ok(kinds.into())
    }

    /// The object must be the one the founding change made at `counter`.
    fn object(&self, object: OpRef, counter: u32, offset: u32) -> Result<(), Malformed> {
        let actor = self.table[object.actor as usize];
        let founding_actor = if self.founding == NONE {
            object.actor == 0 // a founding change writes into the objects it makes itself
        } else {
            actor == self.index.node(self.founding).actor
        };
        if founding_actor && object.counter == counter { Ok(()) } else { Err(Malformed::WrongObject { op: offset as usize }) }
    }

    fn after(&self, after: Option<OpRef>, kind: Kind, offset: u32, kinds: &[(u32, Kind)], near: &mut u32) -> Result<(), Malformed> {
        after.map_or(Ok(()), |element| self.element(element, kind, offset, kinds, near).map(drop))
    }

    /// The bureau that inserted an element; it must exist in the past, or earlier in this change, and be of `kind`.
    ///
    /// `near` remembers the change found last: neighbouring elements mostly come from one change.
    fn element(&self, element: OpRef, kind: Kind, offset: u32, kinds: &[(u32, Kind)], near: &mut u32) -> Result<Group, Malformed> {
        let missing = Malformed::NoSuchElement { op: offset as usize };
        let counter = u64::from(element.counter);
        let start = self.change.start_op();
        if element.actor == 0 && counter >= start {
            let place = counter - start; // below 2^31
            let earlier = place < u64::from(offset) && kind_at(kinds, place as u32) == Some(kind);
            return if earlier { Ok(self.writer) } else { Err(missing) };
        }
        let actor = self.table[element.actor as usize];
        let newest = if element.actor == 0 { Some(self.previous).filter(|own| *own != NONE) } else { self.past.get(actor) };
        let newest = newest.ok_or(Malformed::UnknownActor { op: offset as usize })?;
        let holds = |number: u32| {
            let node = self.index.node(number);
            node.actor == actor && (node.meta.start_op..=node.meta.max_op).contains(&counter)
        };
        if *near == NONE || !holds(*near) {
            *near = self.index.find_in_chain(newest, element.counter).ok_or(missing.clone())?;
        }
        let node = self.index.node(*near);
        let place = counter - node.meta.start_op;
        if kind_at(&node.kinds, place as u32) == Some(kind) { Ok(node.meta.group) } else { Err(missing) }
    }
}

fn kind_at(kinds: &[(u32, Kind)], offset: u32) -> Option<Kind> {
    kinds[..kinds.partition_point(|(from, _)| *from <= offset)].last().map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Draft, encode, parse};

    #[test]
    fn a_long_chain_is_walked_in_few_steps() {
        let (owner, actor) = (Group([1; 32]), ActorId([1; 16]));
        let mut index = Index::new(owner);
        let founding = Draft { actor, seq: 1, start_op: 1, deps: vec![], others: vec![], ops: vec![Op::MakeActs, Op::MakeText] };
        let mut last = parse(&encode(&founding)).expect("well formed");
        for seq in 2..=10_000 {
            index.insert(index.check(&last, owner).expect("follows"));
            let next = Draft { actor, seq, start_op: 3, deps: vec![last.hash()], others: vec![], ops: vec![] };
            last = parse(&encode(&next)).expect("well formed");
        }
        let newest = u32::try_from(index.len()).expect("small") - 1;
        for target in 1..10_000 {
            let (at, steps) = index.walk_back(newest, |meta| meta.seq > target).expect("in the chain");
            assert_eq!(index.node(at).meta.seq, target);
            assert!(steps <= 40, "{steps} steps to {target}");
            assert_eq!(steps == 0, at == newest, "every change on the way is a step: {steps} to {target}");
        }
    }
}
