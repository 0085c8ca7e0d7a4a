//! Two nodes of one bureau: what the second had taken in before it heard of a cut is let in by the registrar itself, and nothing else is.

use std::collections::BTreeSet;

use accord_keys::certificate::{Issuer, MemberCertificate};
use accord_keys::directory::Directory;
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::{Sealed, Verified};
use accord_protocol::access::log::{RecordKind, Subject};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{Bytes, CertificateId, DocumentId, RecordId, TransportKey};
use accord_protocol::input::Command;
use accord_protocol::intake::{DocState, Item, Receipted};
use accord_protocol::limits;
use accord_protocol::receipt::{NodeReceipt, is_by_node_of};
use accord_protocol::rules::ChangeHash;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{DocumentView, View};
use accord_protocol::wire::{Message, Push};

use crate::admission::Case;
use crate::county::{County, OFFICER, push_of, usual};
use crate::world::{START, ascending, key, seal, verified, world};

/// The registrar's node of the first bureau, two partners, and the first bureau's second node.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const A2: usize = 3;

fn network() -> accord_keys::id::NetworkId {
    accord_keys::id::NetworkId::named("county")
}

/// A case of A with both partners, known to both of A's nodes, which are linked with everybody.
fn county() -> (County, String) {
    let mut county = County::new(3);
    for partner in [B, C] {
        county.agree(A, partner, usual(county.now.wall));
    }
    assert_eq!(county.add_sibling(A), A2);
    let case = county.open_case(A, &[B, C], "title", "text");
    county.note(B, &case, "settled");
    county.pass(900);
    for other in [A, B, C] {
        county.link(A2, other, true);
    }
    county.pass(900);
    assert_eq!(texts(&mut county, A2, &case), ["settled"]);
    assert_eq!(county.nodes[A2].accounts.iter().filter(|line| line.kind == "anchor" || line.kind == "cut").count(), 0);
    (county, case)
}

fn shown(county: &mut County, at: usize, case: &str) -> DocumentView {
    let answer = county.asked(at, None, false, Command::DocumentShow { id: case.to_owned() });
    let Ok(View::Document(view)) = answer else { panic!("{answer:?}") };
    view
}

fn texts(county: &mut County, at: usize, case: &str) -> Vec<String> {
    shown(county, at, case).entries.into_iter().filter(|entry| entry.kind == "note").map(|entry| entry.text).collect()
}

fn cut(county: &mut County, case: &str, strict: bool) {
    let subject = county.nodes[B].name.clone();
    county.ask(A, Command::AccessCut { id: case.to_owned(), subject, strict });
    county.run();
}

/// B brings a note to A's second node while the registrar hears neither of the two; then the registrar cuts B.
fn apart(county: &mut County, case: &str, strict: bool) {
    for (one, other) in [(A, A2), (A, B), (B, C), (C, A2)] {
        county.link(one, other, false);
    }
    county.note(B, case, "brought to the second node");
    assert_eq!(texts(county, A2, case).len(), 2);
    cut(county, case, strict);
    county.pass(60);
    assert_eq!(texts(county, A, case), ["settled"]);
}

fn let_in(county: &County) -> usize {
    county.nodes[A].accounts.iter().filter(|line| line.kind == "receipted_let_in").count()
}

#[test]
fn what_a_second_node_receipted_before_it_heard_of_the_cut_is_let_in_by_the_registrar_itself() {
    let (mut county, case) = county();
    apart(&mut county, &case, false);
    county.heard = Some(Vec::new());
    county.link(A, A2, true);
    county.pass(60);
    for at in [A, C, A2] {
        assert_eq!(texts(&mut county, at, &case), ["settled", "brought to the second node"], "at {at}");
        assert!(shown(&mut county, at, &case).entries.iter().all(|entry| entry.settled), "at {at}");
        assert!(shown(&mut county, at, &case).held.is_none(), "at {at}");
    }
    // The account says whose word it was; no officer gave an order, and no partner heard of a receipt.
    let line = county.nodes[A].accounts.iter().find(|line| line.kind == "receipted_let_in").expect("in the account").clone();
    assert_eq!((line.certificate, line.bureau), (Some(county.nodes[A2].identity.certificate), Some(county.nodes[B].id)));
    let heard = county.heard.take().expect("kept");
    let receipts = |to: usize| {
        heard.iter().filter(|(_, t, message)| *t == to && matches!(message, Message::Push(push) if push.receipts.is_some())).count()
    };
    assert_eq!((receipts(A), receipts(B), receipts(C)), (1, 0, 0));
    // B heard of its cut from the second node: it writes no more, and once only was anything let in.
    let note = Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "after it".to_owned() };
    assert_eq!(county.asked(B, Some(OFFICER), false, note).expect_err("cut").code, "may_not_append");
    county.link(A, B, true);
    county.pass(900);
    assert_eq!((texts(&mut county, A, &case).len(), let_in(&county)), (2, 1));
    // It survives a restart of both.
    county.restart(A, &[B, C, A2]);
    let now = county.now;
    county.nodes[A2].reopen(now);
    assert_eq!(texts(&mut county, A, &case).len(), 2);
    assert_eq!(texts(&mut county, A2, &case).len(), 2);
}

