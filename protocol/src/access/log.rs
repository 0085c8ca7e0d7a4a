//! The access log of a document: its genesis (record 0) and the linear, hash-chained records of the owner's registrar.
//!
//! A log is the set of its valid records. Whether a record is valid depends on its bytes, the records before it and the certificates it
//! names by hash: never on a clock, a revocation or the order of arrival. After a fork no branch grants; what takes away counts always.

mod genesis;
mod order;
mod record;
mod rights;

use std::collections::BTreeMap;
use std::sync::Arc;

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Sealed, Verified};

pub use genesis::{Genesis, Grantee, Kind, Life, RULES};
pub use order::{Order, OrderAct};
pub use record::{FrontierLine, Record, RecordError, RecordKind, Subject};
pub use rights::{Held, Rights};

use crate::agreement::Verb;
use crate::id::{BureauId, DocumentId, RecordId};
use crate::rules::ActorId;

/// A record that stands in a log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record; `None` for the genesis.
    pub record: Option<Verified<Record>>,
    /// Place in the log.
    pub index: u32,
    /// The record before it.
    pub previous: Option<RecordId>,
    /// Rights as of here.
    pub rights: Arc<Rights>,
    children: u32,
}

/// A cut that stands in a log.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The record.
    pub record: RecordId,
    /// Whom.
    pub subject: Subject,
    /// What it takes.
    pub verbs: Vec<Verb>,
    /// Positions it leaves standing.
    pub frontier: BTreeMap<ActorId, u64>,
    /// Nothing unsettled stays and nothing is let in by itself.
    pub strict: bool,
}

/// The access log of one document.
#[derive(Clone, Debug)]
pub struct Log {
    document: DocumentId,
    genesis: Verified<Genesis>,
    entries: BTreeMap<RecordId, Entry>,
    cuts: Vec<Cut>,
    forked_after: Option<u32>,
}

/// What a learnt record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was there.
    Known,
    /// It adds: admission of what is already admitted stands.
    Adds,
    /// It takes away or shows a fork: admission is computed anew.
    TakesAway,
}

impl Log {
    /// The log that holds only its genesis. The creator must be a member of the owner with `create`.
    ///
    /// # Errors
    /// [`RecordError`] when the creator is unknown, of another bureau or without `create`.
    pub fn new(directory: &Directory, genesis: Verified<Genesis>) -> Result<Self, RecordError> {
        let body = genesis.body();
        let creator = directory.certificate(&body.creator).ok_or(RecordError::MissingEvidence("creator's certificate"))?.body();
        if creator.bureau != body.owner {
            return Err(RecordError::Malformed("creator is not of the owner bureau"));
        }
        let needed = if body.kind == Kind::Bulletin { Capability::Publish } else { Capability::Create };
        if !creator.capabilities.contains(&needed) {
            return Err(RecordError::Malformed("creator may not create such documents"));
        }
        if !genesis.signers().any(|key| *key == creator.key) {
            return Err(RecordError::Malformed("genesis is not sealed by its creator"));
        }
        let document = DocumentId(genesis.id().0);
        let mut rights = Rights::default();
        rights.grant(&body.audience, RecordId(document.0), body.at);
        let entry = Entry { record: None, index: 0, previous: None, rights: Arc::new(rights), children: 0 };
        Ok(Self { document, genesis, entries: BTreeMap::from([(RecordId(document.0), entry)]), cuts: Vec::new(), forked_after: None })
    }

    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// The genesis.
    pub fn genesis(&self) -> &Verified<Genesis> {
        &self.genesis
    }
    /// The id of record 0.
    pub fn genesis_id(&self) -> RecordId {
        RecordId(self.document.0)
    }

