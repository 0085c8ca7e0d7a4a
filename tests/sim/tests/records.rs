//! Orders, held work and what the registrar does by itself, in small worlds.

use std::sync::Arc;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate};
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::Sealed;
use accord_protocol::access::log::{Record, RecordKind};
use accord_protocol::agreement::{Category, Direction, Tlp, Verb};
use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::id::{Bytes, DocumentId};
use accord_protocol::input::Command;
use accord_protocol::intake::Item;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{DocumentView, InboxItem, SendingView, View};
use accord_protocol::wire::{Message, Push};
use accord_sim::node::Officer;
use accord_sim::people::{grant, terms, usual_grants};
use accord_sim::world::World;

const SERIES: &str = "CRIM.SERIES";
const DAY: u64 = 24 * 3_600;

fn view(world: &mut World, n: usize, document: &DocumentId) -> DocumentView {
    world.show(n, document).expect("held here")
}

/// Whose certificate was cut is not shown the document at its device either; then nobody is logged in there any more.
fn kept_from_its_officer(world: &mut World, n: usize, document: &DocumentId) {
    let shown = world.ask(n, Command::DocumentShow { id: document.to_string() });
    assert_eq!(shown.expect_err("it was cut").code, "may_not_read");
    world.nodes[n].officers.clear();
    world.restart(n);
    world.run(60_000);
}

fn changes(world: &mut World, n: usize, document: &DocumentId) -> (u64, u64) {
    let view = view(world, n, document);
    (view.line.changes, view.line.held)
}

fn same(world: &mut World, document: &DocumentId, nodes: &[usize]) {
    let all: Vec<(String, String)> = nodes.iter().map(|n| view(world, *n, document)).map(|v| (v.content_hash, v.log_head)).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
}

fn sending(view: View) -> SendingView {
    let View::Sending(view) = view else { panic!("a sending view was expected") };
    view
}

/// The kinds of the log's records, in log order, as a node shows them.
fn kinds(world: &mut World, n: usize, document: &DocumentId) -> Vec<String> {
    match world.ask(n, Command::AccessList { id: document.to_string() }) {
        Ok(View::Access(view)) => view.records.into_iter().map(|record| record.kind).collect(),
        other => panic!("{other:?}"),
    }
}

fn inbox(world: &mut World, n: usize, kind: &str) -> Vec<InboxItem> {
    match world.ask(n, Command::Inbox) {
        Ok(View::Inbox { items }) => items.into_iter().filter(|item| item.kind == kind).collect(),
        other => panic!("{other:?}"),
    }
}

/// The node revokes a certificate of its bureau.
fn revoke(world: &mut World, n: usize, target: RevocationTarget, class: RevocationClass) {
    let identity = world.nodes[n].identity.clone();
    let at = WallSeconds(world.wall());
    let revocation = Revocation { bureau: identity.bureau, target, class, at, issuer: Issuer::Member(identity.certificate) };
    let sealed = Sealed::seal(&identity.network, revocation, &[identity.signer.as_ref()]).expect("seals");
    world.ask(n, Command::Install { bytes: sealed.to_bytes() }).expect("installed");
}

fn certificate(world: &World, n: usize) -> RevocationTarget {
    RevocationTarget::Certificate(world.nodes[n].officers[0].certificate)
}

