//! Plain answers for the faces (CLI, API): strings and numbers only, ids in hex, times in Unix seconds.

#![allow(missing_docs)] // field names are the words of GLOSSARY.md; units are in each doc line above

mod agreement;
mod compact;

use serde::{Deserialize, Serialize};

pub use agreement::{
    AgreementView, AnnexView, ArticleView, ClusterView, EffectsView, FlowView, GrantView, LiaisonView, LineChangeView, PairingView,
    ResponseView, ResumeView, RetentionView, SealView, StopView, TermsDiffView,
};
pub use compact::{CompactCountsView, CompactPairView, CompactView};

/// The answer to a [`crate::input::Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum View {
    /// Answer to `Status`.
    Status(StatusView),
    /// Officers unlocked here.
    WhoAmI { officers: Vec<OfficerView> },
    /// One or more officers.
    Officers { officers: Vec<OfficerView> },
    /// Devices of this bureau.
    Devices { devices: Vec<DeviceView> },
    /// Our card.
    Card(CardView),
    /// Partners.
    Partners { partners: Vec<PartnerView> },
    /// Longer rows of documents on their way; short ones are not listed.
    Progress { rows: Vec<ProgressRowView> },
    /// Agreements and offers.
    Agreements { agreements: Vec<AgreementView> },
    /// What an act on an agreement would change (`--dry-run`).
    Effects(EffectsView),
    /// What differs between two agreements.
    TermsDiff(TermsDiffView),
    /// One version of a compact.
    Compact(Box<CompactView>),
    /// Every version of every compact.
    Compacts { compacts: Vec<CompactView> },
    /// Documents, newest first.
    Documents { documents: Vec<DocumentLine> },
    /// One document.
    Document(DocumentView),
    /// Root versions of our own bureau.
    Roots { roots: Vec<RootView> },
    /// Documents whose time is over or soon will be.
    Retention { documents: Vec<RetentionDocumentView> },
    /// The files of a document.
    Files(FilesView),
    /// One piece of a file.
    Piece(PieceView),
    /// Held work.
    Held { documents: Vec<HeldDocumentView> },
    /// Who holds a document.
    Access(AccessView),
    /// What an auditor needs beside the account itself.
    Journal(JournalView),
    /// Why a bureau may, or may not, have a document.
    Explain(ExplainView),
    /// A proof of one document.
    Proof(ProofView),
    /// Who receives and who does not (`--dry-run`, and the answer to every verb that sends).
    Sending(SendingView),
    /// Asks onward and for consent; grants that wait for consents.
    Onward(OnwardView),
    /// Every line of a pair's ledger.
    Ledger(LedgerView),
    /// What two sides count differently.
    LedgerDiff(LedgerDiffView),
    /// What waits for a person.
    Inbox { items: Vec<InboxItem> },
    /// Events.
    Events { events: Vec<EventView> },
    /// Sealed statements, hex.
    Statements { statements: Vec<String> },
    /// Done; `id` names what was made, if anything.
    Done { id: Option<String> },
}

/// One screen of state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Our bureau's id, name and unit code.
    pub bureau: String,
    pub name: String,
    pub unit_code: String,
    /// Network id (hex) and root version in force.
    pub network: String,
    pub root_version: u32,
    /// `node` or `laptop`; its certificate and the end of it.
    pub device: String,
    pub certificate: String,
    pub certificate_ends: u64,
    /// Whether this node writes its bureau's access records.
    pub registrar: bool,
    /// Held documents, admitted changes, last sequence.
    pub documents: u64,
    pub changes: u64,
    pub sequence: u64,
    /// Sum over documents of H(document, log head, admitted tips), hex: equal on devices of one bureau that hold the same.
    pub content_sum: String,
    /// `good`, `held` (a jump waits for confirmation), `behind` (wall clock before the floor).
    pub clock: String,
    /// Partners or an officer confirmed the time since the start.
    pub clock_corroborated: bool,
    /// Why the store may be an older self: `restored`, `cloned`, `repaired`; empty when it is not.
    pub catching_up: Vec<String>,
    /// Effective time.
    pub now: u64,
    pub partners: Vec<PartnerView>,
    pub devices: Vec<DeviceView>,
    pub officers: Vec<OfficerView>,
    /// Items in the inbox.
    pub inbox: u64,
    /// What a partner did that it must not do without us.
    #[serde(default)]
    pub alarms: Vec<AlarmView>,
    /// On a laptop: how long it keeps showing what it holds.
    #[serde(default)]
    pub reading: Option<ReadingView>,
}

