//! Where accord runs: the daemon, its store, its links and its faces.

pub mod store;
