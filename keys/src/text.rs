//! Short texts inside statements: names, units, seats, addresses.
//!
//! They are shown in terminals, pages and logs, so nothing that steers a terminal or reorders a line may be in them.

use crate::seal::Malformed;

/// Longest short text, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 96;

/// Refuses a text that is empty, too long, padded with blanks, or holds characters that are not seen.
///
/// # Errors
/// [`Malformed`] naming `field`.
pub fn check_text(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Malformed> {
    if text.is_empty() {
        return Err(Malformed::new(field, "is empty"));
    }
    if text.len() > bytes_max {
        return Err(Malformed::new(field, format!("has {} bytes, at most {bytes_max}", text.len())));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(Malformed::new(field, "begins or ends with a blank"));
    }
    match text.chars().find(|c| is_unseen(*c)) {
        Some(c) => Err(Malformed::new(field, format!("holds the control character U+{:04X}", u32::from(c)))),
        None => Ok(()),
    }
}

/// Control, line-separating, direction-changing and invisible characters. Joiners (U+200C, U+200D) and U+180E stay: scripts need them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, good: bool) {
        assert_eq!(check_text("text", text, 12).is_ok(), good, "{text:?}");
    }

    #[test]
    fn only_visible_short_text_passes() {
        check("北县公安局"[..12].trim(), true);
        check("fire 2", true);
        check("", false);
        check("thirteen byte", false);
        check(" pad", false);
        check("a\u{1b}[2J", false);
        check("a\nb", false);
        check("a\u{202e}b", false);
        check("a\u{2066}b", false);
        check("a\u{200d}b", true);
    }
}