/// How long a laptop keeps showing what it holds without its registrar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingView {
    /// The registrar is linked and has told it everything: the times below are as if it went away now.
    pub home: bool,
    /// When the registrar told it everything last.
    pub since: u64,
    /// Documents that are locked now.
    pub locked: u64,
    /// When the next of the others lock (0: there are none), and in how many whole days.
    pub next: u64,
    pub days_left: u64,
}

/// One thing that must not have happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmView {
    /// `grant_without_consent`: the owner let a bureau in after we wrote, without our consent. `grant_without_consent_more`: see `more`.
    pub kind: String,
    pub document: String,
    pub number: String,
    /// Who was let in, and by which record.
    pub bureau: String,
    pub bureau_name: String,
    pub record: String,
    /// When it was seen here.
    pub at: u64,
    /// `grant_without_consent_more`: so many more of this owner's, which `bureau` names; they stand in its logs.
    #[serde(default)]
    pub more: u64,
}

/// One officer of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficerView {
    pub name: String,
    pub seats: Vec<String>,
    pub capabilities: Vec<String>,
    /// Empty while the first login is awaited.
    pub certificate: String,
    pub certificate_ends: u64,
    /// Certificates of this officer that are good now, newest first: one for each key and its renewals.
    pub certificates: Vec<String>,
    pub logged_in: bool,
    /// `awaiting_login`, `good`, `expired`, `revoked`.
    pub state: String,
}

/// One device of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    pub certificate: String,
    pub kind: String,
    pub unit: String,
    pub transport: String,
    pub ends: u64,
    pub state: String,
    pub connected: bool,
    /// This very device.
    pub here: bool,
    /// A longer row of documents on its way to it, and from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// Our card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardView {
    pub bureau: String,
    pub name: String,
    pub checking_code: String,
    pub addresses: Vec<String>,
    pub phone: String,
    /// The armoured card.
    pub text: String,
}

/// One partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerView {
    pub bureau: String,
    pub name: String,
    pub alias: String,
    /// The checking code was compared by people.
    pub checked: bool,
    pub checking_code: String,
    pub connected: bool,
    /// `in_force`, `offered`, `none`, `expired`, ...: standing of the newest agreement.
    pub standing: String,
    pub agreement: String,
    pub agreement_ends: u64,
    /// Transport keys and addresses of its nodes.
    pub nodes: Vec<NodeAddress>,
    pub last_contact: u64,
    /// Documents changed here that it has not acknowledged.
    pub behind: u64,
    /// Sums stay unequal after a repair.
    pub divergent: bool,
    /// Why nothing is given to it: `catching_up`, `pair_behind`, `pair_not_covered`; empty when something may be.
    pub silent: String,
    pub phone: String,
    /// A longer row of documents on its way to it, and from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// How far a longer row of documents has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressView {
    /// `running`; `interrupted`: nothing of it is on its way now; `complete`: shown for ten minutes more.
    pub state: String,
    /// Documents that are there, of how many: never fewer than were shown before, links and restarts in between or not.
    pub documents: u64,
    pub of: u64,
    /// Bytes of messages so far; what it will be about in all, at the average of the documents so far.
    pub bytes: u64,
    pub bytes_about: u64,
    /// Over the last minute.
    pub documents_per_minute: u64,
    pub bytes_per_second: u64,
    /// What the rest takes at that pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// Longer rows of documents on their way to and from one partner or device of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressRowView {
    /// The partner and its alias or name; our own bureau for a device.
    pub bureau: String,
    pub name: String,
    /// The certificate of our own device; empty for a partner.
    #[serde(default)]
    pub device: String,
    pub connected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    pub transport: String,
    pub addresses: Vec<String>,
}

/// One line of a list of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLine {
    pub id: String,
    /// Official number once adopted, provisional before.
    pub number: String,
    /// `bulletin`, `draft`, `case`.
    pub kind: String,
    pub subkind: String,
    pub category: String,
    pub tlp: String,
    pub title: String,
    pub owner: String,
    pub owner_name: String,
    pub created: u64,
    /// Changes admitted, and how many of them an anchor settled.
    pub changes: u64,
    pub settled: u64,
    /// Whether the owner's registrar adopted it.
    pub adopted: bool,
    /// Changes held, waiting for the owner.
    pub held: u64,
    pub sequence: u64,
    /// This laptop is away from its registrar for too long to show it: its title stays empty.
    #[serde(default)]
    pub locked: bool,
}

