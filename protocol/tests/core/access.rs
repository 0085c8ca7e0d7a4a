//! Who may hold what: every way a document may go, asked alike by sender and receiver, against a naive reading of the same facts.

use std::collections::BTreeMap;

use accord_protocol::access::audience;
use accord_protocol::access::consent::Consented;
use accord_protocol::access::log::{Held, Kind, RecordKind, Rights};
use accord_protocol::access::pass::{PassBook, PassLine, RelayPass};
use accord_protocol::access::{self, Ask, Basis, Facts, Ground, Permit, Refusal, Scope};
use accord_protocol::agreement::exchange::AgreementBook;
use accord_protocol::agreement::{Category, Direction, Onward, Tlp, Verb};
use accord_protocol::id::{BureauId, DocumentId, Nonce, RecordId};
use accord_protocol::time::WallSeconds;
use proptest::prelude::*;

use crate::exchange::{at, book, concluded, terms};
use crate::world::{network, verified, world};

const READ: &[Verb] = &[Verb::Read];
const APPEND: &[Verb] = &[Verb::Append];
const DOCUMENT: DocumentId = DocumentId([0xd0; 32]);
const NOW: u64 = 10;

/// What the owner's log holds for a bureau.
#[derive(Clone, Copy, Debug, PartialEq)]
enum InLog {
    Nothing,
    Read,
    Append,
    Cut,
}

/// What the agreement of sender and receiver says about giving from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Agreed {
    Nothing,
    Expired,
    NotYet,
    OtherWay,
    Read,
    Append,
}

/// The owner's pass for the receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pass {
    Nothing,
    Ended,
    NamesAnother,
    OtherCategory,
    UpToGreen,
    Good,
    /// A good one that a narrower one replaced.
    Replaced,
    /// A good one, and a newer one that names another bureau instead: the sender was never shown it.
    NamesAnotherNow,
}

/// A limit the owner's record sets for a bureau.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    None,
    Ended,
    UpToGreen,
}

/// Who came by way of whom.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Via {
    Nobody,
    /// The receiver by way of the sender.
    Receiver,
    /// The sender by way of the receiver: the way back.
    Sender,
}

/// What the one on the way has from the owner.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    /// An agreement in force and a running pass that names nobody.
    Fresh,
    /// An agreement, and no pass for it.
    NoPass,
    /// No agreement.
    NoAgreement,
}

/// One situation. Bureaus are numbers; the document is of bureau 0.
#[derive(Clone, Debug)]
struct Case {
    from: usize,
    to: usize,
    asked_by: usize,
    log: [InLog; 3],
    /// Index of the record by which each came.
    came: [u32; 3],
    agreed: Agreed,
    pass: Pass,
    tlp: Tlp,
    hidden: bool,
    in_touch: bool,
    /// Index of the first record that settled something of bureaus 1 and 2.
    wrote: [Option<u32>; 3],
    /// Whether each consented to the receiver, up to what, and whether that has ended.
    consents: [Option<(Tlp, bool)>; 3],
    limits: [Limit; 3],
    via: Via,
    word: Word,
    /// The sender may pass nothing on.
    no_fourth: bool,
}

impl Case {
    fn rights(&self) -> Rights {
        let bureaus = world().bureaus.each_ref().map(|bureau| bureau.id);
        let mut rights = Rights::default();
        for (n, held) in self.log.iter().enumerate() {
            let verb = match held {
                InLog::Read => Verb::Read,
                InLog::Append => Verb::Append,
                InLog::Cut => {
                    rights.note_parted(bureaus[n], RecordId([0xcc; 32]), None);
                    continue;
                }
                InLog::Nothing => continue,
            };
            let consents = self.consents.iter().enumerate().filter_map(|(by, consent)| {
                let (tlp, ended) = (*consent)?;
                Some((bureaus[by], Consented { tlp, until: ended.then(|| at(NOW)) }))
            });
            let consents = if n == self.to { consents.collect() } else { BTreeMap::new() };
            let via = match self.via {
                Via::Receiver if n == self.to => Some(bureaus[self.from]),
                Via::Sender if n == self.from => Some(bureaus[self.to]),
                _ => None,
            };
            let held = Held {
                verb,
                record: RecordId([0xbb; 32]),
                since: at(1),
                agreement: None,
                via,
                tlp: (self.limits[n] == Limit::UpToGreen).then_some(Tlp::Green),
                until: (self.limits[n] == Limit::Ended).then(|| at(NOW)),
                no_fourth: self.no_fourth && n == self.from,
                came: self.came[n],
                consents,
            };
            rights.bureaus.insert(bureaus[n], held);
        }
        rights
    }

    fn contributors(&self) -> BTreeMap<BureauId, u32> {
        let all = self.wrote.iter().enumerate().skip(1);
        all.filter_map(|(n, settled)| Some((world().bureaus[n].id, (*settled)?))).collect()
    }

    fn book(&self) -> AgreementBook {
        self.book_with(Onward::None)
    }

