//! Views as people read them: short sentences and tables, in the reader's language, times in +08:00.
//!
//! Pure: a view goes in, text comes out; nothing is printed here. Text that came from elsewhere is shown with control characters replaced, so
//! that a partner's title cannot steer a terminal.

mod agreement;
mod compact;
mod explain;
mod file;
mod held;
mod ledger;
mod onward;
pub(super) mod progress;
mod proof;
mod table;

use accord_protocol::view::{
    AccessView, CardView, DeviceView, DocumentLine, DocumentView, EntryView, EventView, HolderView, InboxItem, OfficerView, PartnerView,
    ReadingView, RecordView, RootView, SendingView, StatusView, View,
};

use crate::doctor::Finding;
use crate::words::Words;
pub(super) use agreement::page as agreement_page;
pub(super) use progress::size;
pub(super) use proof::proof;
use table::Table;

/// A view in words.
pub(super) fn view(view: &View, words: &Words) -> String {
    match view {
        View::Status(found) => status(found, words),
        View::WhoAmI { officers } if officers.is_empty() => line(words.say("status.no_officer")),
        View::WhoAmI { officers } => officers.iter().map(|officer| whoami(officer, words)).collect(),
        View::Officers { officers: found } => officers(found, words),
        View::Devices { devices: found } => devices(found, words),
        View::Card(found) => card(found, words),
        View::Partners { partners: found } => match found.as_slice() {
            [only] => partner(only, words),
            several => partners(several, words),
        },
        View::Progress { rows } => progress::rows(rows, words),
        View::Agreements { agreements: found } => match found.as_slice() {
            [only] => agreement::agreement(only, words),
            several => agreement::agreements(several, words),
        },
        View::Compact(found) => compact::compact(found, words),
        View::Compacts { compacts: found } => compact::compacts(found, words),
        View::Effects(found) => agreement::effects(found, words),
        View::TermsDiff(found) => agreement::terms_diff(found, words),
        View::Documents { documents: found, .. } => documents(found, words),
        View::Document(found) => document(found, words),
        View::Roots { roots } => roots.iter().map(|found| root(found, words)).collect(),
        View::Retention { documents } => held::retention(documents, words),
        View::Held { documents } => held::held(documents, words),
        View::Files(found) => file::files(found, words),
        View::Piece(found) => line(&progress::size(found.size)),
        View::Access(found) => access(found, words),
        View::Explain(found) => explain::explain(found, words),
        View::Journal(found) => line(&clean(&found.name)),
        View::Proof(found) => line(&words.fill("done.made", &[("id", &short(&found.document))])),
        View::Sending(found) => sending(found, words),
        View::Onward(found) => onward::onward(found, words),
        View::Ledger(found) => ledger::ledger(found, words),
        View::LedgerDiff(found) => ledger::diff(found, words),
        View::Inbox { items } => inbox(items, words),
        View::Events { events } if events.is_empty() => line(words.say("event.none")),
        View::Events { events } => events.iter().map(|found| line(&event(found, words))).collect(),
        View::Statements { statements } => statements.iter().map(|statement| line(statement)).collect(),
        View::Done { id: Some(id) } => line(&words.fill("done.made", &[("id", &short(id))])),
        View::Done { id: None } => line(words.say("done.done")),
    }
}

/// A list in words: a table, also of one line.
pub(super) fn list(found: &View, words: &Words) -> String {
    match found {
        View::Partners { partners: found } => partners(found, words),
        View::Agreements { agreements: found } => agreement::agreements(found, words),
        other => view(other, words),
    }
}

/// `2031-04-30 08:00`: Unix seconds in China's time; a dash for 0.
pub(crate) fn time(at: u64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    match i64::try_from(at).ok().filter(|at| *at > 0).and_then(|at| jiff::Timestamp::from_second(at).ok()) {
        Some(stamp) => stamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string(),
        None => "–".to_owned(),
    }
}