/// One document in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentView {
    pub line: DocumentLine,
    pub text: String,
    pub entries: Vec<EntryView>,
    /// Admitted tips, hex, ascending.
    pub heads: Vec<String>,
    /// Newest record of the access log.
    pub log_head: String,
    /// BLAKE3 over entries, text and heads: equal on every node that shows the same.
    pub content_hash: String,
    /// Set when Automerge could not show admitted changes; the text is then empty.
    pub cannot_show: bool,
    pub deliveries: Vec<DeliveryView>,
    /// `retention` or `disown` once the document ended, else empty.
    #[serde(default)]
    pub ended: String,
    /// What its author wrote and the owner has not let in, if anything.
    #[serde(default)]
    pub held: Option<HeldView>,
    /// Of a thread that continues another: the id of that one, empty if it is not held here or this person may not read it.
    #[serde(default)]
    pub continues: Option<String>,
    /// Files its acts attach.
    #[serde(default)]
    pub files: Vec<FileView>,
}

/// Held work: shown to its author's bureau and to the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// Since when: the record that took it out, or its signing.
    pub since: u64,
    /// How many acts.
    pub count: u64,
    /// Name of the owner whose officers decide.
    pub waiting_for: String,
    /// The oldest of them.
    pub entries: Vec<EntryView>,
}

/// One root version of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootView {
    pub root: String,
    pub version: u32,
    pub checking_code: String,
    /// How many keys it lists and how many of them must sign.
    pub keys: u64,
    pub threshold: u64,
    pub created: u64,
    /// The version in force.
    pub head: bool,
    /// One of several that claim to follow the version in force.
    pub rival: bool,
}

/// One document's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionDocumentView {
    pub line: DocumentLine,
    /// `kept`, `announced`, `due`, `ended`, `erasable`.
    pub stage: String,
    /// When its time is over.
    pub until: u64,
    /// Whether it waits for a person's word.
    pub waits: bool,
    /// Why, by whom and since when it is held back; empty: it is not.
    pub hold: String,
    pub hold_by: String,
    pub hold_at: u64,
}

/// One document with held work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDocumentView {
    pub line: DocumentLine,
    /// Its held acts, oldest first; none in a list of documents.
    pub entries: Vec<HeldEntryView>,
}

/// One held act.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEntryView {
    pub entry: EntryView,
    /// `cut`, `ended`, `fork`, `right`, `citation`, `dependency`.
    pub why: String,
    /// The cut that covers it, if one does.
    pub record: String,
    /// Since when: the record that took it out, or its signing.
    pub since: u64,
}

/// Who entered an act again that its author could not enter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReentryView {
    pub bureau: String,
    pub bureau_name: String,
    pub seats: Vec<String>,
    /// Own officers by name; others by seat.
    pub person: String,
    pub certificate: String,
    /// The change it was entered with.
    pub change: String,
}

/// Why an act counts no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidView {
    pub reason: String,
    /// The ordering officer: name in our own bureau, seats elsewhere.
    pub by: String,
    pub certificate: String,
    pub at: u64,
}

/// One act of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// `publish`, `open`, `note`, `finding`, `minutes`, ...
    pub kind: String,
    pub title: String,
    pub text: String,
    pub signed_at: u64,
    pub bureau: String,
    pub bureau_name: String,
    pub seats: Vec<String>,
    pub certificate: String,
    /// Own officers by name; others by seat.
    pub person: String,
    pub settled: bool,
    pub change: String,
    /// Set when the owner called the act void: it counts no more.
    #[serde(default)]
    pub voided: Option<VoidView>,
    /// Set when it stands here by somebody else's hand: its author's own change is held.
    #[serde(default)]
    pub reentered: Option<ReentryView>,
    /// The file it attaches; else empty.
    #[serde(default)]
    pub file: String,
}

