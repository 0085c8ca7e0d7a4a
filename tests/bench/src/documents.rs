//! Documents "bulletin x20" as two officers of one bureau write them: genesis, changes by Automerge, segments sealed by their writers.

use std::sync::Arc;

use accord_keys::certificate::MemberCertificate;
use accord_keys::seal::{Sealed, Verified};
use accord_keys::secret::SecretKey;
use accord_protocol::access::log::{Genesis, Grantee, Kind, Life};
use accord_protocol::act::ActKind;
use accord_protocol::agreement::{Category, Tlp};
use accord_protocol::content::Content;
use accord_protocol::id::{CertificateId, Digest, DocumentId, NetworkId, Nonce, RecordId};
use accord_protocol::rules;
use accord_protocol::segment::{self, Segment, Tip};
use accord_protocol::time::WallSeconds;

use crate::Failed;
use crate::workload::{self, CHANGES};

/// An officer who writes.
#[derive(Clone)]
pub struct Writer {
    /// Whose changes they are.
    pub certificate: CertificateId,
    /// Its body.
    pub member: MemberCertificate,
    /// The key that seals them.
    pub key: Arc<SecretKey>,
}

/// What is alike in all documents of a run.
#[derive(Clone)]
pub struct Shape {
    /// Changes under one signature; the officers take turns from segment to segment. A node makes one segment per user action, so 1.
    pub per_segment: usize,
    /// Changes of one document.
    pub changes: usize,
    /// Who holds it besides its owner.
    pub audience: Vec<Grantee>,
    /// When it was written.
    pub at: WallSeconds,
}

impl Shape {
    /// The workload: one segment and so one signature per change.
    pub fn single() -> Self {
        Self { per_segment: 1, changes: CHANGES, audience: Vec::new(), at: WallSeconds(1_900_000_000) }
    }
}

/// A document of the workload.
pub struct Document {
    /// Record 0 of its log.
    pub genesis: Verified<Genesis>,
    /// Its segments, in causal order, each with its writer.
    pub segments: Vec<(Segment, MemberCertificate)>,
    /// Raw changes, in causal order: what peers are given.
    pub raw: Vec<Vec<u8>>,
}

impl Document {
    /// Its id.
    pub fn id(&self) -> DocumentId {
        DocumentId(self.genesis.id().0)
    }
}

/// Writes document `n`.
///
/// # Errors
/// When a seal or a change cannot be made.
pub fn write(network: &NetworkId, writers: &[Writer; 2], shape: &Shape, n: usize) -> Result<Document, Failed> {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let lives = [Life([1; 8]), Life([2; 8])];
    let genesis = Genesis {
        owner: writers[0].member.bureau,
        creator: writers[0].certificate,
        kind: Kind::Case,
        schema: 1,
        rules: 1,
        category: Category::CrimSeries,
        tlp: Tlp::Amber,
        audience: shape.audience.clone(),
        life: lives[0],
        at: shape.at,
        nonce: Nonce(nonce),
        hidden: None,
    };
    let genesis = Sealed::seal(network, genesis, &[writers[0].key.as_ref()])?.verify(network)?;
    let document = DocumentId(genesis.id().0);
    let actors = [0, 1].map(|who| segment::actor_id(&writers[who].certificate, &document, &lives[who]));
    let opening = workload::act(n, ActKind::Open, "串案通报", "").to_bytes();
    let (mut content, first) = Content::found(actors[0], &[opening], &workload::text(n))?;
    let mut tips = [Tip { n: 0, attestation: Digest([0; 32]) }; 2];
    let mut out = Document { genesis, segments: Vec::new(), raw: Vec::new() };
    let mut batch: Vec<Vec<u8>> = vec![first];
    for change in 1..=shape.changes {
        let who = (change - 1) / shape.per_segment % 2;
        if batch.len() == shape.per_segment || change == shape.changes {
            let hashes: Vec<_> = batch.iter().map(|raw| rules::parse(raw).map(|parsed| parsed.hash())).collect::<Result<_, _>>()?;
            out.raw.extend(batch.iter().cloned());
            let writer = &writers[who];
            let mut attestation = tips[who].attestation;
            for (at, hash) in hashes.iter().enumerate() {
                let n = tips[who].n + 1 + at as u64;
                attestation = segment::attest(&document, &writer.certificate, &lives[who], n, hash, &RecordId(document.0), &attestation);
            }
            let sealed = segment::seal_changes(
                network,
                writer.key.as_ref(),
                document,
                writer.certificate,
                lives[who],
                tips[who],
                std::mem::take(&mut batch),
                &hashes,
                RecordId(document.0),
            )?;
            tips[who] = Tip { n: tips[who].n + hashes.len() as u64, attestation };
            out.segments.push((sealed, writer.member.clone()));
        }
        if change < shape.changes {
            let next = change / shape.per_segment % 2;
            let length = content.text_len()?;
            batch.extend(content.edit(actors[next], &workload::edits(change, length))?);
        }
    }
    Ok(out)
}

/// The segments of each writer as one run under its last signature, as they may travel: it commits to all before it.
pub fn joined(document: &Document) -> Vec<(Segment, MemberCertificate)> {
    let mut runs: Vec<(Segment, MemberCertificate)> = Vec::new();
    for (segment, member) in &document.segments {
        match runs.iter_mut().find(|(run, _)| run.certificate == segment.certificate && run.life == segment.life) {
            None => runs.push((segment.clone(), member.clone())),
            Some((run, _)) => {
                run.changes.extend(segment.changes.iter().cloned());
                for cited in &segment.cited {
                    match run.cited.last_mut() {
                        Some(last) if last.record == cited.record => last.count += cited.count,
                        _ => run.cited.push(cited.clone()),
                    }
                }
                run.signature = segment.signature.clone();
            }
        }
    }
    runs
}
