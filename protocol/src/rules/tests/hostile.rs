//! Hostile changes: what bare Automerge 0.12 makes of each, and the verdict that stops it before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ROOT, ReadDoc};

use super::editing::{OWNER, PARTNER};
use super::forge::{Forged, ForgedId, ForgedKey, ForgedOp};
use super::*;
use crate::content::{Content, Edit};

/// What bare Automerge does with a change.
#[derive(Debug, PartialEq, Eq)]
enum Bare {
    /// Refused with an error.
    Refuses,
    /// Takes it, and stays editable.
    Takes,
    /// Takes it into its queue or drops it without a word.
    Ignores,
    /// Panics while taking it.
    Panics,
    /// Takes it, and panics at the next local edit.
    Bricked,
    /// Takes it, and can not be saved and loaded again.
    Unloadable,
}

/// A small document: founding change by `one`, one change by `two` on it.
struct Scene {
    index: Index,
    changes: Vec<Vec<u8>>,
    one: ActorId,
    two: ActorId,
    founding: ParsedChange,
    second: ParsedChange,
}

impl Scene {
    fn new() -> Self {
        let (one, two) = (ActorId([1; 16]), ActorId([2; 16]));
        let (mut content, founding) = Content::found(one, &[b"act".to_vec()], "通报").expect("small");
        let second = content.edit(two, &[Edit::Insert { at: 1, text: "xy".to_owned() }]).expect("allowed").remove(0);
        let mut index = Index::new(OWNER);
        let parsed = [&founding, &second].map(|bytes| parse(bytes).expect("own change"));
        for (change, group) in parsed.iter().zip([OWNER, PARTNER]) {
            let checked = index.check(change, group).expect("own change");
            index.insert(checked);
        }
        let [first, other] = parsed;
        Self { index, changes: vec![founding, second], one, two, founding: first, second: other }
    }

    /// The next change of `two`, honest so far.
    fn next(&self) -> Forged {
        let mut next = Forged::empty(self.two, 2, self.second.max_op() + 1, &[self.second.hash()]);
        next.others = vec![self.one.0.to_vec()];
        next
    }

    fn verdict(&self, bytes: &[u8]) -> Result<(), Verdict> {
        self.index.check(&parse(bytes)?, PARTNER).map(drop)
    }

    fn malformed(&self, bytes: &[u8]) -> Malformed {
        match self.verdict(bytes) {
            Err(Verdict::Malformed(malformed)) => malformed,
            other => panic!("expected a malformed change, found {other:?}"),
        }
    }

    fn bare(&self, bytes: &[u8]) -> Bare {
        quiet(|| {
            let taken = catch_unwind(AssertUnwindSafe(|| {
                let mut doc = Automerge::new_with_encoding(automerge::TextEncoding::UnicodeCodePoint);
                doc.apply_changes(
                    self.changes.iter().map(|bytes| Change::from_bytes(bytes.clone()).expect("own change")).collect::<Vec<_>>(),
                )
                .expect("own changes");
                let before = doc.get_heads();
                let change = Change::from_bytes(bytes.to_vec()).ok()?;
                let result = doc.apply_changes([change]);
                result.ok().map(|()| (doc.get_heads() != before, doc))
            }));
            let (changed, mut doc) = match taken {
                Err(_) => return Bare::Panics,
                Ok(None) => return Bare::Refuses,
                Ok(Some(taken)) => taken,
            };
            if !changed {
                return Bare::Ignores;
            }
            let edited = catch_unwind(AssertUnwindSafe(|| {
                doc.set_actor(automerge::ActorId::from(&[9u8; 16][..]));
                let (_, text) = doc.get(ROOT, "text").expect("read").expect("made by the founding change");
                let mut transaction = doc.transaction();
                let done = transaction.splice_text(&text, 0, 0, "z").is_ok();
                transaction.commit();
                (done, Automerge::load(&doc.save()).is_ok())
            }));
            match edited {
                Ok((true, true)) => Bare::Takes,
                Ok((true, false)) => Bare::Unloadable,
                Ok((false, _)) | Err(_) => Bare::Bricked,
            }
        })
    }
}

/// Runs something that is expected to panic without its message on the terminal.
fn quiet<T>(run: impl FnOnce() -> T) -> T {
    use std::sync::Mutex;
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    std::panic::set_hook(hook);
    result
}

pub(super) const TEXT: ForgedId = (1, 2);
pub(super) const ACTS: ForgedId = (1, 1);

