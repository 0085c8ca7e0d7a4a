//! One text, many pairs: one act a bureau whatever the order, versions side by side, deviations, and what nobody can claim.

use std::collections::BTreeSet;

use accord_keys::seal::Sealed;
use accord_keys::secret::SecretKey;
use accord_protocol::agreement::annex::{Annex, Form, Heads, Pairing};
use accord_protocol::agreement::compact::{Compact, CompactFile, FileError, Member, NotUnder, Place};
use accord_protocol::agreement::exchange::{AgreementBook, AgreementStatement, Conclude, Offer};
use accord_protocol::agreement::{Category, Direction, Pair, Terms, Tlp, Verb};
use accord_protocol::id::{AgreementId, BureauId, Bytes, CertificateId, CompactId, Digest, NetworkId, Nonce, StatementId};
use accord_protocol::input::{Command, CompactDraft, Draft};
use accord_protocol::limits::EVIDENCE_MAX;
use accord_protocol::step::Table;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{CompactPairView, CompactView, ReceiverView, Refused, SendingView, View};
use accord_protocol::wire::Message;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::county::{County, OFFICER, terms, usual};
use crate::world::START;

const DAY: u64 = 86_400;
const NAME: &str = "River compact";

fn compact(view: View) -> CompactView {
    match view {
        View::Compact(compact) => *compact,
        other => panic!("a compact, not {other:?}"),
    }
}

fn draft(county: &County, roster: &[usize], terms: Terms) -> CompactDraft {
    let roster = roster.iter().map(|at| county.nodes[*at].name.clone()).collect();
    CompactDraft { name: NAME.to_owned(), terms, roster, previous: None }
}

/// A compact written by the first bureau for itself and these; everybody heard of it.
fn written(county: &mut County, others: &[usize], terms: Terms) -> String {
    let draft = draft(county, others, terms);
    let made = compact(county.ask(0, Command::CompactNew(draft)));
    county.run();
    made.id
}

fn sign(county: &mut County, at: usize, id: &str) -> CompactView {
    compact(county.ask(at, Command::CompactSign { id: id.to_owned() }))
}

fn status(county: &mut County, at: usize, id: &str) -> CompactView {
    compact(county.ask(at, Command::CompactStatus { id: id.to_owned(), text: false }))
}

fn pair_of(view: &CompactView, county: &County, other: usize) -> CompactPairView {
    let id = county.nodes[other].id.to_string();
    view.pairs.iter().find(|pair| pair.bureau == id).cloned().expect("on the roster")
}

fn refused(county: &mut County, at: usize, command: Command) -> Refused {
    county.asked(at, Some(OFFICER), false, command).expect_err("refused")
}

fn publish(to: &str) -> Command {
    let text = Draft { title: "t".to_owned(), text: "x".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let text = Draft { subkind: "notice".to_owned(), ..text };
    Command::BulletinPublish { draft: None, text: Some(text), to: vec![to.to_owned()], open: true }
}

/// Whom `compact:NAME` reaches, and the others with the reason.
fn reached(county: &mut County, at: usize, to: &str) -> (BTreeSet<String>, Vec<(String, String)>) {
    let Ok(View::Sending(SendingView { receivers, .. })) = county.asked(at, Some(OFFICER), true, publish(to)) else { panic!("foreseen") };
    let (will, will_not): (Vec<ReceiverView>, Vec<ReceiverView>) = receivers.into_iter().partition(|receiver| receiver.will_receive);
    let others = will_not.into_iter().map(|receiver| (receiver.name, receiver.why)).collect();
    (will.into_iter().map(|receiver| receiver.name).collect(), others)
}

fn names(county: &County, of: &[usize]) -> BTreeSet<String> {
    of.iter().map(|at| county.nodes[*at].name.clone()).collect()
}

/// Every agreement statement anywhere in the county, once.
fn statements(county: &County) -> usize {
    let keys = county.nodes.iter().flat_map(|node| node.rows.keys());
    keys.filter(|(table, _)| *table == Table::Agreements).map(|(_, key)| key.clone()).collect::<BTreeSet<_>>().len()
}

fn acts(county: &County, at: usize) -> usize {
    county.nodes[at].accounts.iter().filter(|line| line.kind == "compact_sign").count()
}

/// Everybody signs once, in a seeded order; sometimes what was said travels before the next one signs, sometimes it crosses.
fn sign_in_any_order(count: u8, seed: u64) {
    let mut county = County::new(count);
    let everybody: Vec<usize> = (0..usize::from(count)).collect();
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &everybody[1..], wanted);
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut order = everybody.clone();
    order.shuffle(&mut dice);
    for at in order {
        let signed = sign(&mut county, at, &id);
        assert!(signed.pairs.iter().all(|pair| pair.card == "checked"), "seed {seed}");
        if dice.random_bool(0.5) {
            county.run();
        }
    }
    county.run();
    let pairs = usize::from(count) * usize::from(count - 1) / 2;
    let mut in_force = 0;
    for at in everybody {
        let shown = status(&mut county, at, &id);
        let standing: BTreeSet<&str> = shown.pairs.iter().map(|pair| pair.standing.as_str()).collect();
        assert_eq!(standing, BTreeSet::from(["in_force"]), "seed {seed}, bureau {at}");
        assert!(shown.pairs.iter().all(|pair| pair.we_signed && pair.they_signed && pair.differs.is_none()), "seed {seed}");
        assert_eq!((shown.counts.in_force, shown.counts.next_end), (u64::from(count) - 1, shown.to), "seed {seed}");
        assert_eq!(acts(&county, at), 1, "one act a bureau, seed {seed}");
        in_force += shown.pairs.len();
    }
    assert_eq!(in_force, 2 * pairs, "seed {seed}");
    // An offer, the other side's seal (an accept or an equal offer) and a conclusion: three a pair, whatever the order.
    assert_eq!(statements(&county), 3 * pairs, "seed {seed}");
}

