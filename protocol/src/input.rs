//! What can happen to a bureau: people's commands, links, messages, time.

use std::sync::Arc;

use accord_keys::secret::Signer;

use crate::id::{AgreementId, BureauId, CertificateId, DocumentId, PublicKey, TransportKey};
use crate::time::WallSeconds;
use crate::wire::Checked;

/// One connection as the swarm numbers them; never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Ties a command to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// One thing that happened. [`crate::bureau::Bureau::handle`] turns it into one [`crate::step::Step`].
#[derive(Debug)]
pub enum Input {
    /// A person or program asked for something.
    Command {
        /// Comes back with the answer.
        id: CommandId,
        /// Whose unlocked key acts: `PERSON` or `PERSON/SEAT`; `None` is the only officer logged in.
        person: Option<String>,
        /// Say what would happen; write and send nothing.
        dry_run: bool,
        /// What is asked.
        command: Command,
    },
    /// A connection to an allowed transport key stands.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// The key the transport proved.
        transport: TransportKey,
        /// Whether we dialled.
        outgoing: bool,
    },
    /// A link is gone; nothing more comes from it.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// The swarm dropped a frame whose permit had gone stale; what it carried is sent again if still allowed.
    FrameDropped {
        /// On which link.
        link: LinkId,
    },
    /// A message whose seals and segments were checked off the core thread.
    Message {
        /// From which link.
        link: LinkId,
        /// The message.
        message: Checked,
    },
    /// Bytes on this link were no message of ours.
    Garbage {
        /// From which link.
        link: LinkId,
        /// What was wrong, without content.
        why: String,
    },
    /// A step of packing or unpacking a bundle; answered in [`crate::step::Step::bundles`].
    Bundle {
        /// Names it in the answer.
        id: CommandId,
        /// In whose name.
        person: Option<String>,
        /// What is asked.
        ask: Box<crate::bundle::Ask>,
    },
    /// Nothing but time.
    Wake,
}

impl Input {
    /// The link it concerns; none for commands and time.
    pub fn link(&self) -> Option<LinkId> {
        match self {
            Input::LinkUp { link, .. }
            | Input::LinkDown { link }
            | Input::FrameDropped { link }
            | Input::Message { link, .. }
            | Input::Garbage { link, .. } => Some(*link),
            Input::Command { .. } | Input::Bundle { .. } | Input::Wake => None,
        }
    }
}

/// Which part of a list of documents, the one that changed last first. There may be a million of them: a list is told page by page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only what changed before this place, as the page before named it; what changes meanwhile comes to stand before the first page.
    pub before: Option<u64>,
    /// At most so many; [`crate::limits::LIST_PAGE_MAX`] where it is none, and never more.
    pub limit: Option<usize>,
}

