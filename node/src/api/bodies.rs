//! Request bodies as the API takes them. Unknown fields are refused; words and bounds are the core's matter.

use accord_keys::time::WallSeconds;
use accord_protocol::agreement::{Category, Direction, Grant, Onward, Terms, Tlp, Verb};
use accord_protocol::input::Draft;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::failure::Failure;
use crate::terms::{GrantForm, TermsForm};

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
pub(super) struct Decline {
    pub reason: String,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub kind: String,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGrant {
    pub partner: String,
    pub verb: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub subject: String,
    #[serde(default)]
    pub strict: bool,
}

/// Terms in the core's words; the offering bureau is the one that asks.
///
/// # Errors
/// `unknown_direction`, `unknown_category`, `unknown_verb`, `unknown_tlp`, `unknown_onward` with the word as written.
pub(super) fn terms(form: TermsForm) -> Result<Terms, Failure> {
    let TermsForm { title, from, to, grace_days, grants } = form;
    let grants = grants.into_iter().map(grant).collect::<Result<_, _>>()?;
    Ok(Terms { title, text_hash: None, from: WallSeconds(from), to: WallSeconds(to), grants, grace_days, annex: None })
}

fn grant(form: GrantForm) -> Result<Grant, Failure> {
    let unknown = |what: &str, word: &str| Failure::misuse(&format!("unknown_{what}")).with(what, word).with("found", word);
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
        category: Category::from_code(&form.category).ok_or_else(|| unknown("category", &form.category))?,
        verbs,
        tlp_ceiling: Tlp::from_word(&form.tlp_ceiling).ok_or_else(|| unknown("tlp", &form.tlp_ceiling))?,
        until: form.until.map(WallSeconds),
        onward,
        offline_days_max: form.offline_days_max,
        subjects_max: form.subjects_max,
        units: None,
        seats: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
