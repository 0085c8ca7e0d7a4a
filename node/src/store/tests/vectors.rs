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
    let header = frame::Header { store: [3; 16], file: 2, first: 77, chain: [5; 32] };
    let bytes = header.encode(&keys().header);
    assert_eq!(hex::encode(&bytes[..26]), "414343 4a4f55524e 0001 03030303030303030303030303030303".replace(' ', ""));
    check(&bytes, 106, "a033da96e6c389979d9cd8d09613009d8c28a82f4309c770c4af001cdddb1a67");
    assert_eq!(frame::Header::parse(&keys().header, "x", &bytes).expect("parse"), Some(header));
}

#[test]
fn a_frame_has_its_frozen_bytes() {
    let draft = Draft::new(77, [5; 32]);
    let tally = place::Tally { rows: 2, sum: [1, 2, 3, 4] };
    let (plain, blobs) = draft.finish(&tally, 9, &draft.after());
    check(&plain, 118, "a21b137aa8ed071d9efd0f23c2c329dd1f4cf8e3a662c9ae78224d11581edb4c");
    let bytes = frame::seal(&keys().frame, 77, [6; 24], &plain, blobs);
    check(&bytes, 202, "fdd618ad11a7cc450fdce3d754be7ba6a4506ba9f607b12a74c36ca0807369f5");
    let (head, batch) = frame::open(&keys().frame, &bytes).expect("open");
    assert_eq!((head.seq, batch.tally, batch.item_seq, batch.before), (77, tally, 9, [5; 32]));
}

#[test]
fn a_blob_has_its_frozen_bytes() {
    let mut bytes = Vec::new();
    let bound = batch::item_bound(&document(1), 5);
    Subkey::new([4; 32]).seal([6; 24], &bound, &[&[8; 16], b"body"], &mut bytes);
    check(&bytes, 60, "318f8057fb6f755e381cbf23f75bd434e95fc8f881ee4d7ed1174135bdfc6c56");
    assert_eq!(batch::open_blob(&Subkey::new([4; 32]), &bound, &bytes, None).as_deref(), Some(&b"body"[..]));
}
