//! Falsified real changes: bytes flipped anywhere, and fields replaced by plausible lies.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::editing::{OWNER, PARTNER, World};
use super::forge::{Forged, ForgedKey, ForgedOp};
use super::*;
use crate::content::tests::check_laid_out;
use crate::content::{Content, Edit};

fn world(seed: u64) -> World {
    let mut world = World::seeded(seed, 4);
    for _ in 0..25 {
        if world.rng.random_bool(0.6) { world.edit() } else { world.merge() }
    }
    world
}

#[test]
fn flipped_bytes_never_panic_and_never_pass() {
    for seed in 100..106 {
        let world = world(seed);
        let mut rng = SmallRng::seed_from_u64(seed);
        for (hash, bytes) in &world.bytes {
            for _ in 0..200 {
                let mut falsified = bytes.clone();
                for _ in 0..rng.random_range(1..4) {
                    let place = rng.random_range(0..falsified.len());
                    match rng.random_range(0..3) {
                        0 => falsified[place] ^= 1 << rng.random_range(0..8),
                        1 => falsified[place] = rng.random(),
                        _ => falsified.truncate(place.max(1)),
                    }
                }
                if falsified != *bytes {
                    assert!(parse(&falsified).is_err(), "seed {seed}, change {hash}: other bytes passed the checksum");
                }
                // With the header repaired another change may be well formed by its bytes, but then under another hash and from its own bytes.
                let falsified = forge::chunk(&falsified[chunk_body(&falsified)..]);
                if let Ok(parsed) = parse(&falsified) {
                    assert_eq!(parsed.hash() == *hash, falsified == *bytes, "seed {seed}");
                    assert_eq!(encode(&parsed.draft), falsified, "seed {seed}");
                }
            }
        }
    }
}

/// Where the body starts: after magic, checksum, type and length.
fn chunk_body(bytes: &[u8]) -> usize {
    let length = bytes.iter().skip(9).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    (9 + length).min(bytes.len())
}

/// One plausible lie.
fn falsify(rng: &mut SmallRng, forged: &mut Forged, hashes: &[ChangeHash], actors: &[ActorId]) {
    let near = |rng: &mut SmallRng, value: u64| match rng.random_range(0..4) {
        0 => value + 1,
        1 => value.saturating_sub(1),
        2 => rng.random_range(0..60),
        _ => [0, u64::from(u32::MAX), 1 << 31, COUNTER_MAX, u64::MAX][rng.random_range(0..5)],
    };
    let place = if forged.ops.is_empty() { 0 } else { rng.random_range(0..forged.ops.len()) };
    match rng.random_range(0..16) {
        0 => forged.seq = near(rng, forged.seq),
        1 => forged.start_op = near(rng, forged.start_op),
        2 => forged.deps = hashes.choose_multiple(rng, 2).copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect(),
        3 => forged.actor = actors.choose(rng).expect("writers").0.to_vec(),
        4 => {
            forged.others.push(actors.choose(rng).expect("writers").0.to_vec());
            forged.others.sort_unstable();
        }
        5 if !forged.others.is_empty() => {
            let other = rng.random_range(0..forged.others.len());
            forged.others[other] = actors.choose(rng).expect("writers").0.to_vec();
        }
        6 => forged.others.truncate(1),
        _ if forged.ops.is_empty() => {}
        7 => {
            forged.ops.remove(place);
        }
        8 => {
            let copy = forged.ops[place].clone();
            forged.ops.push(copy);
        }
        9 => {
            forged.ops[place].object = [None, Some((0, 1)), Some((0, 2)), Some((1, 1)), Some((1, 2)), Some((1, 3))][rng.random_range(0..6)]
        }
        10 => {
            let id = (rng.random_range(0..3), rng.random_range(0..80));
            forged.ops[place].key = [ForgedKey::Head, ForgedKey::Element(id), ForgedKey::Name("text")][rng.random_range(0..3)].clone();
        }
        11 => {
            let id = (rng.random_range(0..3), rng.random_range(0..80));
            forged.ops[place] = ForgedOp { key: ForgedKey::Element(id), preds: vec![id], ..forged.ops[place].clone() };
        }
        12 => forged.ops[place].action = rng.random_range(0..9),
        13 => forged.ops[place].value_type = rng.random_range(0..10),
        14 => forged.ops[place].insert = !forged.ops[place].insert,
        _ => {
            let id = (rng.random_range(0..3), rng.random_range(0..80));
            let delete = ForgedOp {
                insert: false,
                action: 3,
                value_type: 0,
                value: vec![],
                key: ForgedKey::Element(id),
                preds: vec![id],
                ..forged.ops[place].clone()
            };
            forged.ops.insert(place, delete);
        }
    }
}

