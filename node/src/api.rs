//! The API: HTTP/1.1 and JSON on a Unix socket that only its owner may open.
//!
//! Every route turns a request into one [`Command`](accord_protocol::input::Command) and the core's answer into JSON; it decides nothing.
//! Answers are [`View`](accord_protocol::view::View)s, failures `application/problem+json` ([`crate::failure::Problem`]). Query parameters
//! of every route: `as=PERSON[/SEAT]`, `dry_run=true`; others are refused.

mod backup;
mod bodies;
mod bundles;
mod events;
mod extract;
mod journal;
mod login;
mod patience;
mod routes;
pub mod server;
pub(crate) mod store;

use std::path::PathBuf;
use std::sync::Arc;

use accord_keys::id::{BureauId, CertificateId, NetworkId, PublicKey, TransportKey};
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::doctor::Ports;
use crate::handle::Handle;
use crate::keystore::KeyFolder;
use crate::keystore::backup_keys::BackupDoor;
use crate::keystore::officers::Attempts;
use crate::swarm::{SwarmCommand, Traffic};

pub use routes::router;

/// One certificate of our own bureau, as far as key files are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its id.
    pub certificate: CertificateId,
    /// The key it is for.
    pub key: PublicKey,
    /// Revoked, for good.
    pub revoked: bool,
}

/// Tells the certificates of our own bureau as they are now.
pub type Members = Box<dyn Fn() -> Vec<Member> + Send + Sync>;

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

impl App {
    /// An app of these parts.
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The certificates of our own bureau as they are now.
    fn members(&self) -> Vec<Member> {
        (self.0.members)()
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Everything a route may need.
pub struct Inner {
    /// The way to the core.
    pub handle: Handle,
    /// The key files.
    pub keys: KeyFolder,
    /// Keys of backups.
    pub backup_keys: Arc<BackupDoor>,
    /// One backup at a time.
    pub backups: Arc<tokio::sync::Semaphore>,
    /// Bundles that are read from a client at a time.
    pub unpacks: Arc<tokio::sync::Semaphore>,
    /// Bundles packed and unpacked.
    pub bundles: Arc<crate::bundle::Desk>,
    /// Wrong passphrases lately.
    pub attempts: Attempts,
    /// One passphrase at a time: each costs 64 MiB while it is tried.
    pub passphrases: tokio::sync::Semaphore,
    /// One login at a time: two first logins of one officer would each make a key.
    pub logins: tokio::sync::Mutex<()>,
    /// The certificates of our own bureau.
    pub members: Members,
    /// The network, for probes.
    pub swarm: mpsc::Sender<SwarmCommand>,
    /// Bytes and frames over all links.
    pub traffic: Arc<Traffic>,
    /// Where we listen, as it turned out.
    pub ports: Arc<Ports>,
    /// The settings in force.
    pub config: Config,
    /// The data folder.
    pub data: PathBuf,
    /// The network all statements are bound to.
    pub network: NetworkId,
    /// Our bureau.
    pub bureau: BureauId,
    /// Our transport key.
    pub transport: TransportKey,
    /// This store was made by `accord demo`.
    pub demo: bool,
    /// Turns true when the daemon stops.
    pub stop: watch::Receiver<bool>,
}

#[cfg(test)]
mod tests;
