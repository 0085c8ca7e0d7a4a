//! Admission: a pure function of what is held, whatever the order, batching and repetition; what is settled stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use accord_protocol::access::log::{RecordError, RecordKind, Subject};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{DocumentId, RecordId};
use accord_protocol::intake::{DocState, Intake, Item, Part, Sendable, Stored};
use accord_protocol::rules::ChangeHash;
use accord_protocol::segment::{self, CheckedSegment, Segment};
use proptest::prelude::*;

use crate::documents::{Arrival, Event, Story, events, tangled};
use crate::naive;
use crate::world::{World, life, network, world};

/// A document with a store beside it, kept as the bureau keeps it.
struct Held {
    state: DocState,
    store: Vec<(u64, Vec<u8>)>,
}

impl Held {
    fn of(world: &World, story: &Story) -> Self {
        let state = DocState::new(&world.directory, story.genesis.clone()).expect("the genesis stands");
        let mut held = Self { state, store: Vec::new() };
        held.keep(Item::Genesis(story.genesis.sealed().to_bytes()));
        held
    }

    fn keep(&mut self, item: Item) {
        let seq = self.store.len() as u64 + 1;
        self.store.push((seq, item.to_stored(crate::world::START)));
        match item {
            Item::Segment(bytes) => self.state.keep_segment_bytes(seq, &bytes),
            other => self.state.keep_statement(seq, other),
        }
    }

    fn take(&mut self, world: &World, arrival: Arrival) {
        match arrival {
            Arrival::Record(record) => {
                let bytes = record.sealed().to_bytes();
                if self.state.learn_record(&world.directory, *record).is_ok_and(|l| l != accord_protocol::access::log::Learned::Known) {
                    self.keep(Item::Record(bytes));
                }
            }
            Arrival::Segment(segment) => {
                let bytes = segment.to_bytes();
                if self.state.learn_segment(&world.directory, *segment) == Intake::New {
                    self.keep(Item::Segment(bytes));
                }
            }
        }
        for item in self.state.take_fresh() {
            self.keep(item);
        }
    }

    fn settled(&self, story: &Story) -> BTreeSet<ChangeHash> {
        story.changes.iter().filter(|hash| self.state.first_anchor(hash).is_some()).copied().collect()
    }
}

fn check(story: &Story, state: &DocState, outcome: &naive::Outcome, what: &str) {
    assert_eq!(state.admitted(), &outcome.admitted, "{what}: admitted");
    let anchors = story.changes.iter().filter_map(|hash| Some((*hash, state.first_anchor(hash)?))).collect();
    assert_eq!(outcome.anchors, anchors, "{what}: first anchors");
    assert_eq!(state.settled(), outcome.anchors.len() as u64, "{what}: settled");
    assert_eq!(state.tips(), outcome.tips, "{what}: tips");
    let log = state.log();
    assert_eq!(log.heads().into_iter().collect::<BTreeSet<_>>(), outcome.heads, "{what}: heads of the log");
    assert_eq!(log.voided().into_keys().collect::<BTreeSet<_>>(), outcome.voided, "{what}: voided");
    assert_eq!(Some(log.tlp()), outcome.tlp, "{what}: traffic light");
    assert_eq!(log.ended().is_some(), outcome.ended, "{what}: ended");
    let holders = log.rights().bureaus.iter().map(|(bureau, held)| (*bureau, held.verb)).collect();
    assert_eq!(outcome.holders, holders, "{what}: holders");
}

/// The text, then every act with whether it is settled.
type Shown = (String, Vec<(String, bool)>);

/// What a reader sees, in words.
fn shown(state: &mut DocState) -> Shown {
    if state.admitted().is_empty() {
        return (String::new(), Vec::new());
    }
    let text = state.text().expect("shows");
    let acts = state.acts().expect("shows");
    (text, acts.into_iter().map(|act| (act.act.text, act.settled)).collect())
}