/// Turns a copy of a change into its author's next one, on top of its last and of some other change.
fn follow(world: &mut World, forged: &mut Forged) {
    let actor = ActorId::from_slice(&forged.actor).expect("honest");
    let other = *world.order.choose(&mut world.rng).expect("changes");
    let last = world.index.changes_of(&actor).last().expect("it wrote").clone();
    let deps = world.index.newest(&[last.hash, other]).into_iter().chain([last.hash]).collect::<std::collections::BTreeSet<_>>();
    forged.seq = last.seq + 1;
    forged.start_op = deps.iter().filter_map(|dep| world.index.get(dep)).map(|meta| meta.max_op).max().expect("deps") + 1;
    forged.deps = deps.into_iter().collect();
    // Elements the copy inserted itself are now found in the past.
    forged.ops.retain(|op| !matches!(op.key, ForgedKey::Name(_)));
}

#[test]
fn lies_that_pass_the_rules_are_harmless_to_automerge() {
    let (mut passed, mut stopped, mut beside) = (0, 0, 0);
    for seed in 200..212 {
        let mut world = world(seed);
        let hashes = world.order.clone();
        let actors: Vec<ActorId> = world.index.actors().copied().collect();
        for _ in 0..400 {
            let hash = *hashes.choose(&mut world.rng).expect("changes");
            let mut forged = Forged::from_parsed(&parse(&world.bytes[&hash]).expect("honest"));
            if world.rng.random() {
                follow(&mut world, &mut forged);
            }
            for _ in 0..world.rng.random_range(1..3) {
                falsify(&mut world.rng, &mut forged, &hashes, &actors);
            }
            let bytes = forged.encode();
            let writer = if world.rng.random() { OWNER } else { PARTNER };
            let Ok(parsed) = parse(&bytes) else {
                stopped += 1;
                continue;
            };
            match world.index.check(&parsed, writer) {
                Ok(_) => passed += 1,
                Err(_) => {
                    stopped += 1;
                    continue;
                }
            }
            // It may stand: then Automerge must take it on its causal past, show it and stay editable.
            let mut past: Vec<Vec<u8>> =
                world.index.causal_past(parsed.deps()).iter().map(|meta| world.bytes[&meta.hash].clone()).collect();
            // Beside everything else written, and in another order, it must show the same (unless it is one branch of a fork).
            if world.index.changes_at(&parsed.actor(), parsed.seq()).is_empty() && !parsed.is_founding() {
                let all: Vec<&[u8]> = hashes.iter().map(|hash| &world.bytes[hash][..]).collect();
                let first: Vec<&[u8]> = past.iter().map(Vec::as_slice).chain([&bytes[..]]).chain(all.iter().copied()).collect();
                let shown = [first, all.into_iter().chain([&bytes[..]]).collect()].map(|order| {
                    let content = Content::replay(order).unwrap_or_else(|error| panic!("seed {seed}: {error}: {forged:?}"));
                    (content.text(), content.acts(), content.heads())
                });
                assert_eq!(shown[0], shown[1], "seed {seed}: {forged:?}");
                beside += 1;
            }
            past.push(bytes);
            let mut content =
                Content::replay(past.iter().map(Vec::as_slice)).unwrap_or_else(|error| panic!("seed {seed}: {error}: {forged:?}"));
            content.acts().and(content.text().map(drop)).unwrap_or_else(|error| panic!("seed {seed}: {error}: {forged:?}"));
            let len = content.text_len().expect("shown");
            let mut edits = vec![Edit::Insert { at: len / 2, text: "续".to_owned() }, Edit::Act(vec![1])];
            if len > 0 {
                edits.push(Edit::Delete { at: 0, len: len / 2 });
            }
            let written = content.edit(ActorId([0xcc; 16]), &edits).unwrap_or_else(|error| panic!("seed {seed}: {error}: {forged:?}"));
            past.extend(written);
            check_laid_out(&past);
            let again = Content::replay(past.iter().map(Vec::as_slice)).unwrap_or_else(|error| panic!("seed {seed}: {error}: {forged:?}"));
            assert_eq!((again.text(), again.acts()), (content.text(), content.acts()), "seed {seed}: {forged:?}");
        }
    }
    assert!(passed > 100 && stopped > 1000 && beside > 20, "{passed} lies passed, {beside} of them without a fork, {stopped} were stopped");
}
