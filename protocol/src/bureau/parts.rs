//! Erasable parts at this node: which files documents name, what of them is here, and their end.
//!
//! | file | what |
//! |---|---|
//! | here | rows, what a document's acts and records say, destroying |
//! | `travel` | asking for what is missing, giving what is asked for |
//! | `faces` | laying down, attaching, listing, reading, ordering an erasure |
//!
//! Every part lies in the store under an id of its own (its *place*), so that destroying the key of that id destroys the part and nothing else.
//! The first half of a place is drawn at random by this node for each file: two files share nothing, whatever their manifests say. A row for each
//! file says what it is made of and what of it is here, never how it is called. Rows of erased files stay: they keep the file from coming back,
//! and a start destroys again what a crash may have left.

mod faces;
mod travel;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minicbor::{Decode, Encode};

use super::Bureau;
use super::rows::{RowError, read, write};
use super::turn::Turn;
use crate::id::{BureauId, Bytes, Digest, DocumentId, Nonce, RecordId};
use crate::ledger::Deed;
use crate::limits;
use crate::part::{self, Manifest};
use crate::step::{Table, Write};
use crate::time::{MonoMillis, WallSeconds};

pub(in crate::bureau) use travel::OnLink;

/// First bytes of keys of [`Table::Parts`].
const FILE: u8 = 0;
const STAGED: u8 = 1;
const DONE: u8 = 2;
/// First byte of a stored part: the version of what follows.
const STORED: u8 = 1;
/// What is left lying is looked for this often, milliseconds.
const SWEEP_MS: u64 = 600_000;

/// What became of a file.
const KEPT: u8 = 0;
const UNREADABLE: u8 = 1;
const ERASED: u8 = 2;

/// A file as kept: no name, no content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct FileRow {
    #[n(0)]
    version: u8,
    /// First half of the places of its parts.
    #[n(1)]
    space: Nonce,
    /// An admitted act attaches it.
    #[n(2)]
    named: bool,
    #[n(3)]
    state: u8,
    /// Bytes of its pieces, once its manifest was read.
    #[n(4)]
    size: u64,
    /// Names of its pieces, end to end.
    #[n(5)]
    pieces: Bytes,
    /// What is here: a bit for the manifest, then one for each piece.
    #[n(6)]
    here: Bytes,
    /// When it was heard of, or erased.
    #[n(7)]
    at: WallSeconds,
    /// Whose act attaches it.
    #[n(8)]
    author: BureauId,
}

/// Pieces laid down that no document names yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct StagedRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    document: DocumentId,
    #[n(2)]
    pieces: Bytes,
    #[n(3)]
    size: u64,
}

/// An erasure that was carried out here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct DoneRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    at: WallSeconds,
    /// The owner was told.
    #[n(2)]
    attested: bool,
}

/// A file and how it is asked for.
#[derive(Clone, Debug)]
struct File {
    row: FileRow,
    /// When it is asked for next; `None`: nothing is missing.
    next_ask: Option<MonoMillis>,
    tries: u32,
    /// Its pieces were not compared yet with what records erased: none is asked for.
    unchecked: bool,
    /// Counted among those of its author of which pieces are missing.
    open: bool,
}

#[derive(Clone, Debug)]
struct Staged {
    row: StagedRow,
    last: MonoMillis,
    /// Its keys were destroyed; its row goes with the next look.
    dead: bool,
}

