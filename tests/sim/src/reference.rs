//! Admission in the plainest words of DESIGN §5, for comparison with the core: recursive, slow, from the items on one disk.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::{Capability, MemberCertificate};
use accord_keys::directory::Directory;
use accord_protocol::access::log::{Record, RecordKind, Subject};
use accord_protocol::agreement::Verb;
use accord_protocol::id::{BureauId, CertificateId, Digest, DocumentId, RecordId};
use accord_protocol::intake::Item;
use accord_protocol::rules::{self, ActorId, ChangeHash, Group, Index, ParsedChange};
use accord_protocol::segment;

use crate::node::Node;
use crate::oracle::{LogModel, log_of};

#[derive(Clone)]
struct Placed {
    change: ChangeHash,
    cited: RecordId,
    attestation: Digest,
    before: Digest,
    certificate: CertificateId,
}

#[derive(Clone)]
struct Change {
    actor: ActorId,
    seq: u64,
    deps: Vec<ChangeHash>,
}

/// What the plain reading admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Admitted changes.
    pub changes: BTreeSet<ChangeHash>,
    /// Those no admitted change depends on.
    pub tips: BTreeSet<ChangeHash>,
    /// Those in the past of an anchor.
    pub settled: BTreeSet<ChangeHash>,
    /// Well-formed changes with everything before them, admitted or not.
    pub known: BTreeSet<ChangeHash>,
}

struct Reading<'a> {
    document: DocumentId,
    log: LogModel,
    directory: &'a Directory,
    places: BTreeMap<(ActorId, u64), Vec<Placed>>,
    changes: BTreeMap<ChangeHash, Change>,
}

/// Reads a document off a node's disk and decides.
pub fn admitted(node: &Node, directory: &Directory, document: &DocumentId) -> Option<Admitted> {
    let log = log_of(node, document)?;
    let mut reading = Reading { document: *document, log, directory, places: BTreeMap::new(), changes: BTreeMap::new() };
    reading.collect(node);
    Some(reading.decide())
}

