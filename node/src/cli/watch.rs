//! `accord status --watch`: how far first syncs and long catching-up have come, until nothing is on its way.
//!
//! A person sees bars, a program one view a line. Asked is what costs the node nothing, however many documents it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use accord_protocol::view::{ProgressRowView, ProgressView, View};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Context;
use super::render::progress;
use crate::failure::Failure;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// So many looks find nothing before it is over: who just came home is linked a moment later.
const IDLE_LOOKS: u32 = 5;

/// See the module.
pub(super) fn run(cx: &Context) -> Result<(), Failure> {
    let client = cx.client()?;
    let mut bars = Bars::new();
    let mut idle = 0;
    let mut told = String::new();
    loop {
        let view: View = client.get("/v1/progress")?;
        let View::Progress { rows } = &view else { return Err(Failure::fault("daemon_answer").with("path", "/v1/progress")) };
        if cx.out.json() {
            cx.out.view(&view);
        } else if cx.out.person() {
            bars.show(rows, cx);
        } else {
            let text = progress::rows(rows, &cx.words);
            if text != told {
                cx.out.text(&text);
                told = text;
            }
        }
        idle = if is_over(rows) { idle + 1 } else { 0 };
        if idle >= IDLE_LOOKS || (idle > 0 && !rows.is_empty()) {
            bars.end();
            if cx.out.person() {
                cx.out.text(&progress::rows(rows, &cx.words));
            }
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

/// Whether nothing is on its way any more.
fn is_over(rows: &[ProgressRowView]) -> bool {
    rows.iter().flat_map(|row| [&row.sending, &row.receiving]).flatten().all(|found| found.state == "complete")
}

/// One bar for each partner or device and direction.
struct Bars {
    all: MultiProgress,
    bars: BTreeMap<(String, String, bool), ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        Self { all: MultiProgress::new(), bars: BTreeMap::new() }
    }

    fn show(&mut self, rows: &[ProgressRowView], cx: &Context) {
        for row in rows {
            for (coming, found) in [(true, &row.receiving), (false, &row.sending)] {
                if let Some(found) = found {
                    self.one(row, coming, found, cx);
                }
            }
        }
    }

    fn one(&mut self, row: &ProgressRowView, coming: bool, found: &ProgressView, cx: &Context) {
        let key = (row.bureau.clone(), row.device.clone(), coming);
        let bar = self.bars.entry(key).or_insert_with(|| {
            let template = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
            self.all.add(ProgressBar::new(found.of).with_style(template.unwrap_or_else(|_| ProgressStyle::default_bar())))
        });
        let key = if coming { "progress.bar_receiving" } else { "progress.bar_sending" };
        bar.set_prefix(cx.words.fill(key, &[("name", &progress::name(row))]));
        bar.set_length(found.of);
        bar.set_position(found.documents);
        bar.set_message(format!("{}% · {}", progress::percent(found), progress::pace(found, &cx.words)));
    }

    fn end(&mut self) {
        for bar in self.bars.values() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_nothing_goes_on_and_nothing_waits_to() {
        let row = |states: [&str; 2]| {
            let view = |state: &str| (!state.is_empty()).then(|| ProgressView { state: state.to_owned(), ..ProgressView::default() });
            ProgressRowView { sending: view(states[0]), receiving: view(states[1]), ..ProgressRowView::default() }
        };
        for (rows, over) in [
            (vec![], true),
            (vec![row(["complete", ""])], true),
            (vec![row(["complete", "running"])], false),
            (vec![row(["", "complete"]), row(["interrupted", ""])], false),
        ] {
            assert_eq!(is_over(&rows), over, "{rows:?}");
        }
    }
}
