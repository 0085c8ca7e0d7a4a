//! The book of agreements by itself: which statements it shows, takes and bounds, and when time alone changes what stands.

use std::collections::BTreeSet;

use accord_keys::seal::Statement;
use accord_protocol::agreement::annex::Annex;
use accord_protocol::agreement::book::Lack;
use accord_protocol::agreement::exchange::{Accept, AgreementStatement, Decline, ExchangeError, Offer, Standing};
use accord_protocol::agreement::lifecycle::{LinkMode, Notice, Resume, Suspend};
use accord_protocol::agreement::{Category, Pair, Verb};
use accord_protocol::id::{AgreementId, BureauId, CertificateId, CompactId, Nonce, StatementId};
use accord_protocol::limits;
use accord_protocol::time::WallSeconds;

use crate::exchange::{accept, conclude, decline};
use crate::lifecycle::{book_of, concluded, day, duty, emergency, line, notice, offer, pair, plain, resume, suspend, terms};
use crate::world::{verified, world};

fn sealed<T: Statement>(body: T) -> bool {
    body.validate().is_ok()
}

#[test]
fn statements_of_the_exchange_are_sealed_up_to_each_bound_and_not_one_beyond() {
    let AgreementStatement::Offer(good) = offer(world(), 0, 1, None, terms(0, 100, 30, Annex::default()), 1) else {
        unreachable!("an offer")
    };
    let check = |change: &dyn Fn(&mut Offer), expected: bool| {
        let mut body = good.body().clone();
        change(&mut body);
        assert_eq!(sealed(body.clone()), expected, "{body:?}");
    };
    check(&|_| {}, true);
    check(&|offer| offer.acceptor = offer.offerer, false);
    check(&|offer| offer.version = 0, false);
    check(&|offer| offer.version = 2, false);
    check(&|offer| offer.previous = Some(AgreementId([1; 32])), false);
    check(&|offer| (offer.version, offer.previous) = (2, Some(AgreementId([1; 32]))), true);
    check(&|offer| offer.expires = offer.at, false);
    check(&|offer| offer.expires = offer.at.plus(1), true);
    check(&|offer| offer.terms.title = String::new(), false);
    let (offer, officer, by) = (AgreementId([1; 32]), CertificateId([1; 32]), BureauId([1; 32]));
    let decline = |reason: &str| Decline { offer, officer, reason: reason.to_owned(), at: day(0) };
    assert!(sealed(decline("")) && sealed(decline(&"r".repeat(500))));
    assert!(!sealed(decline(&"r".repeat(501))) && !sealed(decline("a\nb")));
    let nonce = Nonce([1; 16]);
    let suspend =
        |categories, reason: &str| Suspend { agreement: offer, by, categories, reason: reason.to_owned(), officer, at: day(0), nonce };
    assert!(sealed(suspend(None, "why")) && sealed(suspend(Some(vec![Category::Traf, Category::Env]), "why")));
    for categories in [vec![], vec![Category::Traf, Category::Traf], vec![Category::Env, Category::Traf]] {
        assert!(!sealed(suspend(Some(categories), "why")));
    }
    assert!(!sealed(suspend(None, "")));
    let id = |n: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        StatementId(id)
    };
    let resume = |lifts: Vec<StatementId>| sealed(Resume { agreement: offer, by, lifts, officer, at: day(0), nonce });
    assert!(resume((0..limits::LIFTS_MAX).map(id).collect()) && !resume((0..=limits::LIFTS_MAX).map(id).collect()));
    assert!(resume(vec![id(1)]) && !resume(vec![]) && !resume(vec![id(1), id(1)]) && !resume(vec![id(2), id(1)]));
    let notice = |ends, reason: &str| sealed(Notice { agreement: offer, by, ends, reason: reason.to_owned(), officer, at: day(1) });
    assert!(notice(day(1).plus(1), "why") && !notice(day(1), "why") && !notice(day(0), "why") && !notice(day(9), ""));
}

