//! Keeps `keys/vectors/` and the code in step: what the code makes today must be byte for byte what was frozen.
//!
//! `ACCORD_WRITE_VECTORS=1 cargo test -p accord-keys vectors` writes the files anew; a changed frozen vector is a new protocol.

use crate::appointment::Appointment;
use crate::certificate::{Commitment, Issuer, MemberCertificate, MemberKind, Opening};
use crate::clock_reset::ClockReset;
use crate::code::CheckingCode;
use crate::contact::Contact;
use crate::id::{BureauId, CertificateId, PublicKey};
use crate::keyfile::{self, KdfParams, RecoveryKey};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use crate::root::RootStatement;
use crate::samples::{self, START, key, network};
use crate::seal::{self, Sealed, Statement};
use crate::secret::{Signature, verify_strict};
use crate::types::StatementType;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Compares with the committed file, or writes it when asked to.
fn check(name: &str, made: &str) {
    let path = path(name);
    if std::env::var_os("ACCORD_WRITE_VECTORS").is_some() {
        std::fs::write(&path, made).expect("writes the vectors");
    }
    let frozen = std::fs::read_to_string(&path).expect("vectors are committed");
    for (line, (made, frozen)) in made.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(made, frozen, "{name}, line {}", line + 1);
    }
    assert_eq!(made.len(), frozen.len(), "{name}");
}

/// One line of `statements.json`.
fn line<T: Statement>(name: &str, sealed: &Sealed<T>) -> (StatementType, String) {
    let bytes = sealed.to_bytes();
    assert_eq!(Sealed::<T>::from_bytes(&bytes).expect("reads back").to_bytes(), bytes);
    sealed.clone().verify(&network()).expect("verifies");
    let list = |items: Vec<String>| format!("[{}]", items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", "));
    let exports = (0..sealed.signers().len()).map(|at| hex::encode(sealed.export_cose(at).expect("one per signer"))).collect();
    let line = format!(
        "    {{\"name\": \"{name}\", \"type\": {}, \"payload\": \"{}\", \"id\": \"{}\", \"signers\": {}, \"exports\": {}, \"sealed\": \"{}\"}}",
        T::TYPE.number(),
        hex::encode(sealed.payload()),
        sealed.id(&network()),
        list(sealed.signers().map(PublicKey::to_string).collect()),
        list(exports),
        hex::encode(bytes)
    );
    (T::TYPE, line)
}

/// A county with everything in it: the same keys as [`samples`], filled to the last optional field.
fn statements() -> Vec<(StatementType, String)> {
    let root = samples::seal(samples::root_statement(), &[1, 2]);
    let root_id = root.root_id(&network());
    let bureau = BureauId::from(root_id);
    let next = RootStatement { version: 2, previous: Some(root_id), created: START.plus(1), ..samples::root_of(&[3, 4, 5], 2) };
    let next = samples::seal(next, &[1, 3, 4]);
    let next_id = next.root_id(&network());
    let node = samples::seal(samples::node_of(bureau, root_id, 10), &[1, 2]);
    let node_id = node.certificate_id(&network());
    let laptop = MemberCertificate {
        kind: MemberKind::Laptop,
        issuer: Issuer::Member(node_id),
        capabilities: vec![],
        seats: vec![],
        hpke: None,
        scope_commitment: Some(Commitment([0xc5; 32])),
        ..samples::node_of(bureau, root_id, 30)
    };
    let officer = samples::seal(samples::officer_of(bureau, node_id, 20), &[10]);
    let officer_id = officer.certificate_id(&network());
    let revoke =
        |target, class, issuer, signers: &[u8]| samples::seal(Revocation { bureau, target, class, at: START.plus(2), issuer }, signers);
    let appointment = Appointment { bureau, epoch: 1, registrar: node_id, at: START, root: root_id };
    let contact = Contact { bureau, certificate: node_id, ..samples::contact() };
    let reset = ClockReset { bureau, root: root_id, ..samples::clock_reset() };
    let silent = Contact { addresses: vec![], phone: String::new(), ..contact.clone() };
    vec![
        line("root, version 1, 2 of 3", &root),
        line("root, version 2, sealed by keys of both versions", &next),
        line("certificate of a node, by the root", &node),
        line("certificate of a laptop, by the node", &samples::seal(laptop, &[10])),
        line("certificate of an officer, by the node", &officer),
        line(
            "revocation of a key, by the root",
            &revoke(RevocationTarget::Key(key(20).public()), RevocationClass::Retired, Issuer::Root(root_id), &[1, 2]),
        ),
        line(
            "revocation of a certificate, by the node",
            &revoke(RevocationTarget::Certificate(officer_id), RevocationClass::Compromised, Issuer::Member(node_id), &[10]),
        ),
        line(
            "revocation of an issuer, one certificate stays good",
            &revoke(
                RevocationTarget::Issuer { certificate: node_id, good: vec![officer_id] },
                RevocationClass::Compromised,
                Issuer::Root(root_id),
                &[2, 3],
            ),
        ),
        line(
            "revocation of a root version",
            &revoke(RevocationTarget::Root { root: root_id, good: vec![] }, RevocationClass::Compromised, Issuer::Root(next_id), &[4, 5]),
        ),
        line("appointment", &samples::seal(appointment, &[1, 3])),
        line("contact", &samples::seal(contact, &[10])),
        line("contact without address or phone", &samples::seal(silent, &[10])),
        line("clock reset, by the root", &samples::seal(reset, &[2, 3])),
    ]
}

