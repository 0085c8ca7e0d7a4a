//! A laptop that is away from its registrar for longer than was agreed locks what it holds, and opens it again at home.

use std::collections::BTreeMap;

use accord_keys::certificate::{Issuer, MemberKind};
use accord_keys::clock_reset::ClockReset;
use accord_keys::revocation::{Revocation, RevocationClass, RevocationTarget};
use accord_keys::seal::Sealed;
use accord_keys::secret::SecretKey;
use accord_protocol::access::log::{Held, Kind, Rights};
use accord_protocol::access::{self, Contact, Facts, Refusal};
use accord_protocol::agreement::exchange::AgreementBook;
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Tlp, Verb};
use accord_protocol::id::{DocumentId, RecordId};
use accord_protocol::input::{Command, Page};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use accord_protocol::view::{DocumentLine, ReadingView, Refused, View};
use accord_protocol::wire::Message;
use proptest::prelude::*;

use crate::county::{County, OFFICER, terms};
use crate::exchange::{at, concluded};
use crate::world::world;

const DAY: u64 = 86_400;

// ---- the rule ----

/// What a case of the first bureau looks like that let the second one in.
fn rights() -> Rights {
    let held = Held {
        verb: Verb::Append,
        record: RecordId([0xbb; 32]),
        since: at(1),
        agreement: None,
        via: None,
        tlp: None,
        until: None,
        no_fourth: false,
        came: 0,
        consents: BTreeMap::new(),
    };
    let mut rights = Rights::default();
    rights.bureaus.insert(world().bureaus[1].id, held);
    rights
}

fn with_facts<T>(ask: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (rights, contributors) = (rights(), BTreeMap::new());
    ask(&Facts {
        document: DocumentId([0xd0; 32]),
        owner: world().owner().id,
        kind: Kind::Case,
        category: Category::CrimSeries,
        tlp: Tlp::Amber,
        rights: &rights,
        hidden: false,
        contributors: &contributors,
    })
}

/// A line the first bureau gives: for whom, and how many days.
fn line(seats: Option<&str>, days: Option<u32>) -> Grant {
    Grant {
        direction: Direction::OffererGives,
        category: Category::CrimSeries,
        verbs: vec![Verb::Append],
        tlp_ceiling: Tlp::Amber,
        until: None,
        onward: Onward::None,
        offline_days_max: days,
        subjects_max: None,
        units: None,
        seats: seats.map(|seat| vec![seat.to_owned()]),
    }
}

/// What the second bureau knows of agreements with these lines, all of one version.
fn book(agreements: &[Vec<Grant>]) -> AgreementBook {
    let world = world();
    let mut book = AgreementBook::new(world.bureaus[1].id);
    for (n, grants) in agreements.iter().enumerate() {
        let terms = accord_protocol::agreement::Terms { grants: grants.clone(), ..crate::exchange::terms(5, 400 * DAY, &[]) };
        for statement in concluded(world, 0, 1, 1, None, terms, u8::try_from(n).expect("few") + 1) {
            book.learn(&world.directory, statement).expect("in order");
        }
    }
    book
}

/// Reading at the second bureau by its officer `reader`, or by nobody in particular, so long after the registrar was heard.
fn reading(
    book: &AgreementBook,
    bureau: usize,
    reader: Option<usize>,
    contact: impl Fn(WallSeconds) -> Contact,
    away: u64,
) -> Result<(), Refusal> {
    let bureau = &world().bureaus[bureau];
    let reader = reader.map(|n| bureau.officers[n].id);
    let member = reader.as_ref().map(|id| (id, world().directory.certificate(id).expect("known").body()));
    let heard = at(10);
    with_facts(|facts| access::check_reading(book, facts, bureau.id, member, contact(heard), heard.plus(away)))
}

fn away(book: &AgreementBook, reader: Option<usize>, seconds: u64) -> Result<(), Refusal> {
    reading(book, 1, reader, Contact::Away, seconds)
}

