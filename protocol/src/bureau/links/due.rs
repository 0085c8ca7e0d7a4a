//! What waits to be said on a link until its other end has taken what was said before.
//!
//! What our own devices hear at greeting, a ledger that was lost, passes: each may be more than a link holds on its way. It waits here and goes out
//! as far as the other end keeps up; after every [`limits::MARK_EVERY_BYTES`] it is asked, by a mark, to say that it got so far. Documents
//! follow once nothing waits. A node of a wire version without marks is told at once, and of bureaus no more than a link holds.
//!
//! What partners taught us of other bureaus may be far more than documents rest on, and that goes along with them as evidence. So of bureaus of
//! which much is known our own devices hear between documents, a piece at a time, and only what they did not hear on an earlier link: the cursor they
//! return says how far they got.

use accord_keys::contact::Contact;

use super::*;
use crate::wire::LedgerCounts;

/// The first wire version that answers marks.
pub(super) const MARKS_SINCE: u8 = 6;
/// Bytes of statements of bureaus for a node that answers no marks, all at once; the rest comes as evidence of what rests on it. Back-pressure: with
/// the greeting before them they stay below what a link holds.
const UNMARKED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Something to be said.
#[derive(Debug)]
enum Due {
    /// A message as it goes out.
    Message { bytes: Vec<u8>, gated: bool },
    /// What is known of a bureau, or a part of it, behind so many statements: read when its turn has come, a piece at a time.
    Bureau { bureau: BureauId, part: Part, from: usize },
    /// All that was known of other bureaus has been said: whoever hears this heard it.
    AllSaid(HeardOf),
    /// What a partner lacks of the pair's ledger, behind the lines it holds: as above.
    Ledger { partner: BureauId, holds: LedgerCounts },
    /// The agreements with, and of, a bureau.
    Agreements(BureauId),
    /// Certificates that a document's pushes, or the telling of a cut, rest on: read, and the permit asked, when their turn has come.
    Evidence { document: DocumentId, parting: bool, statements: VecDeque<StatementId> },
}

/// What of a bureau is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What was learnt at this sequence of ours or later; 0: everything.
    Since(u64),
    /// Of that, what is not to wait: roots, registrars, what was revoked.
    Early(u64),
    /// What anybody may know.
    Public,
}

/// How much a device of our own heard of other bureaus: all that was learnt here before this sequence of ours, and at it what this digest is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(in crate::bureau) struct HeardOf {
    #[n(0)]
    sequence: u64,
    #[n(1)]
    there: u64,
}

/// One of the things known of a bureau.
enum Piece<'a> {
    Held(Held<'a>),
    Contact(&'a seal::Verified<Contact>),
}

impl Piece<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Held(held) => held.to_bytes(),
            Self::Contact(contact) => contact.sealed().to_bytes(),
        }
    }
    fn id(&self) -> StatementId {
        match self {
            Self::Held(held) => held.id(),
            Self::Contact(contact) => contact.id(),
        }
    }
}

/// What waits on one link, and what was said and not yet answered.
#[derive(Debug, Default)]
pub(in crate::bureau) struct Dues {
    waiting: VecDeque<Due>,
    /// What is said between documents once nothing else waits: bureaus, and that all was said.
    later: VecDeque<Due>,
    /// The mark behind all that was known of other bureaus.
    all_said: Option<(u64, HeardOf)>,
    /// Bytes said of bureaus whose turn comes later.
    early: usize,
    /// Marks so far.
    last_mark: u64,
    /// Marks on their way, with the bytes before each.
    marks: VecDeque<(u64, usize)>,
    /// Bytes since the last mark.
    since: usize,
    /// Bytes not known to have arrived.
    unheard: usize,
    /// Bytes of statements of bureaus said to a node that answers no marks.
    unmarked: usize,
    /// Some had to wait: what rests on it did too.
    held_up: bool,
}

