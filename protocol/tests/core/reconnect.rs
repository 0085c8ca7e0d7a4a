//! What two who met before say when they meet again: what is new, and little else.

use std::collections::BTreeSet;

use accord_protocol::step::Table;
use accord_protocol::wire::Message;

use crate::county::{County, usual};

/// Bytes two who have nothing new say to each other, both ways together; each hello carries a chain of certificates and a cursor.
const NOTHING_NEW: usize = 4_096;

/// Two bureaus with threads of both, compared and at rest.
fn at_rest(documents: usize) -> (County, Vec<String>) {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let mut cases = Vec::new();
    for n in 0..documents {
        let (owner, other) = (n % 2, 1 - n % 2);
        let case = county.open_case(owner, &[other], &n.to_string(), "text");
        county.note(other, &case, "answer");
        cases.push(case);
    }
    county.pass(120);
    (county, cases)
}

/// What is said from now on while they meet and until they rest.
fn meeting(county: &mut County) -> Vec<(usize, usize, Message)> {
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    county.run();
    county.pass(120);
    county.heard.take().expect("it was listened")
}

fn size(said: &[(usize, usize, Message)]) -> usize {
    said.iter().map(|(_, _, message)| message.encode_for(3).len()).sum()
}

fn pushes(said: &[(usize, usize, Message)]) -> Vec<(usize, String, usize)> {
    let push = |(from, _, message): &(usize, usize, Message)| match message {
        Message::Push(push) => Some((*from, push.document.to_string(), push.records.len() + push.segments.len())),
        _ => None,
    };
    said.iter().filter_map(push).collect()
}

fn is_greeting(message: &Message) -> bool {
    matches!(message, Message::Statements(_) | Message::Agreements(_))
}

#[test]
fn who_has_nothing_new_says_hello_and_compares_however_much_both_hold() {
    for documents in [2, 40] {
        let (mut county, _) = at_rest(documents);
        for restarted in [None, Some(0), Some(1)] {
            county.link(0, 1, false);
            if let Some(at) = restarted {
                county.restart(at, &[]);
            }
            let said = meeting(&mut county);
            assert_eq!(pushes(&said), [], "{documents} documents, {restarted:?} restarted");
            assert!(!said.iter().any(|(_, _, message)| is_greeting(message)), "said before, and heard");
            assert!(size(&said) <= NOTHING_NEW, "{} bytes with {documents} documents, {restarted:?} restarted", size(&said));
        }
    }
}

#[test]
fn one_new_entry_costs_one_push_of_one_segment() {
    let (mut county, cases) = at_rest(20);
    for (turn, writer) in [0usize, 1].into_iter().enumerate() {
        county.link(0, 1, false);
        county.note(writer, &cases[turn], "written while apart");
        let said = meeting(&mut county);
        // The owner's anchor follows on its own.
        let of_writer: Vec<_> = pushes(&said).into_iter().filter(|(from, ..)| *from == writer).collect();
        assert_eq!(of_writer.first(), Some(&(writer, cases[turn].clone(), 1)));
        assert!(pushes(&said).iter().all(|(_, document, items)| *document == cases[turn] && *items <= 2), "{:?}", pushes(&said));
        assert!(!said.iter().any(|(_, _, message)| is_greeting(message)));
    }
}

#[test]
fn what_changed_of_the_agreement_while_apart_is_said_again() {
    let (mut county, _) = at_rest(4);
    county.link(0, 1, false);
    let id = county
        .ask(0, accord_protocol::input::Command::AgreementOffer { partner: county.nodes[1].name.clone(), terms: usual(county.now.wall) });
    assert!(matches!(id, accord_protocol::view::View::Agreements { .. }));
    let said = meeting(&mut county);
    let told = |from: usize| said.iter().any(|(by, _, message)| *by == from && matches!(message, Message::Agreements(_)));
    assert!(told(0), "the offer");
    // Next time it is known.
    county.link(0, 1, false);
    let said = meeting(&mut county);
    assert!(!said.iter().any(|(_, _, message)| is_greeting(message)));
}

#[test]
fn passes_both_had_are_not_shown_again_until_the_next_day_or_when_one_lost_them() {
    let mut county = County::new(3);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        county.agree(one, other, usual(county.now.wall));
    }
    county.pass(900);
    let passes = |said: &[(usize, usize, Message)]| -> BTreeSet<(usize, usize)> {
        said.iter().filter(|(_, _, message)| matches!(message, Message::Passes(_))).map(|(from, to, _)| (*from, *to)).collect()
    };
    // What came by way of the third is noted on the first meeting after it.
    for (meetings, shown) in [(1, None), (1, Some(false)), (2, Some(false))] {
        for _ in 0..meetings {
            county.link(0, 1, false);
            let said = meeting(&mut county);
            assert!(shown.is_none_or(|shown| passes(&said).is_empty() != shown), "{:?}", passes(&said));
        }
    }
    county.link(0, 1, false);
    county.pass(24 * 3_600);
    let said = meeting(&mut county);
    assert!(passes(&said).is_superset(&BTreeSet::from([(0, 1), (1, 0)])), "whoever had no room for one hears of it a day later");
    county.link(0, 1, false);
    county.nodes[1].rows.retain(|(table, _), _| *table != Table::Passes);
    county.restart(1, &[]);
    let said = meeting(&mut county);
    assert!(passes(&said).contains(&(0, 1)), "a store put back is shown what it lost");
}
