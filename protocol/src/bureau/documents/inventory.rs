//! The inventory: rows of documents at rest that lie on disk, so that memory holds what changed since and a start reads no more than that.
//!
//! An inventory is written once and never changed. Whoever keeps it hands out its sheets, sealed and whole or not at all; what is in them was
//! written by this very build of the program ([`FORM`] names it), so reading a row does not fail. It is never the truth: with none, or with one
//! that does not read, all rows are read from the store.
//!
//! ```text
//! sheet of rows:   count u16 ‖ document (32).. ‖ end of its row u32.. ‖ rows: form u8 ‖ packed; or its head packed, and all of it as in the store
//! sheet of places: (newest_seq u64 ‖ document (32))..
//! ```
//! Sheets of rows come first, by document, then those of places, by sequence. Numbers are little-endian. The head is a row of its own.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minicbor::{Decode, Encode};

use super::packed::{Packed, pack_head};
use super::words::{Used, Words};
use super::{Layer, Lies, Line, Owned, Slot, toggle};
use crate::bureau::rows::{RowError, Summary, read, write};
use crate::id::{BureauId, Bytes, Digest, DocumentId};

/// What is written in an inventory. To be raised with every change to how a row is packed: an inventory of another form, or of another build's
/// version, is not read.
const FORM: u32 = 1;
/// Bytes of a sheet, about: what is read and opened for one document. A walk by sequence opens one for each.
const SHEET_BYTES: usize = if cfg!(debug_assertions) { 1 << 10 } else { 4 << 10 };
/// Sheets that stay open: some 4 MiB.
const SHEETS_OPEN_MAX: usize = if cfg!(debug_assertions) { 4 } else { 1_024 };
/// Bytes of one place.
const PLACE: usize = 8 + 32;
const PACKED: u8 = 0;
const WHOLE: u8 = 1;

/// Who keeps the sheets of an inventory.
pub trait Sheets: Send + Sync {
    /// A sheet as it was written, or none if it cannot be read any more.
    fn sheet(&self, number: u32) -> Option<Arc<[u8]>>;
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct OwnedRow {
    #[n(0)]
    bureau: BureauId,
    #[n(1)]
    count: u64,
    #[n(2)]
    newest: u64,
}

/// What is known of all of them together, and where each begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct HeadRow {
    #[n(0)]
    form: u32,
    /// The program's version.
    #[n(1)]
    build: String,
    #[n(2)]
    count: u64,
    #[n(3)]
    changes: u64,
    #[n(4)]
    sum: Digest,
    #[n(5)]
    owned: Vec<OwnedRow>,
    /// Ids one after the other, as in the fields below.
    #[n(6)]
    open: Bytes,
    #[n(7)]
    ending: Bytes,
    /// The dictionary of the rows.
    #[n(8)]
    ids: Bytes,
    #[n(9)]
    texts: Vec<String>,
    /// The first document of each sheet of rows.
    #[n(10)]
    documents: Bytes,
    /// The first sequence of each sheet of places.
    #[n(11)]
    places: Vec<u64>,
    /// The last sequence of all.
    #[n(12)]
    last: u64,
}

/// An inventory at rest.
pub struct Inventory {
    sheets: Arc<dyn Sheets>,
    /// The first document of each sheet of rows, the first sequence of each of places.
    documents: Vec<DocumentId>,
    places: Vec<u64>,
    last: u64,
    opened: Mutex<Opened>,
    broken: AtomicBool,
}

/// Sheets at hand; who came first goes first.
#[derive(Default)]
struct Opened {
    sheets: BTreeMap<u32, Sheet>,
    order: VecDeque<u32>,
}

/// What an inventory says of all its documents together.
pub(super) struct Account {
    pub count: u64,
    pub changes: u64,
    pub sum: [u8; 32],
    pub owned: BTreeMap<BureauId, Owned>,
    pub open: BTreeSet<DocumentId>,
    pub ending: BTreeSet<DocumentId>,
    pub words: Words,
}

