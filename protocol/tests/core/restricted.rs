//! The restricted link in all its uses: what is said between two bureaus without an agreement in force, whatever they have and do.

use std::collections::BTreeSet;

use accord_keys::secret::SecretKey;
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::input::Command;
use accord_protocol::view::{DocumentView, View};
use accord_protocol::wire::Message;

use crate::county::{County, terms, usual};

const DAY: u64 = 86_400;

/// How the pair of the first two bureaus stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// In force, for comparison.
    Full,
    None,
    Suspended,
    Expired,
    WindingDown,
}

const RESTRICTED: [Use; 4] = [Use::None, Use::Suspended, Use::Expired, Use::WindingDown];

/// Three bureaus; the third has agreements with both others. A case of the first for both, if the first two ever agreed.
fn county(how: Use) -> (County, String) {
    let mut county = County::new(3);
    let start = county.now.wall;
    for one in [0, 1] {
        county.agree(one, 2, usual(start));
    }
    let with: &[usize] = if how == Use::None { &[2] } else { &[1, 2] };
    let agreement = (how != Use::None).then(|| {
        let mut wanted = terms(start, 3, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]);
        wanted.grace_days = 2;
        county.agree(0, 1, wanted)
    });
    let case = county.open_case(0, with, "title", "text");
    county.note(0, &case, "shared");
    match (how, agreement) {
        (Use::Suspended, Some(id)) => {
            county.ask(0, Command::AgreementSuspend { id, categories: Vec::new(), reason: "inquiry".to_owned() });
            county.run();
        }
        (Use::Expired, _) => county.pass(4 * DAY),
        (Use::WindingDown, _) => {
            county.pass(4 * DAY);
            county.note(1, &case, "behind the cut");
            county.pass(2 * DAY);
        }
        _ => {}
    }
    (county, case)
}

/// Everything that makes nodes speak: work on both sides, a break, quiet moments, a day.
fn stir(county: &mut County, case: &str) {
    county.note(0, case, "later, by the owner");
    // Who was cut, or never let in, cannot write.
    let note = Command::CaseNote { id: case.to_owned(), kind: "note".to_owned(), text: "later, by the partner".to_owned() };
    let _ = county.asked(1, Some(crate::county::OFFICER), false, note);
    county.open_case(1, &[2], "another", "of the partner");
    let now = county.now;
    for at in [0, 1] {
        county.nodes[at].reopen(now);
        county.log_in_again(at, SecretKey::from_seed([u8::try_from(at).expect("few") + 161; 32]));
    }
    for at in 0..3 {
        county.link_up(at);
    }
    county.run();
    for _ in 0..12 {
        county.pass(10);
    }
}

/// What a message is to this table: its kind, and of a push what it carries.
fn word(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "hello",
        Message::Statements(_) => "statements",
        Message::Agreements(_) => "agreements",
        Message::Ledger(_) => "ledger",
        Message::Cursor(_) => "cursor",
        Message::Ack(_) => "ack",
        Message::Want(_) => "want",
        Message::Declined { .. } => "declined",
        Message::Refusal { .. } => "refusal",
        Message::Push(push) if push.genesis.is_some() => "document",
        Message::Push(push) if !push.segments.is_empty() && !push.records.is_empty() => "document",
        Message::Push(push) if !push.segments.is_empty() => "work",
        Message::Push(_) => "records",
        Message::Equality { .. } => "equality",
        Message::Tips { .. } => "tips",
        Message::Symbols { .. } => "symbols",
        Message::Differs { .. } => "differs",
        Message::Named(_) => "named",
        Message::Ahead { .. } => "ahead",
        Message::Passes(_) => "passes",
        _ => "other",
    }
}

fn said(county: &County, from: usize, to: usize) -> BTreeSet<&'static str> {
    let heard = county.heard.as_deref().unwrap_or_default();
    heard.iter().filter(|(f, t, _)| (*f, *t) == (from, to)).map(|(_, _, message)| word(message)).collect()
}

