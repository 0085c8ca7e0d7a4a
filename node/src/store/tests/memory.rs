//! A disk in memory that forgets what was not synced, and fails when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::Rng;
use rand::rngs::SmallRng;

use super::super::disk::{Disk, LockGuard};
use super::*;

/// What goes wrong at one changing operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an input/output error, once, without effect.
    Error,
    /// It fails for lack of room; what is appended is half there.
    NoRoom,
    /// Half of what is appended is there and an input/output error comes back.
    Short,
    /// Power goes before it; everything after fails too.
    Cut,
    /// Power goes right after it took effect.
    CutAfter,
}

/// What of the unsynced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    Nothing,
    Everything,
    /// Parts of it, torn at sectors or bytes, some as zeros, folders with or without their last changes.
    Parts,
}

#[derive(Clone, Default)]
struct Node {
    current: Vec<u8>,
    durable: Vec<u8>,
    /// Written before a sync that failed: Linux shows these bytes and takes them for clean, so no later sync sends them.
    forgotten: Option<std::ops::Range<usize>>,
}

#[derive(Clone, Default)]
struct Inner {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// The store's folder was made, and its own name is not durable yet, in the folder around it.
    homeless: bool,
    operations: u64,
    plan: Option<(u64, Fault)>,
    dead: bool,
    capacity: Option<u64>,
    syncs_lack_room: bool,
    cuts_lack_room: bool,
    log: Vec<String>,
}

#[derive(Default)]
pub struct MemoryDisk {
    inner: Mutex<Inner>,
    locked: Arc<AtomicBool>,
}

struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn broken() -> io::Error {
    io::Error::other("the test disk failed")
}

fn no_room() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl MemoryDisk {
    pub fn failing(at: u64, fault: Fault) -> Self {
        let disk = Self::default();
        disk.inner().plan = Some((at, fault));
        disk
    }

    pub fn plan(&self, at: u64, fault: Fault) {
        self.inner().plan = Some((at, fault));
    }

    pub fn with_capacity(bytes: u64) -> Self {
        let disk = Self::default();
        disk.inner().capacity = Some(bytes);
        disk
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.inner().capacity = Some(bytes);
    }

    /// Room may show only when written bytes are sent: on file systems that take blocks late, on shares, under quotas.
    pub fn let_syncs_lack_room(&self, lack: bool) {
        self.inner().syncs_lack_room = lack;
    }

    /// On file systems that copy on write even cutting takes room.
    pub fn let_cuts_lack_room(&self, lack: bool) {
        self.inner().cuts_lack_room = lack;
    }

    pub fn used(&self) -> u64 {
        self.inner().used()
    }

    /// Whether any content answers true, that of files since removed too: their blocks may still be there.
    pub fn any_block(&self, mut matches: impl FnMut(&[u8]) -> bool) -> bool {
        self.inner().nodes.iter().any(|node| matches(&node.current) || matches(&node.durable))
    }

    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// The last operations, for a failing test to print.
    pub fn log(&self) -> String {
        let inner = self.inner();
        inner.log[inner.log.len().saturating_sub(12)..].join("\n")
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let inner = self.inner();
        inner.nodes[inner.names[name]].current.clone()
    }

    /// Changes a file as bit rot or a careless hand would: durably, unseen.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let node = inner.names[name];
        let node = &mut inner.nodes[node];
        change(&mut node.current);
        node.durable = node.current.clone();
    }

    pub fn lose(&self, name: &str) {
        let mut inner = self.inner();
        inner.names.remove(name);
        inner.durable_names.remove(name);
    }

    /// The same content on a disk of its own, without a plan to fail.
    pub fn copy(&self) -> Self {
        let inner = Inner { plan: None, dead: false, ..self.inner().clone() };
        Self { inner: Mutex::new(inner), locked: Arc::default() }
    }

    /// What a power cut leaves.
    pub fn image(&self, survives: Survives, random: &mut SmallRng) -> Self {
        let inner = self.inner().clone();
        let folders: BTreeSet<&str> = inner.names.keys().chain(inner.durable_names.keys()).map(|name| folder_of(name)).collect();
        let mut names = BTreeMap::new();
        for folder in folders {
            // What lies in a folder whose own name is not durable cannot be reached any more.
            if inner.homeless && survives == Survives::Nothing {
                continue;
            }
            let current = match survives {
                Survives::Nothing => false,
                Survives::Everything => true,
                Survives::Parts => random.random(),
            };
            let kept = if current { &inner.names } else { &inner.durable_names };
            names.extend(kept.iter().filter(|(name, _)| folder_of(name) == folder).map(|(name, node)| (name.clone(), *node)));
        }
        let nodes = inner
            .nodes
            .iter()
            .map(|node| {
                let content = match survives {
                    Survives::Nothing => node.durable.clone(),
                    Survives::Everything => node.current.clone(),
                    Survives::Parts => torn(node, random),
                };
                Node { current: content.clone(), durable: content, forgotten: None }
            })
            .collect();
        let inner =
            Inner { nodes, durable_names: names.clone(), names, homeless: inner.homeless, capacity: inner.capacity, ..Inner::default() };
        Self { inner: Mutex::new(inner), locked: Arc::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds the disk")
    }

    /// Counts a changing operation and says what goes wrong with it.
    fn change(&self, what: &str, name: &str) -> (MutexGuard<'_, Inner>, Option<Fault>) {
        let mut inner = self.inner();
        inner.operations += 1;
        let line = format!("{} {what} {name}", inner.operations);
        inner.log.push(line);
        if inner.dead {
            return (inner, Some(Fault::Cut));
        }
        let fault = inner.plan.filter(|(at, _)| *at == inner.operations).map(|(_, fault)| fault);
        inner.dead |= matches!(fault, Some(Fault::Cut | Fault::CutAfter));
        (inner, fault)
    }

    /// An operation that takes effect as a whole or not at all.
    fn whole(&self, what: &str, name: &str, run: impl FnOnce(&mut Inner) -> io::Result<()>) -> io::Result<()> {
        let (mut inner, fault) = self.change(what, name);
        match fault {
            None if inner.cuts_lack_room && what == "truncate" => Err(no_room()),
            None if inner.syncs_lack_room && matches!(what, "sync_data" | "sync_dir") => Err(no_room()),
            None => run(&mut inner),
            Some(Fault::CutAfter) => run(&mut inner).and(Err(broken())),
            // Only what takes room can lack it.
            Some(Fault::NoRoom) if matches!(what, "create" | "allocate" | "write_at") => Err(no_room()),
            Some(Fault::NoRoom) if matches!(what, "sync_data" | "sync_dir" | "remove" | "rename" | "rename_new" | "truncate") => {
                run(&mut inner)
            }
            Some(_) => Err(broken()),
        }
    }
}

