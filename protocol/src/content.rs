//! What a document says: the acts and the text of a set of changes, shown and edited through Automerge.
//!
//! A [`Content`] is a cache, never the truth: the raw changes are. It decides nothing about who may write; [`crate::rules`] judges changes
//! before they come here and `intake` decides which count. Every Automerge call on data from others runs under `catch_unwind`; after a panic
//! the Automerge value is dropped and the content answers [`CannotShow`] until it is replayed.
//!
//! Text positions are counted in Unicode code points (`TextEncoding::UnicodeCodePoint`), one operation per code point. The operations do
//! not depend on how a reader counts, so another implementation may count otherwise, but edits of this API are in code points.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, Change, LoadOptions, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, TextEncoding, Value, VerificationMode};
use thiserror::Error;

use crate::rules::{
    self, ActorId, CHANGE_BYTES_MAX, COUNTER_MAX, ChangeHash, DEPS_MAX, Draft, HEADS_MAX, OPS_MAX, ParsedChange, VALUE_BYTES_MAX,
};

mod plan;
mod whole;

use plan::Piece;
use whole::Whole;

/// One thing a writer does to a document. Positions and lengths count Unicode code points of the text as the edits before left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Appends an act, at most [`VALUE_BYTES_MAX`] bytes.
    Act(Vec<u8>),
    /// Inserts text before the character at `at`, or at the end.
    Insert {
        /// Position, 0 to the length of the text.
        at: usize,
        /// What is inserted.
        text: String,
    },
    /// Deletes `len` characters from `at` on.
    Delete {
        /// Position of the first.
        at: usize,
        /// How many; they must exist.
        len: usize,
    },
}

/// An act where it stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedAct {
    /// The act as it was written.
    pub bytes: Vec<u8>,
    /// Counter of the operation that inserted it.
    pub counter: u64,
    /// Actor that inserted it.
    pub actor: ActorId,
}

/// Why content cannot be shown. A local matter: the admitted set does not change by it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CannotShow {
    /// Bytes that the rules refuse got here: a bug of the caller.
    #[error("a change that is not well formed: {0}")]
    NotWellFormed(#[from] rules::Malformed),
    /// A change came before one it depends on.
    #[error("change {change} before {dep}, on which it depends")]
    MissingDependency {
        /// The change.
        change: ChangeHash,
        /// What it depends on.
        dep: ChangeHash,
    },
    /// Two changes of one actor and sequence number; only one of them can be shown.
    #[error("two changes of actor {actor} at {seq}")]
    Fork {
        /// The actor that equivocated.
        actor: ActorId,
        /// The sequence number.
        seq: u64,
    },
    /// Two founding changes, or none.
    #[error("{found} founding changes, expected 1")]
    Foundings {
        /// How many.
        found: usize,
    },
    /// Automerge panicked: an acceptance gap, hence a bug.
    #[error("the document engine stopped while {doing}")]
    Panicked {
        /// What it was doing.
        doing: &'static str,
    },
    /// Automerge answered with an error.
    #[error("the document engine refused while {doing}: {reason}")]
    Refused {
        /// What it was doing.
        doing: &'static str,
        /// Its words.
        reason: String,
    },
    /// An earlier call failed; replay the changes.
    #[error("content dropped after an earlier failure")]
    Dropped,
}

/// Why an edit was not made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EditError {
    /// Nothing would be written.
    #[error("the edit changes nothing")]
    Nothing,
    /// A position beyond the text.
    #[error("position {at} is beyond the text of {len} characters")]
    OutOfText {
        /// The position asked for.
        at: usize,
        /// The length of the text.
        len: usize,
    },
    /// An act longer than allowed.
    #[error("act of {bytes} bytes, at most {VALUE_BYTES_MAX} are allowed")]
    ActTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A founding change must hold in one change; found with less and edit the rest in.
    #[error("founding content needs {changes} changes, only one is possible")]
    FoundingTooLarge {
        /// How many it would take.
        changes: usize,
    },
    /// The document has used up its operation counters.
    #[error("the document has used up its operation counters")]
    Exhausted,
    /// The content could not be read or written; drop it and replay.
    #[error(transparent)]
    CannotShow(#[from] CannotShow),
}

