//! What others ask of a document: its owner, tips, frontiers, contributors, sums.

use super::*;

impl DocState {
    /// About how many bytes of memory it takes without its content: each change is kept as it came and in its segment, and stands in several maps.
    pub fn weight(&self) -> usize {
        const OF_A_CHANGE: usize = 1024;
        self.index.len().saturating_mul(OF_A_CHANGE).saturating_add(self.raw_bytes.saturating_mul(2))
    }
    /// How many changes writers of a bureau made here, admitted or not.
    pub fn changes_of(&self, bureau: &BureauId) -> u64 {
        let theirs = self.actors.values().filter(|actor| actor.member.bureau == *bureau);
        theirs.map(|actor| actor.positions.len() as u64).sum()
    }
    /// The access log.
    pub fn log(&self) -> &Log {
        &self.log
    }
    /// The document.
    pub fn id(&self) -> DocumentId {
        self.log.document()
    }
    /// Its owner.
    pub fn owner(&self) -> BureauId {
        self.log.genesis().body().owner
    }
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.log.genesis().body().kind
    }
    /// Admitted changes.
    pub fn admitted(&self) -> &BTreeSet<ChangeHash> {
        &self.admitted
    }
    /// Well-formed changes that are not admitted.
    pub fn unadmitted(&self) -> BTreeSet<ChangeHash> {
        if self.held() == 0 {
            return BTreeSet::new();
        }
        self.index.iter().map(|meta| meta.hash).filter(|hash| !self.admitted.contains(hash)).collect()
    }
    /// How many changes an anchor settled.
    pub fn settled(&self) -> u64 {
        self.settled
    }
    /// Well-formed changes that are not admitted.
    pub fn held(&self) -> u64 {
        (self.index.len() - self.admitted.len()) as u64
    }
    /// Whether record 1 adopted it.
    pub fn adopted_number(&self) -> Option<String> {
        self.log.entries().iter().find_map(|(_, entry)| match entry.record.as_ref().map(|r| &r.body().kind) {
            Some(RecordKind::Adopt(number, _)) => Some(number.clone()),
            _ => None,
        })
    }
    /// Admitted changes that no admitted change depends on.
    pub fn tips(&self) -> BTreeSet<ChangeHash> {
        if self.admitted.len() == self.index.len() { self.index.heads().clone() } else { self.index.tips(&self.admitted) }
    }
    /// The first anchor that contains a change, by log order; `None` while it is not settled.
    pub fn first_anchor(&self, change: &ChangeHash) -> Option<RecordId> {
        self.status.get(change)?.anchor.map(|(_, _, record)| record)
    }
    /// Actors with two attestations for one position.
    pub fn forked_actors(&self) -> Vec<(ActorId, CertificateId, u64)> {
        self.actors.iter().filter_map(|(id, actor)| actor.fork_at.map(|at| (*id, actor.certificate, at))).collect()
    }
    /// Admitted changes no anchor contains.
    pub fn unsettled(&self) -> u64 {
        self.admitted.len() as u64 - self.settled
    }
    /// Admitted changes no anchor contains, of bureaus other than the owner.
    pub fn has_unsettled_foreign(&self) -> bool {
        let owner = Group(self.owner().0);
        // They are among the newest, so the walk back ends soon.
        let unsettled =
            self.index.iter().rev().filter(|meta| {
                self.admitted.contains(&meta.hash) && self.status.get(&meta.hash).is_none_or(|status| status.anchor.is_none())
            });
        unsettled.take(usize::try_from(self.unsettled()).unwrap_or(usize::MAX)).any(|meta| meta.group != owner)
    }
    /// What the document was founded with, once its founding change is admitted. Read from that change alone: equal wherever it is held.
    pub fn opening(&self) -> Option<Act> {
        let founding = self.index.iter().find(|meta| meta.deps.is_empty() && self.admitted.contains(&meta.hash))?;
        self.founding.get(&founding.hash)?.clone()
    }
    /// Bureaus other than the owner that wrote here, with the index of the first record that settled something of theirs: a function of log
    /// and changes, equal wherever both are held.
    pub fn contributors(&self) -> &BTreeMap<BureauId, u32> {
        &self.contributors
    }
    /// The lowest index of the records that a bureau's work here cites, of what is stored up to a sequence: what it knew of when it wrote.
    pub fn first_cited_by(&self, bureau: &BureauId, until: u64) -> Option<u32> {
        let by = |segment: &Segment| {
            let actor = segment::actor_id(&segment.certificate, &segment.document, &segment.life);
            self.actors.get(&actor).is_some_and(|actor| actor.member.bureau == *bureau)
        };
        let kept = self.segments.iter().filter(|kept| kept.seq <= until && by(&kept.segment));
        let cited = kept.flat_map(|kept| &kept.segment.cited).filter_map(|run| self.log.get(&run.record));
        cited.map(|entry| entry.index).min()
    }
    /// What an access decision needs, with rights taken from [`Log::rights`].
    pub fn facts<'a>(&'a self, rights: &'a Rights) -> Facts<'a> {
        let genesis = self.log.genesis().body();
        Facts {
            document: self.log.document(),
            owner: genesis.owner,
            kind: genesis.kind,
            category: genesis.category,
            tlp: self.log.tlp(),
            rights,
            hidden: self.log.is_hidden(),
            contributors: &self.contributors,
        }
    }
    /// Whether a bureau other than the owner wrote here.
    pub fn has_foreign(&self) -> bool {
        let owner = self.owner();
        self.actors.values().any(|actor| actor.member.bureau != owner && self.has_admitted(actor)) || self.quotes_other(&[owner])
    }
    /// Whether anything here quotes what another writer signed.
    pub fn has_quotes(&self) -> bool {
        !self.quotes.is_empty() || !self.quotes_waiting.is_empty()
    }
    pub(super) fn has_admitted(&self, actor: &Actor) -> bool {
        actor.positions.values().flatten().any(|placed| self.admitted.contains(&placed.change))
    }
    /// The newest settled position of each actor: the frontier of a strict cut.
    pub fn settled_frontier(&self) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        self.frontier_where(|hash| self.status.get(hash).is_some_and(|s| s.anchor.is_some()))
    }
    /// The newest admitted position of each actor: the frontier of a cut made now.
    pub fn frontier(&self) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        self.frontier_where(|hash| self.admitted.contains(hash))
    }
    pub(super) fn frontier_where(&self, stands: impl Fn(&ChangeHash) -> bool) -> BTreeMap<ActorId, (u64, Digest, CertificateId)> {
        let mut out = BTreeMap::new();
        for (id, actor) in &self.actors {
            for (n, all) in actor.positions.iter().rev() {
                if let Some(placed) = all.iter().find(|placed| stands(&placed.change)) {
                    out.insert(*id, (*n, placed.attestation, actor.certificate));
                    break;
                }
            }
        }
        out
    }
    /// Where a certificate's life stands: its tip, or `None` if it cannot go on (cut, forked or held) and a new life is needed.
    pub fn writing_tip(&self, certificate: &CertificateId, life: &Life) -> Option<Tip> {
        let id = segment::actor_id(certificate, &self.log.document(), life);
        let Some(actor) = self.actors.get(&id) else { return Some(Tip { n: 0, attestation: Digest([0; 32]) }) };
        let (n, all) = actor.positions.iter().next_back()?;
        let [placed] = all.as_slice() else { return None };
        let alive = actor.fork_at.is_none() && self.admitted.contains(&placed.change) && !self.is_cut(&id, actor, n + 1);
        alive.then_some(Tip { n: *n, attestation: placed.attestation })
    }
    /// A life of a certificate in this document that can still write and whose first segment was stored after `after`.
    pub fn living(&self, certificate: &CertificateId, after: u64) -> Option<Life> {
        let begun_after = |life: &Life| {
            let mut first = self.segments.iter().filter(|kept| kept.segment.certificate == *certificate && kept.segment.life == *life);
            first.find(|kept| kept.segment.from == 1).is_some_and(|kept| kept.seq > after)
        };
        self.actors
            .values()
            .filter(|actor| actor.certificate == *certificate)
            .map(|actor| actor.life)
            .find(|life| (after == 0 || begun_after(life)) && self.writing_tip(certificate, life).is_some())
    }
    /// H(document, log head, admitted tips): equal wherever the same is held.
    pub fn entry(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("accord view entry v1");
        hasher.update(&self.log.document().0);
        for head in self.log.heads() {
            hasher.update(&head.0);
        }
        hasher.update(&[0xff]);
        for tip in self.tips() {
            hasher.update(&tip.0);
        }
        Digest(*hasher.finalize().as_bytes())
    }
}
