//! What is counted while the province runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use accord_protocol::id::DocumentId;
use accord_protocol::step::Write;
use accord_sim::world::meter::Meter;
use rustix::time::{ClockId, clock_gettime};

/// Counters of one device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device {
    /// Processor time of its core and of the checks of what came, seconds.
    pub cpu_s: f64,
    /// Bytes of frames it sent.
    pub bytes_out: u64,
    /// Bytes of frames sent to it.
    pub bytes_in: u64,
    /// Frames it sent.
    pub frames_out: u64,
    /// Commits that wrote something.
    pub commits: u64,
    /// Bytes it committed.
    pub stored: u64,
}

/// Everything counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// By number.
    pub devices: Vec<Device>,
    /// When a device first had something of a document on disk, microseconds of world time.
    pub held: BTreeMap<(DocumentId, usize), u64>,
    begun: f64,
}

/// The counters, shared with the world.
#[derive(Clone, Debug, Default)]
pub struct Shared(pub Rc<RefCell<Counts>>);

impl Shared {
    /// Sets all counters of devices to zero; what is held stays.
    pub fn forget_setup(&self, devices: usize) {
        self.0.borrow_mut().devices = vec![Device::default(); devices];
    }
}

/// Processor time of this thread, seconds.
fn thread_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Meter for Shared {
    fn begins(&mut self) {
        self.0.borrow_mut().begun = thread_s();
    }

    fn worked(&mut self, node: usize) {
        let now = thread_s();
        let counts = &mut *self.0.borrow_mut();
        if let Some(device) = counts.devices.get_mut(node) {
            device.cpu_s += now - counts.begun;
        }
    }

    fn sends(&mut self, from: usize, to: usize, bytes: usize) {
        let counts = &mut *self.0.borrow_mut();
        if let Some(device) = counts.devices.get_mut(from) {
            device.bytes_out += bytes as u64;
            device.frames_out += 1;
        }
        if let Some(device) = counts.devices.get_mut(to) {
            device.bytes_in += bytes as u64;
        }
    }

    fn stored(&mut self, node: usize, at_us: u64, writes: &[Write]) {
        let counts = &mut *self.0.borrow_mut();
        let mut bytes = 0;
        for write in writes {
            bytes += match write {
                Write::Put { value, .. } => value.as_ref().map_or(0, Vec::len),
                Write::Item { body, .. } => body.len(),
                Write::Account(line) => line.len(),
            };
            if let Write::Item { document, .. } = write {
                counts.held.entry((*document, node)).or_insert(at_us);
            }
        }
        if let Some(device) = counts.devices.get_mut(node) {
            device.commits += u64::from(!writes.is_empty());
            device.stored += bytes as u64;
        }
    }
}
