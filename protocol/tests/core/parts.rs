//! Files attached to documents: whole nodes that fetch, give and erase them, partners that break off, lie and cheat, stores put back.

use accord_keys::certificate::MemberKind;
use accord_keys::id::NetworkId;
use accord_keys::seal::Sealed;
use accord_protocol::access::log::{Life, Record, RecordKind};
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::{Category, Onward, Tlp, Verb};
use accord_protocol::bureau::{Suspicion, note_suspicion};
use accord_protocol::content::{Content, Edit};
use accord_protocol::id::{Bytes, CertificateId, Digest, DocumentId, Nonce, RecordId};
use accord_protocol::input::{Command, Draft, GrantTerms, NewAsk};
use accord_protocol::limits;
use accord_protocol::part::{self, Manifest, safe_name};
use accord_protocol::proof::Proof;
use accord_protocol::rules;
use accord_protocol::segment::{self, Segment, Tip};
use accord_protocol::step::{Table, Write};
use accord_protocol::time::Now;
use accord_protocol::view::{FileView, PieceView, Refused, SendingView, View};
use accord_protocol::wire::{Hello, Message, NoPart, Part, PartsWanted, Push};
use proptest::prelude::*;

use crate::county::{County, OFFICER, push_of, terms, usual};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const PIECE: usize = limits::PIECE_BYTES;

/// Content nobody else has, so long.
fn canary(n: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&[n]).finalize_xof().fill(&mut out);
    out
}

/// Whether a store holds the beginning, middle or end of some content.
fn holds(county: &County, at: usize, content: &[u8]) -> bool {
    let node = &county.nodes[at];
    let needles = [0, content.len() / 2, content.len().saturating_sub(32)].map(|from| &content[from..(from + 32).min(content.len())]);
    let items = node.items.values().flatten().map(|(_, body)| body);
    let mut all = node.rows.values().chain(items);
    all.any(|value| needles.iter().any(|needle| !needle.is_empty() && value.windows(needle.len()).any(|window| window == *needle)))
}

fn lay_down(county: &mut County, at: usize, id: &str, content: &[u8]) -> Option<String> {
    let mut upload = None;
    for piece in content.chunks(PIECE) {
        let command = Command::FilePiece { id: id.to_owned(), upload: upload.take(), bytes: piece.to_vec() };
        let View::Piece(view) = county.ask(at, command) else { panic!("a piece") };
        upload = Some(view.upload);
    }
    upload
}

/// Attaches a file and lets it go; answers its id.
fn attach(county: &mut County, at: usize, id: &str, name: &str, content: &[u8]) -> String {
    let file = attach_quietly(county, at, id, name, content);
    county.run();
    file
}

fn attach_quietly(county: &mut County, at: usize, id: &str, name: &str, content: &[u8]) -> String {
    let upload = lay_down(county, at, id, content);
    let command = Command::FileAttach { id: id.to_owned(), upload, name: name.to_owned(), media: "image/jpeg".to_owned() };
    let View::Sending(SendingView { file, .. }) = county.ask(at, command) else { panic!("it is attached") };
    file
}

fn files(county: &mut County, at: usize, id: &str) -> Vec<FileView> {
    let View::Files(view) = county.ask(at, Command::FileList { id: id.to_owned() }) else { panic!("files") };
    view.files
}

fn state(county: &mut County, at: usize, id: &str) -> String {
    files(county, at, id).iter().map(|file| file.state.as_str()).collect::<Vec<_>>().join(" ")
}

fn piece(county: &mut County, at: usize, id: &str, file: &str, piece: u32) -> Result<PieceView, Refused> {
    let command = Command::FileRead { id: id.to_owned(), file: file.to_owned(), piece };
    county.asked(at, Some(OFFICER), false, command).map(|view| if let View::Piece(piece) = view { piece } else { panic!("a piece") })
}

fn read(county: &mut County, at: usize, id: &str, file: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0.. {
        let one = piece(county, at, id, file, n).expect("it is here");
        let size = one.size;
        out.extend(base64(&one.bytes));
        if out.len() as u64 >= size {
            break;
        }
    }
    out
}

fn refusal(county: &mut County, at: usize, command: Command) -> String {
    county.asked(at, Some(OFFICER), false, command).expect_err("refused").code
}

fn erase(county: &mut County, at: usize, id: &str, file: &str) {
    county.ask(at, Command::AccessErase { id: id.to_owned(), files: vec![file.to_owned()] });
    county.run();
}

fn suspend(county: &mut County, at: usize, agreement: &str) {
    let command = Command::AgreementSuspend { id: agreement.to_owned(), categories: Vec::new(), reason: "under review".to_owned() };
    county.ask(at, command);
}

fn document(id: &str) -> DocumentId {
    DocumentId::from_hex(id).expect("an id")
}

fn digest(file: &str) -> Digest {
    Digest::from_hex(file).expect("an id")
}

fn accounts(county: &County, at: usize, kind: &str) -> usize {
    county.nodes[at].accounts.iter().filter(|line| line.kind == kind).count()
}

/// The parts that were said to a node, since [`County::heard`] was set.
fn parts_to(county: &County, to: usize) -> Vec<Part> {
    let heard = county.heard.iter().flatten().filter(|(_, other, _)| *other == to);
    heard.filter_map(|(_, _, message)| if let Message::Part(part) = message { Some(part.clone()) } else { None }).collect()
}

/// Two bureaus and a case of the first in which both write.
fn two() -> (County, String) {
    let mut county = County::new(2);
    county.agree(A, B, usual(county.now.wall));
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    (county, id)
}