/// What a person or program asks for.
#[derive(Clone)]
pub enum Command {
    /// One screen.
    Status,
    /// The officers whose keys are unlocked.
    WhoAmI,
    /// Confirms (or undoes) a held clock jump.
    ClockCorrect {
        /// `true`: the new time is right; `false`: it is not, keep the corroborated one.
        confirm: bool,
    },
    /// The newest lines of the ledger with a partner.
    LedgerShow {
        /// Name, alias or id.
        partner: String,
        /// So many of each side; without, [`crate::limits::LEDGER_LINES_SHOWN`].
        limit: Option<u64>,
    },
    /// What the two sides count differently in a month.
    LedgerDiff {
        /// Name, alias or id.
        partner: String,
        /// `YYYY-MM`, in China.
        month: String,
    },
    /// Notes in the account that a backup of the store is made; the making is the node's.
    BackupNote,
    /// After a restore: an officer states what is missing, and the node acts again.
    StoreConfirm {
        /// In words, for the account; at most [`crate::limits::STATED_BYTES_MAX`] bytes.
        missing: String,
        /// Though no partner and no device of ours was heard.
        alone: bool,
        /// Rule on the pair with this partner only, by name, alias or id.
        pair: Option<String>,
    },
    /// A seat for a new officer; the key is made at the first login.
    OfficerAdd {
        /// Personal name, kept in this bureau.
        name: String,
        /// Seats, for instance `liaison`.
        seats: Vec<String>,
        /// What the certificate may do, by capability word.
        capabilities: Vec<String>,
    },
    /// A forgotten passphrase: the old key is revoked as retired, a new one made at the next login.
    OfficerReset {
        /// The officer.
        name: String,
    },
    /// First login: a certificate for the key just made.
    OfficerEnrol {
        /// The officer as added.
        name: String,
        /// The new key.
        key: PublicKey,
    },
    /// The certificate and state of one officer, for login.
    OfficerFind {
        /// The officer.
        name: String,
    },
    /// Every officer of this bureau.
    OfficerList,
    /// An officer's key is unlocked for a shift.
    Unlock {
        /// The officer.
        name: String,
        /// The certificate of the key.
        certificate: CertificateId,
        /// The key.
        signer: Arc<dyn Signer>,
    },
    /// Forgets an officer's key; `None` forgets all.
    Lock {
        /// The officer.
        name: Option<String>,
    },
    /// Learns a sealed statement made elsewhere (root version, appointment, certificate, revocation).
    Install {
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The sealed statements of our own bureau, for offline signing.
    OwnStatements,
    /// New certificate, same key, for an officer or laptop of ours.
    CertRenew {
        /// Officer name or device name.
        name: String,
    },
    /// One-time code for a laptop.
    DeviceInvite {
        /// The officer who will carry it.
        officer: String,
        /// Transport key derived from the code's secret.
        transport: TransportKey,
    },
    /// Devices of this bureau.
    DeviceList,
    /// Our card.
    CardShow,
    /// Where partners reach us; part of our card.
    SetContact {
        /// `host:port` or multiaddr.
        addresses: Vec<String>,
        /// Duty phone.
        phone: String,
    },
    /// Takes in another bureau's card.
    PartnerAdd {
        /// The card's text.
        card: String,
        /// The code read out by their liaison officer; without it the card stays unchecked.
        checking_code: Option<String>,
        /// Local alias.
        alias: Option<String>,
    },
    /// Changes what we keep about a partner.
    PartnerSet {
        /// Name, alias or id.
        partner: String,
        /// New alias.
        alias: Option<String>,
        /// Address that overrides the card's.
        address: Option<String>,
    },
    /// What the core knows for `partner test`.
    PartnerShow {
        /// Name, alias or id.
        partner: String,
    },
    /// All partners.
    PartnerList,
    /// How far longer rows of documents to and from partners and own devices have come.
    Progress,
    /// Offers an agreement.
    AgreementOffer {
        /// Name, alias or id of the other side.
        partner: String,
        /// The terms.
        terms: crate::agreement::Terms,
    },
    /// Accepts an offer.
    AgreementAccept {
        /// The offer.
        id: String,
    },
    /// Declines an offer.
    AgreementDecline {
        /// The offer.
        id: String,
        /// Why; goes to the offerer.
        reason: String,
    },
    /// Offers the same terms again with new dates, as the next version.
    AgreementRenew {
        /// The version to renew.
        id: String,
        /// Begins; `None`: when the old one ends, or now if it has.
        from: Option<WallSeconds>,
        /// Ends.
        to: WallSeconds,
    },
    /// Offers other terms as the next version.
    AgreementAmend {
        /// The version to amend.
        id: String,
        /// The terms, as our offer.
        terms: crate::agreement::Terms,
    },
    /// Stops sharing with the partner at once.
    AgreementSuspend {
        /// The agreement.
        id: String,
        /// Category codes; none: everything.
        categories: Vec<String>,
        /// Why; goes to the partner.
        reason: String,
    },
    /// Proposes to lift what stops an agreement, or accepts the partner's proposal.
    AgreementResume {
        /// The agreement, or the partner's resume.
        id: String,
        /// Withdraw notices too.
        notices: bool,
    },
    /// Gives notice.
    AgreementEnd {
        /// The agreement.
        id: String,
        /// When it ends; `None`: as soon as was agreed.
        ends: Option<WallSeconds>,
        /// Why; goes to the partner.
        reason: String,
    },
    /// What differs between two agreements.
    AgreementDiff {
        /// One.
        before: String,
        /// The other.
        after: String,
    },
    /// All agreements and offers.
    AgreementList,
    /// One agreement in full.
    AgreementShow {
        /// Id or prefix.
        id: String,
    },
    /// Writes down a compact, or amends one; nothing is signed by it.
    CompactNew(CompactDraft),
    /// Takes in a compact carried as a file.
    CompactImport {
        /// The file's text.
        text: String,
    },
    /// One act for all our pairs under a compact: offers or accepts each.
    CompactSign {
        /// Its name, id or prefix.
        id: String,
    },
    /// Offers one member terms of the pair's own under a compact.
    CompactDeviate {
        /// Its name, id or prefix.
        id: String,
        /// Name, alias or id of the member.
        partner: String,
        /// The terms, as our offer; the hash of the common text and the compact's id are put in.
        terms: crate::agreement::Terms,
    },
    /// A compact and how each of our pairs stands under it.
    CompactStatus {
        /// Its name, id or prefix.
        id: String,
        /// With the file to be carried.
        text: bool,
    },
    /// Every version of every compact we stand in.
    CompactList,
    /// A draft bulletin of our own bureau; nothing leaves.
    BulletinNew(Draft),
    /// Makes a bulletin count and sends it.
    BulletinPublish {
        /// A draft's id, or …
        draft: Option<String>,
        /// … the text itself.
        text: Option<Draft>,
        /// Receivers by name, alias or id, or `compact:NAME` for its members; an empty list is refused.
        to: Vec<String>,
        /// Every receiver may see who else receives it, and partners may hand it on to each other; else the audience is hidden.
        open: bool,
    },
    /// Bulletins we hold.
    BulletinList(Page),
    /// Opens a case thread.
    CaseOpen {
        /// Title, text, category, case number.
        draft: Draft,
        /// Who takes part, by name, alias or id, or `compact:NAME`.
        with: Vec<String>,
        /// The thread this one continues: document id, number or prefix. Its readers who hold that one learn which it is, others only that there is one.
        continues: Option<String>,
    },
    /// Adds an entry to a case thread.
    CaseNote {
        /// Document id, number or prefix.
        id: String,
        /// `note`, `finding`, `minutes`.
        kind: String,
        /// The entry's text.
        text: String,
    },
    /// Threads we hold.
    CaseList(Page),
    /// One document in full.
    DocumentShow {
        /// Document id, number or prefix.
        id: String,
    },
    /// Who holds a document and by which clause.
    AccessList {
        /// Document id, number or prefix.
        id: String,
    },
    /// Lets an auditor read the account; what is in it comes from the store.
    JournalRead {
        /// Only of this document: id, number or prefix.
        document: Option<String>,
        /// Only with this partner: name, alias or id.
        partner: Option<String>,
        /// Only of this person: an officer's name or a certificate's id.
        person: Option<String>,
    },
    /// Why a bureau may, or may not, have a document.
    AccessExplain {
        /// Document id, number or prefix.
        id: String,
        /// Name, alias or id of the bureau; our own too.
        bureau: String,
        /// As it was known here at this time; `None` is now.
        at: Option<WallSeconds>,
        /// `read` or `append`.
        verb: String,
    },
    /// A self-contained, verifiable export of one document.
    ProofExport {
        /// Document id, number or prefix.
        id: String,
        /// With held work, and the agreements relied on in full.
        full: bool,
    },
    /// Lets another bureau in.
    AccessGrant {
        /// Document id, number or prefix.
        id: String,
        /// Name, alias or id.
        partner: String,
        /// `read` or `append`.
        verb: String,
        /// Limits, and how it is asked for where others wrote.
        terms: GrantTerms,
    },
    /// Grants that wait for consents.
    AccessPending,
    /// Asks the owner of a document to let a third bureau in.
    OnwardAsk(NewAsk),
    /// Answers such an ask with a grant.
    OnwardGrant {
        /// The ask, by id or prefix.
        id: String,
        /// `read` or `append`, no more than was asked; `None`: as asked.
        verb: Option<String>,
        /// Limits, and how it is asked for where others wrote.
        terms: GrantTerms,
    },
    /// Says no to an ask, onward or for consent.
    OnwardRefuse {
        /// The ask, by id or prefix.
        id: String,
        /// A word of [`crate::access::consent::GROUNDS`].
        reason: String,
    },
    /// Agrees, as one that wrote, that a further bureau gets a document.
    OnwardConsent {
        /// The ask for consent, by id or prefix.
        id: String,
    },
    /// Every ask.
    OnwardList,
    /// One ask.
    OnwardShow {
        /// Its id or prefix.
        id: String,
    },
    /// Takes access away from here on.
    AccessCut {
        /// Document id, number or prefix.
        id: String,
        /// Name, alias or id of a bureau, `seat:BUREAU/SEAT`, `unit:BUREAU/UNIT`, `key:HEX`, or a certificate id.
        subject: String,
        /// A stolen key: nothing unsettled of it stays.
        strict: bool,
    },
    /// Lets in what is held.
    AccessAdmit {
        /// Document id, number or prefix.
        id: String,
        /// Changes to let in with what they build on, by prefix; none named: everything held that nobody signed twice.
        acts: Vec<String>,
    },
    /// Root versions of our own bureau, rivals among them.
    RootList,
    /// Goes on with one of rival root versions of our own bureau.
    RootConfirm {
        /// Its checking code, as read off paper.
        checking_code: String,
    },
    /// Documents whose time is over or soon will be, and those held back.
    RetentionList,
    /// A person's word for ending and destroying what is due.
    RetentionConfirm {
        /// Documents by id, number or prefix; none named: everything that waits.
        documents: Vec<String>,
    },
    /// Stops ending and destroying of a document.
    HoldPlace {
        /// Document id, number or prefix.
        id: String,
        /// Why, one line, at most [`crate::limits::REASON_BYTES_MAX`].
        reason: String,
    },
    /// Lets the time of a document run on.
    HoldLift {
        /// Document id, number or prefix.
        id: String,
    },
    /// Documents with held work.
    HeldList,
    /// The held acts of one document, and why they are held.
    HeldShow {
        /// Document id, number or prefix.
        id: String,
    },
    /// Enters held work again, in its author's name.
    HeldReenter {
        /// Document id, number or prefix.
        id: String,
        /// Changes to enter again, by prefix; none named: everything held that we may.
        acts: Vec<String>,
    },
    /// Says that acts count no more.
    AccessVoid {
        /// Document id, number or prefix.
        id: String,
        /// Their changes, by prefix.
        acts: Vec<String>,
        /// Why, for every reader: one line, at most [`crate::limits::REASON_BYTES_MAX`].
        reason: String,
    },
    /// Raises the traffic light; whoever it shuts out loses the document.
    AccessReclassify {
        /// Document id, number or prefix.
        id: String,
        /// Traffic light word.
        tlp: String,
    },
    /// Removes files of a document everywhere.
    AccessErase {
        /// Document id, number or prefix.
        id: String,
        /// Files, by the first digits of their ids or by name.
        files: Vec<String>,
    },
    /// Lays down the next piece of a file that is to be attached.
    FilePiece {
        /// Document id, number or prefix.
        id: String,
        /// What the first piece was answered with.
        upload: Option<String>,
        /// 1 to [`crate::limits::PIECE_BYTES`]; all but the last have exactly so many.
        bytes: Vec<u8>,
    },
    /// Attaches a file of the pieces that were laid down.
    FileAttach {
        /// Document id, number or prefix.
        id: String,
        /// As answered to its pieces; `None` for a file without content.
        upload: Option<String>,
        /// For people, at most [`crate::limits::FILE_NAME_BYTES_MAX`] bytes.
        name: String,
        /// Media type, or empty.
        media: String,
    },
    /// The files of a document.
    FileList {
        /// Document id, number or prefix.
        id: String,
    },
    /// One piece of a file.
    FileRead {
        /// Document id, number or prefix.
        id: String,
        /// The file, by the first digits of its id or by name.
        file: String,
        /// Which piece, from 0.
        piece: u32,
    },
    /// Ends a document whose time of keeping is over.
    AccessEnd {
        /// Document id, number or prefix.
        id: String,
    },
    /// Disowns a document made in our name.
    AccessDisown {
        /// Document id, number or prefix.
        id: String,
    },
    /// Confirms a document the registrar does not adopt by itself.
    AccessAdopt {
        /// Document id, number or prefix.
        id: String,
    },
    /// Lets the registrar make the cuts that wait for a person's word.
    AccessConfirm,
    /// What waits for a person.
    Inbox,
    /// Events after a position.
    Events {
        /// Exclusive.
        after: u64,
        /// At most this many.
        limit: usize,
    },
}

impl std::fmt::Debug for Command {
    /// Commands hold case text; only the variant's name may reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command(..)")
    }
}

