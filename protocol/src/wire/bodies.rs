//! Bodies of messages that are no more than a few values.

use minicbor::{Decode, Encode};

use super::{Reason, TipLine};
use crate::id::{Bytes, Digest, DocumentId, Nonce};

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct List {
    #[n(0)]
    pub items: Vec<Bytes>,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct WantBody {
    #[n(0)]
    pub document: DocumentId,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct CursorMessage {
    #[n(0)]
    pub cursor: Bytes,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Number {
    #[n(0)]
    pub value: u64,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct EqualityBody {
    #[n(0)]
    pub sum: Digest,
    #[n(1)]
    pub count: u64,
    #[n(2)]
    pub policy: Digest,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct TipsBody {
    #[n(0)]
    pub lines: Vec<TipLine>,
    #[n(1)]
    pub last: bool,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct SymbolsBody {
    #[n(0)]
    pub nonce: Nonce,
    #[n(1)]
    pub from: u32,
    #[n(2)]
    pub symbols: Bytes,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct DiffersBody {
    #[n(0)]
    pub nonce: Nonce,
    #[n(1)]
    pub wanted: Option<u32>,
    #[n(2)]
    pub items: Bytes,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct NamedBody {
    #[n(0)]
    pub documents: Vec<DocumentId>,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct AheadBody {
    #[n(0)]
    pub documents: u64,
    #[n(1)]
    pub of: u64,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct DeclinedBody {
    #[n(0)]
    pub document: DocumentId,
    #[n(1)]
    pub reason: Reason,
    #[n(2)]
    pub reference: u64,
}
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct RefusalBody {
    #[n(0)]
    pub reason: Reason,
    #[n(1)]
    pub reference: u64,
}
