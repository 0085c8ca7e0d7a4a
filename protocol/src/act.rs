//! Acts: what a person states in a document, insert-only. State is derived from acts, never stored.

use accord_keys::time::WallSeconds;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::cited::Cited;
use crate::id::{Bytes, Digest, Nonce};
use crate::limits;

/// What an act states. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ActKind {
    /// A draft was written.
    #[n(1)]
    Draft,
    /// A bulletin was published.
    #[n(2)]
    Publish,
    /// A case thread was opened.
    #[n(3)]
    Open,
    /// 记录
    #[n(4)]
    Note,
    /// 发现
    #[n(5)]
    Finding,
    /// 会商纪要
    #[n(6)]
    Minutes,
    /// What somebody else wrote and is held, entered again in its author's name: see [`crate::intake`].
    #[n(7)]
    Reentered,
    /// A file was attached: see [`crate::part`].
    #[n(8)]
    Attached,
}

impl ActKind {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            ActKind::Draft => "draft",
            ActKind::Publish => "publish",
            ActKind::Open => "open",
            ActKind::Note => "note",
            ActKind::Finding => "finding",
            ActKind::Minutes => "minutes",
            ActKind::Reentered => "reentered",
            ActKind::Attached => "attached",
        }
    }
    /// An entry kind a person may add to a thread.
    pub fn entry_from_word(word: &str) -> Option<Self> {
        [ActKind::Note, ActKind::Finding, ActKind::Minutes].into_iter().find(|kind| kind.word() == word)
    }
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Act {
    /// Counts once however often it is entered.
    #[n(0)]
    pub uuid: Nonce,
    /// What it states.
    #[n(1)]
    pub kind: ActKind,
    /// Headline; empty for entries.
    #[n(2)]
    pub title: String,
    /// The entry's text; a bulletin's or thread's body stands in the document's shared text instead.
    #[n(3)]
    pub text: String,
    /// Bulletin subkind word, else empty.
    #[n(4)]
    pub subkind: String,
    /// Case number of the author's bureau.
    #[n(5)]
    pub case_number: Option<String>,
    /// Signing time by the author's clock; a claim.
    #[n(6)]
    pub signed_at: WallSeconds,
    /// Seat in which the author acts; empty for none.
    #[n(7)]
    pub seat: String,
    /// The approved draft a publication cites, salted by its uuid; local meaning only.
    #[n(8)]
    pub approval: Option<Nonce>,
    /// Of a re-entry, and of nothing else: the author's own signed segment with one change, whose acts count as written by that author.
    #[n(9)]
    pub quote: Option<Bytes>,
    /// Of a thread's opening, and of nothing else: the thread it continues.
    #[n(10)]
    pub continues: Option<Cited>,
    /// Of a file that is attached, and of nothing else: the manifest. What the file is called stands there, so that it can be erased.
    #[n(11)]
    pub file: Option<Digest>,
}

/// Why an act's bytes cannot be shown.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("act is unreadable: {0}")]
pub struct ActError(&'static str);

/// Whether text may stand in a document: no control characters but newline and tab, no bidirectional overrides.
pub fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
}

impl Act {
    /// An act that says nothing yet beyond its kind and when it was signed.
    pub const fn new(uuid: Nonce, kind: ActKind, signed_at: WallSeconds) -> Self {
        Self {
            uuid,
            kind,
            title: String::new(),
            text: String::new(),
            subkind: String::new(),
            case_number: None,
            signed_at,
            seat: String::new(),
            approval: None,
            quote: None,
            continues: None,
            file: None,
        }
    }

