//! Conversations with partners and with our own devices: hello, push, acknowledge, compare, repair.
//!
//! Each side of a link is a sender and a receiver; the two directions do not wait for each other.
//!
//! ```text
//! up --Hello--> live: statements, agreements, then what changed since the returned cursor, each document once at its newest sequence
//!               Push(mark) -> durable there -> Ack(mark); the cursor inside the push is what the receiver returns next time
//!               quiet for 2 s -> Equality(sum, count) -> same: done; not: Symbols, Differs (or Tips both ways) -> Push what differs -> Equality again
//! ```
//! A sender walks its own sequence (`Documents::after`), so the cost of a reconnect is what changed, not what exists. Permits are asked for anew at
//! every push and carry the policy epoch; the driver drops frames whose epoch has passed. A bureau without an agreement in force hears
//! roots, revocations and the agreement exchange, and not one byte of a document ([`gate`]).

mod compare;
mod cursor;
mod due;
mod gate;
mod greet;
mod homeward;
mod offline;
mod progress;
mod quota;
mod receive;
mod repair;
mod send;
mod shelf;
mod views;

pub(in crate::bureau) use cursor::Recollection;
pub(in crate::bureau) use homeward::{Homeward, open as open_homeward};
pub(in crate::bureau) use progress::{AcknowledgedRow, Progress, open as open_progress};

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use accord_keys::certificate::{Issuer, MemberCertificate, MemberKind};
use accord_keys::directory::Held;
use accord_keys::seal;
use accord_keys::types::StatementType;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::documents::Line;
use super::rows::{Reached, Summary, read, write};
use super::turn::Turn;
use crate::access::audience::Opening;
use crate::access::log::{Learned, RecordError};
use crate::access::{self, Permit, Scope};
use crate::agreement::Pair;
use crate::equality;
use crate::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, RecordId, StatementId, TransportKey};
use crate::input::LinkId;
use crate::intake::{DocState, Intake, Item};
use crate::limits;
use crate::step::{Send, Table};
use crate::time::{MonoMillis, WallSeconds};
use crate::wire::{self, Checked, CheckedPush, Hello, IncomingSegment, Message, Push, Reason, TipLine};

/// Bytes of items put into one push before another is begun.
const PUSH_BYTES: usize = 160 * 1024;
/// Plaintext bytes of every cursor: its largest body and the length before it.
const CURSOR_BYTES: usize = 816;
/// Documents loaded ahead for one link.
const WANT_AHEAD: usize = 32;

pub(super) use gate::Mode;
pub(super) use quota::{Introduced, Quota};
pub(super) use shelf::Shelf;
pub(super) use views::Views;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(in crate::bureau) struct Peer {
    certificate: CertificateId,
    bureau: BureauId,
}

impl Peer {
    /// Its bureau.
    pub fn bureau(&self) -> BureauId {
        self.bureau
    }
    /// Its device.
    pub fn certificate(&self) -> CertificateId {
        self.certificate
    }
}

/// One push on its way.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    mark: u64,
    bytes: usize,
    reached: Reached,
    document: DocumentId,
    last: bool,
    /// Tells of a cut; nothing is delivered by it.
    parting: bool,
    /// So much of it a day's share of held work counts, bytes.
    held: usize,
    /// An erasable part: nothing of the walk.
    part: bool,
}

