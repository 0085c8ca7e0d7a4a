//! Rows of the store as the core writes and reads them. Each begins with a version number, so a later build can tell and migrate.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use accord_keys::id::RootId;
use minicbor::{Decode, Encode};

use super::few::Few;
use crate::access::Facts;
use crate::access::consent::Consented;
use crate::access::log::{EndKind, Held, Kind, LostGrant, Rights, Subject};
use crate::agreement::{Category, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, Digest, DocumentId, PublicKey, RecordId};
use crate::intake::DocState;
use crate::time::WallSeconds;

/// A row that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("row of {table} is unreadable: {why}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// Why.
    pub why: String,
}

/// Encodes a row.
pub fn write<T: Encode<()>>(row: &T) -> Vec<u8> {
    accord_keys::canon::encode(row)
}
/// Decodes a row.
pub fn read<T: Encode<()> + for<'b> Decode<'b, ()>>(table: &'static str, bytes: &[u8]) -> Result<T, RowError> {
    accord_keys::canon::decode(bytes).map_err(|e| RowError { table, why: e.to_string() })
}

/// Of the rows of documents. A field that decides who may read what raises it: an older program must not pass over one.
const SUMMARY_VERSION: u8 = 1;

/// As [`read`], of a row there may be a million of: it is not written anew to see that it was written in the one way. The store gives back what
/// it was given, or nothing.
fn read_one_of_many<T: for<'b> Decode<'b, ()>>(table: &'static str, bytes: &[u8]) -> Result<T, RowError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|e| RowError { table, why: e.to_string() })?;
    match bytes.len() - decoder.position() {
        0 => Ok(value),
        more => Err(RowError { table, why: format!("{more} bytes more than a row") }),
    }
}

/// What we keep about a partner besides its sealed statements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PartnerRow {
    #[n(0)]
    pub version: u8,
    /// The checking code was compared by people.
    #[n(1)]
    pub checked: bool,
    #[n(2)]
    pub alias: String,
    /// Overrides the card's addresses when not empty.
    #[n(3)]
    pub address: String,
    #[n(4)]
    pub last_contact: u64,
    /// Sums stayed unequal after a repair.
    #[n(5)]
    pub divergent: bool,
    /// The root version people decided for, among rivals, by reading its checking code.
    #[n(6)]
    pub root: Option<RootId>,
}

/// An officer of our bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OfficerRow {
    #[n(0)]
    pub version: u8,
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub seats: Vec<String>,
    /// Capability words.
    #[n(3)]
    pub capabilities: Vec<String>,
    /// Certificates, newest last.
    #[n(4)]
    pub certificates: Vec<CertificateId>,
    /// The next login makes a key.
    #[n(5)]
    pub awaiting: bool,
}

/// An invitation of a laptop.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InviteRow {
    #[n(0)]
    pub version: u8,
    #[n(1)]
    pub officer: String,
    #[n(2)]
    pub expires: WallSeconds,
    /// The device key that used it: the same laptop may ask again, no other.
    #[n(3)]
    pub device: Option<PublicKey>,
}

/// How far a peer acknowledged our sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Reached {
    /// Everything entitled up to here was acknowledged.
    #[n(0)]
    pub base: u64,
    /// Every document whose newest change is at most here was acknowledged whole.
    #[n(1)]
    pub walked: u64,
}

/// When a statement about bureaus or agreements was learnt here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct LearnedRow {
    #[n(0)]
    pub version: u8,
    /// By corroborated time: a wild clock must not move what was known into the future.
    #[n(1)]
    pub at: WallSeconds,
    /// The store-wide sequence at that time.
    #[n(2)]
    pub seq: u64,
    /// The partner that brought it, of a bureau that was no partner of ours then.
    #[n(3)]
    pub from: Option<BureauId>,
    /// With it: that bureau and the bytes of the statement. A row of before names the partner with the first root alone.
    #[n(4)]
    pub brought: Option<BroughtRow>,
}

/// Of what bureau a partner brought a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct BroughtRow {
    #[n(0)]
    pub of: BureauId,
    /// Bytes.
    #[n(1)]
    pub size: u32,
}

