//! Proofs: what a file states is what the node shows, and whatever is altered, left out or taken from elsewhere is refused.

use std::path::PathBuf;

use accord_keys::armour::decode_base64;
use accord_keys::seal::Sealed;
use accord_protocol::access::audience::Opening;
use accord_protocol::agreement::Onward;
use accord_protocol::id::{Bytes, Digest, DocumentId, RecordId};
use accord_protocol::input::{Command, CompactDraft, Draft, GrantTerms, NewAsk};
use accord_protocol::ledger::{Line, ReceiptLine, Says};
use accord_protocol::limits;
use accord_protocol::proof::{MAGIC, Proof, ProofError, ProofFile, ProofStatement, VERSION};
use accord_protocol::view::{DocumentView, ProofView, View};
use accord_protocol::wire::Message;

use crate::county::{County, usual};

fn export(county: &mut County, at: usize, id: &str, full: bool) -> (Vec<u8>, ProofView) {
    let View::Proof(view) = county.ask(at, Command::ProofExport { id: id.to_owned(), full }) else { panic!("a proof") };
    (decode_base64(&view.bytes).expect("base64"), view)
}

fn states(bytes: &[u8]) -> Result<ProofStatement, ProofError> {
    Proof::verify(bytes)?.states()
}

fn show(county: &mut County, at: usize, id: &str) -> DocumentView {
    let View::Document(view) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else { panic!("a document") };
    view
}

/// A file whose digest fits, whatever was done to it.
fn redigested(body: &[u8]) -> Vec<u8> {
    let mut bytes = body[..body.len() - 32].to_vec();
    let digest = *blake3::hash(&bytes).as_bytes();
    bytes.extend_from_slice(&digest);
    bytes
}

/// Two bureaus, a thread both wrote in, everything settled.
fn plain() -> (County, String) {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let id = county.open_case(0, &[1], "Series of thefts", "Three cases in one night.");
    county.pass(60);
    county.note(1, &id, "The same tool marks in our county.");
    county.pass(60);
    county.note(0, &id, "Compared: the marks are equal.");
    county.pass(900);
    (county, id)
}

/// As [`plain`]; then the partner writes while it is being cut, so its words are held.
fn with_cut() -> (County, String) {
    let (mut county, id) = plain();
    let text = "Written before we heard of the cut.".to_owned();
    county.ask(1, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text });
    let subject = county.nodes[1].name.clone();
    county.ask(0, Command::AccessCut { id: id.clone(), subject, strict: false });
    county.run();
    county.note(0, &id, "We go on alone.");
    (county, id)
}

/// As [`with_cut`]; then the held words are let in, other words are declared void and the traffic light is raised.
fn with_rulings() -> (County, String) {
    let (mut county, id) = with_cut();
    let entries = show(&mut county, 0, &id).entries;
    let note = entries.iter().find(|entry| entry.text.starts_with("Compared")).expect("it was written").change.clone();
    county.ask(0, Command::AccessAdmit { id: id.clone(), acts: Vec::new() });
    county.ask(0, Command::AccessVoid { id: id.clone(), acts: vec![note], reason: "Wrong case.".to_owned() });
    county.ask(0, Command::AccessReclassify { id: id.clone(), tlp: "RED".to_owned() });
    county.run();
    (county, id)
}

/// As [`with_cut`]; then the held words are entered again by the owner.
fn with_reentry() -> (County, String) {
    let (mut county, id) = with_cut();
    county.ask(0, Command::HeldReenter { id: id.clone(), acts: Vec::new() });
    county.pass(900);
    (county, id)
}

