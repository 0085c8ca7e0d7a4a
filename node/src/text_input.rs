//! Text as county offices have it: UTF-8, GB18030 or UTF-16, with or without a byte order mark, any line ends. In comes a file, out comes clean
//! UTF-8 with `\n`, or a refusal that says what is wrong and where.
//!
//! Nothing is guessed twice: a byte order mark decides; else valid UTF-8 is UTF-8; else the bytes must be GB18030 without a single error.
//! The size is bounded before anything is read whole ([`RAW_BYTES_MAX`]) and again after decoding ([`TEXT_BYTES_MAX`]).

use std::io::Read;
use std::path::Path;

use accord_protocol::limits::{TEXT_BYTES_MAX, TITLE_BYTES_MAX};
use encoding_rs::{Encoding, GB18030, UTF_16BE, UTF_16LE};

use crate::failure::Failure;

/// Most bytes read from a file: twice the text bound, since CRLF and UTF-16 may halve in decoding.
pub const RAW_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;

/// Text ready to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// UTF-8, `\n` line ends, no control characters but tab, at least one visible character.
    pub text: String,
    /// The encoding it came in, by its registered name (`UTF-8`, `gb18030`, `UTF-16LE`, `UTF-16BE`).
    pub encoding: &'static str,
}

/// Reads `path`, or standard input for `-`.
///
/// # Errors
/// `file_not_found`, `file_unreadable`, `text_too_long`, and those of [`decode`].
pub fn read(path: &Path) -> Result<Text, Failure> {
    decode(&read_up_to(path, RAW_BYTES_MAX)?)
}

/// The bytes of `path`, or of standard input for `-`, if they are not more than `bytes_max`.
///
/// # Errors
/// `file_not_found`, `file_unreadable`, `text_too_long`.
pub fn read_up_to(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(std::io::stdin().lock(), "-", bytes_max);
    }
    let name = path.display();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::misuse("file_not_found").with("path", name.to_string()),
        _ => Failure::misuse("file_unreadable").with("path", name.to_string()).because(error),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.is_dir() {
        return Err(Failure::misuse("file_unreadable").with("path", name));
    }
    if about.len() > bytes_max as u64 {
        return Err(too_long(about.len(), bytes_max));
    }
    bounded(file, &name.to_string(), bytes_max)
}

/// Decodes `bytes`.
///
/// # Errors
/// `text_encoding`, `text_control` (with line and code point), `empty_text`, `text_too_long`; all misuse.
pub fn decode(bytes: &[u8]) -> Result<Text, Failure> {
    let (decoded, encoding) = to_utf8(bytes)?;
    let mut text = String::with_capacity(decoded.len());
    let mut line = 1_usize;
    let mut chars = decoded.chars().peekable();
    while let Some(found) = chars.next() {
        let kept = match found {
            '\r' => {
                if chars.peek() == Some(&'\n') {
                    chars.next();
                }
                '\n'
            }
            '\t' | '\n' => found,
            // Direction overrides can make a signed text read otherwise than it is written.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => return Err(control(line, found)),
            _ if found.is_control() => return Err(control(line, found)),
            _ => found,
        };
        if kept == '\n' {
            line += 1;
        }
        text.push(kept);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long(text.len() as u64, TEXT_BYTES_MAX));
    }
    if text.trim().is_empty() {
        return Err(Failure::misuse("empty_text"));
    }
    Ok(Text { text, encoding })
}

/// The headline of a text: its first Markdown heading, else its first line that is not blank.
///
/// # Errors
/// `title_too_long` above [`TITLE_BYTES_MAX`] bytes: a person must choose a shorter one.
pub fn title_of(text: &str) -> Result<String, Failure> {
    let heading = text.lines().map(str::trim).find_map(|line| {
        let rest = line.trim_start_matches('#');
        let depth = line.len() - rest.len();
        ((1..=6).contains(&depth) && rest.starts_with([' ', '\t', '\u{3000}'])).then(|| rest.trim().trim_end_matches('#').trim_end())
    });
    let title = heading.filter(|title| !title.is_empty()).or_else(|| text.lines().map(str::trim).find(|line| !line.is_empty()));
    let title = title.unwrap_or_default().replace('\t', " ");
    if title.len() > TITLE_BYTES_MAX {
        return Err(Failure::misuse("title_too_long").with("bytes", title.len()).with("most", TITLE_BYTES_MAX));
    }
    Ok(title)
}

fn bounded(from: impl Read, name: &str, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::misuse("file_unreadable").with("path", name).because(error))?;
    if bytes.len() > bytes_max {
        return Err(too_long(bytes.len() as u64, bytes_max));
    }
    Ok(bytes)
}

fn to_utf8(bytes: &[u8]) -> Result<(String, &'static str), Failure> {
    let with = |encoding: &'static Encoding, bytes: &[u8]| {
        encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(|text| (text.into_owned(), encoding.name()))
            .ok_or_else(|| Failure::misuse("text_encoding"))
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            String::from_utf8(rest.to_vec()).map(|text| (text, "UTF-8")).map_err(|_| Failure::misuse("text_encoding"))
        }
        [0xff, 0xfe, rest @ ..] => with(UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => with(UTF_16BE, rest),
        [0x84, 0x31, 0x95, 0x33, rest @ ..] => with(GB18030, rest),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Ok((text.to_owned(), "UTF-8")),
            Err(_) => with(GB18030, bytes),
        },
    }
}

