//! Rights as of one record: what grants gave and what was taken away on the way from the genesis to it.

use std::collections::BTreeMap;

use accord_keys::certificate::{Capability, MemberCertificate};
use accord_keys::time::WallSeconds;

use super::shared::SharedMap;
use super::{Grantee, RecordKind, Subject};
use crate::access::consent::{Consent, Consented};
use crate::agreement::{Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, RecordId};

/// Rights as of one record: what grants gave and cuts took on the way from the genesis to it. Every record of a log has its own: copies
/// share what they have in common, and a record costs what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Bureaus that hold the document, with the record that let them in.
    pub bureaus: SharedMap<BureauId, Held>,
    /// Bureaus that held it until a cut, with that cut.
    pub(crate) parted: SharedMap<BureauId, RecordId>,
    /// Of those the ones that had come by way of another bureau.
    pub(crate) parted_via: SharedMap<BureauId, BureauId>,
    /// The record that ended the document.
    pub ended: Option<RecordId>,
    /// Bureaus that held it when it ended: parted by that record.
    pub(crate) until_end: SharedMap<BureauId, Held>,
    pub(crate) denied: SharedMap<(Subject, Verb), ()>,
}

/// What one bureau holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Strongest verb.
    pub verb: Verb,
    /// The record that gave it.
    pub record: RecordId,
    /// When, by the sealer's clock.
    pub since: WallSeconds,
    /// The agreement the owner relied on.
    pub agreement: Option<AgreementId>,
    /// The bureau that hands it on.
    pub via: Option<BureauId>,
    /// Ceiling.
    pub tlp: Option<Tlp>,
    /// When giving ends; for egress only.
    pub until: Option<WallSeconds>,
    /// No further bureau through this one.
    pub no_fourth: bool,
    /// Index of the record by which it came, 0 for the genesis: later grants to one that still holds it do not change this.
    pub came: u32,
    /// What contributors consented to for it.
    pub consents: BTreeMap<BureauId, Consented>,
}

impl Held {
    /// What a grantee holds by the record that names it.
    fn by(grantee: &Grantee, (record, came): (RecordId, u32), since: WallSeconds) -> Self {
        Self {
            verb: grantee.verb,
            record,
            since,
            agreement: grantee.agreement,
            via: grantee.via,
            tlp: grantee.tlp,
            until: grantee.until,
            no_fourth: grantee.no_fourth,
            came,
            consents: BTreeMap::new(),
        }
    }
    /// Adds consents that came with a grant.
    fn consented(&mut self, consents: &[Consent], bureau: &BureauId) {
        for consent in consents.iter().filter(|consent| consent.recipient == *bureau && consent.verb.includes(self.verb)) {
            self.consents.insert(consent.contributor, Consented { tlp: consent.tlp, until: consent.until });
        }
    }
    /// The consents that serve for a verb: those given for reading do not serve for more.
    pub fn consents_for(&self, verb: Verb) -> BTreeMap<BureauId, Consented> {
        if self.verb.includes(verb) { self.consents.clone() } else { BTreeMap::new() }
    }
    /// What both allow.
    fn weaker(&self, other: &Self) -> Self {
        let weaker = if self.verb.includes(other.verb) { other.clone() } else { self.clone() };
        Self {
            tlp: [self.tlp, other.tlp].into_iter().flatten().min(),
            until: [self.until, other.until].into_iter().flatten().min(),
            no_fourth: self.no_fourth || other.no_fourth,
            ..weaker
        }
    }
    /// Whether a grant leaves this standing: it gives less, or the same on the same conditions.
    fn outlasts(&self, grantee: &Grantee) -> bool {
        let same = (self.via, self.tlp, self.until, self.no_fourth) == (grantee.via, grantee.tlp, grantee.until, grantee.no_fourth);
        self.verb.includes(grantee.verb) && (self.verb != grantee.verb || same)
    }
}

impl Rights {
    /// Whether a cut took this verb from this very member, its key, seat, unit or bureau.
    pub fn denies(&self, id: &CertificateId, certificate: &MemberCertificate, verb: Verb) -> bool {
        self.denied.keys().any(|(subject, lost)| *lost == verb && subject.covers(id, certificate))
    }

