//! `accord completion`: a script that completes verbs and flags in a shell.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use super::{Context, help};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Completion {
    #[arg(value_parser = ["bash", "zsh", "fish"], hide_possible_values = true)]
    shell: String,
}

pub(super) fn run(args: Completion, cx: &Context) -> Result<(), Failure> {
    let shell = match args.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        _ => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::translated(cx.words), "accord", &mut script);
    let script = String::from_utf8_lossy(&script);
    cx.out.result(&json!({ "script": script }), &script);
    Ok(())
}
