//! `policy`: what deciding costs: one check, the end of an agreement over many documents, a cut in a long thread and who waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Instant;

use accord_keys::directory::Directory;
use accord_protocol::access::pass::PassBook;
use accord_protocol::access::{Ask, Facts, Ground, check};
use accord_protocol::agreement::book::AgreementBook;
use accord_protocol::content::Content;
use accord_protocol::id::BureauId;
use accord_protocol::input::{Command, Draft};
use accord_protocol::intake::{DocState, Item};
use accord_protocol::segment;
use accord_protocol::step::Table as Rows;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::View;
use accord_protocol::wire;
use serde_json::json;

use crate::county::{Over, Pair};
use crate::figures::{Table, p50_p99};
use crate::world::{self, START_S, World};
use crate::{Failed, Plan, delivery, workload};

/// Partners of the bureau that decides: a region.
const PARTNERS: u8 = 60;

/// Measures.
///
/// # Errors
/// When the core or a daemon refuses what it should do.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let mut table = Table::new("policy");
    checks(plan, &mut table)?;
    ending(plan, &mut table)?;
    cutting(plan, &mut table)?;
    waiting(plan, &mut table)?;
    Ok(table)
}

fn opened(world: &mut World, n: usize, with: Vec<String>) -> Result<String, Failed> {
    let draft = Draft { title: format!("串案 {n}"), text: workload::text(n), category: "CRIM.SERIES".into(), ..Draft::default() };
    match world.ask(0, Command::CaseOpen { draft, with, continues: None })? {
        View::Sending(sending) => Ok(sending.id),
        other => Err(format!("not opened: {other:?}").into()),
    }
}

/// One check, as it is asked for every document on its way to every partner.
fn checks(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let count = plan.count(1_000_000, 1_000);
    table.note(format!(
        "check: {count} questions over {PARTNERS} partners, an agreement with each, the document open to all of them; one thread."
    ));
    let mut world = World::county(PARTNERS + 1, 365)?;
    world.disconnect()?;
    let with: Vec<String> = (1..=usize::from(PARTNERS)).map(|at| world.name(at)).collect();
    opened(&mut world, 0, with)?;
    let member = &world.members[0];
    let directory = member.core.directory();
    let own = member.core.id();
    let book = book_of(own, &directory, &world)?;
    let (document, items) = member.items.iter().next().ok_or("no document")?;
    let state = DocState::load(&directory, world::stored(*document, items.clone()))?;
    let genesis = state.log().genesis().body();
    let (rights, contributors) = (state.log().rights(), BTreeMap::new());
    let facts = Facts {
        document: *document,
        owner: own,
        kind: genesis.kind,
        category: genesis.category,
        tlp: genesis.tlp,
        rights: &rights,
        hidden: false,
        contributors: &contributors,
    };
    let passes = PassBook::new(own);
    let ground = Ground { own, book: &book, passes: &passes, in_touch: true };
    let receivers: Vec<BureauId> = rights.bureaus.keys().copied().collect();
    let mut nanos = Vec::new();
    for _ in 0..plan.repeats(7) {
        let begun = Instant::now();
        for to in receivers.iter().cycle().take(count) {
            let ask = Ask { facts: &facts, from: own, to: *to, now: WallSeconds(START_S + 60), epoch: 1 };
            black_box(check(&ground, black_box(&ask)).map_err(|refusal| refusal.to_string())?);
        }
        nanos.push(begun.elapsed().as_secs_f64() * 1e9 / count as f64);
    }
    let hash = {
        let begun = Instant::now();
        for n in 0..count as u64 {
            black_box(blake3::hash(black_box(&n.to_be_bytes())));
        }
        begun.elapsed().as_secs_f64() * 1e9 / count as f64
    };
    table.row("check: one question", "ns", &nanos);
    table.row("limit: one BLAKE3 of 8 bytes", "ns", &[hash]);
    table.ratio("check / one hash", &nanos, &vec![hash; nanos.len()]);
    Ok(())
}

/// The agreements of the first member, read from its rows.
fn book_of(own: BureauId, directory: &Directory, world: &World) -> Result<AgreementBook, Failed> {
    let mut book = AgreementBook::new(own);
    let mut waiting: Vec<&Vec<u8>> = world.members[0].rows(Rows::Agreements).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for bytes in waiting {
            let statement = wire::agreement_statement(&world.network, bytes)?;
            if book.learn(directory, statement).is_err() {
                later.push(bytes);
            }
        }
        if later.len() == before {
            return Err("agreements that cannot be learnt".into());
        }
        waiting = later;
    }
    Ok(book)
}

