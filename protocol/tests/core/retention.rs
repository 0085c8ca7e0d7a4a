//! Ends at retention: announced, ended, destroyed at every holder; held back by an officer; never on a clock nobody confirmed.

use accord_keys::seal::Sealed;
use accord_protocol::access::log::{EndKind, Record, RecordKind};
use accord_protocol::agreement::annex::{Annex, Retention};
use accord_protocol::agreement::{Category, Terms, Tlp, Verb};
use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft};
use accord_protocol::limits;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{RetentionDocumentView, View};
use accord_protocol::wire::Message;

use crate::county::{County, OFFICER, push_of, terms, usual};

const DAY: u64 = 86_400;

fn list(county: &mut County, at: usize) -> Vec<RetentionDocumentView> {
    let View::Retention { documents } = county.ask(at, Command::RetentionList) else { panic!("retention") };
    documents
}

fn stages(county: &mut County, at: usize) -> Vec<String> {
    list(county, at).into_iter().map(|one| one.stage).collect()
}

/// Terms for three years that keep serial crime for so many days.
fn keeping(county: &County, days: u32) -> Terms {
    let mut wanted = terms(county.now.wall, 1_000, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]);
    wanted.annex = Some(Box::new(Annex { retention: vec![Retention { category: Category::CrimSeries, days }], ..Annex::default() }));
    wanted
}

/// Two bureaus and a case of the first that both keep for forty days after its newest record.
fn two() -> (County, String, DocumentId) {
    let mut county = County::new(2);
    let wanted = keeping(&county, 40);
    county.agree(0, 1, wanted);
    let case = county.open_case(0, &[1], "CANARY title", "CANARY text");
    county.note(1, &case, "a word of theirs");
    county.pass(900);
    let document = DocumentId::from_hex(&case).expect("an id");
    (county, case, document)
}

