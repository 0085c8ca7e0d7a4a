//! Founding: the first statements of a bureau, and of a laptop that joins one. Runs once, before there is a node.

use accord_keys::appointment::Appointment;
use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::contact::Contact;
use accord_keys::directory::Directory;
use accord_keys::root::RootStatement;
use accord_keys::seal::{SealError, Sealed};
use accord_keys::secret::Signer;
use thiserror::Error;

use super::rows::{OfficerRow, write};
use crate::id::{BureauId, CertificateId, HpkeKey, NetworkId, PublicKey, RootId, TransportKey};
use crate::step::{Table, Write};
use crate::time::WallSeconds;
use crate::wire::{IdentityStatement, Welcome};

/// How long a node's certificate is good, seconds (13 months).
const NODE_S: u64 = 396 * 24 * 3_600;

/// Everything a new bureau starts from.
pub struct FoundPlan<'a> {
    /// The network.
    pub network: NetworkId,
    /// Unit code.
    pub unit_code: String,
    /// What the bureau calls itself.
    pub name: String,
    /// Where its node is reached.
    pub addresses: Vec<String>,
    /// Duty phone.
    pub phone: String,
    /// The first officer, who may do everything an officer may.
    pub officer: String,
    /// Root key; 1 of 1 to start with.
    pub root: &'a dyn Signer,
    /// The node's signing key.
    pub node: &'a dyn Signer,
    /// The node's transport key.
    pub transport: TransportKey,
    /// The node's key for bundles.
    pub hpke: HpkeKey,
    /// Time of founding.
    pub now: WallSeconds,
    /// 64 random bytes: serial, index id.
    pub random: [u8; 64],
}

/// What was founded.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The bureau.
    pub bureau: BureauId,
    /// Its root.
    pub root: RootId,
    /// The node's certificate.
    pub certificate: CertificateId,
    /// What the store must hold before the node opens.
    pub writes: Vec<Write>,
}

/// Why founding failed.
#[derive(Debug, Error)]
pub enum FoundError {
    /// A name, code or address is out of bounds, or a key cannot sign.
    #[error("cannot seal the founding statements: {0}")]
    Seal(#[from] SealError),
    /// The home node's answer does not stand.
    #[error("the home node's answer does not stand: {0}")]
    Welcome(String),
}

fn capability_words() -> Vec<String> {
    Capability::ALL.iter().filter(|c| !c.is_root_only()).filter_map(|c| c.word().map(str::to_owned)).collect()
}

/// Makes a bureau: root, node certificate, registrar appointment, contact, and the first officer, whose key is made at the first login.
///
/// # Errors
/// [`FoundError::Seal`] when a text is out of bounds.
pub fn found(plan: &FoundPlan<'_>) -> Result<Founded, FoundError> {
    let network = &plan.network;
    let root = RootStatement {
        version: 1,
        previous: None,
        keys: vec![plan.root.public()],
        threshold: 1,
        unit_code: plan.unit_code.clone(),
        name: plan.name.clone(),
        network: plan.network,
        created: plan.now,
    };
    let root = Sealed::seal(network, root, &[plan.root])?;
    let root_id = RootId(root.id(network).0);
    let bureau = BureauId(root_id.0);
    let mut serial = [0; 16];
    serial.copy_from_slice(&plan.random[..16]);
    let mut capabilities = vec![Capability::Create, Capability::Write, Capability::Issue, Capability::Register];
    capabilities.sort();
    let node = MemberCertificate {
        bureau,
        network: plan.network,
        kind: MemberKind::Node,
        key: plan.node.public(),
        transport: Some(plan.transport),
        hpke: Some(plan.hpke),
        unit: plan.unit_code.clone(),
        seats: Vec::new(),
        capabilities,
        name_commitment: None,
        scope_commitment: None,
        not_before: super::people::begins(plan.now),
        not_after: plan.now.plus(NODE_S),
        serial,
        issuer: Issuer::Root(root_id),
    };
    let node = Sealed::seal(network, node, &[plan.root])?;
    let certificate = CertificateId(node.id(network).0);
    let appointment = Appointment { bureau, epoch: 1, registrar: certificate, at: plan.now, root: root_id };
    let appointment = Sealed::seal(network, appointment, &[plan.root])?;
    let contact = Contact { bureau, certificate, addresses: plan.addresses.clone(), phone: plan.phone.clone(), at: plan.now };
    let contact = Sealed::seal(network, contact, &[plan.node])?;
    let statements = [
        (root.id(network), root.to_bytes()),
        (node.id(network), node.to_bytes()),
        (appointment.id(network), appointment.to_bytes()),
        (contact.id(network), contact.to_bytes()),
    ];
    let mut writes: Vec<Write> = statements.into_iter().map(|(id, bytes)| put(Table::Statements, &id.0, bytes)).collect();
    let officer = OfficerRow {
        version: 1,
        name: plan.officer.clone(),
        seats: vec!["liaison".to_owned()],
        capabilities: capability_words(),
        certificates: Vec::new(),
        awaiting: true,
    };
    writes.push(put(Table::Officers, plan.officer.as_bytes(), write(&officer)));
    writes.push(put(Table::Local, b"index", plan.random[16..32].to_vec()));
    writes.push(put(Table::Local, b"floor", plan.now.0.to_be_bytes().to_vec()));
    Ok(Founded { bureau, root: root_id, certificate, writes })
}

/// Everything a laptop starts from.
pub struct LaptopPlan<'a> {
    /// The network.
    pub network: NetworkId,
    /// The bureau the code named; an answer about another is refused.
    pub bureau: BureauId,
    /// The home node's answer.
    pub welcome: &'a Welcome,
    /// The laptop's own keys, as it sent them.
    pub device: PublicKey,
    /// The officer's key on it.
    pub officer: PublicKey,
    /// Time of joining.
    pub now: WallSeconds,
    /// 32 random bytes.
    pub random: [u8; 32],
}