#[test]
fn a_laptop_keeps_what_a_partner_shared_for_the_days_of_the_line_and_not_a_second_longer() {
    let seven = book(&[vec![line(None, Some(7))]]);
    for reader in [None, Some(0)] {
        assert_eq!(away(&seven, reader, 7 * DAY - 1), Ok(()));
        let locked = away(&seven, reader, 7 * DAY).expect_err("seven days are over");
        let Refusal::ReadingLocked { clause: Some(clause), since, days } = locked else { panic!("{locked:?}") };
        assert_eq!((clause.line, since, days), (1, at(10), 7));
    }
    assert_eq!(reading(&seven, 1, Some(0), |_| Contact::Home, 1_000 * DAY), Ok(()), "a node, and a laptop at home, never lock");
    let none = book(&[vec![line(None, Some(0))]]);
    assert!(away(&none, None, 0).is_err(), "no day away");
    assert_eq!(reading(&none, 1, None, |_| Contact::Home, 0), Ok(()), "and still readable at home");
    let for_ever = book(&[vec![line(None, Some(u32::MAX))]]);
    assert_eq!(away(&for_ever, None, 100 * 365 * DAY), Ok(()));
    // A clock behind the last contact is no reason to lock.
    let before = with_facts(|facts| access::check_reading(&seven, facts, world().bureaus[1].id, None, Contact::Away(at(10)), at(3)));
    assert_eq!(before, Ok(()));
}

#[test]
fn a_line_for_a_unit_or_for_a_seat_is_for_nobody_in_particular() {
    let of_unit = Grant { units: Some(vec!["网安".to_owned()]), ..line(None, Some(60)) };
    for other in [line(Some("liaison"), Some(60)), of_unit] {
        let book = book(&[vec![line(None, Some(7)), other]]);
        assert_eq!(away(&book, None, 7 * DAY - 1), Ok(()));
        away(&book, None, 7 * DAY).expect_err("the line for all says seven days");
    }
}

#[test]
fn what_no_line_gives_a_figure_for_is_kept_for_thirty_days() {
    let month = u64::from(limits::OFFLINE_DAYS) * DAY;
    let without = book(&[vec![line(None, None)]]);
    let nothing = AgreementBook::new(world().bureaus[1].id);
    for book in [&without, &nothing] {
        assert_eq!(away(book, None, month - 1), Ok(()));
        let expected = Refusal::ReadingLocked { clause: None, since: at(10), days: limits::OFFLINE_DAYS };
        assert_eq!(away(book, None, month), Err(expected));
    }
    // The bureau's own documents came under no line, whatever it agreed with others.
    let seven = book(&[vec![line(None, Some(7))]]);
    assert_eq!(reading(&seven, 0, Some(0), Contact::Away, month - 1), Ok(()));
    assert!(reading(&seven, 0, Some(0), Contact::Away, month).is_err());
    // What an agreement says outright holds, also where it is more.
    assert_eq!(away(&book(&[vec![line(None, Some(60))]]), None, 60 * DAY - 1), Ok(()));
}

#[test]
fn of_an_agreement_that_is_over_what_it_said_still_holds() {
    let world = world();
    let mut ended = AgreementBook::new(world.bureaus[1].id);
    let terms = accord_protocol::agreement::Terms { grants: vec![line(None, Some(7))], ..crate::exchange::terms(5, 40, &[]) };
    for statement in concluded(world, 0, 1, 1, None, terms, 1) {
        ended.learn(&world.directory, statement).expect("in order");
    }
    assert_eq!(away(&ended, None, 7 * DAY - 1), Ok(()));
    assert!(away(&ended, None, 7 * DAY).is_err());
}

#[test]
fn of_two_conclusions_of_one_version_the_stricter_counts() {
    let both = book(&[vec![line(None, Some(7))], vec![line(None, Some(3))]]);
    assert_eq!(away(&both, None, 3 * DAY - 1), Ok(()));
    assert!(away(&both, None, 3 * DAY).is_err());
}