    /// Takes in one verified record.
    ///
    /// # Errors
    /// [`RecordError`]; the log is unchanged.
    pub fn learn(&mut self, directory: &Directory, record: Verified<Record>) -> Result<Learned, RecordError> {
        let id = RecordId(record.id().0);
        if self.entries.contains_key(&id) {
            return Ok(Learned::Known);
        }
        let body = record.body();
        if body.document != self.document {
            return Err(RecordError::Malformed("record of another document"));
        }
        let previous = self.entries.get(&body.previous).ok_or(RecordError::Waiting(body.previous))?;
        if body.index != previous.index + 1 {
            return Err(RecordError::Malformed("record index does not follow the record before"));
        }
        if let RecordKind::Grant(grantees, _) = &body.kind {
            let genesis = self.genesis.body();
            if grantees.iter().any(|grantee| grantee.bureau == genesis.owner || !genesis.kind.allows(grantee.verb)) {
                return Err(RecordError::Malformed("the kind does not allow these grantees"));
            }
            if genesis.rules == 1 && !grantees.iter().all(Grantee::is_plain) {
                return Err(RecordError::Malformed("rules version 1 knows no conditions of a grantee"));
            }
        }
        self.sealed_by_registrar(directory, &record)?;
        self.ordered(directory, &record)?;
        let forks = previous.children > 0;
        let (index, previous_id) = (body.index, body.previous);
        let takes_away = matches!(body.kind, RecordKind::Cut(..));
        let rights = apply(&previous.rights, &record, id, self.forked_after.is_none() && !forks);
        if let RecordKind::Cut(subject, verbs, frontier, strict, _) = &body.kind {
            self.cuts.push(Cut {
                record: id,
                subject: subject.clone(),
                verbs: verbs.clone(),
                frontier: frontier.iter().map(|line| (line.actor, line.position)).collect(),
                strict: *strict,
            });
        }
        self.entries.insert(id, Entry { record: Some(record), index, previous: Some(previous_id), rights, children: 0 });
        self.entries.get_mut(&previous_id).expect("looked up above").children += 1;
        if forks {
            self.forked_after = Some(self.forked_after.map_or(index - 1, |old| old.min(index - 1)));
            self.recompute_rights();
        }
        Ok(if takes_away || forks { Learned::TakesAway } else { Learned::Adds })
    }

