use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::access::log::Subject;
use crate::agreement::Verb;
use crate::bureau::documents::{Documents, Reading};
use crate::bureau::rows::tests::plain;
use crate::time::WallSeconds;

/// What is asked of documents: everything that may be found in one layer or the other.
#[derive(Debug, PartialEq)]
struct Seen {
    all: Vec<Summary>,
    later: Vec<Vec<u64>>,
    ids_later: Vec<Vec<(u64, DocumentId)>>,
    changed: Vec<BTreeSet<u64>>,
    any: Vec<bool>,
    earlier: Vec<Vec<u64>>,
    from: Vec<Option<DocumentId>>,
    open: Vec<DocumentId>,
    ending: Vec<DocumentId>,
    owned: Vec<u64>,
    sums: (usize, u64, Digest, Option<u64>),
}

fn seen(documents: &Documents) -> Seen {
    let places = [0, 1, 7, 20, 41, u64::MAX];
    Seen {
        all: documents.values().map(|line| Summary::clone(&line.summary())).collect(),
        later: places.map(|seq| documents.after(seq).map(|line| line.newest_seq).collect()).to_vec(),
        ids_later: places.map(|seq| documents.ids_after(seq).collect()).to_vec(),
        changed: places.map(|seq| documents.changed_after(seq).map(|line| line.newest_seq).collect()).to_vec(),
        any: (0..125).map(|seq| documents.any_after(seq)).collect(),
        earlier: places.map(|seq| documents.newest_before(Some(seq)).map(|line| line.newest_seq).collect()).to_vec(),
        from: (0..40).map(|n| documents.range(named(n)..).next().map(|line| line.document)).collect(),
        open: documents.open().map(|line| line.document).collect(),
        ending: documents.ending().map(|line| line.document).collect(),
        owned: (0..3).map(|n| documents.owned_by(&BureauId([n; 32]))).collect(),
        sums: (documents.len(), documents.changes(), documents.sum(), documents.newest_seq()),
    }
}

/// Few ids, some of which begin alike.
fn named(n: u8) -> DocumentId {
    let mut id = [n / 3; 32];
    id[31] = n;
    DocumentId(id)
}

fn summary(n: u8, seq: u64, kind: u8) -> Summary {
    let mut summary = Summary { document: named(n), owner: BureauId([n % 3; 32]), newest_seq: seq, ..plain(u64::from(n) + seq) };
    let rights = Arc::make_mut(&mut summary.rights);
    match kind {
        0 => summary.adopted = false,
        1 => rights.note_denied(Subject::Seat(BureauId([3; 32]), "值班".to_owned()), Verb::Read),
        2 => {
            let (bureau, mut held) = rights.bureaus.iter().next().map(|(bureau, held)| (*bureau, held.clone())).expect("somebody holds it");
            held.until = Some(WallSeconds(99));
            rights.bureaus.insert(bureau, held);
        }
        _ => {}
    }
    summary
}

#[derive(Clone, Debug)]
enum Act {
    Put(u8, u8),
    Gone(u8),
    Given(u8, u8),
    Take,
    Rest,
    Fail,
    /// Started anew, from the inventory of now and what comes after it.
    Again,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0u8..40, 0u8..8).prop_map(|(n, kind)| Act::Put(n, kind)),
        2 => (0u8..40).prop_map(Act::Gone),
        2 => (0u8..40, 10u8..14).prop_map(|(n, to)| Act::Given(n, to)),
        1 => Just(Act::Take),
        2 => Just(Act::Rest),
        1 => Just(Act::Fail),
        1 => Just(Act::Again),
    ]
}

/// Head and sheets.
type Laid = (Vec<u8>, Vec<Arc<[u8]>>);

fn written(taking: &Taking) -> Laid {
    let mut sheets: Vec<Arc<[u8]>> = Vec::new();
    let head = taking.write(&mut |sheet| {
        sheets.push(Arc::from(sheet));
        Ok::<_, ()>(())
    });
    (head.expect("nothing refuses").expect("the one before reads"), sheets)
}

