//! Stores put back and stores lived on twice: what a node learns of its own past from those it gave cursors to.

use std::collections::BTreeSet;

use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::input::Command;
use accord_protocol::step::{Table, Write};
use accord_protocol::view::{Refused, View};
use accord_sim::disk::Disk;
use accord_sim::oracle::{lasting, log_of};
use accord_sim::people::{terms, usual_grants};
use accord_sim::world::World;

const DAY: u64 = 24 * 3_600;
const SERIES: &str = "CRIM.SERIES";

/// Two partners that have an agreement with the first bureau and got something from it.
fn star(seed: u64) -> (World, [usize; 3]) {
    let mut world = World::new(seed);
    let [a, b, c] = world.star(30);
    world.publish(a, &[b, c], SERIES).expect("published");
    world.run(20_000);
    (world, [a, b, c])
}

/// Puts an older disk back under a node that is down.
fn put_back(world: &mut World, n: usize, disk: Disk) {
    world.crash(n);
    world.nodes[n].disk = disk;
    world.boot(n);
}

/// Forgets the cursors a node was given: it returns none.
fn silence(world: &mut World, n: usize) {
    let keys: Vec<Vec<u8>> = world.nodes[n].disk.table(Table::Cursors).map(|(key, _)| key.to_vec()).collect();
    let writes: Vec<Write> = keys.into_iter().map(|key| Write::Put { table: Table::Cursors, key, value: None }).collect();
    world.nodes[n].disk.commit(&writes).expect("rows can be removed");
}

fn silent(world: &mut World, n: usize, other: usize) -> String {
    world.partner(n, other).silent
}

fn confirm(world: &mut World, n: usize, alone: bool, pair: Option<usize>) -> Result<View, Refused> {
    let pair = pair.map(|other| world.name(other));
    world.ask(n, Command::StoreConfirm { missing: "从第三天的备份恢复".to_owned(), alone, pair })
}

#[test]
fn a_no_that_a_restore_forgot_holds_until_it_is_told_of_or_an_officer_rules() {
    let (mut world, [a, b, c]) = star(60);
    let (old_a, old_b) = (world.nodes[a].disk.clone(), world.nodes[b].disk.clone());
    // Later, the two state something about their pair; the third keeps in its cursor that they did.
    let pact = terms(world.wall(), 60 * DAY, usual_grants());
    world.agree(a, b, pact);
    world.run(20_000);
    world.part(a, c);
    world.part(a, b);
    put_back(&mut world, b, old_b);
    world.crash(b);
    silence(&mut world, b);
    world.boot(b);
    put_back(&mut world, a, old_a);
    world.join_again(a, b);
    world.run(20_000);
    assert!(world.connected(a, b));
    assert_eq!(silent(&mut world, a, b), "pair_not_covered", "it had a cursor of ours and returns none");
    let after = world.publish(a, &[b], SERIES).expect("published, for whom it may concern");
    world.run(60_000);
    assert!(!world.holds(b, &after), "nothing leaves to the one that keeps silent");
    assert_eq!(world.status(a).catching_up, Vec::<String>::new(), "it has no reason yet to doubt its store");

    world.join_again(a, c);
    world.run(20_000);
    assert_eq!(world.status(a).catching_up, ["restored"]);
    assert_eq!((silent(&mut world, a, b).as_str(), silent(&mut world, a, c).as_str()), ("catching_up", "catching_up"));
    assert!(!world.status(a).registrar, "no record either");
    assert_eq!(confirm(&mut world, a, false, None).expect_err("one of two is not heard").code, "partners_not_heard_yet");
    world.restart(a);
    world.run(20_000);
    assert_eq!(world.status(a).catching_up, ["restored"], "also across a restart");
    world.run(600_000);
    confirm(&mut world, a, false, None).expect("one was heard, ten minutes have passed");
    assert_eq!((silent(&mut world, a, b).as_str(), silent(&mut world, a, c).as_str()), ("pair_behind", ""));
    let to_c = world.publish(a, &[c], SERIES).expect("published");
    world.run(60_000);
    assert!(world.holds(c, &to_c) && !world.holds(b, &after), "the others go on, the pair that forgot something does not");
    world.restart(c);
    world.restart(a);
    world.run(30_000);
    assert_eq!(world.status(a).catching_up, Vec::<String>::new(), "what was ruled on is no news");
    assert_eq!(silent(&mut world, a, b), "pair_behind", "and the pair is remembered");
    assert_eq!(confirm(&mut world, a, false, Some(c)).expect_err("that pair is well").code, "pair_not_silent");
    confirm(&mut world, a, false, Some(b)).expect("an officer rules");
    world.run(60_000);
    assert_eq!(silent(&mut world, a, b), "");
    assert!(world.holds(b, &after));
    world.restart(a);
    world.run(30_000);
    assert_eq!(silent(&mut world, a, b), "", "the ruling stands");
}