    /// Reads an act.
    ///
    /// # Errors
    /// When the bytes are no act or break its bounds; the change stays admitted and the page says so.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ActError> {
        if bytes.len() > limits::ACT_BYTES_MAX {
            return Err(ActError("longer than its bound"));
        }
        let act: Self = accord_keys::canon::decode(bytes).map_err(|_| ActError("not canonical"))?;
        act.validate()?;
        Ok(act)
    }
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        accord_keys::canon::encode(self)
    }
    /// Checks its bounds.
    ///
    /// # Errors
    /// [`ActError`] naming the bound.
    pub fn validate(&self) -> Result<(), ActError> {
        if self.title.len() > limits::TITLE_BYTES_MAX || !is_plain(&self.title) || self.title.contains('\n') {
            return Err(ActError("title"));
        }
        if self.text.len() > limits::TEXT_BYTES_MAX || !is_plain(&self.text) {
            return Err(ActError("text"));
        }
        if self.subkind.len() > 40 || self.seat.len() > 96 || self.case_number.as_ref().is_some_and(|n| n.len() > 120) {
            return Err(ActError("field length"));
        }
        if self.quote.is_some() != (self.kind == ActKind::Reentered) {
            return Err(ActError("a re-entry quotes, and nothing else does"));
        }
        if self.continues.is_some() && self.kind != ActKind::Open {
            return Err(ActError("an opening continues, and nothing else does"));
        }
        if self.file.is_some() != (self.kind == ActKind::Attached) {
            return Err(ActError("a file is attached, and nothing else is"));
        }
        // What stands here stands for ever.
        if self.file.is_some() && !(self.title.is_empty() && self.text.is_empty() && self.subkind.is_empty() && self.case_number.is_none())
        {
            return Err(ActError("what is said of a file stands in its manifest"));
        }
        Ok(())
    }

    /// Whether an act's bytes may attach a file: as [`Act::may_reenter`].
    pub fn may_attach(bytes: &[u8]) -> bool {
        bytes.get(19..21) == Some(&[1, 8])
    }

    /// Whether an act's bytes may be a re-entry: looks at one place of the canonical form and reads nothing else.
    pub fn may_reenter(bytes: &[u8]) -> bool {
        // Map, key 0, byte string of 16, key 1, kind 7.
        bytes.get(19..21) == Some(&[1, 7])
    }
}

/// Bulletin subkinds of the first version, as stable words.
pub const SUBKINDS: [&str; 15] = [
    "clue",
    "series",
    "wanted",
    "missing",
    "unidentified",
    "stolen_property",
    "vehicle",
    "modus",
    "warning",
    "hazard",
    "environment",
    "market",
    "traffic",
    "experience",
    "notice",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(kind: ActKind) -> Act {
        Act::new(Nonce([7; 16]), kind, WallSeconds(9))
    }

    #[test]
    fn a_file_is_attached_by_its_manifest_alone_and_is_known_by_one_look() {
        let attached = Act { file: Some(Digest([5; 32])), ..empty(ActKind::Attached) };
        assert_eq!(Act::from_bytes(&attached.to_bytes()).as_ref(), Ok(&attached));
        assert!(Act::may_attach(&attached.to_bytes()) && !Act::may_attach(&empty(ActKind::Note).to_bytes()));
        assert!(Act::from_bytes(&empty(ActKind::Attached).to_bytes()).is_err());
        assert!(Act::from_bytes(&Act { file: Some(Digest([5; 32])), ..empty(ActKind::Note) }.to_bytes()).is_err());
        for said in [
            Act { title: "照片".into(), ..attached.clone() },
            Act { text: "证人张某".into(), ..attached.clone() },
            Act { subkind: "photo".into(), ..attached.clone() },
            Act { case_number: Some("7".into()), ..attached },
        ] {
            assert!(Act::from_bytes(&said.to_bytes()).is_err(), "what is said in history cannot be erased");
        }
    }

    #[test]
    fn a_reentry_quotes_and_is_known_by_one_look_at_its_bytes() {
        let act = |kind, quote: Option<&[u8]>| Act { quote: quote.map(|bytes| Bytes(bytes.to_vec())), ..empty(kind) };
        let wrapper = act(ActKind::Reentered, Some(b"segment"));
        assert_eq!(Act::from_bytes(&wrapper.to_bytes()).as_ref(), Ok(&wrapper));
        assert!(Act::may_reenter(&wrapper.to_bytes()));
        let note = act(ActKind::Note, None);
        assert_eq!(Act::from_bytes(&note.to_bytes()).as_ref(), Ok(&note));
        assert!(!Act::may_reenter(&note.to_bytes()));
        assert!(Act::from_bytes(&act(ActKind::Reentered, None).to_bytes()).is_err());
        assert!(Act::from_bytes(&act(ActKind::Note, Some(b"segment")).to_bytes()).is_err());
    }

    #[test]
    fn an_opening_may_continue_another_thread_and_nothing_else_does() {
        let cited = Cited::new(Nonce([3; 16]), &crate::id::DocumentId([4; 32]));
        let act = |kind| Act { continues: Some(cited), ..empty(kind) };
        assert_eq!(Act::from_bytes(&act(ActKind::Open).to_bytes()), Ok(act(ActKind::Open)));
        for kind in [ActKind::Draft, ActKind::Publish, ActKind::Note, ActKind::Finding, ActKind::Minutes] {
            assert!(Act::from_bytes(&act(kind).to_bytes()).is_err(), "{kind:?}");
        }
    }
}
