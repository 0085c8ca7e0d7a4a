//! The judge: what a frame may say to whom, and what an acknowledgement means, from what a sender has on its disk.
//!
//! Written apart from the core: it decodes stored statements and applies DESIGN §4 and §5 in the plainest way, without asking
//! `access::check`, `AgreementBook`, `Log` or `intake`. It knows exactly these exceptions to P1: an answer to a frame names the document the
//! frame named; the log up to a bureau's own cut goes to that bureau; asks onward and for consent go between owner and reader or writer.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::MemberCertificate;
use accord_keys::seal::Sealed;
use accord_protocol::access::audience::Opening;
use accord_protocol::access::log::{Genesis, Kind, Record, RecordKind, Subject};
use accord_protocol::access::pass::{PassLine, RelayPass};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{BureauId, DocumentId, NetworkId, RecordId, StatementId};
use accord_protocol::intake::Item;
use accord_protocol::rules;
use accord_protocol::segment;
use accord_protocol::step::{Table, Write};
use accord_protocol::view::{Refused, View};
use accord_protocol::wire::{self, Message};

use crate::canary::Canaries;
use crate::node::Node;

/// The access log of a document as one disk has it.
#[derive(Clone, Debug)]
pub struct LogModel {
    /// Record 0.
    pub genesis: Genesis,
    /// The others.
    pub records: BTreeMap<RecordId, Record>,
    /// Readers whose place in a hidden audience this disk can open.
    pub opened: BTreeSet<BureauId>,
}

/// Reads the log of a document off a disk.
pub fn log_of(node: &Node, document: &DocumentId) -> Option<LogModel> {
    let network = &node.identity.network;
    let mut genesis = None;
    let mut records = BTreeMap::new();
    let mut openings = Vec::new();
    for (_, bytes) in node.disk.items(document) {
        match Item::from_bytes(&bytes)? {
            Item::Genesis(bytes) => genesis = Some(Sealed::<Genesis>::from_bytes(&bytes).ok()?.claimed().clone()),
            Item::Record(bytes) => {
                let sealed = Sealed::<Record>::from_bytes(&bytes).ok()?;
                records.insert(RecordId(sealed.id(network).0), sealed.claimed().clone());
            }
            Item::Opening(bytes) => openings.extend(Opening::from_bytes(&bytes)),
            Item::Segment(_) | Item::Receipt(_) => {}
        }
    }
    let genesis = genesis?;
    let commits = |opening: &Opening| genesis.hidden.as_ref().is_some_and(|all| all.contains(&opening.commitment()));
    let opened = openings.into_iter().filter(commits).map(|opening| opening.bureau).collect();
    Some(LogModel { genesis, records, opened })
}

/// The record before, and the heads named besides.
fn parents(record: &Record) -> Vec<RecordId> {
    match &record.kind {
        RecordKind::Continue(heads, ..) => heads.clone(),
        _ => vec![record.previous],
    }
}