/// How a file is called, and what it says it is.
#[derive(Clone, Debug)]
struct Shown {
    name: String,
    media: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Parts {
    files: BTreeMap<DocumentId, BTreeMap<Digest, File>>,
    /// The file a place belongs to, by the first half of it.
    spaces: BTreeMap<Nonce, (DocumentId, Digest)>,
    staged: BTreeMap<Nonce, Staged>,
    done: BTreeMap<(DocumentId, RecordId), DoneRow>,
    /// Files of which something is missing, by when they are asked for next.
    wanting: BTreeSet<(MonoMillis, DocumentId, Digest)>,
    /// How many those are of each author, and of how many of them the pieces are known: these take memory.
    wanted_of: BTreeMap<BureauId, (usize, usize)>,
    /// Files whose manifests came and were not compared yet with what records erased.
    unchecked: BTreeSet<(DocumentId, Digest)>,
    /// Parts read from the store, by place, oldest first out.
    shelf: BTreeMap<DocumentId, Vec<u8>>,
    shelved: VecDeque<DocumentId>,
    shelf_bytes: usize,
    shown: BTreeMap<(DocumentId, Digest), Shown>,
    /// Places the store could not give.
    lost: Vec<DocumentId>,
    /// Nothing is asked for before.
    rest_until: MonoMillis,
    next_sweep: MonoMillis,
    /// What a crash may have left was destroyed.
    begun: bool,
}

/// Where a part lies in the store.
fn place(space: &Nonce, part: &Digest) -> DocumentId {
    let mut hasher = blake3::Hasher::new_derive_key("accord part place v1");
    let hash = hasher.update(&space.0).update(&part.0).finalize();
    let mut out = [0; 32];
    out[..16].copy_from_slice(&space.0);
    out[16..].copy_from_slice(&hash.as_bytes()[..16]);
    DocumentId(out)
}

fn space_of(place: &DocumentId) -> Nonce {
    let mut out = [0; 16];
    out.copy_from_slice(&place.0[..16]);
    Nonce(out)
}

fn file_key(document: &DocumentId, file: &Digest) -> Vec<u8> {
    [&[FILE], document.0.as_slice(), &file.0].concat()
}

fn done_key(document: &DocumentId, record: &RecordId) -> Vec<u8> {
    [&[DONE], document.0.as_slice(), &record.0].concat()
}

fn staged_key(space: &Nonce) -> Vec<u8> {
    [&[STAGED], space.0.as_slice()].concat()
}

impl File {
    fn new(space: Nonce, author: BureauId, at: WallSeconds) -> Self {
        let (pieces, here) = (Bytes(Vec::new()), Bytes(Vec::new()));
        Self::of(FileRow { version: 1, space, named: false, state: KEPT, size: 0, pieces, here, at, author })
    }
    fn of(row: FileRow) -> Self {
        Self { row, next_ask: None, tries: 0, unchecked: false, open: false }
    }
    /// All its parts, the manifest first.
    fn parts(&self, file: &Digest) -> Vec<Digest> {
        std::iter::once(*file).chain(part::digests(&self.row.pieces.0)).collect()
    }
    fn is_here(&self, at: usize) -> bool {
        self.row.here.0.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0)
    }
    fn set_here(&mut self, at: usize, here: bool) {
        let bytes = &mut self.row.here.0;
        if bytes.len() <= at / 8 {
            bytes.resize(at / 8 + 1, 0);
        }
        if here {
            bytes[at / 8] |= 1 << (at % 8);
        } else {
            bytes[at / 8] &= !(1 << (at % 8));
        }
    }
    fn count(&self) -> usize {
        1 + self.row.pieces.0.len() / 32
    }
    fn here(&self) -> usize {
        (0..self.count()).filter(|at| self.is_here(*at)).count()
    }
    fn is_wanting(&self) -> bool {
        self.row.named && self.row.state == KEPT && self.here() < self.count()
    }
    /// Which of its parts a name means.
    fn at(&self, file: &Digest, part: &Digest) -> Option<usize> {
        self.parts(file).iter().position(|one| one == part)
    }
    fn places(&self, file: &Digest) -> Vec<DocumentId> {
        self.parts(file).iter().map(|part| place(&self.row.space, part)).collect()
    }
    /// How it stands, as a stable word.
    fn word(&self) -> &'static str {
        match self.row.state {
            ERASED => "erased",
            UNREADABLE => "unreadable",
            _ if self.here() == self.count() => "here",
            _ => "coming",
        }
    }
}