/// `2031-04-30 08:00:05 +08:00`, for accounts.
pub(super) fn time_exact(at: u64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    match i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok()) {
        Some(stamp) => stamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S +08:00").to_string(),
        None => String::new(),
    }
}

/// The first eight digits of an id; numbers that people gave stay whole.
pub(super) fn short(id: &str) -> String {
    if id.len() > 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) { id[..8].to_owned() } else { id.to_owned() }
}

/// Foreign text on one line, without anything that steers a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|found| if found.is_control() || is_override(found) { '\u{fffd}' } else { found }).collect()
}

/// Foreign text on its lines.
fn clean_lines(text: &str) -> String {
    text.lines().map(|found| line(&clean(&found.replace('\t', "    ")))).collect()
}

fn is_override(found: char) -> bool {
    matches!(found, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

/// Category codes and light words have dots and pluses; catalogue keys have neither.
fn category(code: &str, words: &Words) -> String {
    match words.find(&format!("category.{}", code.replace('.', "_"))) {
        Some(name) => format!("{code} {name}"),
        None => clean(code),
    }
}

fn tlp(word: &str, words: &Words) -> String {
    match words.find(&format!("tlp.{}", word.to_ascii_lowercase().replace('+', "_"))) {
        Some(name) if name != word => format!("TLP:{word} {name}"),
        _ => format!("TLP:{}", clean(word)),
    }
}

fn joined(items: &[String], words: &Words) -> String {
    if items.is_empty() { words.say("word.none").to_owned() } else { items.iter().map(|item| clean(item)).collect::<Vec<_>>().join(", ") }
}

/// What an officer may do, in the reader's language with the word that `officer add --can` takes.
fn capabilities(items: &[String], words: &Words) -> String {
    joined(&items.iter().map(|word| words.term("capability", word)).collect::<Vec<_>>(), words)
}

/// The alias if there is one, else the name, else the id.
fn known_as(partner: &PartnerView) -> String {
    [&partner.alias, &partner.name].into_iter().find(|name| !name.is_empty()).map_or_else(|| short(&partner.bureau), |name| clean(name))
}

fn or_short(name: &str, id: &str) -> String {
    if name.is_empty() { short(id) } else { clean(name) }
}

/// The one line that bare `accord` begins with.
pub(super) fn status_line(found: &StatusView, words: &Words) -> String {
    let connected = found.partners.iter().filter(|partner| partner.connected).count();
    line(&words.fill(
        "status.line",
        &[
            ("name", &clean(&found.name)),
            ("connected", &connected),
            ("partners", &found.partners.len()),
            ("documents", &found.documents),
            ("clock", &words.term("clock_state", &found.clock)),
        ],
    ))
}

/// How much of each kind waits.
pub(super) fn inbox_counts(items: &[InboxItem], words: &Words) -> String {
    if items.is_empty() {
        return line(words.say("inbox.empty"));
    }
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for item in items {
        *counts.entry(&item.kind).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{} {count}", words.term("inbox_kind", kind))).collect();
    line(&words.fill("status.inbox_counts", &[("count", &items.len()), ("counts", &counts.join(", "))]))
}

fn status(found: &StatusView, words: &Words) -> String {
    let answer = |yes| if yes { words.say("word.yes") } else { words.say("word.no") };
    let mut text = line(&words.fill("status.bureau", &[("name", &clean(&found.name)), ("code", &clean(&found.unit_code))]));
    text +=
        &line(&words.fill(
            "status.ids",
            &[("bureau", &short(&found.bureau)), ("network", &short(&found.network)), ("version", &found.root_version)],
        ));
    text += &line(&words.fill(
        "status.device",
        &[
            ("device", &words.term("word", &found.device)),
            ("certificate", &short(&found.certificate)),
            ("until", &time(found.certificate_ends)),
        ],
    ));
    text += &line(&words.fill("status.registrar", &[("answer", &answer(found.registrar))]));
    text += &line(&words.fill("status.clock", &[("state", &words.term("clock_state", &found.clock)), ("now", &time(found.now))]));
    text += &line(
        &words
            .fill("status.documents", &[("documents", &found.documents), ("changes", &found.changes), ("sum", &short(&found.content_sum))]),
    );
    if let Some(found) = &found.reading {
        text += &reading(found, words);
    }
    let unlocked: Vec<String> = found.officers.iter().filter(|officer| officer.logged_in).map(|officer| clean(&officer.name)).collect();
    text += &if unlocked.is_empty() {
        line(words.say("status.no_officer"))
    } else {
        line(&words.fill("status.officers", &[("names", &unlocked.join(", "))]))
    };
    text += &line(&words.fill("status.inbox", &[("count", &found.inbox)]));
    for alarm in &found.alarms {
        text += &onward::alarm(alarm, words);
    }
    text += "\n";
    text += &partners(&found.partners, words);
    text.extend(found.partners.iter().map(|partner| progress::of_partner(partner, words)));
    if found.devices.len() > 1 {
        text += "\n";
        text += &devices(&found.devices, words);
    }
    text
}

/// How long a laptop shows what it holds; nothing where nothing is held.
fn reading(found: &ReadingView, words: &Words) -> String {
    let values: [(&str, &dyn std::fmt::Display); 4] =
        [("since", &time(found.since)), ("days", &found.days_left), ("next", &time(found.next)), ("count", &found.locked)];
    let mut text = String::new();
    if found.locked > 0 {
        text += &line(&words.fill("status.reading_locked", &values));
    }
    if found.next > 0 {
        text += &line(&words.fill(if found.home { "status.reading_home" } else { "status.reading_away" }, &values));
    }
    text
}

fn whoami(found: &OfficerView, words: &Words) -> String {
    line(&words.fill(
        "session.whoami",
        &[
            ("person", &clean(&found.name)),
            ("seats", &joined(&found.seats, words)),
            ("capabilities", &capabilities(&found.capabilities, words)),
            ("certificate", &short(&found.certificate)),
            ("until", &time(found.certificate_ends)),
        ],
    ))
}

fn officers(found: &[OfficerView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("officer.none"));
    }
    let mut table = Table::new(words, &["name", "seats", "capabilities", "state", "until", "logged_in"]);
    for officer in found {
        table.row([
            clean(&officer.name),
            joined(&officer.seats, words),
            capabilities(&officer.capabilities, words),
            words.term("officer_state", &officer.state),
            time(officer.certificate_ends),
            if officer.logged_in { words.say("word.yes") } else { words.say("word.no") }.to_owned(),
        ]);
    }
    table.text()
}

fn devices(found: &[DeviceView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("device.none"));
    }
    let mut table = Table::new(words, &["id", "kind", "unit", "state", "until", "link"]);
    for device in found {
        let link = match (device.here, device.connected) {
            (true, _) => words.say("device.here"),
            (false, true) => words.say("status.partner_connected"),
            (false, false) => words.say("status.partner_away"),
        };
        table.row([
            short(&device.certificate),
            words.term("word", &device.kind),
            clean(&device.unit),
            words.term("officer_state", &device.state),
            time(device.ends),
            link.to_owned(),
        ]);
    }
    table.text()
}

fn card(found: &CardView, words: &Words) -> String {
    let mut text = line(&words.fill("card.bureau", &[("name", &clean(&found.name)), ("bureau", &short(&found.bureau))]));
    text += &line(&words.fill("card.addresses", &[("addresses", &joined(&found.addresses, words))]));
    text += &line(&words.fill("card.phone", &[("phone", &if found.phone.is_empty() { "–".to_owned() } else { clean(&found.phone) })]));
    text += &line(words.say("start_sheet.checking_code"));
    text + &checking_code(&found.checking_code)
}

/// Twelve groups in three lines of four, as they are read out.
pub(super) fn checking_code(code: &str) -> String {
    let groups: Vec<&str> = code.split([' ', '-']).filter(|group| !group.is_empty()).collect();
    groups.chunks(4).map(|row| line(&format!("    {}", row.join("  ")))).collect()
}

fn partners(found: &[PartnerView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("partner.none"));
    }
    let mut table = Table::new(words, &["partner", "id", "link", "standing", "until", "behind", "last_contact", "remarks"]);
    for partner in found {
        let mut remarks = Vec::new();
        if !partner.checked {
            remarks.push(words.say("partner.unchecked").to_owned());
        }
        if partner.divergent {
            remarks.push(words.say("partner.divergent").to_owned());
        }
        remarks.extend(progress::remark(partner, words));
        table.row([
            known_as(partner),
            short(&partner.bureau),
            if partner.connected { words.say("status.partner_connected") } else { words.say("status.partner_away") }.to_owned(),
            words.term("standing", &partner.standing),
            time(partner.agreement_ends),
            partner.behind.to_string(),
            time(partner.last_contact),
            remarks.join(", "),
        ]);
    }
    table.text()
}

