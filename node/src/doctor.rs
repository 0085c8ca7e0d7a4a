//! What is wrong with this node, and what to do about it: disk, key files, ports, clock, certificate, and every partner.
//!
//! A finding is either well or names a next step. Nothing is changed by looking; the only traces are a probe file, removed at once, and
//! probes of partners' addresses, which disturb no link.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use accord_keys::id::TransportKey;
use accord_protocol::input::Command;
use accord_protocol::view::{PartnerView, StatusView, View};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::api::App;
use crate::failure::Failure;
use crate::keystore::check_private;
use crate::swarm::{DialProblem, Over, ProbeOutcome, SwarmCommand};

/// A certificate that ends sooner than this is reported, seconds.
const CERTIFICATE_SOON_S: u64 = 30 * 24 * 3_600;
/// A disk sync slower than this is reported, milliseconds.
const SYNC_SLOW_MS: u64 = 200;
/// Partners probed by one examination; the rest is named as not probed.
const PROBES_MAX: usize = 64;
/// Partners probed at the same time.
const PROBES_AT_ONCE: usize = 16;
/// Longest wait for all partners together, seconds.
const PROBES_S_MAX: u64 = 30;
/// Longest wait for one probe, seconds; the swarm answers earlier.
const PROBE_S_MAX: u64 = 20;

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `disk`, `keys`, `ports`, `clock`, `certificate`, `store`, `partner`, `address`, `transport`, `identity`, `agreement`, `version`.
    pub check: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do when it is not well.
    pub hint: String,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), hint: String::new() }
    }
    fn bad(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, ok: false, detail: detail.into(), hint: hint.into() }
    }
}

/// Where we were to listen, and where we do.
#[derive(Debug, Default)]
pub struct Ports {
    /// As configured.
    pub configured: Vec<String>,
    bound: Mutex<Vec<(String, Over)>>,
}

impl Ports {
    /// Ports to be bound.
    pub fn new(configured: Vec<String>) -> Self {
        Self { configured, bound: Mutex::default() }
    }
    /// The network said where it listens.
    pub fn note(&self, address: String, over: Over) {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).push((address, over));
    }
    fn bound(&self) -> Vec<(String, Over)> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at everything.
///
/// # Errors
/// Only when the daemon is stopping: whatever is wrong with the node is a finding.
pub async fn examine(app: &App) -> Result<Vec<Finding>, Failure> {
    let (data, keys, reserve) = (app.data.clone(), app.keys.clone(), app.config.disk_reserve_bytes);
    let clock = app.handle.clock().clone();
    let local = move || {
        let mut found = vec![free_space(&data, reserve)];
        let before = clock.now().mono.0;
        found.push(write_and_sync(&data, || clock.now().mono.0.saturating_sub(before)));
        found.extend(key_files(&keys.folder(), &keys.files()));
        found
    };
    let mut findings = tokio::task::spawn_blocking(local).await.map_err(|error| Failure::fault("internal").because(error))?;
    findings.push(ports(&app.ports));
    let View::Status(status) = app.handle.command(Command::Status).await? else {
        return Err(Failure::fault("internal").with("cause", "Status answered something else"));
    };
    findings.extend(own_standing(&status));
    let (probed, rest) = status.partners.split_at(status.partners.len().min(PROBES_MAX));
    let late = |name: &str| Finding::bad("partner", format!("{name}: no result after {PROBES_S_MAX} s"), "accord partner test NAME");
    let asks: Vec<_> = probed.iter().map(|partner| summary(app, partner)).collect();
    let found = together(asks, Duration::from_secs(PROBES_S_MAX), |at| late(probed.get(at).map_or("", |partner| &partner.name))).await;
    findings.extend(found);
    findings.extend(rest.iter().map(|partner| Finding::good("partner", format!("{}: not probed, at most {PROBES_MAX} are", partner.name))));
    Ok(findings)
}

/// Waits for several at a time, answers in order; what is not there when the time for all is over is `late`.
async fn together<R, F: Future<Output = R>>(asks: Vec<F>, most: Duration, late: impl Fn(usize) -> R) -> Vec<R> {
    let count = asks.len();
    let over = tokio::time::sleep(most);
    let mut answers = std::pin::pin!(futures::stream::iter(asks).buffered(PROBES_AT_ONCE).take_until(over));
    let mut found = Vec::with_capacity(count);
    while let Some(answer) = answers.next().await {
        found.push(answer);
    }
    found.extend((found.len()..count).map(late));
    found
}