impl LogModel {
    /// Records nothing rests on; the genesis if there are none.
    pub fn heads(&self, document: &DocumentId) -> Vec<RecordId> {
        let followed: BTreeSet<RecordId> = self.records.values().flat_map(parents).collect();
        let heads: Vec<RecordId> = self.records.keys().filter(|id| !followed.contains(id)).copied().collect();
        if heads.is_empty() { vec![RecordId(document.0)] } else { heads }
    }
    /// Everything a record rests on, itself included.
    pub fn before(&self, record: RecordId) -> BTreeSet<RecordId> {
        let mut seen = BTreeSet::new();
        let mut open = vec![record];
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.records.get(&id).into_iter().flat_map(parents));
            }
        }
        seen
    }
    /// The records on the way to every head: where grants count.
    pub fn common(&self) -> BTreeSet<RecordId> {
        let followed: BTreeSet<RecordId> = self.records.values().flat_map(parents).collect();
        let heads = self.records.keys().filter(|id| !followed.contains(id));
        let mut ways = heads.map(|head| self.way_to(*head).into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>());
        let first = ways.next().unwrap_or_default();
        ways.fold(first, |all, more| all.intersection(&more).copied().collect())
    }
    /// Whether any record ended the document.
    pub fn has_ended(&self) -> bool {
        self.records.values().any(|record| matches!(record.kind, RecordKind::End(..)))
    }
    /// The genesis with the strictest traffic light any record set.
    pub fn classed(&self) -> Genesis {
        let raised = self.records.values().filter_map(|r| if let RecordKind::Reclassify(tlp, ..) = &r.kind { Some(*tlp) } else { None });
        Genesis { tlp: raised.max().unwrap_or(self.genesis.tlp).max(self.genesis.tlp), ..self.genesis.clone() }
    }
    /// What takes away on the way to a record, and what a record that heals carries over from other branches, in order; with the grants
    /// that count in between.
    pub fn told_to(&self, head: RecordId) -> Vec<&Record> {
        let common = self.common();
        let mut out = Vec::new();
        for (id, record) in self.way_to(head) {
            match &record.kind {
                RecordKind::Grant(..) if !common.contains(&id) => {}
                RecordKind::Continue(..) => {
                    let way: BTreeSet<RecordId> = self.way_to(record.previous).into_iter().map(|(id, _)| id).collect();
                    let others = self.before(id).into_iter().filter(|other| *other != id && !way.contains(other));
                    let mut others: Vec<(u32, RecordId)> = others.filter_map(|o| Some((self.records.get(&o)?.index, o))).collect();
                    others.sort();
                    let taken = others.into_iter().map(|(_, other)| &self.records[&other]);
                    out.extend(taken.filter(|record| !matches!(record.kind, RecordKind::Grant(..))));
                }
                _ => out.push(record),
            }
        }
        out
    }
    /// The way from record 1 to a record.
    pub fn way_to(&self, head: RecordId) -> Vec<(RecordId, &Record)> {
        let mut way = Vec::new();
        let mut at = head;
        while let Some(record) = self.records.get(&at) {
            way.push((at, record));
            at = record.previous;
        }
        way.reverse();
        way
    }
    /// Bureaus that hold the document at one head, with their verb.
    pub fn holders_at(&self, head: RecordId) -> BTreeMap<BureauId, Verb> {
        let mut held: BTreeMap<BureauId, Verb> = self.genesis.audience.iter().map(|g| (g.bureau, g.verb)).collect();
        held.extend(self.opened.iter().map(|bureau| (*bureau, Verb::Read)));
        for record in self.told_to(head) {
            match &record.kind {
                RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                    for grantee in grantees {
                        let verb = held.entry(grantee.bureau).or_insert(grantee.verb);
                        if grantee.verb == Verb::Append {
                            *verb = Verb::Append;
                        }
                    }
                }
                RecordKind::Cut(Subject::Bureau(bureau), verbs, ..) => {
                    if verbs.contains(&Verb::Read) {
                        held.remove(bureau);
                    } else if let Some(verb) = held.get_mut(bureau) {
                        *verb = Verb::Read;
                    }
                }
                RecordKind::Reclassify(_, narrowed, _) => held.retain(|bureau, _| !narrowed.contains(bureau)),
                RecordKind::End(..) => held.clear(),
                _ => {}
            }
        }
        held
    }
    /// Bureaus that hold the document by every head.
    pub fn holders(&self, document: &DocumentId) -> BTreeSet<BureauId> {
        let mut sets = self.heads(document).into_iter().map(|head| self.holders_at(head).into_keys().collect::<BTreeSet<_>>());
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |all, more| all.intersection(&more).copied().collect())
    }
    /// Whether a record lets a bureau in by way of another: that one hands the document on, and tells of the cut.
    pub fn handed_on(&self, via: BureauId, to: BureauId) -> bool {
        let granted = self.records.values().filter_map(|r| match &r.kind {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => Some(grantees),
            _ => None,
        });
        granted.flatten().any(|grantee| grantee.bureau == to && grantee.via == Some(via))
    }
    /// Records that took reading away from a bureau which the log let in up to there.
    fn own_cuts(&self, bureau: BureauId) -> Vec<RecordId> {
        let takes = |record: &Record| match &record.kind {
            RecordKind::Cut(Subject::Bureau(b), verbs, ..) => *b == bureau && verbs.contains(&Verb::Read),
            RecordKind::Reclassify(_, narrowed, _) => narrowed.contains(&bureau),
            RecordKind::End(..) => true,
            _ => false,
        };
        let let_in_before = |cut: &Record| {
            let mut held = self.genesis.audience.iter().any(|grantee| grantee.bureau == bureau) || self.opened.contains(&bureau);
            for (id, record) in self.way_to(cut.previous) {
                held = match &record.kind {
                    RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                        held || grantees.iter().any(|g| g.bureau == bureau)
                    }
                    // What the other branches took away is carried over.
                    RecordKind::Continue(..) => {
                        let way = self.before(record.previous);
                        held && !self.before(id).difference(&way).filter_map(|at| self.records.get(at)).any(takes)
                    }
                    _ => held && !takes(record),
                };
            }
            held
        };
        self.records.iter().filter(|(_, record)| takes(record) && let_in_before(record)).map(|(id, _)| *id).collect()
    }
    /// Bureaus the log ever let in.
    pub fn ever_held(&self) -> BTreeSet<BureauId> {
        let granted = self.records.values().filter_map(|r| match &r.kind {
            RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => Some(grantees),
            _ => None,
        });
        self.genesis.audience.iter().chain(granted.flatten()).map(|g| g.bureau).chain(self.opened.iter().copied()).collect()
    }
}

