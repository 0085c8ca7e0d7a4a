//! Segments of one document as they travel between nodes of wire version 3: what the reader can work out itself is left out.
//!
//! Left out of every change are its chunk header and checksum, its actor (it follows from certificate, document and life), its sequence
//! number (its position), and as far as they are in the same terse form its dependencies and the actors it names. What remains is put back
//! together byte for byte: hash, attestation and signature are checked over that, so a terse form can say nothing that its segments do not.
//!
//! ```text
//! form    = count, segment*, order                              integers are LEB128
//! segment = certificate 32, life 8, from, [before 32, if from is not 1], changes, runs, (count, record)*, links, (change 32, record)*,
//!           signature 64
//! record  = 0 (the document's genesis) | k (the k-th record spelt out in this form) | next k, 32 bytes (spelt out here)
//! order   = for each change, after all it rests on in this form: segment, first op as a signed difference to the change before,
//!           deps, (0, 32 bytes | k: the k-th change back)*, actors, (0, 16 bytes | k: the actor of segment k - 1)*, length of columns
//! then all columns, in that order
//! ```

use std::collections::BTreeMap;

use crate::id::{Bytes, CertificateId, Digest, DocumentId, RecordId};
use crate::limits;
use crate::rules::{ActorId, ChangeHash, Head, Reader, put_signed, put_unsigned};
use crate::segment::{self, CitedRun, EncodedSegment, Life, Link, Segment};

/// Writes segments of `document`. `None` when one of them is not of the usual form: then they travel as they are.
pub(super) fn write(document: &DocumentId, segments: &[Segment]) -> Option<Vec<u8>> {
    if segments.iter().any(|segment| segment.document != *document) {
        return None;
    }
    let actors: Vec<ActorId> = segments.iter().map(|s| segment::actor_id(&s.certificate, document, &s.life)).collect();
    let mut out = Vec::new();
    let mut records = Records { document: *document, spelt: Vec::new() };
    put_unsigned(&mut out, segments.len() as u64);
    for segment in segments {
        put_segment(&mut out, &mut records, segment)?;
    }
    let heads: Vec<Vec<Head<'_>>> = segments
        .iter()
        .zip(&actors)
        .map(|(segment, actor)| {
            let heads = segment.changes.iter().enumerate().map(|(at, raw)| {
                let head = Head::read(&raw.0)?;
                (head.actor == *actor && head.seq == segment.from.checked_add(at as u64)?).then_some(head)
            });
            heads.collect::<Option<Vec<_>>>()
        })
        .collect::<Option<_>>()?;
    let mut next = vec![0usize; segments.len()];
    let mut columns = Vec::new();
    let mut places: BTreeMap<ChangeHash, u64> = BTreeMap::new();
    let mut before = 0i64;
    // The first operation's counter grows along every dependency, but for a fold without operations: its hash is then spelt out.
    while let Some((at, head)) =
        next.iter().enumerate().filter_map(|(at, next)| Some((at, heads[at].get(*next)?))).min_by_key(|(at, head)| (head.start_op, *at))
    {
        next[at] += 1;
        put_unsigned(&mut out, at as u64);
        let start = i64::try_from(head.start_op).ok()?;
        put_signed(&mut out, start - before);
        before = start;
        put_unsigned(&mut out, head.deps.len() as u64);
        for dep in &head.deps {
            match places.get(dep) {
                Some(place) => put_unsigned(&mut out, places.len() as u64 - place),
                None => {
                    put_unsigned(&mut out, 0);
                    out.extend_from_slice(&dep.0);
                }
            }
        }
        put_unsigned(&mut out, head.others.len() as u64);
        for other in &head.others {
            match actors.iter().position(|actor| actor == other) {
                Some(place) => put_unsigned(&mut out, place as u64 + 1),
                None => {
                    put_unsigned(&mut out, 0);
                    out.extend_from_slice(&other.0);
                }
            }
        }
        put_unsigned(&mut out, head.columns.len() as u64);
        columns.extend_from_slice(head.columns);
        let place = places.len() as u64;
        if places.insert(head.hash, place).is_some() {
            return None; // One change twice: two segments for one position travel as they are.
        }
    }
    out.extend_from_slice(&columns);
    Some(out)
}

