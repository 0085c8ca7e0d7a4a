//! `store`: durable batches, random reads and reopening of our store, beside a bare append log, sled, redb and SQLite on the same disk.

pub mod compact;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use accord_node::store::{Store, StoreKey};
use accord_protocol::id::DocumentId;
use accord_protocol::step::Write;

use crate::figures::p50_p99;
use crate::report::{Figures, Report};
use crate::{Failed, Plan, seconds};

/// Values of one document: written in one batch with those of [`PER_BATCH`] documents.
const VALUES: usize = 20;
/// Documents in one durable batch: 100 values.
const PER_BATCH: usize = 5;
/// Bytes of a value.
const BYTES: usize = 500;
/// Documents read, whole, in no order.
const READS: usize = 10_000;

const ROWS: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("rows");

/// A store under measurement.
trait Kept: Sized {
    fn open(dir: &Path) -> Result<Self, Failed>;
    /// Writes the documents `first..` of one batch; durable on return.
    fn batch(&mut self, first: usize) -> Result<(), Failed>;
    /// Reads a document; bytes found.
    fn read(&mut self, document: usize) -> Result<usize, Failed>;
    fn close(self) -> Result<(), Failed>;
}

/// Measures.
///
/// # Errors
/// When a store fails.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(10_000, 50).next_multiple_of(PER_BATCH);
    let mut report = Report::new("store", documents);
    report.say(format!(
        "{} durable batches of {} values of {BYTES} B, one commit each: {PER_BATCH} documents of {VALUES} values.",
        documents / PER_BATCH,
        PER_BATCH * VALUES
    ));
    report.say("Ours encrypts every value under its document's key and keeps the index. sled: apply_batch, flush, fdatasync of its file. redb: one transaction, immediate durability. SQLite: WAL, synchronous FULL, one transaction.");
    report.say(format!("read: one of {READS} documents at random, its {VALUES} values. bare: the bytes that our journal grew by, per batch, appended and fdatasynced."));
    report.say("reopen: after a clean stop. reopen_killed: a process that wrote as many documents was killed (SIGKILL). reopen_power_loss: then also every file of the index is cut in half (its bytes were never synced) and the boot is another. disk_vs_live: all files by the bytes of the values; journal_vs_live: without the index.");
    for _ in 0..plan.repeats(3) {
        report.runs += 1;
        let dir = plan.folder()?;
        let mut ours = Figures::default();
        exercise::<Ours>(&dir.path().join("ours"), documents, &mut ours)?;
        let journal = crate::county::journal_bytes(&dir.path().join("ours").join("s").join("journal"))?;
        let each = usize::try_from(journal)? / (documents / PER_BATCH);
        ours.note("journal_vs_live", journal as f64 / (documents * VALUES * BYTES) as f64);
        killed(&dir.path().join("killed"), documents, &mut ours)?;
        let micros = crate::limits::durable_appends(dir.path(), each, documents / PER_BATCH)?;
        let bare = micros.len() as f64 / (micros.iter().sum::<f64>() / 1e6);
        let (half, most) = p50_p99(micros);
        report.limits.note("bare_batches_per_s", bare);
        report.limits.note("bare_p50_ms", half / 1e3);
        report.limits.note("bare_p99_ms", most / 1e3);
        report.ratios.note("p50_vs_bare", ours.median("p50_ms").unwrap_or(0.0) / (half / 1e3));
        report.limits.note("journal_bytes_per_batch", each as f64);
        let rate = ours.median("batches_per_s").unwrap_or(0.0);
        report.ratios.note("batches_per_s_vs_bare", rate / bare);
        report.ratios.note("disk_vs_live", ours.median("disk_vs_live").unwrap_or(0.0));
        let mut peer = |name: &str, exercise: fn(&Path, usize, &mut Figures) -> Result<(), Failed>| -> Result<(), Failed> {
            let place = dir.path().join(name);
            let mut figures = Figures::default();
            exercise(&place, documents, &mut figures)?;
            std::fs::remove_dir_all(&place)?;
            report.ratios.note(&format!("batches_per_s_vs_{name}"), rate / figures.median("batches_per_s").unwrap_or(f64::NAN));
            report.peer(name).take(&figures);
            Ok(())
        };
        peer("sled_fdatasync", exercise::<Sled>)?;
        peer("redb", exercise::<Redb>)?;
        peer("sqlite_wal_full", exercise::<Sqlite>)?;
        report.ours.take(&ours);
    }
    Ok(report)
}

