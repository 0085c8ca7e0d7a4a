//! What may be sealed, at each bound and one beyond it; and the words that faces and accounts rest on.

use std::collections::BTreeSet;

use accord_keys::seal::Statement;
use accord_protocol::access::Refusal;
use accord_protocol::access::consent::{Consent, ConsentAsk, Consented, OnwardAsk, OnwardRefuse};
use accord_protocol::access::log::{EndKind, FrontierLine, Genesis, Grantee, Kind, Order, OrderAct, Record, RecordKind, Subject};
use accord_protocol::access::pass::{PassLine, RelayPass};
use accord_protocol::agreement::annex::{
    Annex, AnnexError, Article, Cluster, Form, Heads, Liaison, Pairing, Response, Retention, Side, Urgency,
};
use accord_protocol::agreement::book::Clause;
use accord_protocol::agreement::diff::{Change, Way};
use accord_protocol::agreement::lifecycle::Standing;
use accord_protocol::agreement::{Category, Direction, Giver, Grant, Pair, Terms, TermsError, Tlp, Verb};
use accord_protocol::id::{
    AgreementId, BureauId, Bytes, CertificateId, Digest, DocumentId, Nonce, PublicKey, RecordId, RootId, StatementId,
};
use accord_protocol::intake::Held;
use accord_protocol::limits;
use accord_protocol::rules::{self, ActorId, ChangeHash};
use accord_protocol::time::WallSeconds;

use crate::exchange::{at, terms};
use crate::world::{START, world};

/// `n` different ascending ids.
fn ids<T>(n: usize, id: fn([u8; 32]) -> T) -> Vec<T> {
    let one = |n: usize| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&u32::try_from(n).expect("few").to_be_bytes());
        id(bytes)
    };
    (1..=n).map(one).collect()
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("unit {n:04}")).collect()
}

fn line() -> Grant {
    terms(0, 50, &[(Direction::Both, &[Verb::Read], Tlp::Amber)]).grants[0].clone()
}

/// The same numbers stand in docs/PROTOCOL.md: a verdict that moved would part the nodes that know it from those that do not.
#[test]
fn the_bounds_of_changes_and_terms_are_the_ones_the_protocol_states() {
    assert_eq!((rules::CHANGE_BYTES_MAX, rules::OPS_MAX, rules::DEPS_MAX, rules::HEADS_MAX), (245_760, 20_000, 32, 31));
    assert_eq!((rules::VALUE_BYTES_MAX, rules::COUNTER_MAX), (65_536, 2_147_483_647));
    assert_eq!(Terms::VALIDITY_S_MAX, 94_867_200, "three years, each with a leap day");
}

#[test]
fn terms_are_sealed_up_to_each_bound_and_not_one_beyond() {
    let check = |change: &dyn Fn(&mut Terms), expected: Result<(), TermsError>| {
        let mut terms = terms(0, 50, &[(Direction::Both, &[Verb::Read], Tlp::Amber)]);
        change(&mut terms);
        assert_eq!(terms.validate(), expected);
    };
    check(&|_| {}, Ok(()));
    check(&|terms| terms.title = "t".repeat(200), Ok(()));
    check(&|terms| terms.title = "t".repeat(201), Err(TermsError::Title));
    check(&|terms| terms.title = String::new(), Err(TermsError::Title));
    check(&|terms| terms.title = "joint\nwork".to_owned(), Err(TermsError::Title));
    check(&|terms| terms.to = terms.from, Err(TermsError::Validity));
    check(&|terms| terms.from = terms.to.plus(1), Err(TermsError::Validity));
    check(&|terms| terms.to = terms.from.plus(1), Ok(()));
    check(&|terms| terms.to = terms.from.plus(3 * 366 * 86_400), Ok(()));
    check(&|terms| terms.to = terms.from.plus(3 * 366 * 86_400 + 1), Err(TermsError::TooLong));
    check(&|terms| terms.grants = vec![], Err(TermsError::NoGrants));
    check(&|terms| terms.grants = vec![line(); 128], Ok(()));
    check(&|terms| terms.grants = vec![line(); 129], Err(TermsError::TooManyGrants));
    check(&|terms| terms.grace_days = 90, Ok(()));
    check(&|terms| terms.grace_days = 91, Err(TermsError::Grace));
    let second = |change: &dyn Fn(&mut Grant), expected: Result<(), TermsError>| {
        check(
            &|terms| {
                terms.grants.push(line());
                change(&mut terms.grants[1]);
            },
            expected,
        );
    };
    second(&|line| line.verbs = vec![], Err(TermsError::Verbs { line: 2 }));
    second(&|line| line.verbs = vec![Verb::Read, Verb::Append, Verb::Request], Ok(()));
    second(&|line| line.verbs = vec![Verb::Read, Verb::Read], Err(TermsError::Verbs { line: 2 }));
    second(&|line| line.verbs = vec![Verb::Append, Verb::Read], Err(TermsError::Verbs { line: 2 }));
    second(&|line| line.until = Some(at(50)), Ok(()));
    second(&|line| line.until = Some(at(49)), Ok(()));
    second(&|line| line.until = Some(at(51)), Err(TermsError::GrantTooLong { line: 2 }));
    for seats in [false, true] {
        let narrowed = |names: Vec<String>, good: bool| {
            let expected = if good { Ok(()) } else { Err(TermsError::Narrowed { line: 2 }) };
            second(&|line| *(if seats { &mut line.seats } else { &mut line.units }) = Some(names.clone()), expected);
        };
        narrowed(names(1), true);
        narrowed(names(64), true);
        narrowed(names(65), false);
        narrowed(vec![], false);
        narrowed(vec!["b".to_owned(), "a".to_owned()], false);
        narrowed(vec!["a".to_owned(), "a".to_owned()], false);
        narrowed(vec!["a\u{7}".to_owned()], false);
        narrowed(vec!["a".repeat(120)], true);
        narrowed(vec!["a".repeat(121)], false);
    }
}

