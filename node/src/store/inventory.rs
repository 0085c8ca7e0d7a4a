//! Where the core's inventory lies, of documents and pair ledgers: sheets it wrote, sealed one by one, with the batch up to which they hold.
//!
//! An inventory is never the truth. It is believed when it opens, its batch is on the chain, and the journal since says which rows changed;
//! with anything else all rows are read. It lies under a key of the keyring key, so a purge makes it unreadable along with what it tells of what
//! was purged. Its sheets are bound to the file, so none of an older one can stand in for one of this.
//!
//! ```text
//! "ACCINVEN" ‖ version u16 ‖ store id (16) ‖ file id (16) ‖ sealed sheets.. ‖ sealed tail ‖ length of the sealed tail u64
//! tail: state (112) ‖ index id (16) ‖ count of sheets u32 ‖ where each ends u64.. ‖ head; sheet n is bound to the header and n, the tail to the header and its length
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use accord_protocol::bureau::Sheets;
use accord_protocol::id::DocumentId;
use accord_protocol::step::Table;

use super::batch::Record;
use super::bytes::Reader;
use super::cipher::{NONCE, Random, Subkey, TAG};
use super::disk::Disk;
use super::error::{StoreError, is_full};
use super::place::State;
use super::{BATCH_BYTES_MAX, Store, journal, recover};

/// What its file's name begins with; the number of its batch follows, and a few letters of its file id, so that no two are called the same.
const PREFIX: &str = "inventory-";
/// What the name of one begins with that is being written; a few letters of its file id follow, so that no two writers meet in one file.
const NEXT: &str = "inventory.next-";
/// Version of the format.
pub const INVENTORY_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"ACCINVEN";
const HEADER: usize = 42;
/// What sealing adds.
const SEAL: u64 = (NONCE + TAG) as u64;
/// Written in pieces of about this size.
const PIECE: usize = 1 << 20;
/// A longer tail is not believed: ids of several million documents that wait for something.
const TAIL_MAX: u64 = 256 << 20;

fn some_letters(file: &[u8; 16]) -> String {
    file[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX) || name.starts_with(NEXT)
}

/// The id of a store's cursors: every loss that was found, and every restore, draws another.
const INDEX_ID: &[u8] = b"index";

/// Removes all inventories but one. One that stays against our will is of no use to anybody, and does no harm.
pub fn remove_all(disk: &dyn Disk, but: Option<&str>) {
    let names = disk.list("").unwrap_or_default();
    for name in names.into_iter().filter(|name| is_one(name) && Some(name.as_str()) != but) {
        if let Err(error) = disk.remove(&name) {
            tracing::warn!(file = name, %error, "an inventory that is not needed any more stays");
        }
    }
}

fn header(store: &[u8; 16], file: &[u8; 16]) -> Vec<u8> {
    [&MAGIC[..], &INVENTORY_VERSION.to_be_bytes(), store, file].concat()
}

fn bound(header: &[u8], part: &[u8], number: u64) -> Vec<u8> {
    [header, part, &number.to_be_bytes()].concat()
}

/// An inventory that lies on the disk.
pub struct InventoryFile {
    disk: Arc<dyn Disk>,
    name: String,
    key: Subkey,
    header: Vec<u8>,
    /// Where each sealed sheet ends.
    ends: Vec<u64>,
}

impl InventoryFile {
    /// About how long it is, bytes.
    pub fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn read(&self, number: u32) -> Result<Arc<[u8]>, String> {
        let at = number as usize;
        let end = *self.ends.get(at).ok_or("no such sheet")?;
        let begins = at.checked_sub(1).map_or(HEADER as u64, |before| self.ends[before]);
        let len = end.checked_sub(begins).and_then(|len| usize::try_from(len).ok()).ok_or("out of order")?;
        let mut sealed = vec![0; len];
        let read = self.disk.read_at(&self.name, begins, &mut sealed).map_err(|error| error.to_string())?;
        if read < len {
            return Err("cut short".to_owned());
        }
        let plain = self.key.open(&bound(&self.header, b"sheet", number.into()), &sealed).ok_or("does not open")?;
        Ok(Arc::from(plain.as_slice()))
    }
}