pub(super) fn insert(object: ForgedId, key: ForgedKey, value_type: u64, value: &[u8]) -> ForgedOp {
    ForgedOp { object: Some(object), key, insert: true, action: 1, value_type, value: value.to_vec(), preds: vec![], mark: None }
}

pub(super) fn insert_char(key: ForgedKey, char: &str) -> ForgedOp {
    insert(TEXT, key, 6, char.as_bytes())
}

pub(super) fn delete(element: ForgedId) -> ForgedOp {
    ForgedOp { insert: false, action: 3, value_type: 0, preds: vec![element], ..insert(TEXT, ForgedKey::Element(element), 0, b"") }
}

/// Runs one hostile change against bare Automerge and against the rules.
fn check(scene: &Scene, name: &str, bytes: &[u8], bare: Bare, malformed: &Malformed) {
    assert_eq!(scene.verdict(bytes), Err(Verdict::Malformed(malformed.clone())), "{name}: verdict");
    assert_eq!(scene.bare(bytes), bare, "{name}: bare Automerge");
}

#[test]
fn an_honest_change_passes_and_automerge_takes_it() {
    let scene = Scene::new();
    let own = (0, scene.second.start_op());
    for good in [
        scene.next().op(insert_char(ForgedKey::Head, "z")),
        scene.next().op(insert_char(ForgedKey::Element((1, 4)), "z")),
        scene.next().op(insert(ACTS, ForgedKey::Element((1, 3)), 7, b"act")),
        scene.next().op(delete(own)),
        scene.next().op(insert_char(ForgedKey::Head, "z")).op(delete((0, 8))),
        Forged { others: vec![], ..scene.next() },
    ] {
        let bytes = good.encode();
        assert_eq!(scene.verdict(&bytes), Ok(()), "{good:?}");
        assert_eq!(scene.bare(&bytes), Bare::Takes, "{good:?}");
    }
}

#[test]
fn lies_about_place_are_stopped() {
    let scene = Scene::new();
    let good = scene.next().op(insert_char(ForgedKey::Head, "z"));
    let expect = |name: &str, forged: Forged, bare, malformed| check(&scene, name, &forged.encode(), bare, &malformed);
    let max = u64::from(u32::MAX);
    expect("seq gap", Forged { seq: 3, ..good.clone() }, Bare::Panics, Malformed::SeqGap { expected: 2, found: 3 });
    let stranger = Forged { seq: 3, actor: vec![7; 16], ..good.clone() };
    expect("seq 3 of an unknown actor", stranger, Bare::Panics, Malformed::SeqGap { expected: 1, found: 3 });
    expect("seq used before", Forged { seq: 1, ..good.clone() }, Bare::Refuses, Malformed::SeqGap { expected: 2, found: 1 });
    expect("last counter of 32 bits", Forged { start_op: max, ..good.clone() }, Bare::Bricked, Malformed::StartOp { found: max });
    expect("beyond 32 bits", Forged { start_op: max + 1, ..good.clone() }, Bare::Refuses, Malformed::StartOp { found: max + 1 });
    let far = 1 << 30;
    expect("counter leap", Forged { start_op: far, ..good.clone() }, Bare::Takes, Malformed::StartOpGap { expected: 8, found: far });
    expect(
        "counter used before",
        Forged { start_op: 1, ..good.clone() },
        Bare::Unloadable,
        Malformed::StartOpGap { expected: 8, found: 1 },
    );
    expect("no dependencies", Forged { deps: vec![], ..good.clone() }, Bare::Unloadable, Malformed::NotFounding);
    let twice = vec![scene.second.hash(); 2];
    expect("one dependency twice", Forged { deps: twice, ..good.clone() }, Bare::Takes, Malformed::DepsOrder);
    let skipping = Forged { deps: vec![scene.founding.hash()], start_op: 6, ..good };
    expect("own previous change not in its past", skipping, Bare::Bricked, Malformed::SeqGap { expected: 1, found: 2 });
    let founding = Forged { actor: vec![4; 16], ..Forged::from_parsed(&scene.founding) };
    expect("a second founding change", founding, Bare::Takes, Malformed::WrongFounder);
}

