//! Random small documents: who wrote what on top of what, and which records the registrar sealed. Forks, cuts, anchors and grants included.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::seal::{self, Verified};
use accord_protocol::access::log::{EndKind, FrontierLine, Genesis, Grantee, Kind, Life, OrderAct, Record, RecordKind, Subject};
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::{Tlp, Verb};
use accord_protocol::content::{Content, Edit};
use accord_protocol::id::{Bytes, Digest, DocumentId, Nonce, RecordId};
use accord_protocol::rules::{self, ActorId, ChangeHash};
use accord_protocol::segment::{self, CheckedSegment, CitedRun, Link, Segment};
use accord_protocol::time::WallSeconds;
use proptest::prelude::*;

use crate::world::{self, Member, World, key, network};

/// One thing that happens. Numbers choose among what exists, modulo how many there are.
#[derive(Clone, Debug)]
pub enum Event {
    /// A member's life writes on top of some changes; `fork` leaves its own newest out.
    Write { member: u8, life: u8, bases: Vec<u8>, fork: bool, cites: u8, edit: u8 },
    /// A member attests its newest change again, citing another record.
    Reattest { member: u8, life: u8, cites: u8 },
    /// The registrar settles some changes.
    Anchor { tips: Vec<u8>, behind: u8 },
    /// It lets a bureau in.
    Grant { bureau: u8, append: bool, behind: u8 },
    /// It takes writing away from a subject beyond what some changes hold; by itself or by order.
    Cut { subject: u8, read: bool, frontier: Vec<u8>, machine: bool, behind: u8 },
    /// It lets in what is held in the past of some changes.
    Admit { tips: Vec<u8>, behind: u8 },
    /// It calls acts void.
    Void { changes: Vec<u8>, behind: u8 },
    /// It raises the traffic light; perhaps a bureau loses the document by that.
    Reclassify { bureau: u8, behind: u8 },
    /// It ends the document.
    End { disown: bool, behind: u8 },
    /// It names the heads of a forked log, or all but one, and goes on with one; perhaps it sets the others aside.
    Continue { which: u8, partial: bool, compromised: bool },
}

fn event(branches: u32) -> impl Strategy<Value = Event> {
    let some = || proptest::collection::vec(any::<u8>(), 0..3);
    // `behind` 0 follows the log's head; anything else branches it off.
    let behind = move || prop_oneof![15 - branches => Just(0u8), branches => 1u8..4];
    prop_oneof![
        10 => (0u8..6, 0u8..2, some(), prop_oneof![9 => Just(false), 1 => Just(true)], prop_oneof![3 => Just(0u8), 1 => any::<u8>()], any::<u8>())
            .prop_map(|(member, life, bases, fork, cites, edit)| Event::Write { member, life, bases, fork, cites, edit }),
        1 => (0u8..6, 0u8..2, any::<u8>()).prop_map(|(member, life, cites)| Event::Reattest { member, life, cites }),
        3 => (some(), behind()).prop_map(|(tips, behind)| Event::Anchor { tips, behind }),
        1 => (1u8..3, any::<bool>(), behind()).prop_map(|(bureau, append, behind)| Event::Grant { bureau, append, behind }),
        2 => (any::<u8>(), any::<bool>(), some(), any::<bool>(), behind())
            .prop_map(|(subject, read, frontier, machine, behind)| Event::Cut { subject, read, frontier, machine, behind }),
        1 => (some(), behind()).prop_map(|(tips, behind)| Event::Admit { tips, behind }),
        1 => (some(), behind()).prop_map(|(changes, behind)| Event::Void { changes, behind }),
        1 => (0u8..3, behind()).prop_map(|(bureau, behind)| Event::Reclassify { bureau, behind }),
        3 => (any::<u8>(), prop_oneof![3 => Just(false), 1 => Just(true)], prop_oneof![3 => Just(false), 1 => Just(true)])
            .prop_map(|(which, partial, compromised)| Event::Continue { which, partial, compromised }),
    ]
}

/// A document's life; its log rarely branches.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    story(1)
}