proptest! {
    #[test]
    fn reading_on_a_laptop_answers_what_a_plain_reading_of_the_lines_answers(
        lines in prop::collection::vec((0..3usize, prop::option::of(0..40u32)), 0..4),
        reader in prop::option::of(0..2usize),
        hours in 0..1_000u64,
        home in any::<bool>(),
    ) {
        // The first officer is on duty, the second in the archive.
        let seats = [None, Some("duty"), Some("archive")];
        let given: Vec<Grant> = lines.iter().map(|(seat, days)| line(seats[*seat], *days)).collect();
        let known = if given.is_empty() { AgreementBook::new(world().bureaus[1].id) } else { book(&[given]) };
        let contact = move |heard| if home { Contact::Home } else { Contact::Away(heard) };
        let found = reading(&known, 1, reader, contact, hours * 3_600);
        let mine: Vec<u32> = lines
            .iter()
            .filter(|(seat, _)| match reader {
                Some(n) => *seat == 0 || *seat == n + 1,
                None => *seat == 0 || lines.iter().all(|(seat, _)| *seat != 0),
            })
            .map(|(_, days)| days.unwrap_or(30))
            .collect();
        let expected = if reader.is_some() && mine.is_empty() && !lines.is_empty() {
            Err("not_their_seat")
        } else if !home && hours >= 24 * u64::from(mine.iter().copied().max().unwrap_or(30)) {
            Err("reading_locked")
        } else {
            Ok(())
        };
        prop_assert_eq!(found.map_err(|refusal| refusal.word()), expected);
    }
}

// ---- a laptop ----

const A: usize = 0;
const B: usize = 1;
/// A laptop of B.
const L: usize = 2;

/// A and B agree on `days`; B's laptop has a case of A and one of its own bureau, and is linked with B.
fn travelling(days: Option<u32>) -> (County, String, String) {
    let mut county = County::new(2);
    let mut agreed = terms(county.now.wall, 365, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict)]);
    agreed.grants[0].offline_days_max = days;
    county.agree(A, B, agreed);
    assert_eq!(county.add_device(B, MemberKind::Laptop), L);
    let theirs = county.open_case(A, &[B], "of the partner", "text");
    let own = county.open_case(B, &[A], "of our own", "text");
    county.link(B, L, true);
    county.pass(120);
    (county, theirs, own)
}

fn show(county: &mut County, at: usize, id: &str) -> Result<View, Refused> {
    county.asked(at, None, false, Command::DocumentShow { id: id.to_owned() })
}

/// The code of the refusal to show a document, or an empty word.
fn word(county: &mut County, at: usize, id: &str) -> String {
    show(county, at, id).err().map(|refused| refused.code).unwrap_or_default()
}

fn status(county: &mut County) -> Option<ReadingView> {
    let View::Status(status) = county.asked(L, None, false, Command::Status).expect("a status") else { panic!("a status") };
    status.reading
}

fn inbox(county: &mut County) -> Vec<(String, String)> {
    let View::Inbox { items } = county.asked(L, None, false, Command::Inbox).expect("an inbox") else { panic!("an inbox") };
    items.into_iter().filter(|item| item.kind.starts_with("reading")).map(|item| (item.kind, item.title)).collect()
}

fn listed(county: &mut County, id: &str) -> DocumentLine {
    let View::Documents { documents, .. } = county.asked(L, None, false, Command::CaseList(Page::default())).expect("a list") else {
        panic!("a list")
    };
    documents.into_iter().find(|line| line.id == id).expect("listed")
}

/// The laptop alone lives on; its store is asked nothing but how it is.
fn alone(county: &mut County, seconds: u64) {
    let mut left = seconds;
    while left > 0 {
        let step = left.min(500);
        left -= step;
        county.now = Now { mono: county.now.mono.plus(step * 1_000), wall: county.now.wall.plus(step) };
        let _ = status(county);
    }
}

