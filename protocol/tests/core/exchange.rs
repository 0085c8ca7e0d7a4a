//! Agreements: what stands is a function of the statements and the time, whatever the order they came in.

use std::collections::BTreeSet;

use accord_keys::directory::Directory;
use accord_protocol::agreement::exchange::{Accept, AgreementBook, AgreementStatement, Conclude, Decline, ExchangeError, Offer, Standing};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Pair, Terms, Tlp, Verb};
use accord_protocol::id::{AgreementId, Nonce};
use accord_protocol::time::WallSeconds;
use proptest::prelude::*;

use crate::documents::Dice;
use crate::world::{START, World, verified, world};

pub fn at(n: u64) -> WallSeconds {
    START.plus(n)
}

pub fn terms(from: u64, to: u64, grants: &[(Direction, &[Verb], Tlp)]) -> Terms {
    let grants = grants.iter().map(|(direction, verbs, tlp_ceiling)| Grant {
        direction: *direction,
        category: Category::CrimSeries,
        verbs: verbs.to_vec(),
        tlp_ceiling: *tlp_ceiling,
        until: None,
        onward: Onward::None,
        offline_days_max: None,
        subjects_max: None,
        units: None,
        seats: None,
    });
    Terms {
        title: "joint work".to_owned(),
        text_hash: None,
        from: at(from),
        to: at(to),
        grants: grants.collect(),
        grace_days: 30,
        annex: None,
    }
}

const APPEND: &[Verb] = &[Verb::Append];
const READ: &[Verb] = &[Verb::Read];

pub fn offer(
    world: &World,
    from: usize,
    to: usize,
    version: u32,
    previous: Option<AgreementId>,
    terms: Terms,
    n: u8,
) -> AgreementStatement {
    let officer = world.bureaus[from].officers[0];
    let (offerer, acceptor) = (world.bureaus[from].id, world.bureaus[to].id);
    let offer =
        Offer { offerer, acceptor, version, previous, terms, at: at(0), expires: at(50), officer: officer.id, nonce: Nonce([n; 16]) };
    AgreementStatement::Offer(verified(offer, &[officer.seed]))
}

pub fn accept(world: &World, by: usize, offer: AgreementId, officer: usize) -> AgreementStatement {
    let officer = world.bureaus[by].officers[officer];
    AgreementStatement::Accept(verified(Accept { offer, officer: officer.id, at: at(1) }, &[officer.seed]))
}

pub fn decline(world: &World, by: usize, offer: AgreementId) -> AgreementStatement {
    let officer = world.bureaus[by].officers[0];
    AgreementStatement::Decline(verified(Decline { offer, officer: officer.id, reason: "not now".to_owned(), at: at(1) }, &[officer.seed]))
}

pub fn conclude(world: &World, by: usize, accept: &AgreementStatement) -> AgreementStatement {
    let node = world.bureaus[by].node;
    let conclude = Conclude { offer: accept.offer(), accept: accept.id(), registrar: node.id, epoch: 1, at: at(2) };
    AgreementStatement::Conclude(verified(conclude, &[node.seed]))
}

/// Offer, accept and conclude, in order.
pub fn concluded(
    world: &World,
    from: usize,
    to: usize,
    version: u32,
    previous: Option<AgreementId>,
    terms: Terms,
    n: u8,
) -> Vec<AgreementStatement> {
    let offer = offer(world, from, to, version, previous, terms, n);
    let accept = accept(world, to, offer.offer(), 0);
    let conclude = conclude(world, from, &accept);
    vec![offer, accept, conclude]
}

pub fn book(world: &World, statements: &[AgreementStatement]) -> AgreementBook {
    let mut book = AgreementBook::new(world.bureaus[0].id);
    learn_all(&mut book, &world.directory, statements);
    book
}

/// Offers statements until nothing new is taken, as repeated sessions do.
fn learn_all(book: &mut AgreementBook, directory: &Directory, statements: &[AgreementStatement]) {
    while statements.iter().filter(|s| book.learn(directory, (*s).clone()) == Ok(true)).count() > 0 {}
}

