//! The corroborated clock under anything the wall clock, partners and officers may do.

use accord_protocol::clock::{Clock, ClockEvent, Kept};
use accord_protocol::id::BureauId;
use accord_protocol::input::Command;
use accord_protocol::limits;
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use proptest::prelude::*;

use crate::county::{County, OFFICER};

#[derive(Clone, Debug)]
enum Tick {
    Look,
    Partner { who: u8, off: i64 },
    Officer { confirm: bool },
    Restart,
    Reset { back: u64 },
}

fn tick() -> impl Strategy<Value = (u64, i64, Tick)> {
    let off = || prop_oneof![3 => -5i64..5, 1 => -590i64..590, 1 => -4_000_000i64..4_000_000];
    let what = prop_oneof![
        3 => Just(Tick::Look),
        2 => (0u8..3, off()).prop_map(|(who, off)| Tick::Partner { who, off }),
        1 => any::<bool>().prop_map(|confirm| Tick::Officer { confirm }),
        2 => Just(Tick::Restart),
        1 => (0u64..5_000_000).prop_map(|back| Tick::Reset { back }),
    ];
    (0u64..2_000, prop_oneof![3 => Just(0i64), 1 => off()], what)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_floor_never_goes_down_but_by_the_root_and_never_further_up_than_unconfirmed_clocks_may_carry_it(
        ticks in proptest::collection::vec(tick(), 1..60),
        partners in 0usize..4,
    ) {
        let (mut mono, mut wall) = (0u64, 10_000_000u64);
        let now = |mono, wall| Now { mono: MonoMillis(mono), wall: WallSeconds(wall) };
        let mut clock = Clock::open(None, now(mono, wall));
        let mut floor = clock.floor(MonoMillis(mono));
        // What was confirmed last, grown by uptime: nothing but a confirmation may take the floor far beyond it.
        let mut sure = floor.0;
        for (seconds, step, what) in ticks {
            mono += seconds * 1_000;
            sure += seconds;
            wall = (wall + seconds).saturating_add_signed(step).max(1);
            let now = now(mono, wall);
            let held = clock.is_held();
            let before = clock.is_corroborated(now);
            let mut confirmed = None;
            let mut lowered = false;
            match what {
                Tick::Look => {
                    let event = clock.observe(now);
                    prop_assert_eq!(event == Some(ClockEvent::Jumped), !held && clock.is_held());
                    prop_assert!(!clock.is_corroborated(now) || before || event == Some(ClockEvent::Returned), "looking corroborates nothing");
                }
                Tick::Partner { who, off } => {
                    let theirs = WallSeconds(wall.saturating_add_signed(off));
                    let of_wall = off.unsigned_abs() <= limits::CLOCK_JUMP_S;
                    let of_floor = theirs.0.abs_diff(clock.floor(now.mono).0) <= limits::CLOCK_JUMP_S;
                    confirmed = clock.partner_says(BureauId([who; 32]), theirs, now, partners);
                    prop_assert!(confirmed != Some(ClockEvent::Confirmed) || (held && of_wall), "partners confirm a held jump they agree with");
                    prop_assert!(confirmed != Some(ClockEvent::Corroborated) || of_floor, "and corroborate the time they agree with");
                    prop_assert!(held || !clock.is_held(), "partners cause no jump");
                    // Corroborating what stood anyway says nothing new, and measures steps from here.
                    if of_floor || of_wall {
                        confirmed = confirmed.or(Some(ClockEvent::Corroborated));
                    }
                }
                Tick::Officer { confirm } => {
                    confirmed = clock.correct(confirm, now).or((confirm && !held).then_some(ClockEvent::Corroborated));
                }
                Tick::Restart => {
                    let kept = clock.kept(now.mono);
                    mono = 0;
                    clock = Clock::open(Some(kept), Now { mono: MonoMillis(0), ..now });
                    prop_assert!(!clock.is_corroborated(Now { mono: MonoMillis(0), ..now }), "a start knows nothing for certain");
                }
                Tick::Reset { back } => {
                    let to = WallSeconds(floor.0.saturating_sub(back).max(1));
                    lowered = clock.reset(to, now);
                    prop_assert!(!lowered || (held && wall < floor.0 + seconds), "a reset heals a clock that is held back, and no other");
                }
            }
            let now = Now { mono: MonoMillis(mono), ..now };
            let found = clock.floor(now.mono);
            prop_assert!(found >= floor || lowered, "floor went from {:?} to {:?}", floor, found);
            if confirmed.is_some() || lowered {
                sure = found.0;
            }
            prop_assert!(found.0 <= sure + limits::CLOCK_START_AHEAD_S + limits::CLOCK_JUMP_S, "floor {:?} beyond {}", found, sure);
            floor = found;
            prop_assert!(clock.effective(now) >= found && clock.effective(now) >= now.wall);
            prop_assert!(clock.stamp(now) >= found && clock.stamp(now) <= clock.effective(now));
            prop_assert!(!clock.is_corroborated(now) || !clock.is_held());
        }
    }
}

