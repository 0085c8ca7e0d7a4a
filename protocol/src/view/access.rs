//! Who may what, why, and what goes to whom.

use serde::{Deserialize, Serialize};

use super::AttestedView;

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