#[test]
fn a_receipt_that_came_before_the_work_serves_when_the_work_comes() {
    let (mut county, case) = county();
    apart(&mut county, &case, false);
    let receipts = receipts_of(&county, A2, &case);
    assert_eq!(receipts.len(), 1);
    county.link_quietly(A, A2, true);
    county.run_some(4);
    push_receipts(&mut county, &case, receipts);
    assert_eq!(let_in(&county), 0, "there is nothing yet to let in");
    county.run();
    county.pass(60);
    assert_eq!(texts(&mut county, A, &case).len(), 2);
}

#[test]
fn what_finds_its_place_late_is_receipted_with_what_it_waited_for() {
    let (mut county, case) = county();
    for (one, other) in [(A, A2), (A, B), (B, C), (C, A2)] {
        county.link(one, other, false);
    }
    for text in ["first", "second"] {
        county.ask(B, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.to_owned() });
        county.nodes[B].lose_sends();
    }
    let document = DocumentId::from_hex(&case).expect("an id");
    let stored = county.nodes[B].items[&document].clone();
    let push = push_of(&county.nodes[B].core.directory(), document, stored);
    let all = push.segments.len();
    for from in [all - 1, all - 2] {
        let segments = vec![push.segments[from].clone()];
        county.hand(B, A2, &Message::Push(Push { segments, ..Push::empty(9_000 + from as u64, document) }));
        county.nodes[A2].lose_sends();
        county.nodes[B].lose_sends();
    }
    let sorted = |mut texts: Vec<String>| {
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(texts(&mut county, A2, &case)), ["first", "second", "settled"]);
    cut(&mut county, &case, false);
    county.link(B, A2, false);
    county.link(A, A2, true);
    county.pass(60);
    assert_eq!(sorted(texts(&mut county, A, &case)), ["first", "second", "settled"], "both lay in the house before the cut");
}

#[test]
fn nothing_is_let_in_behind_a_strict_cut() {
    let (mut county, case) = county();
    apart(&mut county, &case, true);
    county.link(A, A2, true);
    county.pass(900);
    assert_eq!((texts(&mut county, A, &case), let_in(&county)), (vec!["settled".to_owned()], 0));
    assert_eq!(shown(&mut county, A, &case).held.expect("held").count, 1);
}

#[test]
fn a_second_node_that_knows_of_the_cut_receipts_nothing_behind_it() {
    let (mut county, case) = county();
    for (one, other) in [(A, B), (A2, B), (B, C)] {
        county.link(one, other, false);
    }
    cut(&mut county, &case, false);
    county.ask(B, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "too late".to_owned() });
    county.link(A2, B, true);
    county.pass(900);
    assert_eq!((texts(&mut county, A, &case), texts(&mut county, A2, &case)), (vec!["settled".to_owned()], vec!["settled".to_owned()]));
    assert_eq!((receipts_of(&county, A2, &case).len(), let_in(&county)), (0, 0));
    county.ask(A, Command::AccessAdmit { id: case.clone(), acts: Vec::new() });
    county.run();
    assert_eq!(texts(&mut county, A, &case).len(), 2, "an officer's order lets it in");
}

