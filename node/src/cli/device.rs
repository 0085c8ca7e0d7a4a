//! `accord device`: the laptops of this bureau.

use std::path::{Path, PathBuf};

use accord_protocol::view::{DeviceView, View};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, ask, render};
use crate::daemon::{self, JoinPlan};
use crate::failure::{Failure, Kind};
use crate::invite::Invite;

#[derive(Debug, Subcommand)]
pub(super) enum DeviceVerb {
    Invite {
        #[arg(long = "for", id = "for", value_name = "NAME")]
        officer: String,
    },
    Join {
        code: Option<String>,
        #[arg(long, value_name = "HOST:PORT")]
        listen: Vec<String>,
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[arg(long, value_name = "FILE")]
        officer_passphrase_file: Option<PathBuf>,
    },
    List,
    Show {
        id: String,
    },
}

/// What `device invite` answers.
#[derive(Debug, Serialize, Deserialize)]
struct Invitation {
    code: String,
    /// Unix seconds.
    expires: u64,
}

pub(super) fn run(verb: DeviceVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        DeviceVerb::Invite { officer } => {
            let body = json!({ "officer": officer });
            if cx.globals.dry_run {
                let view: View = cx.client()?.post("/v1/devices", &body, true)?;
                super::sending::tell(cx, &view, None);
                return Ok(());
            }
            let invitation: Invitation = cx.client()?.post("/v1/devices", &body, false)?;
            let until = render::time(invitation.expires);
            cx.out.result(&invitation, &cx.words.fill("identity.device_invited", &[("until", &until), ("code", &invitation.code)]));
            Ok(())
        }
        DeviceVerb::Join { code, listen, passphrase_file, officer_passphrase_file } => {
            join(cx, code, listen, passphrase_file.as_deref(), officer_passphrase_file.as_deref())
        }
        DeviceVerb::List => {
            cx.out.view(&cx.client()?.get("/v1/devices")?);
            Ok(())
        }
        DeviceVerb::Show { id } => {
            let View::Devices { devices } = cx.client()?.get("/v1/devices")? else {
                return Err(Failure::fault("daemon_answer").with("path", "/v1/devices"));
            };
            let mut found: Vec<DeviceView> =
                devices.into_iter().filter(|device| device.certificate.starts_with(&id) || device.unit == id).collect();
            match (found.pop(), found.is_empty()) {
                (Some(device), true) => {
                    cx.out.view(&View::Devices { devices: vec![device] });
                    Ok(())
                }
                (None, _) => Err(Failure::not_found("unknown_device").with("name", id)),
                (Some(last), false) => {
                    let first = Failure::new(Kind::Ambiguous, "ambiguous_name");
                    found.push(last);
                    Err(found.iter().fold(first, |failure, device| failure.with("candidates", render::short(&device.certificate))))
                }
            }
        }
    }
}

/// Makes this machine a laptop of the bureau that made the code.
fn join(
    cx: &Context,
    code: Option<String>,
    listen: Vec<String>,
    passphrase_file: Option<&Path>,
    officer_passphrase_file: Option<&Path>,
) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let code = match code {
        Some(code) => code,
        None if cx.out.person() => ask::line(cx.words.say("identity.ask_invitation"))?,
        None => return Err(Failure::misuse("invitation_missing")),
    };
    // Before four questions about passphrases.
    Invite::parse(&code).map_err(|error| Failure::misuse("invitation_invalid").because(error))?;
    let node_passphrase = ask::new_passphrase(cx, passphrase_file, cx.words.say("init.ask_node_passphrase"))?;
    let officer_passphrase = ask::new_passphrase(cx, officer_passphrase_file, cx.words.say("identity.ask_officer_passphrase"))?;
    let plan = JoinPlan { data: cx.data()?, code: code.into(), node_passphrase, officer_passphrase, listen };
    cx.out.note(cx.words.say("identity.joining"));
    let joined = daemon::join(plan)?;
    let text = cx.words.fill("identity.device_joined", &[("bureau", &joined.name), ("officer", &joined.officer)]);
    let value = json!({
        "bureau": joined.bureau,
        "name": joined.name,
        "certificate": joined.certificate,
        "officer": joined.officer,
        "data": joined.data,
    });
    cx.out.result(&value, &text);
    Ok(())
}
