//! `delivery`: one edit at a time at A, until it is durable and visible at B.

use std::time::Instant;

use serde_json::json;

use crate::county::{Events, Over, Pair, sent};
use crate::figures::{Table, p50_p99};
use crate::machine::processor_us;
use crate::{Failed, Plan, limits, workload};

/// Threads the edits go to in turn, so that each ends with about as many changes as the workload says.
const THREADS: usize = 16;

/// What one repeat gave, microseconds.
#[derive(Default)]
struct Repeat {
    answered: (f64, f64),
    visible: (f64, f64),
    delivered: (f64, f64),
    fsync: (f64, f64),
    round_trip: f64,
    processor: f64,
}

/// Measures.
///
/// # Errors
/// When a daemon fails.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let mut table = Table::new("delivery");
    let edits = plan.count(320, 12);
    let repeats = plan.repeats(3);
    table.note(format!(
        "{edits} entries per repeat, one at a time, to {THREADS} threads in turn; two daemons as processes, API over the Unix socket, events over its stream."
    ));
    table
        .note("answered: durable at A. visible: B's event. delivered: A's event that B's copy is durable, itself written down first at A.");
    for over in [Over::Quic, Over::Tcp] {
        one_transport(plan, over, edits, repeats, &mut table)?;
    }
    growth(plan, &mut table)?;
    Ok(table)
}

fn one_transport(plan: &Plan, over: Over, edits: usize, repeats: usize, table: &mut Table) -> Result<(), Failed> {
    let dir = plan.folder()?;
    let pair = Pair::agreed(dir.path(), over)?;
    let (mut at_a, mut at_b) = (pair.a.events()?, pair.b.events()?);
    let threads = open_threads(&pair, &mut at_a, &mut at_b, THREADS.min(edits))?;
    let mut all = Vec::new();
    for _ in 0..repeats {
        let mut repeat = Repeat { round_trip: p50_p99(limits::round_trips(edits.max(100))?).0, ..Repeat::default() };
        repeat.fsync = p50_p99(limits::durable_appends(dir.path(), limits::PAGE, edits.max(100))?);
        let used = || processor_us(pair.a.process()) + processor_us(pair.b.process());
        let before = used();
        let [answered, visible, delivered] = edit(&pair, &threads, edits, &mut at_a, &mut at_b)?;
        repeat.processor = (used() - before) / edits as f64;
        (repeat.answered, repeat.visible, repeat.delivered) = (p50_p99(answered), p50_p99(visible), p50_p99(delivered));
        all.push(repeat);
    }
    pair.stop()?;
    let of = |pick: fn(&Repeat) -> f64| all.iter().map(pick).collect::<Vec<f64>>();
    let word = over.word();
    table.row(format!("{word}: answered, p50"), "us", &of(|r| r.answered.0));
    table.row(format!("{word}: answered, p99"), "us", &of(|r| r.answered.1));
    table.row(format!("{word}: visible at B, p50"), "us", &of(|r| r.visible.0));
    table.row(format!("{word}: visible at B, p99"), "us", &of(|r| r.visible.1));
    table.row(format!("{word}: delivered, p50"), "us", &of(|r| r.delivered.0));
    table.row(format!("{word}: delivered, p99"), "us", &of(|r| r.delivered.1));
    table.row("limit: append 4 KiB + fdatasync, p50", "us", &of(|r| r.fsync.0));
    table.row("limit: append 4 KiB + fdatasync, p99", "us", &of(|r| r.fsync.1));
    table.row("limit: TCP round trip on loopback, p50", "us", &of(|r| r.round_trip));
    table.row("limit: 2 syncs + 1 round trip", "us", &of(bound));
    table.ratio(format!("{word}: visible p50 / (2 syncs + 1 round trip)"), &of(|r| r.visible.0), &of(bound));
    table.ratio(format!("{word}: delivered p50 / (2 syncs + 1 round trip)"), &of(|r| r.delivered.0), &of(bound));
    table.row(
        format!("{word}: visible p50 less 2 syncs and half a round trip"),
        "us",
        &of(|r| r.visible.0 - 2.0 * r.fsync.0 - r.round_trip / 2.0),
    );
    table.row(
        format!("{word}: delivered p50 less 3 syncs and 1 round trip"),
        "us",
        &of(|r| r.delivered.0 - 3.0 * r.fsync.0 - r.round_trip),
    );
    table.row(format!("{word}: processor time of both daemons per edit"), "us", &of(|r| r.processor));
    Ok(())
}