/// What an equality says.
#[derive(Clone, Copy, Debug)]
pub(in crate::bureau) struct Word {
    /// See [`equality`].
    pub sum: Digest,
    /// Documents in the view.
    pub count: u64,
    /// By which both decide.
    pub policy: Digest,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    transport: TransportKey,
    peer: Option<Peer>,
    own: bool,
    /// What the agreements with a bureau came to, by which state of the book and when.
    agreed: Cell<Option<gate::Agreed>>,
    /// The other end, a device of our own, has gone on to documents: what goes before them was said.
    told_all: bool,
    // sending
    base: u64,
    walked: u64,
    sent: BTreeMap<DocumentId, u64>,
    /// Documents of which a part went, and waits for room on the way: up to which sequence, and how much of each the other end may have.
    partial: BTreeMap<DocumentId, (u64, Scope)>,
    /// Held work that finds no room today begins behind this sequence: how far the other end got is not told beyond it.
    late_from: Option<u64>,
    /// In a bundle: what was passed over on the terms of now.
    left: BTreeSet<DocumentId>,
    /// Up to which sequence held work was offered in this session.
    offered: BTreeMap<DocumentId, u64>,
    whole: BTreeSet<DocumentId>,
    /// Documents of the other end's own that have still to be named to it; absent as long as that has not begun on this link.
    homeward: Option<BTreeSet<DocumentId>>,
    /// Of those, what was named on this link.
    named: BTreeSet<DocumentId>,
    /// What the other end had no room for today: it has still to be named to it.
    put_off: BTreeSet<DocumentId>,
    parted: BTreeSet<DocumentId>,
    /// Documents of whose cut a part of the log went: by which record it is cut, and how many records went.
    parting: BTreeMap<DocumentId, (RecordId, usize)>,
    next_mark: u64,
    /// How often what was on its way was made stale for this link alone.
    stale: u64,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// What was on its way when a gate dropped something: some of it had gone, and its acknowledgement says so.
    unsure: VecDeque<InFlight>,
    pub(in crate::bureau) evidence: BTreeSet<StatementId>,
    /// Documents whose evidence went, or waits to go, ahead of their pushes.
    evidencing: BTreeSet<DocumentId>,
    echoes: BTreeSet<u64>,
    /// What the other side is to return no longer says all we know of ourselves.
    pub(super) cursor_due: Option<MonoMillis>,
    /// When one was given last.
    cursor_given: Option<MonoMillis>,
    /// Documents pushed since a cursor went along.
    since_cursor: u32,
    // receiving
    wanted: BTreeMap<DocumentId, u8>,
    noise_since: MonoMillis,
    noise: u32,
    equality_heard: MonoMillis,
    // comparing
    quiet_since: MonoMillis,
    compared: bool,
    /// What the other end said it holds, while our own is being counted.
    word: Option<Word>,
    /// When we last told our sum.
    compared_at: MonoMillis,
    repairs: u32,
    tips_sent: bool,
    tips_heard: BTreeMap<DocumentId, Digest>,
    /// A repair by symbols that is under way.
    repairing: Option<repair::Repairing>,
    /// One was made since something changed: if it did not help, tips do.
    by_symbols: bool,
    /// When what is held was last listed to the other end.
    listed_at: Option<MonoMillis>,
    /// Messages that looked through the whole view, and since when they are counted.
    view_walks: (MonoMillis, u32),
    /// Documents the other side does not take.
    declined: BTreeSet<DocumentId>,
    /// What it said no to, or asked for anew, just now: the acknowledgement behind that word takes nothing of it.
    not_taken: Option<DocumentId>,
    /// Documents we did not take.
    refused: BTreeSet<DocumentId>,
    /// There were more of them than are noted.
    refused_more: bool,
    /// When many of them were last asked for again because of a pass.
    asked_again: Option<MonoMillis>,
    /// Asks and answers told on this link, since when.
    pub(in crate::bureau) told: BTreeSet<StatementId>,
    pub(in crate::bureau) told_since: MonoMillis,
    /// What waits to be said.
    dues: due::Dues,
    /// A device of our own that is revoked: it was told so on this link.
    told_revoked: bool,
    /// How much a device of our own is known to have heard of other bureaus.
    heard_of: Option<due::HeardOf>,
    /// Relay passes and compacts sent on this link.
    pub(in crate::bureau) shown: BTreeSet<StatementId>,
    /// Which passes the other end had when both last compared equal, here or by its cursor.
    passes: Option<u64>,
    /// Its own passes that name us are said back to it: the two of us counted by different ones.
    pub(in crate::bureau) show_back: bool,
    /// The wire version both ends speak.
    version: u8,
    /// See [`Link::had`].
    had: u64,
    /// What the other side heard of us at greeting, as far as it is known to have it.
    greeting: Option<Digest>,
    /// What is still to go, counted ahead of the walk.
    count: progress::Count,
    /// It brought something since it got a cursor.
    brought: bool,
    /// The other side said that a longer row comes.
    comes: bool,
    /// Bytes of pushes that came before it said so.
    came_bytes: u64,
    /// The document that came last.
    came: Option<DocumentId>,
    /// Erasable parts on their way, both ways.
    pub(in crate::bureau) parts: super::parts::OnLink,
    /// Nothing is at its other end: what is said goes into a file, what is heard comes out of one.
    bundle: bool,
    /// Why the last document out of a file was not taken.
    said_no: Option<String>,
}

