//! Who has an agreement with whom: neighbours on a map, and hubs.

use std::collections::BTreeSet;

use rand::Rng;
use rand::rngs::SmallRng;

/// Nearest neighbours each county agrees with.
const NEIGHBOURS: usize = 5;
/// Counties of a prefecture, its hub among them.
const PREFECTURE: usize = 10;
/// Partners of the capital's hub: the upper end of a region, DOMAIN §8.
const CAPITAL_PARTNERS: usize = 55;

/// What a bureau is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// One county among many.
    County,
    /// The seat of a prefecture: agrees with all its counties and with the other hubs.
    Hub,
    /// The hub of the capital: agrees with the counties around besides.
    Capital,
}

impl Rank {
    /// In words of the figures.
    pub fn word(self) -> &'static str {
        match self {
            Rank::County => "county",
            Rank::Hub => "hub",
            Rank::Capital => "capital",
        }
    }
}

/// A bureau on the map.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// East, in units of a prefecture's width.
    pub x: f64,
    /// North.
    pub y: f64,
    /// What it is.
    pub rank: Rank,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Bureaus by number.
    pub places: Vec<Place>,
    /// Agreements, the lower number first.
    pub pairs: BTreeSet<(usize, usize)>,
}

impl Graph {
    /// A province of so many bureaus.
    pub fn draw(bureaus: usize, dice: &mut SmallRng) -> Self {
        let prefectures = bureaus.div_ceil(PREFECTURE).max(1);
        let columns = (1..).find(|columns| columns * columns >= prefectures).unwrap_or(1);
        let mut places = Vec::with_capacity(bureaus);
        for n in 0..bureaus {
            let prefecture = n % prefectures;
            let (x, y) = ((prefecture % columns) as f64, (prefecture / columns) as f64);
            let rank = match n {
                0 => Rank::Capital,
                n if n < prefectures => Rank::Hub,
                _ => Rank::County,
            };
            let off = if rank == Rank::County { 0.5 } else { 0.08 };
            places.push(Place { x: x + dice.random_range(-off..off), y: y + dice.random_range(-off..off), rank });
        }
        let mut graph = Self { places, pairs: BTreeSet::new() };
        for n in 0..bureaus {
            for other in graph.nearest(n).into_iter().take(NEIGHBOURS) {
                graph.agree(n, other);
            }
            if n >= prefectures {
                graph.agree(n, n % prefectures);
            }
        }
        for one in 0..prefectures {
            for other in one + 1..prefectures {
                graph.agree(one, other);
            }
        }
        for other in graph.nearest(0) {
            if graph.partners(0).len() < CAPITAL_PARTNERS {
                graph.agree(0, other);
            }
        }
        graph
    }

    fn agree(&mut self, a: usize, b: usize) {
        if a != b {
            self.pairs.insert((a.min(b), a.max(b)));
        }
    }

    /// All others, the nearest first.
    fn nearest(&self, n: usize) -> Vec<usize> {
        let far = |other: &usize| {
            let (here, there) = (self.places[n], self.places[*other]);
            (here.x - there.x).powi(2) + (here.y - there.y).powi(2)
        };
        let mut others: Vec<usize> = (0..self.places.len()).filter(|other| *other != n).collect();
        others.sort_by(|a, b| far(a).total_cmp(&far(b)));
        others
    }

    /// Those a bureau has an agreement with.
    pub fn partners(&self, n: usize) -> Vec<usize> {
        let of = |(a, b): &(usize, usize)| match n {
            n if n == *a => Some(*b),
            n if n == *b => Some(*a),
            _ => None,
        };
        self.pairs.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn everybody_has_neighbours_and_the_capital_many() {
        let graph = Graph::draw(120, &mut SmallRng::seed_from_u64(1));
        assert!((0..120).all(|n| graph.partners(n).len() >= NEIGHBOURS));
        assert_eq!(graph.partners(0).len(), CAPITAL_PARTNERS);
        assert_eq!(graph.places.iter().filter(|place| place.rank != Rank::County).count(), 12);
    }
}
