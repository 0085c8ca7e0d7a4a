//! Keeps `protocol/vectors/` and the code in step: what the code makes today must be byte for byte what was frozen.
//!
//! `ACCORD_WRITE_VECTORS=1 cargo test -p accord-protocol vectors` writes the files anew; a changed frozen vector is a new protocol.

use std::collections::BTreeSet;
use std::path::PathBuf;

use accord_keys::envelope::{Dice, Opener, Sealer};
use accord_keys::id::{HpkeKey, PublicKey, TransportKey};
use accord_keys::seal::{Sealed, Statement, Verified};
use accord_keys::secret::HpkeSecret;
use accord_keys::types::StatementType;
use accord_protocol::access::audience::Opening;
use accord_protocol::access::consent::{Consent, ConsentAsk, OnwardAsk, OnwardRefuse};
use accord_protocol::access::log::{EndKind, FrontierLine, Genesis, Grantee, Kind, Order, OrderAct, Record, RecordKind, Subject};
use accord_protocol::access::pass::{PassLine, RelayPass};
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::Verb;
use accord_protocol::agreement::annex::{Annex, Article, Cluster, Form, Heads, Liaison, Pairing, Response, Retention, Side, Urgency};
use accord_protocol::agreement::compact::{Compact, Member};
use accord_protocol::agreement::exchange::{Accept, Conclude, Decline, Offer};
use accord_protocol::agreement::lifecycle::{Notice, Resume, Suspend};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Pair, Terms, Tlp};
use accord_protocol::bundle::{self, BundleStatement, Writer};
use accord_protocol::equality::sketch;
use accord_protocol::id::{AgreementId, BureauId, Bytes, CertificateId, CompactId, Digest, DocumentId, Nonce, RecordId, StatementId};
use accord_protocol::intake::DocState;
use accord_protocol::ledger::{Daily, Deed, KindCount, Line, Says};
use accord_protocol::receipt::NodeReceipt;
use accord_protocol::rules::ChangeHash;
use accord_protocol::segment::{self, Segment};
use accord_protocol::wire::{Hello, Join, LedgerCounts, Message, NoPart, Part, PartsWanted, Push, Reason, TipLine, Welcome};

use zeroize::Zeroizing;

use crate::documents::Story;
use crate::ledger::receipts;
use crate::lifecycle::{duty, emergency_terms};
use crate::world::{START, life, network, seal, verified, world};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Compares with the committed file, or writes it when asked to.
fn check(name: &str, made: &str) {
    let path = path(name);
    if std::env::var_os("ACCORD_WRITE_VECTORS").is_some() {
        std::fs::write(&path, made).expect("writes the vectors");
    }
    let frozen = std::fs::read_to_string(&path).expect("vectors are committed");
    for (line, (made, frozen)) in made.lines().zip(frozen.lines()).enumerate() {
        assert_eq!(made, frozen, "{name}, line {}", line + 1);
    }
    assert_eq!(made.len(), frozen.len(), "{name}");
}

/// A JSON file of named lines.
fn file(note: &str, sections: &[(&str, Vec<String>)]) -> String {
    let sections: Vec<String> =
        sections.iter().map(|(name, lines)| format!("  \"{name}\": [\n    {}\n  ]", lines.join(",\n    "))).collect();
    format!("{{\n  \"note\": \"{note}\",\n  \"network_name\": \"demo\",\n  \"network\": \"{}\",\n{}\n}}\n", network(), sections.join(",\n"))
}

/// One sealed statement.
fn line<T: Statement>(name: &str, sealed: &Sealed<T>) -> (StatementType, String) {
    let bytes = sealed.to_bytes();
    let read = Sealed::<T>::from_bytes(&bytes).expect("reads back");
    assert_eq!(read.to_bytes(), bytes);
    read.verify(&network()).expect("verifies");
    let signers: Vec<String> = sealed.signers().map(|key| format!("\"{key}\"")).collect();
    let line = format!(
        "{{\"name\": \"{name}\", \"type\": {}, \"payload\": \"{}\", \"id\": \"{}\", \"signers\": [{}], \"sealed\": \"{}\"}}",
        T::TYPE.number(),
        hex::encode(sealed.payload()),
        sealed.id(&network()),
        signers.join(", "),
        hex::encode(bytes)
    );
    (T::TYPE, line)
}

fn offer(version: u32, previous: Option<AgreementId>) -> Offer {
    let world = world();
    let every = Grant {
        direction: Direction::Both,
        category: Category::CrimSeries,
        verbs: vec![Verb::Read, Verb::Append, Verb::Request],
        tlp_ceiling: Tlp::AmberStrict,
        until: Some(START.plus(30 * 86_400)),
        onward: Onward::Ask,
        offline_days_max: Some(7),
        subjects_max: Some(20),
        units: None,
        seats: None,
    };
    let plain = Grant {
        direction: Direction::OffererGives,
        category: Category::Admin,
        verbs: vec![Verb::Read],
        tlp_ceiling: Tlp::Clear,
        until: None,
        onward: Onward::None,
        offline_days_max: None,
        subjects_max: None,
        units: None,
        seats: None,
    };
    let back = Grant { direction: Direction::AcceptorGives, category: Category::FireHaz, tlp_ceiling: Tlp::Red, ..plain.clone() };
    let mut terms = Terms {
        title: "协作协议".to_owned(),
        text_hash: None,
        from: START,
        to: START.plus(365 * 86_400),
        grants: vec![plain],
        grace_days: 30,
        annex: None,
    };
    if version > 1 {
        terms.text_hash = Some(Digest([0xd1; 32]));
        terms.grants = vec![every, back];
    }
    Offer {
        offerer: world.bureaus[0].id,
        acceptor: world.bureaus[1].id,
        version,
        previous,
        terms,
        at: START,
        expires: START.plus(14 * 86_400),
        officer: world.bureaus[0].officers[0].id,
        nonce: Nonce([0x0f; 16]),
    }
}