/// The content of a set of changes.
pub struct Content {
    doc: Option<Automerge>,
    objects: Objects,
    ledger: Ledger,
}

struct Objects {
    acts: ObjId,
    text: ObjId,
}

/// How raw changes are read.
type Parse = fn(&[u8]) -> Result<ParsedChange, rules::Malformed>;

/// What edits need to know of the changes in a content; kept here because Automerge does not say it cheaply.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// Highest counter of each change's causal past, itself included.
    max_ops: BTreeMap<ChangeHash, u64>,
    heads: BTreeSet<ChangeHash>,
    last: BTreeMap<ActorId, (u64, ChangeHash)>,
    foundings: usize,
}

impl Content {
    /// Founds a document: the two objects, the first acts and the first text, as one raw change.
    ///
    /// # Errors
    /// [`EditError::FoundingTooLarge`] if it does not fit one change, [`EditError::ActTooLarge`].
    pub fn found(actor: ActorId, acts: &[Vec<u8>], text: &str) -> Result<(Self, Vec<u8>), EditError> {
        let mut edits: Vec<Edit> = acts.iter().cloned().map(Edit::Act).collect();
        edits.push(Edit::Insert { at: 0, text: text.to_owned() });
        let mut batches = plan::batches(&edits, 0)?;
        if batches.len() > 1 {
            return Err(EditError::FoundingTooLarge { changes: batches.len() });
        }
        let pieces = batches.pop().unwrap_or_default();
        guarded("founding", || {
            let mut doc = empty();
            doc.set_actor(engine_actor(actor));
            let mut transaction = doc.transaction();
            let acts = transaction.put_object(ROOT, "acts", ObjType::List)?;
            let text = transaction.put_object(ROOT, "text", ObjType::Text)?;
            let objects = Objects { acts, text };
            write_pieces(&mut transaction, &objects, &pieces)?;
            let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
            Ok((doc, objects, hash))
        })
        .and_then(|(doc, objects, hash)| {
            let mut content = Self { doc: Some(doc), objects, ledger: Ledger::default() };
            let bytes = content.take_local(hash.map(|hash| ChangeHash(hash.0)))?;
            Ok((content, bytes))
        })
        .map_err(EditError::from)
    }

    /// Rebuilds the content of raw changes given in a causal order.
    ///
    /// # Errors
    /// [`CannotShow`], the same for any causal order of the same changes except for which change it names.
    pub fn replay<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CannotShow> {
        Self::build(changes, rules::parse)
    }

    /// [`Content::replay`] of changes that the rules took in when they came: their form is not judged again.
    ///
    /// # Errors
    /// As [`Content::replay`].
    pub(crate) fn replay_placed<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CannotShow> {
        Self::build(changes, rules::parse_again)
    }

