//! What the pure core promises, checked from outside on small counties: admission against a naive definition, logs, segments, agreements,
//! access, wire bytes, clocks, and the frozen vectors.

mod access;
mod admission;
mod clock;
mod documents;
mod exchange;
mod naive;
mod world;
