//! What a partner may teach us of identities: so much and no more, whatever it invents.

use std::collections::BTreeSet;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::contact::Contact;
use accord_keys::id::{NetworkId, TransportKey};
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::root::RootStatement;
use accord_keys::seal::{Sealed, Statement};
use accord_keys::secret::{HpkeSecret, SecretKey, Signer};
use accord_protocol::id::{BureauId, Bytes, CertificateId};
use accord_protocol::input::Command;
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::View;
use accord_protocol::wire::{Hello, Message};

use crate::county::{County, usual};

const A: usize = 0;
const M: usize = 1;
const C: usize = 2;

fn network() -> NetworkId {
    NetworkId::named("county")
}

fn seal<T: Statement>(body: T, by: &SecretKey) -> Sealed<T> {
    Sealed::seal(&network(), body, &[by as &dyn Signer]).expect("well formed")
}

/// The root key of a bureau of the county.
fn root_of(at: usize) -> SecretKey {
    SecretKey::from_seed([u8::try_from(at).expect("few") + 81; 32])
}

fn key(n: u32) -> SecretKey {
    let mut seed = [200; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(seed)
}

/// A device or officer of a bureau, certified by its root.
fn member(county: &County, at: usize, n: u32, kind: MemberKind) -> Sealed<MemberCertificate> {
    let (bureau, root) = (county.nodes[at].id, county.nodes[at].core.directory().root_head(&county.nodes[at].id).expect("known"));
    let mut serial = [0; 16];
    serial[..4].copy_from_slice(&n.to_be_bytes());
    let node = kind == MemberKind::Node;
    let body = MemberCertificate {
        bureau,
        network: network(),
        kind,
        key: key(n).public(),
        transport: node.then(|| TransportKey(key(n + 1_000_000).public().0)),
        hpke: node.then(|| HpkeSecret::from_seed([7; 32]).public()),
        unit: "second squad".to_owned(),
        seats: if node { Vec::new() } else { vec!["duty".to_owned()] },
        capabilities: vec![Capability::Write],
        name_commitment: None,
        scope_commitment: None,
        not_before: WallSeconds(county.now.wall.0 - 60),
        not_after: county.now.wall.plus(80 * 86_400),
        serial,
        issuer: Issuer::Root(root),
    };
    seal(body, &root_of(at))
}

fn officer(county: &County, at: usize, n: u32) -> Vec<u8> {
    member(county, at, n, MemberKind::Officer).to_bytes()
}

/// The first root of a bureau that somebody made up.
fn invented(n: u32, created: WallSeconds) -> Vec<u8> {
    let key = key(n + 2_000_000);
    let root = RootStatement {
        version: 1,
        previous: None,
        keys: vec![key.public()],
        threshold: 1,
        unit_code: format!("{n:06}"),
        name: format!("Bureau {n}"),
        network: network(),
        created,
    };
    seal(root, &key).to_bytes()
}

fn statements(county: &County, at: usize) -> usize {
    county.nodes[at].rows.keys().filter(|(table, _)| *table == Table::Statements).count()
}

fn bureaus(county: &County, at: usize) -> usize {
    county.nodes[at].core.directory().bureaus().count()
}

fn bring(county: &mut County, from: usize, to: usize, statements: &[Vec<u8>]) {
    for page in statements.chunks(100) {
        county.hand(from, to, &Message::Statements(page.iter().cloned().map(Bytes).collect()));
    }
}

#[test]
fn a_partner_teaches_no_more_new_statements_than_a_days_share_and_the_rest_the_next_day() {
    let mut county = County::new(2);
    county.agree(M, A, usual(county.now.wall));
    let before = statements(&county, A);
    let extra = 100;
    let many = u32::try_from(limits::STATEMENTS_PER_DAY + extra).expect("few");
    let certificates: Vec<Vec<u8>> = (0..many).map(|n| officer(&county, M, n)).collect();
    bring(&mut county, M, A, &certificates);
    let first = statements(&county, A) - before;
    assert!(first <= limits::STATEMENTS_PER_DAY && first + 50 > limits::STATEMENTS_PER_DAY, "{first} of {many}");
    // What never goes backwards finds room all the same.
    let root = county.nodes[M].core.directory().root_head(&county.nodes[M].id).expect("known");
    let target = RevocationTarget::Certificate(CertificateId(
        Sealed::<MemberCertificate>::from_bytes(&certificates[0]).expect("sealed").id(&network()).0,
    ));
    let revocation = Revocation {
        bureau: county.nodes[M].id,
        target,
        class: RevocationClass::Compromised,
        at: county.now.wall,
        issuer: Issuer::Root(root),
    };
    bring(&mut county, M, A, &[seal(revocation, &root_of(M)).to_bytes()]);
    assert_eq!(statements(&county, A) - before, first + 1, "a revocation is taken");
    county.pass(2 * 86_400);
    let stood = statements(&county, A);
    bring(&mut county, M, A, &certificates);
    assert_eq!(statements(&county, A) - stood, certificates.len() - first, "all the rest");
}

#[test]
fn what_a_partner_brings_of_our_own_bureau_is_not_counted() {
    let mut county = County::new(2);
    let many = u32::try_from(limits::STATEMENTS_PER_DAY + 10).expect("few");
    let before = statements(&county, A);
    let certificates: Vec<Vec<u8>> = (0..many).map(|n| officer(&county, A, n)).collect();
    bring(&mut county, M, A, &certificates);
    assert_eq!(statements(&county, A) - before, certificates.len(), "a store put back gets all of its own back");
}

#[test]
fn a_partner_introduces_so_many_bureaus_and_leaves_room_for_what_others_introduce() {
    let mut county = County::new(3);
    let before = bureaus(&county, A);
    let many = u32::try_from(limits::INTRODUCED_MAX + 20).expect("few");
    let roots: Vec<Vec<u8>> = (0..many).map(|n| invented(n, county.now.wall)).collect();
    bring(&mut county, M, A, &roots);
    assert_eq!(bureaus(&county, A) - before, limits::INTRODUCED_MAX);
    let one_more = [invented(many, county.now.wall)];
    bring(&mut county, C, A, &one_more);
    assert_eq!(bureaus(&county, A) - before, limits::INTRODUCED_MAX + 1, "another partner's evidence is taken");
    // Neither a day nor a restart gives it new room.
    county.pass(86_400);
    county.restart(A, &[M, C]);
    let another = [invented(many + 1, county.now.wall)];
    bring(&mut county, M, A, &another);
    assert_eq!(bureaus(&county, A) - before, limits::INTRODUCED_MAX + 1);
}

#[test]
fn of_a_hello_nothing_is_learnt_but_the_chain_of_its_own_device() {
    let mut county = County::new(2);
    county.link(A, M, false);
    let transport = county.transport(M);
    let before = (statements(&county, A), bureaus(&county, A));
    let directory = county.nodes[M].core.directory();
    let mut brought: Vec<Vec<u8>> = (0..20).map(|n| invented(n, county.now.wall)).collect();
    brought.extend((0..20).map(|n| officer(&county, M, n)));
    let hello = |bureau: BureauId, certificate: CertificateId| {
        Message::Hello(Hello {
            network: network(),
            bureau,
            certificate,
            wall: county.now.wall,
            cursor: None,
            own_root: directory.root_head(&county.nodes[M].id).expect("known"),
            your_root: None,
            statements: brought.iter().cloned().map(Bytes).collect(),
            version: 4,
            ledger: None,
        })
    };
    let strange = hello(BureauId([9; 32]), CertificateId([9; 32]));
    let unknown = hello(county.nodes[M].id, CertificateId([9; 32]));
    let own = hello(county.nodes[M].id, county.nodes[M].identity.certificate);
    for message in [strange, unknown, own] {
        county.link_one(A, M, transport, true);
        county.hand(M, A, &message);
        assert_eq!((statements(&county, A), bureaus(&county, A)), before);
        county.link_one(A, M, transport, false);
    }
}

#[test]
fn of_a_partners_devices_so_many_are_dialled_its_registrars_first() {
    let mut county = County::new(2);
    let many = 100;
    let mut brought = Vec::new();
    for n in 0..many {
        let node = member(&county, M, n, MemberKind::Node);
        let contact = Contact {
            bureau: county.nodes[M].id,
            certificate: CertificateId(node.id(&network()).0),
            addresses: vec![format!("192.0.2.{n}:4801")],
            phone: String::new(),
            at: county.now.wall,
        };
        brought.extend([node.to_bytes(), seal(contact, &key(n)).to_bytes()]);
    }
    bring(&mut county, M, A, &brought);
    let allowed = county.nodes[A].core.allowed();
    assert_eq!(allowed.iter().filter(|peer| peer.dial).count(), limits::DEVICES_DIALLED_MAX);
    assert_eq!(allowed.len(), limits::DEVICES_ALLOWED_MAX);
    let keys: BTreeSet<TransportKey> = allowed.iter().map(|peer| peer.transport).collect();
    assert!(keys.contains(&county.transport(M)), "the registrar's own device stays");
}

/// A device of a bureau whose certificate is as large as may be.
fn large_device(county: &County, at: usize, n: u32) -> Vec<u8> {
    let small = member(county, at, n, MemberKind::Node);
    let mut body = small.claimed().clone();
    body.seats = (0..16).map(|seat| format!("{seat:02} {}", "x".repeat(90))).collect();
    seal(body, &root_of(at)).to_bytes()
}

#[test]
fn what_is_said_at_greeting_goes_out_no_faster_than_the_other_end_takes_it() {
    let mut county = County::new(2);
    let many = 3_000;
    let devices: Vec<Vec<u8>> = (0..many).map(|n| large_device(&county, M, n)).collect();
    let all: usize = devices.iter().map(Vec::len).sum();
    assert!(all > limits::UNHEARD_BYTES_MAX + 1_000_000, "{all}");
    bring(&mut county, M, A, &devices);
    county.run();
    // The second has forgotten its own devices and what it was given to return: it hears them back.
    let before = statements(&county, M);
    county.nodes[M].rows.retain(|(table, _), _| *table != Table::Cursors);
    county.restart(M, &[]);
    for (at, peer) in [(A, M), (M, A)] {
        let transport = county.transport(peer);
        county.link_one(at, peer, transport, true);
    }
    let mut most = 0;
    while county.run_some(1) > 0 {
        most = most.max(county.queued(A, M));
    }
    assert_eq!(statements(&county, M) - before, devices.len(), "all of it came");
    assert!(most > 1_000_000 && most < limits::UNHEARD_BYTES_MAX + 1_000_000, "{most} of {all} waited for one link at a time");
    county.agree(M, A, usual(county.now.wall));
    let case = county.open_case(A, &[M], "title", "text");
    let document = accord_protocol::id::DocumentId::from_hex(&case).expect("an id");
    assert!(county.nodes[M].items.contains_key(&document), "documents follow");
}

#[test]
fn the_certificates_of_ever_so_many_writers_go_no_faster_than_the_other_end_takes_them() {
    let mut county = County::new(2);
    county.agree(A, M, usual(county.now.wall));
    county.pass(60);
    county.link(A, M, false);
    let case = county.open_case(A, &[M], "title", "text");
    let seats: Vec<String> = (0..16).map(|seat| format!("{seat:02} {}", "x".repeat(90))).collect();
    let writers = 2 * limits::EVIDENCE_AT_ONCE_MAX / (16 * 90);
    for n in 0..writers {
        let name = format!("officer {n}");
        let capabilities = vec!["write".to_owned()];
        county.ask(A, Command::OfficerAdd { name: name.clone(), seats: seats.clone(), capabilities });
        county.log_in(A, &name, key(u32::try_from(n).expect("few")));
        let note = Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "text".to_owned() };
        county.asked(A, Some(&name), false, note).expect("written");
        county.run();
    }
    county.heard = Some(Vec::new());
    county.link(A, M, true);
    let heard = county.heard.take().expect("heard");
    let place = |meant: fn(&Message) -> bool| heard.iter().position(|(from, _, message)| *from == A && meant(message));
    let (mark, push) = (place(|message| matches!(message, Message::Mark(_))), place(|message| matches!(message, Message::Push(_))));
    assert!(mark.is_some() && mark < push, "marks ask how far they got before anything rests on them: {mark:?} {push:?}");
    let View::Document(view) = county.ask(M, Command::DocumentShow { id: case }) else { panic!("a document") };
    assert_eq!(view.entries.len(), writers + 1, "and all of it came");
}

