//! What counts when two sides act at once without contact: the rows of the decision table that bulletins and case threads know.

use accord_keys::secret::SecretKey;
use accord_protocol::input::{Command, GrantTerms};
use accord_protocol::view::{DocumentView, EntryView, View};

use crate::county::{County, OFFICER, usual};

/// Two bureaus with a case of the first; everything so far is settled.
fn two() -> (County, String) {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(900);
    (county, case)
}

fn show(county: &mut County, at: usize, id: &str) -> DocumentView {
    let View::Document(view) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else { panic!("a document") };
    view
}

fn notes(county: &mut County, at: usize, id: &str) -> Vec<EntryView> {
    show(county, at, id).entries.into_iter().filter(|entry| entry.kind == "note").collect()
}

fn texts(county: &mut County, at: usize, id: &str) -> Vec<String> {
    notes(county, at, id).into_iter().map(|entry| entry.text).collect()
}

/// Writes without a frame going out: the other side acts at the same time.
fn quietly(county: &mut County, at: usize, id: &str, text: &str) {
    county.ask(at, Command::CaseNote { id: id.to_owned(), kind: "note".to_owned(), text: text.to_owned() });
}

/// Both lose the link and what was on its way.
fn part(county: &mut County) {
    let now = county.now;
    for (at, seed) in [(0, 161), (1, 162)] {
        county.nodes[at].reopen(now);
        county.log_in_again(at, SecretKey::from_seed([seed; 32]));
    }
}

fn join(county: &mut County) {
    for at in [0, 1] {
        county.link_up(at);
    }
    county.run();
    county.pass(900);
}

#[test]
fn what_was_settled_first_stands_first_whatever_time_it_was_signed_at() {
    let (mut county, case) = two();
    part(&mut county);
    quietly(&mut county, 1, &case, "signed first");
    county.pass(3_600);
    quietly(&mut county, 0, &case, "settled first");
    county.pass(900);
    assert!(notes(&mut county, 0, &case)[0].settled);
    join(&mut county);
    for at in [0, 1] {
        let shown = notes(&mut county, at, &case);
        assert_eq!(shown.iter().map(|e| e.text.as_str()).collect::<Vec<_>>(), ["settled first", "signed first"], "seen by {at}");
        assert!(shown[1].signed_at < shown[0].signed_at && shown.iter().all(|entry| entry.settled));
    }
}

#[test]
fn a_grant_and_a_suspension_at_once_let_nothing_out_until_both_resume() {
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    let id = county.agree(0, 2, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(900);
    let partner = county.nodes[2].name.clone();
    // Granted here while the partner itself suspends: the grant stands in the log, and nothing comes of it.
    let grant = Command::AccessGrant { id: case.clone(), partner, verb: "read".to_owned(), terms: GrantTerms::default() };
    county.ask(2, Command::AgreementSuspend { id: id.clone(), categories: Vec::new(), reason: "under review".to_owned() });
    county.ask(0, grant.clone());
    let suspended = |county: &mut County, at: usize| {
        let View::Agreements { agreements } = county.ask(at, Command::AgreementShow { id: id.clone() }) else { panic!("agreements") };
        agreements[0].standing == "suspended"
    };
    assert!(suspended(&mut county, 2) && !suspended(&mut county, 0), "neither has heard of the other");
    county.run();
    county.pass(900);
    assert!(suspended(&mut county, 0));
    let holds = |county: &mut County| county.asked(2, Some(OFFICER), false, Command::DocumentShow { id: case.clone() }).is_ok();
    assert!(!holds(&mut county), "a suspension outranks a concurrent grant");
    assert_eq!(county.asked(0, Some(OFFICER), false, grant.clone()).expect_err("no grant while suspended").code, "receiver_not_entitled");
    assert!(!holds(&mut county));
    for at in [0, 2] {
        county.ask(at, Command::AgreementResume { id: id.clone(), notices: false });
        county.run();
    }
    county.pass(60);
    assert!(holds(&mut county), "resumed by both, the grant counts");
}

#[test]
fn late_work_behind_a_cut_is_held_shown_to_its_author_and_counts_once_the_owner_lets_it_in() {
    let (mut county, case) = two();
    let subject = county.nodes[1].name.clone();
    county.ask(0, Command::AccessCut { id: case.clone(), subject, strict: false });
    quietly(&mut county, 1, &case, "written before it heard");
    county.run();
    assert!(texts(&mut county, 0, &case).is_empty());
    for at in [0, 1] {
        let held = show(&mut county, at, &case).held.expect("held");
        assert_eq!((held.count, held.waiting_for.as_str()), (1, county.nodes[0].name.as_str()), "seen by {at}");
    }
    county.ask(0, Command::AccessAdmit { id: case.clone(), acts: Vec::new() });
    county.run();
    assert_eq!(texts(&mut county, 0, &case), ["written before it heard"]);
}

#[test]
fn what_was_not_settled_before_the_end_is_held_and_shown_to_its_author() {
    let (mut county, case) = two();
    county.note(1, &case, "in time");
    county.pass(900);
    county.ask(0, Command::AccessEnd { id: case.clone() });
    quietly(&mut county, 1, &case, "too late");
    county.run();
    county.pass(900);
    for at in [0, 1] {
        let view = show(&mut county, at, &case);
        assert_eq!(view.ended, "retention");
        assert_eq!(texts(&mut county, at, &case), ["in time"], "seen by {at}");
    }
    let held = show(&mut county, 1, &case).held.expect("its author sees it");
    assert_eq!(held.entries.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), ["too late"]);
}

#[test]
fn an_outgoing_officers_act_counts_by_the_certificate_it_names_until_the_owner_cuts_it() {
    let (mut county, case) = two();
    county.note(1, &case, "in office");
    quietly(&mut county, 1, &case, "on the last day");
    let outgoing = notes(&mut county, 1, &case)[0].certificate.clone();
    county.ask(1, Command::OfficerReset { name: OFFICER.to_owned() });
    county.run();
    assert_eq!(texts(&mut county, 0, &case), ["in office", "on the last day"]);
    county.log_in(1, OFFICER, SecretKey::from_seed([201; 32]));
    // In another second: what is signed in one stands in the order of its hashes.
    county.pass(1);
    county.note(1, &case, "the successor");
    let shown = notes(&mut county, 0, &case);
    assert_eq!(shown.len(), 3);
    assert_ne!(shown[2].certificate, outgoing, "another certificate, another author");
    // From a position on the owner takes the outgoing certificate's rights; what stands stays, and the successor goes on.
    county.pass(900);
    county.ask(0, Command::AccessCut { id: case.clone(), subject: outgoing, strict: false });
    county.run();
    county.note(1, &case, "the successor again");
    assert_eq!(texts(&mut county, 0, &case), ["in office", "on the last day", "the successor", "the successor again"]);
    assert_eq!(texts(&mut county, 1, &case), texts(&mut county, 0, &case));
}
