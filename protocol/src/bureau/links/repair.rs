//! Repairing what differs by coded symbols: one side sends symbols of its view, the other answers what only the first holds.
//!
//! ```text
//! unequal --Symbols(first n)--> cannot tell yet: Differs(wanted) --> Symbols(the next) ..   told: sends what only it holds,
//!         <--Differs(items)--                                                              and says what only the other holds
//!         --what only it holds, and by name what is the other's own--> (a cut that the holder did not hear of is told now)
//! ```
//! Nothing is kept of the view but the symbols that came; both sides compute theirs anew. Everything is clamped to the view, as for tips.

use super::*;
use crate::equality::sketch::{self, Item, Key, SYMBOL_BYTES};
use crate::id::Nonce;

/// A repair by symbols that is under way on a link.
#[derive(Debug)]
pub(super) enum Repairing {
    /// We send symbols.
    Telling { nonce: Nonce, sent: usize },
    /// Symbols came, and more were asked for.
    Listening { nonce: Nonce, symbols: Vec<u8>, wanted: usize },
}

impl Bureau {
    fn key_of(&self, peer: &Peer, nonce: &Nonce) -> Key {
        Key::new(&self.identity.network, &Pair::of(self.identity.bureau, peer.bureau), nonce)
    }

    /// The view of a link under the key of a repair.
    fn items_of(&self, turn: &Turn, id: LinkId, key: &Key) -> BTreeMap<Item, DocumentId> {
        let link = &self.links[&id];
        self.view_of(turn, link).map(|summary| (key.item(&summary.entry), summary.document)).collect()
    }

    /// Begins a repair. At least as many documents differ as one side has more; mostly it is little more.
    pub(super) fn send_first_symbols(&mut self, turn: &mut Turn, id: LinkId, view: usize, theirs: u64) {
        let apart = usize::try_from((view as u64).abs_diff(theirs)).unwrap_or(usize::MAX);
        let until = apart.saturating_mul(3).div_ceil(2).saturating_add(limits::SYMBOLS_FIRST).min(limits::SYMBOLS_MAX);
        let nonce = turn.nonce();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.by_symbols = true;
        link.repairing = Some(Repairing::Telling { nonce, sent: 0 });
        self.send_symbols(turn, id, until);
    }

    fn send_symbols(&mut self, turn: &mut Turn, id: LinkId, until: usize) {
        let link = &self.links[&id];
        let (Some(peer), Some(Repairing::Telling { nonce, sent })) = (link.peer, &link.repairing) else { return };
        let (nonce, sent) = (*nonce, *sent);
        let key = self.key_of(&peer, &nonce);
        let items: BTreeSet<Item> = self.items_of(turn, id, &key).into_keys().collect();
        let symbols = Bytes(sketch::symbols(&key, &items, sent, until));
        let from = u32::try_from(sent).expect("bounded by the symbols of a repair");
        // What they are made of is content to whoever is not entitled: gated like pushes.
        self.send(turn, id, &Message::Symbols { nonce, from, symbols }, true);
        if let Some(link) = self.links.get_mut(&id) {
            link.repairing = Some(Repairing::Telling { nonce, sent: until });
            link.listed_at = Some(turn.now.mono);
            link.busy(turn.now.mono);
        }
    }

    pub(in crate::bureau) fn symbols_came(&mut self, turn: &mut Turn, id: LinkId, nonce: Nonce, from: u32, symbols: Bytes) {
        let link = self.links.get_mut(&id).expect("checked by message()");
        let peer = link.peer.expect("checked by message()");
        let first = match (&link.repairing, from) {
            // Both began: that of the lower device counts.
            (Some(Repairing::Telling { .. }), 0) if self.identity.certificate < peer.certificate => return,
            (_, 0) => true,
            // All that was wished for comes at once: each message costs a look through the view.
            (Some(Repairing::Listening { nonce: before, symbols: old, wanted }), from)
                if *before == nonce
                    && old.len() == from as usize * SYMBOL_BYTES
                    && old.len() + symbols.0.len() == *wanted * SYMBOL_BYTES =>
            {
                false
            }
            _ => return,
        };
        if !link.may_walk_view(turn.now.mono) {
            return;
        }
        if first {
            if link.repairs > limits::REPAIRS_MAX {
                return;
            }
            link.repairs += 1;
            link.by_symbols = true;
        }
        link.busy(turn.now.mono);
        let all = match link.repairing.take() {
            Some(Repairing::Listening { symbols: mut before, .. }) if !first => {
                before.extend_from_slice(&symbols.0);
                before
            }
            _ => symbols.0,
        };
        if self.silence(&peer.bureau).is_some() {
            return;
        }
        let key = self.key_of(&peer, &nonce);
        let documents = self.items_of(turn, id, &key);
        if documents.len() > limits::SYMBOLS_DOCUMENTS_MAX {
            return;
        }
        let items: BTreeSet<Item> = documents.keys().copied().collect();
        let count = all.len() / SYMBOL_BYTES;
        let Some(found) = sketch::difference(&key, &items, &all) else {
            // Four times as many: a wrong first guess costs few turns.
            let wanted = (count * 4).min(limits::SYMBOLS_MAX);
            if wanted <= count {
                return self.tips_instead(turn, id, documents.len());
            }
            let asked = Some(u32::try_from(wanted).expect("bounded by the symbols of a repair"));
            self.send(turn, id, &Message::Differs { nonce, wanted: asked, items: Bytes(Vec::new()) }, true);
            if let Some(link) = self.links.get_mut(&id) {
                link.repairing = Some(Repairing::Listening { nonce, symbols: all, wanted });
            }
            return;
        };
        let theirs = Bytes(found.theirs.iter().flat_map(|item| item.to_be_bytes()).collect());
        self.send(turn, id, &Message::Differs { nonce, wanted: None, items: theirs }, true);
        self.repaired(turn, id, &documents, &found.ours);
    }