#[test]
fn a_file_comes_to_whoever_holds_the_document_and_to_nobody_else() {
    let mut county = County::new(3);
    county.agree(A, B, usual(county.now.wall));
    county.agree(A, C, usual(county.now.wall));
    let id = county.open_case(A, &[B], "title", "text");
    county.heard = Some(Vec::new());
    let content = canary(1, 2 * PIECE + 77);
    let file = attach(&mut county, A, &id, "现场照片.jpg", &content);
    let seen = files(&mut county, B, &id);
    assert_eq!((seen[0].name.as_str(), seen[0].media.as_str(), seen[0].size), ("现场照片.jpg", "image/jpeg", content.len() as u64));
    assert_eq!((seen[0].state.as_str(), seen[0].parts, seen[0].bureau_name.as_str()), ("here", 4, "Bureau 1"));
    assert_eq!(read(&mut county, B, &id, &file), content);
    assert_eq!(read(&mut county, B, &id, "现场照片.jpg"), content, "by its name");
    // Whoever wrote it back is given it by the owner's partner as well.
    let theirs = canary(2, 900);
    let back = attach(&mut county, B, &id, "答复.pdf", &theirs);
    assert_eq!(read(&mut county, A, &id, &back), theirs);
    assert!(!holds(&county, C, &content) && !holds(&county, C, &theirs));
    let to_c = county.heard.take().expect("listened").into_iter().filter(|(_, to, _)| *to == C);
    assert_eq!(to_c.filter(|(_, _, m)| matches!(m, Message::Part(_) | Message::PartsWanted(_) | Message::NoPart(_))).count(), 0);
    // History holds nothing of it but the name of the manifest.
    let history: Vec<Vec<u8>> = county.nodes[A].items[&document(&id)].iter().map(|(_, body)| body.clone()).collect();
    let has = |needle: &[u8]| history.iter().any(|body| body.windows(needle.len()).any(|window| window == needle));
    assert!(has(&digest(&file).0) && !has("照片".as_bytes()) && !has(b"image/jpeg"));
    // Who reads is on record, with no name of the file.
    let reads: Vec<&str> = county.nodes[B].accounts.iter().filter(|line| line.kind == "read").map(|line| line.detail.as_str()).collect();
    assert!(reads.contains(&format!("file {}", &file[..8]).as_str()), "{reads:?}");
}

#[test]
fn an_empty_file_has_a_name_and_nothing_else() {
    let (mut county, id) = two();
    let file = attach(&mut county, A, &id, "empty.txt", b"");
    let seen = files(&mut county, B, &id);
    assert_eq!((seen[0].state.as_str(), seen[0].size, seen[0].parts), ("here", 0, 1));
    assert_eq!(piece(&mut county, B, &id, &file, 0).expect_err("it has none").code, "no_such_piece");
}

