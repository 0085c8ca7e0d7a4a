//! Which lines of a chain may tell of a document, in two bytes for each document they tell of: of most lines this says surely that they do not, and
//! only the rest is read from the disk.
//!
//! ```text
//! page: (places since the line of receipts before, LEB128 ‖ count of documents u8 ‖ last two bytes of each id)..
//! ```
//! A partner that grinds ids to end alike makes whoever asks for one of them read that partner's lines, as all were read without this.

use std::sync::Arc;

use crate::id::DocumentId;
use crate::limits;

/// A page is shared with whoever writes the marks down, and not added to any more, from so many bytes on.
const PAGE_BYTES: usize = if cfg!(debug_assertions) { 64 } else { 16 << 10 };
const MARK: usize = 2;

/// What is marked of one document.
pub(super) type Mark = [u8; MARK];

/// The mark of a document.
pub(super) fn mark(document: &DocumentId) -> Mark {
    [document.0[30], document.0[31]]
}

/// Marks of the lines of receipts of one chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    full: Vec<Arc<[u8]>>,
    open: Vec<u8>,
    /// The last line that is marked.
    last: u64,
}

impl Marks {
    /// Notes line `n`, behind all that were noted.
    pub fn note(&mut self, n: u64, documents: &[Mark]) {
        let mut gap = n.saturating_sub(self.last);
        while gap >= 0x80 {
            self.open.push(gap as u8 | 0x80);
            gap >>= 7;
        }
        self.open.push(gap as u8);
        self.open.push(documents.len() as u8);
        self.open.extend_from_slice(documents.as_flattened());
        self.last = n;
        if self.open.len() >= PAGE_BYTES {
            self.full.push(Arc::from(std::mem::take(&mut self.open)));
        }
    }

    /// The lines of receipts, each with what is marked of it, in order.
    fn each(&self) -> Each<'_> {
        Each {
            pages: self.full.iter().map(|page| &**page).chain([self.open.as_slice()]).collect::<Vec<_>>().into_iter(),
            rest: &[],
            last: 0,
        }
    }

    /// The lines of receipts, in order.
    pub fn lines(&self) -> impl Iterator<Item = u64> {
        self.each().map(|(n, _)| n)
    }

    /// Those that may tell of a document, in order.
    pub fn of(&self, document: &DocumentId) -> impl Iterator<Item = u64> {
        let wanted = mark(document);
        self.each().filter(move |(_, marks)| marks.as_chunks().0.contains(&wanted)).map(|(n, _)| n)
    }

    /// All of it, in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = self.full.iter().map(|page| page.len()).sum::<usize>() + self.open.len();
        let mut bytes = Vec::with_capacity(len);
        self.full.iter().for_each(|page| bytes.extend_from_slice(page));
        bytes.extend_from_slice(&self.open);
        bytes
    }

    /// What [`Marks::to_bytes`] gave; none if it is anything else, or tells of a line behind `len`.
    pub fn from_bytes(bytes: &[u8], len: u64) -> Option<Self> {
        let mut each = Each { pages: Vec::new().into_iter(), rest: bytes, last: 0 };
        let mut marks = Self::default();
        let mut done = 0;
        while !each.rest.is_empty() {
            let before = each.last;
            let (n, of) = each.next()?;
            let count = of.len() / MARK;
            if n <= before || n > len || count == 0 || count > limits::RECEIPTS_PER_LINE_MAX {
                return None;
            }
            let end = bytes.len() - each.rest.len();
            if end - done >= PAGE_BYTES {
                marks.full.push(Arc::from(&bytes[done..end]));
                done = end;
            }
            marks.last = n;
        }
        marks.open = bytes[done..].to_vec();
        Some(marks)
    }
}

/// Lines and their marks. It ends where what is read is none of it, which happens to nothing that [`Marks::from_bytes`] let through.
struct Each<'a> {
    pages: std::vec::IntoIter<&'a [u8]>,
    rest: &'a [u8],
    last: u64,
}

impl<'a> Iterator for Each<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest.is_empty() {
            self.rest = self.pages.next()?;
        }
        let (mut gap, mut shift) = (0_u64, 0);
        loop {
            let byte = *self.rest.split_off_first()?;
            gap |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let count = usize::from(*self.rest.split_off_first()?);
        let marks = self.rest.split_off(..count * MARK)?;
        self.last = self.last.checked_add(gap)?;
        Some((self.last, marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(first: u8, last: u16) -> DocumentId {
        let mut id = [first; 32];
        id[30..].copy_from_slice(&last.to_be_bytes());
        DocumentId(id)
    }

    #[test]
    fn lines_are_found_by_what_they_tell_of_also_after_they_were_written_down() {
        let mut marks = Marks::default();
        // Every third line is of something else, and one comes long after.
        let places: Vec<u64> = (1..300).filter(|n| n % 3 != 0).chain([70_000]).collect();
        for n in &places {
            let of = [document(1, (*n % 100) as u16), document(2, 60_000)];
            marks.note(*n, &of.map(|document| mark(&document)));
        }
        let bytes = marks.to_bytes();
        let read = Marks::from_bytes(&bytes, 70_000).expect("its own");
        for marks in [&marks, &read] {
            assert!(marks.lines().eq(places.iter().copied()));
            assert!(marks.of(&document(9, 60_000)).eq(places.iter().copied()), "another document that ends alike is not told apart");
            assert!(marks.of(&document(1, 7)).eq([7, 107]));
            assert_eq!(marks.of(&document(1, 61_000)).count(), 0);
        }
        assert!(!read.full.is_empty(), "more than a page");
        // Both go on alike.
        let (mut marks, mut read) = (marks, read);
        for marks in [&mut marks, &mut read] {
            marks.note(70_001, &[mark(&document(3, 3))]);
        }
        assert_eq!(marks.to_bytes(), read.to_bytes());
        assert!(read.of(&document(3, 3)).eq([3, 103, 203, 70_001].into_iter().filter(|n| places.contains(n) || *n == 70_001)));
    }

    #[test]
    fn marks_that_are_none_are_refused() {
        let mut marks = Marks::default();
        marks.note(3, &[mark(&document(1, 1))]);
        let good = marks.to_bytes();
        assert!(Marks::from_bytes(&good, 3).is_some());
        assert!(Marks::from_bytes(&good, 2).is_none(), "of a line that is not held");
        assert!(Marks::from_bytes(&[0, 1, 0, 0], 3).is_none(), "twice the same place");
        assert!(Marks::from_bytes(&[1, 0], 3).is_none(), "of nothing");
        assert!(Marks::from_bytes(&[1, 200], 3).is_none());
        assert!(Marks::from_bytes(&[0xff; 12], u64::MAX).is_none());
        for len in 1..good.len() {
            assert!(Marks::from_bytes(&good[..len], 3).is_none(), "cut at {len}");
        }
    }
}
