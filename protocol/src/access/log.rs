//! The access log of a document: its genesis (record 0) and the hash-chained records of the owner's registrar.
//!
//! A log is the set of its records that stand. Whether one stands depends on its bytes, the records before it and the certificates it names
//! by hash: never on a clock, a revocation or the order of arrival. Records form a tree that should be a line. After a **fork** no branch
//! grants beyond it, and what takes away counts on every branch, until a `continue` names all heads: then its own branch goes on and grants
//! as if it had been alone, and carries along what the others took away. A `continue` that calls a key compromised sets the other branches
//! aside altogether, now and for ever; it takes an officer's order and a newer appointment.

mod fork;
mod genesis;
mod order;
mod record;
mod rights;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_keys::seal::{Sealed, Verified};

pub use fork::LostGrant;
pub use genesis::{Genesis, Grantee, Kind, Life, RULES};
pub use order::{Order, OrderAct};
pub use record::{EndKind, FrontierLine, Record, RecordError, RecordKind, Subject};
pub use rights::{Held, Rights};
pub use shared::SharedMap;

use super::audience::Opening;
use super::consent;
use crate::agreement::{Tlp, Verb};
use crate::id::{BureauId, Digest, DocumentId, RecordId, StatementId};
use crate::limits;
use crate::rules::{ActorId, ChangeHash};
use fork::{Extension, Forked};

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
    /// Bureaus named by a grant on the way to here, hidden ones not among them.
    named: SharedMap<BureauId, ()>,
    /// Traffic light on the way to here.
    tlp: Tlp,
    /// Epoch of the registrar that wrote it; 0 for the genesis.
    epoch: u32,
    /// Longest way from the genesis, through named heads too.
    height: u32,
    /// How many records name it as the one before.
    children: u32,
}

impl Entry {
    /// Traffic light as of here.
    pub fn tlp(&self) -> Tlp {
        self.tlp
    }
    /// The records it rests on: the one before it, then the other heads it names.
    fn parents(&self) -> impl Iterator<Item = RecordId> + '_ {
        let heads = match self.record.as_ref().map(|record| &record.body().kind) {
            Some(RecordKind::Continue(heads, ..)) => heads.as_slice(),
            _ => &[],
        };
        self.previous.into_iter().chain(heads.iter().copied().filter(|head| Some(*head) != self.previous))
    }
    fn kind(&self) -> Option<&RecordKind> {
        self.record.as_ref().map(|record| &record.body().kind)
    }
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

/// Place of a record among all: those of the branch that goes on first, then index, then id. Of two anchors the lower counts.
pub type Place = (bool, u32, RecordId);

/// The access log of one document.
#[derive(Clone, Debug)]
pub struct Log {
    document: DocumentId,
    genesis: Verified<Genesis>,
    entries: BTreeMap<RecordId, Entry>,
    cuts: Vec<Cut>,
    /// Records that ended the document, by place.
    ends: BTreeMap<Place, EndKind>,
    /// The newest record of a log that never branched.
    newest: RecordId,
    /// What opens the places of a hidden audience, as far as known here.
    openings: BTreeSet<Opening>,
    /// Where each order and each consent stands. It may stand once on a branch.
    spent: BTreeMap<StatementId, Vec<RecordId>>,
    /// What a log that ever branched needs besides.
    forked: Option<Forked>,
}

