//! Parts on their way: asked for by whoever lacks them, given under the permit of a push of their document.
//!
//! Asking is repeated until nothing is missing, so a break costs nothing but what was on its way, and the giver remembers nothing. Whoever is asked
//! answers what the admitted acts of the document name, to a reader who may have the document now, and no to everything else, in one word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::access::{Permit, Scope};
use crate::bureau::links::Mode;
use crate::input::LinkId;
use crate::step::Send;
use crate::wire::{Message, NoPart, Part, PartsWanted};

/// Document, file, part.
type Which = (DocumentId, Digest, Digest);

/// Between two rounds of asking for many files, milliseconds: links and people have their turn.
const SLICE_REST_MS: u64 = 50;
/// Parts read from the store for one link at a time.
const READ_AHEAD: usize = 4;

/// What of one link concerns parts.
#[derive(Debug, Default)]
pub(in crate::bureau) struct OnLink {
    /// Asked for and not answered, since when.
    asked: BTreeMap<Which, MonoMillis>,
    /// Asked for by the other end.
    due: VecDeque<Which>,
    /// Files that are to be asked for here once something of what was asked for came.
    waits: BTreeSet<(DocumentId, Digest)>,
    /// Files of which it gave other bytes than were asked for.
    bad: BTreeSet<(DocumentId, Digest)>,
}

impl OnLink {
    /// A file was destroyed here: none of it goes, and what still comes was not asked for.
    pub fn forget(&mut self, document: &DocumentId, file: &Digest) {
        self.asked.retain(|(of, which, _), _| (of, which) != (document, file));
        self.due.retain(|(of, which, _)| (of, which) != (document, file));
        self.waits.remove(&(*document, *file));
    }
}

impl Bureau {
    /// Whether parts of a document may be asked for here: only of whom we may give it to and take it from, since asking tells that it is held.
    fn may_ask(&self, turn: &Turn, id: LinkId, document: &DocumentId) -> bool {
        let (Some(link), Some(summary)) = (self.links.get(&id), self.documents.get(document)) else { return false };
        let Some(peer) = link.bureau().filter(|_| link.speaks_parts()) else { return false };
        let own = self.identity.bureau;
        let whole = |from, to| self.may_go(turn, &summary.facts(), from, to).is_ok_and(|permit| permit.scope() != Scope::Held);
        self.mode(turn, link) == Mode::Full && self.silence(&peer).is_none() && whole(own, peer) && whole(peer, own)
    }

    /// Asks for what is missing and due, so many files at a time.
    pub(super) fn ask_for_parts(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        if now < self.parts.rest_until || self.parts.wanting.first().is_none_or(|(at, ..)| now < *at) {
            return;
        }
        self.forget_unanswered(turn);
        let due = self.parts.wanting.iter().take_while(|(at, ..)| *at <= now);
        let slice: Vec<(DocumentId, Digest)> = due.take(limits::FILES_AT_ONCE).map(|(_, document, file)| (*document, *file)).collect();
        for (document, file) in &slice {
            let next = self.ask_somebody(turn, document, file);
            self.parts.plan(document, file, next);
        }
        if slice.len() == limits::FILES_AT_ONCE {
            self.parts.rest_until = now.plus(SLICE_REST_MS);
        }
    }

    /// What was asked for long ago is asked for anew.
    fn forget_unanswered(&mut self, turn: &Turn) {
        let now = turn.now.mono;
        let mut late = BTreeSet::new();
        for link in self.links.values_mut() {
            link.parts.asked.retain(|(document, file, _), at| {
                let waits = now < at.plus(limits::PART_UNANSWERED_MS);
                if !waits {
                    late.insert((*document, *file));
                }
                waits
            });
        }
        for (document, file) in late {
            if let Some(found) = self.parts.file_mut(&document, &file) {
                found.tries = found.tries.saturating_add(1);
            }
            self.parts.plan(&document, &file, now);
        }
    }

