//! Cursors: how far a peer got and what we held, sealed to ourselves and kept by them. The only memory a restored node has.
//!
//! ```text
//! version ‖ index id ‖ what the peer acknowledged ‖ policy ‖ our sequence ‖ 128 slots of (pair tag u16, count u24)
//! ```
//! Every cursor has one size, whatever is in it: it tells its holder neither how busy we are nor with how many. A slot's tag is a keyed hash
//! of the other bureau under the key that seals the cursor, so that slots need no table of their own that a restore could lose; its count is
//! how many statements and lines of that pair we held.

use super::*;
use crate::bureau::memory::Slot;

/// Of what is sealed.
const VERSION: u8 = 3;
/// The version before, with counts of two bytes that came round. What was so held then is at most what is held now, unless the store was put back:
/// read as they stand they never look richer than they were.
const ROUND: u8 = 2;

/// What a cursor of either version tells of our pairs; `None` for what is none.
fn slots_of(version: u8, bytes: &[u8]) -> Option<Vec<Slot>> {
    let size = match version {
        VERSION => Slot::BYTES,
        ROUND => Slot::BYTES - 1,
        _ => return None,
    };
    (bytes.len() == size * SLOTS).then(|| bytes.chunks_exact(size).filter_map(Slot::read).collect())
}

/// Pairs one cursor speaks of.
pub(in crate::bureau) const SLOTS: usize = 128;

/// What a returned cursor tells of ourselves.
#[derive(Clone, Debug)]
pub(in crate::bureau) struct Recollection {
    /// It was sealed by the store generation we are.
    pub same_index: bool,
    /// Our sequence then.
    pub sequence: u64,
    /// What we held of each pair then.
    pub slots: Vec<Slot>,
}

/// What a hello's cursor came to.
#[derive(Clone, Debug)]
pub(in crate::bureau) struct Returned {
    /// How far the peer got.
    pub reached: Reached,
    /// Whether nothing speaks against going on from there.
    pub believed: bool,
    /// What it remembers of us, if it could be read.
    pub memory: Option<Recollection>,
    /// What it has of our greeting, and that the cursor says all that a new one would.
    pub greeting: Option<Digest>,
    /// See `greeting`.
    pub current: bool,
    /// What we knew of its bureau's own roots, appointments and revocations when we gave it.
    pub theirs: Option<Digest>,
    /// What a device of our own heard of other bureaus, by this store's count.
    pub heard_of: Option<due::HeardOf>,
    /// Which of our passes it had then.
    pub passes: Option<u64>,
    /// It went in a bundle.
    pub of_bundle: bool,
    /// Where that bundle ended, by the sequence of this store.
    pub bundle_end: Option<u64>,
    /// See [`CursorBody`].
    pub policy: Option<Digest>,
}

