//! The dated keys of backups: one for each day, each made from the day before by a hash that leads one way only.
//!
//! The first is wrapped under the paper recovery key, which therefore opens every backup. The node keeps the key of the oldest day whose
//! backups it may still open, and makes the later ones from it; moving on to a later day and overwriting the older key is all that is needed
//! for older backups to open under nothing that is on this node.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use accord_keys::canon;
use accord_keys::keyfile;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KeyFolder, Recovery, check_private, newer, private, random, read};
use crate::failure::Failure;

/// The file in the key folder.
const FILE: &str = "backup.keys";
/// A successor that a crash may have left as the only whole one.
const NEXT: &str = "backup.keys.new";
/// Days of one chain, about 100 years: a garbled date costs no more hashing than that.
const DAYS_MAX: u32 = 36_525;
/// Seconds of a day.
pub const DAY_S: u64 = 86_400;

/// The key of one day, and with it those of all later days.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct BackupKeys {
    /// Format version; 1.
    #[n(0)]
    version: u32,
    /// Days since 1970, UTC.
    #[n(1)]
    day: u32,
    #[cbor(n(2), with = "minicbor::bytes")]
    key: [u8; 32],
    /// The day the chain began, with a new recovery key.
    #[n(3)]
    began: u32,
}

/// The day of a time in Unix seconds.
pub fn day_of(unix: u64) -> u32 {
    u32::try_from(unix / DAY_S).unwrap_or(u32::MAX)
}

/// The first day whose key stays when those of `keep_days` do; `None` while nobody vouches for the clock, which then forgets nothing.
pub fn keeps_from(now: u64, keep_days: u64, vouched: bool) -> Option<u32> {
    vouched.then(|| day_of(now.saturating_sub(keep_days.saturating_mul(DAY_S))))
}

impl BackupKeys {
    /// A chain that begins on `day` with these random bytes.
    pub fn begin(day: u32, key: [u8; 32]) -> Self {
        Self { version: 1, day, key, began: day }
    }

    /// The first day there is a key for.
    pub fn first_day(&self) -> u32 {
        self.day
    }

    /// The day its recovery key was printed.
    pub fn printed(&self) -> u32 {
        self.began
    }

    /// The chain from `day` on; `None` before its beginning, and a century after it.
    pub fn on(&self, day: u32) -> Option<Self> {
        let steps = day.checked_sub(self.day).filter(|steps| *steps <= DAYS_MAX)?;
        let mut on = self.clone();
        for _ in 0..steps {
            on.key = blake3::derive_key("accord backup next day v1", &on.key);
        }
        on.day = day;
        Some(on)
    }

    /// The key of one backup made on the first day of this chain.
    pub fn file_key(&self, id: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        let mut material = Zeroizing::new([0; 48]);
        material[..32].copy_from_slice(&self.key);
        material[32..].copy_from_slice(id);
        Zeroizing::new(blake3::derive_key("accord backup file v1", &*material))
    }
}

impl std::fmt::Debug for BackupKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupKeys").field("day", &self.day).finish_non_exhaustive()
    }
}

fn wrapping(store: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key("accord backup keys v1", store))
}

impl KeyFolder {
    /// Writes the chain, sealed under the store key. What was there before is overwritten first: forgetting is the point.
    ///
    /// # Errors
    /// A failed write; the old or the new file is then there.
    pub fn write_backup_keys(&self, keys: &BackupKeys, store: &[u8; 32]) -> Result<(), Failure> {
        self.seal_backup_keys(keys, &wrapping(store))
    }

