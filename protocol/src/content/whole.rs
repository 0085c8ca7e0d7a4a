//! Many changes as one document chunk, the form in which Automerge saves: written from changes the rules took in, never read.
//!
//! Automerge opens such a chunk several times faster than it applies the changes one after the other, since everything in it stands in its
//! place already. So whoever has all changes lays them out here and gives Automerge the result. From the chunk Automerge makes every change
//! again, byte by byte, and compares the hashes of the newest with those named in it: they commit to all before them. What the hashes do not
//! commit to is the order of the elements; it is held by tests against the order Automerge gives.
//!
//! **Order.** An element stands behind the one it was inserted after; of several behind the same one the one with the higher id comes first.
//! Ids compare by counter, then by actor id. Deletions have no row of their own: they stand with what they delete.
//!
//! Layout: `85 6f 4a 83 ‖ checksum (4) ‖ 00 ‖ length ‖ body`; the body is actors, heads, list of the columns of changes, list of the columns
//! of operations, the columns, and the place of each head among the changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::chunk::{META_BYTES, META_STRING, Op, OpRef, action, column, hash_as, wrap_as};
use crate::rules::columns::{deltas, put_booleans, put_runs, put_runs_unless_empty};
use crate::rules::{ActorId, ChangeHash, ParsedChange, put_unsigned};

/// Chunk type of a document.
const TYPE_DOCUMENT: u8 = 0;
/// Columns of operations that a single change does not have: ids, and what deleted a row. By the number Automerge writes for them.
const ID_ACTOR: u64 = 33;
const ID_COUNTER: u64 = 35;
const GONE_COUNT: u64 = 128;
const GONE_ACTOR: u64 = 129;
const GONE_COUNTER: u64 = 131;
/// Columns of changes, likewise.
const CHANGE_ACTOR: u64 = 1;
const CHANGE_SEQ: u64 = 3;
const CHANGE_MAX_OP: u64 = 19;
const CHANGE_TIME: u64 = 35;
const CHANGE_DEPS: u64 = 64;
const CHANGE_DEP: u64 = 67;
const CHANGE_EXTRA: u64 = 86;
/// More operations than these are left to Automerge. Back-pressure.
const SLOTS_MAX: usize = 1 << 28;
/// No slot.
const NONE: u32 = u32::MAX;

/// Changes laid out side by side; see the module.
#[derive(Default)]
pub(crate) struct Whole {
    changes: Vec<Row>,
    numbers: BTreeMap<ChangeHash, u32>,
    heads: BTreeSet<ChangeHash>,
    deps: Vec<u32>,
    actors: BTreeMap<ActorId, u32>,
    /// What each actor wrote: the first counter of each run of operations, ascending, and where its slots begin.
    runs: Vec<Vec<Run>>,
    /// Every operation, a change's own side by side.
    slots: Vec<Slot>,
    acts: Vec<Vec<u8>>,
    /// Slots of what was deleted, and of the deletion.
    deletions: Vec<(u32, u32)>,
    /// The slots of the list and of the text.
    objects: Option<[u32; 2]>,
    /// Something in it refers to what is not there: there is no whole.
    broken: bool,
}

struct Row {
    actor: u32,
    seq: u64,
    max_op: u64,
    deps: u32,
}

#[derive(Clone, Copy)]
struct Run {
    start: u32,
    len: u32,
    slot: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    actor: u32,
    counter: u32,
    /// The slot it stands behind: an element, or the object where it stands at the head.
    after: u32,
    holds: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Acts,
    Text,
    /// Its place in the list of acts.
    Act(u32),
    Char(char),
    Deletion,
}

/// One row of the columns of operations.
struct Placed {
    at: u32,
    slot: Slot,
    /// Counter of its object; 0 in the root.
    object: u32,
    /// The element before it: actor and counter.
    after: Option<(u32, u32)>,
}

