//! What is held and since when, what an officer may let in at once, who may write on; and records that come before the one they follow.

use std::collections::BTreeSet;

use accord_protocol::access::log::{EndKind, Learned, RecordError, RecordKind, Subject};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{Bytes, RecordId};
use accord_protocol::intake::{DocState, Held};
use accord_protocol::rules::ChangeHash;

use crate::admission::Case;
use crate::world::{life, world};

/// Since which record a change is held, and why.
fn held(case: &Case, change: ChangeHash) -> (Option<RecordId>, Held) {
    let act = case.state.held_acts().into_iter().find(|act| act.change == change).expect("held");
    (act.since, act.why)
}

#[test]
fn what_is_held_is_held_since_the_first_record_that_takes_it_out() {
    let mut case = Case::under(2);
    let root = case.founding();
    let (one, other) = (case.write(1, 0, 1, &[root]), case.write(1, 1, 1, &[root]));
    let stranger = case.write(2, 0, 1, &[root]);
    assert_eq!(held(&case, stranger), (None, Held::Right), "no record took it out: it never had the right");
    let ours = case.write(0, 1, 1, &[root]);
    let (officer, partner) = (case.world.bureaus[1].officers[0].id, case.world.bureaus[1].id);
    let first = case.record(|world, document| world.cut(document, Subject::Certificate(officer), &[Verb::Append], Vec::new(), false));
    let second = case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false));
    assert_eq!(held(&case, one), (Some(first), Held::Cut(first)));
    assert_eq!(held(&case, other), (Some(second), Held::Cut(second)));
    assert!(case.admits(ours));
    let end = case.record(|_, _| RecordKind::End(EndKind::Retention, Bytes(Vec::new())));
    assert_eq!(held(&case, ours), (Some(end), Held::Ended));
    assert_eq!(held(&case, one).0, Some(first), "it was out before the end");
}

#[test]
fn what_stands_before_a_fork_may_be_let_in_and_what_was_signed_twice_may_not() {
    let mut case = Case::under(2);
    let root = case.founding();
    let common = case.write(1, 0, 1, &[root]);
    let first = case.write(1, 1, 1, &[root]);
    let newest = case.write(1, 1, 1, &[first]);
    let other = case.write(0, 1, 1, &[root]);
    let partner = case.world.bureaus[1].id;
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false));
    assert_eq!(case.state.held_tips(), [common, newest].into());
    let left = case.write(1, 0, 1, &[common]);
    assert_eq!(case.state.held_tips(), [left, newest].into(), "nothing was signed twice yet");
    let right = case.write(1, 0, 1, &[common, other]);
    let on_right = case.write(0, 1, 2, &[right]);
    assert_eq!(case.state.held(), 6, "{left:?}, {right:?} and {on_right:?} too");
    assert_eq!(case.state.held_tips(), [common, newest].into());
}

#[test]
fn of_some_changes_the_tips_are_those_in_nobody_elses_past() {
    let mut case = Case::under(2);
    let root = case.founding();
    let older = case.write(1, 0, 1, &[root]);
    let between = case.write(1, 1, 1, &[older]);
    let newer = case.write(0, 1, 1, &[between]);
    let beside = case.write(1, 0, 2, &[root]);
    let before = |one, other| case.state.is_before(&one, &other);
    assert!(before(older, newer) && before(older, older) && before(root, beside));
    assert!(!before(newer, older) && !before(older, beside) && !before(beside, newer));
    assert!(!before(ChangeHash([7; 32]), newer), "it is not here");
    let tips = |changes: &[ChangeHash]| case.state.tips_of(&changes.iter().copied().collect());
    assert_eq!(tips(&[root, older, newer, beside]), [newer, beside].into(), "whether or not what is between them is among them");
    assert_eq!(tips(&[older]), [older].into());
    assert_eq!(tips(&[]), BTreeSet::new());
}

#[test]
fn who_wrote_what_no_anchor_contains_is_named_and_nobody_whose_work_is_held_or_settled() {
    let mut case = Case::under(2);
    let root = case.founding();
    let settled = case.write(1, 0, 1, &[root]);
    case.anchor(&[settled]);
    assert!(case.state.unsettled_writers().is_empty());
    case.write(1, 1, 1, &[settled]);
    case.write(2, 0, 1, &[settled]);
    let writers: Vec<_> = case.state.unsettled_writers().into_values().collect();
    assert_eq!(writers, [(case.world.bureaus[1].officers[1].id, case.world.bureaus[1].id)]);
}

#[test]
fn a_cut_that_waited_for_the_record_before_it_takes_out_what_counted_meanwhile() {
    let mut case = Case::under(2);
    let (root, member) = (case.founding(), case.world.bureaus[1].officers[0]);
    let genesis = RecordId(case.story.document.0);
    let early = case.story.write(member, life(member, 1), [root].into(), genesis, 2).expect("writes");
    let partner = case.world.bureaus[1].id;
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), false));
    let (directory, records) = (&case.world.directory, &case.story.records);
    let mut state = DocState::new(directory, case.story.genesis.clone()).expect("stands");
    state.learn_segments(directory, case.story.single_segments());
    assert!(state.admitted().contains(&early), "the audience of the genesis lets it write");
    assert!(matches!(state.learn_record(directory, records[1].clone()), Err(RecordError::Waiting(_))));
    assert!(state.admitted().contains(&early));
    assert_eq!(state.learn_record(directory, records[0].clone()).expect("stands"), Learned::TakesAway);
    assert_eq!((state.admitted(), state.entry()), (case.state.admitted(), case.state.entry()));
    assert!(!state.admitted().contains(&early));
}

#[test]
fn so_many_records_wait_for_the_one_before_them_and_no_more() {
    let case = Case::under(2);
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    for n in 1..=258u16 {
        let mut previous = [0xee; 32];
        previous[..2].copy_from_slice(&n.to_be_bytes());
        let kind = RecordKind::Anchor(vec![case.founding()]);
        let record = world().record(case.story.document, 7, RecordId(previous), kind);
        assert!(matches!(state.learn_record(&case.world.directory, record), Err(RecordError::Waiting(_))));
        assert_eq!(state.missing().records, usize::from(n).min(256));
    }
}

#[test]
fn of_anchors_on_two_branches_of_a_log_the_lower_stands_whichever_came_first() {
    let mut case = Case::under(2);
    let (root, adopt) = (case.founding(), case.story.head());
    let other = case.write(0, 1, 1, &[root]);
    let left = case.write(1, 0, 1, &[root]);
    let right = case.write(1, 0, 1, &[root, other]);
    let mut push = |index, previous, tips: &[ChangeHash]| {
        let kind = RecordKind::Anchor(crate::world::ascending(tips.iter().copied()));
        case.story.push_record(case.world, index, previous, kind)
    };
    let short = push(1, adopt, &[root]);
    let long = push(1, adopt, &[other]);
    let longer = push(2, long, &[other]);
    push(3, longer, &[left]);
    case.deliver();
    assert!(case.state.log().is_forked());
    assert!(case.admits(left) && !case.admits(right), "the one anchor there is");
    let tips = vec![right];
    case.story.push_record(case.world, 2, short, RecordKind::Anchor(tips));
    case.deliver();
    assert!(case.admits(right) && !case.admits(left), "a lower one came");
    // In another order of arrival.
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    for at in [0, 1, 5, 2, 3, 4] {
        state.learn_record(&case.world.directory, case.story.records[at].clone()).expect("what it follows is here");
    }
    state.learn_segments(&case.world.directory, case.story.single_segments());
    assert_eq!((state.admitted(), state.entry()), (case.state.admitted(), case.state.entry()));
}