impl Dues {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
    /// Whether something is left to be said between documents.
    pub fn has_later(&self) -> bool {
        !self.later.is_empty()
    }
    /// The newest mark that waits for its answer.
    pub fn newest_mark(&self) -> Option<u64> {
        self.marks.back().map(|(mark, _)| *mark)
    }
    /// One more mark, behind all that was said.
    fn mark(&mut self) -> u64 {
        self.last_mark += 1;
        self.marks.push_back((self.last_mark, std::mem::take(&mut self.since)));
        self.last_mark
    }
    /// The answer to a mark; `false` if none of that number waits for one.
    fn heard(&mut self, mark: u64) -> bool {
        if !self.marks.iter().any(|(sent, _)| *sent == mark) {
            return false;
        }
        while let Some((_, bytes)) = self.marks.front().copied().filter(|(sent, _)| *sent <= mark) {
            self.marks.pop_front();
            self.unheard = self.unheard.saturating_sub(bytes);
        }
        true
    }
    /// What says something of documents is said anew by whoever said it. Answers the evidence that did not go.
    pub fn forget_gated(&mut self) -> Vec<StatementId> {
        let mut left = Vec::new();
        self.waiting.retain(|due| match due {
            Due::Evidence { statements, .. } => {
                left.extend(statements);
                false
            }
            due => !matches!(due, Due::Message { gated: true, .. }),
        });
        left
    }
}

/// Statements in pages that fit a frame.
pub(super) fn pages(statements: impl IntoIterator<Item = Bytes>) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut size = 0;
    for bytes in statements {
        if !page.is_empty() && (size + bytes.0.len() > PUSH_BYTES || page.len() >= 500) {
            pages.push(Message::Statements(std::mem::take(&mut page)).encode());
            size = 0;
        }
        size += bytes.0.len();
        page.push(bytes);
    }
    if !page.is_empty() {
        pages.push(Message::Statements(page).encode());
    }
    pages
}

impl Bureau {
    /// Says something once everything that waits before it was said.
    pub(in crate::bureau) fn say(&mut self, id: LinkId, message: &Message, gated: bool) {
        if let Some(link) = self.links.get_mut(&id) {
            link.dues.waiting.push_back(Due::Message { bytes: message.encode(), gated });
        }
    }

