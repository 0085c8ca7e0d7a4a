//! The keys of a ring in memory: for a million documents little more than the 64 bytes of a document's id and its key.
//!
//! A sorted run of all, and a small map of those that came since, which becomes part of the run when it has grown. A key stays where it was
//! written: nothing here moves one and leaves a copy behind in memory that nobody overwrites. What is forgotten is overwritten in its place.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_protocol::id::DocumentId;

use crate::store::cipher::Subkey;

/// New keys that are worth a new run, whatever its length.
const NEW_MIN: usize = 1_024;
/// Beyond that, this part of the run: a run is written anew so seldom that a key is copied some 16 times in all.
const NEW_PART: usize = 16;

/// How often a guess of a line's place is mended by what stands there: of a million lines it is then some five off.
const MENDED: usize = 2;
/// The first step from there.
const NEAR: usize = 8;

fn beginning(document: &DocumentId) -> u64 {
    u64::from_be_bytes(*document.0.first_chunk().expect("an id is longer"))
}

/// See the module. Copies share the run.
#[derive(Clone, Default)]
pub struct Keys {
    /// Ascending, of just the room it needs.
    run: Arc<Vec<(DocumentId, Subkey)>>,
    /// Boxed, since the lines of a map move.
    new: BTreeMap<DocumentId, Box<Subkey>>,
}

