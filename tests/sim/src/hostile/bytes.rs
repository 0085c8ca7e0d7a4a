//! Bytes that are no messages.

use accord_protocol::id::{Bytes, DocumentId};
use accord_protocol::wire::{Message, VERSION};
use rand::Rng;

use super::personality::Attack;
use crate::world::World;

/// Random bytes, or a message with some bytes changed, or of a type or version nobody knows.
pub fn noise(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    world.noise(from, to)
}

/// A push whose body nests ten thousand arrays, or declares an array of four thousand million.
pub fn deep_nest(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    let mut bytes = vec![VERSION, world.rng.random_range(1..=12)];
    match world.rng.random_range(0..3) {
        0 => bytes.extend(std::iter::repeat_n(0x81, 10_000)),
        1 => bytes.extend([0xa1, 0x00, 0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        _ => bytes.extend([0xa1, 0x00, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
    }
    world.inject(from, to, bytes)
}

/// Hundreds of pushes of documents that do not exist, each a reason for a line in an account and a word to the officers.
pub fn alarmist(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    let mut sent = false;
    for _ in 0..world.rng.random_range(20..300) {
        let document = DocumentId(world.rng.random());
        sent |= world.push_parts(from, to, document, Some(vec![0x80]), Vec::new(), Vec::new());
    }
    sent
}

impl World {
    /// Sends noise: random bytes, or a message with some bytes changed.
    pub fn noise(&mut self, from: usize, to: usize) -> bool {
        let mut bytes = match self.rng.random_range(0..5) {
            0 => (0..self.rng.random_range(0..200)).map(|_| self.rng.random()).collect(),
            1 => Message::Ack(self.rng.random()).encode(),
            2 => vec![VERSION, self.rng.random_range(13..=255), 0xa0],
            3 => {
                let mut bytes = Message::Ack(1).encode();
                bytes[0] = self.rng.random();
                bytes
            }
            _ => Message::Agreements(vec![Bytes(vec![0xd2; 40])]).encode(),
        };
        if let Some(byte) = bytes.last_mut() {
            *byte ^= self.rng.random::<u8>();
        }
        self.inject(from, to, bytes)
    }
}
