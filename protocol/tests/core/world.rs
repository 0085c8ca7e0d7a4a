//! Three bureaus with fixed keys, and everything they can seal.

use std::sync::OnceLock;

use accord_keys::appointment::Appointment;
use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::directory::Directory;
use accord_keys::id::{CertificateId, NetworkId, RootId, StatementId, TransportKey};
use accord_keys::root::RootStatement;
use accord_keys::seal::{Sealed, Statement, Verified};
use accord_keys::secret::{HpkeSecret, SecretKey, Signer};
use accord_protocol::access::log::{FrontierLine, Genesis, Grantee, Kind, Life, Order, OrderAct, Record, RecordKind, Subject};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::{BureauId, Bytes, DocumentId, Nonce, RecordId};
use accord_protocol::rules::ChangeHash;
use accord_protocol::time::WallSeconds;

/// 2030-01-01T00:00:00Z.
pub const START: WallSeconds = WallSeconds(1_893_456_000);

pub fn network() -> NetworkId {
    NetworkId::named("demo")
}

/// The key of a fixed seed: 32 times `n`.
pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

pub fn seal<T: Statement>(body: T, keys: &[u8]) -> Sealed<T> {
    let keys: Vec<SecretKey> = keys.iter().map(|n| key(*n)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    Sealed::seal(&network(), body, &signers).expect("samples are well formed")
}

pub fn verified<T: Statement>(body: T, keys: &[u8]) -> Verified<T> {
    seal(body, keys).verify(&network()).expect("just sealed")
}

/// One member: its certificate and the seed of its key.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub id: CertificateId,
    pub seed: u8,
}

/// One bureau: root key 10·n, node 10·n+1, officers 10·n+4 and 10·n+5.
#[derive(Clone, Debug)]
pub struct Bureau {
    pub id: BureauId,
    pub root: RootId,
    pub node: Member,
    pub officers: [Member; 2],
    pub appointment: StatementId,
    /// The same node's appointment for epoch 2; not among `statements`.
    pub later: Sealed<Appointment>,
    /// Its sealed statements, learnable in order.
    pub statements: Vec<Vec<u8>>,
}

/// Capabilities of the sample officers: all a member may give.
pub const OFFICER: [Capability; 6] =
    [Capability::SignAgreement, Capability::Create, Capability::Write, Capability::Approve, Capability::Publish, Capability::Order];

pub fn bureau(n: u8) -> Bureau {
    let seed = n * 10;
    let root = RootStatement {
        version: 1,
        previous: None,
        keys: vec![key(seed).public()],
        threshold: 1,
        unit_code: format!("5300{n:02}"),
        name: format!("Bureau {n}"),
        network: network(),
        created: START,
    };
    let root = seal(root, &[seed]);
    let root_id = root.root_id(&network());
    let id = BureauId::from(root_id);
    let certificate = |kind, member: u8, capabilities: Vec<Capability>| MemberCertificate {
        bureau: id,
        network: network(),
        kind,
        key: key(member).public(),
        transport: (kind == MemberKind::Node).then(|| TransportKey(key(member + 1).public().0)),
        hpke: (kind == MemberKind::Node).then(|| HpkeSecret::from_seed([member + 2; 32]).public()),
        unit: "command centre".to_owned(),
        seats: vec!["duty".to_owned()],
        capabilities,
        name_commitment: None,
        scope_commitment: None,
        not_before: START,
        not_after: START.plus(397 * 86_400),
        serial: [member; 16],
        issuer: Issuer::Root(root_id),
    };
    let node =
        certificate(MemberKind::Node, seed + 1, vec![Capability::Create, Capability::Write, Capability::Issue, Capability::Register]);
    let node = seal(node, &[seed]);
    let node_id = node.certificate_id(&network());
    let mut statements = vec![root.to_bytes(), node.to_bytes()];
    let officers = [seed + 4, seed + 5].map(|member| {
        let mut body = certificate(MemberKind::Officer, member, OFFICER.to_vec());
        if member == seed + 5 {
            body.unit = "second squad".to_owned();
            body.seats = vec!["archive".to_owned()];
            body.issuer = Issuer::Member(node_id);
        }
        let sealed = seal(body, &[if member == seed + 5 { seed + 1 } else { seed }]);
        statements.push(sealed.to_bytes());
        Member { id: sealed.certificate_id(&network()), seed: member }
    });
    let appointment = seal(Appointment { bureau: id, epoch: 1, registrar: node_id, at: START, root: root_id }, &[seed]);
    statements.push(appointment.to_bytes());
    let later = seal(Appointment { bureau: id, epoch: 2, registrar: node_id, at: START.plus(1), root: root_id }, &[seed]);
    Bureau {
        id,
        root: root_id,
        node: Member { id: node_id, seed: seed + 1 },
        officers,
        appointment: appointment.id(&network()),
        later,
        statements,
    }
}

