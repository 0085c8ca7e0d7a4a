//! A store put back to before an officer's key was replaced: its people are not locked out of it, and nothing else is let in with the older key.

use accord_keys::secret::SecretKey;
use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::input::Command;
use accord_protocol::limits;
use accord_protocol::step::{Table, Write};
use accord_protocol::view::View;

use crate::county::{County, OFFICER, usual};

/// Two bureaus; the first one's store is put back to before its only officer got a new key. Its officer has the old one.
fn put_back() -> (County, String) {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(900);
    let (rows, items) = (county.nodes[0].rows.clone(), county.nodes[0].items.clone());
    county.ask(0, Command::OfficerReset { name: OFFICER.to_owned() });
    county.log_in(0, OFFICER, SecretKey::from_seed([211; 32]));
    county.run();
    county.note(0, &case, "under the new key");
    county.pass(900);
    county.link(0, 1, false);
    (county.nodes[0].rows, county.nodes[0].items) = (rows, items);
    let Write::Put { table, key, value: Some(value) } = note_suspicion(Suspicion::Restored) else { panic!("a row") };
    county.nodes[0].rows.insert((table, key), value);
    let now = county.now;
    county.nodes[0].reopen(now);
    county.link(0, 1, true);
    county.pass(60);
    (county, case)
}

fn login(county: &mut County) -> Result<View, accord_protocol::view::Refused> {
    let View::Officers { officers } = county.ask(0, Command::OfficerFind { name: OFFICER.to_owned() }) else { panic!("officers") };
    // The view names no certificate that is not good: the row's own is the old key's.
    let certificate = county.nodes[0].core.directory().members(&county.nodes[0].id).into_iter().find(|id| {
        county.nodes[0]
            .core
            .directory()
            .certificate(id)
            .is_some_and(|member| member.body().key == accord_keys::secret::Signer::public(&County::key(0)))
    });
    assert_eq!(officers.len(), 1);
    let signer = std::sync::Arc::new(County::key(0));
    let certificate = certificate.expect("its certificate is known");
    county.asked(0, None, false, Command::Unlock { name: OFFICER.to_owned(), certificate, signer })
}

#[test]
fn an_old_officer_key_confirms_a_store_put_back_and_gets_a_new_key_and_does_nothing_else() {
    let (mut county, case) = put_back();
    login(&mut county).expect("the only key there is");
    let note = Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "by the old key".to_owned() };
    assert_eq!(county.asked(0, Some(OFFICER), false, note.clone()).expect_err("replaced").code, "certificate_not_good");
    let offer = Command::AccessCut { id: case.clone(), subject: county.nodes[1].name.clone(), strict: false };
    assert_eq!(county.asked(0, Some(OFFICER), false, offer).expect_err("replaced").code, "certificate_not_good");
    county.pass(limits::CATCHING_WAIT_MS / 1_000);
    county.asked(0, Some(OFFICER), false, Command::OfficerReset { name: OFFICER.to_owned() }).expect("a new key");
    county.log_in(0, OFFICER, SecretKey::from_seed([212; 32]));
    let confirm = Command::StoreConfirm { missing: "a day".to_owned(), alone: false, pair: None };
    county.asked(0, Some(OFFICER), false, confirm).expect("confirmed");
    county.run();
    county.pass(60);
    county.asked(0, Some(OFFICER), false, note).expect("work goes on under the new key");
    county.run();
    assert!(login(&mut county).is_err(), "the old key is over for good");
}

#[test]
fn an_old_officer_key_that_confirmed_first_is_over_and_the_next_login_makes_a_new_one() {
    let (mut county, case) = put_back();
    login(&mut county).expect("the only key there is");
    county.pass(limits::CATCHING_WAIT_MS / 1_000);
    let confirm = Command::StoreConfirm { missing: "a day".to_owned(), alone: false, pair: None };
    county.asked(0, Some(OFFICER), false, confirm).expect("confirmed");
    let note = Command::CaseNote { id: case, kind: "note".to_owned(), text: "on we go".to_owned() };
    county.asked(0, Some(OFFICER), false, note.clone()).expect_err("over");
    assert!(login(&mut county).is_err());
    county.log_in(0, OFFICER, SecretKey::from_seed([213; 32]));
    county.asked(0, Some(OFFICER), false, note).expect("under the new key");
}

/// A node starts on a store in which `counted` lines of its pair with the other were written since, and its partner returns the cursor of before.
fn with_lines_since(counted: u32) -> County {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(900);
    county.link(0, 1, false);
    let row = (Table::Local, [b"pair".as_slice(), &county.nodes[1].id.0].concat());
    let held = county.nodes[0].rows.get_mut(&row).expect("it counts the statements of the pair");
    let more = u32::from_be_bytes(held.as_slice().try_into().expect("four bytes")) + counted;
    *held = more.to_be_bytes().to_vec();
    let now = county.now;
    county.nodes[0].reopen(now);
    county.log_in_again(0, County::key(0));
    county.link(0, 1, true);
    county.pass(60);
    county
}

#[test]
fn an_old_cursor_is_old_however_many_lines_were_written_since() {
    for counted in [1, 0x7fff, 0x8001, 40_000, 65_535, 70_000, 16_777_215, 20_000_000] {
        let mut county = with_lines_since(counted);
        let View::Inbox { items } = county.ask(0, Command::Inbox) else { panic!("an inbox") };
        assert!(items.iter().all(|item| item.kind != "catching_up" && item.kind != "pair_behind"), "{counted}: {items:?}");
        let case = county.open_case(0, &[1], "title", "text");
        county.pass(60);
        county.note(1, &case, "heard");
    }
}

#[test]
fn what_is_missing_of_a_pair_is_noticed_however_much_it_is() {
    for lost in [1, 0x7fff, 0x8000, 40_000, 65_536, 70_000, 16_000_000] {
        let mut county = with_lines_since(lost);
        let old = (Table::Local, [b"pair".as_slice(), &county.nodes[1].id.0].concat());
        county.pass(900);
        county.link(0, 1, false);
        let held = county.nodes[0].rows.get_mut(&old).expect("counted");
        *held = (u32::from_be_bytes(held.as_slice().try_into().expect("four bytes")) - lost).to_be_bytes().to_vec();
        let now = county.now;
        county.nodes[0].reopen(now);
        county.link(0, 1, true);
        county.pass(60);
        let View::Inbox { items } = county.ask(0, Command::Inbox) else { panic!("an inbox") };
        assert!(items.iter().any(|item| item.kind == "catching_up"), "{lost}: {items:?}");
    }
}