impl Reading<'_> {
    fn collect(&mut self, node: &Node) {
        let mut all: BTreeMap<(ActorId, u64), Vec<Placed>> = BTreeMap::new();
        let mut raw: BTreeMap<ChangeHash, (ParsedChange, Option<Group>)> = BTreeMap::new();
        for (_, bytes) in node.disk.items(&self.document) {
            let Some(Item::Segment(bytes)) = Item::from_bytes(&bytes) else { continue };
            let Ok(segment) = segment::decode(&bytes) else { continue };
            let actor = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            let cited = segment.cited.iter().flat_map(|run| std::iter::repeat_n(run.record, run.count as usize));
            let mut steps: Vec<(ChangeHash, RecordId)> = Vec::new();
            for (bytes, record) in segment.changes.iter().zip(cited) {
                let Ok(change) = rules::parse(&bytes.0) else { continue };
                let bureau = self.directory.certificate(&segment.certificate).map(|c| Group(c.body().bureau.0));
                steps.push((change.hash(), record));
                raw.insert(change.hash(), (change, bureau));
            }
            steps.extend(segment.links.iter().map(|link| (link.change, link.cited)));
            let mut before = segment.before;
            for (n, (change, cited)) in (segment.from..).zip(steps) {
                let attestation = segment::attest(&segment.document, &segment.certificate, &segment.life, n, &change, &cited, &before);
                let placed = Placed { change, cited, attestation, before, certificate: segment.certificate };
                let here = all.entry((actor, n)).or_default();
                if here.iter().all(|p| p.attestation != attestation) {
                    here.push(placed);
                }
                before = attestation;
            }
        }
        // A place counts once the place before it does, with content or without: what somebody signed stays signed.
        for ((actor, n), here) in all {
            for placed in here {
                let follows = n == 1 || self.places.get(&(actor, n - 1)).is_some_and(|p| p.iter().any(|p| p.attestation == placed.before));
                if follows {
                    self.places.entry((actor, n)).or_default().push(placed);
                }
            }
        }
        // A change counts once everything it rests on is here and it is well formed upon that: the one thing asked of the rules themselves,
        // which are shown right elsewhere.
        let founder = self.log.genesis.creator;
        let mut index =
            Index::with_founder(Group(self.log.genesis.owner.0), segment::actor_id(&founder, &self.document, &self.log.genesis.life));
        loop {
            let before = self.changes.len();
            for (hash, (change, group)) in &raw {
                let ready = !self.changes.contains_key(hash) && change.deps().iter().all(|d| self.changes.contains_key(d));
                let Some(group) = group.filter(|_| ready) else { continue };
                if let Ok(checked) = index.check(change, group) {
                    index.insert(checked);
                    self.changes.insert(*hash, Change { actor: change.actor(), seq: change.seq(), deps: change.deps().to_vec() });
                }
            }
            if self.changes.len() == before {
                break;
            }
        }
        let placed: BTreeSet<ChangeHash> = self.places.values().flatten().map(|p| p.change).collect();
        self.changes.retain(|hash, _| placed.contains(hash));
    }

    fn decide(&self) -> Admitted {
        let mut out = Admitted { known: self.changes.keys().copied().collect(), ..Admitted::default() };
        let mut records: Vec<(&RecordId, &Record)> = self.log.records.iter().collect();
        // Where anchors contradict each other, the branch that goes on stands.
        let common = self.log.common();
        records.sort_by_key(|(id, record)| (!common.contains(id), record.index, **id));
        for (_, record) in records {
            for tip in record.kind.anchors() {
                let past = self.past(tip);
                let contradicts = past.iter().any(|hash| {
                    let change = &self.changes[hash];
                    out.settled
                        .iter()
                        .any(|other| other != hash && (self.changes[other].actor, self.changes[other].seq) == (change.actor, change.seq))
                });
                if !contradicts {
                    out.settled.extend(past);
                }
            }
        }
        let mut decided: BTreeMap<ChangeHash, bool> = out.settled.iter().map(|hash| (*hash, true)).collect();
        for hash in self.changes.keys() {
            self.admits(hash, &mut decided);
        }
        out.changes = decided.into_iter().filter(|(_, yes)| *yes).map(|(hash, _)| hash).collect();
        out.tips = out.changes.clone();
        for hash in &out.changes {
            for dep in &self.changes[hash].deps {
                out.tips.remove(dep);
            }
        }
        out
    }

    fn past(&self, tip: &ChangeHash) -> BTreeSet<ChangeHash> {
        let mut seen = BTreeSet::new();
        let mut open = vec![*tip];
        while let Some(hash) = open.pop() {
            if let Some(change) = self.changes.get(&hash)
                && seen.insert(hash)
            {
                open.extend(&change.deps);
            }
        }
        seen
    }

    fn admits(&self, hash: &ChangeHash, decided: &mut BTreeMap<ChangeHash, bool>) -> bool {
        if let Some(known) = decided.get(hash) {
            return *known;
        }
        let change = &self.changes[hash];
        let deps_stand = change.deps.iter().all(|dep| self.admits(dep, decided));
        let yes = deps_stand && self.stands_by_itself(hash, change);
        decided.insert(*hash, yes);
        yes
    }

    fn stands_by_itself(&self, hash: &ChangeHash, change: &Change) -> bool {
        if self.log.has_ended() {
            return false;
        }
        let forked = (1..=change.seq).any(|n| self.places.get(&(change.actor, n)).is_some_and(|p| p.len() > 1));
        let Some(placed) = self.placed(hash, change).filter(|_| !forked) else { return false };
        let Some(certificate) = self.directory.certificate(&placed.certificate).map(|c| c.body()) else { return false };
        let known = |record: &RecordId| *record == RecordId(self.document.0) || self.log.records.contains_key(record);
        if !known(&placed.cited) {
            return false;
        }
        let not_older = change.deps.iter().all(|dep| {
            self.changes.get(dep).and_then(|c| self.placed(dep, c)).is_some_and(|older| self.descends(placed.cited, older.cited))
        });
        not_older && self.may_append(placed.cited, &placed.certificate, certificate) && !self.cut(change, &placed.certificate, certificate)
    }

    fn placed(&self, hash: &ChangeHash, change: &Change) -> Option<&Placed> {
        self.places.get(&(change.actor, change.seq))?.iter().find(|p| p.change == *hash)
    }

    fn descends(&self, newer: RecordId, older: RecordId) -> bool {
        newer == older || older == RecordId(self.document.0) || self.log.before(newer).contains(&older)
    }

    fn may_append(&self, at: RecordId, id: &CertificateId, certificate: &MemberCertificate) -> bool {
        let mut denied: BTreeSet<Subject> = BTreeSet::new();
        for record in self.log.told_to(at) {
            match &record.kind {
                RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) => {
                    let back: BTreeSet<BureauId> = grantees.iter().map(|g| g.bureau).collect();
                    denied.retain(|subject| !matches!(subject, Subject::Bureau(b) if back.contains(b)));
                }
                RecordKind::Cut(subject, ..) => drop(denied.insert(subject.clone())),
                RecordKind::Reclassify(_, narrowed, _) => denied.extend(narrowed.iter().map(|bureau| Subject::Bureau(*bureau))),
                _ => {}
            }
        }
        if denied.iter().any(|subject| subject.covers(id, certificate)) || !certificate.may(Capability::Write) {
            return false;
        }
        certificate.bureau == self.log.genesis.owner || self.log.holders_at(at).get(&certificate.bureau) == Some(&Verb::Append)
    }

    fn cut(&self, change: &Change, id: &CertificateId, certificate: &MemberCertificate) -> bool {
        self.log.records.iter().any(|(cut_id, record)| {
            let narrows = |narrowed: &[BureauId]| narrowed.contains(&certificate.bureau);
            let (covers, frontier) = match &record.kind {
                RecordKind::Cut(subject, _, frontier, ..) => (subject.covers(id, certificate), frontier.as_slice()),
                RecordKind::Reclassify(_, narrowed, _) => (narrows(narrowed), &[][..]),
                _ => return false,
            };
            let kept = frontier.iter().find(|line| line.actor == change.actor).map_or(0, |line| line.position);
            let began = self.places.get(&(change.actor, 1)).map(Vec::as_slice).unwrap_or_default();
            let later_life = began.iter().any(|p| self.descends(p.cited, *cut_id));
            covers && change.seq > kept && !later_life
        })
    }
}

