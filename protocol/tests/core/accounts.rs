//! The account: every disclosure, denial and reading has its line, without content; who may only audit reads nothing else.

use accord_keys::secret::SecretKey;
use accord_protocol::input::{Command, GrantTerms};
use accord_protocol::view::{Refused, View};

use crate::county::{County, OFFICER, usual};

fn kinds(county: &County, at: usize, id: &str) -> Vec<String> {
    let of = |line: &&accord_protocol::bureau::AccountLine| line.document.is_some_and(|document| document.to_string() == id);
    county.nodes[at].accounts.iter().filter(of).map(|line| line.kind.clone()).collect()
}

fn show(id: &str) -> Command {
    Command::DocumentShow { id: id.to_owned() }
}

#[test]
fn each_disclosure_delivery_and_ruling_has_its_line_and_no_line_has_content() {
    let mut county = County::new(3);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    county.agree(0, 2, usual(county.now.wall));
    let id = county.open_case(0, &[1], "A SECRET TITLE", "A SECRET TEXT");
    let partner = county.nodes[2].name.clone();
    county.ask(0, Command::AccessGrant { id: id.clone(), partner, verb: "read".to_owned(), terms: GrantTerms::default() });
    county.run();
    let subject = county.nodes[1].name.clone();
    county.ask(0, Command::AccessCut { id: id.clone(), subject, strict: true });
    county.run();
    let said = kinds(&county, 0, &id);
    for kind in ["created", "adopt", "sent", "delivered", "grant", "cut", "cut_told"] {
        assert!(said.iter().any(|found| found == kind), "{kind} is missing: {said:?}");
    }
    let lines = &county.nodes[0].accounts;
    for receiver in [1, 2] {
        let id = Some(county.nodes[receiver].id);
        assert!(lines.iter().any(|line| line.kind == "sent" && line.bureau == id && !line.detail.is_empty()), "receiver {receiver}");
    }
    let line = |kind: &str| lines.iter().find(|line| line.kind == kind).expect("it is there");
    assert_eq!(line("sent").bureau, Some(county.nodes[1].id));
    assert_eq!(line("sent").detail, format!("{}#1", &agreement[..8]), "the clause");
    assert_eq!((line("grant").bureau, line("cut").bureau), (Some(county.nodes[2].id), Some(county.nodes[1].id)));
    assert_eq!(line("cut").detail, "bureau strict");
    let officer = line("created").certificate;
    assert_eq!((line("grant").certificate, line("cut").certificate), (officer, officer), "who ordered it, not the machine");
    for node in &county.nodes {
        assert!(node.accounts.iter().all(|line| !format!("{line:?}").contains("SECRET")));
    }
    assert!(kinds(&county, 1, &id).iter().any(|kind| kind == "received"));
}

#[test]
fn reading_is_noted_once_an_hour_for_each_reader() {
    let mut county = County::new(1);
    let id = {
        let draft = accord_protocol::input::Draft {
            title: "t".to_owned(),
            text: "x".to_owned(),
            category: "CRIM.SERIES".to_owned(),
            ..Default::default()
        };
        let View::Sending(made) = county.ask(0, Command::BulletinNew(draft)) else { panic!("made") };
        made.id
    };
    let reads = |county: &County| kinds(county, 0, &id).iter().filter(|kind| *kind == "read").count();
    for _ in 0..5 {
        county.ask(0, show(&id));
    }
    assert_eq!(reads(&county), 1);
    county.pass(3_500);
    county.ask(0, show(&id));
    assert_eq!(reads(&county), 1, "still the same hour");
    county.pass(200);
    county.ask(0, show(&id));
    assert_eq!(reads(&county), 2);
}

fn with_auditor() -> (County, String) {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let id = county.open_case(0, &[1], "title", "text");
    let (name, capabilities) = ("auditor".to_owned(), vec!["audit".to_owned()]);
    county.ask(0, Command::OfficerAdd { name, seats: vec!["audit".to_owned()], capabilities });
    county.log_in(0, "auditor", SecretKey::from_seed([77; 32]));
    (county, id)
}

fn refused(answer: Result<View, Refused>) -> String {
    answer.expect_err("it is refused").code
}

fn journal(document: Option<&str>) -> Command {
    Command::JournalRead { document: document.map(str::to_owned), partner: None, person: None }
}

#[test]
fn an_auditor_sees_which_partner_sealed_which_day_of_the_journal() {
    let (mut county, _) = with_auditor();
    let ask = |county: &mut County| {
        let View::Journal(view) = county.asked(0, Some("auditor"), false, journal(None)).expect("an auditor") else { panic!("a view") };
        view.countersigned
    };
    assert!(ask(&mut county).is_empty(), "nothing was stated yet");
    for _ in 0..2 {
        county.pass(86_400);
        county.run();
    }
    let sealed = ask(&mut county);
    let [one] = sealed.as_slice() else { panic!("one partner: {sealed:?}") };
    assert_eq!((one.partner.as_str(), one.day.len()), (county.nodes[1].id.to_string().as_str(), 10));
    let partner = county.nodes[1].name.clone();
    let View::Ledger(ledger) = county.ask(0, Command::LedgerShow { partner, limit: None }) else { panic!("a ledger") };
    let said = |ours: bool, id: &str| ledger.lines.iter().find(|line| line.ours == ours && line.id == *id).map(|line| line.says.as_str());
    assert_eq!((said(true, &one.line), said(false, &one.countersign)), (Some("daily"), Some("countersign")));
}