/// Whether the log and the agreements on a sender's disk let a document go to a bureau at one of these times.
pub fn entitles(node: &Node, document: &DocumentId, to: BureauId, times: &[u64]) -> bool {
    let Some(log) = log_of(node, document) else { return false };
    let papers = node.papers();
    let from = node.bureau;
    times.iter().any(|at| {
        let between = papers.between(from, to, *at);
        let genesis = log.classed();
        if !between.carries(genesis.category) {
            return false;
        }
        if genesis.owner == to {
            return true;
        }
        let holders = log.holders(document);
        if genesis.owner == from {
            return holders.contains(&to) && between.gives(from, genesis.category, genesis.tlp, *at);
        }
        genesis.hidden.is_none() && holders.contains(&to) && holders.contains(&from) && passes(node, &genesis, to, *at)
    })
}

/// Whether the newest pass of a document's owner on a sender's disk lets it hand the document to a holder.
fn passes(node: &Node, genesis: &Genesis, to: BureauId, at: u64) -> bool {
    let mut known: Vec<RelayPass> = Vec::new();
    for (_, bytes) in node.disk.table(Table::Passes) {
        let Ok(sealed) = Sealed::<RelayPass>::from_bytes(bytes) else { continue };
        let pass = sealed.claimed();
        // Of those that name the sender: it was shown no other.
        if pass.issuer == genesis.owner && pass.holder == to && pass.from.0 <= at && pass.shown_to.contains(&node.bureau) {
            known.push(pass.clone());
        }
    }
    let newest = known.into_iter().max_by_key(|pass| (pass.from, pass.until));
    newest.is_some_and(|pass| {
        let line = |line: &PassLine| line.category == genesis.category && genesis.tlp <= line.tlp_ceiling;
        at < pass.until.0 && pass.lines.iter().any(line)
    })
}

#[derive(Clone, Debug)]
struct Owed {
    mark: u64,
    document: DocumentId,
    parts: Vec<[u8; 32]>,
}