/// A sheet of rows or places, looked through once.
#[derive(Clone)]
struct Sheet(Arc<[u8]>);

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl Sheet {
    /// A sheet of rows, if it is one.
    fn of_rows(bytes: Arc<[u8]>) -> Option<Self> {
        let sheet = Self(bytes);
        let count = usize::from(u16::from_le_bytes(number(&sheet.0, 0)?));
        let mut end = Self::rows_at(count);
        for at in 0..count {
            let next = Self::rows_at(count) + u32::from_le_bytes(number(&sheet.0, 2 + count * 32 + at * 4)?) as usize;
            // At least its form.
            if next <= end || next > sheet.0.len() {
                return None;
            }
            end = next;
        }
        (count > 0 && end == sheet.0.len()).then_some(sheet)
    }

    /// A sheet of places, if it is one.
    fn of_places(bytes: Arc<[u8]>) -> Option<Self> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(PLACE)).then_some(Self(bytes))
    }

    fn rows_at(count: usize) -> usize {
        2 + count * 36
    }

    fn rows(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    fn document(&self, at: usize) -> DocumentId {
        DocumentId(number(&self.0, 2 + at * 32).expect("it was looked through"))
    }

    fn end(&self, at: usize) -> usize {
        let count = self.rows();
        Self::rows_at(count) + u32::from_le_bytes(number(&self.0, 2 + count * 32 + at * 4).expect("it was looked through")) as usize
    }

    /// Where the row of a document lies, with its form.
    fn row(&self, at: usize) -> std::ops::Range<usize> {
        let begins = if at == 0 { Self::rows_at(self.rows()) } else { self.end(at - 1) };
        begins..self.end(at)
    }

    /// The first row of a document from this one on.
    fn from(&self, document: &DocumentId) -> usize {
        first_from(self.rows(), |at| self.document(at) < *document)
    }

    fn places(&self) -> usize {
        self.0.len() / PLACE
    }

    fn place(&self, at: usize) -> (u64, DocumentId) {
        let (seq, document) = (number(&self.0, at * PLACE), number(&self.0, at * PLACE + 8));
        (u64::from_le_bytes(seq.expect("it was looked through")), DocumentId(document.expect("it was looked through")))
    }
}

/// The first of `count` that is not before what is looked for.
fn first_from(count: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

fn ids(bytes: &[u8]) -> Option<Vec<[u8; 32]>> {
    let (ids, rest) = bytes.as_chunks();
    rest.is_empty().then(|| ids.to_vec())
}

fn laid<'a>(ids: impl Iterator<Item = &'a [u8; 32]>) -> Bytes {
    Bytes(ids.flatten().copied().collect())
}

impl Inventory {
    /// An inventory whose head and sheets are kept by somebody.
    ///
    /// # Errors
    /// [`RowError`] for a head that is none, or of another form or build: then it is written anew.
    pub(super) fn open(head: &[u8], sheets: Arc<dyn Sheets>) -> Result<(Self, Account), RowError> {
        let bad = |why: &str| RowError { table: "inventory", why: why.to_owned() };
        let head: HeadRow = read("inventory", head)?;
        if (head.form, head.build.as_str()) != (FORM, env!("CARGO_PKG_VERSION")) {
            return Err(bad("of another form"));
        }
        let of = |bytes: &Bytes| ids(&bytes.0).ok_or_else(|| bad("ids"));
        let set = |bytes: &Bytes| Ok::<BTreeSet<DocumentId>, RowError>(of(bytes)?.into_iter().map(DocumentId).collect());
        let documents: Vec<DocumentId> = of(&head.documents)?.into_iter().map(DocumentId).collect();
        if !documents.is_sorted() || !head.places.is_sorted() || u32::try_from(documents.len() + head.places.len()).is_err() {
            return Err(bad("not in order"));
        }
        let account = Account {
            count: head.count,
            changes: head.changes,
            sum: head.sum.0,
            owned: head.owned.iter().map(|row| (row.bureau, Owned { count: row.count, newest: row.newest })).collect(),
            open: set(&head.open)?,
            ending: set(&head.ending)?,
            words: Words::of(of(&head.ids)?, head.texts).ok_or_else(|| bad("words"))?,
        };
        let opened = Mutex::default();
        Ok((Self { sheets, documents, places: head.places, last: head.last, opened, broken: AtomicBool::new(false) }, account))
    }

    /// Whether a sheet could not be read: what was answered since may leave documents out.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// The last sequence of all.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How many documents changed behind a sequence, about.
    pub(super) fn about_after(&self, seq: u64) -> usize {
        let before = first_from(self.places.len(), |at| self.places[at] <= seq).saturating_sub(1);
        (self.places.len() - before) * (SHEET_BYTES / PLACE)
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self, number: u32) -> Option<Sheet> {
        self.opened().sheets.get(&number).cloned()
    }

