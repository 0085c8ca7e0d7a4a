//! What one person may read and write: by cuts of a seat, a unit or a key, and by lines of an agreement that name seats and units.

use accord_keys::secret::SecretKey;
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::CertificateId;
use accord_protocol::input::{Command, Page};
use accord_protocol::view::{Refused, View};

use crate::county::{County, OFFICER, terms, usual};

const SECOND: &str = "second officer";

/// Two bureaus; the second has two officers, one in the seat liaison and one in the seat archive.
fn two() -> County {
    let mut county = County::new(2);
    let capabilities = ["create", "write"].map(str::to_owned).to_vec();
    let add = Command::OfficerAdd { name: SECOND.to_owned(), seats: vec!["archive".to_owned()], capabilities };
    county.ask(1, add);
    county.log_in(1, SECOND, SecretKey::from_seed([77; 32]));
    county.run();
    county
}

fn show(id: &str) -> Command {
    Command::DocumentShow { id: id.to_owned() }
}

fn code(answer: Result<View, Refused>) -> (String, String) {
    let refused = answer.expect_err("refused");
    let why = refused.params.iter().find(|(name, _)| name == "why").map(|(_, why)| why.clone());
    (refused.code, why.unwrap_or_default())
}

fn listed(county: &mut County, person: &str) -> usize {
    let View::Documents { documents, .. } = county.asked(1, Some(person), false, Command::CaseList(Page::default())).expect("a list")
    else {
        panic!("a list")
    };
    documents.len()
}

fn seats(county: &mut County, at: usize, name: &str) -> (Vec<String>, String) {
    let View::Officers { officers } = county.ask(at, Command::OfficerFind { name: name.to_owned() }) else { panic!("officers") };
    (officers[0].seats.clone(), officers[0].certificate.clone())
}

#[test]
fn a_line_for_certain_seats_is_read_by_those_who_sit_there_and_by_nobody_else() {
    let mut county = two();
    let mut wanted = terms(county.now.wall, 365, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]);
    wanted.grants[0].seats = Some(vec!["archive".to_owned()]);
    county.agree(0, 1, wanted);
    let case = county.open_case(0, &[1], "title", "text");
    county.asked(1, Some(SECOND), false, show(&case)).expect("it is given to this seat");
    let note = |text: &str| Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.to_owned() };
    county.asked(1, Some(SECOND), false, note("by the archive")).expect("and may be written from it");
    let other = |county: &mut County, command| code(county.asked(1, Some(OFFICER), false, command));
    assert_eq!(other(&mut county, show(&case)), ("may_not_read".to_owned(), "not_their_seat".to_owned()));
    assert_eq!(other(&mut county, note("by another seat")), ("may_not_append".to_owned(), "not_their_seat".to_owned()));
    let proof = Command::ProofExport { id: case.clone(), full: false };
    assert_eq!(other(&mut county, proof).0, "may_not_read");
    assert_eq!((listed(&mut county, SECOND), listed(&mut county, OFFICER)), (1, 0), "a title is content too");
    // Of two who are logged in one has to say who reads; with nobody logged in nobody reads.
    assert_eq!(county.asked(1, None, false, show(&case)).expect_err("who?").code, "which_officer");
    county.ask(1, Command::Lock { name: None });
    assert_eq!(county.asked(1, None, false, show(&case)).expect_err("nobody is there").code, "not_logged_in");
    // Each refusal stands in the account, with the document.
    let refused: Vec<_> = county.nodes[1].accounts.iter().filter(|line| line.kind == "refused_command").collect();
    assert!(
        refused.iter().filter(|line| line.detail == "may_not_read" && line.document.is_some() && line.certificate.is_some()).count() >= 2
    );
    // The owner's people read their own as before.
    county.ask(0, show(&case));
}

#[test]
fn once_the_agreement_is_over_what_was_given_stays_with_the_seats_it_was_given_to() {
    let mut county = two();
    let mut wanted = terms(county.now.wall, 2, &[(Category::CrimSeries, Verb::Read, Tlp::AmberStrict)]);
    wanted.grants[0].seats = Some(vec!["archive".to_owned()]);
    wanted.grace_days = 0;
    county.agree(0, 1, wanted);
    let text = accord_protocol::input::Draft {
        title: "title".to_owned(),
        text: "text".to_owned(),
        category: "CRIM.SERIES".to_owned(),
        subkind: "series".to_owned(),
        ..Default::default()
    };
    let to = vec![county.nodes[1].name.clone()];
    let View::Sending(sent) = county.ask(0, Command::BulletinPublish { draft: None, text: Some(text), to, open: false }) else {
        panic!("sent")
    };
    county.run();
    county.pass(40 * 86_400);
    county.asked(1, Some(SECOND), false, show(&sent.id)).expect("what was given stays readable");
    assert_eq!(code(county.asked(1, Some(OFFICER), false, show(&sent.id))).1, "not_their_seat");
}

