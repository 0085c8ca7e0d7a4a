//! A summary as it lies in memory and in the inventory: a row of bytes of its size, made for a million of them.
//!
//! It is written and read by the same build of the program, never sent, and stored only where it is sealed and may be missing (see `inventory`,
//! whose form is to be raised when anything here changes). So reading it does not fail. Only what most documents are like is written so;
//! [`pack`] declines the rest, which is kept as it is.
//!
//! ```text
//! flags (2) ‖ category ‖ entry (32) ‖ owner ‖ created ‖ changes ‖ changes - settled ‖ held ‖ newest_seq ‖ newest_record - created
//!   ‖ [ended_at - created] ‖ subkind ‖ title ‖ number ‖ given ‖ holders ‖ [what is over] ‖ [contributors]
//! ```
//!
//! Numbers are of as many bytes as they need, 7 bits each. Ids that stand in many rows are a number of [`Words`].

use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::words::{Used, Words};
use crate::access::log::{Held, Kind, Rights, SharedMap};
use crate::agreement::{Category, Tlp, Verb};
use crate::bureau::few::Few;
use crate::bureau::rows::{Summary, contributors_of};
use crate::id::{AgreementId, BureauId, Digest, DocumentId, RecordId};
use crate::time::WallSeconds;

const ADOPTED: u16 = 1;
const ENDED: u16 = 1 << 1;
const QUOTES: u16 = 1 << 2;
const TORN: u16 = 1 << 3;
const FOREIGN: u16 = 1 << 4;
const HIDDEN: u16 = 1 << 5;
/// It ended because its time was over.
const ENDED_AT: u16 = 1 << 6;
/// Somebody held it and does no more.
const OVER: u16 = 1 << 7;
/// Bureaus other than the owner wrote in it.
const CONTRIBUTORS: u16 = 1 << 8;
/// What a holder has ends by itself.
const ENDS: u16 = 1 << 14;
/// Two bits.
const KIND_AT: u16 = 9;
/// Three bits.
const TLP_AT: u16 = 11;

/// Of one holder. Two bits are its verb, three its ceiling.
const VERB_BITS: u64 = 0b11;
const CEILING_AT: u64 = 2;
const NO_FOURTH: u64 = 1 << 5;
const UNTIL: u64 = 1 << 6;
/// The record that let it in: where neither is set, it is the one that founded the document.
const RECORD_AS_BEFORE: u64 = 1 << 7;
const RECORD: u64 = 1 << 8;

const KINDS: [Kind; 3] = [Kind::Bulletin, Kind::Draft, Kind::Case];
const TLPS: [Tlp; 5] = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red];
const VERBS: [Verb; 3] = [Verb::Read, Verb::Append, Verb::Request];

fn number_of_kind(kind: Kind) -> u16 {
    match kind {
        Kind::Bulletin => 0,
        Kind::Draft => 1,
        Kind::Case => 2,
    }
}

fn number_of_tlp(tlp: Tlp) -> u16 {
    match tlp {
        Tlp::Clear => 0,
        Tlp::Green => 1,
        Tlp::Amber => 2,
        Tlp::AmberStrict => 3,
        Tlp::Red => 4,
    }
}

fn number_of_verb(verb: Verb) -> u64 {
    match verb {
        Verb::Read => 0,
        Verb::Append => 1,
        Verb::Request => 2,
    }
}

/// What most questions about a document ask: of numbers and ids alone, so that a walk over a million of them allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub document: DocumentId,
    pub owner: BureauId,
    pub kind: Kind,
    pub category: Category,
    pub tlp: Tlp,
    pub created: WallSeconds,
    pub changes: u64,
    pub settled: u64,
    pub held: u64,
    pub adopted: bool,
    pub ended: bool,
    pub quotes: bool,
    pub newest_record: WallSeconds,
    pub ended_at: Option<WallSeconds>,
    pub torn: bool,
    pub entry: Digest,
    pub newest_seq: u64,
    pub foreign: bool,
    pub hidden: bool,
}

