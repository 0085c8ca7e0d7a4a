//! What a change from another writer must satisfy before Automerge sees it: our own decoder of change chunks and an index of the causal past.
//!
//! Automerge 0.12 panics, bricks or diverges on well-formed hostile changes, so nothing reaches it that did not pass here. Three verdicts
//! exist; this module gives two of them, both functions of the change's bytes, its causal past and the bureau of each writer, hence the same
//! on every node for ever: *malformed* ([`Malformed`]) and *waiting* ([`Verdict::Waiting`]: deps not known yet). Whether the writer was
//! entitled is for `intake` to say.
//!
//! [`parse`] judges the bytes alone, [`Index::check`] the change in its past. Neither ever panics or allocates by a length the bytes only
//! claim. Schema 1 is the only schema: a list `acts` and a text `text`, made by the founding change. Specification: `docs/PROTOCOL.md`.

use thiserror::Error;

pub(crate) mod chunk;
mod clock;
pub(crate) mod columns;
#[cfg(any(test, feature = "forge"))]
#[doc(hidden)]
pub mod forge;
mod ids;
mod index;
mod leb;

pub use ids::{ActorId, ChangeHash, Group};
pub use index::{ChangeMeta, Checked, Index};

use chunk::Op;
pub(crate) use chunk::{Draft, Head, encode, hash_of_chunk};
pub(crate) use leb::{Reader, put_signed, put_unsigned};

/// Bytes of one change chunk, *verdict*. Leaves room for the envelope in a 256 KiB frame.
pub const CHANGE_BYTES_MAX: usize = 240 * 1024;
/// Operations of one change, *verdict*.
pub const OPS_MAX: usize = 20_000;
/// Direct dependencies of one change, *verdict*. A writer that faces more than [`HEADS_MAX`] heads folds them first.
pub const DEPS_MAX: usize = 32;
/// Heads a writer may build on directly: one dependency is kept for its own previous change.
pub const HEADS_MAX: usize = DEPS_MAX - 1;
/// Bytes of one act, *verdict*.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Highest operation counter and sequence number, *verdict*: Automerge counts in 32 bits and panics at the end of them.
pub const COUNTER_MAX: u64 = (1 << 31) - 1;