/// One of everything the agreement exchange seals.
fn agreements() -> Vec<(StatementType, String)> {
    let world = world();
    let (by, to) = (world.bureaus[0].officers[0], world.bureaus[1].officers[0]);
    let first = seal(offer(1, None), &[by.seed]);
    let id = AgreementId(first.id(&network()).0);
    let second = seal(offer(2, Some(id)), &[by.seed]);
    let accept = seal(Accept { offer: id, officer: to.id, at: START.plus(1) }, &[to.seed]);
    let node = world.bureaus[0].node;
    let conclude = Conclude { offer: id, accept: accept.id(&network()), registrar: node.id, epoch: 1, at: START.plus(2) };
    let second_id = AgreementId(second.id(&network()).0);
    let decline = Decline { offer: second_id, officer: to.id, reason: "先开会".to_owned(), at: START.plus(3) };
    vec![
        line("offer, version 1, only what must be there", &first),
        line("offer, version 2, every field", &second),
        line("accept", &accept),
        line("conclude", &seal(conclude, &[node.seed])),
        line("decline", &seal(decline, &[to.seed])),
    ]
}

/// A case with every kind of record and two writers.
struct Sample {
    story: Story,
    statements: Vec<(StatementType, String)>,
}

fn sample() -> Sample {
    let world = world();
    let mut story = Story::found(world);
    let document = story.document;
    let mut statements = vec![line("genesis of a case", story.genesis.sealed())];
    let bulletin = world.genesis(Kind::Bulletin, &[(1, Verb::Read), (2, Verb::Read)]).body().clone();
    let mut bulletin = accord_protocol::access::log::Genesis { category: Category::FireHaz, tlp: Tlp::Green, ..bulletin };
    bulletin.audience[0].agreement = Some(AgreementId([0xa9; 32]));
    statements.push(line("genesis of a bulletin, two readers, one with its agreement", &seal(bulletin, &[world.owner().officers[0].seed])));
    let draft = world.genesis(Kind::Draft, &[]).body().clone();
    statements.push(line("genesis of a draft", &seal(draft, &[world.owner().officers[0].seed])));
    let founding = story.changes[0];
    story.then(world, RecordKind::Adopt("示例〔2030〕1号".to_owned(), vec![founding]));
    let partner = world.bureaus[1].officers[0];
    let head = story.head();
    let one = story.write(partner, life(partner, 1), BTreeSet::from([founding]), head, 0).expect("writes");
    let two = story.write(partner, life(partner, 1), BTreeSet::from([one]), head, 2).expect("writes");
    story.then(world, RecordKind::Anchor(vec![two]));
    let grant = world.grant(document, &[(2, Verb::Append)]);
    story.then(world, grant);
    let head = story.head();
    story.write(partner, life(partner, 1), BTreeSet::from([two]), head, 3).expect("writes");
    let step = story.steps.iter().find(|step| step.change == two).expect("written").clone();
    let frontier = vec![FrontierLine { actor: step.actor, position: step.n, attestation: step.attestation }];
    let (bureau, certificate) = (world.bureaus[1].id, world.bureaus[1].officers[1].id);
    let subjects = [
        ("bureau", Subject::Bureau(bureau)),
        ("key", Subject::Key(PublicKey([0x4b; 32]))),
        ("certificate", Subject::Certificate(certificate)),
        ("seat", Subject::Seat(bureau, "duty".to_owned())),
        ("unit", Subject::Unit(bureau, "second squad".to_owned())),
        ("issuer", Subject::Issuer(world.bureaus[1].node.id)),
        ("root", Subject::Root(world.bureaus[1].root)),
    ];
    let names = ["adopt", "anchor", "grant"];
    for (name, record) in names.iter().zip(&story.records) {
        statements.push(line(&format!("record: {name}"), record.sealed()));
    }
    for (n, (name, subject)) in subjects.into_iter().enumerate() {
        let verbs: &[Verb] = if n % 2 == 0 { &[Verb::Append] } else { &[Verb::Read, Verb::Append] };
        let lines = if n == 0 { frontier.clone() } else { Vec::new() };
        let kind = world.cut(document, subject, verbs, lines, n % 2 == 1);
        story.then(world, kind);
        statements.push(line(&format!("record: cut of a {name}"), story.records[story.records.len() - 1].sealed()));
    }
    let officer = world.owner().officers[0];
    let grantees = vec![Grantee::plain(bureau, Verb::Read, Some(AgreementId([0xa9; 32])))];
    for (name, act) in [
        ("order: grant", OrderAct::Grant(grantees)),
        ("order: strict cut", OrderAct::Cut(Subject::Bureau(bureau), vec![Verb::Read, Verb::Append], true)),
    ] {
        let order = Order { document, officer: officer.id, act, at: START, nonce: Nonce([3; 16]) };
        statements.push(line(name, &seal(order, &[officer.seed])));
    }
    Sample { story, statements }
}

