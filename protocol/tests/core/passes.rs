//! Relay passes as they are issued and shown.

use std::collections::{BTreeMap, BTreeSet};

use accord_keys::appointment::Appointment;
use accord_keys::certificate::{Issuer, MemberCertificate};
use accord_keys::directory::Directory;
use accord_keys::root::RootStatement;
use accord_keys::seal::Sealed;
use accord_keys::secret::{SecretKey, Signer};
use accord_protocol::access::pass::{PassBook, PassError, PassLine, RelayPass};
use accord_protocol::agreement::{Category, Tlp, Verb};
use accord_protocol::id::{BureauId, Bytes, CertificateId, NetworkId, Nonce, StatementId};
use accord_protocol::input::{Command, Draft, LinkId};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::time::WallSeconds;
use accord_protocol::wire::{self, Message};

use crate::county::{County, usual};
use crate::world::{START, bureau, key};

const COUNT: usize = 5;

/// The newest pass a node keeps of each issuer and holder; two that run from the same second would leave open which is newer.
fn newest(county: &County, at: usize) -> BTreeMap<(BureauId, BureauId), RelayPass> {
    let mut newest: BTreeMap<_, RelayPass> = BTreeMap::new();
    for ((_, _), bytes) in county.nodes[at].rows.iter().filter(|((table, _), _)| *table == Table::Passes) {
        let pass = wire::relay_pass(&NetworkId::named("county"), bytes).expect("what is stored verifies").body().clone();
        let key = (pass.issuer, pass.holder);
        match newest.get(&key) {
            Some(other) if other.from == pass.from => panic!("two passes begin at {:?}", pass.from),
            Some(other) if other.from > pass.from => {}
            _ => drop(newest.insert(key, pass)),
        }
    }
    newest
}

#[test]
fn passes_issued_within_one_second_replace_each_other_in_the_order_they_were_issued() {
    let mut county = County::new(COUNT as u8);
    for one in 0..COUNT {
        for other in one + 1..COUNT {
            county.agree(one, other, usual(county.now.wall));
        }
    }
    // What came too thick to be shown at once follows after a pause.
    county.pass(10);
    let ids: BTreeSet<BureauId> = county.nodes.iter().map(|node| node.id).collect();
    for at in 0..COUNT {
        let own = county.nodes[at].id;
        let issued = county.nodes[at].accounts.iter().filter(|line| line.kind == "pass_issued").count();
        // With the k-th partner every one of the k gets a pass that names the others.
        assert_eq!(issued, (1..COUNT).sum::<usize>(), "node {at}");
        for ((issuer, holder), pass) in newest(&county, at) {
            assert!(issuer == own || holder == own || pass.names(&own));
            let others: BTreeSet<BureauId> = ids.iter().copied().filter(|id| *id != issuer && *id != holder).collect();
            assert_eq!(pass.shown_to.iter().copied().collect::<BTreeSet<_>>(), others, "node {at}: of {issuer:?} for {holder:?}");
        }
        // Each keeps its own for the others, theirs for it, and those that name it.
        assert_eq!(newest(&county, at).len(), COUNT * (COUNT - 1), "node {at}");
    }
}

const A: usize = 0;
const M: usize = 1;
const C: usize = 2;

/// A pass that a bureau of the county seals for a holder, naming the first bureau.
fn sealed(county: &County, issuer: usize, holder: BureauId, from: WallSeconds, categories: &[Category]) -> Bytes {
    sealed_to(county, issuer, holder, vec![county.nodes[A].id], from, categories)
}

fn sealed_to(
    county: &County,
    issuer: usize,
    holder: BureauId,
    shown_to: Vec<BureauId>,
    from: WallSeconds,
    categories: &[Category],
) -> Bytes {
    let node = &county.nodes[issuer];
    let directory = node.core.directory();
    let appointment = directory.bureau(&node.id).expect("known").appointments().next().expect("appointed").id();
    let line = |category: &Category| PassLine { category: *category, verb: Verb::Read, tlp_ceiling: Tlp::Amber };
    let pass = RelayPass {
        issuer: node.id,
        registrar: node.identity.certificate,
        appointment,
        holder,
        lines: categories.iter().map(line).collect(),
        shown_to,
        from,
        until: from.plus(86_400),
        nonce: Nonce([4; 16]),
    };
    let signer = node.identity.signer.as_ref();
    Bytes(Sealed::seal(&NetworkId::named("county"), pass, &[signer]).expect("well formed").to_bytes())
}

