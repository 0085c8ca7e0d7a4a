//! What the fuzz targets share: a small honest document, and lies about its changes read from fuzz bytes; [`outside`]: statements and proofs.

pub mod outside;

use accord_protocol::content::{Content, Edit};
use accord_protocol::rules::forge::{Forged, ForgedKey, ForgedOp, chunk};
use accord_protocol::rules::{ActorId, ChangeHash, Group, Index, ParsedChange, Verdict, parse};

/// Bureau that owns the document.
pub const OWNER: Group = Group([0xaa; 32]);
/// Bureau that may append to it.
pub const PARTNER: Group = Group([0xbb; 32]);

/// First byte of an input: the rest is a raw change as it would come from a partner.
pub const RAW: u8 = 0;
/// First byte of an input: the rest is a chunk body; the header is put in front of it.
pub const BODY: u8 = 1;
/// First byte of an input: the rest is a list of lies about honest changes.
pub const LIES: u8 = 2;

/// A document by three writers of two bureaus that merged now and then.
pub struct Scene {
    /// Its index.
    pub index: Index,
    /// Its changes in a causal order.
    pub changes: Vec<Vec<u8>>,
    parsed: Vec<ParsedChange>,
}

/// How far a change that passes the rules is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The verdict is enough.
    Rules,
    /// On to Automerge: it must take the change, show it and stay editable.
    Engine,
}

impl Scene {
    /// The same document every time.
    pub fn new() -> Self {
        let actors = [3, 1, 2].map(|byte| ActorId([byte; 16]));
        let groups = [OWNER, PARTNER, PARTNER];
        let (content, founding) = Content::found(actors[0], &[b"first act".to_vec()], "关于一起案件的通报").expect("small");
        let mut scene = Self { index: Index::new(OWNER), changes: Vec::new(), parsed: Vec::new() };
        scene.take_in(&founding, OWNER);
        let mut contents = vec![content];
        contents.extend((1..3).map(|_| Content::replay([&founding[..]]).expect("own change")));
        for round in 0..4usize {
            for writer in 0..3 {
                let content = &mut contents[writer];
                let len = content.text_len().expect("shown");
                let own = content.written_by(|actor| *actor == actors[writer]).expect("shown");
                let mut edits = vec![Edit::Insert { at: (7 * round + writer) % (len + 1), text: format!("第{round}{writer}次e\u{301}") }];
                if let (Some(range), true) = (own.first(), round % 2 == 1) {
                    edits.insert(0, Edit::Delete { at: range.start, len: range.len().min(3) });
                }
                if edits.len() == 2 {
                    edits[1] = Edit::Insert { at: 0, text: "改".to_owned() };
                }
                if round == 2 {
                    edits.push(Edit::Act(vec![writer as u8; 20]));
                }
                for bytes in contents[writer].edit(actors[writer], &edits).expect("allowed") {
                    scene.take_in(&bytes, groups[writer]);
                }
            }
            contents[round % 3].apply(scene.changes.iter().map(Vec::as_slice)).expect("own changes");
        }
        scene
    }

    fn take_in(&mut self, bytes: &[u8], group: Group) {
        let parsed = parse(bytes).expect("own change");
        let checked = self.index.check(&parsed, group).expect("own change");
        self.index.insert(checked);
        self.changes.push(bytes.to_vec());
        self.parsed.push(parsed);
    }

    /// Everything a hostile change may reach: the decoder, the rules and, if they let it pass, Automerge.
    pub fn attack(&self, data: &[u8], reach: Reach) {
        let Some((mode, data)) = data.split_first() else { return };
        match *mode {
            RAW => self.judge_alone(data, reach),
            BODY => self.judge_alone(&chunk(data), reach),
            _ => self.lies(data, reach),
        }
    }

    fn judge_alone(&self, bytes: &[u8], reach: Reach) {
        let Ok(parsed) = parse(bytes) else { return };
        for writer in [OWNER, PARTNER] {
            match self.index.check(&parsed, writer) {
                Ok(_) if reach == Reach::Engine => {
                    let past = self.index.causal_past(parsed.deps());
                    let honest =
                        self.changes.iter().zip(&self.parsed).filter(|(_, change)| past.iter().any(|meta| meta.hash == change.hash()));
                    let mut all: Vec<&[u8]> = honest.map(|(bytes, _)| &bytes[..]).collect();
                    all.push(bytes); // one that is there already is skipped
                    show(&all);
                }
                Ok(_) | Err(Verdict::Malformed(_)) => {}
                Err(Verdict::Waiting(missing)) => assert!(!missing.is_empty()),
            }
        }
    }

