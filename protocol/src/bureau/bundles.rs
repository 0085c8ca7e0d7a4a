//! Bundles: a link of which only one end is there, and what it says goes into a file or comes out of one.
//!
//! ```text
//! pack    Link (no transport) --greeting, passes, asks, walk: links/*--> messages --> file       nothing is noted as delivered
//! unpack  file --> messages --> Link (no transport) --links/*: the one door--> store                answers are counted and dropped
//! return  the cursor in a bundle is kept by who took all of it, and comes back in its next hello, by link or bundle: then it is delivered
//! ```
//! Such a link stands among the others only while one step of it is handled ([`Bureau::on_bundle`]), so that nothing else meets it; it is no contact
//! with anybody, and no acknowledgement. Everything that may go is asked of the same check, and what is handed out in pieces is good
//! only if nothing was taken away until its end: else packing begins anew.

mod pack;
mod unpack;

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::MemberKind;
use accord_keys::directory::CertStanding;
use accord_keys::seal::{Sealed, Verified};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::documents::Line;
use super::links::{Link, Peer};
use super::rows::{Reached, Summary};
use super::turn::Turn;
use crate::agreement::Pair;
use crate::bundle::{self, Answer, Ask, BundleStatement, Recipient, Record, RefusedView, UnpackedView};
use crate::id::{BureauId, Bytes, Digest, DocumentId, Nonce, TransportKey};
use crate::input::LinkId;
use crate::limits;
use crate::step::Table;
use crate::time::{MonoMillis, WallSeconds};
use crate::view::{Refused, RefusedKind};
use crate::wire::{self, Checked, Hello, IdentityStatement, Message};

/// Before a transport key: from when on a bundle of that device is the newest we heard of it.
const HEARD: &[u8] = b"bundle-heard:";

/// Before the id of a bureau: how many lines of our ledger it said it holds.
const LINES: &[u8] = b"bundle-lines:";

/// Before a transport key: what a device holds for having brought it ([`Brought`]).
const BROUGHT: &[u8] = b"bundle-brought:";

/// Between two points of our sequence there is nothing for a device but what came in its own bundle: whoever is at the first is at the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Brought {
    #[n(0)]
    from: Reached,
    #[n(1)]
    to: Reached,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    packs: BTreeMap<u64, Packing>,
    unpacks: BTreeMap<u64, Unpacking>,
    /// From when on a bundle of a device is the newest we heard of it, by link or bundle.
    heard: BTreeMap<TransportKey, WallSeconds>,
    lines: BTreeMap<BureauId, u64>,
    brought: BTreeMap<TransportKey, Brought>,
    /// How often something was made stale on links: what is being packed may hold it.
    taken_away: u64,
}

impl Bundles {
    pub fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let rows = |prefix: &'static [u8]| {
            local.iter().filter_map(move |(key, value)| {
                let id = <[u8; 32]>::try_from(key.strip_prefix(prefix)?).ok()?;
                Some((id, u64::from_be_bytes(value.as_slice().try_into().ok()?)))
            })
        };
        Self {
            heard: rows(HEARD).map(|(id, at)| (TransportKey(id), WallSeconds(at))).collect(),
            lines: rows(LINES).map(|(id, count)| (BureauId(id), count)).collect(),
            brought: local
                .iter()
                .filter_map(|(key, value)| {
                    let transport = <[u8; 32]>::try_from(key.strip_prefix(BROUGHT)?).ok()?;
                    Some((TransportKey(transport), super::rows::read("local", value).ok()?))
                })
                .collect(),
            ..Self::default()
        }
    }
    /// How far a device is that says it got so far, or that never was told how far it got.
    pub fn with_brought(&self, transport: &TransportKey, told: Option<Reached>, silent: bool) -> Option<Reached> {
        let Some(brought) = self.brought.get(transport) else { return told };
        let told = told.or(silent.then_some(Reached::default()))?;
        let behind = told.base < brought.from.base || told.walked < brought.from.walked;
        let with = Reached { base: told.base.max(brought.to.base), walked: told.walked.max(brought.to.walked) };
        Some(if behind { told } else { with })
    }
    /// Something that may be on its way must not go any more.
    pub fn took_away(&mut self) {
        self.taken_away += 1;
    }
}

