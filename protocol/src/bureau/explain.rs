//! Why a bureau may, or may not, have a document, as this node knew at a time.
//!
//! Nothing is remembered of decisions. What was known then is known from when each record and statement was learnt here; a book and a log are
//! built of just those, and the check that decides egress is asked again. So the answer is the check's own, also for the past.

use accord_keys::seal::Sealed;

use super::Bureau;
use super::links::Introduced;
use super::rows::{BroughtRow, LearnedRow, write};
use super::turn::Turn;
use crate::access::consent::Consent;
use crate::access::log::{Entry, Log, RecordKind, Rights, Subject};
use crate::access::pass::PassBook;
use crate::access::{self, Ask, Contact, Facts, Ground, Permit, Refusal, Scope};
use crate::agreement::exchange::{AgreementBook, Entry as Agreement};
use crate::agreement::{Direction, Pair, Tlp, Verb};
use crate::id::{AgreementId, BureauId, CertificateId, RecordId, StatementId};
use crate::intake::DocState;
use crate::rules::ChangeHash;
use crate::step::Table;
use crate::time::WallSeconds;
use crate::view::{ExplainView, GroundView, Refused, RefusedKind, View, WayView};

/// Agreements named to say why none is in force.
const AGREEMENTS_NAMED: usize = 8;
/// Held acts named.
const HELD_NAMED: usize = 8;

/// What was known of one document and one time.
struct Known {
    at: WallSeconds,
    own: BureauId,
    book: AgreementBook,
    passes: PassBook,
    log: Log,
    contributors: std::collections::BTreeMap<BureauId, u32>,
    learnt: std::collections::BTreeMap<RecordId, WallSeconds>,
}

impl Known {
    fn learnt(&self, record: &RecordId) -> u64 {
        self.learnt.get(record).map_or(0, |at| at.0)
    }
    fn rights(&self) -> std::sync::Arc<Rights> {
        self.log.rights()
    }
    fn tlp(&self) -> Tlp {
        self.log.tlp()
    }
    fn owner(&self) -> BureauId {
        self.log.genesis().body().owner
    }

    fn facts<'a>(&'a self, rights: &'a Rights) -> Facts<'a> {
        let genesis = self.log.genesis().body();
        Facts {
            document: self.log.document(),
            owner: genesis.owner,
            kind: genesis.kind,
            category: genesis.category,
            tlp: self.tlp(),
            rights,
            hidden: self.log.is_hidden(),
            contributors: &self.contributors,
        }
    }

    /// The check itself, with what was known then.
    fn check(&self, from: BureauId, to: BureauId) -> Result<Permit, Refusal> {
        let rights = self.rights();
        let genesis = self.log.genesis().body();
        let facts = self.facts(&rights);
        let ground = Ground { own: self.own, book: &self.book, passes: &self.passes, in_touch: true };
        match access::check(&ground, &Ask { facts: &facts, from, to, now: self.at, epoch: 0 }) {
            // Held work may go home over any link; whether the document may is what is asked here.
            Ok(permit) if permit.scope() == Scope::Held => {
                Err(access::carries(&self.book, from, to, genesis.category, self.at).expect_err("else it were whole"))
            }
            other => other,
        }
    }
}

impl Bureau {
    /// Notes that a statement was learnt now.
    pub(super) fn note_learnt(&mut self, turn: &mut Turn, id: StatementId) {
        let row = LearnedRow { version: 1, at: turn.stamp, seq: self.sequence, from: None, brought: None };
        turn.put(Table::Learned, &id.0, write(&row));
        self.learnt.insert(id, row);
    }

    /// What is not kept any more was learnt at no time.
    pub(super) fn forget_learnt(&mut self, turn: &mut Turn, id: &StatementId) {
        if self.learnt.remove(id).is_some() {
            turn.remove(Table::Learned, &id.0);
        }
    }

    /// Notes which partner brought a statement of so many bytes of a bureau that is no partner of ours.
    pub(super) fn note_brought(&mut self, turn: &mut Turn, id: &StatementId, by: BureauId, of: BureauId, size: usize) {
        if let Some(row) = self.learnt.get_mut(id) {
            (row.from, row.brought) = (Some(by), Some(BroughtRow { of, size: u32::try_from(size).unwrap_or(u32::MAX) }));
            turn.put(Table::Learned, &id.0, write(row));
        }
    }

