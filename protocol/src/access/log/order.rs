//! What an officer orders: the human decision a record embeds, sealed by the officer's own key.

use accord_keys::seal::{Malformed, Statement};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};

use super::genesis::Grantee;
use super::record::{EndKind, Subject};
use crate::agreement::{Tlp, Verb};
use crate::id::{BureauId, CertificateId, Digest, DocumentId, Nonce, RecordId};
use crate::limits;
use crate::rules::ChangeHash;

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
    /// Let in what is held in the past of these changes.
    #[n(2)]
    Admit(#[n(0)] Vec<ChangeHash>),
    /// These changes' acts count no more; why, in words.
    #[n(3)]
    Void(#[n(0)] Vec<ChangeHash>, #[n(1)] String),
    /// A stricter traffic light; these bureaus may not hold it under that.
    #[n(4)]
    Reclassify(#[n(0)] Tlp, #[n(1)] Vec<BureauId>),
    /// These erasable parts are to be removed everywhere.
    #[n(5)]
    Erase(#[n(0)] Vec<Digest>),
    /// The document ends.
    #[n(6)]
    End(#[n(0)] EndKind),
    /// Of these heads of a forked log one goes on, and what its rivals say counts no more: the key that wrote them is in other hands.
    #[n(7)]
    Continue(#[n(0)] Vec<RecordId>),
}

/// Whether a list is within its bound, ascending and without repetition.
pub(super) fn is_listed<T: Ord>(list: &[T], least: usize, most: usize) -> bool {
    (least..=most).contains(&list.len()) && list.windows(2).all(|pair| pair[0] < pair[1])
}

/// Whether a reason is present, bounded and plain.
fn is_reason(text: &str) -> bool {
    (1..=limits::REASON_BYTES_MAX).contains(&text.len()) && crate::act::is_plain(text) && !text.contains('\n')
}

impl Statement for Order {
    const TYPE: StatementType = StatementType::Order;
    fn validate(&self) -> Result<(), Malformed> {
        let bounded = match &self.act {
            OrderAct::Grant(grantees) => !grantees.is_empty() && grantees.len() <= limits::AUDIENCE_MAX,
            OrderAct::Cut(_, verbs, _) => !verbs.is_empty() && verbs.len() <= 3,
            OrderAct::Admit(tips) => is_listed(tips, 1, limits::ADMIT_TIPS_MAX),
            OrderAct::Void(changes, reason) => is_listed(changes, 1, limits::VOIDS_MAX) && is_reason(reason),
            OrderAct::Reclassify(_, narrowed) => is_listed(narrowed, 0, limits::AUDIENCE_MAX),
            OrderAct::Erase(blobs) => is_listed(blobs, 1, limits::ERASED_MAX),
            OrderAct::End(_) => true,
            OrderAct::Continue(heads) => is_listed(heads, 2, limits::LOG_HEADS_MAX),
        };
        Malformed::unless(bounded, "order", "what it lists must be present, bounded and ascending")
    }
}
