//! Identifiers of agreements, documents and records.
pub use accord_keys::id::*;
use accord_keys::id32;

id32!(/// A document: the id of its sealed genesis.
    DocumentId);
id32!(/// One record of a document's access log; record 0 is the genesis and has the document's own 32 bytes.
    RecordId);
id32!(/// One version of an agreement: the id of the offer both sides sealed.
    AgreementId);
