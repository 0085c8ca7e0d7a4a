//! What people of a county do in a day.

use accord_protocol::access::log::Kind;
use accord_protocol::id::DocumentId;
use accord_protocol::input::Command;
use accord_protocol::view::View;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Plan;
use crate::world::World;

const CATEGORIES: [&str; 8] = ["CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "CRIM.SERIES", "FIRE.HAZ", "FIRE.HAZ", "TRAF"];

impl World {
    pub(super) fn one_node(&mut self) -> usize {
        self.rng.random_range(0..self.nodes.len())
    }

    pub(super) fn home_node(&mut self) -> usize {
        let homes: Vec<usize> = (0..self.nodes.len()).filter(|n| !self.nodes[*n].laptop).collect();
        *homes.choose(&mut self.rng).expect("a world has nodes")
    }

    pub(super) fn others(&mut self, n: usize) -> Vec<usize> {
        let bureau = self.nodes[n].bureau;
        let mut out: Vec<usize> = (0..self.nodes.len()).filter(|m| !self.nodes[*m].laptop && self.nodes[*m].bureau != bureau).collect();
        while out.len() > 1 && self.rng.random_bool(0.5) {
            let gone = self.rng.random_range(0..out.len());
            out.swap_remove(gone);
        }
        out
    }

    /// Mostly those the device has an agreement with.
    pub(super) fn receivers(&mut self, n: usize) -> Vec<usize> {
        let all = self.others(n);
        if self.rng.random_bool(0.1) {
            return all;
        }
        let papers = self.nodes[n].papers();
        let now = self.wall();
        let own = self.nodes[n].bureau;
        let agreed = |m: &usize| papers.between(own, self.nodes[*m].bureau, now).is_open();
        let some: Vec<usize> = all.iter().copied().filter(agreed).collect();
        if !some.is_empty() {
            return some;
        }
        (0..self.nodes.len()).filter(|m| !self.nodes[*m].laptop && agreed(m)).take(1).collect()
    }

    pub(super) fn held_case(&mut self, n: usize) -> Option<DocumentId> {
        let cases: Vec<DocumentId> = self
            .oracle
            .documents
            .iter()
            .filter(|(_, (_, kind))| *kind == Kind::Case)
            .map(|(id, _)| *id)
            .filter(|id| self.holds(n, id))
            .collect();
        cases.choose(&mut self.rng).copied()
    }

    pub(super) fn owned(&mut self, n: usize) -> Option<DocumentId> {
        let bureau = self.nodes[n].bureau;
        let own: Vec<DocumentId> = self
            .oracle
            .documents
            .iter()
            .filter(|(_, (owner, _))| *owner == bureau)
            .map(|(id, _)| *id)
            .filter(|id| self.holds(n, id))
            .collect();
        own.choose(&mut self.rng).copied()
    }

    fn category(&mut self) -> &'static str {
        let category = *CATEGORIES.choose(&mut self.rng).expect("eight");
        if self.life_happens(0.3) { "FIRE.AID" } else { category }
    }

    /// One thing happens.
    pub(super) fn act(&mut self, plan: &Plan) {
        if !plan.hostile.is_empty() && self.rng.random_bool(0.2) {
            return self.mischief(plan);
        }
        let troubled = self.rng.random_bool(0.25);
        if troubled && self.trouble(plan) {
            return;
        }
        if self.life_happens(0.15) {
            return self.pact_act();
        }
        match self.rng.random_range(0..100) {
            0..12 => {
                let n = self.one_node();
                let to = self.receivers(n);
                let category = self.category();
                let done = self.publish(n, &to, category).map(drop).map_err(|r| r.code);
                self.note(|world| format!("{} publishes to {to:?}: {done:?}", world.nodes[n].name));
            }
            12..24 => {
                let n = self.one_node();
                let with = self.receivers(n);
                let category = self.category();
                let done = self.open_case(n, &with, category).map(drop).map_err(|r| r.code);
                self.note(|world| format!("{} opens a case with {with:?}: {done:?}", world.nodes[n].name));
            }
            24..56 => {
                for _ in 0..self.rng.random_range(1..6) {
                    let n = self.one_node();
                    let Some(case) = self.held_case(n) else { continue };
                    let done = self.write_note(n, &case).map(drop).map_err(|r| r.code);
                    self.note(|world| format!("{} writes in {case:?}: {done:?}", world.nodes[n].name));
                }
            }
            56..61 => {
                let n = self.home_node();
                let Some(document) = self.owned(n) else { return };
                for other in self.receivers(n) {
                    let verb = if self.rng.random_bool(0.7) { "append" } else { "read" };
                    let done = self.grant_access(n, &document, other, verb).map_err(|r| r.code);
                    self.note(|world| format!("{} grants {document:?} to {}: {done:?}", world.nodes[n].name, world.nodes[other].name));
                }
            }
            61..66 => {
                let n = self.home_node();
                let Some(document) = self.owned(n) else { return };
                let whom = self.others(n);
                let whom = *whom.choose(&mut self.rng).expect("others are never empty");
                let strict = self.rng.random_bool(0.3);
                let done = self.cut_access(n, &document, whom, strict).map_err(|r| r.code);
                self.note(|world| {
                    format!("{} cuts {} from {document:?} strict {strict}: {done:?}", world.nodes[n].name, world.nodes[whom].name)
                });
            }
            66..72 => {
                let a = self.home_node();
                let b = *self.others(a).choose(&mut self.rng).expect("others are never empty");
                self.offer_something(a, b);
                self.note(|world| format!("{} offers to {}", world.nodes[a].name, world.nodes[b].name));
            }
            72..78 => {
                let n = self.one_node();
                self.answer_offers(n);
            }
            78..82 => self.publish_a_draft(),
            _ => {
                // Somebody writes a few notes in a row, as in a working thread.
                let n = self.one_node();
                let Some(case) = self.held_case(n) else { return };
                for _ in 0..self.rng.random_range(1..8) {
                    let _ = self.write_note(n, &case);
                    self.figures.count("acts", "note");
                }
            }
        }
    }

    fn publish_a_draft(&mut self) {
        let n = self.one_node();
        let (draft, mark) = self.draft("CRIM.SERIES");
        if let Ok(View::Sending(view)) = self.ask(n, Command::BulletinNew(draft)) {
            let document = DocumentId::from_hex(&view.id).unwrap_or_else(|| self.fail("an id is hex"));
            self.oracle.promise(&self.nodes[n], document, &mark);
            let to = self.receivers(n).into_iter().map(|m| self.name(m)).collect();
            let _ = self.ask(n, Command::BulletinPublish { draft: Some(view.id), text: None, to, open: false });
        }
    }
}
