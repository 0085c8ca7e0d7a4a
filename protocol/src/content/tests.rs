//! Contents on their own: bounds, folds and failures.

use super::*;
use crate::rules::{Group, Index, parse};

const ONE: ActorId = ActorId([1; 16]);
const OWNER: Group = Group([0xaa; 32]);

fn index_of(changes: &[Vec<u8>]) -> Index {
    let mut index = Index::new(OWNER);
    for bytes in changes {
        let checked = index.check(&parse(bytes).expect("own change"), OWNER).expect("own change");
        index.insert(checked);
    }
    index
}

fn replayed(changes: &[Vec<u8>]) -> Content {
    Content::replay(changes.iter().map(Vec::as_slice)).expect("own changes")
}

/// Laid out by us, changes are to the last byte what Automerge makes of them by applying them one after the other: order, deletions, history.
pub(crate) fn check_laid_out(changes: &[Vec<u8>]) {
    let raw: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
    let mut applied = empty();
    apply_raw(&mut applied, &raw).unwrap_or_else(|Engine(why)| panic!("applied: {why}"));
    let mut whole = Whole::default();
    // Automerge sorts changes its own way; laid out in that order nothing may differ.
    for change in applied.get_changes(&[]) {
        whole.add(parse(change.raw_bytes()).expect("well formed"));
    }
    let chunk = whole.encode().expect("nothing refers to what is not there");
    assert!(applied.save_nocompress() == chunk, "written as Automerge writes it");
    let (opened, _) = opened(&chunk).expect("opened");
    assert_eq!(opened.get_heads(), applied.get_heads());
    assert!(opened.save_nocompress() == chunk, "read as it was written");
    // In any other causal order it says the same.
    let (mut ledger, mut whole) = (Ledger::default(), Whole::default());
    ledger.take_in(raw, rules::parse_again, |change| whole.add(change)).expect("in causal order");
    let (other, objects) = super::opened(&whole.encode().expect("as before")).expect("opened");
    assert_eq!(other.get_heads(), applied.get_heads());
    assert_eq!(other.text(&objects.text).ok(), applied.text(&objects.text).ok());
}

#[test]
fn positions_count_code_points() {
    let (mut content, founding) = Content::found(ONE, &[], "中👮e\u{301}").expect("small");
    assert_eq!(content.text_len(), Ok(4));
    let written = content.edit(ONE, &[Edit::Delete { at: 3, len: 1 }, Edit::Insert { at: 1, text: "文".to_owned() }]).expect("in bounds");
    assert_eq!(content.text().as_deref(), Ok("中文👮e"));
    assert_eq!(replayed(&[&[founding][..], &written].concat()).text().as_deref(), Ok("中文👮e"));
}

#[test]
fn edits_out_of_bounds_write_nothing() {
    let (mut content, _) = Content::found(ONE, &[], "通报").expect("small");
    let heads = content.heads();
    let long = vec![0; VALUE_BYTES_MAX + 1];
    for (edits, error) in [
        (vec![], EditError::Nothing),
        (vec![Edit::Insert { at: 0, text: String::new() }, Edit::Delete { at: 2, len: 0 }], EditError::Nothing),
        (vec![Edit::Insert { at: 3, text: "x".to_owned() }], EditError::OutOfText { at: 3, len: 2 }),
        (vec![Edit::Delete { at: 1, len: 2 }], EditError::OutOfText { at: 1, len: 2 }),
        (vec![Edit::Delete { at: 1, len: usize::MAX }], EditError::OutOfText { at: 1, len: 2 }),
        (vec![Edit::Delete { at: 0, len: 1 }, Edit::Delete { at: 0, len: 2 }], EditError::OutOfText { at: 0, len: 1 }),
        (vec![Edit::Act(vec![1]), Edit::Act(long.clone())], EditError::ActTooLarge { bytes: long.len() }),
    ] {
        assert_eq!(content.edit(ONE, &edits), Err(error));
        assert_eq!(content.heads(), heads);
    }
    assert_eq!(Content::found(ONE, &[long], "").err(), Some(EditError::ActTooLarge { bytes: VALUE_BYTES_MAX + 1 }));
    let text = "长".repeat(OPS_MAX);
    assert!(matches!(Content::found(ONE, &[], &text), Err(EditError::FoundingTooLarge { .. })));
}