    /// Lays the changes out as one document and opens it, which costs a third of applying them one after the other; where it cannot be done they
    /// are applied.
    fn build<'a>(changes: impl IntoIterator<Item = &'a [u8]>, parse: Parse) -> Result<Self, CannotShow> {
        let mut ledger = Ledger::default();
        let mut whole = Whole::default();
        let fresh = ledger.take_in(changes, parse, |change| whole.add(change))?;
        if ledger.foundings != 1 {
            return Err(CannotShow::Foundings { found: ledger.foundings });
        }
        if let Some((doc, objects)) = whole.encode().and_then(|chunk| opened(&chunk)) {
            return Ok(Self { doc: Some(doc), objects, ledger });
        }
        let (doc, objects) = guarded("replaying", || {
            let mut doc = empty();
            apply_raw(&mut doc, &fresh)?;
            let objects = Objects::of(&doc)?;
            Ok((doc, objects))
        })?;
        Ok(Self { doc: Some(doc), objects, ledger })
    }

    /// Adds raw changes given in a causal order. Those already in the content are skipped.
    ///
    /// # Errors
    /// [`CannotShow`]; the content is then dropped and every later call answers [`CannotShow::Dropped`].
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a [u8]>) -> Result<(), CannotShow> {
        let mut doc = self.doc.take().ok_or(CannotShow::Dropped)?;
        let fresh = self.ledger.take_in(changes, rules::parse, drop)?;
        if self.ledger.foundings != 1 {
            return Err(CannotShow::Foundings { found: self.ledger.foundings });
        }
        let doc = guarded("applying", || {
            apply_raw(&mut doc, &fresh)?;
            Ok(doc)
        })?;
        self.doc = Some(doc);
        Ok(())
    }

    /// Writes edits as `actor`: raw changes in causal order, fold changes first when there are more than [`HEADS_MAX`] heads. Long edits are
    /// split so that every change keeps the bounds of the rules. Whether the writer may delete what it deletes is the caller's affair
    /// ([`Content::written_by`] helps).
    ///
    /// # Errors
    /// [`EditError`]; nothing was written unless it is [`EditError::CannotShow`], after which the content is dropped.
    pub fn edit(&mut self, actor: ActorId, edits: &[Edit]) -> Result<Vec<Vec<u8>>, EditError> {
        let batches = plan::batches(edits, self.text_len()?)?;
        if batches.is_empty() {
            return Err(EditError::Nothing);
        }
        let highest = self.ledger.heads.iter().filter_map(|head| self.ledger.max_ops.get(head)).max().copied().unwrap_or(0);
        let wanted: usize = batches.iter().flatten().map(Piece::ops).sum();
        if highest + wanted as u64 > COUNTER_MAX {
            return Err(EditError::Exhausted);
        }
        let mut written = Vec::new();
        while self.ledger.heads.len() > HEADS_MAX {
            written.push(self.fold(actor)?);
        }
        for pieces in batches {
            written.push(self.write(actor, &pieces)?);
        }
        Ok(written)
    }

    /// The acts in list order.
    ///
    /// # Errors
    /// [`CannotShow`]; drop the content and replay.
    pub fn acts(&self) -> Result<Vec<PlacedAct>, CannotShow> {
        self.read("reading acts", |doc, objects| {
            let mut acts = Vec::new();
            for item in doc.list_range(&objects.acts, ..) {
                let (counter, actor) = op_id(&item.id())?;
                let Value::Scalar(value) = Value::from(item.value) else { return Err(unexpected("an object among the acts")) };
                let ScalarValue::Bytes(bytes) = value.into_owned() else { return Err(unexpected("an act that is not bytes")) };
                acts.push(PlacedAct { bytes, counter, actor });
            }
            Ok(acts)
        })
    }

    /// The text.
    ///
    /// # Errors
    /// [`CannotShow`]; drop the content and replay.
    pub fn text(&self) -> Result<String, CannotShow> {
        self.read("reading text", |doc, objects| Ok(doc.text(&objects.text)?))
    }

    /// Length of the text in code points.
    ///
    /// # Errors
    /// [`CannotShow`]; drop the content and replay.
    pub fn text_len(&self) -> Result<usize, CannotShow> {
        self.read("measuring text", |doc, objects| Ok(doc.length(&objects.text)))
    }

    /// Ranges of the text, in code points, inserted by actors for which `is_own` holds: what a writer of another bureau may delete.
    ///
    /// # Errors
    /// [`CannotShow`]; drop the content and replay.
    pub fn written_by(&self, is_own: impl Fn(&ActorId) -> bool) -> Result<Vec<Range<usize>>, CannotShow> {
        self.read("reading authorship", |doc, objects| {
            let mut ranges: Vec<Range<usize>> = Vec::new();
            for (at, item) in doc.list_range(&objects.text, ..).enumerate() {
                if !is_own(&op_id(&item.id())?.1) {
                    continue;
                }
                match ranges.last_mut() {
                    Some(last) if last.end == at => last.end = at + 1,
                    _ => ranges.push(at..at + 1),
                }
            }
            Ok(ranges)
        })
    }

    /// The changes no other change of the content depends on, ascending.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.ledger.heads.iter().copied().collect()
    }

    /// How many changes it shows.
    pub fn change_count(&self) -> usize {
        self.ledger.max_ops.len()
    }

    fn read<T>(&self, doing: &'static str, read: impl FnOnce(&Automerge, &Objects) -> Result<T, Engine>) -> Result<T, CannotShow> {
        let doc = self.doc.as_ref().ok_or(CannotShow::Dropped)?;
        guarded(doing, || read(doc, &self.objects))
    }

    /// One local change.
    fn write(&mut self, actor: ActorId, pieces: &[Piece]) -> Result<Vec<u8>, EditError> {
        let mut doc = self.doc.take().ok_or(CannotShow::Dropped)?;
        let objects = &self.objects;
        let (doc, hash) = guarded("editing", || {
            doc.set_actor(engine_actor(actor));
            let mut transaction = doc.transaction();
            write_pieces(&mut transaction, objects, pieces)?;
            let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
            Ok((doc, hash))
        })?;
        self.doc = Some(doc);
        Ok(self.take_local(hash.map(|hash| ChangeHash(hash.0)))?)
    }

    /// An empty change over [`HEADS_MAX`] heads, written by our own encoder: it needs nothing of Automerge.
    fn fold(&mut self, actor: ActorId) -> Result<Vec<u8>, EditError> {
        let previous = self.ledger.last.get(&actor).copied();
        // Its own last change first, so that the sequence goes on; then the lowest heads, so that every head is folded in turn.
        let mut deps: BTreeSet<ChangeHash> = previous.iter().map(|(_, hash)| *hash).collect();
        let heads = self.ledger.heads.iter().filter(|head| previous.is_none_or(|(_, hash)| hash != **head));
        deps.extend(heads.take(DEPS_MAX - deps.len()));
        let highest = deps.iter().filter_map(|dep| self.ledger.max_ops.get(dep)).max().copied().unwrap_or(0);
        if highest >= COUNTER_MAX {
            return Err(EditError::Exhausted);
        }
        let seq = previous.map_or(0, |(seq, _)| seq) + 1;
        let deps = deps.into_iter().collect();
        let bytes = rules::encode(&Draft { actor, seq, start_op: highest + 1, deps, others: Vec::new(), ops: Vec::new() });
        self.apply([&bytes[..]])?;
        Ok(bytes)
    }

    /// The raw bytes of a change Automerge just made. They must pass our own rules, else they are not used.
    fn take_local(&mut self, hash: Option<ChangeHash>) -> Result<Vec<u8>, CannotShow> {
        let doc = self.doc.take().ok_or(CannotShow::Dropped)?;
        let hash = hash.ok_or_else(|| CannotShow::Refused { doing: "committing", reason: "nothing was written".to_owned() })?;
        let bytes = guarded("reading its own change", || {
            let change = doc.get_change_by_hash(&automerge::ChangeHash(hash.0)).ok_or_else(|| unexpected("own change not found"))?;
            Ok(change.raw_bytes().to_vec())
        })?;
        let parsed = rules::parse(&bytes)?;
        if parsed.hash() != hash {
            return Err(CannotShow::Refused { doing: "committing", reason: "own change has another hash".to_owned() });
        }
        self.ledger.add(&parsed)?;
        self.doc = Some(doc);
        Ok(bytes)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the content itself: this ends up in logs.
        f.debug_struct("Content").field("changes", &self.change_count()).field("heads", &self.ledger.heads.len()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Notes raw changes, answers those that are new and gives them away as they were read.
    fn take_in<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a [u8]>,
        parse: Parse,
        mut each: impl FnMut(ParsedChange),
    ) -> Result<Vec<&'a [u8]>, CannotShow> {
        let mut fresh = Vec::new();
        for bytes in changes {
            let parsed = parse(bytes)?;
            if !self.max_ops.contains_key(&parsed.hash()) {
                self.add(&parsed)?;
                each(parsed);
                fresh.push(bytes);
            }
        }
        Ok(fresh)
    }

    fn add(&mut self, change: &ParsedChange) -> Result<(), CannotShow> {
        let hash = change.hash();
        if let Some(dep) = change.deps().iter().find(|dep| !self.max_ops.contains_key(dep)) {
            return Err(CannotShow::MissingDependency { change: hash, dep: *dep });
        }
        // In a causal order an actor's changes come one by one; anything else is a fork (or not checked by the rules).
        let expected = self.last.get(&change.actor()).map_or(0, |(seq, _)| *seq) + 1;
        if change.seq() != expected {
            return Err(CannotShow::Fork { actor: change.actor(), seq: change.seq() });
        }
        self.foundings += usize::from(change.is_founding());
        self.max_ops.insert(hash, change.max_op());
        self.last.insert(change.actor(), (change.seq(), hash));
        for dep in change.deps() {
            self.heads.remove(dep);
        }
        self.heads.insert(hash);
        Ok(())
    }
}