/// Looks at one partner: every address by itself, then standing and version.
///
/// # Errors
/// The core's refusal when there is no such partner.
pub async fn partner(app: &App, person: Option<String>, name: String) -> Result<Vec<Finding>, Failure> {
    let View::Partners { partners } = app.handle.ask(person, false, Command::PartnerShow { partner: name.clone() }).await? else {
        return Err(Failure::fault("internal").with("cause", "PartnerShow answered something else"));
    };
    let partner = partners.into_iter().next().ok_or_else(|| Failure::not_found("not_found").with("found", name).with("noun", "partner"))?;
    let mut findings = Vec::new();
    for (transport, address) in places(&partner) {
        findings.extend(explain(&address, probe(app, transport, address.clone()).await));
    }
    if findings.is_empty() {
        findings.push(Finding::bad("address", "no address known", format!("accord partner set {} --address HOST:PORT", partner.name)));
    }
    findings.push(if partner.connected {
        Finding::good("partner", "connected now")
    } else {
        Finding::bad("partner", "not connected now", "see the findings above; the node dials again by itself")
    });
    findings.push(agreement(&partner));
    Ok(findings)
}

fn free_space(data: &Path, reserve: u64) -> Finding {
    match rustix::fs::statvfs(data) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let detail = format!("{} MiB free at {}", free >> 20, data.display());
            if free >= reserve { Finding::good("disk", detail) } else { Finding::bad("disk", detail, "free some space on this disk") }
        }
        Err(error) => Finding::bad("disk", format!("{}: {error}", data.display()), "look at this disk with `df` and `mount`"),
    }
}

fn write_and_sync(data: &Path, elapsed_ms: impl Fn() -> u64) -> Finding {
    let write = || -> std::io::Result<()> {
        // Without a name: a crash here leaves nothing behind.
        let mut file = tempfile::tempfile_in(data)?;
        file.write_all(&[0; 4096])?;
        file.sync_all()
    };
    match write() {
        Ok(()) if elapsed_ms() > SYNC_SLOW_MS => {
            let detail = format!("writing and syncing took {} ms", elapsed_ms());
            Finding::bad("disk", detail, "other programs may be busy on this disk; a failing disk is slow first: see `smartctl -a`")
        }
        Ok(()) => Finding::good("disk", format!("writes and syncs in {} ms", elapsed_ms())),
        Err(error) => {
            Finding::bad("disk", format!("cannot write to {}: {error}", data.display()), "free space, or correct the folder's owner")
        }
    }
}

fn key_files(folder: &Path, files: &[PathBuf]) -> Vec<Finding> {
    let mut bad: Vec<Finding> = std::iter::once(folder)
        .chain(files.iter().map(PathBuf::as_path))
        .filter_map(|path| check_private(path).err())
        .map(|failure| {
            let value = |name| failure.param(name).unwrap_or_default();
            Finding::bad("keys", format!("{} has mode {}", value("path"), value("found")), value("command"))
        })
        .collect();
    if bad.is_empty() {
        bad.push(Finding::good(
            "keys",
            format!("{} files, readable by their owner only", files.iter().filter(|path| path.is_file()).count()),
        ));
    }
    bad
}

fn ports(ports: &Ports) -> Finding {
    let bound = ports.bound();
    let list = bound.iter().map(|(address, over)| format!("{address} ({over})")).collect::<Vec<_>>().join(", ");
    match (ports.configured.is_empty(), bound.is_empty()) {
        (true, _) => Finding::good("ports", "no listen address is set: this node only dials"),
        (false, false) => Finding::good("ports", format!("listening on {list}")),
        (false, true) => Finding::bad(
            "ports",
            format!("not listening on {}", ports.configured.join(", ")),
            "correct `listen` in accord.toml and restart",
        ),
    }
}

