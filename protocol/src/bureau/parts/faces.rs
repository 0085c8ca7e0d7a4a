//! What people do with files: lay down and attach, list and read, order that they are removed everywhere.

use std::collections::BTreeSet;

use accord_keys::certificate::Capability;

use super::*;
use crate::access::log::{OrderAct, RecordKind};
use crate::act::{Act, ActKind};
use crate::bureau::rows::Summary;
use crate::bureau::show::{PREFIX_MIN, one};
use crate::content::Edit;
use crate::input::Command;
use crate::intake::ShownAct;
use crate::view::{AttestedView, FileView, FilesView, PieceView, Refused, RefusedKind, SendingView, View};

fn misuse(code: &str) -> Refused {
    Refused::new(RefusedKind::Misuse, code)
}

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

fn hex(space: &Nonce) -> String {
    DocumentId([space.0, [0; 16]].concat().try_into().unwrap_or_default()).to_string()[..32].to_owned()
}

impl Bureau {
    /// Parts a command reads, as far as they are not at hand.
    pub(in crate::bureau) fn parts_needed(&self, command: &Command) -> Vec<DocumentId> {
        let (id, read) = match command {
            Command::FileRead { id, file, piece } => (id, Some((file, *piece))),
            Command::FileList { id } | Command::DocumentShow { id } | Command::AccessErase { id, .. } => (id, None),
            _ => return Vec::new(),
        };
        let Ok(document) = self.resolve_document(id) else { return Vec::new() };
        let mut out = self.manifests_needed(&document);
        let piece = read.and_then(|(file, piece)| self.piece_place(&document, &self.resolve_file(&document, file).ok()?, piece));
        out.extend(piece.filter(|place| !self.parts.shelf.contains_key(place)));
        out
    }

    fn piece_place(&self, document: &DocumentId, file: &Digest, piece: u32) -> Option<DocumentId> {
        let found = self.parts.file(document, file).filter(|found| found.row.state == KEPT)?;
        let at = usize::try_from(piece).ok()?.checked_add(1)?;
        let part = found.parts(file).get(at).copied().filter(|_| found.is_here(at))?;
        Some(place(&found.row.space, &part))
    }

    /// A file by the first digits of its id, or by its name. Names stay out of the answer: it may end in a log.
    fn resolve_file(&self, document: &DocumentId, word: &str) -> Result<Digest, Refused> {
        let word = word.trim();
        let lower = word.to_ascii_lowercase();
        let attached = self.bodies.get(document).map(|state| state.attached()).unwrap_or_default();
        let known = self.parts.files.get(document).into_iter().flatten().map(|(file, _)| *file);
        let all: BTreeSet<Digest> = known.chain(attached.into_keys()).collect();
        let named: Vec<Digest> =
            all.iter().filter(|file| self.parts.shown.get(&(*document, **file)).is_some_and(|shown| shown.name == word)).copied().collect();
        let matching = if named.is_empty() && lower.len() >= PREFIX_MIN {
            all.into_iter().filter(|file| file.to_string().starts_with(&lower)).collect()
        } else {
            named
        };
        one(matching, "unknown_file", "", Digest::short)
    }

    /// An officer who may write in a document that still takes entries.
    fn attaching(&self, turn: &Turn, person: Option<&str>, id: &str) -> Result<(crate::bureau::Unlocked, DocumentId), Refused> {
        let by = self.acting(turn, person, Capability::Write)?;
        let document = self.resolve_document(id)?;
        let state = self.body(&document)?;
        if state.log().ended().is_some() {
            return Err(refused("has_ended").with("id", document.short()));
        }
        self.may_write(turn, &by, &document)?;
        let own = self.identity.bureau;
        if state.attached().values().filter(|author| **author == own).count() >= limits::FILES_OF_BUREAU_MAX {
            return Err(refused("too_many_files").with("id", document.short()).with("most", limits::FILES_OF_BUREAU_MAX));
        }
        Ok((by, document))
    }

