//! Revocations: keys and certificates that are good no more.
//!
//! A revocation never names documents and never reaches admission: it ends sessions, logins and issuing, and makes the owner write cuts.
//! Revocations only grow; nobody takes one back.

use crate::certificate::Issuer;
use crate::id::{BureauId, CertificateId, PublicKey, RootId};
use crate::seal::{Malformed, Statement};
use crate::time::WallSeconds;
use crate::types::StatementType;

/// Most certificates an issuer's revocation may list as still good. 1,024 hashes take 35 KiB of the 64 KiB a payload may have.
pub const GOOD_MAX: usize = 1_024;

/// Why something is good no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum RevocationClass {
    /// Out of use; what it signed stays honest.
    #[n(1)]
    Retired,
    /// In other hands, or may be.
    #[n(2)]
    Compromised,
}

/// What is good no more.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(flat)]
pub enum RevocationTarget {
    /// Every certificate of this signing key.
    #[n(0)]
    Key(#[n(0)] PublicKey),
    /// One certificate; if it is an issuer's and compromised, everything it issued too.
    #[n(1)]
    Certificate(#[n(0)] CertificateId),
    /// An issuer's certificate and everything it issued, except what is listed.
    #[n(2)]
    Issuer {
        /// The issuer's certificate.
        #[n(0)]
        certificate: CertificateId,
        /// Certificates that stay good, strictly ascending, at most [`GOOD_MAX`].
        #[n(1)]
        good: Vec<CertificateId>,
    },
    /// An older root version: everything it issued itself, except what is listed, and its appointments.
    #[n(3)]
    Root {
        /// The root version.
        #[n(0)]
        root: RootId,
        /// Certificates that stay good, strictly ascending, at most [`GOOD_MAX`].
        #[n(1)]
        good: Vec<CertificateId>,
    },
}

/// A key or certificate that is good no more.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Revocation {
    /// The bureau whose key or certificate it is.
    #[n(0)]
    pub bureau: BureauId,
    /// What is good no more.
    #[n(1)]
    pub target: RevocationTarget,
    /// Why.
    #[n(2)]
    pub class: RevocationClass,
    /// When it was revoked, by the revoker's clock: for people, never for decisions.
    #[n(3)]
    pub at: WallSeconds,
    /// Who revokes: the threshold of a root version, or a member with `issue`.
    #[n(4)]
    pub issuer: Issuer,
}

impl Statement for Revocation {
    const TYPE: StatementType = StatementType::Revocation;

    fn validate(&self) -> Result<(), Malformed> {
        if let RevocationTarget::Issuer { good, .. } | RevocationTarget::Root { good, .. } = &self.target {
            Malformed::unless(good.len() <= GOOD_MAX, "good", "lists more than 1024")?;
            Malformed::unless(good.windows(2).all(|pair| pair[0] < pair[1]), "good", "must be strictly ascending")?;
        }
        if let RevocationTarget::Root { root, .. } = &self.target {
            Malformed::unless(
                matches!(self.issuer, Issuer::Root(by) if by != *root),
                "target",
                "is a root version: only another may revoke it",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(change: impl FnOnce(&mut Revocation), field: &str) {
        let mut revocation = samples::revocation();
        change(&mut revocation);
        assert_eq!(revocation.validate().expect_err("a broken rule").field, field);
    }

    #[test]
    fn each_rule_of_a_revocation_is_checked() {
        assert_eq!(samples::revocation().validate(), Ok(()));
        let certificate = CertificateId([1; 32]);
        check(|it| it.target = RevocationTarget::Issuer { certificate, good: vec![certificate, certificate] }, "good");
        let many: Vec<_> = (0..1_025u32).map(|i| CertificateId(*blake3::hash(&i.to_be_bytes()).as_bytes())).collect();
        check(|it| it.target = RevocationTarget::Issuer { certificate, good: many }, "good");
        check(
            |it| {
                it.issuer = Issuer::Root(RootId([4; 32]));
                it.target = RevocationTarget::Root { root: RootId([4; 32]), good: vec![] };
            },
            "target",
        );
    }
}
