//! What of the unsynced survives a power cut.

/// The smallest piece a disk writes whole, bytes.
pub const SECTOR: u64 = 512;

/// How a power cut treats what nobody synced. What was synced always survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// Nothing of it.
    Synced,
    /// Every byte written to a place that was durable before; no growth and no names. More than `sync_file_range` promises, on the best of disks.
    BytesInPlace,
    /// Some of it, drawn: sectors of 512 bytes or 4 KiB in no order, the last write torn, some changes of lengths and names.
    Parts,
}
