//! The pair ledger at work: what our registrar states to each partner, what they state to us, and what both count differently.
//!
//! Receipts are written in batches, a little after the last document came; a day is stated once it is over, by a corroborated clock, and the
//! other side's next line countersigns it. Lines are exchanged at greeting by how many of them both hold, in both directions: a node whose
//! store was put back gets its own lines back.

mod open;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::seal::{Sealed, Verified};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::links::Peer;
use super::rows::write;
use super::turn::Turn;
use crate::access::log::Kind;
use crate::id::{BureauId, Bytes, Digest, DocumentId, RecordId, StatementId};
use crate::input::LinkId;
use crate::ledger::{Chain, Daily, Deed, KindCount, Line, ReceiptLine, Says, Taken, check_writer, date_of, day_of, month};
use crate::limits;
use crate::step::Table;
use crate::time::{MonoMillis, WallSeconds};
use crate::view::{
    CountersignedView, LedgerDayView, LedgerDiffView, LedgerDocumentView, LedgerLineView, LedgerView, Refused, RefusedKind, View,
};
use crate::wire::{LedgerCounts, Message};

pub(super) use open::{PairRow, Reading, Standing};

/// Most bytes of lines in one message.
const PAGE_BYTES: usize = 160 * 1024;
/// Second bytes of keys: our lines, theirs, contradictions, what is not yet stated.
const OURS: u8 = 0;
const THEIRS: u8 = 1;
const FORKED: u8 = 2;
const OPEN: u8 = 3;

/// What waits to be stated to one partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct OpenRow {
    #[n(0)]
    version: u8,
    /// The day the counts are of; 0 before the first.
    #[n(1)]
    day: u32,
    #[n(2)]
    given: Vec<KindCount>,
    #[n(3)]
    taken: Vec<KindCount>,
    /// Everything of the partner stored up to here has its receipt.
    #[n(4)]
    receipted: u64,
    /// A day of theirs that waits for our seal.
    #[n(5)]
    countersign: Option<StatementId>,
    /// What of theirs was refused since the last line that said so, with the last references.
    #[n(6)]
    denied: Option<u64>,
    #[n(7)]
    references: Option<Vec<u64>>,
}

/// Who keeps the rows of [`Table::Ledger`] that were handed out to be written.
pub trait Lines: Send + Sync {
    /// The value of a row; none if there is none, or if it cannot be read, of which whoever keeps it tells.
    fn line(&self, key: &[u8]) -> Option<Vec<u8>>;
}

/// The ledger with one partner.
#[derive(Clone, Debug, Default)]
struct Pairing {
    ours: Chain,
    theirs: Chain,
    /// Lines that contradict one held, as many as are kept.
    forks: BTreeSet<StatementId>,
    open: OpenRow,
    /// Documents without their receipt.
    pending: BTreeSet<DocumentId>,
    due: Option<MonoMillis>,
    /// How many of their lines were taken on which of our days: since the start of this node.
    came: (u32, u64),
}

/// Where lines of receipts lie once they are stored.
#[derive(Clone, Default)]
struct Resting {
    /// Without, they stay in memory.
    lines: Option<Arc<dyn Lines>>,
    /// Where somebody without a disk put them, by key.
    in_memory: BTreeMap<Vec<u8>, Box<[u8]>>,
}

impl Resting {
    fn line(&self, partner: &BureauId, direction: u8, n: u64) -> Option<Vec<u8>> {
        let key = key(partner, direction, n);
        match &self.lines {
            Some(lines) => lines.line(&key),
            None => self.in_memory.get(&key).map(|bytes| bytes.to_vec()),
        }
    }
}

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Ledgers {
    pairs: BTreeMap<BureauId, Pairing>,
    journal: [u8; 32],
    resting: Resting,
    /// Pairs with lines that are not known to be stored.
    fresh: BTreeSet<BureauId>,
}

impl Ledgers {
    /// When something is due next.
    pub fn next_wake(&self) -> Option<MonoMillis> {
        self.pairs.values().filter_map(|pairing| pairing.due).min()
    }