#[test]
fn what_was_entered_again_is_stated_as_its_authors_with_the_hand_that_entered_it() {
    let (mut county, id) = with_reentry();
    for full in [false, true] {
        let (bytes, view) = export(&mut county, 0, &id, full);
        let proof = states(&bytes).expect("stands");
        assert_eq!((proof.entry.as_str(), proof.held.len()), (view.entry.as_str(), usize::from(full)));
        let entry = proof.entries.iter().find(|entry| entry.text.contains("before we heard")).expect("entered again");
        assert_eq!(entry.bureau, county.nodes[1].id.to_string());
        let by = proof.certificates.iter().find(|member| member.certificate == entry.reentered_by).expect("named");
        assert_eq!(by.bureau, county.nodes[0].id.to_string());
        let wrapper = proof.changes.iter().find(|change| change.change == entry.reentered_in).expect("it is among the changes");
        assert_eq!((&wrapper.settled_by, wrapper.settled_by.is_empty()), (&entry.settled_by, false));
        assert!(proof.certificates.iter().any(|member| member.certificate == entry.certificate));
        assert!(!entry.agreement.is_empty(), "its author wrote under an agreement");
    }
    let (bytes, _) = export(&mut county, 0, &id, true);
    for at in (bytes.len() % 7..bytes.len() - 32).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(states(&redigested(&flipped)).is_err(), "byte {at} of {}", bytes.len());
    }
}

#[test]
fn what_officers_ruled_later_is_stated_with_its_record() {
    let (mut county, id) = with_rulings();
    let (bytes, view) = export(&mut county, 0, &id, false);
    let proof = states(&bytes).expect("stands");
    assert_eq!((proof.entry.as_str(), proof.tlp.as_str(), proof.held.len()), (view.entry.as_str(), "RED", 0));
    let record = |kind: &str| proof.records.iter().find(|record| record.kind == kind).unwrap_or_else(|| panic!("no {kind}"));
    let admitted = proof.entries.iter().find(|entry| entry.text.contains("before we heard")).expect("it was let in");
    assert_eq!(admitted.settled_by, record("admit").record);
    let void = record("void");
    let voided: Vec<_> = proof.entries.iter().filter(|entry| !entry.voided_by.is_empty()).collect();
    assert_eq!((voided.len(), voided[0].voided_by.as_str(), voided[0].text.starts_with("Compared")), (1, void.record.as_str(), true));
    assert_eq!((void.reason.as_str(), void.voids.as_slice()), ("Wrong case.", &[voided[0].change.clone()][..]));
    assert_eq!(record("reclassify").tlp, "RED");
    assert!(["admit", "void", "reclassify", "cut"].iter().all(|kind| !record(kind).ordered_by.is_empty()));
}

#[test]
fn a_proof_states_what_the_node_shows() {
    let (mut county, id) = plain();
    let mut stated = Vec::new();
    for at in [0, 1] {
        let shown = show(&mut county, at, &id);
        let (bytes, view) = export(&mut county, at, &id, false);
        let proof = states(&bytes).expect("an honest proof");
        assert_eq!((proof.document.as_str(), proof.entry.as_str()), (id.as_str(), view.entry.as_str()));
        assert_eq!((proof.text.as_str(), proof.number.as_str()), (shown.text.as_str(), shown.line.number.as_str()));
        let entries: Vec<_> = proof.entries.iter().map(|e| (e.kind.as_str(), e.text.as_str(), e.certificate.as_str())).collect();
        let expected: Vec<_> = shown.entries.iter().map(|e| (e.kind.as_str(), e.text.as_str(), e.certificate.as_str())).collect();
        assert_eq!(entries, expected, "the same order");
        assert!(proof.entries.iter().all(|entry| !entry.settled_by.is_empty()) && proof.held.is_empty() && proof.forks.is_empty());
        let partner = county.nodes[1].id.to_string();
        let theirs: Vec<_> = proof.entries.iter().filter(|entry| entry.bureau == partner).collect();
        assert_eq!((theirs.len(), theirs[0].agreement.as_str()), (1, proof.agreements[0].agreement.as_str()));
        assert!(!proof.agreements[0].whole, "by hash only");
        let names: Vec<_> = proof.bureaus.iter().map(|bureau| bureau.roots.len()).collect();
        assert_eq!(names, [1, 1], "both, each with its root");
        assert!(proof.bureaus.iter().all(|bureau| bureau.roots[0].checking_code.len() > 60));
        // Two officers and the registrar: nobody else of either bureau.
        assert_eq!(proof.certificates.len(), 3);
        stated.push(proof);
    }
    assert_eq!(stated[0], stated[1], "whoever exports it");
}

