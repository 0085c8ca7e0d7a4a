//! Onward by asking, and the consent of those who wrote: whole nodes, with restarts between the steps, weeks without a link, and partners
//! that cheat.

use accord_keys::certificate::Issuer;
use accord_keys::id::NetworkId;
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::{Sealed, Statement};
use accord_keys::secret::SecretKey;
use accord_protocol::access::consent::{Consent, ConsentAsk, OnwardAsk, OnwardRefuse};
use accord_protocol::access::log::{Grantee, Order, OrderAct, Record, RecordKind};
use accord_protocol::agreement::annex::Urgency;
use accord_protocol::agreement::{Category, Onward, Terms, Tlp, Verb};
use accord_protocol::id::{BureauId, Bytes, CertificateId, DocumentId, Nonce, RecordId, StatementId};
use accord_protocol::input::{Command, GrantTerms, LinkId, NewAsk};
use accord_protocol::intake::Item;
use accord_protocol::limits;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{AccessView, AskView, DocumentView, OnwardView, PendingView, Refused, SendingView, StatusView, View};
use accord_protocol::wire::{Message, Push};

use crate::county::{County, OFFICER, usual};

const DAY: u64 = 86_400;
/// Owner, its reader, the third bureau.
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

fn network() -> NetworkId {
    NetworkId::named("county")
}

fn asking(now: WallSeconds) -> Terms {
    let mut terms = usual(now);
    terms.grants[0].onward = Onward::Ask;
    terms
}

/// A and B agreed that B may ask; B and C agreed; A and C know nothing of each other. A case of A that B writes in too.
fn three() -> (County, String) {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(A, B, asking(now));
    county.agree(B, C, usual(now));
    county.link(A, C, false);
    let id = county.open_case(A, &[B], "title", "the owner's words");
    county.note(B, &id, "what the reader wrote");
    county.pass(30);
    (county, id)
}

fn shown(county: &mut County, at: usize, id: &str) -> Option<DocumentView> {
    match county.asked(at, Some(OFFICER), false, Command::DocumentShow { id: id.to_owned() }) {
        Ok(View::Document(view)) => Some(view),
        _ => None,
    }
}

fn holds(county: &mut County, at: usize, id: &str, text: &str) -> bool {
    shown(county, at, id).is_some_and(|view| view.text.contains(text) || view.entries.iter().any(|entry| entry.text.contains(text)))
}

fn knows(county: &County, at: usize, id: &str) -> bool {
    county.nodes[at].items.contains_key(&document(id))
}

fn document(id: &str) -> DocumentId {
    DocumentId::from_hex(id).expect("an id")
}

fn refused(county: &mut County, at: usize, command: Command) -> Refused {
    county.asked(at, Some(OFFICER), false, command).expect_err("refused")
}

fn param<'a>(refused: &'a Refused, name: &str) -> &'a str {
    refused.params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

fn wish(county: &County, id: &str, whom: usize) -> NewAsk {
    NewAsk {
        id: id.to_owned(),
        recipient: county.nodes[whom].name.clone(),
        verb: "read".to_owned(),
        purpose: "the same series over there".to_owned(),
        urgency: "routine".to_owned(),
        answer_by: None,
    }
}

fn ask(county: &mut County, id: &str) -> String {
    let wish = wish(county, id, C);
    let View::Onward(view) = county.ask(B, Command::OnwardAsk(wish)) else { panic!("an ask") };
    county.run();
    view.asks[0].id.clone()
}

fn asks(county: &mut County, at: usize) -> Vec<AskView> {
    let View::Onward(OnwardView { asks, .. }) = county.ask(at, Command::OnwardList) else { panic!("asks") };
    asks
}

fn pending(county: &mut County, at: usize) -> Vec<PendingView> {
    let View::Onward(OnwardView { pending, .. }) = county.ask(at, Command::AccessPending) else { panic!("waiting grants") };
    pending
}

fn inbox(county: &mut County, at: usize, kind: &str) -> Vec<String> {
    let View::Inbox { items } = county.ask(at, Command::Inbox) else { panic!("an inbox") };
    items.into_iter().filter(|item| item.kind == kind).map(|item| item.id).collect()
}

fn events(county: &mut County, at: usize, kind: &str) -> Vec<String> {
    let View::Events { events } = county.ask(at, Command::Events { after: 0, limit: 1_000 }) else { panic!("events") };
    events.into_iter().filter(|event| event.kind == kind).map(|event| event.detail).collect()
}

fn accounts(county: &County, at: usize, kind: &str) -> usize {
    county.nodes[at].accounts.iter().filter(|line| line.kind == kind).count()
}

fn access(county: &mut County, at: usize, id: &str) -> AccessView {
    let View::Access(view) = county.ask(at, Command::AccessList { id: id.to_owned() }) else { panic!("who holds it") };
    view
}

fn status(county: &mut County, at: usize) -> StatusView {
    let View::Status(view) = county.ask(at, Command::Status) else { panic!("a status") };
    view
}

fn grant(county: &mut County, ask: &str, terms: GrantTerms) -> SendingView {
    let View::Sending(sent) = county.ask(A, Command::OnwardGrant { id: ask.to_owned(), verb: None, terms }) else { panic!("a grant") };
    county.run();
    sent
}

fn let_in(county: &mut County, id: &str, whom: usize, verb: &str, terms: GrantTerms) -> SendingView {
    let partner = county.nodes[whom].name.clone();
    let command = Command::AccessGrant { id: id.to_owned(), partner, verb: verb.to_owned(), terms };
    let View::Sending(sent) = county.ask(A, command) else { panic!("a grant") };
    county.run();
    sent
}

fn cut(county: &mut County, id: &str, whom: usize) {
    let subject = county.nodes[whom].id.to_string();
    county.ask(A, Command::AccessCut { id: id.to_owned(), subject, strict: false });
    county.run();
}

/// The first officer's certificate.
fn officer(county: &mut County, at: usize) -> CertificateId {
    let View::Officers { officers } = county.ask(at, Command::OfficerFind { name: OFFICER.to_owned() }) else { panic!("officers") };
    CertificateId::from_hex(&officers[0].certificate).expect("a certificate")
}

fn sealed<T: Statement>(body: T, key: &SecretKey) -> Bytes {
    Bytes(Sealed::seal(&network(), body, &[key]).expect("well formed").to_bytes())
}

// ---- onward ----

#[test]
fn a_third_bureau_gets_it_by_consent_only_and_loses_it_with_the_cut_with_restarts_between_all_steps() {
    let (mut county, id) = three();
    assert!(!knows(&county, C, &id));
    let asked = ask(&mut county, &id);
    county.restart(B, &[A, C]);
    county.restart(A, &[B]);
    assert_eq!(inbox(&mut county, A, "onward_ask"), std::slice::from_ref(&asked));
    let seen = asks(&mut county, A);
    assert_eq!((seen[0].recipient_name.as_str(), seen[0].purpose.as_str()), ("Bureau 3", "the same series over there"));
    assert!(seen[0].theirs && seen[0].consented_along && seen[0].state == "open");
    assert!(!knows(&county, C, &id), "an ask gives nothing");
    let sent = grant(&mut county, &asked, GrantTerms::default());
    assert!(sent.receivers[0].will_receive && sent.asked.is_empty(), "{sent:?}: the asker agreed for its own part with the ask");
    county.pass(10);
    assert!(holds(&mut county, C, &id, "the owner's words") && holds(&mut county, C, &id, "what the reader wrote"));
    assert!(inbox(&mut county, A, "onward_ask").is_empty());
    for at in [A, B] {
        county.restart(at, if at == A { &[B] } else { &[A, C] });
        assert_eq!(asks(&mut county, at)[0].state, "granted", "seen by {at}");
    }
    let held = &access(&mut county, C, &id);
    let mine = held.holders.iter().find(|holder| holder.bureau == county.nodes[C].id.to_string()).expect("named");
    assert_eq!((mine.via_name.as_str(), mine.tlp.as_str(), mine.no_fourth), ("Bureau 2", "AMBER+STRICT", true));
    // What is written later comes too, by way of B while A is linked to B.
    county.restart(C, &[B]);
    county.note(A, &id, "later");
    county.pass(10);
    assert!(holds(&mut county, C, &id, "later"));
    assert!(status(&mut county, B).partners.iter().all(|partner| !partner.divergent), "no comparison was needed for it");
    cut(&mut county, &id, C);
    county.pass(10);
    county.note(A, &id, "after the cut");
    county.pass(10);
    assert!(holds(&mut county, B, &id, "after the cut") && !holds(&mut county, C, &id, "after the cut"));
    let after = access(&mut county, C, &id);
    assert!(after.holders.iter().all(|holder| holder.bureau != county.nodes[C].id.to_string()), "it was told of its own cut by B");
    assert_eq!(after.records.last().map(|record| record.kind.as_str()), Some("cut"));
}