fn partner(found: &PartnerView, words: &Words) -> String {
    let mut text = line(&words.fill("partner.head", &[("name", &known_as(found)), ("bureau", &short(&found.bureau))]));
    if !found.alias.is_empty() {
        text += &line(&words.fill("partner.full_name", &[("name", &clean(&found.name))]));
    }
    let link = if found.connected { words.say("status.partner_connected") } else { words.say("status.partner_away") };
    text += &line(&words.fill("partner.link", &[("link", &link), ("seen", &time(found.last_contact)), ("behind", &found.behind)]));
    text += &progress::of_partner(found, words);
    text += &line(&words.fill(
        "partner.agreement",
        &[
            ("standing", &words.term("standing", &found.standing)),
            ("id", &if found.agreement.is_empty() { "–".to_owned() } else { short(&found.agreement) }),
            ("until", &time(found.agreement_ends)),
        ],
    ));
    if found.divergent {
        text += &line(words.say("partner.divergent"));
    }
    text += &line(&words.fill("card.phone", &[("phone", &if found.phone.is_empty() { "–".to_owned() } else { clean(&found.phone) })]));
    for node in &found.nodes {
        text +=
            &line(&words.fill("partner.node", &[("transport", &short(&node.transport)), ("addresses", &joined(&node.addresses, words))]));
    }
    text += &line(if found.checked { words.say("partner.checked") } else { words.say("partner.to_check") });
    text + &checking_code(&found.checking_code)
}