    fn staged_as(&self, document: &DocumentId, upload: &str) -> Result<Nonce, Refused> {
        let found =
            self.parts.staged.iter().find(|(space, staged)| !staged.dead && hex(space) == upload && staged.row.document == *document);
        found.map(|(space, _)| *space).ok_or_else(|| Refused::new(RefusedKind::NotFound, "unknown_upload"))
    }

    pub(in crate::bureau) fn file_piece(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        upload: Option<&str>,
        bytes: &[u8],
    ) -> Result<View, Refused> {
        let (_, document) = self.attaching(turn, person, id)?;
        if bytes.is_empty() || bytes.len() > limits::PIECE_BYTES {
            return Err(misuse("bad_piece").with("most", limits::PIECE_BYTES));
        }
        let space = match upload {
            Some(upload) => self.staged_as(&document, upload)?,
            None if self.parts.staged.values().filter(|staged| !staged.dead).count() >= limits::STAGED_MAX => {
                return Err(refused("too_many_uploads").with("most", limits::STAGED_MAX));
            }
            None => turn.nonce(),
        };
        let before = self.parts.staged.get(&space).map_or(0, |staged| staged.row.size);
        if !before.is_multiple_of(limits::PIECE_BYTES as u64) {
            return Err(misuse("piece_after_short_one").with("most", limits::PIECE_BYTES));
        }
        if before + bytes.len() as u64 > limits::FILE_BYTES_MAX {
            return Err(misuse("file_too_large").with("most", limits::FILE_BYTES_MAX));
        }
        let size = before + bytes.len() as u64;
        if !dry_run {
            let bytes = part::part(&turn.draw(), bytes);
            let name = part::name(&bytes);
            self.store_part(turn, place(&space, &name), &bytes);
            let staged = self.parts.staged.entry(space).or_insert_with(|| Staged {
                row: StagedRow { version: 1, document, pieces: Bytes(Vec::new()), size: 0 },
                last: turn.now.mono,
                dead: false,
            });
            staged.row.pieces.0.extend(name.0);
            (staged.row.size, staged.last) = (size, turn.now.mono);
            turn.put(Table::Parts, &staged_key(&space), write(&staged.row));
        }
        Ok(View::Piece(PieceView { upload: hex(&space), size, bytes: String::new() }))
    }