#[test]
fn what_is_stated_anew_does_not_stand_for_what_was_lost() {
    let (mut world, [a, b, c]) = star(74);
    let old = world.nodes[a].disk.clone();
    // A no that b never heard of: only c's cursor says that there was one more statement.
    world.part(a, b);
    let bureau = world.nodes[b].bureau.to_string();
    let pact = world.agreements(a).into_iter().find(|pact| pact.partner == bureau).expect("agreed").id;
    world.ask(a, Command::AgreementSuspend { id: pact, reason: "核查泄密".to_owned(), categories: Vec::new() }).expect("suspended");
    world.run(600_000);
    put_back(&mut world, a, old);
    world.run(20_000);
    assert_eq!(world.status(a).catching_up, ["restored"], "the third told");
    world.run(600_000);
    confirm(&mut world, a, false, None).expect("an officer states what is missing");
    assert_eq!(silent(&mut world, a, b), "pair_behind");
    world.join_again(a, b);
    world.run(20_000);
    assert_eq!(silent(&mut world, a, b), "pair_behind", "b has nothing to bring back");
    // Both sides state something new, and lines of days come.
    for n in [a, b, a] {
        let new = terms(world.wall(), 60 * DAY, usual_grants());
        let other = if n == a { b } else { a };
        world.offer(n, other, new).expect("offered");
        world.run(60_000);
        assert_eq!(silent(&mut world, a, b), "pair_behind", "that is not the statement that was lost");
    }
    world.run(3 * DAY * 1_000);
    world.restart(a);
    world.run(60_000);
    assert_eq!(silent(&mut world, a, b), "pair_behind", "nor are lines of later days, nor does a start forget when it was told");
    let secret = world.publish(a, &[b, c], SERIES).expect("published");
    world.run(60_000);
    assert!(world.holds(c, &secret) && !world.holds(b, &secret));
    confirm(&mut world, a, false, Some(b)).expect("an officer rules");
    world.run(60_000);
    assert_eq!(silent(&mut world, a, b), "");
}

#[test]
fn what_was_accepted_while_a_store_was_in_doubt_is_concluded_once_it_is_trusted() {
    let (mut world, [a, b, _]) = star(75);
    let new = terms(world.wall(), 60 * DAY, usual_grants());
    let offer = world.offer(a, b, new).expect("offered");
    world.run(20_000);
    world.crash(a);
    world.nodes[a].disk.commit(&[note_suspicion(Suspicion::Cloned)]).expect("a row");
    world.boot(a);
    world.run(30_000);
    assert_eq!(world.status(a).catching_up, ["cloned"]);
    world.ask(b, Command::AgreementAccept { id: offer.to_string() }).expect("accepted");
    world.run(20_000);
    assert_eq!(world.agreement(b, &offer).expect("known").standing, "accepted", "who is in doubt concludes nothing");
    confirm(&mut world, a, false, None).expect("all partners were heard");
    world.run(20_000);
    for n in [a, b] {
        assert_eq!(world.agreement(n, &offer).expect("known").standing, "in_force");
    }
}

#[test]
fn a_pair_speaks_again_by_itself_when_the_forgotten_statement_comes() {
    let (mut world, [a, b, c]) = star(61);
    let old = world.nodes[a].disk.clone();
    let pact = terms(world.wall(), 60 * DAY, usual_grants());
    world.agree(a, b, pact);
    world.run(20_000);
    world.part(a, b);
    put_back(&mut world, a, old);
    world.run(20_000);
    assert_eq!(world.status(a).catching_up, ["restored"], "the third told");
    world.run(600_000);
    confirm(&mut world, a, false, None).expect("an officer states what is missing");
    assert_eq!(silent(&mut world, a, b), "pair_behind");
    world.join_again(a, b);
    world.run(20_000);
    assert_eq!((silent(&mut world, a, b).as_str(), silent(&mut world, a, c).as_str()), ("", ""));
    let of = |n: usize| world.nodes[n].disk.table(Table::Agreements).map(|(key, _)| key.to_vec()).collect::<BTreeSet<_>>();
    assert_eq!(of(a), of(b).union(&of(c)).cloned().collect(), "what was concluded is not concluded a second time");
    let after = world.publish(a, &[b, c], SERIES).expect("published");
    world.run(20_000);
    assert!(world.holds(b, &after) && world.holds(c, &after));
}

