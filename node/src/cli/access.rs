//! `accord access`: who holds a document and why, who is let in, whose access ends.

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::ask::moment;
use super::onward::Limits;
use super::sending::{Ask, act, act_and_tell, tell};
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum AccessVerb {
    List {
        document: String,
    },
    Explain {
        document: String,
        bureau: String,
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        #[arg(long, default_value = "read", value_parser = ["read", "append"], hide_possible_values = true, hide_default_value = true)]
        verb: String,
    },
    Grant {
        document: String,
        bureau: String,
        #[arg(long, default_value = "read", value_parser = ["read", "append"], hide_possible_values = true, hide_default_value = true)]
        verb: String,
        #[command(flatten)]
        limits: Limits,
        #[arg(long)]
        no_fourth_party: bool,
    },
    Pending,
    Cut {
        document: String,
        #[arg(value_name = "BUREAU|KEY|CERTIFICATE")]
        subject: String,
        #[arg(long, conflicts_with = "unit")]
        seat: Option<String>,
        #[arg(long)]
        unit: Option<String>,
        #[arg(long)]
        strict: bool,
    },
    Admit {
        document: String,
        acts: Vec<String>,
    },
    Void {
        document: String,
        #[arg(required = true)]
        acts: Vec<String>,
        #[arg(long)]
        reason: String,
    },
    Erase {
        document: String,
        #[arg(required = true, value_name = "NAME|PART")]
        files: Vec<String>,
    },
    Reclassify {
        document: String,
        tlp: String,
    },
    End {
        document: String,
    },
    Adopt {
        document: String,
    },
    Disown {
        document: String,
    },
    Confirm,
}

pub(super) fn run(verb: AccessVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        AccessVerb::List { document } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/documents/{}/access", escape(&document)))?);
            Ok(())
        }
        AccessVerb::Explain { document, bureau, at, verb } => {
            let mut path = format!("/v1/documents/{}/explain?bureau={}&verb={verb}", escape(&document), escape(&bureau));
            if let Some(at) = at {
                // A day is asked about as it was when it was over.
                path += &format!("&at={}", moment(&at, true)?);
            }
            cx.out.view(&cx.client()?.get(&path)?);
            Ok(())
        }
        AccessVerb::Pending => {
            cx.out.view(&cx.client()?.get("/v1/grants/waiting")?);
            Ok(())
        }
        AccessVerb::Grant { document, bureau, verb, limits, no_fourth_party } => {
            let mut body = json!({ "partner": bureau, "verb": verb, "no_fourth_party": no_fourth_party });
            limits.add(&mut body)?;
            act_and_tell(cx, &format!("/v1/documents/{}/grants", escape(&document)), &body, Ask::Person, None)
        }
        AccessVerb::Cut { document, subject, seat, unit, strict } => {
            let subject = match (seat, unit) {
                (Some(seat), _) => format!("seat:{subject}/{seat}"),
                (None, Some(unit)) => format!("unit:{subject}/{unit}"),
                (None, None) => subject,
            };
            let body = json!({ "subject": subject, "strict": strict });
            let view = act(cx, &format!("/v1/documents/{}/cuts", escape(&document)), &body, Ask::Always)?;
            tell(cx, &view, Some(&cx.words.fill("access.cut_done", &[("partner", &subject)])));
            Ok(())
        }
        AccessVerb::Admit { document, acts } => order(cx, &document, "admits", &json!({ "acts": acts }), "access.admitted"),
        AccessVerb::Void { document, acts, reason } => {
            order(cx, &document, "voids", &json!({ "acts": acts, "reason": reason }), "access.voided")
        }
        AccessVerb::Erase { document, files } => order(cx, &document, "erasures", &super::file::erasure(&files), "access.erased"),
        AccessVerb::Reclassify { document, tlp } => order(cx, &document, "reclassify", &json!({ "tlp": tlp }), "access.reclassified"),
        AccessVerb::End { document } => order(cx, &document, "end", &json!({}), "access.ended"),
        AccessVerb::Disown { document } => order(cx, &document, "disown", &json!({}), "access.disowned"),
        AccessVerb::Adopt { document } => order(cx, &document, "adopt", &json!({}), "access.adopted"),
        AccessVerb::Confirm => {
            let view = act(cx, "/v1/cuts/confirm", &json!({}), Ask::Always)?;
            let count = if let View::Sending(told) = &view { told.visible_entries } else { 0 };
            cx.out.result(&view, &cx.words.fill("access.confirmed", &[("count", &count)]));
            Ok(())
        }
    }
}

/// Has an officer's order carried out; what cannot be taken back is asked about first.
fn order(cx: &Context, document: &str, what: &str, body: &serde_json::Value, done: &str) -> Result<(), Failure> {
    let view = act(cx, &format!("/v1/documents/{}/{what}", escape(document)), body, Ask::Always)?;
    let count = if let View::Sending(told) = &view { told.visible_entries } else { 0 };
    tell(cx, &view, Some(&cx.words.fill(done, &[("count", &count)])));
    Ok(())
}
