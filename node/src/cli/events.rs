//! `accord events`: what happened, for scripts; resumable by position.

use accord_protocol::view::{EventView, View};
use clap::Args;

use super::{Context, render};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Events {
    #[arg(long, value_name = "POSITION", default_value_t = 0, hide_default_value = true)]
    since: u64,
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000), hide_default_value = true)]
    limit: u64,
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(args: Events, cx: &Context) -> Result<(), Failure> {
    let client = cx.client()?;
    if !args.watch {
        let view: View = client.get(&format!("/v1/events?after={}&limit={}", args.since, args.limit))?;
        cx.out.view(&view);
        return Ok(());
    }
    client.stream(&format!("/v1/events/stream?after={}", args.since), |data| {
        let event: EventView =
            serde_json::from_str(data).map_err(|error| Failure::fault("daemon_answer").with("path", "/v1/events/stream").because(error))?;
        cx.out.result(&event, &render::event(&event, &cx.words));
        Ok(true)
    })
}
