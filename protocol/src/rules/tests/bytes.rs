//! What a change may say by its bytes alone: each rule of the reader, with what stands just inside its bound and just outside.

use super::forge::{Forged, ForgedId, ForgedKey, ForgedOp};
use super::hostile::{ACTS, delete, insert, insert_char};
use super::*;

const ONE: ActorId = ActorId([1; 16]);
/// The text of the founding change, as that change itself names it.
const OWN_TEXT: ForgedId = (0, 2);

fn make(name: &'static str, action: u64) -> ForgedOp {
    ForgedOp { object: None, key: ForgedKey::Name(name), insert: false, action, value_type: 0, value: vec![], preds: vec![], mark: None }
}

/// A founding change of nothing but its two objects.
fn founding() -> Forged {
    Forged::empty(ONE, 1, 1, &[]).op(make("acts", 2)).op(make("text", 4))
}

/// A later change, still without operations, that lists another actor.
fn later() -> Forged {
    Forged { others: vec![vec![2; 16]], ..Forged::empty(ONE, 2, 8, &[ChangeHash([5; 32])]) }
}

/// A change that uses every column there is.
fn of_all_columns() -> Forged {
    let char = insert(OWN_TEXT, ForgedKey::Head, 6, b"z");
    founding().op(char).op(ForgedOp { object: Some(OWN_TEXT), ..delete((0, 3)) })
}

fn refused(forged: &Forged) -> Option<Malformed> {
    parse(&forged.encode()).err()
}

#[test]
fn a_change_tells_its_length_its_acts_and_how_many_operations_it_has() {
    let act = insert(ACTS, ForgedKey::Head, 7, b"act");
    let change = later().op(insert_char(ForgedKey::Head, "z")).op(act).op(delete((1, 4)));
    let bytes = change.encode();
    let parsed = parse(&bytes).expect("well formed");
    assert_eq!((parsed.op_count(), parsed.max_op()), (3, 10));
    assert_eq!(parsed.size(), bytes.len());
    assert_eq!(parsed.acts().collect::<Vec<_>>(), [b"act"]);
}

#[test]
fn sequence_numbers_and_counters_go_from_1_to_the_highest() {
    let fold = Forged { others: vec![], ..later() };
    for found in [0, COUNTER_MAX + 1, u64::MAX] {
        assert_eq!(refused(&Forged { seq: found, ..fold.clone() }), Some(Malformed::Seq { found }));
        assert_eq!(refused(&Forged { start_op: found, ..fold.clone() }), Some(Malformed::StartOp { found }));
    }
    for found in [1, COUNTER_MAX] {
        assert_eq!(refused(&Forged { seq: found, ..fold.clone() }), None, "sequence number {found}");
        assert_eq!(refused(&Forged { start_op: found, ..fold.clone() }), None, "first counter {found}");
    }
    let wrong = Some(Malformed::Counter { op: 0 });
    for (counter, expected) in [(0, &wrong), (1, &None), (COUNTER_MAX, &None), (COUNTER_MAX + 1, &wrong)] {
        let after = later().op(insert_char(ForgedKey::Element((1, counter)), "z"));
        assert_eq!(&refused(&after), expected, "element {counter}");
        let into = later().op(insert((1, counter), ForgedKey::Head, 6, b"z"));
        assert_eq!(&refused(&into), expected, "object {counter}");
    }
}

#[test]
fn other_actors_ascend_and_the_author_is_none_of_them() {
    let naming = |others: &[u8]| {
        let others: Vec<Vec<u8>> = others.iter().map(|actor| vec![*actor; 16]).collect();
        let named = (1..=others.len() as u64).map(|place| insert_char(ForgedKey::Element((place, 3)), "z")).collect();
        refused(&Forged { others, ops: named, ..later() })
    };
    assert_eq!(naming(&[2]), None);
    assert_eq!(naming(&[0, 2, 3]), None);
    for wrong in [&[1][..], &[1, 2], &[2, 2], &[3, 2], &[0, 1, 2]] {
        assert_eq!(naming(wrong), Some(Malformed::ActorOrder), "{wrong:?}");
    }
}

