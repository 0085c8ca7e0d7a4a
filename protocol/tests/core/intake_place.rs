//! Where segments find their places: what waits and how much of it, where a writer's fork begins, and why something is held.

use accord_protocol::access::log::{RecordError, RecordKind, Subject};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{Bytes, Digest, RecordId};
use accord_protocol::intake::{DocState, Held, Intake, Missing, Standing};
use accord_protocol::rules::ChangeHash;
use accord_protocol::segment::{self, CheckedSegment, Tip};

use crate::admission::Case;
use crate::world::{key, life, network};

/// As many segments as are kept aside while something before them is missing.
const WAITING_MAX: usize = 256;

/// The signed run over these changes; the last `links` of them without content.
fn run(case: &Case, changes: &[ChangeHash], links: usize) -> CheckedSegment {
    let step = |change: &ChangeHash| case.story.steps.iter().find(|step| step.change == *change).expect("written");
    case.story.segment(&changes.iter().map(step).collect::<Vec<_>>(), links)
}

/// The document with its records alone.
fn bare(case: &Case) -> DocState {
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    for record in &case.story.records {
        state.learn_record(&case.world.directory, record.clone()).expect("in order");
    }
    state
}

/// A change of the second bureau's first officer, attested behind this tip under this record.
fn attested(case: &Case, change: ChangeHash, tip: Tip, cited: RecordId) -> CheckedSegment {
    let member = case.world.bureaus[1].officers[0];
    let (signer, raw) = (key(member.seed), vec![case.story.raw[&change].clone()]);
    let (document, life) = (case.story.document, life(member, 1));
    let sealed = segment::seal_changes(&network(), &signer, document, member.id, life, tip, raw, &[change], cited).expect("signs");
    crate::documents::check(sealed)
}

#[test]
fn so_many_segments_wait_each_once_and_no_more() {
    let mut case = Case::under(1);
    let first = case.write(1, 0, 1, &[case.founding()]);
    let second = case.write(1, 0, 1, &[first]);
    let mut state = bare(&case);
    let waits = |n: u16| {
        let mut before = [7; 32];
        before[..2].copy_from_slice(&n.to_be_bytes());
        attested(&case, second, Tip { n: 1, attestation: Digest(before) }, case.story.head())
    };
    let mut learn = |n: usize| {
        let outcome = state.learn_segment(&case.world.directory, waits(u16::try_from(n).expect("few")));
        assert_eq!(outcome, Intake::Waiting);
        state.missing().segments
    };
    assert_eq!((learn(0), learn(0)), (1, 1), "the same again is one");
    for n in 1..WAITING_MAX {
        assert_eq!(learn(n), n + 1);
    }
    assert_eq!(learn(WAITING_MAX), WAITING_MAX, "one more is dropped, and asked for again");
}

#[test]
fn a_further_attestation_lets_in_what_cites_no_older_record_than_it() {
    let mut case = Case::under(1);
    let (root, early) = (case.founding(), case.story.head());
    case.anchor(&[root]);
    let twice = case.write(1, 0, 1, &[root]);
    case.anchor(&[twice]);
    let colleague = case.world.owner().officers[1];
    let on_top = case.story.write(colleague, life(colleague, 1), [twice].into(), early, 2).expect("writes");
    case.deliver();
    assert!(case.admits(twice) && !case.admits(on_top), "it cites an older record than what it builds on");
    let start = Tip { n: 0, attestation: Digest([0; 32]) };
    let again = attested(&case, twice, start, RecordId(case.story.records[2].id().0));
    assert_eq!(case.state.learn_segment(&case.world.directory, again), Intake::New, "signed twice");
    assert!(case.admits(twice) && !case.admits(on_top));
    let third = attested(&case, twice, start, early);
    assert_eq!(case.state.learn_segment(&case.world.directory, third.clone()), Intake::New);
    assert!(case.admits(on_top), "what it builds on was attested under the same record");
    assert_eq!(case.state.learn_segment(&case.world.directory, third), Intake::Known);
}

#[test]
fn content_that_comes_after_the_proof_of_a_fork_is_decided_by_the_earlier_anchor() {
    let mut case = Case::under(1);
    let root = case.founding();
    let common = case.write(1, 0, 1, &[root]);
    let left = case.write(1, 0, 1, &[common]);
    let right = case.write(1, 0, 1, &[common]);
    case.anchor(&[right]);
    case.anchor(&[left]);
    let mut state = bare(&case);
    let mut learn = |segment| {
        state.learn_segment(&case.world.directory, segment);
        state.admitted().clone()
    };
    for change in [root, common, left] {
        assert!(learn(run(&case, &[change], 0)).contains(&change));
    }
    let proven = learn(run(&case, &[common, right], 1));
    assert!(proven.contains(&left), "one anchor's choice is not here yet");
    let decided = learn(run(&case, &[right], 0));
    assert!(decided.contains(&right) && !decided.contains(&left));
    assert_eq!(&decided, case.state.admitted());
}

#[test]
fn a_writers_fork_begins_where_it_first_signed_twice() {
    let mut case = Case::under(1);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let second = case.write(1, 0, 1, &[first]);
    case.write(1, 0, 1, &[second]);
    let forks = |case: &Case| case.state.forked_actors().into_iter().map(|(_, _, at)| at).collect::<Vec<_>>();
    assert!(forks(&case).is_empty());
    case.write(1, 0, 1, &[first]);
    assert_eq!(forks(&case), [2]);
    case.write(1, 0, 1, &[second]);
    assert_eq!(forks(&case), [2], "a later one changes nothing");
    assert!(case.admits(first) && !case.admits(second));
    case.write(1, 0, 1, &[root]);
    assert_eq!(forks(&case), [1], "an earlier one takes more");
    assert!(!case.admits(first) && case.admits(root));
}

