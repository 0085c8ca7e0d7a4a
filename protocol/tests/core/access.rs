//! Who may hold what: every combination of ownership, log, agreement and traffic light gives the one answer, alike for both sides.

use accord_protocol::access::log::{Kind, Log, RecordKind};
use accord_protocol::access::{self, Facts, Refusal};
use accord_protocol::agreement::exchange::AgreementBook;
use accord_protocol::agreement::{Category, Direction, Tlp, Verb};
use accord_protocol::id::{DocumentId, RecordId};

use crate::exchange::{at, book, concluded, terms};
use crate::world::world;

const READ: &[Verb] = &[Verb::Read];
const APPEND: &[Verb] = &[Verb::Append];

/// What the first bureau's log holds for the second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum InLog {
    Nothing,
    Read,
    Append,
    Cut,
}

/// What the agreement of both gives from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Agreed {
    Nothing,
    Expired,
    OtherWay,
    Read,
    Append,
}

fn log(held: InLog) -> Log {
    let world = world();
    let audience = match held {
        InLog::Nothing => vec![],
        InLog::Read => vec![(1, Verb::Read)],
        InLog::Append | InLog::Cut => vec![(1, Verb::Append)],
    };
    let genesis = world.genesis(Kind::Case, &audience);
    let document = DocumentId(genesis.id().0);
    let mut log = Log::new(&world.directory, genesis).expect("stands");
    if held == InLog::Cut {
        let adopt = world.record(document, 1, RecordId(document.0), RecordKind::Adopt("1".to_owned(), vec![]));
        let first = RecordId(adopt.id().0);
        log.learn(&world.directory, adopt).expect("stands");
        let subject = access::log::Subject::Bureau(world.bureaus[1].id);
        let cut = world.cut(document, subject, &[Verb::Read, Verb::Append], vec![], false);
        log.learn(&world.directory, world.record(document, 2, first, cut)).expect("stands");
    }
    log
}

fn agreement(agreed: Agreed, own: usize) -> AgreementBook {
    let world = world();
    let lines = match agreed {
        Agreed::Nothing => return AgreementBook::new(world.bureaus[own].id),
        Agreed::OtherWay => (Direction::AcceptorGives, APPEND, Tlp::Amber),
        Agreed::Read => (Direction::OffererGives, READ, Tlp::Amber),
        Agreed::Append | Agreed::Expired => (Direction::OffererGives, APPEND, Tlp::Amber),
    };
    let to = if agreed == Agreed::Expired { 9 } else { 40 };
    let statements = concluded(world, 0, 1, 1, None, terms(5, to, &[lines]), 1);
    let mut held = AgreementBook::new(world.bureaus[own].id);
    for statement in statements {
        held.learn(&world.directory, statement).expect("in order");
    }
    held
}

#[test]
fn the_table_of_access_holds_for_sender_and_receiver() {
    let world = world();
    let [first, second, third] = [0, 1, 2].map(|n| world.bureaus[n].id);
    for held in [InLog::Nothing, InLog::Read, InLog::Append, InLog::Cut] {
        let log = log(held);
        let rights = log.rights();
        for agreed in [Agreed::Nothing, Agreed::Expired, Agreed::OtherWay, Agreed::Read, Agreed::Append] {
            for tlp in [Tlp::Clear, Tlp::Amber, Tlp::Red] {
                // Both sides of the link ask the same question of their own books.
                for own in [0, 1] {
                    let book = agreement(agreed, own);
                    let facts = |owner| Facts { document: log.document(), owner, category: Category::CrimSeries, tlp, rights: &rights };
                    let ask = |owner, from, to| access::check(&book, &facts(owner), from, to, at(10), 7);
                    let speaking = !matches!(agreed, Agreed::Nothing | Agreed::Expired);
                    let out = ask(first, first, second);
                    let named = matches!(held, InLog::Read | InLog::Append);
                    let granted = matches!(agreed, Agreed::Read | Agreed::Append) && tlp <= Tlp::Amber;
                    let what = format!("{held:?} {agreed:?} {tlp:?} seen by {own}");
                    match &out {
                        Err(Refusal::NoAgreement { .. }) => assert!(!speaking, "{what}"),
                        Err(Refusal::NotInLog { .. }) => assert!(speaking && !named, "{what}"),
                        Err(Refusal::NotGranted { .. }) => assert!(speaking && named && !granted, "{what}"),
                        Err(Refusal::NoPass { .. }) => panic!("{what}: the owner needs no pass"),
                        Err(Refusal::Suspended { .. }) => panic!("{what}: nobody suspended anything"),
                        Ok(permit) => {
                            assert!(speaking && named && granted, "{what}");
                            assert!(permit.clause().is_some() && !permit.whole(), "{what}");
                            assert_eq!((permit.document(), permit.to(), permit.epoch()), (log.document(), second, 7));
                        }
                    }
                    let home = ask(first, second, first);
                    assert_eq!(home.is_ok(), speaking, "{what}: work goes home while the two speak");
                    assert!(home.is_err() || home.is_ok_and(|permit| permit.whole() && permit.clause().is_none()));
                    let foreign = ask(third, first, second);
                    assert_eq!(matches!(foreign, Err(Refusal::NoPass { .. })), speaking, "{what}: a third bureau's document");
                    assert!(ask(first, first, first).is_ok_and(|permit| permit.whole()), "{what}: our own devices get everything");
                }
            }
        }
    }
}

#[test]
fn before_a_grant_is_sealed_the_agreement_is_asked_for_that_very_verb() {
    let world = world();
    let [first, second] = [0, 1].map(|n| world.bureaus[n].id);
    let may = |book: &AgreementBook, verb, tlp, now| access::may_grant(book, first, second, Category::CrimSeries, tlp, verb, at(now));
    let read = agreement(Agreed::Read, 0);
    assert!(may(&read, Verb::Read, Tlp::Amber, 10).is_ok());
    assert!(matches!(may(&read, Verb::Append, Tlp::Amber, 10), Err(Refusal::NotGranted { .. })));
    assert!(matches!(may(&read, Verb::Read, Tlp::Red, 10), Err(Refusal::NotGranted { .. })));
    assert!(matches!(may(&read, Verb::Read, Tlp::Amber, 40), Err(Refusal::NoAgreement { .. })), "the end is exclusive");
    assert!(matches!(may(&book(world, &[]), Verb::Read, Tlp::Clear, 10), Err(Refusal::NoAgreement { .. })));
}
