//! The file system itself: names, files and folders in memory, and what of them a power cut leaves. It knows nothing of the kernel.
//!
//! Two states are kept side by side. The *current* one is what a process sees. The *durable* one follows only where somebody synced:
//!
//! - `fsync` of a file: its bytes, length and mode; `fdatasync`: bytes and length. Neither makes a *name* of it durable.
//! - `fsync` of a folder: the names in it. What is behind a name is durable only if it was synced itself: a durable name of a file never
//!   synced is an empty file.
//! - A rename is one step: after a power cut it happened or did not, in both folders. Steps of one folder become durable in their order.
//!
//! POSIX promises no more. ext4 and XFS often do more: a file's sync takes its new name along, a rename over a file waits for its bytes. A
//! program that lives here needs none of that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};

use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::file::File;
use crate::survives::Survives;

/// The number of the top folder.
pub const ROOT: u64 = 1;
/// Longest file, bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 30;
/// How many of the last operations are remembered for who looks for a fault.
const REMEMBERED: usize = 60;

/// Why an operation was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such name or file.
    Missing,
    /// The name is taken.
    Exists,
    /// The folder is not empty.
    NotEmpty,
    /// A folder was expected.
    NotFolder,
    /// A file was expected.
    IsFolder,
    /// Longer than [`FILE_BYTES_MAX`].
    TooLong,
    /// The power is off.
    Dead,
}

/// What a node is.
#[derive(Clone, Debug)]
enum Kind {
    Folder {
        current: BTreeMap<OsString, u64>,
        durable: BTreeMap<OsString, u64>,
    },
    File(File),
    /// A socket or pipe: its type bits.
    Special(u32),
}

/// A file or folder, whatever its names.
#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    facts: Facts,
    durable_facts: Facts,
}

/// Who owns a node and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a node looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub shape: Shape,
    /// Bytes.
    pub len: u64,
    /// Owner and mode.
    pub facts: Facts,
}

/// What a node is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A socket or pipe: its type bits.
    Special(u32),
}

/// One step of names, durable as a whole or not at all: folder, name, and what it leads to from then on.
type NameStep = Vec<(u64, OsString, Option<u64>)>;

/// Whether the power is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// It goes at the operation after so many more.
    Left(u64),
    Off,
}

/// A disk that forgets.
#[derive(Clone, Debug)]
pub struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    unsynced: Vec<NameStep>,
    power: Power,
    deaf: bool,
    operations: u64,
    remembered: VecDeque<String>,
}

impl Disk {
    /// An empty one.
    pub fn new() -> Self {
        let facts = Facts { mode: 0o755, uid: 0, gid: 0 };
        let kind = Kind::Folder { current: BTreeMap::new(), durable: BTreeMap::new() };
        Self {
            nodes: BTreeMap::from([(ROOT, Node { kind, facts, durable_facts: facts })]),
            next: ROOT + 1,
            unsynced: Vec::new(),
            power: Power::On,
            deaf: false,
            operations: 0,
            remembered: VecDeque::new(),
        }
    }

    /// The power goes at the changing operation after `more` of them: that one fails, and all after it.
    pub fn cut_after(&mut self, more: u64) {
        self.power = Power::Left(more);
    }

    /// The power goes now.
    pub fn switch_off(&mut self) {
        self.power = Power::Off;
    }

    /// Whether the power went.
    pub fn is_off(&self) -> bool {
        self.power == Power::Off
    }

    /// From now on every sync is answered with success and does nothing: a disk that lies.
    pub fn turn_deaf(&mut self) {
        self.deaf = true;
    }

    /// The last operations, for who looks for a fault.
    pub fn remembered(&self) -> impl Iterator<Item = &str> {
        self.remembered.iter().map(String::as_str)
    }

    /// Makes everything durable, as a long quiet time does.
    pub fn settle(&mut self) {
        self.apply(|_| true);
        for node in self.nodes.values_mut() {
            node.durable_facts = node.facts;
            if let Kind::File(file) = &mut node.kind {
                file.sync();
            }
        }
    }

