//! Compaction: closed journal files are rewritten without what is dead, one at a time, while the store serves.
//!
//! A thread writes the successor ([`super::rewrite`]); between two batches it is put in its place by one synced rename, and only while nobody
//! reads files by name in another thread. It happens by itself when enough of a file is dead, looked for as the journal grows, and for the whole
//! journal in a *round* that somebody asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::{Damage, StoreError};
use super::index::Unusable;
use super::rewrite::{Job, Outcome, Watch, Weighed};
use super::{Store, recover};

/// A round that somebody waits for rests so much shorter than compaction by itself.
const ROUND_HASTE: u64 = 10;
/// Files looked at, at most, while the journal grows by the length of one.
const LOOKS_PER_FILE: u64 = 4;

/// What a round of compaction did so far, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Whether it only looks.
    pub dry: bool,
    /// Closed journal files there are.
    pub files: u64,
    /// Of these, looked at.
    pub seen: u64,
    /// Of these, rewritten; in a round that only looks, to be rewritten.
    pub rewritten: u64,
    /// Records reduced to their digests.
    pub records: u64,
    /// Length of all closed files before.
    pub before: u64,
    /// Length of all closed files after; in a round that only looks about so much.
    pub after: u64,
    /// Bytes missing on the disk to rewrite a file that stays.
    pub no_room: Option<u64>,
    /// Files that do not read and stay.
    pub damage: Vec<Damage>,
}

/// How far a round has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactProgress {
    /// Bytes looked at.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// A file is ready, and somebody reads the journal (a backup, an export): it waits for them.
    pub waiting: bool,
    /// Nothing is left to do.
    pub ended: bool,
    /// What was done.
    pub report: CompactReport,
}

/// A thread that rewrites a file. It holds the index open, so it is told to stop and waited for.
struct Working {
    number: u64,
    watch: Arc<Watch>,
    handle: Option<JoinHandle<Result<(Weighed, Outcome), StoreError>>>,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.watch.stop.store(true, Ordering::Relaxed);
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the thread that rewrites a journal file panicked");
        }
    }
}

/// A file that was dealt with: how it ended, or where it does not read.
type Dealt = (Weighed, Result<Outcome, Damage>);

/// A round over the whole journal.
struct Round {
    settling: bool,
    next: u64,
    /// Not this one and none after it.
    end: u64,
    progress: CompactProgress,
}

/// What is under way.
#[derive(Default)]
pub struct Compacting {
    working: Option<Working>,
    /// Written and synced, to be put in place.
    ready: Option<Weighed>,
    round: Option<Round>,
    /// The pages of the index were counted, and since then nothing was asked of them and nothing settled in them.
    pub counted: bool,
    /// Growth of the journal when a file was last looked at.
    looked_at: u64,
    /// Where looking goes on.
    next: u64,
}

impl Compacting {
    /// Ends what is under way; a successor that is not in its place is taken away at the next start.
    pub fn stop(&mut self) {
        self.working = None;
        self.round = None;
    }
}