#[test]
fn an_annex_is_sealed_up_to_each_bound_and_not_one_beyond() {
    let check = |change: &dyn Fn(&mut Annex), word: Option<&str>| {
        let mut terms = terms(0, 50, &[(Direction::Both, &[Verb::Read], Tlp::Amber)]);
        let mut annex = Annex::default();
        change(&mut annex);
        terms.annex = Some(Box::new(annex));
        let error = terms.validate().err().map(|error| error.to_string());
        assert_eq!(error.is_some(), word.is_some(), "{error:?}, expected {word:?}");
        if let Some((error, word)) = error.zip(word) {
            assert!(error.contains(word), "{error}, expected {word}");
        }
    };
    check(&|_| {}, None);
    check(&|annex| annex.number = "n".repeat(120), None);
    check(&|annex| annex.number = "n".repeat(121), Some("number"));
    for (days, good) in [(29, false), (30, true), (365, true), (366, false)] {
        check(&|annex| annex.notice_days = days, (!good).then_some("notice days"));
    }
    check(&|annex| annex.excluded = Category::ALL.to_vec(), None);
    check(&|annex| annex.excluded = vec![Category::Traf, Category::Traf], Some("excluded"));
    check(&|annex| annex.excluded = vec![Category::Env, Category::Traf], Some("excluded"));
    check(&|annex| annex.lifts = ids(limits::LIFTS_MAX, StatementId), None);
    check(&|annex| annex.lifts = ids(limits::LIFTS_MAX + 1, StatementId), Some("lifts"));
    check(&|annex| annex.lifts = ids(2, StatementId).into_iter().rev().collect(), Some("lifts"));
    let pairing = |n: usize| Pairing { offerer_unit: format!("{n:03}"), acceptor_unit: "u".to_owned() };
    check(&|annex| annex.pairings = (0..limits::PAIRINGS_MAX).map(pairing).collect(), None);
    check(&|annex| annex.pairings = (0..=limits::PAIRINGS_MAX).map(pairing).collect(), Some("pairings"));
    check(&|annex| annex.pairings = vec![Pairing { acceptor_unit: String::new(), ..pairing(1) }], Some("unit"));
    check(&|annex| annex.pairings = vec![Pairing { offerer_unit: String::new(), ..pairing(1) }], Some("unit"));
    let response = |urgency, sign_minutes, answer_minutes| Response { urgency, sign_minutes, answer_minutes };
    let most = limits::RESPONSE_MINUTES_MAX;
    for (sign, answer, good) in
        [(1, 1, true), (0, 1, false), (2, 1, false), (most, most, true), (1, most, true), (1, most + 1, false), (most + 1, most + 1, false)]
    {
        check(&|annex| annex.responses = vec![response(Urgency::Flash, sign, answer)], (!good).then_some("minutes"));
    }
    check(&|annex| annex.responses = Urgency::ALL.map(|urgency| response(urgency, 1, 2)).to_vec(), None);
    check(&|annex| annex.responses = vec![response(Urgency::Flash, 1, 2); 2], Some("response"));
    let liaison = || Liaison {
        side: Side::Offerer,
        category: None,
        seat: "duty".to_owned(),
        deputy: None,
        phone: "0000 110".to_owned(),
        may_order: true,
    };
    check(&|annex| annex.liaisons = vec![liaison(); limits::LIAISONS_MAX], None);
    check(&|annex| annex.liaisons = vec![liaison(); limits::LIAISONS_MAX + 1], Some("liaisons"));
    check(&|annex| annex.liaisons = vec![Liaison { deputy: Some(String::new()), ..liaison() }], Some("deputy"));
    check(&|annex| annex.liaisons = vec![Liaison { phone: String::new(), ..liaison() }], Some("phone"));
    check(&|annex| annex.liaisons = vec![Liaison { seat: String::new(), ..liaison() }], Some("seat"));
    let cluster = |units| Cluster { name: "border".to_owned(), units: names(units) };
    check(&|annex| annex.clusters = vec![cluster(64); 2], None);
    check(&|annex| annex.clusters = vec![cluster(65)], Some("cluster"));
    check(&|annex| annex.clusters = vec![cluster(0)], Some("cluster"));
    check(&|annex| annex.clusters = vec![cluster(1); limits::CLUSTERS_MAX], None);
    check(&|annex| annex.clusters = vec![cluster(1); limits::CLUSTERS_MAX + 1], Some("clusters"));
    let kept = |days| vec![Retention { category: Category::Traf, days }];
    for (days, good) in [(0, false), (1, true), (3_660, true), (3_661, false)] {
        check(&|annex| annex.retention = kept(days), (!good).then_some("days of retention"));
    }
    check(&|annex| annex.retention = [kept(1), kept(2)].concat(), Some("retention"));
    let heads = |offerer: &str, acceptor: &str| Heads { offerer: offerer.to_owned(), acceptor: acceptor.to_owned() };
    check(&|annex| annex.heads = Some(heads("a", "b")), None);
    check(&|annex| annex.heads = Some(heads("", "b")), Some("head"));
    check(&|annex| annex.heads = Some(heads("a", "")), Some("head"));
    let article = |text: &str| Article { title: "Costs".to_owned(), text: text.to_owned() };
    check(&|annex| annex.articles = vec![article("Each bears its own.\n\nNothing is set off.")], None);
    check(&|annex| annex.articles = vec![article(&"a".repeat(4_000))], None);
    check(&|annex| annex.articles = vec![article(&"a".repeat(4_001))], Some("more than 4000"));
    check(&|annex| annex.articles = vec![article(&["a"; 2_001].join("\n"))], Some("more than 4000"));
    check(&|annex| annex.articles = vec![article("\n\n")], Some("is empty"));
    check(&|annex| annex.articles = vec![article("a"); limits::ARTICLES_MAX], None);
    check(&|annex| annex.articles = vec![article("a"); limits::ARTICLES_MAX + 1], Some("articles"));
    check(&|annex| annex.articles = vec![article(&"a".repeat(3_900)); 6], Some("at most 20480"));
}

