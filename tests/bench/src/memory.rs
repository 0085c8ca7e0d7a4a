//! `memory`: of a node that holds many documents and does nothing, and the most it takes in a first sync.

use std::time::Duration;

use crate::county::{Daemon, LONG, Over, Pair};
use crate::first_sync::first_sync;
use crate::machine::memory_mb;
use crate::report::Report;
use crate::{Failed, Plan, samod_peer};

/// Documents samod is given unless everything is asked for.
const SAMOD_DOCUMENTS: usize = 1_000;
/// How long a node is left alone before it counts as idle.
const IDLE: Duration = Duration::from_secs(5);

/// Measures.
///
/// # Errors
/// When a daemon or a peer fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(10_000, 12);
    let mut report = Report::new("memory", documents);
    report.say("Resident memory of the daemon as the kernel counts it. rss_mb: started with all documents, left alone for 5 s, without a link; partner_rss_mb: the same of the one that received them. first_sync_rss_mb, sender_rss_mb: the most either end took in a first sync.");
    report.say("samod: both repositories in one process, documents in memory, so its figure is for two.");
    let samod_documents = if plan.full_peers { documents } else { documents.min(plan.peer_docs.unwrap_or(SAMOD_DOCUMENTS)) };
    for _ in 0..plan.repeats(1) {
        report.runs += 1;
        let dir = plan.folder()?;
        let mut pair = Pair::agreed(dir.path(), Over::Tcp)?;
        pair.changes = plan.changes();
        let filled = pair.fill(documents, samod_documents)?;
        let (start, rss) = at_rest(&mut pair.a)?;
        report.ours.note("start_seconds", start);
        report.ours.note("rss_mb", rss);
        pair.a.stop()?;
        let ours = first_sync(&mut pair, documents)?;
        pair.a.stop()?;
        pair.b.stop()?;
        let (start, rss) = at_rest(&mut pair.b)?;
        report.ours.note("partner_start_seconds", start);
        report.ours.note("partner_rss_mb", rss);
        pair.stop()?;
        report.ours.note("first_sync_rss_mb", ours.peak_in_mb);
        report.ours.note("sender_rss_mb", ours.peak_out_mb);
        drop(dir);
        let before = memory_mb(std::process::id()).0;
        let samod = samod_peer::Pair::new(&filled.raw)?;
        let cost = samod.first_sync()?;
        samod.stop();
        let peer = report.peer("samod");
        peer.note("documents", samod_documents as f64);
        peer.note("rss_mb", cost.rss_mb - before);
    }
    Ok(report)
}

/// Starts a daemon and leaves it alone: how long until it answered, seconds, and what it takes then, MiB.
fn at_rest(daemon: &mut Daemon) -> Result<(f64, f64), Failed> {
    let begun = std::time::Instant::now();
    daemon.spawn()?;
    daemon.answering(LONG)?;
    let start = crate::seconds(begun);
    std::thread::sleep(IDLE);
    Ok((start, memory_mb(daemon.process()).0))
}
