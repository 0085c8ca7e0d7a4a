//! What a document's state rests on, change by change: for proofs, and for whoever asks why something is held.

use std::collections::BTreeSet;

use super::{Actor, DocState};
use crate::agreement::Verb;
use crate::id::{CertificateId, RecordId};
use crate::rules::{ActorId, ChangeHash};

/// One well-formed change: who signed it, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The change.
    pub change: ChangeHash,
    /// Its writer's life.
    pub actor: ActorId,
    /// Its writer's certificate.
    pub certificate: CertificateId,
    /// Its position in that life.
    pub position: u64,
    /// The record it cites; the lowest, where its writer attested it under several.
    pub cited: RecordId,
    /// The first anchor that contains it.
    pub settled_by: Option<RecordId>,
    /// Why it is held; `None` when it is admitted.
    pub held: Option<Held>,
}

/// Why a change is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its writer signed two changes for this position or one before it.
    Fork,
    /// A cut covers it.
    Cut(RecordId),
    /// The document ended before it was settled.
    Ended,
    /// It cites a record that is not here, or one older than what it builds on cites.
    Citation,
    /// The record it cites does not give its writer the verb.
    Right,
    /// It builds on what is held.
    Dependency,
}

impl Held {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Held::Fork => "fork",
            Held::Cut(_) => "cut",
            Held::Ended => "ended",
            Held::Citation => "citation",
            Held::Right => "right",
            Held::Dependency => "dependency",
        }
    }
}

/// What a document's parts name and that is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Segments that found no place.
    pub segments: usize,
    /// Records whose predecessor is missing.
    pub records: usize,
    /// Changes that anchors name.
    pub tips: BTreeSet<ChangeHash>,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl DocState {
    /// Every well-formed change: settled ones by their anchor, then admitted ones, then held ones; within each by hash.
    pub fn standings(&self) -> Vec<Standing> {
        let mut out: Vec<_> = self
            .index
            .iter()
            .filter_map(|meta| {
                let actor = self.actors.get(&meta.actor)?;
                let cited = self.citations(&meta.hash).min()?;
                let held = (!self.admitted.contains(&meta.hash)).then(|| self.why_held(&meta.hash, meta.seq, &meta.actor, actor));
                let order = self.status.get(&meta.hash).and_then(|status| status.anchor);
                let standing = Standing {
                    change: meta.hash,
                    actor: meta.actor,
                    certificate: actor.certificate,
                    position: meta.seq,
                    cited,
                    settled_by: self.first_anchor(&meta.hash),
                    held,
                };
                Some(((held.is_some(), order.is_none(), order, meta.hash), standing))
            })
            .collect();
        out.sort_by_key(|(place, _)| *place);
        out.into_iter().map(|(_, standing)| standing).collect()
    }

    pub(super) fn why_held(&self, hash: &ChangeHash, position: u64, id: &ActorId, actor: &Actor) -> Held {
        if actor.fork_at.is_some_and(|fork| fork <= position) {
            return Held::Fork;
        }
        if self.log.ended().is_some() {
            return Held::Ended;
        }
        let covering = self.log.cuts().iter().find(|cut| self.covers(cut, id, actor, position));
        if let Some(cut) = covering {
            return Held::Cut(cut.record);
        }
        let Some(cited) = self.citations(hash).min().and_then(|cited| self.log.get(&cited)) else { return Held::Citation };
        let owner = self.owner();
        if !cited.rights.allow(&owner, &actor.certificate, &actor.member, Verb::Append) {
            return Held::Right;
        }
        let deps = self.index.get(hash).map(|meta| meta.deps.as_slice()).unwrap_or_default();
        if deps.iter().all(|dep| self.admitted.contains(dep)) { Held::Citation } else { Held::Dependency }
    }

    /// What is named and not here.
    pub fn missing(&self) -> Missing {
        Missing {
            segments: self.waiting_segments.len(),
            records: self.waiting_records.len(),
            tips: self.missing_tips.keys().copied().collect(),
        }
    }
}