fn at(mono_s: u64, wall: u64) -> Now {
    Now { mono: MonoMillis(mono_s * 1_000), wall: WallSeconds(wall) }
}

fn partner(n: u8) -> BureauId {
    BureauId([n; 32])
}

#[test]
fn time_is_corroborated_by_two_partners_or_an_officer_and_by_uptime_from_there() {
    let mut clock = Clock::open(None, at(0, 1_000_000));
    assert!(!clock.is_corroborated(at(0, 1_000_000)), "nobody has spoken");
    assert_eq!(clock.partner_says(partner(1), WallSeconds(1_000_001), at(1, 1_000_001), 3), None);
    assert_eq!(clock.partner_says(partner(1), WallSeconds(1_000_002), at(2, 1_000_002), 3), None, "one partner counts once");
    assert_eq!(clock.partner_says(partner(2), WallSeconds(1_009_999), at(3, 1_000_003), 3), None, "another opinion is none");
    assert!(!clock.is_corroborated(at(3, 1_000_003)));
    assert_eq!(clock.partner_says(partner(2), WallSeconds(1_000_004), at(4, 1_000_004), 3), Some(ClockEvent::Corroborated));
    assert!(clock.is_corroborated(at(90_000, 1_090_000)), "a day later, by uptime");
    assert_eq!(clock.observe(at(90_001, 1_190_000)), Some(ClockEvent::Jumped));
    assert!(!clock.is_corroborated(at(90_001, 1_190_000)));
    assert_eq!(clock.observe(at(90_002, 1_090_002)), Some(ClockEvent::Returned));
    assert!(clock.is_corroborated(at(90_002, 1_090_002)));

    let mut alone = Clock::open(None, at(0, 1_000_000));
    assert_eq!(alone.partner_says(partner(1), WallSeconds(1_000_001), at(1, 1_000_001), 1), Some(ClockEvent::Corroborated), "the only one");
    let mut asked = Clock::open(None, at(0, 1_000_000));
    assert_eq!(asked.correct(true, at(1, 1_000_001)), Some(ClockEvent::Corroborated), "an officer looked at a watch");
}

#[test]
fn a_partner_that_keeps_the_old_time_vetoes_a_jump_until_more_confirm_it() {
    let mut clock = Clock::open(None, at(0, 1_000_000));
    clock.observe(at(1, 2_000_000));
    assert_eq!(clock.partner_says(partner(1), WallSeconds(1_000_002), at(2, 2_000_001), 3), None);
    assert_eq!(clock.partner_says(partner(2), WallSeconds(2_000_002), at(3, 2_000_002), 3), None);
    assert_eq!(clock.partner_says(partner(3), WallSeconds(2_000_003), at(4, 2_000_003), 3), Some(ClockEvent::Confirmed), "two against one");
    let mut clock = Clock::open(None, at(0, 1_000_000));
    clock.observe(at(1, 2_000_000));
    for honest in [1, 2] {
        clock.partner_says(partner(honest), WallSeconds(1_000_002), at(2, 2_000_001), 3);
    }
    for wrong in [3, 4] {
        assert_eq!(clock.partner_says(partner(wrong), WallSeconds(2_000_002), at(3, 2_000_002), 3), None, "two against two");
    }
    assert!(clock.is_held());
}

#[test]
fn many_small_steps_lead_no_further_than_one_jump() {
    let mut clock = Clock::open(None, at(0, 1_000_000));
    let mut off = 0;
    for minute in 1..100 {
        off += 300;
        if clock.observe(at(minute * 60, 1_000_000 + minute * 60 + off)) == Some(ClockEvent::Jumped) {
            assert_eq!(minute, 3, "ten minutes from where it started");
            return;
        }
    }
    panic!("eight hours in small steps were followed");
}

