//! Progress of a first sync or a long catching-up: what crossed, how much there will be, at what pace, how long the rest takes.
//!
//! ```text
//! sender    counts, ahead of its walk and by the walk's own question, what is still to go to the other end; tells it by `Ahead(still to
//!           come, of how many)`: to nodes of wire version 5, of rows long enough to wait for, again when it turns out otherwise, and at the end
//! receiver  counts what comes down from there
//! ```
//! The numbers are of documents that are about to be pushed to this very peer, so they say nothing it will not see. A broken link or a restart
//! does not begin anew: the sender keeps beside what was acknowledged how much of the row that was, and what goes once more, for no cursor
//! covered it, is taken off first; the receiver keeps its count beside each cursor and adds what it finds on its disk beyond.

use super::*;
use crate::time::WallSeconds;
use crate::view::ProgressView;

/// Length of one slot of a pace, milliseconds, and how many make a minute.
const SLOT_MS: u64 = 5_000;
const SLOTS: usize = 12;
/// A course that ended is shown so long, milliseconds.
const ENDED_SHOWN_MS: u64 = 10 * 60 * 1_000;
/// What a receiver noted of a course is forgotten after so long when the sender begins at the beginning, seconds.
const STALE_S: u64 = 24 * 3_600;
/// Before the transport key, in the key of a receiver's row.
const COMING: &[u8] = b"coming:";

/// How much came or went within the last minute.
#[derive(Clone, Debug, Default)]
struct Pace {
    since: MonoMillis,
    /// Number of the slot, documents, bytes.
    slots: VecDeque<(u64, u64, u64)>,
}

impl Pace {
    fn begin(now: MonoMillis) -> Self {
        Self { since: now, slots: VecDeque::new() }
    }
    fn note(&mut self, now: MonoMillis, documents: u64, bytes: u64) {
        let slot = now.0 / SLOT_MS;
        match self.slots.back_mut() {
            Some(last) if last.0 == slot => (last.1, last.2) = (last.1.saturating_add(documents), last.2.saturating_add(bytes)),
            _ => self.slots.push_back((slot, documents, bytes)),
        }
        while self.slots.len() > SLOTS {
            self.slots.pop_front();
        }
    }
    /// Documents a minute and bytes a second.
    fn over(&self, now: MonoMillis) -> (u64, u64) {
        let oldest = (now.0 / SLOT_MS).saturating_sub(SLOTS as u64 - 1);
        let kept = self.slots.iter().filter(|(slot, _, _)| *slot >= oldest);
        let (documents, bytes) =
            kept.fold((0u64, 0u64), |sum, (_, documents, bytes)| (sum.0.saturating_add(*documents), sum.1.saturating_add(*bytes)));
        let from = self.since.0.max(oldest * SLOT_MS);
        let over = now.0.saturating_sub(from).max(1_000);
        (documents.saturating_mul(60_000) / over, bytes.saturating_mul(1_000) / over)
    }
}

/// One longer row of documents, in one direction, with one peer; it outlives links.
#[derive(Clone, Debug, Default)]
pub(in crate::bureau) struct Course {
    /// Dealt with.
    done: u64,
    /// Up to where in the sender's walk that is.
    at: u64,
    /// What people were told at least: nothing of it is taken back because some of it goes once more.
    shown: u64,
    /// How many there are in all, as far as it is known.
    of: u64,
    bytes: u64,
    pace: Pace,
    /// It is over since.
    ended: Option<MonoMillis>,
    /// When a receiver last wrote it down.
    noted: Option<WallSeconds>,
    /// People were told of its end.
    told: bool,
}

impl Course {
    fn begin(now: MonoMillis) -> Self {
        Self { pace: Pace::begin(now), ..Self::default() }
    }
    fn runs(&self) -> bool {
        self.ended.is_none()
    }
    fn note(&mut self, now: MonoMillis, documents: u64, bytes: u64) {
        // It may have begun at a number that another node named.
        self.done = self.done.saturating_add(documents);
        self.shown = self.shown.max(self.done);
        self.bytes = self.bytes.saturating_add(bytes);
        self.pace.note(now, documents, bytes);
    }
    fn end(&mut self, now: MonoMillis) {
        (self.of, self.shown) = (self.shown.max(self.done), self.shown.max(self.done));
        self.ended = Some(now);
    }
    /// Whether what its receiver noted is too old to count, or nothing was noted since both compared equal.
    fn is_stale(&self, turn: &Turn) -> bool {
        self.noted.is_none_or(|at| at.0.saturating_add(STALE_S) < turn.stamp.0)
    }
    /// Whether it is long enough to be told of.
    fn is_long(&self) -> bool {
        self.of >= limits::PROGRESS_DOCUMENTS_MIN
    }
}

