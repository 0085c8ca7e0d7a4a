//! Worlds of bureaus in memory: the pure core of `accord` under a seeded network, disks that forget, clocks that lie, and people who act.
//!
//! A [`world::World`] owns virtual time. Each node is a real [`accord_protocol::bureau::Bureau`] behind the driver's loop (gather, load, decide,
//! commit, hand over, tell); its disk keeps committed state only. Every plaintext frame passes a tap. What may be in a frame, what must
//! survive, what must never go backwards and which changes are admitted is judged by code written apart from the core
//! ([`oracle`], [`standing`], [`reference`]): it reads what each node has on its disk and never asks the core.

pub mod canary;
pub mod chaos;
pub mod checks;
pub mod copies;
pub mod disk;
pub mod fault;
pub mod figures;
pub mod hostile;
pub mod node;
pub mod oracle;
pub mod orders;
pub mod people;
pub mod reference;
pub mod runner;
pub mod standing;
pub mod watch;
pub mod world;
