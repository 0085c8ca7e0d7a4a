//! Coming and going: hello, who is at the other end, what goes first.

use super::*;

impl Bureau {
    pub(in crate::bureau) fn link_up(&mut self, turn: &mut Turn, id: LinkId, transport: TransportKey, _outgoing: bool) {
        self.links.insert(id, Link::new(transport, turn.now.mono));
        if self.invites.contains_key(&transport) {
            return; // It has no certificate yet; it speaks first.
        }
        let Some(candidate) = self.directory.by_transport(&transport) else { return };
        let bureau = self.directory.certificate(&candidate).expect("listed by the directory").body().bureau;
        let hello = self.hello_to(turn, bureau, &transport);
        self.send(turn, id, &Message::Hello(hello), false);
    }

    pub(in crate::bureau) fn link_down(&mut self, turn: &mut Turn, id: LinkId) {
        self.note_at_home(turn);
        let Some(link) = self.links.remove(&id) else { return };
        if self.links.is_empty() {
            self.shelf.clear();
        }
        let Some(peer) = link.peer else { return };
        self.parts.look_again(turn.now.mono);
        self.heard_by_link(turn, &link.transport());
        if link.own {
            self.heard_own(turn, &peer.certificate);
        }
        if let Some(row) = self.partners.get_mut(&peer.bureau).filter(|_| !link.own) {
            row.last_contact = turn.stamp.0;
            self.store_partner(turn, peer.bureau);
        }
        let still = self.links.values().any(|other| other.is_with(&peer.bureau));
        if !still {
            self.event(turn, if link.own { "device_down" } else { "partner_down" }, None, Some(peer.bureau), "");
        }
    }

    /// A gate dropped something: what was not acknowledged is walked again under the new policy.
    pub(in crate::bureau) fn frame_dropped(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.peer.is_none() {
            return;
        }
        let reached = self.reached.get(&link.transport).copied().unwrap_or_default();
        link.base = reached.base;
        link.walked = reached.walked;
        link.sent.clear();
        link.offered.clear();
        link.partial.clear();
        link.homeward = None;
        link.parted.clear();
        link.parting.clear();
        link.tips_sent = false;
        link.repairing = None;
        link.count = super::progress::Count::default();
        link.evidence.clear();
        link.evidencing.clear();
        if link.passes.is_some() {
            // A cursor on its way may say of what was dropped that it was had.
            link.cursor_due = Some(turn.now.mono);
        }
        link.show_anew();
        let _ = link.dues.forget_gated();
        link.told.clear();
        let dropped = link.in_flight.iter().map(|push| push.held).sum();
        link.unsure.append(&mut link.in_flight);
        let over = link.unsure.len().saturating_sub(limits::UNSURE_MAX);
        link.unsure.drain(..over);
        link.in_flight_bytes = 0;
        link.busy(turn.now.mono);
        if let Some(bureau) = self.links.get(&id).and_then(Link::bureau).filter(|_| dropped > 0) {
            self.quota(turn, bureau).take_back_held(dropped);
        }
        (self.passes_dirty, self.conclude_dirty) = (true, true);
        self.onward.dirty = true;
    }

    pub(in crate::bureau) fn garbage(&mut self, turn: &mut Turn, id: LinkId, why: &str) {
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_message", None, bureau, None, why);
        self.refuse_link(turn, id, Reason::Protocol);
    }

    /// Says no to a link and closes it. The reference is in our account and in theirs.
    pub(in crate::bureau) fn refuse_link(&mut self, turn: &mut Turn, id: LinkId, reason: Reason) {
        let reference = turn.reference();
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_link", None, bureau, None, &format!("{reason:?} {reference:016x}"));
        self.event(turn, "refused", None, bureau, &format!("{reason:?} {reference:016x}"));
        self.send(turn, id, &Message::Refusal { reason, reference }, false);
        // A link is closed in order: what waits on it would still go.
        if let Some(link) = self.links.get_mut(&id) {
            link.make_stale();
        }
        turn.step.close.push(id);
    }

    pub(in crate::bureau) fn send(&self, turn: &mut Turn, link: LinkId, message: &Message, gated: bool) {
        turn.step.sends.push(Send { link, bytes: message.encode(), gated });
    }

    pub(in crate::bureau) fn live_links(&self, with: impl Fn(BureauId) -> bool) -> Vec<LinkId> {
        let told_only =
            |link: &Link| link.bundle || link.own && link.certificate().is_some_and(|peer| self.directory.revoked(&peer).is_some());
        self.links.iter().filter(|(_, link)| link.bureau().is_some_and(&with) && !told_only(link)).map(|(id, _)| *id).collect()
    }