impl Whole {
    /// Takes in a change: each once, after those it depends on, and of an actor's changes one after the other.
    pub(crate) fn add(&mut self, change: ParsedChange) {
        let (hash, max_op) = (change.hash(), change.max_op());
        let draft = change.into_draft();
        self.broken |= self.slots.len() + draft.ops.len() > SLOTS_MAX;
        if self.broken {
            return;
        }
        for dep in &draft.deps {
            self.heads.remove(dep);
            match self.numbers.get(dep) {
                Some(number) => self.deps.push(*number),
                None => self.broken = true,
            }
        }
        self.heads.insert(hash);
        self.numbers.insert(hash, number(self.changes.len()));
        let actor = self.actor(&draft.actor);
        self.changes.push(Row { actor, seq: draft.seq, max_op, deps: number(draft.deps.len()) });
        let mut table = vec![actor];
        for other in &draft.others {
            let other = self.actor(other);
            table.push(other);
        }
        let start = u32::try_from(draft.start_op).expect("bounded by the rules");
        let slot = number(self.slots.len());
        let follows = self.runs[actor as usize].last().is_none_or(|last| last.start + last.len <= start);
        self.broken |= !follows;
        // Its own operations are there for those that come after them.
        self.runs[actor as usize].push(Run { start, len: 0, slot });
        for (op, counter) in draft.ops.into_iter().zip(start..) {
            self.add_op(op, counter, &table);
        }
    }

    /// The chunk; `None` when something refers to what is not there, or nothing was founded.
    pub(crate) fn encode(self) -> Option<Vec<u8>> {
        let objects = self.objects.filter(|_| !self.broken)?;
        let mut ranks = vec![0; self.actors.len()];
        for (rank, actor) in self.actors.values().enumerate() {
            ranks[*actor as usize] = number(rank);
        }
        // Every actor that is named wrote something, else Automerge would not list it.
        if self.runs.iter().any(Vec::is_empty) {
            return None;
        }
        let mut body = Vec::with_capacity(1024 + self.slots.len() * 4);
        put_unsigned(&mut body, self.actors.len() as u64);
        for actor in self.actors.keys() {
            put_unsigned(&mut body, actor.0.len() as u64);
            body.extend_from_slice(&actor.0);
        }
        put_unsigned(&mut body, self.heads.len() as u64);
        for head in &self.heads {
            body.extend_from_slice(&head.0);
        }
        let mut columns = Columns::default();
        self.put_changes(&mut columns, &ranks);
        columns.put_list(&mut body);
        self.put_ops(&mut columns, &self.placed(objects, &ranks), &ranks);
        columns.put_list(&mut body);
        body.extend_from_slice(&columns.data);
        for head in &self.heads {
            put_unsigned(&mut body, u64::from(self.numbers[head]));
        }
        Some(wrap_as(TYPE_DOCUMENT, &body, &hash_as(TYPE_DOCUMENT, &body)))
    }

    fn actor(&mut self, actor: &ActorId) -> u32 {
        let next = number(self.actors.len());
        let at = *self.actors.entry(*actor).or_insert(next);
        if at == next {
            self.runs.push(Vec::new());
        }
        at
    }

    fn add_op(&mut self, op: Op, counter: u32, table: &[u32]) {
        let slot = number(self.slots.len());
        let actor = table[0];
        let (after, holds) = match op {
            Op::MakeActs => (NONE, Holds::Acts),
            Op::MakeText => {
                // The rules let these two come first in a founding change and nowhere else.
                self.broken |= self.objects.is_some() || slot != 1;
                self.objects = Some([0, 1]);
                (NONE, Holds::Text)
            }
            Op::InsertAct { list, after, act } => {
                self.acts.push(act);
                let act = Holds::Act(number(self.acts.len() - 1));
                (self.behind(list, after, table, |holds| matches!(holds, Holds::Acts), |holds| matches!(holds, Holds::Act(_))), act)
            }
            Op::InsertChar { text, after, char } => {
                let behind = self.behind(text, after, table, |holds| matches!(holds, Holds::Text), |holds| matches!(holds, Holds::Char(_)));
                (behind, Holds::Char(char))
            }
            Op::Delete { text, element } => {
                let element =
                    self.behind(text, Some(element), table, |holds| matches!(holds, Holds::Text), |holds| matches!(holds, Holds::Char(_)));
                self.deletions.push((element, slot));
                (element, Holds::Deletion)
            }
        };
        self.slots.push(Slot { actor, counter, after, holds });
        self.runs[actor as usize].last_mut().expect("begun by the change").len += 1;
    }

    /// The slot an operation refers to: an element of the object, or the object itself for its head.
    fn behind(
        &mut self,
        object: OpRef,
        element: Option<OpRef>,
        table: &[u32],
        is_object: impl Fn(&Holds) -> bool,
        is_element: impl Fn(&Holds) -> bool,
    ) -> u32 {
        let holds = |at: Option<u32>, is: &dyn Fn(&Holds) -> bool| at.filter(|at| is(&self.slots[*at as usize].holds));
        let object = holds(self.find(object, table), &is_object);
        let found = match element {
            None => object,
            Some(element) => object.and_then(|_| holds(self.find(element, table), &is_element)),
        };
        self.broken |= found.is_none();
        found.unwrap_or(NONE)
    }