/// A few writers after each other, the same every time.
pub fn some_events() -> Vec<Event> {
    let write = |n: u8| Event::Write { member: n % 3, life: 0, bases: vec![0, n], fork: false, cites: 0, edit: n.wrapping_mul(37) };
    (0..12).map(write).collect()
}

/// The same with a registrar that forks its log again and again.
pub fn tangled() -> impl Strategy<Value = Vec<Event>> {
    story(6)
}

fn story(branches: u32) -> impl Strategy<Value = Vec<Event>> {
    let end = prop_oneof![9 => Just(None), 1 => (any::<bool>(), 0u8..3, any::<prop::sample::Index>()).prop_map(Some)];
    // Few documents end, and those somewhere.
    (proptest::collection::vec(event(branches), 1..28), end).prop_map(|(mut events, end)| {
        if let Some((disown, behind, at)) = end {
            events.insert(at.index(events.len()), Event::End { disown, behind });
        }
        events
    })
}

/// One attestation: a change at a position of its actor's chain.
#[derive(Clone, Debug)]
pub struct Step {
    pub member: Member,
    pub life: Life,
    pub actor: ActorId,
    pub n: u64,
    pub change: ChangeHash,
    pub cited: RecordId,
    pub attestation: Digest,
    /// The step before it, by attestation; zero before the first.
    pub previous: Digest,
}

/// A document's whole history, as someone sees it who holds everything.
pub struct Story {
    pub genesis: Verified<Genesis>,
    pub document: DocumentId,
    pub records: Vec<Verified<Record>>,
    /// In the order of writing, which is a causal order.
    pub changes: Vec<ChangeHash>,
    pub raw: BTreeMap<ChangeHash, Vec<u8>>,
    pub deps: BTreeMap<ChangeHash, Vec<ChangeHash>>,
    pub steps: Vec<Step>,
    serial: u32,
}

impl Story {
    /// A case founded by the first bureau; the second may append from the start.
    pub fn found(world: &World) -> Self {
        Self::found_under(world, 1)
    }

    /// As [`Story::found`], under a rules version.
    pub fn found_under(world: &World, rules: u16) -> Self {
        let genesis = world.genesis_under(Kind::Case, &[(1, Verb::Append)], rules);
        let document = DocumentId(genesis.id().0);
        let mut story = Self {
            genesis,
            document,
            records: Vec::new(),
            changes: Vec::new(),
            raw: BTreeMap::new(),
            deps: BTreeMap::new(),
            steps: Vec::new(),
            serial: 0,
        };
        let founder = world.owner().officers[0];
        let actor = story.actor(founder, world::life(founder, 0));
        let act = story.act(founder);
        let (_, raw) = Content::found(actor, &[act.to_bytes()], "Found at the river.").expect("founds");
        story.add(founder, world::life(founder, 0), raw, RecordId(document.0));
        story
    }

    /// What these events make under a rules version; records it does not know are left out.
    pub fn of(world: &World, events: &[Event], rules: u16) -> Self {
        let mut story = Self::found_under(world, rules);
        for event in events {
            story.happen(world, event);
        }
        story
    }

    pub fn actor(&self, member: Member, life: Life) -> ActorId {
        segment::actor_id(&member.id, &self.document, &life)
    }

    fn act(&mut self, member: Member) -> Act {
        self.serial += 1;
        let mut uuid = [member.seed; 16];
        uuid[..4].copy_from_slice(&self.serial.to_be_bytes());
        Act {
            // Signing times run backwards now and then: a claim, and only the second key of the order of acts.
            text: format!("entry {}", self.serial),
            ..Act::new(Nonce(uuid), ActKind::Note, WallSeconds(world::START.0 + u64::from(self.serial * 7 % 11)))
        }
    }

