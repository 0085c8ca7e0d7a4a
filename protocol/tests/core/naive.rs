//! Admission as its definition reads: recursive, from scratch, slow. What the engine computes step by step must be this.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::Capability;
use accord_keys::directory::Directory;
use accord_protocol::access::log::{Record, RecordKind, Subject};
use accord_protocol::agreement::{Tlp, Verb};
use accord_protocol::id::{BureauId, CertificateId, RecordId};
use accord_protocol::rules::{self, ActorId, ChangeHash, Group, Index, Verdict};

use crate::documents::{Step, Story};

/// What follows from a set of records and segments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub admitted: BTreeSet<ChangeHash>,
    /// First anchor of every settled change.
    pub anchors: BTreeMap<ChangeHash, RecordId>,
    pub tips: BTreeSet<ChangeHash>,
    /// Whether some anchor was left out because an earlier one contradicts it.
    pub contradicted: bool,
    /// Changes whose acts are void.
    pub voided: BTreeSet<ChangeHash>,
    /// The strictest traffic light.
    pub tlp: Option<Tlp>,
    /// Whether the document ended.
    pub ended: bool,
    /// Bureaus that hold it, as every head has it.
    pub holders: BTreeMap<BureauId, Verb>,
    /// The records that have no successor and count.
    pub heads: BTreeSet<RecordId>,
}

struct Naive<'a> {
    directory: &'a Directory,
    story: &'a Story,
    records: BTreeMap<RecordId, &'a Record>,
    /// Records that count.
    counting: BTreeSet<RecordId>,
    heads: BTreeSet<RecordId>,
    /// Records that lie before or at every head.
    common: BTreeSet<RecordId>,
    steps: Vec<&'a Step>,
    index: Index,
    anchors: BTreeMap<ChangeHash, (u32, RecordId)>,
    known: BTreeMap<ChangeHash, bool>,
}

/// The outcome of these records and of the attestations and contents of these steps.
pub fn outcome(directory: &Directory, story: &Story, records: &[usize], steps: &[usize]) -> Outcome {
    let mut naive = Naive {
        directory,
        story,
        records: BTreeMap::new(),
        counting: BTreeSet::new(),
        heads: BTreeSet::new(),
        common: BTreeSet::new(),
        steps: Vec::new(),
        index: Index::with_founder(Group(story.genesis.body().owner.0), story.steps[0].actor),
        anchors: BTreeMap::new(),
        known: BTreeMap::new(),
    };
    // Records stand behind records that stand.
    loop {
        let before = naive.records.len();
        for at in records {
            let body = story.records[*at].body();
            if naive.parents_of(body).iter().all(|parent| naive.is_record(parent)) {
                naive.records.insert(RecordId(story.records[*at].id().0), body);
            }
        }
        if naive.records.len() == before {
            break;
        }
    }
    naive.branch();
    // Attestations stand behind attestations that stand; contents behind contents that stand.
    loop {
        let before = (naive.steps.len(), naive.index.len());
        for at in steps {
            let step = &story.steps[*at];
            let placed = naive.steps.iter().any(|other| other.attestation == step.attestation);
            let connected = step.n == 1 || naive.steps.iter().any(|other| other.attestation == step.previous);
            if !placed && connected {
                naive.steps.push(step);
            }
            if connected && !naive.index.contains(&step.change) {
                let group = Group(directory.certificate(&step.member.id).expect("known").body().bureau.0);
                let parsed = rules::parse(&story.raw[&step.change]).expect("ours");
                match naive.index.check(&parsed, group) {
                    Ok(checked) => naive.index.insert(checked),
                    Err(Verdict::Waiting(_) | Verdict::Malformed(_)) => {}
                }
            }
        }
        if before == (naive.steps.len(), naive.index.len()) {
            break;
        }
    }
    let contradicted = naive.settle();
    let hashes: Vec<ChangeHash> = naive.index.iter().map(|meta| meta.hash).collect();
    let admitted: BTreeSet<ChangeHash> = hashes.into_iter().filter(|hash| naive.admits(hash)).collect();
    let mut tips = admitted.clone();
    for hash in &admitted {
        for dep in &naive.index.get(hash).expect("well formed").deps {
            tips.remove(dep);
        }
    }
    let anchors = naive.anchors.iter().map(|(hash, (_, record))| (*hash, *record)).collect();
    let counting: Vec<&Record> = naive.counting.iter().filter_map(|id| naive.records.get(id).copied()).collect();
    let listed = |record: &&Record| if let RecordKind::Void(changes, ..) = &record.kind { changes.clone() } else { Vec::new() };
    let raised = |record: &&Record| if let RecordKind::Reclassify(tlp, ..) = &record.kind { Some(*tlp) } else { None };
    let mut holders: Option<BTreeMap<BureauId, Verb>> = None;
    for head in &naive.heads {
        let (here, _) = naive.rights(head);
        holders = Some(match holders {
            None => here,
            Some(both) => both
                .into_iter()
                .filter_map(|(bureau, verb)| here.get(&bureau).map(|other| (bureau, if verb.includes(*other) { *other } else { verb })))
                .collect(),
        });
    }
    Outcome {
        admitted,
        anchors,
        tips,
        contradicted,
        voided: counting.iter().flat_map(listed).collect(),
        tlp: counting.iter().filter_map(raised).chain([story.genesis.body().tlp]).max(),
        ended: naive.has_ended(),
        holders: holders.unwrap_or_default(),
        heads: naive.heads.clone(),
    }
}