    /// What a peer needs to recognise this device: our roots, its certificate, and that one's issuer.
    pub(in crate::bureau) fn introduction(&self) -> Vec<Bytes> {
        let Some(record) = self.directory.bureau(&self.identity.bureau) else { return Vec::new() };
        let mut ids: Vec<StatementId> = record.roots().map(accord_keys::seal::Verified::id).collect();
        if let Issuer::Member(issuer) = self.own_certificate().issuer {
            ids.push(StatementId(issuer.0));
        }
        ids.push(StatementId(self.identity.certificate.0));
        ids.iter().filter_map(|id| self.directory.statement_bytes(id)).map(Bytes).collect()
    }

    /// All that a revoked device of our own still hears.
    pub(super) fn roots_and_revocations(&self) -> Vec<Bytes> {
        let kept = |held: &Held<'_>| matches!(held, Held::Root(_) | Held::Revocation(_));
        self.directory.statements(&self.identity.bureau).filter(kept).map(|held| Bytes(held.to_bytes())).collect()
    }

    /// Digest of the roots, appointments and revocations of another bureau that are known here: what must not go backwards.
    pub(in crate::bureau) fn lasting(&self, bureau: &BureauId) -> Option<Digest> {
        let record = self.directory.bureau(bureau).filter(|_| *bureau != self.identity.bureau)?;
        let statements = record.roots().map(seal::Verified::id).chain(record.appointments().map(seal::Verified::id));
        let ids: BTreeSet<StatementId> = statements.chain(record.revocations().map(seal::Verified::id)).collect();
        let mut hasher = blake3::Hasher::new_derive_key("accord lasting statements v1");
        for id in ids {
            hasher.update(&id.0);
        }
        Some(Digest(*hasher.finalize().as_bytes()))
    }

    /// Statements of our bureau as they go to everyone linked: roots, appointments, revocations, certificates of nodes, our contact.
    /// Officers' and laptops' certificates go to our own devices here, and elsewhere only as evidence.
    pub(in crate::bureau) fn public_statements(&self, to_own: bool) -> Vec<Bytes> {
        let own = self.directory.statements(&self.identity.bureau).filter(|held| to_own || is_public(held));
        let mut out: Vec<Bytes> = own.map(|held| Bytes(held.to_bytes())).collect();
        out.extend(self.contacts.values().filter(|c| c.body().bureau == self.identity.bureau).map(|c| Bytes(c.sealed().to_bytes())));
        out
    }

    /// Passes a new statement of our bureau on to those who may hear it.
    pub(in crate::bureau) fn tell_statement(&mut self, turn: &mut Turn, bytes: &[u8]) {
        let own = self.identity.bureau;
        let message = Message::Statements(vec![Bytes(bytes.to_vec())]);
        let public = are_public(bytes);
        for link in self.live_links(|peer| peer == own || public) {
            self.tell_link(turn, link, &message);
        }
    }

    pub(in crate::bureau) fn refusal_heard(&mut self, turn: &mut Turn, id: LinkId, reason: Reason, reference: u64) {
        let bureau = self.links.get(&id).and_then(Link::bureau);
        self.account(turn, "refused_by_partner", None, bureau, None, &format!("{reason:?} {reference:016x}"));
        self.event(turn, "refused", None, bureau, &format!("by partner: {reason:?} {reference:016x}"));
        turn.step.close.push(id);
    }

