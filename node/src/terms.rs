//! Agreement terms as people write them (TOML) and as the API takes them (JSON).
//!
//! Dates without a time are days in China (+08:00): `from` counts from the first minute of its day, `to` and `until` to the last minute of
//! theirs. What is checked here is the form, so that a fault is told with its line; what bureaus may agree on is the core's question.

use serde::{Deserialize, Serialize};
use toml::value::{Datetime, Offset};

use crate::failure::Failure;
use crate::words::Lang;

const TEMPLATE_ZH: &str = include_str!("../words/agreement.zh.toml");
const TEMPLATE_EN: &str = include_str!("../words/agreement.en.toml");
const COMPACT_ZH: &str = include_str!("../words/compact.zh.toml");
const COMPACT_EN: &str = include_str!("../words/compact.en.toml");

/// Days after the end before late writes are cut, when a file does not say.
const GRACE_DAYS_DEFAULT: u32 = 30;
/// China has one time zone and no daylight saving.
const OFFSET_S: i64 = 8 * 3_600;

/// Terms as the API takes them. Unknown fields are refused; words and bounds are checked by the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsForm {
    /// Headline of the agreement.
    pub title: String,
    /// BLAKE3 of the paper text, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hash: Option<String>,
    /// In force from, Unix seconds, inclusive.
    pub from: u64,
    /// In force until, Unix seconds, exclusive.
    pub to: u64,
    /// Days after the end before late writes are cut.
    pub grace_days: u32,
    /// Who gives what.
    pub grants: Vec<GrantForm>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annex: Option<Box<AnnexForm>>,
}

/// What an agreement says beside its grants, as the API takes it; sides as the offering bureau sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnnexForm {
    /// `ordinary` (when absent) or `emergency`.
    pub kind: Option<String>,
    /// Number in the files.
    pub number: Option<String>,
    /// Days between notice and end; 30 when absent.
    pub notice_days: Option<u32>,
    /// Aid goes on through the grace time.
    pub emergency_clause: bool,
    /// Categories never shared.
    pub excluded: Vec<String>,
    /// Heads of both bureaus: both or none.
    pub our_head: Option<String>,
    /// See `our_head`.
    pub their_head: Option<String>,
    /// BLAKE3 of the calendar table, hex.
    pub calendar: Option<String>,
    /// Response times.
    pub responses: Vec<ResponseLine>,
    /// Who speaks for whom.
    pub liaisons: Vec<LiaisonLine>,
    /// Units that work with each other directly.
    pub pairings: Vec<PairingLine>,
    /// Working areas.
    pub clusters: Vec<ClusterLine>,
    /// How long what was received may be kept.
    pub retention: Vec<RetentionLine>,
    /// Further articles.
    pub articles: Vec<ArticleLine>,
}

/// Response times of one urgency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseLine {
    /// `flash`, `urgent`, `priority`, `routine`.
    pub urgency: String,
    /// Signed for within, minutes.
    pub sign_minutes: u32,
    /// Answered within, minutes.
    pub answer_minutes: u32,
}

/// One liaison officer's seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiaisonLine {
    /// `ours`, `theirs`.
    pub side: String,
    /// For one category; for all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The seat.
    pub seat: String,
    /// Who stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy: Option<String>,
    /// 24-hour phone.
    pub phone: String,
    /// May order by phone.
    #[serde(default)]
    pub may_order: bool,
}

/// Two units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairingLine {
    /// Of ours.
    pub ours: String,
    /// Of theirs.
    pub theirs: String,
}

/// A working area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterLine {
    /// Its name.
    pub name: String,
    /// Units of both sides.
    pub units: Vec<String>,
}

/// Retention of one category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionLine {
    /// Category code.
    pub category: String,
    /// Days.
    pub days: u32,
}

/// A further article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArticleLine {
    /// Heading.
    pub title: String,
    /// Text.
    pub text: String,
}

/// One grant line as the API takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantForm {
    /// `we_give`, `they_give` or `both`, seen from the offering bureau.
    pub direction: String,
    /// Category code, for instance `CRIM.SERIES`.
    pub category: String,
    /// `read`, `append`, `request`.
    pub verbs: Vec<String>,
    /// Strictest traffic light covered.
    pub tlp_ceiling: String,
    /// Ends before the agreement does; Unix seconds, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// `none` or `ask`.
    pub onward: String,
    /// Most days a laptop keeps it readable offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_days_max: Option<u32>,
    /// Most subjects in one document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects_max: Option<u32>,
    /// Units of the receiver that may read; all when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Seats of the receiver that may read; all when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<String>,
}

/// A file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// To whom it is offered, if the file says so.
    pub partner: Option<String>,
    /// The terms.
    pub terms: TermsForm,
}

