//! Receiving: the one door for what links bring.

use std::sync::Arc;

use super::*;
use crate::access::log::Record;
use crate::id::{NetworkId, RecordId};
use crate::rules::ChangeHash;
use crate::segment::{self, CheckedSegment};
use accord_keys::seal::Sealed;

/// What a push brought that found a place, to be kept.
enum Came {
    Record(RecordId, Vec<u8>),
    Segment(Arc<CheckedSegment>),
    Other(Item),
}

/// What found a place late, as [`DocState::take_fresh`] gives it.
fn late(network: &NetworkId, item: Item) -> Came {
    match item {
        Item::Record(bytes) => match Sealed::<Record>::from_bytes(&bytes) {
            Ok(record) => Came::Record(RecordId(record.id(network).0), bytes),
            Err(_) => Came::Other(Item::Record(bytes)),
        },
        other => Came::Other(other),
    }
}

/// The changes of what came, with those that found their place only now.
fn changes_in(items: &[Came]) -> BTreeSet<ChangeHash> {
    let hashes = |checked: &CheckedSegment| checked.positions().iter().map(|position| position.change).collect::<Vec<_>>();
    let of = |came: &Came| match came {
        Came::Segment(checked) => hashes(checked),
        Came::Other(Item::Segment(bytes)) => {
            let checked = segment::decode_stored(bytes).and_then(segment::check_stored);
            checked.map(|checked| hashes(&checked)).unwrap_or_default()
        }
        Came::Record(..) | Came::Other(_) => Vec::new(),
    };
    items.iter().flat_map(of).collect()
}

impl Bureau {
    /// Keeps what came, in the order in which it found its place; answers the sequences.
    fn keep_came(&mut self, turn: &mut Turn, document: DocumentId, came: Vec<Came>) -> Vec<u64> {
        let records: Vec<RecordId> = came.iter().filter_map(|came| if let Came::Record(id, _) = came { Some(*id) } else { None }).collect();
        self.note_grants(turn, document, &records);
        came.into_iter()
            .map(|came| match came {
                Came::Record(_, bytes) => self.store_item(turn, document, Item::Record(bytes)),
                Came::Segment(checked) => self.store_segment(turn, document, &checked),
                Came::Other(item) => self.store_item(turn, document, item),
            })
            .collect()
    }

    /// Whether the summary of a document is no longer than what may be stored of it.
    fn fits_a_row(&self, document: &DocumentId, state: &DocState) -> bool {
        let rights = state.log().rights();
        rights.bureaus.len() + rights.parted.len() + rights.until_end.len() <= limits::HOLDERS_UNMEASURED
            || Summary::of(state, self.documents.get(document).as_deref(), self.sequence).to_bytes().len() <= limits::SUMMARY_BYTES_MAX
    }