    pub(in crate::bureau) fn differs_came(&mut self, turn: &mut Turn, id: LinkId, nonce: Nonce, wanted: Option<u32>, items: &[u8]) {
        let link = &self.links[&id];
        let peer = link.peer.expect("checked by message()");
        let sent = match &link.repairing {
            Some(Repairing::Telling { nonce: ours, sent }) if *ours == nonce => *sent,
            _ => return,
        };
        if self.silence(&peer.bureau).is_some() {
            return;
        }
        if let Some(wanted) = wanted {
            let wanted = (wanted as usize).min(limits::SYMBOLS_MAX);
            // Each wish at least doubles what there is: few of them reach the bound.
            if wanted <= sent || (wanted < 2 * sent && wanted < limits::SYMBOLS_MAX) {
                return;
            }
            if let Some(link) = self.links.get_mut(&id)
                && !link.may_walk_view(turn.now.mono)
            {
                link.repairing = None;
                return link.busy(turn.now.mono);
            }
            return self.send_symbols(turn, id, wanted);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.repairing = None;
            if !link.may_walk_view(turn.now.mono) {
                return;
            }
        }
        let key = self.key_of(&peer, &nonce);
        let documents = self.items_of(turn, id, &key);
        let items: BTreeSet<Item> = items.as_chunks().0.iter().map(|item| Item::from_be_bytes(*item)).collect();
        // What is the other's own it may have cut us from: by its name it finds out.
        let named = items.iter().filter_map(|item| documents.get(item));
        let named = named.filter(|document| self.documents.line(document).is_some_and(|line| line.owner == peer.bureau));
        let named: Vec<DocumentId> = named.copied().collect();
        if let Some(link) = self.links.get_mut(&id).filter(|_| !named.is_empty()) {
            link.listed_at = Some(turn.now.mono);
        }
        for page in named.chunks(limits::NAMED_PAGE) {
            self.send(turn, id, &Message::Named(page.to_vec()), true);
        }
        self.repaired(turn, id, &documents, &items);
    }

    /// The other side counts these in the view, and holds them otherwise than we: whoever was cut hears so.
    pub(in crate::bureau) fn named_came(&mut self, turn: &mut Turn, id: LinkId, documents: &[DocumentId]) {
        let Some(peer) = self.links[&id].peer.filter(|peer| self.silence(&peer.bureau).is_none()) else { return };
        let parted = documents.iter().filter(|document| {
            let summary = self.documents.get(document);
            summary.is_some_and(|summary| access::parting(&summary.facts(), self.identity.bureau, peer.bureau).is_some())
        });
        let parted: Vec<DocumentId> = parted.copied().collect();
        if let Some(link) = self.links.get_mut(&id) {
            link.whole.extend(parted);
            link.busy(turn.now.mono);
        }
    }

    /// Sends what only we hold; of everything else both hold the same.
    fn repaired(&mut self, turn: &mut Turn, id: LinkId, documents: &BTreeMap<Item, DocumentId>, ours: &BTreeSet<Item>) {
        let differing: BTreeSet<DocumentId> = ours.iter().filter_map(|item| documents.get(item)).copied().collect();
        let shared = self.unnoted(turn, id, |summary| !differing.contains(&summary.document));
        self.all_delivered(turn, id, shared);
        if let Some(link) = self.links.get_mut(&id) {
            link.whole.extend(differing);
            link.busy(turn.now.mono);
        }
    }

    /// More differs than symbols tell of.
    fn tips_instead(&mut self, turn: &mut Turn, id: LinkId, view: usize) {
        if view <= limits::TIPS_DOCUMENTS_MAX {
            return self.send_tips(turn, id);
        }
        let peer = self.links[&id].peer.expect("the caller looked");
        if !self.links[&id].own && !self.partners.get(&peer.bureau).is_some_and(|row| row.divergent) {
            self.mark_divergent(turn, peer.bureau, true);
        }
    }
}
