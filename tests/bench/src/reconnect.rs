//! `reconnect`: 10 documents of many changed while the partner was away; beside samod and `automerge::sync`.
//!
//! Round trips are not counted but measured: the partners talk through a relay that holds every byte back for a while, and the time this
//! adds, divided by two such whiles, is how often one side had to wait for the other.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::county::{Daemon, LONG, Over, Pair, day_between, day_now, until_within};
use crate::first_sync::first_sync;
use crate::offline::Offline;
use crate::relay::Relay;
use crate::report::Report;
use crate::{Failed, Plan, limits, samod_peer, sync_peer, workload};

/// Documents that change.
const CHANGED: usize = 10;
/// How long the relay holds bytes back each way when round trips are measured.
const HELD_BACK: Duration = Duration::from_millis(100);
/// Documents samod is given unless everything is asked for.
const SAMOD_DOCUMENTS: usize = 1_000;
/// Most documents held in this process for `automerge::sync`.
const IN_PROCESS_MAX: usize = 10_000;
/// Nothing said for so long: beyond the pause after which views are compared.
const SILENT: Duration = Duration::from_millis(3_000);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// One reconnect.
#[derive(Clone, Copy, Debug, Default)]
struct Ours {
    seconds: f64,
    bytes_out: u64,
    bytes_in: u64,
}

/// Two daemons that hold the same documents, with a relay before each.
struct Apart {
    pair: Pair,
    relays: [Relay; 2],
    ids: Vec<String>,
    entries: usize,
    documents: usize,
}

/// What a run with `--keep` notes for the next.
#[derive(serde::Serialize, serde::Deserialize)]
struct Note {
    /// Where the daemons listen, and the relays before them.
    ports: [u16; 2],
    relays: [u16; 2],
    ids: Vec<String>,
    entries: usize,
    changes: usize,
    documents: usize,
}

const NAMES: [(&str, &str); 2] = [("河东县公安局", "330101"), ("河西县消防大队", "330102")];
const NOTE: &str = "kept.json";

/// Of each document its changes.
type Raw = Vec<Vec<Vec<u8>>>;

impl Apart {
    /// Fills the writer and lets the partner take everything.
    fn filled(plan: &Plan, dir: &Path, documents: usize, changed: usize) -> Result<(Self, Raw), Failed> {
        let relays = [Relay::start(0)?, Relay::start(0)?];
        let found = |at: usize| {
            Daemon::found(dir, NAMES[at].0, Over::Tcp, NAMES[at].1, |port| {
                relays[at].lead_to(port);
                Some(relays[at].port())
            })
        };
        let mut pair = Pair::agree(found(0)?, found(1)?)?;
        pair.changes = plan.changes();
        let filled = pair.fill(documents, documents.min(IN_PROCESS_MAX))?;
        first_sync(&mut pair, documents)?;
        pair.a.login()?;
        silent(&pair)?;
        let ids = filled.ids.iter().take(changed).cloned().collect();
        Ok((Self { pair, relays, ids, entries: 0, documents }, filled.raw))
    }

    /// As an earlier run left it.
    fn kept(dir: &Path, changes: usize, documents: usize) -> Result<Self, Failed> {
        let note: Note = serde_json::from_slice(&std::fs::read(dir.join(NOTE))?)?;
        if (note.changes, note.documents) != (changes, documents) {
            return Err(format!("kept were {} documents: --docs {0} --changes {}", note.documents, note.changes).into());
        }
        let relays = [Relay::start(note.relays[0])?, Relay::start(note.relays[1])?];
        relays.iter().zip(note.ports).for_each(|(relay, port)| relay.lead_to(port));
        let daemon = |at: usize| Daemon::founded(dir, NAMES[at].0, NAMES[at].1, note.ports[at]);
        let mut pair = Pair { a: daemon(0)?, b: daemon(1)?, changes };
        for daemon in [&mut pair.a, &mut pair.b] {
            daemon.spawn()?;
            daemon.answering(LONG)?;
        }
        pair.a.login()?;
        until_within("a link", LONG, || Ok(pair.a.traffic()?.frames_in > 0))?;
        silent(&pair)?;
        Ok(Self { pair, relays, ids: note.ids, entries: note.entries, documents })
    }

