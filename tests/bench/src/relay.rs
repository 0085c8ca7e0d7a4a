//! A relay between two partners that can hold every byte back for a while, as a long line would.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::Failed;

/// Bytes taken at once.
const CHUNK: usize = 64 << 10;
/// Chunks on the way, each direction.
const CHUNKS_MAX: usize = 4_096;

/// Listens on a port of its own and leads to another.
pub struct Relay {
    port: u16,
    to: Arc<AtomicU16>,
    hold_us: Arc<AtomicU64>,
}

impl Relay {
    /// Begins to listen at a port, or where one is free (0). Its threads end with the process.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn start(port: u16) -> Result<Self, Failed> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let relay = Self { port: listener.local_addr()?.port(), to: Arc::default(), hold_us: Arc::default() };
        let (to, hold_us) = (Arc::clone(&relay.to), Arc::clone(&relay.hold_us));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", to.load(Ordering::Relaxed))) else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                if let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) {
                    carry(near, far, Arc::clone(&hold_us));
                    carry(far_too, near_too, Arc::clone(&hold_us));
                }
            }
        });
        Ok(relay)
    }

    /// The port others are told.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it leads.
    pub fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    /// How long each byte is held back each way from now on.
    pub fn hold_back(&self, time: Duration) {
        self.hold_us.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Carries one direction until it ends.
fn carry(mut from: TcpStream, mut to: TcpStream, hold_us: Arc<AtomicU64>) {
    let (put, take) = sync_channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    std::thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(read) = from.read(&mut chunk) {
            let due = Instant::now() + Duration::from_micros(hold_us.load(Ordering::Relaxed));
            if read == 0 || put.send((due, chunk[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in take {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_unchanged_and_as_late_as_they_are_held_back() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let relay = Relay::start(0).expect("a relay");
        relay.lead_to(listener.local_addr().expect("bound").port());
        let mut near = TcpStream::connect(("127.0.0.1", relay.port())).expect("connected");
        let (mut far, _) = listener.accept().expect("led on");
        relay.hold_back(Duration::from_millis(60));
        let begun = Instant::now();
        near.write_all(b"hello").expect("written");
        let mut got = [0; 5];
        far.read_exact(&mut got).expect("carried");
        assert_eq!(&got, b"hello");
        assert!(begun.elapsed() >= Duration::from_millis(60));
    }
}