/// Checks the home node's answer and makes the laptop's first state.
///
/// # Errors
/// [`FoundError::Welcome`] when a statement does not verify, belongs to another bureau or names other keys.
pub fn found_laptop(plan: &LaptopPlan<'_>) -> Result<Founded, FoundError> {
    let bad = |why: &str| FoundError::Welcome(why.to_owned());
    let mut directory = Directory::new(plan.network);
    let mut writes = Vec::new();
    for bytes in &plan.welcome.statements {
        let statement = IdentityStatement::from_bytes(&plan.network, &bytes.0).map_err(|e| FoundError::Welcome(e.to_string()))?;
        let id = statement.id();
        statement.teach(&mut directory).map_err(|e| FoundError::Welcome(e.to_string()))?;
        writes.push(put(Table::Statements, &id.0, bytes.0.clone()));
    }
    let device = directory.certificate(&plan.welcome.device).ok_or_else(|| bad("the device's certificate is missing"))?.body();
    let officer = directory.certificate(&plan.welcome.officer).ok_or_else(|| bad("the officer's certificate is missing"))?.body();
    if device.bureau != plan.bureau || officer.bureau != plan.bureau {
        return Err(bad("the certificates are of another bureau than the code's"));
    }
    if device.key != plan.device || officer.key != plan.officer {
        return Err(bad("the certificates are for other keys"));
    }
    let row = OfficerRow {
        version: 1,
        name: plan.welcome.officer_name.clone(),
        seats: officer.seats.clone(),
        capabilities: officer.capabilities.iter().filter_map(|c| c.word().map(str::to_owned)).collect(),
        certificates: vec![plan.welcome.officer],
        awaiting: false,
    };
    writes.push(put(Table::Officers, row.name.as_bytes(), write(&row)));
    writes.push(put(Table::Local, b"index", plan.random[..16].to_vec()));
    writes.push(put(Table::Local, b"floor", plan.now.0.to_be_bytes().to_vec()));
    let root = directory.root_head(&plan.bureau).ok_or_else(|| bad("the bureau's root is missing"))?;
    Ok(Founded { bureau: plan.bureau, root, certificate: plan.welcome.device, writes })
}

fn put(table: Table, key: &[u8], value: Vec<u8>) -> Write {
    Write::Put { table, key: key.to_vec(), value: Some(value) }
}
