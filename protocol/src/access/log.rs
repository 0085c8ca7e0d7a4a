//! The access log of a document: its genesis (record 0) and the linear, hash-chained records of the owner's registrar.
//!
//! A log is the set of its valid records. Whether a record is valid depends on its bytes, the records before it and the certificates it
//! names by hash: never on a clock, a revocation or the order of arrival. After a fork no branch grants; what takes away counts always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accord_keys::certificate::{Capability, Issuer, MemberCertificate};
use accord_keys::directory::Directory;
use accord_keys::seal::{Malformed, Sealed, Statement, Verified};
use accord_keys::time::WallSeconds;
use accord_keys::types::StatementType;
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::agreement::{Category, Tlp, Verb};
use crate::id::{AgreementId, BureauId, Bytes, CertificateId, Digest, DocumentId, Nonce, PublicKey, RecordId, RootId, StatementId};
use crate::limits;
use crate::rules::{ActorId, ChangeHash};

/// What sort of document it is. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Written by its owner bureau only.
    #[n(1)]
    Bulletin,
    /// A text of one's own bureau that nobody else gets.
    #[n(2)]
    Draft,
    /// A case thread: several writing bureaus.
    #[n(3)]
    Case,
}

impl Kind {
    /// Whether a bureau other than the owner may hold this verb: nobody gets a draft, bulletins are read only.
    pub const fn allows(self, verb: Verb) -> bool {
        match self {
            Kind::Bulletin => matches!(verb, Verb::Read),
            Kind::Draft => false,
            Kind::Case => matches!(verb, Verb::Read | Verb::Append),
        }
    }
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Bulletin => "bulletin",
            Kind::Draft => "draft",
            Kind::Case => "case",
        }
    }
}

/// One bureau that may hold a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Grantee {
    /// Who.
    #[n(0)]
    pub bureau: BureauId,
    /// `Read` or `Append`.
    #[n(1)]
    pub verb: Verb,
    /// The agreement the owner relied on; a note for auditors, checked by nobody.
    #[n(2)]
    pub agreement: Option<AgreementId>,
}

/// Record 0: fixes for the document's life who owns it, what it is and who holds it from the start. Sealed once by any member with `create`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Genesis {
    /// The owner bureau.
    #[n(0)]
    pub owner: BureauId,
    /// The member that seals it.
    #[n(1)]
    pub creator: CertificateId,
    /// What it is.
    #[n(2)]
    pub kind: Kind,
    /// Content schema, 1.
    #[n(3)]
    pub schema: u16,
    /// Rules version, 1.
    #[n(4)]
    pub rules: u16,
    /// Category, the key of agreement grants.
    #[n(5)]
    pub category: Category,
    /// Traffic light.
    #[n(6)]
    pub tlp: Tlp,
    /// The whole initial audience, ascending by bureau, without the owner.
    #[n(7)]
    pub audience: Vec<Grantee>,
    /// The life of the creator's actor, which makes the founding change.
    #[n(8)]
    pub life: Life,
    /// Sealing time by the creator's clock.
    #[n(9)]
    pub at: WallSeconds,
    /// Makes equal documents differ.
    #[n(10)]
    pub nonce: Nonce,
}

impl Statement for Genesis {
    const TYPE: StatementType = StatementType::Genesis;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("genesis", what));
        if self.schema != 1 || self.rules != 1 {
            return bad("schema and rules version must be 1");
        }
        if self.audience.len() > limits::AUDIENCE_MAX {
            return bad("audience above its bound");
        }
        if !self.audience.windows(2).all(|pair| pair[0].bureau < pair[1].bureau) || self.audience.iter().any(|g| g.bureau == self.owner) {
            return bad("audience must be ascending, unique and without the owner");
        }
        if !self.audience.iter().all(|grantee| self.kind.allows(grantee.verb)) {
            return bad("the kind does not allow this audience");
        }
        Ok(())
    }
}

