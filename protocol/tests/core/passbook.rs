//! The book of relay passes: which count, which were replaced, who may bring one, and when time alone changes something.

use accord_keys::directory::Directory;
use accord_keys::seal::Verified;
use accord_protocol::access::pass::{PassBook, PassError, PassFault, PassLine, RelayPass, Room};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::{BureauId, Nonce, StatementId};
use accord_protocol::limits::{PASS_LIFE_S_MAX, PASSES_KEPT, PASSES_PAST_MAX};
use accord_protocol::time::WallSeconds;

use crate::exchange::at;
use crate::world::{network, verified, world};

fn directory() -> &'static Directory {
    &world().directory
}

fn issuer() -> BureauId {
    world().owner().id
}

fn holder() -> BureauId {
    world().bureaus[1].id
}

fn third() -> BureauId {
    world().bureaus[2].id
}

fn body(from: u64, until: u64, shown_to: &[BureauId]) -> RelayPass {
    RelayPass {
        issuer: issuer(),
        registrar: world().owner().node.id,
        appointment: world().owner().later.id(&network()),
        holder: holder(),
        lines: vec![PassLine { category: Category::CrimSeries, verb: Verb::Read, tlp_ceiling: Tlp::Amber }],
        shown_to: shown_to.to_vec(),
        from: at(from),
        until: at(until),
        nonce: Nonce([from as u8; 16]),
    }
}

fn seal(body: RelayPass) -> Verified<RelayPass> {
    verified(body, &[world().owner().node.seed])
}

fn pass(from: u64, until: u64, shown_to: &[BureauId]) -> Verified<RelayPass> {
    seal(body(from, until, shown_to))
}

/// The holder's book after it learnt these from the issuer, each when it began or at `now` if that is later.
fn book(passes: &[&Verified<RelayPass>], now: u64) -> PassBook {
    let mut book = PassBook::new(holder());
    for pass in passes {
        let _ = book.learn(directory(), (*pass).clone(), Some(issuer()), pass.body().from.max(at(now))).expect("stands");
    }
    book
}

fn counting(book: &PassBook) -> Vec<StatementId> {
    book.all().map(Verified::id).collect()
}

#[test]
fn a_newer_pass_replaces_an_older_one_for_whom_it_names_once_it_has_begun() {
    let other = BureauId([0x77; 32]);
    let (old, new) = (pass(10, 90, &[third()]), pass(20, 80, &[third()]));
    let both = book(&[&old, &new], 0);
    assert_eq!(counting(&both), [new.id()], "it names whom the older one named");
    assert_eq!(both.ids(&issuer(), &holder()), [new.id(), old.id()], "the older one answers for past times");
    assert_eq!(both.last(&issuer(), &holder()), Some(new.id()));
    let elsewhere = pass(20, 80, &[other]);
    assert_eq!(counting(&book(&[&old, &elsewhere], 0)), [elsewhere.id(), old.id()], "the third was shown no other");
    let nobody = pass(20, 80, &[]);
    assert_eq!(counting(&book(&[&old, &nobody], 0)), [nobody.id(), old.id()], "the newest stays, whomever it names");
    let mut ahead = book(&[&old], 0);
    assert_eq!(ahead.learn(directory(), new.clone(), Some(issuer()), at(19)), Ok(true));
    assert_eq!(counting(&ahead), [new.id(), old.id()], "one that has not begun replaces none");
    ahead.settle(at(19));
    assert_eq!(counting(&ahead), [new.id(), old.id()]);
    ahead.settle(at(20));
    assert_eq!(counting(&ahead), [new.id()], "once it has begun it does");
    assert_eq!(ahead.ids(&issuer(), &holder()), [new.id(), old.id()]);
    assert_eq!(counting(&both.where_known(|id| *id == old.id())), [old.id()], "as it was before the newer one came");
}

#[test]
fn a_pass_that_was_known_or_replaced_teaches_nothing_and_one_laid_aside_by_mistake_is_judged_anew() {
    let (old, new) = (pass(10, 90, &[third()]), pass(20, 80, &[third()]));
    let mut held = book(&[&old, &new], 0);
    let learn = |held: &mut PassBook, pass: &Verified<RelayPass>, now| held.learn(directory(), pass.clone(), Some(issuer()), at(now));
    assert_eq!(learn(&mut held, &new, 20), Ok(false));
    assert_eq!(learn(&mut held, &old, 20), Ok(false));
    assert_eq!(held.ids(&issuer(), &holder()), [new.id(), old.id()], "and what it replaced is still kept");
    // With a clock that was ahead the newer one had begun; with the right one it has not.
    assert_eq!(learn(&mut held, &old, 15), Ok(true));
    assert_eq!(counting(&held), [new.id(), old.id()]);
    assert_eq!(held.ids(&issuer(), &holder()).len(), 2);
    // One that comes too late to count, and was not there before, is not kept at all.
    let mut late = book(&[&new], 20);
    assert_eq!(learn(&mut late, &old, 20), Ok(false));
    assert_eq!(late.ids(&issuer(), &holder()), [new.id()]);
}