/// Its process ends without a word, somebody sets its clock, and it starts again.
fn boot(county: &mut County, wall: WallSeconds) {
    county.now = Now { mono: MonoMillis(0), wall };
    let now = county.now;
    county.nodes[L].reopen(now);
}

#[test]
fn a_laptop_away_for_too_long_locks_what_the_partner_shared_and_opens_it_again_at_home() {
    let (mut county, theirs, own) = travelling(Some(3));
    assert_eq!(status(&mut county).map(|reading| (reading.home, reading.locked, reading.days_left)), Some((true, 0, 3)));
    let left = county.now.wall;
    county.link(B, L, false);
    county.pass(DAY / 2);
    assert_eq!(status(&mut county).map(|reading| (reading.home, reading.since, reading.days_left)), Some((false, left.0, 2)));
    assert_eq!((word(&mut county, L, &theirs), inbox(&mut county)), (String::new(), vec![]));
    county.pass(DAY);
    assert_eq!(inbox(&mut county), [("reading_locks".to_owned(), "1".to_owned())], "a day and a half are left");
    county.pass(DAY + DAY / 2);
    // What is locked is refused by every way in, and says since when, how much was allowed and by which line.
    let refused = show(&mut county, L, &theirs).expect_err("locked");
    let param = |name: &str| refused.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
    assert_eq!((refused.code.as_str(), param("since"), param("days")), ("reading_locked", left.0.to_string(), "3".to_owned()));
    assert!(param("cites").ends_with("#1"), "{refused:?}");
    let ask = |county: &mut County, command| county.asked(L, None, false, command).err().map(|refused| refused.code).unwrap_or_default();
    assert_eq!(ask(&mut county, Command::ProofExport { id: theirs.clone(), full: true }), "reading_locked");
    assert_eq!(ask(&mut county, Command::HeldShow { id: theirs.clone() }), "reading_locked");
    let line = listed(&mut county, &theirs);
    assert_eq!((line.locked, line.title.as_str(), line.number.is_empty()), (true, "", false), "listed, and a title is content");
    let View::Inbox { items } = county.asked(L, None, false, Command::Inbox).expect("an inbox") else { panic!("an inbox") };
    assert!(items.iter().all(|item| item.title != "of the partner"), "{items:?}");
    assert_eq!(inbox(&mut county), [("reading_locked".to_owned(), "1".to_owned())]);
    assert_eq!(status(&mut county).map(|reading| (reading.locked, reading.days_left)), Some((1, 27)));
    // Nothing else is: not the bureau's own, and nothing on a node.
    assert_eq!((word(&mut county, L, &own), listed(&mut county, &own).title.as_str()), (String::new(), "of our own"));
    assert_eq!((word(&mut county, B, &theirs), word(&mut county, A, &own)), (String::new(), String::new()));
    // A report is taken: writing shows nothing.
    county.log_in_again(L, County::key(B));
    let note = Command::CaseNote { id: theirs.clone(), kind: "note".to_owned(), text: "from the field".to_owned() };
    county.asked(L, Some(OFFICER), false, note).expect("taken");
    assert_eq!(
        county.asked(L, Some(OFFICER), false, Command::DocumentShow { id: theirs.clone() }).expect_err("locked").code,
        "reading_locked"
    );
    // It stays so over a restart, and opens by itself at home.
    let now = county.now;
    county.nodes[L].reopen(now);
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
    county.link(B, L, true);
    county.pass(60);
    assert_eq!((word(&mut county, L, &theirs), inbox(&mut county)), (String::new(), vec![]));
    assert_eq!(listed(&mut county, &theirs).title, "of the partner");
    // Another month at home, and a crash: it counts from the last day there, not from the last hello.
    county.pass(4 * DAY);
    let now = county.now;
    county.nodes[L].reopen(now);
    assert_eq!(word(&mut county, L, &theirs), "");
    assert_eq!(status(&mut county).map(|reading| (reading.home, reading.days_left)), Some((false, 2)));
}