    fn book_with(&self, onward: Onward) -> AgreementBook {
        let world = world();
        let lines = match self.agreed {
            Agreed::Nothing => return AgreementBook::new(world.bureaus[self.asked_by].id),
            Agreed::OtherWay => (Direction::AcceptorGives, APPEND, Tlp::Amber),
            Agreed::Read => (Direction::OffererGives, READ, Tlp::Amber),
            Agreed::Append | Agreed::Expired | Agreed::NotYet => (Direction::OffererGives, APPEND, Tlp::Amber),
        };
        let (begins, ends) = match self.agreed {
            Agreed::Expired => (5, 9),
            Agreed::NotYet => (11, 40),
            _ => (5, 40),
        };
        let mut held = AgreementBook::new(world.bureaus[self.asked_by].id);
        if self.from != self.to {
            let mut terms = terms(begins, ends, &[lines]);
            terms.grants[0].onward = onward;
            for statement in concluded(world, self.from, self.to, 1, None, terms, 1) {
                held.learn(&world.directory, statement).expect("in order");
            }
        }
        if let Some(way) = self.way().filter(|_| self.word != Word::NoAgreement) {
            let statements = concluded(world, 0, way, 1, None, terms(5, 40, &[(Direction::OffererGives, READ, Tlp::Amber)]), 2);
            for statement in statements {
                held.learn(&world.directory, statement).expect("in order");
            }
        }
        held
    }

    /// The bureau on the way, where it is the one that asks and not the owner.
    fn way(&self) -> Option<usize> {
        let way = match self.via {
            Via::Nobody => return None,
            Via::Receiver => self.from,
            Via::Sender => self.to,
        };
        (way == self.asked_by && self.from != 0 && self.to != 0 && self.from != self.to).then_some(way)
    }

    fn passes(&self) -> PassBook {
        let world = world();
        let owner = world.owner();
        let mut passes = PassBook::new(world.bureaus[self.asked_by].id);
        if self.from == self.to || self.to == 0 || self.from == 0 {
            return passes;
        }
        let pass = |from: u64, until: u64, shown: usize, category: Category, tlp_ceiling: Tlp| {
            let body = RelayPass {
                issuer: owner.id,
                registrar: owner.node.id,
                appointment: owner.later.id(&network()),
                holder: world.bureaus[self.to].id,
                lines: vec![PassLine { category, verb: Verb::Append, tlp_ceiling }],
                shown_to: vec![if shown == self.from { world.bureaus[shown].id } else { BureauId([0x77; 32]) }],
                from: at(from),
                until: at(until),
                nonce: Nonce([3; 16]),
            };
            verified(body, &[owner.node.seed])
        };
        let good = || pass(2, 90, self.from, Category::CrimSeries, Tlp::Amber);
        let all = match self.pass {
            Pass::Nothing => vec![],
            Pass::Ended => vec![pass(2, NOW, self.from, Category::CrimSeries, Tlp::Amber)],
            Pass::NamesAnother => vec![pass(2, 90, 99, Category::CrimSeries, Tlp::Amber)],
            Pass::OtherCategory => vec![pass(2, 90, self.from, Category::Traf, Tlp::Amber)],
            Pass::UpToGreen => vec![pass(2, 90, self.from, Category::CrimSeries, Tlp::Green)],
            Pass::Good => vec![good()],
            Pass::NamesAnotherNow => vec![good(), pass(3, 80, 99, Category::CrimSeries, Tlp::Amber)],
            Pass::Replaced => vec![good(), pass(3, 80, self.from, Category::Traf, Tlp::Amber)],
        };
        for pass in all {
            // A pass that names neither of us is of no concern: the holder keeps it all the same.
            let messenger = if pass.body().holder == world.bureaus[self.asked_by].id { owner.id } else { pass.body().holder };
            let _ = passes.learn(&world.directory, pass, Some(messenger), at(3));
        }
        if let Some(way) = self.way().filter(|_| self.word == Word::Fresh) {
            let mut body = good().body().clone();
            (body.holder, body.shown_to, body.from) = (world.bureaus[way].id, vec![], at(4));
            assert_eq!(passes.learn(&world.directory, verified(body, &[owner.node.seed]), Some(owner.id), at(5)), Ok(true));
        }
        passes
    }

    fn ask(&self) -> Result<Permit, Refusal> {
        let bureaus = world().bureaus.each_ref().map(|bureau| bureau.id);
        let (rights, contributors, book, passes) = (self.rights(), self.contributors(), self.book(), self.passes());
        let facts = Facts {
            document: DOCUMENT,
            owner: bureaus[0],
            kind: if self.hidden { Kind::Bulletin } else { Kind::Case },
            category: Category::CrimSeries,
            tlp: self.tlp,
            rights: &rights,
            hidden: self.hidden,
            contributors: &contributors,
        };
        let ground = Ground { own: bureaus[self.asked_by], book: &book, passes: &passes, in_touch: self.in_touch };
        access::check(&ground, &Ask { facts: &facts, from: bureaus[self.from], to: bureaus[self.to], now: at(NOW), epoch: 7 })
    }