fn all(story: &Story) -> (Vec<usize>, Vec<usize>) {
    ((0..story.records.len()).collect(), (0..story.steps.len()).collect())
}

fn run(events: &[Event], seeds: [u64; 3], rules: u16) {
    let world = world();
    let story = Story::of(world, events, rules);
    let accused = story.records.iter().any(|record| matches!(record.body().kind, RecordKind::Continue(_, true, _)));
    let (records, steps) = all(&story);
    let outcome = naive::outcome(&world.directory, &story, &records, &steps);
    let mut first: Option<(accord_protocol::id::Digest, Shown)> = None;
    for seed in seeds {
        let mut held = Held::of(world, &story);
        let mut settled = BTreeSet::new();
        for arrival in story.arrivals(seed) {
            held.take(world, arrival);
            if !outcome.contradicted && !accused {
                let now = held.settled(&story);
                assert!(settled.is_subset(&now), "something settled came loose");
                assert!(now.is_subset(held.state.admitted()), "something settled is not admitted");
                settled = now;
            }
            // Shown now and then, so that the cache is alive while things change.
            if seed.is_multiple_of(2) && held.store.len().is_multiple_of(3) {
                shown(&mut held.state);
            }
        }
        check(&story, &held.state, &outcome, "live");
        let mut loaded = DocState::load(&world.directory, stored(story.document, &held.store)).expect("loads");
        check(&story, &loaded, &outcome, "loaded");
        sent_as_stored(&story, &held);
        let mut relayed = relay(world, &story, &held.state, false);
        check(&story, &relayed, &outcome, "relayed, cut back to what is admitted");
        let mut whole = relay(world, &story, &held.state, true);
        check(&story, &whole, &outcome, "relayed whole");
        assert_eq!(whole.forked_actors(), held.state.forked_actors());
        let mut pages = travelled(world, &story, &held.state, seed);
        check(&story, &pages, &outcome, "in pages, runs joined");
        assert_eq!(pages.forked_actors(), held.state.forked_actors());
        let entry = held.state.entry();
        assert_eq!((loaded.entry(), relayed.entry(), whole.entry(), pages.entry()), (entry, entry, entry, entry));
        let seen = shown(&mut held.state);
        for state in [&mut loaded, &mut relayed, &mut whole, &mut pages] {
            assert_eq!(shown(state), seen);
        }
        let same = first.get_or_insert((entry, seen.clone()));
        assert_eq!(*same, (entry, seen), "the order of arrival shows");
    }
}

/// What a partner has of a document that got its items.
fn relay(world: &World, story: &Story, from: &DocState, whole: bool) -> DocState {
    let mut held = Held::of(world, story);
    for (_, item) in from.items_after(0, whole) {
        match item {
            Item::Genesis(_) | Item::Opening(_) | Item::Receipt(_) => {}
            Item::Record(bytes) => {
                let record = accord_keys::seal::Sealed::from_bytes(&bytes).expect("reads").verify(&network()).expect("verifies");
                held.take(world, Arrival::Record(Box::new(record)));
            }
            Item::Segment(bytes) => {
                let segment = segment::decode(&bytes).expect("reads");
                let certificate = world.directory.certificate(&segment.certificate).expect("known").body();
                let checked = segment::check(&network(), certificate, segment).expect("a shortened segment keeps its proof");
                held.take(world, Arrival::Segment(Box::new(checked)));
            }
        }
    }
    held.state
}

