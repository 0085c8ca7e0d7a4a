//! Repair: what is whole stays, what is not is set aside and named, never dropped in silence.
//!
//! A damaged journal file is written anew from its whole frames; where batches are missing a *gap* frame says so under the store's key and
//! states the chain for what follows. The file as it was found stays beside it as `.damaged`. Each file is replaced in one step, so a
//! repair that is interrupted is simply run again; from the first replacement until then the file `repairing` keeps the store from starting,
//! because a journal that is whole again says no more that something was lost. A repair that ends before it replaced anything leaves the store
//! as it was. When something was lost, the rows `restored` and `index` of the local table say so.

use super::batch::{Draft, Record};
use super::checkpoint;
use super::cipher::{Random, StoreKey};
use super::disk::Disk;
use super::error::{Damage, StoreError, is_full};
use super::frame::{self, Header};
use super::journal::{self, FileReader, JournalKeys, TornTail};
use super::keyring::Keyring;
use super::marks;
use super::options::{OpenReport, Progress, Setting};
use super::place::Place;
use super::survey::{self, FileSurvey, LostPart, Part, Run, VerifyReport};
use super::{inventory, pages, recover};

/// There from the first step of a repair that may hide a loss until the loss is on record.
const UNDER_WAY: &str = "repairing";
/// What a file without content takes on a disk, at most.
const MARK_BYTES: u64 = 4 << 10;

/// Whether a repair was begun here and not finished.
///
/// # Errors
/// [`StoreError::Io`].
pub fn is_under_way(disk: &dyn Disk) -> Result<bool, StoreError> {
    Ok(disk.len(UNDER_WAY).map_err(StoreError::io("looking for", UNDER_WAY))?.is_some())
}

/// Says durably that what follows may hide a loss that is not on record yet.
fn mark_under_way(disk: &dyn Disk) -> Result<(), StoreError> {
    if is_under_way(disk)? {
        return Ok(());
    }
    disk.create(UNDER_WAY).map_err(StoreError::io("making", UNDER_WAY))?;
    disk.sync_dir("").map_err(|error| {
        // Nothing is hidden yet, so nothing may keep the store from starting.
        let _ = disk.remove(UNDER_WAY);
        StoreError::io("making", UNDER_WAY)(error)
    })
}

/// A write that found no room says so, and how much there should have been: the disk did not fail.
fn no_room(disk: &dyn Disk, needed: u64) -> impl Fn(StoreError) -> StoreError {
    move |error| match error {
        StoreError::Io { source, .. } if is_full(&source) => StoreError::Full { free: disk.free_space().unwrap_or(0), needed },
        error => error,
    }
}

/// The damage that an unfinished repair is.
fn cut_short(disk: &dyn Disk) -> Result<Option<Damage>, StoreError> {
    let what = "a repair was begun and not finished".to_owned();
    Ok(is_under_way(disk)?.then(|| Damage { file: UNDER_WAY.to_owned(), offset: 0, what }))
}

/// Batches that no longer exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostBatches {
    /// First lost batch.
    pub first: u64,
    /// Last lost batch.
    pub last: u64,
    /// Items lost with them have sequences above this.
    pub items_after: u64,
    /// And up to this one; `None` when the end of the journal is lost, so that later sequences may have been given out too.
    pub items_up_to: Option<u64>,
}

/// What a repair did.
#[derive(Clone, Debug)]
pub struct RepairReport {
    /// What was wrong.
    pub damage: Vec<Damage>,
    /// Batches that are gone.
    pub lost_batches: Vec<LostBatches>,
    /// Parts that are gone out of batches that are not.
    pub lost_parts: Vec<LostPart>,
    /// Copies of files as they were found, inside the store folder.
    pub set_aside: Vec<String>,
    /// What opening found afterwards.
    pub open: OpenReport,
}

struct Closed {
    keys: JournalKeys,
    keyring: Keyring,
    witness: u64,
    lock: super::LockGuard,
}

