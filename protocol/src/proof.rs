//! A proof: one file from which anyone can see, offline and without us, who wrote what in a document, under which agreement, in which order.
//!
//! The file holds nothing of its own: sealed statements about bureaus, the sealed access log, signed segments, and (on request) the sealed
//! agreements the log relied on and the receipts that partners gave, each in the very bytes that were sealed. [`Proof::verify`] runs the ordinary directory and the ordinary
//! intake over them and nothing else; [`Proof::states`] says what follows. What a file cannot show is what it leaves out: the log head it
//! states must be compared with what a partner holds, and the checking codes of the roots by people, on the phone.
//!
//! | file | holds |
//! |---|---|
//! | `file` | the layout, bounds, reading and writing |
//! | `verify` | from bytes to what stands |
//! | `statement` | what is stated, as plain data |

mod file;
mod statement;
mod verify;

pub use file::{MAGIC, ProofError, ProofFile, VERSION};
pub use statement::{
    AgreementStated, BureauStated, CertificateStated, ChangeStated, EntryStated, ForkStated, GranteeStated, HeldStated, ProofStatement,
    ReceiptStated, RecordStated, RootStated,
};
pub use verify::Proof;