/// One of everything that stops, resumes and ends an agreement, and terms with every field of the annex.
fn lifecycle() -> Vec<(StatementType, String)> {
    let world = world();
    let (officer, commander) = (world.bureaus[0].officers[0], duty().commanders[0]);
    let by = world.bureaus[0].id;
    let liaison = |side, category| Liaison {
        side,
        category,
        seat: "liaison".to_owned(),
        deputy: category.map(|_| "duty".to_owned()),
        phone: "0879-0000000".to_owned(),
        may_order: category.is_some(),
    };
    let annex = Annex {
        number: "示例〔2030〕2号".to_owned(),
        form: Form::Ordinary,
        notice_days: 60,
        emergency_clause: true,
        excluded: vec![Category::CrimWanted, Category::Analysis],
        responses: vec![
            Response { urgency: Urgency::Flash, sign_minutes: 15, answer_minutes: 120 },
            Response { urgency: Urgency::Routine, sign_minutes: 1_440, answer_minutes: 10_080 },
        ],
        liaisons: vec![liaison(Side::Offerer, None), liaison(Side::Acceptor, Some(Category::FireAid))],
        pairings: vec![Pairing { offerer_unit: "东站".to_owned(), acceptor_unit: "西站".to_owned() }],
        clusters: vec![Cluster { name: "界河片区".to_owned(), units: vec!["东站".to_owned(), "西站".to_owned()] }],
        retention: vec![Retention { category: Category::CrimProp, days: 90 }],
        heads: Some(Heads { offerer: "甲".to_owned(), acceptor: "乙".to_owned() }),
        articles: vec![Article { title: "争议".to_owned(), text: "先协商。\n再报上级。".to_owned() }],
        calendar: Some(Digest([0xca; 32])),
        compact: Some(CompactId([0xc0; 32])),
        lifts: vec![StatementId([0x51; 32]), StatementId([0x52; 32])],
    };
    let mut full = offer(2, Some(AgreementId([0xa1; 32])));
    full.terms.annex = Some(Box::new(annex));
    full.terms.grants[0].units = Some(vec!["一中队".to_owned(), "二中队".to_owned()]);
    full.terms.grants[0].seats = Some(vec!["duty".to_owned()]);
    let day = Offer { version: 0, officer: commander.id, terms: emergency_terms(START, 86_400), ..offer(1, None) };
    let agreement = AgreementId([0xa9; 32]);
    let suspend = |categories| Suspend {
        agreement,
        by,
        categories,
        reason: "核查中".to_owned(),
        officer: commander.id,
        at: START,
        nonce: Nonce([0x05; 16]),
    };
    let resume = Resume {
        agreement,
        by,
        lifts: vec![StatementId([0x51; 32]), StatementId([0x52; 32])],
        officer: officer.id,
        at: START,
        nonce: Nonce([0x06; 16]),
    };
    let notice = Notice { agreement, by, ends: START.plus(60 * 86_400), reason: "机构调整".to_owned(), officer: officer.id, at: START };
    vec![
        line("offer with every field of the annex and a narrowed line", &seal(full, &[officer.seed])),
        line("offer of an emergency agreement", &seal(day, &[commander.seed])),
        line("suspend everything", &seal(suspend(None), &[commander.seed])),
        line("suspend two categories", &seal(suspend(Some(vec![Category::CrimSeries, Category::Traf])), &[commander.seed])),
        line("resume", &seal(resume, &[officer.seed])),
        line("notice", &seal(notice, &[officer.seed])),
    ]
}

/// One line of each kind, each behind the one before.
fn ledger() -> Vec<(&'static str, Sealed<Line>)> {
    let count = |kind, count| KindCount { kind, count };
    let daily = Daily { day: 21_915, given: vec![count(1, 3)], taken: vec![count(1, 2), count(3, 1)], journal: Digest([0x6a; 32]) };
    let document = DocumentId([2; 32]);
    let says = [
        ("receipts", receipts(&[1, 2])),
        ("attestation", Says::Attestation { document, what: Deed::Erased }),
        ("denials", Says::Denials { count: 40, references: vec![1, u64::MAX] }),
        ("a day", Says::Daily(daily)),
        ("countersignature", Says::Countersign { line: StatementId([0xd1; 32]) }),
    ];
    let mut head = Digest([0; 32]);
    let mut place = 0;
    let lines = says.map(|(name, says)| {
        place += 1;
        let sealed = seal(crate::ledger::line(place, head, says), &[world().owner().node.seed]);
        head = Digest(sealed.id(&network()).0);
        (name, sealed)
    });
    lines.to_vec()
}

#[test]
fn vectors_of_the_ledger_are_frozen() {
    let lines = ledger().iter().map(|(name, sealed)| line(name, sealed).1).collect();
    check("ledger.json", &file("what the first bureau's registrar states to the second", &[("ledger", lines)]));
}

#[test]
fn vectors_of_receipts_of_nodes_are_frozen() {
    let (from, owner, story) = (world().bureaus[1].id, world().owner(), sample().story);
    let head = RecordId(story.records[0].id().0);
    let tips = vec![ChangeHash([0x31; 32]), ChangeHash([0x32; 32])];
    let receipt = NodeReceipt { document: story.document, from, head, tips, at: START, certificate: owner.node.id };
    let sealed = seal(receipt, &[owner.node.seed]);
    let push = Message::Push(Push { receipts: Some(vec![Bytes(sealed.to_bytes())]), ..Push::empty(5, story.document) });
    let message = format!("{{\"name\": \"push of a receipt\", \"message\": \"{}\"}}", hex::encode(push.encode()));
    let statement = line("a receipt of a node", &sealed).1;
    let note = "the case of statements.json; the changes are made up";
    check("receipts.json", &file(note, &[("receipts", vec![statement]), ("messages", vec![message])]));
}

