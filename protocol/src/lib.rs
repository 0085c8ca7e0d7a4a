//! What bureaus agree on and what may be shared: agreements, documents, access and sync of accord.
//!
//! Pure: no tokio, libp2p, sled, clock or randomness. One [`input::Input`] in, one [`step::Step`] out, through [`bureau::Bureau::handle`].
//!
//! Read in this order: [`step`], [`input`], [`bureau`], [`intake`], [`access`], [`wire`].

pub mod access;
pub mod act;
pub mod agreement;
pub mod bundle;
pub mod bureau;
pub mod cited;
pub mod clock;
pub mod content;
pub mod equality;
mod family;
pub mod id;
pub mod input;
pub mod intake;
pub mod ledger;
pub mod limits;
pub mod part;
pub mod proof;
pub mod receipt;
pub mod retention;
pub mod rules;
pub mod segment;
pub mod step;
pub mod time;
pub mod view;
pub mod wire;
