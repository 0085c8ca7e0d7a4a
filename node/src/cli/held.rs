//! `accord held`: what waits for the owner's word, and entering it again in its author's name.

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::sending::{Ask, act, tell};
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum HeldVerb {
    List,
    Show { document: String },
    Reenter { document: String, acts: Vec<String> },
    Admit { document: String, acts: Vec<String> },
}

pub(super) fn run(verb: HeldVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        HeldVerb::List => {
            cx.out.view(&cx.client()?.get("/v1/held")?);
            Ok(())
        }
        HeldVerb::Show { document } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/documents/{}/held", escape(&document)))?);
            Ok(())
        }
        HeldVerb::Reenter { document, acts } => order(cx, &document, "reentries", &acts, "held.reentered"),
        HeldVerb::Admit { document, acts } => order(cx, &document, "admits", &acts, "access.admitted"),
    }
}

fn order(cx: &Context, document: &str, what: &str, acts: &[String], done: &str) -> Result<(), Failure> {
    let view = act(cx, &format!("/v1/documents/{}/{what}", escape(document)), &json!({ "acts": acts }), Ask::Always)?;
    let count = if let View::Sending(told) = &view { told.visible_entries } else { 0 };
    tell(cx, &view, Some(&cx.words.fill(done, &[("count", &count)])));
    Ok(())
}
