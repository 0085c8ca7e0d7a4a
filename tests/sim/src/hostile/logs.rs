//! Logs that must not be believed: foreign registrars, forks, records without orders, documents for nobody.

use accord_keys::seal::Sealed;
use accord_keys::secret::Signer;
use accord_protocol::access::log::{Genesis, Grantee, Kind, Life, Order, OrderAct, Record, RecordKind, Subject};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::{Bytes, DocumentId, Nonce, RecordId, StatementId};
use accord_protocol::time::WallSeconds;
use accord_protocol::wire::{Message, Push};
use rand::Rng;

use super::personality::Attack;
use crate::oracle::log_of;
use crate::world::World;

impl World {
    /// A push of nothing but these parts.
    pub fn push_parts(
        &mut self,
        from: usize,
        to: usize,
        document: DocumentId,
        genesis: Option<Vec<u8>>,
        records: Vec<Vec<u8>>,
        segments: Vec<Vec<u8>>,
    ) -> bool {
        let push = Push {
            genesis: genesis.map(Bytes),
            records: records.into_iter().map(Bytes).collect(),
            segments: segments.into_iter().map(Bytes).collect(),
            ..Push::empty(1_000_000 + self.rng.random_range(0..1_000), document)
        };
        self.inject(from, to, Message::Push(push).encode())
    }

    /// A record behind the head of a document's log as a node knows it, sealed by that node whoever the registrar is.
    fn forge_record(&mut self, n: usize, document: &DocumentId, kind: RecordKind, step_back: bool) -> Option<Vec<u8>> {
        let log = log_of(&self.nodes[n], document)?;
        let head = log.heads(document).into_iter().next()?;
        let (previous, index) = match log.records.get(&head) {
            Some(record) if step_back && record.index > 1 => (record.previous, record.index),
            Some(record) => (head, record.index + 1),
            None => (RecordId(document.0), 1),
        };
        let appointment = log.records.values().next().map_or(StatementId([7; 32]), |record| record.appointment);
        let at = WallSeconds(self.wall());
        let node = &self.nodes[n];
        let record = Record { document: *document, index, previous, registrar: node.identity.certificate, appointment, kind, at };
        Some(Sealed::seal(&self.network, record, &[node.identity.signer.as_ref()]).ok()?.to_bytes())
    }

    fn forge_order(&mut self, n: usize, document: &DocumentId, act: OrderAct) -> Option<Vec<u8>> {
        let officer = self.nodes[n].officers.last()?.clone();
        let order =
            Order { document: *document, officer: officer.certificate, act, at: WallSeconds(self.wall()), nonce: Nonce(self.rng.random()) };
        Some(Sealed::seal(&self.network, order, &[officer.key.as_ref() as &dyn Signer]).ok()?.to_bytes())
    }
}

/// Lets itself in, cuts others or settles in a log that belongs to another bureau.
pub fn false_registrar(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let Some(document) = held else { return false };
    let Some(log) = log_of(&world.nodes[from], &document) else { return false };
    if log.genesis.owner == world.nodes[from].bureau {
        return false;
    }
    let own = Grantee::plain(world.nodes[from].bureau, Verb::Append, None);
    let victim = world.nodes[to].bureau;
    let act = match world.rng.random_range(0..2) {
        0 => OrderAct::Grant(vec![own.clone()]),
        _ => OrderAct::Cut(Subject::Bureau(victim), vec![Verb::Read, Verb::Append], true),
    };
    let Some(order) = world.forge_order(from, &document, act.clone()) else { return false };
    let kind = match act {
        OrderAct::Grant(grantees) => RecordKind::Grant(grantees, Bytes(order)),
        OrderAct::Cut(subject, verbs, strict) => RecordKind::Cut(subject, verbs, Vec::new(), strict, Bytes(order)),
        _ => return false,
    };
    let Some(record) = world.forge_record(from, &document, kind, false) else { return false };
    world.push_parts(from, to, document, None, vec![record], Vec::new())
}