impl Keys {
    /// Keys as a file has them; of two for one document the later one counts.
    pub fn of(lines: impl ExactSizeIterator<Item = Option<(DocumentId, Subkey)>>) -> Option<Self> {
        let mut run = Vec::with_capacity(lines.len());
        for line in lines {
            run.push(line?);
        }
        if run.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Some(Self { run: Arc::new(run), new: BTreeMap::new() });
        }
        let new = run.iter().map(|(document, key)| (*document, Box::new(key.clone()))).collect();
        let mut keys = Self { new, ..Self::default() };
        keys.settle();
        Some(keys)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.run.len() + self.new.len()
    }

    /// Where a document's line stands in the run. Ids are hashes, which lie evenly: their beginning says about where, what is found there says it
    /// better, and from there on it is looked for as in any sorted run, in steps that double. A search from the middle would look at twenty lines
    /// of a million, each in another page of memory.
    fn place(&self, document: &DocumentId) -> Option<usize> {
        let run = self.run.as_slice();
        let wanted = beginning(document);
        let lines = |apart: u64| ((u128::from(apart) * run.len() as u128) >> 64) as usize;
        let mut at = lines(wanted);
        for _ in 0..MENDED {
            let there = beginning(&run.get(at)?.0);
            at = match there.checked_sub(wanted) {
                Some(beyond) => at.saturating_sub(lines(beyond)),
                None => (at + lines(wanted - there)).min(run.len() - 1),
            };
        }
        let mut step = NEAR;
        let within = match run.get(at)?.0.cmp(document) {
            Ordering::Equal => return Some(at),
            Ordering::Less => {
                let mut low = at + 1;
                while low + step < run.len() && run[low + step].0 < *document {
                    low += step + 1;
                    step *= 2;
                }
                low..run.len().min(low + step + 1)
            }
            Ordering::Greater => {
                let mut high = at;
                while step < high && run[high - step].0 > *document {
                    high -= step;
                    step *= 2;
                }
                high.saturating_sub(step)..high
            }
        };
        let low = within.start;
        run[within].binary_search_by(|(other, _)| other.cmp(document)).ok().map(|found| low + found)
    }

    /// A document's key.
    pub fn get(&self, document: &DocumentId) -> Option<&Subkey> {
        match self.new.get(document) {
            Some(key) => Some(key),
            None => self.place(document).map(|at| &self.run[at].1),
        }
    }

    /// Whether a document has a key.
    pub fn contains_key(&self, document: &DocumentId) -> bool {
        self.get(document).is_some()
    }

    /// Takes in the key of a document that has none.
    pub fn insert(&mut self, document: DocumentId, key: Subkey) {
        debug_assert!(!self.contains_key(&document), "a document keeps its key");
        self.new.insert(document, Box::new(key));
        if self.new.len() >= NEW_MIN.max(self.run.len() / NEW_PART) {
            self.settle();
        }
    }

    /// Makes one run of everything.
    fn settle(&mut self) {
        let mut run = Vec::with_capacity(self.len());
        run.extend(self.iter().map(|(document, key)| (*document, key.clone())));
        *self = Self { run: Arc::new(run), new: BTreeMap::new() };
    }

    /// Forgets the keys of these documents, here; a copy that is still held has them until it is dropped.
    pub fn forget(&mut self, documents: &BTreeSet<DocumentId>) {
        documents.iter().for_each(|document| drop(self.new.remove(document)));
        if documents.iter().all(|document| self.place(document).is_none()) {
            return;
        }
        let run = Arc::make_mut(&mut self.run);
        let mut kept = 0;
        for at in 0..run.len() {
            if !documents.contains(&run[at].0) {
                run.swap(kept, at);
                kept += 1;
            }
        }
        // What came to stand behind the others is overwritten as it is dropped.
        run.truncate(kept);
    }

    /// All of them, ascending by document.
    pub fn iter(&self) -> impl Iterator<Item = (&DocumentId, &Subkey)> {
        let mut run = self.run.iter().map(|(document, key)| (document, key)).peekable();
        let mut new = self.new.iter().map(|(document, key)| (document, &**key)).peekable();
        std::iter::from_fn(move || match (run.peek(), new.peek()) {
            (Some((one, _)), Some((other, _))) if other < one => new.next(),
            (None, _) => new.next(),
            _ => run.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(number: u16) -> DocumentId {
        DocumentId(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    fn key(number: u16) -> Subkey {
        Subkey::new(*blake3::hash(&[&[1], number.to_be_bytes().as_slice()].concat()).as_bytes())
    }

    fn holds(keys: &Keys, expected: &BTreeMap<DocumentId, [u8; 32]>) -> Result<(), TestCaseError> {
        prop_assert_eq!(keys.len(), expected.len());
        prop_assert!(keys.iter().map(|(document, key)| (document, key.expose())).eq(expected));
        for number in 0..40 {
            prop_assert_eq!(keys.get(&document(number)).map(Subkey::expose), expected.get(&document(number)));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn they_are_what_a_sorted_map_would_be_and_a_copy_stays_as_it_was(
            steps in proptest::collection::vec((0u8..6, proptest::collection::btree_set(0u16..40, 1..6)), 1..40),
        ) {
            let (mut keys, mut expected, mut kept) = (Keys::default(), BTreeMap::new(), Vec::new());
            for (what, numbers) in steps {
                match what {
                    0 => keys.settle(),
                    1 => {
                        keys.forget(&numbers.iter().map(|number| document(*number)).collect());
                        expected.retain(|of, _| numbers.iter().all(|number| document(*number) != *of));
                    }
                    2 => kept.push((keys.clone(), expected.clone())),
                    _ => for number in numbers.into_iter().filter(|number| !expected.contains_key(&document(*number))).collect::<Vec<_>>() {
                        keys.insert(document(number), key(number));
                        expected.insert(document(number), *key(number).expose());
                    },
                }
                holds(&keys, &expected)?;
            }
            for (keys, expected) in kept {
                holds(&keys, &expected)?;
            }
        }

        #[test]
        fn they_are_read_in_whatever_order_and_the_later_of_two_counts(numbers in proptest::collection::vec((0u16..40, 0u16..9), 0..40)) {
            let lines: Vec<_> = numbers.iter().map(|(of, number)| (document(*of), key(*number))).collect();
            let expected = lines.iter().map(|(document, key)| (*document, *key.expose())).collect();
            let keys = Keys::of(lines.into_iter().map(Some)).expect("all of them");
            holds(&keys, &expected)?;
            prop_assert!(Keys::of([Some((document(1), key(1))), None].into_iter()).is_none());
        }
    }

    proptest! {
        /// Ids that lie unevenly, as only somebody who makes them so would have them: close together, far apart, equal at their beginning.
        #[test]
        fn a_key_is_found_however_the_ids_lie(ids in proptest::collection::btree_set((0u8..4, any::<u8>(), 0u8..3, any::<u8>()), 0..300)) {
            let at = |(first, second, ninth, last): (u8, u8, u8, u8)| {
                let mut id = [0; 32];
                (id[0], id[1], id[8], id[31]) = (first.wrapping_mul(85), if first == 2 { 7 } else { second }, ninth, last);
                DocumentId(id)
            };
            let there: BTreeSet<DocumentId> = ids.iter().filter(|(.., last)| last % 4 != 0).map(|id| at(*id)).collect();
            let keys = Keys::of(there.iter().map(|id| Some((*id, Subkey::new(id.0)))).collect::<Vec<_>>().into_iter()).expect("all of them");
            for id in ids.into_iter().map(at).chain([DocumentId([0; 32]), DocumentId([255; 32])]) {
                let expected = there.contains(&id).then_some(id.0);
                prop_assert_eq!(keys.get(&id).map(|key| *key.expose()), expected);
            }
        }
    }

    #[test]
    fn they_take_64_bytes_each_and_few_lie_in_the_map() {
        assert_eq!(size_of::<(DocumentId, Subkey)>(), 64);
        let mut keys = Keys::default();
        for number in 0..40_000 {
            keys.insert(document(number), key(number));
            assert!(keys.new.len() <= NEW_MIN.max(keys.len() / NEW_PART), "{number}: {}", keys.new.len());
        }
        assert_eq!((keys.len(), keys.run.capacity()), (40_000, keys.run.len()));
        let some = (0..40_000).step_by(2).map(document).collect();
        keys.forget(&some);
        assert_eq!(keys.len(), 20_000);
        assert!((0..40_000).all(|number| keys.contains_key(&document(number)) == (number % 2 == 1)));
    }
}