/// A compact's file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenCompact {
    /// What it is called; empty when an amendment keeps the name.
    pub name: String,
    /// The other bureaus, by name, alias or id; empty when an amendment keeps the roster.
    pub roster: Vec<String>,
    /// The common terms.
    pub terms: TermsForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    partner: Option<String>,
    name: Option<String>,
    roster: Option<Vec<String>>,
    title: String,
    from: Datetime,
    to: Datetime,
    grace_days: Option<u32>,
    text_hash: Option<String>,
    #[serde(default)]
    grants: Vec<Line>,
    annex: Option<Box<AnnexForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    direction: String,
    category: String,
    verbs: Vec<String>,
    tlp_ceiling: String,
    until: Option<Datetime>,
    onward: Option<String>,
    offline_days_max: Option<u32>,
    subjects_max: Option<u32>,
    #[serde(default)]
    units: Vec<String>,
    #[serde(default)]
    seats: Vec<String>,
}

/// The commented example file, in the language of the reader. It is valid as it stands, from the day of `now` (Unix seconds) for a year.
pub fn template(lang: Lang, now: u64) -> String {
    let text = match lang {
        Lang::Zh => TEMPLATE_ZH,
        Lang::En => TEMPLATE_EN,
    };
    dated(text, now)
}

/// The commented example of a compact's file, in the language of the reader, for the same year as [`template`]. It is valid as it stands.
pub fn compact_template(lang: Lang, now: u64) -> String {
    let text = match lang {
        Lang::Zh => COMPACT_ZH,
        Lang::En => COMPACT_EN,
    };
    dated(text, now)
}

/// A template with its days: an example that ended last year would be refused when it is filled in.
fn dated(text: &str, now: u64) -> String {
    let second = i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok()).unwrap_or_default();
    let today = second.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date();
    // Saturating: the calendar ends with the year 9999.
    let later = |span: jiff::Span| today.saturating_add(span).to_string();
    text.replace("{today}", &today.to_string())
        .replace("{in_half_a_year}", &later(jiff::Span::new().months(6)))
        .replace("{in_a_year}", &later(jiff::Span::new().years(1)))
}

/// Reads a compact's file.
///
/// # Errors
/// As [`read`]; a compact is offered to nobody in particular.
pub fn read_compact(text: &str) -> Result<WrittenCompact, Failure> {
    let (file, terms) = parse(text)?;
    if file.partner.is_some() {
        return Err(misplaced(text, "partner"));
    }
    Ok(WrittenCompact { name: file.name.unwrap_or_default(), roster: file.roster.unwrap_or_default(), terms })
}

/// Reads a file's text.
///
/// # Errors
/// `agreement_file` with what is wrong and the line, for TOML that does not parse, unknown or missing keys and impossible dates.
pub fn read(text: &str) -> Result<Written, Failure> {
    let (file, terms) = parse(text)?;
    match (file.name, file.roster) {
        (Some(_), _) => Err(misplaced(text, "name")),
        (_, Some(_)) => Err(misplaced(text, "roster")),
        (None, None) => Ok(Written { partner: file.partner, terms }),
    }
}

/// A key that belongs into the other kind of file.
fn misplaced(text: &str, key: &str) -> Failure {
    let line = text.lines().position(|line| line.trim_start().starts_with(key)).map_or(1, |at| at + 1);
    Failure::misuse("agreement_file").with("line", line).with("problem", format!("`{key}` does not belong here"))
}

fn parse(text: &str) -> Result<(File, TermsForm), Failure> {
    let mut file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Failure::misuse("agreement_file").with("line", line).with("problem", error.message())
    })?;
    let first = |date: &Datetime, key: &str| seconds(date, false).ok_or_else(|| bad_date(date, key));
    let last = |date: &Datetime, key: &str| seconds(date, true).ok_or_else(|| bad_date(date, key));
    let mut grants = Vec::with_capacity(file.grants.len());
    for line in std::mem::take(&mut file.grants) {
        grants.push(GrantForm {
            direction: line.direction,
            category: line.category,
            verbs: line.verbs,
            tlp_ceiling: line.tlp_ceiling,
            until: line.until.map(|date| last(&date, "until")).transpose()?,
            onward: line.onward.unwrap_or_else(|| "none".to_owned()),
            offline_days_max: line.offline_days_max,
            subjects_max: line.subjects_max,
            units: line.units,
            seats: line.seats,
        });
    }
    let terms = TermsForm {
        title: std::mem::take(&mut file.title),
        text_hash: file.text_hash.take(),
        from: first(&file.from, "from")?,
        to: last(&file.to, "to")?,
        grace_days: file.grace_days.unwrap_or(GRACE_DAYS_DEFAULT),
        grants,
        annex: file.annex.take(),
    };
    Ok((file, terms))
}

