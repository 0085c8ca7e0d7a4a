//! One file: what its readers see, what is durable, and what was done to it in between.

use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::content::Content;
use crate::survives::{SECTOR, Survives};

/// Something done to a file that is not synced yet.
#[derive(Clone, Debug)]
enum Pending {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// A file's content, twice: as the page cache holds it and as a power cut leaves it.
#[derive(Clone, Debug, Default)]
pub struct File {
    current: Content,
    durable: Content,
    pending: Vec<Pending>,
}

impl File {
    /// A file whose content is durable.
    pub fn durable(content: Content) -> Self {
        Self { current: content.clone(), durable: content, pending: Vec::new() }
    }

    /// Writes to the page cache.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.current.write(offset, bytes);
        self.pending.push(Pending::Write { offset, bytes: bytes.to_vec() });
    }

    /// Changes the length in the page cache.
    pub fn set_len(&mut self, len: u64) {
        self.current.set_len(len);
        self.pending.push(Pending::Length(len));
    }

    /// Makes content and length durable; nothing about its name.
    pub fn sync(&mut self) {
        self.durable = self.current.clone();
        self.pending.clear();
    }

    /// Length, as readers see it.
    pub fn len(&self) -> u64 {
        self.current.len()
    }

    /// Bytes, as readers see them.
    pub fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        self.current.read(offset, size)
    }

    /// What a power cut leaves.
    pub fn after_cut(&self, survives: Survives, dice: &mut SmallRng) -> Content {
        match survives {
            Survives::Synced => self.durable.clone(),
            Survives::BytesInPlace => self.bytes_in_place(),
            Survives::Parts => self.parts(dice),
        }
    }

    /// Every byte that found a durable place; lengths as they were synced.
    fn bytes_in_place(&self) -> Content {
        let mut out = self.durable.clone();
        for pending in &self.pending {
            let Pending::Write { offset, bytes } = pending else { continue };
            let room = self.durable.len().saturating_sub(*offset).min(bytes.len() as u64);
            out.write(*offset.min(&self.durable.len()), &bytes[..room as usize]);
        }
        out
    }

    /// Sectors as the disk took them, in no order; changes of length in their order, but only the first few.
    fn parts(&self, dice: &mut SmallRng) -> Content {
        let Some(last) = self.pending.len().checked_sub(1) else { return self.durable.clone() };
        let (mut out, mut seen) = (self.durable.clone(), self.durable.clone());
        let mut len = self.durable.len();
        let lengths = dice.random_range(0..=self.pending.len());
        let arrives = dice.random_range(0..=4_u32);
        let sector = if dice.random() { SECTOR } else { 8 * SECTOR };
        for (at, pending) in self.pending.iter().enumerate() {
            match pending {
                Pending::Length(to) => {
                    seen.set_len(*to);
                    if at < lengths {
                        out.set_len(*to);
                        len = *to;
                    }
                }
                Pending::Write { offset, bytes } => {
                    seen.write(*offset, bytes);
                    let end = offset + bytes.len() as u64;
                    if at < lengths {
                        len = len.max(end);
                    }
                    // The last one tears: its first few sectors come through and nothing behind them.
                    let size = if at == last { SECTOR } else { sector };
                    let sectors = offset / size..end.div_ceil(size);
                    let torn = (at == last).then(|| dice.random_range(sectors.start..=sectors.end));
                    for number in sectors {
                        let comes = torn.map_or_else(|| dice.random_range(0..4) < arrives, |torn| number < torn);
                        if comes {
                            // A sector goes to the disk whole, with all that the page cache held of it then.
                            out.write(number * size, &seen.read(number * size, size as usize));
                        }
                    }
                }
            }
        }
        out.set_len(len);
        out
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn left(file: &File, survives: Survives, seed: u64) -> Vec<u8> {
        let content = file.after_cut(survives, &mut SmallRng::seed_from_u64(seed));
        content.read(0, content.len() as usize)
    }

    #[test]
    fn what_was_not_synced_is_forgotten() {
        let mut file = File::default();
        file.write(0, b"kept");
        file.sync();
        file.write(2, b"lost and longer");
        assert_eq!(file.read(0, 100), b"kelost and longer");
        assert_eq!(left(&file, Survives::Synced, 1), b"kept");
        file.sync();
        assert_eq!(left(&file, Survives::Synced, 1), b"kelost and longer");
        file.set_len(1);
        assert_eq!(left(&file, Survives::Synced, 1), b"kelost and longer", "a cut is forgotten too");
    }

    #[test]
    fn bytes_in_place_stay_and_growth_is_forgotten() {
        let mut file = File::default();
        file.write(0, b"123456");
        file.sync();
        file.write(4, b"abcd");
        file.write(20, b"far");
        assert_eq!(left(&file, Survives::BytesInPlace, 1), b"1234ab");
    }

    #[test]
    fn whole_sectors_come_through_in_any_mixture_and_the_last_write_tears() {
        let mut file = File::default();
        file.write(0, &[1; 4096]);
        file.sync();
        file.write(0, &[2; 4096]);
        file.write(4096, &[3; 4096]);
        let (mut mixed, mut torn, mut zeros, mut all) = (0, 0, 0, 0);
        for seed in 0..2_000 {
            let bytes = left(&file, Survives::Parts, seed);
            assert!([4096, 8192].contains(&bytes.len()), "a length that never was: {}", bytes.len());
            for sector in bytes.chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "seed {seed}: a sector came through in part");
            }
            let (first, second) = bytes.split_at(4096);
            assert!(first.iter().all(|byte| [1, 2].contains(byte)) && second.iter().all(|byte| [0, 3].contains(byte)));
            mixed += usize::from(first.contains(&1) && first.contains(&2));
            torn += usize::from(second.contains(&0) && second.contains(&3));
            zeros += usize::from(!second.is_empty() && !second.contains(&3));
            all += usize::from(bytes == file.read(0, 8192));
            // What comes through of a torn write is its beginning.
            assert!(!second.windows(2).any(|pair| pair == [0, 3]));
        }
        assert!(mixed > 100 && torn > 100 && zeros > 20 && all > 10, "{mixed} {torn} {zeros} {all}");
    }

    #[test]
    fn a_sector_holds_what_the_page_cache_held_of_it() {
        let mut file = File::default();
        file.write(0, b"aaaa");
        file.write(4, b"bbbb");
        for seed in 0..500 {
            let bytes = left(&file, Survives::Parts, seed);
            let known: [&[u8]; 6] = [b"", b"aaaa", b"aaaabbbb", b"\0\0\0\0", b"\0\0\0\0\0\0\0\0", b"aaaa\0\0\0\0"];
            assert!(known.contains(&&bytes[..]), "seed {seed}: {bytes:?}");
        }
    }
}