/// Why a change can never be part of any document. Complete for our log; it never quotes content.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than [`CHANGE_BYTES_MAX`].
    #[error("change of {bytes} bytes, at most {CHANGE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Ends too early.
    #[error("ends in the middle of a field")]
    Truncated,
    /// Does not start as an Automerge chunk does.
    #[error("no chunk magic")]
    Magic,
    /// Not a raw change: a document, a deflated change, a bundle or unknown.
    #[error("chunk type {found}, expected 1")]
    ChunkType {
        /// The type byte.
        found: u8,
    },
    /// The stored checksum is not that of the body.
    #[error("checksum does not match the body")]
    Checksum,
    /// Bytes after the chunk.
    #[error("{extra} bytes after the chunk")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// An integer in a longer form than needed, or beyond 64 bits.
    #[error("integer not in its shortest form or too large")]
    Integer,
    /// More than [`DEPS_MAX`] dependencies.
    #[error("{found} dependencies, at most {DEPS_MAX} are allowed")]
    Deps {
        /// How many it claims.
        found: u64,
    },
    /// Dependencies unsorted or repeated.
    #[error("dependencies not strictly ascending")]
    DepsOrder,
    /// An actor id that is not 16 bytes.
    #[error("actor id of {found} bytes, expected 16")]
    ActorLength {
        /// Its length.
        found: u64,
    },
    /// Other actors unsorted, repeated or naming the author.
    #[error("other actors not strictly ascending or naming the author")]
    ActorOrder,
    /// An actor is listed that no operation names.
    #[error("an actor is listed that no operation names")]
    UnusedActor,
    /// A sequence number of 0 or beyond [`COUNTER_MAX`].
    #[error("sequence number {found} out of bounds")]
    Seq {
        /// The number.
        found: u64,
    },
    /// A first operation counter of 0, or one that lets the change run past [`COUNTER_MAX`].
    #[error("first operation counter {found} out of bounds")]
    StartOp {
        /// The counter.
        found: u64,
    },
    /// Automerge's time field is used.
    #[error("time is not 0")]
    Time,
    /// Automerge's message field is used.
    #[error("message is not empty")]
    Message,
    /// Bytes after the columns: an author footer or anything else.
    #[error("{extra} extra bytes after the columns")]
    ExtraBytes {
        /// How many.
        extra: usize,
    },
    /// More columns than schema 1 has.
    #[error("{found} columns")]
    ColumnCount {
        /// How many it claims.
        found: u64,
    },
    /// A column schema 1 does not use: marks, expand, deflated or unknown.
    #[error("column {found} is not used by schema 1")]
    Column {
        /// Its number.
        found: u64,
    },
    /// Columns unsorted or repeated.
    #[error("column {found} out of order or repeated")]
    ColumnOrder {
        /// Its number.
        found: u64,
    },
    /// A column listed without bytes.
    #[error("column {found} is empty")]
    EmptyColumn {
        /// Its number.
        found: u64,
    },
    /// A column with fewer or more entries than there are operations.
    #[error("a column does not have one entry per operation")]
    ColumnLength,
    /// A gap where a value is required.
    #[error("operation {op}: gap where a value is required")]
    Gap {
        /// Which operation, from 0.
        op: usize,
    },
    /// More than [`OPS_MAX`] operations.
    #[error("more than {OPS_MAX} operations")]
    TooManyOps,
    /// An actor without a counter or a counter without an actor.
    #[error("operation {op}: half of an operation id")]
    HalfId {
        /// Which operation, from 0.
        op: usize,
    },
    /// An actor index beyond the change's actor table.
    #[error("operation {op}: actor index beyond the table")]
    ActorIndex {
        /// Which operation, from 0.
        op: usize,
    },
    /// A counter of 0 or beyond [`COUNTER_MAX`].
    #[error("operation {op}: counter out of bounds")]
    Counter {
        /// Which operation, from 0.
        op: usize,
    },
    /// A value longer than [`VALUE_BYTES_MAX`].
    #[error("value of {bytes} bytes, at most {VALUE_BYTES_MAX} are allowed")]
    ValueTooLarge {
        /// Its length.
        bytes: u64,
    },
    /// A text value that is not exactly one Unicode character.
    #[error("operation {op}: text value is not one character")]
    NotOneChar {
        /// Which operation, from 0.
        op: usize,
    },
    /// A deletion whose predecessor is not the deleted element.
    #[error("operation {op}: predecessor is not the deleted element")]
    Pred {
        /// Which operation, from 0.
        op: usize,
    },
    /// Something schema 1 has no place for: a put, a counter, a mark, a nested object, an overwrite.
    #[error("operation {op}: not in schema 1")]
    NotInSchema {
        /// Which operation, from 0.
        op: usize,
    },
    /// Readable, but Automerge writes the same change in other bytes.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// No dependencies, and not the form of a founding change.
    #[error("no dependencies, yet not a founding change")]
    NotFounding,
    /// Objects made by a change that is not the founding one.
    #[error("makes an object, yet has dependencies")]
    MakesObject,
    /// The document is founded by its owner bureau, and by the founder named in its genesis if one is.
    #[error("founded by a writer who is not the founder")]
    WrongFounder,
    /// Dependencies that go back to different founding changes.
    #[error("dependencies go back to two founding changes")]
    TwoFoundings,
    /// Two changes of one actor and sequence number in the causal past.
    #[error("two changes of actor {actor} with one sequence number in the causal past")]
    MergesFork {
        /// The actor that equivocated.
        actor: ActorId,
    },
    /// The sequence number does not follow the actor's last change in the causal past.
    #[error("sequence number {found}, expected {expected}")]
    SeqGap {
        /// One more than in the causal past.
        expected: u64,
        /// The change's own.
        found: u64,
    },
    /// The actor's previous change is in the past but not among the direct dependencies.
    #[error("the actor's previous change is not a direct dependency")]
    OwnPrevious,
    /// The first operation counter is not one more than the highest in the causal past.
    #[error("first operation counter {found}, expected {expected}")]
    StartOpGap {
        /// One more than the highest in the causal past.
        expected: u64,
        /// The change's own.
        found: u64,
    },
    /// An operation names an actor that wrote nothing in the causal past.
    #[error("operation {op}: actor not in the causal past")]
    UnknownActor {
        /// Which operation, from 0.
        op: usize,
    },
    /// An operation on an object that is not the one its value belongs in.
    #[error("operation {op}: not the acts list or the text")]
    WrongObject {
        /// Which operation, from 0.
        op: usize,
    },
    /// An operation names an element that does not exist in the causal past, or exists in the other object.
    #[error("operation {op}: no such element in this object in the causal past")]
    NoSuchElement {
        /// Which operation, from 0.
        op: usize,
    },
    /// One element deleted twice by one change.
    #[error("operation {op}: element already deleted by this change")]
    DeletedTwice {
        /// Which operation, from 0.
        op: usize,
    },
    /// A bureau other than the owner deletes what another bureau wrote.
    #[error("operation {op}: deletes what another bureau wrote")]
    NotOwnText {
        /// Which operation, from 0.
        op: usize,
    },
}

