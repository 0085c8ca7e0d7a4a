//! Whether a document that is here may be shown here: to a person, on this device.
//!
//! A node stands in its bureau's house and what it holds stays readable. A laptop travels. Away from its registrar it does not hear of
//! suspensions, cuts and its own revocation, so it keeps a document readable for as many days as the line of the agreement says by which the
//! document came ([`crate::agreement::Grant::offline_days_max`]), and then locks it: nothing is deleted, and the registrar's next word unlocks it.
//! What no line gives a figure for, above all the bureau's own documents, stays readable for [`limits::OFFLINE_DAYS`].
//!
//! Writing is not locked: what a patrol reports shows nothing to whoever holds the laptop.

use accord_keys::certificate::MemberCertificate;
use accord_keys::time::WallSeconds;

use super::check::{Facts, Refusal, check_person, given_lines};
use crate::agreement::Verb;
use crate::agreement::book::{AgreementBook, Clause};
use crate::id::{BureauId, CertificateId};
use crate::limits;
use crate::time::DAY_S;

/// How a device stands to its bureau's registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// A node, or a laptop whose registrar is linked and has told it all that goes before documents.
    Home,
    /// A laptop that was last told so then.
    Away(WallSeconds),
    /// A laptop that knows that its certificate was revoked, linked or not.
    Revoked(CertificateId),
}

/// How long a laptop keeps a document readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Days without its registrar.
    pub days: u32,
    /// The line that says so; none where none gives a figure.
    pub clause: Option<Clause>,
}

impl Allowed {
    /// When what was readable at a contact locks.
    pub fn locks(&self, since: WallSeconds) -> WallSeconds {
        since.plus(u64::from(self.days).saturating_mul(DAY_S))
    }
}

/// Whether a document may be shown on this device to a member of our bureau, or (nobody named) to whoever sits before it.
///
/// # Errors
/// [`Refusal`]: what [`check_person`] says, or [`Refusal::ReadingLocked`].
pub fn check_reading(
    book: &AgreementBook,
    facts: &Facts<'_>,
    bureau: BureauId,
    reader: Option<(&CertificateId, &MemberCertificate)>,
    contact: Contact,
    now: WallSeconds,
) -> Result<(), Refusal> {
    if let Some((certificate, member)) = reader {
        check_person(book, facts, certificate, member, Verb::Read, now)?;
    }
    let since = match contact {
        Contact::Home => return Ok(()),
        Contact::Away(since) => since,
        Contact::Revoked(certificate) => return Err(Refusal::NotThisMember { certificate, verb: Verb::Read }),
    };
    let allowed = offline_days(book, facts, bureau, reader.map(|(_, member)| member), now);
    if now < allowed.locks(since) { Ok(()) } else { Err(Refusal::ReadingLocked { clause: allowed.clause, since, days: allowed.days }) }
}

/// How many days a laptop keeps a document readable: the most that a line of the agreement gives which is meant for the reader; where several
/// agreements count, the least of them.
pub fn offline_days(
    book: &AgreementBook,
    facts: &Facts<'_>,
    bureau: BureauId,
    reader: Option<&MemberCertificate>,
    now: WallSeconds,
) -> Allowed {
    let of_agreement = |lines: Vec<(Clause, &crate::agreement::Grant)>| {
        let meant = |line: &crate::agreement::Grant| match reader {
            Some(member) => line.is_for(&member.unit, &member.seats),
            None => line.units.is_none() && line.seats.is_none(),
        };
        // Who may read at all is decided elsewhere: where no line is meant for the reader, all of them say how long.
        let any = lines.iter().any(|(_, line)| meant(line));
        let said = lines.into_iter().filter(|(_, line)| !any || meant(line)).map(|(clause, line)| match line.offline_days_max {
            Some(days) => Allowed { days, clause: Some(clause) },
            None => Allowed { days: limits::OFFLINE_DAYS, clause: None },
        });
        said.max_by_key(|allowed| allowed.days)
    };
    let all = given_lines(book, facts, bureau, Verb::Read, now).into_iter().filter_map(of_agreement);
    all.min_by_key(|allowed| allowed.days).unwrap_or(Allowed { days: limits::OFFLINE_DAYS, clause: None })
}
