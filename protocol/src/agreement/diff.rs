//! What differs between two versions of terms, line by line and in both directions, as one side sees it.

use std::collections::BTreeMap;

use super::annex::Annex;
use super::{Category, Direction, Giver, Grant, Terms, Verb};
use accord_keys::time::WallSeconds;

/// Which way a line runs, as the reading side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// We give.
    WeGive,
    /// They give.
    TheyGive,
}

impl Way {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Way::WeGive => "we_give",
            Way::TheyGive => "they_give",
        }
    }
    /// The ways a line runs, for the side with this role in its offer.
    pub const fn of(direction: Direction, ours: Giver) -> &'static [Way] {
        match (direction, ours) {
            (Direction::Both, _) => &[Way::WeGive, Way::TheyGive],
            (Direction::OffererGives, Giver::Offerer) | (Direction::AcceptorGives, Giver::Acceptor) => &[Way::WeGive],
            _ => &[Way::TheyGive],
        }
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It allows more, and nothing less.
    Widened,
    /// It allows less, and nothing more.
    Narrowed,
    /// Some of it more, some of it less.
    Changed,
}

impl Change {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Widened => "widened",
            Change::Narrowed => "narrowed",
            Change::Changed => "changed",
        }
    }
}

/// One line that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// Which way it runs.
    pub way: Way,
    /// Of what category.
    pub category: Category,
    /// What became of it.
    pub change: Change,
    /// As it was.
    pub before: Option<Grant>,
    /// As it is to be.
    pub after: Option<Grant>,
}

/// Everything that differs between two terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsDiff {
    /// Title before and after.
    pub title: Option<(String, String)>,
    /// Whether the hash of the paper text differs.
    pub text: bool,
    /// Beginning before and after.
    pub from: Option<(WallSeconds, WallSeconds)>,
    /// End before and after.
    pub to: Option<(WallSeconds, WallSeconds)>,
    /// Days of grace before and after.
    pub grace_days: Option<(u32, u32)>,
    /// Lines, ours first, by category.
    pub lines: Vec<LineChange>,
    /// Fields of the annex that differ, by their stable words.
    pub annex: Vec<&'static str>,
}

impl TermsDiff {
    /// Whether anything differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What differs from `before` to `after` for the side that has these roles in their offers.
pub fn diff(before: (&Terms, Giver), after: (&Terms, Giver)) -> TermsDiff {
    let ((old, old_role), (new, new_role)) = (before, after);
    let differing = |a: WallSeconds, b: WallSeconds| (a != b).then_some((a, b));
    TermsDiff {
        title: (old.title != new.title).then(|| (old.title.clone(), new.title.clone())),
        text: old.text_hash != new.text_hash,
        from: differing(old.from, new.from),
        to: differing(old.to, new.to),
        grace_days: (old.grace_days != new.grace_days).then_some((old.grace_days, new.grace_days)),
        lines: lines(&by_key(old, old_role), &by_key(new, new_role)),
        annex: annex(&seen(old, old_role), &seen(new, new_role)),
    }
}

/// Lines by way and category; the direction itself is in the key and made equal, so that one line "both" compares with two lines one way.
fn by_key(terms: &Terms, ours: Giver) -> BTreeMap<(Way, Category), Vec<Grant>> {
    let mut out: BTreeMap<(Way, Category), Vec<Grant>> = BTreeMap::new();
    for grant in terms.grants.iter().filter(|grant| !terms.excludes(grant.category)) {
        for way in Way::of(grant.direction, ours) {
            out.entry((*way, grant.category)).or_default().push(Grant { direction: Direction::Both, ..grant.clone() });
        }
    }
    out
}

fn lines(old: &BTreeMap<(Way, Category), Vec<Grant>>, new: &BTreeMap<(Way, Category), Vec<Grant>>) -> Vec<LineChange> {
    let mut keys: Vec<(Way, Category)> = old.keys().chain(new.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    let mut out = Vec::new();
    for (way, category) in keys {
        let key = (way, category);
        let mut before = old.get(&key).cloned().unwrap_or_default();
        let mut after = new.get(&key).cloned().unwrap_or_default();
        // What stands in both is no difference, in whatever order.
        before.retain(|line| match after.iter().position(|other| other == line) {
            Some(at) => {
                after.remove(at);
                false
            }
            None => true,
        });
        let count = before.len().max(after.len());
        let (mut before, mut after) = (before.into_iter(), after.into_iter());
        for _ in 0..count {
            let (before, after) = (before.next(), after.next());
            let change = match (&before, &after) {
                (Some(before), Some(after)) => compare(before, after),
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
            };
            out.push(LineChange { way, category, change, before, after });
        }
    }
    out
}

/// Whether `after` allows more or less than `before`.
fn compare(before: &Grant, after: &Grant) -> Change {
    let within = |less: &Grant, more: &Grant| {
        less.verbs.iter().all(|verb| more.verbs.iter().any(|held: &Verb| held.includes(*verb)))
            && less.tlp_ceiling <= more.tlp_ceiling
            && at_most(less.until, more.until)
            && less.onward <= more.onward
            && at_most(less.offline_days_max, more.offline_days_max)
            && at_most(less.subjects_max, more.subjects_max)
            && is_part(less.units.as_ref(), more.units.as_ref())
            && is_part(less.seats.as_ref(), more.seats.as_ref())
    };
    match (within(before, after), within(after, before)) {
        (true, false) => Change::Widened,
        (false, true) => Change::Narrowed,
        _ => Change::Changed,
    }
}

/// No bound is the widest.
fn at_most<T: Ord>(less: Option<T>, more: Option<T>) -> bool {
    match (less, more) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(less), Some(more)) => less <= more,
    }
}

