//! Bundles: what crosses by file is what crosses by link, decided by the same check and read by the same door; and whatever is done to the file, nothing of
//! it is applied unless all of it is what was packed.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::MemberKind;
use accord_keys::envelope::{self, Dice, EnvelopeError, Opener, Sealer};
use accord_keys::id::NetworkId;
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::Sealed;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::bundle::{Answer, Ask, BundleError, BundleStatement, Ends, OWN_DEVICES, Reader, Record, UnpackedView, Writer};
use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::id::{Digest, DocumentId, Nonce};
use accord_protocol::input::{Command, Draft};
use accord_protocol::intake::{DocState, Stored};
use accord_protocol::limits;
use accord_protocol::step::{Table, Write};
use accord_protocol::view::{Refused, View};
use accord_protocol::wire::{self, Message};
use zeroize::Zeroizing;

use crate::county::{County, usual};

pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

pub fn network() -> NetworkId {
    NetworkId::named("county")
}

/// What a node opens bundles with.
fn secret(at: usize) -> HpkeSecret {
    HpkeSecret::from_seed([u8::try_from(at).expect("few") + 121; 32])
}

#[derive(Debug)]
pub struct Packed {
    pub file: Vec<u8>,
    /// All but the end.
    pub records: Vec<Record>,
    pub documents: u64,
}

impl Packed {
    /// Documents something is pushed of.
    pub fn pushed(&self) -> BTreeSet<DocumentId> {
        let messages = self.records.iter().filter_map(|record| match record {
            Record::ForAll(bytes) | Record::ForDevice(_, bytes) => Some(Message::decode(bytes).expect("a message")),
            Record::End(_) => None,
        });
        messages.filter_map(|message| if let Message::Push(push) = message { Some(push.document) } else { None }).collect()
    }
}

/// Seals records as they would lie in a file, without compression. The dice are the file's.
pub fn seal_file(keys: &[accord_keys::id::HpkeKey], n: u8, end: impl FnOnce(Nonce, Digest, u64) -> Vec<u8>, records: &[Record]) -> Vec<u8> {
    let dice = Dice {
        file: [n; 16],
        key: Zeroizing::new([n; 32]),
        ephemeral: (0..keys.len()).map(|at| Zeroizing::new([n.wrapping_add(u8::try_from(at).expect("few")).wrapping_add(7); 32])).collect(),
    };
    let (mut sealer, mut file) = Sealer::begin(&network(), keys, dice).expect("seals");
    let mut writer = Writer::begin(&file);
    for record in records {
        file.extend(sealer.take(&writer.record(record)));
    }
    let (digest, count) = writer.so_far();
    let end = end(Nonce([n; 16]), digest, count);
    file.extend(sealer.take(&writer.record(&Record::End(end))));
    file.extend(sealer.finish());
    file
}

/// Begins to pack, and answers how it is named, for which keys, and all records but the end.
pub fn begin(
    county: &mut County,
    at: usize,
    to: &str,
    all: bool,
    dry_run: bool,
) -> Result<(u64, Vec<accord_keys::id::HpkeKey>, Vec<Record>, u64), Refused> {
    let ask = Ask::Pack { to: to.to_owned(), all, dry_run };
    let Answer::Packing { number, recipients, mut records, .. } = county.bundle_step(at, ask)? else { panic!("it begins") };
    for _ in 0..10_000 {
        let Answer::Records { records: more, documents, end, .. } = county.bundle_step(at, Ask::More { number })? else {
            panic!("records")
        };
        records.extend(more);
        if end {
            return Ok((number, recipients.into_iter().map(|device| device.hpke).collect(), records, documents));
        }
    }
    panic!("packing never ends")
}

pub fn pack_for(county: &mut County, at: usize, to: &str, all: bool) -> Result<Packed, Refused> {
    let (number, keys, records, documents) = begin(county, at, to, all, false)?;
    let mut refused = None;
    let seal = |file, digest, records| match county.bundle_step(at, Ask::Seal { number, file, digest, records }) {
        Ok(Answer::Sealed(bytes)) => bytes,
        Ok(other) => panic!("{other:?}"),
        Err(why) => {
            refused = Some(why);
            vec![0]
        }
    };
    let file = seal_file(&keys, u8::try_from(number % 100).expect("small") + 50, seal, &records);
    refused.map_or(Ok(Packed { file, records, documents }), Err)
}

pub fn pack(county: &mut County, at: usize, to: usize) -> Packed {
    let name = county.nodes[to].name.clone();
    pack_for(county, at, &name, false).expect("packs")
}