    /// Whether lines of receipts are still to be put to rest, by whoever keeps them.
    pub fn is_unstored(&self) -> bool {
        self.resting.lines.is_some() && !self.fresh.is_empty()
    }

    /// Everything handed out so far is on disk.
    pub fn stored(&mut self) {
        if self.resting.lines.is_none() {
            return;
        }
        for partner in std::mem::take(&mut self.fresh) {
            let Some(pairing) = self.pairs.get_mut(&partner) else { continue };
            drop((pairing.ours.stored(), pairing.theirs.stored()));
        }
    }
}

fn add(counts: &mut Vec<KindCount>, kind: Kind) {
    let kind = number(kind);
    match counts.iter_mut().find(|count| count.kind == kind) {
        Some(found) => found.count += 1,
        None => {
            counts.push(KindCount { kind, count: 1 });
            counts.sort();
        }
    }
}

const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Bulletin => 1,
        Kind::Draft => 2,
        Kind::Case => 3,
    }
}

fn kind_word(number: u8) -> &'static str {
    [Kind::Bulletin, Kind::Draft, Kind::Case].into_iter().find(|kind| self::number(*kind) == number).map_or("unknown", Kind::word)
}

fn key(partner: &BureauId, direction: u8, n: u64) -> Vec<u8> {
    [partner.0.as_slice(), &[direction], &n.to_be_bytes()].concat()
}

impl Bureau {
    /// The head of this node's journal as of the last commit: a digest of it goes into the days we state.
    pub fn journal_head(&mut self, head: [u8; 32]) {
        self.ledgers.journal = head;
    }

    // ---- what there is to state ----

    /// A document came from a partner, or work on one of ours: it gets a receipt. On a document of ours it is written at once or not at all:
    /// it tells of the document as its reader, who has just been asked whether it may send, is entitled to know it now.
    pub(super) fn receipt_due(&mut self, turn: &mut Turn, partner: BureauId, document: DocumentId, first: Option<Kind>) {
        let ours = self.documents.line(&document).is_some_and(|line| line.owner == self.identity.bureau);
        if ours && self.registrar_epoch().is_none() {
            return;
        }
        let due = if ours { turn.now.mono } else { turn.now.mono.plus(limits::RECEIPTS_QUIET_MS) };
        self.roll_day(turn, partner);
        let pairing = self.ledgers.pairs.entry(partner).or_default();
        pairing.pending.insert(document);
        let overdue = pairing.due.is_some_and(|earlier| earlier <= turn.now.mono);
        let full = pairing.pending.len() >= limits::RECEIPTS_DUE;
        pairing.due = Some(if overdue || full { turn.now.mono } else { due });
        if let Some(kind) = first {
            add(&mut pairing.open.taken, kind);
            self.keep_open(turn, &partner);
        }
    }

    /// A document of ours is durable at a partner for the first time.
    pub(super) fn given_to(&mut self, turn: &mut Turn, partner: BureauId, kind: Kind) {
        self.roll_day(turn, partner);
        let pairing = self.ledgers.pairs.entry(partner).or_default();
        add(&mut pairing.open.given, kind);
        self.keep_open(turn, &partner);
    }

    /// Something of a partner was refused; told once a day, together.
    pub(super) fn denied_to(&mut self, turn: &mut Turn, partner: BureauId, reference: u64) {
        // Begins the day, so that also who never was given anything hears of it once it is over.
        self.roll_day(turn, partner);
        let open = &mut self.ledgers.pairs.entry(partner).or_default().open;
        if open.day == 0 {
            open.day = day_of(turn.stamp);
        }
        open.denied = Some(open.denied.unwrap_or(0).saturating_add(1));
        let references = open.references.get_or_insert_default();
        references.push(reference);
        if references.len() > limits::DENIAL_REFERENCES_MAX {
            references.remove(0);
        }
        self.keep_open(turn, &partner);
    }

    fn keep_open(&self, turn: &mut Turn, partner: &BureauId) {
        if let Some(pairing) = self.ledgers.pairs.get(partner) {
            turn.put(Table::Ledger, &key(partner, OPEN, 0), write(&OpenRow { version: 1, ..pairing.open.clone() }));
        }
    }

