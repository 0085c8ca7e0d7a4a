//! Segments and changes that must not count: garbled, misplaced, forged, forked, floating.

use accord_keys::canon;
use accord_keys::secret::Signer;
use accord_protocol::access::log::Life;
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::Verb;
use accord_protocol::content::{Content, Edit};
use accord_protocol::id::{CertificateId, Digest, DocumentId, Nonce, RecordId};
use accord_protocol::intake::Item;
use accord_protocol::rules::forge::{Forged, ForgedKey, chunk};
use accord_protocol::rules::{self, ChangeHash};
use accord_protocol::segment::{self, Segment, Tip};
use accord_protocol::time::WallSeconds;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::personality::Attack;
use crate::node::Officer;
use crate::world::World;

/// What a hostile officer's next change in a document would be, before it is falsified.
struct Next {
    officer: Officer,
    life: Life,
    tip: Tip,
    change: Vec<u8>,
    /// The newest record of the log; the document's own 32 bytes stand for the genesis.
    head: RecordId,
}

impl World {
    /// Segments of a document on a device's disk.
    pub fn segments_of(&self, n: usize, document: &DocumentId) -> Vec<Segment> {
        let items = self.nodes[n].disk.items(document);
        items
            .into_iter()
            .filter_map(|(_, bytes)| Item::from_bytes(&bytes))
            .filter_map(|item| match item {
                Item::Segment(bytes) => segment::decode(&bytes).ok(),
                _ => None,
            })
            .collect()
    }

    /// Everything a disk has of a document, in causal order, without one actor's changes from a position on.
    fn causal(all: &[Segment], without: Option<(rules::ActorId, u64)>) -> Vec<(ChangeHash, Vec<u8>)> {
        let mut known: Vec<(ChangeHash, Vec<u8>)> = Vec::new();
        let raw: Vec<&Vec<u8>> = all.iter().flat_map(|s| s.changes.iter().map(|c| &c.0)).collect();
        loop {
            let before = known.len();
            for bytes in &raw {
                let Ok(change) = rules::parse(bytes) else { continue };
                let left_out = without.is_some_and(|(actor, from)| change.actor() == actor && change.seq() >= from);
                let ready = change.deps().iter().all(|dep| known.iter().any(|(hash, _)| hash == dep));
                if !left_out && ready && known.iter().all(|(hash, _)| *hash != change.hash()) {
                    known.push((change.hash(), (*bytes).clone()));
                }
            }
            if known.len() == before {
                return known;
            }
        }
    }

    fn hostile_act(&mut self, signed_at: u64) -> Vec<u8> {
        let act = Act {
            text: format!("另一份记录 {}", self.mark()),
            ..Act::new(Nonce(self.rng.random()), ActKind::Note, WallSeconds(signed_at))
        };
        act.to_bytes()
    }

    /// The next honest change of a node's officer, in its old life or a new one.
    fn next_change(&mut self, n: usize, document: &DocumentId, new_life: bool, signed_at: u64) -> Option<Next> {
        let officer = self.nodes[n].officers.last()?.clone();
        let all = self.segments_of(n, document);
        let last = all.iter().filter(|s| s.certificate == officer.certificate && s.links.is_empty()).max_by_key(|s| s.from).cloned();
        let (life, tip) = match last.filter(|_| !new_life) {
            Some(last) => {
                let mut before = last.before;
                let cited = last.cited.iter().flat_map(|run| std::iter::repeat_n(run.record, run.count as usize));
                let mut n = last.from;
                for (raw, cited) in last.changes.iter().zip(cited) {
                    let hash = rules::parse(&raw.0).ok()?.hash();
                    before = segment::attest(document, &last.certificate, &last.life, n, &hash, &cited, &before);
                    n += 1;
                }
                (last.life, Tip { n: n - 1, attestation: before })
            }
            None => (Life(self.rng.random()), Tip { n: 0, attestation: Digest([0; 32]) }),
        };
        let known = Self::causal(&all, None);
        let mut content = Content::replay(known.iter().map(|(_, bytes)| bytes.as_slice())).ok()?;
        let actor = segment::actor_id(&officer.certificate, document, &life);
        let act = self.hostile_act(signed_at);
        let change = content.edit(actor, &[Edit::Act(act)]).ok()?.pop()?;
        let log = crate::oracle::log_of(&self.nodes[n], document)?;
        let head = log.heads(document).into_iter().next()?;
        Some(Next { officer, life, tip, change, head })
    }