    /// Whether a cut took this verb from this very member: its key, certificate, seat or unit, not with its whole bureau.
    pub fn denies_member(&self, id: &CertificateId, certificate: &MemberCertificate, verb: Verb) -> bool {
        self.denied_parts().any(|(subject, lost)| *lost == verb && subject.covers(id, certificate))
    }
    /// What cuts took from parts of bureaus: seats, units, keys, certificates.
    pub fn denied_parts(&self) -> impl Iterator<Item = &(Subject, Verb)> {
        self.denied.keys().filter(|(subject, _)| !matches!(subject, Subject::Bureau(_)))
    }
    /// Notes such a thing, read back from a row.
    pub fn note_denied(&mut self, subject: Subject, verb: Verb) {
        self.denied.insert((subject, verb), ());
    }
    /// Whether a cut took anything from anybody who may still be a member of a holder.
    pub fn denies_anybody(&self) -> bool {
        !self.denied.is_empty()
    }
    /// Whether a cut took this verb from a seat or unit of a bureau.
    pub fn denies_part_of(&self, bureau: &BureauId, verb: Verb) -> bool {
        let part = |subject: &Subject| matches!(subject, Subject::Seat(of, _) | Subject::Unit(of, _) if of == bureau);
        self.denied.keys().any(|(subject, lost)| *lost == verb && part(subject))
    }

    /// The record by which a bureau that held the document lost it: it is told the log up to that, and nothing after.
    pub fn parted(&self, bureau: &BureauId) -> Option<RecordId> {
        self.ended.filter(|_| self.until_end.contains_key(bureau)).or_else(|| self.parted.get(bureau).copied())
    }
    /// All such bureaus with that record.
    pub fn all_parted(&self) -> BTreeMap<BureauId, RecordId> {
        let at_end = self.ended.into_iter().flat_map(|end| self.until_end.keys().map(move |bureau| (*bureau, end)));
        self.parted.iter().map(|(bureau, record)| (*bureau, *record)).chain(at_end).collect()
    }
    /// The bureau by way of which one had come that lost the document: that one tells it.
    pub fn parted_via(&self, bureau: &BureauId) -> Option<BureauId> {
        match self.until_end.get(bureau) {
            Some(held) => held.via,
            None => self.parted_via.get(bureau).copied(),
        }
    }
    /// Notes that a bureau lost the document by a record, and by way of whom it had come.
    pub fn note_parted(&mut self, bureau: BureauId, record: RecordId, via: Option<BureauId>) {
        self.parted.insert(bureau, record);
        match via {
            Some(via) => self.parted_via.insert(bureau, via),
            None => drop(self.parted_via.remove(&bureau)),
        }
    }

    /// Whether the holder of this certificate may do `verb`. The owner bureau's members need `write` to append and nothing to read. Nobody
    /// appends to what has ended.
    pub fn allow(&self, owner: &BureauId, id: &CertificateId, certificate: &MemberCertificate, verb: Verb) -> bool {
        if self.ended.is_some() && verb != Verb::Read {
            return false;
        }
        if self.denies(id, certificate, verb) {
            return false;
        }
        if certificate.bureau == *owner {
            return verb == Verb::Read || certificate.capabilities.contains(&Capability::Write);
        }
        let may_write = verb != Verb::Append || certificate.capabilities.contains(&Capability::Write);
        may_write && self.bureaus.get(&certificate.bureau).is_some_and(|held| held.verb.includes(verb))
    }

    /// What a bureau holds, unless its time was over at `at`.
    pub fn still_holds(&self, bureau: &BureauId, at: WallSeconds) -> Option<&Held> {
        self.bureaus.get(bureau).filter(|held| held.until.is_none_or(|until| at < until))
    }

