//! What a person may set for one node: `accord.toml`.
//!
//! Every key stands in one table, [`KEYS`], with its default, unit, bounds and meaning; reading, the commented template of `accord init` and
//! `config show` all come from it. An unknown key is refused with its line and the nearest known key, never ignored. Secrets are never in
//! this file. Limits here are back-pressure: they may delay, they never decide.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::{DeTable, DeValue};

use crate::swarm;
use crate::words::{Lang, Words};

/// Longest configuration file that is read, bytes.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where partners may connect: `host:port` or multiaddr. Empty: this node only dials.
    pub listen: Vec<String>,
    /// Language of messages: `zh`, `en` or `auto` (from the locale).
    pub language: String,
    /// Where partners reach us, for our card.
    pub contact_addresses: Vec<String>,
    /// Duty phone on our card.
    pub contact_phone: String,
    /// Least severe log line that is written.
    pub log_level: String,
    /// `text` or `json` log lines.
    pub log_format: String,
    /// The API's Unix socket; relative to the data folder.
    pub api_socket: PathBuf,
    /// API connections served at once.
    pub api_connections_max: usize,
    /// Largest API request body, bytes.
    pub api_body_bytes_max: usize,
    /// How long a client may take to send its request head, seconds.
    pub api_header_seconds: u64,
    /// Most inputs decided in one turn, and so in one durable commit.
    pub inputs_per_turn_max: usize,
    /// Frames checked in parallel; 0 is one per processor.
    pub verify_workers: usize,
    /// Bytes of one link that wait to be checked.
    pub link_bytes_max: usize,
    /// Free disk below which `doctor` reports a fault, bytes. The store keeps a reserve of its own, which this does not change.
    pub disk_reserve_bytes: u64,
    /// Days after which this node can no longer open a backup by itself.
    pub backup_keep_days: u64,
}

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text { bytes_max: usize },
    Word(&'static [&'static str]),
    Addresses { count_max: usize, usable: fn(&str) -> bool },
    Count { min: u64, max: u64 },
}

/// One key of the file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `key` or `section.key`.
    pub path: &'static str,
    /// The default as TOML.
    pub default: &'static str,
    kind: Kind,
    get: fn(&Config) -> String,
    set: fn(&mut Config, Value),
}

/// A value of the right kind.
#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Texts(Vec<String>),
    Count(u64),
}

