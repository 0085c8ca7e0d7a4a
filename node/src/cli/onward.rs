//! `accord onward`: asking a document's owner to let a third bureau in, and answering such asks and asks for consent.

use accord_protocol::view::View;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Context;
use super::ask::moment;
use super::sending::{Ask, act_and_tell};
use crate::client::escape;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum OnwardVerb {
    Ask {
        document: String,
        bureau: String,
        #[arg(long)]
        purpose: String,
        #[arg(long, default_value = "read", value_parser = ["read", "append"], hide_possible_values = true, hide_default_value = true)]
        verb: String,
        #[arg(long, default_value = "routine", value_parser = ["flash", "urgent", "priority", "routine"], hide_possible_values = true, hide_default_value = true)]
        urgency: String,
        #[arg(long, value_name = "TIME")]
        answer_by: Option<String>,
    },
    Grant {
        id: String,
        #[arg(long, value_parser = ["read", "append"], hide_possible_values = true)]
        verb: Option<String>,
        #[command(flatten)]
        limits: Limits,
        #[arg(long)]
        fourth_party: bool,
    },
    Refuse {
        id: String,
        #[arg(long, value_name = "WORD", default_value = "withheld", hide_default_value = true)]
        reason: String,
    },
    Consent {
        id: String,
    },
    List,
    Show {
        id: String,
    },
}

// Limits of a grant, and what those are told whose consent it needs.
#[derive(Debug, Args)]
pub(super) struct Limits {
    #[arg(long, value_name = "TLP")]
    tlp: Option<String>,
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long)]
    purpose: Option<String>,
    #[arg(long, value_name = "TIME")]
    answer_by: Option<String>,
}

impl Limits {
    /// Adds them to the body of a request.
    pub(super) fn add(self, body: &mut Value) -> Result<(), Failure> {
        let end = |text: Option<String>| text.map(|text| moment(&text, true)).transpose();
        body["tlp"] = json!(self.tlp);
        body["until"] = json!(end(self.until)?);
        body["purpose"] = json!(self.purpose.unwrap_or_default());
        body["answer_by"] = json!(end(self.answer_by)?);
        Ok(())
    }
}

pub(super) fn run(verb: OnwardVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        OnwardVerb::Ask { document, bureau, purpose, verb, urgency, answer_by } => {
            let answer_by = answer_by.map(|text| moment(&text, true)).transpose()?;
            let body = json!({ "recipient": bureau, "verb": verb, "purpose": purpose, "urgency": urgency, "answer_by": answer_by });
            act_and_tell(cx, &format!("/v1/documents/{}/onward", escape(&document)), &body, Ask::Person, None)
        }
        OnwardVerb::Grant { id, verb, limits, fourth_party } => {
            let mut body = json!({ "verb": verb, "fourth_party": fourth_party });
            limits.add(&mut body)?;
            act_and_tell(cx, &path(&id, "grant"), &body, Ask::Always, None)
        }
        OnwardVerb::Refuse { id, reason } => act_and_tell(cx, &path(&id, "refuse"), &json!({ "reason": reason }), Ask::Person, None),
        OnwardVerb::Consent { id } => act_and_tell(cx, &path(&id, "consent"), &json!({}), Ask::Always, None),
        OnwardVerb::List => show(cx, "/v1/onward"),
        OnwardVerb::Show { id } => show(cx, &format!("/v1/onward/{}", escape(&id))),
    }
}

fn path(id: &str, what: &str) -> String {
    format!("/v1/onward/{}/{what}", escape(id))
}

fn show(cx: &Context, path: &str) -> Result<(), Failure> {
    let view: View = cx.client()?.get(path)?;
    cx.out.view(&view);
    Ok(())
}
