//! Appointments: which node writes the access logs of its bureau, epoch by epoch.
//!
//! An epoch belongs to exactly one node. Two different appointments for one epoch freeze the bureau until its officers have spoken.

use crate::id::{BureauId, CertificateId, RootId};
use crate::seal::{Malformed, Statement};
use crate::time::WallSeconds;
use crate::types::StatementType;

/// Makes one node the registrar of its bureau for one epoch. Sealed by the threshold of the root version it names.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Appointment {
    /// The bureau.
    #[n(0)]
    pub bureau: BureauId,
    /// Counts from 1; a higher epoch replaces every lower one.
    #[n(1)]
    pub epoch: u32,
    /// The node's certificate; it must hold `register`.
    #[n(2)]
    pub registrar: CertificateId,
    /// When it was appointed, by the root's clock.
    #[n(3)]
    pub at: WallSeconds,
    /// The root version that appoints.
    #[n(4)]
    pub root: RootId,
}

impl Statement for Appointment {
    const TYPE: StatementType = StatementType::Appointment;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.epoch >= 1, "epoch", "is 0, the first is 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn epochs_count_from_one() {
        let mut appointment = samples::appointment();
        assert_eq!(appointment.validate(), Ok(()));
        appointment.epoch = 0;
        assert_eq!(appointment.validate().expect_err("a broken rule").field, "epoch");
    }
}