/// Nobody named is everybody.
fn is_part(less: Option<&Vec<String>>, more: Option<&Vec<String>>) -> bool {
    match (less, more) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(less), Some(more)) => less.iter().all(|name| more.contains(name)),
    }
}

/// The annex as the offering side of these terms would have written it, had we offered.
fn seen(terms: &Terms, ours: Giver) -> Annex {
    let annex = terms.annex.as_deref().cloned().unwrap_or_default();
    if ours == Giver::Offerer { annex } else { annex.mirrored() }
}

fn annex(old: &Annex, new: &Annex) -> Vec<&'static str> {
    let fields = [
        ("number", old.number != new.number),
        ("form", old.form != new.form),
        ("notice_days", old.notice_days != new.notice_days),
        ("emergency_clause", old.emergency_clause != new.emergency_clause),
        ("excluded", old.excluded != new.excluded),
        ("responses", old.responses != new.responses),
        ("liaisons", old.liaisons != new.liaisons),
        ("pairings", old.pairings != new.pairings),
        ("clusters", old.clusters != new.clusters),
        ("retention", old.retention != new.retention),
        ("heads", old.heads != new.heads),
        ("articles", old.articles != new.articles),
        ("calendar", old.calendar != new.calendar),
        ("compact", old.compact != new.compact),
        ("lifts", old.lifts != new.lifts),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{Onward, Tlp};

    fn grant(direction: Direction, category: Category, verbs: &[Verb], tlp_ceiling: Tlp) -> Grant {
        Grant {
            direction,
            category,
            verbs: verbs.to_vec(),
            tlp_ceiling,
            until: None,
            onward: Onward::None,
            offline_days_max: None,
            subjects_max: None,
            units: None,
            seats: None,
        }
    }
    fn terms(grants: Vec<Grant>) -> Terms {
        Terms { title: "协作".into(), text_hash: None, from: WallSeconds(100), to: WallSeconds(200), grants, grace_days: 30, annex: None }
    }
    fn words(diff: &TermsDiff) -> Vec<(&'static str, &'static str, &'static str)> {
        diff.lines.iter().map(|line| (line.way.word(), line.category.code(), line.change.word())).collect()
    }

    #[test]
    fn each_direction_is_told_apart_and_ours_comes_first() {
        let old = terms(vec![
            grant(Direction::Both, Category::Traf, &[Verb::Read], Tlp::Amber),
            grant(Direction::OffererGives, Category::Mkt, &[Verb::Read], Tlp::Amber),
        ]);
        let new = terms(vec![
            grant(Direction::OffererGives, Category::Traf, &[Verb::Append], Tlp::Amber),
            grant(Direction::AcceptorGives, Category::Traf, &[Verb::Read], Tlp::Green),
            grant(Direction::AcceptorGives, Category::Env, &[Verb::Read], Tlp::Green),
        ]);
        let ours = words(&diff((&old, Giver::Offerer), (&new, Giver::Offerer)));
        assert_eq!(
            ours,
            [
                ("we_give", "TRAF", "widened"),
                ("we_give", "MKT", "removed"),
                ("they_give", "TRAF", "narrowed"),
                ("they_give", "ENV", "added"),
            ]
        );
        let theirs = words(&diff((&old, Giver::Acceptor), (&new, Giver::Acceptor)));
        assert_eq!(theirs[0], ("we_give", "TRAF", "narrowed"), "the other side reads it the other way round");
    }

    #[test]
    fn the_same_terms_offered_by_the_other_side_differ_in_nothing() {
        let mut one = terms(vec![grant(Direction::OffererGives, Category::Traf, &[Verb::Read], Tlp::Amber)]);
        one.annex = Some(Box::new(Annex { number: "7".into(), ..Annex::default() }));
        assert!(diff((&one, Giver::Offerer), (&one.mirrored(), Giver::Acceptor)).is_empty());
        let exclude = Terms { annex: Some(Box::new(Annex { excluded: vec![Category::Traf], ..Annex::default() })), ..one.clone() };
        let found = diff((&one, Giver::Offerer), (&exclude, Giver::Offerer));
        assert_eq!(words(&found), [("we_give", "TRAF", "removed")], "what is excluded is not granted");
        assert_eq!(found.annex, ["number", "excluded"]);
        assert!(!found.is_empty());
    }

    #[test]
    fn more_of_one_and_less_of_another_is_neither_wider_nor_narrower() {
        let old = grant(Direction::Both, Category::Traf, &[Verb::Read], Tlp::Amber);
        let cases = [
            (Grant { until: Some(WallSeconds(150)), ..old.clone() }, Change::Narrowed),
            (Grant { units: Some(vec!["东站".into()]), ..old.clone() }, Change::Narrowed),
            (Grant { subjects_max: Some(3), ..old.clone() }, Change::Narrowed),
            (Grant { onward: Onward::Ask, ..old.clone() }, Change::Widened),
            (Grant { tlp_ceiling: Tlp::Red, offline_days_max: Some(3), ..old.clone() }, Change::Changed),
        ];
        for (new, expected) in cases {
            assert_eq!(compare(&old, &new), expected, "{new:?}");
        }
        let days = |days| Grant { offline_days_max: Some(days), ..old.clone() };
        assert_eq!((compare(&days(5), &days(3)), compare(&days(3), &days(5))), (Change::Narrowed, Change::Widened));
    }
}
