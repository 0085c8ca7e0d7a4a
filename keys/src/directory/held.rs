//! One statement the directory holds, whatever its type.

use crate::appointment::Appointment;
use crate::certificate::MemberCertificate;
use crate::clock_reset::ClockReset;
use crate::id::StatementId;
use crate::revocation::Revocation;
use crate::root::RootStatement;
use crate::seal::Verified;

/// A statement the directory holds. Encoded only when asked for.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// A root version, rivals included.
    Root(&'a Verified<RootStatement>),
    /// A certificate, in whatever standing.
    Certificate(&'a Verified<MemberCertificate>),
    /// A revocation.
    Revocation(&'a Verified<Revocation>),
    /// An appointment, rivals included.
    Appointment(&'a Verified<Appointment>),
    /// A clock reset.
    ClockReset(&'a Verified<ClockReset>),
}

impl Held<'_> {
    /// The statement's id.
    pub fn id(&self) -> StatementId {
        match self {
            Self::Root(it) => it.id(),
            Self::Certificate(it) => it.id(),
            Self::Revocation(it) => it.id(),
            Self::Appointment(it) => it.id(),
            Self::ClockReset(it) => it.id(),
        }
    }

    /// The sealed bytes, to send on or keep.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Root(it) => it.sealed().to_bytes(),
            Self::Certificate(it) => it.sealed().to_bytes(),
            Self::Revocation(it) => it.sealed().to_bytes(),
            Self::Appointment(it) => it.sealed().to_bytes(),
            Self::ClockReset(it) => it.sealed().to_bytes(),
        }
    }
}