    fn seal_segment(&self, document: &DocumentId, next: &Next, changes: Vec<Vec<u8>>, cited: RecordId) -> Option<Vec<u8>> {
        // A change that does not even parse has no hash of its own: its bytes' digest stands for it under the signature.
        let hashes: Vec<ChangeHash> = changes.iter().map(|c| rules::parse(c).map_or(ChangeHash([9; 32]), |parsed| parsed.hash())).collect();
        let sealed = segment::seal_changes(
            &self.network,
            next.officer.key.as_ref() as &dyn Signer,
            *document,
            next.officer.certificate,
            next.life,
            next.tip,
            changes,
            &hashes,
            cited,
        );
        Some(canon::encode(&sealed.ok()?))
    }

    /// Sends one falsified change, well signed, in the place where the officer's next one belongs.
    fn falsify(&mut self, a: Attack, falsify: impl FnOnce(&mut Self, Forged) -> Vec<u8>) -> bool {
        let Some(document) = a.wrote else { return false };
        let now = self.wall();
        let Some(next) = self.next_change(a.from, &document, false, now) else { return false };
        let Ok(parsed) = rules::parse(&next.change) else { return false };
        let bytes = falsify(self, Forged::from_parsed(&parsed));
        let Some(segment) = self.seal_segment(&document, &next, vec![bytes], next.head) else { return false };
        self.push_raw(a.from, a.to, document, vec![segment])
    }

    /// A well-signed segment with a change that breaks a rule: its first operation number leaps.
    pub fn malformed_segment(&mut self, n: usize, document: &DocumentId) -> Option<Vec<u8>> {
        let now = self.wall();
        let next = self.next_change(n, document, false, now)?;
        let mut change = Forged::from_parsed(&rules::parse(&next.change).ok()?);
        change.start_op += 7;
        self.seal_segment(document, &next, vec![change.encode()], next.head)
    }

    /// A well-signed segment with a change that rests on one nobody has.
    pub fn floating_segment(&mut self, n: usize, document: &DocumentId) -> Option<Vec<u8>> {
        let now = self.wall();
        let next = self.next_change(n, document, false, now)?;
        let mut change = Forged::from_parsed(&rules::parse(&next.change).ok()?);
        change.deps = vec![ChangeHash(self.rng.random())];
        self.seal_segment(document, &next, vec![change.encode()], next.head)
    }

    /// What a device's officer would write next in a document, in a new life: nothing is wrong with it but, perhaps, its right to be.
    pub fn honest_segment(&mut self, n: usize, document: &DocumentId) -> Option<Vec<u8>> {
        let now = self.wall();
        let next = self.next_change(n, document, true, now)?;
        self.seal_segment(document, &next, vec![next.change.clone()], next.head)
    }

    /// A second segment for the place where a device's officer last wrote, with another text: equivocation.
    pub fn second_segment(&mut self, n: usize, document: &DocumentId) -> Option<Vec<u8>> {
        let officer = self.nodes[n].officers.last()?.clone();
        let all = self.segments_of(n, document);
        let last = all.iter().filter(|s| s.certificate == officer.certificate).max_by_key(|s| s.from)?.clone();
        let actor = segment::actor_id(&officer.certificate, document, &last.life);
        let known = Self::causal(&all, Some((actor, last.from)));
        let mut content = Content::replay(known.iter().map(|(_, bytes)| bytes.as_slice())).ok()?;
        let now = self.wall();
        let act = self.hostile_act(now);
        let changes = content.edit(actor, &[Edit::Act(act)]).ok()?;
        let hashes: Vec<ChangeHash> = changes.iter().filter_map(|c| rules::parse(c).ok()).map(|c| c.hash()).collect();
        let tip = Tip { n: last.from - 1, attestation: last.before };
        let cited = last.cited.first()?.record;
        let signer = officer.key.as_ref() as &dyn Signer;
        let sealed = segment::seal_changes(&self.network, signer, *document, officer.certificate, last.life, tip, changes, &hashes, cited);
        Some(canon::encode(&sealed.ok()?))
    }

    /// Sends segments of a document from one node to another as a push of their own.
    pub fn push_raw(&mut self, from: usize, to: usize, document: DocumentId, segments: Vec<Vec<u8>>) -> bool {
        self.push_parts(from, to, document, None, Vec::new(), segments)
    }

    /// Sends a whole document, as a node has it, whatever anyone thinks of it.
    pub fn push_whole(&mut self, from: usize, to: usize, document: DocumentId) -> bool {
        let (mut genesis, mut records, mut segments) = (None, Vec::new(), Vec::new());
        for (_, bytes) in self.nodes[from].disk.items(&document) {
            match Item::from_bytes(&bytes) {
                Some(Item::Genesis(bytes)) => genesis = Some(bytes),
                Some(Item::Record(bytes)) => records.push(bytes),
                Some(Item::Segment(bytes)) => segments.push(bytes),
                _ => {}
            }
        }
        self.push_parts(from, to, document, genesis, records, segments)
    }

