//! The ledger of a pair in small worlds: receipts, days and their countersignatures, what differs, and lines that come back.

use accord_protocol::input::Command;
use accord_protocol::view::{LedgerDiffView, LedgerView, View};
use accord_sim::world::World;

const DAY: u64 = 24 * 3_600;
const SERIES: &str = "CRIM.SERIES";

fn star(seed: u64) -> (World, [usize; 3]) {
    let mut world = World::new(seed);
    let [a, b, c] = world.star(300);
    world.introduce(b, c, true);
    world.run(20_000);
    (world, [a, b, c])
}

fn ledger(world: &mut World, n: usize, other: usize) -> LedgerView {
    let partner = world.name(other);
    match world.ask(n, Command::LedgerShow { partner, limit: None }) {
        Ok(View::Ledger(view)) => view,
        other => panic!("no ledger: {other:?}"),
    }
}

fn diff(world: &mut World, n: usize, other: usize, month: &str) -> LedgerDiffView {
    let (partner, month) = (world.name(other), month.to_owned());
    match world.ask(n, Command::LedgerDiff { partner, month }) {
        Ok(View::LedgerDiff(view)) => view,
        other => panic!("no difference: {other:?}"),
    }
}

/// Kinds of the lines of one side, in order.
fn said(view: &LedgerView, ours: bool) -> Vec<&str> {
    let mut lines: Vec<_> = view.lines.iter().filter(|line| line.ours == ours).collect();
    lines.sort_by_key(|line| line.n);
    lines.into_iter().map(|line| line.says.as_str()).collect()
}

#[test]
fn what_arrived_is_receipted_and_a_day_is_stated_and_countersigned() {
    let (mut world, [a, b, c]) = star(70);
    let to_b = world.publish(a, &[b], SERIES).expect("published");
    let thread = world.open_case(a, &[b], SERIES).expect("opened");
    world.run(30_000);
    assert_eq!(said(&ledger(&mut world, b, a), true), ["receipts"], "two documents, one line");
    world.write_note(b, &thread).expect("b writes");
    world.run(30_000);
    let at_a = ledger(&mut world, a, b);
    assert_eq!(said(&at_a, true), ["receipts"], "the owner receipts b's work, too");
    assert_eq!(said(&at_a, false), ["receipts", "receipts"], "and b the record that settled it");
    assert!(at_a.lines.iter().any(|line| !line.ours && line.words.contains(&to_b.short())));
    let under = world.nodes[a].core.as_ref().expect("runs").receipted_under(&thread);
    assert_eq!(under.len(), 1, "under the record a knew then");
    assert_eq!(ledger(&mut world, a, c).lines, vec![], "nothing of it is c's matter");

    world.run(DAY * 1_000);
    let at_a = ledger(&mut world, a, b);
    let at_b = ledger(&mut world, b, a);
    for (view, ours) in [(&at_a, true), (&at_a, false), (&at_b, true), (&at_b, false)] {
        let said = said(view, ours);
        assert!(said.contains(&"daily") && said.contains(&"countersign"), "{said:?}");
    }
    assert_eq!((at_a.ours, at_a.theirs), (at_b.theirs, at_b.ours));
    let found = diff(&mut world, a, b, "2030-01");
    assert!(!found.differs, "{found:?}");
    assert_eq!(found.counts.len(), 2, "bulletins and cases that a gave");
    assert!(found.counts.iter().all(|count| count.direction == "we_give" && (count.ours, count.theirs) == (1, 1)));
    assert_eq!(diff(&mut world, a, b, "2030-02").counts, vec![]);
    assert_eq!(
        world.ask(a, Command::LedgerDiff { partner: world.name(b), month: "Januar".to_owned() }).expect_err("no month").code,
        "bad_month"
    );
}

