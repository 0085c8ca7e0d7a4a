//! How far a first sync has come: what people are told while they wait, across broken links and restarts, and what the other side learns by it.

use accord_protocol::input::{Command, Draft, Page};
use accord_protocol::limits;
use accord_protocol::step::Table;
use accord_protocol::view::{ProgressView, View};
use accord_protocol::wire::Message;

use crate::county::{County, usual};

/// Documents of the first sync.
const MANY: usize = 120;
/// … and of one that is interrupted again and again.
const LONG: usize = 300;

/// Two bureaus under an agreement that are not linked, the first with so many threads the second may read.
fn apart(documents: usize) -> County {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    county.link(0, 1, false);
    for n in 0..documents {
        county.open_case(0, &[1], &n.to_string(), "text");
    }
    county
}

/// What a node tells of its one partner: what goes, and what comes.
fn progress(county: &mut County, at: usize) -> (Option<ProgressView>, Option<ProgressView>) {
    let View::Progress { rows } = county.ask(at, Command::Progress) else { panic!("progress") };
    assert!(rows.len() <= 1);
    let shown = rows.into_iter().next().map(|row| (row.sending, row.receiving)).unwrap_or_default();
    let View::Partners { partners } = county.ask(at, Command::PartnerList) else { panic!("partners") };
    assert_eq!((partners[0].sending.clone(), partners[0].receiving.clone()), shown, "the same words everywhere");
    shown
}

fn sent(county: &mut County) -> Option<ProgressView> {
    progress(county, 0).0
}

fn came(county: &mut County) -> Option<ProgressView> {
    progress(county, 1).1
}

fn aheads(county: &mut County) -> Vec<(u64, u64)> {
    let said = county.heard.replace(Vec::new()).expect("it listens");
    let ahead = |(from, _, message): (usize, usize, Message)| match message {
        Message::Ahead { documents, of } => {
            assert_eq!(from, 0);
            Some((documents, of))
        }
        _ => None,
    };
    said.into_iter().filter_map(ahead).collect()
}

#[test]
fn a_first_sync_counts_up_on_both_sides_and_neither_a_break_nor_a_restart_takes_anything_back() {
    let mut county = apart(LONG);
    county.by_turns = true;
    let mut seen = (0, 0);
    let mut look = |county: &mut County, when: &str| {
        let (out, back) = (sent(county), came(county));
        for (view, seen) in [(&out, &mut seen.0), (&back, &mut seen.1)] {
            let Some(view) = view else { continue };
            assert!(view.documents >= *seen, "{when}: {} after {seen}", view.documents);
            assert_eq!(view.of, LONG as u64, "{when}: {view:?}");
            assert!(view.documents <= view.of && view.bytes <= view.bytes_about, "{when}: {view:?}");
            *seen = view.documents;
        }
        (out, back)
    };
    let mut linked = false;
    for round in 0..14 {
        if !linked {
            county.link_quietly(0, 1, true);
            linked = true;
        }
        county.run_some(100);
        county.pass_quietly(6);
        if county.run_some(80) == 0 {
            break;
        }
        let (out, back) = look(&mut county, &format!("round {round}"));
        let (out, back) = (out.expect("it goes"), back.expect("it comes"));
        assert!(round < 3 || (out.documents > 0 && back.documents > 0), "round {round}");
        match round % 4 {
            0 => {
                assert_eq!(out.state, "running", "what came there is not yet acknowledged");
                county.link_quietly(0, 1, false);
                linked = false;
            }
            1 => {
                county.restart(1, &[]);
                linked = false;
            }
            2 => {
                county.restart(0, &[]);
                linked = false;
            }
            _ => {}
        }
        if !linked {
            let (still, kept) = look(&mut county, &format!("apart in round {round}"));
            // Of what nobody acknowledged nothing is kept.
            assert!(still.is_some() || out.documents == 0, "round {round}");
            assert!(still.is_none_or(|view| view.state == "interrupted"));
            assert!(kept.map_or(back.state == "complete", |view| view.state == "interrupted" || view.state == "complete"), "round {round}");
        }
    }
    county.link(0, 1, false);
    county.link(0, 1, true);
    let (out, back) = look(&mut county, "at the end");
    for view in [out.expect("shown"), back.expect("shown")] {
        assert_eq!((view.state.as_str(), view.documents, view.seconds_left), ("complete", LONG as u64, None));
        assert!(view.bytes > 100 * LONG as u64, "{}", view.bytes);
    }
    assert_eq!(county.nodes[1].items.len(), LONG);
    for at in [0, 1] {
        let View::Events { events } = county.ask(at, Command::Events { after: 0, limit: 10_000 }) else { panic!("events") };
        let (word, end) = [("sent", format!("sent {LONG}")), ("received", format!("received {LONG}"))][at].clone();
        let ends: Vec<&str> = events.iter().filter(|event| event.kind == "caught_up").map(|event| event.detail.as_str()).collect();
        // What came since its last cursor was sent back by the second after it started anew.
        let ends: Vec<&str> = ends.into_iter().filter(|detail| detail.starts_with(word)).collect();
        assert_eq!(ends, [end.as_str()], "told once");
    }
    // Later on nothing of it is shown.
    county.pass(1_200);
    assert_eq!((sent(&mut county), came(&mut county)), (None, None));
    for at in [0, 1] {
        let kept = county.nodes[at].rows.iter().filter(|((table, key), _)| *table == Table::Local && key.starts_with(b"coming:"));
        assert_eq!(kept.count(), 0, "nothing is kept of what is over");
    }
}