    pub(super) fn grant(&mut self, grantees: &[Grantee], (record, index): (RecordId, u32), since: WallSeconds, consents: &[Consent]) {
        for grantee in grantees {
            for verb in [Verb::Read, Verb::Append, Verb::Request] {
                self.denied.remove(&(Subject::Bureau(grantee.bureau), verb));
            }
            self.until_end.remove(&grantee.bureau);
            self.parted.remove(&grantee.bureau);
            self.parted_via.remove(&grantee.bureau);
            // One that holds it still was there all the time; one whose time was over comes anew.
            let before = self.still_holds(&grantee.bureau, since);
            let mut held = match before.filter(|old| old.outlasts(grantee)) {
                Some(old) => old.clone(),
                None => Held::by(grantee, (record, index), since),
            };
            if let Some(old) = before {
                held.came = old.came;
                held.consents = old.consents_for(held.verb);
            }
            held.consented(consents, &grantee.bureau);
            self.bureaus.insert(grantee.bureau, held);
        }
    }

    fn cut(&mut self, subject: &Subject, verbs: &[Verb], record: RecordId) {
        let loses_read = verbs.contains(&Verb::Read);
        if let Subject::Bureau(bureau) = subject {
            if loses_read {
                if let Some(via) = self.bureaus.get(bureau).map(|held| held.via) {
                    self.bureaus.remove(bureau);
                    self.note_parted(*bureau, record, via);
                }
            } else if verbs.contains(&Verb::Append)
                && let Some(held) = self.bureaus.get_mut(bureau)
            {
                held.verb = Verb::Read;
            }
        }
        self.denied.extend(verbs.iter().map(|verb| ((subject.clone(), *verb), ())));
        if loses_read {
            self.denied.insert((subject.clone(), Verb::Append), ());
        }
    }

    /// What a record that is no grant takes away: a cut, a stricter traffic light, an end.
    pub(super) fn take(&mut self, kind: &RecordKind, record: RecordId) {
        match kind {
            RecordKind::Cut(subject, verbs, ..) => self.cut(subject, verbs, record),
            RecordKind::Reclassify(_, narrowed, _) => {
                for bureau in narrowed {
                    self.cut(&Subject::Bureau(*bureau), &[Verb::Read, Verb::Append], record);
                }
            }
            RecordKind::End(..) => {
                let held = std::mem::take(&mut self.bureaus);
                if self.ended.is_none() {
                    (self.ended, self.until_end) = (Some(record), held);
                } else {
                    held.iter().for_each(|(bureau, held)| self.note_parted(*bureau, record, held.via));
                }
            }
            _ => {}
        }
    }

