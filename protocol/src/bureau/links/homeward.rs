//! Naming to an owner what of its own it may have lost and does not compare: what it took back from us, or what no clause lets us have now.
//!
//! ```text
//! hello without a cursor we believe --> all of it noted, on disk --> at the first quiet moment, of each such document its newest records
//!       owner holds it: acknowledged      owner lacks it: Want --> the whole document      all acknowledged --> noted no more but what may not go
//! ```
//! A single document is noted too, in the step that makes it necessary: where a walk leaves something of it behind (on the terms of that moment it may
//! not go, and on better ones no walk comes there), and where its log branched and we are let in no more. Both sides compare what the owner may give;
//! what it may not give any more is in no sum, and nothing but a walk brought it home. Where the cursor that comes back is of another store, theirs or
//! ours, there is no walk.

use super::*;

/// Before the transport key, in the key of a row: all that is its own has still to be named to the device there.
const ALL: &[u8] = b"homeward:";
/// Before the transport key and the id of a document: that one has.
const ONE: &[u8] = b"homeward-of:";

fn all_key(transport: &TransportKey) -> Vec<u8> {
    [ALL, &transport.0].concat()
}

fn one_key(transport: &TransportKey, document: &DocumentId) -> Vec<u8> {
    [ONE, &transport.0, &document.0].concat()
}

/// What has still to be named to a device of a partner; each row of the store is one line of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::bureau) struct Homeward {
    /// Everything that is its own and in no view.
    all: bool,
    /// Of that, these documents.
    these: BTreeSet<DocumentId>,
}

/// To whom what is their own has still to be named, by the rows of a store.
pub(in crate::bureau) fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<TransportKey, Homeward> {
    let mut found: BTreeMap<TransportKey, Homeward> = BTreeMap::new();
    for key in local.keys() {
        if let Some(device) = key.strip_prefix(ALL).and_then(|rest| <[u8; 32]>::try_from(rest).ok()) {
            found.entry(TransportKey(device)).or_default().all = true;
        } else if let Some((device, document)) = key.strip_prefix(ONE).and_then(|rest| rest.split_first_chunk::<32>())
            && let Ok(document) = <[u8; 32]>::try_from(document)
        {
            found.entry(TransportKey(*device)).or_default().these.insert(DocumentId(document));
        }
    }
    found
}

impl Bureau {
    /// A partner came whose cursor says nothing: what is its own and in no sum has to be named to it.
    pub(super) fn note_homeward(&mut self, turn: &mut Turn, transport: TransportKey, bureau: &BureauId) {
        if self.documents.owned_by(bureau) > 0 {
            let homeward = self.homeward.entry(transport).or_default();
            if !std::mem::replace(&mut homeward.all, true) {
                turn.put(Table::Local, &all_key(&transport), vec![1]);
            }
        }
    }

    /// One document has to be named to a device of its owner, besides what has to be already.
    pub(in crate::bureau) fn note_document(&mut self, turn: &mut Turn, transport: TransportKey, document: DocumentId) {
        let homeward = self.homeward.entry(transport).or_default();
        if !homeward.all && homeward.these.insert(document) {
            turn.put(Table::Local, &one_key(&transport, &document), vec![1]);
        }
    }

    /// All was named but what is left: of so many, or all again.
    fn note_named(&mut self, turn: &mut Turn, transport: TransportKey, left: BTreeSet<DocumentId>) {
        let Some(homeward) = self.homeward.get_mut(&transport) else { return };
        if left.len() > limits::HOMEWARD_NOTED_MAX {
            return;
        }
        if homeward.all {
            turn.remove(Table::Local, &all_key(&transport));
        }
        for gone in homeward.these.difference(&left) {
            turn.remove(Table::Local, &one_key(&transport, gone));
        }
        for new in left.difference(&homeward.these) {
            turn.put(Table::Local, &one_key(&transport, new), vec![1]);
        }
        if left.is_empty() {
            self.homeward.remove(&transport);
        } else {
            *homeward = Homeward { all: false, these: left };
        }
    }

    /// A walk passes a document over on the terms of now.
    pub(super) fn leave_behind(&mut self, turn: &mut Turn, id: LinkId, peer: &Peer, document: DocumentId, permit: Option<&Permit>) {
        let leaves = self.leaves_behind(peer, &document, permit);
        if !self.links[&id].bundle {
            self.note_left(turn, id, &document);
            if leaves {
                self.note_passed(turn, peer.bureau, document);
            }
        } else if leaves && let Some(link) = self.links.get_mut(&id) {
            // Noted when it is sealed: a bundle nobody gets passed nothing over.
            link.left.insert(document);
        }
    }

    /// On the terms of now a walk leaves something of a document behind. On better ones nobody walks there again, and where it is the other end's own
    /// and in no view then, nobody compares it.
    fn note_left(&mut self, turn: &mut Turn, id: LinkId, document: &DocumentId) {
        let (Some(link), Some(summary)) = (self.links.get(&id), self.documents.line(document)) else { return };
        let (transport, owner) = (link.transport, summary.owner);
        if !link.own && link.is_with(&owner) && !link.echoes.contains(&summary.newest_seq) {
            self.note_document(turn, transport, *document);
            self.links.get_mut(&id).expect("present above").named.remove(document);
        }
    }