/// See the module.
#[derive(Default)]
pub struct Oracle {
    /// What went wrong, if anything did.
    pub verdict: Option<String>,
    /// Byte strings that betray documents.
    pub canaries: Canaries,
    /// Documents each bureau was rightly sent.
    pub given: BTreeSet<(DocumentId, BureauId)>,
    /// Owner and kind of every document.
    pub documents: BTreeMap<DocumentId, (BureauId, Kind)>,
    /// Answered writes: (device, document, mark of the text).
    pub promised: BTreeSet<(usize, DocumentId, String)>,
    /// Documents of which a device committed something since it was last asked for.
    pub touched: BTreeSet<(usize, DocumentId)>,
    /// Frames judged towards another bureau.
    pub judged: u64,
    /// Acknowledged pushes found durable.
    pub acknowledged: u64,
    kept: BTreeMap<usize, BTreeSet<[u8; 32]>>,
    /// What hostile members thrust at whom.
    thrust: BTreeSet<(DocumentId, BureauId)>,
    named: BTreeSet<(BureauId, BureauId, DocumentId)>,
    owed: BTreeMap<(u64, usize), Vec<Owed>>,
    /// Pushes of a document below this mark were answered by "send it whole" or "no".
    excused: BTreeMap<((u64, usize), DocumentId), u64>,
    last_sums: BTreeMap<(usize, usize), (wire::Message, u64)>,
    frames: u64,
}

/// Ids of what an item holds: the document, a record, changes.
fn parts(network: &NetworkId, item: &Item) -> Vec<[u8; 32]> {
    match item {
        Item::Genesis(bytes) => Sealed::<Genesis>::from_bytes(bytes).map(|s| vec![s.id(network).0]).unwrap_or_default(),
        Item::Record(bytes) => Sealed::<Record>::from_bytes(bytes).map(|s| vec![s.id(network).0]).unwrap_or_default(),
        Item::Opening(_) | Item::Receipt(_) => Vec::new(),
        Item::Segment(bytes) => {
            let Ok(segment) = segment::decode(bytes) else { return Vec::new() };
            segment.changes.iter().filter_map(|raw| rules::parse(&raw.0).ok()).map(|change| change.hash().0).collect()
        }
    }
}

impl Oracle {
    /// A node committed these writes.
    pub fn committed(&mut self, node: &Node, writes: &[Write]) {
        for write in writes {
            let Write::Item { document, body, .. } = write else { continue };
            let Some(item) = Item::from_bytes(body) else { continue };
            let found = parts(&node.identity.network, &item);
            match &item {
                Item::Genesis(bytes) => {
                    if let Ok(sealed) = Sealed::<Genesis>::from_bytes(bytes) {
                        self.documents.insert(*document, (sealed.claimed().owner, sealed.claimed().kind));
                    }
                    self.canaries.add(&document.0, *document);
                    self.canaries.add(document.to_string().as_bytes(), *document);
                }
                Item::Segment(bytes) => {
                    found.iter().for_each(|hash| self.canaries.add(hash, *document));
                    self.canaries.add_marks(bytes, *document);
                }
                Item::Opening(_) | Item::Receipt(_) => {}
                Item::Record(bytes) if node.unconfirmed && is_record_by(node, bytes) && !self.canaries.knows(&found[0]) => {
                    self.verdict = Some(format!("I8: {} writes a record in {document:?} before its store was confirmed", node.name));
                }
                Item::Record(_) => found.iter().for_each(|id| self.canaries.add(id, *document)),
            }
            self.kept.entry(node.instance).or_default().extend(found);
            self.touched.insert((node.instance, *document));
        }
    }

    /// A disk was put back: what is not on it any more is no longer there by anyone's promise of this device.
    pub fn restored(&mut self, node: &Node) {
        let network = &node.identity.network;
        let items: Vec<Vec<u8>> = node.disk.documents().flat_map(|document| node.disk.items(document)).map(|(_, body)| body).collect();
        let kept = items.iter().filter_map(|body| Item::from_bytes(body)).flat_map(|item| parts(network, &item)).collect();
        self.kept.insert(node.instance, kept);
        let holds = |document: &DocumentId, mark: &str| {
            node.disk.items(document).iter().any(|(_, body)| body.windows(mark.len()).any(|w| w == mark.as_bytes()))
        };
        self.promised.retain(|(device, document, mark)| *device != node.instance || holds(document, mark));
    }