    /// Several falsified changes on top of each other; what passes goes on to Automerge with its past.
    fn lies(&self, data: &[u8], reach: Reach) {
        let mut bytes = Bytes { rest: data };
        let mut index = self.index.clone();
        let mut lies: Vec<(Vec<u8>, ParsedChange)> = Vec::new();
        for _ in 0..1 + bytes.below(6) {
            let place = bytes.below(self.parsed.len() + lies.len());
            let model = self.parsed.get(place).unwrap_or_else(|| &lies[place - self.parsed.len()].1);
            let mut forged = Forged::from_parsed(model);
            if bytes.below(2) == 0 {
                follow(&mut forged, &index, &mut bytes);
            }
            for _ in 0..bytes.below(4) {
                lie(&mut forged, &index, &mut bytes);
            }
            let writer = if bytes.below(2) == 0 { OWNER } else { PARTNER };
            let raw = forged.encode();
            let Ok(parsed) = parse(&raw) else { continue };
            if index.contains(&parsed.hash()) {
                continue;
            }
            if let Ok(checked) = index.check(&parsed, writer) {
                assert!(index.check(&parsed, writer).is_ok(), "the same verdict again");
                index.insert(checked);
                lies.push((raw, parsed));
            }
        }
        let Some((_, newest)) = lies.last() else { return };
        if reach == Reach::Engine {
            let past: Vec<ChangeHash> = index.causal_past(&[newest.hash()]).iter().map(|meta| meta.hash).collect();
            let honest = self.changes.iter().zip(&self.parsed).chain(lies.iter().map(|(bytes, change)| (bytes, change)));
            show(&honest.filter(|(_, change)| past.contains(&change.hash())).map(|(bytes, _)| &bytes[..]).collect::<Vec<_>>());
        }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// Automerge must take the changes, show them, stay editable and show the same when replayed.
fn show(changes: &[&[u8]]) {
    let mut content = Content::replay(changes.iter().copied()).expect("what passed the rules can be shown");
    let len = content.text_len().expect("shown");
    content.acts().expect("shown");
    let mut edits = vec![Edit::Insert { at: len / 2, text: "续".to_owned() }, Edit::Act(vec![1])];
    edits.extend((len > 0).then_some(Edit::Delete { at: 0, len: len / 2 }));
    let written = content.edit(ActorId([0xcc; 16]), &edits).expect("stays editable");
    let all = changes.iter().copied().chain(written.iter().map(Vec::as_slice));
    let again = Content::replay(all).expect("what was written can be replayed");
    assert!((again.text(), again.acts(), again.heads()) == (content.text(), content.acts(), content.heads()));
}

/// Fuzz bytes as a source of choices; all zero when they are used up.
struct Bytes<'a> {
    rest: &'a [u8],
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next()) % bound.max(1)
    }

    fn number(&mut self) -> u64 {
        match self.next() {
            small @ 0..=199 => u64::from(small),
            200..=219 => 1 << self.below(64),
            220..=239 => (1u64 << self.below(64)).wrapping_sub(1),
            _ => u64::from_le_bytes([(); 8].map(|()| self.next())),
        }
    }

    fn id(&mut self) -> (u64, u64) {
        (self.below(4) as u64, self.number())
    }
}

/// Puts a change truthfully on top of some changes, as far as the header goes.
fn follow(forged: &mut Forged, index: &Index, bytes: &mut Bytes<'_>) {
    let known: Vec<ChangeHash> = index.iter().map(|meta| meta.hash).collect();
    let deps: Vec<ChangeHash> = (0..1 + bytes.below(3)).map(|_| known[bytes.below(known.len())]).collect();
    let mut deps = index.newest(&deps);
    let Ok(actor) = <[u8; 16]>::try_from(&forged.actor[..]).map(ActorId) else { return };
    let own = deps.iter().filter_map(|dep| index.newest_of(&actor, dep)).max_by_key(|meta| meta.seq);
    forged.seq = own.map_or(0, |meta| meta.seq) + 1;
    let own = own.map(|meta| meta.hash);
    deps.extend(own);
    forged.start_op = deps.iter().filter_map(|dep| index.get(dep)).map(|meta| meta.max_op).max().unwrap_or(0) + 1;
    forged.deps = deps.into_iter().collect();
}

fn lie(forged: &mut Forged, index: &Index, bytes: &mut Bytes<'_>) {
    let known: Vec<ChangeHash> = index.iter().map(|meta| meta.hash).collect();
    let actors: Vec<ActorId> = index.actors().copied().collect();
    let place = bytes.below(forged.ops.len());
    match bytes.below(22) {
        0 => forged.seq = bytes.number(),
        1 => forged.start_op = bytes.number(),
        2 => forged.deps.push(known[bytes.below(known.len())]),
        3 => {
            forged.deps.sort_unstable();
            forged.deps.dedup();
        }
        4 => forged.deps.truncate(bytes.below(4)),
        5 => forged.actor = vec![bytes.next(); 16],
        6 => forged.actor = actors[bytes.below(actors.len())].0.to_vec(),
        7 => forged.others.push(actors[bytes.below(actors.len())].0.to_vec()),
        8 => {
            forged.others.sort_unstable();
            forged.others.dedup();
        }
        9 => forged.others.truncate(bytes.below(3)),
        10 => {
            let (object, key) = (Some(bytes.id()), [ForgedKey::Head, ForgedKey::Element(bytes.id())][bytes.below(2)].clone());
            let char = char::from_u32(bytes.number() as u32).unwrap_or('字').to_string().into_bytes();
            let (value_type, value) = if bytes.below(2) == 0 { (6, char) } else { (7, vec![bytes.next(); bytes.below(9)]) };
            forged.ops.push(ForgedOp { object, key, insert: true, action: 1, value_type, value, preds: vec![], mark: None });
        }
        _ if forged.ops.is_empty() => forged.ops.clear(),
        11 => {
            forged.ops.remove(place);
        }
        12 => forged.ops.truncate(place),
        13 => {
            let copy = forged.ops[place].clone();
            forged.ops.push(copy);
        }
        14 => forged.ops[place].object = Some(bytes.id()),
        15 => forged.ops[place].key = ForgedKey::Element(bytes.id()),
        16 => forged.ops[place].key = ForgedKey::Head,
        17 => {
            let id = bytes.id();
            forged.ops[place] = ForgedOp {
                insert: false,
                action: 3,
                value_type: 0,
                value: vec![],
                key: ForgedKey::Element(id),
                preds: vec![id],
                ..forged.ops[place].clone()
            };
        }
        18 => forged.ops[place].action = bytes.below(9) as u64,
        19 => forged.ops[place].value_type = bytes.below(16) as u64,
        20 => forged.ops[place].preds.push(bytes.id()),
        _ => forged.ops[place].value = vec![bytes.next(); bytes.below(5)],
    }
}
