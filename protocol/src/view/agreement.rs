//! Agreements as plain data: terms, annex, what stops them, what an act would change.

use serde::{Deserialize, Serialize};

/// One agreement version or offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgreementView {
    pub id: String,
    /// 0: a day's emergency agreement.
    pub version: u32,
    pub partner: String,
    pub partner_name: String,
    /// `offered_by_us`, `offered_to_us`, or a word of [`crate::agreement::lifecycle::Standing`].
    pub standing: String,
    pub title: String,
    pub from: u64,
    pub to: u64,
    pub offer_expires: u64,
    pub grants: Vec<GrantView>,
    /// The reason given with a decline.
    pub reason: String,
    /// The version it follows; BLAKE3 of the paper text, hex; both may be empty.
    pub previous: String,
    pub text_hash: String,
    pub grace_days: u32,
    pub annex: AnnexView,
    /// When it ends, by its terms or by notice, and when it winds down; 0 before it is current.
    pub ends: u64,
    pub winds_down: u64,
    /// Suspensions and notices of the pair that stand.
    pub stops: Vec<StopView>,
    /// Resumes of the pair that wait for the other side.
    pub resumes: Vec<ResumeView>,
    /// Who sealed it.
    pub seals: Vec<SealView>,
}

/// One grant line of an agreement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrantView {
    /// `we_give`, `they_give`.
    pub direction: String,
    pub category: String,
    /// `read`, `append`, `request`.
    pub verbs: Vec<String>,
    pub tlp_ceiling: String,
    /// 0: to the end of the agreement.
    pub until: u64,
    /// `none`, `ask`.
    pub onward: String,
    /// 0: no bound.
    pub offline_days_max: u32,
    pub subjects_max: u32,
    /// Of the receiver; none named: all of it.
    pub units: Vec<String>,
    pub seats: Vec<String>,
}

/// What an agreement says beside its grants; sides as seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnnexView {
    pub number: String,
    /// `ordinary`, `emergency`.
    pub form: String,
    pub notice_days: u32,
    pub emergency_clause: bool,
    pub excluded: Vec<String>,
    pub responses: Vec<ResponseView>,
    pub liaisons: Vec<LiaisonView>,
    pub pairings: Vec<PairingView>,
    pub clusters: Vec<ClusterView>,
    pub retention: Vec<RetentionView>,
    /// Heads of the two bureaus; empty when not named.
    pub our_head: String,
    pub their_head: String,
    pub articles: Vec<ArticleView>,
    /// Hex; empty when there is none.
    pub calendar: String,
    pub compact: String,
    /// Statements it lifts when it begins.
    pub lifts: Vec<String>,
}

/// Response times for one urgency, minutes from delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseView {
    /// `flash`, `urgent`, `priority`, `routine`.
    pub urgency: String,
    pub sign_minutes: u32,
    pub answer_minutes: u32,
}

/// Who speaks for a side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiaisonView {
    /// `ours`, `theirs`.
    pub side: String,
    /// Empty: for all.
    pub category: String,
    pub seat: String,
    pub deputy: String,
    pub phone: String,
    /// May order by phone.
    pub may_order: bool,
}

/// Two units that work with each other directly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingView {
    pub ours: String,
    pub theirs: String,
}

/// Units of both sides that form one working area.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    pub name: String,
    pub units: Vec<String>,
}

/// How long what was received of a category may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    pub category: String,
    pub days: u32,
}

/// A further article.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleView {
    pub title: String,
    pub text: String,
}

/// A suspension or notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    pub id: String,
    /// `suspension`, `notice`.
    pub kind: String,
    /// `ours`, `theirs`.
    pub by: String,
    /// Empty: everything.
    pub categories: Vec<String>,
    pub reason: String,
    pub at: u64,
    /// Of a notice: when the agreement ends.
    pub ends: u64,
}

/// A resume that waits for the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeView {
    pub id: String,
    /// `ours`, `theirs`.
    pub by: String,
    pub lifts: Vec<String>,
    pub at: u64,
}

/// One seal on an agreement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealView {
    /// `ours`, `theirs`.
    pub side: String,
    /// `offered`, `accepted`, `declined`, `concluded`.
    pub what: String,
    pub seats: Vec<String>,
    pub certificate: String,
    pub at: u64,
}

/// What an act on an agreement would change: shown before anything is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectsView {
    /// `offer`, `accept`, `suspend`, `resume`, `end`.
    pub act: String,
    pub agreement: String,
    pub partner: String,
    pub partner_name: String,
    /// When it takes effect, if the other side does its part.
    pub at: u64,
    /// Whether the other side has to agree first.
    pub needs_partner: bool,
    /// Standing of the pair then, without and with the act; empty when it has none.
    pub standing_before: String,
    pub standing_after: String,
    /// `full`, `restricted`.
    pub link_before: String,
    pub link_after: String,
    /// What changes, by direction and category; nothing that stays as it is.
    pub flows: Vec<FlowView>,
    /// What the act lifts, and what stands in spite of it.
    pub lifts: Vec<StopView>,
    pub stands: Vec<StopView>,
    /// What differs from the version in force; of offers and accepts.
    pub terms: Option<TermsDiffView>,
}

/// Documents that start or stop flowing in one direction and category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowView {
    /// `we_give`, `they_give`.
    pub direction: String,
    pub category: String,
    /// Verbs granted without and with the act.
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Documents held here that start or stop.
    pub start: u64,
    pub stop: u64,
}

/// What differs between two agreements, as seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsDiffView {
    /// The two compared.
    pub before: String,
    pub after: String,
    /// Before and after, when they differ.
    pub title: Option<(String, String)>,
    /// The hash of the paper text differs.
    pub text: bool,
    pub from: Option<(u64, u64)>,
    pub to: Option<(u64, u64)>,
    pub grace_days: Option<(u32, u32)>,
    pub lines: Vec<LineChangeView>,
    /// Fields of the annex that differ.
    pub annex: Vec<String>,
}

/// One grant line that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChangeView {
    /// `we_give`, `they_give`.
    pub direction: String,
    pub category: String,
    /// `added`, `removed`, `widened`, `narrowed`, `changed`.
    pub change: String,
    pub before: Option<GrantView>,
    pub after: Option<GrantView>,
}