    /// A sheet that is looked at once: it takes no other's place.
    fn pass_by(&self, number: u32, look: fn(Arc<[u8]>) -> Option<Sheet>) -> Option<Sheet> {
        self.at_hand(number).or_else(|| self.read(number, look))
    }

    fn read(&self, number: u32, look: fn(Arc<[u8]>) -> Option<Sheet>) -> Option<Sheet> {
        let sheet = self.sheets.sheet(number).and_then(look);
        if sheet.is_none() {
            self.broken.store(true, Ordering::Relaxed);
        }
        sheet
    }

    /// A sheet, which stays open for a while.
    fn sheet(&self, number: u32, look: fn(Arc<[u8]>) -> Option<Sheet>) -> Option<Sheet> {
        if let Some(sheet) = self.at_hand(number) {
            return Some(sheet);
        }
        let sheet = self.read(number, look)?;
        let mut opened = self.opened();
        if opened.sheets.insert(number, sheet.clone()).is_none() {
            opened.order.push_back(number);
            if opened.order.len() > SHEETS_OPEN_MAX
                && let Some(oldest) = opened.order.pop_front()
            {
                opened.sheets.remove(&oldest);
            }
        }
        Some(sheet)
    }

    fn rows_sheet(&self, at: usize) -> Option<Sheet> {
        let number = u32::try_from(at).ok().filter(|_| at < self.documents.len())?;
        self.pass_by(number, Sheet::of_rows)
    }

    fn places_sheet(&self, at: usize) -> Option<Sheet> {
        let number = u32::try_from(self.documents.len() + at).ok().filter(|_| at < self.places.len())?;
        self.sheet(number, Sheet::of_places)
    }

    /// The row of a document.
    pub(super) fn line<'a>(&self, document: &DocumentId, words: &'a Words) -> Option<Line<'a>> {
        let sheet = first_from(self.documents.len(), |at| self.documents[at] <= *document).checked_sub(1)?;
        let sheet = self.sheet(u32::try_from(sheet).ok()?, Sheet::of_rows)?;
        let at = sheet.from(document);
        (at < sheet.rows() && sheet.document(at) == *document).then(|| read_row(&sheet, at, words))
    }

    /// Its rows from a document on, ascending.
    pub(super) fn range<'a>(&'a self, from: &DocumentId, words: &'a Words) -> Rows<'a> {
        let sheet = first_from(self.documents.len(), |at| self.documents[at] <= *from).saturating_sub(1);
        let mut rows = Rows { inventory: self, words, number: sheet, sheet: self.rows_sheet(sheet), at: 0 };
        rows.at = rows.sheet.as_ref().map_or(0, |sheet| sheet.from(from));
        rows
    }

    /// Its places behind a sequence, ascending.
    pub(super) fn places_after(&self, seq: u64) -> Places<'_> {
        let sheet = first_from(self.places.len(), |at| self.places[at] <= seq).saturating_sub(1);
        let mut places = Places { inventory: self, number: sheet, sheet: self.places_sheet(sheet), at: 0 };
        places.at = places.sheet.as_ref().map_or(0, |sheet| first_from(sheet.places(), |at| sheet.place(at).0 <= seq));
        places
    }

    /// Its places before a sequence, descending; all of them without one.
    pub(super) fn places_before(&self, seq: Option<u64>) -> PlacesBack<'_> {
        let before = |place: u64| seq.is_none_or(|seq| place < seq);
        let sheet = first_from(self.places.len(), |at| before(self.places[at])).saturating_sub(1);
        let mut places = PlacesBack { inventory: self, number: sheet, sheet: self.places_sheet(sheet), left: 0 };
        places.left = places.sheet.as_ref().map_or(0, |sheet| first_from(sheet.places(), |at| before(sheet.place(at).0)));
        places
    }
}

fn read_row<'a>(sheet: &Sheet, at: usize, words: &'a Words) -> Line<'a> {
    let (document, row) = (sheet.document(at), sheet.row(at));
    let form = sheet.0[row.start];
    let packed = Packed::on_sheet(document, Arc::clone(&sheet.0), row.start + 1..row.end, words);
    Line(if form == PACKED { Lies::Packed(packed) } else { Lies::Sheet(packed, OnceCell::new()) })
}

/// Rows of an inventory, one after the other.
pub struct Rows<'a> {
    inventory: &'a Inventory,
    words: &'a Words,
    number: usize,
    sheet: Option<Sheet>,
    at: usize,
}

