//! The summaries of all documents here, and what they come to in sum: kept in step with each change, so that nobody walks over a million
//! documents to say how many there are.
//!
//! What changed since the last inventory was taken lies in memory, the rest on disk (`inventory`). A document at rest is a row of bytes
//! (`packed`), as long as what it says; its [`Summary`] is made of it when somebody asks, which takes less than a microsecond. What is asked of
//! all documents at once reads a [`Line`], which allocates nothing.
//!
//! The order in which documents changed here keeps of each the beginning of its id only: the document is the one beginning so whose newest change
//! is at that place. Ids are hashes, and whoever makes two that begin alike gains a second look.

mod inventory;
mod merged;
mod packed;
mod words;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, RangeFrom};
use std::sync::Arc;

use self::inventory::{Account, Inventory};
pub use self::inventory::{InMemory, Sheets, Taking};
use self::packed::{Head, Packed};
use self::words::Words;
use super::rows::{RowError, Summary};
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

/// Of so many documents as one in this many, a walk over all is cheaper than a sheet for each.
const MANY_SHARE: usize = 32;

fn beginning(document: &DocumentId) -> [u8; BEGINNING] {
    *document.0.first_chunk().expect("an id is longer")
}

/// What changed after something that lies below.
#[derive(Default)]
struct Layer {
    /// None for one that is gone.
    rows: BTreeMap<DocumentId, Option<Slot>>,
    /// By the sequence of the newest change: the beginning of the id. Just one place for each row.
    places: BTreeMap<u64, [u8; BEGINNING]>,
}