#[test]
fn lies_about_actors_are_stopped() {
    let scene = Scene::new();
    let good = scene.next().op(insert_char(ForgedKey::Head, "z"));
    let expect = |name: &str, forged: Forged, bare, malformed| check(&scene, name, &forged.encode(), bare, &malformed);
    let unknown = Forged { others: vec![vec![5; 16]], ..good.clone() };
    expect("unknown other actor", unknown, Bare::Panics, Malformed::WrongObject { op: 0 });
    let both = vec![scene.one.0.to_vec(), vec![5; 16]];
    let named = Forged { others: both.clone(), ..scene.next() }.op(insert_char(ForgedKey::Element((2, 3)), "z"));
    expect("element of an unknown actor", named, Bare::Panics, Malformed::UnknownActor { op: 0 });
    expect("actor index beyond the table", Forged { others: vec![], ..good.clone() }, Bare::Panics, Malformed::ActorIndex { op: 0 });
    expect("actor of no bytes", Forged { actor: vec![], ..good.clone() }, Bare::Panics, Malformed::ActorLength { found: 0 });
    let listed = Forged { others: vec![scene.one.0.to_vec(), vec![5; 16]], ..good };
    assert_eq!(scene.malformed(&listed.encode()), Malformed::UnusedActor, "an actor that is listed and not used");
    let pred = ForgedOp { preds: vec![(9, 4)], ..delete((1, 4)) };
    expect("predecessor's actor beyond the table", scene.next().op(pred), Bare::Panics, Malformed::ActorIndex { op: 0 });
}

#[test]
fn operations_on_what_does_not_exist_are_stopped() {
    let scene = Scene::new();
    let own = scene.second.start_op();
    let expect = |name: &str, op: ForgedOp, bare, malformed| check(&scene, name, &scene.next().op(op).encode(), bare, &malformed);
    let none = Malformed::NoSuchElement { op: 0 };
    expect("missing object", insert((1, 77), ForgedKey::Head, 6, b"z"), Bare::Panics, Malformed::WrongObject { op: 0 });
    expect("element not there", insert_char(ForgedKey::Element((1, 55)), "z"), Bare::Panics, none.clone());
    expect("own element not there yet", insert_char(ForgedKey::Element((0, 900)), "z"), Bare::Panics, none.clone());
    expect("after itself", insert_char(ForgedKey::Element((0, own + 2)), "z"), Bare::Panics, none.clone());
    expect("element of the other object", insert_char(ForgedKey::Element((1, 3)), "z"), Bare::Panics, none.clone());
    expect("deletes what is not there", delete((1, 99)), Bare::Unloadable, none.clone());
    expect("deletes an object", delete(TEXT), Bare::Unloadable, none);
    let wide = Malformed::Counter { op: 0 };
    expect("element counter beyond 32 bits", insert_char(ForgedKey::Element((1, 1 << 33)), "z"), Bare::Panics, wide.clone());
    expect("element counter below 0", insert_char(ForgedKey::Element((1, u64::MAX)), "z"), Bare::Refuses, wide.clone());
    expect("object counter beyond 32 bits", insert((1, 1 << 33), ForgedKey::Head, 6, b"z"), Bare::Panics, wide.clone());
    expect("predecessor beyond 32 bits", ForgedOp { preds: vec![(1, 1 << 40)], ..delete((1, 4)) }, Bare::Panics, wide);
    expect(
        "deletion without predecessor",
        ForgedOp { preds: vec![], ..delete((0, own)) },
        Bare::Unloadable,
        Malformed::NotInSchema { op: 0 },
    );
    let two = ForgedOp { preds: vec![(1, 4), (0, own)], ..delete((0, own)) };
    assert_eq!(scene.malformed(&scene.next().op(two).encode()), Malformed::NotInSchema { op: 0 }, "two predecessors");
    let other = ForgedOp { preds: vec![(1, 4)], ..delete((0, own)) };
    assert_eq!(scene.malformed(&scene.next().op(other).encode()), Malformed::Pred { op: 0 }, "another predecessor");
}

