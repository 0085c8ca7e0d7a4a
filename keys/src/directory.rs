//! The directory: what is known of every bureau, and who is entitled to state it.
//!
//! [`Verified`] says that signatures hold; the directory decides whether those who signed may say so, and keeps only what they may. What it
//! keeps is a set that only grows: learning the same statements in any order, asking again for those that had to wait, ends in the same
//! answers. It is evidence and standing, never admission: what was written under an expired or revoked certificate is judged elsewhere.
//!
//! Rules (DESIGN §3):
//! - A root's version 1 is sealed by its own threshold; version v+1 by the threshold of v and of v+1, and by nobody else.
//! - Two rival v+1 freeze the bureau at v; two different appointments for one epoch freeze it too. Both sides are kept as evidence. People
//!   decide, by reading out the checking code, and say so with [`Directory::confirm_root`] or [`Directory::confirm_appointment`].
//!   What a disputed root version vouches for is kept, but not in good standing; what one says that people decided against counts for nothing.
//! - A chain is root → issuer → member, inside one bureau and one network. The root gives anything; a member with `issue` gives everything
//!   below number 128 (so not `issue` and not `register`), to laptops, officers and services, and not after its own end. Nodes come from the root.
//! - The root revokes anything. A member with `issue` revokes what members issued, its own or another's: a new node can end the officers the
//!   old one made, but one node cannot end another. A compromised issuer takes down what it issued, unless an issuer's revocation lists it.
//! - An appointment is sealed by the root and names a node that may `register`.
//!
//! Bounds, all back-pressure and none a verdict: [`ROOTS_MAX`], [`RIVALS_MAX`], [`CERTIFICATES_MAX`], [`REVOCATIONS_MAX`], [`APPOINTMENTS_MAX`],
//! [`CLOCK_RESETS_MAX`].

use crate::appointment::Appointment;
use crate::certificate::{Capability, Issuer, MemberCertificate, MemberKind};
use crate::clock_reset::ClockReset;
use crate::id::{BureauId, CertificateId, NetworkId, RootId, StatementId, TransportKey};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use crate::root::RootStatement;
use crate::seal::{SealError, Sealed, Statement, Verified, peek_type};
use crate::time::WallSeconds;
use crate::types::StatementType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

mod ended;
mod held;
mod line;
mod record;

pub use held::Held;
pub use record::{BureauRecord, Freeze};

/// Most root versions kept of one bureau.
pub const ROOTS_MAX: usize = 1_024;
/// Most rivals kept for one root version or one epoch: two prove the fault, the rest is noise.
pub const RIVALS_MAX: usize = 8;
/// Most certificates kept of one bureau: 200 laptops and 500 officers renewed every 90 days fill it in 23 years.
pub const CERTIFICATES_MAX: usize = 65_536;
/// Most revocations kept of one bureau.
pub const REVOCATIONS_MAX: usize = 65_536;
/// Most epochs kept of one bureau.
pub const APPOINTMENTS_MAX: usize = 4_096;
/// Most clock resets kept of one bureau: each is an act of its root.
pub const CLOCK_RESETS_MAX: usize = 1_024;

/// Whether a statement was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was not known before.
    New,
    /// It was known; nothing changed.
    Known,
}