#[test]
fn a_second_node_that_was_revoked_lets_nothing_in_any_more() {
    let (mut county, case) = county();
    apart(&mut county, &case, false);
    let receipts = receipts_of(&county, A2, &case);
    let node = county.nodes[A2].identity.certificate;
    // The work comes from B itself, and the receipt, which was true, through another device.
    revoke(&mut county, node, RevocationClass::Retired);
    county.link(A, B, true);
    let other = county.add_sibling(A);
    county.link(A, other, true);
    push_receipts_from(&mut county, other, &case, receipts);
    county.pass(900);
    assert_eq!((texts(&mut county, A, &case), let_in(&county)), (vec!["settled".to_owned()], 0));
}

#[test]
fn what_is_on_its_way_to_a_node_of_ones_own_stops_when_it_is_revoked() {
    let (mut county, case) = county();
    for partner in [B, C] {
        county.link(A2, partner, false);
    }
    county.ask(A, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "on its way".to_owned() });
    assert!(county.nodes[A].has_sends_to(A2));
    let node = county.nodes[A2].identity.certificate;
    revoke(&mut county, node, RevocationClass::Compromised);
    county.pass(60);
    assert_eq!(texts(&mut county, A2, &case), ["settled"], "it may be in other hands");
    assert_eq!(texts(&mut county, B, &case), ["settled", "on its way"]);
}

#[test]
fn what_a_node_of_ones_own_says_it_holds_is_not_answered_once_it_is_revoked() {
    for revoked in [false, true] {
        let (mut county, _) = county();
        for n in 0..8 {
            county.open_case(A, &[B], &format!("case {n}"), "text");
        }
        county.heard = Some(Vec::new());
        county.pass(60);
        let said = county.heard.replace(Vec::new()).expect("it was listened");
        let word = said.into_iter().rev().find_map(|(from, to, message)| match message {
            Message::Equality { count, policy, .. } if (from, to) == (A2, A) => Some((count, policy)),
            _ => None,
        });
        let (count, policy) = word.expect("they compared");
        // Started anew, it has counted nothing yet: what the other says waits.
        county.restart(A, &[A2]);
        county.hand(A2, A, &Message::Equality { sum: accord_protocol::id::Digest([9; 32]), count, policy });
        if revoked {
            let node = county.nodes[A2].identity.certificate;
            revoke(&mut county, node, RevocationClass::Compromised);
        }
        county.run();
        let said = county.heard.take().expect("it was listened");
        let lists = |message: &Message| matches!(message, Message::Symbols { .. } | Message::Tips { .. });
        let listed = said.iter().any(|(from, to, message)| (*from, *to) == (A, A2) && lists(message));
        assert_eq!(listed, !revoked, "what is held is listed to our own nodes and to no other");
    }
}

#[test]
fn what_a_compromised_key_wrote_is_not_let_in_though_it_was_receipted() {
    let (mut county, case) = county();
    apart(&mut county, &case, false);
    let writer = shown(&mut county, B, &case).entries.iter().find(|entry| entry.kind == "note").expect("its own").certificate.clone();
    let writer = CertificateId::from_hex(&writer).expect("a certificate");
    let identity = county.nodes[B].identity.clone();
    let body = Revocation {
        bureau: identity.bureau,
        target: RevocationTarget::Certificate(writer),
        class: RevocationClass::Compromised,
        at: county.now.wall,
        issuer: Issuer::Member(identity.certificate),
    };
    let bytes = Sealed::seal(&network(), body, &[identity.signer.as_ref()]).expect("seals").to_bytes();
    county.ask(B, Command::Install { bytes: bytes.clone() });
    county.link(A, B, true);
    county.link(A, A2, true);
    county.pass(900);
    assert_eq!((texts(&mut county, A, &case), let_in(&county)), (vec!["settled".to_owned()], 0));
}

/// A bureau with held work of B at its registrar, sent in after the cut; its second node is linked and receipted nothing.
fn held() -> (County, String, NodeReceipt) {
    let (mut county, case) = county();
    county.link(A, B, false);
    county.link(A2, B, false);
    county.link(B, C, false);
    let before = head(&mut county, &case);
    cut(&mut county, &case, false);
    county.ask(B, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: "sent in afterwards".to_owned() });
    county.link(A, B, true);
    county.pass(60);
    let change = shown(&mut county, B, &case).held.expect("held").entries[0].change.clone();
    assert_eq!(shown(&mut county, A, &case).held.expect("held").count, 1);
    let body = NodeReceipt {
        document: DocumentId::from_hex(&case).expect("an id"),
        from: county.nodes[B].id,
        head: before,
        tips: vec![ChangeHash::from_slice(&hex::decode(&change).expect("hex")).expect("a hash")],
        at: county.now.wall,
        certificate: county.nodes[A2].identity.certificate,
    };
    (county, case, body)
}

