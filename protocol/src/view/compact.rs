//! Compacts as plain data: the common text, and how each of our pairs stands under it.

use serde::{Deserialize, Serialize};

use super::{AnnexView, EffectsView, GrantView, StopView, TermsDiffView};

/// One version of a compact, as this bureau stands in it. Of pairs of others nothing is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompactView {
    pub id: String,
    pub name: String,
    pub version: u32,
    /// The version it amends, and the newest one known that amends it; both may be empty.
    pub previous: String,
    pub newer: String,
    pub initiator: String,
    pub initiator_name: String,
    /// When its officer sealed it.
    pub at: u64,
    pub title: String,
    pub text_hash: String,
    pub from: u64,
    /// The common end: no pair under it ends later.
    pub to: u64,
    pub grace_days: u32,
    pub grants: Vec<GrantView>,
    pub annex: AnnexView,
    /// Bureaus on the roster, our own too.
    pub roster: u64,
    pub counts: CompactCountsView,
    pub pairs: Vec<CompactPairView>,
    /// The armoured file, where it was asked for.
    pub text: String,
    /// Nothing was sealed.
    pub dry_run: bool,
}

/// How many of our pairs stand how; every pair counts once, from the first line that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompactCountsView {
    /// In force under this version.
    pub in_force: u64,
    /// In force under another version of the compact.
    pub other_version: u64,
    /// Suspended as a whole.
    pub suspended: u64,
    /// Offered or accepted, not concluded.
    pub open: u64,
    /// The card of the other side is missing here or was never checked.
    pub card: u64,
    /// Everything else: not signed, declined, ended.
    pub none: u64,
    /// Of those in force: agreed something of their own.
    pub deviating: u64,
    /// The earliest end of those in force; 0 when there is none.
    pub next_end: u64,
}

/// One pair of ours under a compact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompactPairView {
    pub bureau: String,
    pub name: String,
    /// `checked`, `unchecked`, `none`.
    pub card: String,
    /// A word of [`crate::agreement::lifecycle::Standing`] for what runs under the compact, in whatever version; `none`; or `not_under`: an
    /// agreement that names the compact and differs in its text, roster or end.
    pub standing: String,
    /// The version of the compact it runs under; 0 when there is none.
    pub version: u32,
    pub agreement: String,
    pub agreement_version: u32,
    pub ends: u64,
    /// What the pair agreed otherwise than the common text of that version.
    pub differs: Option<TermsDiffView>,
    /// Suspensions and notices of the pair that stand.
    pub stops: Vec<StopView>,
    /// Whether either side sealed something under the version shown.
    pub we_signed: bool,
    pub they_signed: bool,
    /// What signing the version shown would do, or what is in its way: `to_offer`, `to_accept`, `signed`, `newer_signed`, `offered`,
    /// `accepted`, `declined`, `deviation_by_us`, `deviation_to_us`, `no_card`, `unchecked_card`.
    pub next: String,
    /// What was done now: `offered`, `accepted`; empty: nothing; else the code of the refusal.
    pub done: String,
    /// What it would change, before it is sealed.
    pub effects: Option<EffectsView>,
}
