//! Access logs: the same set of records gives the same log in any order; a record of the wrong hand, place or order never stands.

use std::collections::BTreeSet;

use accord_keys::seal::{Statement, Verified};
use accord_protocol::access::log::{
    Entry, FrontierLine, Genesis, Grantee, Kind, Learned, Log, Order, OrderAct, Record, RecordError, RecordKind, Subject,
};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{BureauId, Bytes, CertificateId, Digest, DocumentId, Nonce, RecordId, StatementId};
use accord_protocol::limits;
use accord_protocol::rules::{ActorId, ChangeHash};
use proptest::prelude::*;

use crate::documents::{Dice, Event, Story, events};
use crate::world::{START, seal, verified, world};

fn learn_all(log: &mut Log, records: &[Verified<Record>]) {
    let mut left: Vec<&Verified<Record>> = records.iter().collect();
    loop {
        let before = left.len();
        left.retain(|record| matches!(log.learn(&world().directory, (*record).clone()), Err(RecordError::Waiting(_))));
        if left.len() == before || left.is_empty() {
            break;
        }
    }
    assert!(left.is_empty(), "records left over");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_records_gives_the_same_log(events in events(), rules in 1u16..=2, seed in any::<u64>()) {
        let world = world();
        let records_only: Vec<Event> = events.into_iter().filter(|e| !matches!(e, Event::Write { .. } | Event::Reattest { .. })).collect();
        let story = Story::of(world, &records_only, rules);
        let mut dice = Dice(seed);
        let mut logs = Vec::new();
        for _ in 0..2 {
            let mut order = story.records.clone();
            for at in (1..order.len()).rev() {
                order.swap(at, dice.roll(at + 1));
            }
            let mut log = Log::new(&world.directory, story.genesis.clone()).expect("stands");
            learn_all(&mut log, &order);
            logs.push(log);
        }
        let [one, other] = &logs[..] else { unreachable!("two logs") };
        prop_assert_eq!(one.heads(), other.heads());
        prop_assert_eq!(one.head(), other.head());
        prop_assert_eq!(one.is_forked(), other.is_forked());
        prop_assert_eq!(one.rights(), other.rights());
        let cuts = |log: &Log| log.cuts().iter().map(|cut| cut.record).collect::<BTreeSet<_>>();
        prop_assert_eq!(cuts(one), cuts(other), "cuts of every branch count");
        let flat = |log: &Log| log.entries().into_iter().map(|(id, e): (_, &Entry)| (id, e.index, e.rights.clone())).collect::<Vec<_>>();
        prop_assert_eq!(flat(one), flat(other));
        prop_assert_eq!(one.is_forked(), one.heads().len() > 1);
        prop_assert_eq!((one.tlp(), one.ended(), one.voided()), (other.tlp(), other.ended(), other.voided()));
        let fork = one.entries().iter().filter_map(|(id, e)| {
            let children = story.records.iter().filter(|r| r.body().previous == *id).map(|r| r.id()).collect::<BTreeSet<_>>();
            (children.len() > 1).then_some(e.index)
        }).min();
        let healed = story.records.iter().any(|record| matches!(record.body().kind, RecordKind::Continue(..)));
        for (_, entry) in one.entries().into_iter().filter(|_| !healed) {
            let Some(record) = &entry.record else { continue };
            if let (grantees @ [_, ..], true) = (record.body().kind.grantees(), fork.is_some_and(|fork| entry.index > fork)) {
                let before = &one.get(&record.body().previous).expect("stands").rights;
                for grantee in grantees {
                    prop_assert_eq!(entry.rights.bureaus.get(&grantee.bureau), before.bureaus.get(&grantee.bureau), "a branch granted");
                }
            }
        }
    }
}

/// A log with its adopt record, for records that should not stand behind it.
struct Bench {
    log: Log,
    document: DocumentId,
    head: RecordId,
}

impl Bench {
    fn of(kind: Kind) -> Self {
        let world = world();
        let genesis = world.genesis(kind, &[]);
        let document = DocumentId(genesis.id().0);
        let mut log = Log::new(&world.directory, genesis).expect("stands");
        let adopt = world.record(document, 1, RecordId(document.0), RecordKind::Adopt("demo 1".to_owned(), vec![]));
        let head = RecordId(adopt.id().0);
        assert_eq!(log.learn(&world.directory, adopt), Ok(Learned::Adds));
        Self { log, document, head }
    }

    fn body(&self, kind: RecordKind) -> Record {
        world().record(self.document, 2, self.head, kind).body().clone()
    }

    fn learn(&self, body: Record, keys: &[u8]) -> Result<Learned, RecordError> {
        self.log.clone().learn(&world().directory, verified(body, keys))
    }
}

fn check(change: impl FnOnce(&mut Record), keys: &[u8], expected: &str) {
    let bench = Bench::of(Kind::Case);
    let mut body = bench.body(RecordKind::Anchor(vec![ChangeHash([3; 32])]));
    assert_eq!(bench.learn(body.clone(), &[world().owner().node.seed]), Ok(Learned::Adds));
    change(&mut body);
    let error = bench.learn(body, keys).expect_err("must not stand").to_string();
    assert!(error.contains(expected), "{error}, expected: {expected}");
}