    /// States the day before when a new one has begun. On time alone, so only by a clock that somebody confirmed.
    fn roll_day(&mut self, turn: &mut Turn, partner: BureauId) {
        let today = day_of(turn.stamp);
        let corroborated = self.clock.is_corroborated(turn.now);
        let Some(pairing) = self.ledgers.pairs.get_mut(&partner) else { return };
        if pairing.open.day == 0 {
            pairing.open.day = today;
            return;
        }
        if pairing.open.day >= today || !corroborated || !self.may_state(&partner) {
            return;
        }
        let open = self.ledgers.pairs[&partner].open.clone();
        let journal = self.opaque_journal(&partner);
        if let Some(count) = open.denied.filter(|count| *count > 0) {
            let says = Says::Denials { count, references: open.references.unwrap_or_default() };
            if self.state_line(turn, partner, says)
                && let Some(pairing) = self.ledgers.pairs.get_mut(&partner)
            {
                (pairing.open.denied, pairing.open.references) = (None, None);
                self.keep_open(turn, &partner);
            }
        }
        if self.state_line(turn, partner, Says::Daily(Daily { day: open.day, given: open.given, taken: open.taken, journal }))
            && let Some(pairing) = self.ledgers.pairs.get_mut(&partner)
        {
            pairing.open.day = today;
            pairing.open.given.clear();
            pairing.open.taken.clear();
            self.keep_open(turn, &partner);
        }
    }

