//! What may go between us and each bureau, as a sum and a number kept in step with the documents: comparing costs what changed, not what is held.
//!
//! A view is counted once, some thousand documents a turn ([`limits::VIEW_COUNTED_AT_ONCE`]), and from then on a document that changes leaves it as
//! it was and comes back as it is. It stands as long as what the one check asks stays the same: what the books of agreements and passes say
//! between the two, and of who else we have the word, and whether this device is in touch with its registrar. Then it is counted anew. Documents
//! that come and go by an hour of their own are asked about each time. What a single link did not take is left out when its sum is told.

use super::*;
use crate::bureau::documents::Line;
use crate::equality::Sum;

/// Times counting may begin anew before it came to an end.
const CUT_SHORT_MAX: u8 = 2;

/// How often the books changed: where that is the same, nothing else has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    book: u64,
    passes: u64,
    in_touch: bool,
}

/// See the module.
#[derive(Debug)]
struct View {
    /// What was the same for every view when this one was last looked at.
    common: Common,
    /// What answers rest on beside the document and the hour.
    ground: Digest,
    /// Where counting goes on; `None` when all are counted.
    next: Option<DocumentId>,
    /// Some were counted.
    begun: bool,
    sum: Sum,
    /// Of ours in it, what nobody noted as given.
    unnoted: BTreeSet<DocumentId>,
    /// In it or not by an hour of their own.
    timed: BTreeSet<DocumentId>,
}

impl View {
    /// Whether a document was come to.
    fn counted(&self, document: &DocumentId) -> bool {
        self.next.is_none_or(|next| *document < next)
    }
}

/// What is the same for every view, and how long it is so.
#[derive(Clone, Copy, Debug)]
struct Common {
    seen: Seen,
    from: WallSeconds,
    /// Before this hour no pass begins or ends.
    passes_until: Option<WallSeconds>,
    /// Before this one the hour alone changes nothing in the agreements.
    book_until: Option<WallSeconds>,
    ground: Digest,
}

impl Common {
    /// Whether the hour alone changes nothing in the agreements.
    fn book_stands(&self, now: WallSeconds) -> bool {
        self.from <= now && self.book_until.is_none_or(|until| now < until)
    }

    /// Whether nothing that could matter has happened.
    fn stands(&self, seen: Seen, now: WallSeconds) -> bool {
        self.seen == seen && self.book_stands(now) && self.passes_until.is_none_or(|until| now < until)
    }
}

/// The views of this node, by the bureau at the other end; our own devices share everything.
#[derive(Debug, Default)]
pub(in crate::bureau) struct Views {
    of: BTreeMap<BureauId, View>,
    /// What the ground of every view has in common.
    common: Option<Common>,
    /// How often counting began anew before it came to an end.
    cut_short: BTreeMap<BureauId, u8>,
    /// Documents that are counted still in this turn.
    room: usize,
    /// One was counted in one go in this turn.
    whole: bool,
    /// One is being counted for somebody who waits for it.
    waiting: bool,
}

impl Views {
    /// A turn begins: so much may be counted in it, for all together.
    pub fn begin_turn(&mut self) {
        (self.room, self.whole, self.waiting) = (limits::VIEW_COUNTED_AT_ONCE, false, false);
    }

    /// Whether counting goes on at once.
    pub fn are_counted_on(&self) -> bool {
        self.waiting
    }

    /// A walk was cut short for others' sake: it goes on at once, as counting does.
    pub fn walk_goes_on(&mut self) {
        self.waiting = true;
    }

    /// A bureau has a document of ours.
    pub fn note_given(&mut self, document: &DocumentId, bureau: &BureauId) {
        if let Some(view) = self.of.get_mut(bureau) {
            view.unnoted.remove(document);
        }
    }
}

impl Bureau {
    fn seen(&self, turn: &Turn) -> Seen {
        Seen { book: self.book.changes(), passes: self.passes.changes(), in_touch: self.in_touch(turn.effective) }
    }