    /// What one partner brought of bureaus that are no partners of ours: how many it introduced, and how many bytes in all.
    pub(super) fn introduced_by(&self, partner: &BureauId) -> Introduced {
        let mut sum = Introduced::default();
        for (id, row) in self.learnt.iter().filter(|(_, row)| row.from == Some(*partner)) {
            let of = row.brought.map_or(BureauId(id.0), |brought| brought.of);
            if self.partners.contains_key(&of) {
                continue;
            }
            sum.bureaus += usize::from(of.0 == id.0);
            // A row of before says nothing of bytes: what came then is bounded by what is kept of each bureau.
            sum.bytes = sum.bytes.saturating_add(row.brought.map_or(0, |brought| brought.size as usize));
        }
        sum
    }

    pub(super) fn access_explain(
        &mut self,
        turn: &Turn,
        id: &str,
        bureau: &str,
        at: Option<WallSeconds>,
        verb: &str,
    ) -> Result<View, Refused> {
        let document = self.resolve_document(id)?;
        let bureau = self.resolve_bureau(bureau).or_else(|refused| self.resolve_holder(&document, bureau).ok_or(refused))?;
        let verb = match Verb::from_word(verb) {
            Some(verb @ (Verb::Read | Verb::Append)) => verb,
            _ => return Err(Refused::new(RefusedKind::Misuse, "unknown_verb").with("verb", verb.chars().take(40).collect::<String>())),
        };
        // What is to come is known to nobody.
        let at = at.map_or(turn.effective, |at| at.min(turn.effective));
        let state = self.body(&document)?;
        let mut view = ExplainView {
            document: document.to_string(),
            number: self.documents.get(&document).map(|s| s.number.clone()).unwrap_or_default(),
            owner: state.owner().to_string(),
            owner_name: self.name_of(&state.owner()),
            bureau: bureau.to_string(),
            bureau_name: self.name_of(&bureau),
            verb: verb.word().to_owned(),
            at: at.0,
            answer: "unknown_then".to_owned(),
            ..ExplainView::default()
        };
        let Some(known) = self.known_at(state, at) else { return Ok(View::Explain(view)) };
        view.learnt = known.learnt(&RecordId(document.0));
        view.ways = self.ways(&known, bureau, verb);
        if verb == Verb::Append
            && let Some(home) = view.ways.last_mut()
        {
            home.grounds.extend(self.held_grounds(state, bureau, at));
        }
        let shown = if bureau == self.identity.bureau { self.show_here(turn, &known) } else { None };
        let reads = view.ways.iter().any(|way| way.open && way.verb == "read") && shown.as_ref().is_none_or(|way| way.open);
        view.ways.extend(shown);
        let writes = verb == Verb::Read || view.ways.iter().any(|way| way.open && way.verb == "append");
        view.answer = if reads && writes { "yes" } else { "no" }.to_owned();
        Ok(View::Explain(view))
    }

    /// What was known of a document at a time; `None` if it was not known at all.
    fn known_at(&self, state: &DocState, at: WallSeconds) -> Option<Known> {
        let now = state.log();
        let noted = state.learnt_records(&self.identity.network);
        let learnt: std::collections::BTreeMap<RecordId, WallSeconds> =
            noted.into_iter().filter_map(|(record, learnt)| Some((record, learnt?))).collect();
        // What was stored before such times were noted counts from when it was sealed.
        let before = |record: &RecordId, sealed: WallSeconds| learnt.get(record).copied().unwrap_or(sealed) <= at;
        if !before(&now.genesis_id(), now.genesis().body().at) {
            return None;
        }
        let mut log = Log::new(&self.directory, now.genesis().clone()).ok()?;
        for opening in now.openings() {
            log.learn_opening(opening);
        }
        for (id, entry) in now.entries() {
            let Some(record) = entry.record.as_ref().filter(|record| before(&id, record.body().at)) else { continue };
            // What stands only by a record that came later did not stand then.
            let _ = log.learn(&self.directory, record.clone());
        }
        let passes = self.passes.where_known(|id| self.learnt.get(id).is_none_or(|row| row.at <= at));
        let contributors = state.contributors().clone();
        Some(Known { at, own: self.identity.bureau, book: self.book_at(at), passes, log, contributors, learnt })
    }