    /// A digest of our journal's head that only tells whoever is shown the head that it is this one.
    fn opaque_journal(&self, partner: &BureauId) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord pair journal v1");
        hasher.update(&self.identity.bureau.0).update(&partner.0).update(&self.ledgers.journal);
        Digest(*hasher.finalize().as_bytes())
    }

    // ---- writing ----

    /// Does what is due.
    pub(super) fn ledger_duties(&mut self, turn: &mut Turn) {
        if self.registrar_epoch().is_none() {
            for pairing in self.ledgers.pairs.values_mut() {
                pairing.due = pairing.due.map(|due| due.max(turn.now.mono.plus(limits::RECEIPTS_QUIET_MS)));
            }
            return;
        }
        let now = turn.now.mono;
        let partners: Vec<BureauId> = self.ledgers.pairs.keys().copied().collect();
        for partner in partners {
            if !self.may_state(&partner) {
                if let Some(pairing) = self.ledgers.pairs.get_mut(&partner) {
                    pairing.due = pairing.due.map(|due| due.max(now.plus(limits::RECEIPTS_QUIET_MS)));
                }
                continue;
            }
            self.roll_day(turn, partner);
            if let Some(day) = self.ledgers.pairs.get(&partner).and_then(|pairing| pairing.open.countersign)
                && self.state_line(turn, partner, Says::Countersign { line: day })
                && let Some(pairing) = self.ledgers.pairs.get_mut(&partner)
            {
                pairing.open.countersign = None;
                self.keep_open(turn, &partner);
            }
            if self.ledgers.pairs.get(&partner).is_some_and(|pairing| pairing.due.is_some_and(|due| due <= now)) {
                self.write_receipts(turn, partner);
            }
        }
    }

    fn write_receipts(&mut self, turn: &mut Turn, partner: BureauId) {
        let Some(pairing) = self.ledgers.pairs.get(&partner) else { return };
        let mut lines = Vec::new();
        let mut done = BTreeSet::new();
        let mut missing = Vec::new();
        for document in pairing.pending.iter().take(limits::RECEIPTS_DUE) {
            let Some(summary) = self.documents.line(document) else {
                done.insert(*document);
                continue;
            };
            match self.bodies.get(document) {
                Some(state) => {
                    let head = state.log().head();
                    lines.push(ReceiptLine { document: *document, entry: summary.entry, head, at: turn.stamp });
                    done.insert(*document);
                }
                None if self.cannot_load.contains_key(document) => drop(done.insert(*document)),
                None => missing.push(*document),
            }
        }
        for document in &missing {
            self.want(turn, *document);
        }
        if !lines.is_empty() && !self.state_line(turn, partner, Says::Receipts(lines)) {
            return;
        }
        let sequence = self.sequence;
        let Some(pairing) = self.ledgers.pairs.get_mut(&partner) else { return };
        for document in &done {
            pairing.pending.remove(document);
        }
        pairing.due = match (pairing.pending.is_empty(), !missing.is_empty()) {
            (true, _) => None,
            (false, true) => Some(turn.now.mono.plus(limits::RECEIPTS_QUIET_MS)),
            (false, false) => Some(turn.now.mono),
        };
        if pairing.pending.is_empty() {
            pairing.open.receipted = sequence;
        }
        self.keep_open(turn, &partner);
    }

    /// Whether a line to a partner can be stated. Lines of ours may be in its hands that we no longer hold: then they come back first, or the next
    /// one contradicts them for ever. A pair that may be behind waits until somebody told of it.
    fn may_state(&self, partner: &BureauId) -> bool {
        let held = self.ledgers.pairs.get(partner).map_or(0, |pairing| pairing.ours.len());
        self.registrar_epoch().is_some() && self.silence(partner).is_none() && self.lines_said_held(partner) <= held
    }

    /// Seals a line behind our last one and tells it. `false` when it cannot be: then it is stated later.
    pub(super) fn state_line(&mut self, turn: &mut Turn, partner: BureauId, says: Says) -> bool {
        if !self.may_state(&partner) {
            return false;
        }
        let pairing = self.ledgers.pairs.entry(partner).or_default();
        let line = Line {
            from: self.identity.bureau,
            to: partner,
            n: pairing.ours.len() + 1,
            previous: pairing.ours.head(),
            says,
            at: turn.stamp,
            certificate: self.identity.certificate,
        };
        let (word, n) = (line.says.word(), line.n);
        let Ok(sealed) = Sealed::seal(&self.identity.network, line, &[self.identity.signer.as_ref()]) else { return false };
        let bytes = sealed.to_bytes();
        let Ok(verified) = sealed.verify(&self.identity.network) else { return false };
        // It is new: nothing that is at rest is asked for.
        if pairing.ours.take(verified, &|_| None) != Ok(Taken::New) {
            return false;
        }
        self.ledgers.fresh.insert(partner);
        turn.put(Table::Ledger, &key(&partner, OURS, n), bytes.clone());
        self.count_line(turn, partner, turn.stamp);
        self.account(turn, "ledger", None, Some(partner), Some(self.identity.certificate), word);
        for link in self.live_links(|peer| peer == partner) {
            self.say(link, &Message::Ledger(vec![Bytes(bytes.clone())]), false);
            self.send_dues(turn, link);
        }
        true
    }

    // ---- exchange ----

    /// How many lines of each direction we hold with a bureau; `None` for our own devices.
    pub(super) fn ledger_counts(&self, bureau: &BureauId) -> Option<LedgerCounts> {
        if *bureau == self.identity.bureau {
            return None;
        }
        let pairing = self.ledgers.pairs.get(bureau);
        Some(LedgerCounts { mine: pairing.map_or(0, |p| p.ours.len()), yours: pairing.map_or(0, |p| p.theirs.len()) })
    }

    /// A page of what a peer lacks that holds so many lines: of its own, then of ours. Counts what is on it.
    pub(super) fn ledger_page(&self, bureau: &BureauId, holds: &mut LedgerCounts) -> Option<Message> {
        let pairing = self.ledgers.pairs.get(bureau)?;
        let theirs = |n| self.ledgers.resting.line(bureau, THEIRS, n);
        let ours = |n| self.ledgers.resting.line(bureau, OURS, n);
        let its_own = pairing.theirs.after(holds.mine, &theirs).map(|line| (line, true));
        let mut page = Vec::new();
        let mut size = 0;
        for (bytes, own) in its_own.chain(pairing.ours.after(holds.yours, &ours).map(|line| (line, false))) {
            if !page.is_empty() && (size + bytes.len() > PAGE_BYTES || page.len() >= limits::LINES_PER_MESSAGE) {
                break;
            }
            size += bytes.len();
            page.push(Bytes(bytes));
            *(if own { &mut holds.mine } else { &mut holds.yours }) += 1;
        }
        (!page.is_empty()).then_some(Message::Ledger(page))
    }

    /// Lines a peer brought: its own, and ours that it kept.
    pub(super) fn ledger_came(&mut self, turn: &mut Turn, link: LinkId, peer: &Peer, lines: Vec<Verified<Line>>) {
        let (own, partner) = (self.identity.bureau, peer.bureau());
        let today = day_of(turn.stamp);
        for line in lines {
            let direction = match (line.body().from, line.body().to) {
                (from, to) if from == own && to == partner => OURS,
                (from, to) if from == partner && to == own => THEIRS,
                _ => continue,
            };
            if let Err(why) = check_writer(&self.directory, &line) {
                self.ledger_refused(turn, link, partner, &why.to_string());
                continue;
            }
            let (id, n, made, bytes) = (line.id(), line.body().n, line.body().at, line.sealed().to_bytes());
            let daily = matches!(line.body().says, Says::Daily(_));
            let pairing = self.ledgers.pairs.entry(partner).or_default();
            if pairing.came.0 != today {
                pairing.came = (today, 0);
            }
            if direction == THEIRS && n > pairing.theirs.len() && pairing.came.1 >= limits::LINES_PER_DAY {
                self.ledger_refused(turn, link, partner, "too many lines within a day");
                break;
            }
            let chain = if direction == OURS { &mut pairing.ours } else { &mut pairing.theirs };
            match chain.take(line, &|n| self.ledgers.resting.line(&partner, direction, n)) {
                Ok(Taken::New) => {
                    self.ledgers.fresh.insert(partner);
                    pairing.came.1 += u64::from(direction == THEIRS);
                    turn.put(Table::Ledger, &key(&partner, direction, n), bytes);
                    if daily && direction == THEIRS {
                        pairing.open.countersign = Some(id);
                        self.keep_open(turn, &partner);
                    }
                    self.count_line(turn, partner, made);
                }
                Ok(Taken::Known) => {}
                Ok(Taken::Fork) => {
                    if pairing.forks.len() < limits::LINE_FORKS_MAX && pairing.forks.insert(id) {
                        turn.put(Table::Ledger, &[partner.0.as_slice(), &[FORKED], &id.0].concat(), bytes);
                        self.account(turn, "ledger_fork", None, Some(partner), None, &format!("line {n}"));
                        self.event(turn, "fork", None, Some(partner), "two lines of the pair ledger for one place");
                    }
                }
                Err(why) => {
                    self.ledger_refused(turn, link, partner, &why.to_string());
                    break;
                }
            }
        }
    }

    fn ledger_refused(&mut self, turn: &mut Turn, link: LinkId, partner: BureauId, why: &str) {
        if !self.is_noise(turn, link) {
            self.account(turn, "ledger_refused", None, Some(partner), None, why);
        }
    }

    /// Of each partner the newest day of ours that it countersigned.
    pub(super) fn countersigned(&self) -> Vec<CountersignedView> {
        let of = |partner: &BureauId, pairing: &Pairing| {
            let ours = pairing
                .ours
                .others()
                .filter_map(|line| if let Says::Daily(daily) = &line.body().says { Some((line.id(), daily)) } else { None });
            let days: BTreeMap<StatementId, &Daily> = ours.collect();
            pairing.theirs.others().rev().find_map(|theirs| {
                let Says::Countersign { line } = &theirs.body().says else { return None };
                let daily = days.get(line)?;
                Some(CountersignedView {
                    partner: partner.to_string(),
                    name: self.name_of(partner),
                    day: date_of(daily.day),
                    line: line.to_string(),
                    journal: daily.journal.to_string(),
                    countersign: theirs.id().to_string(),
                    at: theirs.body().at.0,
                    certificate: theirs.body().certificate.to_string(),
                })
            })
        };
        self.ledgers.pairs.iter().filter_map(|(partner, pairing)| of(partner, pairing)).collect()
    }

    /// The lines of every pair, both ways, that say a document arrived.
    pub(super) fn receipt_lines(&self, document: &DocumentId) -> Vec<Verified<Line>> {
        let of = |(partner, pairing): (&BureauId, &Pairing)| {
            let mut lines = self.lines_of(partner, OURS, &pairing.ours, document);
            lines.extend(self.lines_of(partner, THEIRS, &pairing.theirs, document));
            lines
        };
        self.ledgers.pairs.iter().flat_map(of).collect()
    }

    fn lines_of(&self, partner: &BureauId, direction: u8, chain: &Chain, document: &DocumentId) -> Vec<Verified<Line>> {
        chain.receipts_of(document, &self.identity.network, &|n| self.ledgers.resting.line(partner, direction, n)).collect()
    }

    /// What our own registrar receipted of a document, to whom and under which record of its log: what it let in before it knew of a cut.
    pub fn receipted_under(&self, document: &DocumentId) -> Vec<(BureauId, RecordId, Digest)> {
        let mut out = Vec::new();
        for (partner, pairing) in &self.ledgers.pairs {
            for line in self.lines_of(partner, OURS, &pairing.ours, document) {
                let Says::Receipts(receipts) = &line.body().says else { continue };
                out.extend(receipts.iter().filter(|r| r.document == *document).map(|r| (*partner, r.head, r.entry)));
            }
        }
        out
    }

    /// Whether a partner stated to us that it erased what this id names.
    pub(super) fn has_attested(&self, partner: &BureauId, id: &DocumentId) -> bool {
        let said = |says: &Says| matches!(says, Says::Attestation { document, what: Deed::Erased } if document == id);
        self.ledgers.pairs.get(partner).is_some_and(|pairing| pairing.theirs.others().rev().any(|line| said(&line.body().says)))
    }

    // ---- answers ----

    pub(super) fn ledger_show(&self, partner: &str, limit: u64) -> Result<View, Refused> {
        let bureau = self.resolve_partner(partner)?;
        let nothing = Pairing::default();
        let pairing = self.ledgers.pairs.get(&bureau).unwrap_or(&nothing);
        let view = |ours: bool| {
            move |(id, body): (StatementId, Line)| LedgerLineView {
                ours,
                n: body.n,
                at: body.at.0,
                says: body.says.word().to_owned(),
                id: id.to_string(),
                words: told(&body.says),
            }
        };
        let mut lines: Vec<LedgerLineView> = Vec::new();
        for (ours, direction, chain) in [(true, OURS, &pairing.ours), (false, THEIRS, &pairing.theirs)] {
            let from = chain.len().saturating_sub(limit) + 1;
            let at_rest = |n| self.ledgers.resting.line(&bureau, direction, n);
            lines.extend(chain.lines(from, &self.identity.network, &at_rest).map(view(ours)));
        }
        lines.sort_by_key(|line| (line.at, line.ours, line.n));
        Ok(View::Ledger(LedgerView {
            partner: bureau.to_string(),
            name: self.name_of(&bureau),
            ours: pairing.ours.len(),
            theirs: pairing.theirs.len(),
            forks: pairing.forks.len() as u64,
            lines,
        }))
    }

    pub(super) fn ledger_diff(&self, partner: &str, text: &str) -> Result<View, Refused> {
        let bureau = self.resolve_partner(partner)?;
        let bad = || Refused::new(RefusedKind::Misuse, "bad_month").with("found", text.chars().take(20).collect::<String>());
        let (begins, ends) = month(text).ok_or_else(bad)?;
        let (first, past) = (day_of(begins), day_of(ends));
        let nothing = Pairing::default();
        let pairing = self.ledgers.pairs.get(&bureau).unwrap_or(&nothing);
        let days = |chain: &Chain| -> BTreeMap<u32, Daily> {
            let daily = chain.others().filter_map(|line| match &line.body().says {
                Says::Daily(daily) if (first..past).contains(&daily.day) => Some((daily.day, daily.clone())),
                _ => None,
            });
            daily.collect()
        };
        let (ours, theirs) = (days(&pairing.ours), days(&pairing.theirs));
        let mut counts = Vec::new();
        for (direction, here, there) in
            [("we_give", sum(&ours, true), sum(&theirs, false)), ("they_give", sum(&ours, false), sum(&theirs, true))]
        {
            let kinds: BTreeSet<u8> = here.keys().chain(there.keys()).copied().collect();
            counts.extend(kinds.into_iter().map(|kind| LedgerDayView {
                direction: direction.to_owned(),
                kind: kind_word(kind).to_owned(),
                ours: here.get(&kind).copied().unwrap_or(0),
                theirs: there.get(&kind).copied().unwrap_or(0),
            }));
        }
        let unread = Cell::new(false);
        let receipted = |direction: u8, chain: &Chain| -> BTreeSet<DocumentId> {
            let at_rest = |n| {
                let line = self.ledgers.resting.line(&bureau, direction, n);
                unread.set(unread.get() || line.is_none());
                line
            };
            chain.receipts(&at_rest).map(|receipt| receipt.document).collect()
        };
        let (by_them, by_us) = (receipted(THEIRS, &pairing.theirs), receipted(OURS, &pairing.ours));
        // What cannot be read was not left out by the other side.
        if unread.get() {
            let cause = "receipts of this ledger cannot be read from the disk; accord store verify names them";
            return Err(Refused::new(RefusedKind::Fault, "internal").with("cause", cause));
        }
        let within = |at: WallSeconds| (begins..ends).contains(&at);
        let own = self.identity.bureau;
        let mut documents = Vec::new();
        for summary in self.documents.values().filter(|summary| within(summary.created)) {
            let here = |where_: &str| LedgerDocumentView {
                id: summary.document.to_string(),
                number: summary.number().to_owned(),
                only: where_.to_owned(),
            };
            if summary.owner == own && summary.is_given(&bureau) && !by_them.contains(&summary.document) {
                documents.push(here("given_not_receipted"));
            }
            if summary.owner == bureau && !by_us.contains(&summary.document) {
                documents.push(here("held_not_receipted"));
            }
        }
        for document in by_them.iter().filter(|document| !self.documents.contains_key(document)) {
            documents.push(LedgerDocumentView { id: document.to_string(), number: String::new(), only: "receipted_not_held".to_owned() });
        }
        let differs = counts.iter().any(|count| count.ours != count.theirs) || !documents.is_empty();
        Ok(View::LedgerDiff(LedgerDiffView {
            partner: bureau.to_string(),
            name: self.name_of(&bureau),
            month: text.to_owned(),
            our_days: ours.len() as u64,
            their_days: theirs.len() as u64,
            counts,
            documents,
            differs,
        }))
    }
}