impl Sheets for InventoryFile {
    fn sheet(&self, number: u32) -> Option<Arc<[u8]>> {
        let read = self.read(number);
        read.inspect_err(|why| tracing::error!(file = self.name, sheet = number, why, "a sheet of the inventory cannot be read")).ok()
    }
}

/// An inventory that is being written.
pub struct InventoryWriter {
    disk: Arc<dyn Disk>,
    key: Subkey,
    header: Vec<u8>,
    next: String,
    letters: String,
    state: State,
    index_id: [u8; 16],
    random: Random,
    ends: Vec<u64>,
    /// Where the file will end once `waiting` is written.
    end: u64,
    /// Bytes to stay free on the disk: an inventory is no reason to refuse a batch.
    margin: u64,
    waiting: Vec<u8>,
}

impl InventoryWriter {
    /// Writes one more sheet.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Io`].
    pub fn put(&mut self, sheet: &[u8]) -> Result<(), StoreError> {
        if self.ends.is_empty() {
            self.begin()?;
        }
        self.seal(b"sheet", self.ends.len() as u64, sheet)?;
        self.ends.push(self.end);
        self.flush(PIECE)
    }

    /// Writes the rest; afterwards the inventory is durable.
    ///
    /// # Errors
    /// As [`InventoryWriter::put`].
    pub fn finish(mut self, head: &[u8]) -> Result<InventoryFile, StoreError> {
        if self.ends.is_empty() {
            self.begin()?;
        }
        let mut tail = self.state.encode();
        tail.extend_from_slice(&self.index_id);
        tail.extend_from_slice(&(self.ends.len() as u32).to_be_bytes());
        self.ends.iter().for_each(|end| tail.extend_from_slice(&end.to_be_bytes()));
        tail.extend_from_slice(head);
        let len = tail.len() as u64 + SEAL;
        self.seal(b"tail", len, &tail)?;
        self.waiting.extend_from_slice(&len.to_be_bytes());
        self.flush(0)?;
        let name = format!("{PREFIX}{:016}-{}", self.state.place.seq, self.letters);
        let done = || {
            self.disk.sync_data(&self.next)?;
            self.disk.rename(&self.next, &name)?;
            self.disk.sync_dir("")
        };
        done().map_err(|error| self.failed("syncing", error))?;
        let Self { disk, key, header, ends, .. } = self;
        Ok(InventoryFile { disk, name, key, header, ends })
    }

    /// It will not be finished.
    pub fn give_up(&self) {
        if let Err(error) = self.disk.remove_if_there(&self.next) {
            tracing::warn!(file = self.next, %error, "an unfinished inventory stays");
        }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.disk.create(&self.next).map_err(|error| self.failed("making", error))?;
        self.waiting.extend_from_slice(&self.header);
        Ok(())
    }

    fn seal(&mut self, part: &[u8], number: u64, plain: &[u8]) -> Result<(), StoreError> {
        let before = self.waiting.len();
        let nonce = self.random.take()?;
        self.key.seal(nonce, &bound(&self.header, part, number), &[plain], &mut self.waiting);
        self.end += (self.waiting.len() - before) as u64;
        Ok(())
    }

    /// Writes what waits, if it is more than so much.
    fn flush(&mut self, most: usize) -> Result<(), StoreError> {
        if self.waiting.len() <= most {
            return Ok(());
        }
        let free = self.disk.free_space().map_err(|error| self.failed("measuring the disk of", error))?;
        let needed = self.margin + self.waiting.len() as u64;
        if free < needed {
            self.give_up();
            return Err(StoreError::Full { free, needed });
        }
        self.disk.append(&self.next, &self.waiting).map_err(|error| self.failed("writing", error))?;
        self.waiting.clear();
        Ok(())
    }

    fn failed(&self, action: &'static str, error: std::io::Error) -> StoreError {
        self.give_up();
        match is_full(&error) {
            true => StoreError::Full { free: self.disk.free_space().unwrap_or(0), needed: self.end },
            false => StoreError::Io { action, file: self.next.clone(), source: error },
        }
    }
}

