//! The account for auditors: a stream of lines, one JSON object each, with progress in between.

use std::io;

use accord_protocol::bureau::AccountLine;
use accord_protocol::input::Command;
use accord_protocol::view::{JournalView, View};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::App;
use super::extract::{Answer, Problems, Query, Who};
use crate::failure::Failure;
use crate::journal_lines::{self, Filter, Names};

/// Batches after which progress is told even when no line was found.
const PROGRESS_EVERY: u64 = 2_000;
/// Lines that wait for a slow reader. Back-pressure.
const LINES_WAITING: usize = 256;

/// `GET /v1/journal?document&partner&person&kind&since&until`: newline-separated JSON; `{"done":N,"total":M}` between lines, `{"end":COUNT}`
/// as the last one, without which the answer is not whole.
pub(super) async fn lines(State(app): State<App>, query: Query) -> Result<Response, Problems> {
    query.only(&["document", "partner", "person", "kind", "since", "until"])?;
    let value = |name: &str| query.value(name).map(str::to_owned);
    let command = Command::JournalRead { document: value("document"), partner: value("partner"), person: value("person") };
    let (since, until) = (query.number("since")?.unwrap_or(0), query.number("until")?.unwrap_or(0));
    let kinds = value("kind").map(|text| journal_lines::kinds(&text)).transpose()?.unwrap_or_default();
    let view = read(&app, query.who, command).await?;
    let names = Names::of(&view);
    let filter = Filter { document: view.document, partner: view.partner, certificates: view.certificates, kinds, since, until };
    // Taken after the core's answer is on disk, so that this reading is in it too.
    let account = app.handle.account().await?;
    let (out, lines) = mpsc::channel::<Result<String, io::Error>>(LINES_WAITING);
    tokio::task::spawn_blocking(move || {
        let total = account.batches();
        let say = |value: Value| out.blocking_send(Ok(format!("{value}\n"))).is_ok();
        let (mut count, mut told) = (0_u64, 0);
        if !say(json!({ "done": 0, "total": total })) {
            return;
        }
        let walked = account.read(&mut |batch, bytes| {
            if batch >= told + PROGRESS_EVERY {
                told = batch;
                if !say(json!({ "done": batch, "total": total })) {
                    return false;
                }
            }
            match bytes.and_then(AccountLine::from_bytes).filter(|line| filter.wants(line)) {
                None => true,
                Some(line) => {
                    count += 1;
                    say(json!(names.line(batch, line)))
                }
            }
        });
        let _ = match walked {
            Ok(()) => say(json!({ "end": count })),
            Err(error) => {
                tracing::error!(%error, "the account cannot be read to its end");
                out.blocking_send(Err(io::Error::other(error.to_string()))).is_ok()
            }
        };
    });
    let stream = futures::stream::unfold(lines, |mut lines| async move { Some((lines.recv().await?, lines)) });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(stream)).into_response())
}

/// `GET /v1/journal/head`: what an anchor on paper states.
pub(super) async fn head(State(app): State<App>, who: Who) -> Result<Answer<Value>, Problems> {
    let view = read(&app, who, Command::JournalRead { document: None, partner: None, person: None }).await?;
    let account = app.handle.account().await?;
    let head: String = account.head().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Answer(json!({ "bureau": view.bureau, "name": view.name, "at": view.now, "batches": account.batches(), "head": head,
        "countersigned": view.countersigned })))
}

async fn read(app: &App, who: Who, command: Command) -> Result<JournalView, Problems> {
    match app.handle.ask(who.person, false, command).await? {
        View::Journal(view) => Ok(view),
        _ => Err(Failure::fault("internal").with("cause", "JournalRead answered something else").into()),
    }
}
