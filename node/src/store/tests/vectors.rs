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

#[test]
fn a_reduced_record_list_and_the_tail_of_a_table_have_their_frozen_bytes() {
    let mut plain = 2_u16.to_be_bytes().to_vec();
    plain.extend_from_slice(&9_u64.to_be_bytes());
    plain.extend_from_slice(&[5; 32]);
    plain.extend_from_slice(&[6; 32]);
    plain.extend_from_slice(&2_u32.to_be_bytes());
    // A value, and a line for auditors, each with its salt.
    plain.extend_from_slice(&[&[1, 4, 0, 1, b'k', 0, 0, 0, 2, b'v', b'v'][..], &[7; 16]].concat());
    plain.extend_from_slice(&[&[5, 0, 0, 0, 1, b'l'][..], &[8; 16]].concat());
    let reduced = batch::reduce(&plain, 300, &mut |position| position == 0).expect("decodes");
    let list = reduced.plain.expect("something went");
    assert_eq!((reduced.count, hex::encode(&list[..6])), (2, "00030000012c".to_owned()));
    check(&list, 137, "1923279be5d5c9759fe403223e73c212cc6ab23469f8b694d721fa70ba752d3e");
    assert!(batch::reduce(&plain, 300, &mut |_| false).expect("decodes").plain.is_none());
    assert_eq!(batch::reduce(&list, 1, &mut |position| position == 1).expect("decodes").plain.expect("went")[2..6], [0, 0, 1, 0x2c]);
    let disk = memory::MemoryDisk::default();
    disk::Disk::create(&disk, "f").expect("create");
    let header = frame::Header { version: 3, store: [3; 16], file: 2, first: 77, chain: [5; 32] };
    let bytes = header.encode(&keys().header);
    disk::Disk::append(&disk, "f", &bytes).expect("append");
    table::Stretches::new().append(&disk, "f", &bytes, &keys().table, &mut Random::default()).expect("append");
    let written = disk.bytes("f");
    check(&written[written.len() - 36..], 36, "d92feb1ea6fef6f153bfd3dad6f204dd116daaf67e31b8d7803f3cf07245f971");
    let table = table::Table::open(&disk, "f", &keys(), &header).expect("reads").expect("whole");
    assert_eq!((table.now_end(), table.now(&disk, &keys().table, 106, 0).expect("the end")), (106, 106));
    assert!(table.now(&disk, &keys().table, 107, 0).is_err());
}