    /// What answers about any bureau rest on: whether we are in touch, and whose word of their own documents we have.
    fn common_ground(&mut self, turn: &Turn) -> Common {
        let (seen, now) = (self.seen(turn), turn.effective);
        if let Some(common) = self.views.common.filter(|common| common.stands(seen, now)) {
            return common;
        }
        let own = self.identity.bureau;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(seen.in_touch)]);
        // Every owner there is an agreement with, also one that this device of ours never met.
        for pair in self.book.pairs().filter(|pair| pair.holds(&own)) {
            let other = if pair.low == own { pair.high } else { pair.low };
            hasher.update(&other.0).update(&self.book.policy(pair, now).0);
            hasher.update(&[u8::from(self.passes.newest(&other, &own, now).is_some())]);
        }
        let ground = Digest(*hasher.finalize().as_bytes());
        let common = Common { seen, from: now, passes_until: self.passes.next_change(now), book_until: self.book.next_change(now), ground };
        self.views.common = Some(common);
        common
    }

    fn ground_of_view(&mut self, turn: &Turn, bureau: &BureauId) -> Digest {
        let common = self.common_ground(turn).ground;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&common.0).update(&self.policy_digest(bureau, turn).0);
        Digest(*hasher.finalize().as_bytes())
    }

    /// Whether a view still says what is so; something may have happened that is no matter of it.
    fn still_stands_for(&mut self, turn: &Turn, bureau: &BureauId, view: &mut View) -> bool {
        let now = turn.effective;
        if view.common.stands(self.seen(turn), now) {
            return true;
        }
        if !view.common.book_stands(now) || view.ground != self.ground_of_view(turn, bureau) {
            return false;
        }
        // An agreement that was learnt meanwhile brings hours of its own.
        view.common = self.common_ground(turn);
        true
    }

    fn new_view(&mut self, turn: &Turn, bureau: &BureauId) -> View {
        View {
            common: self.common_ground(turn),
            ground: self.ground_of_view(turn, bureau),
            next: self.documents.values().next().map(|line| line.document),
            begun: false,
            sum: Sum::new(&self.identity.network, &Pair::of(self.identity.bureau, *bureau)),
            unnoted: BTreeSet::new(),
            timed: BTreeSet::new(),
        }
    }

    /// The views that stand; the others are counted anew when they are asked for.
    fn standing_views(&mut self, turn: &Turn) -> BTreeMap<BureauId, View> {
        let mut views = std::mem::take(&mut self.views.of);
        views.retain(|bureau, view| {
            let stands = self.still_stands_for(turn, bureau, view);
            if !stands && view.next.is_some() && view.begun {
                let short = self.views.cut_short.entry(*bureau).or_default();
                *short = short.saturating_add(1);
            }
            stands
        });
        views
    }

    /// Takes a document into a view, or out of it: as it is now.
    fn count_in(&self, turn: &Turn, bureau: &BureauId, view: &mut View, summary: &Summary, comes: bool) {
        let document = summary.document;
        if !comes {
            view.unnoted.remove(&document);
            if view.timed.remove(&document) {
                return;
            }
        } else if *bureau != self.identity.bureau && summary.ends_for([&self.identity.bureau, bureau]) {
            view.timed.insert(document);
            return;
        }
        if !self.is_shared(turn, bureau, summary) {
            return;
        }
        if !comes {
            return view.sum.take(&summary.entry);
        }
        view.sum.add(&summary.entry);
        // Of what our own devices have nothing is noted.
        if summary.owner == self.identity.bureau && *bureau != summary.owner && !summary.given.contains(bureau) {
            view.unnoted.insert(document);
        }
    }

    /// Changes the views in which a document was come to.
    fn recount(&mut self, turn: &Turn, summary: &Summary, comes: bool) {
        if self.views.of.is_empty() {
            return;
        }
        let mut views = self.standing_views(turn);
        for (bureau, view) in views.iter_mut().filter(|(_, view)| view.counted(&summary.document)) {
            self.count_in(turn, bureau, view, summary, comes);
        }
        self.views.of = views;
    }

    /// A document changes or goes: this is how it was.
    pub(in crate::bureau) fn view_loses(&mut self, turn: &Turn, before: &Summary) {
        self.recount(turn, before, false);
    }

    /// A document has changed or come: this is how it is.
    pub(in crate::bureau) fn view_gains(&mut self, turn: &Turn, now: &Summary) {
        self.recount(turn, now, true);
    }

    /// Sum and number of what may go over a link and was not refused on it; `None` while it is counted, which goes on in the next turn.
    pub(in crate::bureau) fn view_sum(&mut self, turn: &Turn, id: LinkId) -> Option<(Digest, u64)> {
        let bureau = self.links[&id].peer?.bureau;
        self.views.of = self.standing_views(turn);
        let mut view = match self.views.of.remove(&bureau) {
            Some(view) => view,
            None => self.new_view(turn, &bureau),
        };
        // Whoever chooses how often the books change does not choose that nobody compares: then it is counted in one go.
        // One in a turn.
        let often = self.views.cut_short.get(&bureau).is_some_and(|times| *times >= CUT_SHORT_MAX);
        let whole = often && view.next.is_some() && !std::mem::replace(&mut self.views.whole, true);
        if let Some(next) = view.next {
            let mut slice = self.documents.range(next..);
            let mut room = if whole { usize::MAX } else { self.views.room };
            view.begun |= room > 0;
            for line in slice.by_ref().take(room) {
                if bureau == self.identity.bureau || line.concerns(&bureau) {
                    self.count_in(turn, &bureau, &mut view, &line.summary(), true);
                }
                room -= 1;
            }
            view.next = slice.next().map(|line| line.document);
            self.views.room = if whole { 0 } else { room };
            if view.next.is_none() {
                self.views.cut_short.remove(&bureau);
            }
        }
        self.views.waiting |= view.next.is_some();
        let told = view.next.is_none().then(|| self.told_on(turn, &self.links[&id], &bureau, &view));
        self.views.of.insert(bureau, view);
        // What is kept is what a walk over all documents would find: every test that compares asks both.
        debug_assert!(told.is_none_or(|told| told == self.walked_sum(turn, &self.links[&id])), "a view is not what is held");
        told
    }

    fn told_on(&self, turn: &Turn, link: &Link, bureau: &BureauId, view: &View) -> (Digest, u64) {
        let mut sum = view.sum.clone();
        let shared = |document: &DocumentId| self.documents.get(document).filter(|summary| self.is_shared(turn, bureau, summary));
        view.timed.iter().filter_map(shared).for_each(|summary| sum.add(&summary.entry));
        let left_out: BTreeSet<&DocumentId> = link.declined.iter().chain(&link.refused).chain(self.cannot_load.keys()).collect();
        left_out.into_iter().filter_map(shared).for_each(|summary| sum.take(&summary.entry));
        sum.told()
    }

    /// The documents of which a link's view consists, one after the other.
    pub(super) fn view_of(&self, turn: &Turn, link: &Link) -> impl Iterator<Item = std::sync::Arc<Summary>> {
        let peer = link.peer.map(|peer| peer.bureau);
        let concerns = move |line: &Line<'_>| link.own || peer.is_some_and(|peer| line.concerns(&peer));
        let meant = self.documents.values().filter(concerns).map(|line| line.summary());
        meant.filter(|summary| self.in_view(turn, link, summary))
    }

    /// The same by asking of every document.
    fn walked_sum(&self, turn: &Turn, link: &Link) -> (Digest, u64) {
        let Some(peer) = link.peer else { return (Digest([0; 32]), 0) };
        let pair = Pair::of(self.identity.bureau, peer.bureau);
        let held = self.documents.values().filter(|line| self.in_view(turn, link, &line.summary()));
        let entries: Vec<Digest> = held.map(|line| line.entry).collect();
        equality::sum(&self.identity.network, &pair, &entries)
    }

    /// Documents of ours in the view of a link that nobody noted as given to its other end: an acknowledgement was lost with a link.
    pub(super) fn unnoted(&self, turn: &Turn, id: LinkId, meant: impl Fn(&Summary) -> bool) -> Vec<DocumentId> {
        let link = &self.links[&id];
        let Some(peer) = link.peer.filter(|_| !link.own) else { return Vec::new() };
        let is_ours = |line: &Line<'_>| line.owner == self.identity.bureau && line.concerns(&peer.bureau) && !line.is_given(&peer.bureau);
        let is_meant = |line: Line<'_>| {
            let summary = is_ours(&line).then(|| line.summary())?;
            (meant(&summary) && self.in_view(turn, link, &summary)).then_some(summary.document)
        };
        let seen = self.seen(turn);
        match self.views.of.get(&peer.bureau).filter(|view| view.next.is_none() && view.common.stands(seen, turn.effective)) {
            Some(view) => {
                view.unnoted.union(&view.timed).filter_map(|document| self.documents.line(document)).filter_map(is_meant).collect()
            }
            None => self.documents.values().filter_map(is_meant).collect(),
        }
    }
}
