//! What lies in three layers, read as one: what changed last covers what lies below.

use std::collections::btree_map;
use std::iter::Peekable;

use super::{BEGINNING, Documents, Layer, Line, Slot, inventory};
use crate::id::DocumentId;

type LayerRows<'a> = Peekable<btree_map::Range<'a, DocumentId, Option<Slot>>>;

/// Documents ascending by id.
pub struct Rows<'a> {
    documents: &'a Documents,
    recent: LayerRows<'a>,
    taken: Option<LayerRows<'a>>,
    inventory: Option<inventory::Rows<'a>>,
}

impl<'a> Rows<'a> {
    /// Those from an id on.
    pub fn of(documents: &'a Documents, from: DocumentId) -> Self {
        Self {
            documents,
            recent: documents.recent.rows.range(from..).peekable(),
            taken: documents.taken.as_ref().map(|layer| layer.rows.range(from..).peekable()),
            inventory: documents.inventory.as_ref().map(|inventory| inventory.range(&from, &documents.words)),
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let recent = self.recent.peek().map(|(document, _)| **document);
            let taken = self.taken.as_mut().and_then(|taken| taken.peek().map(|(document, _)| **document));
            let rest = self.inventory.as_mut().and_then(inventory::Rows::peek);
            let next = recent.into_iter().chain(taken).chain(rest).min()?;
            let mut above = None;
            if taken == Some(next) {
                above = self.taken.as_mut().and_then(Iterator::next);
            }
            if recent == Some(next) {
                above = self.recent.next();
            }
            match above {
                Some((_, slot)) => {
                    if rest == Some(next) {
                        self.inventory.as_mut().into_iter().for_each(inventory::Rows::pass);
                    }
                    if let Some(slot) = slot {
                        return Some(Line::of(next, slot, &self.documents.words));
                    }
                }
                None => return self.inventory.as_mut()?.next(),
            }
        }
    }
}

/// A place, and the document that stands there as far as it is known without its row.
type Place<'a> = (u64, At<'a>);

#[derive(Clone, Copy)]
enum At<'a> {
    Layer(&'a Layer, [u8; BEGINNING]),
    Inventory(DocumentId),
}

impl Documents {
    /// The document of a place, unless what lies above says otherwise of it.
    fn standing(&self, (seq, at): Place<'_>) -> Option<(u64, DocumentId)> {
        let recent = |document| self.recent.rows.contains_key(document);
        let document = match at {
            At::Layer(layer, begins) => {
                let document = layer.at(seq, &begins, &self.words)?;
                (std::ptr::eq(layer, &raw const self.recent) || !recent(&document)).then_some(document)?
            }
            At::Inventory(document) => {
                let above = recent(&document) || self.taken.as_ref().is_some_and(|taken| taken.rows.contains_key(&document));
                (!above).then_some(document)?
            }
        };
        Some((seq, document))
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.recent).chain(self.taken.as_deref())
    }
}

type Source<'a> = Peekable<Box<dyn Iterator<Item = Place<'a>> + 'a>>;

/// Places of three layers in one order; `sooner` says which of two comes first.
fn in_order<'a>(mut sources: Vec<Source<'a>>, sooner: fn(u64, u64) -> bool) -> impl Iterator<Item = Place<'a>> {
    std::iter::from_fn(move || {
        let mut best: Option<(usize, u64)> = None;
        for (at, source) in sources.iter_mut().enumerate() {
            if let Some((seq, _)) = source.peek()
                && best.is_none_or(|(_, other)| sooner(*seq, other))
            {
                best = Some((at, *seq));
            }
        }
        best.and_then(|(at, _)| sources[at].next())
    })
}

fn source<'a>(places: impl Iterator<Item = Place<'a>> + 'a) -> Source<'a> {
    (Box::new(places) as Box<dyn Iterator<Item = Place<'a>> + 'a>).peekable()
}

/// Documents whose newest change stands behind a place, the oldest of these first.
pub fn ids_after(documents: &Documents, seq: u64) -> impl Iterator<Item = (u64, DocumentId)> {
    let layers = documents.layers().map(move |layer| {
        let behind = layer.places.range(seq.saturating_add(1)..);
        source(behind.map(move |(seq, begins)| (*seq, At::Layer(layer, *begins))))
    });
    let below = documents.inventory.iter();
    let below = below.map(move |inventory| source(inventory.places_after(seq).map(|(seq, document)| (seq, At::Inventory(document)))));
    let places = in_order(layers.chain(below).collect(), |one, other| one < other);
    places.filter(move |(at, _)| *at > seq).filter_map(|place| documents.standing(place))
}

/// The same, with what is known of them.
pub fn after(documents: &Documents, seq: u64) -> impl Iterator<Item = Line<'_>> {
    ids_after(documents, seq).filter_map(|(_, document)| documents.line(&document))
}

/// Documents whose newest change stands before a place, or all, the newest of these first.
pub fn newest_before(documents: &Documents, seq: Option<u64>) -> impl Iterator<Item = Line<'_>> {
    let layers = documents.layers().map(move |layer| {
        let before = seq.map_or(layer.places.range(..), |seq| layer.places.range(..seq));
        source(before.rev().map(move |(seq, begins)| (*seq, At::Layer(layer, *begins))))
    });
    let below = documents.inventory.iter();
    let below = below.map(move |inventory| source(inventory.places_before(seq).map(|(seq, document)| (seq, At::Inventory(document)))));
    let places = in_order(layers.chain(below).collect(), |one, other| one > other);
    places.filter_map(|place| documents.standing(place)).filter_map(|(_, document)| documents.line(&document))
}
