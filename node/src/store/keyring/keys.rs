//! The keys of a ring in memory: for a million documents little more than the 64 bytes of a document's id and its key.
//!
//! A sorted run of all, and a small map of those that came since, which becomes part of the run when it has grown. A key stays where it was
//! written: nothing here moves one and leaves a copy behind in memory that nobody overwrites. What is forgotten is overwritten in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_protocol::id::DocumentId;

use crate::store::cipher::Subkey;

/// New keys that are worth a new run, whatever its length.
const NEW_MIN: usize = 1_024;
/// Beyond that, this part of the run: a run is written anew so seldom that a key is copied some 16 times in all.
const NEW_PART: usize = 16;

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

    fn place(&self, document: &DocumentId) -> Option<usize> {
        self.run.binary_search_by(|(other, _)| other.cmp(document)).ok()
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
