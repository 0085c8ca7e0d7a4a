//! A county comes about: bureaus, cards, agreements, laptops.

use accord_protocol::agreement::{Category, Direction, Tlp, Verb};
use accord_protocol::input::Command;
use accord_protocol::view::View;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::Plan;
use crate::fault::Fault;
use crate::people::{grant, terms};
use crate::world::World;

const NAMES: [&str; 12] = ["甲局", "乙局", "丙局", "丁局", "戊局", "己局", "庚局", "辛局", "壬局", "癸局", "子局", "丑局"];

impl World {
    pub(super) fn settle_county(&mut self, plan: &Plan) {
        for name in NAMES.iter().take(plan.bureaus) {
            self.bureau(name);
        }
        // In a large county not everyone knows everyone.
        let knows = if plan.bureaus > 5 { 0.5 } else { 1.0 };
        let mut pairs = Vec::new();
        for a in 0..plan.bureaus {
            self.nodes[a].clock_off = self.rng.random_range(-20..20);
            for b in a + 1..plan.bureaus {
                if self.rng.random_bool(knows) {
                    let checked = self.rng.random_bool(0.95);
                    self.introduce(a, b, checked);
                    pairs.push((a, b));
                }
            }
        }
        self.run(5_000);
        for (a, b) in pairs {
            if self.rng.random_bool(0.85) {
                self.offer_something(a, b);
            }
        }
        self.run(5_000);
        for n in 0..plan.bureaus {
            self.answer_offers(n);
        }
        for laptop in 0..plan.laptops {
            let home = self.rng.random_range(0..plan.bureaus);
            self.laptop(home, &format!("笔记本{laptop}"));
        }
        self.run(10_000);
    }

    /// Who cheats, who speaks another version, who is rarely at home.
    pub(super) fn choose_members(&mut self, plan: &mut Plan) {
        let mut homes: Vec<usize> = (0..self.nodes.len()).filter(|n| !self.nodes[*n].laptop).collect();
        homes.shuffle(&mut self.rng);
        let count = self.rng.random_range(1..=3_usize).min(homes.len() / 2);
        if plan.faults.has(Fault::Hostile) {
            plan.hostile = homes[..count].to_vec();
            for n in &plan.hostile {
                self.nodes[*n].hostile = true;
            }
        }
        let skew = *[crate::node::Skew::Older, crate::node::Skew::Newer, crate::node::Skew::Deaf].choose(&mut self.rng).expect("three");
        let odd = *homes.last().expect("a county has bureaus");
        if plan.faults.has(Fault::Skew) {
            self.nodes[odd].skew = Some(skew);
            self.figures.count("faults", "skew");
            self.cut_all();
        }
        for n in 0..self.nodes.len() {
            let rarely = self.rng.random_bool(0.5);
            if self.nodes[n].laptop && rarely && plan.faults.has(Fault::Seldom) {
                plan.seldom.push(n);
            }
        }
    }

    pub(super) fn offer_something(&mut self, a: usize, b: usize) {
        let from = self.wall().saturating_sub(self.rng.random_range(0..60)) + u64::from(self.rng.random_bool(0.2)) * 90;
        let seconds =
            *[120, 3_600, 4 * 3_600, 10 * 3_600, 30 * 86_400, 30 * 86_400, 30 * 86_400, 365 * 86_400].choose(&mut self.rng).expect("eight");
        let direction =
            *[Direction::Both, Direction::Both, Direction::OffererGives, Direction::AcceptorGives].choose(&mut self.rng).expect("four");
        let ceiling = *[Tlp::AmberStrict, Tlp::AmberStrict, Tlp::Green].choose(&mut self.rng).expect("three");
        let verb = *[Verb::Append, Verb::Append, Verb::Read].choose(&mut self.rng).expect("three");
        let mut grants = vec![grant(direction, Category::CrimSeries, &[verb], ceiling)];
        if self.rng.random_bool(0.6) {
            grants.push(grant(Direction::Both, Category::FireHaz, &[Verb::Append], Tlp::AmberStrict));
        }
        let mut drawn = terms(from, seconds, grants);
        if let Some(life) = self.life.as_mut() {
            super::pacts::shorten(life, &mut drawn);
        }
        let _ = self.offer(a, b, drawn);
    }

    pub(super) fn answer_offers(&mut self, n: usize) {
        if !self.nodes[n].is_up() {
            return;
        }
        let Ok(View::Agreements { agreements }) = self.ask(n, Command::AgreementList) else { return };
        for open in agreements.into_iter().filter(|a| a.standing == "offered_to_us") {
            let command = if self.rng.random_bool(0.9) {
                Command::AgreementAccept { id: open.id }
            } else {
                Command::AgreementDecline { id: open.id, reason: "条款不合".into() }
            };
            let _ = self.ask(n, command);
        }
    }
}
