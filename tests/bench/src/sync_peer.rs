//! `automerge::sync` in one process: two sides, a message per document each way until both are silent. No network, signatures or disk.

use automerge::sync::{State, SyncDoc};
use automerge::{Automerge, Change};

use crate::{Failed, seconds};

/// Both sides of every document.
pub struct Sides {
    left: Vec<Automerge>,
    right: Vec<Automerge>,
    states: Vec<(State, State)>,
}

/// What one exchange cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds.
    pub seconds: f64,
    /// Bytes of messages from left to right, and back.
    pub there: u64,
    /// See `there`.
    pub back: u64,
    /// Most rounds any document took.
    pub round_trips: u64,
}

/// A document of raw changes.
///
/// # Errors
/// When Automerge refuses one.
pub fn document(raw: &[Vec<u8>]) -> Result<Automerge, Failed> {
    let changes: Vec<Change> = raw.iter().map(|raw| Change::from_bytes(raw.clone())).collect::<Result<_, _>>()?;
    let mut document = Automerge::new();
    document.apply_changes(changes)?;
    Ok(document)
}

impl Sides {
    /// The left side holds everything, the right side nothing.
    ///
    /// # Errors
    /// When Automerge refuses a change.
    pub fn new(documents: &[Vec<Vec<u8>>]) -> Result<Self, Failed> {
        let left = documents.iter().map(|raw| document(raw)).collect::<Result<Vec<_>, _>>()?;
        let right = documents.iter().map(|_| Automerge::new()).collect();
        let states = documents.iter().map(|_| (State::new(), State::new())).collect();
        Ok(Self { left, right, states })
    }

    /// Bytes of `save()` of all documents of the left side.
    pub fn saved(&self) -> u64 {
        self.left.iter().map(|document| document.save().len() as u64).sum()
    }

    /// What a reconnect begins from: each side remembers what Automerge keeps of the other and nothing else.
    pub fn reconnect(&mut self) -> Result<(), Failed> {
        for (left, right) in &mut self.states {
            *left = State::decode(&left.encode())?;
            *right = State::decode(&right.encode())?;
        }
        Ok(())
    }

    /// One more change in each of the first documents of the left side.
    ///
    /// # Errors
    /// When Automerge refuses one.
    pub fn change(&mut self, count: usize) -> Result<(), Failed> {
        use automerge::transaction::Transactable as _;
        for document in self.left.iter_mut().take(count) {
            let mut transaction = document.transaction();
            transaction.put(automerge::ROOT, "status", "核查中")?;
            transaction.commit();
        }
        Ok(())
    }

    /// Syncs every document.
    ///
    /// # Errors
    /// When Automerge refuses a message or the sides differ in the end.
    pub fn exchange(&mut self) -> Result<Cost, Failed> {
        let mut cost = Cost::default();
        let begun = std::time::Instant::now();
        for ((left, right), (to_right, to_left)) in self.left.iter_mut().zip(&mut self.right).zip(&mut self.states) {
            for round in 1.. {
                let there = left.generate_sync_message(to_right);
                if let Some(message) = there.clone() {
                    let bytes = message.encode();
                    cost.there += bytes.len() as u64;
                    right.receive_sync_message(to_left, automerge::sync::Message::decode(&bytes)?)?;
                }
                let back = right.generate_sync_message(to_left);
                if let Some(message) = back.clone() {
                    let bytes = message.encode();
                    cost.back += bytes.len() as u64;
                    left.receive_sync_message(to_right, automerge::sync::Message::decode(&bytes)?)?;
                }
                if there.is_none() && back.is_none() {
                    break;
                }
                cost.round_trips = cost.round_trips.max(round);
            }
        }
        cost.seconds = seconds(begun);
        if self.left.iter().zip(&self.right).any(|(left, right)| left.get_heads() != right.get_heads()) {
            return Err("automerge::sync left the sides different".into());
        }
        Ok(cost)
    }
}
