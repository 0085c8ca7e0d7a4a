//! Suspension, resumption, notice, expiry, grace, winding down, emergency: what stands equals a small model written from the prose,
//! whatever the order of arrival.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use accord_keys::directory::Directory;
use accord_protocol::agreement::annex::{Annex, Form};
use accord_protocol::agreement::book::Lack;
use accord_protocol::agreement::exchange::{Accept, AgreementBook, AgreementStatement, ExchangeError, Offer, Standing};
use accord_protocol::agreement::lifecycle::{LinkMode, Notice, Resume, Suspend};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Pair, Terms, Tlp, Verb};
use accord_protocol::id::{AgreementId, Nonce, StatementId};
use accord_protocol::time::WallSeconds;
use proptest::prelude::*;

use crate::documents::Dice;
use crate::exchange::{accept, conclude, decline};
use crate::world::{Member, START, World, key, network, seal, verified, world};

const DAY: u64 = 86_400;

/// So many days after the start.
pub fn day(n: u64) -> WallSeconds {
    START.plus(n * DAY)
}

/// The sample world with two duty commanders for each bureau, who may suspend and sign a day's emergency agreement, nothing else.
pub struct Duty {
    pub directory: Directory,
    pub commanders: Vec<Member>,
}

pub fn duty() -> &'static Duty {
    static DUTY: OnceLock<Duty> = OnceLock::new();
    DUTY.get_or_init(|| {
        let world = world();
        let mut directory = world.directory.clone();
        let commanders = world.bureaus.iter().enumerate().map(|(n, bureau)| {
            let root = (n as u8 + 1) * 10;
            let body = MemberCertificate {
                bureau: bureau.id,
                network: network(),
                kind: MemberKind::Officer,
                key: key(root + 6).public(),
                transport: None,
                hpke: None,
                unit: "command centre".to_owned(),
                seats: vec!["commander".to_owned()],
                capabilities: vec![Capability::Suspend, Capability::Command],
                name_commitment: None,
                scope_commitment: None,
                not_before: START,
                not_after: START.plus(90 * DAY),
                serial: [root + 6; 16],
                issuer: Issuer::Root(bureau.root),
            };
            let sealed = seal(body, &[root]);
            directory.learn_bytes(&sealed.to_bytes()).expect("its root is known");
            Member { id: sealed.certificate_id(&network()), seed: root + 6 }
        });
        let commanders = commanders.collect();
        Duty { directory, commanders }
    })
}

pub fn line(category: Category, verbs: &[Verb]) -> Grant {
    Grant {
        direction: Direction::Both,
        category,
        verbs: verbs.to_vec(),
        tlp_ceiling: Tlp::Red,
        until: None,
        onward: Onward::None,
        offline_days_max: None,
        subjects_max: None,
        units: None,
        seats: None,
    }
}

/// Terms over a serial-crime line and a fire-aid line, in days.
pub fn terms(from: u64, to: u64, grace_days: u32, annex: Annex) -> Terms {
    let grants = vec![line(Category::CrimSeries, &[Verb::Append]), line(Category::FireAid, &[Verb::Append, Verb::Request])];
    Terms {
        title: "joint work".to_owned(),
        text_hash: None,
        from: day(from),
        to: day(to),
        grants,
        grace_days,
        annex: Some(Box::new(annex)),
    }
}

pub fn emergency_terms(from: WallSeconds, seconds: u64) -> Terms {
    Terms {
        title: "fire on the border".to_owned(),
        text_hash: None,
        from,
        to: from.plus(seconds),
        grants: vec![line(Category::FireAid, &[Verb::Append])],
        grace_days: 0,
        annex: Some(Box::new(Annex { form: Form::Emergency, notice_days: 0, ..Annex::default() })),
    }
}

pub fn offer(world: &World, by: usize, version: u32, previous: Option<AgreementId>, terms: Terms, n: u8) -> AgreementStatement {
    let officer = world.bureaus[by].officers[0];
    let (offerer, acceptor) = (world.bureaus[by].id, world.bureaus[1 - by].id);
    let body =
        Offer { offerer, acceptor, version, previous, terms, at: START, expires: day(2_000), officer: officer.id, nonce: Nonce([n; 16]) };
    AgreementStatement::Offer(verified(body, &[officer.seed]))
}

