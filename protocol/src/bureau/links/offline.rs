//! What a link says and hears where nobody is at the other end: the parts of a conversation that make a bundle (`bureau/bundles.rs`).

use super::*;

impl Peer {
    /// A device of a bureau.
    pub fn new(certificate: CertificateId, bureau: BureauId) -> Self {
        Self { certificate, bureau }
    }
}

impl Link {
    /// A link that is none: nothing is at its other end.
    pub fn without_transport(transport: TransportKey, now: MonoMillis) -> Self {
        Self { bundle: true, version: wire::VERSION, ..Self::new(transport, now) }
    }
    /// Whose device would be there, and how far it got.
    pub fn is_to(&mut self, peer: Peer, own: bool, reached: Reached) {
        (self.peer, self.own) = (Some(peer), own);
        (self.base, self.walked) = (reached.base, reached.walked);
    }
    /// These go from their beginning.
    pub fn bring_whole(&mut self, documents: BTreeSet<DocumentId>) {
        self.whole.extend(documents);
    }
    /// The transport key of who would be there.
    pub fn transport(&self) -> TransportKey {
        self.transport
    }
    /// Another device of the same bureau.
    pub fn turn_to(&mut self, transport: TransportKey) {
        self.transport = transport;
    }
    /// Whether nothing is at its other end.
    pub fn is_bundle(&self) -> bool {
        self.bundle
    }
    /// What was said is in the file: how many documents, and how many bytes of held work. Nobody has it for that.
    pub fn went(&mut self) -> (u64, usize) {
        let documents = self.in_flight.iter().filter(|push| push.last || push.parting).count() as u64;
        let held = self.in_flight.iter().map(|push| push.held).sum();
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        (documents, held)
    }
    /// Why the last document was not taken, if it was not.
    pub fn take_no(&mut self) -> Option<String> {
        self.said_no.take()
    }
    /// What was passed over, and up to which sequence of ours the walk came.
    pub fn end_of_walk(&mut self) -> (BTreeSet<DocumentId>, u64) {
        (std::mem::take(&mut self.left), self.walked)
    }
    /// Whether what is stored under a sequence came by this link.
    pub fn brought_here(&self, seq: u64) -> bool {
        self.echoes.contains(&seq)
    }
}

impl Bureau {
    /// What a device of a bureau is greeted with.
    pub(in crate::bureau) fn hello_to(&self, turn: &Turn, bureau: BureauId, transport: &TransportKey) -> Hello {
        Hello {
            network: self.identity.network,
            bureau: self.identity.bureau,
            certificate: self.identity.certificate,
            wall: turn.stamp,
            cursor: self.cursors.get(transport).cloned().map(Bytes),
            own_root: self.directory.root_head(&self.identity.bureau).expect("our own root is known"),
            your_root: self.directory.root_head(&bureau),
            statements: self.introduction(),
            version: wire::VERSION,
            ledger: self.ledger_counts(&bureau),
        }
    }

    /// First things first, as on a link: what anybody may know of us, the agreements, and what the ledger may lack.
    pub(in crate::bureau) fn greet_in_bundle(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, own: bool) {
        if own {
            self.greet_own(id);
        } else {
            self.say_greeting(id, self.greeting(peer));
            let holds = self.lines_known_to(&peer.bureau);
            self.say_ledger(id, peer.bureau, holds);
        }
        self.send_dues(turn, id);
    }

    /// Says what lies next, as much as a link would hold on its way. Answers whether that was all.
    pub(in crate::bureau) fn pack_some(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, show: bool) -> bool {
        // What was said is in the file, before what comes now: as good as heard.
        if let Some(mark) = self.links.get(&id).and_then(|link| link.dues.newest_mark()) {
            self.heard_came(turn, id, mark);
        }
        if show && self.send_dues(turn, id) {
            self.show_passes(turn, id);
            if !self.links[&id].own {
                self.tell_asks(turn, id);
            }
        }
        while self.send_dues(turn, id) {
            self.walk_on(turn, id);
            if !self.links[&id].has_dues() {
                self.send_later(turn, id);
                break;
            }
        }
        let link = &self.links[&id];
        let walked = link.whole.is_empty() && link.partial.is_empty() && !self.documents.any_after(link.walked);
        walked && !link.has_dues() && !link.dues.has_later() && link.dues.newest_mark().is_none() && self.silence(&peer.bureau).is_none()
    }

    /// What the device is to return that took in all of the bundle.
    pub(in crate::bureau) fn bundle_cursor(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer) -> Vec<u8> {
        let reached = self.links[&id].reached();
        self.seal_cursor(turn, id, peer, reached)
    }

    /// A hello out of a bundle: who speaks, and how far it got. It is no contact: nobody is there, and nobody knows since when it lay about.
    pub(in crate::bureau) fn hello_in_bundle(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, hello: &Hello, created: WallSeconds) {
        let transport = self.links[&id].transport;
        let own = peer.bureau == self.identity.bureau;
        let newer = self.is_newer_word(turn, &transport, &peer.bureau, created);
        let returned = self.returned_cursor(&transport, &peer.bureau, hello.cursor.as_ref());
        let link = self.links.get_mut(&id).expect("the caller put it there");
        link.is_to(*peer, own, returned.reached);
        link.version = hello.version.min(wire::VERSION);
        link.had = if returned.believed { returned.reached.base } else { 0 };
        if newer && returned.believed && hello.cursor.is_some() {
            self.note_reached(turn, &transport, returned.reached);
        }
        if let Some(end) = returned.bundle_end {
            self.left_arrived(turn, &peer.bureau, end);
        }
        if returned.of_bundle && returned.believed {
            let same = returned.policy == Some(self.bundle_policy(turn, &peer.bureau));
            let until = returned.reached.walked;
            let documents = if same { self.unnoted(turn, id, |summary| summary.newest_seq <= until) } else { Vec::new() };
            self.all_delivered(turn, id, documents);
        }
        if let Some(counts) = hello.ledger.filter(|_| !own && newer) {
            self.note_lines_known(turn, &peer.bureau, counts);
        }
        // One that lay about says of a pair what was so then: no reason to believe that nothing was forgotten since.
        if newer || returned.memory.as_ref().is_some_and(|memory| memory.sequence > self.sequence) {
            self.recollect(turn, peer, returned.memory);
        }
    }

    /// Notes how far a device got.
    pub(in crate::bureau) fn note_reached(&mut self, turn: &mut Turn, transport: &TransportKey, reached: Reached) {
        if self.reached.insert(*transport, reached) != Some(reached) {
            self.keep_reached(turn, transport);
        }
    }
}