impl Link {
    fn new(transport: TransportKey, now: MonoMillis) -> Self {
        Self {
            transport,
            peer: None,
            own: false,
            agreed: Cell::new(None),
            told_all: false,
            base: 0,
            walked: 0,
            sent: BTreeMap::new(),
            partial: BTreeMap::new(),
            late_from: None,
            left: BTreeSet::new(),
            offered: BTreeMap::new(),
            whole: BTreeSet::new(),
            homeward: None,
            named: BTreeSet::new(),
            put_off: BTreeSet::new(),
            parted: BTreeSet::new(),
            parting: BTreeMap::new(),
            next_mark: 1,
            stale: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            unsure: VecDeque::new(),
            evidence: BTreeSet::new(),
            evidencing: BTreeSet::new(),
            echoes: BTreeSet::new(),
            cursor_due: None,
            cursor_given: None,
            since_cursor: 0,
            wanted: BTreeMap::new(),
            noise_since: now,
            noise: 0,
            equality_heard: MonoMillis(0),
            quiet_since: now,
            compared: false,
            word: None,
            compared_at: MonoMillis(0),
            repairs: 0,
            tips_sent: false,
            tips_heard: BTreeMap::new(),
            repairing: None,
            by_symbols: false,
            listed_at: None,
            view_walks: (now, 0),
            declined: BTreeSet::new(),
            not_taken: None,
            refused: BTreeSet::new(),
            refused_more: false,
            asked_again: None,
            told: BTreeSet::new(),
            told_since: now,
            dues: due::Dues::default(),
            told_revoked: false,
            heard_of: None,
            shown: BTreeSet::new(),
            passes: None,
            show_back: false,
            version: wire::OLDEST,
            had: 0,
            greeting: None,
            count: progress::Count::default(),
            brought: false,
            comes: false,
            came_bytes: 0,
            came: None,
            parts: super::parts::OnLink::default(),
            bundle: false,
            said_no: None,
        }
    }
    /// Whether a device of our own at the other end has said what goes before documents.
    pub fn is_told(&self) -> bool {
        self.told_all
    }
    /// Notes that it has; whether that is news. What comes out of a file says so as of the time it was made: [`Bureau::note_told`].
    pub fn becomes_told(&mut self) -> bool {
        self.own && !self.bundle && !std::mem::replace(&mut self.told_all, true)
    }
    /// Whether a bureau is at the other end.
    pub fn is_with(&self, bureau: &BureauId) -> bool {
        self.peer.is_some_and(|peer| peer.bureau == *bureau)
    }
    /// Whether erasable parts may be asked for and given here.
    pub fn speaks_parts(&self) -> bool {
        self.peer.is_some() && self.version >= wire::PARTS_SINCE
    }
    /// Whether a device of our own is at the other end.
    pub fn is_own(&self) -> bool {
        self.own
    }
    /// What goes now tells that documents are held here.
    pub fn note_listed(&mut self, now: MonoMillis) {
        self.listed_at = Some(now);
    }
    /// Bytes that went and were not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.in_flight_bytes
    }
    /// Notes an erasable part as on its way; answers its mark. It counts with the pushes, so that a gate, a cut and the credit treat it as one.
    pub fn part_goes(&mut self, document: DocumentId, bytes: usize, now: MonoMillis) -> u64 {
        let mark = self.next_mark;
        self.next_mark += 1;
        let reached = self.reached();
        self.in_flight.push_back(InFlight { mark, bytes, reached, document, last: false, parting: false, held: 0, part: true });
        self.in_flight_bytes += bytes;
        self.busy(now);
        mark
    }
    /// How far the other end got, as it is told and written down.
    fn reached(&self) -> Reached {
        let most = self.late_from.unwrap_or(u64::MAX);
        Reached { base: self.base.min(most), walked: self.walked.min(most) }
    }
    /// How often what was on its way was made stale for this link alone.
    pub fn made_stale(&self) -> u64 {
        self.stale
    }
    /// What is on its way by a permit must not go any more: the gate of this link drops it, and it is walked again.
    pub fn make_stale(&mut self) {
        self.stale += 1;
    }
    /// Whether the other end answers marks.
    fn answers_marks(&self) -> bool {
        self.version >= due::MARKS_SINCE
    }
    /// Whether something waits to be said before anything else.
    pub fn has_dues(&self) -> bool {
        !self.dues.is_empty()
    }
    /// Whether anything of such documents may still be on its way to the other end; a list speaks of many.
    pub fn may_speak_of_some(&self, now: MonoMillis, such: impl Fn(&DocumentId) -> bool) -> bool {
        let listed = self.listed_at.is_some_and(|at| now < at.plus(limits::LISTED_MS)) || self.repairing.is_some() || self.tips_sent;
        let pushed = self.in_flight.iter().chain(&self.unsure).map(|push| &push.document);
        listed || pushed.chain(&self.evidencing).any(such)
    }
    /// Whether something that speaks of a document may still wait to go to the other end: a part of it, or a list of what is held.
    pub fn may_speak_of(&self, document: &DocumentId, now: MonoMillis) -> bool {
        !self.own && (self.is_sending(document) || self.listed_at.is_some_and(|at| now < at.plus(limits::LISTED_MS)))
    }
    /// Whether something of a document may still be on its way to the other end.
    pub fn is_sending(&self, document: &DocumentId) -> bool {
        self.evidencing.contains(document) || self.in_flight.iter().chain(&self.unsure).any(|push| push.document == *document)
    }
    /// Passes and compacts are shown as if none had been.
    pub(in crate::bureau) fn show_anew(&mut self) {
        self.shown.clear();
        self.passes = None;
    }
    /// These went on an earlier link.
    pub(in crate::bureau) fn had_passes(&mut self, told: Option<u64>, ids: BTreeSet<StatementId>) {
        self.passes = told;
        self.shown.extend(ids);
    }
    /// What the other end declined on this link.
    pub fn declined(&self) -> impl Iterator<Item = &DocumentId> {
        self.declined.iter()
    }
    /// Whether it declined this one.
    pub fn has_declined(&self, document: &DocumentId) -> bool {
        self.declined.contains(document)
    }
    /// Up to which sequence of ours the other end had everything before it wrote what comes now: on an earlier link, or when both last
    /// compared equal on this one.
    pub fn had(&self) -> u64 {
        self.had
    }
    /// The other end, once it said hello.
    pub fn bureau(&self) -> Option<BureauId> {
        self.peer.map(|peer| peer.bureau)
    }
    /// The other end's device.
    pub fn certificate(&self) -> Option<CertificateId> {
        self.peer.map(|peer| peer.certificate)
    }
    /// The views may differ now: compare at the next quiet moment. Answers what we did not take under the old state of things: the other
    /// side, for which nothing may have changed, is asked for it again.
    pub fn compare_again(&mut self) -> BTreeSet<DocumentId> {
        self.compared = false;
        self.word = None;
        self.begin_repairs_anew();
        self.count = progress::Count::default();
        self.homeward.take_if(|left| left.is_empty());
        self.declined.clear();
        std::mem::take(&mut self.refused)
    }
    /// As [`Link::compare_again`], where a pass is the reason: of many documents not taken it asks anew once an hour.
    pub fn compare_again_by_passes(&mut self, now: MonoMillis) -> BTreeSet<DocumentId> {
        let many = self.refused.len() > limits::PASS_WANTED_MAX;
        if many && self.asked_again.is_some_and(|at| now < at.plus(3_600_000)) {
            let refused = std::mem::take(&mut self.refused);
            self.compare_again();
            self.refused = refused;
            return BTreeSet::new();
        }
        if many {
            self.asked_again = Some(now);
        }
        self.compare_again()
    }
    /// Notes that a document was not taken.
    fn note_refused(&mut self, document: DocumentId) {
        if self.refused.len() < limits::REFUSED_NOTED_MAX {
            self.refused.insert(document);
        } else {
            self.refused_more |= !self.refused.contains(&document);
        }
    }
    /// Whether more was not taken than can be asked for again by name: a new link compares everything anew.
    pub(super) fn refused_more(&self) -> bool {
        self.refused_more
    }
    /// What was repaired says nothing about what there is now.
    fn begin_repairs_anew(&mut self) {
        self.repairs = 0;
        self.by_symbols = false;
        self.repairing = None;
    }
    /// Whether one more message may look through the whole view now.
    pub(in crate::bureau) fn may_walk_view(&mut self, now: MonoMillis) -> bool {
        let (since, count) = &mut self.view_walks;
        if now >= since.plus(limits::VIEW_WALKS_MS) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        let may = *count <= limits::VIEW_WALKS_MAX;
        // What is left unread may have been needed: the next quiet moment compares anew.
        self.compared &= may;
        may
    }
    /// When it wants to be woken. What was due by now and was not done waits for something else than time.
    pub fn next_wake(&self, now: MonoMillis) -> Option<MonoMillis> {
        let waiting = self.peer.is_some() && !self.compared && self.in_flight.is_empty();
        let quiet = waiting.then(|| self.quiet_since.plus(limits::QUIET_MS));
        [quiet, self.cursor_due].into_iter().flatten().filter(|at| *at > now).min()
    }
    /// Something was said or done: it is not quiet, and what was compared may have changed.
    pub(in crate::bureau) fn busy(&mut self, now: MonoMillis) {
        self.quiet_since = now;
        self.compared = false;
        self.word = None;
    }
}