#[test]
fn the_size_of_terms_with_an_annex_is_bounded_to_the_byte() {
    let of = |bytes: usize| {
        let mut terms = terms(0, 50, &[(Direction::Both, &[Verb::Read], Tlp::Amber)]);
        let article = |bytes: usize| Article { title: "Costs".to_owned(), text: "a".repeat(bytes) };
        let articles = [3_900, 3_900, 3_900, 3_900, 3_000, bytes].map(article).to_vec();
        terms.annex = Some(Box::new(Annex { articles, ..Annex::default() }));
        terms
    };
    let rest = limits::TERMS_BYTES_MAX - accord_keys::canon::encode(&of(1_000)).len();
    assert_eq!(of(1_000 + rest).validate(), Ok(()));
    let found = limits::TERMS_BYTES_MAX + 1;
    assert_eq!(of(1_001 + rest).validate(), Err(TermsError::Size { found, most: limits::TERMS_BYTES_MAX }));
}

#[test]
fn an_emergency_agreement_is_for_a_day_of_aid_and_nothing_else() {
    let check = |change: &dyn Fn(&mut Terms, &mut Annex), expected: Result<(), &'static str>| {
        let mut terms = terms(0, 86_400, &[(Direction::Both, &[Verb::Read], Tlp::Amber)]);
        (terms.grants[0].category, terms.grace_days) = (Category::FireAid, 0);
        let mut annex = Annex { form: Form::Emergency, notice_days: 0, ..Annex::default() };
        change(&mut terms, &mut annex);
        terms.annex = Some(Box::new(annex));
        assert_eq!(terms.validate(), expected.map_err(|why| AnnexError::Emergency(why).into()));
    };
    check(&|_, _| {}, Ok(()));
    check(&|terms, _| terms.grants[0].category = Category::ForceAid, Ok(()));
    check(&|terms, _| terms.grants[0].category = Category::Traf, Err("grants aid categories only"));
    check(&|terms, _| terms.to = at(86_401), Err("lasts at most 24 hours"));
    check(&|terms, _| terms.grace_days = 1, Err("has no notice and no grace"));
    check(&|_, annex| annex.notice_days = 30, Err("has no notice and no grace"));
    check(&|_, annex| annex.emergency_clause = true, Err("lifts nothing and belongs to nothing"));
    check(&|_, annex| annex.compact = ids(1, accord_protocol::id::CompactId).pop(), Err("lifts nothing and belongs to nothing"));
    check(&|_, annex| annex.lifts = ids(1, StatementId), Err("lifts nothing and belongs to nothing"));
}

#[test]
fn a_line_is_for_the_units_and_seats_it_names_and_a_pair_is_the_same_from_either_side() {
    let named = |units: &[&str], seats: &[&str]| {
        let list = |names: &[&str]| (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect());
        Grant { units: list(units), seats: list(seats), ..line() }
    };
    let meant = |line: Grant| line.is_for("second squad", &["duty".to_owned(), "archive".to_owned()]);
    assert!(meant(named(&[], &[])));
    assert!(meant(named(&["first squad", "second squad"], &[])) && !meant(named(&["first squad"], &[])));
    assert!(meant(named(&[], &["archive"])) && !meant(named(&[], &["chief"])));
    assert!(meant(named(&["second squad"], &["duty"])));
    assert!(!meant(named(&["first squad"], &["duty"])) && !meant(named(&["second squad"], &["chief"])));
    let [one, other, third] = [1, 2, 3].map(|n| BureauId([n; 32]));
    assert_eq!(Pair::of(one, other), Pair::of(other, one));
    let pair = Pair::of(one, other);
    assert!(pair.holds(&one) && pair.holds(&other) && !pair.holds(&third));
    assert_eq!((pair.other(&one), pair.other(&other)), (other, one));
}

