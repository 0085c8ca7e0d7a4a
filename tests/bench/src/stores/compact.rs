//! `compact`: every second document is destroyed and the room taken back, by ours while batches go on, by redb and SQLite while nothing else does.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use accord_node::store::{Options, Store, StoreKey};

use super::{BYTES, Kept, Ours, PER_BATCH, ROWS, Redb, Sqlite, VALUES, key, tree_bytes};
use crate::figures::p50_p99;
use crate::machine::processor_s;
use crate::report::{Figures, Report};
use crate::{Failed, Plan, seconds};

/// What is dead is one document in so many.
const ONE_IN: usize = 2;

/// A store that can destroy documents and take their room back.
trait Squeezed: Kept {
    /// Destroys documents; durable on return.
    fn destroy(&mut self, documents: &[usize]) -> Result<(), Failed>;
    /// Takes the room of what is dead back. `meanwhile` is called as often as the store serves on the way. Milliseconds of the longest time in which it
    /// does not.
    fn squeeze(&mut self, meanwhile: &mut dyn FnMut(&mut Self) -> Result<(), Failed>) -> Result<f64, Failed>;
    /// Opens a store that takes nothing back by itself, in files that are closed after some thousand of `documents`.
    fn open_to_fill(dir: &Path, _documents: usize) -> Result<Self, Failed> {
        Self::open(dir)
    }
}

/// Between two batches while room is taken back, and between those they are compared with: as a busy bureau writes, not as fast as it can.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 20 });
/// Batches they are compared with.
const COMPARED: usize = 100;

/// Measures.
///
/// # Errors
/// When a store fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(20_000, 100).next_multiple_of(PER_BATCH);
    let mut report = Report::new("compact", documents);
    report.say(format!(
        "{documents} documents of {VALUES} values of {BYTES} B; one in {ONE_IN} is destroyed (ours: its key), then the room is taken back."
    ));
    report.say("Ours serves meanwhile: batches of another 5 documents go on, one commit every 20 ms; p50_ms and p99_ms of 100 such before, and _during. It rests on purpose: seconds is not what it works. Writers of redb (compact) and SQLite (VACUUM) wait for all of their seconds. stand_ms: the longest time in which nobody writes.");
    report.say("disk_before and disk_after: all files by the bytes of the values that live. bare: the closed journal files as they are afterwards, read and written once more, fdatasynced.");
    for _ in 0..plan.repeats(3) {
        report.runs += 1;
        let dir = plan.folder()?;
        let mut ours = Figures::default();
        exercise::<Ours>(&dir.path().join("ours"), documents, &mut ours)?;
        let bare = copied(&dir.path().join("ours"), &dir.path().join("bare"))?;
        report.limits.note("bare_seconds", bare);
        report.ratios.note("cpu_seconds_vs_bare", ours.median("cpu_seconds").unwrap_or(f64::NAN) / bare);
        report.ratios.note("seconds_vs_bare", ours.median("seconds").unwrap_or(f64::NAN) / bare);
        report
            .ratios
            .note("p50_during_vs_before", ours.median("p50_ms_during").unwrap_or(f64::NAN) / ours.median("p50_ms").unwrap_or(f64::NAN));
        report
            .ratios
            .note("p99_during_vs_before", ours.median("p99_ms_during").unwrap_or(f64::NAN) / ours.median("p99_ms").unwrap_or(f64::NAN));
        let mut peer = |name: &str, exercise: fn(&Path, usize, &mut Figures) -> Result<(), Failed>| -> Result<(), Failed> {
            let place = dir.path().join(name);
            let mut figures = Figures::default();
            exercise(&place, documents, &mut figures)?;
            std::fs::remove_dir_all(&place)?;
            let of = |figures: &Figures| figures.median("stand_ms").unwrap_or(f64::NAN);
            report.ratios.note(&format!("stand_vs_{name}"), of(&ours) / of(&figures));
            report.peer(name).take(&figures);
            Ok(())
        };
        peer("redb", exercise::<Redb>)?;
        peer("sqlite_wal_full", exercise::<Sqlite>)?;
        report.ours.take(&ours);
    }
    Ok(report)
}