#[test]
fn a_restored_registrar_gets_its_own_lines_back_before_it_writes_others() {
    let (mut world, [a, b, _]) = star(71);
    world.publish(b, &[a], SERIES).expect("published");
    world.run(30_000);
    let old = world.nodes[a].disk.clone();
    world.publish(b, &[a], SERIES).expect("published after the backup");
    world.publish(a, &[b], SERIES).expect("published after the backup");
    world.run(60_000);
    let before = ledger(&mut world, b, a);
    assert_eq!(said(&before, false), ["receipts", "receipts"]);
    world.crash(a);
    world.nodes[a].disk = old;
    world.boot(a);
    world.run(30_000);
    assert_eq!(world.status(a).catching_up, ["restored"]);
    assert_eq!(ledger(&mut world, a, b).ours, before.theirs, "its own line came back");
    world.ask(a, Command::StoreConfirm { missing: "最后一天".to_owned(), alone: false, pair: None }).expect("all were heard");
    world.publish(b, &[a], SERIES).expect("published");
    world.run(60_000);
    let (at_a, at_b) = (ledger(&mut world, a, b), ledger(&mut world, b, a));
    assert!(at_a.ours > before.theirs, "it states again");
    assert_eq!((at_a.ours, at_a.theirs, at_a.forks), (at_b.theirs, at_b.ours, 0));
    assert_eq!(at_b.forks, 0, "and contradicts nothing");
}

#[test]
fn a_restored_registrar_states_nothing_to_who_was_away_until_it_heard_what_it_had_stated() {
    let (mut world, [a, b, c]) = star(73);
    world.publish(b, &[a], SERIES).expect("published");
    world.run(2_000);
    let old = world.nodes[a].disk.clone();
    world.publish(b, &[a], SERIES).expect("published after the backup");
    world.publish(a, &[b, c], SERIES).expect("published after the backup");
    world.run(60_000);
    // Cursors that know of it are with the third.
    world.publish(c, &[a], SERIES).expect("published");
    world.run(600_000);
    let before = ledger(&mut world, b, a);
    world.crash(a);
    world.part(a, b);
    world.nodes[a].disk = old;
    world.boot(a);
    world.run(700_000);
    assert_eq!(world.status(a).catching_up, ["restored"]);
    let held = ledger(&mut world, a, b).ours;
    assert!(held < before.theirs, "the backup lacks a line");
    world.ask(a, Command::StoreConfirm { missing: "最后一天".to_owned(), alone: true, pair: None }).expect("an officer rules");
    // Whose lines are all there goes on; what the backup holds without a receipt waits for its partner.
    world.run(2 * DAY * 1_000);
    assert!(said(&ledger(&mut world, a, c), true).contains(&"countersign"));
    assert_eq!(ledger(&mut world, a, b).ours, held, "nothing is stated where other lines may stand");
    world.join_again(a, b);
    world.run(60_000);
    world.publish(b, &[a], SERIES).expect("published");
    world.run(60_000);
    let (at_a, at_b) = (ledger(&mut world, a, b), ledger(&mut world, b, a));
    assert!(at_a.ours > before.theirs, "its own lines came back, and it states again");
    assert_eq!((at_a.ours, at_a.theirs, at_a.forks, at_b.forks), (at_b.theirs, at_b.ours, 0, 0));
}

#[test]
fn a_document_that_one_side_never_receipted_is_named() {
    let (mut world, [a, b, _]) = star(72);
    world.publish(a, &[b], SERIES).expect("published");
    world.run(2_000);
    // Acknowledged, and then the other side goes on without a registrar's word on it.
    world.part(a, b);
    world.run(60_000);
    let found = diff(&mut world, a, b, "2030-01");
    assert_eq!(found.documents.iter().map(|d| d.only.as_str()).collect::<Vec<_>>(), ["given_not_receipted"]);
    assert!(found.differs);
    world.join_again(a, b);
    world.run(30_000);
    assert!(!diff(&mut world, a, b, "2030-01").differs, "the line came with the next greeting");
}
