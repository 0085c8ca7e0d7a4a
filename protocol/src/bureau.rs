//! A bureau's node: all of its state, one input in, one step out.
//!
//! [`Bureau::handle`] is a match and no logic; each family of inputs has its file. Nothing here reads a clock, a disk, a socket or a random
//! source: `now`, `seed` and document bodies are given. What a step writes is on disk before anything it sends is handed to a socket; the
//! driver says so by [`Bureau::committed`].
//!
//! | file | inputs |
//! |---|---|
//! | `open` | start: rows of the store become state |
//! | `people` | officers, devices, statements made elsewhere, enrolment |
//! | `persons` | what one person may read and write here |
//! | `partners` | our card, theirs |
//! | `roots` | rival root versions of our own |
//! | `pacts`, `lifecycle`, `effects` | agreements; what stops, resumes and ends them; what an act would change |
//! | `compacts` | one text, many pairs: writing it down, one act for all pairs, whom `compact:NAME` means |
//! | `warnings` | what people are told ahead of time |
//! | `author` | documents and entries by our officers |
//! | `records`, `orders` | records that need an officer's order: cuts; admits, voids, ends and others |
//! | `reentry` | held work: what there is, and entering it again |
//! | `retention` | what ends and is destroyed once its time is over |
//! | `cuts` | cuts the registrar makes by itself |
//! | `parts` | files beside the history: laid down, fetched, given, erased |
//! | `passes` | relay passes |
//! | `onward` | asks onward and for consent, and the grants they lead to |
//! | `registrar` | adopt, anchor, conclude: what the machine signs |
//! | `links` | hello, push, acknowledge, compare, repair |
//! | `ledger` | what is stated to each partner, and what both count differently |
//! | `memory` | a store put back or cloned: what cursors remember, `store confirm` |
//! | `show` | answers |
//! | `accounts` | what auditors read, and that they read nothing else |
//! | `explain` | why or why not, as it was known at a time |
//! | `prove` | a proof of one document |

mod accounts;
mod author;
mod bundles;
mod compacts;
mod cuts;
mod documents;
mod effects;
mod explain;
mod few;
mod found;
mod ledger;
mod left;
mod lifecycle;
mod links;
mod memory;
mod onward;
mod open;
mod orders;
mod pact_views;
mod pacts;
mod partners;
mod parts;
mod passes;
mod people;
mod persons;
mod prove;
mod receipted;
mod records;
mod reentry;
mod registrar;
mod rest;
mod retention;
mod roots;
mod rows;
mod show;
mod turn;
mod warnings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use accord_keys::contact::Contact;
use accord_keys::directory::Directory;
use accord_keys::seal::Verified;
use accord_keys::secret::Signer;

pub use documents::{InMemory, Leaving, Sheets};
pub use found::{FoundError, FoundPlan, Founded, LaptopPlan, found, found_laptop};
pub use ledger::Lines;
pub use open::{OpenError, Opening};
pub use rest::Taking;
pub use rows::RowError;
pub use turn::AccountLine;

use crate::access::pass::PassBook;
use crate::agreement::compact::CompactBook;
use crate::agreement::exchange::AgreementBook;
use crate::clock::{Clock, ClockEvent};
use crate::id::{BureauId, CertificateId, DocumentId, NetworkId, StatementId, TransportKey};
use crate::input::{Command, Input, LinkId};
use crate::intake::{DocState, LoadError, Sendable, Stored};
use crate::limits;
use crate::step::{AllowedPeer, Step};
use crate::time::{MonoMillis, Now, WallSeconds};
use crate::view::EventView;
use documents::Documents;
use ledger::Ledgers;
use links::Link;
use memory::Memory;
pub use memory::{Suspicion, note_suspicion};
use rows::{InviteRow, LearnedRow, OfficerRow, PartnerRow, Reached};
use turn::Turn;

