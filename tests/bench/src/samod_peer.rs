//! samod (automerge-repo in Rust): two repositories in this process over TCP on loopback, documents in memory, no signatures, no disk.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use samod::storage::{InMemoryStorage, Storage, StorageKey};
use samod::tokio_io::TcpDialer;
use samod::{AcceptorHandle, BackoffConfig, DocHandle, Repo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::machine::{memory_mb, processor_s};
use crate::{Failed, seconds, sync_peer};

/// Longest wait for a sync.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What one exchange cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds until the other side holds everything.
    pub seconds: f64,
    /// Processor seconds of both sides.
    pub cpu_seconds: f64,
    /// Bytes both ways on the TCP stream.
    pub bytes: u64,
    /// Memory of this process afterwards, both sides, MiB.
    pub rss_mb: f64,
}

/// Memory that notes which documents it holds and how often each was written.
#[derive(Clone, Default)]
struct Noting {
    inner: InMemoryStorage,
    written: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Noting {
    fn documents(&self) -> usize {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
    fn writes(&self) -> u64 {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Storage for Noting {
    fn load(&self, key: StorageKey) -> impl Future<Output = Option<Vec<u8>>> + Send {
        self.inner.load(key)
    }
    fn load_range(&self, prefix: StorageKey) -> impl Future<Output = HashMap<StorageKey, Vec<u8>>> + Send {
        self.inner.load_range(prefix)
    }
    fn put(&self, key: StorageKey, data: Vec<u8>) -> impl Future<Output = ()> + Send {
        // A document's own rows are `[document, snapshot | incremental, hash]`; its sync states and the storage's own id are others.
        let parts: Vec<String> = (&key).into_iter().cloned().collect();
        if let [document, kind, _] = parts.as_slice()
            && (kind == "snapshot" || kind == "incremental")
        {
            *self.written.lock().unwrap_or_else(PoisonError::into_inner).entry(document.clone()).or_default() += 1;
        }
        self.inner.put(key, data)
    }
    fn delete(&self, key: StorageKey) -> impl Future<Output = ()> + Send {
        self.inner.delete(key)
    }
}

/// A stream whose bytes are counted.
struct Counted {
    inner: TcpStream,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        done
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = done {
            self.bytes.fetch_add(written as u64, Ordering::Relaxed);
        }
        done
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Two repositories; the first holds documents.
pub struct Pair {
    runtime: Runtime,
    near: Repo,
    far: Repo,
    far_storage: Noting,
    documents: Vec<DocHandle>,
    acceptor: AcceptorHandle,
    bytes: Arc<AtomicU64>,
}

impl Pair {
    /// Gives the first one every document.
    ///
    /// # Errors
    /// When samod refuses one.
    pub fn new(documents: &[Vec<Vec<u8>>]) -> Result<Self, Failed> {
        let runtime = Runtime::new()?;
        let far_storage = Noting::default();
        let (near, far, handles, acceptor) = runtime.block_on(async {
            let near = Repo::build_tokio().with_storage(InMemoryStorage::new()).load().await;
            let far = Repo::build_tokio().with_storage(far_storage.clone()).load().await;
            let mut handles = Vec::with_capacity(documents.len());
            for raw in documents {
                handles.push(near.create(sync_peer::document(raw)?).await?);
            }
            let acceptor = far.make_acceptor("tcp://127.0.0.1:1".parse()?)?;
            Ok::<_, Failed>((near, far, handles, acceptor))
        })?;
        Ok(Self { runtime, near, far, far_storage, documents: handles, acceptor, bytes: Arc::default() })
    }

    /// Connects and waits until the second holds `documents` and its store was written `writes` times since.
    fn connect(&self, documents: usize, writes: u64) -> Result<(Cost, samod::DialerHandle<std::convert::Infallible>), Failed> {
        self.runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let port = listener.local_addr()?.port();
            let (before, used) = (self.bytes.load(Ordering::Relaxed), processor_s(std::process::id()));
            let written = self.far_storage.writes();
            let begun = Instant::now();
            let dialer = self.near.dial(BackoffConfig::default(), Arc::new(TcpDialer::new_host_port("127.0.0.1".to_owned(), port)))?;
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            self.acceptor.accept_tokio_io(Counted { inner: stream, bytes: Arc::clone(&self.bytes) })?;
            while self.far_storage.documents() < documents || self.far_storage.writes() < written + writes {
                if begun.elapsed() > PATIENCE {
                    return Err("samod did not come to an end".into());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let cost = Cost {
                seconds: seconds(begun),
                cpu_seconds: processor_s(std::process::id()) - used,
                bytes: self.bytes.load(Ordering::Relaxed) - before,
                rss_mb: memory_mb(std::process::id()).0,
            };
            Ok((cost, dialer))
        })
    }

    /// The first sync, then what is left of the conversation, then the connection's end.
    ///
    /// # Errors
    /// When it does not come to an end.
    pub fn first_sync(&self) -> Result<Cost, Failed> {
        let (cost, dialer) = self.connect(self.documents.len(), 0)?;
        self.settle();
        dialer.close();
        Ok(cost)
    }

    /// Changes so many documents while apart and connects again.
    ///
    /// # Errors
    /// When it does not come to an end.
    pub fn resync(&self, changed: usize) -> Result<Cost, Failed> {
        self.settle();
        for handle in self.documents.iter().take(changed) {
            edit(handle, "reconnect")?;
        }
        let (mut cost, dialer) = self.connect(self.documents.len(), changed as u64)?;
        let counted = self.bytes.load(Ordering::Relaxed);
        // It goes on talking about the documents that did not change: those bytes are part of a reconnect too.
        self.settle();
        cost.bytes += self.bytes.load(Ordering::Relaxed) - counted;
        dialer.close();
        Ok(cost)
    }

    /// One edit at a time while connected: milliseconds until the other side has it.
    ///
    /// # Errors
    /// When one does not arrive.
    pub fn edits(&self, count: usize) -> Result<Vec<f64>, Failed> {
        let (_, dialer) = self.connect(self.documents.len(), 0)?;
        self.settle();
        let mut millis = Vec::with_capacity(count);
        for n in 0..count {
            let handle = &self.documents[n % self.documents.len()];
            let far = self.runtime.block_on(self.far.find(handle.document_id().clone()))?.ok_or("samod lost a document")?;
            let begun = Instant::now();
            edit(handle, &format!("edit {n}"))?;
            let heads = handle.with_document(|document| document.get_heads());
            while far.with_document(|document| document.get_heads()) != heads {
                if begun.elapsed() > PATIENCE {
                    return Err("an edit did not arrive".into());
                }
                std::thread::yield_now();
            }
            millis.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        dialer.close();
        Ok(millis)
    }

    /// Waits until nothing has gone over the stream for a while.
    fn settle(&self) {
        let (mut last, mut since) = (self.bytes.load(Ordering::Relaxed), Instant::now());
        let begun = Instant::now();
        while since.elapsed() < Duration::from_millis(1_000) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.bytes.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// Ends both.
    pub fn stop(self) {
        self.runtime.block_on(async {
            self.near.stop().await;
            self.far.stop().await;
        });
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

fn edit(handle: &DocHandle, what: &str) -> Result<(), Failed> {
    use automerge::transaction::Transactable as _;
    handle.with_document(|document| {
        let mut transaction = document.transaction();
        transaction.put(automerge::ROOT, "status", what)?;
        transaction.commit();
        Ok::<_, Failed>(())
    })
}