#[test]
fn held_work_is_shown_to_its_author_with_who_decides_and_an_order_lets_it_in() {
    let mut world = World::new(101);
    let [a, b, c, _] = world.county();
    let pact = terms(world.wall(), 30 * DAY, usual_grants());
    world.agree(a, c, pact);
    let late = world.laptop(b, "乙局笔记本");
    let thread = world.open_case(a, &[b, c], SERIES).expect("opened");
    world.run(20_000);
    world.part(late, b);
    world.cut_access(a, &thread, b, false).expect("cut");
    for _ in 0..2 {
        world.write_note(late, &thread).expect("the laptop has not heard of it");
    }
    world.run(20_000);
    assert!(view(&mut world, late, &thread).held.is_none(), "nothing is held where nobody knows of the cut");
    world.join_again(late, b);
    world.run(30_000);
    for n in [late, b, a] {
        let held = view(&mut world, n, &thread).held.expect("held");
        assert_eq!((held.count, held.waiting_for.as_str()), (2, "甲局"), "at {}", world.nodes[n].name);
        assert!(held.since > 0 && held.entries.iter().all(|entry| !entry.text.is_empty()));
    }
    assert!(view(&mut world, c, &thread).held.is_none(), "nobody else hears of it");
    assert_eq!(inbox(&mut world, a, "held").len(), 1);
    let admit = |acts: Vec<String>| Command::AccessAdmit { id: thread.to_string(), acts };
    let refused = world.ask(b, admit(vec![])).expect_err("the owner decides");
    assert_eq!(refused.code, "not_the_owner");
    assert_eq!(world.ask(a, admit(vec!["ffffffff".into()])).expect_err("no such act").code, "unknown_act");
    let first = view(&mut world, a, &thread).held.expect("held").entries[0].change.clone();
    assert_eq!(sending(world.ask(a, admit(vec![first])).expect("let in")).visible_entries, 1, "the one that was named");
    assert_eq!(sending(world.ask(a, admit(vec![])).expect("let in")).visible_entries, 1, "the rest");
    world.run(30_000);
    assert_eq!(changes(&mut world, a, &thread), (3, 0));
    assert_eq!(changes(&mut world, c, &thread), (3, 0), "who passed it by receives it now");
    assert_eq!(world.ask(a, admit(vec![])).expect_err("nothing is left").code, "nothing_held");
}

#[test]
fn a_voided_act_says_who_voided_it_and_why_everywhere() {
    let mut world = World::new(102);
    let [a, b, _, laptop] = world.county();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.write_note(b, &thread).expect("b writes");
    world.run(20_000);
    let change = view(&mut world, a, &thread).entries[1].change.clone();
    let void = |reason: &str, acts: Vec<String>| Command::AccessVoid { id: thread.to_string(), acts, reason: reason.to_owned() };
    assert_eq!(world.ask(a, void(" ", vec![change.clone()])).expect_err("no reason").code, "bad_void_reason");
    assert_eq!(world.ask(a, void("why", vec![])).expect_err("no acts").code, "acts_to_void");
    world.ask(a, void("密钥失窃后写入", vec![change[..10].to_owned()])).expect("voided");
    world.run(20_000);
    same(&mut world, &thread, &[a, b, laptop]);
    for n in [a, b, laptop] {
        let shown = view(&mut world, n, &thread);
        let voided = shown.entries[1].voided.clone().expect("void");
        assert_eq!(voided.reason, "密钥失窃后写入");
        assert!(!voided.by.is_empty() && shown.entries[0].voided.is_none() && shown.entries[1].settled);
    }
}

#[test]
fn a_raised_traffic_light_takes_the_document_from_whom_it_shuts_out_in_the_same_record() {
    let mut world = World::new(103);
    let [a, b, c, laptop] = world.county();
    let wide = vec![grant(Direction::Both, Category::CrimSeries, &[Verb::Append], Tlp::Red)];
    let pact = terms(world.wall(), 30 * DAY, wide);
    world.agree(a, c, pact);
    let thread = world.open_case(a, &[b, c], SERIES).expect("opened");
    world.run(20_000);
    world.write_note(b, &thread).expect("b writes");
    world.run(1_000);
    let raise = |tlp: &str| Command::AccessReclassify { id: thread.to_string(), tlp: tlp.to_owned() };
    assert_eq!(world.ask(a, raise("GREEN")).expect_err("never lowered").code, "tlp_not_raised");
    assert_eq!(world.ask(a, raise("PINK")).expect_err("no such light").code, "unknown_tlp");
    let told = sending(world.ask(a, raise("RED")).expect("raised"));
    let stays: Vec<(String, bool)> = told.receivers.iter().map(|r| (r.name.clone(), r.will_receive)).collect();
    assert!(stays.contains(&("乙局".to_owned(), false)) && stays.contains(&("丙局".to_owned(), true)), "{stays:?}");
    world.run(20_000);
    world.write_note(a, &thread).expect("a goes on");
    world.run(20_000);
    same(&mut world, &thread, &[a, c, laptop]);
    assert_eq!(changes(&mut world, a, &thread), (3, 0), "what b wrote before stands");
    assert_eq!(view(&mut world, c, &thread).line.tlp, "RED");
    assert_eq!(changes(&mut world, b, &thread).0, 2, "b keeps what it had and gets no more");
    assert_eq!(world.write_note(b, &thread).expect_err("b was told").code, "may_not_append");
}

