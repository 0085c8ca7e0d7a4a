//! How far long work has come: a bar for a person, lines of JSON on standard error for a program.

use std::io::Write as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::Context;
use crate::store::{Progress, Stage};

/// Two lines of JSON are at least so far apart, save the first and the last of a stage.
const EVERY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) enum Bar {
    /// Nobody looks.
    None,
    /// A person does.
    Drawn(ProgressBar),
    /// A program does.
    Lines { stage: Option<&'static str>, began: Instant, told: Instant },
}

#[expect(clippy::disallowed_methods, reason = "how long something still takes is only told")]
fn now() -> Instant {
    Instant::now()
}

impl Bar {
    pub(super) fn new(cx: &Context, words: &str) -> Self {
        if cx.globals.quiet {
            return Self::None;
        }
        if cx.out.json() {
            return Self::Lines { stage: None, began: now(), told: now() };
        }
        if !cx.out.person() {
            return Self::None;
        }
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {prefix}{percent}% {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self::Drawn(ProgressBar::new(0).with_style(style).with_message(words.to_owned()))
    }

    pub(super) fn to(&mut self, progress: Progress) {
        let stage = match progress.stage {
            Stage::Index => "index",
            Stage::Checkpoint => "checkpoint",
            Stage::Journal => "journal",
            Stage::Compact => "compact",
            Stage::Backup => "backup",
        };
        self.on(stage, progress.done, progress.total, progress.items);
    }

    pub(super) fn at(&mut self, done: u64, total: u64) {
        self.on("reading", done, total, 0);
    }

    fn on(&mut self, stage: &'static str, done: u64, total: u64, items: u64) {
        match self {
            Self::None => {}
            Self::Drawn(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                // How many items are read is worth more than how many bytes to who waits.
                if items > 0 {
                    bar.set_prefix(format!("{items} "));
                }
            }
            Self::Lines { stage: at, began, told } => {
                let now = now();
                let fresh = *at != Some(stage);
                if fresh {
                    (*at, *began) = (Some(stage), now);
                }
                if fresh || done >= total || now.duration_since(*told) >= EVERY {
                    *told = now;
                    // Nobody reading is no failure.
                    let left = left(now.duration_since(*began), done, total);
                    let _ = writeln!(std::io::stderr().lock(), "{}", line(stage, done, total, items, left));
                }
            }
        }
    }

    pub(super) fn end(&mut self) {
        if let Self::Drawn(bar) = std::mem::replace(self, Self::None) {
            bar.finish_and_clear();
        }
    }
}

/// Seconds the rest takes at the pace so far; `None` while that says nothing.
fn left(passed: Duration, done: u64, total: u64) -> Option<u64> {
    if done == 0 || total < done || passed < EVERY {
        return None;
    }
    Some((passed.as_secs_f64() * (total - done) as f64 / done as f64).ceil() as u64)
}

/// One line for a program.
fn line(stage: &str, done: u64, total: u64, items: u64, seconds_left: Option<u64>) -> Value {
    let mut line = json!({ "stage": stage, "done": done, "total": total });
    if items > 0 {
        line["items"] = json!(items);
    }
    if let Some(seconds) = seconds_left {
        line["seconds_left"] = json!(seconds);
    }
    json!({ "progress": line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_once_there_is_a_pace() {
        let check = |passed_ms: u64, done: u64, total: u64, expect: Option<u64>| {
            assert_eq!(left(Duration::from_millis(passed_ms), done, total), expect);
        };
        check(10_000, 50, 200, Some(30));
        check(10_000, 200, 200, Some(0));
        check(100, 50, 200, None);
        check(10_000, 0, 200, None);
        check(10_000, 5, 0, None);
    }

    #[test]
    fn a_line_for_programs_says_what_is_known_and_no_more() {
        let check = |found: Value, expect: &str| assert_eq!(found.to_string(), expect);
        check(line("journal", 5, 9, 3, Some(2)), r#"{"progress":{"done":5,"items":3,"seconds_left":2,"stage":"journal","total":9}}"#);
        check(line("backup", 5, 9, 0, None), r#"{"progress":{"done":5,"stage":"backup","total":9}}"#);
    }
}
