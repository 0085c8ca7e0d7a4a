//! Reading a whole journal past its damage: what is whole, what can be saved, what is gone.

use accord_protocol::id::DocumentId;
use accord_protocol::step::Table;

use super::batch::{self, Batch, Blob, Record};
use super::cipher::Subkey;
use super::disk::Disk;
use super::error::{Damage, StoreError};
use super::frame::{self, HEAD, HEADER, Head};
use super::journal::{self, FileReader, JournalKeys, TornTail};
use super::keyring::Keyring;
use super::options::{Progress, Stage};
use super::rows;
use super::table::Stretches;

/// A part sealed on its own whose bytes no longer open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostPart {
    /// Items of a document that were sealed together.
    Items {
        /// The document.
        document: DocumentId,
        /// Sequence of the first.
        first: u64,
        /// Sequence of the last.
        last: u64,
    },
    /// A table's value.
    Value {
        /// The table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
    },
}

impl LostPart {
    /// The record that says so.
    pub(super) fn record(&self) -> Record {
        match self {
            Self::Items { document, last, .. } => Record::Lost { document: *document, seq: *last },
            Self::Value { table, key } => Record::LostPut { table: *table as u8, key: key.clone() },
        }
    }

    fn is_told_by(&self, record: &Record) -> bool {
        self.record() == *record
    }
}

/// What reading every byte of a store found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Whole batches.
    pub batches: u64,
    /// Items that open.
    pub items: u64,
    /// Values, and items sealed together, whose key was destroyed by a purge.
    pub purged: u64,
    /// Records of which compaction left the digest.
    pub reduced: u64,
    /// Bytes of journal read.
    pub bytes: u64,
    /// Bytes of an unfinished, never acknowledged batch at the very end. The next start cuts them off; this is no damage.
    pub torn_tail_bytes: u64,
    /// Everything that is not what was once durable.
    pub damage: Vec<Damage>,
}

/// A stretch of a journal file.
#[derive(Clone, Debug)]
pub enum Part {
    /// Whole frames, one after the other.
    Frames(Run),
    /// One frame whose checksum fails while its record list opens.
    Salvaged(Run),
    /// Bytes that are no frame of this place.
    Bad,
}

impl Part {
    /// Its frames, if it has any.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Frames(run) | Self::Salvaged(run) => Some(run),
            Self::Bad => None,
        }
    }
}

/// Frames `first..=last` between two offsets.
#[derive(Clone, Debug)]
pub struct Run {
    pub start: u64,
    pub end: u64,
    pub first: u64,
    pub last: u64,
    pub before: [u8; 32],
    pub after: [u8; 32],
    /// Highest item sequence that may stand before the run, and the one after it.
    pub items_before: u64,
    pub items_after: u64,
}

/// One journal file.
#[derive(Clone, Debug)]
pub struct FileSurvey {
    pub number: u64,
    /// Whether the file is there, with a header of this store and number.
    pub whole_header: bool,
    pub present: bool,
    /// Sequence and chain the header continues.
    pub continues: Option<(u64, [u8; 32])>,
    pub parts: Vec<Part>,
    /// Whether compaction wrote it: its frames stand elsewhere than they did.
    pub rewritten: bool,
    /// Whether its table of what moved does not read or does not say what the frames say.
    pub bad_table: bool,
}

/// A whole journal.
pub struct Survey {
    pub report: VerifyReport,
    pub files: Vec<FileSurvey>,
    /// Parts that do not open and were not yet recorded as lost by a repair.
    pub lost: Vec<(LostPart, Damage)>,
    pub torn: Option<TornTail>,
    /// Last whole batch and the chain head after it.
    pub seq: u64,
    pub chain: [u8; 32],
    value_key: Subkey,
    told: bool,
}

