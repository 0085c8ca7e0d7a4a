//! Bundles: a link of which only one end is there, and what it says goes into a file or comes out of one.
//!
//! ```text
//! pack    Link (no transport) --greeting, passes, asks, walk: links/*--> messages --> file       nothing is noted as delivered
//! unpack  file --> messages --> Link (no transport) --links/*: the one door--> store                answers are counted and dropped
//! return  the cursor in a bundle is kept by who took all of it, and comes back in its next hello, by link or bundle: then it is delivered
//! ```
//! Such a link stands among the others only while one step of it is handled ([`Bureau::on_bundle`]), so that nothing else meets it; it is no contact
//! with anybody, and no acknowledgement. Everything that may go is asked of the same check, and what is handed out in pieces is good
//! only if nothing was taken away until its end: else packing begins anew.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::MemberKind;
use accord_keys::directory::CertStanding;
use accord_keys::seal::{Sealed, Verified};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::links::{Link, Peer};
use super::rows::Reached;
use super::turn::Turn;
use crate::agreement::Pair;
use crate::bundle::{self, Answer, Ask, BundleStatement, Recipient, Record, RefusedView, UnpackedView};
use crate::id::{BureauId, Bytes, Digest, DocumentId, Nonce, TransportKey};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::time::{MonoMillis, WallSeconds};
use crate::view::{Refused, RefusedKind};
use crate::wire::{self, Checked, Hello, IdentityStatement, Message};

/// Before a transport key: when the newest bundle of that device was packed that was unpacked here.
const HEARD: &[u8] = b"bundle-heard:";

/// Before the id of a bureau: how many lines of our ledger it said it holds.
const LINES: &[u8] = b"bundle-lines:";

/// Before a transport key: what a device holds for having brought it ([`Brought`]).
const BROUGHT: &[u8] = b"bundle-brought:";

/// Between two points of our sequence there is nothing for a device but what came in its own bundle: whoever is at the first is at the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Brought {
    #[n(0)]
    from: Reached,
    #[n(1)]
    to: Reached,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    last: u64,
    packs: BTreeMap<u64, Packing>,
    unpacks: BTreeMap<u64, Unpacking>,
    heard: BTreeMap<TransportKey, WallSeconds>,
    lines: BTreeMap<BureauId, u64>,
    brought: BTreeMap<TransportKey, Brought>,
    /// How often something was made stale on links: what is being packed may hold it.
    taken_away: u64,
}

impl Bundles {
    pub fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let rows = |prefix: &'static [u8]| {
            local.iter().filter_map(move |(key, value)| {
                let id = <[u8; 32]>::try_from(key.strip_prefix(prefix)?).ok()?;
                Some((id, u64::from_be_bytes(value.as_slice().try_into().ok()?)))
            })
        };
        Self {
            heard: rows(HEARD).map(|(id, at)| (TransportKey(id), WallSeconds(at))).collect(),
            lines: rows(LINES).map(|(id, count)| (BureauId(id), count)).collect(),
            brought: local
                .iter()
                .filter_map(|(key, value)| {
                    let transport = <[u8; 32]>::try_from(key.strip_prefix(BROUGHT)?).ok()?;
                    Some((TransportKey(transport), super::rows::read("local", value).ok()?))
                })
                .collect(),
            ..Self::default()
        }
    }
    /// How far a device is that says it got so far, or that never was told how far it got.
    pub fn with_brought(&self, transport: &TransportKey, told: Option<Reached>, silent: bool) -> Option<Reached> {
        let Some(brought) = self.brought.get(transport) else { return told };
        let told = told.or(silent.then_some(Reached::default()))?;
        let behind = told.base < brought.from.base || told.walked < brought.from.walked;
        let with = Reached { base: told.base.max(brought.to.base), walked: told.walked.max(brought.to.walked) };
        Some(if behind { told } else { with })
    }
    /// Something that may be on its way must not go any more.
    pub fn took_away(&mut self) {
        self.taken_away += 1;
    }
}

