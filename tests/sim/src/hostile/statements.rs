//! Statements about identities and agreements that their signers had no right to make.

use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::root::RootStatement;
use accord_keys::seal::{Malformed, Sealed, Statement, Verified};
use accord_keys::secret::Signer;
use accord_keys::types::StatementType;
use accord_protocol::access::pass::{PassLine, RelayPass};
use accord_protocol::agreement::exchange::{Accept, AgreementStatement, Conclude, Offer};
use accord_protocol::agreement::lifecycle::Suspend;
use accord_protocol::agreement::{Category, Terms, Tlp, Verb};
use accord_protocol::id::{AgreementId, BureauId, Bytes, CertificateId, Nonce, StatementId};
use accord_protocol::step::Table;
use accord_protocol::time::WallSeconds;
use accord_protocol::wire::{self, Message};
use minicbor::{Decode, Encode};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::personality::Attack;
use crate::people::{terms, usual_grants};
use crate::world::World;

/// Terms with one field more than anyone knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct OddOffer {
    #[n(0)]
    offerer: BureauId,
    #[n(1)]
    acceptor: BureauId,
    #[n(2)]
    version: u32,
    #[n(3)]
    previous: Option<AgreementId>,
    #[n(4)]
    terms: Terms,
    #[n(5)]
    at: WallSeconds,
    #[n(6)]
    expires: WallSeconds,
    #[n(7)]
    officer: CertificateId,
    #[n(8)]
    nonce: Nonce,
    #[n(77)]
    everything: bool,
}
impl Statement for OddOffer {
    const TYPE: StatementType = StatementType::Offer;
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

impl World {
    fn agreement_statements(&self, n: usize) -> Vec<(Vec<u8>, AgreementStatement)> {
        let rows = self.nodes[n].disk.table(Table::Agreements);
        rows.filter_map(|(_, bytes)| Some((bytes.to_vec(), wire::agreement_statement(&self.network, bytes).ok()?))).collect()
    }

    fn say_agreements(&mut self, a: Attack, items: Vec<Vec<u8>>) -> bool {
        if items.is_empty() {
            return false;
        }
        self.inject(a.from, a.to, Message::Agreements(items.into_iter().map(Bytes).collect()).encode())
    }

    fn say_statements(&mut self, a: Attack, items: Vec<Vec<u8>>) -> bool {
        self.inject(a.from, a.to, Message::Statements(items.into_iter().map(Bytes).collect()).encode())
    }

