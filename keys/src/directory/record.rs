//! What is known of one bureau: its undisputed line of roots, what stands and what is disputed.

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
#[derive(Clone, Debug, PartialEq)]
pub struct BureauRecord {
    id: BureauId,
    pub(super) roots: BTreeMap<RootId, Arc<Verified<RootStatement>>>,
    /// Version 1 to the head, derived.
    line: Vec<RootId>,
    pub(super) certificates: BTreeSet<CertificateId>,
    /// With the root version behind whoever revokes.
    pub(super) revocations: BTreeMap<StatementId, (RootId, Arc<Verified<Revocation>>)>,
    pub(super) appointments: BTreeMap<u32, BTreeMap<StatementId, Arc<Verified<Appointment>>>>,
    pub(super) clock_resets: BTreeMap<StatementId, Arc<Verified<ClockReset>>>,
    pub(super) confirmed_roots: BTreeSet<RootId>,
    pub(super) confirmed_appointments: BTreeSet<StatementId>,
    /// See [`Self::weight`].
    pub(super) weight: usize,
}

impl BureauRecord {
    pub(super) fn empty(id: BureauId) -> Self {
        Self {
            id,
            roots: BTreeMap::new(),
            line: vec![RootId::from(id)],
            certificates: BTreeSet::new(),
            revocations: BTreeMap::new(),
            appointments: BTreeMap::new(),
            clock_resets: BTreeMap::new(),
            confirmed_roots: BTreeSet::new(),
            confirmed_appointments: BTreeSet::new(),
            weight: 0,
        }
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
        self.line.iter().filter_map(|id| self.roots.get(id)).map(Arc::as_ref)
    }

    /// Any known root version, rivals included.
    pub fn root(&self, root: &RootId) -> Option<&Verified<RootStatement>> {
        self.roots.get(root).map(Arc::as_ref)
    }

    /// The newest undisputed root version.
    pub fn head(&self) -> RootId {
        *self.line.last().expect("a line begins with version 1")
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

    /// Why the bureau is frozen, if it is: the first dispute that is not resolved.
    pub fn freeze(&self) -> Option<Freeze> {
        let head = self.head();
        let rivals: Vec<_> = self.followers(&head).collect();
        if !rivals.is_empty() {
            return Some(Freeze::RivalRoots { at: head, rivals });
        }
        self.appointments
            .iter()
            .find(|(epoch, rivals)| rivals.values().any(|it| !self.is_rejected(&it.body().root)) && self.appointed(**epoch).is_none())
            .map(|(epoch, rivals)| Freeze::RivalAppointments { epoch: *epoch, rivals: rivals.keys().copied().collect() })
    }

    /// The root versions that name `root` as the one before, ascending by id.
    pub(super) fn followers<'a>(&'a self, root: &'a RootId) -> impl Iterator<Item = RootId> + 'a {
        self.roots.iter().filter(|(_, it)| it.body().previous.as_ref() == Some(root)).map(|(id, _)| *id)
    }

    /// Walks from version 1 to the first dispute. Follows a fork only where people confirmed exactly one side.
    pub(super) fn derive_line(&mut self) {
        let mut line = vec![RootId::from(self.id)];
        loop {
            let head = *line.last().expect("begins with version 1");
            let followers: Vec<_> = self.followers(&head).collect();
            match only(&followers)
                .or_else(|| only(&followers.into_iter().filter(|it| self.confirmed_roots.contains(it)).collect::<Vec<_>>()))
            {
                Some(next) => line.push(next),
                None => break,
            }
        }
        self.line = line;
    }

    /// The newest epoch with an appointment that is neither rejected nor by a compromised root version.
    pub(super) fn newest_epoch(&self) -> Option<u32> {
        let counts = |it: &Arc<Verified<Appointment>>| !self.is_rejected(&it.body().root) && !self.is_root_compromised(&it.body().root);
        self.appointments.iter().rev().find(|(_, rivals)| rivals.values().any(counts)).map(|(epoch, _)| *epoch)
    }

    /// The appointment that stands for an epoch: the only one people have not decided against, by an undisputed root version.
    pub(super) fn appointed(&self, epoch: u32) -> Option<&Verified<Appointment>> {
        let rivals = self.appointments.get(&epoch)?;
        let heard: Vec<_> = rivals.values().filter(|it| !self.is_rejected(&it.body().root)).collect();
        let confirmed: Vec<_> = heard.iter().copied().filter(|it| self.confirmed_appointments.contains(&it.id())).collect();
        let stands = only(&heard).or_else(|| only(&confirmed))?;
        self.is_on_line(&stands.body().root).then(|| stands.as_ref())
    }

    /// Whether a root version is version 1, the head, or between them.
    pub(super) fn is_on_line(&self, root: &RootId) -> bool {
        self.line.contains(root)
    }

    /// Whether people decided against a root version: it branches off the line below the head. What branches off at the head is undecided.
    fn is_rejected(&self, root: &RootId) -> bool {
        let mut at = *root;
        while !self.is_on_line(&at) {
            match self.roots.get(&at).and_then(|it| it.body().previous) {
                Some(previous) => at = previous,
                None => return false,
            }
        }
        at != *root && at != self.head()
    }

    fn is_root_compromised(&self, root: &RootId) -> bool {
        self.standing_revocations().any(|it| {
            it.class == RevocationClass::Compromised && matches!(&it.target, RevocationTarget::Root { root: target, .. } if target == root)
        })
    }

    /// The revocations that count: all but those by root versions that people decided against.
    fn standing_revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.revocations.values().filter(|(root, _)| !self.is_rejected(root)).map(|(_, it)| it.body())
    }

    /// The revocations that meet this certificate itself.
    pub(super) fn revocations_of<'a>(
        &'a self,
        id: &'a CertificateId,
        body: &'a MemberCertificate,
    ) -> impl Iterator<Item = &'a Revocation> + 'a {
        let from_root = matches!(body.issuer, Issuer::Root(_));
        self.standing_revocations().filter(move |revocation| {
            // A member's word ends only what members issued.
            if from_root && matches!(revocation.issuer, Issuer::Member(_)) {
                return false;
            }
            match &revocation.target {
                RevocationTarget::Key(key) => *key == body.key,
                RevocationTarget::Certificate(target) => target == id,
                RevocationTarget::Issuer { certificate, good } => {
                    certificate == id || (body.issuer == Issuer::Member(*certificate) && good.binary_search(id).is_err())
                }
                RevocationTarget::Root { root, good } => body.issuer == Issuer::Root(*root) && good.binary_search(id).is_err(),
            }
        })
    }
}

/// The single item, if there is exactly one.
fn only<T: Copy>(items: &[T]) -> Option<T> {
    match items {
        [one] => Some(*one),
        _ => None,
    }
}