/// An ask onward as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAsk {
    /// The document: id, number or prefix.
    pub id: String,
    /// For whom: name, alias or id of a partner.
    pub recipient: String,
    /// `read` or `append`.
    pub verb: String,
    /// What for, 1 to [`crate::limits::PURPOSE_BYTES_MAX`] bytes; the owner reads it.
    pub purpose: String,
    /// `flash`, `urgent`, `priority` or `routine`.
    pub urgency: String,
    /// Without an answer by then it lapses; `None`: after [`crate::limits::ONWARD_ANSWER_S`].
    pub answer_by: Option<WallSeconds>,
}

/// Limits of a grant, and what those are told whose consent it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantTerms {
    /// Traffic light word: given no further once the document is stricter. `None`: of a grant onward today's, else no limit.
    pub tlp: Option<String>,
    /// Giving ends then; `None`: no end.
    pub until: Option<WallSeconds>,
    /// Whether the newcomer may ask for a further bureau; `None`: of a grant onward no, else yes.
    pub fourth: Option<bool>,
    /// What for, at most [`crate::limits::PURPOSE_BYTES_MAX`] bytes; those who wrote read it. Empty: of a grant onward what the asker said.
    pub purpose: String,
    /// The order waits until then for consents; `None`: for [`crate::limits::ONWARD_ANSWER_S`].
    pub answer_by: Option<WallSeconds>,
}

/// A bulletin or thread as typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Headline, at most 200 bytes.
    pub title: String,
    /// Body, at most [`crate::limits::TEXT_BYTES_MAX`].
    pub text: String,
    /// Category code, for instance `CRIM.SERIES`.
    pub category: String,
    /// Traffic light word; `None` takes the category's default.
    pub tlp: Option<String>,
    /// Bulletin subkind, for instance `series`; empty for threads.
    pub subkind: String,
    /// Case number of our own bureau, if any.
    pub case_number: Option<String>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draft(..)")
    }
}

/// A compact as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactDraft {
    /// What people will call it; empty in an amendment: as before.
    pub name: String,
    /// The common terms.
    pub terms: crate::agreement::Terms,
    /// The other bureaus, by name, alias or id; each with a checked card here. Empty in an amendment: as before.
    pub roster: Vec<String>,
    /// What it amends: name, id or prefix.
    pub previous: Option<String>,
}

/// A resolved reference to what a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A bureau.
    Bureau(BureauId),
    /// An agreement version.
    Agreement(AgreementId),
    /// A document.
    Document(DocumentId),
}
