//! Families of sealed statements: enums whose every variant holds one verified statement.

use accord_keys::seal::{SealError, Sealed, Statement, Verified};

use crate::id::NetworkId;

/// Reads and verifies one statement.
pub(crate) fn verified<T: Statement>(network: &NetworkId, bytes: &[u8]) -> Result<Verified<T>, SealError> {
    Sealed::<T>::from_bytes(bytes)?.verify(network)
}

/// Gives such an enum what all its statements have: an id and sealed bytes.
macro_rules! family {
    ($name:ident: $($variant:ident),+) => {
        impl $name {
            /// Its id.
            pub fn id(&self) -> $crate::id::StatementId {
                match self {
                    $(Self::$variant(statement) => statement.id(),)+
                }
            }
            /// Its sealed bytes.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(statement) => statement.sealed().to_bytes(),)+
                }
            }
        }
    };
}

pub(crate) use family;
