//! The summaries of all documents here, and what they come to in sum: kept in step with each change, so that nobody walks over a million
//! documents to say how many there are.
//!
//! A document at rest is a row of bytes here (`packed`), as long as what it says; its [`Summary`] is made of it when somebody asks, which takes
//! less than a microsecond. What is asked of all documents at once reads a [`Line`], which allocates nothing.
//!
//! The order in which documents changed here keeps of each the beginning of its id only: the document is the one beginning so whose newest change
//! is at that place. Ids are hashes, and whoever makes two that begin alike gains a second look.

mod packed;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref, RangeFrom};
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

/// Bytes of an id that find it.
const BEGINNING: usize = 8;

fn beginning(document: &DocumentId) -> [u8; BEGINNING] {
    *document.0.first_chunk().expect("an id is longer")
}

/// See the module.
#[derive(Default)]
pub struct Documents {
    rows: BTreeMap<DocumentId, Slot>,
    /// By the sequence of the newest change: the beginning of the id.
    by_seq: BTreeMap<u64, [u8; BEGINNING]>,
    words: Words,
    owned: BTreeMap<BureauId, Owned>,
    /// What [`Documents::open`] answers.
    open: BTreeSet<DocumentId>,
    /// What [`Documents::ending`] answers.
    ending: BTreeSet<DocumentId>,
    changes: u64,
    sum: [u8; 32],
}

/// What is here of one bureau's documents.
#[derive(Clone, Copy, Default)]
struct Owned {
    count: u64,
    /// Where the newest change that was ever seen stands in our sequence.
    newest: u64,
}

/// Summaries on their way from the store: each is packed as it comes.
#[derive(Default)]
pub struct Reading {
    documents: Documents,
    rows: Vec<(DocumentId, Slot)>,
    places: Vec<(u64, [u8; BEGINNING])>,
}

impl Reading {
    /// One more, of a document that did not come before.
    pub fn take(&mut self, summary: Summary) {
        let document = summary.document;
        self.places.push((summary.newest_seq, beginning(&document)));
        let slot = self.documents.slot(summary);
        self.rows.push((document, slot));
    }

    /// All of them. The maps are built at once: filled line by line they would stay half empty.
    pub fn finish(self) -> Documents {
        let mut documents = self.documents;
        documents.rows = self.rows.into_iter().collect();
        documents.by_seq = self.places.into_iter().collect();
        documents
    }
}

impl Documents {
    /// The place of a summary in memory; it is counted.
    fn slot(&mut self, summary: Summary) -> Slot {
        let owned = self.owned.entry(summary.owner).or_default();
        owned.count += 1;
        owned.newest = owned.newest.max(summary.newest_seq);
        self.changes += summary.changes;
        toggle(&mut self.sum, &summary.entry);
        if Head::of(&summary).is_open() {
            self.open.insert(summary.document);
        }
        let document = summary.document;
        let slot = match packed::pack(&summary, &mut self.words) {
            Some(bytes) => Slot::Packed(bytes),
            None => Slot::Whole(Arc::new(summary)),
        };
        if Line::of(document, &slot, &self.words).may_end() {
            self.ending.insert(document);
        }
        slot
    }

    fn discount(&mut self, before: &Head) {
        if let Some(owned) = self.owned.get_mut(&before.owner) {
            owned.count = owned.count.saturating_sub(1);
        }
        self.changes = self.changes.saturating_sub(before.changes);
        toggle(&mut self.sum, &before.entry);
    }

    /// Puts a summary in the place of the one before.
    pub fn insert(&mut self, document: DocumentId, summary: Summary) {
        let before = self.line(&document).map(|line| *line);
        if let Some(before) = &before {
            self.by_seq.remove(&before.newest_seq);
            self.open.remove(&document);
            self.ending.remove(&document);
        }
        self.by_seq.insert(summary.newest_seq, beginning(&document));
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
        self.open.remove(document);
        self.ending.remove(document);
        self.by_seq.remove(&gone.newest_seq);
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

    /// In the order of their newest change, those that changed after a place in our sequence.
    pub fn after(&self, seq: u64) -> impl DoubleEndedIterator<Item = Line<'_>> {
        let later = self.by_seq.range((Bound::Excluded(seq), Bound::Unbounded));
        later.filter_map(|(seq, begins)| self.at(*seq, begins))
    }

