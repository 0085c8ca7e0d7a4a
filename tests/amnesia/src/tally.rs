//! What was counted, and the last line of a run.

use serde::Serialize;

/// Counts of all seeds together. *Lost*: acknowledged and not there after the cut.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Seeds that were played.
    pub seeds: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Kills without a power cut in between.
    pub kills: u64,
    /// Keys that plain sled acknowledged, by a `flush` that returned.
    pub sled_acknowledged: u64,
    /// Of these, lost.
    pub sled_lost: u64,
    /// Keys that sled acknowledged on a disk on which every byte arrives that has a durable place.
    pub sled_in_place_acknowledged: u64,
    /// Of these, lost.
    pub sled_in_place_lost: u64,
    /// Keys that sled lost although they had been durable long before, in both kinds of cuts.
    pub sled_settled_lost: u64,
    /// Cuts after which sled did not open any more.
    pub sled_unopened: u64,
    /// Batches and purges that our store acknowledged on a disk that lies about syncs.
    pub deaf_acknowledged: u64,
    /// Of these, lost: shows that the lab can see a loss of ours.
    pub deaf_lost: u64,
    /// Batches and purges that our store acknowledged.
    pub store_acknowledged: u64,
    /// Of these, lost or wrong.
    pub store_lost: u64,
    /// Documents and notes that the daemon acknowledged.
    pub daemon_acknowledged: u64,
    /// Of these, lost or wrong.
    pub daemon_lost: u64,
    /// Starts at which the store or the daemon called something damage, or did not come up.
    pub damage: u64,
    /// The first seed that lost something it must not.
    pub failing_seed: Option<u64>,
}

impl Tally {
    /// Notes the seed at which something went wrong.
    pub fn fail(&mut self, seed: u64) {
        self.failing_seed.get_or_insert(seed);
    }

    /// Whether all that must hold holds.
    pub fn holds(&self) -> bool {
        self.store_lost == 0 && self.daemon_lost == 0 && self.damage == 0 && self.failing_seed.is_none()
    }
}
