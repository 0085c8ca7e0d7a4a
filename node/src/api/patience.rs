//! A connection whose other side must take what it is sent: one that stalls for too long has gone, as far as the node is concerned.
//!
//! An answer that streams holds a place among the connections, often a thread, and what it reads from: a backup, the account, a round of
//! compaction. Whoever stops reading (a paged output, a medium that hangs) would hold all that for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream that fails with `TimedOut` once the other side took nothing for the patience given while there was something to take.
pub struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Wraps a stream.
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// Passes an answer on; one that waits begins or continues the wait.
    fn bear<T>(&mut self, cx: &mut Context<'_>, answer: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if answer.is_ready() {
            self.stalled = None;
            return answer;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        tracing::warn!(seconds = patience.as_secs(), "a client took nothing of its answer for too long; the connection is closed");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bear(cx, answer)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.bear(cx, answer)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.stream).poll_flush(cx);
        self.bear(cx, answer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bear(cx, answer)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn each_piece_taken_begins_the_wait_anew() {
        let (mut reader, stream) = tokio::io::duplex(8);
        let mut patient = Patient::new(stream, Duration::from_secs(3_600));
        for _ in 0..3 {
            patient.write_all(&[1; 8]).await.expect("room");
            assert!(patient.stalled.is_none());
            let waits = poll_fn(|cx| Poll::Ready(Pin::new(&mut patient).poll_write(cx, &[2]).is_pending())).await;
            assert!(waits && patient.stalled.is_some(), "nobody reads");
            reader.read_exact(&mut [0; 8]).await.expect("there");
        }
        patient.write_all(&[1]).await.expect("room again");
        assert!(patient.stalled.is_none());
        let (_silent, stream) = tokio::io::duplex(8);
        let mut patient = Patient::new(stream, Duration::from_millis(1));
        let left = patient.write_all(&[1; 9]).await.expect_err("nobody reads");
        assert_eq!(left.kind(), io::ErrorKind::TimedOut);
    }
}