#[test]
fn a_bulletin_with_a_hidden_audience_brings_its_file_to_each_reader() {
    let mut county = County::new(3);
    for partner in [B, C] {
        county.agree(A, partner, usual(county.now.wall));
    }
    let draft = Draft { title: "t".to_owned(), text: "x".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let to = vec![county.nodes[B].name.clone()];
    let View::Sending(sent) = county.ask(A, Command::BulletinPublish { draft: None, text: Some(draft), to, open: false }) else { panic!() };
    county.run();
    let content = canary(3, 4_000);
    let file = attach(&mut county, A, &sent.id, "poster.png", &content);
    county.pass(30);
    assert_eq!(read(&mut county, B, &sent.id, &file), content);
    assert!(!holds(&county, C, &content));
    let theirs = Command::FilePiece { id: sent.id.clone(), upload: None, bytes: vec![1] };
    assert_eq!(refusal(&mut county, B, theirs), "may_not_append", "a reader attaches nothing");
}

#[test]
fn what_is_not_admitted_names_nothing() {
    let (mut county, id) = two();
    county.link(A, B, false);
    let subject = county.nodes[B].name.clone();
    county.ask(A, Command::AccessCut { id: id.clone(), subject, strict: false });
    let content = canary(4, 3_000);
    let file = attach_quietly(&mut county, B, &id, "late.jpg", &content);
    county.link(A, B, true);
    county.pass(900);
    assert!(files(&mut county, A, &id).is_empty(), "its act is held");
    assert!(!holds(&county, A, &content));
    // Let in, it comes, as far as the two are still on terms about it.
    county.ask(A, Command::AccessAdmit { id: id.clone(), acts: Vec::new() });
    let partner = county.nodes[B].name.clone();
    county.ask(A, Command::AccessGrant { id: id.clone(), partner, verb: "append".to_owned(), terms: GrantTerms::default() });
    county.pass(900);
    assert_eq!(read(&mut county, A, &id, &file), content);
}

#[test]
fn a_file_whose_act_counts_no_more_is_given_to_nobody() {
    let mut county = County::new(3);
    for partner in [B, C] {
        county.agree(A, partner, usual(county.now.wall));
    }
    let id = county.open_case(A, &[B, C], "title", "text");
    county.pass(30);
    county.link(A, C, false);
    county.link(B, C, false);
    let content = canary(36, 900);
    let file = attach(&mut county, B, &id, "a.jpg", &content);
    assert!(holds(&county, A, &content), "it counted, and came");
    // A stolen key: nothing unsettled of it stays.
    let subject = county.nodes[B].name.clone();
    county.ask(A, Command::AccessCut { id: id.clone(), subject, strict: true });
    county.run();
    assert!(files(&mut county, A, &id).is_empty());
    county.link(A, C, true);
    county.pass(60);
    let (document, file) = (document(&id), digest(&file));
    county.heard = Some(Vec::new());
    county.bring(C, A, &Message::PartsWanted(PartsWanted { document, file, parts: vec![file] }));
    let said: Vec<Message> = county.heard.take().into_iter().flatten().map(|(_, _, message)| message).collect();
    assert_eq!(said, [Message::NoPart(NoPart { document, file, part: file })]);
    assert!(!holds(&county, C, &content));
}

#[test]
fn whoever_asks_for_what_it_may_not_have_hears_the_same_word_whatever_the_reason() {
    let mut county = County::new(3);
    county.agree(A, B, usual(county.now.wall));
    county.agree(A, C, usual(county.now.wall));
    let id = county.open_case(A, &[B], "title", "text");
    let content = canary(5, 3_000);
    let file = digest(&attach(&mut county, A, &id, "a.jpg", &content));
    let gone = digest(&attach(&mut county, A, &id, "b.jpg", &canary(6, 3_000)));
    erase(&mut county, A, &id, &gone.to_string());
    county.pass(30);
    let doc = document(&id);
    let unknown = Digest([9; 32]);
    for (from, document, file, part) in [
        (C, doc, file, file),                 // not entitled
        (C, DocumentId([7; 32]), file, file), // nobody has it
        (B, doc, unknown, unknown),           // no such file
        (B, doc, file, unknown),              // no such part
        (B, doc, gone, gone),                 // erased
    ] {
        county.heard = Some(Vec::new());
        county.bring(from, A, &Message::PartsWanted(PartsWanted { document, file, parts: vec![part] }));
        let said = county.heard.take().expect("listened");
        let said: Vec<&Message> = said.iter().filter(|(_, to, _)| *to == from).map(|(_, _, message)| message).collect();
        assert_eq!(said, [&Message::NoPart(NoPart { document, file, part })]);
    }
}

#[test]
fn what_is_missing_is_asked_of_nobody_who_may_not_have_the_document() {
    let mut county = County::new(3);
    for (one, other) in [(A, B), (A, C), (B, C)] {
        county.agree(one, other, usual(county.now.wall));
    }
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    county.heard = Some(Vec::new());
    attach_quietly(&mut county, A, &id, "a.jpg", &canary(37, 900));
    while county.nodes[B].accounts.iter().filter(|line| line.kind == "admitted").count() < 1 {
        assert_ne!(county.run_some(1), 0, "its act comes");
    }
    county.link(A, B, false);
    county.pass(900);
    assert_eq!(state(&mut county, B, &id), "coming");
    let to_c = county.heard.iter().flatten().filter(|(from, to, m)| (*from, *to) == (B, C) && matches!(m, Message::PartsWanted(_))).count();
    assert_eq!(to_c, 0, "asking would tell that there is such a document");
    county.link(A, B, true);
    county.pass(30);
    assert_eq!(state(&mut county, B, &id), "here");
}

#[test]
fn a_break_costs_what_was_on_its_way_and_nothing_is_sent_twice() {
    let (mut county, id) = two();
    let content = canary(7, 20 * PIECE);
    county.heard = Some(Vec::new());
    let file = attach_quietly(&mut county, A, &id, "long.bin", &content);
    while parts_to(&county, B).len() < 9 {
        assert_ne!(county.run_some(1), 0, "it goes on");
    }
    county.link(A, B, false);
    assert_eq!(state(&mut county, B, &id), "coming");
    let before = files(&mut county, B, &id)[0].here;
    assert!((5..15).contains(&before), "{before} of 21");
    assert_eq!(piece(&mut county, B, &id, &file, 19).expect_err("not yet").code, "file_not_here");
    county.restart(B, &[A]);
    county.run();
    county.pass(5);
    assert_eq!(read(&mut county, B, &id, &file), content);
    let sent: Vec<Digest> = parts_to(&county, B).into_iter().map(|part| part.part).collect();
    assert!(sent.len() <= 21 + limits::PARTS_ASKED_MAX, "{} for 21 parts", sent.len());
}

#[test]
fn many_small_files_follow_each_other_without_a_pause() {
    let (mut county, id) = two();
    county.link(A, B, false);
    for n in 0..40 {
        attach_quietly(&mut county, A, &id, &format!("{n}.txt"), &canary(n, 40));
    }
    county.link(A, B, true);
    let seen = files(&mut county, B, &id);
    assert_eq!((seen.len(), seen.iter().filter(|file| file.state == "here").count()), (40, 40), "no time went by");
}

#[test]
fn a_manifest_that_comes_after_a_start_is_compared_with_what_was_erased_before_its_pieces_are_asked_for() {
    let (mut county, id) = two();
    county.link(A, B, false);
    let content = canary(38, 2 * PIECE);
    attach_quietly(&mut county, A, &id, "a.jpg", &content);
    county.link_quietly(A, B, true);
    while county.nodes[B].rows.keys().filter(|(table, _)| *table == Table::Parts).count() == 0 {
        assert_ne!(county.run_some(1), 0, "its act comes");
    }
    // The document is not at hand when the manifest comes.
    county.restart(B, &[A]);
    county.pass(10);
    assert_eq!(state(&mut county, B, &id), "here");
}

#[test]
fn a_suspension_stops_a_file_midway_and_a_resume_lets_it_go_on() {
    let mut county = County::new(2);
    let agreement = county.agree(A, B, usual(county.now.wall));
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    let content = canary(8, 20 * PIECE);
    county.heard = Some(Vec::new());
    let file = attach_quietly(&mut county, A, &id, "long.bin", &content);
    while parts_to(&county, B).len() < 6 {
        assert_ne!(county.run_some(1), 0, "it goes on");
    }
    assert!(county.queued(A, B) > PIECE, "more of it waits to go");
    suspend(&mut county, A, &agreement);
    let before = parts_to(&county, B).len();
    county.pass(900);
    assert_eq!(parts_to(&county, B).len(), before, "not one part left any more");
    assert_eq!(state(&mut county, B, &id), "coming");
    let resume = Command::AgreementResume { id: agreement.clone(), notices: false };
    county.ask(A, resume.clone());
    county.run();
    county.ask(B, resume);
    county.run();
    county.pass(300);
    assert_eq!(read(&mut county, B, &id, &file), content);
}

#[test]
fn bulletins_do_not_wait_behind_a_large_file() {
    let (mut county, id) = two();
    attach_quietly(&mut county, A, &id, "long.bin", &canary(9, 60 * PIECE));
    county.heard = Some(Vec::new());
    while parts_to(&county, B).len() < 4 {
        assert_ne!(county.run_some(1), 0, "it goes on");
    }
    assert!(county.queued(A, B) <= limits::PARTS_AHEAD_BYTES + PIECE, "{} bytes wait", county.queued(A, B));
    county.ask(A, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "urgent".to_owned() });
    let before = parts_to(&county, B).len();
    let said = |county: &County| county.heard.iter().flatten().any(|(_, to, m)| *to == B && matches!(m, Message::Push(_)));
    while !said(&county) {
        assert_ne!(county.run_some(1), 0, "it goes");
    }
    let parts = parts_to(&county, B).len() - before;
    assert!(parts <= limits::PARTS_ASKED_MAX + 1, "{parts} parts went before it");
}

#[test]
fn other_bytes_than_those_named_are_refused_and_fetched_elsewhere() {
    let (mut county, id) = two();
    let content = canary(10, PIECE + 5);
    let a2 = county.add_sibling(A);
    county.link(A, a2, true);
    county.link(B, a2, true);
    county.pass(30);
    // B hears of the file from A's second node's sender only after the links of A are gone: it asks both in turn.
    county.link(A, B, false);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    county.pass(30);
    assert_eq!(read(&mut county, B, &id, &file), content, "by way of the second node");
    // Again, and the second node lies.
    let content = canary(11, PIECE + 5);
    let file = attach_quietly(&mut county, A, &id, "b.jpg", &content);
    county.heard = Some(Vec::new());
    let wanted = loop {
        assert_ne!(county.run_some(1), 0, "it goes on");
        let asked = county.heard.iter().flatten().find_map(|(from, to, message)| match message {
            Message::PartsWanted(wanted) if (*from, *to) == (B, a2) => Some(wanted.clone()),
            _ => None,
        });
        if let Some(asked) = asked {
            break asked;
        }
    };
    let lie = Part { mark: 900, document: wanted.document, file: wanted.file, part: wanted.parts[0], bytes: Bytes(vec![3; 500]) };
    county.hand(a2, B, &Message::Part(lie.clone()));
    assert_eq!(accounts(&county, B, "refused_part"), 1);
    county.nodes[a2].lose_sends();
    county.pass(600);
    assert_eq!(read(&mut county, a2, &id, &file), content, "it has it by now");
    assert_eq!(state(&mut county, B, &id), "here coming", "it is not asked on this link any more");
    // The same bytes again, which nobody asked for.
    county.hand(a2, B, &Message::Part(lie));
    assert_eq!(accounts(&county, B, "refused_part"), 2);
    county.link(A, B, true);
    county.pass(30);
    assert_eq!(read(&mut county, B, &id, &file), content, "from somebody else");
}