    pub(in crate::bureau) fn push_came(&mut self, turn: &mut Turn, id: LinkId, push: CheckedPush) {
        let peer = self.links[&id].peer.expect("checked by message()");
        let own_link = self.links[&id].own;
        let document = push.document;
        self.push_counts(turn, id, document, push.size);
        let coming_new = !self.documents.contains_key(&document);
        if !own_link && !self.quota(turn, peer.bureau).take(push.size, coming_new && push.genesis.is_some()) {
            return self.decline_for(turn, id, document, push.mark, Reason::Busy, "more than a day's share");
        }
        // A tombstone stays for ever: nobody's copy brings back what was destroyed.
        // Without a genesis it is asked for as of a document never heard of: nobody learns which of the two it is.
        if self.retention.is_erased(&document) {
            if push.genesis.is_none() && !own_link {
                return self.want_whole(turn, id, document, push.mark);
            }
            return self.decline(turn, id, document, push.mark, "erased here");
        }
        let weight = self.bodies.get(&document).map_or(0, DocState::weight);
        if !own_link && weight > limits::BODY_WEIGHT_MAX {
            return self.decline_for(turn, id, document, push.mark, Reason::Busy, "as large as a document gets");
        }
        for statement in push.evidence {
            let _ = self.learn_from(turn, id, &peer, own_link, statement);
        }
        if !own_link && !self.may_bring(&peer, &document) {
            // Held, but no matter between us: answered like a document we never heard of.
            return match push.genesis {
                Some(_) => self.decline(turn, id, document, push.mark, "not between us"),
                None => self.want_whole(turn, id, document, push.mark),
            };
        }
        // A genesis stands if its creator does; a new document is looked at whole before anything of it is kept.
        let fresh = if self.documents.contains_key(&document) {
            None
        } else {
            match push.genesis.as_ref().map(|genesis| DocState::new(&self.directory, genesis.clone())) {
                Some(Ok(state)) => Some(state),
                Some(Err(RecordError::MissingEvidence(_))) | None => return self.want_whole(turn, id, document, push.mark),
                Some(Err(why)) => return self.decline(turn, id, document, push.mark, &why.to_string()),
            }
        };
        if fresh.is_none() && !self.bodies.contains_key(&document) {
            return self.decline(turn, id, document, push.mark, "body cannot be loaded");
        }
        let is_new = fresh.is_some();
        let whole = push.genesis.is_some();
        let mut state = fresh.or_else(|| self.bodies.remove(&document)).expect("one of the two");
        let before_in = state.unadmitted();
        let known_forks = state.forked_actors().len();
        // In the order in which they found their place: that is the order in which they are stored and read back.
        let network = self.identity.network;
        let mut items: Vec<Came> = Vec::new();
        let mut took_away = false;
        let mut writers: BTreeSet<CertificateId> = BTreeSet::new();
        let mut waiting = false;
        let mut early: Vec<Arc<CheckedSegment>> = Vec::new();
        let mut refused: Option<String> = None;
        for opening in &push.openings {
            // Of a hidden audience a partner opens to us our own place; of an audience of ours its own, and nobody else's.
            let its_own = opening.bureau == peer.bureau && state.owner() == self.identity.bureau;
            if (own_link || opening.bureau == self.identity.bureau || its_own) && state.learn_opening(opening) {
                items.push(Came::Other(Item::Opening(opening.to_bytes())));
            }
        }
        // Only a device of our own says what a node of ours took in.
        for receipt in push.receipts.iter().filter(|_| own_link) {
            if state.learn_receipt(&self.directory, receipt) {
                items.push(Came::Other(Item::Receipt(receipt.sealed().to_bytes())));
            }
        }
        state.retry(&self.directory);
        items.extend(state.take_fresh().into_iter().map(|item| late(&network, item)));
        for record in push.records {
            let (id, bytes) = (RecordId(record.id().0), record.sealed().to_bytes());
            match state.learn_record(&self.directory, record) {
                Ok(Learned::Known) => {}
                Ok(learned) => {
                    items.push(Came::Record(id, bytes));
                    items.extend(state.take_fresh().into_iter().map(|item| late(&network, item)));
                    took_away |= learned == Learned::TakesAway;
                }
                // One that is wrong is left out; what does not rest on it is read all the same.
                Err(RecordError::Malformed(why)) => refused = Some(why.to_owned()),
                Err(_) => waiting = true,
            }
        }
        // What no row holds cannot be kept: of a document that is here everything stays as it is stored.
        if !self.fits_a_row(&document, &state) {
            return self.decline(turn, id, document, push.mark, "more holders and consents than a row holds");
        }
        // The receiver asks the sender's question with the facts as they stand now.
        let rights = state.log().rights();
        let genesis = state.log().genesis().body();
        let allowed = self.may_go(turn, &state.facts(&rights), peer.bureau, self.identity.bureau);
        let only_held = allowed.as_ref().is_ok_and(|permit| permit.scope() == Scope::Held);
        let owner_is_us = genesis.owner == self.identity.bureau;
        // A document of ours comes back to us only from one whom its log let in.
        // To whom a hidden audience was opened is forgotten with a lost disk; such a document holds nothing but what we sealed ourselves.
        let outsider = !own_link && owner_is_us && genesis.hidden.is_none() && !state.log().ever_held(&peer.bureau);
        // Whoever holds the creator's revocation takes no document of it that its registrar has not confirmed.
        let stranger = is_new && !own_link && state.adopted_number().is_none() && self.directory.revoked(&genesis.creator).is_some();
        let no = match allowed {
            Err(refusal) => Some(format!("{} {}", refusal.word(), refusal.cites())),
            Ok(_) if outsider => Some("the log never let the sender in".to_owned()),
            Ok(_) if stranger => Some("an unconfirmed document of a revoked creator".to_owned()),
            Ok(_) if only_held && (is_new || !self.quota(turn, peer.bureau).take_held(push.size)) => Some("restricted".to_owned()),
            Ok(_) => None,
        };
        if let Some(why) = no {
            let branched = !is_new && genesis.owner == peer.bureau && state.log().is_forked();
            // The record that lets us in again may be what waits.
            let incomplete = waiting && !is_new && genesis.owner == peer.bureau;
            let told_of_cut = !is_new && push.segments.is_empty() && rights.parted(&self.identity.bureau).is_some();
            if !is_new {
                self.bodies.insert(document, state);
                if !items.is_empty() {
                    self.keep_came(turn, document, items);
                    self.touched(turn, document, "received");
                }
                if took_away && owner_is_us {
                    self.policy_changed(turn, None);
                } else if took_away {
                    self.stale_but(turn, id, document);
                }
            }
            if branched {
                self.name_branches(turn, id, document);
            }
            if told_of_cut {
                return self.send(turn, id, &Message::Ack(push.mark), false);
            }
            if incomplete {
                return self.want_whole(turn, id, document, push.mark);
            }
            return self.decline(turn, id, document, push.mark, &why);
        }
        let mut left_unread = false;
        let mut segments: Vec<Arc<CheckedSegment>> = Vec::with_capacity(push.segments.len());
        for incoming in push.segments {
            let checked = match incoming {
                IncomingSegment::Checked(checked) => checked,
                IncomingSegment::Unchecked(raw) => match self.directory.certificate(&raw.segment().certificate) {
                    None => {
                        waiting = true;
                        continue;
                    }
                    Some(certificate) => match raw.check(&network, certificate.body()) {
                        Ok(checked) => checked,
                        Err(why) => {
                            refused = Some(why.to_string());
                            continue;
                        }
                    },
                },
            };
            // Into our own documents nobody writes whom our log never let in: not even to be held.
            let writer = self.directory.certificate(&checked.segment().certificate).map(|c| c.body().bureau);
            if owner_is_us && !own_link && writer.is_none_or(|w| w != self.identity.bureau && !state.log().ever_held(&w)) {
                refused = Some("writer holds nothing here".to_owned());
                continue;
            }
            // Over a restricted link comes what a cut holds back of the sender's own, and nothing that would count by itself.
            if only_held && !(writer == Some(peer.bureau) && self.is_cut_off(&state, &checked.segment().certificate)) {
                left_unread = true;
                continue;
            }
            segments.push(Arc::new(checked));
        }
        for (outcome, checked) in state.learn_shared(&self.directory, &segments).into_iter().zip(segments) {
            match outcome {
                Intake::New => {
                    writers.insert(checked.segment().certificate);
                    items.push(Came::Segment(checked));
                }
                Intake::Known => {}
                Intake::Waiting => early.push(checked),
                // One writer's bad change is no reason to lose what others wrote behind it.
                Intake::Malformed(why) => refused = Some(why),
            }
        }
        items.extend(state.take_fresh().into_iter().map(|item| late(&network, item)));
        // What came with it may show that somebody wrote here before we came and was not asked.
        if is_new && !own_link {
            let now_known = self.may_go(turn, &state.facts(&rights), peer.bureau, self.identity.bureau);
            if let Err(refusal) = now_known {
                return self.decline(turn, id, document, push.mark, &format!("{} {}", refusal.word(), refusal.cites()));
            }
        }
        let forks = state.forked_actors().len();
        self.bodies.insert(document, state);
        if let Some(link) = self.links.get_mut(&id) {
            link.refused.remove(&document);
            if whole && !waiting && early.is_empty() {
                link.wanted.remove(&document);
            }
        }
        let changed = is_new || !items.is_empty();
        let taken_in = if owner_is_us && !own_link { changes_in(&items) } else { BTreeSet::new() };
        if is_new {
            self.used.push_back(document);
            let genesis = push.genesis.expect("a new document came with its genesis").sealed().to_bytes();
            let seq = self.store_item(turn, document, Item::Genesis(genesis));
            self.echo(id, seq);
        }
        for seq in self.keep_came(turn, document, items) {
            self.echo(id, seq);
        }
        if !before_in.is_empty() {
            self.restore_admitted(turn, document, &before_in);
        }
        // Who wrote on what nobody has keeps nothing else out: what is stored is received, and what it rests on may come or not.
        let kept_early = !early.is_empty() && self.bodies.get(&document).is_some_and(|state| state.keeps(&early));
        waiting |= !early.is_empty() && !kept_early;
        self.receipt_as_node(turn, peer.bureau, document, &taken_in);
        if changed {
            self.account(turn, if is_new { "received" } else { "admitted" }, Some(document), Some(peer.bureau), Some(peer.certificate), "");
            let row = self.touched(turn, document, "received");
            if !own_link {
                // A short change of a document with very many holders makes us write all of them anew.
                self.quota(turn, peer.bureau).count_written(row.saturating_sub(limits::SUMMARY_BYTES_FREE));
            }
            if let Some((owner, kind)) = self.documents.line(&document).map(|line| (line.owner, line.kind)).filter(|_| !own_link)
                && (owner == peer.bureau || owner_is_us)
            {
                self.receipt_due(turn, peer.bureau, document, (is_new && !owner_is_us).then_some(kind));
            }
        }
        self.own_work_returned(turn, &peer, &writers, forks > known_forks);
        if took_away && owner_is_us {
            self.policy_changed(turn, None);
        } else if took_away {
            self.stale_but(turn, id, document);
        }
        if forks > known_forks && changed {
            self.event(turn, "fork", Some(document), Some(peer.bureau), "an author signed two changes for one position");
            // Who brought one of the two may have no other, and no sum shows it: both are out.
            if (own_link || self.quota(turn, peer.bureau).take_want())
                && let Some(link) = self.links.get_mut(&id)
            {
                link.whole.insert(document);
            }
        }
        if left_unread {
            // Good work, but not for a restricted link: it must not count as delivered, and comes again once the link is in force.
            return self.decline(turn, id, document, push.mark, "restricted");
        }
        let malformed = refused.is_some();
        if let Some(why) = refused
            && !self.is_noise(turn, id)
        {
            self.account(turn, "refused_item", Some(document), Some(peer.bureau), Some(peer.certificate), &why);
            self.event(turn, "refused", Some(document), Some(peer.bureau), "malformed");
        }
        if waiting && malformed {
            // Asking again would bring the same: what has no place stays out, and the document out of both sums.
            return self.decline(turn, id, document, push.mark, "something before it is malformed");
        }
        if waiting {
            return self.want_whole(turn, id, document, push.mark);
        }
        // It may have gone to us once and be lost here. Who sent all it has would send the same again.
        if kept_early && !whole && self.asks_whole(turn, id, document, push.mark) {
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            if !kept_early {
                link.wanted.remove(&document);
            }
            if link.brought {
                // In a long row it gets one now and then; at the end of it the comparison gives one.
                link.cursor_due = link.cursor_due.or(Some(turn.now.mono.plus(limits::CURSOR_REST_MS)));
            }
        }
        if let Some(cursor) = push.cursor {
            self.keep_cursor(turn, id, cursor);
        }
        self.send(turn, id, &Message::Ack(push.mark), false);
    }

