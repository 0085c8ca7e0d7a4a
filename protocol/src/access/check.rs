//! The one check: whether a document may go from one bureau to another, asked alike by sender, receiver and every later hop.
//!
//! | way | what it rests on |
//! |---|---|
//! | between devices of one bureau | nothing more |
//! | owner to holder | its log and a clause of the agreement between the two |
//! | anyone to the owner | any agreement in force; without one only what the sender's own bureau wrote and is held |
//! | a third bureau's document, by **pass** | its log lets both in, the receiver's pass of the owner names the sender, any agreement in force |
//! | a third bureau's document, **onward** | its log lets one in by way of the other, and the clause of those two; the one on the way has fresh word of the owner |
//!
//! Whatever the way, a receiver that came later than entries of other bureaus needs their consent, and limits the owner's record set for it
//! hold. Nothing here reads a clock: `now` is given.

use std::collections::BTreeMap;

use accord_keys::certificate::{Capability, MemberCertificate};
use accord_keys::time::WallSeconds;
use thiserror::Error;

use super::log::{Held, Kind, Rights};
use super::pass::{PassBook, PassFault};
use crate::agreement::book::{AgreementBook, Clause, Entry, Lack};
use crate::agreement::lifecycle::Standing;
use crate::agreement::{Category, Giver, Grant, Onward, Pair, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, DocumentId, RecordId, StatementId};

/// What a decision needs to know of a document.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The document.
    pub document: DocumentId,
    /// Its owner.
    pub owner: BureauId,
    /// What it is.
    pub kind: Kind,
    /// Its category.
    pub category: Category,
    /// Its traffic light.
    pub tlp: Tlp,
    /// Rights at the head of its log, as known here.
    pub rights: &'a Rights,
    /// Whether its audience is hidden behind commitments.
    pub hidden: bool,
    /// Bureaus other than the owner that wrote in it, with the index of the first record that settled something of theirs.
    pub contributors: &'a BTreeMap<BureauId, u32>,
}

/// What this node decides by besides the document.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Our bureau.
    pub own: BureauId,
    /// Agreements of our pairs.
    pub book: &'a AgreementBook,
    /// Relay passes we hold or were shown.
    pub passes: &'a PassBook,
    /// Whether this device heard its bureau's registrar lately: only then it sends to partners.
    pub in_touch: bool,
}

/// One question: may the document go this way, now?
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The document.
    pub facts: &'a Facts<'a>,
    /// The bureau that would send.
    pub from: BureauId,
    /// The bureau that would receive.
    pub to: BureauId,
    /// Effective time.
    pub now: WallSeconds,
    /// Policy epoch the answer is bound to.
    pub epoch: u64,
}

