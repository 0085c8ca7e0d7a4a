//! One raw Automerge change chunk: read strictly, written in the one form Automerge writes.
//!
//! Layout: `85 6f 4a 83 ‖ checksum (4) ‖ 01 ‖ length ‖ body`; the hash is SHA-256 over `01 ‖ length ‖ body` and the checksum its first four
//! bytes. The body is deps, actor, seq, first op, time, message, other actors, column list, columns.

use sha2::{Digest, Sha256};

use super::columns::{Booleans, Deltas, Keys, Runs, deltas, put_booleans, put_runs, put_runs_unless_empty};
use super::leb::{Reader, put_signed, put_unsigned};
use super::{ActorId, CHANGE_BYTES_MAX, COUNTER_MAX, ChangeHash, DEPS_MAX, Malformed, OPS_MAX, VALUE_BYTES_MAX};

/// First four bytes of every Automerge chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Chunk type of a raw change. Documents, deflated changes and bundles have other numbers and are refused.
const TYPE_CHANGE: u8 = 1;

/// Columns of a change, by the number Automerge writes for them (`id << 4 | type`).
pub(crate) mod column {
    pub(crate) const OBJECT_ACTOR: u64 = 1;
    pub(crate) const OBJECT_COUNTER: u64 = 2;
    pub(crate) const KEY_ACTOR: u64 = 17;
    pub(crate) const KEY_COUNTER: u64 = 19;
    pub(crate) const KEY_STRING: u64 = 21;
    pub(crate) const INSERT: u64 = 52;
    pub(crate) const ACTION: u64 = 66;
    pub(crate) const VALUE_META: u64 = 86;
    pub(crate) const VALUE: u64 = 87;
    pub(crate) const PRED_COUNT: u64 = 112;
    pub(crate) const PRED_ACTOR: u64 = 113;
    pub(crate) const PRED_COUNTER: u64 = 115;
    /// In the order in which they stand in a chunk.
    pub(crate) const ALL: [u64; 12] = [
        OBJECT_ACTOR,
        OBJECT_COUNTER,
        KEY_ACTOR,
        KEY_COUNTER,
        KEY_STRING,
        INSERT,
        ACTION,
        VALUE_META,
        VALUE,
        PRED_COUNT,
        PRED_ACTOR,
        PRED_COUNTER,
    ];
}

/// Actions of Automerge that schema 1 uses.
pub(crate) mod action {
    pub(crate) const SET: u64 = 1;
    pub(crate) const MAKE_LIST: u64 = 2;
    pub(crate) const DELETE: u64 = 3;
    pub(crate) const MAKE_TEXT: u64 = 4;
}

pub(crate) const META_STRING: u64 = 6;
pub(crate) const META_BYTES: u64 = 7;

/// An operation's id inside one change: a counter and a place in the change's actor table (0 is the change's own actor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpRef {
    pub(crate) counter: u32,
    pub(crate) actor: u32,
}

/// One operation as schema 1 knows it. Whether what it refers to exists is for the index to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `root.acts = []`: only the first op of a founding change.
    MakeActs,
    /// `root.text = Text`: only the second op of a founding change.
    MakeText,
    /// A byte string into the list `list`, after an element or at the head.
    InsertAct { list: OpRef, after: Option<OpRef>, act: Vec<u8> },
    /// One character into the text `text`.
    InsertChar { text: OpRef, after: Option<OpRef>, char: char },
    /// Deletes one element of `text`; its only predecessor is that element.
    Delete { text: OpRef, element: OpRef },
}

/// Everything a change says, in memory. [`encode`] is its one byte form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) deps: Vec<ChangeHash>,
    pub(crate) others: Vec<ActorId>,
    pub(crate) ops: Vec<Op>,
}

/// Reads one change chunk that fills `bytes` exactly and is in canonical form.
pub(crate) fn read(bytes: &[u8]) -> Result<(ChangeHash, Draft), Malformed> {
    let (hash, draft) = read_again(bytes)?;
    // The hash is that of the body as it came: where the body is the same, it need not be worked out again.
    let body = body_of(&draft, bytes.len());
    let header = header(TYPE_CHANGE, body.len(), &hash);
    if bytes.strip_suffix(&body[..]) != Some(&header[..]) {
        return Err(Malformed::NotCanonical);
    }
    Ok((hash, draft))
}

