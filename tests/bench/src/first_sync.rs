//! `first-sync`: a partner that holds nothing gets everything, beside samod over TCP and `automerge::sync` in one process.

use std::time::{Duration, Instant};

use accord_node::swarm::TrafficView;

use crate::county::{LONG, Over, Pair, day_between, day_now, until_within};
use crate::machine::{memory_mb, processor_s};
use crate::report::Report;
use crate::{Failed, Plan, limits, samod_peer, sync_peer};

/// Documents samod is given unless everything is asked for: its cost grows with their square.
const SAMOD_DOCUMENTS: usize = 1_000;
/// Most documents that are held in this process for `automerge::sync`: 24 KiB each, on both sides.
const IN_PROCESS_MAX: usize = 20_000;
/// What samod took for so many documents on a machine of this kind, `--full-peers` measures it anew: seconds.
const SAMOD_RECORDED: (usize, f64) = (10_000, 384.0);
/// Level of the stream the content alone is compared with.
const ZSTD_LEVEL: i32 = 3;
/// New documents after which the partner starts anew: it takes 250,000 a day from one sender.
const A_DAYS_SHARE: u64 = 200_000;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What one first sync of ours cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ours {
    /// Seconds from the link, after its handshake, until the partner holds everything durably.
    pub seconds: f64,
    /// Processor seconds of both daemons.
    pub cpu_seconds: f64,
    /// Bytes from the writer to the partner, and back.
    pub bytes_out: u64,
    /// See `bytes_out`.
    pub bytes_in: u64,
    /// Most memory of the writer and of the partner, MiB.
    pub peak_out_mb: f64,
    /// See `peak_out_mb`.
    pub peak_in_mb: f64,
}

/// Measures.
///
/// # Errors
/// When a daemon or a peer fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(10_000, 12);
    let mut report = Report::new("first-sync", documents);
    report.say("Two daemons as processes over TCP + TLS on loopback, both stores encrypted and durable; documents by two officers, one signature per change.");
    report.say("seconds: from the link, after its handshake, until the partner's API says that it holds every change, written and synced.");
    report.say("bytes: on the control stream, after compression, before TLS. cpu_seconds: both daemons.");
    let samod_documents = if plan.full_peers { documents } else { documents.min(plan.peer_docs.unwrap_or(SAMOD_DOCUMENTS)) };
    for _ in 0..plan.repeats(1) {
        report.runs += 1;
        let dir = plan.folder()?;
        let mut pair = Pair::agreed(dir.path(), Over::Tcp)?;
        pair.changes = plan.changes();
        let filled = pair.fill(documents, documents.min(IN_PROCESS_MAX))?;
        let ours = first_sync(&mut pair, documents)?;
        pair.stop()?;
        let rate = documents as f64 / ours.seconds;
        note(&mut report, &ours, documents);
        report.limits.note("raw_bytes", filled.raw_bytes as f64);
        report.limits.note("segment_bytes", filled.segment_bytes as f64);
        report.limits.note("filling_seconds", filled.seconds);
        report.limits.note("append_fdatasync_p50_ms", crate::figures::p50_p99(limits::durable_appends(dir.path(), 65_536, 100)?).0 / 1e3);
        drop(dir);

        if filled.raw.len() == documents {
            let mut sides = sync_peer::Sides::new(&filled.raw)?;
            let saved = sides.saved();
            let cost = sides.exchange()?;
            drop(sides);
            let peer = report.peer("automerge_sync");
            peer.note("seconds", cost.seconds);
            peer.note("documents_per_s", documents as f64 / cost.seconds);
            peer.note("bytes_out", cost.there as f64);
            peer.note("bytes_in", cost.back as f64);
            report.limits.note("save_bytes", saved as f64);
            let floor = floor_bytes(&filled.raw)? as f64;
            report.limits.note("floor_bytes", floor);
            report.ratios.note("floor_vs_save", floor / saved as f64);
            report.ratios.note("bytes_vs_floor", (ours.bytes_out + ours.bytes_in) as f64 / floor);
            report.ratios.note("documents_per_s_vs_automerge_sync", rate * cost.seconds / documents as f64);
            report.ratios.note("bytes_vs_save", (ours.bytes_out + ours.bytes_in) as f64 / saved as f64);
        }

        let samod = samod_peer::Pair::new(&filled.raw[..samod_documents.min(filled.raw.len())])?;
        let cost = samod.first_sync()?;
        samod.stop();
        let peer = report.peer("samod");
        peer.note("documents", samod_documents as f64);
        peer.note("seconds", cost.seconds);
        peer.note("documents_per_s", samod_documents as f64 / cost.seconds);
        peer.note("cpu_seconds", cost.cpu_seconds);
        peer.note("bytes", cost.bytes as f64);
        if samod_documents == documents {
            report.ratios.note("documents_per_s_vs_samod", rate * cost.seconds / documents as f64);
        } else {
            // At equal numbers: ours once more, as small.
            let dir = plan.folder()?;
            let mut pair = Pair::agreed(dir.path(), Over::Tcp)?;
            pair.changes = plan.changes();
            pair.fill(samod_documents, 0)?;
            let small = first_sync(&mut pair, samod_documents)?;
            pair.stop()?;
            report.ours.note(&format!("seconds_{samod_documents}"), small.seconds);
            report.ratios.note(&format!("documents_per_s_vs_samod_at_{samod_documents}"), cost.seconds / small.seconds);
            if documents == SAMOD_RECORDED.0 {
                report.peer("samod_recorded").note("seconds", SAMOD_RECORDED.1);
                report.ratios.note("documents_per_s_vs_samod_recorded", SAMOD_RECORDED.1 / ours.seconds);
            }
        }
    }
    if samod_documents != documents {
        report.say(format!(
            "samod was given {samod_documents} documents, ours once more as many for the ratio; --full-peers gives it all {documents}. samod_recorded: 10,000 took it 384 s on a machine of this kind."
        ));
    }
    Ok(report)
}