/// What a line states, in numbers and ids.
fn told(says: &Says) -> String {
    match says {
        Says::Receipts(lines) => lines.iter().map(|line| line.document.short()).collect::<Vec<_>>().join(" "),
        Says::Attestation { document, what } => format!("{} {what:?}", document.short()),
        Says::Denials { count, references } => {
            let last: Vec<String> = references.iter().map(|reference| format!("{reference:016x}")).collect();
            format!("{count} {}", last.join(" "))
        }
        Says::Daily(daily) => {
            let list = |counts: &[KindCount]| counts.iter().map(|c| format!("{}:{}", c.kind, c.count)).collect::<Vec<_>>().join(",");
            format!("{} +{} -{} {}", daily.day, list(&daily.given), list(&daily.taken), daily.journal)
        }
        Says::Countersign { line } => line.to_string(),
    }
}

/// How many of each kind days tell of.
fn sum(days: &BTreeMap<u32, Daily>, given: bool) -> BTreeMap<u8, u64> {
    let mut sums: BTreeMap<u8, u64> = BTreeMap::new();
    for count in days.values().flat_map(|daily| if given { &daily.given } else { &daily.taken }) {
        let sum = sums.entry(count.kind).or_default();
        // A partner may state any number.
        *sum = sum.saturating_add(count.count);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_partner_states_of_its_days_has_a_sum() {
        let day = |day, count| (day, Daily { day, given: vec![KindCount { kind: 1, count }], taken: vec![], journal: Digest([0; 32]) });
        let days: BTreeMap<u32, Daily> = [day(1, u64::MAX), day(2, u64::MAX)].into_iter().collect();
        assert_eq!(sum(&days, true), [(1, u64::MAX)].into_iter().collect());
        assert_eq!(sum(&days, false), BTreeMap::new());
    }
}
