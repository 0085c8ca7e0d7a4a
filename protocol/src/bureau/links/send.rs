//! Sending: the walk over our sequence, permits, pushes, what was acknowledged.

use std::sync::Arc;

use super::*;
use crate::intake::{Part, Sendable};
use crate::segment::Segment;

/// Cuts a document's parts, in the order of their sequences, to those that fit, and at least one. Answers the last sequence kept, if any part is left out.
fn fitting(items: &mut Vec<(u64, Part)>, room: usize) -> Option<u64> {
    let mut size = 0_usize;
    let fits = items.iter().take_while(|(_, part)| {
        size = size.saturating_add(part.about_bytes());
        size <= room
    });
    let mut count = fits.count().max(1);
    // Parts of one sequence go together.
    while count < items.len() && items[count].0 == items[count - 1].0 {
        count += 1;
    }
    if count >= items.len() {
        return None;
    }
    items.truncate(count);
    items.last().map(|(seq, _)| *seq)
}

impl Bureau {
    /// Asks the driver for a body.
    pub(in crate::bureau) fn want(&mut self, turn: &mut Turn, document: DocumentId) {
        self.to_send.remove(&document);
        self.ask_for(turn, document);
    }

    /// Asks the driver for a document, to be sent as it is stored if it is of that kind.
    fn want_to_send(&mut self, turn: &mut Turn, document: DocumentId) {
        if !self.loading.contains(&document) && !turn.step.wants.contains(&document) {
            self.to_send.insert(document);
            self.ask_for(turn, document);
        }
    }

    fn ask_for(&self, turn: &mut Turn, document: DocumentId) {
        if !self.loading.contains(&document) && !turn.step.wants.contains(&document) {
            turn.step.wants.push(document);
        }
    }

    /// Sends on every live link what is due, as far as credit and loaded bodies allow.
    pub(in crate::bureau) fn pump_all(&mut self, turn: &mut Turn) {
        let live: Vec<LinkId> = self.links.iter().filter(|(_, link)| link.peer.is_some()).map(|(id, _)| *id).collect();
        for id in live {
            if turn.step.close.contains(&id) {
                continue;
            }
            if self.still_stands(turn, id) {
                // Documents rest on what waits to be said; what the next document rests on may have to wait itself.
                while self.send_dues(turn, id) {
                    // Who acknowledges a document has a cursor to return.
                    if self.links[&id].cursor_given.is_none() {
                        self.hand_due_cursor(turn, id);
                    }
                    self.pump(turn, id);
                    if !self.links[&id].has_dues() {
                        self.hand_due_cursor(turn, id);
                        self.send_later(turn, id);
                        self.give_parts(turn, id);
                        break;
                    }
                }
            } else {
                self.refuse_link(turn, id, Reason::Certificate);
            }
        }
    }

    /// A session ends with the certificate it was opened under, and while its bureau is frozen.
    pub(in crate::bureau) fn still_stands(&self, turn: &Turn, id: LinkId) -> bool {
        self.links.get(&id).and_then(|link| link.peer).is_none_or(|peer| {
            let renewed = || {
                let body = self.directory.certificate(&peer.certificate).map(|c| c.body());
                body.is_some_and(|old| {
                    self.directory.all_by_transport(&self.links[&id].transport).any(|other| {
                        self.directory.certificate(&other).is_some_and(|c| c.body().bureau == old.bureau && c.body().key == old.key)
                            && self.may_connect(turn, &other)
                    })
                })
            };
            let revoked = self.directory.revoked(&peer.certificate).is_some();
            if revoked && self.links[&id].own {
                return true; // It is told so, and nothing else.
            }
            !self.directory.is_frozen(&peer.bureau) && !revoked && (self.may_connect(turn, &peer.certificate) || renewed())
        })
    }

    pub(in crate::bureau) fn pump(&mut self, turn: &mut Turn, id: LinkId) {
        if self.mode(turn, &self.links[&id]) == Mode::Tell {
            return;
        }
        self.count_ahead(turn, id);
        // How many there will be is heard before the first of them.
        if self.links[&id].count.is_untold() {
            self.tell_ahead(turn, id);
        }
        self.walk_on(turn, id);
        self.tell_ahead(turn, id);
    }

