//! Held work entered again: an act that quotes its author's own signed segment, so that what the author signed counts as the author's.
//!
//! A wrapper is an ordinary act of whoever may write; what it quotes is one change with its writer's signature. The owner may quote anybody,
//! a bureau its own ([`crate::access::may_reenter`]); any other wrapper is stored like every act and shows nothing. Acts carry a uuid and count
//! once: if the original is let in after all, the one settled first stands. What was written into the shared text is not entered again.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::directory::Directory;
use accord_keys::time::WallSeconds;

use super::DocState;
use crate::access;
use crate::act::{Act, ActKind};
use crate::id::{BureauId, Bytes, CertificateId, DocumentId, Nonce, RecordId};
use crate::limits;
use crate::rules::{self, ChangeHash, ParsedChange};
use crate::segment;

/// How an act came into a document that its author did not enter itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reentry {
    /// The wrapper's change.
    pub change: ChangeHash,
    /// Certificate and bureau of who entered it again.
    pub certificate: CertificateId,
    /// See `certificate`.
    pub bureau: BureauId,
}

/// What one wrapper quotes, once its author's signature was verified.
#[derive(Clone, Debug)]
pub(super) struct Quoted {
    /// The wrapper's own uuid.
    uuid: Nonce,
    /// The author.
    pub certificate: CertificateId,
    pub bureau: BureauId,
    /// The change quoted, and the record it cites.
    pub change: ChangeHash,
    pub cited: RecordId,
}

/// Why a quote shows nothing.
enum Unread {
    /// The author's certificate is not here yet.
    Waiting(CertificateId),
    /// It proves nothing, for ever.
    Broken,
}

/// Checks what a wrapper quotes: one change of this document under its author's signature. A function of bytes and certificate alone.
fn read(directory: &Directory, document: &DocumentId, act: &Act) -> Result<Quoted, Unread> {
    let quote = act.quote.as_ref().ok_or(Unread::Broken)?;
    let quoted = segment::decode(&quote.0).map_err(|_| Unread::Broken)?;
    if quoted.document != *document || quoted.changes.len() != 1 {
        return Err(Unread::Broken);
    }
    let author = directory.certificate(&quoted.certificate).ok_or(Unread::Waiting(quoted.certificate))?.body();
    let checked = segment::check(directory.network(), author, quoted).map_err(|_| Unread::Broken)?;
    let here = checked.positions().first().ok_or(Unread::Broken)?;
    let (change, cited) = (here.change, here.cited);
    Ok(Quoted { uuid: act.uuid, certificate: checked.segment().certificate, bureau: author.bureau, change, cited })
}

/// The wrappers among a change's acts.
fn wrappers(change: &ParsedChange) -> impl Iterator<Item = Act> {
    let may_be = change.acts().filter(|bytes| Act::may_reenter(bytes));
    may_be.filter_map(|bytes| Act::from_bytes(bytes).ok()).filter(|act| act.kind == ActKind::Reentered)
}

impl DocState {
    /// Reads what a change that found its place quotes.
    pub(super) fn note_quotes(&mut self, directory: &Directory, hash: &ChangeHash, change: &ParsedChange) {
        for act in wrappers(change) {
            match read(directory, &self.log.document(), &act) {
                Ok(quoted) => self.quotes.entry(*hash).or_default().push(quoted),
                Err(Unread::Waiting(author)) => drop(self.quotes_waiting.entry(author).or_default().insert(*hash)),
                Err(Unread::Broken) => {}
            }
        }
    }

    /// Certificates may have become known: what quotes somebody unknown until now is read again, and nothing else. Whoever quotes somebody who does
    /// not exist costs each push a look into the directory, and no reading of what he wrote.
    pub(super) fn retry_quotes(&mut self, directory: &Directory) {
        let known: Vec<CertificateId> =
            self.quotes_waiting.keys().filter(|author| directory.certificate(author).is_some()).copied().collect();
        let ready: BTreeSet<ChangeHash> = known.iter().filter_map(|author| self.quotes_waiting.remove(author)).flatten().collect();
        for hash in ready {
            let Some(change) = self.raw.get(&hash).and_then(|raw| rules::parse(raw).ok()) else { continue };
            self.quotes.remove(&hash);
            self.note_quotes(directory, &hash, &change);
            if let Some(order) = self.status.get(&hash).and_then(|status| status.anchor) {
                // On a branch of the log a lower record than its first anchor may have settled it.
                let first = self.first_aside.get(&hash).map_or(order.1, |aside| order.1.min(*aside));
                self.note_quoted_contributors(&hash, first);
            }
        }
    }

    /// Whoever is quoted in something settled has written here, as if it had entered it itself.
    pub(super) fn note_quoted_contributors(&mut self, hash: &ChangeHash, index: u32) {
        let owner = self.owner();
        for bureau in self.counting_quotes(hash).map(|quoted| quoted.bureau).filter(|bureau| *bureau != owner).collect::<Vec<_>>() {
            let first = self.contributors.entry(bureau).or_insert(index);
            *first = index.min(*first);
        }
    }

