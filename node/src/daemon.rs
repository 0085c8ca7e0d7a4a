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

pub use init::{check_addresses, check_listens, init, init_told};
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
/// And how long the list in it may be, bytes: some forty names of key files.
const PLACING_BYTES_MAX: u64 = 16 << 10;
/// What the root of a file system holds by itself.
const LOST_AND_FOUND: &str = "lost+found";

/// A folder to build in, that becomes the data folder in one step or not at all.
struct Building {
    at: PathBuf,
    data: PathBuf,
    /// Held as long as it is built in, where the file system knows locks of folders.
    _lock: Option<std::fs::File>,
}

impl Building {
    /// Makes the folder, beside the data folder, or in it when it is there and empty: a mount point cannot be replaced. What an earlier try
    /// left in it goes, except the file `keep` of its `keys/`; so does what an earlier try had moved out of it already, as long as no node
    /// came of it. A folder that bears not our mark is never touched, nor what somebody else put beside it.
    ///
    /// # Errors
    /// `data_exists` when something is there already, another `init`, `join` or `restore` at work among it; `keys_unwritable`.
    fn begin(data: &Path, keep: Option<&str>) -> Result<Self, Failure> {
        let unwritable =
            |path: &Path, error: std::io::Error| Failure::misuse("keys_unwritable").with("path", path.display()).because(error);
        let exists = |path: &Path| Failure::misuse("data_exists").with("path", path.display());
        let inside = match std::fs::read_dir(data) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(unwritable(data, error)),
        };
        let at = if inside {
            data.join(BUILDING)
        } else {
            let mut name = data.file_name().ok_or_else(|| unwritable(data, std::io::ErrorKind::InvalidFilename.into()))?.to_owned();
            name.push(".new");
            data.with_file_name(name)
        };
        // Looked at before anything is made, and again once nobody else is at work here.
        let look = |begun: bool| -> Result<HalfMoved, Failure> {
            if begun {
                let facts = std::fs::symlink_metadata(&at).map_err(|error| unwritable(&at, error))?;
                let empty = || std::fs::read_dir(&at).is_ok_and(|mut entries| entries.next().is_none());
                if !facts.is_dir() || !(at.join(BUILDING_MARKER).is_file() || empty()) {
                    return Err(exists(&at));
                }
            }
            let half = HalfMoved::find(&at, data).map_err(|error| unwritable(&at, error))?;
            if inside && half.holds_what_is_not_ours(&at, data, keep).map_err(|error| unwritable(data, error))? {
                return Err(exists(data));
            }
            Ok(half)
        };
        look(std::fs::symlink_metadata(&at).is_ok())?;
        crate::keystore::make_folder(&at)?;
        let lock = lock_folder(&at).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => exists(&at),
            _ => unwritable(&at, error),
        })?;
        let half = look(true)?;
        half.take_back(&at, data, keep).map_err(|error| unwritable(data, error))?;
        clear(&at, keep).map_err(|error| unwritable(&at, error))?;
        crate::keystore::write_private(&at.join(BUILDING_MARKER), b"a node is being made here; not yet in use\n")?;
        Ok(Self { at, data: data.to_path_buf(), _lock: lock })
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

    /// Lists durably what is going to be moved. A list that found no room is shorter, and then nothing was moved yet.
    fn mark_placing(&self) -> std::io::Result<()> {
        let mut list = String::new();
        for (folder, within) in [("", self.at.clone()), ("keys/", self.at.join("keys"))] {
            for entry in std::fs::read_dir(within)? {
                let name = entry?.file_name();
                if ![BUILDING_MARKER, PLACING_MARKER, "keys", "node.keys"].iter().any(|stays| name == *stays) {
                    list.push_str(&format!("{folder}{}\n", name.to_string_lossy()));
                }
            }
        }
        std::fs::write(self.at.join(PLACING_MARKER), list)?;
        std::fs::File::open(self.at.join(PLACING_MARKER))?.sync_all()?;
        std::fs::File::open(&self.at)?.sync_all()
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
        self.mark_placing()?;
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

/// Keeps others from building in a folder; `None` where its file system has no such locks.
///
/// # Errors
/// [`std::io::ErrorKind::WouldBlock`] while another builds in it, or moved it away meanwhile.
fn lock_folder(at: &Path) -> std::io::Result<Option<std::fs::File>> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = std::fs::File::open(at)?;
    match folder.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(std::io::ErrorKind::WouldBlock.into()),
        Err(std::fs::TryLockError::Error(error)) => {
            tracing::debug!(path = %at.display(), %error, "this file system does not lock folders");
            return Ok(None);
        }
    }
    let there = std::fs::metadata(at).ok().map(|facts| (facts.dev(), facts.ino()));
    let ours = folder.metadata()?;
    if there == Some((ours.dev(), ours.ino())) { Ok(Some(folder)) } else { Err(std::io::ErrorKind::WouldBlock.into()) }
}