    /// Asks one of those who may have it for a file; answers when to look at it again.
    fn ask_somebody(&mut self, turn: &mut Turn, document: &DocumentId, file: &Digest) -> MonoMillis {
        let now = turn.now.mono;
        let asked = |link: &crate::bureau::links::Link| link.parts.asked.keys().any(|(of, which, _)| (of, which) == (document, file));
        let under_way = self.links.iter().find(|(_, link)| asked(link)).map(|(id, _)| *id);
        let bad = |id: &LinkId| self.links[id].parts.bad.contains(&(*document, *file));
        let may: Vec<LinkId> = self.links.keys().filter(|id| self.may_ask(turn, **id, document) && !bad(id)).copied().collect();
        let Some(found) = self.parts.file(document, file) else { return now.plus(limits::PART_AGAIN_MS_MAX) };
        // While so many of a bureau's files lack pieces no more of them are begun: the pieces' names would fill the memory.
        let open = self.parts.wanted_of.get(&found.row.author).map_or(0, |(_, open)| *open);
        if found.unchecked || (!found.open && open >= limits::FILES_OPEN_MAX) {
            return now.plus(limits::PART_UNANSWERED_MS);
        }
        let tries = found.tries;
        let id = under_way.filter(|id| may.contains(id)).or_else(|| may.get(tries as usize % may.len().max(1)).copied());
        // Somebody who may give it makes itself heard.
        let Some(id) = id else { return now.plus(limits::PART_AGAIN_MS_MAX) };
        if self.links[&id].parts.asked.len() >= limits::PARTS_ASKED_MAX {
            self.links.get_mut(&id).expect("listed above").parts.waits.insert((*document, *file));
        } else {
            self.ask_on(turn, id, document, file);
        }
        now.plus(limits::PART_UNANSWERED_MS)
    }

    /// Asks on one link for as much of a file as may be on its way.
    fn ask_on(&mut self, turn: &mut Turn, id: LinkId, document: &DocumentId, file: &Digest) {
        let Some(found) = self.parts.file(document, file).filter(|found| found.is_wanting() && !found.unchecked) else { return };
        let elsewhere = |part: &Digest| self.links.values().any(|link| link.parts.asked.contains_key(&(*document, *file, *part)));
        let room = limits::PARTS_ASKED_MAX.saturating_sub(self.links[&id].parts.asked.len());
        let missing = found.parts(file).into_iter().enumerate().filter(|(at, part)| !found.is_here(*at) && !elsewhere(part));
        let parts: Vec<Digest> = missing.map(|(_, part)| part).take(room.min(limits::PARTS_WANTED_PAGE)).collect();
        if parts.is_empty() {
            return;
        }
        let now = turn.now.mono;
        if let Some(link) = self.links.get_mut(&id) {
            link.parts.asked.extend(parts.iter().map(|part| ((*document, *file, *part), now)));
            link.note_listed(now);
        }
        self.send(turn, id, &Message::PartsWanted(PartsWanted { document: *document, file: *file, parts }), true);
    }

