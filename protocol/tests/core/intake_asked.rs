//! What is asked of a document: who wrote how much of it, what stands where, what remains to be computed; and what its store gives back.

use accord_protocol::access::log::{Kind, RecordKind, Subject};
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::Verb;
use accord_protocol::content::Content;
use accord_protocol::id::{Digest, DocumentId, Nonce, RecordId};
use accord_protocol::intake::{DocState, Intake, Item};
use accord_protocol::rules::{self, ChangeHash};
use accord_protocol::segment::{self, Tip};

use crate::admission::Case;
use crate::documents::check;
use crate::world::{Member, START, key, life, network, world};

/// What cuts leave standing up to a change of its writer's.
fn line(case: &Case, change: ChangeHash) -> accord_protocol::access::log::FrontierLine {
    let step = case.story.steps.iter().find(|step| step.change == change).expect("written");
    accord_protocol::access::log::FrontierLine { actor: step.actor, position: step.n, attestation: step.attestation }
}

/// Notes the segment of one change as stored under a sequence.
fn keep(case: &mut Case, seq: u64, change: ChangeHash) {
    let step = case.story.steps.iter().find(|step| step.change == change).expect("written");
    let segment = case.story.segment(&[step], 0);
    case.state.keep_segment(seq, &segment);
}

fn of_every_kind() -> [Item; 5] {
    let bytes = || vec![9, 8, 7];
    [Item::Genesis(bytes()), Item::Record(bytes()), Item::Segment(bytes()), Item::Opening(bytes()), Item::Receipt(bytes())]
}

#[test]
fn an_item_of_every_kind_reads_back_with_the_time_it_was_learnt() {
    for (at, item) in of_every_kind().into_iter().enumerate() {
        let stored = item.to_stored(START.plus(5));
        assert_eq!(usize::from(stored[0]), at + 3, "{item:?}: what lies on disks");
        assert_eq!(Item::learnt(&stored), Some(START.plus(5)), "{item:?}");
        assert_eq!(Item::from_bytes(&stored).as_ref(), Some(&item));
        assert_eq!(Item::from_bytes(&stored[..8]), None, "{item:?}: cut short");
        assert_eq!(Item::learnt(&stored[..8]), None, "{item:?}: cut short");
    }
}

#[test]
fn what_the_first_version_of_the_store_kept_reads_back_without_a_time() {
    let bytes = vec![1; 12];
    let [genesis, record, segment] = [0u8, 1, 2].map(|tag| {
        let stored: Vec<u8> = std::iter::once(tag).chain(bytes.iter().copied()).collect();
        assert_eq!(Item::learnt(&stored), None);
        Item::from_bytes(&stored)
    });
    assert_eq!(genesis, Some(Item::Genesis(bytes.clone())));
    assert_eq!(record, Some(Item::Record(bytes.clone())));
    assert_eq!(segment, Some(Item::Segment(bytes)));
}

#[test]
fn an_item_of_a_kind_nobody_knows_is_not_read() {
    for tag in 8..=u8::MAX {
        assert_eq!(Item::from_bytes(&[tag; 20]), None, "tag {tag}");
    }
    assert_eq!((Item::from_bytes(&[]), Item::learnt(&[])), (None, None));
}

#[test]
fn all_changes_of_a_bureau_are_counted_those_that_are_held_too() {
    let mut case = Case::under(2);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    case.write(1, 0, 1, &[first]);
    case.write(1, 1, 1, &[root]);
    for n in 1..=4 {
        case.write(2, 0, n, &[root]);
    }
    assert_eq!(case.state.held(), 4, "the third bureau may not write");
    let counts = case.world.bureaus.each_ref().map(|bureau| case.state.changes_of(&bureau.id));
    assert_eq!(counts, [1, 3, 4]);
}

#[test]
fn work_of_a_partner_is_unsettled_from_when_it_counts_until_an_anchor_contains_it() {
    let mut case = Case::under(2);
    let root = case.founding();
    case.write(0, 1, 1, &[root]);
    case.write(2, 0, 1, &[root]);
    assert_eq!((case.state.unsettled(), case.state.held()), (1, 1));
    assert!(!case.state.has_unsettled_foreign(), "the owner's own waits for an anchor, and what is held waits for an officer");
    let counts = case.write(1, 0, 1, &[root]);
    assert!(case.state.has_unsettled_foreign());
    case.anchor(&[counts]);
    assert!(!case.state.has_unsettled_foreign());
}

