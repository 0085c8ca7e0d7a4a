//! Packing: what a link would say to a device of the recipient, until nothing is left to say.

use accord_keys::envelope::RECIPIENTS_MAX;

use super::*;

impl Bureau {
    /// For whom, and to which of its devices the file is sealed: those whose certificate is good now.
    fn recipients(&self, turn: &Turn, to: &str) -> Result<(BureauId, Vec<Recipient>), Refused> {
        let to = to.trim();
        let own = self.identity.bureau;
        let device = match to.strip_prefix(bundle::OWN_DEVICES) {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('/'),
            None => None,
        };
        let bureau = if device.is_some() { own } else { self.resolve_partner(to)? };
        let named = device.unwrap_or_default().to_ascii_lowercase();
        let all = self.directory.members(&bureau).into_iter().filter_map(|id| Some((id, self.directory.certificate(&id)?.body())));
        let fit = |id: &crate::id::CertificateId, kind: MemberKind| match kind {
            MemberKind::Node => !self.same_key(id),
            MemberKind::Laptop => bureau == own && !self.same_key(id),
            _ => false,
        };
        // A device whose certificate was renewed has two of them for one key: the newer one counts.
        let mut by_key: BTreeMap<TransportKey, (WallSeconds, Recipient)> = BTreeMap::new();
        for (id, body) in all.filter(|(id, body)| fit(id, body.kind) && id.to_string().starts_with(&named) && self.may_connect(turn, id)) {
            let (Some(transport), Some(hpke)) = (body.transport, body.hpke) else { continue };
            let newer = by_key.get(&transport).is_none_or(|(begins, _)| body.not_before >= *begins);
            if newer && self.claims_alone(&transport, &bureau) {
                by_key.insert(transport, (body.not_before, Recipient { certificate: id, transport, hpke }));
            }
        }
        let recipients: Vec<Recipient> = by_key.into_values().map(|(_, recipient)| recipient).collect();
        match recipients.len() {
            0 => Err(refused("bundle_no_device").with("name", to)),
            count if count > RECIPIENTS_MAX => Err(refused("bundle_too_many_devices").with("found", count).with("most", RECIPIENTS_MAX)),
            _ => Ok((bureau, recipients)),
        }
    }

    pub(super) fn pack(&mut self, turn: &mut Turn, person: Option<&str>, to: &str, all: bool, dry: bool) -> Result<Answer, Refused> {
        self.room(self.bundles.packs.len())?;
        let (bureau, recipients) = self.recipients(turn, to)?;
        let own = bureau == self.identity.bureau;
        // The check says so of every document; here it is said at once, and how to go on.
        if let Some(why) = self.silence(&bureau) {
            return Err(refused("bundle_silent").with("why", why).with("name", self.name_of(&bureau)));
        }
        if !own && !self.in_touch(turn.effective) {
            return Err(refused("bundle_out_of_touch").with("hours", limits::IN_TOUCH_S / 3_600));
        }
        if self.directory.is_frozen(&bureau) {
            return Err(refused("bundle_frozen").with("name", self.name_of(&bureau)));
        }
        let first = recipients[0];
        let mut link = Link::without_transport(first.transport, turn.now.mono);
        // What every device of it that is known to have acknowledged anything has. One that never did gets no cursor: what the others had before is not in it.
        let known: Vec<Reached> = recipients.iter().filter_map(|device| self.reached.get(&device.transport).copied()).collect();
        let peer = Peer::new(first.certificate, bureau);
        let left = self.left_to(turn, &peer);
        let all = all || left.is_none();
        let base = known.iter().map(|reached| reached.base).min().filter(|_| !all).unwrap_or(0);
        let walked = known.iter().map(|reached| reached.walked).min().filter(|_| !all).unwrap_or(0);
        link.is_to(Peer::new(first.certificate, bureau), own, Reached { base, walked });
        let number = self.bundle_number(turn);
        // What was never noted as given is walked past on no link: the comparison shows it. Here nobody compares.
        let passed_before = |summary: &Line<'_>| !own && summary.owner == self.identity.bureau && summary.newest_seq <= walked;
        let never = self.documents.values().filter(passed_before).filter(|summary| !summary.is_given(&bureau));
        let mut whole: BTreeSet<DocumentId> =
            never.map(|summary| summary.document).filter(|document| self.may_send(turn, &peer, document).is_ok()).collect();
        whole.extend(left.iter().flatten());
        let ahead =
            self.documents.changed_after(walked).map(|line| line.document).filter(|document| self.may_send(turn, &peer, document).is_ok());
        let of = ahead.filter(|document| !whole.contains(document)).count() + whole.len();
        link.bring_whole(whole);
        let mut records: Vec<Record> = Vec::new();
        for device in &recipients {
            let hello = self.hello_to(turn, bureau, &device.transport);
            records.push(Record::ForDevice(device.transport, Message::Hello(hello).encode()));
        }
        let ((), said, _) =
            self.on_bundle(turn, link_id(number), &mut link, |core, turn| core.greet_in_bundle(turn, link_id(number), &peer, own));
        records.extend(said.into_iter().filter(|bytes| wire::is_for_bundles(bytes)).map(Record::ForAll));
        let packing = Packing {
            link,
            to: bureau,
            recipients: recipients.clone(),
            by: self.reader(person),
            dry,
            ground: (self.policy_epoch, self.bundles.taken_away),
            used: turn.now.mono,
            begun: turn.stamp,
            from_start: walked == 0,
            left,
            shown: false,
            documents: 0,
            of: of as u64,
            held: 0,
            ended: false,
        };
        self.bundles.packs.insert(number, packing);
        Ok(Answer::Packing { number, to: bureau, name: self.name_of(&bureau), recipients, records })
    }

