//! The ledgers at a start: from the rows of the store, or from what an inventory says of them and the rows since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::{FORKED, Ledgers, Lines, OPEN, OURS, OpenRow, Pairing, Resting, THEIRS};
use crate::bureau::documents::Documents;
use crate::bureau::rows::{RowError, read};
use crate::id::{BureauId, NetworkId, StatementId};
use crate::ledger::{Chain, ChainRow, Read};
use crate::time::MonoMillis;

/// One pair, all of whose lines of receipts are at rest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PairRow {
    #[n(0)]
    partner: BureauId,
    #[n(1)]
    ours: ChainRow,
    #[n(2)]
    theirs: ChainRow,
    #[n(3)]
    forks: Vec<StatementId>,
    #[n(4)]
    open: OpenRow,
}

/// The ledgers as they stood at one moment, to be written by another thread.
pub struct Standing(Vec<(BureauId, Pairing)>);

impl Standing {
    /// Their rows; none where lines are in memory alone.
    pub fn rows(&self) -> Option<Vec<PairRow>> {
        let row = |(partner, pairing): &(BureauId, Pairing)| {
            let (ours, theirs) = (pairing.ours.row()?, pairing.theirs.row()?);
            Some(PairRow { partner: *partner, ours, theirs, forks: pairing.forks.iter().copied().collect(), open: pairing.open.clone() })
        };
        self.0.iter().map(row).collect()
    }
}

impl Ledgers {
    /// As they stand now.
    pub fn standing(&self) -> Standing {
        let pair = |pairing: &Pairing| {
            let Pairing { ours, theirs, forks, open, .. } = pairing;
            Pairing { ours: ours.clone(), theirs: theirs.clone(), forks: forks.clone(), open: open.clone(), ..Pairing::default() }
        };
        Standing(self.pairs.iter().map(|(partner, pairing)| (*partner, pair(pairing))).collect())
    }

    /// Puts all lines of receipts to rest in memory that are not yet: for those who have no disk, and for tests.
    pub fn rest_in_memory(&mut self) {
        if self.resting.lines.is_some() {
            return;
        }
        for (partner, pairing) in &mut self.pairs {
            for (direction, chain) in [(OURS, &mut pairing.ours), (THEIRS, &mut pairing.theirs)] {
                self.resting.in_memory.extend(chain.stored().into_iter().map(|(n, bytes)| (super::key(partner, direction, n), bytes)));
            }
        }
    }
}

/// Rows of the table on their way to [`Ledgers`]. What a line of receipts says need not stay: of a million documents and one partner 116 MB.
pub struct Reading {
    network: NetworkId,
    lines: Option<Arc<dyn Lines>>,
    /// What an inventory has.
    standing: BTreeMap<BureauId, Pairing>,
    rows: BTreeMap<BureauId, Rows>,
}

#[derive(Default)]
struct Rows {
    /// By direction and place.
    lines: BTreeMap<(u8, u64), Read>,
    open: Option<OpenRow>,
    forks: BTreeSet<StatementId>,
}

fn bad(why: &str) -> RowError {
    RowError { table: "ledger", why: why.to_owned() }
}

impl Reading {
    /// None yet.
    pub fn new(network: NetworkId) -> Self {
        Self { network, lines: None, standing: BTreeMap::new(), rows: BTreeMap::new() }
    }

    /// Lines of receipts are at rest where the rows come from, which are still to come.
    pub fn keep(&mut self, lines: Arc<dyn Lines>) {
        self.lines = Some(lines);
    }

    /// What an inventory has; the rows since are to come.
    ///
    /// # Errors
    /// [`RowError`] for what no chain gave.
    pub fn since(&mut self, standing: Vec<PairRow>) -> Result<(), RowError> {
        for row in standing {
            let chain = |row| Chain::from_row(&self.network, row).ok_or_else(|| bad("of the inventory"));
            let (ours, theirs) = (chain(&row.ours)?, chain(&row.theirs)?);
            self.standing.insert(
                row.partner,
                Pairing { ours, theirs, forks: row.forks.into_iter().collect(), open: row.open, ..Pairing::default() },
            );
        }
        Ok(())
    }

    /// One row. They may come in any order, each once.
    ///
    /// # Errors
    /// [`RowError`] for a row that is none.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let (partner, rest) = key.split_first_chunk::<32>().ok_or_else(|| bad("key"))?;
        let rows = self.rows.entry(BureauId(*partner)).or_default();
        match rest.split_first() {
            Some((&OPEN, _)) => rows.open = Some(read("ledger", value)?),
            Some((&FORKED, id)) => drop(rows.forks.insert(StatementId(id.try_into().map_err(|_| bad("key"))?))),
            Some((&direction @ (OURS | THEIRS), n)) => {
                let n = <[u8; 8]>::try_from(n).map_err(|_| bad("key"))?;
                let line = Read::from_bytes(&self.network, value, self.lines.is_none()).ok_or_else(|| bad("no line"))?;
                if line.n().to_be_bytes() != n {
                    return Err(bad("a line in another's place"));
                }
                rows.lines.insert((direction, line.n()), line);
            }
            _ => return Err(bad("key")),
        }
        Ok(())
    }

    /// All of them; documents that came after the last receipt wait for theirs again. No seal is checked again: a line is written once it was, and
    /// the store authenticates what it gives back. A line that was lost is left out: the one behind it says what it was called, and nothing is ever
    /// stated in its place.
    ///
    /// # Errors
    /// [`RowError`] for a line that is none or continues another chain.
    pub fn finish(self, documents: &Documents) -> Result<Ledgers, RowError> {
        let mut pairs = self.standing;
        for (partner, rows) in self.rows {
            let pairing = pairs.entry(partner).or_default();
            pairing.forks.extend(rows.forks);
            if let Some(open) = rows.open {
                pairing.open = open;
            }
            for ((direction, _), line) in rows.lines {
                let chain = if direction == OURS { &mut pairing.ours } else { &mut pairing.theirs };
                chain.push_stored(line).map_err(|error| bad(&error.to_string()))?;
            }
        }
        // One walk at most, and none where every pair has its receipts.
        let wanting = |(owner, pairing): (&BureauId, &Pairing)| documents.newest_owned(owner) > pairing.open.receipted;
        if pairs.iter().any(wanting) {
            for line in documents.values() {
                if let Some(pairing) = pairs.get_mut(&line.owner).filter(|pairing| line.newest_seq > pairing.open.receipted) {
                    pairing.pending.insert(line.document);
                    pairing.due = Some(MonoMillis(0));
                }
            }
        }
        Ok(Ledgers { pairs, resting: Resting { lines: self.lines, ..Resting::default() }, ..Ledgers::default() })
    }
}