/// A bundle being packed.
#[derive(Debug)]
struct Packing {
    link: Link,
    to: BureauId,
    recipients: Vec<Recipient>,
    by: Option<crate::id::CertificateId>,
    dry: bool,
    /// What must not have moved until it is sealed: the policy epoch, and [`Bundles::taken_away`].
    ground: (u64, u64),
    used: MonoMillis,
    /// When packing began: what was learnt since may not be in it.
    begun: WallSeconds,
    /// It holds all that may go, not only what is new to some device of the recipient.
    from_start: bool,
    /// What earlier walks passed over and this brings ([`super::left`]); none for everything.
    left: Option<BTreeSet<DocumentId>>,
    /// Passes and asks were looked for.
    shown: bool,
    documents: u64,
    of: u64,
    held: usize,
    ended: bool,
}

/// A bundle being unpacked.
#[derive(Debug)]
struct Unpacking {
    link: Link,
    statement: Verified<BundleStatement>,
    used: MonoMillis,
    /// It speaks of later than anything we heard of its sender before.
    newer: bool,
    /// Something of ours waits for its sender, and is not in this.
    pending: bool,
    new: BTreeSet<DocumentId>,
    changed: BTreeSet<DocumentId>,
    known: BTreeSet<DocumentId>,
    refused: BTreeMap<DocumentId, String>,
    refused_more: u64,
    erased: u64,
    ignored: u64,
    /// Statements learnt.
    statements: u64,
}

/// One id for each link that is none: far from those the driver gives.
fn link_id(number: u64) -> LinkId {
    LinkId(u64::MAX - number)
}

fn refused(code: &str) -> Refused {
    Refused::new(RefusedKind::Refused, code)
}

fn gone() -> Refused {
    Refused::new(RefusedKind::NotFound, "bundle_gone")
}

impl Bureau {
    /// One step of packing or unpacking.
    pub(super) fn bundle_step(&mut self, turn: &mut Turn, person: Option<&str>, ask: Ask) -> Result<Answer, Refused> {
        let now = turn.now.mono;
        let left = |used: MonoMillis| now >= used.plus(limits::BUNDLE_LEFT_MS);
        let old: Vec<u64> = self.bundles.packs.iter().filter(|(_, p)| left(p.used)).map(|(number, _)| *number).collect();
        for number in old {
            self.leave(turn, number);
        }
        self.bundles.unpacks.retain(|_, unpacking| !left(unpacking.used));
        match ask {
            Ask::Pack { to, all, dry_run } => self.pack(turn, person, &to, all, dry_run),
            Ask::More { number } => self.pack_more(turn, number),
            Ask::Seal { number, file, digest, records } => self.pack_seal(turn, number, file, digest, records),
            Ask::Unpack { statement, hello, statements } => self.unpack(turn, statement, &hello, statements),
            Ask::Message { number, message } => self.unpack_message(turn, number, message),
            Ask::End { number, cursor } => self.unpack_end(turn, number, cursor),
            Ask::Leave { number } => {
                self.leave(turn, number);
                Ok(Answer::Left)
            }
        }
    }

    /// The document a step touches.
    pub(super) fn bundle_document(&self, ask: &Ask) -> Option<DocumentId> {
        match ask {
            Ask::Message { message: Checked::Push(push), .. } => {
                Some(push.document).filter(|document| self.documents.contains_key(document))
            }
            _ => None,
        }
    }

    fn leave(&mut self, turn: &mut Turn, number: u64) {
        self.bundles.unpacks.remove(&number);
        if let Some(packing) = self.bundles.packs.remove(&number) {
            self.quota(turn, packing.to).take_back_held(packing.held);
            if !packing.dry {
                self.account(turn, "bundle_left", None, Some(packing.to), packing.by, "");
            }
        }
    }

    /// Handles something on a link that is none, as if it were one. Answers what was said on it, and whether it would have been closed; both go
    /// nowhere by themselves.
    fn on_bundle<T>(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        link: &mut Link,
        act: impl FnOnce(&mut Self, &mut Turn) -> T,
    ) -> (T, Vec<Vec<u8>>, bool) {
        // The place is free: nobody else gives such numbers. What stands in for it is of no use to anybody.
        let stand_in = Link::without_transport(link.transport(), turn.now.mono);
        self.links.insert(id, std::mem::replace(link, stand_in));
        let done = act(self, turn);
        *link = self.links.remove(&id).expect("put there above, and links go with their transport only");
        let mut said = Vec::new();
        turn.step.sends.retain_mut(|send| {
            if send.link == id {
                said.push(std::mem::take(&mut send.bytes));
            }
            send.link != id
        });
        let closed = turn.step.close.contains(&id);
        turn.step.close.retain(|link| *link != id);
        (done, said, closed)
    }