proptest! {
    #[test]
    fn what_lies_in_layers_is_what_lay_in_one(acts in vec(act(), 1..120)) {
        let (mut layered, mut whole) = (Documents::default(), Documents::default());
        let mut taking: Option<Taking> = None;
        for (at, act) in acts.into_iter().enumerate() {
            match act {
                Act::Put(n, kind) => {
                    let summary = summary(n, at as u64 + 1, kind);
                    layered.insert(summary.document, summary.clone());
                    whole.insert(summary.document, summary);
                }
                Act::Gone(n) => prop_assert_eq!(layered.remove(&named(n)), whole.remove(&named(n))),
                Act::Given(n, to) => {
                    let to = BureauId([to; 32]);
                    prop_assert_eq!(layered.note_given(&named(n), to), whole.note_given(&named(n), to));
                }
                Act::Take if taking.is_none() => taking = layered.take_inventory(false),
                Act::Take => prop_assert!(layered.take_inventory(false).is_none()),
                Act::Rest => if let Some(taking) = taking.take() {
                    let (head, sheets) = written(&taking);
                    let _gone = layered.rest_on(&head, Arc::new(InMemory(sheets))).expect("it is the one");
                },
                Act::Fail => if taking.take().is_some() {
                    layered.inventory_failed();
                },
                Act::Again => {
                    let standing = taking.take().map(|taking| written(&taking));
                    let Some((head, sheets)) = standing else { continue };
                    let mut reading = Reading::since(&head, Arc::new(InMemory(sheets))).expect("it is the one");
                    for (document, slot) in &layered.recent.rows {
                        match slot {
                            Some(slot) => reading.take(Summary::clone(&Line::of(*document, slot, &layered.words).summary())),
                            None => reading.gone(document),
                        }
                    }
                    layered = reading.finish();
                }
            }
            prop_assert!(!layered.is_broken());
        }
        prop_assert_eq!(seen(&layered), seen(&whole));
        (0..40).map(named).try_for_each(|id| {
            prop_assert_eq!(layered.get(&id), whole.get(&id));
            prop_assert_eq!(layered.contains_key(&id), whole.contains_key(&id));
            Ok(())
        })?;
    }

    #[test]
    fn a_head_or_a_sheet_of_any_bytes_is_read_or_refused(at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(), rows in any::<bool>()) {
        static WRITTEN: LazyLock<Laid> =
            LazyLock::new(|| written(&many().take_inventory(false).expect("there is something")));
        let (head, sheets) = &*WRITTEN;
        let harmed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut % (2 * bytes.len()));
            bytes
        };
        let _ = Inventory::open(&harmed(head), Arc::new(InMemory(Vec::new())));
        let sheet: Arc<[u8]> = Arc::from(harmed(if rows { &sheets[0] } else { sheets.last().expect("there are") }));
        if let Some(sheet) = Sheet::of_rows(Arc::clone(&sheet)) {
            let all: Vec<usize> = (0..sheet.rows()).map(|at| sheet.row(at).end.max(usize::from(sheet.document(at).0[0]))).collect();
            prop_assert!(all.last().is_some_and(|end| *end >= sheet.0.len()));
        }
        if let Some(sheet) = Sheet::of_places(sheet) {
            let all: Vec<_> = (0..sheet.places()).map(|at| sheet.place(at)).collect();
            prop_assert_eq!(all.len() * PLACE, sheet.0.len());
        }
    }
}

/// More than fit on one sheet, of rows and of places.
fn many() -> Documents {
    let mut documents = Documents::default();
    // Rows of many lengths, so that no two sheets have as many of them.
    let rows = (1..=3_000).map(|n| Summary { title: "协".repeat(n as usize * 7 % 90), ..plain(n) });
    rows.for_each(|summary| documents.insert(summary.document, summary));
    documents
}

#[test]
fn many_sheets_are_read_in_order_from_anywhere() {
    let (mut documents, whole) = (many(), many());
    let taking = documents.take_inventory(false).expect("there is something");
    let (head, sheets) = written(&taking);
    assert!(sheets.len() > 20 && sheets.iter().all(|sheet| sheet.len() <= SHEET_BYTES + 1_024), "{}", sheets.len());
    let _gone = documents.rest_on(&head, Arc::new(InMemory(sheets))).expect("it is the one");
    assert_eq!((documents.recent(), documents.len()), (0, 3_000));
    let ids = |documents: &Documents| documents.values().map(|line| line.document).collect::<Vec<_>>();
    let all = ids(&documents);
    assert_eq!(all, ids(&whole));
    for at in (0..3_000).step_by(7) {
        assert!(documents.range(all[at]..).map(|line| line.document).take(200).eq(all[at..].iter().copied().take(200)));
        let seq = 3 * at as u64;
        assert!(documents.after(seq).map(|line| line.newest_seq).take(2_000).eq((at as u64 + 1..=3_000).map(|n| 3 * n).take(2_000)));
        assert!(
            documents.newest_before(Some(seq)).map(|line| line.newest_seq).take(2_000).eq((1..at as u64).rev().map(|n| 3 * n).take(2_000))
        );
    }
    assert_eq!((documents.first_after(8_999).map(|(seq, _)| seq), documents.any_after(9_000)), (Some(9_000), false));
}

