//! Threads that continue others: handed over, or gone on with while the owner is away. Nobody learns of a document by what cites it.

use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft, GrantTerms};
use accord_protocol::view::{DocumentView, View};

use crate::county::{County, OFFICER, usual};

fn draft(title: &str) -> Draft {
    Draft { title: title.to_owned(), text: "what is known so far".to_owned(), ..Draft::default() }
}

fn go_on(county: &mut County, at: usize, first: &str, with: &[usize]) -> String {
    let with = with.iter().map(|at| county.nodes[*at].name.clone()).collect();
    let command = Command::CaseOpen { draft: draft("second part"), with, continues: Some(first.to_owned()) };
    let View::Sending(sent) = county.ask(at, command) else { panic!("it is sent") };
    county.run();
    sent.id
}

fn show(county: &mut County, at: usize, id: &str) -> DocumentView {
    let View::Document(view) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else { panic!("a document") };
    view
}

/// Three in a row: the second has agreements with both others, which have none with each other.
fn row() -> (County, String) {
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    county.agree(1, 2, usual(county.now.wall));
    let case = county.open_case(0, &[1], "first part", "text");
    county.pass(900);
    (county, case)
}

#[test]
fn a_thread_is_handed_over_by_a_successor_that_cites_it_and_names_it_to_nobody_else() {
    let (mut county, first) = row();
    county.heard = Some(Vec::new());
    let second = go_on(&mut county, 1, &first, &[0, 2]);
    county.pass(900);
    let seen = [0, 1, 2].map(|at| show(&mut county, at, &second));
    assert_eq!(seen.each_ref().map(|view| view.continues.as_deref()), [Some(first.as_str()), Some(first.as_str()), Some("")]);
    assert!(seen.iter().all(|view| view.line.category == "CRIM.SERIES" && view.line.owner_name == county.nodes[1].name));
    assert_eq!(show(&mut county, 0, &first).continues, None);
    // Not one byte of its id went to who does not hold it; that of the successor did.
    let went = |id: &str, to: usize| {
        let id = DocumentId::from_hex(id).expect("an id").0;
        let frames = county.heard.iter().flatten().filter(|(_, receiver, _)| *receiver == to).map(|(_, _, message)| message.encode());
        frames.into_iter().any(|bytes| bytes.windows(id.len()).any(|window| window == id))
    };
    assert!(went(&second, 2) && !went(&first, 2));
    // A restart forgets what was found, not what is cited.
    county.restart(0, &[1]);
    assert_eq!(show(&mut county, 0, &second).continues.as_deref(), Some(first.as_str()));
}

#[test]
fn a_thread_whose_owner_is_away_goes_on_in_a_successor() {
    let (mut county, first) = row();
    county.link(0, 1, false);
    let second = go_on(&mut county, 1, &first, &[0, 2]);
    county.note(2, &second, "read and gone on with");
    county.pass(900);
    assert_eq!(show(&mut county, 1, &second).entries.len(), 2);
    county.link(0, 1, true);
    county.pass(900);
    let view = show(&mut county, 0, &second);
    assert_eq!((view.continues.as_deref(), view.entries.len()), (Some(first.as_str()), 2));
}

#[test]
fn what_arrives_later_is_found_by_who_was_cited_it_before() {
    let (mut county, first) = row();
    let second = go_on(&mut county, 1, &first, &[2]);
    county.pass(900);
    assert_eq!(show(&mut county, 2, &second).continues.as_deref(), Some(""));
    county.agree(0, 2, usual(county.now.wall));
    let third = county.nodes[2].name.clone();
    county.ask(0, Command::AccessGrant { id: first.clone(), partner: third, verb: "read".to_owned(), terms: GrantTerms::default() });
    county.pass(900);
    assert_eq!(show(&mut county, 2, &second).continues.as_deref(), Some(first.as_str()));
}

#[test]
fn unless_said_otherwise_the_same_bureaus_read_on_under_the_same_title() {
    let (mut county, first) = row();
    let unsaid = Draft { title: String::new(), ..draft("") };
    let command = Command::CaseOpen { draft: unsaid, with: Vec::new(), continues: Some(first) };
    let View::Sending(sent) = county.ask(1, command.clone()) else { panic!("it is sent") };
    county.pass(900);
    let view = show(&mut county, 0, &sent.id);
    assert_eq!((view.line.title.as_str(), view.line.category.as_str()), ("first part", "CRIM.SERIES"));
    assert!(county.asked(2, Some(OFFICER), false, Command::DocumentShow { id: sent.id }).is_err(), "it did not read the first");
    // To others than those who read the first its title is not given away unasked.
    let Command::CaseOpen { draft, continues, .. } = command else { unreachable!() };
    let wider = Command::CaseOpen { draft, with: vec![county.nodes[2].name.clone()], continues };
    assert!(county.asked(1, Some(OFFICER), false, wider).is_err());
}

#[test]
fn only_a_case_thread_that_is_held_here_is_continued() {
    let (mut county, first) = row();
    let with = vec![county.nodes[1].name.clone()];
    let command = |continues: &str| Command::CaseOpen { draft: draft("t"), with: with.clone(), continues: Some(continues.to_owned()) };
    assert_eq!(county.asked(2, Some(OFFICER), false, command(&first)).expect_err("not held").code, "unknown_document");
    let new = Draft { category: "CRIM.SERIES".to_owned(), ..draft("a draft") };
    let View::Sending(sent) = county.ask(0, Command::BulletinNew(new)) else { panic!("a draft") };
    assert_eq!(county.asked(0, Some(OFFICER), false, command(&sent.id)).expect_err("no thread").code, "not_a_case");
}
