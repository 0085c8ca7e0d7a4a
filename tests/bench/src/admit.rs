//! `admit`: foreign changes from received bytes to admitted, on one core and on two; beside one strict signature check per change.

use std::hint::black_box;
use std::time::Instant;

use accord_keys::directory::Directory;
use accord_protocol::id::{Bytes, NetworkId};
use accord_protocol::intake::{DocState, Intake};
use accord_protocol::wire::{self, Checked, IncomingSegment, Message, Push};

use crate::documents::{self, Document, Shape};
use crate::report::Report;
use crate::workload::CHANGES;
use crate::{Failed, Plan, rules, seconds};

/// Measures.
///
/// # Errors
/// When the core refuses what it should take in.
pub fn measure(plan: &Plan) -> Result<Report, Failed> {
    let documents = plan.documents(500, 4);
    let mut report = Report::new("admit", documents);
    report.say("From the bytes of a push to admitted changes, in process: decode, every seal, parse, attestation chain, signature, rules, verdict. Two officers write in turn.");
    report.say("single: one segment, so one signature, per change, as nodes write them. runs: the same segments joined, one per officer and document, each with changes that wait for the other's.");
    let (network, directory, writers) = rules::officers()?;
    let written: Vec<Document> =
        (0..documents).map(|n| documents::write(&network, &writers, &Shape::single(), n)).collect::<Result<_, _>>()?;
    let single: Vec<Vec<u8>> = written.iter().map(|document| push(document, &document.segments)).collect();
    let runs: Vec<Vec<u8>> = written.iter().map(|document| push(document, &documents::joined(document))).collect();
    let changes = (documents * CHANGES) as f64;
    for _ in 0..plan.repeats(5) {
        report.runs += 1;
        let verify = 1e6 / rules::verify_strict(&writers[0].key, documents * CHANGES)?;
        let rates = std::sync::Mutex::new(0.0);
        side_by_side(|half| {
            let micros = rules::verify_strict(&writers[half].key, documents * CHANGES)?;
            *rates.lock().map_err(|_| "a thread panicked")? += 1e6 / micros;
            Ok(())
        })?;
        let two_verify = rates.into_inner()?;
        report.peer("verify_strict").note("changes_per_s", verify);
        report.peer("verify_strict").note("changes_per_s_two_cores", two_verify);
        for (word, pushes) in [("single", &single), ("runs", &runs)] {
            let begun = Instant::now();
            take_in(&network, &directory, pushes)?;
            let one = changes / seconds(begun);
            let middle = pushes.len() / 2;
            let halves = [&pushes[..middle], &pushes[middle..]];
            let two = changes / side_by_side(|half| take_in(&network, &directory, halves[half]))?;
            report.ours.note(&format!("{word}_changes_per_s"), one);
            report.ours.note(&format!("{word}_changes_per_s_two_cores"), two);
            report.ratios.note(&format!("{word}_changes_per_s_vs_verify_strict"), one / verify);
            report.ratios.note(&format!("{word}_scaling"), two / one);
            if word == "runs" {
                report.ratios.note("changes_per_s_vs_verify_strict", one / verify);
                report.ratios.note("scaling", two / one);
            }
        }
        report.ratios.note("verify_strict_scaling", two_verify / verify);
    }
    Ok(report)
}

/// Seconds that two threads take, each with its half.
fn side_by_side(work: impl Fn(usize) -> Result<(), Failed> + Sync) -> Result<f64, Failed> {
    let begun = Instant::now();
    std::thread::scope(|scope| -> Result<(), Failed> {
        let half = |half| {
            let work = &work;
            scope.spawn(move || work(half).map_err(|failed| failed.to_string()))
        };
        for thread in [half(0), half(1)] {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    Ok(seconds(begun))
}

fn push(document: &Document, segments: &[(accord_protocol::segment::Segment, accord_keys::certificate::MemberCertificate)]) -> Vec<u8> {
    let push = Push {
        genesis: Some(Bytes(document.genesis.sealed().to_bytes())),
        segments: segments.iter().map(|(segment, _)| Bytes(accord_keys::canon::encode(segment))).collect(),
        ..Push::empty(1, document.id())
    };
    Message::Push(push).encode()
}

fn take_in(network: &NetworkId, directory: &Directory, pushes: &[Vec<u8>]) -> Result<(), Failed> {
    for bytes in pushes {
        let Checked::Push(push) = wire::check(directory, network, bytes)? else { return Err("no push".into()) };
        let mut state = DocState::new(directory, push.genesis.ok_or("no genesis")?)?;
        for segment in push.segments {
            let IncomingSegment::Checked(segment) = segment else { return Err("an unchecked segment".into()) };
            if let Intake::Malformed(why) = state.learn_segment(directory, segment) {
                return Err(why.into());
            }
        }
        if state.admitted().len() != CHANGES {
            return Err(format!("{} of {CHANGES} changes admitted", state.admitted().len()).into());
        }
        black_box(state);
    }
    Ok(())
}
