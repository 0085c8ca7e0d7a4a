//! Held work entered again: in its author's name, by the owner or the author's own bureau and by nobody else, counted once.

use accord_keys::directory::Directory;
use accord_protocol::access::log::{Kind, RecordKind};
use accord_protocol::act::{Act, ActKind};
use accord_protocol::agreement::Verb;
use accord_protocol::content::{Content, Edit};
use accord_protocol::id::{Bytes, Digest, DocumentId, Nonce, RecordId};
use accord_protocol::input::Command;
use accord_protocol::intake::{DocState, Intake, ShownAct};
use accord_protocol::rules;
use accord_protocol::segment::{self, CheckedSegment, Segment, Tip};
use accord_protocol::view::{DocumentView, ExplainView, HeldDocumentView, View};

use crate::county::{County, OFFICER, usual};
use crate::world::{Member, START, key, life, network, world};

fn show(county: &mut County, at: usize, id: &str) -> DocumentView {
    let View::Document(view) = county.ask(at, Command::DocumentShow { id: id.to_owned() }) else { panic!("a document") };
    view
}

fn held(county: &mut County, at: usize, command: Command) -> Vec<HeldDocumentView> {
    let View::Held { documents } = county.ask(at, command) else { panic!("held work") };
    documents
}

fn texts(county: &mut County, at: usize, id: &str) -> Vec<String> {
    show(county, at, id).entries.into_iter().filter(|entry| entry.kind == "note").map(|entry| entry.text).collect()
}

/// Three bureaus with a case of the first; the second wrote before it heard that it was cut.
fn cut() -> (County, String) {
    let mut county = County::new(3);
    let now = county.now.wall;
    county.agree(0, 1, usual(now));
    county.agree(0, 2, usual(now));
    let case = county.open_case(0, &[1, 2], "title", "text");
    county.pass(900);
    let subject = county.nodes[1].name.clone();
    county.ask(0, Command::AccessCut { id: case.clone(), subject, strict: false });
    for text in ["too late", "and once more"] {
        county.ask(1, Command::CaseNote { id: case.clone(), kind: "note".to_owned(), text: text.to_owned() });
    }
    county.run();
    (county, case)
}

#[test]
fn what_the_owner_enters_again_counts_as_its_authors_and_says_by_whose_hand() {
    let (mut county, case) = cut();
    let waiting = held(&mut county, 0, Command::HeldShow { id: case.clone() }).remove(0);
    assert_eq!((waiting.line.held, waiting.entries.len()), (2, 2));
    assert!(waiting.entries.iter().all(|one| one.why == "cut" && !one.record.is_empty() && one.entry.reentered.is_none()));
    let author = waiting.entries[0].entry.certificate.clone();
    let first = waiting.entries.iter().find(|one| one.entry.text == "too late").expect("held").entry.change.clone();

    // Foreseen, and nothing done.
    let command = Command::HeldReenter { id: case.clone(), acts: vec![first[..12].to_owned()] };
    let View::Sending(foreseen) = county.asked(0, Some(OFFICER), true, command.clone()).expect("foreseen") else { panic!("receivers") };
    assert_eq!((foreseen.dry_run, foreseen.visible_entries, foreseen.receivers.len()), (true, 1, 1));
    assert!(texts(&mut county, 2, &case).is_empty());

    county.ask(0, command);
    county.run();
    for at in [0, 2] {
        let entries = show(&mut county, at, &case).entries;
        let entry = entries.iter().find(|entry| entry.text == "too late").unwrap_or_else(|| panic!("not shown at {at}"));
        assert_eq!((&entry.certificate, &entry.bureau, &entry.change), (&author, &county.nodes[1].id.to_string(), &first), "at {at}");
        let by = entry.reentered.as_ref().expect("by another hand");
        assert_eq!(by.bureau, county.nodes[0].id.to_string());
        assert!(entries.iter().all(|entry| entry.text != "and once more"), "only what was named");
    }
    // It waits no more; what was not named does.
    let documents = held(&mut county, 0, Command::HeldList);
    assert_eq!(documents.iter().map(|one| one.line.held).collect::<Vec<_>>(), [1]);
    assert_eq!(show(&mut county, 0, &case).held.expect("one waits").count, 1);
    let shown = held(&mut county, 0, Command::HeldShow { id: case.clone() }).remove(0);
    assert_eq!(shown.entries.iter().filter(|one| one.entry.reentered.is_some()).count(), 1);
    // A second time there is nothing left of it, and the rest goes without being named.
    let again = Command::HeldReenter { id: case.clone(), acts: vec![first] };
    assert_eq!(county.asked(0, Some(OFFICER), false, again).expect_err("it counts already").code, "nothing_held");
    county.ask(0, Command::HeldReenter { id: case.clone(), acts: Vec::new() });
    county.run();
    assert!(held(&mut county, 0, Command::HeldList).is_empty());
    let mut both = texts(&mut county, 2, &case);
    both.sort();
    assert_eq!(both, ["and once more", "too late"]);
    assert_eq!(texts(&mut county, 2, &case), texts(&mut county, 0, &case));
    assert_eq!(county.nodes[0].accounts.iter().filter(|line| line.kind == "reentered").count(), 2);
    // Let in after all, it still counts once.
    county.pass(900);
    county.ask(0, Command::AccessAdmit { id: case.clone(), acts: Vec::new() });
    county.run();
    assert_eq!(texts(&mut county, 0, &case).len(), 2);
    assert!(show(&mut county, 0, &case).entries.iter().filter(|entry| entry.kind == "note").all(|entry| entry.reentered.is_some()));
    // It survives a restart.
    county.restart(2, &[0, 1]);
    assert_eq!(texts(&mut county, 2, &case).len(), 2);
}