    fn some_segment(&mut self, a: Attack) -> Option<(DocumentId, Segment)> {
        let document = a.wrote.or(a.held)?;
        let all = self.segments_of(a.from, &document);
        let at = self.rng.random_range(0..all.len().max(1));
        Some((document, all.into_iter().nth(at)?))
    }
}

/// Flips one bit of a signature, or of what is signed.
pub fn forger(world: &mut World, a: Attack) -> bool {
    let Some((document, mut segment)) = world.some_segment(a) else { return false };
    if world.rng.random_bool(0.5) {
        let at = world.rng.random_range(0..segment.signature.0.len().max(1));
        if let Some(byte) = segment.signature.0.get_mut(at) {
            *byte ^= 1 << world.rng.random_range(0..8);
        }
    } else {
        segment.life = Life(world.rng.random());
    }
    world.push_raw(a.from, a.to, document, vec![canon::encode(&segment)])
}

/// R of small order with S of zero; or S above the group order.
pub fn odd_signature(world: &mut World, a: Attack) -> bool {
    let Some((document, mut segment)) = world.some_segment(a) else { return false };
    if world.rng.random_bool(0.5) {
        segment.signature.0 = [vec![1], vec![0; 63]].concat();
    } else {
        // The group order, little-endian, added to S: the same S to a verifier that reduces.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0_u16;
        for (byte, more) in segment.signature.0.iter_mut().skip(32).zip(order) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
    }
    world.push_raw(a.from, a.to, document, vec![canon::encode(&segment)])
}

/// A segment of one document in a push of another, as it is or with the document's id exchanged.
pub fn other_document(world: &mut World, a: Attack) -> bool {
    let Some((document, mut segment)) = world.some_segment(a) else { return false };
    let others: Vec<DocumentId> = world.documents().into_iter().filter(|d| *d != document && world.holds(a.from, d)).collect();
    let Some(other) = others.first().copied() else { return false };
    if world.rng.random_bool(0.5) {
        segment.document = other;
    }
    world.push_raw(a.from, a.to, other, vec![canon::encode(&segment)])
}

/// All it has of a thread the other side holds, once more.
pub fn old_envelope(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let all: Vec<Vec<u8>> = world.segments_of(a.from, &document).iter().map(canon::encode).collect();
    world.push_raw(a.from, a.to, document, all)
}

/// Its own change under the certificate of somebody else who writes there.
pub fn false_author(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let now = world.wall();
    let Some(next) = world.next_change(a.from, &document, true, now) else { return false };
    let own = next.officer.certificate;
    let victims: Vec<CertificateId> =
        world.segments_of(a.from, &document).iter().map(|s| s.certificate).filter(|certificate| *certificate != own).collect();
    let Some(victim) = victims.first().copied() else { return false };
    let officer = Officer { certificate: victim, ..next.officer.clone() };
    let Some(segment) = world.seal_segment(&document, &Next { officer, ..next }, vec![Vec::new()], RecordId(document.0)) else {
        return false;
    };
    world.push_raw(a.from, a.to, document, vec![segment])
}

/// A second change for the place of its officer's newest one.
pub fn two_tongues(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let Some(second) = world.second_segment(a.from, &document) else { return false };
    world.push_raw(a.from, a.to, document, vec![second])
}

/// Sequence or operation numbers that leap, up to the end of their range.
pub fn leaper(world: &mut World, a: Attack) -> bool {
    world.falsify(a, |world, mut change| {
        match world.rng.random_range(0..5) {
            0 => change.seq += 1 + world.rng.random_range(0..1_000_u64),
            1 => change.start_op += 1 + world.rng.random_range(0..1_000_u64),
            2 => change.start_op = u64::from(u32::MAX) - 1,
            3 => change.start_op = (1 << 31) - 1,
            _ => change.seq = u64::from(u32::MAX),
        }
        change.encode()
    })
}

/// Operations on objects, elements and actors that do not exist, or that the verb does not allow.
pub fn ghost_object(world: &mut World, a: Attack) -> bool {
    world.falsify(a, |world, mut change| {
        if let Some(op) = change.ops.first_mut() {
            match world.rng.random_range(0..6) {
                0 => op.object = Some((0, 999_999)),
                1 => op.object = Some((77, 1)),
                2 => op.key = ForgedKey::Element((0, 888_888)),
                3 => op.preds = vec![(0, 1)],
                4 => {
                    op.object = None;
                    op.key = ForgedKey::Name("acts");
                    op.insert = false;
                }
                _ => op.mark = Some("bold"),
            }
        }
        change.encode()
    })
}