fn enter(setting: &Setting, key: &StoreKey) -> Result<Closed, StoreError> {
    let disk = &*setting.disk;
    if disk.list("").map_err(StoreError::io("listing", ""))?.is_empty() {
        return Err(StoreError::NotFound { dir: setting.dir.clone() });
    }
    disk.check_modes()?;
    let lock = disk.lock(marks::LOCK)?;
    let keyring = Keyring::load(disk, key)?.ok_or_else(|| StoreError::damaged("keyring", 0, "keyring missing"))?;
    let witness = marks::witness(disk, &marks::key(key, &keyring.store));
    Ok(Closed { keys: JournalKeys::derive(key, keyring.store), keyring, witness, lock })
}

/// Reads every byte of a closed store.
pub fn verify(setting: &Setting, key: &StoreKey, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
    let mut closed = enter(setting, key)?;
    let mut damage = Keyring::damage(&*setting.disk, key)?;
    damage.extend(cut_short(&*setting.disk)?);
    let survey = survey::take(&*setting.disk, &closed.keys, &mut closed.keyring, closed.witness, progress)?;
    let mut report = survey.report;
    damage.append(&mut report.damage);
    report.damage = damage;
    Ok(report)
}

/// Repairs a closed store.
pub fn repair(setting: &Setting, key: &StoreKey, progress: &mut dyn FnMut(Progress)) -> Result<RepairReport, StoreError> {
    let disk = &*setting.disk;
    let Closed { keys, mut keyring, witness, lock } = enter(setting, key)?;
    let mut damage = Keyring::damage(disk, key)?;
    // Left by a repair that was cut short: the journal may be in order again, and yet something may have been lost already.
    let interrupted = cut_short(disk)?;
    damage.extend(interrupted.clone());
    let through = keyring.through.seq;
    let survey = survey::take(disk, &keys, &mut keyring, witness, progress)?;
    damage.extend(survey.report.damage.iter().cloned());
    let mut rewriting = Rewriting {
        disk,
        keys: &keys,
        random: Random::default(),
        seq: 0,
        chain: journal::beginning(&keys).chain,
        items: 0,
        lost: Vec::new(),
        set_aside: Vec::new(),
    };
    let last = survey.files.len();
    for (position, file) in survey.files.iter().enumerate() {
        let end = (position + 1 == last).then(|| witness.max(through)).filter(|known| *known > survey.seq);
        rewriting.file(file, survey.files.get(position + 1), end, survey.torn.as_ref())?;
    }
    let Rewriting { lost, set_aside, mut random, seq, chain, .. } = rewriting;
    // Frames moved, so every place noted elsewhere is void: the index, its checkpoints, and where the keyring ends.
    pages::discard(&setting.index, false)?;
    marks::remove_clean(disk)?;
    for name in [checkpoint::FILE, checkpoint::NEXT] {
        if disk.len(name).map_err(StoreError::io("measuring", name))?.is_some() {
            disk.remove(name).map_err(StoreError::io("removing", name))?;
        }
    }
    inventory::remove_all(disk, None);
    let place = last_place(disk, &keys, seq, chain)?;
    keyring.save(disk, place, &mut random)?;
    drop(lock);
    let (mut store, open) = recover::open(setting.clone(), key, recover::Mode::Restate, progress)?;
    let lost_parts: Vec<LostPart> = survey.lost.into_iter().map(|(part, _)| part).collect();
    if !lost_parts.is_empty() {
        // Once they are stated as lost, nothing looks for them any more.
        mark_under_way(disk).map_err(no_room(disk, MARK_BYTES))?;
    }
    store.restate(&lost_parts)?;
    if interrupted.is_some() || !lost.is_empty() || !lost_parts.is_empty() {
        store.mark_restored()?;
    }
    store.close()?;
    if is_under_way(disk)? {
        let remove = || setting.disk.remove(UNDER_WAY).and_then(|()| setting.disk.sync_dir(""));
        remove().map_err(StoreError::io("removing", UNDER_WAY))?;
    }
    Ok(RepairReport { damage, lost_batches: lost, lost_parts, set_aside, open })
}