/// Why not. Complete for our own account; the partner hears one byte.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The owner's log does not name the bureau for the verb.
    #[error("the access log of {document:?} does not give {bureau:?} {verb:?}")]
    NotInLog {
        /// The document.
        document: DocumentId,
        /// Whom.
        bureau: BureauId,
        /// For what.
        verb: Verb,
    },
    /// It was let in and was cut.
    #[error("record {record:?} of {document:?} cut {bureau:?}")]
    Cut {
        /// The document.
        document: DocumentId,
        /// Whom.
        bureau: BureauId,
        /// The cut.
        record: RecordId,
    },
    /// One side suspended the agreement, or this category of it.
    #[error("sharing is suspended by {statement:?}")]
    Suspended {
        /// The suspension.
        statement: StatementId,
    },
    /// The agreement excludes the category.
    #[error("agreement {agreement:?} excludes {}", .category.code())]
    Excluded {
        /// The agreement.
        agreement: AgreementId,
        /// The category.
        category: Category,
    },
    /// The pair's agreement is being wound down.
    #[error("agreement {agreement:?} is being wound down")]
    WindingDown {
        /// The agreement.
        agreement: AgreementId,
    },
    /// The pair's agreement has ended for good.
    #[error("agreement {agreement:?} has ended")]
    Ended {
        /// The agreement.
        agreement: AgreementId,
    },
    /// Nothing was ever concluded between the two nodes of the link.
    #[error("no agreement between {one:?} and {other:?} is in force")]
    NoAgreement {
        /// One side.
        one: BureauId,
        /// The other.
        other: BureauId,
    },
    /// The pair's newest agreement is over.
    #[error("agreement {agreement:?} has expired")]
    Expired {
        /// The agreement.
        agreement: AgreementId,
    },
    /// The pair's agreement begins later.
    #[error("agreement {agreement:?} has not begun")]
    NotYet {
        /// The agreement.
        agreement: AgreementId,
    },
    /// The agreement in force has no clause for it.
    #[error("the agreement between {giver:?} and {receiver:?} does not grant {verb:?} on {} up to {}", .category.code(), .tlp.word())]
    NotGranted {
        /// Who would give.
        giver: BureauId,
        /// Who would receive.
        receiver: BureauId,
        /// Category asked for.
        category: Category,
        /// Traffic light of the document.
        tlp: Tlp,
        /// Verb asked for.
        verb: Verb,
    },
    /// A clause covers the category, but not so strict a document.
    #[error("line {} of agreement {:?} does not reach up to {}", .clause.line, .clause.agreement, .tlp.word())]
    Ceiling {
        /// The clause that would cover a milder one.
        clause: Clause,
        /// Traffic light of the document.
        tlp: Tlp,
    },
    /// The record that let the bureau in was limited in time.
    #[error("record {record:?} let {bureau:?} in until {}", .until.0)]
    GrantEnded {
        /// Whom.
        bureau: BureauId,
        /// The record.
        record: RecordId,
        /// Until when.
        until: WallSeconds,
    },
    /// The record that let the bureau in was limited to milder documents.
    #[error("record {record:?} let {bureau:?} in up to {}", .ceiling.word())]
    GrantCeiling {
        /// Whom.
        bureau: BureauId,
        /// The record.
        record: RecordId,
        /// Up to what.
        ceiling: Tlp,
    },
    /// A bureau wrote here before the receiver came and did not consent.
    #[error("{contributor:?} wrote in {document:?} before {bureau:?} came and has not consented")]
    NoConsent {
        /// The document.
        document: DocumentId,
        /// The receiver.
        bureau: BureauId,
        /// Whose consent is missing.
        contributor: BureauId,
    },
    /// A third bureau's document, and the receiver holds no pass of its owner.
    #[error("{document:?} belongs to a third bureau and {bureau:?} holds no pass of it")]
    NoPass {
        /// The document.
        document: DocumentId,
        /// The receiver.
        bureau: BureauId,
    },
    /// The receiver's newest pass has ended.
    #[error("relay pass {pass:?} has ended")]
    PassExpired {
        /// The pass.
        pass: StatementId,
    },
    /// The receiver's pass does not name the sender.
    #[error("relay pass {pass:?} does not name {bureau:?}")]
    PassNotNamed {
        /// The pass.
        pass: StatementId,
        /// The sender.
        bureau: BureauId,
    },
    /// The receiver's pass has no line for such a document.
    #[error("relay pass {pass:?} does not cover {} up to {}", .category.code(), .tlp.word())]
    PassNotGranted {
        /// The pass.
        pass: StatementId,
        /// Category of the document.
        category: Category,
        /// Its traffic light.
        tlp: Tlp,
    },
    /// Documents with a hidden audience come from their owner only.
    #[error("the audience of {document:?} is hidden: only its owner hands it out")]
    HiddenAudience {
        /// The document.
        document: DocumentId,
    },
    /// The sender was let in on condition that it passes nothing on.
    #[error("record {record:?} lets {bureau:?} in without a fourth party")]
    NoFourth {
        /// The sender.
        bureau: BureauId,
        /// The record.
        record: RecordId,
    },
    /// The clause under which it was given lets nobody ask for more.
    #[error("line {} of agreement {:?} lets nothing be handed on", .clause.line, .clause.agreement)]
    OnwardNone {
        /// The clause.
        clause: Clause,
    },
    /// This device has not heard its registrar for too long to send to partners.
    #[error("this device has not heard its bureau's registrar for too long")]
    OutOfTouch,
    /// A member of the bureau may not.
    #[error("{certificate:?} may not {} here", .verb.word())]
    NotThisMember {
        /// Who.
        certificate: CertificateId,
        /// What.
        verb: Verb,
    },
    /// The agreement gives it to other units or seats of the bureau.
    #[error("line {} of agreement {:?} gives it to other seats than those of {certificate:?}", .clause.line, .clause.agreement)]
    NotTheirSeat {
        /// Who.
        certificate: CertificateId,
        /// The first line that would cover the document.
        clause: Clause,
    },
    /// This laptop has not heard its bureau's registrar for longer than the document may be read without.
    #[error("locked: {days} days without the registrar are allowed, and it was last heard at {}", .since.0)]
    ReadingLocked {
        /// The line that allows so many days; none where none gives a figure.
        clause: Option<Clause>,
        /// When the registrar was last heard.
        since: WallSeconds,
        /// Days allowed.
        days: u32,
    },
}