#[test]
fn a_line_gives_until_its_own_end_and_every_line_that_gives_is_named() {
    let mut terms = terms(0, 50, &[(Direction::OffererGives, &[Verb::Append], Tlp::Amber), (Direction::Both, &[Verb::Read], Tlp::Red)]);
    terms.grants[0].until = Some(at(10));
    let lines = |terms: &Terms, giver, tlp, now| terms.lines(giver, Category::CrimSeries, tlp, Verb::Read, at(now)).collect::<Vec<_>>();
    assert_eq!(lines(&terms, Giver::Offerer, Tlp::Amber, 9), [0, 1]);
    assert_eq!(lines(&terms, Giver::Offerer, Tlp::Amber, 10), [1]);
    assert_eq!(lines(&terms, Giver::Acceptor, Tlp::Amber, 9), [1]);
    assert_eq!(lines(&terms, Giver::Offerer, Tlp::AmberStrict, 9), [1]);
    let mirrored = terms.mirrored();
    assert_eq!(lines(&mirrored, Giver::Acceptor, Tlp::Amber, 9), [0, 1], "mirrored, the acceptor gives");
    assert_eq!(mirrored.mirrored(), terms);
    terms.annex = Some(Box::new(Annex { excluded: vec![Category::CrimSeries], ..Annex::default() }));
    assert_eq!(lines(&terms, Giver::Offerer, Tlp::Amber, 9), Vec::<usize>::new());
}

fn bureaus(n: usize) -> Vec<BureauId> {
    ids(n, BureauId)
}

#[test]
fn a_pass_is_sealed_up_to_each_bound_and_not_one_beyond() {
    let lines: Vec<PassLine> = Category::ALL
        .iter()
        .flat_map(|category| [Verb::Read, Verb::Append].map(|verb| PassLine { category: *category, verb, tlp_ceiling: Tlp::Amber }))
        .collect();
    let good = RelayPass {
        issuer: BureauId([0xf1; 32]),
        registrar: CertificateId([1; 32]),
        appointment: StatementId([2; 32]),
        holder: BureauId([0xf2; 32]),
        lines: lines[..2].to_vec(),
        shown_to: bureaus(2),
        from: START,
        until: START.plus(limits::PASS_LIFE_S_MAX),
        nonce: Nonce([3; 16]),
    };
    let check = |change: &dyn Fn(&mut RelayPass), expected: bool| {
        let mut pass = good.clone();
        change(&mut pass);
        assert_eq!(pass.validate().is_ok(), expected, "{pass:?}");
    };
    check(&|_| {}, true);
    check(&|pass| pass.holder = pass.issuer, false);
    check(&|pass| pass.lines = vec![], false);
    check(&|pass| pass.lines = lines.clone(), true);
    check(&|pass| pass.lines = vec![lines[1], lines[0]], false);
    check(&|pass| pass.lines = vec![lines[0], lines[0]], false);
    check(&|pass| pass.lines[1].verb = Verb::Request, false);
    check(&|pass| pass.shown_to = vec![], true);
    check(&|pass| pass.shown_to = bureaus(limits::PASS_SHOWN_MAX), true);
    check(&|pass| pass.shown_to = bureaus(limits::PASS_SHOWN_MAX + 1), false);
    check(&|pass| pass.shown_to.reverse(), false);
    check(&|pass| pass.shown_to[1] = pass.shown_to[0], false);
    check(&|pass| pass.shown_to.push(pass.issuer), false);
    check(&|pass| pass.shown_to.push(pass.holder), false);
    check(&|pass| pass.until = pass.from, false);
    check(&|pass| pass.until = pass.from.plus(1), true);
    check(&|pass| pass.from = pass.until.plus(1), false);
    check(&|pass| pass.until = pass.from.plus(limits::PASS_LIFE_S_MAX + 1), false);
    // It runs from its first second to before its last, and covers what its lines say.
    let runs = |at: u64| good.runs(WallSeconds(at));
    assert!(!runs(START.0 - 1) && runs(START.0) && runs(good.until.0 - 1) && !runs(good.until.0));
    assert!(good.covers(lines[0].category, Tlp::Amber) && good.covers(lines[0].category, Tlp::Clear));
    assert!(!good.covers(lines[0].category, Tlp::AmberStrict) && !good.covers(Category::Admin, Tlp::Clear));
    assert!(good.names(&bureaus(1)[0]) && !good.names(&good.holder));
}