#[test]
fn what_schema_1_has_no_place_for_is_stopped() {
    let scene = Scene::new();
    let own = (0, scene.second.start_op());
    let expect = |name: &str, op: ForgedOp, bare, malformed| check(&scene, name, &scene.next().op(op).encode(), bare, &malformed);
    let schema = Malformed::NotInSchema { op: 0 };
    expect("two characters", insert_char(ForgedKey::Head, "zz"), Bare::Takes, Malformed::NotOneChar { op: 0 });
    expect("no character", insert_char(ForgedKey::Head, ""), Bare::Takes, Malformed::NotOneChar { op: 0 });
    expect("half a character", insert(TEXT, ForgedKey::Head, 6, &[0xff]), Bare::Refuses, Malformed::NotOneChar { op: 0 });
    expect("bytes in the text", insert(TEXT, ForgedKey::Head, 7, b"z"), Bare::Takes, Malformed::WrongObject { op: 0 });
    expect("a string among the acts", insert(ACTS, ForgedKey::Head, 6, b"z"), Bare::Takes, Malformed::WrongObject { op: 0 });
    expect("counter", insert(ACTS, ForgedKey::Head, 8, &[1]), Bare::Takes, schema.clone());
    let increment = ForgedOp { action: 5, value_type: 4, value: vec![1], ..delete((1, 3)) };
    expect("increment of what is no counter", increment, Bare::Unloadable, schema.clone());
    let mark = ForgedOp { action: 7, mark: Some("b"), ..insert_char(ForgedKey::Head, "") };
    expect("mark", mark, Bare::Takes, Malformed::Column { found: 165 });
    let end = ForgedOp { action: 7, value_type: 0, ..insert_char(ForgedKey::Head, "") };
    expect("end of no mark", end, Bare::Unloadable, schema.clone());
    let block = ForgedOp { action: 0, value_type: 0, ..insert_char(ForgedKey::Head, "") };
    expect("block in the text", block, Bare::Takes, schema.clone());
    expect("unknown action", ForgedOp { action: 9, ..insert_char(ForgedKey::Head, "z") }, Bare::Refuses, schema.clone());
    let root = ForgedOp { object: None, insert: false, preds: vec![TEXT], ..insert_char(ForgedKey::Name("text"), "z") };
    expect("the text overwritten", root, Bare::Bricked, schema.clone());
    let over = ForgedOp { insert: false, preds: vec![own], ..insert_char(ForgedKey::Element(own), "z") };
    expect("a character overwritten", over, Bare::Takes, schema.clone());
    let make = ForgedOp { object: None, insert: false, action: 4, value_type: 0, ..insert_char(ForgedKey::Name("text"), "") };
    expect("another text", make, Bare::Unloadable, Malformed::MakesObject);
    let act = ForgedOp { object: Some(ACTS), ..delete((1, 3)) };
    expect("an act deleted", act, Bare::Takes, Malformed::WrongObject { op: 0 });
    expect("the owner's text deleted", delete((1, 4)), Bare::Takes, Malformed::NotOwnText { op: 0 });
    let twice = scene.next().op(delete(own)).op(delete(own));
    check(&scene, "one element deleted twice", &twice.encode(), Bare::Takes, &Malformed::DeletedTwice { op: 1 });
}

#[test]
fn what_travels_beside_the_operations_is_stopped() {
    let scene = Scene::new();
    let good = scene.next().op(insert_char(ForgedKey::Head, "z"));
    let expect = |name: &str, bytes: Vec<u8>, bare, malformed| check(&scene, name, &bytes, bare, &malformed);
    expect("time", Forged { time: 5, ..good.clone() }.encode(), Bare::Takes, Malformed::Time);
    expect("message", Forged { message: "m".to_owned(), ..good.clone() }.encode(), Bare::Takes, Malformed::Message);
    expect("extra bytes", Forged { extra: vec![0], ..good.clone() }.encode(), Bare::Takes, Malformed::ExtraBytes { extra: 1 });
    let author = Forged { extra: vec![1, 1, 65], ..good.clone() };
    expect("author footer on a later change", author.encode(), Bare::Panics, Malformed::ExtraBytes { extra: 3 });
    let mut checksum = good.encode();
    checksum[5] ^= 1;
    expect("wrong checksum", checksum, Bare::Takes, Malformed::Checksum);
    let long = scene.next().op(insert(ACTS, ForgedKey::Head, 7, &[7; 4000])).encode();
    let deflated = Change::from_bytes(long).expect("honest").bytes().into_owned();
    expect("deflated chunk", deflated, Bare::Takes, Malformed::ChunkType { found: 2 });
    let mut columns = good.columns();
    columns.insert(columns.len(), (148, vec![0, 1]));
    expect("expand column", good.encode_with(&columns), Bare::Takes, Malformed::Column { found: 148 });
    columns.pop();
    columns.push((960, vec![1]));
    expect("unknown column", good.encode_with(&columns), Bare::Unloadable, Malformed::Column { found: 960 });
    columns.pop();
    columns[0].0 |= 8;
    expect("deflated column", good.encode_with(&columns), Bare::Refuses, Malformed::Column { found: 9 });
    let mut columns = good.columns();
    columns.swap(0, 1);
    expect("columns out of order", good.encode_with(&columns), Bare::Refuses, Malformed::ColumnOrder { found: 1 });
    // The action column as a run of one instead of one single: another spelling of the same change.
    let mut columns = good.columns();
    columns.iter_mut().filter(|column| column.0 == 66).for_each(|column| column.1 = vec![1, 1]);
    expect("another spelling", good.encode_with(&columns), Bare::Unloadable, Malformed::NotCanonical);
    let mut trailing = good.encode();
    trailing.push(0);
    expect("bytes after the chunk", trailing, Bare::Refuses, Malformed::Trailing { extra: 1 });
}

