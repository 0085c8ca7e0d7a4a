//! Making and opening a store: which index to believe, where the journal ends, what a crash left behind.

use std::time::Instant;

use super::batch::Record;
use super::cipher::{Random, StoreKey, Subkey};
use super::disk::Disk;
use super::error::{StoreError, is_full};
use super::index::{Index, RECENT_ROWS_MAX, Rows, Unusable};
use super::journal::{self, FileReader, Journal, JournalKeys, ScanEnd, TornTail, fatal};
use super::keyring::{self, Keyring};
use super::marks::{self, Note};
use super::options::{IndexState, OpenReport, Progress, Setting, Stage};
use super::place::{Place, State, Tally};
use super::room::RESERVE;
use super::{Store, checkpoint, frame, housekeeping, pages, repair, rows};

/// Room the index needs to open at all. Taken out of the reserve if the disk has less.
pub const START_BYTES: u64 = 4 << 20;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everyday use.
    Start,
    /// After a repair: sums stated before the gap no longer hold, and acknowledged batches may be gone.
    Restate,
}

/// Makes a new store. The keyring comes last: without it there is no store and making it can begin again.
pub fn create(setting: Setting, key: &StoreKey) -> Result<Store, StoreError> {
    let disk = setting.disk.clone();
    let made = |file: &'static str| StoreError::io("making", file);
    disk.create_dir("").map_err(made(""))?;
    disk.sync_home().map_err(made(""))?;
    disk.create_dir("journal").map_err(made("journal"))?;
    disk.check_modes()?;
    let lock = disk.lock(marks::LOCK)?;
    if disk.len(keyring::FILE).map_err(made(keyring::FILE))?.is_some() || !unfinished(&*disk)? {
        return Err(StoreError::Exists { dir: setting.dir.clone() });
    }
    for number in journal::file_numbers(&*disk)? {
        disk.remove(&journal::file_name(number)).map_err(made("journal"))?;
    }
    pages::discard(&setting.index, false)?;
    let mut random = Random::default();
    let store = random.take()?;
    let keys = JournalKeys::derive(key, store);
    let reserve = ensure_reserve(&*disk, setting.options.reserve_bytes, true)?;
    let journal = Journal::create(disk.clone(), keys, setting.options.file_bytes)?;
    let mut keyring = Keyring::new(key, store, journal.head(), &mut random)?;
    let state = State { place: journal.head(), tally: Tally::default(), item_seq: 0 };
    let mut index = Index::open(&setting.index, key, &store).map_err(Unusable::fatal)?;
    index.stand_at(&Rows::new(), &state, &mut random).map_err(Unusable::fatal)?;
    keyring.save(&*disk, journal.head(), &mut random)?;
    let marks = marks::key(key, &store);
    Note { boot: setting.boot.unwrap_or_default(), seq: 0 }.write(&*disk, &marks);
    Ok(assemble(setting, key, journal, keyring, index, state, marks, random, reserve, lock))
}

#[allow(clippy::too_many_arguments, reason = "the parts of a store, each made by its own step above")]
fn assemble(
    setting: Setting,
    key: &StoreKey,
    journal: Journal,
    keyring: Keyring,
    index: Index,
    state: State,
    marks: Subkey,
    random: Random,
    reserve: u64,
    lock: super::LockGuard,
) -> Store {
    let bytes = journal.grown();
    let checkpoint_key = Subkey::derive("accord store v1 checkpoint", key.expose(), &keyring.store);
    Store {
        full: reserve < setting.options.reserve_bytes,
        setting,
        journal,
        keyring,
        index,
        state,
        marks,
        checkpoint_key,
        random,
        flushed_at: bytes,
        checkpoint_at: bytes,
        keyring_at: bytes,
        writing: housekeeping::Background::default(),
        compacting: super::compact::Compacting::default(),
        written: None,
        reserve,
        ahead: 0,
        failed: None,
        _lock: lock,
    }
}

/// Takes away what an interrupted compaction left: the file it was to replace is whole.
fn remove_unfinished(disk: &dyn Disk) -> Result<(), StoreError> {
    for name in disk.list("journal").map_err(StoreError::io("listing", "journal"))? {
        if name.ends_with(".journal.next") {
            let name = format!("journal/{name}");
            disk.remove(&name).map_err(StoreError::io("removing", &name))?;
        }
    }
    Ok(())
}

