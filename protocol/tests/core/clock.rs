//! The corroborated clock under anything the wall clock, partners and officers may do.

use accord_protocol::clock::{Clock, ClockEvent};
use accord_protocol::id::BureauId;
use accord_protocol::limits;
use accord_protocol::time::{MonoMillis, Now, WallSeconds};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Tick {
    Look,
    Partner { who: u8, off: i64 },
    Officer { confirm: bool },
    Restart,
}

fn tick() -> impl Strategy<Value = (u64, i64, Tick)> {
    let off = || prop_oneof![3 => -5i64..5, 1 => -4_000_000i64..4_000_000];
    let what = prop_oneof![
        3 => Just(Tick::Look),
        2 => (0u8..3, off()).prop_map(|(who, off)| Tick::Partner { who, off }),
        1 => any::<bool>().prop_map(|confirm| Tick::Officer { confirm }),
        1 => Just(Tick::Restart),
    ];
    (0u64..2_000, prop_oneof![3 => Just(0i64), 1 => off()], what)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_floor_never_goes_down_and_egress_never_sees_less(ticks in proptest::collection::vec(tick(), 1..40), partners in 0usize..4) {
        let (mut mono, mut wall) = (0u64, 10_000_000u64);
        let now = |mono, wall| Now { mono: MonoMillis(mono), wall: WallSeconds(wall) };
        let mut clock = Clock::open(None, now(mono, wall));
        let mut floor = clock.floor(MonoMillis(mono));
        for (seconds, step, what) in ticks {
            mono += seconds * 1_000;
            wall = (wall + seconds).saturating_add_signed(step).max(1);
            let now = now(mono, wall);
            let held = clock.is_held();
            match what {
                Tick::Look => {
                    let event = clock.observe(now);
                    prop_assert_eq!(event == Some(ClockEvent::Jumped), !held && clock.is_held());
                }
                Tick::Partner { who, off } => {
                    let event = clock.partner_says(BureauId([who; 32]), WallSeconds(wall.saturating_add_signed(off)), now, partners);
                    prop_assert!(event.is_none() || held, "partners settle a held jump and nothing else");
                    prop_assert!(held || !clock.is_held(), "partners cause no jump");
                    prop_assert!(off.unsigned_abs() <= limits::CLOCK_JUMP_S || event.is_none(), "a partner of another opinion confirms nothing");
                }
                Tick::Officer { confirm } => {
                    clock.correct(confirm, now);
                }
                Tick::Restart => {
                    let kept = clock.floor(now.mono);
                    mono = 0;
                    clock = Clock::open(Some(kept), Now { mono: MonoMillis(0), ..now });
                }
            }
            let now = Now { mono: MonoMillis(mono), ..now };
            let found = clock.floor(now.mono);
            prop_assert!(found >= floor, "floor went from {floor:?} to {found:?}");
            floor = found;
            prop_assert!(clock.effective(now) >= found && clock.effective(now) >= now.wall);
            prop_assert!(clock.stamp(now) >= found && clock.stamp(now) <= clock.effective(now));
        }
    }
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
