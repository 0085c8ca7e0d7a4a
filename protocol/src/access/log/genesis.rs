//! Record 0 of a document: who owns it, what it is, and who holds it from the start.

use accord_keys::seal::{Malformed, Statement};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};

use crate::access::audience;
use crate::agreement::{Category, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, Digest, Nonce, StatementId};
use crate::limits;

/// The rules version of documents made now.
pub const RULES: u16 = 2;

/// What sort of document it is. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Written by its owner bureau only.
    #[n(1)]
    Bulletin,
    /// A text of one's own bureau that nobody else gets.
    #[n(2)]
    Draft,
    /// A case thread: several writing bureaus.
    #[n(3)]
    Case,
}

impl Kind {
    /// Whether a bureau other than the owner may hold this verb: nobody gets a draft, bulletins are read only.
    pub const fn allows(self, verb: Verb) -> bool {
        match self {
            Kind::Bulletin => matches!(verb, Verb::Read),
            Kind::Draft => false,
            Kind::Case => matches!(verb, Verb::Read | Verb::Append),
        }
    }
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Bulletin => "bulletin",
            Kind::Draft => "draft",
            Kind::Case => "case",
        }
    }
}

/// One bureau that may hold a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Grantee {
    /// Who.
    #[n(0)]
    pub bureau: BureauId,
    /// `Read` or `Append`.
    #[n(1)]
    pub verb: Verb,
    /// The agreement the owner relied on; a note for auditors, checked by nobody.
    #[n(2)]
    pub agreement: Option<AgreementId>,
    /// The bureau whose link hands it on, where the owner has none with the grantee. From rules version 2 on, like all that follow.
    #[n(3)]
    pub via: Option<BureauId>,
    /// The highest traffic light under which it may be given; above it nothing leaves.
    #[n(4)]
    pub tlp: Option<Tlp>,
    /// When giving ends, by the giver's clock. Decides egress only, never admission.
    #[n(5)]
    pub until: Option<WallSeconds>,
    /// No further bureau is asked for through this grantee (DESIGN §4, "no fourth party"). Absent is no.
    #[n(6)]
    #[cbor(default, skip_if = "is_no")]
    pub no_fourth: bool,
    /// The ask onward this answers; a note for its asker and for auditors.
    #[n(7)]
    pub ask: Option<StatementId>,
}

/// `skip_if` takes a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature the derive calls")]
fn is_no(value: &bool) -> bool {
    !value
}

impl Grantee {
    /// A grantee without conditions.
    pub const fn plain(bureau: BureauId, verb: Verb, agreement: Option<AgreementId>) -> Self {
        Self { bureau, verb, agreement, via: None, tlp: None, until: None, no_fourth: false, ask: None }
    }
    /// Whether it holds nothing that rules version 1 does not know.
    pub const fn is_plain(&self) -> bool {
        self.via.is_none() && self.tlp.is_none() && self.until.is_none() && !self.no_fourth && self.ask.is_none()
    }
}

/// Record 0: fixes for the document's life who owns it, what it is and who holds it from the start. Sealed once by any member with `create`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Genesis {
    /// The owner bureau.
    #[n(0)]
    pub owner: BureauId,
    /// The member that seals it.
    #[n(1)]
    pub creator: CertificateId,
    /// What it is.
    #[n(2)]
    pub kind: Kind,
    /// Content schema, 1.
    #[n(3)]
    pub schema: u16,
    /// Rules version, 1 or 2: which records may stand in its log.
    #[n(4)]
    pub rules: u16,
    /// Category, the key of agreement grants.
    #[n(5)]
    pub category: Category,
    /// Traffic light.
    #[n(6)]
    pub tlp: Tlp,
    /// The whole initial audience, ascending by bureau, without the owner.
    #[n(7)]
    pub audience: Vec<Grantee>,
    /// The life of the creator's actor, which makes the founding change.
    #[n(8)]
    pub life: Life,
    /// Sealing time by the creator's clock.
    #[n(9)]
    pub at: WallSeconds,
    /// Makes equal documents differ.
    #[n(10)]
    pub nonce: Nonce,
    /// Salted commitments instead of an open audience, ascending, padded to a multiple of eight: bulletins only, read only. From rules
    /// version 2 on.
    #[n(11)]
    pub hidden: Option<Vec<Digest>>,
}

impl Statement for Genesis {
    const TYPE: StatementType = StatementType::Genesis;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("genesis", what));
        if self.schema != 1 || !(1..=RULES).contains(&self.rules) {
            return bad("schema must be 1 and rules version 1 or 2");
        }
        if self.rules == 1 && !self.audience.iter().all(Grantee::is_plain) {
            return bad("rules version 1 knows no conditions of a grantee");
        }
        if self.audience.len() > limits::AUDIENCE_MAX {
            return bad("audience above its bound");
        }
        if !self.audience.windows(2).all(|pair| pair[0].bureau < pair[1].bureau) || self.audience.iter().any(|g| g.bureau == self.owner) {
            return bad("audience must be ascending, unique and without the owner");
        }
        if !self.audience.iter().all(|grantee| self.kind.allows(grantee.verb)) {
            return bad("the kind does not allow this audience");
        }
        if let Some(hidden) = &self.hidden {
            if self.rules == 1 || self.kind != Kind::Bulletin || !self.audience.is_empty() {
                return bad("a hidden audience is for bulletins of rules version 2, and the whole audience");
            }
            let padded = !hidden.is_empty() && hidden.len() <= limits::HIDDEN_MAX && hidden.len().is_multiple_of(audience::PAD);
            if !padded || !hidden.windows(2).all(|pair| pair[0] < pair[1]) {
                return bad("commitments must be ascending, unique, bounded and padded to a multiple of eight");
            }
        }
        Ok(())
    }
}

/// Eight random bytes that tell one writing life of a certificate in a document from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(pub [u8; 8]);

impl<C> minicbor::Encode<C> for Life {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> minicbor::Decode<'b, C> for Life {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        <[u8; 8]>::try_from(d.bytes()?).map(Self).map_err(|_| minicbor::decode::Error::message("expected 8 bytes"))
    }
}
