//! Conversations with partners and with our own devices: hello, push, acknowledge, compare, repair.
//!
//! Each side of a link is a sender and a receiver; the two directions do not wait for each other.
//!
//! ```text
//! up --Hello--> live: statements, agreements, then what changed since the returned cursor, each document once at its newest sequence
//!               Push(mark) -> durable there -> Ack(mark); the cursor inside the push is what the receiver returns next time
//!               quiet for 2 s -> Equality(sum, count) -> same: done; not: Tips both ways -> Push what differs -> Equality again
//! ```
//! A sender walks its own sequence (`by_seq`), so the cost of a reconnect is what changed, not what exists. Permits are asked for anew at
//! every push and carry the policy epoch; the driver drops frames whose epoch has passed. A bureau without an agreement in force hears
//! roots, revocations and the agreement exchange, and not one byte of a document.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use accord_keys::certificate::{Issuer, MemberKind};
use accord_keys::seal;
use accord_keys::types::StatementType;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::rows::{Reached, Summary, read, write};
use super::turn::Turn;
use crate::access::log::{Learned, RecordError};
use crate::access::{self, Permit};
use crate::agreement::Pair;
use crate::equality;
use crate::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, StatementId, TransportKey};
use crate::input::LinkId;
use crate::intake::{DocState, Intake, Item};
use crate::limits;
use crate::segment;
use crate::step::{Send, Table};
use crate::time::MonoMillis;
use crate::wire::{self, Checked, CheckedPush, Hello, IncomingSegment, Message, Push, Reason, TipLine};

/// Bytes of items put into one push before another is begun.
const PUSH_BYTES: usize = 160 * 1024;
/// Plaintext bytes of every cursor.
const CURSOR_BYTES: usize = 128;
/// Documents loaded ahead for one link.
const WANT_AHEAD: usize = 32;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
struct Peer {
    certificate: CertificateId,
    bureau: BureauId,
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
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    transport: TransportKey,
    peer: Option<Peer>,
    own: bool,
    // sending
    base: u64,
    walked: u64,
    sent: BTreeMap<DocumentId, u64>,
    whole: BTreeSet<DocumentId>,
    parted: BTreeSet<DocumentId>,
    next_mark: u64,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    evidence: BTreeSet<StatementId>,
    echoes: BTreeSet<u64>,
    // receiving
    wanted: BTreeMap<DocumentId, u8>,
    noise_since: MonoMillis,
    noise: u32,
    equality_heard: MonoMillis,
    // comparing
    quiet_since: MonoMillis,
    compared: bool,
    repairs: u32,
    tips_sent: bool,
    tips_heard: BTreeMap<DocumentId, Digest>,
    /// Documents the other side does not take.
    declined: BTreeSet<DocumentId>,
    /// Documents we did not take.
    refused: BTreeSet<DocumentId>,
}

