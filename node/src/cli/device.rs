//! `accord device`: the laptops of this bureau.

use accord_protocol::view::{DeviceView, View};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Context, render};
use crate::failure::{Failure, Kind};

#[derive(Debug, Subcommand)]
pub(super) enum DeviceVerb {
    Invite {
        #[arg(long = "for", id = "for", value_name = "NAME")]
        officer: String,
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
                (None, _) => Err(Failure::not_found("no_device").with("name", id)),
                (Some(last), false) => {
                    let first = Failure::new(Kind::Ambiguous, "ambiguous_name").with("name", &id);
                    found.push(last);
                    Err(found.iter().fold(first, |failure, device| failure.with("candidate", render::short(&device.certificate))))
                }
            }
        }
    }
}