    /// A document's owner took something away: what waits to go to others may be for who was just cut.
    fn stale_but(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId) {
        self.bundles.took_away();
        let mut stale = false;
        for (_, link) in self.links.iter_mut().filter(|(other, link)| **other != id && link.may_speak_of(&document, turn.now.mono)) {
            link.make_stale();
            stale = true;
        }
        if stale {
            self.write_floor(turn);
        }
    }

    /// Whether a document we hold is a matter between us and this partner: its own, or ours and it was let in once. Unknown ones may be.
    pub(in crate::bureau) fn may_bring(&self, peer: &Peer, document: &DocumentId) -> bool {
        let Some(summary) = self.documents.line(document) else { return true };
        if summary.owner == peer.bureau {
            return true;
        }
        // A third bureau's document may come from whom its open log lets in: it knows of it already.
        if summary.owner != self.identity.bureau {
            return !summary.hidden && summary.holder(&peer.bureau).is_some();
        }
        let ours = summary.owner == self.identity.bureau;
        ours && (summary.holder(&peer.bureau).is_some()
            || self.bodies.get(document).is_some_and(|state| state.log().ever_held(&peer.bureau)))
    }

    /// Whether a document is here that is read back before a push of it is answered: only what whoever stands at the other end may bring. Of one of
    /// ours the log says who ever held it.
    pub(in crate::bureau) fn is_read_for(&self, id: LinkId, document: &DocumentId) -> bool {
        let Some(line) = self.documents.line(document) else { return false };
        let Some((peer, own)) = self.links.get(&id).and_then(|link| link.peer.map(|peer| (peer, link.own))) else { return false };
        own || line.owner == self.identity.bureau || self.may_bring(&peer, document)
    }