/// A bundle being packed.
#[derive(Debug)]
struct Packing {
    link: Link,
    to: BureauId,
    recipients: Vec<Recipient>,
    by: Option<crate::id::CertificateId>,
    dry: bool,
    /// What must not have moved until it is sealed: the policy epoch, and [`Bundles::taken_away`].
    ground: (u64, u64),
    used: MonoMillis,
    /// When packing began: what was learnt since may not be in it.
    begun: WallSeconds,
    /// It holds all that may go, not only what is new to some device of the recipient.
    from_start: bool,
    /// Passes and asks were looked for.
    shown: bool,
    documents: u64,
    of: u64,
    held: usize,
    ended: bool,
}

/// A bundle being unpacked.
#[derive(Debug)]
struct Unpacking {
    link: Link,
    statement: Verified<BundleStatement>,
    used: MonoMillis,
    /// It speaks of later than anything we heard of its sender before.
    newer: bool,
    /// Something of ours waits for its sender, and is not in this.
    pending: bool,
    new: BTreeSet<DocumentId>,
    changed: BTreeSet<DocumentId>,
    known: BTreeSet<DocumentId>,
    refused: BTreeMap<DocumentId, String>,
    refused_more: u64,
    erased: u64,
    ignored: u64,
}

/// One id for each link that is none: far from those the driver gives.
fn link_id(number: u64) -> LinkId {
    LinkId(u64::MAX - number)
}

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

fn gone() -> Refused {
    Refused::new(RefusedKind::NotFound, "bundle_gone")
}

impl Bureau {
    /// One step of packing or unpacking.
    pub(super) fn bundle_step(&mut self, turn: &mut Turn, person: Option<&str>, ask: Ask) -> Result<Answer, Refused> {
        let now = turn.now.mono;
        let left = |used: MonoMillis| now >= used.plus(limits::BUNDLE_LEFT_MS);
        let old: Vec<u64> = self.bundles.packs.iter().filter(|(_, p)| left(p.used)).map(|(number, _)| *number).collect();
        for number in old {
            self.leave(turn, number);
        }
        self.bundles.unpacks.retain(|_, unpacking| !left(unpacking.used));
        match ask {
            Ask::Pack { to, all, dry_run } => self.pack(turn, person, &to, all, dry_run),
            Ask::More { number } => self.pack_more(turn, number),
            Ask::Seal { number, file, digest, records } => self.pack_seal(turn, number, file, digest, records),
            Ask::Unpack { statement, hello, statements } => self.unpack(turn, statement, &hello, statements),
            Ask::Message { number, message } => self.unpack_message(turn, number, message),
            Ask::End { number, cursor } => self.unpack_end(turn, number, cursor),
            Ask::Leave { number } => {
                self.leave(turn, number);
                Ok(Answer::Left)
            }
        }
    }

    /// The document a step touches.
    pub(super) fn bundle_document(&self, ask: &Ask) -> Option<DocumentId> {
        match ask {
            Ask::Message { message: Checked::Push(push), .. } => {
                Some(push.document).filter(|document| self.documents.contains_key(document))
            }
            _ => None,
        }
    }

    fn leave(&mut self, turn: &mut Turn, number: u64) {
        self.bundles.unpacks.remove(&number);
        if let Some(packing) = self.bundles.packs.remove(&number) {
            self.quota(turn, packing.to).take_back_held(packing.held);
            if !packing.dry {
                self.account(turn, "bundle_left", None, Some(packing.to), packing.by, "");
            }
        }
    }