    /// A device was copied: the copy holds what the first one holds.
    pub fn copied(&mut self, node: &Node, copy: usize) {
        let kept = self.kept.get(&node.instance).cloned().unwrap_or_default();
        self.kept.insert(copy, kept);
    }

    /// A person was answered.
    pub fn answered(&mut self, node: &Node, answer: &Result<View, Refused>) {
        let Ok(View::Sending(view)) = answer else { return };
        let Some(document) = DocumentId::from_hex(&view.id).filter(|_| !view.dry_run) else { return };
        if node.disk.get(Table::Documents, &document.0).is_none() {
            self.verdict = Some(format!("I4: {} answered about {document:?}, which is not on its disk", node.name));
        }
    }

    /// A person was promised that this text is in a document.
    pub fn promise(&mut self, node: &Node, document: DocumentId, mark: &str) {
        let kept = node.disk.items(&document).iter().any(|(_, body)| body.windows(mark.len()).any(|w| w == mark.as_bytes()));
        if kept {
            self.promised.insert((node.instance, document, mark.to_owned()));
        } else {
            self.verdict = Some(format!("I4: {} answered a write in {document:?} that is not on its disk", node.name));
        }
    }

    /// A frame reached its receiver. What a hostile member `forged` counts its marks as it likes: nothing is promised to it, but the answer to it
    /// says nothing of pushes below its mark that came later.
    pub fn arrived(&mut self, way: (u64, usize), bytes: &[u8], forged: bool) {
        let Ok(Message::Push(push)) = Message::decode(bytes) else { return };
        if forged {
            self.owed.entry(way).or_default().push(Owed { mark: push.mark, document: push.document, parts: Vec::new() });
            return;
        }
        let network = NetworkId::named("sim");
        let items = push
            .genesis
            .iter()
            .map(|b| Item::Genesis(b.0.clone()))
            .chain(push.records.iter().map(|b| Item::Record(b.0.clone())))
            .chain(push.segments.iter().map(|b| Item::Segment(b.0.clone())));
        let owed = Owed { mark: push.mark, document: push.document, parts: items.flat_map(|item| parts(&network, &item)).collect() };
        // What was asked for whole stays excused until it comes whole.
        if let Some(below) = self.excused.get_mut(&(way, push.document)).filter(|_| push.genesis.is_some()) {
            *below = (*below).min(push.mark);
        }
        let owing = self.owed.entry(way).or_default();
        // No transport of ours lets frames change places: who does it here gets an answer to the later push that says nothing of this one.
        if owing.iter().all(|other| other.mark <= owed.mark) {
            owing.push(owed);
        }
    }

    /// A hostile member names documents; naming them back to it tells it nothing.
    pub fn injected(&mut self, from: BureauId, to: BureauId, bytes: &[u8]) {
        let said: Vec<BTreeSet<DocumentId>> = self.canaries.found_in(bytes).into_iter().cloned().collect();
        for document in said.into_iter().flatten() {
            self.named.insert((from, to, document));
            self.thrust.insert((document, to));
        }
    }

