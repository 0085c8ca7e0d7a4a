//! How the node, its people and its partners are.

use serde::{Deserialize, Serialize};

/// One screen of state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Our bureau's id, name and unit code.
    pub bureau: String,
    pub name: String,
    pub unit_code: String,
    /// Network id (hex) and root version in force.
    pub network: String,
    pub root_version: u32,
    /// `node` or `laptop`; its certificate and the end of it.
    pub device: String,
    pub certificate: String,
    pub certificate_ends: u64,
    /// Whether this node writes its bureau's access records.
    pub registrar: bool,
    /// Held documents, admitted changes, last sequence.
    pub documents: u64,
    pub changes: u64,
    pub sequence: u64,
    /// Sum over documents of H(document, log head, admitted tips), hex: equal on devices of one bureau that hold the same.
    pub content_sum: String,
    /// `good`, `held` (a jump waits for confirmation), `behind` (wall clock before the floor).
    pub clock: String,
    /// Partners or an officer confirmed the time since the start.
    pub clock_corroborated: bool,
    /// Why the store may be an older self: `restored`, `cloned`, `repaired`; empty when it is not.
    pub catching_up: Vec<String>,
    /// Effective time.
    pub now: u64,
    pub partners: Vec<PartnerView>,
    pub devices: Vec<DeviceView>,
    pub officers: Vec<OfficerView>,
    /// Items in the inbox.
    pub inbox: u64,
    /// What a partner did that it must not do without us.
    #[serde(default)]
    pub alarms: Vec<AlarmView>,
    /// On a laptop: how long it keeps showing what it holds.
    #[serde(default)]
    pub reading: Option<ReadingView>,
}

/// How long a laptop keeps showing what it holds without its registrar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingView {
    /// The registrar is linked and has told it everything: the times below are as if it went away now.
    pub home: bool,
    /// When the registrar told it everything last.
    pub since: u64,
    /// Documents that are locked now.
    pub locked: u64,
    /// When the next of the others lock (0: there are none), and in how many whole days.
    pub next: u64,
    pub days_left: u64,
}

/// One thing that must not have happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmView {
    /// `grant_without_consent`: the owner let a bureau in after we wrote, without our consent. `grant_without_consent_more`: see `more`.
    pub kind: String,
    pub document: String,
    pub number: String,
    /// Who was let in, and by which record.
    pub bureau: String,
    pub bureau_name: String,
    pub record: String,
    /// When it was seen here.
    pub at: u64,
    /// `grant_without_consent_more`: so many more of this owner's, which `bureau` names; they stand in its logs.
    #[serde(default)]
    pub more: u64,
}

/// One officer of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficerView {
    pub name: String,
    pub seats: Vec<String>,
    pub capabilities: Vec<String>,
    /// Empty while the first login is awaited.
    pub certificate: String,
    pub certificate_ends: u64,
    /// Certificates of this officer that are good now, newest first: one for each key and its renewals.
    pub certificates: Vec<String>,
    pub logged_in: bool,
    /// `awaiting_login`, `good`, `expired`, `revoked`.
    pub state: String,
}

/// One device of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    pub certificate: String,
    pub kind: String,
    pub unit: String,
    pub transport: String,
    pub ends: u64,
    pub state: String,
    pub connected: bool,
    /// This very device.
    pub here: bool,
    /// A longer row of documents on its way to it, and from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// Our card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardView {
    pub bureau: String,
    pub name: String,
    pub checking_code: String,
    pub addresses: Vec<String>,
    pub phone: String,
    /// The armoured card.
    pub text: String,
}

/// One partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerView {
    pub bureau: String,
    pub name: String,
    pub alias: String,
    /// The checking code was compared by people.
    pub checked: bool,
    pub checking_code: String,
    pub connected: bool,
    /// `in_force`, `offered`, `none`, `expired`, ...: standing of the newest agreement.
    pub standing: String,
    pub agreement: String,
    pub agreement_ends: u64,
    /// Transport keys and addresses of its nodes.
    pub nodes: Vec<NodeAddress>,
    pub last_contact: u64,
    /// Documents changed here that it has not acknowledged.
    pub behind: u64,
    /// Sums stay unequal after a repair.
    pub divergent: bool,
    /// Why nothing is given to it: `catching_up`, `pair_behind`, `pair_not_covered`; empty when something may be.
    pub silent: String,
    pub phone: String,
    /// A longer row of documents on its way to it, and from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// How far a longer row of documents has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressView {
    /// `running`; `interrupted`: nothing of it is on its way now; `complete`: shown for ten minutes more.
    pub state: String,
    /// Documents that are there, of how many: never fewer than were shown before, links and restarts in between or not.
    pub documents: u64,
    pub of: u64,
    /// Bytes of messages so far; what it will be about in all, at the average of the documents so far.
    pub bytes: u64,
    pub bytes_about: u64,
    /// Over the last minute.
    pub documents_per_minute: u64,
    pub bytes_per_second: u64,
    /// What the rest takes at that pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// Longer rows of documents on their way to and from one partner or device of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressRowView {
    /// The partner and its alias or name; our own bureau for a device.
    pub bureau: String,
    pub name: String,
    /// The certificate of our own device; empty for a partner.
    #[serde(default)]
    pub device: String,
    pub connected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<ProgressView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<ProgressView>,
}

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    pub transport: String,
    pub addresses: Vec<String>,
}

/// One root version of our own bureau.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootView {
    pub root: String,
    pub version: u32,
    pub checking_code: String,
    /// How many keys it lists and how many of them must sign.
    pub keys: u64,
    pub threshold: u64,
    pub created: u64,
    /// The version in force.
    pub head: bool,
    /// One of several that claim to follow the version in force.
    pub rival: bool,
}
