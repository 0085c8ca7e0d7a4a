//! The daemon's life, step by step.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use accord_keys::directory::Directory;
use accord_keys::id::{BureauId, CertificateId};
use accord_keys::keyfile::KdfParams;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::bureau::Identity;
use accord_protocol::input::{Command, Input, LinkId};
use accord_protocol::view::{CardView, View};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use super::notify::notify;
use super::unlock::{self, Sources};
use super::{RunPlan, failures, is_demo, tap};
use crate::api::{self, App, Member, Members, server};
use crate::bundle::Desk;
use crate::config::Config;
use crate::doctor::Ports;
use crate::driver::{self, Clock, Driver};
use crate::failure::Failure;
use crate::handle::Handle;
use crate::keystore::backup_keys::{BackupDoor, keeps_from};
use crate::keystore::officers::Attempts;
use crate::keystore::{KeyFolder, NodeKeys};
use crate::store::{Progress, Store, StoreKey};
use crate::swarm::{self, SwarmCommand, SwarmConfig, SwarmEvent};
use crate::verify::{Bounds, Stalled, Verifier};
use crate::{telemetry, verify};

/// Links get this long to take what is queued and hear goodbye, seconds.
const GOODBYE_S_MAX: u64 = 5;
/// How often keys of old backups are looked for, seconds.
const FORGET_EVERY_S: u64 = 3_600;
/// The same while nobody vouches for the clock, seconds.
const FORGET_AGAIN_S: u64 = 600;
/// How often a long start says how far it is, in reports of the store.
const PROGRESS_EVERY: u64 = 64;

/// Runs the daemon in the foreground until SIGTERM or SIGINT.
///
/// # Errors
/// Kind misuse (exit 2) for what the operator can correct before it starts; kind fault (exit 4) when the disk or we ourselves failed.
pub fn run(plan: RunPlan) -> Result<(), Failure> {
    super::keep_memory_private();
    run_until(plan, stop_signal())
}