/// What an earlier try had moved out of the folder it built in when it was cut short: paths in the data folder.
#[derive(Default)]
struct HalfMoved {
    /// Whether it was cut short at all: `keys/node.keys`, which goes last, has not gone.
    cut_short: bool,
    /// Listed before the first was moved, and gone from where they were made. What is not gone from there was never moved: a thing of that name
    /// in the data folder is somebody else's.
    moved: Vec<String>,
}

impl HalfMoved {
    fn find(at: &Path, data: &Path) -> std::io::Result<Self> {
        let marked = [BUILDING_MARKER, PLACING_MARKER].iter().all(|mark| at.join(mark).is_file());
        if !marked || !at.join("keys/node.keys").is_file() || data.join("keys/node.keys").exists() {
            return Ok(Self::default());
        }
        let mut list = String::new();
        std::io::Read::read_to_string(
            &mut std::io::Read::take(std::fs::File::open(at.join(PLACING_MARKER))?, PLACING_BYTES_MAX),
            &mut list,
        )?;
        let gone = |path: &str| std::fs::symlink_metadata(at.join(path)).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        // Only whole lines, and names that lie where ours do.
        let whole = list.rsplit_once('\n').map_or("", |(whole, _)| whole).lines().filter(|path| {
            let name = path.strip_prefix("keys/").unwrap_or(path);
            !name.is_empty() && !name.contains('/') && name != "." && name != ".."
        });
        Ok(Self { cut_short: true, moved: whole.filter(|path| gone(path)).map(str::to_owned).collect() })
    }

    fn has_moved(&self, path: &str) -> bool {
        self.moved.iter().any(|moved| moved == path)
    }

