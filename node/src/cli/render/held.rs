//! Held work in words: which documents wait, and of one document each act with why it is held. And documents whose time is over.

use accord_protocol::view::{HeldDocumentView, RetentionDocumentView};

use super::{clean, documents, entry, line, number, or_short, short, time};
use crate::words::Words;

/// A list of documents, or one document with its held acts.
pub(super) fn held(found: &[HeldDocumentView], words: &Words) -> String {
    match found {
        [] => line(words.say("held.none")),
        [one] if !one.entries.is_empty() => document(one, words),
        [one] if one.line.held == 0 => line(words.say("held.none")),
        several => documents(&several.iter().map(|one| one.line.clone()).collect::<Vec<_>>(), words),
    }
}

fn document(found: &HeldDocumentView, words: &Words) -> String {
    let about = &found.line;
    let owner = or_short(&about.owner_name, &about.owner);
    let mut text = line(&words.fill(
        "held.head",
        &[("number", &number(about)), ("id", &short(&about.id)), ("owner", &owner), ("title", &super::title(about, words))],
    ));
    for one in &found.entries {
        text += "\n";
        text += &entry(&one.entry, &about.title, words);
        let why = words.term("held_why", &one.why);
        text +=
            &line(&format!("  {} · {}", short(&one.entry.change), words.fill("held.entry", &[("since", &time(one.since)), ("why", &why)])));
    }
    if about.held > 0 {
        text += "\n";
        text += &line(&words.fill("held.waits", &[("owner", &owner)]));
        text += &line(&words.fill("held.hint", &[("id", &short(&about.id))]));
    }
    text
}

/// Documents whose time is over or soon will be, each with what holds it back.
pub(super) fn retention(found: &[RetentionDocumentView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("retention.none"));
    }
    let one = |found: &RetentionDocumentView| {
        let about = &found.line;
        let mut text = line(&words.fill(
            "retention.line",
            &[
                ("number", &number(about)),
                ("id", &short(&about.id)),
                ("title", &super::title(about, words)),
                ("until", &time(found.until)),
                ("stage", &words.term("stage", &found.stage)),
            ],
        ));
        if found.waits {
            text += &line(&format!("  {}", words.say("retention.waits")));
        }
        if !found.hold.is_empty() {
            let values: [(&str, &dyn std::fmt::Display); 3] =
                [("by", &clean(&found.hold_by)), ("at", &time(found.hold_at)), ("reason", &clean(&found.hold))];
            text += &line(&format!("  {}", words.fill("retention.on_hold", &values)));
        }
        text
    };
    found.iter().map(one).collect()
}
