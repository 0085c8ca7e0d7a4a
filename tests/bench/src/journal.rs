//! `journal`: durable batches a second, beside bare appends of the same bytes; and how long a store takes to open.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use accord_node::store::{Store, StoreKey};
use accord_protocol::id::DocumentId;
use accord_protocol::step::{Table as Rows, Write};

use crate::county::journal_bytes;
use crate::figures::{Table, p50_p99};
use crate::{Failed, Plan, limits};

/// Documents that the items belong to in turn.
const DOCUMENTS: u64 = 100;

/// What a batch holds.
#[derive(Clone, Copy)]
struct Shape {
    what: &'static str,
    items: u64,
    bytes: usize,
    puts: u64,
}

/// About what one entry of a thread writes, and the batch of MEASURED.
const SHAPES: [Shape; 2] = [
    Shape { what: "1 item of 300 B + 2 puts", items: 1, bytes: 300, puts: 2 },
    Shape { what: "100 items of 500 B", items: 100, bytes: 500, puts: 0 },
];

/// Measures.
///
/// # Errors
/// When the disk fails.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let mut table = Table::new("journal");
    let repeats = plan.repeats(5);
    table.note("Each repeat: a new store, then bare appends of as many bytes as its journal grew by, in the same folder.");
    for shape in SHAPES {
        let batches = plan.count(if shape.items == 1 { 4_000 } else { 1_000 }, 20);
        let (mut ours, mut p50, mut p99, mut bare, mut grown, mut clean) = (vec![], vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..repeats {
            let dir = plan.folder()?;
            let place = dir.path().join("store");
            let mut store = Store::create(&place, &key())?;
            let before = journal_bytes(&place.join("journal"))?;
            let micros = fill(&mut store, shape, batches)?;
            let each = (journal_bytes(&place.join("journal"))? - before) / batches;
            store.close()?;
            clean.push(open(&place)?);
            ours.push(batches as f64 / (micros.iter().sum::<f64>() / 1e6));
            let (half, most) = p50_p99(micros);
            p50.push(half);
            p99.push(most);
            grown.push(each as f64);
            bare.push(limits::appends_per_s(dir.path(), usize::try_from(each)?, usize::try_from(batches)?)?);
        }
        let killed = (0..repeats).map(|_| killed(plan, shape, batches)).collect::<Result<Vec<f64>, Failed>>()?;
        let what = shape.what;
        table.row(format!("{what}: Store::commit"), "batches/s", &ours);
        table.row(format!("{what}: p50"), "us", &p50);
        table.row(format!("{what}: p99"), "us", &p99);
        table.row(format!("{what}: journal"), "bytes/batch", &grown);
        table.row("limit: bare append + fdatasync", "batches/s", &bare);
        table.ratio(format!("{what}: ours / bare"), &ours, &bare);
        table.row(format!("{what}: reopen {batches} batches after a clean stop"), "ms", &clean);
        table.row(format!("{what}: reopen {batches} batches after SIGKILL"), "ms", &killed);
    }
    Ok(table)
}

/// What the hidden command `fill DIR SHAPE BATCHES` does: writes, says so, and waits for its end.
///
/// # Errors
/// When the disk fails.
pub fn run_fill(dir: &str, shape: &str, batches: &str) -> Result<(), Failed> {
    let shape = SHAPES.get(shape.parse::<usize>()?).ok_or("no such shape")?;
    let mut store = Store::create(Path::new(dir), &key())?;
    fill(&mut store, *shape, batches.parse()?)?;
    crate::say("filled")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

/// A child fills a store and is killed; milliseconds to open it then.
fn killed(plan: &Plan, shape: Shape, batches: u64) -> Result<f64, Failed> {
    let dir = plan.folder()?;
    let place = dir.path().join("store");
    let number = SHAPES.iter().position(|known| known.items == shape.items).ok_or("no such shape")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("fill").arg(&place).arg(number.to_string()).arg(batches.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut said)?;
    child.kill()?;
    child.wait()?;
    if said.trim() != "filled" {
        return Err("the child ended before it had written everything".into());
    }
    open(&place)
}

fn open(place: &Path) -> Result<f64, Failed> {
    let begun = Instant::now();
    let (store, _) = Store::open(place, &key(), &mut |_| {})?;
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    store.close()?;
    Ok(millis)
}

fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

/// Commits batches; microseconds of each.
fn fill(store: &mut Store, shape: Shape, batches: u64) -> Result<Vec<f64>, Failed> {
    let mut seq = 0;
    let mut micros = Vec::new();
    for batch in 0..batches {
        let mut writes = Vec::new();
        for item in 0..shape.items {
            seq += 1;
            let mut id = [0; 32];
            id[..8].copy_from_slice(&((batch + item) % DOCUMENTS).to_be_bytes());
            let body = (0..shape.bytes).map(|at| ((at as u64 * 7 + seq * 13) % 251) as u8).collect();
            writes.push(Write::Item { document: DocumentId(id), seq, body });
        }
        for put in 0..shape.puts {
            let key = ((batch * 7 + put) % 1_000).to_be_bytes().to_vec();
            writes.push(Write::Put { table: Rows::Local, key, value: Some(vec![put as u8; 120]) });
        }
        let begun = Instant::now();
        store.commit(&writes)?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(micros)
}