impl Rows<'_> {
    /// Goes to the next sheet where this one is through.
    fn turn(&mut self) -> Option<&Sheet> {
        if self.sheet.as_ref().is_some_and(|sheet| self.at >= sheet.rows()) {
            self.number += 1;
            self.sheet = self.inventory.rows_sheet(self.number);
            self.at = 0;
        }
        self.sheet.as_ref()
    }

    /// The document the next row is of.
    pub fn peek(&mut self) -> Option<DocumentId> {
        self.turn()?;
        Some(self.sheet.as_ref()?.document(self.at))
    }

    /// Passes over a row.
    pub fn pass(&mut self) {
        self.turn();
        self.at += 1;
    }

    /// The next row as it is written, form and all.
    fn next_raw(&mut self) -> Option<(DocumentId, Sheet, std::ops::Range<usize>)> {
        let sheet = self.turn()?.clone();
        let at = self.at;
        self.at += 1;
        Some((sheet.document(at), sheet.clone(), sheet.row(at)))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let words = self.words;
        self.turn()?;
        let at = self.at;
        self.at += 1;
        Some(read_row(self.sheet.as_ref()?, at, words))
    }
}

/// Places of an inventory, ascending.
pub struct Places<'a> {
    inventory: &'a Inventory,
    number: usize,
    sheet: Option<Sheet>,
    at: usize,
}

impl Iterator for Places<'_> {
    type Item = (u64, DocumentId);

    fn next(&mut self) -> Option<Self::Item> {
        if self.sheet.as_ref()?.places() <= self.at {
            self.number += 1;
            self.sheet = self.inventory.places_sheet(self.number);
            self.at = 0;
        }
        let place = self.sheet.as_ref()?.place(self.at);
        self.at += 1;
        Some(place)
    }
}

/// Places of an inventory, descending.
pub struct PlacesBack<'a> {
    inventory: &'a Inventory,
    number: usize,
    sheet: Option<Sheet>,
    /// How many of the sheet's are still to come.
    left: usize,
}

impl Iterator for PlacesBack<'_> {
    type Item = (u64, DocumentId);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            self.number = self.number.checked_sub(1)?;
            self.sheet = self.inventory.places_sheet(self.number);
            self.left = self.sheet.as_ref()?.places();
        }
        self.left -= 1;
        Some(self.sheet.as_ref()?.place(self.left))
    }
}

/// An inventory being taken: everything that is in it, as it stood at one moment, to be written by another thread.
pub struct Taking {
    pub(super) before: Option<Arc<Inventory>>,
    pub(super) layer: Arc<Layer>,
    pub(super) account: Account,
}