#[test]
fn twenty_nine_bureaus_sign_all_their_406_pairs_with_one_act_each() {
    sign_in_any_order(29, 29);
}

#[test]
fn in_whatever_order_and_however_they_cross() {
    for seed in 0..12 {
        sign_in_any_order(5, seed);
    }
}

#[test]
fn effects_come_before_the_seal_and_a_second_act_does_nothing() {
    let mut county = County::new(3);
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1, 2], wanted);
    let rows = county.nodes[1].rows.clone();
    let Ok(View::Compact(told)) = county.asked(1, Some(OFFICER), true, Command::CompactSign { id: NAME.to_owned() }) else { panic!() };
    assert!(told.dry_run);
    for pair in &told.pairs {
        let effects = pair.effects.as_ref().expect("said before");
        assert_eq!((effects.act.as_str(), effects.standing_after.as_str(), effects.link_after.as_str()), ("offer", "in_force", "full"));
    }
    assert_eq!(county.nodes[1].rows, rows, "asking leaves no trace");
    let words = |view: &CompactView| view.pairs.iter().map(|pair| (pair.next.clone(), pair.done.clone())).collect::<Vec<_>>();
    let both = |next: &str, done: &str| vec![(next.to_owned(), done.to_owned()); 2];
    assert_eq!(words(&sign(&mut county, 1, NAME)), both("offered", "offered"));
    assert_eq!(words(&sign(&mut county, 1, NAME)), both("offered", ""));
    county.run();
    let Ok(View::Compact(told)) = county.asked(0, Some(OFFICER), true, Command::CompactSign { id: id.clone() }) else { panic!() };
    assert_eq!(pair_of(&told, &county, 1).effects.expect("said before").act, "accept");
    sign(&mut county, 0, &id);
    sign(&mut county, 2, &id);
    county.run();
    let before = statements(&county);
    for at in 0..3 {
        assert_eq!(words(&sign(&mut county, at, &id)), both("signed", ""));
    }
    county.run();
    assert_eq!(statements(&county), before);
    let now = county.now;
    county.nodes[2].reopen(now);
    assert_eq!(status(&mut county, 2, NAME).counts.in_force, 2, "also after a restart");
}

#[test]
fn a_bureau_that_never_checks_a_card_holds_up_its_own_pair_only() {
    let mut county = County::where_checked(4, |reader, owner| (reader, owner) != (3, 1));
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1, 2, 3], wanted);
    for at in 0..4 {
        sign(&mut county, at, &id);
        county.run();
    }
    let shown = status(&mut county, 3, &id);
    assert_eq!((shown.counts.in_force, shown.counts.card), (2, 1));
    let waiting = pair_of(&shown, &county, 1);
    assert_eq!((waiting.card.as_str(), waiting.standing.as_str(), waiting.next.as_str()), ("unchecked", "none", "unchecked_card"));
    assert!(waiting.they_signed && !waiting.we_signed);
    assert_eq!(status(&mut county, 1, &id).counts.open, 1);
    assert_eq!(reached(&mut county, 3, "compact:River compact").0, names(&county, &[0, 2]));
    // The card is checked later: the same act again signs what was missing and nothing else.
    let View::Card(card) = county.ask(1, Command::CardShow) else { panic!("a card") };
    county.ask(3, Command::PartnerAdd { card: card.text, checking_code: Some(card.checking_code), alias: None });
    let View::Inbox { items } = county.ask(3, Command::Inbox) else { panic!() };
    assert_eq!(items.iter().filter(|item| item.kind == "compact").map(|item| item.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert!(items.iter().all(|item| item.kind != "offer"), "equal offers are one task, not many");
    let done: Vec<String> = sign(&mut county, 3, &id).pairs.into_iter().map(|pair| pair.done).filter(|done| !done.is_empty()).collect();
    assert_eq!(done, ["accepted"]);
    county.run();
    assert_eq!(status(&mut county, 3, &id).counts.in_force, 3);
}

/// `count` bureaus with every pair in force.
fn signed(count: u8) -> (County, String) {
    let mut county = County::new(count);
    let everybody: Vec<usize> = (0..usize::from(count)).collect();
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &everybody[1..], wanted);
    for at in everybody {
        sign(&mut county, at, &id);
        county.run();
    }
    county.pass(30);
    (county, id)
}