#[test]
fn what_a_cut_left_out_is_held_and_says_by_which_record() {
    let (mut county, id) = with_cut();
    let (short, _) = export(&mut county, 0, &id, false);
    assert_eq!(states(&short).expect("stands").held, [], "held work stays out unless asked for");
    let (bytes, view) = export(&mut county, 0, &id, true);
    let proof = states(&bytes).expect("stands");
    assert_eq!(proof.entry, view.entry);
    let cut = proof.records.iter().find(|record| record.kind == "cut").expect("in the log");
    let [held] = proof.held.as_slice() else { panic!("{:?}", proof.held) };
    assert_eq!((held.why.as_str(), held.cut.as_str()), ("cut", cut.record.as_str()));
    assert_eq!(cut.subject, format!("bureau {}", county.nodes[1].id));
    assert!(!cut.ordered_by.is_empty() && cut.verbs == ["read", "append"] && !cut.frontier.is_empty());
    assert!(proof.entries.iter().all(|entry| !entry.text.contains("before we heard")));
    assert!(proof.entries.iter().any(|entry| entry.text == "We go on alone." && entry.settled_by.is_empty()), "not anchored yet");
}

#[test]
fn a_full_proof_holds_the_agreements_it_relied_on() {
    let (mut county, id) = plain();
    let (bytes, _) = export(&mut county, 0, &id, true);
    let proof = states(&bytes).expect("stands");
    let [agreement] = proof.agreements.as_slice() else { panic!("one") };
    assert!(agreement.whole && agreement.concluded);
    assert_eq!((agreement.version, agreement.title.as_str()), (1, "Cooperation"));
    assert_eq!((&agreement.offerer, &agreement.acceptor), (&county.nodes[0].id.to_string(), &county.nodes[1].id.to_string()));
}

#[test]
fn receipts_say_who_had_it_and_are_nothing_without_who_sealed_them() {
    let (mut county, id) = plain();
    let (bytes, view) = export(&mut county, 0, &id, false);
    let stated = states(&bytes).expect("stands");
    let partner = county.nodes[1].id.to_string();
    let of_partner: Vec<_> = stated.receipts.iter().filter(|receipt| receipt.by == partner).collect();
    assert_eq!(of_partner.last().expect("it stated what it holds").entry, view.entry, "the newest is of what we hold");
    assert!(stated.receipts.iter().all(|receipt| receipt.at > 0 && stated.records.iter().any(|r| r.record == receipt.log_head)));
    // Lines that name other documents stay at home unless everything is asked for.
    let second = county.open_case(0, &[1], "Another case", "Nothing in common.");
    let third = county.open_case(0, &[1], "A third case", "Nothing in common either.");
    county.run();
    county.pass(900);
    let (short, whole) = (export(&mut county, 0, &second, false).0, export(&mut county, 0, &second, true).0);
    let count = |bytes: &[u8]| states(bytes).expect("stands").receipts.into_iter().filter(|r| r.by == partner).count();
    assert!(count(&whole) > 0);
    let other = accord_protocol::id::DocumentId::from_hex(&third).expect("an id").0;
    assert!(!short.windows(32).any(|window| window == other), "the other document's id is nowhere in the file");

    let file = ProofFile::from_bytes(&bytes).expect("whole");
    let receipts = file.receipts.clone().expect("there are some");
    assert!(receipts.len() > 1);
    let with = |receipts: Vec<Bytes>| Proof::of(&ProofFile { receipts: Some(receipts), ..file.clone() }).map(|_| ());
    assert!(with(receipts.clone()).is_ok());
    assert!(matches!(with(receipts.iter().rev().cloned().collect()), Err(ProofError::Part { part: "receipt", at: 2, .. })));
    assert!(matches!(with(vec![receipts[0].clone(), receipts[0].clone()]), Err(ProofError::Part { part: "receipt", at: 2, .. })));
    assert!(matches!(with(vec![file.genesis.clone()]), Err(ProofError::Part { part: "receipt", at: 1, .. })));
    let strange = ProofFile::from_bytes(&export(&mut county, 0, &third, true).0).expect("whole").receipts.expect("some");
    let mine = |bytes: &Bytes| receipts.contains(bytes);
    let strange = strange.into_iter().find(|line| !mine(line)).expect("a line of its own");
    assert!(matches!(with(vec![strange]), Err(ProofError::Part { part: "receipt", at: 1, .. })), "a receipt of another document");
    let empty = ProofFile { receipts: Some(Vec::new()), ..file.clone() }.to_bytes().expect("short");
    assert!(matches!(ProofFile::from_bytes(&empty), Err(ProofError::Body(_))));
    // Without the sealer's certificate or appointment nobody can tell whose word it is.
    for at in 0..file.statements.len() {
        let mut statements = file.statements.clone();
        statements.remove(at);
        assert!(Proof::of(&ProofFile { statements, ..file.clone() }).is_err(), "statement {} of {}", at + 1, file.statements.len());
    }
}

