//! Agreements as people read them: lists, one agreement, what an act would change, what differs, and the page for heads and files.

use std::fmt::Display;

use accord_protocol::view::{AgreementView, AnnexView, EffectsView, GrantView, LineChangeView, StopView, TermsDiffView};

use super::table::Table;
use super::{category, clean, clean_lines, joined, line, or_short, short, time, tlp};
use crate::words::Words;

pub(super) fn agreements(found: &[AgreementView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("agreement.none"));
    }
    let mut table = Table::new(words, &["id", "version", "partner", "title", "standing", "from", "until"]);
    for agreement in found {
        table.row([
            short(&agreement.id),
            agreement.version.to_string(),
            or_short(&agreement.partner_name, &agreement.partner),
            clean(&agreement.title),
            words.term("standing", &agreement.standing),
            time(agreement.from),
            time(agreement.to),
        ]);
    }
    table.text()
}

pub(super) fn agreement(found: &AgreementView, words: &Words) -> String {
    let partner = or_short(&found.partner_name, &found.partner);
    let mut text = line(&words.fill(
        if found.annex.form == "emergency" { "agreement.emergency_head" } else { "agreement.head" },
        &[("title", &clean(&found.title)), ("id", &short(&found.id)), ("version", &found.version), ("partner", &partner)],
    ));
    text += &line(&words.fill(
        "agreement.state",
        &[("standing", &words.term("standing", &found.standing)), ("from", &time(found.from)), ("until", &time(found.to))],
    ));
    if matches!(found.standing.as_str(), "offered_to_us" | "offered_by_us") {
        text += &line(&words.fill("agreement.open_until", &[("until", &time(found.offer_expires))]));
    }
    if !found.reason.is_empty() {
        text += &line(&words.fill("agreement.reason", &[("reason", &clean(&found.reason))]));
    }
    if found.ends > 0 && found.ends != found.to {
        text += &line(&words.fill("agreement.ends", &[("until", &time(found.ends))]));
    }
    if found.standing == "expired" {
        text += &line(&words.fill("agreement.grace_until", &[("until", &time(found.winds_down))]));
    }
    text += &found.stops.iter().map(|stopped| format!("  {}", stop(stopped, &partner, words))).collect::<String>();
    for open in &found.resumes {
        let key = if open.by == "ours" { "agreement.resume_ours" } else { "agreement.resume_theirs" };
        text += &line(&words.fill(key, &[("partner", &partner), ("id", &short(&open.id)), ("count", &open.lifts.len())]));
    }
    text += &found.grants.iter().map(|grant| line(&format!("  {}", clause(grant, &partner, found.to, words)))).collect::<String>();
    if !found.annex.excluded.is_empty() {
        text += &line(&words.fill("agreement.excluded", &[("categories", &categories(&found.annex.excluded, words))]));
    }
    if found.annex.emergency_clause {
        text += &line(words.say("agreement.emergency_clause"));
    }
    text
}

/// One grant line as a sentence.
pub(super) fn clause(grant: &GrantView, partner: &str, to: u64, words: &Words) -> String {
    let verbs: Vec<String> = grant.verbs.iter().map(|verb| words.term("verb", verb)).collect();
    let until = time(if grant.until == 0 { to } else { grant.until });
    let (category, verbs, tlp) = (category(&grant.category, words), verbs.join(", "), tlp(&grant.tlp_ceiling, words));
    let values: [(&str, &dyn Display); 5] =
        [("partner", &partner), ("category", &category), ("verbs", &verbs), ("tlp", &tlp), ("until", &until)];
    let key = if grant.direction == "they_give" { "agreement.effect_get" } else { "agreement.effect_give" };
    let mut text = words.fill(key, &values);
    let mut add = |key: &str, value: &dyn Display| text += &words.fill(key, &[("value", value)]);
    if !grant.units.is_empty() {
        add("agreement.only_units", &joined(&grant.units, words));
    }
    if !grant.seats.is_empty() {
        add("agreement.only_seats", &joined(&grant.seats, words));
    }
    if grant.onward == "ask" {
        add("agreement.onward_ask", &"");
    }
    if grant.offline_days_max > 0 {
        add("agreement.offline_days", &grant.offline_days_max);
    }
    if grant.subjects_max > 0 {
        add("agreement.subjects", &grant.subjects_max);
    }
    text
}

