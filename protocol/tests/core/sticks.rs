//! Sticks among links, suspensions, several devices and bad company: what they say of how far anybody got.

use accord_keys::certificate::{Issuer, MemberCertificate, MemberKind};
use accord_keys::id::TransportKey;
use accord_keys::seal::Sealed;
use accord_keys::secret::SecretKey;
use accord_protocol::bundle::{Answer, Ask, BundleStatement, OWN_DEVICES, Record};
use accord_protocol::id::Bytes;
use accord_protocol::input::Command;
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::view::View;
use accord_protocol::wire::{self, Checked, Message};

use crate::bundles::{A, B, C, apart, begin, held, network, open, pack, pack_for, seal_file, unpack};
use crate::county::{County, OFFICER};

/// Rows of a node that say how far others got, and what it returns to them.
fn pair_rows(county: &County, at: usize) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let rows = county.nodes[at].rows.iter();
    let named = |table: &Table, key: &[u8]| {
        matches!(table, Table::Cursors | Table::Acknowledged) || (*table == Table::Local && key.starts_with(b"bundle-brought:"))
    };
    rows.filter(|((table, key), _)| named(table, key)).map(|((table, key), value)| (*table, key.clone(), value.clone())).collect()
}

/// Both exchange one bundle each way.
fn exchange(county: &mut County, one: usize, other: usize) {
    for (from, to) in [(one, other), (other, one)] {
        county.pass(60);
        let packed = pack(county, from, to);
        unpack(county, to, &packed.file).expect("unpacks");
    }
}

/// Whether both hold the same of a document.
fn alike(county: &County, one: usize, other: usize, id: &str) -> bool {
    let state = |at| held(county, at, id).map(|(state, _)| state);
    state(one).is_some() && state(one) == state(other)
}

fn suspend(county: &mut County, agreement: &str) {
    county.ask(A, Command::AgreementSuspend { id: agreement.to_owned(), categories: Vec::new(), reason: "inquiry".to_owned() });
}

/// A resumes and B accepts, by stick.
fn resume(county: &mut County, agreement: &str) {
    county.ask(A, Command::AgreementResume { id: agreement.to_owned(), notices: false });
    exchange(county, A, B);
    let accept = Command::AgreementResume { id: agreement.to_owned(), notices: false };
    county.asked(B, Some(OFFICER), false, accept).expect("accepts the resumption");
    exchange(county, B, A);
}

#[test]
fn whoever_was_packing_when_the_core_was_opened_anew_does_not_go_on_in_somebody_elses_bundle() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "for b", "text");
    county.add_sibling(A);
    let name = county.nodes[B].name.clone();
    let (before, ..) = begin(&mut county, A, &name, false, false).expect("packs");
    county.restart(A, &[]);
    let (now, ..) = begin(&mut county, A, OWN_DEVICES, false, false).expect("packs");
    assert_ne!(before, now);
    assert_eq!(county.bundle_step(A, Ask::More { number: before }).expect_err("it is gone").code, "bundle_gone");
}

#[test]
fn what_was_written_while_suspended_in_a_case_both_hold_goes_by_stick_afterwards() {
    let (mut county, [with_b, _]) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    exchange(&mut county, A, B);
    assert!(held(&county, B, &case).is_some());
    suspend(&mut county, &with_b);
    county.note(A, &case, "of the owner, meanwhile");
    exchange(&mut county, A, B);
    assert!(!alike(&county, A, B, &case), "nothing goes while suspended");
    county.note(B, &case, "of the partner, meanwhile");
    exchange(&mut county, B, A);
    resume(&mut county, &with_b);
    exchange(&mut county, A, B);
    assert!(alike(&county, A, B, &case));
    county.note(A, &case, "and on");
    let packed = pack(&mut county, A, B);
    let view = unpack(&mut county, B, &packed.file).expect("unpacks");
    assert_eq!((view.changed, view.refused_count, view.noted), (1, 0, true), "{view:?}");
    exchange(&mut county, B, A);
    // What was passed over is brought once and forgotten when it arrived.
    assert_eq!((left(&county, A), left(&county, B)), (0, 0));
    assert_eq!(pack(&mut county, A, B).documents, 0);
}

/// How many documents a node noted as passed over.
fn left(county: &County, at: usize) -> usize {
    county.nodes[at].rows.keys().filter(|(_, key)| key.starts_with(b"left-of:")).count()
}

