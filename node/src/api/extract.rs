//! What a request says, and how a failure is told back.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::App;
use crate::failure::{Failure, Problem};
use crate::words::{Lang, Words};

/// What is read and thrown away of a body that is too large, bytes: a client that still writes would lose our answer to a broken connection.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request body must be there within this, seconds.
const BODY_S_MAX: u64 = 30;
/// The one failure with a status of its own, 413.
const TOO_LARGE: &str = "body_too_large";

/// Who asks, and whether only to see what would happen.
pub(super) struct Who {
    pub person: Option<String>,
    pub dry_run: bool,
}

/// The query of one request, every parameter known.
pub(super) struct Query {
    pub who: Who,
    pub after: Option<u64>,
    pub limit: Option<u64>,
    /// What only some routes know; [`Query::only`] refuses the rest.
    pub more: BTreeMap<String, String>,
}

impl Query {
    /// Refuses parameters this route does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problems> {
        match self.more.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Problems(Failure::misuse("bad_query").with("name", name))),
        }
    }

    /// One of this route's own parameters.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.more.get(name).map(String::as_str)
    }

    /// One of this route's own parameters that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problems> {
        let bad = |_| Problems(Failure::misuse("bad_query").with("name", name));
        self.value(name).map(|value| value.parse().map_err(bad)).transpose()
    }
}

impl FromRequestParts<App> for Query {
    type Rejection = Problems;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problems> {
        let mut query = Self { who: Who { person: None, dry_run: false }, after: None, limit: None, more: BTreeMap::new() };
        let bad = |name: &str| Problems(Failure::misuse("bad_query").with("name", name));
        let pairs: axum::extract::Query<Vec<(String, String)>> =
            axum::extract::Query::try_from_uri(&parts.uri).map_err(|error| Problems(Failure::misuse("bad_query").because(error)))?;
        for (name, value) in &pairs.0 {
            match (name.as_str(), value.as_str()) {
                ("as", person) => query.who.person = Some(person.to_owned()),
                ("dry_run", "true") => query.who.dry_run = true,
                ("dry_run", "false") => query.who.dry_run = false,
                ("after", number) => query.after = Some(number.parse().map_err(|_| bad(name))?),
                ("limit", number) => query.limit = Some(number.parse().map_err(|_| bad(name))?),
                ("dry_run", _) => return Err(bad(name)),
                _ if query.more.contains_key(name) => return Err(bad(name)),
                _ => drop(query.more.insert(name.clone(), value.clone())),
            }
        }
        Ok(query)
    }
}

impl FromRequestParts<App> for Who {
    type Rejection = Problems;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problems> {
        let query = Query::from_request_parts(parts, app).await?;
        query.only(&[])?;
        match (query.after, query.limit) {
            (None, None) => Ok(query.who),
            (Some(_), _) => Err(Problems(Failure::misuse("bad_query").with("name", "after"))),
            (None, Some(_)) => Err(Problems(Failure::misuse("bad_query").with("name", "limit"))),
        }
    }
}

/// One segment of a path, decoded.
pub(super) struct Name(pub String);

impl FromRequestParts<App> for Name {
    type Rejection = Problems;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problems> {
        match axum::extract::Path::<String>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(name)) => Ok(Self(name)),
            Err(error) => Err(Problems(Failure::misuse("bad_name").with("path", parts.uri.path()).because(error))),
        }
    }
}

/// Two segments of a path, decoded.
pub(super) struct Names(pub String, pub String);

impl FromRequestParts<App> for Names {
    type Rejection = Problems;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problems> {
        match axum::extract::Path::<(String, String)>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path((one, other))) => Ok(Self(one, other)),
            Err(error) => Err(Problems(Failure::misuse("bad_name").with("path", parts.uri.path()).because(error))),
        }
    }
}

/// A JSON body within the configured bound.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problems;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problems> {
        let most = app.config.api_body_bytes_max;
        let whole = tokio::time::timeout(Duration::from_secs(BODY_S_MAX), body(request.into_body(), most)).await;
        let late = |_| Failure::misuse("bad_body").because(format!("it was not complete after {BODY_S_MAX} seconds"));
        let bytes = whole.map_err(late)??;
        // serde's own sentence may quote a value, and a value may be case content: only the place is told.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let what = match error.classify() {
                Category::Io => "unreadable",
                Category::Syntax => "no JSON",
                Category::Data => "a field missing, unknown or of another kind",
                Category::Eof => "cut short",
            };
            Problems(Failure::misuse("bad_body").because(format!("{what}, at line {} column {}", error.line(), error.column())))
        })
    }
}

async fn body(mut body: Body, most: usize) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut seen) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| Failure::misuse("bad_body").because(error))?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            bytes.extend_from_slice(&data);
        } else if seen > DISCARD_BYTES_MAX {
            break;
        }
    }
    if seen > most { Err(Failure::misuse("body_too_large").with("max", most)) } else { Ok(bytes) }
}

/// A failure on its way out.
pub(super) struct Problems(pub Failure);

impl From<Failure> for Problems {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Problems {
    fn into_response(self) -> Response {
        let told = Words::of(Lang::En).sentences(&self.0);
        let mut problem = Problem::of(&self.0, told.error, told.hint);
        if problem.code == TOO_LARGE {
            problem.status = StatusCode::PAYLOAD_TOO_LARGE.as_u16();
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json(status, "application/problem+json", &problem)
    }
}

/// A good answer.
pub(super) struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, "application/json", &self.0)
    }
}

fn json(status: StatusCode, kind: &'static str, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], Body::from(bytes)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
