//! What officers do with agreements that stand: suspend, resume, give notice, renew too late, amend, and agree for one night of need.
//!
//! These acts have dice of their own, so that a world without them is the world it was before they were thought of.

use accord_protocol::agreement::annex::{Annex, Form};
use accord_protocol::agreement::{Category, Direction, Terms, Tlp, Verb};
use accord_protocol::input::Command;
use accord_protocol::time::WallSeconds;
use accord_protocol::view::{AgreementView, Refused, View};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::people::{grant, terms};
use crate::world::World;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// Lengths of agreements in worlds with a life of agreements, seconds: most end within the day.
const SHORT: [u64; 6] = [120, HOUR_S, 2 * HOUR_S, 5 * HOUR_S, 12 * HOUR_S, 40 * DAY_S];
const GRACE: [u32; 6] = [0, 0, 0, 1, 2, 30];

/// Makes drawn terms end sooner, with little grace, sometimes with an emergency clause or without a category.
pub(super) fn shorten(life: &mut SmallRng, terms: &mut Terms) {
    if life.random_bool(0.5) {
        terms.to = terms.from.plus(*SHORT.choose(life).expect("six"));
    }
    terms.grace_days = *GRACE.choose(life).expect("six");
    if life.random_bool(0.7) {
        terms.grants.push(grant(Direction::Both, Category::FireAid, &[Verb::Append], Tlp::AmberStrict));
    }
    let annex = Annex {
        emergency_clause: life.random_bool(0.6),
        excluded: if life.random_bool(0.1) { vec![Category::FireHaz] } else { Vec::new() },
        ..Annex::default()
    };
    if life.random_bool(0.8) {
        terms.annex = Some(Box::new(annex));
    }
}

impl World {
    fn life_draws(&mut self, below: usize) -> usize {
        self.life.as_mut().map_or(0, |life| life.random_range(0..below))
    }

    /// Whether the agreements of this world have a life, and something of it happens now.
    pub(super) fn life_happens(&mut self, chance: f64) -> bool {
        self.life.as_mut().is_some_and(|life| life.random_bool(chance))
    }

    fn life_word(&mut self, name: &'static str, n: usize, done: &Result<View, Refused>) {
        let said = match done {
            Ok(_) => {
                self.figures.count("agreements", name);
                "done".to_owned()
            }
            Err(refused) => refused.code.to_string(),
        };
        self.note(|world| format!("{}: agreement {name}: {said}", world.nodes[n].name));
    }

    /// One thing happens to an agreement.
    pub(super) fn pact_act(&mut self) {
        let n = self.life_draws(self.nodes.len());
        let agreements = match self.ask(n, Command::AgreementList) {
            Ok(View::Agreements { agreements }) => agreements,
            _ => return,
        };
        let sealed = |a: &&AgreementView| {
            !matches!(a.standing.as_str(), "offered_to_us" | "offered_by_us" | "lapsed" | "declined" | "accepted" | "superseded")
        };
        let standing: Vec<&AgreementView> = agreements.iter().filter(sealed).collect();
        if standing.is_empty() {
            return self.answer_offers(n);
        }
        let one = standing[self.life_draws(standing.len())];
        let (id, now) = (one.id.clone(), self.wall());
        let (name, command) = match self.life_draws(100) {
            0..9 => ("suspend", Command::AgreementSuspend { id, categories: Vec::new(), reason: "核查期间暂停".into() }),
            9..18 => {
                let some = [vec!["CRIM.SERIES"], vec!["FIRE.AID"], vec!["CRIM.SERIES", "FIRE.HAZ"]];
                let categories = some[self.life_draws(3)].iter().map(|code| (*code).to_owned()).collect();
                ("suspend-category", Command::AgreementSuspend { id, categories, reason: "该类暂停".into() })
            }
            18..42 => ("resume", Command::AgreementResume { id, notices: self.life_draws(2) == 0 }),
            42..47 => ("notice", Command::AgreementEnd { id, ends: None, reason: "机构调整".into() }),
            47..65 => {
                let late = matches!(one.standing.as_str(), "expired" | "winding_down" | "ended");
                let to = WallSeconds(now + SHORT[self.life_draws(SHORT.len())]);
                let name = if late { "renew-late" } else { "renew" };
                (name, Command::AgreementRenew { id, from: (self.life_draws(2) == 0).then_some(WallSeconds(now)), to })
            }
            65..80 => {
                let verb = if self.life_draws(2) == 0 { Verb::Read } else { Verb::Append };
                let grants = vec![
                    grant(Direction::Both, Category::CrimSeries, &[verb], Tlp::AmberStrict),
                    grant(Direction::OffererGives, Category::FireAid, &[Verb::Append], Tlp::AmberStrict),
                ];
                let mut amended = terms(now, SHORT[self.life_draws(SHORT.len())], grants);
                if let Some(life) = self.life.as_mut() {
                    shorten(life, &mut amended);
                }
                ("amend", Command::AgreementAmend { id, terms: amended })
            }
            80..92 => {
                let mut night = terms(now, 24 * HOUR_S, vec![grant(Direction::Both, Category::FireAid, &[Verb::Append], Tlp::AmberStrict)]);
                night.to = WallSeconds(now + [HOUR_S, 6 * HOUR_S, 24 * HOUR_S][self.life_draws(3)]);
                night.grace_days = 0;
                night.annex = Some(Box::new(Annex { form: Form::Emergency, notice_days: 0, ..Annex::default() }));
                ("emergency", Command::AgreementOffer { partner: one.partner.clone(), terms: night })
            }
            _ => return self.answer_everything(),
        };
        let done = self.ask(n, command);
        self.life_word(name, n, &done);
        // Often the other side hears of it and answers.
        if self.life_happens(0.6) {
            self.run(5_000);
            self.answer_everything();
        }
    }

    /// Everyone accepts what is proposed: offers, and resumes by the partner.
    fn answer_everything(&mut self) {
        for n in 0..self.nodes.len() {
            if self.nodes[n].laptop || !self.nodes[n].is_up() || !self.life_happens(0.7) {
                continue;
            }
            let Ok(View::Agreements { agreements }) = self.ask(n, Command::AgreementList) else { continue };
            for open in &agreements {
                if open.standing == "offered_to_us" {
                    let done = self.ask(n, Command::AgreementAccept { id: open.id.clone() });
                    let name = if open.version == 0 { "emergency-accepted" } else { "accepted" };
                    self.life_word(name, n, &done);
                }
            }
            let resumes: std::collections::BTreeSet<String> =
                agreements.iter().flat_map(|a| &a.resumes).filter(|r| r.by == "theirs").map(|r| r.id.clone()).collect();
            for id in resumes {
                let done = self.ask(n, Command::AgreementResume { id, notices: false });
                self.life_word("resumed", n, &done);
            }
        }
    }

    /// Notes how agreements stand, as nodes show them.
    pub(super) fn count_standings(&mut self) {
        if self.life.is_none() {
            return;
        }
        let crash = std::mem::take(&mut self.weather.crash);
        for n in 0..self.nodes.len() {
            if self.nodes[n].laptop || !self.nodes[n].is_up() {
                continue;
            }
            for agreement in self.agreements(n) {
                let word =
                    accord_protocol::agreement::lifecycle::Standing::ALL.into_iter().map(|s| s.word()).find(|w| *w == agreement.standing);
                if let Some(word) = word {
                    self.figures.count("standings", word);
                }
            }
        }
        self.weather.crash = crash;
    }
}
