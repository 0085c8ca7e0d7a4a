//! `accord demo`: the whole thing at work, told to a person or to a script.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use crate::demo::{DemoPlan, Narrator};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Demo {
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[arg(long)]
    stay: bool,
}

/// Tells the story on the terminal: lines always (unless JSON), bars only where a person watches.
struct Teller<'a> {
    cx: &'a Context,
    bar: Option<ProgressBar>,
}

impl Narrator for Teller<'_> {
    fn line(&mut self, text: &str) {
        if !self.cx.out.json() {
            match &self.bar {
                Some(bar) => bar.suspend(|| self.cx.out.text(text)),
                None => self.cx.out.text(text),
            }
        }
    }

    fn progress(&mut self, label: &str, done: u64, total: u64) {
        if done >= total {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            return;
        }
        if !self.cx.out.person() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("  {msg} {wide_bar} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let spinner = ProgressStyle::with_template("  {spinner} {msg} {bytes}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new(total).with_style(if total == u64::MAX { spinner } else { style })
        });
        bar.set_message(label.to_owned());
        bar.set_position(done);
    }

    fn wait_for_end(&mut self) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let _ = runtime.block_on(tokio::signal::ctrl_c());
    }
}

pub(super) fn run(args: Demo, cx: &Context) -> Result<(), Failure> {
    cx.no_dry_run()?;
    let plan = DemoPlan { keep: args.keep, stay: args.stay, words: cx.words };
    let outcome = crate::demo::run(&plan, &mut Teller { cx, bar: None })?;
    if cx.out.json() {
        cx.out.object(&outcome);
    } else if outcome.passed() {
        let values: &[(&str, &dyn std::fmt::Display)] =
            &[("documents", &outcome.documents), ("changes", &outcome.changes), ("seconds", &outcome.seconds)];
        cx.out.text("");
        cx.out.text(&cx.words.fill("demo.passed", values));
    }
    if outcome.passed() { Ok(()) } else { Err(Failure::refused("demo_failed")) }
}
