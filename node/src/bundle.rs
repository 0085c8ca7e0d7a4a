//! Bundles on disk: records from the core through zstd into a sealed file, and back. What may go and what is taken is the core's matter
//! (`accord_protocol::bundle`); here are files, threads and bounds.
//!
//! ```text
//! pack    Ask::Pack, More.. -> records -> zstd -> envelope -> a file of our own -> Ask::Seal -> handed out          nobody sees a file that was not sealed
//! unpack  what came -> a file of our own -> opened whole, statement verified -> opened again, message by message -> wire::check -> Ask::Message
//! ```
//! What lies in our own folder is sealed as it lies on the medium; plaintext is in memory only, one record at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use accord_keys::directory::Directory;
use accord_keys::envelope::{self, Dice, EnvelopeError, Opener, Sealer};
use accord_keys::id::{BureauId, HpkeKey, NetworkId, TransportKey};
use accord_keys::seal::Verified;
use accord_keys::secret::HpkeSecret;
use accord_protocol::bundle::{self, Answer, Ask, BundleError, BundleStatement, Ends, Reader, Record, UnpackedView, Writer};
use accord_protocol::id::Nonce;
use accord_protocol::limits::BUNDLE_FILE_BYTES_MAX;
use accord_protocol::wire::{self, Checked, Hello, IdentityStatement};
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::handle::Handle;
use crate::keystore::random;

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;
/// Packed files that wait to be fetched; the oldest goes. Back-pressure: disk.
const STAGED_MAX: usize = 2;
/// Messages that wait for the core at once: they share its turns. Back-pressure.
const ASKED_MAX: usize = 32;
/// What stays free on the disk beside bundles, bytes.
const LEFT_FREE: u64 = 256 * 1024 * 1024;
/// The disk is asked for room for so much at a time, bytes.
const ROOM_STEP: u64 = 64 * 1024 * 1024;
/// Packing begins anew so often when something was taken away meanwhile.
const TRIES_MAX: u32 = 3;
/// How long packing waits when the core is reading documents, milliseconds.
const PAUSE_MS: u64 = 5;
/// Largest window a compressed file may ask for, as a power of two: 8 MiB. Back-pressure: memory.
const WINDOW_LOG_MAX: u32 = 23;

/// How far it is: documents done and in all, or records.
pub type Progress = (u64, u64);

/// What a bundle says of itself, once its statement was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// From which bureau.
    pub from: BureauId,
    /// Its name, where it is known here.
    pub name: String,
    /// When, Unix seconds.
    pub created: u64,
    /// Documents it brings something of.
    pub documents: u64,
    /// Records before its end.
    pub records: u64,
}

/// What to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackOrder {
    /// A partner, or our own devices.
    pub to: String,
    /// Everything, not only what they lack by what we know of them.
    pub all: bool,
    /// Only says how much it would be.
    pub dry_run: bool,
}

/// What packing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Names the file until it is fetched; empty after a dry run.
    pub id: String,
    /// The bureau it is for.
    pub to: BureauId,
    /// Its name.
    pub name: String,
    /// Devices it is sealed to.
    pub devices: usize,
    /// Documents it brings something of.
    pub documents: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Where bundles are packed and unpacked.
pub struct Desk {
    network: NetworkId,
    secret: HpkeSecret,
    transport: TransportKey,
    directory: watch::Receiver<Arc<Directory>>,
    folder: PathBuf,
    staged: Mutex<VecDeque<(String, TempPath)>>,
}

fn disk(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull => Failure::fault("bundle_no_room"),
        io::ErrorKind::FileTooLarge => Failure::refused("bundle_too_large").with("most", BUNDLE_FILE_BYTES_MAX),
        _ => Failure::fault("disk_failed").with("cause", error),
    }
}