/// What a partner has of a document that got its items in pages, as links send them: runs of one writer joined, each page at once.
fn travelled(world: &World, story: &Story, from: &DocState, seed: u64) -> DocState {
    let mut held = Held::of(world, story);
    let mut dice = crate::documents::Dice(seed);
    let most = 1 + dice.roll(12);
    let (mut records, mut segments) = (Vec::new(), Vec::new());
    let mut items = from.items_after(0, true).into_iter().peekable();
    while let Some((_, item)) = items.next() {
        match item {
            Item::Genesis(_) | Item::Opening(_) | Item::Receipt(_) => {}
            Item::Record(bytes) => records.push(bytes),
            Item::Segment(bytes) => segments.push(Arc::new(segment::decode(&bytes).expect("reads"))),
        }
        if items.peek().is_some() && (records.len() + segments.len() < most) {
            continue;
        }
        for bytes in records.drain(..) {
            let record = accord_keys::seal::Sealed::from_bytes(&bytes).expect("reads").verify(&network()).expect("verifies");
            held.take(world, Arrival::Record(Box::new(record)));
        }
        let page = from.joined(std::mem::take(&mut segments));
        let check = |segment: &Segment| {
            let certificate = world.directory.certificate(&segment.certificate).expect("known").body();
            segment::check(&network(), certificate, segment.clone()).expect("a joined segment has its proof")
        };
        let checked: Vec<CheckedSegment> = page.iter().map(check).collect();
        let outcomes = held.state.learn_segments(&world.directory, checked);
        for (outcome, segment) in outcomes.into_iter().zip(page) {
            if outcome == Intake::New {
                held.keep(Item::Segment(accord_keys::canon::encode(&segment)));
            }
        }
        for item in held.state.take_fresh() {
            held.keep(item);
        }
    }
    let loaded = DocState::load(&world.directory, stored(story.document, &held.store)).expect("loads");
    assert_eq!(loaded.entry(), held.state.entry(), "loaded");
    held.state
}

/// What was stored here, as the core takes it from the driver.
#[expect(clippy::disallowed_methods, reason = "what this test stored itself")]
fn stored(document: DocumentId, items: &[(u64, Vec<u8>)]) -> Stored {
    Stored::given(document, items.to_vec())
}

