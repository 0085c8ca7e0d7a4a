//! Compacts as people read them: the list, and one of them with how every pair stands.

use accord_protocol::view::{CompactPairView, CompactView};

use super::agreement::{clause, effects, stop};
use super::table::Table;
use super::{clean, line, or_short, short, time};
use crate::words::Words;

pub(super) fn compacts(found: &[CompactView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("compact.none"));
    }
    let mut table = Table::new(words, &["id", "name", "version", "initiator", "in_force", "until"]);
    for compact in found {
        table.row([
            short(&compact.id),
            clean(&compact.name),
            compact.version.to_string(),
            or_short(&compact.initiator_name, &compact.initiator),
            format!("{}/{}", compact.counts.in_force, compact.pairs.len()),
            time(compact.to),
        ]);
    }
    table.text()
}

pub(super) fn compact(found: &CompactView, words: &Words) -> String {
    let mut text = line(&words.fill(
        "compact.head",
        &[("name", &clean(&found.name)), ("title", &clean(&found.title)), ("version", &found.version), ("id", &short(&found.id))],
    ));
    let initiator = or_short(&found.initiator_name, &found.initiator);
    text += &line(&words.fill(
        "compact.state",
        &[("initiator", &initiator), ("count", &found.roster), ("from", &time(found.from)), ("until", &time(found.to))],
    ));
    if !found.text_hash.is_empty() {
        text += &line(&words.fill("compact.text_hash", &[("value", &found.text_hash)]));
    }
    if !found.newer.is_empty() {
        text += &line(&words.fill("compact.newer", &[("id", &short(&found.newer))]));
    }
    let member = words.say("compact.each_member");
    text += &found.grants.iter().map(|grant| line(&format!("  {}", clause(grant, member, found.to, words)))).collect::<String>();
    let counts = &found.counts;
    text += &line(&words.fill(
        "compact.counts",
        &[
            ("in_force", &counts.in_force),
            ("other", &counts.other_version),
            ("suspended", &counts.suspended),
            ("open", &counts.open),
            ("card", &counts.card),
            ("none", &counts.none),
        ],
    ));
    if counts.deviating > 0 {
        text += &line(&words.fill("compact.deviating", &[("count", &counts.deviating)]));
    }
    if counts.next_end > 0 && counts.next_end != found.to {
        text += &line(&words.fill("compact.next_end", &[("until", &time(counts.next_end))]));
    }
    let mut table = Table::new(words, &["partner", "standing", "compact_version", "agreement_id", "until", "signed", "next_step", "done"]);
    for pair in &found.pairs {
        table.row([
            or_short(&pair.name, &pair.bureau),
            standing(pair, words),
            if pair.version == 0 { String::new() } else { pair.version.to_string() },
            short(&pair.agreement),
            if pair.ends == 0 { String::new() } else { time(pair.ends) },
            words
                .say(match (pair.we_signed, pair.they_signed) {
                    (true, true) => "compact.both_signed",
                    (true, false) => "compact.we_signed",
                    (false, true) => "compact.they_signed",
                    (false, false) => "compact.nobody_signed",
                })
                .to_owned(),
            words.term("compact_next", &pair.next),
            done(pair, words),
        ]);
    }
    text += &table.text();
    for pair in &found.pairs {
        let name = or_short(&pair.name, &pair.bureau);
        text += &pair.stops.iter().map(|stopped| stop(stopped, &name, words)).collect::<String>();
        if let Some(found) = &pair.differs {
            text += &line(&words.fill("compact.differs", &[("partner", &name)]));
            text += &super::agreement::terms_diff(found, words);
        }
        if let Some(found) = &pair.effects {
            text += &effects(found, words);
        }
    }
    text
}

fn standing(pair: &CompactPairView, words: &Words) -> String {
    let word = words.term("standing", &pair.standing);
    if pair.differs.is_some() { format!("{word} {}", words.say("compact.deviates")) } else { word }
}

fn done(pair: &CompactPairView, words: &Words) -> String {
    match pair.done.as_str() {
        "" => String::new(),
        word @ ("offered" | "accepted") => words.term("sealed", word),
        code => words.find(&format!("refused.{code}.what")).unwrap_or(code).replace("{name}", &clean(&pair.name)),
    }
}