impl Head {
    /// Of a summary.
    pub fn of(summary: &Summary) -> Self {
        Self {
            document: summary.document,
            owner: summary.owner,
            kind: summary.kind,
            category: summary.category,
            tlp: summary.tlp,
            created: summary.created,
            changes: summary.changes,
            settled: summary.settled,
            held: summary.held,
            adopted: summary.adopted,
            ended: summary.ended,
            quotes: summary.quotes,
            newest_record: summary.newest_record,
            ended_at: summary.ended_at,
            torn: summary.torn,
            entry: summary.entry,
            newest_seq: summary.newest_seq,
            foreign: summary.foreign,
            hidden: summary.hidden,
        }
    }

    /// Whether it waits for something: see [`Documents::open`](super::Documents::open).
    pub fn is_open(&self) -> bool {
        !self.adopted || self.settled < self.changes || self.torn || self.held > 0
    }
}

/// Lines of bureaus in one row: reading it and looking somebody up in it cost as much as it has. Of a document that is given to more of them there is
/// a summary, made once.
const LINES_MAX: usize = 128;

/// Whether everything of a summary has a place in a row: few lines, no consents, no denials, no lost grants.
fn is_plain(summary: &Summary) -> bool {
    let rights = &*summary.rights;
    let lines = rights.bureaus.len() + rights.until_end.len() + rights.parted.len() + summary.contributors.len();
    let no_consents = |held: &SharedMap<BureauId, Held>| held.iter().all(|(_, held)| held.consents.is_empty());
    lines <= LINES_MAX
        && summary.lost.is_empty()
        && !rights.denies_anybody()
        && no_consents(&rights.bureaus)
        && no_consents(&rights.until_end)
        && rights.parted_via.keys().all(|bureau| rights.parted.contains_key(bureau))
        && summary.granted_seq.keys().eq(rights.bureaus.keys())
        && summary.parted_seq.keys().eq(rights.all_parted().keys())
}

/// The row of a summary, or none for one that is not like most.
pub fn pack(summary: &Summary, words: &mut Words) -> Option<Box<[u8]>> {
    if !is_plain(summary) {
        return None;
    }
    let mut out = head_of(summary, words);
    write_rest(summary, &mut out);
    // A copy of its size: what is left of a larger one cut short lies in pieces between the others.
    Some(Box::from(out.out.as_slice()))
}

/// The head of a row alone, for one that is not like most: what else it says follows in another way.
pub fn pack_head(summary: &Summary, words: &mut Words) -> Vec<u8> {
    head_of(summary, words).out
}

fn is_over(rights: &Rights) -> bool {
    rights.ended.is_some() || !rights.until_end.is_empty() || !rights.parted.is_empty()
}

fn head_of<'a>(summary: &Summary, words: &'a mut Words) -> Writer<'a> {
    let rights = &*summary.rights;
    let flags = [
        (summary.adopted, ADOPTED),
        (summary.ended, ENDED),
        (summary.quotes, QUOTES),
        (summary.torn, TORN),
        (summary.foreign, FOREIGN),
        (summary.hidden, HIDDEN),
        (summary.ended_at.is_some(), ENDED_AT),
        (is_over(rights), OVER),
        (!summary.contributors.is_empty(), CONTRIBUTORS),
        (rights.bureaus.iter().any(|(_, held)| held.until.is_some()), ENDS),
    ];
    let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
    let flags = flags | number_of_kind(summary.kind) << KIND_AT | number_of_tlp(summary.tlp) << TLP_AT;
    let created = summary.created.0;
    let mut out = Writer { out: Vec::with_capacity(256), words, document: summary.document, before: RecordId(summary.document.0) };
    out.out.extend_from_slice(&flags.to_le_bytes());
    out.out.push(summary.category as u8);
    out.out.extend_from_slice(&summary.entry.0);
    out.id(Some(&summary.owner.0));
    for number in [
        created,
        summary.changes,
        summary.changes.wrapping_sub(summary.settled),
        summary.held,
        summary.newest_seq,
        summary.newest_record.0.wrapping_sub(created),
    ] {
        out.number(number);
    }
    if let Some(at) = summary.ended_at {
        out.number(at.0.wrapping_sub(created));
    }
    out
}

