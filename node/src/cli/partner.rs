//! `accord partner`: the bureaus whose cards we hold.

use std::path::PathBuf;

use accord_keys::card::CARD_BYTES_MAX;
use clap::Subcommand;
use serde_json::json;

use super::sending::{Ask, act, tell};
use super::{Context, ask, status};
use crate::client::escape;
use crate::failure::Failure;
use crate::text_input;

/// Largest file that may hold a card: base64 with its line ends, and words around it.
const CARD_TEXT_BYTES_MAX: usize = CARD_BYTES_MAX / 2 * 3;

#[derive(Debug, Subcommand)]
pub(super) enum PartnerVerb {
    Add {
        #[arg(value_name = "FILE|-")]
        card: PathBuf,
        #[arg(long, value_name = "CHECKING-CODE")]
        code: Option<String>,
        #[arg(long)]
        alias: Option<String>,
        #[arg(long, conflicts_with = "code")]
        unchecked: bool,
    },
    Test {
        name: String,
    },
    Set {
        name: String,
        #[arg(long)]
        alias: Option<String>,
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    List,
    Show {
        name: String,
    },
}

pub(super) fn run(verb: PartnerVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        PartnerVerb::Add { card, code, alias, unchecked } => add(cx, &card, code, alias, unchecked),
        PartnerVerb::Test { name } => {
            // It knocks at the partner's door: there is nothing to foresee.
            cx.no_dry_run()?;
            status::findings(cx, cx.client()?.post(&format!("/v1/partners/{}/test", escape(&name)), &json!({}), false)?)
        }
        PartnerVerb::Set { name, alias, address } => {
            if alias.is_none() && address.is_none() {
                return Err(Failure::misuse("nothing_to_set"));
            }
            let body = json!({ "alias": alias, "address": address });
            let view = act(cx, &format!("/v1/partners/{}", escape(&name)), &body, Ask::Never)?;
            tell(cx, &view, Some(&cx.words.fill("identity.partner_set", &[("name", &name)])));
            Ok(())
        }
        PartnerVerb::List => {
            cx.out.list(&cx.client()?.get("/v1/partners")?);
            Ok(())
        }
        PartnerVerb::Show { name } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/partners/{}", escape(&name)))?);
            Ok(())
        }
    }
}

/// Takes in a card. Without a code on the line a person at a terminal is asked for it; a script must say `--unchecked`.
fn add(cx: &Context, path: &std::path::Path, code: Option<String>, alias: Option<String>, unchecked: bool) -> Result<(), Failure> {
    // The card is armoured ASCII; whatever stands around it in the file does not count.
    let card = text_input::read_up_to(path, CARD_TEXT_BYTES_MAX)?;
    let card = String::from_utf8_lossy(&card);
    let code = match code {
        Some(code) => Some(code),
        None if unchecked => None,
        None if cx.out.person() => {
            cx.out.note(cx.words.say("identity.card_compare"));
            Some(ask::line(cx.words.say("identity.card_ask_code"))?).filter(|code| !code.is_empty())
        }
        None => return Err(Failure::misuse("code_missing")),
    };
    let body = json!({ "card": card, "checking_code": code, "alias": alias });
    let view = act(cx, "/v1/partners", &body, Ask::Never)?;
    let done = match code {
        Some(_) => cx.words.say("identity.partner_added"),
        None => cx.words.say("identity.partner_unchecked"),
    };
    tell(cx, &view, Some(done));
    Ok(())
}