/// Passes that each replace the one before, every second of which gives less.
fn flood(county: &mut County, issuer: usize, holder: BureauId, first: WallSeconds, count: u64) {
    let mut both = [Category::CrimSeries, Category::Traf];
    both.sort();
    for n in 0..count {
        let lines = if n.is_multiple_of(2) { &both[..] } else { &both[..1] };
        let pass = sealed(county, issuer, holder, first.plus(n), lines);
        county.hand(M, A, &Message::Passes(vec![pass]));
    }
}

fn kept(county: &County, table: Table) -> usize {
    county.nodes[A].rows.keys().filter(|(of, _)| *of == table).count()
}

fn three() -> County {
    let mut county = County::new(3);
    for (one, other) in [(A, M), (A, C), (M, C)] {
        county.agree(one, other, usual(county.now.wall));
    }
    county.pass(900);
    county
}

#[test]
fn an_issuer_does_not_speak_for_a_holder_it_made_up() {
    let mut county = three();
    let (epoch, passes) = (county.nodes[A].core.policy_epoch(), kept(&county, Table::Passes));
    let first = WallSeconds(county.now.wall.0 - 300);
    flood(&mut county, M, BureauId([9; 32]), first, 40);
    assert_eq!(kept(&county, Table::Passes), passes, "a holder shows its passes itself");
    assert_eq!(county.nodes[A].core.policy_epoch(), epoch);
}