#[test]
fn asks_and_consents_are_sealed_up_to_each_bound_and_not_one_beyond() {
    let [one, other] = [1, 2].map(|n| BureauId([n; 32]));
    let ask = OnwardAsk {
        document: DocumentId([1; 32]),
        via: one,
        recipient: other,
        recipient_name: "Bureau 3".to_owned(),
        verb: Verb::Read,
        purpose: "search".to_owned(),
        urgency: Urgency::Routine,
        answer_by: at(10),
        officer: CertificateId([1; 32]),
        at: at(0),
        nonce: Nonce([1; 16]),
    };
    let check = |change: &dyn Fn(&mut OnwardAsk), expected: bool| {
        let mut ask = ask.clone();
        change(&mut ask);
        assert_eq!(ask.validate().is_ok(), expected, "{ask:?}");
    };
    check(&|_| {}, true);
    check(&|ask| ask.recipient = ask.via, false);
    check(&|ask| ask.verb = Verb::Append, true);
    check(&|ask| ask.verb = Verb::Request, false);
    check(&|ask| ask.recipient_name = String::new(), false);
    check(&|ask| ask.purpose = " ".to_owned(), false);
    check(&|ask| ask.purpose = "p".repeat(500), true);
    check(&|ask| ask.purpose = "p".repeat(501), false);
    check(&|ask| ask.purpose = "p\u{7}".to_owned(), false);
    check(&|ask| ask.answer_by = ask.at, false);
    check(&|ask| ask.answer_by = ask.at.plus(1), true);
    let consent = ConsentAsk {
        document: DocumentId([1; 32]),
        contributor: one,
        recipient: other,
        recipient_name: "Bureau 3".to_owned(),
        verb: Verb::Read,
        tlp: Tlp::Amber,
        until: None,
        purpose: String::new(),
        officer: CertificateId([1; 32]),
        at: at(5),
        nonce: Nonce([1; 16]),
        answer_by: None,
    };
    let check = |change: &dyn Fn(&mut ConsentAsk), expected: bool| {
        let mut ask = consent.clone();
        change(&mut ask);
        assert_eq!(ask.validate().is_ok(), expected, "{ask:?}");
    };
    check(&|_| {}, true);
    check(&|ask| ask.recipient = ask.contributor, false);
    check(&|ask| ask.verb = Verb::Request, false);
    check(&|ask| ask.purpose = "p".repeat(501), false);
    check(&|ask| ask.answer_by = Some(ask.at), false);
    check(&|ask| ask.answer_by = Some(at(4)), false);
    check(&|ask| ask.answer_by = Some(ask.at.plus(1)), true);
    check(&|ask| ask.answer_by = Some(ask.at.plus(30 * 86_400)), true);
    check(&|ask| ask.answer_by = Some(ask.at.plus(30 * 86_400 + 1)), false);
    assert_eq!(consent.lapses(), consent.at.plus(7 * 86_400));
    assert_eq!(ConsentAsk { answer_by: Some(at(9)), ..consent }.lapses(), at(9));
    let refuse =
        |reason: &str| OnwardRefuse { ask: StatementId([1; 32]), officer: CertificateId([1; 32]), reason: reason.to_owned(), at: at(0) };
    assert!(refuse("harm").validate().is_ok() && refuse(&"r".repeat(501)).validate().is_err() && refuse("\u{7}").validate().is_err());
    let consent = |recipient, verb| Consent {
        document: DocumentId([1; 32]),
        contributor: one,
        recipient,
        verb,
        tlp: Tlp::Amber,
        until: None,
        officer: CertificateId([1; 32]),
        at: at(0),
        nonce: Nonce([1; 16]),
        ask: None,
    };
    assert!(consent(other, Verb::Append).validate().is_ok());
    assert!(consent(one, Verb::Read).validate().is_err() && consent(other, Verb::Request).validate().is_err());
    let consented = Consented { tlp: Tlp::Amber, until: Some(at(10)) };
    assert!(consented.covers(Tlp::Amber, at(9)) && !consented.covers(Tlp::Amber, at(10)) && !consented.covers(Tlp::Red, at(9)));
}

