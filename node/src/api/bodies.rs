//! Request bodies as the API takes them. Unknown fields are refused; words and bounds are the core's matter.

use accord_keys::time::WallSeconds;
use accord_protocol::agreement::annex::{Annex, Article, Cluster, Form, Heads, Liaison, Pairing, Response, Retention, Side, Urgency};
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::id::Digest;
use accord_protocol::input::Draft;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::failure::Failure;
use crate::terms::{AnnexForm, GrantForm, TermsForm};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    pub confirm: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreConfirm {
    pub missing: String,
    #[serde(default)]
    pub alone: bool,
    #[serde(default)]
    pub pair: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    #[serde(rename = "for")]
    pub to: String,
    #[serde(default)]
    pub all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Officer {
    pub name: String,
    #[serde(default)]
    pub seats: Vec<String>,
    #[serde(default)]
    pub capabilities: Vec<String>,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub name: String,
    pub passphrase: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logout {
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    pub bytes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    pub officer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contact {
    pub addresses: Vec<String>,
    pub phone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPartner {
    pub card: String,
    #[serde(default)]
    pub checking_code: Option<String>,
    #[serde(default)]
    pub alias: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partner {
    #[serde(default)]
    pub alias: Option<String>,
    #[serde(default)]
    pub address: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    pub partner: String,
    pub terms: TermsForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootConfirm {
    pub checking_code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retain {
    #[serde(default)]
    pub documents: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decline {
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCompact {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub roster: Vec<String>,
    pub terms: TermsForm,
    #[serde(default)]
    pub previous: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompactFile {
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftForm {
    pub title: String,
    pub text: String,
    pub category: String,
    #[serde(default)]
    pub tlp: Option<String>,
    #[serde(default)]
    pub subkind: String,
    #[serde(default)]
    pub case_number: Option<String>,
}

impl From<DraftForm> for Draft {
    fn from(form: DraftForm) -> Self {
        let DraftForm { title, text, category, tlp, subkind, case_number } = form;
        Self { title, text, category, tlp, subkind, case_number }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    #[serde(default)]
    pub draft: Option<String>,
    #[serde(default)]
    pub text: Option<DraftForm>,
    pub to: Vec<String>,
    #[serde(default)]
    pub open: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub title: String,
    pub text: String,
    pub category: String,
    #[serde(default)]
    pub tlp: Option<String>,
    #[serde(default)]
    pub case_number: Option<String>,
    pub with: Vec<String>,
    #[serde(default)]
    pub continues: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub kind: String,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renew {
    #[serde(default)]
    pub from: Option<u64>,
    pub to: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amend {
    pub terms: TermsForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Suspend {
    #[serde(default)]
    pub categories: Vec<String>,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    #[serde(default)]
    pub notices: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    #[serde(default)]
    pub ends: Option<u64>,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGrant {
    pub partner: String,
    pub verb: String,
    #[serde(default)]
    pub tlp: Option<String>,
    #[serde(default)]
    pub until: Option<u64>,
    #[serde(default)]
    pub no_fourth_party: bool,
    #[serde(default)]
    pub purpose: String,
    #[serde(default)]
    pub answer_by: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnwardAsk {
    pub recipient: String,
    pub verb: String,
    pub purpose: String,
    pub urgency: String,
    #[serde(default)]
    pub answer_by: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnwardGrant {
    #[serde(default)]
    pub verb: Option<String>,
    #[serde(default)]
    pub tlp: Option<String>,
    #[serde(default)]
    pub until: Option<u64>,
    #[serde(default)]
    pub fourth_party: bool,
    #[serde(default)]
    pub purpose: String,
    #[serde(default)]
    pub answer_by: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub subject: String,
    #[serde(default)]
    pub strict: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admit {
    #[serde(default)]
    pub acts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Void {
    pub acts: Vec<String>,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Erase {
    pub files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    pub upload: Option<String>,
    /// Base64.
    pub bytes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFile {
    pub upload: Option<String>,
    pub name: String,
    #[serde(default)]
    pub media: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reclassify {
    pub tlp: String,
}

/// Terms in the core's words; the offering bureau is the one that asks.
///
/// # Errors
/// `unknown_direction`, `unknown_category`, `unknown_verb`, `unknown_tlp`, `unknown_onward` with the word as written.
pub(super) fn terms(form: TermsForm) -> Result<Terms, Failure> {
    let TermsForm { title, text_hash, from, to, grace_days, grants, annex } = form;
    let grants = grants.into_iter().map(grant).collect::<Result<_, _>>()?;
    let text_hash = text_hash.map(|hex| Digest::from_hex(&hex).ok_or_else(|| unknown("digest", &hex))).transpose()?;
    let annex = annex.map(|form| annex_of(*form)).transpose()?.map(Box::new);
    Ok(Terms { title, text_hash, from: WallSeconds(from), to: WallSeconds(to), grants, grace_days, annex })
}

fn unknown(what: &str, word: &str) -> Failure {
    Failure::misuse(&format!("unknown_{what}")).with(what, word).with("found", word)
}

fn category(code: &str) -> Result<Category, Failure> {
    Category::from_code(code).ok_or_else(|| unknown("category", code))
}

/// The annex in the core's words: we are the offering side.
fn annex_of(form: AnnexForm) -> Result<Annex, Failure> {
    let form_word = form.kind.as_deref().unwrap_or("ordinary");
    let kind = match form_word {
        "ordinary" => Form::Ordinary,
        "emergency" => Form::Emergency,
        other => return Err(unknown("form", other)),
    };
    let least = if kind == Form::Emergency { 0 } else { accord_protocol::limits::NOTICE_DAYS_MIN };
    let mut excluded = form.excluded.iter().map(|code| category(code)).collect::<Result<Vec<_>, _>>()?;
    excluded.sort();
    excluded.dedup();
    let mut responses = Vec::with_capacity(form.responses.len());
    for line in form.responses {
        let urgency = Urgency::from_word(&line.urgency).ok_or_else(|| unknown("urgency", &line.urgency))?;
        responses.push(Response { urgency, sign_minutes: line.sign_minutes, answer_minutes: line.answer_minutes });
    }
    responses.sort_by_key(|line| line.urgency);
    let mut liaisons = Vec::with_capacity(form.liaisons.len());
    for line in form.liaisons {
        let side = match line.side.as_str() {
            "ours" => Side::Offerer,
            "theirs" => Side::Acceptor,
            other => return Err(unknown("side", other)),
        };
        let category = line.category.as_deref().map(category).transpose()?;
        liaisons.push(Liaison { side, category, seat: line.seat, deputy: line.deputy, phone: line.phone, may_order: line.may_order });
    }
    let mut pairings: Vec<Pairing> =
        form.pairings.into_iter().map(|line| Pairing { offerer_unit: line.ours, acceptor_unit: line.theirs }).collect();
    pairings.sort();
    pairings.dedup();
    let mut retention = Vec::with_capacity(form.retention.len());
    for line in form.retention {
        retention.push(Retention { category: category(&line.category)?, days: line.days });
    }
    retention.sort_by_key(|line| line.category);
    let heads = match (form.our_head, form.their_head) {
        (Some(offerer), Some(acceptor)) => Some(Heads { offerer, acceptor }),
        (None, None) => None,
        _ => return Err(Failure::misuse("one_head")),
    };
    Ok(Annex {
        number: form.number.unwrap_or_default(),
        form: kind,
        notice_days: form.notice_days.unwrap_or(least),
        emergency_clause: form.emergency_clause,
        excluded,
        responses,
        liaisons,
        pairings,
        clusters: form.clusters.into_iter().map(|line| Cluster { name: line.name, units: line.units }).collect(),
        retention,
        heads,
        articles: form.articles.into_iter().map(|line| Article { title: line.title, text: line.text }).collect(),
        calendar: form.calendar.map(|hex| Digest::from_hex(&hex).ok_or_else(|| unknown("digest", &hex))).transpose()?,
        compact: None,
        lifts: Vec::new(),
    })
}

/// Names in any order become one list; none named means all.
fn names(mut list: Vec<String>) -> Option<Vec<String>> {
    list.sort();
    list.dedup();
    (!list.is_empty()).then_some(list)
}

fn grant(form: GrantForm) -> Result<Grant, Failure> {
    let direction = match form.direction.as_str() {
        "we_give" => Direction::OffererGives,
        "they_give" => Direction::AcceptorGives,
        "both" => Direction::Both,
        other => return Err(unknown("direction", other)),
    };
    let onward = match form.onward.as_str() {
        "none" => Onward::None,
        "ask" => Onward::Ask,
        other => return Err(unknown("onward", other)),
    };
    let mut verbs =
        form.verbs.iter().map(|word| Verb::from_word(word).ok_or_else(|| unknown("verb", word))).collect::<Result<Vec<_>, _>>()?;
    // Their order means nothing to a person; sealed terms have one form.
    verbs.sort();
    verbs.dedup();
    Ok(Grant {
        direction,
        category: category(&form.category)?,
        verbs,
        tlp_ceiling: Tlp::from_word(&form.tlp_ceiling).ok_or_else(|| unknown("tlp", &form.tlp_ceiling))?,
        until: form.until.map(WallSeconds),
        onward,
        offline_days_max: form.offline_days_max,
        subjects_max: form.subjects_max,
        units: names(form.units),
        seats: names(form.seats),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    #[test]
    fn the_files_people_start_from_are_terms_the_core_takes() {
        let core = |text: &str| terms(crate::terms::read(text).unwrap_or_else(|failure| panic!("{failure}: {:?}", failure.params)).terms);
        let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/agreement.toml")).expect("an example");
        let templates = [Lang::Zh, Lang::En].map(|lang| crate::terms::template(lang, 1_796_054_400));
        for text in templates.iter().chain([&example]) {
            let taken = core(text).unwrap_or_else(|failure| panic!("{failure}: {:?}", failure.params));
            assert!(!taken.grants.is_empty());
        }
    }

    fn check(change: impl FnOnce(&mut GrantForm), expect: &str) {
        let mut form = GrantForm {
            direction: "both".to_owned(),
            category: "crim.series".to_owned(),
            verbs: vec!["append".to_owned(), "read".to_owned(), "read".to_owned()],
            tlp_ceiling: "AMBER+STRICT".to_owned(),
            until: None,
            onward: "none".to_owned(),
            offline_days_max: None,
            subjects_max: None,
            units: vec!["二中队".to_owned(), "一中队".to_owned()],
            seats: Vec::new(),
        };
        change(&mut form);
        assert_eq!(grant(form).map_or_else(|failure| failure.code, |grant| format!("{:?}", grant.verbs)), expect);
    }

    #[test]
    fn words_of_a_grant_are_read_and_unknown_ones_named() {
        check(|_| {}, "[Read, Append]");
        check(|form| form.direction = "sideways".to_owned(), "unknown_direction");
        check(|form| form.category = "CRIM.NOPE".to_owned(), "unknown_category");
        check(|form| form.verbs = vec!["write".to_owned()], "unknown_verb");
        check(|form| form.tlp_ceiling = "PINK".to_owned(), "unknown_tlp");
        check(|form| form.onward = "always".to_owned(), "unknown_onward");
    }
}
