//! What the account says was delivered is what arrived: also when a gate closes, or a link breaks, between a push and its answer.

use std::collections::BTreeSet;

use accord_keys::seal::Sealed;
use accord_protocol::access::log::{Record, RecordKind, Subject};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::{Bytes, DocumentId, NetworkId, RecordId};
use accord_protocol::input::{Command, Draft, GrantTerms};
use accord_protocol::intake::Item;
use accord_protocol::view::View;
use accord_protocol::wire::{Message, Push};

use crate::county::{County, terms, usual};

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

#[test]
fn a_branch_its_owner_never_saw_is_named_to_it_though_the_power_fails_at_once() {
    a_branch_is_named(&|county, _| {
        county.restart(1, &[]);
        county.link(0, 1, false);
        county.link(0, 1, true);
    });
}

#[test]
fn a_branch_its_owner_never_saw_is_named_to_it_though_the_terms_change_at_once() {
    a_branch_is_named(&|county, agreement| {
        let (id, reason) = (agreement.to_owned(), "inquiry".to_owned());
        assert!(county.nodes[1].has_sends(), "it was about to be named");
        county.ask(1, Command::AgreementSuspend { id, categories: vec!["TRAF".to_owned()], reason });
    });
}

/// The partner hears of a branch of the owner's log that cuts it, and then this happens.
fn a_branch_is_named(happens: &dyn Fn(&mut County, &str)) {
    let lines = [Category::CrimSeries, Category::Traf].map(|category| (category, Verb::Append, Tlp::AmberStrict));
    let mut county = County::new(2);
    let agreed = terms(county.now.wall, 90, &lines);
    let agreement = county.agree(0, 1, agreed);
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(60);
    county.note(1, &case, "by the partner");
    county.pass(600);
    let document = DocumentId::from_hex(&case).expect("an id");
    let network = NetworkId::named("county");
    let records = county.nodes[0].items[&document].iter().filter_map(|(_, item)| record(item));
    let records: Vec<_> = records.map(|bytes| Sealed::<Record>::from_bytes(&bytes).expect("a record")).collect();
    assert!(records.len() > 1, "something follows the first record");
    // What another life of the owner's node wrote after its first record, and took to nobody but the partner.
    let first = &records[0];
    let cut = RecordKind::Cut(Subject::Bureau(county.nodes[1].id), vec![Verb::Read, Verb::Append], vec![], false, Bytes(vec![]));
    let body = Record { index: 2, previous: RecordId(first.id(&network).0), kind: cut, ..first.claimed().clone() };
    let cut = Sealed::seal(&network, body, &[county.nodes[0].identity.signer.as_ref()]).expect("well formed").to_bytes();
    let knows = |county: &County, at: usize| county.nodes[at].items[&document].iter().any(|(_, item)| record(item).as_ref() == Some(&cut));
    let push = Push { records: vec![Bytes(cut.clone())], ..Push::empty(9_999, document) };
    county.hand(0, 1, &Message::Push(push));
    assert!(knows(&county, 1) && !knows(&county, 0));
    happens(&mut county, &agreement);
    county.pass(120);
    assert!(knows(&county, 0), "its owner alone can heal the log, and has to know of both branches for it");
}

#[test]
fn what_may_not_go_home_for_long_is_waited_for_and_the_rest_is_named_once() {
    let lines = [Category::CrimSeries, Category::Traf].map(|category| (category, Verb::Append, Tlp::AmberStrict));
    let mut county = County::new(2);
    let agreed = terms(county.now.wall, 90, &lines);
    let agreement = county.agree(0, 1, agreed);
    opened(&mut county, 5);
    let draft = Draft { title: "t".to_owned(), text: "text".to_owned(), category: "TRAF".to_owned(), ..Draft::default() };
    let with = vec![county.nodes[1].name.clone()];
    let View::Sending(sent) = county.ask(0, Command::CaseOpen { draft, with, continues: None }) else { panic!("it is sent") };
    let traffic = sent.id;
    county.pass(60);
    let partner = county.nodes[1].name.clone();
    for document in held(&county).into_iter().map(|id| id.to_string()).filter(|id| *id != traffic) {
        county.ask(0, Command::AccessCut { id: document, subject: partner.clone(), strict: false });
    }
    county.pass(60);
    let reason = "inquiry".to_owned();
    county.ask(0, Command::AgreementSuspend { id: agreement.clone(), categories: vec!["TRAF".to_owned()], reason });
    county.pass(60);
    county.note(1, &traffic, "while it may not go");
    county.pass(60);
    county.heard = Some(Vec::new());
    for _ in 0..3 {
        county.link(0, 1, false);
        county.link(0, 1, true);
        county.pass(60);
    }
    let heard = county.heard.take().expect("listening");
    let named = heard.iter().filter(|(from, to, message)| (*from, *to) == (1, 0) && matches!(message, Message::Push(_))).count();
    assert_eq!(named, 0, "what is not waited for is not named at every link");
    resume(&mut county, &agreement);
    county.pass(120);
    let View::Document(view) = county.ask(0, Command::DocumentShow { id: traffic }) else { panic!("a document") };
    assert_eq!(view.entries.len(), 2, "and it goes home in the end");
}
