//! `rules`: what taking in a foreign change costs: parse, check of segment, admission; beside reading it with Automerge and one signature.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use accord_keys::certificate::MemberCertificate;
use accord_keys::directory::Directory;
use accord_keys::secret::SecretKey;
use accord_protocol::content::Content;
use accord_protocol::id::{CertificateId, NetworkId};
use accord_protocol::input::Command;
use accord_protocol::intake::{DocState, Intake};
use accord_protocol::rules;
use accord_protocol::segment::{self, CheckedSegment, Segment};
use accord_protocol::view::View;

use crate::documents::{self, Document, Shape, Writer};
use crate::figures::Table;
use crate::workload::CHANGES;
use crate::world::World;
use crate::{Failed, Plan};

/// What one repeat gave, microseconds per change.
#[derive(Default)]
struct Repeat {
    parse: f64,
    check: f64,
    admit: f64,
    joined_check: f64,
    joined_admit: f64,
    automerge: f64,
    verify: f64,
    replay: f64,
    bare_apply: f64,
}

/// Measures.
///
/// # Errors
/// When the core refuses what it should take in.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let documents = plan.count(200, 4);
    let repeats = plan.repeats(7);
    let mut table = Table::new("rules");
    table.note(format!("{documents} documents \"bulletin x20\" by two officers, in process, one thread; microseconds per change."));
    table.note(
        "single: one segment and so one signature per change, officers in turn. joined: two segments of ten changes, one officer each.",
    );
    let (network, directory, writers) = officers()?;
    let shape = |per_segment| Shape { per_segment, ..Shape::single() };
    let mut single = Vec::new();
    let mut joined = Vec::new();
    for n in 0..documents {
        single.push(documents::write(&network, &writers, &shape(1), n)?);
        joined.push(documents::write(&network, &writers, &shape(CHANGES / 2), n)?);
    }
    let changes = (documents * CHANGES) as f64;
    let raw_bytes: usize = single.iter().flat_map(|d| &d.raw).map(Vec::len).sum();
    let micros = |begun: Instant| begun.elapsed().as_secs_f64() * 1e6 / changes;
    let mut all = Vec::new();
    for _ in 0..repeats {
        let mut repeat = Repeat::default();
        let begun = Instant::now();
        for raw in single.iter().flat_map(|d| &d.raw) {
            black_box(rules::parse(raw).map_err(|e| e.to_string())?);
        }
        repeat.parse = micros(begun);
        (repeat.check, repeat.admit) = take_in(&network, &directory, &single, changes)?;
        (repeat.joined_check, repeat.joined_admit) = take_in(&network, &directory, &joined, changes)?;
        let begun = Instant::now();
        for raw in single.iter().flat_map(|d| &d.raw) {
            black_box(automerge::Change::from_bytes(raw.clone())?);
        }
        repeat.automerge = micros(begun);
        repeat.verify = verify_strict(&writers[0].key, changes as usize)?;
        let begun = Instant::now();
        for document in &single {
            black_box(Content::replay(document.raw.iter().map(Vec::as_slice))?.text()?);
        }
        repeat.replay = micros(begun);
        let begun = Instant::now();
        for document in &single {
            let mut bare = automerge::Automerge::new();
            let read: Result<Vec<_>, _> = document.raw.iter().map(|raw| automerge::Change::from_bytes(raw.clone())).collect();
            bare.apply_changes(read?)?;
            black_box(bare.get_heads());
        }
        repeat.bare_apply = micros(begun);
        all.push(repeat);
    }
    let of = |pick: fn(&Repeat) -> f64| all.iter().map(pick).collect::<Vec<f64>>();
    table.row("raw change, mean", "bytes", &[raw_bytes as f64 / changes]);
    table.row("our parser alone", "us/change", &of(|r| r.parse));
    table.row("single: check of segment (parse, chain, signature)", "us/change", &of(|r| r.check));
    table.row("single: admission (rules in the causal past, verdict)", "us/change", &of(|r| r.admit));
    table.row("single: both", "us/change", &of(|r| r.check + r.admit));
    table.row("joined: check of segment", "us/change", &of(|r| r.joined_check));
    table.row("joined: admission", "us/change", &of(|r| r.joined_admit));
    table.row("joined: both", "us/change", &of(|r| r.joined_check + r.joined_admit));
    table.row("limit: automerge Change::from_bytes", "us/change", &of(|r| r.automerge));
    table.row("limit: one ed25519 verify_strict", "us/change", &of(|r| r.verify));
    table.ratio("our parser / Change::from_bytes", &of(|r| r.parse), &of(|r| r.automerge));
    table.ratio("single: both / (from_bytes + verify_strict)", &of(|r| r.check + r.admit), &of(|r| r.automerge + r.verify));
    table.ratio("single: rules without the signature / from_bytes", &of(|r| r.check + r.admit - r.verify), &of(|r| r.automerge));
    table.ratio("joined: both / from_bytes", &of(|r| r.joined_check + r.joined_admit), &of(|r| r.automerge));
    table.row("materialising: Content::replay and text", "us/change", &of(|r| r.replay));
    table.row("limit: automerge apply_changes alone", "us/change", &of(|r| r.bare_apply));
    table.ratio("materialising / apply_changes", &of(|r| r.replay), &of(|r| r.bare_apply));
    Ok(table)
}

