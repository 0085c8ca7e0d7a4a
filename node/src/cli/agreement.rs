//! `accord agreement`: what two bureaus allow each other.

use std::path::PathBuf;

use accord_protocol::view::View;
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::sending::{Ask, act, tell};
use crate::client::escape;
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
    List,
    Show {
        id: String,
    },
}

pub(super) fn run(verb: AgreementVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        AgreementVerb::Template => {
            let template = terms::template(cx.words.lang());
            cx.out.result(&json!({ "template": template }), template);
            Ok(())
        }
        AgreementVerb::Offer { file, partner } => {
            let written = terms::read(&text_input::read(&file)?.text)?;
            let partner = partner.or(written.partner).ok_or_else(|| Failure::misuse("partner_missing"))?;
            let body = json!({ "partner": partner, "terms": written.terms });
            let view = act(cx, "/v1/agreements", &body, Ask::Person)?;
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