    pub(in crate::bureau) fn file_attach(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        (id, upload): (&str, Option<&str>),
        name: String,
        media: String,
    ) -> Result<View, Refused> {
        let (by, document) = self.attaching(turn, person, id)?;
        if let Err(why) = part::check_name(&name) {
            return Err(misuse("bad_file_name").with("why", why).with("most", limits::FILE_NAME_BYTES_MAX));
        }
        if !part::is_media(&media) {
            return Err(misuse("bad_media_type"));
        }
        let space = upload.map(|upload| self.staged_as(&document, upload)).transpose()?;
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            let view = SendingView { id: document.to_string(), dry_run: true, receivers, ..SendingView::default() };
            return Ok(View::Sending(view));
        }
        let staged = space.and_then(|space| self.parts.staged.get(&space)).map(|staged| staged.row.clone());
        let (size, pieces) = staged.map(|row| (row.size, row.pieces)).unwrap_or_default();
        let manifest = Manifest::new(name, media, size, &part::digests(&pieces.0)).map_err(|why| misuse("bad_file").with("why", why))?;
        let bytes = part::part(&turn.draw(), &manifest.to_bytes());
        let file = part::name(&bytes);
        let act = Act { seat: by.seat.clone(), file: Some(file), ..Act::new(turn.nonce(), ActKind::Attached, turn.stamp) };
        self.edit(turn, &by, document, &[Edit::Act(act.to_bytes())])?;
        let mut made = File::new(space.unwrap_or_else(|| turn.nonce()), self.identity.bureau, turn.stamp);
        (made.row.size, made.row.pieces) = (size, pieces);
        for at in 0..made.count() {
            made.set_here(at, true);
        }
        let space = made.row.space;
        self.store_part(turn, place(&space, &file), &bytes);
        self.parts.spaces.insert(space, (document, file));
        self.parts.files.entry(document).or_default().insert(file, made);
        self.parts.show(document, file, &manifest);
        if self.parts.staged.remove(&space).is_some() {
            turn.remove(Table::Parts, &staged_key(&space));
        }
        self.keep_file(turn, &document, &file);
        self.account(turn, "entry", Some(document), None, Some(by.certificate), &format!("attached {}", file.short()));
        self.touched(turn, document, "entry");
        match self.sent(document, receivers) {
            View::Sending(view) => Ok(View::Sending(SendingView { file: file.to_string(), ..view })),
            other => Ok(other),
        }
    }

    /// What is to be shown of the files that acts attach, in the order of the acts.
    pub(in crate::bureau) fn file_views(&self, document: &DocumentId, acts: &[ShownAct]) -> Vec<FileView> {
        let (Some(summary), Some(state)) = (self.documents.get(document), self.bodies.get(document)) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for shown in acts {
            let Some(file) = shown.act.file.filter(|file| seen.insert(*file)) else { continue };
            let found = self.parts.file(document, &file);
            let called = self.parts.shown.get(&(*document, file)).cloned();
            let person = self.officers.values().find(|row| row.certificates.contains(&shown.certificate)).map(|row| row.name.clone());
            let mut view = FileView {
                id: file.to_string(),
                here: found.map_or(0, |found| found.here() as u64),
                parts: found.map_or(0, |found| found.count() as u64),
                state: found.map_or("not_fetched", File::word).to_owned(),
                bureau: shown.bureau.to_string(),
                bureau_name: self.name_of(&shown.bureau),
                person: person.unwrap_or_default(),
                seats: self.directory.certificate(&shown.certificate).map(|c| c.body().seats.clone()).unwrap_or_default(),
                signed_at: shown.act.signed_at.0,
                change: shown.change.to_string(),
                voided: shown.voided.is_some(),
                ..FileView::default()
            };
            match found.filter(|found| found.row.state == ERASED) {
                None => {
                    (view.name, view.media) = called.map(|called| (called.name, called.media)).unwrap_or_default();
                    view.size = found.map_or(0, |found| found.row.size);
                }
                Some(found) => {
                    view.erased_at = found.row.at.0;
                    let parts = found.parts(&file);
                    let by = state.log().erasures().find(|(_, named)| named.iter().any(|part| parts.contains(part))).map(|(id, _)| id);
                    if let Some(record) = by {
                        view.record = record.to_string();
                        view.attested = self.attested_view(&summary, &record);
                        let kind = state.log().get(&record).and_then(|entry| entry.record.as_ref()).map(|record| &record.body().kind);
                        view.erased_by = kind.and_then(RecordKind::ordering_officer).map(|by| self.person_of(&by)).unwrap_or_default();
                    }
                }
            }
            out.push(view);
        }
        out
    }

    /// Of those who were given a document of ours, who said that what a record erases is gone there.
    pub(in crate::bureau) fn attested_view(&self, summary: &Summary, record: &RecordId) -> Option<AttestedView> {
        let own = self.identity.bureau;
        // What partners state is said to the registrar's node: another device would count nobody.
        if summary.owner != own || self.registrar_epoch().is_none() {
            return None;
        }
        let holders: BTreeSet<BureauId> =
            summary.given.keys().chain(summary.rights.bureaus.keys()).filter(|b| **b != own).copied().collect();
        let (said, waits): (Vec<BureauId>, Vec<BureauId>) =
            holders.into_iter().partition(|bureau| self.has_attested(bureau, &DocumentId(record.0)));
        let waits: Vec<String> = waits.iter().map(|bureau| self.name_of(bureau)).collect();
        Some(AttestedView { attested: said.len() as u64, of: (said.len() + waits.len()) as u64, waits })
    }

    pub(in crate::bureau) fn file_list(&mut self, turn: &mut Turn, person: Option<&str>, id: &str) -> Result<View, Refused> {
        // How files are called is content.
        let document = self.looked_into(turn, person, id)?;
        let state = self.bodies.get_mut(&document).expect("body() found it");
        let acts = state.acts().map_err(|_| Refused::new(RefusedKind::Fault, "cannot_show").with("id", document.short()))?;
        let files = self.file_views(&document, &acts);
        let number = self.documents.get(&document).map(|summary| summary.number.clone()).unwrap_or_default();
        Ok(View::Files(FilesView { document: document.to_string(), number, files }))
    }

    pub(in crate::bureau) fn file_read(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        id: &str,
        word: &str,
        piece: u32,
    ) -> Result<View, Refused> {
        let document = self.resolve_document(id)?;
        self.may_read(turn, person, &document)?;
        self.read_manifests(&document);
        let file = self.resolve_file(&document, word)?;
        let state = self.parts.file(&document, &file).map_or("not_fetched", File::word);
        let lack = |code: &str| refused(code).with("id", file.short());
        let place = match self.piece_place(&document, &file, piece) {
            Some(place) => place,
            None if state == "erased" => return Err(lack("file_erased")),
            None if state == "unreadable" => return Err(lack("file_unreadable_here")),
            None if state == "here" => return Err(misuse("no_such_piece")),
            None => return Err(lack("file_not_here")),
        };
        let Some(bytes) = self.parts.unshelve(&place) else { return Err(lack("file_not_here")) };
        self.shown_here(turn);
        let reader = self.reader(person);
        if self.is_first_read(turn, reader, DocumentId(file.0)) || piece == 0 {
            self.account(turn, "read", Some(document), None, reader, &format!("file {}", file.short()));
        }
        let size = self.parts.file(&document, &file).map_or(0, |found| found.row.size);
        Ok(View::Piece(PieceView { upload: String::new(), size, bytes: accord_keys::armour::encode_base64(part::content(&bytes)) }))
    }

    /// Removes files everywhere: one record for each, which names all its parts that no other file of the document names.
    pub(in crate::bureau) fn access_erase(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        id: &str,
        words: &[String],
    ) -> Result<View, Refused> {
        let (by, document) = self.ordering(turn, person, id)?;
        self.read_manifests(&document);
        let mut files = BTreeSet::new();
        for word in words {
            let file = self.resolve_file(&document, word)?;
            if self.parts.file(&document, &file).is_some_and(|found| found.row.state == ERASED) {
                return Err(refused("is_erased").with("id", file.short()));
            }
            files.insert(file);
        }
        if files.is_empty() {
            return Err(misuse("files_to_erase"));
        }
        let receivers = self.holders_now(turn, &document);
        if dry_run {
            return Ok(Self::foreseen(document, receivers, files.len()));
        }
        for file in &files {
            let parts = self.parts_to_erase(&document, file, &files);
            let order = self.order(turn, &by, document, OrderAct::Erase(parts.clone()))?;
            self.record(turn, document, RecordKind::Erase(parts, order))?;
        }
        Ok(self.ordered(document, receivers, files.len()))
    }

    /// A file's parts, as a record names them: without those another file names too, so that nobody has a file erased by naming its pieces in his own.
    fn parts_to_erase(&self, document: &DocumentId, file: &Digest, with: &BTreeSet<Digest>) -> Vec<Digest> {
        let others =
            self.parts.files.get(document).into_iter().flatten().filter(|(other, found)| !with.contains(*other) && found.row.state == KEPT);
        let elsewhere: BTreeSet<Digest> = others.flat_map(|(other, found)| found.parts(other)).collect();
        let parts = self.parts.file(document, file).map_or_else(|| vec![*file], |found| found.parts(file));
        let named: BTreeSet<Digest> = parts.into_iter().filter(|part| part == file || !elsewhere.contains(part)).collect();
        named.into_iter().collect()
    }
}
