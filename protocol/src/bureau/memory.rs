//! What a node knows of its own past from others: whether its store is an older one put back, and which pairs it may have forgotten a no of.
//!
//! A store put back remembers neither what its bureau suspended since nor the records it wrote. Cursors do: each of them says how many
//! statements of every pair we held when we gave it away (`links::cursor`). So what comes back in hellos is compared with what we hold.
//!
//! - A cursor of this very store that knows more than we do, or the node's own suspicion (another machine, another copy): the store is
//!   **catching up**. It writes no record and gives nothing out until an officer has stated what is missing
//!   ([`Bureau::store_confirm`]), and until then its peers keep the older, richer cursors.
//! - A pair whose count is behind what any cursor said, or that no cursor spoke of since a start, is **silent**: nothing goes there until
//!   the statement came or an officer rules on that pair. What is stated anew meanwhile, by either side, is not what was lost: it counts above
//!   what we were told, by the day it says it was made.
//! - A lossy repair is the mildest case: it ends by itself when somebody who knew us holds the same as we do.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::{Capability, MemberKind};
use minicbor::{Decode, Encode};

use super::Bureau;
use super::links::{Peer, Recollection};
use super::rows::{RowError, read, write};
use super::turn::Turn;
use crate::id::{BureauId, CertificateId, TransportKey};
use crate::limits;
use crate::step::{Table, Write};
use crate::time::{MonoMillis, WallSeconds};
use crate::view::{InboxItem, Refused, RefusedKind, View};

/// What a node may have reason to think of its own store at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It is an older one put back.
    Restored,
    /// Two nodes live on copies of it.
    Cloned,
}

/// Row of the local table that waits for the core's next turn.
const NOTED: &[u8] = b"suspect";

/// Leaves a suspicion in the store before the core opens it, together with whatever made the place known again.
pub fn note_suspicion(why: Suspicion) -> Write {
    let word = match why {
        Suspicion::Restored => 1,
        Suspicion::Cloned => 2,
    };
    Write::Put { table: Table::Local, key: NOTED.to_vec(), value: Some(vec![word]) }
}

/// One pair in a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Keyed hash of the other bureau; 0 is an empty slot.
    pub tag: u16,
    /// Statements and lines of the pair, at most [`Slot::MOST`]. It never comes round, so that no old cursor looks like a newer one.
    pub count: u32,
}

impl Slot {
    /// Bytes of a slot.
    pub const BYTES: usize = 5;
    /// The largest count, three bytes: a day's share of lines from both sides ([`limits::LINES_PER_DAY`]), every day, gets there in 2.8 years.
    /// From there on what is lost of that pair shows by our sequence alone.
    pub const MOST: u32 = 0xff_ffff;

    /// Reads five bytes, or four of the version before, whose counts had two; `None` for an empty slot.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (a, b, count) = match *bytes {
            [a, b, c, d, e] => (a, b, u32::from_be_bytes([0, c, d, e])),
            [a, b, d, e] => (a, b, u32::from_be_bytes([0, 0, d, e])),
            _ => return None,
        };
        let slot = Self { tag: u16::from_be_bytes([a, b]), count };
        (slot.tag != 0).then_some(slot)
    }

    /// What [`Slot::read`] reads.
    pub fn bytes(self) -> [u8; Self::BYTES] {
        let ([a, b], [_, c, d, e]) = (self.tag.to_be_bytes(), self.count.min(Self::MOST).to_be_bytes());
        [a, b, c, d, e]
    }
}

/// Why the store may not be all it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
enum Suspect {
    #[n(1)]
    Restored,
    #[n(2)]
    Repaired,
    #[n(3)]
    Cloned,
}

impl Suspect {
    const fn word(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Repaired => "repaired",
            Self::Cloned => "cloned",
        }
    }
}

