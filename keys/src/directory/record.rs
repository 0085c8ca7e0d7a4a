//! What is known of one bureau: its undisputed line of roots, what stands and what is disputed.

use super::ended::Ended;
use super::held::Held;
use super::line::{Changed, Line};
use super::{only, weight};
use crate::appointment::Appointment;
use crate::certificate::{Issuer, MemberCertificate};
use crate::clock_reset::ClockReset;
use crate::id::{BureauId, CertificateId, RootId, StatementId};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use crate::root::RootStatement;
use crate::seal::Verified;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a bureau is frozen. Both sides are kept and can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// More than one root version follows this one.
    RivalRoots {
        /// The last undisputed version.
        at: RootId,
        /// Those that claim to follow it, ascending.
        rivals: Vec<RootId>,
    },
    /// More than one appointment for this epoch.
    RivalAppointments {
        /// The epoch.
        epoch: u32,
        /// The appointments, ascending by id.
        rivals: Vec<StatementId>,
    },
}

/// What is known of one bureau.
///
/// What follows from it for others is derived when something is learnt, never when it is asked: a bureau may state as much as the bounds allow,
/// and everybody's link asks about it.
#[derive(Clone, Debug, PartialEq)]
pub struct BureauRecord {
    id: BureauId,
    pub(super) roots: BTreeMap<RootId, Arc<Verified<RootStatement>>>,
    /// Derived.
    line: Line,
    pub(super) certificates: BTreeMap<CertificateId, Arc<Verified<MemberCertificate>>>,
    /// With the root version behind whoever revokes.
    pub(super) revocations: BTreeMap<StatementId, (RootId, Arc<Verified<Revocation>>)>,
    /// The root versions behind revocations.
    revoking: BTreeSet<RootId>,
    /// What the revocations that count come to: all but those by root versions that people decided against. Derived.
    ended: Arc<Ended>,
    pub(super) appointments: BTreeMap<u32, BTreeMap<StatementId, Arc<Verified<Appointment>>>>,
    /// The epochs each root version appointed somebody for.
    appointing: BTreeMap<RootId, BTreeSet<u32>>,
    /// The epochs with an appointment that is neither rejected nor by a compromised root version. Derived.
    counting: BTreeSet<u32>,
    /// The epochs somebody was appointed for and nobody stands for. Derived.
    disputed: BTreeSet<u32>,
    pub(super) clock_resets: BTreeMap<StatementId, Arc<Verified<ClockReset>>>,
    confirmed_roots: BTreeSet<RootId>,
    confirmed_appointments: BTreeSet<StatementId>,
    /// See [`Self::weight`].
    weight: usize,
}

impl BureauRecord {
    pub(super) fn empty(id: BureauId) -> Self {
        Self {
            id,
            roots: BTreeMap::new(),
            line: Line::new(id),
            certificates: BTreeMap::new(),
            revocations: BTreeMap::new(),
            revoking: BTreeSet::new(),
            ended: Arc::default(),
            appointments: BTreeMap::new(),
            appointing: BTreeMap::new(),
            counting: BTreeSet::new(),
            disputed: BTreeSet::new(),
            clock_resets: BTreeMap::new(),
            confirmed_roots: BTreeSet::new(),
            confirmed_appointments: BTreeSet::new(),
            weight: 0,
        }
    }

    pub(super) fn add_root(&mut self, root: Verified<RootStatement>) {
        let (id, previous) = (root.root_id(), root.body().previous);
        self.weight += weight(&root);
        self.roots.insert(id, Arc::new(root));
        if let Some(previous) = previous {
            let changed = self.line.add(id, previous, &self.confirmed_roots);
            self.weigh_again(&changed);
        }
    }

    pub(super) fn add_certificate(&mut self, certificate: Arc<Verified<MemberCertificate>>) {
        self.weight += weight(&certificate);
        self.certificates.insert(certificate.certificate_id(), certificate);
    }

    /// Takes in a revocation with the root version behind whoever revokes.
    pub(super) fn add_revocation(&mut self, root: RootId, revocation: Verified<Revocation>) {
        self.weight += weight(&revocation);
        self.revoking.insert(root);
        if !self.line.is_rejected(&root) {
            let before = match &revocation.body().target {
                RevocationTarget::Root { root, .. } => Some((*root, self.ended.is_root_compromised(root))),
                _ => None,
            };
            Arc::make_mut(&mut self.ended).add(revocation.body());
            if let Some((root, before)) = before
                && before != self.ended.is_root_compromised(&root)
            {
                self.weigh_epochs_of(&root);
            }
        }
        self.revocations.insert(revocation.id(), (root, Arc::new(revocation)));
    }

