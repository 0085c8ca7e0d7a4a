//! The records of rules version 2: who may state which, where, how often; what a fork takes and what heals it.

use accord_keys::seal::Statement;
use accord_protocol::access::log::{EndKind, Grantee, Kind, Learned, Log, Order, OrderAct, Record, RecordError, RecordKind, Subject};
use accord_protocol::agreement::{Tlp, Verb};
use accord_protocol::id::{BureauId, Bytes, Digest, DocumentId, Nonce, RecordId};
use accord_protocol::input::Command;
use accord_protocol::limits;
use accord_protocol::rules::ChangeHash;
use accord_protocol::view::View;

use crate::admission::Case;
use crate::county::{County, OFFICER, usual};
use crate::world::{START, life, network, seal, world};

/// A case's log under a rules version, with its adopt record.
struct Bench {
    log: Log,
    document: DocumentId,
    adopt: RecordId,
    orders: u32,
}

impl Bench {
    fn of(rules: u16) -> Self {
        let genesis = world().genesis_under(Kind::Case, &[(1, Verb::Append)], rules);
        let document = DocumentId(genesis.id().0);
        let log = Log::new(&world().directory, genesis).expect("stands");
        let mut bench = Self { log, document, adopt: RecordId(document.0), orders: 0 };
        bench.adopt = bench.then(bench.adopt, RecordKind::Adopt("demo 1".to_owned(), vec![]));
        bench
    }

    fn try_of_epoch(&mut self, previous: RecordId, kind: RecordKind, epoch: u32) -> (RecordId, Result<Learned, RecordError>) {
        let index = self.log.get(&previous).expect("stands").index + 1;
        let record = world().record_of_epoch(self.document, index, previous, kind, epoch);
        let id = RecordId(record.id().0);
        (id, self.log.learn(&world().directory, record))
    }

    fn then(&mut self, previous: RecordId, kind: RecordKind) -> RecordId {
        self.then_of_epoch(previous, kind, 1)
    }

    fn then_of_epoch(&mut self, previous: RecordId, kind: RecordKind, epoch: u32) -> RecordId {
        let (id, learned) = self.try_of_epoch(previous, kind, epoch);
        learned.expect("stands");
        id
    }

    fn refused(&mut self, previous: RecordId, kind: RecordKind, why: &str) {
        let (_, learned) = self.try_of_epoch(previous, kind, 1);
        let error = learned.expect_err("must not stand").to_string();
        assert!(error.contains(why), "{error}, expected: {why}");
    }

    fn order(&mut self, act: OrderAct) -> Bytes {
        self.orders += 1;
        world().order_number(self.document, act, self.orders)
    }

    fn grant(&mut self, bureau: usize, verb: Verb) -> RecordKind {
        let grantees = vec![Grantee::plain(world().bureaus[bureau].id, verb, None)];
        let order = self.order(OrderAct::Grant(grantees.clone()));
        RecordKind::Grant(grantees, order)
    }

    /// One of every kind that needs an order or is new in rules 2, with its order.
    fn each(&mut self) -> Vec<RecordKind> {
        let (tips, other) = (vec![ChangeHash([3; 32])], world().bureaus[1].id);
        let reason = "stolen key".to_owned();
        let acts = [
            OrderAct::Admit(tips.clone()),
            OrderAct::Void(tips.clone(), reason.clone()),
            OrderAct::Reclassify(Tlp::Red, vec![other]),
            OrderAct::Erase(vec![Digest([4; 32])]),
            OrderAct::End(EndKind::Disown),
        ];
        let [admit, void, reclassify, erase, end] = acts.map(|act| self.order(act));
        vec![
            RecordKind::Admit(tips.clone(), admit),
            RecordKind::Void(tips, reason, void),
            RecordKind::Reclassify(Tlp::Red, vec![other], reclassify),
            RecordKind::Erase(vec![Digest([4; 32])], erase),
            RecordKind::End(EndKind::Disown, end),
        ]
    }

    fn machine_cut() -> RecordKind {
        RecordKind::Cut(Subject::Bureau(world().bureaus[1].id), vec![Verb::Read, Verb::Append], vec![], false, Bytes(vec![]))
    }

    fn holds(&self, bureau: usize) -> Option<Verb> {
        self.log.rights().bureaus.get(&world().bureaus[bureau].id).map(|held| held.verb)
    }
}

fn without_order(kind: RecordKind) -> RecordKind {
    let none = || Bytes(Vec::new());
    match kind {
        RecordKind::Admit(tips, _) => RecordKind::Admit(tips, none()),
        RecordKind::Void(changes, reason, _) => RecordKind::Void(changes, reason, none()),
        RecordKind::Reclassify(tlp, narrowed, _) => RecordKind::Reclassify(tlp, narrowed, none()),
        RecordKind::Erase(blobs, _) => RecordKind::Erase(blobs, none()),
        RecordKind::End(kind, _) => RecordKind::End(kind, none()),
        RecordKind::Grant(grantees, _) => RecordKind::Grant(grantees, none()),
        other => other,
    }
}