    /// A part came: it is kept if it was asked for, may come, and is what it is called.
    pub(in crate::bureau) fn part_came(&mut self, turn: &mut Turn, id: LinkId, came: Part) {
        let (document, file) = (came.document, came.file);
        self.send(turn, id, &Message::Ack(came.mark), false);
        let Some((peer, own_link)) = self.links.get(&id).and_then(|link| Some((link.bureau()?, link.is_own()))) else { return };
        if !own_link && !self.quota(turn, peer).take_part(came.bytes.0.len()) {
            return self.part_refused(turn, id, &document, "more than a day's share");
        }
        let asked = self.links.get_mut(&id).and_then(|link| link.parts.asked.remove(&(document, file, came.part))).is_some();
        // It may have been asked for before it was erased here.
        if !asked || !self.may_ask(turn, id, &document) {
            return self.part_refused(turn, id, &document, "was not asked for");
        }
        let Some(found) = self.parts.file_mut(&document, &file).filter(|found| found.is_wanting()) else { return };
        let Some(at) = found.at(&file, &came.part).filter(|at| !found.is_here(*at)) else { return };
        if part::name(&came.bytes.0) != came.part {
            found.tries = found.tries.saturating_add(1);
            if let Some(link) = self.links.get_mut(&id) {
                link.parts.bad.insert((document, file));
            }
            self.parts.plan(&document, &file, turn.now.mono);
            return self.part_refused(turn, id, &document, "other bytes than it is called by");
        }
        if at == 0 {
            match Manifest::from_bytes(part::content(&came.bytes.0)) {
                Ok(manifest) => {
                    found.row.size = manifest.size;
                    found.row.pieces = Bytes(manifest.pieces().iter().flat_map(|piece| piece.0).collect());
                    self.parts.show(document, file, &manifest);
                }
                // Whoever attached it signed for it: nobody has another.
                Err(_) => found.row.state = UNREADABLE,
            }
        } else if part::content(&came.bytes.0).len() != part::piece_len(found.row.size, at - 1) {
            found.row.state = UNREADABLE;
        }
        let Some(found) = self.parts.file_mut(&document, &file) else { return };
        if found.row.state == KEPT {
            found.set_here(at, true);
            found.tries = 0;
            found.unchecked |= at == 0;
            let place = place(&found.row.space, &came.part);
            self.store_part(turn, place, &came.bytes.0);
        }
        self.keep_file(turn, &document, &file);
        // Its pieces are compared with what records erased before any is asked for.
        if self.parts.file(&document, &file).is_some_and(|found| found.unchecked) {
            self.parts.unchecked.insert((document, file));
            self.compare_with_erased(turn);
        }
        if self.parts.file(&document, &file).is_some_and(|found| found.word() == "here") {
            self.account(turn, "file_came", Some(document), Some(peer), None, &file.short());
            self.event(turn, "file_came", Some(document), Some(peer), &file.short());
        }
        self.ask_on(turn, id, &document, &file);
        self.ask_waiting(turn, id);
    }

    /// There is room for another file.
    fn ask_waiting(&mut self, turn: &mut Turn, id: LinkId) {
        while self.links[&id].parts.asked.len() < limits::PARTS_ASKED_MAX {
            let Some((document, file)) = self.links.get_mut(&id).and_then(|link| link.parts.waits.pop_first()) else { return };
            let next = self.ask_somebody(turn, &document, &file);
            self.parts.plan(&document, &file, next);
        }
    }

    fn part_refused(&mut self, turn: &mut Turn, id: LinkId, document: &DocumentId, why: &str) {
        if !self.is_noise(turn, id) {
            let known = self.documents.contains_key(document).then_some(*document);
            let bureau = self.links.get(&id).and_then(crate::bureau::links::Link::bureau);
            self.account(turn, "refused_part", known, bureau, None, why);
        }
    }

    /// Somebody has it not, or gives it not: another is asked, or the same later.
    pub(in crate::bureau) fn no_part_came(&mut self, turn: &mut Turn, id: LinkId, no: &NoPart) {
        let which = (no.document, no.file, no.part);
        if self.links.get_mut(&id).and_then(|link| link.parts.asked.remove(&which)).is_none() {
            return;
        }
        let others = self.links[&id].parts.asked.keys().any(|(of, file, _)| (*of, *file) == (no.document, no.file));
        let count = self.links.keys().filter(|other| self.may_ask(turn, **other, &no.document)).count();
        let Some(found) = self.parts.file_mut(&no.document, &no.file).filter(|_| !others) else { return };
        found.tries = found.tries.saturating_add(1);
        // Once all were asked, after a while.
        let rounds = found.tries / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let again = if rounds == 0 { 0 } else { (limits::PART_AGAIN_MS << (rounds - 1).min(12)).min(limits::PART_AGAIN_MS_MAX) };
        self.parts.plan(&no.document, &no.file, turn.now.mono.plus(again));
        self.ask_waiting(turn, id);
    }

