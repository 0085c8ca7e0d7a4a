//! Checks what partners send before the core sees it: decoding, seals and segment signatures, off the loop and bounded.
//!
//! Every link has a queue of its own, so messages of one link keep their order and a partner who floods fills only its own queue; all links
//! share a bounded number of workers. What is no message of ours reaches the core as [`Input::Garbage`], without content.

use std::collections::BTreeMap;
use std::sync::Arc;

use accord_keys::directory::Directory;
use accord_keys::id::{NetworkId, TransportKey};
use accord_protocol::input::{Input, LinkId};
use accord_protocol::wire;
use tokio::sync::{Semaphore, mpsc, watch};

/// Bounds of the workers, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Messages checked at once; 0 is one per processor.
    pub workers: usize,
    /// Frames of one link that wait.
    pub frames_max: usize,
    /// Bytes of one link that wait.
    pub bytes_max: usize,
}

/// Frames one worker takes at once: one hand-over instead of many when a partner sends a burst.
const BATCH_MAX: usize = 16;

/// The queues of all links.
pub struct Verifier {
    network: NetworkId,
    directory: watch::Receiver<Arc<Directory>>,
    inputs: mpsc::Sender<Input>,
    workers: Arc<Semaphore>,
    bounds: Bounds,
    links: BTreeMap<LinkId, Queue>,
}

struct Queue {
    entries: mpsc::Sender<Entry>,
    room: Arc<Semaphore>,
}

enum Entry {
    Frame { bytes: Vec<u8>, permit: tokio::sync::OwnedSemaphorePermit },
    /// Keeps its place between messages.
    Event(Input),
}

impl Verifier {
    /// A verifier without links.
    pub fn new(network: NetworkId, directory: watch::Receiver<Arc<Directory>>, inputs: mpsc::Sender<Input>, bounds: Bounds) -> Self {
        let workers = match bounds.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            set => set,
        };
        Self { network, directory, inputs, workers: Arc::new(Semaphore::new(workers)), bounds, links: BTreeMap::new() }
    }

    /// A connection stands.
    pub async fn up(&mut self, link: LinkId, transport: TransportKey, outgoing: bool) {
        let (entries, queue) = mpsc::channel(self.bounds.frames_max);
        let room = Arc::new(Semaphore::new(self.bounds.bytes_max));
        tokio::spawn(serve(link, queue, self.network, self.directory.clone(), self.inputs.clone(), Arc::clone(&self.workers)));
        self.links.insert(link, Queue { entries, room });
        self.event(link, Input::LinkUp { link, transport, outgoing }).await;
    }

    /// A frame arrived. Waits while the link's queue is full.
    pub async fn frame(&mut self, link: LinkId, bytes: Vec<u8>) {
        let Some(queue) = self.links.get(&link) else { return };
        // A frame larger than the whole room still passes, alone.
        let size = u32::try_from(bytes.len().clamp(1, self.bounds.bytes_max)).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&queue.room).acquire_many_owned(size).await {
            let _ = queue.entries.send(Entry::Frame { bytes, permit }).await;
        }
    }

    /// Something about a link that must not overtake its messages.
    pub async fn event(&mut self, link: LinkId, event: Input) {
        if let Some(queue) = self.links.get(&link) {
            let _ = queue.entries.send(Entry::Event(event)).await;
        }
    }

    /// A connection is gone; its queue empties and ends.
    pub async fn down(&mut self, link: LinkId) {
        self.event(link, Input::LinkDown { link }).await;
        self.links.remove(&link);
    }
}

/// One link's queue, in order, until the link is gone or the driver ended.
async fn serve(
    link: LinkId,
    mut queue: mpsc::Receiver<Entry>,
    network: NetworkId,
    directory: watch::Receiver<Arc<Directory>>,
    inputs: mpsc::Sender<Input>,
    workers: Arc<Semaphore>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let Ok(worker) = Arc::clone(&workers).acquire_owned().await else { return };
        let known = directory.borrow().clone();
        let entries = std::mem::take(&mut batch);
        let checked = tokio::task::spawn_blocking(move || {
            let out: Vec<_> = entries.into_iter().map(|entry| check(link, entry, &known, &network)).collect();
            drop(worker);
            out
        });
        // A panic while decoding a partner's bytes is our bug, and still only that partner's link.
        let Ok(checked) = checked.await else {
            let _ = inputs.send(Input::Garbage { link, why: "checking this message failed inside accord".to_owned() }).await;
            continue;
        };
        for (input, permit) in checked {
            if inputs.send(input).await.is_err() {
                return;
            }
            drop(permit);
        }
    }
}

fn check(link: LinkId, entry: Entry, directory: &Directory, network: &NetworkId) -> (Input, Option<tokio::sync::OwnedSemaphorePermit>) {
    match entry {
        Entry::Event(input) => (input, None),
        Entry::Frame { bytes, permit } => match wire::check(directory, network, &bytes) {
            Ok(message) => (Input::Message { link, message }, Some(permit)),
            Err(error) => (Input::Garbage { link, why: error.to_string() }, Some(permit)),
        },
    }
}