#[test]
fn orders_and_records_hold_so_much_and_no_more() {
    let world = world();
    let grantees = |n: usize| bureaus(n).into_iter().map(|bureau| Grantee::plain(bureau, Verb::Read, None)).collect::<Vec<_>>();
    let reason = |n: usize| "r".repeat(n);
    let subject = || Subject::Bureau(BureauId([1; 32]));
    let all = [Verb::Read, Verb::Append, Verb::Request];
    let order = Order {
        document: DocumentId([1; 32]),
        officer: CertificateId([1; 32]),
        act: OrderAct::End(EndKind::Disown),
        at: START,
        nonce: Nonce([1; 16]),
    };
    let (changes, blobs, heads) = (|n| ids(n, ChangeHash), |n| ids(n, Digest), |n| ids(n, RecordId));
    for (act, good) in [
        (OrderAct::End(EndKind::Disown), true),
        (OrderAct::Grant(vec![]), false),
        (OrderAct::Grant(grantees(limits::AUDIENCE_MAX)), true),
        (OrderAct::Grant(grantees(limits::AUDIENCE_MAX + 1)), false),
        (OrderAct::Cut(subject(), vec![], false), false),
        (OrderAct::Cut(subject(), all.to_vec(), false), true),
        (OrderAct::Cut(subject(), vec![Verb::Read; 4], false), false),
        (OrderAct::Admit(vec![]), false),
        (OrderAct::Admit(changes(limits::ADMIT_TIPS_MAX)), true),
        (OrderAct::Admit(changes(limits::ADMIT_TIPS_MAX + 1)), false),
        (OrderAct::Void(changes(1), String::new()), false),
        (OrderAct::Void(vec![], reason(1)), false),
        (OrderAct::Void(changes(1), reason(limits::REASON_BYTES_MAX)), true),
        (OrderAct::Void(changes(1), reason(limits::REASON_BYTES_MAX + 1)), false),
        (OrderAct::Void(changes(1), "a\nb".to_owned()), false),
        (OrderAct::Void(changes(1), "a\u{7}".to_owned()), false),
        (OrderAct::Void(changes(limits::VOIDS_MAX + 1), reason(1)), false),
        (OrderAct::Reclassify(Tlp::Red, vec![]), true),
        (OrderAct::Reclassify(Tlp::Red, bureaus(limits::AUDIENCE_MAX + 1)), false),
        (OrderAct::Erase(vec![]), false),
        (OrderAct::Erase(blobs(limits::ERASED_MAX + 1)), false),
        (OrderAct::Continue(heads(1)), false),
        (OrderAct::Continue(heads(2)), true),
        (OrderAct::Continue(heads(2).into_iter().rev().collect()), false),
        (OrderAct::Continue(heads(limits::LOG_HEADS_MAX + 1)), false),
    ] {
        assert_eq!(Order { act: act.clone(), ..order.clone() }.validate().is_ok(), good, "{act:?}");
    }
    let previous = heads(1)[0];
    let (none, some) = (|| Bytes(vec![]), || Bytes(vec![1]));
    let adopt = |number: &str, tips| RecordKind::Adopt(number.to_owned(), tips);
    let cut = || RecordKind::Cut(subject(), vec![Verb::Append], vec![], false, none());
    let line = |actor| FrontierLine { actor, position: 1, attestation: Digest([0; 32]) };
    let actor = |bytes: [u8; 32]| ActorId(*bytes.first_chunk().expect("longer"));
    let frontier = |n| ids(n, actor).into_iter().map(line).collect::<Vec<_>>();
    let (open, last) = (limits::RECORDS_MAX - limits::RECORDS_RESERVED, limits::RECORDS_MAX - 1);
    let sample = world.record(DocumentId([1; 32]), 1, previous, adopt("1", vec![])).body().clone();
    for (index, kind, good) in [
        (1, adopt(&"n".repeat(120), changes(limits::TIPS_MAX)), true),
        (1, adopt("1", changes(limits::TIPS_MAX + 1)), false),
        (1, RecordKind::End(EndKind::Disown, some()), true),
        (1, RecordKind::End(EndKind::Retention, none()), false),
        (2, RecordKind::End(EndKind::Retention, none()), true),
        (2, RecordKind::Admit(changes(limits::ADMIT_TIPS_MAX), some()), true),
        (2, RecordKind::Admit(changes(limits::ADMIT_TIPS_MAX + 1), some()), false),
        (2, RecordKind::Anchor(changes(limits::ADMIT_TIPS_MAX + 1)), true),
        (2, RecordKind::Grant(grantees(limits::AUDIENCE_MAX), some()), true),
        (2, RecordKind::Grant(grantees(limits::AUDIENCE_MAX + 1), some()), false),
        (2, RecordKind::Grant([grantees(1), grantees(1)].concat(), some()), false),
        (2, RecordKind::Cut(subject(), vec![Verb::Append], frontier(limits::FRONTIER_MAX), false, none()), true),
        (2, RecordKind::Cut(subject(), vec![Verb::Append], frontier(limits::FRONTIER_MAX + 1), false, none()), false),
        (2, RecordKind::GrantWith(grantees(1), some(), vec![]), false),
        (2, RecordKind::GrantWith(grantees(1), some(), vec![some()]), true),
        (2, RecordKind::GrantWith(grantees(1), some(), vec![some(), some()]), false),
        (2, RecordKind::Void(changes(1), reason(1), some()), true),
        (2, RecordKind::Void(vec![], reason(1), some()), false),
        (2, RecordKind::Void(changes(1), String::new(), some()), false),
        (2, RecordKind::Void(changes(1), reason(limits::REASON_BYTES_MAX), some()), true),
        (2, RecordKind::Void(changes(1), reason(limits::REASON_BYTES_MAX + 1), some()), false),
        (2, RecordKind::Reclassify(Tlp::Red, bureaus(2), some()), true),
        (2, RecordKind::Reclassify(Tlp::Red, bureaus(2).into_iter().rev().collect(), some()), false),
        (2, RecordKind::Erase(blobs(1), some()), true),
        (2, RecordKind::Erase(blobs(0), some()), false),
        (2, RecordKind::Continue(heads(2), false, none()), true),
        (2, RecordKind::Continue(heads(2), false, some()), false),
        (2, RecordKind::Continue(heads(2), true, some()), true),
        (2, RecordKind::Continue(heads(2), true, none()), false),
        (2, RecordKind::Continue(heads(1), false, none()), false),
        (2, RecordKind::Continue(heads(3)[1..].to_vec(), false, none()), false),
        (open - 1, RecordKind::Admit(changes(1), some()), true),
        (open, RecordKind::Admit(changes(1), some()), false),
        (last, cut(), true),
        (last + 1, cut(), false),
    ] {
        let record = Record { index, kind: kind.clone(), ..sample.clone() };
        assert_eq!(record.validate().is_ok(), good, "record {index}: {kind:?}");
    }
}