/// Three bureaus that know each other.
pub struct World {
    pub bureaus: [Bureau; 3],
    pub directory: Directory,
}

/// The one world of the tests: sealing it costs more than most tests.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

impl World {
    fn new() -> Self {
        let bureaus = [bureau(1), bureau(2), bureau(3)];
        let mut directory = Directory::new(network());
        for bytes in bureaus.iter().flat_map(|bureau| &bureau.statements) {
            directory.learn_bytes(bytes).expect("in order");
        }
        directory.learn_bytes(&bureaus[0].later.to_bytes()).expect("its root is known");
        Self { bureaus, directory }
    }

    pub fn owner(&self) -> &Bureau {
        &self.bureaus[0]
    }

    /// The six officers, by bureau.
    pub fn officers(&self) -> Vec<Member> {
        self.bureaus.iter().flat_map(|bureau| bureau.officers).collect()
    }

    /// A case of the first bureau that the given bureaus may write.
    pub fn genesis(&self, kind: Kind, audience: &[(usize, Verb)]) -> Verified<Genesis> {
        self.genesis_under(kind, audience, 1)
    }

    /// As [`World::genesis`], under a rules version.
    pub fn genesis_under(&self, kind: Kind, audience: &[(usize, Verb)], rules: u16) -> Verified<Genesis> {
        let owner = self.owner();
        let mut audience: Vec<Grantee> = audience.iter().map(|(at, verb)| Grantee::plain(self.bureaus[*at].id, *verb, None)).collect();
        audience.sort();
        let genesis = Genesis {
            owner: owner.id,
            creator: owner.officers[0].id,
            kind,
            schema: 1,
            rules,
            category: Category::CrimSeries,
            tlp: Tlp::Amber,
            audience,
            life: life(owner.officers[0], 0),
            at: START,
            nonce: Nonce([1; 16]),
            hidden: None,
        };
        verified(genesis, &[owner.officers[0].seed])
    }

    /// A record of the first bureau's registrar.
    pub fn record(&self, document: DocumentId, index: u32, previous: RecordId, kind: RecordKind) -> Verified<Record> {
        self.record_of_epoch(document, index, previous, kind, 1)
    }

    /// As [`World::record`], under the appointment for epoch 1 or 2.
    pub fn record_of_epoch(&self, document: DocumentId, index: u32, previous: RecordId, kind: RecordKind, epoch: u32) -> Verified<Record> {
        let owner = self.owner();
        let at = START.plus(u64::from(index));
        let appointment = if epoch == 1 { owner.appointment } else { owner.later.id(&network()) };
        let record = Record { document, index, previous, registrar: owner.node.id, appointment, kind, at };
        verified(record, &[owner.node.seed])
    }

    /// An order of the first bureau's first officer.
    pub fn order(&self, document: DocumentId, act: OrderAct) -> Bytes {
        self.order_number(document, act, 0x0202_0202)
    }

    /// As [`World::order`], differing by a number.
    pub fn order_number(&self, document: DocumentId, act: OrderAct, number: u32) -> Bytes {
        let officer = self.owner().officers[0];
        let mut nonce = [2; 16];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let order = Order { document, officer: officer.id, act, at: START, nonce: Nonce(nonce) };
        Bytes(seal(order, &[officer.seed]).to_bytes())
    }

    pub fn grant(&self, document: DocumentId, grants: &[(usize, Verb)]) -> RecordKind {
        let mut grantees: Vec<Grantee> = grants.iter().map(|(at, verb)| Grantee::plain(self.bureaus[*at].id, *verb, None)).collect();
        grantees.sort();
        let order = self.order(document, OrderAct::Grant(grantees.clone()));
        RecordKind::Grant(grantees, order)
    }

    pub fn cut(&self, document: DocumentId, subject: Subject, verbs: &[Verb], mut frontier: Vec<FrontierLine>, strict: bool) -> RecordKind {
        frontier.sort();
        let order = self.order(document, OrderAct::Cut(subject.clone(), verbs.to_vec(), strict));
        RecordKind::Cut(subject, verbs.to_vec(), frontier, strict, order)
    }
}

/// The n-th life of a member in any document.
pub fn life(member: Member, n: u8) -> Life {
    Life([member.seed, n, 0, 0, 0, 0, 0, 7])
}

/// Tips as records list them.
pub fn ascending(tips: impl IntoIterator<Item = ChangeHash>) -> Vec<ChangeHash> {
    let mut tips: Vec<ChangeHash> = tips.into_iter().collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}