#[test]
fn of_those_that_count_and_of_those_that_were_replaced_so_many_are_kept_and_no_more() {
    let mut held = PassBook::new(holder());
    let all: Vec<Verified<RelayPass>> = (0..PASSES_KEPT as u64 + 1).map(|n| pass(10 + n, 90, &[BureauId([n as u8 + 1; 32])])).collect();
    for pass in &all {
        assert_eq!(held.learn(directory(), pass.clone(), Some(issuer()), at(60)), Ok(true));
    }
    assert_eq!(counting(&held).len(), PASSES_KEPT);
    assert_eq!(held.ids(&issuer(), &holder()).len(), PASSES_KEPT + 1, "the oldest is one of the past");
    let mut replaced = PassBook::new(holder());
    for n in 0..2 * PASSES_PAST_MAX as u64 {
        assert_eq!(replaced.learn(directory(), pass(10 + n, 200, &[third()]), Some(issuer()), at(100)), Ok(true));
    }
    assert_eq!((counting(&replaced).len(), replaced.ids(&issuer(), &holder()).len()), (1, 1 + PASSES_PAST_MAX));
}

#[test]
fn a_pass_is_brought_by_who_has_a_reason_to_and_sealed_by_the_registrar_in_office() {
    let good = || body(10, 90, &[third()]);
    let learn = |own: BureauId, pass: Verified<RelayPass>, by: Option<BureauId>, now: WallSeconds| {
        PassBook::new(own).learn(directory(), pass, by, now)
    };
    let stranger = BureauId([0x77; 32]);
    for (own, by, expected) in [
        (holder(), issuer(), Ok(true)),
        (holder(), third(), Ok(true)),
        (holder(), stranger, Err(PassError::Messenger)),
        (third(), holder(), Ok(true)),
        (third(), issuer(), Err(PassError::Messenger)),
        (issuer(), holder(), Ok(true)),
        (issuer(), third(), Err(PassError::Messenger)),
        (stranger, holder(), Err(PassError::NotOurs(issuer()))),
    ] {
        assert_eq!(learn(own, seal(good()), Some(by), at(10)), expected);
    }
    assert_eq!(learn(holder(), seal(good()), None, at(10)), Ok(true), "out of our own store");
    // It is learnt as long as one that it replaced could run.
    assert_eq!(learn(holder(), seal(good()), None, at(9 + PASS_LIFE_S_MAX)), Ok(true));
    assert_eq!(learn(holder(), seal(good()), None, at(10 + PASS_LIFE_S_MAX)), Err(PassError::Over));
    let refused = |change: &dyn Fn(&mut RelayPass), seed: u8, expected: PassError| {
        let mut body = good();
        change(&mut body);
        assert_eq!(learn(holder(), verified(body, &[seed]), None, at(10)), Err(expected));
    };
    let (node, officer) = (world().owner().node, world().owner().officers[0]);
    let (wrong, unknown) = (PassError::WrongRegistrar(issuer()), PassError::UnknownRegistrar(issuer()));
    refused(&|_| {}, 99, wrong.clone());
    refused(&|_| {}, officer.seed, wrong.clone());
    refused(&|pass| pass.registrar = officer.id, officer.seed, wrong.clone());
    refused(&|pass| pass.appointment = world().owner().appointment, node.seed, wrong);
    refused(&|pass| pass.appointment = StatementId([9; 32]), node.seed, unknown.clone());
    refused(&|pass| pass.registrar = accord_protocol::id::CertificateId([9; 32]), node.seed, unknown);
}