#[test]
fn an_ask_and_its_answer_outlive_weeks_without_a_link() {
    let (mut county, id) = three();
    county.link(A, B, false);
    let wish = NewAsk { answer_by: Some(county.now.wall.plus(29 * DAY)), ..wish(&county, &id, C) };
    let View::Onward(view) = county.ask(B, Command::OnwardAsk(wish)) else { panic!("an ask") };
    let asked = view.asks[0].id.clone();
    county.pass(14 * DAY);
    assert!(asks(&mut county, A).is_empty());
    county.restart(B, &[C]);
    county.link(A, B, true);
    county.pass(5);
    assert_eq!(asks(&mut county, A)[0].id, asked);
    county.link(A, B, false);
    county.ask(A, Command::OnwardRefuse { id: asked.clone(), reason: "harm".to_owned() });
    county.pass(10 * DAY);
    assert_eq!(asks(&mut county, B)[0].state, "open");
    county.restart(A, &[]);
    county.link(A, B, true);
    county.pass(5);
    let told = &asks(&mut county, B)[0];
    assert_eq!((told.state.as_str(), told.reason.as_str()), ("refused", "harm"));
    assert_eq!(events(&mut county, B, "onward").last().map(String::as_str), Some("refusal_came"));
    assert!(!knows(&county, C, &id));
}

#[test]
fn silence_is_a_no() {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    county.pass(limits::ONWARD_ANSWER_S + 60);
    for at in [A, B] {
        assert_eq!(asks(&mut county, at)[0].state, "lapsed", "seen by {at}");
    }
    assert!(inbox(&mut county, A, "onward_ask").is_empty());
    let late = refused(&mut county, A, Command::OnwardGrant { id: asked, verb: None, terms: GrantTerms::default() });
    assert_eq!((late.code.as_str(), param(&late, "state")), ("ask_not_open", "lapsed"));
    county.pass(limits::ONWARD_KEPT_S + DAY);
    assert!(asks(&mut county, A).is_empty(), "after its time of keeping it is gone");
}

#[test]
fn what_a_reader_may_not_ask_is_refused_at_its_own_node_with_the_clause() {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(A, B, usual(now));
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    let command = |wish: NewAsk| Command::OnwardAsk(wish);
    let wanted = wish(&county, &id, C);
    let none = refused(&mut county, B, command(wanted.clone()));
    assert_eq!(none.code, "onward_none");
    assert!(param(&none, "clause").ends_with("#1"), "{none:?}");
    // The other side of the same clause: the owner takes no such ask either.
    county.agree(A, B, asking(now));
    let stop = refused(&mut county, B, command(wanted.clone()));
    assert_eq!((stop.code.as_str(), param(&stop, "why")), ("receiver_not_entitled", "no_agreement"), "B and C have none");
    county.agree(B, C, usual(now));
    for (change, code) in [
        (NewAsk { purpose: "  ".to_owned(), ..wanted.clone() }, "no_purpose"),
        (NewAsk { urgency: "soon".to_owned(), ..wanted.clone() }, "unknown_urgency"),
        (NewAsk { verb: "request".to_owned(), ..wanted.clone() }, "unknown_verb"),
        (NewAsk { recipient: county.nodes[A].name.clone(), ..wanted.clone() }, "already_holds"),
        (NewAsk { answer_by: Some(now), ..wanted.clone() }, "bad_answer_by"),
        (NewAsk { answer_by: Some(now.plus(40 * DAY)), ..wanted.clone() }, "bad_answer_by"),
    ] {
        assert_eq!(refused(&mut county, B, command(change)).code, code);
    }
    let View::Sending(foreseen) = county.asked(B, Some(OFFICER), true, command(wanted.clone())).expect("a dry run") else { panic!() };
    assert_eq!((foreseen.dry_run, foreseen.receivers[0].name.as_str()), (true, "Bureau 1"));
    assert!(asks(&mut county, B).is_empty(), "a dry run asks nobody");
    county.ask(B, command(wanted.clone()));
    assert_eq!(refused(&mut county, B, command(wanted.clone())).code, "already_asked");
    let own = NewAsk { recipient: county.nodes[B].name.clone(), ..wanted };
    assert_eq!(refused(&mut county, A, command(own)).code, "own_document");
    let wrong = asks(&mut county, B)[0].id.clone();
    assert_eq!(refused(&mut county, B, Command::OnwardGrant { id: wrong, verb: None, terms: GrantTerms::default() }).code, "own_ask");
}

/// Everything B holds of a document, as a cheating node would send it, with what C needs to check it.
fn everything(county: &County, at: usize, id: &str) -> Vec<Message> {
    let directory = county.nodes[at].core.directory();
    let mut out: Vec<Message> = Vec::new();
    for bureau in [A, B] {
        out.push(Message::Statements(directory.statements(&county.nodes[bureau].id).map(|held| Bytes(held.to_bytes())).collect()));
    }
    let mut push = Push::empty(1, document(id));
    for (_, stored) in &county.nodes[at].items[&document(id)] {
        match Item::from_bytes(stored).expect("an item") {
            Item::Genesis(bytes) => push.genesis = Some(Bytes(bytes)),
            Item::Record(bytes) => push.records.push(Bytes(bytes)),
            Item::Segment(bytes) => push.segments.push(Bytes(bytes)),
            Item::Opening(_) | Item::Receipt(_) => {}
        }
    }
    out.push(Message::Push(push));
    out
}

/// Why C refused the document, as its own account says; `None` if it took it.
fn brought(county: &mut County, from: usize, id: &str) -> Option<String> {
    let before = accounts(county, C, "refused_document");
    for message in everything(county, from, id) {
        county.bring(from, C, &message);
    }
    let refusals: Vec<_> = county.nodes[C].accounts.iter().filter(|line| line.kind == "refused_document").collect();
    (refusals.len() > before).then(|| refusals.last().expect("counted").detail.split(' ').next().expect("a word").to_owned())
}