/// A wrong checksum, another chunk type, a compressed chunk that would grow a thousandfold, bytes behind the chunk.
pub fn bad_chunk(world: &mut World, a: Attack) -> bool {
    world.falsify(a, |world, change| {
        let mut bytes = change.encode();
        match world.rng.random_range(0..5) {
            0 => bytes[5] ^= 1,
            1 => bytes[8] = 0,
            2 => bytes[8] = 2,
            3 => bytes.push(0),
            _ => bytes = chunk(&[0xff; 64]),
        }
        bytes
    })
}

/// A change on changes that nobody has, or a run that begins in the middle.
pub fn ghost_deps(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let now = world.wall();
    let Some(mut next) = world.next_change(a.from, &document, false, now) else { return false };
    let Ok(parsed) = rules::parse(&next.change) else { return false };
    let mut change = Forged::from_parsed(&parsed);
    if world.rng.random_bool(0.5) {
        change.deps = vec![ChangeHash(world.rng.random())];
    } else {
        next.tip = Tip { n: next.tip.n + 5, attestation: Digest(world.rng.random()) };
        change.seq = next.tip.n + 1;
    }
    let Some(segment) = world.seal_segment(&document, &next, vec![change.encode()], next.head) else { return false };
    world.push_raw(a.from, a.to, document, vec![segment])
}

/// Several new lives at once, each with one change.
pub fn many_lives(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let mut segments = Vec::new();
    for _ in 0..world.rng.random_range(2..6) {
        let now = world.wall();
        let Some(next) = world.next_change(a.from, &document, true, now) else { return false };
        segments.extend(world.seal_segment(&document, &next, vec![next.change.clone()], next.head));
    }
    world.push_raw(a.from, a.to, document, segments)
}

/// More than 32 dependencies, or the same one many times.
pub fn wide_change(world: &mut World, a: Attack) -> bool {
    world.falsify(a, |world, mut change| {
        let first = change.deps.first().copied().unwrap_or(ChangeHash([1; 32]));
        let count = world.rng.random_range(33..200);
        change.deps =
            if world.rng.random_bool(0.5) { vec![first; count] } else { (0..count).map(|_| ChangeHash(world.rng.random())).collect() };
        change.deps.sort_unstable();
        change.encode()
    })
}

/// A signing time ten years off either way, citing the beginning of the log: what it may write after its access ended it may not by that.
pub fn back_dater(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.wrote else { return false };
    let far = 3_650 * 86_400;
    let signed_at = if world.rng.random_bool(0.7) { world.wall() - far } else { world.wall() + far };
    let new_life = world.rng.random_bool(0.5);
    let Some(next) = world.next_change(a.from, &document, new_life, signed_at) else { return false };
    let cited = if world.rng.random_bool(0.7) { RecordId(document.0) } else { next.head };
    let Some(segment) = world.seal_segment(&document, &next, vec![next.change.clone()], cited) else { return false };
    world.push_raw(a.from, a.to, document, vec![segment])
}

/// A whole document to whom it is not for, or whom it may be for by another way.
pub fn hand_on(world: &mut World, a: Attack) -> bool {
    let Some(document) = a.held else { return false };
    world.push_whole(a.from, a.to, document)
}

/// A well-formed, well-signed change in a new life of its officer where its bureau may only read, towards its owner or anyone.
pub fn reader(world: &mut World, a: Attack) -> bool {
    let own = world.nodes[a.from].bureau;
    let may_only_read = |world: &World, document: &DocumentId| {
        crate::oracle::log_of(&world.nodes[a.from], document).is_some_and(|log| {
            let head = log.heads(document).into_iter().next();
            log.genesis.owner != own && head.is_some_and(|head| log.holders_at(head).get(&own) != Some(&Verb::Append))
        })
    };
    let held: Vec<DocumentId> = world.documents().into_iter().filter(|document| world.holds(a.from, document)).collect();
    let some: Vec<DocumentId> = held.into_iter().filter(|document| world.holds(a.to, document) && may_only_read(world, document)).collect();
    let Some(document) = some.choose(&mut world.rng).copied() else { return false };
    let Some(segment) = world.honest_segment(a.from, &document) else { return false };
    world.push_raw(a.from, a.to, document, vec![segment])
}
