//! One link: reads frames from and writes frames to the control stream of one connection.
//!
//! ```text
//! waiting for the link it replaces --> up --> closing (goodbye, at most 2 s) --> down
//! ```
//!
//! Each link is one task. Reading stops while the driver does not take events, which fills the partner's own buffers and nobody
//! else's; the event channel is fair, so one link cannot keep another from being heard. Writing checks the gate of a frame at the moment
//! its first byte is handed to the transport. `Up` comes before the first frame, `Down` after the last, each exactly once.

use std::{
    future::{pending, poll_fn},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use accord_keys::id::TransportKey;
use futures::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
    io::{BufReader, ReadHalf, WriteHalf},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    DownReason, LinkId, OutFrame, Over, SwarmEvent, Tap, Traffic,
    bucket::Bucket,
    bye,
    codec::{self, HEADER_BYTES, Header},
    limits::{FRAME_OVERHEAD_BYTES, Limits, STREAM_REST},
    packing::{Packer, Unpacker},
    plain,
};

/// Read-ahead of one link, in bytes.
const READ_AHEAD_BYTES: usize = 16 * 1024;
/// How long a goodbye to a partner that broke a rule may take.
const CURT: Duration = Duration::from_millis(250);
/// How long reading rests when a partner sends too many frames.
const BREATH: Duration = Duration::from_millis(5);
/// Dropped frames are reported at the latest after so many.
const DROPPED_TOGETHER: u64 = 256;

/// How the hub ends a link.
#[derive(Debug)]
pub(super) enum Ending {
    /// Send what is queued, say why, wait for the partner: at most [`Limits::close_flush`].
    InOrder { bye: u8, reason: DownReason },
    /// Send nothing that is queued.
    AtOnce { bye: Option<u8>, reason: DownReason },
}

/// What the hub learns when a link has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) link: LinkId,
    /// It carried content and lasted.
    pub(super) useful: bool,
    /// The partner said that it is linked with us already.
    pub(super) duplicate: bool,
}

/// Bytes waiting on one link and on all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Queued {
    pub(super) here: Arc<AtomicUsize>,
    pub(super) everywhere: Arc<AtomicUsize>,
}

impl Queued {
    pub(super) fn add(&self, frame: &OutFrame) {
        self.here.fetch_add(cost(frame), Ordering::Relaxed);
        self.everywhere.fetch_add(cost(frame), Ordering::Relaxed);
    }

    fn remove(&self, frame: &OutFrame) {
        self.here.fetch_sub(cost(frame), Ordering::Relaxed);
        self.everywhere.fetch_sub(cost(frame), Ordering::Relaxed);
    }
}

fn cost(frame: &OutFrame) -> usize {
    frame.bytes.len() + FRAME_OVERHEAD_BYTES
}

/// Everything one link needs.
pub(super) struct Link<S> {
    pub(super) id: LinkId,
    pub(super) peer: TransportKey,
    pub(super) outgoing: bool,
    pub(super) address: String,
    pub(super) over: Over,
    pub(super) stream: S,
    /// Both ends speak the version of the control stream that has streams.
    pub(super) streams: bool,
    pub(super) frames: mpsc::Receiver<OutFrame>,
    pub(super) queued: Queued,
    pub(super) ending: oneshot::Receiver<Ending>,
    /// Ends when the link this one replaces is down.
    pub(super) after: Option<oneshot::Receiver<()>>,
    /// Dropped when this link is down.
    pub(super) done: oneshot::Sender<()>,
    pub(super) events: mpsc::Sender<SwarmEvent>,
    pub(super) limits: Arc<Limits>,
    pub(super) tap: Option<Tap>,
    pub(super) traffic: Arc<Traffic>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Runs the link to its end.
    pub(super) async fn run(self) -> Ended {
        let Self {
            id,
            peer,
            outgoing,
            address,
            over,
            stream,
            streams,
            frames,
            queued,
            mut ending,
            after,
            done,
            events,
            limits,
            tap,
            traffic,
        } = self;
        let (read, write) = stream.split();
        let mut reader = Reader::new(id, read, streams, events.clone(), limits.clone(), Arc::clone(&traffic));
        let mut writer = Writer::new(id, peer, write, Packer::new(streams), frames, queued, events.clone(), limits.clone(), tap, traffic);
        let mut announced = false;
        let started = Instant::now();
        let mut end = tokio::select! {
            biased;
            told = &mut ending => told.unwrap_or(Ending::AtOnce { bye: None, reason: DownReason::Stopped }),
            end = async {
                if let Some(after) = after {
                    // Ends by being dropped.
                    let _ = after.await;
                }
                if events.send(SwarmEvent::Up { link: id, transport: peer, outgoing, address, over }).await.is_err() {
                    return Ending::AtOnce { bye: None, reason: DownReason::Stopped };
                }
                announced = true;
                let reason = tokio::select! {
                    reason = reader.run() => reason,
                    reason = writer.run() => reason,
                };
                Ending::AtOnce { bye: reason.bye(), reason }
            } => end,
        };
        // A goodbye that is under way outranks the broken stream it causes.
        if let Ok(told) = ending.try_recv() {
            end = told;
        }
        let reason = match end {
            Ending::InOrder { bye, reason } => {
                let flush = async {
                    writer.finish(bye).await?;
                    reader.drain().await
                };
                let _ = timeout(limits.close_flush, flush).await;
                reason
            }
            Ending::AtOnce { bye: Some(bye), reason } => {
                let curt = async {
                    writer.abandon(bye).await?;
                    reader.drain().await
                };
                let _ = timeout(CURT, curt).await;
                reason
            }
            Ending::AtOnce { bye: None, reason } => reason,
        };
        writer.discard();
        let useful = reader.content && started.elapsed() >= limits.redial_reset;
        let duplicate = reason == DownReason::ClosedByPartner(bye::DUPLICATE);
        drop((reader, writer));
        if announced {
            // Nobody listens any more only when the whole swarm stops.
            let _ = events.send(SwarmEvent::Down { link: id, reason }).await;
        }
        drop(done);
        Ended { link: id, useful, duplicate }
    }
}