/// What a disk holds of a document, line by line, for the report of a violation.
pub fn told(node: &Node, document: &DocumentId) -> String {
    let mut out = Vec::new();
    if let Some(log) = log_of(node, document) {
        out.push(format!("genesis rules {} by {:?}, audience {:?}", log.genesis.rules, log.genesis.creator, log.genesis.audience));
        for (id, record) in &log.records {
            out.push(format!("record {} {id:?} after {:?}: {:?}", record.index, record.previous, record.kind));
        }
    }
    for (seq, bytes) in node.disk.items(document) {
        let Some(Item::Segment(bytes)) = Item::from_bytes(&bytes) else { continue };
        let Ok(s) = segment::decode(&bytes) else { continue };
        let actor = segment::actor_id(&s.certificate, &s.document, &s.life);
        let changes: Vec<String> = s
            .changes
            .iter()
            .map(|raw| rules::parse(&raw.0).map_or_else(|e| e.to_string(), |c| format!("{} on {:?}", c.hash(), c.deps())))
            .collect();
        out.push(format!(
            "item {seq}: {actor:?} of {:?} from {}, citing {:?}: {changes:?}, links {:?}",
            s.certificate, s.from, s.cited, s.links
        ));
    }
    out.join("\n")
}

/// Where a disk holds two attestations of one life for one position, the first such position: the proof of a fork, with or without content.
pub fn forks(node: &Node, document: &DocumentId) -> BTreeSet<(ActorId, u64, Digest)> {
    let mut places: BTreeMap<(ActorId, u64), BTreeSet<Digest>> = BTreeMap::new();
    for (_, bytes) in node.disk.items(document) {
        let Some(Item::Segment(bytes)) = Item::from_bytes(&bytes) else { continue };
        let Ok(s) = segment::decode(&bytes) else { continue };
        let actor = segment::actor_id(&s.certificate, &s.document, &s.life);
        let hashes: Option<Vec<ChangeHash>> = s.changes.iter().map(|raw| rules::parse(&raw.0).ok().map(|c| c.hash())).collect();
        let Some(hashes) = hashes else { continue };
        let cited = s.cited.iter().flat_map(|run| std::iter::repeat_n(run.record, run.count as usize));
        let steps = hashes.into_iter().zip(cited).chain(s.links.iter().map(|link| (link.change, link.cited)));
        let mut before = s.before;
        for (n, (change, cited)) in (s.from..).zip(steps) {
            before = segment::attest(&s.document, &s.certificate, &s.life, n, &change, &cited, &before);
            places.entry((actor, n)).or_default().insert(before);
        }
    }
    // The first place of a life that was signed twice is the proof; what either tongue went on to say behind it travels no further.
    let mut first: BTreeSet<ActorId> = BTreeSet::new();
    let forked = places.into_iter().filter(|((actor, _), all)| all.len() > 1 && first.insert(*actor));
    forked.flat_map(|((actor, n), all)| all.into_iter().map(move |attestation| (actor, n, attestation))).collect()
}
