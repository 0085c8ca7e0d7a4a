//! What is stored of a document, and what of it goes to whom: parts in the order in which they were kept.

use super::*;

impl DocState {
    /// Notes a genesis or record as stored under `seq`.
    pub fn keep_statement(&mut self, seq: u64, item: Item) {
        self.statements.push((seq, item));
        self.newest_seq = self.newest_seq.max(seq);
    }
    /// Notes a segment as stored under `seq`.
    pub fn keep_segment(&mut self, seq: u64, checked: &CheckedSegment) {
        let hashes = checked.positions().iter().map(|position| position.change).collect();
        self.segments.push(Kept { seq, segment: checked.shared(), hashes });
        self.newest_seq = self.newest_seq.max(seq);
    }
    /// As [`DocState::keep_segment`], from bytes this document took in before: they were checked then, and are not parsed again.
    pub fn keep_segment_bytes(&mut self, seq: u64, bytes: &[u8]) {
        if let Ok(segment) = segment::decode_stored(bytes) {
            let hashes = segment.changes.iter().map(|raw| rules::hash_of_chunk(&raw.0)).chain(segment.links.iter().map(|link| link.change));
            self.segments.push(Kept { seq, hashes: hashes.collect(), segment: Arc::new(segment) });
            self.newest_seq = self.newest_seq.max(seq);
        }
    }
    /// Notes when the item stored under `seq` was learnt here.
    pub fn keep_learnt(&mut self, seq: u64, at: WallSeconds) {
        self.learnt.insert(seq, at);
    }
    /// Genesis and records in the order in which they were stored, with the time they were learnt here; items that the first version of the
    /// store kept have none.
    pub fn learnt_records(&self, network: &NetworkId) -> Vec<(RecordId, Option<WallSeconds>)> {
        let id = |item: &Item| match item {
            Item::Genesis(_) => Some(self.log.genesis_id()),
            Item::Record(bytes) => Sealed::<Record>::from_bytes(bytes).ok().map(|sealed| RecordId(sealed.id(network).0)),
            Item::Segment(_) | Item::Opening(_) | Item::Receipt(_) => None,
        };
        self.statements.iter().filter_map(|(seq, item)| Some((id(item)?, self.learnt.get(seq).copied()))).collect()
    }
    /// Sequence of the newest stored item.
    pub fn newest_seq(&self) -> u64 {
        self.newest_seq
    }

    /// Items stored after `after`, in sequence order, as they may travel. `all` gives segments whole (to the owner and to our own devices);
    /// otherwise a segment is cut back to what is admitted and left out when nothing of it is.
    pub fn items_after(&self, after: u64, all: bool) -> Vec<(u64, Item)> {
        self.parts_after(after, all).into_iter().map(|(seq, part)| (seq, part.into_item())).collect()
    }

    /// As [`DocState::items_after`], with the segments as they are.
    pub fn parts_after(&self, after: u64, all: bool) -> Vec<(u64, Part)> {
        let statements = self.statements.iter().filter(|(seq, _)| *seq > after);
        let mut out: Vec<(u64, Part)> = statements.map(|(seq, item)| (*seq, Part::Statement(item.clone()))).collect();
        for kept in self.segments.iter().filter(|kept| kept.seq > after) {
            let content = kept.segment.changes.len();
            let stands = kept.hashes.iter().take(content).take_while(|hash| self.admitted.contains(hash)).count();
            // Two segments for one position are the proof of a fork; whoever reads the document needs it to come to the same decision.
            let proof = !all && self.proves_fork(&kept.segment);
            let segment = if all || proof || stands == content {
                Some(Arc::clone(&kept.segment))
            } else if stands == 0 {
                None
            } else {
                let last = kept.segment.from + stands as u64 - 1;
                kept.segment.shortened(last, &kept.hashes).map(Arc::new)
            };
            out.extend(segment.map(|segment| (kept.seq, Part::Segment(segment))));
        }
        out.sort_by_key(|(seq, _)| *seq);
        out
    }

    /// Segments that travel together, with those of one writer that follow each other made one: the last signature covers all before it, so
    /// whoever takes them in verifies one for each writer instead of one for each sitting. What was signed is the same. A writer with two
    /// changes for one position is left as it is.
    pub fn joined(&self, segments: Vec<Arc<Segment>>) -> Vec<Segment> {
        segment::joined(segments, |actor| self.actors.get(actor).is_none_or(|actor| actor.fork_at.is_some()))
    }