impl Refusal {
    /// The stable word for accounts and views.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::NotInLog { .. } => "not_in_log",
            Refusal::Cut { .. } => "cut",
            Refusal::NoAgreement { .. } => "no_agreement",
            Refusal::Suspended { .. } => "suspended",
            Refusal::Excluded { .. } => "excluded",
            Refusal::Expired { .. } => "expired",
            Refusal::WindingDown { .. } => "winding_down",
            Refusal::Ended { .. } => "ended",
            Refusal::NotYet { .. } => "not_yet",
            Refusal::NotGranted { .. } => "not_granted",
            Refusal::Ceiling { .. } => "ceiling",
            Refusal::GrantEnded { .. } => "grant_ended",
            Refusal::GrantCeiling { .. } => "grant_ceiling",
            Refusal::NoConsent { .. } => "no_consent",
            Refusal::NoPass { .. } => "no_pass",
            Refusal::PassExpired { .. } => "pass_expired",
            Refusal::PassNotNamed { .. } => "pass_not_named",
            Refusal::PassNotGranted { .. } => "pass_not_granted",
            Refusal::HiddenAudience { .. } => "hidden_audience",
            Refusal::NoFourth { .. } => "no_fourth",
            Refusal::OnwardNone { .. } => "onward_none",
            Refusal::OutOfTouch => "out_of_touch",
            Refusal::NotThisMember { .. } => "not_this_member",
            Refusal::NotTheirSeat { .. } => "not_their_seat",
            Refusal::ReadingLocked { .. } => "reading_locked",
        }
    }

    /// What the refusal cites, for the account: an agreement and line, a record, a pass, a bureau; never content.
    pub fn cites(&self) -> String {
        match self {
            Refusal::Cut { record, .. }
            | Refusal::GrantEnded { record, .. }
            | Refusal::GrantCeiling { record, .. }
            | Refusal::NoFourth { record, .. } => record.short(),
            Refusal::Suspended { statement } => statement.short(),
            Refusal::Expired { agreement }
            | Refusal::NotYet { agreement }
            | Refusal::WindingDown { agreement }
            | Refusal::Ended { agreement }
            | Refusal::Excluded { agreement, .. } => agreement.short(),
            Refusal::Ceiling { clause, .. }
            | Refusal::OnwardNone { clause }
            | Refusal::NotTheirSeat { clause, .. }
            | Refusal::ReadingLocked { clause: Some(clause), .. } => {
                format!("{}#{}", clause.agreement.short(), clause.line)
            }
            Refusal::NoConsent { contributor, .. } => contributor.short(),
            Refusal::PassExpired { pass } | Refusal::PassNotNamed { pass, .. } | Refusal::PassNotGranted { pass, .. } => pass.short(),
            Refusal::NotInLog { bureau, .. } | Refusal::NoPass { bureau, .. } => bureau.short(),
            Refusal::NotGranted { category, .. } => category.code().to_owned(),
            Refusal::NotThisMember { certificate, .. } => certificate.short(),
            Refusal::NoAgreement { .. }
            | Refusal::HiddenAudience { .. }
            | Refusal::OutOfTouch
            | Refusal::ReadingLocked { clause: None, .. } => String::new(),
        }
    }
}

/// What of a document a permit covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, held work too: to the owner and to our own devices.
    Whole,
    /// What is admitted.
    Admitted,
    /// Only what the sender's own bureau wrote and is held: to the owner over a restricted link.
    Held,
}

/// What a permit rests on besides the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// One bureau, or the way home to the owner.
    Home,
    /// A clause of the agreement between the two.
    Clause(Clause),
    /// A relay pass of the owner.
    Pass(StatementId),
    /// A record that lets one in by way of the other, and the clause between the two.
    Onward(RecordId, Clause),
}

/// The only key to sending or taking a document over a link. Bound to document, receiver and policy epoch; made by [`check`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    document: DocumentId,
    to: BureauId,
    epoch: u64,
    basis: Basis,
    scope: Scope,
}