fn settled(found: &DocumentLine, words: &Words) -> String {
    if found.adopted && found.settled == found.changes { words.say("word.settled") } else { words.say("word.provisional") }.to_owned()
}

fn kind(found: &DocumentLine, words: &Words) -> String {
    let kind = words.term("kind", &found.kind);
    if found.subkind.is_empty() { kind } else { format!("{kind} · {}", words.term("subkind", &found.subkind)) }
}

fn number(found: &DocumentLine) -> String {
    if found.number.is_empty() { short(&found.id) } else { clean(&found.number) }
}

/// A document's title, or that it is locked.
fn title(found: &DocumentLine, words: &Words) -> String {
    if found.locked { words.say("document.locked").to_owned() } else { clean(&found.title) }
}

fn documents(found: &[DocumentLine], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("document.none"));
    }
    let mut table = Table::new(words, &["id", "number", "kind", "title", "owner", "tlp", "created", "state", "held"]);
    for document in found {
        table.row([
            short(&document.id),
            number(document),
            kind(document, words),
            title(document, words),
            or_short(&document.owner_name, &document.owner),
            clean(&document.tlp),
            time(document.created),
            settled(document, words),
            if document.held == 0 { String::new() } else { document.held.to_string() },
        ]);
    }
    table.text()
}