    pub(in crate::bureau) fn hello(&mut self, turn: &mut Turn, id: LinkId, hello: Hello, statements: Vec<wire::IdentityStatement>) {
        if hello.network != self.identity.network || hello.version < wire::OLDEST {
            return self.refuse_link(turn, id, Reason::Incompatible);
        }
        let transport = self.links[&id].transport;
        let own = hello.bureau == self.identity.bureau;
        let known = own || self.partners.contains_key(&hello.bureau);
        if known {
            self.learn_chain(turn, id, &hello, statements);
        }
        let stands = self.directory.certificate(&hello.certificate).is_some_and(|c| {
            let body = c.body();
            body.bureau == hello.bureau && body.transport == Some(transport) && (own || body.kind == MemberKind::Node)
        });
        // A revoked device of our own is let in to be told so.
        let told_only = own && stands && self.directory.revoked(&hello.certificate).is_some();
        if !told_only && (!known || !stands || !self.may_connect(turn, &hello.certificate) || self.directory.is_frozen(&hello.bureau)) {
            return self.refuse_link(turn, id, Reason::Certificate);
        }
        let peer = Peer { certificate: hello.certificate, bureau: hello.bureau };
        let returned = self.returned_cursor(&transport, &peer.bureau, hello.cursor.as_ref());
        let cursor::Returned { reached, believed, memory, greeting, current, theirs, heard_of, passes, of_bundle, bundle_end, .. } =
            returned;
        let link = self.links.get_mut(&id).expect("present above");
        link.peer = Some(peer);
        link.own = own;
        link.version = hello.version.min(wire::VERSION);
        link.heard_of = heard_of.filter(|_| own);
        link.base = reached.base;
        link.walked = reached.walked;
        link.had = if believed { reached.base } else { 0 };
        link.busy(turn.now.mono);
        self.parts.look_again(turn.now.mono);
        if told_only {
            self.account(turn, "revoked_told", None, None, Some(peer.certificate), "");
            self.send_dues(turn, id);
            return;
        }
        if !believed {
            self.account(turn, "cursor_unreadable", None, Some(peer.bureau), Some(peer.certificate), "compare instead");
            if !own {
                self.note_homeward(turn, transport, &peer.bureau);
            }
        }
        // A laptop has nobody but its own nodes to ask the time.
        let corroborates = !own || self.own_certificate().kind == MemberKind::Laptop;
        if corroborates {
            let partners = if own { 1 } else { self.partners.values().filter(|row| row.checked).count() };
            let event = self.clock.partner_says(peer.bureau, hello.wall, turn.now, partners);
            turn.read(&self.clock);
            self.clock_changed(turn, event);
            if let Some(row) = self.partners.get_mut(&peer.bureau) {
                row.last_contact = turn.stamp.0;
            }
            self.store_partner(turn, peer.bureau);
        }
        if own {
            self.heard_own(turn, &peer.certificate);
            let key = self.directory.certificate(&peer.certificate).map(|c| c.body().key);
            let done: Vec<TransportKey> =
                self.invites.iter().filter(|(_, invite)| invite.device.is_some() && invite.device == key).map(|(t, _)| *t).collect();
            for transport in done {
                self.drop_invite(turn, &transport);
            }
        }
        if of_bundle && believed {
            self.note_reached(turn, &transport, reached);
        }
        if let Some(end) = bundle_end {
            self.left_arrived(turn, &peer.bureau, end);
        }
        self.heard_by_link(turn, &transport);
        self.recollect(turn, &peer, memory);
        self.event(turn, if own { "device_up" } else { "partner_up" }, None, Some(peer.bureau), "");
        self.refresh_allow(turn);
        if theirs != self.lasting(&peer.bureau) {
            // It may be a store put back, which forgot what it revoked: it returns no cursor of the time when we knew all we know of it. Before
            // the next cursor, which says that it knows.
            self.say_public_of(id, peer.bureau);
            self.send_dues(turn, id);
        }
        self.greet(turn, id, &peer, own, greeting.filter(|_| believed), current);
        if believed && !own {
            self.passes_had(turn, id, &peer, passes);
        }
        if let Some(counts) = hello.ledger.filter(|_| !own) {
            self.note_lines_known(turn, &peer.bureau, counts);
            self.say_ledger(id, peer.bureau, counts);
        }
        // What is told from now on comes after what it rests on.
        self.send_dues(turn, id);
    }

    /// Who says hello may not stand: of what it brings only the chain of the device it says it is is learnt, its roots, its issuer and itself.
    pub(in crate::bureau) fn learn_chain(&mut self, turn: &mut Turn, id: LinkId, hello: &Hello, statements: Vec<wire::IdentityStatement>) {
        let partner = Some(hello.bureau).filter(|bureau| *bureau != self.identity.bureau);
        let device = statements.iter().find_map(|statement| match statement {
            wire::IdentityStatement::Certificate(own) if own.certificate_id() == hello.certificate => Some(own.body().issuer),
            _ => None,
        });
        for statement in statements {
            let its_own = self.bureau_of(&statement) == Some(hello.bureau);
            let in_chain = match &statement {
                wire::IdentityStatement::Root(_) => true,
                wire::IdentityStatement::Certificate(member) => {
                    let member = member.certificate_id();
                    member == hello.certificate || device == Some(Issuer::Member(member))
                }
                _ => false,
            };
            if its_own && in_chain {
                self.learn_needed(turn, id, partner, statement);
            }
        }
    }