/// Where a document may go as it is stored, exactly the same goes as from its body; and where something is held it never may.
fn sent_as_stored(story: &Story, held: &Held) {
    let (changes, newest) = (held.state.admitted().len() as u64, held.state.newest_seq());
    let Some(sendable) = Sendable::read(&stored(story.document, &held.store), changes, newest) else { return };
    assert!(held.state.held() == 0 && held.state.forked_actors().is_empty() && !held.state.has_quotes(), "all of it counts");
    for after in 0..=newest {
        let items = |parts: Vec<(u64, Part)>| parts.into_iter().map(|(seq, part)| (seq, part.into_item())).collect::<Vec<_>>();
        assert_eq!(items(sendable.parts_after(after)), held.state.items_after(after, false));
        assert_eq!(sendable.certificates_until(after), held.state.certificates_until(after, false));
    }
    assert_eq!(sendable.certificates(), held.state.certificates(false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_order_and_batching_gives_what_the_definition_says(events in events(), seeds in any::<[u64; 3]>()) {
        run(&events, seeds, 2);
    }

    #[test]
    fn every_part_of_a_document_gives_what_the_definition_says(events in events(), seed in any::<u64>()) {
        let world = world();
        let story = Story::of(world, &events, 2);
        let mut dice = crate::documents::Dice(seed);
        let records: Vec<usize> = (0..story.records.len()).filter(|_| dice.roll(4) > 0).collect();
        let steps: Vec<usize> = (0..story.steps.len()).filter(|_| dice.roll(6) > 0).collect();
        let mut state = DocState::new(&world.directory, story.genesis.clone()).expect("stands");
        for at in &steps {
            state.learn_segment(&world.directory, story.segment(&[&story.steps[*at]], 0));
        }
        for at in &records {
            let _ = state.learn_record(&world.directory, story.records[*at].clone());
        }
        let part = naive::outcome(&world.directory, &story, &records, &steps);
        check(&story, &state, &part, "a part");
        // What was missing comes: the document heals.
        for segment in story.single_segments().into_iter().rev() {
            state.learn_segment(&world.directory, segment);
        }
        for record in story.records.iter().rev() {
            let _ = state.learn_record(&world.directory, record.clone());
        }
        let (records, steps) = all(&story);
        check(&story, &state, &naive::outcome(&world.directory, &story, &records, &steps), "healed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_log_that_forks_and_heals_gives_what_the_definition_says(events in tangled(), seeds in any::<[u64; 3]>()) {
        run(&events, seeds, 2);
    }

    #[test]
    fn documents_of_the_first_rules_are_admitted_as_ever(events in events(), seeds in any::<[u64; 3]>()) {
        run(&events, seeds, 1);
    }
}

/// A document in which things happen one after the other, with everything known to one reader.
pub struct Case {
    pub world: &'static World,
    pub story: Story,
    pub state: DocState,
    given: (usize, usize),
}

impl Case {
    fn new() -> Self {
        Self::under(1)
    }

    /// A case under a rules version.
    pub fn under(rules: u16) -> Self {
        let world = world();
        let story = Story::found_under(world, rules);
        let state = DocState::new(&world.directory, story.genesis.clone()).expect("stands");
        let mut case = Self { world, story, state, given: (0, 0) };
        case.deliver();
        let first = vec![case.story.changes[0]];
        case.record(|_, _| RecordKind::Adopt("demo 1".to_owned(), first));
        case
    }

    pub fn deliver(&mut self) {
        for record in &self.story.records[self.given.0..] {
            self.state.learn_record(&self.world.directory, record.clone()).expect("in order");
        }
        for step in &self.story.steps[self.given.1..] {
            self.state.learn_segment(&self.world.directory, self.story.segment(&[step], 0));
        }
        self.given = (self.story.records.len(), self.story.steps.len());
    }

    pub fn record(&mut self, kind: impl FnOnce(&World, DocumentId) -> RecordKind) -> RecordId {
        let kind = kind(self.world, self.story.document);
        let id = self.story.then(self.world, kind);
        self.deliver();
        id
    }

    pub fn anchor(&mut self, tips: &[ChangeHash]) {
        let tips = crate::world::ascending(tips.iter().copied());
        self.record(|_, _| RecordKind::Anchor(tips));
    }

    /// Officer `officer` of a bureau writes in its n-th life on top of `bases`, citing the head.
    pub fn write(&mut self, bureau: usize, officer: usize, n: u8, bases: &[ChangeHash]) -> ChangeHash {
        let member = self.world.bureaus[bureau].officers[officer];
        let head = self.story.head();
        let change = self.story.write(member, life(member, n), bases.iter().copied().collect(), head, 2).expect("writes");
        self.deliver();
        change
    }

    pub fn admits(&self, change: ChangeHash) -> bool {
        self.state.admitted().contains(&change)
    }

    pub fn founding(&self) -> ChangeHash {
        self.story.changes[0]
    }
}

fn check_cut(subject: impl FnOnce(&World) -> Subject, meant: &[(usize, usize)]) {
    let mut case = Case::new();
    let root = case.founding();
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    let writers = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)];
    let early: Vec<ChangeHash> = writers.iter().map(|(bureau, officer)| case.write(*bureau, *officer, 1, &[root])).collect();
    let before = case.story.head();
    let subject = subject(case.world);
    case.record(|world, document| world.cut(document, subject, &[Verb::Append], Vec::new(), false));
    for ((bureau, officer), early) in writers.iter().zip(&early) {
        let covered = meant.contains(&(*bureau, *officer));
        assert_eq!(case.admits(*early), !covered, "unsettled work of officer {officer} of bureau {bureau}");
        let member = case.world.bureaus[*bureau].officers[*officer];
        // Citing an older record does not help.
        let late = case.story.write(member, life(member, 2), [root].into(), before, 2).expect("writes");
        case.deliver();
        assert_eq!(case.admits(late), !covered, "a new life of officer {officer} of bureau {bureau} under the old record");
    }
}

#[test]
fn a_cut_of_each_subject_holds_its_writers_and_nobody_else() {
    let officer = |world: &World| world.bureaus[1].officers[1];
    check_cut(|world| Subject::Bureau(world.bureaus[1].id), &[(1, 0), (1, 1)]);
    check_cut(|world| Subject::Certificate(officer(world).id), &[(1, 1)]);
    check_cut(|world| Subject::Key(crate::documents::public(officer(world))), &[(1, 1)]);
    check_cut(|world| Subject::Seat(world.bureaus[1].id, "archive".to_owned()), &[(1, 1)]);
    check_cut(|world| Subject::Unit(world.bureaus[1].id, "second squad".to_owned()), &[(1, 1)]);
    check_cut(|world| Subject::Issuer(world.bureaus[1].node.id), &[(1, 1)]);
    check_cut(|world| Subject::Root(world.bureaus[1].root), &[(1, 0)]);
    check_cut(|world| Subject::Certificate(world.bureaus[0].officers[1].id), &[(0, 1)]);
}

#[test]
fn a_cut_leaves_its_frontier_standing_and_touches_nothing_settled() {
    let mut case = Case::new();
    let root = case.founding();
    let settled = case.write(1, 0, 1, &[root]);
    case.anchor(&[settled]);
    let within = case.write(1, 0, 1, &[settled]);
    let beyond = case.write(1, 0, 1, &[within]);
    let on_top = case.write(0, 1, 1, &[beyond]);
    let line = |case: &Case, change| {
        let step = case.story.steps.iter().find(|step| step.change == change).expect("written");
        accord_protocol::access::log::FrontierLine { actor: step.actor, position: step.n, attestation: step.attestation }
    };
    let frontier = vec![line(&case, within)];
    let partner = case.world.bureaus[1].id;
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], frontier, false));
    assert!(case.admits(settled) && case.admits(within));
    assert!(!case.admits(beyond), "beyond the frontier");
    assert!(!case.admits(on_top), "built on what is held");
    assert_eq!(case.state.held(), 2);
    case.anchor(&[on_top]);
    assert!(case.admits(beyond) && case.admits(on_top), "an anchor lets held work in");
}