    /// Stops both and notes where they stand.
    fn stay(&mut self, dir: &Path) -> Result<(), Failed> {
        self.pair.b.stop()?;
        self.pair.a.stop()?;
        let note = Note {
            ports: [self.pair.a.port(), self.pair.b.port()],
            relays: [self.relays[0].port(), self.relays[1].port()],
            ids: self.ids.clone(),
            entries: self.entries,
            changes: self.pair.changes,
            documents: self.documents,
        };
        Ok(std::fs::write(dir.join(NOTE), serde_json::to_vec(&note)?)?)
    }

    /// The partner goes away, some documents get one entry each, it comes back.
    fn once(&mut self, changed: usize, held_back: Duration) -> Result<Ours, Failed> {
        let pair = &mut self.pair;
        pair.b.stop()?;
        for id in self.ids.iter().take(changed) {
            self.entries += 1;
            let body = json!({ "kind": "note", "text": workload::entry(self.entries) });
            pair.a.post(&format!("/v1/cases/{id}/entries"), &body)?;
        }
        let wanted = pair.a.status()?.changes;
        self.relays.iter().for_each(|relay| relay.hold_back(held_back));
        let (before, link) = (pair.a.traffic()?, pair.a.link_up_at()?);
        pair.b.spawn()?;
        until_within("a link", LONG, || Ok(pair.a.link_up_at()? != link))?;
        pair.b.answering(LONG)?;
        let begun = Instant::now();
        while pair.b.status()?.changes < wanted {
            if begun.elapsed() > LONG {
                return Err("the changes did not arrive".into());
            }
            std::thread::sleep(LOOK);
        }
        let ended = day_now();
        // The later of both: from then on each may speak.
        let up = |daemon: &Daemon| daemon.link_up_at()?.ok_or_else(|| Failed::from("no link in the log"));
        let up = up(&pair.a)?.max(up(&pair.b)?);
        silent(pair)?;
        self.relays.iter().for_each(|relay| relay.hold_back(Duration::ZERO));
        let after = pair.a.traffic()?;
        Ok(Ours {
            seconds: day_between(up, ended),
            bytes_out: after.bytes_out - before.bytes_out,
            bytes_in: after.bytes_in - before.bytes_in,
        })
    }
}

/// Measures.
///
/// # Errors
/// When a daemon or a peer fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(10_000, 12);
    let changed = CHANGED.min(documents);
    let mut report = Report::new("reconnect", documents);
    report.say(format!(
        "{changed} documents get one entry each while the partner's daemon is down; it starts again. Both stores encrypted and durable, TCP + TLS."
    ));
    report.say("seconds: from the link, after its handshake, until the partner holds every change durably.");
    report.say("bytes: all on the control stream from the link on, both ways, until nothing was said for 3 s. bytes_beyond: less the stored bytes of the new segments. bytes_empty: nothing had changed.");
    report.say("round_trips: how much longer it takes when a relay holds every byte back 100 ms each way, by 200 ms; half a one is a message one way.");
    let dir = plan.folder()?;
    let (mut apart, raw) = match &plan.kept {
        Some(kept) => (Apart::kept(kept, plan.changes(), documents)?, Vec::new()),
        None => Apart::filled(plan, dir.path(), documents, changed)?,
    };
    let changed = apart.ids.len();
    let before = apart.entries;
    let (mut near, mut far, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.repeats(3) {
        report.runs += 1;
        empty.push(apart.once(0, Duration::ZERO)?);
        near.push(apart.once(changed, Duration::ZERO)?);
        far.push(apart.once(changed, HELD_BACK)?);
    }
    apart.stay(&plan.kept.clone().unwrap_or_else(|| dir.path().to_owned()))?;
    let Apart { pair, ids, .. } = apart;
    // Which entry of each document was written in which repeat: each repeat writes two.
    let stored = Offline::open(&pair.a.data)?.segments(&ids)?;
    for (at, (ours, (far, empty))) in near.iter().zip(far.iter().zip(&empty)).enumerate() {
        let own: usize = stored.iter().filter_map(|sizes| sizes.get(plan.changes() + before / changed.max(1) + 2 * at)).sum();
        let figures = &mut report.ours;
        figures.note("seconds", ours.seconds);
        figures.note("bytes_out", ours.bytes_out as f64);
        figures.note("bytes_in", ours.bytes_in as f64);
        figures.note("segment_bytes", own as f64);
        figures.note("bytes_beyond", (ours.bytes_out + ours.bytes_in) as f64 - own as f64);
        figures.note("bytes_empty", (empty.bytes_out + empty.bytes_in) as f64);
        figures.note("round_trips", (far.seconds - ours.seconds) / (2.0 * HELD_BACK.as_secs_f64()));
    }
    report.limits.note("append_fdatasync_p50_ms", crate::figures::p50_p99(limits::durable_appends(dir.path(), limits::PAGE, 100)?).0 / 1e3);
    drop(pair);
    if plan.keep && plan.kept.is_none() {
        report.say(format!("kept: reconnect --kept {}", dir.keep().display()));
    }
    if plan.kept.is_none() {
        beside(plan, &mut report, &raw, changed)?;
    }
    Ok(report)
}

