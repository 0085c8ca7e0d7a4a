//! What our officers write: drafts, bulletins, threads, entries.

use accord_keys::certificate::Capability;
use accord_keys::seal::Sealed;

use super::compacts::ADDRESS;
use super::turn::Turn;
use super::{Bureau, Unlocked};
use crate::access::log::{Genesis, Grantee, Kind};
use crate::access::{self};
use crate::act::{self, Act, ActKind};
use crate::agreement::{Category, Tlp, Verb};
use crate::cited::Cited;
use crate::content::{Content, Edit};
use crate::id::{BureauId, DocumentId};
use crate::input::Draft;
use crate::intake::{DocState, Intake, Item};
use crate::limits;
use crate::rules;
use crate::segment::{self, Life, Tip};
use crate::view::{ReceiverView, Refused, RefusedKind, SendingView, View};

/// Characters put into one change: a change may hold 20,000 operations, one for each character.
const CHARS_PER_CHANGE: usize = 12_000;

/// A draft whose words were understood.
struct Read {
    title: String,
    text: String,
    category: Category,
    tlp: Tlp,
    subkind: String,
    case_number: Option<String>,
    continues: Option<Cited>,
}

/// Whether a thread of so many changes is gone on with in a successor.
const fn is_full(changes: u64) -> bool {
    changes >= limits::THREAD_CHANGES_MAX
}

impl Bureau {
    fn read_draft(&self, draft: Draft, subkind_wanted: bool) -> Result<Read, Refused> {
        let misuse = |code: &str| Refused::new(RefusedKind::Misuse, code);
        let title = draft.title.trim().to_owned();
        if title.is_empty() {
            return Err(misuse("empty_title"));
        }
        if title.len() > limits::TITLE_BYTES_MAX {
            return Err(misuse("title_too_long").with("bytes", title.len()).with("most", limits::TITLE_BYTES_MAX));
        }
        if draft.text.len() > limits::TEXT_BYTES_MAX {
            return Err(misuse("text_too_long").with("bytes", draft.text.len()).with("most", limits::TEXT_BYTES_MAX));
        }
        if draft.text.trim().is_empty() {
            return Err(misuse("empty_text"));
        }
        if !act::is_plain(&title) || title.contains(['\n', '\t']) || !act::is_plain(&draft.text) {
            return Err(misuse("text_not_plain"));
        }
        let category = Category::from_code(&draft.category)
            .ok_or_else(|| misuse("unknown_category").with("category", draft.category.chars().take(40).collect::<String>()))?;
        let tlp = match &draft.tlp {
            None => category.default_tlp(),
            Some(word) => {
                Tlp::from_word(word).ok_or_else(|| misuse("unknown_tlp").with("tlp", word.chars().take(40).collect::<String>()))?
            }
        };
        if subkind_wanted && !draft.subkind.is_empty() && !act::SUBKINDS.contains(&draft.subkind.as_str()) {
            return Err(misuse("unknown_subkind").with("subkind", draft.subkind.chars().take(40).collect::<String>()));
        }
        if draft.case_number.as_ref().is_some_and(|n| n.len() > 120 || !act::is_plain(n)) {
            return Err(misuse("bad_case_number"));
        }
        Ok(Read { title, text: draft.text, category, tlp, subkind: draft.subkind, case_number: draft.case_number, continues: None })
    }