#[test]
fn during_an_amendment_both_versions_run_and_pairs_move_one_by_one() {
    let (mut county, first) = signed(4);
    let wider =
        terms(county.now.wall, 300, &[(Category::CrimSeries, Verb::Append, Tlp::AmberStrict), (Category::Traf, Verb::Read, Tlp::Amber)]);
    let amended = CompactDraft { name: String::new(), terms: wider, roster: Vec::new(), previous: Some(NAME.to_owned()) };
    // Anybody on the roster may write an amendment; it is signed by its id, since a name alone must not mean what somebody else wrote.
    let second = compact(county.ask(2, Command::CompactNew(amended)));
    assert_eq!((second.version, second.previous.as_str(), second.roster), (2, first.as_str(), 4));
    county.run();
    assert_eq!(refused(&mut county, 0, Command::CompactSign { id: NAME.to_owned() }).code, "ambiguous_name");
    assert_eq!(status(&mut county, 0, NAME).id, first, "what was signed is what the name means");
    assert_eq!(status(&mut county, 0, &first).newer, second.id);
    sign(&mut county, 0, &second.id);
    sign(&mut county, 2, &second.id);
    county.run();
    county.pass(30);
    for (at, moved) in [(0, 1), (2, 1), (1, 0), (3, 0)] {
        let shown = status(&mut county, at, &second.id);
        assert_eq!((shown.counts.in_force, shown.counts.other_version), (moved, 3 - moved), "bureau {at}");
        assert_eq!(reached(&mut county, at, "compact:River compact").0.len(), 3, "both versions count as membership");
    }
    let shown = status(&mut county, 0, &second.id);
    assert_eq!((pair_of(&shown, &county, 2).version, pair_of(&shown, &county, 1).version), (2, 1));
    assert_eq!((pair_of(&shown, &county, 2).agreement_version, pair_of(&shown, &county, 1).next.as_str()), (2, "offered"));
    for at in [1, 3] {
        sign(&mut county, at, &second.id);
    }
    county.run();
    for at in 0..4 {
        assert_eq!(status(&mut county, at, NAME).counts.in_force, 3);
        let back = sign(&mut county, at, &first);
        assert!(back.pairs.iter().all(|pair| pair.next == "newer_signed" && pair.done.is_empty()), "no pair goes back");
    }
    county.run();
    assert_eq!(status(&mut county, 0, NAME).version, 2);
}

#[test]
fn a_pair_may_deviate_in_sight_and_never_outlive_the_compact() {
    let (mut county, id) = signed(3);
    let partner = county.nodes[1].name.clone();
    let deviate = |terms: Terms| Command::CompactDeviate { id: NAME.to_owned(), partner: partner.clone(), terms };
    let narrow = terms(county.now.wall, 200, &[(Category::CrimSeries, Verb::Read, Tlp::Amber)]);
    let late = Terms { to: START.plus(366 * DAY), ..narrow.clone() };
    assert_eq!(refused(&mut county, 0, deviate(late)).code, "not_under_compact");
    county.ask(0, deviate(narrow));
    county.run();
    // One act for all pairs signs the common text only.
    let told = sign(&mut county, 1, &id);
    assert_eq!(pair_of(&told, &county, 0).next, "signed", "the common text stands while a deviation is on offer");
    let View::Inbox { items } = county.ask(1, Command::Inbox) else { panic!() };
    let offer = items.into_iter().find(|item| item.kind == "offer").expect("a deviation is a task of its own").id;
    county.ask(1, Command::AgreementAccept { id: offer.clone() });
    county.run();
    for (at, other) in [(0, 1), (1, 0)] {
        let shown = status(&mut county, at, &id);
        let pair = pair_of(&shown, &county, other);
        assert_eq!((shown.counts.in_force, shown.counts.deviating, pair.version), (2, 1, 1));
        assert_eq!(pair.standing, "in_force");
        let differs = pair.differs.expect("said how");
        assert!(differs.to.is_some() && differs.lines.iter().all(|line| line.change == "narrowed"), "{differs:?}");
        assert_eq!(shown.counts.next_end, START.0 + 30 + 200 * DAY);
    }
    assert_eq!(reached(&mut county, 0, "compact:River compact").1, [(county.nodes[1].name.clone(), "ceiling".to_owned())]);
    let to = START.plus(400 * DAY);
    assert_eq!(refused(&mut county, 0, Command::AgreementRenew { id: offer, from: None, to }).code, "not_under_compact");
}

#[test]
fn before_anything_is_signed_a_deviation_is_left_to_a_look_of_its_own() {
    let mut county = County::new(3);
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1, 2], wanted);
    let narrow = terms(county.now.wall, 200, &[(Category::CrimSeries, Verb::Read, Tlp::Amber)]);
    let partner = county.nodes[1].name.clone();
    county.ask(0, Command::CompactDeviate { id: id.clone(), partner, terms: narrow });
    county.run();
    let ours = sign(&mut county, 0, &id);
    assert_eq!(pair_of(&ours, &county, 1).next, "deviation_by_us");
    let theirs = sign(&mut county, 1, &id);
    assert_eq!((pair_of(&theirs, &county, 0).next.as_str(), pair_of(&theirs, &county, 2).done.as_str()), ("deviation_to_us", "offered"));
}

