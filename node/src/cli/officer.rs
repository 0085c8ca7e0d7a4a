//! `accord officer`, `login`, `logout`, `whoami`: the people of this bureau and whose key is unlocked.

use std::path::PathBuf;

use accord_protocol::view::{OfficerView, View};
use clap::{Args, Subcommand};
use serde_json::json;

use super::sending::{Ask, act, tell};
use super::{Context, ask};
use crate::client::escape;
use crate::failure::{Failure, Kind};

#[derive(Debug, Subcommand)]
pub(super) enum OfficerVerb {
    Add {
        name: String,
        #[arg(long = "seat", value_name = "SEAT", value_delimiter = ',')]
        seats: Vec<String>,
        #[arg(long = "can", value_name = "CAPABILITY", value_delimiter = ',')]
        can: Vec<String>,
    },
    Reset {
        name: String,
    },
    List,
    Show {
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Login {
    name: Option<String>,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    name: Option<String>,
}

pub(super) fn run(verb: OfficerVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        OfficerVerb::Add { name, seats, can } => {
            let body = json!({ "name": name, "seats": seats, "capabilities": can });
            let view = act(cx, "/v1/officers", &body, Ask::Never)?;
            tell(cx, &view, Some(&cx.words.fill("identity.officer_added", &[("person", &name), ("seats", &seats.join(", "))])));
            Ok(())
        }
        OfficerVerb::Reset { name } => {
            let view = act(cx, &format!("/v1/officers/{}/reset", escape(&name)), &json!({}), Ask::Always)?;
            tell(cx, &view, Some(&cx.words.fill("identity.officer_reset", &[("person", &name)])));
            Ok(())
        }
        OfficerVerb::List => {
            cx.out.view(&cx.client()?.get("/v1/officers")?);
            Ok(())
        }
        OfficerVerb::Show { name } => {
            cx.out.view(&View::Officers { officers: vec![find(cx, &name)?] });
            Ok(())
        }
    }
}

pub(super) fn login(args: Login, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let officer = match &args.name {
        Some(name) => find(cx, name)?,
        None => only(cx)?,
    };
    let name = &officer.name;
    let file = args.passphrase_file.as_deref();
    let passphrase = if officer.state == "awaiting_login" {
        cx.out.note(&cx.words.fill("session.first_login", &[("person", name)]));
        ask::new_passphrase(cx, file, cx.words.say("prompt.passphrase"))?
    } else {
        ask::passphrase(cx, file, cx.words.say("prompt.passphrase"))?
    };
    let body = json!({ "name": name, "passphrase": passphrase.as_str() });
    let view: View = cx.client()?.post("/v1/login", &body, false)?;
    tell(cx, &view, Some(&cx.words.fill("session.logged_in", &[("person", name)])));
    Ok(())
}

pub(super) fn logout(args: Logout, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let view: View = cx.client()?.post("/v1/logout", &json!({ "name": args.name }), false)?;
    let done = match &args.name {
        Some(name) => cx.words.fill("session.logged_out", &[("person", name)]),
        None => cx.words.say("session.all_logged_out").to_owned(),
    };
    tell(cx, &view, Some(&done));
    Ok(())
}

pub(super) fn whoami(cx: &Context) -> Result<(), Failure> {
    cx.out.view(&cx.client()?.get("/v1/whoami")?);
    Ok(())
}

fn all(cx: &Context) -> Result<Vec<OfficerView>, Failure> {
    match cx.client()?.get("/v1/officers")? {
        View::Officers { officers } => Ok(officers),
        _ => Err(Failure::fault("daemon_answer").with("path", "/v1/officers")),
    }
}

fn find(cx: &Context, name: &str) -> Result<OfficerView, Failure> {
    let by_certificate = |officer: &OfficerView| name.len() >= 4 && officer.certificate.starts_with(name);
    let mut found: Vec<OfficerView> = all(cx)?.into_iter().filter(|officer| officer.name == name || by_certificate(officer)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(officer), true) => Ok(officer),
        (None, _) => Err(Failure::not_found("unknown_officer").with("officer", name)),
        (Some(last), false) => {
            let first = Failure::new(Kind::Ambiguous, "ambiguous_name").with("candidates", last.name);
            Err(found.into_iter().fold(first, |failure, officer| failure.with("candidates", officer.name)))
        }
    }
}

/// The only officer there is; with several, a name must be given.
fn only(cx: &Context) -> Result<OfficerView, Failure> {
    let mut officers: Vec<OfficerView> = all(cx)?.into_iter().filter(|officer| officer.state != "revoked").collect();
    match (officers.pop(), officers.is_empty()) {
        (Some(officer), true) => Ok(officer),
        _ => Err(Failure::misuse("which_officer")),
    }
}
