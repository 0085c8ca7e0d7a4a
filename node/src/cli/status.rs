//! The screens one looks at first: status, inbox, doctor.

use accord_protocol::view::View;
use clap::Args;

use super::Context;
use crate::doctor::Finding;
use crate::failure::Failure;

/// Bare `accord`: one line of status and what waits.
pub(super) fn bare(cx: &Context) -> Result<(), Failure> {
    let client = cx.client()?;
    let status: View = client.get("/v1/status")?;
    if cx.out.json() {
        cx.out.view(&status);
        return Ok(());
    }
    let View::Status(status) = &status else { return Err(Failure::fault("daemon_answer").with("path", "/v1/status")) };
    let inbox: View = client.get("/v1/inbox")?;
    let View::Inbox { items } = &inbox else { return Err(Failure::fault("daemon_answer").with("path", "/v1/inbox")) };
    let mut text = super::render::status_line(status, &cx.words);
    text.push_str(&super::render::inbox_counts(items, &cx.words));
    cx.out.text(&text);
    cx.out.note(cx.words.say("status.more"));
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[arg(long)]
    watch: bool,
}

/// `accord status`.
pub(super) fn status(args: &Status, cx: &Context) -> Result<(), Failure> {
    if args.watch {
        return super::watch::run(cx);
    }
    cx.out.view(&cx.client()?.get("/v1/status")?);
    Ok(())
}

/// `accord inbox`.
pub(super) fn inbox(cx: &Context) -> Result<(), Failure> {
    cx.out.view(&cx.client()?.get("/v1/inbox")?);
    Ok(())
}

/// `accord doctor`: exit 1 when something is wrong.
pub(super) fn doctor(cx: &Context) -> Result<(), Failure> {
    findings(cx, cx.client()?.get("/v1/doctor")?)
}

/// Tells findings in the reader's language; any that is not well is a failure.
pub(super) fn findings(cx: &Context, findings: Vec<Finding>) -> Result<(), Failure> {
    let findings: Vec<Finding> = findings.iter().map(|finding| finding.told(&cx.words)).collect();
    cx.out.result(&findings, &super::render::findings(&findings, &cx.words));
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        count => Err(Failure::refused("doctor_found").with("count", count)),
    }
}