#[test]
fn a_deviation_for_a_bureau_off_the_roster_tells_it_nothing_of_the_compact() {
    let mut county = County::new(3);
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1], wanted.clone());
    let partner = county.nodes[2].name.clone();
    let deviate = Command::CompactDeviate { id, partner, terms: wanted };
    assert_eq!(refused(&mut county, 0, deviate).code, "not_under_compact");
    county.run();
    assert_eq!(county.nodes[2].accounts.iter().filter(|line| line.kind == "compact_refused").count(), 0, "it was shown to it");
}

#[test]
fn a_name_addresses_and_blocks_only_where_our_officers_wrote_or_signed_it() {
    let (mut county, _) = signed(3);
    let wanted = usual(county.now.wall);
    // One on the roster writes an amendment under another name, and a compact of its own under a third.
    let renamed =
        CompactDraft { name: "Flood compact".to_owned(), terms: wanted.clone(), roster: Vec::new(), previous: Some(NAME.to_owned()) };
    let second = compact(county.ask(2, Command::CompactNew(renamed)));
    let fresh = CompactDraft { name: "Lake compact".to_owned(), ..draft(&county, &[0, 1], wanted.clone()) };
    county.ask(2, Command::CompactNew(fresh));
    county.run();
    assert_eq!(status(&mut county, 0, &second.id).name, "Flood compact", "it is known here, and not signed");
    assert_eq!(refused(&mut county, 0, publish("compact:Flood compact")).code, "unknown_compact");
    assert_eq!(reached(&mut county, 0, "compact:River compact").0, names(&county, &[1, 2]));
    for name in ["Flood compact", "Lake compact"] {
        let ours = CompactDraft { name: name.to_owned(), ..draft(&county, &[1], wanted.clone()) };
        let made = compact(county.ask(0, Command::CompactNew(ours)));
        assert_eq!(status(&mut county, 0, name).id, made.id, "ours is meant");
    }
    let again = draft(&county, &[1], wanted);
    assert_eq!(refused(&mut county, 0, Command::CompactNew(again)).code, "compact_name_taken");
    // Once signed its name counts.
    county.run();
    sign(&mut county, 1, &second.id);
    sign(&mut county, 2, &second.id);
    county.run();
    county.pass(30);
    assert_eq!(reached(&mut county, 1, "compact:Flood compact").0, names(&county, &[0, 2]), "both versions are one compact");
}

#[test]
fn a_no_to_an_offer_stands_until_somebody_accepts_by_name() {
    for (one, other) in [(0, 1), (1, 0)] {
        let mut county = County::new(2);
        let wanted = usual(county.now.wall);
        let id = written(&mut county, &[1], wanted);
        sign(&mut county, one, &id);
        county.run();
        let View::Agreements { agreements } = county.ask(other, Command::AgreementList) else { panic!() };
        let offer = agreements.into_iter().find(|agreement| agreement.standing == "offered_to_us").expect("heard").id;
        county.ask(other, Command::AgreementDecline { id: offer, reason: "not now".to_owned() });
        county.run();
        assert_eq!(pair_of(&status(&mut county, one, &id), &county, other).next, "declined");
        // Who said no thinks better of it: its own offer is a new one, and the declined one is no seal on it.
        let done = pair_of(&sign(&mut county, other, &id), &county, one).done;
        assert_eq!(done, "offered");
        county.run();
        for (at, with) in [(one, other), (other, one)] {
            assert_eq!(pair_of(&status(&mut county, at, &id), &county, with).standing, "none", "bureau {at} of {one}, {other}");
        }
        assert_eq!(pair_of(&sign(&mut county, one, &id), &county, other).done, "accepted");
        county.run();
        for (at, with) in [(one, other), (other, one)] {
            assert_eq!(pair_of(&status(&mut county, at, &id), &county, with).standing, "in_force", "bureau {at} of {one}, {other}");
        }
    }
}

