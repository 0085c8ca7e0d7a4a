//! The accord node: everything that touches disks, sockets and clocks.

pub mod swarm;