    /// A number for a bundle: drawn, since whoever was packing when the core was opened anew would go on in somebody else's bundle.
    fn bundle_number(&self, turn: &mut Turn) -> u64 {
        loop {
            let drawn = turn.nonce();
            let number = u64::from_be_bytes(*drawn.0.first_chunk().expect("sixteen bytes")) >> 2;
            if !self.bundles.packs.contains_key(&number) && !self.bundles.unpacks.contains_key(&number) {
                return number;
            }
        }
    }

    /// Whether nobody but devices of its bureau claims a transport key. On a link its holder proves it; here the certificate says so, and how far
    /// somebody got is noted under it.
    fn claims_alone(&self, transport: &TransportKey, bureau: &BureauId) -> bool {
        let bureaus = self.directory.all_by_transport(transport).filter_map(|id| Some(self.directory.certificate(&id)?.body().bureau));
        bureaus.into_iter().all(|other| other == *bureau)
    }

    /// A device spoke over a link: what it packed before is not the newest we heard of it.
    pub(super) fn heard_by_link(&mut self, turn: &mut Turn, transport: &TransportKey) {
        self.note_heard(turn, transport, turn.stamp);
    }

    fn note_heard(&mut self, turn: &mut Turn, transport: &TransportKey, from: WallSeconds) {
        if self.bundles.heard.get(transport).is_none_or(|heard| from > *heard) {
            self.bundles.heard.insert(*transport, from);
            turn.put(Table::Local, &[HEARD, &transport.0].concat(), from.0.to_be_bytes().to_vec());
        }
    }

    /// The floor went down: nobody was heard later than that.
    pub(super) fn heard_by_a_poisoned_clock(&mut self, turn: &mut Turn) {
        let stamp = turn.stamp;
        for (transport, heard) in self.bundles.heard.iter_mut().filter(|(_, heard)| **heard > stamp) {
            *heard = stamp;
            turn.put(Table::Local, &[HEARD, &transport.0].concat(), heard.0.to_be_bytes().to_vec());
        }
    }

    fn room(&self, taken: usize) -> Result<(), Refused> {
        if taken < limits::BUNDLES_AT_ONCE { Ok(()) } else { Err(refused("bundle_under_way")) }
    }

    /// A device was told over a link how far it got: from now on it says so itself.
    pub(super) fn told_how_far(&mut self, turn: &mut Turn, transport: &TransportKey) {
        if self.bundles.brought.remove(transport).is_some() {
            turn.remove(Table::Local, &[BROUGHT, &transport.0].concat());
        }
    }

    /// Notes how much of the pair's ledger a partner said it holds: a bundle brings what is behind that.
    pub(super) fn note_lines_known(&mut self, turn: &mut Turn, bureau: &BureauId, counts: wire::LedgerCounts) {
        if self.bundles.lines.insert(*bureau, counts.yours) != Some(counts.yours) {
            turn.put(Table::Local, &[LINES, &bureau.0].concat(), counts.yours.to_be_bytes().to_vec());
        }
    }

    /// How many lines of ours a partner said it holds, when it last said so.
    pub(super) fn lines_said_held(&self, bureau: &BureauId) -> u64 {
        self.bundles.lines.get(bureau).copied().unwrap_or(0)
    }

    /// How much of the pair's ledger a partner surely holds: its own lines, and of ours what it said.
    pub(super) fn lines_known_to(&self, bureau: &BureauId) -> wire::LedgerCounts {
        let held = self.ledger_counts(bureau).unwrap_or_default();
        let yours = self.bundles.lines.get(bureau).copied().unwrap_or(0).min(held.mine);
        wire::LedgerCounts { mine: held.yours, yours }
    }

    /// The policy of a pair as a cursor in a bundle holds it: agreements alone, since what it is asked for is our own documents.
    pub(super) fn bundle_policy(&self, turn: &Turn, bureau: &BureauId) -> Digest {
        self.book.policy(Pair::of(self.identity.bureau, *bureau), turn.effective)
    }
}

/// Enough of a file's id to find it in two accounts.
fn short(file: &Nonce) -> String {
    file.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