impl Parts {
    /// Reads the table back.
    ///
    /// # Errors
    /// [`RowError`] for a row that is none.
    pub fn open(rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self, RowError> {
        let bad = || RowError { table: "parts", why: "key".to_owned() };
        let two = |rest: &[u8]| {
            let (one, other) = rest.split_first_chunk::<32>().ok_or_else(bad)?;
            Ok::<_, RowError>((DocumentId(*one), <[u8; 32]>::try_from(other).map_err(|_| bad())?))
        };
        let mut out = Self::default();
        for (key, value) in rows {
            let (first, rest) = key.split_first().ok_or_else(bad)?;
            match *first {
                FILE => {
                    let (document, file) = two(rest)?;
                    let row: FileRow = read("parts", &value)?;
                    let file = Digest(file);
                    out.spaces.insert(row.space, (document, file));
                    let mut found = File::of(row);
                    // A start may lie between a manifest and the look at what was erased.
                    found.unchecked = found.is_wanting() && found.is_here(0);
                    if found.unchecked {
                        out.unchecked.insert((document, file));
                    }
                    out.files.entry(document).or_default().insert(file, found);
                    out.plan(&document, &file, MonoMillis(0));
                }
                STAGED => {
                    let space = Nonce(rest.try_into().map_err(|_| bad())?);
                    out.staged.insert(space, Staged { row: read("parts", &value)?, last: MonoMillis(0), dead: false });
                }
                DONE => {
                    let (document, record) = two(rest)?;
                    out.done.insert((document, RecordId(record)), read("parts", &value)?);
                }
                _ => return Err(bad()),
            }
        }
        Ok(out)
    }
    /// Notes when a file is asked for next, if something of it is missing.
    fn plan(&mut self, document: &DocumentId, file: &Digest, at: MonoMillis) {
        let Some(found) = self.files.get_mut(document).and_then(|files| files.get_mut(file)) else { return };
        let count = self.wanted_of.entry(found.row.author).or_default();
        if let Some(before) = found.next_ask.take() {
            self.wanting.remove(&(before, *document, *file));
            count.0 -= 1;
        }
        count.1 -= usize::from(std::mem::take(&mut found.open));
        if found.is_wanting() {
            found.next_ask = Some(at);
            found.open = found.is_here(0);
            *count = (count.0 + 1, count.1 + usize::from(found.open));
            self.wanting.insert((at, *document, *file));
        }
    }
    fn file(&self, document: &DocumentId, file: &Digest) -> Option<&File> {
        self.files.get(document)?.get(file)
    }
    fn file_mut(&mut self, document: &DocumentId, file: &Digest) -> Option<&mut File> {
        self.files.get_mut(document)?.get_mut(file)
    }
    fn shelve(&mut self, place: DocumentId, bytes: Vec<u8>) {
        self.unshelve(&place);
        self.shelf_bytes += bytes.len();
        self.shelf.insert(place, bytes);
        self.shelved.push_back(place);
    }
    fn unshelve(&mut self, place: &DocumentId) -> Option<Vec<u8>> {
        let bytes = self.shelf.remove(place)?;
        self.shelf_bytes -= bytes.len();
        self.shelved.retain(|other| other != place);
        Some(bytes)
    }
    /// What is too much falls off, the oldest first: called when everybody who waited had a turn.
    pub fn trim(&mut self) {
        while self.shelf_bytes > limits::PARTS_SHELF_BYTES {
            let Some(oldest) = self.shelved.front().copied() else { break };
            self.unshelve(&oldest);
        }
    }
    /// Remembers how a file is called.
    fn show(&mut self, document: DocumentId, file: Digest, manifest: &Manifest) {
        if self.shown.len() >= limits::MANIFESTS_CACHED_MAX {
            self.shown.clear();
        }
        self.shown.insert((document, file), Shown { name: manifest.name.clone(), media: manifest.media.clone() });
    }
    /// Other links or agreements may give what is missing: all of it is looked at again.
    pub fn look_again(&mut self, now: MonoMillis) {
        self.rest_until = MonoMillis(0);
        let later: Vec<(DocumentId, Digest)> =
            self.wanting.iter().filter(|(at, ..)| *at > now).map(|(_, document, file)| (*document, *file)).collect();
        for (document, file) in later {
            if let Some(found) = self.file_mut(&document, &file) {
                found.tries = 0;
            }
            self.plan(&document, &file, now);
        }
    }
    /// When something is due.
    pub fn next_wake(&self) -> Option<MonoMillis> {
        let staged = self.staged.values().filter(|staged| !staged.dead).map(|staged| staged.last.plus(limits::STAGED_KEPT_MS)).min();
        // It is looked for at the next sweep and not before.
        let staged = staged.map(|at| at.max(self.next_sweep));
        let ask = self.wanting.first().map(|(at, ..)| (*at).max(self.rest_until));
        [ask, staged].into_iter().flatten().min()
    }
}

impl Bureau {
    /// Takes what the store gave for a place; `false` if it is none.
    pub(super) fn hold_part(&mut self, place: DocumentId, items: &[(u64, Vec<u8>)]) -> bool {
        let space = space_of(&place);
        let Some((document, file)) = self.parts.spaces.get(&space).copied() else { return false };
        self.loading.remove(&place);
        // One that was laid down twice, since the first was damaged: either will do.
        let found = items.iter().rev().find_map(|(_, body)| {
            let bytes = body.strip_prefix(&[STORED])?;
            (self::place(&space, &part::name(bytes)) == place).then(|| bytes.to_vec())
        });
        match found {
            Some(bytes) => {
                // From here on the file is known by its name.
                if place == self::place(&space, &file)
                    && let Ok(manifest) = Manifest::from_bytes(part::content(&bytes))
                {
                    self.parts.show(document, file, &manifest);
                }
                self.parts.shelve(place, bytes);
            }
            None => self.parts.lost.push(place),
        }
        true
    }
    /// The store cannot give what it has of a place; `false` if it is none.
    pub(super) fn cannot_hold_part(&mut self, place: &DocumentId) -> bool {
        self.hold_part(*place, &[])
    }

