//! How much went over the links since the start: bytes as they stand on the control streams, so after compression and before encryption.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts of one node over all its links. Headers and signs of life are counted like everything else; what TLS, TCP or QUIC add is not.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    frames_in: AtomicU64,
    frames_out: AtomicU64,
}

/// [`Traffic`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficView {
    /// Bytes taken from the control streams of all links.
    pub bytes_in: u64,
    /// Bytes handed to them.
    pub bytes_out: u64,
    /// Frames with content that came.
    pub frames_in: u64,
    /// Frames with content whose first byte was handed over.
    pub frames_out: u64,
}

impl Traffic {
    /// The counts now. Each is right by itself; a frame may be on its way between two of them.
    pub fn view(&self) -> TrafficView {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TrafficView {
            bytes_in: of(&self.bytes_in),
            bytes_out: of(&self.bytes_out),
            frames_in: of(&self.frames_in),
            frames_out: of(&self.frames_out),
        }
    }
    pub(super) fn came(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    pub(super) fn went(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    pub(super) fn frame_came(&self) {
        self.frames_in.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn frame_went(&self) {
        self.frames_out.fetch_add(1, Ordering::Relaxed);
    }
}