#[test]
fn an_inventory_that_does_not_read_any_more_says_so_and_no_other_is_made_of_it() {
    let mut documents = many();
    let taking = documents.take_inventory(false).expect("there is something");
    let (head, mut sheets) = written(&taking);
    sheets.truncate(5);
    let _gone = documents.rest_on(&head, Arc::new(InMemory(sheets))).expect("the head reads");
    assert!(!documents.is_broken());
    assert!(documents.values().count() < 3_000);
    assert!(documents.is_broken());
    documents.insert(plain(9_999).document, plain(9_999));
    let taking = documents.take_inventory(false).expect("something changed");
    assert_eq!(taking.write(&mut |_| Ok::<_, ()>(())), Ok(None));
}

#[test]
fn what_only_a_document_that_is_gone_said_is_in_no_later_inventory() {
    let mut documents = Documents::default();
    let gone = Summary { owner: BureauId([0xaa; 32]), subkind: "线人甲".to_owned(), title: "甲".to_owned(), ..plain(1) };
    let rare = {
        let mut rare = Summary { owner: BureauId([0xbb; 32]), ..plain(2) };
        Arc::make_mut(&mut rare.rights).note_denied(Subject::Seat(BureauId([0xaa; 32]), "席".to_owned()), Verb::Read);
        rare
    };
    let stays = Summary { subkind: "series".to_owned(), ..plain(3) };
    for summary in [&gone, &rare, &stays] {
        documents.insert(summary.document, summary.clone());
    }
    let says = |documents: &mut Documents, part: &[u8]| {
        let (head, sheets) = written(&documents.take_inventory(false).expect("something changed"));
        let found =
            [&head[..]].into_iter().chain(sheets.iter().map(|sheet| &**sheet)).any(|bytes| bytes.windows(part.len()).any(|at| at == part));
        let _gone = documents.rest_on(&head, Arc::new(InMemory(sheets))).expect("it is the one");
        found
    };
    assert!(says(&mut documents, "线人甲".as_bytes()));
    documents.remove(&gone.document).expect("it was here");
    assert!(!says(&mut documents, "线人甲".as_bytes()));
    documents.insert(stays.document, stays.clone());
    assert!(says(&mut documents, &[0xaa; 32]), "the other one still names that bureau");
    documents.remove(&rare.document).expect("it was here");
    assert!(!says(&mut documents, &[0xaa; 32]));
    documents.insert(gone.document, gone.clone());
    assert_eq!((documents.here(&gone.document), documents.here(&stays.document)), (Arc::new(gone), Arc::new(stays)));
}

#[test]
fn an_inventory_of_something_else_than_what_was_counted_is_none() {
    let changes: [fn(&mut Documents); 3] =
        [|documents| documents.count += 1, |documents| documents.changes += 1, |documents| documents.sum[0] ^= 1];
    for change in changes {
        let mut documents = many();
        change(&mut documents);
        let taking = documents.take_inventory(false).expect("there is something");
        assert_eq!(taking.write(&mut |_| Ok::<_, ()>(())), Ok(None));
        documents.inventory_wrong();
        assert!(documents.is_broken());
    }
}

#[test]
fn an_inventory_of_another_form_or_build_is_not_read() {
    let taking = many().take_inventory(false).expect("there is something");
    let (head, _) = written(&taking);
    let row: HeadRow = read("inventory", &head).expect("a head");
    for other in [HeadRow { form: FORM + 1, ..row.clone() }, HeadRow { build: "0.0.0".to_owned(), ..row.clone() }] {
        let error = Inventory::open(&write(&other), Arc::new(InMemory(Vec::new()))).err().expect("of another form");
        assert_eq!(error.why, "of another form");
    }
    let twice = HeadRow { texts: vec!["a".to_owned(), "a".to_owned()], ..row };
    assert!(Inventory::open(&write(&twice), Arc::new(InMemory(Vec::new()))).is_err());
}

#[test]
fn what_is_written_has_the_form_that_its_number_says() {
    let mut documents = Documents::default();
    (0..40).map(|n| summary(n, u64::from(n) + 1, n % 4)).for_each(|summary| documents.insert(summary.document, summary));
    let (head, sheets) = written(&documents.take_inventory(false).expect("there is something"));
    let mut row: HeadRow = read("inventory", &head).expect("a head");
    row.build = String::new();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&write(&row));
    for sheet in &sheets {
        hasher.update(sheet);
    }
    // Another digest is another form: raise `FORM` with it.
    let digest = hasher.finalize().to_hex();
    assert_eq!((FORM, &digest[..16]), (1, "b4b64dabd154f7c8"));
}