/// Reads every byte of the journal. `witness` is a batch known to have been acknowledged; the keyring takes in keys on the way.
pub fn take(
    disk: &dyn Disk,
    keys: &JournalKeys,
    keyring: &mut Keyring,
    witness: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Survey, StoreError> {
    let through = keyring.through.seq;
    let start = journal::beginning(keys);
    let report = VerifyReport::default();
    let mut survey = Survey {
        report,
        files: Vec::new(),
        lost: Vec::new(),
        torn: None,
        seq: 0,
        chain: start.chain,
        value_key: keys.value.clone(),
        told: false,
    };
    let last = journal::file_numbers(disk)?.last().copied().unwrap_or(1);
    let mut total = 0;
    for number in 1..=last {
        let name = journal::file_name(number);
        total += disk.len(&name).map_err(StoreError::io("measuring", &name))?.unwrap_or(0);
    }
    let mut tell = |done, items| progress(Progress { stage: Stage::Journal, done, total, items });
    for number in 1..=last {
        survey.file(disk, keys, keyring, through, number, number == last, &mut tell)?;
    }
    let known = witness.max(through);
    if survey.seq < known {
        let what = format!("the journal ends at batch {}, yet batch {known} was acknowledged", survey.seq);
        let file = journal::file_name(last);
        let offset = survey.torn.as_ref().map_or(0, |torn| torn.offset);
        survey.report.damage.push(Damage { file, offset, what });
        survey.torn = None;
    }
    survey.report.damage.extend(survey.lost.iter().map(|(_, damage)| damage.clone()));
    survey.report.torn_tail_bytes = survey.torn.as_ref().map_or(0, |torn| torn.bytes);
    Ok(survey)
}

impl Survey {
    #[allow(clippy::too_many_arguments, reason = "what one pass over one file needs; used in one place")]
    fn file(
        &mut self,
        disk: &dyn Disk,
        keys: &JournalKeys,
        keyring: &mut Keyring,
        through: u64,
        number: u64,
        is_last: bool,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let name = journal::file_name(number);
        let mut found = FileSurvey {
            number,
            whole_header: false,
            present: false,
            continues: None,
            parts: Vec::new(),
            rewritten: false,
            bad_table: false,
        };
        let Some(mut file) = FileReader::open(disk, number)? else {
            self.damage(&name, 0, "journal file missing");
            self.files.push(found);
            return Ok(());
        };
        found.present = true;
        match file.header(keys)? {
            Some(header) if header.store != keys.store => return Err(StoreError::WrongKey),
            Some(header) if header.file == number => {
                found.whole_header = true;
                found.continues = Some((header.first, header.chain));
                if (header.first, header.chain) != (self.seq + 1, self.chain) {
                    self.damage(&name, 0, &format!("batches from {} on are missing before this file", self.seq + 1));
                    self.told = true;
                }
            }
            Some(_) => self.damage(&name, 0, "header of another place in the journal"),
            None if is_last && number > 1 && file.next_valid(keys, 0, self.seq)?.is_none() => {
                self.torn = Some(TornTail { file: number, offset: 0, bytes: file.written_end(0)? });
                self.report.bytes += file.len();
                found.parts.push(Part::Bad);
                self.files.push(found);
                return Ok(());
            }
            None => self.damage(&name, 0, "garbled file header"),
        }
        let before = self.report.bytes;
        let mut length = file.len();
        let mut end = length;
        let header = file.header(keys)?;
        found.rewritten = header.is_some_and(|header| header.is_rewritten());
        let table = match file.table(keys) {
            Err(StoreError::Damaged(damage)) => {
                found.bad_table = true;
                self.report.damage.push(damage);
                None
            }
            table => table?,
        };
        if let Some(table) = &table {
            end = table.now_end();
        }
        let mut at = HEADER as u64;
        let mut stretches = Stretches::new();
        while at < end {
            let what = match file.frame(keys, at)? {
                Ok((head, batch, len)) if self.may_follow(&head, &batch) => {
                    self.whole(&mut file, keyring, through, &name, at, len, &head, &batch)?;
                    found.enter(run(at, len, &head, &batch));
                    found.rewritten |= batch.was.is_some();
                    stretches.frame(&head, &batch);
                    at += len;
                    tell(before + at, self.report.items);
                    continue;
                }
                Ok(_) => "a frame of another place in the journal".to_owned(),
                Err(what) => what,
            };
            if let Some((head, batch, len)) = salvage(&mut file, keys, at)?
                && self.may_follow(&head, &batch)
            {
                self.damage(&name, at, &what);
                self.whole(&mut file, keyring, through, &name, at, len, &head, &batch)?;
                found.rewritten |= batch.was.is_some();
                found.parts.push(Part::Salvaged(run(at, len, &head, &batch)));
                at += len;
                continue;
            }
            let next = file.next_valid(keys, at + 1, self.seq)?;
            let continued = next.is_none() && is_last && !found.rewritten && !found.bad_table;
            let written = if continued { file.written_end(at)? } else { file.len() };
            if written == at {
                // Room for the frames to come.
                length = at;
                break;
            }
            found.parts.push(Part::Bad);
            if found.bad_table && next.is_none() {
                // What is left is the table, of which it was said that it does not read.
            } else if continued {
                self.torn = Some(TornTail { file: number, offset: at, bytes: written - at });
            } else {
                self.damage(&name, at, &what);
            }
            at = next.unwrap_or(file.len());
        }
        if let (Some(table), [Part::Frames(_)]) = (&table, &found.parts[..]) {
            found.bad_table = match table.stretches(disk, &keys.table) {
                Ok(stated) => stated != stretches,
                Err(StoreError::Damaged(_)) => true,
                Err(error) => return Err(error),
            };
            if found.bad_table {
                self.damage(&name, end, "the table of what moved is not that of the frames");
            }
        }
        self.report.bytes = before + length;
        self.files.push(found);
        Ok(())
    }

    /// Whether a frame comes after everything met so far; what is missing between is a gap.
    fn may_follow(&self, head: &Head, batch: &Batch) -> bool {
        match batch.records[..] {
            [Record::Gap { from, to }] => from == self.seq + 1 && to == head.seq,
            _ => head.seq > self.seq,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one frame and where it stands; used twice, right above")]
    fn whole(
        &mut self,
        file: &mut FileReader<'_>,
        keyring: &mut Keyring,
        through: u64,
        name: &str,
        at: u64,
        len: u64,
        head: &Head,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let gap = matches!(batch.records[..], [Record::Gap { .. }]);
        if std::mem::take(&mut self.told) {
            // The header said it.
        } else if !gap && head.seq != self.seq + 1 {
            self.damage(name, at, &format!("batches {} to {} are missing", self.seq + 1, head.seq - 1));
        } else if batch.before != self.chain {
            self.damage(name, at, &format!("batch {} does not continue the chain", head.seq));
        }
        (self.seq, self.chain) = (head.seq, batch.after);
        self.report.batches += 1;
        let bytes = file.bytes(at, len)?;
        let blobs = &bytes[HEAD..HEAD + head.blobs as usize];
        for record in &batch.records {
            if head.seq > through
                && let Err(what) = keyring.replay(record)
            {
                self.damage(name, at, &what);
            }
            let (key, bound, blob, lost) = match record {
                Record::Lost { .. } | Record::LostPut { .. } => {
                    self.lost.retain(|(lost, _)| !lost.is_told_by(record));
                    continue;
                }
                Record::Dead { .. } => {
                    self.report.reduced += 1;
                    continue;
                }
                Record::Item { document, seq, blob } => {
                    let lost = LostPart::Items { document: *document, first: *seq, last: *seq };
                    (Owner::Document(*document), batch::item_bound(document, *seq), blob, lost)
                }
                Record::Items { document, first, last, blob } => {
                    let lost = LostPart::Items { document: *document, first: *first, last: *last };
                    (Owner::Document(*document), batch::items_bound(document, *first, *last), blob, lost)
                }
                Record::PutBlob { table, key, blob } => {
                    let number = *table;
                    let Some(table) = Table::from_number(number) else { continue };
                    let owner = rows::owner(number, key).map_or(Owner::Store, Owner::Document);
                    (owner, batch::put_bound(number, key), blob, LostPart::Value { table, key: key.clone() })
                }
                _ => continue,
            };
            let opened = match key {
                // A later purge is met further on, so a document without a key is judged at the end.
                Owner::Document(document) if keyring.is_purged(&document) => None,
                Owner::Document(document) => Some(keyring.get(&document).and_then(|key| opens(key, &bound, blobs, blob))),
                Owner::Store => Some(opens(&self.value_key, &bound, blobs, blob)),
            };
            let count = |content: &[u8]| match record {
                Record::Item { .. } => Some(1),
                Record::Items { first, last, .. } => batch::split_items(content, *first, *last).map(|items| items.len() as u64),
                _ => Some(0),
            };
            match opened.map(|content| content.as_deref().and_then(count)) {
                None => self.report.purged += 1,
                Some(Some(items)) => self.report.items += items,
                Some(None) => {
                    let what = "a sealed part does not open".to_owned();
                    self.lost.push((lost, Damage { file: name.to_owned(), offset: at, what }));
                }
            }
        }
        Ok(())
    }

    fn damage(&mut self, file: &str, offset: u64, what: &str) {
        self.report.damage.push(Damage { file: file.to_owned(), offset, what: what.to_owned() });
    }
}

enum Owner {
    Document(DocumentId),
    Store,
}

impl FileSurvey {
    fn enter(&mut self, run: Run) {
        match self.parts.last_mut() {
            Some(Part::Frames(last)) if last.end == run.start && last.last + 1 == run.first && last.after == run.before => {
                (last.end, last.last, last.after, last.items_after) = (run.end, run.last, run.after, run.items_after);
            }
            _ => self.parts.push(Part::Frames(run)),
        }
    }
}

fn run(start: u64, len: u64, head: &Head, batch: &Batch) -> Run {
    // Those of one batch stand by document, not in the order of their sequences.
    let first_item = batch.records.iter().filter_map(|record| match record {
        Record::Item { seq, .. } => Some(*seq),
        Record::Items { first, .. } => Some(*first),
        _ => None,
    });
    let first = match batch.records[..] {
        [Record::Gap { from, .. }] => from,
        _ => head.seq,
    };
    Run {
        start,
        end: start + len,
        first,
        last: head.seq,
        before: batch.before,
        after: batch.after,
        items_before: first_item.min().map_or(batch.item_seq, |seq| seq - 1),
        items_after: batch.item_seq,
    }
}

fn opens(key: &Subkey, bound: &[u8], blobs: &[u8], blob: &Blob) -> Option<Vec<u8>> {
    let end = blob.at.checked_add(blob.len).map(|end| end as usize);
    batch::open_blob(key, bound, blobs.get(blob.at as usize..end?)?, Some(&blob.digest))
}

/// A frame whose checksum fails although its record list opens.
fn salvage(file: &mut FileReader<'_>, keys: &JournalKeys, at: u64) -> Result<Option<(Head, Batch, u64)>, StoreError> {
    let Some(head) = Head::parse(file.bytes(at, HEAD as u64)?) else { return Ok(None) };
    let bytes = file.bytes(at, head.total())?;
    Ok(frame::open(&keys.frame, bytes).ok().map(|(head, batch)| (head, batch, head.total())))
}
