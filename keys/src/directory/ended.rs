//! What the revocations that count come to, by what they end.
//!
//! A bureau may state tens of thousands of revocations, and of any certificate it is asked all the time whether it is revoked: what they say of
//! one key, certificate, issuer or root version is drawn together when they are learnt. Of several that list what stays good, only what all of
//! them list does.

use crate::certificate::{Issuer, MemberCertificate};
use crate::id::{CertificateId, PublicKey, RootId};
use crate::revocation::{Revocation, RevocationClass, RevocationTarget};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    keys: BTreeMap<PublicKey, Worst>,
    certificates: BTreeMap<CertificateId, Worst>,
    issuers: BTreeMap<CertificateId, Fallen>,
    roots: BTreeMap<RootId, Fallen>,
}

/// The worst that was said of a key or certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Worst {
    by_root: Option<RevocationClass>,
    by_member: Option<RevocationClass>,
}

/// What stays good of what an issuer or root version issued, by the class of the revocations; absent when there is none of the class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fallen {
    retired: Option<Arc<[CertificateId]>>,
    compromised: Option<Arc<[CertificateId]>>,
}

impl Worst {
    /// A member's word ends only what members issued.
    fn for_issued_by(&self, issuer: &Issuer) -> Option<RevocationClass> {
        match issuer {
            Issuer::Root(_) => self.by_root,
            Issuer::Member(_) => self.by_root.max(self.by_member),
        }
    }
}

impl Fallen {
    fn add(&mut self, class: RevocationClass, good: &[CertificateId]) {
        let slot = match class {
            RevocationClass::Retired => &mut self.retired,
            RevocationClass::Compromised => &mut self.compromised,
        };
        *slot = Some(match slot.take() {
            None => good.into(),
            Some(before) => before.iter().filter(|id| good.binary_search(id).is_ok()).copied().collect(),
        });
    }

    /// The worst class for the issuer itself.
    fn itself(&self) -> Option<RevocationClass> {
        let retired = self.retired.as_ref().map(|_| RevocationClass::Retired);
        self.compromised.as_ref().map(|_| RevocationClass::Compromised).or(retired)
    }

    /// The worst class for a certificate it issued.
    fn of_issued(&self, id: &CertificateId) -> Option<RevocationClass> {
        let falls = |good: &Option<Arc<[CertificateId]>>| good.as_ref().is_some_and(|good| good.binary_search(id).is_err());
        let retired = falls(&self.retired).then_some(RevocationClass::Retired);
        falls(&self.compromised).then_some(RevocationClass::Compromised).or(retired)
    }
}

impl Ended {
    /// Adds a revocation that counts.
    pub fn add(&mut self, revocation: &Revocation) {
        super::steps::count();
        let worst = match &revocation.target {
            RevocationTarget::Key(key) => self.keys.entry(*key).or_default(),
            RevocationTarget::Certificate(certificate) => self.certificates.entry(*certificate).or_default(),
            RevocationTarget::Issuer { certificate, good } => {
                return self.issuers.entry(*certificate).or_default().add(revocation.class, good);
            }
            RevocationTarget::Root { root, good } => return self.roots.entry(*root).or_default().add(revocation.class, good),
        };
        let said = match revocation.issuer {
            Issuer::Root(_) => &mut worst.by_root,
            Issuer::Member(_) => &mut worst.by_member,
        };
        *said = (*said).max(Some(revocation.class));
    }

    /// Whether a root version was called compromised.
    pub fn is_root_compromised(&self, root: &RootId) -> bool {
        super::steps::count();
        self.roots.get(root).is_some_and(|fallen| fallen.compromised.is_some())
    }

    /// The worst class of what meets this certificate itself.
    pub fn class_of(&self, id: &CertificateId, body: &MemberCertificate) -> Option<RevocationClass> {
        let as_issuer = self.issuers.get(id).and_then(Fallen::itself);
        let with_issuer = match &body.issuer {
            Issuer::Root(_) => None,
            Issuer::Member(issuer) => self.issuers.get(issuer).and_then(|fallen| fallen.of_issued(id)),
        };
        self.named(id, body).max(as_issuer).max(with_issuer)
    }

    /// Whether everything this member issued falls with it: its key, its certificate or the root version behind it is compromised. What an
    /// issuer's revocation says is said of each certificate it issued, see [`Self::class_of`].
    pub fn takes_down_issued(&self, id: &CertificateId, body: &MemberCertificate) -> bool {
        self.named(id, body) == Some(RevocationClass::Compromised)
    }

    /// By its key, its own id or the root version that issued it.
    fn named(&self, id: &CertificateId, body: &MemberCertificate) -> Option<RevocationClass> {
        super::steps::count();
        let key = self.keys.get(&body.key).and_then(|worst| worst.for_issued_by(&body.issuer));
        let own = self.certificates.get(id).and_then(|worst| worst.for_issued_by(&body.issuer));
        let with_root = match &body.issuer {
            Issuer::Root(root) => self.roots.get(root).and_then(|fallen| fallen.of_issued(id)),
            Issuer::Member(_) => None,
        };
        key.max(own).max(with_root)
    }
}
