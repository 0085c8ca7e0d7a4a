//! A [`Disk`] as a mounted file system: the kernel's questions in, its answers out. The only place that names `fuser`.
//!
//! Nothing may stay in the kernel: files are opened with direct I/O, so no page of them is cached, and names and lengths are asked for anew
//! each time. Locks and `sync_file_range` are the kernel's own business: a FUSE file system hears nothing of either. With no page in the
//! kernel's cache `sync_file_range` has nothing to write and succeeds.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::OFlags;

use crate::disk::{Disk, Facts, Look, Refusal, Shape};

/// The kernel asks again every time.
const AT_ONCE: Duration = Duration::ZERO;
/// A number that is used once leads to one node for ever, so there is only one generation of each.
const GENERATION: Generation = Generation(0);
/// Blocks that are said to be free: more than anything here writes.
const FREE_BLOCKS: u64 = 1 << 20;
const BLOCK: u32 = 4096;

/// A disk that others may look at while it is mounted.
pub type Shared = Arc<Mutex<Disk>>;

/// The disk, whoever panicked while holding it.
pub fn held(disk: &Shared) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Mounts a disk on a folder; unmounted at the latest when the answer is dropped.
///
/// # Errors
/// What the system says: no `/dev/fuse`, no right to mount.
pub fn mount(disk: Shared, at: &Path) -> std::io::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("accord-amnesia".to_owned()), MountOption::NoAtime];
    fuser::spawn_mount(Served { disk, lists: Mutex::default(), handles: AtomicU64::new(1) }, at, &config)
}

/// Names of a folder as they were when it was opened, so that one who empties it while reading misses none.
type Lists = BTreeMap<u64, Vec<(OsString, u64, FileType)>>;

struct Served {
    disk: Shared,
    lists: Mutex<Lists>,
    handles: AtomicU64,
}

impl Served {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        held(&self.disk)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, request: &Request, folder: INodeNo, name: &OsStr, shape: Shape, mode: u32) -> Result<Look, Refusal> {
        self.disk().make(folder.0, name, shape, Facts { mode: mode & 0o7777, uid: request.uid(), gid: request.gid() })
    }

    fn listed(&self, folder: u64) -> Result<Vec<(OsString, u64, FileType)>, Refusal> {
        let disk = self.disk();
        let names = disk.list(folder)?.into_iter().map(|(name, number)| Ok((name, number, kind(disk.look(number)?.shape))));
        let own = [".", ".."].map(|name| Ok((OsString::from(name), folder, FileType::Directory)));
        own.into_iter().chain(names).collect()
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::Missing => Errno::ENOENT,
        Refusal::Exists => Errno::EEXIST,
        Refusal::NotEmpty => Errno::ENOTEMPTY,
        Refusal::NotFolder => Errno::ENOTDIR,
        Refusal::IsFolder => Errno::EISDIR,
        Refusal::TooLong => Errno::EFBIG,
        Refusal::Dead => Errno::EIO,
    }
}

fn kind(shape: Shape) -> FileType {
    let socket = rustix::fs::FileType::Socket.as_raw_mode();
    match shape {
        Shape::Folder => FileType::Directory,
        Shape::File => FileType::RegularFile,
        Shape::Special(bits) if bits == socket => FileType::Socket,
        Shape::Special(_) => FileType::NamedPipe,
    }
}

fn attributes(look: &Look) -> FileAttr {
    FileAttr {
        ino: INodeNo(look.number),
        size: look.len,
        blocks: look.len.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: kind(look.shape),
        perm: (look.facts.mode & 0o7777) as u16,
        nlink: 1,
        uid: look.facts.uid,
        gid: look.facts.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn entry(reply: ReplyEntry, found: Result<Look, Refusal>) {
    match found {
        Ok(look) => reply.entry(&AT_ONCE, &attributes(&look), GENERATION),
        Err(refusal) => reply.error(errno(refusal)),
    }
}

fn empty(reply: ReplyEmpty, done: Result<(), Refusal>) {
    match done {
        Ok(()) => reply.ok(),
        Err(refusal) => reply.error(errno(refusal)),
    }
}

fn has(flags: OpenFlags, flag: OFlags) -> bool {
    OFlags::from_bits_retain(flags.0.cast_unsigned()).contains(flag)
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.disk().find(parent.0, name));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk().look(ino.0) {
            Ok(look) => reply.attr(&AT_ONCE, &attributes(&look)),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let mut change = || {
            if mode.is_some() || uid.is_some() || gid.is_some() {
                disk.set_facts(ino.0, |facts| {
                    facts.mode = mode.map_or(facts.mode, |mode| mode & 0o7777);
                    facts.uid = uid.unwrap_or(facts.uid);
                    facts.gid = gid.unwrap_or(facts.gid);
                })?;
            }
            if let Some(size) = size {
                disk.set_len(ino.0, size)?;
            }
            disk.look(ino.0)
        };
        match change() {
            Ok(look) => reply.attr(&AT_ONCE, &attributes(&look)),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: u32, reply: ReplyEntry) {
        let shape = match rustix::fs::FileType::from_raw_mode(mode) {
            rustix::fs::FileType::RegularFile => Shape::File,
            other => Shape::Special(other.as_raw_mode()),
        };
        entry(reply, self.make(request, parent, name, shape, mode & !umask));
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        entry(reply, self.make(request, parent, name, Shape::Folder, mode & !umask));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.disk().remove(parent.0, name, false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.disk().remove(parent.0, name, true));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(!RenameFlags::RENAME_NOREPLACE) {
            return reply.error(Errno::EINVAL);
        }
        empty(reply, self.disk().rename((parent.0, name), (newparent.0, newname), flags.is_empty()));
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        entry(reply, self.disk().link(ino.0, newparent.0, newname));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        match self.make(request, parent, name, Shape::File, mode & !umask) {
            Ok(look) => reply.created(&AT_ONCE, &attributes(&look), GENERATION, FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn read(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, size: u32, _: OpenFlags, _: Option<LockOwner>, reply: ReplyData) {
        match self.disk().read(ino.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disk = self.disk();
        let place = (!has(flags, OFlags::APPEND)).then_some(offset);
        let mut done = disk.write(ino.0, place, data);
        if done.is_ok() && has(flags, OFlags::DSYNC) {
            done = disk.sync_file(ino.0, true);
        }
        match done {
            Ok(()) => reply.written(data.len() as u32),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn fallocate(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, length: u64, mode: i32, reply: ReplyEmpty) {
        match mode {
            0 => empty(reply, self.disk().allocate(ino.0, offset.saturating_add(length))),
            _ => reply.error(Errno::EOPNOTSUPP),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file syncs nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        empty(reply, self.disk().sync_file(ino.0, datasync));
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.listed(ino.0) {
            Ok(list) => {
                let handle = self.handles.fetch_add(1, Ordering::Relaxed);
                self.lists().insert(handle, list);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut lists = self.lists();
        if offset == 0 {
            // Read again from the beginning: what is there now.
            match self.listed(ino.0) {
                Ok(list) => lists.insert(fh.0, list),
                Err(refusal) => return reply.error(errno(refusal)),
            };
        }
        let list = lists.get(&fh.0).map_or(&[][..], Vec::as_slice);
        for (at, (name, number, kind)) in list.iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(*number), at as u64 + 1, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.lists().remove(&fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(reply, self.disk().sync_folder(ino.0));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(FREE_BLOCKS, FREE_BLOCKS, FREE_BLOCKS, FREE_BLOCKS, FREE_BLOCKS, BLOCK, 255, BLOCK);
    }
}
