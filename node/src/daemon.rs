//! Founding a bureau, joining a laptop, and the daemon itself: each a list of steps.
//!
//! The steps of [`run`] stop in the opposite order they start: first nobody asks any more, then the loop ends after a whole turn, then the
//! links say goodbye, and last the store is closed with its clean-stop mark. A failure on the way leaves nothing half started.

pub(crate) mod failures;
mod init;
mod join;
mod notify;
pub(crate) mod restore;
mod run;
mod tap;
mod unlock;
mod whereabouts;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use accord_protocol::step::Write;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::keystore::NodeKeys;
use crate::store::{Store, StoreKey};

pub use init::{init, init_told};
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
    /// What a person at a terminal is asked for the passphrase with, in the language of that person.
    pub prompt: String,
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

/// Keeps what this process has in memory out of core dumps and away from other processes of the same user.
fn keep_memory_private() {
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the system may write this process's memory to a core dump");
    }
}

/// Says that a folder is ours to clear: in it a node was being made. Inside the folder.
const BUILDING_MARKER: &str = ".accord-building";
/// Where a node is made inside a data folder that is there already and empty.
const BUILDING: &str = ".building";
/// Says that what was made there is being moved into the data folder around it. Inside the folder.
const PLACING_MARKER: &str = ".accord-placing";
/// What is made in such a folder, besides the marks.
const MADE: [&str; 3] = ["store", "keys", "accord.toml"];
/// What the root of a file system holds by itself.
const LOST_AND_FOUND: &str = "lost+found";

/// A folder to build in, that becomes the data folder in one step or not at all.
struct Building {
    at: PathBuf,
    data: PathBuf,
}

impl Building {
    /// Makes the folder, beside the data folder, or in it when it is there and empty: a mount point cannot be replaced. What an earlier try
    /// left in it goes, except the file `keep` of its `keys/`; so does what an earlier try had moved out of it already, as long as no node
    /// came of it. A folder that bears not our mark is never touched.
    ///
    /// # Errors
    /// `data_exists` when something is there already; `keys_unwritable`.
    fn begin(data: &Path, keep: Option<&str>) -> Result<Self, Failure> {
        let unwritable =
            |path: &Path, error: std::io::Error| Failure::misuse("keys_unwritable").with("path", path.display()).because(error);
        let at = match std::fs::read_dir(data) {
            Ok(entries) => {
                let at = data.join(BUILDING);
                let half_moved = is_half_moved(&at, data);
                for entry in entries {
                    let name = entry.map_err(|error| unwritable(data, error))?.file_name();
                    let ours = half_moved && MADE.iter().any(|made| name == *made);
                    if !ours && name != BUILDING && name != LOST_AND_FOUND {
                        return Err(Failure::misuse("data_exists").with("path", data.display()));
                    }
                }
                if half_moved {
                    take_back(&at, data, keep).map_err(|error| unwritable(data, error))?;
                }
                at
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut name = data.file_name().ok_or_else(|| Failure::misuse("keys_unwritable").with("path", data.display()))?.to_owned();
                name.push(".new");
                data.with_file_name(name)
            }
            Err(error) => return Err(unwritable(data, error)),
        };
        match std::fs::symlink_metadata(&at) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(&at, error)),
            Ok(facts) => {
                let empty = || std::fs::read_dir(&at).is_ok_and(|mut entries| entries.next().is_none());
                if !facts.is_dir() || !(at.join(BUILDING_MARKER).is_file() || empty()) {
                    return Err(Failure::misuse("data_exists").with("path", at.display()));
                }
                clear(&at, keep).map_err(|error| unwritable(&at, error))?;
            }
        }
        crate::keystore::make_folder(&at)?;
        crate::keystore::write_private(&at.join(BUILDING_MARKER), b"a node is being made here; not yet in use\n")?;
        Ok(Self { at, data: data.to_path_buf() })
    }

    /// Takes away what was built so far, so that a failure leaves nothing half made.
    fn abandon(self) {
        let gone = clear(&self.at, None).and_then(|()| std::fs::remove_dir_all(&self.at));
        if let Err(error) = gone {
            tracing::warn!(path = %self.at.display(), %error, "a half-made folder stays; the next try clears it");
        }
    }

    /// Moves what was built into place, durably; `keys/node.keys`, which makes a folder a node, comes last.
    fn finish(self) -> Result<(), Failure> {
        self.place().map_err(|error| Failure::misuse("keys_unwritable").with("path", self.data.display()).because(error))
    }

    fn place(&self) -> std::io::Result<()> {
        let sync = |path: &Path| std::fs::File::open(path).and_then(|folder| folder.sync_all());
        sync(&self.at)?;
        if self.at.parent() != Some(&self.data) {
            std::fs::rename(&self.at, &self.data)?;
            sync(self.data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
            return std::fs::remove_file(self.data.join(BUILDING_MARKER));
        }
        let keys = self.data.join("keys");
        let node = self.at.join("keys/node.keys");
        std::fs::write(self.at.join(PLACING_MARKER), b"what was made here is being moved into the folder around it\n")?;
        sync(&self.at)?;
        for entry in std::fs::read_dir(&self.at)? {
            let entry = entry?;
            if ![BUILDING_MARKER, PLACING_MARKER, "keys"].iter().any(|stays| entry.file_name() == *stays) {
                std::fs::rename(entry.path(), self.data.join(entry.file_name()))?;
            }
        }
        std::fs::DirBuilder::new().mode(0o700).create(&keys)?;
        for entry in std::fs::read_dir(self.at.join("keys"))? {
            let entry = entry?;
            if entry.path() != node {
                std::fs::rename(entry.path(), keys.join(entry.file_name()))?;
            }
        }
        sync(&keys)?;
        sync(&self.data)?;
        std::fs::rename(&node, keys.join("node.keys"))?;
        sync(&keys)?;
        std::fs::remove_dir_all(&self.at)
    }
}