/// Whether a file may grow by so many bytes where it lies: the store beside it, which acknowledges nothing on a full disk, needs room too.
fn room(folder: &Path, bytes: u64) -> io::Result<()> {
    let stat = rustix::fs::statvfs(folder)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free.saturating_sub(bytes) < LEFT_FREE { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

fn internal(cause: &str) -> Failure {
    Failure::fault("internal").with("cause", cause)
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(internal("a thread of bundles panicked")))
}

/// Why a file is none that opens here.
fn not_opened(error: EnvelopeError) -> Failure {
    match error {
        EnvelopeError::Foreign => Failure::misuse("bundle_foreign"),
        EnvelopeError::Newer(version) => Failure::refused("bundle_newer").with("version", version),
        EnvelopeError::NotForUs => Failure::refused("bundle_not_for_us"),
        EnvelopeError::Truncated(_) => Failure::refused("bundle_truncated"),
        EnvelopeError::Damaged(_) | EnvelopeError::Recipients => Failure::refused("bundle_damaged"),
    }
}

fn not_believed(error: BundleError) -> Failure {
    match error {
        BundleError::Newer(version) => Failure::refused("bundle_newer").with("version", version),
        BundleError::NotForThisDevice => Failure::refused("bundle_not_for_us"),
        BundleError::TooLong(_) => Failure::refused("bundle_too_large").with("most", BUNDLE_FILE_BYTES_MAX),
        other => Failure::refused("bundle_damaged").because(other),
    }
}

fn not_read(error: io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<EnvelopeError>()) {
        Some(error) => not_opened(*error),
        // What was opened is not what was compressed: only its writer can have done that.
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Other | io::ErrorKind::InvalidData) => {
            Failure::refused("bundle_damaged").because(error)
        }
        None => disk(&error),
    }
}

/// What goes into the file, sealed.
struct Sealing {
    sealer: Sealer,
    file: BufWriter<NamedTempFile>,
    bytes: u64,
    /// Up to how many bytes the disk was asked for room.
    asked: u64,
}

impl Write for Sealing {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        let sealed = self.sealer.take(plain);
        self.bytes += sealed.len() as u64;
        if self.bytes > BUNDLE_FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.bytes > self.asked {
            let folder = self.file.get_ref().path().parent().unwrap_or(Path::new("."));
            room(folder, ROOM_STEP)?;
            self.asked = self.bytes + ROOM_STEP;
        }
        self.file.write_all(&sealed)?;
        Ok(plain.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file being packed.
struct Making {
    out: zstd::stream::write::Encoder<'static, Sealing>,
    writer: Writer,
    id: [u8; 16],
}

impl Making {
    fn begin(folder: &Path, network: &NetworkId, keys: &[HpkeKey]) -> Result<Self, Failure> {
        let id = random()?;
        let ephemeral = keys.iter().map(|_| Ok(Zeroizing::new(random()?))).collect::<Result<_, Failure>>()?;
        let dice = Dice { file: id, key: Zeroizing::new(random()?), ephemeral };
        let (sealer, header) = Sealer::begin(network, keys, dice).map_err(|error| internal(&error.to_string()))?;
        let file = tempfile::Builder::new().prefix("packed-").tempfile_in(folder).map_err(|error| disk(&error))?;
        let mut file = BufWriter::new(file);
        file.write_all(&header).map_err(|error| disk(&error))?;
        let sealing = Sealing { sealer, file, bytes: header.len() as u64, asked: 0 };
        let out = zstd::stream::write::Encoder::new(sealing, 3).map_err(|error| disk(&error))?;
        Ok(Self { out, writer: Writer::begin(&header), id })
    }

    fn take(&mut self, records: &[Record]) -> Result<(), Failure> {
        records.iter().try_for_each(|record| self.out.write_all(&self.writer.record(record)).map_err(|error| disk(&error)))
    }

    fn finish(self) -> Result<(TempPath, u64), Failure> {
        let Sealing { sealer, mut file, bytes, .. } = self.out.finish().map_err(|error| disk(&error))?;
        let last = sealer.finish();
        file.write_all(&last).map_err(|error| disk(&error))?;
        let file = file.into_inner().map_err(|error| disk(error.error()))?;
        Ok((file.into_temp_path(), bytes + last.len() as u64))
    }
}

/// A file as it opens.
struct Opening {
    file: File,
    opener: Option<Opener>,
    plain: Vec<u8>,
    at: usize,
}

impl Read for Opening {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            let Some(opener) = &mut self.opener else { return Ok(0) };
            let mut piece = vec![0; PIECE];
            let length = self.file.read(&mut piece)?;
            self.plain.clear();
            self.at = 0;
            if length > 0 {
                opener.take(&piece[..length], &mut self.plain).map_err(io::Error::other)?;
            } else if let Some(opener) = self.opener.take() {
                opener.finish(&mut self.plain).map_err(io::Error::other)?;
            }
        }
        let some = into.len().min(self.plain.len() - self.at);
        into[..some].copy_from_slice(&self.plain[self.at..self.at + some]);
        self.at += some;
        Ok(some)
    }
}