/// Whether a store without a keyring is what an interrupted `create` left: journal files without a single frame.
fn unfinished(disk: &dyn Disk) -> Result<bool, StoreError> {
    for number in journal::file_numbers(disk)? {
        let name = journal::file_name(number);
        if disk.len(&name).map_err(StoreError::io("measuring", &name))?.unwrap_or(0) > frame::HEADER as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the reserve as long as it should be, or with `must` unset as long as the disk allows.
fn ensure_reserve(disk: &dyn Disk, want: u64, must: bool) -> Result<u64, StoreError> {
    let have = disk.len(RESERVE).map_err(StoreError::io("measuring", RESERVE))?;
    if have.is_none() {
        match disk.create(RESERVE) {
            Err(error) if is_full(&error) && !must => return Ok(0),
            other => other.map_err(StoreError::io("making", RESERVE))?,
        }
    }
    let have = have.unwrap_or(0);
    if have >= want {
        return Ok(have);
    }
    match disk.allocate(RESERVE, want) {
        Ok(()) => Ok(want),
        Err(error) if is_full(&error) && must => {
            let free = disk.free_space().map_err(StoreError::io("measuring the disk of", "store"))?;
            Err(StoreError::Full { free, needed: want })
        }
        Err(error) if is_full(&error) => {
            disk.truncate(RESERVE, have).map_err(|error| fatal("cutting", RESERVE, &error))?;
            Ok(have)
        }
        Err(error) => Err(StoreError::Io { action: "allocating", file: RESERVE.to_owned(), source: error }),
    }
}

/// A full disk still starts: what the index needs comes out of the reserve.
fn make_start_room(disk: &dyn Disk) -> Result<(), StoreError> {
    let free = disk.free_space().map_err(StoreError::io("measuring the disk of", "store"))?;
    let reserve = disk.len(RESERVE).map_err(StoreError::io("measuring", RESERVE))?.unwrap_or(0);
    if free < START_BYTES && reserve > 0 {
        let left = reserve.saturating_sub(START_BYTES - free);
        disk.truncate(RESERVE, left).map_err(|error| fatal("cutting", RESERVE, &error))?;
    }
    Ok(())
}

/// The answer when the index does not open or build: on a full disk that says nothing about the index.
fn unless_full(disk: &dyn Disk, otherwise: impl FnOnce() -> Failed) -> Failed {
    match disk.free_space() {
        Ok(free) if free < START_BYTES => Failed::Store(StoreError::Full { free, needed: START_BYTES }),
        _ => otherwise(),
    }
}

/// A starting point for the index.
enum Base {
    Believed { boot: bool },
    Checkpoint(&'static str),
    Beginning,
}

/// Opens a store.
pub fn open(setting: Setting, key: &StoreKey, mode: Mode, progress: &mut dyn FnMut(Progress)) -> Result<(Store, OpenReport), StoreError> {
    #[expect(clippy::disallowed_methods, reason = "how long opening took is only told")]
    let began = Instant::now();
    let disk = setting.disk.clone();
    let there = |name: &str| disk.len(name).map(|len| len.is_some()).map_err(StoreError::io("looking for", name));
    if !there(keyring::FILE)? && !there(keyring::NEXT)? && !there(keyring::COPY)? {
        return Err(match unfinished(&*disk)? {
            true => StoreError::NotFound { dir: setting.dir.clone() },
            false => StoreError::damaged(keyring::FILE, 0, "keyring missing"),
        });
    }
    disk.check_modes()?;
    let lock = disk.lock(marks::LOCK)?;
    let mut keyring = Keyring::load(&*disk, key)?.ok_or_else(|| StoreError::NotFound { dir: setting.dir.clone() })?;
    if mode == Mode::Start && repair::is_under_way(&*disk)? {
        return Err(StoreError::RepairCutShort { dir: setting.dir.clone() });
    }
    let numbers = journal::file_numbers(&*disk)?;
    remove_unfinished(&*disk)?;
    if let Some(missing) = (1..=numbers.last().copied().unwrap_or(1)).find(|number| numbers.binary_search(number).is_err()) {
        return Err(StoreError::damaged(&journal::file_name(missing), 0, "journal file missing"));
    }
    let marks_key = marks::key(key, &keyring.store);
    let (note, clean) = (Note::read(&*disk, &marks_key), marks::read_clean(&*disk, &marks_key));
    make_start_room(&*disk)?;
    let witness = marks::witness(&*disk, &marks_key);
    let mut mark_stays = false;
    if clean.is_some() && note.is_none_or(|note| note.seq < witness) {
        // The mark goes now, what it is a witness of stays.
        let noting = Note { boot: note.map_or([0; 16], |note| note.boot), seq: witness };
        match noting.try_write(&*disk, &marks_key).and_then(|()| disk.sync_data(marks::LOCK)) {
            // No room for these few bytes: then the mark stays until the journal was found to reach as far as it says.
            Err(error) if is_full(&error) => mark_stays = true,
            other => other.map_err(|error| fatal("writing", marks::LOCK, &error))?,
        }
    }
    if !mark_stays {
        marks::remove_clean(&*disk)?;
    }
    let mut opening = Opening {
        keys: JournalKeys::derive(key, keyring.store),
        checkpoint_key: Subkey::derive("accord store v1 checkpoint", key.expose(), &keyring.store),
        setting: &setting,
        key,
        witness: witness.max(keyring.through.seq),
        mode,
        random: Random::default(),
    };

    let same_boot = note.is_some_and(|note| setting.boot == Some(note.boot));
    let mut reason = None;
    let mut bases = Vec::new();
    match (mode, same_boot, &clean) {
        (Mode::Restate, ..) => reason = Some("the journal was repaired".to_owned()),
        (_, true, _) | (_, _, Some(_)) => bases.push(Base::Believed { boot: same_boot }),
        _ => reason = Some("accord was not stopped cleanly before the machine was".to_owned()),
    }
    if mode == Mode::Start {
        bases.extend([Base::Checkpoint(checkpoint::NEXT), Base::Checkpoint(checkpoint::FILE)]);
    }
    bases.push(Base::Beginning);
    let (index, end, replayed, from_checkpoint) = 'found: {
        for base in bases {
            let from_checkpoint = matches!(base, Base::Checkpoint(_));
            match opening.attempt(base, clean.as_ref(), &mut keyring, progress) {
                Ok((index, end, replayed)) => break 'found (index, end, replayed, from_checkpoint),
                Err(Failed::Store(error)) => return Err(error),
                Err(Failed::Base { why, telling }) => {
                    tracing::debug!(why, "an index to start from was not used");
                    if telling {
                        reason.get_or_insert(why);
                    }
                }
            }
        }
        let place = end_of_journal(&*disk)?;
        return Err(StoreError::damaged(&place.0, place.1, "no index can be built from it"));
    };
    if mark_stays {
        marks::remove_clean(&*disk)?;
    }
    let torn_tail_bytes = end.torn.as_ref().map_or(0, |torn| torn.bytes);
    if let Some(torn) = &end.torn {
        tracing::warn!(file = torn.file, offset = torn.offset, bytes = torn.bytes, "cut an unfinished batch off the journal");
        cut(&*disk, torn)?;
    }
    let table = FileReader::open(&*disk, end.head.file)?.map_or(Ok(None), |mut file| file.table(&opening.keys))?;
    // What compaction wrote was read back after its sync, and nothing is added to it.
    if table.is_none() {
        cut_room(&*disk, &end.head)?;
        if clean.is_none() {
            write_again(&*disk, &end.head)?;
        }
    }
    let bytes = bytes_all(&*disk)?;
    let Opening { keys, mut random, .. } = opening;
    let state = *index.state().expect("every base sets the state");
    if keyring.is_dirty() {
        // Also finishes a purge that a crash interrupted.
        match keyring.save(&*disk, state.place, &mut random) {
            Err(StoreError::Full { .. }) => tracing::warn!("no room to write the keyring; it is tried again later"),
            other => other?,
        }
    }
    Note { boot: setting.boot.unwrap_or_default(), seq: end.head.seq }.write(&*disk, &marks_key);
    let reserve = ensure_reserve(&*disk, setting.options.reserve_bytes, false)?;
    let journal = Journal::resume(disk, keys, setting.options.file_bytes, end.head, bytes)?;
    let mut store = assemble(setting, key, journal, keyring, index, state, marks_key, random, reserve, lock);
    let checkpoint = checkpoint::peek(&*store.setting.disk, &store.checkpoint_key, &store.keyring.store);
    store.checkpoint_at = match checkpoint {
        Some(state) => bytes_before(&*store.setting.disk, &state.place)?,
        None => 0,
    };
    store.keyring_at = bytes_before(&*store.setting.disk, &store.keyring.through)?;
    if let Some(settled) = store.index.pages().state().map_err(Unusable::fatal)? {
        store.flushed_at = bytes_before(&*store.setting.disk, &settled.place)?;
        if reason.is_none() && counted_later(&store.setting, &settled) {
            store.begin_counting();
        }
    }
    let index = match reason {
        None => IndexState::Trusted,
        Some(reason) => IndexState::Rebuilt { reason, from_checkpoint },
    };
    let report = OpenReport { batches: end.head.seq, replayed, index, torn_tail_bytes, seconds: began.elapsed().as_secs_f64() };
    Ok((store, report))
}

/// Why an attempt to open did not succeed.
enum Failed {
    /// For good.
    Store(StoreError),
    /// With this starting point; `telling` if the operator should hear why.
    Base { why: String, telling: bool },
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Opening<'a> {
    keys: JournalKeys,
    checkpoint_key: Subkey,
    setting: &'a Setting,
    key: &'a StoreKey,
    /// A batch known to have been acknowledged.
    witness: u64,
    mode: Mode,
    random: Random,
}

impl Opening<'_> {
    /// Reads the journal from a starting point to its end, bringing index and keyring up to date.
    fn attempt(
        &mut self,
        base: Base,
        clean: Option<&State>,
        keyring: &mut Keyring,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Index, ScanEnd, u64), Failed> {
        let disk = &*self.setting.disk;
        let (mut index, digest) = match base {
            Base::Believed { boot } => (self.believe(boot, clean, progress)?, None),
            Base::Checkpoint(name) => {
                let (index, digest) = self.load_checkpoint(name, progress)?;
                (index, Some(digest))
            }
            Base::Beginning => (self.fresh(&State { place: journal::beginning(&self.keys), tally: Tally::default(), item_seq: 0 })?, None),
        };
        let start = *index.state().expect("every base sets the state");
        let from = if keyring.through.seq < start.place.seq { keyring.through } else { start.place };
        let total = bytes_all(disk)?;
        let mut done = bytes_before(disk, &from)?;
        let (mut recorded, mut replayed, mut broken) = (digest.is_none(), 0, None);
        let random = &mut self.random;
        let through = keyring.through.seq;
        let end = journal::scan(disk, &self.keys, from, &mut |met| {
            for record in &met.batch.records {
                if met.place.seq > through {
                    let name = journal::file_name(met.place.file);
                    keyring.replay(record).map_err(|what| StoreError::damaged(&name, met.place.start, what))?;
                }
                recorded |= matches!(record, Record::Checkpoint { digest: found, .. } if Some(*found) == digest);
            }
            done = total.min(done + (met.place.end - met.place.start));
            if met.place.seq.is_multiple_of(256) {
                progress(Progress { stage: Stage::Journal, done, total, items: 0 });
            }
            if met.place.seq <= start.place.seq {
                return Ok(true);
            }
            replayed += 1;
            let rows = rows::of(&met.batch.records, met.place.file, met.place.start, &index);
            let applied = rows.and_then(|rows| {
                index.take(rows, State { place: met.place, tally: Tally::default(), item_seq: met.batch.item_seq });
                if index.recent() >= RECENT_ROWS_MAX { index.settle(random) } else { Ok(()) }
            });
            broken = applied.err();
            Ok(broken.is_none())
        })?;
        if let Some(Unusable(why)) = broken {
            return Err(unless_full(disk, || match base {
                Base::Beginning => Failed::Store(Unusable(why).fatal()),
                _ => self.set_aside(index, why),
            }));
        }
        progress(Progress { stage: Stage::Journal, done: total, total, items: 0 });
        let known = self.witness.max(start.place.seq);
        if self.mode == Mode::Start && end.head.seq < known {
            let what = format!("the journal ends at batch {}, yet batch {known} was acknowledged", end.head.seq);
            return Err(Failed::Store(StoreError::damaged(&journal::file_name(end.head.file), end.head.end, what)));
        }
        if !recorded {
            return Err(Failed::Base { why: "the journal does not record this checkpoint".to_owned(), telling: false });
        }
        if matches!(base, Base::Believed { boot: false }) && replayed > 0 {
            return Err(self.set_aside(index, "the journal went on after the clean stop".to_owned()));
        }
        Ok((index, end, replayed))
    }

    fn set_aside(&self, index: Index, why: String) -> Failed {
        drop(index);
        match pages::discard(&self.setting.index, true) {
            Ok(()) => Failed::Base { why, telling: true },
            Err(error) => Failed::Store(error),
        }
    }

    fn fresh(&mut self, state: &State) -> Result<Index, Failed> {
        let mut index = self.empty()?;
        index.stand_at(&Rows::new(), state, &mut self.random).map_err(Unusable::fatal)?;
        Ok(index)
    }

    fn empty(&self) -> Result<Index, Failed> {
        pages::discard(&self.setting.index, false)?;
        Index::open(&self.setting.index, self.key, &self.keys.store)
            .map_err(|error| unless_full(&*self.setting.disk, || Failed::Store(error.fatal())))
    }

    fn load_checkpoint(&mut self, name: &'static str, progress: &mut dyn FnMut(Progress)) -> Result<(Index, [u8; 32]), Failed> {
        let disk = &*self.setting.disk;
        let Some(total) = disk.len(name).map_err(StoreError::io("measuring", name))? else {
            return Err(Failed::Base { why: format!("no {name}"), telling: false });
        };
        let mut index = self.empty()?;
        let mut tell = |done| progress(Progress { stage: Stage::Checkpoint, done, total, items: 0 });
        match checkpoint::load(disk, name, &mut index, &self.checkpoint_key, &self.keys, &mut tell) {
            Ok((state, digest)) => {
                index.stand_at(&Rows::new(), &state, &mut self.random).map_err(Unusable::fatal)?;
                Ok((index, digest))
            }
            Err(Unusable(why)) => Err(Failed::Base { why, telling: false }),
        }
    }

    /// The index as it lies there, if it stands where the journal says and every row is there.
    fn believe(&mut self, boot: bool, clean: Option<&State>, progress: &mut dyn FnMut(Progress)) -> Result<Index, Failed> {
        let plain = |why: &str| Failed::Base { why: why.to_owned(), telling: true };
        if !self.setting.index.exists() {
            return Err(plain("the index folder is missing"));
        }
        let index = match Index::open(&self.setting.index, self.key, &self.keys.store) {
            Ok(index) => index,
            Err(Unusable(why)) => {
                return Err(unless_full(&*self.setting.disk, || match pages::discard(&self.setting.index, true) {
                    Ok(()) => plain(&why),
                    Err(error) => Failed::Store(error),
                }));
            }
        };
        let Some(state) = index.state().copied() else {
            return Err(self.set_aside(index, "the index opened empty".to_owned()));
        };
        if !boot && clean != Some(&state) {
            return Err(self.set_aside(index, "the index does not stand where the clean stop left it".to_owned()));
        }
        if index.pages().is_bloated(&state) {
            return Err(self.set_aside(index, "the index had grown far beyond its rows".to_owned()));
        }
        if !counted_later(self.setting, &state) {
            let counted =
                index.pages().recount(&mut |done| progress(Progress { stage: Stage::Index, done, total: state.tally.rows, items: 0 }));
            match counted.and_then(|tally| same(&tally, &state.tally)) {
                Ok(()) => {}
                Err(Unusable(why)) => return Err(self.set_aside(index, why)),
            }
        }
        match self.stated_at(&state.place)? {
            Some(stated) if (stated.place, stated.item_seq) == (state.place, state.item_seq) => Ok(index),
            _ => Err(self.set_aside(index, "the index does not stand where the journal says".to_owned())),
        }
    }

    /// What the journal states at a place that was durable; `None` if another frame stands there.
    fn stated_at(&self, place: &Place) -> Result<Option<State>, Failed> {
        if place.seq == 0 {
            return Ok(Some(State { place: journal::beginning(&self.keys), tally: Tally::default(), item_seq: 0 }));
        }
        let name = journal::file_name(place.file);
        let gone =
            |what: &str| Failed::Store(StoreError::damaged(&name, place.start, format!("batch {} was acknowledged: {what}", place.seq)));
        let Some(mut file) = FileReader::open(&*self.setting.disk, place.file)? else { return Err(gone("journal file missing")) };
        let start = match file.table(&self.keys)? {
            Some(table) => table.now(&*self.setting.disk, &self.keys.table, place.start, 0)?,
            None => place.start,
        };
        match file.frame(&self.keys, start)? {
            Ok((head, batch, _)) => {
                let place = Place { seq: head.seq, end: place.start + head.was(&batch), chain: batch.after, ..*place };
                Ok(Some(State { place, tally: Tally::default(), item_seq: batch.item_seq }))
            }
            Err(what) => Err(gone(&what)),
        }
    }
}

/// Whether the index is so large that it is counted while the store serves already.
fn counted_later(setting: &Setting, state: &State) -> bool {
    setting.options.background && state.tally.rows > setting.options.count_at_once_pages
}

/// Whether the pages are those that the index says it has.
pub fn same(counted: &Tally, stated: &Tally) -> Result<(), Unusable> {
    if counted == stated {
        return Ok(());
    }
    Err(Unusable(format!("the index lost or changed pages: {} counted, {} stated", counted.rows, stated.rows)))
}

/// Removes an unfinished batch for good.
fn cut(disk: &dyn Disk, torn: &TornTail) -> Result<(), StoreError> {
    let name = journal::file_name(torn.file);
    let step = || {
        if torn.offset == 0 {
            disk.remove(&name)?;
            disk.sync_dir("journal")
        } else {
            disk.truncate(&name, torn.offset)?;
            disk.sync_data(&name)
        }
    };
    match step() {
        // Only where cutting takes room itself. What is written next goes over it.
        Err(error) if is_full(&error) && torn.offset > 0 => Ok(()),
        other => other.map_err(|error| fatal("cutting", &name, &error)),
    }
}

/// Takes away the room for later batches behind the last one. Nobody knows whether its length is durable: what is written next makes the file longer
/// again, so that its sync says the length too.
fn cut_room(disk: &dyn Disk, head: &Place) -> Result<(), StoreError> {
    if len(disk, head.file)? <= head.end {
        return Ok(());
    }
    let name = journal::file_name(head.file);
    match disk.truncate(&name, head.end).and_then(|()| disk.sync_data(&name)) {
        // Only where cutting takes room itself. The next batch, or the cut before the next file, says the length anew.
        Err(error) if is_full(&error) => Ok(()),
        other => other.map_err(|error| fatal("cutting", &name, &error)),
    }
}

/// Writes the last batch once more over itself. After a failed sync Linux may show bytes that never reach the disk, and a sync alone does
/// not send them again. Every earlier batch was synced before the next began.
fn write_again(disk: &dyn Disk, head: &Place) -> Result<(), StoreError> {
    let name = journal::file_name(head.file);
    // The first frame of a file takes the header with it.
    let from = if head.start > frame::HEADER as u64 { head.start } else { 0 };
    let mut bytes = vec![0; usize::try_from(head.end - from).unwrap_or(0)];
    let read = disk.read_at(&name, from, &mut bytes).map_err(StoreError::io("reading", &name))?;
    bytes.truncate(read);
    let step = || {
        disk.write_at(&name, from, &bytes)?;
        disk.sync_data(&name)?;
        disk.sync_dir("journal")
    };
    match step() {
        // Over existing blocks this needs no room except on file systems that copy on write; there the old bytes stay.
        Err(error) if is_full(&error) => Ok(()),
        other => other.map_err(|error| fatal("writing again", &name, &error)),
    }
}

/// Length of a journal file; 0 if it is not there.
pub fn len(disk: &dyn Disk, number: u64) -> Result<u64, StoreError> {
    let name = journal::file_name(number);
    Ok(disk.len(&name).map_err(StoreError::io("measuring", &name))?.unwrap_or(0))
}

/// Bytes of all journal files.
pub fn bytes_all(disk: &dyn Disk) -> Result<u64, StoreError> {
    journal::file_numbers(disk)?.into_iter().map(|number| len(disk, number)).sum()
}

/// Bytes of the journal up to and with a place; less than there are where compaction made the place's own file shorter.
pub fn bytes_before(disk: &dyn Disk, place: &Place) -> Result<u64, StoreError> {
    let files: u64 = journal::file_numbers(disk)?
        .into_iter()
        .filter(|number| *number < place.file)
        .map(|number| len(disk, number))
        .sum::<Result<_, _>>()?;
    Ok(files + place.end.min(len(disk, place.file)?))
}

fn end_of_journal(disk: &dyn Disk) -> Result<(String, u64), StoreError> {
    let last = journal::file_numbers(disk)?.last().copied().unwrap_or(1);
    Ok((journal::file_name(last), len(disk, last)?))
}