    fn find(&self, op: OpRef, table: &[u32]) -> Option<u32> {
        let runs = &self.runs[*table.get(op.actor as usize)? as usize];
        // Mostly what was written last is referred to.
        let run = match runs.last() {
            Some(last) if last.start <= op.counter => last,
            _ => &runs[runs.partition_point(|run| run.start <= op.counter).checked_sub(1)?],
        };
        (op.counter - run.start < run.len).then_some(run.slot + (op.counter - run.start))
    }

    /// The rows of the operations in the order of the document.
    fn placed(&self, objects: [u32; 2], ranks: &[u32]) -> Vec<Placed> {
        let inserted = |slot: &Slot| matches!(slot.holds, Holds::Act(_) | Holds::Char(_));
        let mut ascending: Vec<(u64, u32)> = Vec::with_capacity(self.slots.len());
        for (at, slot) in self.slots.iter().enumerate() {
            if inserted(slot) {
                ascending.push((self.id(slot, ranks), number(at)));
            }
        }
        ascending.sort();
        // Those behind the same one as a chain, the highest id first.
        let mut first = vec![NONE; self.slots.len()];
        let mut next = vec![NONE; self.slots.len()];
        for (_, at) in ascending {
            let after = self.slots[at as usize].after as usize;
            next[at as usize] = first[after];
            first[after] = at;
        }
        let mut rows = Vec::with_capacity(self.slots.len());
        rows.extend(objects.map(|at| Placed { at, slot: self.slots[at as usize], object: 0, after: None }));
        for object in objects {
            let counter = self.slots[object as usize].counter;
            let mut open = vec![first[object as usize]];
            while let Some(at) = open.pop() {
                if at == NONE {
                    continue;
                }
                let slot = self.slots[at as usize];
                let before = self.slots[slot.after as usize];
                let after = (slot.after != object).then_some((before.actor, before.counter));
                rows.push(Placed { at, slot, object: counter, after });
                open.push(next[at as usize]);
                open.push(first[at as usize]);
            }
        }
        rows
    }

    fn put_changes(&self, columns: &mut Columns, ranks: &[u32]) {
        let rows = || self.changes.iter();
        let signed = |value: u64| Some(value.cast_signed());
        columns.put(CHANGE_ACTOR, |out| put_runs(out, rows().map(|row| Some(u64::from(ranks[row.actor as usize])))));
        columns.put(CHANGE_SEQ, |out| put_runs(out, deltas(rows().map(|row| signed(row.seq)))));
        columns.put(CHANGE_MAX_OP, |out| put_runs(out, deltas(rows().map(|row| signed(row.max_op)))));
        columns.put(CHANGE_TIME, |out| put_runs(out, rows().map(|_| Some(0u64))));
        columns.put(CHANGE_DEPS, |out| put_runs(out, rows().map(|row| Some(u64::from(row.deps)))));
        columns.put(CHANGE_DEP, |out| put_runs(out, deltas(self.deps.iter().map(|dep| Some(i64::from(*dep))))));
        columns.put(CHANGE_EXTRA, |out| put_runs(out, rows().map(|_| Some(META_BYTES))));
    }