#[test]
fn a_device_that_ended_takes_no_place_from_one_that_stands() {
    let mut county = County::new(2);
    let now = county.now.wall;
    let mut brought: Vec<Vec<u8>> = (0..u32::try_from(limits::DEVICES_ALLOWED_MAX).expect("few"))
        .map(|n| {
            let body = MemberCertificate { not_after: now.plus(3_600), ..member(&county, M, n, MemberKind::Node).claimed().clone() };
            seal(body, &root_of(M)).to_bytes()
        })
        .collect();
    let old = member(&county, M, 1_000, MemberKind::Node).claimed().clone();
    let old = MemberCertificate { not_before: WallSeconds(now.0 - 86_400), ..old };
    let transport = old.transport.expect("a node has one");
    brought.push(seal(old, &root_of(M)).to_bytes());
    bring(&mut county, M, A, &brought);
    let is_allowed = |county: &County| county.nodes[A].core.allowed().iter().any(|peer| peer.transport == transport);
    assert!(!is_allowed(&county), "newer ones come first");
    county.pass(7_200);
    let news = member(&county, M, 1_001, MemberKind::Node).to_bytes();
    bring(&mut county, M, A, &[news]);
    assert!(is_allowed(&county));
    assert_eq!(county.nodes[A].core.allowed().len(), limits::DEVICES_ALLOWED_MAX);
}