/// Why a change is not accepted now.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Verdict {
    /// Never will be, on any node.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// These dependencies are not in the index; ask again when they are.
    #[error("waiting for {} changes", .0.len())]
    Waiting(Vec<ChangeHash>),
}

/// A change that is well formed by its bytes alone; [`Index::check`] judges it in its past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedChange {
    hash: ChangeHash,
    draft: Draft,
    size: usize,
}

/// Reads one raw Automerge change.
///
/// # Errors
/// [`Malformed`] names the first rule the bytes break; the same on every node.
pub fn parse(bytes: &[u8]) -> Result<ParsedChange, Malformed> {
    let (hash, draft) = chunk::read(bytes)?;
    Ok(ParsedChange { hash, draft, size: bytes.len() })
}

/// [`parse`] of bytes that it took before, here or before they were written to our own authenticated store: all but the question whether
/// they are the canonical form, which costs as much as the rest.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_again(bytes: &[u8]) -> Result<ParsedChange, Malformed> {
    let (hash, draft) = chunk::read_again(bytes)?;
    Ok(ParsedChange { hash, draft, size: bytes.len() })
}

impl ParsedChange {
    /// What it holds, to be laid out elsewhere.
    pub(crate) fn into_draft(self) -> Draft {
        self.draft
    }

    /// Its hash, the same as Automerge gives it.
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// Its author's actor id.
    pub fn actor(&self) -> ActorId {
        self.draft.actor
    }

    /// Its place among its actor's changes, from 1.
    pub fn seq(&self) -> u64 {
        self.draft.seq
    }

    /// Counter of its first operation; for a change without operations, the one its first would have.
    pub fn start_op(&self) -> u64 {
        self.draft.start_op
    }

    /// Counter of its last operation; `start_op - 1` when it has none.
    pub fn max_op(&self) -> u64 {
        self.draft.start_op + self.draft.ops.len() as u64 - 1
    }

    /// How many operations it has; 0 for a fold.
    pub fn op_count(&self) -> usize {
        self.draft.ops.len()
    }

    /// Its direct dependencies, strictly ascending; empty for a founding change only.
    pub fn deps(&self) -> &[ChangeHash] {
        &self.draft.deps
    }

    /// Length of its raw bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether it founds a document.
    pub fn is_founding(&self) -> bool {
        self.draft.deps.is_empty()
    }

    /// The acts it inserts, in order.
    pub fn acts(&self) -> impl Iterator<Item = &[u8]> {
        self.draft.ops.iter().filter_map(|op| match op {
            Op::InsertAct { act, .. } => Some(&act[..]),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
