//! The corroborated clock: a wild wall clock may only deny, and only while it lasts.
//!
//! The **floor** is corroborated time: the last accepted wall time plus uptime. It is persisted, and a wall clock that leaves the expected
//! time by more than [`limits::CLOCK_JUMP_S`] is *held* until it comes back, enough partners say the same, or an officer rules. Egress asks
//! [`Clock::effective`] = max(wall, floor); statements are stamped with [`Clock::stamp`] = floor while a jump is held.
//!
//! What cannot be taken back by a later correction (cuts, ends and purges by the machine) asks more: that the time was **corroborated** since
//! the start, by an officer or by two partners (one, if there is only one), and that nothing happened to the clock since
//! ([`Clock::is_corroborated`]). Small steps are followed, but together they may lead no further than one jump from what was corroborated
//! or started from; and what starts believed unconfirmed adds up, over any number of restarts, to [`limits::CLOCK_START_AHEAD_S`] at most.

use std::collections::BTreeSet;

use crate::id::BureauId;
use crate::limits;
use crate::time::{MonoMillis, Now, WallSeconds};

/// What observing the clocks showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockEvent {
    /// The wall clock left the expected time.
    Jumped,
    /// It came back by itself.
    Returned,
    /// Partners or an officer confirmed the new time.
    Confirmed,
    /// Partners or an officer agree with the time we go by; nothing about it changed.
    Corroborated,
}

/// What a store keeps of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Corroborated time when it was written.
    pub floor: WallSeconds,
    /// How far unconfirmed wall clocks have carried it since it was last corroborated, seconds.
    pub leapt: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Clock {
    at: MonoMillis,
    accepted: WallSeconds,
    /// Where small steps are measured from.
    anchor: (MonoMillis, WallSeconds),
    leapt: u64,
    held: bool,
    /// Held since the start: no uptime corroborates more than the persisted floor yet.
    since_start: bool,
    dismissed: bool,
    corroborated: bool,
    agreed: BTreeSet<BureauId>,
    confirmed_by: BTreeSet<BureauId>,
    vetoed_by: BTreeSet<BureauId>,
}

impl Clock {
    /// Starts from what was kept, if there is anything.
    pub fn open(kept: Option<Kept>, now: Now) -> Self {
        let mut clock = Self {
            at: now.mono,
            accepted: now.wall,
            anchor: (now.mono, now.wall),
            leapt: 0,
            held: false,
            since_start: false,
            dismissed: false,
            corroborated: false,
            agreed: BTreeSet::new(),
            confirmed_by: BTreeSet::new(),
            vetoed_by: BTreeSet::new(),
        };
        if let Some(kept) = kept {
            clock.leapt = kept.leapt;
            clock.begin(kept.floor, now);
        }
        clock
    }

    /// Corroborated time now: last accepted wall time plus uptime since.
    pub fn floor(&self, mono: MonoMillis) -> WallSeconds {
        after(self.at, self.accepted, mono)
    }

    /// What the store is to keep.
    pub fn kept(&self, mono: MonoMillis) -> Kept {
        let floor = self.floor(mono);
        let stepped = floor.0.saturating_sub(after(self.anchor.0, self.anchor.1, mono).0);
        Kept { floor, leapt: self.leapt.saturating_add(stepped) }
    }

    /// Looks at both clocks; returns what changed.
    pub fn observe(&mut self, now: Now) -> Option<ClockEvent> {
        let expected = self.floor(now.mono);
        // How long the process was down is not known: after a wild start a wall clock comes back into what a start would have accepted.
        if self.held && self.since_start && self.is_plausible_at_start(expected, now.wall) {
            self.begin(expected, now);
            return Some(ClockEvent::Returned);
        }
        match (self.held, self.is_near(now)) {
            (false, true) => {
                // Follow small steps forward; a small step back waits for the wall clock to catch up with the floor.
                if now.wall > expected {
                    self.accept(now);
                }
                None
            }
            (false, false) => {
                self.held = true;
                self.since_start = false;
                self.dismissed = false;
                self.confirmed_by.clear();
                self.vetoed_by.clear();
                Some(ClockEvent::Jumped)
            }
            (true, true) => {
                self.held = false;
                self.since_start = false;
                Some(ClockEvent::Returned)
            }
            (true, false) => None,
        }
    }