fn pair(world: &World) -> Pair {
    Pair::of(world.bureaus[0].id, world.bureaus[1].id)
}

/// One offer and what becomes of it.
#[derive(Clone, Debug)]
struct Plan {
    by_first: bool,
    /// Follows the n-th earlier plan, if that is of the same pair's lower version.
    follows: Option<u8>,
    from: u64,
    to: u64,
    verb: bool,
    accepts: u8,
    concludes: Option<bool>,
    declined: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let times = (0u64..30, 1u64..40);
    (any::<bool>(), proptest::option::of(0u8..4), times, any::<bool>(), 0u8..3, proptest::option::of(any::<bool>()), any::<bool>())
        .prop_map(|(by_first, follows, (from, length), verb, accepts, concludes, declined)| Plan {
            by_first,
            follows,
            from: 3 + from,
            to: 3 + from + length,
            verb,
            accepts,
            concludes,
            declined,
        })
}

/// A plan as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Made {
    id: AgreementId,
    version: u32,
    by: usize,
    from: u64,
    to: u64,
    append: bool,
    accepted: bool,
    concluded: bool,
    declined: bool,
}

fn make(world: &World, plans: &[Plan]) -> (Vec<Made>, Vec<AgreementStatement>) {
    let mut made: Vec<Made> = Vec::new();
    let mut statements = Vec::new();
    for (n, plan) in plans.iter().enumerate() {
        let before = plan.follows.and_then(|f| made.get(usize::from(f))).filter(|m| m.concluded).copied();
        let (by, to) = if plan.by_first { (0, 1) } else { (1, 0) };
        let terms = terms(plan.from, plan.to, &[(Direction::Both, if plan.verb { APPEND } else { READ }, Tlp::Amber)]);
        let version = before.map_or(1, |m| m.version + 1);
        let offer = offer(world, by, to, version, before.map(|m| m.id), terms, n as u8);
        let id = offer.offer();
        statements.push(offer);
        let accepts: Vec<AgreementStatement> = (0..usize::from(plan.accepts)).map(|officer| accept(world, to, id, officer)).collect();
        let conclusion = plan.concludes.and_then(|last| if last { accepts.last() } else { accepts.first() });
        let concluded = conclusion.is_some();
        statements.extend(conclusion.map(|accept| conclude(world, by, accept)));
        let accepted = !accepts.is_empty();
        statements.extend(accepts);
        if plan.declined {
            statements.push(decline(world, to, id));
        }
        made.push(Made { id, version, by, from: plan.from, to: plan.to, append: plan.verb, accepted, concluded, declined: plan.declined });
    }
    (made, statements)
}

/// What of a pair counts, by the book of rules: the newest version that has begun; of crossing offers the lower bureau's.
fn model_current<'a>(world: &World, made: &'a [Made], now: u64) -> Vec<&'a Made> {
    let concluded: Vec<&Made> = made.iter().filter(|m| m.concluded).collect();
    let lower = |version| concluded.iter().filter(|m| m.version == version).map(|m| world.bureaus[m.by].id).min();
    let stands = |m: &&&Made| Some(world.bureaus[m.by].id) == lower(m.version);
    let newest = concluded.iter().filter(stands).filter(|m| m.from <= now).map(|m| m.version).max();
    concluded.iter().filter(stands).filter(|m| Some(m.version) == newest).copied().collect()
}

/// What is in force: all of what counts, while all of it runs.
fn model_in_force(world: &World, made: &[Made], now: u64) -> BTreeSet<AgreementId> {
    let current = model_current(world, made, now);
    if current.iter().all(|m| m.from <= now && now < m.to) { current.iter().map(|m| m.id).collect() } else { BTreeSet::new() }
}