#[test]
fn a_fork_diverges_in_automerge_and_is_seen_by_the_rules() {
    let mut scene = Scene::new();
    let fork = ["z", "w"].map(|char| scene.next().op(insert_char(ForgedKey::Head, char)).encode());
    let shown = |order: [usize; 2]| {
        let mut doc = Automerge::new_with_encoding(automerge::TextEncoding::UnicodeCodePoint);
        for bytes in scene.changes.iter().chain(order.map(|place| &fork[place])) {
            let _ = doc.apply_changes([Change::from_bytes(bytes.clone()).expect("readable")]);
        }
        let (_, text) = doc.get(ROOT, "text").expect("read").expect("made");
        doc.text(&text).expect("read")
    };
    assert_ne!(shown([0, 1]), shown([1, 0]), "bare Automerge keeps whichever came first");

    let mut tips = Vec::new();
    for bytes in &fork {
        let parsed = parse(bytes).expect("well formed");
        let checked = scene.index.check(&parsed, PARTNER).expect("each branch alone is well formed");
        scene.index.insert(checked);
        tips.push(parsed.hash());
    }
    tips.sort_unstable();
    let mut at = scene.index.changes_at(&scene.two, 2);
    at.sort_unstable();
    assert_eq!(at, tips);
    assert_eq!(scene.index.change_of_op(8, &scene.two), tips);
    assert!(!scene.index.is_ancestor(&tips[0], &tips[1]) && scene.index.is_ancestor(&scene.second.hash(), &tips[1]));
    let merge = Forged::empty(ActorId([3; 16]), 1, 9, &tips).encode();
    assert_eq!(scene.malformed(&merge), Malformed::MergesFork { actor: scene.two });
    let behind = |tip: ChangeHash| parse(&Forged::empty(ActorId([3; 16]), 1, 9, &[tip]).encode()).expect("well formed");
    for tip in &tips {
        assert!(scene.index.check(&behind(*tip), PARTNER).is_ok(), "either branch alone may be built on");
    }
    let both: Vec<&[u8]> = scene.changes.iter().chain(&fork).map(Vec::as_slice).collect();
    assert!(matches!(Content::replay(both), Err(crate::content::CannotShow::Fork { seq: 2, .. })));
}

#[test]
fn who_may_found_and_delete_depends_on_the_bureau() {
    let scene = Scene::new();
    let founding = Forged { actor: vec![4; 16], ..Forged::from_parsed(&scene.founding) }.encode();
    let founding = parse(&founding).expect("well formed by its bytes");
    assert!(scene.index.check(&founding, OWNER).is_ok(), "any writer of the owner, if no founder is named");
    let named = Index::with_founder(OWNER, scene.one);
    assert_eq!(named.check(&founding, OWNER).map(drop), Err(Malformed::WrongFounder.into()));
    assert!(named.check(&scene.founding, OWNER).is_ok());
    assert_eq!(named.check(&scene.founding, PARTNER).map(drop), Err(Malformed::WrongFounder.into()));

    let mut index = scene.index.clone();
    index.insert(index.check(&founding, OWNER).expect("checked above"));
    let mut deps = [founding.hash(), scene.second.hash()];
    deps.sort_unstable();
    let merge = parse(&Forged::empty(ActorId([3; 16]), 1, 8, &deps).encode()).expect("well formed by its bytes");
    assert_eq!(index.check(&merge, OWNER).map(drop), Err(Malformed::TwoFoundings.into()));

    let deletes = parse(&scene.next().op(delete((1, 4))).encode()).expect("well formed by its bytes");
    assert!(scene.index.check(&deletes, OWNER).is_ok(), "the owner may delete anything");
    assert_eq!(scene.index.check(&deletes, PARTNER).map(drop), Err(Malformed::NotOwnText { op: 0 }.into()));
}