    fn put_ops(&self, columns: &mut Columns, rows: &[Placed], ranks: &[u32]) {
        let rank = |actor: u32| u64::from(ranks[actor as usize]);
        let root = |row: &Placed| row.object == 0;
        let founder = rank(self.slots[0].actor);
        let (from, gone) = self.gone(ranks);
        let gone_of = |row: &Placed| &gone[from[row.at as usize] as usize..from[row.at as usize + 1] as usize];
        let all_gone = || rows.iter().flat_map(gone_of);
        columns.put(column::OBJECT_ACTOR, |out| put_runs(out, rows.iter().map(|row| (!root(row)).then_some(founder))));
        columns.put(column::OBJECT_COUNTER, |out| put_runs(out, rows.iter().map(|row| (!root(row)).then_some(u64::from(row.object)))));
        columns.put(column::KEY_ACTOR, |out| put_runs_unless_empty(out, rows.iter().map(|row| row.after.map(|(actor, _)| rank(actor)))));
        columns.put(column::KEY_COUNTER, |out| {
            let counter = |row: &Placed| (!root(row)).then_some(row.after.map_or(0, |(_, counter)| i64::from(counter)));
            put_runs_unless_empty(out, deltas(rows.iter().map(counter)));
        });
        columns.put(column::KEY_STRING, |out| put_runs(out, rows.iter().map(|row| row.slot.holds.key())));
        columns.put(ID_ACTOR, |out| put_runs(out, rows.iter().map(|row| Some(rank(row.slot.actor)))));
        columns.put(ID_COUNTER, |out| put_runs(out, deltas(rows.iter().map(|row| Some(i64::from(row.slot.counter))))));
        columns.put(column::INSERT, |out| put_booleans(out, rows.iter().map(|row| !root(row))));
        columns.put(column::ACTION, |out| put_runs(out, rows.iter().map(|row| Some(row.slot.holds.action()))));
        columns.put(column::VALUE_META, |out| put_runs(out, rows.iter().map(|row| Some(self.value_meta(row)))));
        columns.put(column::VALUE, |out| rows.iter().for_each(|row| self.put_value(out, row)));
        columns.put(GONE_COUNT, |out| put_runs(out, rows.iter().map(|row| Some(gone_of(row).len() as u64))));
        columns.put(GONE_ACTOR, |out| put_runs(out, all_gone().map(|id| Some(*id & u64::from(u32::MAX)))));
        columns.put(GONE_COUNTER, |out| put_runs(out, deltas(all_gone().map(|id| Some((*id >> 32).cast_signed())))));
    }

    /// The ids of the deletions of each slot, ascending, side by side; and where those of each slot begin.
    fn gone(&self, ranks: &[u32]) -> (Vec<u32>, Vec<u64>) {
        let mut gone: Vec<(u32, u64)> =
            self.deletions.iter().map(|(element, deletion)| (*element, self.id(&self.slots[*deletion as usize], ranks))).collect();
        gone.sort_unstable();
        let mut from = vec![0; self.slots.len() + 1];
        for (element, _) in &gone {
            from[*element as usize + 1] += 1;
        }
        for at in 1..from.len() {
            from[at] += from[at - 1];
        }
        (from, gone.into_iter().map(|(_, id)| id).collect())
    }

    /// The id of an operation, as a number that orders as Automerge orders ids: counter, then place of its actor among the actors.
    fn id(&self, slot: &Slot, ranks: &[u32]) -> u64 {
        u64::from(slot.counter) << 32 | u64::from(ranks[slot.actor as usize])
    }

    fn value_meta(&self, row: &Placed) -> u64 {
        match row.slot.holds {
            Holds::Act(at) => (self.acts[at as usize].len() as u64) << 4 | META_BYTES,
            Holds::Char(char) => (char.len_utf8() as u64) << 4 | META_STRING,
            Holds::Acts | Holds::Text | Holds::Deletion => 0,
        }
    }

    fn put_value(&self, out: &mut Vec<u8>, row: &Placed) {
        match row.slot.holds {
            Holds::Act(at) => out.extend_from_slice(&self.acts[at as usize]),
            Holds::Char(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Holds::Acts | Holds::Text | Holds::Deletion => {}
        }
    }
}

impl Holds {
    fn key(self) -> Option<&'static str> {
        match self {
            Holds::Acts => Some("acts"),
            Holds::Text => Some("text"),
            Holds::Act(_) | Holds::Char(_) | Holds::Deletion => None,
        }
    }

    fn action(self) -> u64 {
        match self {
            Holds::Acts => action::MAKE_LIST,
            Holds::Text => action::MAKE_TEXT,
            Holds::Act(_) | Holds::Char(_) => action::SET,
            Holds::Deletion => action::DELETE,
        }
    }
}

/// Columns in ascending order of their numbers, and the list that names them; empty ones are left out.
#[derive(Default)]
struct Columns {
    list: Vec<(u64, usize)>,
    data: Vec<u8>,
}

impl Columns {
    fn put(&mut self, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.data.len();
        write(&mut self.data);
        if self.data.len() > from {
            self.list.push((number, self.data.len() - from));
        }
    }

    /// Writes the list of the columns put since the last one.
    fn put_list(&mut self, out: &mut Vec<u8>) {
        put_unsigned(out, self.list.len() as u64);
        for (number, length) in self.list.drain(..) {
            put_unsigned(out, number);
            put_unsigned(out, length as u64);
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("far fewer than 2^32 of anything")
}
