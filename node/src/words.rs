//! Every sentence people read, by key, in Chinese and English.
//!
//! The catalogues are `words/zh.toml` and `words/en.toml`, compiled into the binary and flattened to dotted keys. Code asks for a literal key
//! ([`Words::say`], [`Words::fill`]); words that come as data (a standing, a refusal code) go through [`Words::term`] and
//! [`Words::sentences`], which fall back to the bare word rather than hide it. Tests compare both files and every key used in the source.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::OnceLock;

use crate::failure::{Failure, Kind};

const ZH: &str = include_str!("../words/zh.toml");
const EN: &str = include_str!("../words/en.toml");

/// How deep details may lie within details: a file, what is wrong in it, and what that means.
const DETAILS_WITHIN_MAX: usize = 3;

/// Language of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Simplified Chinese, the default.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// Reads `zh` or `en`; a longer tag counts by its first part (`zh_CN.UTF-8`, `en-GB`).
    pub fn from_word(word: &str) -> Option<Self> {
        match word.split(['_', '-', '.', '@']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// `zh` or `en`.
    pub const fn word(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::En => "en",
        }
    }

    /// The language of the locale: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set decides; English only when it says so. Daemons
    /// and cron run under `LANG=C`, so anything but English is Chinese.
    pub fn from_locale(mut variable: impl FnMut(&str) -> Option<String>) -> Self {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .and_then(|value| Lang::from_word(&value))
            .unwrap_or(Lang::Zh)
    }
}

/// One catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    lang: Lang,
    table: &'static BTreeMap<String, String>,
}

