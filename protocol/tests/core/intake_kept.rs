//! What is stored of a document and what of it travels: whole, cut back, as the proof of a fork, or as the store gave it.

use std::collections::BTreeSet;
use std::sync::Arc;

use accord_protocol::access::log::Subject;
use accord_protocol::agreement::Verb;
use accord_protocol::id::{CertificateId, Digest, DocumentId, RecordId};
use accord_protocol::intake::{DocState, Item, Part, Sendable, Stored};
use accord_protocol::rules::ChangeHash;
use accord_protocol::segment::{self, CheckedSegment, Tip};

use crate::admission::Case;
use crate::world::{START, key, life, network};

/// The signed run over these changes; the last `links` of them without content.
fn run(case: &Case, changes: &[ChangeHash], links: usize) -> CheckedSegment {
    let step = |change: &ChangeHash| case.story.steps.iter().find(|step| step.change == *change).expect("written");
    case.story.segment(&changes.iter().map(step).collect::<Vec<_>>(), links)
}

fn cut_partner(case: &mut Case) {
    let partner = case.world.bureaus[1].id;
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false));
}

/// Sequences of what travels.
fn sequences(items: Vec<(u64, Item)>) -> Vec<u64> {
    items.into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn what_was_stored_after_a_sequence_leaves_out_what_bears_it() {
    let mut case = Case::under(1);
    let root = case.founding();
    let note = case.write(1, 0, 1, &[root]);
    case.state.keep_statement(1, Item::Genesis(case.story.genesis.sealed().to_bytes()));
    case.state.keep_segment(2, &run(&case, &[root], 0));
    case.state.keep_segment(3, &run(&case, &[note], 0));
    for all in [false, true] {
        assert_eq!(sequences(case.state.items_after(0, all)), [1, 2, 3]);
        assert_eq!(sequences(case.state.items_after(1, all)), [2, 3]);
        assert_eq!(sequences(case.state.items_after(2, all)), [3]);
        assert!(case.state.items_after(3, all).is_empty());
    }
}

/// A writer who forked at its second position and whose first is held by a cut; nothing of it is admitted.
fn forked() -> (Case, [ChangeHash; 3]) {
    let mut case = Case::under(1);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let one = case.write(1, 0, 1, &[first]);
    let other = case.write(1, 0, 1, &[first]);
    cut_partner(&mut case);
    for change in [first, one, other] {
        assert!(!case.admits(change));
    }
    (case, [first, one, other])
}

#[test]
fn the_proof_of_a_fork_travels_though_nothing_of_it_counts_and_what_proves_nothing_does_not() {
    let (mut case, [first, one, other]) = forked();
    case.state.keep_segment(1, &run(&case, &[first], 0));
    case.state.keep_segment(2, &run(&case, &[first, one], 1));
    case.state.keep_segment(3, &run(&case, &[other], 0));
    let parts = case.state.parts_after(0, false);
    assert_eq!(parts.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3], "what ends before the fork is no proof");
    let Part::Segment(proof) = &parts[0].1 else { panic!("a segment") };
    assert_eq!((proof.changes.len(), proof.links.len()), (1, 1), "the proof goes whole");
    assert_eq!(sequences(case.state.items_after(0, true)), [1, 2, 3]);
}

#[test]
fn a_forked_writers_certificate_travels_with_the_proof_and_a_held_ones_with_held_work_alone() {
    let (mut case, [first, ..]) = forked();
    let held = case.write(1, 1, 1, &[case.founding()]);
    assert!(!case.admits(held) && !case.admits(first));
    let [forked, quiet] = case.world.bureaus[1].officers.map(|officer| officer.id);
    let (some, all) = (case.state.certificates(false), case.state.certificates(true));
    assert!(some.contains(&forked) && all.contains(&forked));
    assert!(!some.contains(&quiet), "nothing of it travels");
    assert!(all.contains(&quiet));
}

#[test]
fn a_bureau_offers_the_owner_what_is_held_of_its_own_writers_and_nothing_else() {
    let mut case = Case::under(1);
    let root = case.founding();
    let settled = case.write(1, 0, 1, &[root]);
    case.anchor(&[settled]);
    let late = case.write(1, 0, 1, &[settled]);
    let on_top = case.write(0, 1, 1, &[late]);
    cut_partner(&mut case);
    assert!(case.admits(settled) && !case.admits(late) && !case.admits(on_top));
    for (seq, change) in (1..).zip([root, settled, late, on_top]) {
        case.state.keep_segment(seq, &run(&case, &[change], 0));
    }
    let sequences =
        |bureau: usize| -> Vec<u64> { case.state.held_by(&case.world.bureaus[bureau].id).into_iter().map(|(seq, _)| seq).collect() };
    assert_eq!((sequences(0), sequences(1), sequences(2)), (vec![4], vec![3], Vec::new()));
}