#[test]
fn an_ended_document_is_told_to_its_holders_and_takes_nothing_more() {
    let mut world = World::new(104);
    let [a, b, _, laptop] = world.county();
    let late = world.laptop(b, "乙局笔记本");
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.part(late, b);
    world.write_note(a, &thread).expect("a writes");
    let end = Command::AccessEnd { id: thread.to_string() };
    let told = sending(world.ask(a, end.clone()).expect("ended"));
    assert!(told.receivers.iter().all(|receiver| receiver.why == "document_ended"));
    world.write_note(late, &thread).expect("the laptop has not heard of it");
    world.run(20_000);
    assert_eq!(view(&mut world, b, &thread).ended, "retention");
    world.join_again(late, b);
    world.run(30_000);
    for n in [a, laptop] {
        assert_eq!(view(&mut world, n, &thread).ended, "retention");
        assert_eq!(changes(&mut world, n, &thread).0, 2, "what was admitted was settled by the end");
        assert_eq!(world.write_note(n, &thread).expect_err("nothing follows the end").code, "may_not_append");
    }
    assert_eq!(view(&mut world, late, &thread).held.expect("held, shown to its author").count, 1);
    assert_eq!(world.ask(a, end).expect_err("once").code, "has_ended");
    world.restart(a);
    world.run(700_000);
    assert_eq!(kinds(&mut world, a, &thread).last().map(String::as_str), Some("end"), "nothing was written behind it");
}

#[test]
fn what_a_revoked_creator_made_is_adopted_or_disowned_by_a_person() {
    let mut world = World::new(105);
    let [a, b, _, laptop] = world.county();
    world.run(20_000);
    world.part(a, laptop);
    world.part(b, laptop);
    let theirs: Vec<DocumentId> = (0..2)
        .map(|_| {
            let (draft, _) = world.draft(SERIES);
            let made = sending(world.ask(laptop, Command::BulletinNew(draft)).expect("written offline"));
            DocumentId::from_hex(&made.id).expect("an id")
        })
        .collect();
    let target = certificate(&world, laptop);
    revoke(&mut world, a, target, RevocationClass::Compromised);
    // The device is good: it hands in what its officer made.
    world.join_again(a, laptop);
    world.run(60_000);
    assert_eq!(inbox(&mut world, a, "unadopted").len(), 2);
    for document in &theirs {
        assert_eq!(kinds(&mut world, a, document), ["genesis"], "the machine confirms nothing of a stolen key");
    }
    world.ask(a, Command::AccessAdopt { id: theirs[0].to_string() }).expect("adopted");
    world.ask(a, Command::AccessDisown { id: theirs[1].to_string() }).expect("disowned");
    assert_eq!(kinds(&mut world, a, &theirs[0])[..2], ["genesis", "adopt"]);
    assert_eq!(kinds(&mut world, a, &theirs[1]), ["genesis", "end"]);
    assert!(inbox(&mut world, a, "unadopted").is_empty());
    world.run(60_000);
    assert_eq!(view(&mut world, laptop, &theirs[1]).ended, "disown");
}

/// A bureau's own officer's key turns out stolen while its work is not settled yet.
fn stolen(seed: u64, class: RevocationClass, corroborated: bool) -> (World, [usize; 4], DocumentId) {
    let mut world = World::new(seed);
    let [a, b, c, laptop] = world.county();
    if !corroborated {
        world.restart(a);
        for other in [b, c, laptop] {
            world.part(a, other);
        }
        world.restart(a);
    }
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(10_000);
    world.write_note(a, &thread).expect("written");
    world.run(100);
    let target = certificate(&world, a);
    let deputy =
        Command::OfficerAdd { name: "副班员".into(), seats: vec!["duty".into()], capabilities: vec!["order".into(), "write".into()] };
    world.ask(a, deputy).expect("added");
    revoke(&mut world, a, target, class);
    (world, [a, b, c, laptop], thread)
}