    /// Notes a raw change as its actor's next step.
    fn add(&mut self, member: Member, life: Life, raw: Vec<u8>, cited: RecordId) -> ChangeHash {
        let parsed = rules::parse(&raw).expect("our own change is well formed");
        let change = parsed.hash();
        let own_previous = self.steps.iter().rev().find(|step| step.actor == parsed.actor() && parsed.deps().contains(&step.change));
        let previous = own_previous.map_or(Digest([0; 32]), |step| step.attestation);
        if !self.raw.contains_key(&change) {
            self.changes.push(change);
        }
        self.deps.insert(change, parsed.deps().to_vec());
        self.raw.insert(change, raw);
        self.attest(member, life, parsed.seq(), change, cited, previous);
        change
    }

    fn attest(&mut self, member: Member, life: Life, n: u64, change: ChangeHash, cited: RecordId, previous: Digest) {
        let attestation = segment::attest(&self.document, &member.id, &life, n, &change, &cited, &previous);
        if !self.steps.iter().any(|step| step.attestation == attestation) {
            let actor = self.actor(member, life);
            self.steps.push(Step { member, life, actor, n, change, cited, attestation, previous });
        }
    }

    /// The causal past of some changes in a causal order, or `None` if it holds two changes of one actor and place.
    fn past(&self, of: &BTreeSet<ChangeHash>) -> Option<Vec<ChangeHash>> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<ChangeHash> = of.iter().copied().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.deps[&next]);
            }
        }
        let mut places = BTreeSet::new();
        for hash in &seen {
            let parsed = rules::parse(&self.raw[hash]).expect("ours");
            if !places.insert((parsed.actor(), parsed.seq())) {
                return None;
            }
        }
        Some(self.changes.iter().filter(|hash| seen.contains(*hash)).copied().collect())
    }

    /// The id and index of the head of the log, or of an older record if `behind` is not 0.
    fn previous(&self, behind: u8) -> (RecordId, u32) {
        let all = self.record_ids();
        all[all.len().saturating_sub(1 + usize::from(behind))]
    }

    fn record_ids(&self) -> Vec<(RecordId, u32)> {
        std::iter::once((RecordId(self.document.0), 0)).chain(self.records.iter().map(|r| (RecordId(r.id().0), r.body().index))).collect()
    }

    fn choose(&self, numbers: &[u8]) -> BTreeSet<ChangeHash> {
        // Numbers count back from the newest, so that most documents grow and some branch.
        numbers.iter().map(|n| self.changes[self.changes.len() - 1 - usize::from(*n) % self.changes.len().min(8)]).collect()
    }

    /// Writes as a member's life on top of `bases`; `None` if that cannot be.
    pub fn write(&mut self, member: Member, life: Life, bases: BTreeSet<ChangeHash>, cited: RecordId, edit: u8) -> Option<ChangeHash> {
        let actor = self.actor(member, life);
        let past = self.past(&bases)?;
        let mut content = Content::replay(past.iter().map(|hash| &self.raw[hash][..])).expect("our own changes replay");
        let mut edits = vec![Edit::Act(self.act(member).to_bytes())];
        let length = content.text_len().expect("reads");
        match edit % 4 {
            0 => edits.push(Edit::Insert { at: usize::from(edit) % (length + 1), text: "ab".to_owned() }),
            // Deletes anything: malformed when another bureau wrote it and the owner is not deleting.
            1 if length > 0 => edits.push(Edit::Delete { at: usize::from(edit) % length, len: 1 }),
            _ => {}
        }
        let mut last = None;
        for raw in content.edit(actor, &edits).expect("edits") {
            last = Some(self.add(member, life, raw, cited));
        }
        last
    }

    fn happen(&mut self, world: &World, event: &Event) {
        let officers = world.officers();
        match event {
            Event::Write { member, life, bases, fork, cites, edit } => {
                let member = officers[usize::from(*member) % officers.len()];
                let life = world::life(member, *life);
                let actor = self.actor(member, life);
                let mut bases = self.choose(if bases.is_empty() { &[0] } else { bases });
                if let Some(own) = self.steps.iter().rev().find(|step| step.actor == actor).filter(|_| !fork) {
                    bases.insert(own.change);
                }
                let all = self.record_ids();
                let cited = all[all.len() - 1 - usize::from(*cites) % all.len()].0;
                self.write(member, life, bases, cited, *edit);
            }
            Event::Reattest { member, life, cites } => {
                let member = officers[usize::from(*member) % officers.len()];
                let life = world::life(member, *life);
                let actor = self.actor(member, life);
                let all = self.record_ids();
                let cited = all[usize::from(*cites) % all.len()].0;
                if let Some(step) = self.steps.iter().rev().find(|step| step.actor == actor).cloned() {
                    self.attest(member, life, step.n, step.change, cited, step.previous);
                }
            }
            Event::Anchor { tips, behind } => {
                let tips = world::ascending(self.choose(if tips.is_empty() { &[0] } else { tips }));
                let (previous, index) = self.previous(*behind);
                let kind = if index == 0 { RecordKind::Adopt("demo 1".to_owned(), tips) } else { RecordKind::Anchor(tips) };
                self.push_record(world, index, previous, kind);
            }
            Event::Grant { bureau, append, behind } => {
                let verb = if *append { Verb::Append } else { Verb::Read };
                let grantees = vec![Grantee::plain(world.bureaus[usize::from(*bureau)].id, verb, None)];
                let order = self.order(world, OrderAct::Grant(grantees.clone()));
                self.push_behind(world, *behind, RecordKind::Grant(grantees, order));
            }
            Event::Admit { tips, behind } => {
                let tips = world::ascending(self.choose(if tips.is_empty() { &[0] } else { tips }));
                let order = self.order(world, OrderAct::Admit(tips.clone()));
                self.push_behind(world, *behind, RecordKind::Admit(tips, order));
            }
            Event::Void { changes, behind } => {
                let changes = world::ascending(self.choose(if changes.is_empty() { &[0] } else { changes }));
                let order = self.order(world, OrderAct::Void(changes.clone(), "stolen key".to_owned()));
                self.push_behind(world, *behind, RecordKind::Void(changes, "stolen key".to_owned(), order));
            }
            Event::Reclassify { bureau, behind } => {
                let (previous, _) = self.previous(*behind);
                let tlp = match self.tlp_at(previous) {
                    Tlp::Amber => Tlp::AmberStrict,
                    Tlp::AmberStrict => Tlp::Red,
                    _ => return,
                };
                let mut narrowed: Vec<_> = world.bureaus.iter().skip(1).take(usize::from(*bureau)).map(|bureau| bureau.id).collect();
                narrowed.sort();
                let order = self.order(world, OrderAct::Reclassify(tlp, narrowed.clone()));
                self.push_behind(world, *behind, RecordKind::Reclassify(tlp, narrowed, order));
            }
            Event::End { disown, behind } => {
                let kind = if *disown { EndKind::Disown } else { EndKind::Retention };
                let order = if *disown { self.order(world, OrderAct::End(kind)) } else { Bytes(Vec::new()) };
                let (previous, index) = self.previous(*behind);
                if index > 0 || *disown {
                    self.push_record(world, index, previous, RecordKind::End(kind, order));
                }
            }
            Event::Continue { which, partial, compromised } => {
                let mut heads = self.open_heads();
                if *partial && heads.len() > 2 {
                    heads.remove(usize::from(*which / 16) % heads.len());
                }
                let previous = heads[usize::from(*which) % heads.len()];
                let fresh = heads.iter().all(|head| self.epoch_at(*head) < 2);
                let compromised = *compromised && fresh;
                if heads.len() < 2 {
                    return;
                }
                let order = if compromised { self.order(world, OrderAct::Continue(heads.clone())) } else { Bytes(Vec::new()) };
                let index = self.body_of(&previous).map_or(0, |record| record.index);
                self.push_record(world, index, previous, RecordKind::Continue(heads, compromised, order));
            }
            Event::Cut { subject, read, frontier, machine, behind } => {
                let (previous, index) = self.previous(*behind);
                if index == 0 {
                    return;
                }
                let member = officers[usize::from(*subject / 8) % officers.len()];
                let body = world.directory.certificate(&member.id).expect("known").body();
                let subject = match *subject % 8 {
                    0 | 1 => Subject::Bureau(body.bureau),
                    2 => Subject::Key(body.key),
                    3 => Subject::Certificate(member.id),
                    4 => Subject::Seat(body.bureau, body.seats[0].clone()),
                    5 => Subject::Unit(body.bureau, body.unit.clone()),
                    6 => match body.issuer {
                        accord_keys::certificate::Issuer::Root(root) => Subject::Root(root),
                        accord_keys::certificate::Issuer::Member(issuer) => Subject::Issuer(issuer),
                    },
                    _ => Subject::Certificate(member.id),
                };
                let tips = self.choose(frontier);
                let mut lines: BTreeMap<ActorId, FrontierLine> = BTreeMap::new();
                for step in &self.steps {
                    if self.past(&tips).is_some_and(|past| past.contains(&step.change)) {
                        let line = FrontierLine { actor: step.actor, position: step.n, attestation: step.attestation };
                        lines.entry(step.actor).and_modify(|old| *old = old.clone().max(line.clone())).or_insert(line);
                    }
                }
                let verbs: &[Verb] = if *read { &[Verb::Read, Verb::Append] } else { &[Verb::Append] };
                let order = OrderAct::Cut(subject.clone(), verbs.to_vec(), false);
                let order = if *machine && self.rules() > 1 { Bytes(Vec::new()) } else { self.order(world, order) };
                let kind = RecordKind::Cut(subject, verbs.to_vec(), lines.into_values().collect(), false, order);
                self.push_record(world, index, previous, kind);
            }
        }
    }

    fn rules(&self) -> u16 {
        self.genesis.body().rules
    }

    /// An order that is like no other of this story.
    fn order(&mut self, world: &World, act: OrderAct) -> Bytes {
        self.serial += 1;
        world.order_number(self.document, act, self.serial)
    }

    pub fn body_of(&self, id: &RecordId) -> Option<&Record> {
        self.records.iter().find(|record| record.id().0 == id.0).map(Verified::body)
    }

    /// Epoch of a record as the sample world has it: the first or the later appointment.
    pub fn epoch_at(&self, id: RecordId) -> u32 {
        let first = world::world().owner().appointment;
        self.body_of(&id).map_or(0, |record| if record.appointment == first { 1 } else { 2 })
    }

    fn tlp_at(&self, mut id: RecordId) -> Tlp {
        while let Some(record) = self.body_of(&id) {
            if let RecordKind::Reclassify(tlp, ..) = record.kind {
                return tlp;
            }
            id = record.previous;
        }
        self.genesis.body().tlp
    }

    /// Records nothing rests on, ascending.
    fn open_heads(&self) -> Vec<RecordId> {
        let mut heads: BTreeSet<RecordId> = self.record_ids().into_iter().map(|(id, _)| id).collect();
        for record in &self.records {
            heads.remove(&record.body().previous);
            if let RecordKind::Continue(named, ..) = &record.body().kind {
                heads.retain(|id| !named.contains(id));
            }
        }
        heads.into_iter().collect()
    }

    /// A record that is not the first.
    fn push_behind(&mut self, world: &World, behind: u8, kind: RecordKind) {
        let (previous, index) = self.previous(behind);
        if index > 0 {
            self.push_record(world, index, previous, kind);
        }
    }

    /// Seals a record; what its rules version does not know, and what would follow an end, is left out.
    pub fn push_record(&mut self, world: &World, index: u32, previous: RecordId, kind: RecordKind) -> RecordId {
        let ended = self.body_of(&previous).is_some_and(|record| matches!(record.kind, RecordKind::End(..)));
        if self.rules() == 1 && !kind.is_first() || ended {
            return previous;
        }
        let epoch = match &kind {
            RecordKind::Continue(_, true, _) => 2,
            RecordKind::Continue(heads, ..) => heads.iter().map(|head| self.epoch_at(*head)).max().unwrap_or(1),
            _ => self.epoch_at(previous),
        };
        let record = world.record_of_epoch(self.document, index + 1, previous, kind, epoch.max(1));
        let id = RecordId(record.id().0);
        if self.body_of(&id).is_none() {
            self.records.push(record);
        }
        id
    }

    /// Appends a record to the log's head.
    pub fn then(&mut self, world: &World, kind: RecordKind) -> RecordId {
        let (previous, index) = self.previous(0);
        self.push_record(world, index, previous, kind)
    }

    pub fn head(&self) -> RecordId {
        self.previous(0).0
    }

    /// A segment over a chain of steps; the last `links` of them without content.
    pub fn segment(&self, chain: &[&Step], links: usize) -> CheckedSegment {
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        let (content, bare) = chain.split_at(chain.len() - links);
        let mut cited: Vec<CitedRun> = Vec::new();
        for step in content {
            match cited.last_mut() {
                Some(run) if run.record == step.cited => run.count += 1,
                _ => cited.push(CitedRun { count: 1, record: step.cited }),
            }
        }
        let signature = seal::sign_tip(&network(), &key(first.member.seed), &last.attestation.0).expect("signs");
        let segment = Segment {
            document: self.document,
            certificate: first.member.id,
            life: first.life,
            from: first.n,
            before: first.previous,
            changes: content.iter().map(|step| Bytes(self.raw[&step.change].clone())).collect(),
            cited,
            links: bare.iter().map(|step| Link { change: step.change, cited: step.cited }).collect(),
            signature: Bytes(signature.0.to_vec()),
        };
        check(segment)
    }

    /// The chain of steps that ends in one, oldest first.
    pub fn chain(&self, end: &Step) -> Vec<&Step> {
        let mut chain: Vec<&Step> = Vec::new();
        let mut want = end.attestation;
        while let Some(step) = self.steps.iter().find(|step| step.attestation == want) {
            chain.push(step);
            want = step.previous;
        }
        chain.reverse();
        chain
    }

    /// Every step in segments of its own.
    pub fn single_segments(&self) -> Vec<CheckedSegment> {
        self.steps.iter().map(|step| self.segment(&[step], 0)).collect()
    }
}