/// Both directions with one peer.
#[derive(Debug, Default)]
pub(in crate::bureau) struct Progress {
    sending: Option<Course>,
    receiving: Option<Course>,
}

/// What one link has counted of what is still to go.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// It counts.
    on: bool,
    /// Up to this sequence.
    until: u64,
    /// Behind the walk.
    left: u64,
    /// Where the walk of this link began; up to where documents were counted as done on earlier links, and how far these two differ: so many
    /// more are done, and so many go once more.
    from: u64,
    at: u64,
    more: u64,
    again: u64,
    /// What the other end believes is still to come.
    told: Option<u64>,
    /// It heard that nothing more is.
    closed: bool,
}

impl Count {
    /// The other end heard nothing of it yet.
    pub(super) fn is_untold(&self) -> bool {
        self.on && self.told.is_none()
    }
}

/// How far a peer acknowledged, as stored: [`Reached`] with how much of a longer row that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(in crate::bureau) struct AcknowledgedRow {
    #[n(0)]
    base: u64,
    #[n(1)]
    walked: u64,
    /// Present while a longer row is on its way.
    #[n(2)]
    done: Option<u64>,
    #[n(3)]
    of: Option<u64>,
    #[n(4)]
    bytes: Option<u64>,
    /// What people were told, if that is more than what counts now.
    #[n(5)]
    shown: Option<u64>,
}

impl AcknowledgedRow {
    /// How far it got, and the row that was on its way.
    pub fn read(self) -> (Reached, Option<Course>) {
        let course = self.done.map(|done| Course {
            done,
            at: self.walked,
            shown: self.shown.unwrap_or(done),
            of: self.of.unwrap_or(0),
            bytes: self.bytes.unwrap_or(0),
            ..Course::default()
        });
        (Reached { base: self.base, walked: self.walked }, course)
    }
}

/// What a receiver keeps of a row on its way, beside the cursor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(in crate::bureau) struct ComingRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    bureau: BureauId,
    #[n(2)]
    done: u64,
    #[n(3)]
    of: u64,
    #[n(4)]
    bytes: u64,
    /// Documents of that bureau held then (of our own: all).
    #[n(5)]
    held: u64,
    #[n(6)]
    at: WallSeconds,
    /// All of it came; the sender may not know so yet.
    #[n(7)]
    over: Option<bool>,
}

fn coming_key(transport: &TransportKey) -> Vec<u8> {
    [COMING, &transport.0].concat()
}

/// The rows of a store: how far each peer got with what was on its way to it and from it. `held` says how many documents of a bureau there are.
pub(in crate::bureau) fn open(
    going: BTreeMap<TransportKey, Course>,
    local: &BTreeMap<Vec<u8>, Vec<u8>>,
    held: impl Fn(&BureauId) -> u64,
) -> BTreeMap<TransportKey, Progress> {
    let mut all: BTreeMap<TransportKey, Progress> =
        going.into_iter().map(|(transport, course)| (transport, Progress { sending: Some(course), receiving: None })).collect();
    for (key, value) in local {
        let Some(transport) = key.strip_prefix(COMING).and_then(|key| <[u8; 32]>::try_from(key).ok()) else { continue };
        // It is only shown: what cannot be read is as good as none.
        let Ok(row) = read::<ComingRow>("local", value) else { continue };
        let came_since = held(&row.bureau).saturating_sub(row.held);
        let done = row.done.saturating_add(came_since).min(row.of);
        let bytes = row.bytes.saturating_add((row.bytes / row.done.max(1)).saturating_mul(done.saturating_sub(row.done)));
        let over = row.over.unwrap_or(false);
        let ended = over.then_some(MonoMillis(0));
        let course = Course { done, shown: done, of: row.of, bytes, ended, told: over, noted: Some(row.at), ..Course::default() };
        all.entry(TransportKey(transport)).or_default().receiving = Some(course);
    }
    all
}