/// A file of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Its manifest.
    pub id: String,
    /// Empty until its manifest is here, and once it was erased; so are type and size.
    pub name: String,
    pub media: String,
    pub size: u64,
    /// Parts here, of how many.
    pub here: u64,
    pub parts: u64,
    /// `here`, `coming`, `unreadable`, `erased`, or `not_fetched` where there are too many.
    pub state: String,
    pub bureau: String,
    pub bureau_name: String,
    pub person: String,
    pub seats: Vec<String>,
    pub signed_at: u64,
    pub change: String,
    pub voided: bool,
    /// When it was erased here, 0 if not.
    #[serde(default)]
    pub erased_at: u64,
    /// The record that erases it, and by whose order.
    #[serde(default)]
    pub erased_by: String,
    #[serde(default)]
    pub record: String,
    /// At its owner: who said that it is gone there too.
    #[serde(default)]
    pub attested: Option<AttestedView>,
}

/// Who said that what was erased is gone there, of those who were given the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestedView {
    pub attested: u64,
    pub of: u64,
    /// Names of those who did not say so yet.
    pub waits: Vec<String>,
}

/// The files of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesView {
    pub document: String,
    pub number: String,
    pub files: Vec<FileView>,
}

/// One piece of a file, or what became of one that was laid down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceView {
    /// Names the file being laid down.
    pub upload: String,
    /// Bytes laid down, or of the whole file.
    pub size: u64,
    /// Content of a piece that was read, base64.
    pub bytes: String,
}

/// How far a document got with one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    pub bureau: String,
    pub name: String,
    /// Durable at one of its nodes, by its own acknowledgement.
    pub delivered: bool,
}

/// Who holds a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessView {
    pub document: String,
    pub owner: String,
    pub owner_name: String,
    pub holders: Vec<HolderView>,
    pub records: Vec<RecordView>,
}

/// One holder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderView {
    pub bureau: String,
    pub name: String,
    pub verb: String,
    /// Record that grants it, and since when.
    pub record: String,
    pub since: u64,
    /// Agreement it rests on, if we are a party.
    pub agreement: String,
    /// `now` or why not now, a stable word of [`crate::access::Refusal`].
    pub egress: String,
    /// By way of whom, if by way of another reader; limits the record sets (empty, 0: none), and whether it may ask for nobody further.
    #[serde(default)]
    pub via: String,
    #[serde(default)]
    pub via_name: String,
    #[serde(default)]
    pub tlp: String,
    #[serde(default)]
    pub until: u64,
    #[serde(default)]
    pub no_fourth: bool,
}

/// One record of an access log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    pub id: String,
    pub index: u64,
    pub kind: String,
    pub at: u64,
    pub words: String,
    /// Of an erasure, at the owner.
    #[serde(default)]
    pub attested: Option<AttestedView>,
}

/// What an auditor needs beside the account itself: what the filters mean, and names for ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalView {
    pub bureau: String,
    pub name: String,
    pub now: u64,
    /// Ids the filters mean; empty: no filter.
    pub document: String,
    pub partner: String,
    pub certificates: Vec<String>,
    /// Names of bureaus and officers, numbers of documents.
    pub names: Vec<NameView>,
    /// Of each partner the newest day of ours, with a digest of our journal in it, that it sealed.
    pub countersigned: Vec<CountersignedView>,
}

/// A partner's seal on a day we stated: what was journalled up to then cannot be exchanged without its help.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersignedView {
    pub partner: String,
    pub name: String,
    /// The day, `YYYY-MM-DD` in China.
    pub day: String,
    /// Our line and the opaque digest of the journal's head in it.
    pub line: String,
    pub journal: String,
    /// The line of theirs that names it, when it was written, and the registrar that sealed it.
    pub countersign: String,
    pub at: u64,
    pub certificate: String,
}

/// What an id stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameView {
    pub id: String,
    pub name: String,
}

/// Why a bureau may, or may not, have a document: the answer of the very check that decides, with what it rested on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainView {
    pub document: String,
    pub number: String,
    pub owner: String,
    pub owner_name: String,
    /// Who is asked about.
    pub bureau: String,
    pub bureau_name: String,
    /// `read`, `append`.
    pub verb: String,
    /// The time asked about.
    pub at: u64,
    /// `yes`, `no`, `unknown_then`: the document was not known here at that time.
    pub answer: String,
    /// When this node learnt of the document; 0 if that was not noted yet then.
    pub learnt: u64,
    /// The ways by which it could go; one that is open is enough to read.
    pub ways: Vec<WayView>,
}