    fn conclude(&self, n: usize, offer: AgreementId, accept: StatementId) -> Option<Vec<u8>> {
        let node = &self.nodes[n];
        let at = WallSeconds(self.wall());
        let conclude = Conclude { offer, accept, registrar: node.identity.certificate, epoch: 1, at };
        Some(Sealed::seal(&self.network, conclude, &[node.identity.signer.as_ref()]).ok()?.to_bytes())
    }
}

/// What is well sealed, where another type belongs.
pub fn wrong_context(world: &mut World, a: Attack) -> bool {
    let agreement = world.nodes[a.from].disk.table(Table::Agreements).next().map(|(_, bytes)| bytes.to_vec());
    let identity = world.nodes[a.from].disk.table(Table::Statements).next().map(|(_, bytes)| bytes.to_vec());
    match (world.rng.random_range(0..3), agreement, identity, a.held) {
        (0, Some(bytes), ..) => world.say_statements(a, vec![bytes]),
        (1, _, Some(bytes), _) => world.say_agreements(a, vec![bytes]),
        (_, Some(bytes), _, Some(document)) => world.push_parts(a.from, a.to, document, Some(bytes.clone()), vec![bytes], Vec::new()),
        _ => false,
    }
}

/// Every statement of the pair again, oldest first.
pub fn downgrader(world: &mut World, a: Attack) -> bool {
    let mut all: Vec<(u32, Vec<u8>)> = world
        .agreement_statements(a.from)
        .into_iter()
        .map(|(bytes, statement)| (if let AgreementStatement::Offer(offer) = &statement { offer.body().version } else { u32::MAX }, bytes))
        .collect();
    all.sort();
    all.truncate(60);
    world.say_agreements(a, all.into_iter().map(|(_, bytes)| bytes).collect())
}

/// Concludes an accepted offer of its own that its registrar had left: a second one for the same version, perhaps.
pub fn double_spender(world: &mut World, a: Attack) -> bool {
    let all = world.agreement_statements(a.from);
    let (own, other) = (world.nodes[a.from].bureau, world.nodes[a.to].bureau);
    let mine: Vec<AgreementId> = all
        .iter()
        .filter_map(|(_, statement)| match statement {
            AgreementStatement::Offer(o) if o.body().offerer == own && o.body().acceptor == other => Some(AgreementId(o.id().0)),
            _ => None,
        })
        .collect();
    let accepted: Vec<(AgreementId, StatementId)> = all
        .iter()
        .filter_map(|(_, statement)| match statement {
            AgreementStatement::Accept(accept) if mine.contains(&accept.body().offer) => Some((accept.body().offer, accept.id())),
            _ => None,
        })
        .collect();
    let Some((offer, accept)) = accepted.choose(&mut world.rng).copied() else { return false };
    let Some(bytes) = world.conclude(a.from, offer, accept) else { return false };
    world.say_agreements(a, vec![bytes])
}

/// An offer of its own, accepted by itself and concluded; or concluded without an accept; or offered in the other's name.
pub fn lone_signer(world: &mut World, a: Attack) -> bool {
    let Some(officer) = world.nodes[a.from].officers.last().cloned() else { return false };
    let (own, other) = (world.nodes[a.from].bureau, world.nodes[a.to].bureau);
    let now = world.wall();
    let in_their_name = world.rng.random_bool(0.3);
    let offer = Offer {
        offerer: if in_their_name { other } else { own },
        acceptor: if in_their_name { own } else { other },
        version: 1,
        previous: None,
        terms: terms(now, 30 * 86_400, usual_grants()),
        at: WallSeconds(now),
        expires: WallSeconds(now + 86_400),
        officer: officer.certificate,
        nonce: Nonce(world.rng.random()),
    };
    let signer = officer.key.as_ref() as &dyn Signer;
    let Ok(offer) = Sealed::seal(&world.network, offer, &[signer]) else { return false };
    let id = AgreementId(offer.id(&world.network).0);
    let accept = Accept { offer: id, officer: officer.certificate, at: WallSeconds(now) };
    let Ok(accept) = Sealed::seal(&world.network, accept, &[signer]) else { return false };
    let named = if world.rng.random_bool(0.5) { accept.id(&world.network) } else { StatementId(world.rng.random()) };
    let Some(conclude) = world.conclude(a.from, id, named) else { return false };
    world.say_agreements(a, vec![offer.to_bytes(), accept.to_bytes(), conclude])
}

/// A certificate for a key of its own, in the other bureau, or above what its issuer may give, or three steps from the root.
pub fn chain_confuser(world: &mut World, a: Attack) -> bool {
    let key = world.key();
    let kind = world.rng.random_range(0..4);
    let (serial, now) = (world.rng.random::<[u8; 16]>(), world.wall());
    let node = &world.nodes[a.from];
    let officer = node.officers.last().cloned();
    // The node may issue; an officer may not.
    let issuer = match (kind, &officer) {
        (2, Some(officer)) => officer.certificate,
        _ => node.identity.certificate,
    };
    let bureau = if kind == 0 { world.nodes[a.to].bureau } else { node.bureau };
    let mut capabilities = vec![Capability::Write, Capability::SignAgreement];
    if kind == 1 {
        capabilities.push(Capability::Register);
    }
    capabilities.sort();
    let transport = (kind == 3).then(|| accord_protocol::id::TransportKey(key.public().0));
    let certificate = MemberCertificate {
        bureau,
        network: world.network,
        kind: MemberKind::Officer,
        key: key.public(),
        transport,
        hpke: None,
        unit: "530000".into(),
        seats: Vec::new(),
        capabilities,
        name_commitment: None,
        scope_commitment: None,
        not_before: WallSeconds(now - 60),
        not_after: WallSeconds(now + 86_400),
        serial,
        issuer: Issuer::Member(issuer),
    };
    let signer = match (kind, &officer) {
        (2, Some(officer)) => officer.key.clone() as std::sync::Arc<dyn Signer>,
        _ => node.identity.signer.clone(),
    };
    let Ok(sealed) = Sealed::seal(&world.network, certificate, &[signer.as_ref()]) else { return false };
    world.say_statements(a, vec![sealed.to_bytes()])
}

/// A next root version of the other bureau or of its own, sealed by whoever, with a version left out or not.
pub fn old_root(world: &mut World, a: Attack) -> bool {
    let key = world.key();
    let whose = if world.rng.random_bool(0.7) { a.to } else { a.from };
    let Some(previous) = world.nodes[whose].core.as_ref().and_then(|core| core.directory().root_head(&world.nodes[whose].bureau)) else {
        return false;
    };
    let root = RootStatement {
        version: if world.rng.random_bool(0.5) { 2 } else { 3 },
        previous: Some(previous),
        keys: vec![key.public()],
        threshold: 1,
        unit_code: "530000".into(),
        name: "冒名局".into(),
        network: world.network,
        created: WallSeconds(world.wall()),
    };
    let Ok(sealed) = Sealed::seal(&world.network, root, &[&key as &dyn Signer]) else { return false };
    world.say_statements(a, vec![sealed.to_bytes()])
}

/// An offer with a field nobody knows, or a list with a statement type nobody knows.
pub fn unknown_words(world: &mut World, a: Attack) -> bool {
    let Some(officer) = world.nodes[a.from].officers.last().cloned() else { return false };
    let now = world.wall();
    if world.rng.random_bool(0.3) {
        return world.say_agreements(a, vec![vec![0x83, 0x19, 0x7f, 0xff, 0x41, 0x00, 0x80]]);
    }
    let offer = OddOffer {
        offerer: world.nodes[a.from].bureau,
        acceptor: world.nodes[a.to].bureau,
        version: 1,
        previous: None,
        terms: terms(now, 30 * 86_400, usual_grants()),
        at: WallSeconds(now),
        expires: WallSeconds(now + 86_400),
        officer: officer.certificate,
        nonce: Nonce(world.rng.random()),
        everything: true,
    };
    let Ok(sealed) = Sealed::seal(&world.network, offer, &[officer.key.as_ref() as &dyn Signer]) else { return false };
    world.say_agreements(a, vec![sealed.to_bytes()])
}

/// A relay pass that a third bureau's registrar, or the other side's, never sealed; or one of its own that no registrar may give: for itself.
pub fn pass_forger(world: &mut World, a: Attack) -> bool {
    let others: Vec<BureauId> = world.nodes.iter().map(|node| node.bureau).filter(|bureau| *bureau != world.nodes[a.from].bureau).collect();
    let Some(issuer) = others.choose(&mut world.rng).copied() else { return false };
    let (own, there) = (world.nodes[a.from].bureau, world.nodes[a.to].bureau);
    // For the one it speaks to, to be shown to itself: then that one would hand it on.
    let holder = if issuer == own || world.rng.random_bool(0.5) { there } else { own };
    if issuer == holder {
        return false;
    }
    let shown = [own, there].into_iter().filter(|bureau| *bureau != issuer && *bureau != holder).collect();
    let Some(appointment) = world.nodes[a.from].core.as_ref().and_then(|core| {
        let directory = core.directory();
        directory.bureau(&issuer).and_then(|record| record.appointments().next().map(Verified::id))
    }) else {
        return false;
    };
    let identity = world.nodes[a.from].identity.clone();
    let now = world.wall();
    let line = |verb| PassLine { category: Category::CrimSeries, verb, tlp_ceiling: Tlp::Red };
    let pass = RelayPass {
        issuer,
        registrar: identity.certificate,
        appointment,
        holder,
        lines: vec![line(Verb::Read), line(Verb::Append)],
        shown_to: shown,
        from: WallSeconds(now),
        until: WallSeconds(now + 3 * 86_400),
        nonce: Nonce(world.rng.random()),
    };
    let Ok(sealed) = Sealed::seal(&world.network, pass, &[identity.signer.as_ref()]) else { return false };
    world.inject(a.from, a.to, Message::Passes(vec![Bytes(sealed.to_bytes())]).encode())
}

/// Stops an agreement of the two in the other side's name, by its own officer's seal.
pub fn false_stopper(world: &mut World, a: Attack) -> bool {
    let Some(officer) = world.nodes[a.from].officers.last().cloned() else { return false };
    let concluded: Vec<AgreementId> = world
        .agreement_statements(a.from)
        .into_iter()
        .filter_map(|(_, statement)| if let AgreementStatement::Conclude(c) = statement { Some(c.body().offer) } else { None })
        .collect();
    let Some(agreement) = concluded.choose(&mut world.rng).copied() else { return false };
    let stop = Suspend {
        agreement,
        by: world.nodes[a.to].bureau,
        categories: None,
        reason: "冒名".into(),
        officer: officer.certificate,
        at: WallSeconds(world.wall()),
        nonce: Nonce(world.rng.random()),
    };
    let Ok(sealed) = Sealed::seal(&world.network, stop, &[officer.key.as_ref() as &dyn Signer]) else { return false };
    world.say_agreements(a, vec![sealed.to_bytes()])
}
