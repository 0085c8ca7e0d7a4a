//! Where accord runs: the daemon, its API and the command line.

pub mod cli;
pub mod client;
pub mod config;
pub mod failure;
pub mod keystore;
pub mod store;
pub mod terms;
pub mod text_input;
pub mod words;