#[test]
fn the_third_bureau_takes_it_from_nobody_while_any_link_is_missing() {
    // No record.
    let (mut county, id) = three();
    assert_eq!(brought(&mut county, B, &id).as_deref(), Some("not_in_log"));
    assert!(!knows(&county, C, &id));

    // A record by way of another bureau than the one that brings it. (A fourth bureau has an agreement with C too.)
    let mut county = County::new(4);
    let now = county.now.wall;
    for (one, other) in [(A, B), (A, 3)] {
        county.agree(one, other, asking(now));
    }
    for other in [B, 3] {
        county.agree(C, other, usual(now));
    }
    county.link(A, C, false);
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.pass(30);
    county.link(B, C, false);
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.link(B, 3, true);
    county.pass(10);
    assert!(!knows(&county, C, &id), "B is not linked to it, and bureau 4 does not hand it on");
    assert_eq!(brought(&mut county, 3, &id).as_deref(), Some("no_pass"));

    // B and C not in force (suspended), the time over, the document stricter than the record allows.
    let (mut county, id) = three();
    county.link(B, C, false);
    let asked = ask(&mut county, &id);
    let until = county.now.wall.plus(DAY);
    grant(&mut county, &asked, GrantTerms { until: Some(until), ..GrantTerms::default() });
    let agreement = {
        let View::Agreements { agreements } = county.ask(C, Command::AgreementList) else { panic!() };
        agreements.into_iter().find(|agreement| agreement.standing == "in_force").expect("with B").id
    };
    county.ask(C, Command::AgreementSuspend { id: agreement.clone(), categories: vec!["CRIM.SERIES".to_owned()], reason: "x".to_owned() });
    county.link(B, C, true);
    county.pass(5);
    assert!(!knows(&county, C, &id), "B itself sends nothing");
    assert_eq!(brought(&mut county, B, &id).as_deref(), Some("suspended"));

    let mut county = County::new(3);
    let now = county.now.wall;
    let red = |mut terms: Terms| {
        terms.grants[0].tlp_ceiling = Tlp::Red;
        terms
    };
    county.agree(A, B, red(asking(now)));
    county.agree(B, C, red(usual(now)));
    county.link(A, C, false);
    county.link(B, C, false);
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.ask(A, Command::AccessReclassify { id: id.clone(), tlp: "RED".to_owned() });
    county.run();
    county.link(B, C, true);
    county.pass(5);
    assert_eq!(brought(&mut county, B, &id).as_deref(), Some("cut"), "what is stricter than its ceiling took it away in the same record");

    let (mut county, id) = three();
    county.link(B, C, false);
    let asked = ask(&mut county, &id);
    let until = county.now.wall.plus(DAY);
    grant(&mut county, &asked, GrantTerms { until: Some(until), ..GrantTerms::default() });
    county.pass(DAY + 60);
    county.link(B, C, true);
    county.pass(5);
    assert!(!knows(&county, C, &id), "B itself sends nothing any more");
    assert_eq!(brought(&mut county, B, &id).as_deref(), Some("grant_ended"));
}

#[test]
fn giving_ends_with_the_time_and_nothing_follows() {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    let until = county.now.wall.plus(DAY);
    grant(&mut county, &asked, GrantTerms { until: Some(until), ..GrantTerms::default() });
    county.pass(60);
    assert!(holds(&mut county, C, &id, "the owner's words"));
    county.pass(DAY - 70);
    // What is on its way at that moment stays there.
    county.ask(A, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "on its way".to_owned() });
    while !county.nodes[B].items[&document(&id)].is_empty() && !county.nodes[B].has_sends_to(C) {
        assert!(county.run_some(1) > 0, "it goes on to C");
    }
    let numbers = |county: &County| [A, C].map(|other| county.nodes[B].core.gates().of(LinkId(other as u64)));
    let before = numbers(&county);
    county.pass(60);
    let after = numbers(&county);
    assert!(after[1] > before[1], "what was on its way to it is stale from that moment");
    assert_eq!(after[0], before[0], "what goes to others is not");
    assert!(holds(&mut county, B, &id, "on its way") && !holds(&mut county, C, &id, "on its way"));
    county.note(A, &id, "too late for it");
    county.pass(60);
    assert!(holds(&mut county, B, &id, "too late for it") && !holds(&mut county, C, &id, "too late for it"));
    assert!(status(&mut county, B).partners.iter().all(|partner| !partner.divergent));
}

/// A's words are on their way from B to C when A cuts one of the two, and B hears of it.
fn cut_while_on_its_way(whom: usize) {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.pass(60);
    assert!(holds(&mut county, C, &id, "the owner's words"));
    county.ask(A, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "on its way".to_owned() });
    while !county.nodes[B].has_sends_to(C) {
        assert!(county.run_some(1) > 0, "it goes on to C");
    }
    let number = |county: &County, other: usize| county.nodes[B].core.gates().of(LinkId(other as u64));
    let before = [A, C].map(|other| number(&county, other));
    let subject = county.nodes[whom].id.to_string();
    county.ask(A, Command::AccessCut { id: id.clone(), subject, strict: false });
    while number(&county, C) == before[1] {
        assert!(county.run_some(1) > 0, "B hears of the cut, and what waits for C is stale");
    }
    assert_eq!(number(&county, A), before[0], "what waits for the owner is not");
    county.pass(60);
    assert!(!holds(&mut county, C, &id, "on its way"));
}

#[test]
fn what_waits_to_be_handed_on_stops_when_the_owner_cuts_who_would_get_it() {
    cut_while_on_its_way(C);
}

#[test]
fn what_waits_to_be_handed_on_stops_when_the_owner_cuts_who_hands_it_on() {
    cut_while_on_its_way(B);
}

fn agreement_with(county: &mut County, at: usize, other: usize) -> String {
    let View::Agreements { agreements } = county.ask(at, Command::AgreementList) else { panic!() };
    let (name, other) = (county.nodes[other].name.clone(), county.nodes[other].id.to_string());
    let found = agreements.into_iter().find(|agreement| agreement.partner == other && agreement.standing != "offered");
    found.unwrap_or_else(|| panic!("an agreement with {name}")).id
}

#[test]
fn the_one_on_the_way_hands_nothing_on_while_the_owner_suspends_it() {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.pass(10);
    assert!(holds(&mut county, C, &id, "the owner's words"));
    county.link(B, C, false);
    county.note(A, &id, "said before the stop");
    let agreement = agreement_with(&mut county, A, B);
    county.ask(A, Command::AgreementSuspend { id: agreement, categories: vec!["CRIM.SERIES".to_owned()], reason: "x".to_owned() });
    county.run();
    county.link(B, C, true);
    county.pass(DAY);
    assert!(holds(&mut county, B, &id, "said before the stop") && !holds(&mut county, C, &id, "said before the stop"));
    for at in [B, C] {
        assert!(status(&mut county, at).partners.iter().all(|partner| !partner.divergent), "{at}: both count one view");
    }
}

#[test]
fn the_one_on_the_way_hands_nothing_on_when_it_heard_nothing_of_the_owner_for_a_week_and_all_of_it_once_it_does() {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.pass(10);
    county.link(B, C, false);
    county.note(A, &id, "the last it heard");
    county.link(A, B, false);
    county.pass(limits::PASS_LIFE_S_MAX + 60);
    county.link(B, C, true);
    county.pass(60);
    assert!(!holds(&mut county, C, &id, "the last it heard"), "what the owner may have stopped meanwhile is not known");
    county.pass(DAY);
    for at in [B, C] {
        assert!(status(&mut county, at).partners.iter().all(|partner| !partner.divergent), "{at}: both count one view");
    }
    county.link(A, B, true);
    county.pass(120);
    assert!(holds(&mut county, C, &id, "the last it heard"), "the owner is heard again");
}

#[test]
fn who_was_let_in_without_a_fourth_party_asks_for_nobody() {
    let mut county = County::new(4);
    let now = county.now.wall;
    county.agree(A, B, asking(now));
    county.agree(B, C, asking(now));
    county.agree(A, C, asking(now));
    county.agree(C, 3, usual(now));
    county.link(A, 3, false);
    let id = county.open_case(A, &[B], "title", "text");
    county.pass(30);
    let asked = ask(&mut county, &id);
    grant(&mut county, &asked, GrantTerms::default());
    county.pass(10);
    assert!(knows(&county, C, &id));
    let wanted = wish(&county, &id, 3);
    let no = refused(&mut county, C, Command::OnwardAsk(wanted));
    assert_eq!((no.code.as_str(), param(&no, "why")), ("may_not_ask", "no_fourth"));
    // And a node that asks all the same is not heard.
    let by = officer(&mut county, C);
    let forged = onward_ask(&county, &id, C, 3, by);
    county.bring(C, A, &Message::Onward(vec![sealed(forged, &County::key(C))]));
    assert!(inbox(&mut county, A, "onward_ask").is_empty());
    assert!(county.nodes[A].accounts.iter().any(|line| line.kind == "refused_onward" && line.detail.contains("no_fourth")));
}

// ---- asks nobody may make ----

