//! The `accord` node: what stands between the pure core ([`accord_protocol`]) and people, disk and network.
//!
//! The driver ([`driver`]) owns the core and repeats one thing: gather, decide, commit, send. Around it:
//!
//! | module | is |
//! |---|---|
//! | [`daemon`] | start and stop as lists of steps; founding a bureau, joining a laptop |
//! | [`driver`], [`handle`] | the loop, and how others ask it |
//! | [`verify`] | checks seals of incoming messages off the loop, per link in order |
//! | [`store`], [`swarm`] | disk and network |
//! | [`api`] | HTTP and JSON on a Unix socket |
//! | [`cli`], [`client`], [`terms`], [`text_input`], [`words`] | the command line: verbs, its side of the API, files it reads, sentences in two languages |
//! | [`keystore`], [`invite`] | key files: the node's, its officers'; the one-time code of a laptop |
//! | [`allocator`] | bounds on the memory a daemon keeps |
//! | [`config`], [`telemetry`], [`failure`] | settings, log lines, why something was not done |
//! | [`demo`] | three bureaus and a laptop as real processes, told and checked |
//! | [`doctor`] | what is wrong with this node, and what to do |

pub mod allocator;
pub mod api;
pub mod bundle;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod driver;
pub mod failure;
pub mod handle;
pub mod invite;
pub mod journal_lines;
pub mod keystore;
pub mod store;
pub mod swarm;
pub mod telemetry;
pub mod terms;
pub mod text_input;
pub mod verify;
pub mod words;