/// What no protocol that hands out the same signed statements goes below: what the changes say, without checksums and dependencies, as one zstd
/// stream, and of each document four signatures (genesis, adoption, one for each of two writers) and its receipt's (shared by 64).
fn floor_bytes(raw: &[Vec<Vec<u8>>]) -> Result<usize, Failed> {
    let mut content = Vec::new();
    for change in raw.iter().flatten() {
        content.extend_from_slice(said(change).ok_or("a change of another form")?);
    }
    Ok(zstd::bulk::compress(&content, ZSTD_LEVEL)?.len() + raw.len() * (4 * 64 + 1))
}

/// A change chunk behind magic, checksum, type, length and dependencies.
fn said(change: &[u8]) -> Option<&[u8]> {
    let unsigned = |bytes: &[u8]| -> Option<(usize, usize)> {
        let mut value = 0;
        for (at, byte) in bytes.iter().enumerate().take(9) {
            value |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some((value, at + 1));
            }
        }
        None
    };
    let behind = change.get(9..)?;
    let body = behind.get(unsigned(behind)?.1..)?;
    let (deps, length) = unsigned(body)?;
    body.get(length + deps * 32..)
}

fn note(report: &mut Report, ours: &Ours, documents: usize) {
    let figures = &mut report.ours;
    figures.note("seconds", ours.seconds);
    figures.note("documents_per_s", documents as f64 / ours.seconds);
    figures.note("cpu_seconds", ours.cpu_seconds);
    figures.note("bytes_out", ours.bytes_out as f64);
    figures.note("bytes_in", ours.bytes_in as f64);
    figures.note("rss_mb", ours.peak_in_mb);
    figures.note("sender_rss_mb", ours.peak_out_mb);
}

/// Both daemons are stopped and the writer holds `documents`: starts them and waits until the partner holds them too.
///
/// # Errors
/// When it does not come to an end.
pub fn first_sync(pair: &mut Pair, documents: usize) -> Result<Ours, Failed> {
    pair.a.spawn()?;
    pair.a.answering(LONG)?;
    if pair.a.status()?.documents != documents as u64 {
        return Err("the writer does not hold what was written".into());
    }
    let mut ours = Ours::default();
    // What was spent before is not this first sync's.
    let (at_start, mut traffic) = (processor_s(pair.a.process()), pair.a.traffic()?);
    let begun = Instant::now();
    let before_link = pair.a.link_up_at()?;
    pair.b.spawn()?;
    until_within("a link", LONG, || Ok(pair.a.link_up_at()? != before_link))?;
    let up = pair.a.link_up_at()?.ok_or("no link in the log")?;
    ours.cpu_seconds = -at_start - processor_s(pair.b.process());
    let mut begins = 0;
    pair.b.answering(LONG)?;
    let changes = (documents * pair.changes) as u64;
    loop {
        let status = pair.b.status()?;
        if status.documents == documents as u64 && status.changes == changes {
            break;
        }
        // A day's share of one partner, of documents and of receipts, is counted from a start: what is to come is brought as over some days.
        if status.documents >= begins + A_DAYS_SHARE {
            begins = status.documents;
            ours.take(pair, &traffic)?;
            pair.b.stop()?;
            pair.a.stop()?;
            for daemon in [&mut pair.a, &mut pair.b] {
                daemon.spawn()?;
                daemon.answering(LONG)?;
            }
            traffic = TrafficView::default();
        }
        if begun.elapsed() > LONG {
            return Err(format!("{} of {documents} documents, {} of {changes} changes arrived", status.documents, status.changes).into());
        }
        std::thread::sleep(LOOK);
    }
    ours.seconds = day_between(up, day_now());
    ours.take(pair, &traffic)?;
    Ok(ours)
}

impl Ours {
    /// Adds what the daemons that run now spent since their start, or since the traffic was `before`.
    fn take(&mut self, pair: &Pair, before: &TrafficView) -> Result<(), Failed> {
        let (now, a, b) = (pair.a.traffic()?, pair.a.process(), pair.b.process());
        self.cpu_seconds += processor_s(a) + processor_s(b);
        self.bytes_out += now.bytes_out - before.bytes_out;
        self.bytes_in += now.bytes_in - before.bytes_in;
        self.peak_out_mb = self.peak_out_mb.max(memory_mb(a).1);
        self.peak_in_mb = self.peak_in_mb.max(memory_mb(b).1);
        Ok(())
    }
}