#[test]
fn a_part_nobody_asked_for_is_not_kept_whatever_it_is() {
    let (mut county, id) = two();
    let content = canary(12, 900);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    let honest = part::part(&[1; 32], &canary(13, 900));
    let items = county.nodes[B].items.len();
    let part = |document, file, bytes: &[u8]| {
        Message::Part(Part { mark: 70, document, file, part: part::name(bytes), bytes: Bytes(bytes.to_vec()) })
    };
    for message in [
        part(document(&id), digest(&file), &honest),
        part(document(&id), part::name(&honest), &honest),
        part(DocumentId([4; 32]), part::name(&honest), &honest),
    ] {
        county.heard = Some(Vec::new());
        county.bring(A, B, &message);
        let said = county.heard.take().expect("listened");
        assert!(said.iter().any(|(_, _, message)| *message == Message::Ack(70)), "it counts as on its way no longer");
    }
    assert_eq!((county.nodes[B].items.len(), accounts(&county, B, "refused_part")), (items, 3));
    assert!(!holds(&county, B, &canary(13, 900)));
}

#[test]
fn what_is_erased_is_gone_at_the_owner_its_partners_and_its_own_devices_and_all_say_so() {
    let mut county = County::new(3);
    for partner in [B, C] {
        county.agree(A, partner, usual(county.now.wall));
    }
    let a2 = county.add_sibling(A);
    let id = county.open_case(A, &[B, C], "title", "text");
    county.link(A, a2, true);
    let (content, kept) = (canary(14, 2 * PIECE + 9), canary(15, 700));
    let file = attach(&mut county, A, &id, "证人.jpg", &content);
    let other = attach(&mut county, B, &id, "kept.jpg", &kept);
    county.pass(60);
    for at in [A, B, C, a2] {
        assert!(holds(&county, at, &content) && holds(&county, at, &kept), "at {at}");
    }
    let before: Vec<Vec<u8>> = county.nodes[A].items[&document(&id)].iter().map(|(_, body)| body.clone()).collect();
    // One is away.
    for other in [A, B, a2] {
        county.link(C, other, false);
    }
    let order = Command::AccessErase { id: id.clone(), files: vec!["证人.jpg".to_owned()] };
    assert_eq!(refusal(&mut county, B, order.clone()), "not_the_owner");
    let View::Sending(foreseen) = county.asked(A, Some(OFFICER), true, order.clone()).expect("a dry run") else { panic!() };
    assert_eq!((foreseen.visible_entries, foreseen.receivers.len(), state(&mut county, A, &id).as_str()), (1, 2, "here here"));
    county.ask(A, order.clone());
    county.pass(60);
    for at in [A, B, a2] {
        assert!(!holds(&county, at, &content) && holds(&county, at, &kept), "at {at}");
    }
    let seen = files(&mut county, A, &id);
    let erased = seen.iter().find(|one| one.id == file).expect("it stays in history");
    assert_eq!((erased.state.as_str(), erased.name.as_str(), erased.size, erased.media.as_str()), ("erased", "", 0, ""));
    let attested = erased.attested.clone().expect("the owner is told");
    assert_eq!((attested.attested, attested.of, attested.waits), (1, 2, vec!["Bureau 3".to_owned()]));
    assert!(holds(&county, C, &content), "it has not heard");
    assert_eq!(refusal(&mut county, A, order), "unknown_file", "nobody knows any more how it was called");
    assert_eq!(piece(&mut county, B, &id, &file, 0).expect_err("gone").code, "file_erased");
    county.link(A, C, true);
    county.pass(60);
    assert!(!holds(&county, C, &content) && holds(&county, C, &kept));
    let attested = files(&mut county, A, &id).into_iter().find(|one| one.id == file).and_then(|one| one.attested).expect("told");
    assert_eq!((attested.attested, attested.of), (2, 2));
    assert!(files(&mut county, a2, &id).iter().all(|one| one.attested.is_none()), "partners say it to the registrar's node");
    let View::Access(access) = county.ask(A, Command::AccessList { id: id.clone() }) else { panic!("access") };
    let record = access.records.iter().find(|record| record.kind == "erase").expect("a record");
    assert_eq!(record.attested.as_ref().map(|view| (view.attested, view.of)), Some((2, 2)));
    assert_eq!(county.ask(B, Command::AccessList { id: id.clone() }), {
        let View::Access(view) = county.ask(B, Command::AccessList { id: id.clone() }) else { panic!() };
        assert!(view.records.iter().all(|record| record.attested.is_none()), "a reader is not told what others said");
        View::Access(view)
    });
    // History, and what was signed of it, stand as they stood.
    let after: Vec<Vec<u8>> = county.nodes[A].items[&document(&id)].iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(after[..before.len()], before);
    let View::Proof(proof) = county.ask(A, Command::ProofExport { id: id.clone(), full: true }) else { panic!("a proof") };
    let bytes = base64(&proof.bytes);
    let stated = Proof::verify(&bytes).expect("it stands").states().expect("it states");
    let blobs: Vec<&String> = stated.records.iter().flat_map(|record| &record.blobs).collect();
    assert_eq!(blobs.len(), 4, "the manifest and three pieces");
    assert!(blobs.contains(&&file));
    let entries: Vec<(&str, &str)> =
        stated.entries.iter().filter(|entry| entry.kind == "attached").map(|entry| (entry.file.as_str(), entry.title.as_str())).collect();
    assert_eq!(entries.len(), 2);
    assert!(entries.contains(&(file.as_str(), "")) && entries.contains(&(other.as_str(), "")));
    assert_eq!(read(&mut county, C, &id, &other), kept);
    for at in [A, B, C] {
        let View::Status(status) = county.ask(at, Command::Status) else { panic!("status") };
        assert!(status.partners.iter().all(|partner| !partner.divergent), "at {at}");
    }
}