fn write_rest(summary: &Summary, out: &mut Writer<'_>) {
    let (rights, created) = (&*summary.rights, summary.created.0);
    match out.words.number_of_text(&summary.subkind) {
        Some(number) => out.number(number + 1),
        None => {
            out.number(0);
            out.text(&summary.subkind);
        }
    }
    out.text(&summary.title);
    out.text(&summary.number);
    out.number(summary.given.len() as u64);
    summary.given.keys().for_each(|bureau| out.id(Some(&bureau.0)));
    out.number(rights.bureaus.len() as u64);
    for (bureau, held) in &rights.bureaus {
        out.held(bureau, held, created);
    }
    for seq in summary.granted_seq.values() {
        out.number(summary.newest_seq.wrapping_sub(*seq));
    }
    if is_over(rights) {
        out.record(rights.ended.as_ref());
        out.number(rights.until_end.len() as u64);
        for (bureau, held) in &rights.until_end {
            out.held(bureau, held, created);
        }
        out.number(rights.parted.len() as u64);
        for (bureau, record) in &rights.parted {
            out.id(Some(&bureau.0));
            out.record(Some(record));
            out.id(rights.parted_via.get(bureau).map(|via| &via.0));
        }
        for seq in summary.parted_seq.values() {
            out.number(summary.newest_seq.wrapping_sub(*seq));
        }
    }
    if !summary.contributors.is_empty() {
        out.number(summary.contributors.len() as u64);
        for (bureau, settled) in &*summary.contributors {
            out.id(Some(&bureau.0));
            out.number(u64::from(*settled));
        }
    }
}

struct Writer<'a> {
    out: Vec<u8>,
    words: &'a mut Words,
    document: DocumentId,
    /// The last record that was written out: several holders are mostly let in, or let go, by one.
    before: RecordId,
}

impl Writer<'_> {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }
    /// 0 is none, 1 written out.
    fn id(&mut self, id: Option<&[u8; 32]>) {
        let Some(id) = id else { return self.number(0) };
        match self.words.number_of(id) {
            Some(number) => self.number(number + 2),
            None => {
                self.number(1);
                self.out.extend_from_slice(id);
            }
        }
    }
    /// 0 is none, 1 the one that founded the document, 2 the one before, 3 written out.
    fn record(&mut self, record: Option<&RecordId>) {
        match record {
            None => self.number(0),
            Some(record) if record.0 == self.document.0 => self.number(1),
            Some(record) if *record == self.before => self.number(2),
            Some(record) => {
                self.number(3);
                self.write_out(record);
            }
        }
    }
    fn write_out(&mut self, record: &RecordId) {
        self.out.extend_from_slice(&record.0);
        self.before = *record;
    }
    fn held(&mut self, bureau: &BureauId, held: &Held, created: u64) {
        let record = match held.record {
            record if record.0 == self.document.0 => 0,
            record if record == self.before => RECORD_AS_BEFORE,
            _ => RECORD,
        };
        let ceiling = held.tlp.map_or(0, |tlp| u64::from(number_of_tlp(tlp)) + 1);
        let limits = if held.no_fourth { NO_FOURTH } else { 0 } | if held.until.is_some() { UNTIL } else { 0 };
        self.id(Some(&bureau.0));
        self.number(number_of_verb(held.verb) | ceiling << CEILING_AT | limits | record);
        if record == RECORD {
            self.write_out(&held.record);
        }
        self.number(held.since.0.wrapping_sub(created));
        self.id(held.agreement.as_ref().map(|id| &id.0));
        self.id(held.via.as_ref().map(|id| &id.0));
        if let Some(until) = held.until {
            self.number(until.0);
        }
        self.number(u64::from(held.came));
    }
}