/// Three bureaus; a bulletin of the first for both others, who do not know of each other.
fn hidden() -> (County, String) {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(0, 1, usual(now));
    county.agree(0, 2, usual(now));
    let text = Draft { title: "t".to_owned(), text: "x".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let text = Draft { subkind: "notice".to_owned(), ..text };
    let to = [1, 2].map(|at: usize| county.nodes[at].name.clone()).to_vec();
    let View::Sending(sent) = county.ask(0, Command::BulletinPublish { draft: None, text: Some(text), to, open: false }) else { panic!() };
    county.run();
    county.pass(900);
    (county, sent.id)
}

#[test]
fn names_in_a_hidden_audience_are_openings_checked_against_the_genesis() {
    let (mut county, id) = hidden();
    let ids: Vec<String> = county.nodes.iter().map(|node| node.id.to_string()).collect();
    let opened = |bytes: &[u8]| {
        let stated = states(bytes).expect("stands");
        assert_eq!(stated.places, (!stated.opened.is_empty()).then_some(8), "padded");
        stated.opened.into_iter().map(|one| one.bureau).collect::<Vec<_>>()
    };
    let mut both = [ids[1].clone(), ids[2].clone()];
    both.sort();
    assert_eq!(opened(&export(&mut county, 0, &id, true).0), both, "the owner knows all its readers");
    assert_eq!(opened(&export(&mut county, 1, &id, true).0), [ids[1].clone()], "a reader its own place");
    assert!(opened(&export(&mut county, 0, &id, false).0).is_empty(), "nobody is named unless everything is asked for");
    // An opening of another bureau, salt or document, twice or out of order proves nothing.
    let file = ProofFile::from_bytes(&export(&mut county, 0, &id, true).0).expect("whole");
    let openings = file.openings.clone().expect("two");
    let with = |openings: Vec<Bytes>| Proof::of(&ProofFile { openings: Some(openings), ..file.clone() }).map(|_| ());
    assert!(with(openings.clone()).is_ok());
    let forged = |change: &dyn Fn(&mut Opening)| {
        let mut opening = Opening::from_bytes(&openings[0].0).expect("one");
        change(&mut opening);
        vec![Bytes(opening.to_bytes())]
    };
    let unsound = |result: Result<(), ProofError>| assert!(matches!(result, Err(ProofError::Part { part: "opening", .. })), "{result:?}");
    unsound(with(forged(&|opening| opening.bureau.0[0] ^= 1)));
    unsound(with(forged(&|opening| opening.salt[31] ^= 1)));
    unsound(with(vec![openings[0].clone(), openings[0].clone()]));
    unsound(with(openings.iter().rev().cloned().collect()));
    unsound(with(vec![Bytes(vec![0xa0])]));
    let empty = ProofFile { openings: Some(Vec::new()), ..file }.to_bytes().expect("short");
    assert!(matches!(ProofFile::from_bytes(&empty), Err(ProofError::Body(_))));
}

#[test]
fn the_proof_of_a_hidden_audience_opens_it_only_where_everything_is_asked_for() {
    let (mut county, id) = hidden();
    for at in 0..3 {
        let (short, whole) = (export(&mut county, at, &id, false).0, export(&mut county, at, &id, true).0);
        assert_eq!(states(&short).expect("stands").receipts, [], "bureau {at}");
        assert!(!states(&whole).expect("stands").receipts.is_empty(), "bureau {at}");
        for reader in [1, 2] {
            let named = county.nodes[reader].id.0;
            assert!(!short.windows(32).any(|window| window == named), "bureau {at} names reader {reader}");
        }
    }
}

#[test]
fn only_the_newest_receipt_of_each_bureau_goes_along() {
    let (mut county, id) = plain();
    for text in ["One more.", "And one more.", "And the last."] {
        county.note(0, &id, text);
        county.pass(900);
    }
    let stated = states(&export(&mut county, 0, &id, true).0).expect("stands");
    let mut pairs: Vec<(String, String)> = stated.receipts.iter().map(|receipt| (receipt.by.clone(), receipt.to.clone())).collect();
    let all = pairs.len();
    pairs.dedup();
    assert_eq!((all, pairs.len()), (2, 2), "one of each side: {:?}", stated.receipts);
    let partner = county.nodes[1].id.to_string();
    let newest = stated.receipts.iter().find(|receipt| receipt.by == partner).expect("it stated what it holds");
    assert_eq!(newest.entry, stated.entry);
}

#[test]
fn what_a_bureau_states_that_never_held_it_is_no_receipt_and_it_states_only_so_much_a_day() {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(0, 1, usual(now));
    county.agree(0, 2, usual(now));
    let id = county.open_case(0, &[1], "Series of thefts", "Three cases in one night.");
    county.pass(900);
    let document = DocumentId::from_hex(&id).expect("an id");
    let stranger = county.nodes[2].identity.clone();
    let network = accord_keys::id::NetworkId::named("county");
    let mut previous = Digest([0; 32]);
    let lines: Vec<Bytes> = (1..=limits::LINES_PER_DAY + 8)
        .map(|n| {
            let receipt = ReceiptLine { document, entry: Digest([7; 32]), head: RecordId(document.0), at: now };
            let (from, to) = (stranger.bureau, county.nodes[0].id);
            let says = Says::Receipts(vec![receipt]);
            let line = Line { from, to, n, previous, says, at: now, certificate: stranger.certificate };
            let sealed = Sealed::seal(&network, line, &[stranger.signer.as_ref()]).expect("well formed");
            previous = Digest(sealed.id(&network).0);
            Bytes(sealed.to_bytes())
        })
        .collect();
    let bring = |county: &mut County| {
        for page in lines.chunks(limits::LINES_PER_MESSAGE) {
            county.hand(2, 0, &Message::Ledger(page.to_vec()));
        }
        let partner = county.nodes[2].name.clone();
        let View::Ledger(ledger) = county.ask(0, Command::LedgerShow { partner, limit: None }) else { panic!("a ledger") };
        ledger.theirs
    };
    assert_eq!(bring(&mut county), limits::LINES_PER_DAY);
    assert_eq!(bring(&mut county), limits::LINES_PER_DAY);
    let (bytes, _) = export(&mut county, 0, &id, true);
    let stated = states(&bytes).expect("stands");
    assert!(stated.receipts.iter().all(|receipt| receipt.by != stranger.bureau.to_string()) && !stated.receipts.is_empty());
    county.pass(86_400);
    assert_eq!(bring(&mut county), limits::LINES_PER_DAY + 8, "the rest comes another day");
}

/// One signed text for both, so that their equal offers cross; B wrote in A's case, asked A to let C in and consented; A let it in.
fn asked_under_a_crossed_compact() -> (County, String) {
    let mut county = County::new(3);
    let now = county.now.wall;
    let mut wanted = usual(now);
    wanted.grants[0].onward = Onward::Ask;
    let roster = vec![county.nodes[1].name.clone()];
    let draft = CompactDraft { name: "River compact".to_owned(), terms: wanted, roster, previous: None };
    let View::Compact(made) = county.ask(0, Command::CompactNew(draft)) else { panic!("a compact") };
    county.run();
    for at in [0, 1] {
        county.ask(at, Command::CompactSign { id: made.id.clone() });
    }
    county.run();
    county.agree(1, 2, usual(now));
    county.link(0, 2, false);
    let id = county.open_case(0, &[1], "Series of thefts", "Three cases in one night.");
    county.note(1, &id, "The same tool marks in our county.");
    county.pass(900);
    let wish = NewAsk {
        id: id.clone(),
        recipient: county.nodes[2].name.clone(),
        verb: "append".to_owned(),
        purpose: "the same series over there".to_owned(),
        urgency: "routine".to_owned(),
        answer_by: None,
    };
    let View::Onward(asked) = county.ask(1, Command::OnwardAsk(wish)) else { panic!("an ask") };
    county.run();
    county.ask(0, Command::OnwardGrant { id: asked.asks[0].id.clone(), verb: None, terms: GrantTerms::default() });
    county.run();
    county.note(2, &id, "And the same van was seen here.");
    county.pass(900);
    (county, id)
}

#[test]
fn a_proof_holds_both_offers_where_equal_ones_that_crossed_are_the_agreement() {
    let (mut county, id) = asked_under_a_crossed_compact();
    for at in [0, 1] {
        let (bytes, _) = export(&mut county, at, &id, true);
        let file = ProofFile::from_bytes(&bytes).expect("reads");
        let proof = states(&bytes).unwrap_or_else(|error| panic!("bureau {at}: {error}"));
        let crossed: Vec<_> = proof.agreements.iter().filter(|agreement| agreement.whole && agreement.concluded).collect();
        assert_eq!((crossed.len(), file.agreements.len()), (1, 3), "both offers and the conclusion");
        assert!(proof.entries.iter().any(|entry| entry.text.starts_with("And the same van")));
        let grant = proof.records.iter().find(|record| record.kind == "grant").expect("it was let in");
        assert_eq!(grant.grantees[0].via, county.nodes[1].id.to_string());
    }
}

#[test]
fn a_revoked_member_is_named_as_such_and_its_words_stay() {
    let (mut county, id) = plain();
    county.ask(1, Command::OfficerReset { name: crate::county::OFFICER.to_owned() });
    county.run();
    let (bytes, _) = export(&mut county, 0, &id, false);
    let proof = states(&bytes).expect("stands");
    assert_eq!(proof.certificates.iter().filter(|member| member.revoked == "retired").count(), 1);
    assert_eq!(proof.entries.len(), 3);
}

#[test]
fn any_flipped_byte_is_refused() {
    let (mut county, id) = with_cut();
    let (bytes, _) = export(&mut county, 0, &id, true);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(Proof::verify(&flipped).is_err(), "byte {at} of {}", bytes.len());
    }
}

