//! Accounts: the journal, proofs, the ledger of a pair.

use serde::{Deserialize, Serialize};

use super::NameView;

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