/// One holder in a stored summary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct HolderRow {
    #[n(0)]
    bureau: BureauId,
    #[n(1)]
    verb: Verb,
    #[n(2)]
    record: RecordId,
    #[n(3)]
    since: WallSeconds,
    #[n(4)]
    agreement: Option<AgreementId>,
    /// Sequence at which the record that lets it in was stored here.
    #[n(5)]
    granted_seq: u64,
    #[n(6)]
    via: Option<BureauId>,
    #[n(7)]
    tlp: Option<Tlp>,
    #[n(8)]
    until: Option<WallSeconds>,
    #[n(9)]
    no_fourth: Option<bool>,
    /// Index of the record by which it came; none is 0.
    #[n(10)]
    came: Option<u32>,
    /// What contributors consented to for it.
    #[n(11)]
    consents: Option<Vec<ConsentRow>>,
}

/// A contributor's consent for one holder, in a stored summary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct ConsentRow {
    #[n(0)]
    contributor: BureauId,
    #[n(1)]
    consent: Consented,
}

/// A bureau that wrote, in a stored summary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct ContributorRow {
    #[n(0)]
    bureau: BureauId,
    /// Index of the first record that settled something of it.
    #[n(1)]
    settled: u32,
}

/// One bureau that was cut, in a stored summary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct PartedRow {
    #[n(0)]
    bureau: BureauId,
    #[n(1)]
    record: RecordId,
    /// Sequence at which the cut was stored here.
    #[n(2)]
    parted_seq: u64,
    /// By way of whom it had come.
    #[n(3)]
    via: Option<BureauId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct SummaryRow {
    #[n(0)]
    version: u8,
    #[n(1)]
    owner: BureauId,
    #[n(2)]
    kind: Kind,
    #[n(3)]
    category: Category,
    #[n(4)]
    tlp: Tlp,
    #[n(5)]
    subkind: String,
    #[n(6)]
    title: String,
    #[n(7)]
    number: String,
    #[n(8)]
    created: WallSeconds,
    #[n(9)]
    changes: u64,
    #[n(10)]
    settled: u64,
    #[n(11)]
    held: u64,
    #[n(12)]
    adopted: bool,
    #[n(13)]
    entry: Digest,
    #[n(14)]
    newest_seq: u64,
    #[n(15)]
    holders: Vec<HolderRow>,
    #[n(16)]
    foreign: bool,
    #[n(17)]
    parted: Vec<PartedRow>,
    #[n(18)]
    given: Vec<BureauId>,
    #[n(30)]
    hidden: Option<bool>,
    #[n(31)]
    contributors: Option<Vec<ContributorRow>>,
    /// Present once the document ended.
    #[n(32)]
    ended: Option<bool>,
    /// What cuts took from seats, units, keys and certificates; the first [`DENIED_KEPT`] of them: lists ask by it before a body is read.
    #[n(33)]
    denied: Option<Vec<DeniedRow>>,
    /// When the newest record was written, and when it ended, if its time was over.
    #[n(34)]
    newest_record: Option<WallSeconds>,
    #[n(35)]
    ended_at: Option<WallSeconds>,
    /// Present once something of it quotes what another writer signed.
    #[n(36)]
    quotes: Option<bool>,
    /// Present while its log has more than one head.
    #[n(37)]
    torn: Option<bool>,
    /// Who was let in on a branch its healed log left, when it was healed, and with which verb.
    #[n(38)]
    lost: Option<Vec<LostRow>>,
}

