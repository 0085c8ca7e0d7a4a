//! Unpacking: what lies in a file goes by the door that everything from links takes.

use super::*;

impl Bureau {
    pub(super) fn unpack(
        &mut self,
        turn: &mut Turn,
        statement: Verified<BundleStatement>,
        hello: &Hello,
        statements: Vec<IdentityStatement>,
    ) -> Result<Answer, Refused> {
        self.room(self.bundles.unpacks.len())?;
        let body = statement.body().clone();
        let own = body.from == self.identity.bureau;
        if body.to != self.identity.bureau || hello.bureau != body.from || hello.certificate != body.certificate {
            return Err(refused("bundle_not_for_us"));
        }
        if self.same_key(&body.certificate) {
            return Err(refused("bundle_of_this_device"));
        }
        if !own && !self.partners.contains_key(&body.from) {
            return Err(refused("bundle_unknown_sender").with("bureau", body.from.short()));
        }
        let named = statements.iter().find_map(|statement| match statement {
            IdentityStatement::Certificate(member) if member.certificate_id() == body.certificate => member.body().transport,
            _ => None,
        });
        let Some(transport) = named else { return Err(refused("bundle_not_for_us")) };
        let number = self.bundle_number(turn);
        let mut link = Link::without_transport(transport, turn.now.mono);
        let id = link_id(number);
        let known = self.learnt.len();
        self.on_bundle(turn, id, &mut link, |core, turn| core.learn_chain(turn, id, hello, statements));
        let device = self.directory.certificate(&body.certificate).map(|certificate| certificate.body());
        let sealed = device.is_some_and(|device| device.bureau == body.from && statement.is_sealed_by_only(&device.key));
        let standing = self.directory.standing(&body.certificate, turn.stamp);
        let revoked = self.directory.revoked(&body.certificate).is_some();
        if !sealed || revoked || standing != CertStanding::Good || self.directory.is_frozen(&body.from) {
            self.account(turn, "refused_bundle", None, Some(body.from), Some(body.certificate), "certificate");
            return Err(refused("bundle_sender_not_good").with("name", self.name_of(&body.from)));
        }
        if !self.claims_alone(&transport, &body.from) {
            self.account(turn, "refused_bundle", None, Some(body.from), Some(body.certificate), "transport key of another bureau");
            return Err(refused("bundle_key_claimed").with("name", self.name_of(&body.from)));
        }
        let peer = Peer::new(body.certificate, body.from);
        let newer = self.is_newer_word(turn, &transport, &body.from, body.created);
        self.on_bundle(turn, id, &mut link, |core, turn| core.hello_in_bundle(turn, id, &peer, hello, body.created));
        let unpacking = Unpacking {
            link,
            used: turn.now.mono,
            newer,
            pending: false,
            new: BTreeSet::new(),
            changed: BTreeSet::new(),
            known: BTreeSet::new(),
            refused: BTreeMap::new(),
            refused_more: 0,
            erased: 0,
            ignored: 0,
            statements: self.learnt.len().saturating_sub(known) as u64,
            statement,
        };
        self.bundles.unpacks.insert(number, unpacking);
        Ok(Answer::Unpacking { number })
    }

    /// Whether this device is to be believed about how far it got: it said so later than anything we heard of it by link or bundle. Where its clock is
    /// ahead of our time that cannot be told: what is in it is taken, and it says nothing of how far anybody got.
    pub(in crate::bureau) fn is_newer_word(&self, turn: &Turn, transport: &TransportKey, bureau: &BureauId, created: WallSeconds) -> bool {
        let ahead = created > turn.stamp.plus(limits::CLOCK_JUMP_S);
        // A store of before noted contacts by bureau only.
        let before = || self.partners.get(bureau).map_or(WallSeconds(0), |row| WallSeconds(row.last_contact));
        !ahead && created.min(turn.stamp) >= self.bundles.heard.get(transport).copied().unwrap_or_else(before)
    }

    pub(super) fn unpack_message(&mut self, turn: &mut Turn, number: u64, message: Checked) -> Result<Answer, Refused> {
        let mut unpacking = self.bundles.unpacks.remove(&number).ok_or_else(gone)?;
        unpacking.used = turn.now.mono;
        let ours = matches!(message, Checked::Plain(_));
        if !bundle::travels(&message) || ours {
            unpacking.ignored += 1;
            self.bundles.unpacks.insert(number, unpacking);
            return Ok(Answer::Taken);
        }
        let (document, size) = if let Checked::Push(push) = &message { (Some(push.document), push.size) } else { (None, 0) };
        let newest = |core: &Self| document.and_then(|document| core.documents.line(&document)).map(|line| line.newest_seq);
        let was = newest(self);
        let (from, certificate) = (unpacking.statement.body().from, unpacking.statement.body().certificate);
        let peer = Peer::new(certificate, from);
        if let (Some(document), Some(was)) = (document, was) {
            let reached = self.reached.get(&unpacking.link.transport()).copied().unwrap_or_default();
            let unsent = was > reached.walked && !unpacking.link.brought_here(was) && self.waits_for(turn, &peer, &document);
            unpacking.pending |= unsent;
        }
        let id = link_id(number);
        let known = self.learnt.len();
        let ((), said, closed) = self.on_bundle(turn, id, &mut unpacking.link, |core, turn| core.message(turn, id, message));
        unpacking.statements += self.learnt.len().saturating_sub(known) as u64;
        if closed {
            // As on a link: what came before stays, and nothing more is read.
            return Err(refused("bundle_stopped").with("name", self.name_of(&from)));
        }
        if let Some(document) = document {
            let why = unpacking
                .link
                .take_no()
                .or_else(|| said.iter().any(|bytes| wire::asks_anew(bytes)).then(|| "something before it is missing here".to_owned()));
            let now = newest(self);
            match why {
                Some(why) if why == "erased here" => unpacking.erased += 1,
                Some(why) if unpacking.refused.len() < limits::REFUSED_NOTED_MAX || unpacking.refused.contains_key(&document) => {
                    unpacking.refused.insert(document, why);
                }
                Some(_) => unpacking.refused_more += 1,
                None => {
                    unpacking.refused.remove(&document);
                    if now == was && peer.bureau() != self.identity.bureau {
                        // A bundle begins at its beginning each time: what was known of it is no part of the day's share.
                        self.quota(turn, peer.bureau()).give_back(size);
                    }
                    match was {
                        None if now.is_some() => drop(unpacking.new.insert(document)),
                        Some(_) if now != was && !unpacking.new.contains(&document) => drop(unpacking.changed.insert(document)),
                        _ => drop(unpacking.known.insert(document)),
                    }
                }
            }
        }
        self.bundles.unpacks.insert(number, unpacking);
        Ok(Answer::Taken)
    }