#[test]
fn vectors_of_bundles_are_frozen() {
    let (from, to) = (&world().bureaus[0], &world().bureaus[1]);
    let secrets = [HpkeSecret::from_seed([0x51; 32]), HpkeSecret::from_seed([0x52; 32])];
    let dice =
        Dice { file: [0x53; 16], key: Zeroizing::new([0x54; 32]), ephemeral: vec![Zeroizing::new([0x55; 32]), Zeroizing::new([0x56; 32])] };
    let (mut sealer, header) = Sealer::begin(&network(), &secrets.each_ref().map(HpkeSecret::public), dice).expect("seals");
    let mut writer = Writer::begin(&header);
    let device = TransportKey([0x57; 32]);
    let statements = Message::Statements(from.statements.iter().map(|bytes| Bytes(bytes.clone())).collect());
    let cursor = Message::Cursor(Bytes(vec![0x58; 40]));
    let mut plain = writer.record(&bundle::Record::ForAll(statements.encode()));
    plain.extend(writer.record(&bundle::Record::ForDevice(device, cursor.encode())));
    let (digest, records) = writer.so_far();
    let statement = BundleStatement {
        from: from.id,
        certificate: from.node.id,
        to: to.id,
        file: Nonce([0x53; 16]),
        digest,
        records,
        documents: 0,
        wire: 7,
        created: START,
    };
    let sealed = seal(statement, &[from.node.seed]);
    plain.extend(writer.record(&bundle::Record::End(sealed.to_bytes())));
    let whole = [header.clone(), sealer.take(&plain), sealer.finish()].concat();
    for secret in &secrets {
        let mut opener = Opener::begin(&network(), secret, &header).expect("opens");
        let mut opened = Vec::new();
        opener.take(&whole[header.len()..], &mut opened).and_then(|()| opener.finish(&mut opened)).expect("opens");
        assert_eq!(opened, plain);
    }
    let named = |name: &str, bytes: &[u8]| format!("{{\"name\": \"{name}\", \"bytes\": \"{}\"}}", hex::encode(bytes));
    let envelope =
        vec![named("first secret", &[0x51; 32]), named("second secret", &[0x52; 32]), named("header", &header), named("file", &whole)];
    let note = "the recipients' X25519 secrets are given; here the plaintext of the envelope is the records themselves, in a bundle it is their zstd";
    check(
        "bundle.json",
        &file(
            note,
            &[("statement", vec![line("who packed it", &sealed).1]), ("envelope", envelope), ("records", vec![named("records", &plain)])],
        ),
    );
}

#[test]
fn vectors_of_the_lifecycle_are_frozen() {
    let lines = lifecycle().into_iter().map(|(_, line)| line).collect();
    let note =
        "keys as in statements.json; the duty commander of bureau b has key 10b+6; ids of agreements and lifted statements are made up";
    check("lifecycle.json", &file(note, &[("lifecycle", lines)]));
}

#[test]
fn vectors_of_statements_are_frozen() {
    let world = world();
    let (agreements, sample) = (agreements(), sample());
    let further = [lifecycle(), onward_statements(), compact_statements()].concat();
    let kinds: BTreeSet<StatementType> = agreements.iter().chain(&sample.statements).chain(&further).map(|(kind, _)| *kind).collect();
    let here = StatementType::ALL.iter().copied().filter(|kind| !kind.is_draft() && kind.number() >= 0x0200);
    let kinds: BTreeSet<StatementType> =
        kinds.into_iter().chain([StatementType::PairLine, StatementType::NodeReceipt, StatementType::Bundle]).collect();
    assert_eq!(kinds, here.filter(|kind| *kind != StatementType::SegmentTip).collect(), "every frozen type of this crate");
    let bureaus =
        world.bureaus.iter().flat_map(|bureau| bureau.statements.iter().map(|bytes| format!("\"{}\"", hex::encode(bytes)))).collect();
    let text = |lines: Vec<(StatementType, String)>| lines.into_iter().map(|(_, line)| line).collect();
    let note = "the key of seed n is Ed25519 of 32 bytes n; bureau b has root key 10b, node 10b+1, officers 10b+4 and 10b+5";
    check(
        "statements.json",
        &file(note, &[("bureaus", bureaus), ("agreements", text(agreements)), ("documents", text(sample.statements))]),
    );
}

#[test]
fn vectors_of_the_records_of_rules_two_are_frozen() {
    let world = world();
    let genesis = world.genesis_under(Kind::Case, &[(1, Verb::Append)], 2);
    let document = accord_protocol::id::DocumentId(genesis.id().0);
    let conditions = Grantee {
        via: Some(world.bureaus[1].id),
        tlp: Some(Tlp::Green),
        until: Some(START.plus(86_400)),
        no_fourth: true,
        ..Grantee::plain(world.bureaus[2].id, Verb::Append, Some(AgreementId([0xa9; 32])))
    };
    let (change, blob, reason) = (ChangeHash([0xc4; 32]), Digest([0xb1; 32]), "键被盗".to_owned());
    let heads = vec![RecordId([1; 32]), RecordId([2; 32])];
    let acts = [
        ("grant on conditions", OrderAct::Grant(vec![conditions.clone()])),
        ("admit", OrderAct::Admit(vec![change])),
        ("void", OrderAct::Void(vec![change], reason.clone())),
        ("reclassify", OrderAct::Reclassify(Tlp::Red, vec![world.bureaus[1].id])),
        ("erase", OrderAct::Erase(vec![blob])),
        ("end: disown", OrderAct::End(EndKind::Disown)),
        ("continue, the others compromised", OrderAct::Continue(heads.clone())),
    ];
    let officer = world.owner().officers[0];
    let mut statements = vec![line("genesis under rules 2", genesis.sealed())];
    let mut orders = Vec::new();
    for (name, act) in acts {
        let order = seal(Order { document, officer: officer.id, act, at: START, nonce: Nonce([5; 16]) }, &[officer.seed]);
        statements.push(line(&format!("order: {name}"), &order));
        orders.push(Bytes(order.to_bytes()));
    }
    let none = || Bytes(Vec::new());
    let node = world.owner().node;
    let [grant, admit, void, reclassify, erase, end, compromised] = &orders[..] else { unreachable!("seven orders") };
    let kinds = [
        ("grant on conditions", RecordKind::Grant(vec![conditions], grant.clone())),
        ("cut by the registrar itself", RecordKind::Cut(Subject::Bureau(world.bureaus[1].id), vec![Verb::Read], vec![], false, none())),
        ("admit", RecordKind::Admit(vec![change], admit.clone())),
        ("void", RecordKind::Void(vec![change], reason, void.clone())),
        ("reclassify", RecordKind::Reclassify(Tlp::Red, vec![world.bureaus[1].id], reclassify.clone())),
        ("erase", RecordKind::Erase(vec![blob], erase.clone())),
        ("end: disown", RecordKind::End(EndKind::Disown, end.clone())),
        ("end: retention", RecordKind::End(EndKind::Retention, none())),
        ("continue", RecordKind::Continue(heads.clone(), false, none())),
        ("continue, the others compromised", RecordKind::Continue(heads.clone(), true, compromised.clone())),
    ];
    for (name, kind) in kinds {
        let appointment = world.owner().appointment;
        let record = Record { document, index: 2, previous: heads[0], registrar: node.id, appointment, kind, at: START };
        statements.push(line(&format!("record: {name}"), &seal(record, &[node.seed])));
    }
    let note = "keys and bureaus as in statements.json; records stand alone: what they name is not there";
    check("records.json", &file(note, &[("statements", statements.into_iter().map(|(_, line)| line).collect())]));
}