fn base64(text: &str) -> Vec<u8> {
    accord_keys::armour::decode_base64(text).expect("base64")
}

#[test]
fn who_never_had_it_says_so_as_well_and_what_waits_to_go_stays() {
    let (mut county, id) = two();
    let content = canary(16, 30 * PIECE);
    county.heard = Some(Vec::new());
    let file = attach_quietly(&mut county, A, &id, "long.bin", &content);
    while parts_to(&county, B).len() < 4 {
        assert_ne!(county.run_some(1), 0, "it goes on");
    }
    let before = parts_to(&county, B).len();
    erase(&mut county, A, &id, &file);
    county.pass(300);
    assert_eq!(parts_to(&county, B).len(), before, "what waited did not go");
    assert!(!holds(&county, A, &content) && !holds(&county, B, &content));
    let attested = files(&mut county, A, &id)[0].attested.clone().expect("told");
    assert_eq!((attested.attested, attested.of), (1, 1));
    // Of nothing that is here a key was spared.
    let parts = |at: usize| county.nodes[at].purged.len();
    assert!(parts(A) >= 31 && parts(B) >= 4);
}

#[test]
fn who_heard_of_an_erasure_in_its_own_house_says_so_when_it_meets_the_owner() {
    let (mut county, id) = two();
    let content = canary(17, 900);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    let b2 = county.add_sibling(B);
    county.link(B, b2, true);
    county.pass(60);
    county.link(A, B, false);
    county.link(A, b2, true);
    erase(&mut county, A, &id, &file);
    county.pass(60);
    assert!(!holds(&county, B, &content) && !holds(&county, b2, &content));
    assert_eq!(files(&mut county, A, &id)[0].attested.as_ref().map(|view| view.attested), Some(0), "a second node states nothing");
    county.link(A, B, true);
    county.pass(60);
    assert_eq!(files(&mut county, A, &id)[0].attested.as_ref().map(|view| view.attested), Some(1));
}

#[test]
fn an_attestation_that_could_not_be_stated_is_stated_later() {
    let (mut county, id) = two();
    let content = canary(35, 900);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    county.pass(60);
    county.link(A, B, false);
    erase(&mut county, A, &id, &file);
    // A store that may be an older one states nothing until an officer ruled.
    let Write::Put { table, key, value: Some(value) } = note_suspicion(Suspicion::Restored) else { panic!("a row") };
    county.nodes[B].rows.insert((table, key), value);
    county.restart(B, &[A]);
    county.pass(60);
    assert!(!holds(&county, B, &content), "what was erased is destroyed all the same");
    assert_eq!(files(&mut county, A, &id)[0].attested.as_ref().map(|view| view.attested), Some(0));
    county.ask(B, Command::StoreConfirm { missing: "nothing".to_owned(), alone: false, pair: None });
    county.pass(1_300);
    assert_eq!(files(&mut county, A, &id)[0].attested.as_ref().map(|view| view.attested), Some(1));
}

#[test]
fn nobody_brings_back_what_was_erased() {
    let (mut county, id) = two();
    let content = canary(18, PIECE + 40);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    county.pass(60);
    let old = (county.nodes[B].rows.clone(), county.nodes[B].items.clone());
    let (doc, name) = (document(&id), digest(&file));
    let parts = stored_parts(&county, B, &id);
    assert_eq!(parts.len(), 3);
    erase(&mut county, A, &id, &file);
    county.pass(60);
    // It kept a copy, and pushes it.
    for bytes in &parts {
        let part = Part { mark: 80, document: doc, file: name, part: part::name(bytes), bytes: Bytes(bytes.clone()) };
        county.bring(B, A, &Message::Part(part));
    }
    assert!(!holds(&county, A, &content));
    // It brings the whole document as it was, with the act that names the file.
    let push = push_of(&county.nodes[A].core.directory(), doc, old.1[&doc].clone());
    county.bring(B, A, &Message::Push(push));
    county.pass(60);
    assert!(!holds(&county, A, &content));
    // The store it was, put back from a stick: it hears the record and does it again.
    county.link(A, B, false);
    (county.nodes[B].rows, county.nodes[B].items) = old;
    county.nodes[B].purged.clear();
    let now = county.now;
    county.nodes[B].reopen(now);
    assert!(holds(&county, B, &content));
    county.link(A, B, true);
    county.pass(900);
    assert!(!holds(&county, A, &content), "nothing of it went to the owner");
    assert!(!holds(&county, B, &content), "and it is gone from the old store");
}

/// A push by which somebody attaches whatever manifest it likes: no honest node writes such an act.
fn attaching(county: &mut County, at: usize, id: &str, file: Digest) -> Message {
    let (doc, directory) = (document(id), county.nodes[at].core.directory());
    let push = push_of(&directory, doc, county.nodes[at].items[&doc].clone());
    let segments: Vec<Segment> = push.segments.iter().map(|bytes| segment::decode(&bytes.0).expect("reads")).collect();
    let raw: Vec<&[u8]> = segments.iter().flat_map(|segment| &segment.changes).map(|raw| raw.0.as_slice()).collect();
    let mut content = Content::replay(raw).expect("replays");
    let View::Officers { officers } = county.ask(at, Command::OfficerFind { name: OFFICER.to_owned() }) else { panic!("officers") };
    let certificate = CertificateId::from_hex(&officers[0].certificate).expect("a certificate");
    let life = Life([9; 8]);
    let act = Act { file: Some(file), ..Act::new(Nonce([9; 16]), ActKind::Attached, county.now.wall) };
    let changes = content.edit(segment::actor_id(&certificate, &doc, &life), &[Edit::Act(act.to_bytes())]).expect("written");
    let hashes: Vec<_> = changes.iter().map(|raw| rules::parse(raw).expect("well formed").hash()).collect();
    let head = push.records.last().map(|bytes| Sealed::<Record>::from_bytes(&bytes.0).expect("reads").id(&NetworkId::named("county")));
    let cited = RecordId(head.expect("adopted").0);
    let tip = Tip { n: 0, attestation: Digest([0; 32]) };
    let network = NetworkId::named("county");
    let sealed = segment::seal_changes(&network, &County::key(at), doc, certificate, life, tip, changes, &hashes, cited).expect("seals");
    Message::Push(Push { segments: vec![Bytes(accord_keys::canon::encode(&sealed))], ..Push::empty(500, doc) })
}