#[test]
fn a_document_of_the_first_rules_knows_the_first_four_records_for_life() {
    let mut bench = Bench::of(1);
    let adopt = bench.adopt;
    for kind in bench.each() {
        bench.refused(adopt, kind, "rules version 1");
    }
    bench.refused(adopt, Bench::machine_cut(), "order is missing");
    let grantee = Grantee { until: Some(START), ..Grantee::plain(world().bureaus[2].id, Verb::Read, None) };
    let order = bench.order(OrderAct::Grant(vec![grantee.clone()]));
    bench.refused(adopt, RecordKind::Grant(vec![grantee], order), "rules version 1");
    let grant = bench.grant(2, Verb::Read);
    let one = bench.then(adopt, grant.clone());
    bench.then(one, grant);
}

#[test]
fn every_human_decision_embeds_an_order_and_no_order_is_carried_out_twice() {
    for at in 0..5 {
        let mut bench = Bench::of(2);
        let (adopt, kind) = (bench.adopt, bench.each().swap_remove(at));
        bench.refused(adopt, without_order(kind.clone()), "order is missing");
        let other = bench.order(OrderAct::Erase(vec![Digest([9; 32])]));
        let wrong = match kind.clone() {
            RecordKind::Admit(tips, _) => RecordKind::Admit(tips, other),
            RecordKind::Void(changes, reason, _) => RecordKind::Void(changes, reason, other),
            RecordKind::Reclassify(tlp, narrowed, _) => RecordKind::Reclassify(tlp, narrowed, other),
            RecordKind::Erase(blobs, _) => RecordKind::Erase(blobs, other),
            RecordKind::End(kind, _) => RecordKind::End(kind, other),
            other => other,
        };
        bench.refused(adopt, wrong, "does not support");
        let one = bench.then(adopt, kind.clone());
        if !matches!(kind, RecordKind::End(..)) {
            let again = if matches!(kind, RecordKind::Reclassify(..)) { "raised only" } else { "carried out before" };
            bench.refused(one, kind, again);
        }
    }
    // A stolen registrar key cannot bring back a grant that was cut: not at once, and not much later.
    let mut bench = Bench::of(2);
    let grant = bench.grant(2, Verb::Read);
    let mut at = bench.then(bench.adopt, grant.clone());
    at = bench.then(at, RecordKind::Cut(Subject::Bureau(world().bureaus[2].id), vec![Verb::Read], vec![], false, Bytes(vec![])));
    at = bench.then(at, RecordKind::Anchor(vec![ChangeHash([1; 32])]));
    bench.refused(at, grant.clone(), "carried out before");
    assert_eq!(bench.holds(2), None);
    // On another branch it stands, and a branch does not grant.
    let branch = bench.then(bench.adopt, RecordKind::Anchor(vec![ChangeHash([2; 32])]));
    bench.then(branch, grant);
    assert!(bench.log.is_forked());
    assert_eq!(bench.holds(2), None);
}

#[test]
fn the_registrar_alone_may_cut_end_at_retention_and_name_heads_and_nothing_else() {
    let mut bench = Bench::of(2);
    let cut = bench.then(bench.adopt, Bench::machine_cut());
    assert_eq!(bench.holds(1), None);
    bench.refused(cut, RecordKind::Grant(vec![Grantee::plain(world().bureaus[1].id, Verb::Read, None)], Bytes(vec![])), "order is missing");
    let end = bench.then(cut, RecordKind::End(EndKind::Retention, Bytes(vec![])));
    assert_eq!(bench.log.ended(), Some((end, EndKind::Retention)));
    bench.refused(end, RecordKind::Anchor(vec![ChangeHash([1; 32])]), "nothing follows the end");
}

#[test]
fn disowning_may_be_record_one_and_retention_may_not() {
    let body = |kind| Record { index: 1, ..world().record(DocumentId([1; 32]), 2, RecordId([1; 32]), kind).body().clone() };
    let end = |kind, order| RecordKind::End(kind, Bytes(order));
    assert!(body(end(EndKind::Disown, vec![1])).validate().is_ok());
    assert!(body(end(EndKind::Retention, vec![])).validate().is_err());
    let mut bench = Bench::of(2);
    let genesis = bench.log.genesis().clone();
    bench.log = Log::new(&world().directory, genesis).expect("stands");
    let order = bench.order(OrderAct::End(EndKind::Disown));
    let first = RecordId(bench.document.0);
    let end = bench.then(first, RecordKind::End(EndKind::Disown, order));
    assert!(bench.log.rights().bureaus.is_empty());
    assert_eq!(bench.log.rights().parted(&world().bureaus[1].id), Some(end), "the audience is told the log's end");
}

#[test]
fn a_traffic_light_is_raised_only_and_whom_it_shuts_out_loses_the_document() {
    let mut bench = Bench::of(2);
    let raise = |bench: &mut Bench, tlp, narrowed: Vec<BureauId>| {
        let order = bench.order(OrderAct::Reclassify(tlp, narrowed.clone()));
        RecordKind::Reclassify(tlp, narrowed, order)
    };
    assert_eq!(bench.log.tlp(), Tlp::Amber);
    for lower in [Tlp::Clear, Tlp::Green, Tlp::Amber] {
        let (adopt, kind) = (bench.adopt, raise(&mut bench, lower, vec![]));
        bench.refused(adopt, kind, "raised only");
    }
    let owner = world().owner().id;
    let (adopt, kind) = (bench.adopt, raise(&mut bench, Tlp::Red, vec![owner]));
    bench.refused(adopt, kind, "owner keeps");
    let kind = raise(&mut bench, Tlp::AmberStrict, vec![world().bureaus[1].id]);
    let one = bench.then(adopt, kind);
    assert_eq!((bench.log.tlp(), bench.holds(1)), (Tlp::AmberStrict, None));
    let cut = bench.log.cuts().first().expect("whom it shuts out is cut");
    assert_eq!((cut.record, &cut.subject), (one, &Subject::Bureau(world().bureaus[1].id)));
    assert_eq!(cut.verbs, [Verb::Read, Verb::Append]);
    assert!(cut.frontier.is_empty() && !cut.strict);
    let back = bench.grant(1, Verb::Read);
    bench.then(one, back);
    assert_eq!((bench.log.tlp(), bench.holds(1)), (Tlp::AmberStrict, Some(Verb::Read)), "a later grant lets it in again");
}