/// Who this node is and what it signs with.
#[derive(Clone)]
pub struct Identity {
    /// The network all statements are bound to.
    pub network: NetworkId,
    /// Our bureau.
    pub bureau: BureauId,
    /// This device's certificate.
    pub certificate: CertificateId,
    /// The device's signing key.
    pub signer: Arc<dyn Signer>,
    /// Seals cursors we give out; of this device only.
    pub cursor_key: [u8; 32],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?}, {:?})", self.bureau, self.certificate)
    }
}

/// An officer whose key is unlocked.
#[derive(Clone)]
struct Unlocked {
    name: String,
    certificate: CertificateId,
    signer: Arc<dyn Signer>,
    seat: String,
}

/// See the module.
pub struct Bureau {
    identity: Identity,
    index_id: [u8; 16],
    directory: Arc<Directory>,
    contacts: BTreeMap<CertificateId, Verified<Contact>>,
    book: AgreementBook,
    /// Compacts this bureau stands in.
    compacts: CompactBook,
    noted: accounts::Noted,
    /// When statements about bureaus and agreements were learnt here.
    learnt: BTreeMap<StatementId, LearnedRow>,
    passes: PassBook,
    /// Something accepted may have become ready to be concluded.
    conclude_dirty: bool,
    /// Passes may have to be issued or shown.
    passes_dirty: bool,
    /// Asks onward and for consent, and grants that wait.
    onward: onward::Onwards,
    next_pass: Option<WallSeconds>,
    pass_rounds: passes::Rounds,
    pass_changes: passes::Changes,
    /// When this device last heard its bureau's registrar.
    registrar_heard: Option<WallSeconds>,
    /// Of a laptop: when its registrar last told it all that goes before documents.
    registrar_told: Option<WallSeconds>,
    /// What each partner brought within the day.
    quotas: BTreeMap<BureauId, links::Quota>,
    clock: Clock,
    floor_written: MonoMillis,
    partners: BTreeMap<BureauId, PartnerRow>,
    officers: BTreeMap<String, OfficerRow>,
    unlocked: BTreeMap<CertificateId, Unlocked>,
    invites: BTreeMap<TransportKey, InviteRow>,
    documents: Documents,
    bodies: BTreeMap<DocumentId, DocState>,
    used: VecDeque<DocumentId>,
    cannot_load: BTreeMap<DocumentId, String>,
    sequence: u64,
    next_number: u64,
    links: BTreeMap<LinkId, Link>,
    reached: BTreeMap<TransportKey, Reached>,
    cursors: BTreeMap<TransportKey, Vec<u8>>,
    /// What walks passed over though it concerns the other bureau.
    left: left::Left,
    /// Devices of partners to whom what is their own has still to be named.
    homeward: BTreeMap<TransportKey, links::Homeward>,
    /// Longer rows of documents on their way, by the device at the other end.
    progress: BTreeMap<TransportKey, links::Progress>,
    anchor_due: BTreeMap<DocumentId, MonoMillis>,
    anchored_at: BTreeMap<DocumentId, VecDeque<MonoMillis>>,
    /// When those of more than a minute ago were last taken out.
    anchored_looked: MonoMillis,
    /// How many anchors each partner's work hastened, and on which day.
    hastened: BTreeMap<BureauId, (u64, u32)>,
    cuts: cuts::Cuts,
    retention: retention::Retention,
    /// Which of rival root versions of ours people decided for.
    confirmed_roots: Vec<accord_keys::id::RootId>,
    events: VecDeque<EventView>,
    event_position: u64,
    policy_epoch: u64,
    next_policy: Option<WallSeconds>,
    /// What people were told of agreements, and when something is due next.
    told: BTreeSet<(crate::id::AgreementId, u8)>,
    next_warning: Option<WallSeconds>,
    /// Latest effective time; it only goes back when a wild wall clock comes to its senses.
    effective_seen: WallSeconds,
    allow: Vec<AllowedPeer>,
    /// What documents cite, as far as it was looked for: through which sequence, and what was found.
    cited: BTreeMap<DocumentId, (u64, Option<DocumentId>)>,
    loading: BTreeSet<DocumentId>,
    /// Of those, the ones that are wanted only to be sent.
    to_send: BTreeSet<DocumentId>,
    /// Documents that wait to be sent as they are stored.
    shelf: links::Shelf,
    /// What we and our partners state to each other.
    ledgers: Ledgers,
    /// Files of documents.
    parts: parts::Parts,
    /// What others remember of us.
    memory: Memory,
    /// Lives whose first segment was stored at or before this sequence are not written on: some of their tail may be lost.
    lives_from: u64,
    /// Bodies a failed command left behind: read anew after the commit.
    stale: BTreeSet<DocumentId>,
    /// Bundles being packed and unpacked.
    bundles: bundles::Bundles,
    /// Sums of what may go between us and each bureau.
    views: links::Views,
}

