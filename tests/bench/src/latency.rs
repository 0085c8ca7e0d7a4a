//! `latency`: one edit at a time while many documents are there, until it is durable and visible at the partner; beside samod.

use crate::county::{Over, Pair};
use crate::figures::p50_p99;
use crate::first_sync::first_sync;
use crate::machine::processor_s;
use crate::report::Report;
use crate::{Failed, Plan, delivery, limits, reconnect, samod_peer};

/// Threads the edits go to in turn.
const THREADS: usize = 16;
/// Documents samod is given unless everything is asked for.
const SAMOD_DOCUMENTS: usize = 1_000;

/// Measures.
///
/// # Errors
/// When a daemon or a peer fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(10_000, 12);
    let edits = plan.count(320, 12);
    let mut report = Report::new("latency", documents);
    report.say(format!("{edits} entries, one at a time, to {} of {documents} documents that both hold; API over the Unix socket, TCP + TLS between two daemons.", THREADS.min(documents)));
    report.say("p50_ms, p99_ms: from the request until the partner's event that it is visible there, so durable at both. answered: durable at the writer. delivered: the writer knows that the partner's copy is durable.");
    report.say("p99_less_2_syncs_ms: p99 less two p99 of a bare append of 4 KiB with fdatasync.");
    let samod_documents = if plan.full_peers { documents } else { documents.min(plan.peer_docs.unwrap_or(SAMOD_DOCUMENTS)) };
    let dir = plan.folder()?;
    let mut pair = Pair::agreed(dir.path(), Over::Tcp)?;
    pair.changes = plan.changes();
    let filled = pair.fill(documents, samod_documents)?;
    first_sync(&mut pair, documents)?;
    pair.a.login()?;
    reconnect::silent(&pair)?;
    let ids: Vec<String> = filled.ids.iter().take(THREADS).cloned().collect();
    let (mut at_a, mut at_b) = (pair.a.events()?, pair.b.events()?);
    at_a.settle();
    at_b.settle();
    let samod = samod_peer::Pair::new(&filled.raw)?;
    samod.first_sync()?;
    for _ in 0..plan.repeats(3) {
        report.runs += 1;
        let fsync = p50_p99(limits::durable_appends(dir.path(), limits::PAGE, edits.max(100))?);
        let used = || processor_s(pair.a.process()) + processor_s(pair.b.process());
        let before = used();
        let [answered, visible, delivered] = delivery::edit(&pair, &ids, edits, &mut at_a, &mut at_b)?;
        let used = used() - before;
        let millis = |(half, most): (f64, f64)| (half / 1e3, most / 1e3);
        let (visible, fsync) = (millis(p50_p99(visible)), millis(fsync));
        report.ours.note("p50_ms", visible.0);
        report.ours.note("p99_ms", visible.1);
        report.ours.note("answered_p50_ms", millis(p50_p99(answered)).0);
        report.ours.note("delivered_p50_ms", millis(p50_p99(delivered)).0);
        report.ours.note("cpu_ms_per_edit", used * 1e3 / edits as f64);
        report.ours.note("p99_less_2_syncs_ms", visible.1 - 2.0 * fsync.1);
        report.limits.note("append_fdatasync_p50_ms", fsync.0);
        report.limits.note("append_fdatasync_p99_ms", fsync.1);
        report.limits.note("round_trip_p50_ms", p50_p99(limits::round_trips(200)?).0 / 1e3);
        let theirs = p50_p99(samod.edits(edits)?);
        let peer = report.peer("samod");
        peer.note("documents", samod_documents as f64);
        peer.note("p50_ms", theirs.0);
        peer.note("p99_ms", theirs.1);
        report.ratios.note("p50_vs_samod", visible.0 / theirs.0);
        report.ratios.note("p99_vs_samod", visible.1 / theirs.1);
    }
    samod.stop();
    pair.stop()?;
    if samod_documents != documents {
        report.say(format!("samod was given {samod_documents} documents only; it keeps them in memory and syncs nothing to disk."));
    }
    Ok(report)
}
