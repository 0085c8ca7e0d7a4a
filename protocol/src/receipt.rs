//! Receipts of a bureau's other nodes: what of a document of theirs lay safely in the house before its registrar heard of it.
//!
//! A bureau may have more nodes than the registrar's. What one of them takes in from a partner it receipts at once, with the newest record it knew
//! then, for its own house alone. If the registrar cut the writer meanwhile without having heard of that work, the receipt is what tells it from work
//! sent in afterwards ([`crate::intake::DocState::receipted`]).

use accord_keys::certificate::MemberKind;
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Statement, Verified};
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};

use crate::id::{BureauId, CertificateId, DocumentId, RecordId};
use crate::limits;
use crate::rules::ChangeHash;
use crate::time::WallSeconds;

/// What one node of the owner took in from a partner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NodeReceipt {
    /// The document, of the node's own bureau.
    #[n(0)]
    pub document: DocumentId,
    /// Who brought it.
    #[n(1)]
    pub from: BureauId,
    /// Newest access record the node knew.
    #[n(2)]
    pub head: RecordId,
    /// Newest changes of what came, ascending and unique; all that is in their past was there too.
    #[n(3)]
    pub tips: Vec<ChangeHash>,
    /// When, by the node's clock.
    #[n(4)]
    pub at: WallSeconds,
    /// The node that seals it.
    #[n(5)]
    pub certificate: CertificateId,
}

impl Statement for NodeReceipt {
    const TYPE: StatementType = StatementType::NodeReceipt;
    fn validate(&self) -> Result<(), Malformed> {
        let listed = !self.tips.is_empty() && self.tips.len() <= limits::RECEIPT_TIPS_MAX;
        Malformed::unless(listed && self.tips.windows(2).all(|pair| pair[0] < pair[1]), "tips", "1 to 64, ascending and unique")
    }
}

/// Whether a node of this bureau sealed a receipt: one of kind `node`, by the key of its certificate alone. Laptops give none.
pub fn is_by_node_of(directory: &Directory, bureau: &BureauId, receipt: &Verified<NodeReceipt>) -> bool {
    let body = receipt.body();
    directory.certificate(&body.certificate).is_some_and(|certificate| {
        let node = certificate.body();
        node.bureau == *bureau && node.kind == MemberKind::Node && receipt.is_sealed_by_only(&node.key) && body.from != *bureau
    })
}
