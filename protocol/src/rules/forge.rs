//! Writes hostile changes: any field may lie. Only tests and the fuzz target have it.

use super::chunk::{Op, OpRef, wrap};
use super::columns::{deltas, put_booleans, put_runs, put_runs_unless_empty};
use super::leb::{put_signed, put_unsigned};
use super::{ActorId, ChangeHash, ParsedChange};

/// An operation id: place in the change's actor table and counter.
pub type ForgedId = (u64, u64);

/// What an operation is keyed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgedKey {
    /// A key of a map.
    Name(&'static str),
    /// The head of a list.
    Head,
    /// An element of a list.
    Element(ForgedId),
}

/// One operation of any kind Automerge knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgedOp {
    /// Its object; `None` is the root.
    pub object: Option<ForgedId>,
    /// Its key or element.
    pub key: ForgedKey,
    /// Whether it inserts.
    pub insert: bool,
    /// Automerge's action number.
    pub action: u64,
    /// Low four bits of the value's metadata.
    pub value_type: u64,
    /// The value's bytes.
    pub value: Vec<u8>,
    /// Predecessors.
    pub preds: Vec<ForgedId>,
    /// Name of a mark.
    pub mark: Option<&'static str>,
}

/// A change in which any field may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// Actor id bytes of any length.
    pub actor: Vec<u8>,
    /// Sequence number.
    pub seq: u64,
    /// First counter.
    pub start_op: u64,
    /// Time.
    pub time: i64,
    /// Message.
    pub message: String,
    /// Dependencies as they are written.
    pub deps: Vec<ChangeHash>,
    /// Actor table after the author.
    pub others: Vec<Vec<u8>>,
    /// Operations.
    pub ops: Vec<ForgedOp>,
    /// Bytes after the columns.
    pub extra: Vec<u8>,
}

impl Forged {
    /// The same change, ready to be falsified.
    pub fn from_parsed(change: &ParsedChange) -> Self {
        let draft = &change.draft;
        Self {
            actor: draft.actor.0.to_vec(),
            seq: draft.seq,
            start_op: draft.start_op,
            time: 0,
            message: String::new(),
            deps: draft.deps.clone(),
            others: draft.others.iter().map(|other| other.0.to_vec()).collect(),
            ops: draft.ops.iter().map(forged_op).collect(),
            extra: Vec::new(),
        }
    }

    /// A change without operations.
    pub fn empty(actor: ActorId, seq: u64, start_op: u64, deps: &[ChangeHash]) -> Self {
        let actor = actor.0.to_vec();
        Self { actor, seq, start_op, time: 0, message: String::new(), deps: deps.to_vec(), others: vec![], ops: vec![], extra: vec![] }
    }

    /// With one operation more.
    pub fn op(mut self, op: ForgedOp) -> Self {
        self.ops.push(op);
        self
    }

    /// The body of the chunk, as a list of columns would have it.
    pub fn columns(&self) -> Vec<(u64, Vec<u8>)> {
        let ops = &self.ops;
        let mut columns: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut put = |number: u64, write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            if !out.is_empty() {
                columns.push((number, out));
            }
        };
        let key = |op: &ForgedOp| match &op.key {
            ForgedKey::Name(_) => (None, None),
            ForgedKey::Head => (None, Some(0)),
            ForgedKey::Element((actor, counter)) => (Some(*actor), Some(counter.cast_signed())),
        };
        let name = |op: &ForgedOp| match &op.key {
            ForgedKey::Name(name) => Some(*name),
            _ => None,
        };
        if !ops.is_empty() {
            put(1, &|out| put_runs_unless_empty(out, ops.iter().map(|op| op.object.map(|id| id.0))));
            put(2, &|out| put_runs_unless_empty(out, ops.iter().map(|op| op.object.map(|id| id.1))));
            put(17, &|out| put_runs_unless_empty(out, ops.iter().map(|op| key(op).0)));
            put(19, &|out| put_runs_unless_empty(out, deltas(ops.iter().map(|op| key(op).1))));
            put(21, &|out| put_runs_unless_empty(out, ops.iter().map(name)));
            put(52, &|out| put_booleans(out, ops.iter().map(|op| op.insert)));
            put(66, &|out| put_runs(out, ops.iter().map(|op| Some(op.action))));
            put(86, &|out| put_runs(out, ops.iter().map(|op| Some((op.value.len() as u64) << 4 | op.value_type))));
            put(87, &|out| out.extend(ops.iter().flat_map(|op| &op.value)));
            put(112, &|out| put_runs(out, ops.iter().map(|op| Some(op.preds.len() as u64))));
            let preds = ops.iter().flat_map(|op| &op.preds);
            put(113, &|out| put_runs(out, preds.clone().map(|id| Some(id.0))));
            put(115, &|out| put_runs(out, deltas(preds.clone().map(|id| Some(id.1.cast_signed())))));
            put(165, &|out| put_runs_unless_empty(out, ops.iter().map(|op| op.mark)));
        }
        columns
    }

    /// The whole chunk with a right checksum.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(&self.columns())
    }

    /// The whole chunk with other columns and a right checksum.
    pub fn encode_with(&self, columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut body = Vec::new();
        put_unsigned(&mut body, self.deps.len() as u64);
        self.deps.iter().for_each(|dep| body.extend_from_slice(&dep.0));
        put_bytes(&mut body, &self.actor);
        put_unsigned(&mut body, self.seq);
        put_unsigned(&mut body, self.start_op);
        put_signed(&mut body, self.time);
        put_bytes(&mut body, self.message.as_bytes());
        put_unsigned(&mut body, self.others.len() as u64);
        self.others.iter().for_each(|other| put_bytes(&mut body, other));
        put_unsigned(&mut body, columns.len() as u64);
        for (number, data) in columns {
            put_unsigned(&mut body, *number);
            put_unsigned(&mut body, data.len() as u64);
        }
        columns.iter().for_each(|(_, data)| body.extend_from_slice(data));
        body.extend_from_slice(&self.extra);
        wrap(&body)
    }
}

/// Puts a right header in front of any body.
pub fn chunk(body: &[u8]) -> Vec<u8> {
    wrap(body)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn forged_op(op: &Op) -> ForgedOp {
    let id = |id: &OpRef| (u64::from(id.actor), u64::from(id.counter));
    let after = |after: &Option<OpRef>| after.as_ref().map_or(ForgedKey::Head, |element| ForgedKey::Element(id(element)));
    let make = |name, action| ForgedOp {
        object: None,
        key: ForgedKey::Name(name),
        insert: false,
        action,
        value_type: 0,
        value: Vec::new(),
        preds: Vec::new(),
        mark: None,
    };
    match op {
        Op::MakeActs => make("acts", 2),
        Op::MakeText => make("text", 4),
        Op::InsertAct { list, after: place, act } => {
            ForgedOp { object: Some(id(list)), key: after(place), insert: true, value_type: 7, value: act.clone(), ..make("", 1) }
        }
        Op::InsertChar { text, after: place, char } => {
            let value = char.to_string().into_bytes();
            ForgedOp { object: Some(id(text)), key: after(place), insert: true, value_type: 6, value, ..make("", 1) }
        }
        Op::Delete { text, element } => {
            ForgedOp { object: Some(id(text)), key: ForgedKey::Element(id(element)), preds: vec![id(element)], ..make("", 3) }
        }
    }
}
