//! Bytes from a link: anything may come, nothing panics, nothing is believed that does not verify.

use accord_keys::seal::SealError;
use accord_keys::types::StatementType;
use accord_protocol::access::consent::OnwardStatement;
use accord_protocol::id::{Bytes, Digest, DocumentId, Nonce};
use accord_protocol::limits;
use accord_protocol::wire::{self, Checked, Hello, Message, Push, Reason, TipLine, WireError};
use proptest::prelude::*;

use crate::documents::Story;
use crate::vectors::messages;
use crate::world::{network, world};

fn refused(bytes: &[u8]) -> WireError {
    wire::check(&world().directory, &network(), bytes).expect_err("must be refused")
}

#[test]
fn every_message_reads_back() {
    for (name, message) in messages() {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message), "{name}");
        wire::check(&world().directory, &network(), &message.encode()).expect(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_answered_without_panic(kind in 0u8..20, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![wire::OLDEST, kind];
        bytes.extend(&body);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes, "one message, one encoding");
        }
        let _ = wire::check(&world().directory, &network(), &body);
    }

    #[test]
    fn one_flipped_bit_never_passes_for_the_message_that_was_sent(which in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let messages = messages();
        let (name, message) = &messages[which.index(messages.len())];
        let honest = message.encode();
        let mut bytes = honest.clone();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Message::decode(&bytes) {
            prop_assert_ne!(&read, message, "{}: bit {} of byte {}", name, bit, at);
            prop_assert_eq!(&read.encode(), &bytes);
        }
        // What carries seals and segments does not verify with one of their bits flipped; only plain fields may differ.
        if let Ok(Checked::Push(push)) = wire::check(&world().directory, &network(), &bytes) {
            let Message::Push(sent) = message else { panic!("a push out of nothing") };
            let names_it = push.genesis.is_some() || !push.segments.is_empty();
            prop_assert!(!names_it || push.document == sent.document);
            let segments = push.segments.iter().map(|s| match s {
                wire::IncomingSegment::Checked(s) => s.to_bytes(),
                wire::IncomingSegment::Unchecked(s) => s.bytes().to_vec(),
            });
            let unknown = push.segments.iter().any(|s| matches!(s, wire::IncomingSegment::Unchecked(_)));
            prop_assert!(unknown || segments.eq(sent.segments.iter().map(|s| s.0.clone())), "a segment changed and still verifies");
            let records: Vec<Vec<u8>> = push.records.iter().map(|r| r.sealed().to_bytes()).collect();
            prop_assert!(records.iter().eq(sent.records.iter().map(|r| &r.0)));
        }
    }
}

/// The same message, written tersely for a node of version 3.
fn terse(message: &Message) -> Vec<u8> {
    let bytes = message.encode_for(3);
    assert_eq!(bytes[..2], [3, 18], "it is terse");
    bytes
}

/// A push of version 3 around any terse form.
fn with_form(push: &Push, form: &[u8]) -> Vec<u8> {
    let mut bytes = vec![3, 18, 0xa2, 0x00];
    bytes.extend(accord_keys::canon::encode(push));
    bytes.push(0x01);
    bytes.extend(accord_keys::canon::encode(&Bytes(form.to_vec())));
    bytes
}