/// Checks, then admits all segments; microseconds per change of each.
pub fn take_in(network: &NetworkId, directory: &Directory, documents: &[Document], changes: f64) -> Result<(f64, f64), Failed> {
    let incoming: Vec<Vec<(Segment, &MemberCertificate)>> =
        documents.iter().map(|d| d.segments.iter().map(|(segment, member)| (segment.clone(), member)).collect()).collect();
    let mut checked: Vec<Vec<CheckedSegment>> = Vec::with_capacity(incoming.len());
    let begun = Instant::now();
    for segments in incoming {
        let mut passed = Vec::with_capacity(segments.len());
        for (segment, member) in segments {
            passed.push(segment::check(network, member, segment)?);
        }
        checked.push(passed);
    }
    let check = begun.elapsed().as_secs_f64() * 1e6 / changes;
    let mut states = Vec::with_capacity(documents.len());
    for document in documents {
        states.push(DocState::new(directory, document.genesis.clone())?);
    }
    let begun = Instant::now();
    for (state, segments) in states.iter_mut().zip(checked) {
        for segment in segments {
            if state.learn_segment(directory, segment) != Intake::New {
                return Err("a segment of the workload was not taken in".into());
            }
        }
    }
    let admit = begun.elapsed().as_secs_f64() * 1e6 / changes;
    if states.iter().any(|state| state.admitted().len() != CHANGES) {
        return Err("a change of the workload was not admitted".into());
    }
    Ok((check, admit))
}

/// Microseconds of one strict check of a signature over 32 bytes.
pub fn verify_strict(key: &SecretKey, count: usize) -> Result<f64, Failed> {
    use ed25519_dalek::Signer as _;
    let signing = ed25519_dalek::SigningKey::from_bytes(&key.expose_seed());
    let messages: Vec<[u8; 32]> = (0..count as u64).map(|n| [n.to_be_bytes(); 4].concat().try_into().unwrap_or([0; 32])).collect();
    let signatures: Vec<_> = messages.iter().map(|message| signing.sign(message)).collect();
    let public = signing.verifying_key().to_bytes();
    let begun = Instant::now();
    for (message, signature) in messages.iter().zip(&signatures) {
        // The key is decoded each time, as whoever checks a segment must.
        ed25519_dalek::VerifyingKey::from_bytes(&public)?.verify_strict(message, signature)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / count as f64)
}

/// A bureau with two officers who may write.
pub fn officers() -> Result<(NetworkId, Arc<Directory>, [Writer; 2]), Failed> {
    let mut world = World::agreed()?;
    let second = Arc::new(SecretKey::from_seed([99; 32]));
    let capabilities = ["create", "write"].map(str::to_owned).to_vec();
    world.ask(0, Command::OfficerAdd { name: "second".to_owned(), seats: vec!["liaison".to_owned()], capabilities })?;
    world.ask(0, Command::OfficerEnrol { name: "second".to_owned(), key: second.public() })?;
    let View::Officers { officers } = world.ask(0, Command::OfficerFind { name: "second".to_owned() })? else {
        return Err("no officer".into());
    };
    let certificate = officers.first().and_then(|o| CertificateId::from_hex(&o.certificate)).ok_or("no certificate")?;
    let directory = world.members[0].core.directory();
    let writer = |certificate, key| -> Result<Writer, Failed> {
        let member = directory.certificate(&certificate).ok_or("an unknown certificate")?.body().clone();
        Ok(Writer { certificate, member, key })
    };
    let writers = [writer(world.members[0].officer, Arc::clone(&world.members[0].key))?, writer(certificate, second)?];
    Ok((world.network, directory, writers))
}