#[test]
fn a_restored_registrar_takes_its_lost_work_back_and_goes_on_without_a_fork() {
    let (mut world, [a, b, c]) = star(62);
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.write_note(a, &thread).expect("before the backup");
    world.run(20_000);
    let old = world.nodes[a].disk.clone();
    world.write_note(a, &thread).expect("after the backup");
    let bulletin = world.publish(a, &[b, c], SERIES).expect("published after the backup");
    world.run(20_000);
    let before = world.show(b, &thread).expect("held");
    put_back(&mut world, a, old);
    world.run(30_000);
    assert_eq!(world.status(a).catching_up, ["restored"]);
    let back = world.show(a, &thread).expect("held");
    assert_eq!((back.entries.len(), &back.log_head), (before.entries.len(), &before.log_head), "its own lost note and record came back");
    assert!(world.holds(a, &bulletin), "and a whole document");
    world.write_note(a, &thread).expect("officers may write; it stays here");
    world.run(30_000);
    assert_eq!(world.show(b, &thread).expect("held").entries.len(), before.entries.len(), "nothing leaves");
    let now = world.show(a, &thread).expect("held");
    assert_eq!(now.log_head, before.log_head, "and no record is written");
    confirm(&mut world, a, false, None).expect("all partners were heard: nobody needs to wait");
    assert_eq!(confirm(&mut world, a, false, None).expect_err("done").code, "not_catching_up");
    world.run(30_000);
    let (at_a, at_b) = (world.show(a, &thread).expect("held"), world.show(b, &thread).expect("held"));
    assert_eq!((at_a.content_hash, at_a.entries.len()), (at_b.content_hash, before.entries.len() + 1));
    assert!(at_a.log_head != before.log_head, "records are written again");
    world.heal();
    world.check_healed();
}

#[test]
fn a_store_nobody_remembers_is_confirmed_alone_and_only_after_waiting() {
    let (mut world, [a, b, c]) = star(63);
    world.part(a, b);
    world.part(a, c);
    world.crash(a);
    world.nodes[a].disk.commit(&[note_suspicion(Suspicion::Restored)]).expect("a row");
    world.boot(a);
    assert_eq!(world.status(a).catching_up, ["restored"], "another machine, for instance");
    assert_eq!(confirm(&mut world, a, true, None).expect_err("partners may still come").code, "partners_not_heard_yet");
    world.run(601_000);
    assert_eq!(confirm(&mut world, a, false, None).expect_err("nobody was heard").code, "nobody_heard");
    confirm(&mut world, a, true, None).expect("an officer takes it upon himself");
    assert!(world.status(a).registrar);
    world.join_again(a, b);
    world.join_again(a, c);
    world.run(20_000);
    assert_eq!((silent(&mut world, a, b).as_str(), silent(&mut world, a, c).as_str()), ("", ""), "their cursors tell of nothing lost");
}

#[test]
fn two_nodes_on_one_store_are_noticed_by_what_a_partner_heard_from_the_other() {
    let (mut world, [a, b, c]) = star(64);
    let copy = world.nodes[a].disk.clone();
    // The other one lives for a while: it publishes, and the partner keeps its cursor.
    world.publish(a, &[b], SERIES).expect("published");
    world.run(20_000);
    put_back(&mut world, a, copy.clone());
    world.run(10_000);
    assert_eq!(world.status(a).catching_up, ["restored"], "what came before our start was a restore");
    confirm(&mut world, a, false, None).expect("an officer's word");
    world.run(20_000);
    // Now it happens while we live: the partner's next hello returns what somebody else gave it meanwhile.
    let ours = world.nodes[a].disk.clone();
    world.part(a, c);
    for _ in 0..3 {
        world.publish(a, &[c], SERIES).expect("by the other, for somebody we do not meet");
    }
    world.publish(a, &[b], SERIES).expect("by the other");
    world.run(20_000);
    world.part(a, b);
    put_back(&mut world, a, ours);
    let cursors: Vec<Write> = world.nodes[b]
        .disk
        .table(Table::Cursors)
        .map(|(key, value)| Write::Put { table: Table::Cursors, key: key.to_vec(), value: Some(value.to_vec()) })
        .collect();
    silence(&mut world, b);
    world.restart(b);
    world.join_again(a, b);
    world.run(20_000);
    world.cut(a, b);
    world.crash(b);
    world.nodes[b].disk.commit(&cursors).expect("rows");
    world.boot(b);
    world.run(20_000);
    assert!(world.status(a).catching_up.contains(&"cloned".to_owned()), "{:?}", world.status(a).catching_up);
}

