//! The checks at the end: same content, no leak, nothing lost. Each by what the nodes themselves say and hold.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

use accord_protocol::view::DocumentView;

use super::county::Node;
use crate::failure::Failure;

/// Something that must not be found where its document may not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Canary(pub Vec<u8>);

/// Canaries of a document: its id, the hashes of its changes and records, its marker text, in binary and in hex.
pub fn canaries(document: &DocumentView, markers: &[String]) -> BTreeSet<Canary> {
    let mut hashes: Vec<&str> = vec![&document.line.id, &document.log_head];
    hashes.extend(document.heads.iter().map(String::as_str));
    hashes.extend(document.entries.iter().map(|entry| entry.change.as_str()));
    let mut out = BTreeSet::new();
    for hash in hashes {
        out.extend(from_hex(hash).filter(|bytes| bytes.len() == 32).map(Canary));
        out.insert(Canary(hash.as_bytes().to_vec()));
    }
    out.insert(Canary(document.line.title.as_bytes().to_vec()));
    out.insert(Canary(document.line.number.as_bytes().to_vec()));
    out.extend(markers.iter().map(|marker| Canary(marker.as_bytes().to_vec())));
    out.retain(|canary| canary.0.len() >= 8);
    out
}

/// What a search went through and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes looked at.
    pub searched: u64,
    /// Bytes of canaries found.
    pub leaked: u64,
}

/// Searches a node's decrypted journal.
pub fn search_journal(node: &Node, canaries: &BTreeSet<Canary>, progress: &mut dyn FnMut(u64)) -> Result<Found, Failure> {
    let mut found = Found::default();
    node.journal(|piece| {
        add(&mut found, &piece, canaries);
        progress(found.searched);
    })?;
    Ok(found)
}

/// Searches every plaintext frame that `tap` says was sent to `to`.
pub fn search_tap(tap: &Path, to: &str, canaries: &BTreeSet<Canary>, progress: &mut dyn FnMut(u64)) -> Result<Found, Failure> {
    let mut found = Found::default();
    let file = match std::fs::File::open(tap) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Failure::fault("tap_unreadable").with("path", tap.display()).because(error)),
    };
    for line in std::io::BufReader::new(file).lines() {
        let line = line.map_err(|e| Failure::fault("tap_unreadable").with("path", tap.display()).because(e))?;
        // A process killed in the middle of a line leaves half a line: what is there is searched all the same.
        let Some((_, rest)) = line.split_once("\"to\":\"") else { continue };
        let Some((receiver, rest)) = rest.split_once('"') else { continue };
        if receiver != to {
            continue;
        }
        let Some((_, hex)) = rest.split_once("\"bytes\":\"") else { continue };
        let hex: String = hex.chars().take_while(char::is_ascii_hexdigit).collect();
        let even = hex.len() / 2 * 2;
        add(&mut found, &from_hex(&hex[..even]).unwrap_or_default(), canaries);
        progress(found.searched);
    }
    Ok(found)
}

fn add(found: &mut Found, bytes: &[u8], canaries: &BTreeSet<Canary>) {
    found.searched += bytes.len() as u64;
    for Canary(canary) in canaries {
        let mut rest = bytes;
        while let Some(at) = find(rest, canary) {
            found.leaked += canary.len() as u64;
            rest = &rest[at + canary.len()..];
        }
    }
}

/// Where `needle` begins in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let last = hay.len().checked_sub(needle.len())?;
    let mut at = 0;
    while at <= last {
        at += hay[at..=last].iter().position(|byte| *byte == first)?;
        if hay[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Bytes of lower- or upper-case hex; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(text: &str) -> BTreeSet<Canary> {
        BTreeSet::from([Canary(text.as_bytes().to_vec())])
    }

    #[test]
    fn a_canary_is_found_wherever_it_stands_and_as_often() {
        let mut found = Found::default();
        add(&mut found, b"xxcanary-1yycanary-1", &canary("canary-1"));
        assert_eq!(found, Found { searched: 20, leaked: 16 });
        let mut none = Found::default();
        add(&mut none, b"canary-", &canary("canary-1"));
        assert_eq!(none.leaked, 0);
    }

    #[test]
    fn a_tap_is_searched_for_one_receiver_also_when_its_last_line_is_half() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let tap = dir.path().join("tap");
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        let text = format!(
            "{{\"to\":\"aa\",\"bytes\":\"{}\"}}\n{{\"to\":\"bb\",\"bytes\":\"{}\"}}\n{{\"to\":\"aa\",\"bytes\":\"{}",
            hex("nothing"),
            hex("canary-1"),
            hex("canary-1")
        );
        std::fs::write(&tap, text).expect("written");
        let check = |to: &str| search_tap(&tap, to, &canary("canary-1"), &mut |_| {}).expect("readable").leaked;
        assert_eq!((check("aa"), check("bb"), check("cc")), (8, 8, 0));
    }

    #[test]
    fn hex_is_read_or_refused_whole() {
        assert_eq!(from_hex("00fF"), Some(vec![0, 255]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