/// [`read`] of bytes that it took before: it does not write them anew to see whether their form is the canonical one.
pub(crate) fn read_again(bytes: &[u8]) -> Result<(ChangeHash, Draft), Malformed> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(Malformed::TooLarge { bytes: bytes.len() });
    }
    let mut reader = Reader::new(bytes);
    if reader.array::<4>()? != MAGIC {
        return Err(Malformed::Magic);
    }
    let checksum = reader.array::<4>()?;
    let kind = reader.byte()?;
    if kind != TYPE_CHANGE {
        return Err(Malformed::ChunkType { found: kind });
    }
    let length = reader.unsigned()?;
    let body = reader.take(length)?;
    if !reader.is_empty() {
        return Err(Malformed::Trailing { extra: reader.remaining() });
    }
    let hash = hash_of(body);
    if hash.0[..4] != checksum {
        return Err(Malformed::Checksum);
    }
    Ok((hash, read_body(body)?))
}

/// The canonical bytes of a change. Total for any draft, so tests can build hostile ones.
pub(crate) fn encode(draft: &Draft) -> Vec<u8> {
    wrap(&body_of(draft, 128 + draft.deps.len() * 32 + draft.ops.len() * 4))
}

/// The canonical body of a change that takes about so many bytes.
fn body_of(draft: &Draft, about: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(about);
    put_head(&mut body, &draft.deps, &draft.actor, draft.seq, draft.start_op, &draft.others);
    put_columns(&mut body, &draft.ops);
    body
}

/// Puts the chunk header in front of a body.
pub(crate) fn wrap(body: &[u8]) -> Vec<u8> {
    wrap_hashed(body, &hash_of(body))
}

fn wrap_hashed(body: &[u8], hash: &ChangeHash) -> Vec<u8> {
    wrap_as(TYPE_CHANGE, body, hash)
}

/// Puts the header of any kind of chunk in front of a body that has this hash as such a chunk.
pub(crate) fn wrap_as(kind: u8, body: &[u8], hash: &ChangeHash) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 16);
    out.extend_from_slice(&header(kind, body.len(), hash));
    out.extend_from_slice(body);
    out
}

/// What stands in front of a body of so many bytes.
fn header(kind: u8, body: usize, hash: &ChangeHash) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&hash.0[..4]);
    out.push(kind);
    put_unsigned(&mut out, body as u64);
    out
}