#[test]
fn segments_are_kept_when_every_attestation_has_its_place_and_all_content_is_stored() {
    let mut case = Case::under(1);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let second = case.write(1, 0, 1, &[first]);
    let keeps = |case: &Case, segment: &CheckedSegment| case.state.keeps(&[Arc::new(segment.clone())]);
    let (whole, short) = (run(&case, &[first, second], 0), run(&case, &[first, second], 1));
    assert!(!keeps(&case, &whole) && !keeps(&case, &short), "taken in, and nothing is stored");
    case.state.keep_segment(1, &run(&case, &[first], 0));
    assert!(!keeps(&case, &whole), "half of it is stored");
    assert!(keeps(&case, &short), "what has no content needs none stored");
    case.state.keep_segment(2, &run(&case, &[second], 0));
    assert!(keeps(&case, &whole));
    assert!(!case.state.keeps(&[Arc::new(whole.clone()), Arc::new(run(&case, &[root], 0))]), "each of them must be");

    // The same change under another attestation: its content is stored, and what its writer said of it is not here.
    let again = attested(&case, first, RecordId(case.story.document.0));
    assert!(!keeps(&case, &again));
    let empty = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    assert!(!empty.keeps(&[Arc::new(short)]), "a writer nobody heard of");
}

/// The first officer of the second bureau attests the first change of its life under another record.
fn attested(case: &Case, change: ChangeHash, cited: RecordId) -> CheckedSegment {
    let member = case.world.bureaus[1].officers[0];
    let raw = vec![case.story.raw[&change].clone()];
    let tip = Tip { n: 0, attestation: Digest([0; 32]) };
    let (signer, document) = (key(member.seed), case.story.document);
    let sealed =
        segment::seal_changes(&network(), &signer, document, member.id, life(member, 1), tip, raw, &[change], cited).expect("signs");
    crate::documents::check(sealed)
}

#[test]
fn whoever_got_part_of_a_document_got_the_certificates_behind_that_part() {
    let mut case = Case::under(1);
    let root = case.founding();
    let note = case.write(1, 0, 1, &[root]);
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    cut_partner(&mut case);
    let held = case.write(1, 1, 1, &[root]);
    case.anchor(&[note]);
    assert!(case.admits(note) && !case.admits(held));
    case.state.keep_segment(1, &run(&case, &[note], 0));
    case.state.keep_segment(2, &run(&case, &[held], 0));
    case.state.keep_statement(3, Item::Genesis(case.story.genesis.sealed().to_bytes()));
    for (seq, record) in (4..).zip(case.story.records.clone()) {
        case.state.keep_statement(seq, Item::Record(record.sealed().to_bytes()));
    }
    let newest = case.state.newest_seq();
    let [writer, other] = case.world.bureaus[1].officers.map(|officer| officer.id);
    let (officer, registrar) = (case.world.owner().officers[0].id, case.world.owner().node.id);
    let until = |after, all| case.state.certificates_until(after, all);
    let set = |all: &[CertificateId]| all.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!((until(0, false), until(0, true)), (set(&[]), set(&[])));
    assert_eq!((until(1, false), until(1, true)), (set(&[writer]), set(&[writer])));
    assert_eq!((until(2, false), until(2, true)), (set(&[writer]), set(&[writer, other])), "held work goes where all goes");
    assert_eq!(until(newest - 1, false), set(&[writer]), "one record is missing still");
    assert_eq!(until(newest, false), set(&[writer, officer, registrar]));
    assert_eq!(until(newest, true), case.state.certificates(true));
}

/// Items of a document in the order of their sequence, as they are stored, from 1.
#[expect(clippy::disallowed_methods, reason = "what this test stored itself")]
fn stored(document: DocumentId, items: &[Item]) -> Stored {
    Stored::given(document, (1..).zip(items.iter().map(|item| item.to_stored(START))).collect())
}