#[test]
fn without_a_figure_the_partners_documents_and_our_own_lock_after_thirty_days() {
    let (mut county, theirs, own) = travelling(None);
    let second = county.add_sibling(B);
    county.link(B, second, true);
    county.pass(60);
    for device in [L, second] {
        county.link(B, device, false);
    }
    county.pass(30 * DAY - 600);
    assert_eq!((word(&mut county, L, &theirs), word(&mut county, L, &own)), (String::new(), String::new()));
    county.pass(1_200);
    for id in [theirs, own] {
        let refused = show(&mut county, L, &id).expect_err("locked");
        assert!(refused.params.contains(&("cites".to_owned(), String::new())) && refused.code == "reading_locked", "{refused:?}");
        assert_eq!(word(&mut county, B, &id), "", "a node never locks");
        assert_eq!(word(&mut county, second, &id), "", "nor does one that is away from its registrar");
    }
    let View::Status(status) = county.asked(second, None, false, Command::Status).expect("a status") else { panic!("a status") };
    assert_eq!(status.reading, None);
}

#[test]
fn a_clock_set_back_at_every_boot_gives_no_more_than_the_days_of_uptime() {
    let (mut county, theirs, _) = travelling(Some(2));
    county.link(B, L, false);
    let left = county.now.wall;
    for boots in 0..4 {
        assert_eq!(word(&mut county, L, &theirs), "", "after {boots} boots");
        alone(&mut county, 12 * 3_600 + 600);
        boot(&mut county, left);
    }
    assert_eq!(word(&mut county, L, &theirs), "reading_locked", "four times half a day it ran");
    // The wall clock says that no time passed at all.
    assert_eq!(county.now.wall, left);
}

#[test]
fn whoever_kills_it_before_the_floor_is_written_pays_for_what_was_read() {
    let (mut county, theirs, _) = travelling(Some(1));
    county.link(B, L, false);
    let left = county.now.wall;
    let mut boots = 0;
    while word(&mut county, L, &theirs).is_empty() {
        const { assert!(limits::FLOOR_EVERY_MS > 400_000, "no floor is due in so short a time") };
        county.now = Now { mono: county.now.mono.plus(400_000), wall: county.now.wall.plus(400) };
        let _ = show(&mut county, L, &theirs);
        boot(&mut county, left);
        boots += 1;
        assert!(boots <= DAY / 400, "it never locks");
    }
    assert!(boots >= DAY / 400 - 2, "and not before its time: {boots}");
}

#[test]
fn a_hello_alone_unlocks_nothing() {
    let (mut county, theirs, _) = travelling(Some(1));
    county.link(B, L, false);
    county.pass(DAY + 60);
    // Whoever holds the laptop lets in the registrar's hello, and nothing behind it, and says it again every day.
    county.link_quietly(B, L, true);
    county.heard = Some(Vec::new());
    while !county
        .heard
        .as_ref()
        .is_some_and(|heard| heard.iter().any(|(from, to, said)| (*from, *to) == (B, L) && matches!(said, Message::Hello(_))))
    {
        assert!(county.run_some(1) > 0, "there is a hello");
    }
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
    for (at, peer) in [(B, L), (L, B)] {
        let transport = county.transport(peer);
        county.link_one(at, peer, transport, false);
    }
    assert_eq!(
        (word(&mut county, L, &theirs), status(&mut county).map(|reading| reading.home)),
        ("reading_locked".to_owned(), Some(false))
    );
    county.link(B, L, true);
    county.pass(10);
    assert_eq!(word(&mut county, L, &theirs), "");
}

