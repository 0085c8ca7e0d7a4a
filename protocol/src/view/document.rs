//! Documents, what is held of them, their files.

use serde::{Deserialize, Serialize};

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