    fn store_part(&mut self, turn: &mut Turn, place: DocumentId, bytes: &[u8]) {
        self.sequence += 1;
        let body = [&[STORED], bytes].concat();
        turn.step.writes.push(Write::Item { document: place, seq: self.sequence, body });
    }

    /// Writes a file's row, and plans when what is missing of it is asked for: as planned before, or now.
    fn keep_file(&mut self, turn: &mut Turn, document: &DocumentId, file: &Digest) {
        let Some(kept) = self.parts.file(document, file) else { return };
        let at = kept.next_ask.unwrap_or(turn.now.mono);
        turn.put(Table::Parts, &file_key(document, file), write(&kept.row));
        self.parts.plan(document, file, at);
    }

    /// What acts and records of a document, whose body is here and may have changed, say of its files.
    pub(super) fn files_touched(&mut self, turn: &mut Turn, document: DocumentId) {
        let Some(state) = self.bodies.get(&document) else { return };
        if !state.attaches() && !self.parts.files.contains_key(&document) {
            return;
        }
        let attached = state.attached();
        let erasures: Vec<(RecordId, Vec<Digest>)> = state.log().erasures().map(|(id, parts)| (id, parts.to_vec())).collect();
        let owner = state.owner();
        let own = self.identity.bureau;
        let wanted_of = &self.parts.wanted_of;
        let many = |author: &BureauId| wanted_of.get(author).is_some_and(|(wanted, _)| *wanted >= limits::FILES_WANTED_MAX);
        let known = self.parts.files.entry(document).or_default();
        let mut count: BTreeMap<BureauId, usize> = BTreeMap::new();
        for author in attached.iter().filter(|(file, _)| known.contains_key(*file)).map(|(_, author)| *author) {
            *count.entry(author).or_default() += 1;
        }
        let mut changed: BTreeSet<Digest> = BTreeSet::new();
        for (file, author) in &attached {
            if !known.contains_key(file) {
                let of_author = count.entry(*author).or_default();
                if *author != own && (*of_author >= limits::FILES_OF_BUREAU_MAX || many(author)) {
                    continue;
                }
                *of_author += 1;
                let space = turn.nonce();
                known.insert(*file, File::new(space, *author, turn.stamp));
                self.parts.spaces.insert(space, (document, *file));
            }
            if let Some(found) = known.get_mut(file).filter(|found| !found.row.named) {
                found.row.named = true;
                found.tries = 0;
                changed.insert(*file);
            }
        }
        for (file, found) in known.iter_mut().filter(|(file, found)| found.row.named && !attached.contains_key(*file)) {
            found.row.named = false;
            changed.insert(*file);
        }
        let gone: BTreeSet<Digest> = erasures.iter().flat_map(|(_, parts)| parts).copied().collect();
        let erased: Vec<Digest> = known
            .iter()
            .filter(|(file, found)| found.row.state != ERASED && found.parts(file).iter().any(|part| gone.contains(part)))
            .map(|(file, _)| *file)
            .collect();
        for file in changed {
            self.keep_file(turn, &document, &file);
        }
        for file in &erased {
            self.destroy_file(turn, document, file);
            self.account(turn, "erased", Some(document), Some(owner), None, &format!("file {}", file.short()));
            self.event(turn, "file_erased", Some(document), Some(owner), &file.short());
        }
        for (record, _) in erasures {
            if let Entry::Vacant(new) = self.parts.done.entry((document, record)) {
                new.insert(DoneRow { version: 1, at: turn.stamp, attested: owner == own });
                self.attest_erasure(turn, document, record);
            }
        }
    }

