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

/// Sum and number of view entries.
pub fn sum<'a>(network: &NetworkId, pair: &Pair, entries: impl IntoIterator<Item = &'a Digest>) -> (Digest, u64) {
    let key = key(network, pair);
    let mut sum = [0u8; 32];
    let mut count = 0;
    for entry in entries {
        add(&mut sum, blake3::keyed_hash(&key, &entry.0).as_bytes());
        count += 1;
    }
    (Digest(sum), count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BureauId;

    fn check(one: [u8; 32], other: [u8; 32], expected: [u8; 32]) {
        let mut sum = one;
        add(&mut sum, &other);
        assert_eq!(sum, expected);
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
    }
}
