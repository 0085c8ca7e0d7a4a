//! The summaries of all documents here, and what they come to in sum: kept in step with each change, so that nobody walks over a million
//! documents to say how many there are.
//!
//! A document at rest is a row of bytes here (`packed`), as long as what it says; its [`Summary`] is made of it when somebody asks, which takes
//! less than a microsecond. What is asked of all documents at once reads a [`Line`], which allocates nothing.

mod packed;
mod words;

use std::collections::BTreeMap;
use std::ops::{Deref, RangeFrom};
use std::sync::Arc;

use self::packed::{Head, Packed};
use self::words::Words;
use super::rows::Summary;
use crate::access::log::Held;
use crate::id::{BureauId, Digest, DocumentId};

/// How a summary lies in memory.
enum Slot {
    /// As most are.
    Packed(Box<[u8]>),
    /// One that says what few do.
    Whole(Arc<Summary>),
}

/// See the module.
#[derive(Default)]
pub struct Documents {
    rows: BTreeMap<DocumentId, Slot>,
    words: Words,
    owned: BTreeMap<BureauId, u64>,
    changes: u64,
    sum: [u8; 32],
}

impl Documents {
    /// As they are read. The map is built at once: filled line by line it would stay half empty.
    pub fn read<E>(summaries: impl Iterator<Item = Result<Summary, E>>) -> Result<Self, E> {
        let mut out = Self::default();
        let rows = summaries.map(|summary| {
            let summary = summary?;
            Ok((summary.document, out.slot(summary)))
        });
        let rows: BTreeMap<DocumentId, Slot> = rows.collect::<Result<_, E>>()?;
        out.rows = rows;
        Ok(out)
    }

    /// The place of a summary in memory; it is counted.
    fn slot(&mut self, summary: Summary) -> Slot {
        *self.owned.entry(summary.owner).or_default() += 1;
        self.changes += summary.changes;
        toggle(&mut self.sum, &summary.entry);
        match packed::pack(&summary, &mut self.words) {
            Some(bytes) => Slot::Packed(bytes),
            None => Slot::Whole(Arc::new(summary)),
        }
    }

    fn discount(&mut self, before: &Head) {
        if let Some(owned) = self.owned.get_mut(&before.owner) {
            *owned = owned.saturating_sub(1);
        }
        self.changes = self.changes.saturating_sub(before.changes);
        toggle(&mut self.sum, &before.entry);
    }

    /// Puts a summary in the place of the one before.
    pub fn insert(&mut self, document: DocumentId, summary: Summary) {
        let before = self.line(&document).map(|line| *line);
        let slot = self.slot(summary);
        self.rows.insert(document, slot);
        if let Some(before) = before {
            self.discount(&before);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, document: &DocumentId) -> Option<Arc<Summary>> {
        let gone = self.get(document)?;
        self.rows.remove(document);
        self.discount(&Head::of(&gone));
        Some(gone)
    }

    /// Notes that a bureau acknowledged something of a document. The changed summary, unless that was known, or the document is not here.
    pub fn note_given(&mut self, document: &DocumentId, bureau: BureauId) -> Option<Arc<Summary>> {
        let line = self.line(document).filter(|line| !line.is_given(&bureau))?;
        let mut summary = line.summary();
        Arc::make_mut(&mut summary).given.insert(bureau, ());
        let slot = match packed::pack(&summary, &mut self.words) {
            Some(bytes) => Slot::Packed(bytes),
            None => Slot::Whole(Arc::clone(&summary)),
        };
        self.rows.insert(*document, slot);
        Some(summary)
    }

    /// The summary of a document.
    pub fn get(&self, document: &DocumentId) -> Option<Arc<Summary>> {
        self.line(document).map(|line| line.summary())
    }

    /// The summary of a document that is here.
    ///
    /// # Panics
    /// If it is not.
    pub fn here(&self, document: &DocumentId) -> Arc<Summary> {
        self.get(document).expect("the caller looked")
    }

    /// What most ask of a document.
    pub fn line(&self, document: &DocumentId) -> Option<Line<'_>> {
        let (document, slot) = self.rows.get_key_value(document)?;
        Some(Line::of(*document, slot, &self.words))
    }

    /// Whether a document is here.
    pub fn contains_key(&self, document: &DocumentId) -> bool {
        self.rows.contains_key(document)
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// All of them, ascending by id.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        self.rows.iter().map(|(document, slot)| Line::of(*document, slot, &self.words))
    }

    /// Those from an id on, ascending.
    pub fn range(&self, from: RangeFrom<DocumentId>) -> impl Iterator<Item = Line<'_>> {
        self.rows.range(from).map(|(document, slot)| Line::of(*document, slot, &self.words))
    }

    /// How many documents of a bureau are here.
    pub fn owned_by(&self, bureau: &BureauId) -> u64 {
        self.owned.get(bureau).copied().unwrap_or(0)
    }

    /// Changes of all documents.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The view entries of all documents, each exclusive-or'ed: two nodes that hold the same show the same.
    pub fn sum(&self) -> Digest {
        Digest(self.sum)
    }
}

/// A document's place: reads like its [`Head`], and gives the rest where it is asked for.
#[derive(Clone, Copy)]
pub struct Line<'a>(Lies<'a>);

#[derive(Clone, Copy)]
enum Lies<'a> {
    Packed(Packed<'a>),
    Whole(Head, &'a Arc<Summary>),
}

impl<'a> Line<'a> {
    fn of(document: DocumentId, slot: &'a Slot, words: &'a Words) -> Self {
        Self(match slot {
            Slot::Packed(bytes) => Lies::Packed(Packed::read(document, bytes, words)),
            Slot::Whole(summary) => Lies::Whole(Head::of(summary), summary),
        })
    }

    /// All that is known of it.
    pub fn summary(&self) -> Arc<Summary> {
        match &self.0 {
            Lies::Packed(packed) => Arc::new(packed.unpack()),
            Lies::Whole(_, summary) => Arc::clone(summary),
        }
    }

    /// What it is called in the books.
    pub fn number(&self) -> &'a str {
        match &self.0 {
            Lies::Packed(packed) => packed.number(),
            Lies::Whole(_, summary) => &summary.number,
        }
    }

    /// Whether a bureau acknowledged something of it.
    pub fn is_given(&self, bureau: &BureauId) -> bool {
        match &self.0 {
            Lies::Packed(packed) => packed.is_given(bureau),
            Lies::Whole(_, summary) => summary.given.contains(bureau),
        }
    }

    /// Whether what somebody holds of it may end by itself.
    pub fn may_end(&self) -> bool {
        match &self.0 {
            Lies::Packed(packed) => packed.may_end(),
            Lies::Whole(..) => true,
        }
    }

    /// Whether it is any matter of a bureau's: the check lets nothing go to any other.
    pub fn concerns(&self, bureau: &BureauId) -> bool {
        self.owner == *bureau || self.holder(bureau).is_some()
    }

    /// What a bureau holds of it.
    pub fn holder(&self, bureau: &BureauId) -> Option<Held> {
        match &self.0 {
            Lies::Packed(packed) => packed.holder(bureau),
            Lies::Whole(_, summary) => summary.rights.bureaus.get(bureau).cloned(),
        }
    }
}

impl Deref for Line<'_> {
    type Target = Head;

    fn deref(&self) -> &Head {
        match &self.0 {
            Lies::Packed(packed) => &packed.head,
            Lies::Whole(head, _) => head,
        }
    }
}

fn toggle(sum: &mut [u8; 32], entry: &Digest) {
    for (byte, other) in sum.iter_mut().zip(entry.0) {
        *byte ^= other;
    }
}
