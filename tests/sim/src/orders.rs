//! I7, I15: the order, doubling and packing in which things come make no difference.

use accord_keys::seal::Sealed;
use accord_protocol::access::audience::Opening;
use accord_protocol::access::log::{Genesis, Record};
use accord_protocol::bureau::Bureau;
use accord_protocol::id::{Bytes, DocumentId};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::intake::{DocState, Item};
use accord_protocol::segment;
use accord_protocol::step::Table;
use accord_protocol::view::{DocumentView, View};
use accord_protocol::wire::{self, Message, Push};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use crate::world::{BASE_WALL, World};

impl World {
    /// I7: a document's parts taken in shuffled and doubled end in the same view entry, the same admitted changes.
    pub fn check_orders(&mut self) {
        let documents: Vec<DocumentId> = self.documents().into_iter().collect();
        for document in documents {
            let holders: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].is_up() && self.holds(*n, &document)).collect();
            let Some(n) = holders.choose(&mut self.rng).copied() else { continue };
            let mut dice = rand::rngs::SmallRng::seed_from_u64(self.rng.random());
            let items: Vec<Item> = self.nodes[n].disk.items(&document).iter().filter_map(|(_, body)| Item::from_bytes(body)).collect();
            let [one, other] = [0, 1].map(|doubled| {
                let mut items = items.clone();
                if doubled == 1 {
                    items.extend(items.clone());
                    items.shuffle(&mut dice);
                }
                self.taken_in(n, &document, &items)
            });
            if one.is_none() || one != other {
                let name = self.nodes[n].name.clone();
                self.fail(&format!("I7: {document:?} of {name}, in order and shuffled:\n{one:?}\n{other:?}"));
            }
            self.figures.count("checks", "orders");
        }
    }

    fn taken_in(&self, n: usize, document: &DocumentId, items: &[Item]) -> Option<(String, usize, u64)> {
        let directory = self.nodes[n].core.as_ref()?.directory();
        let genesis = items.iter().find_map(|item| match item {
            Item::Genesis(bytes) => Sealed::<Genesis>::from_bytes(bytes).ok()?.verify(&self.network).ok(),
            _ => None,
        })?;
        if genesis.id().0 != document.0 {
            return None;
        }
        let mut state = DocState::new(&directory, genesis).ok()?;
        // What waits is asked for again by whoever sends it: here it is simply given again.
        for _ in 0..4 {
            for item in items {
                match item {
                    Item::Record(bytes) => {
                        let record = Sealed::<Record>::from_bytes(bytes).ok()?.verify(&self.network).ok()?;
                        let _ = state.learn_record(&directory, record);
                    }
                    Item::Segment(bytes) => {
                        let raw = segment::decode(bytes).ok()?;
                        let certificate = directory.certificate(&raw.certificate)?.body();
                        let checked = segment::check(&self.network, certificate, raw).ok()?;
                        let _ = state.learn_segment(&directory, checked);
                    }
                    _ => {}
                }
            }
            state.retry(&directory);
        }
        Some((state.entry().to_string(), state.admitted().len(), state.settled()))
    }

    /// I15: a document that comes to a node in one push and one that comes part by part end alike.
    pub fn check_packing(&mut self) {
        let ways: Vec<(usize, usize)> = self.hellos.keys().copied().collect();
        let Some((from, to)) = ways.choose(&mut self.rng).copied() else { return };
        if from == to || !self.nodes[to].is_up() || self.nodes[from].bureau == self.nodes[to].bureau {
            return;
        }
        let own = self.nodes[from].bureau;
        let shared: Vec<DocumentId> = self
            .oracle
            .documents
            .iter()
            .filter(|(_, (owner, _))| *owner == own)
            .map(|(id, _)| *id)
            .filter(|id| self.holds(from, id) && self.holds(to, id))
            .collect();
        let Some(document) = shared.choose(&mut self.rng).copied() else { return };
        let (mut genesis, mut records, mut segments) = (None, Vec::new(), Vec::new());
        let mut openings = None;
        let reader = self.nodes[to].bureau;
        for (_, body) in self.nodes[from].disk.items(&document) {
            match Item::from_bytes(&body) {
                Some(Item::Genesis(bytes)) => genesis = Some(Bytes(bytes)),
                Some(Item::Record(bytes)) => records.push(Bytes(bytes)),
                Some(Item::Segment(bytes)) => segments.push(Bytes(bytes)),
                // Of a hidden audience each reader is opened its own line only.
                Some(Item::Opening(bytes)) => {
                    if let Some(opening) = Opening::from_bytes(&bytes).filter(|opening| opening.bureau == reader) {
                        openings.get_or_insert_with(Vec::new).push(opening);
                    }
                }
                _ => {}
            }
        }
        let push = |mark, genesis: Option<Bytes>, records: Vec<Bytes>, segments: Vec<Bytes>| {
            Message::Push(Push {
                mark,
                document,
                evidence: Vec::new(),
                genesis,
                records,
                segments,
                cursor: None,
                openings: openings.clone(),
                receipts: None,
            })
        };
        let whole = vec![push(1, genesis.clone(), records.clone(), segments.clone())];
        // The log goes in one piece: who was let in later is not entitled to its beginning alone.
        let mut parts = vec![push(1, genesis, records, Vec::new())];
        parts.extend(segments.into_iter().map(|segment| push(3, None, Vec::new(), vec![segment])));
        let one = self.given_to_twin(from, to, &document, &whole);
        let other = self.given_to_twin(from, to, &document, &parts);
        let gist =
            |view: &Option<DocumentView>| view.as_ref().map(|v| (v.content_hash.clone(), v.log_head.clone(), v.line.changes, v.line.held));
        // Who is not entitled to the whole is sent no parts either.
        if one.is_some() && gist(&one) != gist(&other) {
            let name = self.nodes[to].name.clone();
            self.fail(&format!("I15: {document:?} at {name}, whole and in parts:\n{:?}\n{:?}", gist(&one), gist(&other)));
        }
        self.figures.count("checks", if one.is_some() { "packing" } else { "packing-refused" });
    }

    /// What a copy of a node without this document shows after a conversation that brings it.
    fn given_to_twin(&self, from: usize, to: usize, document: &DocumentId, messages: &[Message]) -> Option<DocumentView> {
        let node = &self.nodes[to];
        let now = node.clocks(self.now, BASE_WALL);
        let rows =
            node.disk.rows().into_iter().filter(|(table, key, _)| *table != Table::Documents || key.as_slice() != document.0).collect();
        let mut twin = Bureau::open(now, node.identity.clone(), rows).ok()?;
        twin.raise_sequence(node.disk.last_seq());
        let link = LinkId(1);
        let given = |twin: &mut Bureau, input| {
            let _ = twin.handle(now, [5; 32], input);
            twin.committed();
        };
        given(&mut twin, Input::LinkUp { link, transport: self.nodes[from].transport, outgoing: false });
        let hello = self.hellos.get(&(from, to))?.clone();
        for bytes in std::iter::once(hello).chain(messages.iter().map(Message::encode)) {
            let message = wire::check(&twin.directory(), &self.network, &bytes).ok()?;
            given(&mut twin, Input::Message { link, message });
        }
        let command = Command::DocumentShow { id: document.to_string() };
        let step = twin.handle(now, [6; 32], Input::Command { id: CommandId(1), person: None, dry_run: false, command });
        match step.answers.into_iter().next() {
            Some((_, Ok(View::Document(view)))) => Some(view),
            _ => None,
        }
    }
}