/// The three lines a failure is told in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentences {
    /// What was not done.
    pub error: String,
    /// Why, if there is more to say.
    pub cause: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Words {
    /// The catalogue of `lang`.
    pub fn of(lang: Lang) -> Self {
        static TABLES: OnceLock<[BTreeMap<String, String>; 2]> = OnceLock::new();
        let [zh, en] =
            TABLES.get_or_init(|| [ZH, EN].map(|text| flatten(text).expect("the catalogues are part of the program and tested")));
        Self {
            lang,
            table: match lang {
                Lang::Zh => zh,
                Lang::En => en,
            },
        }
    }

    /// Which language this is.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// The sentence under `key`; the key itself when there is none (tests see to it that there is).
    pub fn say<'a>(&self, key: &'a str) -> &'a str
    where
        'static: 'a,
    {
        self.find(key).unwrap_or(key)
    }

    /// The sentence under `key`, if there is one.
    pub fn find(&self, key: &str) -> Option<&'static str> {
        self.table.get(key).map(String::as_str)
    }

    /// The sentence under `key` with each `{name}` replaced by its value.
    pub fn fill(&self, key: &str, values: &[(&str, &dyn Display)]) -> String {
        replace(self.say(key), |name| values.iter().find(|(held, _)| *held == name).map(|(_, value)| value.to_string()))
    }

    /// The word for a stable word that came as data, for instance `term("standing", "in_force")`; the bare word when there is none.
    pub fn term(&self, group: &str, word: &str) -> String {
        self.find(&format!("{group}.{word}")).unwrap_or(word).to_owned()
    }

    /// A detail that came as an English sentence (what is damaged where, what a value must be), in the reader's language. The English
    /// catalogue has it under `detail` as the source says it, with a name in braces for what varies; a detail it does not know stays as it is.
    pub fn detail(&self, text: &str) -> String {
        match self.lang {
            Lang::En => text.to_owned(),
            Lang::Zh => self.detail_within(text, DETAILS_WITHIN_MAX).unwrap_or_else(|| text.to_owned()),
        }
    }

    fn detail_within(&self, text: &str, deeper: usize) -> Option<String> {
        // The most telling pattern first, so that the general ones take only what no other does.
        static PATTERNS: OnceLock<Vec<(&'static str, &'static str)>> = OnceLock::new();
        let patterns = PATTERNS.get_or_init(|| {
            let all = Words::of(Lang::En).table.iter().filter(|(key, _)| key.starts_with("detail."));
            let mut all: Vec<_> = all.map(|(key, pattern)| (key.as_str(), pattern.as_str())).collect();
            all.sort_by_key(|(_, pattern)| std::cmp::Reverse(pattern.len() - names(pattern).map(str::len).sum::<usize>()));
            all
        });
        patterns.iter().find_map(|(key, pattern)| {
            let values: Option<Vec<(&str, String)>> = captured(text, pattern)?
                .into_iter()
                .map(|(name, value)| match deeper.checked_sub(1).and_then(|deeper| self.detail_within(value, deeper)) {
                    Some(told) => Some((name, told)),
                    // What the pattern was not made for would come out half in one language, half in the other.
                    None => (!is_prose(value) && !is_word_of_ours(name, value)).then(|| (name, value.to_owned())),
                })
                .collect();
            let values = values?;
            Some(replace(self.find(key)?, |name| values.iter().find(|(held, _)| *held == name).map(|(_, value)| value.clone())))
        })
    }

    /// What people are told about `failure`.
    pub fn sentences(&self, failure: &Failure) -> Sentences {
        let value = |name: &str| match name {
            "code" => Some(failure.code.clone()),
            // A stable word of the core: told in the reader's language where the catalogue has it.
            "why" => failure.param("why").map(|why| self.find(&format!("why.{why}")).map_or_else(|| self.detail(why), str::to_owned)),
            "what" | "problem" => failure.param(name).map(|what| self.detail(what)),
            "expected" | "found" if failure.code == "config_value" => failure.param(name).map(|word| self.detail(word)),
            "standing" => {
                let group = if failure.code == "certificate_not_good" { "certificate_state" } else { "standing" };
                failure.param("standing").map(|standing| self.term(group, standing))
            }
            // The core gives times in seconds.
            "at" | "since" | "until" => failure.param(name).map(|at| at.parse().map_or_else(|_| at.to_owned(), crate::cli::time)),
            _ => {
                let values: Vec<&str> = failure.params.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
                (!values.is_empty()).then(|| values.join(", "))
            }
        };
        let text = |part: &str| self.find(&format!("refused.{}.{part}", failure.code));
        let line = |part: &str| text(part).map(|text| replace(text, value));
        // A cause or next step that names a value nobody gave would say nothing.
        let whole = |part: &str| text(part).filter(|text| names(text).all(|name| value(name).is_some())).map(|text| replace(text, value));
        let chain = failure.chain();
        let cause = whole("cause").or((!chain.is_empty()).then(|| self.detail(&chain)));
        match line("what") {
            Some(error) => Sentences { error, cause, hint: whole("next") },
            None => {
                let values: Vec<String> = failure.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let cause = cause.or((!values.is_empty()).then(|| values.join(", ")));
                let hint = (failure.kind == Kind::Fault).then(|| self.say("problem.fault_hint").to_owned());
                Sentences { error: replace(self.say("problem.unknown_code"), value), cause, hint }
            }
        }
    }

    /// Every key, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.table.keys().map(String::as_str)
    }
}

/// Replaces each `{name}`; a name without a value becomes a dash, so a sentence never shows its own braces.
fn replace(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(len) = rest[start..].find('}') else { break };
        out.push_str(&rest[..start]);
        out.push_str(&value(&rest[start + 1..start + len]).unwrap_or_else(|| "–".to_owned()));
        rest = &rest[start + len + 1..];
    }
    out.push_str(rest);
    out
}

/// The parts of `text` that stand where `pattern` has names; `None` if the text is not of that pattern.
fn captured<'t, 'p>(text: &'t str, pattern: &'p str) -> Option<Vec<(&'p str, &'t str)>> {
    let (first, mut pattern) = pattern.split_once('{').unwrap_or((pattern, ""));
    let mut rest = text.strip_prefix(first)?;
    let mut values = Vec::new();
    while let Some((name, after)) = pattern.split_once('}') {
        let (literal, next) = after.split_once('{').unwrap_or((after, ""));
        let value = match (literal.is_empty(), next.is_empty()) {
            (true, _) => rest,
            (false, true) => rest.strip_suffix(literal)?,
            (false, false) => rest.split_once(literal)?.0,
        };
        values.push((name, value));
        rest = &rest[(value.len() + literal.len()).min(rest.len())..];
        pattern = next;
    }
    (rest.is_empty() && values.iter().all(|(_, value)| !value.is_empty())).then_some(values)
}

