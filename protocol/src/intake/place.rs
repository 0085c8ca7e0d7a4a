//! Where a segment finds its place: behind what its life signed before, all of it or its attestations alone.

use super::*;

impl DocState {
    /// Segments and records that found their place although [`DocState::learn_segment`] or [`DocState::learn_record`] answered something
    /// else when they came: they are to be kept too. A segment may come twice: when its attestations and when its content found a place.
    pub fn take_fresh(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.fresh)
    }

    pub(super) fn set_aside(&mut self, segment: Arc<CheckedSegment>) {
        let same = |other: &Arc<CheckedSegment>| other.segment() == segment.segment();
        let bytes: usize = self.waiting_segments.iter().chain([&segment]).map(|segment| segment.content_bytes()).sum();
        if self.waiting_segments.len() < WAITING_MAX && bytes <= WAITING_BYTES_MAX && !self.waiting_segments.iter().any(same) {
            self.waiting_segments.push(segment);
        }
    }

    /// Finds places for the attestations and the content of segments; says of each too whether any was found.
    ///
    /// Attestations count wherever their chain connects, with content or without: they are the proof of who signed what, and the same
    /// whether the content came whole, cut back to links, too early or malformed.
    pub(super) fn place(&mut self, directory: &Directory, segments: &[Arc<CheckedSegment>]) -> Vec<(Intake, bool)> {
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(segments.len());
        let mut forked = false;
        for checked in segments {
            runs.push(self.place_attestations(directory, checked, &mut forked));
        }
        let fresh = self.place_content(directory, &mut runs);
        let settles: BTreeSet<Order> = fresh.iter().filter_map(|hash| self.missing_tips.get(hash)).flatten().copied().collect();
        if forked || (!settles.is_empty() && self.has_fork()) {
            self.recompute();
        } else if runs.iter().any(|run| run.placed) {
            for (_, _, record) in settles {
                self.settle(record);
            }
            self.admit_more();
        }
        let outcome = |run: Run<'_>| (run.stopped.unwrap_or(if run.placed { Intake::New } else { Intake::Known }), run.placed);
        runs.into_iter().map(outcome).collect()
    }

    /// Finds places for a segment's attestations. Where one before them is missing its content waits too.
    pub(super) fn place_attestations<'a>(&mut self, directory: &Directory, checked: &'a CheckedSegment, forked: &mut bool) -> Run<'a> {
        let segment = checked.segment();
        let mut run = Run { checked, group: Group([0; 32]), next: 0, placed: false, stopped: None };
        if segment.document != self.log.document() {
            run.stopped = Some(Intake::Malformed("segment of another document".into()));
            return run;
        }
        let Some(member) = directory.certificate(&segment.certificate) else {
            run.stopped = Some(Intake::Waiting);
            return run;
        };
        run.group = Group(member.body().bureau.0);
        let actor_id = checked.actor();
        for position in checked.positions() {
            let known_before = position.n == 1
                || self
                    .actors
                    .get(&actor_id)
                    .and_then(|actor| actor.positions.get(&(position.n - 1)))
                    .is_some_and(|all| all.iter().any(|placed| placed.attestation == position.previous));
            if !known_before {
                run.stopped = Some(Intake::Waiting);
                return run;
            }
            let actor = self.actors.entry(actor_id).or_insert_with(|| Actor {
                certificate: segment.certificate,
                member: Arc::new(member.body().clone()),
                life: segment.life,
                positions: BTreeMap::new(),
                fork_at: None,
            });
            let here = actor.positions.entry(position.n).or_default();
            if here.iter().all(|placed| placed.attestation != position.attestation) {
                here.push(Placed { change: position.change, cited: position.cited, attestation: position.attestation });
                run.placed = true;
                // A further one at or behind the first place that was signed twice decides nothing: all of that is out already.
                if here.len() > 1 && actor.fork_at.is_none_or(|first| position.n < first) {
                    actor.fork_at = Some(position.n);
                    *forked = true;
                }
            }
        }
        run
    }

    /// Finds places for the content of segments, each change after what it rests on; answers the changes that found one.
    pub(super) fn place_content(&mut self, directory: &Directory, runs: &mut [Run<'_>]) -> Vec<ChangeHash> {
        let mut fresh = Vec::new();
        let mut ready: VecDeque<usize> = (0..runs.len()).filter(|at| runs[*at].stopped.is_none()).collect();
        let mut waits: BTreeMap<ChangeHash, Vec<usize>> = BTreeMap::new();
        while let Some(at) = ready.pop_front() {
            let run = &mut runs[at];
            while let Some((change, raw)) = run.checked.parsed().get(run.next).zip(run.checked.segment().changes.get(run.next)) {
                let hash = change.hash();
                if !self.index.contains(&hash) {
                    match self.index.check(change, run.group) {
                        Ok(passed) => {
                            if change.deps().is_empty() {
                                let mut acts = change.acts().filter_map(|bytes| Act::from_bytes(bytes).ok());
                                let founds = acts.find(|act| matches!(act.kind, ActKind::Draft | ActKind::Publish | ActKind::Open));
                                self.founding.insert(hash, founds);
                            }
                            self.index.insert(passed);
                            self.raw_bytes += raw.0.len();
                            self.raw.insert(hash, Arc::from(raw.0.as_slice()));
                            self.note_quotes(directory, &hash, change);
                            self.note_attached(&hash, change);
                            fresh.push(hash);
                            run.placed = true;
                            ready.extend(waits.remove(&hash).into_iter().flatten());
                        }
                        Err(Verdict::Waiting(missing)) => {
                            let first = missing.first().copied().expect("what waits misses something");
                            waits.entry(first).or_default().push(at);
                            break;
                        }
                        Err(Verdict::Malformed(why)) => {
                            run.stopped = Some(Intake::Malformed(why.to_string()));
                            break;
                        }
                    }
                }
                run.next += 1;
            }
        }
        for at in waits.into_values().flatten() {
            runs[at].stopped = Some(Intake::Waiting);
        }
        fresh
    }

    /// Whether all that has no place yet of a segment stands at or behind a position its actor signed twice, its attestations are placed and no anchor
    /// names it: such content counts for nothing, with or without what it rests on.
    pub(super) fn is_behind_fork(&self, segment: &CheckedSegment) -> bool {
        let Some(actor) = self.actors.get(&segment.actor()) else { return false };
        let Some(fork) = actor.fork_at else { return false };
        segment.positions().iter().filter(|position| !self.index.contains(&position.change)).all(|position| {
            let placed = actor.positions.get(&position.n).is_some_and(|all| all.iter().any(|one| one.attestation == position.attestation));
            placed && position.n >= fork && !self.missing_tips.contains_key(&position.change)
        })
    }

    pub(super) fn has_fork(&self) -> bool {
        self.actors.values().any(|actor| actor.fork_at.is_some())
    }
}