pub fn concluded(by: usize, version: u32, previous: Option<AgreementId>, terms: Terms, n: u8) -> Vec<AgreementStatement> {
    let world = world();
    let offer = offer(world, by, version, previous, terms, n);
    let accept = accept(world, 1 - by, offer.offer(), 0);
    let conclude = conclude(world, by, &accept);
    vec![offer, accept, conclude]
}

pub fn emergency(by: usize, from: WallSeconds, seconds: u64, accepted: bool) -> Vec<AgreementStatement> {
    let (world, commanders) = (world(), &duty().commanders);
    let (one, other) = (commanders[by], commanders[1 - by]);
    let offer = Offer {
        offerer: world.bureaus[by].id,
        acceptor: world.bureaus[1 - by].id,
        version: 0,
        previous: None,
        terms: emergency_terms(from, seconds),
        at: from,
        expires: from.plus(seconds),
        officer: one.id,
        nonce: Nonce([77; 16]),
    };
    let offer = AgreementStatement::Offer(verified(offer, &[one.seed]));
    let accept = Accept { offer: offer.offer(), officer: other.id, at: from };
    let accept = AgreementStatement::Accept(verified(accept, &[other.seed]));
    if accepted { vec![offer, accept] } else { vec![offer] }
}

pub fn suspend(by: usize, agreement: AgreementId, categories: Option<Vec<Category>>, n: u8) -> AgreementStatement {
    let officer = duty().commanders[by];
    let body = Suspend {
        agreement,
        by: world().bureaus[by].id,
        categories,
        reason: "under review".to_owned(),
        officer: officer.id,
        at: START,
        nonce: Nonce([n; 16]),
    };
    AgreementStatement::Suspend(verified(body, &[officer.seed]))
}

pub fn resume(by: usize, agreement: AgreementId, lifts: &BTreeSet<StatementId>, n: u8) -> AgreementStatement {
    let officer = world().bureaus[by].officers[0];
    let lifts = lifts.iter().copied().collect();
    let body = Resume { agreement, by: world().bureaus[by].id, lifts, officer: officer.id, at: START, nonce: Nonce([n; 16]) };
    AgreementStatement::Resume(verified(body, &[officer.seed]))
}

pub fn notice(by: usize, agreement: AgreementId, given: u64, ends: u64) -> AgreementStatement {
    let officer = world().bureaus[by].officers[0];
    let body = Notice {
        agreement,
        by: world().bureaus[by].id,
        ends: day(ends),
        reason: "reorganisation".to_owned(),
        officer: officer.id,
        at: day(given),
    };
    AgreementStatement::Notice(verified(body, &[officer.seed]))
}

pub fn book_of(own: usize, statements: &[AgreementStatement]) -> AgreementBook {
    let mut book = AgreementBook::new(world().bureaus[own].id);
    while statements.iter().filter(|s| book.learn(&duty().directory, (*s).clone()) == Ok(true)).count() > 0 {}
    book
}

pub fn pair() -> Pair {
    Pair::of(world().bureaus[0].id, world().bureaus[1].id)
}

fn gives(book: &AgreementBook, category: Category, now: WallSeconds) -> bool {
    let [one, other] = [0, 1].map(|n| world().bureaus[n].id);
    let there = book.grant(one, other, category, Tlp::Amber, Verb::Read, now);
    assert_eq!(there.is_ok(), book.grant(other, one, category, Tlp::Amber, Verb::Read, now).is_ok(), "both lines run both ways");
    there.is_ok()
}

// ---- the model ----

/// What one random history states. Times in days.
#[derive(Clone, Debug)]
struct History {
    versions: Vec<VersionPlan>,
    stops: Vec<StopPlan>,
    resumes: Vec<ResumePlan>,
    emergency: Option<(bool, u64, bool)>,
}

#[derive(Clone, Debug)]
struct VersionPlan {
    by: usize,
    /// Another conclusion of the same version as the one before, by the same or the other side.
    again: bool,
    from: u64,
    length: u64,
    grace: u32,
    clause: bool,
    excludes: bool,
    lifts: u8,
}