/// Puts an older disk back under the first bureau, an officer of which states what is missing once all partners were heard.
fn put_back_and_confirm(world: &mut World, n: usize, disk: Disk) {
    put_back(world, n, disk);
    world.run(30_000);
    assert_eq!(world.status(n).catching_up, ["restored"], "its partners return cursors that are ahead");
    confirm(world, n, false, None).expect("all partners were heard");
    world.run(60_000);
}

#[test]
fn a_document_of_an_officer_whom_a_restore_forgot_comes_home() {
    let (mut world, [a, b, c]) = star(65);
    let old = world.nodes[a].disk.clone();
    let first = world.nodes[a].officers[0].clone();
    let add =
        Command::OfficerAdd {
            name: "新人".into(), seats: Vec::new(), capabilities: vec!["create".into(), "write".into(), "order".into()]
        };
    world.ask(a, add).expect("added");
    world.log_in(a, "新人");
    world.nodes[a].officers.retain(|officer| officer.name == "新人");
    world.ask(a, Command::Lock { name: Some(first.name.clone()) }).expect("goes home");
    let thread = world.open_case(a, &[b, c], SERIES).expect("opened by the new one");
    world.run(20_000);
    assert!(world.holds(b, &thread));
    world.nodes[a].officers = vec![first];
    put_back_and_confirm(&mut world, a, old);
    assert!(world.holds(a, &thread), "its readers bring it back, and with it whose work it is");
    world.heal();
    world.check_healed();
}

#[test]
fn readers_of_a_hidden_audience_give_the_owner_back_what_a_restore_forgot() {
    let (mut world, [a, b, c]) = star(66);
    let old = world.nodes[a].disk.clone();
    let hidden = world.publish(a, &[b], SERIES).expect("published, for whom it may concern");
    world.run(20_000);
    assert!(world.holds(b, &hidden) && !world.holds(c, &hidden));
    put_back_and_confirm(&mut world, a, old);
    assert!(world.holds(a, &hidden));
    let opened = |world: &World| log_of(&world.nodes[a], &hidden).expect("held").opened;
    assert_eq!(opened(&world).into_iter().collect::<Vec<_>>(), [world.nodes[b].bureau], "the reader gave back what opens its place");
    world.heal();
    world.check_healed();
    assert!(!world.holds(c, &hidden));
}

#[test]
fn partners_tell_a_restored_bureau_what_it_revoked_itself() {
    let (mut world, [a, b, _]) = star(67);
    let old = world.nodes[a].disk.clone();
    world.ask(a, Command::OfficerReset { name: "值班员".into() }).expect("reset: the old key is lost");
    world.run(20_000);
    let own = world.nodes[a].bureau;
    let before = lasting(&world.nodes[b], own);
    put_back(&mut world, a, old);
    assert!(!lasting(&world.nodes[a], own).is_superset(&before), "it forgot the revocation");
    world.run(30_000);
    assert_eq!(lasting(&world.nodes[a], own), before);
    assert_eq!(confirm(&mut world, a, false, None).expect_err("the key that was revoked signs nothing").code, "certificate_not_good");
}

#[test]
fn what_one_partner_tells_a_bureau_of_its_own_keys_the_others_that_are_linked_hear_too() {
    let (mut world, [a, b, c]) = star(68);
    let old = world.nodes[a].disk.clone();
    world.part(a, c);
    world.ask(a, Command::OfficerReset { name: "值班员".into() }).expect("reset: the old key is lost");
    world.run(20_000);
    let own = world.nodes[a].bureau;
    let known = lasting(&world.nodes[b], own);
    world.part(a, b);
    put_back(&mut world, a, old);
    world.join_again(a, c);
    world.run(30_000);
    assert!(!lasting(&world.nodes[c], own).is_superset(&known), "neither of the two has it");
    world.join_again(a, b);
    world.run(30_000);
    assert_eq!(lasting(&world.nodes[a], own), known, "the one that heard it gives it back");
    assert_eq!(lasting(&world.nodes[c], own), known, "and the one that was linked all the while hears it");
}

