//! How far longer rows of documents have come.

use accord_protocol::view::{PartnerView, ProgressRowView, ProgressView};

use super::{clean, known_as, line, short};
use crate::words::Words;

/// Hundredths that are there; all of them only when everything is.
pub(in crate::cli) fn percent(found: &ProgressView) -> u64 {
    if found.of == 0 {
        return 0;
    }
    u64::try_from(u128::from(found.documents) * 100 / u128::from(found.of)).unwrap_or(100).min(100)
}

/// Bytes as people read them.
pub(in crate::cli) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| bytes / (unit / 10);
    let (tenths, unit) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (tenths(1_000), "kB"),
        1_000_000..1_000_000_000 => (tenths(1_000_000), "MB"),
        _ => (tenths(1_000_000_000), "GB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn span(seconds: u64, words: &Words) -> String {
    match seconds {
        0..100 => words.fill("progress.seconds", &[("count", &seconds)]),
        100..6_000 => words.fill("progress.minutes", &[("count", &seconds.div_ceil(60))]),
        _ => words.fill("progress.hours", &[("count", &seconds.div_ceil(3_600))]),
    }
}

/// What there is to say of one direction behind its name: pace and rest, or that it stands still, or that it is over.
pub(in crate::cli) fn pace(found: &ProgressView, words: &Words) -> String {
    match (found.state.as_str(), found.seconds_left) {
        ("running", Some(left)) => words.fill(
            "progress.pace",
            &[("rate", &found.documents_per_minute), ("speed", &size(found.bytes_per_second)), ("left", &span(left, words))],
        ),
        (state, _) => words.term("progress_state", state),
    }
}

fn direction(key: &str, name: &str, found: &ProgressView, words: &Words) -> String {
    line(&words.fill(
        key,
        &[
            ("name", &name),
            ("documents", &found.documents),
            ("of", &found.of),
            ("percent", &percent(found)),
            ("bytes", &size(found.bytes)),
            ("about", &size(found.bytes_about)),
            ("pace", &pace(found, words)),
        ],
    ))
}

fn both(name: &str, sending: Option<&ProgressView>, receiving: Option<&ProgressView>, words: &Words) -> String {
    let mut text = String::new();
    if let Some(found) = receiving {
        text += &direction("progress.receiving", name, found, words);
    }
    if let Some(found) = sending {
        text += &direction("progress.sending", name, found, words);
    }
    text
}

/// Of one partner; nothing if nothing long is on its way.
pub(super) fn of_partner(found: &PartnerView, words: &Words) -> String {
    both(&known_as(found), found.sending.as_ref(), found.receiving.as_ref(), words)
}

/// In a list: how much of what is on its way is there.
pub(super) fn remark(found: &PartnerView, words: &Words) -> Option<String> {
    let running = |found: &&ProgressView| found.state != "complete";
    let receiving = found.receiving.as_ref().filter(running).map(|view| ("progress.remark_receiving", view));
    let (key, view) = receiving.or_else(|| found.sending.as_ref().filter(running).map(|view| ("progress.remark_sending", view)))?;
    Some(words.fill(key, &[("percent", &percent(view))]))
}

/// Everything that is on its way.
pub(in crate::cli) fn rows(found: &[ProgressRowView], words: &Words) -> String {
    if found.is_empty() {
        return line(words.say("progress.none"));
    }
    found.iter().map(|row| both(&name(row), row.sending.as_ref(), row.receiving.as_ref(), words)).collect()
}

/// The other end as people know it.
pub(in crate::cli) fn name(row: &ProgressRowView) -> String {
    if row.name.is_empty() { short(&row.bureau) } else { clean(&row.name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    fn found() -> ProgressView {
        ProgressView {
            state: "running".into(),
            documents: 412,
            of: 1_000,
            bytes: 930_000,
            bytes_about: 2_257_281,
            documents_per_minute: 2_400,
            bytes_per_second: 90_400,
            seconds_left: Some(15),
        }
    }

    #[test]
    fn progress_reads_as_a_sentence_in_both_languages() {
        let row = ProgressRowView { name: "北岭县公安局".into(), receiving: Some(found()), ..ProgressRowView::default() };
        let check = |lang, row: &ProgressRowView, expect: &str| {
            assert_eq!(rows(std::slice::from_ref(row), &Words::of(lang)), format!("{expect}\n"))
        };
        check(
            Lang::En,
            &row,
            "From 北岭县公安局: 412 of 1000 documents (41 %), 930.0 kB of about 2.2 MB; 2400 documents a minute, 90.4 kB a second, some 15 s left",
        );
        check(
            Lang::Zh,
            &row,
            "从 北岭县公安局 接收：文档 412/1000 件（41%），930.0 kB，共约 2.2 MB；每分钟 2400 件，每秒 90.4 kB，约剩 15 秒",
        );
        let broken = ProgressView { state: "interrupted".into(), seconds_left: None, ..found() };
        let row = ProgressRowView { name: "lake".into(), sending: Some(broken), ..ProgressRowView::default() };
        check(Lang::En, &row, "To lake: 412 of 1000 documents (41 %), 930.0 kB of about 2.2 MB; interrupted, goes on when both are linked");
        assert_eq!(rows(&[], &Words::of(Lang::En)), "Nothing long is on its way.\n");
    }

    #[test]
    fn hundred_of_hundred_is_said_when_everything_is_there_and_not_before() {
        let of = |documents, of| percent(&ProgressView { documents, of, ..ProgressView::default() });
        assert_eq!([of(0, 3), of(1, 3), of(999_999, 1_000_000), of(3, 3), of(0, 0)], [0, 33, 99, 100, 0]);
        assert_eq!(of(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn sizes_and_spans_are_short() {
        let words = Words::of(Lang::En);
        assert_eq!(
            [size(0), size(999), size(1_000), size(15_950_000), size(3_000_000_000)],
            ["0 B", "999 B", "1.0 kB", "15.9 MB", "3.0 GB"]
        );
        assert_eq!([span(99, &words), span(100, &words), span(7_200, &words)], ["99 s", "2 min", "2 h"]);
    }
}