impl Store {
    /// Begins a round: every closed journal file that holds something dead is rewritten, or with `dry` only looked at. Driven by
    /// [`Store::compact_step`]; one that was under way begins anew.
    ///
    /// # Errors
    /// [`StoreError::Fatal`].
    pub fn compact_begin(&mut self, dry: bool) -> Result<(), StoreError> {
        self.usable()?;
        if self.keyring.is_dirty() && !dry {
            // Copies of keys in the journal go once both files of the keyring hold them.
            match self.save_keyring() {
                Ok(()) | Err(StoreError::Full { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let report = CompactReport { dry, ..CompactReport::default() };
        let progress = CompactProgress { report, ..CompactProgress::default() };
        self.compacting.round = Some(Round { settling: true, next: 0, end: 0, progress });
        Ok(())
    }

    /// Takes a round a step on, without waiting for its threads, and says how far it is. To be called again and again until it has ended.
    ///
    /// # Errors
    /// [`StoreError::Fatal`].
    pub fn compact_step(&mut self) -> Result<CompactProgress, StoreError> {
        self.usable()?;
        let waits = !self.setting.options.background;
        self.finish_background(waits)?;
        let Some(mut round) = self.compacting.round.take() else {
            return Ok(CompactProgress { ended: true, ..CompactProgress::default() });
        };
        if round.settling && self.finish_earlier(waits)? {
            round.progress.waiting = self.compacting.ready.is_some();
            let progress = round.progress.clone();
            self.compacting.round = Some(round);
            return Ok(progress);
        }
        if round.settling {
            // What is recent decides over older files only once it is in the pages.
            if self.writing.0.is_none() {
                if round.end == 0 {
                    round.end = self.state.place.file;
                    self.begin_settling(false);
                    self.finish_background(waits)?;
                }
                round.settling = self.writing.0.is_some();
            }
            if !round.settling {
                self.plan(&mut round)?;
            }
        }
        loop {
            if let Some(done) = self.collect_rewritten(waits)? {
                round.take(done);
            }
            round.progress.waiting = self.compacting.ready.is_some();
            if round.settling || round.progress.waiting || self.compacting.working.is_some() {
                break;
            }
            if round.next >= round.end {
                round.progress.ended = true;
                round.progress.done = round.progress.total;
                return Ok(round.progress);
            }
            if !self.count_first(waits)? {
                break;
            }
            let pause = self.setting.options.compact_pause_ms / ROUND_HASTE;
            self.begin_rewriting(round.next, 0, round.progress.report.dry, pause)?;
            round.next += 1;
            if !waits {
                break;
            }
        }
        let mut progress = round.progress.clone();
        if let Some(working) = &self.compacting.working {
            // A file is read up to three times.
            progress.done = progress.total.min(progress.done + working.watch.done.load(Ordering::Relaxed) / 3);
        }
        self.compacting.round = Some(round);
        Ok(progress)
    }

    /// Whether a round is under way.
    pub fn is_compacting(&self) -> bool {
        self.compacting.round.is_some()
    }

    /// Ends a round after the file it is at; answers how far it was.
    pub fn compact_leave(&mut self) -> Option<CompactProgress> {
        self.compacting.round.take().map(|round| round.progress)
    }

    /// A file that was begun before the round is no matter of what it tells, and is in its place before anything is measured. Whether there is one still.
    fn finish_earlier(&mut self, wait: bool) -> Result<bool, StoreError> {
        self.collect_rewritten(wait)?;
        Ok(self.compacting.working.is_some() || self.compacting.ready.is_some())
    }

    fn plan(&self, round: &mut Round) -> Result<(), StoreError> {
        // Pages that stand in an earlier file leave what is behind them alone.
        let settled = self.index.pages().state().map_err(Unusable::fatal)?;
        round.end = settled.map_or(0, |state| state.place.file).min(round.end);
        round.next = 1;
        let mut total = 0;
        for number in 1..round.end {
            total += recover::len(&*self.setting.disk, number)?;
        }
        round.progress.total = total;
        let report = &mut round.progress.report;
        (report.files, report.before, report.after) = (round.end.saturating_sub(1), total, total);
        Ok(())
    }

    /// Looks at a file now and then as the journal grows, and rewrites it when enough of it is dead.
    pub(super) fn compact_by_itself(&mut self) -> Result<(), StoreError> {
        let options = self.setting.options;
        self.collect_by_the_way(false)?;
        let grown = self.journal.grown();
        let busy = self.compacting.working.is_some() || self.compacting.ready.is_some() || self.compacting.round.is_some();
        if options.compact_percent == 0 || busy || grown - self.compacting.looked_at < options.file_bytes / LOOKS_PER_FILE {
            return Ok(());
        }
        let closed = self.index.pages().state().map_err(Unusable::fatal)?.map_or(0, |state| state.place.file).saturating_sub(1);
        if closed > 0 && !self.count_first(!options.background)? {
            return Ok(());
        }
        self.compacting.looked_at = grown;
        if closed == 0 {
            return Ok(());
        }
        // Short runs must not look at the first files only.
        let number = if self.compacting.next == 0 { 1 + self.state.place.seq % closed } else { self.compacting.next };
        let number = if number > closed { 1 } else { number };
        self.compacting.next = number + 1;
        self.begin_rewriting(number, options.compact_percent, false, options.compact_pause_ms)?;
        self.collect_by_the_way(!options.background)
    }

    /// As [`Store::collect_rewritten`], when nobody asks: a round that is under way is told.
    fn collect_by_the_way(&mut self, wait: bool) -> Result<(), StoreError> {
        if let Some((weighed, outcome)) = self.collect_rewritten(wait)? {
            tracing::debug!(file = weighed.number, bytes = weighed.bytes, after = weighed.after, ?outcome, "a journal file was looked at");
            if let Some(round) = self.compacting.round.as_mut().filter(|round| !round.settling) {
                round.take((weighed, outcome));
            }
        }
        Ok(())
    }

    /// Whether the pages have just been counted; if not, a thread counts them. What is dead is asked of the index, which may lie: a page that is
    /// lost or as it once was stops the store before anything is thrown away for it.
    fn count_first(&mut self, wait: bool) -> Result<bool, StoreError> {
        if !self.compacting.counted && self.writing.0.is_none() {
            self.begin_counting();
            self.finish_background(wait)?;
        }
        Ok(self.compacting.counted)
    }

    fn begin_rewriting(&mut self, number: u64, least_percent: u64, dry: bool, pause_ms: u64) -> Result<(), StoreError> {
        let options = self.setting.options;
        let watch = Arc::new(Watch::default());
        self.compacting.counted = false;
        // On a full disk the room that rewriting takes comes back; otherwise other batches must not be refused meanwhile.
        let margin = match self.full {
            true => recover::START_BYTES,
            false => options.low_water_bytes + options.reserve_bytes.saturating_sub(self.reserve),
        };
        let job = Job {
            disk: self.setting.disk.clone(),
            keys: self.journal.keys().clone(),
            pages: self.index.pages().clone(),
            rows: self.index.keys().clone(),
            number,
            kept: self.keyring.kept(),
            purged: self.keyring.purged(),
            least_percent,
            dry,
            margin,
            pause: Duration::from_millis(pause_ms),
            watch: watch.clone(),
        };
        let handle = std::thread::Builder::new().name("compaction".to_owned()).spawn(move || job.run());
        let handle = handle.map_err(StoreError::io("starting a thread for", "journal"))?;
        self.compacting.working = Some(Working { number, watch, handle: Some(handle) });
        Ok(())
    }

    /// Takes over what the thread has done, if there is one and it is through (or `wait`), and puts a file that is ready in its place if nobody
    /// reads. Answers a file once it is dealt with.
    fn collect_rewritten(&mut self, wait: bool) -> Result<Option<Dealt>, StoreError> {
        let working = self.compacting.working.take_if(|working| wait || working.handle.as_ref().is_none_or(JoinHandle::is_finished));
        if let Some(mut working) = working {
            let number = working.number;
            let panicked = || StoreError::Fatal("rewriting a journal file: panicked".to_owned());
            let done = working.handle.take().ok_or_else(panicked)?.join().unwrap_or_else(|_| Err(panicked()));
            match done {
                Ok((weighed, Outcome::Written)) => self.compacting.ready = Some(weighed),
                Ok((weighed, outcome)) => return Ok(Some((weighed, Ok(outcome)))),
                Err(StoreError::Fatal(reason)) => return self.note_failure(Err(StoreError::Fatal(reason))),
                // It stays as it is. Whoever needs what does not read there hears of it then; `store verify` does now.
                Err(error) => {
                    let name = super::journal::file_name(number);
                    tracing::error!(%error, "a journal file is not rewritten; run `accord store verify`");
                    let damage = match error {
                        StoreError::Damaged(damage) => damage,
                        error => Damage { file: name, offset: 0, what: error.to_string() },
                    };
                    return Ok(Some((Weighed { number, ..Weighed::default() }, Err(damage))));
                }
            }
        }
        let Some(weighed) = self.compacting.ready.take_if(|_| !self.journal.is_read()) else { return Ok(None) };
        let replaced = self.journal.replace(weighed.number);
        self.note_failure(replaced)?;
        tracing::info!(
            file = weighed.number,
            before = weighed.bytes,
            after = weighed.after,
            "a journal file was rewritten without what is dead"
        );
        Ok(Some((weighed, Ok(Outcome::Written))))
    }
}

impl Round {
    fn take(&mut self, (weighed, outcome): Dealt) {
        let CompactProgress { done, total, report, .. } = &mut self.progress;
        *done = (*done + weighed.bytes).min(*total);
        report.seen += 1;
        let goes = match outcome {
            Ok(Outcome::Written) => true,
            Ok(Outcome::Stays) => report.dry && weighed.dead > 0,
            Ok(Outcome::NoRoom) => {
                report.no_room = report.no_room.max(Some(weighed.after));
                false
            }
            Ok(Outcome::Stopped) => false,
            Err(damage) => {
                report.damage.push(damage);
                false
            }
        };
        if goes {
            report.rewritten += 1;
            report.records += weighed.dead;
            report.after = (report.after + weighed.after).saturating_sub(weighed.bytes);
        }
    }
}