    pub(super) fn add_appointment(&mut self, appointment: Verified<Appointment>) {
        let (epoch, root) = (appointment.body().epoch, appointment.body().root);
        self.weight += weight(&appointment);
        self.appointing.entry(root).or_default().insert(epoch);
        self.appointments.entry(epoch).or_default().insert(appointment.id(), Arc::new(appointment));
        self.weigh_epoch(epoch);
    }

    pub(super) fn add_clock_reset(&mut self, reset: Verified<ClockReset>) {
        self.weight += weight(&reset);
        self.clock_resets.insert(reset.id(), Arc::new(reset));
    }

    pub(super) fn confirm_root(&mut self, root: RootId) {
        self.confirmed_roots.insert(root);
        let changed = self.line.derive(&self.confirmed_roots);
        self.weigh_again(&changed);
    }

    /// `false` when no such appointment is known.
    pub(super) fn confirm_appointment(&mut self, epoch: u32, appointment: &StatementId) -> bool {
        let known = self.appointments.get(&epoch).is_some_and(|rivals| rivals.contains_key(appointment));
        if known {
            self.confirmed_appointments.insert(*appointment);
            self.weigh_epoch(epoch);
        }
        known
    }

    /// The bureau.
    pub fn id(&self) -> BureauId {
        self.id
    }