impl Value {
    fn text(self) -> String {
        match self {
            Value::Text(text) => text,
            Value::Texts(_) | Value::Count(_) => String::new(),
        }
    }
    fn texts(self) -> Vec<String> {
        match self {
            Value::Texts(texts) => texts,
            Value::Text(_) | Value::Count(_) => Vec::new(),
        }
    }
    fn count(self) -> u64 {
        match self {
            Value::Count(count) => count,
            Value::Text(_) | Value::Texts(_) => 0,
        }
    }
    fn size(self) -> usize {
        usize::try_from(self.count()).unwrap_or(usize::MAX)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

/// Every key there is, in file order: top level first, then by section.
pub const KEYS: &[Key] = &[
    Key {
        path: "listen",
        default: "[]",
        kind: Kind::Addresses { count_max: 16, usable: |text| swarm::check_listen(text).is_ok() },
        get: |c| list(&c.listen),
        set: |c, v| c.listen = v.texts(),
    },
    Key {
        path: "language",
        default: "\"auto\"",
        kind: Kind::Word(&["auto", "zh", "en"]),
        get: |c| quoted(&c.language),
        set: |c, v| c.language = v.text(),
    },
    Key {
        path: "contact.addresses",
        default: "[]",
        kind: Kind::Addresses { count_max: 16, usable: |text| swarm::check_address(text).is_ok() },
        get: |c| list(&c.contact_addresses),
        set: |c, v| c.contact_addresses = v.texts(),
    },
    Key {
        path: "contact.phone",
        default: "\"\"",
        kind: Kind::Text { bytes_max: 64 },
        get: |c| quoted(&c.contact_phone),
        set: |c, v| c.contact_phone = v.text(),
    },
    Key {
        path: "log.level",
        default: "\"info\"",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        get: |c| quoted(&c.log_level),
        set: |c, v| c.log_level = v.text(),
    },
    Key {
        path: "log.format",
        default: "\"text\"",
        kind: Kind::Word(&["text", "json"]),
        get: |c| quoted(&c.log_format),
        set: |c, v| c.log_format = v.text(),
    },
    Key {
        path: "api.socket",
        default: "\"run/api.sock\"",
        kind: Kind::Text { bytes_max: 100 },
        get: |c| quoted(&c.api_socket.to_string_lossy()),
        set: |c, v| c.api_socket = PathBuf::from(v.text()),
    },
    Key {
        path: "api.connections_max",
        default: "64",
        kind: Kind::Count { min: 1, max: 1024 },
        get: |c| c.api_connections_max.to_string(),
        set: |c, v| c.api_connections_max = v.size(),
    },
    Key {
        path: "api.body_bytes_max",
        default: "1048576",
        kind: Kind::Count { min: 64 * 1024, max: 16 * 1024 * 1024 },
        get: |c| c.api_body_bytes_max.to_string(),
        set: |c, v| c.api_body_bytes_max = v.size(),
    },
    Key {
        path: "api.header_seconds",
        default: "10",
        kind: Kind::Count { min: 1, max: 60 },
        get: |c| c.api_header_seconds.to_string(),
        set: |c, v| c.api_header_seconds = v.count(),
    },
    Key {
        path: "limits.inputs_per_turn_max",
        default: "128",
        kind: Kind::Count { min: 1, max: 8192 },
        get: |c| c.inputs_per_turn_max.to_string(),
        set: |c, v| c.inputs_per_turn_max = v.size(),
    },
    Key {
        path: "limits.verify_workers",
        default: "0",
        kind: Kind::Count { min: 0, max: 64 },
        get: |c| c.verify_workers.to_string(),
        set: |c, v| c.verify_workers = v.size(),
    },
    Key {
        path: "limits.link_bytes_max",
        default: "16777216",
        kind: Kind::Count { min: 12 * 1024 * 1024, max: 256 * 1024 * 1024 },
        get: |c| c.link_bytes_max.to_string(),
        set: |c, v| c.link_bytes_max = v.size(),
    },
    Key {
        path: "limits.disk_reserve_bytes",
        default: "67108864",
        kind: Kind::Count { min: 16 * 1024 * 1024, max: 1 << 40 },
        get: |c| c.disk_reserve_bytes.to_string(),
        set: |c, v| c.disk_reserve_bytes = v.count(),
    },
    Key {
        path: "backup.keep_days",
        default: "90",
        kind: Kind::Count { min: 1, max: 3650 },
        get: |c| c.backup_keep_days.to_string(),
        set: |c, v| c.backup_keep_days = v.count(),
    },
];

/// Why the configuration cannot be used. Lines count from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("{path}: cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// Not TOML.
    #[error("line {line}: not TOML: {why}")]
    Syntax {
        /// Where.
        line: usize,
        /// What the parser said.
        why: String,
    },
    /// A key nobody knows.
    #[error("line {line}: unknown key `{key}`{}", suggestion(nearest))]
    UnknownKey {
        /// Where.
        line: usize,
        /// The key as written, with its section.
        key: String,
        /// The known key that looks most like it, if any does.
        nearest: Option<&'static str>,
    },
    /// A known key with a value of another kind.
    #[error("line {line}: `{key}` must be {expected}, found {found}")]
    WrongType {
        /// Where.
        line: usize,
        /// The key.
        key: &'static str,
        /// What it takes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A known key with a value outside its bounds.
    #[error("line {line}: `{key}` must be {expected}, found {found}")]
    OutOfBounds {
        /// Where.
        line: usize,
        /// The key.
        key: &'static str,
        /// What it takes.
        expected: String,
        /// What stands there.
        found: String,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            language: "auto".to_owned(),
            contact_addresses: Vec::new(),
            contact_phone: String::new(),
            log_level: "info".to_owned(),
            log_format: "text".to_owned(),
            api_socket: PathBuf::from("run/api.sock"),
            api_connections_max: 64,
            api_body_bytes_max: 1024 * 1024,
            api_header_seconds: 10,
            inputs_per_turn_max: 128,
            verify_workers: 0,
            link_bytes_max: 16 * 1024 * 1024,
            disk_reserve_bytes: 64 * 1024 * 1024,
            backup_keep_days: 90,
        }
    }
}

impl Config {
    /// The configuration file of a data folder.
    pub fn path(data: &Path) -> PathBuf {
        data.join("accord.toml")
    }

    /// Reads `accord.toml` of a data folder; a missing file is the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] with the line at fault.
    pub fn load(data: &Path) -> Result<Self, ConfigError> {
        let path = Self::path(data);
        let unreadable = |why: String| ConfigError::Unreadable { path: path.display().to_string(), why };
        let length = match std::fs::metadata(&path) {
            Ok(facts) => facts.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        if length > CONFIG_BYTES_MAX {
            return Err(unreadable(format!("{length} bytes, at most {CONFIG_BYTES_MAX} are read")));
        }
        Self::parse(&std::fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] for the first fault, with its line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let line_of = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            line: line_of(error.span().map_or(0, |span| span.start)),
            why: error.message().to_owned(),
        })?;
        let mut config = Self::default();
        for (key, value) in table.get_ref().iter() {
            let (name, line) = (key.get_ref().as_ref(), line_of(key.span().start));
            match value.get_ref() {
                DeValue::Table(section) if KEYS.iter().any(|known| known.path.split_once('.').is_some_and(|(first, _)| first == name)) => {
                    for (key, value) in section.iter() {
                        let path = format!("{name}.{}", key.get_ref().as_ref());
                        config.take(&path, value.get_ref(), line_of(key.span().start))?;
                    }
                }
                other => config.take(name, other, line)?,
            }
        }
        Ok(config)
    }