impl Naive<'_> {
    fn is_record(&self, id: &RecordId) -> bool {
        id.0 == self.story.document.0 || self.records.contains_key(id)
    }

    /// The path from the genesis to a record, both included.
    fn path(&self, id: RecordId) -> Vec<RecordId> {
        let mut path = vec![id];
        while let Some(record) = self.records.get(&path[path.len() - 1]) {
            path.push(record.previous);
        }
        path.reverse();
        path
    }

    /// The record before, and the heads named besides.
    fn parents_of(&self, record: &Record) -> Vec<RecordId> {
        match &record.kind {
            RecordKind::Continue(heads, ..) => heads.clone(),
            _ => vec![record.previous],
        }
    }

    /// Everything a record rests on, itself included.
    fn ancestors(&self, id: &RecordId) -> BTreeSet<RecordId> {
        let mut out = BTreeSet::from([*id]);
        if let Some(record) = self.records.get(id) {
            for parent in self.parents_of(record) {
                if !out.contains(&parent) {
                    out.extend(self.ancestors(&parent));
                }
            }
        }
        out
    }

    /// Counting records that lie between the way of a `continue` and the other heads it names. What an earlier `continue` on that way found
    /// elsewhere is not among them: it was taken there, and what was granted since stands.
    fn elsewhere(&self, continued: &Record) -> BTreeSet<RecordId> {
        let way = self.path(continued.previous);
        let mut found = BTreeSet::new();
        let mut open: Vec<RecordId> = self.parents_of(continued);
        while let Some(id) = open.pop() {
            if !way.contains(&id) && found.insert(id) {
                open.extend(self.records.get(&id).into_iter().flat_map(|record| self.parents_of(record)));
            }
        }
        found.retain(|id| self.counting.contains(id) && self.records.contains_key(id));
        found
    }

    fn descends(&self, newer: &RecordId, older: &RecordId) -> bool {
        self.is_record(newer) && self.ancestors(newer).contains(older)
    }

    /// What counts, what is open, what all heads have in common.
    fn branch(&mut self) {
        let accuses = |record: &&Record| matches!(record.kind, RecordKind::Continue(_, true, _));
        let ruling = self.records.iter().filter(|(_, record)| accuses(record));
        let ruling = ruling.map(|(id, record)| (self.story.epoch_at(*id), record.index, std::cmp::Reverse(*id))).max();
        let genesis = RecordId(self.story.document.0);
        for id in self.records.keys().copied().chain([genesis]) {
            let aside = ruling.is_some_and(|(epoch, _, std::cmp::Reverse(ruling))| {
                self.story.epoch_at(id) < epoch && !self.path(ruling).contains(&id) && !self.descends(&id, &ruling)
            });
            if !aside {
                self.counting.insert(id);
            }
        }
        let rested: BTreeSet<RecordId> =
            self.counting.iter().filter_map(|id| self.records.get(id)).flat_map(|record| self.parents_of(record)).collect();
        self.heads = self.counting.difference(&rested).copied().collect();
        let ways: Vec<Vec<RecordId>> = self.heads.iter().map(|head| self.path(*head)).collect();
        self.common = ways[0].iter().filter(|id| ways.iter().all(|way| way.contains(id))).copied().collect();
    }

    fn has_ended(&self) -> bool {
        self.counting.iter().filter_map(|id| self.records.get(id)).any(|record| matches!(record.kind, RecordKind::End(..)))
    }

    /// Anchors in log order; of two that contradict each other the earlier stands.
    fn settle(&mut self) -> bool {
        let counting = self.records.iter().filter(|(id, _)| self.counting.contains(id));
        let mut order: Vec<(bool, u32, RecordId)> = counting.map(|(id, record)| (!self.common.contains(id), record.index, *id)).collect();
        order.sort();
        let mut contradicted = false;
        for (_, index, id) in order {
            let tips = self.records[&id].kind.anchors().to_vec();
            for tip in tips.into_iter().filter(|tip| self.index.contains(tip)) {
                let past = self.past(tip);
                let fresh: Vec<ChangeHash> = past.into_iter().filter(|hash| !self.anchors.contains_key(hash)).collect();
                let place = |hash: &ChangeHash| self.index.get(hash).map(|meta| (meta.actor, meta.seq));
                if fresh.iter().any(|hash| self.anchors.keys().any(|old| old != hash && place(old) == place(hash))) {
                    contradicted = true;
                    continue;
                }
                self.anchors.extend(fresh.into_iter().map(|hash| (hash, (index, id))));
            }
        }
        contradicted
    }

    fn past(&self, tip: ChangeHash) -> BTreeSet<ChangeHash> {
        let mut seen = BTreeSet::new();
        let mut open = vec![tip];
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.index.get(&next).expect("well formed").deps);
            }
        }
        seen
    }

    fn admits(&mut self, hash: &ChangeHash) -> bool {
        if let Some(known) = self.known.get(hash) {
            return *known;
        }
        let admitted = self.anchors.contains_key(hash) || self.admits_unsettled(hash);
        self.known.insert(*hash, admitted);
        admitted
    }

    fn admits_unsettled(&mut self, hash: &ChangeHash) -> bool {
        if self.has_ended() {
            return false;
        }
        let meta = self.index.get(hash).expect("well formed").clone();
        if !meta.deps.iter().all(|dep| self.admits(dep)) {
            return false;
        }
        let own: Vec<&Step> = self.steps.iter().filter(|step| step.actor == meta.actor).copied().collect();
        let forked = (1..=meta.seq).any(|n| own.iter().filter(|step| step.n == n).count() > 1);
        let Some(step) = own.iter().find(|step| step.change == *hash && step.n == meta.seq) else { return false };
        if forked || !self.is_record(&step.cited) {
            return false;
        }
        let not_older = meta
            .deps
            .iter()
            .all(|dep| self.steps.iter().filter(|other| other.change == *dep).any(|other| self.descends(&step.cited, &other.cited)));
        let first = own.iter().find(|first| first.n == 1).expect("chains begin at 1");
        not_older && self.granted(&step.cited, &step.member.id) && !self.cut(&meta.actor, meta.seq, &step.member.id, &first.cited)
    }

    /// Whether the log up to a record lets the holder of a certificate append.
    fn granted(&self, at: &RecordId, id: &CertificateId) -> bool {
        let certificate = self.directory.certificate(id).expect("known").body();
        let owner = self.story.genesis.body().owner;
        let (holders, denied) = self.rights(at);
        let entitled = certificate.bureau == owner || holders.get(&certificate.bureau) == Some(&Verb::Append);
        entitled && certificate.may(Capability::Write) && !denied.iter().any(|subject| subject.covers(id, certificate))
    }

    /// Who holds what after a record, and who was denied writing.
    fn rights(&self, at: &RecordId) -> (BTreeMap<BureauId, Verb>, BTreeSet<Subject>) {
        let mut holders: BTreeMap<BureauId, Verb> = self.story.genesis.body().audience.iter().map(|g| (g.bureau, g.verb)).collect();
        let mut denied: BTreeSet<Subject> = BTreeSet::new();
        for id in self.path(*at).into_iter().filter(|id| self.counting.contains(id)) {
            let Some(record) = self.records.get(&id) else { continue };
            match &record.kind {
                RecordKind::Grant(grantees, _) | RecordKind::GrantWith(grantees, ..) if self.common.contains(&id) => {
                    for grantee in grantees {
                        denied.remove(&Subject::Bureau(grantee.bureau));
                        let verb = holders.entry(grantee.bureau).or_insert(grantee.verb);
                        if grantee.verb == Verb::Append {
                            *verb = Verb::Append;
                        }
                    }
                }
                RecordKind::Continue(_, false, _) => {
                    let mut others: Vec<(u32, RecordId)> =
                        self.elsewhere(record).into_iter().map(|other| (self.records[&other].index, other)).collect();
                    others.sort();
                    for (_, other) in others {
                        take(&self.records[&other].kind, &mut holders, &mut denied);
                    }
                }
                kind => take(kind, &mut holders, &mut denied),
            }
        }
        (holders, denied)
    }

    /// Whether a cut of any branch covers a position.
    fn cut(&self, actor: &ActorId, position: u64, id: &CertificateId, life_cites: &RecordId) -> bool {
        let certificate = self.directory.certificate(id).expect("known").body();
        let counting = self.records.iter().filter(|(record, _)| self.counting.contains(record));
        counting.into_iter().any(|(record, body)| match &body.kind {
            RecordKind::Cut(subject, _, frontier, ..) => {
                let left = frontier.iter().find(|line| line.actor == *actor).map_or(0, |line| line.position);
                subject.covers(id, certificate) && position > left && !self.descends(life_cites, record)
            }
            RecordKind::Reclassify(_, narrowed, _) => narrowed.contains(&certificate.bureau) && !self.descends(life_cites, record),
            _ => false,
        })
    }
}

/// What a record takes away.
fn take(kind: &RecordKind, holders: &mut BTreeMap<BureauId, Verb>, denied: &mut BTreeSet<Subject>) {
    match kind {
        RecordKind::Cut(subject, verbs, ..) => {
            if let Subject::Bureau(bureau) = subject {
                if verbs.contains(&Verb::Read) {
                    holders.remove(bureau);
                } else if let Some(verb) = holders.get_mut(bureau) {
                    *verb = Verb::Read;
                }
            }
            denied.insert(subject.clone());
        }
        RecordKind::Reclassify(_, narrowed, _) => {
            for bureau in narrowed {
                holders.remove(bureau);
                denied.insert(Subject::Bureau(*bureau));
            }
        }
        RecordKind::End(..) => holders.clear(),
        _ => {}
    }
}
