//! What one partner may cost us in a day, and that what was refused is counted also across a crash.

use accord_keys::seal::Sealed;
use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, LinkId};
use accord_protocol::ledger::{Line, Says};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::view::View;
use accord_protocol::wire::{Message, Push};

use crate::county::{County, push_of, usual};

const DAY: u64 = 86_400;

/// Denials as the first bureau stated them to the second, out of what lies on its disk.
fn denials(county: &County) -> Vec<(u64, usize)> {
    let rows = county.nodes[0].rows.iter().filter(|((table, _), _)| *table == Table::Ledger);
    let lines = rows.filter_map(|(_, value)| Sealed::<Line>::from_bytes(value).ok()).map(|sealed| sealed.claimed().clone());
    let ours = lines.filter(|line| line.from == county.nodes[0].id);
    ours.filter_map(|line| if let Says::Denials { count, references } = line.says { Some((count, references.len())) } else { None })
        .collect()
}

#[test]
fn what_was_refused_is_stated_the_next_day_also_when_the_node_ended_in_between() {
    let mut county = County::new(2);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    // The first forgets that the second may give: what comes is refused here, three documents of it.
    county.link(0, 1, false);
    let cases: Vec<String> = (0..3).map(|_| county.open_case(1, &[0], "title", "text")).collect();
    county.ask(0, Command::AgreementSuspend { id: agreement, categories: Vec::new(), reason: "inquiry".to_owned() });
    // As if they had crossed the suspension on the way.
    let mut pushed = 0;
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    for (from, to, message) in county.heard.take().expect("heard") {
        pushed += usize::from((from, to) == (1, 0) && matches!(message, accord_protocol::wire::Message::Push(_)));
    }
    assert_eq!((cases.len(), pushed), (3, 0), "who heard of the suspension sends nothing");
    let count = refuse_some(&mut county, &cases);
    assert!(count > 0);
    county.restart(0, &[1]);
    assert!(denials(&county).is_empty(), "the day is not over");
    county.pass(2 * DAY);
    let stated = denials(&county);
    assert_eq!(stated, [(count, usize::try_from(count).expect("few").min(limits::DENIAL_REFERENCES_MAX))], "counted across the crash");
    county.pass(2 * DAY);
    assert_eq!(denials(&county).len(), 1, "and stated once");
}

#[test]
fn of_more_refused_documents_than_are_noted_a_new_link_finds_the_rest() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    let policy = |county: &mut County| {
        county.pass(DAY + 60);
        std::mem::take(&mut county.nodes[0].closed)
    };
    // Pushes without their beginning: as many are wanted as are noted, and as many refused.
    let hand = |county: &mut County, from: usize, to: usize| {
        for n in from..to {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            let push = Push::empty(n as u64 + 1, DocumentId(id));
            county.hand(1, 0, &Message::Push(push));
        }
        // The other never sent these, and would end the link over their answers.
        county.nodes[0].lose_sends();
    };
    let most = limits::WANTED_NOTED_MAX + limits::REFUSED_NOTED_MAX;
    hand(&mut county, 0, most);
    assert!(policy(&mut county).is_empty(), "all can be asked for by name");
    hand(&mut county, most, 2 * most + 1);
    assert_eq!(policy(&mut county).first(), Some(&LinkId(1)), "one too many: the link begins anew");
}

/// Hands the first node pushes of the second's documents as a partner that keeps silent about the suspension would; answers how many it refused.
fn refuse_some(county: &mut County, cases: &[String]) -> u64 {
    let before = county.nodes[0].accounts.len();
    for case in cases {
        let document = accord_protocol::id::DocumentId::from_hex(case).expect("an id");
        let push = push_of(&county.nodes[1].core.directory(), document, county.nodes[1].items[&document].clone());
        county.hand(1, 0, &accord_protocol::wire::Message::Push(push));
    }
    county.nodes[0].accounts[before..].iter().filter(|line| line.kind == "refused_document").count() as u64
}

/// Notes of the largest size written by the second bureau, cut while away, in documents of the first; then the pair is suspended and links again.
fn held_work(county: &mut County, each: &[usize]) {
    let agreement = county.agree(0, 1, usual(county.now.wall));
    let cases: Vec<String> = each.iter().map(|_| county.open_case(0, &[1], "title", "text")).collect();
    county.pass(900);
    county.link(0, 1, false);
    let text = "x".repeat(limits::TEXT_BYTES_MAX);
    let subject = county.nodes[1].name.clone();
    for (case, notes) in cases.iter().zip(each) {
        for _ in 0..*notes {
            county.ask(1, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.clone() });
        }
        county.ask(0, Command::AccessCut { id: case.clone(), subject: subject.clone(), strict: false });
    }
    county.ask(0, Command::AgreementSuspend { id: agreement, categories: Vec::new(), reason: "inquiry".to_owned() });
    county.link(0, 1, true);
    county.pass(600);
}