/// What the hidden command `fill-store DIR DOCUMENTS` does: writes, says so, and waits for its end.
///
/// # Errors
/// When the disk fails.
pub fn run_fill(dir: &str, documents: &str) -> Result<(), Failed> {
    let mut ours = Ours::open(Path::new(dir))?;
    for first in (0..documents.parse()?).step_by(PER_BATCH) {
        ours.batch(first)?;
    }
    crate::say("filled")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

/// A child fills a store and is killed; what opening it costs then, and once more after a power loss.
fn killed(dir: &Path, documents: usize, figures: &mut Figures) -> Result<(), Failed> {
    std::fs::create_dir_all(dir)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("fill-store").arg(dir).arg(documents.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut said)?;
    child.kill()?;
    child.wait()?;
    if said.trim() != "filled" {
        return Err("the child ended before it had written everything".into());
    }
    let mut open = |what: &str| -> Result<(), Failed> {
        let begun = Instant::now();
        let mut ours = Ours::open(dir)?;
        figures.note(what, seconds(begun) * 1e3);
        for document in (0..documents).step_by(997).chain([documents - 1]) {
            if ours.read(document)? != VALUES * BYTES {
                return Err(format!("document {document} was lost").into());
            }
        }
        Ok(())
    };
    open("reopen_killed_ms")?;
    let place = dir.join("s");
    for entry in std::fs::read_dir(place.join("index"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::options().write(true).open(entry.path())?.set_len(entry.metadata()?.len() / 2)?;
        }
    }
    // The note of the boot under which the index was good was never synced either.
    File::options().write(true).open(place.join("lock"))?.set_len(0)?;
    open("reopen_power_loss_ms")?;
    Ok(std::fs::remove_dir_all(dir)?)
}

fn exercise<K: Kept>(dir: &Path, documents: usize, figures: &mut Figures) -> Result<(), Failed> {
    std::fs::create_dir_all(dir)?;
    let mut kept = K::open(dir)?;
    let mut millis = Vec::with_capacity(documents / PER_BATCH);
    for first in (0..documents).step_by(PER_BATCH) {
        let begun = Instant::now();
        kept.batch(first)?;
        millis.push(seconds(begun) * 1e3);
    }
    figures.note("batches_per_s", millis.len() as f64 / (millis.iter().sum::<f64>() / 1e3));
    let (half, most) = p50_p99(millis);
    figures.note("p50_ms", half);
    figures.note("p99_ms", most);
    kept.close()?;
    let begun = Instant::now();
    let mut kept = K::open(dir)?;
    figures.note("reopen_ms", seconds(begun) * 1e3);
    let mut micros = Vec::with_capacity(READS);
    for n in 0..READS.min(documents * 4) {
        // Knuth's multiplicative hash: in no order, the same for all.
        let document = (n.wrapping_mul(2_654_435_761) >> 5) % documents;
        let begun = Instant::now();
        let read = kept.read(document)?;
        micros.push(seconds(begun) * 1e6);
        if read != VALUES * BYTES {
            return Err(format!("{read} bytes of document {document}").into());
        }
    }
    let (half, most) = p50_p99(micros);
    figures.note("read_p50_us", half);
    figures.note("read_p99_us", most);
    kept.close()?;
    figures.note("disk_vs_live", tree_bytes(dir)? as f64 / (documents * VALUES * BYTES) as f64);
    Ok(())
}

/// Bytes the files take on the disk, blocks set aside without content left out.
fn tree_bytes(dir: &Path) -> Result<u64, Failed> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += match data.is_dir() {
            true => tree_bytes(&entry.path())?,
            // Ours keeps 64 MiB aside for a full disk: given up when needed, no bytes of anybody.
            false if entry.file_name() == "reserve" => 0,
            false => data.len(),
        };
    }
    Ok(bytes)
}

