//! What one partner may cost us in a day: new documents, bytes, held work both ways, asks, cursors, wishes.
//!
//! Kept in memory: a restart begins a new day. What was too much today comes the next day by itself.

use super::*;

/// Counts one more, unless there are enough.
fn count(so_far: &mut usize, most: usize) -> bool {
    let fits = *so_far < most;
    *so_far += usize::from(fits);
    fits
}

/// Bureaus a partner introduced that are no partners of ours, and bytes of statements kept of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bureau) struct Introduced {
    /// How many.
    pub bureaus: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// What a partner brought, and was offered, within a day.
#[derive(Clone, Debug)]
pub(in crate::bureau) struct Quota {
    since: MonoMillis,
    documents: usize,
    bytes: usize,
    held_in: usize,
    held_out: usize,
    asks: usize,
    cursors: usize,
    wants: usize,
    part_asks: usize,
    part_bytes: usize,
    part_bytes_in: usize,
    homeward: usize,
    statements: usize,
    statement_bytes: usize,
    /// What it introduced so far, once that was counted: not counted again within the day.
    introduced: Option<Introduced>,
    passes: usize,
    pass_bytes: usize,
    /// Of those statements and passes, how many speak of, or are by, each bureau that is not the one who brought them.
    of_others: BTreeMap<BureauId, (usize, usize)>,
    /// Documents with held work that found no room: offered when the day is over.
    late: BTreeSet<DocumentId>,
}

impl Quota {
    const DAY_MS: u64 = 24 * 3_600 * 1_000;
    /// Two days of the sender may lie in one of ours, and where it comes held work is counted with its envelopes: an honest sender is never refused.
    const HELD_IN_MAX: usize = 2 * limits::HELD_BYTES_PER_DAY + limits::HELD_BYTES_PER_DAY / 8;