fn own_standing(status: &StatusView) -> [Finding; 2] {
    let clock = match status.clock.as_str() {
        "good" => Finding::good("clock", "in step with corroborated time"),
        "held" => {
            Finding::bad("clock", "a large jump of the system clock is held back", "set the clock, or confirm it: `accord clock correct`")
        }
        other => Finding::bad("clock", other, "set the system clock; `accord clock correct` if it is right"),
    };
    let left = status.certificate_ends.saturating_sub(status.now);
    let certificate = if left == 0 {
        Finding::bad("certificate", "the certificate of this node has ended", "accord cert renew")
    } else if left < CERTIFICATE_SOON_S {
        Finding::bad("certificate", format!("the certificate of this node ends in {} days", left / 86_400), "accord cert renew")
    } else {
        Finding::good("certificate", format!("valid for {} more days", left / 86_400))
    };
    [clock, certificate]
}

fn agreement(partner: &PartnerView) -> Finding {
    match partner.standing.as_str() {
        "in_force" => Finding::good("agreement", "in force"),
        "none" | "" => Finding::bad("agreement", "none", "accord agreement offer FILE"),
        other => Finding::bad("agreement", other, "accord agreement list"),
    }
}

fn places(partner: &PartnerView) -> Vec<(Option<TransportKey>, String)> {
    partner
        .nodes
        .iter()
        .flat_map(|node| node.addresses.iter().map(|address| (TransportKey::from_hex(&node.transport), address.clone())))
        .collect()
}

/// One line for a partner: connected, or what every address says.
async fn summary(app: &App, partner: &PartnerView) -> Finding {
    let standing = agreement(partner);
    let name = &partner.name;
    if partner.connected {
        return if standing.ok {
            Finding::good("partner", format!("{name}: connected, agreement in force"))
        } else {
            Finding::bad("partner", format!("{name}: connected, agreement: {}", standing.detail), standing.hint)
        };
    }
    let mut problems = Vec::new();
    for (transport, address) in places(partner) {
        match explain(&address, probe(app, transport, address.clone()).await).into_iter().find(|finding| !finding.ok) {
            None => return Finding::good("partner", format!("{name}: reached at {address}")),
            Some(problem) => problems.push(problem),
        }
    }
    let detail = problems.iter().map(|problem| problem.detail.clone()).collect::<Vec<_>>().join("; ");
    let hint = problems.into_iter().map(|problem| problem.hint).next();
    let hint = hint.unwrap_or_else(|| format!("accord partner set {name} --address HOST:PORT"));
    Finding::bad("partner", if detail.is_empty() { format!("{name}: no address known") } else { format!("{name}: {detail}") }, hint)
}

async fn probe(app: &App, transport: Option<TransportKey>, address: String) -> ProbeOutcome {
    let Some(transport) = transport else { return ProbeOutcome::Failed(DialProblem::InvalidKey) };
    let (reply, answer) = oneshot::channel();
    if app.swarm.send(SwarmCommand::Probe { transport, address, reply }).await.is_err() {
        return ProbeOutcome::Failed(DialProblem::TimedOut);
    }
    match tokio::time::timeout(Duration::from_secs(PROBE_S_MAX), answer).await {
        Ok(Ok(outcome)) => outcome,
        _ => ProbeOutcome::Failed(DialProblem::TimedOut),
    }
}