impl Bureau {
    /// Whether the walk will push a document to the other end: its own question.
    fn will_go(&self, turn: &Turn, link: &Link, document: &DocumentId) -> bool {
        let Some(peer) = link.peer else { return false };
        if link.declined.contains(document) || self.cannot_load.contains_key(document) {
            return false;
        }
        self.may_send(turn, &peer, document).is_ok_and(|permit| permit.scope() != Scope::Held)
            && (link.own || !self.left_to_owner(&peer, document))
    }

    /// Counts on ahead of the walk, so many documents at a time, if there are many.
    pub(super) fn count_ahead(&mut self, turn: &Turn, id: LinkId) {
        let link = &self.links[&id];
        let Some(peer) = link.peer else { return };
        if self.mode(turn, link) != Mode::Full || self.silence(&peer.bureau).is_some() {
            return;
        }
        let transport = link.transport;
        let course = self.progress.get(&transport).and_then(|progress| progress.sending.as_ref());
        if !link.count.on {
            let most = usize::try_from(limits::PROGRESS_DOCUMENTS_MIN).expect("a small number");
            let many = link.whole.len() + self.documents.ids_after(link.walked).take(most).count() >= most;
            let runs = course.is_some_and(Course::runs);
            if !many && !runs {
                return;
            }
            let from = link.walked;
            let sending = &mut self.progress.entry(transport).or_default().sending;
            match sending {
                Some(course) if runs => course.pace = Pace::begin(turn.now.mono),
                _ => *sending = Some(Course { at: from, ..Course::begin(turn.now.mono) }),
            }
            let at = sending.as_ref().map_or(from, |course| course.at);
            let count = Count { on: true, until: from.min(at), from, at, ..Count::default() };
            self.links.get_mut(&id).expect("present above").count = count;
        }
        let link = &self.links[&id];
        let (from, at) = (link.count.from, link.count.at);
        let (mut seen, mut until, mut left, mut more, mut again) = (0, link.count.until, 0, 0, 0);
        for line in self.documents.after(until).take(limits::PROGRESS_COUNTED_AT_ONCE) {
            let seq = line.newest_seq;
            (seen, until) = (seen + 1, seq);
            if self.will_go(turn, link, &line.document) {
                more += u64::from(seq <= from);
                again += u64::from(seq > from && seq <= at);
                left += u64::from(seq > link.walked);
            }
        }
        let head = self.sequence;
        let count = &mut self.links.get_mut(&id).expect("present above").count;
        (count.left, count.more, count.again) = (count.left + left, count.more + more, count.again + again);
        count.until = if seen < limits::PROGRESS_COUNTED_AT_ONCE { head.max(until) } else { until };
        if from != at && count.until >= from.max(at) {
            let (more, again) = (count.more, count.again);
            count.at = from;
            if let Some(course) = self.progress.get_mut(&transport).and_then(|progress| progress.sending.as_mut()) {
                (course.done, course.at) = (course.done.saturating_add(more).saturating_sub(again), from);
                course.shown = course.shown.max(course.done);
            }
        }
    }

