//! scratch
use super::*;
/// x
pub fn init(_: InitPlan) -> Result<StartSheet, Failure> {
    Err(Failure::fault("x"))
}