#[test]
fn each_statement_has_its_word_and_is_found_by_its_id_and_every_officer_behind_it_is_named() {
    let mut statements = plain();
    let id = statements[0].offer();
    let stop = suspend(1, id, None, 1);
    let end = notice(0, id, 1, 60);
    let lift = resume(0, id, &BTreeSet::from([stop.id()]), 2);
    let agreed = accept(world(), 1, AgreementId(lift.id().0), 1);
    let declined = offer(world(), 0, 2, Some(id), terms(10, 90, 30, Annex::default()), 3);
    let no = decline(world(), 1, declined.offer());
    statements.extend([stop.clone(), end.clone(), lift.clone(), agreed.clone(), declined, no]);
    let words: Vec<&str> = statements.iter().map(AgreementStatement::word).collect();
    let expected = ["offered", "accepted", "concluded", "suspended", "notice", "resume_offered", "accepted", "offered", "declined"];
    assert_eq!(words, expected);
    let book = book_of(0, &statements);
    let entry = book.get(&id).expect("known");
    assert_eq!(entry.accept_by_id(&statements[1].id()).map(|accept| accept.id()), Some(statements[1].id()));
    assert!(entry.accept_by_id(&statements[2].id()).is_none());
    assert_eq!(book.notice(pair(), &end.id()).map(|notice| notice.id()), Some(end.id()));
    assert_eq!(book.suspension(pair(), &stop.id()).map(|stop| stop.id()), Some(stop.id()));
    assert!(book.notice(pair(), &stop.id()).is_none() && book.suspension(pair(), &end.id()).is_none());
    let officers: BTreeSet<CertificateId> = book.officers_of(pair()).into_iter().collect();
    let [ours, theirs] = [0, 1].map(|n| world().bureaus[n].officers);
    let all = [ours[0].id, theirs[0].id, theirs[1].id, duty().commanders[1].id];
    assert_eq!(officers, BTreeSet::from(all));
    let strangers = Pair::of(world().bureaus[0].id, world().bureaus[2].id);
    assert!(book.officers_of(strangers).is_empty());
    let shown = book.statements_with(world().bureaus[1].id, 8);
    assert_eq!(shown.len(), statements.len(), "a partner is shown all of it");
    assert_eq!(book_of(1, &[]).statements_with(world().bureaus[0].id, 8).len(), 0);
}

#[test]
fn a_partner_is_shown_what_both_sealed_and_of_open_offers_the_newest() {
    let mut statements = plain();
    let open: Vec<AgreementStatement> =
        (0..4u8).map(|n| offer(world(), 0, 2, Some(statements[0].offer()), terms(10, 90, 30, Annex::default()), 10 + n)).collect();
    statements.extend(open.clone());
    let book = book_of(0, &statements);
    let partner = world().bureaus[1].id;
    for (limit, shown) in [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4)] {
        assert_eq!(book.statements_with(partner, limit).len(), 3 + shown, "at most {limit}");
    }
    let mut ids: Vec<AgreementId> = open.iter().map(AgreementStatement::offer).collect();
    ids.sort();
    let bytes = |id: &AgreementId| book.get(id).expect("known").offer.sealed().to_bytes();
    assert_eq!(book.statements_with(partner, 1).last(), Some(&bytes(&ids[3])), "the last in order");
}

#[test]
fn an_open_offer_that_a_conclusion_names_is_shown_whatever_the_bound() {
    let annex = || Annex { compact: Some(CompactId([7; 32])), ..Annex::default() };
    let [ours, theirs] = [0, 1].map(|by| offer(world(), by, 1, None, terms(0, 100, 30, annex()), 1));
    // Equal offers that cross are an agreement: the conclusion names the other's offer as its accept.
    let node = world().bureaus[0].node;
    let body = accord_protocol::agreement::exchange::Conclude {
        offer: ours.offer(),
        accept: StatementId(theirs.offer().0),
        registrar: node.id,
        epoch: 1,
        at: day(0).plus(2),
    };
    let crossed = AgreementStatement::Conclude(verified(body, &[node.seed]));
    let more = offer(world(), 0, 1, None, terms(0, 90, 30, annex()), 2);
    let book = book_of(0, &[ours.clone(), theirs.clone(), more, crossed]);
    assert_eq!(book.standing(&ours.offer(), day(5)), Some(Standing::InForce));
    let shown = |limit| book.statements_with(world().bureaus[1].id, limit).len();
    assert_eq!((shown(0), shown(1), shown(2)), (3, 3, 4), "both offers and the conclusion; the third offer by the bound");
    let cited = book.get(&theirs.offer()).expect("known").offer.sealed().to_bytes();
    assert!(book.statements_with(world().bureaus[1].id, 0).contains(&cited), "what it names, and no other");
}