    /// As [`Bureau::say`], for statements in an order in which they can be learnt.
    pub(in crate::bureau) fn say_statements(&mut self, id: LinkId, statements: Vec<Bytes>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.dues.waiting.extend(pages(statements).into_iter().map(|bytes| Due::Message { bytes, gated: false }));
        }
    }

    /// As [`Bureau::say`], for certificates that a document's pushes rest on.
    pub(super) fn say_evidence(&mut self, id: LinkId, document: DocumentId, parting: bool, statements: VecDeque<StatementId>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.evidence.extend(&statements);
            link.evidencing.insert(document);
            link.dues.waiting.push_back(Due::Evidence { document, parting, statements });
        }
    }

    /// The next page of evidence for a document, and what is left; nothing where the document may not go any more.
    fn evidence_page(
        &mut self,
        turn: &Turn,
        id: LinkId,
        (document, parting): (DocumentId, bool),
        mut statements: VecDeque<StatementId>,
    ) -> Option<(Vec<Bytes>, VecDeque<StatementId>)> {
        let link = &self.links[&id];
        // Who was cut hears of its cut, and no more of who writes there.
        let may = |peer: &Peer| match parting {
            true => self.parting_due(link, peer, &document, None).is_some(),
            false => self.may_send(turn, peer, &document).is_ok(),
        };
        if !link.peer.as_ref().is_some_and(may) {
            let link = self.links.get_mut(&id).expect("looked at above");
            for statement in &statements {
                link.evidence.remove(statement);
            }
            link.evidencing.remove(&document);
            return None;
        }
        let (mut page, mut size) = (Vec::new(), 0);
        while let Some(statement) = statements.front() {
            let bytes = self.directory.statement_bytes(statement).unwrap_or_default();
            if !page.is_empty() && (size + bytes.len() > PUSH_BYTES || page.len() >= 500) {
                break;
            }
            size += bytes.len();
            if !bytes.is_empty() {
                page.push(Bytes(bytes));
            }
            statements.pop_front();
        }
        Some((page, statements))
    }

    /// Says something at once, or behind what waits: it may rest on that.
    pub(in crate::bureau) fn tell_link(&mut self, turn: &mut Turn, id: LinkId, message: &Message) {
        if self.links.get(&id).is_some_and(Link::has_dues) {
            self.say(id, message, false);
        } else {
            self.send(turn, id, message, false);
        }
    }

    /// As [`Bureau::say`], for everything known of other bureaus that was not heard on an earlier link: those of which there is little to say first, so that
    /// nobody stands before the others; those of which there is much between documents.
    pub(in crate::bureau) fn say_other_bureaus(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let (marks, since) = (link.answers_marks(), self.unheard_since(link.heard_of));
        let others = self.directory.bureaus().map(|record| record.id()).filter(|bureau| *bureau != self.identity.bureau);
        let mut others: Vec<(usize, BureauId)> = others.map(|bureau| (self.weight_since(&bureau, since), bureau)).collect();
        others.retain(|(weight, _)| *weight > 0);
        others.sort_unstable();
        let all_said = Due::AllSaid(self.known_of_others());
        let Some(link) = self.links.get_mut(&id) else { return };
        let mut before = 0;
        for (weight, bureau) in &others {
            let (bureau, part) = (*bureau, Part::Since(since));
            before += weight;
            if marks && (*weight > limits::SAID_BEFORE_OF_BUREAU_MAX || before > limits::SAID_BEFORE_MAX) {
                link.dues.waiting.push_back(Due::Bureau { bureau, part: Part::Early(since), from: 0 });
                link.dues.later.push_back(Due::Bureau { bureau, part, from: 0 });
            } else {
                link.dues.waiting.push_back(Due::Bureau { bureau, part, from: 0 });
            }
        }
        if marks && !others.is_empty() {
            let last = if link.dues.has_later() { &mut link.dues.later } else { &mut link.dues.waiting };
            last.push_back(all_said);
        }
    }

    /// What is known of other bureaus by now.
    fn known_of_others(&self) -> HeardOf {
        HeardOf { sequence: self.sequence, there: self.learnt_at(self.sequence) }
    }

    /// A digest over what was learnt at one sequence.
    fn learnt_at(&self, sequence: u64) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for (id, _) in self.learnt.iter().filter(|(_, row)| row.seq == sequence) {
            hasher.update(&id.0);
        }
        u64::from_be_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("eight of thirty-two"))
    }

    /// From which sequence on what was learnt is said to a device that heard so much; 0: everything.
    fn unheard_since(&self, heard: Option<HeardOf>) -> u64 {
        match heard.filter(|heard| heard.sequence <= self.sequence) {
            None => 0,
            Some(heard) => heard.sequence + u64::from(self.learnt_at(heard.sequence) == heard.there),
        }
    }

    fn is_since(&self, id: &StatementId, since: u64) -> bool {
        since == 0 || self.learnt.get(id).is_some_and(|row| row.seq >= since)
    }

    /// Bytes of what is to be said of a bureau.
    fn weight_since(&self, bureau: &BureauId, since: u64) -> usize {
        if since == 0 {
            return self.directory.bureau(bureau).map_or(0, accord_keys::directory::BureauRecord::weight);
        }
        let (piece, _) = self.piece_of(bureau, Part::Since(since), 0, usize::MAX);
        piece.iter().map(|bytes| bytes.0.len()).sum()
    }

    /// Says one piece of what is left for between documents: behind some that are on their way, or when no more is to go, and once the piece before
    /// was heard.
    pub(in crate::bureau) fn send_later(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.dues.has_later() && !link.has_dues()) else { return };
        if link.dues.unheard > 0 {
            // What no mark followed yet is asked after now.
            let mark = (link.dues.marks.is_empty() && link.dues.since > 0).then(|| link.dues.mark());
            return mark.into_iter().for_each(|mark| self.send(turn, id, &Message::Mark(mark), false));
        }
        let link = &self.links[&id];
        let walked = link.whole.is_empty() && !self.documents.any_after(link.walked);
        if link.in_flight.is_empty() && !walked && link.peer.is_some_and(|peer| self.silence(&peer.bureau).is_none()) {
            return; // Documents are on their way from the disk.
        }
        let link = self.links.get_mut(&id).expect("looked at above");
        match link.dues.later.pop_front() {
            Some(Due::Bureau { bureau, part, from }) => {
                let (piece, more) = self.piece_of(&bureau, part, from, limits::UNHEARD_BYTES_MAX - PUSH_BYTES);
                let rest = more.then_some(Due::Bureau { bureau, part, from: from + piece.len() });
                let link = self.links.get_mut(&id).expect("looked at above");
                rest.into_iter().for_each(|rest| link.dues.later.push_front(rest));
                self.say_next(id, pages(piece), None);
            }
            Some(last) => {
                // What rested on it was perhaps not understood: it is shown once more.
                link.show_anew();
                (self.passes_dirty, self.onward.dirty) = (true, true);
                link.dues.waiting.push_back(last);
            }
            None => {}
        }
        self.send_dues(turn, id);
    }

    /// As [`Bureau::say`], for what of a bureau anybody may know.
    pub(in crate::bureau) fn say_public_of(&mut self, id: LinkId, bureau: BureauId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.dues.waiting.push_back(Due::Bureau { bureau, part: Part::Public, from: 0 });
        }
    }

    /// As [`Bureau::say`], for what a partner lacks of the pair's ledger.
    pub(in crate::bureau) fn say_ledger(&mut self, id: LinkId, partner: BureauId, holds: LedgerCounts) {
        if let Some(link) = self.links.get_mut(&id) {
            link.dues.waiting.push_back(Due::Ledger { partner, holds });
        }
    }

    /// As [`Bureau::say`], for the agreements of all bureaus.
    pub(in crate::bureau) fn say_all_agreements(&mut self, id: LinkId) {
        let others: Vec<BureauId> = self.directory.bureaus().map(|record| record.id()).filter(|b| *b != self.identity.bureau).collect();
        if let Some(link) = self.links.get_mut(&id) {
            link.dues.waiting.extend(others.into_iter().map(Due::Agreements));
        }
    }

    /// Sends what waits as far as the other end keeps up; `false` while some is left.
    pub(in crate::bureau) fn send_dues(&mut self, turn: &mut Turn, id: LinkId) -> bool {
        self.tell_revoked(turn, id);
        loop {
            let Some(link) = self.links.get_mut(&id) else { return true };
            let marks = link.answers_marks();
            if link.dues.waiting.is_empty() {
                if std::mem::take(&mut link.dues.held_up) {
                    (self.passes_dirty, self.onward.dirty) = (true, true);
                }
                return true;
            }
            if marks && link.dues.unheard >= limits::UNHEARD_BYTES_MAX {
                link.dues.held_up = true;
                return false;
            }
            let (bytes, gated) = match link.dues.waiting.pop_front() {
                Some(Due::Message { bytes, gated }) => (bytes, gated),
                Some(Due::Bureau { bureau, part, from }) => {
                    let room = match part {
                        _ if !marks => UNMARKED_BYTES_MAX.saturating_sub(link.dues.unmarked),
                        Part::Early(_) => limits::SAID_EARLY_MAX.saturating_sub(link.dues.early),
                        Part::Since(_) | Part::Public => limits::UNHEARD_BYTES_MAX,
                    };
                    let (piece, more) = self.piece_of(&bureau, part, from, room);
                    let said = piece.iter().map(|bytes| bytes.0.len()).sum::<usize>();
                    let link = self.links.get_mut(&id).expect("looked at above");
                    if !marks {
                        link.dues.unmarked += said;
                        self.say_next(id, pages(piece), None);
                        continue;
                    }
                    if let Part::Early(_) = part {
                        link.dues.early += said;
                        self.say_next(id, pages(piece), None);
                        continue;
                    }
                    let rest = more.then_some(Due::Bureau { bureau, part, from: from + piece.len() });
                    self.say_next(id, pages(piece), rest);
                    continue;
                }
                Some(Due::AllSaid(heard)) => {
                    let mark = link.dues.mark();
                    link.dues.all_said = Some((mark, heard));
                    self.send(turn, id, &Message::Mark(mark), false);
                    continue;
                }
                Some(Due::Ledger { partner, mut holds }) => {
                    if let Some(page) = self.ledger_page(&partner, &mut holds) {
                        self.say_next(id, vec![page.encode()], Some(Due::Ledger { partner, holds }));
                    }
                    continue;
                }
                Some(Due::Agreements(bureau)) => {
                    let statements = self.book.statements_with(bureau, limits::AGREEMENT_STATEMENTS_MAX);
                    let pages = greet::agreement_pages(statements.into_iter().map(Bytes)).iter().map(Message::encode).collect();
                    self.say_next(id, pages, None);
                    continue;
                }
                Some(Due::Evidence { document, parting, statements }) => {
                    let Some((page, left)) = self.evidence_page(turn, id, (document, parting), statements) else { continue };
                    let link = self.links.get_mut(&id).expect("looked at above");
                    if !left.is_empty() {
                        link.dues.waiting.push_front(Due::Evidence { document, parting, statements: left });
                    }
                    if page.is_empty() {
                        continue;
                    }
                    (Message::Statements(page).encode(), true)
                }
                None => return true,
            };
            // It waited, and the two may not be on such terms any more.
            let link = &self.links[&id];
            if gated && (self.mode(turn, link) != Mode::Full || link.bureau().is_some_and(|peer| self.silence(&peer).is_some())) {
                let link = self.links.get_mut(&id).expect("looked at above");
                let left = link.dues.forget_gated();
                // The page at hand is among what was given: all of it goes anew.
                if !left.is_empty() || !link.evidencing.is_empty() {
                    link.evidence.clear();
                }
                link.show_anew();
                continue;
            }
            let link = self.links.get_mut(&id).expect("looked at above");
            link.dues.since += bytes.len();
            link.dues.unheard += bytes.len();
            let mark = (marks && link.dues.since >= limits::MARK_EVERY_BYTES).then(|| link.dues.mark());
            turn.step.sends.push(Send { link: id, bytes, gated });
            if let Some(mark) = mark {
                self.send(turn, id, &Message::Mark(mark), false);
            }
        }
    }

    /// A device of our own that was revoked while something waited for it hears roots and revocations instead, once.
    fn tell_revoked(&mut self, turn: &Turn, id: LinkId) {
        let Some(link) = self.links.get(&id).filter(|link| self.mode(turn, link) == Mode::Tell) else { return };
        if !link.told_revoked {
            let statements = self.roots_and_revocations();
            let link = self.links.get_mut(&id).expect("present above");
            link.told_revoked = true;
            link.dues.waiting.clear();
            link.dues.later.clear();
            // And nothing of what is on its way to it already.
            link.make_stale();
            self.say_statements(id, statements);
        }
    }

    /// Some of the statements of a bureau, until they fill `room`, in the order in which they can be learnt, and whether there are more. What is
    /// learnt meanwhile moves those behind it back: they are said twice and none is left out. What was said before is passed over unread.
    fn piece_of(&self, bureau: &BureauId, part: Part, from: usize, room: usize) -> (Vec<Bytes>, bool) {
        let record = self.directory.bureau(bureau).filter(|_| matches!(part, Part::Early(_)));
        let registrars: BTreeSet<CertificateId> =
            record.into_iter().flat_map(|record| record.appointments()).map(|appointment| appointment.body().registrar).collect();
        let said = |held: &Held<'_>| match part {
            Part::Since(_) => true,
            Part::Public => greet::is_public(held),
            Part::Early(_) => match held {
                Held::Root(_) | Held::Appointment(_) | Held::Revocation(_) => true,
                Held::Certificate(certificate) => registrars.contains(&certificate.certificate_id()),
                Held::ClockReset(_) => false,
            },
        };
        let since = if let Part::Since(since) | Part::Early(since) = part { since } else { 0 };
        let contacts = self.contacts.values().filter(|c| matches!(part, Part::Since(_)) && c.body().bureau == *bureau).map(Piece::Contact);
        let statements = self.directory.statements(bureau).filter(said).map(Piece::Held);
        let mut rest = statements.chain(contacts).filter(|piece| self.is_since(&piece.id(), since)).skip(from).peekable();
        let mut piece = Vec::new();
        let mut size = 0;
        while size < room
            && let Some(next) = rest.next()
        {
            let bytes = next.to_bytes();
            size += bytes.len();
            piece.push(Bytes(bytes));
        }
        (piece, rest.peek().is_some())
    }

    /// Puts pages, and what is to follow them, before everything else that waits.
    fn say_next(&mut self, id: LinkId, pages: Vec<Vec<u8>>, rest: Option<Due>) {
        if let Some(link) = self.links.get_mut(&id) {
            if let Some(rest) = rest {
                link.dues.waiting.push_front(rest);
            }
            for bytes in pages.into_iter().rev() {
                link.dues.waiting.push_front(Due::Message { bytes, gated: false });
            }
        }
    }

    /// The other end has everything up to a mark of ours.
    pub(in crate::bureau) fn heard_came(&mut self, turn: &mut Turn, id: LinkId, mark: u64) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        if !link.dues.heard(mark) {
            return self.garbage(turn, id, "heard what was never said");
        }
        if let Some((_, heard)) = link.dues.all_said.take_if(|(last, _)| *last <= mark) {
            // The next cursor says so: on the next link only what came since is said.
            link.heard_of = Some(heard);
            link.cursor_due = Some(turn.now.mono);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_answers_all_that_was_said_before_it_once() {
        let mut dues = Dues { since: 100, unheard: 160, ..Dues::default() };
        assert_eq!(dues.mark(), 1);
        dues.since = 50;
        assert_eq!(dues.mark(), 2);
        assert!(!dues.heard(3), "never said");
        assert_eq!(dues.unheard, 160);
        assert!(dues.heard(1));
        assert_eq!(dues.unheard, 60);
        assert!(!dues.heard(1), "once");
        assert!(dues.heard(2));
        assert_eq!(dues.unheard, 10, "what no mark followed yet");
    }
}