#[test]
fn a_change_waits_for_exactly_what_is_missing() {
    let scene = Scene::new();
    let mut deps = vec![scene.second.hash(), ChangeHash([9; 32]), ChangeHash([8; 32])];
    deps.sort_unstable();
    let bytes = Forged { deps, ..scene.next() }.op(insert_char(ForgedKey::Head, "z")).encode();
    assert_eq!(scene.bare(&bytes), Bare::Ignores, "Automerge queues it without bound");
    assert_eq!(scene.verdict(&bytes), Err(Verdict::Waiting(vec![ChangeHash([8; 32]), ChangeHash([9; 32])])));
}

#[test]
fn bounds_are_exact() {
    let scene = Scene::new();
    let acts = |sizes: &[usize]| {
        let mut forged = scene.next();
        for (place, size) in sizes.iter().enumerate() {
            let after = if place == 0 { ForgedKey::Head } else { ForgedKey::Element((0, 7 + place as u64)) };
            forged = forged.op(insert(ACTS, after, 7, &vec![5; *size]));
        }
        forged.encode()
    };
    assert_eq!(scene.verdict(&acts(&[VALUE_BYTES_MAX])), Ok(()));
    assert_eq!(scene.malformed(&acts(&[VALUE_BYTES_MAX + 1])), Malformed::ValueTooLarge { bytes: VALUE_BYTES_MAX as u64 + 1 });
    let head = acts(&[VALUE_BYTES_MAX, VALUE_BYTES_MAX, VALUE_BYTES_MAX, 40_000]).len() - 40_000;
    let fill = CHANGE_BYTES_MAX - head;
    assert_eq!(scene.verdict(&acts(&[VALUE_BYTES_MAX, VALUE_BYTES_MAX, VALUE_BYTES_MAX, fill])), Ok(()));
    let over = acts(&[VALUE_BYTES_MAX, VALUE_BYTES_MAX, VALUE_BYTES_MAX, fill + 1]);
    assert_eq!(scene.malformed(&over), Malformed::TooLarge { bytes: CHANGE_BYTES_MAX + 1 });

    let typed = |count: usize| {
        let mut forged = scene.next();
        forged.ops = vec![insert_char(ForgedKey::Head, "z"); count];
        forged.encode()
    };
    assert_eq!(scene.verdict(&typed(OPS_MAX)), Ok(()));
    assert_eq!(scene.malformed(&typed(OPS_MAX + 1)), Malformed::TooManyOps);
    let deps = |count: u8| Forged::empty(scene.two, 2, 8, &(0..count).map(|place| ChangeHash([place; 32])).collect::<Vec<_>>()).encode();
    assert!(matches!(scene.verdict(&deps(32)), Err(Verdict::Waiting(missing)) if missing.len() == 32));
    assert_eq!(scene.malformed(&deps(33)), Malformed::Deps { found: 33 });
    let last = Forged { start_op: COUNTER_MAX, ..scene.next() };
    let first = |forged: Forged| parse(&forged.encode()).err();
    assert_eq!(first(last.clone().op(insert_char(ForgedKey::Head, "z"))), None);
    let two = last.op(insert_char(ForgedKey::Head, "z")).op(insert_char(ForgedKey::Head, "z"));
    assert_eq!(first(two), Some(Malformed::StartOp { found: COUNTER_MAX }));
}

#[test]
fn claimed_lengths_allocate_nothing() {
    // Each of these claims far more than it holds.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let mut bodies: Vec<Vec<u8>> = vec![huge.to_vec()];
    let head = |rest: &[u8]| [&[0, 16][..], &[1; 16], &[1, 1, 0, 0], rest].concat();
    bodies.push([&[0][..], &huge].concat());
    bodies.push(head(&huge));
    bodies.push(head(&[&[0][..], &huge].concat()));
    bodies.push(head(&[&[0, 1, 66][..], &huge].concat()));
    // A run of 2^62 actions in four bytes, and of as many gaps.
    bodies.push(head(&[&[0, 1, 66, 10][..], &huge[..8], &[0x3f, 1]].concat()));
    bodies.push(head(&[&[0, 1, 66, 10, 0][..], &huge].concat()));
    for body in bodies {
        assert!(parse(&forge::chunk(&body)).is_err(), "{body:02x?}");
    }
}