    /// DESIGN §4 read plainly: the word of the basis and how much, or the word of what is missing.
    fn plainly(&self) -> Result<&'static str, &'static str> {
        if self.from == self.to {
            return Ok("home whole");
        }
        if self.from == self.asked_by && !self.in_touch {
            return Err("out_of_touch");
        }
        let speaking = match self.agreed {
            Agreed::Nothing => Err("no_agreement"),
            Agreed::Expired => Err("expired"),
            Agreed::NotYet => Err("not_yet"),
            _ => Ok(()),
        };
        if self.to == 0 {
            return Ok(if speaking.is_ok() { "home whole" } else { "home held" });
        }
        speaking?;
        self.named(self.to)?;
        for other in 1..3 {
            let before = self.wrote[other].is_some_and(|settled| settled < self.came[self.to]);
            let agreed = self.consents[other].is_some_and(|(tlp, ended)| !ended && self.tlp <= tlp);
            if other != self.to && before && !agreed {
                return Err("no_consent");
            }
        }
        let reaches = self.tlp <= Tlp::Amber;
        if self.from == 0 {
            return match self.agreed {
                Agreed::OtherWay => Err("not_granted"),
                _ if !reaches => Err("ceiling"),
                _ => Ok("clause admitted"),
            };
        }
        if self.hidden {
            return Err("hidden_audience");
        }
        self.named(self.from)?;
        let given = match (self.via, self.agreed) {
            (Via::Nobody, _) => None,
            (Via::Receiver, Agreed::OtherWay) | (Via::Sender, Agreed::Read | Agreed::Append) => Some(false),
            (Via::Receiver | Via::Sender, _) => Some(true),
        };
        match given {
            Some(false) => return Err("not_granted"),
            Some(true) if !reaches => return Err("ceiling"),
            Some(true) if self.way().is_some() && self.word == Word::NoAgreement => return Err("no_agreement"),
            Some(true) if self.way().is_some() && self.word == Word::NoPass => match (self.via, self.pass) {
                // The way back: the receiver's own pass of the owner is the word, whomever it names.
                (Via::Sender, Pass::Ended) => return Err("pass_expired"),
                (Via::Sender, pass) if pass != Pass::Nothing => return Ok("onward admitted"),
                _ => return Err("no_pass"),
            },
            Some(true) => return Ok("onward admitted"),
            None if self.no_fourth => return Err("no_fourth"),
            None => {}
        }
        match self.pass {
            Pass::Nothing => Err("no_pass"),
            Pass::Ended => Err("pass_expired"),
            // Who is neither issuer, holder nor named keeps no such pass.
            Pass::NamesAnother if self.asked_by == self.to => Err("pass_not_named"),
            Pass::NamesAnother => Err("no_pass"),
            Pass::OtherCategory | Pass::Replaced => Err("pass_not_granted"),
            Pass::UpToGreen if self.tlp > Tlp::Green => Err("pass_not_granted"),
            Pass::Good | Pass::NamesAnotherNow if !reaches => Err("pass_not_granted"),
            Pass::UpToGreen | Pass::Good | Pass::NamesAnotherNow => Ok("pass admitted"),
        }
    }

    fn named(&self, n: usize) -> Result<(), &'static str> {
        match self.log[n] {
            InLog::Nothing => Err("not_in_log"),
            InLog::Cut => Err("cut"),
            InLog::Read | InLog::Append => match self.limits[n] {
                Limit::Ended => Err("grant_ended"),
                Limit::UpToGreen if self.tlp > Tlp::Green => Err("grant_ceiling"),
                Limit::None | Limit::UpToGreen => Ok(()),
            },
        }
    }

    fn compare(&self) {
        let found = self.ask();
        let words = match &found {
            Ok(permit) => {
                let basis = match permit.basis() {
                    Basis::Home => "home",
                    Basis::Clause(_) => "clause",
                    Basis::Pass(_) => "pass",
                    Basis::Onward(..) => "onward",
                };
                let scope = match permit.scope() {
                    Scope::Whole => "whole",
                    Scope::Admitted => "admitted",
                    Scope::Held => "held",
                };
                assert_eq!((permit.document(), permit.to(), permit.epoch()), (DOCUMENT, world().bureaus[self.to].id, 7));
                assert_eq!(permit.clause().is_some(), basis == "clause" || basis == "onward");
                assert_eq!(permit.whole(), scope == "whole", "held work travels home only");
                let line = |clause: accord_protocol::agreement::book::Clause| format!("{}#1", clause.agreement.short());
                let cites = match permit.basis() {
                    Basis::Home => String::new(),
                    Basis::Clause(clause) => line(clause),
                    Basis::Pass(pass) => format!("pass {}", pass.short()),
                    Basis::Onward(record, clause) => format!("{} {}", record.short(), line(clause)),
                };
                assert_eq!(permit.cites(), cites);
                Ok(format!("{basis} {scope}"))
            }
            Err(refusal) => Err(refusal.word()),
        };
        assert_eq!(words.as_deref().map_err(|word| *word), self.plainly(), "{self:?}: {found:?}");
    }
}

