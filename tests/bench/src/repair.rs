//! `repair`: two bureaus hold the same documents, one loses some without knowing it; how both find out which. Beside negentropy.
//!
//! The real cores in this process, so that frames can be told apart: what finds the differences, and the documents themselves.

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::report::Report;
use crate::world::{Counted, World};
use crate::{Failed, Plan, seconds, workload};
use accord_protocol::input::{Command, Draft};
use accord_protocol::view::View;

/// Documents written between two exchanges; a partner takes so many new ones a day.
const PER_DAY: usize = 10_000;
/// Characters of a document: its content does not matter here.
const CHARS: usize = 20;
/// Longer than the pause after which views are compared, seconds.
const QUIET_S: u64 = 3;
/// More pauses than this and the repair counts as failed.
const PAUSES_MAX: usize = 40;

/// Measures.
///
/// # Errors
/// When the core refuses a step or a repair does not come to an end.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(100_000, 40);
    let lost = (documents / 100).max(1);
    let mut report = Report::new("repair", documents);
    report.say(format!("{lost} documents scattered among {documents} are lost at one of two bureaus: rows and items gone, its core opened anew. The real cores in process."));
    report.say("bytes: what finds the differences, both ways, compressed as on the control stream, from the hello on: every frame but the documents (bytes_of_documents) and their acknowledgements and receipts (bytes_of_answers); bytes_at_rest: the same when nothing is lost. seconds: of both cores. round_trips: turns of the conversation from the first word after the quiet time until the last document is there, by two.");
    let mut world = World::agreed()?;
    for first in (0..documents).step_by(PER_DAY) {
        for n in first..(first + PER_DAY).min(documents) {
            let text: String = workload::text(n).chars().take(CHARS).collect();
            let draft = Draft { title: format!("串案 {n}"), text, category: "CRIM.SERIES".to_owned(), ..Draft::default() };
            let with = vec![world.name(1)];
            let View::Sending(_) = world.ask(0, Command::CaseOpen { draft, with, continues: None })? else {
                return Err("no sending".into());
            };
        }
        world.exchange()?;
        world.pass(86_400);
        if world.members[1].items.len() < (first + PER_DAY).min(documents) {
            return Err(format!("{} documents arrived", world.members[1].items.len()).into());
        }
    }
    let ids: Vec<_> = world.members[1].items.keys().copied().collect();
    world.disconnect()?;
    for at in [0, 1] {
        world.reopen(at)?;
    }
    world.connect()?;
    settle(&mut world, documents)?;
    for run in 0..plan.repeats(1) {
        report.runs += 1;
        world.disconnect()?;
        world.reopen(1)?;
        world.counted = Counted::default();
        world.connect()?;
        settle(&mut world, documents)?;
        let rest = world.counted.others.wire;
        world.disconnect()?;
        // Ids are hashes: every hundredth of them in order is anywhere.
        for id in ids.iter().skip(run).step_by(documents / lost).take(lost) {
            world.members[1].lose(id);
        }
        world.reopen(1)?;
        world.counted = Counted::default();
        (world.turns, world.arrived, world.awaited) = (0, None, None);
        let begun = std::time::Instant::now();
        world.connect()?;
        let connected = world.turns;
        world.awaited = Some((1, documents));
        let pauses = settle(&mut world, documents)?;
        report.ours.note("seconds", seconds(begun));
        report.ours.note("bytes", world.counted.others.wire as f64);
        report.ours.note("bytes_at_rest", rest as f64);
        report.ours.note("bytes_of_documents", world.counted.pushes.wire as f64);
        report.ours.note("bytes_of_answers", world.counted.answers.wire as f64);
        report.ours.note("documents_sent", world.counted.pushes.frames as f64);
        report.ours.note("round_trips", (world.arrived.unwrap_or(world.turns) - connected) as f64 / 2.0);
        report.ours.note("pauses", pauses as f64);

        let (near, far) = negentropy_sides(documents, lost)?;
        let begun = std::time::Instant::now();
        let mut client = Negentropy::borrowed(&near, 0)?;
        let mut server = Negentropy::borrowed(&far, 0)?;
        let (mut bytes, mut trips, mut found) = (0, 0u32, Vec::new());
        let mut query = Some(client.initiate()?);
        while let Some(asked) = query {
            trips += 1;
            let answer = server.reconcile(&asked)?;
            bytes += asked.len() + answer.len();
            query = client.reconcile_with_ids(&answer, &mut Vec::new(), &mut found)?;
        }
        if found.len() != lost {
            return Err(format!("negentropy found {} of {lost}", found.len()).into());
        }
        let peer = report.peer("negentropy");
        peer.note("seconds", seconds(begun));
        peer.note("bytes", bytes as f64);
        peer.note("round_trips", f64::from(trips));
        report.ratios.note("bytes_vs_negentropy", world.counted.others.wire as f64 / bytes as f64);
    }
    Ok(report)
}

/// Lets time pass until the second holds everything and both are silent; how many pauses it took.
fn settle(world: &mut World, documents: usize) -> Result<usize, Failed> {
    for pause in 1..=PAUSES_MAX {
        world.pass(QUIET_S);
        for at in [0, 1] {
            world.wake(at)?;
        }
        let before = world.turns;
        world.exchange()?;
        if world.members[1].documents() == documents && world.turns <= before + 1 {
            return Ok(pause);
        }
    }
    Err(format!("{} of {documents} documents after {PAUSES_MAX} pauses", world.members[1].documents()).into())
}

/// The same numbers of items for the peer: time and hash, the time the same within a day's documents.
fn negentropy_sides(documents: usize, lost: usize) -> Result<(NegentropyStorageVector, NegentropyStorageVector), Failed> {
    let (mut near, mut far) = (NegentropyStorageVector::new(), NegentropyStorageVector::new());
    for n in 0..documents {
        let id = Id::from_byte_array(*blake3::hash(&(n as u64).to_be_bytes()).as_bytes());
        far.insert(n as u64, id)?;
        if n % (documents / lost) != 0 || n / (documents / lost) >= lost {
            near.insert(n as u64, id)?;
        }
    }
    near.seal()?;
    far.seal()?;
    Ok((near, far))
}
