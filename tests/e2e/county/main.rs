//! Real bureaus on loopback: every test starts `accord` as a county would, and looks at what people and scripts see.
//!
//! No test shares a folder, a port or a process with another. What must not happen in any of them is checked in one place: a daemon's log
//! never says "panicked" ([`harness::Bureau`] looks when it goes). Waiting is for an event, with a bound after which it counts as failure.

#![expect(clippy::print_stderr, reason = "seeds and figures are for whoever reads the test's output")]
#![expect(clippy::disallowed_methods, reason = "a test outside the daemon reads the machine's clock")]

mod api;
mod audit;
mod backup;
mod bundles;
mod clocks;
mod compact;
mod files;
mod harness;
mod healing;
mod kill;
mod laptop;
mod network;
mod offline_owner;
mod onward;
mod progress;
mod refusals;
mod renewal;
mod restored;
mod roots;
mod storage;
mod story;
mod suspension;
mod trio;
