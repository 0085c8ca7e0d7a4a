//! What a hostile member or partner does: segments signed twice, documents pushed without right, noise.

use accord_keys::canon;
use accord_protocol::act::{Act, ActKind};
use accord_protocol::content::{Content, Edit};
use accord_protocol::id::{Bytes, DocumentId, Nonce};
use accord_protocol::intake::Item;
use accord_protocol::rules::{self, ChangeHash};
use accord_protocol::segment::{self, Segment, Tip};
use accord_protocol::time::WallSeconds;
use accord_protocol::wire::{Message, Push};
use rand::Rng;

use crate::world::World;

impl World {
    fn segments_of(&self, n: usize, document: &DocumentId) -> Vec<Segment> {
        let items = self.nodes[n].disk.items(document);
        items
            .into_iter()
            .filter_map(|(_, bytes)| Item::from_bytes(&bytes))
            .filter_map(|item| match item {
                Item::Segment(bytes) => segment::decode(&bytes).ok(),
                _ => None,
            })
            .collect()
    }

    /// A second segment for the place where a device's officer last wrote, with another text: equivocation.
    pub fn second_segment(&mut self, n: usize, document: &DocumentId) -> Option<Vec<u8>> {
        let officer = self.nodes[n].officers.last()?.clone();
        let all = self.segments_of(n, document);
        let last = all.iter().filter(|s| s.certificate == officer.certificate).max_by_key(|s| s.from)?.clone();
        let actor = segment::actor_id(&officer.certificate, document, &last.life);
        // Everything that does not rest on the segment to be doubled, in causal order.
        let mut known: Vec<(ChangeHash, Vec<u8>)> = Vec::new();
        let raw: Vec<Vec<u8>> = all.iter().flat_map(|s| s.changes.iter().map(|c| c.0.clone())).collect();
        loop {
            let before = known.len();
            for bytes in &raw {
                let Ok(change) = rules::parse(bytes) else { continue };
                let own = change.actor() == actor && change.seq() >= last.from;
                let ready = change.deps().iter().all(|dep| known.iter().any(|(hash, _)| hash == dep));
                if !own && ready && known.iter().all(|(hash, _)| *hash != change.hash()) {
                    known.push((change.hash(), bytes.clone()));
                }
            }
            if known.len() == before {
                break;
            }
        }
        let mut content = Content::replay(known.iter().map(|(_, bytes)| bytes.as_slice())).ok()?;
        let act = Act {
            uuid: Nonce(self.rng.random()),
            kind: ActKind::Note,
            title: String::new(),
            text: format!("另一份记录 {}", self.mark()),
            subkind: String::new(),
            case_number: None,
            signed_at: WallSeconds(self.wall()),
            seat: String::new(),
            approval: None,
        };
        let changes = content.edit(actor, &[Edit::Act(act.to_bytes())]).ok()?;
        let hashes: Vec<ChangeHash> = changes.iter().filter_map(|c| rules::parse(c).ok()).map(|c| c.hash()).collect();
        let tip = Tip { n: last.from - 1, attestation: last.before };
        let cited = last.cited.first()?.record;
        let sealed = segment::seal_changes(
            &self.network,
            officer.key.as_ref(),
            *document,
            officer.certificate,
            last.life,
            tip,
            changes,
            &hashes,
            cited,
        );
        Some(canon::encode(&sealed.ok()?))
    }

    /// Sends segments of a document from one node to another as a push of their own.
    pub fn push_raw(&mut self, from: usize, to: usize, document: DocumentId, segments: Vec<Vec<u8>>) -> bool {
        let push = Push {
            mark: 1_000_000 + self.rng.random_range(0..1_000),
            document,
            evidence: Vec::new(),
            genesis: None,
            records: Vec::new(),
            segments: segments.into_iter().map(Bytes).collect(),
            cursor: None,
            openings: None,
        };
        self.inject(from, to, Message::Push(push).encode())
    }

    /// Sends a whole document, as a node has it, whatever anyone thinks of it.
    pub fn push_whole(&mut self, from: usize, to: usize, document: DocumentId) -> bool {
        let mut push = Push {
            mark: 1,
            document,
            evidence: Vec::new(),
            genesis: None,
            records: Vec::new(),
            segments: Vec::new(),
            cursor: None,
            openings: None,
        };
        for (_, bytes) in self.nodes[from].disk.items(&document) {
            match Item::from_bytes(&bytes) {
                Some(Item::Genesis(bytes)) => push.genesis = Some(Bytes(bytes)),
                Some(Item::Record(bytes)) => push.records.push(Bytes(bytes)),
                Some(Item::Segment(bytes)) => push.segments.push(Bytes(bytes)),
                Some(Item::Opening(_)) | None => {}
            }
        }
        self.inject(from, to, Message::Push(push).encode())
    }

    /// Sends noise: random bytes, or a message with some bytes changed.
    pub fn noise(&mut self, from: usize, to: usize) -> bool {
        let mut bytes = match self.rng.random_range(0..3) {
            0 => (0..self.rng.random_range(0..200)).map(|_| self.rng.random()).collect(),
            1 => Message::Ack(self.rng.random()).encode(),
            _ => Message::Agreements(vec![Bytes(vec![0xd2; 40])]).encode(),
        };
        if let Some(byte) = bytes.last_mut() {
            *byte ^= self.rng.random::<u8>();
        }
        self.inject(from, to, bytes)
    }
}