#[test]
fn a_stolen_key_is_cut_by_the_registrar_before_its_work_is_settled() {
    let (mut world, [a, b, _, laptop], thread) = stolen(106, RevocationClass::Compromised, true);
    world.run(20_000);
    assert_eq!(kinds(&mut world, a, &thread), ["genesis", "adopt", "cut"]);
    kept_from_its_officer(&mut world, a, &thread);
    for n in [a, b, laptop] {
        assert_eq!(changes(&mut world, n, &thread), (1, 1), "at {}", world.nodes[n].name);
    }
    world.run(700_000);
    assert_eq!(kinds(&mut world, a, &thread).len(), 3, "once");
}

#[test]
fn a_retired_key_is_cut_with_what_it_wrote_left_standing() {
    let (mut world, [a, b, _, laptop], thread) = stolen(107, RevocationClass::Retired, true);
    world.run(700_000);
    assert_eq!(kinds(&mut world, a, &thread), ["genesis", "adopt", "cut", "anchor"]);
    kept_from_its_officer(&mut world, a, &thread);
    for n in [a, b, laptop] {
        assert_eq!(changes(&mut world, n, &thread), (2, 0));
    }
}

#[test]
fn without_a_corroborated_clock_cuts_wait_for_a_person_and_nothing_of_a_stolen_key_is_settled() {
    let (mut world, [a, ..], thread) = stolen(108, RevocationClass::Compromised, false);
    world.run(700_000);
    assert_eq!(kinds(&mut world, a, &thread), ["genesis", "adopt"]);
    assert_eq!(view(&mut world, a, &thread).line.settled, 1);
    assert_eq!(inbox(&mut world, a, "confirm_cuts").len(), 1);
    world.restart(a);
    assert_eq!(inbox(&mut world, a, "confirm_cuts").len(), 1, "it is remembered");
    world.nodes[a].officers.clear();
    world.log_in(a, "副班员");
    world.ask(a, Command::AccessConfirm).expect("a person's word");
    world.run(5_000);
    assert_eq!(kinds(&mut world, a, &thread), ["genesis", "adopt", "cut"]);
    assert!(inbox(&mut world, a, "confirm_cuts").is_empty());
    assert_eq!(world.ask(a, Command::AccessConfirm).expect_err("nothing waits").code, "no_cuts_wait");
}

#[test]
fn an_agreement_that_ran_out_is_cut_after_its_grace_only_where_a_third_bureau_reads() {
    let mut world = World::new(109);
    let (a, b, c) = (world.bureau("甲局"), world.bureau("乙局"), world.bureau("丙局"));
    for other in [b, c] {
        world.introduce(a, other, true);
    }
    world.run(5_000);
    let mut short = terms(world.wall(), 600, usual_grants());
    short.grace_days = 1;
    world.agree(a, b, short);
    let long = terms(world.wall(), 90 * DAY, usual_grants());
    world.agree(a, c, long);
    let three = world.open_case(a, &[b, c], SERIES).expect("opened");
    let two = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(700_000);
    world.run(12 * 3_600_000);
    let cuts = |world: &mut World, document| kinds(world, a, document).iter().filter(|kind| *kind == "cut").count();
    assert_eq!((cuts(&mut world, &three), cuts(&mut world, &two)), (0, 0), "in the grace time nothing is cut");
    world.run(24 * 3_600_000);
    assert_eq!((cuts(&mut world, &three), cuts(&mut world, &two)), (1, 0));
    world.run(24 * 3_600_000);
    assert_eq!((cuts(&mut world, &three), cuts(&mut world, &two)), (1, 0), "once");
}