/// Why a statement was not taken into the directory.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DirectoryError {
    /// Sealed for another network.
    #[error("statement of another network {0:?}")]
    Network(NetworkId),
    /// Waiting: no root of this bureau is known.
    #[error("bureau {0:?} is not known")]
    UnknownBureau(BureauId),
    /// Waiting: the root version is not known.
    #[error("root {0:?} is not known")]
    UnknownRoot(RootId),
    /// Waiting: the certificate is not known.
    #[error("certificate {0:?} is not known")]
    UnknownCertificate(CertificateId),
    /// A root version that does not follow the one it names.
    #[error("root version {found} follows version {previous}")]
    VersionStep {
        /// The version named as the one before.
        previous: u32,
        /// The version found.
        found: u32,
    },
    /// Too few of the keys that had to seal, or others besides.
    #[error("not sealed by those who may state it: {0}")]
    NotEntitled(&'static str),
    /// The issuer, registrar or target belongs to another bureau.
    #[error("belongs to bureau {found:?}, expected {expected:?}")]
    OtherBureau {
        /// The bureau the statement is about.
        expected: BureauId,
        /// The bureau found.
        found: BureauId,
    },
    /// The issuer was itself issued by a member.
    #[error("the chain is longer than root, issuer, member")]
    ChainTooLong,
    /// The issuer may not give what the certificate gives.
    #[error("the issuer may not give this: {0}")]
    NotDelegable(&'static str),
    /// A bound of the directory; try again never, or after a person made room.
    #[error("the directory holds no more {what} of this bureau, at most {most}")]
    Full {
        /// What it is full of.
        what: &'static str,
        /// The bound.
        most: usize,
    },
}

impl DirectoryError {
    /// True when the statement may become learnable once something else is learnt.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::UnknownBureau(_) | Self::UnknownRoot(_) | Self::UnknownCertificate(_))
    }
}

/// Why sealed bytes were not learnt.
#[derive(Debug, Error, PartialEq)]
pub enum LearnError {
    /// The bytes or their seals.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A statement of a type that is kept elsewhere.
    #[error("statements of type {0} are not kept in the directory")]
    NotForDirectory(StatementType),
    /// Who signed, or what is missing.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl LearnError {
    /// True when the statement may become learnable once something else is learnt.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Directory(error) if error.is_waiting())
    }
}

/// What a certificate is good for now: sessions, logins and issuing. Admission never asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertStanding {
    /// In force.
    Good,
    /// Before its first second.
    NotYet,
    /// At or after its end.
    Expired,
    /// Revoked, itself or with its issuer.
    Revoked(RevocationClass),
    /// Vouched for by a root version that rivals dispute, or that people decided against.
    Disputed,
    /// Not in the directory.
    Unknown,
}

/// What is known of every bureau of one network. Cloning is cheap; clones share what neither has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    network: NetworkId,
    bureaus: Arc<BTreeMap<BureauId, Arc<BureauRecord>>>,
    certificates: Arc<BTreeMap<CertificateId, Arc<Verified<MemberCertificate>>>>,
    root_owner: Arc<BTreeMap<RootId, BureauId>>,
    transports: Arc<BTreeMap<TransportKey, BTreeSet<CertificateId>>>,
    /// Where every statement lies that is neither a root version nor a certificate.
    places: Arc<BTreeMap<StatementId, Place>>,
}

/// Where a statement lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Revocation(BureauId),
    Appointment(BureauId, u32),
    ClockReset(BureauId),
}