/// Checks a segment against the certificate it names.
pub fn check(segment: Segment) -> CheckedSegment {
    let world = crate::world::world();
    let certificate = world.directory.certificate(&segment.certificate).expect("known").body();
    segment::check(&network(), certificate, segment).expect("our own segment checks")
}

/// One thing that arrives.
#[derive(Clone, Debug)]
pub enum Arrival {
    Record(Box<Verified<Record>>),
    Segment(Box<CheckedSegment>),
}

/// A small generator for choices a proptest seed makes; deterministic and dull on purpose.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        // splitmix64, after Steele, Lea and Flood 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }
}

impl Story {
    /// Everything of the story, cut into segments that join, overlap and repeat, in some order.
    pub fn arrivals(&self, seed: u64) -> Vec<Arrival> {
        let mut dice = Dice(seed);
        let mut out: Vec<Arrival> = self.records.iter().map(|record| Arrival::Record(Box::new(record.clone()))).collect();
        for step in &self.steps {
            // Each step comes with content at least once: alone, or at some place of a longer run.
            let chain = self.chain(step);
            let from = chain.len() - 1 - dice.roll(chain.len());
            let mut run: Vec<&Step> = chain[from..].to_vec();
            let mut links = 0;
            while dice.roll(2) == 0 {
                let last = run[run.len() - 1].attestation;
                let Some(next) = self.steps.iter().find(|next| next.previous == last && next.actor == step.actor && next.n > 1) else {
                    break;
                };
                run.push(next);
                links += usize::from(links > 0 || dice.roll(2) == 0);
            }
            out.push(Arrival::Segment(Box::new(self.segment(&run, links))));
        }
        for _ in 0..dice.roll(4) {
            let again = out[dice.roll(out.len())].clone();
            out.push(again);
        }
        for at in (1..out.len()).rev() {
            out.swap(at, dice.roll(at + 1));
        }
        out
    }
}

/// A member's signing key.
pub fn public(member: Member) -> accord_protocol::id::PublicKey {
    key(member.seed).public()
}
