//! `fanout`: one bulletin to many partners that verify and acknowledge; beside the same to one, and with one of them stalled.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use accord_keys::id::NetworkId;
use accord_protocol::input::Command;
use accord_protocol::view::View;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::county::{Daemon, Over, free_port, sent, until_within};
use crate::figures::p50_p99;
use crate::machine::{memory_mb, processor_s};
use crate::report::Report;
use crate::sinks::{Arrival, Sink};
use crate::{Failed, Plan, limits, workload};

/// How many partners, each time.
const PARTNERS: [usize; 3] = [1, 28, 60];
/// Arrivals that may wait to be looked at.
const ARRIVALS_MAX: usize = 65_536;
/// How long a bulletin may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing more comes if nothing came for so long.
const QUIET: Duration = Duration::from_secs(2);

/// What bulletins to so many cost.
struct Cost {
    p50_ms: f64,
    p99_ms: f64,
    /// Of the hub, and of all partners together.
    cpu_ms: f64,
    sinks_ms: f64,
}

/// Measures.
///
/// # Errors
/// When the hub or a partner fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let bulletins = plan.documents(100, 24);
    let mut report = Report::new("fanout", bulletins);
    report.say(format!("{bulletins} bulletins of 600 characters, one after the other, from a hub (a daemon as a process, durable) to partners in this process (real core, TCP + TLS, memory)."));
    report.say("p50_ms_N, p99_ms_N: from the request until the last of N partners holds the bulletin. cpu_ms_per_partner_N: processor time of the hub alone, per bulletin and partner. stalled: one of the most partners takes nothing from its line; times are those of the others.");
    report.say("Each size is measured in rounds, each without and then with the stalled one, so that a slow moment of the disk falls into one of them: p99_ms_N is the median of theirs. append_fdatasync: bare appends in the same folder, as many in each round as bulletins times 20, for a bulletin to so many is about as many batches.");
    report.say("All share the cores of this machine with the hub: the times hold the partners' own work. sinks_cpu_ms_per_partner: theirs; work_on_all_cores_ms_N: what hub and N partners work for one bulletin, were all cores always busy.");
    let dir = plan.folder()?;
    let runtime = Runtime::new()?;
    let hub = Daemon::found(dir.path(), "地区公安局", Over::Tcp, "330100", |_| None)?;
    let (note, arrivals) = sync_channel(ARRIVALS_MAX);
    let mut sinks: Vec<Sink> = Vec::new();
    let mut single: Vec<Cost> = Vec::new();
    let sizes: Vec<usize> = if plan.quick { vec![1, 3] } else { PARTNERS.to_vec() };
    let rounds = plan.repeats(3);
    for partners in sizes {
        while sinks.len() < partners {
            let sink = runtime.block_on(Sink::start(sinks.len() + 1, free_port()?, NetworkId::named("bench"), note.clone()))?;
            agree(&hub, &sink)?;
            sinks.push(sink);
        }
        let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        for _ in 0..rounds {
            let cost = publish(&hub, &names, partners, bulletins, &arrivals)?;
            note_round(&mut report, partners, &cost);
            if partners == 1 {
                single.push(cost);
                continue;
            }
            let one = |of: fn(&Cost) -> f64| p50_p99(single.iter().map(of).collect()).0;
            let name = |name: &str| format!("{name}_{partners}");
            report.ratios.note(&name("cpu_per_partner_vs_single"), cost.cpu_ms / partners as f64 / one(|cost| cost.cpu_ms));
            report.ratios.note(&name("p99_vs_single"), cost.p99_ms / one(|cost| cost.p99_ms));
            sinks[0].stall(true);
            let stalled = publish(&hub, &names, partners - 1, bulletins, &arrivals)?;
            sinks[0].stall(false);
            report.ours.note(&name("p50_ms_one_stalled"), stalled.p50_ms);
            report.ours.note(&name("p99_ms_one_stalled"), stalled.p99_ms);
            report.ratios.note(&name("p99_one_stalled_vs_none"), stalled.p99_ms / cost.p99_ms);
            report.ratios.note(&name("p50_one_stalled_vs_none"), stalled.p50_ms / cost.p50_ms);
            // What the stalled one missed comes to it now, not into the next figures.
            while arrivals.recv_timeout(QUIET).is_ok() {}
            let bare = p50_p99(limits::durable_appends(dir.path(), limits::PAGE, bulletins * 20)?);
            report.limits.note("append_fdatasync_p50_ms", bare.0 / 1e3);
            report.limits.note("append_fdatasync_p99_ms", bare.1 / 1e3);
        }
        report.ours.note(&format!("rss_mb_{partners}"), memory_mb(hub.process()).0);
    }
    report.runs = rounds as u64;
    runtime.shutdown_timeout(Duration::from_secs(2));
    let mut hub = hub;
    hub.stop()?;
    Ok(report)
}

