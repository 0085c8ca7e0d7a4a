//! Hidden audiences: a hand-picked bulletin does not tell its readers who else reads it.
//!
//! The genesis then holds salted commitments, padded to a multiple of eight, instead of names. What opens one travels to that reader alone
//! and stays with the owner's own devices; to the log an opening is a grant of record 0. Readers are known to the owner only, so only the
//! owner's own nodes hand such a document out.

use minicbor::{Decode, Encode};

use crate::agreement::Verb;
use crate::id::{BureauId, Digest};

/// Commitments are padded to a multiple of this, so that their number says little.
pub const PAD: usize = 8;

/// What opens one commitment: given to that reader only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Opening {
    /// 32 random bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub salt: [u8; 32],
    /// The reader.
    #[n(1)]
    pub bureau: BureauId,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(..)")
    }
}

impl Opening {
    /// The commitment this opens.
    pub fn commitment(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord audience commitment v1");
        hasher.update(&self.salt).update(&self.bureau.0);
        Digest(*hasher.finalize().as_bytes())
    }
    /// What a reader by a hidden audience may do.
    pub const VERB: Verb = Verb::Read;

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        accord_keys::canon::encode(self)
    }
    /// Reads one; `None` when it is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        accord_keys::canon::decode(bytes).ok()
    }
}

/// Commits to readers: openings in the order given, commitments ascending with random ones as padding. `random` gives 32 fresh bytes.
pub fn commit(readers: &[BureauId], mut random: impl FnMut() -> [u8; 32]) -> (Vec<Opening>, Vec<Digest>) {
    let openings: Vec<Opening> = readers.iter().map(|bureau| Opening { salt: random(), bureau: *bureau }).collect();
    let mut commitments: Vec<Digest> = openings.iter().map(Opening::commitment).collect();
    while commitments.is_empty() || !commitments.len().is_multiple_of(PAD) {
        commitments.push(Digest(random()));
    }
    commitments.sort_unstable();
    (openings, commitments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commitments_are_padded_open_for_their_reader_only_and_tell_nothing_by_their_order() {
        let readers: Vec<BureauId> = (1..=9).map(|n| BureauId([n; 32])).collect();
        let mut dice = 0u8;
        let (openings, commitments) = commit(&readers, || {
            dice += 1;
            *blake3::hash(&[dice]).as_bytes()
        });
        assert_eq!((openings.len(), commitments.len()), (9, 16));
        assert!(commitments.windows(2).all(|pair| pair[0] < pair[1]));
        for opening in &openings {
            assert!(commitments.contains(&opening.commitment()));
            let other = Opening { bureau: BureauId([99; 32]), ..opening.clone() };
            assert!(!commitments.contains(&other.commitment()), "another name does not open it");
            assert_eq!(Opening::from_bytes(&opening.to_bytes()).as_ref(), Some(opening));
        }
    }
}