#[test]
fn a_record_of_the_wrong_hand_or_place_never_stands() {
    let owner = world().owner();
    let node = owner.node.seed;
    check(|_| {}, &[99], "not sealed by its registrar");
    check(|_| {}, &[owner.officers[0].seed], "not sealed by its registrar");
    check(|body| body.registrar = owner.officers[0].id, &[owner.officers[0].seed], "not the registrar of that appointment");
    check(|body| body.registrar = world().bureaus[1].node.id, &[world().bureaus[1].node.seed], "not the registrar of that appointment");
    check(|body| body.registrar = CertificateId([9; 32]), &[node], "registrar's certificate");
    check(|body| body.appointment = world().bureaus[1].appointment, &[node], "registrar's appointment");
    check(|body| body.appointment = StatementId([9; 32]), &[node], "registrar's appointment");
    check(|body| body.index = 3, &[node], "index does not follow");
    check(|body| body.previous = RecordId([9; 32]), &[node], "before it is missing");
    check(|body| body.document = DocumentId([9; 32]), &[node], "another document");
}

fn check_order(order: impl FnOnce(&Bench) -> Bytes, expected: &str) {
    let bench = Bench::of(Kind::Case);
    let grantee = Grantee::plain(world().bureaus[1].id, Verb::Read, None);
    let body = bench.body(RecordKind::Grant(vec![grantee], order(&bench)));
    let error = bench.learn(body, &[world().owner().node.seed]).expect_err("must not stand").to_string();
    assert!(error.contains(expected), "{error}, expected: {expected}");
}

#[test]
fn a_grant_or_cut_needs_an_order_that_says_the_same_by_an_officer_who_may_order() {
    let world = world();
    let grantee = |n: usize, verb| Grantee::plain(world.bureaus[n].id, verb, None);
    let order = |document, officer: crate::world::Member, act, key| {
        Bytes(seal(Order { document, officer: officer.id, act, at: START, nonce: Nonce([2; 16]) }, &[key]).to_bytes())
    };
    let boss = world.owner().officers[0];
    let same = |verb| OrderAct::Grant(vec![grantee(1, verb)]);
    let wrong = "does not support the record";
    check_order(|bench| order(bench.document, boss, same(Verb::Append), boss.seed), wrong);
    check_order(|bench| order(bench.document, boss, OrderAct::Grant(vec![grantee(2, Verb::Read)]), boss.seed), wrong);
    check_order(|_| order(DocumentId([9; 32]), boss, same(Verb::Read), boss.seed), wrong);
    check_order(|bench| order(bench.document, boss, same(Verb::Read), 99), wrong);
    let node = world.owner().node;
    check_order(|bench| order(bench.document, node, same(Verb::Read), node.seed), wrong);
    let foreign = world.bureaus[1].officers[0];
    check_order(|bench| order(bench.document, foreign, same(Verb::Read), foreign.seed), wrong);
    check_order(|_| Bytes(vec![1, 2, 3]), "unreadable");
    check_order(
        |bench| {
            let mut bytes = order(bench.document, boss, same(Verb::Read), boss.seed).0;
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            Bytes(bytes)
        },
        "seal is wrong",
    );
    let bench = Bench::of(Kind::Case);
    let subject = Subject::Bureau(world.bureaus[1].id);
    let lax = world.order(bench.document, OrderAct::Cut(subject.clone(), vec![Verb::Append], false));
    let body = bench.body(RecordKind::Cut(subject, vec![Verb::Append], vec![], true, lax));
    assert!(bench.learn(body, &[world.owner().node.seed]).is_err(), "strictness is the officer's word");
}

#[test]
fn a_draft_is_granted_to_nobody_and_a_bulletin_to_readers() {
    let world = world();
    for (kind, verb, stands) in [
        (Kind::Draft, Verb::Read, false),
        (Kind::Bulletin, Verb::Read, true),
        (Kind::Bulletin, Verb::Append, false),
        (Kind::Case, Verb::Append, true),
        (Kind::Case, Verb::Request, false),
    ] {
        let bench = Bench::of(kind);
        let body = bench.body(world.grant(bench.document, &[(1, verb)]));
        assert_eq!(bench.learn(body, &[world.owner().node.seed]).is_ok(), stands, "{verb:?} on a {}", kind.word());
    }
    let bench = Bench::of(Kind::Case);
    let body = bench.body(world.grant(bench.document, &[(0, Verb::Append)]));
    assert!(bench.learn(body, &[world.owner().node.seed]).is_err(), "the owner needs no grant");
}