fn held(county: &mut County) -> usize {
    let View::Held { documents } = county.ask(0, Command::HeldList) else { panic!("held") };
    documents.iter().map(|one| usize::try_from(one.line.held).expect("few")).sum()
}

#[test]
fn no_more_held_work_than_a_days_share_goes_over_a_restricted_link_and_the_rest_goes_the_next_day() {
    let mut county = County::new(2);
    let notes = limits::HELD_BYTES_PER_DAY / limits::TEXT_BYTES_MAX * 6 / 10;
    held_work(&mut county, &[notes, notes]);
    let first = held(&mut county);
    assert!(first >= notes && first < 2 * notes, "{first} of twice {notes}: as much as there is room for");
    county.pass(DAY);
    assert_eq!(held(&mut county), 2 * notes);
}

#[test]
fn held_work_of_one_document_that_is_more_than_a_days_share_comes_over_two_days() {
    let mut county = County::new(2);
    let notes = limits::HELD_BYTES_PER_DAY / limits::TEXT_BYTES_MAX * 12 / 10;
    held_work(&mut county, &[notes]);
    let first = held(&mut county);
    assert!(first > notes / 2 && first < notes, "{first} of {notes}");
    county.pass(2 * DAY);
    assert_eq!(held(&mut county), notes);
}

#[test]
fn held_work_that_found_no_room_is_offered_again_by_who_was_started_anew() {
    let mut county = County::new(2);
    let notes = limits::HELD_BYTES_PER_DAY / limits::TEXT_BYTES_MAX * 6 / 10;
    held_work(&mut county, &[notes, notes]);
    assert!(held(&mut county) < 2 * notes);
    county.restart(1, &[0]);
    county.pass(3 * DAY);
    assert_eq!(held(&mut county), 2 * notes);
}

#[test]
fn held_work_that_all_went_in_the_end_is_not_offered_again_on_another_link() {
    let mut county = County::new(2);
    let notes = limits::HELD_BYTES_PER_DAY / limits::TEXT_BYTES_MAX * 6 / 10;
    held_work(&mut county, &[notes, notes]);
    assert!(held(&mut county) < 2 * notes);
    county.pass(2 * DAY);
    assert_eq!(held(&mut county), 2 * notes);
    county.link(0, 1, false);
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    county.pass(60);
    let heard = county.heard.take().expect("kept");
    let pushed = heard.iter().filter(|(from, _, message)| *from == 1 && matches!(message, Message::Push(_))).count();
    assert_eq!(pushed, 0, "how far the owner got was noted");
}

#[test]
fn what_waits_on_a_link_that_is_refused_does_not_go_any_more() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(60);
    county.ask(0, Command::CaseNote { id: case, kind: "note".to_owned(), text: "waits".to_owned() });
    assert!(county.nodes[0].has_sends_to(1));
    let number = |county: &County| county.nodes[0].core.gates().of(LinkId(1));
    let before = number(&county);
    county.hand(1, 0, &Message::Ack(u64::MAX));
    assert_eq!(county.nodes[0].closed, [LinkId(1)], "an answer to what was never sent ends the link");
    assert!(number(&county) > before, "a link is closed in order: what still lies in its queue is stale");
}

#[test]
fn a_document_larger_than_what_may_be_on_its_way_goes_in_parts_each_when_there_is_room() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(900);
    county.link(0, 1, false);
    let text = "x".repeat(limits::TEXT_BYTES_MAX);
    let notes = limits::IN_FLIGHT_BYTES_MAX * 5 / 2 / text.len();
    for _ in 0..notes {
        county.ask(0, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.clone() });
    }
    county.nodes[0].most_sent = 0;
    county.link(0, 1, true);
    county.pass(600);
    let most = county.nodes[0].most_sent;
    assert!(most < limits::IN_FLIGHT_BYTES_MAX * 5 / 4, "{most} bytes in one step");
    let View::Document(view) = county.ask(1, Command::DocumentShow { id: case }) else { panic!("a document") };
    assert_eq!(view.entries.len(), notes + 1);
    let View::Status(status) = county.ask(0, Command::Status) else { panic!("status") };
    assert!(status.partners.iter().all(|partner| !partner.divergent));
}