/// A case of the owner with a note of a partner's in two runs: its items, and the runs apart.
fn plain() -> (Case, Vec<Item>, [ChangeHash; 3]) {
    let mut case = Case::under(1);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let second = case.write(1, 0, 1, &[first]);
    let third = case.write(1, 0, 1, &[second]);
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    let mut items = vec![Item::Genesis(case.story.genesis.sealed().to_bytes()), Item::Segment(run(&case, &[root], 0).to_bytes())];
    items.extend(case.story.records.iter().map(|record| Item::Record(record.sealed().to_bytes())));
    items.push(Item::Segment(run(&case, &[first, second], 0).to_bytes()));
    items.push(Item::Segment(run(&case, &[third], 0).to_bytes()));
    (case, items, [first, second, third])
}

#[test]
fn a_plain_document_goes_as_it_is_stored_with_whoever_is_behind_it() {
    let (case, items, _) = plain();
    let whole = stored(case.story.document, &items);
    let sendable = Sendable::read(&whole, 4, 6).expect("nothing in it is held back");
    assert_eq!(sendable.newest_seq(), 6);
    assert_eq!(sendable.bytes(), items.iter().map(|item| item.to_stored(START).len()).sum::<usize>());
    for after in 0..=6 {
        let parts: Vec<(u64, Item)> = sendable.parts_after(after).into_iter().map(|(seq, part)| (seq, part.into_item())).collect();
        assert_eq!(parts, (1..).zip(items.clone()).filter(|(seq, _)| *seq > after).collect::<Vec<_>>());
    }
    let (founder, registrar) = (case.world.owner().officers[0].id, case.world.owner().node.id);
    let writer = case.world.bureaus[1].officers[0].id;
    let set = |all: &[CertificateId]| all.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(sendable.certificates(), set(&[founder, registrar, writer]));
    assert_eq!(sendable.certificates_until(1), set(&[]));
    assert_eq!(sendable.certificates_until(2), set(&[founder]), "who wrote what came");
    assert_eq!(sendable.certificates_until(3), set(&[founder]), "a record is missing still");
    assert_eq!(sendable.certificates_until(4), set(&[founder, registrar]));
    assert_eq!(sendable.certificates_until(5), set(&[founder, registrar, writer]));
}

#[test]
fn what_is_not_all_of_a_plain_document_is_not_sent_as_it_is_stored() {
    let (case, items, [first, second, third]) = plain();
    let document = case.story.document;
    let reads = |items: &[Item], changes| Sendable::read(&stored(document, items), changes, items.len() as u64).is_some();
    assert!(reads(&items, 4));
    assert!(!reads(&items, 3) && !reads(&items, 5), "not as many as are admitted");
    for newest in [5, 7] {
        assert!(Sendable::read(&stored(document, &items), 4, newest).is_none(), "not up to the newest item");
    }
    assert!(!reads(&items[1..], 4), "without its genesis");
    let with = |runs: &[CheckedSegment]| -> Vec<Item> {
        items[..4].iter().cloned().chain(runs.iter().map(|run| Item::Segment(run.to_bytes()))).collect()
    };
    let (one, two, three) = (run(&case, &[first], 0), run(&case, &[second], 0), run(&case, &[third], 0));
    assert!(reads(&with(&[three.clone(), one.clone(), two.clone()]), 4), "in whatever order");
    assert!(!reads(&with(&[two.clone(), three.clone()]), 3), "its beginning is missing");
    assert!(!reads(&with(&[one.clone(), three.clone()]), 3), "a gap");
    assert!(!reads(&with(&[one.clone(), two.clone(), two.clone()]), 4), "a position twice");
    assert!(!reads(&with(&[run(&case, &[first, second], 1), two, three]), 4), "a run that was cut back");
    let mut foreign = one.segment().clone();
    foreign.document = DocumentId([9; 32]);
    let mut items = with(&[]);
    items.push(Item::Segment(accord_keys::canon::encode(&foreign)));
    assert!(!reads(&items, 2), "of another document");
    items.pop();
    items.push(Item::Opening(Vec::new()));
    assert!(!reads(&items, 1), "an opening goes to whom it opens for alone");
}

#[test]
fn a_part_says_about_how_many_bytes_it_takes() {
    let (_, items, _) = plain();
    for item in items {
        let bytes = item.bytes().len();
        let part = match item {
            Item::Segment(bytes) => Part::Segment(Arc::new(segment::decode(&bytes).expect("reads"))),
            other => Part::Statement(other),
        };
        let about = part.about_bytes();
        assert!(about >= bytes && about <= bytes + 100, "{about} for {bytes}");
    }
}
