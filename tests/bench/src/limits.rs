//! The physical limits: what the disk, the loopback and the processor allow, measured in the same run and folder as ours.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use crate::Failed;

/// Bytes of one page, the usual unit of a durable append.
pub const PAGE: usize = 4 << 10;
/// Bytes of one ping: about a small frame.
const PING: usize = 64;

/// Appends `bytes` and syncs, `count` times; microseconds of each.
///
/// # Errors
/// When the disk fails.
pub fn durable_appends(dir: &Path, bytes: usize, count: usize) -> Result<Vec<f64>, Failed> {
    let path = dir.join("bare-append");
    let mut file = File::options().create(true).append(true).open(&path)?;
    // Not zeros: a file system may treat those specially.
    let block: Vec<u8> = (0..bytes).map(|at| (at * 131 % 251) as u8).collect();
    let mut micros = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(micros)
}

/// Durable appends a second.
///
/// # Errors
/// When the disk fails.
pub fn appends_per_s(dir: &Path, bytes: usize, count: usize) -> Result<f64, Failed> {
    let total: f64 = durable_appends(dir, bytes, count)?.iter().sum();
    Ok(count as f64 / (total / 1e6))
}

/// Round trips over a TCP connection on loopback; microseconds of each.
///
/// # Errors
/// When loopback cannot be used.
pub fn round_trips(count: usize) -> Result<Vec<f64>, Failed> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let echo = std::thread::spawn(move || {
        let mut ping = [0; PING];
        while far.read_exact(&mut ping).is_ok() && far.write_all(&ping).is_ok() {}
    });
    let mut micros = Vec::with_capacity(count);
    let mut ping = [7; PING];
    for _ in 0..count {
        let begun = Instant::now();
        near.write_all(&ping)?;
        near.read_exact(&mut ping)?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    drop(near);
    let _ = echo.join();
    Ok(micros)
}