    /// What both of two heads give: the rights of a log that forked.
    pub(super) fn both(&self, other: &Self) -> Self {
        let parted: SharedMap<BureauId, RecordId> = self.all_parted().into_iter().chain(other.all_parted()).collect();
        let via = |bureau: &BureauId| {
            let last = if other.parted(bureau).is_some() { other } else { self };
            last.parted_via(bureau).or_else(|| self.parted_via(bureau))
        };
        Self {
            bureaus: self.bureaus.iter().filter_map(|(b, held)| Some((*b, held.weaker(other.bureaus.get(b)?)))).collect(),
            parted_via: parted.keys().filter_map(|bureau| Some((*bureau, via(bureau)?))).collect(),
            parted,
            ended: self.ended.into_iter().chain(other.ended).min(),
            until_end: SharedMap::default(),
            denied: self.denied.iter().chain(&other.denied).map(|(key, ())| (key.clone(), ())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::log::EndKind;
    use crate::id::Bytes;

    fn bureau(n: u32) -> BureauId {
        BureauId(*blake3::hash(&n.to_be_bytes()).as_bytes())
    }

    fn id(n: u32) -> RecordId {
        RecordId(bureau(n).0)
    }

    /// Where the nodes of these rights lie in memory.
    fn nodes<'a>(all: impl IntoIterator<Item = &'a Rights>) -> usize {
        let mut seen = BTreeSet::new();
        for rights in all {
            rights.bureaus.note_nodes(&mut seen);
            rights.parted.note_nodes(&mut seen);
            rights.parted_via.note_nodes(&mut seen);
            rights.until_end.note_nodes(&mut seen);
            rights.denied.note_nodes(&mut seen);
        }
        seen.len()
    }

    #[test]
    fn rights_of_all_records_of_a_log_cost_what_the_records_say() {
        let mut rights = Rights::default();
        let mut kept = Vec::new();
        for n in 0..1_000 {
            rights.grant(&[Grantee::plain(bureau(n), Verb::Read, None)], (id(n), n), WallSeconds(1), &[]);
            kept.push(rights.clone());
        }
        let granted = nodes(&kept);
        assert!(granted < 20 * 1_000, "{granted} nodes for a thousand grants");
        for n in 0..1_000 {
            let subject = if n % 2 == 0 { Subject::Bureau(bureau(n)) } else { Subject::Certificate(CertificateId(bureau(n).0)) };
            rights.take(&RecordKind::Cut(subject, vec![Verb::Read], Vec::new(), false, Bytes(Vec::new())), id(2_000 + n));
            kept.push(rights.clone());
        }
        let cut = nodes(&kept);
        assert!(cut < granted + 60 * 1_000, "{cut} nodes for a thousand cuts more");
        assert_eq!((rights.bureaus.len(), rights.all_parted().len()), (500, 500));
    }

    #[test]
    fn a_thousand_ends_on_as_many_branches_copy_nobody() {
        let mut rights = Rights::default();
        let all: Vec<Grantee> = (0..1_000).map(|n| Grantee::plain(bureau(n), Verb::Read, None)).collect();
        rights.grant(&all, (id(0), 1), WallSeconds(1), &[]);
        let end = |n: u32| {
            let mut ended = rights.clone();
            ended.take(&RecordKind::End(EndKind::Disown, Bytes(Vec::new())), id(n));
            ended
        };
        let ends: Vec<Rights> = (1..1_000).map(end).collect();
        assert_eq!(nodes(&ends), nodes([&rights]));
        assert!(ends.iter().all(|ended| ended.bureaus.is_empty() && ended.all_parted().len() == 1_000));
        assert_eq!(ends[6].parted(&bureau(3)), Some(id(7)));
    }

    fn member(of: BureauId, capabilities: &[Capability]) -> MemberCertificate {
        use accord_keys::certificate::{Issuer, MemberKind};
        MemberCertificate {
            bureau: of,
            network: crate::id::NetworkId::named("demo"),
            kind: MemberKind::Officer,
            key: crate::id::PublicKey([1; 32]),
            transport: None,
            hpke: None,
            unit: "second squad".to_owned(),
            seats: vec!["duty".to_owned()],
            capabilities: capabilities.to_vec(),
            name_commitment: None,
            scope_commitment: None,
            not_before: WallSeconds(0),
            not_after: WallSeconds(1_000),
            serial: [1; 16],
            issuer: Issuer::Root(crate::id::RootId([1; 32])),
        }
    }

    #[test]
    fn of_two_heads_the_weaker_verb_and_the_narrower_limits_count() {
        let of = |grantee: Grantee| {
            let mut rights = Rights::default();
            rights.grant(&[grantee], (id(1), 1), WallSeconds(1), &[]);
            rights
        };
        let plain = |verb| Grantee::plain(bureau(1), verb, None);
        let one = of(Grantee { tlp: Some(Tlp::Green), until: Some(WallSeconds(10)), ..plain(Verb::Append) });
        let other = of(Grantee { until: Some(WallSeconds(5)), no_fourth: true, ..plain(Verb::Read) });
        for both in [one.both(&other), other.both(&one)] {
            let held = both.bureaus.get(&bureau(1)).expect("both give it");
            assert_eq!((held.verb, held.tlp, held.until), (Verb::Read, Some(Tlp::Green), Some(WallSeconds(5))));
            assert!(held.no_fourth);
        }
        let bound = of(Grantee { until: Some(WallSeconds(5)), no_fourth: true, ..plain(Verb::Append) });
        let later = of(Grantee { until: Some(WallSeconds(10)), ..plain(Verb::Read) });
        for both in [bound.both(&later), later.both(&bound)] {
            let held = both.bureaus.get(&bureau(1)).expect("both give it");
            assert_eq!(
                (held.verb, held.until, held.no_fourth),
                (Verb::Read, Some(WallSeconds(5)), true),
                "the limits may be the stronger one's"
            );
        }
        let free = one.both(&of(plain(Verb::Append)));
        assert!(free.bureaus.get(&bureau(1)).is_some_and(|held| !held.no_fourth && held.verb == Verb::Append));
        assert!(one.both(&Rights::default()).bureaus.is_empty());
        assert!(one.still_holds(&bureau(1), WallSeconds(9)).is_some() && one.still_holds(&bureau(1), WallSeconds(10)).is_none());
    }

    #[test]
    fn a_consent_stays_with_who_is_given_the_same_again_and_does_not_serve_for_more() {
        let consent = |verb| Consent {
            document: crate::id::DocumentId([1; 32]),
            contributor: bureau(2),
            recipient: bureau(1),
            verb,
            tlp: Tlp::Amber,
            until: None,
            officer: CertificateId([1; 32]),
            at: WallSeconds(1),
            nonce: crate::id::Nonce([1; 16]),
            ask: None,
        };
        let give = |rights: &mut Rights, n, verb, consents: &[Consent]| {
            rights.grant(&[Grantee::plain(bureau(1), verb, None)], (id(n), n), WallSeconds(1), consents);
            rights.bureaus.get(&bureau(1)).map(|held| (held.came, held.consents.len())).expect("just given")
        };
        let mut rights = Rights::default();
        assert_eq!(give(&mut rights, 1, Verb::Read, &[consent(Verb::Read)]), (1, 1));
        assert_eq!(give(&mut rights, 2, Verb::Read, &[]), (1, 1), "it was there all the time, with the consent");
        assert_eq!(give(&mut rights, 3, Verb::Append, &[]), (1, 0), "a consent to reading is none to writing");
        assert_eq!(give(&mut rights, 4, Verb::Append, &[consent(Verb::Read)]), (1, 0));
        assert_eq!(give(&mut rights, 5, Verb::Append, &[consent(Verb::Append)]), (1, 1));
    }

    #[test]
    fn who_may_read_and_write_follows_from_the_log_the_cuts_and_the_members_own_capabilities() {
        let mut rights = Rights::default();
        rights.grant(&[Grantee::plain(bureau(1), Verb::Append, None)], (id(1), 1), WallSeconds(1), &[]);
        let (owner, certificate) = (bureau(9), CertificateId([7; 32]));
        let may = |rights: &Rights, of: u32, capabilities: &[Capability], verb| {
            rights.allow(&owner, &certificate, &member(bureau(of), capabilities), verb)
        };
        let write = [Capability::Write];
        for (of, capabilities, verb, expected) in [
            (9, &write[..], Verb::Append, true),
            (9, &[], Verb::Append, false),
            (9, &[], Verb::Read, true),
            (1, &write, Verb::Append, true),
            (1, &[], Verb::Append, false),
            (1, &[], Verb::Read, true),
            (1, &write, Verb::Request, false),
            (2, &write, Verb::Read, false),
            (2, &write, Verb::Append, false),
        ] {
            assert_eq!(may(&rights, of, capabilities, verb), expected, "bureau {of}, {verb:?}");
        }
        let mut ended = rights.clone();
        ended.ended = Some(id(5));
        assert!(may(&ended, 9, &write, Verb::Read) && !may(&ended, 9, &write, Verb::Append) && !may(&ended, 1, &write, Verb::Append));
        rights.note_denied(Subject::Unit(bureau(1), "second squad".to_owned()), Verb::Append);
        let denied = |verb| rights.denies_member(&certificate, &member(bureau(1), &write), verb);
        assert!(
            denied(Verb::Append) && !denied(Verb::Read) && !may(&rights, 1, &write, Verb::Append) && may(&rights, 1, &write, Verb::Read)
        );
        assert!(rights.denies_part_of(&bureau(1), Verb::Append) && !rights.denies_part_of(&bureau(1), Verb::Read));
        assert!(!rights.denies_part_of(&bureau(2), Verb::Append) && rights.denies_anybody() && !Rights::default().denies_anybody());
    }
}
