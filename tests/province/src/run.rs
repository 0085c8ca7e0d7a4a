//! The province for a day: founding, agreements, traffic, outages, and the hours after them in which everybody gets what it missed.

use std::collections::BTreeMap;

use accord_protocol::agreement::{Category, Direction, Tlp, Verb};
use accord_protocol::id::DocumentId;
use accord_protocol::input::{Command, Draft};
use accord_protocol::view::{Refused, View};
use accord_sim::people::{grant, terms};
use accord_sim::world::meter::Service;
use accord_sim::world::{CALM, Weather, World};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::counts::{Counts, Shared};
use crate::graph::{Graph, Rank};
use crate::traffic::{self, Act};

/// What a device was measured to need for its work, docs/BENCHMARKS.md: a durable commit, a frame of a fan-out to 60 partners, a frame that comes.
pub const SERVICE: Service = Service { commit_us: 2_000, frame_us: 730, arrival_us: 1_500 };
/// Frames take 20 to 200 ms, one packet in a hundred is lost.
const LINKS: Weather = Weather { delay: (20, 200), loss: 100, steady: true, ..CALM };
/// After the day, for those who were down, milliseconds.
const AFTER_MS: u64 = 2 * 3_600_000;
const MINUTE_MS: u64 = 60_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Bureaus.
    pub bureaus: usize,
    /// Virtual hours of traffic.
    pub hours: u64,
    /// Everything else follows from it.
    pub seed: u64,
}

/// An urgent bulletin on its way to one entitled bureau.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who wrote it.
    pub rank: Rank,
    /// Seconds from the acknowledgement to the writer (or from the receiver's return, if it was down then) to the receiver's commit.
    pub seconds: f64,
    /// Whether the receiver was down when it was written.
    pub was_down: bool,
    /// Whether the writer went down before the receiver had it: then others hand it on, or it waits.
    pub writer_fell: bool,
}

/// A day of a province.
pub struct Day {
    /// Who agrees with whom.
    pub graph: Graph,
    /// Counters.
    pub counts: Counts,
    /// Urgent bulletins that came.
    pub arrivals: Vec<Arrival>,
    /// Documents written.
    pub documents: usize,
    /// Notes written in threads.
    pub notes: usize,
    /// Acts that were refused, by code.
    pub refused: BTreeMap<String, usize>,
    /// Entitled bureaus that never got an urgent bulletin.
    pub missing: usize,
}

struct Sent {
    document: DocumentId,
    from: usize,
    to: Vec<usize>,
    at_ms: u64,
}

struct Province {
    world: World,
    graph: Graph,
    shared: Shared,
    threads: BTreeMap<usize, DocumentId>,
    urgent: Vec<Sent>,
    /// When each device went down and came back, milliseconds.
    outages: Vec<Vec<(u64, u64)>>,
    documents: usize,
    notes: usize,
    refused: BTreeMap<String, usize>,
}

/// Runs it; `tell` hears how far it is.
pub fn day(plan: Plan, mut tell: impl FnMut(&str)) -> Day {
    let mut dice = SmallRng::seed_from_u64(plan.seed);
    let graph = Graph::draw(plan.bureaus, &mut dice);
    tell(&format!("{} bureaus, {} agreements", plan.bureaus, graph.pairs.len()));
    let mut province = Province::found(plan, graph, &mut tell);
    let acts = traffic::day(&province.graph, plan.hours, &mut dice);
    let begun = province.world.now;
    province.world.weather = LINKS;
    province.world.service = Some(SERVICE);
    // Connections as they are from now on, and their greeting, are part of the day.
    province.shared.forget_setup(plan.bureaus);
    province.world.cut_all();
    let mut hour = 0;
    for (at, act) in acts {
        let now = (begun + at).max(province.world.now);
        province.world.run(now - province.world.now);
        province.act(act);
        let passed = (province.world.now - begun) / (60 * MINUTE_MS);
        if passed > hour {
            hour = passed;
            tell(&format!("hour {hour} of {}", plan.hours));
        }
    }
    let left = (begun + plan.hours * 60 * MINUTE_MS).saturating_sub(province.world.now);
    province.world.run(left);
    for n in 0..plan.bureaus {
        province.up(n);
    }
    province.world.run(AFTER_MS);
    province.end()
}

