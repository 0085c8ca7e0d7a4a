//! What one partner may cost us in a day, and that what was refused is counted also across a crash.

use accord_keys::seal::Sealed;
use accord_protocol::input::Command;
use accord_protocol::ledger::{Line, Says};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::view::View;

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

#[test]
fn no_more_held_work_than_a_days_share_goes_over_a_restricted_link() {
    let mut county = County::new(2);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    let cases = [county.open_case(0, &[1], "one", "text"), county.open_case(0, &[1], "two", "text")];
    county.pass(900);
    // Cut while away, the partner writes held work in two documents that together are more than a day's share; then the pair is suspended.
    county.link(0, 1, false);
    let text = "x".repeat(limits::TEXT_BYTES_MAX);
    let notes = limits::HELD_BYTES_PER_DAY / text.len() * 6 / 10;
    let subject = county.nodes[1].name.clone();
    for case in &cases {
        for _ in 0..notes {
            county.ask(1, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.clone() });
        }
        county.ask(0, Command::AccessCut { id: case.clone(), subject: subject.clone(), strict: false });
    }
    county.ask(0, Command::AgreementSuspend { id: agreement, categories: Vec::new(), reason: "inquiry".to_owned() });
    county.link(0, 1, true);
    county.pass(600);
    let held = |county: &mut County| {
        let View::Held { documents } = county.ask(0, Command::HeldList) else { panic!("held") };
        documents.iter().map(|one| usize::try_from(one.line.held).expect("few")).sum::<usize>()
    };
    assert_eq!(held(&mut county), notes, "one of the two: the other would be too much for a day");
}