#[test]
fn long_edits_are_split_into_changes_within_the_bounds() {
    let (mut content, founding) = Content::found(ONE, &[], "").expect("small");
    let text: String = ('\u{4e00}'..='\u{9fff}').cycle().take(50_000).collect();
    let acts = (0..9).map(|size| Edit::Act(vec![size; VALUE_BYTES_MAX]));
    let edits: Vec<Edit> = acts.chain([Edit::Insert { at: 0, text: text.clone() }]).collect();
    let mut changes = vec![founding];
    changes.extend(content.edit(ONE, &edits).expect("split"));
    assert!(changes.len() > 4, "{} changes", changes.len());
    // Every other character: no two neighbours, the dearest deletion there is.
    let deletes: Vec<Edit> = (0..20_000).map(|at| Edit::Delete { at, len: 1 }).collect();
    changes.extend(content.edit(ActorId([2; 16]), &deletes).expect("split"));
    let left: String = text.chars().enumerate().filter(|(at, _)| *at >= 40_000 || at % 2 == 1).map(|(_, char)| char).collect();
    assert!(content.text() == Ok(left), "every other one of the first 40,000 characters is gone");
    assert!(index_of(&changes).len() == changes.len());
    assert!(replayed(&changes).text() == content.text());
    check_laid_out(&changes);
    assert_eq!(content.acts().expect("shown").len(), 9);
}

/// `laptops` write on the founding change without hearing of each other, then some of them go on writing.
fn check_fold(laptops: u8) {
    let (office, founding) = Content::found(ONE, &[], "案情").expect("small");
    let founding = vec![founding];
    let mut changes = founding.clone();
    for laptop in 0..laptops {
        let mut content = replayed(&founding);
        let actor = ActorId([100 + laptop; 16]);
        changes.extend(content.edit(actor, &[Edit::Insert { at: 0, text: format!("{laptop} ") }]).expect("offline"));
    }
    let mut content = office;
    content.apply(changes.iter().map(Vec::as_slice)).expect("own changes");
    assert_eq!(content.heads().len(), usize::from(laptops));
    // A laptop with a change of its own, one that never wrote, and the founder.
    for actor in [ActorId([103; 16]), ActorId([9; 16]), ONE] {
        let mut other = replayed(&changes);
        let written = other.edit(actor, &[Edit::Act(b"on".to_vec())]).expect("goes on writing");
        let folds = written.len() - 1;
        assert!(folds <= usize::from(laptops) / 30 + 1, "{folds} folds for {laptops} heads");
        assert_eq!(other.heads().len() <= HEADS_MAX, folds > 0 || usize::from(laptops) <= HEADS_MAX);
        let again = other.edit(actor, &[Edit::Insert { at: 0, text: "再".to_owned() }]).expect("and on");
        assert_eq!(again.len(), 1, "one fold is enough for a while");
        let all: Vec<Vec<u8>> = changes.iter().chain(&written).chain(&again).cloned().collect();
        let index = index_of(&all);
        assert_eq!(index.heads().len(), 1);
        for bytes in &written[..folds] {
            assert_eq!(parse(bytes).expect("own change").op_count(), 0, "a fold says nothing");
        }
        assert_eq!(replayed(&all).text(), other.text());
        check_laid_out(&all);
        // What Automerge thinks of the folds: it takes them and builds on them.
        let doc = other.doc.as_ref().expect("shown");
        assert_eq!(doc.get_heads().iter().map(|head| ChangeHash(head.0)).collect::<Vec<_>>(), other.heads());
    }
}

#[test]
fn thirty_three_and_a_hundred_laptops_that_wrote_offline_keep_writing() {
    for laptops in [31, 32, 33, 100] {
        check_fold(laptops);
    }
}

#[test]
fn a_failed_apply_drops_the_content_and_a_replay_brings_it_back() {
    let (mut content, founding) = Content::found(ONE, &[], "通报").expect("small");
    let mut changes = vec![founding];
    for _ in 0..3 {
        changes.extend(content.edit(ONE, &[Edit::Act(vec![7])]).expect("allowed"));
    }
    let mut early = replayed(&changes[..1]);
    let missing = early.apply([&changes[2][..]]);
    assert!(matches!(missing, Err(CannotShow::MissingDependency { .. })), "{missing:?}");
    assert_eq!(early.text(), Err(CannotShow::Dropped));
    assert_eq!(early.edit(ONE, &[Edit::Act(vec![1])]), Err(EditError::CannotShow(CannotShow::Dropped)));
    assert!(matches!(Content::replay([&b"nothing"[..]]), Err(CannotShow::NotWellFormed(_))));
    assert!(matches!(Content::replay([]), Err(CannotShow::Foundings { found: 0 })));
    let (_, other) = Content::found(ActorId([5; 16]), &[], "").expect("small");
    assert!(matches!(Content::replay([&changes[0][..], &other]), Err(CannotShow::Foundings { found: 2 })));
    assert_eq!(replayed(&changes).acts().map(|acts| acts.len()), Ok(3));
}