    fn take(&mut self, path: &str, value: &DeValue<'_>, line: usize) -> Result<(), ConfigError> {
        let Some(key) = KEYS.iter().find(|key| key.path == path) else {
            return Err(ConfigError::UnknownKey { line, key: path.to_owned(), nearest: nearest(path) });
        };
        let value = key.kind.read(value).map_err(|fault| match fault {
            Fault::Type(found) => ConfigError::WrongType { line, key: key.path, expected: key.kind.words(), found },
            Fault::Bounds(found) => ConfigError::OutOfBounds { line, key: key.path, expected: key.kind.words(), found },
        })?;
        (key.set)(self, value);
        Ok(())
    }

    /// The settings in force as a file that would cause them, every key documented in the language of `words`.
    pub fn show(&self, words: &Words) -> String {
        render(&[*words], |key| (key.get)(self), false)
    }

    /// The file `accord init` writes: every key with its meaning, in both languages because nobody knows who will open it; keys at their
    /// default are commented out.
    pub fn template(&self) -> String {
        let languages = [Lang::Zh, Lang::En].map(Words::of);
        let head: String = languages.iter().map(|words| comment(words.say("config.head"))).collect();
        format!("{head}\n{}", render(&languages, |key| (key.get)(self), true))
    }

    /// The API socket of a data folder.
    pub fn socket(&self, data: &Path) -> PathBuf {
        data.join(&self.api_socket)
    }
}

/// What is wrong with a value.
enum Fault {
    Type(String),
    Bounds(String),
}

impl Kind {
    fn words(self) -> String {
        match self {
            Kind::Text { bytes_max } => format!("a text of at most {bytes_max} bytes"),
            Kind::Word(words) => format!("one of {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ")),
            Kind::Addresses { count_max, .. } => format!("a list of at most {count_max} addresses with their ports"),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
        }
    }

    fn read(self, value: &DeValue<'_>) -> Result<Value, Fault> {
        match (self, value) {
            (Kind::Text { bytes_max }, DeValue::String(text)) if text.len() <= bytes_max => Ok(Value::Text(text.to_string())),
            (Kind::Text { .. }, DeValue::String(text)) => Err(Fault::Bounds(format!("{} bytes", text.len()))),
            (Kind::Word(words), DeValue::String(text)) if words.contains(&text.as_ref()) => Ok(Value::Text(text.to_string())),
            (Kind::Word(_), DeValue::String(text)) => Err(Fault::Bounds(quoted(text))),
            (Kind::Addresses { count_max, .. }, DeValue::Array(items)) if items.len() > count_max => {
                Err(Fault::Bounds(format!("{} of them", items.len())))
            }
            (Kind::Addresses { usable, .. }, DeValue::Array(items)) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) if usable(text) => Ok(text.to_string()),
                    DeValue::String(text) => Err(Fault::Bounds(quoted(&text.chars().take(64).collect::<String>()))),
                    other => Err(Fault::Type(format!("a list with {}", type_words(other)))),
                })
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Texts),
            (Kind::Count { min, max }, DeValue::Integer(number)) => {
                let digits = number.as_str().replace('_', "");
                match u64::from_str_radix(&digits, number.radix()) {
                    Ok(count) if (min..=max).contains(&count) => Ok(Value::Count(count)),
                    _ => Err(Fault::Bounds(number.as_str().to_owned())),
                }
            }
            (_, other) => Err(Fault::Type(type_words(other).to_owned())),
        }
    }
}

fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

impl Key {
    /// Its meaning, unit and bounds in one or two sentences.
    fn doc(&self, words: &Words) -> &'static str {
        words.find(&format!("setting.{}", self.path)).expect("every key has its sentence, which a test looks for")
    }
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

fn render(languages: &[Words], value: impl Fn(&Key) -> String, comment_defaults: bool) -> String {
    let mut out = String::new();
    let mut section = "";
    for key in KEYS {
        let (first, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if first != section {
            section = first;
            let _ = writeln!(out, "[{section}]");
        }
        let value = value(key);
        let mark = if comment_defaults && value == key.default { "# " } else { "" };
        let docs: String = languages.iter().map(|words| comment(key.doc(words))).collect();
        let _ = writeln!(out, "{docs}{mark}{name} = {value}\n");
    }
    out
}

/// The known key that needs the fewest edits, if they are few.
fn nearest(path: &str) -> Option<&'static str> {
    let name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    KEYS.iter()
        .map(|key| (edits(path, key.path).min(edits(&name(path), &name(key.path)) + 1), key.path))
        .min_by_key(|(count, _)| *count)
        .filter(|(count, key)| *count <= key.len() / 3 + 1)
        .map(|(_, key)| key)
}