fn onward_ask(county: &County, id: &str, via: usize, recipient: usize, officer: CertificateId) -> OnwardAsk {
    OnwardAsk {
        document: document(id),
        via: county.nodes[via].id,
        recipient: county.nodes[recipient].id,
        recipient_name: "somebody".to_owned(),
        verb: Verb::Read,
        purpose: "x".to_owned(),
        urgency: Urgency::Routine,
        answer_by: county.now.wall.plus(DAY),
        officer,
        at: county.now.wall,
        nonce: Nonce([9; 16]),
    }
}

#[test]
fn asks_that_are_not_the_senders_to_make_are_left_out_and_end_no_link() {
    let (mut county, id) = three();
    let now = county.now.wall;
    county.link(A, C, true);
    county.agree(A, C, asking(now));
    let (by_b, by_c) = (officer(&mut county, B), officer(&mut county, C));
    let (key_b, key_c) = (County::key(B), County::key(C));
    let good = onward_ask(&county, &id, B, C, by_b);
    let hostile: Vec<(usize, Bytes, &str)> = vec![
        // C is no reader of it.
        (C, sealed(OnwardAsk { recipient: BureauId([7; 32]), ..onward_ask(&county, &id, C, B, by_c) }, &key_c), "not_in_log"),
        // B's ask brought by C, and one in B's name by C's officer.
        (C, sealed(good.clone(), &key_b), "not sealed"),
        (C, sealed(OnwardAsk { officer: by_c, ..good.clone() }, &key_c), "another bureau"),
        // A document that is not ours, or not there.
        (B, sealed(OnwardAsk { document: DocumentId([3; 32]), ..good.clone() }, &key_b), "no document"),
        // Late.
        (B, sealed(OnwardAsk { at: WallSeconds(now.0 - 9), answer_by: WallSeconds(now.0 - 3), ..good.clone() }, &key_b), "too late"),
        // For ourselves, or for who holds it.
        (B, sealed(OnwardAsk { recipient: county.nodes[A].id, ..good.clone() }, &key_b), "nothing to grant"),
        // Answers nobody asked for.
        (B, sealed(OnwardRefuse { ask: StatementId([1; 32]), officer: by_b, reason: "x".to_owned(), at: now }, &key_b), "answers no ask"),
        (B, sealed(consent(&county, &id, B, C, by_b), &key_b), "answers nothing"),
        (B, sealed(consent(&county, &id, C, C + 1, by_b), &key_b), "another bureau"),
        // Asked for consent by who does not own it.
        (B, sealed(consent_ask(&county, &id, A, C, by_b), &key_b), "no document of theirs"),
    ];
    for (from, bytes, why) in hostile {
        let before = accounts(&county, A, "refused_onward");
        county.bring(from, A, &Message::Onward(vec![bytes]));
        let lines: Vec<_> = county.nodes[A].accounts.iter().filter(|line| line.kind == "refused_onward").collect();
        assert_eq!(lines.len(), before + 1, "{why}");
        assert!(lines.last().expect("counted").detail.contains(why), "{why}: {:?}", lines.last());
        assert!(asks(&mut county, A).is_empty(), "{why}");
    }
    // The link still serves.
    let asked = ask(&mut county, &id);
    assert_eq!(asks(&mut county, A)[0].id, asked);
}

#[test]
fn an_ask_by_a_person_without_the_capability_is_not_heard() {
    let (mut county, id) = three();
    let (name, seats) = ("second officer".to_owned(), vec!["desk".to_owned()]);
    let capabilities = vec!["write".to_owned()];
    county.ask(B, Command::OfficerAdd { name: name.clone(), seats, capabilities });
    let key = SecretKey::from_seed([0x5e; 32]);
    county.log_in(B, &name, SecretKey::from_seed([0x5e; 32]));
    let View::Officers { officers } = county.ask(B, Command::OfficerFind { name: name.clone() }) else { panic!() };
    let by = CertificateId::from_hex(&officers[0].certificate).expect("a certificate");
    let own = county.asked(B, Some(&name), false, Command::OnwardAsk(wish(&county, &id, C))).expect_err("refused");
    assert_eq!((own.code.as_str(), param(&own, "capability")), ("not_allowed", "invite"));
    let certificate = county.nodes[B].core.directory().statement_bytes(&StatementId(by.0)).expect("known");
    county.bring(B, A, &Message::Statements(vec![Bytes(certificate)]));
    county.bring(B, A, &Message::Onward(vec![sealed(onward_ask(&county, &id, B, C, by), &key)]));
    assert!(asks(&mut county, A).is_empty());
    assert!(county.nodes[A].accounts.iter().any(|line| line.kind == "refused_onward" && line.detail.contains("may say so")));
}

#[test]
fn a_partner_asks_no_more_than_its_share() {
    let (mut county, id) = three();
    let by = officer(&mut county, B);
    let key = County::key(B);
    let many: Vec<Bytes> = (0..=limits::ONWARD_OPEN_MAX)
        .map(|n| {
            let recipient = BureauId([u8::try_from(n).expect("few") + 60; 32]);
            sealed(OnwardAsk { recipient, ..onward_ask(&county, &id, B, C, by) }, &key)
        })
        .collect();
    for page in many.chunks(limits::ONWARD_PAGE) {
        county.bring(B, A, &Message::Onward(page.to_vec()));
    }
    assert_eq!(asks(&mut county, A).len(), limits::ONWARD_OPEN_MAX);
    assert_eq!(accounts(&county, A, "refused_onward"), 1);
}

// ---- consent ----

fn consent(county: &County, id: &str, by: usize, recipient: usize, officer: CertificateId) -> Consent {
    Consent {
        document: document(id),
        contributor: county.nodes[by].id,
        recipient: county.nodes.get(recipient).map_or(BureauId([8; 32]), |node| node.id),
        verb: Verb::Append,
        tlp: Tlp::AmberStrict,
        until: None,
        officer,
        at: county.now.wall,
        nonce: Nonce([4; 16]),
        ask: None,
    }
}

fn consent_ask(county: &County, id: &str, contributor: usize, recipient: usize, officer: CertificateId) -> ConsentAsk {
    ConsentAsk {
        document: document(id),
        contributor: county.nodes[contributor].id,
        recipient: county.nodes[recipient].id,
        recipient_name: "somebody".to_owned(),
        verb: Verb::Read,
        tlp: Tlp::Amber,
        until: None,
        purpose: String::new(),
        officer,
        at: county.now.wall,
        nonce: Nonce([5; 16]),
        answer_by: None,
    }
}

/// A case of A that B wrote in; C is a partner of A and is to come in.
fn written() -> (County, String) {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(A, B, usual(now));
    county.agree(A, C, usual(now));
    let id = county.open_case(A, &[B], "title", "the owner's words");
    county.note(B, &id, "what another wrote");
    (county, id)
}