    /// Sends what lies next in the walk, as far as credit and what is at hand allow.
    pub(super) fn walk_on(&mut self, turn: &mut Turn, id: LinkId) {
        let mut looked = 0;
        loop {
            let link = &self.links[&id];
            if link.in_flight_bytes >= limits::IN_FLIGHT_BYTES_MAX || link.has_dues() {
                return;
            }
            // A million documents that are none of a new partner's would hold up everybody else. A bundle is packed in one go.
            if looked == limits::WALKED_AT_ONCE && !link.bundle {
                return self.views.walk_goes_on();
            }
            looked += 1;
            let peer = link.peer.expect("only live links are pumped");
            // The walk stands still: what is passed over now would not be sent later.
            if self.silence(&peer.bureau).is_some() {
                return;
            }
            let (document, walk_to) = match link.whole.first() {
                Some(document) => (*document, None),
                None => match self.documents.first_after(link.walked) {
                    Some((seq, document)) => (document, Some(seq)),
                    None => {
                        let head = self.sequence;
                        let link = self.links.get_mut(&id).expect("present above");
                        if link.base != head || link.walked != head {
                            link.base = head;
                            link.walked = head;
                            link.sent.clear();
                            link.echoes.clear();
                        }
                        self.late_work_went(turn, id);
                        if self.name_homeward(turn, id) {
                            continue;
                        }
                        return;
                    }
                },
            };
            let nothing_held = self.documents.line(&document).is_none_or(|line| line.held == 0);
            let permit = self.may_send(turn, &peer, &document);
            if walk_to.is_some() && !permit.as_ref().is_ok_and(Permit::whole) {
                self.leave_behind(turn, id, &peer, document, permit.as_ref().ok());
            }
            let link = &self.links[&id];
            let permit = match permit {
                Ok(permit) if permit.scope() == Scope::Held && nothing_held => {
                    self.passed(id, document, walk_to);
                    continue;
                }
                Ok(_) if walk_to.is_some() && !link.own && !link.bundle && self.left_to_owner(&peer, &document) => {
                    self.passed(id, document, walk_to);
                    continue;
                }
                Ok(permit) if !link.declined.contains(&document) => permit,
                Err(_) if self.parting_due(link, &peer, &document, walk_to).is_some() => {
                    if !self.bodies.contains_key(&document) && !self.cannot_load.contains_key(&document) {
                        return self.want(turn, document);
                    }
                    self.push_parting(turn, id, &peer, document, walk_to);
                    continue;
                }
                _ => {
                    self.passed(id, document, walk_to);
                    continue;
                }
            };
            let as_stored = permit.scope() != Scope::Held && self.shelf.holds(&document);
            if !self.bodies.contains_key(&document) && !as_stored {
                if self.cannot_load.contains_key(&document) {
                    self.passed(id, document, walk_to);
                    continue;
                }
                if permit.scope() == Scope::Held {
                    return self.want(turn, document);
                }
                self.want_ahead(turn, id, &peer);
                return;
            }
            self.push_document(turn, id, &peer, permit, walk_to);
        }
    }

    pub(in crate::bureau) fn may_send(&self, turn: &Turn, peer: &Peer, document: &DocumentId) -> Result<Permit, access::Refusal> {
        let Some(summary) = self.documents.get(document) else {
            return Err(access::Refusal::NoPass { document: *document, bureau: peer.bureau });
        };
        self.may_go(turn, &summary.facts(), self.identity.bureau, peer.bureau)
    }

    /// A third bureau's document is walked only while its owner is not linked here: else the owner hands it out itself, and what a partner
    /// lacks all the same shows in the comparison.
    pub(super) fn left_to_owner(&self, peer: &Peer, document: &DocumentId) -> bool {
        let Some(line) = self.documents.line(document) else { return false };
        let owner = line.owner;
        // Let in by way of us, it gets it from nobody else.
        let by_us = || line.holder(&peer.bureau).is_some_and(|held| held.via == Some(self.identity.bureau));
        owner != self.identity.bureau && owner != peer.bureau && !by_us() && self.links.values().any(|link| link.is_with(&owner))
    }

    pub(in crate::bureau) fn want_ahead(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer) {
        let link = &self.links[&id];
        let next = link.whole.iter().copied().chain(self.documents.ids_after(link.walked).map(|(_, document)| document));
        let missing: Vec<DocumentId> = next
            .filter(|document| !self.bodies.contains_key(document) && !self.shelf.holds(document))
            .filter(|document| self.may_send(turn, peer, document).is_ok())
            .take(WANT_AHEAD)
            .collect();
        for document in missing {
            self.want_to_send(turn, document);
        }
    }

