//! Who may hold, read and write a document: decided in one place, by the same pure function for sender, receiver and every later hop.
//!
//! Two questions meet here. The document's access log says which bureaus the owner let in ([`log`]); the agreement between the two nodes of
//! a link says whether the category may cross it at all ([`crate::agreement::exchange`]). Both must say yes; between two readers of a third
//! bureau's document the owner's relay pass ([`pass`]) or its onward record speaks instead of its agreement. Admission of changes is another
//! matter and lives in [`crate::intake`]: it reads the log alone.
//!
//! | file | holds |
//! |---|---|
//! | [`check`] | the one check, its permits and refusals |
//! | [`reading`] | showing what is here: to a person, on a laptop that is away |
//! | [`log`] | genesis, records, the log rule, rights |
//! | [`pass`] | relay passes: one partner of ours may hand our documents to another |
//! | [`consent`] | asking onward, and the consent of those who wrote |
//! | [`audience`] | hidden audiences: commitments and their openings |

pub mod audience;
pub mod check;
pub mod consent;
pub mod log;
pub mod pass;
pub mod reading;

pub use check::{
    Ask, Basis, Facts, Ground, Parting, Permit, Refusal, Scope, carries, check, check_person, depends_on_person, let_in_without, may_ask,
    may_grant, may_reenter, parting, to_be_asked,
};
pub use reading::{Allowed, Contact, check_reading, offline_days};
