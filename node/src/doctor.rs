//! What is wrong with this node, and what to do about it: disk, key files, ports, clock, certificate, and every partner.
//!
//! A finding is either well or names a next step; it is a code and values, which the command line says in the reader's language and the API in
//! English. Nothing is changed by looking; the only traces are a probe file, removed at once, and probes of partners' addresses, which
//! disturb no link.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use accord_keys::id::TransportKey;
use accord_protocol::input::Command;
use accord_protocol::view::{PartnerView, StatusView, View};
use futures::StreamExt as _;
use tokio::sync::oneshot;

use crate::api::App;
use crate::failure::Failure;
use crate::keystore::check_private;
use crate::swarm::{AddressError, DialProblem, Over, ProbeOutcome, SwarmCommand};
use crate::words::{Lang, Words};

mod finding;
pub use finding::Finding;

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
    let backup_keys = Arc::clone(&app.backup_keys);
    let local = move || {
        let mut found = vec![free_space(&data, reserve)];
        let before = clock.now().mono.0;
        found.push(write_and_sync(&data, || clock.now().mono.0.saturating_sub(before)));
        found.extend(key_files(&keys.folder(), &keys.files()));
        found.extend(backup_keys.check().err().and_then(|failure| damaged_backup_keys(&failure)));
        found
    };
    let mut findings = tokio::task::spawn_blocking(local).await.map_err(|error| Failure::fault("internal").because(error))?;
    findings.push(ports(&app.ports));
    let View::Status(status) = app.handle.command(Command::Status).await? else {
        return Err(Failure::fault("internal").with("cause", "Status answered something else"));
    };
    findings.extend(own_standing(&status));
    let (probed, rest) = status.partners.split_at(status.partners.len().min(PROBES_MAX));
    let late = |name: &str| Finding::bad("partner_late").with("partner", name).with("seconds", PROBES_S_MAX);
    let laptop = status.device == "laptop";
    let asks: Vec<_> = probed.iter().map(|partner| summary(app, partner, laptop)).collect();
    let found = together(asks, Duration::from_secs(PROBES_S_MAX), |at| late(probed.get(at).map_or("", |partner| &partner.name))).await;
    findings.extend(found);
    let unprobed = |partner: &PartnerView| Finding::good("partner_not_probed").with("partner", &partner.name).with("most", PROBES_MAX);
    findings.extend(rest.iter().map(unprobed));
    Ok(in_english(findings))
}

/// As the API gives them to those who read no codes.
fn in_english(findings: Vec<Finding>) -> Vec<Finding> {
    let words = Words::of(Lang::En);
    findings.into_iter().map(|finding| finding.told(&words)).collect()
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
        findings.extend(explain(&partner.name, &address, probe(app, transport, address.clone()).await));
    }
    if findings.is_empty() {
        findings.push(Finding::bad("address_none").with("partner", &partner.name));
    }
    findings.push(if partner.connected { Finding::good("partner_connected") } else { Finding::bad("partner_not_connected") });
    findings.push(agreement(&partner));
    Ok(in_english(findings))
}

fn free_space(data: &Path, reserve: u64) -> Finding {
    match rustix::fs::statvfs(data) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let found =
                if free >= reserve { Finding::good("disk_good") } else { Finding::bad("disk_low").with("reserve_mib", reserve >> 20) };
            found.with("free_mib", free >> 20).with("path", data.display())
        }
        Err(error) => Finding::bad("disk_unreadable").with("path", data.display()).with("cause", error),
    }
}

fn write_and_sync(data: &Path, elapsed_ms: impl Fn() -> u64) -> Finding {
    let write = || -> std::io::Result<()> {
        // Without a name: a crash here leaves nothing behind.
        let mut file = tempfile::tempfile_in(data)?;
        file.write_all(&[0; 4096])?;
        file.sync_all()
    };
    match (write(), elapsed_ms()) {
        (Ok(()), millis) if millis > SYNC_SLOW_MS => Finding::bad("disk_slow").with("millis", millis),
        (Ok(()), millis) => Finding::good("disk_writes").with("millis", millis),
        (Err(error), _) => Finding::bad("disk_readonly").with("path", data.display()).with("cause", error),
    }
}