#[test]
fn a_node_that_answers_no_marks_hears_of_a_bureau_no_more_at_once_than_a_link_holds() {
    let mut county = County::new(2);
    let devices: Vec<Vec<u8>> = (0..5_000).map(|n| large_device(&county, M, n)).collect();
    let all: usize = devices.iter().map(Vec::len).sum();
    assert!(all > 9 * 1024 * 1024, "{all}");
    county.link(A, M, true);
    bring(&mut county, M, A, &devices);
    county.link(A, M, false);
    let transport = county.transport(M);
    let own_root = county.nodes[M].core.directory().root_head(&county.nodes[M].id).expect("known");
    for (version, least, most) in [(5, 8 * 1024 * 1024, 9 * 1024 * 1024), (6, 1024 * 1024, 5 * 1024 * 1024)] {
        county.link_one(A, M, transport, true);
        let hello = Message::Hello(Hello {
            network: network(),
            bureau: county.nodes[M].id,
            certificate: county.nodes[M].identity.certificate,
            wall: county.now.wall,
            cursor: None,
            own_root,
            your_root: None,
            statements: Vec::new(),
            version,
            ledger: None,
        });
        county.hand(M, A, &hello);
        let queued = county.queued(A, M);
        assert!(queued > least && queued < most, "{queued} of {all} to a node of version {version}");
        county.link_one(A, M, transport, false);
    }
}

