//! The keyring: one random key per document, wrapped under a keyring key that lies under the store key.
//!
//! New keys become durable inside the journal batch that first needs them, wrapped under the keyring key; the file follows later. A purge
//! forgets the document's key, draws a new keyring key, writes the file anew and overwrites the old one, so that the wrapped copies in the
//! journal open under nothing.
//!
//! ```text
//! "ACCKEYRG" ‖ version u16 ‖ store id (16) ‖ generation u64 ‖ keyring key sealed under the store key ‖ body sealed under the keyring key ‖ checksum (16)
//! body: epoch u64 ‖ place (64) ‖ count u32 ‖ (document ‖ key).. ‖ count u32 ‖ purged document..
//! ```

mod keys;

use std::collections::BTreeSet;
use std::sync::Arc;

use accord_protocol::id::DocumentId;
use zeroize::Zeroizing;

use super::batch::{Record, WRAPPED};
use super::bytes::Reader;
use super::cipher::{NONCE, Random, StoreKey, Subkey, TAG};
use super::disk::Disk;
use super::error::{Damage, StoreError, is_full};
use super::journal::fatal;
use super::place::Place;
use keys::Keys;

/// The keyring's file.
pub const FILE: &str = "keyring";
/// Where a new one is written first.
pub const NEXT: &str = "keyring.next";
/// A second copy: one bad sector must not cost every document.
pub const COPY: &str = "keyring.copy";
const COPY_NEXT: &str = "keyring.copy.next";
/// Version of its format.
pub const KEYRING_VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"ACCKEYRG";
/// Above this a keyring is not believed: 16 million documents.
const BYTES_MAX: u64 = 1 << 30;
const CONTEXT_STORE: &str = "accord store v1 keyring";
const CONTEXT_BODY: &str = "accord store v1 keyring body";
const CONTEXT_WRAP: &str = "accord store v1 document key";
const CONTEXT_INVENTORY: &str = "accord store v1 inventory";

/// All document keys of a store.
#[derive(Clone)]
pub struct Keyring {
    /// The store's id.
    pub store: [u8; 16],
    under: Subkey,
    ring: Subkey,
    epoch: u64,
    generation: u64,
    /// Keys up to this place of the journal are in the file.
    pub through: Place,
    keys: Keys,
    purged: Arc<BTreeSet<DocumentId>>,
    condemned: BTreeSet<DocumentId>,
    dirty: bool,
    /// Both files hold the keys up to this batch; 0 while that is not known.
    kept: u64,
    /// Older files may hold what a purge was to destroy.
    scrub: bool,
}

