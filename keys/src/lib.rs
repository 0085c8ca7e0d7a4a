//! What a key may do and who holds it: identities, certificates, revocations and seals of accord.
//!
//! This crate is pure: no clock, no randomness, no files. Seeds, salts and times are arguments.

#[doc(hidden)]
pub use minicbor;

pub mod appointment;
pub mod armour;
pub mod canon;
pub mod card;
pub mod certificate;
pub mod clock_reset;
pub mod code;
pub mod contact;
pub mod cose;
mod digits;
pub mod directory;
pub mod envelope;
pub mod hpke;
pub mod id;
pub mod keyfile;
#[cfg(feature = "memo")]
mod memo;
pub mod revocation;
pub mod root;
pub mod seal;
pub mod secret;
pub mod text;
pub mod time;
pub mod types;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod vectors;