#[test]
fn a_conclusion_by_crossing_against_a_no_gives_nothing_in_whatever_order_it_comes() {
    use crate::exchange::{conclude, decline};
    let world = crate::world::world();
    let offer = |from: usize, to: usize| {
        let (one, other) = (&world.bureaus[from], &world.bureaus[to]);
        let terms = named(&usual(START), &"c0".repeat(32));
        let (at, expires, officer, nonce) = (START, START.plus(DAY), one.officers[0].id, Nonce([9; 16]));
        let offer = Offer { offerer: one.id, acceptor: other.id, version: 1, previous: None, terms, at, expires, officer, nonce };
        AgreementStatement::Offer(crate::world::verified(offer, &[one.officers[0].seed]))
    };
    let (ours, theirs) = (offer(0, 1), offer(1, 0));
    let node = world.bureaus[0].node;
    let body = Conclude { offer: ours.offer(), accept: theirs.id(), registrar: node.id, epoch: 1, at: START.plus(2) };
    let crossing = AgreementStatement::Conclude(crate::world::verified(body, &[node.seed]));
    let pair = Pair::of(world.bureaus[0].id, world.bureaus[1].id);
    let book = |order: &[&AgreementStatement]| {
        let mut book = AgreementBook::new(world.bureaus[0].id);
        for statement in [&ours, &theirs].into_iter().chain(order.iter().copied()) {
            assert_eq!(book.learn(&world.directory, statement.clone()), Ok(true));
        }
        book
    };
    let now = START.plus(60);
    assert_eq!(book(&[&crossing]).in_force(pair, now).len(), 1);
    for (by, declined) in [(1, &ours), (0, &theirs)] {
        let no = decline(world, by, declined.offer());
        assert_eq!(book(&[&no]).accepted_by(&ours.offer()), None, "bureau {by}");
        let (first, last) = (book(&[&no, &crossing]), book(&[&crossing, &no]));
        assert_eq!(first.policy(pair, now), last.policy(pair, now), "bureau {by}");
        for book in [first, last] {
            assert!(book.in_force(pair, now).is_empty(), "bureau {by}");
            assert_eq!(book.newest_version(pair), 1, "its number is spent: nothing older comes back");
        }
    }
    // What an officer accepted by name stands.
    let accept = crate::exchange::accept(world, 1, ours.offer(), 0);
    let by_name = conclude(world, 0, &accept);
    let no = decline(world, 1, ours.offer());
    assert_eq!(book(&[&accept, &by_name, &no]).in_force(pair, now).len(), 1);
}

