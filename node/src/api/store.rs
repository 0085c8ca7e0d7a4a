//! Compaction of the store while it serves: a stream of lines that say how far it is, and the report at the end.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::App;
use super::extract::{Problems, Who};
use crate::failure::Failure;
use crate::store::CompactReport;

/// How often the store is asked how far it is, milliseconds.
const EVERY_MS: u64 = 100;
/// Lines that wait for a slow reader. Back-pressure.
const LINES_WAITING: usize = 8;

/// `POST /v1/store/compact`, with `dry_run=true` only looking: `{"done":N,"total":M,"waiting":BOOL}` in lines, at the end `{"end": report}`,
/// without which the round was not finished. Who goes away, or takes no line for minutes, ends the round after the file it is at.
pub(super) async fn compact(State(app): State<App>, who: Who) -> Result<Response, Problems> {
    let handle = app.handle.clone();
    let first = handle.compact_begin(who.dry_run).await?.ok_or_else(|| Failure::refused("compact_under_way"))?;
    let (out, lines) = mpsc::channel::<Result<String, io::Error>>(LINES_WAITING);
    tokio::spawn(async move {
        let mut progress = first;
        loop {
            let line = match progress.ended {
                true => json!({ "end": report_json(&progress.report) }),
                false => json!({ "done": progress.done, "total": progress.total, "waiting": progress.waiting }),
            };
            if out.send(Ok(format!("{line}\n"))).await.is_err() {
                // Nobody waits any more. That the daemon stops meanwhile is no error.
                let _ = handle.compact_leave().await;
                return;
            }
            if progress.ended {
                return;
            }
            tokio::time::sleep(Duration::from_millis(EVERY_MS)).await;
            progress = match handle.compact_step().await {
                Ok(next) => next,
                Err(_) => {
                    let _ = out.send(Err(io::Error::other("the daemon stops"))).await;
                    return;
                }
            };
        }
    });
    let stream = futures::stream::unfold(lines, |mut lines| async move { Some((lines.recv().await?, lines)) });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(stream)).into_response())
}

/// What a round did, as the API and the command line print it.
pub(crate) fn report_json(report: &CompactReport) -> Value {
    let damage = report.damage.iter().map(|found| json!({ "file": found.file, "offset": found.offset, "what": found.what }));
    json!({
        "dry_run": report.dry,
        "files": report.files,
        "seen": report.seen,
        "rewritten": report.rewritten,
        "records": report.records,
        "bytes_before": report.before,
        "bytes_after": report.after,
        "bytes_missing": report.no_room,
        "damage": damage.collect::<Vec<Value>>(),
    })
}
