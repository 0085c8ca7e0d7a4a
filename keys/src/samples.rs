//! One small county of fixed keys, for this crate's own tests and vectors.

use crate::appointment::Appointment;
use crate::card::Card;
use crate::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use crate::clock_reset::ClockReset;
use crate::contact::Contact;
use crate::id::{BureauId, CertificateId, NetworkId, RootId, TransportKey};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use crate::root::RootStatement;
use crate::seal::{Sealed, Statement, Verified};
use crate::secret::{HpkeSecret, SecretKey, Signer};
use crate::time::WallSeconds;

/// 2030-01-01T00:00:00Z.
pub const START: WallSeconds = WallSeconds(1_893_456_000);
/// The day after, for `standing`.
pub const LATER: WallSeconds = WallSeconds(START.0 + 86_400);

pub fn network() -> NetworkId {
    NetworkId::named("demo")
}

/// The key of a fixed seed: 32 times `n`.
pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// A root of three keys, 1, 2 and 3, threshold 2.
pub fn root_statement() -> RootStatement {
    root_of(&[1, 2, 3], 2)
}

pub fn root_of(keys: &[u8], threshold: u8) -> RootStatement {
    let mut keys: Vec<_> = keys.iter().map(|n| key(*n).public()).collect();
    keys.sort_unstable();
    RootStatement {
        version: 1,
        previous: None,
        keys,
        threshold,
        unit_code: "530000".to_owned(),
        name: "Northfork Police".to_owned(),
        network: network(),
        created: START,
    }
}

/// Key 10, transport key 11, HPKE key 12, issued by [`root_statement`].
pub fn node_certificate() -> MemberCertificate {
    node_of(BureauId([7; 32]), RootId([7; 32]), 10)
}

pub fn node_of(bureau: BureauId, root: RootId, n: u8) -> MemberCertificate {
    MemberCertificate {
        bureau,
        network: network(),
        kind: MemberKind::Node,
        key: key(n).public(),
        transport: Some(TransportKey(key(n + 1).public().0)),
        hpke: Some(HpkeSecret::from_seed([n + 2; 32]).public()),
        unit: "command centre".to_owned(),
        seats: vec!["duty officer".to_owned()],
        capabilities: vec![Capability::Create, Capability::Write, Capability::Issue, Capability::Register],
        name_commitment: None,
        scope_commitment: None,
        not_before: START,
        not_after: START.plus(397 * 86_400),
        serial: [n; 16],
        issuer: Issuer::Root(root),
    }
}

/// An officer of key `n`, issued by `issuer`.
pub fn officer_of(bureau: BureauId, issuer: CertificateId, n: u8) -> MemberCertificate {
    MemberCertificate {
        bureau,
        network: network(),
        kind: MemberKind::Officer,
        key: key(n).public(),
        transport: None,
        hpke: None,
        unit: "command centre".to_owned(),
        seats: vec!["liaison".to_owned()],
        capabilities: vec![Capability::SignAgreement, Capability::Write, Capability::Publish],
        name_commitment: Some(crate::certificate::commit_name(&[n; 32], "Officer Seven")),
        scope_commitment: None,
        not_before: START,
        not_after: START.plus(90 * 86_400),
        serial: [n; 16],
        issuer: Issuer::Member(issuer),
    }
}

pub fn revocation() -> Revocation {
    Revocation {
        bureau: BureauId([7; 32]),
        target: RevocationTarget::Certificate(CertificateId([8; 32])),
        class: RevocationClass::Compromised,
        at: START,
        issuer: Issuer::Root(RootId([7; 32])),
    }
}

pub fn appointment() -> Appointment {
    Appointment { bureau: BureauId([7; 32]), epoch: 1, registrar: CertificateId([8; 32]), at: START, root: RootId([7; 32]) }
}

pub fn clock_reset() -> ClockReset {
    ClockReset { bureau: BureauId([7; 32]), floor: START, at: START.plus(5), root: RootId([7; 32]) }
}

pub fn contact() -> Contact {
    Contact {
        bureau: BureauId([7; 32]),
        certificate: CertificateId([8; 32]),
        addresses: vec!["192.0.2.7:7411".to_owned(), "node.example:7411".to_owned()],
        phone: "0000-110".to_owned(),
        at: START,
    }
}

/// Seals with the keys of the given seeds.
pub fn seal<T: Statement>(body: T, signers: &[u8]) -> Sealed<T> {
    let keys: Vec<_> = signers.iter().map(|n| key(*n)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    Sealed::seal(&network(), body, &signers).expect("samples are well formed")
}

/// Seals and verifies.
pub fn verified<T: Statement>(body: T, signers: &[u8]) -> Verified<T> {
    seal(body, signers).verify(&network()).expect("just sealed")
}

/// The whole sample bureau as a card: roots 1 to 3, node 10, officer 20, epoch 1.
pub fn card() -> Card {
    let root = seal(root_statement(), &[1, 2]);
    let root_id = root.root_id(&network());
    let bureau = BureauId::from(root_id);
    let node = seal(node_of(bureau, root_id, 10), &[1, 2]);
    let node_id = node.certificate_id(&network());
    let officer = seal(officer_of(bureau, node_id, 20), &[10]);
    let appointment = Appointment { bureau, epoch: 1, registrar: node_id, at: START, root: root_id };
    let contact = Contact { bureau, certificate: node_id, ..contact() };
    Card {
        roots: vec![root],
        certificates: vec![node, officer],
        appointments: vec![seal(appointment, &[1, 2])],
        contact: seal(contact, &[10]),
    }
}
