//! Wall time as statements carry it.

/// Seconds since 1970-01-01T00:00:00Z. A statement's own time is a claim; it never decides admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct WallSeconds(#[n(0)] pub u64);

impl WallSeconds {
    /// This time plus `seconds`, stopping at the end of time.
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}
