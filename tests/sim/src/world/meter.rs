//! What a measuring world adds: somebody who counts, and a device whose work takes time.

use accord_protocol::step::Write;

/// Counts what devices do. It learns everything and changes nothing.
pub trait Meter {
    /// A device begins to work: the core takes a step or a worker checks what came.
    fn begins(&mut self);
    /// The device of this number has done that work.
    fn worked(&mut self, node: usize);
    /// A frame of so many bytes leaves one device for another.
    fn sends(&mut self, from: usize, to: usize, bytes: usize);
    /// A device has these writes on disk at a world time, microseconds.
    fn stored(&mut self, node: usize, at_us: u64, writes: &[Write]);
}

/// How long a device is busy, one thing after another, as measured on a real one.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// A durable commit, microseconds.
    pub commit_us: u64,
    /// Each frame it prepares, encrypts and hands over, microseconds.
    pub frame_us: u64,
    /// Each frame it takes in, checks and decides on, microseconds.
    pub arrival_us: u64,
}