fn document(found: &DocumentView, words: &Words) -> String {
    let about = &found.line;
    let mut text = line(&clean(&about.title));
    text += &line(&words.fill(
        "document.head",
        &[
            ("kind", &kind(about, words)),
            ("number", &number(about)),
            ("id", &short(&about.id)),
            ("owner", &or_short(&about.owner_name, &about.owner)),
            ("created", &time(about.created)),
        ],
    ));
    text += &line(&words.fill("document.class", &[("category", &category(&about.category, words)), ("tlp", &tlp(&about.tlp, words))]));
    text += &line(
        &words.fill("document.state", &[("state", &settled(about, words)), ("changes", &about.changes), ("settled", &about.settled)]),
    );
    if about.held > 0 {
        text += &line(&words.fill("status.held", &[("count", &about.held)]));
    }
    if !found.ended.is_empty() {
        text += &line(&words.fill("document.ended", &[("why", &words.term("end", &found.ended))]));
    }
    match found.continues.as_deref() {
        Some("") => text += &line(words.say("document.continues_unknown")),
        Some(first) => text += &line(&words.fill("document.continues", &[("id", &short(first))])),
        None => {}
    }
    if found.cannot_show {
        text += &line(words.say("document.cannot_show"));
    }
    if !found.text.trim().is_empty() {
        text += "\n";
        text += &clean_lines(&found.text);
    }
    for part in &found.entries {
        text += "\n";
        text += &entry(part, &about.title, words);
        for attached in found.files.iter().filter(|attached| attached.id == part.file) {
            text += &file::beside(attached, words);
        }
    }
    if let Some(held) = &found.held {
        text += "\n";
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("count", &held.count), ("since", &time(held.since)), ("owner", &clean(&held.waiting_for))];
        text += &line(&words.fill("document.held", &values));
        for part in &held.entries {
            text += &entry(part, &about.title, words);
        }
    }
    if !found.deliveries.is_empty() {
        text += "\n";
        for delivery in &found.deliveries {
            let partner = or_short(&delivery.name, &delivery.bureau);
            text += &line(&if delivery.delivered {
                words.fill("document.delivered", &[("partner", &partner)])
            } else {
                words.fill("document.undelivered", &[("partner", &partner)])
            });
        }
    }
    text
}

fn entry(found: &EntryView, document_title: &str, words: &Words) -> String {
    let seats = joined(&found.seats, words);
    let person = if found.person.is_empty() { seats } else { format!("{} ({seats})", clean(&found.person)) };
    let state = if found.settled { words.say("word.settled") } else { words.say("word.provisional") };
    let mut text = line(&words.fill(
        "document.entry",
        &[
            ("kind", &words.term("entry", &found.kind)),
            ("bureau", &or_short(&found.bureau_name, &found.bureau)),
            ("person", &person),
            ("time", &time(found.signed_at)),
            ("state", &state),
        ],
    ));
    if let Some(void) = &found.voided {
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("by", &clean(&void.by)), ("time", &time(void.at)), ("reason", &clean(&void.reason))];
        text += &line(&words.fill("document.voided", &values));
    }
    if let Some(by) = &found.reentered {
        let who = if by.person.is_empty() { joined(&by.seats, words) } else { clean(&by.person) };
        text += &line(&words.fill("document.reentered", &[("by", &who), ("bureau", &or_short(&by.bureau_name, &by.bureau))]));
    }
    if !found.title.is_empty() && found.title != document_title {
        text += &line(&clean(&found.title));
    }
    text + &clean_lines(&found.text)
}

fn root(found: &RootView, words: &Words) -> String {
    let state = match (found.head, found.rival) {
        (true, _) => words.say("root.head"),
        (_, true) => words.say("root.rival"),
        _ => words.say("root.older"),
    };
    let values: [(&str, &dyn std::fmt::Display); 6] = [
        ("version", &found.version),
        ("id", &short(&found.root)),
        ("created", &time(found.created)),
        ("threshold", &found.threshold),
        ("keys", &found.keys),
        ("state", &state),
    ];
    line(&words.fill("root.line", &values)) + &line(&format!("  {}", clean(&found.checking_code)))
}