fn categories(codes: &[String], words: &Words) -> String {
    codes.iter().map(|code| category(code, words)).collect::<Vec<_>>().join(", ")
}

/// One suspension or notice as a line.
pub(super) fn stop(found: &StopView, partner: &str, words: &Words) -> String {
    let who = if found.by == "ours" { words.say("agreement.we").to_owned() } else { partner.to_owned() };
    let what =
        if found.categories.is_empty() { words.say("agreement.everything").to_owned() } else { categories(&found.categories, words) };
    let key = match found.kind.as_str() {
        "suspension" => "agreement.stop_suspension",
        "notice" => "agreement.stop_notice",
        _ => "agreement.stop_unknown",
    };
    line(&words.fill(
        key,
        &[
            ("who", &who),
            ("what", &what),
            ("at", &time(found.at)),
            ("until", &time(found.ends)),
            ("reason", &clean(&found.reason)),
            ("id", &short(&found.id)),
        ],
    ))
}

/// What an act would change.
pub(super) fn effects(found: &EffectsView, words: &Words) -> String {
    let partner = or_short(&found.partner_name, &found.partner);
    let standing = |word: &str| words.term("standing", if word.is_empty() { "none" } else { word });
    let mut text = line(&words.fill(&format!("effects.{}", found.act), &[("partner", &partner), ("at", &time(found.at))]));
    if found.needs_partner {
        text += &line(&words.fill("effects.needs_partner", &[("partner", &partner)]));
    }
    if found.standing_before != found.standing_after {
        let values: [(&str, &dyn Display); 2] =
            [("before", &standing(&found.standing_before)), ("after", &standing(&found.standing_after))];
        text += &line(&words.fill("effects.standing", &values));
    }
    if found.link_before != found.link_after {
        text += &line(words.say(if found.link_after == "full" { "effects.link_full" } else { "effects.link_restricted" }));
    }
    for (key, stops) in [("effects.lifts", &found.lifts), ("effects.stands", &found.stands)] {
        if !stops.is_empty() {
            text += &line(words.say(key));
            text += &stops.iter().map(|stopped| format!("  {}", stop(stopped, &partner, words))).collect::<String>();
        }
    }
    if found.flows.is_empty() {
        text += &line(words.say("effects.nothing"));
    } else {
        let mut table = Table::new(words, &["direction", "category", "before", "after", "starts", "stops"]);
        for flow in &found.flows {
            let verbs = |held: &[String]| match held {
                [] => words.say("word.none").to_owned(),
                held => held.iter().map(|verb| words.term("verb", verb)).collect::<Vec<_>>().join(", "),
            };
            table.row([
                way(&flow.direction, &partner, words),
                category(&flow.category, words),
                verbs(&flow.before),
                verbs(&flow.after),
                flow.start.to_string(),
                flow.stop.to_string(),
            ]);
        }
        text += &table.text();
    }
    match &found.terms {
        Some(changes) => text + &terms_diff(changes, words),
        None => text,
    }
}

fn way(direction: &str, partner: &str, words: &Words) -> String {
    words.fill(if direction == "they_give" { "agreement.they_give" } else { "agreement.we_give" }, &[("partner", &partner)])
}

