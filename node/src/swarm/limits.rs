//! Every bound of the transport, with its unit, default and reason.
//!
//! All of them are back-pressure or link hygiene: none decides what is true about a document.

use std::time::Duration;

/// Largest frame after decompression, in bytes; also the largest body on the wire. The largest segment fits one.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Streams one connection may have open. One is in use; the rest is room for transfer streams. More is a broken partner.
pub const STREAMS_MAX: usize = 64;

/// What one yamux connection may make us buffer, in bytes. Must hold 256 KiB, yamux' first window, for each stream.
pub const YAMUX_WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// What one QUIC stream may have sent without our reading it, in bytes.
pub const QUIC_STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// What one QUIC connection may have sent without our reading it, in bytes.
pub const QUIC_CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Incoming connections in the middle of their handshake.
pub const PENDING_IN_MAX: u32 = 32;

/// Of [`PENDING_IN_MAX`], how many may come from addresses no partner is known by, so a flood leaves room for partners.
pub const PENDING_STRANGERS_MAX: usize = 24;

/// Incoming connections of one place in the middle of their handshake.
pub const PENDING_PER_PLACE_MAX: usize = 6;

/// Outgoing connections in the middle of their handshake.
pub const PENDING_OUT_MAX: u32 = 8;

/// Incoming connections with a proven key.
pub const ESTABLISHED_IN_MAX: u32 = 256;

/// Connections to one key: the link, and the one that may be about to replace it.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 2;

/// Connections in all.
pub const CONNECTIONS_MAX: u32 = 320;

/// Connection attempts per second from one place: an address a partner is known by, or the /24 or /64 of a stranger.
pub const ATTEMPTS_PER_SECOND: f64 = 5.0;

/// Connection attempts one place may make at once before [`ATTEMPTS_PER_SECOND`] applies.
pub const ATTEMPTS_BURST: f64 = 20.0;

/// Places remembered by the attempt buckets; when all are busy, further strangers wait outside.
pub const PLACES_MAX: usize = 4096;

/// Addresses of one partner that are tried; further ones are ignored.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;

/// What a queued frame costs beyond its bytes, so that many small frames count too.
pub const FRAME_OVERHEAD_BYTES: usize = 64;

/// Frames smaller than this many bytes go out as they are.
pub const COMPRESS_FROM_BYTES: usize = 512;

/// zstd level of outgoing frames.
pub const ZSTD_LEVEL: i32 = 3;

/// A stream begins after so many frames of [`COMPRESS_FROM_BYTES`] and more in one burst: a frame now and then goes by itself.
pub const STREAM_AFTER_FRAMES: u32 = 2;

/// Frames smaller than this many bytes go beside a stream.
pub const STREAM_FROM_BYTES: usize = 64;

/// Window of a stream, as a power of two: 1 MiB. With its tables a sender holds 2.5 MiB for it, a receiver 1.3 MiB, in each direction of each
/// link, from the third frame of a burst until [`STREAM_REST`] after the last.
pub const STREAM_WINDOW_LOG: u32 = 20;

/// A sender that said nothing for so long ends its stream.
pub const STREAM_REST: Duration = Duration::from_secs(1);

const _: () = assert!(FRAME_BYTES_MAX < 1 << 24, "the length of a piece has three bytes");
const _: () = assert!(FRAME_BYTES_MAX <= 1 << STREAM_WINDOW_LOG, "a stream remembers at least one frame");
const _: () = assert!(YAMUX_WINDOW_BYTES >= STREAMS_MAX * 256 * 1024, "yamux gives every stream 256 KiB at once");
const _: () = assert!(PENDING_STRANGERS_MAX < PENDING_IN_MAX as usize, "a flood of strangers leaves room for partners");
const _: () = assert!(FRAME_BYTES_MAX <= QUIC_STREAM_WINDOW_BYTES as usize, "one frame fits into the window of its stream");

/// The bounds that depend on time or on how much a machine can hold. The defaults are for a county bureau; tests shorten them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A connection that has not finished its handshake after this is given up. 5 s.
    pub handshake: Duration,
    /// Time from the end of the handshake to the control stream, and from there to the first frame with content. 10 s each.
    pub first_frame: Duration,
    /// A frame once begun must bring [`Limits::progress_bytes`] (or its rest, if that is less) in every such span. 10 s.
    pub progress_window: Duration,
    /// See [`Limits::progress_window`]. 10 KiB, which makes 1 KiB/s.
    pub progress_bytes: usize,
    /// A link on which nothing was heard for this long is dead. 60 s.
    pub silence: Duration,
    /// A link on which nothing was sent for this long gets an empty frame. 20 s: three fit into [`Limits::silence`].
    pub keep_alive: Duration,
    /// A link whose partner accepts no byte for this long while frames wait is closed. 120 s.
    pub write_stall: Duration,
    /// Frames per second read from one link; what comes faster waits in the partner's own buffers. 2,000.
    pub frames_per_second: f64,
    /// Frames one link may bring at once before [`Limits::frames_per_second`] applies. 4,000.
    pub frames_burst: f64,
    /// Empty frames one link may bring at once; one more comes free each second. Beyond that the link is closed. 64.
    pub empty_frames_burst: f64,
    /// Bytes waiting to go out on one link; beyond that it is closed. 16 MiB: sessions keep at most 8 MiB in flight.
    pub queue_bytes_max: usize,
    /// Bytes waiting to go out on all links; beyond that the fullest link is closed. 256 MiB.
    pub queue_bytes_total_max: usize,
    /// How long a link that is closed in order may take to get rid of its queued frames. 2 s.
    pub close_flush: Duration,
    /// A link older than this has settled: a further connection means that the partner has lost it. 15 s, more than a handshake.
    pub settled: Duration,
    /// First pause before dialling again, before jitter. 1 s.
    pub redial_first: Duration,
    /// Longest pause before dialling again, before jitter. 5 min.
    pub redial_max: Duration,
    /// A link that carried content and lasted this long makes the next pause the first one again. 60 s.
    pub redial_reset: Duration,
    /// Events waiting for the driver. 64: at most 16 MiB of frames.
    pub events_max: usize,
    /// Commands waiting for the swarm. 1,024.
    pub commands_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            first_frame: Duration::from_secs(10),
            progress_window: Duration::from_secs(10),
            progress_bytes: 10 * 1024,
            silence: Duration::from_secs(60),
            keep_alive: Duration::from_secs(20),
            write_stall: Duration::from_secs(120),
            frames_per_second: 2_000.0,
            frames_burst: 4_000.0,
            empty_frames_burst: 64.0,
            queue_bytes_max: 16 * 1024 * 1024,
            queue_bytes_total_max: 256 * 1024 * 1024,
            close_flush: Duration::from_secs(2),
            settled: Duration::from_secs(15),
            redial_first: Duration::from_secs(1),
            redial_max: Duration::from_secs(300),
            redial_reset: Duration::from_secs(60),
            events_max: 64,
            commands_max: 1024,
        }
    }
}
