//! Member certificates: what one key of a bureau may do, and as whom.
//!
//! A chain is root → issuer → member and never longer. Certificates are evidence by hash: whether a chain holds follows from its bytes
//! alone and never changes; expiry and revocation end sessions, issuing and logins ([`crate::directory::Directory::standing`]), never the
//! admission of what was written. A person's name is not here but behind a salted commitment.

use crate::id::{BureauId, CertificateId, HpkeKey, NetworkId, PublicKey, RootId, TransportKey};
use crate::seal::{Malformed, Sealed, Statement, Verified};
use crate::secret;
use crate::text::{TEXT_BYTES_MAX, check_text};
use crate::time::WallSeconds;
use crate::types::StatementType;
use minicbor::{Decoder, Encoder};
use std::cmp::Ordering;

/// Most seats in one certificate.
pub const SEATS_MAX: usize = 16;
/// Most capabilities in one certificate.
pub const CAPABILITIES_MAX: usize = 32;
/// Recommended validity of a node certificate: 13 months. Not a verdict.
pub const NODE_SECONDS: u64 = 397 * 86_400;
/// Recommended validity of a laptop or officer certificate: 90 days. Not a verdict.
pub const LAPTOP_SECONDS: u64 = 90 * 86_400;

crate::id32!(/// BLAKE3 commitment to a salted text; see [`Opening`].
    Commitment);

/// Where a member's key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum MemberKind {
    /// The bureau's server.
    #[n(1)]
    Node,
    /// A field laptop: a node that travels.
    #[n(2)]
    Laptop,
    /// A person.
    #[n(3)]
    Officer,
    /// A program of the bureau's own.
    #[n(4)]
    Service,
}

/// Declares the capabilities once: number, name.
macro_rules! capabilities {
    ($($number:literal $name:ident $word:literal $doc:literal,)*) => {
        /// Something a member may do. Unknown numbers are carried and grant nothing, so that a certificate made by a newer version
        /// still reads. Numbers up to 127 may be given by a member that has [`Capability::Issue`]; from 128 on only by the root.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Capability {
            $(#[doc = $doc] $name,)*
            /// A number this version does not know.
            Other(u8),
        }

        impl Capability {
            /// Every known capability, ascending by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The capability with this number.
            pub const fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The word on the command line; `None` for an unknown one.
            pub const fn word(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($word),)*
                    Self::Other(_) => None,
                }
            }

            /// Reads the word of the command line.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

capabilities! {
    1 SignAgreement "sign-agreement" "Offer, accept and decline agreements.",
    2 Suspend "suspend" "Suspend an agreement at once.",
    3 Create "create" "Seal the genesis of a document.",
    4 Write "write" "Add changes to documents one's bureau may write.",
    5 Approve "approve" "Approve a draft another person wrote.",
    6 Publish "publish" "Make an approved draft a bulletin.",
    7 Order "order" "Order grants, cuts and other records of an access log.",
    8 Invite "invite" "Bring a further bureau into a thread.",
    9 ClockCorrect "clock-correct" "Confirm or undo a clock jump.",
    10 Audit "audit" "Read the account of admits, refusals, grants and reads.",
    11 Command "command" "Seal a day's emergency agreement: duty commanders.",
    128 Issue "issue" "Issue and revoke certificates of laptops, officers and services.",
    129 Register "register" "Conclude agreements and write access logs while appointed.",
}

impl Capability {
    /// True for what only the root may give.
    pub const fn is_root_only(self) -> bool {
        self.number() >= 128
    }
}

impl Ord for Capability {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number())
    }
}

impl PartialOrd for Capability {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C> minicbor::Encode<C> for Capability {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.number())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Capability {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.u8().map(Self::from_number)
    }
}