fn key(document: usize, value: usize) -> [u8; 16] {
    let mut key = [0; 16];
    // Documents come in no order, as ids do.
    key[..8].copy_from_slice(&(document as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&(value as u64).to_be_bytes());
    key
}

/// Bytes that do not compress.
fn value(document: usize, value: usize) -> Vec<u8> {
    let mut out = vec![0; BYTES];
    blake3::Hasher::new().update(&key(document, value)).finalize_xof().fill(&mut out);
    out
}

struct Ours {
    store: Store,
}

impl Ours {
    fn id(document: usize) -> DocumentId {
        let mut id = [7; 32];
        id[..16].copy_from_slice(&key(document, 0));
        DocumentId(id)
    }
}

impl Kept for Ours {
    fn open(dir: &Path) -> Result<Self, Failed> {
        let (place, key) = (dir.join("s"), StoreKey::new([7; 32]));
        let store = if place.exists() { Store::open(&place, &key, &mut |_| {})?.0 } else { Store::create(&place, &key)? };
        Ok(Self { store })
    }
    fn batch(&mut self, first: usize) -> Result<(), Failed> {
        let of = |document: usize| {
            (0..VALUES).map(move |at| Write::Item {
                document: Ours::id(document),
                seq: (document * VALUES + at + 1) as u64,
                body: value(document, at),
            })
        };
        Ok(self.store.commit(&(first..first + PER_BATCH).flat_map(of).collect::<Vec<_>>())?)
    }
    fn read(&mut self, document: usize) -> Result<usize, Failed> {
        Ok(self.store.items(&Self::id(document), 0)?.iter().map(|(_, body)| body.len()).sum())
    }
    fn close(self) -> Result<(), Failed> {
        Ok(self.store.close()?)
    }
}

struct Sled {
    db: sled::Db,
    file: File,
}

impl Kept for Sled {
    fn open(dir: &Path) -> Result<Self, Failed> {
        let config = sled::Config::new().path(dir.join("s")).flush_every_ms(None);
        // One just dropped gives its lock back from a thread of its own, a moment later.
        let mut tries = 0;
        let db = loop {
            match config.open() {
                Err(error) if tries < 200 && error.to_string().contains("acquire lock") => tries += 1,
                opened => break opened?,
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        Ok(Self { file: File::open(dir.join("s").join("db"))?, db })
    }
    fn batch(&mut self, first: usize) -> Result<(), Failed> {
        let mut batch = sled::Batch::default();
        for document in first..first + PER_BATCH {
            for at in 0..VALUES {
                batch.insert(&key(document, at), value(document, at));
            }
        }
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }
    fn read(&mut self, document: usize) -> Result<usize, Failed> {
        let rows = self.db.scan_prefix(&key(document, 0)[..8]);
        rows.map(|row| Ok(row?.1.len())).sum()
    }
    fn close(self) -> Result<(), Failed> {
        self.db.flush()?;
        Ok(())
    }
}

struct Redb {
    db: redb::Database,
}

impl Kept for Redb {
    fn open(dir: &Path) -> Result<Self, Failed> {
        Ok(Self { db: redb::Database::create(dir.join("s"))? })
    }
    fn batch(&mut self, first: usize) -> Result<(), Failed> {
        let write = self.db.begin_write()?;
        {
            let mut table = write.open_table(ROWS)?;
            for document in first..first + PER_BATCH {
                for at in 0..VALUES {
                    table.insert(key(document, at).as_slice(), value(document, at).as_slice())?;
                }
            }
        }
        Ok(write.commit()?)
    }
    fn read(&mut self, document: usize) -> Result<usize, Failed> {
        use redb::ReadableDatabase as _;
        let table = self.db.begin_read()?.open_table(ROWS)?;
        let (from, to) = (key(document, 0), key(document, VALUES));
        table.range(from.as_slice()..to.as_slice())?.map(|row| Ok(row?.1.value().len())).sum()
    }
    fn close(self) -> Result<(), Failed> {
        Ok(())
    }
}

struct Sqlite {
    db: rusqlite::Connection,
}

impl Kept for Sqlite {
    fn open(dir: &Path) -> Result<Self, Failed> {
        let db = rusqlite::Connection::open(dir.join("s"))?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
        )?;
        Ok(Self { db })
    }
    fn batch(&mut self, first: usize) -> Result<(), Failed> {
        let write = self.db.transaction()?;
        {
            let mut insert = write.prepare_cached("INSERT INTO rows (key, value) VALUES (?1, ?2)")?;
            for document in first..first + PER_BATCH {
                for at in 0..VALUES {
                    insert.execute((key(document, at).as_slice(), value(document, at)))?;
                }
            }
        }
        Ok(write.commit()?)
    }
    fn read(&mut self, document: usize) -> Result<usize, Failed> {
        let mut select = self.db.prepare_cached("SELECT value FROM rows WHERE key >= ?1 AND key < ?2")?;
        let rows = select.query_map((key(document, 0).as_slice(), key(document, VALUES).as_slice()), |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|row| Ok(row?.len())).sum()
    }
    fn close(self) -> Result<(), Failed> {
        self.db.close().map_err(|(_, error)| error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_gives_back_what_it_was_given() {
        fn check<K: Kept>() {
            let dir = tempfile::tempdir().expect("a folder");
            exercise::<K>(dir.path(), PER_BATCH * 2, &mut Figures::default()).expect("every read finds all bytes");
        }
        check::<Ours>();
        check::<Sled>();
        check::<Redb>();
        check::<Sqlite>();
    }
}
