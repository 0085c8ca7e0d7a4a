//! The corroborated clock: a wild wall clock may only deny, and only while it lasts.
//!
//! The **floor** is corroborated time: the last accepted wall time plus uptime. It is persisted, and a wall clock that leaves the expected
//! time by more than [`limits::CLOCK_JUMP_S`] is *held* until it comes back, enough partners say the same, or an officer rules. Egress asks
//! [`Clock::effective`] = max(wall, floor); statements are stamped with [`Clock::stamp`] = floor while a jump is held.

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
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Clock {
    at: MonoMillis,
    accepted: WallSeconds,
    held: bool,
    /// Held since the start: no uptime corroborates more than the persisted floor yet.
    since_start: bool,
    dismissed: bool,
    confirmed_by: BTreeSet<BureauId>,
}

impl Clock {
    /// Starts from the persisted floor, if there is one.
    pub fn open(floor: Option<WallSeconds>, now: Now) -> Self {
        let mut clock =
            Self { at: now.mono, accepted: now.wall, held: false, since_start: false, dismissed: false, confirmed_by: BTreeSet::new() };
        if let Some(floor) = floor {
            if !plausible_at_start(floor, now.wall) {
                clock.accepted = floor;
                clock.held = true;
                clock.since_start = true;
            } else {
                clock.accepted = now.wall.max(floor);
            }
        }
        clock
    }

    /// Corroborated time now: last accepted wall time plus uptime since.
    pub fn floor(&self, mono: MonoMillis) -> WallSeconds {
        self.accepted.plus(mono.0.saturating_sub(self.at.0) / 1_000)
    }

    /// Looks at both clocks; returns what changed.
    pub fn observe(&mut self, now: Now) -> Option<ClockEvent> {
        let expected = self.floor(now.mono);
        let near = now.wall.0.abs_diff(expected.0) <= limits::CLOCK_JUMP_S;
        // How long the process was down is not known: after a wild start a wall clock comes back into what a start would have accepted.
        if self.held && self.since_start && plausible_at_start(expected, now.wall) {
            if now.wall > expected {
                self.accept(now);
            }
            self.held = false;
            self.since_start = false;
            return Some(ClockEvent::Returned);
        }
        match (self.held, near) {
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
                Some(ClockEvent::Jumped)
            }
            (true, true) => {
                self.held = false;
                Some(ClockEvent::Returned)
            }
            (true, false) => None,
        }
    }

    /// A partner's wall clock. Confirms a held jump forward when enough partners agree with our wall clock; never causes one, and never
    /// confirms a jump back: the floor does not go down on anybody's word.
    pub fn partner_says(&mut self, partner: BureauId, theirs: WallSeconds, now: Now, partners: usize) -> Option<ClockEvent> {
        if !self.held || now.wall < self.floor(now.mono) || theirs.0.abs_diff(now.wall.0) > limits::CLOCK_JUMP_S {
            return None;
        }
        self.confirmed_by.insert(partner);
        if self.confirmed_by.len() >= partners.clamp(1, 2) {
            self.accept(now);
            self.held = false;
            return Some(ClockEvent::Confirmed);
        }
        None
    }

    /// An officer's word on a held jump. A jump back cannot be confirmed: until the wall clock is set right, statements are stamped by the
    /// floor; lowering the floor itself takes the root.
    pub fn correct(&mut self, confirm: bool, now: Now) -> Option<ClockEvent> {
        if !self.held {
            return None;
        }
        if confirm && now.wall >= self.floor(now.mono) {
            self.accept(now);
            self.held = false;
            return Some(ClockEvent::Confirmed);
        }
        self.dismissed = true;
        None
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

    fn accept(&mut self, now: Now) {
        self.at = now.mono;
        self.accepted = now.wall;
        self.confirmed_by.clear();
    }
}

/// Whether a wall clock may be believed at a start, given the persisted floor.
fn plausible_at_start(floor: WallSeconds, wall: WallSeconds) -> bool {
    let too_far = wall.0 > floor.0.saturating_add(limits::CLOCK_START_AHEAD_S);
    let behind = wall.0.saturating_add(limits::CLOCK_JUMP_S) < floor.0;
    !too_far && !behind
}

#[cfg(test)]
mod tests {
    use super::*;
    const YEAR: u64 = 365 * 24 * 3_600;

    fn now(mono_s: u64, wall: u64) -> Now {
        Now { mono: MonoMillis(mono_s * 1_000), wall: WallSeconds(wall) }
    }

    #[test]
    fn a_clock_ten_years_ahead_denies_while_it_lasts_and_leaves_no_trace() {
        let mut clock = Clock::open(Some(WallSeconds(1_000_000)), now(0, 1_000_060));
        assert_eq!(clock.observe(now(60, 1_000_120 + 10 * YEAR)), Some(ClockEvent::Jumped));
        assert_eq!(clock.effective(now(60, 1_000_120 + 10 * YEAR)).0, 1_000_120 + 10 * YEAR, "egress sees the late date");
        assert_eq!(clock.stamp(now(60, 1_000_120 + 10 * YEAR)).0, 1_000_120, "statements do not");
        assert_eq!(clock.observe(now(120, 1_000_180)), Some(ClockEvent::Returned));
        assert_eq!(clock.effective(now(120, 1_000_180)).0, 1_000_180);
        assert_eq!(clock.floor(MonoMillis(120_000)).0, 1_000_180, "the floor was never poisoned");
    }

    #[test]
    fn a_clock_set_back_never_takes_time_back() {
        let mut clock = Clock::open(Some(WallSeconds(1_000_000)), now(0, 1_000_000));
        assert_eq!(clock.observe(now(10, 500_000)), Some(ClockEvent::Jumped));
        assert_eq!(clock.effective(now(10, 500_000)).0, 1_000_010);
        let restarted = Clock::open(Some(WallSeconds(1_000_010)), now(0, 500_000));
        assert!(restarted.is_held(), "also across a restart");
        assert_eq!(restarted.effective(now(0, 500_000)).0, 1_000_010);
    }

    #[test]
    fn partners_confirm_a_jump_but_cannot_cause_one() {
        let (a, b) = (BureauId([1; 32]), BureauId([2; 32]));
        let mut clock = Clock::open(Some(WallSeconds(1_000_000)), now(0, 1_000_000));
        assert_eq!(clock.partner_says(a, WallSeconds(9_000_000), now(1, 1_000_001), 2), None);
        assert!(!clock.is_held());
        clock.observe(now(2, 2_000_000));
        assert_eq!(clock.partner_says(a, WallSeconds(2_000_000), now(3, 2_000_001), 2), None, "one of two is not enough");
        assert_eq!(clock.partner_says(b, WallSeconds(2_000_002), now(4, 2_000_002), 2), Some(ClockEvent::Confirmed));
        assert_eq!(clock.floor(MonoMillis(4_000)).0, 2_000_002);
    }

    #[test]
    fn a_wild_clock_at_start_is_believed_again_once_it_is_what_a_start_would_accept() {
        let mut clock = Clock::open(Some(WallSeconds(1_000_000)), now(0, 1_000_000 + 10 * YEAR));
        assert!(clock.is_held());
        assert_eq!(clock.observe(now(60, 1_000_000 + 10 * YEAR)), None);
        assert_eq!(clock.observe(now(120, 1_003_600)), Some(ClockEvent::Returned), "down for an hour, as far as anyone knows");
        assert_eq!(clock.floor(MonoMillis(120_000)).0, 1_003_600);
        assert!(!clock.is_held());
    }
}