impl std::fmt::Debug for Bureau {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bureau({:?}, {} documents)", self.identity.bureau, self.documents.len())
    }
}

/// A document to be read back from its stored items: applies every rule to every change, so it takes a while for a long one.
pub struct LoadJob {
    directory: Arc<Directory>,
    stored: Stored,
}

/// The one place where bytes become what our own store gave.
#[expect(clippy::disallowed_methods, reason = "the driver hands in what its store gave it")]
fn from_store(document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Stored {
    Stored::given(document, items)
}

impl LoadJob {
    /// Reads it back: the expensive part, pure.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not give what was written.
    pub fn run(self) -> Result<DocState, LoadError> {
        DocState::load(&self.directory, self.stored)
    }
}

impl Bureau {
    /// Takes one input and says what follows from it.
    pub fn handle(&mut self, now: Now, seed: [u8; 32], input: Input) -> Step {
        let clock_event = self.clock.observe(now);
        let mut turn = Turn::new(now, self.clock.stamp(now), self.clock.effective(now), seed);
        self.views.begin_turn();
        self.clock_changed(&mut turn, clock_event);
        self.time_passed(&mut turn);
        self.notice(&mut turn);
        match input {
            Input::Command { id, person, dry_run, command } => {
                let answer = self.accounted(&mut turn, person.as_deref(), dry_run, command);
                turn.step.answers.push((id, answer));
            }
            Input::Bundle { id, person, ask } => {
                let answer = self.bundle_step(&mut turn, person.as_deref(), *ask);
                turn.step.bundles.push((id, answer));
            }
            Input::LinkUp { link, transport, outgoing } => self.link_up(&mut turn, link, transport, outgoing),
            Input::LinkDown { link } => self.link_down(&mut turn, link),
            Input::FrameDropped { link } => self.frame_dropped(&mut turn, link),
            Input::Message { link, message } => self.message(&mut turn, link, message),
            Input::Garbage { link, why } => self.garbage(&mut turn, link, &why),
            Input::Wake => {}
        }
        self.cut_duties(&mut turn);
        self.retention_duties(&mut turn);
        self.quota_duties(&mut turn);
        self.registrar_duties(&mut turn);
        if self.cuts_made() {
            self.policy_changed(&mut turn, None);
        }
        self.conclude_duties(&mut turn);
        self.pass_duties(&mut turn);
        self.onward_duties(&mut turn);
        self.ledger_duties(&mut turn);
        self.part_duties(&mut turn);
        self.pump_all(&mut turn);
        self.weigh_words(&mut turn);
        self.compare_quiet(&mut turn);
        self.finish(turn)
    }

    /// Documents whose bodies an input touches and that are not in memory. The driver loads them and calls [`Bureau::hold`] first.
    pub fn needs(&self, input: &Input) -> Vec<DocumentId> {
        let document = match input {
            Input::Command { command, .. } => self.command_document(command),
            // What nobody may bring is answered without being read.
            Input::Message { link, message: crate::wire::Checked::Push(push) } => {
                Some(push.document).filter(|document| self.is_read_for(*link, document))
            }
            Input::Bundle { ask, .. } => self.bundle_document(ask),
            _ => None,
        };
        let missing = |document: &DocumentId| !self.bodies.contains_key(document) && !self.cannot_load.contains_key(document);
        let mut out: Vec<DocumentId> = document.into_iter().filter(missing).collect();
        if let Input::Command { command, .. } = input {
            out.extend(self.parts_needed(command));
        }
        out
    }

    /// Gives the core a document's stored items, in sequence order. A document that cannot be read back stays listed and is reported by
    /// `store verify`; it neither stops the node nor is it sent. The items must be what our own store gave: they are believed.
    ///
    /// # Errors
    /// [`LoadError`], for the driver's log.
    pub fn hold(&mut self, document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Result<(), LoadError> {
        if self.hold_part(document, &items) {
            return Ok(());
        }
        self.loading.remove(&document);
        if self.bodies.contains_key(&document) {
            return Ok(());
        }
        let job = self.load_job(document, items);
        self.loaded(document, job.run())
    }

    /// As [`Bureau::hold`], for a document of [`Step::wants`]: one that may go as it is stored needs no body to be sent.
    ///
    /// # Errors
    /// As [`Bureau::hold`].
    pub fn hold_wanted(&mut self, document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Result<(), LoadError> {
        if self.hold_part(document, &items) {
            return Ok(());
        }
        let stored = from_store(document, items);
        let plain = self.documents.get(&document).filter(|summary| summary.held == 0 && !summary.hidden && !summary.quotes);
        if self.to_send.remove(&document)
            && !self.bodies.contains_key(&document)
            && !self.retention.is_erased(&document)
            && let Some(sendable) = plain.and_then(|summary| Sendable::read(&stored, summary.changes, summary.newest_seq))
        {
            self.loading.remove(&document);
            self.shelf.put(document, sendable);
            return Ok(());
        }
        if self.bodies.contains_key(&document) {
            self.loading.remove(&document);
            return Ok(());
        }
        let job = LoadJob { directory: Arc::clone(&self.directory), stored };
        self.loaded(document, job.run())
    }

    /// What reading a document back takes, to be done on any thread; its outcome comes back by [`Bureau::loaded`].
    pub fn load_job(&self, document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> LoadJob {
        LoadJob { directory: Arc::clone(&self.directory), stored: from_store(document, items) }
    }

    /// Takes in a document that was read back. One that came by another way meanwhile stays as it is.
    ///
    /// # Errors
    /// [`LoadError`], for the driver's log.
    pub fn loaded(&mut self, document: DocumentId, outcome: Result<DocState, LoadError>) -> Result<(), LoadError> {
        if outcome.is_err() && self.cannot_hold_part(&document) {
            return Ok(());
        }
        self.loading.remove(&document);
        self.to_send.remove(&document);
        // What was destroyed while it was being read stays destroyed.
        if self.bodies.contains_key(&document) || self.retention.is_erased(&document) {
            return Ok(());
        }
        match outcome {
            Ok(state) => {
                self.bodies.insert(document, state);
                self.used.push_back(document);
                self.cannot_load.remove(&document);
                Ok(())
            }
            Err(error) => {
                self.cannot_load.insert(document, error.to_string());
                Err(error)
            }
        }
    }

    /// The document whose content an input will read, if computing it would hold up everybody else: compute [`Bureau::content_job`] on
    /// another thread, give it back by [`Bureau::content_done`], and hand in the input then.
    pub fn content_first(&self, input: &Input) -> Option<DocumentId> {
        let Input::Command { command, .. } = input else { return None };
        let unread = matches!(command, Command::AccessList { .. } | Command::FilePiece { .. } | Command::FileRead { .. });
        let document = self.command_document(command).filter(|_| !unread)?;
        let debt = self.bodies.get(&document)?.content_debt();
        debt.is_none_or(|changes| changes > limits::CONTENT_AT_ONCE_MAX).then_some(document)
    }
    /// What computing a document's content takes; `None` if its body is not here or a job is already out.
    pub fn content_job(&mut self, document: &DocumentId) -> Option<crate::intake::Job> {
        let state = self.bodies.get_mut(document)?;
        state.content_debt()?;
        Some(state.content_job())
    }
    /// Takes computed content back. That it cannot be shown is said when somebody asks for it.
    pub fn content_done(&mut self, document: &DocumentId, done: crate::intake::Done) {
        if let Some(state) = self.bodies.get_mut(document) {
            let _ = state.content_done(done);
        }
    }

    /// The store could not give a document: it stays listed, is neither shown nor sent, and is named by `store verify`.
    pub fn cannot_hold(&mut self, document: DocumentId, why: String) {
        if self.cannot_hold_part(&document) {
            return;
        }
        self.loading.remove(&document);
        self.to_send.remove(&document);
        self.cannot_load.insert(document, why);
    }

    /// The store's own highest item sequence: the next item is numbered above it, whatever the summaries say.
    pub fn raise_sequence(&mut self, highest: u64) {
        self.sequence = self.sequence.max(highest);
        if self.memory.is_suspect() {
            self.lives_from = self.lives_from.max(self.sequence);
        }
    }

    /// Takes the clock along when the core is rebuilt from disk while the process lives: corroborated time is not given back.
    pub fn keep_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }
    /// The clock as it stands.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Everything handed out so far is on disk: bodies beyond the cache may go.
    pub fn committed(&mut self) {
        for document in std::mem::take(&mut self.stale) {
            self.bodies.remove(&document);
        }
        let mut weight: usize = self.bodies.values().map(DocState::weight).fold(0, usize::saturating_add);
        while self.bodies.len() > limits::BODIES_CACHED_MAX || weight > limits::BODIES_WEIGHT_MAX {
            let Some(oldest) = self.used.pop_front() else { break };
            weight = weight.saturating_sub(self.bodies.remove(&oldest).map_or(0, |state| state.weight()));
        }
        self.shelf.trim();
        self.parts.trim();
        self.ledgers.stored();
    }

    /// Snapshot for the verify workers; taken anew when a step says the directory changed.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Who may connect now; later changes come with steps.
    pub fn allowed(&self) -> Vec<AllowedPeer> {
        self.allow.clone()
    }

    /// The policy epoch now.
    pub fn policy_epoch(&self) -> u64 {
        self.policy_epoch
    }

    /// Our bureau.
    pub fn id(&self) -> BureauId {
        self.identity.bureau
    }

    /// What a stop keeps: the clock floor.
    pub fn stopping(&mut self, now: Now) -> Step {
        let mut turn = Turn::new(now, self.clock.stamp(now), self.clock.effective(now), [0; 32]);
        self.write_floor(&mut turn);
        self.finish(turn)
    }

    fn command(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        command: Command,
    ) -> Result<crate::view::View, crate::view::Refused> {
        match command {
            Command::Status => Ok(self.show_status(turn)),
            Command::WhoAmI => Ok(self.show_whoami(turn)),
            Command::ClockCorrect { confirm } => self.clock_correct(turn, person, confirm),
            Command::LedgerShow { partner, limit } => self.ledger_show(&partner, limit.unwrap_or(limits::LEDGER_LINES_SHOWN)),
            Command::LedgerDiff { partner, month } => self.ledger_diff(&partner, &month),
            Command::BackupNote => Ok(self.backup_note(turn, dry_run)),
            Command::StoreConfirm { missing, alone, pair } => self.store_confirm(turn, person, dry_run, &missing, alone, pair.as_deref()),
            Command::OfficerAdd { name, seats, capabilities } => self.officer_add(turn, person, name, seats, capabilities),
            Command::OfficerReset { name } => self.officer_reset(turn, person, &name),
            Command::OfficerEnrol { name, key } => self.officer_enrol(turn, &name, key),
            Command::OfficerFind { name } => self.officer_find(turn, &name),
            Command::OfficerList => Ok(self.show_officers(turn)),
            Command::Unlock { name, certificate, signer } => self.unlock(turn, &name, certificate, signer),
            Command::Lock { name } => self.lock(turn, name.as_deref()),
            Command::Install { bytes } => self.install(turn, &bytes),
            Command::OwnStatements => Ok(self.show_statements()),
            Command::CertRenew { name } => self.cert_renew(turn, person, &name),
            Command::DeviceInvite { officer, transport } => self.device_invite(turn, person, &officer, transport),
            Command::DeviceList => Ok(self.show_devices(turn)),
            Command::CardShow => self.show_card(),
            Command::SetContact { addresses, phone } => self.set_contact(turn, addresses, phone),
            Command::PartnerAdd { card, checking_code, alias } => self.partner_add(turn, person, &card, checking_code.as_deref(), alias),
            Command::PartnerSet { partner, alias, address } => self.partner_set(turn, &partner, alias, address),
            Command::PartnerShow { partner } => self.show_partner(turn, &partner),
            Command::PartnerList => Ok(self.show_partners(turn)),
            Command::Progress => Ok(self.show_progress(turn)),
            Command::AgreementOffer { partner, terms } => self.agreement_offer(turn, person, dry_run, &partner, terms),
            Command::AgreementAccept { id } => self.agreement_accept(turn, person, dry_run, &id),
            Command::AgreementDecline { id, reason } => self.agreement_decline(turn, person, dry_run, &id, reason),
            Command::AgreementRenew { id, from, to } => self.agreement_renew(turn, person, dry_run, &id, from, to),
            Command::AgreementAmend { id, terms } => self.agreement_amend(turn, person, dry_run, &id, terms),
            Command::AgreementSuspend { id, categories, reason } => self.agreement_suspend(turn, person, dry_run, &id, &categories, reason),
            Command::AgreementResume { id, notices } => self.agreement_resume(turn, person, dry_run, &id, notices),
            Command::AgreementEnd { id, ends, reason } => self.agreement_end(turn, person, dry_run, &id, ends, reason),
            Command::AgreementDiff { before, after } => self.agreement_diff(&before, &after),
            Command::AgreementList => Ok(self.show_agreements(turn)),
            Command::AgreementShow { id } => self.show_agreement(turn, &id),
            Command::CompactNew(draft) => self.compact_new(turn, person, dry_run, draft),
            Command::CompactImport { text } => self.compact_import(turn, person, dry_run, &text),
            Command::CompactSign { id } => self.compact_sign(turn, person, dry_run, &id),
            Command::CompactDeviate { id, partner, terms } => self.compact_deviate(turn, person, dry_run, &id, &partner, terms),
            Command::CompactStatus { id, text } => self.compact_status(turn, &id, text),
            Command::CompactList => Ok(self.compact_list(turn)),
            Command::BulletinNew(draft) => self.draft_new(turn, person, dry_run, draft),
            Command::BulletinPublish { draft, text, to, open } => self.publish(turn, person, dry_run, draft.as_deref(), text, (&to, open)),
            Command::BulletinList(page) => {
                Ok(self.show_documents(turn, person, &[crate::access::log::Kind::Bulletin, crate::access::log::Kind::Draft], page))
            }
            Command::CaseOpen { draft, with, continues } => self.case_open(turn, person, dry_run, draft, (&with, continues.as_deref())),
            Command::CaseNote { id, kind, text } => self.case_note(turn, person, dry_run, &id, &kind, text),
            Command::CaseList(page) => Ok(self.show_documents(turn, person, &[crate::access::log::Kind::Case], page)),
            Command::DocumentShow { id } => self.show_document(turn, person, &id),
            Command::AccessList { id } => self.show_access(turn, &id),
            Command::JournalRead { document, partner, person: of } => {
                self.journal_read(turn, person, document.as_deref(), partner.as_deref(), of.as_deref())
            }
            Command::AccessExplain { id, bureau, at, verb } => self.access_explain(turn, &id, &bureau, at, &verb),
            Command::ProofExport { id, full } => self.proof_export(turn, person, &id, full),
            Command::AccessGrant { id, partner, verb, terms } => self.access_grant(turn, person, dry_run, (&id, &partner, &verb), &terms),
            Command::AccessPending => Ok(self.show_pending(turn)),
            Command::OnwardAsk(wish) => self.onward_ask(turn, person, dry_run, wish),
            Command::OnwardGrant { id, verb, terms } => self.onward_grant(turn, person, dry_run, &id, verb.as_deref(), &terms),
            Command::OnwardRefuse { id, reason } => self.onward_refuse(turn, person, dry_run, &id, &reason),
            Command::OnwardConsent { id } => self.onward_consent(turn, person, dry_run, &id),
            Command::OnwardList => self.show_onward(turn, None),
            Command::OnwardShow { id } => {
                let id = self.resolve_ask(&id)?;
                self.show_onward(turn, Some(&id))
            }
            Command::AccessCut { id, subject, strict } => self.access_cut(turn, person, dry_run, &id, &subject, strict),
            Command::AccessAdmit { id, acts } => self.access_admit(turn, person, dry_run, &id, &acts),
            Command::RootList => Ok(self.root_list()),
            Command::RootConfirm { checking_code } => self.root_confirm(turn, person, dry_run, &checking_code),
            Command::RetentionList => Ok(self.retention_list(turn, person)),
            Command::RetentionConfirm { documents } => self.retention_confirm(turn, person, dry_run, &documents),
            Command::HoldPlace { id, reason } => self.hold_place(turn, person, dry_run, &id, &reason),
            Command::HoldLift { id } => self.hold_lift(turn, person, dry_run, &id),
            Command::HeldList => Ok(self.held_list(turn, person)),
            Command::HeldShow { id } => self.held_show(turn, person, &id),
            Command::HeldReenter { id, acts } => self.held_reenter(turn, person, dry_run, &id, &acts),
            Command::AccessVoid { id, acts, reason } => self.access_void(turn, person, dry_run, &id, &acts, &reason),
            Command::AccessReclassify { id, tlp } => self.access_reclassify(turn, person, dry_run, &id, &tlp),
            Command::AccessEnd { id } => self.access_end(turn, person, dry_run, &id, false),
            Command::AccessDisown { id } => self.access_end(turn, person, dry_run, &id, true),
            Command::AccessAdopt { id } => self.access_adopt(turn, person, dry_run, &id),
            Command::AccessConfirm => self.access_confirm(turn, person, dry_run),
            Command::FilePiece { id, upload, bytes } => self.file_piece(turn, person, dry_run, &id, upload.as_deref(), &bytes),
            Command::FileAttach { id, upload, name, media } => {
                self.file_attach(turn, person, dry_run, (&id, upload.as_deref()), name, media)
            }
            Command::FileList { id } => self.file_list(turn, person, &id),
            Command::FileRead { id, file, piece } => self.file_read(turn, person, &id, &file, piece),
            Command::AccessErase { id, files } => self.access_erase(turn, person, dry_run, &id, &files),
            Command::Inbox => Ok(self.show_inbox(turn, person)),
            Command::Events { after, limit } => Ok(self.show_events(after, limit)),
        }
    }

    fn clock_changed(&mut self, turn: &mut Turn, event: Option<ClockEvent>) {
        let Some(event) = event else { return };
        let word = match event {
            ClockEvent::Jumped => "jumped",
            ClockEvent::Returned => "returned",
            ClockEvent::Confirmed => "confirmed",
            ClockEvent::Corroborated => "corroborated",
        };
        self.event(turn, "clock", None, None, word);
        self.account(turn, "clock", None, None, None, word);
        if event != ClockEvent::Corroborated {
            self.policy_changed(turn, None);
        }
    }

    /// What time alone changes: agreements that begin or end, the floor, invitations.
    fn time_passed(&mut self, turn: &mut Turn) {
        if self.next_policy.is_some_and(|at| turn.effective >= at) {
            self.policy_changed(turn, None);
        }
        self.passes_passed(turn);
        self.ends_passed(turn);
        // A wild clock may come back only half way, without an event of its own: what it denied may be allowed again.
        if turn.effective < self.effective_seen {
            self.note_all_ends(turn.effective);
            self.policy_changed(turn, None);
        }
        self.effective_seen = turn.effective;
        self.warn(turn);
        if turn.now.mono >= self.floor_written.plus(limits::FLOOR_EVERY_MS) {
            self.write_floor(turn);
            self.note_at_home(turn);
        }
        self.refresh_contact(turn);
        let stamp = turn.stamp;
        let ended: Vec<TransportKey> = self.invites.iter().filter(|(_, i)| i.expires <= stamp).map(|(key, _)| *key).collect();
        if !ended.is_empty() {
            for key in ended {
                self.drop_invite(turn, &key);
            }
            self.refresh_allow(turn);
        }
    }

    /// What gated frames are compared with.
    pub fn gates(&self) -> crate::step::Gates {
        let links = self.links.iter().filter(|(_, link)| link.made_stale() > 0).map(|(id, link)| (*id, link.made_stale()));
        crate::step::Gates { policy: self.policy_epoch, links: links.collect() }
    }

    /// Agreements stand differently than before: permits given so far are stale, views are compared anew.
    fn policy_changed(&mut self, turn: &mut Turn, partner: Option<BureauId>) {
        self.policy_epoch += 1;
        // What ended stays ended, and what was replaced stays replaced, also after a restart with a clock set back.
        self.write_floor(turn);
        self.next_policy = self.next_policy_change(turn.effective);
        self.conclude_dirty = true;
        self.passes_dirty = true;
        self.onward.dirty = true;
        self.lapses_came(turn);
        self.compare_anew(turn, partner);
    }

    /// Views may differ now: they are compared at the next quiet moment, and what was not taken before is asked for again.
    fn compare_anew(&mut self, turn: &mut Turn, partner: Option<BureauId>) {
        self.parts.look_again(turn.now.mono);
        let mut again = Vec::new();
        for (id, link) in &mut self.links {
            if partner.is_none_or(|partner| link.is_with(&partner)) {
                if link.refused_more() {
                    turn.step.close.push(*id);
                    continue;
                }
                again.extend(link.compare_again().into_iter().map(|document| (*id, document)));
            }
        }
        for (link, document) in again {
            self.send(turn, link, &crate::wire::Message::Want(document), false);
        }
    }

    /// As [`Bureau::compare_anew`] where a pass is the reason: the link stays, and of much that was not taken little is asked for again at a time.
    fn compare_anew_by(&mut self, turn: &mut Turn, partner: BureauId) {
        self.parts.look_again(turn.now.mono);
        let mut again = Vec::new();
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.is_with(&partner)) {
            again.extend(link.compare_again_by_passes(turn.now.mono).into_iter().map(|document| (*id, document)));
        }
        for (link, document) in again {
            self.send(turn, link, &crate::wire::Message::Want(document), false);
        }
    }

    fn finish(&mut self, turn: Turn) -> Step {
        let mut step = turn.step;
        step.gates = self.gates();
        step.wake_at = self.next_wake(turn.now, turn.effective);
        for document in &step.wants {
            self.loading.insert(*document);
        }
        step
    }

    fn next_wake(&self, now: Now, effective: WallSeconds) -> Option<MonoMillis> {
        let policy = self.next_policy.map(|at| now.mono.plus(at.0.saturating_sub(effective.0).saturating_mul(1_000).min(3_600_000)));
        let ends = self.onward.next_end();
        let ends = ends.map(|at| now.mono.plus(at.0.saturating_sub(effective.0).saturating_mul(1_000).clamp(1_000, 3_600_000)));
        let asks =
            self.onward.due().map(|at| now.mono.plus(at.0.saturating_sub(effective.0).saturating_mul(1_000).clamp(1_000, 3_600_000)));
        let links = self.links.values().filter_map(|link| link.next_wake(now.mono)).min();
        let anchors = self.anchor_due.values().min().copied();
        let cuts = self.cuts_wake(now.mono);
        let floor = Some(self.floor_written.plus(limits::FLOOR_EVERY_MS));
        let passes = self.passes_dirty.then(|| self.pass_rounds.pause());
        let pass_changes = self.pass_changes.next_wake(now.mono, effective);
        let counting = self.views.are_counted_on().then(|| now.mono.plus(1));
        let duties = [self.ledgers.next_wake(), self.retention_wake(), pass_changes, self.parts.next_wake(), counting];
        [policy, ends, asks, links, anchors, cuts, floor, passes].into_iter().chain(duties).flatten().min()
    }
}
