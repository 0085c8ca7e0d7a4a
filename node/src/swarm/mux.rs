//! yamux with a bounded window: many streams over one TCP connection.
//!
//! libp2p's own wrapper leaves the window of a connection at 1 GiB, which a partner can make us fill; this one sets it.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io, iter,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{
    UpgradeInfo,
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
};
use tokio::time::{Sleep, sleep};

use super::limits::{STREAMS_MAX, YAMUX_WINDOW_BYTES};

/// Streams a partner opened that nobody has asked for yet; further ones are reset.
const WAITING_STREAMS_MAX: usize = 8;
/// A partner that takes no goodbye within this time does not get one.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// The upgrade `/yamux/1.0.0`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yamux;

/// One connection that carries streams.
pub(super) struct Muxer<C> {
    connection: yamux::Connection<C>,
    // yamux makes progress only where it also accepts streams, so those that arrive at other times wait here.
    waiting: VecDeque<yamux::Stream>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(io: C, mode: yamux::Mode) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS_MAX);
        config.set_max_connection_receive_window(Some(YAMUX_WINDOW_BYTES));
        Self { connection: yamux::Connection::new(io, config, mode), waiting: VecDeque::new(), closing: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_next_inbound(cx).map(|next| match next {
            Some(stream) => stream.map_err(io_error),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        match self.waiting.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => self.poll_next(cx),
        }
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
        self.connection.poll_new_outbound(cx).map_err(io_error)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        loop {
            match self.poll_next(cx) {
                Poll::Ready(Ok(stream)) if self.waiting.len() < WAITING_STREAMS_MAX => {
                    self.waiting.push_back(stream);
                    // Whoever polls this connection asks for streams next.
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(Ok(stream)) => drop(stream),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(done) = self.connection.poll_close(cx) {
            return Poll::Ready(done.map_err(io_error));
        }
        let patience = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSE_PATIENCE)));
        patience.as_mut().poll(cx).map(Ok)
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(io, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(io, yamux::Mode::Client)))
    }
}

fn io_error(error: yamux::ConnectionError) -> io::Error {
    match error {
        yamux::ConnectionError::Io(error) => error,
        other => io::Error::other(other),
    }
}