/// What a change says before its operations; of these only the columns are known to be there. For terse pushes (`wire`): whatever
/// [`Head::read`] takes, [`Head::write`] makes again byte for byte, and neither judges it.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) hash: ChangeHash,
    pub(crate) deps: Vec<ChangeHash>,
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) others: Vec<ActorId>,
    pub(crate) columns: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` unless the bytes are one whole chunk with the right checksum, without time and message.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 4] = reader.array().ok()?;
        let checksum: [u8; 4] = reader.array().ok()?;
        let kind = reader.byte().ok()?;
        let length = reader.unsigned().ok()?;
        let body = reader.take(length).ok()?;
        let hash = hash_of(body);
        if magic != MAGIC || kind != TYPE_CHANGE || !reader.is_empty() || hash.0[..4] != checksum {
            return None;
        }
        let mut reader = Reader::new(body);
        let mut deps = Vec::new();
        for _ in 0..reader.unsigned().ok()? {
            deps.push(ChangeHash(reader.array().ok()?));
        }
        let actor = read_actor(&mut reader).ok()?;
        let (seq, start_op) = (reader.unsigned().ok()?, reader.unsigned().ok()?);
        if reader.signed().ok()? != 0 || reader.unsigned().ok()? != 0 {
            return None;
        }
        let mut others = Vec::new();
        for _ in 0..reader.unsigned().ok()? {
            others.push(read_actor(&mut reader).ok()?);
        }
        let columns = reader.take(reader.remaining() as u64).ok()?;
        Some(Self { hash, deps, actor, seq, start_op, others, columns })
    }

    /// The chunk, and its hash.
    pub(crate) fn write(
        deps: &[ChangeHash],
        actor: &ActorId,
        seq: u64,
        start_op: u64,
        others: &[ActorId],
        columns: &[u8],
    ) -> (ChangeHash, Vec<u8>) {
        let mut body = Vec::with_capacity(64 + deps.len() * 32 + others.len() * 17 + columns.len());
        put_head(&mut body, deps, actor, seq, start_op, others);
        body.extend_from_slice(columns);
        let hash = hash_of(&body);
        (hash, wrap_hashed(&body, &hash))
    }
}

fn put_head(body: &mut Vec<u8>, deps: &[ChangeHash], actor: &ActorId, seq: u64, start_op: u64, others: &[ActorId]) {
    put_unsigned(body, deps.len() as u64);
    for dep in deps {
        body.extend_from_slice(&dep.0);
    }
    put_actor(body, actor);
    put_unsigned(body, seq);
    put_unsigned(body, start_op);
    put_signed(body, 0); // time: Automerge's clock field is never used
    put_unsigned(body, 0); // message: never used
    put_unsigned(body, others.len() as u64);
    for other in others {
        put_actor(body, other);
    }
}

/// The hash of a chunk that [`read`] took before: over all but magic and checksum.
pub(crate) fn hash_of_chunk(bytes: &[u8]) -> ChangeHash {
    ChangeHash(Sha256::digest(bytes.get(8..).unwrap_or_default()).into())
}

fn hash_of(body: &[u8]) -> ChangeHash {
    hash_as(TYPE_CHANGE, body)
}

/// The hash of a chunk of this kind with this body.
pub(crate) fn hash_as(kind: u8, body: &[u8]) -> ChangeHash {
    let mut head = vec![kind];
    put_unsigned(&mut head, body.len() as u64);
    ChangeHash(Sha256::new().chain_update(&head).chain_update(body).finalize().into())
}

fn read_body(body: &[u8]) -> Result<Draft, Malformed> {
    let mut reader = Reader::new(body);
    let deps = read_deps(&mut reader)?;
    let actor = read_actor(&mut reader)?;
    let seq = reader.unsigned()?;
    if seq == 0 || seq > COUNTER_MAX {
        return Err(Malformed::Seq { found: seq });
    }
    let start_op = reader.unsigned()?;
    if start_op == 0 || start_op > COUNTER_MAX {
        return Err(Malformed::StartOp { found: start_op });
    }
    let time = reader.signed()?;
    if time != 0 {
        return Err(Malformed::Time);
    }
    if reader.unsigned()? != 0 {
        return Err(Malformed::Message);
    }
    let others = read_others(&mut reader, &actor)?;
    let columns = Columns::read(&mut reader)?;
    if !reader.is_empty() {
        return Err(Malformed::ExtraBytes { extra: reader.remaining() });
    }
    let ops = columns.ops(others.len())?;
    if start_op + (ops.len() as u64).saturating_sub(1) > COUNTER_MAX {
        return Err(Malformed::StartOp { found: start_op });
    }
    check_founding(&deps, seq, start_op, &ops)?;
    check_actors_used(&ops, others.len())?;
    Ok(Draft { actor, seq, start_op, deps, others, ops })
}

fn read_deps(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, Malformed> {
    let count = reader.unsigned()?;
    if count > DEPS_MAX as u64 {
        return Err(Malformed::Deps { found: count });
    }
    let mut deps: Vec<ChangeHash> = Vec::with_capacity(DEPS_MAX.min(count as usize));
    for _ in 0..count {
        let dep = ChangeHash(reader.array()?);
        if deps.last().is_some_and(|last| *last >= dep) {
            return Err(Malformed::DepsOrder);
        }
        deps.push(dep);
    }
    Ok(deps)
}

fn read_actor(reader: &mut Reader<'_>) -> Result<ActorId, Malformed> {
    let length = reader.unsigned()?;
    if length != 16 {
        return Err(Malformed::ActorLength { found: length });
    }
    reader.array().map(ActorId)
}

fn read_others(reader: &mut Reader<'_>, own: &ActorId) -> Result<Vec<ActorId>, Malformed> {
    let count = reader.unsigned()?;
    let mut others: Vec<ActorId> = Vec::new(); // grows as bytes are there, whatever the count claims
    for _ in 0..count {
        let actor = read_actor(reader)?;
        if actor == *own || others.last().is_some_and(|last| *last >= actor) {
            return Err(Malformed::ActorOrder);
        }
        others.push(actor);
    }
    Ok(others)
}

fn put_actor(out: &mut Vec<u8>, actor: &ActorId) {
    put_unsigned(out, actor.0.len() as u64);
    out.extend_from_slice(&actor.0);
}

/// A founding change, and only it, has no deps and makes the two objects, first.
fn check_founding(deps: &[ChangeHash], seq: u64, start_op: u64, ops: &[Op]) -> Result<(), Malformed> {
    let makes = ops.iter().filter(|op| matches!(op, Op::MakeActs | Op::MakeText)).count();
    let founding = seq == 1 && start_op == 1 && makes == 2 && matches!(ops, [Op::MakeActs, Op::MakeText, ..]);
    match (deps.is_empty(), makes) {
        (true, _) if founding => Ok(()),
        (true, _) => Err(Malformed::NotFounding),
        (false, 0) => Ok(()),
        (false, _) => Err(Malformed::MakesObject),
    }
}

/// Automerge lists an actor only if some operation names it.
fn check_actors_used(ops: &[Op], others: usize) -> Result<(), Malformed> {
    let mut used = vec![false; others + 1];
    used[0] = true;
    for op in ops {
        for reference in op.references() {
            used[reference.actor as usize] = true; // the column reader compared it with the table's length
        }
    }
    if used.iter().all(|used| *used) { Ok(()) } else { Err(Malformed::UnusedActor) }
}

impl Op {
    /// Every operation this one names: its object and its element.
    pub(crate) fn references(&self) -> impl Iterator<Item = OpRef> {
        let (object, element) = match self {
            Op::MakeActs | Op::MakeText => (None, None),
            Op::InsertAct { list, after, .. } => (Some(*list), *after),
            Op::InsertChar { text, after, .. } => (Some(*text), *after),
            Op::Delete { text, element } => (Some(*text), Some(*element)),
        };
        object.into_iter().chain(element)
    }

    fn object(&self) -> Option<OpRef> {
        match self {
            Op::MakeActs | Op::MakeText => None,
            Op::InsertAct { list: object, .. } | Op::InsertChar { text: object, .. } | Op::Delete { text: object, .. } => Some(*object),
        }
    }

    /// The element it comes after, or takes away; the head of a list is counter 0 without an actor.
    fn key_element(&self) -> Option<Option<OpRef>> {
        match self {
            Op::MakeActs | Op::MakeText => None,
            Op::InsertAct { after, .. } | Op::InsertChar { after, .. } => Some(*after),
            Op::Delete { element, .. } => Some(Some(*element)),
        }
    }

    fn key_string(&self) -> Option<&'static str> {
        match self {
            Op::MakeActs => Some("acts"),
            Op::MakeText => Some("text"),
            _ => None,
        }
    }

    fn action(&self) -> u64 {
        match self {
            Op::MakeActs => action::MAKE_LIST,
            Op::MakeText => action::MAKE_TEXT,
            Op::InsertAct { .. } | Op::InsertChar { .. } => action::SET,
            Op::Delete { .. } => action::DELETE,
        }
    }

    fn value_meta(&self) -> u64 {
        match self {
            Op::InsertAct { act, .. } => (act.len() as u64) << 4 | META_BYTES,
            Op::InsertChar { char, .. } => (char.len_utf8() as u64) << 4 | META_STRING,
            _ => 0,
        }
    }

    fn pred(&self) -> Option<OpRef> {
        match self {
            Op::Delete { element, .. } => Some(*element),
            _ => None,
        }
    }
}

/// The columns of a change by number, each the bytes it has in the chunk.
struct Columns<'a> {
    data: [&'a [u8]; column::ALL.len()],
}

impl<'a> Columns<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = reader.unsigned()?;
        if count > column::ALL.len() as u64 {
            return Err(Malformed::ColumnCount { found: count });
        }
        let mut lengths = [0u64; column::ALL.len()];
        let mut from = 0;
        for _ in 0..count {
            let number = reader.unsigned()?;
            let place = column::ALL.iter().position(|known| *known == number).ok_or(Malformed::Column { found: number })?;
            if place < from {
                return Err(Malformed::ColumnOrder { found: number });
            }
            from = place + 1;
            lengths[place] = reader.unsigned()?;
            if lengths[place] == 0 {
                return Err(Malformed::EmptyColumn { found: number });
            }
        }
        let mut data: [&[u8]; column::ALL.len()] = [&[]; column::ALL.len()];
        for (column, length) in data.iter_mut().zip(lengths) {
            *column = reader.take(length)?;
        }
        Ok(Self { data })
    }

    fn get(&self, number: u64) -> &'a [u8] {
        let place = column::ALL.iter().position(|known| *known == number).expect("only numbers of the list are asked for");
        self.data[place]
    }

    /// The operations, one per entry of the action column; every other column must fit them exactly.
    fn ops(&self, others: usize) -> Result<Vec<Op>, Malformed> {
        let mut rows = Rows::new(self, others);
        let mut ops = Vec::new();
        while let Some(action) = rows.action.next()? {
            if ops.len() == OPS_MAX {
                return Err(Malformed::TooManyOps);
            }
            let op = rows.op(action.ok_or(Malformed::Gap { op: ops.len() })?, ops.len())?;
            ops.push(op);
        }
        rows.finish()?;
        Ok(ops)
    }
}

/// A reader per column, advanced one operation at a time.
struct Rows<'a> {
    actors: u64,
    object_actor: Option<Runs<'a>>,
    object_counter: Option<Runs<'a>>,
    key_actor: Option<Runs<'a>>,
    key_counter: Option<Deltas<'a>>,
    key_string: Option<Keys<'a>>,
    insert: Booleans<'a>,
    action: Runs<'a>,
    value_meta: Runs<'a>,
    value: Reader<'a>,
    pred_count: Runs<'a>,
    pred_actor: Runs<'a>,
    pred_counter: Deltas<'a>,
}

impl<'a> Rows<'a> {
    fn new(columns: &Columns<'a>, others: usize) -> Self {
        // These five are left out when every entry is a gap; the rest are only absent when there is nothing in them.
        let some = |number| Some(columns.get(number)).filter(|column| !column.is_empty());
        Self {
            actors: others as u64 + 1,
            object_actor: some(column::OBJECT_ACTOR).map(Runs::new),
            object_counter: some(column::OBJECT_COUNTER).map(Runs::new),
            key_actor: some(column::KEY_ACTOR).map(Runs::new),
            key_counter: some(column::KEY_COUNTER).map(Deltas::new),
            key_string: some(column::KEY_STRING).map(Keys::new),
            insert: Booleans::new(columns.get(column::INSERT)),
            action: Runs::new(columns.get(column::ACTION)),
            value_meta: Runs::new(columns.get(column::VALUE_META)),
            value: Reader::new(columns.get(column::VALUE)),
            pred_count: Runs::new(columns.get(column::PRED_COUNT)),
            pred_actor: Runs::new(columns.get(column::PRED_ACTOR)),
            pred_counter: Deltas::new(columns.get(column::PRED_COUNTER)),
        }
    }

    fn op(&mut self, action: u64, index: usize) -> Result<Op, Malformed> {
        let not_schema = Malformed::NotInSchema { op: index };
        let short = Malformed::ColumnLength;
        let object = self.object(index)?;
        let key_actor = entry(&mut self.key_actor, Runs::next)?;
        let key_counter = entry(&mut self.key_counter, Deltas::next)?;
        let key_string = entry(&mut self.key_string, Keys::next)?;
        let insert = self.insert.next()?.ok_or(short.clone())?;
        let meta = self.value_meta.next()?.ok_or(short.clone())?.ok_or(Malformed::Gap { op: index })?;
        let value = self.value(meta)?;
        let preds = self.pred_count.next()?.ok_or(short)?.ok_or(Malformed::Gap { op: index })?;
        match (object, key_string) {
            (None, Some(key)) => {
                if insert || meta != 0 || preds != 0 || key_actor.is_some() || key_counter.is_some() {
                    return Err(not_schema);
                }
                match (action, key) {
                    (action::MAKE_LIST, b"acts") => Ok(Op::MakeActs),
                    (action::MAKE_TEXT, b"text") => Ok(Op::MakeText),
                    _ => Err(not_schema),
                }
            }
            (Some(object), None) => {
                let element = self.element(key_actor, key_counter, index)?;
                match (action, insert, preds, meta & 0x0f, element) {
                    (action::SET, true, 0, META_BYTES, after) => Ok(Op::InsertAct { list: object, after, act: value.to_vec() }),
                    (action::SET, true, 0, META_STRING, after) => {
                        Ok(Op::InsertChar { text: object, after, char: one_char(value).ok_or(Malformed::NotOneChar { op: index })? })
                    }
                    (action::DELETE, false, 1, 0, Some(element)) if meta == 0 => {
                        let pred = self.pred(index)?;
                        if pred == element { Ok(Op::Delete { text: object, element }) } else { Err(Malformed::Pred { op: index }) }
                    }
                    _ => Err(not_schema),
                }
            }
            _ => Err(not_schema),
        }
    }

    fn object(&mut self, index: usize) -> Result<Option<OpRef>, Malformed> {
        let actor = entry(&mut self.object_actor, Runs::next)?;
        let counter = entry(&mut self.object_counter, Runs::next)?;
        match (actor, counter) {
            (None, None) => Ok(None),
            (Some(actor), Some(counter)) => self.op_ref(actor, counter, index).map(Some),
            _ => Err(Malformed::HalfId { op: index }),
        }
    }

    fn element(&self, actor: Option<u64>, counter: Option<i64>, index: usize) -> Result<Option<OpRef>, Malformed> {
        match (actor, counter) {
            (None, Some(0)) => Ok(None),
            (Some(actor), Some(counter)) => {
                let counter = u64::try_from(counter).map_err(|_| Malformed::Counter { op: index })?;
                self.op_ref(actor, counter, index).map(Some)
            }
            _ => Err(Malformed::HalfId { op: index }),
        }
    }

    fn pred(&mut self, index: usize) -> Result<OpRef, Malformed> {
        let actor = self.pred_actor.next()?.flatten().ok_or(Malformed::HalfId { op: index })?;
        let counter = self.pred_counter.next()?.flatten().ok_or(Malformed::HalfId { op: index })?;
        self.op_ref(actor, u64::try_from(counter).map_err(|_| Malformed::Counter { op: index })?, index)
    }

    fn op_ref(&self, actor: u64, counter: u64, index: usize) -> Result<OpRef, Malformed> {
        if actor >= self.actors {
            return Err(Malformed::ActorIndex { op: index });
        }
        if counter == 0 || counter > COUNTER_MAX {
            return Err(Malformed::Counter { op: index });
        }
        let narrow = |value: u64| u32::try_from(value).map_err(|_| Malformed::Counter { op: index });
        Ok(OpRef { counter: narrow(counter)?, actor: narrow(actor)? })
    }

    fn value(&mut self, meta: u64) -> Result<&'a [u8], Malformed> {
        let length = meta >> 4;
        if length > VALUE_BYTES_MAX as u64 {
            return Err(Malformed::ValueTooLarge { bytes: length });
        }
        self.value.take(length)
    }

    /// Nothing may be left in any column.
    fn finish(mut self) -> Result<(), Malformed> {
        let ends = [
            finished(&mut self.object_actor, Runs::next)?,
            finished(&mut self.object_counter, Runs::next)?,
            finished(&mut self.key_actor, Runs::next)?,
            finished(&mut self.key_counter, Deltas::next)?,
            finished(&mut self.key_string, Keys::next)?,
            self.insert.next()?.is_none(),
            self.value_meta.next()?.is_none(),
            self.value.is_empty(),
            self.pred_count.next()?.is_none(),
            self.pred_actor.next()?.is_none(),
            self.pred_counter.next()?.is_none(),
        ];
        if ends.into_iter().all(|end| end) { Ok(()) } else { Err(Malformed::ColumnLength) }
    }
}

type Next<C, T> = fn(&mut C) -> Result<Option<Option<T>>, Malformed>;

/// The next entry of a column that may be absent; a present one must have an entry for every operation.
fn entry<C, T>(column: &mut Option<C>, next: Next<C, T>) -> Result<Option<T>, Malformed> {
    match column {
        None => Ok(None),
        Some(column) => next(column)?.ok_or(Malformed::ColumnLength),
    }
}

fn finished<C, T>(column: &mut Option<C>, next: Next<C, T>) -> Result<bool, Malformed> {
    match column {
        None => Ok(true),
        Some(column) => Ok(next(column)?.is_none()),
    }
}

fn one_char(bytes: &[u8]) -> Option<char> {
    let mut chars = std::str::from_utf8(bytes).ok()?.chars();
    let char = chars.next()?;
    chars.next().is_none().then_some(char)
}

/// Writes the column list and the columns as Automerge does.
fn put_columns(out: &mut Vec<u8>, ops: &[Op]) {
    let mut data = Vec::with_capacity(64 + ops.len() * 8);
    let mut list: Vec<(u64, usize)> = Vec::with_capacity(column::ALL.len());
    if !ops.is_empty() {
        let mut end = 0;
        for number in column::ALL {
            put_column(&mut data, number, ops);
            if data.len() > end {
                list.push((number, data.len() - end));
                end = data.len();
            }
        }
    }
    put_unsigned(out, list.len() as u64);
    for (number, length) in list {
        put_unsigned(out, number);
        put_unsigned(out, length as u64);
    }
    out.extend_from_slice(&data);
}

fn put_column(out: &mut Vec<u8>, number: u64, ops: &[Op]) {
    let objects = ops.iter().map(Op::object);
    let keys = ops.iter().map(Op::key_element);
    let preds = ops.iter().filter_map(Op::pred);
    match number {
        column::OBJECT_ACTOR => put_runs_unless_empty(out, objects.map(|id| id.map(|id| u64::from(id.actor)))),
        column::OBJECT_COUNTER => put_runs_unless_empty(out, objects.map(|id| id.map(|id| u64::from(id.counter)))),
        column::KEY_ACTOR => put_runs_unless_empty(out, keys.map(|key| key.flatten().map(|id| u64::from(id.actor)))),
        column::KEY_COUNTER => {
            let counters = keys.map(|key| key.map(|element| element.map_or(0, |id| i64::from(id.counter))));
            put_runs_unless_empty(out, deltas(counters));
        }
        column::KEY_STRING => put_runs_unless_empty(out, ops.iter().map(Op::key_string)),
        column::INSERT => put_booleans(out, ops.iter().map(|op| matches!(op, Op::InsertAct { .. } | Op::InsertChar { .. }))),
        column::ACTION => put_runs(out, ops.iter().map(|op| Some(op.action()))),
        column::VALUE_META => put_runs(out, ops.iter().map(|op| Some(op.value_meta()))),
        column::VALUE => {
            for op in ops {
                match op {
                    Op::InsertAct { act, .. } => out.extend_from_slice(act),
                    Op::InsertChar { char, .. } => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    _ => {}
                }
            }
        }
        column::PRED_COUNT => put_runs(out, ops.iter().map(|op| Some(u64::from(op.pred().is_some())))),
        column::PRED_ACTOR => put_runs(out, preds.map(|id| Some(u64::from(id.actor)))),
        column::PRED_COUNTER => put_runs(out, deltas(preds.map(|id| Some(i64::from(id.counter))))),
        _ => {}
    }
}