#[test]
fn conditions_of_a_grant_are_held_and_a_new_grant_renews_them() {
    let mut bench = Bench::of(2);
    let bureau = world().bureaus[2].id;
    let give = |bench: &mut Bench, at, grantee: Grantee| {
        let order = bench.order(OrderAct::Grant(vec![grantee.clone()]));
        bench.then(at, RecordKind::Grant(vec![grantee], order))
    };
    let until = |verb, days: u64| Grantee { until: Some(START.plus(days * 86_400)), ..Grantee::plain(bureau, verb, None) };
    let adopt = bench.adopt;
    let one = give(&mut bench, adopt, Grantee { via: Some(world().bureaus[1].id), no_fourth: true, ..until(Verb::Append, 3) });
    let held = |bench: &Bench| bench.log.rights().bureaus.get(&bureau).cloned().expect("holds it");
    assert_eq!((held(&bench).until, held(&bench).no_fourth), (Some(START.plus(3 * 86_400)), true));
    let two = give(&mut bench, one, until(Verb::Read, 9));
    assert_eq!(held(&bench).record, one, "a weaker verb takes nothing away");
    let three = give(&mut bench, two, until(Verb::Append, 9));
    assert_eq!((held(&bench).record, held(&bench).until, held(&bench).via), (three, Some(START.plus(9 * 86_400)), None));
}

/// A log with two branches after adopt: on the first bureau 2 is let in, on the second bureau 1 is cut.
fn forked() -> (Bench, RecordId, RecordId) {
    let mut bench = Bench::of(2);
    let grant = bench.grant(2, Verb::Read);
    let left = bench.then(bench.adopt, grant);
    assert_eq!((bench.holds(1), bench.holds(2)), (Some(Verb::Append), Some(Verb::Read)));
    let right = bench.then(bench.adopt, Bench::machine_cut());
    assert!(bench.log.is_forked());
    assert_eq!((bench.holds(1), bench.holds(2)), (None, None), "no branch grants, what takes away counts");
    (bench, left, right)
}

fn ascending(heads: [RecordId; 2]) -> Vec<RecordId> {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    heads
}