/// What a learnt record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was there.
    Known,
    /// It adds: admission of what is already admitted stands.
    Adds,
    /// It takes away, shows a fork or heals one: admission is computed anew.
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
        rights.grant(&body.audience, (RecordId(document.0), 0), body.at, &[]);
        let named = body.audience.iter().map(|grantee| (grantee.bureau, ())).collect();
        let entry = Entry {
            record: None,
            index: 0,
            previous: None,
            rights: Arc::new(rights),
            named,
            tlp: body.tlp,
            epoch: 0,
            height: 0,
            children: 0,
        };
        let newest = RecordId(document.0);
        let entries = BTreeMap::from([(newest, entry)]);
        Ok(Self {
            document,
            genesis,
            entries,
            cuts: Vec::new(),
            ends: BTreeMap::new(),
            newest,
            openings: BTreeSet::new(),
            spent: BTreeMap::new(),
            forked: None,
        })
    }

    /// Takes in what opens one commitment of a hidden audience: a grant of record 0. `false` when it was known or opens none.
    pub fn learn_opening(&mut self, opening: &Opening) -> bool {
        let opens = self.genesis.body().hidden.as_ref().is_some_and(|hidden| hidden.binary_search(&opening.commitment()).is_ok());
        if !opens || opening.bureau == self.genesis.body().owner || !self.openings.insert(opening.clone()) {
            return false;
        }
        let (id, at) = (self.genesis_id(), self.genesis.body().at);
        let grantee = Grantee::plain(opening.bureau, Opening::VERB, None);
        let first = self.entries.get_mut(&id).expect("a log holds its genesis");
        Arc::make_mut(&mut first.rights).grant(&[grantee], (id, 0), at, &[]);
        let mut later: Vec<(u32, RecordId)> = self.entries.iter().map(|(id, entry)| (entry.height, *id)).collect();
        later.sort_unstable();
        for (_, id) in later.into_iter().filter(|(height, _)| *height > 0) {
            let rights = self.rights_after(id, &self.entries[&id]);
            self.entries.get_mut(&id).expect("listed above").rights = rights;
        }
        true
    }
    /// What opens the commitments of a hidden audience, as far as known here.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        self.openings.iter()
    }
    /// Whether its audience is hidden behind commitments.
    pub fn is_hidden(&self) -> bool {
        self.genesis.body().hidden.is_some()
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
        if let RecordKind::Continue(heads, ..) = &body.kind
            && let Some(missing) = heads.iter().find(|head| !self.entries.contains_key(*head))
        {
            return Err(RecordError::Waiting(*missing));
        }
        if body.index != previous.index + 1 {
            return Err(RecordError::Malformed("record index does not follow the record before"));
        }
        let epoch = self.sealed_by_registrar(directory, &record)?;
        self.fits(&record, previous, epoch)?;
        let named = self.named_with(&body.kind, previous)?;
        // Orders and consents, each of which stands once.
        let mut spent: Vec<StatementId> = self.ordered(directory, &record)?.into_iter().collect();
        spent.extend(self.consented(directory, &record)?);
        let entry = Entry {
            index: body.index,
            previous: Some(body.previous),
            rights: Arc::clone(&previous.rights),
            named,
            tlp: if let RecordKind::Reclassify(tlp, ..) = &body.kind { *tlp } else { previous.tlp },
            epoch,
            height: 0,
            children: 0,
            record: Some(record),
        };
        Ok(self.insert(id, entry, spent))
    }

    /// What the rules version and the record's place in the log demand.
    fn fits(&self, record: &Verified<Record>, previous: &Entry, epoch: u32) -> Result<(), RecordError> {
        let (body, genesis) = (record.body(), self.genesis.body());
        let bad = |why: &'static str| Err(RecordError::Malformed(why));
        let grantees = body.kind.grantees();
        if !grantees.is_empty() {
            if grantees.iter().any(|grantee| grantee.bureau == genesis.owner || !genesis.kind.allows(grantee.verb)) {
                return bad("the kind does not allow these grantees");
            }
            if genesis.rules == 1 && !grantees.iter().all(Grantee::is_plain) {
                return bad("rules version 1 knows no conditions of a grantee");
            }
        }
        if genesis.rules == 1 {
            return if body.kind.is_first() { Ok(()) } else { bad("rules version 1 does not know this record") };
        }
        if matches!(previous.kind(), Some(RecordKind::End(..))) {
            return bad("nothing follows the end of a document");
        }
        let named = match &body.kind {
            RecordKind::Continue(heads, ..) => heads.as_slice(),
            _ => &[],
        };
        let before = |id: &RecordId| self.entries.get(id).map_or(0, |entry| entry.epoch);
        match &body.kind {
            // Only a newer appointment may call the older one's key stolen; else the thief would. The record before it is among the heads.
            RecordKind::Continue(_, true, _) if named.iter().any(|head| before(head) >= epoch) => {
                return bad("a compromised branch is left under a newer appointment only");
            }
            RecordKind::Continue(..) if self.is_nested(named) => return bad("a named head is before another"),
            RecordKind::Reclassify(tlp, ..) if *tlp <= previous.tlp => return bad("a traffic light is raised only"),
            RecordKind::Reclassify(_, narrowed, _) if narrowed.contains(&genesis.owner) => return bad("the owner keeps its document"),
            _ => {}
        }
        if previous.epoch > epoch || named.iter().any(|head| before(head) > epoch) {
            return bad("a record of an older appointment follows one of a newer");
        }
        Ok(())
    }

    /// The bureaus named on the way to a record: so many and no more, each of them costs every holder of the document.
    fn named_with(&self, kind: &RecordKind, previous: &Entry) -> Result<SharedMap<BureauId, ()>, RecordError> {
        let mut named = previous.named.clone();
        for grantee in kind.grantees() {
            if !named.contains_key(&grantee.bureau) {
                named.insert(grantee.bureau, ());
            }
        }
        if named.len() > limits::BUREAUS_PER_LOG_MAX {
            return Err(RecordError::Malformed("a log names only so many bureaus"));
        }
        Ok(named)
    }

    fn insert(&mut self, id: RecordId, mut entry: Entry, spent: Vec<StatementId>) -> Learned {
        let parents: Vec<RecordId> = entry.parents().collect();
        let previous = entry.previous.expect("only the genesis has none, and it is there from the start");
        entry.height = parents.iter().map(|parent| self.entries[parent].height + 1).max().expect("a record has the one before it");
        let heals = parents.len() > 1;
        let takes_away = matches!(entry.kind(), Some(RecordKind::Cut(..) | RecordKind::Reclassify(..) | RecordKind::End(..)));
        let followed = self.entries[&previous].children > 0;
        self.entries.get_mut(&previous).expect("looked up before").children += 1;
        for statement in spent {
            self.spent.entry(statement).or_default().push(id);
        }
        let extension = match &mut self.forked {
            None if followed => Extension::Branches,
            None => Extension::Extends,
            Some(forked) => forked.extend(id, &entry),
        };
        entry.rights = self.rights_after(id, &entry);
        if extension == Extension::Extends {
            self.newest = id;
            self.note_taken(id, &entry);
        }
        self.entries.insert(id, entry);
        if extension == Extension::Aside {
            return Learned::Adds;
        }
        let turns = heals || extension == Extension::Branches;
        if turns {
            self.rederive();
        }
        if takes_away || turns { Learned::TakesAway } else { Learned::Adds }
    }

    /// Rights after a record that follows others whose rights are known.
    fn rights_after(&self, id: RecordId, entry: &Entry) -> Arc<Rights> {
        let previous = &self.entries[&entry.previous.expect("not the genesis")].rights;
        let Some(record) = &entry.record else { return Arc::clone(previous) };
        let forked = self.forked.as_ref();
        if forked.is_some_and(|forked| forked.is_aside(&id)) {
            return Arc::clone(previous);
        }
        match &record.body().kind {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) if forked.is_none_or(|forked| forked.grants(&id)) => {
                let mut rights = Rights::clone(previous);
                rights.grant(grantees, (id, entry.index), record.body().at, &record.body().kind.consents());
                Arc::new(rights)
            }
            kind @ (RecordKind::Cut(..) | RecordKind::Reclassify(..) | RecordKind::End(..)) => {
                let mut rights = Rights::clone(previous);
                rights.take(kind, id);
                Arc::new(rights)
            }
            RecordKind::Continue(_, false, _) => {
                let mut rights = Rights::clone(previous);
                for (other, taken) in self.taken_elsewhere(entry) {
                    rights.take(taken, other);
                }
                Arc::new(rights)
            }
            _ => Arc::clone(previous),
        }
    }

    /// Notes what a counting record takes away from writers.
    fn note_taken(&mut self, id: RecordId, entry: &Entry) {
        self.cuts.extend(cuts_of(id, entry));
        if let Some(RecordKind::End(kind, _)) = entry.kind() {
            self.ends.insert(self.place(&id, entry), *kind);
        }
    }

    /// Records without successor that count, ascending. More than one: the log is forked.
    pub fn heads(&self) -> Vec<RecordId> {
        match &self.forked {
            Some(forked) => forked.heads(),
            None => vec![self.newest],
        }
    }
    /// Whether the log has branched and nothing named all heads since; then no branch grants beyond the fork.
    pub fn is_forked(&self) -> bool {
        self.forked.as_ref().is_some_and(Forked::is_open)
    }
    /// The one head, or after a fork the lowest of the longest branches: for display and for writing, never for rights.
    pub fn head(&self) -> RecordId {
        let heads = self.heads();
        let longest = heads.iter().max_by_key(|id| (self.entries[id].index, std::cmp::Reverse(**id)));
        *longest.expect("a log holds at least its genesis")
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
    /// Every record that counts, in the order in which anchors count.
    pub fn in_order(&self) -> Vec<(Place, &Entry)> {
        let counting = self.entries.iter().filter(|(id, _)| !self.is_aside(id));
        let mut all: Vec<_> = counting.map(|(id, entry)| (self.place(id, entry), entry)).collect();
        all.sort_by_key(|(place, _)| *place);
        all
    }
    /// Place of a record among all; `None` when it is unknown or set aside.
    pub fn order_of(&self, id: &RecordId) -> Option<Place> {
        let entry = self.entries.get(id).filter(|_| !self.is_aside(id))?;
        Some(self.place(id, entry))
    }
    fn place(&self, id: &RecordId, entry: &Entry) -> Place {
        (self.forked.as_ref().is_some_and(|forked| !forked.grants(id)), entry.index, *id)
    }
    /// Whether a newer appointment set the record aside, since the key behind it is in other hands.
    pub fn is_aside(&self, id: &RecordId) -> bool {
        self.forked.as_ref().is_some_and(|forked| forked.is_aside(id))
    }
    /// Every cut of every branch that counts, those by a stricter traffic light among them.
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
    /// Rights now: at the head; after a fork only what all heads allow.
    pub fn rights(&self) -> Arc<Rights> {
        let heads = self.heads();
        let mut rights = Arc::clone(&self.entries[&heads[0]].rights);
        for head in &heads[1..] {
            rights = Arc::new(rights.both(&self.entries[head].rights));
        }
        rights
    }
    /// The strictest traffic light any record set.
    pub fn tlp(&self) -> Tlp {
        let raised = self.counting().filter_map(|(_, kind)| if let RecordKind::Reclassify(tlp, ..) = kind { Some(*tlp) } else { None });
        raised.max().unwrap_or(Tlp::Clear).max(self.genesis.body().tlp)
    }
    /// The first record that ended the document.
    pub fn ended(&self) -> Option<(RecordId, EndKind)> {
        self.ends.first_key_value().map(|((_, _, id), kind)| (*id, *kind))
    }
    /// Changes whose acts count no more, each with the first record that says so.
    pub fn voided(&self) -> BTreeMap<ChangeHash, RecordId> {
        let mut out = BTreeMap::new();
        for ((_, _, id), entry) in self.in_order() {
            if let Some(RecordKind::Void(changes, ..)) = entry.kind() {
                for change in changes {
                    out.entry(*change).or_insert(id);
                }
            }
        }
        out
    }
    /// Erasable parts that are to be removed everywhere.
    pub fn erased(&self) -> BTreeSet<Digest> {
        self.counting().flat_map(|(_, kind)| if let RecordKind::Erase(blobs, _) = kind { blobs.as_slice() } else { &[] }).copied().collect()
    }
    /// The records that remove parts, with what each names.
    pub fn erasures(&self) -> impl Iterator<Item = (RecordId, &[Digest])> {
        self.counting().filter_map(|(id, kind)| if let RecordKind::Erase(blobs, _) = kind { Some((id, blobs.as_slice())) } else { None })
    }
    fn counting(&self) -> impl Iterator<Item = (RecordId, &RecordKind)> {
        self.entries.iter().filter(|(id, _)| !self.is_aside(id)).filter_map(|(id, entry)| Some((*id, entry.kind()?)))
    }
    /// The records this one rests on and it itself, each behind what it rests on: where a log was forked and healed, those of every branch
    /// that was named.
    pub fn up_to(&self, record: &RecordId) -> Vec<&Verified<Record>> {
        let mut open = vec![*record];
        let mut found: BTreeMap<(u32, RecordId), &Entry> = BTreeMap::new();
        while let Some(at) = open.pop() {
            let Some(entry) = self.entries.get(&at) else { continue };
            if found.insert((entry.height, at), entry).is_none() {
                open.extend(entry.parents());
            }
        }
        found.into_values().filter_map(|entry| entry.record.as_ref()).collect()
    }
    /// Whether any record of any branch, or the genesis, ever let this bureau in.
    pub fn ever_held(&self, bureau: &BureauId) -> bool {
        let granted = |record: &Verified<Record>| record.body().kind.grantees().iter().any(|g| g.bureau == *bureau);
        self.genesis.body().audience.iter().any(|g| g.bureau == *bureau)
            || self.openings.iter().any(|opening| opening.bureau == *bureau)
            || self.entries.values().filter_map(|entry| entry.record.as_ref()).any(granted)
    }
    /// Whether `newer` is `older` or descends from it, be it through a head it named.
    pub fn descends(&self, newer: &RecordId, older: &RecordId) -> bool {
        let Some(floor) = self.entries.get(older).map(|entry| entry.height) else { return false };
        let mut open = vec![*newer];
        let mut seen = BTreeSet::new();
        while let Some(at) = open.pop() {
            if at == *older {
                return true;
            }
            let Some(entry) = self.entries.get(&at).filter(|entry| entry.height > floor) else { continue };
            let mut parents = entry.parents();
            let first = parents.next();
            for other in parents {
                if seen.insert(other) {
                    open.push(other);
                }
            }
            open.extend(first);
        }
        false
    }
    /// Whether a record is `older` or comes later. In a log that never branched the index says so.
    pub fn not_older(&self, newer: &RecordId, older: &RecordId) -> bool {
        if newer == older {
            return true;
        }
        let (Some(one), Some(other)) = (self.entries.get(newer), self.entries.get(older)) else { return false };
        if self.forked.is_some() { self.descends(newer, older) } else { other.index <= one.index }
    }

    /// Consents a grant embeds are sealed by officers of the contributors, one of each for each bureau it lets in, and not used before: who
    /// comes again after a cut needs them anew. Their ids.
    fn consented(&self, directory: &Directory, record: &Verified<Record>) -> Result<Vec<StatementId>, RecordError> {
        let RecordKind::GrantWith(grantees, _, consents) = &record.body().kind else { return Ok(Vec::new()) };
        let mut said = BTreeSet::new();
        let mut ids = Vec::with_capacity(consents.len());
        for consent in consents {
            let consent = consent::embedded(directory, self.document, consent)?;
            let body = consent.body();
            if grantees.iter().all(|grantee| grantee.bureau != body.recipient) {
                return Err(RecordError::Malformed("embedded consent is for another bureau"));
            }
            if !said.insert((body.contributor, body.recipient)) {
                return Err(RecordError::Malformed("two consents of one bureau for the same"));
            }
            if self.is_spent(&consent.id(), &record.body().previous) {
                return Err(RecordError::Malformed("the consent was used before"));
            }
            ids.push(consent.id());
        }
        Ok(ids)
    }

    /// The epoch under which a record was sealed, if its seal is its registrar's.
    fn sealed_by_registrar(&self, directory: &Directory, record: &Verified<Record>) -> Result<u32, RecordError> {
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
        Ok(appointment.body().epoch)
    }

    /// Human decisions embed the officer's sealed order, and say the same as it. The order's id, where there is one.
    fn ordered(&self, directory: &Directory, record: &Verified<Record>) -> Result<Option<StatementId>, RecordError> {
        let (body, rules) = (record.body(), self.genesis.body().rules);
        let Some(expected) = body.kind.ordered_act() else { return Ok(None) };
        let Some(order) = body.kind.order() else {
            let by_itself = rules > 1 && body.kind.may_be_machine_made();
            return if by_itself { Ok(None) } else { Err(RecordError::Malformed("an officer's order is missing")) };
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
        if !right {
            return Err(RecordError::Malformed("embedded order does not support the record"));
        }
        if rules > 1 && self.is_spent(&order.id(), &body.previous) {
            return Err(RecordError::Malformed("the order was carried out before"));
        }
        Ok(Some(order.id()))
    }

    /// Whether an order or consent stands in a record on the way to this one.
    pub fn is_spent(&self, statement: &StatementId, record: &RecordId) -> bool {
        self.spent.get(statement).into_iter().flatten().any(|other| self.is_on_way(other, record))
    }

    /// Whether a record is on the way from the genesis to another.
    fn is_on_way(&self, record: &RecordId, to: &RecordId) -> bool {
        let Some(index) = self.entries.get(record).map(|entry| entry.index) else { return false };
        let mut at = *to;
        while let Some(entry) = self.entries.get(&at).filter(|entry| entry.index > index) {
            at = entry.previous.expect("above another record");
        }
        at == *record
    }
}

/// The cuts a record makes.
fn cuts_of(id: RecordId, entry: &Entry) -> Vec<Cut> {
    match entry.kind() {
        Some(RecordKind::Cut(subject, verbs, frontier, strict, _)) => vec![Cut {
            record: id,
            subject: subject.clone(),
            verbs: verbs.clone(),
            frontier: frontier.iter().map(|line| (line.actor, line.position)).collect(),
            strict: *strict,
        }],
        Some(RecordKind::Reclassify(_, narrowed, _)) => {
            let cut = |bureau: &BureauId| Cut {
                record: id,
                subject: Subject::Bureau(*bureau),
                verbs: vec![Verb::Read, Verb::Append],
                frontier: BTreeMap::new(),
                strict: false,
            };
            narrowed.iter().map(cut).collect()
        }
        _ => Vec::new(),
    }
}