/// A second record behind the one before the newest, sealed by the same registrar: as a registrar put back would write it.
fn rival(world: &World, n: usize, document: &DocumentId) -> Vec<u8> {
    let identity = &world.nodes[n].identity;
    let records: Vec<Sealed<Record>> = world.nodes[n]
        .disk
        .items(document)
        .into_iter()
        .filter_map(|(_, bytes)| match Item::from_bytes(&bytes) {
            Some(Item::Record(bytes)) => Sealed::<Record>::from_bytes(&bytes).ok(),
            _ => None,
        })
        .collect();
    let newest = records.iter().max_by_key(|record| record.claimed().index).expect("adopted").claimed().clone();
    let tips = records[0].claimed().kind.anchors().to_vec();
    let record = Record { kind: RecordKind::Anchor(tips), at: newest.at.plus(7), ..newest };
    Sealed::seal(&identity.network, record, &[identity.signer.as_ref()]).expect("seals").to_bytes()
}

#[test]
fn a_registrar_that_sees_its_log_forked_names_all_heads_and_goes_on() {
    let mut world = World::new(110);
    let [a, b, c, laptop] = world.county();
    let pact = terms(world.wall(), 30 * DAY, usual_grants());
    world.agree(a, c, pact);
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(10_000);
    world.write_note(a, &thread).expect("a writes");
    world.run(20_000);
    world.cut_access(a, &thread, b, false).expect("cut");
    world.grant_access(a, &thread, c, "read").expect("granted");
    world.run(20_000);
    let other = rival(&world, a, &thread);
    // The longest branch goes on: what it granted stands.
    world.grant_access(a, &thread, c, "append").expect("granted");
    world.run(20_000);
    let push = Push { records: vec![Bytes(other)], ..Push::empty(1_000_000, thread) };
    assert!(world.inject(c, a, Message::Push(push).encode()));
    world.run(1_000);
    let forked = kinds(&mut world, a, &thread).len();
    world.run(30_000);
    assert_eq!(kinds(&mut world, a, &thread).len(), forked + 1);
    assert_eq!(kinds(&mut world, a, &thread).last().map(String::as_str), Some("continue"));
    world.grant_access(a, &thread, b, "append").expect("grants count again");
    world.run(30_000);
    world.write_note(b, &thread).expect("b is in again");
    world.run(30_000);
    same(&mut world, &thread, &[a, b, c, laptop]);
}

#[test]
fn a_registrar_is_replaced_by_appointment_and_the_new_one_goes_on_with_every_log() {
    let mut world = World::new(111);
    let [a, b, _, laptop] = world.county();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    let new = world.replace_home(a, "甲局新机", 2);
    world.run(20_000);
    assert!(!world.status(a).registrar && world.status(new).registrar, "one of two");
    world.write_note(a, &thread).expect("the old one is a node like any other");
    world.write_note(b, &thread).expect("the partner goes on");
    world.run(60_000);
    let log = accord_sim::oracle::log_of(&world.nodes[b], &thread).expect("held");
    let by_new = log.records.values().filter(|record| record.registrar == world.nodes[new].identity.certificate).count();
    assert!(by_new > 0 && log.heads(&thread).len() == 1, "records of the new one behind those of the old");
    world.cut_access(new, &thread, b, false).expect("it decides");
    world.run(20_000);
    same(&mut world, &thread, &[a, new, laptop]);
    world.write_note(b, &thread).expect_err("cut");
}

#[test]
fn a_root_that_was_rotated_twice_while_a_partner_was_offline_for_months_is_learnt_in_order() {
    let mut world = World::new(113);
    let [a, b, c, _] = world.county();
    world.part(a, b);
    for _ in 0..2 {
        world.run(40 * DAY * 1_000);
        let (bytes, key) = world.next_root(a);
        world.ask(a, Command::Install { bytes }).expect("sealed by the old and the new");
        world.nodes[a].root = Some(key);
    }
    world.run(60_000);
    let version = |world: &World, n: usize| {
        let directory = world.nodes[n].core.as_ref().expect("runs").directory();
        directory.bureau(&world.nodes[0].bureau).map(|record| record.head_statement().version)
    };
    assert_eq!(world.nodes[a].bureau, world.nodes[0].bureau);
    assert_eq!((version(&world, a), version(&world, b), version(&world, c)), (Some(3), Some(1), Some(3)));
    world.join_again(a, b);
    world.run(60_000);
    assert_eq!(version(&world, b), Some(3), "both steps, in one greeting");
    let pact = terms(world.wall(), 30 * DAY, usual_grants());
    world.agree(a, b, pact);
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.write_note(b, &thread).expect("b takes part");
    world.run(20_000);
    same(&mut world, &thread, &[a, b]);
}

