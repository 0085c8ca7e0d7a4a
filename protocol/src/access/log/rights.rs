//! Rights as of one record: what grants gave and what was taken away on the way from the genesis to it.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::certificate::{Capability, MemberCertificate};
use accord_keys::time::WallSeconds;

use super::{Grantee, RecordKind, Subject};
use crate::access::consent::{Consent, Consented};
use crate::agreement::{Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, RecordId};

/// Rights as of one record: what grants gave and cuts took on the way from the genesis to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Bureaus that hold the document, with the record that let them in.
    pub bureaus: BTreeMap<BureauId, Held>,
    /// Bureaus that held it until a cut, with that cut: they are told the log up to it, and nothing after.
    pub parted: BTreeMap<BureauId, RecordId>,
    /// Of those the ones that had come by way of another bureau: that one tells them.
    pub parted_via: BTreeMap<BureauId, BureauId>,
    /// The record that ended the document.
    pub ended: Option<RecordId>,
    denied: BTreeSet<(Subject, Verb)>,
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
        self.denied.iter().any(|(subject, lost)| *lost == verb && subject.covers(id, certificate))
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
            self.denied.retain(|(subject, _)| *subject != Subject::Bureau(grantee.bureau));
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
                if let Some(held) = self.bureaus.remove(bureau) {
                    self.part(*bureau, &held, record);
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

    fn part(&mut self, bureau: BureauId, held: &Held, record: RecordId) {
        self.parted.insert(bureau, record);
        match held.via {
            Some(via) => drop(self.parted_via.insert(bureau, via)),
            None => drop(self.parted_via.remove(&bureau)),
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
                for (bureau, held) in std::mem::take(&mut self.bureaus) {
                    self.part(bureau, &held, record);
                }
                self.ended = self.ended.or(Some(record));
            }
            _ => {}
        }
    }

    /// What both of two heads give: the rights of a log that forked.
    pub(super) fn both(&self, other: &Self) -> Self {
        Self {
            bureaus: self.bureaus.iter().filter_map(|(b, held)| Some((*b, held.weaker(other.bureaus.get(b)?)))).collect(),
            parted: self.parted.iter().chain(&other.parted).map(|(b, r)| (*b, *r)).collect(),
            parted_via: self.parted_via.iter().chain(&other.parted_via).map(|(b, via)| (*b, *via)).collect(),
            ended: self.ended.into_iter().chain(other.ended).min(),
            denied: self.denied.union(&other.denied).cloned().collect(),
        }
    }
}