#[test]
fn certificates_of_writers_that_wait_do_not_leave_once_the_reader_was_cut() {
    let mut county = County::new(2);
    county.agree(A, M, usual(county.now.wall));
    county.pass(60);
    // What the second hears of itself nearly fills what may be unheard, and it never says that it heard anything.
    let mut devices: Vec<Vec<u8>> = Vec::new();
    while devices.iter().map(Vec::len).sum::<usize>() < limits::UNHEARD_BYTES_MAX - 100 * 1024 {
        devices.push(large_device(&county, M, u32::try_from(devices.len()).expect("few")));
    }
    bring(&mut county, M, A, &devices);
    county.link(A, M, false);
    let case = county.open_case(A, &[M], "title", "text");
    let seats: Vec<String> = (0..16).map(|seat| format!("{seat:02} {}", "x".repeat(90))).collect();
    for n in 0..2 * limits::EVIDENCE_AT_ONCE_MAX / (16 * 90) {
        let name = format!("officer {n}");
        county.ask(A, Command::OfficerAdd { name: name.clone(), seats: seats.clone(), capabilities: vec!["write".to_owned()] });
        county.log_in(A, &name, key(10_000 + u32::try_from(n).expect("few")));
        let note = Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "text".to_owned() };
        county.asked(A, Some(&name), false, note).expect("written");
    }
    let own_root = county.nodes[M].core.directory().root_head(&county.nodes[M].id).expect("known");
    let hello = Message::Hello(Hello {
        network: network(),
        bureau: county.nodes[M].id,
        certificate: county.nodes[M].identity.certificate,
        wall: county.now.wall,
        cursor: None,
        own_root,
        your_root: None,
        statements: Vec::new(),
        version: 6,
        ledger: None,
    });
    let transport = county.transport(M);
    county.link_one(A, M, transport, true);
    county.hand(M, A, &hello);
    // A reader without a cursor that it was given before asks for the document.
    let document = accord_protocol::id::DocumentId::from_hex(&case).expect("an id");
    county.hand(M, A, &Message::Want(document));
    let queued = county.queued(A, M);
    assert!(queued >= limits::UNHEARD_BYTES_MAX, "{queued}: more waits to be said");
    let subject = county.nodes[M].name.clone();
    county.asked(A, Some(crate::county::OFFICER), false, Command::AccessCut { id: case, subject, strict: false }).expect("cut");
    county.nodes[A].lose_sends();
    for mark in 1..=8 {
        county.hand(M, A, &Message::Heard(mark));
    }
    let more = county.queued(A, M);
    assert!(more < 64 * 1024, "{more} more bytes: the certificates of writers do not leave");
}

