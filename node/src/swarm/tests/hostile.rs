//! A partner that keeps to no rule: a proven connection, and bytes at will.

use std::{future::poll_fn, pin::Pin, task::Poll};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        transport::{Boxed, DialOpts, PortUse},
    },
    identity::Keypair,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{Limits, Over, addresses, transport, within};

/// One connection, driven by a task of its own until this is dropped.
pub(super) struct Hostile {
    wanted: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    driver: JoinHandle<()>,
    // Owns the sockets.
    _transport: Boxed<(PeerId, StreamMuxerBox)>,
}

impl Hostile {
    pub(super) async fn connect(seed: u8, address: &str, over: Over) -> Self {
        let keypair = Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes are a seed");
        let mut transport = transport::build(&keypair, &[over], &Limits::default()).expect("a transport");
        let target = addresses::multiaddr(address.parse().expect("host:port"), over);
        let dial = transport.dial(target, DialOpts { role: Endpoint::Dialer, port_use: PortUse::New }).expect("a dialable address");
        let (_, muxer) = within("hostile dial", dial).await.expect("the node answers");
        let (wanted, requests) = mpsc::channel(1);
        Self { wanted, driver: tokio::spawn(drive(muxer, requests)), _transport: transport }
    }

    /// A stream without a protocol.
    pub(super) async fn open_raw(&self) -> SubstreamBox {
        let (reply, stream) = oneshot::channel();
        self.wanted.send(reply).await.expect("the connection stands");
        within("stream", stream).await.expect("the connection stands")
    }

    /// A stream with a protocol agreed on.
    pub(super) async fn open(&self, protocol: &str) -> SubstreamBox {
        let (mut stream, words) = self.ask(protocol).await;
        assert_eq!(read_exactly(&mut stream, words.len()).await, words, "the node agrees");
        stream
    }

    /// A stream with a protocol asked for in the words of multistream-select 1.0, which an agreeing node repeats.
    pub(super) async fn ask(&self, protocol: &str) -> (SubstreamBox, Vec<u8>) {
        let mut stream = self.open_raw().await;
        let mut words = Vec::new();
        for word in ["/multistream/1.0.0", protocol] {
            words.push(u8::try_from(word.len() + 1).expect("a short word"));
            words.extend_from_slice(word.as_bytes());
            words.push(b'\n');
        }
        write(&mut stream, &words).await;
        (stream, words)
    }

    /// Waits until the node has closed the connection.
    pub(super) async fn closed(mut self) {
        within("close", &mut self.driver).await.expect("no panic");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The node may close before it took everything.
pub(super) async fn write(stream: &mut SubstreamBox, bytes: &[u8]) {
    let write = async {
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
    };
    within("hostile write", write).await;
}

pub(super) async fn read_exactly(stream: &mut SubstreamBox, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    within("hostile read", stream.read_exact(&mut bytes)).await.expect("the node writes");
    bytes
}

/// Everything until the node closes, however it does that.
pub(super) async fn read_to_end(stream: &mut SubstreamBox) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        let mut piece = [0; 256];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..length]);
        }
    };
    within("hostile read", read).await;
    bytes
}

/// Moves the connection and opens streams until the node closes it.
async fn drive(mut muxer: StreamMuxerBox, mut requests: mpsc::Receiver<oneshot::Sender<SubstreamBox>>) {
    let mut waiting = None;
    poll_fn(|cx| {
        loop {
            // Streams the node opens are of no interest, its closing is.
            if let Poll::Ready(Err(_)) = Pin::new(&mut muxer).poll_inbound(cx) {
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(_)) = Pin::new(&mut muxer).poll(cx) {
                return Poll::Ready(());
            }
            if waiting.is_none() {
                match requests.poll_recv(cx) {
                    Poll::Ready(Some(reply)) => waiting = Some(reply),
                    _ => return Poll::Pending,
                }
            }
            match Pin::new(&mut muxer).poll_outbound(cx) {
                // The new stream moves only once the connection was polled again.
                Poll::Ready(Ok(stream)) => {
                    if let Some(reply) = waiting.take() {
                        let _: Result<(), SubstreamBox> = oneshot::Sender::<SubstreamBox>::send(reply, stream);
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}