    /// Segments of a bureau's own writers that hold something not admitted, whole and in sequence order: offered to the owner where nothing
    /// else may go.
    pub fn held_by(&self, bureau: &BureauId) -> Vec<(u64, Part)> {
        let by_them = |segment: &Segment| {
            let id = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            self.actors.get(&id).is_some_and(|actor| actor.member.bureau == *bureau)
        };
        let held = |kept: &&Kept| {
            let content = kept.hashes.iter().take(kept.segment.changes.len());
            by_them(&kept.segment) && content.clone().any(|hash| !self.admitted.contains(hash))
        };
        let kept = self.segments.iter().filter(held);
        let mut out: Vec<(u64, Part)> = kept.map(|kept| (kept.seq, Part::Segment(Arc::clone(&kept.segment)))).collect();
        out.sort_by_key(|(seq, _)| *seq);
        out
    }

    /// Whether all that segments say is stored: their attestations found their places, and their content is kept although what it rests on may never
    /// come.
    pub fn keeps(&self, segments: &[Arc<CheckedSegment>]) -> bool {
        let lives: BTreeSet<(CertificateId, Life)> = segments.iter().map(|s| (s.segment().certificate, s.segment().life)).collect();
        let theirs = self.segments.iter().filter(|kept| lives.contains(&(kept.segment.certificate, kept.segment.life)));
        let content = theirs.flat_map(|kept| kept.hashes.iter().take(kept.segment.changes.len()));
        let stored: BTreeSet<&ChangeHash> = content.collect();
        segments.iter().all(|checked| {
            let Some(actor) = self.actors.get(&checked.actor()) else { return false };
            checked.positions().iter().enumerate().all(|(at, position)| {
                let here = actor.positions.get(&position.n);
                let placed = here.is_some_and(|all| all.iter().any(|placed| placed.attestation == position.attestation));
                placed && (at >= checked.segment().changes.len() || stored.contains(&position.change))
            })
        })
    }

    /// Whether a segment holds the position at which its writer forked.
    pub(super) fn proves_fork(&self, segment: &Segment) -> bool {
        let id = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
        let fork = self.actors.get(&id).and_then(|actor| actor.fork_at);
        let last = segment.from + (segment.changes.len() + segment.links.len()) as u64 - 1;
        fork.is_some_and(|fork| (segment.from..=last).contains(&fork))
    }

    /// Stored segments that hold any of these changes: sent again under a new sequence when an anchor lets them in late.
    pub fn segments_with(&self, changes: &BTreeSet<ChangeHash>) -> Vec<Vec<u8>> {
        self.segments
            .iter()
            .filter(|kept| kept.hashes.iter().take(kept.segment.changes.len()).any(|hash| changes.contains(hash)))
            .map(|kept| accord_keys::canon::encode(kept.segment.as_ref()))
            .collect()
    }

    /// Every certificate named by the items that travel: evidence a receiver needs. With `all` also those behind held work.
    pub fn certificates(&self, all: bool) -> BTreeSet<CertificateId> {
        let travels = |actor: &&Actor| all || actor.fork_at.is_some() || self.has_admitted(actor);
        let mut out: BTreeSet<CertificateId> = self.actors.values().filter(travels).map(|actor| actor.certificate).collect();
        out.insert(self.log.genesis().body().creator);
        out.extend(self.quoted_certificates(|hash| all || self.admitted.contains(hash)));
        for (_, entry) in self.log.entries() {
            let Some(record) = &entry.record else { continue };
            out.insert(record.body().registrar);
            out.extend(record.body().kind.officers());
        }
        out
    }

    /// Of [`DocState::certificates`] those that whoever got the items up to `after` was given with them.
    pub fn certificates_until(&self, after: u64, all: bool) -> BTreeSet<CertificateId> {
        let went = |kept: &&Kept| kept.seq <= after && (all || kept.hashes.iter().any(|hash| self.admitted.contains(hash)));
        // Asked at every push of every entry: from the newest back, no further than until all who write here were met.
        let writes = |actor: &&Actor| all || self.has_admitted(actor);
        let writers: BTreeSet<CertificateId> = self.actors.values().filter(writes).map(|actor| actor.certificate).collect();
        let mut out = BTreeSet::new();
        for kept in self.segments.iter().rev() {
            if !out.contains(&kept.segment.certificate) && went(&kept) {
                out.insert(kept.segment.certificate);
                if writers.is_subset(&out) {
                    break;
                }
            }
        }
        if !self.quotes.is_empty() {
            let held: BTreeSet<ChangeHash> = self.segments.iter().filter(went).flat_map(|kept| kept.hashes.iter().copied()).collect();
            out.extend(self.quoted_certificates(|hash| held.contains(hash)));
        }
        if self.statements.iter().all(|(seq, _)| *seq <= after) {
            out.insert(self.log.genesis().body().creator);
            for record in self.log.entries().into_iter().filter_map(|(_, entry)| entry.record.as_ref()) {
                out.insert(record.body().registrar);
                out.extend(record.body().kind.officers());
            }
        }
        out
    }
}
