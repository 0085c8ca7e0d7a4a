//! One zstd stream for each direction of a link: what was sent before helps to say what comes now.
//!
//! Only where both ends speak `/accord/2`. A frame alone is packed by itself ([`codec`]): a stream begins with the third frame of a burst that
//! is worth packing, and ends when the sender has said nothing for [`STREAM_REST`]; then both ends give its memory back. So an edit now and
//! then costs no stream, and shares none with what went before it.
//!
//! ```text
//! flag 3   plain length u24 BE ‖ zstd bytes: begins a stream, whatever was before      flag 3, empty   the stream is over
//! flag 4   plain length u24 BE ‖ zstd bytes: goes on with it
//! ```
//! Each piece ends flushed, so it can be read as soon as it is here, and yields exactly the length it states, at most one frame. A stream holds
//! what one partner may read and nothing else: it belongs to one direction of one link. What was packed and then not handed over is not in the
//! partner's stream, so ours begins anew after it.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, compress_bound};

use super::codec::{self, Garbage};
use super::limits::{COMPRESS_FROM_BYTES, FRAME_BYTES_MAX, STREAM_AFTER_FRAMES, STREAM_FROM_BYTES, STREAM_WINDOW_LOG, ZSTD_LEVEL};

/// Bytes of the stated length.
const LENGTH_BYTES: usize = 3;
/// Longest frame that is packed into a stream: with what packing may add it fits a body.
const STREAMED_MAX: usize = FRAME_BYTES_MAX - 4 * 1024;

/// The sending end.
pub(super) struct Packer {
    /// The partner reads streams.
    streams: bool,
    context: Option<CCtx<'static>>,
    /// The partner holds what our context holds.
    begun: bool,
    /// Frames worth packing since the last rest.
    burst: u32,
}

impl Packer {
    /// For a partner that does or does not read streams.
    pub(super) fn new(streams: bool) -> Self {
        Self { streams, context: None, begun: false, burst: 0 }
    }

    /// Writes a whole frame into `out`. `frame` holds at most [`FRAME_BYTES_MAX`] bytes.
    pub(super) fn encode(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        if self.streams && frame.len() >= COMPRESS_FROM_BYTES {
            self.burst = self.burst.saturating_add(1);
        }
        let streamed = self.streams && self.burst > STREAM_AFTER_FRAMES && (STREAM_FROM_BYTES..=STREAMED_MAX).contains(&frame.len());
        match streamed.then(|| self.piece(frame)).flatten() {
            Some((begins, body)) => codec::put_piece(begins, &body, out),
            None => codec::encode(frame, out),
        }
    }

    /// The body of a piece and whether it begins a stream. `None` when there is no memory for it: the frame then goes by itself.
    fn piece(&mut self, frame: &[u8]) -> Option<(bool, Vec<u8>)> {
        let begins = !self.begun;
        let context = match &mut self.context {
            Some(context) => context,
            None => self.context.insert(CCtx::try_create()?),
        };
        let mut write = || {
            if begins {
                context.reset(ResetDirective::SessionAndParameters)?;
                context.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL))?;
                context.set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG))?;
            }
            let mut body = Vec::with_capacity(LENGTH_BYTES + compress_bound(frame.len()) + 64);
            body.extend_from_slice(&length(frame.len()));
            let mut input = InBuffer::around(frame);
            let mut output = OutBuffer::around_pos(&mut body, LENGTH_BYTES);
            while input.pos < frame.len() {
                context.compress_stream(&mut output, &mut input)?;
            }
            let left = context.flush_stream(&mut output)?;
            Ok::<_, usize>((left == 0).then_some(body))
        };
        match write() {
            Ok(Some(body)) => {
                self.begun = true;
                Some((begins, body))
            }
            _ => {
                self.reset();
                None
            }
        }
    }

    /// What was packed last did not go, or nothing is known of what did: the next piece begins a stream.
    pub(super) fn reset(&mut self) {
        self.begun = false;
    }

    /// Whether a rest would give something back.
    pub(super) fn is_awake(&self) -> bool {
        self.burst > 0
    }

    /// Nothing was said for a while: gives the memory back, and writes into `out` that the partner may do so too.
    pub(super) fn rest(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            codec::put_piece(true, &[], out);
        }
        *self = Self::new(self.streams);
    }
}

/// The receiving end.
#[derive(Default)]
pub(super) struct Unpacker {
    context: Option<DCtx<'static>>,
}

impl Unpacker {
    /// The frame of a piece.
    ///
    /// # Errors
    /// [`Garbage::BadCompression`]: it goes on with nothing, states no length within bounds, or yields another one.
    pub(super) fn read(&mut self, begins: bool, body: &[u8]) -> Result<Vec<u8>, Garbage> {
        let frame = self.take(begins, body);
        if frame.is_none() {
            self.context = None;
        }
        frame.ok_or(Garbage::BadCompression)
    }

