//! The rules against real Automerge changes, and against hostile ones.

use super::*;

mod editing;
mod hostile;
mod mutation;
mod past;
mod vectors;
