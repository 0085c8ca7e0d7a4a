//! Naming to an owner what of its own it may have lost and does not compare: what it took back from us, or what no clause lets us have now.
//!
//! ```text
//! hello without a cursor we believe --> noted, on disk --> at the first quiet moment, of each such document its newest records
//!       owner holds it: acknowledged           owner lacks it: Want --> the whole document          all acknowledged --> noted no more
//! ```
//! Both sides compare what the owner may give; what it may not give any more is in no sum, and nothing but a walk brought it home. Where the
//! cursor that comes back is of another store, theirs or ours, there is no walk.

use super::*;

/// Before the transport key, in the key of a row: what is its own has still to be named to the device there.
const HOMEWARD: &[u8] = b"homeward:";

fn row_key(transport: &TransportKey) -> Vec<u8> {
    [HOMEWARD, &transport.0].concat()
}

/// To whom what is their own has still to be named, by the rows of a store.
pub(in crate::bureau) fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeSet<TransportKey> {
    let keys = local.keys().filter_map(|key| <[u8; 32]>::try_from(key.strip_prefix(HOMEWARD)?).ok());
    keys.map(TransportKey).collect()
}

impl Bureau {
    /// A partner came whose cursor says nothing: what is its own and in no sum has to be named to it.
    pub(super) fn note_homeward(&mut self, turn: &mut Turn, transport: TransportKey, bureau: &BureauId) {
        if self.owned.get(bureau).is_some_and(|count| *count > 0) && self.homeward.insert(transport) {
            turn.put(Table::Local, &row_key(&transport), vec![1]);
        }
    }

    /// At a quiet moment: begins to name what is the other end's own, or notes that all of it arrived. Answers whether something has still to go.
    pub(super) fn homeward_due(&mut self, turn: &mut Turn, id: LinkId) -> bool {
        let link = &self.links[&id];
        let transport = link.transport;
        let Some(peer) = link.peer.filter(|_| self.homeward.contains(&transport)) else { return false };
        let begun = link.homeward.is_some();
        if !begun {
            if !self.quota(turn, peer.bureau).take_homeward() {
                return false;
            }
            let link = &self.links[&id];
            let theirs = self.documents.values().filter(|summary| summary.owner == peer.bureau && !self.in_view(turn, link, summary));
            let documents: BTreeSet<DocumentId> = theirs.map(|summary| summary.document).collect();
            self.links.get_mut(&id).expect("present above").homeward = Some(documents);
            self.pump(turn, id);
        }
        let link = &self.links[&id];
        let rests = link.in_flight.is_empty() && link.whole.is_empty() && link.homeward.as_ref().is_some_and(BTreeSet::is_empty);
        if rests {
            self.homeward.remove(&transport);
            turn.remove(Table::Local, &row_key(&transport));
        }
        !rests
    }

    /// A document of the other end's own, in which we are let in no more, has a log that branched. Its owner alone can heal it and may know of one
    /// branch only, as where it ran twice: the newest record of each branch is named to it.
    pub(super) fn name_branches(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(bureau) = link.bureau() else { return };
        // Where all such documents will be named this one is among them.
        let comes_anyway = link.homeward.is_none() && self.homeward.contains(&link.transport);
        if comes_anyway || !self.quota(turn, bureau).take_want() {
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.homeward.get_or_insert_default().insert(document);
            link.busy(turn.now.mono);
        }
    }

    /// Names the next document to its owner. Answers whether more may go at once.
    pub(super) fn name_homeward(&mut self, turn: &mut Turn, id: LinkId) -> bool {
        let link = &self.links[&id];
        // On other terms nothing is named, and it stays to be named.
        if self.mode(turn, link) != Mode::Full {
            return false;
        }
        let (Some(peer), Some(document)) = (link.peer, link.homeward.as_ref().and_then(|left| left.first().copied())) else { return false };
        let permit = self.may_send(turn, &peer, &document).ok().filter(|permit| permit.whole() && !link.declined.contains(&document));
        let Some(permit) = permit.filter(|_| !self.cannot_load.contains_key(&document)) else {
            self.links.get_mut(&id).and_then(|link| link.homeward.as_mut()).expect("present above").remove(&document);
            return true;
        };
        let Some(state) = self.bodies.get(&document) else {
            self.want(turn, document);
            return false;
        };
        let heads: Option<Vec<Bytes>> = state.log().heads().iter().map(|head| newest(state, head)).collect();
        // Held work follows no record that could tell whether it is there.
        let heads = heads
            .filter(|heads| self.documents[&document].held == 0 && heads.iter().map(|bytes| bytes.0.len()).sum::<usize>() <= PUSH_BYTES);
        let link = self.links.get_mut(&id).expect("present above");
        link.homeward.as_mut().expect("present above").remove(&document);
        let Some(records) = heads else {
            link.whole.insert(document);
            return true;
        };
        let push = Push { records, ..Push::empty(link.next_mark, document) };
        link.next_mark += 1;
        let (mark, bytes) = (push.mark, Message::Push(push).encode());
        let reached = link.reached();
        link.in_flight.push_back(InFlight { mark, bytes: bytes.len(), reached, document, last: false, parting: false, held: 0 });
        link.in_flight_bytes += bytes.len();
        link.busy(turn.now.mono);
        turn.step.sends.push(Send { link: id, bytes, gated: true });
        self.account(turn, "sent", Some(document), Some(peer.bureau), Some(peer.certificate), &permit.cites());
        true
    }
}

/// A record as it is sealed; `None` of a log that holds nothing but its genesis.
fn newest(state: &DocState, head: &crate::id::RecordId) -> Option<Bytes> {
    let record = state.log().get(head)?.record.as_ref()?;
    Some(Bytes(record.sealed().to_bytes()))
}