fn model_standing(world: &World, made: &[Made], one: &Made, now: u64) -> Standing {
    match (one.concluded, one.accepted, one.declined) {
        (false, true, _) => Standing::Accepted,
        (false, false, true) => Standing::Declined,
        (false, false, false) if now >= 50 => Standing::Lapsed,
        (false, false, false) => Standing::Offered,
        (true, ..) if now < one.from => Standing::NotYet,
        (true, ..) => {
            let current = model_current(world, made, now);
            match () {
                () if current.iter().all(|m| m.id != one.id) => Standing::Superseded,
                () if current.iter().any(|m| now < m.from) => Standing::NotYet,
                () if current.iter().any(|m| now >= m.to) => Standing::Expired,
                () => Standing::InForce,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_order_and_repetition_of_statements_gives_what_the_model_says(plans in proptest::collection::vec(plan(), 1..6), seed in any::<u64>()) {
        let world = world();
        let (made, statements) = make(world, &plans);
        let mut dice = Dice(seed);
        let mut books = Vec::new();
        for _ in 0..2 {
            let mut order = statements.clone();
            for _ in 0..dice.roll(4) {
                let again = order[dice.roll(order.len())].clone();
                order.push(again);
            }
            for at in (1..order.len()).rev() {
                order.swap(at, dice.roll(at + 1));
            }
            books.push(book(world, &order));
        }
        let (own, partner) = (world.bureaus[0].id, world.bureaus[1].id);
        for book in &books {
            let mut changes: BTreeSet<u64> = BTreeSet::new();
            let mut next = book.next_change(START);
            while let Some(time) = next {
                changes.insert(time.0 - START.0);
                next = book.next_change(time);
            }
            let mut before = None;
            for now in 0..80 {
                let expected = model_in_force(world, &made, now);
                let found: BTreeSet<AgreementId> = book.in_force(pair(world), at(now)).iter().map(|e| e.id()).collect();
                prop_assert_eq!(&found, &expected, "in force at {}", now);
                for one in &made {
                    prop_assert_eq!(book.standing(&one.id, at(now)), Some(model_standing(world, &made, one, now)), "at {}: {:?}", now, one);
                }
                let all = |verb: Verb| {
                    !expected.is_empty() && made.iter().filter(|m| expected.contains(&m.id)).all(|m| m.append || verb == Verb::Read)
                };
                for verb in [Verb::Read, Verb::Append] {
                    let clause = book.clause(own, partner, Category::CrimSeries, Tlp::Amber, verb, at(now));
                    prop_assert_eq!(clause.is_some(), all(verb), "{:?} at {}", verb, now);
                }
                let standings: Vec<_> = made.iter().map(|m| book.standing(&m.id, at(now))).collect();
                if before.as_ref().is_some_and(|before| *before != standings) {
                    prop_assert!(changes.contains(&now), "something changed at {now} and nobody was told");
                }
                before = Some(standings);
            }
        }
        // What one bureau shows its partner is enough for the partner to see the same.
        let mut other = AgreementBook::new(partner);
        for bytes in books[0].statements_with(partner, 64) {
            let statement = accord_protocol::wire::agreement_statement(&crate::world::network(), &bytes).expect("verifies");
            prop_assert_eq!(other.learn(&world.directory, statement), Ok(true));
        }
        for one in &made {
            prop_assert_eq!(other.standing(&one.id, at(20)), books[0].standing(&one.id, at(20)));
        }
    }
}

#[test]
fn of_crossing_offers_the_lower_bureau_stands_even_if_both_were_concluded() {
    let world = world();
    let mut statements = concluded(world, 0, 1, 1, None, terms(5, 40, &[(Direction::Both, READ, Tlp::Amber)]), 1);
    statements.extend(concluded(world, 1, 0, 1, None, terms(5, 40, &[(Direction::Both, APPEND, Tlp::Amber)]), 2));
    let book = book(world, &statements);
    let lower = world.bureaus[0].id.min(world.bureaus[1].id);
    let standing = book.in_force(pair(world), at(10));
    assert_eq!(standing.iter().map(|e| e.offer.body().offerer).collect::<Vec<_>>(), [lower]);
}

#[test]
fn a_version_concluded_twice_gives_only_what_both_grant_while_both_run() {
    let world = world();
    let mut statements = concluded(world, 0, 1, 1, None, terms(5, 20, &[(Direction::Both, READ, Tlp::Amber)]), 1);
    statements.extend(concluded(world, 0, 1, 1, None, terms(5, 40, &[(Direction::Both, APPEND, Tlp::Clear)]), 2));
    let book = book(world, &statements);
    let (own, partner) = (world.bureaus[0].id, world.bureaus[1].id);
    let may = |tlp, verb, now| book.clause(own, partner, Category::CrimSeries, tlp, verb, at(now)).is_some();
    assert!(may(Tlp::Clear, Verb::Read, 10));
    assert!(!may(Tlp::Clear, Verb::Append, 10), "one of them grants read only");
    assert!(!may(Tlp::Amber, Verb::Read, 10), "one of them ends at clear");
    assert!(!may(Tlp::Clear, Verb::Read, 30), "one of them is over");
}

#[test]
fn an_expired_newer_version_does_not_revive_the_older() {
    let world = world();
    let first = concluded(world, 0, 1, 1, None, terms(5, 70, &[(Direction::Both, APPEND, Tlp::Amber)]), 1);
    let second = concluded(world, 1, 0, 2, Some(first[0].offer()), terms(10, 20, &[(Direction::Both, READ, Tlp::Amber)]), 2);
    let both: Vec<AgreementStatement> = first.iter().chain(&second).cloned().collect();
    let book = book(world, &both);
    assert_eq!(book.standing(&first[0].offer(), at(7)), Some(Standing::InForce));
    assert_eq!(book.standing(&first[0].offer(), at(15)), Some(Standing::Superseded));
    assert_eq!(book.standing(&second[0].offer(), at(25)), Some(Standing::Expired));
    assert_eq!(book.standing(&first[0].offer(), at(25)), Some(Standing::Superseded));
    assert!(book.in_force(pair(world), at(25)).is_empty());
}

fn check(statements: &[AgreementStatement], last: AgreementStatement, expected: &ExchangeError) {
    let world = world();
    let mut book = book(world, statements);
    assert_eq!(book.learn(&world.directory, last).as_ref(), Err(expected));
}

#[test]
fn a_statement_of_the_wrong_hand_is_refused() {
    let world = world();
    let terms = || terms(5, 40, &[(Direction::Both, READ, Tlp::Amber)]);
    let one = offer(world, 0, 1, 1, None, terms(), 1);
    let id = one.offer();
    let acceptor = world.bureaus[1].id;
    let known = [one.clone()];
    check(&known, accept(world, 0, id, 0), &ExchangeError::WrongSigner(acceptor));
    check(&known, accept(world, 2, id, 0), &ExchangeError::WrongSigner(acceptor));
    check(&known, decline(world, 2, id), &ExchangeError::WrongSigner(acceptor));
    let node = world.bureaus[1].node;
    let by_node = AgreementStatement::Accept(verified(Accept { offer: id, officer: node.id, at: at(1) }, &[node.seed]));
    check(&known, by_node, &ExchangeError::WrongSigner(acceptor));
    let claimed = AgreementStatement::Accept(verified(Accept { offer: id, officer: world.bureaus[1].officers[0].id, at: at(1) }, &[99]));
    check(&known, claimed, &ExchangeError::WrongSigner(acceptor));
    let accepted = accept(world, 1, id, 0);
    let known = [one, accepted.clone()];
    check(&known, conclude(world, 1, &accepted), &ExchangeError::WrongRegistrar(world.bureaus[0].id));
    let second = accept(world, 1, id, 1);
    check(&known, conclude(world, 0, &second), &ExchangeError::UnknownAccept(second.id()));
    check(&[], accepted, &ExchangeError::UnknownOffer(id));
    check(&[], offer(world, 1, 2, 1, None, terms(), 1), &ExchangeError::NotOurs);
    check(&[], offer(world, 0, 1, 2, Some(id), terms(), 1), &ExchangeError::WrongVersion { found: 2, newest: 0 });
    let first = concluded(world, 0, 1, 1, None, terms(), 1);
    let stranger = AgreementId([9; 32]);
    check(&first, offer(world, 0, 1, 2, Some(stranger), terms(), 3), &ExchangeError::WrongPrevious(stranger));
}