#[test]
fn who_starts_anew_in_the_middle_sends_back_little_of_what_it_got() {
    let mut county = apart(MANY);
    county.by_turns = true;
    county.link_quietly(0, 1, true);
    while county.nodes[1].items.len() < 50 {
        county.run_some(1);
    }
    county.pass_quietly(6);
    county.heard = Some(Vec::new());
    let cursor = |(from, _, message): &(usize, usize, Message)| *from == 1 && matches!(message, Message::Cursor(_));
    while !county.heard.as_ref().expect("it listens").iter().any(cursor) {
        assert!(county.run_some(1) > 0, "it gives a cursor of its own now and then");
    }
    // What came behind it goes back, for nobody noted that it is there.
    let since = county.heard.replace(Vec::new()).expect("it listens");
    let since = since.iter().filter(|(from, _, message)| *from == 0 && matches!(message, Message::Push(_))).count();
    county.restart(1, &[0]);
    county.pass(60);
    let said = county.heard.take().expect("it listens");
    let back = said.iter().filter(|(from, _, message)| *from == 1 && matches!(message, Message::Push(_))).count();
    assert!(back <= since, "{back} documents were sent back to whom they came from, {since} came behind the cursor");
    assert_eq!(county.nodes[1].items.len(), MANY);
}

#[test]
fn pace_and_time_left_are_those_of_the_last_minute() {
    let mut county = apart(MANY);
    county.link_quietly(0, 1, true);
    for _ in 0..8 {
        county.run_some(12);
        county.now.mono.0 += 1_000;
    }
    let view = came(&mut county).expect("it comes");
    assert_eq!(view.state, "running");
    let left = view.of - view.documents;
    assert!(view.documents_per_minute > 0 && view.bytes_per_second > 0 && left > 0, "{view:?}");
    assert_eq!(view.seconds_left, Some((left * 60).div_ceil(view.documents_per_minute)));
    assert!(view.bytes_about > view.bytes);
}

