//! Answers for people: names resolved, state as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::certificate::MemberKind;
use accord_keys::code::CheckingCode;

use super::Bureau;
use super::people::standing_word;
use super::persons::Seen;
use super::rows::{OfficerRow, Summary};
use super::turn::Turn;
use crate::access::{log::Kind, log::LostGrant, log::RecordKind};
use crate::agreement::Pair;
use crate::agreement::exchange::{Entry, Standing};
use crate::cited::Cited;
use crate::id::{AgreementId, BureauId, Digest, DocumentId, RecordId, TransportKey};
use crate::input::{Command, Page};
use crate::intake::HeldAct;
use crate::limits;
use crate::time::WallSeconds;
use crate::view::{
    AccessView, CardView, DeliveryView, DeviceView, DocumentLine, DocumentView, EntryView, HeldView, HolderView, InboxItem, NodeAddress,
    OfficerView, PartnerView, ProgressRowView, RecordView, Refused, RefusedKind, StatusView, View, VoidView,
};

/// Held acts shown in full; the rest is counted.
const HELD_SHOWN: usize = 200;
/// Newest documents the inbox looks at.
const INBOX_DOCUMENTS: usize = 1_000;
/// Fewest hex digits an id may be shortened to.
pub(in crate::bureau) const PREFIX_MIN: usize = 4;

impl Bureau {
    // ---- names ----

    /// A bureau's name: from its own checked or known card.
    pub(super) fn name_of(&self, bureau: &BureauId) -> String {
        self.directory.bureau(bureau).map_or_else(|| bureau.short(), |record| record.name().to_owned())
    }

