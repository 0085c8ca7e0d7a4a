//! `access explain`: the check's own answer, now and as it was known at a time, with everything it rested on.

use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::input::{Command, GrantTerms};
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{ExplainView, View, WayView};

use crate::county::{County, OFFICER, terms, usual};

fn explain(county: &mut County, at: usize, id: &str, about: usize, when: Option<WallSeconds>, verb: &str) -> ExplainView {
    let bureau = county.nodes[about].name.clone();
    let command = Command::AccessExplain { id: id.to_owned(), bureau, at: when, verb: verb.to_owned() };
    let View::Explain(view) = county.ask(at, command) else { panic!("an explanation") };
    view
}

fn kinds(way: &WayView) -> Vec<&str> {
    way.grounds.iter().map(|ground| ground.kind.as_str()).collect()
}

fn cut(county: &mut County, id: &str, whom: usize) {
    let subject = county.nodes[whom].name.clone();
    county.ask(0, Command::AccessCut { id: id.to_owned(), subject, strict: false });
    county.run();
}

#[test]
fn a_partner_that_was_let_in_may_with_agreement_clause_and_record_named() {
    let mut county = County::new(2);
    let agreement = county.agree(0, 1, usual(county.now.wall));
    county.pass(100);
    let opened = county.now.wall;
    let id = county.open_case(0, &[1], "title", "text");
    for at in [0, 1] {
        let view = explain(&mut county, at, &id, 1, None, "append");
        assert_eq!((view.answer.as_str(), view.verb.as_str(), view.learnt), ("yes", "append", opened.0), "seen by {at}");
        let [read, write] = view.ways.as_slice() else { panic!("{view:?}") };
        assert_eq!((kinds(read), read.why.as_str()), (vec!["agreement", "clause", "granted"], "ok"));
        assert_eq!(
            (read.grounds[0].id.as_str(), read.grounds[0].word.as_str(), read.grounds[0].number),
            (agreement.as_str(), "in_force", 1)
        );
        assert_eq!((read.grounds[1].number, read.grounds[1].verbs.as_slice()), (1, &["append".to_owned()][..]));
        let granted = &read.grounds[2];
        assert_eq!((granted.id.as_str(), granted.number, granted.word.as_str(), granted.learnt), (id.as_str(), 0, "append", opened.0));
        assert_eq!(granted.person, if at == 0 { OFFICER } else { "" }, "own officers by name, others not");
        assert!(!granted.certificate.is_empty());
        assert_eq!(kinds(write), ["agreement", "home", "granted"]);
    }
    assert_eq!(explain(&mut county, 0, &id, 0, None, "append").answer, "yes", "our own");
    county.note(1, &id, "so it may write");
}

#[test]
fn before_the_document_was_known_nothing_is_said_of_it() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(1_000);
    let before = county.now.wall;
    county.pass(60);
    let id = county.open_case(0, &[1], "title", "text");
    let view = explain(&mut county, 0, &id, 1, Some(before), "read");
    assert_eq!((view.answer.as_str(), view.ways.len(), view.learnt), ("unknown_then", 0, 0));
}

#[test]
fn a_cut_denies_from_the_moment_it_was_known_and_not_before() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let id = county.open_case(0, &[1], "title", "text");
    county.pass(500);
    let before = county.now.wall;
    county.pass(500);
    let then = county.now.wall;
    cut(&mut county, &id, 1);
    county.pass(500);
    assert_eq!(explain(&mut county, 0, &id, 1, Some(before), "read").answer, "yes");
    for when in [Some(then), None] {
        let view = explain(&mut county, 0, &id, 1, when, "read");
        assert_eq!((view.answer.as_str(), view.ways[0].why.as_str(), kinds(&view.ways[0])), ("no", "cut", vec!["cut"]));
        let ground = &view.ways[0].grounds[0];
        assert_eq!((ground.at, ground.learnt, ground.person.as_str(), ground.word.as_str()), (then.0, then.0, OFFICER, "bureau"));
        assert_eq!(ground.number, 2, "after adopt");
    }
    // The partner was told of its own cut and says the same.
    assert_eq!(explain(&mut county, 1, &id, 1, None, "read").answer, "no");
    assert_eq!(explain(&mut county, 1, &id, 1, Some(before), "read").answer, "yes");
    // And after a restart, too.
    let now = county.now;
    county.nodes[0].reopen(now);
    assert_eq!(explain_unlocked(&mut county, &id, Some(before)), "yes");
    assert_eq!(explain_unlocked(&mut county, &id, None), "no");
}