    /// Tells the owner that an erasure was carried out here; later, if it cannot be told now.
    fn attest_erasure(&mut self, turn: &mut Turn, document: DocumentId, record: RecordId) {
        let Some(owner) = self.documents.line(&document).map(|line| line.owner) else { return };
        let Some(row) = self.parts.done.get(&(document, record)) else { return };
        // What is attested is named by the record that took it away: its id is one of a kind with those of documents.
        let told = row.attested || self.attest_deed(turn, owner, DocumentId(record.0), Deed::Erased);
        if let Some(row) = self.parts.done.get_mut(&(document, record)) {
            row.attested = told;
            turn.put(Table::Parts, &done_key(&document, &record), write(row));
        }
    }

    /// Destroys what is here of a file: its keys go once this turn is on disk. The row stays.
    fn destroy_file(&mut self, turn: &mut Turn, document: DocumentId, file: &Digest) {
        let Some(found) = self.parts.file_mut(&document, file) else { return };
        found.row.state = ERASED;
        found.row.at = turn.stamp;
        let places = found.places(file);
        // Of the pieces those stay named that have a key here.
        let here = found.parts(file).into_iter().enumerate().skip(1).filter(|(at, _)| found.is_here(*at));
        let here: Vec<u8> = here.flat_map(|(_, part)| part.0).collect();
        (found.row.pieces, found.row.here) = (Bytes(here), Bytes(Vec::new()));
        for place in &places {
            self.parts.unshelve(place);
        }
        turn.step.purges.extend(places);
        self.parts.shown.remove(&(document, *file));
        self.parts.unchecked.remove(&(document, *file));
        self.keep_file(turn, &document, file);
        // What waits to go would still tell of it.
        let mut stale = false;
        for link in self.links.values_mut() {
            link.parts.forget(&document, file);
            if link.is_sending(&document) {
                link.make_stale();
                stale = true;
            }
        }
        if stale {
            self.write_floor(turn);
        }
    }