#[test]
fn a_laptop_that_was_told_of_its_revocation_shows_nothing_however_long_its_link_stays() {
    let (mut county, theirs, own) = travelling(Some(1));
    county.link(B, L, false);
    let (identity, device) = (county.nodes[B].identity.clone(), county.nodes[L].identity.certificate);
    let body = Revocation {
        bureau: identity.bureau,
        target: RevocationTarget::Certificate(device),
        class: RevocationClass::Compromised,
        at: county.now.wall,
        issuer: Issuer::Root(county.nodes[B].core.directory().root_head(&identity.bureau).expect("known")),
    };
    let sealed = Sealed::seal(&identity.network, body, &[&SecretKey::from_seed([82; 32])]).expect("seals");
    county.ask(B, Command::Install { bytes: sealed.to_bytes() });
    county.pass(DAY / 2);
    assert_eq!(word(&mut county, L, &theirs), "", "it does not know");
    county.link(B, L, true);
    for _ in 0..2 {
        county.pass(60);
        assert!(county.nodes[L].core.directory().revoked(&device).is_some(), "it was told");
        assert_eq!((word(&mut county, L, &theirs), word(&mut county, L, &own)), ("may_not_read".to_owned(), "may_not_read".to_owned()));
        assert!(listed_titles(&mut county).iter().all(String::is_empty), "nor in lists");
        county.pass(DAY);
    }
    let told = status(&mut county).expect("a laptop");
    assert_eq!((told.home, told.locked), (false, 2));
}

/// Titles the laptop lists.
fn listed_titles(county: &mut County) -> Vec<String> {
    let View::Documents { documents, .. } = county.asked(L, None, false, Command::CaseList(Page::default())).expect("a list") else {
        panic!("a list")
    };
    documents.into_iter().map(|line| line.title).collect()
}

#[test]
fn a_laptop_that_is_revoked_while_its_link_stands_shows_nothing_from_then_on() {
    let (mut county, theirs, _) = travelling(Some(1));
    let (identity, device) = (county.nodes[B].identity.clone(), county.nodes[L].identity.certificate);
    let body = Revocation {
        bureau: identity.bureau,
        target: RevocationTarget::Certificate(device),
        class: RevocationClass::Retired,
        at: county.now.wall,
        issuer: Issuer::Root(county.nodes[B].core.directory().root_head(&identity.bureau).expect("known")),
    };
    let sealed = Sealed::seal(&identity.network, body, &[&SecretKey::from_seed([82; 32])]).expect("seals");
    assert_eq!(word(&mut county, L, &theirs), "");
    county.ask(B, Command::Install { bytes: sealed.to_bytes() });
    county.pass(60);
    assert_eq!(word(&mut county, L, &theirs), "may_not_read");
    county.pass(2 * DAY);
    county.link(B, L, false);
    assert_eq!(word(&mut county, L, &theirs), "may_not_read", "its link stood, and its days did not begin anew");
}

#[test]
fn a_wild_wall_clock_at_the_contact_does_not_lengthen_the_days() {
    let (mut county, theirs, _) = travelling(Some(2));
    let right = county.now;
    // Its clock alone jumps ten years ahead while it is at home; then it leaves, and the clock is set right again.
    county.now.wall = right.wall.plus(3_650 * DAY);
    let _ = status(&mut county);
    for (at, peer) in [(L, B), (B, L)] {
        let transport = county.transport(peer);
        county.link_one(at, peer, transport, false);
    }
    assert_eq!(word(&mut county, L, &theirs), "reading_locked", "a wild clock denies while it lasts");
    county.now = right;
    let _ = status(&mut county);
    assert_eq!(word(&mut county, L, &theirs), "");
    alone(&mut county, 2 * DAY);
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
    let row = |key: &[u8]| {
        county.nodes[L].rows.get(&(Table::Local, key.to_vec())).map(|value| u64::from_be_bytes(value[..].try_into().expect("8 bytes")))
    };
    assert!(row(b"registrar_heard").is_some_and(|heard| heard <= right.wall.0), "nor does it keep it in touch");
}