/// Rows that need not lie in memory any more. To let go of many takes a while, which another thread may have.
#[must_use = "dropping it may take a while"]
pub struct Leaving(#[expect(dead_code, reason = "to be dropped")] Option<Arc<Layer>>);

/// See the module.
#[derive(Default)]
pub struct Documents {
    /// What lies on disk.
    inventory: Option<Arc<Inventory>>,
    /// What changed after it and is being written into the next one.
    taken: Option<Arc<Layer>>,
    /// What changed since.
    recent: Layer,
    /// One of the inventories did not read, whatever became of it.
    broken: bool,
    count: u64,
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
    rows: Vec<(DocumentId, Option<Slot>)>,
    places: Vec<(u64, [u8; BEGINNING])>,
}

impl Reading {
    /// What an inventory has; what changed since is to come.
    ///
    /// # Errors
    /// [`RowError`] for an inventory of another build, or none.
    pub fn since(head: &[u8], sheets: Arc<dyn Sheets>) -> Result<Self, RowError> {
        let (inventory, account) = Inventory::open(head, sheets)?;
        let Account { count, changes, sum, owned, open, ending, words } = account;
        let inventory = Some(Arc::new(inventory));
        let documents = Documents { inventory, count, words, owned, open, ending, changes, sum, ..Documents::default() };
        Ok(Self { documents, ..Self::default() })
    }

    /// One more, of a document that did not come before.
    pub fn take(&mut self, summary: Summary) {
        let document = summary.document;
        if self.documents.inventory.is_some() {
            return self.documents.insert(document, summary);
        }
        self.places.push((summary.newest_seq, beginning(&document)));
        let slot = self.documents.slot(summary);
        self.rows.push((document, Some(slot)));
    }

    /// One that is no more.
    pub fn gone(&mut self, document: &DocumentId) {
        self.documents.remove(document);
    }

    /// All of them. The maps are built at once: filled line by line they would stay half empty.
    pub fn finish(self) -> Documents {
        let mut documents = self.documents;
        if documents.inventory.is_none() {
            documents.recent.rows = self.rows.into_iter().collect();
            documents.recent.places = self.places.into_iter().collect();
        }
        documents
    }
}

impl Documents {
    /// The place of a summary in memory; it is counted.
    fn slot(&mut self, summary: Summary) -> Slot {
        self.count += 1;
        let owned = self.owned.entry(summary.owner).or_default();
        owned.count += 1;
        owned.newest = owned.newest.max(summary.newest_seq);
        self.changes += summary.changes;
        toggle(&mut self.sum, &summary.entry);
        if Head::of(&summary).is_open() {
            self.open.insert(summary.document);
        }
        let document = summary.document;
        let slot = self.packed(summary);
        if Line::of(document, &slot, &self.words).may_end() {
            self.ending.insert(document);
        }
        slot
    }

    fn packed(&mut self, summary: impl Into<Arc<Summary>>) -> Slot {
        let summary = summary.into();
        match packed::pack(&summary, &mut self.words) {
            Some(bytes) => Slot::Packed(bytes),
            None => Slot::Whole(summary),
        }
    }

    fn discount(&mut self, before: &Head) {
        self.count = self.count.saturating_sub(1);
        if let Some(owned) = self.owned.get_mut(&before.owner) {
            owned.count = owned.count.saturating_sub(1);
        }
        self.changes = self.changes.saturating_sub(before.changes);
        toggle(&mut self.sum, &before.entry);
    }

    /// Puts a row above all others of its document.
    fn lay(&mut self, document: DocumentId, newest_seq: u64, slot: Slot) {
        let before = self.recent.rows.get(&document).and_then(Option::as_ref);
        if let Some(before) = before.map(|slot| Line::of(document, slot, &self.words).newest_seq) {
            self.recent.places.remove(&before);
        }
        self.recent.places.insert(newest_seq, beginning(&document));
        self.recent.rows.insert(document, Some(slot));
    }

    /// Puts a summary in the place of the one before.
    pub fn insert(&mut self, document: DocumentId, summary: Summary) {
        let before = self.line(&document).map(|line| *line);
        if before.is_some() {
            self.open.remove(&document);
            self.ending.remove(&document);
        }
        let newest_seq = summary.newest_seq;
        let slot = self.slot(summary);
        self.lay(document, newest_seq, slot);
        if let Some(before) = before {
            self.discount(&before);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, document: &DocumentId) -> Option<Arc<Summary>> {
        let gone = self.get(document)?;
        if self.recent.rows.get(document).is_some_and(Option::is_some) {
            self.recent.places.remove(&gone.newest_seq);
        }
        if self.inventory.is_some() || self.taken.is_some() {
            self.recent.rows.insert(*document, None);
        } else {
            self.recent.rows.remove(document);
        }
        self.open.remove(document);
        self.ending.remove(document);
        self.discount(&Head::of(&gone));
        Some(gone)
    }

    /// Notes that a bureau acknowledged something of a document. The changed summary, unless that was known, or the document is not here.
    pub fn note_given(&mut self, document: &DocumentId, bureau: BureauId) -> Option<Arc<Summary>> {
        let line = self.line(document).filter(|line| !line.is_given(&bureau))?;
        let mut summary = line.summary();
        Arc::make_mut(&mut summary).given.insert(bureau, ());
        let slot = self.packed(Arc::clone(&summary));
        self.lay(*document, summary.newest_seq, slot);
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
        let above = self.recent.rows.get(document).or_else(|| self.taken.as_ref()?.rows.get(document));
        match above {
            Some(slot) => slot.as_ref().map(|slot| Line::of(*document, slot, &self.words)),
            None => self.inventory.as_ref()?.line(document, &self.words),
        }
    }

    /// Whether a document is here.
    pub fn contains_key(&self, document: &DocumentId) -> bool {
        self.line(document).is_some()
    }

    /// How many are here.
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// All of them, ascending by id.
    pub fn values(&self) -> impl Iterator<Item = Line<'_>> {
        self.range(DocumentId([0; 32])..)
    }

    /// Those from an id on, ascending.
    pub fn range(&self, from: RangeFrom<DocumentId>) -> impl Iterator<Item = Line<'_>> {
        merged::Rows::of(self, from.start)
    }

    /// In the order of their newest change, those that changed after a place in our sequence.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = Line<'_>> {
        merged::after(self, seq)
    }

    /// The ids of these, with their places, in the same order: no row is read for one that lies below.
    pub fn ids_after(&self, seq: u64) -> impl Iterator<Item = (u64, DocumentId)> {
        merged::ids_after(self, seq)
    }

    /// Those that changed after a place in our sequence, in any order. Of many that lie below, each by its place would open a sheet of its own.
    pub fn changed_after(&self, seq: u64) -> impl Iterator<Item = Line<'_>> {
        let many = self.inventory.as_ref().is_some_and(|inventory| inventory.about_after(seq) > self.len() / MANY_SHARE);
        let (all, some) = if many { (Some(self.values()), None) } else { (None, Some(self.after(seq))) };
        all.into_iter().flatten().filter(move |line| line.newest_seq > seq).chain(some.into_iter().flatten())
    }

    /// The newest first, of all or of those that changed last before a place in our sequence.
    pub fn newest_before(&self, seq: Option<u64>) -> impl Iterator<Item = Line<'_>> {
        merged::newest_before(self, seq)
    }

    /// The first of those, with its place.
    pub fn first_after(&self, seq: u64) -> Option<(u64, DocumentId)> {
        self.ids_after(seq).next()
    }

    /// Whether any changed after a place in our sequence.
    pub fn any_after(&self, seq: u64) -> bool {
        let behind = |layer: &Layer| layer.places.keys().next_back().is_some_and(|last| *last > seq);
        let below = || self.taken.as_deref().is_some_and(behind) || self.inventory.as_ref().is_some_and(|inventory| inventory.last() > seq);
        // What stands in the layers below may be covered; mostly nothing stands there.
        behind(&self.recent) || (below() && self.first_after(seq).is_some())
    }

    /// Where the newest change of all stands in our sequence.
    pub fn newest_seq(&self) -> Option<u64> {
        self.newest_before(None).next().map(|line| line.newest_seq)
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

    /// Rows in memory: of documents that changed since the last inventory was taken.
    pub fn recent(&self) -> usize {
        self.recent.rows.len()
    }

    /// Begins an inventory of all documents as they are now; `None` while one is being taken, or when nothing changed since the last, unless it is to
    /// be written `anew`.
    pub fn take_inventory(&mut self, anew: bool) -> Option<Taking> {
        if self.taken.is_some() || self.recent.rows.is_empty() && self.inventory.is_some() && !anew {
            return None;
        }
        let layer = Arc::new(std::mem::take(&mut self.recent));
        self.taken = Some(Arc::clone(&layer));
        let account = Account {
            count: self.count,
            changes: self.changes,
            sum: self.sum,
            owned: self.owned.clone(),
            open: self.open.clone(),
            ending: self.ending.clone(),
            words: self.words.clone(),
        };
        Some(Taking { before: self.inventory.clone(), layer, account })
    }

    /// The inventory that was begun is written: what it has need not lie in memory any more.
    ///
    /// # Errors
    /// [`RowError`] if it is not the one that was begun: then it is as if it had failed.
    pub fn rest_on(&mut self, head: &[u8], sheets: Arc<dyn Sheets>) -> Result<Leaving, RowError> {
        self.broken = self.is_broken();
        match Inventory::open(head, sheets) {
            Ok((inventory, _)) => {
                self.inventory = Some(Arc::new(inventory));
                Ok(Leaving(self.taken.take()))
            }
            Err(error) => {
                self.inventory_failed();
                Err(error)
            }
        }
    }

    /// The inventory that was begun could not be made, because the one before does not read, or is not what was counted.
    pub fn inventory_wrong(&mut self) {
        self.broken = true;
        self.inventory_failed();
    }

    /// The inventory that was begun will not come.
    pub fn inventory_failed(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        // Whoever was to write it let go of it, or is about to: then it is copied.
        let Layer { mut rows, mut places } = Arc::try_unwrap(taken).unwrap_or_else(|taken| taken.copy());
        for document in self.recent.rows.keys() {
            if let Some(slot) = rows.get(document).and_then(Option::as_ref) {
                places.remove(&Line::of(*document, slot, &self.words).newest_seq);
            }
        }
        let recent = std::mem::take(&mut self.recent);
        rows.extend(recent.rows);
        places.extend(recent.places);
        self.recent = Layer { rows, places };
    }

    /// Whether the inventory could not be read: what was answered since may leave documents out.
    pub fn is_broken(&self) -> bool {
        self.broken || self.inventory.as_ref().is_some_and(|inventory| inventory.is_broken())
    }
}

