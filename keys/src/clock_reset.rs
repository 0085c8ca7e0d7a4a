//! Clock resets: the root's word that the clock floor of its own devices was poisoned, and what it goes down to.
//!
//! A floor never goes down by itself: a wall clock that once ran years ahead, and was believed, leaves every agreement expired. Only the root
//! heals that, once per statement, and on devices of its own bureau only.

use crate::id::{BureauId, RootId};
use crate::seal::{Malformed, Statement};
use crate::time::WallSeconds;
use crate::types::StatementType;

/// Lowers a poisoned clock floor. Sealed by the threshold of the root version it names.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct ClockReset {
    /// The bureau whose devices it concerns.
    #[n(0)]
    pub bureau: BureauId,
    /// What the floor goes down to.
    #[n(1)]
    pub floor: WallSeconds,
    /// When it was sealed, by the clock of whoever wrote it: makes two resets to one floor differ.
    #[n(2)]
    pub at: WallSeconds,
    /// The root version that says so; on the device it must be the newest.
    #[n(3)]
    pub root: RootId,
}

impl Statement for ClockReset {
    const TYPE: StatementType = StatementType::ClockReset;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.floor.0 > 0, "floor", "is 1970: a floor names a real time")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_reset_names_a_real_time() {
        let mut reset = samples::clock_reset();
        assert_eq!(reset.validate(), Ok(()));
        reset.floor = WallSeconds(0);
        assert_eq!(reset.validate().expect_err("a broken rule").field, "floor");
    }
}
