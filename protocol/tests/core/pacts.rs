//! Whole nodes through the life of an agreement: what stops, what resumes, what is said before it is sealed and ahead of time.

use accord_protocol::agreement::annex::{Annex, Form};
use accord_protocol::agreement::{Category, Terms, Tlp, Verb};
use accord_protocol::input::Command;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{AgreementView, DocumentView, EffectsView, Refused, View};

use crate::county::{County, OFFICER, terms, usual};

const DAY: u64 = 86_400;

fn agreement(county: &mut County, at: usize, id: &str) -> AgreementView {
    let View::Agreements { agreements } = county.ask(at, Command::AgreementShow { id: id.to_owned() }) else { panic!("agreements") };
    agreements[0].clone()
}

fn entries(county: &mut County, at: usize, id: &str) -> Vec<String> {
    let View::Document(DocumentView { entries, .. }) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else {
        panic!("a document")
    };
    entries.into_iter().map(|entry| entry.text).filter(|text| !text.is_empty()).collect()
}

fn holds(county: &mut County, at: usize, id: &str, text: &str) -> bool {
    entries(county, at, id).iter().any(|entry| entry == text)
}

fn effects(county: &mut County, at: usize, command: Command) -> EffectsView {
    match county.asked(at, Some(crate::county::OFFICER), true, command) {
        Ok(View::Effects(effects)) => effects,
        other => panic!("effects, not {other:?}"),
    }
}

fn refused(county: &mut County, at: usize, command: Command) -> Refused {
    county.asked(at, Some(crate::county::OFFICER), false, command).expect_err("refused")
}

fn suspend(id: &str, categories: &[&str]) -> Command {
    let categories = categories.iter().map(|code| (*code).to_owned()).collect();
    Command::AgreementSuspend { id: id.to_owned(), categories, reason: "under review".to_owned() }
}

fn resume(id: &str) -> Command {
    Command::AgreementResume { id: id.to_owned(), notices: false }
}

fn events(county: &mut County, at: usize, kind: &str) -> Vec<String> {
    let View::Events { events } = county.ask(at, Command::Events { after: 0, limit: 1_000 }) else { panic!("events") };
    events.into_iter().filter(|event| event.kind == kind).map(|event| event.detail).collect()
}

fn inbox(county: &mut County, at: usize, kind: &str) -> Vec<String> {
    let View::Inbox { items } = county.ask(at, Command::Inbox) else { panic!("an inbox") };
    items.into_iter().filter(|item| item.kind == kind).map(|item| item.id).collect()
}

/// Two bureaus with an agreement of `days` days and a case of the first.
fn two(days: u64) -> (County, String, String) {
    let mut county = County::new(2);
    let wanted = terms(
        county.now.wall,
        days,
        &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict), (Category::FireAid, Verb::Append, Tlp::Amber)],
    );
    let id = county.agree(0, 1, wanted);
    let case = county.open_case(0, &[1], "title", "text");
    (county, id, case)
}

#[test]
fn the_same_offer_twice_is_refused_until_it_is_answered_and_another_one_is_made() {
    let mut county = County::new(2);
    let wanted = terms(county.now.wall, 100, &[(Category::CrimSeries, Verb::Append, Tlp::Amber)]);
    let offer = |county: &mut County, at: usize, terms: &Terms, dry_run: bool| {
        let partner = county.nodes[1 - at].name.clone();
        let command = Command::AgreementOffer { partner, terms: terms.clone() };
        let answer = county.asked(at, Some(OFFICER), dry_run, command).map(drop).map_err(|refused| refused.code);
        county.run();
        answer
    };
    let count = |county: &mut County| {
        let View::Agreements { agreements } = county.ask(1, Command::AgreementList) else { panic!("agreements") };
        agreements.into_iter().filter(|one| one.standing.starts_with("offered")).map(|one| one.id).collect::<Vec<_>>()
    };
    offer(&mut county, 0, &wanted, false).expect("offered");
    county.pass(60);
    for dry_run in [true, false] {
        assert_eq!(offer(&mut county, 0, &wanted, dry_run), Err("offer_stands".to_owned()));
    }
    let first = count(&mut county);
    assert_eq!(first.len(), 1);
    let mut other = wanted.clone();
    other.grace_days += 1;
    offer(&mut county, 0, &other, false).expect("another offer");
    offer(&mut county, 1, &wanted, false).expect("their own offer of the same is theirs");
    assert_eq!(count(&mut county).len(), 3);
    county.ask(1, Command::AgreementDecline { id: first[0].clone(), reason: "not now".to_owned() });
    county.run();
    offer(&mut county, 0, &wanted, false).expect("the first was answered");
}