#[test]
fn rival_roots_freeze_a_bureau_until_its_checking_code_is_read_out_again() {
    let mut world = World::new(114);
    let [a, b, _, _] = world.county();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    let (ours, key) = world.next_root(a);
    // Whoever has the old key can make another.
    let (theirs, _) = world.next_root(a);
    world.ask(a, Command::Install { bytes: ours }).expect("installed");
    world.nodes[a].root = Some(key);
    world.run(10_000);
    assert!(world.inject(a, b, Message::Statements(vec![Bytes(theirs)]).encode()));
    world.run(5_000);
    let frozen = |world: &World| world.nodes[b].core.as_ref().expect("runs").directory().is_frozen(&world.nodes[a].bureau);
    assert!(frozen(&world), "two say that they are the next");
    world.write_note(a, &thread).expect("written at home");
    world.run(120_000);
    let entries = |world: &mut World| view(world, b, &thread).entries.len();
    let before = entries(&mut world);
    world.restart(b);
    world.run(60_000);
    assert!(frozen(&world) && entries(&mut world) == before, "nothing of it is taken, also after a restart");
    let View::Card(card) = world.ask(a, Command::CardShow).expect("its card") else { panic!("a card") };
    let unheard = Command::PartnerAdd { card: card.text.clone(), checking_code: None, alias: None };
    world.ask(b, unheard).expect("a card alone");
    assert!(frozen(&world), "decides nothing");
    let heard = Command::PartnerAdd { card: card.text, checking_code: Some(card.checking_code), alias: None };
    world.ask(b, heard).expect("read out on the phone");
    world.run(120_000);
    assert!(!frozen(&world), "decided");
}

/// A registrar was put back and an officer said what is missing while one partner, which holds records of the lost time, was away: what the
/// registrar wrote since and what comes back then are two branches of one log. Answers the document and the partners.
fn branched(seed: u64) -> (World, [usize; 4], DocumentId) {
    let mut world = World::new(seed);
    let [a, b, c] = world.star(30);
    let d = world.bureau("丁局");
    world.introduce(a, d, true);
    world.run(5_000);
    let pact = terms(world.wall(), 30 * DAY, usual_grants());
    world.agree(a, d, pact);
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    let old = world.nodes[a].disk.clone();
    // The time that is lost: c is let in, and only b hears of it.
    world.part(a, c);
    world.part(a, d);
    world.grant_access(a, &thread, c, "read").expect("granted");
    world.run(20_000);
    world.part(a, b);
    world.crash(a);
    world.nodes[a].disk = old;
    world.nodes[a].disk.commit(&[note_suspicion(Suspicion::Restored)]).expect("a row");
    world.boot(a);
    world.join_again(a, c);
    world.join_again(a, d);
    world.run(601_000);
    (world, [a, b, c, d], thread)
}

fn confirm_store(world: &mut World, n: usize) {
    world.ask(n, Command::StoreConfirm { missing: "最后一天的记录".into(), alone: false, pair: None }).expect("confirmed");
}

#[test]
fn a_log_that_forked_while_its_owner_caught_up_is_healed_once_it_is_trusted_again() {
    let (mut world, [a, b, _, d], thread) = branched(115);
    confirm_store(&mut world, a);
    world.grant_access(a, &thread, d, "append").expect("the other branch");
    world.grant_access(a, &thread, d, "read").expect("and one more record: it is the longer one");
    world.run(20_000);
    // It doubts itself again before b comes back with the other branch: nothing may be written then.
    world.crash(a);
    world.nodes[a].disk.commit(&[note_suspicion(Suspicion::Restored)]).expect("a row");
    world.boot(a);
    world.join_again(a, b);
    world.run(60_000);
    assert_eq!(world.status(a).catching_up, ["restored"]);
    let forked = kinds(&mut world, a, &thread);
    assert!(!forked.contains(&"continue".to_owned()), "no record while it catches up: {forked:?}");
    assert!(accord_sim::oracle::log_of(&world.nodes[a], &thread).expect("held").heads(&thread).len() > 1, "it forked");
    world.run(601_000);
    confirm_store(&mut world, a);
    world.run(30_000);
    assert_eq!(kinds(&mut world, a, &thread).last().map(String::as_str), Some("continue"), "healed by itself");
    world.heal();
    world.check_healed();
}