    /// The stream is over.
    pub(super) fn forget(&mut self) {
        self.context = None;
    }

    fn take(&mut self, begins: bool, body: &[u8]) -> Option<Vec<u8>> {
        let (stated, packed) = body.split_first_chunk::<LENGTH_BYTES>()?;
        let size = stated.iter().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
        if !(1..=FRAME_BYTES_MAX).contains(&size) {
            return None;
        }
        if begins {
            let context = match &mut self.context {
                Some(context) => context,
                None => self.context.insert(DCtx::try_create()?),
            };
            context.reset(ResetDirective::SessionAndParameters).ok()?;
            context.set_parameter(DParameter::WindowLogMax(STREAM_WINDOW_LOG)).ok()?;
        }
        let context = self.context.as_mut()?;
        // One byte of room more than stated, so that too much shows.
        let mut frame = Vec::with_capacity(size + 1);
        let most = frame.capacity().min(size + 1);
        let reached = {
            let mut input = InBuffer::around(packed);
            let mut output = OutBuffer::around(&mut frame);
            loop {
                let (before, consumed) = (output.pos(), input.pos);
                let hint = context.decompress_stream(&mut output, &mut input).ok()?;
                // A stream of ours has no end.
                if hint == 0 || output.pos() >= most {
                    return None;
                }
                if input.pos == packed.len() && output.pos() == before {
                    break output.pos();
                }
                if input.pos == consumed && output.pos() == before {
                    return None;
                }
            }
        };
        (reached == size).then_some(frame)
    }
}