/// A case of A that B holds by a link, and a note in it that the link passed over while the agreement was suspended.
fn passed_over() -> (County, String, String) {
    let (mut county, [with_b, _]) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    county.link(A, B, true);
    county.pass(60);
    suspend(&mut county, &with_b);
    county.note(A, &case, "meanwhile");
    county.pass(60);
    assert_eq!(left(&county, A), 1);
    (county, with_b, case)
}

#[test]
fn what_a_link_passed_over_while_suspended_goes_by_stick_afterwards() {
    let (mut county, with_b, case) = passed_over();
    county.link(A, B, false);
    resume(&mut county, &with_b);
    exchange(&mut county, A, B);
    assert!(alike(&county, A, B, &case));
}

#[test]
fn a_link_that_compared_leaves_nothing_to_be_brought_again() {
    let (mut county, with_b, case) = passed_over();
    county.ask(A, Command::AgreementResume { id: with_b.clone(), notices: false });
    county.pass(60);
    county.asked(B, Some(OFFICER), false, Command::AgreementResume { id: with_b, notices: false }).expect("accepts");
    county.pass(120);
    assert!(alike(&county, A, B, &case));
    assert_eq!(left(&county, A), 0);
    county.link(A, B, false);
    assert_eq!(pack(&mut county, A, B).documents, 0);
}

#[test]
fn whoever_was_cut_hears_of_it_by_stick_though_it_brought_something_first() {
    let (mut county, _) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    exchange(&mut county, A, B);
    let theirs = county.open_case(B, &[A], "of b", "text");
    let of_b = pack(&mut county, B, A);
    let name = county.nodes[B].name.clone();
    county.ask(A, Command::AccessCut { id: case.clone(), subject: name, strict: false });
    unpack(&mut county, A, &of_b.file).expect("unpacks");
    assert!(held(&county, A, &theirs).is_some());
    county.pass(60);
    let packed = pack(&mut county, A, B);
    unpack(&mut county, B, &packed.file).expect("unpacks");
    let View::Access(access) = county.ask(B, Command::AccessList { id: case }) else { panic!("access") };
    assert!(access.records.iter().any(|record| record.kind == "cut"), "{:?}", access.records);
}

#[test]
fn what_was_known_of_a_bundle_is_no_part_of_the_days_share() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let packed = pack(&mut county, A, B);
    assert_eq!(unpack(&mut county, B, &packed.file).expect("unpacks").new, 1);
    let (begin, records) = open(&county, B, &packed.file).expect("opens");
    let mut pushes = records.iter().filter_map(|record| if let Record::ForAll(bytes) = record { Some(bytes) } else { None });
    let push = pushes.find(|bytes| matches!(Message::decode(bytes), Ok(Message::Push(_)))).expect("a document").clone();
    let Answer::Unpacking { number } = county.bundle_step(B, begin).expect("begins") else { panic!("it begins") };
    // Each as large as half a day's share.
    for _ in 0..5 {
        let message = wire::check(&county.nodes[B].core.directory(), &network(), &push).expect("well formed");
        let Checked::Push(mut push) = message else { panic!("a push") };
        push.size = limits::DOCUMENT_BYTES_PER_DAY / 2;
        county.bundle_step(B, Ask::Message { number, message: Checked::Push(push) }).expect("taken");
    }
    let Answer::Unpacked(view) = county.bundle_step(B, Ask::End { number, cursor: None }).expect("ends") else { panic!("it ends") };
    assert_eq!((view.known, view.refused_count), (1, 0), "{view:?}");
}

#[test]
fn an_old_stick_of_a_device_that_was_linked_since_says_nothing_of_how_far_it_got() {
    for of_own in [true, false] {
        let (mut county, _) = apart();
        let other = if of_own { county.add_sibling(A) } else { B };
        county.open_case(A, &[B], "one", "text");
        let to = if of_own { OWN_DEVICES.to_owned() } else { county.nodes[A].name.clone() };
        county.pass(60);
        let old = pack_for(&mut county, other, &to, false).expect("packs");
        county.pass(60);
        county.link(A, other, true);
        county.pass(60);
        county.link(A, other, false);
        let before = pair_rows(&county, A);
        let view = unpack(&mut county, A, &old.file).expect("unpacks");
        assert!(!view.noted, "of its own: {of_own}");
        assert!(pair_rows(&county, A) == before, "of its own: {of_own}");
        county.pass(60);
        let new = pack_for(&mut county, other, &to, false).expect("packs");
        assert!(unpack(&mut county, A, &new.file).expect("unpacks").noted, "of its own: {of_own}");
    }
}