/// What a cursor holds; opaque to its holder.
#[derive(Encode, Decode)]
#[cbor(map)]
struct CursorBody {
    #[n(0)]
    version: u8,
    #[n(1)]
    index: crate::id::Nonce,
    #[n(2)]
    reached: Reached,
    #[n(3)]
    policy: Digest,
    /// Our sequence when it was sealed.
    #[n(4)]
    sequence: u64,
    /// Tag and count of each pair, big-endian, padded with zeros.
    #[n(5)]
    slots: Bytes,
    /// What was said at greeting when both last compared equal: it need not be said again while it is the same.
    #[n(6)]
    greeting: Option<Digest>,
    /// What we knew of roots, appointments and revocations of the holder's own bureau: whoever returns this once knew as much itself.
    #[n(7)]
    theirs: Option<Digest>,
    /// To a device of our own: what it heard of other bureaus. There the two before are absent.
    #[n(8)]
    heard_of: Option<due::HeardOf>,
    /// Which relay passes a partner had when both last compared equal, by [`Bureau::passes_shown`]: they need not be shown again while it is the same.
    #[n(9)]
    passes: Option<u64>,
    /// It went in a bundle: who returns it took in all of that, so it may say more than was ever acknowledged. Then `policy` is that of the agreements
    /// alone, and no greeting is noted.
    #[n(10)]
    bundle: Option<bool>,
}