#[test]
fn a_genesis_stands_by_a_member_of_its_owner_who_may_create() {
    let world = world();
    let good = world.genesis(Kind::Case, &[(1, Verb::Append)]).body().clone();
    let check = |change: &dyn Fn(&mut Genesis), key: u8, expected: &str| {
        let mut body = good.clone();
        change(&mut body);
        let error = Log::new(&world.directory, verified(body, &[key])).expect_err("must not stand").to_string();
        assert!(error.contains(expected), "{error}, expected: {expected}");
    };
    let creator = world.owner().officers[0].seed;
    let node = world.owner().node;
    check(&|_| {}, 99, "not sealed by its creator");
    check(&|body| body.creator = world.bureaus[1].officers[0].id, world.bureaus[1].officers[0].seed, "not of the owner bureau");
    check(&|body| body.creator = CertificateId([9; 32]), creator, "creator's certificate");
    check(
        &|body| {
            body.kind = Kind::Bulletin;
            body.audience = vec![];
            body.creator = node.id
        },
        node.seed,
        "may not create",
    );
}

#[test]
fn bounds_of_genesis_order_and_record_are_kept_where_they_are_sealed() {
    let world = world();
    let genesis = world.genesis(Kind::Case, &[(1, Verb::Append)]).body().clone();
    let bureaus = |n: u8| (0..n).map(|n| Grantee::plain(BureauId([n; 32]), Verb::Read, None));
    let with = |change: &dyn Fn(&mut Genesis)| {
        let mut body = genesis.clone();
        change(&mut body);
        body.validate()
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert!(with(&|body| body.schema = 2).is_err());
    assert!(with(&|body| body.rules = 0).is_err());
    assert!(with(&|body| body.rules = 2).is_ok());
    assert!(with(&|body| body.rules = 3).is_err());
    assert!(with(&|body| body.kind = Kind::Draft).is_err(), "a draft has no audience");
    assert!(with(&|body| body.kind = Kind::Bulletin).is_err(), "a bulletin is read only");
    assert!(with(&|body| body.audience[0].verb = Verb::Request).is_err());
    assert!(with(&|body| body.audience[0].bureau = body.owner).is_err());
    assert!(with(&|body| body.audience = bureaus(3).rev().collect()).is_err());
    assert!(with(&|body| body.audience.push(body.audience[0].clone())).is_err());
    assert!(with(&|body| body.audience = bureaus(255).chain(bureaus(255)).collect()).is_err());
    let record = |index, kind| {
        Record { index, ..world.record(DocumentId([1; 32]), 1, RecordId([1; 32]), RecordKind::Adopt("1".into(), vec![])).body().clone() }
            .with(kind)
    };
    let tips = |n: u32| {
        (0..n)
            .map(|n| {
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&n.to_be_bytes());
                ChangeHash(hash)
            })
            .collect::<Vec<_>>()
    };
    let subject = || Subject::Bureau(BureauId([1; 32]));
    let cut = |verbs: &[Verb], lines| RecordKind::Cut(subject(), verbs.to_vec(), lines, false, Bytes(vec![]));
    let line = |n: u8| FrontierLine { actor: ActorId([n; 16]), position: 1, attestation: Digest([0; 32]) };
    let last = limits::RECORDS_MAX - limits::RECORDS_RESERVED;
    for (index, kind, good) in [
        (1, RecordKind::Adopt("1".into(), vec![]), true),
        (1, RecordKind::Adopt(String::new(), vec![]), false),
        (1, RecordKind::Adopt("n".repeat(121), vec![]), false),
        (1, RecordKind::Adopt("a\nb".into(), vec![]), false),
        (2, RecordKind::Adopt("1".into(), vec![]), false),
        (1, RecordKind::Anchor(tips(1)), false),
        (2, RecordKind::Anchor(tips(1)), true),
        (2, RecordKind::Anchor(vec![]), false),
        (2, RecordKind::Anchor(tips(2).into_iter().rev().collect()), false),
        (2, RecordKind::Anchor(tips(limits::TIPS_MAX as u32)), true),
        (2, RecordKind::Anchor(tips(limits::TIPS_MAX as u32 + 1)), false),
        (0, RecordKind::Anchor(tips(1)), false),
        (last - 1, RecordKind::Anchor(tips(1)), true),
        (last, RecordKind::Anchor(tips(1)), false),
        (last, cut(&[Verb::Append], vec![]), true),
        (limits::RECORDS_MAX, cut(&[Verb::Append], vec![]), false),
        (1, cut(&[Verb::Append], vec![]), false),
        (2, cut(&[], vec![]), false),
        (2, cut(&[Verb::Append, Verb::Read], vec![]), false),
        (2, cut(&[Verb::Append], vec![line(1), line(2)]), true),
        (2, cut(&[Verb::Append], vec![line(2), line(1)]), false),
        (2, cut(&[Verb::Append], vec![line(1), line(1)]), false),
        (2, RecordKind::Grant(vec![], Bytes(vec![])), false),
        (2, RecordKind::Grant(bureaus(2).collect(), Bytes(vec![])), true),
        (2, RecordKind::Grant(bureaus(2).rev().collect(), Bytes(vec![])), false),
    ] {
        assert_eq!(record(index, kind.clone()).validate().is_ok(), good, "record {index}: {kind:?}");
    }
}

trait With {
    fn with(self, kind: RecordKind) -> Self;
}
impl With for Record {
    fn with(mut self, kind: RecordKind) -> Self {
        self.kind = kind;
        self
    }
}