#[test]
fn what_has_no_dependencies_makes_the_two_objects_and_begins_at_one() {
    assert_eq!(refused(&founding()), None);
    let of = |ops: Vec<ForgedOp>| Forged { ops, ..founding() };
    let (acts, text) = (make("acts", 2), make("text", 4));
    let char = insert(OWN_TEXT, ForgedKey::Head, 6, b"z");
    for (name, wrong) in [
        ("another sequence number", Forged { seq: 2, ..founding() }),
        ("another first counter", Forged { start_op: 2, ..founding() }),
        ("no operations", of(vec![])),
        ("no text", of(vec![acts.clone()])),
        ("no acts", of(vec![text.clone()])),
        ("the text before the acts", of(vec![text.clone(), acts.clone()])),
        ("a third object", of(vec![acts.clone(), text.clone(), text.clone()])),
        ("a character between the objects", of(vec![acts, char, text])),
    ] {
        assert_eq!(refused(&wrong), Some(Malformed::NotFounding), "{name}");
    }
    assert_eq!(refused(&Forged { deps: vec![ChangeHash([5; 32])], ..founding() }), Some(Malformed::MakesObject));
}

#[test]
fn an_object_is_made_with_nothing_but_its_name() {
    let acts = make("acts", 2);
    for (name, lie) in [
        ("an insertion", ForgedOp { insert: true, ..acts.clone() }),
        ("a value", ForgedOp { value_type: 6, ..acts.clone() }),
        ("a predecessor", ForgedOp { preds: vec![(0, 1)], ..acts }),
    ] {
        let forged = Forged { ops: vec![lie, make("text", 4)], ..founding() };
        assert_eq!(refused(&forged), Some(Malformed::NotInSchema { op: 0 }), "{name}");
    }
    // One value and then a gap, in a column that such a change has not.
    for (name, number, value) in [("an element's actor", 17, 0), ("an element's counter", 19, 1)] {
        let mut columns = founding().columns();
        columns.push((number, vec![0x7f, value, 0, 1]));
        columns.sort_unstable();
        let bytes = founding().encode_with(&columns);
        assert_eq!(parse(&bytes).err(), Some(Malformed::NotInSchema { op: 0 }), "{name}");
    }
}

#[test]
fn a_deletion_carries_no_value() {
    let carrying = |value: &[u8]| refused(&later().op(ForgedOp { value: value.to_vec(), ..delete((1, 4)) }));
    assert_eq!(carrying(b""), None);
    assert_eq!(carrying(b"z"), Some(Malformed::NotInSchema { op: 0 }));
}

#[test]
fn a_change_has_each_column_once_and_no_more_than_there_are() {
    let mut columns = of_all_columns().columns();
    assert_eq!(columns.len(), 12);
    assert_eq!(refused(&of_all_columns()), None);
    columns.push((165, vec![0, 4]));
    let bytes = of_all_columns().encode_with(&columns);
    assert_eq!(parse(&bytes).err(), Some(Malformed::ColumnCount { found: 13 }));

    let later = later().op(insert_char(ForgedKey::Head, "z"));
    for (place, (number, data)) in later.columns().into_iter().enumerate() {
        let mut twice = later.columns();
        twice.insert(place, (number, data));
        assert_eq!(parse(&later.encode_with(&twice)).err(), Some(Malformed::ColumnOrder { found: number }));
        twice.remove(place);
        twice[place].1.clear();
        assert_eq!(parse(&later.encode_with(&twice)).err(), Some(Malformed::EmptyColumn { found: number }));
    }
}

#[test]
fn every_column_ends_with_the_last_operation() {
    for place in 0..12 {
        let mut columns = of_all_columns().columns();
        let (number, data) = &mut columns[place];
        match *number {
            52 | 87 => data.push(1),               // one flag, one byte of a value
            66 => data.extend_from_slice(&[1, 3]), // one deletion, of which nothing else is said
            _ => data.extend_from_slice(&[0, 1]),  // one gap
        }
        let number = *number;
        let found = parse(&of_all_columns().encode_with(&columns)).err();
        assert_eq!(found, Some(Malformed::ColumnLength), "column {number}");
    }
}

#[test]
fn a_head_is_read_of_one_whole_chunk_with_the_right_checksum_only() {
    let bytes = later().op(insert_char(ForgedKey::Head, "z")).encode();
    let head = Head::read(&bytes).expect("a raw change");
    assert_eq!(Head::write(&head.deps, &head.actor, head.seq, head.start_op, &head.others, head.columns), (head.hash, bytes.clone()));
    for (name, place) in [("magic", 0), ("checksum", 4), ("kind", 8)] {
        let mut other = bytes.clone();
        other[place] ^= 3;
        assert!(Head::read(&other).is_none(), "{name}");
    }
    assert!(Head::read(&[&bytes[..], &[0]].concat()).is_none(), "a byte behind the chunk");
    assert!(Head::read(&bytes[..bytes.len() - 1]).is_none(), "a byte missing");
}