/// The parts a node stores, each as it is.
fn stored_parts(county: &County, at: usize, id: &str) -> Vec<Vec<u8>> {
    let of_parts = county.nodes[at].items.iter().filter(|(place, _)| **place != document(id));
    of_parts.flat_map(|(_, items)| items.iter().map(|(_, body)| body[1..].to_vec())).collect()
}

#[test]
fn a_file_made_of_erased_pieces_is_erased_when_its_manifest_comes() {
    let (mut county, id) = two();
    let content = canary(19, PIECE + 40);
    let first = attach(&mut county, A, &id, "a.jpg", &content);
    county.pass(30);
    let parts = stored_parts(&county, A, &id);
    let manifest = parts.iter().find(|bytes| part::name(bytes) == digest(&first)).expect("its own");
    let pieces = Manifest::from_bytes(part::content(manifest)).expect("a manifest").pieces();
    erase(&mut county, A, &id, &first);
    county.pass(30);
    let trick = Manifest::new("b.jpg".to_owned(), String::new(), content.len() as u64, &pieces).expect("in bounds");
    let trick = part::part(&[5; 32], &trick.to_bytes());
    let name = part::name(&trick);
    let push = attaching(&mut county, B, &id, name);
    county.hand(B, A, &push);
    assert_eq!(state(&mut county, A, &id), "erased coming");
    county.hand(B, A, &Message::Part(Part { mark: 501, document: document(&id), file: name, part: name, bytes: Bytes(trick) }));
    assert_eq!(state(&mut county, A, &id), "erased erased");
    assert!(files(&mut county, A, &id).iter().all(|file| file.name.is_empty()));
}

#[test]
fn a_manifest_that_is_none_and_a_piece_of_another_length_make_a_file_unreadable_and_stop_nothing() {
    let (mut county, id) = two();
    let none = part::part(&[5; 32], b"no manifest");
    let push = attaching(&mut county, B, &id, part::name(&none));
    county.hand(B, A, &push);
    let name = part::name(&none);
    county.hand(B, A, &Message::Part(Part { mark: 501, document: document(&id), file: name, part: name, bytes: Bytes(none) }));
    assert_eq!(state(&mut county, A, &id), "unreadable");
    assert_eq!(piece(&mut county, A, &id, &name.to_string(), 0).expect_err("nothing of it").code, "file_unreadable_here");
    county.pass(900);
    assert_eq!(state(&mut county, A, &id), "unreadable", "it is not asked for again");
    county.restart(A, &[B]);
    assert_eq!(state(&mut county, A, &id), "unreadable");
    let (mut county, id) = two();
    let short = part::part(&[6; 32], b"short");
    let lie = Manifest::new("b.jpg".to_owned(), String::new(), 900, &[part::name(&short)]).expect("in bounds");
    let lie = part::part(&[5; 32], &lie.to_bytes());
    let name = part::name(&lie);
    let push = attaching(&mut county, B, &id, name);
    county.hand(B, A, &push);
    county.hand(B, A, &Message::Part(Part { mark: 501, document: document(&id), file: name, part: name, bytes: Bytes(lie) }));
    assert_eq!(state(&mut county, A, &id), "coming");
    county.hand(
        B,
        A,
        &Message::Part(Part { mark: 502, document: document(&id), file: name, part: part::name(&short), bytes: Bytes(short) }),
    );
    assert_eq!(state(&mut county, A, &id), "unreadable");
}

#[test]
fn nobody_has_a_file_erased_by_naming_its_pieces_in_one_of_his_own() {
    let (mut county, id) = two();
    let content = canary(34, 900);
    let first = attach(&mut county, A, &id, "a.jpg", &content);
    county.pass(30);
    let parts = stored_parts(&county, A, &id);
    let manifest = parts.iter().find(|bytes| part::name(bytes) == digest(&first)).expect("its own");
    let pieces = Manifest::from_bytes(part::content(manifest)).expect("a manifest").pieces();
    let trick = Manifest::new("b.jpg".to_owned(), String::new(), content.len() as u64, &pieces).expect("in bounds");
    let trick = part::part(&[5; 32], &trick.to_bytes());
    let name = part::name(&trick);
    let push = attaching(&mut county, B, &id, name);
    county.hand(B, A, &push);
    county.hand(B, A, &Message::Part(Part { mark: 501, document: document(&id), file: name, part: name, bytes: Bytes(trick) }));
    county.pass(30);
    erase(&mut county, A, &id, &name.to_string());
    county.pass(30);
    assert_eq!(state(&mut county, A, &id), "here erased");
    assert_eq!(read(&mut county, A, &id, &first), content);
    assert_eq!(read(&mut county, B, &id, &first), content);
}

#[test]
fn what_was_destroyed_before_the_keys_were_is_destroyed_at_the_next_start() {
    let (mut county, id) = two();
    let content = canary(22, 2 * PIECE);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    let items = county.nodes[A].items.clone();
    erase(&mut county, A, &id, &file);
    county.nodes[A].items = items;
    county.nodes[A].purged.clear();
    assert!(holds(&county, A, &content), "as if the process had ended in between");
    county.restart(A, &[B]);
    assert!(!holds(&county, A, &content));
}

#[test]
fn a_document_destroyed_at_retention_takes_its_files_along() {
    let (mut county, id) = two();
    let content = canary(23, 2 * PIECE);
    attach(&mut county, A, &id, "a.jpg", &content);
    let laid = lay_down(&mut county, A, &id, &canary(24, 700));
    assert!(laid.is_some() && holds(&county, B, &content));
    county.ask(A, Command::AccessEnd { id: id.clone() });
    county.pass(40 * 86_400);
    for at in [A, B] {
        let known = Command::DocumentShow { id: id.clone() };
        assert_eq!(refusal(&mut county, at, known), "was_erased", "at {at}");
        assert!(!holds(&county, at, &content) && !holds(&county, at, &canary(24, 700)), "at {at}");
    }
}