#[test]
fn passes_that_give_less_stop_what_is_on_its_way_by_them_and_nothing_else() {
    let mut county = three();
    let holder = county.nodes[M].id;
    let numbers = |county: &County| {
        let gates = county.nodes[A].core.gates();
        (gates.of(LinkId(M as u64)), gates.of(LinkId(C as u64)))
    };
    let before = numbers(&county);
    let first = WallSeconds(county.now.wall.0 - 300);
    flood(&mut county, C, holder, first, 40);
    assert_eq!(numbers(&county), before, "nothing was on its way to the holder");
    county.run();
    // Nor does it help to have them begin one after the other, or to have our own documents on their way: these go by no pass.
    let draft = Draft { title: "title".to_owned(), text: "text".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let with = vec![county.nodes[M].name.clone(), county.nodes[C].name.clone()];
    county.ask(A, Command::CaseOpen { draft, with, continues: None });
    assert!(county.nodes[A].has_sends_to(M) && county.nodes[A].has_sends_to(C));
    let first = county.now.wall.plus(20);
    flood(&mut county, C, holder, first, 30);
    county.pass_quietly(25);
    assert_eq!(numbers(&county), before);
    county.pass(120);
    assert!(county.nodes[M].items.len() == county.nodes[C].items.len() && !county.nodes[M].items.is_empty(), "both have it");
}

#[test]
fn a_document_on_its_way_by_a_pass_stops_each_time_the_pass_gives_less() {
    let mut county = three();
    let holder = county.nodes[M].id;
    for (one, other) in [(A, M), (C, M)] {
        county.link(one, other, false);
    }
    county.open_case(C, &[A, M], "title", "text");
    county.link(A, C, false);
    county.heard = Some(Vec::new());
    county.link_quietly(A, M, true);
    let is_push = |(from, to, message): &(usize, usize, Message)| (*from, *to) == (A, M) && matches!(message, Message::Push(_));
    while !county.heard.as_ref().is_some_and(|heard| heard.iter().any(is_push)) {
        assert!(county.run_some(1) > 0, "A hands on what C gave it");
    }
    let number = |county: &County| county.nodes[A].core.gates().of(LinkId(M as u64));
    let before = number(&county);
    let first = WallSeconds(county.now.wall.0 - 60);
    flood(&mut county, C, holder, first, 4);
    let once = number(&county);
    assert!(once > before, "what was permitted by a pass does not leave after it");
    county.run();
    assert_eq!(county.nodes[M].items.len(), 1, "and it comes by the pass that is left");
}

/// Views compared with the third, as the second has it look through everything again and again.
#[test]
fn passes_have_views_compared_with_those_they_name_once_in_a_while_at_most() {
    let mut county = three();
    let (own, third) = (county.nodes[A].id, county.nodes[C].id);
    county.heard = Some(Vec::new());
    for n in 0..40 {
        let first = WallSeconds(county.now.wall.0 - 60);
        let lines = [Category::CrimSeries];
        let pass = sealed_to(&county, M, own, vec![third], first.plus(n), &lines);
        county.hand(M, A, &Message::Passes(vec![pass]));
        county.pass(3);
    }
    let heard = county.heard.take().expect("heard");
    let compared = heard.iter().filter(|(from, to, message)| (*from, *to) == (A, C) && matches!(message, Message::Equality { .. })).count();
    assert!((1..=6).contains(&compared), "{compared} times in two minutes");
}

#[test]
fn of_passes_that_were_replaced_nothing_is_kept_beyond_those_of_past_times() {
    let mut county = three();
    let holder = county.nodes[M].id;
    let before = (kept(&county, Table::Passes), kept(&county, Table::Learned));
    let first = WallSeconds(county.now.wall.0 - 300);
    let count = 2 * (limits::PASSES_KEPT + limits::PASSES_PAST_MAX);
    flood(&mut county, C, holder, first, count as u64);
    let more = kept(&county, Table::Passes) - before.0;
    assert!(more > 0 && more <= limits::PASSES_KEPT + limits::PASSES_PAST_MAX, "{more} of {count}");
    assert_eq!(kept(&county, Table::Learned) - before.1, more, "nor when it was learnt");
}

#[test]
fn a_partner_that_holds_passes_of_ever_so_many_issuers_still_gets_ours() {
    let network = NetworkId::named("demo");
    let (own, holder) = (bureau(1), bureau(2));
    let mut directory = Directory::new(network);
    for bytes in own.statements.iter().chain(&holder.statements) {
        directory.learn_bytes(bytes).expect("in order");
    }
    let mut book = PassBook::new(own.id);
    let pass = |issuer: BureauId, registrar: CertificateId, appointment: StatementId, shown_to: Vec<BureauId>, by: &SecretKey| {
        let lines = vec![PassLine { category: Category::CrimSeries, verb: Verb::Read, tlp_ceiling: Tlp::Amber }];
        let (from, until, nonce) = (START, START.plus(86_400), Nonce([4; 16]));
        let body = RelayPass { issuer, registrar, appointment, holder: holder.id, lines, shown_to, from, until, nonce };
        Sealed::seal(&network, body, &[by as &dyn Signer]).expect("well formed").verify(&network).expect("just sealed")
    };
    for n in 0..=limits::PASS_ISSUERS_MAX {
        let mut seed = [201; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let key = SecretKey::from_seed(seed);
        let root = RootStatement {
            version: 1,
            previous: None,
            keys: vec![key.public()],
            threshold: 1,
            unit_code: format!("{n:06}"),
            name: format!("Bureau {n}"),
            network,
            created: START,
        };
        let root = Sealed::seal(&network, root, &[&key as &dyn Signer]).expect("well formed");
        let root_id = root.root_id(&network);
        let issuer = BureauId::from(root_id);
        let sample = Sealed::<MemberCertificate>::from_bytes(&own.statements[1]).expect("a node").claimed().clone();
        let member = MemberCertificate { bureau: issuer, key: key.public(), issuer: Issuer::Root(root_id), ..sample };
        let member = Sealed::seal(&network, member, &[&key as &dyn Signer]).expect("well formed");
        let registrar = member.certificate_id(&network);
        let appointment = Appointment { bureau: issuer, epoch: 1, registrar, at: START, root: root_id };
        let appointment = Sealed::seal(&network, appointment, &[&key as &dyn Signer]).expect("well formed");
        for bytes in [root.to_bytes(), member.to_bytes(), appointment.to_bytes()] {
            directory.learn_bytes(&bytes).expect("in order");
        }
        let shown = pass(issuer, registrar, appointment.id(&network), vec![own.id], &key);
        let learnt = book.learn(&directory, shown, Some(holder.id), START.plus(1));
        assert_eq!(learnt, if n < limits::PASS_ISSUERS_MAX { Ok(true) } else { Err(PassError::Full) }, "issuer {n}");
    }
    let ours = pass(own.id, own.node.id, own.appointment, vec![], &key(own.node.seed));
    assert_eq!(book.learn(&directory, ours, None, START.plus(1)), Ok(true));
}
