//! scratch
use super::*;
/// x
pub fn join(_: JoinPlan) -> Result<Joined, Failure> {
    Err(Failure::fault("x"))
}
