//! What one input caused: what must be on disk, then what is sent, told and woken for.

use std::collections::BTreeMap;

use crate::bundle::Answer;
use crate::id::{DocumentId, TransportKey};
use crate::input::{CommandId, LinkId};
use crate::time::MonoMillis;
use crate::view::{EventView, Refused, View};

/// A keyed table of the store. Numbers are part of the storage format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Sealed statements by id: roots, certificates, revocations, appointments.
    Statements = 1,
    /// Document summaries by document id.
    Documents = 2,
    /// Partner cards, aliases and what was checked, by bureau id.
    Partners = 3,
    /// Cursors partners and siblings gave us, by their certificate.
    Cursors = 4,
    /// Agreement statements by id.
    Agreements = 5,
    /// Pending officers and invitations.
    Officers = 6,
    /// This store's own facts: index id, clock floor, counters.
    Local = 7,
    /// Content-free notes on held work.
    Held = 8,
    /// Devices of our own bureau.
    Devices = 9,
    /// How far each partner acknowledged, by bureau id.
    Acknowledged = 10,
    /// Events by position, the newest of them.
    Events = 11,
    /// When a sealed statement about bureaus or agreements was learnt here, by its id. Parts of documents carry that time themselves.
    Learned = 12,
    /// Lines of pair ledgers, by partner, direction and place; and per partner what is not yet stated.
    Ledger = 13,
    /// Relay passes by id.
    Passes = 14,
    /// Asks onward and for consent, answers, and grants that wait for consents.
    Onward = 15,
    /// Compacts by id.
    Compacts = 16,
    /// Tombstones of documents that were destroyed here, and what an officer holds back.
    Retention = 17,
    /// Files of documents: which parts are here, what was erased; what is being laid down. No name and no content.
    Parts = 18,
}

impl Table {
    /// Every table, in number order.
    pub const ALL: [Table; 18] = [
        Table::Statements,
        Table::Documents,
        Table::Partners,
        Table::Cursors,
        Table::Agreements,
        Table::Officers,
        Table::Local,
        Table::Held,
        Table::Devices,
        Table::Acknowledged,
        Table::Events,
        Table::Learned,
        Table::Ledger,
        Table::Passes,
        Table::Onward,
        Table::Compacts,
        Table::Retention,
        Table::Parts,
    ];

    /// The table with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }
}

/// One thing a step asks the disk to keep. All writes of a step are one atomic batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets (or with `None` removes) a keyed value; the last one wins.
    Put {
        /// Which table.
        table: Table,
        /// At most 128 bytes.
        key: Vec<u8>,
        /// At most 64 KiB.
        value: Option<Vec<u8>>,
    },
    /// Appends a part of a document: genesis, record or segment, stored under the document's own key; or an erasable part, stored under an id of its own.
    Item {
        /// The document it belongs to.
        document: DocumentId,
        /// Store-wide sequence, strictly increasing from 1.
        seq: u64,
        /// At most 1 MiB.
        body: Vec<u8>,
    },
    /// One line of the account that auditors read; only in the journal.
    Account(Vec<u8>),
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// On which link.
    pub link: LinkId,
    /// The encoded message.
    pub bytes: Vec<u8>,
    /// Carries document content under the policy epoch of this step: dropped at hand-off if the epoch has moved on.
    pub gated: bool,
}

/// Who may connect, and where to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedPeer {
    /// Its transport key.
    pub transport: TransportKey,
    /// `host:port` or multiaddrs.
    pub addresses: Vec<String>,
    /// Whether we keep dialling it.
    pub dial: bool,
}

/// What one input caused. Everything in `writes` is on disk before anything else here happens.
#[must_use]
#[derive(Debug, Default)]
pub struct Step {
    /// One atomic batch.
    pub writes: Vec<Write>,
    /// Documents and parts whose keys are destroyed once `writes` are on disk; those never stored are passed over.
    pub purges: Vec<DocumentId>,
    /// Messages, in order per link.
    pub sends: Vec<Send>,
    /// Answers to commands.
    pub answers: Vec<(CommandId, Result<View, Refused>)>,
    /// Answers to steps of packing and unpacking.
    pub bundles: Vec<(CommandId, Result<Answer, Refused>)>,
    /// News for watchers; also in `writes`.
    pub events: Vec<EventView>,
    /// The whole allow-list, when it changed.
    pub allow: Option<Vec<AllowedPeer>>,
    /// Links to close after their sends.
    pub close: Vec<LinkId>,
    /// Documents and parts whose bytes the core needs next: load, [`crate::bureau::Bureau::hold`], then wake it.
    pub wants: Vec<DocumentId>,
    /// When the core wants to be woken at the latest.
    pub wake_at: Option<MonoMillis>,
    /// The verify workers need a new snapshot of the directory.
    pub directory_changed: bool,
    /// The gates after this step: published before `sends` go out.
    pub gates: Gates,
}

/// What a gated frame is compared with when it leaves: it goes if its link's number is what it was when the frame was permitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The policy epoch, of all links.
    pub policy: u64,
    /// How often what was on its way to single links was made stale.
    pub links: BTreeMap<LinkId, u64>,
}

impl Gates {
    /// The number of one link. It never goes back.
    pub fn of(&self, link: LinkId) -> u64 {
        self.policy.saturating_add(self.links.get(&link).copied().unwrap_or(0))
    }
}

impl Step {
    /// Adds a later step of the same turn; the later one's gates, allow-list and wake-up stand.
    pub fn merge(&mut self, later: Step) {
        self.writes.extend(later.writes);
        self.purges.extend(later.purges);
        self.sends.extend(later.sends);
        self.answers.extend(later.answers);
        self.bundles.extend(later.bundles);
        self.events.extend(later.events);
        if later.allow.is_some() {
            self.allow = later.allow;
        }
        self.close.extend(later.close);
        for document in later.wants {
            if !self.wants.contains(&document) {
                self.wants.push(document);
            }
        }
        self.wake_at = later.wake_at;
        self.directory_changed |= later.directory_changed;
        self.gates = later.gates;
    }
}
