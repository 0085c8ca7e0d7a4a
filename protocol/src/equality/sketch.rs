//! Finding what two nodes hold differently by coded symbols: costs what differs, not what exists.
//!
//! A rateless invertible Bloom lookup table after Yang, Gilad and Alizadeh, "Practical Rateless Set Reconciliation" (SIGCOMM 2024), over eight
//! bytes of each view entry under a key that is drawn for one repair. One side sends the first symbols of its set; the other takes its own
//! away from them, and what is left are symbols of the difference alone. A symbol in which one item is left names it; taken out of all its
//! symbols, it lays bare others. About 1.4 symbols for each difference do; when they do not, more are sent behind those that were.
//!
//! Nothing here believes a symbol: lies yield items that nobody has, or no end, and the work is bounded by the number of symbols.

use std::collections::BTreeSet;

use crate::agreement::Pair;
use crate::id::{Digest, NetworkId, Nonce};

/// Bytes of a symbol: the items of it and their checks, each exclusive-or'ed.
pub const SYMBOL_BYTES: usize = 12;

/// One view entry under a key.
pub type Item = u64;

/// The key of one repair.
pub struct Key([u8; 32]);

impl Key {
    /// BLAKE3 derive-key mode, context `accord view sketch v1`, over network ‖ lower bureau ‖ higher bureau ‖ nonce.
    pub fn new(network: &NetworkId, pair: &Pair, nonce: &Nonce) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("accord view sketch v1");
        hasher.update(&network.0).update(&pair.low.0).update(&pair.high.0).update(&nonce.0);
        Self(*hasher.finalize().as_bytes())
    }
    /// The first eight bytes of the keyed hash of a view entry.
    pub fn item(&self, entry: &Digest) -> Item {
        u64::from_be_bytes(self.hash(&entry.0))
    }
    /// The first four bytes of the keyed hash of an item: tells one item in a symbol from several.
    fn check(&self, item: Item) -> u32 {
        u32::from_be_bytes(self.hash(&item.to_be_bytes()))
    }
    fn hash<const N: usize>(&self, bytes: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&blake3::keyed_hash(&self.0, bytes).as_bytes()[..N]);
        out
    }
}

/// The symbols before `until` that hold an item: the first always, the one at i with a probability of 1 / (1 + i / 2). The next after i is
/// ⌈(i + 3/2) · (2^32 / q − 1)⌉ behind it, at least one, q being ⌊√r⌋ + 1 of a random r: what inverts that distribution.
fn places(item: Item, until: usize) -> impl Iterator<Item = usize> {
    let mut state = item;
    let mut next = 0u64;
    std::iter::from_fn(move || {
        let place = usize::try_from(next).ok().filter(|place| *place < until)?;
        let q = splitmix(&mut state).isqrt() + 1;
        next += ((2 * next + 3) * ((1 << 32) - q)).div_ceil(2 * q).max(1);
        Some(place)
    })
}

/// Steele, Lea and Flood's splitmix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

type Symbol = (Item, u32);

fn coded(key: &Key, items: &BTreeSet<Item>, until: usize) -> Vec<Symbol> {
    let mut out = vec![(0, 0); until];
    for item in items {
        toggle(&mut out, *item, key.check(*item), |_| {});
    }
    out
}

fn toggle(symbols: &mut [Symbol], item: Item, check: u32, mut touched: impl FnMut(usize)) {
    for place in places(item, symbols.len()) {
        symbols[place].0 ^= item;
        symbols[place].1 ^= check;
        touched(place);
    }
}

/// The symbols of a set from `from` on, before `until`, as they travel.
pub fn symbols(key: &Key, items: &BTreeSet<Item>, from: usize, until: usize) -> Vec<u8> {
    let coded = coded(key, items, until);
    coded.iter().skip(from).flat_map(|(item, check)| item.to_be_bytes().into_iter().chain(check.to_be_bytes())).collect()
}

/// What two sets hold differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Only in ours.
    pub ours: BTreeSet<Item>,
    /// Only in theirs.
    pub theirs: BTreeSet<Item>,
}