/// Denials kept in a row.
const DENIED_KEPT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct DeniedRow {
    #[n(0)]
    subject: Subject,
    #[n(1)]
    verb: Verb,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct LostRow {
    #[n(0)]
    bureau: BureauId,
    #[n(1)]
    verb: Verb,
    #[n(2)]
    healed: WallSeconds,
}

/// Who wrote in a document; of the many in which nobody but the owner did there is one value.
pub fn contributors_of(contributors: BTreeMap<BureauId, u32>) -> Arc<BTreeMap<BureauId, u32>> {
    static NOBODY: LazyLock<Arc<BTreeMap<BureauId, u32>>> = LazyLock::new(Arc::default);
    if contributors.is_empty() { Arc::clone(&NOBODY) } else { Arc::new(contributors) }
}

/// What is known of every document: enough to decide, list and sum without its body. In memory it lies packed, see `documents`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub document: DocumentId,
    pub owner: BureauId,
    pub kind: Kind,
    pub category: Category,
    pub tlp: Tlp,
    pub subkind: String,
    pub title: String,
    pub number: String,
    pub created: WallSeconds,
    pub changes: u64,
    pub settled: u64,
    pub held: u64,
    pub adopted: bool,
    /// The owner ended it.
    pub ended: bool,
    /// Something of it quotes what another writer signed: who that is travels with it.
    pub quotes: bool,
    /// When its newest record was written, by the registrar's clock.
    pub newest_record: WallSeconds,
    /// When it ended, if that was for its time being over.
    pub ended_at: Option<WallSeconds>,
    /// Its log has more than one head, and rules under which that can be healed.
    pub torn: bool,
    /// Grants that a healed log left on another branch: nothing else says that they were ever given.
    pub lost: Vec<LostGrant>,
    /// H(document, log heads, admitted tips).
    pub entry: Digest,
    pub newest_seq: u64,
    pub rights: Arc<Rights>,
    pub granted_seq: Few<BureauId, u64>,
    pub parted_seq: Few<BureauId, u64>,
    /// Bureaus that acknowledged something of it: only they are told of their cut unasked.
    pub given: Few<BureauId, ()>,
    /// Bureaus other than the owner wrote in it.
    pub foreign: bool,
    /// Its audience is hidden behind commitments.
    pub hidden: bool,
    /// Bureaus other than the owner that wrote, with the index of the first record that settled something of theirs.
    pub contributors: Arc<BTreeMap<BureauId, u32>>,
}

impl Summary {
    /// Summary of a document as it stands; `before` carries over when holders were let in.
    pub fn of(state: &DocState, before: Option<&Summary>, seq: u64) -> Self {
        let genesis = state.log().genesis().body().clone();
        let rights = state.log().rights();
        let granted_seq = rights
            .bureaus
            .iter()
            .map(|(bureau, held)| {
                let same = before.and_then(|b| {
                    let unchanged = b.rights.bureaus.get(bureau).is_some_and(|old| old.record == held.record);
                    b.granted_seq.get(bureau).copied().filter(|_| unchanged)
                });
                (*bureau, same.unwrap_or(seq))
            })
            .collect();
        let parted_seq = rights
            .all_parted()
            .into_iter()
            .map(|(bureau, record)| {
                let same = before.and_then(|b| {
                    let unchanged = b.rights.parted(&bureau) == Some(record);
                    b.parted_seq.get(&bureau).copied().filter(|_| unchanged)
                });
                (bureau, same.unwrap_or(seq))
            })
            .collect();
        // What the founding change says never changes, so it is read once.
        let (title, subkind) = match before {
            Some(before) if !before.title.is_empty() => (before.title.clone(), before.subkind.clone()),
            _ => state.opening().map(|act| (act.title, act.subkind)).unwrap_or_default(),
        };
        let number = state.adopted_number();
        let at = |record: &RecordId| state.log().get(record)?.record.as_ref().map(|record| record.body().at);
        let newest = at(&state.log().head());
        Self {
            document: state.id(),
            owner: genesis.owner,
            kind: genesis.kind,
            category: genesis.category,
            tlp: state.log().tlp(),
            subkind,
            title,
            adopted: number.is_some(),
            ended: state.log().ended().is_some(),
            quotes: state.has_quotes(),
            newest_record: newest.unwrap_or(genesis.at),
            ended_at: state.log().ended().filter(|(_, kind)| *kind == EndKind::Retention).and_then(|(record, _)| at(&record)),
            torn: state.log().is_forked() && genesis.rules > 1,
            lost: state.log().lost_grants(),
            number: number.unwrap_or_else(|| format!("临-{}-{}", genesis.creator.short(), state.id().short())),
            created: genesis.at,
            changes: state.admitted().len() as u64,
            settled: state.settled(),
            held: state.waiting(),
            entry: state.entry(),
            newest_seq: state.newest_seq(),
            rights,
            granted_seq,
            parted_seq,
            given: before.map(|b| b.given.clone()).unwrap_or_default(),
            foreign: state.has_foreign(),
            hidden: state.log().is_hidden(),
            contributors: contributors_of(state.contributors().clone()),
        }
    }