/// An inventory to start from.
pub struct Inventory {
    /// What the core gave [`InventoryWriter::finish`].
    pub head: Vec<u8>,
    /// The sheets.
    pub sheets: Arc<InventoryFile>,
    /// Documents whose rows were written or taken away since.
    pub since: BTreeSet<DocumentId>,
    /// Keys of rows of pair ledgers that were.
    pub ledger_since: BTreeSet<Vec<u8>>,
    /// What [`Store::grown`] was then, about.
    pub grown: u64,
}

impl Store {
    /// Begins to write an inventory of what is stored now; another thread may go on with it.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] once the store stopped; [`StoreError::Io`] when the system has no randomness.
    pub fn inventory_writer(&mut self) -> Result<InventoryWriter, StoreError> {
        self.usable()?;
        let file: [u8; 16] = self.random.take()?;
        let options = &self.setting.options;
        // What an ordinary batch has to find.
        let margin = options.low_water_bytes + options.reserve_bytes.saturating_sub(self.reserve) + BATCH_BYTES_MAX;
        Ok(InventoryWriter {
            disk: self.setting.disk.clone(),
            key: self.keyring.inventory_key(),
            header: header(&self.keyring.store, &file),
            next: format!("{NEXT}{}", some_letters(&file)),
            letters: some_letters(&file),
            state: self.state,
            index_id: self.index_id()?,
            random: Random::default(),
            ends: Vec::new(),
            end: HEADER as u64,
            margin,
            waiting: Vec::new(),
        })
    }

    /// Removes every inventory but this one: the core rests on it now.
    pub fn inventory_stands(&self, file: &InventoryFile) {
        remove_all(&*self.setting.disk, Some(&file.name));
    }

    /// Removes what inventories there are: nothing rests on them any more.
    pub fn drop_inventories(&self) {
        remove_all(&*self.setting.disk, None);
    }

    /// Whether an inventory still opens at the next start: no purge came since it was begun.
    pub fn is_inventory_of_now(&self, file: &InventoryFile) -> bool {
        file.key.expose() == self.keyring.inventory_key().expose()
    }

    /// Bytes that were ever added to the journal since it was opened, and what lay there then.
    pub fn grown(&self) -> u64 {
        self.journal.grown()
    }

    /// Bytes of inventories on the disk.
    pub(super) fn inventory_bytes(&self) -> u64 {
        let disk = &self.setting.disk;
        let names = disk.list("").unwrap_or_default();
        names.iter().filter(|name| is_one(name)).filter_map(|name| disk.len(name).ok().flatten()).sum()
    }

    /// The newest inventory that can be believed, with the documents that changed since. All others are removed.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] once the store stopped. Whatever is wrong with an inventory is no error.
    pub fn inventory(&self) -> Result<Option<Inventory>, StoreError> {
        self.usable()?;
        let found = self.find_inventory();
        remove_all(&*self.setting.disk, found.as_ref().map(|inventory| inventory.sheets.name.as_str()));
        Ok(found)
    }

    fn find_inventory(&self) -> Option<Inventory> {
        let names = self.setting.disk.list("").unwrap_or_default();
        names.iter().rev().filter(|name| name.starts_with(PREFIX)).find_map(|name| {
            let read = self.read_inventory(name);
            read.inspect_err(|why| tracing::info!(file = name, why, "an inventory was not used")).ok()
        })
    }

    fn index_id(&self) -> Result<[u8; 16], StoreError> {
        Ok(self.get(Table::Local, INDEX_ID)?.and_then(|id| id.try_into().ok()).unwrap_or_default())
    }

