//! Bytes that must never change while the format version stays the same.

use super::*;

fn keys() -> journal::JournalKeys {
    journal::JournalKeys::derive(&key(), [3; 16])
}

fn check(bytes: &[u8], len: usize, digest: &str) {
    assert_eq!((bytes.len(), blake3::hash(bytes).to_hex().as_str()), (len, digest));
}

#[test]
fn a_file_header_has_its_frozen_bytes() {
    let header = frame::Header { version: 1, store: [3; 16], file: 2, first: 77, chain: [5; 32] };
    let bytes = header.encode(&keys().header);
    assert_eq!(hex::encode(&bytes[..26]), "414343 4a4f55524e 0001 03030303030303030303030303030303".replace(' ', ""));
    check(&bytes, 106, "a033da96e6c389979d9cd8d09613009d8c28a82f4309c770c4af001cdddb1a67");
    assert_eq!(frame::Header::parse(&keys().header, "x", &bytes).expect("parse"), Some(header));
}

#[test]
fn a_frame_has_its_frozen_bytes() {
    let draft = Draft::new(77, [5; 32]);
    let (now, blobs) = draft.finish(9, &draft.after());
    check(&now, 78, "b3a2debba148c9523414857cc968a6c587e3dc71170ceb8465e6ec3358bb81a8");
    // Of version 1, which stated sums.
    let sums: Vec<u8> = [2_u64, 1, 2, 3, 4].iter().flat_map(|sum| sum.to_be_bytes()).collect();
    let plain = [&1_u16.to_be_bytes()[..], &sums, &now[2..]].concat();
    check(&plain, 118, "a21b137aa8ed071d9efd0f23c2c329dd1f4cf8e3a662c9ae78224d11581edb4c");
    let bytes = frame::seal(&keys().frame, 77, [6; 24], &plain, blobs);
    check(&bytes, 202, "fdd618ad11a7cc450fdce3d754be7ba6a4506ba9f607b12a74c36ca0807369f5");
    let (head, batch) = frame::open(&keys().frame, &bytes).expect("open");
    assert_eq!((head.seq, batch.item_seq, batch.before), (77, 9, [5; 32]));
    let (_, batch) = frame::open(&keys().frame, &frame::seal(&keys().frame, 77, [6; 24], &now, blobs)).expect("open");
    assert_eq!((batch.item_seq, batch.before, batch.records), (9, [5; 32], vec![]));
}

#[test]
fn a_blob_has_its_frozen_bytes() {
    let mut bytes = Vec::new();
    let bound = batch::item_bound(&document(1), 5);
    Subkey::new([4; 32]).seal([6; 24], &bound, &[&[8; 16], b"body"], &mut bytes);
    check(&bytes, 60, "318f8057fb6f755e381cbf23f75bd434e95fc8f881ee4d7ed1174135bdfc6c56");
    assert_eq!(batch::open_blob(&Subkey::new([4; 32]), &bound, &bytes, None).as_deref(), Some(&b"body"[..]));
}

#[test]
fn items_sealed_together_have_their_frozen_bytes_and_what_is_not_in_order_is_refused() {
    let mut random = Random::default();
    let mut draft = Draft::new(1, [5; 32]);
    let body = vec![1; 300];
    draft.items(document(1), &[(5, b"a"), (200, &body), (201, b"")], &Subkey::new([4; 32]), &mut random).expect("sealed");
    let (_, blobs) = draft.finish(201, &draft.after());
    let content = batch::open_blob(&Subkey::new([4; 32]), &batch::items_bound(&document(1), 5, 201), blobs, None).expect("opens");
    assert_eq!(hex::encode(&content[..7]), "000161c301ac02");
    check(&content, 309, "47bc5fb2647281fef1c65eea87fe8e44ad3ba413b45536f00965008fe45bab25");
    let items = batch::split_items(&content, 5, 201).expect("whole");
    assert_eq!(items, vec![(5, &b"a"[..]), (200, &body), (201, b"")]);
    assert!(batch::split_items(&content, 5, 202).is_none() && batch::split_items(&content[..308], 5, 201).is_none());
    assert!(batch::split_items(&[0, 0, 0, 0], 5, 5).is_none(), "no sequence twice");
    assert!(batch::split_items(&[], 5, 5).is_none());
}