    fn seal_backup_keys(&self, keys: &BackupKeys, wrap: &[u8; 32]) -> Result<(), Failure> {
        let (path, next) = (self.dir.join(FILE), self.dir.join(NEXT));
        let plain = Zeroizing::new(canon::encode(keys));
        let sealed = keyfile::wrap_secret(&plain, wrap, &random()?, &random()?)
            .map_err(|error| Failure::fault("key_file_unsealed").with("path", path.display()).because(error))?;
        private::write_private(&next, &sealed)?;
        let put = || -> std::io::Result<()> {
            match OpenOptions::new().write(true).open(&path) {
                Ok(mut old) => {
                    let len = usize::try_from(old.metadata()?.len()).unwrap_or(usize::MAX).min(64 * 1024);
                    old.seek(SeekFrom::Start(0))?;
                    old.write_all(&vec![0; len])?;
                    old.sync_all()?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            std::fs::rename(&next, &path)
        };
        put().map_err(|error| Failure::misuse("keys_unwritable").with("path", path.display()).because(error))?;
        private::sync_folder(&self.dir)
    }

    /// The chain; `None` for a node that has none: a laptop, or one founded before there were backups.
    ///
    /// # Errors
    /// `backup_keys_damaged`, `key_file_open`, `wrong_passphrase` for a chain of another store.
    pub fn read_backup_keys(&self, store: &[u8; 32]) -> Result<Option<BackupKeys>, Failure> {
        self.unseal_backup_keys(&wrapping(store))
    }

    fn unseal_backup_keys(&self, wrap: &[u8; 32]) -> Result<Option<BackupKeys>, Failure> {
        // No backup holds this file, so what is said of other damaged key files would send people looking for nothing.
        let told = |path: &PathBuf, failure: Failure| match failure.code.as_str() {
            "key_file_damaged" => Failure::misuse("backup_keys_damaged").with("path", path.display()).because(failure),
            _ => failure,
        };
        let one = |path: PathBuf| -> Result<Option<BackupKeys>, Failure> {
            if !path.exists() {
                return Ok(None);
            }
            let keys: BackupKeys = read(&path, |sealed| keyfile::unwrap_secret(sealed, wrap)).map_err(|failure| told(&path, failure))?;
            if keys.version == 1 { Ok(Some(keys)) } else { Err(newer(&path, keys.version)) }
        };
        // A crash while the old one was overwritten leaves the new one beside it, whole.
        match one(self.dir.join(FILE)) {
            Ok(Some(keys)) => Ok(Some(keys)),
            otherwise => match one(self.dir.join(NEXT)) {
                Ok(Some(keys)) => Ok(Some(keys)),
                _ => otherwise,
            },
        }
    }
}

impl Recovery {
    /// The first of the dated keys; `None` for a recovery key printed before there were backups.
    pub fn backup(&self) -> Option<&BackupKeys> {
        self.backup.as_ref()
    }
}

/// The chain of a running node.
pub struct BackupRing {
    folder: KeyFolder,
    wrap: Zeroizing<[u8; 32]>,
    keys: Mutex<BackupKeys>,
}

impl BackupRing {
    /// The chain of this folder; `None` where there is none.
    ///
    /// # Errors
    /// As [`KeyFolder::read_backup_keys`].
    pub fn open(folder: &KeyFolder, store: &[u8; 32]) -> Result<Option<Self>, Failure> {
        Self::open_under(folder, wrapping(store))
    }

    fn open_under(folder: &KeyFolder, wrap: Zeroizing<[u8; 32]>) -> Result<Option<Self>, Failure> {
        let keys = folder.unseal_backup_keys(&wrap)?;
        Ok(keys.map(|keys| Self { folder: folder.clone(), wrap, keys: Mutex::new(keys) }))
    }

    /// The key of a day; `None` if it is forgotten.
    pub fn on(&self, day: u32) -> Option<BackupKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).on(day)
    }

    /// The first day there is a key for.
    pub fn first_day(&self) -> u32 {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).first_day()
    }

    /// The day its recovery key was printed.
    pub fn printed(&self) -> u32 {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).printed()
    }

    /// Forgets the keys of all days before `day`. Answers whether there were any.
    ///
    /// # Errors
    /// A failed write; the old key then stays.
    pub fn forget_before(&self, day: u32) -> Result<bool, Failure> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock a century ahead is not believed.
        let Some(later) = keys.on(day).filter(|later| later.day > keys.day) else { return Ok(false) };
        self.folder.seal_backup_keys(&later, &self.wrap)?;
        *keys = later;
        Ok(true)
    }
}

/// The chain of a running node whose file may not be usable when the node starts: looked for anew until it is.
pub struct BackupDoor {
    folder: KeyFolder,
    wrap: Zeroizing<[u8; 32]>,
    ring: Mutex<Option<Arc<BackupRing>>>,
}

impl BackupDoor {
    /// Of this folder, whose file is not looked at yet.
    pub fn new(folder: &KeyFolder, store: &[u8; 32]) -> Self {
        Self { folder: folder.clone(), wrap: wrapping(store), ring: Mutex::default() }
    }