    /// What the power cut leaves: a disk that is switched on again, everything on it durable.
    pub fn after_cut(&self, survives: Survives, dice: &mut SmallRng) -> Self {
        let mut left = self.clone();
        if survives == Survives::Parts {
            // The journal of a file system keeps the order; one without a journal keeps none.
            let until = dice.random_range(0..=left.unsynced.len());
            let ordered: bool = dice.random();
            let comes: Vec<bool> = (0..left.unsynced.len()).map(|at| if ordered { at < until } else { dice.random() }).collect();
            let steps = std::mem::take(&mut left.unsynced);
            for (step, _) in steps.into_iter().zip(comes).filter(|(_, comes)| *comes) {
                left.apply_step(&step);
            }
        }
        let mut disk = Self { next: self.next, ..Self::new() };
        let mut reached = vec![ROOT];
        while let Some(number) = reached.pop() {
            let node = &left.nodes[&number];
            let kind = match &node.kind {
                Kind::Folder { durable, .. } => {
                    reached.extend(durable.values().filter(|number| !disk.nodes.contains_key(number)));
                    Kind::Folder { current: durable.clone(), durable: durable.clone() }
                }
                Kind::File(file) => Kind::File(File::durable(file.after_cut(survives, dice))),
                Kind::Special(bits) => Kind::Special(*bits),
            };
            let facts = node.durable_facts;
            disk.nodes.insert(number, Node { kind, facts, durable_facts: facts });
        }
        disk
    }

    /// Makes a file, folder or special file.
    pub fn make(&mut self, folder: u64, name: &OsStr, shape: Shape, facts: Facts) -> Result<Look, Refusal> {
        self.operate(|| format!("make {} in {folder}", name.display()))?;
        if self.entries(folder)?.contains_key(name) {
            return Err(Refusal::Exists);
        }
        let number = self.next;
        self.next += 1;
        let kind = match shape {
            Shape::Folder => Kind::Folder { current: BTreeMap::new(), durable: BTreeMap::new() },
            Shape::File => Kind::File(File::default()),
            Shape::Special(bits) => Kind::Special(bits),
        };
        self.nodes.insert(number, Node { kind, facts, durable_facts: facts });
        self.name(vec![(folder, name.to_owned(), Some(number))]);
        self.look(number)
    }

    /// Gives a file one more name.
    pub fn link(&mut self, number: u64, folder: u64, name: &OsStr) -> Result<Look, Refusal> {
        self.operate(|| format!("link {number} as {} in {folder}", name.display()))?;
        self.file(number)?;
        if self.entries(folder)?.contains_key(name) {
            return Err(Refusal::Exists);
        }
        self.name(vec![(folder, name.to_owned(), Some(number))]);
        self.look(number)
    }

    /// Takes a name away: of a file, or with `folders` of an empty folder.
    pub fn remove(&mut self, folder: u64, name: &OsStr, folders: bool) -> Result<(), Refusal> {
        self.operate(|| format!("remove {} in {folder}", name.display()))?;
        let number = *self.entries(folder)?.get(name).ok_or(Refusal::Missing)?;
        match (&self.node(number)?.kind, folders) {
            (Kind::Folder { current, .. }, true) if !current.is_empty() => return Err(Refusal::NotEmpty),
            (Kind::Folder { .. }, true) => {}
            (_, true) => return Err(Refusal::NotFolder),
            (Kind::Folder { .. }, false) => return Err(Refusal::IsFolder),
            (_, false) => {}
        }
        self.name(vec![(folder, name.to_owned(), None)]);
        Ok(())
    }