#[test]
fn grants_on_the_branch_a_healed_log_left_are_listed_until_they_are_given_again() {
    let (mut world, [a, b, c, d], thread) = branched(116);
    confirm_store(&mut world, a);
    world.grant_access(a, &thread, d, "append").expect("the other branch");
    world.write_note(a, &thread).expect("written");
    world.grant_access(a, &thread, d, "read").expect("the longer one");
    world.run(20_000);
    assert!(inbox(&mut world, a, "grants_lost").is_empty(), "nobody knows of it yet");
    world.join_again(a, b);
    world.run(60_000);
    // What b returns tells of a store before this one: an officer rules once more.
    if !world.status(a).catching_up.is_empty() {
        world.run(601_000);
        confirm_store(&mut world, a);
        world.run(30_000);
    }
    let log = kinds(&mut world, a, &thread);
    assert_eq!(log.iter().filter(|kind| *kind == "continue").count(), 1, "{log:?}");
    assert!(!world.holds(c, &thread), "the branch that goes on does not let it in");
    let listed = inbox(&mut world, a, "grants_lost");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.as_str(), listed[0].from.as_str()), (thread.to_string().as_str(), "丙局"));
    world.restart(a);
    assert_eq!(inbox(&mut world, a, "grants_lost").len(), 1, "a restart forgets nothing");
    world.grant_access(a, &thread, c, "read").expect("given again");
    world.run(20_000);
    assert!(world.holds(c, &thread) && inbox(&mut world, a, "grants_lost").is_empty());
    same(&mut world, &thread, &[a, b, c, d]);
    world.heal();
    world.check_healed();
}

/// A member's certificate for a new key, issued by an issuer whose key somebody has.
fn issued(world: &mut World, n: usize, name: &str, issuer: &Officer) -> (Officer, Vec<u8>) {
    let key = Arc::new(world.key());
    let serial = world.draw32()[..16].try_into().expect("sixteen of thirty-two");
    let directory = world.nodes[n].core.as_ref().expect("runs").directory();
    let before = directory.certificate(&issuer.certificate).expect("known").body().clone();
    let capabilities = before.capabilities.iter().copied().filter(|capability| *capability != Capability::Issue).collect();
    let body = MemberCertificate { key: key.public(), serial, capabilities, issuer: Issuer::Member(issuer.certificate), ..before };
    let sealed = Sealed::seal(&world.network, body, &[issuer.key.as_ref()]).expect("seals");
    let certificate = sealed.certificate_id(&world.network);
    (Officer { name: name.into(), certificate, key }, sealed.to_bytes())
}

/// Writes in a document with the key of somebody who sits at no device of ours, and hands it from one node to another.
fn written_by(world: &mut World, who: &Officer, [from, to]: [usize; 2], document: &DocumentId) {
    world.nodes[from].officers.push(who.clone());
    let segment = world.honest_segment(from, document).expect("well formed");
    world.nodes[from].officers.pop();
    assert!(world.push_raw(from, to, *document, vec![segment]));
    world.run(200);
}