/// What one round without a stalled partner came to.
fn note_round(report: &mut Report, partners: usize, cost: &Cost) {
    let of = |name: &str| format!("{name}_{partners}");
    report.ours.note(&of("p50_ms"), cost.p50_ms);
    report.ours.note(&of("p99_ms"), cost.p99_ms);
    report.ours.note(&of("cpu_ms_per_partner"), cost.cpu_ms / partners as f64);
    report.ours.note(&of("sinks_cpu_ms_per_partner"), cost.sinks_ms / partners as f64);
    // Were nothing ever waited for, this is what the work itself takes on all cores.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work_ms = (cost.cpu_ms + cost.sinks_ms) / cores as f64;
    report.limits.note(&of("work_on_all_cores_ms"), work_ms);
    report.ratios.note(&of("p50_vs_work"), cost.p50_ms / work_ms);
    report.ratios.note(&of("p99_vs_work"), cost.p99_ms / work_ms);
}

/// Cards both ways, an offer, its acceptance.
fn agree(hub: &Daemon, sink: &Sink) -> Result<(), Failed> {
    let View::Card(theirs) = sink.ask(Command::CardShow)? else { return Err("no card".into()) };
    let View::Card(ours) = hub.get("/v1/card")? else { return Err("no card".into()) };
    sink.ask(Command::PartnerAdd { card: ours.text, checking_code: Some(ours.checking_code), alias: None })?;
    hub.post("/v1/partners", &json!({ "card": theirs.text, "checking_code": theirs.checking_code }))?;
    let now = hub.status()?.now;
    let terms = json!({
        "title": "协作协议", "from": now, "to": now + 365 * 86_400, "grace_days": 30,
        "grants": [{ "direction": "both", "category": "FIRE.HAZ", "verbs": ["read"], "tlp_ceiling": "RED", "onward": "none" }],
    });
    hub.post("/v1/agreements", &json!({ "partner": sink.name, "terms": terms }))?;
    let standing = |view: View, standing: &str, partner: Option<&str>| match view {
        View::Agreements { agreements } => {
            let found = agreements.into_iter().find(|a| a.standing == standing && partner.is_none_or(|partner| a.partner_name == partner));
            Ok(found.map(|agreement| agreement.id))
        }
        _ => Err(Failed::from("no agreements")),
    };
    let mut offered = None;
    until_within("an offer", PATIENCE, || {
        offered = standing(sink.ask(Command::AgreementList)?, "offered_to_us", None)?;
        Ok(offered.is_some())
    })?;
    sink.ask(Command::AgreementAccept { id: offered.unwrap_or_default() })?;
    until_within("an agreement in force", PATIENCE, || {
        Ok(standing(hub.get("/v1/agreements")?, "in_force", Some(&sink.name))?.is_some()
            && standing(sink.ask(Command::AgreementList)?, "in_force", None)?.is_some())
    })
}

/// Publishes to all named; each is over when so many hold it.
fn publish(hub: &Daemon, names: &[&str], holders: usize, bulletins: usize, arrivals: &Receiver<Arrival>) -> Result<Cost, Failed> {
    // Once without measuring: the first bulletin brings the evidence.
    let mut millis = Vec::with_capacity(bulletins);
    let (mut used, mut sinks) = (0.0, 0.0);
    let all = || (processor_s(hub.process()), processor_s(std::process::id()));
    for n in 0..=bulletins {
        let before = all();
        let body = json!({
            "text": { "title": format!("火灾隐患通报 {n}"), "text": workload::text(n), "category": "FIRE.HAZ", "subkind": "hazard" },
            "to": names,
        });
        let begun = Instant::now();
        let id = sent(hub.post("/v1/bulletins", &body)?)?;
        let mut last = begun;
        let mut came = 0;
        while came < holders {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let (document, at) = arrivals.recv_timeout(left).map_err(|_| format!("{came} of {holders} partners hold a bulletin"))?;
            if document == id {
                came += 1;
                last = last.max(at);
            }
        }
        // Acknowledgements are part of what a bulletin costs the hub.
        std::thread::sleep(Duration::from_millis(5));
        if n > 0 {
            millis.push(last.saturating_duration_since(begun).as_secs_f64() * 1e3);
            let after = all();
            (used, sinks) = (used + after.0 - before.0, sinks + after.1 - before.1);
        }
    }
    let (p50_ms, p99_ms) = p50_p99(millis);
    Ok(Cost { p50_ms, p99_ms, cpu_ms: used * 1e3 / bulletins as f64, sinks_ms: sinks * 1e3 / bulletins as f64 })
}
