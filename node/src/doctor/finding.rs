//! One thing that was looked at, told by a stable word and values: who reads it fills the sentence in the own language.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::words::Words;

/// One thing looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `disk`, `keys`, `ports`, `clock`, `certificate`, `partner`, `address`, `transport`, `identity`, `agreement`, `version`.
    pub check: String,
    /// Whether it is well.
    pub ok: bool,
    /// Stable word. The catalogues say it under `doctor.CODE`, and what to do about it under `doctor.CODE_next`.
    #[serde(default)]
    pub code: String,
    /// Values the sentences name: names, addresses, paths, sizes and times, never content.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// What it sums up, if it sums up several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Finding>,
    /// What was found, in words; English as the API gives it, the reader's language on the command line.
    #[serde(default)]
    pub detail: String,
    /// What to do when it is not well, likewise.
    #[serde(default)]
    pub hint: String,
}

impl Finding {
    /// Something that is well. The check is the first word of the code: `disk_good` is about `disk`.
    pub fn good(code: &str) -> Self {
        let check = code.split('_').next().unwrap_or_default().to_owned();
        Self { check, ok: true, code: code.to_owned(), ..Self::default() }
    }
    /// Something that is not; its code has a next step in the catalogues, or its first part has.
    pub fn bad(code: &str) -> Self {
        Self { ok: false, ..Self::good(code) }
    }
    /// Adds a named value for the sentences.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }
    /// Adds what it sums up.
    #[must_use]
    pub fn of(mut self, parts: Vec<Finding>) -> Self {
        self.parts = parts;
        self
    }

    /// The same with `detail` and `hint` in the language of `words`. A code the catalogue does not know (a daemon of another version) keeps
    /// the words it came with.
    #[must_use]
    pub fn told(&self, words: &Words) -> Self {
        let mut told = Self { parts: self.parts.iter().map(|part| part.told(words)).collect(), ..self.clone() };
        let key = format!("doctor.{}", self.code);
        if words.find(&key).is_none() {
            return told;
        }
        let parts = told.parts.iter().map(|part| part.detail.as_str()).collect::<Vec<_>>().join(words.say("doctor.and"));
        let standing = self.params.get("standing").map(|standing| words.term("standing", standing)).unwrap_or_default();
        let mut values: Vec<(&str, &dyn Display)> = vec![("parts", &parts), ("standing", &standing)];
        values.extend(self.params.iter().map(|(name, value)| (name.as_str(), value as &dyn Display)));
        let next = format!("{key}_next");
        told.hint = match (self.ok, words.find(&next)) {
            (true, _) => String::new(),
            (false, Some(_)) => words.fill(&next, &values),
            (false, None) => told.parts.first().map(|part| part.hint.clone()).unwrap_or_default(),
        };
        told.detail = words.fill(&key, &values);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    #[test]
    fn one_finding_reads_in_the_language_of_its_reader() {
        let found = Finding::bad("keys_open").with("path", "/d/node.keys").with("mode", "0644").with("command", "chmod 0600 /d/node.keys");
        let (zh, en) = (found.told(&Words::of(Lang::Zh)), found.told(&Words::of(Lang::En)));
        assert_eq!((zh.check.as_str(), zh.detail.as_str()), ("keys", "/d/node.keys 的权限为 0644，其他用户可以使用"));
        assert_eq!((en.detail.as_str(), en.hint.as_str()), ("/d/node.keys has mode 0644, others can use it", "chmod 0600 /d/node.keys"));
        assert_eq!(en.told(&Words::of(Lang::Zh)), zh, "what came in English is told again in Chinese");
    }

    #[test]
    fn a_sum_says_each_part_and_the_next_step_of_the_first() {
        let part = |at: &str| Finding::bad("transport_late").with("address", at);
        let sum = Finding::bad("partner_unreached").with("partner", "北岭").of(vec![part("10.0.0.1:1"), part("10.0.0.2:2")]);
        let told = sum.told(&Words::of(Lang::Zh));
        assert!(told.detail.starts_with("北岭：10.0.0.1:1 ") && told.detail.contains("；10.0.0.2:2 "), "{told:?}");
        assert!(!told.hint.is_empty() && told.hint == told.parts[0].hint, "{told:?}");
    }

    #[test]
    fn the_standing_of_an_agreement_is_told_in_words() {
        let told = Finding::bad("agreement_other").with("standing", "suspended").told(&Words::of(Lang::En));
        assert!(!told.detail.contains('–') && told.detail.contains(&Words::of(Lang::En).term("standing", "suspended")), "{told:?}");
    }

    #[test]
    fn words_of_another_version_are_kept() {
        let old = Finding { check: "disk".into(), detail: "3 GiB".into(), hint: "make room".into(), ..Finding::default() };
        assert_eq!(old.told(&Words::of(Lang::Zh)), old);
    }
}
