//! `wire`: bytes on the wire per change, as frames before and after compression, beside the bytes of the changes themselves.

use std::collections::BTreeMap;

use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft};
use accord_protocol::intake::Item;
use accord_protocol::segment;
use accord_protocol::view::View;

use crate::figures::Table;
use crate::workload::{self, CHANGES};
use crate::world::{Counted, World};
use crate::{Failed, Plan};

/// Level of the stream that whole changes are compared with.
const ZSTD_LEVEL: i32 = 3;

/// Measures. Sizes do not change from run to run, so there is one repeat.
///
/// # Errors
/// When the core refuses a step.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let mut table = Table::new("wire");
    let documents = plan.count(500, 5);
    table.note("Two cores in process; frames counted as the swarm writes them (5 bytes of header; zstd by themselves where that saves an eighth, as a stream in a burst), without TLS, TCP or QUIC.");
    table.note(format!("Threads of one founding change (600 characters) and {} entries.", CHANGES - 1));
    live(plan, &mut table)?;
    first_sync(documents, &mut table)?;
    Ok(table)
}

/// Pushes of one change each.
fn live(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let notes = plan.count(CHANGES - 1, 5);
    let mut world = World::agreed()?;
    world.counted = Counted::default();
    let id = open(&mut world, 0)?;
    world.exchange()?;
    let founding = world.counted;
    let before = changes(&world)?;
    world.counted = Counted::default();
    for n in 0..notes {
        world.ask(0, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: workload::entry(n) })?;
        world.exchange()?;
    }
    let after = changes(&world)?;
    let raw = (bytes(&after) - bytes(&before)) as f64 / notes as f64;
    let per = |total: u64| total as f64 / notes as f64;
    table.row("live: founding a thread, raw change", "bytes", &[bytes(&before) as f64]);
    table.row("live: founding a thread, frames plain", "bytes", &[founding.pushes.plain as f64]);
    table.row("live: founding a thread, frames on the wire", "bytes", &[founding.pushes.wire as f64]);
    table.row("live: one entry, raw change", "bytes", &[raw]);
    table.row("live: one entry, pushes", "frames", &[per(world.counted.pushes.frames)]);
    table.row("live: one entry, push plain", "bytes", &[per(world.counted.pushes.plain)]);
    table.row("live: one entry, push on the wire", "bytes", &[per(world.counted.pushes.wire)]);
    table.row("live: one entry, all other frames on the wire", "bytes", &[per(world.counted.others.wire + world.counted.answers.wire)]);
    table.ratio("live: push on the wire / raw change", &[per(world.counted.pushes.wire)], &[raw]);
    Ok(())
}

/// Everything at once: written while apart, then linked.
fn first_sync(documents: usize, table: &mut Table) -> Result<(), Failed> {
    let mut world = World::agreed()?;
    world.disconnect()?;
    for n in 0..documents {
        let id = open(&mut world, n)?;
        for entry in 1..CHANGES {
            world.ask(0, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: workload::entry(n * CHANGES + entry) })?;
        }
    }
    world.counted = Counted::default();
    world.connect()?;
    let all = changes(&world)?;
    let count: usize = all.values().map(Vec::len).sum();
    let arrived: usize = world.members[1].items.len();
    if arrived < documents || count != documents * CHANGES {
        return Err(format!("{arrived} of {documents} documents and {count} changes arrived").into());
    }
    let raw = bytes(&all) as f64;
    let mut saved = 0.0;
    let mut stream = Vec::new();
    for raws in all.values() {
        let mut document = automerge::Automerge::new();
        let read: Result<Vec<_>, _> = raws.iter().map(|raw| automerge::Change::from_bytes(raw.clone())).collect();
        document.apply_changes(read?)?;
        saved += document.save().len() as f64;
        stream.extend(raws.iter().flatten());
    }
    let streamed = zstd::bulk::compress(&stream, ZSTD_LEVEL)?.len() as f64;
    let pushes = world.counted.pushes;
    let wire = pushes.wire as f64;
    let what = format!("first sync of {documents} x {CHANGES}");
    table.row(format!("{what}: raw changes"), "bytes", &[raw]);
    table.row(format!("{what}: push frames"), "frames", &[pushes.frames as f64]);
    table.row(format!("{what}: push frames plain"), "bytes", &[pushes.plain as f64]);
    table.row(format!("{what}: push frames on the wire"), "bytes", &[wire]);
    table.row(
        format!("{what}: all other frames on the wire, both ways"),
        "bytes",
        &[(world.counted.others.wire + world.counted.answers.wire) as f64],
    );
    table.row(format!("{what}: on the wire per change"), "bytes/change", &[wire / count as f64]);
    table.row("limit: raw changes as one zstd stream", "bytes", &[streamed]);
    table.row("limit: sum of Automerge save()", "bytes", &[saved]);
    table.ratio(format!("{what}: on the wire / raw changes"), &[wire], &[raw]);
    table.ratio(format!("{what}: on the wire / one zstd stream"), &[wire], &[streamed]);
    table.ratio(format!("{what}: on the wire / sum of save()"), &[wire], &[saved]);
    Ok(())
}

fn open(world: &mut World, n: usize) -> Result<String, Failed> {
    let draft = Draft { title: format!("串案 {n}"), text: workload::text(n), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let with = vec![world.name(1)];
    match world.ask(0, Command::CaseOpen { draft, with, continues: None })? {
        View::Sending(sent) => Ok(sent.id),
        other => Err(format!("expected a sending, found {other:?}").into()),
    }
}

/// Raw changes of every document at the first bureau.
fn changes(world: &World) -> Result<BTreeMap<DocumentId, Vec<Vec<u8>>>, Failed> {
    let mut out: BTreeMap<DocumentId, Vec<Vec<u8>>> = BTreeMap::new();
    for (document, items) in &world.members[0].items {
        for (_, bytes) in items {
            if let Some(Item::Segment(bytes)) = Item::from_bytes(bytes) {
                let segment = segment::decode(&bytes)?;
                out.entry(*document).or_default().extend(segment.changes.into_iter().map(|change| change.0));
            }
        }
    }
    Ok(out)
}

fn bytes(changes: &BTreeMap<DocumentId, Vec<Vec<u8>>>) -> usize {
    changes.values().flatten().map(Vec::len).sum()
}