#[test]
fn a_bureau_has_written_here_once_something_of_it_counts() {
    let mut case = Case::under(2);
    let root = case.founding();
    case.write(0, 1, 1, &[root]);
    assert!(!case.state.has_foreign(), "the owner alone");
    case.write(2, 0, 1, &[root]);
    assert!(!case.state.has_foreign(), "what is held does not count");
    case.write(1, 0, 1, &[root]);
    assert!(case.state.has_foreign());
}

#[test]
fn what_a_document_was_founded_with_is_what_its_admitted_founding_says() {
    let genesis = world().genesis_under(Kind::Case, &[(1, Verb::Append)], 2);
    let document = DocumentId(genesis.id().0);
    let directory = &world().directory;
    let founder: Member = world().owner().officers[0];
    let founding = |title: &str| {
        let actor = segment::actor_id(&founder.id, &document, &life(founder, 0));
        let act = Act { title: title.to_owned(), ..Act::new(Nonce([1; 16]), ActKind::Open, START) };
        let (_, raw) = Content::found(actor, &[act.to_bytes()], "text").expect("founds");
        let hash = rules::parse(&raw).expect("ours").hash();
        let (signer, tip) = (key(founder.seed), Tip { n: 0, attestation: Digest([0; 32]) });
        let (life, cited) = (life(founder, 0), RecordId(document.0));
        let sealed = segment::seal_changes(&network(), &signer, document, founder.id, life, tip, vec![raw], &[hash], cited).expect("seals");
        (hash, check(sealed))
    };
    let (_, one) = founding("one");
    let (second, two) = founding("two");
    let mut state = DocState::new(directory, genesis).expect("stands");
    let title = |state: &DocState| state.opening().map(|act| act.title);
    assert_eq!(title(&state), None, "nothing came yet");
    assert_eq!(state.learn_segment(directory, one), Intake::New);
    assert_eq!(title(&state).as_deref(), Some("one"));
    assert_eq!(state.learn_segment(directory, two), Intake::New);
    assert_eq!((state.admitted().len(), title(&state)), (0, None), "it was founded twice, and neither counts by itself");
    let adopt = world().record(document, 1, RecordId(document.0), RecordKind::Adopt("demo 1".to_owned(), vec![second]));
    state.learn_record(directory, adopt).expect("stands");
    assert_eq!(title(&state).as_deref(), Some("two"), "the anchor chose");
}

#[test]
fn the_oldest_record_a_bureau_cites_is_of_its_own_work_and_of_what_was_stored_by_then() {
    let mut case = Case::under(2);
    let root = case.founding();
    let early = case.write(1, 0, 1, &[root]);
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    let late = case.write(1, 1, 1, &[early]);
    let third = case.write(2, 0, 1, &[root]);
    for (seq, change) in [(1, root), (2, late), (3, third), (4, early)] {
        keep(&mut case, seq, change);
    }
    let [owner, partner, other] = case.world.bureaus.each_ref().map(|bureau| bureau.id);
    let first = |bureau, until| case.state.first_cited_by(&bureau, until);
    assert_eq!((first(owner, 4), first(partner, 4), first(other, 4)), (Some(0), Some(1), Some(2)));
    assert_eq!((first(partner, 3), first(partner, 2), first(partner, 1)), (Some(2), Some(2), None), "what came later is not asked");
}

#[test]
fn a_strict_frontier_ends_at_what_is_settled_and_another_at_what_counts() {
    let mut case = Case::under(2);
    let root = case.founding();
    let settled = case.write(1, 0, 1, &[root]);
    case.anchor(&[settled]);
    let counts = case.write(1, 0, 1, &[settled]);
    let unsettled = case.write(1, 1, 1, &[settled]);
    let held = case.write(2, 0, 1, &[settled]);
    assert!(!case.admits(held));
    let partners = case.world.bureaus[1].officers.map(|officer| officer.id);
    let frontier = |strict| {
        let mut lines = case.state.frontier_of(strict, |certificate| partners.contains(certificate));
        lines.sort();
        lines
    };
    assert_eq!(frontier(true), [line(&case, settled)]);
    let mut both = [line(&case, counts), line(&case, unsettled)];
    both.sort();
    assert_eq!(frontier(false), both);
    assert_eq!(case.state.frontier_of(false, |_| true).len(), 3, "the founder's too, and nobody's whose work is held");
}