#[test]
fn any_flipped_byte_under_a_new_digest_is_refused_or_changes_nothing_that_is_stated() {
    let (mut county, id) = with_cut();
    let (bytes, _) = export(&mut county, 0, &id, true);
    let honest = states(&bytes).expect("stands");
    let mut harmless = 0;
    // A different residue for every length, so that runs of other code cover other bytes.
    for at in (bytes.len() % 3..bytes.len() - 32).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Ok(stated) = states(&redigested(&flipped)) {
            assert_eq!(stated, honest, "byte {at} of {}", bytes.len());
            harmless += 1;
        }
    }
    assert_eq!(harmless, 0, "every byte is under a seal, a hash or a signature");
}

#[test]
fn what_is_left_out_is_noticed_unless_it_is_the_newest() {
    let (mut county, id) = with_cut();
    let (bytes, _) = export(&mut county, 0, &id, true);
    let whole = ProofFile::from_bytes(&bytes).expect("reads");
    let honest = states(&bytes).expect("stands");
    let check = |change: &dyn Fn(&mut ProofFile)| {
        let mut file = whole.clone();
        change(&mut file);
        Proof::of(&file).and_then(|mut proof| proof.states())
    };
    for at in 0..whole.statements.len() {
        assert!(check(&|file| drop(file.statements.remove(at))).is_err(), "statement {at}");
    }
    let last = whole.records.len() - 1;
    for at in 0..last {
        assert!(check(&|file| drop(file.records.remove(at))).is_err(), "record {at}");
    }
    let older = check(&|file| drop(file.records.remove(last))).expect("an older log is a log");
    assert_ne!((older.log_head, older.entry), (honest.log_head.clone(), honest.entry.clone()), "but it says which");
    // Settled changes cannot go missing.
    for at in 0..whole.segments.len() {
        let stated = check(&|file| drop(file.segments.remove(at)));
        assert!(stated.as_ref().map_or(true, |stated| stated.entry != honest.entry || stated.held.is_empty()), "segment {at}");
        assert!(at >= 3 || matches!(stated, Err(ProofError::NotWhole(_) | ProofError::Part { .. })), "segment {at}: settled");
    }
    assert!(matches!(check(&|file| file.segments.reverse()), Err(ProofError::Part { part: "segment", .. })), "an order that can be learnt");
    assert!(check(&|file| drop(file.agreements.remove(0))).is_err(), "an accept without its offer");
    assert!(check(&|file| file.agreements.clear()).is_ok_and(|stated| !stated.agreements[0].whole));
}