    /// Whether the log has branched; then no branch grants beyond the fork.
    pub fn is_forked(&self) -> bool {
        self.forked_after.is_some()
    }
    /// Records without successor, ascending.
    pub fn heads(&self) -> Vec<RecordId> {
        self.entries.iter().filter(|(_, entry)| entry.children == 0).map(|(id, _)| *id).collect()
    }
    /// The one head, or after a fork the lowest of the longest branches: for display and for summing, never for rights.
    pub fn head(&self) -> RecordId {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.children == 0)
            .max_by_key(|(id, entry)| (entry.index, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
            .expect("a log holds at least its genesis")
    }
    /// One record.
    pub fn get(&self, id: &RecordId) -> Option<&Entry> {
        self.entries.get(id)
    }
    /// Every record, by place and id.
    pub fn entries(&self) -> Vec<(RecordId, &Entry)> {
        let mut all: Vec<_> = self.entries.iter().map(|(id, entry)| (*id, entry)).collect();
        all.sort_by_key(|(id, entry)| (entry.index, *id));
        all
    }
    /// Every cut of every branch.
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
    /// Rights now: at the head; after a fork only what all heads allow.
    pub fn rights(&self) -> Arc<Rights> {
        let heads = self.heads();
        let mut rights = Arc::clone(&self.entries[&heads[0]].rights);
        for head in &heads[1..] {
            let other = &self.entries[head].rights;
            let both = Rights {
                bureaus: rights.bureaus.iter().filter_map(|(b, held)| Some((*b, held.weaker(other.bureaus.get(b)?)))).collect(),
                parted: rights.parted.iter().chain(&other.parted).map(|(b, r)| (*b, *r)).collect(),
                denied: rights.denied.union(&other.denied).cloned().collect(),
            };
            rights = Arc::new(both);
        }
        rights
    }
    /// The records from the first to this one, in log order.
    pub fn up_to(&self, record: &RecordId) -> Vec<&Verified<Record>> {
        let mut out = Vec::new();
        let mut at = self.entries.get(record);
        while let Some(entry) = at {
            out.extend(&entry.record);
            at = entry.previous.and_then(|previous| self.entries.get(&previous));
        }
        out.reverse();
        out
    }
    /// Whether any record of any branch, or the genesis, ever let this bureau in.
    pub fn ever_held(&self, bureau: &BureauId) -> bool {
        let granted =
            |record: &Verified<Record>| matches!(&record.body().kind, RecordKind::Grant(all, _) if all.iter().any(|g| g.bureau == *bureau));
        self.genesis.body().audience.iter().any(|g| g.bureau == *bureau)
            || self.entries.values().filter_map(|entry| entry.record.as_ref()).any(granted)
    }
    /// Whether `newer` is `older` or descends from it.
    pub fn descends(&self, newer: &RecordId, older: &RecordId) -> bool {
        let Some(floor) = self.entries.get(older).map(|entry| entry.index) else { return false };
        let mut at = *newer;
        loop {
            if at == *older {
                return true;
            }
            match self.entries.get(&at) {
                Some(entry) if entry.index > floor => match entry.previous {
                    Some(previous) => at = previous,
                    None => return false,
                },
                _ => return false,
            }
        }
    }

    fn sealed_by_registrar(&self, directory: &Directory, record: &Verified<Record>) -> Result<(), RecordError> {
        let body = record.body();
        let owner = self.genesis.body().owner;
        let certificate = directory.certificate(&body.registrar).ok_or(RecordError::MissingEvidence("registrar's certificate"))?.body();
        let appointment = directory
            .bureau(&owner)
            .and_then(|bureau| bureau.appointments().find(|appointment| appointment.id() == body.appointment))
            .ok_or(RecordError::MissingEvidence("registrar's appointment"))?;
        if appointment.body().registrar != body.registrar || certificate.bureau != owner {
            return Err(RecordError::Malformed("not the registrar of that appointment"));
        }
        if !record.signers().any(|key| *key == certificate.key) {
            return Err(RecordError::Malformed("record is not sealed by its registrar"));
        }
        Ok(())
    }

    /// Human decisions embed the officer's sealed order, and say the same as it.
    fn ordered(&self, directory: &Directory, record: &Verified<Record>) -> Result<(), RecordError> {
        let (order, expected) = match &record.body().kind {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => return Ok(()),
            RecordKind::Grant(grantees, order) => (order, OrderAct::Grant(grantees.clone())),
            RecordKind::Cut(subject, verbs, _, strict, order) => (order, OrderAct::Cut(subject.clone(), verbs.clone(), *strict)),
        };
        let sealed = Sealed::<Order>::from_bytes(&order.0).map_err(|_| RecordError::Malformed("embedded order is unreadable"))?;
        let order = sealed.verify(directory.network()).map_err(|_| RecordError::Malformed("embedded order's seal is wrong"))?;
        let officer =
            directory.certificate(&order.body().officer).ok_or(RecordError::MissingEvidence("ordering officer's certificate"))?.body();
        let right = order.body().document == self.document
            && order.body().act == expected
            && officer.bureau == self.genesis.body().owner
            && officer.capabilities.contains(&Capability::Order)
            && order.signers().any(|key| *key == officer.key);
        if right { Ok(()) } else { Err(RecordError::Malformed("embedded order does not support the record")) }
    }

    fn recompute_rights(&mut self) {
        let Some(fork) = self.forked_after else { return };
        let ids: Vec<RecordId> = self.entries().into_iter().map(|(id, _)| id).collect();
        for id in ids {
            let entry = &self.entries[&id];
            let (Some(record), Some(previous)) = (&entry.record, entry.previous) else { continue };
            let rights = apply(&self.entries[&previous].rights, record, id, entry.index <= fork);
            self.entries.get_mut(&id).expect("id came from the map").rights = rights;
        }
    }
}

fn apply(before: &Arc<Rights>, record: &Verified<Record>, id: RecordId, grants_count: bool) -> Arc<Rights> {
    match &record.body().kind {
        RecordKind::Grant(grantees, _) if grants_count => {
            let mut rights = Rights::clone(before);
            rights.grant(grantees, id, record.body().at);
            Arc::new(rights)
        }
        RecordKind::Cut(subject, verbs, ..) => {
            let mut rights = Rights::clone(before);
            rights.cut(subject, verbs, id);
            Arc::new(rights)
        }
        _ => Arc::clone(before),
    }
}