    /// What a wrapper quotes that its writer may enter again.
    fn counting_quotes(&self, hash: &ChangeHash) -> impl Iterator<Item = &Quoted> {
        let writer = self.index.get(hash).and_then(|meta| self.actors.get(&meta.actor)).map(|actor| actor.member.bureau);
        let counts = move |quoted: &&Quoted| writer.is_some_and(|writer| access::may_reenter(self.owner(), writer, quoted.bureau));
        self.quotes.get(hash).into_iter().flatten().filter(counts)
    }

    /// The bureau of whom a wrapper quotes, if what it quotes counts.
    pub(super) fn quoted_author(&self, hash: &ChangeHash, uuid: &Nonce) -> Option<BureauId> {
        self.counting_quotes(hash).find(|quoted| quoted.uuid == *uuid).map(|quoted| quoted.bureau)
    }

    /// The acts a wrapper enters again, with their author: nothing of one who may not, and no wrapper in a wrapper.
    pub(super) fn quoted_acts(&self, hash: &ChangeHash, wrapper: &Act) -> Option<(Quoted, Vec<Act>)> {
        let quoted = self.counting_quotes(hash).find(|quoted| quoted.uuid == wrapper.uuid)?.clone();
        let segment = segment::decode(&wrapper.quote.as_ref()?.0).ok()?;
        let change = rules::parse(&segment.changes.first()?.0).ok()?;
        let acts = change.acts().filter_map(|bytes| Act::from_bytes(bytes).ok()).filter(|act| act.kind != ActKind::Reentered);
        Some((quoted, acts.collect()))
    }

    /// Changes that were entered again by an admitted wrapper, with that wrapper's change: the lowest, where there are several.
    pub fn reentered(&self) -> BTreeMap<ChangeHash, ChangeHash> {
        let mut out: BTreeMap<ChangeHash, ChangeHash> = BTreeMap::new();
        for wrapper in self.quotes.keys().filter(|wrapper| self.admitted.contains(*wrapper)) {
            for quoted in self.counting_quotes(wrapper) {
                out.entry(quoted.change).or_insert(*wrapper);
            }
        }
        out
    }

    /// Whether an admitted wrapper quotes somebody of none of these bureaus.
    pub(super) fn quotes_other(&self, bureaus: &[BureauId]) -> bool {
        let admitted = self.quotes.keys().filter(|wrapper| self.admitted.contains(*wrapper));
        admitted.flat_map(|wrapper| self.counting_quotes(wrapper)).any(|quoted| !bureaus.contains(&quoted.bureau))
    }

    /// When a change was first learnt here, if that was noted.
    pub fn change_learnt(&self, change: &ChangeHash) -> Option<WallSeconds> {
        let holds = |kept: &&super::Kept| kept.hashes.contains(change);
        self.segments.iter().filter(holds).filter_map(|kept| self.learnt.get(&kept.seq).copied()).min()
    }

    /// Who entered something again.
    pub fn reentry(&self, wrapper: &ChangeHash) -> Option<Reentry> {
        let actor = self.actors.get(&self.index.get(wrapper)?.actor)?;
        Some(Reentry { change: *wrapper, certificate: actor.certificate, bureau: actor.member.bureau })
    }

    /// Certificates of those quoted in these changes: evidence a reader needs.
    pub(super) fn quoted_certificates<'a>(&'a self, among: impl Fn(&ChangeHash) -> bool + 'a) -> impl Iterator<Item = CertificateId> + 'a {
        self.quotes.iter().filter(move |(hash, _)| among(hash)).flat_map(|(_, all)| all).map(|quoted| quoted.certificate)
    }

    /// The record under whose rights an act entered again was written.
    pub fn quoted_citation(&self, wrapper: &ChangeHash, original: &ChangeHash) -> Option<RecordId> {
        self.counting_quotes(wrapper).find(|quoted| quoted.change == *original).map(|quoted| quoted.cited)
    }

    /// The bytes that quote one change under its writer's signature; `None` when it is not here whole, or too long to be quoted.
    pub fn quote_of(&self, change: &ChangeHash) -> Option<Bytes> {
        let holds = |kept: &&super::Kept| kept.hashes.iter().take(kept.segment.changes.len()).any(|hash| hash == change);
        let quotes = self.segments.iter().filter(holds).filter_map(|kept| {
            let at = kept.hashes.iter().position(|hash| hash == change)?;
            Some(accord_keys::canon::encode(&kept.segment.only(kept.segment.from + at as u64)?))
        });
        // Beside the quote an act holds a seat and a few numbers.
        quotes.filter(|bytes| bytes.len() + 512 <= limits::ACT_BYTES_MAX).min_by_key(Vec::len).map(Bytes)
    }
}
