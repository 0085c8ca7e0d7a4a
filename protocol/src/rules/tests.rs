//! The rules against real Automerge changes, and against hostile ones.

use super::*;

mod bytes;
mod editing;
mod hostile;
mod lookups;
mod mutation;
mod past;
mod vectors;