    /// A frame is handed to the transport: the tap.
    pub fn frame(&mut self, from: &Node, to: &Node, way: (u64, usize), bytes: &[u8], wall: u64, world_wall: u64) {
        self.frames += 1;
        let message = Message::decode(bytes).ok();
        self.receipts(from, way, message.as_ref());
        if let (Some(Message::Equality { .. }), (a, b)) = (&message, (from.instance, to.instance)) {
            self.last_sums.insert((a, b), (message.clone().expect("matched"), self.frames));
        }
        let said: Vec<BTreeSet<DocumentId>> = self.canaries.found_in(bytes).into_iter().cloned().collect();
        for document in said.iter().flatten() {
            self.named.insert((from.bureau, to.bureau, *document));
        }
        if from.bureau == to.bureau {
            return;
        }
        self.judged += 1;
        let floor = from.disk.get(Table::Local, b"floor").and_then(|v| <[u8; 8]>::try_from(v).ok()).map_or(0, u64::from_be_bytes);
        // A frame may leave within the second in which its ground ends; a clock set back counts as the corroborated one.
        let now = wall.max(floor);
        let mut times = vec![now, now.saturating_sub(1)];
        if wall < world_wall {
            times.extend([world_wall, world_wall - 1]);
        }
        for documents in said {
            let mut told = false;
            for document in &documents {
                if entitles(from, document, to.bureau, &times) {
                    self.given.insert((*document, to.bureau));
                    told = true;
                } else {
                    told |= self.excepted(from, to, document, message.as_ref());
                }
            }
            if !told {
                // I1 where a document is handed over, I2 where something else gives it away.
                let broken = if matches!(message, Some(Message::Push(_))) { "I1" } else { "I2" };
                let what = message.as_ref().map(|m| format!("{m:?}")).unwrap_or_default();
                let what: String = what.chars().take(300).collect();
                self.verdict = Some(format!("{broken}: {} told {} of {documents:?}: {what}", from.name, to.name));
                return;
            }
        }
    }

    fn excepted(&self, from: &Node, to: &Node, document: &DocumentId, message: Option<&Message>) -> bool {
        match message {
            Some(Message::Want(named) | Message::Declined { document: named, .. }) => {
                named == document && self.named.contains(&(to.bureau, from.bureau, *document))
            }
            Some(Message::Push(push)) if push.document == *document => {
                let Some(log) = log_of(from, document) else { return false };
                // Work of one's own bureau on a document of the other's, offered to it on a restricted link, never more than segments.
                let held_work = log.genesis.owner == to.bureau
                    && push.genesis.is_none()
                    && push.records.is_empty()
                    && push.segments.iter().all(|bytes| written_by(from, &bytes.0) == Some(from.bureau));
                if held_work {
                    return true;
                }
                self.given.contains(&(*document, to.bureau))
                    && push.genesis.is_none()
                    && push.segments.is_empty()
                    && (log.genesis.owner == from.bureau || log.handed_on(from.bureau, to.bureau))
                    && push.records.iter().all(|bytes| own_cut_follows(&log, to.bureau, &bytes.0, &from.identity.network))
            }
            // A receipt names the document whose push it answers. After a start the owner has receipts for all of its documents that came since the
            // last ones, also for those that another brought.
            Some(Message::Ledger(_)) => {
                self.named.contains(&(to.bureau, from.bureau, *document))
                    || log_of(from, document).is_some_and(|log| log.genesis.owner == to.bureau)
            }
            // Asking tells: a reader asks the owner, the owner asks whoever wrote in it, be it cut meanwhile; and they answer each other.
            Some(Message::Onward(_)) => {
                let Some(log) = log_of(from, document) else { return false };
                let wrote = |bureau: BureauId| {
                    from.disk.items(document).iter().any(|(_, body)| match Item::from_bytes(body) {
                        Some(Item::Segment(bytes)) => written_by(from, &bytes) == Some(bureau),
                        _ => false,
                    })
                };
                log.genesis.owner == to.bureau
                    || (log.genesis.owner == from.bureau && (wrote(to.bureau) || log.ever_held().contains(&to.bureau)))
            }
            _ => false,
        }
    }