fn bad_date(date: &Datetime, key: &str) -> Failure {
    Failure::misuse("agreement_date").with("key", key).with("found", date)
}

/// Unix seconds of what a person types as a time: a day, a day and a time (+08:00 unless it says otherwise), or Unix seconds.
pub fn moment(text: &str, whole_day: bool) -> Option<u64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    // TOML wants seconds; people rarely do.
    let date = text.parse::<Datetime>().or_else(|_| format!("{text}:00").parse()).ok()?;
    seconds(&date, whole_day)
}

/// Unix seconds of a date; a bare day ends with its last second when `whole_day`. `None` for a time without a day, before 1970 or impossible.
fn seconds(date: &Datetime, whole_day: bool) -> Option<u64> {
    let day = date.date?;
    let days = jiff::civil::Date::new(i16::try_from(day.year).ok()?, i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?).ok()?;
    let midnight = days.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    let (within, offset) = match (date.time, date.offset) {
        (None, _) => (if whole_day { 24 * 3_600 } else { 0 }, OFFSET_S),
        (Some(time), offset) => {
            let within = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
            let offset = match offset {
                None => OFFSET_S,
                Some(Offset::Z) => 0,
                Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
            };
            (within, offset)
        }
    };
    u64::try_from(midnight.checked_add(within)?.checked_sub(offset)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[[grants]]\ndirection = 'both'\ncategory = 'TRAF'\nverbs = ['read']\ntlp_ceiling = 'AMBER'\n";

    #[test]
    fn a_slip_in_the_file_is_told_in_the_readers_language() {
        let (zh, en) = (crate::words::Words::of(Lang::Zh), crate::words::Words::of(Lang::En));
        let slips = [
            "",
            "titel = 't'",
            "title = 3",
            "title = true",
            "title = t",
            "title =",
            "title = 't",
            "title",
            "title = ['t'",
            "[title",
            "title == 't'",
            "title = 't'\ntitle = 'u'",
            "title = 't' 'u'",
            "标题 = 't'",
            "grants = 1",
            "title = 't'\nroster = 'x'",
            "title = 't'\nfrom = 2026-13-01",
            "title = 't'\nfrom = 2026-1-1",
            "title = 't'\nfrom = 2026-06-31",
            "title = 't'\nfrom = 'tomorrow'",
            "title = 't'\nfrom = 2026-12-01\nto = 2026-12-31\n[annex]\nnotice_days = -1",
            "title = 't'\nfrom = 2026-12-01\nto = 2026-12-31\ngrants = []\nroster = ['x']",
        ];
        let mut said = Vec::new();
        for text in slips {
            let failure = read(text).expect_err(text);
            said.push(failure.param("problem").expect("what is wrong").to_owned());
            let told = zh.sentences(&failure).cause.expect("a cause");
            let prose: String = told.split(['`', '"', '\'']).step_by(2).collect();
            assert!(!prose.bytes().any(|byte| byte.is_ascii_lowercase()), "{text}: {told}");
        }
        for key in en.keys().filter(|key| key.starts_with("detail.toml_")) {
            let pattern = en.say(key);
            let pieces: Vec<&str> = pattern.split(['{', '}']).step_by(2).collect();
            assert!(said.iter().any(|said| pieces.iter().all(|piece| said.contains(piece))), "no slip shows {key}: {pattern}");
        }
    }

    fn check(head: &str, expect: Result<(u64, u64), (&str, &str)>) {
        let found = read(&format!("title = '协作协议'\n{head}\n{LINE}"));
        match (found, expect) {
            (Ok(written), Ok(expect)) => assert_eq!((written.terms.from, written.terms.to), expect, "{head}"),
            (Err(failure), Err((code, line))) => {
                assert_eq!((failure.code.as_str(), failure.param("line").unwrap_or_default()), (code, line), "{head}");
            }
            (found, expect) => panic!("{head}: {found:?} instead of {expect:?}"),
        }
    }

    /// 2026-11-22 19:00 UTC: already the 23rd in China.
    const TODAY: u64 = 1_795_374_000;

    #[test]
    fn a_template_begins_today_in_china_and_lasts_a_year() {
        let check = |now: u64, from: &str, to: &str| {
            let expect = (moment(from, false), moment(to, true));
            for lang in [Lang::Zh, Lang::En] {
                let found = read(&template(lang, now)).expect("our own template").terms;
                assert_eq!((Some(found.from), Some(found.to)), expect, "{now}");
                let ends: Vec<u64> = found.grants.iter().filter_map(|grant| grant.until).collect();
                assert!(!ends.is_empty() && ends.iter().all(|until| (found.from..found.to).contains(until)), "{ends:?}");
                let found = read_compact(&compact_template(lang, now)).expect("our own template").terms;
                assert_eq!((Some(found.from), Some(found.to)), expect, "{now}");
            }
        };
        check(TODAY, "2026-11-23", "2027-11-23");
        // 2028-02-29 00:00 +08:00 and the second before.
        check(1_835_366_400, "2028-02-29", "2029-02-28");
        check(1_835_366_399, "2028-02-28", "2029-02-28");
    }

    #[test]
    fn both_templates_are_valid_and_say_the_same() {
        let [zh, en] = [Lang::Zh, Lang::En].map(|lang| read(&template(lang, TODAY)).expect("our own template"));
        assert_eq!(zh.terms.grants, en.terms.grants);
        assert_eq!((zh.terms.from, zh.terms.to, zh.terms.grace_days), (en.terms.from, en.terms.to, en.terms.grace_days));
        assert!(zh.terms.grants.len() >= 3);
        let shape = |form: &TermsForm| {
            let annex = form.annex.as_ref().expect("the template shows an annex");
            let seats: Vec<&str> = annex.liaisons.iter().map(|line| line.seat.as_str()).collect();
            let minutes: Vec<(u32, u32)> = annex.responses.iter().map(|line| (line.sign_minutes, line.answer_minutes)).collect();
            (annex.notice_days, annex.emergency_clause, annex.excluded.clone(), minutes, seats.join(" "), annex.articles.len())
        };
        assert_eq!(shape(&zh.terms), shape(&en.terms));
    }

    #[test]
    fn both_compact_templates_are_valid_and_what_belongs_to_the_other_file_is_refused() {
        let [zh, en] = [Lang::Zh, Lang::En].map(|lang| read_compact(&compact_template(lang, TODAY)).expect("our own template"));
        assert_eq!((zh.terms.grants, zh.terms.from, zh.terms.to), (en.terms.grants.clone(), en.terms.from, en.terms.to));
        assert!(!zh.name.is_empty() && zh.roster.len() == en.roster.len() && en.roster.len() >= 2);
        assert!(en.terms.grants.iter().all(|grant| grant.direction == "both"), "a common text reads alike from both sides");
        assert_eq!(read(&compact_template(Lang::En, TODAY)).expect_err("a roster").code, "agreement_file");
        let text = format!("partner = 'x'\ntitle = 't'\nfrom = 2026-12-01\nto = 2026-12-31\n{LINE}");
        assert_eq!(read_compact(&text).expect_err("a partner").param("line"), Some("1"));
    }

    #[test]
    fn a_day_is_a_day_in_china_and_its_end_is_included() {
        // 2026-12-01 00:00 +08:00 and 2027-01-01 00:00 +08:00.
        check("from = 2026-12-01\nto = 2026-12-31", Ok((1_796_054_400, 1_798_732_800)));
        check("from = 2026-12-01T00:00:00\nto = 2026-12-31T16:00:00Z", Ok((1_796_054_400, 1_798_732_800)));
        check("from = 2026-11-30T16:00:00Z\nto = 2027-01-01T01:00:00+09:00", Ok((1_796_054_400, 1_798_732_800)));
    }

    #[test]
    fn a_moment_is_typed_as_a_day_a_time_or_seconds() {
        let check = |text: &str, whole_day, expect| assert_eq!(moment(text, whole_day), expect, "{text}");
        check("2026-12-01", false, Some(1_796_054_400));
        check("2026-12-01", true, Some(1_796_054_400 + 86_400));
        check(" 2026-12-01 08:30 ", true, Some(1_796_054_400 + 30_600));
        check("2026-12-01 08:30:15", false, Some(1_796_054_400 + 30_615));
        check("2026-12-01T00:00:00Z", false, Some(1_796_054_400 + 28_800));
        check("1796054400", false, Some(1_796_054_400));
        for wrong in ["", "yesterday", "2026-13-01", "08:30", "99999999999999999999999"] {
            check(wrong, false, None);
        }
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        check("from = 2026-12-01\nto = 2026-12-31\nvalid = true", Err(("agreement_file", "4")));
        check("from = 2026-12-01\nto = ", Err(("agreement_file", "3")));
        check("from = 12:00:00\nto = 2026-12-31", Err(("agreement_date", "")));
        check("from = 1960-01-01\nto = 2026-12-31", Err(("agreement_date", "")));
        assert_eq!(read("").expect_err("no title").code, "agreement_file");
    }

    #[test]
    fn terms_travel_through_the_api_unchanged() {
        let written = read(&template(Lang::En, TODAY)).expect("our own template");
        let json = serde_json::to_value(&written.terms).expect("plain values");
        assert_eq!(serde_json::from_value::<TermsForm>(json.clone()).expect("what we wrote"), written.terms);
        let mut unknown = json;
        unknown["grants"][0]["hidden"] = serde_json::json!(1);
        assert!(serde_json::from_value::<TermsForm>(unknown).is_err(), "an unknown field is refused");
    }
}
