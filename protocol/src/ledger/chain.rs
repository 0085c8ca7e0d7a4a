//! The lines of one direction of one pair: in memory what is asked often and what is not on disk yet, the rest where it was stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use accord_keys::seal::{Sealed, Verified};
use minicbor::{Decode, Encode};

use super::marks::{Mark, Marks, mark};
use super::{Line, LineError, ReceiptLine, Says, Taken};
use crate::id::{Bytes, Digest, DocumentId, NetworkId, StatementId};

/// Gives the bytes of a line that is at rest, by its place; none if it cannot be read.
pub type AtRest<'a> = &'a dyn Fn(u64) -> Option<Vec<u8>>;

/// A chain whose lines of receipts are all at rest, for a later start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChainRow {
    /// How many lines.
    #[n(0)]
    len: u64,
    /// Id of the last; zeros without one.
    #[n(1)]
    head: Digest,
    /// The lines that are not of receipts, as they were sealed.
    #[n(2)]
    others: Vec<Bytes>,
    /// Which line may tell of which document (`marks.rs`).
    #[n(3)]
    marks: Bytes,
}

/// A line that our own store gave back, as small as it will lie in memory: of a million documents there are tens of thousands.
pub struct Read {
    n: u64,
    id: StatementId,
    previous: Digest,
    says: ReadSays,
}

enum ReadSays {
    Receipts {
        marks: Box<[Mark]>,
        /// If it stays in memory.
        bytes: Option<Box<[u8]>>,
    },
    Other(Arc<Verified<Line>>),
}

/// The lines of one direction of one pair, from the first without a gap. There is a line of receipts for each 64 documents a partner has, with each of
/// them in it: of a million 116 MB. Once they are on disk only their marks stay, and whoever asks has them read ([`AtRest`]). The others, a few a day,
/// stay.
#[derive(Clone, Debug)]
pub struct Chain {
    len: u64,
    head: Digest,
    /// Lines that are not of receipts, by place.
    others: Vec<Arc<Verified<Line>>>,
    marks: Marks,
    /// Lines of receipts that are not at rest.
    fresh: BTreeMap<u64, Box<[u8]>>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { len: 0, head: Digest([0; 32]), others: Vec::new(), marks: Marks::default(), fresh: BTreeMap::new() }
    }
}