#[test]
fn a_bundle_from_ahead_of_our_time_is_taken_and_says_nothing_of_how_far_anybody_got() {
    let (mut county, _) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    let packed = pack(&mut county, A, B);
    let name = county.nodes[B].name.clone();
    let (_, keys, ..) = begin(&mut county, A, &name, false, true).expect("packs");
    let ahead = seal_file(
        &keys,
        3,
        |file, digest, records| {
            let a = &county.nodes[A];
            let (from, to, certificate) = (a.id, county.nodes[B].id, a.identity.certificate);
            let created = county.now.wall.plus(limits::CLOCK_JUMP_S + 1);
            let body = BundleStatement { from, certificate, to, file, digest, records, documents: 1, wire: wire::VERSION, created };
            Sealed::seal(&network(), body, &[a.identity.signer.as_ref()]).expect("seals").to_bytes()
        },
        &packed.records,
    );
    let cursors = |county: &County| pair_rows(county, B).into_iter().filter(|(table, ..)| *table == Table::Cursors).collect::<Vec<_>>();
    let before = cursors(&county);
    for _ in 0..2 {
        let view = unpack(&mut county, B, &ahead).expect("unpacks");
        assert!(!view.noted);
    }
    assert!(held(&county, B, &case).is_some(), "what is in it counts");
    assert!(cursors(&county) == before);
}

/// A certificate for one more node of a bureau, by its root, that lists somebody else's transport key; and its key.
fn claim(county: &County, of: usize, transport: TransportKey) -> (Sealed<MemberCertificate>, SecretKey) {
    let node = &county.nodes[of];
    let root = node.core.directory().root_head(&node.id).expect("known");
    let first = node.core.directory().certificate(&node.identity.certificate).expect("its own").body().clone();
    let key = SecretKey::from_seed([233; 32]);
    let body = MemberCertificate {
        key: key.public(),
        kind: MemberKind::Node,
        transport: Some(transport),
        serial: [233; 16],
        issuer: Issuer::Root(root),
        ..first
    };
    let root = SecretKey::from_seed([u8::try_from(of).expect("few") + 81; 32]);
    (Sealed::seal(&network(), body, &[&root]).expect("seals"), key)
}

#[test]
fn nothing_is_noted_by_stick_under_a_key_that_two_bureaus_claim() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    exchange(&mut county, A, B);
    let (sealed, key) = claim(&county, C, county.transport(B));
    let certificate = sealed.certificate_id(&network());
    county.pass(60);
    let packed = pack(&mut county, C, A);
    let name = county.nodes[A].name.clone();
    let (_, keys, ..) = begin(&mut county, C, &name, false, true).expect("packs");
    // As that device of C would pack it.
    let records: Vec<Record> = packed.records.iter().map(|record| claiming(record, &sealed)).collect();
    let file = seal_file(
        &keys,
        9,
        |file, digest, records| {
            let (from, to, created) = (county.nodes[C].id, county.nodes[A].id, county.now.wall);
            let body = BundleStatement { from, certificate, to, file, digest, records, documents: 0, wire: wire::VERSION, created };
            Sealed::seal(&network(), body, &[&key]).expect("seals").to_bytes()
        },
        &records,
    );
    let before = pair_rows(&county, A);
    assert_eq!(unpack(&mut county, A, &file).expect_err("not its key"), "bundle_key_claimed");
    assert!(pair_rows(&county, A) == before);
    // What C says of itself is learnt, and its true node goes on; to the other nothing is sealed.
    unpack(&mut county, A, &packed.file).expect("its true node");
    let name = county.nodes[C].name.clone();
    let (_, keys, ..) = begin(&mut county, A, &name, false, true).expect("packs");
    assert_eq!(keys.len(), 1);
}

/// A greeting as another device of the bureau would say it.
fn claiming(record: &Record, sealed: &Sealed<MemberCertificate>) -> Record {
    let Record::ForDevice(transport, bytes) = record else { return record.clone() };
    let Ok(Message::Hello(mut hello)) = Message::decode(bytes) else { return record.clone() };
    hello.certificate = sealed.certificate_id(&network());
    hello.statements.push(Bytes(sealed.to_bytes()));
    Record::ForDevice(*transport, Message::Hello(hello).encode())
}
