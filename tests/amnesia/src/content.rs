//! The bytes of one file, by pages: a copy costs no bytes until one of the two changes.

use std::sync::Arc;

/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes with a length. A page never written reads as zeros and takes no room.
#[derive(Clone, Debug, Default)]
pub struct Content {
    len: u64,
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
}

impl Content {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Up to `size` bytes from `offset`; fewer only at the end.
    pub fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        let end = self.len.min(offset.saturating_add(size as u64));
        let mut out = Vec::with_capacity(end.saturating_sub(offset) as usize);
        for (page, within) in pieces(offset, end) {
            match self.pages.get(page) {
                Some(Some(bytes)) => out.extend_from_slice(&bytes[within]),
                _ => out.resize(out.len() + within.len(), 0),
            }
        }
        out
    }

    /// Writes, and extends where it reaches beyond the end.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        self.len = self.len.max(end);
        self.pages.resize(pages(self.len), None);
        let mut rest = bytes;
        for (page, within) in pieces(offset, end) {
            let (now, later) = rest.split_at(within.len());
            let page = self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[within].copy_from_slice(now);
            rest = later;
        }
    }

    /// Cuts, or extends with zeros.
    pub fn set_len(&mut self, len: u64) {
        self.len = len;
        self.pages.resize(pages(len), None);
        let within = (len % PAGE as u64) as usize;
        if let (Some(Some(last)), 1..) = (self.pages.last_mut(), within) {
            // What lay behind the new end must not come back when the file grows again.
            Arc::make_mut(last)[within..].fill(0);
        }
    }
}

fn pages(len: u64) -> usize {
    len.div_ceil(PAGE as u64) as usize
}

/// The pages of a range and what of each belongs to it.
fn pieces(offset: u64, end: u64) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let page = PAGE as u64;
    // Behind the end there is nothing.
    let offset = offset.min(end);
    (offset / page..end.div_ceil(page)).map(move |number| {
        let begin = number * page;
        let within = offset.saturating_sub(begin) as usize..(end - begin).min(page) as usize;
        (number as usize, within)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back_and_gaps_are_zeros() {
        let mut content = Content::default();
        content.write(5_000, b"abc");
        assert_eq!((content.len(), content.read(4_998, 100)), (5_003, b"\0\0abc".to_vec()));
        content.write(4_094, b"over");
        assert_eq!(content.read(4_093, 6), b"\0over\0".to_vec());
        assert_eq!(content.read(5_003, 10), Vec::<u8>::new());
        assert_eq!(content.read(9_000, 10), Vec::<u8>::new());
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut content = Content::default();
        content.write(0, &[7; 5_000]);
        content.set_len(4_100);
        content.set_len(5_000);
        assert_eq!(content.read(4_098, 4), [7, 7, 0, 0]);
        content.set_len(10);
        content.set_len(4_200);
        assert_eq!(content.read(8, 4), [7, 7, 0, 0]);
        assert_eq!(content.read(4_150, 1), [0]);
    }

    #[test]
    fn a_copy_does_not_change_with_its_original() {
        let mut content = Content::default();
        content.write(0, b"before");
        let copy = content.clone();
        content.write(0, b"after!");
        assert_eq!(copy.read(0, 6), b"before");
    }
}