#[test]
fn a_version_that_was_concluded_against_a_no_takes_the_place_of_the_older_one_and_gives_nothing() {
    use crate::exchange::{concluded, decline};
    let world = crate::world::world();
    let first = concluded(world, 0, 1, 1, None, usual(START), 1);
    let offer = |from: usize, to: usize| {
        let (one, other) = (&world.bureaus[from], &world.bureaus[to]);
        let (terms, officer) = (named(&usual(START), &"c0".repeat(32)), one.officers[0]);
        let (previous, at, expires) = (Some(first[0].offer()), START, START.plus(DAY));
        let nonce = Nonce([9; 16]);
        let offer = Offer { offerer: one.id, acceptor: other.id, version: 2, previous, terms, at, expires, officer: officer.id, nonce };
        AgreementStatement::Offer(crate::world::verified(offer, &[officer.seed]))
    };
    let (ours, theirs) = (offer(0, 1), offer(1, 0));
    let node = world.bureaus[0].node;
    let body = Conclude { offer: ours.offer(), accept: theirs.id(), registrar: node.id, epoch: 1, at: START.plus(2) };
    let crossing = AgreementStatement::Conclude(crate::world::verified(body, &[node.seed]));
    let no = decline(world, 1, ours.offer());
    let (pair, now) = (Pair::of(world.bureaus[0].id, world.bureaus[1].id), START.plus(60));
    let mut statements = first.clone();
    for (more, version) in [(vec![], Some(1)), (vec![ours, theirs, crossing], Some(2)), (vec![no], None)] {
        statements.extend(more);
        let book = crate::exchange::book(world, &statements);
        let stands: Vec<u32> = book.in_force(pair, now).iter().map(|entry| entry.offer.body().version).collect();
        assert_eq!(stands, version.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn suspending_one_pair_leaves_the_others_and_takes_it_off_the_address() {
    let (mut county, id) = signed(4);
    let agreement = pair_of(&status(&mut county, 0, &id), &county, 2).agreement;
    county.ask(2, Command::AgreementSuspend { id: agreement, categories: Vec::new(), reason: "under review".to_owned() });
    county.run();
    let shown = status(&mut county, 0, &id);
    assert_eq!((shown.counts.in_force, shown.counts.suspended), (2, 1));
    assert_eq!((pair_of(&shown, &county, 2).standing.as_str(), pair_of(&shown, &county, 2).stops.len()), ("suspended", 1));
    assert_eq!(status(&mut county, 1, &id).counts.in_force, 3);
    let (members, others) = reached(&mut county, 0, "compact:River compact");
    assert_eq!((members, others), (names(&county, &[1, 3]), vec![(county.nodes[2].name.clone(), "not_in_compact".to_owned())]));
    let View::Sending(sent) = county.ask(0, publish("compact:River compact")) else { panic!("it is sent") };
    county.run();
    county.pass(30);
    for (at, expect) in [(1, true), (2, false), (3, true)] {
        let held = county.asked(at, Some(OFFICER), false, Command::DocumentShow { id: sent.id.clone() }).is_ok();
        assert_eq!(held, expect, "bureau {at}");
    }
}

/// What the officer of a bureau would have to seal for an offer its own node refuses to make.
fn forged(county: &mut County, from: usize, to: usize, terms: Terms, (at, expires): (WallSeconds, WallSeconds)) -> (Message, StatementId) {
    let View::Officers { officers } = county.ask(from, Command::OfficerFind { name: OFFICER.to_owned() }) else { panic!() };
    let officer = CertificateId::from_hex(&officers[0].certificate).expect("a certificate");
    let (offerer, acceptor) = (county.nodes[from].id, county.nodes[to].id);
    let offer = Offer { offerer, acceptor, version: 1, previous: None, terms, at, expires, officer, nonce: Nonce([7; 16]) };
    let key = SecretKey::from_seed([u8::try_from(from).expect("few") + 161; 32]);
    let sealed = Sealed::seal(&NetworkId::named("county"), offer, &[&key]).expect("well formed");
    (Message::Agreements(vec![Bytes(sealed.to_bytes())]), sealed.id(&NetworkId::named("county")))
}

/// The certificates of one bureau's members, its officers among them.
fn introduce(county: &mut County, from: usize, to: usize) {
    let directory = county.nodes[from].core.directory();
    let statements = directory.statements(&county.nodes[from].id).map(|held| Bytes(held.to_bytes())).collect();
    county.hand(from, to, &Message::Statements(statements));
}

fn named(terms: &Terms, id: &str) -> Terms {
    let compact = CompactId::from_hex(id);
    Terms { annex: Some(Box::new(Annex { compact, ..Annex::default() })), ..terms.clone() }
}

#[test]
fn f9d_a_bureau_that_is_not_on_the_roster_can_claim_what_it_likes() {
    let mut county = County::new(4);
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1, 2], wanted.clone());
    for at in 0..3 {
        sign(&mut county, at, &id);
        county.run();
    }
    assert_eq!(refused(&mut county, 3, Command::CompactStatus { id: NAME.to_owned(), text: false }).code, "unknown_compact");
    // An agreement of its own with a member is in force: it is a partner, and no member.
    county.agree(3, 1, wanted.clone());
    // It offers a member terms that name the compact, and a compact of its own that bears the same name.
    let (offer, _) = forged(&mut county, 3, 0, named(&wanted, &id), (START, START.plus(DAY)));
    introduce(&mut county, 3, 0);
    county.hand(3, 0, &offer);
    let imitation = draft(&county, &[0, 1, 2], wanted.clone());
    county.ask(3, Command::CompactNew(imitation));
    county.run();
    let View::Agreements { agreements } = county.ask(0, Command::AgreementList) else { panic!() };
    let claimed = agreements.into_iter().find(|agreement| agreement.partner == county.nodes[3].id.to_string()).expect("heard");
    let no = refused(&mut county, 0, Command::AgreementAccept { id: claimed.id });
    assert_eq!(
        (no.code.as_str(), no.params.iter().find(|(name, _)| name == "why").map(|(_, why)| why.as_str())),
        ("not_under_compact", Some("not both bureaus are on the roster"))
    );
    for (at, members) in [(0, [1, 2]), (1, [0, 2])] {
        assert_eq!(reached(&mut county, at, "compact:River compact").0, names(&county, &members), "the name still means who signed");
        assert_eq!(reached(&mut county, at, &format!("compact:{id}")).0, names(&county, &members));
        assert_eq!(status(&mut county, at, &id).counts.in_force, 2);
    }
    assert_eq!(refused(&mut county, 3, publish("compact:River compact")).code, "nobody_in_compact");
    assert_eq!(refused(&mut county, 0, publish("compact:Lake compact")).code, "unknown_compact");
}

#[test]
fn a_compact_is_carried_as_a_file_and_an_altered_one_is_refused() {
    let mut county = County::new(3);
    let wanted = usual(county.now.wall);
    let new = draft(&county, &[1], wanted);
    let made = compact(county.ask(0, Command::CompactNew(new)));
    let import = |text: String| Command::CompactImport { text };
    assert_eq!(refused(&mut county, 2, import(made.text.clone())).code, "compact_not_kept", "not on the roster: no matter of ours");
    let file = CompactFile::from_text(&format!("Dear colleagues,\n{}", made.text)).expect("our own file");
    // A byte of the name.
    let mut bytes = file.compact.0.clone();
    let at = bytes.windows(NAME.len()).position(|window| window == NAME.as_bytes()).expect("its name is in it");
    bytes[at] ^= 1;
    let altered = CompactFile { compact: Bytes(bytes), ..file.clone() };
    assert_eq!(refused(&mut county, 1, import(altered.to_text())).code, "foreign_compact");
    // One more bureau on the roster, sealed by whoever wants to be in it.
    let sealed = Sealed::<Compact>::from_bytes(&file.compact.0).expect("a compact");
    let mut body = sealed.claimed().clone();
    body.roster.push(Member { bureau: county.nodes[2].id, name: "Bureau 3".to_owned() });
    body.roster.sort_by_key(|member| member.bureau);
    let key = SecretKey::from_seed([163; 32]);
    let sealed = Sealed::seal(&NetworkId::named("county"), body, &[&key]).expect("well formed");
    let of = |evidence: usize| CompactFile { evidence: vec![Bytes(vec![1]); evidence], ..file.clone() }.to_text();
    assert!(CompactFile::from_text(&of(EVIDENCE_MAX)).is_ok());
    assert!(matches!(CompactFile::from_text(&of(EVIDENCE_MAX + 1)), Err(FileError::Form(_))), "so much and no more");
    let altered = CompactFile { compact: Bytes(sealed.to_bytes()), ..file };
    assert_eq!(refused(&mut county, 1, import(altered.to_text())).code, "compact_not_kept");
    assert_eq!(refused(&mut county, 1, import("no compact".to_owned())).code, "not_a_compact");
    assert_eq!(refused(&mut county, 1, Command::CompactSign { id: NAME.to_owned() }).code, "unknown_compact");
    let kept = compact(county.ask(1, import(made.text)));
    assert_eq!((kept.id.as_str(), kept.pairs.len(), kept.initiator_name.as_str()), (made.id.as_str(), 1, "Bureau 1"));
}

#[test]
fn an_offer_of_another_text_is_not_under_the_compact_and_nobody_seals_it() {
    let mut county = County::new(3);
    let wanted = Terms { text_hash: Some(Digest([0x7e; 32])), ..usual(county.now.wall) };
    let id = written(&mut county, &[1, 2], wanted.clone());
    let (offer, _) =
        forged(&mut county, 1, 0, named(&Terms { text_hash: Some(Digest([0x7f; 32])), ..wanted }, &id), (START, START.plus(DAY)));
    introduce(&mut county, 1, 0);
    county.hand(1, 0, &offer);
    let told = sign(&mut county, 0, &id);
    assert_eq!((pair_of(&told, &county, 1).next.as_str(), pair_of(&told, &county, 1).done.as_str()), ("deviation_to_us", ""));
    let View::Agreements { agreements } = county.ask(0, Command::AgreementList) else { panic!() };
    let offered = agreements.into_iter().find(|agreement| agreement.standing == "offered_to_us").expect("heard").id;
    assert_eq!(refused(&mut county, 0, Command::AgreementAccept { id: offered }).code, "not_under_compact");
}

/// Whether a partner brings a pair into force by our offer, which it never accepted, with an equal offer dated back and a conclusion that come
/// so many days after ours.
fn concluded_after(days: u64) -> bool {
    let mut county = County::new(2);
    let wanted = usual(county.now.wall);
    let id = written(&mut county, &[1], wanted.clone());
    sign(&mut county, 0, &id);
    county.pass(days * DAY);
    let View::Agreements { agreements } = county.ask(0, Command::AgreementList) else { panic!() };
    let ours = StatementId::from_hex(&agreements[0].id).expect("an id");
    let (offer, theirs) = forged(&mut county, 1, 0, named(&wanted, &id), (START.plus(DAY), START.plus(300 * DAY)));
    let (registrar, at) = (county.nodes[1].identity.certificate, county.now.wall);
    let conclude = Conclude { offer: AgreementId(theirs.0), accept: ours, registrar, epoch: 1, at };
    let signer = std::sync::Arc::clone(&county.nodes[1].identity.signer);
    let conclude = Sealed::seal(&NetworkId::named("county"), conclude, &[signer.as_ref()]).expect("well formed");
    introduce(&mut county, 1, 0);
    county.hand(1, 0, &offer);
    county.hand(1, 0, &Message::Agreements(vec![Bytes(conclude.to_bytes())]));
    status(&mut county, 0, &id).counts.in_force == 1
}

#[test]
fn an_offer_that_lapsed_is_no_seal_for_one_dated_back() {
    assert!(concluded_after(20), "equal offers that crossed are each other's accept");
    assert!(!concluded_after(98), "ours was given for ninety days");
}

#[test]
fn equal_offers_cross_only_while_either_could_be_accepted() {
    let world = crate::world::world();
    let offer = |from: usize, to: usize, at: u64, expires: u64| {
        let (one, other) = (&world.bureaus[from], &world.bureaus[to]);
        let terms = named(&usual(START), &"c0".repeat(32));
        let offer = Offer {
            offerer: one.id,
            acceptor: other.id,
            version: 1,
            previous: None,
            terms,
            at: START.plus(at),
            expires: START.plus(expires),
            officer: one.officers[0].id,
            nonce: Nonce([9; 16]),
        };
        AgreementStatement::Offer(crate::world::verified(offer, &[one.officers[0].seed]))
    };
    for (at, crossed) in [(50, true), (99, true), (100, false), (200, false)] {
        let (first, second) = (offer(0, 1, 0, 100), offer(1, 0, at, 300));
        let mut book = AgreementBook::new(world.bureaus[0].id);
        for statement in [&first, &second] {
            assert_eq!(book.learn(&world.directory, statement.clone()), Ok(true));
        }
        for (one, other) in [(&first, &second), (&second, &first)] {
            assert_eq!(book.accepted_by(&one.offer()), crossed.then_some(other.id()), "sealed at {at}");
        }
    }
}

// ---- the statement alone ----

fn bare(terms: Terms) -> Compact {
    let member = |n: u8| Member { bureau: BureauId([n; 32]), name: format!("Bureau {n}") };
    Compact {
        initiator: BureauId([1; 32]),
        version: 1,
        previous: None,
        name: NAME.to_owned(),
        terms,
        roster: vec![member(1), member(2), member(3)],
        officer: CertificateId([9; 32]),
        at: START,
        nonce: Nonce([1; 16]),
    }
}

fn stands(change: impl FnOnce(&mut Compact)) -> bool {
    let mut compact = bare(usual(START));
    change(&mut compact);
    accord_keys::seal::Statement::validate(&compact).is_ok()
}

#[test]
fn a_compact_reads_alike_from_both_sides_or_is_none() {
    assert!(stands(|_| {}));
    let annex = |change: fn(&mut Annex)| {
        let mut annex = Annex::default();
        change(&mut annex);
        move |compact: &mut Compact| compact.terms.annex = Some(Box::new(annex))
    };
    assert!(stands(annex(|annex| annex.pairings = vec![Pairing { offerer_unit: "duty".into(), acceptor_unit: "duty".into() }])));
    assert!(!stands(annex(|annex| annex.pairings = vec![Pairing { offerer_unit: "a".into(), acceptor_unit: "b".into() }])));
    assert!(!stands(annex(|annex| annex.heads = Some(Heads { offerer: "a".into(), acceptor: "b".into() }))));
    assert!(!stands(annex(|annex| annex.compact = Some(CompactId([1; 32])))));
    assert!(!stands(annex(|annex| annex.lifts = vec![StatementId([1; 32])])));
    assert!(!stands(annex(|annex| (annex.form, annex.notice_days) = (Form::Emergency, 0))));
    assert!(!stands(|compact| compact.terms.grants[0].direction = Direction::OffererGives));
    assert!(!stands(|compact| compact.terms.grants.clear()));
}

#[test]
fn the_first_version_amends_nothing_every_other_names_one_and_there_is_none_before_the_first() {
    let before = |compact: &mut Compact| compact.previous = Some(CompactId([3; 32]));
    assert!(stands(|_| {}));
    assert!(!stands(before), "the first amends nothing");
    assert!(stands(|compact| (compact.version = 2, before(compact)).1) && !stands(|compact| compact.version = 2));
    assert!(!stands(|compact| (compact.version = 0, before(compact)).1));
    let named = bare(usual(START));
    for member in &named.roster {
        assert_eq!(named.name_of(&member.bureau), Some(member.name.as_str()));
    }
    assert_eq!(named.name_of(&BureauId([0xee; 32])), None);
}

#[test]
fn a_roster_is_ordered_bounded_and_holds_its_writer() {
    assert!(!stands(|compact| compact.initiator = BureauId([8; 32])));
    assert!(!stands(|compact| compact.roster.reverse()));
    assert!(!stands(|compact| compact.roster[1] = compact.roster[0].clone()));
    assert!(!stands(|compact| compact.roster.truncate(1)));
    let many = |count: u8| {
        move |compact: &mut Compact| {
            compact.roster = (1..=count).map(|n| Member { bureau: BureauId([n; 32]), name: "b".to_owned() }).collect();
        }
    };
    assert!(stands(many(128)) && !stands(many(129)));
    for name in ["", "a,b", "a/b", "compact:a", " a", "a\nb"] {
        assert!(!stands(|compact| compact.name = name.to_owned()), "{name:?}");
    }
    assert!(!stands(|compact| compact.version = 2) && !stands(|compact| compact.version = 0));
    assert!(!stands(|compact| compact.previous = Some(CompactId([1; 32]))));
}

#[test]
fn terms_are_under_a_compact_by_name_roster_text_and_end() {
    let (id, own) = (CompactId([0xc0; 32]), Terms { text_hash: Some(Digest([1; 32])), ..usual(START) });
    let compact = bare(own);
    let pair = |a: u8, b: u8| Pair::of(BureauId([a; 32]), BureauId([b; 32]));
    let check = |change: fn(&mut Terms), pair, expect: Result<Place, NotUnder>| {
        let mut terms = compact.pair_terms(id);
        change(&mut terms);
        assert_eq!(compact.place(id, pair, &terms), expect);
        assert_eq!(compact.place(id, pair, &terms.mirrored()), expect, "whoever offers it");
    };
    check(|_| {}, pair(1, 2), Ok(Place::Common));
    check(|terms| terms.annex.as_mut().expect("named").lifts = vec![StatementId([5; 32])], pair(1, 2), Ok(Place::Common));
    check(|terms| terms.grants[0].tlp_ceiling = Tlp::Green, pair(2, 3), Ok(Place::Deviates));
    check(|terms| terms.grants[0].direction = Direction::OffererGives, pair(2, 3), Ok(Place::Deviates));
    check(|terms| terms.to = terms.to.plus(1), pair(1, 2), Err(NotUnder::EndsLater(compact.terms.to)));
    check(|terms| terms.text_hash = None, pair(1, 2), Err(NotUnder::Text));
    check(|_| {}, pair(1, 4), Err(NotUnder::OffRoster));
    check(|terms| terms.annex = None, pair(1, 2), Err(NotUnder::NamesNone));
    check(
        |terms| terms.annex.as_mut().expect("named").compact = Some(CompactId([2; 32])),
        pair(1, 2),
        Err(NotUnder::Another(CompactId([2; 32]))),
    );
}