    /// A document is destroyed here, and with it everything it names.
    pub(super) fn destroy_files(&mut self, turn: &mut Turn, document: DocumentId) {
        let files: Vec<Digest> = self.parts.files.get(&document).map(|files| files.keys().copied().collect()).unwrap_or_default();
        for file in files {
            if let Some(found) = self.parts.file_mut(&document, &file) {
                found.row.named = false;
            }
            self.destroy_file(turn, document, &file);
        }
        let staged: Vec<Nonce> =
            self.parts.staged.iter().filter(|(_, staged)| staged.row.document == document).map(|(space, _)| *space).collect();
        for space in staged {
            self.drop_staged(turn, &space);
        }
    }

    /// Destroys pieces that nobody attached. The row stays until their keys are surely gone.
    fn drop_staged(&mut self, turn: &mut Turn, space: &Nonce) {
        let Some(staged) = self.parts.staged.get_mut(space).filter(|staged| !staged.dead) else { return };
        staged.dead = true;
        turn.step.purges.extend(part::digests(&staged.row.pieces.0).iter().map(|part| place(space, part)));
    }

    /// What is due: what a crash left, what the store lost, what was left lying, what is missing.
    pub(super) fn part_duties(&mut self, turn: &mut Turn) {
        // Before anything is destroyed in this turn: a row goes once its keys are surely gone.
        if turn.now.mono >= self.parts.next_sweep {
            self.parts.next_sweep = turn.now.mono.plus(SWEEP_MS);
            self.sweep_parts(turn);
        }
        if !std::mem::replace(&mut self.parts.begun, true) {
            let erased = self.parts.files.values().flatten().filter(|(_, found)| found.row.state == ERASED);
            turn.step.purges.extend(erased.flat_map(|(file, found)| found.places(file)));
            let staged: Vec<Nonce> = self.parts.staged.keys().copied().collect();
            for space in staged {
                self.drop_staged(turn, &space);
            }
        }
        for place in std::mem::take(&mut self.parts.lost) {
            self.part_lost(turn, &place);
        }
        self.compare_with_erased(turn);
        self.ask_for_parts(turn);
    }

    /// Looks whether records erased pieces of files whose manifests came since.
    fn compare_with_erased(&mut self, turn: &mut Turn) {
        let some: Vec<(DocumentId, Digest)> = self.parts.unchecked.iter().take(limits::FILES_AT_ONCE).copied().collect();
        for (document, file) in some {
            let Some(state) = self.bodies.get(&document) else {
                if self.cannot_load.contains_key(&document) || !self.documents.contains_key(&document) {
                    // Nothing more is asked for of what cannot be compared.
                    self.parts.unchecked.remove(&(document, file));
                } else {
                    self.want(turn, document);
                }
                continue;
            };
            self.parts.unchecked.remove(&(document, file));
            let erased = state.log().erased();
            let Some(found) = self.parts.file_mut(&document, &file).filter(|found| found.row.state == KEPT) else { continue };
            found.unchecked = false;
            if found.parts(&file).iter().any(|part| erased.contains(part)) {
                self.destroy_file(turn, document, &file);
            } else {
                self.parts.plan(&document, &file, turn.now.mono);
            }
        }
    }

    fn sweep_parts(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let dead: Vec<Nonce> = self.parts.staged.iter().filter(|(_, staged)| staged.dead).map(|(space, _)| *space).collect();
        for space in dead {
            self.parts.staged.remove(&space);
            turn.remove(Table::Parts, &staged_key(&space));
        }
        let late = |staged: &&Staged| now >= staged.last.plus(limits::STAGED_KEPT_MS);
        let old: Vec<Nonce> = self.parts.staged.iter().filter(|(_, staged)| late(staged)).map(|(space, _)| *space).collect();
        for space in old {
            self.drop_staged(turn, &space);
        }
        let untold: Vec<(DocumentId, RecordId)> = self.parts.done.iter().filter(|(_, row)| !row.attested).map(|(key, _)| *key).collect();
        for (document, record) in untold {
            self.attest_erasure(turn, document, record);
        }
    }