    /// Whether a cut covers the holder of a certificate.
    fn is_cut_off(&self, state: &DocState, certificate: &CertificateId) -> bool {
        let member = self.directory.certificate(certificate);
        member.is_some_and(|member| state.log().cuts().iter().any(|cut| cut.subject.covers(certificate, member.body())))
    }

    /// Learns an identity statement a peer brought.
    pub(in crate::bureau) fn learn_from(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        peer: &Peer,
        own: bool,
        statement: wire::IdentityStatement,
    ) -> bool {
        self.learn_over(turn, id, (!own).then_some(peer.bureau), statement)
    }

    /// Learns a statement that came over a link, from a partner or (`None`) a device of our own. One of those that never go backwards is told
    /// to whoever may have lost it.
    pub(in crate::bureau) fn learn_over(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        partner: Option<BureauId>,
        statement: wire::IdentityStatement,
    ) -> bool {
        self.learn_counted(turn, id, partner, statement, false)
    }

    /// As [`Bureau::learn_over`], where the session itself rests on it: a partner whose share is used up may still have renewed its device.
    pub(super) fn learn_needed(&mut self, turn: &mut Turn, id: LinkId, partner: Option<BureauId>, statement: wire::IdentityStatement) {
        self.learn_counted(turn, id, partner, statement, true);
    }

