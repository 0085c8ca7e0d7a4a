//! Bundles over the socket: the file goes and comes as bytes, since it lies where the person's own rights reach and the daemon's may not.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use accord_protocol::limits::BUNDLE_FILE_BYTES_MAX;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempPath;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use super::App;
use super::bodies;
use super::extract::{Json, Name, Problems, Who};
use crate::bundle::{PackOrder, Progress};
use crate::failure::{Failure, Problem};
use crate::words::{Lang, Words};

/// Lines that wait for a slow reader. Back-pressure.
const LINES_WAITING: usize = 8;
/// Bytes of a file handed out at a time.
const PIECE: usize = 256 * 1024;
/// The next piece of a file must come within this, seconds: a stick is slow, but not that slow.
const PIECE_S_MAX: u64 = 300;

/// Lines of progress as they come, and at the end `{"end": ..}` or `{"problem": ..}`.
fn told<F>(work: impl FnOnce(mpsc::Sender<Progress>) -> F) -> Response
where
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    let (progress, mut steps) = mpsc::channel::<Progress>(LINES_WAITING);
    let (out, lines) = mpsc::channel::<Result<String, io::Error>>(LINES_WAITING);
    let work = work(progress);
    tokio::spawn(async move {
        let lines = out.clone();
        let tell = tokio::spawn(async move {
            let mut last = None;
            while let Some((done, total)) = steps.recv().await {
                // A line for each hundredth is enough for anybody.
                let hundredth = (done * 100).checked_div(total);
                if last != Some(hundredth) && lines.send(Ok(format!("{}\n", json!({ "done": done, "total": total })))).await.is_err() {
                    return;
                }
                last = Some(hundredth);
            }
        });
        let line = match work.await {
            Ok(end) => json!({ "end": end }),
            Err(failure) => problem_line(&failure),
        };
        let _ = tell.await;
        // Nobody listening any more: what was done is done, and is in the account.
        let _ = out.send(Ok(format!("{line}\n"))).await;
    });
    let stream = futures::stream::unfold(lines, |mut lines| async move { Some((lines.recv().await?, lines)) });
    ([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(stream)).into_response()
}

/// `POST /v1/bundles {for, all?}`, with `dry_run=true` only to say how much it would be: lines of progress, at the end
/// `{"end": {id, to, name, devices, documents, bytes}}`; the file is fetched once, by its id.
pub(super) async fn pack(State(app): State<App>, who: Who, Json(bundle): Json<bodies::Bundle>) -> Response {
    let order = PackOrder { to: bundle.to, all: bundle.all, dry_run: who.dry_run };
    told(move |progress| async move {
        let packed = app.bundles.pack(&app.handle, who.person, order, &progress).await?;
        Ok(json!({
            "id": packed.id,
            "to": packed.to.to_string(),
            "name": packed.name,
            "devices": packed.devices,
            "documents": packed.documents,
            "bytes": packed.bytes,
        }))
    })
}

/// `POST /v1/bundles/{id}/file`: a packed file, once.
pub(super) async fn file(State(app): State<App>, who: Who, Name(id): Name) -> Result<Response, Problems> {
    if who.dry_run {
        return Err(Failure::misuse("dry_run_not_here").into());
    }
    let path = app.bundles.fetch(&id).ok_or_else(|| Failure::not_found("bundle_gone"))?;
    let failed = |error: io::Error| Failure::fault("disk_failed").with("cause", error);
    let file = tokio::fs::File::open(&path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    // The path lives as long as the answer, and the file goes with it.
    let stream = futures::stream::unfold((file, path), |(mut file, path)| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(some) => {
                piece.truncate(some);
                Some((Ok(Bytes::from(piece)), (file, path)))
            }
            Err(error) => Some((Err(error), (file, path))),
        }
    });
    let head = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((head, Body::from_stream(stream)).into_response())
}

/// `POST /v1/bundles/unpack` with the file as its body; with `dry_run=true` it is opened and verified, and nothing is applied. Lines of progress, at the end
/// `{"end": {..}}`.
pub(super) async fn unpack(State(app): State<App>, who: Who, request: Request) -> Result<Response, Problems> {
    // Held until it is dealt with: its file lies on the disk of the store so long.
    let place = Arc::clone(&app.unpacks).try_acquire_owned().map_err(|_| Failure::refused("bundle_under_way"))?;
    let path = Arc::new(taken(&app, request).await?);
    let desk = Arc::clone(&app.bundles);
    let at = Arc::clone(&path);
    let opened = tokio::task::spawn_blocking(move || desk.open(&at)).await;
    let opened = opened.map_err(|_| Failure::fault("internal").with("cause", "opening a bundle panicked"))??;
    Ok(told(move |progress| async move {
        let _place = place;
        let label = app.bundles.label(&opened);
        if who.dry_run {
            return Ok(
                json!({ "bureau": label.from.to_string(), "name": label.name, "created": label.created, "documents": label.documents }),
            );
        }
        let view = Arc::clone(&app.bundles).unpack(&app.handle, path, opened, &progress).await?;
        serde_json::to_value(view).map_err(|error| Failure::fault("internal").because(error))
    }))
}

/// The body, in a file of our own.
async fn taken(app: &App, request: Request) -> Result<TempPath, Failure> {
    let too_large = || Failure::refused("bundle_too_large").with("most", BUNDLE_FILE_BYTES_MAX);
    let stated = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > BUNDLE_FILE_BYTES_MAX) {
        return Err(too_large());
    }
    app.bundles.room_for(stated.unwrap_or(0))?;
    let mut landing = app.bundles.landing()?;
    let mut body = request.into_body();
    let mut came = 0;
    // Its beginning, until that tells whether it opens here.
    let mut beginning = Some(Vec::new());
    loop {
        let next = tokio::time::timeout(Duration::from_secs(PIECE_S_MAX), body.frame()).await;
        let Some(frame) = next.map_err(|_| Failure::misuse("body_slow"))? else { break };
        let Ok(bytes) = frame.map_err(|error| Failure::misuse("bad_body").because(error))?.into_data() else { continue };
        came += bytes.len() as u64;
        if came > BUNDLE_FILE_BYTES_MAX {
            return Err(too_large());
        }
        if stated.is_none() {
            app.bundles.room_for(bytes.len() as u64)?;
        }
        if let Some(so_far) = &mut beginning {
            so_far.extend_from_slice(&bytes);
            if app.bundles.opens(so_far)? {
                beginning = None;
            }
        }
        let written = tokio::task::spawn_blocking(move || landing.write_all(&bytes).map(|()| landing)).await;
        landing = written.map_err(|_| Failure::fault("internal").with("cause", "writing a bundle panicked"))?.map_err(|error| {
            if error.kind() == io::ErrorKind::StorageFull {
                Failure::fault("bundle_no_room")
            } else {
                Failure::fault("disk_failed").with("cause", error)
            }
        })?;
    }
    Ok(landing.into_temp_path())
}

/// A failure after the answer began.
fn problem_line(failure: &Failure) -> Value {
    let told = Words::of(Lang::En).sentences(failure);
    json!({ "problem": Problem::of(failure, told.error, told.hint) })
}