#[test]
fn access_returns_by_a_later_grant_and_a_new_life_only() {
    let mut case = Case::new();
    let root = case.founding();
    let early = case.write(1, 0, 1, &[root]);
    case.anchor(&[early]);
    let partner = case.world.bureaus[1].id;
    case.record(|world, document| world.cut(document, Subject::Bureau(partner), &[Verb::Append], Vec::new(), true));
    case.record(|world, document| world.grant(document, &[(1, Verb::Append)]));
    let same_life = case.write(1, 0, 1, &[early]);
    assert!(!case.admits(same_life), "the life that was cut stays cut");
    let new_life = case.write(1, 0, 2, &[early]);
    assert!(case.admits(new_life), "a new life under the later grant writes");
    let member = case.world.bureaus[1].officers[0];
    assert!(case.state.writing_tip(&member.id, &life(member, 1)).is_none());
    assert_eq!(case.state.writing_tip(&member.id, &life(member, 2)).map(|tip| tip.n), Some(1));
    assert_eq!(case.state.living(&member.id, 0), Some(life(member, 2)));
}

#[test]
fn a_fork_freezes_its_actor_alone_and_an_anchor_decides_it() {
    let mut case = Case::new();
    let root = case.founding();
    let common = case.write(1, 0, 1, &[root]);
    let left = case.write(1, 0, 1, &[common]);
    let other = case.write(1, 1, 1, &[common]);
    assert!(case.admits(left));
    let right = case.write(1, 0, 1, &[common, other]);
    assert_ne!(left, right);
    assert!(case.admits(common), "what lies before the fork stands");
    assert!(!case.admits(left) && !case.admits(right), "neither branch stands by itself");
    assert!(case.admits(other), "others of the bureau write on");
    let on_right = case.write(0, 1, 1, &[right]);
    assert!(!case.admits(on_right));
    case.anchor(&[on_right]);
    assert!(case.admits(right) && case.admits(on_right) && !case.admits(left), "the anchor chose");
    case.anchor(&[left]);
    assert!(case.admits(right) && !case.admits(left), "a later anchor does not turn it over");
    assert_eq!(case.state.forked_actors().len(), 1);
}