impl Chain {
    /// Takes a line into its place. Who wrote it was checked by [`super::check_writer`].
    ///
    /// # Errors
    /// [`LineError::Gap`] while a line before is missing; [`LineError::Loose`] when it continues another chain.
    pub fn take(&mut self, line: Verified<Line>, at_rest: AtRest<'_>) -> Result<Taken, LineError> {
        let n = line.body().n;
        if n <= self.len {
            // One that cannot be read is not said to contradict.
            let same = self.id(n, line.network(), at_rest).is_none_or(|held| held == line.id());
            return Ok(if same { Taken::Known } else { Taken::Fork });
        }
        self.push(Read::new(line, |line| Some(line.sealed().to_bytes().into_boxed_slice())))?;
        Ok(Taken::New)
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// As [`Chain::take`].
    pub fn push(&mut self, line: Read) -> Result<(), LineError> {
        if line.n != self.len + 1 {
            return Err(LineError::Gap);
        }
        if line.previous != self.head {
            return Err(LineError::Loose);
        }
        (self.len, self.head) = (line.n, Digest(line.id.0));
        match line.says {
            ReadSays::Receipts { marks, bytes } => {
                self.marks.note(line.n, &marks);
                self.fresh.extend(bytes.map(|bytes| (line.n, bytes)));
            }
            ReadSays::Other(line) => self.others.push(line),
        }
        Ok(())
    }

    /// Takes the next line that our own store still has: one before it may be lost. Whoever has it names the id of the line before, so nothing else
    /// can come into its place; it is left out like a line that cannot be read.
    ///
    /// # Errors
    /// [`LineError::Gap`] for a line that was taken; [`LineError::Loose`] when it continues another chain.
    pub fn push_stored(&mut self, line: Read) -> Result<(), LineError> {
        if line.n > self.len.saturating_add(1) {
            (self.len, self.head) = (line.n - 1, line.previous);
        }
        self.push(line)
    }

    /// Everything taken so far is on disk, by places: lines of receipts are at rest from now on. Hands out those that were not.
    pub fn stored(&mut self) -> BTreeMap<u64, Box<[u8]>> {
        std::mem::take(&mut self.fresh)
    }

    /// The chain for a later start, if all its lines of receipts are at rest.
    pub fn row(&self) -> Option<ChainRow> {
        let others = self.others.iter().map(|line| Bytes(line.sealed().to_bytes()));
        let row = || ChainRow { len: self.len, head: self.head, others: others.collect(), marks: Bytes(self.marks.to_bytes()) };
        self.fresh.is_empty().then(row)
    }

    /// The chain that [`Chain::row`] gave; none if it is anything else.
    pub fn from_row(network: &NetworkId, row: &ChainRow) -> Option<Self> {
        let marks = Marks::from_bytes(&row.marks.0, row.len)?;
        let mut others = Vec::with_capacity(row.others.len());
        for bytes in &row.others {
            let ReadSays::Other(line) = Read::from_bytes(network, &bytes.0, false)?.says else { return None };
            others.push(line);
        }
        let ascending = others.is_sorted_by(|one: &Arc<Verified<Line>>, next| one.body().n < next.body().n);
        let all = (others.len() + marks.lines().count()) as u64 <= row.len;
        (ascending && all && others.last().is_none_or(|line| line.body().n <= row.len)).then(|| Self {
            len: row.len,
            head: row.head,
            others,
            marks,
            fresh: BTreeMap::new(),
        })
    }

    /// How many lines.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Whether nothing was stated yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// What the next line names as the one before.
    pub fn head(&self) -> Digest {
        self.head
    }

    fn other(&self, n: u64) -> Option<&Verified<Line>> {
        let at = self.others.binary_search_by_key(&n, |line| line.body().n).ok()?;
        Some(&self.others[at])
    }

    /// A line of receipts. Nobody else writes where they are kept, so what is read there says what was verified once, or does not read.
    fn of_receipts(&self, n: u64, at_rest: AtRest<'_>) -> Option<Sealed<Line>> {
        let line = match self.fresh.get(&n) {
            Some(bytes) => Sealed::<Line>::from_bytes(bytes),
            None => Sealed::from_bytes(&at_rest(n)?),
        };
        line.ok().filter(|line| line.claimed().n == n)
    }

    fn id(&self, n: u64, network: &NetworkId, at_rest: AtRest<'_>) -> Option<StatementId> {
        match self.other(n) {
            Some(line) => Some(line.id()),
            None => self.of_receipts(n, at_rest).map(|line| line.id(network)),
        }
    }

    /// What the lines from place `from` on state, in order, each with its id. Without those that cannot be read.
    pub fn lines(&self, from: u64, network: &NetworkId, at_rest: AtRest<'_>) -> impl Iterator<Item = (StatementId, Line)> {
        (from.max(1)..=self.len).filter_map(move |n| match self.other(n) {
            Some(line) => Some((line.id(), line.body().clone())),
            None => self.of_receipts(n, at_rest).map(|line| (line.id(network), line.claimed().clone())),
        })
    }

    /// The lines that are not of receipts, in order.
    pub fn others(&self) -> impl DoubleEndedIterator<Item = &Verified<Line>> {
        self.others.iter().map(|line| &**line)
    }

    /// The receipts of all lines, in order. Without those that cannot be read.
    pub fn receipts(&self, at_rest: AtRest<'_>) -> impl Iterator<Item = ReceiptLine> {
        self.marks.lines().filter_map(move |n| self.of_receipts(n, at_rest)).flat_map(|line| match &line.claimed().says {
            Says::Receipts(receipts) => receipts.clone(),
            _ => Vec::new(),
        })
    }

    /// The lines that say a document arrived, in order, verified anew. Without those that cannot be read.
    pub fn receipts_of(&self, document: &DocumentId, network: &NetworkId, at_rest: AtRest<'_>) -> impl Iterator<Item = Verified<Line>> {
        let names = |line: &Sealed<Line>| match &line.claimed().says {
            Says::Receipts(receipts) => receipts.iter().any(|receipt| receipt.document == *document),
            _ => false,
        };
        let named = self.marks.of(document).filter_map(move |n| self.of_receipts(n, at_rest)).filter(move |line| names(line));
        named.filter_map(|line| line.verify(network).ok())
    }

    /// The sealed bytes of the lines after place `n`, in order, up to one that cannot be read.
    pub fn after(&self, n: u64, at_rest: AtRest<'_>) -> impl Iterator<Item = Vec<u8>> {
        (n.saturating_add(1)..=self.len).map_while(move |n| match (self.other(n), self.fresh.get(&n)) {
            (Some(line), _) => Some(line.sealed().to_bytes()),
            (None, Some(bytes)) => Some(bytes.to_vec()),
            (None, None) => at_rest(n),
        })
    }
}

impl Read {
    /// A line as our own store gave it back: its seal was verified before it was written, and the store authenticates every byte. It is at rest
    /// there, or `stays` in memory. None if it is no line of this network.
    pub fn from_bytes(network: &NetworkId, bytes: &[u8], stays: bool) -> Option<Self> {
        let sealed = Sealed::<Line>::from_bytes(bytes).ok()?;
        #[expect(clippy::disallowed_methods, reason = "a row of our own store: its seal was verified before it was written")]
        let line = sealed.believe_stored(network).ok()?;
        Some(Self::new(line, |_| stays.then(|| bytes.into())))
    }

    /// `bytes` tells what stays of a line of receipts.
    fn new(line: Verified<Line>, bytes: impl FnOnce(&Verified<Line>) -> Option<Box<[u8]>>) -> Self {
        let (n, id, previous) = (line.body().n, line.id(), line.body().previous);
        let says = match &line.body().says {
            Says::Receipts(receipts) => {
                let marks = receipts.iter().map(|receipt| mark(&receipt.document)).collect();
                ReadSays::Receipts { marks, bytes: bytes(&line) }
            }
            _ => ReadSays::Other(Arc::new(line)),
        };
        Self { n, id, previous, says }
    }

    /// Its place.
    pub fn n(&self) -> u64 {
        self.n
    }
}