/// What a file holds, once all of it was opened.
pub struct Opened {
    statement: Verified<BundleStatement>,
    hello: Hello,
    statements: Vec<IdentityStatement>,
}

impl Desk {
    /// A desk with this folder, which is emptied: what lies there was left by a process that ended.
    ///
    /// # Errors
    /// When the folder cannot be made or emptied.
    pub fn new(
        folder: PathBuf,
        network: NetworkId,
        secret: HpkeSecret,
        transport: TransportKey,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> Result<Self, Failure> {
        crate::keystore::make_folder(&folder)?;
        for entry in std::fs::read_dir(&folder).map_err(|error| disk(&error))?.flatten() {
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with("packed-") || name.starts_with("came-"));
            if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::remove_file(entry.path()).map_err(|error| disk(&error))?;
            }
        }
        Ok(Self { network, secret, transport, directory, folder, staged: Mutex::default() })
    }

    /// A file of our own for what comes.
    ///
    /// # Errors
    /// When the disk does not give one.
    pub fn landing(&self) -> Result<NamedTempFile, Failure> {
        tempfile::Builder::new().prefix("came-").tempfile_in(&self.folder).map_err(|error| disk(&error))
    }

    /// Packs for a partner or for our own devices.
    ///
    /// # Errors
    /// What the core answers, or the disk.
    pub async fn pack(
        &self,
        handle: &Handle,
        person: Option<String>,
        order: PackOrder,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Packed, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.pack_once(handle, person.clone(), order.clone(), progress).await {
                Err(failure) if failure.code == "bundle_changed" && tries < TRIES_MAX => {}
                other => return other,
            }
        }
    }

    async fn pack_once(
        &self,
        handle: &Handle,
        person: Option<String>,
        PackOrder { to, all, dry_run }: PackOrder,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Packed, Failure> {
        let begun = handle.bundle(person, Ask::Pack { to, all, dry_run }).await?;
        let Answer::Packing { number, to, name, recipients, records } = begun else { return Err(internal("packing began otherwise")) };
        let mut left = Left { handle: handle.clone(), number: Some(number) };
        let devices = recipients.len();
        let keys: Vec<HpkeKey> = recipients.into_iter().map(|device| device.hpke).collect();
        let (folder, network) = (self.folder.clone(), self.network);
        let mut making = aside(move || {
            let mut making = Making::begin(&folder, &network, &keys)?;
            making.take(&records)?;
            Ok(making)
        })
        .await?;
        let documents = loop {
            let next = handle.bundle(None, Ask::More { number }).await?;
            let Answer::Records { records, documents, of, end } = next else { return Err(internal("packing went on otherwise")) };
            // Whoever asked went away: nobody fetches it.
            progress.send((documents, of)).await.map_err(|_| Failure::unreachable("stopping"))?;
            let idle = records.is_empty();
            making = aside(move || making.take(&records).map(|()| making)).await?;
            if end {
                break documents;
            }
            if idle {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        };
        if dry_run {
            let (_file, bytes) = aside(move || making.finish()).await?;
            return Ok(Packed { id: String::new(), to, name, devices, documents, bytes });
        }
        let (digest, records) = making.writer.so_far();
        let sealed = handle.bundle(None, Ask::Seal { number, file: Nonce(making.id), digest, records }).await?;
        let Answer::Sealed(statement) = sealed else { return Err(internal("packing ended otherwise")) };
        left.number = None;
        let id: String = making.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (path, bytes) = aside(move || {
            making.take(&[Record::End(statement)])?;
            making.finish()
        })
        .await?;
        let mut staged = self.staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        staged.push_back((id.clone(), path));
        if staged.len() > STAGED_MAX {
            staged.pop_front();
        }
        Ok(Packed { id, to, name, devices, documents, bytes })
    }

    /// A packed file, to be handed out once.
    pub fn fetch(&self, id: &str) -> Option<TempPath> {
        let mut staged = self.staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = staged.iter().position(|(packed, _)| packed == id)?;
        staged.remove(at).map(|(_, path)| path)
    }

    /// Reads all records of a file, each as it comes.
    fn read(&self, path: &Path, mut each: impl FnMut(Record) -> Result<bool, Failure>) -> Result<Option<(Nonce, Reader)>, Failure> {
        let mut file = File::open(path).map_err(|error| disk(&error))?;
        if file.metadata().map_err(|error| disk(&error))?.len() > BUNDLE_FILE_BYTES_MAX {
            return Err(Failure::refused("bundle_too_large").with("most", BUNDLE_FILE_BYTES_MAX));
        }
        let short = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::misuse("bundle_foreign"),
            _ => disk(&error),
        };
        let mut header = vec![0; envelope::HEAD];
        file.read_exact(&mut header).map_err(short)?;
        let head: [u8; envelope::HEAD] = header.as_slice().try_into().expect("so many were read");
        header.resize(envelope::header_bytes(&head).map_err(not_opened)?, 0);
        file.read_exact(&mut header[envelope::HEAD..]).map_err(short)?;
        let opener = Opener::begin(&self.network, &self.secret, &header).map_err(not_opened)?;
        let opening = BufReader::new(Opening { file, opener: Some(opener), plain: Vec::new(), at: 0 });
        let mut plain = zstd::stream::read::Decoder::with_buffer(opening).map_err(not_read)?;
        plain.window_log_max(WINDOW_LOG_MAX).map_err(not_read)?;
        let mut reader = Reader::begin(&header);
        let mut piece = vec![0; PIECE];
        loop {
            let length = plain.read(&mut piece).map_err(not_read)?;
            reader.take(&piece[..length]).map_err(not_believed)?;
            while let Some(record) = reader.record().map_err(not_believed)? {
                if !each(record)? {
                    return Ok(None);
                }
            }
            if length == 0 {
                return Ok(Some((Nonce(envelope::file_id(&head)), reader)));
            }
        }
    }

    /// Opens all of a file and verifies who packed it; nothing is applied.
    ///
    /// # Errors
    /// Why it is none for us, or not what was packed.
    pub fn open(&self, path: &Path) -> Result<Opened, Failure> {
        let mut ends = Ends::default();
        let read = self.read(path, |record| {
            ends.look(&record, &self.transport);
            Ok(true)
        })?;
        let (file, reader) = read.ok_or_else(|| internal("reading ended early"))?;
        let content = reader.finish().map_err(not_believed)?;
        let (statement, hello, statements) = ends.verify(&self.network, file, content).map_err(not_believed)?;
        Ok(Opened { statement, hello, statements })
    }

    /// Whether a file that begins so opens on this device; `false` as long as more of it is needed to tell.
    ///
    /// # Errors
    /// It does not: nothing more of it has to be looked at.
    pub fn opens(&self, beginning: &[u8]) -> Result<bool, Failure> {
        let Some(head) = beginning.first_chunk() else { return Ok(false) };
        let length = envelope::header_bytes(head).map_err(not_opened)?;
        let Some(header) = beginning.get(..length) else { return Ok(false) };
        Opener::begin(&self.network, &self.secret, header).map_err(not_opened)?;
        Ok(true)
    }

    /// Whether so many more bytes may be laid down here.
    ///
    /// # Errors
    /// When the disk has no room for them, or does not say.
    pub fn room_for(&self, bytes: u64) -> Result<(), Failure> {
        room(&self.folder, bytes).map_err(|error| disk(&error))
    }

    /// What a file says of itself.
    pub fn label(&self, opened: &Opened) -> Label {
        let body = opened.statement.body();
        let name = self.directory.borrow().bureau(&body.from).map(|bureau| bureau.name().to_owned()).unwrap_or_default();
        Label { from: body.from, name, created: body.created.0, documents: body.documents, records: body.records }
    }

    /// Hands the core what a file holds, message by message, by the way that messages of links take.
    ///
    /// # Errors
    /// What the core answers, or the disk.
    pub async fn unpack(
        self: Arc<Self>,
        handle: &Handle,
        path: Arc<TempPath>,
        opened: Opened,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<UnpackedView, Failure> {
        let total = opened.statement.body().records;
        let Opened { statement, hello, statements } = opened;
        let begun = handle.bundle(None, Ask::Unpack { statement, hello, statements }).await?;
        let Answer::Unpacking { number } = begun else { return Err(internal("unpacking began otherwise")) };
        let mut left = Left { handle: handle.clone(), number: Some(number) };
        let (out, mut messages) = mpsc::channel::<Checked>(ASKED_MAX);
        let desk = Arc::clone(&self);
        let reading = aside(move || {
            let mut cursor = None;
            desk.read(&path, |record| {
                let bytes = match record {
                    Record::ForAll(bytes) => bytes,
                    Record::ForDevice(transport, bytes) => {
                        if transport == desk.transport {
                            cursor = bundle::cursor(&bytes).or(cursor.take());
                        }
                        return Ok(true);
                    }
                    Record::End(_) => return Ok(true),
                };
                // What was learnt meanwhile counts: as on a link.
                let directory = Arc::clone(&desk.directory.borrow());
                let message =
                    wire::check(&directory, &desk.network, &bytes).map_err(|error| Failure::refused("bundle_damaged").because(error))?;
                Ok(out.blocking_send(message).is_ok())
            })?;
            Ok(cursor)
        });
        let reading = tokio::spawn(reading);
        let mut asked = VecDeque::new();
        let mut done = 0;
        while let Some(message) = messages.recv().await {
            asked.push_back(handle.bundle_later(Ask::Message { number, message }).await?);
            if asked.len() >= ASKED_MAX
                && let Some(first) = asked.pop_front()
            {
                Handle::bundle_answer(first).await?;
            }
            done += 1;
            progress.send((done, total)).await.map_err(|_| Failure::unreachable("stopping"))?;
        }
        for answer in asked {
            Handle::bundle_answer(answer).await?;
        }
        let cursor = reading.await.map_err(|_| internal("a thread of bundles panicked"))??;
        let ended = handle.bundle(None, Ask::End { number, cursor }).await?;
        left.number = None;
        match ended {
            Answer::Unpacked(view) => Ok(view),
            _ => Err(internal("unpacking ended otherwise")),
        }
    }
}

/// Tells the core when a bundle is not gone on with.
struct Left {
    handle: Handle,
    number: Option<u64>,
}

impl Drop for Left {
    fn drop(&mut self) {
        if let (Some(number), Ok(runtime)) = (self.number, tokio::runtime::Handle::try_current()) {
            let handle = self.handle.clone();
            // That the daemon stops meanwhile is no error.
            runtime.spawn(async move { drop(handle.bundle(None, Ask::Leave { number }).await) });
        }
    }
}