#[test]
fn of_two_anchors_that_contradict_the_earlier_stands_whichever_content_came_first() {
    let mut case = Case::new();
    let root = case.founding();
    let left = case.write(1, 0, 1, &[root]);
    let other = case.write(0, 1, 1, &[root]);
    let right = case.write(1, 0, 1, &[root, other]);
    case.anchor(&[right]);
    case.anchor(&[left]);
    for order in [[left, right], [right, left]] {
        let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
        for record in &case.story.records {
            state.learn_record(&case.world.directory, record.clone()).expect("in order");
        }
        for hash in [root, other].into_iter().chain(order) {
            let step = case.story.steps.iter().find(|step| step.change == hash).expect("written");
            state.learn_segment(&case.world.directory, case.story.segment(&[step], 0));
        }
        assert!(state.admitted().contains(&right) && !state.admitted().contains(&left));
    }
}

#[test]
fn a_malformed_change_in_the_middle_keeps_what_is_before_it() {
    let mut case = Case::new();
    let member = case.world.bureaus[1].officers[0];
    let head = case.story.head();
    let root = case.founding();
    let good = case.story.write(member, life(member, 1), [root].into(), head, 2).expect("writes");
    // Deletes the owner's text: no schema of any reader lets a partner do that.
    let bad = case.story.write(member, life(member, 1), [good].into(), head, 1).expect("writes");
    let after = case.story.write(member, life(member, 1), [bad].into(), head, 2).expect("writes");
    let steps: Vec<&crate::documents::Step> = case.story.steps.iter().filter(|step| step.member.seed == member.seed).collect();
    let segment: CheckedSegment = case.story.segment(&steps, 0);
    let outcome = case.state.learn_segment(&case.world.directory, segment.clone());
    assert!(matches!(outcome, Intake::Malformed(_)), "{outcome:?}");
    assert_eq!(case.state.take_fresh().len(), 1, "the prefix and the proof are to be kept");
    assert!(case.admits(good) && !case.admits(bad) && !case.admits(after));
    assert!(matches!(case.state.learn_segment(&case.world.directory, segment), Intake::Malformed(_)));
    assert!(case.state.take_fresh().is_empty(), "nothing new the second time");
    assert_eq!(case.state.writing_tip(&member.id, &life(member, 1)), None, "that life is over");
}

#[test]
fn a_fork_shows_alike_to_those_who_hold_its_malformed_branch_and_those_who_hold_its_links() {
    let mut case = Case::new();
    let member = case.world.bureaus[1].officers[0];
    let (root, head) = (case.founding(), case.story.head());
    let first = case.write(1, 0, 1, &[root]);
    let bad = case.story.write(member, life(member, 1), [first].into(), head, 1).expect("writes");
    let good = case.story.write(member, life(member, 1), [first].into(), head, 2).expect("writes");
    let step = |change| case.story.steps.iter().find(|step| step.change == change).expect("written");
    let whole = case.story.segment(&[step(first), step(bad)], 0);
    let short = case.story.segment(&[step(first), step(bad)], 1);
    let other = case.story.segment(&[step(first), step(good)], 0);
    for proof in [whole, short] {
        for order in [[&proof, &other], [&other, &proof]] {
            let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
            state.learn_record(&case.world.directory, case.story.records[0].clone()).expect("stands");
            state.learn_segment(&case.world.directory, case.story.single_segments()[0].clone());
            for segment in order {
                state.learn_segment(&case.world.directory, segment.clone());
            }
            assert_eq!(state.forked_actors().len(), 1);
            assert!(state.admitted().contains(&first) && !state.admitted().contains(&good));
        }
    }
}

