//! A sorted map of a few lines in one allocation of its size, or none: what every document in memory has one of.
//!
//! The tree maps of the standard library take room for eleven lines with the first; with one line for each of a million documents that is most of
//! what they take.

/// See the module. Changing it costs a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<K, V>(Box<[(K, V)]>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<K: Ord, V> Few<K, V> {
    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }
    /// Whether there is a line of this key.
    pub fn contains(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }
    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// All values, ascending by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
    /// All keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }
    /// Sets a value.
    pub fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => {
                let mut lines = std::mem::take(&mut self.0).into_vec();
                lines.reserve_exact(1);
                lines.insert(at, (key, value));
                self.0 = lines.into_boxed_slice();
            }
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Few<K, V> {
    /// Of two lines with one key the later one counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(lines: I) -> Self {
        let mut lines: Vec<(K, V)> = lines.into_iter().collect();
        lines.reverse();
        // Stable: the later one comes first and stays.
        lines.sort_by(|one, other| one.0.cmp(&other.0));
        lines.dedup_by(|later, kept| later.0 == kept.0);
        Self(lines.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_a_tree_map_would_hold() {
        let lines = [(3, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (1, 'e')];
        let tree: BTreeMap<i32, char> = lines.into_iter().collect();
        let few: Few<i32, char> = lines.into_iter().collect();
        let mut one_by_one = Few::default();
        for (key, value) in lines {
            one_by_one.insert(key, value);
        }
        for few in [&few, &one_by_one] {
            assert!(few.keys().eq(tree.keys()));
            for key in 0..5 {
                assert_eq!(few.get(&key), tree.get(&key));
                assert_eq!(few.contains(&key), tree.contains_key(&key));
            }
        }
        assert_eq!(few, one_by_one);
        assert!(!Few::<i32, ()>::default().contains(&1));
    }
}