    /// Renames in one step; with `replace` unset only to a free name.
    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), replace: bool) -> Result<(), Refusal> {
        self.operate(|| format!("rename {} in {} to {} in {}", from.1.display(), from.0, to.1.display(), to.0))?;
        let number = *self.entries(from.0)?.get(from.1).ok_or(Refusal::Missing)?;
        if let Some(there) = self.entries(to.0)?.get(to.1).copied() {
            if there == number {
                return Ok(());
            }
            match (&self.node(number)?.kind, &self.node(there)?.kind) {
                _ if !replace => return Err(Refusal::Exists),
                (Kind::Folder { .. }, Kind::Folder { current, .. }) if !current.is_empty() => return Err(Refusal::NotEmpty),
                (Kind::Folder { .. }, Kind::Folder { .. }) => {}
                (Kind::Folder { .. }, _) => return Err(Refusal::NotFolder),
                (_, Kind::Folder { .. }) => return Err(Refusal::IsFolder),
                _ => {}
            }
        }
        self.name(vec![(from.0, from.1.to_owned(), None), (to.0, to.1.to_owned(), Some(number))]);
        Ok(())
    }

    /// Writes to a file; without an offset at its end.
    pub fn write(&mut self, number: u64, offset: Option<u64>, bytes: &[u8]) -> Result<(), Refusal> {
        let end = self.file(number)?.len();
        let offset = offset.unwrap_or(end);
        if offset.saturating_add(bytes.len() as u64) > FILE_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let on = self.power != Power::Off;
        let done = self.operate(|| format!("write {number} at {offset}, {} bytes", bytes.len()));
        // The write that the power cut falls into is under way: parts of it may come through.
        if on {
            self.file(number)?.write(offset, bytes);
        }
        done
    }

    /// Cuts or extends a file.
    pub fn set_len(&mut self, number: u64, len: u64) -> Result<(), Refusal> {
        if len > FILE_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        self.operate(|| format!("set length of {number} to {len}"))?;
        self.file(number)?.set_len(len);
        Ok(())
    }

    /// Takes room up to `end`, in a file that may be longer already.
    pub fn allocate(&mut self, number: u64, end: u64) -> Result<(), Refusal> {
        if self.file(number)?.len() >= end { Ok(()) } else { self.set_len(number, end) }
    }

    /// Changes owner and mode.
    pub fn set_facts(&mut self, number: u64, change: impl FnOnce(&mut Facts)) -> Result<(), Refusal> {
        self.operate(|| format!("set mode of {number}"))?;
        change(&mut self.nodes.get_mut(&number).ok_or(Refusal::Missing)?.facts);
        Ok(())
    }

    /// Syncs a file: bytes and length, and unless `data_only` its mode.
    pub fn sync_file(&mut self, number: u64, data_only: bool) -> Result<(), Refusal> {
        self.operate(|| format!("sync {number}"))?;
        if self.deaf {
            return Ok(());
        }
        let node = self.nodes.get_mut(&number).ok_or(Refusal::Missing)?;
        if !data_only {
            node.durable_facts = node.facts;
        }
        match &mut node.kind {
            Kind::File(file) => file.sync(),
            Kind::Folder { .. } => return self.sync_names(number),
            Kind::Special(_) => {}
        }
        Ok(())
    }

    /// Syncs a folder: the names in it.
    pub fn sync_folder(&mut self, number: u64) -> Result<(), Refusal> {
        self.operate(|| format!("sync folder {number}"))?;
        if self.deaf { Ok(()) } else { self.sync_names(number) }
    }

    /// Reads from a file.
    pub fn read(&self, number: u64, offset: u64, size: usize) -> Result<Vec<u8>, Refusal> {
        self.powered()?;
        match &self.node(number)?.kind {
            Kind::File(file) => Ok(file.read(offset, size)),
            _ => Err(Refusal::IsFolder),
        }
    }

    /// What a name leads to.
    pub fn find(&self, folder: u64, name: &OsStr) -> Result<Look, Refusal> {
        self.powered()?;
        self.look(*self.entries(folder)?.get(name).ok_or(Refusal::Missing)?)
    }

    /// What a node looks like.
    pub fn look(&self, number: u64) -> Result<Look, Refusal> {
        let node = self.node(number)?;
        let (shape, len) = match &node.kind {
            Kind::Folder { .. } => (Shape::Folder, 0),
            Kind::File(file) => (Shape::File, file.len()),
            Kind::Special(bits) => (Shape::Special(*bits), 0),
        };
        Ok(Look { number, shape, len, facts: node.facts })
    }

    /// The names in a folder, in their order.
    pub fn list(&self, folder: u64) -> Result<Vec<(OsString, u64)>, Refusal> {
        self.powered()?;
        Ok(self.entries(folder)?.iter().map(|(name, number)| (name.clone(), *number)).collect())
    }

    /// The content behind a path.
    #[cfg(test)]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let mut number = ROOT;
        for name in path.split('/') {
            number = *self.entries(number).ok()?.get(OsStr::new(name))?;
        }
        match &self.node(number).ok()?.kind {
            Kind::File(file) => Some(file.read(0, file.len() as usize)),
            _ => None,
        }
    }

    fn powered(&self) -> Result<(), Refusal> {
        if self.is_off() { Err(Refusal::Dead) } else { Ok(()) }
    }

    /// Counts a changing operation, at one of which the power goes.
    fn operate(&mut self, what: impl FnOnce() -> String) -> Result<(), Refusal> {
        self.powered()?;
        self.operations += 1;
        self.power = match self.power {
            Power::Left(0) => Power::Off,
            Power::Left(more) => Power::Left(more - 1),
            other => other,
        };
        let gone = if self.is_off() { ": the power goes" } else { "" };
        self.remembered.push_back(format!("{} {}{gone}", self.operations, what()));
        if self.remembered.len() > REMEMBERED {
            self.remembered.pop_front();
        }
        self.powered()
    }

    fn node(&self, number: u64) -> Result<&Node, Refusal> {
        self.nodes.get(&number).ok_or(Refusal::Missing)
    }

    fn file(&mut self, number: u64) -> Result<&mut File, Refusal> {
        match &mut self.nodes.get_mut(&number).ok_or(Refusal::Missing)?.kind {
            Kind::File(file) => Ok(file),
            _ => Err(Refusal::IsFolder),
        }
    }

    fn entries(&self, folder: u64) -> Result<&BTreeMap<OsString, u64>, Refusal> {
        match &self.node(folder)?.kind {
            Kind::Folder { current, .. } => Ok(current),
            _ => Err(Refusal::NotFolder),
        }
    }

    /// Takes a step of names in the current state; it waits for a sync of one of its folders.
    fn name(&mut self, step: NameStep) {
        for (folder, name, leads) in &step {
            if let Some(Node { kind: Kind::Folder { current, .. }, .. }) = self.nodes.get_mut(folder) {
                set(current, name, *leads);
            }
        }
        self.unsynced.push(step);
    }

    /// Makes the names of a folder durable, and what must not come after them: the earlier steps of folders that a step joins with it.
    fn sync_names(&mut self, folder: u64) -> Result<(), Refusal> {
        self.entries(folder)?;
        let mut joined = BTreeSet::from([folder]);
        let mut due = BTreeSet::new();
        for (at, step) in self.unsynced.iter().enumerate().rev() {
            if step.iter().any(|(folder, ..)| joined.contains(folder)) {
                joined.extend(step.iter().map(|(folder, ..)| *folder));
                due.insert(at);
            }
        }
        self.apply(|at| due.contains(&at));
        Ok(())
    }

    /// Makes the steps at some places durable.
    fn apply(&mut self, due: impl Fn(usize) -> bool) {
        for (at, step) in std::mem::take(&mut self.unsynced).into_iter().enumerate() {
            if due(at) {
                self.apply_step(&step);
            } else {
                self.unsynced.push(step);
            }
        }
    }

    fn apply_step(&mut self, step: &NameStep) {
        for (folder, name, leads) in step {
            if let Some(Node { kind: Kind::Folder { durable, .. }, .. }) = self.nodes.get_mut(folder) {
                set(durable, name, *leads);
            }
        }
    }
}

fn set(entries: &mut BTreeMap<OsString, u64>, name: &OsStr, leads: Option<u64>) {
    match leads {
        Some(number) => entries.insert(name.to_owned(), number),
        None => entries.remove(name),
    };
}

#[cfg(test)]
mod tests;