#[test]
fn starts_add_up_to_thirty_days_until_somebody_confirms_the_time() {
    let days = |n: u64| n * 86_400;
    let mut wall = 10_000_000;
    let mut clock = Clock::open(None, at(0, wall));
    for start in 1..=3 {
        wall += days(9);
        clock = Clock::open(Some(clock.kept(MonoMillis(0))), at(0, wall));
        assert!(!clock.is_held(), "start {start}");
    }
    wall += days(9);
    let held = Clock::open(Some(clock.kept(MonoMillis(0))), at(0, wall));
    assert!(held.is_held(), "36 days on nobody's word");
    assert_eq!(held.floor(MonoMillis(0)).0, wall - days(9));
    clock.correct(true, at(0, wall - days(9)));
    let again = Clock::open(Some(clock.kept(MonoMillis(0))), at(0, wall));
    assert!(!again.is_held(), "confirmed in between");
}

#[test]
fn the_root_heals_a_poisoned_floor_and_nothing_else() {
    const YEAR: u64 = 365 * 86_400;
    let poisoned = Kept { floor: WallSeconds(1_000_000 + 10 * YEAR), leapt: 0 };
    let mut clock = Clock::open(Some(poisoned), at(0, 1_000_000));
    assert!(clock.is_behind(at(0, 1_000_000)));
    assert!(clock.reset(WallSeconds(999_000), at(1, 1_000_001)));
    assert_eq!((clock.is_held(), clock.floor(MonoMillis(1_000))), (false, WallSeconds(1_000_001)), "as a start from there");
    assert!(!clock.is_corroborated(at(1, 1_000_001)), "the root was not asked what time it is");
    assert!(!clock.reset(WallSeconds(5_000), at(2, 1_000_002)), "a clock that is well needs none");
    assert_eq!(clock.observe(at(3, 1_000_003 + YEAR)), Some(ClockEvent::Jumped));
    assert!(!clock.reset(WallSeconds(5_000), at(3, 1_000_003 + YEAR)), "a clock ahead is not healed by going back");
}

#[test]
fn a_jump_back_is_confirmed_by_nobody() {
    let now = |mono, wall| Now { mono: MonoMillis(mono), wall: WallSeconds(wall) };
    let mut clock = Clock::open(None, now(0, 1_000_000));
    assert_eq!(clock.observe(now(1_000, 500_000)), Some(ClockEvent::Jumped));
    for partner in [1, 2, 3] {
        assert_eq!(clock.partner_says(BureauId([partner; 32]), WallSeconds(500_000), now(2_000, 500_001), 3), None);
    }
    assert_eq!(clock.correct(true, now(3_000, 500_002)), None);
    assert!(clock.is_held() && !clock.needs_word(), "the officer has spoken; the clock is to be set right");
    assert_eq!(clock.stamp(now(3_000, 500_002)), WallSeconds(1_000_003));
    assert_eq!(clock.observe(now(4_000, 1_000_004)), Some(ClockEvent::Returned));
}

#[test]
fn an_officer_hears_that_a_jump_back_cannot_be_confirmed_and_nothing_is_journalled_as_if_it_were() {
    let mut county = County::new(1);
    county.pass(60);
    county.now.wall = WallSeconds(county.now.wall.0 - 30 * 86_400);
    county.pass(60);
    let before = county.nodes[0].accounts.len();
    let refused =
        county.asked(0, Some(OFFICER), false, Command::ClockCorrect { confirm: true }).expect_err("it lies behind what was recorded");
    assert_eq!(refused.code, "clock_behind");
    assert!(!county.nodes[0].accounts[before..].iter().any(|line| line.kind == "clock_correct"));
    county.asked(0, Some(OFFICER), false, Command::ClockCorrect { confirm: false }).expect("that it is wrong may be said");
    // Forwards it can.
    county.now.wall = WallSeconds(county.now.wall.0 + 90 * 86_400);
    county.pass(60);
    county.asked(0, Some(OFFICER), false, Command::ClockCorrect { confirm: true }).expect("it may be right");
}