/// A refusal of Automerge's, in words.
struct Engine(String);

impl<E: std::error::Error> From<E> for Engine {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn unexpected(what: &str) -> Engine {
    Engine(what.to_owned())
}

/// Runs Automerge. What it was working on must not be used after an error: Automerge changes its value before it panics.
fn guarded<T>(doing: &'static str, run: impl FnOnce() -> Result<T, Engine>) -> Result<T, CannotShow> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Engine(reason))) => Err(CannotShow::Refused { doing, reason }),
        Err(_) => Err(CannotShow::Panicked { doing }),
    }
}

/// An empty document that counts text in code points. Its random actor is replaced before anything is written.
fn empty() -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

/// Opens a document chunk of our own making; `None` when Automerge does not take it. It makes every change again from the chunk and compares
/// the hashes of the newest.
fn opened(chunk: &[u8]) -> Option<(Automerge, Objects)> {
    let options = LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint).verification_mode(VerificationMode::Check);
    guarded("opening", || {
        let doc = Automerge::load_with_options(chunk, options)?;
        let objects = Objects::of(&doc)?;
        Ok((doc, objects))
    })
    .ok()
}

fn engine_actor(actor: ActorId) -> automerge::ActorId {
    automerge::ActorId::from(&actor.0[..])
}

fn apply_raw(doc: &mut Automerge, changes: &[&[u8]]) -> Result<(), Engine> {
    let changes = changes.iter().map(|bytes| Change::from_bytes(bytes.to_vec())).collect::<Result<Vec<_>, _>>()?;
    Ok(doc.apply_changes(changes)?)
}