fn exercise<K: Squeezed>(dir: &Path, documents: usize, figures: &mut Figures) -> Result<(), Failed> {
    std::fs::create_dir_all(dir)?;
    let mut kept = K::open_to_fill(dir, documents)?;
    let mut next = 0;
    let mut write = |kept: &mut K, millis: &mut Vec<f64>| -> Result<(), Failed> {
        let begun = Instant::now();
        kept.batch(next)?;
        next += PER_BATCH;
        millis.push(seconds(begun) * 1e3);
        Ok(())
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for _ in 0..documents / PER_BATCH {
        write(&mut kept, &mut Vec::new())?;
    }
    let dead: Vec<usize> = (0..documents).step_by(ONE_IN).collect();
    kept.destroy(&dead)?;
    for _ in 0..COMPARED.min(documents) {
        write(&mut kept, &mut before)?;
        std::thread::sleep(PAUSE);
    }
    let alive = |batches: usize| ((documents - dead.len() + batches * PER_BATCH) * VALUES * BYTES) as f64;
    figures.note("disk_before", tree_bytes(dir)? as f64 / alive(before.len()));
    let (begun, worked) = (Instant::now(), processor_s(std::process::id()));
    let stand = kept.squeeze(&mut |kept| write(kept, &mut during))?;
    figures.note("seconds", seconds(begun));
    figures.note("stand_ms", during.iter().copied().fold(stand, f64::max));
    figures.note("cpu_seconds", processor_s(std::process::id()) - worked);
    for (document, expected) in [(0, 0), (1, VALUES * BYTES), (documents - 2, 0), (documents - 1, VALUES * BYTES)] {
        let read = kept.read(document)?;
        // Which of the last two is dead depends on how many there are.
        let expected = if documents % 2 == 1 && document + 2 >= documents { VALUES * BYTES - expected } else { expected };
        if read != expected {
            return Err(format!("{read} bytes of document {document}").into());
        }
    }
    kept.close()?;
    figures.note("disk_after", tree_bytes(dir)? as f64 / alive(before.len() + during.len()));
    let mut latency = |when: &str, millis: Vec<f64>| {
        if !millis.is_empty() {
            figures.note(&format!("batches{when}"), millis.len() as f64);
            let (half, most) = p50_p99(millis);
            figures.note(&format!("p50_ms{when}"), half);
            figures.note(&format!("p99_ms{when}"), most);
        }
    };
    latency("", before);
    latency("_during", during);
    Ok(())
}

/// Seconds it takes to read the closed journal files of a store and to write them once more, durably.
fn copied(from: &Path, to: &Path) -> Result<f64, Failed> {
    let mut files =
        std::fs::read_dir(from.join("s").join("journal"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Failed>>()?;
    files.sort();
    files.pop();
    let begun = Instant::now();
    let mut out = std::fs::File::create(to)?;
    for file in files {
        out.write_all(&std::fs::read(file)?)?;
    }
    out.sync_data()?;
    let taken = seconds(begun);
    std::fs::remove_file(to)?;
    Ok(taken)
}

impl Squeezed for Ours {
    fn destroy(&mut self, documents: &[usize]) -> Result<(), Failed> {
        let ids: Vec<_> = documents.iter().map(|document| Self::id(*document)).collect();
        Ok(self.store.purge_documents(&ids)?)
    }
    fn squeeze(&mut self, meanwhile: &mut dyn FnMut(&mut Self) -> Result<(), Failed>) -> Result<f64, Failed> {
        let begun = Instant::now();
        self.store.compact_begin(false)?;
        let mut stand = seconds(begun);
        loop {
            let begun = Instant::now();
            let progress = self.store.compact_step()?;
            stand = stand.max(seconds(begun));
            let report = progress.report;
            if progress.ended {
                return match (report.damage.as_slice(), report.no_room, report.rewritten) {
                    ([], None, 1..) => Ok(stand * 1e3),
                    _ => Err(format!("nothing was taken back: {report:?}").into()),
                };
            }
            meanwhile(self)?;
            std::thread::sleep(PAUSE);
        }
    }
    fn open_to_fill(dir: &Path, documents: usize) -> Result<Self, Failed> {
        // As a daemon's, but that few documents close a file too.
        let usual = Options::default();
        let file_bytes = usual.file_bytes.min((documents * VALUES * BYTES) as u64 / 3);
        let options = Options { compact_percent: 0, file_bytes, ..usual };
        Ok(Self { store: Store::create_with(&dir.join("s"), &StoreKey::new([7; 32]), &options)? })
    }
}

impl Squeezed for Redb {
    fn destroy(&mut self, documents: &[usize]) -> Result<(), Failed> {
        let write = self.db.begin_write()?;
        {
            let mut table = write.open_table(ROWS)?;
            for document in documents {
                for at in 0..VALUES {
                    table.remove(key(*document, at).as_slice())?;
                }
            }
        }
        Ok(write.commit()?)
    }
    fn squeeze(&mut self, _: &mut dyn FnMut(&mut Self) -> Result<(), Failed>) -> Result<f64, Failed> {
        let begun = Instant::now();
        // Until it finds nothing more.
        while self.db.compact()? {}
        Ok(seconds(begun) * 1e3)
    }
}

impl Squeezed for Sqlite {
    fn destroy(&mut self, documents: &[usize]) -> Result<(), Failed> {
        let write = self.db.transaction()?;
        {
            let mut delete = write.prepare_cached("DELETE FROM rows WHERE key >= ?1 AND key < ?2")?;
            for document in documents {
                delete.execute((key(*document, 0).as_slice(), key(*document, VALUES).as_slice()))?;
            }
        }
        Ok(write.commit()?)
    }
    fn squeeze(&mut self, _: &mut dyn FnMut(&mut Self) -> Result<(), Failed>) -> Result<f64, Failed> {
        let begun = Instant::now();
        self.db.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(seconds(begun) * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_destroyed_is_there_afterwards_in_every_store() {
        fn check<K: Squeezed>(documents: usize) {
            let dir = tempfile::tempdir().expect("a folder");
            exercise::<K>(dir.path(), documents, &mut Figures::default()).expect("every read finds what lives");
        }
        for documents in [PER_BATCH * 8, PER_BATCH * 9] {
            check::<Ours>(documents);
            check::<Redb>(documents);
            check::<Sqlite>(documents);
        }
    }
}