    pub(super) fn unpack_end(&mut self, turn: &mut Turn, number: u64, cursor: Option<Vec<u8>>) -> Result<Answer, Refused> {
        let mut unpacking = self.bundles.unpacks.remove(&number).ok_or_else(gone)?;
        let body = unpacking.statement.body().clone();
        let whole = unpacking.refused.is_empty() && unpacking.refused_more == 0;
        // A store that was put back may lack what the bundle rests on without anything in it showing that.
        let noted = whole && unpacking.newer && !self.memory.is_catching() && !self.memory.was_confirmed_since(body.created);
        if noted && let Some(cursor) = cursor {
            let id = link_id(number);
            self.on_bundle(turn, id, &mut unpacking.link, |core, turn| core.keep_cursor(turn, id, cursor));
        }
        if whole {
            self.note_brought_by(turn, &unpacking);
        }
        if unpacking.newer {
            self.note_heard(turn, &unpacking.link.transport(), body.created.min(turn.stamp));
        }
        self.laptop_was_told(turn, &body);
        let view = unpacking.view(self.name_of(&body.from), body.from == self.identity.bureau, noted);
        let other = Some(body.from).filter(|from| *from != self.identity.bureau);
        let detail = format!("{} new {} changed {} refused {}", view.new, view.changed, view.refused_count, short(&body.file));
        self.account(turn, "bundle_unpacked", None, other, Some(body.certificate), &detail);
        self.event(turn, "bundle", None, Some(body.from), "unpacked");
        Ok(Answer::Unpacked(view))
    }

    /// Whether something of a document is to go to a bureau, now or on other terms: what it is to hear has not gone because it brought something.
    fn waits_for(&self, turn: &Turn, peer: &Peer, document: &DocumentId) -> bool {
        let bureau = peer.bureau();
        let parts = |summary: &Summary| summary.parted_seq.contains(&bureau);
        self.may_send(turn, peer, document).is_ok()
            || (bureau != self.identity.bureau && self.concerns(&bureau, document))
            || self.documents.get(document).as_deref().is_some_and(parts)
    }

    /// What a device brought need not go back to it: unless something of ours waits for it in between.
    fn note_brought_by(&mut self, turn: &mut Turn, unpacking: &Unpacking) {
        let transport = unpacking.link.transport();
        let body = unpacking.statement.body();
        let peer = Peer::new(body.certificate, body.from);
        let reached = self.reached.get(&transport).copied().unwrap_or_default();
        let unsent = |line: Line<'_>| !unpacking.link.brought_here(line.newest_seq) && self.waits_for(turn, &peer, &line.document);
        let waits = unpacking.pending || self.documents.changed_after(reached.walked).any(unsent);
        if waits || reached.walked >= self.sequence || self.memory.is_catching() {
            return;
        }
        let to = Reached { base: self.sequence, walked: self.sequence };
        let brought = Brought { from: reached, to };
        self.bundles.brought.insert(transport, brought);
        turn.put(Table::Local, &[BROUGHT, &transport.0].concat(), crate::bureau::rows::write(&brought));
        self.note_reached(turn, &transport, to);
    }

    /// A bundle of its registrar that was read to its end says all that goes before documents: as far as a laptop's reading goes it was at home when the
    /// bundle was made. One from ahead of our time would say so each time it is unpacked.
    fn laptop_was_told(&mut self, turn: &mut Turn, body: &BundleStatement) {
        let ahead = body.created > turn.stamp.plus(limits::CLOCK_JUMP_S);
        let registrar = self.directory.registrar(&self.identity.bureau).map(|(_, registrar)| registrar);
        if !ahead && self.is_laptop() && registrar.is_some_and(|registrar| self.is_registrar_key(&body.certificate, &registrar)) {
            self.note_told(turn, body.created);
        }
    }
}

impl Unpacking {
    /// What it came to.
    fn view(&self, name: String, own: bool, noted: bool) -> UnpackedView {
        let body = self.statement.body();
        let known = self.known.difference(&self.new).filter(|document| !self.changed.contains(*document)).count();
        let told = self.refused.iter().take(limits::BUNDLE_REFUSALS_TOLD);
        UnpackedView {
            bureau: body.from.to_string(),
            name,
            created: body.created.0,
            new: self.new.len() as u64,
            changed: self.changed.len() as u64,
            known: known as u64,
            statements: self.statements,
            own,
            refused: told.map(|(document, why)| RefusedView { document: document.to_string(), why: why.clone() }).collect(),
            refused_count: self.refused.len() as u64 + self.refused_more,
            erased: self.erased,
            ignored: self.ignored,
            noted,
        }
    }
}