impl Objects {
    fn of(doc: &Automerge) -> Result<Self, Engine> {
        Ok(Self { acts: object(doc, "acts")?, text: object(doc, "text")? })
    }
}

fn object(doc: &Automerge, key: &str) -> Result<ObjId, Engine> {
    match doc.get(ROOT, key)? {
        Some((Value::Object(_), id)) => Ok(id),
        _ => Err(unexpected("an object of the founding change is missing")),
    }
}

fn op_id(id: &ObjId) -> Result<(u64, ActorId), Engine> {
    let ObjId::Id(counter, actor, _) = id else { return Err(unexpected("the root among elements")) };
    let actor = ActorId::from_slice(actor.to_bytes()).ok_or_else(|| unexpected("an actor id that is not 16 bytes"))?;
    Ok((*counter, actor))
}

fn write_pieces(transaction: &mut impl Transactable, objects: &Objects, pieces: &[Piece]) -> Result<(), Engine> {
    for piece in pieces {
        match piece {
            Piece::Act(act) => {
                let end = transaction.length(&objects.acts);
                transaction.insert(&objects.acts, end, ScalarValue::Bytes(act.clone()))?;
            }
            Piece::Insert { at, text } => transaction.splice_text(&objects.text, *at, 0, text)?,
            Piece::Delete { at, len } => transaction.splice_text(&objects.text, *at, isize::try_from(*len)?, "")?,
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