#[test]
fn a_genesis_holds_so_much_and_no_more() {
    let good = world().genesis_under(Kind::Case, &[(1, Verb::Append)], 2).body().clone();
    let check = |change: &dyn Fn(&mut Genesis), expected: bool| {
        let mut genesis = good.clone();
        change(&mut genesis);
        assert_eq!(genesis.validate().is_ok(), expected, "{genesis:?}");
    };
    let grantees = |n: usize| bureaus(n).into_iter().map(|bureau| Grantee::plain(bureau, Verb::Read, None)).collect::<Vec<_>>();
    check(&|_| {}, true);
    check(&|genesis| genesis.audience = grantees(limits::AUDIENCE_MAX), true);
    check(&|genesis| genesis.audience = grantees(limits::AUDIENCE_MAX + 1), false);
    type Condition = fn(&mut Grantee);
    let conditions: [Condition; 5] = [
        |grantee| grantee.via = Some(BureauId([9; 32])),
        |grantee| grantee.tlp = Some(Tlp::Green),
        |grantee| grantee.until = Some(START),
        |grantee| grantee.no_fourth = true,
        |grantee| grantee.ask = Some(StatementId([9; 32])),
    ];
    for condition in conditions {
        check(&|genesis| condition(&mut genesis.audience[0]), true);
        let first = |genesis: &mut Genesis| {
            genesis.rules = 1;
            condition(&mut genesis.audience[0]);
        };
        check(&first, false);
    }
    let hidden = |n: usize| {
        move |genesis: &mut Genesis| {
            (genesis.kind, genesis.audience, genesis.hidden) = (Kind::Bulletin, vec![], Some(ids(n, Digest)));
        }
    };
    let hidden_and = |change: Condition2| {
        move |genesis: &mut Genesis| {
            hidden(8)(genesis);
            change(genesis);
        }
    };
    check(&hidden(8), true);
    check(&hidden(0), false);
    check(&hidden_and(|genesis| genesis.hidden = genesis.hidden.as_ref().map(|all| vec![all[0]; 8])), false);
    check(&hidden(7), false);
    check(&hidden(limits::HIDDEN_MAX), true);
    check(&hidden(limits::HIDDEN_MAX + 8), false);
    check(&hidden_and(|genesis| genesis.rules = 1), false);
    check(&hidden_and(|genesis| genesis.kind = Kind::Case), false);
    check(&hidden_and(|genesis| genesis.audience = vec![Grantee::plain(BureauId([9; 32]), Verb::Read, None)]), false);
    check(&hidden_and(|genesis| genesis.hidden.as_mut().expect("set").reverse()), false);
}
type Condition2 = fn(&mut Genesis);

/// All words of one kind: as they always were, and no two alike.
fn words<T>(all: &[(T, &str)], word: fn(&T) -> &str) {
    for (one, expected) in all {
        assert_eq!(word(one), *expected);
    }
    let different: BTreeSet<&str> = all.iter().map(|(one, _)| word(one)).collect();
    assert_eq!(different.len(), all.len());
}

