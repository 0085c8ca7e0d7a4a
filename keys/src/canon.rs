//! Deterministic CBOR (RFC 8949 §4.2): one value, one encoding.
//!
//! Types derive minicbor's `Encode` and `Decode` as integer-keyed maps (`#[cbor(map)]`). minicbor itself accepts trailing bytes, long
//! integer forms and indefinite lengths; [`decode`] refuses them by encoding what it read once more and comparing.

use thiserror::Error;

/// Why bytes are not the deterministic encoding of a value.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CanonError {
    /// Not CBOR of the expected shape.
    #[error("not the expected CBOR shape at byte {at}: {what}")]
    Shape {
        /// Byte offset of the fault.
        at: usize,
        /// The decoder's words.
        what: String,
    },
    /// Bytes left over after the value.
    #[error("{extra} bytes after the value")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// Readable, but another encoding of the same value is the deterministic one.
    #[error("not the deterministic encoding")]
    NotCanonical,
}

/// The deterministic encoding of `value`.
pub fn encode<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to a Vec cannot fail")
}

/// Reads one value that fills `bytes` exactly, in its deterministic encoding.
///
/// # Errors
/// [`CanonError`] when the bytes have another shape, trail, or are another encoding of the value.
pub fn decode<T>(bytes: &[u8]) -> Result<T, CanonError>
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let mut decoder = minicbor::Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|error| CanonError::Shape { at: error.position().unwrap_or(0), what: error.to_string() })?;
    let read = decoder.position();
    if read != bytes.len() {
        return Err(CanonError::Trailing { extra: bytes.len() - read });
    }
    if encode(&value) != bytes {
        return Err(CanonError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_deterministic_encoding_is_read() {
        assert_eq!(decode::<u64>(&[0x17]), Ok(23));
        assert_eq!(decode::<u64>(&[0x18, 0x17]), Err(CanonError::NotCanonical), "long form of 23");
        assert_eq!(decode::<u64>(&[0x17, 0x00]), Err(CanonError::Trailing { extra: 1 }));
        assert!(matches!(decode::<u64>(&[0x61, 0x61]), Err(CanonError::Shape { .. })));
        assert!(
            decode::<Vec<u64>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err(),
            "huge declared length allocates nothing"
        );
    }
}