impl Permit {
    /// The document it is for.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// The receiver it is for.
    pub fn to(&self) -> BureauId {
        self.to
    }
    /// The policy epoch it was given under.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
    /// What it rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }
    /// The agreement clause it rests on; none between devices of one bureau, towards the owner and by a pass.
    pub fn clause(&self) -> Option<Clause> {
        match self.basis {
            Basis::Clause(clause) | Basis::Onward(_, clause) => Some(clause),
            Basis::Home | Basis::Pass(_) => None,
        }
    }
    /// How much of the document it covers.
    pub fn scope(&self) -> Scope {
        self.scope
    }
    /// Whether held work travels too.
    pub fn whole(&self) -> bool {
        self.scope == Scope::Whole
    }
    /// What it rests on, for the account.
    pub fn cites(&self) -> String {
        match self.basis {
            Basis::Home => String::new(),
            Basis::Clause(clause) => format!("{}#{}", clause.agreement.short(), clause.line),
            Basis::Pass(pass) => format!("pass {}", pass.short()),
            Basis::Onward(record, clause) => format!("{} {}#{}", record.short(), clause.agreement.short(), clause.line),
        }
    }
}

/// Whether a document may go from a node of one bureau to a node of another. Sender and receiver ask the same question of the same facts.
///
/// # Errors
/// [`Refusal`]: the first thing that is missing.
pub fn check(ground: &Ground<'_>, ask: &Ask<'_>) -> Result<Permit, Refusal> {
    let Ask { facts, from, to, now, epoch } = *ask;
    let permit = |basis, scope| Permit { document: facts.document, to, epoch, basis, scope };
    if from == to {
        return Ok(permit(Basis::Home, Scope::Whole));
    }
    if from == ground.own && !ground.in_touch {
        return Err(Refusal::OutOfTouch);
    }
    if let Err(refusal) = carries(ground.book, from, to, facts.category, now) {
        return if facts.owner == to { Ok(permit(Basis::Home, Scope::Held)) } else { Err(refusal) };
    }
    if facts.owner == to {
        // Work on the owner's document goes home to it as long as the two speak at all; the owner's registrar decides what it is worth.
        return Ok(permit(Basis::Home, Scope::Whole));
    }
    let held = let_in(facts, &to, now)?;
    consented(facts, &to, held, now)?;
    if facts.owner == from {
        // The log may have given append under an agreement that now gives read only: then read is what crosses.
        let given = clause(ground.book, from, to, facts, held.verb, now);
        let given = given.or_else(|_| clause(ground.book, from, to, facts, Verb::Read, now))?;
        return Ok(permit(Basis::Clause(given), Scope::Admitted));
    }
    if facts.hidden {
        return Err(Refusal::HiddenAudience { document: facts.document });
    }
    let sender = let_in(facts, &from, now)?;
    if let Some((way, record, clause)) = onward(ground.book, facts, (from, sender), (to, held), now)? {
        if way == ground.own {
            word_of_owner(ground, facts, now)?;
        }
        return Ok(permit(Basis::Onward(record, clause), Scope::Admitted));
    }
    if sender.no_fourth {
        return Err(Refusal::NoFourth { bureau: from, record: sender.record });
    }
    let pass = ground.passes.find(&facts.owner, &to, &from, facts.category, facts.tlp, now).map_err(|fault| match fault {
        PassFault::None => Refusal::NoPass { document: facts.document, bureau: to },
        PassFault::Expired(pass) => Refusal::PassExpired { pass },
        PassFault::NotNamed(pass) => Refusal::PassNotNamed { pass, bureau: from },
        PassFault::NotGranted(pass) => Refusal::PassNotGranted { pass, category: facts.category, tlp: facts.tlp },
    })?;
    Ok(permit(Basis::Pass(pass), Scope::Admitted))
}

/// Whether a category crosses between two bureaus at all: an agreement in force, not suspended for it, that does not exclude it.
///
/// # Errors
/// [`Refusal`]: how the pair stands instead.
pub fn carries(book: &AgreementBook, one: BureauId, other: BureauId, category: Category, now: WallSeconds) -> Result<(), Refusal> {
    book.state(Pair::of(one, other), now).carries(category).map_err(|lack| lacking(book, lack, one, other, category, now))
}

