//! How two bureaus stand with each other, read off one disk in the plainest words of DESIGN §4: the oracle's own, apart from the agreement
//! book of the core.
//!
//! What both sealed counts. Of two that crossed the lower bureau's stands. The newest version that has begun replaces what was before it,
//! also after its end. A suspension or notice holds for the pair until a resume both sealed, or a version that has begun, lifts it by name.

use std::collections::{BTreeMap, BTreeSet};

use accord_protocol::agreement::exchange::AgreementStatement;
use accord_protocol::agreement::{Category, Direction, Terms, Tlp, Verb};
use accord_protocol::id::{AgreementId, BureauId, NetworkId, StatementId};
use accord_protocol::step::Table;
use accord_protocol::wire;

use crate::disk::Disk;

const DAY_S: u64 = 24 * 3_600;

/// An agreement as the plain reading of statements gives it.
#[derive(Clone, Debug)]
pub struct Pact {
    /// The offer.
    pub id: AgreementId,
    /// Who offered.
    pub offerer: BureauId,
    /// Who accepted.
    pub acceptor: BureauId,
    /// Its version; 0 stands beside the versions, for a day.
    pub version: u32,
    /// What it says.
    pub terms: Terms,
}

impl Pact {
    fn binds(&self, one: BureauId, other: BureauId) -> bool {
        (self.offerer == one && self.acceptor == other) || (self.offerer == other && self.acceptor == one)
    }
    fn has_begun(&self, at: u64) -> bool {
        self.terms.from.0 <= at
    }
    fn gives(&self, giver: BureauId, category: Category, tlp: Tlp, at: u64) -> bool {
        self.terms.grants.iter().any(|grant| {
            let way = match grant.direction {
                Direction::Both => true,
                Direction::OffererGives => giver == self.offerer,
                Direction::AcceptorGives => giver == self.acceptor,
            };
            way && grant.category == category
                && tlp <= grant.tlp_ceiling
                && grant.until.is_none_or(|until| at < until.0)
                && grant.verbs.iter().any(|verb| matches!(verb, Verb::Read | Verb::Append))
        })
    }
}

/// One side's word that stops something between the two.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Everything, or these categories.
    Suspended(Option<Vec<Category>>),
    /// The agreement, from this time on.
    Noticed(u64),
}

/// Agreement statements of one disk.
#[derive(Clone, Debug, Default)]
pub struct Papers {
    /// What two sides concluded, and emergency agreements both sealed.
    pub pacts: Vec<Pact>,
    /// Suspensions and notices, with the pair they stop.
    pub stops: BTreeMap<StatementId, (BureauId, BureauId, Stop)>,
    /// What resumes both sealed lift.
    pub lifted: BTreeSet<StatementId>,
}

/// Reads the agreement statements of a disk.
pub fn papers(disk: &Disk, network: &NetworkId) -> Papers {
    let mut out = Papers::default();
    let (mut offers, mut accepts, mut concludes) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let (mut stops, mut resumes) = (Vec::new(), Vec::new());
    for (_, bytes) in disk.table(Table::Agreements) {
        match wire::agreement_statement(network, bytes) {
            Ok(AgreementStatement::Offer(offer)) => drop(offers.insert(AgreementId(offer.id().0), offer.body().clone())),
            Ok(AgreementStatement::Accept(accept)) => drop(accepts.insert((accept.body().offer, accept.id()))),
            Ok(AgreementStatement::Conclude(conclude)) => drop(concludes.insert((conclude.body().offer, conclude.body().accept))),
            Ok(AgreementStatement::Suspend(suspend)) => {
                stops.push((suspend.id(), suspend.body().agreement, Stop::Suspended(suspend.body().categories.clone())));
            }
            Ok(AgreementStatement::Notice(notice)) => {
                stops.push((notice.id(), notice.body().agreement, Stop::Noticed(notice.body().ends.0)));
            }
            Ok(AgreementStatement::Resume(resume)) => resumes.push((AgreementId(resume.id().0), resume.body().lifts.clone())),
            Ok(AgreementStatement::Decline(_)) | Err(_) => {}
        }
    }
    for (id, offer) in &offers {
        let accepted = || accepts.range((*id, StatementId([0; 32]))..).next().is_some_and(|(named, _)| named == id);
        let sealed = if offer.version == 0 { accepted() } else { concludes.iter().any(|c| c.0 == *id && accepts.contains(c)) };
        if sealed {
            let (offerer, acceptor, version, terms) = (offer.offerer, offer.acceptor, offer.version, offer.terms.clone());
            out.pacts.push(Pact { id: *id, offerer, acceptor, version, terms });
        }
    }
    for (id, agreement, stop) in stops {
        if let Some(offer) = offers.get(&agreement) {
            out.stops.insert(id, (offer.offerer, offer.acceptor, stop));
        }
    }
    for (id, lifts) in resumes {
        if accepts.iter().any(|(named, _)| *named == id) {
            out.lifted.extend(lifts);
        }
    }
    out
}