    /// What an acknowledgement claims must be on the disk of the one who gives it.
    fn receipts(&mut self, from: &Node, (connection, end): (u64, usize), message: Option<&Message>) {
        let way = (connection, 1 - end);
        match message {
            Some(Message::Want(document) | Message::Declined { document, .. }) => {
                self.excused.insert((way, *document), u64::MAX);
            }
            Some(Message::Ack(mark)) => {
                let owed = self.owed.entry(way).or_default();
                let (due, later) = std::mem::take(owed).into_iter().partition::<Vec<_>, _>(|o| o.mark <= *mark);
                *owed = later;
                // Whoever cheats acknowledges what it likes.
                if from.hostile {
                    return;
                }
                let kept = self.kept.entry(from.instance).or_default();
                for push in due {
                    if self.excused.get(&(way, push.document)).is_some_and(|below| push.mark < *below) {
                        continue;
                    }
                    if push.parts.iter().any(|part| !kept.contains(part)) {
                        self.verdict =
                            Some(format!("I4: {} acknowledged a push of {:?} it does not have on disk", from.name, push.document));
                        return;
                    }
                    self.acknowledged += 1;
                }
            }
            _ => {}
        }
    }

    /// The last sums two devices told each other; both ways, newest.
    pub fn sums(&self, a: usize, b: usize) -> Option<(&Message, &Message)> {
        Some((&self.last_sums.get(&(a, b))?.0, &self.last_sums.get(&(b, a))?.0))
    }

    /// At the end: no disk of a bureau holds anything of a document it was never entitled to.
    pub fn search_disk(&self, node: &Node) -> Option<String> {
        for (table, piece) in node.disk.pieces() {
            for documents in self.canaries.found_in(piece) {
                let rightly = documents.iter().any(|document| {
                    let owner = self.documents.get(document).map(|(owner, _)| *owner);
                    // What a hostile member thrust at it and it refused stands in its events, by id only.
                    let refused = table == Some(Table::Events) && self.thrust.contains(&(*document, node.bureau));
                    owner == Some(node.bureau) || self.given.contains(&(*document, node.bureau)) || refused
                });
                if !rightly {
                    return Some(format!("I2: the disk of {} holds something of {documents:?}", node.name));
                }
            }
        }
        None
    }
}

/// Whether a record is sealed by this very node.
fn is_record_by(node: &Node, bytes: &[u8]) -> bool {
    Sealed::<Record>::from_bytes(bytes).is_ok_and(|sealed| sealed.claimed().registrar == node.identity.certificate)
}

/// The bureau of a segment's writer, by the certificates on a disk.
fn written_by(node: &Node, bytes: &[u8]) -> Option<BureauId> {
    let certificate = segment::decode(bytes).ok()?.certificate;
    let row = node.disk.get(Table::Statements, &certificate.0)?;
    Some(Sealed::<MemberCertificate>::from_bytes(row).ok()?.claimed().bureau)
}

/// Whether a record is one that took a bureau's access away while the log let it in, or stands before such a one: the log up to its own cut.
/// A cut that a healed log carries over from the branch it left is told like any other; what follows a cut is not.
fn own_cut_follows(log: &LogModel, bureau: BureauId, bytes: &[u8], network: &NetworkId) -> bool {
    let Ok(sealed) = Sealed::<Record>::from_bytes(bytes) else { return false };
    let id = RecordId(sealed.id(network).0);
    log.own_cuts(bureau).into_iter().any(|cut| log.before(cut).contains(&id))
}

/// Roots, appointments and revocations of a bureau that a disk holds: what must never be lost sight of.
pub fn lasting(node: &Node, bureau: BureauId) -> BTreeSet<StatementId> {
    use accord_protocol::wire::IdentityStatement as S;
    let network = &node.identity.network;
    let rows = node.disk.table(Table::Statements).filter_map(|(key, bytes)| Some((key, S::from_bytes(network, bytes).ok()?)));
    let of_bureau = rows.filter(|(_, statement)| match statement {
        S::Root(root) => BureauId(root.id().0) == bureau,
        S::Appointment(appointment) => appointment.body().bureau == bureau,
        S::Revocation(revocation) => revocation.body().bureau == bureau,
        _ => false,
    });
    of_bureau.filter_map(|(key, _)| StatementId::from_slice(key)).collect()
}
