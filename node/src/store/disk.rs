//! The few things the store asks of a disk, as a trait so that tests can lose power at any of them.
//!
//! Names are relative to the store folder, with `/` between parts; `""` is the folder itself. [`RealDisk`] is the operating system.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;

/// Keeps the store to one process for as long as it lives.
pub type LockGuard = Box<dyn Any + Send + Sync>;

/// A disk. Only what [`Disk::sync_data`] (content and length) and [`Disk::sync_dir`] (names) returned for survives a power cut.
pub trait Disk: Send + Sync {
    /// Writes all bytes at the end. On an error any prefix may have been written.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Reads up to `into.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Overwrites bytes in place.
    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync_data(&self, name: &str) -> io::Result<()>;
    /// Cuts or extends (with zeros) to `len` bytes.
    fn truncate(&self, name: &str, len: u64) -> io::Result<()>;
    /// Extends to `len` bytes whose blocks are really taken.
    fn allocate(&self, name: &str, len: u64) -> io::Result<()>;
    /// Makes a new empty file readable by its owner only; it must not exist.
    fn create(&self, name: &str) -> io::Result<()>;
    /// Makes a folder open to its owner only, if it is not there.
    fn create_dir(&self, name: &str) -> io::Result<()>;
    /// Renames a file, replacing the target in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Renames a file unless something of the new name is there: [`io::ErrorKind::AlreadyExists`].
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names created, renamed or removed in a folder durable.
    fn sync_dir(&self, name: &str) -> io::Result<()>;
    /// Makes the name of the store's folder itself durable, in the folder around it. Without it a new store is gone with all that was synced in it.
    fn sync_home(&self) -> io::Result<()>;
    /// Names of the files in a folder, sorted; empty if there is no such folder.
    fn list(&self, name: &str) -> io::Result<Vec<String>>;
    /// Length in bytes, `None` if there is no such file.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;
    /// Bytes an ordinary user may still write.
    fn free_space(&self) -> io::Result<u64>;
    /// Takes the store's lock, held until the guard is dropped.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another holder exists.
    fn lock(&self, name: &str) -> Result<LockGuard, StoreError>;
    /// Checks that nobody but the owner may read or write the store.
    ///
    /// # Errors
    /// [`StoreError::OpenModes`] names the first file or folder that is too open.
    fn check_modes(&self) -> Result<(), StoreError>;

    /// Removes a file where there is one.
    fn remove_if_there(&self, name: &str) -> io::Result<()> {
        match self.len(name)? {
            Some(_) => self.remove(name),
            None => Ok(()),
        }
    }

    /// The whole file, refusing more than `max` bytes; `None` if it is not there.
    fn read_all(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = self.len(name)? else { return Ok(None) };
        if len > max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes, at most {max} expected")));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let read = self.read_at(name, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Puts a whole file in place durably: written under `temporary`, synced, renamed, folder synced. Both lie in the store folder itself.
    fn replace(&self, name: &str, temporary: &str, bytes: &[u8]) -> io::Result<()> {
        self.remove_if_there(temporary)?;
        self.create(temporary)?;
        self.append(temporary, bytes)?;
        self.sync_data(temporary)?;
        self.rename(temporary, name)?;
        self.sync_dir("")
    }
}

/// How many files stay open at once for reading.
const OPEN_FILES_MAX: usize = 128;

/// The file system of this machine, below one folder.
pub struct RealDisk {
    dir: PathBuf,
    open: Mutex<BTreeMap<String, Arc<File>>>,
}

impl RealDisk {
    /// The folder `dir`, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Mutex::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.dir.clone() } else { self.dir.join(name) }
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One handle per file: a sync must go through the handle that wrote, or a write error could pass unnoticed.
    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.handles();
        if let Some(file) = open.get(name) {
            return Ok(file.clone());
        }
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(self.path(name))?);
        if open.len() >= OPEN_FILES_MAX {
            // The lowest names are old journal files, which are only read.
            let oldest = open.keys().find(|name| name.starts_with("journal/") && name.ends_with(".journal")).cloned();
            oldest.and_then(|name| open.remove(&name));
        }
        open.insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn forget(&self, name: &str) {
        self.handles().remove(name);
    }
}

/// Makes a folder open to its owner only, with those around it that are missing; the name of each one made here is durable on return.
pub(crate) fn make_folders(path: &Path) -> io::Result<()> {
    // A relative path begins in the folder we are in, which is there.
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.iter().rev().try_for_each(|folder| sync_around(folder))
}

/// Makes the name of a file or folder durable, in the folder around it.
pub(crate) fn sync_around(folder: &Path) -> io::Result<()> {
    let around = folder.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(around)?.sync_all()
}

/// Gives a file a second name.
type Linking<'a> = dyn Fn(&Path, &Path) -> io::Result<()> + 'a;

/// Renames a file to a name that is not there yet.
pub(crate) fn rename_new(old: &Path, new: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, old, CWD, new, RenameFlags::NOREPLACE) {
        // Not every file system of a medium or a share knows this.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_by_link(old, new, &|old, new| std::fs::hard_link(old, new)),
        renamed => Ok(renamed?),
    }
}