    /// The agreements as they were known at a time.
    fn book_at(&self, at: WallSeconds) -> AgreementBook {
        let mut known: Vec<_> = self
            .book
            .statements()
            .into_iter()
            .map(|statement| {
                let sealed = statement.at();
                let row = self.learnt.get(&statement.id()).copied();
                (row.map_or((sealed, 0), |row| (row.at, row.seq)), statement)
            })
            .filter(|((learnt, _), _)| *learnt <= at)
            .collect();
        known.sort_by_key(|(order, statement)| (*order, statement.id()));
        let mut book = AgreementBook::new(self.identity.bureau);
        let mut left = known.len() + 1;
        while known.len() < left {
            left = known.len();
            known.retain(|(_, statement)| book.learn(&self.directory, statement.clone()).is_err());
        }
        book
    }

    /// The ways by which the bureau could have the document, and (to append) by which its words would come home.
    fn ways(&self, known: &Known, bureau: BureauId, verb: Verb) -> Vec<WayView> {
        let own = self.identity.bureau;
        let owner = known.owner();
        let mut ways = Vec::new();
        if bureau == owner {
            ways.push(self.way(known, Verb::Read, owner, owner));
        } else {
            ways.push(self.way(known, Verb::Read, owner, bureau));
            if own != owner && own != bureau {
                ways.push(self.way(known, Verb::Read, own, bureau));
            }
        }
        if verb == Verb::Append {
            let mut way = self.way(known, Verb::Append, bureau, owner);
            let held = known.rights().bureaus.get(&bureau).map(|held| held.verb);
            if bureau != owner && way.open && !held.is_some_and(|held| held.includes(Verb::Append)) {
                way.open = false;
                way.why = "not_in_log".to_owned();
            }
            if bureau != owner {
                way.grounds.extend(self.grounds_of_log(known, bureau, Verb::Append));
            }
            ways.push(way);
        }
        ways
    }

    /// Whether this laptop shows it now. Contacts of the past are not remembered: of other times nothing is said, and of a node there is nothing to say.
    fn show_here(&self, turn: &Turn, known: &Known) -> Option<WayView> {
        if !self.is_laptop() || known.at < turn.effective {
            return None;
        }
        let (own, rights, contact) = (self.identity.bureau, known.rights(), self.contact());
        let facts = known.facts(&rights);
        let allowed = self.offline_days_here(turn, &facts);
        let reader = self.readers(None).into_iter().find_map(|reader| {
            let member = self.directory.certificate(&reader.certificate)?.body();
            let days = access::offline_days(&known.book, &facts, own, Some(member), known.at).days;
            (days == allowed.days).then_some((&reader.certificate, member))
        });
        let answer = access::check_reading(&known.book, &facts, own, reader, contact, known.at);
        let since = if let Contact::Away(since) = contact { since } else { turn.stamp };
        let mut way = WayView {
            verb: "show".to_owned(),
            open: answer.is_ok(),
            why: answer.as_ref().map_or_else(Refusal::word, |()| "ok").to_owned(),
            ..WayView::default()
        };
        (way.from, way.from_name) = (own.to_string(), self.name_of(&own));
        (way.to, way.to_name) = (way.from.clone(), way.from_name.clone());
        let giver = rights.bureaus.get(&own).and_then(|held| held.via).unwrap_or(known.owner());
        way.grounds.extend(allowed.clause.and_then(|clause| self.clause_ground(known, &clause.agreement, clause.line, giver)));
        way.grounds.push(GroundView {
            kind: "offline".to_owned(),
            number: u64::from(allowed.days),
            from: since.0,
            to: allowed.locks(since).0,
            ..GroundView::default()
        });
        Some(way)
    }

    /// What of a bureau's work was known then and is held, and by whom it was entered again.
    fn held_grounds(&self, state: &DocState, bureau: BureauId, at: WallSeconds) -> Vec<GroundView> {
        let known = |change: &ChangeHash| state.change_learnt(change).is_none_or(|learnt| learnt <= at);
        let mut out = Vec::new();
        for act in state.held_acts().into_iter().filter(|act| act.bureau == bureau && known(&act.change)).take(HELD_NAMED) {
            let mut ground = GroundView {
                kind: "held".to_owned(),
                id: act.change.to_string(),
                word: act.why.word().to_owned(),
                at: act.act.signed_at.0,
                learnt: state.change_learnt(&act.change).map_or(0, |at| at.0),
                ..GroundView::default()
            };
            self.signed(&mut ground, Some(act.certificate));
            out.push(ground);
            if let Some(reentry) = act.reentered.filter(known).and_then(|wrapper| state.reentry(&wrapper)) {
                let learnt = state.change_learnt(&reentry.change).map_or(0, |at| at.0);
                let mut ground =
                    GroundView { kind: "reentered".to_owned(), id: reentry.change.to_string(), learnt, ..GroundView::default() };
                self.signed(&mut ground, Some(reentry.certificate));
                out.push(ground);
            }
        }
        out
    }