    /// The walk comes to a document that was counted.
    pub(super) fn counted_goes(&mut self, id: LinkId, walk_to: Option<u64>, dealt_with: bool) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.count.on) else { return };
        if walk_to.is_some_and(|seq| seq <= link.count.until) {
            link.count.left = link.count.left.saturating_sub(1);
        }
        if dealt_with {
            let course = self.progress.get_mut(&link.transport).and_then(|progress| progress.sending.as_mut());
            if let Some(course) = course {
                course.done = course.done.saturating_add(1);
            }
        } else {
            link.count.told = link.count.told.map(|told| told.saturating_sub(1));
        }
    }

    /// A document moves to the end of the sequence before the walk came to it: it is counted there.
    pub(in crate::bureau) fn counted_moves(&mut self, turn: &Turn, document: &DocumentId, from: u64) {
        let meant: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| link.count.on && link.walked < from && from <= link.count.until && self.will_go(turn, link, document))
            .map(|(id, _)| *id)
            .collect();
        for id in meant {
            if let Some(link) = self.links.get_mut(&id) {
                link.count.left = link.count.left.saturating_sub(1);
            }
        }
    }

    /// Says how much is still to come, where the other end does not know it well enough; ends what is over.
    pub(super) fn tell_ahead(&mut self, turn: &mut Turn, id: LinkId) {
        let link = &self.links[&id];
        let (Some(peer), true) = (link.peer, link.count.on && link.count.until >= self.sequence) else { return };
        if self.mode(turn, link) != Mode::Full || self.silence(&peer.bureau).is_some() {
            return;
        }
        let (transport, version, told, closed) = (link.transport, link.version, link.count.told, link.count.closed);
        let walked = link.walked >= self.sequence;
        let link = self.links.get_mut(&id).expect("present above");
        if walked {
            // What was counted and then passed over after all.
            link.count.left = 0;
        }
        let ahead = link.count.left + link.whole.len() as u64;
        let over = walked && ahead == 0;
        // It counts down by itself; the end it does not know.
        let enough = told.is_some_and(|told| told.abs_diff(ahead) <= limits::PROGRESS_DOCUMENTS_MIN.max(ahead / 32));
        let enough = enough && (closed || !over);
        let flying = link.in_flight.iter().filter(|push| push.last).count() as u64;
        let Some(course) = self.progress.get_mut(&transport).and_then(|progress| progress.sending.as_mut()) else { return };
        let of = course.done.saturating_add(flying + ahead).min(limits::AHEAD_DOCUMENTS_MAX);
        course.of = of.max(course.shown);
        let long = course.is_long();
        if version >= 5 && !enough && (told.is_some() || (long && !over)) {
            // How many there are is content to whoever is not entitled: gated like pushes.
            self.send(turn, id, &Message::Ahead { documents: ahead, of }, true);
            let count = &mut self.links.get_mut(&id).expect("present above").count;
            (count.told, count.closed) = (Some(ahead), ahead == 0);
        }
        if over && flying == 0 {
            self.end_sending(turn, id, peer);
        }
    }

    /// Everything is acknowledged.
    fn end_sending(&mut self, turn: &mut Turn, id: LinkId, peer: Peer) {
        let link = self.links.get_mut(&id).expect("the caller looked");
        let transport = link.transport;
        link.count = Count::default();
        let Some(progress) = self.progress.get_mut(&transport) else { return };
        match progress.sending.as_mut().filter(|course| course.runs()) {
            Some(course) if course.is_long() => {
                course.end(turn.now.mono);
                let count = course.shown;
                self.event(turn, "caught_up", None, Some(peer.bureau), &format!("sent {count}"));
            }
            _ => progress.sending = None,
        }
        self.keep_reached(turn, &transport);
    }

    /// What was acknowledged now: documents and bytes.
    pub(super) fn acknowledged(&mut self, turn: &Turn, transport: &TransportKey, reached: Option<Reached>, documents: u64, bytes: usize) {
        let course = self.progress.get_mut(transport).and_then(|progress| progress.sending.as_mut());
        if let Some(course) = course.filter(|course| course.runs()) {
            course.note(turn.now.mono, documents, bytes as u64);
            course.at = reached.map_or(course.at, |reached| reached.walked);
        }
    }

    /// Writes down how far a peer got, with how much of a longer row that was.
    pub(super) fn keep_reached(&mut self, turn: &mut Turn, transport: &TransportKey) {
        let Some(reached) = self.reached.get(transport) else { return };
        let course = self.progress.get(transport).and_then(|progress| progress.sending.as_ref());
        let course = course.filter(|course| course.runs() && course.is_long());
        let row = AcknowledgedRow {
            base: reached.base,
            walked: reached.walked,
            done: course.map(|course| course.done),
            shown: course.filter(|course| course.shown > course.done).map(|course| course.shown),
            of: course.map(|course| course.of),
            bytes: course.map(|course| course.bytes),
        };
        turn.put(Table::Acknowledged, &transport.0, write(&row));
    }

    /// The other end says how much is still to come.
    pub(in crate::bureau) fn ahead_came(&mut self, turn: &mut Turn, id: LinkId, documents: u64, of: u64) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        let peer = link.peer.expect("checked by message()");
        let Some(done) = of.checked_sub(documents) else { return };
        let transport = link.transport;
        let resumes = !std::mem::replace(&mut link.comes, documents > 0);
        if documents == 0 {
            return self.end_receiving(turn, &transport, peer.bureau, done);
        }
        let before = std::mem::take(&mut link.came_bytes);
        let first = !self.progress.get(&transport).and_then(|progress| progress.receiving.as_ref()).is_some_and(Course::runs);
        // Each begins a row on disk and ends in an event: nobody begins more of them than anybody can use.
        if first && self.is_noise(turn, id) {
            return;
        }
        let receiving = &mut self.progress.entry(transport).or_default().receiving;
        let course = match receiving {
            Some(course) if !first => course,
            // All of it was here; the last acknowledgements were lost, and it goes once more.
            Some(course) if course.of == of && !course.is_stale(turn) => {
                course.ended = None;
                course
            }
            none => none.insert(Course::begin(turn.now.mono)),
        };
        if resumes {
            course.pace = Pace::begin(turn.now.mono);
            course.bytes = course.bytes.saturating_add(before);
        }
        if done == 0 && course.noted.is_some() && course.is_stale(turn) {
            (course.shown, course.bytes, course.noted) = (0, 0, None);
        }
        course.done = done;
        course.shown = course.shown.max(done).min(of);
        course.of = of;
        if first {
            self.keep_coming(turn, &transport, peer.bureau);
        }
    }

    /// A push came.
    pub(super) fn push_counts(&mut self, turn: &Turn, id: LinkId, document: DocumentId, size: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.comes {
            link.came_bytes = link.came_bytes.saturating_add(size as u64);
            return;
        }
        let another = u64::from(link.came.replace(document) != Some(document));
        let course = self.progress.get_mut(&link.transport).and_then(|progress| progress.receiving.as_mut());
        if let Some(course) = course.filter(|course| course.runs()) {
            course.note(turn.now.mono, another, size as u64);
            course.of = course.of.max(course.done);
        }
    }

    /// Nothing more is to come.
    fn end_receiving(&mut self, turn: &mut Turn, transport: &TransportKey, bureau: BureauId, done: u64) {
        let course = self.progress.get_mut(transport).and_then(|progress| progress.receiving.as_mut());
        let Some(course) = course.filter(|course| course.runs()) else { return };
        course.done = course.done.max(done);
        course.end(turn.now.mono);
        let count = course.shown;
        let news = course.is_long() && !std::mem::replace(&mut course.told, true);
        self.keep_coming(turn, transport, bureau);
        if news {
            self.event(turn, "caught_up", None, Some(bureau), &format!("received {count}"));
        }
    }

    /// Both hold the same: whatever was on its way is there.
    pub(super) fn nothing_on_its_way(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer) {
        let link = &self.links[&id];
        let transport = link.transport;
        if link.count.on {
            self.end_sending(turn, id, *peer);
        }
        self.end_receiving(turn, &transport, peer.bureau, 0);
        let course = self.progress.get_mut(&transport).and_then(|progress| progress.receiving.as_mut());
        if course.is_some_and(|course| course.noted.take().is_some()) {
            turn.remove(Table::Local, &coming_key(&transport));
        }
        if let Some(link) = self.links.get_mut(&id) {
            (link.comes, link.came_bytes) = (false, 0);
        }
    }

    /// Notes what came so far, beside the cursor that says so to the sender.
    pub(super) fn keep_coming(&mut self, turn: &mut Turn, transport: &TransportKey, bureau: BureauId) {
        let held = self.held_of(&bureau);
        let course = self.progress.get_mut(transport).and_then(|progress| progress.receiving.as_mut());
        let Some(course) = course.filter(|course| course.runs() || course.noted.is_some()) else { return };
        course.noted = Some(turn.stamp);
        let row = ComingRow {
            version: 1,
            bureau,
            done: course.shown,
            of: course.of,
            bytes: course.bytes,
            held,
            at: turn.stamp,
            over: (course.told || course.ended.is_some()).then_some(true),
        };
        turn.put(Table::Local, &coming_key(transport), write(&row));
    }

    /// Documents of a bureau that are here; of our own bureau all.
    fn held_of(&self, bureau: &BureauId) -> u64 {
        if *bureau == self.identity.bureau { self.documents.len() as u64 } else { self.documents.owned_by(bureau) }
    }

    /// Progress with the devices at some transport keys, both ways; of several the one that lacks most.
    pub(in crate::bureau) fn progress_with(
        &self,
        turn: &Turn,
        meant: impl Fn(&TransportKey) -> bool,
    ) -> (Option<ProgressView>, Option<ProgressView>) {
        let of = |direction: fn(&Progress) -> Option<&Course>, linked: &dyn Fn(&Link) -> bool| {
            let all = self.progress.iter().filter(|(transport, _)| meant(transport));
            let shown = all.filter_map(|(transport, progress)| {
                let course = direction(progress).filter(|course| course.is_long())?;
                let over = course.ended.is_some_and(|at| turn.now.mono > at.plus(ENDED_SHOWN_MS));
                let linked = self.links.values().any(|link| link.peer.is_some() && link.transport == *transport && linked(link));
                (!over).then(|| course.view(turn.now.mono, linked))
            });
            shown.max_by_key(|view| (view.state != "complete", view.of - view.documents))
        };
        (of(|progress| progress.sending.as_ref(), &|link| link.count.on), of(|progress| progress.receiving.as_ref(), &|link| link.comes))
    }
}

