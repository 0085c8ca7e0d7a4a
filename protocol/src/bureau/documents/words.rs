//! What stands in the summaries of thousands of documents, held once: ids of bureaus and agreements, and short words.

use std::collections::{BTreeMap, BTreeSet};

/// Ids that get a number: more than there are county bureaus to have agreements with. A foreign log may name as many as it likes; what is
/// beyond is written out where it stands, so that nobody fills this for good.
const IDS_MAX: usize = 4_096;
/// Words that get a number.
const TEXTS_MAX: usize = 256;
/// Bytes of such a word; a longer one is no word.
const TEXT_BYTES_MAX: usize = 64;

/// See the module. What got a number keeps it while anything uses it.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Zeros where a number is free.
    ids: Vec<[u8; 32]>,
    ids_at: BTreeMap<[u8; 32], u64>,
    free_ids: Vec<u64>,
    /// Empty where a number is free, and for the empty text.
    texts: Vec<String>,
    texts_at: BTreeMap<String, u64>,
    free_texts: Vec<u64>,
    closed: bool,
}

/// Which numbers rows were seen to use.
#[derive(Debug, Default)]
pub struct Used {
    /// Of ids.
    pub ids: BTreeSet<u64>,
    /// Of texts.
    pub texts: BTreeSet<u64>,
}

/// The number of something, if it has one, or one of those that are free, or the next if there is room.
fn number<K: Ord + Clone>(at: &mut BTreeMap<K, u64>, all: &mut Vec<K>, free: &mut Vec<u64>, key: K, room: bool) -> Option<u64> {
    if let Some(number) = at.get(&key) {
        return Some(*number);
    }
    if !room {
        return None;
    }
    let number = free.pop().unwrap_or(all.len() as u64);
    match all.get_mut(number as usize) {
        Some(place) => *place = key.clone(),
        None => all.push(key.clone()),
    }
    at.insert(key, number);
    Some(number)
}

impl Words {
    /// The number of an id, if there is one or room for one.
    pub fn number_of(&mut self, id: &[u8; 32]) -> Option<u64> {
        let room = !self.closed && *id != [0; 32] && (self.ids.len() < IDS_MAX || !self.free_ids.is_empty());
        number(&mut self.ids_at, &mut self.ids, &mut self.free_ids, *id, room)
    }

    /// The number of a word, if there is one or room for one.
    pub fn number_of_text(&mut self, text: &str) -> Option<u64> {
        if let Some(number) = self.texts_at.get(text) {
            return Some(*number);
        }
        let room =
            !self.closed && (1..=TEXT_BYTES_MAX).contains(&text.len()) && (self.texts.len() < TEXTS_MAX || !self.free_texts.is_empty());
        number(&mut self.texts_at, &mut self.texts, &mut self.free_texts, text.to_owned(), room)
    }

    /// Nothing gets a number from here on.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Those that are used, each at its number; zeros and nothing at those that are not.
    pub fn told(&self, used: &Used) -> (Vec<[u8; 32]>, Vec<String>) {
        let ids = (0..).zip(&self.ids).map(|(number, id)| if used.ids.contains(&number) { *id } else { [0; 32] });
        let texts = (0..).zip(&self.texts).map(|(number, text)| if used.texts.contains(&number) { text.clone() } else { String::new() });
        (ids.collect(), texts.collect())
    }

    /// Words with just these numbers, as [`Words::told`] had them; `None` if something got two of them.
    pub fn of(ids: Vec<[u8; 32]>, texts: Vec<String>) -> Option<Self> {
        let (mut ids_at, mut texts_at) = (BTreeMap::new(), BTreeMap::new());
        let (mut free_ids, mut free_texts) = (Vec::new(), Vec::new());
        for (number, id) in (0..).zip(&ids) {
            match *id == [0; 32] {
                true => free_ids.push(number),
                false if ids_at.insert(*id, number).is_some() => return None,
                false => {}
            }
        }
        for (number, text) in (0..).zip(&texts) {
            match text.is_empty() {
                true => free_texts.push(number),
                false if texts_at.insert(text.clone(), number).is_some() => return None,
                false => {}
            }
        }
        Some(Self { ids, ids_at, free_ids, texts, texts_at, free_texts, closed: false })
    }

    /// The id of a number that was given.
    pub fn id(&self, number: u64) -> [u8; 32] {
        self.ids[number as usize]
    }

    /// The word of a number that was given.
    pub fn text(&self, number: u64) -> &str {
        &self.texts[number as usize]
    }
}

#[cfg(test)]
impl Words {
    /// Leaves no room for anything new.
    pub fn fill(&mut self) {
        for number in 0..IDS_MAX.max(TEXTS_MAX) {
            self.number_of(blake3::hash(&number.to_be_bytes()).as_bytes());
            self.number_of_text(&number.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_any_more_is_not_told_and_gives_its_number_to_another() {
        let mut words = Words::default();
        assert!((1..=4).all(|n| words.number_of(&[n; 32]).is_some()));
        assert!(["a", "b", "c"].iter().all(|text| words.number_of_text(text).is_some()));
        let used = Used { ids: BTreeSet::from([1, 3]), texts: BTreeSet::from([2]) };
        let (ids, texts) = words.told(&used);
        assert_eq!(
            (&ids[..], &texts[..]),
            (&[[0; 32], [2; 32], [0; 32], [4; 32]][..], &["".to_owned(), "".to_owned(), "c".to_owned()][..])
        );
        let mut again = Words::of(ids, texts).expect("each once");
        assert_eq!((again.number_of(&[2; 32]), again.number_of(&[4; 32]), again.number_of_text("c")), (Some(1), Some(3), Some(2)));
        let fresh: BTreeSet<_> = [again.number_of(&[7; 32]), again.number_of(&[8; 32]), again.number_of(&[9; 32])].into();
        assert_eq!(fresh, [Some(0), Some(2), Some(4)].into());
        assert_eq!((again.number_of_text("d").is_some_and(|at| at < 2), again.number_of_text("")), (true, None));
        assert_eq!(again.number_of(&[0; 32]), None);
        assert!(Words::of(vec![[1; 32], [1; 32]], Vec::new()).is_none() && Words::of(Vec::new(), vec!["x".into(), "x".into()]).is_none());
    }

    #[test]
    fn what_is_told_often_gets_one_number_and_what_comes_too_late_or_is_too_long_none() {
        let mut words = Words::default();
        assert_eq!((words.number_of(&[1; 32]), words.number_of(&[2; 32]), words.number_of(&[1; 32])), (Some(0), Some(1), Some(0)));
        assert_eq!((words.number_of_text("a"), words.number_of_text("b"), words.number_of_text("a")), (Some(0), Some(1), Some(0)));
        assert_eq!((words.number_of_text(&"a".repeat(64)), words.number_of_text(&"a".repeat(65))), (Some(2), None));
        words.fill();
        assert_eq!((words.ids.len(), words.texts.len()), (IDS_MAX, TEXTS_MAX));
        assert_eq!((words.number_of(&[3; 32]), words.number_of_text("c")), (None, None));
        assert_eq!((words.number_of(&[2; 32]), words.id(1), words.text(1)), (Some(1), [2; 32], "b"));
    }
}