fn access(found: &AccessView, words: &Words) -> String {
    let owner = or_short(&found.owner_name, &found.owner);
    let mut text = line(&words.fill("access.head", &[("document", &short(&found.document)), ("owner", &owner)]));
    let mut holders = Table::new(words, &["partner", "verb", "since", "agreement", "egress"]);
    for holder in &found.holders {
        holders.row([
            or_short(&holder.name, &holder.bureau),
            words.term("verb", &holder.verb),
            time(holder.since),
            if holder.agreement.is_empty() { "–".to_owned() } else { short(&holder.agreement) },
            words.term("why", &holder.egress),
        ]);
    }
    let limited = |holder: &&HolderView| !holder.via.is_empty() || !holder.tlp.is_empty() || holder.until > 0;
    text += &if found.holders.is_empty() { line(words.say("access.nobody")) } else { holders.text() };
    for holder in found.holders.iter().filter(limited) {
        let via = if holder.via.is_empty() { words.say("access.direct").to_owned() } else { or_short(&holder.via_name, &holder.via) };
        let up_to = if holder.tlp.is_empty() { "–".to_owned() } else { tlp(&holder.tlp, words) };
        let until = if holder.until == 0 { words.say("onward.no_end").to_owned() } else { time(holder.until) };
        let name = or_short(&holder.name, &holder.bureau);
        text += &line(&words.fill("access.limited", &[("partner", &name), ("via", &via), ("tlp", &up_to), ("until", &until)]));
    }
    if !found.records.is_empty() {
        text += "\n";
        let mut records = Table::new(words, &["index", "record", "time", "words"]);
        for record in &found.records {
            let said = record.attested.as_ref().map(|found| file::attested(found, words)).unwrap_or_default();
            let told = format!("{} {said}", record_words(record, words));
            records.row([record.index.to_string(), words.term("record", &record.kind), time(record.at), told.trim_end().to_owned()]);
        }
        text += &records.text();
    }
    text
}

/// What an access record says besides its kind, in the reader's language.
fn record_words(found: &RecordView, words: &Words) -> String {
    let last = |text: &str, term: &dyn Fn(&str) -> String| match text.rsplit_once(' ') {
        Some((before, last)) => format!("{} {}", clean(before), term(last)),
        None => clean(text),
    };
    let first = |text: &str, term: &dyn Fn(&str) -> String, rest: &dyn Fn(&str) -> String| match text.split_once(' ') {
        Some((first, after)) => format!("{} {}", term(first), rest(after)),
        None => term(text),
    };
    let term = |group: &'static str| move |word: &str| words.term(group, word);
    match found.kind.as_str() {
        "grant" => found.words.split(", ").map(|one| last(one, &term("verb"))).collect::<Vec<_>>().join(", "),
        "cut" => first(&found.words, &term("subject"), &term("record_word")),
        "reclassify" => first(&found.words, &|word| tlp(word, words), &clean),
        "end" => words.term("end", &found.words),
        "continue" if found.words.contains(' ') => last(&found.words, &term("record_word")),
        _ => clean(&found.words),
    }
}

