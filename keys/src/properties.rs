//! What must hold for every statement, tried on many.

use crate::canon;
use crate::card::Card;
use crate::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use crate::contact::Contact;
use crate::cose;
use crate::id::{BureauId, CertificateId, HpkeKey, PublicKey, RootId, TransportKey};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use crate::root::RootStatement;
use crate::samples::{self, key, network};
use crate::seal::{Sealed, Statement, peek_type};
use crate::secret::HpkeSecret;
use crate::time::WallSeconds;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

fn hash() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

fn issuer() -> impl Strategy<Value = Issuer> {
    prop_oneof![hash().prop_map(|id| Issuer::Root(RootId(id))), hash().prop_map(|id| Issuer::Member(CertificateId(id)))]
}

fn root() -> impl Strategy<Value = RootStatement> {
    (btree_set(1u8..40, 1..=9), 1u8..=9, 1u32..5, hash(), "[a-zA-Z0-9\u{4e00}-\u{4eff}]{1,20}", any::<u64>()).prop_map(
        |(keys, threshold, version, previous, name, created)| {
            let keys: Vec<u8> = keys.into_iter().collect();
            let threshold = threshold.min(keys.len() as u8);
            RootStatement {
                version,
                previous: (version > 1).then_some(RootId(previous)),
                name,
                created: WallSeconds(created),
                ..samples::root_of(&keys, threshold)
            }
        },
    )
}

fn certificate() -> impl Strategy<Value = MemberCertificate> {
    let capabilities = btree_set(any::<u8>().prop_map(Capability::from_number), 0..12);
    let seats = btree_set("[a-z]{1,12}", 0..5);
    (hash(), 1u8..200, any::<bool>(), option::of(hash()), seats, capabilities, any::<[u8; 16]>(), 0u64..1 << 40, issuer()).prop_map(
        |(bureau, n, travels, hidden, seats, capabilities, serial, start, issuer)| MemberCertificate {
            bureau: BureauId(bureau),
            network: network(),
            kind: if travels { MemberKind::Laptop } else { MemberKind::Officer },
            key: key(n).public(),
            transport: travels.then(|| TransportKey(key(n + 1).public().0)),
            hpke: hidden.map(|seed| HpkeSecret::from_seed(seed).public()).filter(|_| travels),
            unit: "unit".to_owned(),
            seats: seats.into_iter().collect(),
            capabilities: capabilities.into_iter().collect(),
            name_commitment: hidden.map(crate::certificate::Commitment),
            scope_commitment: None,
            not_before: WallSeconds(start),
            not_after: WallSeconds(start + 1),
            serial,
            issuer,
        },
    )
}

fn revocation() -> impl Strategy<Value = Revocation> {
    let good = || btree_set(hash().prop_map(CertificateId), 0..6).prop_map(|good| good.into_iter().collect::<Vec<_>>());
    let target = prop_oneof![
        hash().prop_map(|key| RevocationTarget::Key(PublicKey(key))),
        hash().prop_map(|id| RevocationTarget::Certificate(CertificateId(id))),
        (hash(), good()).prop_map(|(id, good)| RevocationTarget::Issuer { certificate: CertificateId(id), good }),
    ];
    (hash(), target, any::<bool>(), any::<u64>(), issuer()).prop_map(|(bureau, target, stolen, at, issuer)| Revocation {
        bureau: BureauId(bureau),
        target,
        class: if stolen { RevocationClass::Compromised } else { RevocationClass::Retired },
        at: WallSeconds(at),
        issuer,
    })
}

fn check<T: Statement + PartialEq + std::fmt::Debug>(body: &T, signers: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(body.validate(), Ok(()));
    let payload = canon::encode(body);
    prop_assert_eq!(&canon::decode::<T>(&payload).expect("reads back"), body);
    let sealed = samples::seal(body.clone(), signers);
    let bytes = sealed.to_bytes();
    prop_assert_eq!(peek_type(&bytes), Some(T::TYPE.number()));
    let read = Sealed::<T>::from_bytes(&bytes).expect("reads back");
    prop_assert_eq!(read.to_bytes(), bytes);
    let verified = read.verify(&network()).expect("verifies");
    prop_assert_eq!(verified.body(), body);
    Ok(())
}

/// Flips one bit and says whether anybody would still believe the bytes.
fn is_believed<T: Statement>(bytes: &[u8], bit: usize) -> bool {
    let mut changed = bytes.to_vec();
    changed[bit / 8] ^= 1 << (bit % 8);
    Sealed::<T>::from_bytes(&changed).is_ok_and(|sealed| sealed.verify(&network()).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn roots_read_back_and_verify(body in root(), signers in btree_set(1u8..40, 1..4)) {
        check(&body, &signers.into_iter().collect::<Vec<_>>())?;
    }

    #[test]
    fn certificates_read_back_and_verify(body in certificate(), signer in 1u8..40) {
        check(&body, &[signer])?;
    }

    #[test]
    fn revocations_read_back_and_verify(body in revocation(), signer in 1u8..40) {
        check(&body, &[signer])?;
    }

    #[test]
    fn contacts_read_back_and_verify(addresses in btree_set("[a-z.]{1,30}:[0-9]{1,5}", 0..6), at in any::<u64>()) {
        let addresses = addresses.into_iter().collect();
        check(&Contact { addresses, at: WallSeconds(at), ..samples::contact() }, &[1])?;
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Sealed::<RootStatement>::from_bytes(&bytes);
        let _ = Sealed::<MemberCertificate>::from_bytes(&bytes);
        let _ = Sealed::<Contact>::from_cose(&bytes, key(1).public());
        let _ = cose::read_detached(&bytes);
        let _ = Card::from_bytes(&bytes);
        let _ = Card::from_text(&String::from_utf8_lossy(&bytes));
        let _ = crate::armour::decode_base64(&String::from_utf8_lossy(&bytes));
        let _ = crate::keyfile::unwrap_secret(&bytes, &[0; 32]);
        let _ = peek_type(&bytes);
        let _ = crate::secret::hpke_is_usable(&HpkeKey([0; 32]));
    }

    #[test]
    fn good_bytes_changed_in_a_few_places_never_panic(places in vec((0usize..600, any::<u8>()), 1..5)) {
        let card = samples::card();
        let mut bytes = card.to_bytes();
        let mut statement = card.certificates[0].to_bytes();
        for (place, value) in places {
            let (in_card, in_statement) = (place % bytes.len(), place % statement.len());
            bytes[in_card] = value;
            statement[in_statement] = value;
        }
        let _ = Card::from_bytes(&bytes).map(|card| card.verify(&network()));
        let _ = Sealed::<MemberCertificate>::from_bytes(&statement);
    }
}

#[test]
fn any_one_bit_flip_of_a_sealed_statement_is_noticed() {
    let certificate = samples::seal(samples::node_certificate(), &[1, 2]).to_bytes();
    for bit in 0..certificate.len() * 8 {
        assert!(!is_believed::<MemberCertificate>(&certificate, bit), "bit {bit} of the certificate");
    }
    let revocation = samples::seal(samples::revocation(), &[3]).to_bytes();
    for bit in 0..revocation.len() * 8 {
        assert!(!is_believed::<Revocation>(&revocation, bit), "bit {bit} of the revocation");
    }
    let export = samples::seal(samples::contact(), &[1]).export_cose(0).expect("one signer");
    for bit in 0..export.len() * 8 {
        let mut changed = export.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let believed = Sealed::<Contact>::from_cose(&changed, key(1).public()).is_ok_and(|sealed| sealed.verify(&network()).is_ok());
        assert!(!believed, "bit {bit} of the export");
    }
}
