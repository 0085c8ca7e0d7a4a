//! What a key may do and who holds it: identities, certificates, revocations and seals of accord.
//!
//! This crate is pure: no clock, no randomness, no files. Seeds, salts and times are arguments.

#[doc(hidden)]
pub use minicbor;

pub mod canon;
pub mod id;
pub mod time;