/// The stored half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct MemoryRow {
    #[n(0)]
    version: u8,
    /// Since when it is catching up; `None` when it is not.
    #[n(1)]
    since: Option<WallSeconds>,
    #[n(2)]
    suspects: Vec<Suspect>,
    /// Tags and counts that cursors told and we have not reached.
    #[n(3)]
    told: Vec<(u16, u32)>,
    /// Pairs without any recollection stay silent, also those we never gave a cursor.
    #[n(4)]
    doubt: bool,
    /// When an officer last confirmed this store.
    #[n(5)]
    confirmed: Option<WallSeconds>,
    /// Tags of `told` and when that was told. A tag without, of an earlier version, waits for its officer.
    #[n(6)]
    told_at: Option<Vec<(u16, WallSeconds)>>,
}

/// How many statements of a pair we once held, as a cursor told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    count: u32,
    /// When it was told.
    at: WallSeconds,
}

impl Told {
    /// One more statement of the pair is held, `held` with it, made at `made`. Whether all that was told of is held by now.
    fn is_reached(&mut self, held: u32, made: WallSeconds) -> bool {
        // Made after we were told it is no part of what was told, whoever made it. A clock that is ahead makes a pair wait for its officer.
        if made >= self.at {
            self.count = self.count.saturating_add(1).min(Slot::MOST);
        }
        self.count <= held
    }
}

impl MemoryRow {
    fn told_at(&self, tag: u16) -> WallSeconds {
        let found = self.told_at.iter().flatten().find(|(known, _)| *known == tag);
        found.map_or(WallSeconds(0), |(_, at)| *at)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    row: MemoryRow,
    suspects: BTreeSet<Suspect>,
    told: BTreeMap<u16, Told>,
    /// Partners that had a cursor of ours when we started: somebody should tell us of their pairs.
    given: BTreeSet<BureauId>,
    /// Pairs of which some cursor told since the start, or an officer.
    covered: BTreeSet<BureauId>,
    /// Statements held, pair by pair.
    counts: BTreeMap<BureauId, u32>,
    /// Since the start, or since it is catching up.
    waiting_since: MonoMillis,
    heard: BTreeSet<CertificateId>,
    heard_bureaus: BTreeSet<BureauId>,
    /// Devices we gave a cursor since the start.
    handed: BTreeSet<CertificateId>,
    /// What was noted before the start.
    noted: Option<Suspicion>,
    /// Officers' certificates whose keys were used on this very device.
    keys_here: BTreeSet<CertificateId>,
}

impl Memory {
    /// What the local table says. `given` are the partners we gave a cursor: they have something to return.
    ///
    /// # Errors
    /// [`RowError`] for a row that is none.
    pub fn open(local: &BTreeMap<Vec<u8>, Vec<u8>>, now: MonoMillis, given: impl IntoIterator<Item = BureauId>) -> Result<Self, RowError> {
        let row: MemoryRow = local.get(b"memory".as_slice()).map_or(Ok(MemoryRow::default()), |bytes| read("memory", bytes))?;
        let mut memory = Self {
            suspects: row.suspects.iter().copied().collect(),
            told: row.told.iter().map(|(tag, count)| (*tag, Told { count: *count, at: row.told_at(*tag) })).collect(),
            waiting_since: now,
            ..Self::default()
        };
        if local.contains_key(b"restored".as_slice()) {
            memory.suspects.insert(Suspect::Repaired);
        }
        memory.given.extend(given);
        memory.noted = local.get(NOTED).map(|word| if word == &[2] { Suspicion::Cloned } else { Suspicion::Restored });
        memory.row = row;
        for (key, value) in local {
            if let Some(bureau) = key.strip_prefix(b"pair").and_then(|id| <[u8; 32]>::try_from(id).ok()) {
                let count = <[u8; 4]>::try_from(value.as_slice()).map_err(|_| RowError { table: "local", why: "pair count".into() })?;
                memory.counts.insert(BureauId(bureau), u32::from_be_bytes(count));
            }
            if let Some(id) = key.strip_prefix(b"used").and_then(|id| <[u8; 32]>::try_from(id).ok()) {
                memory.keys_here.insert(CertificateId(id));
            }
        }
        Ok(memory)
    }