fn head(county: &mut County, case: &str) -> RecordId {
    let mut last = None;
    for (_, bytes) in &county.nodes[A].items[&DocumentId::from_hex(case).expect("an id")] {
        if let Some(Item::Record(bytes)) = Item::from_bytes(bytes) {
            let sealed = Sealed::<accord_protocol::access::log::Record>::from_bytes(&bytes).expect("a record");
            last = Some(RecordId(sealed.id(&network()).0));
        }
    }
    last.expect("it was adopted")
}

fn receipts_of(county: &County, at: usize, case: &str) -> Vec<Bytes> {
    let items = &county.nodes[at].items[&DocumentId::from_hex(case).expect("an id")];
    let receipt = |bytes: &[u8]| if let Some(Item::Receipt(bytes)) = Item::from_bytes(bytes) { Some(Bytes(bytes)) } else { None };
    items.iter().filter_map(|(_, bytes)| receipt(bytes)).collect()
}

fn push_receipts_from(county: &mut County, from: usize, case: &str, receipts: Vec<Bytes>) {
    let document = DocumentId::from_hex(case).expect("an id");
    let push = Push { receipts: Some(receipts), ..Push::empty(9_000, document) };
    county.hand(from, A, &Message::Push(push));
    county.run();
}

fn push_receipts(county: &mut County, case: &str, receipts: Vec<Bytes>) {
    let document = DocumentId::from_hex(case).expect("an id");
    county.hand(A2, A, &Message::Push(Push { receipts: Some(receipts), ..Push::empty(9_000, document) }));
}

fn sealed_by(county: &County, at: usize, body: NodeReceipt) -> Bytes {
    Bytes(Sealed::seal(&network(), body, &[county.nodes[at].identity.signer.as_ref()]).expect("seals").to_bytes())
}

fn revoke(county: &mut County, certificate: CertificateId, class: RevocationClass) {
    let identity = county.nodes[A].identity.clone();
    let (bureau, at) = (identity.bureau, county.now.wall);
    let root = accord_keys::secret::SecretKey::from_seed([81; 32]);
    let issuer = Issuer::Root(county.nodes[A].core.directory().root_head(&bureau).expect("known"));
    let body = Revocation { bureau, target: RevocationTarget::Certificate(certificate), class, at, issuer };
    let bytes = Sealed::seal(&network(), body, &[&root]).expect("seals").to_bytes();
    county.ask(A, Command::Install { bytes });
    county.run();
}

/// What happens to work sent in after a cut when such a receipt comes: how many acts are let in.
fn outcome(change: impl FnOnce(&mut County, &str, &mut NodeReceipt) -> usize) -> usize {
    let (mut county, case, mut body) = held();
    let sealer = change(&mut county, &case, &mut body);
    let receipt = sealed_by(&county, sealer, body);
    push_receipts(&mut county, &case, vec![receipt]);
    county.run();
    county.pass(60);
    texts(&mut county, A, &case).len() - 1
}

#[test]
fn a_receipt_serves_only_if_a_good_node_of_the_house_knew_an_older_record_and_only_for_a_while() {
    let outcomes = [
        (
            "all a thief of a node's key can do, with the cut bureau at his side, until it is revoked or a week is over",
            outcome(|_, _, _| A2),
        ),
        (
            "under the cut itself",
            outcome(|county, case, body| {
                body.head = head(county, case);
                A2
            }),
        ),
        (
            "under a record nobody knows",
            outcome(|_, _, body| {
                body.head = RecordId([9; 32]);
                A2
            }),
        ),
        (
            "given more than a day after the cut",
            outcome(|_, _, body| {
                body.at = WallSeconds(body.at.0 + limits::IN_TOUCH_S + 1);
                A2
            }),
        ),
        (
            "shown a week after it",
            outcome(|county, _, _| {
                county.pass(limits::RECEIPTED_WAITS_S);
                A2
            }),
        ),
        ("in the node's name, by another's key", outcome(|_, _, _| B)),
        (
            "by a node of the cut bureau",
            outcome(|county, _, body| {
                body.certificate = county.nodes[B].identity.certificate;
                B
            }),
        ),
        (
            "of another document",
            outcome(|_, _, body| {
                body.document = DocumentId([7; 32]);
                A2
            }),
        ),
        (
            "of a change that is not here",
            outcome(|_, _, body| {
                body.tips = vec![ChangeHash([7; 32])];
                A2
            }),
        ),
    ];
    let served: Vec<&str> = outcomes.iter().filter(|(_, acts)| *acts > 0).map(|(what, _)| *what).collect();
    assert_eq!(served, [outcomes[0].0]);
}