/// Reads on in a row.
struct Reader<'a> {
    rest: &'a [u8],
    words: &'a Words,
    document: DocumentId,
    before: RecordId,
    used: Option<&'a mut Used>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_first_chunk().expect("written by this program");
        self.rest = rest;
        *taken
    }
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let [byte] = self.array();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }
    fn count(&mut self) -> usize {
        self.number() as usize
    }
    fn text(&mut self) -> &'a str {
        let count = self.count();
        std::str::from_utf8(self.take(count)).expect("written by this program")
    }
    fn word(&mut self) -> &'a str {
        match self.number() {
            0 => self.text(),
            number => {
                if let Some(used) = &mut self.used {
                    used.texts.insert(number - 1);
                }
                self.words.text(number - 1)
            }
        }
    }
    fn id(&mut self) -> Option<[u8; 32]> {
        match self.number() {
            0 => None,
            1 => Some(self.array()),
            number => {
                if let Some(used) = &mut self.used {
                    used.ids.insert(number - 2);
                }
                Some(self.words.id(number - 2))
            }
        }
    }
    fn bureau(&mut self) -> BureauId {
        BureauId(self.id().expect("written by this program"))
    }
    fn record(&mut self) -> Option<RecordId> {
        match self.number() {
            0 => None,
            1 => Some(RecordId(self.document.0)),
            2 => Some(self.before),
            _ => Some(self.written_out()),
        }
    }
    fn written_out(&mut self) -> RecordId {
        self.before = RecordId(self.array());
        self.before
    }
    fn held(&mut self, created: u64) -> (BureauId, Held) {
        let bureau = self.bureau();
        let flags = self.number();
        let record = match flags & (RECORD | RECORD_AS_BEFORE) {
            0 => RecordId(self.document.0),
            RECORD_AS_BEFORE => self.before,
            _ => self.written_out(),
        };
        let since = WallSeconds(created.wrapping_add(self.number()));
        let (agreement, via) = (self.id().map(AgreementId), self.id().map(BureauId));
        let until = (flags & UNTIL != 0).then(|| WallSeconds(self.number()));
        let held = Held {
            verb: VERBS[(flags & VERB_BITS) as usize],
            record,
            since,
            agreement,
            via,
            tlp: (flags >> CEILING_AT & 0b111).checked_sub(1).map(|number| TLPS[number as usize]),
            until,
            no_fourth: flags & NO_FOURTH != 0,
            came: u32::try_from(self.number()).expect("written by this program"),
            consents: BTreeMap::new(),
        };
        (bureau, held)
    }
    fn all_held(&mut self, created: u64) -> SharedMap<BureauId, Held> {
        (0..self.count()).map(|_| self.held(created)).collect()
    }
}

/// The bytes of a row.
#[derive(Clone)]
enum Bytes<'a> {
    Here(&'a [u8]),
    /// On a sheet of the inventory, from here to there.
    Sheet(Arc<[u8]>, Range<usize>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Sheet(sheet, row) => &sheet[row.clone()],
        }
    }
}

/// A row of which the head was read.
#[derive(Clone)]
pub struct Packed<'a> {
    /// Its head.
    pub head: Head,
    flags: u16,
    bytes: Bytes<'a>,
    /// Where its words begin.
    behind_head: usize,
    words: &'a Words,
}

impl<'a> Packed<'a> {
    /// A row that [`pack`] wrote, with the same words.
    pub fn read(document: DocumentId, bytes: &'a [u8], words: &'a Words) -> Self {
        Self::of(document, Bytes::Here(bytes), words)
    }

    /// The same, of a row on a sheet of the inventory.
    pub fn on_sheet(document: DocumentId, sheet: Arc<[u8]>, row: Range<usize>, words: &'a Words) -> Self {
        Self::of(document, Bytes::Sheet(sheet, row), words)
    }

    fn of(document: DocumentId, bytes: Bytes<'a>, words: &'a Words) -> Self {
        let mut row = Reader { rest: &bytes, words, document, before: RecordId(document.0), used: None };
        let flags = u16::from_le_bytes(row.array());
        let [category] = row.array();
        let entry = Digest(row.array());
        let owner = row.bureau();
        let (created, changes, unsettled, held) = (row.number(), row.number(), row.number(), row.number());
        let (newest_seq, newest_record) = (row.number(), row.number());
        let ended_at = (flags & ENDED_AT != 0).then(|| WallSeconds(created.wrapping_add(row.number())));
        let is = |flag| flags & flag != 0;
        let head = Head {
            document,
            owner,
            kind: KINDS[usize::from(flags >> KIND_AT & 0b11)],
            category: Category::ALL[usize::from(category)],
            tlp: TLPS[usize::from(flags >> TLP_AT & 0b111)],
            created: WallSeconds(created),
            changes,
            settled: changes.wrapping_sub(unsettled),
            held,
            adopted: is(ADOPTED),
            ended: is(ENDED),
            quotes: is(QUOTES),
            newest_record: WallSeconds(created.wrapping_add(newest_record)),
            ended_at,
            torn: is(TORN),
            entry,
            newest_seq,
            foreign: is(FOREIGN),
            hidden: is(HIDDEN),
        };
        let behind_head = bytes.len() - row.rest.len();
        Self { head, flags, bytes, behind_head, words }
    }

    /// The bytes behind the head.
    pub fn behind_head(&self) -> &[u8] {
        &self.bytes[self.behind_head..]
    }

