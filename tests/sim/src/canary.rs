//! Canaries: byte strings that betray a document, or a secret, wherever they show up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use accord_protocol::id::DocumentId;

/// What every text of a world carries, followed by twelve hex digits of its own.
pub const MARK: &[u8] = b"CANARY";
/// Bytes of a mark in a text.
pub const MARK_BYTES: usize = 18;
/// Bits of the filter that most places of most frames do not pass.
const FILTER_BITS: u32 = 20;

/// Finds known byte strings of at least eight bytes in a run of bytes.
#[derive(Clone, Debug)]
pub struct Finder {
    filter: Vec<u64>,
    by_prefix: HashMap<[u8; 8], Vec<Vec<u8>>>,
}

impl Default for Finder {
    fn default() -> Self {
        Self { filter: vec![0; 1 << (FILTER_BITS - 6)], by_prefix: HashMap::new() }
    }
}

fn slot(bytes: &[u8]) -> (usize, u64) {
    let four = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let hash = four.wrapping_mul(0x9e37_79b1) >> (32 - FILTER_BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

impl Finder {
    /// Takes in one byte string; shorter ones than eight bytes are not looked for.
    pub fn add(&mut self, bytes: &[u8]) {
        let Some(prefix) = bytes.first_chunk::<8>() else { return };
        let (word, bit) = slot(bytes);
        self.filter[word] |= bit;
        let all = self.by_prefix.entry(*prefix).or_default();
        if all.iter().all(|known| known != bytes) {
            all.push(bytes.to_vec());
        }
    }

    /// Calls `found` with each known string in `bytes`.
    pub fn find<'a>(&'a self, bytes: &[u8], mut found: impl FnMut(&'a [u8])) {
        for at in 0..bytes.len().saturating_sub(7) {
            let (word, bit) = slot(&bytes[at..]);
            if self.filter[word] & bit == 0 {
                continue;
            }
            let prefix: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
            for known in self.by_prefix.get(&prefix).into_iter().flatten() {
                if bytes[at..].starts_with(known) {
                    found(known);
                }
            }
        }
    }

    /// Whether any known string is in `bytes`.
    pub fn any(&self, bytes: &[u8]) -> bool {
        let mut any = false;
        self.find(bytes, |_| any = true);
        any
    }
}

/// Finds which documents a run of bytes speaks of. A mark that a person put into two documents (a draft and what was published of it) belongs
/// to both.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    finder: Finder,
    owners: BTreeMap<Vec<u8>, BTreeSet<DocumentId>>,
}

impl Canaries {
    /// Takes in one byte string of at least eight bytes that only this document has.
    pub fn add(&mut self, bytes: &[u8], document: DocumentId) {
        self.finder.add(bytes);
        self.owners.entry(bytes.to_vec()).or_default().insert(document);
    }

    /// Takes in the marks of every text in `bytes`.
    pub fn add_marks(&mut self, bytes: &[u8], document: DocumentId) {
        for at in 0..bytes.len().saturating_sub(MARK_BYTES - 1) {
            if bytes[at..].starts_with(MARK) {
                self.add(&bytes[at..at + MARK_BYTES], document);
            }
        }
    }

    /// What `bytes` betrays: for each canary in them the documents it belongs to.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&BTreeSet<DocumentId>> {
        let mut out = BTreeSet::new();
        self.finder.find(bytes, |canary| out.extend(self.owners.get(canary)));
        out
    }

    /// Whether this very string was taken in.
    pub fn knows(&self, bytes: &[u8]) -> bool {
        self.owners.contains_key(bytes)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.owners.len()
    }
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }
}