    /// Whether the store may be an older one put back, or one of two.
    pub fn is_catching(&self) -> bool {
        self.suspects.iter().any(|suspect| *suspect != Suspect::Repaired)
    }
    /// Notes that a device has a cursor of this run.
    pub fn handed(&mut self, certificate: CertificateId) {
        self.handed.insert(certificate);
    }
    /// Whether no record is to be written.
    pub fn forbids_records(&self, has_partners: bool) -> bool {
        self.is_catching() || (has_partners && self.suspects.contains(&Suspect::Repaired))
    }
    /// Whether what was written so far is not to be written on.
    pub fn is_suspect(&self) -> bool {
        !self.suspects.is_empty()
    }
    /// Whether something shows that this store was another once, or is one of two: it is suspect, or was told of statements it does not hold.
    pub fn knows_of_another_self(&self) -> bool {
        self.is_suspect() || !self.told.is_empty()
    }
    /// Whether an officer's key was ever used on this device.
    pub fn is_used_here(&self, certificate: &CertificateId) -> bool {
        self.keys_here.contains(certificate)
    }
    /// Whether a pair waits for anybody to tell of it.
    fn is_uncovered(&self, bureau: &BureauId) -> bool {
        (self.row.doubt || self.given.contains(bureau)) && !self.covered.contains(bureau)
    }
    /// Whether an officer had to rule on this store since then.
    pub fn was_confirmed_since(&self, at: WallSeconds) -> bool {
        self.row.confirmed.is_some_and(|confirmed| confirmed >= at)
    }
    /// Why, in stable words.
    pub fn words(&self) -> Vec<&'static str> {
        self.suspects.iter().map(|suspect| suspect.word()).collect()
    }
}

/// Two bureaus may share a tag: what is said of one is compared with the most that is held of either, or an innocent pair would look like a store put
/// back.
fn by_tag(pairs: impl Iterator<Item = (u16, BureauId, u32)>) -> BTreeMap<u16, (Vec<BureauId>, u32)> {
    let mut tagged: BTreeMap<u16, (Vec<BureauId>, u32)> = BTreeMap::new();
    for (tag, bureau, held) in pairs {
        let (bureaus, most) = tagged.entry(tag).or_default();
        bureaus.push(bureau);
        *most = (*most).max(held);
    }
    tagged
}

impl Bureau {
    /// The keyed hash that stands for a bureau in our cursors.
    fn tag(&self, bureau: &BureauId) -> u16 {
        let key = blake3::derive_key("accord cursor pair tag v1", &self.identity.cursor_key);
        let hash = blake3::keyed_hash(&key, &bureau.0);
        let [a, b, ..] = *hash.as_bytes();
        u16::from_be_bytes([a, b]).max(1)
    }

    fn held(&self, bureau: &BureauId) -> u32 {
        self.memory.counts.get(bureau).copied().unwrap_or(0).min(Slot::MOST)
    }

    /// The partners by their tags, and the most that is held of any pair of one tag.
    fn tagged(&self) -> BTreeMap<u16, (Vec<BureauId>, u32)> {
        by_tag(self.partners.keys().map(|bureau| (self.tag(bureau), *bureau, self.held(bureau))))
    }

