//! Rival root versions of one's own bureau: who holds a stolen old key freezes it, and people decide by the checking code.

use accord_keys::id::RootId;
use accord_keys::root::RootStatement;
use accord_keys::seal::Sealed;
use accord_keys::secret::SecretKey;
use accord_protocol::input::Command;
use accord_protocol::view::{RootView, View};

use crate::county::{County, OFFICER, usual};

fn roots(county: &mut County, at: usize) -> Vec<RootView> {
    let View::Roots { roots } = county.ask(at, Command::RootList) else { panic!("roots") };
    roots
}

fn registrar(county: &mut County, at: usize) -> bool {
    let View::Status(status) = county.ask(at, Command::Status) else { panic!("status") };
    status.registrar
}

/// A version of the first bureau's root that follows `previous`, with a key of seed `seed`; sealed by the first key and its own.
fn version(county: &County, number: u32, previous: RootId, seed: u8) -> Sealed<RootStatement> {
    let directory = county.nodes[0].core.directory();
    let record = directory.bureau(&county.nodes[0].id).expect("known");
    let old = record.root(&previous).expect("known").body().clone();
    let new = SecretKey::from_seed([seed; 32]);
    let first = SecretKey::from_seed([81; 32]);
    let body = RootStatement { version: number, previous: Some(previous), keys: vec![new.public()], created: county.now.wall, ..old };
    Sealed::seal(directory.network(), body, &[&first, &new]).expect("seals")
}

#[test]
fn a_rival_root_of_ones_own_freezes_the_bureau_until_an_officer_reads_the_true_ones_code_off_paper() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let first = RootId(county.nodes[0].id.0);
    let (own, rival) = (version(&county, 2, first, 201), version(&county, 2, first, 202));
    assert_eq!(
        county.asked(0, Some(OFFICER), false, Command::RootConfirm { checking_code: "x".to_owned() }).expect_err("none").code,
        "no_rival_roots"
    );
    county.ask(0, Command::Install { bytes: own.to_bytes() });
    county.run();
    assert!(registrar(&mut county, 0));
    // The thief of the first key feeds its version to the partner, who says so in good faith.
    county.ask(1, Command::Install { bytes: rival.to_bytes() });
    county.run();
    county.restart(0, &[1]);
    county.pass(60);
    let known = roots(&mut county, 0);
    assert_eq!(known.iter().filter(|root| root.rival).count(), 2, "both claim to follow version 1: {known:?}");
    assert!(!registrar(&mut county, 0), "nothing is written meanwhile");
    let of = |sealed: &Sealed<RootStatement>| sealed.root_id(county.nodes[0].core.directory().network()).to_string();
    let (mine, theirs) = (of(&own), of(&rival));
    let code = |id: &str| known.iter().find(|root| root.root == id).expect("listed").checking_code.clone();
    let (mine_code, their_code) = (code(&mine), code(&theirs));
    assert_ne!(mine_code, their_code);
    let wrong = known.iter().find(|root| !root.rival).expect("version 1").checking_code.clone();
    let confirm = |checking_code: &str| Command::RootConfirm { checking_code: checking_code.to_owned() };
    assert_eq!(county.asked(0, Some(OFFICER), false, confirm(&wrong)).expect_err("another").code, "no_rival_has_code");
    county.asked(0, Some(OFFICER), true, confirm(&mine_code)).expect("foreseen");
    assert!(!registrar(&mut county, 0), "a dry run decides nothing");
    county.ask(0, confirm(&mine_code));
    county.run();
    assert!(registrar(&mut county, 0));
    let after = roots(&mut county, 0);
    assert_eq!(after.iter().filter(|root| root.head).map(|root| root.root.as_str()).collect::<Vec<_>>(), [mine.as_str()]);
    assert!(county.nodes[0].accounts.iter().any(|line| line.kind == "root_confirmed"));
    // The decision survives a restart, and hearing the rival again changes nothing.
    county.restart(0, &[1]);
    county.pass(60);
    assert!(registrar(&mut county, 0));
    assert!(roots(&mut county, 0).iter().all(|root| !root.rival));
}
