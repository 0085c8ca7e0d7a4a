//! Founding a bureau on this machine: root, first node, registrar, first officer.
//!
//! Everything is made beside the data folder and moved into place at the end, so a half-founded bureau never exists. The root key lies in
//! the folder only until it is moved to a stick: the node does not need it.

use accord_keys::code::CheckingCode;
use accord_keys::id::NetworkId;
use accord_keys::keyfile::KdfParams;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::bureau::{self, FoundPlan};
use zeroize::Zeroizing;

use super::{Building, InitPlan, StartSheet, failures, make_store, settings};
use crate::driver::Clock;
use crate::failure::Failure;
use crate::keystore::backup_keys::day_of;
use crate::keystore::{KeyFolder, NodeKeys, check_passphrase, random};
use crate::swarm::{self, AddressError};

/// Founds a bureau in an empty folder, and answers what a person writes down.
///
/// # Errors
/// `data_exists`, `weak_passphrase`, what the core finds wrong with name, unit code or addresses, or a failed write; after any of them no
/// data folder exists.
pub fn init(plan: InitPlan) -> Result<StartSheet, Failure> {
    init_told(plan, |_| Ok(()))
}

/// Refuses what no partner could dial: on a card it would stay unnoticed until somebody is missed.
///
/// # Errors
/// `address_invalid`, with the first that is wrong.
pub fn check_addresses<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    check_each(addresses, swarm::check_address, "address_invalid")
}

fn check_each<'a>(
    addresses: impl IntoIterator<Item = &'a String>,
    check: fn(&str) -> Result<(), AddressError>,
    code: &str,
) -> Result<(), Failure> {
    let failure = |address: &str| Failure::misuse(code).with("found", address.chars().take(64).collect::<String>());
    addresses.into_iter().try_for_each(|address| check(address).map_err(|_| failure(address)))
}

/// Refuses what this machine cannot listen at: the first start would stop over it.
///
/// # Errors
/// `listen_invalid`, with the first that is wrong.
pub fn check_listens<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    check_each(addresses, swarm::check_listen, "listen_invalid")
}

/// As [`init`]; `tell` gets the start sheet when everything is made and the bureau does not exist yet. Only after it returned well does it:
/// the recovery key is nowhere else, so it must be on paper or on a stick first.
///
/// # Errors
/// As [`init`], and what `tell` fails with.
pub fn init_told(plan: InitPlan, tell: impl FnOnce(&StartSheet) -> Result<(), Failure>) -> Result<StartSheet, Failure> {
    super::keep_memory_private();
    check_addresses(&plan.addresses)?;
    check_listens(&plan.listen)?;
    check_passphrase(&plan.node_passphrase)?;
    check_passphrase(&plan.root_passphrase)?;
    plan.officer_passphrase.as_deref().map_or(Ok(()), |passphrase| check_passphrase(passphrase))?;
    let clock = Clock::start();
    let building = Building::begin(&plan.data, None)?;
    let folder = KeyFolder::create(&building.at, KdfParams::default())?;

    let root_seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let (signing, transport, hpke, store, cursor) = (random()?, random()?, random()?, random()?, random()?);
    let transport_key = swarm::transport_key(&transport).map_err(failures::swarm)?;
    let founded = bureau::found(&FoundPlan {
        network: NetworkId::named(&plan.network),
        unit_code: plan.unit_code,
        name: plan.name.clone(),
        addresses: plan.addresses,
        phone: plan.phone,
        officer: plan.officer.clone(),
        root: &SecretKey::from_seed(*root_seed),
        node: &SecretKey::from_seed(signing),
        transport: transport_key,
        hpke: HpkeSecret::from_seed(hpke).public(),
        now: clock.now().wall,
        random: random()?,
    })
    .map_err(|error| Failure::misuse("founding_refused").because(error))?;
    let keys = NodeKeys {
        version: 1,
        network: NetworkId::named(&plan.network),
        bureau: founded.bureau,
        certificate: founded.certificate,
        signing,
        transport,
        hpke,
        store,
        cursor,
    };

    make_store(&building.at, &keys, &founded.writes)?;
    if let Some(passphrase) = &plan.officer_passphrase {
        // The first login finds this key, and asks for its certificate.
        folder.make_officer(&plan.officer, passphrase, |_| false)?;
    }
    folder.write_root(&root_seed, &plan.root_passphrase)?;
    let paper = folder.write_recovery(&keys, day_of(clock.now().wall.0))?;
    folder.write_node(&keys, &plan.node_passphrase)?;
    settings(&building.at, &plan.listen)?;
    let sheet = StartSheet {
        bureau: keys.bureau.to_string(),
        name: plan.name,
        checking_code: CheckingCode::of(&founded.bureau, &founded.root).to_string(),
        recovery_key: paper.to_groups().to_string(),
        transport: transport_key.to_string(),
        registrar: keys.certificate.to_string(),
        root_key_file: KeyFolder::root_file(&plan.data).display().to_string(),
        data: plan.data.display().to_string(),
    };
    tell(&sheet)?;
    building.finish()?;
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn a_recovery_key_that_could_not_be_kept_leaves_no_bureau_behind() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("a");
        let failure = init_told(plan(&data), |sheet| {
            assert!(!data.exists() && sheet.recovery_key.split_whitespace().count() == 17);
            Err(Failure::misuse("file_not_written"))
        });
        assert_eq!(failure.expect_err("the stick was full").code, "file_not_written");
        assert!(!data.exists());
        init(plan(&data)).expect("a second try");
    }

    #[test]
    fn a_founded_bureau_has_all_its_files_and_a_refused_one_has_none() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sheet = init(plan(&dir.path().join("a"))).expect("founded");
        assert_eq!((sheet.checking_code.split_whitespace().count(), sheet.recovery_key.split_whitespace().count()), (12, 17));
        for file in ["keys/node.keys", "keys/root.key", "keys/recovery.wrap", "accord.toml", "store"] {
            assert!(dir.path().join("a").join(file).exists(), "{file}");
        }
        let again = init(plan(&dir.path().join("a"))).expect_err("there is one already");
        assert_eq!(again.code, "data_exists");
        let weak = init(InitPlan { node_passphrase: Zeroizing::new("short".to_owned()), ..plan(&dir.path().join("b")) });
        assert_eq!(weak.expect_err("too short").code, "weak_passphrase");
        let nameless = init(InitPlan { name: String::new(), ..plan(&dir.path().join("b")) });
        assert_eq!(nameless.expect_err("no name").code, "founding_refused");
        assert!(!dir.path().join("b").exists());
    }
}
