//! What the handling of one input carries along: the clocks, dice from the seed, the step being built.

use minicbor::{Decode, Encode};

use super::{Bureau, rows};
use crate::clock::Clock;
use crate::id::{BureauId, CertificateId, DocumentId, Nonce};
use crate::limits;
use crate::segment::Life;
use crate::step::{Step, Table, Write};
use crate::time::{Now, WallSeconds};
use crate::view::EventView;

/// See the module.
pub struct Turn {
    pub now: Now,
    /// What statements are stamped with.
    pub stamp: WallSeconds,
    /// What egress asks.
    pub effective: WallSeconds,
    pub step: Step,
    seed: [u8; 32],
    drawn: u64,
}

impl Turn {
    pub fn new(now: Now, stamp: WallSeconds, effective: WallSeconds, seed: [u8; 32]) -> Self {
        Self { now, stamp, effective, step: Step::default(), seed, drawn: 0 }
    }

    /// Takes over what the clock says after it changed within this turn.
    pub fn read(&mut self, clock: &Clock) {
        self.stamp = clock.stamp(self.now);
        self.effective = clock.effective(self.now);
    }

    /// 32 fresh bytes, a function of the seed and how many were drawn before.
    pub fn draw(&mut self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(b"accord dice v1");
        hasher.update(&self.drawn.to_be_bytes());
        self.drawn += 1;
        *hasher.finalize().as_bytes()
    }
    pub fn nonce(&mut self) -> Nonce {
        let mut out = [0; 16];
        out.copy_from_slice(&self.draw()[..16]);
        Nonce(out)
    }
    pub fn life(&mut self) -> Life {
        let mut out = [0; 8];
        out.copy_from_slice(&self.draw()[..8]);
        Life(out)
    }
    pub fn reference(&mut self) -> u64 {
        let mut out = [0; 8];
        out.copy_from_slice(&self.draw()[..8]);
        u64::from_be_bytes(out)
    }

    pub fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.step.writes.push(Write::Put { table, key: key.to_vec(), value: Some(value) });
    }
    pub fn remove(&mut self, table: Table, key: &[u8]) {
        self.step.writes.push(Write::Put { table, key: key.to_vec(), value: None });
    }
}

/// One line of the account auditors read: who, what, which document, under which agreement; never content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AccountLine {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// When, by this node's clock.
    #[n(1)]
    pub at: WallSeconds,
    /// What: a stable word.
    #[n(2)]
    pub kind: String,
    /// On which document.
    #[n(3)]
    pub document: Option<DocumentId>,
    /// Which other bureau it concerns.
    #[n(4)]
    pub bureau: Option<BureauId>,
    /// Whose act it was: an officer, or the other side's device.
    #[n(5)]
    pub certificate: Option<CertificateId>,
    /// A clause, a reason, a reference; never content.
    #[n(6)]
    pub detail: String,
    /// `true`: a clock jump was held, so `at` is uptime counted from the last corroborated time.
    #[n(7)]
    pub held: Option<bool>,
}

impl AccountLine {
    /// Reads a line as the store keeps it; `None` for what a later version wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        rows::read("account", bytes).ok()
    }
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventRow {
    #[n(0)]
    pub at: WallSeconds,
    #[n(1)]
    pub kind: String,
    #[n(2)]
    pub document: Option<DocumentId>,
    #[n(3)]
    pub bureau: Option<BureauId>,
    #[n(4)]
    pub detail: String,
}

impl EventRow {
    pub fn view(self, position: u64) -> EventView {
        EventView {
            position,
            at: self.at.0,
            kind: self.kind,
            document: self.document.map(|d| d.to_string()).unwrap_or_default(),
            bureau: self.bureau.map(|b| b.to_string()).unwrap_or_default(),
            detail: self.detail,
        }
    }
}

impl Bureau {
    /// Notes something for watchers; it is stored and keeps its position.
    pub(super) fn event(&mut self, turn: &mut Turn, kind: &str, document: Option<DocumentId>, bureau: Option<BureauId>, detail: &str) {
        self.event_position += 1;
        let row = EventRow { at: turn.stamp, kind: kind.to_owned(), document, bureau, detail: detail.to_owned() };
        turn.put(Table::Events, &self.event_position.to_be_bytes(), rows::write(&row));
        let view = row.view(self.event_position);
        turn.step.events.push(view.clone());
        self.events.push_back(view);
        if self.events.len() as u64 > limits::EVENTS_KEPT
            && let Some(old) = self.events.pop_front()
        {
            turn.remove(Table::Events, &old.position.to_be_bytes());
        }
    }

    /// Writes one line into the account.
    pub(super) fn account(
        &self,
        turn: &mut Turn,
        kind: &str,
        document: Option<DocumentId>,
        bureau: Option<BureauId>,
        certificate: Option<CertificateId>,
        detail: &str,
    ) {
        let held = self.clock.is_held().then_some(true);
        let (kind, detail) = (kind.to_owned(), detail.to_owned());
        let line = AccountLine { version: 1, at: turn.stamp, kind, document, bureau, certificate, detail, held };
        turn.step.writes.push(Write::Account(rows::write(&line)));
    }

    /// Persists the corroborated time.
    pub(super) fn write_floor(&mut self, turn: &mut Turn) {
        self.floor_written = turn.now.mono;
        let kept = self.clock.kept(turn.now.mono);
        turn.put(Table::Local, b"floor", kept.floor.0.to_be_bytes().to_vec());
        turn.put(Table::Local, b"leapt", kept.leapt.to_be_bytes().to_vec());
    }
}
