//! Frozen vectors for a second implementation: raw changes in order, who wrote each, and the verdict.
//!
//! `vectors.txt` holds one change per line: `verdict writer name hex`. A change with verdict `ok` is inserted before the next line is judged.

use super::editing::{OWNER, PARTNER};
use super::forge::{Forged, ForgedKey, ForgedOp};
use super::*;
use crate::content::{Content, Edit};

const FROZEN: &str = include_str!("vectors.txt");

/// The word a vector uses for a verdict.
fn word(verdict: &Result<(), Verdict>) -> String {
    match verdict {
        Ok(()) => "ok".to_owned(),
        Err(Verdict::Waiting(_)) => "waiting".to_owned(),
        Err(Verdict::Malformed(malformed)) => {
            let debug = format!("{malformed:?}");
            debug.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// What the vectors are made of, in order.
fn changes() -> Vec<(&'static str, Group, Vec<u8>)> {
    let (one, two, three) = (ActorId([1; 16]), ActorId([2; 16]), ActorId([3; 16]));
    let (mut content, founding) = Content::found(one, &[b"act one".to_vec(), vec![0; 300]], "通报：e\u{301}👮").expect("small");
    let mut branch = Content::replay([&founding[..]]).expect("own change");
    let typed = content.edit(two, &[Edit::Insert { at: 3, text: "被盗车辆".to_owned() }, Edit::Act(b"act two".to_vec())]).expect("allowed");
    let deleted = content.edit(two, &[Edit::Delete { at: 4, len: 2 }, Edit::Insert { at: 0, text: "急".to_owned() }]).expect("allowed");
    let apart = branch.edit(three, &[Edit::Insert { at: 6, text: "x\ny".to_owned() }]).expect("allowed");
    content.apply([&apart[0][..]]).expect("own change");
    let merged = content.edit(one, &[Edit::Delete { at: 0, len: 8 }]).expect("allowed");
    let [base, tip] = [&founding, &merged[0]].map(|bytes| parse(bytes).expect("own change"));
    let fold = Forged::empty(three, 2, tip.max_op() + 1, &sorted([tip.hash(), parse(&apart[0]).expect("own change").hash()]));
    let honest = Forged {
        others: vec![one.0.to_vec()],
        ..Forged::empty(two, 3, tip.max_op() + 1, &{ sorted([tip.hash(), parse(&deleted[0]).expect("own change").hash()]) })
    };
    let char = |object, key| ForgedOp {
        object: Some(object),
        key,
        insert: true,
        action: 1,
        value_type: 6,
        value: b"z".to_vec(),
        preds: vec![],
        mark: None,
    };
    let good = honest.clone().op(char((1, 2), ForgedKey::Head));
    let delete =
        |id| ForgedOp { insert: false, action: 3, value_type: 0, value: vec![], preds: vec![id], ..char((1, 2), ForgedKey::Element(id)) };
    let mut checksum = good.encode();
    checksum[4] ^= 1;
    let mut columns = good.columns();
    columns.iter_mut().filter(|column| column.0 == 66).for_each(|column| column.1 = vec![1, 1]);
    let twice = parse(&typed[0]).expect("own change").start_op();
    vec![
        ("founding", OWNER, founding),
        ("typed", PARTNER, typed[0].clone()),
        ("deleted-own", PARTNER, deleted[0].clone()),
        ("written-apart", OWNER, apart[0].clone()),
        ("merged-and-deleted", OWNER, merged[0].clone()),
        ("fold", OWNER, fold.encode()),
        ("founded-by-a-partner", PARTNER, Forged { actor: vec![9; 16], ..Forged::from_parsed(&base) }.encode()),
        ("seq-gap", PARTNER, Forged { seq: 4, ..good.clone() }.encode()),
        ("start-op-gap", PARTNER, Forged { start_op: 999, ..good.clone() }.encode()),
        ("start-op-end", PARTNER, Forged { start_op: u64::from(u32::MAX), ..good.clone() }.encode()),
        ("own-previous-not-named", PARTNER, Forged { deps: vec![tip.hash()], ..good.clone() }.encode()),
        ("dependency-unknown", PARTNER, Forged { deps: vec![ChangeHash([7; 32])], ..good.clone() }.encode()),
        ("dependency-twice", PARTNER, Forged { deps: vec![tip.hash(); 2], ..good.clone() }.encode()),
        ("actor-unused", PARTNER, Forged { others: vec![one.0.to_vec(), three.0.to_vec()], ..good.clone() }.encode()),
        ("actor-index", PARTNER, honest.clone().op(char((2, 2), ForgedKey::Head)).encode()),
        ("object-missing", PARTNER, honest.clone().op(char((1, 3), ForgedKey::Head)).encode()),
        ("element-missing", PARTNER, honest.clone().op(char((1, 2), ForgedKey::Element((1, 999)))).encode()),
        ("element-of-acts", PARTNER, honest.clone().op(char((1, 2), ForgedKey::Element((1, 3)))).encode()),
        ("two-characters", PARTNER, honest.clone().op(ForgedOp { value: b"zz".to_vec(), ..char((1, 2), ForgedKey::Head) }).encode()),
        ("counter", PARTNER, honest.clone().op(ForgedOp { value_type: 8, value: vec![1], ..char((1, 1), ForgedKey::Head) }).encode()),
        ("delete-of-the-owner's", PARTNER, honest.clone().op(delete((1, 6))).encode()),
        ("delete-twice", PARTNER, honest.clone().op(delete((0, twice))).op(delete((0, twice))).encode()),
        ("two-predecessors", PARTNER, honest.op(ForgedOp { preds: vec![(0, twice); 2], ..delete((0, twice)) }).encode()),
        ("time", PARTNER, Forged { time: 1, ..good.clone() }.encode()),
        ("message", PARTNER, Forged { message: "m".to_owned(), ..good.clone() }.encode()),
        ("author-footer", PARTNER, Forged { extra: vec![1, 1, 65], ..good.clone() }.encode()),
        ("checksum", PARTNER, checksum),
        ("another-spelling", PARTNER, good.encode_with(&columns)),
        ("good", PARTNER, good.clone().encode()),
        ("fork", PARTNER, Forged { ops: vec![], others: vec![], ..good.clone() }.encode()),
        ("merges-the-fork", OWNER, {
            let fork = Forged { ops: vec![], others: vec![], ..good.clone() };
            let both = sorted([&good, &fork].map(|forged| parse(&forged.encode()).expect("well formed").hash()));
            Forged::empty(ActorId([4; 16]), 1, good.start_op + 1, &both).encode()
        }),
    ]
}

fn sorted<const N: usize>(mut hashes: [ChangeHash; N]) -> [ChangeHash; N] {
    hashes.sort_unstable();
    hashes
}

#[test]
fn the_frozen_vectors_hold_and_are_what_automerge_still_writes() {
    let mut index = Index::new(OWNER);
    let mut made = String::new();
    for (name, writer, bytes) in changes() {
        let verdict = parse(&bytes).map_err(Verdict::from).and_then(|parsed| index.check(&parsed, writer));
        let said = word(&verdict.as_ref().map(drop).map_err(Clone::clone));
        let bureau = if writer == OWNER { "owner" } else { "partner" };
        made.push_str(&format!("{said} {bureau} {name} {}\n", hex::encode(&bytes)));
        if let Ok(checked) = verdict {
            index.insert(checked);
        }
    }
    let frozen: String = FROZEN.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    for (line, expected) in made.lines().zip(frozen.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(made.lines().count(), frozen.lines().count(), "all of the vectors:\n{made}");
}