#[test]
fn a_life_cut_right_behind_its_newest_change_cannot_go_on_although_all_of_it_counts() {
    let mut case = Case::under(2);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let newest = case.write(1, 0, 1, &[first]);
    let owners = case.write(0, 1, 1, &[root]);
    let (theirs, ours) = (case.world.bureaus[1].officers[0], case.world.bureaus[0].officers[1]);
    let tip = |case: &Case, member: Member| case.state.writing_tip(&member.id, &life(member, 1)).map(|tip| tip.n);
    assert_eq!((tip(&case, theirs), tip(&case, ours)), (Some(2), Some(1)));
    assert_eq!(case.state.unsettled_writers().len(), 2);
    let (partner, frontier) = (case.world.bureaus[1].id, vec![line(&case, newest)]);
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], frontier, false));
    assert!(case.admits(newest) && case.admits(owners));
    assert_eq!((tip(&case, theirs), tip(&case, ours)), (None, Some(1)));
    assert_eq!(case.state.living(&theirs.id, 0), None);
    let writers: Vec<_> = case.state.unsettled_writers().into_values().collect();
    assert_eq!(writers, [(ours.id, case.world.bureaus[0].id)], "whoever is cut already writes no more");
}

#[test]
fn a_life_is_gone_on_with_if_it_began_after_a_given_item() {
    let mut case = Case::under(2);
    let root = case.founding();
    let member = case.world.bureaus[1].officers[0];
    let old = case.write(1, 0, 1, &[root]);
    let other = case.write(1, 1, 1, &[root]);
    let new = case.write(1, 0, 2, &[old]);
    let newer = case.write(1, 0, 1, &[old]);
    for (seq, change) in [(5, old), (7, other), (9, new), (11, newer)] {
        keep(&mut case, seq, change);
    }
    let living = |after| case.state.living(&member.id, after);
    assert!(living(0).is_some() && living(4).is_some());
    for after in [5, 6, 8] {
        assert_eq!(living(after), Some(life(member, 2)), "after {after}");
    }
    assert_eq!((living(9), living(10), living(11)), (None, None, None), "only how a life began counts");
    let colleague = case.world.bureaus[1].officers[1];
    assert_eq!(case.state.living(&colleague.id, 6), Some(life(colleague, 1)));
    assert_eq!(case.state.living(&case.world.bureaus[2].officers[0].id, 0), None, "it never wrote");
}

#[test]
fn what_is_to_be_computed_to_read_a_document_is_what_counts_and_was_not_computed_yet() {
    let mut case = Case::under(2);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let second = case.write(0, 1, 1, &[first]);
    assert_eq!(case.state.content_debt(), Some(3), "all of it");
    let text = case.state.text().expect("shows");
    assert_eq!(case.state.content_debt(), Some(0));
    case.anchor(&[second]);
    assert_eq!(case.state.content_debt(), Some(0), "what was settled is shown already");
    let third = case.write(1, 0, 1, &[second]);
    case.write(1, 1, 1, &[third]);
    case.write(2, 0, 1, &[third]);
    assert_eq!(case.state.content_debt(), Some(2), "what is held is not shown");
    // Taken out and given back as it is with a local edit that was taken in.
    let content = case.state.take_content().expect("shows");
    assert_eq!(case.state.content_debt(), Some(5));
    case.state.set_content(content);
    assert_eq!(case.state.content_debt(), Some(0));
    // Elsewhere.
    drop(case.state.take_content().expect("shows"));
    let job = case.state.content_job();
    assert_eq!(case.state.content_debt(), None, "it is out");
    case.state.content_done(job.run()).expect("shows");
    assert_eq!(case.state.content_debt(), Some(0));
    assert_eq!(case.state.text().expect("shows"), text);
}

#[test]
fn a_record_that_settles_nothing_leaves_what_is_shown_as_it_is_beside_a_fork_too() {
    let mut case = Case::under(2);
    let root = case.founding();
    let other = case.write(0, 1, 1, &[root]);
    let left = case.write(1, 0, 1, &[root]);
    let right = case.write(1, 0, 1, &[root, other]);
    assert!(!case.admits(left) && !case.admits(right), "signed twice");
    case.state.text().expect("shows");
    assert_eq!(case.state.content_debt(), Some(0));
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    assert_eq!(case.state.content_debt(), Some(0));
}