#[test]
fn vectors_of_statements_are_frozen() {
    let statements = statements();
    let in_keys = [
        StatementType::Root,
        StatementType::Certificate,
        StatementType::Revocation,
        StatementType::Appointment,
        StatementType::Contact,
        StatementType::ClockReset,
    ];
    assert_eq!(statements.iter().map(|(kind, _)| *kind).collect::<BTreeSet<_>>(), BTreeSet::from(in_keys), "every type of this crate");
    let tip = [0x77; 32];
    let signature = seal::sign_tip(&network(), &key(10), &tip).expect("signs");
    let tip_line = format!(
        "    {{\"type\": {}, \"key\": \"{}\", \"tip\": \"{}\", \"signature\": \"{}\"}}",
        StatementType::SegmentTip.number(),
        key(10).public(),
        hex::encode(tip),
        hex::encode(signature.0)
    );
    let lines: Vec<_> = statements.into_iter().map(|(_, line)| line).collect();
    let text = format!(
        "{{\n  \"note\": \"the key of seed n is Ed25519 of 32 bytes n; see keys/src/samples.rs\",\n  \"network_name\": \"demo\",\n  \
         \"network\": \"{}\",\n  \"statements\": [\n{}\n  ],\n  \"tips\": [\n{tip_line}\n  ]\n}}\n",
        network(),
        lines.join(",\n")
    );
    check("statements.json", &text);
}

#[test]
fn vectors_of_cards_codes_and_key_files_are_frozen() {
    let card = samples::card();
    check("card.txt", &card.to_text());
    let code = CheckingCode::of(&BureauId([1; 32]), &crate::id::RootId([2; 32]));
    let opening = Opening { salt: [9; 32], name: "Officer Seven".to_owned() };
    let weakest = keyfile::seal_secret(b"secret", "passphrase", &[5; 16], &[6; 24], &KdfParams::WEAKEST).expect("seals");
    let wrapped = keyfile::wrap_secret(b"secret", &[7; 32], &[5; 16], &[6; 24]).expect("wraps");
    let paper = RecoveryKey::from_bytes(std::array::from_fn(|i| i as u8));
    let text = format!(
        "{{\n  \"checking_code\": {{\"bureau\": \"{}\", \"root\": \"{}\", \"code\": \"{code}\"}},\n  \
         \"name_commitment\": {{\"salt\": \"{}\", \"name\": \"{}\", \"commitment\": \"{}\"}},\n  \
         \"key_file\": {{\"passphrase\": \"passphrase\", \"plaintext\": \"{}\", \"file\": \"{}\"}},\n  \
         \"wrapped\": {{\"key\": \"{}\", \"plaintext\": \"{}\", \"file\": \"{}\"}},\n  \
         \"recovery_key\": {{\"key\": \"{}\", \"groups\": \"{}\"}}\n}}\n",
        "01".repeat(32),
        "02".repeat(32),
        hex::encode(opening.salt),
        opening.name,
        opening.commitment(),
        hex::encode("secret"),
        hex::encode(weakest),
        "07".repeat(32),
        hex::encode("secret"),
        hex::encode(wrapped),
        hex::encode(paper.expose()),
        *paper.to_groups()
    );
    check("codes.json", &text);
}

/// The value of a string field in one line of JSON without escapes.
fn text<'a>(line: &'a str, field: &str) -> &'a str {
    let start = line.find(&format!("\"{field}\": \"")).expect("the field") + field.len() + 5;
    let length = line[start..].find('"').expect("the end of the string");
    &line[start..start + length]
}

/// Key, message and signature of each crafted one.
pub fn crafted_signatures() -> Vec<([u8; 32], Vec<u8>, [u8; 64])> {
    let file = std::fs::read_to_string(path("ed25519-edge.json")).expect("vectors are committed");
    let read = |line: &str| {
        let bytes = |field| hex::decode(text(line, field)).expect("hex");
        let (key, signature) = (bytes("key").try_into(), bytes("signature").try_into());
        (key.expect("32 bytes"), bytes("message"), signature.expect("64 bytes"))
    };
    file.lines().filter(|line| line.contains("\"name\"")).map(read).collect()
}

#[test]
fn vectors_of_crafted_signatures_get_the_verdicts_of_the_protocol() {
    let file = std::fs::read_to_string(path("ed25519-edge.json")).expect("vectors are committed");
    let mut seen = 0;
    for line in file.lines().filter(|line| line.contains("\"name\"")) {
        let name = text(line, "name");
        let key = PublicKey::from_hex(text(line, "key")).expect("32 bytes");
        let message = hex::decode(text(line, "message")).expect("hex");
        let signature = Signature::from_slice(&hex::decode(text(line, "signature")).expect("hex")).expect("64 bytes");
        assert_eq!(verify_strict(&key, &message, &signature), line.contains("\"strict\": true"), "{name}: strict");
        assert_eq!(key.is_usable(), line.contains("\"usable\": true"), "{name}: usable");
        seen += 1;
    }
    assert_eq!(seen, 41, "every vector was read");
}

#[test]
fn vectors_hold_a_certificate_id_that_is_the_statement_id() {
    let node = samples::seal(samples::node_certificate(), &[1]);
    assert_eq!(node.certificate_id(&network()), CertificateId(node.id(&network()).0));
}