    /// A day that begins now.
    pub fn new(since: MonoMillis) -> Self {
        Self {
            since,
            documents: 0,
            bytes: 0,
            held_in: 0,
            held_out: 0,
            asks: 0,
            cursors: 0,
            wants: 0,
            part_asks: 0,
            part_bytes: 0,
            part_bytes_in: 0,
            homeward: 0,
            statements: 0,
            statement_bytes: 0,
            introduced: None,
            passes: 0,
            pass_bytes: 0,
            of_others: BTreeMap::new(),
            late: BTreeSet::new(),
        }
    }
    /// Whether the day is over.
    pub fn is_over(&self, now: MonoMillis) -> bool {
        now >= self.since.plus(Self::DAY_MS)
    }
    /// Whether one more push of so many bytes is taken; what is not taken counts for nothing.
    pub fn take(&mut self, size: usize, is_new: bool) -> bool {
        let documents = self.documents + usize::from(is_new);
        let bytes = self.bytes.saturating_add(size);
        let fits = documents <= limits::NEW_DOCUMENTS_PER_DAY && bytes <= limits::DOCUMENT_BYTES_PER_DAY;
        if fits {
            (self.documents, self.bytes) = (documents, bytes);
        }
        fits
    }
    /// So many bytes more were written for what was taken.
    pub fn count_written(&mut self, size: usize) {
        self.bytes = self.bytes.saturating_add(size);
    }
    /// So many bytes that were taken turned out to be known.
    pub fn give_back(&mut self, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
    }
    /// Whether one more ask is taken.
    pub fn take_ask(&mut self) -> bool {
        count(&mut self.asks, limits::ONWARD_PER_DAY_MAX)
    }
    /// Whether one more cursor is kept.
    pub fn take_cursor(&mut self) -> bool {
        count(&mut self.cursors, limits::CURSORS_PER_DAY)
    }
    /// Whether one more wish for a document anew is heard.
    pub fn take_want(&mut self) -> bool {
        count(&mut self.wants, limits::WANTS_PER_DAY)
    }
    /// Whether one more message that asks for parts is heard.
    pub fn take_part_ask(&mut self) -> bool {
        count(&mut self.part_asks, limits::PART_ASKS_PER_DAY)
    }
    /// Whether a part of so many bytes is given.
    pub fn give_part(&mut self, size: usize) -> bool {
        let sum = self.part_bytes.saturating_add(size);
        let fits = sum <= limits::PART_BYTES_PER_DAY;
        if fits {
            self.part_bytes = sum;
        }
        fits
    }
    /// Whether a part of so many bytes is taken. Not of what documents may bring: a day of pictures holds up no alert.
    pub fn take_part(&mut self, size: usize) -> bool {
        let sum = self.part_bytes_in.saturating_add(size);
        let fits = sum <= limits::PART_BYTES_PER_DAY;
        if fits {
            self.part_bytes_in = sum;
        }
        fits
    }
    /// Whether what is its own and in no view is named to it once more.
    pub fn take_homeward(&mut self) -> bool {
        count(&mut self.homeward, limits::HOMEWARD_PER_DAY)
    }
    /// Whether one more statement about identities of so many bytes finds room, and within it what speaks of one `other` bureau. Those that never go
    /// backwards find some more.
    pub fn has_room_for(&self, size: usize, lasting: bool, other: Option<&BureauId>) -> bool {
        let most = |most: usize| if lasting { most + most / 4 } else { most };
        let bytes = self.statement_bytes.saturating_add(size);
        let of_other = other.and_then(|other| self.of_others.get(other)).map_or(0, |(statements, _)| *statements);
        self.statements < most(limits::STATEMENTS_PER_DAY)
            && bytes <= most(limits::STATEMENT_BYTES_PER_DAY)
            && of_other < most(limits::STATEMENTS_OF_OTHER_PER_DAY)
    }
    /// What it introduced, if that was counted within the day.
    pub fn introduced(&self) -> Option<Introduced> {
        self.introduced
    }
    /// It introduced so much.
    pub fn note_introduced(&mut self, introduced: Introduced) {
        self.introduced = Some(introduced);
    }
    /// So many bureaus and bytes more, where that was counted.
    pub fn count_introduced(&mut self, bureaus: usize, bytes: usize) {
        if let Some(introduced) = &mut self.introduced {
            introduced.bureaus += bureaus;
            introduced.bytes = introduced.bytes.saturating_add(bytes);
        }
    }
    /// One was new.
    pub fn count_statement(&mut self, size: usize, other: Option<BureauId>) {
        if let Some(other) = other {
            self.of_others.entry(other).or_default().0 += 1;
        }
        self.statements += 1;
        self.statement_bytes = self.statement_bytes.saturating_add(size);
    }
    /// Whether one more relay pass of so many bytes finds room, and within it those by one `other` issuer.
    pub fn has_room_for_pass(&self, size: usize, other: Option<&BureauId>) -> bool {
        let of_other = other.and_then(|other| self.of_others.get(other)).map_or(0, |(_, passes)| *passes);
        self.passes < limits::PASSES_PER_DAY
            && self.pass_bytes.saturating_add(size) <= limits::PASS_BYTES_PER_DAY
            && of_other < limits::PASSES_OF_ISSUER_PER_DAY
    }
    /// One was new.
    pub fn count_pass(&mut self, size: usize, other: Option<BureauId>) {
        if let Some(other) = other {
            self.of_others.entry(other).or_default().1 += 1;
        }
        self.passes += 1;
        self.pass_bytes = self.pass_bytes.saturating_add(size);
    }
    /// Whether so much held work is taken.
    pub fn take_held(&mut self, size: usize) -> bool {
        let sum = self.held_in.saturating_add(size);
        let fits = sum <= Self::HELD_IN_MAX;
        if fits {
            self.held_in = sum;
        }
        fits
    }
    /// So much of what was offered was taken back before it went.
    pub fn take_back_held(&mut self, size: usize) {
        self.held_out = self.held_out.saturating_sub(size);
    }
    /// How many of these pieces of held work, from the first, are offered today. If not all, the document is noted for the next day.
    pub fn offer_held(&mut self, document: DocumentId, sizes: impl Iterator<Item = usize>) -> usize {
        let mut count = 0;
        for size in sizes {
            let sum = self.held_out.saturating_add(size);
            if sum > limits::HELD_BYTES_PER_DAY {
                self.late.insert(document);
                break;
            }
            self.held_out = sum;
            count += 1;
        }
        count
    }
}

impl Bureau {
    /// What a partner brought today.
    pub(in crate::bureau) fn quota(&mut self, turn: &Turn, partner: BureauId) -> &mut Quota {
        self.quotas.entry(partner).or_insert_with(|| Quota::new(turn.now.mono))
    }

