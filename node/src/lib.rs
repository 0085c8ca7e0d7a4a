//! The `accord` node: what stands between the pure core ([`accord_protocol`]) and people, disk and network.
//!
//! The driver ([`driver`]) owns the core and repeats one thing: gather, decide, commit, send. Around it:
//!
//! | module | is |
//! |---|---|
//! | [`daemon`] | start and stop as lists of steps; founding a bureau, joining a laptop |
//! | [`driver`], [`handle`] | the loop, and how others ask it |
//! | [`verify`] | checks seals of incoming messages off the loop, per link in order |
//! | [`api`] | HTTP and JSON on a Unix socket |
//! | [`keystore`], [`officers`], [`unlock`] | key files, logging officers in, where the node's passphrase comes from |
//! | [`config`], [`telemetry`] | settings and log lines |
//! | [`doctor`] | what is wrong with this node, and what to do |
//! | [`invite`] | the one-time code of a laptop |

pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod driver;
pub mod failure;
pub mod handle;
pub mod invite;
pub mod keystore;
pub mod store;
pub mod swarm;
pub mod telemetry;
pub mod terms;
pub mod text_input;
pub mod verify;
pub mod words;
