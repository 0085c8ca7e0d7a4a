//! A bureau's root: which keys speak for the bureau itself, and how many of them must.
//!
//! The id of version 1 names the bureau for ever. Version v+1 names version v and is sealed by the threshold of v *and* of v+1, so neither
//! a thief of the new keys nor one of the old keys alone moves a bureau on. Who may sign is decided in [`crate::directory`].

use crate::id::{BureauId, NetworkId, PublicKey, RootId};
use crate::seal::{Malformed, Sealed, Statement, Verified};
use crate::text::{TEXT_BYTES_MAX, check_text};
use crate::time::WallSeconds;
use crate::types::StatementType;

/// Most root keys of one bureau.
pub const ROOT_KEYS_MAX: usize = 9;
/// Longest unit code, in bytes: GB/T 2260 needs 6, an organisation code 18.
pub const UNIT_CODE_BYTES_MAX: usize = 32;

/// One version of a bureau's root keys.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct RootStatement {
    /// Counts from 1 without gaps.
    #[n(0)]
    pub version: u32,
    /// The version before; absent in version 1 only.
    #[n(1)]
    pub previous: Option<RootId>,
    /// 1 to [`ROOT_KEYS_MAX`] keys, strictly ascending.
    #[n(2)]
    pub keys: Vec<PublicKey>,
    /// How many of them must seal: 1 to the number of keys.
    #[n(3)]
    pub threshold: u8,
    /// Unit code (GB/T 2260 area code or organisation code), up to [`UNIT_CODE_BYTES_MAX`] bytes.
    #[n(4)]
    pub unit_code: String,
    /// What the bureau calls itself, up to [`TEXT_BYTES_MAX`] bytes. Self-declared: believed only from a checked card.
    #[n(5)]
    pub name: String,
    /// The network the bureau belongs to.
    #[n(6)]
    pub network: NetworkId,
    /// When this version was made, by the maker's clock.
    #[n(7)]
    pub created: WallSeconds,
}

impl RootStatement {
    /// How many of `signers` are keys of this version.
    pub fn count_own<'a>(&self, signers: impl IntoIterator<Item = &'a PublicKey>) -> usize {
        signers.into_iter().filter(|key| self.keys.binary_search(key).is_ok()).count()
    }

    /// True iff `signers` hold at least the threshold of this version's keys.
    pub fn is_met_by<'a>(&self, signers: impl IntoIterator<Item = &'a PublicKey>) -> bool {
        self.count_own(signers) >= usize::from(self.threshold)
    }
}

impl Statement for RootStatement {
    const TYPE: StatementType = StatementType::Root;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.version >= 1, "version", "is 0, the first is 1")?;
        Malformed::unless((self.version == 1) == self.previous.is_none(), "previous", "must be absent in version 1 and only there")?;
        Malformed::unless((1..=ROOT_KEYS_MAX).contains(&self.keys.len()), "keys", "must be 1 to 9")?;
        Malformed::unless(self.keys.windows(2).all(|pair| pair[0] < pair[1]), "keys", "must be strictly ascending")?;
        Malformed::unless(self.keys.iter().all(PublicKey::is_usable), "keys", "hold one that cannot be used for seals")?;
        Malformed::unless(
            (1..=self.keys.len()).contains(&usize::from(self.threshold)),
            "threshold",
            "must be at least 1 and at most the number of keys",
        )?;
        check_text("unit_code", &self.unit_code, UNIT_CODE_BYTES_MAX)?;
        check_text("name", &self.name, TEXT_BYTES_MAX)
    }

    fn network(&self) -> Option<&NetworkId> {
        Some(&self.network)
    }
}

impl Sealed<RootStatement> {
    /// The id of this root version.
    pub fn root_id(&self, network: &NetworkId) -> RootId {
        RootId(self.id(network).0)
    }
}

impl Verified<RootStatement> {
    /// The id of this root version.
    pub fn root_id(&self) -> RootId {
        RootId(self.id().0)
    }
}

impl From<RootId> for BureauId {
    /// The bureau whose version 1 this root is.
    fn from(first: RootId) -> Self {
        Self(first.0)
    }
}

impl From<BureauId> for RootId {
    /// The version 1 of this bureau.
    fn from(bureau: BureauId) -> Self {
        Self(bureau.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(change: impl FnOnce(&mut RootStatement), field: &str) {
        let mut root = samples::root_statement();
        change(&mut root);
        assert_eq!(root.validate().expect_err("a broken rule").field, field);
    }

    #[test]
    fn each_rule_of_a_root_statement_is_checked() {
        assert_eq!(samples::root_statement().validate(), Ok(()));
        check(|root| root.version = 0, "version");
        check(|root| root.version = 2, "previous");
        check(|root| root.previous = Some(RootId([1; 32])), "previous");
        check(|root| root.keys.clear(), "keys");
        check(|root| root.keys.push(root.keys[0]), "keys");
        check(|root| root.keys = vec![PublicKey([0; 32])], "keys");
        check(|root| root.threshold = 0, "threshold");
        check(|root| root.threshold = 4, "threshold");
        check(|root| root.name = "a\u{202e}b".to_owned(), "name");
        check(|root| root.unit_code = String::new(), "unit_code");
    }
}
