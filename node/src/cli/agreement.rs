//! `accord agreement`: what two bureaus allow each other.

use std::path::PathBuf;

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::ask::moment;
use super::sending::{Ask, act, tell};
use crate::client::escape;
use crate::driver::Clock;
use crate::failure::Failure;
use crate::{terms, text_input};

#[derive(Debug, Subcommand)]
pub(super) enum AgreementVerb {
    Template,
    Offer {
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        #[arg(long = "to", value_name = "PARTNER")]
        partner: Option<String>,
    },
    Accept {
        id: String,
    },
    Decline {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    Renew {
        id: String,
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        #[arg(long, value_name = "DAY")]
        to: String,
    },
    Amend {
        id: String,
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    Suspend {
        id: String,
        #[arg(long = "category", value_name = "CODE", value_delimiter = ',')]
        categories: Vec<String>,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    Resume {
        id: String,
        #[arg(long)]
        notices: bool,
    },
    End {
        id: String,
        #[arg(long, value_name = "DAY")]
        on: Option<String>,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    Diff {
        #[arg(value_name = "A")]
        before: String,
        #[arg(value_name = "B")]
        after: String,
    },
    Print {
        id: String,
    },
    List,
    Show {
        id: String,
    },
}

pub(super) fn run(verb: AgreementVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        AgreementVerb::Template => {
            let template = terms::template(cx.words.lang(), Clock::start().now().wall.0);
            cx.out.result(&json!({ "template": template }), &template);
            Ok(())
        }
        AgreementVerb::Offer { file, partner } => {
            let written = terms::read(&text_input::read(&file)?.text)?;
            let partner = partner.or(written.partner).ok_or_else(|| Failure::misuse("partner_missing"))?;
            let body = json!({ "partner": partner, "terms": written.terms });
            let view = act(cx, "/v1/agreements", &body, Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("agreement.offered")));
            Ok(())
        }
        AgreementVerb::Accept { id } => {
            let path = format!("/v1/agreements/{}", escape(&id));
            if cx.out.person() && !cx.globals.yes && !cx.globals.dry_run {
                let offer: View = cx.client()?.get(&path)?;
                cx.out.note(cx.words.say("agreement.effects_head"));
                cx.out.note(&super::render::view(&offer, &cx.words));
                cx.out.note(cx.words.say("agreement.effect_nothing_else"));
            }
            let view = act(cx, &format!("{path}/accept"), &json!({}), Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("agreement.accepted")));
            Ok(())
        }
        AgreementVerb::Decline { id, reason } => {
            let view = act(cx, &format!("/v1/agreements/{}/decline", escape(&id)), &json!({ "reason": reason }), Ask::Person)?;
            tell(cx, &view, Some(cx.words.say("agreement.declined")));
            Ok(())
        }
        AgreementVerb::Renew { id, from, to } => {
            let from = from.map(|day| moment(&day, false)).transpose()?;
            change(cx, &id, "renew", &json!({ "from": from, "to": moment(&to, true)? }), "agreement.renewed")
        }
        AgreementVerb::Amend { id, file } => {
            let written = terms::read(&text_input::read(&file)?.text)?;
            change(cx, &id, "amend", &json!({ "terms": written.terms }), "agreement.amended")
        }
        AgreementVerb::Suspend { id, categories, reason } => {
            change(cx, &id, "suspend", &json!({ "categories": categories, "reason": reason }), "agreement.suspended")
        }
        AgreementVerb::Resume { id, notices } => change(cx, &id, "resume", &json!({ "notices": notices }), "agreement.resumed"),
        AgreementVerb::End { id, on, reason } => {
            let ends = on.map(|day| moment(&day, true)).transpose()?;
            change(cx, &id, "end", &json!({ "ends": ends, "reason": reason }), "agreement.ended")
        }
        AgreementVerb::Diff { before, after } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/agreements/{}/diff/{}", escape(&before), escape(&after)))?);
            Ok(())
        }
        AgreementVerb::Print { id } => {
            let client = cx.client()?;
            let view: View = client.get(&format!("/v1/agreements/{}", escape(&id)))?;
            let View::Status(status) = client.get("/v1/status")? else { return Err(Failure::fault("internal")) };
            let page = match &view {
                View::Agreements { agreements } => {
                    agreements.iter().map(|found| super::render::agreement_page(found, &status.name, &cx.words)).collect()
                }
                _ => String::new(),
            };
            cx.out.result(&view, page.trim_end());
            Ok(())
        }
        AgreementVerb::List => {
            cx.out.list(&cx.client()?.get("/v1/agreements")?);
            Ok(())
        }
        AgreementVerb::Show { id } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/agreements/{}", escape(&id)))?);
            Ok(())
        }
    }
}

/// One act on an agreement that stands: its effects first, then the question, then the seal.
fn change(cx: &Context, id: &str, verb: &str, body: &serde_json::Value, done: &str) -> Result<(), Failure> {
    let view = act(cx, &format!("/v1/agreements/{}/{verb}", escape(id)), body, Ask::Always)?;
    tell(cx, &view, Some(cx.words.say(done)));
    Ok(())
}
