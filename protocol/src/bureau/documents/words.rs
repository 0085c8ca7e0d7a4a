//! What stands in the summaries of thousands of documents, held once: ids of bureaus and agreements, and short words.

use std::collections::BTreeMap;

/// Ids that get a number: more than there are county bureaus to have agreements with. A foreign log may name as many as it likes; what is
/// beyond is written out where it stands, so that nobody fills this for good.
const IDS_MAX: usize = 4_096;
/// Words that get a number.
const TEXTS_MAX: usize = 256;
/// Bytes of such a word; a longer one is no word.
const TEXT_BYTES_MAX: usize = 64;

/// See the module. What got a number keeps it.
#[derive(Debug, Default)]
pub struct Words {
    ids: Vec<[u8; 32]>,
    ids_at: BTreeMap<[u8; 32], u64>,
    texts: Vec<String>,
    texts_at: BTreeMap<String, u64>,
}

impl Words {
    /// The number of an id, if there is one or room for one.
    pub fn number_of(&mut self, id: &[u8; 32]) -> Option<u64> {
        if let Some(number) = self.ids_at.get(id) {
            return Some(*number);
        }
        let number = self.ids.len();
        (number < IDS_MAX).then(|| {
            self.ids.push(*id);
            self.ids_at.insert(*id, number as u64);
            number as u64
        })
    }

    /// The number of a word, if there is one or room for one.
    pub fn number_of_text(&mut self, text: &str) -> Option<u64> {
        if let Some(number) = self.texts_at.get(text) {
            return Some(*number);
        }
        let number = self.texts.len();
        (number < TEXTS_MAX && text.len() <= TEXT_BYTES_MAX).then(|| {
            self.texts.push(text.to_owned());
            self.texts_at.insert(text.to_owned(), number as u64);
            number as u64
        })
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