/// Both sides agree, everyone is in the log from the start, a good pass was shown: what the rows below change.
fn good(from: usize, to: usize) -> Case {
    Case {
        from,
        to,
        asked_by: from,
        log: [InLog::Nothing, InLog::Append, InLog::Append],
        came: [0; 3],
        agreed: Agreed::Append,
        pass: Pass::Good,
        tlp: Tlp::Amber,
        hidden: false,
        in_touch: true,
        wrote: [None; 3],
        consents: [None; 3],
        limits: [Limit::None; 3],
        via: Via::Nobody,
        word: Word::Fresh,
        no_fourth: false,
    }
}

#[test]
fn the_table_of_access_row_by_row() {
    let cut = |n: usize, held: InLog| move |case: &mut Case| case.log[n] = held;
    type Change = Box<dyn Fn(&mut Case)>;
    let late = |consent: Option<(Tlp, bool)>| {
        move |case: &mut Case| {
            case.came[2] = 5;
            case.wrote[1] = Some(3);
            case.consents[1] = consent;
        }
    };
    let rows: Vec<(usize, usize, Change, Result<&str, &str>)> = vec![
        (1, 1, Box::new(|_| {}), Ok("home whole")),
        (0, 1, Box::new(|_| {}), Ok("clause admitted")),
        (0, 1, Box::new(|case| case.agreed = Agreed::Read), Ok("clause admitted")),
        (0, 1, Box::new(|case| case.agreed = Agreed::OtherWay), Err("not_granted")),
        (0, 1, Box::new(|case| case.agreed = Agreed::Nothing), Err("no_agreement")),
        (0, 1, Box::new(|case| case.agreed = Agreed::Expired), Err("expired")),
        (0, 1, Box::new(|case| case.agreed = Agreed::NotYet), Err("not_yet")),
        (0, 1, Box::new(|case| case.tlp = Tlp::AmberStrict), Err("ceiling")),
        (0, 1, Box::new(cut(1, InLog::Nothing)), Err("not_in_log")),
        (0, 1, Box::new(cut(1, InLog::Cut)), Err("cut")),
        (0, 1, Box::new(|case| case.hidden = true), Ok("clause admitted")),
        (0, 1, Box::new(|case| case.in_touch = false), Err("out_of_touch")),
        (1, 0, Box::new(|_| {}), Ok("home whole")),
        (1, 0, Box::new(|case| case.agreed = Agreed::Expired), Ok("home held")),
        (1, 0, Box::new(cut(1, InLog::Cut)), Ok("home whole")),
        (1, 2, Box::new(|_| {}), Ok("pass admitted")),
        (1, 2, Box::new(|case| case.agreed = Agreed::OtherWay), Ok("pass admitted")),
        (1, 2, Box::new(|case| case.agreed = Agreed::Expired), Err("expired")),
        (1, 2, Box::new(|case| case.pass = Pass::Nothing), Err("no_pass")),
        (1, 2, Box::new(|case| case.pass = Pass::Ended), Err("pass_expired")),
        (1, 2, Box::new(|case| case.pass = Pass::OtherCategory), Err("pass_not_granted")),
        (1, 2, Box::new(|case| case.pass = Pass::Replaced), Err("pass_not_granted")),
        (1, 2, Box::new(|case| case.pass = Pass::NamesAnotherNow), Ok("pass admitted")),
        (1, 2, Box::new(|case| (case.pass, case.asked_by) = (Pass::NamesAnotherNow, 2)), Ok("pass admitted")),
        (1, 2, Box::new(|case| case.pass = Pass::UpToGreen), Err("pass_not_granted")),
        (1, 2, Box::new(|case| (case.pass, case.tlp) = (Pass::UpToGreen, Tlp::Green)), Ok("pass admitted")),
        (1, 2, Box::new(|case| (case.pass, case.asked_by) = (Pass::NamesAnother, 2)), Err("pass_not_named")),
        (1, 2, Box::new(|case| case.hidden = true), Err("hidden_audience")),
        (1, 2, Box::new(cut(2, InLog::Nothing)), Err("not_in_log")),
        (1, 2, Box::new(cut(1, InLog::Cut)), Err("cut")),
        (0, 2, Box::new(late(None)), Err("no_consent")),
        (0, 2, Box::new(late(Some((Tlp::Amber, false)))), Ok("clause admitted")),
        (0, 2, Box::new(late(Some((Tlp::Green, false)))), Err("no_consent")),
        (0, 2, Box::new(late(Some((Tlp::Amber, true)))), Err("no_consent")),
        (0, 1, Box::new(|case| case.limits[1] = Limit::Ended), Err("grant_ended")),
        (0, 1, Box::new(|case| case.limits[1] = Limit::UpToGreen), Err("grant_ceiling")),
        (1, 2, Box::new(|case| case.limits[1] = Limit::Ended), Err("grant_ended")),
        (1, 2, Box::new(|case| case.no_fourth = true), Err("no_fourth")),
        (1, 2, Box::new(|case| (case.via, case.pass) = (Via::Receiver, Pass::Nothing)), Ok("onward admitted")),
        (1, 2, Box::new(|case| (case.via, case.word, case.pass) = (Via::Receiver, Word::NoPass, Pass::Nothing)), Err("no_pass")),
        (1, 2, Box::new(|case| (case.via, case.word) = (Via::Receiver, Word::NoAgreement)), Err("no_agreement")),
        (1, 2, Box::new(|case| (case.via, case.tlp) = (Via::Receiver, Tlp::AmberStrict)), Err("ceiling")),
        (1, 2, Box::new(|case| (case.via, case.agreed) = (Via::Receiver, Agreed::OtherWay)), Err("not_granted")),
        (1, 2, Box::new(|case| (case.via, case.agreed, case.no_fourth) = (Via::Sender, Agreed::OtherWay, true)), Ok("onward admitted")),
        (1, 2, Box::new(late(None)), Err("no_consent")),
        (1, 2, Box::new(late(Some((Tlp::Amber, false)))), Ok("pass admitted")),
    ];
    for (n, (from, to, change, expected)) in rows.into_iter().enumerate() {
        let mut case = good(from, to);
        change(&mut case);
        assert_eq!(case.plainly(), expected, "row {n}");
        case.compare();
        // The receiver asks the same and hears the same, but for the sender's own lease.
        if case.in_touch && case.asked_by == from {
            case.asked_by = to;
            case.compare();
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    let held = || prop_oneof![1 => Just(InLog::Nothing), 2 => Just(InLog::Read), 3 => Just(InLog::Append), 1 => Just(InLog::Cut)];
    let agreed = prop_oneof![
        1 => Just(Agreed::Nothing), 1 => Just(Agreed::Expired), 1 => Just(Agreed::NotYet), 1 => Just(Agreed::OtherWay),
        2 => Just(Agreed::Read), 4 => Just(Agreed::Append)
    ];
    let pass = prop_oneof![
        1 => Just(Pass::Nothing), 1 => Just(Pass::Ended), 1 => Just(Pass::NamesAnother), 1 => Just(Pass::OtherCategory),
        1 => Just(Pass::UpToGreen), 5 => Just(Pass::Good), 1 => Just(Pass::Replaced), 1 => Just(Pass::NamesAnotherNow)
    ];
    let tlp = || prop_oneof![Just(Tlp::Clear), Just(Tlp::Green), Just(Tlp::Amber), Just(Tlp::AmberStrict), Just(Tlp::Red)];
    let rare = || prop_oneof![5 => Just(false), 1 => Just(true)];
    let wrote = || prop_oneof![2 => Just(None), 1 => (0u32..6).prop_map(Some)];
    let limit = || prop_oneof![5 => Just(Limit::None), 1 => Just(Limit::Ended), 1 => Just(Limit::UpToGreen)];
    let word = prop_oneof![3 => Just(Word::Fresh), 1 => Just(Word::NoPass), 1 => Just(Word::NoAgreement)];
    let via = prop_oneof![3 => Just(Via::Nobody), 1 => Just(Via::Receiver), 1 => Just(Via::Sender)];
    let consent = move || prop_oneof![1 => Just(None), 2 => (tlp(), rare()).prop_map(Some)];
    (
        (0usize..3, 0usize..3, any::<bool>()),
        [held(), held(), held()],
        [0u32..6, 0u32..6, 0u32..6],
        (agreed, pass, tlp(), rare(), rare()),
        [wrote(), wrote(), wrote()],
        [consent(), consent(), consent()],
        ([limit(), limit(), limit()], via, word, rare()),
    )
        .prop_map(
            |((from, to, sender_asks), log, came, (agreed, pass, tlp, hidden, away), wrote, consents, (limits, via, word, no_fourth))| {
                Case {
                    from,
                    to,
                    asked_by: if sender_asks { from } else { to },
                    log,
                    came,
                    agreed,
                    pass,
                    tlp,
                    hidden,
                    in_touch: !away,
                    wrote,
                    consents,
                    limits,
                    via,
                    word,
                    no_fourth,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_check_answers_what_a_plain_reading_of_the_design_answers(case in case()) {
        case.compare();
    }
}

/// What DESIGN §4 says of asking onward, read plainly: the word of what is missing.
fn may_ask_plainly(case: &Case, onward: Onward) -> Result<(), &'static str> {
    if case.hidden {
        return Err("hidden_audience");
    }
    case.named(case.to)?;
    if case.no_fourth {
        return Err("no_fourth");
    }
    match case.agreed {
        Agreed::Nothing => return Err("no_agreement"),
        Agreed::Expired => return Err("expired"),
        Agreed::NotYet => return Err("not_yet"),
        Agreed::OtherWay => return Err("not_granted"),
        Agreed::Read | Agreed::Append if case.tlp > Tlp::Amber => return Err("ceiling"),
        Agreed::Read | Agreed::Append => {}
    }
    if onward == Onward::Ask { Ok(()) } else { Err("onward_none") }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn who_may_ask_onward_is_what_a_plain_reading_of_the_design_says(mut case in case(), ask in proptest::bool::ANY) {
        // The owner gives, bureau 1 holds and asks; whether it may pass on is a condition of its own record.
        (case.from, case.to, case.asked_by) = (0, 1, 0);
        let onward = if ask { Onward::Ask } else { Onward::None };
        let bureaus = world().bureaus.each_ref().map(|bureau| bureau.id);
        let mut rights = case.rights();
        if let Some(held) = rights.bureaus.get_mut(&bureaus[1]) {
            held.no_fourth = case.no_fourth;
        }
        let (contributors, book) = (case.contributors(), case.book_with(onward));
        let facts = Facts {
            document: DOCUMENT,
            owner: bureaus[0],
            kind: Kind::Case,
            category: Category::CrimSeries,
            tlp: case.tlp,
            rights: &rights,
            hidden: case.hidden,
            contributors: &contributors,
        };
        let found = access::may_ask(&book, &facts, bureaus[1], at(NOW));
        prop_assert!(found.as_ref().map_or(true, |clause| clause.line == 1), "lines are counted from 1");
        let found = found.map(drop).map_err(|refusal| refusal.word());
        prop_assert_eq!(found, may_ask_plainly(&case, onward), "{:?}", case);
    }

    #[test]
    fn whose_consent_a_newcomer_needs_and_whom_it_passed_over_is_one_rule(case in case()) {
        let bureaus = world().bureaus.each_ref().map(|bureau| bureau.id);
        let (rights, contributors) = (case.rights(), case.contributors());
        let facts = Facts {
            document: DOCUMENT,
            owner: bureaus[0],
            kind: Kind::Case,
            category: Category::CrimSeries,
            tlp: case.tlp,
            rights: &rights,
            hidden: false,
            contributors: &contributors,
        };
        for writer in 1..3 {
            let other = 3 - writer;
            let asked: Vec<BureauId> = access::to_be_asked(&facts, &bureaus[other], case.came[other]).collect();
            let before = case.wrote[writer].is_some_and(|settled| settled < case.came[other]);
            prop_assert_eq!(asked.contains(&bureaus[writer]), before);
            prop_assert!(!asked.contains(&bureaus[other]), "nobody is asked about itself");
            let passed_over = access::let_in_without(&facts, &bureaus[writer], |_| Tlp::Clear).iter().any(|(bureau, _)| *bureau == bureaus[other]);
            let holds = matches!(case.log[other], InLog::Read | InLog::Append);
            let consented = other == case.to && case.consents[writer].is_some();
            prop_assert_eq!(passed_over, holds && before && !consented, "{:?}", case);
        }
    }
}

#[test]
fn before_a_grant_is_sealed_the_agreement_is_asked_for_that_very_verb() {
    let world = world();
    let [first, second] = [0, 1].map(|n| world.bureaus[n].id);
    let may = |book: &AgreementBook, verb, tlp, now| access::may_grant(book, first, second, Category::CrimSeries, tlp, verb, at(now));
    let read = Case { agreed: Agreed::Read, ..good(0, 1) }.book();
    assert!(may(&read, Verb::Read, Tlp::Amber, 10).is_ok());
    assert!(matches!(may(&read, Verb::Append, Tlp::Amber, 10), Err(Refusal::NotGranted { .. })));
    assert!(matches!(may(&read, Verb::Read, Tlp::Red, 10), Err(Refusal::Ceiling { .. })));
    assert!(matches!(may(&read, Verb::Read, Tlp::Amber, 40), Err(Refusal::Expired { .. })), "the end is exclusive");
    assert!(matches!(may(&book(world, &[]), Verb::Read, Tlp::Clear, 10), Err(Refusal::NoAgreement { .. })));
}

/// Facts of a document of bureau 0 and nobody who wrote in it.
fn facts_of(rights: &Rights) -> Facts<'_> {
    static NOBODY: BTreeMap<BureauId, u32> = BTreeMap::new();
    Facts {
        document: DOCUMENT,
        owner: world().owner().id,
        kind: Kind::Case,
        category: Category::CrimSeries,
        tlp: Tlp::Amber,
        rights,
        hidden: false,
        contributors: &NOBODY,
    }
}

#[test]
fn of_its_cut_a_bureau_is_told_by_the_owner_and_by_whom_it_came_and_by_nobody_else() {
    let [owner, second, third] = [0, 1, 2].map(|n| world().bureaus[n].id);
    let cut = RecordId([0xcc; 32]);
    let mut rights = Rights::default();
    rights.note_parted(second, cut, None);
    let told = |rights: &Rights, from, to| access::parting(&facts_of(rights), from, to).map(|parting| (parting.to(), parting.cut()));
    assert_eq!(told(&rights, owner, second), Some((second, cut)));
    assert_eq!(access::parting(&facts_of(&rights), owner, second).map(|parting| parting.document()), Some(DOCUMENT));
    assert_eq!(told(&rights, third, second), None);
    assert_eq!(told(&rights, owner, third), None, "it never had it");
    rights.note_parted(third, cut, Some(second));
    assert_eq!((told(&rights, second, third), told(&rights, owner, third)), (Some((third, cut)), Some((third, cut))));
    rights.note_parted(owner, cut, None);
    assert_eq!(told(&rights, owner, owner), None, "nobody tells itself");
    // Who holds it again was not parted, whatever the log says of an earlier time.
    rights.bureaus = good(0, 1).rights().bureaus;
    assert_eq!(told(&rights, owner, second), None);
}

#[test]
fn what_is_given_to_some_seats_and_units_only_those_read_and_somebody_has_to_say_who_reads() {
    let world = world();
    let [owner, second] = [0, 1].map(|n| world.bureaus[n].id);
    let member = |bureau: usize, n: usize| {
        let id = world.bureaus[bureau].officers[n].id;
        (id, world.directory.certificate(&id).expect("known").body().clone())
    };
    // The first officer of each is of the command centre and on duty, the second of the second squad and in the archive.
    let give = |lines: &[(Direction, &[Verb], Tlp)], change: &dyn Fn(&mut accord_protocol::agreement::Terms)| {
        let mut terms = terms(5, 40, lines);
        change(&mut terms);
        let mut book = AgreementBook::new(owner);
        for statement in concluded(world, 0, 1, 1, None, terms, 1) {
            book.learn(&world.directory, statement).expect("in order");
        }
        book
    };
    let case = good(0, 1);
    let rights = case.rights();
    let may = |book: &AgreementBook, rights: &Rights, (id, member): &(_, _), verb, now| {
        access::check_person(book, &facts_of(rights), id, member, verb, at(now)).map_err(|refusal| (refusal.word(), refusal.cites()))
    };
    let read = |book: &AgreementBook, n, now| may(book, &rights, &member(1, n), Verb::Read, now).map_err(|(word, _)| word);
    let gives = (Direction::OffererGives, APPEND, Tlp::Amber);
    let plain = give(&[gives], &|_| {});
    let duty = give(&[gives], &|terms| terms.grants[0].seats = Some(vec!["duty".to_owned()]));
    let squad = give(&[gives], &|terms| terms.grants[0].units = Some(vec!["second squad".to_owned()]));
    let both = give(&[gives, gives], &|terms| terms.grants[1].seats = Some(vec!["duty".to_owned()]));
    let depends = |book: &AgreementBook, bureau, now| access::depends_on_person(book, &facts_of(&rights), bureau, at(now));
    for (book, first, other, asks) in
        [(&plain, true, true, false), (&duty, true, false, true), (&squad, false, true, true), (&both, true, true, false)]
    {
        // Also once it is over, by what it said when it began.
        for now in [NOW, 1_000_000_000] {
            assert_eq!((read(book, 0, now).is_ok(), read(book, 1, now).is_ok()), (first, other), "at {now}");
            assert_eq!(depends(book, second, now), asks, "at {now}");
        }
        assert!(!depends(book, owner, NOW), "its own documents came to it under no line");
    }
    assert_eq!(read(&duty, 1, NOW), Err("not_their_seat"));
    let (_, cites) = may(&duty, &rights, &member(1, 1), Verb::Read, NOW).expect_err("of another seat");
    assert!(cites.ends_with("#1"), "{cites}");
    // A line the other way gives nothing here, and limits nothing.
    let back = give(&[gives, (Direction::AcceptorGives, APPEND, Tlp::Amber)], &|terms| {
        terms.grants[1].seats = Some(vec!["duty".to_owned()]);
    });
    assert!(read(&back, 1, NOW).is_ok() && !depends(&back, second, NOW));
    let other_way = give(&[(Direction::AcceptorGives, APPEND, Tlp::Amber)], &|terms| terms.grants[0].seats = Some(vec!["duty".to_owned()]));
    assert!(read(&other_way, 1, NOW).is_ok() && !depends(&other_way, second, NOW), "it came under no line");
    // Writing takes the log's word and the member's own.
    let append = |rights: &Rights, who: &(_, _)| may(&plain, rights, who, Verb::Append, NOW).map_err(|(word, _)| word);
    assert_eq!(append(&rights, &member(1, 0)), Ok(()));
    assert_eq!(append(&rights, &member(0, 0)), Ok(()));
    let (id, mut silent) = member(0, 0);
    silent.capabilities.retain(|capability| *capability != accord_keys::certificate::Capability::Write);
    assert_eq!(append(&rights, &(id, silent.clone())), Err("not_this_member"));
    assert_eq!(may(&plain, &rights, &(id, silent), Verb::Request, NOW).map_err(|(word, _)| word), Err("not_this_member"));
    let mut ended = rights.clone();
    ended.ended = Some(RecordId([0xee; 32]));
    assert_eq!(append(&ended, &member(0, 0)), Err("not_this_member"), "nobody appends to what has ended");
    assert_eq!(may(&plain, &ended, &member(0, 0), Verb::Read, NOW), Ok(()));
    let mut readers = rights.clone();
    readers.bureaus = Case { log: [InLog::Nothing, InLog::Read, InLog::Read], ..good(0, 1) }.rights().bureaus;
    assert_eq!(append(&readers, &member(1, 0)), Err("not_in_log"));
    let mut denied = rights.clone();
    denied.note_denied(accord_protocol::access::log::Subject::Seat(second, "duty".to_owned()), Verb::Read);
    assert_eq!(may(&plain, &denied, &member(1, 0), Verb::Read, NOW).map_err(|(word, _)| word), Err("not_this_member"));
    assert_eq!(may(&plain, &denied, &member(1, 1), Verb::Read, NOW), Ok(()), "the other seat reads on");
    assert_eq!(may(&plain, &denied, &member(1, 0), Verb::Append, NOW), Ok(()), "this denial is of reading");
    let parts = |verb| access::depends_on_person(&plain, &facts_of(&denied), second, at(NOW)) && denied.denies_part_of(&second, verb);
    assert!(parts(Verb::Read) && !parts(Verb::Append) && !denied.denies_part_of(&owner, Verb::Read));
    assert!(denied.denies_anybody() && !rights.denies_anybody());
}

#[test]
fn a_hidden_audience_lets_in_who_can_open_a_place_in_it_and_shows_nobody_else() {
    let world = world();
    let [_, second, third] = [0, 1, 2].map(|n| world.bureaus[n].id);
    let mut dice = 0u8;
    let (openings, commitments) = audience::commit(&[second, third], || {
        dice += 1;
        [dice; 32]
    });
    let mut genesis = world.genesis(Kind::Bulletin, &[]).body().clone();
    (genesis.rules, genesis.hidden) = (2, Some(commitments));
    let sealed = verified(genesis, &[world.owner().officers[0].seed]);
    let bytes = sealed.sealed().to_bytes();
    assert!([second, third].iter().all(|id| !bytes.windows(32).any(|window| window == id.0)), "the genesis names nobody");
    let mut log = access::log::Log::new(&world.directory, sealed).expect("stands");
    assert!(log.rights().bureaus.is_empty() && log.is_hidden());
    assert!(log.learn_opening(&openings[0]));
    assert!(!log.learn_opening(&openings[0]), "once is enough");
    assert!(!log.learn_opening(&audience::Opening { bureau: third, ..openings[0].clone() }), "a salt opens for its reader only");
    let rights = log.rights();
    assert_eq!(rights.bureaus.keys().copied().collect::<Vec<_>>(), [second]);
    assert_eq!(rights.bureaus.get(&second).map(|held| held.verb), Some(Verb::Read));
    assert!(log.ever_held(&second) && !log.ever_held(&third));
    // What is opened later counts after every record that stands by then.
    let document = DocumentId(log.genesis_id().0);
    let adopt = world.record(document, 1, log.genesis_id(), RecordKind::Adopt("demo 1".to_owned(), vec![]));
    assert!(log.learn(&world.directory, adopt).is_ok());
    assert!(!log.learn_opening(&openings[0]) && !log.rights().bureaus.contains_key(&third));
    assert!(log.learn_opening(&openings[1]));
    assert_eq!(log.rights().bureaus.get(&third).map(|held| held.verb), Some(Verb::Read));
    assert_eq!(log.rights().bureaus.get(&second).map(|held| held.verb), Some(Verb::Read), "and what was opened before");
}

#[test]
fn a_pass_that_replaced_a_longer_one_and_has_ended_is_still_told_to_whom_it_names() {
    let world = world();
    let (owner, holder, sender) = (world.owner(), world.bureaus[1].id, world.bureaus[2].id);
    let pass = |from: u64, until: u64| {
        let body = RelayPass {
            issuer: owner.id,
            registrar: owner.node.id,
            appointment: owner.later.id(&network()),
            holder,
            lines: vec![PassLine { category: Category::CrimSeries, verb: Verb::Read, tlp_ceiling: Tlp::Amber }],
            shown_to: vec![sender],
            from: WallSeconds(at(0).0 + from),
            until: WallSeconds(at(0).0 + until),
            nonce: Nonce([from as u8; 16]),
        };
        verified(body, &[owner.node.seed])
    };
    let (long, short) = (pass(10, 500_000), pass(20, 1_000));
    let now = WallSeconds(at(0).0 + 2_000);
    let (mut held, mut shown) = (PassBook::new(holder), PassBook::new(sender));
    for (book, messenger) in [(&mut held, owner.id), (&mut shown, holder)] {
        assert_eq!(book.learn(&world.directory, long.clone(), Some(messenger), long.body().from), Ok(true));
    }
    assert_eq!(held.learn(&world.directory, short.clone(), Some(owner.id), short.body().from), Ok(true));
    let runs = |book: &PassBook| book.newest_for(&owner.id, &holder, &sender, now).map(|pass| pass.id());
    assert_eq!((runs(&held), runs(&shown)), (None, Some(long.id())), "the sender was not there while the short one ran");
    let word = held.last_word(&owner.id, &holder, &sender, now).expect("still told").clone();
    assert_eq!(word.id(), short.id());
    assert_eq!(shown.learn(&world.directory, word, Some(holder), now), Ok(true));
    assert_eq!(runs(&shown), None, "now it goes by the newest word too");
    let later = WallSeconds(short.body().from.0 + accord_protocol::limits::PASS_LIFE_S_MAX);
    assert!(held.last_word(&owner.id, &holder, &sender, later).is_none(), "no older one can run any more");
}