    /// Asks the check about one way and names what its answer rests on.
    fn way(&self, known: &Known, verb: Verb, from: BureauId, to: BureauId) -> WayView {
        let mut way = WayView {
            verb: verb.word().to_owned(),
            from: from.to_string(),
            from_name: self.name_of(&from),
            to: to.to_string(),
            to_name: self.name_of(&to),
            ..WayView::default()
        };
        let pair = Pair::of(from, to);
        if from != to && pair.low != self.identity.bureau && pair.high != self.identity.bureau {
            // Others' agreements are theirs to know: what the log says is all that can be said here.
            way.why = "not_ours".to_owned();
            way.grounds = self.grounds_of_log(known, to, verb);
            return way;
        }
        let answer = known.check(from, to);
        way.open = answer.is_ok();
        way.why = answer.as_ref().map_or_else(Refusal::word, |_| "ok").to_owned();
        let ground = |kind: &str| GroundView { kind: kind.to_owned(), ..GroundView::default() };
        match &answer {
            Ok(_) if from == to => way.grounds.push(ground("same_bureau")),
            Ok(permit) => {
                match permit.clause() {
                    Some(clause) => {
                        way.grounds.extend(self.agreement_ground(known, &clause.agreement));
                        way.grounds.extend(self.clause_ground(known, &clause.agreement, clause.line, from));
                    }
                    None => way.grounds.extend(self.in_force_grounds(known, pair)),
                }
                if to == known.owner() {
                    way.grounds.push(ground("home"));
                } else {
                    way.grounds.extend(self.grounds_of_log(known, to, Verb::Read));
                }
            }
            Err(Refusal::NotInLog { .. } | Refusal::Cut { .. }) => way.grounds.extend(self.grounds_of_log(known, to, Verb::Read)),
            Err(Refusal::NotGranted { .. } | Refusal::Ceiling { .. }) => {
                way.grounds.extend(self.in_force_grounds(known, pair));
                way.grounds.extend(self.uncovered(known, pair, from));
                way.grounds.extend(self.grounds_of_log(known, to, Verb::Read));
            }
            Err(
                refusal @ (Refusal::NoPass { .. }
                | Refusal::PassExpired { .. }
                | Refusal::PassNotNamed { .. }
                | Refusal::PassNotGranted { .. }
                | Refusal::HiddenAudience { .. }
                | Refusal::NoConsent { .. }
                | Refusal::NoFourth { .. }
                | Refusal::GrantEnded { .. }
                | Refusal::GrantCeiling { .. }),
            ) => {
                way.grounds.push(GroundView { id: refusal.cites(), ..ground(refusal.word()) });
                way.grounds.extend(self.grounds_of_log(known, to, Verb::Read));
            }
            Err(_) => {
                way.grounds.extend(self.standing_grounds(known, pair));
                if from == known.owner() {
                    way.grounds.extend(self.grounds_of_log(known, to, Verb::Read));
                }
            }
        }
        way
    }

    /// What the log says of a bureau: the record that lets it in, or the one that cut it, or that nobody ever named it.
    fn grounds_of_log(&self, known: &Known, bureau: BureauId, verb: Verb) -> Vec<GroundView> {
        let rights = known.rights();
        let mut out = Vec::new();
        match rights.bureaus.get(&bureau) {
            Some(held) => {
                let mut ground = self.record_ground(known, &held.record, if held.verb.includes(verb) { "granted" } else { "weaker" });
                ground.word = held.verb.word().to_owned();
                out.push(ground);
                out.extend(self.grounds_of_grant(known, bureau, &held.record));
            }
            None => match rights.parted(&bureau) {
                Some(cut) => out.push(self.record_ground(known, &cut, "cut")),
                None => out.push(GroundView { kind: "never_named".to_owned(), ..GroundView::default() }),
            },
        }
        // A cut that names the bureau and left it reading: that is why it may no longer write.
        if verb == Verb::Append && rights.bureaus.get(&bureau).is_some_and(|held| held.verb == Verb::Read) {
            let cuts = known.log.cuts().iter().filter(|cut| cut.subject == Subject::Bureau(bureau));
            out.extend(cuts.map(|cut| self.record_ground(known, &cut.record, "cut")));
        }
        out
    }