#[test]
fn of_several_accepts_so_many_are_kept_until_one_is_concluded() {
    let offered = offer(world(), 0, 1, None, terms(0, 100, 30, Annex::default()), 1);
    let officer = world().bureaus[1].officers[0];
    let accepted = |n: u64| {
        let body = Accept { offer: offered.offer(), officer: officer.id, at: day(0).plus(n) };
        AgreementStatement::Accept(verified(body, &[officer.seed]))
    };
    let mut book = book_of(0, &[]);
    let mut learn = |statement: AgreementStatement| book.learn(&duty().directory, statement);
    assert_eq!(learn(offered.clone()), Ok(true));
    for n in 1..=16 {
        assert_eq!((learn(accepted(n)), learn(accepted(n))), (Ok(true), Ok(false)), "accept {n}");
    }
    assert_eq!(learn(accepted(17)), Ok(false), "one and fifteen further");
    assert_eq!(learn(accepted(1)), Ok(false));
    assert_eq!(learn(conclude(world(), 0, &accepted(9))), Ok(true));
    assert_eq!(learn(accepted(18)), Ok(false), "it is sealed by both");
    let entry = book.get(&offered.offer()).expect("known");
    assert_eq!(entry.accept.as_ref().map(|accept| accept.id()), Some(accepted(9).id()));
}

#[test]
fn a_version_follows_the_concluded_one_before_it_and_no_other() {
    let statements = plain();
    let first = statements[0].offer();
    let next = |version, previous| offer(world(), 0, version, Some(previous), terms(10, 90, 30, Annex::default()), 5);
    let learn = |known: &[AgreementStatement], offer: AgreementStatement| book_of(0, known).learn(&duty().directory, offer);
    assert_eq!(learn(&statements, next(2, first)), Ok(true));
    assert_eq!(learn(&statements, next(3, first)), Err(ExchangeError::WrongVersion { found: 3, newest: 1 }));
    assert_eq!(learn(&statements[..2], next(2, first)), Err(ExchangeError::WrongVersion { found: 2, newest: 0 }));
    let unknown = AgreementId([9; 32]);
    assert_eq!(learn(&statements, next(2, unknown)), Err(ExchangeError::WrongPrevious(unknown)));
    // Two that were offered as the first: only the concluded one is followed.
    let mut both = statements.clone();
    let other = offer(world(), 0, 1, None, terms(0, 90, 30, Annex::default()), 7);
    both.push(other.clone());
    assert_eq!(learn(&both, next(2, other.offer())), Err(ExchangeError::WrongPrevious(other.offer())));
    // The second is concluded: a further second does not follow the second, and a third does not follow the first.
    let mut two = statements.clone();
    two.extend(concluded(0, 2, Some(first), terms(10, 90, 30, Annex::default()), 2));
    assert_eq!(learn(&two, next(3, first)), Err(ExchangeError::WrongPrevious(first)));
    assert_eq!(learn(&two, next(2, two[3].offer())), Err(ExchangeError::WrongPrevious(two[3].offer())));
    assert_eq!(learn(&two, next(3, two[3].offer())), Ok(true));
    // A version of our pair with another bureau is none of this pair.
    let mut elsewhere = statements.clone();
    let third = crate::exchange::concluded(world(), 0, 2, 1, None, terms(0, 100, 30, Annex::default()), 8);
    elsewhere.extend(third.clone());
    assert_eq!(learn(&elsewhere, next(2, third[0].offer())), Err(ExchangeError::WrongPrevious(third[0].offer())));
}