impl Layer {
    fn copy(&self) -> Self {
        let copied = |slot: &Slot| match slot {
            Slot::Packed(bytes) => Slot::Packed(bytes.clone()),
            Slot::Whole(summary) => Slot::Whole(Arc::clone(summary)),
        };
        let rows = self.rows.iter().map(|(document, slot)| (*document, slot.as_ref().map(copied))).collect();
        Self { rows, places: self.places.clone() }
    }

    /// The document of a place in this layer.
    fn at(&self, seq: u64, begins: &[u8; BEGINNING], words: &Words) -> Option<DocumentId> {
        let mut lowest = [0; 32];
        lowest[..BEGINNING].copy_from_slice(begins);
        let like = self.rows.range(DocumentId(lowest)..).take_while(|(document, _)| document.0.starts_with(begins));
        let mut found =
            like.filter(|(document, slot)| slot.as_ref().is_some_and(|slot| Line::of(**document, slot, words).newest_seq == seq));
        found.next().map(|(document, _)| *document)
    }
}

/// A document's place: reads like its [`Head`], and gives the rest where it is asked for.
#[derive(Clone)]
pub struct Line<'a>(Lies<'a>);

#[derive(Clone)]
enum Lies<'a> {
    Packed(Packed<'a>),
    Whole(Head, Arc<Summary>),
    /// On a sheet of the inventory, only its head packed; the rest as in the store, read when it is asked for.
    Sheet(Packed<'a>, OnceCell<Arc<Summary>>),
}

impl<'a> Line<'a> {
    fn of(document: DocumentId, slot: &'a Slot, words: &'a Words) -> Self {
        match slot {
            Slot::Packed(bytes) => Self(Lies::Packed(Packed::read(document, bytes, words))),
            Slot::Whole(summary) => Self::whole(Arc::clone(summary)),
        }
    }

    fn whole(summary: Arc<Summary>) -> Self {
        Self(Lies::Whole(Head::of(&summary), summary))
    }

    /// The summary of one that says what few do.
    fn rare(&self) -> Option<&Arc<Summary>> {
        match &self.0 {
            Lies::Packed(_) => None,
            Lies::Whole(_, summary) => Some(summary),
            Lies::Sheet(packed, read) => {
                let row = || Summary::from_bytes(packed.head.document, packed.behind_head());
                Some(read.get_or_init(|| Arc::new(row().expect("it was read back when it was written, and is sealed"))))
            }
        }
    }

    /// All that is known of it.
    pub fn summary(&self) -> Arc<Summary> {
        match (&self.0, self.rare()) {
            (Lies::Packed(packed), _) => Arc::new(packed.unpack()),
            (_, summary) => Arc::clone(summary.expect("one or the other")),
        }
    }

    /// What it is called in the books.
    pub fn number(&self) -> &str {
        match (&self.0, self.rare()) {
            (Lies::Packed(packed), _) => packed.number(),
            (_, summary) => summary.map_or("", |summary| &summary.number),
        }
    }

    /// Whether a bureau acknowledged something of it.
    pub fn is_given(&self, bureau: &BureauId) -> bool {
        match (&self.0, self.rare()) {
            (Lies::Packed(packed), _) => packed.is_given(bureau),
            (_, summary) => summary.is_some_and(|summary| summary.given.contains(bureau)),
        }
    }

    /// Whether what somebody holds of it may end by itself.
    pub fn may_end(&self) -> bool {
        match &self.0 {
            Lies::Packed(packed) => packed.may_end(),
            Lies::Whole(..) | Lies::Sheet(..) => true,
        }
    }

    /// Whether it may have ended, or somebody may have been cut.
    pub fn may_be_over(&self) -> bool {
        match &self.0 {
            Lies::Packed(packed) => packed.is_over(),
            Lies::Whole(..) | Lies::Sheet(..) => true,
        }
    }

    /// Whether it is any matter of a bureau's: the check lets nothing go to any other.
    pub fn concerns(&self, bureau: &BureauId) -> bool {
        self.owner == *bureau || self.holder(bureau).is_some()
    }

    /// What a bureau holds of it.
    pub fn holder(&self, bureau: &BureauId) -> Option<Held> {
        match (&self.0, self.rare()) {
            (Lies::Packed(packed), _) => packed.holder(bureau),
            (_, summary) => summary?.rights.bureaus.get(bureau).cloned(),
        }
    }
}

impl Deref for Line<'_> {
    type Target = Head;

    fn deref(&self) -> &Head {
        match &self.0 {
            Lies::Packed(packed) | Lies::Sheet(packed, _) => &packed.head,
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
        let kinds: Vec<bool> = documents.recent.rows.values().map(|slot| matches!(slot, Some(Slot::Packed(_)))).collect();
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