fn explain_unlocked(county: &mut County, id: &str, at: Option<WallSeconds>) -> String {
    let bureau = county.nodes[1].name.clone();
    let command = Command::AccessExplain { id: id.to_owned(), bureau, at, verb: "read".to_owned() };
    let Ok(View::Explain(view)) = county.asked(0, None, false, command) else { panic!("an explanation") };
    view.answer
}

#[test]
fn an_expired_agreement_denies_and_is_named_with_its_end() {
    let mut county = County::new(2);
    let start = county.now.wall;
    county.agree(0, 1, terms(start, 1, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]));
    let id = county.open_case(0, &[1], "title", "text");
    county.pass(2 * 86_400);
    let view = explain(&mut county, 0, &id, 1, None, "read");
    assert_eq!((view.answer.as_str(), view.ways[0].why.as_str()), ("no", "expired"));
    assert_eq!(kinds(&view.ways[0]), ["agreement", "granted"]);
    let ground = &view.ways[0].grounds[0];
    assert_ne!(ground.word, "in_force");
    assert_eq!(ground.to, start.0 + 86_400);
    let last = explain(&mut county, 0, &id, 1, Some(WallSeconds(start.0 + 86_399)), "read");
    assert_eq!(last.answer, "yes", "the last second");
    assert_eq!(explain(&mut county, 0, &id, 1, Some(WallSeconds(start.0 + 86_400)), "read").answer, "no");
}

#[test]
fn an_agreement_concluded_later_does_not_change_what_was_known_before() {
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    let id = county.open_case(0, &[1], "title", "text");
    let start = county.now.wall;
    county.pass(300);
    let before = county.now.wall;
    county.pass(300);
    // In force from the beginning by its terms, but learnt only now.
    county.agree(0, 2, usual(start));
    let partner = county.nodes[2].name.clone();
    county.ask(0, Command::AccessGrant { id: id.clone(), partner, verb: "read".to_owned(), terms: GrantTerms::default() });
    county.run();
    let view = explain(&mut county, 0, &id, 2, Some(before), "read");
    assert_eq!((view.answer.as_str(), view.ways[0].why.as_str()), ("no", "no_agreement"));
    assert_eq!(kinds(&view.ways[0]), ["no_agreement", "never_named"]);
    let view = explain(&mut county, 0, &id, 2, None, "read");
    assert_eq!((view.answer.as_str(), kinds(&view.ways[0])), ("yes", vec!["agreement", "clause", "granted"]));
    assert_eq!(explain(&mut county, 0, &id, 2, None, "append").answer, "no", "let in to read");
}

#[test]
fn what_the_agreement_does_not_cover_says_what_does_not_fit() {
    let mut county = County::new(2);
    let now = county.now.wall;
    county.agree(0, 1, usual(now));
    let id = county.open_case(0, &[1], "title", "text");
    county.pass(86_400);
    let second = terms(county.now.wall, 300, &[(Category::CrimSeries, Verb::Append, Tlp::Amber), (Category::Traf, Verb::Read, Tlp::Amber)]);
    county.agree(0, 1, second);
    let view = explain(&mut county, 0, &id, 1, None, "read");
    assert_eq!((view.answer.as_str(), view.ways[0].why.as_str()), ("no", "ceiling"));
    assert_eq!(kinds(&view.ways[0]), ["agreement", "not_covered", "granted"]);
    assert_eq!((view.ways[0].grounds[1].word.as_str(), view.ways[0].grounds[1].tlp.as_str()), ("ceiling", "AMBER"));
    assert_eq!(view.ways[0].grounds[0].number, 2, "the version in force");
}

#[test]
fn who_holds_anothers_document_says_what_it_may_pass_on_and_knows_no_foreign_agreements() {
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    county.agree(1, 2, usual(county.now.wall));
    let id = county.open_case(0, &[1], "title", "text");
    let view = explain(&mut county, 1, &id, 2, None, "read");
    assert_eq!(view.answer, "no");
    let [owners, ours] = view.ways.as_slice() else { panic!("{view:?}") };
    assert_eq!((owners.why.as_str(), kinds(owners)), ("not_ours", vec!["never_named"]));
    assert_eq!((ours.why.as_str(), kinds(ours)), ("not_in_log", vec!["never_named"]));
}

#[test]
fn the_explanation_is_the_answer_of_the_check_that_sends() {
    // Whatever is asked, a document lies on the partner's disk exactly if the owner says it may have it at the time it was offered.
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    county.agree(0, 2, terms(county.now.wall, 365, &[(Category::Traf, Verb::Append, Tlp::Red)]));
    let id = county.open_case(0, &[1], "title", "text");
    for about in [1, 2] {
        let says = explain(&mut county, 0, &id, about, None, "read").answer == "yes";
        let holds = county.nodes[about].items.keys().any(|document| document.to_string() == id);
        assert_eq!(says, holds, "bureau {about}");
    }
}