#[test]
fn a_receipt_by_a_partner_or_over_its_link_says_nothing() {
    let (mut county, case, body) = held();
    let receipt = sealed_by(&county, A2, body);
    let document = DocumentId::from_hex(&case).expect("an id");
    county.hand(B, A, &Message::Push(Push { receipts: Some(vec![receipt]), ..Push::empty(9_000, document) }));
    county.run();
    county.pass(60);
    assert_eq!((texts(&mut county, A, &case).len(), receipts_of(&county, A, &case).len()), (1, 0));
    assert!(county.asked(A, Some(OFFICER), false, Command::AccessAdmit { id: case, acts: Vec::new() }).is_ok());
}

#[test]
fn nodes_give_receipts_and_officers_do_not() {
    let (owner, from) = (world().owner(), world().bureaus[1].id);
    let by = |member: crate::world::Member| {
        let (document, head, tips) = (DocumentId([1; 32]), RecordId([2; 32]), vec![ChangeHash([3; 32])]);
        let receipt = NodeReceipt { document, from, head, tips, at: WallSeconds(4), certificate: member.id };
        is_by_node_of(&world().directory, &owner.id, &verified(receipt, &[member.seed]))
    };
    assert!(by(owner.node));
    assert!(!by(owner.officers[0]) && !by(world().bureaus[2].node));
}

/// A case in which a partner's officer wrote two notes, the second on the first, and was cut before any anchor; the receipts of the owner's node say
/// that it had them under the record before the cut.
struct Bench {
    case: Case,
    notes: [ChangeHash; 2],
    head: RecordId,
    cut: WallSeconds,
}

impl Bench {
    fn new() -> Self {
        let mut case = Case::under(1);
        let first = case.write(1, 0, 1, &[case.founding()]);
        let second = case.write(1, 0, 1, &[first]);
        let (head, partner) = (case.story.head(), case.world.bureaus[1].id);
        let cut = case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false));
        assert_eq!(case.state.held(), 2);
        let cut = case.story.body_of(&cut).expect("sealed").at;
        Self { case, notes: [first, second], head, cut }
    }

    /// What the owner's node would state of these changes.
    fn body(&self, tips: &[ChangeHash], at: WallSeconds) -> NodeReceipt {
        let (document, from, certificate) = (self.case.story.document, world().bureaus[1].id, world().owner().node.id);
        NodeReceipt { document, from, head: self.head, tips: ascending(tips.iter().copied()), at, certificate }
    }

    fn receipt(&self, tips: &[ChangeHash], at: WallSeconds) -> Verified<NodeReceipt> {
        verified(self.body(tips, at), &[world().owner().node.seed])
    }

    fn learn(&mut self, receipt: &Verified<NodeReceipt>) -> bool {
        self.case.state.learn_receipt(&world().directory, receipt)
    }

    fn receipted(&self, now: WallSeconds) -> Receipted {
        self.case.state.receipted(&world().directory, now)
    }
}

#[test]
fn what_was_receipted_is_let_in_by_its_newest_with_all_it_builds_on() {
    let expected = |bench: &Bench| Receipted {
        tips: [bench.notes[1]].into(),
        nodes: [world().owner().node.id].into(),
        writers: [world().bureaus[1].id].into(),
    };
    // One receipt of both, or one of each.
    for apart in [false, true] {
        let mut bench = Bench::new();
        assert_eq!(bench.receipted(bench.cut), Receipted::default());
        let [first, second] = bench.notes;
        if apart {
            let receipt = bench.receipt(&[first], bench.cut);
            assert!(bench.learn(&receipt));
            assert_eq!(bench.receipted(bench.cut).tips, [first].into());
        }
        let receipt = bench.receipt(&[second], bench.cut);
        assert!(bench.learn(&receipt));
        assert_eq!(bench.receipted(bench.cut), expected(&bench));
        bench.case.anchor(&[second]);
        assert_eq!(bench.receipted(bench.cut), Receipted::default(), "it was let in");
    }
}

