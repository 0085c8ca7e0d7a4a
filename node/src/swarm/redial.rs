//! When to dial again, and which of two connections stays. Pure: time and randomness are arguments.

use std::time::Duration;

use accord_keys::id::TransportKey;

/// Doublings after which the pause no longer matters; keeps the shift in range.
const DOUBLINGS_MAX: u32 = 16;
/// Duplicates in a row, without a link that was of use between them, after which the pause is short.
const DUPLICATES_MAX: u32 = 2;

/// Pauses that grow with each failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
    duplicates: u32,
}

impl Backoff {
    /// The pause before the next attempt: uniform between nothing and the current ceiling, which doubles from `first` to `max`
    /// ("full jitter"), so that partners of a node that comes back do not all arrive at once. Counts as one more failure.
    pub(super) fn pause(&mut self, first: Duration, max: Duration, random: u64) -> Duration {
        let ceiling = first.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(max);
        self.failures = self.failures.saturating_add(1);
        #[expect(clippy::cast_precision_loss, reason = "jitter needs no more than 53 bits")]
        let share = random as f64 / u64::MAX as f64;
        ceiling.mul_f64(share)
    }

    /// The pause after the partner said that it is linked with us already. Where we hold no such link, the one it means died with a process of ours, and
    /// the next attempt takes its place ([`replaces`]): so it is soon, and no failure. Not at once: of two that dialled each other the other's
    /// connection may still be on its way. Said again and again it is a failure like any other: two copies of one device would take each other's place for
    /// ever, or the partner says it to whoever comes.
    pub(super) fn after_duplicate(&mut self, first: Duration, max: Duration, random: u64) -> Duration {
        if self.duplicates >= DUPLICATES_MAX {
            return self.pause(first, max, random);
        }
        self.duplicates += 1;
        let half = first / 2;
        half + Self::default().pause(half, half, random)
    }
}

/// A link that stands, as far as the choice between two needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// We dialled it.
    pub(super) outgoing: bool,
    /// It has stood so long that a handshake begun before it must have ended.
    pub(super) settled: bool,
    /// The partner dialled before while it stood, and was told that it stands.
    pub(super) told: bool,
}

/// Whether a new connection replaces the link that stands.
///
/// Both sides come to the same answer without a word. A second connection by the same dialler, or any once the link has settled, means
/// that its dialler has lost the link: nobody dials whom he is linked with. So does one more from a partner that was told of the link that stands. Otherwise both dialled at once, and the connection dialled by
/// the lower transport key stays.
pub(super) fn replaces(ours: &TransportKey, theirs: &TransportKey, standing: Standing, new_outgoing: bool) -> bool {
    let told = standing.told && !new_outgoing;
    standing.settled || told || standing.outgoing == new_outgoing || new_outgoing == (ours < theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(300);

    #[test]
    fn ceilings_double_from_a_second_to_five_minutes() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..12).map(|_| backoff.pause(FIRST, MAX, u64::MAX).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        for _ in 0..10_000 {
            assert!(backoff.pause(FIRST, MAX, u64::MAX) <= MAX);
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_pause() {
        let pause = |random| Backoff { failures: 3, duplicates: 0 }.pause(FIRST, MAX, random);
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(u64::MAX), Duration::from_secs(8));
        assert!(pause(u64::MAX / 2).abs_diff(Duration::from_secs(4)) < Duration::from_millis(1));
    }

    #[test]
    fn both_sides_keep_the_same_one_of_two_connections_whatever_came_first() {
        let (low, high) = (TransportKey([1; 32]), TransportKey([2; 32]));
        let young = |outgoing| Standing { outgoing, settled: false, told: false };
        // Dialled by the lower key: outgoing there, incoming at the higher key.
        for low_dialled_first in [true, false] {
            let low_takes_new = replaces(&low, &high, young(low_dialled_first), !low_dialled_first);
            let high_takes_new = replaces(&high, &low, young(!low_dialled_first), low_dialled_first);
            assert_eq!(low_takes_new, high_takes_new);
            assert_eq!(low_takes_new, !low_dialled_first, "the one dialled by the lower key stays");
        }
        for outgoing in [true, false] {
            assert!(replaces(&low, &high, young(outgoing), outgoing), "the same dialler has lost the first");
            assert!(replaces(&high, &low, Standing { settled: true, ..young(outgoing) }, !outgoing), "a settled link was lost over there");
        }
        let told = Standing { told: true, ..young(true) };
        assert!(!replaces(&low, &high, young(true), false) && replaces(&low, &high, told, false), "it dials again: it has no link");
        assert!(!replaces(&high, &low, Standing { outgoing: false, ..told }, true), "what we dial ourselves says nothing of the partner");
    }

    #[test]
    fn after_a_partner_that_thinks_it_is_linked_the_pause_is_short_until_it_says_so_again_and_again() {
        let pauses = [0, u64::MAX / 2, u64::MAX].map(|random| Backoff::default().after_duplicate(FIRST, MAX, random).as_millis());
        assert_eq!((pauses[0], pauses[2]), (500, 1_000));
        assert!((740..=760).contains(&pauses[1]), "{pauses:?}");
        let mut backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..7).map(|_| backoff.after_duplicate(FIRST, MAX, u64::MAX).as_millis()).collect();
        assert_eq!(ceilings, [1_000, 1_000, 1_000, 2_000, 4_000, 8_000, 16_000]);
    }
}