#[test]
fn a_pass_serves_from_its_first_second_to_before_its_last_for_what_and_whom_it_names() {
    let (long, short) = (pass(10, 90, &[third()]), pass(20, 40, &[BureauId([0x77; 32])]));
    let held = book(&[&long, &short], 0);
    let find = |sender: BureauId, category, tlp, now| held.find(&issuer(), &holder(), &sender, category, tlp, at(now));
    let plain = |now| find(third(), Category::CrimSeries, Tlp::Amber, now);
    assert_eq!(plain(9), Err(PassFault::Expired(short.id())), "none has begun");
    for now in [10, 20, 50, 89] {
        assert_eq!(plain(now), Ok(long.id()), "{now}: the newest names it not, so it goes by the one it was shown");
    }
    assert_eq!(plain(90), Err(PassFault::Expired(long.id())));
    assert_eq!(find(third(), Category::Traf, Tlp::Amber, 50), Err(PassFault::NotGranted(long.id())));
    assert_eq!(find(third(), Category::CrimSeries, Tlp::Red, 50), Err(PassFault::NotGranted(long.id())));
    let stranger = BureauId([0x99; 32]);
    assert_eq!(find(stranger, Category::CrimSeries, Tlp::Amber, 30), Err(PassFault::NotNamed(short.id())));
    assert_eq!(find(stranger, Category::CrimSeries, Tlp::Amber, 50), Err(PassFault::Expired(short.id())));
    assert_eq!(held.find(&holder(), &issuer(), &third(), Category::CrimSeries, Tlp::Amber, at(50)), Err(PassFault::None));
}

#[test]
fn who_asks_for_the_newest_or_for_changes_hears_what_runs_and_when_that_changes() {
    let (long, short) = (pass(10, 90, &[third()]), pass(20, 40, &[BureauId([0x77; 32])]));
    let held = book(&[&long, &short], 0);
    let newest = |now| held.newest(&issuer(), &holder(), at(now)).map(Verified::id);
    assert_eq!([9, 10, 19, 20, 39].map(newest), [None, Some(long.id()), Some(long.id()), Some(short.id()), Some(short.id())]);
    assert_eq!(newest(40), None, "an older one does not come back");
    let begins = |now| held.newest_begins(&issuer(), &holder(), at(now));
    assert_eq!([9, 10, 19, 20, 95].map(begins), [None, Some(at(10)), Some(at(10)), Some(at(20)), Some(at(20))]);
    let named = |now| held.newest_for(&issuer(), &holder(), &third(), at(now)).map(Verified::id);
    assert_eq!([9, 10, 89, 90].map(named), [None, Some(long.id()), Some(long.id()), None]);
    assert_eq!(held.held_by(&holder()).map(Verified::id).collect::<Vec<_>>(), [short.id(), long.id()]);
    assert_eq!((held.held_by(&issuer()).count(), held.held_by(&third()).count()), (0, 0));
    let between = |one, other, now| held.between(&one, &other, at(now)).into_iter().collect::<Vec<_>>();
    assert_eq!(between(holder(), third(), 50), [long.id()]);
    assert_eq!(between(third(), holder(), 50), [long.id()], "either way");
    assert!(between(holder(), third(), 90).is_empty() && between(holder(), issuer(), 50).is_empty());
    let changed = |since, now| held.changed(at(since), at(now)).map(|pass| pass.from.0 - at(0).0).collect::<Vec<_>>();
    assert_eq!(changed(9, 10), [10]);
    assert_eq!(changed(10, 19), Vec::<u64>::new(), "what began at the start of the time is told already");
    assert_eq!(changed(10, 20), [20]);
    assert_eq!(changed(39, 40), [20]);
    assert_eq!(changed(40, 89), Vec::<u64>::new());
    assert_eq!(changed(0, 100), [20, 10]);
    let next = |now| held.next_change(at(now));
    assert_eq!([9, 10, 20, 40, 90].map(next), [Some(at(10)), Some(at(20)), Some(at(40)), Some(at(90)), None]);
}