#[test]
fn applying_twice_changes_nothing() {
    let (mut content, founding) = Content::found(ONE, &[vec![1]], "通报").expect("small");
    let written = content.edit(ONE, &[Edit::Insert { at: 2, text: "！".to_owned() }]).expect("allowed");
    let (heads, text) = (content.heads(), content.text());
    content.apply([&founding[..], &written[0], &founding]).expect("known");
    assert_eq!((content.heads(), content.text()), (heads, text));
    assert_eq!(content.written_by(|actor| *actor == ONE), Ok(vec![Range { start: 0, end: 3 }]));
    let placed = content.acts().expect("shown");
    assert_eq!(placed, vec![PlacedAct { bytes: vec![1], counter: 3, actor: ONE }]);
}

#[test]
fn a_content_may_be_materialised_in_a_worker() {
    fn is_send<T: Send>(_: &T) {}
    let (content, _) = Content::found(ONE, &[], "").expect("small");
    is_send(&content);
}

#[test]
fn a_whole_that_lacks_something_is_not_laid_out() {
    let (mut content, founding) = Content::found(ONE, &[vec![1]], "通报").expect("small");
    let written = content.edit(ActorId([2; 16]), &[Edit::Insert { at: 1, text: "一".to_owned() }]).expect("allowed");
    let on_it = content.edit(ONE, &[Edit::Act(vec![2])]).expect("allowed");
    let last = content.edit(ONE, &[Edit::Delete { at: 1, len: 1 }]).expect("allowed");
    let laid_out = |changes: &[&[u8]]| {
        let mut whole = Whole::default();
        changes.iter().for_each(|bytes| whole.add(parse(bytes).expect("own change")));
        whole.encode().is_some()
    };
    assert!(laid_out(&[&founding, &written[0], &on_it[0], &last[0]]));
    assert!(!laid_out(&[&founding, &on_it[0]]), "what it rests on is missing, though nothing in it names that");
    assert!(!laid_out(&[&founding, &last[0]]), "what it deletes is missing");
    assert!(!laid_out(&[&written[0], &on_it[0]]), "nothing was founded");
    assert!(!laid_out(&[]));
}

#[test]
fn a_chunk_that_says_something_else_than_its_hashes_is_not_opened() {
    let (_, founding) = Content::found(ONE, &[], "aaa").expect("small");
    let mut whole = Whole::default();
    whole.add(parse(&founding).expect("own change"));
    let mut chunk = whole.encode().expect("whole");
    assert!(opened(&chunk).is_some());
    let text = chunk.windows(3).position(|bytes| bytes == b"aaa").expect("the text stands in it");
    chunk[text] = b'b';
    let checksum = rules::hash_of_chunk(&chunk).0;
    chunk[4..8].copy_from_slice(&checksum[..4]);
    assert!(opened(&chunk).is_none());
}

#[test]
fn what_cannot_be_laid_out_is_applied_one_after_the_other() {
    let (mut content, founding) = Content::found(ONE, &[vec![1], vec![2]], "通报").expect("small");
    let placed = content.acts().expect("shown");
    let engine = engine_actor(ONE);
    // The rules stop whoever takes an act away; should it come here all the same, it is for Automerge to say what it comes to.
    let doc = content.doc.as_mut().expect("shown");
    doc.set_actor(engine);
    let mut transaction = doc.transaction();
    transaction.delete(&content.objects.acts, 0).expect("there");
    let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
    let taken = doc.get_change_by_hash(&hash.expect("written")).expect("written").raw_bytes().to_vec();
    let mut whole = Whole::default();
    [&founding, &taken].into_iter().for_each(|bytes| whole.add(parse(bytes).expect("well formed by its bytes")));
    assert!(whole.encode().is_none(), "no act is ever deleted");
    assert_eq!(replayed(&[founding, taken]).acts().as_deref(), Ok(&placed[1..]));
}