    /// When what records gave its holders ends, and consents for them: of those among the holders that matter here. A foreign log may name
    /// thousands that nobody here ever speaks with.
    pub fn ends(&self, matters: impl Fn(&BureauId) -> bool) -> Vec<(WallSeconds, BureauId)> {
        let of = |(bureau, held): (&BureauId, &Held)| {
            let ends = held.until.into_iter().chain(held.consents.values().filter_map(|consent| consent.until));
            ends.map(|at| (at, *bureau)).collect::<Vec<_>>()
        };
        self.rights.bureaus.iter().filter(|(bureau, _)| matters(bureau)).flat_map(of).collect()
    }

    /// Whether what records gave one of these bureaus, or consents for it, ends by itself.
    pub fn ends_for(&self, bureaus: [&BureauId; 2]) -> bool {
        let held = bureaus.into_iter().filter_map(|bureau| self.rights.bureaus.get(bureau));
        held.into_iter().any(|held| held.until.is_some() || held.consents.values().any(|consent| consent.until.is_some()))
    }

    /// What an access decision needs.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            document: self.document,
            owner: self.owner,
            kind: self.kind,
            category: self.category,
            tlp: self.tlp,
            rights: &self.rights,
            hidden: self.hidden,
            contributors: &self.contributors,
        }
    }

    /// As a row.
    pub fn to_bytes(&self) -> Vec<u8> {
        let holders = self
            .rights
            .bureaus
            .iter()
            .map(|(bureau, held)| HolderRow {
                bureau: *bureau,
                verb: held.verb,
                record: held.record,
                since: held.since,
                agreement: held.agreement,
                granted_seq: self.granted_seq.get(bureau).copied().unwrap_or(0),
                via: held.via,
                tlp: held.tlp,
                until: held.until,
                no_fourth: held.no_fourth.then_some(true),
                came: Some(held.came).filter(|came| *came > 0),
                consents: (!held.consents.is_empty()).then(|| {
                    held.consents.iter().map(|(contributor, consent)| ConsentRow { contributor: *contributor, consent: *consent }).collect()
                }),
            })
            .collect();
        write(&SummaryRow {
            version: SUMMARY_VERSION,
            owner: self.owner,
            kind: self.kind,
            category: self.category,
            tlp: self.tlp,
            subkind: self.subkind.clone(),
            title: self.title.clone(),
            number: self.number.clone(),
            created: self.created,
            changes: self.changes,
            settled: self.settled,
            held: self.held,
            adopted: self.adopted,
            entry: self.entry,
            newest_seq: self.newest_seq,
            holders,
            foreign: self.foreign,
            given: self.given.keys().copied().collect(),
            ended: self.ended.then_some(true),
            quotes: self.quotes.then_some(true),
            newest_record: Some(self.newest_record),
            ended_at: self.ended_at,
            torn: self.torn.then_some(true),
            lost: (!self.lost.is_empty())
                .then(|| self.lost.iter().map(|lost| LostRow { bureau: lost.bureau, verb: lost.verb, healed: lost.healed }).collect()),
            parted: self
                .rights
                .all_parted()
                .into_iter()
                .map(|(bureau, record)| PartedRow {
                    bureau,
                    record,
                    parted_seq: self.parted_seq.get(&bureau).copied().unwrap_or(0),
                    via: self.rights.parted_via(&bureau),
                })
                .collect(),
            hidden: Some(self.hidden).filter(|hidden| *hidden),
            denied: {
                let parts = self.rights.denied_parts().take(DENIED_KEPT);
                let rows: Vec<DeniedRow> = parts.map(|(subject, verb)| DeniedRow { subject: subject.clone(), verb: *verb }).collect();
                (!rows.is_empty()).then_some(rows)
            },
            contributors: (!self.contributors.is_empty())
                .then(|| self.contributors.iter().map(|(bureau, settled)| ContributorRow { bureau: *bureau, settled: *settled }).collect()),
        })
    }

    /// Reads a row. Rights read back hold the holders, and so many denials of seats, units and keys: enough for egress and for lists.
    pub fn from_bytes(document: DocumentId, bytes: &[u8]) -> Result<Self, RowError> {
        let row: SummaryRow = read_one_of_many("documents", bytes)?;
        if row.version != SUMMARY_VERSION {
            return Err(RowError { table: "documents", why: format!("version {}", row.version) });
        }
        let mut rights = Rights::default();
        let mut granted_seq = Vec::with_capacity(row.holders.len());
        for holder in row.holders {
            let consents = holder.consents.unwrap_or_default().into_iter().map(|row| (row.contributor, row.consent)).collect();
            let held = Held {
                verb: holder.verb,
                record: holder.record,
                since: holder.since,
                agreement: holder.agreement,
                via: holder.via,
                tlp: holder.tlp,
                until: holder.until,
                no_fourth: holder.no_fourth.unwrap_or(false),
                came: holder.came.unwrap_or(0),
                consents,
            };
            rights.bureaus.insert(holder.bureau, held);
            granted_seq.push((holder.bureau, holder.granted_seq));
        }
        for denied in row.denied.unwrap_or_default() {
            rights.note_denied(denied.subject, denied.verb);
        }
        let mut parted_seq = Vec::with_capacity(row.parted.len());
        for parted in row.parted {
            rights.note_parted(parted.bureau, parted.record, parted.via);
            parted_seq.push((parted.bureau, parted.parted_seq));
        }
        Ok(Self {
            document,
            owner: row.owner,
            kind: row.kind,
            category: row.category,
            tlp: row.tlp,
            subkind: row.subkind,
            title: row.title,
            number: row.number,
            created: row.created,
            changes: row.changes,
            settled: row.settled,
            held: row.held,
            adopted: row.adopted,
            ended: row.ended.unwrap_or(false),
            quotes: row.quotes.unwrap_or(false),
            newest_record: row.newest_record.unwrap_or(row.created),
            ended_at: row.ended_at,
            torn: row.torn.unwrap_or(false),
            lost: row
                .lost
                .unwrap_or_default()
                .into_iter()
                .map(|row| LostGrant { bureau: row.bureau, verb: row.verb, healed: row.healed })
                .collect(),
            entry: row.entry,
            newest_seq: row.newest_seq,
            rights: Arc::new(rights),
            granted_seq: granted_seq.into_iter().collect(),
            parted_seq: parted_seq.into_iter().collect(),
            given: row.given.into_iter().map(|bureau| (bureau, ())).collect(),
            foreign: row.foreign,
            hidden: row.hidden.unwrap_or(false),
            contributors: contributors_of(row.contributors.unwrap_or_default().into_iter().map(|row| (row.bureau, row.settled)).collect()),
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::bureau::documents::Reading;
    use crate::limits;

    /// Bytes of this process that lie in memory.
    fn resident() -> u64 {
        let read = std::fs::read_to_string("/proc/self/statm").expect("a Linux machine");
        4_096 * read.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number")
    }

    /// A summary as a bulletin to one partner has it, settled and delivered.
    pub fn plain(n: u64) -> Summary {
        let id = |salt: &str| *blake3::hash(format!("{salt}{n}").as_bytes()).as_bytes();
        let (document, to) = (DocumentId(id("document")), BureauId([7; 32]));
        let mut rights = Rights::default();
        let held = Held {
            verb: Verb::Read,
            record: RecordId(document.0),
            since: WallSeconds(1_900_000_000 + n),
            agreement: Some(AgreementId([9; 32])),
            via: None,
            tlp: None,
            until: None,
            no_fourth: false,
            came: 0,
            consents: BTreeMap::new(),
        };
        rights.bureaus.insert(to, held);
        Summary {
            document,
            owner: BureauId([1; 32]),
            kind: Kind::Bulletin,
            category: Category::from_code("CRIM.SERIES").expect("known"),
            tlp: Tlp::Amber,
            subkind: "series".into(),
            title: "关于系列盗窃电动车案件的协查通报".into(),
            number: format!("临公通〔2026〕{n}号"),
            created: WallSeconds(1_900_000_000 + n),
            changes: 20,
            settled: 20,
            held: 0,
            adopted: true,
            ended: false,
            quotes: false,
            newest_record: WallSeconds(1_900_000_000 + n),
            ended_at: None,
            torn: false,
            lost: Vec::new(),
            entry: Digest(id("entry")),
            newest_seq: 3 * n,
            rights: Arc::new(rights),
            granted_seq: [(to, 3 * n - 2)].into_iter().collect(),
            parted_seq: Few::default(),
            given: [(to, ())].into_iter().collect(),
            foreign: false,
            hidden: false,
            contributors: Arc::default(),
        }
    }

    /// A summary with so many holders, each with so many consents, all their fields as long as they get.
    fn crowded(holders: usize, consents: usize) -> Summary {
        let bureau = |n: usize| BureauId(*blake3::hash(&n.to_le_bytes()).as_bytes());
        let late = WallSeconds(u64::MAX);
        let held = Held {
            verb: Verb::Append,
            record: RecordId([0xff; 32]),
            since: late,
            agreement: Some(AgreementId([9; 32])),
            via: Some(BureauId([8; 32])),
            tlp: Some(Tlp::Amber),
            until: Some(late),
            no_fourth: true,
            came: u32::MAX,
            consents: (0..consents).map(|n| (bureau(n), Consented { tlp: Tlp::Amber, until: Some(late) })).collect(),
        };
        let mut rights = Rights::default();
        for n in 0..holders {
            rights.bureaus.insert(bureau(n), held.clone());
        }
        Summary { rights: Arc::new(rights), granted_seq: (0..holders).map(|n| (bureau(n), u64::MAX)).collect(), ..plain(1) }
    }

    #[test]
    fn as_many_holders_as_a_log_names_fit_a_row_and_few_need_not_be_measured() {
        let bytes = crowded(limits::BUREAUS_PER_LOG_MAX, 1).to_bytes().len();
        assert!(bytes <= limits::SUMMARY_BYTES_MAX, "{bytes}");
        let bytes = crowded(limits::HOLDERS_UNMEASURED, limits::CONSENTS_MAX).to_bytes().len();
        assert!(2 * bytes <= limits::SUMMARY_BYTES_MAX, "{bytes}: who left leaves a line, too");
        assert!(
            crowded(limits::BUREAUS_PER_LOG_MAX, limits::CONSENTS_MAX).to_bytes().len() > limits::ROW_BYTES_MAX,
            "so a bound is needed"
        );
    }

    /// What a summary, its place among the documents and its place in the sequence take together, bytes; nanoseconds to read one from its row on disk, and from
    /// its place in memory.
    #[expect(clippy::disallowed_methods, reason = "measures the process")]
    fn per_document(count: u64) -> (u64, u128, u128) {
        let rows: Vec<(DocumentId, Vec<u8>)> = {
            let mut rows: Vec<_> = (1..=count).map(plain).map(|summary| (summary.document, summary.to_bytes())).collect();
            rows.sort();
            rows
        };
        let before = resident();
        let begun = std::time::Instant::now();
        let mut reading = Reading::default();
        rows.iter().for_each(|(document, bytes)| reading.take(Summary::from_bytes(*document, bytes).expect("a row")));
        let documents = reading.finish();
        let read = begun.elapsed().as_nanos();
        let summaries = resident() - before;
        assert_eq!((documents.len() as u64, documents.after(0).count() as u64), (count, count));
        let begun = std::time::Instant::now();
        let changes: u64 = documents.values().map(|line| line.summary().changes).sum();
        assert_eq!(changes, documents.changes());
        (summaries / count, read / u128::from(count), begun.elapsed().as_nanos() / u128::from(count))
    }

    #[test]
    fn a_row_of_another_version_or_with_something_behind_it_is_refused() {
        let (summary, mut bytes) = (plain(1), plain(1).to_bytes());
        assert_eq!(Summary::from_bytes(summary.document, &bytes).expect("a row"), summary);
        // A map whose first entry is the version: 0 => 1.
        assert_eq!(&bytes[1..3], &[0, SUMMARY_VERSION]);
        bytes[2] = SUMMARY_VERSION + 1;
        let refused = Summary::from_bytes(summary.document, &bytes).expect_err("newer");
        assert_eq!(refused.why, "version 2");
        bytes[2] = SUMMARY_VERSION;
        bytes.push(0);
        assert_eq!(Summary::from_bytes(summary.document, &bytes).expect_err("longer").why, "1 bytes more than a row");
    }

    /// `cargo test -p accord-protocol --lib -- --ignored --nocapture a_document_at_rest`
    #[test]
    #[ignore = "measures the whole process, so it runs alone"]
    #[expect(clippy::print_stderr, reason = "the figures are for whoever runs it")]
    fn a_document_at_rest_takes_little_more_than_what_it_says_however_many_there_are() {
        for count in [20_000, 100_000] {
            let (bytes, from_disk, from_memory) = per_document(count);
            eprintln!("{count} documents: {bytes} bytes each; {from_disk} ns to read one from its row, {from_memory} ns from memory");
            assert!(bytes < 270, "{bytes}");
        }
    }
}
