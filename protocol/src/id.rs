//! Identifiers of agreements, documents and records.
pub use accord_keys::id::*;
use accord_keys::id32;

id32!(/// A document: the id of its sealed genesis.
    DocumentId);
id32!(/// One record of a document's access log; record 0 is the genesis and has the document's own 32 bytes.
    RecordId);
id32!(/// One version of an agreement: the id of the offer both sides sealed.
    AgreementId);
id32!(/// A compact: the id of its sealed text and roster.
    CompactId);
id32!(/// A BLAKE3 digest of something named where it stands.
    Digest);

/// Sixteen random bytes that make two equal statements differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce(pub [u8; 16]);

impl<C> minicbor::Encode<C> for Nonce {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> minicbor::Decode<'b, C> for Nonce {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        <[u8; 16]>::try_from(d.bytes()?).map(Self).map_err(|_| minicbor::decode::Error::message("expected 16 bytes"))
    }
}

/// A byte string of any length the frame allows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}
impl<C> minicbor::Encode<C> for Bytes {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> minicbor::Decode<'b, C> for Bytes {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(d.bytes()?.to_vec()))
    }
}