/// Whether moving what was made in `at` into `data` was cut short: `keys/node.keys`, which goes last, has not gone.
fn is_half_moved(at: &Path, data: &Path) -> bool {
    let marked = [BUILDING_MARKER, PLACING_MARKER].iter().all(|mark| at.join(mark).is_file());
    marked && at.join("keys/node.keys").is_file() && !data.join("keys/node.keys").exists()
}

/// Removes what had been moved, except for the file `keep` of `keys/`, which goes back. What says that it was half moved goes after this.
fn take_back(at: &Path, data: &Path, keep: Option<&str>) -> std::io::Result<()> {
    if let Some(keep) = keep
        && data.join("keys").join(keep).is_file()
    {
        std::fs::rename(data.join("keys").join(keep), at.join("keys").join(keep))?;
        std::fs::File::open(at.join("keys"))?.sync_all()?;
    }
    for made in MADE {
        let path = data.join(made);
        let gone = match std::fs::symlink_metadata(&path) {
            Ok(facts) if facts.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::File::open(data)?.sync_all()
}

/// Empties a folder that bears our mark, except for the mark and the file `keep` of its `keys/`.
fn clear(at: &Path, keep: Option<&str>) -> std::io::Result<()> {
    let remove = |path: &Path| {
        if std::fs::symlink_metadata(path)?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
    };
    for entry in std::fs::read_dir(at)? {
        let path = entry?.path();
        match keep.map(|keep| path.join(keep)) {
            _ if path.ends_with(BUILDING_MARKER) => {}
            Some(kept) if path.ends_with("keys") && kept.is_file() => {
                for entry in std::fs::read_dir(&path)? {
                    let path = entry?.path();
                    if path != kept {
                        remove(&path)?;
                    }
                }
            }
            _ => remove(&path)?,
        }
    }
    Ok(())
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
        let building = Building::begin(&data, None).expect("nothing is there");
        std::fs::write(building.at.join("half"), b"x").expect("written");
        drop(building);
        assert!(!data.exists(), "a crash before the end leaves no data folder");
        let building = Building::begin(&data, None).expect("the leftover is no obstacle");
        assert!(!building.at.join("half").exists());
        std::fs::write(building.at.join("whole"), b"x").expect("written");
        building.finish().expect("moved");
        assert!(data.join("whole").exists() && !data.join(BUILDING_MARKER).exists());
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code), Some("data_exists".to_owned()));
    }

    #[test]
    fn a_folder_that_is_not_ours_is_never_cleared() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        let other = dir.path().join("node.new");
        std::fs::create_dir(&other).expect("a folder of somebody");
        std::fs::write(other.join("thesis"), b"x").expect("written");
        let failure = Building::begin(&data, None).err().expect("not ours");
        assert_eq!((failure.code.as_str(), failure.param("path")), ("data_exists", other.to_str()));
        assert!(other.join("thesis").exists());
        std::fs::remove_dir_all(&other).expect("ours to remove");
        std::os::unix::fs::symlink(dir.path(), &other).expect("a link");
        assert!(Building::begin(&data, None).is_err(), "a link is not followed");
    }

    #[test]
    fn an_empty_folder_is_filled_in_place_and_stays_the_same_folder() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        std::fs::create_dir(&data).expect("an empty folder");
        std::fs::create_dir(data.join(LOST_AND_FOUND)).expect("as the root of a file system has");
        let inode = || std::fs::metadata(&data).expect("it exists").ino();
        let before = inode();
        let building = Building::begin(&data, None).expect("empty");
        std::fs::create_dir(building.at.join("keys")).expect("made");
        std::fs::write(building.at.join("half"), b"x").expect("written");
        drop(building);
        let building = Building::begin(&data, None).expect("the leftover is no obstacle");
        std::fs::create_dir_all(building.at.join("keys/officers")).expect("made");
        for file in ["keys/node.keys", "keys/root.key", "accord.toml"] {
            std::fs::write(building.at.join(file), b"x").expect("written");
        }
        building.finish().expect("moved");
        assert_eq!(inode(), before, "a mount point cannot be replaced");
        let there = ["keys/node.keys", "keys/root.key", "keys/officers", "accord.toml", "half", BUILDING, BUILDING_MARKER];
        assert_eq!(there.map(|file| data.join(file).exists()), [true, true, true, true, false, false, false]);
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code), Some("data_exists".to_owned()));
    }

    #[test]
    fn a_folder_whose_filling_was_cut_short_is_taken_again_until_it_is_a_node() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        let cut_short = |keep: Option<&str>| {
            let building = Building::begin(&data, keep).expect("nothing of a node is there");
            for folder in ["keys/officers", "store"] {
                std::fs::create_dir_all(building.at.join(folder)).expect("made");
            }
            for file in ["keys/node.keys", "keys/root.key", "keys/join-1.keys", "accord.toml", "store/keyring"] {
                if !building.at.join(file).exists() {
                    std::fs::write(building.at.join(file), b"x").expect("written");
                }
            }
            // What stands in the way here ends the filling where a power cut might.
            std::fs::write(data.join("keys"), b"x").expect("written");
            let failure = building.finish().expect_err("it cannot be filled");
            std::fs::remove_file(data.join("keys")).expect("there");
            assert_eq!(failure.code, "keys_unwritable");
            assert!(data.join("store/keyring").exists(), "half of it is there");
        };
        std::fs::create_dir(&data).expect("an empty folder");
        cut_short(None);
        cut_short(None);
        // Further on, the draft that a laptop asks home with is moved already.
        std::fs::create_dir(data.join("keys")).expect("made");
        std::fs::write(data.join(BUILDING).join("keys/join-1.keys"), b"asked with").expect("written");
        std::fs::rename(data.join(BUILDING).join("keys/join-1.keys"), data.join("keys/join-1.keys")).expect("moved");
        let building = Building::begin(&data, Some("join-1.keys")).expect("taken again");
        let names = || std::fs::read_dir(&data).expect("readable").map(|entry| entry.expect("readable").file_name()).collect::<Vec<_>>();
        assert_eq!(names(), [BUILDING], "what was half moved is gone");
        assert_eq!(std::fs::read(building.at.join("keys/join-1.keys")).expect("kept"), b"asked with");
        drop(building);

        cut_short(Some("join-1.keys"));
        std::fs::write(data.join("somebody's"), b"x").expect("written");
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code), Some("data_exists".to_owned()), "not ours");
        assert!(data.join("store/keyring").exists() && data.join("somebody's").exists());
        std::fs::remove_file(data.join("somebody's")).expect("there");
        std::fs::create_dir(data.join("keys")).expect("made");
        std::fs::rename(data.join(BUILDING).join("keys/node.keys"), data.join("keys/node.keys")).expect("moved");
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code), Some("data_exists".to_owned()), "it is a node");
        std::fs::remove_file(data.join("keys/node.keys")).expect("there");
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code), Some("data_exists".to_owned()), "it was one");
        assert!(data.join("store/keyring").exists(), "and its store stays");
    }

    #[test]
    fn a_kept_key_file_outlives_the_clearing_of_a_leftover() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("node");
        let building = Building::begin(&data, Some("join-1.keys")).expect("nothing is there");
        std::fs::create_dir_all(building.at.join("keys/officers")).expect("made");
        for file in ["keys/join-1.keys", "keys/node.keys", "accord.toml"] {
            std::fs::write(building.at.join(file), b"x").expect("written");
        }
        let there = |at: &Path| ["keys/join-1.keys", "keys/node.keys", "keys/officers", "accord.toml"].map(|file| at.join(file).exists());
        let building = Building::begin(&data, Some("join-1.keys")).expect("taken up again");
        assert_eq!(there(&building.at), [true, false, false, false]);
        let building = Building::begin(&data, Some("join-2.keys")).expect("another code");
        assert_eq!(there(&building.at), [false; 4]);
    }
}
