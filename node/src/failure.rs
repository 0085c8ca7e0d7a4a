//! Why something asked of `accord` was not done: whose matter it is, a stable code, and the values the sentence names.
//!
//! One type serves the command line, the API and everything in this crate that talks to people. It holds no sentences: those live in the
//! catalogues under `refused.CODE` ([`crate::words`]). Case content never gets in: parameters are names, ids, paths, sizes and times.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use accord_protocol::view::{Refused, RefusedKind};
use serde::{Deserialize, Serialize};

/// Whose matter a failure is; decides exit code and HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Agreement, log or rights say no.
    Refused,
    /// Nothing of that name.
    NotFound,
    /// Several things match.
    Ambiguous,
    /// Wrongly used or wrongly configured.
    Misuse,
    /// The daemon did not answer.
    Unreachable,
    /// Our fault: a bug or a bad disk.
    Fault,
}

impl Kind {
    /// Exit code of the process: 1 refused or not found, 2 wrong use or configuration, 3 daemon not reached, 4 our fault.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Refused | Kind::NotFound | Kind::Ambiguous => 1,
            Kind::Misuse => 2,
            Kind::Unreachable => 3,
            Kind::Fault => 4,
        }
    }

    /// HTTP status of an answer that reports it.
    pub const fn status(self) -> u16 {
        match self {
            Kind::Refused => 409,
            Kind::NotFound => 404,
            Kind::Ambiguous => 300,
            Kind::Misuse => 422,
            Kind::Unreachable => 503,
            Kind::Fault => 500,
        }
    }
}

impl From<RefusedKind> for Kind {
    fn from(kind: RefusedKind) -> Self {
        match kind {
            RefusedKind::Refused => Kind::Refused,
            RefusedKind::NotFound => Kind::NotFound,
            RefusedKind::Ambiguous => Kind::Ambiguous,
            RefusedKind::Misuse => Kind::Misuse,
            RefusedKind::Fault => Kind::Fault,
        }
    }
}

/// One failure.
#[derive(Debug)]
pub struct Failure {
    /// Whose matter it is.
    pub kind: Kind,
    /// Stable word; the sentences are in the catalogues under `refused.CODE`.
    pub code: String,
    /// Values the sentences name, in the order given.
    pub params: Vec<(String, String)>,
    /// What went wrong underneath, for the log and the `cause:` line when the catalogue has none.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of `kind` with its stable code.
    pub fn new(kind: Kind, code: impl Into<String>) -> Self {
        Self { kind, code: code.into(), params: Vec::new(), source: None }
    }
    /// Agreement, log or rights say no.
    pub fn refused(code: &str) -> Self {
        Self::new(Kind::Refused, code)
    }
    /// Nothing of that name.
    pub fn not_found(code: &str) -> Self {
        Self::new(Kind::NotFound, code)
    }
    /// Wrong use or configuration.
    pub fn misuse(code: &str) -> Self {
        Self::new(Kind::Misuse, code)
    }
    /// The daemon did not answer.
    pub fn unreachable(code: &str) -> Self {
        Self::new(Kind::Unreachable, code)
    }
    /// Our fault.
    pub fn fault(code: &str) -> Self {
        Self::new(Kind::Fault, code)
    }
    /// Adds a named value for the sentences.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.push((name.to_owned(), value.to_string()));
        self
    }
    /// Keeps the error underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// The value named `name`, if the failure has one.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// The error underneath and everything under it, joined with `: `; empty when there is none.
    pub fn chain(&self) -> String {
        let mut words = Vec::new();
        let mut at: Option<&(dyn Error + 'static)> = self.source.as_deref().map(|error| error as _);
        while let Some(error) = at {
            words.push(error.to_string());
            at = error.source();
        }
        words.join(": ")
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self { kind: refused.kind.into(), code: refused.code, params: refused.params, source: None }
    }
}

impl fmt::Display for Failure {
    /// For logs: code and values. People get the catalogue's sentences.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        for (name, value) in &self.params {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

/// A failure as the API sends it (`application/problem+json`, RFC 9457) and as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `accord:problem/CODE`.
    #[serde(rename = "type")]
    pub uri: String,
    /// One sentence from the catalogue.
    pub title: String,
    /// What to do next, one sentence from the catalogue; absent where there is nothing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// Whose matter it is.
    pub kind: Kind,
    /// Values the sentences name; several values of one name are joined with `, `.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// What went wrong underneath, technical; absent when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Problem {
    /// The problem object of a failure, with the sentences given.
    pub fn of(failure: &Failure, title: String, next: Option<String>) -> Self {
        let mut params: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &failure.params {
            let held = params.entry(name.clone()).or_default();
            if !held.is_empty() {
                held.push_str(", ");
            }
            held.push_str(value);
        }
        Self {
            uri: format!("accord:problem/{}", failure.code),
            title,
            next: next.unwrap_or_default(),
            status: failure.kind.status(),
            code: failure.code.clone(),
            kind: failure.kind,
            params,
            detail: failure.chain(),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let source = (!problem.detail.is_empty()).then(|| problem.detail.into());
        Self { kind: problem.kind, code: problem.code, params: problem.params.into_iter().collect(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_exit_code_the_documentation_promises() {
        let codes = [Kind::Refused, Kind::NotFound, Kind::Ambiguous, Kind::Misuse, Kind::Unreachable, Kind::Fault].map(Kind::exit_code);
        assert_eq!(codes, [1, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn a_failure_survives_the_way_through_the_api() {
        let failure = Failure::from(
            Refused::new(RefusedKind::Ambiguous, "ambiguous_name").with("name", "河").with("candidate", "河东").with("candidate", "河西"),
        )
        .because(std::io::Error::other("two match"));
        let json =
            serde_json::to_string(&Problem::of(&failure, "several match".into(), Some("name one".into()))).expect("plain strings encode");
        let back = Failure::from(serde_json::from_str::<Problem>(&json).expect("what we wrote reads back"));
        assert_eq!((back.kind, back.code.as_str()), (Kind::Ambiguous, "ambiguous_name"));
        assert_eq!(back.param("candidate"), Some("河东, 河西"));
        assert_eq!(back.chain(), "two match");
    }
}
