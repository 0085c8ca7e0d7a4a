//! A seal leaves accord: the genesis of a bulletin as a standard COSE_Sign1 (RFC 9052), verified by itself, and refused once altered.
//!
//! What another program needs is printed: the COSE message, the signer's Ed25519 key and the external data. `tests/interop` does the same
//! check with a Python COSE library.
//!
//! ## Usage
//! `cargo run -p accord-examples --bin verify_seal`

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;

use accord_keys::cose;
use accord_keys::id::{BureauId, CertificateId, NetworkId};
use accord_keys::seal::Sealed;
use accord_keys::secret::SecretKey;
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use accord_protocol::access::log::{Genesis, Grantee, Kind, Life};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::Nonce;

fn main() -> Result<(), Box<dyn Error>> {
    let network = NetworkId::named("example");
    // A fixed key, so that the example prints the same bytes every time; real keys come from the system's randomness.
    let officer = SecretKey::from_seed([7; 32]);
    let genesis = Genesis {
        owner: BureauId([1; 32]),
        creator: CertificateId([2; 32]),
        kind: Kind::Bulletin,
        schema: 1,
        rules: 1,
        category: Category::FireHaz,
        tlp: Tlp::Amber,
        audience: vec![Grantee::plain(BureauId([3; 32]), Verb::Read, None)],
        life: Life([4; 8]),
        at: WallSeconds(1_893_456_000),
        nonce: Nonce([5; 16]),
        hidden: None,
    };

    // Inside accord a statement travels with its seals detached; an export is one seal with the payload attached.
    let sealed = Sealed::seal(&network, genesis.clone(), &[&officer])?;
    let exported = sealed.export_cose(0).ok_or("no signer")?;
    println!("id            {}", sealed.id(&network));
    println!("public key    {}", hex(&officer.public().0));
    println!("external data {}", hex(&cose::external_aad(StatementType::Genesis, &network)));
    println!("COSE_Sign1    {}", hex(&exported));

    // Whoever receives it says whose seal it must be: COSE carries no key here.
    let read = Sealed::<Genesis>::from_cose(&exported, officer.public())?.verify(&network)?;
    if *read.body() != genesis {
        return Err("the export states something else".into());
    }
    println!("verified      {:?} of {}", read.body().kind, read.body().category.code());

    // Every single bit counts, under every key and in every network but the right ones.
    let refused = |bytes: &[u8], key, network| match Sealed::<Genesis>::from_cose(bytes, key) {
        Ok(sealed) => sealed.verify(network).is_err(),
        Err(_) => true,
    };
    let mut altered = 0;
    for bit in 0..exported.len() * 8 {
        let mut bytes = exported.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if !refused(&bytes, officer.public(), &network) {
            return Err(format!("a message with bit {bit} inverted was accepted").into());
        }
        altered += 1;
    }
    if !refused(&exported, SecretKey::from_seed([8; 32]).public(), &network) {
        return Err("another key was accepted".into());
    }
    if !refused(&exported, officer.public(), &NetworkId::named("another")) {
        return Err("another network was accepted".into());
    }
    println!("refused       {altered} altered messages, another key, another network");
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