#[test]
fn a_contact_noted_under_a_poisoned_floor_is_not_believed_once_the_root_lowers_it() {
    let (mut county, theirs, _) = travelling(Some(2));
    county.link(B, L, false);
    let right = county.now;
    // It starts with its clock four weeks ahead, which a start believes, and is at home for a moment; then the clock is set right.
    boot(&mut county, right.wall.plus(28 * DAY));
    county.link(B, L, true);
    county.pass(10);
    assert_eq!(status(&mut county).map(|reading| (reading.home, reading.since >= right.wall.0 + 28 * DAY)), Some((true, true)));
    for (at, peer) in [(L, B), (B, L)] {
        let transport = county.transport(peer);
        county.link_one(at, peer, transport, false);
    }
    county.now = Now { mono: county.now.mono.plus(1_000), wall: right.wall };
    let _ = status(&mut county);
    let identity = county.nodes[L].identity.clone();
    let root = county.nodes[L].core.directory().root_head(&identity.bureau).expect("known");
    let reset = ClockReset { bureau: identity.bureau, floor: right.wall, at: right.wall, root };
    let sealed = Sealed::seal(&identity.network, reset, &[&SecretKey::from_seed([82; 32])]).expect("seals");
    county.asked(L, None, false, Command::Install { bytes: sealed.to_bytes() }).expect("it heals the clock");
    assert_eq!(status(&mut county).map(|reading| reading.since), Some(right.wall.0), "no contact lies ahead");
    alone(&mut county, 2 * DAY + 600);
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
}

#[test]
fn access_explain_says_what_a_laptop_shows_and_until_when() {
    let (mut county, theirs, own) = travelling(Some(2));
    county.link(B, L, false);
    let left = county.now.wall;
    let explain = |county: &mut County, at: usize, id: &str| {
        let bureau = county.nodes[B].name.clone();
        let command = Command::AccessExplain { id: id.to_owned(), bureau, at: None, verb: "read".to_owned() };
        let View::Explain(view) = county.asked(at, None, false, command).expect("an answer") else { panic!("an explanation") };
        let shown = view.ways.iter().find(|way| way.verb == "show").map(|way| {
            let kinds: Vec<&str> = way.grounds.iter().map(|ground| ground.kind.as_str()).collect();
            let last = way.grounds.last().expect("a ground");
            (way.open, way.why.clone(), kinds.join(" "), last.number, last.from, last.to)
        });
        (view.answer, shown)
    };
    let until = left.0 + 2 * DAY;
    let expected = |open: bool, why: &str| Some((open, why.to_owned(), "clause offline".to_owned(), 2, left.0, until));
    assert_eq!(explain(&mut county, L, &theirs), ("yes".to_owned(), expected(true, "ok")));
    county.pass(2 * DAY);
    assert_eq!(explain(&mut county, L, &theirs), ("no".to_owned(), expected(false, "reading_locked")));
    let (answer, shown) = explain(&mut county, L, &own);
    assert_eq!((answer.as_str(), shown.map(|shown| (shown.2, shown.3))), ("yes", Some(("offline".to_owned(), 30))));
    assert_eq!(explain(&mut county, B, &theirs), ("yes".to_owned(), None), "a node has nothing to say of it");
}

#[test]
fn a_store_of_before_counts_from_what_it_noted_and_never_from_later_than_its_floor() {
    let (mut county, theirs, _) = travelling(Some(2));
    county.link(B, L, false);
    let left = county.now.wall;
    let rows = &mut county.nodes[L].rows;
    rows.remove(&(Table::Local, b"registrar_told".to_vec()));
    rows.insert((Table::Local, b"registrar_heard".to_vec()), (left.0 + 3_650 * DAY).to_be_bytes().to_vec());
    boot(&mut county, left);
    assert_eq!(word(&mut county, L, &theirs), "");
    alone(&mut county, 2 * DAY + 1_200);
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
    // One that never noted anything counts from its certificate.
    let rows = &mut county.nodes[L].rows;
    rows.remove(&(Table::Local, b"registrar_told".to_vec()));
    rows.remove(&(Table::Local, b"registrar_heard".to_vec()));
    let now = county.now;
    county.nodes[L].reopen(now);
    assert_eq!(word(&mut county, L, &theirs), "reading_locked");
}