#[test]
fn a_grant_waits_for_the_consent_of_who_wrote_with_restarts_between_all_steps() {
    let (mut county, id) = written();
    let partner = county.nodes[C].name.clone();
    let command = Command::AccessGrant { id: id.clone(), partner, verb: "append".to_owned(), terms: GrantTerms::default() };
    let View::Sending(foreseen) = county.asked(A, Some(OFFICER), true, command).expect("a dry run") else { panic!() };
    assert_eq!((foreseen.receivers[0].why.as_str(), foreseen.asked[0].name.as_str()), ("needs_consent", "Bureau 2"));
    assert!(pending(&mut county, A).is_empty());
    let terms = GrantTerms { purpose: "they have the other half".to_owned(), ..GrantTerms::default() };
    let sent = let_in(&mut county, &id, C, "append", terms);
    assert!(!sent.receivers[0].will_receive && sent.asked.len() == 1 && !sent.pending.is_empty());
    let log: Vec<String> = access(&mut county, A, &id).records.into_iter().map(|record| record.kind).collect();
    assert_eq!(log.last().map(String::as_str), Some("anchor"), "what B wrote was settled first: {log:?}");
    assert_eq!(inbox(&mut county, A, "grant_waits"), std::slice::from_ref(&sent.pending));
    assert!(!knows(&county, C, &id));
    county.restart(A, &[B, C]);
    county.restart(B, &[A, C]);
    let waits = &pending(&mut county, A)[0];
    assert_eq!(
        (waits.state.as_str(), waits.waits_for[0].name.as_str(), waits.waits_for[0].state.as_str()),
        ("waiting", "Bureau 2", "open")
    );
    let seen = inbox(&mut county, B, "consent_ask");
    assert_eq!(seen.len(), 1);
    let shown_ask = asks(&mut county, B);
    assert_eq!((shown_ask[0].purpose.as_str(), shown_ask[0].verb.as_str()), ("they have the other half", "append"));
    let consent = Command::OnwardConsent { id: seen[0].clone() };
    let View::Sending(foreseen) = county.asked(B, Some(OFFICER), true, consent.clone()).expect("a dry run") else { panic!() };
    assert_eq!((foreseen.visible_entries, foreseen.receivers[0].name.as_str()), (1, "Bureau 1"), "one entry of ours becomes visible");
    county.link(A, B, false);
    county.ask(B, consent);
    county.restart(B, &[C]);
    assert!(!knows(&county, C, &id));
    county.link(A, B, true);
    county.pass(10);
    assert!(holds(&mut county, C, &id, "what another wrote"));
    assert_eq!(pending(&mut county, A)[0].state, "grant_made");
    assert_eq!(inbox(&mut county, A, "grant_made"), [sent.pending]);
    assert_eq!(asks(&mut county, B)[0].state, "granted");
    assert!(inbox(&mut county, B, "consent_ask").is_empty());
    assert!(status(&mut county, B).alarms.is_empty(), "it consented");
    // C writes, and the proof of it all stands.
    county.note(C, &id, "the newcomer's part");
    assert!(holds(&mut county, A, &id, "the newcomer's part"));
    let View::Proof(proof) = county.ask(C, Command::ProofExport { id: id.clone(), full: false }) else { panic!("a proof") };
    let bytes = accord_keys::armour::decode_base64(&proof.bytes).expect("base64");
    let stated = accord_protocol::proof::Proof::verify(&bytes).expect("stands").states().expect("states");
    assert_eq!(stated.records.iter().filter(|record| record.kind == "grant").count(), 1, "with the consent's own certificate");
}

#[test]
fn one_no_ends_the_order_and_time_does_too() {
    let (mut county, id) = written();
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    let wrong = refused(&mut county, B, Command::OnwardRefuse { id: asked.clone(), reason: "because".to_owned() });
    assert_eq!(wrong.code, "unknown_ground");
    county.ask(B, Command::OnwardRefuse { id: asked.clone(), reason: "withheld".to_owned() });
    county.pass(10);
    let told = &pending(&mut county, A)[0];
    assert_eq!((told.state.as_str(), told.waits_for[0].state.as_str()), ("grant_refused", "refused"));
    assert_eq!(inbox(&mut county, A, "grant_refused").len(), 1);
    // Asked again, and nobody answers.
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.len(), 1, "a no is not an answer for ever, it is asked anew");
    county.pass(limits::ONWARD_ANSWER_S + 60);
    let states: Vec<String> = pending(&mut county, A).into_iter().map(|p| p.state).collect();
    assert!(states.contains(&"grant_lapsed".to_owned()), "{states:?}");
    let late = inbox(&mut county, B, "consent_ask");
    assert!(late.is_empty(), "it lapsed there too");
    assert!(!knows(&county, C, &id));
    // A third time, and taken back by a cut before anybody answered.
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    cut(&mut county, &id, C);
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.pass(10);
    assert!(!knows(&county, C, &id), "there is no order any more");
}

#[test]
fn who_wrote_while_the_order_waited_is_asked_when_it_is_given_again() {
    let mut county = County::new(4);
    let now = county.now.wall;
    for other in [B, C, 3] {
        county.agree(A, other, usual(now));
    }
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(B, &id, "first");
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    county.note(3, &id, "meanwhile");
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.pass(30);
    assert!(!knows(&county, C, &id));
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.iter().map(|asked| asked.name.as_str()).collect::<Vec<_>>(), ["Bureau 4"], "B said yes and is not asked twice");
    let asked = inbox(&mut county, 3, "consent_ask")[0].clone();
    county.ask(3, Command::OnwardConsent { id: asked });
    county.pass(10);
    assert!(holds(&mut county, C, &id, "meanwhile"));
}

#[test]
fn who_comes_again_after_a_cut_needs_a_new_consent_and_more_than_was_consented_to_needs_one_too() {
    let (mut county, id) = written();
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.pass(10);
    assert!(knows(&county, C, &id));
    let more = let_in(&mut county, &id, C, "append", GrantTerms::default());
    assert_eq!((more.asked.len(), more.receivers[0].will_receive), (1, false), "consent was for reading");
    cut(&mut county, &id, C);
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.len(), 1, "the old consent is spent");
}

/// The bureau's node revokes an officer's certificate; its own device hears of it, whom else the test tells.
fn revoke(county: &mut County, at: usize, certificate: CertificateId) -> Bytes {
    let identity = county.nodes[at].identity.clone();
    let body = Revocation {
        bureau: identity.bureau,
        target: RevocationTarget::Certificate(certificate),
        class: RevocationClass::Compromised,
        at: county.now.wall,
        issuer: Issuer::Member(identity.certificate),
    };
    let bytes = Sealed::seal(&network(), body, &[identity.signer.as_ref()]).expect("well formed").to_bytes();
    county.ask(at, Command::Install { bytes: bytes.clone() });
    Bytes(bytes)
}

#[test]
fn what_a_revoked_officer_sealed_is_neither_told_nor_heard_nor_used() {
    // Not told: B's consent lies ready while the link is down, then its officer is revoked.
    let (mut county, id) = written();
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.link(A, B, false);
    county.ask(B, Command::OnwardConsent { id: asked });
    let by = officer(&mut county, B);
    revoke(&mut county, B, by);
    county.link(A, B, true);
    county.pass(10);
    assert_eq!(accounts(&county, A, "consent_heard"), 0, "B no longer says it");
    assert_eq!(accounts(&county, A, "refused_onward"), 0);
    // Not heard either, whoever brings it.
    let bytes = sealed(Consent { tlp: Tlp::Red, ..consent(&county, &id, B, C, by) }, &County::key(B));
    county.bring(B, A, &Message::Onward(vec![bytes]));
    assert_eq!((accounts(&county, A, "consent_heard"), accounts(&county, A, "refused_onward")), (0, 1));
    assert!(!knows(&county, C, &id));

    // Not used: heard while it was good, and revoked while another answer was still missing.
    let mut county = County::new(4);
    let now = county.now.wall;
    for other in [B, C, 3] {
        county.agree(A, other, usual(now));
    }
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(B, &id, "of one");
    county.note(3, &id, "of the other");
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.run();
    assert_eq!(accounts(&county, A, "consent_heard"), 1);
    let by = officer(&mut county, B);
    let bytes = revoke(&mut county, B, by);
    county.bring(B, A, &Message::Statements(vec![bytes]));
    let asked = inbox(&mut county, 3, "consent_ask")[0].clone();
    county.ask(3, Command::OnwardConsent { id: asked });
    county.pass(30);
    assert_eq!(accounts(&county, A, "consent_heard"), 2);
    assert!(!knows(&county, C, &id), "one of the two is nobody's word any more");
    assert_eq!(pending(&mut county, A)[0].state, "waiting");
}

#[test]
fn an_ask_of_a_revoked_officer_is_granted_nothing() {
    let (mut county, id) = three();
    let asked = ask(&mut county, &id);
    let by = officer(&mut county, B);
    let bytes = revoke(&mut county, B, by);
    county.bring(B, A, &Message::Statements(vec![bytes]));
    let no = refused(&mut county, A, Command::OnwardGrant { id: asked.clone(), verb: None, terms: GrantTerms::default() });
    assert_eq!(no.code, "asker_revoked");
    county.ask(A, Command::OnwardRefuse { id: asked, reason: "not_competent".to_owned() });
}

