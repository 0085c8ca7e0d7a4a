//! Armour: bytes as a text file that survives mail, chat and printing.
//!
//! ```text
//! -----BEGIN ACCORD CARD-----
//! base64 (RFC 4648 §4, padded), 76 columns
//! checksum: 64 hex digits, BLAKE3-256 of the bytes
//! -----END ACCORD CARD-----
//! ```
//! Text before and after is ignored, line ends may be LF or CRLF, and blanks around a line do not count. The checksum finds accidents, not
//! attacks: what the bytes say is sealed.

use thiserror::Error;

/// Columns of base64.
const COLUMNS: usize = 76;
/// The base64 alphabet (RFC 4648 table 1).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Why a text is not armour.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ArmourError {
    /// No header line of this kind.
    #[error("not {article} {0}: the line `-----BEGIN ACCORD {0}-----` is missing", article = article(.0))]
    Missing(&'static str),
    /// It begins, but is cut short or changed.
    #[error("the {label} is damaged: {what}")]
    Damaged {
        /// What it is.
        label: &'static str,
        /// How it shows.
        what: &'static str,
    },
    /// Longer than anything we make.
    #[error("the {label} is longer than {most} bytes")]
    TooLong {
        /// What it is.
        label: &'static str,
        /// The bound on the bytes inside.
        most: usize,
    },
}

fn article(label: &str) -> &'static str {
    if label.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// Wraps `bytes` in armour; `label` in capitals, for instance `CARD`.
pub fn wrap(label: &'static str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN ACCORD {label}-----\n");
    let encoded = encode_base64(bytes);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("checksum: {}\n-----END ACCORD {label}-----\n", blake3::hash(bytes).to_hex()));
    text
}

/// Finds the armour of this label in `text` and gives its bytes.
///
/// # Errors
/// [`ArmourError`]: missing and damaged are told apart.
pub fn unwrap(label: &'static str, text: &str, bytes_max: usize) -> Result<Vec<u8>, ArmourError> {
    let damaged = |what| ArmourError::Damaged { label, what };
    let (begin, end) = (format!("-----BEGIN ACCORD {label}-----"), format!("-----END ACCORD {label}-----"));
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != begin);
    lines.next().ok_or(ArmourError::Missing(label))?;
    let (mut encoded, mut checksum) = (String::new(), None);
    for line in lines {
        if line == end {
            let bytes = decode_base64(&encoded).ok_or_else(|| damaged("unreadable characters"))?;
            let stated = checksum.ok_or_else(|| damaged("the checksum line is missing"))?;
            return if *blake3::hash(&bytes).as_bytes() == stated { Ok(bytes) } else { Err(damaged("the checksum does not match")) };
        }
        if checksum.is_some() {
            return Err(damaged("text after the checksum"));
        }
        match line.strip_prefix("checksum:") {
            Some(hex) => checksum = Some(crate::id::parse_hex32(hex.trim()).ok_or_else(|| damaged("an unreadable checksum"))?),
            None => encoded.push_str(line),
        }
        if encoded.len() / 4 * 3 > bytes_max + 2 {
            return Err(ArmourError::TooLong { label, most: bytes_max });
        }
    }
    Err(damaged("the last line is missing"))
}

/// Base64 with padding (RFC 4648 §4), without line breaks.
pub fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(ALPHABET[(number >> (18 - 6 * place)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Reads what [`encode_base64`] writes and no other form: padded, no blanks, unused bits zero.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.as_bytes().get(..text.len() - padding)?;
    for chunk in digits.chunks(4) {
        let mut number = 0u32;
        for place in 0..4 {
            let value = match chunk.get(place) {
                Some(digit) => u32::try_from(ALPHABET.iter().position(|letter| letter == digit)?).ok()?,
                None => 0,
            };
            number = (number << 6) | value;
        }
        bytes.extend_from_slice(&number.to_be_bytes()[1..chunk.len()]);
    }
    (encode_base64(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_vectors_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode_base64(plain.as_bytes()), coded);
            assert_eq!(decode_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Zg", "Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9\n", "Zé=="] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn armour_is_found_inside_a_letter() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = wrap("CARD", &bytes);
        assert!(text.lines().all(|line| line.len() <= 76));
        assert_eq!(unwrap("CARD", &text, 256), Ok(bytes.clone()));
        let letter = format!("Dear colleague,\n\n{text}\nRegards").replace('\n', "  \r\n");
        assert_eq!(unwrap("CARD", &letter, 256), Ok(bytes));
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(unwrap("CARD", text, 64).expect_err("bad armour").to_string(), expect);
    }

    #[test]
    fn missing_and_damaged_armour_are_told_apart() {
        let text = wrap("CARD", b"some bytes of a card");
        check("hello", "not a CARD: the line `-----BEGIN ACCORD CARD-----` is missing");
        check(&text.replace("-----END", "----END"), "the CARD is damaged: text after the checksum");
        check(text.split("checksum").next().expect("text"), "the CARD is damaged: the last line is missing");
        check(&text.replacen("c29t", "c29u", 1), "the CARD is damaged: the checksum does not match");
        check(&text.replacen("c29t", "c2-t", 1), "the CARD is damaged: unreadable characters");
        check(&wrap("CARD", &[0; 100]), "the CARD is longer than 64 bytes");
    }
}
