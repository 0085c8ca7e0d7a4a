//! Segments: what is not the writer's own run, of this document, in this order, citing these records, is refused.

use std::collections::BTreeSet;

use accord_keys::seal;
use accord_protocol::content::{CannotShow, Content};
use accord_protocol::id::{Bytes, CertificateId, Digest, DocumentId, RecordId};
use accord_protocol::limits;
use accord_protocol::rules::{self, ChangeHash, Malformed};
use accord_protocol::segment::{self, CheckedSegment, CitedRun, Segment, SegmentError};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::documents::Story;
use crate::world::{key, life, network, world};

/// Five changes of one officer's life: two under the genesis, three under record 1.
fn run() -> (Story, Segment) {
    let world = world();
    let mut story = Story::found(world);
    let member = world.bureaus[1].officers[0];
    let mut newest = story.changes[0];
    for n in 0..5 {
        if n == 2 {
            story.then(world, accord_protocol::access::log::RecordKind::Adopt("demo 1".to_owned(), vec![]));
        }
        let head = story.head();
        newest = story.write(member, life(member, 1), BTreeSet::from([newest]), head, 0).expect("writes");
    }
    let steps: Vec<&crate::documents::Step> = story.steps.iter().skip(1).collect();
    let segment = story.segment(&steps, 0).segment().clone();
    (story, segment)
}

fn verdict(segment: Segment) -> Result<CheckedSegment, SegmentError> {
    let certificate = world().directory.certificate(&segment.certificate).expect("known").body();
    segment::check(&network(), certificate, segment)
}

fn check(change: impl FnOnce(&mut Segment), expected: &SegmentError) {
    let (_, mut segment) = run();
    change(&mut segment);
    assert_eq!(verdict(segment).map(|_| ()).as_ref(), Err(expected));
}

#[test]
fn an_honest_segment_checks_and_reads_back() {
    let (_, segment) = run();
    let checked = verdict(segment.clone()).expect("checks");
    assert_eq!((checked.to(), checked.positions().len(), checked.parsed().len()), (5, 5, 5));
    assert_eq!(segment::decode(&checked.to_bytes()), Ok(segment));
}

#[test]
fn what_is_not_the_writers_own_run_is_refused() {
    let world = world();
    let position = |position| SegmentError::Position { position };
    check(|segment| segment.certificate = world.bureaus[1].officers[1].id, &position(1));
    check(|segment| segment.life = life(world.bureaus[1].officers[0], 2), &position(1));
    check(|segment| segment.document = DocumentId([9; 32]), &position(1));
    check(|segment| segment.changes.swap(1, 2), &position(2));
    check(|segment| segment.from = 2, &SegmentError::Before);
    check(|segment| segment.before = Digest([1; 32]), &SegmentError::Before);
    check(|segment| (segment.from, segment.before) = (2, Digest([1; 32])), &position(2));
    check(|segment| segment.cited[1].record = RecordId([9; 32]), &SegmentError::Signature);
    check(|segment| (segment.cited[0].count, segment.cited[1].count) = (3, 2), &SegmentError::Signature);
    check(|segment| segment.cited[0].count = 1, &SegmentError::Citations);
    check(|segment| segment.cited[0].count = 0, &SegmentError::Citations);
    check(|segment| segment.cited[1].count = u32::MAX, &SegmentError::Citations);
    check(
        |segment| segment.cited = (0..5).map(|_| CitedRun { count: 1, record: segment.cited[0].record }).collect(),
        &SegmentError::Citations,
    );
    check(|segment| segment.signature.0[10] ^= 1, &SegmentError::Signature);
    check(|segment| segment.signature = Bytes(vec![0; 63]), &SegmentError::Signature);
    check(|segment| segment.changes.clear(), &SegmentError::Bound("positions"));
    check(|segment| segment.from = 0, &SegmentError::Bound("from"));
    check(|segment| segment.from = u64::MAX, &SegmentError::Bound("from"));
    check(
        |segment| {
            segment.changes.pop();
            segment.cited[1].count = 2;
        },
        &SegmentError::Signature,
    );
    check(
        |segment| {
            segment.changes = vec![Bytes(vec![0; limits::SEGMENT_BYTES_MAX + 1])];
        },
        &SegmentError::Bound("bytes"),
    );
    let (story, honest) = run();
    let hashes: Vec<ChangeHash> = story.steps.iter().skip(1).map(|step| step.change).collect();
    let links = honest.shortened(2, &hashes).expect("shorter").links;
    let many = || links.iter().cycle().take(limits::SEGMENT_POSITIONS_MAX).cloned().collect();
    check(|segment| segment.links = many(), &SegmentError::Bound("positions"));
}

/// The same operations in other bytes: one entry of a column as a run of one, where Automerge writes it by itself.
fn in_another_form(raw: &[u8]) -> Vec<u8> {
    let singles = raw.iter().enumerate().filter(|(_, byte)| **byte == 0x7f);
    let mut forms = singles.map(|(at, _)| {
        let mut form = raw.to_vec();
        form[at] = 1;
        let checksum = Sha256::digest(&form[8..]);
        form[4..8].copy_from_slice(&checksum[..4]);
        form
    });
    forms.find(|form| rules::parse(form) == Err(Malformed::NotCanonical)).expect("an entry stands by itself")
}