#[test]
fn what_stands_behind_a_fork_is_not_asked_for_unless_an_anchor_names_it() {
    let mut case = Case::new();
    let member = case.world.bureaus[1].officers[0];
    let (root, head) = (case.founding(), case.story.head());
    let first = case.write(1, 0, 1, &[root]);
    let unknown = case.write(1, 1, 1, &[root]);
    let one = case.story.write(member, life(member, 1), [first].into(), head, 2).expect("writes");
    let other = case.story.write(member, life(member, 1), [first, unknown].into(), head, 2).expect("writes");
    let after = case.write(2, 0, 1, &[unknown]);
    let step = |change| case.story.steps.iter().find(|step| step.change == change).expect("written");
    let rests_on_unknown = case.story.segment(&[step(first), step(other)], 0);
    let proof = case.story.segment(&[step(first), step(one)], 0);
    let waits = case.story.segment(&[step(after)], 0);
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    state.learn_record(&case.world.directory, case.story.records[0].clone()).expect("stands");
    state.learn_segment(&case.world.directory, case.story.single_segments()[0].clone());
    assert_eq!(state.learn_segment(&case.world.directory, rests_on_unknown.clone()), Intake::Waiting, "no fork is known yet");
    assert_eq!(state.learn_segment(&case.world.directory, proof.clone()), Intake::New);
    assert_eq!(state.learn_segment(&case.world.directory, rests_on_unknown.clone()), Intake::Known, "it counts for nothing, come what may");
    assert_eq!(state.learn_segment(&case.world.directory, waits), Intake::Waiting, "who signed once is asked for");
    case.anchor(&[other]);
    let anchor = case.story.records.last().expect("an anchor").clone();
    state.learn_record(&case.world.directory, anchor).expect("stands");
    assert_eq!(state.learn_segment(&case.world.directory, rests_on_unknown), Intake::Waiting, "the anchor counts it");
}

#[test]
fn what_waits_is_taken_in_when_what_it_waits_for_comes() {
    let mut case = Case::new();
    let root = case.founding();
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    let one = case.write(1, 0, 1, &[root]);
    let two = case.write(2, 0, 1, &[one]);
    case.anchor(&[two]);
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    let directory = &case.world.directory;
    for record in case.story.records.iter().rev().take(2) {
        assert!(matches!(state.learn_record(directory, record.clone()), Err(RecordError::Waiting(_))));
    }
    let segments = case.story.single_segments();
    assert_eq!(state.learn_segment(directory, segments[2].clone()), Intake::Waiting, "its dependency is missing");
    assert_eq!(state.learn_segment(directory, segments[1].clone()), Intake::Waiting);
    assert_eq!(state.take_fresh().len(), 2, "their attestations count already");
    assert_eq!(state.learn_segment(directory, segments[0].clone()), Intake::New);
    assert_eq!(state.unadmitted().len(), 2, "the records they cite are missing still");
    state.learn_record(directory, case.story.records[0].clone()).expect("stands");
    assert_eq!(state.take_fresh().iter().filter(|item| matches!(item, Item::Record(_))).count(), 2, "records that waited are to be kept");
    assert_eq!(state.admitted(), case.state.admitted());
    assert_eq!(state.entry(), case.state.entry());
}