    /// Bytes of everything kept of it, sealed.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The root versions from 1 to the head, undisputed.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = &Verified<RootStatement>> {
        self.line.order().iter().filter_map(|id| self.roots.get(id)).map(Arc::as_ref)
    }

    /// Any known root version, rivals included.
    pub fn root(&self, root: &RootId) -> Option<&Verified<RootStatement>> {
        self.roots.get(root).map(Arc::as_ref)
    }

    /// The newest undisputed root version.
    pub fn head(&self) -> RootId {
        self.line.head()
    }

    /// The statement of the head.
    pub fn head_statement(&self) -> &RootStatement {
        self.roots.get(&self.head()).expect("a record is made together with its version 1").body()
    }

    /// What the bureau calls itself. Believed only from a checked card.
    pub fn name(&self) -> &str {
        &self.head_statement().name
    }

    /// The unit code the bureau states.
    pub fn unit_code(&self) -> &str {
        &self.head_statement().unit_code
    }

    /// Every certificate, ascending by id, in whatever standing.
    pub fn certificates(&self) -> impl Iterator<Item = &Verified<MemberCertificate>> {
        self.certificates.values().map(Arc::as_ref)
    }

    /// Every appointment, ascending by epoch, rivals included.
    pub fn appointments(&self) -> impl Iterator<Item = &Verified<Appointment>> {
        self.appointments.values().flat_map(BTreeMap::values).map(Arc::as_ref)
    }

    /// The epochs somebody was appointed for, ascending.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.appointments.keys().copied()
    }

    /// Every revocation, ascending by id.
    pub fn revocations(&self) -> impl Iterator<Item = &Verified<Revocation>> {
        self.revocations.values().map(|(_, it)| it.as_ref())
    }

    /// Everything known of the bureau, in an order in which an empty directory can learn it: roots by version, certificates by the root,
    /// certificates by members, revocations, appointments, clock resets.
    pub fn statements(&self) -> impl Iterator<Item = Held<'_>> {
        let mut roots: Vec<_> = self.roots.values().collect();
        roots.sort_by_key(|root| (root.body().version, root.id()));
        let by_root = |it: &&Verified<MemberCertificate>| matches!(it.body().issuer, Issuer::Root(_));
        roots
            .into_iter()
            .map(|it| Held::Root(it))
            .chain(self.certificates().filter(by_root).map(Held::Certificate))
            .chain(self.certificates().filter(move |it| !by_root(it)).map(Held::Certificate))
            .chain(self.revocations().map(Held::Revocation))
            .chain(self.appointments().map(Held::Appointment))
            .chain(self.clock_resets.values().map(|it| Held::ClockReset(it)))
    }

    /// Whether the bureau is frozen, see [`Self::freeze`].
    pub(super) fn is_frozen(&self) -> bool {
        !self.disputed.is_empty() || self.followers(&self.head()).len() > 0
    }

    /// Why the bureau is frozen, if it is: the first dispute that is not resolved.
    pub fn freeze(&self) -> Option<Freeze> {
        let head = self.head();
        let rivals: Vec<_> = self.followers(&head).collect();
        if !rivals.is_empty() {
            return Some(Freeze::RivalRoots { at: head, rivals });
        }
        let epoch = *self.disputed.first()?;
        let rivals = self.appointments.get(&epoch)?;
        Some(Freeze::RivalAppointments { epoch, rivals: rivals.keys().copied().collect() })
    }

    /// The root versions that name `root` as the one before, ascending by id.
    pub(super) fn followers(&self, root: &RootId) -> impl ExactSizeIterator<Item = RootId> {
        self.line.followers(root)
    }

    /// The newest epoch with an appointment that is neither rejected nor by a compromised root version.
    pub(super) fn newest_epoch(&self) -> Option<u32> {
        self.counting.last().copied()
    }

    /// The appointment that stands for an epoch: the only one people have not decided against, by an undisputed root version.
    pub(super) fn appointed(&self, epoch: u32) -> Option<&Verified<Appointment>> {
        let rivals = self.appointments.get(&epoch)?;
        let heard = || rivals.values().filter(|it| !self.line.is_rejected(&it.body().root));
        let stands = only(heard()).or_else(|| only(heard().filter(|it| self.confirmed_appointments.contains(&it.id()))))?;
        self.is_on_line(&stands.body().root).then(|| stands.as_ref())
    }

    /// Whether a root version is version 1, the head, or between them.
    pub(super) fn is_on_line(&self, root: &RootId) -> bool {
        self.line.contains(root)
    }

    /// The worst class of the revocations that meet this certificate itself. Those by root versions that people decided against do not count.
    pub(super) fn revoked_itself(&self, id: &CertificateId, body: &MemberCertificate) -> Option<RevocationClass> {
        self.ended.class_of(id, body)
    }

    /// Whether everything falls that this member issued: its key or certificate is compromised.
    pub(super) fn takes_down_issued(&self, id: &CertificateId, body: &MemberCertificate) -> bool {
        self.ended.takes_down_issued(id, body)
    }

    #[cfg(test)]
    pub(super) fn is_confirmed_root(&self, root: &RootId) -> bool {
        self.confirmed_roots.contains(root)
    }

    #[cfg(test)]
    pub(super) fn is_confirmed_appointment(&self, appointment: &StatementId) -> bool {
        self.confirmed_appointments.contains(appointment)
    }

    /// What rests on root versions that stand otherwise than before. People decide against a root version with all it revoked: rare.
    fn weigh_again(&mut self, changed: &Changed) {
        if changed.rejected.iter().any(|root| self.revoking.contains(root)) {
            let mut ended = Ended::default();
            for (_, revocation) in self.revocations.values().filter(|(root, _)| !self.line.is_rejected(root)) {
                ended.add(revocation.body());
            }
            self.ended = Arc::new(ended);
            let epochs: Vec<u32> = self.epochs().collect();
            epochs.into_iter().for_each(|epoch| self.weigh_epoch(epoch));
        } else {
            changed.line.union(&changed.rejected).for_each(|root| self.weigh_epochs_of(root));
        }
    }

    fn weigh_epochs_of(&mut self, root: &RootId) {
        let epochs: Vec<u32> = self.appointing.get(root).into_iter().flatten().copied().collect();
        epochs.into_iter().for_each(|epoch| self.weigh_epoch(epoch));
    }

    /// Whether an epoch counts, and whether it is disputed.
    fn weigh_epoch(&mut self, epoch: u32) {
        let Some(rivals) = self.appointments.get(&epoch) else { return };
        let mut heard = rivals.values().map(|it| it.body().root).filter(|root| !self.line.is_rejected(root)).peekable();
        let is_heard = heard.peek().is_some();
        let counts = heard.any(|root| !self.ended.is_root_compromised(&root));
        let disputed = is_heard && self.appointed(epoch).is_none();
        for (set, holds) in [(&mut self.counting, counts), (&mut self.disputed, disputed)] {
            if holds {
                set.insert(epoch);
            } else {
                set.remove(&epoch);
            }
        }
    }
}