/// Who vouches for a statement: a root version with its threshold, or one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(flat)]
pub enum Issuer {
    /// The threshold of this root version.
    #[n(0)]
    Root(#[n(0)] RootId),
    /// The member with this certificate, which must hold [`Capability::Issue`].
    #[n(1)]
    Member(#[n(0)] CertificateId),
}

/// What one member's key may do.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct MemberCertificate {
    /// The bureau the member belongs to.
    #[n(0)]
    pub bureau: BureauId,
    /// The network the certificate is for.
    #[n(1)]
    pub network: NetworkId,
    /// Where the key lives.
    #[n(2)]
    pub kind: MemberKind,
    /// The key that signs statements.
    #[n(3)]
    pub key: PublicKey,
    /// The key towards libp2p: nodes and laptops only, and never the signing key.
    #[n(4)]
    pub transport: Option<TransportKey>,
    /// The key bundles are sealed to.
    #[n(5)]
    pub hpke: Option<HpkeKey>,
    /// The unit the member belongs to, up to [`TEXT_BYTES_MAX`] bytes.
    #[n(6)]
    pub unit: String,
    /// Seats the member may act in, strictly ascending, at most [`SEATS_MAX`] of [`TEXT_BYTES_MAX`] bytes.
    #[n(7)]
    pub seats: Vec<String>,
    /// What the member may do, strictly ascending by number, at most [`CAPABILITIES_MAX`].
    #[n(8)]
    pub capabilities: Vec<Capability>,
    /// Commitment to the person's name.
    #[n(9)]
    pub name_commitment: Option<Commitment>,
    /// Commitment to the member's scope.
    #[n(10)]
    pub scope_commitment: Option<Commitment>,
    /// Good from this second on, for sessions, logins and issuing.
    #[n(11)]
    pub not_before: WallSeconds,
    /// No longer good from this second on.
    #[n(12)]
    pub not_after: WallSeconds,
    /// 16 random bytes: two certificates never have the same id by accident.
    #[cbor(n(13), with = "minicbor::bytes")]
    pub serial: [u8; 16],
    /// Who vouches for it.
    #[n(14)]
    pub issuer: Issuer,
}

impl MemberCertificate {
    /// True iff the certificate lists `capability`.
    pub fn may(&self, capability: Capability) -> bool {
        self.capabilities.binary_search(&capability).is_ok()
    }
}

impl Statement for MemberCertificate {
    const TYPE: StatementType = StatementType::Certificate;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.key.is_usable(), "key", "cannot be used for seals")?;
        self.validate_transport()?;
        if let Some(hpke) = &self.hpke {
            Malformed::unless(secret::hpke_is_usable(hpke), "hpke", "has small order")?;
            Malformed::unless(hpke.0 != self.key.0, "hpke", "must not be the signing key")?;
        }
        check_text("unit", &self.unit, TEXT_BYTES_MAX)?;
        Malformed::unless(self.seats.len() <= SEATS_MAX, "seats", "are more than 16")?;
        Malformed::unless(self.seats.windows(2).all(|pair| pair[0] < pair[1]), "seats", "must be strictly ascending")?;
        self.seats.iter().try_for_each(|seat| check_text("seats", seat, TEXT_BYTES_MAX))?;
        Malformed::unless(self.capabilities.len() <= CAPABILITIES_MAX, "capabilities", "are more than 32")?;
        Malformed::unless(self.capabilities.windows(2).all(|pair| pair[0] < pair[1]), "capabilities", "must be strictly ascending")?;
        Malformed::unless(
            self.capabilities.iter().all(|given| Capability::from_number(given.number()) == *given),
            "capabilities",
            "hold a known number as unknown",
        )?;
        Malformed::unless(self.not_before < self.not_after, "not_after", "must be later than not_before")
    }

    fn network(&self) -> Option<&NetworkId> {
        Some(&self.network)
    }
}

impl MemberCertificate {
    fn validate_transport(&self) -> Result<(), Malformed> {
        match (self.kind, &self.transport) {
            (MemberKind::Node | MemberKind::Laptop, None) => Err(Malformed::new("transport", "is missing: nodes and laptops need one")),
            (MemberKind::Officer | MemberKind::Service, Some(_)) => {
                Err(Malformed::new("transport", "is given: officers and services have none"))
            }
            (_, None) => Ok(()),
            (_, Some(transport)) => {
                Malformed::unless(transport.0 != self.key.0, "transport", "must not be the signing key")?;
                Malformed::unless(secret::point_is_usable(&transport.0), "transport", "is not a usable Ed25519 key")
            }
        }
    }
}

impl Sealed<MemberCertificate> {
    /// The certificate's id.
    pub fn certificate_id(&self, network: &NetworkId) -> CertificateId {
        CertificateId(self.id(network).0)
    }
}

impl Verified<MemberCertificate> {
    /// The certificate's id.
    pub fn certificate_id(&self) -> CertificateId {
        CertificateId(self.id().0)
    }
}