    pub(super) fn resolve_partner(&self, word: &str) -> Result<BureauId, Refused> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let exact: Vec<BureauId> = self
            .partners
            .iter()
            .filter(|(id, row)| (!row.alias.is_empty() && row.alias == word) || self.name_of(id) == word)
            .map(|(id, _)| *id)
            .collect();
        let matching = if exact.is_empty() && lower.len() >= PREFIX_MIN {
            self.partners.keys().filter(|id| id.to_string().starts_with(&lower)).copied().collect()
        } else {
            exact
        };
        one(matching, "unknown_partner", word, |id| format!("{} {}", id.short(), self.name_of(id)))
    }

    pub(super) fn resolve_agreement(&self, word: &str) -> Result<AgreementId, Refused> {
        let lower = word.trim().to_ascii_lowercase();
        let matching = if lower.len() >= PREFIX_MIN {
            self.book.entries().map(Entry::id).filter(|id| id.to_string().starts_with(&lower)).collect()
        } else {
            Vec::new()
        };
        one(matching, "unknown_agreement", word, AgreementId::short)
    }

    /// Documents whose id begins so, in lower case hex: looked for where they would stand, however many there are.
    fn documents_like(&self, beginning: &str) -> Vec<DocumentId> {
        let digits = beginning.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let lowest = DocumentId::from_hex(&format!("{beginning:0<64}")).filter(|_| digits && beginning.len() >= PREFIX_MIN);
        let Some(lowest) = lowest else { return Vec::new() };
        let from = self.documents.range(lowest..).map(|line| line.document);
        from.take_while(|id| id.to_string().starts_with(beginning)).collect()
    }

    pub(super) fn resolve_document(&self, word: &str) -> Result<DocumentId, Refused> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        if let Some(id) = DocumentId::from_hex(&lower).filter(|id| self.documents.contains_key(id)) {
            return Ok(id);
        }
        let mut matching = self.documents_like(&lower);
        if matching.is_empty() {
            matching = self.documents.values().filter(|s| s.number() == word).map(|s| s.document).collect();
        }
        if matching.is_empty()
            && lower.len() >= PREFIX_MIN
            && let Some((document, at)) = self.retention.erased_like(&lower)
        {
            return Err(Refused::new(RefusedKind::NotFound, "was_erased").with("id", document.short()).with("at", at.0));
        }
        one(matching, "unknown_document", word, |id| {
            let line = self.documents.line(id);
            format!("{} {}", id.short(), line.as_ref().map_or("", |line| line.number()))
        })
    }

    /// The document a command reads or writes, so the driver can load its body first.
    pub(super) fn command_document(&self, command: &Command) -> Option<DocumentId> {
        let word = match command {
            Command::BulletinPublish { draft: Some(id), .. }
            | Command::CaseNote { id, .. }
            | Command::DocumentShow { id }
            | Command::AccessList { id }
            | Command::AccessExplain { id, .. }
            | Command::ProofExport { id, .. }
            | Command::AccessGrant { id, .. }
            | Command::AccessCut { id, .. }
            | Command::AccessAdmit { id, .. }
            | Command::HeldShow { id }
            | Command::HeldReenter { id, .. }
            | Command::AccessVoid { id, .. }
            | Command::AccessReclassify { id, .. }
            | Command::AccessEnd { id }
            | Command::AccessDisown { id }
            | Command::AccessAdopt { id }
            | Command::AccessErase { id, .. }
            | Command::FilePiece { id, .. }
            | Command::FileAttach { id, .. }
            | Command::FileList { id }
            | Command::FileRead { id, .. } => id,
            Command::OnwardAsk(wish) => &wish.id,
            Command::OnwardGrant { id, .. } | Command::OnwardConsent { id } => return self.document_of_ask(id),
            _ => return None,
        };
        self.resolve_document(word).ok()
    }

    // ---- views ----

    pub(super) fn show_status(&mut self, turn: &Turn) -> View {
        let record = self.directory.bureau(&self.identity.bureau).expect("our own bureau is known");
        let certificate = self.own_certificate();
        let clock = if !self.clock.is_held() {
            "good"
        } else if turn.now.wall < self.clock.floor(turn.now.mono) {
            "behind"
        } else {
            "held"
        };
        let status = StatusView {
            bureau: self.identity.bureau.to_string(),
            name: record.name().to_owned(),
            unit_code: record.unit_code().to_owned(),
            network: self.identity.network.to_string(),
            root_version: record.head_statement().version,
            device: if certificate.kind == MemberKind::Laptop { "laptop" } else { "node" }.to_owned(),
            certificate: self.identity.certificate.to_string(),
            certificate_ends: certificate.not_after.0,
            registrar: self.registrar_epoch().is_some(),
            documents: self.documents.len() as u64,
            changes: self.documents.changes(),
            sequence: self.sequence,
            content_sum: self.documents.sum().to_string(),
            clock: clock.to_owned(),
            clock_corroborated: self.clock.is_corroborated(turn.now),
            catching_up: self.memory.words().into_iter().map(str::to_owned).collect(),
            now: turn.stamp.0,
            partners: self.partners.keys().map(|id| self.partner_view(turn, id)).collect(),
            devices: self.device_views(turn),
            officers: self.officers.values().map(|row| self.officer_view(turn, row)).collect(),
            inbox: 0,
            alarms: self.alarms(),
            reading: self.reading_view(turn),
        };
        let inbox = (self.inbox_but_documents(turn).len() + self.inbox_documents(turn, None).count()) as u64;
        View::Status(StatusView { inbox, ..status })
    }

    pub(super) fn show_whoami(&self, turn: &Turn) -> View {
        let mut names: Vec<&str> = self.unlocked.values().map(|u| u.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        View::WhoAmI {
            officers: names.into_iter().filter_map(|name| self.officers.get(name)).map(|row| self.officer_view(turn, row)).collect(),
        }
    }

    pub(super) fn show_officers(&self, turn: &Turn) -> View {
        View::Officers { officers: self.officers.values().map(|row| self.officer_view(turn, row)).collect() }
    }

    pub(super) fn officer_view(&self, turn: &Turn, row: &OfficerRow) -> OfficerView {
        let unlocked = row.certificates.iter().rev().find(|c| self.unlocked.contains_key(c));
        // After a reset the old certificate is history: what is awaited is the first login with a new key.
        let certificate = unlocked.or_else(|| row.certificates.last()).filter(|_| !row.awaiting);
        let state = match certificate {
            _ if row.awaiting => "awaiting_login",
            None => "awaiting_login",
            Some(id) => standing_word(self.directory.standing(id, turn.stamp)),
        };
        OfficerView {
            name: row.name.clone(),
            seats: row.seats.clone(),
            capabilities: row.capabilities.clone(),
            certificate: certificate.map(ToString::to_string).unwrap_or_default(),
            certificate_ends: certificate.and_then(|id| self.directory.certificate(id)).map_or(0, |c| c.body().not_after.0),
            certificates: row
                .certificates
                .iter()
                .rev()
                .filter(|id| self.directory.standing(id, turn.stamp) == accord_keys::directory::CertStanding::Good)
                .map(ToString::to_string)
                .collect(),
            logged_in: unlocked.is_some(),
            state: state.to_owned(),
        }
    }

    fn device_views(&self, turn: &Turn) -> Vec<DeviceView> {
        self.directory
            .members(&self.identity.bureau)
            .into_iter()
            .filter_map(|id| {
                let body = self.directory.certificate(&id)?.body();
                let transport = body.transport?;
                let (sending, receiving) = self.progress_with(turn, |other| *other == transport);
                Some(DeviceView {
                    certificate: id.to_string(),
                    kind: if body.kind == MemberKind::Laptop { "laptop" } else { "node" }.to_owned(),
                    unit: body.unit.clone(),
                    transport: transport.to_string(),
                    ends: body.not_after.0,
                    state: standing_word(self.directory.standing(&id, turn.stamp)).to_owned(),
                    connected: self.links.values().any(|link| link.certificate() == Some(id)),
                    here: id == self.identity.certificate,
                    sending,
                    receiving,
                })
            })
            .collect()
    }

    pub(super) fn show_devices(&self, turn: &Turn) -> View {
        View::Devices { devices: self.device_views(turn) }
    }

    pub(super) fn show_statements(&self) -> View {
        let statements = self.directory.statements(&self.identity.bureau);
        View::Statements { statements: statements.map(|held| hex(&held.to_bytes())).collect() }
    }

    pub(super) fn show_card(&self) -> Result<View, Refused> {
        let card = self.own_card().ok_or_else(|| Refused::new(RefusedKind::Refused, "no_contact"))?;
        let contact = card.contact.claimed().clone();
        let head = self.directory.root_head(&self.identity.bureau).expect("our own root is known");
        Ok(View::Card(CardView {
            bureau: self.identity.bureau.to_string(),
            name: self.name_of(&self.identity.bureau),
            checking_code: CheckingCode::of(&self.identity.bureau, &head).to_string(),
            addresses: contact.addresses,
            phone: contact.phone,
            text: card.to_text(),
        }))
    }

    pub(super) fn partner_view(&self, turn: &Turn, bureau: &BureauId) -> PartnerView {
        let row = self.partners.get(bureau).cloned().unwrap_or_default();
        let newest = self.newest_agreement(bureau, turn);
        let nodes = self
            .allow
            .iter()
            .filter(|peer| {
                self.directory
                    .all_by_transport(&peer.transport)
                    .any(|id| self.directory.certificate(&id).is_some_and(|c| c.body().bureau == *bureau))
            })
            .map(|peer| NodeAddress { transport: peer.transport.to_string(), addresses: peer.addresses.clone() })
            .collect();
        let phone = self.contacts.values().find(|c| c.body().bureau == *bureau).map(|c| c.body().phone.clone()).unwrap_or_default();
        let (sending, receiving) = self.progress_with(turn, |transport| self.is_device_of(transport, bureau));
        let connected = self.links.values().any(|link| link.is_with(bureau));
        PartnerView {
            bureau: bureau.to_string(),
            name: self.name_of(bureau),
            alias: row.alias,
            checked: row.checked,
            checking_code: self.directory.root_head(bureau).map(|head| CheckingCode::of(bureau, &head).to_string()).unwrap_or_default(),
            connected,
            standing: newest.as_ref().map_or("none", |(_, standing, _)| standing.word()).to_owned(),
            agreement: newest.as_ref().map(|(id, _, _)| id.to_string()).unwrap_or_default(),
            agreement_ends: newest.map_or(0, |(_, _, ends)| ends),
            nodes,
            last_contact: if connected { turn.stamp.0 } else { row.last_contact },
            behind: self.behind(turn, bureau),
            divergent: row.divergent,
            silent: self.silence(bureau).unwrap_or_default().to_owned(),
            phone,
            sending,
            receiving,
        }
    }

    /// Whether a transport key is one of a bureau's devices.
    fn is_device_of(&self, transport: &TransportKey, bureau: &BureauId) -> bool {
        let devices = self.directory.all_by_transport(transport);
        devices.into_iter().any(|id| self.directory.certificate(&id).is_some_and(|c| c.body().bureau == *bureau))
    }

    /// What is on its way, without looking at documents: asked every second while somebody waits.
    pub(super) fn show_progress(&self, turn: &Turn) -> View {
        let mut rows = Vec::new();
        for (bureau, row) in &self.partners {
            let (sending, receiving) = self.progress_with(turn, |transport| self.is_device_of(transport, bureau));
            if sending.is_some() || receiving.is_some() {
                let name = if row.alias.is_empty() { self.name_of(bureau) } else { row.alias.clone() };
                let connected = self.links.values().any(|link| link.is_with(bureau));
                rows.push(ProgressRowView { bureau: bureau.to_string(), name, device: String::new(), connected, sending, receiving });
            }
        }
        let devices = self.device_views(turn).into_iter().filter(|device| device.sending.is_some() || device.receiving.is_some());
        rows.extend(devices.map(|device| ProgressRowView {
            bureau: self.identity.bureau.to_string(),
            name: device.unit,
            device: device.certificate,
            connected: device.connected,
            sending: device.sending,
            receiving: device.receiving,
        }));
        View::Progress { rows }
    }

    /// The agreement that best says how we stand: in force or suspended before anything else, else the newest; with its end.
    fn newest_agreement(&self, bureau: &BureauId, turn: &Turn) -> Option<(AgreementId, Standing, u64)> {
        let pair = Pair::of(self.identity.bureau, *bureau);
        let ends = self.book.state(pair, turn.effective).ends;
        self.book
            .entries_of(pair)
            .filter_map(|entry| {
                let standing = self.book.standing(&entry.id(), turn.effective)?;
                let live = standing.is_in_force() || standing == Standing::Suspended;
                Some((live, entry.offer.body().version, entry.offer.body().at, entry, standing))
            })
            .max_by_key(|(live, version, at, entry, _)| (*live, *version, *at, entry.id()))
            .map(|(live, version, _, entry, standing)| {
                let to = entry.offer.body().terms.to;
                (entry.id(), standing, ends.filter(|_| live && version > 0).unwrap_or(to).0)
            })
    }

    fn behind(&self, turn: &Turn, bureau: &BureauId) -> u64 {
        let own = self.identity.bureau;
        if self.documents.owned_by(&own) == 0 {
            return 0;
        }
        // What lies behind this was delivered, but for what was declined: nobody looks through it to say that nothing is on its way.
        let far = self.delivered_through(bureau);
        let beyond = self.documents.changed_after(far);
        let declined: BTreeSet<DocumentId> =
            self.links.values().filter(|link| link.is_with(bureau)).flat_map(|link| link.declined().copied()).collect();
        let declined = declined.iter().filter_map(|id| self.documents.line(id)).filter(|line| line.newest_seq <= far);
        beyond
            .chain(declined)
            .filter(|line| line.owner == own && line.holder(bureau).is_some())
            .filter(|line| self.may_go(turn, &line.summary().facts(), own, *bureau).is_ok())
            .count() as u64
    }

    /// The newest place in our sequence up to which a device of a bureau acknowledged everything.
    fn delivered_through(&self, bureau: &BureauId) -> u64 {
        let of_bureau = self.reached.iter().filter(|(transport, _)| self.is_device_of(transport, bureau));
        of_bureau.map(|(_, reached)| reached.walked.max(reached.base)).max().unwrap_or(0)
    }

    pub(super) fn is_delivered(&self, summary: &Summary, bureau: &BureauId) -> bool {
        let declined = self.links.values().any(|link| link.is_with(bureau) && link.has_declined(&summary.document));
        !declined && summary.newest_seq <= self.delivered_through(bureau)
    }

    pub(super) fn show_partner(&self, turn: &Turn, partner: &str) -> Result<View, Refused> {
        let bureau = self.resolve_partner(partner)?;
        Ok(View::Partners { partners: vec![self.partner_view(turn, &bureau)] })
    }

    pub(super) fn show_partners(&self, turn: &Turn) -> View {
        View::Partners { partners: self.partners.keys().map(|id| self.partner_view(turn, id)).collect() }
    }

    pub(super) fn line(&self, summary: &Summary) -> DocumentLine {
        DocumentLine {
            id: summary.document.to_string(),
            number: summary.number.clone(),
            kind: summary.kind.word().to_owned(),
            subkind: summary.subkind.clone(),
            category: summary.category.code().to_owned(),
            tlp: summary.tlp.word().to_owned(),
            title: summary.title.clone(),
            owner: summary.owner.to_string(),
            owner_name: self.name_of(&summary.owner),
            created: summary.created.0,
            changes: summary.changes,
            settled: summary.settled,
            adopted: summary.adopted,
            held: summary.held,
            sequence: summary.newest_seq,
            locked: false,
        }
    }

    /// A document's line as it is seen in a list: none where it is not for the reader, and without its title where it is locked.
    pub(super) fn line_seen(&self, summary: &Summary, seen: Seen) -> Option<DocumentLine> {
        match seen {
            Seen::Not => None,
            Seen::Open => Some(self.line(summary)),
            Seen::Locked => Some(DocumentLine { title: String::new(), locked: true, ..self.line(summary) }),
        }
    }

    pub(super) fn show_documents(&self, turn: &Turn, person: Option<&str>, kinds: &[Kind], page: Page) -> View {
        let mut listed = self.listed(turn, person);
        let limit = page.limit.unwrap_or(limits::LIST_PAGE_MAX).clamp(1, limits::LIST_PAGE_MAX);
        let (mut documents, mut next) = (Vec::new(), None);
        for (looked, line) in self.documents.newest_before(page.before).enumerate() {
            // Where little of much is for this reader, a page ends early: others wait for their turn.
            if documents.len() == limit || looked == limits::LIST_LOOK_MAX {
                break;
            }
            next = Some(line.newest_seq);
            if kinds.contains(&line.kind) {
                let summary = line.summary();
                documents.extend(self.line_seen(&summary, listed(&summary)));
            }
        }
        let older = next.is_some_and(|last| self.documents.newest_before(Some(last)).next().is_some());
        View::Documents { documents, next: next.filter(|_| older) }
    }

    /// A document somebody looks into: found, permitted, here with what its files are called, and noted in the account.
    pub(super) fn looked_into(&mut self, turn: &mut Turn, person: Option<&str>, id: &str) -> Result<DocumentId, Refused> {
        let document = self.resolve_document(id)?;
        self.may_read(turn, person, &document)?;
        self.body(&document)?;
        self.note_read(turn, document, person);
        self.read_manifests(&document);
        Ok(document)
    }

    pub(super) fn show_document(&mut self, turn: &mut Turn, person: Option<&str>, id: &str) -> Result<View, Refused> {
        let document = self.looked_into(turn, person, id)?;
        let state = self.bodies.get_mut(&document).expect("body() found it");
        let heads: Vec<String> = state.tips().iter().map(ToString::to_string).collect();
        let log_head = state.log().head().to_string();
        let ended = state.log().ended().map(|(_, kind)| kind);
        let shown = state.acts().and_then(|acts| state.text().map(|text| (acts, text)));
        let (acts, text, cannot_show) = match shown {
            Ok((acts, text)) => (acts, text, false),
            Err(_) => (Vec::new(), String::new(), true),
        };
        let cited = acts.iter().find_map(|shown| shown.act.continues);
        let continues = cited.map(|cited| {
            let first = self.find_cited(document, &cited).filter(|first| self.may_read(turn, person, first).is_ok());
            first.map(|first| first.to_string()).unwrap_or_default()
        });
        let summary = &self.documents.here(&document);
        let own = self.identity.bureau;
        let mut hasher = blake3::Hasher::new_derive_key("accord shown content v1");
        for act in &acts {
            hasher.update(&act.act.to_bytes());
            hasher.update(&act.change.0);
            hasher.update(&[u8::from(act.voided.is_some())]);
        }
        hasher.update(text.as_bytes());
        for head in &heads {
            hasher.update(head.as_bytes());
        }
        let voids = self.voids(&document);
        let held = self.held_view(&document);
        let files = self.file_views(&document, &acts);
        let entries = acts
            .into_iter()
            .map(|shown| {
                let seats = self.directory.certificate(&shown.certificate).map(|c| c.body().seats.clone()).unwrap_or_default();
                let person = self.officers.values().find(|row| row.certificates.contains(&shown.certificate)).map(|row| row.name.clone());
                EntryView {
                    kind: shown.act.kind.word().to_owned(),
                    title: shown.act.title,
                    text: shown.act.text,
                    signed_at: shown.act.signed_at.0,
                    bureau: shown.bureau.to_string(),
                    bureau_name: self.name_of(&shown.bureau),
                    seats,
                    certificate: shown.certificate.to_string(),
                    person: person.unwrap_or_default(),
                    settled: shown.settled,
                    change: shown.change.to_string(),
                    voided: shown.voided.and_then(|record| voids.get(&record).cloned()),
                    reentered: shown.reentered.map(|reentry| self.reentry_view(&reentry)),
                    file: shown.act.file.map(|file| file.to_string()).unwrap_or_default(),
                }
            })
            .collect();
        let deliveries = if summary.owner == own {
            summary
                .rights
                .bureaus
                .keys()
                .map(|bureau| DeliveryView {
                    bureau: bureau.to_string(),
                    name: self.name_of(bureau),
                    delivered: self.is_delivered(summary, bureau),
                })
                .collect()
        } else {
            vec![DeliveryView {
                bureau: summary.owner.to_string(),
                name: self.name_of(&summary.owner),
                delivered: self.is_delivered(summary, &summary.owner),
            }]
        };
        Ok(View::Document(DocumentView {
            line: self.line(summary),
            text,
            entries,
            heads,
            log_head,
            content_hash: Digest(*hasher.finalize().as_bytes()).to_string(),
            cannot_show,
            deliveries,
            ended: ended.map(|kind| kind.word().to_owned()).unwrap_or_default(),
            held,
            continues,
            files,
        }))
    }

    /// Which document held here another cites. What was looked through once is not looked through again.
    fn find_cited(&mut self, by: DocumentId, cited: &Cited) -> Option<DocumentId> {
        let (through, found) = self.cited.get(&by).copied().unwrap_or_default();
        if found.is_some_and(|found| self.documents.contains_key(&found)) {
            return found;
        }
        let found = self.documents.ids_after(through).map(|(_, document)| document).find(|document| cited.is(document));
        self.cited.insert(by, (self.sequence, found));
        found
    }

    /// What the voids of a document say: why, and by whose order.
    fn voids(&self, document: &DocumentId) -> BTreeMap<RecordId, VoidView> {
        let Some(state) = self.bodies.get(document) else { return BTreeMap::new() };
        let view = |record: &crate::access::log::Record| {
            let RecordKind::Void(_, reason, _) = &record.kind else { return None };
            let officer = record.kind.ordering_officer();
            let by = officer.and_then(|id| self.officers.values().find(|row| row.certificates.contains(&id))).map(|row| row.name.clone());
            let seats = officer.and_then(|id| self.directory.certificate(&id)).map(|c| c.body().seats.join(", "));
            Some(VoidView {
                reason: reason.clone(),
                by: by.or(seats).unwrap_or_default(),
                certificate: officer.map(|id| id.to_string()).unwrap_or_default(),
                at: record.at.0,
            })
        };
        let records = state.log().entries().into_iter();
        records.filter_map(|(id, entry)| Some((id, view(entry.record.as_ref()?.body())?))).collect()
    }

    /// Held acts of our own writers, and all of them where the document is ours.
    fn held_view(&self, document: &DocumentId) -> Option<HeldView> {
        let state = self.bodies.get(document)?;
        // What was entered again stands among the entries.
        let acts: Vec<HeldAct> = self.held_here(document).into_iter().filter(|act| act.reentered.is_none()).collect();
        let at = |act: &HeldAct| {
            let record = act.since.and_then(|record| state.log().get(&record)?.record.as_ref());
            record.map_or(act.act.signed_at.0, |record| record.body().at.0)
        };
        let since = acts.iter().map(at).min()?;
        let count = acts.len() as u64;
        let waiting_for = self.name_of(&state.owner());
        Some(HeldView { since, count, waiting_for, entries: acts.into_iter().take(HELD_SHOWN).map(|act| self.held_entry(act)).collect() })
    }

    /// Whose reading goes into the account: the officer named, or the only one logged in.
    pub(super) fn reader(&self, person: Option<&str>) -> Option<crate::id::CertificateId> {
        let name = person.map(|p| p.split_once('/').map_or(p, |(name, _)| name));
        let mut matching = self.unlocked.values().filter(|u| name.is_none_or(|name| u.name == name));
        matching.next().map(|u| u.certificate)
    }

    pub(super) fn show_access(&self, turn: &Turn, id: &str) -> Result<View, Refused> {
        let document = self.resolve_document(id)?;
        let state = self.body(&document)?;
        let summary = &self.documents.here(&document);
        let own = self.identity.bureau;
        let holders = summary
            .rights
            .bureaus
            .iter()
            .map(|(bureau, held)| {
                let facts = summary.facts();
                let egress = if summary.owner == own {
                    match self.may_go(turn, &facts, own, *bureau) {
                        Ok(_) => "now",
                        // Whether it gets it is decided between it and the one that hands it on.
                        Err(_) if held.via.is_some() => "via",
                        Err(refusal) => refusal.word(),
                    }
                } else {
                    ""
                };
                HolderView {
                    bureau: bureau.to_string(),
                    name: self.name_of(bureau),
                    verb: held.verb.word().to_owned(),
                    record: held.record.to_string(),
                    since: held.since.0,
                    agreement: held.agreement.map(|a| a.to_string()).unwrap_or_default(),
                    egress: egress.to_owned(),
                    via: held.via.map(|via| via.to_string()).unwrap_or_default(),
                    via_name: held.via.map(|via| self.name_of(&via)).unwrap_or_default(),
                    tlp: held.tlp.map_or("", crate::agreement::Tlp::word).to_owned(),
                    until: held.until.map_or(0, |until| until.0),
                    no_fourth: held.no_fourth,
                }
            })
            .collect();
        let genesis = state.log().genesis().body();
        let records = state
            .log()
            .entries()
            .into_iter()
            .map(|(record_id, entry)| {
                let (kind, at, words) = match &entry.record {
                    None => ("genesis", genesis.at, String::new()),
                    Some(record) => {
                        let body = record.body();
                        let words = match &body.kind {
                            RecordKind::Adopt(number, _) => number.clone(),
                            RecordKind::Anchor(tips) => tips.len().to_string(),
                            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => grantees
                                .iter()
                                .map(|g| format!("{} {}", self.name_of(&g.bureau), g.verb.word()))
                                .collect::<Vec<_>>()
                                .join(", "),
                            RecordKind::Cut(subject, _, _, strict, _) => {
                                format!("{}{}", subject.word(), if *strict { " strict" } else { "" })
                            }
                            RecordKind::Void(changes, reason, _) => format!("{} {reason}", changes.len()),
                            RecordKind::Reclassify(tlp, narrowed, _) => {
                                let names = narrowed.iter().map(|bureau| self.name_of(bureau));
                                std::iter::once(tlp.word().to_owned()).chain(names).collect::<Vec<_>>().join(" ")
                            }
                            RecordKind::Erase(blobs, _) => blobs.len().to_string(),
                            RecordKind::End(kind, _) => kind.word().to_owned(),
                            RecordKind::Admit(tips, _) => tips.len().to_string(),
                            RecordKind::Continue(heads, compromised, _) => {
                                format!("{}{}", heads.len(), if *compromised { " compromised" } else { "" })
                            }
                        };
                        (body.kind.word(), body.at, words)
                    }
                };
                let attested = entry.record.as_ref().and_then(|record| match &record.body().kind {
                    RecordKind::Erase(..) => self.attested_view(summary, &record_id),
                    _ => None,
                });
                RecordView { id: record_id.to_string(), index: u64::from(entry.index), kind: kind.to_owned(), at: at.0, words, attested }
            })
            .collect();
        Ok(View::Access(AccessView {
            document: document.to_string(),
            owner: summary.owner.to_string(),
            owner_name: self.name_of(&summary.owner),
            holders,
            records,
        }))
    }

    fn inbox(&self, turn: &Turn, person: Option<&str>) -> Vec<InboxItem> {
        let mut items = self.inbox_but_documents(turn);
        let lines = self.inbox_documents(turn, person).map(|(kind, summary, from, since, seen)| InboxItem {
            kind: kind.to_owned(),
            id: summary.document.to_string(),
            title: if seen == Seen::Locked { String::new() } else { summary.title.clone() },
            from: self.name_of(&from),
            since: since.0,
        });
        items.extend(lines);
        items
    }

    /// What documents wait for: the kind of each line, of which document, from whom and since when, and what of it is shown. Of the newest only: nobody reads more in one list.
    fn inbox_documents<'a>(
        &'a self,
        turn: &'a Turn,
        person: Option<&'a str>,
    ) -> impl Iterator<Item = (&'static str, Arc<Summary>, BureauId, WallSeconds, Seen)> + 'a {
        let own = self.identity.bureau;
        let registrar = self.registrar_epoch().is_some();
        let mut listed = self.listed(turn, person);
        let newest = self.documents.newest_before(None).map(|line| line.summary()).take(INBOX_DOCUMENTS);
        let seen = newest.map(move |summary| (listed(&summary), summary)).filter(|(seen, _)| *seen != Seen::Not);
        seen.flat_map(move |(seen, summary)| {
            let here = summary.owner == own && registrar;
            let unadopted = (here && !summary.adopted && !summary.ended).then_some(("unadopted", own, summary.created));
            let shown = |lost: &&LostGrant| here && turn.effective < lost.healed.plus(limits::LOST_GRANTS_SHOWN_S);
            let lost = summary.lost.iter().filter(shown).map(|lost| ("grants_lost", lost.bureau, lost.healed));
            let held = (summary.held > 0).then_some(("held", summary.owner, summary.created));
            let kind = if summary.kind == Kind::Case { "case" } else { "bulletin" };
            let came = (summary.owner != own).then_some((kind, summary.owner, summary.created));
            let lines: Vec<_> = unadopted.into_iter().chain(lost).chain(held).chain(came).collect();
            lines.into_iter().map(move |(kind, from, since)| (kind, Arc::clone(&summary), from, since, seen))
        })
    }

    fn inbox_but_documents(&self, turn: &Turn) -> Vec<InboxItem> {
        let own = self.identity.bureau;
        let mut items = Vec::new();
        self.memory_items(&mut items);
        self.onward_items(turn, &mut items);
        self.reading_items(turn, &mut items);
        let mut item = |kind: &str, id: String, title: String, from: String, since: u64| {
            items.push(InboxItem { kind: kind.to_owned(), id, title, from, since });
        };
        if self.clock.needs_word() {
            item("clock", String::new(), String::new(), String::new(), turn.stamp.0);
        }
        for entry in self.book.entries() {
            let offer = entry.offer.body();
            let open = offer.acceptor == own && self.book.standing(&entry.id(), turn.effective) == Some(Standing::Offered);
            // Dozens of equal offers are one task: signing the compact.
            if open && !self.is_for_signing(turn, entry) {
                item("offer", entry.id().to_string(), offer.terms.title.clone(), self.name_of(&offer.offerer), offer.at.0);
            }
        }
        for (id, name, initiator, at) in self.compacts_to_sign(turn) {
            item("compact", id.to_string(), name, self.name_of(&initiator), at);
        }
        if self.retention.waiting() > 0 {
            item("retention_waits", String::new(), self.retention.waiting().to_string(), String::new(), turn.stamp.0);
        }
        if let Some((since, count)) = self.cuts.waiting() {
            item("confirm_cuts", String::new(), count.to_string(), String::new(), since.0);
        }
        for pair in self.book.pairs() {
            let name = self.name_of(&pair.other(&own));
            let title = |id: &AgreementId| self.book.get(id).map(|e| e.offer.body().terms.title.clone()).unwrap_or_default();
            let far = u64::from(crate::limits::WARN_DAYS[0]) * 24 * 3_600;
            for (id, _, ends) in self.ending(pair, turn.effective) {
                if ends.0 < turn.effective.0 + far {
                    item("agreement_ends", id.to_string(), title(&id), name.clone(), ends.0);
                }
            }
            for (id, at) in self.reported(pair, turn.effective) {
                item("emergency_report", id.to_string(), title(&id), name.clone(), at.0);
            }
            let standing = self.book.state(pair, turn.effective);
            if !matches!(standing.standing, None | Some(Standing::Ended)) {
                for stop in standing.suspensions.iter().map(|stop| stop.body()).filter(|stop| stop.by != own) {
                    item("suspended", stop.agreement.to_string(), title(&stop.agreement), name.clone(), stop.at.0);
                }
                for notice in standing.notices.iter().map(|notice| notice.body()).filter(|notice| notice.by != own) {
                    item("notice", notice.agreement.to_string(), title(&notice.agreement), name.clone(), notice.at.0);
                }
            }
            for r in self.book.resumes_of(pair).filter(|r| r.accept.is_none() && r.resume.body().by != own) {
                // Answered by a later one, it is nobody's task any more.
                let open = |id: &crate::id::StatementId| {
                    standing.suspensions.iter().any(|s| s.id() == *id) || standing.notices.iter().any(|s| s.id() == *id)
                };
                if r.resume.body().lifts.iter().any(open) {
                    let agreement = r.resume.body().agreement;
                    item("resume", r.resume.id().to_string(), title(&agreement), name.clone(), r.resume.body().at.0);
                }
            }
        }
        for (bureau, row) in &self.partners {
            if !row.checked {
                item("unchecked_card", bureau.to_string(), String::new(), self.name_of(bureau), 0);
            }
            if row.divergent {
                item("divergent", bureau.to_string(), String::new(), self.name_of(bureau), row.last_contact);
            }
        }
        let month = 30 * 24 * 3_600;
        if self.own_certificate().not_after.0 < turn.stamp.0 + month {
            item(
                "certificate_ends",
                self.identity.certificate.to_string(),
                String::new(),
                String::new(),
                self.own_certificate().not_after.0,
            );
        }
        items
    }

    pub(super) fn show_inbox(&self, turn: &Turn, person: Option<&str>) -> View {
        View::Inbox { items: self.inbox(turn, person) }
    }

    pub(super) fn show_events(&self, after: u64, limit: usize) -> View {
        let events = self.events.iter().filter(|event| event.position > after).take(limit.min(1_000)).cloned().collect();
        View::Events { events }
    }
}

/// Exactly one, or why not.
pub(in crate::bureau) fn one<T: Copy>(matching: Vec<T>, unknown: &str, word: &str, name: impl Fn(&T) -> String) -> Result<T, Refused> {
    match matching.as_slice() {
        [one] => Ok(*one),
        [] => Err(Refused::new(RefusedKind::NotFound, unknown).with("name", word.chars().take(80).collect::<String>())),
        many => {
            let candidates: Vec<String> = many.iter().take(10).map(name).collect();
            Err(Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("candidates", candidates.join(", ")))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
