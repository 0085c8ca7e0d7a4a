//! References between documents: salted, so that only who holds the document referred to learns which one it is.
//!
//! A document's readers need not be entitled to what it cites, and an id is a hash that other papers of it carry. The reference is a hash of a
//! fresh salt and the id: who holds the document finds it among its own, to everybody else it is noise (an id has 256 bits, so nobody tries them all).

use minicbor::{Decode, Encode};

use crate::id::{Digest, DocumentId, Nonce};

/// A document cited by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cited {
    /// Fresh for each reference: two that cite the same document do not show it.
    #[n(0)]
    salt: Nonce,
    /// BLAKE3 in derive-key mode over salt and id.
    #[n(1)]
    hash: Digest,
}

impl Cited {
    /// Cites a document under a fresh salt.
    pub fn new(salt: Nonce, document: &DocumentId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("accord cited document v1");
        hasher.update(&salt.0);
        hasher.update(&document.0);
        Self { salt, hash: Digest(*hasher.finalize().as_bytes()) }
    }
    /// Whether this is the document cited.
    pub fn is(&self, document: &DocumentId) -> bool {
        Self::new(self.salt, document) == *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_known_to_who_holds_the_document_and_two_of_one_document_differ() {
        let (one, other) = (DocumentId([1; 32]), DocumentId([2; 32]));
        let cited = Cited::new(Nonce([9; 16]), &one);
        assert!(cited.is(&one));
        assert!(!cited.is(&other));
        assert_ne!(cited, Cited::new(Nonce([8; 16]), &one));
        assert!(Cited::new(Nonce([8; 16]), &one).is(&one));
    }
}
