//! A document as our own store gave it: enough to send it on, if nothing in it is held back from anyone it may go to.
//!
//! What lies in our store was verified and taken in before it was written, and the store authenticates every byte it gives back. So nothing
//! is verified again; the type says where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::seal::{SealError, Sealed, Statement, Verified};

use super::Item;
use crate::access::log::{Genesis, Record};
use crate::id::{CertificateId, DocumentId, NetworkId};
use crate::rules::ActorId;
use crate::segment::{self, Segment};

/// Items of one document as our own store gave them, in sequence order.
pub struct Stored {
    pub(super) document: DocumentId,
    pub(super) items: Vec<(u64, Vec<u8>)>,
}

impl Stored {
    /// What the driver read from the store for the core: made where the core takes it and nowhere else (forbidden by `clippy.toml`).
    pub fn given(document: DocumentId, items: Vec<(u64, Vec<u8>)>) -> Self {
        Self { document, items }
    }
}

/// The one place where a seal is believed without a look at it.
#[expect(clippy::disallowed_methods, reason = "called for items of `Stored` only")]
pub(super) fn believe<T: Statement>(sealed: Sealed<T>, network: &NetworkId) -> Result<Verified<T>, SealError> {
    sealed.believe_stored(network)
}

/// A part of a document on its way out.
#[derive(Clone, Debug)]
pub enum Part {
    /// Genesis, record, opening or receipt.
    Statement(Item),
    /// Signed changes.
    Segment(Arc<Segment>),
}

impl Part {
    /// About how many bytes it takes in a message.
    pub fn about_bytes(&self) -> usize {
        match self {
            Part::Statement(item) => item.bytes().len(),
            Part::Segment(segment) => segment.about_bytes(),
        }
    }
    /// As it is stored.
    pub fn into_item(self) -> Item {
        match self {
            Part::Statement(item) => item,
            Part::Segment(segment) => Item::Segment(accord_keys::canon::encode(segment.as_ref())),
        }
    }
}

/// A document that may go as it is stored: all its changes are admitted and no writer has two for one position, so that nothing of it would be
/// left out, cut back or left apart for whoever may have it at all. That it quotes nobody, the caller knows (who is quoted travels with it).
#[derive(Debug)]
pub struct Sendable {
    parts: Vec<(u64, Part)>,
    /// Who is behind genesis and records.
    named: BTreeSet<CertificateId>,
    statements_until: u64,
    bytes: usize,
}

impl Sendable {
    /// Reads stored items of a document that has so many changes, all admitted, and whose newest item has this sequence. `None` when they are
    /// not all of it, or not of the plain kind: then its body is read back to send it.
    pub fn read(stored: &Stored, changes: u64, newest: u64) -> Option<Self> {
        let mut out = Self { parts: Vec::with_capacity(stored.items.len()), named: BTreeSet::new(), statements_until: 0, bytes: 0 };
        let mut runs: BTreeMap<ActorId, Vec<(u64, u64)>> = BTreeMap::new();
        let mut count = 0u64;
        for (seq, bytes) in &stored.items {
            let item = Item::from_bytes(bytes)?;
            let part = match &item {
                Item::Genesis(bytes) => {
                    out.named.insert(Sealed::<Genesis>::from_bytes(bytes).ok()?.claimed().creator);
                    Part::Statement(item)
                }
                Item::Record(bytes) => {
                    let record = Sealed::<Record>::from_bytes(bytes).ok()?;
                    out.named.insert(record.claimed().registrar);
                    out.named.extend(record.claimed().kind.officers());
                    Part::Statement(item)
                }
                Item::Segment(bytes) => {
                    let segment = segment::decode_stored(bytes).ok()?;
                    if segment.document != stored.document || !segment.links.is_empty() {
                        return None;
                    }
                    let actor = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
                    let until = segment.from.checked_add(segment.changes.len() as u64)?;
                    runs.entry(actor).or_default().push((segment.from, until));
                    count += segment.changes.len() as u64;
                    Part::Segment(Arc::new(segment))
                }
                Item::Opening(_) | Item::Receipt(_) => return None,
            };
            if matches!(part, Part::Statement(_)) {
                out.statements_until = out.statements_until.max(*seq);
            }
            out.bytes += bytes.len();
            out.parts.push((*seq, part));
        }
        // Each writer's positions once and without a gap, and as many as are admitted: then all of them are.
        let once = |runs: &mut Vec<(u64, u64)>| {
            runs.sort_unstable();
            runs.first().is_some_and(|(from, _)| *from == 1) && runs.windows(2).all(|two| two[0].1 == two[1].0)
        };
        let plain = runs.values_mut().all(once) && count == changes;
        let genesis_first = matches!(out.parts.first(), Some((_, Part::Statement(Item::Genesis(_)))));
        (plain && genesis_first && out.newest_seq() == newest).then_some(out)
    }
    /// Sequence of its newest item.
    pub fn newest_seq(&self) -> u64 {
        self.parts.iter().map(|(seq, _)| *seq).max().unwrap_or(0)
    }
    /// Stored bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// What was stored after `after`, in sequence order.
    pub fn parts_after(&self, after: u64) -> Vec<(u64, Part)> {
        self.parts.iter().filter(|(seq, _)| *seq > after).cloned().collect()
    }
    /// Certificates behind what travels.
    pub fn certificates(&self) -> BTreeSet<CertificateId> {
        self.writers(u64::MAX).chain(self.named.iter().copied()).collect()
    }
    /// Of those, the ones that whoever got the items up to `after` was given with them.
    pub fn certificates_until(&self, after: u64) -> BTreeSet<CertificateId> {
        let named = self.named.iter().copied().filter(|_| self.statements_until <= after);
        self.writers(after).chain(named).collect()
    }
    fn writers(&self, until: u64) -> impl Iterator<Item = CertificateId> {
        self.parts.iter().filter(move |(seq, _)| *seq <= until).filter_map(|(_, part)| match part {
            Part::Segment(segment) => Some(segment.certificate),
            Part::Statement(_) => None,
        })
    }
}