#[test]
fn why_a_bureau_may_not_write_names_what_is_held_of_it_and_who_entered_it_again() {
    let (mut county, case) = cut();
    let before = county.now.wall;
    county.pass(60);
    county.ask(0, Command::HeldReenter { id: case.clone(), acts: Vec::new() });
    let bureau = county.nodes[1].name.clone();
    let mut explain = |at| {
        let command = Command::AccessExplain { id: case.clone(), bureau: bureau.clone(), at, verb: "append".to_owned() };
        let View::Explain(view) = county.ask(0, command) else { panic!("an explanation") };
        view
    };
    let kinds = |view: &ExplainView, kind: &str| view.ways.iter().flat_map(|way| &way.grounds).filter(|ground| ground.kind == kind).count();
    let now = explain(None);
    assert_eq!((now.answer.as_str(), kinds(&now, "held"), kinds(&now, "reentered")), ("no", 2, 2));
    let then = explain(Some(before));
    assert_eq!((then.answer.as_str(), kinds(&then, "held"), kinds(&then, "reentered")), ("no", 2, 0), "it was not yet known");
}

/// A document with two writing bureaus beside the owner, and one late act of the second bureau's officer that never finds a place.
struct Bench {
    state: DocState,
    document: DocumentId,
    founding: Vec<u8>,
    /// The author's own segment.
    late: Segment,
}

impl Bench {
    fn new(directory: &Directory) -> Self {
        Self::among(directory, &[(1, Verb::Append), (2, Verb::Append)])
    }

    /// As [`Bench::new`], with another audience: another document.
    fn among(directory: &Directory, audience: &[(usize, Verb)]) -> Self {
        let genesis = world().genesis_under(Kind::Case, audience, 2);
        let document = DocumentId(genesis.id().0);
        let mut state = DocState::new(directory, genesis).expect("stands");
        let founder = world().owner().officers[0];
        let actor = segment::actor_id(&founder.id, &document, &life(founder, 0));
        let (_, founding) = Content::found(actor, &[act(0, ActKind::Open, None).to_bytes()], "text").expect("founds");
        let first = sealed(document, founder, vec![founding.clone()]);
        assert_eq!(state.learn_segment(directory, checked(first)), Intake::New);
        let mut bench = Self { state, document, founding, late: unsigned() };
        bench.late = bench.written(world().bureaus[1].officers[0], act(1, ActKind::Note, None));
        bench
    }

