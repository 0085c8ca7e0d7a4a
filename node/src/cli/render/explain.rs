//! Why or why not, in sentences: the answer first, then each way with what it rests on, one line each.

use std::fmt::Display;

use accord_protocol::view::{ExplainView, GroundView, WayView};

use super::{category, clean, joined, line, or_short, short, time, tlp};
use crate::words::Words;

/// The whole answer.
pub(super) fn explain(found: &ExplainView, words: &Words) -> String {
    let document = if found.number.is_empty() { short(&found.document) } else { clean(&found.number) };
    let bureau = or_short(&found.bureau_name, &found.bureau);
    let values: [(&str, &dyn Display); 5] = [
        ("document", &document),
        ("id", &short(&found.document)),
        ("bureau", &bureau),
        ("verb", &words.term("verb", &found.verb)),
        ("at", &time(found.at)),
    ];
    let mut text = line(&match found.answer.as_str() {
        "yes" => words.fill("explain.yes", &values),
        "no" => words.fill("explain.no", &values),
        _ => words.fill("explain.unknown_then", &values),
    });
    if found.learnt > 0 {
        text += &line(&words.fill("explain.document_learnt", &[("learnt", &time(found.learnt))]));
    }
    found.ways.iter().fold(text, |text, found| text + &way(found, words))
}

fn way(found: &WayView, words: &Words) -> String {
    let (from, to) = (or_short(&found.from_name, &found.from), or_short(&found.to_name, &found.to));
    let answer = words.term("why", &found.why);
    let values: [(&str, &dyn Display); 3] = [("from", &from), ("to", &to), ("why", &answer)];
    let key = match (found.verb.as_str(), found.open) {
        ("show", true) => "explain.here_open",
        ("show", false) => "explain.here_closed",
        (_, true) => "explain.way_open",
        (_, false) => "explain.way_closed",
    };
    let mut text = line(&words.fill(key, &values));
    for found in &found.grounds {
        text += &line(&format!("  {}", ground(found, words)));
    }
    text
}

fn ground(found: &GroundView, words: &Words) -> String {
    let verbs: Vec<String> = found.verbs.iter().map(|verb| words.term("verb", verb)).collect();
    let who = match (found.person.is_empty(), found.bureau_name.is_empty()) {
        (false, _) => format!("{} ({})", clean(&found.person), joined(&found.seats, words)),
        (true, false) => format!("{} ({})", clean(&found.bureau_name), joined(&found.seats, words)),
        (true, true) => short(&found.certificate),
    };
    let learnt = if found.learnt == 0 { words.say("explain.not_noted").to_owned() } else { time(found.learnt) };
    // What a word stands for depends on what it is said of.
    let said = match found.kind.as_str() {
        "agreement" => words.term("standing", &found.word),
        "granted" | "weaker" | "consent" => words.term("verb", &found.word),
        "cut" => words.term("subject", &found.word),
        "ended" => words.term("ended", &found.word),
        "held" => words.term("held_why", &found.word),
        _ => words.term("uncovered", &found.word),
    };
    let values: [(&str, &dyn Display); 12] = [
        ("id", &short(&found.id)),
        ("number", &found.number),
        ("word", &said),
        ("category", &category(&found.category, words)),
        ("verbs", &verbs.join(", ")),
        ("tlp", &tlp(&found.tlp, words)),
        ("from", &time(found.from)),
        ("to", &time(found.to)),
        ("at", &time(found.at)),
        ("learnt", &learnt),
        ("who", &who),
        ("bureau", &clean(&found.bureau_name)),
    ];
    match words.find(&format!("ground.{}", found.kind)) {
        Some(_) => words.fill(&format!("ground.{}", found.kind), &values),
        None => format!("{} {}", clean(&found.kind), short(&found.id)),
    }
}
