//! Putting a backup in its place: whole and read back, or not at all, and never over a file that is there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::layout::{HEADER, Header};
use super::read::{Source, examine};
use super::{BackupError, Outline};
use crate::store::disk::{Disk, RealDisk};
use crate::store::error::is_full;

/// Kept free beside the backup: a disk filled to the last byte is of no use to anybody.
const SPARE_BYTES: u64 = 1 << 20;
/// Half-made files end so.
const PART: &str = ".part";
/// And so many bytes of the backup's id, in hex, stand before that.
const ID_BYTES: usize = 8;

/// Whether what follows the name of a backup in a file's name is what we put there.
fn is_ours(rest: &str) -> bool {
    let id = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(PART));
    id.is_some_and(|id| id.len() == 2 * ID_BYTES && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// A backup being written.
pub struct Landing {
    disk: Arc<dyn Disk>,
    name: String,
    part: String,
    head: Vec<u8>,
    header: Option<Header>,
    bytes: u64,
    done: bool,
}

impl std::fmt::Debug for Landing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Landing").field("name", &self.name).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Landing {
    /// Begins `file`, which must not exist. What an earlier try for the same name left goes in either case.
    ///
    /// # Errors
    /// [`BackupError::Exists`], [`BackupError::Io`].
    pub fn begin(file: &Path, id: &[u8; 16]) -> Result<Self, BackupError> {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| BackupError::Io { action: "naming", source: io::ErrorKind::InvalidFilename.into() })?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::begin_on(Arc::new(RealDisk::new(folder)), name, id)
    }

    pub(in crate::store) fn begin_on(disk: Arc<dyn Disk>, name: &str, id: &[u8; 16]) -> Result<Self, BackupError> {
        // First: a crash between the two names of a whole backup leaves both.
        for left in disk.list("").map_err(BackupError::io("looking for"))? {
            if left.strip_prefix(name).is_some_and(is_ours) {
                disk.remove(&left).map_err(BackupError::io("clearing away"))?;
            }
        }
        if disk.len(name).map_err(BackupError::io("looking for"))?.is_some() {
            return Err(BackupError::Exists);
        }
        let unique: String = id[..ID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        let part = format!("{name}.{unique}{PART}");
        disk.create(&part).map_err(BackupError::io("making"))?;
        Ok(Self { disk, name: name.to_owned(), part, head: Vec::new(), header: None, bytes: 0, done: false })
    }

    /// Takes the next bytes. Once the header is there, room for the whole is looked for before more is written.
    ///
    /// # Errors
    /// [`BackupError::NoRoom`], what the header says, [`BackupError::Io`].
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        if self.header.is_none() {
            let missing = HEADER - self.head.len();
            self.head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
            if self.head.len() == HEADER {
                let header = Header::parse(&self.head)?;
                let free = self.disk.free_space().map_err(BackupError::io("measuring the disk for"))?;
                let needed = header.total.saturating_add(SPARE_BYTES);
                if free < needed {
                    return Err(BackupError::NoRoom { free, needed });
                }
                self.header = Some(header);
            }
        }
        self.bytes += bytes.len() as u64;
        self.disk.append(&self.part, bytes).map_err(|error| match is_full(&error) {
            true => BackupError::NoRoom { free: 0, needed: bytes.len() as u64 },
            false => BackupError::Io { action: "writing", source: error },
        })
    }

    /// Bytes taken, and bytes there will be.
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes, self.header.map_or(0, |header| header.total))
    }

    /// Everything came: makes it durable, reads it back, and gives it its name.
    ///
    /// # Errors
    /// [`BackupError::Truncated`] when not everything came; [`BackupError::Exists`]; what reading it back finds; [`BackupError::Io`].
    pub fn finish(mut self) -> Result<Outline, BackupError> {
        let want = self.header.map_or(HEADER as u64, |header| header.total);
        if self.bytes != want {
            return Err(BackupError::Truncated { have: self.bytes, want });
        }
        self.disk.sync_data(&self.part).map_err(BackupError::io("syncing"))?;
        let outline = examine(&OnDisk { disk: &*self.disk, name: &self.part }, &mut |_| {})?;
        self.disk.rename_new(&self.part, &self.name).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists,
            _ => BackupError::Io { action: "naming", source: error },
        })?;
        self.done = true;
        self.disk.sync_dir("").map_err(BackupError::io("syncing the folder of"))?;
        Ok(outline)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = self.disk.remove(&self.part)
        {
            tracing::debug!(%error, part = self.part, "a half-made backup stays");
        }
    }
}

struct OnDisk<'a> {
    disk: &'a dyn Disk,
    name: &'a str,
}

impl Source for OnDisk<'_> {
    fn size(&self) -> io::Result<u64> {
        self.disk.len(self.name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.read_at(self.name, offset, into)
    }
}