#[test]
fn two_who_answer_each_other_travel_as_two_signed_runs_and_are_taken_in_at_once() {
    let mut case = Case::new();
    let mut newest = case.founding();
    case.record(|world, document| world.grant(document, &[(2, Verb::Append)]));
    for n in 0..40 {
        newest = case.write(if n % 2 == 0 { 2 } else { 1 }, 0, 1, &[newest]);
    }
    let mut state = DocState::new(&case.world.directory, case.story.genesis.clone()).expect("stands");
    let directory = &case.world.directory;
    for record in &case.story.records {
        state.learn_record(directory, record.clone()).expect("stands");
    }
    let alone: Vec<Arc<Segment>> = case.story.single_segments().iter().map(CheckedSegment::shared).collect();
    let joined = case.state.joined(alone.clone());
    assert_eq!((alone.len(), joined.len()), (41, 3), "the founder, and each of the two once");
    let size = |segment: &Segment| accord_keys::canon::encode(segment).len();
    assert!(joined.iter().map(size).sum::<usize>() < alone.iter().map(|segment| size(segment)).sum::<usize>() - 38 * 150);
    // Last first: no order is needed among them.
    let segments = joined.into_iter().rev().map(|segment| {
        let certificate = directory.certificate(&segment.certificate).expect("known").body();
        segment::check(&network(), certificate, segment).expect("the last signature covers all before it")
    });
    assert_eq!(state.learn_segments(directory, segments.collect()), [Intake::New, Intake::New, Intake::New]);
    assert!(state.take_fresh().is_empty(), "each is stored once");
    assert_eq!((state.admitted(), state.entry()), (case.state.admitted(), case.state.entry()));
}

#[test]
fn a_segment_waits_for_its_writers_certificate() {
    let case = Case::new();
    let mut stranger = accord_keys::directory::Directory::new(network());
    for bytes in &case.world.bureaus[0].statements {
        stranger.learn_bytes(bytes).expect("in order");
    }
    let mut story = Story::found(case.world);
    let member = case.world.bureaus[1].officers[0];
    let change = story.write(member, life(member, 1), [story.changes[0]].into(), story.head(), 2).expect("writes");
    let mut state = DocState::new(&stranger, story.genesis.clone()).expect("stands");
    let segments = story.single_segments();
    assert_eq!(state.learn_segment(&stranger, segments[0].clone()), Intake::New);
    assert_eq!(state.learn_segment(&stranger, segments[1].clone()), Intake::Waiting);
    state.retry(&case.world.directory);
    assert!(state.admitted().contains(&change), "the certificate came");
    assert_eq!(state.take_fresh().len(), 1);
}

#[test]
fn thirty_three_writers_who_wrote_at_once_go_on_writing() {
    let mut case = Case::new();
    let root = case.founding();
    for n in 1..=33u8 {
        case.write(usize::from(n % 2), usize::from(n / 2 % 2), n, &[root]);
    }
    assert_eq!(case.state.tips().len(), 33);
    let member = case.world.bureaus[1].officers[0];
    let actor = case.story.actor(member, life(member, 40));
    let mut content = case.state.take_content().expect("shows");
    let act = accord_protocol::content::Edit::Insert { at: 0, text: "on".to_owned() };
    let written = content.edit(actor, &[act]).expect("edits");
    assert_eq!(written.len(), 2, "a fold and the edit");
    let hashes: Vec<ChangeHash> = written.iter().map(|raw| accord_protocol::rules::parse(raw).expect("ours").hash()).collect();
    let tip = segment::Tip { n: 0, attestation: accord_protocol::id::Digest([0; 32]) };
    let signer = crate::world::key(member.seed);
    let sealed = segment::seal_changes(
        &network(),
        &signer,
        case.story.document,
        member.id,
        life(member, 40),
        tip,
        written,
        &hashes,
        case.story.head(),
    )
    .expect("seals");
    assert_eq!(case.state.learn_segment(&case.world.directory, crate::documents::check(sealed)), Intake::New);
    case.state.set_content(content);
    assert_eq!(case.state.tips(), [hashes[1]].into());
    assert!(case.state.text().expect("shows").starts_with("on"));
    drop(case.state.take_content().expect("shows"));
    assert!(case.state.text().expect("replays").starts_with("on"));
}