#[test]
fn an_auditor_reads_the_account_and_no_content_at_all() {
    let (mut county, id) = with_auditor();
    let bureau = county.nodes[1].name.clone();
    let content = [
        show(&id),
        Command::CaseList(accord_protocol::input::Page::default()),
        Command::BulletinList(accord_protocol::input::Page::default()),
        Command::Inbox,
        Command::Events { after: 0, limit: 10 },
        Command::AccessList { id: id.clone() },
        Command::AccessExplain { id: id.clone(), bureau, at: None, verb: "read".to_owned() },
        Command::ProofExport { id: id.clone(), full: false },
    ];
    for command in content {
        assert_eq!(refused(county.asked(0, Some("auditor"), false, command.clone())), "auditor_reads_accounts");
        assert!(county.asked(0, Some(OFFICER), false, command).is_ok(), "others are not concerned");
    }
    let note = Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "x".to_owned() };
    assert_eq!(refused(county.asked(0, Some("auditor"), false, note)), "not_allowed");
    let View::Journal(view) = county.asked(0, Some("auditor"), false, journal(Some(&id[..8]))).expect("that is what it is for") else {
        panic!("the account")
    };
    assert_eq!(view.document, id);
    assert!(view.names.iter().any(|named| named.name == OFFICER) && !format!("{view:?}").contains("title"));
}

#[test]
fn who_may_not_audit_is_refused_and_every_denied_attempt_is_in_the_account() {
    let (mut county, id) = with_auditor();
    let (name, capabilities) = ("clerk".to_owned(), vec!["create".to_owned(), "write".to_owned()]);
    county.ask(0, Command::OfficerAdd { name, seats: Vec::new(), capabilities });
    county.log_in(0, "clerk", SecretKey::from_seed([78; 32]));
    let before = county.nodes[0].accounts.len();
    assert_eq!(refused(county.asked(0, Some("clerk"), false, journal(None))), "not_allowed");
    assert_eq!(refused(county.asked(0, Some("auditor"), false, show(&id))), "auditor_reads_accounts");
    assert_eq!(refused(county.asked(0, Some("auditor"), true, show(&id))), "auditor_reads_accounts", "a dry run is no attempt");
    let lines = &county.nodes[0].accounts[before..];
    let denied: Vec<_> = lines.iter().filter(|line| line.kind == "refused_command").collect();
    assert_eq!(denied.len(), 2);
    assert_eq!((denied[0].detail.as_str(), denied[1].detail.as_str()), ("not_allowed", "auditor_reads_accounts"));
    assert!(denied.iter().all(|line| line.certificate.is_some()) && denied[0].certificate != denied[1].certificate);
    assert_eq!(denied[1].document.map(|d| d.to_string()), Some(id));
    // Somebody who tries all day does not fill the disk.
    for _ in 0..500 {
        let _ = county.asked(0, Some("clerk"), false, journal(None));
    }
    assert!(county.nodes[0].accounts.len() < before + 100);
}

#[test]
fn a_dry_run_of_whatever_writes_or_sends_writes_and_sends_nothing() {
    let (mut county, id) = with_auditor();
    county.run();
    let (partner, name) = (county.nodes[1].name.clone(), OFFICER.to_owned());
    let draft = || accord_protocol::input::Draft {
        title: "t".to_owned(),
        text: "x".to_owned(),
        category: "CRIM.SERIES".to_owned(),
        ..Default::default()
    };
    let View::Card(card) = county.ask(1, Command::CardShow) else { panic!("a card") };
    let View::Document(shown) = county.ask(0, show(&id)) else { panic!("a document") };
    let change = shown.entries[0].change.clone();
    let now = county.now.wall;
    let commands = [
        Command::OfficerAdd { name: "new".to_owned(), seats: Vec::new(), capabilities: Vec::new() },
        Command::OfficerReset { name: "auditor".to_owned() },
        Command::CertRenew { name: name.clone() },
        Command::Lock { name: Some(name) },
        Command::SetContact { addresses: Vec::new(), phone: "1".to_owned() },
        Command::PartnerAdd { card: card.text, checking_code: None, alias: Some("alias".to_owned()) },
        Command::PartnerSet { partner: partner.clone(), alias: Some("other".to_owned()), address: None },
        Command::AgreementOffer { partner: partner.clone(), terms: usual(now) },
        Command::BulletinNew(draft()),
        Command::BulletinPublish { draft: None, text: Some(draft()), to: vec![partner.clone()], open: false },
        Command::CaseOpen { draft: draft(), with: vec![partner.clone()], continues: None },
        Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "x".to_owned() },
        Command::AccessGrant { id: id.clone(), partner: partner.clone(), verb: "append".to_owned(), terms: GrantTerms::default() },
        Command::AccessCut { id: id.clone(), subject: partner, strict: false },
        Command::AccessVoid { id: id.clone(), acts: vec![change], reason: "wrong".to_owned() },
        Command::AccessReclassify { id: id.clone(), tlp: "RED".to_owned() },
        Command::AccessDisown { id },
    ];
    for (at, command) in commands.into_iter().enumerate() {
        let before = (county.nodes[0].rows.clone(), county.nodes[0].items.clone(), county.nodes[0].accounts.len());
        let answer = county.asked(0, Some(OFFICER), true, command);
        // Agreements say what would change between the two, everything else who would receive.
        let foreseen = matches!(&answer, Ok(View::Sending(view)) if view.dry_run) || matches!(answer, Ok(View::Effects(_)));
        assert!(foreseen, "command {at}: {answer:?}");
        let after = (county.nodes[0].rows.clone(), county.nodes[0].items.clone(), county.nodes[0].accounts.len());
        assert!(before == after, "command {at} wrote something");
        assert!(!county.nodes[0].has_sends(), "command {at} sent something");
    }
}