    /// The store has not what it should have: it is asked for again.
    fn part_lost(&mut self, turn: &mut Turn, lost: &DocumentId) {
        let Some((document, file)) = self.parts.spaces.get(&space_of(lost)).copied() else { return };
        let Some(found) = self.parts.file_mut(&document, &file).filter(|found| found.row.state == KEPT) else { return };
        let places = found.places(&file);
        let Some(at) = places.iter().position(|place| place == lost).filter(|at| found.is_here(*at)) else { return };
        found.set_here(at, false);
        self.keep_file(turn, &document, &file);
        self.account(turn, "part_lost", Some(document), None, None, &file.short());
    }

    /// Places of manifests that a command about a document's files needs and that are not at hand.
    pub(super) fn manifests_needed(&self, document: &DocumentId) -> Vec<DocumentId> {
        let files = self.parts.files.get(document).into_iter().flatten();
        let unknown = files
            .filter(|(file, found)| found.row.state == KEPT && found.is_here(0) && !self.parts.shown.contains_key(&(*document, **file)));
        unknown.map(|(file, found)| place(&found.row.space, file)).filter(|place| !self.parts.shelf.contains_key(place)).collect()
    }

    /// Reads the manifests that were fetched for a command.
    pub(super) fn read_manifests(&mut self, document: &DocumentId) {
        let files: Vec<(Digest, DocumentId)> = self
            .parts
            .files
            .get(document)
            .into_iter()
            .flatten()
            .filter(|(file, _)| !self.parts.shown.contains_key(&(*document, **file)))
            .map(|(file, found)| (*file, place(&found.row.space, file)))
            .collect();
        for (file, place) in files {
            if let Some(bytes) = self.parts.unshelve(&place)
                && let Ok(manifest) = Manifest::from_bytes(part::content(&bytes))
            {
                self.parts.show(*document, file, &manifest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: DocumentId = DocumentId([1; 32]);
    const FIRST: Digest = Digest([2; 32]);
    const SECOND: Digest = Digest([3; 32]);
    const AUTHOR: BureauId = BureauId([4; 32]);

    fn wanted(names: &[Digest]) -> Parts {
        let mut parts = Parts::default();
        for file in names {
            let mut found = File::new(Nonce([file.0[0]; 16]), AUTHOR, WallSeconds(9));
            found.row.named = true;
            parts.files.entry(DOCUMENT).or_default().insert(*file, found);
            parts.plan(&DOCUMENT, file, MonoMillis(5));
        }
        parts
    }

    #[test]
    fn what_is_missing_is_counted_by_author_and_found_by_when_it_is_due() {
        let mut parts = wanted(&[FIRST, SECOND]);
        assert_eq!((parts.wanted_of[&AUTHOR], parts.next_wake()), ((2, 0), Some(MonoMillis(5))));
        let first = parts.file_mut(&DOCUMENT, &FIRST).expect("there");
        first.row.pieces = Bytes(vec![7; 32]);
        first.set_here(0, true);
        parts.plan(&DOCUMENT, &FIRST, MonoMillis(8));
        assert_eq!((parts.wanted_of[&AUTHOR], parts.wanting.len()), ((2, 1), 2), "its pieces are known and missing");
        parts.file_mut(&DOCUMENT, &FIRST).expect("there").set_here(1, true);
        parts.plan(&DOCUMENT, &FIRST, MonoMillis(8));
        parts.file_mut(&DOCUMENT, &SECOND).expect("there").row.state = ERASED;
        parts.plan(&DOCUMENT, &SECOND, MonoMillis(8));
        assert_eq!((parts.wanted_of[&AUTHOR], parts.next_wake()), ((0, 0), None), "nothing is missing");
    }

    #[test]
    fn places_of_one_part_in_two_files_have_nothing_in_common() {
        let (one, other) = (place(&Nonce([1; 16]), &FIRST), place(&Nonce([2; 16]), &FIRST));
        assert_ne!(one, other);
        assert_ne!(place(&Nonce([1; 16]), &FIRST), place(&Nonce([1; 16]), &SECOND));
        assert_eq!(space_of(&one), Nonce([1; 16]));
    }
}