/// A compact of the three bureaus, and the version that amends it.
fn compacts() -> [Sealed<Compact>; 2] {
    let world = world();
    let (owner, officer) = (world.owner(), world.owner().officers[0]);
    let mut roster: Vec<Member> = world
        .bureaus
        .iter()
        .zip(["甲县公安局", "乙县公安局", "丙县公安局"])
        .map(|(b, name)| Member { bureau: b.id, name: name.into() })
        .collect();
    roster.sort_by_key(|member| member.bureau);
    let mut terms = crate::county::usual(START);
    terms.text_hash = Some(Digest([0x7e; 32]));
    let first = Compact {
        initiator: owner.id,
        version: 1,
        previous: None,
        name: "沿河警务协作公约".to_owned(),
        terms,
        roster,
        officer: officer.id,
        at: START,
        nonce: Nonce([0x0c; 16]),
    };
    let first = seal(first, &[officer.seed]);
    let mut second = first.claimed().clone();
    second.version = 2;
    second.previous = Some(CompactId(first.id(&network()).0));
    second.terms.annex = Some(Box::new(Annex { excluded: vec![Category::CrimWanted], ..Annex::default() }));
    [first, seal(second, &[officer.seed])]
}

#[test]
fn vectors_of_compacts_are_frozen() {
    let statements = compact_statements().into_iter().map(|(_, line)| line).collect();
    check("compacts.json", &file("bureaus and keys as in statements.json", &[("statements", statements)]));
}

fn compact_statements() -> Vec<(StatementType, String)> {
    let [first, second] = compacts();
    vec![line("compact of three bureaus", &first), line("its second version, with an annex", &second)]
}

/// A pass of the first bureau for the second, shown to the third.
fn relay_pass() -> Sealed<RelayPass> {
    let world = world();
    let owner = world.owner();
    let pass = RelayPass {
        issuer: owner.id,
        registrar: owner.node.id,
        appointment: owner.appointment,
        holder: world.bureaus[1].id,
        lines: vec![
            PassLine { category: Category::CrimSeries, verb: Verb::Read, tlp_ceiling: Tlp::AmberStrict },
            PassLine { category: Category::CrimSeries, verb: Verb::Append, tlp_ceiling: Tlp::Amber },
        ],
        shown_to: vec![world.bureaus[2].id],
        from: START,
        until: START.plus(7 * 86_400),
        nonce: Nonce([5; 16]),
    };
    seal(pass, &[owner.node.seed])
}

/// What the second bureau says when the third is to come in by way of it.
fn consent(document: accord_protocol::id::DocumentId, until: Option<u64>) -> Sealed<Consent> {
    let (by, to) = (&world().bureaus[1], &world().bureaus[2]);
    let consent = Consent {
        document,
        contributor: by.id,
        recipient: to.id,
        verb: Verb::Append,
        tlp: Tlp::Amber,
        until: until.map(|seconds| START.plus(seconds)),
        officer: by.officers[0].id,
        at: START,
        nonce: Nonce([6; 16]),
        ask: None,
    };
    seal(consent, &[by.officers[0].seed])
}

fn onward_ask() -> Sealed<OnwardAsk> {
    let (by, to) = (&world().bureaus[1], &world().bureaus[2]);
    let ask = OnwardAsk {
        document: sample().story.document,
        via: by.id,
        recipient: to.id,
        recipient_name: "Bureau 3".to_owned(),
        verb: Verb::Read,
        purpose: "串并案件".to_owned(),
        urgency: Urgency::Priority,
        answer_by: START.plus(3 * 86_400),
        officer: by.officers[0].id,
        at: START,
        nonce: Nonce([7; 16]),
    };
    seal(ask, &[by.officers[0].seed])
}

fn consent_ask() -> Sealed<ConsentAsk> {
    let (by, to) = (world().owner(), &world().bureaus[2]);
    let ask = ConsentAsk {
        document: sample().story.document,
        contributor: world().bureaus[1].id,
        recipient: to.id,
        recipient_name: "Bureau 3".to_owned(),
        verb: Verb::Read,
        tlp: Tlp::Amber,
        until: Some(START.plus(30 * 86_400)),
        purpose: "串并案件".to_owned(),
        officer: by.officers[0].id,
        at: START,
        nonce: Nonce([8; 16]),
        answer_by: None,
    };
    seal(ask, &[by.officers[0].seed])
}

fn onward_refuse() -> Sealed<OnwardRefuse> {
    let by = world().owner().officers[0];
    let ask = onward_ask().id(&network());
    seal(OnwardRefuse { ask, officer: by.id, reason: "案件未结".to_owned(), at: START.plus(9) }, &[by.seed])
}

fn opening() -> Opening {
    Opening { salt: [0x5a; 32], bureau: world().bureaus[1].id }
}

/// A bulletin with one reader and seven random commitments.
fn hidden_genesis() -> Sealed<Genesis> {
    let mut genesis = world().genesis(Kind::Bulletin, &[]).body().clone();
    let mut hidden: Vec<Digest> = (1..8).map(|n| Digest([n; 32])).chain([opening().commitment()]).collect();
    hidden.sort_unstable();
    (genesis.rules, genesis.hidden) = (2, Some(hidden));
    seal(genesis, &[world().owner().officers[0].seed])
}

