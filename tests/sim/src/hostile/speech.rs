//! Lies in the conversation itself: sums, tips, acknowledgements, questions, silence, the time.

use accord_protocol::id::{Digest, DocumentId};
use accord_protocol::wire::{Message, Push, Reason, TipLine};
use rand::Rng;

use super::personality::Attack;
use crate::node::Swallows;
use crate::world::World;

/// A sum nobody has, or tips of documents that do not exist.
pub fn false_offers(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let message = if world.rng.random_bool(0.4) {
        let (sum, policy) = (Digest(world.rng.random()), Digest(world.rng.random()));
        Message::Equality { sum, count: world.rng.random_range(0..10_000), policy }
    } else {
        let mut lines: Vec<TipLine> = (0..world.rng.random_range(0..200))
            .map(|_| TipLine { document: DocumentId(world.rng.random()), entry: Digest(world.rng.random()) })
            .collect();
        if let Some(document) = held {
            lines.push(TipLine { document, entry: Digest(world.rng.random()) });
        }
        Message::Tips { lines, last: world.rng.random_bool(0.8) }
    };
    world.inject(from, to, message.encode())
}

/// Its clock is set ten years off; its hellos say so.
pub fn soothsayer(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    let far = 3_650 * 86_400;
    world.nodes[from].clock_off = if world.rng.random_bool(0.5) { far } else { -far };
    world.cut(from, to);
    true
}

/// From now on no statement leaves it: no revocation, no root, no appointment.
pub fn revocation_stripper(world: &mut World, Attack { from, .. }: Attack) -> bool {
    world.nodes[from].swallows = if world.nodes[from].swallows == Some(Swallows::Statements) { None } else { Some(Swallows::Statements) };
    true
}

/// From now on no document leaves it.
pub fn silent(world: &mut World, Attack { from, .. }: Attack) -> bool {
    world.nodes[from].swallows = if world.nodes[from].swallows == Some(Swallows::Documents) { None } else { Some(Swallows::Documents) };
    true
}

/// What comes to it is acknowledged and thrown away; or it acknowledges what was never sent.
pub fn ack_liar(world: &mut World, Attack { from, to, .. }: Attack) -> bool {
    if world.rng.random_bool(0.5) {
        world.nodes[from].swallows = if world.nodes[from].swallows == Some(Swallows::Incoming) { None } else { Some(Swallows::Incoming) };
        return true;
    }
    let mark = world.rng.random_range(0..50);
    world.inject(from, to, Message::Ack(mark).encode())
}

/// Asks for a document: one it holds, one of anybody's, or a random id; or pushes nothing of it, or declines it.
pub fn guesser(world: &mut World, Attack { from, to, held, .. }: Attack) -> bool {
    let everything: Vec<DocumentId> = world.documents().into_iter().collect();
    let document = match world.rng.random_range(0..3) {
        0 => held.unwrap_or(DocumentId(world.rng.random())),
        1 if !everything.is_empty() => everything[world.rng.random_range(0..everything.len())],
        _ => DocumentId(world.rng.random()),
    };
    let message = match world.rng.random_range(0..4) {
        0 => Message::Declined { document, reason: Reason::No, reference: world.rng.random() },
        1 => Message::Push(Push::empty(7, document)),
        _ => Message::Want(document),
    };
    world.inject(from, to, message.encode())
}