/// How the pair stands where nothing crosses.
fn lacking(book: &AgreementBook, lack: Lack, one: BureauId, other: BureauId, category: Category, now: WallSeconds) -> Refusal {
    let standing = match lack {
        Lack::Suspended(statement) => return Refusal::Suspended { statement },
        Lack::Excluded(agreement) => return Refusal::Excluded { agreement, category },
        Lack::NotInForce(standing) => standing,
        Lack::NotGranted(_) => None,
    };
    let pair = Pair::of(one, other);
    let state = book.state(pair, now);
    let Some(agreement) = state.current.first().or(book.newest_concluded(pair).as_ref()).map(|entry| entry.id()) else {
        return Refusal::NoAgreement { one, other };
    };
    match standing {
        Some(Standing::WindingDown) => Refusal::WindingDown { agreement },
        Some(Standing::Ended) => Refusal::Ended { agreement },
        Some(Standing::NotYet) | None => Refusal::NotYet { agreement },
        Some(_) => Refusal::Expired { agreement },
    }
}

/// The owner's log lets the bureau read, within the limits its record sets.
pub(crate) fn let_in<'a>(facts: &Facts<'a>, bureau: &BureauId, now: WallSeconds) -> Result<&'a Held, Refusal> {
    let Some(held) = facts.rights.bureaus.get(bureau).filter(|held| held.verb.includes(Verb::Read)) else {
        return Err(match facts.rights.parted(bureau) {
            Some(record) => Refusal::Cut { document: facts.document, bureau: *bureau, record },
            None => Refusal::NotInLog { document: facts.document, bureau: *bureau, verb: Verb::Read },
        });
    };
    if let Some(until) = held.until.filter(|until| now >= *until) {
        return Err(Refusal::GrantEnded { bureau: *bureau, record: held.record, until });
    }
    if let Some(ceiling) = held.tlp.filter(|ceiling| facts.tlp > *ceiling) {
        return Err(Refusal::GrantCeiling { bureau: *bureau, record: held.record, ceiling });
    }
    Ok(held)
}

/// Whoever wrote here before the receiver came has consented. Whoever writes after it knows of it, and so does who was there from the start.
fn consented(facts: &Facts<'_>, to: &BureauId, held: &Held, now: WallSeconds) -> Result<(), Refusal> {
    let covered = |contributor: &BureauId| held.consents.get(contributor).is_some_and(|consent| consent.covers(facts.tlp, now));
    match to_be_asked(facts, to, held.came).find(|contributor| !covered(contributor)) {
        None => Ok(()),
        Some(contributor) => Err(Refusal::NoConsent { document: facts.document, bureau: *to, contributor }),
    }
}

/// Bureaus whose word is needed before a receiver that comes by record number `came` may have a document: those that wrote before it.
pub fn to_be_asked<'a>(facts: &'a Facts<'_>, to: &'a BureauId, came: u32) -> impl Iterator<Item = BureauId> + 'a {
    let before = move |(contributor, settled): &(&BureauId, &u32)| *contributor != to && **contributor != facts.owner && **settled < came;
    facts.contributors.iter().filter(before).map(|(contributor, _)| *contributor)
}

/// Bureaus that a log lets in after `contributor` wrote and without a consent of it that covered the document when the record was written,
/// with that record. `then` is the traffic light as of a record.
pub fn let_in_without(facts: &Facts<'_>, contributor: &BureauId, then: impl Fn(&RecordId) -> Tlp) -> Vec<(BureauId, RecordId)> {
    let covered = |held: &Held| held.consents.get(contributor).is_some_and(|consent| consent.covers(then(&held.record), held.since));
    let lacks =
        |(bureau, held): &(&BureauId, &Held)| !covered(held) && to_be_asked(facts, bureau, held.came).any(|asked| asked == *contributor);
    facts.rights.bureaus.iter().filter(lacks).map(|(bureau, held)| (*bureau, held.record)).collect()
}