/// Runs the daemon until `stop` is ready: for programs that hold a node within themselves.
///
/// # Errors
/// As [`run`], or what `stop` answers.
pub fn run_until(plan: RunPlan, stop: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let clock = Clock::start();
    // Before anything else: a process with this variable never touches a key.
    if std::env::var_os("SSLKEYLOGFILE").is_some() {
        return Err(Failure::misuse("keylog_set"));
    }
    let config = Config::load(&plan.data).map_err(|error| failures::config(&Config::path(&plan.data), error))?;
    super::check_listens(&plan.listen)?;
    telemetry::start(&config);
    let folder = KeyFolder::open(&plan.data, KdfParams::default())?;
    let demo = is_demo(&plan.data);
    let tap = plan.tap.as_deref().map(|path| tap::open(path, demo)).transpose()?;
    let keys = open_keys(&folder, &plan)?;
    let mut store = open_store(&plan.data, &keys)?;
    if let Some(why) = super::whereabouts::settle(&plan.data, &mut store)? {
        tracing::warn!(?why, "the store is not where it was: nothing is given out until an officer ran `accord store confirm`");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::fault("no_runtime").because(error))?;
    let parts = Parts { plan, config, folder, keys, store, clock, demo, tap };
    let ended = runtime.block_on(serve(parts, stop));
    // Workers that still check a message nobody waits for must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// What is open before anything runs.
struct Parts {
    plan: RunPlan,
    config: Config,
    folder: KeyFolder,
    keys: NodeKeys,
    store: Store,
    clock: Clock,
    demo: bool,
    tap: Option<swarm::Tap>,
}

fn open_keys(folder: &KeyFolder, plan: &RunPlan) -> Result<NodeKeys, Failure> {
    let mut ask = || rpassword::prompt_password(format!("{}: ", plan.prompt));
    let terminal = std::io::stdin().is_terminal();
    let passphrase = unlock::passphrase(Sources {
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
        file: plan.passphrase_file.clone(),
        prompt: terminal.then_some(&mut ask),
    })?;
    folder.read_node(&passphrase)
}

fn open_store(data: &Path, keys: &NodeKeys) -> Result<Store, Failure> {
    let dir = data.join("store");
    let mut reports = 0u64;
    let mut progress = |progress: Progress| {
        reports += 1;
        if reports.is_multiple_of(PROGRESS_EVERY) {
            tracing::info!(stage = ?progress.stage, done = progress.done, total = progress.total, "opening the store");
            notify("EXTEND_TIMEOUT_USEC=60000000");
        }
    };
    let (store, report) = Store::open(&dir, &StoreKey::new(keys.store), &mut progress).map_err(|error| failures::store(&dir, error))?;
    if report.torn_tail_bytes > 0 {
        tracing::warn!(bytes = report.torn_tail_bytes, "an unfinished batch, never acknowledged, was cut off the end of the journal");
    }
    tracing::info!(batches = report.batches, replayed = report.replayed, index = ?report.index, seconds = report.seconds, "store open");
    Ok(store)
}

async fn serve(parts: Parts, stop: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let Parts { plan, config, folder, keys, store, clock, demo, tap } = parts;
    let store_dir = plan.data.join("store");
    let signing = Arc::new(SecretKey::from_seed(keys.signing));
    let identity =
        Identity { network: keys.network, bureau: keys.bureau, certificate: keys.certificate, signer: signing, cursor_key: keys.cursor };
    let transport = swarm::transport_key(&keys.transport).map_err(failures::swarm)?;

    // The core, from disk.
    let (handle, asks, events) = Handle::new(clock.clone());
    let (directory, known) = watch::channel(Arc::new(Directory::new(keys.network)));
    let (inputs, inputs_in) = mpsc::channel(driver::INPUTS_MAX);
    let (stop_driver, driver_stops) = watch::channel(false);
    let (stop_faces, faces_stop) = watch::channel(false);

    // The API's place, only now that the store's lock says that no other daemon uses this folder, and before anything runs that a wrong
    // path would have to stop again.
    let socket = server::Socket::bind(&config.socket(&plan.data), &plan.data)?;

    // Only backups need these keys: without them the node runs, and says what is wrong when one is asked for.
    let backup_keys = Arc::new(BackupDoor::new(&folder, &keys.store));
    let dated = match backup_keys.ring() {
        Ok(ring) => ring.is_some(),
        Err(failure) => {
            tracing::error!(%failure, "the keys of backups cannot be used: no backup can be made, and no old one is forgotten");
            true
        }
    };

    // The network.
    let listen = if plan.listen.is_empty() { config.listen.clone() } else { plan.listen.clone() };
    let network = SwarmConfig { listen: listen.clone(), tap, ..SwarmConfig::default() };
    let traffic = Arc::clone(&network.traffic);
    let (swarm, swarm_events) = swarm::start(network, &keys.transport).await.map_err(failures::swarm)?;
    let ports = Arc::new(Ports::new(listen));
    let bounds = Bounds { workers: config.verify_workers, link_bytes_max: config.link_bytes_max };
    let (stalled, stalled_links) = watch::channel(Stalled::new());
    let verifier = Verifier::new(keys.network, known.clone(), inputs, stalled_links, bounds);
    let pump = tokio::spawn(pump(swarm_events, swarm.clone(), verifier, Arc::clone(&ports)));

    // The loop, on a thread of its own.
    let driver = Driver::open(driver::Parts {
        identity,
        store: store.into(),
        clock,
        asks,
        inputs: inputs_in,
        stalled,
        swarm: swarm.clone(),
        events,
        directory,
        stop: driver_stops,
        inputs_per_turn_max: config.inputs_per_turn_max,
    })
    .map_err(|error| failures::driver(&store_dir, error))?;
    let (ended, mut driver_ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("driver".to_owned()).spawn(move || {
        let _ = ended.send(runtime.block_on(driver.run()));
    });
    let thread = thread.map_err(|error| Failure::fault("no_runtime").because(error))?;

    // Keys of old backups are forgotten by a clock others vouch for.
    let forgetting = dated.then(|| tokio::spawn(forget_old_backups(Arc::clone(&backup_keys), handle.clone(), config.backup_keep_days)));

    // The API.
    let secret = HpkeSecret::from_seed(keys.hpke);
    let desk = Desk::new(plan.data.join("bundles"), keys.network, secret, transport, known.clone())?;
    let app = App::new(api::Inner {
        handle: handle.clone(),
        unpacks: Arc::new(tokio::sync::Semaphore::new(accord_protocol::limits::BUNDLES_AT_ONCE)),
        bundles: Arc::new(desk),
        keys: folder,
        backup_keys,
        backups: Arc::new(tokio::sync::Semaphore::new(1)),
        attempts: Attempts::default(),
        passphrases: tokio::sync::Semaphore::new(1),
        logins: tokio::sync::Mutex::new(()),
        members: members(known.clone(), keys.bureau),
        swarm: swarm.clone(),
        traffic,
        ports,
        config: config.clone(),
        data: plan.data.clone(),
        network: keys.network,
        bureau: keys.bureau,
        transport,
        demo,
        stop: faces_stop.clone(),
    });
    let faces = tokio::spawn({
        let config = config.clone();
        async move { server::serve(socket, api::router(app), &config, faces_stop).await }
    });
    drop(keys);
    state_contact(&handle, &config).await;
    notify("READY=1");
    tracing::info!(transport = %transport.short(), socket = %config.socket(&plan.data).display(), "accord runs");

    // Until somebody says stop, or the loop cannot go on.
    let early = tokio::select! {
        stopped = stop => { stopped?; None }
        ended = &mut driver_ended => Some(ended),
    };

    notify("STOPPING=1");
    if let Some(forgetting) = forgetting {
        forgetting.abort();
    }
    let _ = stop_faces.send(true);
    let _ = faces.await;
    let _ = stop_driver.send(true);
    let ended = match early {
        Some(ended) => ended,
        None => driver_ended.await,
    };
    let _ = swarm.send(SwarmCommand::Stop).await;
    let _ = tokio::time::timeout(Duration::from_secs(GOODBYE_S_MAX), pump).await;
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    let store = match ended {
        Ok(Ok(store)) => store,
        Ok(Err(error)) => return Err(failures::driver(&store_dir, error)),
        Err(_) => return Err(Failure::fault("internal").with("cause", "the loop panicked")),
    };
    store.close().map_err(|error| failures::store(&store_dir, error))?;
    tracing::info!("accord stopped");
    Ok(())
}

/// Once an hour: the keys of days longer ago than `keep_days` go. While nobody vouches for the clock, or the keys cannot be used, it is tried
/// again sooner.
async fn forget_old_backups(keys: Arc<BackupDoor>, handle: Handle, keep_days: u64) {
    loop {
        let mut wait_s = FORGET_EVERY_S;
        if let Ok(View::Status(status)) = handle.command(Command::Status).await {
            let first = keeps_from(status.now, keep_days, status.clock_corroborated && status.clock == "good");
            let keys = Arc::clone(&keys);
            let forget = move || match (first, keys.ring()?) {
                (Some(first), Some(ring)) => ring.forget_before(first),
                _ => Ok(false),
            };
            match tokio::task::spawn_blocking(forget).await {
                Ok(Ok(true)) => tracing::info!(keep_days, "keys of old backups are forgotten; only the paper recovery key opens those now"),
                Ok(Ok(false)) => {}
                Ok(Err(failure)) => {
                    tracing::warn!(%failure, "keys of old backups could not be forgotten; it is tried again");
                    wait_s = FORGET_AGAIN_S;
                }
                Err(error) => tracing::error!(%error, "forgetting keys of old backups panicked"),
            }
            if first.is_none() {
                wait_s = FORGET_AGAIN_S;
            }
        }
        tokio::time::sleep(Duration::from_secs(wait_s)).await;
    }
}

/// The certificates of our own bureau as the core knows them now.
fn members(known: watch::Receiver<Arc<Directory>>, bureau: BureauId) -> Members {
    Box::new(move || {
        let directory = Arc::clone(&known.borrow());
        let member = |id: CertificateId| {
            let key = directory.certificate(&id)?.body().key;
            Some(Member { certificate: id, key, revoked: directory.revoked(&id).is_some() })
        };
        directory.members(&bureau).into_iter().filter_map(member).collect()
    })
}

async fn stop_signal() -> Result<(), Failure> {
    let no_signal = |error: std::io::Error| Failure::fault("no_runtime").because(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signal)?;
    // Heard and passed over, also where something set it back to ending the process: who hangs up is told by an error.
    let _pipe = signal(SignalKind::pipe()).map_err(no_signal)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Addresses and phone of the configuration become part of our card.
async fn state_contact(handle: &Handle, config: &Config) {
    if config.contact_addresses.is_empty() && config.contact_phone.is_empty() {
        return;
    }
    let told = match handle.command(Command::CardShow).await {
        Ok(View::Card(card)) => contact_to_state(config, &card),
        // The first one: nothing stands there that could be lost.
        Err(failure) if failure.code == "no_contact" => contact_to_state(config, &CardView::default()),
        Ok(_) => None,
        Err(failure) => {
            tracing::warn!(%failure, "the card cannot be read, so the contact of accord.toml did not get onto it");
            None
        }
    };
    let Some(contact) = told else { return };
    if let Err(failure) = handle.command(contact).await {
        tracing::warn!(%failure, "the contact of accord.toml did not get onto the card");
    }
}

/// What changes on the card: each field the configuration sets; one it leaves open stays as it is. `None` when nothing does: each statement
/// is a sealed one and goes to every partner.
fn contact_to_state(config: &Config, card: &CardView) -> Option<Command> {
    let addresses = if config.contact_addresses.is_empty() { &card.addresses } else { &config.contact_addresses };
    let phone = if config.contact_phone.is_empty() { &card.phone } else { &config.contact_phone };
    let differs = *addresses != card.addresses || *phone != card.phone;
    differs.then(|| Command::SetContact { addresses: addresses.clone(), phone: phone.clone() })
}

/// Brings what the network tells to the verifier, without ever waiting for one link.
async fn pump(mut events: mpsc::Receiver<SwarmEvent>, swarm: mpsc::Sender<SwarmCommand>, mut verifier: Verifier, ports: Arc<Ports>) {
    while let Some(event) = events.recv().await {
        let victim = match event {
            SwarmEvent::Listening { address, over } => {
                tracing::info!(%address, %over, "listening");
                ports.note(address, over);
                None
            }
            SwarmEvent::Up { link, transport, outgoing, address, over } => {
                tracing::info!(link = link.0, partner = %transport.short(), %address, %over, outgoing, "link up");
                verifier.up(LinkId(link.0), transport, outgoing);
                None
            }
            SwarmEvent::Down { link, reason } => {
                tracing::info!(link = link.0, %reason, "link down");
                verifier.down(LinkId(link.0));
                None
            }
            SwarmEvent::Frame { link, bytes } => verifier.frame(LinkId(link.0), bytes),
            SwarmEvent::Dropped { link, frames } => {
                tracing::debug!(link = link.0, frames, "frames dropped: their permit had gone stale");
                let link = LinkId(link.0);
                verifier.event(link, Input::FrameDropped { link })
            }
            SwarmEvent::Refused { address, transport, reason, unreported } => {
                let key = transport.map_or_else(|| "unknown".to_owned(), |key| key.short());
                tracing::warn!(%address, %key, ?reason, unreported, "connection refused");
                None
            }
            SwarmEvent::DialFailed { transport, address, error } => {
                tracing::info!(partner = %transport.short(), %address, %error, "dial failed");
                None
            }
        };
        if let Some(link) = victim {
            tracing::warn!(
                link = link.0,
                bytes_max = verify::TOTAL_BYTES_MAX,
                "link closed: it sent more than a partner may before it is acknowledged"
            );
            if swarm.send(SwarmCommand::Close { link: swarm::LinkId(link.0), reason: 0 }).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