/// The peers: every document on both sides, some changed at one of them.
fn beside(plan: &Plan, report: &mut Report, raw: &[Vec<Vec<u8>>], changed: usize) -> Result<(), Failed> {
    let documents = usize::try_from(report.documents)?;
    let samod_documents = if plan.full_peers { documents } else { documents.min(plan.peer_docs.unwrap_or(SAMOD_DOCUMENTS)) };
    let seconds = report.ours.median("seconds").unwrap_or(0.0);
    let bytes = report.ours.median("bytes_out").unwrap_or(0.0) + report.ours.median("bytes_in").unwrap_or(0.0);
    if raw.len() == documents {
        let mut sides = sync_peer::Sides::new(raw)?;
        sides.exchange()?;
        sides.change(changed)?;
        sides.reconnect()?;
        let cost = sides.exchange()?;
        drop(sides);
        let peer = report.peer("automerge_sync");
        peer.note("seconds", cost.seconds);
        peer.note("bytes_out", cost.there as f64);
        peer.note("bytes_in", cost.back as f64);
        peer.note("round_trips", cost.round_trips as f64);
        report.ratios.note("seconds_vs_automerge_sync", seconds / cost.seconds);
        report.ratios.note("bytes_vs_automerge_sync", bytes / (cost.there + cost.back) as f64);
    }
    let samod = samod_peer::Pair::new(&raw[..samod_documents.min(raw.len())])?;
    samod.first_sync()?;
    let cost = samod.resync(changed)?;
    samod.stop();
    let peer = report.peer("samod");
    peer.note("documents", samod_documents as f64);
    peer.note("seconds", cost.seconds);
    peer.note("cpu_seconds", cost.cpu_seconds);
    peer.note("bytes", cost.bytes as f64);
    report.ratios.note("seconds_vs_samod", seconds / cost.seconds);
    report.ratios.note("bytes_vs_samod", bytes / cost.bytes as f64);
    if samod_documents != documents {
        report.say(format!(
            "samod was given {samod_documents} documents only (--full-peers gives it all), so ours looks worse beside it than it is."
        ));
    }
    Ok(())
}

/// Waits until nothing was said for a while. Signs of life do not count.
///
/// # Errors
/// When they never fall silent.
pub fn silent(pair: &Pair) -> Result<(), Failed> {
    let frames = || pair.a.traffic().map(|traffic| (traffic.frames_in, traffic.frames_out));
    let (mut last, mut since) = (frames()?, Instant::now());
    until_within("both to fall silent", LONG, || {
        let now = frames()?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= SILENT)
    })
}