/// Takes our set out of the first symbols of theirs. `None` when more symbols are needed, or when they are not those of any set.
pub fn difference(key: &Key, items: &BTreeSet<Item>, theirs: &[u8]) -> Option<Difference> {
    let count = theirs.len() / SYMBOL_BYTES;
    if count == 0 || !theirs.len().is_multiple_of(SYMBOL_BYTES) {
        return None;
    }
    let mut left = coded(key, items, count);
    for (symbol, bytes) in left.iter_mut().zip(theirs.chunks_exact(SYMBOL_BYTES)) {
        let (item, check) = bytes.split_first_chunk::<8>()?;
        symbol.0 ^= u64::from_be_bytes(*item);
        symbol.1 ^= u32::from_be_bytes(check.try_into().ok()?);
    }
    let mut out = Difference::default();
    let mut open: Vec<usize> = (0..count).collect();
    while let Some(at) = open.pop() {
        let (item, check) = left[at];
        if (item, check) == (0, 0) || key.check(item) != check {
            continue;
        }
        let side = if items.contains(&item) { &mut out.ours } else { &mut out.theirs };
        // No set has an item twice, and no symbols tell of more items than they are.
        if !side.insert(item) || out.ours.len() + out.theirs.len() > count {
            return None;
        }
        toggle(&mut left, item, check, |place| open.push(place));
    }
    left.iter().all(|symbol| *symbol == (0, 0)).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::BureauId;

    fn key() -> Key {
        let pair = Pair::of(BureauId([1; 32]), BureauId([2; 32]));
        Key::new(&NetworkId::named("demo"), &pair, &Nonce([7; 16]))
    }

    fn set(key: &Key, range: std::ops::Range<u64>) -> BTreeSet<Item> {
        range.map(|n| key.item(&Digest(*blake3::hash(&n.to_be_bytes()).as_bytes()))).collect()
    }

    #[test]
    fn a_thousand_differences_among_twenty_thousand_are_found_by_few_symbols() {
        let key = key();
        let (ours, theirs) = (set(&key, 0..20_000), set(&key, 500..20_500));
        let all = symbols(&key, &theirs, 0, 2_000);
        let enough = (900..2_000).step_by(50).find(|n| difference(&key, &ours, &all[..n * SYMBOL_BYTES]).is_some());
        let found = difference(&key, &ours, &all).expect("2,000 symbols tell of 1,000 differences");
        assert_eq!((found.ours, found.theirs), (set(&key, 0..500), set(&key, 20_000..20_500)));
        assert!(enough.is_some_and(|n| n <= 1_600), "{enough:?} symbols were needed");
        assert_eq!(difference(&key, &ours, &all[..900 * SYMBOL_BYTES]), None, "fewer symbols than differences tell of none for sure");
    }

    #[test]
    fn equal_sets_leave_nothing_and_pieces_are_the_whole() {
        let key = key();
        let items = set(&key, 0..300);
        let whole = symbols(&key, &items, 0, 64);
        assert_eq!([symbols(&key, &items, 0, 20), symbols(&key, &items, 20, 64)].concat(), whole);
        assert_eq!(difference(&key, &items, &whole), Some(Difference::default()));
        assert_eq!(difference(&key, &items, &[]), None);
        assert_eq!(difference(&key, &items, &whole[1..]), None, "no whole symbols");
    }

    #[test]
    fn the_places_of_an_item_are_frozen() {
        // Computed by another program from the published formula; symbols as a whole have vectors.
        assert_eq!(places(1, 1_000).take(6).collect::<Vec<_>>(), [0, 1, 2, 3, 6, 10]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_differs_is_found_and_nothing_else(common in 0u64..200, ours in 0u64..40, theirs in 0u64..40) {
            let key = key();
            let base = set(&key, 0..common);
            let (left, right) = (set(&key, 1_000..1_000 + ours), set(&key, 2_000..2_000 + theirs));
            let mine: BTreeSet<Item> = base.union(&left).copied().collect();
            let yours: BTreeSet<Item> = base.union(&right).copied().collect();
            let found = difference(&key, &mine, &symbols(&key, &yours, 0, 64 + 3 * (ours + theirs) as usize));
            prop_assert_eq!(found, Some(Difference { ours: left, theirs: right }));
        }

        #[test]
        fn symbols_of_no_set_end_and_name_no_more_than_they_are(bytes in proptest::collection::vec(any::<u8>(), 0..1_200), n in 0u64..30) {
            let key = key();
            let items = set(&key, 0..n);
            if let Some(found) = difference(&key, &items, &bytes) {
                prop_assert!(found.ours.len() + found.theirs.len() <= bytes.len() / SYMBOL_BYTES);
            }
        }

        #[test]
        fn a_symbol_that_says_pure_of_what_is_not_ends_too(item in any::<u64>(), at in 0usize..16, n in 0u64..30) {
            let key = key();
            let items = set(&key, 0..n);
            let mut bytes = symbols(&key, &items, 0, 16);
            let lie: Vec<u8> = item.to_be_bytes().into_iter().chain(key.check(item).to_be_bytes()).collect();
            for (byte, bent) in bytes[at * SYMBOL_BYTES..].iter_mut().zip(&lie) {
                *byte ^= bent;
            }
            if let Some(found) = difference(&key, &items, &bytes) {
                prop_assert!(found.ours.len() + found.theirs.len() <= 16);
            }
        }
    }
}
