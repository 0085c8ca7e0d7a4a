//! The pair ledger: chains only grow, a second line for one place is seen, and only a registrar writes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use accord_keys::seal::{Statement, Verified};
use accord_protocol::id::{Digest, DocumentId, RecordId};
use accord_protocol::ledger::{
    Chain, ChainRow, Daily, KindCount, Line, LineError, Read, ReceiptLine, Says, Taken, check_writer, date_of, day_of, month,
};
use accord_protocol::limits;
use accord_protocol::time::WallSeconds;
use proptest::prelude::*;

use crate::world::{START, network, verified, world};

pub fn receipts(documents: &[u8]) -> Says {
    Says::Receipts(documents.iter().map(|n| receipt(*n)).collect())
}

fn receipt(n: u8) -> ReceiptLine {
    ReceiptLine { document: DocumentId([n; 32]), entry: Digest([n; 32]), head: RecordId([n; 32]), at: START }
}

/// A line of the first bureau's registrar to the second bureau.
pub fn line(n: u64, previous: Digest, says: Says) -> Line {
    let [from, to, _] = &world().bureaus;
    Line { from: from.id, to: to.id, n, previous, says, at: START, certificate: from.node.id }
}

fn sealed(body: Line) -> Verified<Line> {
    verified(body, &[world().bureaus[0].node.seed])
}

/// Nothing is at rest.
const NOWHERE: fn(u64) -> Option<Vec<u8>> = |_| None;