/// Opens and verifies a file as a node does before it applies anything.
pub fn open(county: &County, at: usize, file: &[u8]) -> Result<(Ask, Vec<Record>), String> {
    let said = |error: EnvelopeError| error.to_string();
    let head = file.first_chunk().ok_or("short")?;
    let (header, body) = file.split_at_checked(envelope::header_bytes(head).map_err(said)?).ok_or("short")?;
    let secret = secret(if at < 3 { at } else { A });
    let mut opener = Opener::begin(&network(), &secret, header).map_err(said)?;
    let mut plain = Vec::new();
    opener.take(body, &mut plain).map_err(said)?;
    opener.finish(&mut plain).map_err(said)?;
    let mut reader = Reader::begin(header);
    let (mut ends, mut records) = (Ends::default(), Vec::new());
    let own = county.transport(at);
    for piece in plain.chunks(1_000) {
        reader.take(piece).map_err(|error| error.to_string())?;
        while let Some(record) = reader.record().map_err(|error| error.to_string())? {
            ends.look(&record, &own);
            records.push(record);
        }
    }
    let content = reader.finish().map_err(|error| error.to_string())?;
    let verified = ends.verify(&network(), Nonce(envelope::file_id(head)), content).map_err(|error| error.to_string())?;
    let (statement, hello, statements) = verified;
    Ok((Ask::Unpack { statement, hello, statements }, records))
}

/// Unpacks up to so many messages; all of them, and the end, if there are no more.
pub fn unpack_some(county: &mut County, at: usize, file: &[u8], most: usize) -> Result<Option<UnpackedView>, String> {
    unpack_while(county, at, file, most, |_| {})
}

/// The same, and something else happens once it has begun.
pub fn unpack_while(
    county: &mut County,
    at: usize,
    file: &[u8],
    most: usize,
    meanwhile: impl FnOnce(&mut County),
) -> Result<Option<UnpackedView>, String> {
    let (begin, records) = open(county, at, file)?;
    let Answer::Unpacking { number } = county.bundle_step(at, begin).map_err(|refused| refused.code)? else { panic!("it begins") };
    meanwhile(county);
    let own = county.transport(at);
    let mut cursor = None;
    let mut count = 0;
    for record in records {
        let bytes = match record {
            Record::ForAll(bytes) => bytes,
            Record::ForDevice(transport, bytes) if transport == own => {
                cursor = accord_protocol::bundle::cursor(&bytes).or(cursor);
                continue;
            }
            Record::ForDevice(..) | Record::End(_) => continue,
        };
        if count == most {
            assert_eq!(county.bundle_step(at, Ask::Leave { number }).expect("always"), Answer::Left);
            return Ok(None);
        }
        count += 1;
        let message = wire::check(&county.nodes[at].core.directory(), &network(), &bytes).map_err(|error| error.to_string())?;
        let answer = county.bundle_step(at, Ask::Message { number, message }).map_err(|refused| refused.code)?;
        assert_eq!(answer, Answer::Taken);
    }
    let Answer::Unpacked(view) = county.bundle_step(at, Ask::End { number, cursor }).map_err(|refused| refused.code)? else {
        panic!("it ends")
    };
    Ok(Some(view))
}

pub fn unpack(county: &mut County, at: usize, file: &[u8]) -> Result<UnpackedView, String> {
    unpack_some(county, at, file, usize::MAX).map(|view| view.expect("all of it"))
}

/// Three bureaus; A has agreements with both others, and no link to either, nor they to one another.
pub fn apart() -> (County, [String; 2]) {
    let mut county = County::new(3);
    let agreements = [B, C].map(|partner| county.agree(A, partner, usual(county.now.wall)));
    county.pass(20);
    for (one, other) in [(A, B), (A, C), (B, C)] {
        county.link(one, other, false);
    }
    (county, agreements)
}

/// What a node holds of a document: its state as both sides compare it, and its stored parts.
#[expect(clippy::disallowed_methods, reason = "what the test stored itself")]
pub fn held(county: &County, at: usize, id: &str) -> Option<(Digest, BTreeSet<Vec<u8>>)> {
    let document = county.nodes[at].items.keys().find(|document| document.to_string() == id)?;
    let items = county.nodes[at].items[document].clone();
    let state = DocState::load(&county.nodes[at].core.directory(), Stored::given(*document, items)).expect("reads back");
    let parts = state.items_after(0, true).into_iter().map(|(_, item)| item.bytes().to_vec()).collect();
    Some((state.entry(), parts))
}