#[derive(Clone, Debug)]
struct StopPlan {
    by: usize,
    version: u8,
    kind: StopKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopKind {
    Whole,
    Fire,
    Crime,
    NoticeAt(u64),
}

#[derive(Clone, Debug)]
struct ResumePlan {
    by: usize,
    lifts: u8,
    accepted: bool,
}

fn history() -> impl Strategy<Value = History> {
    let version = (0usize..2, any::<bool>(), 0u64..60, 1u64..90, 0u32..40, any::<bool>(), proptest::bool::weighted(0.2), any::<u8>())
        .prop_map(|(by, again, from, length, grace, clause, excludes, lifts)| VersionPlan {
            by,
            again,
            from,
            length,
            grace,
            clause,
            excludes,
            lifts,
        });
    let kind = prop_oneof![
        2 => Just(StopKind::Whole),
        2 => Just(StopKind::Fire),
        1 => Just(StopKind::Crime),
        2 => (31u64..150).prop_map(StopKind::NoticeAt),
    ];
    let stop = (0usize..2, any::<u8>(), kind).prop_map(|(by, version, kind)| StopPlan { by, version, kind });
    let resume = (0usize..2, any::<u8>(), any::<bool>()).prop_map(|(by, lifts, accepted)| ResumePlan { by, lifts, accepted });
    (
        proptest::collection::vec(version, 1..4),
        proptest::collection::vec(stop, 0..5),
        proptest::collection::vec(resume, 0..3),
        proptest::option::weighted(0.3, (any::<bool>(), 0u64..150, any::<bool>())),
    )
        .prop_map(|(versions, stops, resumes, emergency)| History { versions, stops, resumes, emergency })
}

/// A version as sealed.
#[derive(Clone, Debug)]
struct Version {
    id: AgreementId,
    number: u32,
    by: usize,
    from: u64,
    to: u64,
    grace: u64,
    clause: bool,
    excludes: bool,
    lifts: BTreeSet<StatementId>,
}

/// The history as sealed statements, and as the model reads it.
#[derive(Debug, Default)]
struct Sealed {
    versions: Vec<Version>,
    stops: Vec<(StatementId, StopKind)>,
    accepted: Vec<BTreeSet<StatementId>>,
    emergency: Option<(u64, AgreementId, bool)>,
    statements: Vec<AgreementStatement>,
}

/// The n-th bits of `mask` choose among what was stopped.
fn chosen(stops: &[(StatementId, StopKind)], mask: u8) -> BTreeSet<StatementId> {
    stops.iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1).map(|(_, (id, _))| *id).collect()
}

fn make(history: &History) -> Sealed {
    let mut out = Sealed::default();
    // Stops name a version, versions lift stops: the first version is sealed before, the others after them.
    for (n, plan) in history.versions.iter().enumerate() {
        if n == 1 {
            make_stops(history, &mut out);
        }
        let last = out.versions.last().cloned();
        let again = plan.again && last.is_some();
        let number = last.as_ref().map_or(1, |v| v.number + u32::from(!again));
        let previous = out.versions.iter().filter(|v| v.number + 1 == number).map(|v| v.id).next();
        let lifts = chosen(&out.stops, plan.lifts);
        let annex = Annex {
            emergency_clause: plan.clause,
            excluded: if plan.excludes { vec![Category::CrimSeries] } else { vec![] },
            lifts: lifts.iter().copied().collect(),
            ..Annex::default()
        };
        let terms = terms(plan.from, plan.from + plan.length, plan.grace, annex);
        let statements = concluded(plan.by, number, previous, terms, n as u8);
        out.versions.push(Version {
            id: statements[0].offer(),
            number,
            by: plan.by,
            from: plan.from,
            to: plan.from + plan.length,
            grace: u64::from(plan.grace),
            clause: plan.clause,
            excludes: plan.excludes,
            lifts,
        });
        out.statements.extend(statements);
    }
    if history.versions.len() == 1 {
        make_stops(history, &mut out);
    }
    for (n, plan) in history.resumes.iter().enumerate() {
        let lifts = chosen(&out.stops, plan.lifts);
        if lifts.is_empty() {
            continue;
        }
        let resume = resume(plan.by, out.versions[0].id, &lifts, n as u8);
        let id = AgreementId(resume.id().0);
        out.statements.push(resume);
        if plan.accepted {
            out.statements.push(accept(world(), 1 - plan.by, id, 0));
            out.accepted.push(lifts);
        }
    }
    if let Some((by_first, from, accepted)) = history.emergency {
        let statements = emergency(usize::from(!by_first), day(from), DAY, accepted);
        out.emergency = Some((from, statements[0].offer(), accepted));
        out.statements.extend(statements);
    }
    out
}