/// `count` lines in their order.
fn chain(count: u64) -> Vec<Verified<Line>> {
    let mut head = Digest([0; 32]);
    (1..=count)
        .map(|n| {
            let says = match n % 3 {
                0 => Says::Denials { count: n, references: vec![n] },
                _ => receipts(&[u8::try_from(n).expect("few lines")]),
            };
            let made = sealed(line(n, head, says));
            head = Digest(made.id().0);
            made
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_chain_is_a_beginning_of_what_was_written_in_whatever_order_it_comes(order in prop::collection::vec(0usize..11, 0..40)) {
        let written = chain(8);
        let rival = sealed(line(3, Digest(written[1].id().0), receipts(&[99])));
        let mut held = Chain::default();
        // Every now and then what came is stored, and lies no more in memory.
        let disk: RefCell<BTreeMap<u64, Box<[u8]>>> = RefCell::default();
        let at_rest = |n: u64| disk.borrow().get(&n).map(|bytes| bytes.to_vec());
        for at in order {
            if at >= written.len() {
                disk.borrow_mut().append(&mut held.stored());
                held = match held.row() {
                    Some(row) if at % 2 == 0 => Chain::from_row(written[0].network(), &row).expect("its own row"),
                    _ => held,
                };
                continue;
            }
            let before = held.len();
            let taken = held.take(written[at].clone(), &at_rest);
            let n = at as u64 + 1;
            let expected = match n {
                n if n <= before => Ok(Taken::Known),
                n if n == before + 1 => Ok(Taken::New),
                _ => Err(LineError::Gap),
            };
            prop_assert_eq!(taken, expected);
            prop_assert_eq!(held.len(), before + u64::from(taken == Ok(Taken::New)));
            if held.len() >= 3 {
                let (len, head) = (held.len(), held.head());
                prop_assert_eq!(held.take(rival.clone(), &at_rest), Ok(Taken::Fork));
                prop_assert_eq!((held.len(), held.head()), (len, head), "a contradiction changes nothing");
            }
        }
        // What is kept as bytes alone is read again as it was written.
        let written = &written[..usize::try_from(held.len()).expect("few")];
        let network = &network();
        let lines: Vec<_> = written.iter().map(|line| (line.id(), line.body().clone())).collect();
        prop_assert_eq!(held.lines(1, network, &at_rest).collect::<Vec<_>>(), lines);
        let of_receipts = |line: &Verified<Line>| matches!(line.body().says, Says::Receipts(_));
        let (receipts, others): (Vec<_>, Vec<_>) = written.iter().cloned().partition(of_receipts);
        prop_assert_eq!(held.others().cloned().collect::<Vec<_>>(), others);
        let documents: Vec<u8> = held.receipts(&at_rest).map(|receipt| receipt.document.0[0]).collect();
        prop_assert_eq!(documents.len(), receipts.len());
        for (document, line) in documents.iter().zip(&receipts) {
            prop_assert_eq!(&held.receipts_of(&DocumentId([*document; 32]), network, &at_rest).collect::<Vec<_>>(), std::slice::from_ref(line));
        }
        prop_assert_eq!(held.receipts_of(&DocumentId([200; 32]), network, &at_rest).count(), 0);
        let bytes: Vec<Vec<u8>> = written.iter().skip(2).map(|line| line.sealed().to_bytes()).collect();
        prop_assert_eq!(held.after(2, &at_rest).collect::<Vec<_>>(), bytes);
    }
}

#[test]
fn a_line_at_rest_that_cannot_be_read_is_left_out_and_nothing_is_made_of_its_absence() {
    let (written, network) = (chain(5), &network());
    let mut held = Chain::default();
    for line in &written {
        held.take(line.clone(), &NOWHERE).expect("new");
    }
    let mut disk = held.stored();
    disk.remove(&4);
    // And one that is another's.
    let other = disk[&1].clone();
    disk.insert(2, other);
    let at_rest = |n: u64| disk.get(&n).map(|bytes| bytes.to_vec());
    let places: Vec<u64> = held.lines(1, network, &at_rest).map(|(_, line)| line.n).collect();
    assert_eq!(places, [1, 3, 5]);
    assert_eq!(held.lines(4, network, &at_rest).count(), 1);
    assert_eq!(held.receipts_of(&DocumentId([4; 32]), network, &at_rest).count(), 0);
    assert_eq!(held.after(2, &at_rest).count(), 1, "a page ends where the next line is missing");
    let rival = sealed(line(4, Digest(written[2].id().0), receipts(&[99])));
    assert_eq!(held.take(rival, &at_rest), Ok(Taken::Known), "nobody is said to contradict what is not there");
    assert_eq!((held.len(), held.head().0), (5, written[4].id().0));
}

#[test]
fn a_chain_is_read_back_from_its_own_row_and_from_no_other() {
    let written = chain(5);
    let mut held = Chain::default();
    for line in &written {
        held.take(line.clone(), &NOWHERE).expect("new");
    }
    assert_eq!(held.row(), None, "what is nowhere else does not leave memory");
    held.stored();
    let row = minicbor::to_vec(held.row().expect("all at rest")).expect("encoded");
    let mut read = 0;
    for at in 0..row.len() {
        let mut bytes = row.clone();
        bytes[at] ^= 1;
        // Whatever it says: it is refused, or it is a chain of as many lines as it has marks and others.
        let Ok(changed) = minicbor::decode::<ChainRow>(&bytes) else { continue };
        read += usize::from(Chain::from_row(&network(), &changed).is_some_and(|chain| chain.len() == 5));
    }
    assert!(read > 0, "an id or a mark may be another: that only the store can tell");
    let again = minicbor::decode::<ChainRow>(&row).expect("its own");
    assert_eq!(Chain::from_row(&network(), &again).and_then(|chain| chain.row()), Some(again));
}

#[test]
fn a_stored_line_may_be_lost_and_no_other_comes_into_its_place() {
    let (written, network) = (chain(6), network());
    let read = |n: usize| Read::from_bytes(&network, &written[n - 1].sealed().to_bytes(), false).expect("a line");
    let mut held = Chain::default();
    for n in [1, 3, 4, 6] {
        held.push_stored(read(n)).expect("in order");
    }
    assert_eq!((held.len(), held.head().0), (6, written[5].id().0));
    assert_eq!(held.push_stored(read(4)), Err(LineError::Gap), "never back");
    assert_eq!(held.take(sealed(line(2, Digest(written[0].id().0), receipts(&[99]))), &NOWHERE), Ok(Taken::Known));
    assert_eq!(held.push(read(2)), Err(LineError::Gap));
    let row = held.row().expect("all at rest");
    assert_eq!(Chain::from_row(&network, &row).and_then(|chain| chain.row()), Some(row));
    let mut loose = Chain::default();
    loose.push_stored(read(1)).expect("the first");
    let other = sealed(line(2, Digest([7; 32]), receipts(&[1])));
    let other = Read::from_bytes(&network, &other.sealed().to_bytes(), false).expect("a line");
    assert_eq!(loose.push_stored(other), Err(LineError::Loose));
}

#[test]
fn a_line_that_continues_another_chain_is_loose() {
    let written = chain(2);
    let mut held = Chain::default();
    held.take(written[0].clone(), &NOWHERE).expect("the first");
    assert_eq!(held.take(sealed(line(2, Digest([7; 32]), receipts(&[1]))), &NOWHERE), Err(LineError::Loose));
    assert_eq!(held.take(written[1].clone(), &NOWHERE), Ok(Taken::New));
}

#[test]
fn only_a_registrar_of_the_bureau_that_states_writes_its_lines() {
    let world = world();
    let body = line(1, Digest([0; 32]), receipts(&[1]));
    assert_eq!(check_writer(&world.directory, &sealed(body.clone())), Ok(()));
    assert_eq!(check_writer(&world.directory, &verified(body.clone(), &[world.bureaus[1].node.seed])), Err(LineError::NotTheRegistrar));
    let officer = Line { certificate: world.owner().officers[0].id, ..body.clone() };
    assert_eq!(check_writer(&world.directory, &verified(officer, &[world.owner().officers[0].seed])), Err(LineError::NotTheRegistrar));
    let foreign = Line { certificate: world.bureaus[1].node.id, ..body.clone() };
    assert_eq!(check_writer(&world.directory, &verified(foreign, &[world.bureaus[1].node.seed])), Err(LineError::NotTheRegistrar));
    let unknown = Line { certificate: accord_protocol::id::CertificateId([9; 32]), ..body };
    assert_eq!(check_writer(&world.directory, &sealed(unknown)), Err(LineError::UnknownWriter));
}

#[test]
fn each_rule_of_a_line_is_checked() {
    let check = |change: &dyn Fn(&mut Line), field: &str| {
        let mut broken = line(2, Digest([1; 32]), receipts(&[1]));
        assert_eq!(broken.validate(), Ok(()));
        change(&mut broken);
        assert_eq!(broken.validate().expect_err("a broken rule").field, field);
    };
    check(&|line| line.to = line.from, "to");
    check(&|line| line.n = 0, "n");
    check(&|line| line.previous = Digest([0; 32]), "previous");
    check(&|line| line.n = 1, "previous");
    check(&|line| line.says = receipts(&[]), "receipts");
    check(&|line| line.says = receipts(&[2, 1]), "receipts");
    check(&|line| line.says = Says::Receipts((0..=128).map(receipt).collect()), "receipts");
    check(&|line| line.says = Says::Denials { count: 20, references: vec![1; limits::DENIAL_REFERENCES_MAX + 1] }, "references");
    let count = |kind| KindCount { kind, count: 1 };
    let daily = |given: Vec<KindCount>| Says::Daily(Daily { day: 1, given, taken: vec![], journal: Digest([1; 32]) });
    check(&|line| line.says = daily(vec![count(3), count(1)]), "counts");
}

#[test]
fn days_and_months_are_those_of_the_counties() {
    for (day, date) in [(0, "1970-01-01"), (58, "1970-02-28"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_818, "2026-12-31")] {
        assert_eq!(date_of(day), date);
        let (first, past) = month(&date[..7]).expect("a month");
        assert!((day_of(first)..day_of(past)).contains(&day), "{date} lies in its month");
    }
    let midnight = WallSeconds(1_767_196_800); // 2026-01-01 00:00:00 +08:00
    assert_eq!(month("2026-01").map(|(begins, _)| begins), Some(midnight));
    assert_eq!(month("2025-12").map(|(_, ends)| ends), Some(midnight));
    assert_eq!(day_of(midnight), day_of(WallSeconds(midnight.0 - 1)) + 1);
    let (begins, ends) = month("2028-02").expect("a month");
    assert_eq!((ends.0 - begins.0) / 86_400, 29, "a leap year");
    for bad in ["2026", "2026-13", "2026-00", "26-01", "2026-1", "2026-1x", "1969-12"] {
        assert_eq!(month(bad), None, "{bad}");
    }
}