#[test]
fn the_words_of_faces_and_accounts_are_what_they_always_were() {
    let bureau = BureauId([1; 32]);
    let subjects = [
        (Subject::Bureau(bureau), "bureau"),
        (Subject::Key(PublicKey([1; 32])), "key"),
        (Subject::Certificate(CertificateId([1; 32])), "certificate"),
        (Subject::Seat(bureau, "duty".to_owned()), "seat"),
        (Subject::Unit(bureau, "squad".to_owned()), "unit"),
        (Subject::Issuer(CertificateId([1; 32])), "issuer"),
        (Subject::Root(RootId([1; 32])), "root"),
    ];
    words(&subjects, |subject| subject.word());
    words(&[(EndKind::Retention, "retention"), (EndKind::Disown, "disown")], |kind| kind.word());
    words(&[(Kind::Bulletin, "bulletin"), (Kind::Draft, "draft"), (Kind::Case, "case")], |kind| kind.word());
    words(&[(Verb::Read, "read"), (Verb::Append, "append"), (Verb::Request, "request")], |verb| verb.word());
    words(&[(Way::WeGive, "we_give"), (Way::TheyGive, "they_give")], |way| way.word());
    let changes = [
        (Change::Added, "added"),
        (Change::Removed, "removed"),
        (Change::Widened, "widened"),
        (Change::Narrowed, "narrowed"),
        (Change::Changed, "changed"),
    ];
    words(&changes, |change| change.word());
    let held = [
        (Held::Fork, "fork"),
        (Held::Cut(RecordId([1; 32])), "cut"),
        (Held::Ended, "ended"),
        (Held::Citation, "citation"),
        (Held::Right, "right"),
        (Held::Dependency, "dependency"),
    ];
    words(&held, |held| held.word());
    let urgencies = Urgency::ALL.into_iter().zip(["flash", "urgent", "priority", "routine"]).collect::<Vec<_>>();
    words(&urgencies, |urgency| urgency.word());
    for (urgency, word) in &urgencies {
        assert_eq!(Urgency::from_word(&format!(" {word} ")), Some(*urgency));
    }
    assert_eq!(Urgency::from_word("soon"), None);
    for verb in [Verb::Read, Verb::Append, Verb::Request] {
        assert_eq!(Verb::from_word(verb.word()), Some(verb));
    }
    assert_eq!((Verb::from_word("own"), Tlp::from_word("BLUE")), (None, None));
    let lights = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red];
    words(&lights.into_iter().zip(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]).collect::<Vec<_>>(), |tlp| tlp.word());
    for tlp in lights {
        assert_eq!(Tlp::from_word(tlp.word()), Some(tlp));
    }
    let standings = [
        "offered",
        "lapsed",
        "declined",
        "accepted",
        "not_yet",
        "in_force",
        "suspended",
        "under_notice",
        "expired",
        "winding_down",
        "ended",
        "superseded",
    ];
    words(&Standing::ALL.into_iter().zip(standings).collect::<Vec<_>>(), |standing| standing.word());
    let in_force = |standing: &Standing| matches!(standing, Standing::InForce | Standing::UnderNotice);
    assert!(Standing::ALL.iter().all(|standing| standing.is_in_force() == in_force(standing)));
    let aid: Vec<&str> = Category::ALL.iter().filter(|category| category.is_aid()).map(|category| category.code()).collect();
    assert_eq!(aid, ["FIRE.AID", "FORCE.AID"]);
}

#[test]
fn a_refusal_has_its_word_and_cites_what_it_rests_on_and_nothing_else() {
    let (document, bureau, record) = (DocumentId([1; 32]), BureauId([2; 32]), RecordId([3; 32]));
    let (agreement, pass, certificate) = (AgreementId([4; 32]), StatementId([5; 32]), CertificateId([6; 32]));
    let (category, tlp, verb) = (Category::Traf, Tlp::Amber, Verb::Read);
    let clause = Clause { agreement, line: 7 };
    let line = format!("{}#7", agreement.short());
    let other = BureauId([8; 32]);
    let all = [
        (Refusal::NotInLog { document, bureau, verb }, "not_in_log", bureau.short()),
        (Refusal::Cut { document, bureau, record }, "cut", record.short()),
        (Refusal::Suspended { statement: pass }, "suspended", pass.short()),
        (Refusal::Excluded { agreement, category }, "excluded", agreement.short()),
        (Refusal::WindingDown { agreement }, "winding_down", agreement.short()),
        (Refusal::Ended { agreement }, "ended", agreement.short()),
        (Refusal::NoAgreement { one: bureau, other }, "no_agreement", String::new()),
        (Refusal::Expired { agreement }, "expired", agreement.short()),
        (Refusal::NotYet { agreement }, "not_yet", agreement.short()),
        (Refusal::NotGranted { giver: bureau, receiver: other, category, tlp, verb }, "not_granted", "TRAF".to_owned()),
        (Refusal::Ceiling { clause, tlp }, "ceiling", line.clone()),
        (Refusal::GrantEnded { bureau, record, until: START }, "grant_ended", record.short()),
        (Refusal::GrantCeiling { bureau, record, ceiling: tlp }, "grant_ceiling", record.short()),
        (Refusal::NoConsent { document, bureau, contributor: other }, "no_consent", other.short()),
        (Refusal::NoPass { document, bureau }, "no_pass", bureau.short()),
        (Refusal::PassExpired { pass }, "pass_expired", pass.short()),
        (Refusal::PassNotNamed { pass, bureau }, "pass_not_named", pass.short()),
        (Refusal::PassNotGranted { pass, category, tlp }, "pass_not_granted", pass.short()),
        (Refusal::HiddenAudience { document }, "hidden_audience", String::new()),
        (Refusal::NoFourth { bureau, record }, "no_fourth", record.short()),
        (Refusal::OnwardNone { clause }, "onward_none", line.clone()),
        (Refusal::OutOfTouch, "out_of_touch", String::new()),
        (Refusal::NotThisMember { certificate, verb }, "not_this_member", certificate.short()),
        (Refusal::NotTheirSeat { certificate, clause }, "not_their_seat", line.clone()),
        (Refusal::ReadingLocked { clause: Some(clause), since: START, days: 7 }, "reading_locked", line),
        (Refusal::ReadingLocked { clause: None, since: START, days: 30 }, "reading_locked", String::new()),
    ];
    for (refusal, word, cites) in &all {
        assert_eq!((refusal.word(), refusal.cites()), (*word, cites.clone()));
    }
}
