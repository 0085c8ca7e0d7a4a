//! Start: the rows of the store become state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use accord_keys::directory::Directory;
use thiserror::Error;

use super::cuts::Cuts;
use super::documents::{Reading, Sheets};
use super::ledger::{self, Lines};
use super::links::{AcknowledgedRow, open_homeward, open_progress};
use super::memory::Memory;
use super::rest::RestRow;
use super::rows::{InviteRow, LearnedRow, OfficerRow, PartnerRow, Reached, RowError, Summary, read};
use super::turn::EventRow;
use super::{Bureau, Identity};
use crate::access::pass::PassBook;
use crate::agreement::compact::CompactBook;
use crate::agreement::exchange::AgreementBook;
use crate::clock::{Clock, Kept};
use crate::id::{BureauId, DocumentId, NetworkId, StatementId, TransportKey};
use crate::step::Table;
use crate::time::{Now, WallSeconds};
use crate::wire::{self, IdentityStatement};

/// Why the rows of a store are not the state of this node.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A row is unreadable.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A stored statement no longer verifies, or its network is another.
    #[error("a stored statement does not verify: {0}")]
    Statement(String),
    /// The store belongs to another node.
    #[error("the store does not hold the certificate of this node")]
    Foreign,
}

/// Key and value of a row.
type KeyValue = (Vec<u8>, Vec<u8>);

/// The rows of a store on their way to a [`Bureau`]. What a row says of a document is packed as it comes: there may be a million of them.
pub struct Opening {
    tables: BTreeMap<Table, Vec<KeyValue>>,
    documents: Reading,
    ledgers: ledger::Reading,
}

impl Opening {
    /// Of a node of this network.
    pub fn new(network: NetworkId) -> Self {
        Self { tables: BTreeMap::new(), documents: Reading::default(), ledgers: ledger::Reading::new(network) }
    }

    /// With the inventory of what is at rest: of documents and pair ledgers only those rows follow that were written since it was taken.
    ///
    /// # Errors
    /// [`RowError`] for one that another build wrote: then all rows are taken in, with [`Opening::new`].
    pub fn since(network: NetworkId, head: &[u8], sheets: Arc<dyn Sheets>) -> Result<Self, RowError> {
        let head = RestRow::read(head)?;
        let mut opening = Self { documents: Reading::since(&head.documents.0, sheets)?, ..Self::new(network) };
        opening.ledgers.since(head.pairs()?)?;
        Ok(opening)
    }

    /// Lines of pair ledgers stay where the rows come from, and are read there when somebody asks. To be said before the first row.
    #[must_use]
    pub fn keeping(mut self, lines: Arc<dyn Lines>) -> Self {
        self.ledgers.keep(lines);
        self
    }

    /// A document of the inventory whose row is no more.
    pub fn gone(&mut self, document: &DocumentId) {
        self.documents.gone(document);
    }

    /// Takes in one row. They may come in any order, each once.
    ///
    /// # Errors
    /// [`RowError`] for a row of a document or a ledger that cannot be read; other tables are read at the end.
    pub fn take(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) -> Result<(), RowError> {
        if table == Table::Documents {
            self.documents.take(Summary::from_bytes(DocumentId(id("documents", &key)?), &value)?);
        } else if table == Table::Ledger {
            self.ledgers.take(&key, &value)?;
        } else {
            self.tables.entry(table).or_default().push((key, value));
        }
        Ok(())
    }
}

fn id(table: &'static str, key: &[u8]) -> Result<[u8; 32], RowError> {
    <[u8; 32]>::try_from(key).map_err(|_| RowError { table, why: "key is not 32 bytes".into() })
}

impl Bureau {
    /// The node as its store left it. `rows` are all rows of all tables, in any order.
    ///
    /// # Errors
    /// [`OpenError`] when the rows are not this node's.
    pub fn open(now: Now, identity: Identity, rows: Vec<(Table, Vec<u8>, Vec<u8>)>) -> Result<Self, OpenError> {
        let mut opening = Opening::new(identity.network);
        for (table, key, value) in rows {
            opening.take(table, key, value)?;
        }
        Self::opened(now, identity, opening)
    }

