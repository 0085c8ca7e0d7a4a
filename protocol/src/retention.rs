//! How long documents are kept, and what their time being over leads to. Pure: which time it is, and what an officer holds, is given.
//!
//! A document is kept for so many days after its newest record: by what the agreements with its holders say for the category, the shortest of
//! them, else by the category's own default. Seven days before that its people are told; then its owner ends it; thirty days after the end,
//! which is when attestations are due, every holder destroys what it has.

use crate::time::{DAY_S, WallSeconds};

use crate::agreement::Category;
use crate::limits;

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Kept.
    Kept,
    /// Its time is over within [`limits::RETENTION_TOLD_S`].
    Announced,
    /// Its time is over: its owner ends it.
    Due,
    /// It ended; what is here is destroyed when the attestations are due.
    Ended,
    /// What is here is to be destroyed.
    Erasable,
}

impl Stage {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Stage::Kept => "kept",
            Stage::Announced => "announced",
            Stage::Due => "due",
            Stage::Ended => "ended",
            Stage::Erasable => "erasable",
        }
    }
}

/// Days a document of this category is kept where no agreement says otherwise (the table of the domain's categories).
pub const fn default_days(category: Category) -> u32 {
    match category {
        Category::CrimWanted | Category::Traf => 30,
        Category::CrimProp | Category::EventSafety => 90,
        Category::CrimCheck => 180,
        Category::CrimModus | Category::PersMissing | Category::FireHaz | Category::Env | Category::Mkt => 365,
        Category::CrimSeries | Category::Analysis | Category::Admin => 730,
        Category::FireAid | Category::ForceAid => 1_825,
    }
}

/// Days a document is kept: the shortest of what its holders' agreements say, each the default where it says nothing.
pub fn days(category: Category, agreed: impl IntoIterator<Item = Option<u32>>) -> u32 {
    let shortest = agreed.into_iter().map(|days| days.unwrap_or(default_days(category))).min();
    shortest.unwrap_or(default_days(category))
}

/// When a document's time is over.
pub fn keep_until(newest_record: WallSeconds, days: u32) -> WallSeconds {
    newest_record.plus(u64::from(days) * DAY_S)
}

/// Where a document stands at a time. `ended` is the time of the record that ended it for its time being over.
pub fn stage(until: WallSeconds, ended: Option<WallSeconds>, now: WallSeconds) -> Stage {
    match ended {
        Some(ended) if now >= ended.plus(limits::RETENTION_ERASE_S) => Stage::Erasable,
        Some(_) => Stage::Ended,
        None if now >= until => Stage::Due,
        None if now.plus(limits::RETENTION_TOLD_S) >= until => Stage::Announced,
        None => Stage::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_agreed_time_counts_and_the_default_where_none_is_agreed() {
        let check =
            |agreed: &[Option<u32>], expect: u32| assert_eq!(days(Category::CrimModus, agreed.iter().copied()), expect, "{agreed:?}");
        check(&[], 365);
        check(&[None], 365);
        check(&[Some(30)], 30);
        check(&[Some(700)], 700);
        check(&[Some(700), None], 365);
        check(&[Some(700), Some(60)], 60);
        assert!(Category::ALL.iter().all(|category| (30..=1_825).contains(&default_days(*category))));
    }

    #[test]
    fn a_document_is_announced_then_due_then_ended_then_erasable_each_from_its_second_on() {
        let until = keep_until(WallSeconds(1_000_000), 30);
        assert_eq!(until.0, 1_000_000 + 30 * DAY_S);
        let told = until.0 - limits::RETENTION_TOLD_S;
        for (now, expect) in
            [(0, Stage::Kept), (told - 1, Stage::Kept), (told, Stage::Announced), (until.0 - 1, Stage::Announced), (until.0, Stage::Due)]
        {
            assert_eq!(stage(until, None, WallSeconds(now)), expect, "{now}");
        }
        let ended = WallSeconds(5_000_000);
        assert_eq!(stage(until, Some(ended), ended), Stage::Ended);
        assert_eq!(stage(until, Some(ended), ended.plus(limits::RETENTION_ERASE_S - 1)), Stage::Ended);
        assert_eq!(stage(until, Some(ended), ended.plus(limits::RETENTION_ERASE_S)), Stage::Erasable);
    }
}