/// Eight random bytes that tell one writing life of a certificate in a document from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(pub [u8; 8]);

impl<C> minicbor::Encode<C> for Life {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> minicbor::Decode<'b, C> for Life {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        <[u8; 8]>::try_from(d.bytes()?).map(Self).map_err(|_| minicbor::decode::Error::message("expected 8 bytes"))
    }
}

/// Whom a cut takes access from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(flat)]
pub enum Subject {
    /// A whole bureau.
    #[n(0)]
    Bureau(#[n(0)] BureauId),
    /// One signing key.
    #[n(1)]
    Key(#[n(0)] PublicKey),
    /// One certificate.
    #[n(2)]
    Certificate(#[n(0)] CertificateId),
    /// A seat of a bureau.
    #[n(3)]
    Seat(#[n(0)] BureauId, #[n(1)] String),
    /// A unit of a bureau.
    #[n(4)]
    Unit(#[n(0)] BureauId, #[n(1)] String),
    /// Everything an issuer issued.
    #[n(5)]
    Issuer(#[n(0)] CertificateId),
    /// Everything issued under one root version.
    #[n(6)]
    Root(#[n(0)] RootId),
}

impl Subject {
    /// Whether the holder of this certificate is meant.
    pub fn covers(&self, id: &CertificateId, certificate: &MemberCertificate) -> bool {
        match self {
            Subject::Bureau(bureau) => certificate.bureau == *bureau,
            Subject::Key(key) => certificate.key == *key,
            Subject::Certificate(cut) => id == cut,
            Subject::Seat(bureau, seat) => certificate.bureau == *bureau && certificate.seats.contains(seat),
            Subject::Unit(bureau, unit) => certificate.bureau == *bureau && certificate.unit == *unit,
            Subject::Issuer(issuer) => certificate.issuer == Issuer::Member(*issuer),
            Subject::Root(root) => certificate.issuer == Issuer::Root(*root),
        }
    }
    /// Stable word for accounts and views.
    pub const fn word(&self) -> &'static str {
        match self {
            Subject::Bureau(_) => "bureau",
            Subject::Key(_) => "key",
            Subject::Certificate(_) => "certificate",
            Subject::Seat(..) => "seat",
            Subject::Unit(..) => "unit",
            Subject::Issuer(_) => "issuer",
            Subject::Root(_) => "root",
        }
    }
}

/// One line of a frontier: the newest position of an actor that a cut leaves standing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct FrontierLine {
    /// The actor.
    #[n(0)]
    pub actor: ActorId,
    /// Position, from 1.
    #[n(1)]
    pub position: u64,
    /// Attestation at that position.
    #[n(2)]
    pub attestation: Digest,
}

/// An officer's sealed order, embedded in the records it causes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Order {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// The ordering officer of the owner bureau.
    #[n(1)]
    pub officer: CertificateId,
    /// What is ordered.
    #[n(2)]
    pub act: OrderAct,
    /// When, by the officer's clock.
    #[n(3)]
    pub at: WallSeconds,
    /// Makes equal orders differ.
    #[n(4)]
    pub nonce: Nonce,
}

/// What an officer orders.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum OrderAct {
    /// Let these in.
    #[n(0)]
    Grant(#[n(0)] Vec<Grantee>),
    /// Take these verbs from this subject; strict leaves nothing unsettled of it.
    #[n(1)]
    Cut(#[n(0)] Subject, #[n(1)] Vec<Verb>, #[n(2)] bool),
}

impl Statement for Order {
    const TYPE: StatementType = StatementType::Order;
    fn validate(&self) -> Result<(), Malformed> {
        let bounded = match &self.act {
            OrderAct::Grant(grantees) => !grantees.is_empty() && grantees.len() <= limits::AUDIENCE_MAX,
            OrderAct::Cut(_, verbs, _) => !verbs.is_empty() && verbs.len() <= 3,
        };
        Malformed::unless(bounded, "order", "grantees and verbs must be present and bounded")
    }
}

/// What a record does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum RecordKind {
    /// The owner confirms the document: first anchor, official number.
    #[n(1)]
    Adopt(#[n(0)] String, #[n(1)] Vec<ChangeHash>),
    /// Settles everything in the causal past of these tips.
    #[n(2)]
    Anchor(#[n(0)] Vec<ChangeHash>),
    /// Lets bureaus in; embeds the officer's order.
    #[n(3)]
    Grant(#[n(0)] Vec<Grantee>, #[n(1)] Bytes),
    /// Takes verbs from a subject beyond a frontier; embeds the officer's order.
    #[n(4)]
    Cut(#[n(0)] Subject, #[n(1)] Vec<Verb>, #[n(2)] Vec<FrontierLine>, #[n(3)] bool, #[n(4)] Bytes),
}

impl RecordKind {
    /// The stable word.
    pub const fn word(&self) -> &'static str {
        match self {
            RecordKind::Adopt(..) => "adopt",
            RecordKind::Anchor(_) => "anchor",
            RecordKind::Grant(..) => "grant",
            RecordKind::Cut(..) => "cut",
        }
    }
    /// The officer whose sealed order it embeds, as claimed.
    pub fn ordering_officer(&self) -> Option<CertificateId> {
        match self {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => None,
            RecordKind::Grant(_, order) | RecordKind::Cut(_, _, _, _, order) => {
                Sealed::<Order>::from_bytes(&order.0).ok().map(|sealed| sealed.claimed().officer)
            }
        }
    }
    /// The tips it settles.
    pub fn anchors(&self) -> &[ChangeHash] {
        match self {
            RecordKind::Adopt(_, tips) | RecordKind::Anchor(tips) => tips,
            _ => &[],
        }
    }
}

/// A record after the genesis, sealed by the owner's registrar.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Place in the log, from 1.
    #[n(1)]
    pub index: u32,
    /// The record before it; record 0 is the genesis and has the document's own 32 bytes.
    #[n(2)]
    pub previous: RecordId,
    /// The sealing registrar.
    #[n(3)]
    pub registrar: CertificateId,
    /// The appointment it acts under: evidence by hash, so a later rival changes nothing here.
    #[n(4)]
    pub appointment: StatementId,
    /// What it does.
    #[n(5)]
    pub kind: RecordKind,
    /// When, by the registrar's clock.
    #[n(6)]
    pub at: WallSeconds,
}

impl Statement for Record {
    const TYPE: StatementType = StatementType::Record;
    fn validate(&self) -> Result<(), Malformed> {
        let bad = |what: &'static str| Err(Malformed::new("record", what));
        if self.index == 0 || self.index >= limits::RECORDS_MAX {
            return bad("record index outside its bound");
        }
        let taking_away = matches!(self.kind, RecordKind::Cut(..));
        if self.index >= limits::RECORDS_MAX - limits::RECORDS_RESERVED && !taking_away {
            return bad("the last records of a log are for taking access away");
        }
        let ascending = |tips: &[ChangeHash]| tips.windows(2).all(|pair| pair[0] < pair[1]);
        match &self.kind {
            RecordKind::Adopt(number, tips) => {
                if self.index != 1 {
                    return bad("adopt is record 1");
                }
                if number.is_empty() || number.len() > 120 || number.chars().any(char::is_control) {
                    return bad("number must have 1 to 120 bytes and no control characters");
                }
                if tips.len() > limits::TIPS_MAX || !ascending(tips) {
                    return bad("tips must be ascending, unique and bounded");
                }
            }
            RecordKind::Anchor(tips) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if tips.is_empty() || tips.len() > limits::TIPS_MAX || !ascending(tips) {
                    return bad("tips must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Grant(grantees, _) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if grantees.is_empty() || grantees.len() > limits::AUDIENCE_MAX || !grantees.windows(2).all(|p| p[0].bureau < p[1].bureau) {
                    return bad("grantees must be present, ascending, unique and bounded");
                }
            }
            RecordKind::Cut(_, verbs, frontier, _, _) => {
                if self.index == 1 {
                    return bad("record 1 is adopt");
                }
                if verbs.is_empty() || !verbs.windows(2).all(|pair| pair[0] < pair[1]) {
                    return bad("verbs must be present, ascending and unique");
                }
                if frontier.len() > limits::FRONTIER_MAX || !frontier.windows(2).all(|pair| pair[0].actor < pair[1].actor) {
                    return bad("frontier must be ascending, unique and bounded");
                }
            }
        }
        Ok(())
    }
}

/// Why a record is not part of a log, now or ever.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// Never: the record itself is wrong.
    #[error("record is malformed: {0}")]
    Malformed(&'static str),
    /// Not yet: the record before it is missing.
    #[error("record {0} before it is missing")]
    Waiting(RecordId),
    /// Not yet: a certificate or appointment it names is missing.
    #[error("evidence named by the record is missing: {0}")]
    MissingEvidence(&'static str),
}

/// Rights as of one record: what grants gave and cuts took on the way from the genesis to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Bureaus that hold the document, with the record that let them in.
    pub bureaus: BTreeMap<BureauId, Held>,
    /// Bureaus that held it until a cut, with that cut: they are told the log up to it, and nothing after.
    pub parted: BTreeMap<BureauId, RecordId>,
    denied: BTreeSet<(Subject, Verb)>,
}

/// What one bureau holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Strongest verb.
    pub verb: Verb,
    /// The record that gave it.
    pub record: RecordId,
    /// When, by the sealer's clock.
    pub since: WallSeconds,
    /// The agreement the owner relied on.
    pub agreement: Option<AgreementId>,
}

impl Held {
    /// What both allow.
    fn weaker(&self, other: &Self) -> Self {
        if self.verb.includes(other.verb) { *other } else { *self }
    }
}

impl Rights {
    /// Whether the holder of this certificate may do `verb`. The owner bureau's members need `write` to append and nothing to read.
    pub fn allow(&self, owner: &BureauId, id: &CertificateId, certificate: &MemberCertificate, verb: Verb) -> bool {
        if self.denied.iter().any(|(subject, lost)| *lost == verb && subject.covers(id, certificate)) {
            return false;
        }
        if certificate.bureau == *owner {
            return verb == Verb::Read || certificate.capabilities.contains(&Capability::Write);
        }
        let may_write = verb != Verb::Append || certificate.capabilities.contains(&Capability::Write);
        may_write && self.bureaus.get(&certificate.bureau).is_some_and(|held| held.verb.includes(verb))
    }

    fn grant(&mut self, grantees: &[Grantee], record: RecordId, since: WallSeconds) {
        for grantee in grantees {
            self.denied.retain(|(subject, _)| *subject != Subject::Bureau(grantee.bureau));
            self.parted.remove(&grantee.bureau);
            let held = Held { verb: grantee.verb, record, since, agreement: grantee.agreement };
            let stronger = self.bureaus.get(&grantee.bureau).is_some_and(|old| old.verb.includes(grantee.verb));
            if !stronger {
                self.bureaus.insert(grantee.bureau, held);
            }
        }
    }

    fn cut(&mut self, subject: &Subject, verbs: &[Verb], record: RecordId) {
        let loses_read = verbs.contains(&Verb::Read);
        if let Subject::Bureau(bureau) = subject {
            if loses_read {
                if self.bureaus.remove(bureau).is_some() {
                    self.parted.insert(*bureau, record);
                }
            } else if verbs.contains(&Verb::Append)
                && let Some(held) = self.bureaus.get_mut(bureau)
            {
                held.verb = Verb::Read;
            }
        }
        self.denied.extend(verbs.iter().map(|verb| (subject.clone(), *verb)));
        if loses_read {
            self.denied.insert((subject.clone(), Verb::Append));
        }
    }
}

/// A record that stands in a log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record; `None` for the genesis.
    pub record: Option<Verified<Record>>,
    /// Place in the log.
    pub index: u32,
    /// The record before it.
    pub previous: Option<RecordId>,
    /// Rights as of here.
    pub rights: Arc<Rights>,
    children: u32,
}

/// A cut that stands in a log.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The record.
    pub record: RecordId,
    /// Whom.
    pub subject: Subject,
    /// What it takes.
    pub verbs: Vec<Verb>,
    /// Positions it leaves standing.
    pub frontier: BTreeMap<ActorId, u64>,
    /// Nothing unsettled stays and nothing is let in by itself.
    pub strict: bool,
}

/// The access log of one document.
#[derive(Clone, Debug)]
pub struct Log {
    document: DocumentId,
    genesis: Verified<Genesis>,
    entries: BTreeMap<RecordId, Entry>,
    cuts: Vec<Cut>,
    forked_after: Option<u32>,
}

/// What a learnt record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was there.
    Known,
    /// It adds: admission of what is already admitted stands.
    Adds,
    /// It takes away or shows a fork: admission is computed anew.
    TakesAway,
}

impl Log {
    /// The log that holds only its genesis. The creator must be a member of the owner with `create`.
    ///
    /// # Errors
    /// [`RecordError`] when the creator is unknown, of another bureau or without `create`.
    pub fn new(directory: &Directory, genesis: Verified<Genesis>) -> Result<Self, RecordError> {
        let body = genesis.body();
        let creator = directory.certificate(&body.creator).ok_or(RecordError::MissingEvidence("creator's certificate"))?.body();
        if creator.bureau != body.owner {
            return Err(RecordError::Malformed("creator is not of the owner bureau"));
        }
        let needed = if body.kind == Kind::Bulletin { Capability::Publish } else { Capability::Create };
        if !creator.capabilities.contains(&needed) {
            return Err(RecordError::Malformed("creator may not create such documents"));
        }
        if !genesis.signers().any(|key| *key == creator.key) {
            return Err(RecordError::Malformed("genesis is not sealed by its creator"));
        }
        let document = DocumentId(genesis.id().0);
        let mut rights = Rights::default();
        rights.grant(&body.audience, RecordId(document.0), body.at);
        let entry = Entry { record: None, index: 0, previous: None, rights: Arc::new(rights), children: 0 };
        Ok(Self { document, genesis, entries: BTreeMap::from([(RecordId(document.0), entry)]), cuts: Vec::new(), forked_after: None })
    }

    /// The document.
    pub fn document(&self) -> DocumentId {
        self.document
    }
    /// The genesis.
    pub fn genesis(&self) -> &Verified<Genesis> {
        &self.genesis
    }
    /// The id of record 0.
    pub fn genesis_id(&self) -> RecordId {
        RecordId(self.document.0)
    }

    /// Takes in one verified record.
    ///
    /// # Errors
    /// [`RecordError`]; the log is unchanged.
    pub fn learn(&mut self, directory: &Directory, record: Verified<Record>) -> Result<Learned, RecordError> {
        let id = RecordId(record.id().0);
        if self.entries.contains_key(&id) {
            return Ok(Learned::Known);
        }
        let body = record.body();
        if body.document != self.document {
            return Err(RecordError::Malformed("record of another document"));
        }
        let previous = self.entries.get(&body.previous).ok_or(RecordError::Waiting(body.previous))?;
        if body.index != previous.index + 1 {
            return Err(RecordError::Malformed("record index does not follow the record before"));
        }
        if let RecordKind::Grant(grantees, _) = &body.kind {
            let genesis = self.genesis.body();
            if grantees.iter().any(|grantee| grantee.bureau == genesis.owner || !genesis.kind.allows(grantee.verb)) {
                return Err(RecordError::Malformed("the kind does not allow these grantees"));
            }
        }
        self.sealed_by_registrar(directory, &record)?;
        self.ordered(directory, &record)?;
        let forks = previous.children > 0;
        let (index, previous_id) = (body.index, body.previous);
        let takes_away = matches!(body.kind, RecordKind::Cut(..));
        let rights = apply(&previous.rights, &record, id, self.forked_after.is_none() && !forks);
        if let RecordKind::Cut(subject, verbs, frontier, strict, _) = &body.kind {
            self.cuts.push(Cut {
                record: id,
                subject: subject.clone(),
                verbs: verbs.clone(),
                frontier: frontier.iter().map(|line| (line.actor, line.position)).collect(),
                strict: *strict,
            });
        }
        self.entries.insert(id, Entry { record: Some(record), index, previous: Some(previous_id), rights, children: 0 });
        self.entries.get_mut(&previous_id).expect("looked up above").children += 1;
        if forks {
            self.forked_after = Some(self.forked_after.map_or(index - 1, |old| old.min(index - 1)));
            self.recompute_rights();
        }
        Ok(if takes_away || forks { Learned::TakesAway } else { Learned::Adds })
    }

    /// Whether the log has branched; then no branch grants beyond the fork.
    pub fn is_forked(&self) -> bool {
        self.forked_after.is_some()
    }
    /// Records without successor, ascending.
    pub fn heads(&self) -> Vec<RecordId> {
        self.entries.iter().filter(|(_, entry)| entry.children == 0).map(|(id, _)| *id).collect()
    }
    /// The one head, or after a fork the lowest of the longest branches: for display and for summing, never for rights.
    pub fn head(&self) -> RecordId {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.children == 0)
            .max_by_key(|(id, entry)| (entry.index, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
            .expect("a log holds at least its genesis")
    }
    /// One record.
    pub fn get(&self, id: &RecordId) -> Option<&Entry> {
        self.entries.get(id)
    }
    /// Every record, by place and id.
    pub fn entries(&self) -> Vec<(RecordId, &Entry)> {
        let mut all: Vec<_> = self.entries.iter().map(|(id, entry)| (*id, entry)).collect();
        all.sort_by_key(|(id, entry)| (entry.index, *id));
        all
    }
    /// Every cut of every branch.
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
    /// Rights now: at the head; after a fork only what all heads allow.
    pub fn rights(&self) -> Arc<Rights> {
        let heads = self.heads();
        let mut rights = Arc::clone(&self.entries[&heads[0]].rights);
        for head in &heads[1..] {
            let other = &self.entries[head].rights;
            let both = Rights {
                bureaus: rights.bureaus.iter().filter_map(|(b, held)| Some((*b, held.weaker(other.bureaus.get(b)?)))).collect(),
                parted: rights.parted.iter().chain(&other.parted).map(|(b, r)| (*b, *r)).collect(),
                denied: rights.denied.union(&other.denied).cloned().collect(),
            };
            rights = Arc::new(both);
        }
        rights
    }
    /// The records from the first to this one, in log order.
    pub fn up_to(&self, record: &RecordId) -> Vec<&Verified<Record>> {
        let mut out = Vec::new();
        let mut at = self.entries.get(record);
        while let Some(entry) = at {
            out.extend(&entry.record);
            at = entry.previous.and_then(|previous| self.entries.get(&previous));
        }
        out.reverse();
        out
    }
    /// Whether any record of any branch, or the genesis, ever let this bureau in.
    pub fn ever_held(&self, bureau: &BureauId) -> bool {
        let granted =
            |record: &Verified<Record>| matches!(&record.body().kind, RecordKind::Grant(all, _) if all.iter().any(|g| g.bureau == *bureau));
        self.genesis.body().audience.iter().any(|g| g.bureau == *bureau)
            || self.entries.values().filter_map(|entry| entry.record.as_ref()).any(granted)
    }
    /// Whether `newer` is `older` or descends from it.
    pub fn descends(&self, newer: &RecordId, older: &RecordId) -> bool {
        let Some(floor) = self.entries.get(older).map(|entry| entry.index) else { return false };
        let mut at = *newer;
        loop {
            if at == *older {
                return true;
            }
            match self.entries.get(&at) {
                Some(entry) if entry.index > floor => match entry.previous {
                    Some(previous) => at = previous,
                    None => return false,
                },
                _ => return false,
            }
        }
    }

    fn sealed_by_registrar(&self, directory: &Directory, record: &Verified<Record>) -> Result<(), RecordError> {
        let body = record.body();
        let owner = self.genesis.body().owner;
        let certificate = directory.certificate(&body.registrar).ok_or(RecordError::MissingEvidence("registrar's certificate"))?.body();
        let appointment = directory
            .bureau(&owner)
            .and_then(|bureau| bureau.appointments().find(|appointment| appointment.id() == body.appointment))
            .ok_or(RecordError::MissingEvidence("registrar's appointment"))?;
        if appointment.body().registrar != body.registrar || certificate.bureau != owner {
            return Err(RecordError::Malformed("not the registrar of that appointment"));
        }
        if !record.signers().any(|key| *key == certificate.key) {
            return Err(RecordError::Malformed("record is not sealed by its registrar"));
        }
        Ok(())
    }

    /// Human decisions embed the officer's sealed order, and say the same as it.
    fn ordered(&self, directory: &Directory, record: &Verified<Record>) -> Result<(), RecordError> {
        let (order, expected) = match &record.body().kind {
            RecordKind::Adopt(..) | RecordKind::Anchor(_) => return Ok(()),
            RecordKind::Grant(grantees, order) => (order, OrderAct::Grant(grantees.clone())),
            RecordKind::Cut(subject, verbs, _, strict, order) => (order, OrderAct::Cut(subject.clone(), verbs.clone(), *strict)),
        };
        let sealed = Sealed::<Order>::from_bytes(&order.0).map_err(|_| RecordError::Malformed("embedded order is unreadable"))?;
        let order = sealed.verify(directory.network()).map_err(|_| RecordError::Malformed("embedded order's seal is wrong"))?;
        let officer =
            directory.certificate(&order.body().officer).ok_or(RecordError::MissingEvidence("ordering officer's certificate"))?.body();
        let right = order.body().document == self.document
            && order.body().act == expected
            && officer.bureau == self.genesis.body().owner
            && officer.capabilities.contains(&Capability::Order)
            && order.signers().any(|key| *key == officer.key);
        if right { Ok(()) } else { Err(RecordError::Malformed("embedded order does not support the record")) }
    }

    fn recompute_rights(&mut self) {
        let Some(fork) = self.forked_after else { return };
        let ids: Vec<RecordId> = self.entries().into_iter().map(|(id, _)| id).collect();
        for id in ids {
            let entry = &self.entries[&id];
            let (Some(record), Some(previous)) = (&entry.record, entry.previous) else { continue };
            let rights = apply(&self.entries[&previous].rights, record, id, entry.index <= fork);
            self.entries.get_mut(&id).expect("id came from the map").rights = rights;
        }
    }
}

fn apply(before: &Arc<Rights>, record: &Verified<Record>, id: RecordId, grants_count: bool) -> Arc<Rights> {
    match &record.body().kind {
        RecordKind::Grant(grantees, _) if grants_count => {
            let mut rights = Rights::clone(before);
            rights.grant(grantees, id, record.body().at);
            Arc::new(rights)
        }
        RecordKind::Cut(subject, verbs, ..) => {
            let mut rights = Rights::clone(before);
            rights.cut(subject, verbs, id);
            Arc::new(rights)
        }
        _ => Arc::clone(before),
    }
}