#[test]
fn a_suspension_denies_from_when_it_was_known_and_is_lifted_by_name() {
    let mut county = County::new(2);
    let id = county.agree(0, 1, usual(county.now.wall));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(600);
    let before = county.now.wall;
    county.pass(60);
    county.ask(0, Command::AgreementSuspend { id: id.clone(), categories: Vec::new(), reason: "inquiry".to_owned() });
    county.run();
    county.pass(60);
    let during = county.now.wall;
    for at in [0, 1] {
        let view = explain(&mut county, at, &case, 1, None, "append");
        let whys: Vec<&str> = view.ways.iter().map(|way| way.why.as_str()).collect();
        assert_eq!((view.answer.as_str(), whys), ("no", vec!["suspended", "suspended"]), "seen by {at}");
        assert!(view.ways[0].grounds.iter().any(|ground| ground.kind == "agreement" && ground.word == "suspended"), "{view:?}");
        assert_eq!(explain(&mut county, at, &case, 1, Some(before), "append").answer, "yes", "seen by {at}");
    }
    county.pass(60);
    for at in [1, 0] {
        county.ask(at, Command::AgreementResume { id: id.clone(), notices: false });
        county.run();
    }
    county.pass(60);
    for at in [0, 1] {
        assert_eq!(explain(&mut county, at, &case, 1, None, "append").answer, "yes", "lifted, seen by {at}");
        let then = explain(&mut county, at, &case, 1, Some(during), "append");
        assert_eq!(then.answer, "no", "it stood then, seen by {at}: {then:#?}");
    }
}

#[test]
fn who_was_never_entitled_is_told_so_at_every_time() {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(0, 1, usual(now));
    county.agree(0, 2, usual(now));
    let case = county.open_case(0, &[1], "title", "text");
    county.pass(600);
    for when in [None, Some(county.now.wall)] {
        let view = explain(&mut county, 0, &case, 2, when, "read");
        assert_eq!((view.answer.as_str(), view.ways[0].why.as_str()), ("no", "not_in_log"));
        assert_eq!(kinds(&view.ways[0]), ["never_named"]);
    }
    // Nor is a bureau without any agreement.
    let mut county = County::new(2);
    let draft = accord_protocol::input::Draft {
        title: "title".to_owned(),
        text: "text".to_owned(),
        category: "CRIM.SERIES".to_owned(),
        ..Default::default()
    };
    let View::Sending(sent) = county.ask(0, Command::BulletinNew(draft)) else { panic!("a draft") };
    let view = explain(&mut county, 0, &sent.id, 1, None, "read");
    assert_eq!((view.answer.as_str(), view.ways[0].why.as_str()), ("no", "no_agreement"));
}

#[test]
fn a_past_time_is_answered_by_the_pass_that_ran_then_also_when_it_was_replaced_since() {
    let mut county = County::new(3);
    let now = county.now.wall;
    for (one, other) in [(0, 1), (1, 2)] {
        county.agree(one, other, usual(now));
    }
    let agreement = county.agree(0, 2, usual(now));
    let case = county.open_case(0, &[1, 2], "title", "text");
    county.pass(600);
    // By way of the second to the third: the first one's pass for the third names the second.
    let by_pass = |county: &mut County, when| {
        let view = explain(county, 1, &case, 2, when, "read");
        let from = county.nodes[1].id.to_string();
        let way = view.ways.into_iter().find(|way| way.from == from).expect("our own way");
        (way.open, way.why)
    };
    assert_eq!(by_pass(&mut county, None), (true, "ok".to_owned()));
    let before = county.now.wall;
    county.pass(60);
    // What the first gives the third is milder from now on: its next pass covers less.
    let mut milder = terms(county.now.wall, 300, &[(Category::CrimSeries, Verb::Append, Tlp::Green)]);
    milder.title = "Milder".to_owned();
    let View::Agreements { agreements } = county.ask(0, Command::AgreementAmend { id: agreement, terms: milder }) else {
        panic!("an offer")
    };
    county.run();
    county.ask(2, Command::AgreementAccept { id: agreements[0].id.clone() });
    county.run();
    county.pass(600);
    assert_eq!(by_pass(&mut county, None), (false, "pass_not_granted".to_owned()));
    assert_eq!(by_pass(&mut county, Some(before)), (true, "ok".to_owned()), "it ran then");
    county.restart(1, &[0, 2]);
    county.pass(60);
    assert!(!by_pass(&mut county, None).0);
    assert_eq!(by_pass(&mut county, Some(before)), (true, "ok".to_owned()), "and is remembered across a restart");
}