impl Bureau {
    pub(in crate::bureau) fn policy_digest(&self, partner: &BureauId, turn: &Turn) -> Digest {
        // Third bureaus' documents cross by passes: both sides must know the same ones before their sums mean anything.
        let mut hasher = blake3::Hasher::new_derive_key("accord pair policy v2");
        hasher.update(&self.book.policy(Pair::of(self.identity.bureau, *partner), turn.effective).0);
        for pass in self.passes.between(&self.identity.bureau, partner, turn.effective) {
            hasher.update(&pass.0);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    pub(in crate::bureau) fn seal_cursor(&self, turn: &mut Turn, id: LinkId, peer: &Peer, reached: Reached) -> Vec<u8> {
        // Of this link alone: a copy of the device, or a link of its that died unnoticed, may have heard more than who is here.
        let link = &self.links[&id];
        let (transport, greeting) = (&link.transport, link.greeting.filter(|_| !link.bundle));
        let bundle = link.bundle.then_some(true);
        let body = CursorBody {
            version: VERSION,
            index: crate::id::Nonce(self.index_id),
            reached,
            policy: if link.bundle { self.bundle_policy(turn, &peer.bureau) } else { self.policy_digest(&peer.bureau, turn) },
            sequence: self.sequence,
            slots: self.slot_bytes(),
            greeting,
            theirs: self.lasting(&peer.bureau),
            heard_of: link.heard_of.filter(|_| link.own),
            passes: link.passes.filter(|_| !link.own),
            bundle,
        };
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&turn.draw()[..24]);
        let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
        let aad = cursor_aad(transport, &self.identity.network);
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &padded(&write(&body)), aad: &aad })
            .expect("a short plaintext can be encrypted");
        [nonce.as_slice(), &sealed].concat()
    }

    fn slot_bytes(&self) -> Bytes {
        let mut slots: Vec<u8> = self.slots().into_iter().take(SLOTS).flat_map(Slot::bytes).collect();
        slots.resize(Slot::BYTES * SLOTS, 0);
        Bytes(slots)
    }

    /// How far the peer got, by the cursor it returned. Without a readable one: from the start if we never reached it, else nothing is sent
    /// on its word and the comparison finds what it lacks.
    pub(in crate::bureau) fn returned_cursor(&self, transport: &TransportKey, bureau: &BureauId, cursor: Option<&Bytes>) -> Returned {
        let opened = cursor.and_then(|bytes| {
            let (nonce, sealed) = bytes.0.split_at_checked(24)?;
            let cipher = XChaCha20Poly1305::new(&Key::from(self.identity.cursor_key));
            let aad = cursor_aad(transport, &self.identity.network);
            let nonce = <[u8; 24]>::try_from(nonce).ok()?;
            let plain = cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad }).ok()?;
            let (length, rest) = plain.split_first_chunk::<2>()?;
            let body: CursorBody = read("cursor", rest.get(..usize::from(u16::from_be_bytes(*length)))?).ok()?;
            slots_of(body.version, &body.slots.0).map(|slots| (body, slots))
        });
        let body = opened.as_ref().map(|(body, _)| body);
        let told = body.filter(|body| body.index.0 == self.index_id && body.reached.walked <= self.sequence).map(|b| b.reached);
        let told = self.bundles.with_brought(transport, told, cursor.is_none());
        let of_bundle = body.is_some_and(|body| body.bundle.is_some());
        let bundle_end = body.filter(|body| of_bundle && body.index.0 == self.index_id).map(|body| body.reached.walked);
        let (reached, believed) = match (told, self.reached.get(transport)) {
            // Who returns what came in a bundle took in all of it, acknowledged or not.
            (Some(told), _) if of_bundle => (told, true),
            // What we know to be acknowledged bounds what a returned cursor may claim: a later push may have overtaken a dropped one.
            (Some(told), Some(own)) => (Reached { base: told.base.min(own.base), walked: told.walked.min(own.walked) }, true),
            (Some(told), None) => (told, true),
            (None, None) => (Reached::default(), cursor.is_none()),
            (None, Some(_)) => (Reached { base: self.sequence, walked: self.sequence }, false),
        };
        let greeting = body.filter(|_| told.is_some()).and_then(|body| body.greeting);
        let heard_of = body.filter(|_| told.is_some()).and_then(|body| body.heard_of);
        let passes = body.filter(|_| told.is_some()).and_then(|body| body.passes);
        let theirs = body.and_then(|body| body.theirs);
        let says_all = |body: &CursorBody| body.slots == self.slot_bytes() && body.theirs == self.lasting(bureau);
        let current = body.is_some_and(|body| told == Some(reached) && says_all(body));
        let memory = opened.as_ref().map(|(body, slots)| Recollection {
            same_index: body.index.0 == self.index_id,
            sequence: body.sequence.max(body.reached.walked),
            slots: slots.clone(),
        });
        let policy = body.map(|body| body.policy);
        Returned { reached, believed, memory, greeting, current, theirs, heard_of, passes, of_bundle, bundle_end, policy }
    }

    /// Gives a peer its cursor if that is due.
    pub(in crate::bureau) fn hand_due_cursor(&mut self, turn: &mut Turn, id: LinkId) {
        if self.links.get(&id).is_some_and(|link| link.cursor_due.is_some_and(|due| due <= turn.now.mono)) {
            self.hand_cursor(turn, id);
        }
    }

    /// Gives a peer what it is to return in its next hello, once it heard what waits to be said. Not while we may be an older self of ours: what it keeps then knows more.
    pub(in crate::bureau) fn hand_cursor(&mut self, turn: &mut Turn, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.has_dues() {
            link.cursor_due = Some(turn.now.mono);
            return;
        }
        let (transport, peer) = (link.transport, link.peer);
        let Some(peer) = peer.filter(|_| !self.memory.is_catching()) else {
            if let Some(link) = self.links.get_mut(&id) {
                link.cursor_due = None;
            }
            return;
        };
        let link = self.links.get_mut(&id).expect("present above");
        // It brought what lies here since, and nothing waits for its answer: it need not get that back when one of us starts anew.
        let rests = link.in_flight.is_empty() && link.unsure.is_empty() && link.whole.is_empty() && link.walked >= self.sequence;
        let (brought, far) = (rests && std::mem::take(&mut link.brought), link.reached());
        if brought && self.reached.insert(transport, far) != Some(far) {
            self.keep_reached(turn, &transport);
        }
        let reached = self.reached.get(&transport).copied().unwrap_or_default();
        let link = &self.links[&id];
        let now = link.reached();
        let reached = Reached { base: reached.base.min(now.base), walked: reached.walked.min(now.walked) };
        let cursor = Bytes(self.seal_cursor(turn, id, &peer, reached));
        self.send(turn, id, &Message::Cursor(cursor), false);
        self.told_how_far(turn, &transport);
        self.memory.handed(peer.certificate);
        if let Some(link) = self.links.get_mut(&id) {
            link.cursor_given = Some(turn.now.mono);
            link.since_cursor = 0;
            link.cursor_due = None;
        }
    }

    /// Both hold the same: how far the other side got, and what it heard of us at greeting, is noted here and given to it.
    pub(in crate::bureau) fn settled_with(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer) {
        self.nothing_on_its_way(turn, id, peer);
        let greeting = (!self.links[&id].own).then(|| self.greeting(peer).digest());
        let passes = self.passes_shown(turn, id, peer);
        let link = self.links.get_mut(&id).expect("the caller holds it");
        let (transport, reached) = (link.transport, link.reached());
        link.had = link.walked;
        let heard = greeting.is_none() || (link.greeting == greeting && link.passes == passes);
        if heard && self.reached.get(&transport) == Some(&reached) {
            return;
        }
        link.greeting = greeting;
        link.passes = passes;
        link.cursor_due = Some(turn.now.mono);
        self.reached.insert(transport, reached);
        self.keep_reached(turn, &transport);
    }

    /// Keeps what a peer gave us, to return it.
    pub(in crate::bureau) fn keep_cursor(&mut self, turn: &mut Turn, id: LinkId, cursor: Vec<u8>) {
        if cursor.len() > limits::CURSOR_BYTES_MAX {
            return;
        }
        let transport = self.links[&id].transport;
        if self.cursors.get(&transport) == Some(&cursor) {
            return;
        }
        if let Some(bureau) = self.links[&id].bureau().filter(|bureau| *bureau != self.identity.bureau)
            && !self.quota(turn, bureau).take_cursor()
        {
            return;
        }
        turn.put(Table::Cursors, &transport.0, cursor.clone());
        self.cursors.insert(transport, cursor);
        if let Some(bureau) = self.links[&id].bureau() {
            self.keep_coming(turn, &transport, bureau);
        }
    }
}

/// Length, value, zeros: every cursor has one size.
fn padded(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a cursor body is a few hundred bytes");
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(body);
    debug_assert!(out.len() <= CURSOR_BYTES, "the size holds the largest body");
    out.resize(out.len().max(CURSOR_BYTES), 0);
    out
}

fn cursor_aad(transport: &TransportKey, network: &crate::id::NetworkId) -> Vec<u8> {
    [b"accord cursor v2".as_slice(), &transport.0, &network.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_from_a_cursor_of_the_version_before_too() {
        let slots = |size: usize, first: &[u8]| [first, &vec![0; size * SLOTS - first.len()]].concat();
        let (now, before) = (slots(5, &[0, 9, 1, 0, 2]), slots(4, &[0, 9, 1, 2]));
        assert_eq!(slots_of(VERSION, &now), Some(vec![Slot { tag: 9, count: 65_538 }]));
        assert_eq!(slots_of(ROUND, &before), Some(vec![Slot { tag: 9, count: 258 }]));
        assert!(slots_of(VERSION, &before).is_none() && slots_of(ROUND, &now).is_none() && slots_of(1, &before).is_none());
    }
}