#[test]
fn who_heard_what_was_never_said_is_left_and_any_mark_is_answered() {
    let mut county = County::new(2);
    county.agree(A, M, usual(county.now.wall));
    county.pass(60);
    for mark in [0, 1, u64::MAX] {
        county.hand(M, A, &Message::Mark(mark));
    }
    assert!(county.nodes[A].closed.is_empty());
    county.nodes[A].lose_sends();
    county.hand(M, A, &Message::Heard(u64::MAX));
    assert_eq!(county.nodes[A].closed.len(), 1);
}

/// A root's word on an issuer nobody heard of, as long as may be.
fn long_revocation(bureau: u32, n: u32, created: WallSeconds) -> Vec<u8> {
    let root = Sealed::<RootStatement>::from_bytes(&invented(bureau, created)).expect("sealed");
    let id = accord_keys::id::RootId(root.id(&network()).0);
    let certificate = |n: u32, good: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&good.to_be_bytes());
        bytes[4..8].copy_from_slice(&n.to_be_bytes());
        CertificateId(bytes)
    };
    let good = (1..=1_024).map(|good| certificate(n, good)).collect();
    let target = RevocationTarget::Issuer { certificate: certificate(n, 0), good };
    let body = Revocation { bureau: BureauId(id.0), target, class: RevocationClass::Retired, at: created, issuer: Issuer::Root(id) };
    seal(body, &key(bureau + 2_000_000)).to_bytes()
}

/// Bytes kept of bureaus that somebody made up.
fn invented_bytes(county: &County, at: usize) -> usize {
    let known: BTreeSet<BureauId> = county.nodes.iter().map(|node| node.id).collect();
    let directory = county.nodes[at].core.directory();
    directory.bureaus().filter(|record| !known.contains(&record.id())).map(|record| record.weight()).sum()
}

#[test]
fn all_that_one_partner_introduced_is_bounded_together_and_leaves_room_for_what_others_introduce() {
    let mut county = County::new(3);
    let created = county.now.wall;
    let most = limits::INTRODUCED_BYTES_MAX + limits::INTRODUCED_BYTES_MAX / 4;
    let each = u32::try_from(limits::STATEMENT_BYTES_OF_OTHERS_MAX / 35_000).expect("few");
    let roots: Vec<Vec<u8>> = (0..6).map(|bureau| invented(bureau, created)).collect();
    bring(&mut county, M, A, &roots);
    for bureau in 0..6 {
        let all: Vec<Vec<u8>> = (0..each).map(|n| long_revocation(bureau, n, created)).collect();
        for page in all.chunks(6) {
            county.hand(M, A, &Message::Statements(page.iter().cloned().map(Bytes).collect()));
        }
        county.pass(90_000);
        // A day's share and a restart count anew, and come to the same.
        if bureau == 3 {
            county.restart(A, &[M, C]);
        }
    }
    let kept = invented_bytes(&county, A);
    assert!(kept <= most && kept + 40_000 > most, "{kept} of {most} bytes");
    bring(&mut county, M, A, &[invented(100, created)]);
    assert_eq!(invented_bytes(&county, A), kept, "and no further bureau");
    bring(&mut county, C, A, &[invented(101, created)]);
    assert!(invented_bytes(&county, A) > kept, "another partner's evidence is taken");
    // Nor does what one brought of a bureau keep another from bringing more of the same.
    let before = invented_bytes(&county, A);
    bring(&mut county, M, A, &[long_revocation(5, each + 1, created)]);
    assert_eq!(invented_bytes(&county, A), before);
    bring(&mut county, C, A, &[long_revocation(5, each + 1, created)]);
    assert!(invented_bytes(&county, A) > before + 30_000, "what its introducer may bring no more another may");
    let own = statements(&county, A);
    let certificate = officer(&county, M, 1);
    bring(&mut county, M, A, &[certificate]);
    assert_eq!(statements(&county, A), own + 1, "and so is its own");
}