    /// An act behind the founding change, signed by a member.
    fn written(&self, member: Member, act: Act) -> Segment {
        let mut content = Content::replay([&self.founding[..]]).expect("replays");
        let actor = segment::actor_id(&member.id, &self.document, &life(member, 0));
        let raw = content.edit(actor, &[Edit::Act(act.to_bytes())]).expect("written");
        sealed(self.document, member, raw)
    }

    /// Has a member enter what it quotes; answers what is shown of it.
    fn entered(&mut self, directory: &Directory, member: Member, quote: &Segment) -> Option<ShownAct> {
        let quote = Bytes(accord_keys::canon::encode(quote));
        let wrapper = self.written(member, act(2, ActKind::Reentered, Some(quote)));
        assert_eq!(self.state.learn_segment(directory, checked(wrapper)), Intake::New);
        self.shown()
    }

    fn shown(&mut self) -> Option<ShownAct> {
        self.state.acts().expect("shows").into_iter().find(|shown| shown.act.kind == ActKind::Note)
    }
}

fn act(n: u8, kind: ActKind, quote: Option<Bytes>) -> Act {
    Act {
        title: if kind == ActKind::Open { "title".to_owned() } else { String::new() },
        text: if kind == ActKind::Note { "late".to_owned() } else { String::new() },
        quote,
        ..Act::new(Nonce([n; 16]), kind, START)
    }
}

fn unsigned() -> Segment {
    let id = world().owner().officers[0].id;
    Segment {
        document: DocumentId([0; 32]),
        certificate: id,
        life: life(world().owner().officers[0], 0),
        from: 1,
        before: Digest([0; 32]),
        changes: Vec::new(),
        cited: Vec::new(),
        links: Vec::new(),
        signature: Bytes(Vec::new()),
    }
}

fn sealed(document: DocumentId, member: Member, raw: Vec<Vec<u8>>) -> Segment {
    let hashes: Vec<_> = raw.iter().map(|raw| rules::parse(raw).expect("well formed").hash()).collect();
    let tip = Tip { n: 0, attestation: Digest([0; 32]) };
    let (signer, cited) = (key(member.seed), RecordId(document.0));
    segment::seal_changes(&network(), &signer, document, member.id, life(member, 0), tip, raw, &hashes, cited).expect("signs")
}

fn checked(segment: Segment) -> CheckedSegment {
    let certificate = world().directory.certificate(&segment.certificate).expect("known").body();
    segment::check(&network(), certificate, segment).expect("its own signature")
}

#[test]
fn only_the_owner_and_the_authors_own_bureau_may_enter_something_again() {
    let [owner, theirs, third] = &world().bureaus;
    let directory = &world().directory;
    for (member, may) in [(owner.officers[1], true), (theirs.officers[1], true), (third.officers[0], false)] {
        let mut bench = Bench::new(directory);
        let quote = bench.late.clone();
        let shown = bench.entered(directory, member, &quote);
        assert_eq!(shown.is_some(), may);
        let foreign: Vec<_> = bench.state.reentered().into_values().collect();
        assert_eq!(foreign.len(), usize::from(may));
        if let Some(shown) = shown {
            assert_eq!((shown.bureau, shown.certificate), (theirs.id, theirs.officers[0].id), "in the author's name");
            assert_eq!(shown.reentered.map(|by| by.certificate), Some(member.id));
        }
    }
}

#[test]
fn a_file_in_what_is_entered_again_is_its_authors_and_nobodys_where_it_may_not_be_entered() {
    let [owner, theirs, third] = &world().bureaus;
    let directory = &world().directory;
    let file = Digest([7; 32]);
    for (member, may) in [(owner.officers[1], true), (theirs.officers[1], true), (third.officers[0], false)] {
        let mut bench = Bench::new(directory);
        let attached = Act { file: Some(file), ..act(5, ActKind::Attached, None) };
        let quote = bench.written(theirs.officers[0], attached);
        bench.entered(directory, member, &quote);
        assert_eq!(bench.state.attached(), may.then_some((file, theirs.id)).into_iter().collect());
    }
}