#[test]
fn pieces_nobody_attached_are_destroyed_after_a_while_and_at_a_start() {
    let (mut county, id) = two();
    let (first, second) = (canary(25, PIECE), canary(26, 700));
    lay_down(&mut county, A, &id, &first);
    county.pass(limits::STAGED_KEPT_MS / 1_000 + 700);
    assert!(!holds(&county, A, &first));
    let upload = lay_down(&mut county, A, &id, &second).expect("laid down");
    county.restart(A, &[B]);
    assert!(!holds(&county, A, &second));
    let late = Command::FileAttach { id: id.clone(), upload: Some(upload), name: "a".to_owned(), media: String::new() };
    assert_eq!(refusal(&mut county, A, late), "unknown_upload");
    county.pass(1_300);
    assert_eq!(county.nodes[A].rows.keys().filter(|(table, _)| *table == Table::Parts).count(), 0, "no row stays of it");
}

#[test]
fn what_is_too_large_or_called_what_may_not_be_is_refused_before_anything_is_kept() {
    let (mut county, id) = two();
    let piece_of = |len: usize, upload| Command::FilePiece { id: id.clone(), upload, bytes: vec![1; len] };
    assert_eq!(refusal(&mut county, A, piece_of(0, None)), "bad_piece");
    assert_eq!(refusal(&mut county, A, piece_of(PIECE + 1, None)), "bad_piece");
    let View::Piece(PieceView { upload: short, .. }) = county.ask(A, piece_of(5, None)) else { panic!() };
    assert_eq!(refusal(&mut county, A, piece_of(5, Some(short.clone()))), "piece_after_short_one");
    assert_eq!(refusal(&mut county, A, piece_of(5, Some("00".repeat(16)))), "unknown_upload");
    let mut upload = None;
    for _ in 0..limits::PIECES_MAX {
        let View::Piece(view) = county.ask(A, piece_of(PIECE, upload.take())) else { panic!() };
        upload = Some(view.upload);
    }
    assert_eq!(refusal(&mut county, A, piece_of(1, upload)), "file_too_large");
    for name in ["", "a\nb", "a\u{202e}b"] {
        let attach = Command::FileAttach { id: id.clone(), upload: Some(short.clone()), name: name.to_owned(), media: String::new() };
        assert_eq!(refusal(&mut county, A, attach), "bad_file_name", "{name:?}");
    }
    let attach = Command::FileAttach { id: id.clone(), upload: Some(short), name: "a".to_owned(), media: "a b".to_owned() };
    assert_eq!(refusal(&mut county, A, attach), "bad_media_type");
    for _ in 2..limits::STAGED_MAX {
        county.ask(A, piece_of(1, None));
    }
    assert_eq!(refusal(&mut county, A, piece_of(1, None)), "too_many_uploads");
}

#[test]
fn a_partner_that_asks_without_end_waits_for_so_much_and_hears_no_to_the_rest() {
    let (mut county, id) = two();
    let content = canary(27, 100 * PIECE);
    county.link(A, B, false);
    let file = attach_quietly(&mut county, A, &id, "long.bin", &content);
    county.link_quietly(A, B, true);
    while county.nodes[B].items.contains_key(&document(&id)) && county.run_some(1) > 0 {
        if files(&mut county, B, &id).first().is_some_and(|file| file.here > 0) {
            break;
        }
    }
    let manifest = files(&mut county, A, &id)[0].parts;
    assert_eq!(manifest, 101);
    let doc = document(&id);
    let parts: Vec<Digest> = stored_parts(&county, A, &id).iter().map(|bytes| part::name(bytes)).collect();
    county.heard = Some(Vec::new());
    for page in parts.chunks(limits::PARTS_WANTED_PAGE) {
        county.hand(B, A, &Message::PartsWanted(PartsWanted { document: doc, file: digest(&file), parts: page.to_vec() }));
    }
    // It does not even say that they came.
    let mut most = 0;
    while county.run_some(1) > 0 {
        most = most.max(county.queued(A, B));
    }
    assert!(most <= limits::PARTS_AHEAD_BYTES + PIECE, "{most} bytes");
    let no = county.heard.iter().flatten().filter(|(_, _, m)| matches!(m, Message::NoPart(_))).count();
    assert!(no >= parts.len() - limits::PARTS_DUE_MAX - limits::PARTS_ASKED_MAX, "{no} times no");
    county.pass(60);
    assert_eq!(read(&mut county, B, &id, &file), content, "an honest one comes through all the same");
}

/// What B says to A that greets it as a node of such a version, and then brings a document with a file.
fn said_to(version: u8) -> (County, String, Vec<Message>) {
    let (mut county, id) = two();
    county.link(A, B, false);
    county.heard = Some(Vec::new());
    county.link(A, B, true);
    let hello = county.heard.take().into_iter().flatten().find_map(|(from, _, message)| match message {
        Message::Hello(hello) if from == A => Some(hello),
        _ => None,
    });
    let hello = Hello { version, ..hello.expect("it said hello") };
    county.link(A, B, false);
    attach_quietly(&mut county, A, &id, "a.jpg", &canary(28, 900));
    let transport = county.transport(A);
    county.link_one(B, A, transport, true);
    county.hand(A, B, &Message::Hello(hello));
    let push = push_of(&county.nodes[A].core.directory(), document(&id), county.nodes[A].items[&document(&id)].clone());
    county.heard = Some(Vec::new());
    county.bring(A, B, &Message::Push(push));
    let said = county.heard.take().into_iter().flatten().filter(|(from, _, _)| *from == B).map(|(_, _, message)| message).collect();
    (county, id, said)
}

#[test]
fn a_node_of_an_older_version_is_asked_for_no_part() {
    for (version, asks) in [(7, false), (8, true)] {
        let (mut county, id, said) = said_to(version);
        assert_eq!(said.iter().any(|message| matches!(message, Message::PartsWanted(_))), asks, "version {version}");
        assert_eq!(state(&mut county, B, &id), "coming", "it has the document");
    }
}