#[test]
fn parts_of_another_document_or_network_are_refused() {
    let (mut county, id) = plain();
    let (bytes, _) = export(&mut county, 0, &id, false);
    let other = county.open_case(0, &[1], "another", "text");
    let (others, _) = export(&mut county, 0, &other, false);
    let (one, two) = (ProofFile::from_bytes(&bytes).expect("reads"), ProofFile::from_bytes(&others).expect("reads"));
    let refused = |file: ProofFile| assert!(Proof::of(&file).is_err(), "{file:?}");
    refused(ProofFile { document: two.document, ..one.clone() });
    refused(ProofFile { genesis: two.genesis.clone(), ..one.clone() });
    refused(ProofFile { records: two.records.clone(), ..one.clone() });
    refused(ProofFile { segments: two.segments.clone(), ..one.clone() });
    refused(ProofFile { network: accord_keys::id::NetworkId::named("other"), ..one.clone() });
    refused(ProofFile { statements: [one.statements.clone(), vec![one.genesis.clone()]].concat(), ..one.clone() });
    refused(ProofFile { agreements: vec![Bytes(vec![0x83])], ..one });
}

#[test]
fn what_is_no_proof_file_says_so() {
    let check = |bytes: &[u8], expect: ProofError| assert_eq!(ProofFile::from_bytes(bytes), Err(expect));
    check(b"", ProofError::NotAProof);
    check(b"-----BEGIN ACCORD CARD-----", ProofError::NotAProof);
    check(MAGIC, ProofError::NotAProof);
    check(&[MAGIC.as_slice(), &[VERSION + 1]].concat(), ProofError::Version(VERSION + 1));
    check(&[MAGIC.as_slice(), &[VERSION], &[0; 32]].concat(), ProofError::Damaged);
    check(&vec![0; limits::PROOF_BYTES_MAX + 1], ProofError::TooLong(limits::PROOF_BYTES_MAX + 1));
    // A length that promises more than there is allocates nothing.
    let body = [MAGIC.as_slice(), &[VERSION], &[0xa1, 0x02, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0; 32]].concat();
    assert!(matches!(ProofFile::from_bytes(&redigested(&body)), Err(ProofError::Body(_))));
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join("proofs")
}