#[test]
fn a_suspension_stops_both_ways_at_once_and_only_both_resume() {
    let (mut county, id, case) = two(100);
    county.note(0, &case, "before");
    assert!(holds(&mut county, 1, &case, "before"));
    let epoch = county.nodes[0].core.policy_epoch();
    county.ask(0, suspend(&id, &[]));
    assert!(county.nodes[0].core.policy_epoch() > epoch, "permits given before are stale");
    county.run();
    assert_eq!(agreement(&mut county, 1, &id).standing, "suspended", "the partner heard of it");
    assert_eq!(inbox(&mut county, 1, "suspended"), std::slice::from_ref(&id), "and its people do");
    assert!(inbox(&mut county, 0, "suspended").is_empty(), "whoever did it knows");
    county.note(0, &case, "after");
    county.note(1, &case, "theirs");
    county.pass(30);
    assert!(!holds(&mut county, 1, &case, "after") && !holds(&mut county, 0, &case, "theirs"));
    county.ask(0, resume(&id));
    county.run();
    county.pass(30);
    assert_eq!(agreement(&mut county, 0, &id).standing, "suspended", "one side alone resumes nothing");
    assert_eq!(inbox(&mut county, 1, "resume").len(), 1);
    county.ask(1, resume(&id));
    county.run();
    county.pass(30);
    assert_eq!(agreement(&mut county, 0, &id).standing, "in_force");
    assert!(holds(&mut county, 1, &case, "after") && holds(&mut county, 0, &case, "theirs"));
    assert!(inbox(&mut county, 1, "resume").is_empty() && inbox(&mut county, 1, "suspended").is_empty());
    assert_eq!(refused(&mut county, 0, resume(&id)).code, "nothing_to_resume");
}

#[test]
fn s8_a_suspension_sealed_while_the_other_side_was_resuming_stands() {
    let (mut county, id, case) = two(100);
    county.ask(0, suspend(&id, &[]));
    county.run();
    county.ask(0, resume(&id));
    county.run();
    // The partner accepts, and in the same breath another of its officers suspends: the one is listed, the other is not.
    county.ask(1, resume(&id));
    county.ask(1, suspend(&id, &["CRIM.SERIES"]));
    county.run();
    county.note(0, &case, "late");
    county.pass(30);
    for at in [0, 1] {
        let shown = agreement(&mut county, at, &id);
        assert_eq!((shown.standing.as_str(), shown.stops.len()), ("in_force", 1), "seen by {at}");
        assert_eq!(shown.stops[0].categories, ["CRIM.SERIES"]);
    }
    assert!(!holds(&mut county, 1, &case, "late"));
}

#[test]
fn a_suspension_survives_a_restart_and_reaches_who_was_away() {
    let (mut county, id, _) = two(100);
    county.ask(1, suspend(&id, &[]));
    // The frame is lost with the connection; the next greeting carries it.
    let now = county.now;
    county.nodes[1].reopen(now);
    county.nodes[0].reopen(now);
    assert_eq!(agreement(&mut county, 0, &id).standing, "in_force");
    county.link_up(0);
    county.link_up(1);
    county.run();
    assert_eq!(agreement(&mut county, 0, &id).standing, "suspended");
    assert_eq!(agreement(&mut county, 1, &id).standing, "suspended");
}

#[test]
fn s9_what_waited_over_a_late_renewal_flows_again_and_nothing_was_cut() {
    let (mut county, id, case) = two(10);
    county.pass(10 * DAY);
    assert_eq!(agreement(&mut county, 0, &id).standing, "expired");
    county.note(0, &case, "on the weekend");
    county.note(1, &case, "theirs");
    county.pass(2 * DAY);
    assert!(!holds(&mut county, 1, &case, "on the weekend") && !holds(&mut county, 0, &case, "theirs"));
    let to = county.now.wall.plus(100 * DAY);
    let before = effects(&mut county, 1, Command::AgreementRenew { id: id.clone(), from: None, to });
    assert_eq!((before.standing_before.as_str(), before.standing_after.as_str()), ("expired", "in_force"));
    assert_eq!((before.link_before.as_str(), before.link_after.as_str()), ("restricted", "full"));
    let started: Vec<(&str, &str, u64)> = before.flows.iter().map(|f| (f.direction.as_str(), f.category.as_str(), f.start)).collect();
    assert_eq!(
        started,
        [("we_give", "CRIM.SERIES", 0), ("we_give", "FIRE.AID", 0), ("they_give", "CRIM.SERIES", 1), ("they_give", "FIRE.AID", 0)]
    );
    let changed = before.terms.expect("compared with the version it follows");
    assert!(changed.lines.is_empty() && changed.to.is_some());
    let View::Agreements { agreements } = county.ask(1, Command::AgreementRenew { id: id.clone(), from: None, to }) else { panic!() };
    county.run();
    county.ask(0, Command::AgreementAccept { id: agreements[0].id.clone() });
    county.run();
    county.pass(30);
    assert_eq!(agreement(&mut county, 0, &agreements[0].id).standing, "in_force");
    assert_eq!(agreement(&mut county, 0, &id).standing, "superseded");
    assert!(holds(&mut county, 1, &case, "on the weekend") && holds(&mut county, 0, &case, "theirs"));
    let View::Access(access) = county.ask(0, Command::AccessList { id: case }) else { panic!() };
    assert!(access.records.iter().all(|record| record.kind != "cut"), "nothing was cut: {:?}", access.records);
}