    /// As [`Bureau::open`], of rows that came one by one.
    ///
    /// # Errors
    /// As [`Bureau::open`].
    pub fn opened(now: Now, identity: Identity, opening: Opening) -> Result<Self, OpenError> {
        let Opening { mut tables, documents, ledgers } = opening;
        let mut take = |table| tables.remove(&table).unwrap_or_default();

        let mut directory = Directory::new(identity.network);
        let mut contacts = BTreeMap::new();
        let mut waiting: Vec<IdentityStatement> = Vec::new();
        for (_, bytes) in take(Table::Statements) {
            let statement = IdentityStatement::from_bytes(&identity.network, &bytes).map_err(|e| OpenError::Statement(e.to_string()))?;
            waiting.push(statement);
        }
        // Rows come by id; roots first, in order, then certificates: what the rest rests on.
        waiting.sort_by_key(|statement| match statement {
            IdentityStatement::Root(root) => (0, root.body().version),
            IdentityStatement::Certificate(certificate) => {
                (1, u32::from(matches!(certificate.body().issuer, accord_keys::certificate::Issuer::Member(_))))
            }
            _ => (2, 0),
        });
        loop {
            let before = waiting.len();
            let mut later = Vec::new();
            for statement in waiting {
                if let IdentityStatement::Contact(contact) = &statement {
                    contacts.insert(contact.body().certificate, contact.clone());
                } else if let Err(error) = statement.clone().teach(&mut directory) {
                    if !error.is_waiting() {
                        return Err(OpenError::Statement(error.to_string()));
                    }
                    later.push(statement);
                }
            }
            waiting = later;
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        if directory.certificate(&identity.certificate).is_none_or(|c| c.body().bureau != identity.bureau) {
            return Err(OpenError::Foreign);
        }

        let mut partners: BTreeMap<BureauId, PartnerRow> = BTreeMap::new();
        for (key, value) in take(Table::Partners) {
            partners.insert(BureauId(id("partners", &key)?), read("partners", &value)?);
        }
        // What people decided about rival roots is no statement: it is said again.
        for root in partners.values().filter_map(|row| row.root) {
            directory.confirm_root(&root);
        }

        let local: BTreeMap<Vec<u8>, Vec<u8>> = take(Table::Local).into_iter().collect();
        let confirmed_roots = super::roots::read_confirmed(local.get(super::roots::CONFIRMED));
        for root in &confirmed_roots {
            directory.confirm_root(root);
        }

        let mut book = AgreementBook::new(identity.bureau);
        let mut statements: Vec<_> = Vec::new();
        for (_, bytes) in take(Table::Agreements) {
            statements.push(wire::agreement_statement(&identity.network, &bytes).map_err(|e| OpenError::Statement(e.to_string()))?);
        }
        let mut remaining = statements.len() + 1;
        while !statements.is_empty() && statements.len() < remaining {
            remaining = statements.len();
            statements.retain(|statement| book.learn(&directory, statement.clone()).is_err());
        }
        // What does not stand (any more) counts for nothing and stops nothing: a partner's statement must never keep a node from starting.
        drop(statements);

        let mut compacts = CompactBook::new(identity.bureau);
        for (_, bytes) in take(Table::Compacts) {
            let compact = wire::compact(&identity.network, &bytes).map_err(|e| OpenError::Statement(e.to_string()))?;
            // As with agreements: what does not stand any more counts for nothing and stops nothing.
            let _ = compacts.learn(&directory, compact);
        }

        let mut learnt: BTreeMap<StatementId, LearnedRow> = BTreeMap::new();
        for (key, value) in take(Table::Learned) {
            learnt.insert(StatementId(id("learned", &key)?), read("learned", &value)?);
        }
        let mut passes = PassBook::new(identity.bureau);
        for (_, bytes) in take(Table::Passes) {
            let pass = wire::relay_pass(&identity.network, &bytes).map_err(|e| OpenError::Statement(e.to_string()))?;
            // What no longer stands counts for nothing and stops nothing.
            let _ = passes.learn(&directory, pass, None, WallSeconds(0));
        }

        let onward = super::onward::Onwards::open(&identity.network, take(Table::Onward))?;

        let number = |key: &[u8]| local.get(key).and_then(|v| <[u8; 8]>::try_from(v.as_slice()).ok()).map(u64::from_be_bytes);
        let floor = number(b"floor").map(WallSeconds);
        let clock = Clock::open(floor.map(|floor| Kept { floor, leapt: number(b"leapt").unwrap_or(0) }), now);
        let index_id = local
            .get(b"index".as_slice())
            .and_then(|v| <[u8; 16]>::try_from(v.as_slice()).ok())
            .ok_or_else(|| RowError { table: "local", why: "no index id".into() })?;

        let mut officers: BTreeMap<String, OfficerRow> = BTreeMap::new();
        for (_, value) in take(Table::Officers) {
            let row: OfficerRow = read("officers", &value)?;
            officers.insert(row.name.clone(), row);
        }
        let mut invites: BTreeMap<TransportKey, InviteRow> = BTreeMap::new();
        for (key, value) in take(Table::Devices) {
            invites.insert(TransportKey(id("devices", &key)?), read("devices", &value)?);
        }
        let mut documents = documents.finish();
        let mut reached: BTreeMap<TransportKey, Reached> = BTreeMap::new();
        let mut going = BTreeMap::new();
        for (key, value) in take(Table::Acknowledged) {
            let transport = TransportKey(id("acknowledged", &key)?);
            let row: AcknowledgedRow = read("acknowledged", &value)?;
            let (far, course) = row.read();
            reached.insert(transport, far);
            going.extend(course.map(|course| (transport, course)));
        }
        let mut cursors = BTreeMap::new();
        for (key, value) in take(Table::Cursors) {
            cursors.insert(TransportKey(id("cursors", &key)?), value);
        }
        let mut waiting = Vec::new();
        for (key, value) in take(Table::Held) {
            let since = <[u8; 8]>::try_from(value.as_slice()).map_err(|_| RowError { table: "held", why: "time".into() })?;
            waiting.push((DocumentId(id("held", &key)?), WallSeconds(u64::from_be_bytes(since))));
        }
        let today = local.get(b"cuts".as_slice()).and_then(|row| <[u8; 16]>::try_from(row.as_slice()).ok()).map(u128::from_be_bytes);
        let cuts = Cuts::open(waiting, today.map(|both| ((both >> 64) as u64, both as u64)));
        let mut events = BTreeMap::new();
        for (key, value) in take(Table::Events) {
            let position = <[u8; 8]>::try_from(key.as_slice()).map_err(|_| RowError { table: "events", why: "key".into() })?;
            let position = u64::from_be_bytes(position);
            let row: EventRow = read("events", &value)?;
            events.insert(position, row.view(position));
        }

        let sequence = documents.newest_seq().unwrap_or(0).max(number(b"sequence").unwrap_or(0));
        let ledgers = ledgers.finish(&documents)?;
        let given = Self::given_cursors(&directory, reached.keys(), identity.bureau);
        let retention = super::retention::Retention::open(take(Table::Retention))?;
        retention.erased().for_each(|document| drop(documents.remove(document)));
        let held = |bureau: &BureauId| if *bureau == identity.bureau { documents.len() as u64 } else { documents.owned_by(bureau) };
        let parts = super::parts::Parts::open(take(Table::Parts))?;
        let progress = open_progress(going, &local, held);
        let memory = Memory::open(&local, now.mono, given)?;
        let mut bureau = Self {
            index_id,
            directory: Arc::new(directory),
            contacts,
            book,
            compacts,
            learnt,
            passes,
            conclude_dirty: true,
            passes_dirty: true,
            onward,
            next_pass: None,
            pass_rounds: super::passes::Rounds::new(now.mono),
            pass_changes: super::passes::Changes::since(WallSeconds(0), &PassBook::new(identity.bureau)),
            registrar_heard: number(b"registrar_heard").map(WallSeconds),
            // Never later than the floor it was written with: a store of before noted what a wild wall clock said.
            registrar_told: number(b"registrar_told")
                .or(number(b"registrar_heard"))
                .map(|at| WallSeconds(at).min(floor.unwrap_or(WallSeconds(at)))),
            quotas: BTreeMap::new(),
            noted: super::accounts::Noted::default(),
            floor_written: now.mono,
            partners,
            officers,
            unlocked: BTreeMap::new(),
            invites,
            anchor_due: BTreeMap::new(),
            anchored_at: BTreeMap::new(),
            anchored_looked: now.mono,
            hastened: BTreeMap::new(),
            cuts,
            retention,
            confirmed_roots,
            documents,
            bodies: BTreeMap::new(),
            used: VecDeque::new(),
            cannot_load: BTreeMap::new(),
            sequence,
            next_number: number(b"number").unwrap_or(0),
            links: BTreeMap::new(),
            reached,
            cursors,
            homeward: open_homeward(&local),
            left: super::left::open(&local),
            bundles: super::bundles::Bundles::open(&local),
            progress,
            event_position: events.keys().next_back().copied().unwrap_or(0),
            events: events.into_values().collect(),
            policy_epoch: 1,
            next_policy: None,
            told: local.keys().filter_map(|key| super::warnings::read_told(key)).collect(),
            next_warning: None,
            effective_seen: clock.effective(now),
            clock,
            allow: Vec::new(),
            loading: BTreeSet::new(),
            to_send: BTreeSet::new(),
            cited: BTreeMap::new(),
            shelf: super::links::Shelf::default(),
            ledgers,
            parts,
            memory,
            stale: BTreeSet::new(),
            views: super::links::Views::default(),
            lives_from: number(b"lives").unwrap_or(0),
            identity,
        };
        if bureau.memory.is_suspect() {
            bureau.lives_from = bureau.lives_from.max(bureau.sequence);
        }
        bureau.passes.settle(bureau.clock.effective(now));
        bureau.choose_certificate(bureau.clock.stamp(now));
        // From the persisted floor: what ended since it was written must move the floor, at the first turn.
        bureau.next_policy = bureau.next_policy_change(floor.unwrap_or_else(|| bureau.clock.effective(now)));
        bureau.pass_changes = super::passes::Changes::since(floor.unwrap_or_else(|| bureau.clock.effective(now)), &bureau.passes);
        bureau.note_all_ends(floor.unwrap_or_else(|| bureau.clock.effective(now)));
        bureau.plan_warnings(bureau.effective_seen);
        bureau.allow = bureau.compute_allow(bureau.clock.stamp(now));
        bureau.schedule_all(now.mono);
        Ok(bureau)
    }
}