    /// What a partner hears first.
    pub(in crate::bureau) fn greeting(&self, peer: &Peer) -> Greeting {
        let agreements = self.book.statements_with(peer.bureau, limits::AGREEMENT_STATEMENTS_MAX).into_iter().map(Bytes).collect();
        let officers: Vec<CertificateId> = self.book.officers_of(Pair::of(self.identity.bureau, peer.bureau)).into_iter().collect();
        Greeting { statements: self.public_statements(false), evidence: self.agreement_evidence(officers), agreements }
    }

    /// First things first: to our own devices everything known of other bureaus; to everyone the agreements of the pair. A partner that
    /// `heard` the same when both last compared equal is not told again, and keeps its cursor if that is `current`.
    fn greet(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, own: bool, heard: Option<Digest>, current: bool) {
        let greeting = (!own).then(|| self.greeting(peer));
        let knows = greeting.as_ref().is_some_and(|greeting| heard == Some(greeting.digest()));
        if knows && let Some(link) = self.links.get_mut(&id) {
            link.greeting = heard;
        }
        // Before anything it could acknowledge: who acknowledged something has a cursor to return.
        if knows && current && !self.memory.is_catching() {
            self.memory.handed(peer.certificate);
        } else {
            self.hand_cursor(turn, id);
        }
        match greeting {
            None => self.greet_own(id),
            Some(_) if knows => self.show_compacts(id),
            Some(greeting) => self.say_greeting(id, greeting),
        }
        (self.passes_dirty, self.conclude_dirty) = (true, true);
        self.onward.dirty = true;
    }

    pub(super) fn say_greeting(&mut self, id: LinkId, greeting: Greeting) {
        self.say_statements(id, greeting.statements);
        self.say_statements(id, greeting.evidence);
        self.show_compacts(id);
        for page in agreement_pages(greeting.agreements) {
            self.say(id, &page, false);
        }
    }

    /// What our own devices hear: everything known of other bureaus too, as far as a link holds it at a time.
    pub(super) fn greet_own(&mut self, id: LinkId) {
        self.say_statements(id, self.public_statements(true));
        // How we stand with others does not wait for all they ever certified.
        let officers: Vec<CertificateId> = self.book.pairs().flat_map(|pair| self.book.officers_of(pair)).collect();
        let grounds = self.with_grounds(officers, None, &BTreeSet::new());
        self.say_statements(id, grounds.into_iter().map(|(_, bytes)| bytes).collect());
        self.show_compacts(id);
        self.say_all_agreements(id);
        self.say_other_bureaus(id);
    }
}

/// Agreement statements in pages that fit a control frame.
pub(super) fn agreement_pages(statements: impl IntoIterator<Item = Bytes>) -> Vec<Message> {
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut size = 0;
    for bytes in statements {
        size += bytes.0.len();
        page.push(bytes);
        if size > 32 * 1024 {
            pages.push(Message::Agreements(std::mem::take(&mut page)));
            size = 0;
        }
    }
    if !page.is_empty() {
        pages.push(Message::Agreements(page));
    }
    pages
}

/// What goes first on a link, in the order in which it can be learnt.
pub(in crate::bureau) struct Greeting {
    statements: Vec<Bytes>,
    evidence: Vec<Bytes>,
    agreements: Vec<Bytes>,
}

impl Greeting {
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord greeting v1");
        for part in [&self.statements, &self.evidence, &self.agreements] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            for bytes in part {
                hasher.update(&(bytes.0.len() as u64).to_be_bytes());
                hasher.update(&bytes.0);
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Whether a statement of a bureau is for everybody. Officers' and laptops' certificates are not, and how wrong its clocks were is nobody
/// else's matter.
pub(super) fn is_public(held: &Held<'_>) -> bool {
    match held {
        Held::ClockReset(_) => false,
        Held::Certificate(certificate) => is_public_certificate(certificate.body()),
        Held::Root(_) | Held::Revocation(_) | Held::Appointment(_) => true,
    }
}

/// [`is_public`], of a statement that may not lie in the directory.
fn are_public(bytes: &[u8]) -> bool {
    match seal::peek_type(bytes).and_then(StatementType::from_number) {
        Some(StatementType::ClockReset) => false,
        Some(StatementType::Certificate) => seal::Sealed::from_bytes(bytes).is_ok_and(|sealed| is_public_certificate(sealed.claimed())),
        _ => true,
    }
}

fn is_public_certificate(certificate: &MemberCertificate) -> bool {
    certificate.kind == MemberKind::Node
}
