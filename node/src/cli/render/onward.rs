//! Asks onward and for consent, and grants that wait, in words.

use accord_protocol::view::{AlarmView, AskView, OnwardView, PendingView};

use super::{clean, line, or_short, short, time, tlp};
use crate::words::Words;

/// Asks, newest first; grants that wait.
pub(super) fn onward(found: &OnwardView, words: &Words) -> String {
    if found.asks.is_empty() && found.pending.is_empty() {
        return line(words.say("onward.none"));
    }
    let asks = found.asks.iter().map(|one| ask(one, words));
    asks.chain(found.pending.iter().map(|one| pending(one, words))).collect()
}

fn ask(found: &AskView, words: &Words) -> String {
    let document = if found.number.is_empty() { short(&found.document) } else { clean(&found.number) };
    let mut recipient = or_short(&found.recipient_name, &found.recipient);
    if found.recipient_claimed {
        recipient = words.fill("onward.claimed", &[("recipient", &recipient), ("asker", &clean(&found.asker_name))]);
    }
    let mut text = line(&words.fill(
        &format!("onward.{}", if found.kind == "onward" { "asked" } else { "consent_asked" }),
        &[
            ("id", &short(&found.id)),
            ("state", &words.term("ask_state", &found.state)),
            ("asker", &or_short(&found.asker_name, &found.asker)),
            ("asked", &or_short(&found.asked_name, &found.asked)),
            ("recipient", &recipient),
            ("verb", &words.term("verb", &found.verb)),
            ("document", &document),
            ("title", &clean(&found.title)),
        ],
    ));
    if !found.purpose.is_empty() {
        text += &line(&format!("  {}", words.fill("onward.purpose", &[("purpose", &clean(&found.purpose))])));
    }
    let until = if found.until == 0 { words.say("onward.no_end").to_owned() } else { time(found.until) };
    if !found.tlp.is_empty() {
        text += &line(&format!("  {}", words.fill("onward.limits", &[("tlp", &tlp(&found.tlp, words)), ("until", &until)])));
    }
    let urgency = if found.urgency.is_empty() { String::new() } else { words.term("urgency", &found.urgency) };
    text += &line(&format!(
        "  {}",
        words.fill("onward.when", &[("at", &time(found.at)), ("lapses", &time(found.lapses)), ("urgency", &or_dash(urgency))])
    ));
    if !found.reason.is_empty() {
        text += &line(&format!("  {}", words.fill("onward.reason", &[("reason", &words.term("ground_word", &clean(&found.reason)))])));
    }
    if !found.record.is_empty() {
        text += &line(&format!("  {}", words.fill("onward.record", &[("record", &short(&found.record))])));
    }
    text
}

fn pending(found: &PendingView, words: &Words) -> String {
    let document = if found.number.is_empty() { short(&found.document) } else { clean(&found.number) };
    let mut text = line(&words.fill(
        "onward.waits",
        &[
            ("id", &short(&found.id)),
            ("state", &words.term("pending_state", &found.state)),
            ("document", &document),
            ("title", &clean(&found.title)),
            ("recipient", &or_short(&found.recipient_name, &found.recipient)),
            ("verb", &words.term("verb", &found.verb)),
            ("lapses", &time(found.lapses)),
        ],
    ));
    if !found.via.is_empty() {
        text += &line(&format!("  {}", words.fill("onward.via", &[("via", &or_short(&found.via_name, &found.via))])));
    }
    for one in &found.waits_for {
        let name = or_short(&one.name, &one.bureau);
        text += &line(&format!("  {}: {}", name, words.term("ask_state", &one.state)));
    }
    text
}

/// What must not have happened, for the status screen.
pub(super) fn alarm(found: &AlarmView, words: &Words) -> String {
    if found.more > 0 {
        let bureau = or_short(&found.bureau_name, &found.bureau);
        return line(&words.fill("status.alarm_more", &[("count", &found.more), ("bureau", &bureau), ("at", &time(found.at))]));
    }
    let document = if found.number.is_empty() { short(&found.document) } else { clean(&found.number) };
    line(&words.fill(
        "status.alarm",
        &[
            ("what", &words.term("event", &found.kind)),
            ("document", &document),
            ("bureau", &or_short(&found.bureau_name, &found.bureau)),
            ("record", &short(&found.record)),
            ("at", &time(found.at)),
        ],
    ))
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}