fn length(of: usize) -> [u8; LENGTH_BYTES] {
    let [.., a, b, c] = of.to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::super::codec::{HEADER_BYTES, Header};
    use super::*;

    /// A reader of streams.
    #[derive(Default)]
    struct Reader(Unpacker);

    impl Reader {
        /// All frames of these bytes.
        fn all(&mut self, mut wire: &[u8]) -> Result<Vec<Vec<u8>>, Garbage> {
            let mut out = Vec::new();
            while let Some((head, rest)) = wire.split_first_chunk::<HEADER_BYTES>() {
                let length = match codec::header(*head, true)? {
                    Header::KeepAlive => 0,
                    Header::StreamEnds => {
                        self.0.forget();
                        0
                    }
                    Header::Plain(length) => {
                        out.push(rest[..length].to_vec());
                        length
                    }
                    Header::Zstd(length) => {
                        out.push(codec::decompress(&rest[..length])?);
                        length
                    }
                    Header::Piece { length, begins } => {
                        out.push(self.0.read(begins, &rest[..length])?);
                        length
                    }
                    Header::Bye => 1,
                };
                wire = &rest[length..];
            }
            Ok(out)
        }
    }

    fn page(n: u64) -> Vec<u8> {
        let mut out = format!("第{n}号通报。城关镇东门市场一辆电动自行车被盗，车锁遭液压钳剪断。").repeat(12).into_bytes();
        out.extend_from_slice(blake3::hash(&n.to_be_bytes()).as_bytes());
        out
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn a_burst_reads_back_frame_by_frame_and_costs_less_than_frames_by_themselves() {
        let (mut packer, mut reader) = (Packer::new(true), Reader::default());
        let (mut streamed, mut alone) = (0, 0);
        for n in 0..200 {
            let frame = page(n);
            let mut wire = Vec::new();
            packer.encode(&frame, &mut wire);
            streamed += wire.len();
            assert_eq!(reader.all(&wire), Ok(vec![frame.clone()]), "each as soon as it is here");
            let mut wire = Vec::new();
            codec::encode(&frame, &mut wire);
            alone += wire.len();
        }
        assert!(streamed * 2 < alone, "{streamed} against {alone}");
    }

    #[test]
    fn frames_of_every_size_go_with_a_stream_and_beside_it() {
        let (mut packer, mut reader) = (Packer::new(true), Reader::default());
        let mut frames: Vec<Vec<u8>> = (0..4).map(page).collect();
        frames.extend([vec![7], noise(63), noise(64), noise(STREAMED_MAX), noise(STREAMED_MAX + 1), vec![0; FRAME_BYTES_MAX], page(9)]);
        frames.extend([noise(FRAME_BYTES_MAX), vec![5; STREAMED_MAX], page(10)]);
        let mut wire = Vec::new();
        for frame in &frames {
            packer.encode(frame, &mut wire);
        }
        assert_eq!(reader.all(&wire), Ok(frames));
    }

    #[test]
    fn what_was_packed_and_not_handed_over_is_in_no_later_piece() {
        let (mut packer, mut reader) = (Packer::new(true), Reader::default());
        let mut wire = Vec::new();
        for n in 0..5 {
            packer.encode(&page(n), &mut wire);
        }
        // Its gate closed: it stays here.
        packer.encode(&noise(4_000), &mut Vec::new());
        packer.reset();
        let after = wire.len();
        packer.encode(&noise(4_000), &mut wire);
        assert!(wire.len() - after > 4_000, "nothing of it is remembered");
        packer.encode(&page(5), &mut wire);
        let frames = reader.all(&wire).expect("reads");
        assert_eq!((frames.len(), &frames[6]), (7, &page(5)));
    }

    #[test]
    fn a_frame_now_and_then_begins_no_stream_and_a_rest_ends_one() {
        let (mut packer, mut reader) = (Packer::new(true), Reader::default());
        for n in 0..10 {
            let (mut wire, mut alone) = (Vec::new(), Vec::new());
            packer.encode(&page(n), &mut wire);
            codec::encode(&page(n), &mut alone);
            assert_eq!(wire, alone);
            packer.rest(&mut wire);
            assert_eq!(wire, alone, "nobody has a stream to forget");
            assert!(!packer.is_awake());
        }
        let mut wire = Vec::new();
        for n in 0..4 {
            packer.encode(&page(n), &mut wire);
        }
        let before = wire.len();
        packer.rest(&mut wire);
        assert_eq!(hex::encode(&wire[before..]), "0000000003");
        assert!(packer.context.is_none());
        reader.all(&wire).expect("reads");
        assert!(reader.0.context.is_none(), "both gave the memory back");
        let mut older = Packer::new(false);
        for n in 0..9 {
            let (mut wire, mut alone) = (Vec::new(), Vec::new());
            older.encode(&page(n), &mut wire);
            codec::encode(&page(n), &mut alone);
            assert_eq!(wire, alone, "who speaks /accord/1 never gets a stream");
        }
    }

    /// Body of a first piece that states `size` and holds what a stream makes of `plain`.
    fn lying(size: usize, plain: &[u8], window_log: u32, ends: bool) -> Vec<u8> {
        let mut context = CCtx::try_create().expect("memory");
        context.set_parameter(CParameter::WindowLog(window_log)).expect("a window");
        let mut body = Vec::with_capacity(LENGTH_BYTES + compress_bound(plain.len()) + 1_024);
        body.extend_from_slice(&length(size));
        let mut input = InBuffer::around(plain);
        let mut output = OutBuffer::around_pos(&mut body, LENGTH_BYTES);
        while input.pos < plain.len() {
            context.compress_stream(&mut output, &mut input).expect("room");
        }
        let left = if ends { context.end_stream(&mut output) } else { context.flush_stream(&mut output) };
        assert_eq!(left, Ok(0));
        body
    }

    #[test]
    fn pieces_that_lie_are_garbage() {
        let plain = page(1);
        let read = |begins, body: &[u8]| Unpacker::default().read(begins, body);
        assert_eq!(read(true, &lying(plain.len(), &plain, STREAM_WINDOW_LOG, false)), Ok(plain.clone()));
        let bad = |begins, body: &[u8]| assert_eq!(read(begins, body), Err(Garbage::BadCompression));
        bad(true, &lying(plain.len() - 1, &plain, STREAM_WINDOW_LOG, false));
        bad(true, &lying(plain.len() + 1, &plain, STREAM_WINDOW_LOG, false));
        bad(true, &lying(0, &plain, STREAM_WINDOW_LOG, false));
        bad(true, &lying(plain.len(), &plain, STREAM_WINDOW_LOG, true));
        bad(true, &lying(plain.len(), &plain, STREAM_WINDOW_LOG + 1, false));
        bad(false, &lying(plain.len(), &plain, STREAM_WINDOW_LOG, false));
        bad(true, &[0, 1]);
        // A bomb: 64 MiB of zeros in a few kilobytes yield nothing beyond one frame.
        let bomb = lying(FRAME_BYTES_MAX, &vec![0; 64 << 20], STREAM_WINDOW_LOG, false);
        assert!(bomb.len() < FRAME_BYTES_MAX);
        bad(true, &bomb);
        // After a lie nothing goes on.
        let mut unpacker = Unpacker::default();
        assert!(unpacker.read(true, &lying(9, &plain, STREAM_WINDOW_LOG, false)).is_err());
        assert!(unpacker.context.is_none());
        // Any bit bent: an answer within bounds.
        let honest = lying(plain.len(), &plain, STREAM_WINDOW_LOG, false);
        for at in 0..honest.len() {
            let mut bent = honest.clone();
            bent[at] ^= 0x10;
            if let Ok(frame) = read(true, &bent) {
                assert!(frame.len() <= FRAME_BYTES_MAX);
            }
        }
    }
}