impl Keyring {
    /// The keyring of a new store, in memory.
    pub fn new(key: &StoreKey, store: [u8; 16], through: Place, random: &mut Random) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            under: Subkey::derive(CONTEXT_STORE, key.expose(), &store),
            ring: Subkey::new(random.take()?),
            epoch: 1,
            generation: 0,
            through,
            keys: Keys::default(),
            purged: Arc::default(),
            condemned: BTreeSet::new(),
            dirty: true,
            kept: 0,
            scrub: false,
        })
    }

    /// Reads the keyring: of its files the newest whole one. `None` if there is none. An older one does as well, since the journal holds
    /// the keys drawn since; what is missing or behind is written anew by the next [`Keyring::save`], which [`Keyring::is_dirty`] asks for.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], [`StoreError::Newer`], [`StoreError::Damaged`].
    pub fn load(disk: &dyn Disk, key: &StoreKey) -> Result<Option<Self>, StoreError> {
        let mut found = Vec::new();
        for name in [FILE, COPY, NEXT] {
            if let Some(bytes) = disk.read_all(name, BYTES_MAX).map_err(StoreError::io("reading", name))? {
                let generation = Self::generation(&bytes);
                found.push((name, generation, bytes));
            }
        }
        // Each is looked through, only the newest is opened: with a million documents that is 64 MB. Should it not open, an older one may.
        found.sort_by_key(|(_, generation, _)| std::cmp::Reverse(*generation));
        let mut generations: Vec<(&str, Option<u64>)> = found.iter().map(|(name, generation, _)| (*name, *generation)).collect();
        let (mut best, mut failed) = (None, None);
        for (at, (name, generation, bytes)) in found.iter().enumerate() {
            match Self::parse(name, bytes, key) {
                Ok(ring) => {
                    best = Some((ring, *name));
                    break;
                }
                Err(error) => {
                    generations[at].1 = None;
                    // Half of a first keyring and nothing else: the store was never finished.
                    if *name != NEXT || generation.is_some() {
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        let Some((mut ring, name)) = best else { return failed.map_or(Ok(None), Err) };
        drop(found);
        let generation = ring.generation;
        ring.dirty = [FILE, COPY].iter().any(|name| !generations.contains(&(*name, Some(generation)))) || generations.len() > 2;
        ring.scrub = ring.dirty;
        ring.kept = if ring.dirty { 0 } else { ring.through.seq };
        for (name, generation) in &generations {
            if generation.is_none() && *name != NEXT {
                tracing::warn!(file = name, "a copy of the keyring is damaged and will be written anew");
            }
        }
        if name == NEXT {
            // A crash came between writing the successor and putting it in place; a purge may be why, so overwrite first.
            ring.put_in_place(disk)?;
        }
        Ok(Some(ring))
    }

    /// Files of the keyring that are there and do not read, with the reason.
    pub fn damage(disk: &dyn Disk, key: &StoreKey) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        for name in [FILE, COPY] {
            match disk.read_all(name, BYTES_MAX).map_err(StoreError::io("reading", name))? {
                None => damage.push(Damage { file: name.to_owned(), offset: 0, what: "missing".to_owned() }),
                Some(bytes) => match Self::parse(name, &bytes, key) {
                    Ok(_) => {}
                    Err(StoreError::Damaged(found)) => damage.push(found),
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(damage)
    }

    /// Which generation a whole keyring is of; `None` for one that is garbled.
    fn generation(bytes: &[u8]) -> Option<u64> {
        let (body, check) = bytes.split_last_chunk::<16>()?;
        let mut from = Reader(body);
        let (magic, _version, _store) = (from.array::<8>()?, from.u16()?, from.array::<16>()?);
        let whole = magic == MAGIC && blake3::hash(body).as_bytes()[..16] == check[..];
        from.u64().filter(|_| whole)
    }

    fn parse(name: &str, bytes: &[u8], key: &StoreKey) -> Result<Self, StoreError> {
        let garbled = || StoreError::damaged(name, 0, "garbled keyring");
        let (body, check) = bytes.split_last_chunk::<16>().ok_or_else(garbled)?;
        let (magic, version) = {
            let mut from = Reader(bytes);
            (from.array::<8>().ok_or_else(garbled)?, from.u16().ok_or_else(garbled)?)
        };
        if magic != MAGIC || blake3::hash(body).as_bytes()[..16] != check[..] {
            return Err(garbled());
        }
        if version > KEYRING_VERSION {
            return Err(StoreError::Newer { file: name.to_owned(), found: version, known: KEYRING_VERSION });
        }
        let mut from = Reader(&body[10..]);
        let (store, generation) = from.array::<16>().zip(from.u64()).ok_or_else(garbled)?;
        let head = &body[..34];
        let wrapped = from.bytes(WRAPPED).ok_or_else(garbled)?;
        let under = Subkey::derive(CONTEXT_STORE, key.expose(), &store);
        // The checksum fits, so what does not open was sealed under another key.
        let ring = under.open(head, wrapped).and_then(|key| <[u8; 32]>::try_from(&key[..]).ok()).ok_or(StoreError::WrongKey)?;
        let ring = Subkey::new(ring);
        let plain = Subkey::derive(CONTEXT_BODY, ring.expose(), &store).open(head, from.0).ok_or_else(garbled)?;
        let mut from = Reader(&plain);
        let fields = |from: &mut Reader<'_>| {
            let (epoch, through) = (from.u64()?, Place::decode(from)?);
            let count = usize::try_from(from.u32()?).ok().filter(|count| *count <= from.0.len() / 64)?;
            let keys = Keys::of((0..count).map(|_| Some((DocumentId(from.array()?), Subkey::new(from.array()?)))))?;
            let mut purged = BTreeSet::new();
            for _ in 0..from.u32()? {
                purged.insert(DocumentId(from.array()?));
            }
            from.end()?;
            Some((epoch, through, keys, purged))
        };
        let (epoch, through, keys, purged) = fields(&mut from).ok_or_else(garbled)?;
        Ok(Self {
            store,
            under,
            ring,
            epoch,
            generation,
            through,
            keys,
            purged: Arc::new(purged),
            condemned: BTreeSet::new(),
            dirty: false,
            kept: 0,
            scrub: false,
        })
    }

    /// Reads the bytes of a keyring that lies elsewhere.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn from_bytes(bytes: &[u8], key: &StoreKey) -> Result<Self, StoreError> {
        Self::parse(FILE, bytes, key)
    }

    /// Its bytes, to lie elsewhere.
    pub fn to_bytes(&self, random: &mut Random) -> Result<Vec<u8>, StoreError> {
        self.encode(random)
    }

    /// Documents that have a key.
    pub fn documents(&self) -> impl Iterator<Item = &DocumentId> {
        self.keys.iter().map(|(document, _)| document)
    }

    /// A document's key.
    pub fn get(&self, document: &DocumentId) -> Option<&Subkey> {
        self.keys.get(document)
    }

    /// Whether the document was purged.
    pub fn is_purged(&self, document: &DocumentId) -> bool {
        self.purged.contains(document)
    }

    /// Documents that were purged, as of now.
    pub fn purged(&self) -> Arc<BTreeSet<DocumentId>> {
        self.purged.clone()
    }

    /// About how long the file is.
    pub fn bytes(&self) -> u64 {
        512 + (self.keys.len() * 64 + self.purged.len() * 32) as u64
    }

    /// Whether keys came in since the file was written.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Both files of the keyring hold every key up to this batch: the copies in the journal are not needed any more.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// A fresh key for a document and the record that makes it durable. It counts only once [`Keyring::replay`] took the record.
    pub fn draw(&self, document: DocumentId, random: &mut Random) -> Result<(Subkey, Record), StoreError> {
        let key = Subkey::new(random.take()?);
        let mut sealed = Vec::with_capacity(WRAPPED);
        self.wrapping().seal(random.take::<NONCE>()?, document.as_bytes(), &[key.expose()], &mut sealed);
        let wrapped = sealed.try_into().expect("nonce, key and tag have fixed lengths");
        Ok((key, Record::Key { document, epoch: self.epoch, wrapped }))
    }

    /// Takes in what a durable batch said about keys. Saying it twice changes nothing.
    ///
    /// # Errors
    /// The reason, when a key does not open under the keyring key it names.
    pub fn replay(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Key { document, .. } if self.purged.contains(document) || self.keys.contains_key(document) => {}
            Record::Key { document, epoch, wrapped } => {
                let key = (*epoch == self.epoch).then(|| self.wrapping().open(document.as_bytes(), wrapped)).flatten();
                let key =
                    key.and_then(|key| <[u8; 32]>::try_from(&key[..]).ok()).ok_or("document key does not open under the keyring key")?;
                self.keys.insert(*document, Subkey::new(key));
                self.dirty = true;
            }
            Record::Purge { document } if !self.purged.contains(document) => {
                self.condemned.insert(*document);
                self.dirty = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the file, with keys up to `through`. Condemned keys are destroyed: new keyring key, old file overwritten.
    ///
    /// # Errors
    /// [`StoreError::Full`] with the old file intact, or [`StoreError::Fatal`].
    pub fn save(&mut self, disk: &dyn Disk, through: Place, random: &mut Random) -> Result<(), StoreError> {
        let rotate = !self.condemned.is_empty();
        if rotate {
            self.ring = Subkey::new(random.take()?);
            self.epoch += 1;
            self.scrub = true;
            self.keys.forget(&self.condemned);
            Arc::make_mut(&mut self.purged).extend(std::mem::take(&mut self.condemned));
        }
        self.generation += 1;
        self.through = through;
        self.kept = 0;
        let bytes = self.encode(random)?;
        match write_next(disk, &bytes) {
            Ok(()) => {}
            // After a rotation the old file must not live on under a keyring key that new records no longer use.
            Err(error) if is_full(&error) && !rotate => {
                disk.remove_if_there(NEXT).map_err(|error| fatal("removing", NEXT, &error))?;
                self.dirty = true;
                return Err(StoreError::Full { free: 0, needed: bytes.len() as u64 });
            }
            Err(error) => return Err(fatal("writing", NEXT, &error)),
        }
        self.put_in_place(disk)?;
        let copy = || {
            if self.scrub {
                overwrite(disk, COPY)?;
            }
            disk.replace(COPY, COPY_NEXT, &bytes)
        };
        match copy() {
            Ok(()) => {}
            // The keyring itself is in place; a copy that found no room is tried again later.
            Err(error) if is_full(&error) => {
                disk.remove_if_there(COPY_NEXT).map_err(|error| fatal("removing", COPY_NEXT, &error))?;
                self.dirty = true;
                return Err(StoreError::Full { free: 0, needed: bytes.len() as u64 });
            }
            Err(error) => return Err(fatal("writing", COPY, &error)),
        }
        self.dirty = false;
        self.kept = through.seq;
        self.scrub = false;
        Ok(())
    }

    /// Puts the successor in the place of the current file, which is overwritten first if it may hold what was purged.
    fn put_in_place(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        let step = || {
            if self.scrub {
                overwrite(disk, FILE)?;
            }
            disk.rename(NEXT, FILE)?;
            disk.sync_dir("")
        };
        step().map_err(|error| fatal("replacing", FILE, &error))
    }

    /// The key of inventories: another one after every purge.
    pub fn inventory_key(&self) -> Subkey {
        Subkey::derive(CONTEXT_INVENTORY, self.ring.expose(), &self.store)
    }

    fn wrapping(&self) -> Subkey {
        Subkey::derive(CONTEXT_WRAP, self.ring.expose(), &self.store)
    }

    fn encode(&self, random: &mut Random) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::with_capacity(256 + self.keys.len() * 64 + self.purged.len() * 32);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&KEYRING_VERSION.to_be_bytes());
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.generation.to_be_bytes());
        let head = out.clone();
        self.under.seal(random.take()?, &head, &[self.ring.expose()], &mut out);
        let mut body = Zeroizing::new(Vec::with_capacity(128 + self.keys.len() * 64 + self.purged.len() * 32 + TAG));
        body.extend_from_slice(&self.epoch.to_be_bytes());
        self.through.encode(&mut body);
        body.extend_from_slice(&(self.keys.len() as u32).to_be_bytes());
        for (document, key) in self.keys.iter() {
            body.extend_from_slice(document.as_bytes());
            body.extend_from_slice(key.expose());
        }
        body.extend_from_slice(&(self.purged.len() as u32).to_be_bytes());
        self.purged.iter().for_each(|document| body.extend_from_slice(document.as_bytes()));
        Subkey::derive(CONTEXT_BODY, self.ring.expose(), &self.store).seal(random.take()?, &head, &[&body], &mut out);
        let check = blake3::hash(&out);
        out.extend_from_slice(&check.as_bytes()[..16]);
        Ok(out)
    }
}

fn overwrite(disk: &dyn Disk, name: &str) -> std::io::Result<()> {
    if let Some(len) = disk.len(name)? {
        disk.write_at(name, 0, &vec![0; usize::try_from(len).map_err(std::io::Error::other)?])?;
        disk.sync_data(name)?;
    }
    Ok(())
}

fn write_next(disk: &dyn Disk, bytes: &[u8]) -> std::io::Result<()> {
    disk.remove_if_there(NEXT)?;
    disk.create(NEXT)?;
    disk.append(NEXT, bytes)?;
    disk.sync_data(NEXT)?;
    // The name must be durable before the current file is overwritten.
    disk.sync_dir("")
}