    /// Whether something lies in the data folder that an earlier try did not put there, or keys that a laptop asked home with and whoever tries
    /// now does not keep: home may have certified them.
    fn holds_what_is_not_ours(&self, at: &Path, data: &Path, keep: Option<&str>) -> std::io::Result<bool> {
        for entry in std::fs::read_dir(data)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let ours = match &*name {
                BUILDING | LOST_AND_FOUND => true,
                "keys" if self.cut_short => self.are_all_ours(&data.join("keys"))?,
                name => self.has_moved(name),
            };
            if !ours {
                return Ok(true);
            }
        }
        if self.cut_short {
            for keys in [at.join("keys"), data.join("keys")] {
                for entry in read_dir_if_there(&keys)? {
                    let name = entry?.file_name();
                    let name = name.to_string_lossy();
                    if join::is_draft(&name) && keep != Some(&*name) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether a folder `keys` holds nothing but what was moved there.
    fn are_all_ours(&self, keys: &Path) -> std::io::Result<bool> {
        if !std::fs::symlink_metadata(keys)?.is_dir() {
            return Ok(false);
        }
        for entry in std::fs::read_dir(keys)? {
            if !self.has_moved(&format!("keys/{}", entry?.file_name().to_string_lossy())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes what had been moved, except for the file `keep` of `keys/`, which goes back. The list goes after this, and before what was never
    /// moved is cleared away: its names would be gone from there too.
    fn take_back(&self, at: &Path, data: &Path, keep: Option<&str>) -> std::io::Result<()> {
        if !self.cut_short {
            return Ok(());
        }
        let sync = |path: &Path| std::fs::File::open(path).and_then(|folder| folder.sync_all());
        for moved in &self.moved {
            let path = data.join(moved);
            if keep.is_some_and(|keep| *moved == format!("keys/{keep}")) && path.is_file() {
                std::fs::rename(&path, at.join(moved))?;
                sync(&at.join("keys"))?;
                continue;
            }
            let gone = match std::fs::symlink_metadata(&path) {
                Ok(facts) if facts.is_dir() => std::fs::remove_dir_all(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(error) => Err(error),
            };
            gone.or_else(unless_there)?;
        }
        std::fs::remove_dir(data.join("keys")).or_else(unless_there)?;
        sync(data)?;
        std::fs::remove_file(at.join(PLACING_MARKER))?;
        sync(at)
    }
}

/// That something to be removed is not there is as good.
fn unless_there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn read_dir_if_there(folder: &Path) -> std::io::Result<Vec<std::io::Result<std::fs::DirEntry>>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.collect()),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
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
        cut_short(Some("join-1.keys"));
        cut_short(Some("join-1.keys"));
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

    /// A node half made in an empty folder, with the mark that its parts are being moved, and which of them are gone from where they were made.
    fn half_moved(data: &Path, moved: &[&str]) {
        let building = Building::begin(data, None).expect("an empty folder");
        for folder in ["keys/officers", "store"] {
            std::fs::create_dir_all(building.at.join(folder)).expect("made");
        }
        for file in ["keys/node.keys", "keys/root.key", "accord.toml", "store/keyring"] {
            std::fs::write(building.at.join(file), b"ours").expect("written");
        }
        building.mark_placing().expect("written");
        for path in moved {
            if path.starts_with("keys/") {
                std::fs::create_dir_all(data.join("keys")).expect("made");
            }
            std::fs::rename(building.at.join(path), data.join(path)).expect("moved");
        }
    }

    #[test]
    fn what_somebody_put_into_a_half_filled_folder_is_never_taken_for_ours() {
        let begin = |data: &Path| Building::begin(data, None).err().map(|failure| failure.code);
        for (moved, foreign) in [
            (&[][..], "store/journal"),
            (&[], "accord.toml"),
            (&[], "keys/root.key"),
            (&[], "keys/another.key"),
            (&["store"], "accord.toml"),
            (&["store", "accord.toml"], "keys/root.key"),
            (&["store", "accord.toml", "keys/officers"], "keys/another.key"),
        ] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let data = dir.path().join("node");
            std::fs::create_dir(&data).expect("an empty folder");
            half_moved(&data, moved);
            let path = data.join(foreign);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, b"the only copy").expect("written");
            assert_eq!(begin(&data).as_deref(), Some("data_exists"), "{moved:?} moved, {foreign} is somebody's");
            assert_eq!(std::fs::read(&path).expect("untouched"), b"the only copy", "{foreign}");
            std::fs::remove_file(&path).expect("its owner takes it");
            if let (None, Some(folder)) = (moved.iter().find(|path| foreign.starts_with(**path)), foreign.split_once('/')) {
                let _ = std::fs::remove_dir(data.join(folder.0));
            }
            assert_eq!(begin(&data), None, "{moved:?} moved, {foreign} gone: all that is left is ours");
        }
    }

    #[test]
    fn a_link_to_another_half_made_folder_is_not_followed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (data, other) = (dir.path().join("node"), dir.path().join("other"));
        for folder in [&data, &other] {
            std::fs::create_dir(folder).expect("an empty folder");
        }
        half_moved(&other, &["store"]);
        std::os::unix::fs::symlink(other.join(BUILDING), data.join(BUILDING)).expect("a link");
        std::fs::create_dir(data.join("store")).expect("made");
        std::fs::write(data.join("store/journal"), b"x").expect("written");
        assert_eq!(Building::begin(&data, None).err().map(|failure| failure.code).as_deref(), Some("data_exists"));
        assert!(data.join("store/journal").exists() && other.join(BUILDING).join("keys/node.keys").exists());
    }

    #[test]
    fn keys_that_home_may_have_certified_are_not_taken_back_by_who_does_not_ask_with_them() {
        for moved in [&["store"][..], &["store", "accord.toml", "keys/join-1.keys"]] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let data = dir.path().join("node");
            std::fs::create_dir(&data).expect("an empty folder");
            half_moved(&data, &[]);
            std::fs::write(data.join(BUILDING).join("keys/join-1.keys"), b"asked with").expect("written");
            let building = Building { at: data.join(BUILDING), data: data.clone(), _lock: None };
            building.mark_placing().expect("written");
            for path in moved {
                std::fs::create_dir_all(data.join(path).parent().expect("a folder")).expect("made");
                std::fs::rename(building.at.join(path), data.join(path)).expect("moved");
            }
            for keep in [None, Some("join-2.keys")] {
                assert_eq!(Building::begin(&data, keep).err().map(|failure| failure.code).as_deref(), Some("data_exists"), "{moved:?}");
            }
            let building = Building::begin(&data, Some("join-1.keys")).expect("asked with the same code");
            assert_eq!(std::fs::read(building.at.join("keys/join-1.keys")).expect("kept"), b"asked with");
        }
    }

    #[test]
    fn two_at_once_do_not_build_in_one_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (fresh, empty) = (dir.path().join("fresh"), dir.path().join("empty"));
        std::fs::create_dir(&empty).expect("an empty folder");
        for data in [&fresh, &empty] {
            let first = Building::begin(data, None).expect("nothing is there");
            std::fs::write(first.at.join("half"), b"x").expect("written");
            assert_eq!(Building::begin(data, None).err().map(|failure| failure.code).as_deref(), Some("data_exists"));
            assert!(first.at.join("half").exists(), "the first goes on");
            drop(first);
            Building::begin(data, None).expect("the first is over");
        }
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
        drop(building);
        let building = Building::begin(&data, Some("join-1.keys")).expect("taken up again");
        assert_eq!(there(&building.at), [true, false, false, false]);
        drop(building);
        let building = Building::begin(&data, Some("join-2.keys")).expect("another code");
        assert_eq!(there(&building.at), [false; 4]);
    }
}
