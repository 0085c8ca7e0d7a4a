//! A length of cable that can be pulled: a TCP relay on loopback between the laptop and its home node.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;

/// See the module.
pub struct Cable {
    plugged: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    port: u16,
}

impl Cable {
    /// A plugged cable to `to`.
    pub fn lay(to: SocketAddr) -> Result<Self, Failure> {
        let fault = |e: std::io::Error| Failure::fault("no_free_port").because(e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(fault)?;
        let port = listener.local_addr().map_err(fault)?.port();
        let plugged = Arc::new(AtomicBool::new(true));
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (is_plugged, streams) = (Arc::clone(&plugged), Arc::clone(&open));
        std::thread::spawn(move || {
            for incoming in listener.incoming().flatten() {
                if !is_plugged.load(Ordering::SeqCst) {
                    continue; // Dropped at once: nobody is there.
                }
                let Ok(outgoing) = TcpStream::connect(to) else { continue };
                let mut held = streams.lock().unwrap_or_else(PoisonError::into_inner);
                for (from, into) in [(&incoming, &outgoing), (&outgoing, &incoming)] {
                    let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else { continue };
                    std::thread::spawn(move || relay(from, into));
                }
                held.push(incoming);
                held.push(outgoing);
            }
        });
        Ok(Self { plugged, open, port })
    }

    /// Where the laptop reaches its home node.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.port)
    }

    /// Pulls it: every connection ends, none begins.
    pub fn pull(&self) {
        self.plugged.store(false, Ordering::SeqCst);
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        self.plugged.store(true, Ordering::SeqCst);
    }
}

fn relay(mut from: TcpStream, mut into: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if into.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
