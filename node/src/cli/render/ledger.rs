//! The ledger of a pair in words.

use accord_protocol::view::{LedgerDiffView, LedgerView};

use super::{clean, line, short, time};
use crate::words::Words;

pub(super) fn ledger(found: &LedgerView, words: &Words) -> String {
    let mut text = line(&words.fill("ledger.head", &[("name", &clean(&found.name)), ("ours", &found.ours), ("theirs", &found.theirs)]));
    if found.forks > 0 {
        text += &line(&words.fill("ledger.forks", &[("count", &found.forks)]));
    }
    let older = (found.ours + found.theirs).saturating_sub(found.lines.len() as u64);
    if older > 0 {
        text += &line(&words.fill("ledger.older", &[("shown", &found.lines.len()), ("older", &older)]));
    }
    for one in &found.lines {
        let side = if one.ours { words.say("ledger.ours") } else { words.say("ledger.theirs") };
        text += &line(&words.fill(
            "ledger.line",
            &[
                ("side", &side),
                ("n", &one.n),
                ("time", &time(one.at)),
                ("says", &words.term("ledger_says", &one.says)),
                ("words", &clean(&one.words)),
            ],
        ));
    }
    text
}

pub(super) fn diff(found: &LedgerDiffView, words: &Words) -> String {
    let mut text = line(&words.fill(
        "ledger.days",
        &[("name", &clean(&found.name)), ("month", &clean(&found.month)), ("ours", &found.our_days), ("theirs", &found.their_days)],
    ));
    if !found.differs {
        text += &line(words.say("ledger.same"));
    }
    for count in &found.counts {
        text += &line(&words.fill(
            "ledger.count",
            &[
                ("direction", &words.term("direction", &count.direction)),
                ("kind", &words.term("kind", &count.kind)),
                ("ours", &count.ours),
                ("theirs", &count.theirs),
            ],
        ));
    }
    for document in &found.documents {
        let name = if document.number.is_empty() { short(&document.id) } else { clean(&document.number) };
        text += &line(&words.fill("ledger.only", &[("document", &name), ("why", &words.term("ledger_only", &document.only))]));
    }
    text
}