fn texts(county: &mut County, at: usize, id: &str) -> Vec<String> {
    let View::Document(view) = county.asked(at, None, false, Command::DocumentShow { id: id.to_owned() }).expect("shown") else {
        panic!("a document")
    };
    view.entries.into_iter().map(|entry| entry.text).collect()
}

pub fn kinds(county: &County, at: usize, kind: &str) -> usize {
    county.nodes[at].accounts.iter().filter(|line| line.kind == kind).count()
}

fn pushes(heard: &[(usize, usize, Message)]) -> usize {
    heard.iter().filter(|(.., message)| matches!(message, Message::Push(_))).count()
}

#[test]
fn one_history_by_link_and_by_bundle_ends_in_the_same_state() {
    let (mut county, _) = apart();
    county.link(A, B, true);
    let both = county.open_case(A, &[B, C], "title", "text");
    let mut cases = vec![both.clone()];
    for n in 0..40 {
        cases.push(county.open_case(A, &[B, C], &format!("case {n}"), "text"));
    }
    let first = pack(&mut county, A, C);
    assert_eq!(first.documents, 41);
    let view = unpack(&mut county, C, &first.file).expect("unpacks");
    assert_eq!((view.new, view.changed, view.refused_count, view.noted), (41, 0, 0, true), "{view:?}");
    // C writes, and so does B over its link; A settles both, and all of it goes to C by file.
    county.note(C, &both, "from C");
    county.note(B, &both, "from B");
    let back = pack(&mut county, C, A);
    assert_eq!(back.pushed().len(), 1, "what A brought does not go back to it");
    let view = unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!((view.new, view.changed, view.refused_count), (0, 1, 0), "{view:?}");
    county.pass(900);
    let last = pack(&mut county, A, C);
    let view = unpack(&mut county, C, &last.file).expect("unpacks");
    assert_eq!((view.new, view.changed, view.noted), (0, 1, true), "{view:?}");
    for case in &cases {
        let (by_link, by_file) = (held(&county, B, case).expect("there"), held(&county, C, case).expect("there"));
        assert_eq!(by_link, by_file, "{case}");
    }
    let read = texts(&mut county, C, &both);
    assert_eq!(read, texts(&mut county, B, &both));
    assert!(["from B", "from C"].iter().all(|text| read.iter().any(|entry| entry == text)), "{read:?}");
    // The next link finds nothing to send, and both compare equal.
    county.heard = Some(Vec::new());
    county.link(A, C, true);
    county.pass(30);
    let heard = county.heard.take().expect("listened");
    assert_eq!(pushes(&heard), 0, "{heard:?}");
    assert!(heard.iter().any(|(.., message)| matches!(message, Message::Equality { .. })));
    assert!(!heard.iter().any(|(.., message)| matches!(message, Message::Symbols { .. } | Message::Tips { .. })), "nothing differed");
}

#[test]
fn a_returned_cursor_is_the_receipt_and_nothing_goes_twice() {
    let (mut county, _) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    let first = pack(&mut county, A, B);
    assert_eq!((first.documents, kinds(&county, A, "delivered")), (1, 0), "packing delivers nothing");
    let again = pack(&mut county, A, B);
    assert_eq!(again.documents, 1, "what nobody confirmed goes again");
    unpack(&mut county, B, &first.file).expect("unpacks");
    assert_eq!(kinds(&county, A, "delivered"), 0);
    county.pass(60);
    let back = pack(&mut county, B, A);
    assert_eq!(back.documents, 0, "{:?}", back.pushed());
    let view = unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!((view.new, view.changed), (0, 0));
    let lines: Vec<_> = county.nodes[A].accounts.iter().filter(|line| line.kind == "delivered").collect();
    assert_eq!(lines.len(), 1, "the cursor that came back says so");
    assert_eq!(lines[0].document.expect("of one").to_string(), case);
    assert_eq!(pack(&mut county, A, B).documents, 0);
    // Also after a restart, and for what is written since.
    county.restart(A, &[]);
    let name = county.nodes[B].name.clone();
    let silent = pack_for(&mut county, A, &name, false).expect_err("it may be an older self of ours, and nobody spoke of the pair yet");
    assert_eq!(silent.code, "bundle_silent");
    unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!(pack(&mut county, A, B).documents, 0);
    county.note(A, &case, "more");
    let third = pack(&mut county, A, B);
    assert_eq!(third.documents, 1);
    let view = unpack(&mut county, B, &third.file).expect("unpacks");
    assert_eq!((view.new, view.changed), (0, 1));
}