/// A grant that embeds a consent.
fn grant_with() -> Sealed<Record> {
    let world = world();
    let story = sample().story;
    let RecordKind::Grant(grantees, order) = world.grant(story.document, &[(2, Verb::Append)]) else { panic!("a grant") };
    let kind = RecordKind::GrantWith(grantees, order, vec![Bytes(consent(story.document, None).to_bytes())]);
    world.record(story.document, 2, RecordId(story.records[0].id().0), kind).sealed().clone()
}

fn onward() -> Vec<Vec<u8>> {
    let document = sample().story.document;
    vec![onward_ask().to_bytes(), consent_ask().to_bytes(), consent(document, None).to_bytes(), onward_refuse().to_bytes()]
}

fn onward_statements() -> Vec<(StatementType, String)> {
    let document = sample().story.document;
    vec![
        line("relay pass, two lines", &relay_pass()),
        line("onward ask", &onward_ask()),
        line("consent ask, until a day", &consent_ask()),
        line("consent, as long as the grant stands", &consent(document, None)),
        line("consent, until a day", &consent(document, Some(86_400))),
        line("refusal of an ask", &onward_refuse()),
        line("genesis of a bulletin with a hidden audience", &hidden_genesis()),
        line("record: grant with a consent", &grant_with()),
    ]
}

#[test]
fn vectors_of_passes_and_consents_are_frozen() {
    let statements = onward_statements().into_iter().map(|(_, line)| line).collect();
    let opening = opening();
    let openings = vec![format!(
        "{{\"salt\": \"{}\", \"bureau\": \"{}\", \"commitment\": \"{}\"}}",
        hex::encode(opening.salt),
        opening.bureau,
        opening.commitment()
    )];
    let note = "bureaus, keys and the case as in statements.json";
    check("onward.json", &file(note, &[("statements", statements), ("openings", openings)]));
}

#[test]
fn vectors_of_asks_with_a_time_to_answer_by_and_of_the_grant_that_answers_are_frozen() {
    let world = world();
    let story = sample().story;
    let ask = ConsentAsk { answer_by: Some(START.plus(3 * 86_400)), ..consent_ask().claimed().clone() };
    let grantee = Grantee {
        via: Some(world.bureaus[1].id),
        tlp: Some(Tlp::Amber),
        until: Some(START.plus(86_400)),
        no_fourth: true,
        ask: Some(onward_ask().id(&network())),
        ..Grantee::plain(world.bureaus[2].id, Verb::Read, None)
    };
    let officer = world.owner().officers[0];
    let act = OrderAct::Grant(vec![grantee.clone()]);
    let order = Order { document: story.document, officer: officer.id, act, at: START, nonce: Nonce([9; 16]) };
    let order = Bytes(seal(order, &[officer.seed]).to_bytes());
    let consents = vec![Bytes(consent(story.document, None).to_bytes())];
    let kind = RecordKind::GrantWith(vec![grantee], order, consents);
    let record = world.record(story.document, 2, RecordId(story.records[0].id().0), kind).sealed().clone();
    let statements = [
        line("consent ask, to be answered by a day", &seal(ask, &[officer.seed])),
        line("record: grant onward that answers an ask, with a consent", &record),
    ];
    let statements = statements.into_iter().map(|(_, line)| line).collect();
    check("asks.json", &file("bureaus, keys and the case as in statements.json", &[("statements", statements)]));
}

/// A segment as JSON, with what a checker derives from it.
fn segment_line(name: &str, segment: &Segment) -> String {
    let certificate = world().directory.certificate(&segment.certificate).expect("known").body();
    let checked = segment::check(&network(), certificate, segment.clone()).expect("checks");
    let positions: Vec<String> = checked
        .positions()
        .iter()
        .map(|p| {
            format!(
                "{{\"n\": {}, \"change\": \"{}\", \"cited\": \"{}\", \"attestation\": \"{}\"}}",
                p.n,
                hex::encode(p.change.0),
                p.cited,
                p.attestation
            )
        })
        .collect();
    format!(
        "{{\"name\": \"{name}\", \"document\": \"{}\", \"certificate\": \"{}\", \"life\": \"{}\", \"actor\": \"{}\", \"positions\": [{}], \"segment\": \"{}\"}}",
        segment.document,
        segment.certificate,
        hex::encode(segment.life.0),
        hex::encode(checked.actor().0),
        positions.join(", "),
        hex::encode(checked.to_bytes())
    )
}

#[test]
fn vectors_of_segments_actors_and_attestations_are_frozen() {
    let Sample { story, .. } = sample();
    let own: Vec<&crate::documents::Step> = story.steps.iter().skip(1).collect();
    let lines = vec![
        segment_line("the founding change", story.segment(&[&story.steps[0]], 0).segment()),
        segment_line("three changes under two records", story.segment(&own, 0).segment()),
        segment_line("the same, the last two as links", story.segment(&own, 2).segment()),
        segment_line("the last of them", story.segment(&own[2..], 0).segment()),
    ];
    let (document, certificate, life) =
        (accord_protocol::id::DocumentId([1; 32]), CertificateId([2; 32]), accord_protocol::access::log::Life([3; 8]));
    let actor = format!(
        "{{\"certificate\": \"{certificate}\", \"document\": \"{document}\", \"life\": \"{}\", \"actor\": \"{}\"}}",
        hex::encode(life.0),
        hex::encode(segment::actor_id(&certificate, &document, &life).0)
    );
    let (change, cited) = (accord_protocol::rules::ChangeHash([4; 32]), RecordId([5; 32]));
    let mut previous = Digest([0; 32]);
    let mut chain = Vec::new();
    for n in 1..=3 {
        let attestation = segment::attest(&document, &certificate, &life, n, &change, &cited, &previous);
        chain.push(format!(
            "{{\"n\": {n}, \"change\": \"{}\", \"cited\": \"{cited}\", \"previous\": \"{previous}\", \"attestation\": \"{attestation}\"}}",
            hex::encode(change.0)
        ));
        previous = attestation;
    }
    let note = "keys and the case as in statements.json; actors and attestations are of the values given";
    check("segments.json", &file(note, &[("segments", lines), ("actors", vec![actor]), ("attestations", chain)]));
}

