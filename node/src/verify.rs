//! Checks what partners send before the core sees it: decoding, seals and segment signatures, off the loop and bounded.
//!
//! Every link has a queue of its own, so messages of one link keep their order, and all links share a bounded number of workers. Taking a
//! frame in never waits: one partner's flood must not hold up another's frames. A partner that keeps to the protocol has at most
//! [`IN_FLIGHT_BYTES_MAX`] bytes unacknowledged, so a queue that grows beyond [`Bounds::link_bytes_max`] is a broken promise and its link is
//! closed; and when all queues together exceed [`TOTAL_BYTES_MAX`], the longest goes. What is no message of ours reaches the core as
//! [`Input::Garbage`], without content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use accord_keys::directory::Directory;
use accord_keys::id::{NetworkId, TransportKey};
use accord_protocol::input::{Input, LinkId};
use accord_protocol::limits::IN_FLIGHT_BYTES_MAX;
use accord_protocol::wire;
use tokio::sync::{Semaphore, mpsc, watch};

/// Bounds of the queues, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Messages checked at once; 0 is one per processor.
    pub workers: usize,
    /// Bytes of one link that wait.
    pub link_bytes_max: usize,
}

/// Bytes that wait in all queues together.
pub const TOTAL_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What a waiting frame costs beyond its bytes, so that many small ones count too.
const FRAME_OVERHEAD_BYTES: usize = 256;
/// Entries of one queue; bytes bind earlier.
const ENTRIES_MAX: usize = 64 * 1024;
/// Frames one worker takes at once: one hand-over instead of many when a partner sends a burst.
const BATCH_MAX: usize = 16;

const _: () = assert!(ENTRIES_MAX * FRAME_OVERHEAD_BYTES >= 12 * 1024 * 1024, "the smallest link_bytes_max binds before the entries do");
const _: () = assert!(IN_FLIGHT_BYTES_MAX < 12 * 1024 * 1024, "a full window of a partner that keeps to the protocol fits its queue");

/// Links that wait in the loop for a document to be read back. One waits, the others go on.
pub type Stalled = BTreeSet<LinkId>;

/// The queues of all links.
pub struct Verifier {
    shared: Shared,
    link_bytes_max: usize,
    links: BTreeMap<LinkId, Queue>,
}

/// What every link's task has.
#[derive(Clone)]
struct Shared {
    network: NetworkId,
    directory: watch::Receiver<Arc<Directory>>,
    inputs: mpsc::Sender<Input>,
    /// Links whose inputs wait in the loop already: nothing more of them is handed on.
    stalled: watch::Receiver<Stalled>,
    workers: Arc<Semaphore>,
    total: Arc<AtomicUsize>,
}

struct Queue {
    entries: mpsc::Sender<Entry>,
    waiting: Arc<AtomicUsize>,
}

enum Entry {
    Frame(Weighed),
    /// Keeps its place between messages.
    Event(Box<Input>),
}

/// A frame that counts against its bounds until dropped.
struct Weighed {
    bytes: Vec<u8>,
    weight: usize,
    counts: [Arc<AtomicUsize>; 2],
}

impl Drop for Weighed {
    fn drop(&mut self) {
        for count in &self.counts {
            count.fetch_sub(self.weight, Ordering::Relaxed);
        }
    }
}

impl Verifier {
    /// A verifier without links.
    pub fn new(
        network: NetworkId,
        directory: watch::Receiver<Arc<Directory>>,
        inputs: mpsc::Sender<Input>,
        stalled: watch::Receiver<Stalled>,
        bounds: Bounds,
    ) -> Self {
        let workers = match bounds.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            set => set,
        };
        let shared = Shared { network, directory, inputs, stalled, workers: Arc::new(Semaphore::new(workers)), total: Arc::default() };
        Self { shared, link_bytes_max: bounds.link_bytes_max, links: BTreeMap::new() }
    }

    /// A connection stands. Must run inside a tokio runtime.
    pub fn up(&mut self, link: LinkId, transport: TransportKey, outgoing: bool) {
        let (entries, queue) = mpsc::channel(ENTRIES_MAX);
        let first = Input::LinkUp { link, transport, outgoing };
        entries.try_send(Entry::Event(Box::new(first))).map_err(|_| ()).expect("a new queue has room");
        tokio::spawn(serve(link, queue, self.shared.clone()));
        self.links.insert(link, Queue { entries, waiting: Arc::default() });
    }

    /// A frame arrived. Answers the link to close, if a bound is broken: this one or the one with the longest queue.
    #[must_use]
    pub fn frame(&mut self, link: LinkId, bytes: Vec<u8>) -> Option<LinkId> {
        let queue = self.links.get(&link)?;
        let weight = bytes.len() + FRAME_OVERHEAD_BYTES;
        let here = queue.waiting.fetch_add(weight, Ordering::Relaxed) + weight;
        let total = self.shared.total.fetch_add(weight, Ordering::Relaxed) + weight;
        let frame = Weighed { bytes, weight, counts: [Arc::clone(&queue.waiting), Arc::clone(&self.shared.total)] };
        let full = here > self.link_bytes_max || queue.entries.try_send(Entry::Frame(frame)).is_err();
        let victim = if full {
            link
        } else if total > TOTAL_BYTES_MAX {
            *self.links.iter().max_by_key(|(_, queue)| queue.waiting.load(Ordering::Relaxed))?.0
        } else {
            return None;
        };
        self.down(victim);
        Some(victim)
    }

    /// Something about a link that must not overtake its messages. Same answer as [`Verifier::frame`].
    #[must_use]
    pub fn event(&mut self, link: LinkId, event: Input) -> Option<LinkId> {
        let full = self.links.get(&link)?.entries.try_send(Entry::Event(Box::new(event))).is_err();
        full.then(|| {
            self.down(link);
            link
        })
    }

    /// A connection is gone; what waits is still handed on, then its end.
    pub fn down(&mut self, link: LinkId) {
        self.links.remove(&link);
    }
}

