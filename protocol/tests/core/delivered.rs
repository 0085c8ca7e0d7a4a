//! What the account says was delivered is what arrived: also when a gate closes, or a link breaks, between a push and its answer.

use std::collections::BTreeSet;

use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft};

use crate::county::{County, usual};

/// Opens threads for the second bureau and sends nothing yet.
fn opened(county: &mut County, count: usize) {
    for n in 0..count {
        let draft = Draft { title: format!("{n}"), text: "text".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
        county.ask(0, Command::CaseOpen { draft, with: vec![county.nodes[1].name.clone()], continues: None });
    }
}

fn held(county: &County) -> BTreeSet<DocumentId> {
    county.nodes[1].items.keys().copied().collect()
}

fn noted(county: &County) -> Vec<DocumentId> {
    let partner = county.nodes[1].id;
    let lines = county.nodes[0].accounts.iter().filter(|line| line.kind == "delivered" && line.bureau == Some(partner));
    lines.filter_map(|line| line.document).collect()
}

fn suspend(county: &mut County, id: &str) {
    county.ask(0, Command::AgreementSuspend { id: id.to_owned(), categories: Vec::new(), reason: "inquiry".to_owned() });
}

fn resume(county: &mut County, id: &str) {
    for at in [0, 1] {
        county.ask(at, Command::AgreementResume { id: id.to_owned(), notices: false });
        county.run();
    }
}

#[test]
fn what_had_gone_when_the_gate_closed_is_accounted_for_and_nothing_else() {
    let mut county = County::new(2);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    opened(&mut county, 12);
    // Some have arrived, none of them is answered, the rest waits in the queue when the officer acts.
    let left = county.run_some(9);
    let some = held(&county);
    assert!(left > 0 && !some.is_empty() && some.len() < 12, "{} of 12", some.len());
    assert!(noted(&county).is_empty(), "nothing is answered yet");
    suspend(&mut county, &agreement);
    county.run();
    assert_eq!(held(&county), some, "nothing more arrives");
    assert_eq!(noted(&county).iter().copied().collect::<BTreeSet<_>>(), some);
    county.pass(60);
    assert_eq!((held(&county), noted(&county).len()), (some.clone(), some.len()));

    resume(&mut county, &agreement);
    county.pass(60);
    assert_eq!(held(&county).len(), 12);
    let all = noted(&county);
    assert_eq!((all.len(), all.into_iter().collect::<BTreeSet<_>>()), (12, held(&county)), "each of them once");
}

#[test]
fn what_a_broken_link_left_unanswered_is_accounted_for_once_both_sides_compared() {
    let mut county = County::new(2);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    opened(&mut county, 6);
    county.run_some(5);
    let some = held(&county);
    assert!(!some.is_empty() && noted(&county).is_empty());
    suspend(&mut county, &agreement);
    // The answers are lost with the link.
    let now = county.now;
    county.nodes[1].reopen(now);
    county.nodes[0].reopen(now);
    for at in [0, 1] {
        let seed = u8::try_from(at).expect("few") + 161;
        county.log_in_again(at, accord_keys::secret::SecretKey::from_seed([seed; 32]));
        county.link_up(at);
    }
    county.run();
    assert_eq!(held(&county), some);
    resume(&mut county, &agreement);
    county.pass(60);
    assert_eq!(held(&county).len(), 6);
    assert_eq!(noted(&county).into_iter().collect::<BTreeSet<_>>(), held(&county));
}
