//! Plain answers for the faces (CLI, API): strings and numbers only, ids in hex, times in Unix seconds.

#![allow(missing_docs)] // field names are the words of GLOSSARY.md; units are in each doc line above

mod access;
mod account;
mod agreement;
mod compact;
mod document;
mod status;

use serde::{Deserialize, Serialize};

pub use access::{
    AccessView, AskView, ExplainView, GroundView, HolderView, NameView, OnwardView, PendingView, ReceiverView, RecordView, SendingView,
    WaitView, WayView,
};
pub use account::{
    CountersignedView, JournalView, LedgerDayView, LedgerDiffView, LedgerDocumentView, LedgerLineView, LedgerView, ProofView,
};
pub use agreement::{
    AgreementView, AnnexView, ArticleView, ClusterView, EffectsView, FlowView, GrantView, LiaisonView, LineChangeView, PairingView,
    ResponseView, ResumeView, RetentionView, SealView, StopView, TermsDiffView,
};
pub use compact::{CompactCountsView, CompactPairView, CompactView};
pub use document::{
    AttestedView, DeliveryView, DocumentLine, DocumentView, EntryView, FileView, FilesView, HeldDocumentView, HeldEntryView, HeldView,
    PieceView, ReentryView, RetentionDocumentView, VoidView,
};
pub use status::{
    AlarmView, CardView, DeviceView, NodeAddress, OfficerView, PartnerView, ProgressRowView, ProgressView, ReadingView, RootView,
    StatusView,
};

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
    /// A page of documents, newest first.
    Documents {
        documents: Vec<DocumentLine>,
        /// There may be older ones: [`crate::input::Page::before`] of the next page. A page may be short, or empty, and others follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    },
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