#[test]
fn what_has_ended_stays_as_long_as_a_pass_lives_and_is_then_one_of_the_past() {
    let (old, new) = (pass(10, 90, &[third()]), pass(20, 90, &[BureauId([0x77; 32])]));
    let mut held = book(&[&old, &new], 0);
    assert!(held.forget_ended(at(89 + PASS_LIFE_S_MAX)).is_empty());
    assert_eq!(counting(&held).len(), 2);
    assert!(held.forget_ended(at(90 + PASS_LIFE_S_MAX)).is_empty(), "they are kept for questions about past times");
    assert!(counting(&held).is_empty());
    assert_eq!(held.ids(&issuer(), &holder()), [new.id(), old.id()]);
    assert_eq!(held.last(&issuer(), &holder()), None);
    // Beyond what is kept of the past, the ids of what goes are named, and none of what stays.
    let mut full = PassBook::new(holder());
    for n in 0..=PASSES_PAST_MAX as u64 {
        assert_eq!(full.learn(directory(), pass(10 + n, 200, &[third()]), Some(issuer()), at(100)), Ok(true));
    }
    let before = full.ids(&issuer(), &holder());
    assert_eq!(before.len(), PASSES_PAST_MAX + 1);
    let gone = full.forget_ended(at(200 + PASS_LIFE_S_MAX));
    let stays = full.ids(&issuer(), &holder());
    assert_eq!((gone.len(), stays.len()), (1, PASSES_PAST_MAX));
    assert_eq!(gone, before[PASSES_PAST_MAX..], "the oldest");
}

#[test]
fn what_counts_for_nothing_when_it_comes_is_not_kept_for_past_times() {
    let (old, new, between) = (pass(10, 60, &[third()]), pass(30, 80, &[third()]), pass(20, 70, &[third()]));
    let mut book = book(&[&old, &new], 40);
    assert_eq!(book.ids(&issuer(), &holder()), [new.id(), old.id()]);
    assert_eq!(book.learn(directory(), between.clone(), Some(issuer()), at(40)), Ok(false));
    assert_eq!(book.ids(&issuer(), &holder()), [new.id(), old.id()], "it never counted here");
    assert_eq!(book.learn(directory(), old.clone(), Some(issuer()), at(40)), Ok(false));
    assert_eq!(book.ids(&issuer(), &holder()), [new.id(), old.id()], "one that did stays");
}

/// A pass of the n-th bureau of the world.
fn pass_of(at: usize, holder: BureauId, from: u64) -> Verified<RelayPass> {
    let bureau = &world().bureaus[at];
    let appointment = if at == 0 { bureau.later.id(&network()) } else { bureau.appointment };
    let body = RelayPass { issuer: bureau.id, registrar: bureau.node.id, appointment, holder, ..body(from, 90, &[BureauId([0x77; 32])]) };
    verified(body, &[bureau.node.seed])
}

#[test]
fn a_book_takes_so_many_issuers_of_one_holder_and_so_many_pairs_but_always_what_it_issues() {
    let learn =
        |book: &mut PassBook, pass: Verified<RelayPass>, by: usize| book.learn(directory(), pass, Some(world().bureaus[by].id), at(60));
    for room in [Room { issuers: 1, pairs: 9 }, Room { issuers: 9, pairs: 1 }] {
        let mut book = PassBook::with_room(holder(), room);
        assert_eq!(learn(&mut book, pass_of(0, holder(), 10), 0), Ok(true));
        assert_eq!(learn(&mut book, pass_of(2, holder(), 10), 2), Err(PassError::Full), "{room:?}");
        assert_eq!(learn(&mut book, pass_of(0, holder(), 20), 0), Ok(true), "a newer one of the same pair: {room:?}");
        assert_eq!(counting(&book).len(), 1, "{room:?}");
    }
    let mut book = PassBook::with_room(holder(), Room { issuers: 2, pairs: 2 });
    assert_eq!(learn(&mut book, pass_of(0, holder(), 10), 0), Ok(true));
    assert_eq!(learn(&mut book, pass_of(2, holder(), 10), 2), Ok(true), "up to the bound");
    let mut book = PassBook::with_room(issuer(), Room { issuers: 0, pairs: 0 });
    assert_eq!(book.learn(directory(), pass_of(0, holder(), 10), None, at(60)), Ok(true), "what we issue");
    assert_eq!(learn(&mut book, pass_of(2, issuer(), 10), 2), Err(PassError::Full), "what we hold");
}

#[test]
fn the_past_of_so_many_pairs_is_kept_and_goes_on_being_kept() {
    let mut book = PassBook::with_room(issuer(), Room { issuers: 9, pairs: 1 });
    let mut learn = |holder: BureauId, from: u64| {
        let pass = pass_of(0, holder, from);
        assert_eq!(book.learn(directory(), pass, None, at(60)), Ok(true));
        book.ids(&issuer(), &holder).len()
    };
    assert_eq!([10, 20].map(|from| learn(holder(), from)), [1, 2]);
    assert_eq!([10, 20].map(|from| learn(third(), from)), [1, 1], "there is no room for a second pair's past");
    assert_eq!(learn(holder(), 30), 3, "and there is for the first one's");
}