#[test]
fn what_its_author_did_not_sign_for_this_document_is_never_shown_as_the_authors() {
    let directory = &world().directory;
    let owner = world().owner().officers[1];
    let refused = |alter: &dyn Fn(&mut Segment)| {
        let mut bench = Bench::new(directory);
        let mut quote = bench.late.clone();
        alter(&mut quote);
        assert!(bench.entered(directory, owner, &quote).is_none());
    };
    refused(&|quote| quote.signature.0[7] ^= 1);
    refused(&|quote| quote.document = DocumentId([9; 32]));
    refused(&|quote| quote.certificate = world().bureaus[2].officers[0].id);
    refused(&|quote| quote.changes[0].0[40] ^= 1);
    refused(&|quote| quote.changes.clear());
    let elsewhere = Bench::among(directory, &[(1, Verb::Append)]).late;
    refused(&|quote| *quote = elsewhere.clone());
    // A wrapper in a wrapper shows nothing: it is the author's own word that is quoted.
    let mut bench = Bench::new(directory);
    let colleague = world().bureaus[1].officers[1];
    let inner = bench.written(colleague, act(3, ActKind::Reentered, Some(Bytes(accord_keys::canon::encode(&bench.late)))));
    assert!(bench.entered(directory, owner, &inner).is_none());
}

#[test]
fn one_change_is_quoted_and_no_more() {
    let directory = &world().directory;
    let (author, owner) = (world().bureaus[1].officers[0], world().owner().officers[1]);
    let mut bench = Bench::new(directory);
    let mut content = Content::replay([&bench.founding[..]]).expect("replays");
    let actor = segment::actor_id(&author.id, &bench.document, &life(author, 0));
    let mut raw = Vec::new();
    for n in [3, 4] {
        raw.extend(content.edit(actor, &[Edit::Act(act(n, ActKind::Note, None).to_bytes())]).expect("written"));
    }
    let both = sealed(bench.document, author, raw);
    assert_eq!(both.changes.len(), 2);
    assert!(bench.entered(directory, owner, &both).is_none());

    // Of what came in one run each is quoted by itself.
    let run = checked(both);
    let changes: Vec<_> = run.positions().iter().map(|position| position.change).collect();
    assert_eq!(bench.state.learn_segment(directory, run.clone()), Intake::New);
    assert!(bench.state.quote_of(&changes[1]).is_none(), "it is not stored");
    bench.state.keep_segment(2, &run);
    for change in changes {
        let quote = segment::decode(&bench.state.quote_of(&change).expect("short").0).expect("reads");
        let quoted = checked(quote);
        assert_eq!((quoted.segment().changes.len(), quoted.positions()[0].change), (1, change));
    }
}

#[test]
fn whoever_is_quoted_wrote_here_and_counts_as_a_contributor_once_that_is_settled() {
    let directory = &world().directory;
    let [owner, theirs, _] = &world().bureaus;
    for (author, foreign) in [(theirs.officers[0], true), (owner.officers[0], false)] {
        let mut bench = Bench::new(directory);
        let mut quote = bench.late.clone();
        if !foreign {
            let mut content = Content::replay([&bench.founding[..]]).expect("replays");
            let actor = segment::actor_id(&author.id, &bench.document, &life(author, 1));
            let raw = content.edit(actor, &[Edit::Act(act(5, ActKind::Note, None).to_bytes())]).expect("written");
            let hashes: Vec<_> = raw.iter().map(|raw| rules::parse(raw).expect("well formed").hash()).collect();
            let (tip, cited) = (Tip { n: 0, attestation: Digest([0; 32]) }, RecordId(bench.document.0));
            let (signer, document) = (key(author.seed), bench.document);
            quote =
                segment::seal_changes(&network(), &signer, document, author.id, life(author, 1), tip, raw, &hashes, cited).expect("signs");
        }
        assert!(!bench.state.has_foreign());
        let shown = bench.entered(directory, owner.officers[1], &quote).expect("the owner may quote anybody");
        assert_eq!((shown.certificate, bench.state.has_foreign()), (author.id, foreign));
        assert!(bench.state.contributors().is_empty(), "nothing is settled");
        let wrapper = *bench.state.reentered().values().next().expect("entered");
        let adopt = RecordKind::Adopt("demo 1".to_owned(), vec![wrapper]);
        let record = world().record(bench.document, 1, RecordId(bench.document.0), adopt);
        bench.state.learn_record(directory, record).expect("stands");
        let expected: Vec<_> = foreign.then_some((theirs.id, 1)).into_iter().collect();
        assert_eq!(bench.state.contributors().clone().into_iter().collect::<Vec<_>>(), expected);
    }
}

