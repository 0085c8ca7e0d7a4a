//! What hostile members and partners do, and by which name: [`personality::all`] lists them beside the lines of the threat catalogue.

mod bytes;
mod changes;
mod logs;
pub mod personality;
mod speech;
mod statements;