#[test]
fn a_consent_is_taken_back_while_no_record_holds_it() {
    let mut county = County::new(4);
    let now = county.now.wall;
    for other in [B, C, 3] {
        county.agree(A, other, usual(now));
    }
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(B, &id, "of one");
    county.note(3, &id, "of the other");
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked.clone() });
    county.run();
    county.ask(B, Command::OnwardRefuse { id: asked.clone(), reason: "harm".to_owned() });
    county.pass(10);
    assert_eq!(asks(&mut county, B)[0].state, "refused");
    assert_eq!(pending(&mut county, A)[0].state, "grant_refused");
    let late = inbox(&mut county, 3, "consent_ask");
    for asked in late {
        county.ask(3, Command::OnwardConsent { id: asked });
    }
    county.pass(30);
    assert!(!knows(&county, C, &id));
    // Once a record holds it there is nothing to take back but the access itself.
    let (mut county, id) = written();
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked.clone() });
    county.pass(10);
    let late = refused(&mut county, B, Command::OnwardRefuse { id: asked, reason: "harm".to_owned() });
    assert_eq!((late.code.as_str(), param(&late, "state")), ("ask_not_open", "granted"));
}

#[test]
fn a_suspended_category_carries_no_asks_and_no_consents_about_its_documents() {
    let (mut county, id) = three();
    county.agree(A, B, two_lines(county.now.wall));
    county.link(A, B, false);
    let wish = wish(&county, &id, C);
    county.ask(B, Command::OnwardAsk(wish));
    county.link(A, B, true);
    county.pass(1);
    assert_eq!(asks(&mut county, A).len(), 1, "it travels while nothing is suspended");

    let (mut county, id) = written();
    county.agree(A, B, two_lines(county.now.wall));
    county.link(A, B, false);
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let agreement = agreement_with(&mut county, A, B);
    county.ask(A, Command::AgreementSuspend { id: agreement, categories: vec!["CRIM.SERIES".to_owned()], reason: "x".to_owned() });
    county.link(A, B, true);
    county.pass(10);
    assert!(inbox(&mut county, B, "consent_ask").is_empty(), "the ask names the document");
    assert_eq!(accounts(&county, B, "refused_onward"), 0, "A does not even say it");
    let by = officer(&mut county, A);
    let forged = ConsentAsk { answer_by: Some(county.now.wall.plus(DAY)), ..consent_ask(&county, &id, B, C, by) };
    county.bring(A, B, &Message::Onward(vec![sealed(forged, &County::key(A))]));
    assert!(inbox(&mut county, B, "consent_ask").is_empty(), "nor is it heard");
    assert!(county.nodes[B].accounts.iter().any(|line| line.kind == "refused_onward" && line.detail.contains("suspended")));
}

#[test]
fn an_unspent_consent_serves_for_nobody_who_was_cut_since_or_whose_ask_is_over() {
    // Lapsed: B consented, the fourth bureau never answered.
    let mut county = County::new(4);
    let now = county.now.wall;
    for other in [B, C, 3] {
        county.agree(A, other, usual(now));
    }
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(B, &id, "of one");
    county.note(3, &id, "of the other");
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.pass(limits::ONWARD_ANSWER_S + 60);
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.len(), 2, "both are asked anew");
    // Withdrawn, and ordered again.
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    county.ask(B, Command::OnwardConsent { id: asked });
    county.run();
    cut(&mut county, &id, C);
    assert!(asks(&mut county, A).iter().all(|ask| ask.state != "open"), "nobody is asked for what was withdrawn");
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.len(), 1, "who said yes to this very thing, and did not take it back, stands by it; the other is still asked");
    // Taken back, it serves for nothing.
    cut(&mut county, &id, C);
    let given = asks(&mut county, B).into_iter().find(|ask| ask.state == "consented").expect("its consent").id;
    county.ask(B, Command::OnwardRefuse { id: given, reason: "harm".to_owned() });
    county.run();
    let again = let_in(&mut county, &id, C, "read", GrantTerms::default());
    assert_eq!(again.asked.len(), 2);
}

#[test]
fn one_recipient_is_consented_to_once_at_a_time_and_a_newer_ask_takes_the_place_of_an_open_one() {
    let (mut county, id) = written();
    county.pass(30);
    let by = officer(&mut county, A);
    let ask = |county: &County, n: u8| ConsentAsk { nonce: Nonce([n; 16]), ..consent_ask(county, &id, B, C, by) };
    for n in [1, 2] {
        let bytes = sealed(ask(&county, n), &County::key(A));
        county.bring(A, B, &Message::Onward(vec![bytes]));
    }
    let open = inbox(&mut county, B, "consent_ask");
    assert_eq!(open.len(), 1, "one of them waits for a person");
    county.ask(B, Command::OnwardConsent { id: open[0].clone() });
    let bytes = sealed(ask(&county, 3), &County::key(A));
    county.bring(A, B, &Message::Onward(vec![bytes]));
    assert!(inbox(&mut county, B, "consent_ask").is_empty(), "the owner has a consent that covers it");
    let stronger = ConsentAsk { verb: Verb::Append, ..ask(&county, 4) };
    county.bring(A, B, &Message::Onward(vec![sealed(stronger, &County::key(A))]));
    assert_eq!(inbox(&mut county, B, "consent_ask").len(), 1, "more than was consented to is asked");
}

#[test]
fn a_consent_answers_the_ask_it_names_and_no_other() {
    let (mut county, id) = written();
    let_in(&mut county, &id, C, "read", GrantTerms::default());
    let by = officer(&mut county, B);
    let other = Consent { ask: Some(StatementId([7; 32])), ..consent(&county, &id, B, C, by) };
    county.bring(B, A, &Message::Onward(vec![sealed(other, &County::key(B))]));
    assert_eq!(pending(&mut county, A)[0].state, "waiting");
    let asked = inbox(&mut county, B, "consent_ask")[0].clone();
    let named = Consent { ask: StatementId::from_hex(&asked), ..consent(&county, &id, B, C, by) };
    county.bring(B, A, &Message::Onward(vec![sealed(named, &County::key(B))]));
    county.pass(5);
    assert_eq!(pending(&mut county, A)[0].state, "grant_made");
}

#[test]
fn an_order_by_way_of_a_bureau_ends_with_its_cut_and_one_that_cannot_wait_leaves_the_other_alone() {
    let mut county = County::new(4);
    let now = county.now.wall;
    county.agree(A, B, asking(now));
    county.agree(A, 3, usual(now));
    county.agree(B, C, usual(now));
    county.link(A, C, false);
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(3, &id, "of the fourth");
    county.pass(30);
    let asked = ask(&mut county, &id);
    let sent = grant(&mut county, &asked, GrantTerms::default());
    assert!(!sent.pending.is_empty());
    // What the asker said is for the owner alone.
    let told = asks(&mut county, 3);
    assert_eq!((told.len(), told[0].purpose.as_str()), (1, ""));
    cut(&mut county, &id, B);
    assert!(pending(&mut county, A).is_empty(), "it would go by way of who was cut");
    assert!(asks(&mut county, A).iter().all(|ask| ask.kind != "consent" || ask.state != "open"), "nor is anybody asked for it");
}