/// What a proof states, in canonical form.
fn canonical(stated: &ProofStatement) -> String {
    serde_json::to_value(stated).expect("plain data").to_string()
}

/// Files made once and kept: every later build reads them and states the same. `tests/interop` checks them with another program.
#[test]
fn vectors_of_proofs_are_read_for_ever() {
    if std::env::var_os("ACCORD_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(folder()).expect("a writable folder");
        for (name, (mut county, id), full) in [
            ("plain", plain(), false),
            ("cut", with_cut(), false),
            ("held", with_cut(), true),
            ("ruled", with_rulings(), true),
            ("receipts", plain(), false),
            ("reentered", with_reentry(), true),
            ("hidden", hidden(), true),
            ("onward", asked_under_a_crossed_compact(), true),
        ] {
            let path = folder().join(format!("{name}.proof"));
            if !path.exists() {
                std::fs::write(&path, export(&mut county, 0, &id, full).0).expect("written");
            }
            let bytes = std::fs::read(&path).expect("just written");
            std::fs::write(path.with_extension("json"), canonical(&states(&bytes).expect("stands")) + "\n").expect("written");
        }
    }
    let mut read = 0;
    for file in std::fs::read_dir(folder()).expect("the vectors are there") {
        let path = file.expect("readable").path();
        if path.extension().is_some_and(|end| end == "proof") {
            let stated = states(&std::fs::read(&path).expect("readable")).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let expected = std::fs::read_to_string(path.with_extension("json")).expect("beside it");
            assert_eq!(canonical(&stated) + "\n", expected, "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 3);
}