fn key_files(folder: &Path, files: &[PathBuf]) -> Vec<Finding> {
    let mut bad: Vec<Finding> = std::iter::once(folder)
        .chain(files.iter().map(PathBuf::as_path))
        .filter_map(|path| check_private(path).err().map(|failure| (path, failure)))
        .map(|(path, failure)| match (failure.param("found"), failure.param("command")) {
            (Some(mode), Some(command)) => {
                Finding::bad("keys_open").with("path", path.display()).with("mode", mode).with("command", command)
            }
            _ => Finding::bad("keys_unreadable").with("path", path.display()).with("cause", failure.chain()),
        })
        .collect();
    if bad.is_empty() {
        bad.push(Finding::good("keys_good").with("count", files.iter().filter(|path| path.is_file()).count()));
    }
    bad
}

/// Without them no backup is made and none is forgotten. A wrong mode is told with those of the other files.
fn damaged_backup_keys(failure: &Failure) -> Option<Finding> {
    let path = failure.param("path").unwrap_or_default();
    (failure.code != "key_file_open").then(|| Finding::bad("keys_backup").with("path", path))
}

fn ports(ports: &Ports) -> Finding {
    let bound = ports.bound();
    let list = bound.iter().map(|(address, over)| format!("{address} ({over})")).collect::<Vec<_>>().join(", ");
    match (ports.configured.is_empty(), bound.is_empty()) {
        (true, _) => Finding::good("ports_none"),
        (false, false) => Finding::good("ports_good").with("addresses", list),
        (false, true) => Finding::bad("ports_closed").with("addresses", ports.configured.join(", ")),
    }
}

fn own_standing(status: &StatusView) -> [Finding; 2] {
    let clock = match status.clock.as_str() {
        "good" => Finding::good("clock_good"),
        "held" => Finding::bad("clock_held"),
        _ => Finding::bad("clock_behind"),
    };
    let left = status.certificate_ends.saturating_sub(status.now);
    let certificate = if left == 0 {
        Finding::bad("certificate_ended")
    } else if left < CERTIFICATE_SOON_S {
        Finding::bad("certificate_soon").with("days", left / 86_400)
    } else {
        Finding::good("certificate_good").with("days", left / 86_400)
    };
    [clock, certificate]
}