    /// Begins new days: what was refused is asked for again, what found no room is offered again.
    pub(in crate::bureau) fn quota_duties(&mut self, turn: &mut Turn) {
        let over: Vec<BureauId> =
            self.quotas.iter().filter(|(_, quota)| quota.is_over(turn.now.mono)).map(|(partner, _)| *partner).collect();
        for partner in over {
            let late = self.quotas.remove(&partner).map(|quota| quota.late).unwrap_or_default();
            for link in self.links.values_mut().filter(|link| link.is_with(&partner)) {
                // How far it got is told as before until all of that went: nobody compares held work.
                link.whole.extend(&late);
            }
            self.compare_anew(turn, Some(partner));
        }
    }
}

impl Bureau {
    /// Nothing is left to be sent on a link. If held work waited for today and no more of it waits, how far the other end got is noted.
    pub(in crate::bureau) fn late_work_went(&mut self, turn: &mut Turn, id: LinkId) {
        let link = &self.links[&id];
        let late = || link.bureau().and_then(|bureau| self.quotas.get(&bureau)).is_some_and(|quota| !quota.late.is_empty());
        if link.bundle || link.late_from.is_none() || !link.in_flight.is_empty() || late() {
            return;
        }
        let link = self.links.get_mut(&id).expect("looked at above");
        link.late_from = None;
        let (transport, reached) = (link.transport, link.reached());
        link.cursor_due = Some(turn.now.mono);
        self.reached.insert(transport, reached);
        self.keep_reached(turn, &transport);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: DocumentId = DocumentId([7; 32]);

    fn today() -> Quota {
        Quota::new(MonoMillis(1_000))
    }

    #[test]
    fn so_many_new_documents_are_taken_in_a_day_and_not_one_more() {
        let mut quota = today();
        for _ in 0..limits::NEW_DOCUMENTS_PER_DAY {
            assert!(quota.take(1, true));
        }
        assert!(!quota.take(1, true));
        assert!(quota.take(1, false), "what is there already may grow");
    }

    #[test]
    fn so_many_bytes_are_taken_in_a_day_and_what_is_refused_counts_for_nothing() {
        let mut quota = today();
        assert!(quota.take(limits::DOCUMENT_BYTES_PER_DAY - 10, true));
        assert!(!quota.take(11, false));
        assert!(!quota.take(usize::MAX, false), "no sum overflows");
        assert!(quota.take(10, false));
        assert!(!quota.take(1, false));
    }

    #[test]
    fn what_a_short_change_made_us_write_uses_up_the_share_too() {
        let mut quota = today();
        quota.count_written(limits::DOCUMENT_BYTES_PER_DAY - 10);
        assert!(quota.take(10, false) && !quota.take(1, false));
        quota.count_written(usize::MAX);
        assert!(!quota.take(1, false), "no sum overflows");
    }

    #[test]
    fn so_many_asks_are_taken_in_a_day() {
        let mut quota = today();
        let taken = (0..limits::ONWARD_PER_DAY_MAX * 2).filter(|_| quota.take_ask()).count();
        assert_eq!(taken, limits::ONWARD_PER_DAY_MAX);
    }

    #[test]
    fn cursors_and_wishes_have_a_days_share() {
        let mut quota = today();
        assert_eq!((0..limits::CURSORS_PER_DAY * 2).filter(|_| quota.take_cursor()).count(), limits::CURSORS_PER_DAY);
        assert_eq!((0..limits::WANTS_PER_DAY * 2).filter(|_| quota.take_want()).count(), limits::WANTS_PER_DAY);
        assert_eq!((0..limits::HOMEWARD_PER_DAY * 2).filter(|_| quota.take_homeward()).count(), limits::HOMEWARD_PER_DAY);
    }

    #[test]
    fn parts_have_a_days_share_by_messages_and_by_bytes() {
        let mut quota = today();
        assert_eq!((0..limits::PART_ASKS_PER_DAY * 2).filter(|_| quota.take_part_ask()).count(), limits::PART_ASKS_PER_DAY);
        assert!(quota.give_part(limits::PART_BYTES_PER_DAY - 10));
        assert!(!quota.give_part(11) && !quota.give_part(usize::MAX));
        assert!(quota.give_part(10) && !quota.give_part(1));
    }

    #[test]
    fn so_many_new_statements_are_taken_in_a_day_and_some_more_of_those_that_never_go_backwards() {
        let mut quota = today();
        for _ in 0..limits::STATEMENTS_PER_DAY {
            assert!(quota.has_room_for(1, false, None));
            quota.count_statement(1, None);
        }
        assert!(!quota.has_room_for(1, false, None));
        assert!(quota.has_room_for(1, true, None));
        let mut quota = today();
        quota.count_statement(limits::STATEMENT_BYTES_PER_DAY, None);
        assert!(!quota.has_room_for(1, false, None));
        assert!(!quota.has_room_for(usize::MAX, true, None), "no sum overflows");
    }

    #[test]
    fn so_many_new_passes_are_taken_in_a_day() {
        let mut quota = today();
        for _ in 0..limits::PASSES_PER_DAY {
            assert!(quota.has_room_for_pass(1, None));
            quota.count_pass(1, None);
        }
        assert!(!quota.has_room_for_pass(1, None));
        assert!(!today().has_room_for_pass(limits::PASS_BYTES_PER_DAY + 1, None));
    }

    #[test]
    fn what_one_bureau_makes_uses_up_a_part_of_the_share_of_who_brings_it() {
        let (flood, other) = (BureauId([1; 32]), BureauId([2; 32]));
        let mut quota = today();
        let statements = (0..limits::STATEMENTS_PER_DAY).take_while(|_| {
            let room = quota.has_room_for(1, false, Some(&flood));
            quota.count_statement(1, Some(flood).filter(|_| room));
            room
        });
        assert_eq!(statements.count(), limits::STATEMENTS_OF_OTHER_PER_DAY);
        assert!(quota.has_room_for(1, false, Some(&other)) && quota.has_room_for(1, false, None));
        let passes = (0..limits::PASSES_PER_DAY).take_while(|_| {
            let room = quota.has_room_for_pass(1, Some(&flood));
            quota.count_pass(1, Some(flood).filter(|_| room));
            room
        });
        assert_eq!(passes.count(), limits::PASSES_OF_ISSUER_PER_DAY);
        assert!(quota.has_room_for_pass(1, Some(&other)) && quota.has_room_for_pass(1, None));
    }

    #[test]
    fn held_work_goes_as_far_as_there_is_room_and_the_rest_is_noted_for_the_next_day() {
        let mut quota = today();
        let third = limits::HELD_BYTES_PER_DAY / 3;
        assert_eq!(quota.offer_held(DOCUMENT, [third, third].into_iter()), 2);
        assert!(quota.late.is_empty());
        assert_eq!(
            quota.offer_held(DOCUMENT, [third, third, 1].into_iter()),
            1,
            "one piece more, and nothing behind the one that does not fit"
        );
        assert_eq!(quota.late.iter().collect::<Vec<_>>(), [&DOCUMENT]);
    }

    #[test]
    fn what_a_gate_dropped_is_offered_again_out_of_the_same_share() {
        let mut quota = today();
        assert_eq!(quota.offer_held(DOCUMENT, [limits::HELD_BYTES_PER_DAY].into_iter()), 1);
        quota.take_back_held(10);
        assert_eq!(quota.offer_held(DOCUMENT, [10, 1].into_iter()), 1);
        quota.take_back_held(usize::MAX);
        assert_eq!(quota.held_out, 0);
    }

    #[test]
    fn what_is_offered_in_two_days_that_meet_is_taken_in_one_with_its_envelopes() {
        let mut quota = today();
        assert!(quota.take_held(2 * limits::HELD_BYTES_PER_DAY));
        assert!(quota.take_held(limits::HELD_BYTES_PER_DAY / 8));
        assert!(!quota.take_held(1));
        assert!(!quota.take_held(usize::MAX), "no sum overflows");
    }

    #[test]
    fn a_day_is_over_after_a_day() {
        let quota = today();
        assert!(!quota.is_over(MonoMillis(1_000 + Quota::DAY_MS - 1)));
        assert!(quota.is_over(MonoMillis(1_000 + Quota::DAY_MS)));
    }
}
