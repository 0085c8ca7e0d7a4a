//! What the index finds, in a document small enough to name every answer.

use std::collections::BTreeSet;

use super::editing::{OWNER, PARTNER};
use super::forge::{Forged, ForgedId, ForgedKey, ForgedOp};
use super::hostile::{ACTS, TEXT, delete, insert, insert_char};
use super::*;

const ONE: ActorId = ActorId([1; 16]);
const TWO: ActorId = ActorId([2; 16]);
const THREE: ActorId = ActorId([3; 16]);

/// The owner's `ONE` founds (counters 1 and 2) and writes two characters (3 and 4) at the same time as the partner's `TWO` writes a character,
/// an act and a character (3 to 5); the partner's `THREE` merges both.
struct Scene {
    index: Index,
    founding: ChangeHash,
    first: ChangeHash,
    second: ChangeHash,
    merge: ChangeHash,
}

fn take(index: &mut Index, forged: &Forged, writer: Group) -> ChangeHash {
    let parsed = parse(&forged.encode()).expect("well formed by its bytes");
    let checked = index.check(&parsed, writer).expect("well formed in its past");
    index.insert(checked);
    parsed.hash()
}

fn both(one: ChangeHash, other: ChangeHash) -> [ChangeHash; 2] {
    if one < other { [one, other] } else { [other, one] }
}

fn char(object: ForgedId, after: Option<ForgedId>) -> ForgedOp {
    insert(object, after.map_or(ForgedKey::Head, ForgedKey::Element), 6, b"z")
}

impl Scene {
    fn new() -> Self {
        let mut index = Index::new(OWNER);
        let make = |name, action| ForgedOp { object: None, key: ForgedKey::Name(name), insert: false, action, ..char((0, 0), None) };
        let make = |name, action| ForgedOp { value_type: 0, value: vec![], ..make(name, action) };
        let founding = Forged::empty(ONE, 1, 1, &[]).op(make("acts", 2)).op(make("text", 4));
        let founding = take(&mut index, &founding, OWNER);
        let first = Forged::empty(ONE, 2, 3, &[founding]).op(char((0, 2), None)).op(char((0, 2), Some((0, 3))));
        let first = take(&mut index, &first, OWNER);
        let second = Forged { others: vec![ONE.0.to_vec()], ..Forged::empty(TWO, 1, 3, &[founding]) };
        let second = second.op(char(TEXT, None)).op(insert(ACTS, ForgedKey::Head, 7, b"act")).op(char(TEXT, Some((0, 3))));
        let second = take(&mut index, &second, PARTNER);
        let merge = take(&mut index, &Forged::empty(THREE, 1, 6, &both(first, second)), PARTNER);
        Self { index, founding, first, second, merge }
    }

    /// What is said of the next change of `THREE`, which lists `ONE` and `TWO` after itself as far as they are named.
    fn next(&self, ops: &[ForgedOp]) -> Result<(), Verdict> {
        let named = |place| {
            ops.iter().any(|op| op.object.is_some_and(|id| id.0 >= place) || matches!(op.key, ForgedKey::Element(id) if id.0 >= place))
        };
        let others = [ONE, TWO].into_iter().zip(1..).filter(|(_, place)| named(*place)).map(|(actor, _)| actor.0.to_vec()).collect();
        let change = Forged { others, ops: ops.to_vec(), ..Forged::empty(THREE, 2, 6, &[self.merge]) };
        self.index.check(&parse(&change.encode())?, PARTNER).map(drop)
    }
}

#[test]
fn an_index_is_empty_until_a_change_stands_in_it() {
    let index = Index::new(OWNER);
    assert!(index.is_empty() && index.heads().is_empty());
    let scene = Scene::new();
    assert!(!scene.index.is_empty());
    assert_eq!(scene.index.len(), 4);
    assert_eq!(scene.index.heads(), &BTreeSet::from([scene.merge]));
}

#[test]
fn changes_are_found_by_writer_and_by_the_past_they_stand_in() {
    let Scene { index, founding, first, second, merge } = Scene::new();
    let stranger = ActorId([9; 16]);
    let unknown = ChangeHash([9; 32]);
    let of = |actor| index.changes_of(actor).map(|meta| meta.hash).collect::<Vec<_>>();
    assert_eq!(index.actors().copied().collect::<Vec<_>>(), [ONE, TWO, THREE]);
    assert_eq!([of(&ONE), of(&TWO), of(&THREE), of(&stranger)], [vec![founding, first], vec![second], vec![merge], vec![]]);

    let newest = |actor, at| index.newest_of(actor, at).map(|meta| meta.hash);
    assert_eq!([newest(&ONE, &merge), newest(&ONE, &second), newest(&ONE, &first)], [Some(first), Some(founding), Some(first)]);
    assert_eq!([newest(&TWO, &merge), newest(&TWO, &first), newest(&THREE, &second)], [Some(second), None, None]);
    assert_eq!([newest(&stranger, &merge), newest(&ONE, &unknown)], [None, None]);

    let until_first = index.causal_past_until(&[first, merge], |meta| meta.hash == first);
    assert_eq!(until_first.iter().map(|meta| meta.hash).collect::<Vec<_>>(), [founding, second, merge]);
    assert_eq!(index.get(&second).map(|meta| (meta.actor, meta.seq, meta.acts)), Some((TWO, 1, 1)));
    assert_eq!(index.get(&unknown), None);
    assert_eq!(index.tips(&BTreeSet::from([founding, first, second, unknown])), BTreeSet::from([first, second]));

    let past = |of: &[ChangeHash]| index.causal_past(of).iter().map(|meta| meta.hash).collect::<Vec<_>>();
    assert_eq!(past(&[first]), [founding, first]);
    assert_eq!(past(&[second, first, unknown]), [founding, first, second]);
    assert_eq!(past(&[merge]), [founding, first, second, merge]);
    assert!(past(&[unknown]).is_empty());
}