    pub(super) fn draft_new(&mut self, turn: &mut Turn, person: Option<&str>, dry_run: bool, draft: Draft) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Create)?;
        let read = self.read_draft(draft, true)?;
        if dry_run {
            return Ok(View::Sending(SendingView { dry_run: true, ..SendingView::default() }));
        }
        let document = self.create(turn, &by, Kind::Draft, ActKind::Draft, read, Vec::new(), false, None)?;
        Ok(self.sent(document, Vec::new()))
    }

    pub(super) fn publish(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        draft: Option<&str>,
        text: Option<Draft>,
        (to, open): (&[String], bool),
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Publish)?;
        let (read, approval) = match (draft, text) {
            (None, Some(text)) => (self.read_draft(text, true)?, None),
            (Some(id), None) => {
                let document = self.resolve_document(id)?;
                self.may_read(turn, Some(&by.name), &document)?;
                let state = self.body(&document)?;
                if state.kind() != Kind::Draft || state.owner() != self.identity.bureau {
                    return Err(Refused::new(RefusedKind::Refused, "not_a_draft").with("id", document.short()));
                }
                let genesis = state.log().genesis().body().clone();
                let state = self.bodies.get_mut(&document).expect("checked by body()");
                let shown = state.acts().map_err(|_| cannot_show(&document))?;
                let opening = shown.into_iter().find(|s| s.act.kind == ActKind::Draft).ok_or_else(|| cannot_show(&document))?;
                let text = state.text().map_err(|_| cannot_show(&document))?;
                let read = Read {
                    title: opening.act.title,
                    text,
                    category: genesis.category,
                    tlp: genesis.tlp,
                    subkind: opening.act.subkind,
                    case_number: opening.act.case_number,
                    continues: None,
                };
                (read, Some(opening.act.uuid))
            }
            _ => return Err(Refused::new(RefusedKind::Misuse, "draft_or_text")),
        };
        let (receivers, audience) = self.audience(turn, to, read.category, read.tlp, Verb::Read)?;
        if dry_run {
            return Ok(View::Sending(SendingView { dry_run: true, receivers, ..SendingView::default() }));
        }
        refuse_partial(&receivers)?;
        let document = self.create(turn, &by, Kind::Bulletin, ActKind::Publish, read, audience, !open, approval)?;
        Ok(self.sent(document, receivers))
    }

    pub(super) fn case_open(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        draft: Draft,
        (with, continues): (&[String], Option<&str>),
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Create)?;
        let mut draft = draft;
        let first = continues.map(|first| self.continued(turn, &by, first)).transpose()?;
        let (mut with, mut readers) = (with.to_vec(), Vec::new());
        // What is not said is as it is in the first.
        if let Some(first) = first.and_then(|first| self.documents.get(&first)) {
            if with.is_empty() {
                (with, readers) = self.reading_on(turn, &first);
                // The same people read on: its title tells them nothing new.
                if draft.title.is_empty() {
                    first.title.clone_into(&mut draft.title);
                }
            }
            if draft.category.is_empty() {
                first.category.code().clone_into(&mut draft.category);
            }
            draft.tlp.get_or_insert_with(|| first.tlp.word().to_owned());
        }
        let mut read = self.read_draft(draft, false)?;
        read.continues = first.map(|first| Cited::new(turn.nonce(), &first));
        let (mut receivers, mut audience) = match with.is_empty() && !readers.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => self.audience(turn, &with, read.category, read.tlp, Verb::Append)?,
        };
        if !readers.is_empty() {
            let (more, who) = self.audience(turn, &readers, read.category, read.tlp, Verb::Read)?;
            receivers.extend(more);
            audience.extend(who);
            audience.sort();
        }
        if dry_run {
            return Ok(View::Sending(SendingView { dry_run: true, receivers, ..SendingView::default() }));
        }
        refuse_partial(&receivers)?;
        let document = self.create(turn, &by, Kind::Case, ActKind::Open, read, audience, false, None)?;
        Ok(self.sent(document, receivers))
    }

    /// Partners who take part in a thread as things stand now, and those who only read it. Whose access is over, and who came in by way of
    /// another, is not let in again by what follows.
    fn reading_on(&self, turn: &Turn, first: &super::rows::Summary) -> (Vec<String>, Vec<String>) {
        let facts = first.facts();
        let (mut with, mut readers) = (Vec::new(), Vec::new());
        for bureau in first.rights.bureaus.keys().chain([&first.owner]).filter(|bureau| self.partners.contains_key(*bureau)) {
            if *bureau == first.owner {
                with.push(bureau.to_string());
                continue;
            }
            match access::check::let_in(&facts, bureau, turn.effective) {
                Ok(held) if held.via.is_some() => {}
                Ok(held) if held.verb == Verb::Append => with.push(bureau.to_string()),
                Ok(_) => readers.push(bureau.to_string()),
                Err(_) => {}
            }
        }
        (with, readers)
    }

    /// The thread that a new one is to continue.
    fn continued(&self, turn: &Turn, by: &Unlocked, word: &str) -> Result<DocumentId, Refused> {
        let first = self.resolve_document(word)?;
        self.may_read(turn, Some(&by.name), &first)?;
        match self.documents.here(&first).kind {
            Kind::Case => Ok(first),
            _ => Err(Refused::new(RefusedKind::Refused, "not_a_case").with("id", first.short())),
        }
    }

    /// Who of `to` would receive, and the audience of those who do. Nobody named is refused: an empty list means nobody.
    fn audience(
        &self,
        turn: &Turn,
        to: &[String],
        category: Category,
        tlp: Tlp,
        verb: Verb,
    ) -> Result<(Vec<ReceiverView>, Vec<Grantee>), Refused> {
        if to.is_empty() {
            return Err(Refused::new(RefusedKind::Misuse, "empty_audience"));
        }
        let mut receivers = Vec::new();
        let mut audience: Vec<Grantee> = Vec::new();
        let (groups, names): (Vec<&String>, Vec<&String>) = to.iter().partition(|word| word.starts_with(ADDRESS));
        // Who is named in person is named in person, whatever compact it is in besides.
        let mut wanted: Vec<(BureauId, &str)> = Vec::new();
        for name in names {
            wanted.push((self.resolve_partner(name)?, ""));
        }
        for group in groups {
            let addressed = self.addressed(turn, group.strip_prefix(ADDRESS).unwrap_or_default())?;
            wanted.extend(addressed.members.into_iter().map(|bureau| (bureau, group.as_str())));
            for (bureau, name) in addressed.others {
                if !receivers.iter().any(|r: &ReceiverView| r.bureau == bureau.to_string()) {
                    receivers.push(ReceiverView { name, by: group.clone(), ..self.receiver(&bureau, false, "not_in_compact", "") });
                }
            }
        }
        for (bureau, by) in wanted {
            receivers.retain(|r: &ReceiverView| r.why != "not_in_compact" || r.bureau != bureau.to_string());
            if audience.iter().any(|g| g.bureau == bureau) || receivers.iter().any(|r: &ReceiverView| r.bureau == bureau.to_string()) {
                continue;
            }
            let before = receivers.len();
            match access::may_grant(&self.book, self.identity.bureau, bureau, category, tlp, verb, turn.effective) {
                Ok(clause) => {
                    receivers.push(self.receiver(&bureau, true, "ok", &format!("{}#{}", clause.agreement.short(), clause.line)));
                    audience.push(Grantee::plain(bureau, verb, Some(clause.agreement)));
                }
                Err(refusal) => receivers.push(self.receiver(&bureau, false, refusal.word(), "")),
            }
            receivers[before..].iter_mut().for_each(|receiver| receiver.by = by.to_owned());
        }
        if audience.is_empty() && receivers.iter().all(|receiver| !receiver.by.is_empty()) {
            return Err(Refused::new(RefusedKind::Refused, "nobody_in_compact").with("name", to.join(", ")));
        }
        audience.sort();
        Ok((receivers, audience))
    }

    pub(super) fn receiver(&self, bureau: &BureauId, will_receive: bool, why: &str, clause: &str) -> ReceiverView {
        ReceiverView {
            bureau: bureau.to_string(),
            name: self.name_of(bureau),
            will_receive,
            why: why.to_owned(),
            clause: clause.to_owned(),
            by: String::new(),
        }
    }

    pub(super) fn sent(&self, document: DocumentId, receivers: Vec<ReceiverView>) -> View {
        let number = self.documents.get(&document).map(|s| s.number.clone()).unwrap_or_default();
        View::Sending(SendingView { id: document.to_string(), number, receivers, ..SendingView::default() })
    }

    /// Seals a genesis, writes the founding change and, on the registrar, adopts: one step.
    #[expect(clippy::too_many_arguments, reason = "one call site per kind; a struct would only rename the arguments")]
    fn create(
        &mut self,
        turn: &mut Turn,
        by: &Unlocked,
        kind: Kind,
        act: ActKind,
        read: Read,
        mut audience: Vec<Grantee>,
        hide: bool,
        approval: Option<crate::id::Nonce>,
    ) -> Result<DocumentId, Refused> {
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_write").with("why", why);
        let life = turn.life();
        let (openings, hidden) = if hide {
            let readers: Vec<BureauId> = std::mem::take(&mut audience).into_iter().map(|grantee| grantee.bureau).collect();
            let (openings, commitments) = access::audience::commit(&readers, || turn.draw());
            (openings, Some(commitments))
        } else {
            (Vec::new(), None)
        };
        let genesis = Genesis {
            owner: self.identity.bureau,
            creator: by.certificate,
            kind,
            schema: 1,
            rules: crate::access::log::RULES,
            category: read.category,
            tlp: read.tlp,
            audience,
            life,
            at: turn.stamp,
            nonce: turn.nonce(),
            hidden,
        };
        let sealed = Sealed::seal(&self.identity.network, genesis, &[by.signer.as_ref()]).map_err(|e| fault(e.to_string()))?;
        let genesis_bytes = sealed.to_bytes();
        let verified = sealed.verify(&self.identity.network).map_err(|e| fault(e.to_string()))?;
        let document = DocumentId(verified.id().0);
        let mut state =
            DocState::new(&self.directory, verified).map_err(|e| Refused::new(RefusedKind::Refused, "may_not_create").with("why", e))?;
        let act = Act {
            title: read.title,
            subkind: read.subkind,
            case_number: read.case_number,
            seat: by.seat.clone(),
            approval,
            continues: read.continues,
            ..Act::new(turn.nonce(), act, turn.stamp)
        };
        act.validate().map_err(|e| fault(e.to_string()))?;
        let chars: Vec<char> = read.text.chars().collect();
        let mut pieces = chars.chunks(CHARS_PER_CHANGE).map(|piece| piece.iter().collect::<String>());
        let first = pieces.next().unwrap_or_default();
        let actor = segment::actor_id(&by.certificate, &document, &life);
        let (mut content, raw) = Content::found(actor, &[act.to_bytes()], &first).map_err(|e| fault(e.to_string()))?;
        let mut changes = vec![raw];
        let mut at = first.chars().count();
        for piece in pieces {
            let length = piece.chars().count();
            changes.extend(content.edit(actor, &[Edit::Insert { at, text: piece }]).map_err(|e| fault(e.to_string()))?);
            at += length;
        }
        let before = (turn.step.writes.len(), self.sequence);
        openings.iter().for_each(|opening| {
            state.learn_opening(opening);
        });
        self.bodies.insert(document, state);
        self.used.push_back(document);
        self.store_item(turn, document, Item::Genesis(genesis_bytes));
        for opening in openings {
            self.store_item(turn, document, Item::Opening(opening.to_bytes()));
        }
        let begin = Tip { n: 0, attestation: crate::id::Digest([0; 32]) };
        if let Err(refused) = self.write_changes(turn, by, document, life, begin, changes) {
            self.undo(turn, &document, before);
            return Err(refused);
        }
        self.bodies.get_mut(&document).expect("inserted above").set_content(content);
        self.account(turn, "created", Some(document), None, Some(by.certificate), kind.word());
        self.touched(turn, document, "created");
        self.registrar_duties(turn);
        Ok(document)
    }

    pub(super) fn case_note(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        kind: &str,
        text: String,
    ) -> Result<View, Refused> {
        let by = self.acting(turn, person, Capability::Write)?;
        let kind = ActKind::entry_from_word(kind).ok_or_else(|| {
            Refused::new(RefusedKind::Misuse, "unknown_entry_kind").with("kind", kind.chars().take(40).collect::<String>())
        })?;
        if text.len() > limits::TEXT_BYTES_MAX {
            return Err(Refused::new(RefusedKind::Misuse, "text_too_long").with("bytes", text.len()).with("most", limits::TEXT_BYTES_MAX));
        }
        if text.trim().is_empty() {
            return Err(Refused::new(RefusedKind::Misuse, "empty_text"));
        }
        if !act::is_plain(&text) {
            return Err(Refused::new(RefusedKind::Misuse, "text_not_plain"));
        }
        let document = self.resolve_document(id)?;
        let state = self.body(&document)?;
        if state.kind() != Kind::Case {
            return Err(Refused::new(RefusedKind::Refused, "not_a_case").with("id", document.short()));
        }
        self.may_write(turn, &by, &document)?;
        // A bureau's own changes count: nobody closes a thread to others by filling it.
        if self.bodies.get(&document).is_some_and(|state| is_full(state.changes_of(&self.identity.bureau))) {
            let (id, most) = (document.short(), limits::THREAD_CHANGES_MAX);
            return Err(Refused::new(RefusedKind::Refused, "thread_full").with("id", id).with("most", most));
        }
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(View::Sending(SendingView { id: document.to_string(), dry_run: true, receivers, ..SendingView::default() }));
        }
        let act = Act { text, seat: by.seat.clone(), ..Act::new(turn.nonce(), kind, turn.stamp) };
        self.edit(turn, &by, document, &[Edit::Act(act.to_bytes())])?;
        self.account(turn, "entry", Some(document), None, Some(by.certificate), kind.word());
        self.touched(turn, document, "entry");
        Ok(self.sent(document, receivers))
    }

    /// Who a change of this document would go to now.
    pub(super) fn holders_now(&self, turn: &Turn, document: &DocumentId) -> Vec<ReceiverView> {
        let Some(summary) = self.documents.get(document) else { return Vec::new() };
        let own = self.identity.bureau;
        let mut bureaus: Vec<BureauId> = summary.rights.bureaus.keys().copied().collect();
        if summary.owner != own {
            bureaus = vec![summary.owner];
        }
        bureaus
            .into_iter()
            .filter(|bureau| *bureau != own)
            .map(|bureau| match self.may_go(turn, &summary.facts(), own, bureau) {
                Ok(permit) if permit.scope() == access::Scope::Held => self.receiver(&bureau, false, "restricted", ""),
                Ok(permit) => self.receiver(&bureau, true, "ok", &permit.cites()),
                Err(refusal) => self.receiver(&bureau, false, refusal.word(), ""),
            })
            .collect()
    }

    /// Edits a document in the officer's living actor, or a new life where the old one cannot go on.
    pub(super) fn edit(&mut self, turn: &mut Turn, by: &Unlocked, document: DocumentId, edits: &[Edit]) -> Result<(), Refused> {
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_write").with("why", why);
        let fresh = turn.life();
        let state = self.bodies.get_mut(&document).ok_or_else(|| fault("body is not loaded".into()))?;
        let life = state.living(&by.certificate, self.lives_from).unwrap_or(fresh);
        let tip = state.writing_tip(&by.certificate, &life).ok_or_else(|| fault("the writer's life has ended".into()))?;
        let actor = segment::actor_id(&by.certificate, &document, &life);
        let mut content = state.take_content().map_err(|_| cannot_show(&document))?;
        let changes = content.edit(actor, edits).map_err(|e| fault(e.to_string()))?;
        let before = (turn.step.writes.len(), self.sequence);
        if let Err(refused) = self.write_changes(turn, by, document, life, tip, changes) {
            self.undo(turn, &document, before);
            return Err(refused);
        }
        self.bodies.get_mut(&document).expect("held above").set_content(content);
        Ok(())
    }

    /// Takes back what a failed command asked to be written; the body is read anew from the store when next needed.
    fn undo(&mut self, turn: &mut Turn, document: &DocumentId, (writes, sequence): (usize, u64)) {
        turn.step.writes.truncate(writes);
        self.sequence = sequence;
        if self.documents.contains_key(document) {
            self.stale.insert(*document);
        } else {
            self.bodies.remove(document);
        }
    }

    /// Seals changes into segments and takes them in by the same door as foreign ones.
    fn write_changes(
        &mut self,
        turn: &mut Turn,
        by: &Unlocked,
        document: DocumentId,
        life: Life,
        mut tip: Tip,
        changes: Vec<Vec<u8>>,
    ) -> Result<(), Refused> {
        let fault = |why: String| Refused::new(RefusedKind::Fault, "cannot_write").with("why", why);
        let cited = self.cited(&document).ok_or_else(|| fault("body is not loaded".into()))?;
        let certificate = self.directory.certificate(&by.certificate).expect("acting() checked it").body().clone();
        let mut rest = changes.into_iter().peekable();
        while rest.peek().is_some() {
            let mut batch = Vec::new();
            let mut size = 0;
            while let Some(next) = rest.peek() {
                if !batch.is_empty() && size + next.len() > limits::SEGMENT_BYTES_TARGET {
                    break;
                }
                size += next.len();
                batch.extend(rest.next());
            }
            let mut hashes = Vec::with_capacity(batch.len());
            for raw in &batch {
                hashes.push(rules::parse(raw).map_err(|e| fault(e.to_string()))?.hash());
            }
            let sealed = segment::seal_changes(
                &self.identity.network,
                by.signer.as_ref(),
                document,
                by.certificate,
                life,
                tip,
                batch,
                &hashes,
                cited,
            )
            .map_err(|e| fault(e.to_string()))?;
            let checked = segment::check(&self.identity.network, &certificate, sealed).map_err(|e| fault(e.to_string()))?;
            let last = checked.positions().last().expect("a checked segment has a position").clone();
            let state = self.bodies.get_mut(&document).expect("cited() found it");
            let bytes = checked.to_bytes();
            if state.learn_segment(&self.directory, checked) != Intake::New || !state.admitted().contains(&last.change) {
                return Err(Refused::new(RefusedKind::Refused, "not_admitted").with("id", document.short()));
            }
            tip = Tip { n: last.n, attestation: last.attestation };
            self.store_item(turn, document, Item::Segment(bytes));
        }
        Ok(())
    }

    /// A loaded document.
    pub(super) fn body(&self, document: &DocumentId) -> Result<&DocState, Refused> {
        self.bodies.get(document).filter(|_| !self.stale.contains(document)).ok_or_else(|| {
            Refused::new(RefusedKind::Fault, "cannot_load")
                .with("id", document.short())
                .with("why", self.cannot_load.get(document).map_or("not in the store", String::as_str))
        })
    }
}

pub(super) fn refuse_partial(receivers: &[ReceiverView]) -> Result<(), Refused> {
    // A compact is addressed as it stands: who of it does not get this is listed, and is no reason to leave out the others.
    match receivers.iter().find(|r| !r.will_receive && r.by.is_empty()) {
        None => Ok(()),
        Some(receiver) => Err(Refused::new(RefusedKind::Refused, "receiver_not_entitled")
            .with("name", &receiver.name)
            .with("bureau", &receiver.bureau)
            .with("why", &receiver.why)),
    }
}

fn cannot_show(document: &DocumentId) -> Refused {
    Refused::new(RefusedKind::Fault, "cannot_show").with("id", document.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_takes_its_writers_changes_up_to_its_bound() {
        assert!(!is_full(limits::THREAD_CHANGES_MAX - 1));
        assert!(is_full(limits::THREAD_CHANGES_MAX));
    }
}