/// Whether a holder may ask the owner to let a further bureau in: it reads the document, no condition forbids it, and the clause under
/// which it was given says `ask`. Asked alike by asker and owner.
///
/// # Errors
/// [`Refusal`]: the first thing that is missing.
pub fn may_ask(book: &AgreementBook, facts: &Facts<'_>, holder: BureauId, now: WallSeconds) -> Result<Clause, Refusal> {
    if facts.hidden {
        return Err(Refusal::HiddenAudience { document: facts.document });
    }
    let held = let_in(facts, &holder, now)?;
    if held.no_fourth {
        return Err(Refusal::NoFourth { bureau: holder, record: held.record });
    }
    let given = clause(book, facts.owner, holder, facts, Verb::Read, now)?;
    let state = book.state(Pair::of(facts.owner, holder), now);
    let asking = |entry: &&Entry| {
        let offer = entry.offer.body();
        let giver = if offer.offerer == facts.owner { Giver::Offerer } else { Giver::Acceptor };
        let mut lines = offer.terms.lines(giver, facts.category, facts.tlp, Verb::Read, now);
        let line = lines.find(|line| offer.terms.grants[*line].onward == Onward::Ask)?;
        Some(Clause { agreement: entry.id(), line: line + 1 })
    };
    // Where one version was concluded twice, both must let it be asked.
    let found = if state.current.iter().any(|entry| entry.id() == given.agreement) {
        let all: Option<Vec<Clause>> = state.current.iter().map(asking).collect();
        all.and_then(|clauses| clauses.first().copied())
    } else {
        state.emergencies.iter().find_map(asking)
    };
    found.ok_or(Refusal::OnwardNone { clause: given })
}

/// Whether we, on the way between owner and recipient, may still act for the owner: our agreement with it carries the category, and it said
/// so lately. Its running pass for us is the witness, whatever its lines: it gives none while it suspends us, and none lives beyond seven
/// days. Only the one on the way can ask this: the recipient need not know the owner at all.
fn word_of_owner(ground: &Ground<'_>, facts: &Facts<'_>, now: WallSeconds) -> Result<(), Refusal> {
    carries(ground.book, facts.owner, ground.own, facts.category, now)?;
    if ground.passes.newest(&facts.owner, &ground.own, now).is_some() {
        return Ok(());
    }
    Err(match ground.passes.last(&facts.owner, &ground.own) {
        Some(pass) => Refusal::PassExpired { pass },
        None => Refusal::NoPass { document: facts.document, bureau: ground.own },
    })
}

/// The bureau by way of which one of two came, the record by which, and the clause between the two; it serves both directions.
fn onward(
    book: &AgreementBook,
    facts: &Facts<'_>,
    (from, sender): (BureauId, &Held),
    (to, held): (BureauId, &Held),
    now: WallSeconds,
) -> Result<Option<(BureauId, RecordId, Clause)>, Refusal> {
    let (giver, receiver, record) = if held.via == Some(from) {
        (from, to, held.record)
    } else if sender.via == Some(to) {
        (to, from, sender.record)
    } else {
        return Ok(None);
    };
    Ok(Some((giver, record, clause(book, giver, receiver, facts, Verb::Read, now)?)))
}

fn clause(
    book: &AgreementBook,
    giver: BureauId,
    receiver: BureauId,
    facts: &Facts<'_>,
    verb: Verb,
    now: WallSeconds,
) -> Result<Clause, Refusal> {
    may_grant(book, giver, receiver, facts.category, facts.tlp, verb, now)
}

/// The right to tell a bureau that its access was taken away: the log up to its own cut. Nothing after it and no content; it needs no
/// agreement, since without being told the other side could not even hold back what it writes from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    document: DocumentId,
    to: BureauId,
    cut: RecordId,
}

impl Parting {
    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// Who is told.
    pub fn to(&self) -> BureauId {
        self.to
    }
    /// The last record it may be told.
    pub fn cut(&self) -> RecordId {
        self.cut
    }
}

/// Whether `from` has to tell `to` of its cut: the owner does, and the bureau by way of which it had come, to which alone it may be linked.
pub fn parting(facts: &Facts<'_>, from: BureauId, to: BureauId) -> Option<Parting> {
    let tells = facts.owner == from || facts.rights.parted_via(&to) == Some(from);
    let gone = tells && from != to && !facts.rights.bureaus.contains_key(&to);
    let cut = facts.rights.parted(&to).filter(|_| gone)?;
    Some(Parting { document: facts.document, to, cut })
}

/// Whether the owner could let `to` in with `verb` today: for `--dry-run` and before a genesis or grant is sealed.
///
/// # Errors
/// [`Refusal`]: no agreement in force, or no clause for it.
pub fn may_grant(
    book: &AgreementBook,
    owner: BureauId,
    to: BureauId,
    category: Category,
    tlp: Tlp,
    verb: Verb,
    now: WallSeconds,
) -> Result<Clause, Refusal> {
    book.grant(owner, to, category, tlp, verb, now).map_err(|lack| match lack {
        // Nothing in force covers it: because of the ceiling, or at all.
        Lack::NotGranted(_) => match book.clause(owner, to, category, Tlp::Clear, verb, now) {
            Some(clause) => Refusal::Ceiling { clause, tlp },
            None => Refusal::NotGranted { giver: owner, receiver: to, category, tlp, verb },
        },
        lack => lacking(book, lack, owner, to, category, now),
    })
}

