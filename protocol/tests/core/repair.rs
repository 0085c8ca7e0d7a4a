//! Two that held the same find out what one of them lost without knowing it, and what lies cost whoever is told them.

use accord_protocol::equality::sketch::SYMBOL_BYTES;
use accord_protocol::id::{Bytes, DocumentId, Nonce};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::view::{StatusView, View};
use accord_protocol::wire::Message;

use crate::county::{County, usual};

/// Two bureaus that hold so many threads of both and compared.
fn at_rest(documents: usize) -> County {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    for n in 0..documents {
        county.open_case(n % 2, &[1 - n % 2], &n.to_string(), "text");
    }
    county.pass(120);
    county
}

/// One node comes back without some documents that are not the newest; answers what is said until both rest.
fn losing(county: &mut County, at: usize, lost: &[DocumentId]) -> Vec<(usize, usize, Message)> {
    for document in lost {
        county.nodes[at].items.remove(document).expect("it was there");
        county.nodes[at].rows.remove(&(Table::Documents, document.0.to_vec()));
    }
    county.restart(at, &[]);
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    county.pass(120);
    county.heard.take().expect("it was listened")
}

/// Every third document of one node, in order of ids, but for the newest.
fn some(county: &County, at: usize) -> Vec<DocumentId> {
    let items = &county.nodes[at].items;
    let newest = items.values().flatten().map(|(seq, _)| *seq).max();
    let old = items.iter().filter(|(_, items)| items.last().map(|(seq, _)| *seq) != newest);
    old.map(|(document, _)| *document).step_by(3).collect()
}

fn status(county: &mut County, at: usize) -> StatusView {
    let View::Status(status) = county.ask(at, accord_protocol::input::Command::Status) else { panic!("a status") };
    status
}

#[test]
fn what_one_lost_is_found_by_symbols_and_nothing_else_is_sent() {
    for at in [0, 1] {
        let mut county = at_rest(30);
        let lost = some(&county, at);
        let said = losing(&mut county, at, &lost);
        assert!(!said.iter().any(|(_, _, message)| matches!(message, Message::Tips { .. })), "no lists of what both hold");
        let begun = said.iter().filter(|(_, _, message)| matches!(message, Message::Symbols { from: 0, .. })).count();
        assert_eq!(begun, 1, "both fall silent at once, and one of them begins");
        let told: Vec<DocumentId> = said
            .iter()
            .filter_map(|(from, _, message)| match message {
                Message::Push(push) if *from != at => Some(push.document),
                _ => None,
            })
            .collect();
        let again: std::collections::BTreeSet<DocumentId> = told.iter().copied().collect();
        assert_eq!(again, lost.iter().copied().collect(), "{at}: what was lost and nothing else");
        let back = said.iter().filter(|(from, _, message)| *from == at && matches!(message, Message::Push(push) if push.genesis.is_some()));
        assert_eq!(back.count(), 0, "what it holds stays where it is");
        assert_eq!(county.nodes[at].items.len(), 30);
        for at in [0, 1] {
            assert!(status(&mut county, at).partners.iter().all(|partner| !partner.divergent));
        }
        let about: usize = said
            .iter()
            .filter(|(_, _, message)| matches!(message, Message::Symbols { .. } | Message::Differs { .. } | Message::Named(_)))
            .map(|(_, _, message)| message.encode().len())
            .sum();
        assert!(about < 2 * limits::SYMBOLS_FIRST * SYMBOL_BYTES + 2_048, "{about} bytes to find out");
    }
}

#[test]
fn symbols_of_no_set_are_asked_about_a_few_times_and_then_tips_are_sent() {
    let mut county = at_rest(6);
    let nonce = Nonce([9; 16]);
    let mut sent = 0;
    let mut wishes = 0;
    let mut until = 64;
    loop {
        // The same byte in every symbol but its place: none of them is of one item.
        let lies = (sent..until).flat_map(|n: usize| [n.to_be_bytes().as_slice(), &[7; 4]].concat()).collect();
        county.heard = Some(Vec::new());
        county.bring(0, 1, &Message::Symbols { nonce, from: u32::try_from(sent).expect("few"), symbols: Bytes(lies) });
        sent = until;
        let said = county.heard.take().expect("it was listened");
        let wanted = said.iter().find_map(|(from, _, message)| match message {
            Message::Differs { wanted, .. } if *from == 1 => *wanted,
            _ => None,
        });
        let Some(wanted) = wanted else {
            assert!(said.iter().any(|(from, _, message)| *from == 1 && matches!(message, Message::Tips { .. })), "what always worked");
            break;
        };
        wishes += 1;
        until = wanted as usize;
    }
    assert!(sent <= limits::SYMBOLS_MAX && wishes <= 5, "{wishes} wishes, {sent} symbols");
    county.pass(120);
    for at in [0, 1] {
        assert_eq!(county.nodes[at].items.len(), 6);
        assert!(status(&mut county, at).partners.iter().all(|partner| !partner.divergent), "both held the same all the time");
    }
}

#[test]
fn answers_to_nothing_and_pieces_that_fit_nothing_are_not_heard() {
    let mut county = at_rest(4);
    let nonce = Nonce([9; 16]);
    let symbols = |from, count: usize| Message::Symbols { nonce, from, symbols: Bytes(vec![1; count * SYMBOL_BYTES]) };
    let messages = [
        Message::Differs { nonce, wanted: Some(4_096), items: Bytes(Vec::new()) },
        Message::Differs { nonce, wanted: None, items: Bytes(vec![3; 80]) },
        symbols(64, 64),
        Message::Named(vec![DocumentId([5; 32]); 3]),
    ];
    for message in messages {
        county.heard = Some(Vec::new());
        county.bring(0, 1, &message);
        let said = county.heard.take().expect("it was listened");
        assert!(said.is_empty(), "{message:?} was answered by {said:?}");
    }
    // A piece that does not go on where the last one ended is none.
    county.bring(0, 1, &symbols(0, 64));
    county.heard = Some(Vec::new());
    county.bring(0, 1, &symbols(32, 64));
    assert!(county.heard.take().expect("it was listened").is_empty());
}