#[test]
fn a_receipt_serves_to_the_second_as_long_as_a_node_may_be_out_of_touch_and_an_officer_was_not_waited_for() {
    let serves = |at: u64, now: u64| {
        let mut bench = Bench::new();
        let receipt = bench.receipt(&[bench.notes[1]], bench.cut.plus(at));
        assert!(bench.learn(&receipt));
        !bench.receipted(bench.cut.plus(now)).tips.is_empty()
    };
    let (late, over) = (limits::IN_TOUCH_S, limits::RECEIPTED_WAITS_S);
    assert!(serves(0, 0) && serves(late, late) && serves(late, over - 1));
    assert!(!serves(late + 1, late + 1), "given too late");
    assert!(!serves(late, over), "shown too late");
}

#[test]
fn a_receipt_of_a_node_that_was_revoked_since_lets_nothing_in() {
    let mut bench = Bench::new();
    let receipt = bench.receipt(&[bench.notes[1]], bench.cut);
    assert!(bench.learn(&receipt));
    assert!(!bench.receipted(bench.cut).tips.is_empty());
    let owner = world().owner();
    let (target, issuer) = (RevocationTarget::Certificate(owner.node.id), Issuer::Root(owner.root));
    let body = Revocation { bureau: owner.id, target, class: RevocationClass::Retired, at: START, issuer };
    let mut later = world().directory.clone();
    later.learn_bytes(&seal(body, &[10]).to_bytes()).expect("its root seals it");
    assert_eq!(bench.case.state.receipted(&later, bench.cut), Receipted::default());
}

#[test]
fn while_the_log_is_forked_nothing_is_let_in_by_receipts() {
    let mut bench = Bench::new();
    let receipt = bench.receipt(&[bench.notes[1]], bench.cut);
    assert!(bench.learn(&receipt));
    assert!(!bench.receipted(bench.cut).tips.is_empty());
    let root = bench.case.founding();
    bench.case.story.push_record(world(), 1, bench.head, RecordKind::Anchor(vec![root]));
    bench.case.deliver();
    assert!(bench.case.state.log().is_forked() && bench.case.state.held() == 2);
    assert_eq!(bench.receipted(bench.cut), Receipted::default());
}

#[test]
fn a_receipt_is_taken_in_once_and_only_of_this_document_by_a_node_of_its_owner() {
    let mut bench = Bench::new();
    let (good, owner) = (bench.body(&bench.notes, START), world().owner());
    let receipt = verified(good.clone(), &[owner.node.seed]);
    assert!(bench.learn(&receipt));
    assert!(!bench.learn(&receipt), "known");
    let elsewhere = NodeReceipt { document: DocumentId([9; 32]), ..good.clone() };
    assert!(!bench.learn(&verified(elsewhere, &[owner.node.seed])));
    for member in [owner.officers[0], world().bureaus[1].node] {
        let other = NodeReceipt { certificate: member.id, ..good.clone() };
        assert!(!bench.learn(&verified(other, &[member.seed])));
    }
    let another = bench.receipt(&bench.notes, START.plus(1));
    assert!(bench.learn(&another));
}

/// What the owner knows, and five more nodes of its with the seeds of their keys.
fn more_nodes() -> (Directory, Vec<crate::world::Member>) {
    let mut directory = world().directory.clone();
    let node = directory.certificate(&world().owner().node.id).expect("known").body().clone();
    let nodes = (200..205_u8).map(|seed| {
        let body = MemberCertificate {
            key: key(seed).public(),
            serial: [seed; 16],
            transport: Some(TransportKey(key(seed + 10).public().0)),
            ..node.clone()
        };
        let sealed = seal(body, &[10]);
        directory.learn_bytes(&sealed.to_bytes()).expect("its root seals it");
        crate::world::Member { id: sealed.certificate_id(&crate::world::network()), seed }
    });
    let nodes = nodes.collect();
    (directory, nodes)
}

