//! Random editing by several writers: everything [`Content`] writes passes the rules and shows the same in any causal order.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::*;
use crate::content::tests::check_laid_out;
use crate::content::{Content, Edit};

pub(crate) const OWNER: Group = Group([0xaa; 32]);
pub(crate) const PARTNER: Group = Group([0xbb; 32]);

const WORDS: [&str; 12] =
    ["警情", "通报", "张", "，", "县局", "e\u{301}", "👮\u{200d}♀️", "a", "case 7", "\n", "\u{0}", "中文输入法测试段落"];

/// Several writers of one document, each with the changes it has heard of.
pub(crate) struct World {
    pub(crate) rng: SmallRng,
    pub(crate) index: Index,
    pub(crate) bytes: BTreeMap<ChangeHash, Vec<u8>>,
    /// In the order in which they were written: a causal order.
    pub(crate) order: Vec<ChangeHash>,
    writers: Vec<Writer>,
}

struct Writer {
    actor: ActorId,
    group: Group,
    content: Content,
}

impl World {
    pub(crate) fn seeded(seed: u64, writers: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let actors: Vec<ActorId> = (0..writers).map(|_| ActorId(rng.random())).collect();
        let acts: Vec<Vec<u8>> =
            (0..rng.random_range(0..3)).map(|_| (0..rng.random_range(0..40)).map(|_| rng.random()).collect()).collect();
        let (content, founding) = Content::found(actors[0], &acts, if rng.random() { "简要案情：" } else { "" }).expect("small");
        let mut world = Self { rng, index: Index::new(OWNER), bytes: BTreeMap::new(), order: Vec::new(), writers: Vec::new() };
        world.take_in(&founding, OWNER);
        for (place, actor) in actors.into_iter().enumerate() {
            let content = if place == 0 { None } else { Some(Content::replay([&founding[..]]).expect("own founding")) };
            world.writers.extend(content.map(|content| Writer { actor, group: [OWNER, PARTNER][place % 2], content }));
            if place == 0 {
                world.writers.push(Writer { actor, group: OWNER, content: Content::replay([&founding[..]]).expect("own founding") });
            }
        }
        drop(content);
        world
    }

    fn take_in(&mut self, bytes: &[u8], group: Group) {
        let parsed = parse(bytes).expect("written by Automerge");
        assert_eq!(parse_again(bytes).as_ref(), Ok(&parsed), "read a second time it is the same");
        let engine = automerge::Change::from_bytes(bytes.to_vec()).expect("own change");
        assert_eq!(parsed.hash().0, engine.hash().0, "our hash is Automerge's");
        assert_eq!((parsed.seq(), parsed.start_op(), parsed.max_op()), (engine.seq(), engine.start_op().get(), engine.max_op()));
        let checked = self.index.check(&parsed, group).unwrap_or_else(|verdict| panic!("honest change refused: {verdict}"));
        self.index.insert(checked);
        self.bytes.insert(parsed.hash(), bytes.to_vec());
        self.order.push(parsed.hash());
    }

    /// One writer writes something allowed.
    pub(crate) fn edit(&mut self) {
        let place = self.rng.random_range(0..self.writers.len());
        let mut edits = Vec::new();
        let writer = &self.writers[place];
        let mut len = writer.content.text_len().expect("shown");
        let group = writer.group;
        let mine: Vec<_> = self.writers.iter().filter(|other| other.group == group || group == OWNER).map(|other| other.actor).collect();
        let own = writer.content.written_by(|actor| group == OWNER || mine.contains(actor)).expect("shown");
        if !own.is_empty() && self.rng.random_bool(0.4) {
            let range = own.choose(&mut self.rng).expect("not empty").clone();
            let at = self.rng.random_range(range.clone());
            let count = self.rng.random_range(1..=(range.end - at).min(4));
            edits.push(Edit::Delete { at, len: count });
            len -= count;
        }
        for _ in 0..self.rng.random_range(0..3) {
            let text: String = (0..self.rng.random_range(1..5)).map(|_| *WORDS.choose(&mut self.rng).expect("words")).collect();
            let at = self.rng.random_range(0..=len);
            len += text.chars().count();
            edits.push(Edit::Insert { at, text });
        }
        if edits.is_empty() || self.rng.random_bool(0.3) {
            let act = (0..self.rng.random_range(0..300)).map(|_| self.rng.random()).collect();
            edits.push(Edit::Act(act));
        }
        let writer = &mut self.writers[place];
        for bytes in writer.content.edit(writer.actor, &edits).expect("allowed") {
            self.take_in(&bytes, group);
        }
    }

    /// One writer hears of everything another one has.
    pub(crate) fn merge(&mut self) {
        let (from, to) = (self.rng.random_range(0..self.writers.len()), self.rng.random_range(0..self.writers.len()));
        let past: Vec<Vec<u8>> =
            self.index.causal_past(&self.writers[from].content.heads()).iter().map(|meta| self.bytes[&meta.hash].clone()).collect();
        self.writers[to].content.apply(past.iter().map(Vec::as_slice)).expect("checked changes");
    }

    /// All changes in some causal order.
    pub(crate) fn shuffled(&mut self) -> Vec<Vec<u8>> {
        let mut open = self.order.clone();
        open.shuffle(&mut self.rng);
        let mut index = Index::new(OWNER);
        let mut out = Vec::new();
        while !open.is_empty() {
            open.retain(|hash| {
                let group = self.index.get(hash).expect("known").group;
                match index.check(&parse(&self.bytes[hash]).expect("checked"), group) {
                    Ok(checked) => {
                        index.insert(checked);
                        out.push(self.bytes[hash].clone());
                        false
                    }
                    Err(Verdict::Waiting(missing)) => {
                        assert!(!missing.is_empty());
                        true
                    }
                    Err(verdict) => panic!("refused in another order: {verdict}"),
                }
            });
        }
        out
    }
}

fn check(seed: u64) {
    let mut world = World::seeded(seed, 5);
    for _ in 0..60 {
        if world.rng.random_bool(0.6) { world.edit() } else { world.merge() }
    }
    let all: Vec<Vec<u8>> = world.order.iter().map(|hash| world.bytes[hash].clone()).collect();
    let whole = Content::replay(all.iter().map(Vec::as_slice)).expect("checked changes");
    assert_eq!(whole.heads(), world.index.heads().iter().copied().collect::<Vec<_>>(), "seed {seed}");
    check_laid_out(&all);
    for _ in 0..3 {
        let shuffled = world.shuffled();
        let cut = world.rng.random_range(1..=shuffled.len());
        let mut other = Content::replay(shuffled[..cut].iter().map(Vec::as_slice)).expect("founding first");
        other.apply(shuffled.iter().map(Vec::as_slice)).expect("checked changes");
        assert_eq!(other.heads(), whole.heads(), "seed {seed}");
        assert_eq!(other.text(), whole.text(), "seed {seed}");
        assert_eq!(other.acts(), whole.acts(), "seed {seed}");
    }
    for placed in whole.acts().expect("shown") {
        assert_eq!(world.index.change_of_op(placed.counter, &placed.actor).len(), 1, "seed {seed}");
    }
}

#[test]
fn what_writers_write_passes_the_rules_and_shows_the_same_in_any_order() {
    for seed in 0..40 {
        check(seed);
    }
}
