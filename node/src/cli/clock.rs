//! `accord clock`: a large clock jump is confirmed or undone by a person.

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::sending::{Ask, act, tell};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum ClockVerb {
    Correct {
        #[arg(long)]
        undo: bool,
    },
}

pub(super) fn run(verb: ClockVerb, cx: &Context) -> Result<(), Failure> {
    let ClockVerb::Correct { undo } = verb;
    let view: View = act(cx, "/v1/clock", &json!({ "confirm": !undo }), Ask::Always)?;
    tell(cx, &view, Some(if undo { cx.words.say("clock.undone") } else { cx.words.say("clock.confirmed") }));
    Ok(())
}