/// The reading half.
struct Reader<S> {
    link: LinkId,
    stream: BufReader<ReadHalf<S>>,
    events: mpsc::Sender<SwarmEvent>,
    limits: Arc<Limits>,
    traffic: Arc<Traffic>,
    streams: bool,
    unpacker: Unpacker,
    /// At least one frame with content has come.
    content: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    fn new(
        link: LinkId,
        stream: ReadHalf<S>,
        streams: bool,
        events: mpsc::Sender<SwarmEvent>,
        limits: Arc<Limits>,
        traffic: Arc<Traffic>,
    ) -> Self {
        let stream = BufReader::with_capacity(READ_AHEAD_BYTES, stream);
        Self { link, stream, events, limits, traffic, streams, unpacker: Unpacker::default(), content: false }
    }

    /// Delivers frames until the link cannot go on.
    async fn run(&mut self) -> DownReason {
        match self.deliver().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    async fn deliver(&mut self) -> Result<std::convert::Infallible, DownReason> {
        let first_by = Instant::now() + self.limits.first_frame;
        let mut pace = Bucket::full(self.limits.frames_burst, Instant::now());
        let mut empty = Bucket::full(self.limits.empty_frames_burst, Instant::now());
        loop {
            self.begin(first_by).await?;
            let header = self.header().await?;
            match header {
                Header::KeepAlive | Header::StreamEnds => {
                    if header == Header::StreamEnds {
                        self.unpacker.forget();
                    }
                    if !empty.take(1.0, self.limits.empty_frames_burst, Instant::now()) {
                        return Err(DownReason::Flood);
                    }
                }
                Header::Plain(length) => {
                    let bytes = self.body(length).await?;
                    self.hand_over(bytes).await?;
                }
                Header::Zstd(length) => {
                    let body = self.body(length).await?;
                    let bytes = codec::decompress(&body).map_err(DownReason::Garbage)?;
                    drop(body);
                    self.hand_over(bytes).await?;
                }
                Header::Piece { length, begins } => {
                    let body = self.body(length).await?;
                    let bytes = self.unpacker.read(begins, &body).map_err(DownReason::Garbage)?;
                    drop(body);
                    self.hand_over(bytes).await?;
                }
                Header::Bye => {
                    let body = self.body(1).await?;
                    return Err(DownReason::ClosedByPartner(body.first().copied().unwrap_or_default()));
                }
            }
            while !pace.take(self.limits.frames_per_second, self.limits.frames_burst, Instant::now()) {
                // Not reading is all the partner gets to feel.
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    /// Waits for the first byte of a frame.
    async fn begin(&mut self, first_by: Instant) -> Result<(), DownReason> {
        let (by, otherwise) =
            if self.content { (Instant::now() + self.limits.silence, DownReason::Silent) } else { (first_by, DownReason::NoFirstFrame) };
        match timeout_at(by, self.stream.fill_buf()).await {
            Ok(Ok([])) => Err(DownReason::Lost("the partner closed the connection".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(otherwise),
        }
    }

    async fn header(&mut self) -> Result<Header, DownReason> {
        let bytes = self.body(HEADER_BYTES).await?;
        let bytes = <[u8; HEADER_BYTES]>::try_from(bytes.as_slice()).expect("body returns as many bytes as asked for");
        codec::header(bytes, self.streams).map_err(DownReason::Garbage)
    }

    /// Reads exactly `length` bytes, growing as they arrive, as long as they arrive fast enough.
    async fn body(&mut self, length: usize) -> Result<Vec<u8>, DownReason> {
        let mut bytes = Vec::with_capacity(length.min(READ_AHEAD_BYTES));
        while bytes.len() < length {
            let goal = length.min(bytes.len() + self.limits.progress_bytes);
            match timeout(self.limits.progress_window, read_to(&mut self.stream, &mut bytes, goal)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(lost(&error)),
                Err(_) => return Err(DownReason::TooSlow),
            }
        }
        self.traffic.came(length);
        Ok(bytes)
    }

    async fn hand_over(&mut self, bytes: Vec<u8>) -> Result<(), DownReason> {
        self.content = true;
        self.traffic.frame_came();
        self.events.send(SwarmEvent::Frame { link: self.link, bytes }).await.map_err(|_| DownReason::Stopped)
    }

    /// Reads and forgets until the partner has closed.
    async fn drain(&mut self) -> Result<(), DownReason> {
        loop {
            let read = self.stream.fill_buf().await.map_err(|error| lost(&error))?.len();
            if read == 0 {
                return Ok(());
            }
            self.stream.consume_unpin(read);
        }
    }
}

/// Reads until `bytes` holds `goal` bytes.
async fn read_to<R: AsyncRead + Unpin>(stream: &mut BufReader<R>, bytes: &mut Vec<u8>, goal: usize) -> io::Result<()> {
    while bytes.len() < goal {
        let read = stream.fill_buf().await?;
        if read.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = read.len().min(goal - bytes.len());
        bytes.extend_from_slice(&read[..taken]);
        stream.consume_unpin(taken);
    }
    Ok(())
}

/// The writing half. Every method may be cancelled and another one called: what is on its way is kept here.
struct Writer<S> {
    link: LinkId,
    peer: TransportKey,
    stream: WriteHalf<S>,
    packer: Packer,
    frames: mpsc::Receiver<OutFrame>,
    queued: Queued,
    events: mpsc::Sender<SwarmEvent>,
    limits: Arc<Limits>,
    tap: Option<Tap>,
    traffic: Arc<Traffic>,
    /// The frame on its way, until its first byte is handed over.
    next: Option<OutFrame>,
    /// Its wire form.
    wire: Vec<u8>,
    /// Bytes of `wire` already handed over.
    written: usize,
    dropped: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Writer<S> {
    #[expect(clippy::too_many_arguments, reason = "private, called once")]
    fn new(
        link: LinkId,
        peer: TransportKey,
        stream: WriteHalf<S>,
        packer: Packer,
        frames: mpsc::Receiver<OutFrame>,
        queued: Queued,
        events: mpsc::Sender<SwarmEvent>,
        limits: Arc<Limits>,
        tap: Option<Tap>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            link,
            peer,
            stream,
            packer,
            frames,
            queued,
            events,
            limits,
            tap,
            traffic,
            next: None,
            wire: Vec::new(),
            written: 0,
            dropped: 0,
        }
    }

    /// Sends frames until the link cannot go on.
    async fn run(&mut self) -> DownReason {
        loop {
            match self.send_queued().await {
                Err(reason) => return reason,
                Ok(false) if self.dropped < DROPPED_TOGETHER => continue,
                Ok(all_sent) => {
                    self.report_dropped().await;
                    if !all_sent {
                        continue;
                    }
                }
            }
            let wait = if self.packer.is_awake() { self.limits.keep_alive.min(STREAM_REST) } else { self.limits.keep_alive };
            match timeout(wait, self.frames.recv()).await {
                Ok(Some(frame)) => self.start(frame),
                Err(_) if self.packer.is_awake() => self.packer.rest(&mut self.wire),
                // The hub lets go of the queue when it ends the link, and says so elsewhere.
                Ok(None) => pending().await,
                Err(_) => codec::encode_keep_alive(&mut self.wire),
            }
        }
    }

    /// Sends one frame's worth; true when nothing is left and everything is flushed.
    async fn send_queued(&mut self) -> Result<bool, DownReason> {
        if self.wire.is_empty() {
            match self.frames.try_recv() {
                Ok(frame) => self.start(frame),
                Err(_) => {
                    patiently(self.limits.write_stall, self.stream.flush()).await?;
                    return Ok(true);
                }
            }
        }
        self.push().await?;
        Ok(false)
    }

    fn start(&mut self, frame: OutFrame) {
        self.packer.encode(&frame.bytes, &mut self.wire);
        self.next = Some(frame);
    }

    /// Hands over what is on its way. A frame whose gate has closed before its first byte went is dropped instead. What was dropped is reported
    /// before the next frame goes: an answer to that one must not be taken for an answer to those.
    async fn push(&mut self) -> Result<(), DownReason> {
        if self.dropped > 0 && self.next.as_ref().is_some_and(|frame| frame.gate.as_ref().is_none_or(super::Gate::is_open)) {
            self.report_dropped().await;
        }
        while self.written < self.wire.len() {
            let Self { stream, wire, written, next, limits, .. } = &mut *self;
            let hand_over = poll_fn(|cx| {
                // Asked again at every wake-up: a frame may wait long for the partner's window.
                if next.as_ref().and_then(|frame| frame.gate.as_ref()).is_some_and(|gate| !gate.is_open()) {
                    return Poll::Ready(Ok(None));
                }
                Pin::new(&mut *stream).poll_write(cx, &wire[*written..]).map_ok(Some)
            });
            match patiently(limits.write_stall, hand_over).await? {
                Some(0) => return Err(lost(&io::ErrorKind::WriteZero.into())),
                Some(bytes) => {
                    self.written += bytes;
                    self.traffic.went(bytes);
                    if let Some(frame) = self.next.take() {
                        self.traffic.frame_went();
                        if let Some(tap) = &self.tap {
                            tap(&self.peer, &frame.bytes);
                        }
                        self.queued.remove(&frame);
                    }
                }
                None => {
                    if let Some(frame) = self.next.take() {
                        self.queued.remove(&frame);
                        self.dropped += 1;
                        self.packer.reset();
                    }
                    break;
                }
            }
        }
        self.wire.clear();
        self.written = 0;
        Ok(())
    }

    async fn report_dropped(&mut self) {
        if self.dropped > 0 {
            // Counted until there is room: this may be cancelled. Nobody listens any more only when the whole swarm stops.
            let room = self.events.reserve().await;
            let frames = std::mem::take(&mut self.dropped);
            if let Ok(room) = room {
                room.send(SwarmEvent::Dropped { link: self.link, frames });
            }
        }
    }

    /// Sends everything that is queued, then the goodbye, then the end of the stream.
    async fn finish(&mut self, bye: u8) -> Result<(), DownReason> {
        self.frames.close();
        while !self.send_queued().await? {}
        self.report_dropped().await;
        self.bye(bye).await
    }

    /// Sends the rest of the frame that has begun, then the goodbye, then the end of the stream.
    async fn abandon(&mut self, bye: u8) -> Result<(), DownReason> {
        if self.written == 0 {
            self.discard_next();
        }
        self.push().await?;
        self.bye(bye).await
    }

    async fn bye(&mut self, bye: u8) -> Result<(), DownReason> {
        codec::encode_bye(bye, &mut self.wire);
        self.push().await?;
        patiently(self.limits.write_stall, self.stream.close()).await
    }

    /// Forgets what was not handed over.
    fn discard(&mut self) {
        self.discard_next();
        self.frames.close();
        while let Ok(frame) = self.frames.try_recv() {
            self.queued.remove(&frame);
        }
    }

    fn discard_next(&mut self) {
        if let Some(frame) = self.next.take() {
            self.queued.remove(&frame);
            self.packer.reset();
        }
        self.wire.clear();
        self.written = 0;
    }
}

/// One step of writing, unless the partner takes no byte for too long.
async fn patiently<T>(patience: Duration, step: impl Future<Output = io::Result<T>>) -> Result<T, DownReason> {
    match timeout(patience, step).await {
        Ok(done) => done.map_err(|error| lost(&error)),
        Err(_) => Err(DownReason::Stalled),
    }
}

fn lost(error: &io::Error) -> DownReason {
    DownReason::Lost(plain(&error.to_string()))
}