fn agreement(partner: &PartnerView) -> Finding {
    match partner.standing.as_str() {
        "in_force" => Finding::good("agreement_good"),
        "none" | "" => Finding::bad("agreement_none"),
        other => Finding::bad("agreement_other").with("standing", other),
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
async fn summary(app: &App, partner: &PartnerView, laptop: bool) -> Finding {
    let named = |found: Finding| found.with("partner", &partner.name);
    if partner.connected {
        let standing = agreement(partner);
        let found = if standing.ok { Finding::good("partner_good") } else { Finding::bad("partner_agreement").of(vec![standing]) };
        return named(found);
    }
    let mut problems = Vec::new();
    for (transport, address) in places(partner) {
        let outcome = probe(app, transport, address.clone()).await;
        match explain(&partner.name, &address, outcome).into_iter().find(|finding| !finding.ok) {
            None => return named(Finding::good("partner_reached").with("address", address)),
            Some(problem) => problems.push(problem),
        }
    }
    named(match problems.is_empty() {
        // Its own bureau's node brings it everything.
        true if laptop => Finding::good("partner_by_home"),
        true => Finding::bad("partner_no_address"),
        false => Finding::bad("partner_unreached").of(problems),
    })
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
fn explain(partner: &str, address: &str, outcome: ProbeOutcome) -> Vec<Finding> {
    let at = |found: Finding| found.with("address", address).with("partner", partner);
    let there = || at(Finding::good("address_answers"));
    match outcome {
        ProbeOutcome::Reached { over, after, .. } => {
            let reached = Finding::good("address_good").with("over", over).with("millis", after.as_millis());
            vec![at(reached), at(Finding::good("identity_good"))]
        }
        ProbeOutcome::Failed(problem) => match problem {
            DialProblem::Address(AddressError::Malformed(_) | AddressError::NameToListen(_)) => vec![at(Finding::bad("address_malformed"))],
            DialProblem::Address(AddressError::OtherKey(_)) => vec![at(Finding::bad("address_other_key"))],
            DialProblem::Address(AddressError::NotDialable(_)) => vec![at(Finding::bad("address_not_dialable"))],
            DialProblem::Address(AddressError::TransportOff(_)) => vec![at(Finding::bad("address_transport_off"))],
            DialProblem::Address(AddressError::Unresolved { name, cause }) => {
                vec![at(Finding::bad("address_unresolved").with("host", name).with("cause", cause))]
            }
            DialProblem::Unreachable(cause) => vec![at(Finding::bad("transport_unreachable").with("cause", cause))],
            DialProblem::TimedOut => vec![at(Finding::bad("transport_late"))],
            DialProblem::WrongIdentity { found } => {
                let other = at(Finding::bad("identity_other"));
                vec![there(), if let Some(key) = found { other.with("found", key) } else { other }]
            }
            // Nobody was asked: the card names a key that is none.
            DialProblem::InvalidKey => vec![at(Finding::bad("identity_bad_key"))],
            DialProblem::NotListed => vec![there(), at(Finding::bad("identity_not_listed"))],
            DialProblem::NotAllowedHere => vec![at(Finding::bad("identity_not_allowed"))],
            DialProblem::OtherVersion => vec![there(), at(Finding::bad("version_other"))],
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check(findings: &[Finding], expect: &[(&str, bool)]) {
        let found: Vec<_> = findings.iter().map(|finding| (finding.check.as_str(), finding.ok)).collect();
        assert_eq!(found, expect, "{findings:?}");
        for lang in [Lang::Zh, Lang::En] {
            for told in findings.iter().map(|finding| finding.told(&Words::of(lang))) {
                assert!(!told.detail.is_empty() && !told.detail.contains('–'), "every value that is named is given: {told:?}");
                assert!(told.ok == told.hint.is_empty() && !told.hint.contains('–'), "every fault has a next step: {told:?}");
            }
        }
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
        assert_eq!(in_english(found)[0].hint, format!("chmod 0600 {}", file.display()));
        let gone = dir.path().join("gone.key");
        check(&key_files(dir.path(), &[gone]), &[("keys", false)]);
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
        let failed = |problem| explain("北岭", "10.0.0.1:7400", ProbeOutcome::Failed(problem));
        check(&failed(DialProblem::TimedOut), &[("transport", false)]);
        check(&failed(DialProblem::Unreachable("refused".to_owned())), &[("transport", false)]);
        check(&failed(DialProblem::InvalidKey), &[("identity", false)]);
        check(&failed(DialProblem::NotAllowedHere), &[("identity", false)]);
        let name = || "beiling:7400".to_owned();
        let unresolved = AddressError::Unresolved { name: name(), cause: "no such name".to_owned() };
        for problem in [
            AddressError::Malformed(name()),
            AddressError::OtherKey(name()),
            AddressError::NotDialable(name()),
            AddressError::TransportOff(name()),
            unresolved,
        ] {
            check(&failed(DialProblem::Address(problem)), &[("address", false)]);
        }
        check(&failed(DialProblem::WrongIdentity { found: None }), &[("address", true), ("identity", false)]);
        check(&failed(DialProblem::NotListed), &[("address", true), ("identity", false)]);
        check(&failed(DialProblem::OtherVersion), &[("address", true), ("version", false)]);
        let reached = ProbeOutcome::Reached { address: "10.0.0.1:7400".to_owned(), over: Over::Tcp, after: Duration::from_millis(3) };
        check(&explain("北岭", "10.0.0.1:7400", reached), &[("address", true), ("identity", true)]);
    }
}