#[test]
fn the_newest_of_a_set_are_those_in_no_others_past() {
    let Scene { index, founding, first, second, merge } = Scene::new();
    let newest = |set: &[ChangeHash]| index.newest(set);
    assert_eq!(newest(&[founding]), BTreeSet::from([founding]));
    assert_eq!(newest(&[founding, first]), BTreeSet::from([first]));
    assert_eq!(newest(&[second, founding, first]), BTreeSet::from([first, second]));
    assert_eq!(newest(&[founding, merge]), BTreeSet::from([merge]), "whatever lies between");
    assert_eq!(newest(&[first, ChangeHash([9; 32])]), BTreeSet::from([first]), "what is unknown is left out");
    assert_eq!(newest(&[]), BTreeSet::from([]));
}

#[test]
fn an_operation_is_found_by_counter_and_writer() {
    let Scene { mut index, founding, first, second, merge } = Scene::new();
    for (counter, one, two) in
        [(0, None, None), (1, Some(founding), None), (2, Some(founding), None), (3, Some(first), Some(second)), (5, None, Some(second))]
    {
        assert_eq!(index.change_of_op(counter, &ONE), Vec::from_iter(one), "{counter}");
        assert_eq!(index.change_of_op(counter, &TWO), Vec::from_iter(two), "{counter}");
    }
    assert!(index.change_of_op(6, &THREE).is_empty(), "a merge has no operation");
    assert!(index.change_of_op(u64::MAX, &ONE).is_empty());

    let ops = vec![insert_char(ForgedKey::Head, "z"); OPS_MAX];
    let longest = Forged { others: vec![ONE.0.to_vec()], ops, ..Forged::empty(THREE, 2, 6, &[merge]) };
    let longest = take(&mut index, &longest, PARTNER);
    let last = 5 + OPS_MAX as u64;
    assert_eq!([5, 6, last, last + 1].map(|at| index.change_of_op(at, &THREE)), [vec![], vec![longest], vec![longest], vec![]]);
}

#[test]
fn an_operation_may_stand_on_what_its_own_change_wrote_before_it_and_on_nothing_later() {
    let scene = Scene::new();
    let missing = Err(Malformed::NoSuchElement { op: 1 }.into());
    let after = |own| scene.next(&[char(TEXT, None), char(TEXT, Some((0, own)))]);
    assert_eq!(after(6), Ok(()));
    assert_eq!(after(7), missing, "itself");
    assert_eq!(after(8), missing, "the next");
    let act = insert(ACTS, ForgedKey::Head, 7, b"act");
    assert_eq!(scene.next(&[act.clone(), char(TEXT, Some((0, 6)))]), missing, "an act is no character");
    assert_eq!(scene.next(&[char(TEXT, None), ForgedOp { key: ForgedKey::Element((0, 6)), ..act }]), missing, "a character is no act");
}

#[test]
fn an_element_is_sought_in_its_own_writers_changes_though_another_has_the_same_counter() {
    let scene = Scene::new();
    let act = |after| insert(ACTS, ForgedKey::Element(after), 7, b"act");
    // After the owner's character of counter 4 the partner's act of counter 4.
    assert_eq!(scene.next(&[char(TEXT, Some((1, 4))), act((2, 4))]), Ok(()));
    assert_eq!(scene.next(&[act((2, 4)), char(TEXT, Some((1, 4)))]), Ok(()));
    let missing = Err(Malformed::NoSuchElement { op: 1 }.into());
    assert_eq!(scene.next(&[char(TEXT, Some((1, 4))), char(TEXT, Some((2, 4)))]), missing);
    assert_eq!(scene.next(&[act((2, 4)), act((1, 4))]), missing);
    // The partner may delete the partner's character of counter 3, not the owner's.
    assert_eq!(scene.next(&[char(TEXT, Some((1, 3))), delete((2, 3))]), Ok(()));
    assert_eq!(scene.next(&[char(TEXT, Some((2, 3))), delete((1, 3))]), Err(Malformed::NotOwnText { op: 1 }.into()));
}

#[test]
fn the_objects_are_those_of_the_founding_change_and_of_no_other_writer() {
    let scene = Scene::new();
    let wrong = Err(Malformed::WrongObject { op: 0 }.into());
    assert_eq!(scene.next(&[char((1, 2), None)]), Ok(()));
    assert_eq!(scene.next(&[char((0, 2), None)]), wrong, "of the writer itself");
    assert_eq!(scene.next(&[char((1, 1), None)]), wrong, "the other object");
    let strange = Forged { others: vec![TWO.0.to_vec()], ..Forged::empty(THREE, 2, 6, &[scene.merge]) }.op(char((1, 2), None));
    let check = |forged: &Forged| scene.index.check(&parse(&forged.encode())?, PARTNER).map(drop);
    assert_eq!(check(&strange), wrong, "of another writer");
    let nobody = Forged { others: vec![vec![9; 16]], ..strange };
    assert_eq!(check(&nobody), wrong, "of one who wrote nothing");
}