fn sending(found: &SendingView, words: &Words) -> String {
    let mut text = String::new();
    if !found.id.is_empty() {
        let number = if found.number.is_empty() { short(&found.id) } else { clean(&found.number) };
        text += &line(&words.fill("sending.made", &[("number", &number), ("id", &short(&found.id))]));
    }
    let (will, will_not): (Vec<_>, Vec<_>) = found.receivers.iter().partition(|receiver| receiver.will_receive);
    if found.dry_run {
        text += &line(&words.fill("sending.will", &[("count", &will.len())]));
    } else if !will.is_empty() {
        text += &line(&words.fill("sending.to", &[("count", &will.len())]));
    }
    for receiver in will {
        let name = or_short(&receiver.name, &receiver.bureau);
        let key = if receiver.clause.is_empty() { "sending.receiver_home" } else { "sending.receiver" };
        text += &line(&format!("  {}", words.fill(key, &[("partner", &name), ("clause", &clean(&receiver.clause))])));
    }
    for receiver in will_not {
        let name = or_short(&receiver.name, &receiver.bureau);
        let why = words.term("why", &receiver.why);
        text += &line(&format!("  {}", words.fill("bulletin.not_receiver", &[("partner", &name), ("reason", &why)])));
    }
    if !found.asked.is_empty() {
        text += &line(&words.fill("sending.asked", &[("count", &found.asked.len())]));
    }
    for asked in &found.asked {
        let name = or_short(&asked.name, &asked.bureau);
        text +=
            &if asked.will_receive { line(&format!("  {name}")) } else { line(&format!("  {name}: {}", words.term("why", &asked.why))) };
    }
    if !found.pending.is_empty() {
        text += &line(&words.fill("sending.pending", &[("id", &short(&found.pending))]));
    }
    if found.visible_entries > 0 {
        text += &line(&words.fill("sending.visible", &[("count", &found.visible_entries)]));
    }
    text
}

fn inbox(items: &[InboxItem], words: &Words) -> String {
    if items.is_empty() {
        return line(words.say("inbox.empty"));
    }
    let mut table = Table::new(words, &["kind", "id", "title", "from_whom", "since", "next_step"]);
    for item in items {
        table.row([
            words.term("inbox_kind", &item.kind),
            short(&item.id),
            match item.kind.as_str() {
                "reading_locks" => words.fill("inbox.days_left", &[("count", &clean(&item.title))]),
                "reading_locked" => words.fill("inbox.locked", &[("count", &clean(&item.title))]),
                _ => clean(&item.title),
            },
            clean(&short(&item.from)),
            time(item.since),
            words.find(&format!("inbox_next.{}", item.kind)).unwrap_or_default().replace("{id}", &short(&item.id)),
        ]);
    }
    table.text()
}

/// What an event says of itself: words of the core in the reader's language, numbers, names and references as they are.
fn event_detail(detail: &str, words: &Words) -> String {
    let known = |said: &str| words.find(&format!("event_detail.{}", said.replace(' ', "_")));
    if let Some(whole) = known(detail) {
        return whole.to_owned();
    }
    if let Some(rest) = detail.strip_prefix("by partner: ") {
        return format!("{} {}", words.say("event_detail.by_partner"), event_detail(rest, words));
    }
    match detail.split_once(' ').and_then(|(first, rest)| Some((known(first)?, rest))) {
        Some((first, rest)) => format!("{first} {}", clean(rest)),
        None => clean(detail),
    }
}

/// One event on one line.
pub(super) fn event(found: &EventView, words: &Words) -> String {
    let mut text = format!("{} {} {}", found.position, time(found.at), words.term("event", &found.kind));
    for part in [short(&found.document), short(&found.bureau), event_detail(&found.detail, words)] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(&part);
        }
    }
    text
}

/// Findings of `doctor` and `partner test`: what is well in a line, what is not with its next step.
pub(super) fn findings(found: &[Finding], words: &Words) -> String {
    let mut text = String::new();
    for finding in found {
        let mark = if finding.ok { words.say("doctor.ok") } else { words.say("doctor.fault") };
        let name = words.term("check", &finding.check);
        text += &line(&format!("{mark} {name}: {}", clean(&finding.detail)));
        if !finding.hint.is_empty() && !finding.ok {
            text += &line(&format!("    {}", words.fill("error_line.next", &[("text", &clean(&finding.hint))])));
        }
    }
    if found.iter().all(|finding| finding.ok) {
        text += &line(words.say("doctor.all_good"));
    }
    text
}

#[cfg(test)]
#[path = "render/tests.rs"]
mod tests;