#[test]
fn an_order_withdrawn_after_a_consent_came_and_given_again_is_carried_out_by_that_consent() {
    for consents_late in [false, true] {
        let mut county = County::new(4);
        let now = county.now.wall;
        for (one, other) in [(A, B), (A, 3), (A, C)] {
            county.agree(one, other, asking(now));
        }
        let id = county.open_case(A, &[B, 3], "title", "text");
        county.note(B, &id, "of the second");
        county.note(3, &id, "of the fourth");
        county.pass(30);
        let order = |county: &County| Command::AccessGrant {
            id: id.clone(),
            partner: county.nodes[C].name.clone(),
            verb: "read".to_owned(),
            terms: GrantTerms::default(),
        };
        let first = order(&county);
        county.ask(A, first);
        county.run();
        let mine = |county: &mut County, at: usize| asks(county, at).into_iter().filter(|ask| ask.kind == "consent").collect::<Vec<_>>();
        let asked = mine(&mut county, B)[0].id.clone();
        let withdraw = |county: &mut County| {
            let subject = county.nodes[C].name.clone();
            county.ask(A, Command::AccessCut { id: id.clone(), subject, strict: false });
            county.run();
            assert!(pending(county, A).is_empty(), "the order is withdrawn");
        };
        // The consent comes before the order is withdrawn, or crosses with that.
        if consents_late {
            withdraw(&mut county);
        }
        county.ask(B, Command::OnwardConsent { id: asked.clone() });
        county.run();
        if !consents_late {
            withdraw(&mut county);
        }
        county.pass(60);
        let again = order(&county);
        county.ask(A, again);
        county.run();
        county.pass(2 * limits::ONWARD_AGAIN_S);
        assert_eq!(mine(&mut county, B).len(), 1, "nobody is asked twice for the same");
        let fourth = mine(&mut county, 3).into_iter().find(|ask| ask.state == "open").expect("the other one is still asked").id;
        county.ask(3, Command::OnwardConsent { id: fourth });
        county.run();
        county.pass(60);
        assert!(
            access(&mut county, A, &id).holders.iter().any(|holder| holder.bureau == county.nodes[C].id.to_string()),
            "late: {consents_late}"
        );
    }
}

#[test]
fn an_ask_left_out_for_a_passing_reason_is_told_again_on_the_same_link() {
    let (mut county, id) = three();
    let by = officer(&mut county, B);
    let key = County::key(B);
    let many: Vec<Bytes> = (0..limits::ONWARD_OPEN_MAX)
        .map(|n| {
            let recipient = BureauId([u8::try_from(n).expect("few") + 60; 32]);
            let answer_by = county.now.wall.plus(600);
            sealed(OnwardAsk { recipient, answer_by, ..onward_ask(&county, &id, B, C, by) }, &key)
        })
        .collect();
    for page in many.chunks(limits::ONWARD_PAGE) {
        county.bring(B, A, &Message::Onward(page.to_vec()));
    }
    let asked = ask(&mut county, &id);
    assert!(asks(&mut county, A).iter().all(|ask| ask.id != asked), "its share is used up");
    county.pass(2 * limits::ONWARD_AGAIN_S);
    assert!(asks(&mut county, A).iter().any(|ask| ask.id == asked), "it gets through once there is room");
}

#[test]
fn a_consent_too_weak_for_the_document_covers_no_grant() {
    let (mut county, id) = written();
    county.pass(30);
    let by = officer(&mut county, B);
    let weak = Consent { tlp: Tlp::Clear, ..consent(&county, &id, B, C, by) };
    let grantee = Grantee::plain(county.nodes[C].id, Verb::Read, None);
    let push = cheat(&mut county, &id, grantee, vec![sealed(weak, &County::key(B))]);
    county.bring(A, B, &Message::Push(push));
    assert_eq!(status(&mut county, B).alarms.len(), 1);
}

#[test]
fn a_flood_of_grants_without_consent_is_one_line_a_push_and_a_share_of_alarms() {
    let (mut county, id) = written();
    county.pass(30);
    let strangers: Vec<Grantee> = (0..200).map(|n: u8| Grantee::plain(BureauId([n; 32]), Verb::Read, None)).collect();
    let push = cheat_all(&mut county, &id, strangers, Vec::new());
    county.bring(A, B, &Message::Push(push));
    assert_eq!((status(&mut county, B).alarms.len(), accounts(&county, B, "grant_without_consent")), (1, 1));
    for n in 0..80 {
        let push = cheat(&mut county, &id, Grantee::plain(BureauId([n + 100; 32]), Verb::Append, None), Vec::new());
        county.bring(A, B, &Message::Push(push));
    }
    // One, eighty more, and the share: what is above it is counted, also after a restart.
    let above = 81 - limits::ALARMS_PER_OWNER_MAX as u64;
    let counted = |county: &mut County| {
        let alarms = status(county, B).alarms;
        (alarms.iter().filter(|alarm| alarm.more == 0).count(), alarms.iter().map(|alarm| alarm.more).sum::<u64>())
    };
    assert_eq!(counted(&mut county), (limits::ALARMS_PER_OWNER_MAX, above));
    county.restart(B, &[A]);
    assert_eq!(counted(&mut county), (limits::ALARMS_PER_OWNER_MAX, above));
    assert_eq!(accounts(&county, B, "grant_without_consent"), limits::ALARMS_PER_OWNER_MAX, "what is above the share is in the log");
}

/// The usual, and another category besides: a link on which one category is suspended stays full.
fn two_lines(now: WallSeconds) -> Terms {
    let mut terms = asking(now);
    let mut other = terms.grants[0].clone();
    other.category = Category::Traf;
    terms.grants.push(other);
    terms
}

/// A record of A's registrar that a cheat in its place writes behind the head, with an officer's order.
fn cheat(county: &mut County, id: &str, grantee: Grantee, consents: Vec<Bytes>) -> Push {
    cheat_all(county, id, vec![grantee], consents)
}

fn cheat_all(county: &mut County, id: &str, grantees: Vec<Grantee>, consents: Vec<Bytes>) -> Push {
    let officer = officer(county, A);
    // A itself need not know of it.
    let log = access(county, B, id);
    let head = log.records.last().expect("a head");
    let order =
        Order { document: document(id), officer, act: OrderAct::Grant(grantees.clone()), at: county.now.wall, nonce: Nonce([1; 16]) };
    let order = sealed(order, &County::key(A));
    let kind = match consents.is_empty() {
        true => RecordKind::Grant(grantees, order),
        false => RecordKind::GrantWith(grantees, order, consents),
    };
    let directory = county.nodes[A].core.directory();
    let appointment = directory.bureau(&county.nodes[A].id).expect("known").appointments().next().expect("one").id();
    let record = Record {
        document: document(id),
        index: u32::try_from(head.index).expect("small") + 1,
        previous: RecordId::from_hex(&head.id).expect("an id"),
        registrar: county.nodes[A].identity.certificate,
        appointment,
        kind,
        at: county.now.wall,
    };
    let record = sealed(record, &SecretKey::from_seed([1; 32]));
    Push { records: vec![record], ..Push::empty(1, document(id)) }
}

#[test]
fn a_thousand_ends_in_a_strangers_document_cost_the_holder_nothing() {
    let (mut county, id) = written();
    county.agree(B, C, usual(county.now.wall));
    county.pass(30);
    let now = county.now.wall;
    // Nobody knows these bureaus; and one real partner of the holder is let in anew, each time for a little longer.
    let strangers = |from: u64| {
        (0..200)
            .map(move |n: u8| Grantee { until: Some(now.plus(from + u64::from(n))), ..Grantee::plain(BureauId([n; 32]), Verb::Read, None) })
    };
    let push = cheat_all(&mut county, &id, strangers(10).collect(), Vec::new());
    county.bring(A, B, &Message::Push(push));
    assert_eq!(access(&mut county, B, &id).holders.len(), 201, "itself and they");
    let epoch = county.nodes[B].core.policy_epoch();
    county.heard = Some(Vec::new());
    for _ in 0..240 {
        county.pass(1);
    }
    assert_eq!(county.nodes[B].core.policy_epoch(), epoch, "nothing that concerns anybody here ended");
    let said =
        county.heard.take().expect("on").into_iter().filter(|(from, _, message)| *from == B && matches!(message, Message::Equality { .. }));
    assert!(said.count() <= 4, "views are as they were");
}