/// The salted commitment to a name: without the salt a list of names cannot be tried against it.
pub fn commit_name(salt: &[u8; 32], name: &str) -> Commitment {
    commit("accord name commitment v1", salt, name)
}

/// The salted commitment to a scope.
pub fn commit_scope(salt: &[u8; 32], scope: &str) -> Commitment {
    commit("accord scope commitment v1", salt, scope)
}

/// BLAKE3 derive-key mode, context as given, over salt (32) ‖ text.
fn commit(context: &str, salt: &[u8; 32], text: &str) -> Commitment {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(salt).update(text.as_bytes());
    Commitment(*hasher.finalize().as_bytes())
}

/// What opens a commitment, given to those who may know.
#[derive(Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Opening {
    /// 32 random bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub salt: [u8; 32],
    /// The name.
    #[n(1)]
    pub name: String,
}

impl Opening {
    /// The commitment this opens.
    pub fn commitment(&self) -> Commitment {
        commit_name(&self.salt, &self.name)
    }

    /// True iff this opens the certificate's name and the name is showable.
    pub fn opens(&self, certificate: &MemberCertificate) -> bool {
        certificate.name_commitment == Some(self.commitment()) && check_text("name", &self.name, TEXT_BYTES_MAX).is_ok()
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(change: impl FnOnce(&mut MemberCertificate), field: &str) {
        let mut certificate = samples::node_certificate();
        change(&mut certificate);
        assert_eq!(certificate.validate().expect_err("a broken rule").field, field);
    }

    #[test]
    fn each_rule_of_a_certificate_is_checked() {
        assert_eq!(samples::node_certificate().validate(), Ok(()));
        check(|it| it.key = PublicKey([0; 32]), "key");
        check(|it| it.transport = None, "transport");
        check(|it| it.transport = Some(TransportKey(it.key.0)), "transport");
        check(|it| it.transport = Some(TransportKey([0; 32])), "transport");
        check(|it| it.kind = MemberKind::Officer, "transport");
        check(|it| it.hpke = Some(HpkeKey([0; 32])), "hpke");
        check(|it| it.hpke = Some(HpkeKey(it.key.0)), "hpke");
        check(|it| it.unit = "two\nlines".to_owned(), "unit");
        check(|it| it.seats = vec!["b".to_owned(), "a".to_owned()], "seats");
        check(|it| it.seats = (0..17).map(|i| format!("seat {i:02}")).collect(), "seats");
        check(|it| it.capabilities = vec![Capability::Write, Capability::Write], "capabilities");
        check(|it| it.capabilities = vec![Capability::Other(1)], "capabilities");
        check(|it| it.not_after = it.not_before, "not_after");
    }

    #[test]
    fn capabilities_read_back_by_number_and_word() {
        assert!(Capability::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        for capability in Capability::ALL {
            assert_eq!(Capability::from_number(capability.number()), *capability);
            assert_eq!(capability.word().and_then(Capability::from_word), Some(*capability));
        }
        assert_eq!(Capability::from_number(77), Capability::Other(77));
        assert!(Capability::Issue.is_root_only() && Capability::Register.is_root_only() && !Capability::SignAgreement.is_root_only());
    }

    #[test]
    fn an_unknown_capability_is_carried_and_grants_nothing() {
        let mut certificate = samples::node_certificate();
        certificate.capabilities.retain(|given| *given < Capability::Other(77));
        certificate.capabilities.push(Capability::Other(77));
        let read: MemberCertificate = crate::canon::decode(&crate::canon::encode(&certificate)).expect("reads");
        assert_eq!(read, certificate);
        assert!(!read.may(Capability::Issue));
    }

    #[test]
    fn a_commitment_opens_with_its_salt_and_name_only() {
        let mut certificate = samples::node_certificate();
        let opening = Opening { salt: [9; 32], name: "Officer Seven".to_owned() };
        certificate.name_commitment = Some(opening.commitment());
        assert!(opening.opens(&certificate));
        assert!(!Opening { salt: [8; 32], ..opening.clone() }.opens(&certificate));
        assert!(!Opening { name: "Officer Eight".to_owned(), ..opening }.opens(&certificate));
        assert_ne!(commit_name(&[9; 32], "x"), commit_scope(&[9; 32], "x"));
    }
}