    /// The chain, to forget its first days; `None` where there is none.
    ///
    /// # Errors
    /// As [`KeyFolder::read_backup_keys`].
    pub fn ring(&self) -> Result<Option<Arc<BackupRing>>, Failure> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.is_none() {
            *ring = BackupRing::open_under(&self.folder, self.wrap.clone())?.map(Arc::new);
        }
        Ok(ring.clone())
    }

    /// The chain, to make a backup: refused as long as others may read its file, also where it was read before that.
    ///
    /// # Errors
    /// As [`BackupDoor::ring`].
    pub fn ring_for_backup(&self) -> Result<Option<Arc<BackupRing>>, Failure> {
        let path = self.folder.dir.join(FILE);
        if path.exists() {
            check_private(&path)?;
        }
        self.ring()
    }

    /// Whether the file is whole as it lies there.
    ///
    /// # Errors
    /// As [`BackupDoor::ring`].
    pub fn check(&self) -> Result<(), Failure> {
        self.folder.unseal_backup_keys(&self.wrap).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use accord_keys::keyfile::KdfParams;

    use super::*;

    #[test]
    fn a_day_leads_to_later_days_and_never_back() {
        let first = BackupKeys::begin(100, [7; 32]);
        assert_eq!(first.on(130).and_then(|later| later.on(200)), first.on(200));
        assert_eq!(first.on(99), None);
        assert_eq!(first.on(101).and_then(|later| later.on(100)), None);
        assert!(first.on(100 + DAYS_MAX + 1).is_none(), "a garbled date costs nothing");
        // These bytes must never change: files in safes depend on them.
        let later = first.on(102).expect("two days on");
        assert_eq!(hex::encode(later.key), "1f9b9bd0e88075ef9bab0d355c180b412b7f904ee126ce2fb008d4bd5901af28");
        assert_eq!(hex::encode(*later.file_key(&[9; 16])), "32122801615b82acd48eacf16d0f4dea6e057b72e4f659f18de207d07f525710");
    }

    #[test]
    fn days_are_forgotten_by_a_clock_that_others_vouch_for_and_by_no_other() {
        assert_eq!(keeps_from(200 * DAY_S + 5, 90, true), Some(110));
        assert_eq!(keeps_from(200 * DAY_S, u64::MAX, true), Some(0));
        assert_eq!(keeps_from(9_000 * DAY_S, 1, false), None);
    }

    #[test]
    fn forgotten_days_are_gone_from_the_disk_and_a_crash_on_the_way_costs_nothing() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = KeyFolder::create(data.path(), KdfParams::WEAKEST).expect("a new folder");
        assert_eq!(folder.read_backup_keys(&[1; 32]).expect("none yet"), None);
        assert!(BackupRing::open(&folder, &[1; 32]).expect("none yet").is_none());
        let first = BackupKeys::begin(100, [7; 32]);
        folder.write_backup_keys(&first, &[1; 32]).expect("written");
        assert_eq!(folder.read_backup_keys(&[2; 32]).expect_err("another store").code, "wrong_passphrase");
        let ring = BackupRing::open(&folder, &[1; 32]).expect("whole").expect("written just now");
        assert!(ring.on(99).is_none() && ring.on(140).is_some());
        assert!(ring.forget_before(130).expect("written") && !ring.forget_before(130).expect("nothing to do"));
        assert!(ring.on(129).is_none() && ring.on(140) == first.on(140));
        assert_eq!(folder.read_backup_keys(&[1; 32]).expect("whole"), first.on(130));
        assert!(!ring.forget_before(u32::MAX).expect("a wild clock forgets nothing"));

        // Between overwriting the old and renaming the new.
        let (path, next) = (data.path().join("keys").join(FILE), data.path().join("keys").join(NEXT));
        std::fs::copy(&path, &next).expect("copied");
        std::fs::write(&path, [0; 200]).expect("overwritten");
        assert_eq!(folder.read_backup_keys(&[1; 32]).expect("the new one counts"), first.on(130));
        std::fs::remove_file(&next).expect("there");
        assert_eq!(folder.read_backup_keys(&[1; 32]).expect_err("damaged").code, "backup_keys_damaged");
    }
}