#[test]
fn what_is_written_while_a_bundle_is_unpacked_is_packed_next_time() {
    let (mut county, _) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    let first = pack(&mut county, A, B);
    unpack(&mut county, B, &first.file).expect("unpacks");
    county.pass(60);
    let back = pack(&mut county, B, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!(pack(&mut county, A, B).documents, 0);
    county.note(B, &case, "of B");
    county.pass(60);
    let second = pack(&mut county, B, A);
    unpack_while(&mut county, A, &second.file, usize::MAX, |county| county.note(A, &case, "meanwhile")).expect("unpacks");
    let third = pack(&mut county, A, B);
    assert_eq!(third.documents, 1, "the other has no word of it");
    let view = unpack(&mut county, B, &third.file).expect("unpacks");
    assert_eq!((view.changed, view.refused_count), (1, 0));
    assert_eq!(texts(&mut county, A, &case), texts(&mut county, B, &case));
}

#[test]
fn nothing_goes_into_a_bundle_that_the_check_does_not_let_go() {
    let (mut county, [_, with_c]) = apart();
    let (for_b, for_both) = (county.open_case(A, &[B], "b", "text"), county.open_case(A, &[B, C], "both", "text"));
    let draft = Draft { title: "draft".to_owned(), text: "not given".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    county.ask(A, Command::BulletinNew(draft));
    let packed = pack(&mut county, A, C);
    let pushed: Vec<String> = packed.pushed().iter().map(ToString::to_string).collect();
    assert_eq!(pushed, std::slice::from_ref(&for_both));
    let plain: Vec<u8> = packed
        .records
        .iter()
        .flat_map(|record| match record {
            Record::ForAll(bytes) | Record::ForDevice(_, bytes) | Record::End(bytes) => bytes.clone(),
        })
        .collect();
    let names = |id: &str| plain.windows(32).any(|window| window.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == id);
    assert!(names(&for_both) && !names(&for_b), "not even by its id");
    county.ask(A, Command::AgreementSuspend { id: with_c, categories: Vec::new(), reason: "inquiry".to_owned() });
    county.open_case(A, &[B], "again", "text");
    let packed = pack(&mut county, A, C);
    assert_eq!((packed.documents, packed.pushed().len()), (0, 0), "suspended: agreements and revocations only");
    // The one that was packed before is not taken back by that; what C then takes is C's matter. It hears of the suspension first.
    let view = unpack(&mut county, C, &packed.file).expect("unpacks");
    assert_eq!((view.new, view.refused_count, view.statements, view.own), (0, 0, 1, false), "what it brought is the suspension");
    assert_eq!(unpack(&mut county, C, &packed.file).expect("unpacks").statements, 0, "known by then");
}

#[test]
fn what_was_passed_over_while_suspended_is_packed_once_it_may_go() {
    let (mut county, [_, with_c]) = apart();
    let case = county.open_case(A, &[C], "title", "text");
    county.ask(A, Command::AgreementSuspend { id: with_c.clone(), categories: Vec::new(), reason: "inquiry".to_owned() });
    let none = pack(&mut county, A, C);
    assert!(unpack(&mut county, C, &none.file).expect("unpacks").noted);
    county.pass(60);
    let back = pack(&mut county, C, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    county.ask(A, Command::AgreementResume { id: with_c.clone(), notices: false });
    let resume = pack(&mut county, A, C);
    unpack(&mut county, C, &resume.file).expect("unpacks");
    let accept = county.asked(C, Some(crate::county::OFFICER), false, Command::AgreementResume { id: with_c, notices: false });
    accept.expect("accepts the resumption");
    county.pass(60);
    let back = pack(&mut county, C, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    let packed = pack(&mut county, A, C);
    assert_eq!(packed.pushed().iter().map(ToString::to_string).collect::<Vec<_>>(), [case], "no walk would come there again");
}

#[test]
fn a_take_away_while_packing_ends_it_before_anything_is_sealed() {
    let (mut county, [_, with_c]) = apart();
    let case = county.open_case(A, &[C], "title", "text");
    let name = county.nodes[C].name.clone();
    let (number, ..) = begin(&mut county, A, &name, false, false).expect("packs");
    county.ask(A, Command::AccessCut { id: case, subject: name.clone(), strict: false });
    let seal = Ask::Seal { number, file: Nonce([1; 16]), digest: Digest([1; 32]), records: 9 };
    assert_eq!(county.bundle_step(A, seal).expect_err("the ground moved").code, "bundle_changed");
    assert_eq!(county.bundle_step(A, Ask::More { number }).expect_err("dropped").code, "bundle_gone");
    let (number, ..) = begin(&mut county, A, &name, false, false).expect("packs");
    county.ask(A, Command::AgreementSuspend { id: with_c, categories: Vec::new(), reason: "inquiry".to_owned() });
    assert_eq!(county.bundle_step(A, Ask::More { number }).expect_err("the ground moved").code, "bundle_changed");
    assert_eq!(kinds(&county, A, "bundle_packed"), 0);
}

#[test]
fn only_the_recipient_opens_it_and_what_was_done_to_it_is_found_before_anything_is_applied() {
    let (mut county, _) = apart();
    let text = (0..80_000_u64).map(|n| char::from(b'a' + u8::try_from((n * n / 7 + n) % 26).expect("a letter"))).collect::<String>();
    for n in 0..4 {
        county.open_case(A, &[B], &format!("case {n}"), &text[n * 10_000..n * 10_000 + 40_000]);
    }
    let packed = pack(&mut county, A, B);
    let file = packed.file.clone();
    assert_eq!(unpack(&mut county, C, &file).expect_err("not for C"), "sealed to others");
    let before = (county.nodes[B].rows.clone(), county.nodes[B].items.clone());
    let header = envelope::header_bytes(file.first_chunk().expect("long enough")).expect("ours");
    let chunk = envelope::CHUNK + 16;
    assert!(file.len() > header + 2 * chunk, "three chunks: {}", file.len());
    let mut cuts: Vec<usize> = (0..).map(|n| header + n * chunk).take_while(|at| *at < file.len()).collect();
    cuts.extend([0, 5, 30, header - 1, header + 100, file.len() - 1]);
    for cut in cuts {
        unpack(&mut county, B, &file[..cut]).expect_err("cut short");
    }
    let swapped =
        [&file[..header], &file[header + chunk..header + 2 * chunk], &file[header..header + chunk], &file[header + 2 * chunk..]].concat();
    let other = pack(&mut county, A, B).file;
    let spliced = [&file[..header], &other[header..header + chunk], &file[header + chunk..]].concat();
    let longer = [&file[..], b"autorun"].concat();
    for (case, changed) in [swapped, spliced, longer].iter().enumerate() {
        unpack(&mut county, B, changed).expect_err(&format!("case {case}"));
    }
    for at in (0..file.len()).step_by(file.len() / 97) {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        unpack(&mut county, B, &flipped).expect_err(&format!("a bit of byte {at}"));
    }
    assert!(before == (county.nodes[B].rows.clone(), county.nodes[B].items.clone()), "nothing was written");
    let view = unpack(&mut county, B, &file).expect("and the whole one is taken");
    assert_eq!(view.new, 4);
}

#[test]
fn what_is_not_sealed_by_the_device_it_names_is_refused() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let packed = pack(&mut county, A, B);
    let keys = [secret(B).public()];
    let statement = |county: &County, by: usize, file, digest, records| {
        let body = BundleStatement {
            from: county.nodes[A].id,
            certificate: county.nodes[A].identity.certificate,
            to: county.nodes[B].id,
            file,
            digest,
            records,
            documents: 1,
            wire: wire::VERSION,
            created: county.now.wall,
        };
        let seed = SecretKey::from_seed([u8::try_from(by).expect("few") + 1; 32]);
        Sealed::seal(&network(), body, &[&seed]).expect("seals").to_bytes()
    };
    // Anybody can write an envelope for B: only A's device can say what A packed.
    let forged = seal_file(&keys, 3, |file, digest, records| statement(&county, C, file, digest, records), &packed.records);
    assert_eq!(unpack(&mut county, B, &forged).expect_err("by C"), "its statement does not hold: another key sealed it");
    let mut fewer = packed.records.clone();
    fewer.remove(1);
    // As many, and one of them twice: only the digest tells.
    let mut twice = packed.records.clone();
    let places: Vec<usize> = (0..twice.len()).filter(|at| matches!(twice[*at], Record::ForAll(_))).collect();
    twice[places[1]] = twice[places[0]].clone();
    let honest = seal_file(&keys, 3, |file, digest, records| statement(&county, A, file, digest, records), &packed.records);
    let (_, records) = open(&county, B, &honest).expect("A's own device seals so");
    let Some(Record::End(end)) = records.last().cloned() else { panic!("an end") };
    for (case, records) in [fewer, twice].iter().enumerate() {
        let spliced = seal_file(&keys, 3, |_, _, _| end.clone(), records);
        unpack(&mut county, B, &spliced).expect_err(&format!("records of another file, {case}"));
    }
    let moved = seal_file(&keys, 4, |_, _, _| end.clone(), &packed.records);
    assert_eq!(unpack(&mut county, B, &moved).expect_err("another file"), "its statement does not hold: it is over something else");
    let endless = {
        let (mut sealer, mut file) = Sealer::begin(
            &network(),
            &keys,
            Dice { file: [9; 16], key: Zeroizing::new([9; 32]), ephemeral: vec![Zeroizing::new([8; 32])] },
        )
        .expect("seals");
        let mut writer = Writer::begin(&file);
        for record in &packed.records {
            file.extend(sealer.take(&writer.record(record)));
        }
        file.extend(sealer.finish());
        file
    };
    assert_eq!(unpack(&mut county, B, &endless).expect_err("no end"), BundleError::End.to_string());
    let from_a = |to: usize, wire: u8, (file, digest, records): (Nonce, Digest, u64)| {
        let a = &county.nodes[A];
        let (from, to, certificate) = (a.id, county.nodes[to].id, a.identity.certificate);
        let body = BundleStatement { from, certificate, to, file, digest, records, documents: 1, wire, created: county.now.wall };
        Sealed::seal(&network(), body, &[&SecretKey::from_seed([1; 32])]).expect("seals").to_bytes()
    };
    // For somebody else's bureau, though B can open it.
    let strange = seal_file(&keys, 5, |file, digest, records| from_a(C, wire::VERSION, (file, digest, records)), &packed.records);
    let newer = seal_file(&keys, 6, |file, digest, records| from_a(B, wire::VERSION + 1, (file, digest, records)), &packed.records);
    assert_eq!(unpack(&mut county, B, &strange).expect_err("for C"), "bundle_not_for_us");
    assert_eq!(unpack(&mut county, B, &newer).expect_err("newer"), BundleError::Newer(wire::VERSION + 1).to_string());
    assert_eq!(county.nodes[B].items.len(), 0, "nothing of it was applied");
}

#[test]
fn a_replay_an_older_one_and_one_broken_off_do_no_harm() {
    let (mut county, _) = apart();
    let cases: Vec<String> = (0..5).map(|n| county.open_case(A, &[B], &format!("case {n}"), "text")).collect();
    let first = pack(&mut county, A, B);
    county.note(A, &cases[0], "more");
    county.pass(60);
    let second = pack(&mut county, A, B);
    // Broken off after some messages: what came stays, and the whole of it again is cheap.
    let total = first.records.len();
    for most in [1, total / 2, total - 3] {
        assert_eq!(unpack_some(&mut county, B, &second.file, most).expect("so far"), None);
    }
    let view = unpack(&mut county, B, &second.file).expect("unpacks");
    assert_eq!((view.refused_count, view.noted), (0, true));
    assert_eq!(view.new + view.known, 5);
    let items = county.nodes[B].items.clone();
    let cursors: BTreeMap<_, _> = county.nodes[B]
        .rows
        .iter()
        .filter(|((table, _), _)| *table == Table::Cursors)
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect();
    let view = unpack(&mut county, B, &second.file).expect("once more");
    assert_eq!((view.new, view.changed, view.known), (0, 0, 5));
    let view = unpack(&mut county, B, &first.file).expect("and the one before");
    assert_eq!((view.new, view.changed, view.known, view.noted), (0, 0, 5, false));
    assert!(items == county.nodes[B].items, "nothing is stored twice");
    let back = pack(&mut county, B, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!(cursors.len(), 2, "of A and C");
    assert_eq!(pack(&mut county, A, B).documents, 0, "the older one took no newer cursor's place");
    let third = pack(&mut county, A, B);
    unpack(&mut county, B, &third.file).expect("unpacks");
    let stale = back;
    county.pass(60);
    let back = pack(&mut county, B, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!(pack(&mut county, A, B).documents, 0);
    unpack(&mut county, A, &stale.file).expect("a stale one says nothing");
    assert_eq!(pack(&mut county, A, B).documents, 0, "an old bundle does not take back what a newer one said");
}

#[test]
fn what_was_not_taken_is_packed_again_until_it_is() {
    let (mut county, [with_b, _]) = apart();
    county.open_case(A, &[B], "title", "text");
    // B suspended and A has not heard of it.
    county.ask(B, Command::AgreementSuspend { id: with_b.clone(), categories: Vec::new(), reason: "inquiry".to_owned() });
    let first = pack(&mut county, A, B);
    let view = unpack(&mut county, B, &first.file).expect("unpacks");
    assert_eq!((view.new, view.refused_count, view.noted), (0, 1, false), "{view:?}");
    assert_eq!(view.refused[0].why, "restricted");
    assert_eq!(county.nodes[B].items.len(), 0);
    county.pass(60);
    let back = pack(&mut county, B, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    assert_eq!((pack(&mut county, A, B).documents, kinds(&county, A, "delivered")), (0, 0), "now A knows and packs nothing");
    county.ask(B, Command::AgreementResume { id: with_b.clone(), notices: false });
    let back = pack(&mut county, B, A);
    unpack(&mut county, A, &back.file).expect("unpacks");
    county.asked(A, Some(crate::county::OFFICER), false, Command::AgreementResume { id: with_b, notices: false }).expect("accepts");
    let last = pack(&mut county, A, B);
    assert_eq!(last.documents, 1);
    assert_eq!(unpack(&mut county, B, &last.file).expect("unpacks").new, 1);
}

#[test]
fn a_second_node_packs_for_partners_only_while_it_hears_its_registrar_and_a_bundle_is_no_hearing() {
    let (mut county, _) = apart();
    let case = county.open_case(A, &[B], "title", "text");
    let second = county.add_sibling(A);
    county.link(second, A, true);
    county.pass(60);
    assert!(held(&county, second, &case).is_some());
    county.link(second, A, false);
    let name = county.nodes[B].name.clone();
    county.pass(limits::IN_TOUCH_S - 600);
    let packed = pack_for(&mut county, second, &name, false).expect("within a day");
    assert_eq!(packed.documents, 1);
    assert_eq!(unpack(&mut county, B, &packed.file).expect("its partner takes it").new, 1);
    county.pass(1_200);
    assert_eq!(pack_for(&mut county, second, &name, false).expect_err("a day is over").code, "bundle_out_of_touch");
    // To its own registrar it may, and what comes from there by file is no contact.
    let home = pack_for(&mut county, second, OWN_DEVICES, false).expect("to its own");
    unpack(&mut county, A, &home.file).expect("unpacks");
    let out = pack_for(&mut county, A, OWN_DEVICES, false).expect("from the registrar");
    unpack(&mut county, second, &out.file).expect("unpacks");
    assert_eq!(pack_for(&mut county, second, &name, false).expect_err("still").code, "bundle_out_of_touch");
    county.link(second, A, true);
    county.link(second, A, false);
    pack_for(&mut county, second, &name, false).expect("it heard its registrar");
}

#[test]
fn what_crosses_between_devices_of_one_bureau_is_all_of_it() {
    let (mut county, _) = apart();
    let second = county.add_sibling(A);
    let cases: Vec<String> = (0..3).map(|n| county.open_case(A, &[B], &format!("case {n}"), "text")).collect();
    let packed = pack_for(&mut county, A, OWN_DEVICES, false).expect("packs");
    let view = unpack(&mut county, second, &packed.file).expect("unpacks");
    assert_eq!((view.new, view.refused_count, view.noted, view.own), (3, 0, true, true), "{view:?}");
    for case in &cases {
        assert_eq!(held(&county, A, case), held(&county, second, case));
    }
    county.heard = Some(Vec::new());
    county.link(second, A, true);
    county.pass(30);
    assert_eq!(pushes(&county.heard.take().expect("listened")), 0);
    let nobody = pack_for(&mut county, A, &format!("{OWN_DEVICES}/ffff"), false).expect_err("no such device");
    assert_eq!(nobody.code, "bundle_no_device");
    assert_eq!(unpack(&mut county, A, &packed.file).expect_err("its own"), "holds nothing for this device");
}

#[test]
fn a_bundle_of_its_registrar_opens_what_a_laptop_locked() {
    let (mut county, _) = apart();
    let id = county.open_case(A, &[B], "case", "text");
    let laptop = county.add_device(A, MemberKind::Laptop);
    county.link(A, laptop, true);
    county.pass(120);
    county.link(A, laptop, false);
    let early = pack_for(&mut county, A, OWN_DEVICES, true).expect("packs");
    county.pass(31 * 86_400);
    let show = |county: &mut County| {
        let shown = county.asked(laptop, None, false, Command::DocumentShow { id: id.clone() });
        shown.err().map(|refused| refused.code).unwrap_or_default()
    };
    assert_eq!(show(&mut county), "reading_locked");
    let late = pack_for(&mut county, A, OWN_DEVICES, true).expect("packs");
    unpack(&mut county, laptop, &early.file).expect("unpacks");
    assert_eq!(show(&mut county), "reading_locked", "that one was made a month ago");
    unpack(&mut county, laptop, &late.file).expect("unpacks");
    assert_eq!(show(&mut county), "");
}

#[test]
fn a_revoked_device_is_not_sealed_to_and_what_it_packed_is_refused() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let before = pack(&mut county, B, A);
    let second = county.add_sibling(B);
    let certificate = county.nodes[second].identity.certificate;
    // Both nodes of B stand on its card as A knows it once B says so.
    let told = pack(&mut county, B, A);
    unpack(&mut county, A, &told.file).expect("unpacks");
    let name = county.nodes[B].name.clone();
    let (_, keys, ..) = begin(&mut county, A, &name, false, true).expect("packs");
    assert_eq!(keys.len(), 2);
    let of_a = county.nodes[A].name.clone();
    let theirs = pack_for(&mut county, second, &of_a, false);
    let root = county.nodes[B].core.directory().root_head(&county.nodes[B].id).expect("known");
    let body = Revocation {
        bureau: county.nodes[B].id,
        target: RevocationTarget::Certificate(certificate),
        class: RevocationClass::Compromised,
        at: county.now.wall,
        issuer: accord_keys::certificate::Issuer::Root(root),
    };
    let sealed = Sealed::seal(&network(), body, &[&SecretKey::from_seed([u8::try_from(B).expect("few") + 81; 32])]).expect("seals");
    county.ask(B, Command::Install { bytes: sealed.to_bytes() });
    county.pass(60);
    let told = pack(&mut county, B, A);
    unpack(&mut county, A, &told.file).expect("unpacks");
    let (_, keys, ..) = begin(&mut county, A, &name, false, true).expect("packs");
    assert_eq!(keys.len(), 1, "the revocation came inside a bundle");
    if let Ok(theirs) = theirs {
        assert_eq!(unpack(&mut county, A, &theirs.file).expect_err("revoked"), "bundle_sender_not_good");
    }
    unpack(&mut county, A, &before.file).expect("the other's stand");
}

#[test]
fn a_store_put_back_packs_nothing_for_partners_and_returns_no_new_cursor() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let packed = pack(&mut county, A, B);
    let Write::Put { table, key, value: Some(value) } = note_suspicion(Suspicion::Restored) else { panic!("a row") };
    county.nodes[B].rows.insert((table, key), value);
    county.restart(B, &[]);
    let name = county.nodes[A].name.clone();
    assert_eq!(pack_for(&mut county, B, &name, false).expect_err("in doubt").code, "bundle_silent");
    let view = unpack(&mut county, B, &packed.file).expect("what comes is taken");
    assert_eq!((view.new, view.noted), (1, false), "it may lack what this rests on");
}

#[test]
fn a_dry_run_tells_how_much_and_notes_nothing() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let (accounts, rows) = (county.nodes[A].accounts.len(), county.nodes[A].rows.clone());
    let name = county.nodes[B].name.clone();
    let (number, _, records, documents) = begin(&mut county, A, &name, false, true).expect("packs");
    assert_eq!(documents, 1);
    assert!(
        records.iter().all(|record| !matches!(record, Record::ForDevice(_, bytes) if accord_protocol::bundle::cursor(bytes).is_some()))
    );
    let seal = Ask::Seal { number, file: Nonce([1; 16]), digest: Digest([1; 32]), records: 9 };
    assert_eq!(county.bundle_step(A, seal).expect_err("nothing is sealed").code, "bundle_changed");
    assert_eq!(county.nodes[A].accounts.len(), accounts);
    assert!(rows == county.nodes[A].rows);
}

#[test]
fn a_bureau_without_a_card_here_is_not_unpacked_from() {
    let (mut county, _) = apart();
    county.open_case(A, &[B], "title", "text");
    let packed = pack(&mut county, A, B);
    let of_a = (Table::Partners, county.nodes[A].id.0.to_vec());
    assert!(county.nodes[B].rows.remove(&of_a).is_some());
    county.restart(B, &[]);
    assert_eq!(unpack(&mut county, B, &packed.file).expect_err("nobody compared its code"), "bundle_unknown_sender");
    assert_eq!(county.nodes[B].items.len(), 0);
}