impl Course {
    fn view(&self, now: MonoMillis, linked: bool) -> ProgressView {
        let documents = self.shown.max(self.done);
        let of = self.of.max(documents);
        let state = match (self.ended, linked) {
            (Some(_), _) => "complete",
            (None, true) => "running",
            (None, false) => "interrupted",
        };
        let (per_minute, per_second) = if state == "running" { self.pace.over(now) } else { (0, 0) };
        let bytes_about = u128::from(self.bytes) * u128::from(of) / u128::from(documents.max(1));
        ProgressView {
            state: state.to_owned(),
            documents,
            of,
            bytes: self.bytes,
            bytes_about: u64::try_from(bytes_about).unwrap_or(u64::MAX).max(self.bytes),
            documents_per_minute: per_minute,
            bytes_per_second: per_second,
            seconds_left: (per_minute > 0).then(|| ((of - documents).saturating_mul(60)).div_ceil(per_minute)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_minute_and_of_no_longer_than_it_goes() {
        let mut pace = Pace::begin(MonoMillis(1_000_000));
        assert_eq!(pace.over(MonoMillis(1_000_000)), (0, 0));
        for at in 0..20 {
            pace.note(MonoMillis(1_000_000 + at * 500), 10, 1_000);
        }
        // 200 documents in ten seconds.
        assert_eq!(pace.over(MonoMillis(1_010_000)), (1_200, 2_000));
        for at in 0..600 {
            pace.note(MonoMillis(1_010_000 + at * 1_000), 1, 500);
        }
        let (documents, bytes) = pace.over(MonoMillis(1_610_000 - 1));
        assert!((55..=65).contains(&documents) && (450..=550).contains(&bytes), "{documents} {bytes}: what was before is forgotten");
        assert!(pace.slots.len() <= SLOTS);
        assert_eq!(pace.over(MonoMillis(9_000_000)), (0, 0), "nothing came for long");
    }

    #[test]
    fn what_is_left_is_told_once_there_is_a_pace_and_hundred_of_hundred_is_the_end() {
        let mut course = Course { of: 300, ..Course::begin(MonoMillis(0)) };
        assert_eq!(course.view(MonoMillis(1_000), true).seconds_left, None);
        course.note(MonoMillis(9_000), 100, 5_000);
        let view = course.view(MonoMillis(10_000), true);
        assert_eq!((view.documents, view.of, view.bytes, view.bytes_about), (100, 300, 5_000, 15_000));
        assert_eq!((view.documents_per_minute, view.bytes_per_second, view.seconds_left), (600, 500, Some(20)));
        let broken = course.view(MonoMillis(10_000), false);
        assert_eq!((broken.state.as_str(), broken.documents, broken.seconds_left), ("interrupted", 100, None));
        // Some of it goes once more: nobody is told less than before.
        course.done = 80;
        assert_eq!(course.view(MonoMillis(10_000), true).documents, 100);
        course.note(MonoMillis(12_000), 220, 11_000);
        course.end(MonoMillis(12_000));
        let view = course.view(MonoMillis(13_000), true);
        assert_eq!((view.state.as_str(), view.documents, view.of), ("complete", 300, 300));
    }

    #[test]
    fn a_row_of_before_there_was_progress_reads_as_it_did() {
        let reached = Reached { base: 7, walked: 9 };
        let row: AcknowledgedRow = read("acknowledged", &write(&reached)).expect("reads");
        let (read_back, course) = row.read();
        assert_eq!(read_back, reached);
        assert!(course.is_none());
        let none = AcknowledgedRow { base: 7, walked: 9, done: None, of: None, bytes: None, shown: None };
        assert_eq!(write(&none), write(&reached), "and is written as it was");
    }
}