fn shown(county: &mut County, at: usize, id: &str) -> DocumentView {
    let View::Document(view) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else { panic!("a document") };
    view
}

fn texts(county: &mut County, at: usize, id: &str) -> Vec<String> {
    shown(county, at, id).entries.into_iter().map(|entry| entry.text).collect()
}

#[test]
fn without_an_agreement_in_force_one_set_is_spoken_whatever_the_two_have_and_do() {
    // use, what owner and partner may say at most; what both must have said for the table to mean anything.
    let always = ["hello", "statements", "agreements", "ledger", "cursor", "ack", "want", "declined"];
    for how in RESTRICTED {
        let (mut county, case) = county(how);
        county.heard = Some(Vec::new());
        stir(&mut county, &case);
        for (from, to) in [(0, 1), (1, 0)] {
            let said = said(&county, from, to);
            let mut may: BTreeSet<&str> = always.into();
            // After the grace time the partner was cut where a third bureau reads: it is told so, and offers what is held.
            if how == Use::WindingDown {
                may.insert(if from == 0 { "records" } else { "work" });
            }
            assert!(said.is_subset(&may), "{how:?}, {from} to {to}: {said:?}");
            assert!(said.contains("hello"), "{how:?}: they spoke at all");
        }
        // With the third bureau all goes on as agreed.
        for partner in [0, 1] {
            let said = said(&county, partner, 2);
            assert!(said.contains("document") || said.contains("work"), "{how:?}, {partner} to 2: {said:?}");
            assert!(said.contains("equality"), "{how:?}, {partner} to 2: {said:?}");
        }
    }
    let (mut county, case) = county(Use::Full);
    county.heard = Some(Vec::new());
    stir(&mut county, &case);
    let said = said(&county, 0, 1);
    for kind in ["work", "equality", "passes"] {
        assert!(said.contains(kind), "in force they say more: {said:?}");
    }
    assert!(texts(&mut county, 1, &case).contains(&"later, by the owner".to_owned()));
}

#[test]
fn held_work_is_offered_to_the_owner_and_to_nobody_else() {
    let (mut county, case) = county(Use::WindingDown);
    let cut = shown(&mut county, 0, &case);
    county.heard = Some(Vec::new());
    let now = county.now;
    county.nodes[1].reopen(now);
    county.log_in_again(1, SecretKey::from_seed([162; 32]));
    for at in 0..3 {
        county.link_up(at);
    }
    county.run();
    county.pass(120);
    // Its author sees that it waits, the owner sees it, the third bureau hears nothing of it.
    let held = |view: DocumentView| view.held.map(|held| (held.count, held.entries[0].text.clone()));
    let waits = Some((1, "behind the cut".to_owned()));
    assert_eq!(held(shown(&mut county, 1, &case)), waits);
    assert_eq!(held(shown(&mut county, 0, &case)), waits);
    assert_eq!(shown(&mut county, 2, &case).held, None);
    assert_eq!(shown(&mut county, 0, &case).log_head, cut.log_head, "the owner's machine decides nothing");
    let offered = county.heard.take().unwrap_or_default();
    let of_case =
        |message: &Message| matches!(message, Message::Push(push) if push.document.to_string() == case && !push.segments.is_empty());
    let to: BTreeSet<usize> = offered.iter().filter(|(_, _, message)| of_case(message)).map(|(_, to, _)| *to).collect();
    // The owner acknowledged it before: it is not sent twice, and nobody else ever hears of it.
    assert_eq!(to, BTreeSet::new());

    // The owner's officer lets it in: then the third bureau has it, and the author, who reads no more, is told nothing.
    county.ask(0, Command::AccessAdmit { id: case.clone(), acts: Vec::new() });
    county.pass(60);
    for at in [0, 2] {
        assert!(texts(&mut county, at, &case).contains(&"behind the cut".to_owned()), "at {at}");
    }
    assert_eq!(held(shown(&mut county, 1, &case)), waits);
}