    /// A partner's wall clock. Confirms a held jump forward when enough partners agree with our wall clock and fewer with the time we
    /// expected; corroborates the time we go by when enough agree with that. It never causes a jump, and never confirms a jump back: the
    /// floor does not go down on anybody's word. `partners` is how many could speak.
    pub fn partner_says(&mut self, partner: BureauId, theirs: WallSeconds, now: Now, partners: usize) -> Option<ClockEvent> {
        let expected = self.floor(now.mono);
        let (from_wall, from_floor) = (theirs.0.abs_diff(now.wall.0), theirs.0.abs_diff(expected.0));
        let enough = partners.clamp(1, 2);
        for said in [&mut self.agreed, &mut self.confirmed_by, &mut self.vetoed_by] {
            said.remove(&partner);
        }
        if self.held && now.wall >= expected && from_wall <= limits::CLOCK_JUMP_S && from_wall < from_floor {
            self.confirmed_by.insert(partner);
            if self.confirmed_by.len() >= enough && self.confirmed_by.len() > self.vetoed_by.len() {
                self.confirm(now);
                return Some(ClockEvent::Confirmed);
            }
            return None;
        }
        if from_floor > limits::CLOCK_JUMP_S {
            return None;
        }
        self.agreed.insert(partner);
        if self.held {
            self.vetoed_by.insert(partner);
        }
        (self.agreed.len() >= enough).then(|| self.corroborate(now)).flatten()
    }

    /// Whether an officer may say that the wall clock is right: not while it is behind what was recorded.
    pub fn may_confirm(&self, now: Now) -> bool {
        now.wall >= self.floor(now.mono)
    }

    /// An officer's word. On a held jump: it is right, or it is not; a jump back cannot be confirmed: until the wall clock is set right,
    /// statements are stamped by the floor, and lowering the floor itself takes the root. Without a jump, a yes corroborates the time.
    pub fn correct(&mut self, confirm: bool, now: Now) -> Option<ClockEvent> {
        if !self.held {
            return if confirm { self.corroborate(now) } else { None };
        }
        if confirm && self.may_confirm(now) {
            self.confirm(now);
            return Some(ClockEvent::Confirmed);
        }
        self.dismissed = true;
        None
    }

    /// The root's word on a floor that was poisoned: it goes down to `floor`, and the clock stands as at a start from there. `false`, and
    /// nothing happens, unless the wall clock is held back by the floor: there is nothing to heal.
    pub fn reset(&mut self, floor: WallSeconds, now: Now) -> bool {
        if !self.is_behind(now) || floor >= self.floor(now.mono) {
            return false;
        }
        self.leapt = 0;
        self.dismissed = false;
        self.corroborated = false;
        for said in [&mut self.agreed, &mut self.confirmed_by, &mut self.vetoed_by] {
            said.clear();
        }
        self.begin(floor, now);
        true
    }

    /// Whether the wall clock is more than a small step before the floor: set back, or the floor was poisoned.
    pub fn is_behind(&self, now: Now) -> bool {
        self.held && now.wall.0.saturating_add(limits::CLOCK_JUMP_S) < self.floor(now.mono).0
    }
    /// Whether the time was confirmed since the start and nothing happened to the clock since: what the machine may do on time alone.
    pub fn is_corroborated(&self, now: Now) -> bool {
        self.corroborated && !self.held && self.is_near(now)
    }
    /// Whether a jump waits for confirmation.
    pub fn is_held(&self) -> bool {
        self.held
    }
    /// Whether it still waits for a person's word.
    pub fn needs_word(&self) -> bool {
        self.held && !self.dismissed
    }
    /// What egress and display ask: max(wall, floor).
    pub fn effective(&self, now: Now) -> WallSeconds {
        now.wall.max(self.floor(now.mono))
    }
    /// What statements are stamped with, and certificates are judged by.
    pub fn stamp(&self, now: Now) -> WallSeconds {
        if self.held { self.floor(now.mono) } else { self.effective(now) }
    }

    /// Starts, or starts again, from a floor.
    fn begin(&mut self, floor: WallSeconds, now: Now) {
        let plausible = self.is_plausible_at_start(floor, now.wall);
        self.at = now.mono;
        self.accepted = if plausible { now.wall.max(floor) } else { floor };
        self.anchor = (now.mono, self.accepted);
        self.held = !plausible;
        self.since_start = !plausible;
        self.leapt = self.leapt.saturating_add(self.accepted.0.saturating_sub(floor.0));
    }

    fn accept(&mut self, now: Now) {
        self.at = now.mono;
        self.accepted = now.wall;
    }

    /// The wall clock is right.
    fn confirm(&mut self, now: Now) {
        self.accept(now);
        self.held = false;
        self.since_start = false;
        self.confirmed_by.clear();
        self.vetoed_by.clear();
        let _ = self.corroborate(now);
    }

