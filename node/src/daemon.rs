//! Founding a bureau, joining a laptop, and the daemon itself: each a list of steps.
//!
//! The steps of [`run`] stop in the opposite order they start: first nobody asks any more, then the loop ends after a whole turn, then the
//! links say goodbye, and last the store is closed with its clean-stop mark. A failure on the way leaves nothing half started.

pub(crate) mod failures;
mod init;
mod join;
mod notify;
mod run;
mod tap;
mod unlock;

use std::path::{Path, PathBuf};

use accord_protocol::step::Write;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::keystore::NodeKeys;
use crate::store::{Store, StoreKey};

pub use init::init;
pub use join::join;
pub use run::{run, run_until};

/// Marks a store that `accord demo` made: only there a tap and a dump are possible. Inside the store folder.
const DEMO_MARKER: &str = "demo-store";

/// What founding a bureau needs.
pub struct InitPlan {
    /// The data folder; absent or empty.
    pub data: PathBuf,
    /// Name of the network, for instance `accord`.
    pub network: String,
    /// Unit code of the bureau (GB/T 2260 region and a suffix).
    pub unit_code: String,
    /// The bureau's name.
    pub name: String,
    /// Where partners reach it, printed on its card.
    pub addresses: Vec<String>,
    /// Where this node listens.
    pub listen: Vec<String>,
    /// Duty phone.
    pub phone: String,
    /// Name of the first officer.
    pub officer: String,
    /// Seals `node.keys`.
    pub node_passphrase: Zeroizing<String>,
    /// Seals `root.key`.
    pub root_passphrase: Zeroizing<String>,
    /// Seals the first officer's key; without it the key is made at the first login.
    pub officer_passphrase: Option<Zeroizing<String>>,
}

/// What a person writes down or prints after founding a bureau.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartSheet {
    /// The bureau's id.
    pub bureau: String,
    /// Its name.
    pub name: String,
    /// Read out on the phone to every partner.
    pub checking_code: String,
    /// Opens the store when the node's keys are lost; goes into the safe.
    pub recovery_key: String,
    /// The node's transport key.
    pub transport: String,
    /// The registrar's certificate.
    pub registrar: String,
    /// Where the root key lies; to be moved to a stick.
    pub root_key_file: String,
    /// The data folder.
    pub data: String,
}

/// What running the daemon needs.
#[derive(Clone, Debug, Default)]
pub struct RunPlan {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; empty takes the configuration's.
    pub listen: Vec<String>,
    /// File with the node's passphrase, mode 0600 or 0400.
    pub passphrase_file: Option<PathBuf>,
    /// File that gets a copy of every frame sent; only in a demonstration's store.
    pub tap: Option<PathBuf>,
}

/// What joining a laptop needs.
pub struct JoinPlan {
    /// The data folder; absent or empty.
    pub data: PathBuf,
    /// The one-time code.
    pub code: Zeroizing<String>,
    /// Seals `node.keys`.
    pub node_passphrase: Zeroizing<String>,
    /// Seals the officer's key on this laptop.
    pub officer_passphrase: Zeroizing<String>,
    /// Where the laptop listens; usually nowhere.
    pub listen: Vec<String>,
}

/// What a laptop became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The bureau's id.
    pub bureau: String,
    /// Its name.
    pub name: String,
    /// The laptop's certificate.
    pub certificate: String,
    /// The officer who carries it.
    pub officer: String,
    /// The data folder.
    pub data: String,
}

/// Marks the store of a data folder as a demonstration's, so that `--tap` and the dump work on it. For `accord demo`, right after founding.
///
/// # Errors
/// `keys_unwritable` when the mark cannot be made.
pub fn mark_demo(data: &Path) -> Result<(), Failure> {
    crate::keystore::write_private(&data.join("store").join(DEMO_MARKER), b"made by accord demo\n")
}

fn is_demo(data: &Path) -> bool {
    data.join("store").join(DEMO_MARKER).exists()
}

/// Makes the store of a new node with its first state.
fn make_store(data: &Path, keys: &NodeKeys, writes: &[Write]) -> Result<(), Failure> {
    let dir = data.join("store");
    let mut store = Store::create(&dir, &StoreKey::new(keys.store)).map_err(|error| failures::store(&dir, error))?;
    store.commit(writes).and_then(|()| store.close()).map_err(|error| failures::store(&dir, error))
}

/// Writes `accord.toml` with every key explained.
fn settings(data: &Path, listen: &[String]) -> Result<(), Failure> {
    let config = Config { listen: listen.to_vec(), ..Config::default() };
    crate::keystore::write_private(&Config::path(data), config.template().as_bytes())
}

/// A folder to build in, that becomes the data folder in one step or not at all.
struct Building {
    at: PathBuf,
    data: PathBuf,
}

impl Building {
    /// # Errors
    /// `data_exists` when something is there already; `keys_unwritable`.
    fn begin(data: &Path) -> Result<Self, Failure> {
        match std::fs::read_dir(data) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Failure::misuse("data_exists").with("path", data.display()));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::misuse("keys_unwritable").with("path", data.display()).because(error)),
        }
        let mut name = data.file_name().ok_or_else(|| Failure::misuse("keys_unwritable").with("path", data.display()))?.to_owned();
        name.push(".new");
        let at = data.with_file_name(name);
        if at.exists() {
            // What an earlier try left behind was never used.
            std::fs::remove_dir_all(&at).map_err(|error| Failure::misuse("keys_unwritable").with("path", at.display()).because(error))?;
        }
        crate::keystore::make_folder(&at)?;
        Ok(Self { at, data: data.to_path_buf() })
    }

    /// Moves what was built into place, durably.
    fn finish(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::misuse("keys_unwritable").with("path", self.data.display()).because(error);
        let sync = |path: &Path| std::fs::File::open(path).and_then(|folder| folder.sync_all());
        sync(&self.at).map_err(failed)?;
        std::fs::rename(&self.at, &self.data).map_err(failed)?;
        sync(self.data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bureau as a test founds it.
    pub(super) fn plan(data: &Path) -> InitPlan {
        let passphrase = |text: &str| Zeroizing::new(text.to_owned());
        InitPlan {
            data: data.to_path_buf(),
            network: "test".to_owned(),
            unit_code: "330100-01".to_owned(),
            name: "河东县公安局".to_owned(),
            addresses: vec!["127.0.0.1:7400".to_owned()],
            listen: Vec::new(),
            phone: "0571-0000000".to_owned(),
            officer: "值班一".to_owned(),
            node_passphrase: passphrase("correct horse"),
            root_passphrase: passphrase("battery staple"),
            officer_passphrase: Some(passphrase("stapled horse")),
        }
    }

    #[test]
    fn a_data_folder_comes_into_being_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        let building = Building::begin(&data).expect("nothing is there");
        std::fs::write(building.at.join("half"), b"x").expect("written");
        drop(building);
        assert!(!data.exists(), "a crash before the end leaves no data folder");
        let building = Building::begin(&data).expect("the leftover is no obstacle");
        assert!(!building.at.join("half").exists());
        std::fs::write(building.at.join("whole"), b"x").expect("written");
        building.finish().expect("moved");
        assert!(data.join("whole").exists());
        assert_eq!(Building::begin(&data).err().map(|failure| failure.code), Some("data_exists".to_owned()));
    }

    #[test]
    fn an_empty_folder_may_become_the_data_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        std::fs::create_dir(&data).expect("an empty folder");
        Building::begin(&data).expect("empty").finish().expect("moved over it");
        assert!(data.exists());
    }
}
