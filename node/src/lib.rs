//! Where accord runs: the daemon, its API and the command line.

pub mod failure;
