//! 32-byte identifiers, one type each so the compiler tells them apart.

/// Makes a 32-byte identifier: hex for people, a CBOR byte string on the wire, silent about nothing but never confused with another kind.
#[macro_export]
macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The raw 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] { &self.0 }
            /// The first eight hex digits: for logs and people, never for decisions.
            pub fn short(&self) -> String { self.to_string()[..8].to_owned() }
            /// Reads exactly 64 hex digits, upper or lower case.
            pub fn from_hex(text: &str) -> Option<Self> { $crate::id::parse_hex32(text).map(Self) }
            /// Reads exactly 32 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> { <[u8; 32]>::try_from(bytes).ok().map(Self) }
        }
        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::id::write_hex32(f, &self.0)
            }
        }
        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
        impl<C> $crate::minicbor::Encode<C> for $name {
            fn encode<W: $crate::minicbor::encode::Write>(
                &self, e: &mut $crate::minicbor::Encoder<W>, _: &mut C,
            ) -> Result<(), $crate::minicbor::encode::Error<W::Error>> { e.bytes(&self.0)?.ok() }
        }
        impl<'b, C> $crate::minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut $crate::minicbor::Decoder<'b>, _: &mut C) -> Result<Self, $crate::minicbor::decode::Error> {
                <[u8; 32]>::try_from(d.bytes()?).map(Self).map_err(|_| $crate::minicbor::decode::Error::message("expected 32 bytes"))
            }
        }
    };
}

/// Writes 64 lower-case hex digits, at once: lists for people hold thousands of ids.
pub fn write_hex32(f: &mut core::fmt::Formatter<'_>, bytes: &[u8; 32]) -> core::fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    f.write_str(core::str::from_utf8(&text).map_err(|_| core::fmt::Error)?)
}

/// Reads exactly 64 hex digits.
pub fn parse_hex32(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0u8; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}

id32!(/// A bureau: the id of its first root statement, so it outlives every rotation of its keys.
    BureauId);
id32!(/// One version of a bureau's root statement.
    RootId);
id32!(/// One member certificate.
    CertificateId);
id32!(/// Any sealed statement.
    StatementId);
id32!(/// The network all statements are bound to: BLAKE3 of its name. Statements of one network mean nothing in another.
    NetworkId);
id32!(/// An Ed25519 public key that signs statements. Not checked here: `seal` decides whether it is usable.
    PublicKey);
id32!(/// The Ed25519 public key a node or laptop uses towards libp2p. Never signs statements.
    TransportKey);
id32!(/// An X25519 public key bundles are sealed to.
    HpkeKey);

impl NetworkId {
    /// The network called `name`, for instance `accord` or `demo`.
    pub fn named(name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("accord network v1");
        hasher.update(name.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_what_display_writes_and_nothing_else() {
        let id = BureauId([0xa7; 32]);
        assert_eq!(BureauId::from_hex(&id.to_string()), Some(id));
        assert_eq!(BureauId::from_hex("a7"), None);
        assert_eq!(BureauId::from_hex(&"zz".repeat(32)), None);
    }
}