#[test]
fn a_third_bureau_gets_a_file_by_way_of_the_one_it_came_by_and_by_consent() {
    let mut county = County::new(3);
    let now = county.now.wall;
    let mut asking = usual(now);
    asking.grants[0].onward = Onward::Ask;
    county.agree(A, B, asking);
    county.agree(B, C, usual(now));
    county.link(A, C, false);
    let id = county.open_case(A, &[B], "title", "text");
    let (mine, theirs) = (canary(29, PIECE + 3), canary(30, 800));
    let first = attach(&mut county, A, &id, "a.jpg", &mine);
    let second = attach(&mut county, B, &id, "b.jpg", &theirs);
    county.pass(30);
    let wish = NewAsk {
        id: id.clone(),
        recipient: county.nodes[C].name.clone(),
        verb: "read".to_owned(),
        purpose: "the same series over there".to_owned(),
        urgency: "urgent".to_owned(),
        answer_by: None,
    };
    let View::Onward(asked) = county.ask(B, Command::OnwardAsk(wish)) else { panic!("an ask") };
    county.run();
    assert!(!holds(&county, C, &mine), "an ask gives nothing");
    county.ask(A, Command::OnwardGrant { id: asked.asks[0].id.clone(), verb: None, terms: GrantTerms::default() });
    county.pass(30);
    assert_eq!((read(&mut county, C, &id, &first), read(&mut county, C, &id, &second)), (mine.clone(), theirs.clone()));
    erase(&mut county, A, &id, &second);
    county.pass(30);
    for at in [A, B, C] {
        assert!(!holds(&county, at, &theirs) && holds(&county, at, &mine), "at {at}");
    }
}

#[test]
fn what_the_agreement_does_not_reach_brings_no_file() {
    let mut county = County::new(2);
    let reach = terms(county.now.wall, 365, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]);
    county.agree(A, B, reach);
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    county.link(A, B, false);
    let content = canary(31, 900);
    attach_quietly(&mut county, A, &id, "a.jpg", &content);
    county.ask(A, Command::AccessReclassify { id: id.clone(), tlp: "RED".to_owned() });
    county.link(A, B, true);
    county.pass(60);
    assert!(!holds(&county, B, &content));
}

#[test]
fn a_file_is_read_by_its_name_at_once_and_that_is_noted_whichever_piece_comes_first() {
    let (mut county, id) = two();
    let content = canary(41, 2 * PIECE);
    attach(&mut county, A, &id, "证人.jpg", &content);
    county.pass(30);
    county.restart(B, &[]);
    let before = accounts(&county, B, "read");
    for _ in 0..2 {
        let second = piece(&mut county, B, &id, "证人.jpg", 1).expect("by its name");
        assert_eq!(base64(&second.bytes), content[PIECE..]);
        assert_eq!(accounts(&county, B, "read"), before + 1);
    }
}

#[test]
fn reading_a_file_writes_the_floor_of_a_laptop() {
    let (mut county, id) = two();
    let content = canary(42, PIECE);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    let laptop = county.add_device(B, MemberKind::Laptop);
    county.link(B, laptop, true);
    county.pass(120);
    county.link(B, laptop, false);
    const { assert!(limits::FLOOR_EVERY_MS > 400_000, "no floor is due in so short a time") };
    county.now = Now { mono: county.now.mono.plus(400_000), wall: county.now.wall.plus(400) };
    piece(&mut county, laptop, &id, &file, 0).expect("it is here");
    let floor = &county.nodes[laptop].rows[&(Table::Local, b"floor".to_vec())];
    assert_eq!(*floor, county.now.wall.0.to_be_bytes());
}

#[test]
fn a_part_the_store_lost_is_fetched_again() {
    let (mut county, id) = two();
    let content = canary(32, 3 * PIECE);
    let file = attach(&mut county, A, &id, "a.jpg", &content);
    // Else the store would take itself for an older one.
    county.note(B, &id, "what came last");
    county.pass(30);
    let doc = document(&id);
    let damaged: Vec<DocumentId> = county.nodes[B].items.keys().copied().filter(|place| *place != doc).collect();
    for place in damaged {
        county.nodes[B].items.remove(&place);
    }
    county.restart(B, &[A]);
    for _ in 0..8 {
        let _ = (0..3).map(|n| piece(&mut county, B, &id, &file, n)).filter(Result::is_ok).count();
        let _ = files(&mut county, B, &id);
        county.pass(30);
    }
    assert_eq!(read(&mut county, B, &id, &file), content);
}

#[test]
fn an_erasure_is_a_record_of_the_parts_of_its_file() {
    let (mut county, id) = two();
    let file = attach(&mut county, A, &id, "a.jpg", &canary(33, PIECE + 1));
    erase(&mut county, A, &id, &file[..10]);
    let push = push_of(&county.nodes[B].core.directory(), document(&id), county.nodes[B].items[&document(&id)].clone());
    let records = push.records.iter().map(|bytes| Sealed::<Record>::from_bytes(&bytes.0).expect("reads"));
    let named: Vec<usize> = records
        .filter_map(|record| if let RecordKind::Erase(parts, _) = &record.claimed().kind { Some(parts.len()) } else { None })
        .collect();
    assert_eq!(named, [3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_file_is_called_it_is_put_down_under_one_ordinary_visible_name(name in hostile_name()) {
        let safe = safe_name(&name, "file");
        prop_assert!(!safe.is_empty() && safe.len() <= limits::SAFE_NAME_BYTES_MAX + 1, "{safe:?}");
        prop_assert!(part::check_name(&safe).is_ok(), "{safe:?} hides something");
        prop_assert!(!safe.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\0']), "{safe:?}");
        prop_assert!(!safe.starts_with(['.', '-', '~', ' ']) && !safe.ends_with(['.', ' ']), "{safe:?}");
        let mut steps = std::path::Path::new(&safe).components();
        prop_assert!(matches!((steps.next(), steps.next()), (Some(std::path::Component::Normal(_)), None)), "{safe:?}");
        let stem = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
        prop_assert!(!["con", "prn", "aux", "nul", "com1", "lpt9", "conin$"].contains(&stem.as_str()), "{safe:?}");
        prop_assert_eq!(safe_name(&safe, "file"), safe.clone(), "it stays as it is");
    }
}

/// Names people give, names that mean something to a system, and what hides among other characters.
fn hostile_name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "../../etc/x",
        "C:\\x",
        "con",
        "CON.txt",
        "nul .tar.gz",
        "com¹",
        "lpt9.jpg",
        "-rf",
        "~",
        ".bashrc",
        "a\u{0}b",
        "photo\u{202e}gpj.exe",
        "a/b",
        "a\\b",
        "...",
        "  ",
        "x:stream",
        "现场照片.jpg",
        "conin$",
        "a\u{feff}",
        "\u{e0041}",
        "a\u{200f}.pdf",
        "aux.",
    ]);
    let any = proptest::collection::vec(any::<char>(), 0..300).prop_map(|chars| chars.into_iter().collect::<String>());
    prop_oneof![
        known.clone().prop_map(str::to_owned),
        any.clone(),
        (known.clone(), any).prop_map(|(one, other)| one.to_owned() + &other),
        (known.clone(), known).prop_map(|(one, other)| one.to_owned() + other)
    ]
}
