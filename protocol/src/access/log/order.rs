//! What an officer orders: the human decision a record embeds, sealed by the officer's own key.

use accord_keys::seal::{Malformed, Statement};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};

use super::Subject;
use super::genesis::Grantee;
use crate::agreement::Verb;
use crate::id::{CertificateId, DocumentId, Nonce};
use crate::limits;

/// An officer's sealed order, embedded in the records it causes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Order {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The ordering officer of the owner bureau.
    #[n(1)]
    pub officer: CertificateId,
    /// What is ordered.
    #[n(2)]
    pub act: OrderAct,
    /// When, by the officer's clock.
    #[n(3)]
    pub at: WallSeconds,
    /// Makes equal orders differ.
    #[n(4)]
    pub nonce: Nonce,
}

/// What an officer orders.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum OrderAct {
    /// Let these in.
    #[n(0)]
    Grant(#[n(0)] Vec<Grantee>),
    /// Take these verbs from this subject; strict leaves nothing unsettled of it.
    #[n(1)]
    Cut(#[n(0)] Subject, #[n(1)] Vec<Verb>, #[n(2)] bool),
}

impl Statement for Order {
    const TYPE: StatementType = StatementType::Order;
    fn validate(&self) -> Result<(), Malformed> {
        let bounded = match &self.act {
            OrderAct::Grant(grantees) => !grantees.is_empty() && grantees.len() <= limits::AUDIENCE_MAX,
            OrderAct::Cut(_, verbs, _) => !verbs.is_empty() && verbs.len() <= 3,
        };
        Malformed::unless(bounded, "order", "grantees and verbs must be present and bounded")
    }
}