/// An agreement ends: what the moment itself costs, what it costs to stop sending.
fn ending(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let documents = plan.count(10_000, 20);
    table.note(format!("end: {documents} threads that two partners write, not yet sent; then the agreements end, all at the same second."));
    let mut world = World::county(3, 2)?;
    world.disconnect()?;
    let with = vec![world.name(1), world.name(2)];
    let begun = Instant::now();
    for n in 0..documents {
        opened(&mut world, n, with.clone())?;
    }
    table.row("end: opening one thread before", "us", &[begun.elapsed().as_secs_f64() * 1e6 / documents as f64]);
    let quiet = world.wake(0)?;
    let epoch = world.members[0].core.policy_epoch();
    world.pass(2 * 86_400);
    let ended = world.wake(0)?;
    if world.members[0].core.policy_epoch() == epoch {
        return Err("the end changed nothing".into());
    }
    table.row("end: an input when nothing changes", "ms", &[quiet * 1e3]);
    table.row("end: the input at which the agreements end", "ms", &[ended * 1e3]);
    world.counted = Default::default();
    let begun = Instant::now();
    world.connect()?;
    let walked = begun.elapsed().as_secs_f64();
    if world.counted.pushes.frames > 0 {
        return Err("something was sent after the end".into());
    }
    table.row("end: a partner reconnects, every document is refused to it", "ms", &[walked * 1e3]);
    table.row("end: the same per document", "us", &[walked * 1e6 / documents as f64]);
    world.disconnect()?;
    lapsing(documents, &mut world, table)
}

/// Grace is over: the registrar cuts what both partners could still write, slice by slice.
fn lapsing(documents: usize, world: &mut World, table: &mut Table) -> Result<(), Failed> {
    world.pass(31 * 86_400);
    let before = world.members[0].parts();
    world.slowest = 0.0;
    let (mut slices, mut idle, mut spent, mut cuts) = (0_u32, 0, 0.0, 0);
    while idle < 3 {
        world.pass(1);
        spent += world.wake(0)?;
        slices += 1;
        let now = world.members[0].parts() - before;
        idle = if now == cuts { idle + 1 } else { 0 };
        cuts = now;
    }
    let most = documents.min(usize::try_from(accord_protocol::limits::CUTS_PER_DAY)?);
    if cuts < most {
        return Err(format!("{cuts} cuts of {most}").into());
    }
    table.row("end: cuts made by the machine after grace, on the first day", "cuts", &[cuts as f64]);
    table.row("end: one of them, reading the thread back included", "us", &[spent * 1e6 / cuts as f64]);
    table.row("end: the longest of the inputs it took (others wait so long)", "ms", &[world.slowest * 1e3]);
    table.row("end: inputs it took", "inputs", &[f64::from(slices)]);
    Ok(())
}

