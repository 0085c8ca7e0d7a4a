//! `thread`: opening a document of very many changes and merging into it, cold and warm; beside Automerge's `load` of the same document.

use std::hint::black_box;
use std::time::Instant;

use accord_protocol::id::Bytes;
use accord_protocol::intake::{DocState, Intake, Item};
use accord_protocol::segment;

use crate::documents::{self, Shape};
use crate::report::Report;
use crate::{Failed, Plan, rules, seconds, sync_peer, world};

/// Changes that come in beside those that are there.
const MERGED: usize = 100;
/// Changes of one stored segment: a writer's adjoining ones are joined.
const PER_SEGMENT: usize = 20;

/// Measures.
///
/// # Errors
/// When the core refuses what it should take in.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let changes = plan.documents(20_000, 200).next_multiple_of(PER_SEGMENT);
    let mut report = Report::new("thread", changes);
    report.say(format!(
        "One document of {changes} changes by two officers (documents counts its changes), in segments of {PER_SEGMENT}, in process."
    ));
    report.say(format!("cold: from stored items to text and acts, everything read anew. merge_cold: the same and {MERGED} more changes from received segments. merge_warm: those into the open document, and its text."));
    let (network, directory, writers) = rules::officers()?;
    let shape = Shape { per_segment: PER_SEGMENT, changes: changes + MERGED, ..Shape::single() };
    let document = documents::write(&network, &writers, &shape, 1)?;
    let genesis = document.genesis.sealed().to_bytes();
    let (old, new) = document.segments.split_at(changes / PER_SEGMENT);
    let learnt = shape.at;
    let mut items = vec![(1, Item::Genesis(genesis).to_stored(learnt))];
    for (at, (segment, _)) in old.iter().enumerate() {
        items.push((at as u64 + 2, Item::Segment(accord_keys::canon::encode(segment)).to_stored(learnt)));
    }
    let incoming: Vec<Bytes> = new.iter().map(|(segment, _)| Bytes(accord_keys::canon::encode(segment))).collect();
    let bare = sync_peer::document(&document.raw[..changes])?;
    let saved = bare.save();
    drop(bare);
    let merge = |state: &mut DocState| -> Result<(), Failed> {
        for (bytes, (_, member)) in incoming.iter().zip(new) {
            let checked = segment::check(&network, member, segment::decode(&bytes.0)?)?;
            if state.learn_segment(&directory, checked) != Intake::New {
                return Err("a segment of the thread was not taken in".into());
            }
        }
        black_box(state.text()?);
        Ok(())
    };
    for _ in 0..plan.repeats(3) {
        report.runs += 1;
        let begun = Instant::now();
        let loaded = automerge::Automerge::load(&saved)?;
        let load = seconds(begun);
        report.peer("automerge_load").note("seconds", load);
        drop(loaded);

        let begun = Instant::now();
        let mut state = DocState::load(&directory, world::stored(document.id(), items.clone()))?;
        let admitted = seconds(begun);
        black_box((state.text()?, state.acts()?.len()));
        let cold = seconds(begun);
        merge(&mut state)?;
        let merge_cold = seconds(begun);
        let begun = Instant::now();
        black_box((state.text()?, state.acts()?.len()));
        let warm = seconds(begun);
        drop(state);
        let mut state = DocState::load(&directory, world::stored(document.id(), items.clone()))?;
        black_box(state.text()?);
        let begun = Instant::now();
        merge(&mut state)?;
        let merge_warm = seconds(begun);
        if state.admitted().len() != changes + MERGED {
            return Err("a change of the thread was not admitted".into());
        }
        for (name, value) in
            [("admitted", admitted), ("cold", cold), ("merge_cold", merge_cold), ("warm", warm), ("merge_warm", merge_warm)]
        {
            report.ours.note(&format!("{name}_seconds"), value);
        }
        report.ratios.note("cold_vs_automerge_load", cold / load);
        report.ratios.note("warm_vs_automerge_load", warm / load);
        report.ratios.note("merge_cold_vs_automerge_load", merge_cold / load);
        report.ratios.note("merge_warm_vs_automerge_load", merge_warm / load);
    }
    Ok(report)
}
