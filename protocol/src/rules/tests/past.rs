//! The index against a plain reference: sets of hashes, searched in full.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::IndexedRandom;

use super::editing::{PARTNER, World};
use super::forge::Forged;
use super::*;

/// Every change's causal past, itself included, computed the slow way.
fn pasts(index: &Index) -> BTreeMap<ChangeHash, BTreeSet<ChangeHash>> {
    let mut pasts: BTreeMap<ChangeHash, BTreeSet<ChangeHash>> = BTreeMap::new();
    for meta in index.iter() {
        let mut past: BTreeSet<ChangeHash> = meta.deps.iter().flat_map(|dep| pasts[dep].clone()).collect();
        past.insert(meta.hash);
        pasts.insert(meta.hash, past);
    }
    pasts
}

/// What the reference says of a fold change of `actor` on `deps`.
fn expected(
    index: &Index,
    pasts: &BTreeMap<ChangeHash, BTreeSet<ChangeHash>>,
    actor: ActorId,
    seq: u64,
    deps: &BTreeSet<ChangeHash>,
) -> bool {
    let past: BTreeSet<ChangeHash> = deps.iter().flat_map(|dep| pasts[dep].clone()).collect();
    let mut positions = BTreeSet::new();
    let no_fork = past.iter().all(|hash| index.get(hash).is_some_and(|meta| positions.insert((meta.actor, meta.seq))));
    let own: BTreeMap<u64, ChangeHash> =
        past.iter().filter_map(|hash| index.get(hash)).filter(|meta| meta.actor == actor).map(|meta| (meta.seq, meta.hash)).collect();
    let follows = match own.last_key_value() {
        None => seq == 1,
        Some((last, hash)) => seq == last + 1 && deps.contains(hash),
    };
    no_fork && follows
}

#[test]
fn the_index_agrees_with_a_plain_search_of_the_past() {
    let (mut passed, mut forks) = (0, 0);
    for seed in 300..306 {
        let mut world = World::seeded(seed, 6);
        for _ in 0..40 {
            if world.rng.random_bool(0.5) { world.edit() } else { world.merge() }
        }
        let actors: Vec<ActorId> = world.index.actors().copied().chain((0..20).map(|place| ActorId([place; 16]))).collect();
        // Folds by anyone on anything: forks, chains and merges of both.
        for _ in 0..600 {
            let known: Vec<ChangeHash> = world.index.iter().map(|meta| meta.hash).collect();
            let recent = &known[known.len().saturating_sub(30)..];
            let mut deps: BTreeSet<ChangeHash> = recent.choose_multiple(&mut world.rng, 3).copied().collect();
            let actor = *actors.choose(&mut world.rng).expect("some");
            let newest = deps.iter().filter_map(|dep| world.index.newest_of(&actor, dep)).max_by_key(|meta| meta.seq).cloned();
            if world.rng.random_bool(0.8) {
                deps.extend(newest.iter().map(|meta| meta.hash));
            }
            let seq = newest.map_or(0, |meta| meta.seq) + if world.rng.random_bool(0.9) { 1 } else { 2 };
            let start = deps.iter().filter_map(|dep| world.index.get(dep)).map(|meta| meta.max_op).max().expect("deps") + 1;
            let bytes = Forged::empty(actor, seq, start, &deps.iter().copied().collect::<Vec<_>>()).encode();
            let parsed = parse(&bytes).expect("well formed by its bytes");
            let pasts = pasts(&world.index);
            let verdict = world.index.check(&parsed, PARTNER);
            assert_eq!(verdict.is_ok(), expected(&world.index, &pasts, actor, seq, &deps), "seed {seed}: {verdict:?}");
            if let Ok(checked) = verdict {
                passed += 1;
                forks += usize::from(!world.index.changes_at(&actor, seq).is_empty());
                world.index.insert(checked);
            }
        }
        let pasts = pasts(&world.index);
        for (newer, past) in &pasts {
            for older in pasts.keys() {
                assert_eq!(world.index.is_ancestor(older, newer), past.contains(older), "seed {seed}");
            }
            let found: BTreeSet<ChangeHash> = world.index.causal_past(&[*newer]).iter().map(|meta| meta.hash).collect();
            assert_eq!(&found, past, "seed {seed}");
            let tips = world.index.tips(past);
            assert_eq!(tips, BTreeSet::from([*newer]), "seed {seed}");
        }
        let set: Vec<ChangeHash> = pasts.keys().copied().take(50).collect();
        let newest: BTreeSet<ChangeHash> =
            set.iter().filter(|hash| !set.iter().any(|other| other != *hash && pasts[other].contains(hash))).copied().collect();
        assert_eq!(world.index.newest(&set), newest, "seed {seed}");
        for meta in world.index.iter() {
            for counter in [meta.start_op, meta.max_op, meta.max_op + 1] {
                let holds = |other: &&ChangeMeta| other.actor == meta.actor && (other.start_op..=other.max_op).contains(&counter);
                let mut all: Vec<ChangeHash> = world.index.iter().filter(holds).map(|other| other.hash).collect();
                all.sort_unstable();
                assert_eq!(world.index.change_of_op(counter, &meta.actor), all, "seed {seed}");
            }
        }
    }
    assert!(passed > 300 && forks > 50, "{passed} passed, {forks} of them forks");
}
