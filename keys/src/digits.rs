//! Reading groups of digits that people read out, type or copy.

/// The digits in `text`, as values 0 to 9. Blanks, dashes and separators are skipped, full-width digits count; `None` when anything else is
/// among them. Looks at the first 1,024 characters only.
pub(crate) fn read_digits(text: &str) -> Option<Vec<u8>> {
    let mut digits = Vec::new();
    for c in text.chars().take(1_024) {
        let value = match c {
            '0'..='9' => u32::from(c) - u32::from('0'),
            '０'..='９' => u32::from(c) - u32::from('０'),
            _ if c.is_whitespace() || is_separator(c) => continue,
            _ => return None,
        };
        digits.push(u8::try_from(value).ok()?);
    }
    Some(digits)
}

/// Five digits as a number.
pub(crate) fn group_value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit))
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '‐'..='―' | '－' | '_' | '.' | ',' | '，' | '、' | '。' | '·')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_through_spacing_and_width_and_nothing_else() {
        assert_eq!(read_digits(" 1-2、３\n4"), Some(vec![1, 2, 3, 4]));
        assert_eq!(read_digits("12O4"), None);
        assert_eq!(read_digits("١٢"), None, "digits of other scripts are not guessed");
        assert_eq!(group_value(&[0, 1, 2, 3, 4]), 1_234);
    }
}