#[test]
fn a_cut_of_a_seat_a_unit_or_a_key_takes_it_from_those_and_leaves_the_others() {
    for what in ["seat", "unit", "key", "certificate"] {
        let mut county = two();
        county.agree(0, 1, usual(county.now.wall));
        let case = county.open_case(0, &[1], "title", "text");
        county.pass(60);
        let note = |text: &str| Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.to_owned() };
        for person in [OFFICER, SECOND] {
            county.asked(1, Some(person), false, note(person)).expect("both may write");
        }
        county.run();
        let certificate = CertificateId::from_hex(&seats(&mut county, 1, SECOND).1).expect("an id");
        let member = county.nodes[1].core.directory().certificate(&certificate).expect("known").body().clone();
        let bureau = county.nodes[1].name.clone();
        let subject = match what {
            "seat" => format!("seat:{bureau}/archive"),
            "unit" => format!("unit:{bureau}/{}", member.unit),
            "key" => format!("key:{}", member.key),
            _ => certificate.to_string(),
        };
        // Late work of one who has not heard of it yet is held; settled work stays.
        county.pass(900);
        county.ask(0, Command::AccessCut { id: case.clone(), subject, strict: false });
        county.asked(1, Some(SECOND), false, note("too late")).expect("it has not heard");
        county.run();
        let texts = |county: &mut County| -> Vec<String> {
            let View::Document(view) = county.ask(0, show(&case)) else { panic!("a document") };
            let mut texts: Vec<String> = view.entries.into_iter().filter(|entry| entry.kind == "note").map(|entry| entry.text).collect();
            // Both were written within one second: whose comes first is the lower id's.
            texts.sort();
            texts
        };
        assert_eq!(texts(&mut county), [OFFICER, SECOND], "{what}");
        for command in [show(&case), note("again")] {
            let refused = code(county.asked(1, Some(SECOND), false, command));
            assert_eq!(refused.1, "not_this_member", "{what}: {refused:?}");
        }
        // The unit is the whole bureau's here; whoever is not meant reads and writes on.
        let other = county.asked(1, Some(OFFICER), false, show(&case)).is_ok();
        let wrote = county.asked(1, Some(OFFICER), false, note("goes on")).is_ok();
        county.run();
        let expected = what != "unit";
        assert_eq!((other, wrote, texts(&mut county).contains(&"goes on".to_owned())), (expected, expected, expected), "{what}");
        let View::Access(access) = county.ask(0, Command::AccessList { id: case.clone() }) else { panic!("access") };
        assert!(access.records.iter().any(|record| record.kind == "cut" && record.words.starts_with(what)), "{what}");
    }
}

#[test]
fn a_cut_of_nobody_known_is_refused_before_it_is_sealed() {
    let mut county = two();
    county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    let bureau = county.nodes[1].name.clone();
    let unknown = SecretKey::from_seed([3; 32]);
    let mut refused = |subject: String, expect: &str| {
        let command = Command::AccessCut { id: case.clone(), subject: subject.clone(), strict: false };
        assert_eq!(county.asked(0, Some(OFFICER), false, command).expect_err("refused").code, expect, "{subject}");
    };
    refused(format!("seat:{bureau}/typo"), "nobody_like_that");
    refused(format!("unit:{bureau}/typo"), "nobody_like_that");
    refused(format!("key:{}", accord_keys::secret::Signer::public(&unknown)), "nobody_like_that");
    refused("key:zz".to_owned(), "bad_cut_subject");
    refused("seat:archive".to_owned(), "bad_cut_subject");
    refused("seat:Nowhere/archive".to_owned(), "unknown_partner");
}

#[test]
fn a_cut_of_a_seat_of_our_own_is_kept_by_our_own_node() {
    let mut county = two();
    county.agree(1, 0, usual(county.now.wall));
    let case = county.open_case(1, &[0], "title", "text");
    let subject = format!("seat:{}/archive", county.nodes[1].name);
    county.asked(1, Some(SECOND), false, show(&case)).expect("read before");
    county.ask(1, Command::AccessCut { id: case.clone(), subject, strict: false });
    assert_eq!(code(county.asked(1, Some(SECOND), false, show(&case))).1, "not_this_member");
    county.ask(1, show(&case));
    // A list tells nothing either, also when it is asked for before the document was read back.
    county.restart(1, &[0]);
    let certificate = CertificateId::from_hex(&seats(&mut county, 1, SECOND).1).expect("an id");
    let signer = std::sync::Arc::new(SecretKey::from_seed([77; 32]));
    county.ask(1, Command::Unlock { name: SECOND.to_owned(), certificate, signer });
    assert_eq!((listed(&mut county, SECOND), listed(&mut county, OFFICER)), (0, 1));
}