/// What is known where nobody ever heard of the author's certificate.
fn without_the_author() -> Directory {
    let mut little = Directory::new(network());
    let author = world().bureaus[1].officers[0].id;
    for bureau in &world().bureaus {
        for bytes in &bureau.statements {
            let sealed = accord_keys::seal::Sealed::<accord_keys::certificate::MemberCertificate>::from_bytes(bytes);
            if !sealed.is_ok_and(|sealed| sealed.certificate_id(&network()) == author) {
                little.learn_bytes(bytes).expect("in order");
            }
        }
    }
    little
}

#[test]
fn whoever_is_quoted_wrote_from_the_lowest_record_that_settled_it_also_when_its_certificate_came_last() {
    let (little, known) = (without_the_author(), &world().directory);
    for first in [&little, known] {
        let mut bench = Bench::new(first);
        let quote = bench.late.clone();
        bench.entered(first, world().owner().officers[1], &quote);
        let tips = bench.state.tips().into_iter().collect::<Vec<_>>();
        let root = rules::parse(&bench.founding).expect("well formed").hash();
        let (document, zero) = (bench.document, RecordId(bench.document.0));
        let mut then = |index, previous, kind| {
            let record = world().record(document, index, previous, kind);
            let id = RecordId(record.id().0);
            bench.state.learn_record(known, record).expect("in order");
            id
        };
        let adopted = then(1, zero, RecordKind::Adopt("demo 1".to_owned(), Vec::new()));
        let lowest = then(2, adopted, RecordKind::Anchor(tips.clone()));
        let left = then(3, lowest, RecordKind::Anchor(tips.clone()));
        let with = then(2, adopted, RecordKind::Anchor(vec![root]));
        let heads = std::collections::BTreeSet::from([left, with]).into_iter().collect();
        let healed = then(3, with, RecordKind::Continue(heads, false, Bytes(Vec::new())));
        then(4, healed, RecordKind::Anchor(tips));
        bench.state.retry(known);
        assert_eq!(bench.state.contributors(), &[(world().bureaus[1].id, 2)].into());
    }
}

#[test]
fn the_authors_certificate_travels_along_and_a_quote_waits_for_it() {
    let little = without_the_author();
    let author = world().bureaus[1].officers[0].id;
    let mut bench = Bench::new(&little);
    let quote = bench.late.clone();
    assert!(bench.entered(&little, world().owner().officers[1], &quote).is_none(), "nobody here can tell whose it is");
    bench.state.retry(&world().directory);
    assert!(bench.shown().is_some());
    assert!(bench.state.certificates(false).contains(&author), "whoever gets the wrapper gets it too");
    let wrapper = bench.written(world().owner().officers[1], act(2, ActKind::Reentered, Some(Bytes(accord_keys::canon::encode(&quote)))));
    bench.state.keep_segment(7, &checked(wrapper));
    assert!(!bench.state.certificates_until(6, false).contains(&author));
    assert!(bench.state.certificates_until(7, false).contains(&author));
}

#[test]
fn a_document_says_whether_it_quotes_anybody_known_or_not_yet_known() {
    let mut little = Directory::new(network());
    let author = world().bureaus[1].officers[0].id;
    for bytes in world().bureaus.iter().flat_map(|bureau| &bureau.statements) {
        let sealed = accord_keys::seal::Sealed::<accord_keys::certificate::MemberCertificate>::from_bytes(bytes);
        if !sealed.is_ok_and(|sealed| sealed.certificate_id(&network()) == author) {
            little.learn_bytes(bytes).expect("in order");
        }
    }
    for directory in [&world().directory, &little] {
        let mut bench = Bench::new(directory);
        assert!(!bench.state.has_quotes(), "it quotes nobody");
        let quote = bench.late.clone();
        let known = bench.entered(directory, world().owner().officers[1], &quote).is_some();
        assert_eq!(known, directory.certificate(&author).is_some());
        assert!(bench.state.has_quotes(), "whether the author is known or not: {known}");
    }
}