#[test]
fn only_what_is_to_go_to_this_partner_is_counted() {
    let mut county = County::new(3);
    county.agree(0, 1, usual(county.now.wall));
    county.agree(0, 2, usual(county.now.wall));
    county.pass(60);
    county.link(0, 1, false);
    for n in 0..60 {
        county.open_case(0, &[2], &n.to_string(), "not for the second");
        if n % 3 != 0 {
            county.open_case(0, &[1], &n.to_string(), "text");
        }
    }
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    county.pass(60);
    let told: Vec<(u64, u64)> = county
        .heard
        .take()
        .expect("it listens")
        .into_iter()
        .filter_map(|(from, to, message)| match message {
            Message::Ahead { documents, of } => {
                assert_eq!((from, to), (0, 1));
                Some((documents, of))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told.first(), Some(&(40, 40)), "forty of a hundred");
    assert_eq!(told.last(), Some(&(0, 40)));
    assert!(told.iter().all(|(_, of)| *of == 40), "{told:?}");
}

#[test]
fn of_a_short_row_nothing_is_said_and_of_a_long_one_little() {
    let few = usize::try_from(limits::PROGRESS_DOCUMENTS_MIN).expect("small") - 1;
    let mut county = apart(few);
    county.heard = Some(Vec::new());
    county.link(0, 1, true);
    county.pass(60);
    assert_eq!(aheads(&mut county), []);
    assert_eq!((sent(&mut county), came(&mut county)), (None, None));
    assert_eq!(county.nodes[1].items.len(), few);
    county.link(0, 1, false);
    for n in 0..MANY {
        county.open_case(0, &[1], &n.to_string(), "text");
    }
    county.link(0, 1, true);
    county.pass(60);
    let told = aheads(&mut county);
    assert_eq!(
        (told.first(), told.last()),
        (Some(&(MANY as u64, MANY as u64)), Some(&(0, MANY as u64))),
        "what was there before is not counted"
    );
    assert!(told.len() <= 4, "{told:?}");
}

#[test]
fn what_is_written_meanwhile_is_counted_once_and_the_end_is_the_end() {
    let mut county = apart(MANY);
    let View::Documents { documents, .. } = county.ask(0, Command::CaseList(Page::default())) else { panic!("documents") };
    // The newest are the last to go.
    let last: Vec<String> = documents.iter().take(10).map(|line| line.id.clone()).collect();
    // Nothing of it in memory: the walk waits for the disk.
    county.restart(0, &[]);
    county.link_quietly(0, 1, true);
    while sent(&mut county).is_none() {
        county.run_some(1);
    }
    // Not carried on in between: the walk has not come to them.
    for id in &last {
        county.ask(0, Command::CaseNote { id: id.clone(), kind: "note".to_owned(), text: "more".to_owned() });
    }
    let draft = Draft { title: "one more".to_owned(), text: "text".to_owned(), category: "CRIM.SERIES".to_owned(), ..Draft::default() };
    let with = vec![county.nodes[1].name.clone()];
    county.ask(0, Command::CaseOpen { draft, with, continues: None });
    let view = sent(&mut county).expect("it goes");
    assert_eq!(view.of, MANY as u64 + 1, "what moved to the end of the row is still one document");
    county.run();
    county.pass(60);
    for (at, view) in [sent(&mut county), came(&mut county)].into_iter().enumerate() {
        let view = view.expect("shown");
        assert_eq!((at, view.state.as_str(), view.documents, view.of), (at, "complete", MANY as u64 + 1, MANY as u64 + 1));
    }
}

#[test]
fn a_node_of_an_older_version_is_not_told_and_a_restricted_link_carries_no_count() {
    let mut county = apart(MANY);
    county.heard = Some(Vec::new());
    county.link_quietly(0, 1, true);
    county.run_some(2);
    let hello = county.heard.take().expect("it listens").into_iter().find_map(|(from, _, message)| match message {
        Message::Hello(hello) if from == 1 => Some(hello),
        _ => None,
    });
    let hello = hello.expect("it said hello");
    for (version, told) in [(4, false), (5, true)] {
        county.link_quietly(0, 1, false);
        county.link_up(0);
        county.heard = Some(Vec::new());
        county.hand(1, 0, &Message::Hello(accord_protocol::wire::Hello { version, ..hello.clone() }));
        county.run_some(30);
        assert_eq!(!aheads(&mut county).is_empty(), told, "version {version}");
    }
    // A suspension while the row is on its way: what is left is nobody's business.
    let mut county = apart(MANY);
    county.link_quietly(0, 1, true);
    county.run_some(40);
    let View::Agreements { agreements } = county.ask(0, Command::AgreementList) else { panic!("agreements") };
    county.ask(0, Command::AgreementSuspend { id: agreements[0].id.clone(), categories: Vec::new(), reason: "inquiry".to_owned() });
    county.heard = Some(Vec::new());
    county.run();
    county.pass(120);
    assert_eq!(aheads(&mut county), []);
}

#[test]
fn a_partner_that_lies_about_how_much_is_to_come_costs_a_few_lines_and_no_more() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    let View::Events { events } = county.ask(1, Command::Events { after: 0, limit: 10_000 }) else { panic!("events") };
    let before = events.len();
    let most = limits::AHEAD_DOCUMENTS_MAX;
    for n in 0..500 {
        county.hand(0, 1, &Message::Ahead { documents: most - n, of: most });
        county.hand(0, 1, &Message::Ahead { documents: 0, of: most - n });
        county.hand(0, 1, &Message::Ahead { documents: 0, of: 0 });
        county.hand(0, 1, &Message::Ahead { documents: 100, of: 100 + n });
        county.hand(0, 1, &Message::Ahead { documents: 0, of: 100 + n });
    }
    county.hand(0, 1, &Message::Ahead { documents: most, of: most });
    let _ = came(&mut county);
    let more_than_all = Message::Ahead { documents: 5, of: 4 };
    assert!(Message::decode(&more_than_all.encode()).is_err(), "no message");
    let View::Events { events } = county.ask(1, Command::Events { after: 0, limit: 10_000 }) else { panic!("events") };
    assert!(events.len() - before <= usize::try_from(limits::REFUSALS_NOTED_PER_MINUTE).expect("few"), "{}", events.len() - before);
    county.open_case(0, &[1], "true", "text");
    county.run();
    assert_eq!(county.nodes[1].items.len(), 1, "and what is true comes all the same");
}

#[test]
fn a_count_near_the_end_of_numbers_counts_on_and_nothing_falls_over() {
    let mut county = County::new(2);
    county.agree(0, 1, usual(county.now.wall));
    county.pass(60);
    county.hand(0, 1, &Message::Ahead { documents: 1, of: limits::AHEAD_DOCUMENTS_MAX });
    for n in 0..4 {
        county.open_case(0, &[1], &format!("case {n}"), "text");
        county.run();
    }
    assert_eq!(county.nodes[1].items.len(), 4);
    let beyond = Message::Ahead { documents: 1, of: limits::AHEAD_DOCUMENTS_MAX + 1 };
    assert!(Message::decode(&beyond.encode()).is_err(), "no message");
}