#[test]
fn an_agreement_that_a_restore_forgot_is_taken_back_however_long_ago_it_was_concluded() {
    let (mut world, [a, b, c]) = star(69);
    world.back_up(b);
    let pact = terms(world.wall(), 90 * DAY, usual_grants());
    let pact = world.agree(a, b, pact);
    // Longer than any offer stands, and what concludes it.
    world.run(45 * DAY * 1_000);
    world.put_back(b, false);
    world.run(60_000);
    assert_eq!(world.agreement(b, &pact).map(|view| view.standing).as_deref(), Some("in_force"), "its partner tells it");
    world.run(601_000);
    if !world.status(b).catching_up.is_empty() {
        confirm(&mut world, b, false, None).expect("its partner was heard");
    }
    let after = world.publish(a, &[b], SERIES).expect("published");
    world.run(60_000);
    assert!(world.holds(b, &after) && !world.holds(c, &after));
}

/// The cursors a node keeps, as rows.
fn cursors_of(world: &World, n: usize) -> Vec<Write> {
    let rows = world.nodes[n].disk.table(Table::Cursors);
    rows.map(|(key, value)| Write::Put { table: Table::Cursors, key: key.to_vec(), value: Some(value.to_vec()) }).collect()
}

/// Puts cursors back that a node kept once; it is down meanwhile.
fn give_back(world: &mut World, n: usize, cursors: &[Write]) {
    world.crash(n);
    world.nodes[n].disk.commit(cursors).expect("rows");
    world.boot(n);
}

#[test]
fn what_a_copy_of_a_bureau_agreed_is_taken_however_late_its_original_hears_of_it() {
    let (mut world, [a, b, c]) = star(70);
    world.part(a, c);
    world.run(20_000);
    // What the original is, and what its partner knows of it: nothing says later that it lacks anything.
    world.back_up(a);
    let cursors = cursors_of(&world, b);
    let grants = |world: &World, days| terms(world.wall(), days * DAY, usual_grants());
    let offered = grants(&world, 90);
    let offered = world.agree(a, b, offered);
    let accepted = grants(&world, 120);
    let accepted = world.agree(b, a, accepted);
    world.part(a, b);
    world.put_back(a, false);
    world.run(45 * DAY * 1_000);
    give_back(&mut world, b, &cursors);
    world.join_again(a, b);
    world.run(60_000);
    assert_eq!(world.agreement(a, &offered).map(|view| view.standing).as_deref(), Some("superseded"), "its own registrar concluded it");
    assert_eq!(world.agreement(a, &accepted).map(|view| view.standing).as_deref(), Some("in_force"), "its own officer accepted it");
}

#[test]
fn a_document_that_an_owner_forgot_comes_home_from_whom_it_had_cut_too() {
    let (mut world, [a, b, c]) = star(71);
    let mut old = world.nodes[a].disk.clone();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.cut_access(a, &thread, b, false).expect("cut");
    world.run(20_000);
    assert!(world.holds(b, &thread) && !world.holds(c, &thread));
    // It returns no cursor of its reader, which so begins no walk.
    let given: Vec<Vec<u8>> = old.table(Table::Cursors).map(|(key, _)| key.to_vec()).collect();
    let forgotten: Vec<Write> = given.into_iter().map(|key| Write::Put { table: Table::Cursors, key, value: None }).collect();
    old.commit(&forgotten).expect("rows can be removed");
    put_back_and_confirm(&mut world, a, old);
    assert!(world.holds(a, &thread), "its reader names it to its owner, which asks for it");
    let cut = log_of(&world.nodes[a], &thread).expect("held");
    assert_eq!(Some(cut.records.len()), log_of(&world.nodes[b], &thread).map(|log| log.records.len()), "with the cut");
    world.heal();
    world.check_healed();
}