/// A long thread loses what a partner wrote last.
fn cutting(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let changes = plan.count(10_000, 40);
    table.note(format!("cut: a thread of {changes} entries and 20 unsettled ones of a partner, which a strict cut takes out; in process."));
    let mut world = World::agreed()?;
    let partner = world.name(1);
    let id = opened(&mut world, 0, vec![partner.clone()])?;
    for n in 0..changes {
        world.ask(0, Command::CaseNote { id: id.clone(), kind: "note".into(), text: workload::entry(n) })?;
    }
    world.exchange()?;
    for n in 0..20 {
        world.ask(1, Command::CaseNote { id: id.clone(), kind: "note".into(), text: workload::entry(n) })?;
    }
    world.exchange()?;
    let held = |world: &mut World| match world.ask(0, Command::DocumentShow { id: id.clone() })? {
        View::Document(view) => Ok::<_, Failed>(view.line.held),
        other => Err(format!("not shown: {other:?}").into()),
    };
    let before = held(&mut world)?;
    let begun = Instant::now();
    world.ask(0, Command::AccessCut { id: id.clone(), subject: partner, strict: true })?;
    let cut = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let after = held(&mut world)?;
    let shown = begun.elapsed().as_secs_f64();
    if after < before + 20 {
        return Err(format!("the cut took out {} of 20", after.saturating_sub(before)).into());
    }
    let (document, items) = world.members[0].items.iter().next().ok_or("no document")?;
    let begun = Instant::now();
    let directory = world.members[0].core.directory();
    let state = DocState::load(&directory, world::stored(*document, items.clone()))?;
    let loaded = begun.elapsed().as_secs_f64();
    let taken: BTreeSet<_> = state.unadmitted();
    let mut raw = Vec::new();
    for (_, bytes) in items {
        if let Some(Item::Segment(bytes)) = Item::from_bytes(bytes) {
            let read = segment::decode(&bytes)?;
            let certificate = directory.certificate(&read.certificate).ok_or("a writer without certificate")?;
            let checked = segment::check(&world.network, certificate.body(), read)?;
            let placed = checked.positions().iter().zip(&checked.segment().changes);
            raw.extend(placed.filter(|(position, _)| !taken.contains(&position.change)).map(|(_, change)| change.0.clone()));
        }
    }
    let begun = Instant::now();
    let bare = {
        let read: Result<Vec<_>, _> = raw.iter().map(|raw| automerge::Change::from_bytes(raw.clone())).collect();
        let mut bare = automerge::Automerge::new();
        bare.apply_changes(read?)?;
        black_box(bare.get_heads());
        begun.elapsed().as_secs_f64()
    };
    let begun = Instant::now();
    black_box(Content::replay(raw.iter().map(Vec::as_slice))?.text()?);
    let replayed = begun.elapsed().as_secs_f64();
    table.row("cut: record, verdicts anew, rights, summary (in the loop)", "ms", &[cut * 1e3]);
    table.row("cut: showing the thread after it (beside the loop)", "ms", &[shown * 1e3]);
    table.row("cut: reading the thread back from its items", "ms", &[loaded * 1e3]);
    table.row("cut: replaying its content", "ms", &[replayed * 1e3]);
    table.row("limit: automerge from_bytes and apply_changes alone", "ms", &[bare * 1e3]);
    table.ratio("cut and show / automerge alone", &[cut + shown], &[bare]);
    Ok(())
}

/// What other threads feel of it: edits between two real daemons while a long thread is cut and shown.
fn waiting(plan: &Plan, table: &mut Table) -> Result<(), Failed> {
    let changes = plan.count(10_000, 40);
    let edits = plan.count(200, 5);
    table.note(format!("waiting: {edits} edits of another thread between two daemons, while one of {changes} entries is cut and shown at the writer, again and again."));
    let dir = plan.folder()?;
    let pair = Pair::agreed(dir.path(), Over::Quic)?;
    let (mut at_a, mut at_b) = (pair.a.events()?, pair.b.events()?);
    let threads = delivery::open_threads(&pair, &mut at_a, &mut at_b, 2)?;
    let (long, small) = (threads[0].clone(), vec![threads[1].clone()]);
    for n in 0..changes {
        pair.a.post(&format!("/v1/cases/{long}/entries"), &json!({ "kind": "note", "text": workload::entry(n) }))?;
    }
    let [_, idle, _] = delivery::edit(&pair, &small, edits, &mut at_a, &mut at_b)?;
    let (other, mut rounds) = (pair.a.client()?, 0_u32);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let busy = std::thread::scope(|scope| -> Result<Vec<f64>, Failed> {
        let cutter = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Acquire) {
                let cut = json!({ "subject": pair.b.name, "strict": true });
                other.post::<View>(&format!("/v1/documents/{long}/cuts"), &cut, false).map_err(|e| e.to_string())?;
                other.get::<View>(&format!("/v1/documents/{long}")).map_err(|e| e.to_string())?;
                let grant = json!({ "partner": pair.b.name, "verb": "append" });
                other.post::<View>(&format!("/v1/documents/{long}/grants"), &grant, false).map_err(|e| e.to_string())?;
                rounds += 1;
            }
            Ok::<_, String>(())
        });
        let measured = delivery::edit(&pair, &small, edits, &mut at_a, &mut at_b);
        stop.store(true, std::sync::atomic::Ordering::Release);
        cutter.join().map_err(|_| "the cutter died")??;
        let [_, busy, _] = measured?;
        Ok(busy)
    })?;
    pair.stop()?;
    let (idle, busy) = (p50_p99(idle), p50_p99(busy));
    table.row("waiting: visible at the partner, otherwise idle, p50", "us", &[idle.0]);
    table.row("waiting: visible at the partner, otherwise idle, p99", "us", &[idle.1]);
    table.row("waiting: during cuts and showing, p50", "us", &[busy.0]);
    table.row("waiting: during cuts and showing, p99", "us", &[busy.1]);
    table.row("waiting: cuts meanwhile", "cuts", &[f64::from(rounds)]);
    table.ratio("waiting: p99 during / idle", &[busy.1], &[idle.1]);
    Ok(())
}