impl Taking {
    /// Writes it: sheet after sheet, then answers the head. `put` is handed the sheets in their order.
    ///
    /// # Errors
    /// What `put` answers; `None` when the inventory before does not read any more.
    pub fn write<E>(&self, put: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<Option<Vec<u8>>, E> {
        let mut words = self.account.words.clone();
        // Nobody else would know a number that is given here.
        words.close();
        let mut writing = Writing { put, sheet: RowsSheet::default(), documents: Vec::new() };
        let mut told = Told::default();
        let mut before = self.before.as_ref().map(|before| before.range(&DocumentId([0; 32]), &self.account.words));
        let mut since = self.layer.rows.iter().peekable();
        loop {
            let old = before.as_mut().and_then(Rows::peek);
            let new = since.peek().map(|(document, _)| **document);
            let Some(next) = old.into_iter().chain(new).min() else { break };
            if new == Some(next) {
                let slot = since.next().and_then(|(_, slot)| slot.as_ref());
                if old == Some(next) {
                    before.as_mut().into_iter().for_each(Rows::pass);
                }
                let Some(slot) = slot else { continue };
                let (form, bytes) = match slot {
                    Slot::Packed(bytes) => (PACKED, Cow::Borrowed(&**bytes)),
                    Slot::Whole(summary) => {
                        let row = summary.to_bytes();
                        // Whoever reads it back has nobody to tell that it does not read.
                        if Summary::from_bytes(next, &row).is_err() {
                            return Ok(None);
                        }
                        (WHOLE, Cow::Owned([pack_head(summary, &mut words), row].concat()))
                    }
                };
                told.note(&Packed::read(next, &bytes, &words), form);
                writing.row(next, form, &bytes)?;
            } else if let Some((document, sheet, row)) = before.as_mut().and_then(Rows::next_raw) {
                let (form, bytes) = (sheet.0[row.start], &sheet.0[row.start + 1..row.end]);
                told.note(&Packed::read(document, bytes, &words), form);
                writing.row(document, form, bytes)?;
            }
        }
        // Anything else than what was counted all along is no inventory.
        let counted = (self.account.count, self.account.changes, self.account.sum);
        if self.before.as_ref().is_some_and(|before| before.is_broken()) || (told.count, told.changes, told.sum) != counted {
            return Ok(None);
        }
        writing.turn()?;
        let documents = writing.documents;
        let Told { mut places, used, .. } = told;
        places.sort_unstable();
        let mut firsts = Vec::new();
        for sheet in places.chunks(SHEET_BYTES / PLACE) {
            firsts.extend(sheet.first().map(|(seq, _)| *seq));
            let bytes: Vec<u8> = sheet.iter().flat_map(|(seq, document)| seq.to_le_bytes().into_iter().chain(document.0)).collect();
            put(&bytes)?;
        }
        let account = &self.account;
        // What only documents used that are gone leaves no trace.
        let (ids, texts) = words.told(&used);
        let owned = account.owned.iter().filter(|(_, owned)| owned.count > 0);
        Ok(Some(write(&HeadRow {
            form: FORM,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            count: account.count,
            changes: account.changes,
            sum: Digest(account.sum),
            owned: owned.map(|(bureau, owned)| OwnedRow { bureau: *bureau, count: owned.count, newest: owned.newest }).collect(),
            open: laid(account.open.iter().map(|id| &id.0)),
            ending: laid(account.ending.iter().map(|id| &id.0)),
            ids: laid(ids.iter()),
            texts,
            documents: laid(documents.iter().map(|id| &id.0)),
            places: firsts,
            last: places.last().map_or(0, |(seq, _)| *seq),
        })))
    }
}

/// What was written, to be compared with what was counted, and what the head has to say.
#[derive(Default)]
struct Told {
    count: u64,
    changes: u64,
    sum: [u8; 32],
    places: Vec<(u64, DocumentId)>,
    used: Used,
}

impl Told {
    fn note(&mut self, row: &Packed<'_>, form: u8) {
        self.count += 1;
        self.changes = self.changes.wrapping_add(row.head.changes);
        toggle(&mut self.sum, &row.head.entry);
        self.places.push((row.head.newest_seq, row.head.document));
        row.note_used(form != PACKED, &mut self.used);
    }
}

/// A sheet of rows that is being filled.
#[derive(Default)]
struct RowsSheet {
    documents: Vec<DocumentId>,
    ends: Vec<u32>,
    rows: Vec<u8>,
}

struct Writing<'a, E> {
    put: &'a mut dyn FnMut(&[u8]) -> Result<(), E>,
    sheet: RowsSheet,
    documents: Vec<DocumentId>,
}

impl<E> Writing<'_, E> {
    fn row(&mut self, document: DocumentId, form: u8, bytes: &[u8]) -> Result<(), E> {
        let sheet = &mut self.sheet;
        sheet.documents.push(document);
        sheet.rows.push(form);
        sheet.rows.extend_from_slice(bytes);
        // A row is no longer than the store's longest value.
        sheet.ends.push(u32::try_from(sheet.rows.len()).expect("a sheet is turned long before"));
        if Sheet::rows_at(sheet.documents.len()) + sheet.rows.len() >= SHEET_BYTES { self.turn() } else { Ok(()) }
    }

    fn turn(&mut self) -> Result<(), E> {
        let sheet = std::mem::take(&mut self.sheet);
        let Some(first) = sheet.documents.first() else { return Ok(()) };
        self.documents.push(*first);
        let count = u16::try_from(sheet.documents.len()).expect("a sheet is turned long before");
        let mut bytes = Vec::with_capacity(Sheet::rows_at(sheet.documents.len()) + sheet.rows.len());
        bytes.extend_from_slice(&count.to_le_bytes());
        sheet.documents.iter().for_each(|document| bytes.extend_from_slice(&document.0));
        sheet.ends.iter().for_each(|end| bytes.extend_from_slice(&end.to_le_bytes()));
        bytes.extend_from_slice(&sheet.rows);
        (self.put)(&bytes)
    }
}

/// An inventory in memory: for tests, and for whoever has no disk.
#[derive(Default)]
pub struct InMemory(pub Vec<Arc<[u8]>>);

impl Sheets for InMemory {
    fn sheet(&self, number: u32) -> Option<Arc<[u8]>> {
        self.0.get(number as usize).cloned()
    }
}

#[cfg(test)]
mod tests;
