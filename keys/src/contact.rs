//! Contacts: where a bureau's node is reached, by network and by phone. Sealed by the node itself.

use crate::id::{BureauId, CertificateId};
use crate::seal::{Malformed, Statement};
use crate::text::{TEXT_BYTES_MAX, check_text};
use crate::time::WallSeconds;
use crate::types::StatementType;

/// Most addresses of one node.
pub const ADDRESSES_MAX: usize = 16;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;

/// Where a bureau's node is reached.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Contact {
    /// The bureau.
    #[n(0)]
    pub bureau: BureauId,
    /// The node's certificate.
    #[n(1)]
    pub certificate: CertificateId,
    /// `host:port` or multiaddresses, in the order to try, at most [`ADDRESSES_MAX`] of [`ADDRESS_BYTES_MAX`] bytes; may be empty.
    #[n(2)]
    pub addresses: Vec<String>,
    /// The duty phone; may be empty.
    #[n(3)]
    pub phone: String,
    /// When it was stated, by the node's clock; of two, the later counts.
    #[n(4)]
    pub at: WallSeconds,
}

impl Statement for Contact {
    const TYPE: StatementType = StatementType::Contact;

    fn validate(&self) -> Result<(), Malformed> {
        Malformed::unless(self.addresses.len() <= ADDRESSES_MAX, "addresses", "are more than 16")?;
        for (place, address) in self.addresses.iter().enumerate() {
            check_text("addresses", address, ADDRESS_BYTES_MAX)?;
            Malformed::unless(!self.addresses[..place].contains(address), "addresses", "hold one twice")?;
        }
        if self.phone.is_empty() { Ok(()) } else { check_text("phone", &self.phone, TEXT_BYTES_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn check(change: impl FnOnce(&mut Contact), field: &str) {
        let mut contact = samples::contact();
        change(&mut contact);
        assert_eq!(contact.validate().expect_err("a broken rule").field, field);
    }

    #[test]
    fn each_rule_of_a_contact_is_checked() {
        assert_eq!(samples::contact().validate(), Ok(()));
        check(|it| it.addresses = vec!["a".repeat(257)], "addresses");
        check(|it| it.addresses = vec!["a:1".to_owned(), "a:1".to_owned()], "addresses");
        check(|it| it.addresses = (0..17).map(|i| format!("a:{i}")).collect(), "addresses");
        check(|it| it.phone = "0\u{7}".to_owned(), "phone");
    }
}