/// One message of each type, the first a hello.
pub fn messages() -> Vec<(&'static str, Message)> {
    let world = world();
    let Sample { story, .. } = sample();
    let own = &world.bureaus[0];
    let statements: Vec<Bytes> = own.statements.iter().cloned().map(Bytes).collect();
    let hello = Hello {
        network: network(),
        bureau: own.id,
        certificate: own.node.id,
        wall: START,
        cursor: Some(Bytes(vec![0xc0; 24])),
        own_root: own.root,
        your_root: Some(world.bureaus[1].root),
        statements: statements.clone(),
        version: 1,
        ledger: Some(LedgerCounts { mine: 3, yours: 2 }),
    };
    let first = Hello { cursor: None, your_root: None, ledger: None, statements: vec![], ..hello.clone() };
    let agreement = seal(offer(1, None), &[own.officers[0].seed]);
    let push = Push {
        mark: 1,
        document: story.document,
        evidence: world.bureaus[1].statements.iter().cloned().map(Bytes).collect(),
        genesis: Some(Bytes(story.genesis.sealed().to_bytes())),
        records: story.records.iter().map(|record: &Verified<Record>| Bytes(record.sealed().to_bytes())).collect(),
        segments: story.single_segments().iter().map(|segment| Bytes(segment.to_bytes())).collect(),
        cursor: Some(Bytes(vec![0xc0; 24])),
        openings: None,
        receipts: None,
    };
    let bare = Push { mark: u64::MAX, evidence: vec![], genesis: None, records: vec![], segments: vec![], cursor: None, ..push.clone() };
    let (hidden, opening, onward) = (hidden_genesis(), opening(), onward());
    let document = accord_protocol::id::DocumentId(hidden.id(&network()).0);
    let hidden = Push { document, genesis: Some(Bytes(hidden.to_bytes())), openings: Some(vec![opening]), ..bare.clone() };
    let join = Join { device: PublicKey([1; 32]), transport: TransportKey([2; 32]), hpke: HpkeKey([3; 32]), officer: PublicKey([4; 32]) };
    let welcome = Welcome {
        statements: statements.clone(),
        device: own.node.id,
        officer: own.officers[0].id,
        officer_name: "Officer Seven".to_owned(),
        addresses: vec!["192.0.2.7:7411".to_owned()],
    };
    vec![
        ("hello", Message::Hello(hello)),
        ("hello of a first contact", Message::Hello(first)),
        ("statements", Message::Statements(statements)),
        ("agreements", Message::Agreements(vec![Bytes(agreement.to_bytes())])),
        ("push", Message::Push(push)),
        ("push of nothing", Message::Push(bare)),
        ("push of a bulletin with a hidden audience", Message::Push(hidden)),
        ("compacts", Message::Compacts(vec![Bytes(compacts()[0].to_bytes())])),
        ("passes", Message::Passes(vec![Bytes(relay_pass().to_bytes())])),
        ("onward", Message::Onward(onward.into_iter().map(Bytes).collect())),
        ("ack", Message::Ack(300)),
        ("equality", Message::Equality { sum: Digest([0xe0; 32]), count: 70_000, policy: Digest([0xe1; 32]) }),
        ("tips", Message::Tips { lines: vec![TipLine { document: story.document, entry: Digest([0xe2; 32]) }], last: true }),
        ("want", Message::Want(story.document)),
        ("ledger", Message::Ledger(ledger().into_iter().map(|(_, line)| Bytes(line.to_bytes())).collect())),
        ("cursor", Message::Cursor(Bytes(vec![0xc0; 24]))),
        ("declined", Message::Declined { document: story.document, reason: Reason::No, reference: 0x0123_4567_89ab_cdef }),
        ("refusal", Message::Refusal { reason: Reason::NotYetSupported, reference: 1 }),
        ("join", Message::Join(join)),
        ("welcome", Message::Welcome(welcome)),
    ]
}

#[test]
fn vectors_of_messages_are_frozen() {
    let messages = messages();
    let kinds: BTreeSet<u8> = messages.iter().map(|(_, message)| message.encode()[1]).collect();
    assert_eq!(kinds, (1..=17).collect(), "every message type; terse pushes have a file of their own");
    let lines = messages
        .iter()
        .map(|(name, message)| format!("{{\"name\": \"{name}\", \"message\": \"{}\"}}", hex::encode(message.encode())))
        .collect();
    check("messages.json", &file("the bureaus and the case of statements.json; cursors are opaque and made up", &[("messages", lines)]));
}

#[test]
fn vectors_of_marks_are_frozen() {
    let lines = [("mark", Message::Mark(300), 23), ("heard", Message::Heard(300), 24)].map(|(name, message, kind)| {
        let message = message.encode();
        assert_eq!(message[..2], [6, kind]);
        format!("{{\"name\": \"{name}\", \"message\": \"{}\"}}", hex::encode(message))
    });
    check("marks.json", &file("a mark and its answer", &[("messages", lines.to_vec())]));
}