    fn learn_counted(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        partner: Option<BureauId>,
        statement: wire::IdentityStatement,
        needed: bool,
    ) -> bool {
        // What is known costs no share, whoever says it again.
        if partner.is_some() && self.learnt.contains_key(&statement.id()) {
            return false;
        }
        let lasting = self.lasting_of(&statement).map(|bureau| (bureau, statement.to_bytes()));
        // What our own bureau sealed nobody else can make more of.
        let about = self.bureau_of(&statement);
        let counted = partner.filter(|_| about != Some(self.identity.bureau));
        let size = if counted.is_some() { statement.to_bytes().len() } else { 0 };
        if let Some(partner) = partner
            && let Err(why) = self.room_for(turn, partner, &statement, size, needed || lasting.is_some())
        {
            if !self.is_noise(turn, id) {
                self.account(turn, "statement_refused", None, Some(partner), None, why);
            }
            return false;
        }
        let statement_id = statement.id();
        let new = self.learn_identity(turn, statement).unwrap_or(false);
        if let Some(partner) = counted.filter(|_| new) {
            self.quota(turn, partner).count_statement(size, about.filter(|bureau| *bureau != partner));
            // It counts with what this partner brought, whoever brought more of that bureau: nobody uses up what another may bring.
            if let Some(of) = about.filter(|bureau| *bureau != partner && !self.partners.contains_key(bureau)) {
                self.note_brought(turn, &statement_id, partner, of, size);
                self.quota(turn, partner).count_introduced(usize::from(of.0 == statement_id.0), size);
            }
        }
        match lasting.filter(|_| new) {
            // What a restore forgot and one partner gives back, the others that are linked may never have heard.
            Some((bureau, bytes)) if bureau == self.identity.bureau => self.tell_statement(turn, &bytes),
            // Of two stores of one device the other said it: the cursor this one is given next says that it knows.
            Some((bureau, bytes)) => {
                let message = Message::Statements(vec![Bytes(bytes)]);
                for other in self.live_links(|with| with == bureau).into_iter().filter(|other| *other != id) {
                    self.tell_link(turn, other, &message);
                }
            }
            None => {}
        }
        new
    }

