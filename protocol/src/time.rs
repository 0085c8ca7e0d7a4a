//! Time as the core is told it: two clocks, never read here.

pub use accord_keys::time::WallSeconds;

/// Seconds of a day, as every deadline in days counts them.
pub const DAY_S: u64 = 24 * 3_600;

/// Milliseconds of a clock that only goes forward while the process lives. For timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonoMillis(pub u64);

impl MonoMillis {
    /// This instant plus `millis`.
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// What both clocks said when an input was taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub mono: MonoMillis,
    /// For agreements; not yet corroborated.
    pub wall: WallSeconds,
}
