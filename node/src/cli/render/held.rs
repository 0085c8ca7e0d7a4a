//! Held work in words: which documents wait, and of one document each act with why it is held.

use accord_protocol::view::HeldDocumentView;

use super::{documents, entry, line, number, or_short, short, time};
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
        &[("number", &number(about)), ("id", &short(&about.id)), ("owner", &owner), ("title", &super::clean(&about.title))],
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
