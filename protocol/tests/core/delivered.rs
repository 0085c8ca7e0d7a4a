//! What the account says was delivered is what arrived: also when a gate closes, or a link breaks, between a push and its answer.

use std::collections::BTreeSet;

use accord_keys::seal::Sealed;
use accord_protocol::access::log::{Record, RecordKind, Subject};
use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft, GrantTerms};
use accord_protocol::intake::Item;
use accord_protocol::wire::Message;

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

/// Bytes of records one push of a cut's log carries at most, about.
const PAGE: usize = 160 * 1024;

/// A stored item, if it is a record.
fn record(item: &[u8]) -> Option<Vec<u8>> {
    if let Some(Item::Record(bytes)) = Item::from_bytes(item) { Some(bytes) } else { None }
}

/// The newest record a node holds of a document is the cut of its bureau.
fn knows_its_cut(county: &County, at: usize, document: &DocumentId) -> bool {
    let id = county.nodes[at].id;
    let records = county.nodes[at].items[document].iter().filter_map(|(_, item)| record(item));
    let kinds = records.map(|bytes| Sealed::<Record>::from_bytes(&bytes).expect("a record").claimed().kind.clone());
    kinds.into_iter().any(|kind| matches!(kind, RecordKind::Cut(subject, ..) if subject == Subject::Bureau(id)))
}

#[test]
fn a_cut_at_the_end_of_a_long_log_is_told_until_its_last_page_has_arrived() {
    let mut county = County::new(3);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    county.agree(0, 2, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(60);
    county.link(0, 1, false);
    county.link(0, 2, false);
    let partner = county.nodes[2].name.clone();
    let document = DocumentId::from_hex(&case).expect("an id");
    let records = |county: &County| -> usize {
        let all = &county.nodes[0].items[&document];
        all.iter().map(|(_, item)| record(item).map_or(0, |bytes| bytes.len())).sum()
    };
    while records(&county) <= PAGE + PAGE / 2 {
        let partner = partner.clone();
        county.ask(0, Command::AccessGrant { id: case.clone(), partner, verb: "read".to_owned(), terms: GrantTerms::default() });
        county.ask(0, Command::AccessCut { id: case.clone(), subject: county.nodes[2].name.clone(), strict: false });
    }
    county.ask(0, Command::AccessCut { id: case.clone(), subject: county.nodes[1].name.clone(), strict: false });
    suspend(&mut county, &agreement);
    county.heard = Some(Vec::new());
    county.link_quietly(0, 1, true);
    let pages = |county: &County| {
        let heard = county.heard.as_ref().expect("listening");
        heard.iter().filter(|(from, to, message)| (*from, *to) == (0, 1) && matches!(message, Message::Push(_))).count()
    };
    while pages(&county) == 0 {
        assert!(county.run_some(1) > 0, "the log goes to it");
    }
    // The rest is lost with the link, and the answer to the first page comes through.
    county.nodes[0].lose_sends();
    county.run();
    assert!(!knows_its_cut(&county, 1, &document), "the first page is not all of it");
    county.link(0, 1, false);
    county.link(0, 1, true);
    county.pass(60);
    assert!(knows_its_cut(&county, 1, &document), "nobody compares on such a link: it is said again");
}