/// What differs between two agreements.
pub(super) fn terms_diff(found: &TermsDiffView, words: &Words) -> String {
    let mut text = line(&words.fill("diff.head", &[("before", &short(&found.before)), ("after", &short(&found.after))]));
    let start = text.len();
    let mut changed = |key: &str, before: &dyn Display, after: &dyn Display| {
        text += &line(&words.fill(key, &[("before", before), ("after", after)]));
    };
    if let Some((before, after)) = &found.title {
        changed("diff.title", &clean(before), &clean(after));
    }
    if let Some((before, after)) = found.from {
        changed("diff.from", &time(before), &time(after));
    }
    if let Some((before, after)) = found.to {
        changed("diff.to", &time(before), &time(after));
    }
    if let Some((before, after)) = found.grace_days {
        changed("diff.grace_days", &before, &after);
    }
    if found.text {
        text += &line(words.say("diff.text"));
    }
    text += &found.lines.iter().map(|changed| line_change(changed, words)).collect::<String>();
    if !found.annex.is_empty() {
        let fields: Vec<String> = found.annex.iter().map(|field| words.term("annex", field)).collect();
        text += &line(&words.fill("diff.annex", &[("fields", &fields.join(", "))]));
    }
    if text.len() == start {
        text += &line(words.say("diff.nothing"));
    }
    text
}

fn line_change(found: &LineChangeView, words: &Words) -> String {
    let partner = words.say("agreement.other_side");
    let mut text = line(&words.fill(
        "diff.line",
        &[
            ("way", &way(&found.direction, partner, words)),
            ("category", &category(&found.category, words)),
            ("change", &words.term("change", &found.change)),
        ],
    ));
    for (mark, grant) in [("-", &found.before), ("+", &found.after)] {
        if let Some(grant) = grant {
            text += &line(&format!("  {mark} {}", terse(grant, words)));
        }
    }
    text
}

/// A grant without its direction and category.
fn terse(grant: &GrantView, words: &Words) -> String {
    let verbs: Vec<String> = grant.verbs.iter().map(|verb| words.term("verb", verb)).collect();
    let mut parts = vec![verbs.join(", "), tlp(&grant.tlp_ceiling, words)];
    let mut add = |key: &str, value: &dyn Display| parts.push(words.fill(key, &[("value", value)]));
    if grant.until > 0 {
        add("diff.until", &time(grant.until));
    }
    if !grant.units.is_empty() {
        add("diff.units", &joined(&grant.units, words));
    }
    if !grant.seats.is_empty() {
        add("diff.seats", &joined(&grant.seats, words));
    }
    if grant.onward == "ask" {
        add("diff.onward_ask", &"");
    }
    if grant.offline_days_max > 0 {
        add("diff.offline_days", &grant.offline_days_max);
    }
    if grant.subjects_max > 0 {
        add("diff.subjects", &grant.subjects_max);
    }
    parts.join("; ")
}

/// The page for heads and files: everything that was sealed, in the reader's language, with a signature block.
pub(in crate::cli) fn page(found: &AgreementView, own: &str, words: &Words) -> String {
    let partner = or_short(&found.partner_name, &found.partner);
    let annex = &found.annex;
    let mut text = line(&clean(&found.title));
    text += &line(&"=".repeat(60));
    let mut fact = |key: &str, value: &dyn Display| text += &line(&words.fill(key, &[("value", value)]));
    if !annex.number.is_empty() {
        fact("page.number", &clean(&annex.number));
    }
    fact("page.id", &found.id);
    fact("page.version", &found.version);
    if !found.previous.is_empty() {
        fact("page.previous", &found.previous);
    }
    fact("page.standing", &words.term("standing", &found.standing));
    fact("page.parties", &format!("{} – {partner}", clean(own)));
    if !annex.our_head.is_empty() || !annex.their_head.is_empty() {
        fact("page.heads", &format!("{} – {}", clean(&annex.our_head), clean(&annex.their_head)));
    }
    fact("page.validity", &format!("{} – {}", time(found.from), time(found.to)));
    fact("page.grace", &found.grace_days);
    fact("page.notice", &annex.notice_days);
    if !found.text_hash.is_empty() {
        fact("page.text_hash", &found.text_hash);
    }
    if !annex.compact.is_empty() {
        fact("page.compact", &annex.compact);
    }
    if annex.form == "emergency" {
        fact("page.emergency", &"");
    }
    for (key, direction) in [("page.we_give", "we_give"), ("page.they_give", "they_give")] {
        text += &heading(&words.fill(key, &[("partner", &partner)]));
        let mut lines = found.grants.iter().filter(|grant| grant.direction == direction).peekable();
        if lines.peek().is_none() {
            text += &line(words.say("page.nothing"));
        }
        for (number, grant) in lines.enumerate() {
            text += &line(&format!("{}. {}", number + 1, clause(grant, &partner, found.to, words)));
        }
    }
    text += &annex_page(annex, &partner, words);
    if !found.stops.is_empty() {
        text += &heading(words.say("page.stops"));
        text += &found.stops.iter().map(|stopped| stop(stopped, &partner, words)).collect::<String>();
    }
    text += &heading(words.say("page.seals"));
    for seal in &found.seals {
        let who = if seal.side == "ours" { clean(own) } else { partner.clone() };
        text += &line(&words.fill(
            "page.seal",
            &[
                ("who", &who),
                ("what", &words.term("sealed", &seal.what)),
                ("at", &time(seal.at)),
                ("seats", &joined(&seal.seats, words)),
                ("certificate", &short(&seal.certificate)),
            ],
        ));
    }
    for who in [clean(own), partner] {
        text += &line(&words.fill("page.signature", &[("who", &who)]));
    }
    text
}