impl Province {
    fn found(plan: Plan, graph: Graph, tell: &mut impl FnMut(&str)) -> Self {
        let mut world = World::new(plan.seed);
        world.judged = false;
        world.tracing = false;
        let shared = Shared::default();
        world.meter = Some(Box::new(shared.clone()));
        for n in 0..plan.bureaus {
            world.bureau(&format!("{n:03}局"));
        }
        for (a, b) in graph.pairs.clone() {
            world.introduce(a, b, true);
        }
        world.run(2 * MINUTE_MS);
        tell("cards exchanged");
        let year = 365 * 24 * 3_600;
        for (a, b) in graph.pairs.clone() {
            let lines = [Category::CrimSeries, Category::FireHaz, Category::Traf];
            let lines = lines.map(|category| grant(Direction::Both, category, &[Verb::Append], Tlp::AmberStrict)).to_vec();
            let pact = terms(world.wall(), year, lines);
            if let Err(why) = world.offer(a, b, pact) {
                world.fail(&format!("offer refused: {}", why.code));
            }
        }
        world.run(2 * MINUTE_MS);
        for n in 0..plan.bureaus {
            accept_all(&mut world, n);
        }
        world.run(5 * MINUTE_MS);
        tell("agreements in force");
        Self {
            outages: vec![Vec::new(); plan.bureaus],
            world,
            graph,
            shared,
            threads: BTreeMap::new(),
            urgent: Vec::new(),
            documents: 0,
            notes: 0,
            refused: BTreeMap::new(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Down(n) => self.down(n),
            Act::Up(n) => self.up(n),
            Act::Bulletin { from, urgent } => {
                let to = self.graph.partners(from);
                let names = to.iter().map(|m| self.world.name(*m)).collect();
                let text = Some(draft(self.documents, urgent));
                let open = true;
                let answer = self.ask(from, Command::BulletinPublish { draft: None, text, to: names, open });
                if let Some(document) = self.written(answer)
                    && urgent
                {
                    self.urgent.push(Sent { document, from, to, at_ms: self.world.now });
                }
            }
            Act::Open { thread, from, with } => {
                let names = with.iter().map(|m| self.world.name(*m)).collect();
                let draft = draft(self.documents, false);
                let answer = self.ask(from, Command::CaseOpen { draft, with: names, continues: None });
                if let Some(document) = self.written(answer) {
                    self.threads.insert(thread, document);
                }
            }
            Act::Note { thread, by } => {
                let Some(document) = self.threads.get(&thread) else { return };
                let text = format!("第{}条。经查,上述情况属实,已通知有关单位,后续进展另行通报。", self.notes + 1);
                let command = Command::CaseNote { id: document.to_string(), kind: "note".into(), text };
                if let Some(Ok(_)) = self.ask(by, command) {
                    self.notes += 1;
                }
            }
        }
    }

    /// A person acts; nobody can where power failed.
    fn ask(&mut self, n: usize, command: Command) -> Option<Result<View, Refused>> {
        if !self.world.nodes[n].is_up() {
            *self.refused.entry("down".into()).or_default() += 1;
            return None;
        }
        let answer = self.world.ask(n, command);
        if let Err(why) = &answer {
            *self.refused.entry(why.code.to_string()).or_default() += 1;
        }
        Some(answer)
    }

    fn written(&mut self, answer: Option<Result<View, Refused>>) -> Option<DocumentId> {
        let Some(Ok(View::Sending(view))) = answer else { return None };
        self.documents += 1;
        DocumentId::from_hex(&view.id)
    }

    fn down(&mut self, n: usize) {
        if self.world.nodes[n].is_up() {
            self.outages[n].push((self.world.now, u64::MAX));
            self.world.stop(n);
        }
    }

    fn up(&mut self, n: usize) {
        if !self.world.nodes[n].is_up() {
            self.world.boot(n);
            if let Some(last) = self.outages[n].last_mut() {
                last.1 = self.world.now;
            }
        }
    }

    /// The end of the outage a device is in at a time; `None` if it is up.
    fn down_until(&self, n: usize, at_ms: u64) -> Option<u64> {
        self.outages[n].iter().find(|(from, until)| *from <= at_ms && at_ms < *until).map(|(_, until)| *until)
    }

    fn end(self) -> Day {
        let counts = self.shared.0.take();
        let held = &counts.held;
        let mut arrivals = Vec::new();
        let mut missing = 0;
        for sent in &self.urgent {
            let Some(told) = held.get(&(sent.document, sent.from)) else { continue };
            for to in &sent.to {
                let Some(came) = held.get(&(sent.document, *to)) else {
                    missing += 1;
                    continue;
                };
                let back = self.down_until(*to, sent.at_ms);
                let since = back.map_or(*told, |back| (*told).max(back * 1_000));
                let fell = self.outages[sent.from].iter().any(|(from, _)| from * 1_000 > *told && from * 1_000 < *came);
                arrivals.push(Arrival {
                    rank: self.graph.places[sent.from].rank,
                    seconds: came.saturating_sub(since) as f64 / 1e6,
                    was_down: back.is_some(),
                    writer_fell: fell,
                });
            }
        }
        Day { graph: self.graph, counts, arrivals, documents: self.documents, notes: self.notes, refused: self.refused, missing }
    }
}

fn accept_all(world: &mut World, n: usize) {
    let Ok(View::Agreements { agreements }) = world.ask(n, Command::AgreementList) else { return };
    for open in agreements.into_iter().filter(|a| a.standing == "offered_to_us") {
        if let Err(why) = world.ask(n, Command::AgreementAccept { id: open.id }) {
            world.fail(&format!("accept refused: {}", why.code));
        }
    }
}

/// A text of about 600 characters, each one different.
fn draft(number: usize, urgent: bool) -> Draft {
    let mut text = String::new();
    for at in 0..12 {
        let (hour, road) = ((number * 7 + at) % 24, (number * 31 + at * 17) % 997);
        text.push_str(&format!("{hour}时许,辖区{road}号路段发生一起案件,嫌疑人驾车沿国道离开,请各单位注意发现并及时反馈情况。"));
    }
    Draft {
        title: format!("{}通报第{number}号", if urgent { "特急" } else { "" }),
        text,
        category: "CRIM.SERIES".into(),
        tlp: None,
        subkind: String::new(),
        case_number: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_small_province_everybody_gets_what_is_urgent_and_the_same_seed_gives_the_same_day() {
        let plan = Plan { bureaus: 20, hours: 1, seed: 7 };
        let twice = [day(plan, |_| ()), day(plan, |_| ())];
        for day in &twice {
            assert_eq!(day.missing, 0);
            assert!(day.arrivals.len() > 20 && day.documents > 5, "{} {}", day.arrivals.len(), day.documents);
            // Nothing arrives sooner than the shortest link allows.
            assert!(day.arrivals.iter().all(|one| one.was_down || one.seconds >= 0.02));
        }
        let bytes = |day: &Day| day.counts.devices.iter().map(|device| device.bytes_out).collect::<Vec<_>>();
        assert_eq!(bytes(&twice[0]), bytes(&twice[1]));
    }
}