/// What two bureaus may share at one moment.
#[derive(Clone, Debug, Default)]
pub struct Between<'a> {
    /// The version that runs: one, or several where one bureau concluded it twice, of which only the intersection counts.
    pub running: Vec<&'a Pact>,
    /// It ran out and only its emergency clause goes on: aid categories.
    pub aid_only: bool,
    /// Emergency agreements that run.
    pub emergencies: Vec<&'a Pact>,
    /// Stops nobody lifted.
    pub stops: BTreeSet<StatementId>,
    /// Whether everything is suspended.
    pub suspended: bool,
    /// Categories suspended by themselves.
    pub without: BTreeSet<Category>,
}

impl Papers {
    /// Agreements both sides sealed.
    pub fn sealed(&self, one: BureauId, other: BureauId) -> BTreeSet<AgreementId> {
        self.pacts.iter().filter(|pact| pact.binds(one, other)).map(|pact| pact.id).collect()
    }

    /// Suspensions and notices of two, lifted or not.
    pub fn stopped(&self, one: BureauId, other: BureauId) -> BTreeSet<StatementId> {
        let of_pair = |(a, b, _): &(BureauId, BureauId, Stop)| (*a == one && *b == other) || (*a == other && *b == one);
        self.stops.iter().filter(|(_, stop)| of_pair(stop)).map(|(id, _)| *id).collect()
    }

    /// How two bureaus stand at a time.
    pub fn between(&self, one: BureauId, other: BureauId, at: u64) -> Between<'_> {
        let mut out = Between::default();
        let mut versions: BTreeMap<u32, Vec<&Pact>> = BTreeMap::new();
        for pact in self.pacts.iter().filter(|pact| pact.binds(one, other)) {
            if pact.version > 0 {
                versions.entry(pact.version).or_default().push(pact);
            } else if pact.has_begun(at) && at < pact.terms.to.0 {
                out.emergencies.push(pact);
            }
        }
        let mut lifted = self.lifted.clone();
        for pacts in versions.values_mut() {
            let lowest = pacts.iter().map(|pact| pact.offerer).min();
            pacts.retain(|pact| Some(pact.offerer) == lowest);
            if pacts.iter().all(|pact| pact.has_begun(at)) {
                let all = |id: &&StatementId| pacts.iter().all(|pact| pact.terms.lifts().contains(id));
                lifted.extend(pacts[0].terms.lifts().iter().filter(all).copied());
            }
        }
        let mut ends = u64::MAX;
        for id in self.stopped(one, other).difference(&lifted) {
            out.stops.insert(*id);
            match &self.stops[id].2 {
                Stop::Suspended(None) => out.suspended = true,
                Stop::Suspended(Some(categories)) => out.without.extend(categories),
                Stop::Noticed(end) => ends = ends.min(*end),
            }
        }
        if out.suspended {
            out.emergencies.clear();
            return out;
        }
        let Some(newest) = versions.into_values().rev().find(|pacts| pacts.iter().any(|pact| pact.has_begun(at))) else { return out };
        // Of one version concluded twice what both say counts: it begins with the later and ends with the earlier.
        let grace_over = |pact: &&Pact| at >= pact.terms.to.0 + u64::from(pact.terms.grace_days) * DAY_S;
        let over = at >= ends || newest.iter().any(grace_over) || !newest.iter().all(|pact| pact.has_begun(at));
        let expired = newest.iter().any(|pact| at >= pact.terms.to.0);
        let clause = newest.iter().all(|pact| pact.terms.has_emergency_clause());
        if !over && (!expired || clause) {
            out.aid_only = expired;
            out.running = newest;
        }
        out
    }
}

impl Between<'_> {
    /// Whether documents cross at all.
    pub fn is_open(&self) -> bool {
        !self.running.is_empty() || !self.emergencies.is_empty()
    }

    fn runs(&self, category: Category) -> bool {
        !self.running.is_empty() && (!self.aid_only || matches!(category, Category::FireAid | Category::ForceAid))
    }

    /// Whether a category crosses at all, in either direction.
    pub fn carries(&self, category: Category) -> bool {
        let runs = self.runs(category);
        let excluded = runs && self.running.iter().any(|pact| pact.terms.excludes(category));
        let emergency = self.emergencies.iter().any(|pact| pact.terms.grants.iter().any(|grant| grant.category == category));
        !self.suspended && !self.without.contains(&category) && !excluded && (runs || emergency)
    }

    /// Whether `giver` lets the other side read a category up to a traffic light.
    pub fn gives(&self, giver: BureauId, category: Category, tlp: Tlp, at: u64) -> bool {
        let by_version = self.runs(category) && self.running.iter().all(|pact| pact.gives(giver, category, tlp, at));
        let by_emergency = || self.emergencies.iter().any(|pact| pact.gives(giver, category, tlp, at));
        self.carries(category) && (by_version || by_emergency())
    }

    /// What two sides must know alike before they compare anything.
    pub fn ground(&self) -> (bool, BTreeSet<AgreementId>, BTreeSet<StatementId>) {
        let ids = self.running.iter().chain(&self.emergencies).map(|pact| pact.id).collect();
        (self.aid_only, ids, self.stops.clone())
    }
}