    /// Handles something on a link that is none, as if it were one. Answers what was said on it, and whether it would have been closed; both go
    /// nowhere by themselves.
    fn on_bundle<T>(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        link: &mut Link,
        act: impl FnOnce(&mut Self, &mut Turn) -> T,
    ) -> (T, Vec<Vec<u8>>, bool) {
        // The place is free: nobody else gives such numbers. What stands in for it is of no use to anybody.
        let stand_in = Link::without_transport(link.transport(), turn.now.mono);
        self.links.insert(id, std::mem::replace(link, stand_in));
        let done = act(self, turn);
        *link = self.links.remove(&id).expect("put there above, and links go with their transport only");
        let mut said = Vec::new();
        turn.step.sends.retain_mut(|send| {
            if send.link == id {
                said.push(std::mem::take(&mut send.bytes));
            }
            send.link != id
        });
        let closed = turn.step.close.contains(&id);
        turn.step.close.retain(|link| *link != id);
        (done, said, closed)
    }

    fn room(&self, taken: usize) -> Result<(), Refused> {
        if taken < limits::BUNDLES_AT_ONCE { Ok(()) } else { Err(refused("bundle_under_way")) }
    }

    // ---- pack ----

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
        let recipients: Vec<Recipient> = all
            .filter(|(id, body)| fit(id, body.kind) && id.to_string().starts_with(&named) && self.may_connect(turn, id))
            .filter_map(|(id, body)| Some(Recipient { certificate: id, transport: body.transport?, hpke: body.hpke? }))
            .take(accord_keys::envelope::RECIPIENTS_MAX)
            .collect();
        if recipients.is_empty() { Err(refused("bundle_no_device").with("name", to)) } else { Ok((bureau, recipients)) }
    }

    fn pack(&mut self, turn: &mut Turn, person: Option<&str>, to: &str, all: bool, dry: bool) -> Result<Answer, Refused> {
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
        let base = known.iter().map(|reached| reached.base).min().filter(|_| !all).unwrap_or(0);
        let walked = known.iter().map(|reached| reached.walked).min().filter(|_| !all).unwrap_or(0);
        link.is_to(Peer::new(first.certificate, bureau), own, Reached { base, walked });
        self.bundles.last += 1;
        let number = self.bundles.last;
        let peer = Peer::new(first.certificate, bureau);
        // What was never noted as given is walked past on no link: the comparison shows it. Here nobody compares.
        let never: BTreeSet<DocumentId> = self
            .documents
            .values()
            .filter(|summary| {
                !own && summary.owner == self.identity.bureau && summary.newest_seq <= walked && !summary.given.contains(&bureau)
            })
            .filter(|summary| self.may_send(turn, &peer, &summary.document).is_ok())
            .map(|summary| summary.document)
            .collect();
        let ahead = self.by_seq.range(walked + 1..).filter(|(_, document)| self.may_send(turn, &peer, document).is_ok());
        let of = (ahead.count() + never.len()) as u64;
        link.bring_whole(never);
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
            shown: false,
            documents: 0,
            of,
            held: 0,
            ended: false,
        };
        self.bundles.packs.insert(number, packing);
        Ok(Answer::Packing { number, to: bureau, name: self.name_of(&bureau), recipients, records })
    }

    fn pack_more(&mut self, turn: &mut Turn, number: u64) -> Result<Answer, Refused> {
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

    fn pack_seal(&mut self, turn: &mut Turn, number: u64, file: Nonce, digest: Digest, records: u64) -> Result<Answer, Refused> {
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
        let packing = self.bundles.packs.remove(&number).expect("looked at above");
        self.quota(turn, to).take_back_held(packing.held);
        let other = Some(to).filter(|to| *to != self.identity.bureau);
        self.account(turn, "bundle_packed", None, other, by, &format!("{documents} documents {}", short(&file)));
        self.event(turn, "bundle", None, Some(to), "packed");
        Ok(Answer::Sealed(sealed.to_bytes()))
    }

    // ---- unpack ----

    fn unpack(
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
        self.bundles.last += 1;
        let number = self.bundles.last;
        let mut link = Link::without_transport(transport, turn.now.mono);
        let id = link_id(number);
        self.on_bundle(turn, id, &mut link, |core, turn| core.learn_chain(turn, id, hello, statements));
        let device = self.directory.certificate(&body.certificate).map(|certificate| certificate.body());
        let sealed = device.is_some_and(|device| device.bureau == body.from && statement.is_sealed_by_only(&device.key));
        let standing = self.directory.standing(&body.certificate, turn.stamp);
        let revoked = self.directory.revoked(&body.certificate).is_some();
        if !sealed || revoked || standing != CertStanding::Good || self.directory.is_frozen(&body.from) {
            self.account(turn, "refused_bundle", None, Some(body.from), Some(body.certificate), "certificate");
            return Err(refused("bundle_sender_not_good").with("name", self.name_of(&body.from)));
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
            statement,
        };
        self.bundles.unpacks.insert(number, unpacking);
        Ok(Answer::Unpacking { number })
    }

    /// Whether this device is to be believed about how far it got: it said so later than anything we heard of it by link or bundle.
    pub(super) fn is_newer_word(&self, turn: &Turn, transport: &TransportKey, bureau: &BureauId, created: WallSeconds) -> bool {
        // One whose clock was ahead for a day does not speak for all the time until then.
        let created = created.min(turn.stamp);
        let contact = self.partners.get(bureau).map_or(0, |row| row.last_contact);
        created.0 > contact && self.bundles.heard.get(transport).is_none_or(|heard| created >= *heard)
    }

    fn unpack_message(&mut self, turn: &mut Turn, number: u64, message: Checked) -> Result<Answer, Refused> {
        let mut unpacking = self.bundles.unpacks.remove(&number).ok_or_else(gone)?;
        unpacking.used = turn.now.mono;
        let ours = matches!(message, Checked::Plain(_));
        if !bundle::travels(&message) || ours {
            unpacking.ignored += 1;
            self.bundles.unpacks.insert(number, unpacking);
            return Ok(Answer::Taken);
        }
        let document = if let Checked::Push(push) = &message { Some(push.document) } else { None };
        let newest = |core: &Self| document.and_then(|document| core.documents.get(&document)).map(|summary| summary.newest_seq);
        let was = newest(self);
        let (from, certificate) = (unpacking.statement.body().from, unpacking.statement.body().certificate);
        let peer = Peer::new(certificate, from);
        if let (Some(document), Some(was)) = (document, was) {
            let reached = self.reached.get(&unpacking.link.transport()).copied().unwrap_or_default();
            let unsent = was > reached.walked && !unpacking.link.brought_here(was) && self.may_send(turn, &peer, &document).is_ok();
            unpacking.pending |= unsent;
        }
        let id = link_id(number);
        let ((), said, closed) = self.on_bundle(turn, id, &mut unpacking.link, |core, turn| core.message(turn, id, message));
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

    fn unpack_end(&mut self, turn: &mut Turn, number: u64, cursor: Option<Vec<u8>>) -> Result<Answer, Refused> {
        let mut unpacking = self.bundles.unpacks.remove(&number).ok_or_else(gone)?;
        let body = unpacking.statement.body().clone();
        let id = link_id(number);
        let transport = unpacking.link.transport();
        let peer = Peer::new(body.certificate, body.from);
        let whole = unpacking.refused.is_empty() && unpacking.refused_more == 0;
        // A store that was put back may lack what the bundle rests on without anything in it showing that.
        let noted = whole && unpacking.newer && !self.memory.is_catching() && !self.memory.was_confirmed_since(body.created);
        if noted && let Some(cursor) = cursor {
            self.on_bundle(turn, id, &mut unpacking.link, |core, turn| core.keep_cursor(turn, id, cursor));
        }
        // What it brought need not go back: unless something of ours waits for its sender in between.
        let reached = self.reached.get(&transport).copied().unwrap_or_default();
        let waits = unpacking.pending
            || self
                .by_seq
                .range(reached.walked + 1..)
                .any(|(seq, document)| !unpacking.link.brought_here(*seq) && self.may_send(turn, &peer, document).is_ok());
        if whole && !waits && reached.walked < self.sequence && !self.memory.is_catching() {
            let to = Reached { base: self.sequence, walked: self.sequence };
            let brought = Brought { from: reached, to };
            self.bundles.brought.insert(transport, brought);
            turn.put(Table::Local, &[BROUGHT, &transport.0].concat(), super::rows::write(&brought));
            self.note_reached(turn, &transport, to);
        }
        let created = body.created.min(turn.stamp);
        if self.bundles.heard.get(&transport).is_none_or(|heard| created > *heard) {
            self.bundles.heard.insert(transport, created);
            turn.put(Table::Local, &[HEARD, &transport.0].concat(), created.0.to_be_bytes().to_vec());
            // To the end means with all that goes before documents: as far as a laptop's reading goes it was at home when this was made. One from ahead of
            // our time would say so each time it is unpacked.
            let registrar = self.directory.registrar(&self.identity.bureau).map(|(_, registrar)| registrar);
            let ahead = body.created > turn.stamp.plus(limits::CLOCK_JUMP_S);
            if !ahead && self.is_laptop() && registrar.is_some_and(|registrar| self.is_registrar_key(&body.certificate, &registrar)) {
                self.note_told(turn, created);
            }
        }
        let refused_count = unpacking.refused.len() as u64 + unpacking.refused_more;
        let known = unpacking.known.difference(&unpacking.new).filter(|document| !unpacking.changed.contains(*document)).count();
        let view = UnpackedView {
            bureau: body.from.to_string(),
            name: self.name_of(&body.from),
            created: body.created.0,
            new: unpacking.new.len() as u64,
            changed: unpacking.changed.len() as u64,
            known: known as u64,
            refused: unpacking
                .refused
                .iter()
                .take(limits::BUNDLE_REFUSALS_TOLD)
                .map(|(document, why)| RefusedView { document: document.to_string(), why: why.clone() })
                .collect(),
            refused_count,
            erased: unpacking.erased,
            ignored: unpacking.ignored,
            noted,
        };
        let other = Some(body.from).filter(|from| *from != self.identity.bureau);
        let detail = format!("{} new {} changed {refused_count} refused {}", view.new, view.changed, short(&body.file));
        self.account(turn, "bundle_unpacked", None, other, Some(body.certificate), &detail);
        self.event(turn, "bundle", None, Some(body.from), "unpacked");
        Ok(Answer::Unpacked(view))
    }

    /// A device was told over a link how far it got: from now on it says so itself.
    pub(super) fn told_how_far(&mut self, turn: &mut Turn, transport: &TransportKey) {
        if self.bundles.brought.remove(transport).is_some() {
            turn.remove(Table::Local, &[BROUGHT, &transport.0].concat());
        }
    }

    /// Notes how much of the pair's ledger a partner said it holds: a bundle brings what is behind that.
    pub(super) fn note_lines_known(&mut self, turn: &mut Turn, bureau: &BureauId, counts: wire::LedgerCounts) {
        if self.bundles.lines.insert(*bureau, counts.yours) != Some(counts.yours) {
            turn.put(Table::Local, &[LINES, &bureau.0].concat(), counts.yours.to_be_bytes().to_vec());
        }
    }

    /// How much of the pair's ledger a partner surely holds: its own lines, and of ours what it said.
    pub(super) fn lines_known_to(&self, bureau: &BureauId) -> wire::LedgerCounts {
        let held = self.ledger_counts(bureau).unwrap_or_default();
        let yours = self.bundles.lines.get(bureau).copied().unwrap_or(0).min(held.mine);
        wire::LedgerCounts { mine: held.yours, yours }
    }

    /// The policy of a pair as a cursor in a bundle holds it: agreements alone, since what it is asked for is our own documents.
    pub(super) fn bundle_policy(&self, turn: &Turn, bureau: &BureauId) -> Digest {
        self.book.policy(Pair::of(self.identity.bureau, *bureau), turn.effective)
    }
}

/// Enough of a file's id to find it in two accounts.
fn short(file: &Nonce) -> String {
    file.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