fn torn(node: &Node, random: &mut SmallRng) -> Vec<u8> {
    let Some(tail) = node.current.strip_prefix(&node.durable[..]) else {
        // Overwritten or cut: each sector as it was or as it is.
        let (mut old, new) = (node.durable.clone(), &node.current);
        // Where it also became longer, any part of the new length may be there, and what is there of it may be zeros.
        let longer = random.random_range(0..=new.len().saturating_sub(old.len()));
        old.resize(old.len() + longer, 0);
        let mut out = if random.random() { old.clone() } else { new.clone() };
        for (at, chunk) in out.chunks_mut(512).enumerate() {
            let from = if random.random() { &old } else { new };
            if let Some(sector) = from.get(at * 512..at * 512 + chunk.len()) {
                chunk.copy_from_slice(sector);
            }
        }
        return out;
    };
    let mut tail = tail[..random.random_range(0..=tail.len())].to_vec();
    match random.random_range(0..3) {
        0 => {}
        1 => {
            for sector in tail.chunks_mut(512) {
                if random.random() {
                    sector.fill(0);
                }
            }
        }
        _ => {
            let from = random.random_range(0..=tail.len());
            random.fill(&mut tail[from..]);
        }
    }
    [&node.durable[..], &tail].concat()
}

impl Inner {
    fn node(&mut self, name: &str) -> io::Result<&mut Node> {
        let node = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.nodes[node])
    }

    fn used(&self) -> u64 {
        self.names.values().map(|node| self.nodes[*node].current.len() as u64).sum()
    }

    fn room(&self) -> u64 {
        self.capacity.map_or(1 << 40, |capacity| capacity.saturating_sub(self.used()))
    }
}

