//! A backup of the running node, as a stream of bytes that the command line puts in its place.

use std::sync::Arc;

use accord_protocol::input::Command;
use accord_protocol::view::View;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::App;
use super::extract::{Problems, Who};
use crate::daemon::restore::Maker;
use crate::failure::Failure;
use crate::store::backup::BackupError;

/// Pieces of at most 1 MiB that wait for a slow reader. Back-pressure.
const PIECES_WAITING: usize = 8;

/// `POST /v1/backup`: the file as it is to lie on a medium. An answer that ends early is none: the header says how long it is.
pub(super) async fn create(State(app): State<App>, who: Who) -> Result<Response, Problems> {
    let one = Arc::clone(&app.backups).try_acquire_owned().map_err(|_| Failure::refused("backup_under_way"))?;
    let View::Status(status) = app.handle.command(Command::Status).await? else {
        return Err(Failure::fault("internal").with("cause", "Status answered something else").into());
    };
    let ring = app.backup_keys.ring_for_backup()?;
    let maker = Maker::gather(&app.data, &app.keys, ring.as_deref(), status.now)?;
    app.handle.ask(who.person, false, Command::BackupNote).await?;
    // Taken after the note is on disk, so that the backup knows of itself.
    let snapshot = app.handle.snapshot().await?;
    let (out, mut pieces) = mpsc::channel::<Result<Bytes, std::io::Error>>(PIECES_WAITING);
    tokio::task::spawn_blocking(move || {
        let _one = one;
        let mut sink = |bytes: &[u8]| out.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(|_| BackupError::Gone);
        match maker.write(&snapshot, &mut sink) {
            Ok(()) | Err(BackupError::Gone) => {}
            Err(error) => {
                tracing::error!(%error, "a backup could not be read out of the store");
                let _ = out.blocking_send(Err(std::io::Error::other(error.to_string())));
            }
        }
    });
    // The first piece is there before success is answered.
    let first = pieces.recv().await.ok_or_else(|| Failure::fault("internal").with("cause", "the backup ended at once"))?;
    let first = first.map_err(|error| Failure::fault("disk_failed").with("cause", error))?;
    let stream = futures::stream::unfold((Some(first), pieces), |(first, mut pieces)| async move {
        let next = match first {
            Some(first) => Ok(first),
            None => pieces.recv().await?,
        };
        Some((next, (None, pieces)))
    });
    let head = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((head, Body::from_stream(stream)).into_response())
}