/// A probe in findings: the address, then as far as it got the key that answers and the version.
fn explain(address: &str, outcome: ProbeOutcome) -> Vec<Finding> {
    let there = || Finding::good("address", format!("{address} answers"));
    match outcome {
        ProbeOutcome::Reached { over, after, .. } => vec![
            Finding::good("address", format!("{address} answers over {over} in {} ms", after.as_millis())),
            Finding::good("identity", "the expected key answers and lets us in"),
        ],
        ProbeOutcome::Failed(problem) => {
            let detail = format!("{address}: {problem}");
            match problem {
                DialProblem::Address(_) => vec![Finding::bad("address", detail, "accord partner set NAME --address HOST:PORT")],
                DialProblem::Unreachable(_) | DialProblem::TimedOut => {
                    let hint = "check cable and firewall (UDP and TCP of this port), and whether their node runs; phone them";
                    vec![Finding::bad("transport", detail, hint)]
                }
                DialProblem::WrongIdentity { .. } | DialProblem::InvalidKey => {
                    vec![there(), Finding::bad("identity", detail, "ask them for a new card: the node behind this address is another one")]
                }
                DialProblem::NotListed => {
                    vec![there(), Finding::bad("identity", detail, "they have not added our card, or removed it: send it to them")]
                }
                DialProblem::NotAllowedHere => {
                    vec![Finding::bad("identity", detail, "their certificate is revoked or expired here: `accord partner show NAME`")]
                }
                DialProblem::OtherVersion => vec![there(), Finding::bad("version", detail, "one of the two nodes needs an update")],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check(findings: &[Finding], expect: &[(&str, bool)]) {
        let found: Vec<_> = findings.iter().map(|finding| (finding.check, finding.ok)).collect();
        assert_eq!(found, expect, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.ok || !finding.hint.is_empty()), "every fault has a next step");
    }

    #[test]
    fn a_full_or_missing_disk_is_a_fault_with_a_next_step() {
        let data = tempfile::tempdir().expect("a temporary folder");
        check(&[free_space(data.path(), 1), free_space(data.path(), u64::MAX)], &[("disk", true), ("disk", false)]);
        let gone = data.path().join("gone");
        check(&[free_space(&gone, 1), write_and_sync(&gone, || 0)], &[("disk", false), ("disk", false)]);
        check(&[write_and_sync(data.path(), || 1), write_and_sync(data.path(), || 900)], &[("disk", true), ("disk", false)]);
        assert_eq!(std::fs::read_dir(data.path()).expect("it exists").count(), 0, "nothing is left behind");
    }

    #[test]
    fn an_open_key_file_is_named_with_the_command_that_closes_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).expect("chmod");
        let file = dir.path().join("node.keys");
        crate::keystore::write_private(&file, b"x").expect("written");
        check(&key_files(dir.path(), std::slice::from_ref(&file)), &[("keys", true)]);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        let found = key_files(dir.path(), std::slice::from_ref(&file));
        check(&found, &[("keys", false)]);
        assert_eq!(found[0].hint, format!("chmod 0600 {}", file.display()));
    }

    #[test]
    fn ports_clock_and_certificate_tell_what_is_wrong() {
        let wanted = Ports::new(vec!["10.0.0.1:7400".to_owned()]);
        check(&[ports(&Ports::default()), ports(&wanted)], &[("ports", true), ("ports", false)]);
        wanted.note("10.0.0.1:7400".to_owned(), Over::Quic);
        check(&[ports(&wanted)], &[("ports", true)]);
        let standing = |clock: &str, ends| {
            own_standing(&StatusView { clock: clock.to_owned(), certificate_ends: ends, now: 100, ..Default::default() })
        };
        check(&standing("good", 100 + 86_400 * 90), &[("clock", true), ("certificate", true)]);
        check(&standing("held", 100 + 86_400 * 5), &[("clock", false), ("certificate", false)]);
        check(&standing("behind", 50), &[("clock", false), ("certificate", false)]);
    }

    #[tokio::test]
    async fn partners_are_asked_together_and_the_slow_ones_named() {
        // The first answers only once the second was asked.
        let asked = tokio::sync::Notify::new();
        let ask = |at: usize| {
            let asked = &asked;
            async move {
                match at {
                    0 => asked.notified().await,
                    1 => asked.notify_one(),
                    _ => std::future::pending().await,
                }
                format!("answer {at}")
            }
        };
        let found = together((0..3).map(ask).collect(), Duration::from_millis(200), |at| format!("late {at}")).await;
        assert_eq!(found, ["answer 0", "answer 1", "late 2"]);
    }

    #[test]
    fn every_outcome_of_a_probe_is_told_apart() {
        let failed = |problem| explain("10.0.0.1:7400", ProbeOutcome::Failed(problem));
        check(&failed(DialProblem::TimedOut), &[("transport", false)]);
        check(&failed(DialProblem::WrongIdentity { found: None }), &[("address", true), ("identity", false)]);
        check(&failed(DialProblem::NotListed), &[("address", true), ("identity", false)]);
        check(&failed(DialProblem::OtherVersion), &[("address", true), ("version", false)]);
        let reached = ProbeOutcome::Reached { address: "10.0.0.1:7400".to_owned(), over: Over::Tcp, after: Duration::from_millis(3) };
        check(&explain("10.0.0.1:7400", reached), &[("address", true), ("identity", true)]);
    }
}
