//! Splits edits into batches that each make one change within the bounds of the rules.

use super::{CHANGE_BYTES_MAX, Edit, EditError, OPS_MAX, VALUE_BYTES_MAX};

/// Bytes an inserted character takes at most in a change: itself and its column entries.
const CHAR_BYTES: usize = 12;
/// Bytes a deletion takes at most: counters and actor indexes twice, and perhaps a new entry in the actor table.
const DELETE_BYTES: usize = 40;
/// Bytes an act, or the place where an insertion starts, takes beside what is inserted.
const PLACE_BYTES: usize = 40;
/// Bytes of operations planned for one change; the rest is for dependencies and the header.
const BATCH_BYTES_MAX: usize = CHANGE_BYTES_MAX - 16 * 1024;
/// Operations planned for one change: two are kept for the objects of a founding change.
const BATCH_OPS_MAX: usize = OPS_MAX - 2;

/// A part of an edit that fits one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Act(Vec<u8>),
    Insert { at: usize, text: String },
    Delete { at: usize, len: usize },
}

impl Piece {
    pub(super) fn ops(&self) -> usize {
        match self {
            Piece::Act(_) => 1,
            Piece::Insert { text, .. } => text.chars().count(),
            Piece::Delete { len, .. } => *len,
        }
    }
}

/// Plans edits on a text of `len` characters; edits that do nothing are left out.
pub(super) fn batches(edits: &[Edit], mut len: usize) -> Result<Vec<Vec<Piece>>, EditError> {
    let mut plan = Plan::default();
    for edit in edits {
        match edit {
            Edit::Act(act) => {
                if act.len() > VALUE_BYTES_MAX {
                    return Err(EditError::ActTooLarge { bytes: act.len() });
                }
                plan.room(1, PLACE_BYTES + act.len());
                plan.add(Piece::Act(act.clone()), 1, PLACE_BYTES + act.len());
            }
            Edit::Insert { at, text } => {
                if *at > len {
                    return Err(EditError::OutOfText { at: *at, len });
                }
                len += text.chars().count();
                plan.insert(*at, text);
            }
            Edit::Delete { at, len: count } => {
                let end = at.checked_add(*count).filter(|end| *end <= len).ok_or(EditError::OutOfText { at: *at, len })?;
                len -= end - at;
                plan.delete(*at, *count);
            }
        }
    }
    Ok(plan.finish())
}

#[derive(Default)]
struct Plan {
    done: Vec<Vec<Piece>>,
    batch: Vec<Piece>,
    ops: usize,
    bytes: usize,
}

impl Plan {
    /// Starts a new batch if the one at hand has no room left; answers how many operations of `bytes` each it has room for.
    fn room(&mut self, ops: usize, bytes: usize) -> usize {
        let left = |plan: &Self| (BATCH_OPS_MAX - plan.ops).min(BATCH_BYTES_MAX.saturating_sub(plan.bytes) / bytes);
        if left(self) == 0 {
            self.close();
        }
        left(self).min(ops)
    }

    fn add(&mut self, piece: Piece, ops: usize, bytes: usize) {
        self.batch.push(piece);
        self.ops += ops;
        self.bytes += bytes;
    }

    fn insert(&mut self, mut at: usize, mut text: &str) {
        while !text.is_empty() {
            let count = self.room(text.len(), CHAR_BYTES); // in bytes: at least as many as characters
            let end = text.char_indices().nth(count).map_or(text.len(), |(end, _)| end);
            let (head, rest) = text.split_at(end);
            let chars = head.chars().count();
            self.add(Piece::Insert { at, text: head.to_owned() }, chars, PLACE_BYTES + chars * CHAR_BYTES);
            (at, text) = (at + chars, rest);
        }
    }

    fn delete(&mut self, at: usize, mut len: usize) {
        while len > 0 {
            let count = self.room(len, DELETE_BYTES);
            self.add(Piece::Delete { at, len: count }, count, count * DELETE_BYTES);
            len -= count;
        }
    }

    fn close(&mut self) {
        if !self.batch.is_empty() {
            self.done.push(std::mem::take(&mut self.batch));
        }
        (self.ops, self.bytes) = (0, 0);
    }

    fn finish(mut self) -> Vec<Vec<Piece>> {
        self.close();
        self.done
    }
}