/// Whether a store holds these bytes in a row or an item.
fn holds(county: &County, at: usize, bytes: &[u8]) -> bool {
    let node = &county.nodes[at];
    let items = node.items.values().flatten().map(|(_, body)| body);
    node.rows.values().chain(items).any(|value| value.windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn a_document_whose_time_is_over_is_announced_ended_and_destroyed_with_its_key_at_both() {
    let (mut county, case, document) = two();
    assert!(list(&mut county, 0).is_empty(), "it is kept");
    county.pass(34 * DAY);
    assert_eq!(stages(&mut county, 0), ["announced"]);
    county.pass(7 * DAY);
    for at in [0, 1] {
        assert_eq!(stages(&mut county, at), ["ended"], "at {at}");
        let View::Document(view) = county.ask(at, Command::DocumentShow { id: case.clone() }) else { panic!("a document") };
        assert_eq!(view.ended, "retention");
        assert!(holds(&county, at, b"CANARY"));
    }
    let ends = county.nodes[0].accounts.iter().filter(|line| line.kind == "end").count();
    assert_eq!(ends, 1);
    county.pass(31 * DAY);
    for at in [0, 1] {
        assert!(county.nodes[at].purged.contains(&document), "at {at}");
        assert!(!holds(&county, at, b"CANARY"), "neither title nor text stays at {at}");
        let refused = county.asked(at, Some(OFFICER), false, Command::DocumentShow { id: case.clone() }).expect_err("it is gone");
        assert_eq!(refused.code, "was_erased");
        assert!(county.nodes[at].accounts.iter().any(|line| line.kind == "erased" && line.document == Some(document)));
    }
    // The holder said so to the owner.
    let partner = county.nodes[1].name.clone();
    let View::Ledger(ledger) = county.ask(0, Command::LedgerShow { partner, limit: None }) else { panic!("a ledger") };
    assert!(ledger.lines.iter().any(|line| line.says == "attestation"), "{ledger:?}");
    // It is no more in either's sums, and they agree.
    county.pass(600);
    let View::Status(status) = county.ask(0, Command::Status) else { panic!("status") };
    assert!(status.partners.iter().all(|partner| !partner.divergent));
}

#[test]
fn an_old_stick_or_a_partner_that_keeps_more_is_declined_by_the_tombstone() {
    let (mut county, case, document) = two();
    let old = county.nodes[1].items[&document].clone();
    county.pass(80 * DAY);
    assert!(county.nodes[0].purged.contains(&document) && county.nodes[1].purged.contains(&document));
    let push = push_of(&county.nodes[1].core.directory(), document, old);
    for (from, to) in [(0, 1), (1, 0)] {
        county.hand(from, to, &Message::Push(push.clone()));
        county.run();
        assert!(!county.nodes[to].items.contains_key(&document), "of {from} to {to}");
        let asked = county.asked(to, Some(OFFICER), false, Command::DocumentShow { id: case.clone() });
        assert_eq!(asked.expect_err("it is gone").code, "was_erased");
        let declined = county.nodes[to].accounts.iter().filter(|line| line.kind == "refused_document" && line.document == Some(document));
        assert_eq!(declined.count(), 1);
    }
}

#[test]
fn nobodys_copy_brings_back_what_was_destroyed() {
    let mut county = County::new(3);
    let wanted = keeping(&county, 40);
    county.agree(0, 1, wanted.clone());
    county.agree(0, 2, wanted);
    let now = county.now.wall;
    county.agree(1, 2, usual(now));
    let case = county.open_case(0, &[1, 2], "title", "text");
    county.pass(900);
    let document = DocumentId::from_hex(&case).expect("an id");
    // The third is away from before the end on: the owner waits with its own copy until it has heard.
    county.link(0, 2, false);
    county.link(1, 2, false);
    county.pass(80 * DAY);
    assert!(county.nodes[1].purged.contains(&document) && !county.nodes[0].purged.contains(&document));
    assert_eq!(list(&mut county, 0).iter().map(|one| (one.stage.as_str(), one.waits)).collect::<Vec<_>>(), [("erasable", true)]);
    county.link(1, 2, true);
    county.pass(600);
    assert!(!county.nodes[1].items.contains_key(&document), "the old copy of the third is not taken");
    county.restart(1, &[0, 2]);
    county.pass(600);
    assert!(!county.nodes[1].items.contains_key(&document), "nor after a restart");
    county.link(0, 2, true);
    county.pass(2 * 3_600);
    assert!(county.nodes[0].purged.contains(&document), "everybody heard");
}

#[test]
fn what_an_officer_holds_back_is_neither_ended_nor_destroyed_until_it_is_lifted() {
    let (mut county, case, document) = two();
    let place = |id: &str| Command::HoldPlace { id: id.to_owned(), reason: "court order".to_owned() };
    county.asked(0, Some(OFFICER), true, place(&case)).expect("foreseen");
    assert!(list(&mut county, 0).is_empty(), "a dry run holds nothing");
    county.ask(0, place(&case));
    assert_eq!(county.asked(0, Some(OFFICER), false, place(&case)).expect_err("once").code, "is_on_hold");
    county.pass(50 * DAY);
    let held = list(&mut county, 0);
    assert_eq!((held[0].stage.as_str(), held[0].hold.as_str(), held[0].hold_by.as_str()), ("due", "court order", OFFICER));
    let confirm = Command::RetentionConfirm { documents: vec![case.clone()] };
    assert_eq!(county.asked(0, Some(OFFICER), false, confirm).expect_err("not around a hold").code, "is_on_hold");
    county.restart(0, &[1]);
    county.pass(2 * 3_600);
    assert_eq!(stages(&mut county, 0), ["due"], "a hold survives a restart");
    county.ask(0, Command::HoldLift { id: case.clone() });
    county.run();
    county.pass(2 * 3_600);
    let View::Status(status) = county.ask(0, Command::Status) else { panic!("status") };
    assert_eq!((stages(&mut county, 0), status.clock_corroborated), (vec!["ended".to_owned()], true));
    // A holder's own court: it keeps its copy and says so.
    county.ask(1, place(&case));
    county.pass(40 * DAY);
    assert!(county.nodes[0].purged.contains(&document) && !county.nodes[1].purged.contains(&document));
    let partner = county.nodes[1].name.clone();
    let View::Ledger(ledger) = county.ask(0, Command::LedgerShow { partner, limit: None }) else { panic!("a ledger") };
    assert!(ledger.lines.iter().any(|line| line.says == "attestation"));
}

#[test]
fn on_a_clock_nobody_confirmed_nothing_ends_before_a_persons_word() {
    let mut county = County::new(1);
    let case = {
        let draft = accord_protocol::input::Draft {
            title: "title".to_owned(),
            text: "text".to_owned(),
            category: "CRIM.WANTED".to_owned(),
            ..Default::default()
        };
        let View::Sending(sent) = county.ask(0, Command::BulletinNew(draft)) else { panic!("a draft") };
        sent.id
    };
    county.restart(0, &[]);
    county.pass(40 * DAY);
    let View::Status(status) = county.ask(0, Command::Status) else { panic!("status") };
    assert!(!status.clock_corroborated, "alone, and no officer spoke");
    assert_eq!(list(&mut county, 0).iter().map(|one| (one.stage.as_str(), one.waits)).collect::<Vec<_>>(), [("due", true)]);
    let View::Inbox { items } = county.ask(0, Command::Inbox) else { panic!("an inbox") };
    assert!(items.iter().any(|item| item.kind == "retention_waits"));
    let confirm = Command::RetentionConfirm { documents: Vec::new() };
    county.asked(0, Some(OFFICER), true, confirm.clone()).expect("foreseen");
    county.pass(2 * 3_600);
    assert_eq!(stages(&mut county, 0), ["due"], "a dry run ends nothing");
    county.ask(0, confirm);
    county.run();
    county.pass(60);
    assert_eq!(stages(&mut county, 0), ["ended"]);
    let View::Document(view) = county.ask(0, Command::DocumentShow { id: case }) else { panic!("a document") };
    assert_eq!(view.ended, "retention");
    let early = Command::RetentionConfirm { documents: vec![view.line.id] };
    assert_eq!(county.asked(0, Some(OFFICER), false, early).expect_err("thirty days for attestations").code, "retention_not_due");
}

#[test]
fn a_tombstone_noted_before_the_key_was_destroyed_destroys_it_at_the_next_start() {
    let (mut county, _, document) = two();
    county.pass(80 * DAY);
    assert!(county.nodes[0].purged.remove(&document), "as if the process had ended in between");
    county.restart(0, &[1]);
    county.pass(60);
    assert!(county.nodes[0].purged.contains(&document));
}

#[test]
fn above_a_thousand_documents_a_day_the_rest_waits_for_a_persons_word() {
    let mut county = County::new(2);
    let wanted = keeping(&county, 40);
    county.agree(0, 1, wanted);
    let allowed = usize::try_from(limits::CUTS_PER_DAY).expect("a thousand");
    let number = allowed + 60; // More than one look, and more than one slice of what it finds.
    for at in 0..number {
        let draft = Draft { title: format!("{at}"), text: "text".to_owned(), category: "CRIM.WANTED".to_owned(), ..Draft::default() };
        county.ask(0, Command::BulletinNew(draft));
    }
    let over = u64::from(accord_protocol::retention::days(Category::CrimWanted, Vec::new()));
    let count = |county: &mut County, stage: &str| stages(county, 0).iter().filter(|one| *one == stage).count();
    county.pass(over * DAY + 2 * 3_600);
    let waits = |county: &mut County| list(county, 0).iter().filter(|one| one.waits).count();
    assert_eq!((waits(&mut county), count(&mut county, "due")), (60, 60), "a day's share ended by itself");
    county.ask(0, Command::RetentionConfirm { documents: Vec::new() });
    county.pass(600);
    assert_eq!((waits(&mut county), count(&mut county, "due")), (0, 0));
}

/// An end that the owner's registrar sealed, as at `at`.
#[expect(clippy::disallowed_methods, reason = "what is on this node's disk is its own store")]
fn ended_by_owner(county: &County, document: DocumentId, at: WallSeconds) -> Message {
    let owner = &county.nodes[0];
    let state = {
        let stored = accord_protocol::intake::Stored::given(document, owner.items[&document].clone());
        accord_protocol::intake::DocState::load(&owner.core.directory(), stored).expect("reads back")
    };
    let head = state.log().head();
    let last = state.log().get(&head).and_then(|entry| entry.record.as_ref()).expect("a record").body().clone();
    let record = Record {
        index: last.index + 1,
        previous: head,
        kind: RecordKind::End(EndKind::Retention, accord_protocol::id::Bytes(Vec::new())),
        at,
        ..last
    };
    let sealed = Sealed::seal(&owner.identity.network, record, &[owner.identity.signer.as_ref()]).expect("seals");
    let mut push = push_of(&owner.core.directory(), document, owner.items[&document].clone());
    (push.genesis, push.records, push.segments) = (None, vec![accord_protocol::id::Bytes(sealed.to_bytes())], Vec::new());
    Message::Push(push)
}

#[test]
fn an_end_dated_back_destroys_nothing_before_thirty_days_have_gone_by_here() {
    let (mut county, _, document) = two();
    let message = ended_by_owner(&county, document, WallSeconds(1));
    county.hand(0, 1, &message);
    county.link(0, 1, false);
    county.pass(3 * 3_600);
    assert_eq!(stages(&mut county, 1), ["ended"]);
    county.restart(1, &[]);
    county.pass(28 * DAY);
    assert!(!county.nodes[1].purged.contains(&document));
    county.link(0, 1, true);
    county.pass(3 * DAY);
    assert!(county.nodes[1].purged.contains(&document));
}

#[test]
fn whether_a_document_was_destroyed_or_never_known_is_answered_alike_to_who_cannot_show_it() {
    let (mut county, _, document) = two();
    county.pass(80 * DAY);
    assert!(county.nodes[1].purged.contains(&document));
    let mut answers = Vec::new();
    for id in [document, DocumentId([9; 32])] {
        let nothing = accord_protocol::wire::Push::empty(1, id);
        county.heard = Some(Vec::new());
        county.hand(0, 1, &Message::Push(nothing));
        county.run_some(2);
        let heard = county.heard.take().expect("heard");
        answers.push(
            heard
                .into_iter()
                .map(|(from, to, message)| (from, to, matches!(message, Message::Want(_) | Message::Ack(_))))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], [(1, 0, true), (1, 0, true)]);
}