    fn read_inventory(&self, name: &str) -> Result<Inventory, String> {
        let disk = &*self.setting.disk;
        let read = |at: u64, len: u64| {
            let mut bytes = vec![0; usize::try_from(len).map_err(|error| error.to_string())?];
            let read = disk.read_at(name, at, &mut bytes).map_err(|error| error.to_string())?;
            if read == bytes.len() { Ok(bytes) } else { Err("cut short".to_owned()) }
        };
        let len = disk.len(name).map_err(|error| error.to_string())?.ok_or("not there")?;
        let begins = read(0, HEADER as u64)?;
        let file = begins.last_chunk::<16>().ok_or("cut short")?;
        let header = header(&self.keyring.store, file);
        if begins != header {
            return Err("of another store or version".to_owned());
        }
        let tail_at = len.checked_sub(8).filter(|at| *at >= HEADER as u64).ok_or("cut short")?;
        let tail_len = Reader(&read(tail_at, 8)?).u64().ok_or("cut short")?;
        let begins = tail_at.checked_sub(tail_len).filter(|at| *at >= HEADER as u64 && tail_len <= TAIL_MAX).ok_or("garbled length")?;
        let key = self.keyring.inventory_key();
        let tail = key.open(&bound(&header, b"tail", tail_len), &read(begins, tail_len)?).ok_or("does not open")?;
        let mut from = Reader(&tail);
        let state = State::decode(&mut from).ok_or("garbled tail")?;
        // A repair that lost something may have left the end of the journal as it was.
        if from.array() != Some(self.index_id().map_err(|error| error.to_string())?) {
            return Err("from before something was lost".to_owned());
        }
        let count = from.u32().map(|count| count as usize).filter(|count| *count <= from.0.len() / 8).ok_or("garbled tail")?;
        let ends: Vec<u64> = (0..count).map_while(|_| from.u64()).collect();
        if ends.len() != count || !ends.is_sorted() || ends.last().copied().unwrap_or(HEADER as u64) != begins {
            return Err("garbled tail".to_owned());
        }
        let (since, ledger_since) = self.changed_since(&state)?;
        let bytes = |count: Result<u64, StoreError>| count.map_err(|error| error.to_string());
        let since_then = bytes(recover::bytes_all(disk))?.saturating_sub(bytes(recover::bytes_before(disk, &state.place))?);
        let grown = self.grown().saturating_sub(since_then);
        let sheets = InventoryFile { disk: self.setting.disk.clone(), name: name.to_owned(), key, header, ends };
        Ok(Inventory { head: from.0.to_vec(), sheets: Arc::new(sheets), since, ledger_since, grown })
    }

    /// Documents and keys of ledgers whose rows the journal names behind a batch.
    fn changed_since(&self, state: &State) -> Result<(BTreeSet<DocumentId>, BTreeSet<Vec<u8>>), String> {
        let (from, to) = (state.place, self.state.place);
        if from.seq > to.seq || (from.seq == to.seq && from.chain != to.chain) {
            return Err("of another journal".to_owned());
        }
        let (mut since, mut ledger) = (BTreeSet::new(), BTreeSet::new());
        let mut gap = false;
        let end = journal::scan(&*self.setting.disk, self.journal.keys(), from, &mut |met| {
            for record in &met.batch.records {
                match record {
                    Record::Put { table, key, .. }
                    | Record::PutBlob { table, key, .. }
                    | Record::Remove { table, key }
                    | Record::LostPut { table, key } => {
                        if *table == Table::Documents as u8 {
                            since.extend(DocumentId::from_slice(key));
                        } else if *table == Table::Ledger as u8 {
                            ledger.insert(key.clone());
                        }
                    }
                    Record::Purge { document } => drop(since.insert(*document)),
                    Record::Gap { .. } => gap = true,
                    _ => {}
                }
            }
            Ok(met.place.seq < to.seq)
        });
        let end = end.map_err(|error| error.to_string())?;
        if gap || (end.head.seq, end.head.chain) != (to.seq, to.chain) {
            return Err("the journal since does not lead to where it ends".to_owned());
        }
        Ok((since, ledger))
    }

    /// Hands out what the inventory on the disk says in plain.
    pub(super) fn dump_inventories(&self, each: &mut dyn FnMut(&[u8])) {
        let Some(inventory) = self.find_inventory() else { return };
        each(&inventory.head);
        let count = u32::try_from(inventory.sheets.ends.len()).unwrap_or(u32::MAX);
        (0..count).filter_map(|number| inventory.sheets.sheet(number)).for_each(|sheet| each(&sheet));
    }
}
