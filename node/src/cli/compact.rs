//! `accord compact`: one text that many bureaus sign pair by pair, each with one act.

use std::path::{Path, PathBuf};

use accord_protocol::view::{CompactView, View};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::output::write_file;
use super::sending::{Ask, act, tell};
use crate::client::escape;
use crate::driver::Clock;
use crate::failure::Failure;
use crate::{terms, text_input};

#[derive(Debug, Subcommand)]
pub(super) enum CompactVerb {
    Template,
    New {
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Amend {
        id: String,
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Import {
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    Export {
        id: String,
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    Sign {
        id: String,
    },
    Deviate {
        id: String,
        partner: String,
        #[arg(value_name = "FILE|-")]
        file: PathBuf,
    },
    Status {
        id: String,
    },
    List,
}

pub(super) fn run(verb: CompactVerb, cx: &Context) -> Result<(), Failure> {
    match verb {
        CompactVerb::Template => {
            let template = terms::compact_template(cx.words.lang(), Clock::start().now().wall.0);
            cx.out.result(&json!({ "template": template }), &template);
            Ok(())
        }
        CompactVerb::New { file, out } => write_down(cx, &file, None, out.as_deref()),
        CompactVerb::Amend { id, file, out } => write_down(cx, &file, Some(id), out.as_deref()),
        CompactVerb::Import { file } => {
            let text = text_input::read(&file)?.text;
            let view = act(cx, "/v1/compacts/import", &json!({ "text": text }), Ask::Never)?;
            tell(cx, &view, Some(cx.words.say("compact.imported")));
            Ok(())
        }
        CompactVerb::Export { id, file } => {
            cx.no_dry_run()?;
            let path = format!("/v1/compacts/{}?text=true", escape(&id));
            let View::Compact(found) = cx.client()?.get(&path)? else { return Err(Failure::fault("daemon_answer").with("path", path)) };
            if file.as_os_str() == "-" {
                cx.out.result(&View::Compact(found.clone()), &found.text);
                return Ok(());
            }
            save(&file, &found)?;
            let told = cx.words.fill("compact.written", &[("file", &file.display())]);
            cx.out.result(&View::Compact(found), &told);
            Ok(())
        }
        CompactVerb::Sign { id } => {
            let view = act(cx, &path_of(&id, "sign"), &json!({}), Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("compact.signed")));
            Ok(())
        }
        CompactVerb::Deviate { id, partner, file } => {
            let written = terms::read(&text_input::read(&file)?.text)?;
            let body = json!({ "partner": partner, "terms": written.terms });
            let view = act(cx, &path_of(&id, "deviate"), &body, Ask::Always)?;
            tell(cx, &view, Some(cx.words.say("agreement.offered")));
            Ok(())
        }
        CompactVerb::Status { id } => {
            cx.out.view(&cx.client()?.get(&format!("/v1/compacts/{}", escape(&id)))?);
            Ok(())
        }
        CompactVerb::List => {
            cx.out.list(&cx.client()?.get("/v1/compacts")?);
            Ok(())
        }
    }
}

fn path_of(id: &str, verb: &str) -> String {
    format!("/v1/compacts/{}/{verb}", escape(id))
}

/// A new compact, or the next version of one; its file is written where it was asked for.
fn write_down(cx: &Context, file: &Path, previous: Option<String>, out: Option<&Path>) -> Result<(), Failure> {
    let written = terms::read_compact(&text_input::read(file)?.text)?;
    if previous.is_none() && written.name.is_empty() {
        return Err(Failure::misuse("compact_name_missing"));
    }
    let body: Value = json!({ "name": written.name, "roster": written.roster, "terms": written.terms, "previous": previous });
    let view = act(cx, "/v1/compacts", &body, Ask::Person)?;
    if let (View::Compact(made), Some(out)) = (&view, out.filter(|_| !cx.globals.dry_run)) {
        save(out, made)?;
    }
    tell(cx, &view, Some(cx.words.say("compact.made")));
    Ok(())
}

fn save(file: &Path, compact: &CompactView) -> Result<(), Failure> {
    write_file(file, compact.text.as_bytes())
}