#[test]
fn every_moment_at_which_time_alone_changes_what_stands_is_known_ahead() {
    let mut grants = terms(10, 100, 30, Annex::default());
    grants.grants[0].until = Some(day(50));
    let mut statements = concluded(0, 1, None, grants, 1);
    let next = |statements: &[AgreementStatement], now: WallSeconds| book_of(0, statements).next_change(now);
    let winding = |ends: u64| WallSeconds(day(ends).0 + limits::WINDING_DOWN_S);
    // Begins, a line ends, ends, winds down after grace, is over; the offer itself expires last of all.
    let moments = [day(10), day(50), day(100), day(130), winding(130), day(2_000)];
    let mut now = day(0);
    for moment in moments {
        assert_eq!(next(&statements, now), Some(moment));
        assert_eq!(next(&statements, WallSeconds(moment.0 - 1)), Some(moment));
        now = moment;
    }
    assert_eq!(next(&statements, now), None);
    statements.push(notice(1, statements[0].offer(), 1, 40));
    assert_eq!(next(&statements, day(10)), Some(day(40)));
    assert_eq!(next(&statements, day(50)), Some(winding(40)));
}

#[test]
fn a_pair_is_told_how_it_stands_from_the_offer_to_the_end() {
    let open = offer(world(), 0, 1, None, terms(10, 100, 30, Annex::default()), 1);
    let book = book_of(0, std::slice::from_ref(&open));
    let stands = |now| book.standing(&open.offer(), now);
    let before = WallSeconds(day(2_000).0 - 1);
    assert_eq!([day(0), before, day(2_000)].map(stands), [Some(Standing::Offered), Some(Standing::Offered), Some(Standing::Lapsed)]);
    assert_eq!(book.standing(&AgreementId([9; 32]), day(0)), None);
    let book = book_of(0, &concluded(0, 1, None, terms(10, 100, 30, Annex::default()), 1));
    let state = book.state(pair(), day(9));
    assert_eq!((state.standing, state.link_mode(), state.is_aid_only()), (None, LinkMode::Restricted, false), "not begun");
    let state = book.state(pair(), day(10));
    assert_eq!((state.standing, state.link_mode(), state.is_aid_only()), (Some(Standing::InForce), LinkMode::Full, false));
    let state = book.state(pair(), day(100));
    assert_eq!((state.standing, state.link_mode(), state.is_aid_only()), (Some(Standing::Expired), LinkMode::Restricted, false));
    let clause = Annex { emergency_clause: true, ..Annex::default() };
    let aid = book_of(0, &concluded(0, 1, None, terms(10, 100, 30, clause), 1));
    let state = aid.state(pair(), day(100));
    assert_eq!((state.link_mode(), state.is_aid_only()), (LinkMode::Full, true));
    assert!(aid.in_force(pair(), day(100)).is_empty() && !aid.in_force(pair(), day(99)).is_empty());
    let policies: BTreeSet<_> = [day(9), day(50), day(100), day(130)].map(|now| aid.policy(pair(), now)).into();
    assert_eq!(policies.len(), 3, "nothing, all of it, aid alone; and nothing again");
    assert_eq!(aid.policy(pair(), day(9)), aid.policy(pair(), day(130)));
}

#[test]
fn a_days_emergency_agreement_carries_its_categories_and_is_stopped_by_a_suspension() {
    let begins = day(20);
    let statements = emergency(1, begins, 86_400, true);
    let id = statements[0].offer();
    let carries = |statements: &[AgreementStatement], category| book_of(0, statements).state(pair(), begins).carries(category);
    assert_eq!(carries(&statements, Category::FireAid), Ok(()));
    assert_eq!(carries(&statements, Category::Traf), Err(Lack::NotInForce(None)));
    let book = book_of(0, &statements);
    assert_eq!(book.standing(&id, WallSeconds(begins.0 - 1)), Some(Standing::NotYet));
    let one = world().bureaus[0].id;
    assert!(
        book.grant(one, world().bureaus[1].id, Category::FireAid, line(Category::FireAid, &[Verb::Read]).tlp_ceiling, Verb::Read, begins)
            .is_ok()
    );
    let mut stopped = statements.clone();
    stopped.push(suspend(0, id, None, 1));
    let book = book_of(0, &stopped);
    assert_eq!(book.standing(&id, begins), Some(Standing::Suspended));
    let state = book.state(pair(), begins);
    assert_eq!((state.link_mode(), state.emergencies.is_empty()), (LinkMode::Restricted, true));
    assert_eq!(book.standing(&id, day(21)), Some(Standing::Ended));
}
