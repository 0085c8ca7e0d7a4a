//! What people are told ahead of time, once: agreements that end, and the morning after an emergency.

use super::Bureau;
use super::turn::Turn;
use crate::agreement::Pair;
use crate::agreement::annex::Form;
use crate::agreement::exchange::{Entry, Standing};
use crate::id::AgreementId;
use crate::limits;
use crate::step::Table;
use crate::time::{DAY_S, WallSeconds};

/// Rows of [`Table::Local`] that note what was told: this, the agreement's id, the days (0: the morning's report).
pub const TOLD: &[u8] = b"told";

/// The days of warning a row stands for; 0 is the report of the morning after.
type Told = (AgreementId, u8);

impl Bureau {
    /// Tells what is due; called as time passes.
    pub(super) fn warn(&mut self, turn: &mut Turn) {
        if self.next_warning.is_none_or(|at| turn.effective < at) {
            return;
        }
        for pair in self.book.pairs().collect::<Vec<_>>() {
            let partner = pair.other(&self.identity.bureau);
            for (days, told) in self.warnings_due(pair, turn.effective) {
                for one in told {
                    self.tell(turn, one);
                }
                self.event(turn, "agreement_ends", None, Some(partner), &days.to_string());
            }
            for id in self.reports_due(pair, turn.effective) {
                self.tell(turn, (id, 0));
                self.account(turn, "emergency_report", None, Some(partner), None, &id.short());
                self.event(turn, "emergency_report", None, Some(partner), &id.short());
            }
        }
        self.plan_warnings(turn.effective);
    }

    fn tell(&mut self, turn: &mut Turn, told: Told) {
        self.told.insert(told);
        turn.put(Table::Local, &told_key(&told), vec![1]);
    }

    /// When something is due next.
    pub(super) fn plan_warnings(&mut self, now: WallSeconds) {
        let mut next: Option<WallSeconds> = None;
        let mut at = |time: WallSeconds| next = Some(next.map_or(time, |next: WallSeconds| next.min(time)));
        for pair in self.book.pairs() {
            for (id, from, ends) in self.ending(pair, now) {
                for days in limits::WARN_DAYS {
                    let time = WallSeconds(ends.0.saturating_sub(u64::from(days) * DAY_S));
                    if time > from && now < ends && !self.told.contains(&(id, day_byte(days))) {
                        at(time);
                    }
                }
            }
            for (id, time) in self.reports(pair) {
                if !self.told.contains(&(id, 0)) {
                    at(time);
                }
            }
        }
        self.next_warning = next;
    }

    /// The most pressing warning of a pair that is due, with every row it settles.
    fn warnings_due(&self, pair: Pair, now: WallSeconds) -> Vec<(u32, Vec<Told>)> {
        let mut out = Vec::new();
        for (id, from, ends) in self.ending(pair, now) {
            let due = |days: &u32| {
                let time = WallSeconds(ends.0.saturating_sub(u64::from(*days) * DAY_S));
                time > from && time <= now && now < ends
            };
            let due: Vec<u32> = limits::WARN_DAYS.into_iter().filter(due).collect();
            let told: Vec<Told> = due.iter().map(|days| (id, day_byte(*days))).filter(|told| !self.told.contains(told)).collect();
            if let Some(days) = due.iter().min().filter(|days| told.contains(&(id, day_byte(**days)))) {
                out.push((*days, told));
            }
        }
        out
    }

    /// The current version of a pair, when it began and when it ends, unless what follows it is sealed already.
    pub(super) fn ending(&self, pair: Pair, now: WallSeconds) -> Vec<(AgreementId, WallSeconds, WallSeconds)> {
        let state = self.book.state(pair, now);
        let live = matches!(state.standing, Some(Standing::InForce | Standing::UnderNotice | Standing::Suspended));
        let (Some(ends), true) = (state.ends, live) else { return Vec::new() };
        let after = self.book.state(pair, ends);
        if after.standing.is_some_and(Standing::is_in_force) {
            return Vec::new();
        }
        state.current.first().map(|entry| (entry.id(), entry.offer.body().terms.from, ends)).into_iter().collect()
    }

    /// Emergencies of a pair to be reported, with the morning that is due: of agreements the morning after they begin, of the emergency
    /// clause the morning after it took over.
    fn reports(&self, pair: Pair) -> Vec<(AgreementId, WallSeconds)> {
        let form = |entry: &Entry| entry.offer.body().terms.annex.as_ref().map_or(Form::Ordinary, |annex| annex.form);
        let sealed = self.book.entries_of(pair).filter(|entry| entry.is_sealed_by_both());
        sealed
            .filter_map(|entry| {
                let terms = &entry.offer.body().terms;
                match form(entry) {
                    Form::Emergency => Some((entry.id(), next_morning(terms.from))),
                    Form::Ordinary => {
                        let state = self.book.state(pair, terms.to);
                        (state.is_aid_only() && state.current.iter().any(|c| c.id() == entry.id()))
                            .then(|| (entry.id(), next_morning(terms.to)))
                    }
                }
            })
            .collect()
    }

    fn reports_due(&self, pair: Pair, now: WallSeconds) -> Vec<AgreementId> {
        let due = self.reports(pair).into_iter().filter(|(id, at)| *at <= now && !self.told.contains(&(*id, 0)));
        due.map(|(id, _)| id).collect()
    }

    /// Emergencies reported within the last week, for the inbox.
    pub(super) fn reported(&self, pair: Pair, now: WallSeconds) -> Vec<(AgreementId, WallSeconds)> {
        let recent = |(_, at): &(AgreementId, WallSeconds)| *at <= now && now < at.plus(7 * DAY_S);
        self.reports(pair).into_iter().filter(recent).collect()
    }
}

/// The row that notes one thing as told.
fn told_key(told: &Told) -> Vec<u8> {
    [TOLD, told.0.0.as_slice(), &[told.1]].concat()
}

/// Reads such a row's key.
pub fn read_told(key: &[u8]) -> Option<Told> {
    let (days, id) = key.strip_prefix(TOLD)?.split_last()?;
    Some((AgreementId(<[u8; 32]>::try_from(id).ok()?), *days))
}

fn day_byte(days: u32) -> u8 {
    u8::try_from(days).unwrap_or(u8::MAX)
}

/// Eight in the morning in China, which is midnight UTC, after a time.
fn next_morning(at: WallSeconds) -> WallSeconds {
    WallSeconds((at.0 / DAY_S + 1).saturating_mul(DAY_S))
}