#[test]
fn effects_are_told_before_anything_is_sealed_and_nothing_is_written() {
    let (mut county, id, _) = two(100);
    county.open_case(1, &[0], "theirs", "text");
    let rows = county.nodes[0].rows.clone();
    let told = effects(&mut county, 0, suspend(&id, &["CRIM.SERIES"]));
    assert_eq!((told.act.as_str(), told.needs_partner, told.link_after.as_str()), ("suspend", false, "full"));
    let stopped: Vec<(&str, &str, u64)> = told.flows.iter().map(|f| (f.direction.as_str(), f.category.as_str(), f.stop)).collect();
    assert_eq!(stopped, [("we_give", "CRIM.SERIES", 1), ("they_give", "CRIM.SERIES", 1)]);
    let told = effects(&mut county, 0, suspend(&id, &[]));
    assert_eq!((told.standing_after.as_str(), told.link_after.as_str(), told.flows.len()), ("suspended", "restricted", 4));
    let soonest = Command::AgreementEnd { id: id.clone(), ends: None, reason: "reorganisation".to_owned() };
    let told = effects(&mut county, 0, soonest);
    assert_eq!((told.standing_before.as_str(), told.standing_after.as_str()), ("in_force", "winding_down"));
    assert_eq!(told.at, county.now.wall.0 + 30 * DAY);
    let narrow = terms(county.now.wall, 50, &[(Category::CrimSeries, Verb::Read, Tlp::Amber)]);
    let told = effects(&mut county, 0, Command::AgreementAmend { id: id.clone(), terms: narrow });
    let lines = told.terms.expect("compared").lines;
    let words: Vec<(&str, &str)> = lines.iter().map(|line| (line.category.as_str(), line.change.as_str())).collect();
    assert_eq!(words, [("CRIM.SERIES", "narrowed"), ("FIRE.AID", "removed"), ("CRIM.SERIES", "narrowed"), ("FIRE.AID", "removed")]);
    assert_eq!(county.nodes[0].rows, rows, "asking leaves no trace");
    county.run();
    assert_eq!(agreement(&mut county, 1, &id).standing, "in_force");
}

#[test]
fn notice_ends_what_it_names_and_a_new_version_made_in_its_knowledge_goes_on() {
    let (mut county, id, _) = two(300);
    let early = Command::AgreementEnd { id: id.clone(), ends: Some(county.now.wall.plus(5 * DAY)), reason: "now".to_owned() };
    assert_eq!(refused(&mut county, 0, early).code, "notice_too_short");
    county.ask(1, Command::AgreementEnd { id: id.clone(), ends: None, reason: "reorganisation".to_owned() });
    county.run();
    let shown = agreement(&mut county, 0, &id);
    assert_eq!((shown.standing.as_str(), shown.ends), ("under_notice", county.now.wall.0 + 30 * DAY));
    assert_eq!((inbox(&mut county, 0, "notice"), inbox(&mut county, 1, "notice").len()), (vec![id.clone()], 0));
    let to = county.now.wall.plus(200 * DAY);
    let from = Some(county.now.wall);
    let View::Agreements { agreements } = county.ask(0, Command::AgreementRenew { id: id.clone(), from, to }) else { panic!() };
    assert_eq!(agreements[0].annex.lifts.len(), 1, "the offer names the notice it knows of");
    county.run();
    let told = effects(&mut county, 1, Command::AgreementAccept { id: agreements[0].id.clone() });
    assert_eq!((told.lifts.len(), told.lifts[0].kind.as_str(), told.stands.len()), (1, "notice", 0));
    county.ask(1, Command::AgreementAccept { id: agreements[0].id.clone() });
    county.run();
    county.pass(31 * DAY);
    assert_eq!(agreement(&mut county, 0, &agreements[0].id).standing, "in_force");
    assert!(inbox(&mut county, 0, "notice").is_empty(), "it was lifted");
}

