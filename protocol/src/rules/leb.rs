//! LEB128 integers as Automerge writes them, read strictly: one value, one encoding.

use super::Malformed;

/// Reads forward through bytes from outside; never past their end.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes. `len` is compared with what is there before anything else happens.
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).ok().filter(|len| *len <= self.rest.len()).ok_or(Malformed::Truncated)?;
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// Exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// An unsigned integer in its shortest form.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for index in 0..10 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(Malformed::Integer);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return if index > 0 && byte == 0 { Err(Malformed::Integer) } else { Ok(value) };
            }
        }
        Err(Malformed::Integer)
    }

    /// A signed integer in its shortest form.
    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let mut value = 0u64;
        let mut previous = 0u8;
        for index in 0..10u32 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let overlong = index > 0 && ((byte == 0 && previous & 0x40 == 0) || (byte == 0x7f && previous & 0x40 != 0));
                if overlong || (index == 9 && byte != 0 && byte != 0x7f) {
                    return Err(Malformed::Integer);
                }
                if index < 9 && byte & 0x40 != 0 {
                    value |= u64::MAX << (7 * (index + 1));
                }
                return Ok(value.cast_signed());
            }
            previous = byte;
        }
        Err(Malformed::Integer)
    }
}

/// Appends `value` in its shortest form.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Appends `value` in its shortest form.
pub(crate) fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_integer_has_one_encoding() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_unsigned(&mut out, value);
            assert_eq!(Reader::new(&out).unsigned(), Ok(value));
        }
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            assert_eq!(Reader::new(&out).signed(), Ok(value), "{value}");
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).unsigned(), Err(Malformed::Integer), "long form of 0");
        assert_eq!(Reader::new(&[0xff, 0x00]).unsigned(), Err(Malformed::Integer), "long form of 127");
        assert_eq!(Reader::new(&[0x80, 0x00]).signed(), Err(Malformed::Integer), "long form of 0");
        assert_eq!(Reader::new(&[0xff, 0x7f]).signed(), Err(Malformed::Integer), "long form of -1");
        assert_eq!(Reader::new(&[0xff, 0x00]).signed(), Ok(127), "127 needs its second byte when signed");
        assert_eq!(Reader::new(&[0xff; 10]).unsigned(), Err(Malformed::Integer));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).unsigned(), Err(Malformed::Integer));
        assert_eq!(Reader::new(&[0x80]).unsigned(), Err(Malformed::Truncated));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.unsigned() {
                let mut out = Vec::new();
                put_unsigned(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.remaining()]);
            }
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.signed() {
                let mut out = Vec::new();
                put_signed(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.remaining()]);
            }
        }
    }
}