#[test]
fn an_officer_whose_key_a_copy_replaced_rules_on_a_pair_that_the_copy_left_behind() {
    let (mut world, [a, b, c]) = star(72);
    // Its officer has a key on a laptop too, under the same name.
    let laptop = world.laptop(a, "笔记本0");
    world.run(20_000);
    world.part(a, laptop);
    let (ours, officer) = (world.nodes[a].disk.clone(), world.nodes[a].officers[0].clone());
    // The copy begins a generation of cursors of its own: its words about pairs remain, its sequences say nothing to the original.
    world.crash(a);
    world.nodes[a].disk.commit(&[note_suspicion(Suspicion::Cloned)]).expect("a row");
    world.boot(a);
    world.run(30_000);
    confirm(&mut world, a, false, None).expect("all partners were heard");
    let pact = terms(world.wall(), 60 * DAY, usual_grants());
    world.agree(a, c, pact);
    world.ask(a, Command::OfficerReset { name: officer.name.clone() }).expect("a new key");
    world.nodes[a].officers.clear();
    world.log_in(a, &officer.name);
    world.run(60_000);
    world.part(a, b);
    world.part(a, c);
    world.nodes[a].officers = vec![officer];
    put_back(&mut world, a, ours);
    world.join_again(a, b);
    world.run(30_000);
    assert!(world.status(a).catching_up.is_empty());
    assert_eq!(silent(&mut world, a, c), "pair_behind");
    confirm(&mut world, a, false, Some(c)).expect("no newer key is here");
    assert_eq!(silent(&mut world, a, c), "");
}

#[test]
fn what_a_copy_wrote_is_named_to_its_original_by_whom_that_one_had_cut_and_let_in_again() {
    let (mut world, [a, b, c]) = star(73);
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.back_up(a);
    let cursors = cursors_of(&world, b);
    // The copy lets another in, of which b hears.
    world.part(a, c);
    world.grant_access(a, &thread, c, "read").expect("granted");
    world.run(20_000);
    // Once it declined what b brought home of it: the cursor b gave says that all is there.
    let given = cursors_of(&world, a);
    world.part(a, b);
    world.put_back(a, false);
    give_back(&mut world, a, &given);
    world.cut_access(a, &thread, b, false).expect("the other branch");
    world.grant_access(a, &thread, b, "append").expect("and in again");
    world.run(20_000);
    give_back(&mut world, b, &cursors);
    world.join_again(a, b);
    world.run(60_000);
    if !world.status(a).catching_up.is_empty() {
        world.run(601_000);
        confirm(&mut world, a, false, None).expect("confirmed");
        world.run(60_000);
    }
    let heads = |world: &World, n: usize| log_of(&world.nodes[n], &thread).expect("held").heads(&thread);
    assert_eq!((heads(&world, b).len(), heads(&world, b)), (1, heads(&world, a)), "healed by the one who can");
    world.join_again(a, c);
    world.heal();
    world.check_healed();
}

#[test]
fn what_an_owner_forgot_and_a_suspension_kept_back_comes_home_once_the_pair_speaks_again() {
    let (mut world, [a, b, c]) = star(74);
    let old = world.nodes[a].disk.clone();
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(20_000);
    world.cut_access(a, &thread, b, false).expect("cut");
    world.run(20_000);
    world.part(a, b);
    // Its reader stops everything before it hears that the owner was put back: nothing of the thread goes by the walk of the next greeting.
    let Ok(View::Agreements { agreements }) = world.ask(b, Command::AgreementList) else { panic!("no agreements") };
    let pact = agreements[0].id.clone();
    let stop = Command::AgreementSuspend { id: pact.clone(), categories: Vec::new(), reason: "核查期间暂停".into() };
    world.ask(b, stop).expect("suspended");
    put_back(&mut world, a, old);
    world.join_again(a, b);
    world.run(60_000);
    if !world.status(a).catching_up.is_empty() {
        world.run(601_000);
        confirm(&mut world, a, false, None).expect("confirmed");
        world.run(60_000);
    }
    assert!(!world.holds(a, &thread) && !world.holds(c, &thread), "suspended");
    world.ask(b, Command::AgreementResume { id: pact, notices: false }).expect("the side that stopped asks to go on");
    world.run(10_000);
    let Ok(View::Agreements { agreements }) = world.ask(a, Command::AgreementList) else { panic!("no agreements") };
    let asked = agreements.iter().flat_map(|a| &a.resumes).find(|r| r.by == "theirs").expect("heard").id.clone();
    world.ask(a, Command::AgreementResume { id: asked, notices: false }).expect("the other side agrees");
    world.run(60_000);
    assert!(world.holds(a, &thread), "named to its owner, which asks for it");
    world.heal();
    world.check_healed();
}