fn bound(repeat: &Repeat) -> f64 {
    2.0 * repeat.fsync.0 + repeat.round_trip
}

/// One thread that grows: what an edit costs at its beginning and at its end.
fn growth(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let edits = plan.count(1_000, 10);
    let part = (edits / 10).max(2);
    let dir = plan.folder()?;
    let pair = Pair::agreed(dir.path(), Over::Quic)?;
    let (mut at_a, mut at_b) = (pair.a.events()?, pair.b.events()?);
    let threads = open_threads(&pair, &mut at_a, &mut at_b, 1)?;
    let mut phase = |count: usize| -> Result<(f64, [f64; 2]), Failed> {
        let used = || [processor_us(pair.a.process()), processor_us(pair.b.process())];
        let before = used();
        let [_, visible, _] = edit(&pair, &threads, count, &mut at_a, &mut at_b)?;
        let after = used();
        Ok((p50_p99(visible).0, [0, 1].map(|at| (after[at] - before[at]) / count as f64)))
    };
    let (first, first_used) = phase(part)?;
    phase(edits - 2 * part)?;
    let (last, last_used) = phase(part)?;
    pair.stop()?;
    table.row(format!("one thread: visible p50, first {part} entries"), "us", &[first]);
    table.row(format!("one thread: visible p50, last {part} of {edits} entries"), "us", &[last]);
    table.ratio("one thread: last / first", &[last], &[first]);
    for (at, who) in ["writer", "receiver"].into_iter().enumerate() {
        table.row(format!("one thread: processor time of the {who} per edit, first {part}"), "us", &[first_used[at]]);
        table.row(format!("one thread: processor time of the {who} per edit, last {part}"), "us", &[last_used[at]]);
    }
    Ok(())
}

/// Opens threads both write; returns when both hold them.
///
/// # Errors
/// When a daemon fails.
pub fn open_threads(pair: &Pair, at_a: &mut Events, at_b: &mut Events, count: usize) -> Result<Vec<String>, Failed> {
    let mut threads = Vec::new();
    for n in 0..count {
        let body = json!({ "title": format!("串案 {n}"), "text": workload::text(n), "category": "CRIM.SERIES", "with": [pair.b.name] });
        let id = sent(pair.a.post("/v1/cases", &body)?)?;
        at_a.next("delivered", &id)?;
        at_b.next("document_changed", &id)?;
        threads.push(id);
    }
    Ok(threads)
}

/// Writes entries one at a time; microseconds until answered, visible at B, delivered.
///
/// # Errors
/// When a daemon fails.
pub fn edit(pair: &Pair, threads: &[String], edits: usize, at_a: &mut Events, at_b: &mut Events) -> Result<[Vec<f64>; 3], Failed> {
    let mut out = [Vec::with_capacity(edits), Vec::with_capacity(edits), Vec::with_capacity(edits)];
    for n in 0..edits {
        let id = &threads[n % threads.len()];
        at_a.forget();
        at_b.forget();
        let body = json!({ "kind": "note", "text": workload::entry(n) });
        let begun = Instant::now();
        pair.a.post(&format!("/v1/cases/{id}/entries"), &body)?;
        let answered = Instant::now();
        let visible = at_b.next("document_changed", id)?;
        let delivered = at_a.next("delivered", id)?;
        for (all, end) in out.iter_mut().zip([answered, visible, delivered]) {
            all.push(end.saturating_duration_since(begun).as_secs_f64() * 1e6);
        }
    }
    Ok(out)
}