#[test]
fn what_is_signed_further_on_behind_a_fork_is_not_asked_for() {
    let mut case = Case::under(1);
    let root = case.founding();
    let first = case.write(1, 0, 1, &[root]);
    let one = case.write(1, 0, 1, &[first]);
    let other = case.write(1, 0, 1, &[first]);
    let unknown = case.write(0, 1, 1, &[root]);
    let further = case.write(1, 0, 1, &[other, unknown]);
    let mut state = bare(&case);
    let mut learn = |changes: &[ChangeHash]| state.learn_segment(&case.world.directory, run(&case, changes, 0));
    for change in [root, first, one] {
        assert_eq!(learn(&[change]), Intake::New);
    }
    assert_eq!(learn(&[further]), Intake::Waiting, "what its writer signed before it is missing");
    assert_eq!(learn(&[other, further]), Intake::Known, "it counts for nothing, with or without what it rests on");
    assert_eq!(state.take_fresh().len(), 1, "and is kept as a proof");
}

#[test]
fn what_is_named_and_not_here_is_counted_until_it_comes() {
    let mut case = Case::under(1);
    let root = case.founding();
    let note = case.write(1, 0, 1, &[root]);
    case.anchor(&[note]);
    case.anchor(&[root]);
    assert!(case.state.missing().is_empty());
    let directory = &case.world.directory;
    let mut state = DocState::new(directory, case.story.genesis.clone()).expect("stands");
    assert!(state.missing().is_empty());
    state.learn_record(directory, case.story.records[0].clone()).expect("stands");
    assert_eq!(state.missing(), Missing { tips: [root].into(), ..Missing::default() });
    assert!(!state.missing().is_empty());
    assert!(matches!(state.learn_record(directory, case.story.records[2].clone()), Err(RecordError::Waiting(_))));
    state.learn_segment(directory, run(&case, &[note], 0));
    assert_eq!(state.missing(), Missing { segments: 1, records: 1, tips: [root].into() });
    state.learn_record(directory, case.story.records[1].clone()).expect("stands");
    assert_eq!(state.missing(), Missing { segments: 1, records: 0, tips: [root, note].into() });
    state.learn_segment(directory, run(&case, &[root], 0));
    assert!(state.missing().is_empty());
}

#[test]
fn every_held_change_says_why() {
    let mut case = Case::under(1);
    let root = case.founding();
    let settled = case.write(1, 1, 1, &[root]);
    case.anchor(&[settled]);
    let common = case.write(1, 0, 1, &[settled]);
    let one = case.write(1, 0, 1, &[common]);
    let other = case.write(1, 0, 1, &[common]);
    let after = case.write(1, 0, 1, &[one]);
    let stranger = case.write(2, 0, 1, &[settled]);
    let on_top = case.write(0, 1, 1, &[stranger]);
    let cut = {
        let partner = case.world.bureaus[1].id;
        case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false))
    };
    let standings = case.state.standings();
    let of = |change| standings.iter().find(|standing| standing.change == change).expect("well formed").clone();
    let held = |change| of(change).held;
    assert_eq!((held(root), held(settled)), (None, None));
    assert_eq!(held(common), Some(Held::Cut(cut)), "it stands before the fork");
    for change in [one, other, after] {
        assert_eq!(held(change), Some(Held::Fork));
    }
    assert_eq!((held(stranger), held(on_top)), (Some(Held::Right), Some(Held::Dependency)));
    let writer = case.world.bureaus[1].officers[1];
    let expected = Standing {
        change: settled,
        actor: case.story.actor(writer, life(writer, 1)),
        certificate: writer.id,
        position: 1,
        cited: RecordId(case.story.records[0].id().0),
        settled_by: Some(RecordId(case.story.records[1].id().0)),
        held: None,
    };
    assert_eq!(of(settled), expected);
}

#[test]
fn who_wrote_here_wrote_from_the_lowest_record_that_settled_it_in_whatever_order_things_come() {
    let mut case = Case::under(2);
    let root = case.founding();
    let note = case.write(1, 0, 1, &[root]);
    let fork = case.story.head();
    // The log branches, and goes on with the branch that did not settle the note.
    let left = case.story.push_record(case.world, 1, fork, RecordKind::Anchor(vec![note]));
    let with = case.story.push_record(case.world, 1, fork, RecordKind::Anchor(vec![root]));
    let mut heads = vec![left, with];
    heads.sort();
    case.story.push_record(case.world, 2, with, RecordKind::Continue(heads, false, Bytes(Vec::new())));
    case.deliver();
    case.anchor(&[note]);
    assert!(case.state.log().get(&case.story.head()).is_some_and(|entry| entry.index == 4));
    assert_eq!(case.state.first_anchor(&note), Some(case.story.head()), "of the branch the log went on with");
    let expected = [(case.world.bureaus[1].id, 2)].into();
    assert_eq!(case.state.contributors(), &expected);
    for changes in [[root, note], [note, root]] {
        let mut state = bare(&case);
        for change in changes {
            state.learn_segment(&case.world.directory, run(&case, &[change], 0));
        }
        assert_eq!(state.contributors(), &expected, "content last");
    }
}