    /// The newest first, of all or of those that changed last before a place in our sequence.
    pub fn newest_before(&self, seq: Option<u64>) -> impl Iterator<Item = Line<'_>> {
        let to = seq.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_seq.range((Bound::Unbounded, to)).rev().filter_map(|(seq, begins)| self.at(*seq, begins))
    }

    /// The first of those, with its place.
    pub fn first_after(&self, seq: u64) -> Option<(u64, DocumentId)> {
        self.after(seq).next().map(|line| (line.newest_seq, line.document))
    }

    /// Whether any changed after a place in our sequence.
    pub fn any_after(&self, seq: u64) -> bool {
        self.newest_seq().is_some_and(|newest| newest > seq)
    }

    /// Where the newest change of all stands in our sequence.
    pub fn newest_seq(&self) -> Option<u64> {
        self.by_seq.keys().next_back().copied()
    }

    fn at(&self, seq: u64, begins: &[u8; BEGINNING]) -> Option<Line<'_>> {
        let mut lowest = [0; 32];
        lowest[..BEGINNING].copy_from_slice(begins);
        let like = self.range(DocumentId(lowest)..).take_while(|line| line.document.0.starts_with(begins));
        let mut found = like.filter(|line| line.newest_seq == seq);
        found.next()
    }

    /// How many documents of a bureau are here.
    pub fn owned_by(&self, bureau: &BureauId) -> u64 {
        self.owned.get(bureau).map_or(0, |owned| owned.count)
    }

    /// No document of a bureau changed after this place in our sequence.
    pub fn newest_owned(&self, bureau: &BureauId) -> u64 {
        self.owned.get(bureau).map_or(0, |owned| owned.newest)
    }

    /// Those that wait for something: work that no anchor settled, a log nobody adopted or that branched, work that is held. Ascending by id.
    pub fn open(&self) -> impl Iterator<Item = Line<'_>> {
        self.open.iter().filter_map(|document| self.line(document))
    }

    /// Those of which what somebody holds may end by itself, ascending by id.
    pub fn ending(&self) -> impl Iterator<Item = Line<'_>> {
        self.ending.iter().filter_map(|document| self.line(document))
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

    /// Whether it may have ended, or somebody may have been cut.
    pub fn may_be_over(&self) -> bool {
        match &self.0 {
            Lies::Packed(packed) => packed.is_over(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bureau::rows::tests::plain;

    /// A summary of a document whose id begins like those of all the others with this first byte.
    fn one(first: u8, number: u8, newest_seq: u64) -> Summary {
        let mut id = [first; 32];
        id[31] = number;
        Summary { document: DocumentId(id), newest_seq, ..plain(u64::from(number)) }
    }

    fn order(documents: &Documents) -> Vec<(u64, u8)> {
        documents.after(0).map(|line| (line.newest_seq, line.document.0[31])).collect()
    }

    #[test]
    fn documents_stand_in_the_order_of_their_newest_change_though_their_ids_begin_alike() {
        let mut documents = Documents::default();
        for (at, number) in [4, 1, 3, 2, 5].into_iter().enumerate() {
            let summary = one(u8::from(number == 5), number, at as u64 + 1);
            documents.insert(summary.document, summary);
        }
        assert_eq!(order(&documents), [(1, 4), (2, 1), (3, 3), (4, 2), (5, 5)]);
        // One changes, one goes.
        let changed = one(0, 1, 6);
        documents.insert(changed.document, changed);
        documents.remove(&one(0, 3, 3).document).expect("it was here");
        assert_eq!(order(&documents), [(1, 4), (4, 2), (5, 5), (6, 1)]);
        assert!(documents.newest_before(None).map(|line| line.newest_seq).eq([6, 5, 4, 1]));
        assert!(documents.newest_before(Some(5)).map(|line| line.newest_seq).eq([4, 1]));
        assert!(documents.after(4).map(|line| line.newest_seq).eq([5, 6]));
        assert_eq!((documents.newest_seq(), documents.any_after(5), documents.any_after(6)), (Some(6), true, false));
        // The same, read at a start.
        let mut reading = Reading::default();
        documents.newest_before(None).for_each(|line| reading.take(Summary::clone(&line.summary())));
        let read = reading.finish();
        assert_eq!((order(&read), read.sum(), read.changes()), (order(&documents), documents.sum(), documents.changes()));
    }

    #[test]
    fn what_waits_and_what_may_end_is_known_without_a_walk() {
        let seen = |documents: &Documents| {
            let open: Vec<_> = documents.values().filter(|line| line.is_open()).map(|line| line.document).collect();
            let ending: Vec<_> = documents.values().filter(Line::may_end).map(|line| line.document).collect();
            assert_eq!(documents.open().map(|line| line.document).collect::<Vec<_>>(), open);
            assert_eq!(documents.ending().map(|line| line.document).collect::<Vec<_>>(), ending);
            (open.len(), ending.len())
        };
        let settled = |first| {
            let plain = one(first, 1, u64::from(first));
            Summary { adopted: true, settled: plain.changes, torn: false, held: 0, ..plain }
        };
        let open: [fn(&mut Summary); 4] = [|s| s.adopted = false, |s| s.settled = s.changes - 1, |s| s.torn = true, |s| s.held = 1];
        let mut documents = Documents::default();
        (1..=6).for_each(|first| documents.insert(DocumentId(settled(first).document.0), settled(first)));
        assert_eq!(seen(&documents), (0, 0));
        for (at, change) in open.into_iter().enumerate() {
            let mut summary = settled(at as u8 + 1);
            change(&mut summary);
            documents.insert(summary.document, summary);
            assert_eq!(seen(&documents), (at + 1, 0));
        }
        let mut ends = settled(5);
        let rights = std::sync::Arc::make_mut(&mut ends.rights);
        let (bureau, mut held) = rights.bureaus.iter().next().map(|(bureau, held)| (*bureau, held.clone())).expect("somebody holds it");
        held.until = Some(crate::time::WallSeconds(99));
        rights.bureaus.insert(bureau, held);
        let owner = ends.owner;
        documents.insert(ends.document, ends);
        assert_eq!(seen(&documents), (4, 1));
        // The same, read at a start.
        let mut reading = Reading::default();
        documents.values().for_each(|line| reading.take(Summary::clone(&line.summary())));
        assert_eq!(seen(&reading.finish()), (4, 1));
        assert_eq!((documents.newest_owned(&owner), documents.newest_owned(&BureauId([9; 32]))), (6, 0));
        documents.remove(&settled(2).document).expect("it was here");
        documents.insert(settled(5).document, settled(5));
        assert_eq!(seen(&documents), (3, 0));
    }

    #[test]
    fn what_was_given_is_noted_once_and_of_plain_and_other_documents_alike() {
        let (plain, mut rare) = (one(0, 1, 1), one(1, 2, 2));
        std::sync::Arc::make_mut(&mut rare.rights)
            .note_denied(crate::access::log::Subject::Bureau(BureauId([3; 32])), crate::agreement::Verb::Read);
        let mut documents = Documents::default();
        for summary in [&plain, &rare] {
            documents.insert(summary.document, summary.clone());
        }
        let kinds: Vec<bool> = documents.rows.values().map(|slot| matches!(slot, Slot::Packed(_))).collect();
        assert_eq!(kinds, [true, false]);
        for mut summary in [plain, rare] {
            let partner = BureauId([9; 32]);
            summary.given.insert(partner, ());
            let noted = documents.note_given(&summary.document, partner).expect("it was not known");
            assert_eq!((&*noted, &*documents.here(&summary.document)), (&summary, &summary));
            assert_eq!(documents.note_given(&summary.document, partner), None);
        }
        assert_eq!(documents.note_given(&DocumentId([7; 32]), BureauId([9; 32])), None);
    }
}
