//! `accord config`: what is wrong with `accord.toml`, and what is in force.

use clap::Subcommand;
use serde_json::json;

use super::Context;
use crate::config::Config;
use crate::daemon::failures;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    Check,
    Show,
}

pub(super) fn run(verb: ConfigVerb, cx: &Context) -> Result<(), Failure> {
    let data = cx.data()?;
    let path = Config::path(&data);
    let config = Config::load(&data).map_err(|error| failures::config(&path, error))?;
    match verb {
        ConfigVerb::Check => {
            let text = cx.words.fill("config.good", &[("path", &path.display())]);
            cx.out.result(&json!({ "path": path.display().to_string(), "good": true }), &text);
        }
        ConfigVerb::Show => {
            let text = config.show(&cx.words);
            cx.out.result(&json!({ "path": path.display().to_string(), "toml": text }), &text);
        }
    }
    Ok(())
}
