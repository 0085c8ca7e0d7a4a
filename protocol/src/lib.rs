//! What bureaus agree on and what may be shared: agreements, documents, access and sync of accord.
//!
//! Pure: no tokio, libp2p, sled, clock or randomness. One input in, one [`step::Step`] out.

pub mod content;
pub mod id;
pub mod limits;
pub mod rules;
pub mod step;
pub mod view;