impl Directory {
    /// An empty directory of `network`.
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            bureaus: Arc::default(),
            certificates: Arc::default(),
            root_owner: Arc::default(),
            transports: Arc::default(),
            places: Arc::default(),
        }
    }

    /// Learns a root version. Version 1 makes the bureau known.
    ///
    /// # Errors
    /// [`DirectoryError`]; waiting when the version before is not known.
    pub fn learn_root(&mut self, root: Verified<RootStatement>) -> Result<Learned, DirectoryError> {
        self.check_network(&root)?;
        let id = root.root_id();
        if self.root_owner.contains_key(&id) {
            return Ok(Learned::Known);
        }
        let body = root.body();
        let bureau = match &body.previous {
            None => {
                if body.count_own(root.signers()) != root.signers().len() || !body.is_met_by(root.signers()) {
                    return Err(DirectoryError::NotEntitled("version 1 needs the threshold of its own keys and no other"));
                }
                BureauId::from(id)
            }
            Some(previous) => self.check_succession(&root, previous)?,
        };
        let record = Arc::make_mut(Arc::make_mut(&mut self.bureaus).entry(bureau).or_insert_with(|| Arc::new(BureauRecord::empty(bureau))));
        record.add_root(root);
        Arc::make_mut(&mut self.root_owner).insert(id, bureau);
        Ok(Learned::New)
    }

    /// Learns a certificate whose chain holds.
    ///
    /// # Errors
    /// [`DirectoryError`]; waiting when its root version or issuer is not known.
    pub fn learn_certificate(&mut self, certificate: Verified<MemberCertificate>) -> Result<Learned, DirectoryError> {
        self.check_network(&certificate)?;
        let id = certificate.certificate_id();
        if self.certificates.contains_key(&id) {
            return Ok(Learned::Known);
        }
        let body = certificate.body();
        self.check_known(&body.bureau)?;
        match &body.issuer {
            Issuer::Root(root) => self.check_root_seal(&body.bureau, root, &certificate)?,
            Issuer::Member(issuer) => self.check_member_issue(issuer, &certificate)?,
        }
        let record = self.record_mut(&body.bureau)?;
        if record.certificates.len() >= CERTIFICATES_MAX {
            return Err(DirectoryError::Full { what: "certificates", most: CERTIFICATES_MAX });
        }
        let transport = body.transport;
        let certificate = Arc::new(certificate);
        record.add_certificate(Arc::clone(&certificate));
        if let Some(transport) = transport {
            Arc::make_mut(&mut self.transports).entry(transport).or_default().insert(id);
        }
        Arc::make_mut(&mut self.certificates).insert(id, certificate);
        Ok(Learned::New)
    }

    /// Learns a revocation by someone entitled to it. Its target need not be known: it may come later and is then revoked at once.
    ///
    /// # Errors
    /// [`DirectoryError`]; waiting when the revoking root version or member is not known.
    pub fn learn_revocation(&mut self, revocation: Verified<Revocation>) -> Result<Learned, DirectoryError> {
        self.check_network(&revocation)?;
        let body = revocation.body();
        if self.check_known(&body.bureau)?.revocations.contains_key(&revocation.id()) {
            return Ok(Learned::Known);
        }
        match &body.issuer {
            Issuer::Root(root) => {
                self.check_root_seal(&body.bureau, root, &revocation)?;
                if let RevocationTarget::Root { root: target, .. } = &body.target {
                    self.check_newer(&body.bureau, root, target)?;
                }
            }
            Issuer::Member(member) => {
                if !matches!(body.target, RevocationTarget::Key(_) | RevocationTarget::Certificate(_)) {
                    return Err(DirectoryError::NotEntitled("issuers and root versions are revoked by the root"));
                }
                self.check_issuer_seal(&body.bureau, member, &revocation)?;
            }
        }
        let root = self.root_behind(&body.issuer).ok_or(DirectoryError::UnknownBureau(body.bureau))?;
        let (id, bureau) = (revocation.id(), body.bureau);
        let record = self.record_mut(&bureau)?;
        if record.revocations.len() >= REVOCATIONS_MAX {
            return Err(DirectoryError::Full { what: "revocations", most: REVOCATIONS_MAX });
        }
        record.add_revocation(root, revocation);
        Arc::make_mut(&mut self.places).insert(id, Place::Revocation(bureau));
        Ok(Learned::New)
    }

    /// Learns who writes the access logs in one epoch.
    ///
    /// # Errors
    /// [`DirectoryError`]; waiting when the root version or the registrar's certificate is not known.
    pub fn learn_appointment(&mut self, appointment: Verified<Appointment>) -> Result<Learned, DirectoryError> {
        self.check_network(&appointment)?;
        let body = appointment.body();
        let record = self.check_known(&body.bureau)?;
        if record.appointments.get(&body.epoch).is_some_and(|rivals| rivals.contains_key(&appointment.id())) {
            return Ok(Learned::Known);
        }
        self.check_root_seal(&body.bureau, &body.root, &appointment)?;
        let registrar = self.certificate(&body.registrar).ok_or(DirectoryError::UnknownCertificate(body.registrar))?.body();
        check_bureau(&body.bureau, &registrar.bureau)?;
        if registrar.kind != MemberKind::Node || !registrar.may(Capability::Register) {
            return Err(DirectoryError::NotDelegable("a registrar is a node whose certificate lists `register`"));
        }
        let (id, bureau, epoch) = (appointment.id(), body.bureau, body.epoch);
        let record = self.record_mut(&bureau)?;
        if !record.appointments.contains_key(&epoch) && record.appointments.len() >= APPOINTMENTS_MAX {
            return Err(DirectoryError::Full { what: "epochs", most: APPOINTMENTS_MAX });
        }
        if record.appointments.get(&epoch).is_some_and(|rivals| rivals.len() >= RIVALS_MAX) {
            return Err(DirectoryError::Full { what: "appointments of one epoch", most: RIVALS_MAX });
        }
        record.add_appointment(appointment);
        Arc::make_mut(&mut self.places).insert(id, Place::Appointment(bureau, epoch));
        Ok(Learned::New)
    }

    /// Learns that the root lowered its devices' clock floor. Kept so that it is not taken twice; what follows from it is the devices' matter.
    ///
    /// # Errors
    /// [`DirectoryError`]; waiting when the root version is not known.
    pub fn learn_clock_reset(&mut self, reset: Verified<ClockReset>) -> Result<Learned, DirectoryError> {
        self.check_network(&reset)?;
        let body = reset.body();
        if self.check_known(&body.bureau)?.clock_resets.contains_key(&reset.id()) {
            return Ok(Learned::Known);
        }
        self.check_root_seal(&body.bureau, &body.root, &reset)?;
        let (id, bureau) = (reset.id(), body.bureau);
        let record = self.record_mut(&bureau)?;
        if record.clock_resets.len() >= CLOCK_RESETS_MAX {
            return Err(DirectoryError::Full { what: "clock resets", most: CLOCK_RESETS_MAX });
        }
        record.add_clock_reset(reset);
        Arc::make_mut(&mut self.places).insert(id, Place::ClockReset(bureau));
        Ok(Learned::New)
    }

    /// Reads, verifies and learns one sealed root, certificate, revocation, appointment or clock reset.
    ///
    /// # Errors
    /// [`LearnError::Seal`] when the bytes or their seals are bad (never good later), [`LearnError::Directory`] otherwise.
    pub fn learn_bytes(&mut self, bytes: &[u8]) -> Result<Learned, LearnError> {
        let number = peek_type(bytes).unwrap_or(0);
        let learned = match StatementType::from_number(number) {
            Some(StatementType::Root) => self.learn_root(Sealed::from_bytes(bytes)?.verify(&self.network)?),
            Some(StatementType::Certificate) => self.learn_certificate(Sealed::from_bytes(bytes)?.verify(&self.network)?),
            Some(StatementType::Revocation) => self.learn_revocation(Sealed::from_bytes(bytes)?.verify(&self.network)?),
            Some(StatementType::Appointment) => self.learn_appointment(Sealed::from_bytes(bytes)?.verify(&self.network)?),
            Some(StatementType::ClockReset) => self.learn_clock_reset(Sealed::from_bytes(bytes)?.verify(&self.network)?),
            Some(other) if other.is_draft() => return Err(SealError::NotYetSupported(other).into()),
            Some(other) => return Err(LearnError::NotForDirectory(other)),
            None => return Err(SealError::UnknownType(number).into()),
        };
        Ok(learned?)
    }

    /// Says that people checked this root version by its checking code, so that its bureau goes on with it in spite of rivals. A local
    /// decision: the caller keeps it and says it again after a restart. False when the root is not known.
    pub fn confirm_root(&mut self, root: &RootId) -> bool {
        let Some(bureau) = self.root_owner.get(root).copied() else { return false };
        let Ok(record) = self.record_mut(&bureau) else { return false };
        record.confirm_root(*root);
        true
    }

    /// Says that people checked this appointment, so that it stands in spite of rivals for its epoch. A local decision, as for
    /// [`Self::confirm_root`].
    pub fn confirm_appointment(&mut self, bureau: &BureauId, appointment: &StatementId) -> bool {
        let Some(Place::Appointment(owner, epoch)) = self.places.get(appointment).copied() else { return false };
        owner == *bureau && self.record_mut(bureau).is_ok_and(|record| record.confirm_appointment(epoch, appointment))
    }

    /// The network.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Every known bureau, ascending by id.
    pub fn bureaus(&self) -> impl Iterator<Item = &BureauRecord> {
        self.bureaus.values().map(Arc::as_ref)
    }

    /// What is known of a bureau.
    pub fn bureau(&self, bureau: &BureauId) -> Option<&BureauRecord> {
        self.bureaus.get(bureau).map(Arc::as_ref)
    }

    /// The newest undisputed root version.
    pub fn root_head(&self, bureau: &BureauId) -> Option<RootId> {
        self.bureau(bureau).map(BureauRecord::head)
    }

    /// The bureau a root version belongs to.
    pub fn bureau_of_root(&self, root: &RootId) -> Option<BureauId> {
        self.root_owner.get(root).copied()
    }

    /// True while rival roots or appointments of the bureau stand unresolved.
    pub fn is_frozen(&self, bureau: &BureauId) -> bool {
        self.bureau(bureau).is_some_and(BureauRecord::is_frozen)
    }

    /// A certificate whose chain holds, in whatever standing.
    pub fn certificate(&self, certificate: &CertificateId) -> Option<&Verified<MemberCertificate>> {
        self.certificates.get(certificate).map(Arc::as_ref)
    }

    /// What a certificate is good for at `now`.
    pub fn standing(&self, certificate: &CertificateId, now: WallSeconds) -> CertStanding {
        let Some(known) = self.certificate(certificate) else {
            return CertStanding::Unknown;
        };
        if let Some(class) = self.revoked(certificate) {
            return CertStanding::Revoked(class);
        }
        if !self.is_undisputed(known.body()) {
            return CertStanding::Disputed;
        }
        if now < known.body().not_before {
            CertStanding::NotYet
        } else if now >= known.body().not_after {
            CertStanding::Expired
        } else {
            CertStanding::Good
        }
    }

    /// Whether a certificate is revoked, by itself or with its issuer, and the worst class of it.
    pub fn revoked(&self, certificate: &CertificateId) -> Option<RevocationClass> {
        let body = self.certificate(certificate)?.body();
        let record = self.bureau(&body.bureau)?;
        let own = record.revoked_itself(certificate, body);
        let Issuer::Member(issuer) = &body.issuer else {
            return own;
        };
        let falls = self.certificate(issuer).is_some_and(|known| record.takes_down_issued(issuer, known.body()));
        own.max(falls.then_some(RevocationClass::Compromised))
    }

    /// The certificate of a transport key: one that is not revoked before one that is, then the newest. Several bureaus may claim one
    /// key, so a session asks its peer which certificate it means and checks it against [`Self::all_by_transport`].
    pub fn by_transport(&self, transport: &TransportKey) -> Option<CertificateId> {
        self.all_by_transport(transport)
            .max_by_key(|id| (self.revoked(id).is_none(), self.certificate(id).map(|known| known.body().not_before), *id))
    }

    /// Every certificate that lists this transport key, ascending by id.
    pub fn all_by_transport(&self, transport: &TransportKey) -> impl Iterator<Item = CertificateId> {
        self.transports.get(transport).into_iter().flatten().copied()
    }

    /// Every certificate of a bureau, ascending by id, in whatever standing.
    pub fn members(&self, bureau: &BureauId) -> Vec<CertificateId> {
        self.bureau(bureau).map(|record| record.certificates.keys().copied().collect()).unwrap_or_default()
    }

    /// The newest epoch and its registrar; `None` when nobody is appointed, or rivals stand for the newest epoch. Appointments by a root
    /// version that was called compromised do not count here.
    pub fn registrar(&self, bureau: &BureauId) -> Option<(u32, CertificateId)> {
        let record = self.bureau(bureau)?;
        let epoch = record.newest_epoch()?;
        record.appointed(epoch).map(|appointment| (epoch, appointment.body().registrar))
    }

    /// The registrar of one epoch, past or present; `None` when nobody was appointed or rivals stand.
    pub fn registrar_of_epoch(&self, bureau: &BureauId, epoch: u32) -> Option<CertificateId> {
        self.bureau(bureau)?.appointed(epoch).map(|appointment| appointment.body().registrar)
    }

    /// Everything known of a bureau, in an order in which an empty directory can learn it: see [`BureauRecord::statements`].
    pub fn statements<'a>(&'a self, bureau: &BureauId) -> impl Iterator<Item = Held<'a>> + use<'a> {
        self.bureau(bureau).into_iter().flat_map(BureauRecord::statements)
    }

    /// One root, certificate, revocation, appointment or clock reset.
    pub fn statement(&self, id: &StatementId) -> Option<Held<'_>> {
        if let Some(certificate) = self.certificate(&CertificateId(id.0)) {
            return Some(Held::Certificate(certificate));
        }
        let root = RootId(id.0);
        if let Some(bureau) = self.root_owner.get(&root) {
            return self.bureau(bureau)?.root(&root).map(Held::Root);
        }
        match self.places.get(id)? {
            Place::Revocation(bureau) => self.bureau(bureau)?.revocations.get(id).map(|(_, it)| Held::Revocation(it)),
            Place::Appointment(bureau, epoch) => self.bureau(bureau)?.appointments.get(epoch)?.get(id).map(|it| Held::Appointment(it)),
            Place::ClockReset(bureau) => self.bureau(bureau)?.clock_resets.get(id).map(|it| Held::ClockReset(it)),
        }
    }

    /// The sealed bytes of one root, certificate, revocation, appointment or clock reset.
    pub fn statement_bytes(&self, id: &StatementId) -> Option<Vec<u8>> {
        self.statement(id).map(|held| held.to_bytes())
    }

    fn check_network<T: Statement>(&self, statement: &Verified<T>) -> Result<(), DirectoryError> {
        if *statement.network() == self.network { Ok(()) } else { Err(DirectoryError::Network(*statement.network())) }
    }

    fn check_known(&self, bureau: &BureauId) -> Result<&BureauRecord, DirectoryError> {
        self.bureau(bureau).ok_or(DirectoryError::UnknownBureau(*bureau))
    }

    fn record_mut(&mut self, bureau: &BureauId) -> Result<&mut BureauRecord, DirectoryError> {
        Arc::make_mut(&mut self.bureaus).get_mut(bureau).map(Arc::make_mut).ok_or(DirectoryError::UnknownBureau(*bureau))
    }

    /// The rule of rotation; gives the bureau.
    fn check_succession(&self, root: &Verified<RootStatement>, previous: &RootId) -> Result<BureauId, DirectoryError> {
        let bureau = *self.root_owner.get(previous).ok_or(DirectoryError::UnknownRoot(*previous))?;
        let record = self.check_known(&bureau)?;
        let before = record.roots.get(previous).ok_or(DirectoryError::UnknownRoot(*previous))?.body();
        let after = root.body();
        if before.version.checked_add(1) != Some(after.version) {
            return Err(DirectoryError::VersionStep { previous: before.version, found: after.version });
        }
        if !before.is_met_by(root.signers()) {
            return Err(DirectoryError::NotEntitled("the threshold of the version before is missing"));
        }
        if !after.is_met_by(root.signers()) {
            return Err(DirectoryError::NotEntitled("the threshold of the new version is missing"));
        }
        if !root.signers().all(|key| before.count_own([key]) + after.count_own([key]) > 0) {
            return Err(DirectoryError::NotEntitled("a key of neither version signed"));
        }
        if record.roots.len() >= ROOTS_MAX {
            return Err(DirectoryError::Full { what: "root versions", most: ROOTS_MAX });
        }
        if record.followers(previous).len() >= RIVALS_MAX {
            return Err(DirectoryError::Full { what: "rivals of one root version", most: RIVALS_MAX });
        }
        Ok(bureau)
    }

    /// Sealed by the threshold of this root version of this bureau, and by nobody else.
    fn check_root_seal<T: Statement>(&self, bureau: &BureauId, root: &RootId, statement: &Verified<T>) -> Result<(), DirectoryError> {
        let owner = self.root_owner.get(root).ok_or(DirectoryError::UnknownRoot(*root))?;
        check_bureau(bureau, owner)?;
        let root = self.check_known(bureau)?.roots.get(root).ok_or(DirectoryError::UnknownRoot(*root))?.body();
        if root.count_own(statement.signers()) != statement.signers().len() || !root.is_met_by(statement.signers()) {
            return Err(DirectoryError::NotEntitled("the threshold of the root version it names, and no other key, must sign"));
        }
        Ok(())
    }

    /// Sealed by this member of this bureau alone, who holds `issue` from the root. Gives the member's certificate.
    fn check_issuer_seal<T: Statement>(
        &self,
        bureau: &BureauId,
        issuer: &CertificateId,
        statement: &Verified<T>,
    ) -> Result<&MemberCertificate, DirectoryError> {
        let issuer = self.certificate(issuer).ok_or(DirectoryError::UnknownCertificate(*issuer))?.body();
        check_bureau(bureau, &issuer.bureau)?;
        if !matches!(issuer.issuer, Issuer::Root(_)) {
            return Err(DirectoryError::ChainTooLong);
        }
        if !issuer.may(Capability::Issue) {
            return Err(DirectoryError::NotDelegable("the issuer's certificate does not list `issue`"));
        }
        if !statement.is_sealed_by_only(&issuer.key) {
            return Err(DirectoryError::NotEntitled("the issuer, and no other key, must sign"));
        }
        Ok(issuer)
    }

    fn check_member_issue(&self, issuer: &CertificateId, certificate: &Verified<MemberCertificate>) -> Result<(), DirectoryError> {
        let body = certificate.body();
        let issuer = self.check_issuer_seal(&body.bureau, issuer, certificate)?;
        if body.kind == MemberKind::Node {
            return Err(DirectoryError::NotDelegable("nodes are certified by the root"));
        }
        if body.capabilities.iter().any(|capability| capability.is_root_only()) {
            return Err(DirectoryError::NotDelegable("a capability only the root gives"));
        }
        if body.not_before >= issuer.not_after {
            return Err(DirectoryError::NotDelegable("the certificate begins after its issuer's ends"));
        }
        Ok(())
    }

    fn check_newer(&self, bureau: &BureauId, by: &RootId, target: &RootId) -> Result<(), DirectoryError> {
        let record = self.check_known(bureau)?;
        if let Some(owner) = self.root_owner.get(target) {
            check_bureau(bureau, owner)?;
        }
        let version = |root: &RootId| record.roots.get(root).map(|it| it.body().version).ok_or(DirectoryError::UnknownRoot(*root));
        if version(by)? > version(target)? { Ok(()) } else { Err(DirectoryError::NotEntitled("a root version is revoked by a newer one")) }
    }

    /// The root version at the upper end of a chain.
    fn root_behind(&self, issuer: &Issuer) -> Option<RootId> {
        match issuer {
            Issuer::Root(root) => Some(*root),
            Issuer::Member(member) => match self.certificate(member)?.body().issuer {
                Issuer::Root(root) => Some(root),
                Issuer::Member(_) => None,
            },
        }
    }

    /// Whether the root version behind a certificate lies on its bureau's undisputed line.
    fn is_undisputed(&self, certificate: &MemberCertificate) -> bool {
        let root = self.root_behind(&certificate.issuer);
        root.zip(self.bureau(&certificate.bureau)).is_some_and(|(root, record)| record.is_on_line(&root))
    }
}

fn weight<T: Statement>(statement: &Verified<T>) -> usize {
    statement.sealed().to_bytes().len()
}

fn check_bureau(expected: &BureauId, found: &BureauId) -> Result<(), DirectoryError> {
    if expected == found { Ok(()) } else { Err(DirectoryError::OtherBureau { expected: *expected, found: *found }) }
}

/// The single item, if there is exactly one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let one = items.next()?;
    items.next().is_none().then_some(one)
}

/// Counts what is looked at, for tests that compare the work of small and large bureaus.
mod steps {
    #[cfg(test)]
    thread_local!(static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

    pub(super) fn count() {
        #[cfg(test)]
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    /// The steps `work` takes.
    #[cfg(test)]
    pub(super) fn of(work: impl FnOnce()) -> usize {
        let before = STEPS.with(std::cell::Cell::get);
        work();
        STEPS.with(std::cell::Cell::get) - before
    }
}

#[cfg(test)]
mod tests;