/// In a document of its own: a second record for an index that is taken.
pub fn log_forker(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let Some(document) = held else { return false };
    let Some(log) = log_of(&world.nodes[from], &document) else { return false };
    if log.genesis.owner != world.nodes[from].bureau || log.genesis.kind == Kind::Draft {
        return false;
    }
    let grantee = Grantee::plain(world.nodes[to].bureau, Verb::Read, None);
    let Some(order) = world.forge_order(from, &document, OrderAct::Grant(vec![grantee.clone()])) else { return false };
    let Some(record) = world.forge_record(from, &document, RecordKind::Grant(vec![grantee], Bytes(order)), true) else { return false };
    world.push_parts(from, to, document, None, vec![record], Vec::new())
}

/// In a document of its own: a grant whose order is missing, for another document, or for other grantees.
pub fn orderless(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let Some(document) = held else { return false };
    let Some(log) = log_of(&world.nodes[from], &document) else { return false };
    if log.genesis.owner != world.nodes[from].bureau {
        return false;
    }
    let grantee = Grantee::plain(world.nodes[to].bureau, Verb::Read, None);
    let other = DocumentId(world.rng.random());
    let order = match world.rng.random_range(0..3) {
        0 => Some(vec![0x80]),
        1 => world.forge_order(from, &other, OrderAct::Grant(vec![grantee.clone()])),
        _ => world.forge_order(from, &document, OrderAct::Grant(vec![Grantee::plain(world.nodes[from].bureau, Verb::Read, None)])),
    };
    let Some(order) = order else { return false };
    let Some(record) = world.forge_record(from, &document, RecordKind::Grant(vec![grantee], Bytes(order)), false) else { return false };
    world.push_parts(from, to, document, None, vec![record], Vec::new())
}

/// In a document of its own: a traffic light that is lowered, or raised so that its owner may not hold it, with a good order.
pub fn lowerer(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let Some(document) = held else { return false };
    let Some(log) = log_of(&world.nodes[from], &document) else { return false };
    let own = world.nodes[from].bureau;
    if log.genesis.owner != own {
        return false;
    }
    let (tlp, narrowed) = if world.rng.random_bool(0.5) { (Tlp::Clear, Vec::new()) } else { (Tlp::Red, vec![own]) };
    let Some(order) = world.forge_order(from, &document, OrderAct::Reclassify(tlp, narrowed.clone())) else { return false };
    let Some(record) = world.forge_record(from, &document, RecordKind::Reclassify(tlp, narrowed, Bytes(order)), false) else {
        return false;
    };
    world.push_parts(from, to, document, None, vec![record], Vec::new())
}

/// A document that nobody is let into, pushed at somebody; or one that names another bureau as its owner.
pub fn open_to_nobody(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    let Some(officer) = world.nodes[from].officers.last().cloned() else { return false };
    let owner = if world.rng.random_bool(0.7) { world.nodes[from].bureau } else { world.nodes[to].bureau };
    let genesis = Genesis {
        owner,
        creator: officer.certificate,
        kind: Kind::Case,
        category: Category::CrimSeries,
        tlp: Tlp::Green,
        audience: Vec::new(),
        life: Life(world.rng.random()),
        at: WallSeconds(world.wall()),
        nonce: Nonce(world.rng.random()),
        ..world.plain_genesis()
    };
    let Ok(sealed) = Sealed::seal(&world.network, genesis, &[officer.key.as_ref() as &dyn Signer]) else { return false };
    let document = DocumentId(sealed.id(&world.network).0);
    world.push_parts(from, to, document, Some(sealed.to_bytes()), Vec::new(), Vec::new())
}

impl World {
    /// A genesis whose interesting fields the caller sets.
    fn plain_genesis(&self) -> Genesis {
        Genesis {
            owner: self.nodes[0].bureau,
            creator: self.nodes[0].identity.certificate,
            kind: Kind::Case,
            schema: 1,
            rules: 2,
            category: Category::CrimSeries,
            tlp: Tlp::Green,
            audience: Vec::new(),
            life: Life([0; 8]),
            at: WallSeconds(self.wall()),
            nonce: Nonce([0; 16]),
            hidden: None,
        }
    }
}