    /// Reads on behind the head.
    fn rest(&self) -> Reader<'_> {
        let document = self.head.document;
        Reader { rest: self.behind_head(), words: self.words, document, before: RecordId(document.0), used: None }
    }

    /// Notes which words the row uses; of a head alone with `head_only`.
    pub fn note_used(&self, head_only: bool, used: &mut Used) {
        let document = self.head.document;
        let mut row = Reader { rest: &self.bytes, words: self.words, document, before: RecordId(document.0), used: Some(used) };
        row.take(2 + 1 + 32);
        row.bureau();
        if !head_only {
            row.rest = self.behind_head();
            self.unpack_from(&mut row);
        }
    }

    /// Whether what somebody holds may end by itself.
    pub fn may_end(&self) -> bool {
        self.flags & ENDS != 0
    }

    /// Whether it ended, or somebody was cut.
    pub fn is_over(&self) -> bool {
        self.flags & OVER != 0
    }

    /// What it is called in the books.
    pub fn number(&self) -> &str {
        let mut row = self.rest();
        let _ = (row.word(), row.text());
        row.text()
    }

    /// Reads on behind its words.
    fn behind_words(&self) -> Reader<'_> {
        let mut row = self.rest();
        if row.number() == 0 {
            let count = row.count();
            row.take(count);
        }
        for _ in 0..2 {
            let count = row.count();
            row.take(count);
        }
        row
    }

    /// Whether a bureau acknowledged something of it.
    pub fn is_given(&self, bureau: &BureauId) -> bool {
        let mut row = self.behind_words();
        (0..row.count()).any(|_| row.bureau() == *bureau)
    }

    /// What a bureau holds.
    pub fn holder(&self, bureau: &BureauId) -> Option<Held> {
        let mut row = self.behind_words();
        for _ in 0..row.count() {
            row.bureau();
        }
        let created = self.head.created.0;
        (0..row.count()).map(|_| row.held(created)).find(|(holder, _)| holder == bureau).map(|(_, held)| held)
    }

    /// All of it.
    pub fn unpack(&self) -> Summary {
        self.unpack_from(&mut self.rest())
    }

    fn unpack_from(&self, row: &mut Reader<'_>) -> Summary {
        let head = self.head;
        let (subkind, title, number) = (row.word().to_owned(), row.text().to_owned(), row.text().to_owned());
        let given: Few<BureauId, ()> = (0..row.count()).map(|_| (row.bureau(), ())).collect();
        let created = head.created.0;
        let mut rights = Rights { bureaus: row.all_held(created), ..Rights::default() };
        let seq = |row: &mut Reader<'_>| head.newest_seq.wrapping_sub(row.number());
        let granted_seq = rights.bureaus.keys().map(|bureau| (*bureau, seq(row))).collect();
        let mut parted_seq = Few::default();
        if self.flags & OVER != 0 {
            rights.ended = row.record();
            rights.until_end = row.all_held(created);
            for _ in 0..row.count() {
                let (bureau, record) = (row.bureau(), row.record().expect("written by this program"));
                rights.note_parted(bureau, record, row.id().map(BureauId));
            }
            parted_seq = rights.all_parted().into_keys().map(|bureau| (bureau, seq(row))).collect();
        }
        let contributors = if self.flags & CONTRIBUTORS == 0 {
            BTreeMap::new()
        } else {
            let settled = |row: &mut Reader<'_>| u32::try_from(row.number()).expect("written by this program");
            (0..row.count()).map(|_| (row.bureau(), settled(row))).collect()
        };
        Summary {
            document: head.document,
            owner: head.owner,
            kind: head.kind,
            category: head.category,
            tlp: head.tlp,
            subkind,
            title,
            number,
            created: head.created,
            changes: head.changes,
            settled: head.settled,
            held: head.held,
            adopted: head.adopted,
            ended: head.ended,
            quotes: head.quotes,
            newest_record: head.newest_record,
            ended_at: head.ended_at,
            torn: head.torn,
            lost: Vec::new(),
            entry: head.entry,
            newest_seq: head.newest_seq,
            rights: Arc::new(rights),
            granted_seq,
            parted_seq,
            given,
            foreign: head.foreign,
            hidden: head.hidden,
            contributors: contributors_of(contributors),
        }
    }
}

#[cfg(test)]
mod tests;