    pub(in crate::bureau) fn passed(&mut self, id: LinkId, document: DocumentId, walk_to: Option<u64>) {
        let link = self.links.get_mut(&id).expect("present while pumping");
        match walk_to {
            Some(seq) => link.walked = seq,
            None => {
                link.whole.remove(&document);
            }
        }
        link.partial.remove(&document);
    }

    /// Sends what the other end may have of a document, as far as there is room on the way: the rest goes when that has arrived.
    pub(in crate::bureau) fn push_document(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, permit: Permit, walk_to: Option<u64>) {
        let document = permit.document();
        let link = &self.links[&id];
        let summary = self.documents.here(&document);
        let newly = summary.granted_seq.get(&peer.bureau).is_some_and(|seq| *seq > link.base && !link.sent.contains_key(&document));
        let begun = link.partial.get(&document).filter(|(_, scope)| *scope == permit.scope()).map(|(seq, _)| *seq);
        let after = begun.unwrap_or_else(|| match walk_to {
            None => 0,
            Some(_) if newly => 0,
            Some(_) => link.base.max(link.sent.get(&document).copied().unwrap_or(0)),
        });
        let mut newest = summary.newest_seq;
        let mut items = match (permit.scope(), self.bodies.get(&document)) {
            // What was passed over before it was held is behind the walk: all of it is offered, once a session.
            (Scope::Held, state) => {
                let offered = link.offered.get(&document).copied().unwrap_or(0);
                let held = state.map(|state| state.held_by(&self.identity.bureau)).unwrap_or_default();
                held.into_iter().filter(|(seq, _)| *seq > offered).collect()
            }
            (scope, Some(state)) => state.parts_after(after, scope == Scope::Whole),
            (_, None) => self.shelf.get(&document).map(|stored| stored.parts_after(after)).unwrap_or_default(),
        };
        let room = limits::IN_FLIGHT_BYTES_MAX.saturating_sub(self.links[&id].in_flight_bytes).max(PUSH_BYTES);
        let mut rest = fitting(&mut items, room);
        if permit.scope() == Scope::Held {
            let sizes: Vec<usize> = items.iter().map(|(_, part)| part.about_bytes()).collect();
            let count = self.quota(turn, peer.bureau).offer_held(document, sizes.into_iter());
            let link = self.links.get_mut(&id).expect("present while pumping");
            newest = rest.unwrap_or(newest);
            if let Some((first_late, _)) = items.get(count) {
                rest = None;
                // Nobody compares on such a link: another day, another link or another start begins here again.
                let place = summary.newest_seq.saturating_sub(1);
                link.late_from = Some(link.late_from.map_or(place, |before| before.min(place)));
                newest = first_late - 1;
            }
            items.truncate(count);
            link.offered.insert(document, newest);
        }
        let link = &self.links[&id];
        let owner = summary.owner;
        // What our nodes receipted stays in the house.
        if !link.own || link.version < wire::RECEIPTS_SINCE {
            items.retain(|(_, part)| !matches!(part, Part::Statement(Item::Receipt(_))));
        }
        // What opens a place in a hidden audience goes to that reader alone, and from it back to the owner, who may have lost it.
        if !link.own {
            let reader = if owner == peer.bureau { self.identity.bureau } else { peer.bureau };
            items.retain(|(_, part)| match part {
                Part::Statement(Item::Opening(bytes)) => Opening::from_bytes(bytes).is_some_and(|opening| opening.bureau == reader),
                _ => true,
            });
        }
        if walk_to.is_some() && after > 0 {
            items.retain(|(seq, _)| !link.echoes.contains(seq));
        } else if walk_to.is_some() {
            // A document the peer itself brought whole is not sent back to it.
            let all_echoes = items.iter().all(|(seq, _)| link.echoes.contains(seq));
            if all_echoes {
                items.clear();
            } else {
                items.retain(|(seq, _)| !link.echoes.contains(seq));
            }
        }
        if items.is_empty() {
            let link = self.links.get_mut(&id).expect("present while pumping");
            if let Some(sent) = rest {
                link.partial.insert(document, (sent, permit.scope()));
                return;
            }
            link.sent.insert(document, newest);
            self.counted_goes(id, walk_to, true);
            self.passed(id, document, walk_to);
            return;
        }
        let mut named = match self.bodies.get(&document) {
            Some(state) => state.certificates(permit.whole()),
            None => self.shelf.get(&document).map(Sendable::certificates).unwrap_or_default(),
        };
        if after > 0 {
            let behind = match self.bodies.get(&document) {
                Some(state) => state.certificates_until(after, permit.whole()),
                None => self.shelf.get(&document).map(|stored| stored.certificates_until(after)).unwrap_or_default(),
            };
            named.retain(|certificate| !behind.contains(certificate));
        }
        let evidence = self.evidence_for(id, peer, owner, named, after);
        let Some(mut evidence_bytes) = self.give_evidence(turn, id, (document, false), evidence, permit.scope() != Scope::Held) else {
            return;
        };
        self.counted_goes(id, walk_to, false);
        let mut pushes: Vec<(Push, Vec<Arc<Segment>>)> = Vec::new();
        let mut size = usize::MAX;
        let mut sizes = Vec::new();
        for (_, part) in items {
            let bytes = part.about_bytes();
            if size.saturating_add(bytes) > PUSH_BYTES
                || pushes
                    .last()
                    .is_some_and(|(p, segments)| p.records.len() + segments.len() + p.receipts.as_ref().map_or(0, Vec::len) >= 512)
            {
                size = 0;
                pushes.push((Push::empty(0, document), Vec::new()));
                sizes.push(0);
            }
            size = size.saturating_add(bytes);
            *sizes.last_mut().expect("pushed above") = size;
            let (push, segments) = pushes.last_mut().expect("pushed above");
            match part {
                Part::Statement(Item::Genesis(bytes)) => push.genesis = Some(Bytes(bytes)),
                Part::Statement(Item::Record(bytes)) => push.records.push(Bytes(bytes)),
                Part::Statement(Item::Opening(bytes)) => push.openings.get_or_insert_default().extend(Opening::from_bytes(&bytes)),
                Part::Statement(Item::Receipt(bytes)) => push.receipts.get_or_insert_default().push(Bytes(bytes)),
                Part::Statement(Item::Segment(bytes)) => push.segments.push(Bytes(bytes)),
                Part::Segment(segment) => segments.push(segment),
            }
        }
        // A page rests on the pages before it and on nothing behind it: within it runs may be joined.
        let pushes: Vec<(Push, Vec<Segment>)> = {
            let state = self.bodies.get(&document);
            let joined = |segments| match state {
                Some(state) => state.joined(segments),
                None => crate::segment::joined(segments, |_| false),
            };
            pushes.into_iter().map(|(push, segments)| (push, joined(segments))).collect()
        };
        let reached = match rest {
            Some(sent) => {
                let link = self.links.get_mut(&id).expect("present while pumping");
                link.partial.insert(document, (sent, permit.scope()));
                link.reached()
            }
            None => {
                self.passed(id, document, walk_to);
                let link = self.links.get_mut(&id).expect("present while pumping");
                link.sent.insert(document, newest);
                // Once this is there, everything is: the next walk begins behind it all, and so does what is sent of each document.
                let all = link.whole.is_empty() && !self.documents.any_after(link.walked) && link.late_from.is_none();
                if all { Reached { base: self.sequence, walked: self.sequence } } else { link.reached() }
            }
        };
        // The cursor says "all before this is with you": only the last push of a document may carry it, and in a long row only some do.
        let link = &self.links[&id];
        let last_for_now = link.whole.is_empty() && !self.documents.any_after(link.walked);
        // One just went along: the burst it belonged to gets one at its end.
        let rests = link.cursor_given.map(|at| at.plus(limits::CURSOR_REST_MS)).filter(|until| turn.now.mono < *until);
        // In a bundle it comes behind everything.
        let due = rest.is_none() && !link.bundle && (link.since_cursor >= limits::CURSOR_EVERY_PUSHES || (last_for_now && rests.is_none()));
        let cursor = due.then(|| Bytes(self.seal_cursor(turn, id, peer, reached)));
        if let Some(link) = self.links.get_mut(&id) {
            link.since_cursor = if due { 0 } else { link.since_cursor + 1 };
            if due {
                (link.cursor_due, link.cursor_given) = (None, Some(turn.now.mono));
            } else if let Some(until) = rests.filter(|_| last_for_now) {
                link.cursor_due = Some(link.cursor_due.map_or(until, |before| before.min(until)));
            }
        }
        let count = pushes.len();
        let mut cursor = cursor;
        for (at, (mut push, segments)) in pushes.into_iter().enumerate() {
            push.cursor = cursor.take_if(|_| at + 1 == count);
            let link = self.links.get_mut(&id).expect("present while pumping");
            push.mark = link.next_mark;
            link.next_mark += 1;
            let (version, mark) = (link.version, push.mark);
            let bytes = push.encode_with(segments, version);
            debug_assert!(bytes.len() <= limits::FRAME_BYTES_MAX, "an item with its envelope fits a frame");
            let last = rest.is_none() && at + 1 == count;
            let all_bytes = bytes.len() + std::mem::take(&mut evidence_bytes);
            link.evidencing.remove(&document);
            link.in_flight.push_back(InFlight {
                mark,
                bytes: all_bytes,
                reached,
                document,
                last,
                parting: false,
                part: false,
                held: if permit.scope() == Scope::Held { sizes[at] } else { 0 },
            });
            link.in_flight_bytes += all_bytes;
            link.busy(turn.now.mono);
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        if !self.links[&id].own && begun.is_none() {
            let word = if self.links[&id].bundle { "packed" } else { "sent" };
            self.account(turn, word, Some(document), Some(peer.bureau), Some(peer.certificate), &permit.cites());
        }
    }

    /// Whether the peer has still to hear of its own cut: at its place in the walk, or when a comparison showed that it does not know.
    pub(in crate::bureau) fn parting_due(
        &self,
        link: &Link,
        peer: &Peer,
        document: &DocumentId,
        walk_to: Option<u64>,
    ) -> Option<access::Parting> {
        let summary = self.documents.line(document).filter(Line::may_be_over)?.summary();
        let parting = access::parting(&summary.facts(), self.identity.bureau, peer.bureau)?;
        let news = summary.parted_seq.get(&peer.bureau).is_some_and(|seq| *seq > link.base) && !link.parted.contains(document);
        let news = news && summary.given.contains(&peer.bureau);
        (walk_to.is_none() || news).then_some(parting)
    }

    /// Tells a bureau of its own cut: the records up to it.
    pub(in crate::bureau) fn push_parting(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, document: DocumentId, walk_to: Option<u64>) {
        let parting = self.documents.get(&document).and_then(|s| access::parting(&s.facts(), self.identity.bureau, peer.bureau));
        let (Some(parting), Some(state)) = (parting, self.bodies.get(&document)) else { return self.passed(id, document, walk_to) };
        let records = state.log().up_to(&parting.cut());
        let officers: Vec<CertificateId> = records.iter().flat_map(|record| record.body().kind.officers()).collect();
        let evidence = self.with_grounds(officers, Some(peer.bureau), &self.links[&id].evidence);
        // A long log goes as far as there is room on the way; the rest goes when that has arrived.
        let told = self.links[&id].parting.get(&document).filter(|(cut, _)| *cut == parting.cut()).map_or(0, |(_, told)| *told);
        let room = limits::IN_FLIGHT_BYTES_MAX.saturating_sub(self.links[&id].in_flight_bytes).max(PUSH_BYTES);
        let mut pages: Vec<Vec<Bytes>> = vec![Vec::new()];
        let (mut size, mut all, mut taken) = (0, 0, 0);
        for bytes in records.iter().skip(told).map(|record| record.sealed().to_bytes()) {
            if taken > 0 && all + bytes.len() > room {
                break;
            }
            if size > 0 && size + bytes.len() > PUSH_BYTES {
                pages.push(Vec::new());
                size = 0;
            }
            size += bytes.len();
            all += bytes.len();
            taken += 1;
            pages.last_mut().expect("never empty").push(Bytes(bytes));
        }
        let ends = told + taken == records.len();
        // On a restricted link what waits is left out: there it goes at once.
        let may_wait = self.mode(turn, &self.links[&id]) == Mode::Full;
        let Some(mut evidence_bytes) = self.give_evidence(turn, id, (document, true), evidence, may_wait) else { return };
        if ends {
            self.passed(id, document, walk_to);
        }
        let count = pages.len();
        for (at, records) in pages.into_iter().enumerate() {
            let link = self.links.get_mut(&id).expect("present while pumping");
            let push = Push { records, ..Push::empty(link.next_mark, parting.document()) };
            link.next_mark += 1;
            let (mark, bytes) = (push.mark, Message::Push(push).encode());
            let reached = link.reached();
            let all_bytes = bytes.len() + std::mem::take(&mut evidence_bytes);
            link.evidencing.remove(&document);
            // The cut is told with the last page: what is acknowledged before it says nothing.
            let parting = ends && at + 1 == count;
            link.in_flight.push_back(InFlight { mark, bytes: all_bytes, reached, document, last: false, parting, held: 0, part: false });
            link.in_flight_bytes += all_bytes;
            link.busy(turn.now.mono);
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        let link = self.links.get_mut(&id).expect("present while pumping");
        if !ends {
            link.parting.insert(document, (parting.cut(), told + taken));
            return;
        }
        link.parting.remove(&document);
        link.parted.insert(document);
        self.account(turn, "cut_told", Some(document), Some(peer.bureau), Some(peer.certificate), "");
    }

    /// Gives evidence ahead of the pushes that rest on it, and answers its bytes, which count with them as on their way. More of it than goes at once
    /// waits like everything that is said before documents; then the pushes come when their turn comes again: `None`.
    fn give_evidence(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        (document, parting): (DocumentId, bool),
        evidence: Vec<(StatementId, Bytes)>,
        may_wait: bool,
    ) -> Option<usize> {
        let size = evidence.iter().map(|(_, bytes)| bytes.0.len()).sum();
        if size <= limits::EVIDENCE_AT_ONCE_MAX || !may_wait || !self.links[&id].answers_marks() {
            self.send_evidence(turn, id, evidence);
            return Some(size);
        }
        self.say_evidence(id, document, parting, evidence.into_iter().map(|(statement, _)| statement).collect());
        None
    }

    /// Sends evidence ahead of what rests on it, in pages, and notes it as given. Who writes in a document is part of it: gated like the document.
    pub(in crate::bureau) fn send_evidence(&mut self, turn: &mut Turn, id: LinkId, evidence: Vec<(StatementId, Bytes)>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.evidence.extend(evidence.iter().map(|(statement, _)| *statement));
        }
        for bytes in due::pages(evidence.into_iter().map(|(_, bytes)| bytes)) {
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
    }

    /// Sealed certificates a receiver needs for this document and was not given on this link, with the roots and issuers they rest on.
    /// Those of its own bureau it has, unless the document goes from its beginning: then it may be a restored store that lost them.
    fn evidence_for(
        &self,
        id: LinkId,
        peer: &Peer,
        owner: BureauId,
        named: BTreeSet<CertificateId>,
        after: u64,
    ) -> Vec<(StatementId, Bytes)> {
        let given = &self.links[&id].evidence;
        let mut out = Vec::new();
        if owner != self.identity.bureau
            && owner != peer.bureau
            && let Some(record) = self.directory.bureau(&owner)
        {
            let grounds =
                record.roots().map(accord_keys::seal::Verified::id).chain(record.appointments().map(accord_keys::seal::Verified::id));
            out.extend(grounds.filter(|id| !given.contains(id)).filter_map(|id| Some((id, Bytes(self.directory.statement_bytes(&id)?)))));
        }
        let known: BTreeSet<StatementId> = out.iter().map(|(id, _)| *id).chain(given.iter().copied()).collect();
        // Appointments rest on the registrars' certificates: those come first.
        let mut first = self.with_grounds(named, (after > 0).then_some(peer.bureau), &known);
        first.extend(out);
        let mut roots_first = first;
        roots_first.sort_by_key(|(_, bytes)| match seal::peek_type(&bytes.0).and_then(StatementType::from_number) {
            Some(StatementType::Root) => 0,
            Some(StatementType::Certificate) => 1,
            _ => 2,
        });
        roots_first
    }

    /// Sealed certificates with what they rest on, in an order that can be learnt, without those of a bureau that has them and those already
    /// given.
    pub(in crate::bureau) fn with_grounds(
        &self,
        certificates: impl IntoIterator<Item = CertificateId>,
        has: Option<BureauId>,
        given: &BTreeSet<StatementId>,
    ) -> Vec<(StatementId, Bytes)> {
        let mut roots: Vec<StatementId> = Vec::new();
        let mut issuers: Vec<StatementId> = Vec::new();
        let mut members: Vec<StatementId> = Vec::new();
        for certificate in certificates {
            let Some(known) = self.directory.certificate(&certificate) else { continue };
            let bureau = known.body().bureau;
            // Our own devices hear of our members at greeting, and here once more: what they lack they could not show.
            if has == Some(bureau) && bureau != self.identity.bureau {
                continue;
            }
            if bureau != self.identity.bureau
                && let Some(record) = self.directory.bureau(&bureau)
            {
                roots.extend(record.roots().map(accord_keys::seal::Verified::id));
            }
            if let Issuer::Member(issuer) = known.body().issuer {
                issuers.push(StatementId(issuer.0));
            }
            members.push(StatementId(certificate.0));
        }
        let mut seen = BTreeSet::new();
        roots
            .into_iter()
            .chain(issuers)
            .chain(members)
            .filter(|id| !given.contains(id) && seen.insert(*id))
            .filter_map(|id| Some((id, Bytes(self.directory.statement_bytes(&id)?))))
            .collect()
    }

    pub(in crate::bureau) fn ack_came(&mut self, turn: &mut Turn, id: LinkId, mark: u64) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        if mark >= link.next_mark {
            return self.garbage(turn, id, "acknowledged what was never sent");
        }
        let peer = link.peer.expect("checked by message()");
        let own = link.own;
        let transport = link.transport;
        let mut reached = None;
        let mut delivered = Vec::new();
        let (mut documents, mut bytes) = (0, 0);
        // Of several pushes on their way it may decline the first and take a later one, which brings what the first lacked: from there on the
        // document counts for both again.
        let not_taken = link.not_taken.take();
        let answered = link.unsure.iter().chain(&link.in_flight).find(|push| push.mark == mark && !push.part).map(|push| push.document);
        if let Some(taken) = answered.filter(|document| not_taken != Some(*document)) {
            link.declined.remove(&taken);
        }
        // Answers come in the order of what they answer: what was passed over had not gone when the gate closed. How far the other side got
        // is walked again; that it has this is true all the same.
        while let Some(front) = link.unsure.front().copied().filter(|front| front.mark <= mark) {
            link.unsure.pop_front();
            if front.mark == mark && front.last && !link.declined.contains(&front.document) && !link.whole.contains(&front.document) {
                delivered.push(front.document);
            }
        }
        while let Some(front) = link.in_flight.front().copied() {
            if front.mark > mark {
                break;
            }
            link.in_flight.pop_front();
            link.in_flight_bytes = link.in_flight_bytes.saturating_sub(front.bytes);
            bytes += if front.part { 0 } else { front.bytes };
            documents += u64::from(front.last);
            if front.last || front.parting {
                reached = Some(front.reached);
            }
            // What the receiver declined or asked for anew is dealt with, not delivered.
            if front.last && !link.declined.contains(&front.document) && !link.whole.contains(&front.document) {
                delivered.push(front.document);
            }
        }
        link.busy(turn.now.mono);
        self.acknowledged(turn, &transport, reached, documents, bytes);
        if let Some(reached) = reached {
            self.reached.insert(transport, reached);
            self.keep_reached(turn, &transport);
        }
        if !own {
            for document in delivered {
                self.delivered(turn, &peer, document);
            }
        }
    }

    /// Notes that a document is durable at a partner: it said so, or holds the same as we do.
    pub(in crate::bureau) fn delivered(&mut self, turn: &mut Turn, peer: &Peer, document: DocumentId) {
        self.account(turn, "delivered", Some(document), Some(peer.bureau), Some(peer.certificate), "");
        if let Some(summary) = self.documents.note_given(&document, peer.bureau) {
            turn.put(Table::Documents, &document.0, summary.to_bytes());
            let (owner, kind) = (summary.owner, summary.kind);
            self.views.note_given(&document, &peer.bureau);
            if owner == self.identity.bureau {
                self.given_to(turn, peer.bureau, kind);
            }
        }
        self.event(turn, "delivered", Some(document), Some(peer.bureau), "");
    }
}
