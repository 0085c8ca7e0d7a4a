//! Checking codes (核对码): what two liaison officers read to each other on the phone.
//!
//! Twelve groups of five digits over (bureau id ‖ current root id), so the code changes when the root keys change and never else. 60 digits
//! hold 199 bits: nobody makes a second bureau with the same code.

use crate::digits::{group_value, read_digits};
use crate::id::{BureauId, RootId};
use std::fmt;

/// Groups in a code.
pub const GROUPS: usize = 12;
/// Digits in a group.
pub const DIGITS: usize = 5;
/// First value a group cannot have.
const GROUP_END: u64 = 100_000;

/// A bureau's checking code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckingCode([u32; GROUPS]);

/// How a code that was read out compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The same.
    Same,
    /// Twelve groups of five digits, but this group, counted from 1, is the first that differs.
    Differs {
        /// The group, counted from 1.
        group: usize,
    },
    /// Not 60 digits, or other characters among them (then 0).
    NotACode {
        /// Digits found.
        digits: usize,
    },
}

impl CheckingCode {
    /// The code of a bureau with this root head.
    ///
    /// BLAKE3 in derive-key mode, context `accord checking code v1`, over bureau id ‖ root id, 96 bytes of output; group i is bytes 8i..8i+8
    /// as an unsigned big-endian number modulo 100,000.
    pub fn of(bureau: &BureauId, root: &RootId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("accord checking code v1");
        hasher.update(bureau.as_bytes()).update(root.as_bytes());
        let mut output = [0u8; GROUPS * 8];
        hasher.finalize_xof().fill(&mut output);
        let mut groups = [0u32; GROUPS];
        for (group, bytes) in groups.iter_mut().zip(output.chunks_exact(8)) {
            let number = bytes.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
            *group = u32::try_from(number % GROUP_END).expect("less than 100,000");
        }
        Self(groups)
    }

    /// Compares with what was read out or typed. Blanks, dashes and separators between digits are ignored, full-width digits count as digits.
    pub fn compare(&self, heard: &str) -> Reading {
        let Some(digits) = read_digits(heard) else {
            return Reading::NotACode { digits: 0 };
        };
        if digits.len() != GROUPS * DIGITS {
            return Reading::NotACode { digits: digits.len() };
        }
        match self.0.iter().zip(digits.chunks(DIGITS)).position(|(own, heard)| *own != group_value(heard)) {
            None => Reading::Same,
            Some(place) => Reading::Differs { group: place + 1 },
        }
    }

    /// True iff what was read out is this code; see [`Self::compare`].
    pub fn matches(&self, heard: &str) -> bool {
        self.compare(heard) == Reading::Same
    }

    /// The twelve groups, five digits each.
    pub fn groups(&self) -> [String; GROUPS] {
        self.0.map(|group| format!("{group:05}"))
    }
}

impl fmt::Display for CheckingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}

impl fmt::Debug for CheckingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckingCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> CheckingCode {
        CheckingCode::of(&BureauId([1; 32]), &RootId([2; 32]))
    }

    fn check(heard: &str, expect: Reading) {
        assert_eq!(code().compare(heard), expect, "{heard}");
    }

    #[test]
    fn a_code_is_read_back_with_any_spacing_and_width() {
        let text = code().to_string();
        assert_eq!(text.len(), 12 * 5 + 11);
        check(&text, Reading::Same);
        check(&text.replace(' ', ""), Reading::Same);
        check(&text.replace(' ', "-"), Reading::Same);
        check(&text.replace(' ', "\n"), Reading::Same);
        let wide: String =
            text.chars().map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(u32::from('０') + digit).expect("a digit"))).collect();
        check(&wide, Reading::Same);
    }

    #[test]
    fn the_first_group_that_differs_is_named() {
        let mut groups = code().groups();
        for place in (0..GROUPS).rev() {
            groups[place] = format!("{:05}", (groups[place].parse::<u32>().expect("digits") + 1) % 100_000);
            check(&groups.join(" "), Reading::Differs { group: place + 1 });
        }
        check("12345", Reading::NotACode { digits: 5 });
        check(&format!("{}x", code()), Reading::NotACode { digits: 0 });
        check(&format!("{}0", code()), Reading::NotACode { digits: 61 });
    }

    #[test]
    fn the_code_moves_with_bureau_and_root_and_keeps_its_meaning() {
        assert_ne!(code(), CheckingCode::of(&BureauId([1; 32]), &RootId([3; 32])));
        assert_ne!(code(), CheckingCode::of(&BureauId([2; 32]), &RootId([2; 32])));
        assert_eq!(code().to_string(), "18739 64236 31033 89470 26669 17484 71418 40295 10531 48264 67233 77021");
    }
}