/// A rename that replaces nothing, where the file system has none: a second name for the file is refused as surely. A first name that stays
/// is only a leftover.
fn rename_by_link(old: &Path, new: &Path, link: &Linking<'_>) -> io::Result<()> {
    match link(old, new) {
        Ok(()) => {
            if let Err(error) = std::fs::remove_file(old) {
                tracing::warn!(path = %old.display(), %error, "a file has its new name and keeps the old one beside it");
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Nor does every one know that: what is left is to look, and to be quick. A link that leads nowhere is there too.
        Err(_) => match std::fs::symlink_metadata(new) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(old, new),
            Err(error) => Err(error),
        },
    }
}

impl Disk for RealDisk {
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(name)?;
        let end = file.metadata()?.len();
        file.write_all_at(bytes, end)
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        let mut done = 0;
        while done < into.len() {
            match file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all_at(bytes, offset)
    }

    fn sync_data(&self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn allocate(&self, name: &str, len: u64) -> io::Result<()> {
        let file = self.file(name)?;
        let at = file.metadata()?.len();
        if at >= len {
            return Ok(());
        }
        match rustix::fs::fallocate(&*file, rustix::fs::FallocateFlags::empty(), at, len - at) {
            Ok(()) => Ok(()),
            Err(error) if error == rustix::io::Errno::OPNOTSUPP => {
                let block = vec![0xA5; 1 << 20];
                let mut at = at;
                while at < len {
                    let size = (len - at).min(block.len() as u64);
                    file.write_all_at(&block[..size as usize], at)?;
                    at += size;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn create(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.path(name))?;
        self.handles().insert(name.to_owned(), Arc::new(file));
        Ok(())
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        make_folders(&self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))?;
        let mut open = self.handles();
        match open.remove(from) {
            Some(file) => open.insert(to.to_owned(), file),
            None => open.remove(to),
        };
        Ok(())
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        rename_new(&self.path(from), &self.path(to))?;
        let mut open = self.handles();
        if let Some(file) = open.remove(from) {
            open.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.forget(name);
        std::fs::remove_file(self.path(name))
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }

    fn sync_home(&self) -> io::Result<()> {
        sync_around(&self.dir)
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.path(name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        match std::fs::metadata(self.path(name)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn free_space(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, name: &str) -> Result<LockGuard, StoreError> {
        let path = self.path(name);
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open().map_err(StoreError::io("opening", name))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: self.dir.clone() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { action: "locking", file: name.to_owned(), source }),
        }
    }

    fn check_modes(&self) -> Result<(), StoreError> {
        let check = |path: PathBuf, expected: u32| {
            let mode = match std::fs::metadata(&path) {
                Ok(meta) => meta.permissions().mode() & 0o777,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(source) => return Err(StoreError::Io { action: "reading the mode of", file: path.display().to_string(), source }),
            };
            if mode & !expected == 0 { Ok(()) } else { Err(StoreError::OpenModes { path, found: mode, expected }) }
        };
        for folder in ["", "journal", "index"] {
            check(self.path(folder), 0o700)?;
        }
        for folder in ["", "journal"] {
            for name in self.list(folder).map_err(StoreError::io("listing", folder))? {
                check(self.path(folder).join(name), 0o600)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_without_help_of_the_file_system_replaces_nothing_either() {
        let no_links = |_: &Path, _: &Path| Err(io::ErrorKind::Unsupported.into());
        let exists = |outcome: io::Result<()>| outcome.expect_err("a name that is taken").kind() == io::ErrorKind::AlreadyExists;
        let by_link = |old: &Path, new: &Path| std::fs::hard_link(old, new);
        let links: [(&str, &Linking<'_>); 2] = [("by a link", &by_link), ("by looking", &no_links)];
        for (how, link) in links {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let [part, new, nowhere] = ["a.part", "a", "nowhere"].map(|name| dir.path().join(name));
            std::fs::write(&part, b"whole").expect("written");
            std::fs::write(&new, b"there").expect("written");
            assert!(exists(rename_by_link(&part, &new, link)), "{how}");
            std::os::unix::fs::symlink(dir.path().join("gone"), &nowhere).expect("a link");
            assert!(exists(rename_by_link(&part, &nowhere, link)), "{how}: a link that leads nowhere");
            assert_eq!((std::fs::read(&new).expect("there"), part.exists()), (b"there".to_vec(), true), "{how}");
            std::fs::remove_file(&new).expect("there");
            rename_by_link(&part, &new, link).expect("a free name");
            assert_eq!((std::fs::read(&new).expect("there"), part.exists()), (b"whole".to_vec(), false), "{how}");
        }
    }

    #[test]
    fn a_file_that_has_its_new_name_is_in_place_although_the_old_one_stays() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let [part, new] = ["a.part", "a"].map(|name| dir.path().join(name));
        std::fs::write(&part, b"whole").expect("written");
        // As where a share is lost between the two steps: the old name cannot be taken away.
        let link_and_lose = |old: &Path, new: &Path| {
            std::fs::hard_link(old, new)?;
            std::fs::remove_file(old)
        };
        rename_by_link(&part, &new, &link_and_lose).expect("the file is in place");
        assert_eq!(std::fs::read(&new).expect("there"), b"whole");
    }
}