impl Disk for MemoryDisk {
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (mut inner, fault) = self.change("append", name);
        let room = inner.room() as usize;
        let (take, answer) = match fault {
            None if room < bytes.len() => (room, Err(no_room())),
            None => (bytes.len(), Ok(())),
            Some(Fault::Error) => (0, Err(broken())),
            Some(Fault::NoRoom) => (bytes.len() / 2, Err(no_room())),
            Some(Fault::Short | Fault::Cut) if inner.plan.is_some_and(|(at, _)| at == inner.operations) => (bytes.len() / 2, Err(broken())),
            Some(Fault::CutAfter) => (bytes.len(), Err(broken())),
            Some(_) => (0, Err(broken())),
        };
        inner.node(name)?.current.extend_from_slice(&bytes[..take]);
        answer
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.inner();
        let content = &inner.node(name)?.current;
        let from = (offset as usize).min(content.len());
        let len = into.len().min(content.len() - from);
        into[..len].copy_from_slice(&content[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (mut inner, fault) = self.change("write_at", name);
        let offset = offset as usize;
        let here = inner.plan.is_some_and(|(at, _)| at == inner.operations);
        let fits = (inner.node(name)?.current.len() + inner.room() as usize).saturating_sub(offset);
        let grows = inner.node(name)?.current.len() < offset + bytes.len();
        let (take, answer) = match fault {
            None if fits < bytes.len() => (fits, Err(no_room())),
            None => (bytes.len(), Ok(())),
            // Over what is there only a file system that copies on write lacks room, before it does anything.
            Some(Fault::NoRoom) => (if grows { bytes.len() / 2 } else { 0 }, Err(no_room())),
            Some(Fault::Short | Fault::Cut) if here => (bytes.len() / 2, Err(broken())),
            Some(Fault::CutAfter) => (bytes.len(), Err(broken())),
            Some(_) => (0, Err(broken())),
        };
        let node = inner.node(name)?;
        let end = offset + take;
        node.forgotten.take_if(|forgotten| forgotten.start >= offset && forgotten.end <= end);
        let content = &mut node.current;
        content.resize(content.len().max(end), 0);
        content[offset..end].copy_from_slice(&bytes[..take]);
        answer
    }

    fn sync_data(&self, name: &str) -> io::Result<()> {
        let done = self.whole("sync_data", name, |inner| {
            let node = inner.node(name)?;
            let before = std::mem::replace(&mut node.durable, node.current.clone());
            let len = node.durable.len();
            for at in node.forgotten.clone().into_iter().flatten().take_while(|at| *at < len) {
                node.durable[at] = before.get(at).copied().unwrap_or(0);
            }
            Ok(())
        });
        if done.is_err()
            && let Ok(node) = self.inner().node(name)
        {
            // From the first byte that differs on.
            let same = node.durable.iter().zip(&node.current).take_while(|(old, new)| old == new).count();
            node.forgotten = (same < node.current.len()).then_some(same..node.current.len());
        }
        done
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        self.whole("truncate", name, |inner| {
            let node = inner.node(name)?;
            node.forgotten.take_if(|forgotten| forgotten.start >= len as usize);
            if let Some(forgotten) = &mut node.forgotten {
                forgotten.end = forgotten.end.min(len as usize);
            }
            node.current.resize(len as usize, 0);
            Ok(())
        })
    }

    fn allocate(&self, name: &str, len: u64) -> io::Result<()> {
        self.whole("allocate", name, |inner| {
            let have = inner.node(name)?.current.len() as u64;
            if inner.room() < len.saturating_sub(have) {
                return Err(no_room());
            }
            inner.node(name)?.current.resize(len.max(have) as usize, 0);
            Ok(())
        })
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.whole("create", name, |inner| {
            if inner.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            inner.nodes.push(Node::default());
            inner.names.insert(name.to_owned(), inner.nodes.len() - 1);
            Ok(())
        })
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.homeless |= name.is_empty() && inner.names.is_empty();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole("rename", from, |inner| {
            let node = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            inner.names.insert(to.to_owned(), node);
            Ok(())
        })
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole("rename_new", from, |inner| {
            if inner.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            inner.names.insert(to.to_owned(), node);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.whole("remove", name, |inner| inner.names.remove(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into()))
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.whole("sync_dir", name, |inner| {
            inner.durable_names.retain(|file, _| folder_of(file) != name);
            let current: Vec<_> =
                inner.names.iter().filter(|(file, _)| folder_of(file) == name).map(|(file, node)| (file.clone(), *node)).collect();
            inner.durable_names.extend(current);
            Ok(())
        })
    }

    fn sync_home(&self) -> io::Result<()> {
        self.whole("sync_home", "", |inner| {
            inner.homeless = false;
            Ok(())
        })
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let inner = self.inner();
        let files = inner.names.keys().filter(|file| folder_of(file) == name);
        Ok(files.map(|file| file.rsplit('/').next().unwrap_or(file).to_owned()).collect())
    }

    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        let inner = self.inner();
        Ok(inner.names.get(name).map(|node| inner.nodes[*node].current.len() as u64))
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(self.inner().room())
    }

    fn lock(&self, name: &str) -> Result<LockGuard, StoreError> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Locked { dir: PathBuf::from("memory") });
        }
        let mut inner = self.inner();
        if !inner.names.contains_key(name) {
            inner.nodes.push(Node::default());
            let node = inner.nodes.len() - 1;
            inner.names.insert(name.to_owned(), node);
        }
        Ok(Box::new(Guard(self.locked.clone())))
    }

    fn check_modes(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