    /// What the record that let a bureau in rests on besides its order: by way of whom, whose ask it answers, who consented.
    fn grounds_of_grant(&self, known: &Known, bureau: BureauId, id: &RecordId) -> Vec<GroundView> {
        let Some(body) = known.log.get(id).and_then(|entry| entry.record.as_ref()).map(|record| record.body()) else { return Vec::new() };
        let mut out = Vec::new();
        let grantee = body.kind.grantees().iter().find(|grantee| grantee.bureau == bureau);
        if let Some(via) = grantee.and_then(|grantee| grantee.via) {
            out.push(GroundView {
                kind: "via".to_owned(),
                id: via.to_string(),
                bureau_name: self.name_of(&via),
                tlp: grantee.and_then(|grantee| grantee.tlp).map_or("", Tlp::word).to_owned(),
                to: grantee.and_then(|grantee| grantee.until).map_or(0, |until| until.0),
                ..GroundView::default()
            });
        }
        if let Some(ask) = grantee.and_then(|grantee| grantee.ask) {
            // Asker and owner keep the ask itself; others see only that there was one.
            let mut ground = GroundView { kind: "onward_ask".to_owned(), id: ask.to_string(), ..GroundView::default() };
            if let Some((officer, at)) = self.sealed_ask(&ask) {
                ground.at = at.0;
                self.signed(&mut ground, Some(officer));
            }
            out.push(ground);
        }
        let consents = body.kind.sealed_consents().iter().filter_map(|bytes| Sealed::<Consent>::from_bytes(&bytes.0).ok());
        for consent in consents.filter(|consent| consent.claimed().recipient == bureau) {
            let said = consent.claimed();
            let mut ground = GroundView {
                kind: "consent".to_owned(),
                id: consent.id(&self.identity.network).to_string(),
                word: said.verb.word().to_owned(),
                tlp: said.tlp.word().to_owned(),
                to: said.until.map_or(0, |until| until.0),
                at: said.at.0,
                ..GroundView::default()
            };
            self.signed(&mut ground, Some(said.officer));
            ground.bureau_name = self.name_of(&said.contributor);
            out.push(ground);
        }
        out
    }

    fn record_ground(&self, known: &Known, id: &RecordId, kind: &str) -> GroundView {
        let mut ground = GroundView { kind: kind.to_owned(), id: id.to_string(), learnt: known.learnt(id), ..GroundView::default() };
        let Some(Entry { record, index, .. }) = known.log.get(id) else { return ground };
        ground.number = u64::from(*index);
        match record {
            None => {
                let genesis = known.log.genesis().body();
                ground.at = genesis.at.0;
                self.signed(&mut ground, Some(genesis.creator));
            }
            Some(record) => {
                let body = record.body();
                ground.at = body.at.0;
                match &body.kind {
                    RecordKind::Cut(subject, verbs, ..) => {
                        ground.word = subject.word().to_owned();
                        ground.verbs = verbs.iter().map(|verb| verb.word().to_owned()).collect();
                    }
                    RecordKind::Reclassify(tlp, ..) => {
                        ground.kind = "reclassified".to_owned();
                        ground.tlp = tlp.word().to_owned();
                    }
                    RecordKind::End(kind, _) => {
                        ground.kind = "ended".to_owned();
                        ground.word = kind.word().to_owned();
                    }
                    _ => {}
                }
                self.signed(&mut ground, body.kind.ordering_officer().or(Some(body.registrar)));
            }
        }
        ground
    }

    /// Names who ordered or sealed something: own officers by name, others by seat.
    fn signed(&self, ground: &mut GroundView, certificate: Option<CertificateId>) {
        let Some(id) = certificate else { return };
        ground.certificate = id.to_string();
        if let Some(body) = self.directory.certificate(&id).map(|c| c.body()) {
            ground.seats.clone_from(&body.seats);
            ground.bureau_name = self.name_of(&body.bureau);
        }
        ground.person = self.officers.values().find(|row| row.certificates.contains(&id)).map(|row| row.name.clone()).unwrap_or_default();
    }

