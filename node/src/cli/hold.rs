//! `accord hold` and `accord retention`: what is kept although its time is over, and what ends because it is.

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::sending::{Ask, act, tell};
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum HoldVerb {
    Place {
        document: String,
        #[arg(long)]
        reason: String,
    },
    Lift {
        document: String,
    },
    List,
}

#[derive(Debug, Subcommand)]
pub(super) enum RetentionVerb {
    List,
    Confirm { documents: Vec<String> },
}

pub(super) fn hold(verb: HoldVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        HoldVerb::Place { document, reason } => {
            let view = act(cx, &format!("/v1/documents/{}/hold", escape(&document)), &json!({ "reason": reason }), Ask::Never)?;
            tell(cx, &view, Some(cx.words.say("retention.held")));
            Ok(())
        }
        HoldVerb::Lift { document } => {
            let view = act(cx, &format!("/v1/documents/{}/hold/lift", escape(&document)), &json!({}), Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("retention.lifted")));
            Ok(())
        }
        HoldVerb::List => {
            let View::Retention { mut documents } = cx.client()?.get("/v1/retention")? else {
                return Err(Failure::fault("internal").with("cause", "another view"));
            };
            documents.retain(|one| !one.hold.is_empty());
            cx.out.view(&View::Retention { documents });
            Ok(())
        }
    }
}

pub(super) fn retention(verb: RetentionVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        RetentionVerb::List => {
            cx.out.view(&cx.client()?.get("/v1/retention")?);
            Ok(())
        }
        RetentionVerb::Confirm { documents } => {
            let view = act(cx, "/v1/retention/confirm", &json!({ "documents": documents }), Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("retention.confirmed")));
            Ok(())
        }
    }
}