/// One way a document could go, from one bureau's node to another's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayView {
    /// `read`: from a holder to the bureau; `append`: what the bureau writes, home to the owner; `show`: on this laptop, to whoever sits before it.
    pub verb: String,
    pub from: String,
    pub from_name: String,
    pub to: String,
    pub to_name: String,
    pub open: bool,
    /// `ok` or a stable word of [`crate::access::Refusal`].
    pub why: String,
    pub grounds: Vec<GroundView>,
}

/// One thing an answer rests on. Which fields are filled follows from `kind`; the faces have one sentence per kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroundView {
    /// `same_bureau`, `home`, `agreement`, `clause`, `no_agreement`, `not_covered`, `granted`, `weaker`, `cut`, `reclassified`, `ended`,
    /// `never_named`, `no_pass`; of a laptop's reading `offline` (`number`: days allowed without the registrar, `from`: since when, `to`: when it locks); of the bureau's own work `held` (`word`: why) and `reentered`.
    pub kind: String,
    /// Agreement or record.
    pub id: String,
    /// Version of an agreement, place of a record in its log, line of a clause.
    pub number: u64,
    /// `agreement`: its standing then. `granted`, `weaker`: the verb. `cut`: whom it names. `not_covered`: what does not fit, `ceiling`,
    /// `direction`, `over` or `verb`.
    pub word: String,
    pub category: String,
    pub verbs: Vec<String>,
    pub tlp: String,
    /// Of an agreement: in force from and to; of a clause: until.
    pub from: u64,
    pub to: u64,
    /// When it was sealed, by its sealer's clock, and when it was learnt here (0: not noted).
    pub at: u64,
    pub learnt: u64,
    /// Who ordered or sealed it.
    pub bureau_name: String,
    pub person: String,
    pub seats: Vec<String>,
    pub certificate: String,
}

/// A proof file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofView {
    pub document: String,
    pub number: String,
    /// H(document, log heads, admitted tips) as this node shows it; what the proof states must be equal.
    pub entry: String,
    /// The file, base64.
    pub bytes: String,
}

/// Who receives and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingView {
    /// The document made, empty on a dry run.
    pub id: String,
    pub number: String,
    pub dry_run: bool,
    pub receivers: Vec<ReceiverView>,
    /// What a newcomer will see: entries that become visible.
    pub visible_entries: u64,
    /// Bureaus whose consent is asked for first, because they wrote before.
    #[serde(default)]
    pub asked: Vec<ReceiverView>,
    /// The order that waits for those consents.
    #[serde(default)]
    pub pending: String,
    /// The file that was attached.
    #[serde(default)]
    pub file: String,
}

/// Asks onward and for consent; grants that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnwardView {
    pub asks: Vec<AskView>,
    pub pending: Vec<PendingView>,
}

/// One ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskView {
    pub id: String,
    /// `onward`: a reader asks the owner; `consent`: the owner asks one that wrote.
    pub kind: String,
    /// Whether the other side asked us.
    pub theirs: bool,
    pub document: String,
    pub number: String,
    pub title: String,
    pub asker: String,
    pub asker_name: String,
    pub asked: String,
    pub asked_name: String,
    /// For whom.
    pub recipient: String,
    pub recipient_name: String,
    /// Whether the name is only what the asker says.
    pub recipient_claimed: bool,
    pub verb: String,
    /// Up to what and until when (0: no end); of an ask for consent.
    pub tlp: String,
    pub until: u64,
    pub purpose: String,
    /// Of an ask onward: `flash`, `urgent`, `priority`, `routine`.
    pub urgency: String,
    pub at: u64,
    pub lapses: u64,
    /// Who sealed it.
    pub seats: Vec<String>,
    pub certificate: String,
    /// `open`, `granted`, `refused`, `consented`, `lapsed`.
    pub state: String,
    /// Ground of a refusal.
    pub reason: String,
    /// The grant that answers it.
    pub record: String,
    /// Whether the asker's own consent came along.
    pub consented_along: bool,
}

/// A grant that waits for consents, or how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    pub id: String,
    pub document: String,
    pub number: String,
    pub title: String,
    pub recipient: String,
    pub recipient_name: String,
    pub verb: String,
    /// By way of whom, if it answers an ask onward.
    pub via: String,
    pub via_name: String,
    pub tlp: String,
    pub until: u64,
    pub at: u64,
    pub lapses: u64,
    /// `waiting`, `grant_made`, `grant_refused`, `grant_lapsed`.
    pub state: String,
    pub waits_for: Vec<WaitView>,
}