#[test]
fn a_change_in_another_form_than_automerges_is_refused() {
    let why = Malformed::NotCanonical.to_string();
    check(|segment| segment.changes[1].0 = in_another_form(&segment.changes[1].0), &SegmentError::Change { position: 2, why });
    let (_, segment) = run();
    let form = in_another_form(&segment.changes[0].0);
    assert_eq!(Content::replay([&form[..]]).err(), Some(CannotShow::NotWellFormed(Malformed::NotCanonical)));
}

#[test]
fn another_members_signature_makes_no_segment() {
    let (_, mut segment) = run();
    let tip = verdict(segment.clone()).expect("checks").positions()[4].attestation;
    for seed in [world().bureaus[1].officers[1].seed, world().bureaus[1].node.seed] {
        segment.signature = Bytes(seal::sign_tip(&network(), &key(seed), &tip.0).expect("signs").0.to_vec());
        assert_eq!(verdict(segment.clone()).map(|_| ()), Err(SegmentError::Signature));
    }
    let other = accord_keys::id::NetworkId::named("other");
    let certificate = world().directory.certificate(&segment.certificate).expect("known").body();
    let own = world().bureaus[1].officers[0].seed;
    segment.signature = Bytes(seal::sign_tip(&network(), &key(own), &tip.0).expect("signs").0.to_vec());
    assert!(segment::check(&other, certificate, segment).is_err(), "a segment of another network");
}

#[test]
fn a_shortened_segment_keeps_its_proof_and_a_tampered_link_breaks_it() {
    let (story, segment) = run();
    let hashes: Vec<ChangeHash> = story.steps.iter().skip(1).map(|step| step.change).collect();
    for last in 1..5u64 {
        let short = segment.shortened(last, &hashes).expect("shorter");
        let checked = verdict(short.clone()).expect("keeps its proof");
        assert_eq!((checked.parsed().len() as u64, checked.to()), (last, 5));
        assert_eq!(checked.positions()[4].attestation, verdict(segment.clone()).expect("checks").positions()[4].attestation);
        for change in [true, false] {
            let mut bad = short.clone();
            let link = &mut bad.links[0];
            if change {
                link.change.0[0] ^= 1
            } else {
                link.cited.0[0] ^= 1
            }
            assert_eq!(verdict(bad).map(|_| ()), Err(SegmentError::Signature), "link after {last}");
        }
        let mut without = short.clone();
        without.links.pop();
        assert_eq!(verdict(without).map(|_| ()), Err(SegmentError::Signature));
        if last > 1 {
            let again = short.shortened(1, &hashes).expect("shorter still");
            assert_eq!(verdict(again).expect("keeps its proof").parsed().len(), 1);
        }
    }
    assert_eq!(segment.shortened(5, &hashes), None, "nothing to leave out");
    assert_eq!(segment.shortened(0, &hashes), None, "nothing would remain");
    assert_eq!(segment.shortened(u64::MAX, &hashes), None);
}

#[test]
fn every_input_of_an_actor_and_of_an_attestation_counts() {
    let (document, certificate, life) = (DocumentId([1; 32]), CertificateId([2; 32]), accord_protocol::access::log::Life([3; 8]));
    let actors: BTreeSet<_> = [
        segment::actor_id(&certificate, &document, &life),
        segment::actor_id(&CertificateId([9; 32]), &document, &life),
        segment::actor_id(&certificate, &DocumentId([9; 32]), &life),
        segment::actor_id(&certificate, &document, &accord_protocol::access::log::Life([9; 8])),
    ]
    .into();
    assert_eq!(actors.len(), 4);
    let attest = |d: u8, c: u8, l: u8, n: u64, h: u8, r: u8, p: u8| {
        let (document, certificate, life) = (DocumentId([d; 32]), CertificateId([c; 32]), accord_protocol::access::log::Life([l; 8]));
        segment::attest(&document, &certificate, &life, n, &ChangeHash([h; 32]), &RecordId([r; 32]), &Digest([p; 32]))
    };
    let all = [
        attest(1, 2, 3, 4, 5, 6, 7),
        attest(9, 2, 3, 4, 5, 6, 7),
        attest(1, 9, 3, 4, 5, 6, 7),
        attest(1, 2, 9, 4, 5, 6, 7),
        attest(1, 2, 3, 9, 5, 6, 7),
        attest(1, 2, 3, 4, 9, 6, 7),
        attest(1, 2, 3, 4, 5, 9, 7),
        attest(1, 2, 3, 4, 5, 6, 9),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn one_flipped_bit_makes_no_segment(byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_, segment) = run();
        let mut bytes = accord_keys::canon::encode(&segment);
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = segment::decode(&bytes) {
            let known = world().directory.certificate(&read.certificate).is_some();
            prop_assert!(!known || verdict(read).is_err(), "bit {bit} of byte {at} does not count");
        }
    }
}
