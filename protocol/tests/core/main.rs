//! What the pure core promises, checked from outside on small counties: admission against a naive definition, logs, segments, agreements,
//! access, wire bytes, clocks, and the frozen vectors.

mod access;
mod accounts;
mod admission;
mod attacks;
mod clock;
mod compacts;
mod county;
mod decisions;
mod delivered;
mod documents;
mod exchange;
mod explain;
mod ledger;
mod lifecycle;
mod log;
mod naive;
mod onward;
mod pacts;
mod passes;
mod persons;
mod progress;
mod proof;
mod put_back;
mod quotas;
mod reconnect;
mod records;
mod reentry;
mod repair;
mod restricted;
mod retention;
mod roots;
mod segments;
mod vectors;
mod wire;
mod world;
