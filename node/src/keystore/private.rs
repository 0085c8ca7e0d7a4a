//! Files only their owner may read, written so that they survive a power cut.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::failure::Failure;

/// Fresh bytes from the system's randomness.
///
/// # Errors
/// `no_randomness` when the system has none: nothing that needs a secret can go on.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::fault("no_randomness").because(error.to_string()))?;
    Ok(bytes)
}

/// Refuses a file or folder that group or others may use.
///
/// # Errors
/// `key_file_open` with the path, its mode and the command that corrects it; `key_file_unreadable` when it cannot be looked at.
pub fn check_private(path: &Path) -> Result<(), Failure> {
    let facts =
        std::fs::metadata(path).map_err(|error| Failure::misuse("key_file_unreadable").with("path", path.display()).because(error))?;
    let mode = facts.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let right = if facts.is_dir() { "0700" } else { "0600" };
    Err(Failure::misuse("key_file_open")
        .with("path", path.display())
        .with("found", format!("{mode:04o}"))
        .with("expected", right)
        .with("command", format!("chmod {right} {}", path.display())))
}

/// Makes a folder of mode 0700 with its parents, whose names survive a power cut; an existing one must be as private.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    crate::store::make_folders(path).map_err(|error| unwritable(path, error))?;
    check_private(path)
}

/// Writes a file of mode 0600, whole or not at all: a new file, synced, then moved over the old name, then the folder synced.
///
/// # Errors
/// `keys_unwritable` with what the system said; the old file is then untouched.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().ok_or_else(|| Failure::fault("keys_unwritable").with("path", path.display()))?;
    // A bare file name lies in the folder we are in.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.join(name);
    // What a crash left of an earlier try; its mode may be anything.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unwritable(&fresh, error)),
        _ => {}
    }
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| unwritable(path, error))
}

/// Syncs a folder, so that names made in it survive a power cut.
pub fn sync_folder(path: &Path) -> Result<(), Failure> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::misuse("keys_unwritable").with("path", path.display()).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_of_a_crash_does_not_stop_the_next_write_nor_lend_it_its_mode() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.key");
        std::fs::write(dir.path().join("a.key.new"), b"half").expect("the leftover");
        write_private(&path, b"whole").expect("written");
        assert_eq!(std::fs::read(&path).expect("it exists"), b"whole");
        check_private(&path).expect("private although the leftover was not");
        assert!(!dir.path().join("a.key.new").exists());
    }

    #[test]
    fn a_bare_file_name_is_written_into_the_folder_we_are_in() {
        let path = Path::new("accord-test-bare-file-name");
        let written = write_private(path, b"x");
        let read = std::fs::read(path);
        let _ = std::fs::remove_file(path);
        written.expect("written");
        assert_eq!(read.expect("it is here"), b"x");
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random::<32>().expect("randomness"), random::<32>().expect("randomness"));
    }
}