    /// The time we go by is right.
    fn corroborate(&mut self, now: Now) -> Option<ClockEvent> {
        self.anchor = (now.mono, self.floor(now.mono));
        self.leapt = 0;
        self.agreed.clear();
        (!std::mem::replace(&mut self.corroborated, true)).then_some(ClockEvent::Corroborated)
    }

    fn is_near(&self, now: Now) -> bool {
        let anchored = after(self.anchor.0, self.anchor.1, now.mono);
        now.wall.0.abs_diff(self.floor(now.mono).0) <= limits::CLOCK_JUMP_S && now.wall.0.abs_diff(anchored.0) <= limits::CLOCK_JUMP_S
    }

    /// Whether a wall clock may be believed at a start, given the persisted floor and what was believed unconfirmed before.
    fn is_plausible_at_start(&self, floor: WallSeconds, wall: WallSeconds) -> bool {
        let too_far = wall.0.saturating_sub(floor.0).saturating_add(self.leapt) > limits::CLOCK_START_AHEAD_S && wall > floor;
        let behind = wall.0.saturating_add(limits::CLOCK_JUMP_S) < floor.0;
        !too_far && !behind
    }
}

fn after(at: MonoMillis, wall: WallSeconds, mono: MonoMillis) -> WallSeconds {
    wall.plus(mono.0.saturating_sub(at.0) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    const YEAR: u64 = 365 * 24 * 3_600;

    fn now(mono_s: u64, wall: u64) -> Now {
        Now { mono: MonoMillis(mono_s * 1_000), wall: WallSeconds(wall) }
    }

    fn kept(floor: u64) -> Option<Kept> {
        Some(Kept { floor: WallSeconds(floor), leapt: 0 })
    }

    #[test]
    fn a_clock_ten_years_ahead_denies_while_it_lasts_and_leaves_no_trace() {
        let mut clock = Clock::open(kept(1_000_000), now(0, 1_000_060));
        assert_eq!(clock.observe(now(60, 1_000_120 + 10 * YEAR)), Some(ClockEvent::Jumped));
        assert_eq!(clock.effective(now(60, 1_000_120 + 10 * YEAR)).0, 1_000_120 + 10 * YEAR, "egress sees the late date");
        assert_eq!(clock.stamp(now(60, 1_000_120 + 10 * YEAR)).0, 1_000_120, "statements do not");
        assert_eq!(clock.observe(now(120, 1_000_180)), Some(ClockEvent::Returned));
        assert_eq!(clock.effective(now(120, 1_000_180)).0, 1_000_180);
        assert_eq!(clock.floor(MonoMillis(120_000)).0, 1_000_180, "the floor was never poisoned");
    }

    #[test]
    fn a_clock_set_back_never_takes_time_back() {
        let mut clock = Clock::open(kept(1_000_000), now(0, 1_000_000));
        assert_eq!(clock.observe(now(10, 500_000)), Some(ClockEvent::Jumped));
        assert_eq!(clock.effective(now(10, 500_000)).0, 1_000_010);
        let restarted = Clock::open(kept(1_000_010), now(0, 500_000));
        assert!(restarted.is_held(), "also across a restart");
        assert_eq!(restarted.effective(now(0, 500_000)).0, 1_000_010);
    }

    #[test]
    fn partners_confirm_a_jump_but_cannot_cause_one() {
        let (a, b) = (BureauId([1; 32]), BureauId([2; 32]));
        let mut clock = Clock::open(kept(1_000_000), now(0, 1_000_000));
        assert_eq!(clock.partner_says(a, WallSeconds(9_000_000), now(1, 1_000_001), 2), None);
        assert!(!clock.is_held());
        clock.observe(now(2, 2_000_000));
        assert_eq!(clock.partner_says(a, WallSeconds(2_000_000), now(3, 2_000_001), 2), None, "one of two is not enough");
        assert_eq!(clock.partner_says(b, WallSeconds(2_000_002), now(4, 2_000_002), 2), Some(ClockEvent::Confirmed));
        assert_eq!(clock.floor(MonoMillis(4_000)).0, 2_000_002);
    }

    #[test]
    fn a_wild_clock_at_start_is_believed_again_once_it_is_what_a_start_would_accept() {
        let mut clock = Clock::open(kept(1_000_000), now(0, 1_000_000 + 10 * YEAR));
        assert!(clock.is_held());
        assert_eq!(clock.observe(now(60, 1_000_000 + 10 * YEAR)), None);
        assert_eq!(clock.observe(now(120, 1_003_600)), Some(ClockEvent::Returned), "down for an hour, as far as anyone knows");
        assert_eq!(clock.floor(MonoMillis(120_000)).0, 1_003_600);
        assert!(!clock.is_held());
    }
}