/// Whether what `author` wrote and is held may be entered again by `writer`, in the author's name: by the owner, whose decision held work
/// is, and by the author's own bureau. Anybody else would be a way around a cut.
pub fn may_reenter(owner: BureauId, writer: BureauId, author: BureauId) -> bool {
    writer == owner || writer == author
}

/// Whether one member of our bureau may read or write a document we hold. Reading what is here needs no agreement in force: what was given
/// stays readable until it is purged; what a cut took from this very member, its key, seat or unit does not, and neither does what the
/// agreement gives to other seats and units only.
///
/// # Errors
/// [`Refusal`].
pub fn check_person(
    book: &AgreementBook,
    facts: &Facts<'_>,
    certificate: &CertificateId,
    member: &MemberCertificate,
    verb: Verb,
    now: WallSeconds,
) -> Result<(), Refusal> {
    let refused = Refusal::NotThisMember { certificate: *certificate, verb };
    // What was given to a bureau stays readable in it when the bureau loses it.
    if facts.rights.denies_member(certificate, member, verb) {
        return Err(refused);
    }
    if verb != Verb::Read {
        if member.bureau != facts.owner {
            let held = let_in(facts, &member.bureau, now)?;
            if !held.verb.includes(verb) {
                return Err(Refusal::NotInLog { document: facts.document, bureau: member.bureau, verb });
            }
        }
        if !member.may(Capability::Write) || !facts.rights.allow(&facts.owner, certificate, member, verb) {
            return Err(refused);
        }
    }
    for lines in given_lines(book, facts, member.bureau, verb, now) {
        let meant = lines.iter().any(|(_, line)| line.is_for(&member.unit, &member.seats));
        if let Some((clause, _)) = lines.first().filter(|_| !meant) {
            return Err(Refusal::NotTheirSeat { certificate: *certificate, clause: *clause });
        }
    }
    Ok(())
}

/// Whether something about who of a bureau may read depends on the person: then somebody has to say who reads.
pub fn depends_on_person(book: &AgreementBook, facts: &Facts<'_>, bureau: BureauId, now: WallSeconds) -> bool {
    let limited = |lines: &Vec<(Clause, &Grant)>| lines.iter().all(|(_, line)| line.units.is_some() || line.seats.is_some());
    facts.rights.denies_part_of(&bureau, Verb::Read) || given_lines(book, facts, bureau, Verb::Read, now).iter().any(limited)
}

/// The lines under which a document came to a bureau: of every agreement that counts between it and whoever gave it, or once none is in
/// force of the newest there was, as it began; never an empty list. A bureau's own documents came under none, and neither did those by a
/// relay pass.
pub(super) fn given_lines<'a>(
    book: &'a AgreementBook,
    facts: &Facts<'_>,
    bureau: BureauId,
    verb: Verb,
    now: WallSeconds,
) -> Vec<Vec<(Clause, &'a Grant)>> {
    if bureau == facts.owner {
        return Vec::new();
    }
    let giver = facts.rights.bureaus.get(&bureau).and_then(|held| held.via).unwrap_or(facts.owner);
    let pair = Pair::of(giver, bureau);
    let lines = |entry: &'a Entry, at: WallSeconds| {
        let offer = entry.offer.body();
        let side = if offer.offerer == giver { Giver::Offerer } else { Giver::Acceptor };
        let covering = offer.terms.lines(side, facts.category, facts.tlp, verb, at);
        covering.map(|line| (Clause { agreement: entry.id(), line: line + 1 }, &offer.terms.grants[line])).collect::<Vec<_>>()
    };
    let mut out: Vec<_> = book.state(pair, now).current.iter().map(|entry| lines(entry, now)).filter(|lines| !lines.is_empty()).collect();
    if out.is_empty() {
        let newest = book.newest_concluded(pair).map(|entry| lines(entry, entry.offer.body().terms.from));
        out.extend(newest.filter(|lines| !lines.is_empty()));
    }
    out
}