/// Where the last whole frame stands now.
fn last_place(disk: &dyn Disk, keys: &JournalKeys, seq: u64, chain: [u8; 32]) -> Result<Place, StoreError> {
    let end = journal::scan(disk, keys, journal::beginning(keys), &mut |_| Ok(true))?.head;
    if (end.seq, end.chain) == (seq, chain) {
        Ok(end)
    } else {
        Err(StoreError::damaged(&journal::file_name(end.file), end.end, "the repaired journal does not read back; the disk is failing"))
    }
}

struct Rewriting<'a> {
    disk: &'a dyn Disk,
    keys: &'a JournalKeys,
    random: Random,
    seq: u64,
    chain: [u8; 32],
    items: u64,
    lost: Vec<LostBatches>,
    set_aside: Vec<String>,
}

impl Rewriting<'_> {
    /// Brings one file into order. `end`: the last batch known to have been acknowledged, if the journal no longer reaches it.
    fn file(&mut self, file: &FileSurvey, next: Option<&FileSurvey>, end: Option<u64>, torn: Option<&TornTail>) -> Result<(), StoreError> {
        let name = journal::file_name(file.number);
        let torn = torn.is_some_and(|torn| torn.file == file.number);
        let continues = file.whole_header && file.continues == Some((self.seq + 1, self.chain));
        let whole = |part: &Part| matches!(part, Part::Frames(_));
        let parts = match file.parts.split_last() {
            // A torn tail is not ours to judge: the next start cuts it off.
            Some((Part::Bad, rest)) if torn => rest,
            _ => &file.parts[..],
        };
        if end.is_none() && continues && !file.bad_table && parts.len() <= 1 && parts.iter().all(whole)
            || (torn && file.parts.len() == 1 && parts.is_empty() && !continues)
        {
            parts.iter().for_each(|part| self.pass(part));
            return Ok(());
        }
        let repaired = format!("{name}.repaired");
        let asides = self.set_aside.len();
        let written = self.write(file, parts, next, end, &repaired);
        let made =
            written.and_then(|()| if file.present { self.keep_aside(&name) } else { Ok(()) }).and_then(|()| mark_under_way(self.disk));
        if let Err(error) = made {
            // What was made so far takes room that is wanted, and says nothing that the file does not say.
            for made in self.set_aside.drain(asides..).chain([repaired]) {
                if let Err(error) = self.disk.remove_if_there(&made) {
                    tracing::warn!(file = made, %error, "a half-made file of a repair stays; the next repair deals with it");
                }
            }
            let twice = self.len(&name)?.unwrap_or(0).saturating_mul(2);
            return Err(no_room(self.disk, twice)(error));
        }
        let put = || {
            self.disk.rename(&repaired, &name)?;
            self.disk.sync_dir("journal")
        };
        put().map_err(|error| {
            // There only if it did not come into place.
            let _ = self.disk.remove_if_there(&repaired);
            no_room(self.disk, MARK_BYTES)(StoreError::io("putting in place", &name)(error))
        })
    }

    /// Writes what is whole of a file, with what is missing said, to `repaired`.
    fn write(
        &mut self,
        file: &FileSurvey,
        parts: &[Part],
        next: Option<&FileSurvey>,
        end: Option<u64>,
        repaired: &str,
    ) -> Result<(), StoreError> {
        let name = journal::file_name(file.number);
        if self.len(repaired)?.is_some() {
            self.disk.remove(repaired).map_err(StoreError::io("removing", repaired))?;
        }
        let writing = |error| StoreError::io("writing", repaired)(error);
        self.disk.create(repaired).map_err(writing)?;
        let version = if file.rewritten { frame::REWRITTEN_VERSION } else { frame::JOURNAL_VERSION };
        let header = Header { version, store: self.keys.store, file: file.number, first: self.seq + 1, chain: self.chain };
        let header = header.encode(&self.keys.header);
        self.disk.append(repaired, &header).map_err(writing)?;
        for part in parts {
            let Some(run) = part.run() else { continue };
            if (run.first, run.before) != (self.seq + 1, self.chain) {
                self.gap(repaired, run.first - 1, run.before, Some(run.items_before))?;
            }
            self.copy(&name, repaired, run, !matches!(part, Part::Frames(_)))?;
            self.pass(part);
        }
        // Where the next file is whole, what is missing before it is said here, so that it stays as it is.
        if let Some((first, chain)) = next.and_then(|next| next.continues)
            && first > self.seq
            && (first, chain) != (self.seq + 1, self.chain)
        {
            let items = next.and_then(|next| next.parts.iter().find_map(Part::run)).map(|run| run.items_before);
            self.gap(repaired, first - 1, chain, items)?;
        }
        if let Some(end) = end {
            let after = blake3::derive_key("accord store v1 chain after a lost end", &self.chain);
            self.gap(repaired, end, after, None)?;
        }
        if file.rewritten {
            // Frames say themselves where they stood; lost ones have no place any more.
            let mut whole = FileReader::named(self.disk, repaired)?;
            let len = whole.len();
            journal::stretches(&mut whole, self.keys, len)?.append(self.disk, repaired, &header, &self.keys.table, &mut self.random)?;
        }
        self.disk.sync_data(repaired).map_err(StoreError::io("syncing", repaired))
    }

    fn pass(&mut self, part: &Part) {
        if let Some(run) = part.run() {
            (self.seq, self.chain, self.items) = (run.last, run.after, run.items_after);
        }
    }

    fn gap(&mut self, into: &str, to: u64, after: [u8; 32], items_up_to: Option<u64>) -> Result<(), StoreError> {
        let from = self.seq + 1;
        let mut draft = Draft::new(to, self.chain);
        draft.push(Record::Gap { from, to }, &mut self.random)?;
        let (plain, blobs) = draft.finish(self.items, &after);
        let bytes = frame::seal(&self.keys.frame, to, self.random.take()?, &plain, blobs);
        self.disk.append(into, &bytes).map_err(StoreError::io("writing", into))?;
        if to >= from {
            self.lost.push(LostBatches { first: from, last: to, items_after: self.items, items_up_to });
        }
        (self.seq, self.chain) = (to, after);
        Ok(())
    }

    fn copy(&self, from: &str, into: &str, run: &Run, recheck: bool) -> Result<(), StoreError> {
        let mut at = run.start;
        while at < run.end {
            // A frame to be checked anew is copied in one piece; it is at most `FRAME_MAX` long.
            let size = if recheck { run.end - at } else { (run.end - at).min(1 << 20) };
            let mut bytes = vec![0; size as usize];
            let read = self.disk.read_at(from, at, &mut bytes).map_err(StoreError::io("reading", from))?;
            if read < bytes.len() {
                return Err(StoreError::damaged(from, at, "the file changed while it was repaired"));
            }
            if recheck {
                frame::recheck(&mut bytes);
            }
            self.disk.append(into, &bytes).map_err(StoreError::io("writing", into))?;
            at += size;
        }
        Ok(())
    }

    fn keep_aside(&mut self, name: &str) -> Result<(), StoreError> {
        let mut aside = format!("{name}.damaged");
        let mut number = 1;
        while self.len(&aside)?.is_some() {
            number += 1;
            aside = format!("{name}.damaged.{number}");
        }
        let len = self.len(name)?.unwrap_or(0);
        self.disk.create(&aside).map_err(StoreError::io("making", &aside))?;
        self.set_aside.push(aside.clone());
        let mut at = 0;
        while at < len {
            let mut bytes = vec![0; (len - at).min(1 << 20) as usize];
            let read = self.disk.read_at(name, at, &mut bytes).map_err(StoreError::io("reading", name))?;
            self.disk.append(&aside, &bytes[..read]).map_err(StoreError::io("writing", &aside))?;
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        self.disk.sync_data(&aside).map_err(StoreError::io("syncing", &aside))
    }

    fn len(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.disk.len(name).map_err(StoreError::io("measuring", name))
    }
}