#[test]
fn so_many_receipts_are_kept_of_one_node_and_of_all_and_no_more() {
    let bench = Bench::new();
    let own = world().owner().node;
    let (directory, nodes) = more_nodes();
    let by = |node: crate::world::Member, n: u64| {
        verified(NodeReceipt { certificate: node.id, ..bench.body(&bench.notes, START.plus(n)) }, &[node.seed])
    };
    let mut state = Bench::new().case.state;
    let fill = |state: &mut DocState, node, count: usize| {
        assert_eq!((1..=count as u64).filter(|n| state.learn_receipt(&directory, &by(node, *n))).count(), count);
    };
    fill(&mut state, own, limits::NODE_RECEIPTS_OF_ONE_MAX);
    assert!(!state.learn_receipt(&directory, &by(own, 100_000)), "one too many");
    for node in &nodes[..3] {
        fill(&mut state, *node, limits::NODE_RECEIPTS_OF_ONE_MAX);
        assert!(!state.learn_receipt(&directory, &by(*node, 100_000)), "one too many of any");
    }
    assert!(!state.learn_receipt(&directory, &by(nodes[4], 1)), "so many in all");
    // What a node said that was revoked since makes room.
    let mut later = directory.clone();
    let (target, issuer) = (RevocationTarget::Certificate(nodes[0].id), Issuer::Root(world().owner().root));
    let body = Revocation { bureau: world().owner().id, target, class: RevocationClass::Retired, at: START, issuer };
    later.learn_bytes(&seal(body, &[10]).to_bytes()).expect("its root seals it");
    assert!(!state.learn_receipt(&later, &by(nodes[0], 100_000)), "what tells nothing makes no room");
    assert!(state.learn_receipt(&later, &by(nodes[4], 1)));
    assert!(state.learn_receipt(&later, &by(nodes[0], 100_000)), "and is taken where there is some: its node may be found good again");
}

#[test]
fn receipts_of_what_is_settled_make_room() {
    let mut case = Case::under(1);
    let root = case.founding();
    let (first, second) = (case.write(1, 0, 1, &[root]), case.write(1, 1, 1, &[root]));
    let (document, from, head, owner) = (case.story.document, world().bureaus[1].id, case.story.head(), world().owner());
    let receipt = |tips: &[ChangeHash], n: u64| {
        let (tips, at, certificate) = (ascending(tips.iter().copied()), START.plus(n), owner.node.id);
        verified(NodeReceipt { document, from, head, tips, at, certificate }, &[owner.node.seed])
    };
    for n in 0..limits::NODE_RECEIPTS_OF_ONE_MAX as u64 {
        assert!(case.state.learn_receipt(&world().directory, &receipt(&[first], n)));
    }
    let learn = |case: &mut Case, tips: &[ChangeHash], n| case.state.learn_receipt(&world().directory, &receipt(tips, n));
    assert!(!learn(&mut case, &[second], 9_000), "full");
    case.anchor(&[first]);
    assert!(learn(&mut case, &[second], 9_000), "those of what is settled make room");
    assert!(learn(&mut case, &[first], 9_001) && learn(&mut case, &[first, second], 9_002));
    let tips = case.state.receipt_tips(&world().directory, &[first, second].into());
    assert_eq!(tips, [second].into(), "what is settled needs no receipt");
}

#[test]
fn a_receipt_names_the_newest_of_what_counts_of_other_bureaus_writers() {
    let mut case = Case::under(1);
    let root = case.founding();
    let ours = case.write(0, 1, 1, &[root]);
    let first = case.write(1, 0, 1, &[root]);
    let second = case.write(1, 0, 1, &[first]);
    let held = case.write(2, 0, 1, &[root]);
    assert!(!case.admits(held));
    let tips = |changes: &[ChangeHash]| case.state.receipt_tips(&world().directory, &changes.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(tips(&[root, ours, first, second, held]), [second].into());
    assert_eq!((tips(&[first]), tips(&[root, ours, held])), ([first].into(), BTreeSet::new()));
    let partner = &world().bureaus[1];
    let (target, issuer) = (RevocationTarget::Certificate(partner.officers[0].id), Issuer::Root(partner.root));
    let body = Revocation { bureau: partner.id, target, class: RevocationClass::Retired, at: START, issuer };
    let mut directory = world().directory.clone();
    directory.learn_bytes(&verified(body, &[20]).sealed().to_bytes()).expect("its root seals it");
    let revoked = case.state.receipt_tips(&directory, &[first, second].into());
    assert!(revoked.is_empty(), "a writer that was revoked");
}