#[test]
fn a_stolen_issuer_is_revoked_with_what_it_issued_but_for_whom_the_root_lists() {
    let mut world = World::new(117);
    let [a, b, _, laptop] = world.county();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    let (root, key) = (world.nodes[a].root.clone().expect("founded here"), Arc::new(world.key()));
    let directory = world.nodes[a].core.as_ref().expect("runs").directory();
    let head = directory.bureau(&world.nodes[a].bureau).expect("our own").head();
    let officer = directory.certificate(&world.nodes[a].officers[0].certificate).expect("known").body().clone();
    let mut capabilities = vec![Capability::Issue, Capability::Create, Capability::Write];
    capabilities.sort();
    let body = MemberCertificate { key: key.public(), capabilities, serial: [9; 16], issuer: Issuer::Root(head), ..officer };
    let sealed = Sealed::seal(&world.network, body, &[root.as_ref()]).expect("seals");
    let issuer = Officer { name: "签发员".into(), certificate: sealed.certificate_id(&world.network), key };
    world.ask(a, Command::Install { bytes: sealed.to_bytes() }).expect("installed");
    world.run(1_000);
    let (honest, bytes) = issued(&mut world, a, "新同事", &issuer);
    world.ask(a, Command::Install { bytes }).expect("installed");
    world.run(1_000);
    // The thief makes itself an officer of ours, and a partner hands in what it wrote.
    let (thief, bytes) = issued(&mut world, a, "窃贼", &issuer);
    assert!(world.inject(b, a, Message::Statements(vec![Bytes(bytes)]).encode()));
    world.run(200);
    written_by(&mut world, &honest, [laptop, a], &thread);
    written_by(&mut world, &thief, [b, a], &thread);
    assert_eq!(changes(&mut world, a, &thread), (3, 0), "its chain is good: nobody can tell yet");
    let revocation = Revocation {
        bureau: world.nodes[a].bureau,
        target: RevocationTarget::Issuer { certificate: issuer.certificate, good: vec![honest.certificate] },
        class: RevocationClass::Compromised,
        at: WallSeconds(world.wall()),
        issuer: Issuer::Root(head),
    };
    let sealed = Sealed::seal(&world.network, revocation, &[root.as_ref()]).expect("seals");
    world.ask(a, Command::Install { bytes: sealed.to_bytes() }).expect("installed");
    world.run(30_000);
    assert!(kinds(&mut world, a, &thread).contains(&"cut".to_owned()), "{:?}", kinds(&mut world, a, &thread));
    assert_eq!(changes(&mut world, a, &thread), (2, 1), "the thief's act is held");
    for n in [b, laptop] {
        assert_eq!(changes(&mut world, n, &thread).0, 2, "and out at {}", world.nodes[n].name);
    }
    // On top of what b has: that is without the thief's act.
    written_by(&mut world, &honest, [b, a], &thread);
    world.run(60_000);
    written_by(&mut world, &thief, [b, a], &thread);
    world.run(700_000);
    assert_eq!(changes(&mut world, a, &thread).0, 3, "who was listed goes on, the thief does not");
    world.heal();
    world.check_healed();
}

#[test]
fn what_a_doubled_registrar_wrote_on_both_sides_is_healed_and_its_denials_count() {
    let mut world = World::new(118);
    let [a, b, c] = world.star(30);
    let thread = world.open_case(a, &[b, c], SERIES).expect("opened");
    world.run(20_000);
    let twin = world.double(a, false);
    world.part(a, c);
    world.part(twin, b);
    world.run(20_000);
    // One of the two goes on with c and cuts it; the other goes on with b.
    world.write_note(c, &thread).expect("to the copy");
    world.write_note(b, &thread).expect("to the first");
    world.run(20_000);
    world.cut_access(twin, &thread, c, false).expect("cut there");
    world.run(20_000);
    for _ in 0..3 {
        world.write_note(b, &thread).expect("b writes on");
        world.run(20_000);
    }
    let heads = |world: &World, n: usize| accord_sim::oracle::log_of(&world.nodes[n], &thread).expect("held").heads(&thread);
    assert!(heads(&world, a) != heads(&world, twin), "two logs");
    // The copy is found and put out of use; what it wrote comes back by its partner.
    world.crash(twin);
    world.nodes[twin].retired = true;
    world.join_again(a, c);
    world.run(60_000);
    if !world.status(a).catching_up.is_empty() {
        world.run(601_000);
        confirm_store(&mut world, a);
        world.run(60_000);
    }
    let log = kinds(&mut world, a, &thread);
    assert!(log.contains(&"continue".to_owned()) && heads(&world, a).len() == 1, "{log:?}");
    assert_eq!(world.write_note(c, &thread).expect_err("the cut of the copy counts").code, "may_not_append");
    let before = changes(&mut world, c, &thread).0;
    world.write_note(b, &thread).expect("b is in");
    world.run(60_000);
    same(&mut world, &thread, &[a, b]);
    assert_eq!(changes(&mut world, c, &thread).0, before, "and c gets no more");
    world.heal();
    world.check_healed();
}