    /// Under what a part may go to the other end now: the permit of a push of its document.
    fn may_give(&self, turn: &Turn, id: LinkId, (document, file, part): &Which) -> Option<Permit> {
        let (peer, summary) = (self.links.get(&id)?.bureau()?, self.documents.get(document)?);
        let found = self.parts.file(document, file).filter(|found| found.row.named && found.row.state == KEPT)?;
        found.at(file, part).filter(|at| found.is_here(*at))?;
        if self.silence(&peer).is_some() {
            return None;
        }
        let permit = self.may_go(turn, &summary.facts(), self.identity.bureau, peer).ok()?;
        (permit.scope() != Scope::Held).then_some(permit)
    }

    /// The other end lacks parts.
    pub(in crate::bureau) fn parts_wanted(&mut self, turn: &mut Turn, id: LinkId, wanted: &PartsWanted) {
        let Some((peer, own_link)) = self.links.get(&id).and_then(|link| Some((link.bureau()?, link.is_own()))) else { return };
        if !own_link && !self.quota(turn, peer).take_part_ask() {
            return;
        }
        for part in &wanted.parts {
            let which = (wanted.document, wanted.file, *part);
            let may = self.may_give(turn, id, &which).is_some();
            match self.links.get_mut(&id).filter(|link| may && link.parts.due.len() < limits::PARTS_DUE_MAX) {
                Some(link) if link.parts.due.contains(&which) => {}
                Some(link) => link.parts.due.push_back(which),
                None => self.deny_part(turn, id, &which),
            }
        }
    }

    fn deny_part(&self, turn: &mut Turn, id: LinkId, which: &Which) {
        self.send(turn, id, &Message::NoPart(NoPart { document: which.0, file: which.1, part: which.2 }), false);
    }

    /// Gives what is due, behind everything that people wrote and as far as there is room on the way.
    pub(in crate::bureau) fn give_parts(&mut self, turn: &mut Turn, id: LinkId) {
        if self.links[&id].parts.due.is_empty() {
            return;
        }
        if self.mode(turn, &self.links[&id]) != Mode::Full {
            // The other end asks again when the two are on terms.
            self.links.get_mut(&id).expect("looked at above").parts.due.clear();
            return;
        }
        while self.links[&id].unacknowledged() < limits::PARTS_AHEAD_BYTES {
            let Some(which) = self.links[&id].parts.due.front().copied() else { return };
            let Some(permit) = self.may_give(turn, id, &which) else {
                self.links.get_mut(&id).expect("looked at above").parts.due.pop_front();
                self.deny_part(turn, id, &which);
                continue;
            };
            let place = place(&self.parts.file(&which.0, &which.1).expect("may_give found it").row.space, &which.2);
            let Some(bytes) = self.parts.unshelve(&place) else { return self.read_ahead(turn, id) };
            let (peer, own_link) = (self.links[&id].bureau().expect("may_give found it"), self.links[&id].is_own());
            let certificate = self.links[&id].certificate();
            self.links.get_mut(&id).expect("looked at above").parts.due.pop_front();
            if !own_link && !self.quota(turn, peer).give_part(bytes.len()) {
                self.deny_part(turn, id, &which);
                continue;
            }
            let (document, file, part) = which;
            let link = self.links.get_mut(&id).expect("looked at above");
            let mark = link.part_goes(document, bytes.len(), turn.now.mono);
            let message = Message::Part(Part { mark, document, file, part, bytes: Bytes(bytes) });
            turn.step.sends.push(Send { link: id, bytes: message.encode(), gated: true });
            // Its manifest goes once before its pieces: a line for each file.
            if !own_link && part == file {
                let detail = format!("file {} {}", file.short(), permit.cites());
                self.account(turn, "sent", Some(document), Some(peer), certificate, detail.trim_end());
            }
        }
    }

    /// Has the first of what is due read from the store.
    fn read_ahead(&mut self, turn: &mut Turn, id: LinkId) {
        let first: Vec<Which> = self.links[&id].parts.due.iter().take(READ_AHEAD).copied().collect();
        for (document, file, part) in first {
            let Some(found) = self.parts.file(&document, &file) else { continue };
            let place = place(&found.row.space, &part);
            if !self.parts.shelf.contains_key(&place) && !self.loading.contains(&place) && !turn.step.wants.contains(&place) {
                turn.step.wants.push(place);
            }
        }
    }
}