fn heading(text: &str) -> String {
    format!("\n{text}\n{}\n", "-".repeat(40))
}

/// What stands in the annex, section by section; empty sections are left out.
fn annex_page(annex: &AnnexView, partner: &str, words: &Words) -> String {
    let mut text = String::new();
    let mut section = |key: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text += &heading(words.say(key));
            text += &lines.concat();
        }
    };
    section("page.excluded", annex.excluded.iter().map(|code| line(&category(code, words))).collect());
    section("page.emergency_clause", if annex.emergency_clause { vec![line(words.say("agreement.emergency_clause"))] } else { Vec::new() });
    let response = |found: &accord_protocol::view::ResponseView| {
        line(&words.fill(
            "page.response",
            &[
                ("urgency", &words.term("urgency", &found.urgency)),
                ("sign", &minutes(found.sign_minutes, words)),
                ("answer", &minutes(found.answer_minutes, words)),
            ],
        ))
    };
    section("page.responses", annex.responses.iter().map(response).collect());
    let liaison = |found: &accord_protocol::view::LiaisonView| {
        let who = if found.side == "ours" { words.say("agreement.we").to_owned() } else { partner.to_owned() };
        let about = if found.category.is_empty() { words.say("agreement.everything").to_owned() } else { category(&found.category, words) };
        let deputy = if found.deputy.is_empty() { words.say("word.none").to_owned() } else { clean(&found.deputy) };
        let order = if found.may_order { words.say("page.may_order") } else { "" };
        line(&words.fill(
            "page.liaison",
            &[
                ("who", &who),
                ("about", &about),
                ("seat", &clean(&found.seat)),
                ("deputy", &deputy),
                ("phone", &clean(&found.phone)),
                ("order", &order),
            ],
        ))
    };
    section("page.liaisons", annex.liaisons.iter().map(liaison).collect());
    section("page.pairings", annex.pairings.iter().map(|p| line(&format!("{} – {}", clean(&p.ours), clean(&p.theirs)))).collect());
    section("page.clusters", annex.clusters.iter().map(|c| line(&format!("{}: {}", clean(&c.name), joined(&c.units, words)))).collect());
    let retention = |found: &accord_protocol::view::RetentionView| {
        line(&words.fill("page.retention_line", &[("category", &category(&found.category, words)), ("days", &found.days)]))
    };
    section("page.retention", annex.retention.iter().map(retention).collect());
    let article = |(number, found): (usize, &accord_protocol::view::ArticleView)| {
        format!("{}. {}\n{}", number + 1, clean(&found.title), clean_lines(&found.text))
    };
    section("page.articles", annex.articles.iter().enumerate().map(article).collect());
    text
}

/// Minutes, hours or days, whichever is whole.
fn minutes(found: u32, words: &Words) -> String {
    match found {
        whole if whole % 1_440 == 0 => words.fill("page.days", &[("count", &(whole / 1_440))]),
        whole if whole % 60 == 0 => words.fill("page.hours", &[("count", &(whole / 60))]),
        other => words.fill("page.minutes", &[("count", &other)]),
    }
}