/// Whether a value stands where the sources put words of their own: not one of those is told in English within another language. What is
/// written in capitals is a name.
fn is_word_of_ours(name: &str, value: &str) -> bool {
    ["what", "why", "wrong", "rule", "item", "label"].contains(&name) && value.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Whether a value is words of a sentence rather than a number, a name, a path or quoted words.
fn is_prose(value: &str) -> bool {
    let words: Vec<&str> = value.split(['"', '`']).step_by(2).flat_map(str::split_whitespace).collect();
    words.len() > 1 && words.iter().any(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

/// The names in braces.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn flatten(text: &str) -> Result<BTreeMap<String, String>, String> {
    fn walk(prefix: &str, table: &toml::Table, out: &mut BTreeMap<String, String>) -> Result<(), String> {
        for (key, value) in table {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(inner) => walk(&name, inner, out)?,
                toml::Value::String(sentence) => {
                    out.insert(name, sentence.trim_end().to_owned());
                }
                other => return Err(format!("{name} is {}, expected a sentence", other.type_str())),
            }
        }
        Ok(())
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut out = BTreeMap::new();
    walk("", &table, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        names(text).collect()
    }

    /// Every Rust file below a folder, up to its tests.
    fn sources_in(dir: &Path) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(dir).expect("source folders are readable") {
            let path = entry.expect("source folders are readable").path();
            if path.is_dir() {
                out.extend(sources_in(&path));
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
                out.push((path.display().to_string(), text[..tests].to_owned()));
            }
        }
        out
    }

    /// Every Rust file of this crate and of the core.
    fn sources() -> Vec<(String, String)> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut out = sources_in(&here.join("src"));
        out.extend(sources_in(&here.join("../protocol/src")));
        assert!(out.len() > 20, "the scan found only {} files", out.len());
        out
    }

    /// The literal in `…opener"literal"…`, for every occurrence; line breaks and spaces between opener and literal are skipped.
    fn literals_after(text: &str, opener: &str) -> Vec<String> {
        text.match_indices(opener)
            .filter_map(|(at, _)| {
                let rest = text[at + opener.len()..].trim_start().strip_prefix('"')?;
                rest.split('"').next().map(str::to_owned)
            })
            .collect()
    }

    #[test]
    fn both_catalogues_hold_the_same_keys_with_the_same_values_named() {
        let (zh, en) = (Words::of(Lang::Zh), Words::of(Lang::En));
        let (zh_keys, en_keys): (BTreeSet<_>, BTreeSet<_>) = (zh.keys().collect(), en.keys().collect());
        let only: Vec<_> = zh_keys.symmetric_difference(&en_keys).collect();
        assert!(only.is_empty(), "in one catalogue only: {only:?}");
        for key in zh_keys {
            let (zh, en) = (zh.find(key).expect("listed"), en.find(key).expect("listed"));
            assert!(!zh.is_empty() && !en.is_empty(), "{key} is empty");
            assert_eq!(placeholders(zh), placeholders(en), "{key} names different values");
        }
    }

    #[test]
    fn no_sentence_asked_for_in_the_source_is_missing() {
        let words = Words::of(Lang::En);
        let mut missing = BTreeSet::new();
        let mut seen = 0;
        for (path, text) in sources() {
            for opener in [".say(", ".fill("] {
                for key in literals_after(&text, opener) {
                    seen += 1;
                    if words.find(&key).is_none() {
                        missing.insert(format!("{key} ({path})"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "missing: {missing:#?}");
        assert!(seen > 50, "the scan saw only {seen} keys");
    }

    #[test]
    fn every_stable_code_has_its_sentence() {
        let words = Words::of(Lang::En);
        let mut missing = BTreeSet::new();
        let mut seen = 0;
        for (path, text) in sources() {
            // `misuse("…")` as a function or closure counts as well as `Failure::misuse("…")`.
            let mut openers = ["refused", "not_found", "misuse", "unreachable", "fault"].map(|kind| format!("{kind}(")).to_vec();
            for kind in ["Refused", "NotFound", "Ambiguous", "Misuse", "Fault"] {
                openers.push(format!("RefusedKind::{kind},"));
            }
            for kind in ["Refused", "NotFound", "Ambiguous", "Misuse", "Unreachable", "Fault"] {
                openers.push(format!("Failure::new(Kind::{kind},"));
            }
            for opener in &openers {
                for code in literals_after(&text, opener) {
                    if !code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                        continue;
                    }
                    seen += 1;
                    if words.find(&format!("refused.{code}.what")).is_none() {
                        missing.insert(format!("{code} ({path})"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "codes without a sentence: {missing:#?}");
        assert!(seen > 20, "the scan saw only {seen} codes");
    }

    #[test]
    fn every_finding_has_its_sentence_and_every_fault_its_next_step() {
        let words = Words::of(Lang::En);
        let mut missing = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (_, text) in sources() {
            for (opener, fault) in [("Finding::good(", false), ("Finding::bad(", true)] {
                for code in literals_after(&text, opener) {
                    let key = format!("doctor.{code}");
                    missing.extend(words.find(&key).is_none().then(|| key.clone()));
                    missing.extend(
                        words.find(&format!("check.{}", code.split('_').next().unwrap_or_default())).is_none().then(|| code.clone()),
                    );
                    // What sums up others takes over the next step of the first.
                    let sums_up = words.find(&key).is_some_and(|text| placeholders(text).contains("parts"));
                    missing.extend((fault && !sums_up && words.find(&format!("{key}_next")).is_none()).then(|| format!("{key}_next")));
                    seen.insert(code);
                }
            }
        }
        assert!(missing.is_empty(), "missing: {missing:#?}");
        assert!(seen.len() > 30, "the scan saw only {} findings", seen.len());
    }

    #[test]
    fn every_capability_has_a_term_that_names_the_word_of_the_command_line() {
        for lang in [Lang::Zh, Lang::En] {
            let words = Words::of(lang);
            for word in accord_keys::certificate::Capability::ALL.iter().filter_map(|capability| capability.word()) {
                let key = format!("capability.{word}");
                assert!(words.find(&key).is_some_and(|term| term.ends_with(word)), "{lang:?}: {key}");
            }
            let terms = words.keys().filter(|key| key.starts_with("capability.")).count();
            assert_eq!(terms, accord_keys::certificate::Capability::ALL.len(), "{lang:?}");
        }
    }

    /// Groups whose keys are put together at run time from a word the source has as a literal: `term("standing", word)`.
    const GROUPS_BY_WORD: &str = "word verb standing certificate_state direction officer_state kind subkind entry event record ledger_says ledger_only \
                                  compact_next effects change annex urgency sealed ground uncovered subject held_why ended revoked account \
                                  journal_column clock_state inbox_kind inbox_next onward ask_state pending_state ground_word why column \
                                  end paper paper_fact stage progress_state file_state setting";
    /// Groups whose words stand nowhere as they are: levels, categories and what events say are spelled otherwise in the core, capabilities stand in the crate of keys, verbs and
    /// their arguments follow the tree of commands (`cli::help` looks for verbs that are gone, not for arguments), refusals have a test here.
    const GROUPS_ELSEWHERE: &str = "tlp category capability help arg example refused detail event_detail record_word";

    #[test]
    fn no_sentence_stands_in_the_catalogue_that_no_source_names() {
        let all: String = sources().into_iter().map(|(_, text)| text).collect();
        let literal = |word: &str| all.contains(&format!("\"{word}\""));
        let (mut dead, mut groups) = (Vec::new(), BTreeSet::new());
        for key in Words::of(Lang::En).keys().filter(|key| !literal(key)) {
            let (group, word) = key.split_once('.').unwrap_or(("", key));
            let named = match group {
                "doctor" => literal(word.strip_suffix("_next").unwrap_or(word)),
                // The first word of a finding's code.
                "check" => all.contains(&format!("Finding::good(\"{word}_")) || all.contains(&format!("Finding::bad(\"{word}_")),
                _ if GROUPS_ELSEWHERE.split_whitespace().any(|known| known == group) => true,
                _ => GROUPS_BY_WORD.split_whitespace().any(|known| known == group) && literal(word),
            };
            groups.insert(group);
            dead.extend((!named).then_some(key));
        }
        assert!(dead.is_empty(), "nothing says: {dead:#?}");
        let listed = GROUPS_BY_WORD.split_whitespace().chain(GROUPS_ELSEWHERE.split_whitespace());
        let idle: Vec<&str> = listed.filter(|group| !groups.contains(group)).collect();
        assert!(idle.is_empty(), "groups listed for nothing: {idle:?}");
    }

    #[test]
    fn no_refusal_has_words_that_nothing_uses() {
        let all: String = sources().into_iter().map(|(_, text)| text).collect();
        let codes: BTreeSet<&str> = Words::of(Lang::En).keys().filter_map(|key| key.strip_prefix("refused.")?.split('.').next()).collect();
        // `unknown_WORD` is composed from the word at fault.
        let dead: Vec<&str> =
            codes.into_iter().filter(|code| !code.starts_with("unknown_") && !all.contains(&format!("\"{code}\""))).collect();
        assert!(dead.is_empty(), "no code says: {dead:?}");
    }

    #[test]
    fn every_detail_is_told_as_a_source_tells_it() {
        let mut literals = BTreeSet::new();
        for (_, text) in sources().into_iter().chain(sources_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../keys/src"))) {
            literals.extend(text.split('"').map(str::to_owned));
        }
        let mut missing = Vec::new();
        // What the library that reads TOML says stands in no source of ours: the tests of the terms show each.
        let ours = |key: &str| key.starts_with("detail.") && !key.starts_with("detail.toml_");
        for (key, pattern) in Words::of(Lang::En).table.iter().filter(|(key, _)| ours(key)) {
            let pieces = pattern.split(['{', '}']).step_by(2).map(|piece| piece.trim_matches([' ', ',', ':']));
            let told = |piece: &str| {
                let whole = !pattern.contains('{');
                literals.iter().any(|literal| if whole { literal == piece } else { literal.contains(piece) })
            };
            missing.extend(pieces.filter(|piece| !piece.is_empty() && !told(piece)).map(|piece| format!("{key}: {piece}")));
        }
        assert!(missing.is_empty(), "no source says: {missing:#?}");
    }

    /// The arguments of the calls that `opener` begins.
    fn arguments_of<'t>(text: &'t str, opener: &'t str) -> impl Iterator<Item = &'t str> {
        text.match_indices(opener).map(move |(at, _)| {
            let rest = &text[at + opener.len()..];
            let mut depth = 1;
            let end = rest.find(|letter| {
                depth += match letter {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            &rest[..end.unwrap_or(rest.len())]
        })
    }

    #[test]
    fn what_the_store_says_of_damage_is_told_in_the_readers_language() {
        let zh = Words::of(Lang::Zh);
        let (mut untold, mut seen) = (Vec::new(), 0);
        for (path, text) in sources().into_iter().filter(|(path, _)| path.contains("/src/store") && !path.contains("/store/tests/")) {
            let calls = ["damaged(", ".damage("].into_iter().flat_map(|opener| arguments_of(&text, opener));
            let said = calls.filter_map(|arguments| arguments.rsplit('"').nth(1)).map(str::to_owned);
            let fields = literals_after(&text, "what:").into_iter().chain(literals_after(&text, "let what = format!("));
            for literal in said.chain(fields).filter(|literal| literal.contains(' ') || literal == "missing") {
                let filled = replace(&literal.replace("{what}", "journal file missing").replace("{wrong}", "garbled frame head"), |_| {
                    Some("7".to_owned())
                });
                seen += 1;
                if zh.detail(&filled) == filled {
                    untold.push(format!("{path}: {filled}"));
                }
            }
        }
        assert!(untold.is_empty(), "only in English: {untold:#?}");
        assert!(seen > 25, "the scan saw only {seen}");
    }

    #[test]
    fn details_are_told_in_the_readers_language_whole_or_not_at_all() {
        let (zh, en) = (Words::of(Lang::Zh), Words::of(Lang::En));
        let check = |text: &str, expect: &str| {
            assert_eq!(zh.detail(text), expect);
            assert_eq!(en.detail(text), text);
        };
        check("frame cut short", "帧不完整");
        check("frame checksum does not fit, yet a whole frame follows at byte 512", "帧校验和不符，而第 512 字节处还有完整的帧");
        check(
            "journal/00000002.journal: batch 7 was acknowledged: journal file missing",
            "journal/00000002.journal：第 7 批写入曾经确认：日志文件缺失",
        );
        check("notice days: 3 is not within 30 to 365", "通知期限（天）：3 不在 30 至 365 之间");
        check("an emergency agreement lasts at most 24 hours", "应急协议最长 24 小时");
        check("one of \"zh\", \"en\"", "\"zh\", \"en\" 之一");
        check("a list with a number", "含有数字的列表");
        check("the card is longer than 65536 bytes", "名片 超过 65536 字节");
        check("phone holds the control character U+000A", "电话含有控制字符 U+000A");
        check("malformed Contact (0x0105): phone is empty", "Contact（0x0105）有误：电话为空");
        check("a root on the card: statement of network ab, expected cd", "名片上的根声明：声明属于网络 ab，应为 cd");
        for unknown in [
            "",
            "something else: it is not known",
            "an emergency agreement does as it likes",
            "12 of 13 bytes",
            "nonsense is empty",
            "the thing is longer than 9 bytes",
        ] {
            check(unknown, unknown);
        }
    }

    #[test]
    fn what_a_person_in_chinese_meets_of_a_fault_is_in_chinese() {
        let zh = Words::of(Lang::Zh);
        let told = |failure: &Failure| zh.sentences(failure).cause.expect("a cause");
        let text = "[limits]\nverify_workers = \"many\"";
        let error = crate::config::Config::parse(text).expect_err("at fault");
        let cause = told(&crate::daemon::failures::config(Path::new("/d/accord.toml"), error));
        assert!(cause.contains("的整数，实际是 文字"), "{cause}");
        let damage = crate::store::Damage { file: "journal/00000001.journal".to_owned(), offset: 9, what: "garbled frame head".to_owned() };
        let failure = crate::daemon::failures::store(Path::new("/d/store"), crate::store::StoreError::Damaged(damage));
        assert_eq!(told(&failure), "帧头错乱");
        let terms = accord_protocol::agreement::TermsError::NoGrants;
        assert_eq!(told(&Failure::misuse("bad_terms").with("why", terms)), "协议没有授予任何内容");
    }

    #[test]
    fn every_word_that_comes_as_data_has_its_words() {
        let groups: &[(&str, &str)] = &[
            ("certificate_state", "good not_yet expired revoked disputed unknown"),
            (
                "standing",
                "none offered_by_us offered_to_us accepted declined lapsed not_yet in_force suspended under_notice expired winding_down ended superseded offered not_under",
            ),
            ("officer_state", "awaiting_login good expired revoked"),
            ("clock_state", "good held behind"),
            ("kind", "bulletin draft case"),
            ("entry", "publish open note finding minutes attached"),
            ("file_state", "here coming unreadable erased not_fetched"),
            (
                "inbox_kind",
                "reading_locked reading_locks offer compact resume suspended notice agreement_ends emergency_report bulletin case clock divergent unchecked_card held confirm_cuts retention_waits unadopted grants_lost certificate_ends catching_up pair_behind pair_not_covered \
                 onward_ask consent_ask grant_waits grant_made grant_refused grant_lapsed grant_without_consent",
            ),
            (
                "inbox_next",
                "reading_locked reading_locks offer compact resume suspended notice agreement_ends emergency_report bulletin case clock divergent unchecked_card held confirm_cuts retention_waits unadopted grants_lost certificate_ends catching_up pair_behind pair_not_covered \
                 onward_ask consent_ask grant_waits grant_made grant_refused grant_lapsed grant_without_consent",
            ),
            (
                "event",
                "cuts_wait retention_waits erased file_came file_erased log_healed receipted_let_in document_changed delivered store cloned agreement compact agreement_ends emergency_report partner_up partner_down device_up device_down bundle caught_up refused clock divergent fork device officer partner statement onward grant_without_consent",
            ),
            ("record", "adopt anchor grant cut void reclassify erase end admit continue"),
            ("end", "retention disown"),
            (
                "event_detail",
                "received created entry reentered jumped returned confirmed corroborated reset reset_without_effect restored cloned repaired \
                 repaired_store_compared_equal unequal_after_a_repair equal_again pair_caught_up pair_confirmed own_work_returned installed heard made \
                 joined signed offered accepted declined concluded asked ask_came granted refused refusal_came consented consent_came consent_ask_came \
                 grant_waits added sent malformed root_confirmed packed unpacked an_author_signed_two_changes_for_one_position \
                 two_lines_of_the_pair_ledger_for_one_place by_partner No Busy Certificate Incompatible Protocol NotYetSupported",
            ),
            ("record_word", "strict compromised"),
            ("progress_state", "running interrupted complete"),
            ("stage", "kept announced due ended erasable"),
            ("verb", "read append request"),
            (
                "why",
                "ok now not_in_log cut no_agreement expired suspended excluded winding_down ended not_yet not_granted ceiling grant_ended grant_ceiling no_consent no_pass \
                 pass_expired pass_not_named pass_not_granted hidden_audience no_fourth out_of_touch restricted not_this_member not_their_seat reading_locked needs_consent via onward_none not_in_compact",
            ),
            ("effects", "offer accept suspend resume end"),
            (
                "compact_next",
                "to_offer to_accept signed newer_signed offered accepted declined deviation_by_us deviation_to_us no_card unchecked_card",
            ),
            ("change", "added removed widened narrowed changed"),
            ("urgency", "flash urgent priority routine"),
            ("ask_state", "open granted refused consented lapsed"),
            ("pending_state", "waiting grant_made grant_refused grant_lapsed"),
            ("ground_word", "incomplete not_competent disproportionate harm withheld restricted forbidden not_held"),
            ("sealed", "offered accepted declined concluded"),
            (
                "annex",
                "number form notice_days emergency_clause excluded responses liaisons pairings clusters retention heads articles calendar compact lifts",
            ),
            ("check", "disk keys ports clock certificate partner address transport identity agreement version"),
            ("word", "node laptop"),
        ];
        let words = Words::of(Lang::Zh);
        let mut missing: Vec<String> = groups
            .iter()
            .flat_map(|(group, list)| list.split(' ').map(move |word| format!("{group}.{word}")))
            .filter(|key| words.find(key).is_none())
            .collect();
        let categories = accord_protocol::agreement::Category::ALL.iter().map(|category| category.code().replace('.', "_"));
        missing.extend(categories.map(|code| format!("category.{code}")).filter(|key| words.find(key).is_none()));
        for (_, text) in sources().iter().filter(|(path, _)| path.ends_with("render.rs")) {
            for list in text.split("Table::new(words, &[").skip(1) {
                let columns = list.split(']').next().unwrap_or_default().split(',').map(|word| word.trim().trim_matches('"'));
                missing.extend(columns.map(|word| format!("column.{word}")).filter(|key| words.find(key).is_none()));
            }
        }
        assert!(missing.is_empty(), "missing: {missing:#?}");
    }

    #[test]
    fn a_locale_chooses_english_only_when_it_says_so() {
        let check = |pairs: &[(&str, &str)], expect: Lang| {
            let found = Lang::from_locale(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
            assert_eq!(found, expect, "{pairs:?}");
        };
        check(&[], Lang::Zh);
        check(&[("LANG", "C")], Lang::Zh);
        check(&[("LANG", "C.UTF-8")], Lang::Zh);
        check(&[("LANG", "en_GB.UTF-8")], Lang::En);
        check(&[("LANG", "zh_CN.GB18030")], Lang::Zh);
        check(&[("LC_ALL", "zh_CN.UTF-8"), ("LANG", "en_US.UTF-8")], Lang::Zh);
        check(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")], Lang::En);
        check(&[("LC_MESSAGES", "en"), ("LANG", "zh_CN")], Lang::En);
    }

    #[test]
    fn a_failure_without_a_sentence_still_says_its_code_and_values() {
        let told = Words::of(Lang::En).sentences(&Failure::refused("no_such_code_exists").with("partner", "lake"));
        assert!(told.error.contains("no_such_code_exists"), "{told:?}");
        assert_eq!(told.cause.as_deref(), Some("partner=lake"));
    }

    #[test]
    fn a_cause_that_would_name_nothing_is_left_out() {
        let words = Words::of(Lang::En);
        let bare = words.sentences(&Failure::misuse("usage_unknown_verb").with("found", "bulletn"));
        assert_eq!((bare.error.as_str(), bare.cause), ("there is no verb \"bulletn\"", None));
        let full = words.sentences(&Failure::misuse("usage_unknown_verb").with("found", "bulletn").with("suggested", "bulletin"));
        assert_eq!(full.cause.as_deref(), Some("similar: bulletin"));
    }

    #[test]
    fn values_fill_sentences_and_a_missing_one_shows_a_dash() {
        assert_eq!(replace("{a} and {b} and {", |name| (name == "a").then(|| "x".into())), "x and – and {");
    }
}