impl Bureau {
    pub(in crate::bureau) fn message(&mut self, turn: &mut Turn, id: LinkId, message: Checked) {
        let Some(link) = self.links.get(&id) else { return };
        if link.peer.is_none() {
            match message {
                Checked::Hello(hello, statements) => self.hello(turn, id, hello, statements),
                Checked::Plain(Message::Join(join)) => {
                    let transport = link.transport;
                    self.join(turn, id, transport, join);
                }
                Checked::Plain(Message::Refusal { reason, reference }) => self.refusal_heard(turn, id, reason, reference),
                _ => self.garbage(turn, id, "spoke before its hello"),
            }
            return;
        }
        if !self.still_stands(turn, id) {
            return self.refuse_link(turn, id, Reason::Certificate);
        }
        if !self.admits(turn, id, &message) {
            return;
        }
        if matches!(message, Checked::Push(_) | Checked::Plain(Message::Equality { .. })) {
            self.own_device_told(turn, id);
        }
        match message {
            Checked::Hello(..) => self.garbage(turn, id, "second hello"),
            Checked::Statements(statements) => {
                let peer = self.links[&id].peer.expect("checked above");
                let own = self.links[&id].own;
                let mut news = false;
                for statement in statements {
                    // What waits for something unknown, or is refused, is no reason to end the link: the sender may know more than we.
                    news |= self.learn_from(turn, id, &peer, own, statement);
                }
                if news {
                    self.refresh_allow(turn);
                }
            }
            Checked::Agreements(statements) => {
                let from = self.links[&id].bureau().expect("checked above");
                self.agreements_came(turn, id, from, statements);
            }
            Checked::Compacts(compacts) => self.compacts_came(turn, id, compacts),
            Checked::Ledger(lines) => {
                let peer = self.links[&id].peer.expect("checked above");
                self.ledger_came(turn, id, &peer, lines);
            }
            Checked::Push(push) => self.push_came(turn, id, *push),
            Checked::Passes(passes) => self.passes_came(turn, id, passes),
            Checked::Onward(statements) => self.onward_came(turn, id, statements),
            Checked::Plain(Message::Ack(mark)) => self.ack_came(turn, id, mark),
            // Whatever came before it has been dealt with, and is on disk before this goes out.
            Checked::Plain(Message::Mark(mark)) => self.send(turn, id, &Message::Heard(mark), false),
            Checked::Plain(Message::Heard(mark)) => self.heard_came(turn, id, mark),
            Checked::Plain(Message::Cursor(cursor)) => self.keep_cursor(turn, id, cursor.0),
            Checked::Plain(Message::Equality { sum, count, policy }) => self.equality_came(turn, id, Word { sum, count, policy }),
            Checked::Plain(Message::Tips { lines, last }) => self.tips_came(turn, id, lines, last),
            Checked::Plain(Message::Symbols { nonce, from, symbols }) => self.symbols_came(turn, id, nonce, from, symbols),
            Checked::Plain(Message::Differs { nonce, wanted, items }) => self.differs_came(turn, id, nonce, wanted, &items.0),
            Checked::Plain(Message::Named(documents)) => self.named_came(turn, id, &documents),
            Checked::Plain(Message::Ahead { documents, of }) => self.ahead_came(turn, id, documents, of),
            Checked::Plain(Message::PartsWanted(wanted)) => self.parts_wanted(turn, id, &wanted),
            Checked::Plain(Message::Part(part)) => self.part_came(turn, id, part),
            Checked::Plain(Message::NoPart(no)) => self.no_part_came(turn, id, &no),
            Checked::Plain(Message::Want(document)) => {
                let peer = self.links[&id].peer.expect("checked above");
                if let Some(link) = self.links.get_mut(&id) {
                    link.not_taken = Some(document);
                    // What went of it so far waits in the other side's memory for what it lacks: its acknowledgement says nothing.
                    for push in link.in_flight.iter_mut().chain(&mut link.unsure).filter(|push| push.document == document) {
                        push.last = false;
                    }
                }
                if peer.bureau != self.identity.bureau && !self.quota(turn, peer.bureau).take_want() {
                    return;
                }
                if self.silence(&peer.bureau).is_none()
                    && self.may_send(turn, &peer, &document).is_ok()
                    && let Some(link) = self.links.get_mut(&id)
                {
                    link.whole.insert(document);
                    link.declined.remove(&document);
                    link.offered.remove(&document);
                    link.partial.remove(&document);
                    // Whatever was given before may be what is missing there.
                    link.evidence.clear();
                    link.busy(turn.now.mono);
                }
            }
            Checked::Plain(Message::Declined { document, reason, reference }) => {
                let bureau = self.links[&id].bureau();
                if let Some(link) = self.links.get_mut(&id).filter(|_| self.documents.contains_key(&document)) {
                    link.not_taken = Some(document);
                    link.declined.insert(document);
                    link.whole.remove(&document);
                    if reason == Reason::Busy {
                        link.put_off.insert(document);
                    }
                }
                let known = self.documents.contains_key(&document).then_some(document);
                if !self.is_noise(turn, id) {
                    self.account(turn, "declined_by_partner", known, bureau, None, &format!("{reason:?} {reference:016x}"));
                    self.event(turn, "refused", known, bureau, &format!("{reason:?} {reference:016x}"));
                }
            }
            Checked::Plain(Message::Refusal { reason, reference }) => self.refusal_heard(turn, id, reason, reference),
            Checked::Plain(_) => self.garbage(turn, id, "a message for another moment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_looks_through_the_whole_view_are_made_for_one_link_in_a_while() {
        let mut link = Link::new(TransportKey([1; 32]), MonoMillis(0));
        let made = (0..100).filter(|_| link.may_walk_view(MonoMillis(5))).count();
        assert_eq!(made, limits::VIEW_WALKS_MAX as usize);
        assert!(!link.may_walk_view(MonoMillis(limits::VIEW_WALKS_MS - 1)));
        assert!(link.may_walk_view(MonoMillis(limits::VIEW_WALKS_MS)));
    }
}