fn push_of(document: DocumentId, segments: Vec<Bytes>) -> Message {
    Message::Push(Push { document, segments, ..empty_push() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_said_tersely_reads_back_as_the_very_bytes(events in crate::documents::tangled(), skip in 0usize..6, cut in 0u64..4, seed in any::<u64>()) {
        let world = world();
        let story = Story::of(world, &events, 2);
        let mut state = accord_protocol::intake::DocState::new(&world.directory, story.genesis.clone()).expect("stands");
        for segment in story.single_segments() {
            state.learn_segment(&world.directory, segment);
        }
        let mut dice = crate::documents::Dice(seed);
        // Any part of a document, in any grouping, with content cut off here and there.
        let mut segments: Vec<Bytes> = Vec::new();
        for segment in story.single_segments().into_iter().skip(skip) {
            if dice.roll(8) > 0 {
                segments.push(Bytes(segment.to_bytes()));
            }
        }
        if dice.roll(2) == 0 {
            let read = segments.iter().map(|bytes| std::sync::Arc::new(accord_protocol::segment::decode(&bytes.0).expect("reads"))).collect();
            segments = state.joined(read).iter().map(|segment| Bytes(accord_keys::canon::encode(segment))).collect();
        }
        for bytes in &mut segments {
            let segment = accord_protocol::segment::decode(&bytes.0).expect("reads");
            let certificate = world.directory.certificate(&segment.certificate).expect("known").body();
            let checked = accord_protocol::segment::check(&network(), certificate, segment).expect("stands");
            let hashes: Vec<_> = checked.positions().iter().map(|position| position.change).collect();
            if let Some(short) = checked.segment().shortened(checked.segment().from + cut, &hashes) {
                *bytes = Bytes(accord_keys::canon::encode(&short));
            }
        }
        let message = push_of(story.document, segments.clone());
        let bytes = message.encode_for(3);
        prop_assert!(bytes.len() <= message.encode().len() + 8);
        prop_assert_eq!(Message::decode(&bytes), Ok(message.clone()));
        prop_assert_eq!(message.encode_for(2), message.encode());
        let twice = segments.iter().collect::<std::collections::BTreeSet<_>>().len() < segments.len();
        let forked = !state.forked_actors().is_empty();
        prop_assert!(segments.is_empty() || twice || forked || bytes[1] == 18, "terse");
    }

    #[test]
    fn a_bent_terse_form_is_refused_or_does_not_verify(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let world = world();
        let story = Story::of(world, &crate::documents::some_events(), 2);
        let segments: Vec<Bytes> = story.single_segments().iter().map(|segment| Bytes(segment.to_bytes())).collect();
        let message = push_of(story.document, segments);
        let honest = terse(&message);
        let mut bent = honest.clone();
        let at = at.index(bent.len());
        bent[at] ^= 1 << bit;
        // The terse form can say one thing in more than one way; what it says is undone before anything is judged.
        if at < 8 {
            prop_assert_ne!(Message::decode(&bent), Ok(message.clone()));
        }
        if let Ok(Checked::Push(push)) = wire::check(&world.directory, &network(), &bent) {
            let unknown = push.segments.iter().any(|s| matches!(s, wire::IncomingSegment::Unchecked(_)));
            let Message::Push(sent) = &message else { unreachable!("made above") };
            let segments = push.segments.iter().filter_map(|s| match s {
                wire::IncomingSegment::Checked(s) => Some(s.to_bytes()),
                wire::IncomingSegment::Unchecked(_) => None,
            });
            let all: Vec<Vec<u8>> = segments.collect();
            prop_assert!(unknown || all.iter().eq(sent.segments.iter().map(|s| &s.0)), "a segment changed and still verifies");
        }
        prop_assert!(Message::decode(&honest[..cut.index(honest.len())]).is_err());
    }

    #[test]
    fn any_terse_form_is_answered_without_panic(body in proptest::collection::vec(prop_oneof![4 => 0u8..4, 1 => any::<u8>()], 0..400)) {
        let read = Message::decode(&with_form(&empty_push(), &body));
        prop_assert!(matches!(read, Ok(_) | Err(WireError::Terse | WireError::Entries(_))), "{:?}", read);
    }
}

#[test]
fn a_terse_form_cannot_say_more_than_a_frame_holds() {
    // One segment of as many changes as a count can claim, each of one byte back: the counts are believed only as far as bytes are there.
    let mut form = vec![1];
    form.extend([7; 40]);
    form.push(1);
    form.extend([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    form.extend([9; 64]);
    // Then changes without anything, as many as fit: every one costs what it will take.
    form.extend([0u8; 5].repeat(40_000));
    assert_eq!(refused(&with_form(&empty_push(), &form)), WireError::Terse);
    // A column length beyond what is there.
    let mut form = vec![1];
    form.extend([7; 40]);
    form.extend([1, 1, 0, 0]);
    form.extend([9; 64]);
    form.extend([0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(refused(&with_form(&empty_push(), &form)), WireError::Terse);
    // Segments beside a terse form.
    let Message::Push(sent) = messages().into_iter().find(|(name, _)| *name == "push").expect("there").1 else { panic!("a push") };
    assert_eq!(refused(&with_form(&sent, &[0])), WireError::Terse);
    // The same without them is well formed.
    assert!(Message::decode(&with_form(&empty_push(), &[0])).is_ok());
}

#[test]
fn headers_are_checked_first() {
    assert_eq!(refused(&[]), WireError::Short(0));
    assert_eq!(refused(&[1]), WireError::Short(1));
    assert_eq!(refused(&[wire::OLDEST - 1, 5, 0]), WireError::Version(wire::OLDEST - 1));
    assert_eq!(refused(&[0, 5, 0]), WireError::Version(0));
    for unknown in [0, 100, 255] {
        assert_eq!(refused(&[wire::OLDEST, unknown, 0xa0]), WireError::Type(unknown));
    }
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    for (kind, bound) in
        (1..=15).map(|kind| (kind, if [1, 2, 4, 11, 13, 14].contains(&kind) { limits::FRAME_BYTES_MAX } else { limits::CONTROL_BYTES_MAX }))
    {
        let mut bytes = vec![0u8; bound + 1];
        (bytes[0], bytes[1]) = (wire::OLDEST, kind);
        assert_eq!(refused(&bytes), WireError::Size { kind, found: bound + 1, bound });
        bytes.pop();
        assert!(matches!(refused(&bytes), WireError::Body { .. }), "type {kind} at its bound");
    }
}

#[test]
fn declared_lengths_allocate_nothing() {
    // A map with key 0 whose value claims 2^63 bytes, or 2^63 entries.
    for kind in 1..=15u8 {
        for head in [0x5b, 0x7b, 0x9b, 0xbb] {
            let mut bytes = vec![wire::OLDEST, kind, 0xa1, 0x00, head];
            bytes.extend([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
            assert!(matches!(refused(&bytes), WireError::Body { .. }), "type {kind}, head {head:#x}");
        }
        let deep: Vec<u8> = [wire::OLDEST, kind].into_iter().chain(std::iter::repeat_n(0x81, 60_000)).collect();
        assert!(matches!(refused(&deep), WireError::Body { .. }), "type {kind}, nested 60,000 deep");
    }
}

#[test]
fn lists_above_their_bounds_are_refused() {
    let bytes = |n: usize| vec![Bytes(vec![]); n];
    let hello = |n| Message::Hello(Hello { statements: bytes(n), ..hello() });
    let push = |evidence, records, segments| {
        Message::Push(Push { evidence: bytes(evidence), records: bytes(records), segments: bytes(segments), ..empty_push() })
    };
    let line = TipLine { document: DocumentId([1; 32]), entry: Digest([2; 32]) };
    let nonce = Nonce([3; 16]);
    let symbols = |from, count: usize| Message::Symbols { nonce, from, symbols: Bytes(vec![4; 12 * count]) };
    let differs = |wanted, count: usize| Message::Differs { nonce, wanted, items: Bytes(vec![5; 8 * count]) };
    for (message, good) in [
        (hello(1_024), true),
        (hello(1_025), false),
        (Message::Statements(bytes(1_024)), true),
        (Message::Statements(bytes(1_025)), false),
        (Message::Agreements(bytes(4 * limits::AGREEMENT_STATEMENTS_MAX)), true),
        (Message::Agreements(bytes(4 * limits::AGREEMENT_STATEMENTS_MAX + 1)), false),
        (push(limits::EVIDENCE_MAX, 1_024, 1_024), true),
        (push(limits::EVIDENCE_MAX + 1, 0, 0), false),
        (push(0, 1_025, 0), false),
        (push(0, 0, 1_025), false),
        (Message::Tips { lines: vec![line.clone(); limits::TIPS_PAGE], last: true }, true),
        (Message::Tips { lines: vec![line; limits::TIPS_PAGE + 1], last: true }, false),
        (symbols(0, limits::SYMBOLS_MAX), true),
        (symbols(1, limits::SYMBOLS_MAX), false),
        (symbols(u32::MAX, 1), false),
        (differs(None, limits::SYMBOLS_MAX), true),
        (differs(None, limits::SYMBOLS_MAX + 1), false),
        (differs(Some(16_384), 0), true),
        (differs(Some(16_385), 0), false),
        (Message::Named(vec![DocumentId([1; 32]); limits::NAMED_PAGE]), true),
        (Message::Named(vec![DocumentId([1; 32]); limits::NAMED_PAGE + 1]), false),
    ] {
        let encoded = message.encode();
        let found = Message::decode(&encoded);
        if good {
            assert_eq!(found.as_ref(), Ok(&message));
        } else {
            assert_eq!(found, Err(WireError::Entries(encoded[1])));
        }
    }
}

fn hello() -> Hello {
    let Some((_, Message::Hello(hello))) = messages().into_iter().next() else { panic!("the first message is a hello") };
    hello
}

fn empty_push() -> Push {
    Push::empty(1, DocumentId([1; 32]))
}

#[test]
fn a_draft_statement_is_not_yet_supported_and_an_unknown_one_is_refused() {
    let drafts: Vec<StatementType> = StatementType::ALL.iter().copied().filter(|kind| kind.is_draft()).collect();
    assert!(!drafts.is_empty() && drafts.len() < StatementType::ALL.len());
    let sealed = |number: u16| Bytes([[0x83, 0x19].as_slice(), &number.to_be_bytes(), &[0x41, 0xa0, 0x80]].concat());
    for kind in drafts {
        for message in [Message::Statements(vec![sealed(kind.number())]), Message::Agreements(vec![sealed(kind.number())])] {
            let why = refused(&message.encode()).to_string();
            assert!(why.contains("not yet supported"), "{kind}: {why}");
        }
        let onward = OnwardStatement::from_bytes(&network(), &sealed(kind.number()).0);
        assert!(matches!(onward, Err(SealError::NotYetSupported(found)) if found == kind));
    }
    let other = OnwardStatement::from_bytes(&network(), &Story::found(world()).genesis.sealed().to_bytes());
    assert!(matches!(other, Err(SealError::Type { found: StatementType::Genesis, .. })), "of another place, and no draft");
    for message in [Message::Statements(vec![sealed(0x0777)]), Message::Agreements(vec![sealed(0x0777)])] {
        assert!(matches!(refused(&message.encode()), WireError::Seal(_)));
    }
    let genesis = Bytes(Story::found(world()).genesis.sealed().to_bytes());
    for message in [Message::Statements(vec![genesis.clone()]), Message::Agreements(vec![genesis])] {
        assert!(matches!(refused(&message.encode()), WireError::Seal(_)), "a statement of another place");
    }
}

#[test]
fn a_push_speaks_of_one_document() {
    let story = Story::found(world());
    let segment = Bytes(story.single_segments()[0].to_bytes());
    let other = Push { segments: vec![segment], ..empty_push() };
    assert!(matches!(refused(&Message::Push(other).encode()), WireError::Segment(_)));
    let other = Push { genesis: Some(Bytes(story.genesis.sealed().to_bytes())), ..empty_push() };
    assert!(matches!(refused(&Message::Push(other).encode()), WireError::Seal(_)));
    let refusal = Message::Refusal { reason: Reason::No, reference: 7 };
    assert!(matches!(wire::check(&world().directory, &network(), &refusal.encode()), Ok(Checked::Plain(_))));
}