/// One link's queue, in order; when it closes, the core hears that the link is gone.
async fn serve(link: LinkId, mut queue: mpsc::Receiver<Entry>, shared: Shared) {
    let mut stalled = shared.stalled.clone();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let Ok(worker) = Arc::clone(&shared.workers).acquire_owned().await else { return };
        let (directory, network) = (shared.directory.borrow().clone(), shared.network);
        let entries = std::mem::take(&mut batch);
        let checked = tokio::task::spawn_blocking(move || {
            let checked: Vec<_> = entries.into_iter().map(|entry| check(link, entry, &directory, &network)).collect();
            drop(worker);
            checked
        });
        // A panic while decoding a partner's bytes is our bug, and still only that partner's link.
        let checked =
            checked.await.unwrap_or_else(|_| vec![(Input::Garbage { link, why: "checking failed inside accord".to_owned() }, None)]);
        for (input, frame) in checked {
            // Without a loop the next line ends it.
            drop(stalled.wait_for(|links| !links.contains(&link)).await);
            if shared.inputs.send(input).await.is_err() {
                return;
            }
            drop(frame);
        }
    }
    let _ = shared.inputs.send(Input::LinkDown { link }).await;
}

fn check(link: LinkId, entry: Entry, directory: &Directory, network: &NetworkId) -> (Input, Option<Weighed>) {
    match entry {
        Entry::Event(input) => (*input, None),
        Entry::Frame(frame) => match wire::check(directory, network, &frame.bytes) {
            Ok(message) => (Input::Message { link, message }, Some(frame)),
            Err(error) => (Input::Garbage { link, why: error.to_string() }, Some(frame)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(link_bytes_max: usize, inputs_max: usize) -> (Verifier, mpsc::Receiver<Input>, watch::Sender<Arc<Directory>>) {
        let (inputs, received) = mpsc::channel(inputs_max);
        let network = NetworkId::named("test");
        let (known, directory) = watch::channel(Arc::new(Directory::new(network)));
        let (_, stalled) = watch::channel(Stalled::new());
        (Verifier::new(network, directory, inputs, stalled, Bounds { workers: 2, link_bytes_max }), received, known)
    }

    fn words(input: &Input) -> String {
        match input {
            Input::LinkUp { link, .. } => format!("up {}", link.0),
            Input::LinkDown { link } => format!("down {}", link.0),
            Input::Garbage { link, .. } => format!("garbage {}", link.0),
            Input::FrameDropped { link } => format!("dropped {}", link.0),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn events_and_messages_of_one_link_keep_their_order() {
        let (mut verifier, mut inputs, _known) = verifier(1 << 20, 8);
        let link = LinkId(1);
        verifier.up(link, TransportKey([1; 32]), true);
        for at in 0..50u8 {
            assert_eq!(verifier.frame(link, vec![0xff, at]), None);
            if at % 10 == 0 {
                assert_eq!(verifier.event(link, Input::FrameDropped { link }), None);
            }
        }
        verifier.down(link);
        let mut expect = vec!["up 1".to_owned()];
        for at in 0..50u8 {
            expect.push("garbage 1".to_owned());
            if at % 10 == 0 {
                expect.push("dropped 1".to_owned());
            }
        }
        expect.push("down 1".to_owned());
        for expect in expect {
            assert_eq!(words(&inputs.recv().await.expect("one more")), expect);
        }
    }

    #[tokio::test]
    async fn a_link_that_waits_in_the_loop_hands_on_nothing_and_the_others_do() {
        let (stalled, links) = watch::channel(Stalled::from([LinkId(1)]));
        let (mut verifier, mut inputs, _known) = verifier(1 << 20, 8);
        verifier.shared.stalled = links;
        for n in [1, 2] {
            verifier.up(LinkId(n), TransportKey([1; 32]), false);
            assert_eq!(verifier.frame(LinkId(n), vec![0xff]), None);
        }
        for expect in ["up 2", "garbage 2"] {
            assert_eq!(words(&inputs.recv().await.expect("of the other link")), expect);
        }
        stalled.send_replace(Stalled::new());
        for expect in ["up 1", "garbage 1"] {
            assert_eq!(words(&inputs.recv().await.expect("of the link that waited")), expect);
        }
    }

    #[tokio::test]
    async fn a_flood_closes_its_own_link_and_holds_up_no_other() {
        // The core takes nothing meanwhile: one input fits its queue.
        let (mut verifier, mut inputs, _known) = verifier(1 << 20, 1);
        let (flood, honest) = (LinkId(1), LinkId(2));
        verifier.up(flood, TransportKey([1; 32]), false);
        verifier.up(honest, TransportKey([2; 32]), false);
        let closed = (0..100).find_map(|_| verifier.frame(flood, vec![0; 64 * 1024]));
        assert_eq!(closed, Some(flood));
        assert_eq!(verifier.frame(flood, vec![0]), None, "nothing more is taken from it");
        assert_eq!(verifier.frame(honest, vec![0xff]), None);
        verifier.down(honest);
        let mut seen: Vec<String> = Vec::new();
        while seen.iter().filter(|words| words.starts_with("down")).count() < 2 {
            seen.push(words(&inputs.recv().await.expect("one more")));
        }
        assert!(seen.contains(&"garbage 2".to_owned()), "the other link's message came through");
        assert_eq!(verifier.shared.total.load(Ordering::Relaxed), 0, "everything handed on is given back");
    }
}