    /// What a cursor says of our pairs; of a pair we forgot something of, what we were told.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots: BTreeMap<u16, u32> = self.tagged().into_iter().map(|(tag, (_, most))| (tag, most)).collect();
        for (tag, told) in &self.memory.told {
            let held = slots.entry(*tag).or_insert(told.count);
            *held = (*held).max(told.count);
        }
        slots.into_iter().map(|(tag, count)| Slot { tag, count }).collect()
    }

    /// One more statement of a pair is stored, made at `made` as it says. Cursors say so at once.
    pub(super) fn count_statement(&mut self, turn: &mut Turn, partner: BureauId, made: WallSeconds) {
        self.count(turn, partner, made, turn.now.mono);
    }

    /// One more line of a pair is stored. There are many, and losing one withholds nothing: cursors say so within minutes.
    pub(super) fn count_line(&mut self, turn: &mut Turn, partner: BureauId, made: WallSeconds) {
        self.count(turn, partner, made, turn.now.mono.plus(limits::CURSOR_LATE_MS));
    }

    fn count(&mut self, turn: &mut Turn, partner: BureauId, made: WallSeconds, due: MonoMillis) {
        let count = self.memory.counts.entry(partner).or_default();
        *count = count.saturating_add(1);
        turn.put(Table::Local, &[b"pair", partner.0.as_slice()].concat(), count.to_be_bytes().to_vec());
        for link in self.links.values_mut() {
            link.cursor_due = Some(link.cursor_due.map_or(due, |earlier| earlier.min(due)));
        }
        let (tag, held) = (self.tag(&partner), self.held(&partner));
        let Some(told) = self.memory.told.get_mut(&tag) else { return };
        let reached = told.is_reached(held, made);
        if reached {
            self.memory.told.remove(&tag);
        }
        self.keep_memory(turn);
        if reached {
            self.account(turn, "pair_caught_up", None, Some(partner), None, "");
            self.event(turn, "store", None, Some(partner), "pair caught up");
            self.policy_changed(turn, Some(partner));
        }
    }

    /// Why nothing is given to a bureau now; `None` when nothing of the kind stands against it.
    pub(super) fn silence(&self, bureau: &BureauId) -> Option<&'static str> {
        if *bureau == self.identity.bureau {
            None
        } else if self.memory.is_catching() {
            Some("catching_up")
        } else if !self.memory.told.is_empty() && self.memory.told.contains_key(&self.tag(bureau)) {
            Some("pair_behind")
        } else if self.memory.is_uncovered(bureau) {
            Some("pair_not_covered")
        } else {
            None
        }
    }

    /// What a peer's cursor remembers of us.
    pub(super) fn recollect(&mut self, turn: &mut Turn, peer: &Peer, memory: Option<Recollection>) {
        let Some(memory) = memory else { return };
        let (bureau, certificate) = (peer.bureau(), peer.certificate());
        let ours_by_now = self.memory.handed.contains(&certificate);
        self.memory.heard.insert(certificate);
        self.memory.heard_bureaus.insert(bureau);
        let tagged = self.tagged();
        let mut ahead = memory.same_index && memory.sequence > self.sequence;
        let mut changed = false;
        for slot in memory.slots {
            let (partners, held) = tagged.get(&slot.tag).map_or((&[][..], 0), |(partners, most)| (partners.as_slice(), *most));
            for partner in partners {
                changed |= self.memory.is_uncovered(partner);
                self.memory.covered.insert(*partner);
            }
            let known = self.memory.told.get(&slot.tag).map(|told| told.count);
            if slot.count > held && known.is_none_or(|known| slot.count > known) {
                // Beyond what one cursor can speak of there is nothing to remember; whoever returns more than that gave it up.
                if self.memory.told.len() < limits::TOLD_MAX || known.is_some() {
                    self.memory.told.insert(slot.tag, Told { count: slot.count, at: turn.stamp });
                }
                ahead |= memory.same_index;
                changed = true;
                self.account(turn, "pair_behind", None, partners.first().copied(), Some(certificate), "");
            }
        }
        if changed {
            self.end_doubt();
            self.keep_memory(turn);
            self.policy_changed(turn, None);
        }
        if ahead {
            // Whom we gave a cursor since our start returns that one, or one that another of our kind gave it.
            let why = if ours_by_now { Suspicion::Cloned } else { Suspicion::Restored };
            self.suspect(turn, why, &format!("cursor of {}", bureau.short()));
        }
    }

    /// Takes up what was noted before the start.
    pub(super) fn notice(&mut self, turn: &mut Turn) {
        if let Some(why) = self.memory.noted.take() {
            turn.remove(Table::Local, NOTED);
            self.suspect(turn, why, "not where it was");
        }
    }

    /// The store may be an older one, or one of two: no record and nothing out until an officer ruled.
    fn suspect(&mut self, turn: &mut Turn, why: Suspicion, detail: &str) {
        let suspect = match why {
            Suspicion::Restored => Suspect::Restored,
            Suspicion::Cloned => Suspect::Cloned,
        };
        if !self.memory.suspects.insert(suspect) {
            return;
        }
        if self.memory.row.since.is_none() {
            self.memory.row.since = Some(turn.stamp);
            self.memory.waiting_since = turn.now.mono;
        }
        self.memory.row.doubt = true;
        self.lives_from = self.lives_from.max(self.sequence);
        self.anchor_due.clear();
        self.lapse_orders(turn);
        self.keep_memory(turn);
        self.account(turn, "catching_up", None, None, None, &format!("{} {detail}", suspect.word()));
        self.event(turn, if suspect == Suspect::Cloned { "cloned" } else { "store" }, None, None, suspect.word());
        self.policy_changed(turn, None);
    }

    /// Doubt about every pair ends once each was told of or ruled on, and an officer confirmed the store.
    fn end_doubt(&mut self) {
        let covered = self.partners.keys().all(|partner| self.memory.covered.contains(partner));
        self.memory.row.doubt &= !covered || self.memory.is_catching();
    }

    fn keep_memory(&mut self, turn: &mut Turn) {
        let memory = &mut self.memory;
        memory.row.version = 1;
        memory.row.suspects = memory.suspects.iter().copied().filter(|suspect| *suspect != Suspect::Repaired).collect();
        memory.row.told = memory.told.iter().map(|(tag, told)| (*tag, told.count)).collect();
        memory.row.told_at = Some(memory.told.iter().map(|(tag, told)| (*tag, told.at)).collect());
        let bytes = write(&memory.row);
        turn.put(Table::Local, b"memory", bytes);
    }

    /// Somebody who knew us holds the same as we do: what a repair had lost is back. A laptop's home node knows all of it.
    pub(super) fn echoed(&mut self, turn: &mut Turn, peer: &Peer) {
        let laptop = self.own_certificate().kind == MemberKind::Laptop && peer.bureau() == self.identity.bureau;
        if !self.memory.is_suspect() || (self.memory.is_catching() && !laptop) {
            return;
        }
        self.trust_again(turn);
        self.event(turn, "store", None, None, "repaired store compared equal");
    }

    fn trust_again(&mut self, turn: &mut Turn) {
        self.memory.suspects.clear();
        self.memory.row.since = None;
        self.memory.row.confirmed = Some(turn.stamp);
        self.end_doubt();
        self.lives_from = self.lives_from.max(self.sequence);
        turn.remove(Table::Local, b"restored");
        turn.put(Table::Local, b"lives", self.lives_from.to_be_bytes().to_vec());
        self.keep_memory(turn);
        self.schedule_all(turn.now.mono);
    }

    /// An officer's key is used on this device. The first time ever, what its certificate wrote came from elsewhere or was lost here.
    pub(super) fn key_used_here(&mut self, turn: &mut Turn, certificate: CertificateId) {
        if self.memory.keys_here.insert(certificate) {
            turn.put(Table::Local, &[b"used", certificate.0.as_slice()].concat(), vec![1]);
            self.end_lives(turn);
        }
    }

    /// Work by one of our own keys came over a link: it was lost here, or made by another with our key. No life of ours is written on from
    /// here. That alone silences nobody: who has one officer's key could else stop the whole bureau.
    pub(super) fn own_work_returned(&mut self, turn: &mut Turn, peer: &Peer, certificates: &BTreeSet<CertificateId>, forked: bool) {
        if !certificates.iter().any(|certificate| self.memory.keys_here.contains(certificate)) {
            return;
        }
        self.end_lives(turn);
        self.account(turn, "own_work_returned", None, Some(peer.bureau()), Some(peer.certificate()), if forked { "forked" } else { "" });
        self.event(turn, if forked { "cloned" } else { "store" }, None, Some(peer.bureau()), "own work returned");
    }

    /// Every life so far is over: its tail may be known elsewhere.
    fn end_lives(&mut self, turn: &mut Turn) {
        if self.lives_from < self.sequence {
            self.lives_from = self.sequence;
            turn.put(Table::Local, b"lives", self.lives_from.to_be_bytes().to_vec());
        }
    }

    /// An officer states what is missing: of the whole store, or of one pair.
    pub(super) fn store_confirm(
        &mut self,
        turn: &mut Turn,
        person: Option<&str>,
        dry_run: bool,
        missing: &str,
        alone: bool,
        pair: Option<&str>,
    ) -> Result<View, Refused> {
        let by = self.acting_put_back(turn, person, Capability::Order)?;
        if missing.trim().is_empty() || missing.len() > limits::STATED_BYTES_MAX || !crate::act::is_plain(missing) {
            return Err(Refused::new(RefusedKind::Misuse, "bad_statement_of_loss").with("most", limits::STATED_BYTES_MAX));
        }
        if let Some(pair) = pair {
            let partner = self.resolve_partner(pair)?;
            if !self.is_in_doubt(&partner) {
                return Err(Refused::new(RefusedKind::Refused, "pair_not_silent").with("name", self.name_of(&partner)));
            }
            if !dry_run {
                self.rule_on_pair(turn, partner);
                self.account(turn, "store_confirm", None, Some(partner), Some(by.certificate), missing);
                self.event(turn, "store", None, Some(partner), "pair confirmed");
            }
            return Ok(View::Done { id: None });
        }
        if !self.memory.is_suspect() {
            return Err(Refused::new(RefusedKind::Refused, "not_catching_up"));
        }
        let all = self.partners.keys().all(|partner| self.memory.heard_bureaus.contains(partner));
        let until = self.memory.waiting_since.plus(limits::CATCHING_WAIT_MS);
        if turn.now.mono < until && !all {
            let seconds = (until.0 - turn.now.mono.0).div_ceil(1_000);
            return Err(Refused::new(RefusedKind::Refused, "partners_not_heard_yet").with("seconds", seconds));
        }
        if self.memory.heard.is_empty() && !alone {
            return Err(Refused::new(RefusedKind::Refused, "nobody_heard"));
        }
        if dry_run {
            return Ok(View::Done { id: None });
        }
        let word = if self.memory.heard.is_empty() { "alone: " } else { "" };
        self.account(turn, "store_confirm", None, None, Some(by.certificate), &format!("{word}{missing}"));
        // Cursors of the time that was lost speak of another store from here on: their sequences are given anew.
        let mut index = [0; 16];
        index.copy_from_slice(&turn.draw()[..16]);
        self.index_id = index;
        turn.put(Table::Local, b"index", index.to_vec());
        self.trust_again(turn);
        for link in self.links.values_mut() {
            link.cursor_due = Some(turn.now.mono);
        }
        self.event(turn, "store", None, None, "confirmed");
        self.policy_changed(turn, None);
        // A key that was replaced since has said its last word here: the next login makes its officer a new one.
        self.await_new_key(turn, &by.name, &by.certificate);
        Ok(View::Done { id: None })
    }

    /// Whether one pair is silent on its own account.
    pub(super) fn is_in_doubt(&self, partner: &BureauId) -> bool {
        self.memory.is_uncovered(partner) || self.memory.told.contains_key(&self.tag(partner))
    }

    /// What the officer says of a pair stands: as if what we were told of had come.
    fn rule_on_pair(&mut self, turn: &mut Turn, partner: BureauId) {
        let tag = self.tag(&partner);
        self.memory.covered.insert(partner);
        if let Some(told) = self.memory.told.remove(&tag) {
            let count = self.memory.counts.entry(partner).or_default();
            *count = (*count).max(told.count);
            turn.put(Table::Local, &[b"pair", partner.0.as_slice()].concat(), count.to_be_bytes().to_vec());
        }
        self.end_doubt();
        self.keep_memory(turn);
        self.policy_changed(turn, Some(partner));
    }

    /// What of it waits for a person.
    pub(super) fn memory_items(&self, items: &mut Vec<InboxItem>) {
        let mut item = |kind: &str, id: String, title: String, from: String| {
            let since = self.memory.row.since.map_or(0, |at| at.0);
            items.push(InboxItem { kind: kind.to_owned(), id, title, from, since });
        };
        if self.memory.is_catching() {
            return item("catching_up", String::new(), self.memory.words().join(", "), String::new());
        }
        for partner in self.partners.keys() {
            if let Some(why) = self.silence(partner) {
                item(why, partner.to_string(), String::new(), self.name_of(partner));
            }
        }
    }

    /// Partners we gave a cursor, by what they acknowledged.
    pub(super) fn given_cursors<'a>(
        directory: &'a accord_keys::directory::Directory,
        reached: impl IntoIterator<Item = &'a TransportKey> + 'a,
        own: BureauId,
    ) -> impl Iterator<Item = BureauId> + 'a {
        reached
            .into_iter()
            .flat_map(|transport| directory.all_by_transport(transport))
            .filter_map(|id| directory.certificate(&id).map(|certificate| certificate.body().bureau))
            .filter(move |bureau| *bureau != own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_and_an_empty_one_is_none() {
        let slot = Slot { tag: 9, count: 70_000 };
        assert_eq!(Slot::read(&slot.bytes()), Some(slot));
        assert_eq!(Slot::read(&Slot { tag: 9, count: u32::MAX }.bytes()), Some(Slot { tag: 9, count: Slot::MOST }));
        assert_eq!(Slot::read(&[0, 0, 1, 2, 3]), None);
        assert_eq!(Slot::read(&slot.bytes()[2..]), None);
        assert_eq!(Slot::read(&[0, 9, 1, 2]), Some(Slot { tag: 9, count: 258 }), "of the version before");
    }

    #[test]
    fn only_what_was_made_before_we_were_told_of_a_loss_makes_up_for_it() {
        let mut told = Told { count: 5, at: WallSeconds(1_000) };
        assert!(!told.is_reached(4, WallSeconds(999)));
        assert!(!told.is_reached(5, WallSeconds(1_000)), "made in that very second");
        assert!(!told.is_reached(6, WallSeconds(90_000)));
        assert_eq!(told.count, 7);
        assert!(told.is_reached(7, WallSeconds(0)), "the one that was missing came back");
        told.count = Slot::MOST;
        assert!(told.is_reached(Slot::MOST, WallSeconds(u64::MAX)), "at the largest count there is nothing to miss");
    }

    #[test]
    fn when_something_was_told_is_kept_and_an_earlier_row_has_no_such_time() {
        let row = MemoryRow { version: 1, told: vec![(7, 5), (8, 6)], told_at: Some(vec![(8, WallSeconds(30))]), ..MemoryRow::default() };
        let local: BTreeMap<Vec<u8>, Vec<u8>> = [(b"memory".to_vec(), write(&row))].into_iter().collect();
        let memory = Memory::open(&local, MonoMillis(0), []).expect("a row");
        assert_eq!(memory.told[&7], Told { count: 5, at: WallSeconds(0) });
        assert_eq!(memory.told[&8], Told { count: 6, at: WallSeconds(30) });
        let earlier = MemoryRow { told_at: None, ..row };
        let local: BTreeMap<Vec<u8>, Vec<u8>> = [(b"memory".to_vec(), write(&earlier))].into_iter().collect();
        assert_eq!(Memory::open(&local, MonoMillis(0), []).expect("a row").told[&8].at, WallSeconds(0));
    }

    #[test]
    fn of_bureaus_that_share_a_tag_the_most_counts() {
        let [x, y, z] = [1, 2, 3].map(|n| BureauId([n; 32]));
        let tagged = by_tag([(7, x, 40), (7, y, 3), (8, z, 1)].into_iter());
        assert_eq!(tagged[&7], (vec![x, y], 40), "the one that joined later hides nothing");
        assert_eq!(tagged[&8], (vec![z], 1));
    }
}