fn control(line: usize, found: char) -> Failure {
    Failure::misuse("text_control").with("line", line).with("character", format!("U+{:04X}", found as u32))
}

/// Of a text only [`TEXT_BYTES_MAX`] may be left when it is decoded, so that is the limit people are told.
fn too_long(found: u64, bytes_max: usize) -> Failure {
    let limit = if bytes_max == RAW_BYTES_MAX { TEXT_BYTES_MAX } else { bytes_max };
    Failure::misuse("text_too_long").with("bytes", found).with("most", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<(&str, &str), &str>) {
        let found = decode(bytes);
        match (&found, expect) {
            (Ok(text), Ok((words, encoding))) => assert_eq!((text.text.as_str(), text.encoding), (words, encoding)),
            (Err(failure), Err(code)) => assert_eq!(failure.code, code),
            _ => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn each_encoding_of_the_office_reads_as_the_same_text() {
        let words = "# 通报\n被盗电动车 3 辆";
        let crlf = words.replace('\n', "\r\n");
        let utf16 = |order: fn(u16) -> [u8; 2]| crlf.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        check(words.as_bytes(), Ok((words, "UTF-8")));
        check(&[b"\xef\xbb\xbf", crlf.as_bytes()].concat(), Ok((words, "UTF-8")));
        check(words.replace('\n', "\r").as_bytes(), Ok((words, "UTF-8")));
        check(&GB18030.encode(&crlf).0, Ok((words, "gb18030")));
        check(&[b"\x84\x31\x95\x33".as_slice(), &GB18030.encode(&crlf).0].concat(), Ok((words, "gb18030")));
        check(&[b"\xff\xfe".as_slice(), &utf16(u16::to_le_bytes)].concat(), Ok((words, "UTF-16LE")));
        check(&[b"\xfe\xff".as_slice(), &utf16(u16::to_be_bytes)].concat(), Ok((words, "UTF-16BE")));
    }

    #[test]
    fn a_character_outside_the_old_code_pages_survives_gb18030() {
        check(&GB18030.encode("𠮷林路 € 㐀").0, Ok(("𠮷林路 € 㐀", "gb18030")));
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_reason() {
        check(b"", Err("empty_text"));
        check(b" \r\n\t \n", Err("empty_text"));
        check(b"a\0b", Err("text_control"));
        check("令\u{202e}行".as_bytes(), Err("text_control"));
        check(b"\xff\xff\xff\xff", Err("text_encoding"));
        check(b"\xef\xbb\xbf\xff", Err("text_encoding"));
        check(b"\xff\xfe\x00", Err("text_encoding"));
        check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Err("text_control"));
    }

    #[test]
    fn a_refused_character_is_named_with_its_line() {
        let failure = decode(b"one\r\ntwo\r\nthree\x07").expect_err("a bell is no text");
        assert_eq!((failure.param("line"), failure.param("character")), (Some("3"), Some("U+0007")));
    }

    #[test]
    fn the_bound_holds_for_the_decoded_text() {
        check(&vec![b'a'; TEXT_BYTES_MAX], Ok((&"a".repeat(TEXT_BYTES_MAX), "UTF-8")));
        check(&vec![b'a'; TEXT_BYTES_MAX + 1], Err("text_too_long"));
        // 32,769 bytes of GB18030 are 48 KiB and three bytes of UTF-8.
        check(&GB18030.encode(&"甲".repeat(TEXT_BYTES_MAX / 3 + 1)).0, Err("text_too_long"));
        check("a\r\n".repeat(TEXT_BYTES_MAX / 2).as_bytes(), Ok((&"a\n".repeat(TEXT_BYTES_MAX / 2), "UTF-8")));
    }

    #[test]
    fn a_file_of_ten_megabytes_is_refused_by_its_size() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("big.txt");
        std::fs::File::create(&path).and_then(|file| file.set_len(10 * 1024 * 1024)).expect("a sparse file");
        let failure = read(&path).expect_err("ten megabytes are too long");
        assert_eq!(
            (failure.code.as_str(), failure.param("bytes"), failure.param("most")),
            ("text_too_long", Some("10485760"), Some("49152"))
        );
        assert_eq!(read(&dir.path().join("none")).expect_err("no such file").code, "file_not_found");
        assert_eq!(read(dir.path()).expect_err("a folder").code, "file_unreadable");
    }

    #[test]
    fn the_headline_is_the_first_heading_or_the_first_line() {
        let check = |text: &str, expect: &str| assert_eq!(title_of(text).expect("short enough"), expect, "{text:?}");
        check("# 关于电动车被盗案件的通报\n正文", "关于电动车被盗案件的通报");
        check("发文机关\n\n## 串并征集 ##\n正文", "串并征集");
        check("\n\n  第一行\n第二行", "第一行");
        check("#话题 不是标题\n# 标题", "标题");
        check("#\n正文", "#");
        assert_eq!(title_of(&"长".repeat(67)).expect_err("201 bytes").code, "title_too_long");
    }
}