/// Bytes of statements one node said to another, in all and before its first push.
fn said(heard: &[(usize, usize, Message)], from: usize, to: usize) -> (usize, usize) {
    let (mut all, mut before, mut pushed) = (0, 0, false);
    for (_, _, message) in heard.iter().filter(|(f, t, _)| (*f, *t) == (from, to)) {
        pushed |= matches!(message, Message::Push(_));
        if let Message::Statements(statements) = message {
            let size: usize = statements.iter().map(|bytes| bytes.0.len()).sum();
            all += size;
            before += if pushed { 0 } else { size };
        }
    }
    (all, before)
}

fn relink(county: &mut County, one: usize, other: usize) -> (usize, usize) {
    county.link(one, other, false);
    county.heard = Some(Vec::new());
    county.link(one, other, true);
    county.pass(30);
    said(&county.heard.take().expect("kept"), one, other)
}

#[test]
fn a_device_of_our_own_hears_of_a_bureau_of_which_much_is_known_between_documents_and_once() {
    let mut county = County::new(2);
    county.agree(A, M, usual(county.now.wall));
    let own = county.add_sibling(A);
    let devices: Vec<Vec<u8>> = (0..5_000).map(|n| large_device(&county, M, n)).collect();
    bring(&mut county, M, A, &devices);
    let known = |county: &County, at: usize| county.nodes[at].core.directory().bureau(&county.nodes[M].id).expect("known").weight();
    assert!(known(&county, A) > 2 * limits::UNHEARD_BYTES_MAX - 1_000_000 && known(&county, own) < 10_000);
    let case = county.open_case(A, &[M], "title", "text");
    county.note(M, &case, "by the partner");
    county.pass(900);
    let (all, before) = relink(&mut county, A, own);
    assert!(all > known(&county, A) && all < known(&county, A) + 100_000, "{all} of {}", known(&county, A));
    assert!(before < 100_000, "{before} bytes before the first document");
    assert_eq!(known(&county, own), known(&county, A), "all of it came");
    let View::Document(view) = county.asked(own, None, false, Command::DocumentShow { id: case.clone() }).expect("shown") else {
        panic!("a document")
    };
    assert_eq!(view.entries.len(), 2, "and what documents rest on came with them");
    // It is not said again: not on the next link, nor after a restart of either.
    assert!(relink(&mut county, A, own).0 < 20_000);
    county.restart(A, &[M]);
    assert!(relink(&mut county, A, own).0 < 20_000);
    let now = county.now;
    county.nodes[own].reopen(now);
    assert!(relink(&mut county, A, own).0 < 20_000);
    // What came since is, whether or not anything was stored meanwhile.
    let later: Vec<Vec<u8>> = (6_000..6_010).map(|n| large_device(&county, M, n)).collect();
    for part in later.chunks(5) {
        bring(&mut county, M, A, part);
        let (all, _) = relink(&mut county, A, own);
        assert!(all < 40_000, "{all}");
        assert_eq!(known(&county, own), known(&county, A));
    }
    // One that lost what it was to return, and perhaps more, hears all of it.
    county.nodes[own].rows.retain(|(table, _), _| *table != Table::Cursors);
    county.nodes[own].reopen(now);
    assert!(relink(&mut county, A, own).0 > known(&county, A));
}