#[test]
fn a_record_that_names_all_heads_heals_the_log_and_keeps_what_was_taken_away() {
    for goes_on in 0..2 {
        let (mut bench, left, right) = forked();
        let previous = [left, right][goes_on];
        bench.then(previous, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
        assert!(!bench.log.is_forked());
        assert_eq!(bench.holds(1), None, "cut, whichever branch goes on");
        assert_eq!(bench.holds(2), (goes_on == 0).then_some(Verb::Read), "the branch that goes on grants, the other does not");
        let back = bench.grant(1, Verb::Append);
        bench.then(bench.log.head(), back);
        assert_eq!(bench.holds(1), Some(Verb::Append), "and grants go on after it");
        // A record on the branch that was left forks the log anew.
        let grant = bench.grant(2, Verb::Append);
        bench.then([right, left][goes_on], grant);
        assert!(bench.log.is_forked());
        assert_eq!(bench.holds(2), None);
    }
}

#[test]
fn what_a_record_behind_a_healed_fork_rests_on_can_be_learnt_from_the_beginning() {
    let (mut bench, left, right) = forked();
    let healed = bench.then(left, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    let grant = bench.grant(1, Verb::Append);
    let last = bench.then(healed, grant);
    let mut away = Log::new(&world().directory, bench.log.genesis().clone()).expect("stands");
    for record in bench.log.up_to(&last) {
        away.learn(&world().directory, record.clone()).expect("nothing before it is left out");
    }
    assert_eq!((away.head(), away.is_forked()), (last, false));
}

#[test]
fn of_two_branches_the_one_that_goes_on_counts_first_and_what_each_says_counts() {
    let mut bench = Bench::of(2);
    let tips = vec![ChangeHash([3; 32])];
    let (void, erase) = {
        let void = bench.order(OrderAct::Void(tips.clone(), "stolen key".to_owned()));
        let erase = bench.order(OrderAct::Erase(vec![Digest([4; 32])]));
        (RecordKind::Void(tips.clone(), "stolen key".to_owned(), void), RecordKind::Erase(vec![Digest([4; 32])], erase))
    };
    assert!(bench.log.erased().is_empty() && bench.log.voided().is_empty());
    let left = bench.then(bench.adopt, void);
    let long = bench.then(left, RecordKind::Anchor(vec![ChangeHash([5; 32])]));
    let right = bench.then(bench.adopt, erase);
    assert_eq!((bench.log.erased().len(), bench.log.voided().get(&tips[0])), (1, Some(&left)), "of every branch");
    assert_eq!((bench.log.head(), bench.log.heads()), (long, ascending([long, right])), "the longest is shown");
    let healed = bench.then(right, RecordKind::Continue(ascending([long, right]), false, Bytes(vec![])));
    let order: Vec<RecordId> = bench.log.in_order().into_iter().map(|((_, _, id), _)| id).collect();
    assert_eq!(order, [RecordId(bench.document.0), bench.adopt, right, healed, left, long], "the branch that goes on comes first");
    assert!(bench.log.order_of(&right) < bench.log.order_of(&left));
    let (descends, not_older) = (|a, b| bench.log.descends(a, b), |a, b| bench.log.not_older(a, b));
    assert!(descends(&healed, &long) && descends(&healed, &left) && descends(&long, &left) && descends(&left, &left));
    assert!(!descends(&left, &long) && !descends(&right, &left) && !descends(&left, &right) && !descends(&long, &healed));
    assert!(not_older(&healed, &long) && not_older(&left, &left) && !not_older(&left, &right) && !not_older(&right, &left));
    assert!(!not_older(&RecordId([9; 32]), &left) && !not_older(&left, &RecordId([9; 32])));
    let line = Bench::of(2);
    let first = RecordId(line.document.0);
    assert!(line.log.not_older(&line.adopt, &first) && !line.log.not_older(&first, &line.adopt), "and in one that never branched");
}

#[test]
fn what_was_given_on_a_branch_that_was_left_is_told_unless_it_was_decided_since() {
    use accord_protocol::access::log::LostGrant;
    let third = world().bureaus[2].id;
    // The third is let in on the left branch, and the right one goes on.
    let left_behind = |more: &dyn Fn(&mut Bench, RecordId) -> RecordId| {
        let (mut bench, left, right) = forked();
        let left = more(&mut bench, left);
        bench.then(right, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
        bench
    };
    let lost = |bench: &Bench| bench.log.lost_grants();
    assert!(lost(&Bench::of(2)).is_empty() && lost(&forked().0).is_empty(), "nothing is lost before it is healed");
    let mut bench = left_behind(&|_, left| left);
    let head = bench.log.head();
    let healed = bench.log.get(&head).and_then(|entry| entry.record.as_ref()).expect("a record").body().at;
    assert_eq!(lost(&bench), [LostGrant { bureau: third, verb: Verb::Read, healed }]);
    // A weaker grant does not replace what was lost; the same does, and so does a cut.
    let again = bench.grant(2, Verb::Read);
    let given = bench.then(head, again);
    assert!(lost(&bench).is_empty(), "given again");
    bench.then(given, RecordKind::Cut(Subject::Bureau(third), vec![Verb::Read, Verb::Append], vec![], false, Bytes(vec![])));
    assert!(lost(&bench).is_empty(), "and decided since");
    let mut stronger = left_behind(&|bench, left| {
        let more = bench.grant(2, Verb::Append);
        bench.then(left, more)
    });
    assert_eq!(lost(&stronger).first().map(|lost| lost.verb), Some(Verb::Append));
    let weaker = stronger.grant(2, Verb::Read);
    let head = stronger.log.head();
    stronger.then(head, weaker);
    assert_eq!(lost(&stronger).len(), 1, "reading is not what it had");
    let cut = |subject| RecordKind::Cut(subject, vec![Verb::Read, Verb::Append], vec![], false, Bytes(vec![]));
    assert!(lost(&left_behind(&|bench, left| bench.then(left, cut(Subject::Bureau(third))))).is_empty(), "taken away there");
    assert_eq!(lost(&left_behind(&|bench, left| bench.then(left, cut(Subject::Bureau(world().bureaus[1].id))))).len(), 1);
    for (narrowed, count) in [(third, 0), (world().bureaus[1].id, 1)] {
        let bench = left_behind(&|bench, left| {
            let order = bench.order(OrderAct::Reclassify(Tlp::Red, vec![narrowed]));
            bench.then(left, RecordKind::Reclassify(Tlp::Red, vec![narrowed], order))
        });
        assert_eq!(lost(&bench).len(), count);
    }
    assert!(lost(&left_behind(&|bench, left| bench.then(left, RecordKind::End(EndKind::Retention, Bytes(vec![]))))).is_empty());
    // Left behind twice, it is told once: by the later healing.
    let mut twice = left_behind(&|_, left| left);
    let healed = twice.log.head();
    let more = twice.grant(2, Verb::Append);
    let [left, right] = [more, RecordKind::Anchor(vec![ChangeHash([1; 32])])].map(|kind| twice.then(healed, kind));
    let again = twice.then(right, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    let at = twice.log.get(&again).and_then(|entry| entry.record.as_ref()).expect("a record").body().at;
    assert_eq!(lost(&twice), [LostGrant { bureau: third, verb: Verb::Append, healed: at }]);
}

#[test]
fn what_was_granted_after_a_healing_stands_when_the_log_forks_and_heals_again() {
    let third = world().bureaus[2].id;
    let cut = RecordKind::Cut(Subject::Bureau(third), vec![Verb::Read], vec![], false, Bytes(vec![]));
    for taken in [cut, RecordKind::End(EndKind::Retention, Bytes(vec![]))] {
        let mut bench = Bench::of(2);
        let left = bench.then(bench.adopt, taken);
        let right = bench.then(bench.adopt, RecordKind::Anchor(vec![ChangeHash([1; 32])]));
        let healed = bench.then(right, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
        let grant = bench.grant(2, Verb::Read);
        let granted = bench.then(healed, grant);
        assert_eq!(bench.holds(2), Some(Verb::Read));
        let other = bench.then(healed, RecordKind::Anchor(vec![ChangeHash([2; 32])]));
        assert_eq!(bench.holds(2), None, "no branch grants beyond a fork");
        bench.then(granted, RecordKind::Continue(ascending([granted, other]), false, Bytes(vec![])));
        assert_eq!(bench.holds(2), Some(Verb::Read), "what the first fork took was taken by the first healing");
    }
}

#[test]
fn what_a_healing_left_that_was_itself_set_aside_is_not_told() {
    let third = world().bureaus[2].id;
    let mut bench = Bench::of(2);
    let grant = bench.grant(2, Verb::Append);
    let left = bench.then(bench.adopt, grant);
    let right = bench.then(bench.adopt, RecordKind::Anchor(vec![ChangeHash([1; 32])]));
    let healed = bench.then(right, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    assert_eq!(bench.log.lost_grants().len(), 1);
    // On the branch that was left what was given is narrowed, and the newer appointment goes on from there.
    let cut = bench.then(left, RecordKind::Cut(Subject::Bureau(third), vec![Verb::Append], vec![], false, Bytes(vec![])));
    let heads = ascending([cut, healed]);
    let order = bench.order(OrderAct::Continue(heads.clone()));
    bench.then_of_epoch(cut, RecordKind::Continue(heads, true, order), 2);
    assert!(bench.log.is_aside(&healed) && bench.holds(2) == Some(Verb::Read));
    assert_eq!(bench.log.lost_grants(), [], "the stolen key's healing left nothing of ours");
}

#[test]
fn naming_some_of_the_heads_heals_nothing() {
    let (mut bench, left, right) = forked();
    let third = bench.grant(2, Verb::Append);
    bench.then(bench.adopt, third);
    bench.then(left, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    assert!(bench.log.is_forked());
    assert_eq!(bench.holds(2), None);
}

#[test]
fn a_record_that_heals_waits_for_every_head_it_names_and_names_heads_only() {
    let (mut bench, left, right) = forked();
    let heads = ascending([left, right]);
    let unknown = ascending([left, RecordId([7; 32])]);
    let (_, learned) = bench.try_of_epoch(left, RecordKind::Continue(unknown, false, Bytes(vec![])), 1);
    assert_eq!(learned, Err(RecordError::Waiting(RecordId([7; 32]))));
    let nested = ascending([bench.adopt, right]);
    bench.refused(right, RecordKind::Continue(nested, false, Bytes(vec![])), "before another");
    let mut long = left;
    for n in 1..3 {
        long = bench.then(long, RecordKind::Anchor(vec![ChangeHash([n; 32])]));
    }
    bench.refused(long, RecordKind::Continue(ascending([left, long]), false, Bytes(vec![])), "before another");
    let body = |heads, compromised, order| {
        let kind = RecordKind::Continue(heads, compromised, Bytes(order));
        Record { previous: left, ..world().record(bench.document, 3, left, RecordKind::Anchor(vec![ChangeHash([1; 32])])).body().clone() }
            .with(kind)
    };
    assert!(body(heads.clone(), false, vec![]).validate().is_ok());
    assert!(body(heads.clone(), true, vec![1]).validate().is_ok());
    assert!(body(heads.clone(), true, vec![]).validate().is_err(), "to call a key stolen takes an order");
    assert!(body(heads, false, vec![1]).validate().is_err());
    assert!(body(vec![left], false, vec![]).validate().is_err());
    assert!(body(ascending([right, RecordId([0xff; 32])]), false, vec![]).validate().is_err(), "its own branch is among them");
}

#[test]
fn a_branch_that_forked_and_healed_thirty_times_is_walked_once() {
    let (mut bench, left, right) = forked();
    let mut at = right;
    for n in 0..30 {
        let [one, other] = [n, n + 100].map(|n| bench.then(at, RecordKind::Anchor(vec![ChangeHash([n; 32])])));
        at = bench.then(one, RecordKind::Continue(ascending([one, other]), false, Bytes(vec![])));
    }
    bench.then(at, RecordKind::Continue(ascending([left, at]), false, Bytes(vec![])));
    assert!(!bench.log.is_forked(), "not once for each of two ways, thirty times over");
}

#[test]
fn a_stolen_registrar_key_is_set_aside_by_a_newer_appointment_for_good() {
    let (mut bench, left, right) = forked();
    let heads = ascending([left, right]);
    let order = bench.order(OrderAct::Continue(heads.clone()));
    let kind = RecordKind::Continue(heads.clone(), true, order.clone());
    bench.refused(left, kind.clone(), "newer appointment");
    // Nor is one who writes under the newer appointment called so under that very one.
    let (mut newer, other) = (Bench { log: bench.log.clone(), ..bench }, bench.adopt);
    let third = newer.then_of_epoch(other, RecordKind::Anchor(vec![ChangeHash([8; 32])]), 2);
    let named = ascending([left, third]);
    let accused = newer.order(OrderAct::Continue(named.clone()));
    let (_, learned) = newer.try_of_epoch(left, RecordKind::Continue(named, true, accused), 2);
    assert!(learned.is_err_and(|error| error.to_string().contains("newer appointment")));
    let healed = bench.then_of_epoch(left, kind, 2);
    assert!(!bench.log.is_forked() && bench.log.is_aside(&right));
    assert_eq!((bench.holds(1), bench.holds(2)), (Some(Verb::Append), Some(Verb::Read)), "what the thief took away is given back");
    // The thief writes on: on its branch, on a new one, and behind the record that accuses it.
    bench.then(right, RecordKind::Cut(Subject::Bureau(world().bureaus[2].id), vec![Verb::Read], vec![], true, Bytes(vec![])));
    bench.then(bench.adopt, RecordKind::End(EndKind::Retention, Bytes(vec![])));
    bench.refused(healed, Bench::machine_cut(), "older appointment");
    assert!(!bench.log.is_forked() && bench.log.ended().is_none());
    assert_eq!((bench.holds(1), bench.holds(2)), (Some(Verb::Append), Some(Verb::Read)));
    assert_eq!(bench.log.heads(), vec![healed]);
    let (aside, learned) = bench.try_of_epoch(right, RecordKind::Anchor(vec![ChangeHash([6; 32])]), 1);
    assert_eq!((learned, bench.log.is_aside(&aside)), (Ok(Learned::Adds), true), "what it writes changes nothing");
    let (next, learned) = bench.try_of_epoch(healed, RecordKind::Anchor(vec![ChangeHash([7; 32])]), 2);
    assert_eq!((learned, bench.log.heads()), (Ok(Learned::Adds), vec![next]), "the newer appointment writes on");
    // One that was not named and is of the newer appointment itself stays a branch.
    let (mut bench, left, right) = forked();
    let third = bench.then_of_epoch(bench.adopt, RecordKind::Anchor(vec![ChangeHash([8; 32])]), 2);
    let heads = ascending([left, right]);
    let order = bench.order(OrderAct::Continue(heads.clone()));
    bench.then_of_epoch(left, RecordKind::Continue(heads, true, order), 2);
    assert!(bench.log.is_forked() && !bench.log.is_aside(&third) && bench.log.is_aside(&right));
}

#[test]
fn what_a_record_does_to_the_tree_is_said_when_it_is_learnt() {
    let mut bench = Bench::of(2);
    let anchor = |n| RecordKind::Anchor(vec![ChangeHash([n; 32])]);
    let grant = bench.grant(2, Verb::Read);
    let given = bench.then(bench.adopt, grant);
    let left = bench.then(given, anchor(1));
    let (_, branch) = bench.try_of_epoch(given, anchor(2), 1);
    assert_eq!((branch, bench.holds(2)), (Ok(Learned::TakesAway), Some(Verb::Read)), "both have it");
    let (_, extends) = bench.try_of_epoch(left, anchor(3), 1);
    assert_eq!(extends, Ok(Learned::Adds));
    let (_, branch) = bench.try_of_epoch(bench.adopt, anchor(4), 1);
    assert_eq!((branch, bench.holds(2)), (Ok(Learned::TakesAway), None), "now the grant is on a branch");
    let there = |bench: &Bench| bench.log.get(&given).is_some_and(|entry| entry.rights.bureaus.contains_key(&world().bureaus[2].id));
    assert!(!there(&bench), "and grants nothing there either");
}

#[test]
fn what_was_taken_away_before_a_fork_is_not_taken_again_when_it_heals() {
    let mut bench = Bench::of(2);
    let cut = bench.then(bench.adopt, Bench::machine_cut());
    let back = bench.grant(1, Verb::Append);
    let left = bench.then(cut, back);
    let right = bench.then(cut, RecordKind::Anchor(vec![ChangeHash([1; 32])]));
    assert_eq!(bench.holds(1), None);
    bench.then(left, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    assert_eq!(bench.holds(1), Some(Verb::Append), "it came back after that cut");
}

#[test]
fn what_was_written_under_the_branch_that_was_left_and_under_the_one_that_heals_goes_together() {
    let mut case = Case::under(2);
    let root = case.founding();
    let adopt = case.story.head();
    let left = case.record(|_, _| RecordKind::Anchor(vec![root]));
    let partner = case.world.bureaus[1].officers[0];
    // The partner heard of one branch only, and writes under it.
    let early = case.story.write(partner, life(partner, 1), [root].into(), left, 2).expect("writes");
    let right = case.story.push_record(
        case.world,
        1,
        adopt,
        RecordKind::Cut(Subject::Certificate(case.world.bureaus[1].officers[1].id), vec![Verb::Append], vec![], false, Bytes(vec![])),
    );
    case.deliver();
    let healed = case.story.push_record(case.world, 2, right, RecordKind::Continue(ascending([left, right]), false, Bytes(vec![])));
    case.deliver();
    assert!(case.admits(early));
    let late = case.story.write(partner, life(partner, 1), [early].into(), healed, 2).expect("writes");
    case.deliver();
    assert!(case.admits(late), "the record that heals is not older than what either branch said");
    let other = case.world.bureaus[1].officers[1];
    let cut = case.story.write(other, life(other, 1), [late].into(), healed, 2).expect("writes");
    case.deliver();
    assert!(!case.admits(cut), "the other branch's cut goes on");
}

#[test]
fn nothing_counts_after_the_end_but_what_was_settled_before() {
    let mut case = Case::under(2);
    let root = case.founding();
    let settled = case.write(1, 0, 1, &[root]);
    case.anchor(&[settled]);
    let before = case.story.head();
    let unsettled = case.write(1, 0, 1, &[settled]);
    assert!(case.admits(unsettled));
    let end = case.record(|_, _| RecordKind::End(EndKind::Retention, Bytes(vec![])));
    assert!(case.admits(settled) && !case.admits(unsettled), "an append that was not settled is held");
    let member = case.world.bureaus[0].officers[1];
    for cited in [before, end] {
        let late = case.story.write(member, life(member, 1), [settled].into(), cited, 2).expect("writes");
        case.deliver();
        assert!(!case.admits(late), "not even the owner's own");
    }
    assert!(case.state.log().rights().bureaus.is_empty());
}

#[test]
fn a_void_takes_the_acts_and_leaves_what_is_settled() {
    let mut case = Case::under(2);
    let root = case.founding();
    let stolen = case.write(1, 0, 1, &[root]);
    let good = case.write(0, 1, 1, &[stolen]);
    case.anchor(&[good]);
    let record = case.record(|world, document| {
        let act = OrderAct::Void(vec![stolen], "stolen key".to_owned());
        RecordKind::Void(vec![stolen], "stolen key".to_owned(), world.order_number(document, act, 1))
    });
    assert!(case.admits(stolen) && case.admits(good));
    let acts = case.state.acts().expect("shows");
    let voided = |change| acts.iter().find(|act| act.change == change).expect("shown").voided;
    assert_eq!((voided(stolen), voided(good)), (Some(record), None));
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

#[test]
fn bounds_of_the_new_records_and_orders_are_kept_where_they_are_sealed() {
    let some = |n: usize| {
        (0..n)
            .map(|n| {
                let mut id = [0; 32];
                id[..4].copy_from_slice(&(n as u32).to_be_bytes());
                id
            })
            .collect::<Vec<_>>()
    };
    let changes = |n| some(n).into_iter().map(ChangeHash).collect::<Vec<_>>();
    let bureaus = |n| some(n).into_iter().map(BureauId).collect::<Vec<_>>();
    let blobs = |n| some(n).into_iter().map(Digest).collect::<Vec<_>>();
    let order =
        |act| Order { document: DocumentId([1; 32]), officer: world().owner().officers[0].id, act, at: START, nonce: Nonce([1; 16]) };
    let reason = || "why".to_owned();
    for (act, good) in [
        (OrderAct::Admit(changes(1)), true),
        (OrderAct::Admit(vec![]), false),
        (OrderAct::Admit(changes(limits::ADMIT_TIPS_MAX)), true),
        (OrderAct::Admit(changes(limits::ADMIT_TIPS_MAX + 1)), false),
        (OrderAct::Admit(changes(2).into_iter().rev().collect()), false),
        (OrderAct::Void(changes(limits::VOIDS_MAX), reason()), true),
        (OrderAct::Void(changes(limits::VOIDS_MAX + 1), reason()), false),
        (OrderAct::Void(vec![], reason()), false),
        (OrderAct::Void(changes(1), String::new()), false),
        (OrderAct::Void(changes(1), "n".repeat(limits::REASON_BYTES_MAX + 1)), false),
        (OrderAct::Void(changes(1), "two\nlines".to_owned()), false),
        (OrderAct::Reclassify(Tlp::Red, vec![]), true),
        (OrderAct::Reclassify(Tlp::Red, bureaus(limits::AUDIENCE_MAX + 1)), false),
        (OrderAct::Erase(blobs(limits::ERASED_MAX)), true),
        (OrderAct::Erase(blobs(limits::ERASED_MAX + 1)), false),
        (OrderAct::Erase(vec![]), false),
        (OrderAct::Continue(some(1).into_iter().map(RecordId).collect()), false),
        (OrderAct::Continue(some(limits::LOG_HEADS_MAX).into_iter().map(RecordId).collect()), true),
        (OrderAct::Continue(some(limits::LOG_HEADS_MAX + 1).into_iter().map(RecordId).collect()), false),
    ] {
        assert_eq!(order(act.clone()).validate().is_ok(), good, "{act:?}");
    }
    let last = limits::RECORDS_MAX - limits::RECORDS_RESERVED;
    let record = |index, kind| {
        Record {
            index,
            previous: RecordId([0; 32]),
            ..world().record(DocumentId([1; 32]), 2, RecordId([1; 32]), Bench::machine_cut()).body().clone()
        }
        .with(kind)
    };
    let by = || Bytes(vec![1]);
    let two = || some(2).into_iter().map(RecordId).collect::<Vec<_>>();
    for (index, kind, good) in [
        (last, RecordKind::Void(changes(1), reason(), by()), true),
        (last, RecordKind::Erase(blobs(1), by()), true),
        (last, RecordKind::End(EndKind::Retention, Bytes(vec![])), true),
        (last, RecordKind::Continue(two(), false, Bytes(vec![])), true),
        (last, RecordKind::Admit(changes(1), by()), false),
        (last, RecordKind::Reclassify(Tlp::Red, vec![], by()), false),
        (last - 1, RecordKind::Admit(changes(1), by()), true),
        (last - 1, RecordKind::Reclassify(Tlp::Red, vec![], by()), true),
        (1, RecordKind::Void(changes(1), reason(), by()), false),
        (1, RecordKind::Reclassify(Tlp::Red, vec![], by()), false),
        (1, RecordKind::Admit(changes(1), by()), false),
        (2, RecordKind::Void(changes(limits::VOIDS_MAX + 1), reason(), by()), false),
        (2, RecordKind::Void(changes(1), "n".repeat(limits::REASON_BYTES_MAX + 1), by()), false),
        (2, RecordKind::Admit(changes(limits::ADMIT_TIPS_MAX + 1), by()), false),
        (2, RecordKind::Reclassify(Tlp::Red, bureaus(limits::AUDIENCE_MAX + 1), by()), false),
        (2, RecordKind::Erase(blobs(limits::ERASED_MAX + 1), by()), false),
    ] {
        assert_eq!(record(index, kind.clone()).validate().is_ok(), good, "record {index}: {}", kind.word());
    }
    // The largest of each, with its order, fits a seal.
    let officer = world().owner().officers[0];
    let fits = |act: OrderAct, kind: &dyn Fn(Bytes) -> RecordKind| {
        let order = Bytes(seal(order(act), &[officer.seed]).to_bytes());
        let body = world().record(DocumentId([1; 32]), 2, RecordId([0; 32]), kind(order)).body().clone();
        assert!(accord_keys::seal::Sealed::seal(&network(), body, &[&crate::world::key(world().owner().node.seed)]).is_ok());
    };
    let most = changes(limits::ADMIT_TIPS_MAX);
    fits(OrderAct::Admit(most.clone()), &|order| RecordKind::Admit(most.clone(), order));
    let most = (changes(limits::VOIDS_MAX), "n".repeat(limits::REASON_BYTES_MAX));
    fits(OrderAct::Void(most.0.clone(), most.1.clone()), &|order| RecordKind::Void(most.0.clone(), most.1.clone(), order));
    let most = bureaus(limits::AUDIENCE_MAX);
    fits(OrderAct::Reclassify(Tlp::Red, most.clone()), &|order| RecordKind::Reclassify(Tlp::Red, most.clone(), order));
}

#[test]
fn a_log_names_so_many_bureaus_and_no_more_also_one_that_forgot_its_first() {
    for rules in [1, 2] {
        let mut bench = Bench::of(rules);
        let strangers = |from: usize, count: usize| -> Vec<Grantee> {
            let id = |n: usize| BureauId(*blake3::hash(&n.to_be_bytes()).as_bytes());
            let mut all: Vec<Grantee> = (from..from + count).map(|n| Grantee::plain(id(n), Verb::Read, None)).collect();
            all.sort();
            all
        };
        let grant = |bench: &mut Bench, grantees: Vec<Grantee>| {
            let order = bench.order(OrderAct::Grant(grantees.clone()));
            RecordKind::Grant(grantees, order)
        };
        let mut at = bench.adopt;
        // One is in the genesis, and cut: a bureau named once is named for good.
        let gone = world().bureaus[1].id;
        let order = bench.order(OrderAct::Cut(Subject::Bureau(gone), vec![Verb::Read, Verb::Append], true));
        at = bench.then(at, RecordKind::Cut(Subject::Bureau(gone), vec![Verb::Read, Verb::Append], vec![], true, order));
        let pages = (limits::BUREAUS_PER_LOG_MAX - 1).div_ceil(limits::AUDIENCE_MAX);
        for page in 0..pages {
            let count = limits::AUDIENCE_MAX.min(limits::BUREAUS_PER_LOG_MAX - 1 - page * limits::AUDIENCE_MAX);
            let kind = grant(&mut bench, strangers(page * limits::AUDIENCE_MAX, count));
            at = bench.then(at, kind);
        }
        let more = grant(&mut bench, strangers(limits::BUREAUS_PER_LOG_MAX, 1));
        bench.refused(at, more, "only so many bureaus");
        let again = grant(&mut bench, strangers(7, 3));
        bench.then(at, again);
        assert_eq!(bench.log.rights().bureaus.len(), limits::BUREAUS_PER_LOG_MAX - 1, "rules {rules}");
    }
}

#[test]
fn whoever_ordered_a_record_is_named_by_it_so_that_its_certificate_goes_along() {
    let document = DocumentId([5; 32]);
    let kind = world().grant(document, &[(2, Verb::Read)]);
    let officer = kind.ordering_officer().expect("a grant embeds an order");
    assert!(world().officers().iter().any(|member| member.id == officer));
    assert_eq!(kind.officers().collect::<Vec<_>>(), [officer]);
    assert_eq!(RecordKind::Anchor(vec![]).officers().count(), 0, "the machine's own");
}

#[test]
fn a_document_is_found_by_the_beginning_of_its_id_and_by_its_number() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    let ids: Vec<String> = (0..20).map(|n| county.open_case(0, &[1], &format!("case {n}"), "text")).collect();
    county.pass(60);
    let shown = |county: &mut County, word: &str| match county.asked(0, Some(OFFICER), false, Command::DocumentShow { id: word.to_owned() })
    {
        Ok(View::Document(view)) => view.line.id,
        Ok(other) => panic!("{other:?}"),
        Err(refused) => refused.code,
    };
    for id in &ids {
        for word in [&id[..8], &id[..63], &id[..], &id[..8].to_ascii_uppercase()] {
            assert_eq!(shown(&mut county, word), *id, "{word}");
        }
    }
    let View::Document(first) = county.ask(0, Command::DocumentShow { id: ids[0].clone() }) else { panic!("a document") };
    assert!(!first.line.number.is_empty());
    assert_eq!(shown(&mut county, &first.line.number), ids[0]);
    for word in ["", "0", "ffffffffffff", "zz", "no such number"] {
        assert_eq!(shown(&mut county, word), "unknown_document", "{word}");
    }
}