/// Levenshtein distance; both sides are cut at 64 characters.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        match Config::parse(text) {
            Ok(config) => assert_eq!(expect, "ok", "{text:?} was read as {config:?}"),
            Err(error) => assert_eq!(error.to_string(), expect, "{text:?}"),
        }
    }

    #[test]
    fn faults_name_their_line_their_key_and_what_would_be_right() {
        check("", "ok");
        check("listen = [\"10.0.0.1:7400\"]\n[log]\nlevel = \"debug\"\n", "ok");
        check("\nlisen = []\n", "line 2: unknown key `lisen`; did you mean `listen`?");
        check("[log]\nlevle = \"info\"\n", "line 2: unknown key `log.levle`; did you mean `log.level`?");
        check("level = \"info\"", "line 1: unknown key `level`; did you mean `log.level`?");
        check("[console]\nport = 1\n", "line 1: unknown key `console`");
        check("listen = \"10.0.0.1:7400\"", "line 1: `listen` must be a list of at most 16 addresses with their ports, found a text");
        check("listen = [1]", "line 1: `listen` must be a list of at most 16 addresses with their ports, found a list with a number");
        check("listen = [\"nowhere\"]", "line 1: `listen` must be a list of at most 16 addresses with their ports, found \"nowhere\"");
        check(
            "listen = [\"node.example:4600\"]",
            "line 1: `listen` must be a list of at most 16 addresses with their ports, found \"node.example:4600\"",
        );
        check("[contact]\naddresses = [\"node.example:4600\"]", "ok");
        check(
            "[contact]\naddresses = [\"0.0.0.0:4600\"]",
            "line 2: `contact.addresses` must be a list of at most 16 addresses with their ports, found \"0.0.0.0:4600\"",
        );
        check(
            "[log]\nlevel = \"loud\"",
            "line 2: `log.level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", found \"loud\"",
        );
        check("log = 3", "line 1: unknown key `log`");
        check("[api]\nconnections_max = 0", "line 2: `api.connections_max` must be a whole number from 1 to 1024, found 0");
        check("[api]\nconnections_max = -1", "line 2: `api.connections_max` must be a whole number from 1 to 1024, found -1");
        check(
            "[api]\nconnections_max = 99999999999999999999",
            "line 2: `api.connections_max` must be a whole number from 1 to 1024, found 99999999999999999999",
        );
        check("[api]\nconnections_max = 0x10", "ok");
    }

    #[test]
    fn text_that_is_no_toml_is_refused_with_its_line() {
        let error = Config::parse("listen = []\n[log\n").expect_err("an open bracket");
        assert!(matches!(error, ConfigError::Syntax { line: 2, .. }), "{error:?}");
    }

    #[test]
    fn every_default_in_the_table_is_the_default_in_force() {
        let defaults = Config::default();
        for key in KEYS {
            assert_eq!((key.get)(&defaults), key.default, "{}", key.path);
            let [zh, en] = [Lang::Zh, Lang::En].map(|lang| key.doc(&Words::of(lang)));
            let Kind::Count { min, max } = key.kind else { continue };
            assert!(en.contains(&format!("{min} to {max}")), "{}: the text names other bounds than {min} to {max}", key.path);
            assert!(zh.contains(&format!("{min} 至 {max}")), "{}: the text names other bounds than {min} to {max}", key.path);
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_settings() {
        let set = Config {
            listen: vec!["[::1]:7400".to_owned()],
            contact_phone: "0571-0000000 \"quoted\"".to_owned(),
            verify_workers: 7,
            ..Config::default()
        };
        for lang in [Lang::Zh, Lang::En] {
            let shown = set.show(&Words::of(lang));
            assert_eq!(Config::parse(&shown), Ok(set.clone()));
            assert_eq!(shown.contains("值班电话"), lang == Lang::Zh, "in the reader's language: {shown}");
        }
        assert_eq!(Config::parse(&set.template()), Ok(set));
        assert_eq!(Config::parse(&Config::default().template()), Ok(Config::default()));
    }

    #[test]
    fn a_missing_file_is_the_defaults_and_an_unreadable_one_is_an_error() {
        let data = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Config::load(data.path()), Ok(Config::default()));
        std::fs::create_dir(Config::path(data.path())).expect("a folder in the way");
        assert!(matches!(Config::load(data.path()), Err(ConfigError::Unreadable { .. })));
    }
}
