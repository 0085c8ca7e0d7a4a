//! Whether two nodes hold the same: one term per document, added up under a key of the pair.
//!
//! A term is the keyed hash of the document's view entry ([`crate::intake::DocState::entry`]); terms are added as 256-bit little-endian
//! numbers, so a sum does not depend on the order of documents and says nothing to who does not hold them.

pub mod sketch;

use crate::agreement::Pair;
use crate::id::{Digest, NetworkId};

/// The key of a pair: BLAKE3 derive-key mode, context `accord view sum v1`, over network ‖ lower bureau ‖ higher bureau.
pub fn key(network: &NetworkId, pair: &Pair) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("accord view sum v1");
    hasher.update(&network.0).update(&pair.low.0).update(&pair.high.0);
    *hasher.finalize().as_bytes()
}

/// The sum of a pair, kept while entries come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    key: [u8; 32],
    sum: [u8; 32],
    count: u64,
}

impl Sum {
    /// Of no entry.
    pub fn new(network: &NetworkId, pair: &Pair) -> Self {
        Self { key: key(network, pair), sum: [0; 32], count: 0 }
    }

    /// An entry comes.
    pub fn add(&mut self, entry: &Digest) {
        add(&mut self.sum, blake3::keyed_hash(&self.key, &entry.0).as_bytes());
        self.count += 1;
    }

    /// An entry that was added goes.
    pub fn take(&mut self, entry: &Digest) {
        take(&mut self.sum, blake3::keyed_hash(&self.key, &entry.0).as_bytes());
        self.count = self.count.saturating_sub(1);
    }

    /// Sum and number of what is in it.
    pub fn told(&self) -> (Digest, u64) {
        (Digest(self.sum), self.count)
    }
}

/// Sum and number of view entries.
pub fn sum<'a>(network: &NetworkId, pair: &Pair, entries: impl IntoIterator<Item = &'a Digest>) -> (Digest, u64) {
    let mut sum = Sum::new(network, pair);
    entries.into_iter().for_each(|entry| sum.add(entry));
    sum.told()
}

/// Adds a term to a 256-bit little-endian sum, wrapping.
fn add(sum: &mut [u8; 32], term: &[u8; 32]) {
    let mut carry = 0u16;
    for (byte, other) in sum.iter_mut().zip(term) {
        let total = u16::from(*byte) + u16::from(*other) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
}

/// What [`add`] added, wrapping.
fn take(sum: &mut [u8; 32], term: &[u8; 32]) {
    let mut borrow = 0u16;
    for (byte, other) in sum.iter_mut().zip(term) {
        let left = 0x100 + u16::from(*byte) - u16::from(*other) - borrow;
        *byte = left.to_le_bytes()[0];
        borrow = 1 - (left >> 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BureauId;

    fn check(one: [u8; 32], other: [u8; 32], expected: [u8; 32]) {
        let mut sum = one;
        add(&mut sum, &other);
        assert_eq!(sum, expected);
        take(&mut sum, &other);
        assert_eq!(sum, one);
    }

    #[test]
    fn terms_add_up_little_endian_and_wrap() {
        let number = |low: u8, next: u8| std::array::from_fn(|at| [low, next].get(at).copied().unwrap_or(0));
        check(number(0xff, 0), number(1, 0), number(0, 1));
        check([0xff; 32], number(1, 0), [0; 32]);
    }

    #[test]
    fn a_sum_does_not_depend_on_order_but_on_the_pair_and_on_every_entry() {
        let (network, pair) = (NetworkId::named("demo"), Pair::of(BureauId([1; 32]), BureauId([2; 32])));
        let entries = [Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
        let all = sum(&network, &pair, &entries);
        assert_eq!(all, sum(&network, &pair, entries.iter().rev()));
        assert_ne!(all.0, sum(&network, &Pair::of(BureauId([1; 32]), BureauId([3; 32])), &entries).0);
        assert_ne!(all, sum(&network, &pair, &entries[..2]));
        let mut kept = Sum::new(&network, &pair);
        entries.iter().rev().for_each(|entry| kept.add(entry));
        assert_eq!(kept.told(), all);
        kept.take(&entries[2]);
        assert_eq!(kept.told(), sum(&network, &pair, &entries[..2]));
    }
}