    /// Of what has to be named, what is the partner's own and in no view.
    fn homeward_of(&self, turn: &Turn, link: &Link, bureau: &BureauId) -> BTreeSet<DocumentId> {
        let out_of_view = |line: &Line<'_>| line.owner == *bureau && !self.in_view(turn, link, &line.summary());
        match self.homeward.get(&link.transport) {
            None => BTreeSet::new(),
            Some(homeward) if homeward.all => self.documents.values().filter(out_of_view).map(|summary| summary.document).collect(),
            Some(homeward) => {
                let these = homeward.these.iter().filter_map(|id| self.documents.line(id));
                these.filter(out_of_view).map(|summary| summary.document).collect()
            }
        }
    }

    /// Of what had to be named, what stays to be: of all, what may not go on the terms of now; of single ones, what was not named on this link; and what
    /// the other end had no room for.
    fn left_behind(&self, turn: &Turn, link: &Link, bureau: &BureauId) -> BTreeSet<DocumentId> {
        let may_go = |document: &DocumentId| {
            let permit = self.documents.get(document).map(|summary| self.may_go(turn, &summary.facts(), self.identity.bureau, *bureau));
            permit.is_some_and(|permit| permit.is_ok_and(|permit| permit.whole()))
        };
        let all = self.homeward.get(&link.transport).is_some_and(|homeward| homeward.all);
        let mut left = self.homeward_of(turn, link, bureau);
        left.retain(|document| link.put_off.contains(document) || if all { !may_go(document) } else { !link.named.contains(document) });
        left
    }

    /// At a quiet moment: begins to name what is the other end's own, or notes that all of it arrived. Answers whether something has still to go.
    pub(super) fn homeward_due(&mut self, turn: &mut Turn, id: LinkId) -> bool {
        let link = &self.links[&id];
        let transport = link.transport;
        let Some(peer) = link.peer.filter(|_| self.homeward.contains_key(&transport)) else { return false };
        if link.homeward.is_none() {
            if !self.quota(turn, peer.bureau).take_homeward() {
                return false;
            }
            let documents = self.homeward_of(turn, &self.links[&id], &peer.bureau);
            let link = self.links.get_mut(&id).expect("present above");
            (link.homeward, link.named) = (Some(documents), BTreeSet::new());
            self.pump(turn, id);
        }
        let link = &self.links[&id];
        let rests = link.in_flight.is_empty() && link.whole.is_empty() && link.homeward.as_ref().is_some_and(BTreeSet::is_empty);
        if !rests {
            return true;
        }
        let left = self.left_behind(turn, link, &peer.bureau);
        // What is left is begun anew on another link, or on this one once the terms are others.
        self.note_named(turn, transport, left);
        false
    }

    /// A document of the other end's own, in which we are let in no more, has a log that branched. Its owner alone can heal it and may know of one
    /// branch only, as where it ran twice: the newest record of each branch is named to it.
    pub(super) fn name_branches(&mut self, turn: &mut Turn, id: LinkId, document: DocumentId) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(bureau) = link.bureau() else { return };
        // Where such documents will be named this one is among them. Noted it is in the step that acknowledges what made it branch: the other end
        // has no reason to say that again.
        let transport = link.transport;
        let comes_anyway = link.homeward.is_none() && self.homeward.contains_key(&transport);
        self.note_document(turn, transport, document);
        self.links.get_mut(&id).expect("present above").named.remove(&document);
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
            let link = self.links.get_mut(&id).expect("present above");
            link.homeward.as_mut().expect("present above").remove(&document);
            // It may go another day, on other terms: whether it may when all else was named says nothing of that.
            if !link.declined.contains(&document) {
                link.put_off.insert(document);
            }
            return true;
        };
        let Some(state) = self.bodies.get(&document) else {
            self.want(turn, document);
            return false;
        };
        let heads: Option<Vec<Bytes>> = state.log().heads().iter().map(|head| newest(state, head)).collect();
        // Held work follows no record that could tell whether it is there.
        let heads = heads.filter(|heads| {
            self.documents.line(&document).is_some_and(|line| line.held == 0)
                && heads.iter().map(|bytes| bytes.0.len()).sum::<usize>() <= PUSH_BYTES
        });
        let link = self.links.get_mut(&id).expect("present above");
        link.homeward.as_mut().expect("present above").remove(&document);
        link.put_off.remove(&document);
        link.named.insert(document);
        let Some(records) = heads else {
            link.whole.insert(document);
            return true;
        };
        let push = Push { records, ..Push::empty(link.next_mark, document) };
        link.next_mark += 1;
        let (mark, bytes) = (push.mark, Message::Push(push).encode());
        let reached = link.reached();
        link.in_flight.push_back(InFlight {
            mark,
            bytes: bytes.len(),
            reached,
            document,
            last: false,
            parting: false,
            held: 0,
            part: false,
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_one_line_of_what_has_to_be_named_and_other_rows_are_none() {
        let (one, other) = (TransportKey([1; 32]), TransportKey([2; 32]));
        let documents: BTreeSet<DocumentId> = [3, 4].map(|id| DocumentId([id; 32])).into();
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = documents.iter().map(|document| (one_key(&one, document), vec![1])).collect();
        rows.insert(all_key(&other), vec![1]);
        for odd in [&b"homeward:short"[..], b"homeward-of:", &[ONE, &[7; 63]].concat(), &[ONE, &[7; 65]].concat(), b"floor"] {
            rows.insert(odd.to_vec(), vec![1]);
        }
        let expected = [(one, Homeward { all: false, these: documents }), (other, Homeward { all: true, these: BTreeSet::new() })];
        assert_eq!(open(&rows), expected.into());
    }
}