    fn agreement_ground(&self, known: &Known, id: &AgreementId) -> Option<GroundView> {
        let entry = known.book.get(id)?;
        let offer = entry.offer.body();
        let counts = entry.conclude.as_ref().map_or(entry.offer.id(), |conclude| conclude.id());
        let mut ground = GroundView {
            kind: "agreement".to_owned(),
            id: id.to_string(),
            number: u64::from(offer.version),
            word: known.book.standing(id, known.at).map_or("unknown", |standing| standing.word()).to_owned(),
            from: offer.terms.from.0,
            to: offer.terms.to.0,
            at: entry.conclude.as_ref().map_or(offer.at, |conclude| conclude.body().at).0,
            learnt: self.learnt.get(&counts).map_or(0, |row| row.at.0),
            ..GroundView::default()
        };
        self.signed(&mut ground, Some(offer.officer));
        Some(ground)
    }

    fn in_force_grounds(&self, known: &Known, pair: Pair) -> Vec<GroundView> {
        known.book.in_force(pair, known.at).into_iter().filter_map(|entry| self.agreement_ground(known, &entry.id())).collect()
    }

    /// How every agreement of a pair stood, newest first: why none is in force.
    fn standing_grounds(&self, known: &Known, pair: Pair) -> Vec<GroundView> {
        let mut entries: Vec<&Agreement> = known.book.entries().filter(|entry| entry.pair() == pair).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.conclude.is_some(), entry.offer.body().version, entry.offer.body().at)));
        let mut out: Vec<GroundView> =
            entries.into_iter().take(AGREEMENTS_NAMED).filter_map(|entry| self.agreement_ground(known, &entry.id())).collect();
        if out.is_empty() {
            out.push(GroundView { kind: "no_agreement".to_owned(), ..GroundView::default() });
        }
        out
    }

    fn clause_ground(&self, known: &Known, id: &AgreementId, line: usize, giver: BureauId) -> Option<GroundView> {
        let offer = known.book.get(id)?.offer.body();
        let grant = offer.terms.grants.get(line.checked_sub(1)?)?;
        Some(GroundView {
            kind: "clause".to_owned(),
            id: id.to_string(),
            number: line as u64,
            category: grant.category.code().to_owned(),
            verbs: grant.verbs.iter().map(|verb| verb.word().to_owned()).collect(),
            tlp: grant.tlp_ceiling.word().to_owned(),
            to: grant.until.unwrap_or(offer.terms.to).0,
            bureau_name: self.name_of(&giver),
            ..GroundView::default()
        })
    }

    /// The lines of what is in force that speak of the document's category, and what about each does not fit.
    fn uncovered(&self, known: &Known, pair: Pair, giver: BureauId) -> Vec<GroundView> {
        let category = known.log.genesis().body().category;
        let mut out = Vec::new();
        for entry in known.book.in_force(pair, known.at) {
            let offer = entry.offer.body();
            for (at, grant) in offer.terms.grants.iter().enumerate().filter(|(_, grant)| grant.category == category) {
                let gives = match grant.direction {
                    Direction::Both => true,
                    Direction::OffererGives => offer.offerer == giver,
                    Direction::AcceptorGives => offer.acceptor == giver,
                };
                let word = if !gives {
                    "direction"
                } else if known.tlp() > grant.tlp_ceiling {
                    "ceiling"
                } else if grant.until.is_some_and(|until| known.at >= until) {
                    "over"
                } else {
                    "verb"
                };
                let ground = self.clause_ground(known, &entry.id(), at + 1, giver);
                out.extend(ground.map(|ground| GroundView { kind: "not_covered".to_owned(), word: word.to_owned(), ..ground }));
            }
        }
        out
    }

    /// A bureau by name, alias or id: a partner, ourselves, or one we only know of.
    pub(super) fn resolve_bureau(&self, word: &str) -> Result<BureauId, Refused> {
        let own = self.identity.bureau;
        let word = word.trim();
        if word == self.name_of(&own) || (word.len() >= 4 && own.to_string().starts_with(&word.to_ascii_lowercase())) {
            return Ok(own);
        }
        self.resolve_partner(word).or_else(|refused| {
            let known = BureauId::from_hex(&word.to_ascii_lowercase()).filter(|id| self.directory.bureau(id).is_some());
            known.ok_or(refused)
        })
    }
}
