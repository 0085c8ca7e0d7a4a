//! The Unix socket itself: who may connect, how many, and for how long a silent client is borne.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};

use super::patience::Patient;
use crate::config::Config;
use crate::failure::Failure;
use crate::handle::stopped;

/// Answers under way may finish within this after the stop, seconds.
const DRAIN_S: u64 = 3;
/// A client that takes nothing of its answer for so long is left, seconds: as long as a slow medium may need to swallow a piece of a backup,
/// no longer, because the answer holds a place, a thread and whatever it reads from. Back-pressure.
const UNREAD_S_MAX: u64 = 300;

/// A bound socket; its file goes away with it.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of our file: what stands there later may be another's.
    file: (u64, u64),
}

impl Socket {
    /// Binds the socket, mode 0600 in a folder of mode 0700. A socket nobody listens at is a leftover and replaced; anything else that
    /// stands there stays, and so does what lies among the keys and in the store of the data folder.
    ///
    /// # Errors
    /// `socket_unusable` with the path and what is in the way.
    pub fn bind(path: &Path, data: &Path) -> Result<Self, Failure> {
        let refused = |why: &str| Failure::misuse("socket_unusable").with("path", path.display()).because(why.to_owned());
        let unusable = |error: std::io::Error| Failure::misuse("socket_unusable").with("path", path.display()).because(error);
        let real = plain(path);
        if ["keys", "store"].iter().any(|own| real.starts_with(plain(&data.join(own)))) {
            return Err(refused("it lies in the folder of the keys or of the store"));
        }
        if let Some(folder) = path.parent() {
            crate::keystore::make_folder(folder)?;
        }
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
            Ok(facts) if !facts.file_type().is_socket() => return Err(refused("something that is no socket stands there")),
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => return Err(refused("another process listens there")),
            Ok(_) => std::fs::remove_file(path).map_err(unusable)?,
        }
        let listener = UnixListener::bind(path).map_err(unusable)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(unusable)?;
        let facts = std::fs::symlink_metadata(path).map_err(unusable)?;
        Ok(Self { listener, path: path.to_path_buf(), file: (facts.dev(), facts.ino()) })
    }
}

/// A path without links, `.` and `..` as far as it exists.
fn plain(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => plain(parent).join(name),
        (Some(parent), Some(Component::ParentDir)) => plain(parent).parent().map(Path::to_path_buf).unwrap_or_default(),
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Serves until told to stop; then lets answers under way finish for a moment.
pub async fn serve(socket: Socket, router: Router, config: &Config, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(config.api_connections_max));
    let everyone = u32::try_from(config.api_connections_max).unwrap_or(u32::MAX);
    let head = Duration::from_secs(config.api_header_seconds);
    loop {
        // A stop is heard even while silent clients hold every place.
        let permit = tokio::select! {
            () = stopped(&mut stop) => break,
            permit = Arc::clone(&room).acquire_owned() => match permit {
                Ok(permit) => permit,
                Err(_) => return,
            },
        };
        let stream = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles: others may free some.
                    tracing::warn!(%error, "the API took no connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            connection(stream, router, head, Duration::from_secs(UNREAD_S_MAX), stop).await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(Duration::from_secs(DRAIN_S), room.acquire_many(everyone)).await;
}

async fn connection<S>(stream: S, router: Router, head: Duration, patience: Duration, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Patient::new(stream, patience)), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        () = stopped(&mut stop) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::mpsc;

    use super::*;

    /// An answer without end, and the channel that closes when nobody is to get it any more.
    fn endless() -> (Router, mpsc::Receiver<()>) {
        let (held, gone) = mpsc::channel(1);
        let answer = move || {
            let held = held.clone();
            let pieces = futures::stream::repeat_with(move || {
                let _answering = &held;
                Ok::<_, Infallible>(Bytes::from_static(&[7; 1 << 14]))
            });
            async move { Body::from_stream(pieces) }
        };
        (Router::new().route("/", get(answer)), gone)
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_more_is_left_and_its_answer_dropped() {
        let (router, mut gone) = endless();
        let (_stop, stops) = watch::channel(false);
        let (mut client, server) = tokio::io::duplex(1 << 12);
        let served = connection(server, router, Duration::from_secs(30), Duration::from_millis(50), stops);
        let served = tokio::spawn(served);
        client.write_all(b"GET / HTTP/1.1\r\nhost: accord\r\n\r\n").await.expect("taken");
        client.read_exact(&mut [0; 1 << 12]).await.expect("the answer begins");
        let left = tokio::time::timeout(Duration::from_secs(20), served).await;
        left.expect("it is left").expect("without a panic");
        assert_eq!(gone.recv().await, None, "and its answer is dropped");
    }
}