/// A bureau whose consent a grant waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitView {
    pub bureau: String,
    pub name: String,
    /// `open`, `consented`, `refused`, `lapsed`.
    pub state: String,
}

/// One receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverView {
    pub bureau: String,
    pub name: String,
    pub will_receive: bool,
    /// `ok`, a stable word of [`crate::access::Refusal`], or `not_in_compact`.
    pub why: String,
    /// Agreement and clause it rests on, for instance `7c1e0a11#2`.
    pub clause: String,
    /// The word it came by, for instance `compact:NAME`; empty: named itself.
    #[serde(default)]
    pub by: String,
}

/// The ledger with one partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    pub partner: String,
    pub name: String,
    /// Lines of ours and of theirs held, and lines that contradict one held.
    pub ours: u64,
    pub theirs: u64,
    pub forks: u64,
    pub lines: Vec<LedgerLineView>,
}

/// One line of a pair's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLineView {
    /// Whether we stated it.
    pub ours: bool,
    pub n: u64,
    pub at: u64,
    /// `receipts`, `attestation`, `denials`, `daily`, `countersign`.
    pub says: String,
    pub id: String,
    /// Ids and numbers.
    pub words: String,
}

/// What the two sides of a pair count differently in one month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDiffView {
    pub partner: String,
    pub name: String,
    /// `YYYY-MM`.
    pub month: String,
    /// Days of the month that were stated.
    pub our_days: u64,
    pub their_days: u64,
    pub counts: Vec<LedgerDayView>,
    /// Documents one side only speaks of.
    pub documents: Vec<LedgerDocumentView>,
    pub differs: bool,
}

/// Documents of one kind in one direction, as both sides counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDayView {
    /// `we_give`, `they_give`.
    pub direction: String,
    pub kind: String,
    pub ours: u64,
    pub theirs: u64,
}

/// A document one side only speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDocumentView {
    pub id: String,
    pub number: String,
    /// `given_not_receipted`, `held_not_receipted`, `receipted_not_held`.
    pub only: String,
}

/// One thing that waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxItem {
    /// `reading_locked`, `reading_locks` (`title`: documents locked; whole days left), `offer`, `compact`, `resume`, `suspended`, `notice`, `agreement_ends`, `emergency_report`, `bulletin`, `case`, `clock`, `catching_up`, `pair_behind`, `pair_not_covered`,
    /// `divergent`, `unchecked_card`, `held`, `confirm_cuts`, `unadopted`, `grants_lost`, `certificate_ends`.
    /// Of asking onward: `onward_ask`, `consent_ask`, `grant_waits`, `grant_made`, `grant_refused`, `grant_lapsed`, `grant_without_consent`.
    pub kind: String,
    pub id: String,
    pub title: String,
    pub from: String,
    pub since: u64,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Strictly increasing, stable over restarts.
    pub position: u64,
    pub at: u64,
    /// `document_changed`, `delivered`, `agreement`, `compact`, `agreement_ends`, `emergency_report`, `partner_up`, `partner_down`, `caught_up`, `refused`, `clock`, `divergent`, `fork`, `device`, `officer`.
    /// Of asking onward: `onward`, `grant_without_consent`.
    pub kind: String,
    pub document: String,
    pub bureau: String,
    pub detail: String,
}

/// Why a command was not carried out. The words for people live in the faces' catalogues under `refused.CODE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Decides the exit code and HTTP status.
    pub kind: RefusedKind,
    /// Stable word, for instance `empty_audience`.
    pub code: String,
    /// What the sentence names, never case content.
    pub params: Vec<(String, String)>,
}

/// Whose matter a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKind {
    /// Agreement, log or rights say no.
    Refused,
    /// Nothing of that name.
    NotFound,
    /// Several things match; `params` lists candidates.
    Ambiguous,
    /// The request itself is wrong.
    Misuse,
    /// Our fault.
    Fault,
}

impl Refused {
    /// A refusal with its stable code.
    pub fn new(kind: RefusedKind, code: &str) -> Self {
        Self { kind, code: code.to_owned(), params: Vec::new() }
    }
    /// Adds a named value for the sentence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.params.push((name.to_owned(), value.to_string()));
        self
    }
}