    /// What a partner may teach us of identities: its own bureau and, as evidence, others, each up to a bound, and so much within a day.
    fn room_for(
        &mut self,
        turn: &Turn,
        partner: BureauId,
        statement: &wire::IdentityStatement,
        size: usize,
        lasting: bool,
    ) -> Result<(), &'static str> {
        // A bureau's own devices alone pass on what its root said of its clocks.
        if matches!(statement, wire::IdentityStatement::ClockReset(_)) {
            return Err("clocks are no partner's matter");
        }
        // What rests on something unknown is not learnt.
        let Some(bureau) = self.bureau_of(statement).filter(|bureau| *bureau != self.identity.bureau) else { return Ok(()) };
        match self.directory.bureau(&bureau) {
            Some(known) => {
                let most = if self.partners.contains_key(&bureau) {
                    limits::STATEMENT_BYTES_OF_PARTNER_MAX
                } else {
                    limits::STATEMENT_BYTES_OF_OTHERS_MAX
                };
                let most = if lasting { most + most / 4 } else { most };
                if known.weight().saturating_add(size) > most {
                    return Err("as much of this bureau as is kept");
                }
                if bureau != partner && !self.partners.contains_key(&bureau) {
                    let most = limits::INTRODUCED_BYTES_MAX;
                    let most = if lasting { most + most / 4 } else { most };
                    if self.introduced(turn, partner).bytes.saturating_add(size) > most {
                        return Err("as much as is kept of what one partner brings of others");
                    }
                }
            }
            None if bureau == partner || !matches!(statement, wire::IdentityStatement::Root(_)) => {}
            None => {
                let introduced = self.introduced(turn, partner);
                if introduced.bureaus >= limits::INTRODUCED_MAX {
                    return Err("as many bureaus as a partner introduces");
                }
                if introduced.bytes.saturating_add(size) > limits::INTRODUCED_BYTES_MAX {
                    return Err("as much as is kept of what one partner brings of others");
                }
                if self.directory.bureaus().count() >= limits::BUREAUS_MAX {
                    return Err("as many bureaus as are kept");
                }
            }
        }
        let other = Some(&bureau).filter(|bureau| **bureau != partner);
        if self.quota(turn, partner).has_room_for(size, lasting, other) { Ok(()) } else { Err("more than a day's share") }
    }

    /// What a partner introduced so far; counted once a day.
    fn introduced(&mut self, turn: &Turn, partner: BureauId) -> Introduced {
        let introduced = match self.quotas.get(&partner).and_then(Quota::introduced) {
            Some(known) => known,
            None => self.introduced_by(&partner),
        };
        self.quota(turn, partner).note_introduced(introduced);
        introduced
    }

    /// The bureau a statement is about, if what it rests on is known.
    pub(in crate::bureau) fn bureau_of(&self, statement: &wire::IdentityStatement) -> Option<BureauId> {
        match statement {
            wire::IdentityStatement::Root(root) => match root.body().previous {
                None => Some(BureauId(root.id().0)),
                Some(previous) => self.directory.bureau_of_root(&previous),
            },
            wire::IdentityStatement::Certificate(certificate) => Some(certificate.body().bureau),
            wire::IdentityStatement::Revocation(revocation) => Some(revocation.body().bureau),
            wire::IdentityStatement::Appointment(appointment) => Some(appointment.body().bureau),
            wire::IdentityStatement::ClockReset(reset) => Some(reset.body().bureau),
            wire::IdentityStatement::Contact(contact) => Some(contact.body().bureau),
        }
    }

    /// The bureau of a statement of those that never go backwards.
    fn lasting_of(&self, statement: &wire::IdentityStatement) -> Option<BureauId> {
        match statement {
            wire::IdentityStatement::Root(root) => self.directory.bureau_of_root(&root.body().previous?),
            wire::IdentityStatement::Appointment(appointment) => Some(appointment.body().bureau),
            wire::IdentityStatement::Revocation(revocation) => Some(revocation.body().bureau),
            _ => None,
        }
    }

    /// Whether a link has had its share of account lines and events for refusals this minute. The rest is counted, not written.
    pub(in crate::bureau) fn is_noise(&mut self, turn: &Turn, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if turn.now.mono >= link.noise_since.plus(60_000) {
            link.noise_since = turn.now.mono;
            link.noise = 0;
        }
        link.noise += 1;
        link.noise > limits::REFUSALS_NOTED_PER_MINUTE
    }

    pub(in crate::bureau) fn echo(&mut self, id: LinkId, seq: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.echoes.insert(seq);
            link.brought = true;
        }
    }

    /// Refuses a document on a link: one byte and a reference go out, the reason stays here. The push counts as dealt with.
    pub(in crate::bureau) fn decline(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64, why: &str) {
        self.decline_for(turn, id, document, mark, Reason::No, why);
    }

    fn decline_for(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64, reason: Reason, why: &str) {
        let reference = turn.reference();
        let bureau = self.links.get(&id).and_then(Link::bureau);
        if let Some(link) = self.links.get_mut(&id) {
            link.note_refused(document);
            if link.bundle {
                link.said_no = Some(why.to_owned());
            }
        }
        if !self.is_noise(turn, id) {
            if let Some(bureau) = bureau.filter(|bureau| *bureau != self.identity.bureau) {
                self.denied_to(turn, bureau, reference);
            }
            self.account(turn, "refused_document", Some(document), bureau, None, &format!("{why} {reference:016x}"));
            self.event(turn, "refused", Some(document), bureau, &format!("{reference:016x}"));
        }
        self.send(turn, id, &Message::Declined { document, reason, reference }, false);
        self.send(turn, id, &Message::Ack(mark), false);
    }

    /// Something before what came is missing: ask for the document from its beginning, a few times at most.
    pub(in crate::bureau) fn want_whole(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64) {
        if !self.asks_whole(turn, id, document, mark) {
            self.decline(turn, id, document, mark, "still incomplete after it was asked for");
        }
    }

    /// Asks for a document from its beginning and says so of the push that showed the need; `false` where it was asked for often enough.
    fn asks_whole(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let rounds = link.wanted.get(&document).copied().unwrap_or(0);
        if rounds >= limits::WANTS_OF_DOCUMENT_MAX || link.wanted.len() >= limits::WANTED_NOTED_MAX {
            return false;
        }
        link.wanted.insert(document, rounds + 1);
        self.send(turn, id, &Message::Want(document), false);
        self.send(turn, id, &Message::Ack(mark), false);
        true
    }

    /// A document changed: summary, order of sequence, event, plans. Answers how many bytes its summary's row has.
    pub(in crate::bureau) fn touched(&mut self, turn: &mut Turn, document: DocumentId, what: &str) -> usize {
        let late = self.bodies.get_mut(&document).map(DocState::take_fresh).unwrap_or_default();
        for item in late {
            self.store_item(turn, document, item);
        }
        if let Some(from) = self.documents.line(&document).map(|before| before.newest_seq) {
            self.counted_moves(turn, &document, from);
        }
        let Some(state) = self.bodies.get(&document) else { return 0 };
        let before = self.documents.get(&document);
        let before = before.as_deref();
        let mut summary = Summary::of(state, before, self.sequence);
        // When another bureau's document ended is that bureau's word: what it gives to keep is counted from when it was heard here.
        if summary.owner != self.identity.bureau
            && let Some(said) = summary.ended_at
        {
            let heard = before.and_then(|before| before.ended_at).unwrap_or(turn.stamp);
            summary.ended_at = Some(said.max(heard));
        }
        let let_in = |before: &Summary, bureau: &BureauId| before.granted_seq.get(bureau) == summary.granted_seq.get(bureau);
        let newly: BTreeSet<BureauId> =
            summary.granted_seq.keys().filter(|bureau| before.is_none_or(|before| !let_in(before, bureau))).copied().collect();
        let row = summary.to_bytes();
        let written = row.len();
        turn.put(Table::Documents, &document.0, row);
        let owner = summary.owner;
        // A link whose view this is not hears nothing of it: not even when it is quiet.
        let seen_before: BTreeSet<LinkId> = match before {
            Some(before) => self.links.iter().filter(|(_, link)| self.in_view(turn, link, before)).map(|(id, _)| *id).collect(),
            None => BTreeSet::new(),
        };
        let ends = (before.map(|before| self.ends_of(before)).unwrap_or_default(), self.ends_of(&summary));
        if let Some(before) = before {
            self.view_loses(turn, before);
        }
        self.documents.insert(document, summary);
        let summary = &self.documents.here(&document);
        self.view_gains(turn, summary);
        self.onward.note_ends(document, &ends.0, &ends.1, turn.effective);
        let concerned: BTreeSet<LinkId> = self
            .links
            .iter()
            .filter(|(id, link)| seen_before.contains(id) || newly_with(link, &newly) || self.in_view(turn, link, summary))
            .map(|(id, _)| *id)
            .collect();
        for (id, link) in &mut self.links {
            let Some(peer) = link.peer.filter(|_| concerned.contains(id)) else { continue };
            link.busy(turn.now.mono);
            link.repairs = 0;
            link.by_symbols = false;
            if newly.contains(&peer.bureau) {
                link.declined.remove(&document);
            }
        }
        self.event(turn, "document_changed", Some(document), Some(owner), what);
        self.files_touched(turn, document);
        self.schedule_anchor(turn, document);
        written
    }
}

fn newly_with(link: &Link, newly: &BTreeSet<BureauId>) -> bool {
    link.bureau().is_some_and(|bureau| newly.contains(&bureau))
}