#[test]
fn people_are_warned_once_sixty_thirty_and_seven_days_before_the_end() {
    let mut county = County::new(2);
    let wanted = usual(county.now.wall);
    let id = county.agree(0, 1, Terms { to: county.now.wall.plus(70 * DAY), ..wanted });
    county.pass(9 * DAY);
    assert!(events(&mut county, 0, "agreement_ends").is_empty() && inbox(&mut county, 0, "agreement_ends").is_empty());
    county.pass(2 * DAY);
    assert_eq!(events(&mut county, 0, "agreement_ends"), ["60"]);
    assert_eq!(inbox(&mut county, 0, "agreement_ends"), std::slice::from_ref(&id));
    let now = county.now;
    county.nodes[0].reopen(now);
    county.pass(30 * DAY);
    assert_eq!(events(&mut county, 0, "agreement_ends"), ["60", "30"], "each once, also after a restart");
    // Renewed in time: nobody is warned any more.
    let key = accord_keys::secret::SecretKey::from_seed([161; 32]);
    county.log_in_again(0, key);
    let to = county.now.wall.plus(300 * DAY);
    let View::Agreements { agreements } = county.ask(0, Command::AgreementRenew { id, from: None, to }) else { panic!() };
    county.link_up(0);
    county.link_up(1);
    county.run();
    county.ask(1, Command::AgreementAccept { id: agreements[0].id.clone() });
    county.run();
    assert!(inbox(&mut county, 0, "agreement_ends").is_empty());
    county.pass(25 * DAY);
    assert_eq!(events(&mut county, 0, "agreement_ends"), ["60", "30"]);
}

fn day_terms(now: WallSeconds) -> Terms {
    Terms {
        grace_days: 0,
        annex: Some(Box::new(Annex { form: Form::Emergency, notice_days: 0, ..Annex::default() })),
        ..terms(now, 1, &[(Category::FireAid, Verb::Append, Tlp::Amber)])
    }
}

#[test]
fn two_commanders_sign_for_a_day_and_both_hear_of_it_the_next_morning() {
    let mut county = County::new(2);
    county.pass(3_600 * 20);
    let id = county.agree(0, 1, day_terms(county.now.wall));
    for at in [0, 1] {
        assert_eq!((agreement(&mut county, at, &id).standing.as_str(), agreement(&mut county, at, &id).version), ("in_force", 0));
        assert!(events(&mut county, at, "emergency_report").is_empty());
    }
    county.pass(5 * 3_600);
    for at in [0, 1] {
        assert_eq!(events(&mut county, at, "emergency_report").len(), 1, "after eight in the morning");
        assert_eq!(inbox(&mut county, at, "emergency_report"), std::slice::from_ref(&id));
    }
    county.pass(DAY);
    assert_eq!(agreement(&mut county, 0, &id).standing, "ended");
    assert_eq!(events(&mut county, 0, "emergency_report").len(), 1);
    let end = Command::AgreementEnd { id: id.clone(), ends: Some(county.now.wall.plus(40 * DAY)), reason: "done".to_owned() };
    assert_eq!(refused(&mut county, 0, end).code, "emergency_ends_itself");
}

#[test]
fn what_is_not_agreed_can_neither_be_renewed_suspended_nor_ended() {
    let mut county = County::new(2);
    let partner = county.nodes[1].name.clone();
    let wanted = usual(county.now.wall);
    let View::Agreements { agreements } = county.ask(0, Command::AgreementOffer { partner, terms: wanted.clone() }) else { panic!() };
    let id = agreements[0].id.clone();
    let to = county.now.wall.plus(DAY);
    for command in [
        suspend(&id, &[]),
        resume(&id),
        Command::AgreementRenew { id: id.clone(), from: None, to },
        Command::AgreementAmend { id: id.clone(), terms: wanted },
        Command::AgreementEnd { id: id.clone(), ends: None, reason: "no".to_owned() },
    ] {
        assert_eq!(refused(&mut county, 0, command).code, "not_concluded");
    }
    county.run();
    county.ask(1, Command::AgreementAccept { id: id.clone() });
    county.run();
    assert_eq!(refused(&mut county, 0, suspend(&id, &["CRIM.NOPE"])).code, "unknown_category");
    let silent = Command::AgreementSuspend { id, categories: Vec::new(), reason: String::new() };
    assert_eq!(refused(&mut county, 0, silent).code, "bad_reason", "a partner is told why");
}
