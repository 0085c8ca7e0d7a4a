//! `accord card`: what partners need to know of us.

use std::path::PathBuf;

use accord_protocol::view::{CardView, View};
use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::output::write_file;
use super::sending::{Ask, act, tell};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum CardVerb {
    Show,
    Export {
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    Set {
        #[arg(long = "address", value_name = "HOST:PORT")]
        addresses: Vec<String>,
        #[arg(long)]
        phone: Option<String>,
    },
}

pub(super) fn run(verb: CardVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        CardVerb::Show => {
            cx.out.view(&View::Card(card(cx)?));
            Ok(())
        }
        CardVerb::Export { file } => {
            cx.no_dry_run()?;
            let card = card(cx)?;
            if file.as_os_str() == "-" {
                cx.out.result(&View::Card(card.clone()), &card.text);
                return Ok(());
            }
            let name = file.display();
            write_file(&file, card.text.as_bytes())?;
            cx.out.result(&View::Card(card.clone()), &cx.words.fill("identity.card_written", &[("file", &name)]));
            Ok(())
        }
        CardVerb::Set { addresses, phone } => {
            if addresses.is_empty() && phone.is_none() {
                return Err(Failure::misuse("nothing_to_set"));
            }
            // The route sets both; what was not named stays as it is.
            let now = card(cx)?;
            let addresses = if addresses.is_empty() { now.addresses } else { addresses };
            let body = json!({ "addresses": addresses, "phone": phone.unwrap_or(now.phone) });
            let view = act(cx, "/v1/card", &body, Ask::Never)?;
            tell(cx, &view, Some(cx.words.say("identity.card_set")));
            Ok(())
        }
    }
}

fn card(cx: &Context) -> Result<CardView, Failure> {
    match cx.client()?.get("/v1/card")? {
        View::Card(card) => Ok(card),
        _ => Err(Failure::fault("daemon_answer").with("path", "/v1/card")),
    }
}