#[test]
fn vectors_of_parts_are_frozen() {
    let (document, file, part) = (DocumentId([0xd4; 32]), Digest([0xf1; 32]), Digest([0xf2; 32]));
    let manifest = accord_protocol::part::Manifest::new("现场.jpg".to_owned(), "image/jpeg".to_owned(), 5, &[part]).expect("in bounds");
    let manifest = accord_protocol::part::part(&[0x5a; 32], &manifest.to_bytes());
    let named = accord_protocol::part::name(&manifest);
    let lines = [
        ("parts wanted", Message::PartsWanted(PartsWanted { document, file: named, parts: vec![named, part] }), 25),
        ("part: a manifest", Message::Part(Part { mark: 300, document, file: named, part: named, bytes: Bytes(manifest) }), 26),
        ("no part", Message::NoPart(NoPart { document, file, part }), 27),
    ]
    .map(|(name, message, kind)| {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message), "{name}");
        let message = message.encode();
        assert_eq!(message[..2], [8, kind]);
        format!("{{\"name\": \"{name}\", \"message\": \"{}\"}}", hex::encode(message))
    });
    let act = Act { file: Some(named), ..plain_act(ActKind::Attached) };
    let act = format!("{{\"act\": \"{}\"}}", hex::encode(act.to_bytes()));
    let note = "a file called 现场.jpg of one piece; salt 5a.., document d4..";
    check("parts.json", &self::file(note, &[("messages", lines.to_vec()), ("acts", vec![act])]));
}

/// An act that says nothing.
fn plain_act(kind: ActKind) -> Act {
    Act::new(Nonce([7; 16]), kind, START)
}

#[test]
fn vectors_of_repairs_are_frozen() {
    let pair = Pair::of(BureauId([0xa1; 32]), BureauId([0xb2; 32]));
    let nonce = Nonce([0xc3; 16]);
    let key = sketch::Key::new(&network(), &pair, &nonce);
    let entries: Vec<Digest> = (1..=5).map(|n| Digest([n; 32])).collect();
    let items: BTreeSet<sketch::Item> = entries.iter().map(|entry| key.item(entry)).collect();
    let symbols = Message::Symbols { nonce, from: 0, symbols: Bytes(sketch::symbols(&key, &items, 0, 12)) };
    let found: Vec<u8> = items.iter().flat_map(|item| item.to_be_bytes()).collect();
    let messages = [
        ("symbols of five entries", symbols),
        ("more are wanted", Message::Differs { nonce, wanted: Some(48), items: Bytes(Vec::new()) }),
        ("all of them differ", Message::Differs { nonce, wanted: None, items: Bytes(found) }),
        ("named", Message::Named(vec![DocumentId([0xd4; 32])])),
    ];
    assert!(messages.iter().all(|(_, message)| message.encode()[0] == 4 && (19..=21).contains(&message.encode()[1])));
    let lines = messages
        .iter()
        .map(|(name, message)| format!("{{\"name\": \"{name}\", \"message\": \"{}\"}}", hex::encode(message.encode())))
        .collect();
    let note = "view entries of 32 bytes 01 to 05, bureaus a1.. and b2.., nonce c3..";
    check("repair.json", &file(note, &[("messages", lines)]));
}

#[test]
fn vectors_of_progress_are_frozen() {
    let messages =
        [("some of many", Message::Ahead { documents: 588, of: 1_000 }), ("all of them", Message::Ahead { documents: 0, of: 1_000 })];
    assert!(messages.iter().all(|(_, message)| message.encode()[..2] == [5, 22]));
    let lines = messages
        .iter()
        .map(|(name, message)| format!("{{\"name\": \"{name}\", \"message\": \"{}\"}}", hex::encode(message.encode())))
        .collect();
    check("progress.json", &file("how much of a longer row is still to come", &[("messages", lines)]));
}

#[test]
fn vectors_of_terse_pushes_are_frozen() {
    let (_, message) = messages().into_iter().find(|(name, _)| *name == "push").expect("there");
    let terse = message.encode_for(3);
    assert_eq!(terse[..2], [3, 18]);
    let line = format!("{{\"message\": \"{}\", \"terse\": \"{}\"}}", hex::encode(message.encode()), hex::encode(terse));
    check("terse.json", &file("the push of messages.json for a node of wire version 3", &[("pushes", vec![line])]));
}

#[test]
fn vectors_of_view_entries_and_sums_are_frozen() {
    let world = world();
    let Sample { story, .. } = sample();
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    let mut state = DocState::new(&world.directory, story.genesis.clone()).expect("stands");
    let mut note = |state: &DocState, name: &str| {
        let heads: Vec<String> = state.log().heads().iter().map(|head| format!("\"{head}\"")).collect();
        let tips: Vec<String> = state.tips().iter().map(|tip| format!("\"{}\"", hex::encode(tip.0))).collect();
        entries.push(state.entry());
        lines.push(format!(
            "{{\"name\": \"{name}\", \"document\": \"{}\", \"heads\": [{}], \"tips\": [{}], \"entry\": \"{}\"}}",
            state.id(),
            heads.join(", "),
            tips.join(", "),
            state.entry()
        ));
    };
    note(&state, "genesis only");
    for segment in story.single_segments() {
        state.learn_segment(&world.directory, segment);
    }
    note(&state, "contents without their records");
    for record in &story.records {
        state.learn_record(&world.directory, record.clone()).expect("in order");
    }
    note(&state, "everything");
    let pair = Pair::of(world.bureaus[0].id, world.bureaus[1].id);
    let (sum, count) = accord_protocol::equality::sum(&network(), &pair, &entries);
    let sum = format!(
        "{{\"low\": \"{}\", \"high\": \"{}\", \"key\": \"{}\", \"sum\": \"{sum}\", \"count\": {count}}}",
        pair.low,
        pair.high,
        hex::encode(accord_protocol::equality::key(&network(), &pair))
    );
    check(
        "views.json",
        &file(
            "the case of statements.json; the sum is over the three entries, as if of three documents",
            &[("entries", lines), ("sums", vec![sum])],
        ),
    );
}

#[test]
fn the_sealed_samples_verify_by_their_own_bytes() {
    let officer = world().owner().officers[0];
    let one = verified(offer(1, None), &[officer.seed]);
    assert_eq!(one.sealed().id(&network()), one.id());
}