fn make_stops(history: &History, out: &mut Sealed) {
    for (n, plan) in history.stops.iter().enumerate() {
        let agreement = out.versions[usize::from(plan.version) % out.versions.len()].id;
        let statement = match plan.kind {
            StopKind::Whole => suspend(plan.by, agreement, None, n as u8),
            StopKind::Fire => suspend(plan.by, agreement, Some(vec![Category::FireAid]), n as u8),
            StopKind::Crime => suspend(plan.by, agreement, Some(vec![Category::CrimSeries]), n as u8),
            StopKind::NoticeAt(ends) => notice(plan.by, agreement, n as u64, ends + n as u64),
        };
        let kind = if let StopKind::NoticeAt(ends) = plan.kind { StopKind::NoticeAt(ends + n as u64) } else { plan.kind };
        out.stops.push((statement.id(), kind));
        out.statements.push(statement);
    }
}

/// How the pair stands, by the prose alone: DESIGN section 4, one sentence after the other.
struct Model {
    current: BTreeSet<AgreementId>,
    standing: Option<Standing>,
    crime: bool,
    fire: bool,
    full: bool,
}

fn model(made: &Sealed, now: u64) -> Model {
    // Of one version concluded by both sides, the lower bureau's stands.
    let stands = |v: &&Version| {
        let lowest = made.versions.iter().filter(|o| o.number == v.number).map(|o| world().bureaus[o.by].id).min();
        Some(world().bureaus[v.by].id) == lowest
    };
    let of = |number: u32| made.versions.iter().filter(stands).filter(|v| v.number == number).collect::<Vec<_>>();
    // A resume by both lists the suspensions it lifts, and so may a version that has begun; everything unlisted stands.
    let mut lifted: BTreeSet<StatementId> = made.accepted.iter().flatten().copied().collect();
    for version in 1..=3 {
        let of_version = of(version);
        if !of_version.is_empty() && of_version.iter().all(|v| v.from <= now) {
            for id in made.stops.iter().map(|(id, _)| *id) {
                if of_version.iter().all(|v| v.lifts.contains(&id)) {
                    lifted.insert(id);
                }
            }
        }
    }
    let standing_stops: Vec<StopKind> = made.stops.iter().filter(|(id, _)| !lifted.contains(id)).map(|(_, kind)| *kind).collect();
    let whole = standing_stops.contains(&StopKind::Whole);
    let noticed = standing_stops.iter().filter_map(|kind| if let StopKind::NoticeAt(ends) = kind { Some(*ends) } else { None }).min();
    // The newest version that has begun counts, even after its end.
    let newest = made.versions.iter().filter(stands).filter(|v| v.from <= now).map(|v| v.number).max();
    let current = newest.map(of).unwrap_or_default();
    let mut standing = None;
    let (mut all, mut aid) = (false, false);
    if !current.is_empty() {
        let from = current.iter().map(|v| v.from).max().expect("not empty");
        let to = current.iter().map(|v| v.to).min().expect("not empty");
        let grace = current.iter().map(|v| v.to + v.grace).min().expect("not empty");
        let winding = grace.min(noticed.unwrap_or(u64::MAX));
        standing = Some(if now < from {
            Standing::NotYet
        } else if now >= winding + 30 {
            Standing::Ended
        } else if now >= winding {
            Standing::WindingDown
        } else if whole {
            Standing::Suspended
        } else if now >= to {
            Standing::Expired
        } else if noticed.is_some() {
            Standing::UnderNotice
        } else {
            Standing::InForce
        });
        all = matches!(standing, Some(Standing::InForce | Standing::UnderNotice));
        aid = standing == Some(Standing::Expired) && current.iter().all(|v| v.clause);
    }
    let emergency = made.emergency.is_some_and(|(from, _, accepted)| accepted && from <= now && now < from + 1) && !whole;
    let suspended = |kind| whole || standing_stops.contains(&kind);
    Model {
        crime: all && !suspended(StopKind::Crime) && !current.iter().any(|v| v.excludes),
        fire: (all || aid || emergency) && !suspended(StopKind::Fire),
        full: all || aid || emergency,
        current: current.iter().map(|v| v.id).collect(),
        standing,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_history_in_any_order_stands_as_the_model_says(history in history(), seed in any::<u64>()) {
        let made = make(&history);
        let mut dice = Dice(seed);
        let mut order = made.statements.clone();
        for _ in 0..dice.roll(4) {
            let again = order[dice.roll(order.len())].clone();
            order.push(again);
        }
        for at in (1..order.len()).rev() {
            order.swap(at, dice.roll(at + 1));
        }
        // One side reads them in order, the other shuffled and repeated, and a third time by what the first shows.
        let (ours, theirs) = (book_of(0, &made.statements), book_of(1, &order));
        let mut shown = AgreementBook::new(world().bureaus[1].id);
        for bytes in ours.statements_with(world().bureaus[1].id, 64) {
            let statement = accord_protocol::wire::agreement_statement(&network(), &bytes).expect("verifies");
            prop_assert_eq!(shown.learn(&duty().directory, statement), Ok(true), "every statement comes after what it names");
        }
        let mut changes: BTreeSet<u64> = BTreeSet::new();
        let mut next = ours.next_change(START);
        while let Some(time) = next {
            changes.insert(time.0);
            next = ours.next_change(time);
        }
        let mut before = None;
        for now in 0..260 {
            let expected = model(&made, now);
            for book in [&ours, &theirs, &shown] {
                let state = book.state(pair(), day(now));
                prop_assert_eq!(state.standing, expected.standing, "day {}", now);
                let current: BTreeSet<AgreementId> = state.current.iter().map(|e| e.id()).collect();
                prop_assert_eq!(&current, &expected.current, "day {}", now);
                prop_assert_eq!(gives(book, Category::CrimSeries, day(now)), expected.crime, "crime on day {}", now);
                prop_assert_eq!(gives(book, Category::FireAid, day(now)), expected.fire, "fire on day {}", now);
                prop_assert!(!gives(book, Category::Admin, day(now)), "never granted");
                prop_assert_eq!(book.link_mode(pair(), day(now)) == LinkMode::Full, expected.full, "link on day {}", now);
                for version in &made.versions {
                    let standing = match () {
                        () if now < version.from => Some(Standing::NotYet),
                        () if expected.current.contains(&version.id) => expected.standing,
                        () => Some(Standing::Superseded),
                    };
                    prop_assert_eq!(book.standing(&version.id, day(now)), standing, "version {} on day {}", version.number, now);
                }
            }
            let policy = ours.policy(pair(), day(now));
            prop_assert_eq!(policy, theirs.policy(pair(), day(now)), "both sides compare under one digest");
            let seen = (policy, expected.standing, expected.crime, expected.fire);
            if before.as_ref().is_some_and(|before| *before != seen) {
                prop_assert!(changes.contains(&day(now).0), "something changed on day {now} and nobody was told");
            }
            if let Some((old, _, crime, fire)) = before {
                prop_assert!(old != policy || (crime, fire) == (expected.crime, expected.fire) || now == 0, "one digest, two policies");
            }
            before = Some(seen);
        }
    }
}

// ---- what is said by name ----

pub fn plain() -> Vec<AgreementStatement> {
    concluded(0, 1, None, terms(0, 100, 30, Annex::default()), 1)
}

#[test]
fn s8_a_suspension_that_crossed_the_resume_stands() {
    let mut statements = plain();
    let id = statements[0].offer();
    let first = suspend(0, id, None, 1);
    let crossed = suspend(1, id, None, 2);
    let resumed = resume(0, id, &BTreeSet::from([first.id()]), 3);
    let agreed = accept(world(), 1, AgreementId(resumed.id().0), 0);
    statements.extend([first.clone(), resumed, agreed]);
    let mut book = book_of(0, &statements);
    assert_eq!(book.standing(&id, day(5)), Some(Standing::InForce), "what was listed is lifted");
    assert_eq!(book.learn(&duty().directory, crossed.clone()), Ok(true), "sealed before the resume, arrived after it");
    assert_eq!(book.standing(&id, day(5)), Some(Standing::Suspended), "what was not listed stands");
    let both = resume(1, id, &BTreeSet::from([first.id(), crossed.id()]), 4);
    assert_eq!(book.learn(&duty().directory, both.clone()), Ok(true));
    assert_eq!(book.standing(&id, day(5)), Some(Standing::Suspended), "one side alone resumes nothing");
    let agreed = accept(world(), 0, AgreementId(both.id().0), 0);
    assert_eq!(book.learn(&duty().directory, agreed.clone()), Ok(true));
    assert_eq!(book.learn(&duty().directory, agreed), Ok(false));
    assert_eq!(book.standing(&id, day(5)), Some(Standing::InForce));
}

#[test]
fn a_suspension_outlives_a_version_concluded_at_the_same_time() {
    let mut statements = plain();
    let id = statements[0].offer();
    let stop = suspend(1, id, None, 1);
    statements.push(stop.clone());
    statements.extend(concluded(0, 2, Some(id), terms(10, 90, 30, Annex::default()), 2));
    let book = book_of(0, &statements);
    assert_eq!(book.state(pair(), day(20)).standing, Some(Standing::Suspended), "grant beside suspension: the suspension stands");
    let denied = book.grant(world().bureaus[0].id, world().bureaus[1].id, Category::CrimSeries, Tlp::Clear, Verb::Read, day(20));
    assert_eq!(denied, Err(Lack::Suspended(stop.id())), "and is named");
    assert_eq!(book.link_mode(pair(), day(20)), LinkMode::Restricted);
}

#[test]
fn a_suspended_category_leaves_the_others_alone() {
    let mut statements = plain();
    let id = statements[0].offer();
    statements.push(suspend(0, id, Some(vec![Category::CrimSeries]), 1));
    let book = book_of(0, &statements);
    assert_eq!(book.standing(&id, day(5)), Some(Standing::InForce));
    assert!(!gives(&book, Category::CrimSeries, day(5)));
    assert!(gives(&book, Category::FireAid, day(5)));
    assert_eq!(book.link_mode(pair(), day(5)), LinkMode::Full);
}

#[test]
fn s9_a_late_renewal_within_grace_resumes_everything() {
    let mut statements = plain();
    let id = statements[0].offer();
    let renewed = concluded(1, 2, Some(id), terms(103, 200, 30, Annex::default()), 2);
    let alone = book_of(0, &statements);
    assert_eq!(alone.standing(&id, day(99)), Some(Standing::InForce));
    assert_eq!(alone.standing(&id, day(100)), Some(Standing::Expired), "the end is exclusive, and egress stops at once");
    assert!(!gives(&alone, Category::CrimSeries, day(100)) && !gives(&alone, Category::FireAid, day(100)));
    assert_eq!(alone.standing(&id, day(130)), Some(Standing::WindingDown));
    assert_eq!(alone.standing(&id, day(160)), Some(Standing::Ended));
    statements.extend(renewed.clone());
    let book = book_of(0, &statements);
    assert!(!gives(&book, Category::CrimSeries, day(102)), "the weekend between stays closed");
    assert!(gives(&book, Category::CrimSeries, day(103)) && gives(&book, Category::FireAid, day(103)));
    assert_eq!(book.standing(&renewed[0].offer(), day(103)), Some(Standing::InForce));
    assert_eq!(book.standing(&id, day(103)), Some(Standing::Superseded));
}

#[test]
fn the_emergency_clause_keeps_aid_alone_alive_through_grace() {
    let annex = Annex { emergency_clause: true, ..Annex::default() };
    let mut statements = concluded(0, 1, None, terms(0, 100, 30, annex), 1);
    let book = book_of(0, &statements);
    for (now, fire) in [(100, true), (129, true), (130, false)] {
        assert_eq!(gives(&book, Category::FireAid, day(now)), fire, "day {now}");
        assert!(!gives(&book, Category::CrimSeries, day(now)), "day {now}");
        let crime = book.state(pair(), day(now)).carries(Category::CrimSeries);
        assert!(matches!(crime, Err(Lack::NotInForce(Some(_)))), "day {now}: not even towards its owner");
    }
    statements.push(suspend(1, statements[0].offer(), None, 1));
    assert!(!gives(&book_of(0, &statements), Category::FireAid, day(110)), "a suspension outranks the clause");
}

#[test]
fn two_commanders_agree_for_a_day_beside_the_versions() {
    let hours = |n: u64| day(300).plus(n * 3_600);
    let statements = emergency(1, hours(0), 24 * 3_600, true);
    let id = statements[0].offer();
    let book = book_of(0, &statements);
    assert_eq!(book.newest_version(pair()), 0, "no version number is spent");
    assert_eq!(book.standing(&id, hours(0)), Some(Standing::InForce));
    assert!(gives(&book, Category::FireAid, hours(23)) && !gives(&book, Category::CrimSeries, hours(23)));
    assert_eq!(book.link_mode(pair(), hours(23)), LinkMode::Full);
    assert_eq!(book.standing(&id, hours(24)), Some(Standing::Ended));
    assert!(!gives(&book, Category::FireAid, hours(24)));
    let open = book_of(0, &statements[..1]);
    assert!(!gives(&open, Category::FireAid, hours(1)), "one commander alone agrees to nothing");
    assert_eq!(open.standing(&id, hours(1)), Some(Standing::Offered));
    let mut stopped = plain();
    stopped.extend(statements);
    stopped.push(suspend(0, stopped[0].offer(), None, 1));
    assert!(!gives(&book_of(0, &stopped), Category::FireAid, hours(1)), "a suspension outranks it");
}

#[test]
fn an_emergency_agreement_that_is_none_cannot_be_sealed() {
    let good = emergency_terms(day(0), 24 * 3_600);
    assert_eq!(good.validate(), Ok(()));
    let annex = |change: fn(&mut Annex)| {
        let mut terms = good.clone();
        change(terms.annex.as_mut().expect("has one"));
        terms
    };
    let bad = [
        Terms { to: good.to.plus(1), ..good.clone() },
        Terms { grants: vec![line(Category::FireAid, &[Verb::Read]), line(Category::CrimSeries, &[Verb::Read])], ..good.clone() },
        Terms { grace_days: 1, ..good.clone() },
        annex(|a| a.notice_days = 30),
        annex(|a| a.emergency_clause = true),
        annex(|a| a.lifts = vec![StatementId([1; 32])]),
    ];
    for terms in bad {
        assert!(terms.validate().is_err(), "{terms:?}");
    }
}

#[test]
fn notice_ends_it_no_sooner_than_agreed_and_later_versions_with_it_unless_they_lift_it() {
    let mut statements = plain();
    let id = statements[0].offer();
    let too_soon = notice(1, id, 10, 39);
    let fair = notice(1, id, 10, 40);
    let mut book = book_of(0, &statements);
    assert_eq!(book.learn(&duty().directory, too_soon), Err(ExchangeError::NoticeTooShort(30)));
    assert_eq!(book.learn(&duty().directory, fair.clone()), Ok(true));
    assert_eq!(book.standing(&id, day(39)), Some(Standing::UnderNotice));
    assert!(gives(&book, Category::CrimSeries, day(39)));
    assert_eq!(book.standing(&id, day(40)), Some(Standing::WindingDown), "there is no grace after a notice");
    assert_eq!(book.standing(&id, day(70)), Some(Standing::Ended));
    statements.push(fair.clone());
    let deaf = concluded(0, 2, Some(id), terms(20, 200, 30, Annex::default()), 2);
    let heard = concluded(0, 2, Some(id), terms(20, 200, 30, Annex { lifts: vec![fair.id()], ..Annex::default() }), 3);
    let with = |more: &[AgreementStatement]| book_of(0, &[statements.as_slice(), more].concat());
    assert_eq!(with(&deaf).standing(&deaf[0].offer(), day(41)), Some(Standing::WindingDown), "concluded beside the notice");
    assert_eq!(with(&heard).standing(&heard[0].offer(), day(41)), Some(Standing::InForce), "concluded in its knowledge");
}

#[test]
fn t25_an_older_version_shown_again_downgrades_nothing() {
    let mut statements = plain();
    let id = statements[0].offer();
    let narrow = Terms { grants: vec![line(Category::FireAid, &[Verb::Read])], ..terms(10, 100, 30, Annex::default()) };
    let newer = concluded(1, 2, Some(id), narrow, 2);
    let replay = statements.clone();
    statements.extend(newer);
    let mut book = book_of(0, &statements);
    for old in replay {
        assert_eq!(book.learn(&duty().directory, old), Ok(false), "known, and nothing new");
    }
    assert!(!gives(&book, Category::CrimSeries, day(20)), "the newer version no longer grants it");
    // Not even a fresh offer under the spent number, sealed by both, comes back to life.
    let again = concluded(1, 1, None, terms(0, 100, 30, Annex::default()), 9);
    for statement in again.clone() {
        assert_eq!(book.learn(&duty().directory, statement), Ok(true));
    }
    assert_eq!(book.standing(&again[0].offer(), day(20)), Some(Standing::Superseded));
    assert!(!gives(&book, Category::CrimSeries, day(20)));
}

#[test]
fn t26_a_second_conclude_for_one_version_leaves_the_intersection() {
    let mut statements = plain();
    let narrow = Terms { grants: vec![line(Category::FireAid, &[Verb::Read])], ..terms(0, 50, 30, Annex::default()) };
    statements.extend(concluded(0, 1, None, narrow, 2));
    let book = book_of(0, &statements);
    let fire = |verb| {
        let [one, other] = [0, 1].map(|n| world().bureaus[n].id);
        book.clause(one, other, Category::FireAid, Tlp::Clear, verb, day(5)).is_some()
    };
    assert!(fire(Verb::Read) && !fire(Verb::Append) && !gives(&book, Category::CrimSeries, day(5)));
    assert_eq!(book.state(pair(), day(60)).standing, Some(Standing::Expired), "the earlier end is the end");
}

#[test]
fn t27_statements_of_the_wrong_hand_are_refused() {
    let statements = plain();
    let id = statements[0].offer();
    let learn = |statement: AgreementStatement| book_of(0, &statements).learn(&duty().directory, statement);
    let refused = |statement, by: usize| assert_eq!(learn(statement), Err(ExchangeError::WrongSigner(world().bureaus[by].id)));
    let body = |by: usize, claimed: usize| Suspend {
        agreement: id,
        by: world().bureaus[by].id,
        categories: None,
        reason: "no".to_owned(),
        officer: duty().commanders[claimed].id,
        at: START,
        nonce: Nonce([1; 16]),
    };
    refused(AgreementStatement::Suspend(verified(body(0, 1), &[duty().commanders[1].seed])), 0);
    refused(AgreementStatement::Suspend(verified(body(0, 0), &[99])), 0);
    refused(AgreementStatement::Suspend(verified(body(2, 2), &[duty().commanders[2].seed])), 2);
    let signer = world().bureaus[0].officers[0];
    let unable = Suspend { officer: signer.id, ..body(0, 0) };
    refused(AgreementStatement::Suspend(verified(unable, &[signer.seed])), 0);
    let commander = duty().commanders[1];
    let resumption = resume(0, id, &BTreeSet::from([StatementId([1; 32])]), 1);
    let mut book = book_of(0, &statements);
    assert_eq!(book.learn(&duty().directory, resumption.clone()), Ok(true));
    let named = AgreementId(resumption.id().0);
    let own = accept(world(), 0, named, 1);
    let unable = AgreementStatement::Accept(verified(Accept { offer: named, officer: commander.id, at: START }, &[commander.seed]));
    for statement in [own, unable] {
        assert_eq!(book.learn(&duty().directory, statement), Err(ExchangeError::WrongSigner(world().bureaus[1].id)));
    }
    // An officer who may sign agreements is no duty commander, and the other way round.
    let day_terms = emergency_terms(day(0), 3_600);
    refused(offer(world(), 1, 0, None, day_terms, 5), 1);
    let accepted = emergency(1, day(0), 3_600, true);
    let mut book = book_of(0, &accepted[..1]);
    let by_officer = accept(world(), 0, accepted[0].offer(), 0);
    assert_eq!(book.learn(&duty().directory, by_officer), Err(ExchangeError::WrongSigner(world().bureaus[0].id)));
    let open = offer(world(), 0, 2, Some(id), terms(0, 9, 0, Annex::default()), 7);
    let mut book = book_of(0, &[statements.as_slice(), std::slice::from_ref(&open)].concat());
    let early = suspend(0, open.offer(), None, 1);
    assert_eq!(book.learn(&duty().directory, early), Err(ExchangeError::NotConcluded(open.offer())));
    assert_eq!(book.learn(&duty().directory, decline(world(), 1, open.offer())), Ok(true));
}
