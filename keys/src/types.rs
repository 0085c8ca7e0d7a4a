//! The register of statement types: one number for everything that is ever sealed.
//!
//! A number is part of what is signed and of the statement's id, so a seal over one kind of statement means nothing as another kind.
//! *Frozen* types have vectors and never change their meaning; *draft* numbers are reserved, and a decoder that meets one says so
//! instead of guessing. Source: RFC 9052 §4.3 (external data), our own register.

use std::fmt;

/// Declares the register once: number, name, state.
macro_rules! register {
    ($($number:literal $name:ident $state:ident $doc:literal,)*) => {
        /// What kind of statement a payload is. The discriminant is the number on the wire, as `u16` big-endian in hashes and seals.
        #[repr(u16)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum StatementType {
            $(#[doc = $doc] $name = $number,)*
        }

        impl StatementType {
            /// Every registered type, ascending by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type with this number; `None` when the number was never assigned.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// True while the layout behind the number may still change; such statements are neither made nor read.
            pub const fn is_draft(self) -> bool {
                match self {
                    $(Self::$name => register!(@$state),)*
                }
            }

            /// The name used in documents and errors.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
    (@frozen) => { false };
    (@draft) => { true };
}

register! {
    0x0101 Root frozen "One version of a bureau's root keys.",
    0x0102 Certificate frozen "What one member's key may do.",
    0x0103 Revocation frozen "A key or certificate that is good no more.",
    0x0104 Appointment frozen "Which node writes the access logs of its bureau in one epoch.",
    0x0105 Contact frozen "Where a bureau's node is reached.",
    0x0106 ClockReset frozen "Lowers a poisoned clock floor.",
    0x0107 Succession draft "Who continues a bureau that ends.",
    0x0108 Opening draft "Opens a salted commitment to one reader.",
    0x0201 Offer frozen "Terms of an agreement, put forward by one side.",
    0x0202 Accept frozen "The other side's seal on an offer.",
    0x0203 Conclude frozen "Spends the agreement's version number.",
    0x0204 Decline frozen "Says no to an offer.",
    0x0205 Suspend frozen "Stops sharing at once, by either side.",
    0x0206 Resume frozen "Lifts named suspensions, once the other side accepts it.",
    0x0207 Notice frozen "Gives notice of an agreement.",
    0x0208 End draft "Ends an agreement.",
    0x0209 RelayPass frozen "Lets one partner hand documents to another.",
    0x020a Emergency draft "An agreement for 24 hours by two duty commanders.",
    0x020b Compact frozen "One common text and a roster, whose pairs sign agreements that name it.",
    0x0301 Genesis frozen "Record 0 of a document's access log.",
    0x0302 Record frozen "A later record of a document's access log.",
    0x0303 Order frozen "An officer's order that a record carries out.",
    0x0304 SegmentTip frozen "The attestation a segment ends in; sealed raw, see `seal::sign_tip`.",
    0x0305 Reentered draft "Held work entered again. A kind of act; the number stays reserved.",
    0x0306 Consent frozen "A contributor's consent that a further bureau gets a document.",
    0x0307 OnwardAsk frozen "A holder asks the owner to let a third bureau in.",
    0x0308 OnwardRefuse frozen "No to such an ask, or to an ask for consent.",
    0x0309 ConsentAsk frozen "The owner asks a bureau that wrote for its consent.",
    0x0401 Receipt draft "Durable here up to this frontier. A kind of PairLine; the number stays reserved.",
    0x0402 Attestation draft "Erased or frozen as asked. A kind of PairLine; the number stays reserved.",
    0x0403 Denial draft "Something that was refused. A kind of PairLine; the number stays reserved.",
    0x0404 DailyStatement draft "The pair ledger's daily line. A kind of PairLine; the number stays reserved.",
    0x0405 Countersign draft "The partner's seal on that line. A kind of PairLine; the number stays reserved.",
    0x0406 PairLine frozen "One line of what one bureau states to another.",
    0x0407 NodeReceipt frozen "A node of the owner that is not the registrar holds this of a document.",
    0x0501 Bundle frozen "Who packed a bundle, for whom, and what is in it.",
    0x0502 Backup draft "A store in a file.",
}

impl StatementType {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for StatementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#06x})", self.name(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ascending_and_read_back() {
        assert!(StatementType::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        for kind in StatementType::ALL {
            assert_eq!(StatementType::from_number(kind.number()), Some(*kind));
        }
        for free in [0x0000, 0x0100, 0x0109, 0x0503, 0xffff] {
            assert_eq!(StatementType::from_number(free), None, "{free:#06x}");
        }
        assert_eq!(StatementType::ALL.iter().filter(|kind| !kind.is_draft()).count(), 26, "the frozen types of this version");
    }
}