impl Link {
    fn new(transport: TransportKey, now: MonoMillis) -> Self {
        Self {
            transport,
            peer: None,
            own: false,
            base: 0,
            walked: 0,
            sent: BTreeMap::new(),
            whole: BTreeSet::new(),
            parted: BTreeSet::new(),
            next_mark: 1,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            evidence: BTreeSet::new(),
            echoes: BTreeSet::new(),
            wanted: BTreeMap::new(),
            noise_since: now,
            noise: 0,
            equality_heard: MonoMillis(0),
            quiet_since: now,
            compared: false,
            repairs: 0,
            tips_sent: false,
            tips_heard: BTreeMap::new(),
            declined: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }
    /// Whether a bureau is at the other end.
    pub fn is_with(&self, bureau: &BureauId) -> bool {
        self.peer.is_some_and(|peer| peer.bureau == *bureau)
    }
    /// Whether the other end declined a document on this link.
    pub fn has_declined(&self, document: &DocumentId) -> bool {
        self.declined.contains(document)
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
        self.repairs = 0;
        self.declined.clear();
        std::mem::take(&mut self.refused)
    }
    /// When it wants to be woken.
    pub fn next_wake(&self) -> Option<MonoMillis> {
        let waiting = self.peer.is_some() && !self.compared && self.in_flight.is_empty();
        waiting.then(|| self.quiet_since.plus(limits::QUIET_MS))
    }
    fn busy(&mut self, now: MonoMillis) {
        self.quiet_since = now;
        self.compared = false;
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
}

impl Bureau {
    // ---- coming and going ----

    pub(super) fn link_up(&mut self, turn: &mut Turn, id: LinkId, transport: TransportKey, _outgoing: bool) {
        self.links.insert(id, Link::new(transport, turn.now.mono));
        if self.invites.contains_key(&transport) {
            return; // It has no certificate yet; it speaks first.
        }
        let Some(candidate) = self.directory.by_transport(&transport) else { return };
        let bureau = self.directory.certificate(&candidate).expect("listed by the directory").body().bureau;
        let statements = self.introduction();
        let hello = Hello {
            network: self.identity.network,
            bureau: self.identity.bureau,
            certificate: self.identity.certificate,
            wall: turn.stamp,
            cursor: self.cursors.get(&transport).cloned().map(Bytes),
            own_root: self.directory.root_head(&self.identity.bureau).expect("our own root is known"),
            your_root: self.directory.root_head(&bureau),
            statements,
            version: wire::VERSION,
        };
        self.send(turn, id, &Message::Hello(hello), false);
    }

    pub(super) fn link_down(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        let Some(peer) = link.peer else { return };
        let still = self.links.values().any(|other| other.is_with(&peer.bureau));
        if !still {
            self.event(turn, if link.own { "device_down" } else { "partner_down" }, None, Some(peer.bureau), "");
        }
    }

    /// A gate dropped something: what was not acknowledged is walked again under the new policy.
    pub(super) fn frame_dropped(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.peer.is_none() {
            return;
        }
        let reached = self.reached.get(&link.transport).copied().unwrap_or_default();
        link.base = reached.base;
        link.walked = reached.walked;
        link.sent.clear();
        link.parted.clear();
        link.tips_sent = false;
        link.evidence.clear();
        link.in_flight.clear();
        link.in_flight_bytes = 0;
        link.busy(turn.now.mono);
    }

    pub(super) fn garbage(&mut self, turn: &mut Turn, id: LinkId, why: &str) {
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_message", None, bureau, None, why);
        self.refuse_link(turn, id, Reason::Protocol);
    }

    /// Says no to a link and closes it. The reference is in our account and in theirs.
    pub(super) fn refuse_link(&mut self, turn: &mut Turn, id: LinkId, reason: Reason) {
        let reference = turn.reference();
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_link", None, bureau, None, &format!("{reason:?} {reference:016x}"));
        self.event(turn, "refused", None, bureau, &format!("{reason:?} {reference:016x}"));
        self.send(turn, id, &Message::Refusal { reason, reference }, false);
        turn.step.close.push(id);
    }

    pub(super) fn send(&self, turn: &mut Turn, link: LinkId, message: &Message, gated: bool) {
        turn.step.sends.push(Send { link, bytes: message.encode(), gated });
    }

    pub(super) fn live_links(&self, with: impl Fn(BureauId) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.bureau().is_some_and(&with)).map(|(id, _)| *id).collect()
    }

    /// What a peer needs to recognise this device: our roots, its certificate, and that one's issuer.
    fn introduction(&self) -> Vec<Bytes> {
        let Some(record) = self.directory.bureau(&self.identity.bureau) else { return Vec::new() };
        let mut ids: Vec<StatementId> = record.roots().map(accord_keys::seal::Verified::id).collect();
        if let Issuer::Member(issuer) = self.own_certificate().issuer {
            ids.push(StatementId(issuer.0));
        }
        ids.push(StatementId(self.identity.certificate.0));
        ids.iter().filter_map(|id| self.directory.statement_bytes(id)).map(Bytes).collect()
    }

    /// Sends statements in pages that fit a frame.
    fn send_statements(&self, turn: &mut Turn, id: LinkId, statements: Vec<Bytes>) {
        let mut page = Vec::new();
        let mut size = 0;
        for bytes in statements {
            if !page.is_empty() && (size + bytes.0.len() > PUSH_BYTES || page.len() >= 500) {
                self.send(turn, id, &Message::Statements(std::mem::take(&mut page)), false);
                size = 0;
            }
            size += bytes.0.len();
            page.push(bytes);
        }
        if !page.is_empty() {
            self.send(turn, id, &Message::Statements(page), false);
        }
    }

    /// Statements of our bureau as they go to everyone linked: roots, appointments, revocations, certificates of nodes, our contact.
    /// Officers' and laptops' certificates go to our own devices here, and elsewhere only as evidence.
    pub(super) fn public_statements(&self, to_own: bool) -> Vec<Bytes> {
        let mut out: Vec<Bytes> = Vec::new();
        for bytes in self.directory.statements(&self.identity.bureau) {
            let is_certificate = seal::peek_type(&bytes) == Some(StatementType::Certificate.number());
            let public = !is_certificate || {
                accord_keys::seal::Sealed::<accord_keys::certificate::MemberCertificate>::from_bytes(&bytes)
                    .is_ok_and(|sealed| sealed.claimed().kind == MemberKind::Node)
            };
            if public || to_own {
                out.push(Bytes(bytes));
            }
        }
        out.extend(self.contacts.values().filter(|c| c.body().bureau == self.identity.bureau).map(|c| Bytes(c.sealed().to_bytes())));
        out
    }

    /// Passes a new statement of our bureau on to those who may hear it.
    pub(super) fn tell_statement(&mut self, turn: &mut Turn, bytes: &[u8]) {
        let own = self.identity.bureau;
        let private = seal::peek_type(bytes) == Some(StatementType::Certificate.number())
            && accord_keys::seal::Sealed::<accord_keys::certificate::MemberCertificate>::from_bytes(bytes)
                .is_ok_and(|sealed| sealed.claimed().kind != MemberKind::Node);
        let message = Message::Statements(vec![Bytes(bytes.to_vec())]);
        for link in self.live_links(|peer| peer == own || !private) {
            self.send(turn, link, &message, false);
        }
    }

    // ---- messages ----

    pub(super) fn message(&mut self, turn: &mut Turn, id: LinkId, message: Checked) {
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
        match message {
            Checked::Hello(..) => self.garbage(turn, id, "second hello"),
            Checked::Statements(statements) => {
                let peer = self.links[&id].peer.expect("checked above");
                let own = self.links[&id].own;
                let mut news = false;
                for statement in statements {
                    // What waits for something unknown, or is refused, is no reason to end the link: the sender may know more than we.
                    news |= self.learn_from(turn, &peer, own, statement);
                }
                if news {
                    self.refresh_allow(turn);
                }
            }
            Checked::Agreements(statements) => {
                let from = self.links[&id].bureau().expect("checked above");
                self.agreements_came(turn, from, statements);
            }
            Checked::Push(push) => self.push_came(turn, id, *push),
            Checked::Plain(Message::Ack(mark)) => self.ack_came(turn, id, mark),
            Checked::Plain(Message::Equality { sum, count, policy }) => self.equality_came(turn, id, sum, count, policy),
            Checked::Plain(Message::Tips { lines, last }) => self.tips_came(turn, id, lines, last),
            Checked::Plain(Message::Want(document)) => {
                let peer = self.links[&id].peer.expect("checked above");
                if self.may_send(turn, &peer, &document).is_ok()
                    && let Some(link) = self.links.get_mut(&id)
                {
                    link.whole.insert(document);
                    link.declined.remove(&document);
                    // Whatever was given before may be what is missing there.
                    link.evidence.clear();
                    // What went of it so far waits in the other side's memory for what it lacks: its acknowledgement says nothing.
                    for push in link.in_flight.iter_mut().filter(|push| push.document == document) {
                        push.last = false;
                    }
                    link.busy(turn.now.mono);
                }
            }
            Checked::Plain(Message::Declined { document, reason, reference }) => {
                let bureau = self.links[&id].bureau();
                if let Some(link) = self.links.get_mut(&id).filter(|_| self.documents.contains_key(&document)) {
                    link.declined.insert(document);
                    link.whole.remove(&document);
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

    fn refusal_heard(&mut self, turn: &mut Turn, id: LinkId, reason: Reason, reference: u64) {
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_by_partner", None, bureau, None, &format!("{reason:?} {reference:016x}"));
        self.event(turn, "refused", None, bureau, &format!("by partner: {reason:?} {reference:016x}"));
        turn.step.close.push(id);
    }

    fn hello(&mut self, turn: &mut Turn, id: LinkId, hello: Hello, statements: Vec<wire::IdentityStatement>) {
        if hello.network != self.identity.network || hello.version < wire::VERSION {
            return self.refuse_link(turn, id, Reason::Incompatible);
        }
        for statement in statements {
            let _ = self.learn_identity(turn, statement);
        }
        let transport = self.links[&id].transport;
        let own = hello.bureau == self.identity.bureau;
        let known = own || self.partners.contains_key(&hello.bureau);
        let stands = self.directory.certificate(&hello.certificate).is_some_and(|c| {
            let body = c.body();
            body.bureau == hello.bureau && body.transport == Some(transport) && (own || body.kind == MemberKind::Node)
        });
        if !known || !stands || !self.may_connect(turn, &hello.certificate) || self.directory.is_frozen(&hello.bureau) {
            return self.refuse_link(turn, id, Reason::Certificate);
        }
        let peer = Peer { certificate: hello.certificate, bureau: hello.bureau };
        let (reached, believed) = self.returned_cursor(&transport, hello.cursor.as_ref());
        let link = self.links.get_mut(&id).expect("present above");
        link.peer = Some(peer);
        link.own = own;
        link.base = reached.base;
        link.walked = reached.walked;
        link.busy(turn.now.mono);
        if !believed {
            self.account(turn, "cursor_unreadable", None, Some(peer.bureau), Some(peer.certificate), "compare instead");
        }
        // A laptop has nobody but its own nodes to ask the time.
        let corroborates = !own || self.own_certificate().kind == MemberKind::Laptop;
        if corroborates {
            let partners = if own { 1 } else { self.partners.values().filter(|row| row.checked).count() };
            let event = self.clock.partner_says(peer.bureau, hello.wall, turn.now, partners);
            turn.stamp = self.clock.stamp(turn.now);
            turn.effective = self.clock.effective(turn.now);
            self.clock_changed(turn, event);
            if let Some(row) = self.partners.get_mut(&peer.bureau) {
                row.last_contact = turn.stamp.0;
            }
            self.store_partner(turn, peer.bureau);
        }
        if own {
            let key = self.directory.certificate(&peer.certificate).map(|c| c.body().key);
            let done: Vec<TransportKey> =
                self.invites.iter().filter(|(_, invite)| invite.device.is_some() && invite.device == key).map(|(t, _)| *t).collect();
            for transport in done {
                self.drop_invite(turn, &transport);
            }
        }
        self.event(turn, if own { "device_up" } else { "partner_up" }, None, Some(peer.bureau), "");
        self.refresh_allow(turn);
        self.greet(turn, id, &peer, own);
    }

    /// First things first: to our own devices everything known of other bureaus; to everyone the agreements of the pair.
    fn greet(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, own: bool) {
        let mut agreements: Vec<Bytes> = Vec::new();
        self.send_statements(turn, id, self.public_statements(own));
        if own {
            let mut batch: Vec<Bytes> = Vec::new();
            let mut size = 0;
            let others: Vec<BureauId> = self.directory.bureaus().map(|b| b.id()).filter(|b| *b != self.identity.bureau).collect();
            for bureau in others {
                let contacts = self.contacts.values().filter(|c| c.body().bureau == bureau).map(|c| c.sealed().to_bytes());
                let statements: Vec<Vec<u8>> = self.directory.statements(&bureau).into_iter().chain(contacts).collect();
                for bytes in statements {
                    size += bytes.len();
                    batch.push(Bytes(bytes));
                    if size > PUSH_BYTES || batch.len() >= 500 {
                        self.send(turn, id, &Message::Statements(std::mem::take(&mut batch)), false);
                        size = 0;
                    }
                }
                agreements.extend(self.book.statements_with(bureau, limits::AGREEMENT_STATEMENTS_MAX).into_iter().map(Bytes));
            }
            if !batch.is_empty() {
                self.send(turn, id, &Message::Statements(batch), false);
            }
        } else {
            agreements = self.book.statements_with(peer.bureau, limits::AGREEMENT_STATEMENTS_MAX).into_iter().map(Bytes).collect();
        }
        let offers: Vec<crate::id::AgreementId> =
            self.book.entries().filter(|e| own || e.pair() == Pair::of(self.identity.bureau, peer.bureau)).map(|e| e.id()).collect();
        self.send_statements(turn, id, self.agreement_evidence(offers));
        let mut page = Vec::new();
        let mut size = 0;
        for bytes in agreements {
            size += bytes.0.len();
            page.push(bytes);
            if size > 32 * 1024 {
                self.send(turn, id, &Message::Agreements(std::mem::take(&mut page)), false);
                size = 0;
            }
        }
        if !page.is_empty() {
            self.send(turn, id, &Message::Agreements(page), false);
        }
    }

    // ---- cursors ----

    pub(super) fn policy_digest(&self, partner: &BureauId, turn: &Turn) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord pair policy v1");
        for entry in self.book.in_force(Pair::of(self.identity.bureau, *partner), turn.effective) {
            hasher.update(&entry.id().0);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    fn seal_cursor(&self, turn: &mut Turn, transport: &TransportKey, peer: &Peer, reached: Reached) -> Vec<u8> {
        let body =
            CursorBody { version: 1, index: crate::id::Nonce(self.index_id), reached, policy: self.policy_digest(&peer.bureau, turn) };
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&turn.draw()[..24]);
        let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
        let aad = cursor_aad(transport, &self.identity.network);
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &padded(&write(&body)), aad: &aad })
            .expect("a short plaintext can be encrypted");
        [nonce.as_slice(), &sealed].concat()
    }

    /// How far the peer got, by the cursor it returned. Without a readable one: from the start if we never reached it, else nothing is sent
    /// on its word and the comparison finds what it lacks.
    fn returned_cursor(&self, transport: &TransportKey, cursor: Option<&Bytes>) -> (Reached, bool) {
        let opened = cursor.and_then(|bytes| {
            let (nonce, sealed) = bytes.0.split_at_checked(24)?;
            let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
            let aad = cursor_aad(transport, &self.identity.network);
            let nonce = <[u8; 24]>::try_from(nonce).ok()?;
            let plain = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad }).ok()?;
            let length = usize::from(*plain.first()?);
            let body: CursorBody = read("cursor", plain.get(1..=length)?).ok()?;
            (body.version == 1 && body.index.0 == self.index_id && body.reached.walked <= self.sequence).then_some(body.reached)
        });
        match (opened, self.reached.get(transport)) {
            // What we know to be acknowledged bounds what a returned cursor may claim: a later push may have overtaken a dropped one.
            (Some(told), Some(own)) => (Reached { base: told.base.min(own.base), walked: told.walked.min(own.walked) }, true),
            (Some(told), None) => (told, true),
            (None, None) => (Reached::default(), cursor.is_none()),
            (None, Some(_)) => (Reached { base: self.sequence, walked: self.sequence }, false),
        }
    }

    // ---- sending ----

    /// Asks the driver for a body.
    pub(super) fn want(&self, turn: &mut Turn, document: DocumentId) {
        if !self.loading.contains(&document) && !turn.step.wants.contains(&document) {
            turn.step.wants.push(document);
        }
    }

    /// Sends on every live link what is due, as far as credit and loaded bodies allow.
    pub(super) fn pump_all(&mut self, turn: &mut Turn) {
        let live: Vec<LinkId> = self.links.iter().filter(|(_, link)| link.peer.is_some()).map(|(id, _)| *id).collect();
        for id in live {
            if turn.step.close.contains(&id) {
                continue;
            }
            if self.still_stands(turn, id) {
                self.pump(turn, id);
            } else {
                self.refuse_link(turn, id, Reason::Certificate);
            }
        }
    }

    /// A session ends with the certificate it was opened under, and while its bureau is frozen.
    fn still_stands(&self, turn: &Turn, id: LinkId) -> bool {
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
            !self.directory.is_frozen(&peer.bureau) && !revoked && (self.may_connect(turn, &peer.certificate) || renewed())
        })
    }

    fn pump(&mut self, turn: &mut Turn, id: LinkId) {
        loop {
            let link = &self.links[&id];
            if link.in_flight_bytes >= limits::IN_FLIGHT_BYTES_MAX {
                return;
            }
            let peer = link.peer.expect("only live links are pumped");
            let (document, walk_to) = match link.whole.first() {
                Some(document) => (*document, None),
                None => match self.by_seq.range(link.walked + 1..).next() {
                    Some((seq, document)) => (*document, Some(*seq)),
                    None => {
                        let head = self.sequence;
                        let link = self.links.get_mut(&id).expect("present above");
                        if link.base != head || link.walked != head {
                            link.base = head;
                            link.walked = head;
                            link.sent.clear();
                            link.echoes.clear();
                        }
                        return;
                    }
                },
            };
            let permit = match self.may_send(turn, &peer, &document) {
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
            if !self.bodies.contains_key(&document) {
                if self.cannot_load.contains_key(&document) {
                    self.passed(id, document, walk_to);
                    continue;
                }
                self.want_ahead(turn, id, &peer);
                return;
            }
            self.push_document(turn, id, &peer, permit, walk_to);
        }
    }

    fn may_send(&self, turn: &Turn, peer: &Peer, document: &DocumentId) -> Result<Permit, access::Refusal> {
        let Some(summary) = self.documents.get(document) else { return Err(access::Refusal::NoPass { document: *document }) };
        access::check(&self.book, &summary.facts(), self.identity.bureau, peer.bureau, turn.effective, self.policy_epoch)
    }

    fn want_ahead(&self, turn: &mut Turn, id: LinkId, peer: &Peer) {
        let link = &self.links[&id];
        let next = link.whole.iter().chain(self.by_seq.range(link.walked + 1..).map(|(_, document)| document));
        let missing: Vec<DocumentId> = next
            .filter(|document| !self.bodies.contains_key(*document) && self.may_send(turn, peer, document).is_ok())
            .take(WANT_AHEAD)
            .copied()
            .collect();
        for document in missing {
            self.want(turn, document);
        }
    }

    fn passed(&mut self, id: LinkId, document: DocumentId, walk_to: Option<u64>) {
        let link = self.links.get_mut(&id).expect("present while pumping");
        match walk_to {
            Some(seq) => link.walked = seq,
            None => {
                link.whole.remove(&document);
            }
        }
    }

    fn push_document(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, permit: Permit, walk_to: Option<u64>) {
        let document = permit.document();
        let link = &self.links[&id];
        let newly = self.documents[&document]
            .granted_seq
            .get(&peer.bureau)
            .is_some_and(|seq| *seq > link.base && !link.sent.contains_key(&document));
        let after = match walk_to {
            None => 0,
            Some(_) if newly => 0,
            Some(_) => link.base.max(link.sent.get(&document).copied().unwrap_or(0)),
        };
        let state = &self.bodies[&document];
        let newest = state.newest_seq();
        let mut items = state.items_after(after, permit.whole());
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
            link.sent.insert(document, newest);
            self.passed(id, document, walk_to);
            return;
        }
        let evidence = self.evidence_for(id, peer, state, permit.whole());
        self.send_evidence(turn, id, evidence);
        let mut pushes: Vec<Push> = Vec::new();
        let mut size = usize::MAX;
        for (_, item) in items {
            let bytes = match &item {
                Item::Genesis(b) | Item::Record(b) | Item::Segment(b) => b.len(),
            };
            if size.saturating_add(bytes) > PUSH_BYTES || pushes.last().is_some_and(|p| p.records.len() + p.segments.len() >= 512) {
                size = 0;
                pushes.push(Push {
                    mark: 0,
                    document,
                    evidence: Vec::new(),
                    genesis: None,
                    records: Vec::new(),
                    segments: Vec::new(),
                    cursor: None,
                });
            }
            size = size.saturating_add(bytes);
            let push = pushes.last_mut().expect("pushed above");
            match item {
                Item::Genesis(bytes) => push.genesis = Some(Bytes(bytes)),
                Item::Record(bytes) => push.records.push(Bytes(bytes)),
                Item::Segment(bytes) => push.segments.push(Bytes(bytes)),
            }
        }
        let reached = {
            let link = self.links.get_mut(&id).expect("present while pumping");
            link.sent.insert(document, newest);
            match walk_to {
                Some(seq) => link.walked = seq,
                None => {
                    link.whole.remove(&document);
                }
            }
            Reached { base: link.base, walked: link.walked }
        };
        let transport = self.links[&id].transport;
        // The cursor says "all before this is with you": only the last push of a document may carry it.
        let cursor = Bytes(self.seal_cursor(turn, &transport, peer, reached));
        if let Some(last) = pushes.last_mut() {
            last.cursor = Some(cursor);
        }
        let count = pushes.len();
        for (at, mut push) in pushes.into_iter().enumerate() {
            let link = self.links.get_mut(&id).expect("present while pumping");
            push.mark = link.next_mark;
            link.next_mark += 1;
            let bytes = Message::Push(push.clone()).encode();
            debug_assert!(bytes.len() <= limits::FRAME_BYTES_MAX, "an item with its envelope fits a frame");
            let last = at + 1 == count;
            link.in_flight.push_back(InFlight { mark: push.mark, bytes: bytes.len(), reached, document, last, parting: false });
            link.in_flight_bytes += bytes.len();
            link.busy(turn.now.mono);
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        if !self.links[&id].own {
            let clause = permit.clause().map(|c| format!("{}#{}", c.agreement.short(), c.line)).unwrap_or_default();
            self.account(turn, "sent", Some(document), Some(peer.bureau), Some(peer.certificate), &clause);
        }
    }

    /// Whether the peer has still to hear of its own cut: at its place in the walk, or when a comparison showed that it does not know.
    fn parting_due(&self, link: &Link, peer: &Peer, document: &DocumentId, walk_to: Option<u64>) -> Option<access::Parting> {
        let summary = self.documents.get(document)?;
        let parting = access::parting(&summary.facts(), self.identity.bureau, peer.bureau)?;
        let news = summary.parted_seq.get(&peer.bureau).is_some_and(|seq| *seq > link.base) && !link.parted.contains(document);
        let news = news && summary.given.contains(&peer.bureau);
        (walk_to.is_none() || news).then_some(parting)
    }

    /// Tells a bureau of its own cut: the records up to it.
    fn push_parting(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, document: DocumentId, walk_to: Option<u64>) {
        let parting = self.documents.get(&document).and_then(|s| access::parting(&s.facts(), self.identity.bureau, peer.bureau));
        let (Some(parting), Some(state)) = (parting, self.bodies.get(&document)) else { return self.passed(id, document, walk_to) };
        let records = state.log().up_to(&parting.cut());
        let officers: Vec<CertificateId> = records.iter().filter_map(|record| record.body().kind.ordering_officer()).collect();
        let evidence = self.with_grounds(officers, peer.bureau, &self.links[&id].evidence);
        let mut pages: Vec<Vec<Bytes>> = vec![Vec::new()];
        let mut size = 0;
        for bytes in records.into_iter().map(|record| record.sealed().to_bytes()) {
            if size + bytes.len() > PUSH_BYTES {
                pages.push(Vec::new());
                size = 0;
            }
            size += bytes.len();
            pages.last_mut().expect("never empty").push(Bytes(bytes));
        }
        self.send_evidence(turn, id, evidence);
        self.passed(id, document, walk_to);
        for records in pages {
            let link = self.links.get_mut(&id).expect("present while pumping");
            link.parted.insert(document);
            let push = Push {
                mark: link.next_mark,
                document: parting.document(),
                evidence: Vec::new(),
                genesis: None,
                records,
                segments: Vec::new(),
                cursor: None,
            };
            link.next_mark += 1;
            let (mark, bytes) = (push.mark, Message::Push(push).encode());
            let reached = Reached { base: link.base, walked: link.walked };
            link.in_flight.push_back(InFlight { mark, bytes: bytes.len(), reached, document, last: false, parting: true });
            link.in_flight_bytes += bytes.len();
            link.busy(turn.now.mono);
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        self.account(turn, "cut_told", Some(document), Some(peer.bureau), Some(peer.certificate), "");
    }

    /// Sends evidence ahead of what rests on it, in pages, and notes it as given.
    fn send_evidence(&mut self, turn: &mut Turn, id: LinkId, evidence: Vec<(StatementId, Bytes)>) {
        let mut page: Vec<Bytes> = Vec::new();
        let mut size = 0;
        let mut pages = Vec::new();
        for (statement, bytes) in evidence {
            if !page.is_empty() && (size + bytes.0.len() > PUSH_BYTES || page.len() >= 500) {
                pages.push(std::mem::take(&mut page));
                size = 0;
            }
            size += bytes.0.len();
            page.push(bytes);
            if let Some(link) = self.links.get_mut(&id) {
                link.evidence.insert(statement);
            }
        }
        if !page.is_empty() {
            pages.push(page);
        }
        for page in pages {
            // Who writes in a document is part of it: gated like the document.
            self.send(turn, id, &Message::Statements(page), true);
        }
    }

    /// Sealed certificates a receiver needs for this document and was not given on this link, with the roots and issuers they rest on.
    fn evidence_for(&self, id: LinkId, peer: &Peer, state: &DocState, whole: bool) -> Vec<(StatementId, Bytes)> {
        let given = &self.links[&id].evidence;
        let mut out = Vec::new();
        if state.owner() != self.identity.bureau
            && state.owner() != peer.bureau
            && let Some(record) = self.directory.bureau(&state.owner())
        {
            let grounds =
                record.roots().map(accord_keys::seal::Verified::id).chain(record.appointments().map(accord_keys::seal::Verified::id));
            out.extend(grounds.filter(|id| !given.contains(id)).filter_map(|id| Some((id, Bytes(self.directory.statement_bytes(&id)?)))));
        }
        let known: BTreeSet<StatementId> = out.iter().map(|(id, _)| *id).chain(given.iter().copied()).collect();
        // Appointments rest on the registrars' certificates: those come first.
        let mut first = self.with_grounds(state.certificates(whole), peer.bureau, &known);
        first.extend(out);
        let mut roots_first = first;
        roots_first.sort_by_key(|(_, bytes)| match seal::peek_type(&bytes.0).and_then(StatementType::from_number) {
            Some(StatementType::Root) => 0,
            Some(StatementType::Certificate) => 1,
            _ => 2,
        });
        roots_first
    }

    /// Sealed certificates with what they rest on, in an order that can be learnt, without those of `to` and those already given.
    fn with_grounds(
        &self,
        certificates: impl IntoIterator<Item = CertificateId>,
        to: BureauId,
        given: &BTreeSet<StatementId>,
    ) -> Vec<(StatementId, Bytes)> {
        let mut roots: Vec<StatementId> = Vec::new();
        let mut issuers: Vec<StatementId> = Vec::new();
        let mut members: Vec<StatementId> = Vec::new();
        for certificate in certificates {
            let Some(known) = self.directory.certificate(&certificate) else { continue };
            let bureau = known.body().bureau;
            // Our own devices hear of our members at greeting, and here once more: what they lack they could not show.
            if bureau == to && to != self.identity.bureau {
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

    fn ack_came(&mut self, turn: &mut Turn, id: LinkId, mark: u64) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        if mark >= link.next_mark {
            return self.garbage(turn, id, "acknowledged what was never sent");
        }
        let peer = link.peer.expect("checked by message()");
        let own = link.own;
        let transport = link.transport;
        let mut reached = None;
        let mut delivered = Vec::new();
        while let Some(front) = link.in_flight.front().copied() {
            if front.mark > mark {
                break;
            }
            link.in_flight.pop_front();
            link.in_flight_bytes = link.in_flight_bytes.saturating_sub(front.bytes);
            if front.last || front.parting {
                reached = Some(front.reached);
            }
            // What the receiver declined or asked for anew is dealt with, not delivered.
            if front.last && !link.declined.contains(&front.document) && !link.whole.contains(&front.document) {
                delivered.push(front.document);
            }
        }
        link.busy(turn.now.mono);
        let Some(reached) = reached else { return };
        self.reached.insert(transport, reached);
        turn.put(Table::Acknowledged, &transport.0, write(&reached));
        for document in delivered {
            if own {
                continue;
            }
            self.account(turn, "delivered", Some(document), Some(peer.bureau), Some(peer.certificate), "");
            if let Some(summary) = self.documents.get_mut(&document).filter(|summary| !summary.given.contains(&peer.bureau)) {
                summary.given.insert(peer.bureau);
                turn.put(Table::Documents, &document.0, summary.to_bytes());
            }
            self.event(turn, "delivered", Some(document), Some(peer.bureau), "");
        }
    }

    // ---- receiving ----

    fn push_came(&mut self, turn: &mut Turn, id: LinkId, push: CheckedPush) {
        let peer = self.links[&id].peer.expect("checked by message()");
        let own_link = self.links[&id].own;
        let document = push.document;
        for statement in push.evidence {
            let _ = self.learn_from(turn, &peer, own_link, statement);
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
        let mut state = fresh.or_else(|| self.bodies.remove(&document)).expect("one of the two");
        let before_in = state.unadmitted();
        let known_forks = state.forked_actors().len();
        // In the order in which they found their place: that is the order in which they are stored and read back.
        let mut items: Vec<Item> = Vec::new();
        let mut took_away = false;
        let mut waiting = false;
        let mut refused: Option<String> = None;
        state.retry(&self.directory);
        items.extend(state.take_fresh());
        for record in push.records {
            let bytes = record.sealed().to_bytes();
            match state.learn_record(&self.directory, record) {
                Ok(Learned::Known) => {}
                Ok(learned) => {
                    items.push(Item::Record(bytes));
                    items.extend(state.take_fresh());
                    took_away |= learned == Learned::TakesAway;
                }
                Err(RecordError::Malformed(why)) => {
                    refused = Some(why.to_owned());
                    break;
                }
                Err(_) => waiting = true,
            }
        }
        // The receiver asks the sender's question with the facts as they stand now.
        let rights = state.log().rights();
        let genesis = state.log().genesis().body();
        let facts = access::Facts { document, owner: genesis.owner, category: genesis.category, tlp: genesis.tlp, rights: &rights };
        let allowed = access::check(&self.book, &facts, peer.bureau, self.identity.bureau, turn.effective, self.policy_epoch);
        let owner_is_us = genesis.owner == self.identity.bureau;
        // A document of ours comes back to us only from one whom its log let in.
        let outsider = !own_link && owner_is_us && !state.log().ever_held(&peer.bureau);
        // Whoever holds the creator's revocation takes no document of it that its registrar has not confirmed.
        let stranger = is_new && !own_link && state.adopted_number().is_none() && self.directory.revoked(&genesis.creator).is_some();
        let no = match (allowed, &refused) {
            (Err(refusal), _) => Some(refusal.word().to_owned()),
            (Ok(_), Some(why)) => Some(why.clone()),
            (Ok(_), None) if outsider => Some("the log never let the sender in".to_owned()),
            (Ok(_), None) if stranger => Some("an unconfirmed document of a revoked creator".to_owned()),
            (Ok(_), None) => None,
        };
        if let Some(why) = no {
            let told_of_cut = !is_new && push.segments.is_empty() && rights.parted.contains_key(&self.identity.bureau);
            if !is_new {
                self.bodies.insert(document, state);
                if !items.is_empty() {
                    for item in items {
                        self.store_item(turn, document, item);
                    }
                    self.touched(turn, document, "received");
                }
                if took_away && owner_is_us {
                    self.policy_changed(turn, None);
                }
            }
            if told_of_cut {
                return self.send(turn, id, &Message::Ack(push.mark), false);
            }
            return self.decline(turn, id, document, push.mark, &why);
        }
        for incoming in push.segments {
            let checked = match incoming {
                IncomingSegment::Checked(checked) => checked,
                IncomingSegment::Unchecked(raw) => match self.directory.certificate(&raw.certificate) {
                    None => {
                        waiting = true;
                        continue;
                    }
                    Some(certificate) => match segment::check(&self.identity.network, certificate.body(), raw) {
                        Ok(checked) => checked,
                        Err(why) => {
                            refused = Some(why.to_string());
                            break;
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
            let bytes = checked.to_bytes();
            match state.learn_segment(&self.directory, checked) {
                Intake::New => items.push(Item::Segment(bytes)),
                Intake::Known => {}
                Intake::Waiting => waiting = true,
                Intake::Malformed(why) => {
                    refused = Some(why);
                    break;
                }
            }
            items.extend(state.take_fresh());
        }
        let forks = state.forked_actors().len();
        self.bodies.insert(document, state);
        if let Some(link) = self.links.get_mut(&id) {
            link.refused.remove(&document);
            if push.genesis.is_some() && !waiting {
                link.wanted.remove(&document);
            }
        }
        let changed = is_new || !items.is_empty();
        if is_new {
            self.used.push_back(document);
            let genesis = push.genesis.expect("a new document came with its genesis").sealed().to_bytes();
            let seq = self.store_item(turn, document, Item::Genesis(genesis));
            self.echo(id, seq);
        }
        for item in items {
            let seq = self.store_item(turn, document, item);
            self.echo(id, seq);
        }
        if !before_in.is_empty() {
            self.restore_admitted(turn, document, &before_in);
        }
        if changed {
            self.account(turn, if is_new { "received" } else { "admitted" }, Some(document), Some(peer.bureau), Some(peer.certificate), "");
            self.touched(turn, document, "received");
        }
        if took_away && owner_is_us {
            self.policy_changed(turn, None);
        }
        if forks > known_forks && changed {
            self.event(turn, "fork", Some(document), Some(peer.bureau), "an author signed two changes for one position");
        }
        if let Some(why) = refused
            && !self.is_noise(turn, id)
        {
            self.account(turn, "refused_item", Some(document), Some(peer.bureau), Some(peer.certificate), &why);
            self.event(turn, "refused", Some(document), Some(peer.bureau), "malformed");
        }
        if waiting {
            return self.want_whole(turn, id, document, push.mark);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.wanted.remove(&document);
        }
        if let Some(cursor) = push.cursor.filter(|cursor| cursor.len() <= 4_096) {
            let transport = self.links[&id].transport;
            turn.put(Table::Cursors, &transport.0, cursor.clone());
            self.cursors.insert(transport, cursor);
        }
        self.send(turn, id, &Message::Ack(push.mark), false);
    }

    /// Whether a document we hold is a matter between us and this partner: its own, or ours and it was let in once. Unknown ones may be.
    fn may_bring(&self, peer: &Peer, document: &DocumentId) -> bool {
        let Some(summary) = self.documents.get(document) else { return true };
        if summary.owner == peer.bureau {
            return true;
        }
        let ours = summary.owner == self.identity.bureau;
        ours && (summary.rights.bureaus.contains_key(&peer.bureau)
            || self.bodies.get(document).is_some_and(|state| state.log().ever_held(&peer.bureau)))
    }

    /// Learns an identity statement a peer brought. A partner may teach us its own bureau and, as evidence, a bounded number of others.
    fn learn_from(&mut self, turn: &mut Turn, peer: &Peer, own: bool, statement: wire::IdentityStatement) -> bool {
        if !own && let wire::IdentityStatement::Root(root) = &statement {
            let bureau = match root.body().version {
                1 => Some(BureauId(root.id().0)),
                _ => root.body().previous.and_then(|previous| self.directory.bureau_of_root(&previous)),
            };
            let known = bureau.is_some_and(|b| b == peer.bureau || self.directory.bureau(&b).is_some());
            if !known && self.directory.bureaus().count() >= limits::BUREAUS_MAX {
                return false;
            }
        }
        self.learn_identity(turn, statement).unwrap_or(false)
    }

    /// Whether a link has had its share of account lines and events for refusals this minute. The rest is counted, not written.
    fn is_noise(&mut self, turn: &Turn, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if turn.now.mono >= link.noise_since.plus(60_000) {
            link.noise_since = turn.now.mono;
            link.noise = 0;
        }
        link.noise += 1;
        link.noise > limits::REFUSALS_NOTED_PER_MINUTE
    }

    fn echo(&mut self, id: LinkId, seq: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.echoes.insert(seq);
        }
    }

    /// Refuses a document on a link: one byte and a reference go out, the reason stays here. The push counts as dealt with.
    fn decline(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64, why: &str) {
        let reference = turn.reference();
        let bureau = self.links.get(&id).and_then(Link::bureau);
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.refused.len() < 4_096) {
            link.refused.insert(document);
        }
        if !self.is_noise(turn, id) {
            self.account(turn, "refused_document", Some(document), bureau, None, &format!("{why} {reference:016x}"));
            self.event(turn, "refused", Some(document), bureau, &format!("{reference:016x}"));
        }
        self.send(turn, id, &Message::Declined { document, reason: Reason::No, reference }, false);
        self.send(turn, id, &Message::Ack(mark), false);
    }

    /// Something before what came is missing: ask for the document from its beginning, a few times at most.
    fn want_whole(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId, mark: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let rounds = link.wanted.get(&document).copied().unwrap_or(0);
        if rounds >= 3 || link.wanted.len() >= 4_096 {
            return self.decline(turn, id, document, mark, "still incomplete after it was asked for");
        }
        link.wanted.insert(document, rounds + 1);
        self.send(turn, id, &Message::Want(document), false);
        self.send(turn, id, &Message::Ack(mark), false);
    }

    // ---- what changed ----

    /// A document changed: summary, order of sequence, event, plans.
    pub(super) fn touched(&mut self, turn: &mut Turn, document: DocumentId, what: &str) {
        let late = self.bodies.get_mut(&document).map(DocState::take_fresh).unwrap_or_default();
        for item in late {
            self.store_item(turn, document, item);
        }
        let Some(state) = self.bodies.get(&document) else { return };
        let before = self.documents.get(&document);
        let summary = Summary::of(state, before, self.sequence);
        let let_in = |before: &Summary, bureau: &BureauId| before.granted_seq.get(bureau) == summary.granted_seq.get(bureau);
        let newly: BTreeSet<BureauId> =
            summary.granted_seq.keys().filter(|bureau| before.is_none_or(|before| !let_in(before, bureau))).copied().collect();
        if let Some(before) = before {
            self.by_seq.remove(&before.newest_seq);
        }
        turn.put(Table::Documents, &document.0, summary.to_bytes());
        self.by_seq.insert(summary.newest_seq, document);
        let owner = summary.owner;
        // A link whose view this is not hears nothing of it: not even when it is quiet.
        let seen_before: BTreeSet<LinkId> = match before {
            Some(before) => self.links.iter().filter(|(_, link)| self.in_view(turn, link, before)).map(|(id, _)| *id).collect(),
            None => BTreeSet::new(),
        };
        self.documents.insert(document, summary);
        let summary = &self.documents[&document];
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
            if newly.contains(&peer.bureau) {
                link.declined.remove(&document);
            }
        }
        self.event(turn, "document_changed", Some(document), Some(owner), what);
        self.schedule_anchor(turn, document);
    }

    // ---- comparing ----

    /// Whether a document belongs to the view of a link: what its owner may give the other side, asked alike by both.
    fn in_view(&self, turn: &Turn, link: &Link, summary: &Summary) -> bool {
        let Some(peer) = link.peer else { return false };
        if link.declined.contains(&summary.document)
            || link.refused.contains(&summary.document)
            || self.cannot_load.contains_key(&summary.document)
        {
            return false;
        }
        if link.own {
            return true;
        }
        let own = self.identity.bureau;
        let other = if summary.owner == own {
            peer.bureau
        } else if summary.owner == peer.bureau {
            own
        } else {
            return false;
        };
        access::check(&self.book, &summary.facts(), summary.owner, other, turn.effective, self.policy_epoch).is_ok()
    }

    fn sum(&self, turn: &Turn, link: &Link) -> (Digest, u64) {
        let Some(peer) = link.peer else { return (Digest([0; 32]), 0) };
        let pair = Pair::of(self.identity.bureau, peer.bureau);
        let held = self.documents.values().filter(|summary| self.in_view(turn, link, summary));
        equality::sum(&self.identity.network, &pair, held.map(|summary| &summary.entry))
    }

    /// At a quiet moment each side tells its sum; the other compares.
    pub(super) fn compare_quiet(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| {
                link.peer.is_some()
                    && !link.compared
                    && link.in_flight.is_empty()
                    && link.whole.is_empty()
                    && link.walked >= self.sequence
                    && now >= link.quiet_since.plus(limits::QUIET_MS)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let link = &self.links[&id];
            let peer = link.peer.expect("filtered above");
            let (sum, count) = self.sum(turn, link);
            let policy = self.policy_digest(&peer.bureau, turn);
            self.send(turn, id, &Message::Equality { sum, count, policy }, true);
            if let Some(link) = self.links.get_mut(&id) {
                link.compared = true;
            }
        }
    }

    fn equality_came(&mut self, turn: &mut Turn, id: LinkId, sum: Digest, count: u64, policy: Digest) {
        let link = &self.links[&id];
        let peer = link.peer.expect("checked by message()");
        let quiet = link.in_flight.is_empty() && link.whole.is_empty() && link.walked >= self.sequence;
        // Comparing costs a walk over the view: a peer that asks more often than it can be quiet waits.
        if turn.now.mono < link.equality_heard.plus(limits::QUIET_MS / 4) {
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.equality_heard = turn.now.mono;
        }
        let link = &self.links[&id];
        if !quiet || policy != self.policy_digest(&peer.bureau, turn) {
            return; // Our own word follows when we are quiet, or when both hold the same agreements.
        }
        if self.sum(turn, link) == (sum, count) {
            let was = self.partners.get(&peer.bureau).is_some_and(|row| row.divergent);
            if let Some(link) = self.links.get_mut(&id) {
                link.repairs = 0;
                link.tips_sent = false;
                link.wanted.clear();
            }
            if was {
                self.mark_divergent(turn, peer.bureau, false);
            }
            self.echoed(turn);
            return;
        }
        let view = self.documents.values().filter(|summary| self.in_view(turn, link, summary)).count();
        if link.repairs >= limits::REPAIRS_MAX || view > limits::TIPS_DOCUMENTS_MAX {
            if !link.own && !self.partners.get(&peer.bureau).is_some_and(|row| row.divergent) {
                self.mark_divergent(turn, peer.bureau, true);
            }
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.repairs += 1;
        }
        self.account(turn, "repair", None, Some(peer.bureau), Some(peer.certificate), "");
        self.send_tips(turn, id);
    }

    /// Somebody who knew us holds the same as we do: what a repair had lost is back.
    fn echoed(&mut self, turn: &mut Turn) {
        if !self.restored {
            return;
        }
        self.restored = false;
        turn.remove(Table::Local, b"restored");
        turn.put(Table::Local, b"lives", self.lives_from.to_be_bytes().to_vec());
        self.event(turn, "store", None, None, "repaired store compared equal");
        self.schedule_all(turn.now.mono);
    }

    fn mark_divergent(&mut self, turn: &mut Turn, bureau: BureauId, divergent: bool) {
        if let Some(row) = self.partners.get_mut(&bureau) {
            row.divergent = divergent;
        }
        self.store_partner(turn, bureau);
        self.event(turn, "divergent", None, Some(bureau), if divergent { "unequal after a repair" } else { "equal again" });
    }

    fn send_tips(&mut self, turn: &mut Turn, id: LinkId) {
        let link = &self.links[&id];
        let lines: Vec<TipLine> = self
            .documents
            .values()
            .filter(|summary| self.in_view(turn, link, summary))
            .map(|summary| TipLine { document: summary.document, entry: summary.entry })
            .collect();
        let mut pages: Vec<Vec<TipLine>> = lines.chunks(limits::TIPS_PAGE).map(<[TipLine]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let count = pages.len();
        for (at, lines) in pages.into_iter().enumerate() {
            // Ids of documents are content to whoever is not entitled: tips are gated like pushes.
            let bytes = Message::Tips { lines, last: at + 1 == count }.encode();
            turn.step.sends.push(Send { link: id, bytes, gated: true });
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.tips_sent = true;
            link.busy(turn.now.mono);
        }
    }

    fn tips_came(&mut self, turn: &mut Turn, id: LinkId, lines: Vec<TipLine>, last: bool) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        link.tips_heard.extend(lines.into_iter().map(|line| (line.document, line.entry)));
        link.busy(turn.now.mono);
        if link.tips_heard.len() > limits::TIPS_DOCUMENTS_MAX {
            link.tips_heard.clear();
            return self.garbage(turn, id, "tips exchange above its bound");
        }
        if !last {
            return;
        }
        let heard = std::mem::take(&mut link.tips_heard);
        let answered = std::mem::replace(&mut link.tips_sent, false);
        let peer = link.peer.expect("checked by message()");
        let link = &self.links[&id];
        let differing: Vec<DocumentId> = self
            .documents
            .values()
            .filter(|summary| self.in_view(turn, link, summary) && heard.get(&summary.document) != Some(&summary.entry))
            .map(|summary| summary.document)
            .collect();
        if !answered {
            if link.repairs > limits::REPAIRS_MAX {
                return;
            }
            if let Some(link) = self.links.get_mut(&id) {
                link.repairs += 1;
            }
            self.send_tips(turn, id);
            if let Some(link) = self.links.get_mut(&id) {
                link.tips_sent = false;
            }
        }
        // What the other side still counts as its own view and was cut from: it has to hear so.
        let parted: Vec<DocumentId> = heard
            .keys()
            .filter(|document| {
                let facts = self.documents.get(*document).map(Summary::facts);
                facts.is_some_and(|facts| access::parting(&facts, self.identity.bureau, peer.bureau).is_some())
            })
            .copied()
            .collect();
        if let Some(link) = self.links.get_mut(&id) {
            link.whole.extend(differing);
            link.whole.extend(parted);
        }
    }
}

/// Length, value, zeros: every cursor has one size, so it does not tell how busy we are with others.
fn padded(body: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::try_from(body.len()).expect("a cursor body is below 128 bytes")];
    out.extend_from_slice(body);
    out.resize(out.len().max(CURSOR_BYTES), 0);
    out
}

fn newly_with(link: &Link, newly: &BTreeSet<BureauId>) -> bool {
    link.bureau().is_some_and(|bureau| newly.contains(&bureau))
}

fn cursor_aad(transport: &TransportKey, network: &crate::id::NetworkId) -> Vec<u8> {
    [b"accord cursor v1".as_slice(), &transport.0, &network.0].concat()
}