    pub(super) fn pack_more(&mut self, turn: &mut Turn, number: u64) -> Result<Answer, Refused> {
        let mut packing = self.bundles.packs.remove(&number).ok_or_else(gone)?;
        if let Err(refused) = self.still_good(turn, &packing) {
            self.bundles.packs.insert(number, packing);
            self.leave(turn, number);
            return Err(refused);
        }
        packing.used = turn.now.mono;
        let id = link_id(number);
        let peer = Peer::new(packing.recipients[0].certificate, packing.to);
        let mut link = packing.link;
        let accounts = turn.step.writes.len();
        let show = !std::mem::replace(&mut packing.shown, true);
        let (end, said, _) = self.on_bundle(turn, id, &mut link, |core, turn| core.pack_some(turn, id, &peer, show));
        if packing.dry {
            let mut at = 0;
            turn.step.writes.retain(|write| {
                at += 1;
                at <= accounts || !matches!(write, crate::step::Write::Account(_))
            });
        }
        let (documents, held) = link.went();
        packing.documents += documents;
        packing.held += held;
        let mut records: Vec<Record> = said.into_iter().filter(|bytes| wire::is_for_bundles(bytes)).map(Record::ForAll).collect();
        let end = end && !packing.ended;
        // A document that cannot be read went nowhere, and a store in doubt says nothing of how far anybody got.
        let unread = self.cannot_load.keys().any(|document| self.may_send(turn, &peer, document).is_ok());
        if end && !packing.dry && !unread && !self.memory.is_catching() {
            // A device that never acknowledged anything has not got what another had before.
            let from_start = packing.from_start;
            for device in packing
                .recipients
                .iter()
                .filter(|device| from_start || self.reached.contains_key(&device.transport))
                .copied()
                .collect::<Vec<_>>()
            {
                link.turn_to(device.transport);
                let peer = Peer::new(device.certificate, packing.to);
                let (cursor, ..) = self.on_bundle(turn, id, &mut link, |core, turn| core.bundle_cursor(turn, id, &peer));
                records.push(Record::ForDevice(device.transport, Message::Cursor(Bytes(cursor)).encode()));
            }
        }
        packing.ended |= end;
        packing.link = link;
        let answer = Answer::Records { records, documents: packing.documents, of: packing.of.max(packing.documents), end: packing.ended };
        self.bundles.packs.insert(number, packing);
        Ok(answer)
    }

    /// Whether what was handed out so far may still go.
    fn still_good(&self, turn: &Turn, packing: &Packing) -> Result<(), Refused> {
        let stands = packing.recipients.iter().all(|device| self.may_connect(turn, &device.certificate));
        if !stands || packing.ground != (self.policy_epoch, self.bundles.taken_away) || self.silence(&packing.to).is_some() {
            return Err(refused("bundle_changed"));
        }
        Ok(())
    }

    pub(super) fn pack_seal(&mut self, turn: &mut Turn, number: u64, file: Nonce, digest: Digest, records: u64) -> Result<Answer, Refused> {
        let packing = self.bundles.packs.get(&number).ok_or_else(gone)?;
        let good = if packing.ended && !packing.dry { self.still_good(turn, packing) } else { Err(refused("bundle_changed")) };
        let (to, by, documents, created) = (packing.to, packing.by, packing.documents, packing.begun);
        if let Err(refused) = good {
            self.leave(turn, number);
            return Err(refused);
        }
        let statement = BundleStatement {
            from: self.identity.bureau,
            certificate: self.identity.certificate,
            to,
            file,
            digest,
            records,
            documents,
            wire: wire::VERSION,
            created,
        };
        let sealed = Sealed::seal(&self.identity.network, statement, &[self.identity.signer.as_ref()])
            .map_err(|error| Refused::new(RefusedKind::Fault, "cannot_seal").with("why", error))?;
        let mut packing = self.bundles.packs.remove(&number).expect("looked at above");
        self.quota(turn, to).take_back_held(packing.held);
        let (passed, end) = packing.link.end_of_walk();
        let theirs = |document: &&DocumentId| self.documents.line(document).is_some_and(|line| line.owner == to);
        let theirs: Vec<DocumentId> = passed.iter().filter(theirs).copied().collect();
        for device in &packing.recipients {
            theirs.iter().for_each(|document| self.note_document(turn, device.transport, *document));
        }
        self.left_packed(turn, to, packing.left.as_ref(), passed, end);
        let other = Some(to).filter(|to| *to != self.identity.bureau);
        self.account(turn, "bundle_packed", None, other, by, &format!("{documents} documents {}", short(&file)));
        self.event(turn, "bundle", None, Some(to), "packed");
        Ok(Answer::Sealed(sealed.to_bytes()))
    }
}