/// The segments of a terse form with their canonical encoding, at most [`limits::FRAME_BYTES_MAX`] bytes together. `None` for anything else.
pub(super) fn read(document: &DocumentId, bytes: &[u8]) -> Option<Vec<EncodedSegment>> {
    let mut reader = Reader::new(bytes);
    let mut records = Records { document: *document, spelt: Vec::new() };
    // Every count grows a list only as bytes are there for its entries.
    let mut room = limits::FRAME_BYTES_MAX;
    let mut segments: Vec<Segment> = Vec::new();
    let mut left = Vec::new();
    for _ in 0..reader.unsigned().ok()? {
        let (segment, changes) = take_segment(&mut reader, &mut records, *document)?;
        spend(&mut room, 256 + segment.links.len() * 64)?;
        segments.push(segment);
        left.push(changes);
    }
    let actors: Vec<ActorId> = segments.iter().map(|s: &Segment| segment::actor_id(&s.certificate, document, &s.life)).collect();
    let mut order = Vec::new();
    let mut before = 0i64;
    for _ in 0..left.iter().try_fold(0u64, |sum, changes| sum.checked_add(*changes))? {
        let at = index(reader.unsigned().ok()?)?;
        let remaining = left.get_mut(at)?;
        *remaining = remaining.checked_sub(1)?;
        before = before.checked_add(reader.signed().ok()?)?;
        let start_op = u64::try_from(before).ok()?;
        let mut deps = Vec::new();
        for _ in 0..reader.unsigned().ok()? {
            spend(&mut room, 32)?;
            deps.push(match reader.unsigned().ok()? {
                0 => Dep::Spelt(ChangeHash(reader.array().ok()?)),
                back => Dep::Back(order.len().checked_sub(index(back)?)?),
            });
        }
        let mut others = Vec::new();
        for _ in 0..reader.unsigned().ok()? {
            spend(&mut room, 16)?;
            others.push(match reader.unsigned().ok()? {
                0 => ActorId(reader.array().ok()?),
                place => *actors.get(index(place)? - 1)?,
            });
        }
        let columns = index(reader.unsigned().ok()?)?;
        spend(&mut room, columns.checked_add(32)?)?;
        order.push(Ordered { at, start_op, deps, others, columns });
    }
    let mut hashes: Vec<ChangeHash> = Vec::with_capacity(order.len());
    for Ordered { at, start_op, deps, others, columns } in order {
        let columns = reader.take(columns as u64).ok()?;
        let deps = deps.into_iter().map(|dep| match dep {
            Dep::Spelt(hash) => Some(hash),
            Dep::Back(place) => hashes.get(place).copied(),
        });
        let segment = &mut segments[at];
        let seq = segment.from.checked_add(segment.changes.len() as u64)?;
        let (hash, raw) = Head::write(&deps.collect::<Option<Vec<_>>>()?, &actors[at], seq, start_op, &others, columns);
        hashes.push(hash);
        segment.changes.push(Bytes(raw));
    }
    if !reader.is_empty() {
        return None;
    }
    let out: Vec<EncodedSegment> = segments.into_iter().map(|segment| EncodedSegment::write(segment).ok()).collect::<Option<_>>()?;
    (out.iter().map(|segment| segment.bytes().len()).sum::<usize>() <= limits::FRAME_BYTES_MAX).then_some(out)
}

struct Ordered {
    at: usize,
    start_op: u64,
    deps: Vec<Dep>,
    others: Vec<ActorId>,
    columns: usize,
}

enum Dep {
    Spelt(ChangeHash),
    /// Place in the order.
    Back(usize),
}

/// Records that were spelt out so far.
struct Records {
    document: DocumentId,
    spelt: Vec<RecordId>,
}

impl Records {
    fn put(&mut self, out: &mut Vec<u8>, record: &RecordId) {
        if record.0 == self.document.0 {
            return put_unsigned(out, 0);
        }
        match self.spelt.iter().position(|known| known == record) {
            Some(place) => put_unsigned(out, place as u64 + 1),
            None => {
                self.spelt.push(*record);
                put_unsigned(out, self.spelt.len() as u64);
                out.extend_from_slice(&record.0);
            }
        }
    }
    fn take(&mut self, reader: &mut Reader<'_>) -> Option<RecordId> {
        let place = index(reader.unsigned().ok()?)?;
        if place == 0 {
            return Some(RecordId(self.document.0));
        }
        if place == self.spelt.len() + 1 {
            self.spelt.push(RecordId(reader.array().ok()?));
        }
        self.spelt.get(place - 1).copied()
    }
}

fn put_segment(out: &mut Vec<u8>, records: &mut Records, segment: &Segment) -> Option<()> {
    out.extend_from_slice(&segment.certificate.0);
    out.extend_from_slice(&segment.life.0);
    put_unsigned(out, segment.from);
    if segment.from != 1 {
        out.extend_from_slice(&segment.before.0);
    } else if segment.before != Digest([0; 32]) {
        return None;
    }
    put_unsigned(out, segment.changes.len() as u64);
    put_unsigned(out, segment.cited.len() as u64);
    for run in &segment.cited {
        put_unsigned(out, u64::from(run.count));
        records.put(out, &run.record);
    }
    put_unsigned(out, segment.links.len() as u64);
    for link in &segment.links {
        out.extend_from_slice(&link.change.0);
        records.put(out, &link.cited);
    }
    out.extend_from_slice(&<[u8; 64]>::try_from(segment.signature.0.as_slice()).ok()?);
    Some(())
}

/// A segment without its changes, and how many it has.
fn take_segment(reader: &mut Reader<'_>, records: &mut Records, document: DocumentId) -> Option<(Segment, u64)> {
    let certificate = CertificateId(reader.array().ok()?);
    let life = Life(reader.array().ok()?);
    let from = reader.unsigned().ok()?;
    let before = Digest(if from == 1 { [0; 32] } else { reader.array().ok()? });
    let changes = reader.unsigned().ok()?;
    let mut cited = Vec::new();
    for _ in 0..reader.unsigned().ok()? {
        let count = u32::try_from(reader.unsigned().ok()?).ok()?;
        cited.push(CitedRun { count, record: records.take(reader)? });
    }
    let mut links = Vec::new();
    for _ in 0..reader.unsigned().ok()? {
        links.push(Link { change: ChangeHash(reader.array().ok()?), cited: records.take(reader)? });
    }
    let signature = Bytes(reader.array::<64>().ok()?.to_vec());
    Some((Segment { document, certificate, life, from, before, changes: Vec::new(), cited, links, signature }, changes))
}

fn index(value: u64) -> Option<usize> {
    usize::try_from(value).ok()
}

fn spend(room: &mut usize, bytes: usize) -> Option<()> {
    *room = room.checked_sub(bytes)?;
    Some(())
}