#[test]
fn ends_of_partners_are_compared_once_a_minute() {
    let (mut county, id) = written();
    county.agree(B, C, usual(county.now.wall));
    county.pass(30);
    let now = county.now.wall;
    let ids: Vec<String> = (0..60).map(|n| county.open_case(A, &[B], &format!("case {n}"), "text")).collect();
    county.pass(30);
    for (n, id) in ids.iter().enumerate() {
        let until = now.plus(60 + n as u64);
        let grantee = Grantee { until: Some(until), ..Grantee::plain(county.nodes[C].id, Verb::Read, None) };
        let push = cheat(&mut county, id, grantee, Vec::new());
        county.bring(A, B, &Message::Push(push));
    }
    county.run();
    let epoch = county.nodes[B].core.policy_epoch();
    county.heard = Some(Vec::new());
    for _ in 0..120 {
        county.pass(1);
    }
    assert_eq!(county.nodes[B].core.policy_epoch(), epoch, "nothing was on its way");
    let heard = county.heard.take().expect("on");
    let said = heard.into_iter().filter(|(from, to, message)| *from == B && *to == C && matches!(message, Message::Equality { .. }));
    assert!(said.count() <= 6, "once a minute and no more");
    let _ = id;
}

#[test]
fn a_contributor_sees_a_grant_that_passed_it_over_also_behind_a_cut() {
    let (mut county, id) = written();
    county.pass(30);
    let grantee = Grantee::plain(county.nodes[C].id, Verb::Read, None);
    let push = cheat(&mut county, &id, grantee, Vec::new());
    county.bring(A, B, &Message::Push(push));
    assert_eq!(events(&mut county, B, "grant_without_consent").len(), 1);
    assert_eq!(accounts(&county, B, "grant_without_consent"), 1);
    assert_eq!(inbox(&mut county, B, "grant_without_consent"), std::slice::from_ref(&id));
    county.restart(B, &[A, C]);
    let alarm = status(&mut county, B).alarms;
    assert_eq!((alarm.len(), alarm[0].bureau_name.as_str(), alarm[0].document.as_str()), (1, "Bureau 3", id.as_str()));
    county.note(B, &id, "more");
    assert_eq!(accounts(&county, B, "grant_without_consent"), 1, "once");
}

#[test]
fn a_consent_for_something_else_does_not_stand_in_a_grant() {
    let (mut county, id) = written();
    county.pass(30);
    let other = county.open_case(A, &[B], "other", "text");
    let by = officer(&mut county, B);
    let key = County::key(B);
    let good = consent(&county, &id, B, C, by);
    let held = |county: &mut County| access(county, B, &id).records.len();
    let before = held(&mut county);
    let wrong: Vec<(Consent, SecretKey)> = vec![
        (Consent { document: document(&other), ..good.clone() }, County::key(B)),
        (Consent { recipient: county.nodes[A].id, ..good.clone() }, County::key(B)),
        (Consent { officer: officer(&mut county, C), ..good.clone() }, County::key(C)),
        (good.clone(), County::key(A)),
    ];
    for (wrong, key) in wrong {
        let grantee = Grantee::plain(county.nodes[C].id, Verb::Read, None);
        let push = cheat(&mut county, &id, grantee, vec![sealed(wrong.clone(), &key)]);
        county.bring(A, B, &Message::Push(push));
        assert_eq!(held(&mut county), before, "{wrong:?}");
    }
    // A consent for reading does not make a grant of writing good: the record stands, and the contributor raises the alarm.
    let grantee = Grantee::plain(county.nodes[C].id, Verb::Append, None);
    let weak = sealed(Consent { verb: Verb::Read, ..good }, &key);
    let push = cheat(&mut county, &id, grantee, vec![weak]);
    county.bring(A, B, &Message::Push(push));
    assert_eq!((held(&mut county), status(&mut county, B).alarms.len()), (before + 1, 1));
}

#[test]
fn an_answer_for_another_document_or_bureau_completes_nothing() {
    let (mut county, id) = written();
    let other = county.open_case(A, &[B], "other", "text");
    county.note(B, &other, "there too");
    let_in(&mut county, &id, C, "append", GrantTerms::default());
    let by = officer(&mut county, B);
    let key = County::key(B);
    let good = consent(&county, &id, B, C, by);
    for (wrong, why) in [
        (Consent { document: document(&other), ..good.clone() }, "another document"),
        (Consent { recipient: county.nodes[A].id, ..good.clone() }, "another bureau"),
        (Consent { verb: Verb::Read, ..good.clone() }, "less than asked"),
        (Consent { tlp: Tlp::Green, ..good.clone() }, "too mild"),
        (Consent { until: Some(county.now.wall.plus(60)), ..good.clone() }, "too short"),
    ] {
        county.bring(B, A, &Message::Onward(vec![sealed(wrong, &key)]));
        assert_eq!(pending(&mut county, A)[0].state, "waiting", "{why}");
    }
    county.bring(B, A, &Message::Onward(vec![sealed(good, &key)]));
    county.pass(5);
    assert_eq!(pending(&mut county, A)[0].state, "grant_made");
}

#[test]
fn onward_on_a_thread_others_wrote_in_asks_them_too_and_explain_cites_it_all() {
    let mut county = County::new(4);
    let now = county.now.wall;
    county.agree(A, B, asking(now));
    county.agree(A, 3, usual(now));
    county.agree(B, C, usual(now));
    county.link(A, C, false);
    let id = county.open_case(A, &[B, 3], "title", "text");
    county.note(B, &id, "of the asker");
    county.note(3, &id, "of the fourth");
    let asked = ask(&mut county, &id);
    let sent = grant(&mut county, &asked, GrantTerms::default());
    assert_eq!(sent.asked.iter().map(|asked| asked.name.as_str()).collect::<Vec<_>>(), ["Bureau 4"]);
    assert!(inbox(&mut county, A, "onward_ask").is_empty(), "an order answers it already");
    county.pass(30);
    assert!(!knows(&county, C, &id));
    let waiting = inbox(&mut county, 3, "consent_ask")[0].clone();
    county.ask(3, Command::OnwardConsent { id: waiting });
    county.pass(30);
    assert!(holds(&mut county, C, &id, "of the fourth") && holds(&mut county, C, &id, "of the asker"));
    let command = |at: usize, county: &County| Command::AccessExplain {
        id: id.clone(),
        bureau: county.nodes[at].id.to_string(),
        at: None,
        verb: "read".to_owned(),
    };
    let wanted = command(C, &county);
    let View::Explain(view) = county.ask(B, wanted) else { panic!("an explanation") };
    let way = view.ways.iter().find(|way| way.open).expect("B hands it on");
    let kinds: Vec<&str> = way.grounds.iter().map(|ground| ground.kind.as_str()).collect();
    assert_eq!(kinds, ["agreement", "clause", "granted", "via", "onward_ask", "consent", "consent"], "{way:?}");
    assert_eq!(view.answer, "yes");
}

#[test]
fn an_owner_that_grants_before_it_anchors_is_noticed_and_one_that_could_not_know_is_not() {
    let (mut county, id) = written();
    county.pass(3);
    assert_eq!(access(&mut county, B, &id).records.last().expect("a head").kind, "adopt", "nothing of B is settled yet");
    let grantee = Grantee::plain(county.nodes[C].id, Verb::Read, None);
    let push = cheat(&mut county, &id, grantee, Vec::new());
    county.bring(A, B, &Message::Push(push));
    assert_eq!(accounts(&county, B, "grant_without_consent"), 1, "the owner had what B wrote");

    let (mut county, id) = written();
    let thread = county.open_case(A, &[B], "another", "the owner's words");
    county.link(A, B, false);
    county.note(B, &thread, "written where the owner does not see it");
    let partner = county.nodes[C].name.clone();
    county.ask(A, Command::AccessGrant { id: thread, partner, verb: "read".to_owned(), terms: GrantTerms::default() });
    county.link(A, B, true);
    county.pass(60);
    assert_eq!(accounts(&county, B, "grant_without_consent"), 0);
    assert_eq!(accounts(&county, C, "grant_without_consent"), 0);
    drop(id);
}
